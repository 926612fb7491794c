/* traces.c -- `telltale traces`: one line per trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum {
    PATH_BYTES_MAX = 64 * 1024,
    ID_SHOWN = 8,
    PAGE_MAX = 1000,
    OUTPUT_BYTES_MAX = 64 * 1024 * 1024
};

static const struct cli_column columns[] = {
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

static void add_row(struct cli_table *table, const struct value *trace)
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

static const char *list_path(struct cli_call *call)
{
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_c(&path, "/api/v1/traces");
    cli_query_add(&path, "q", call->options.q);
    cli_query_add(&path, "from", call->options.from);
    cli_query_add(&path, "to", call->options.to);
    cli_query_add(&path, "sort", call->options.sort);
    if (call->options.limit)
        cli_query_add(&path, "limit",
                      arena_printf(&call->arena, "%lld", (long long)call->options.limit).ptr);
    str kept =
        buf_failed(&path) ? STR_NONE : arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&path)));
    buf_clear(&path);
    return kept.ptr;
}

/* What to do next: for people, not for pipes. */
static void add_hints(const struct cli_call *call, const struct value *answer, struct buf *out)
{
    const struct value *items = cli_member(answer, "items"), *first = cli_item(items, 0);
    struct buf text;
    if (!first || !call->screen.is_tty)
        return;
    buf_init(&text, KIB);
    buf_printf(&text, "`telltale trace %.*s` shows one",
               STR_ARG(str_sub(cli_member_str(first, "trace_id"), 0, ID_SHOWN)));
    if (cli_member(answer, "next_cursor") && items->count < PAGE_MAX)
        buf_printf(&text, "; there are more than these %u: --limit=%d, or -q to narrow",
                   items->count, PAGE_MAX);
    else if (cli_member(answer, "next_cursor"))
        buf_add_c(&text, "; there are more: narrow with -q, or end the range earlier with --to");
    buf_add_char(out, '\n');
    cli_paint(out, &call->screen, CLI_DIM, buf_str(&text));
    buf_add_char(out, '\n');
    buf_clear(&text);
}

int cli_traces(struct cli_call *call)
{
    struct value answer;
    const char *path = list_path(call);
    if (!path)
        return cli_misuse(call, "the filter is too long");
    int status = cli_ask(call, path, &answer);
    if (status || call->options.json)
        return status;
    const struct value *items = cli_member(&answer, "items");
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    struct cli_table table;
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (uint32_t i = 0; cli_item(items, i); i++)
        add_row(&table, cli_item(items, i));
    if (cli_item(items, 0))
        cli_table_print(&table, &call->screen, &out);
    else
        buf_add_c(&out,
                  "no traces match; the range is the last 24 hours unless --from says more\n");
    add_hints(call, &answer, &out);
    cli_table_clear(&table);
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}
