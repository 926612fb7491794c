/* cli.h -- the sub-commands of `telltale` but `serve`.
 *
 * Memory:  none kept.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

struct cli_command {
    const char *name;
    const char *arguments; /* for help: "ID" */
    const char *summary;
    int (*run)(int argc, char **argv); /* without program and command; the exit status */
};
/* Ends with a row whose name is NULL. */
extern const struct cli_command cli_commands[];
