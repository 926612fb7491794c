/* commands.c -- the tables of sub-commands and options.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"
#include "conf/nearest.h"

const struct cli_option_info cli_option_table[CLI_OPTION_COUNT] = {
#define OPTION(id, name, letter, kind, value, help)                                                \
    { name, letter, CLI_KIND_##kind, offsetof(struct cli_options, id), value, help },
#include "cli/option.def"
#undef OPTION
};

/* One entry point per row, which knows its row. */
enum {
#define COMMAND(id, arguments, verbs, args_min, args_max, options, summary, examples) COMMAND_##id,
#include "cli/command.def"
#undef COMMAND
};

#define COMMAND(id, arguments, verbs, args_min, args_max, options, summary, examples)              \
    static int run_##id(int argc, char **argv)                                                     \
    {                                                                                              \
        return cli_run(&cli_commands[COMMAND_##id], cli_##id, argc, argv);                         \
    }
#include "cli/command.def"
#undef COMMAND

#define O(id) (UINT64_C(1) << CLI_OPTION_##id)
#define REMOTE (O(server) | O(key_file) | O(ca_file) | O(json))
const struct cli_command cli_commands[] = {
#define COMMAND(id, arguments, verbs, args_min, args_max, options, summary, examples)              \
    { #id, arguments, summary, run_##id, verbs, args_min, args_max, options, examples },
#include "cli/command.def"
#undef COMMAND
    { 0 },
};
#undef REMOTE
#undef O

str cli_nearest_command(const char *word)
{
    struct nearest nearest;
    nearest_init(&nearest, str_from_c(word));
    nearest_consider(&nearest, STR_OF("serve"));
    for (const struct cli_command *at = cli_commands; at->name; at++)
        nearest_consider(&nearest, str_from_c(at->name));
    return nearest_best(&nearest);
}
