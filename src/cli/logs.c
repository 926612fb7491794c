/* logs.c -- `telltale logs`: log records, newest last as in a file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { PATH_BYTES_MAX = 64 * 1024, ID_SHOWN = 8 };

static const struct cli_column columns[] = {
    { "TIME (UTC)", false, false }, { "LEVEL", false, false }, { "SERVICE", false, true },
    { "TRACE", false, false },      { "EVENT", false, true },  { "BODY", false, true },
};

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

static void add_hint(const struct cli_call *call, const struct value *answer, struct buf *out)
{
    (void)call;
    if (cli_member(answer, "next_cursor"))
        buf_add_c(out, "there are more before these: --limit=1000, --to, or -q to narrow");
}

int cli_logs(struct cli_call *call)
{
    struct buf path;
    str text =
        call->arg_count ? arena_printf(&call->arena, "%.*s", STR_ARG(call->args[0])) : STR_NONE;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_c(&path, "/api/v1/logs");
    cli_query_add(&path, "text", text.ptr);
    if (buf_failed(&path)) {
        buf_clear(&path);
        return cli_misuse(call, "the text is too long");
    }
    str begin = arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&path)));
    buf_clear(&path);
    struct cli_list list = {
        .path = cli_question(call, begin.ptr, "q severity trace_id=trace from to limit"),
        .columns = columns,
        .column_count = COUNT_OF(columns),
        .is_reversed = true,
        .add_row = add_row,
        .none = "no log records match; the range is the last 24 hours unless --from says more, "
                "and case matters",
        .add_hint = add_hint,
    };
    return cli_list(call, &list);
}
