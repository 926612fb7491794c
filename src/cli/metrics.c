/* metrics.c -- `telltale metrics`: what senders sent as metrics, and numbers of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { PATH_BYTES_MAX = 64 * 1024, OUTPUT_BYTES_MAX = 64 * 1024 * 1024, COLUMNS_MAX = 7 };

static const char *ask_path(struct cli_call *call, const char *metric)
{
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_c(&path, metric ? "/api/v1/metrics/query" : "/api/v1/metrics");
    cli_query_add(&path, "metric", metric);
    cli_query_add(&path, "op", call->options.op);
    cli_query_add(&path, "by", call->options.by);
    cli_query_add(&path, "step", call->options.step);
    cli_query_add(&path, "q", call->options.q);
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

static str text_or_unknown(const struct value *object, const char *key)
{
    str text = cli_member_str(object, key);
    return str_is_none(text) ? CLI_UNKNOWN : text;
}

static str joined(struct arena *arena, const struct value *list)
{
    str text = STR_OF("");
    for (uint32_t i = 0; cli_item(list, i); i++)
        text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), i ? ", " : "",
                            STR_ARG(cli_item(list, i)->text));
    return text;
}

static void names_print(struct cli_call *call, const struct value *items, struct buf *out)
{
    static const struct cli_column columns[] = {
        { "METRIC", false, true },     { "TYPE", false, false },       { "UNIT", false, false },
        { "POINTS", true, false },     { "LAST (UTC)", false, false }, { "SERVICES", false, true },
        { "ATTRIBUTES", false, true },
    };
    struct cli_table table;
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (uint32_t i = 0; cli_item(items, i); i++) {
        const struct value *item = cli_item(items, i);
        cli_table_add(&table, cli_member_str(item, "name"), CLI_CYAN);
        cli_table_add(&table, cli_member_str(item, "type"), CLI_PLAIN);
        cli_table_add(&table, text_or_unknown(item, "unit"), CLI_PLAIN);
        cli_table_add(&table, cli_human_count(&call->arena, cli_member(item, "points")), CLI_PLAIN);
        cli_table_add(&table, cli_human_time(&call->arena, cli_member(item, "last_time")), CLI_DIM);
        cli_table_add(&table, joined(&call->arena, cli_member(item, "services")), CLI_PLAIN);
        cli_table_add(&table, joined(&call->arena, cli_member(item, "attributes")), CLI_PLAIN);
    }
    cli_table_print(&table, &call->screen, out);
    cli_table_clear(&table);
}

static void rows_print(struct cli_call *call, const struct value *answer, struct buf *out)
{
    struct cli_column columns[COLUMNS_MAX] = { { NULL, false, false } };
    const struct value *items = cli_member(answer, "items");
    const struct value *by = cli_member(cli_item(items, 0), "by");
    const struct value *metric = cli_member(answer, "metric");
    size_t count = 0;
    bool has_steps = cli_member(answer, "step_ms") != NULL;
    if (has_steps)
        columns[count++] = (struct cli_column){ "TIME (UTC)", false, false };
    for (uint32_t i = 0; by && i < by->count && count + 2 < COLUMNS_MAX; i++)
        columns[count++] =
            (struct cli_column){ arena_printf(&call->arena, "%.*s", STR_ARG(by->attrs[i].key)).ptr,
                                 false, true };
    str title = arena_printf(&call->arena, "%.*s (%.*s)", STR_ARG(cli_member_str(answer, "op")),
                             STR_ARG(text_or_unknown(metric, "unit")));
    columns[count++] = (struct cli_column){ title.ptr, true, false };
    columns[count++] = (struct cli_column){ "POINTS", true, false };
    struct cli_table table;
    cli_table_init(&table, &call->arena, columns, count);
    for (uint32_t i = 0; cli_item(items, i); i++) {
        const struct value *item = cli_item(items, i);
        double value = 0;
        by = cli_member(item, "by");
        if (has_steps)
            cli_table_add(&table, cli_human_time(&call->arena, cli_member(item, "time")), CLI_DIM);
        for (uint32_t k = 0; by && k < by->count && k + 2 + has_steps < count; k++)
            cli_table_add(
                &table,
                text_or_unknown(by,
                                arena_printf(&call->arena, "%.*s", STR_ARG(by->attrs[k].key)).ptr),
                CLI_CYAN);
        bool is_known = cli_member_f64(item, "value", &value);
        cli_table_add(&table, is_known ? arena_printf(&call->arena, "%.6g", value) : CLI_UNKNOWN,
                      CLI_PLAIN);
        cli_table_add(&table, cli_human_count(&call->arena, cli_member(item, "points")), CLI_PLAIN);
    }
    cli_table_print(&table, &call->screen, out);
    cli_table_clear(&table);
}

int cli_metrics(struct cli_call *call)
{
    struct value answer;
    const char *metric = NULL;
    if (call->arg_count)
        metric = arena_printf(&call->arena, "%.*s", STR_ARG(call->args[0])).ptr;
    if (!metric && (call->options.op || call->options.by || call->options.step || call->options.q))
        return cli_misuse(call,
                          "these options are about one metric: telltale metrics NAME --op=...");
    const char *path = ask_path(call, metric);
    if (!path)
        return cli_misuse(call, "the name or filter is too long");
    int status = cli_ask(call, path, &answer);
    if (status || call->options.json)
        return status;
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (!cli_item(cli_member(&answer, "items"), 0))
        buf_add_c(&out,
                  "no metric points match; the range is the last 24 hours unless --from says "
                  "more.\nWhat is computed of spans is at /metrics and in `telltale cost`.\n");
    else if (metric)
        rows_print(call, &answer, &out);
    else
        names_print(call, cli_member(&answer, "items"), &out);
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}
