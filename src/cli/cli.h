/* cli.h -- the sub-commands of `telltale` but `serve`.
 *
 * Every command is a row of command.def and a function of its own file; every option a row
 * of option.def.  Help, completion and the check of arguments come from the two tables.
 *
 * Memory:  none kept.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/str.h"

struct cli_command {
    const char *name;
    const char *arguments; /* for help: "ID" */
    const char *summary;
    int (*run)(int argc, char **argv); /* without program and command; the exit status */
    const char *verbs;                 /* what the first argument may be: "verify dump"; or NULL */
    int args_min, args_max;
    uint64_t options;     /* bits of enum cli_option */
    const char *examples; /* lines of help */
};
/* Ends with a row whose name is NULL. */
extern const struct cli_command cli_commands[];
/* The known command that was probably meant, "serve" among them; STR_NONE: none is near. */
str cli_nearest_command(const char *word);
