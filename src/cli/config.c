/* config.c -- `telltale config`: what the server runs with, as it says itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { OUTPUT_BYTES_MAX = 4 * 1024 * 1024 };

static const struct cli_column columns[] = {
    { "OPTION", false, false },
    { "VALUE", false, true },
    { "FROM", false, false },
    { "HELP", false, true },
};

int cli_config(struct cli_call *call)
{
    struct value answer;
    int status = cli_ask(call, "/api/v1/config", &answer);
    if (status || call->options.json)
        return status;
    const struct value *options = cli_member(&answer, "options");
    struct cli_table table;
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (uint32_t i = 0; cli_item(options, i); i++) {
        const struct value *option = cli_item(options, i);
        str origin = cli_member_str(option, "origin");
        bool is_set = !str_equal_c(origin, "default");
        cli_table_add(&table, cli_member_str(option, "name"), CLI_PLAIN);
        cli_table_add(&table, cli_member_str(option, "value"), is_set ? CLI_BOLD : CLI_PLAIN);
        cli_table_add(&table, origin, is_set ? CLI_YELLOW : CLI_DIM);
        cli_table_add(&table, cli_member_str(option, "help"), CLI_DIM);
    }
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    cli_table_print(&table, &call->screen, &out);
    cli_table_clear(&table);
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}
