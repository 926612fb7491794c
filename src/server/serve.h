/* serve.h -- `telltale serve`: wiring, start, and an orderly end.
 *
 * Memory:  owns everything the process has.
 * Threads: called on the main thread; see ARCHITECTURE.md for the others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

/* Runs until SIGTERM or SIGINT; the exit status. argv without the program's name and
 * the sub-command. */
int serve(int argc, char **argv);
