/* logs.c -- `telltale logs`: log records, newest last as in a file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { PATH_BYTES_MAX = 64 * 1024, OUTPUT_BYTES_MAX = 64 * 1024 * 1024, ID_SHOWN = 8 };

static const struct cli_column columns[] = {
    { "TIME (UTC)", false, false }, { "LEVEL", false, false }, { "SERVICE", false, true },
    { "TRACE", false, false },      { "EVENT", false, true },  { "BODY", false, true },
};

static const char *list_path(struct cli_call *call)
{
    struct buf path;
    str text =
        call->arg_count ? arena_printf(&call->arena, "%.*s", STR_ARG(call->args[0])) : STR_NONE;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_c(&path, "/api/v1/logs");
    cli_query_add(&path, "text", text.ptr);
    cli_query_add(&path, "q", call->options.q);
    cli_query_add(&path, "severity", call->options.severity);
    cli_query_add(&path, "trace_id", call->options.trace);
    cli_query_add(&path, "from", call->options.from);
    cli_query_add(&path, "to", call->options.to);
    if (call->options.limit)
        cli_query_add(&path, "limit",
                      arena_printf(&call->arena, "%lld", (long long)call->options.limit).ptr);
    str kept =
        buf_failed(&path) ? STR_NONE : arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&path)));
    buf_clear(&path);
    return kept.ptr;
}

static enum cli_colour colour_of(double severity)
{
    if (severity >= 17)
        return CLI_RED;
    return severity >= 13 ? CLI_YELLOW : CLI_DIM;
}

static str level_of(const struct value *log, double severity)
{
    static const char *const names[] = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };
    str text = cli_member_str(log, "severity_text");
    if (!str_is_empty(text))
        return text;
    return severity >= 1 && severity <= 24 ? str_from_c(names[((int)severity - 1) / 4])
                                           : CLI_UNKNOWN;
}

static void add_row(struct cli_table *table, const struct value *log)
{
    double severity = 0;
    (void)cli_member_f64(log, "severity", &severity);
    cli_table_add(table, cli_human_time(table->arena, cli_member(log, "time")), CLI_DIM);
    cli_table_add(table, level_of(log, severity), colour_of(severity));
    cli_table_add(table, cli_member_str(log, "service"), CLI_PLAIN);
    cli_table_add(table, str_sub(cli_member_str(log, "trace_id"), 0, ID_SHOWN), CLI_CYAN);
    cli_table_add(table, cli_member_str(log, "event_name"), CLI_PLAIN);
    cli_table_add(table, cli_member_str(log, "body"), CLI_PLAIN);
}

int cli_logs(struct cli_call *call)
{
    struct value answer;
    const char *path = list_path(call);
    if (!path)
        return cli_misuse(call, "the text or filter is too long");
    int status = cli_ask(call, path, &answer);
    if (status || call->options.json)
        return status;
    const struct value *items = cli_member(&answer, "items");
    uint32_t count = items && items->type == VALUE_ARRAY ? items->count : 0;
    struct buf out;
    struct cli_table table;
    buf_init(&out, OUTPUT_BYTES_MAX);
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (uint32_t i = count; i-- > 0;)
        add_row(&table, cli_item(items, i));
    if (count)
        cli_table_print(&table, &call->screen, &out);
    else
        buf_add_c(&out, "no log records match; the range is the last 24 hours unless --from says "
                        "more, and case matters\n");
    if (count && call->screen.is_tty && cli_member(&answer, "next_cursor"))
        cli_paint(&out, &call->screen, CLI_DIM,
                  STR_OF("\nthere are more before these: --limit=1000, --to, or -q to narrow\n"));
    cli_table_clear(&table);
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}
