/* main.c -- which sub-command.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "server/serve.h"
#include "store/store.h"
#include "version.h"
#include <stdio.h>
#include <string.h>

static void print_usage(FILE *to)
{
    fprintf(to, "usage: telltale COMMAND [arguments]\n\n");
    fprintf(to, "  %-10s %-16s %s\n", "serve", "", "receive, store and show telemetry");
    for (const struct cli_command *at = cli_commands; at->name; at++)
        fprintf(to, "  %-10s %-16s %s\n", at->name, at->arguments, at->summary);
    fprintf(to, "\n`telltale COMMAND --help` says more about one.\n");
}

static const struct cli_command *command_find(const char *name)
{
    const struct cli_command *at = cli_commands;
    while (at->name && strcmp(at->name, name) != 0)
        at++;
    return at->name ? at : NULL;
}

/* `telltale help COMMAND`; -1: no such command. */
static int print_command_help(const char *name)
{
    char help[] = "--help", *argv[] = { help };
    const struct cli_command *command = command_find(name);
    if (command)
        return command->run(1, argv);
    return strcmp(name, "serve") == 0 ? serve(1, argv) : -1;
}

int main(int argc, char **argv)
{
    if (store_sql_child(argc, argv)) /* this process is to run one statement of a user */
        return 0;
    int status = argc == 3 && strcmp(argv[1], "help") == 0 ? print_command_help(argv[2]) : -1;
    if (status >= 0)
        return status;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("telltale %s\n", TELLTALE_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "serve") == 0)
        return serve(argc - 2, argv + 2);
    const struct cli_command *command = command_find(argv[1]);
    if (command)
        return command->run(argc - 2, argv + 2);
    str near = cli_nearest_command(argv[1]);
    if (str_is_none(near)) {
        fprintf(stderr, "telltale: unknown command \"%s\"\n\n", argv[1]);
        print_usage(stderr);
    } else {
        fprintf(stderr, "telltale: unknown command \"%s\"; did you mean \"%.*s\"?\n", argv[1],
                STR_ARG(near));
    }
    return 2;
}
