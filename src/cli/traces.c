/* traces.c -- `telltale traces`: one line per trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { ID_SHOWN = 8 };

const struct cli_column cli_trace_columns[CLI_TRACE_COLUMNS] = {
    { "TIME (UTC)", false, false }, { "TRACE", false, false },  { "NAME", false, true },
    { "MODEL", false, true },       { "IN", true, false },      { "OUT", true, false },
    { "COST", true, false },        { "LATENCY", true, false }, { "STATUS", false, false },
};

static enum cli_colour colour_of(str status)
{
    if (str_equal_c(status, "error"))
        return CLI_RED;
    return str_equal_c(status, "ok") ? CLI_GREEN : CLI_DIM;
}

void cli_trace_add_row(struct cli_table *table, const struct value *trace)
{
    struct arena *arena = table->arena;
    str status = cli_member_str(trace, "status");
    cli_table_add(table, cli_human_time(arena, cli_member(trace, "start_time")), CLI_DIM);
    cli_table_add(table, str_sub(cli_member_str(trace, "trace_id"), 0, ID_SHOWN), CLI_CYAN);
    cli_table_add(table, cli_member_str(trace, "name"), CLI_PLAIN);
    cli_table_add(table, cli_member_str(trace, "generator_model"), CLI_PLAIN);
    cli_table_add(table, cli_human_count(arena, cli_member(trace, "input_tokens")), CLI_PLAIN);
    cli_table_add(table, cli_human_count(arena, cli_member(trace, "output_tokens")), CLI_PLAIN);
    cli_table_add(table, cli_human_usd(arena, cli_member(trace, "estimated_cost_usd")), CLI_PLAIN);
    cli_table_add(table, cli_human_ms(arena, cli_member(trace, "latency_ms")), CLI_PLAIN);
    cli_table_add(table, status, colour_of(status));
}

static void add_hint(const struct cli_call *call, const struct value *answer, struct buf *out)
{
    const struct value *items = cli_member(answer, "items"), *first = cli_item(items, 0);
    (void)call;
    if (!first)
        return;
    buf_printf(out, "`telltale trace %.*s` shows one",
               STR_ARG(str_sub(cli_member_str(first, "trace_id"), 0, ID_SHOWN)));
    if (cli_member(answer, "next_cursor") && items->count < CLI_PAGE_MAX)
        buf_printf(out, "; there are more than these %u: --limit=%d, or -q to narrow", items->count,
                   CLI_PAGE_MAX);
    else if (cli_member(answer, "next_cursor"))
        buf_add_c(out, "; there are more: narrow with -q, or end the range earlier with --to");
}

int cli_traces(struct cli_call *call)
{
    struct cli_list list = {
        .path = cli_question(call, "/api/v1/traces", "q from to sort limit"),
        .columns = cli_trace_columns,
        .column_count = CLI_TRACE_COLUMNS,
        .add_row = cli_trace_add_row,
        .none = "no traces match; the range is the last 24 hours unless --from says more",
        .add_hint = add_hint,
    };
    return cli_list(call, &list);
}
