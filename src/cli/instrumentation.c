/* instrumentation.c -- `telltale instrumentation`: what the telemetry says and leaves out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { OUTPUT_BYTES_MAX = 16 * 1024 * 1024, ID_SHOWN = 8 };

static str name_of(const struct value *object, const char *key)
{
    str name = cli_member_str(object, key);
    return str_is_empty(name) ? CLI_UNKNOWN : name;
}

static str stage_of(struct arena *arena, const struct value *service)
{
    const struct value *stage = cli_member(service, "stage");
    double number = 0;
    if (!stage || !cli_member_f64(stage, "number", &number))
        return CLI_UNKNOWN;
    return arena_printf(arena, "%.0f %.*s", number, STR_ARG(cli_member_str(stage, "name")));
}

/* "automated_evals, feedback" */
static str missing_of(struct arena *arena, const struct value *service)
{
    const struct value *missing = cli_member(cli_member(service, "stage"), "missing");
    struct buf text;
    buf_init(&text, KIB);
    for (uint32_t i = 0; cli_item(missing, i); i++) {
        buf_add_c(&text, i ? ", " : "");
        buf_add_str(&text, cli_member_str(cli_item(missing, i), "what"));
    }
    str kept = text.len ? arena_str(arena, buf_str(&text)) : STR_OF("");
    buf_clear(&text);
    return kept;
}

static void add_services(struct cli_call *call, const struct value *answer, struct buf *out)
{
    static const struct cli_column columns[] = {
        { "SERVICE", false, true },    { "CALLS", true, false },
        { "TEXT LINES", true, false }, { "NO REQUEST", true, false },
        { "STAGE", false, false },     { "NEXT STAGE NEEDS", false, true },
    };
    const struct value *services = cli_member(answer, "services");
    struct arena *arena = &call->arena;
    struct cli_table table;
    cli_table_init(&table, arena, columns, COUNT_OF(columns));
    for (uint32_t i = 0; cli_item(services, i); i++) {
        const struct value *service = cli_item(services, i);
        cli_table_add(&table, name_of(service, "service"), CLI_BOLD);
        cli_table_add(&table, cli_human_count(arena, cli_member(service, "model_calls")),
                      CLI_PLAIN);
        cli_table_add(&table, cli_human_count(arena, cli_member(service, "unstructured_logs")),
                      CLI_PLAIN);
        cli_table_add(&table, cli_human_count(arena, cli_member(service, "no_request_root")),
                      CLI_PLAIN);
        cli_table_add(&table, stage_of(arena, service), CLI_CYAN);
        cli_table_add(&table, missing_of(arena, service), CLI_DIM);
    }
    cli_table_print(&table, &call->screen, out);
    cli_table_clear(&table);
}

static void add_shares(struct cli_call *call, const struct value *answer, struct buf *out)
{
    static const struct cli_column columns[] = { { "MODEL CALLS WITH", false, false },
                                                 { "SHARE", true, false },
                                                 { "", false, false } };
    enum { BAR_COLUMNS = 20 };
    const struct value *shares = cli_member(answer, "shares");
    struct cli_table table;
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (uint32_t i = 0; shares && shares->type == VALUE_MAP && i < shares->count; i++) {
        double share = 0;
        bool is_known = cli_member_f64(&shares->attrs[i].value, "share", &share);
        struct buf bar;
        buf_init(&bar, KIB);
        cli_add_bar(&bar, share, BAR_COLUMNS);
        cli_table_add(&table, shares->attrs[i].key, CLI_PLAIN);
        cli_table_add(&table,
                      is_known ? arena_printf(&call->arena, "%.0f%%", share * 100) : CLI_UNKNOWN,
                      CLI_BOLD);
        cli_table_add(&table, arena_str(&call->arena, buf_str(&bar)), CLI_GREEN);
        buf_clear(&bar);
    }
    buf_add_char(out, '\n');
    cli_table_print(&table, &call->screen, out);
    cli_table_clear(&table);
}

static void add_gaps(struct cli_call *call, const struct value *answer, struct buf *out)
{
    static const struct cli_column columns[] = {
        { "GAP", false, false },  { "SERVICE", false, true }, { "SPAN", false, true },
        { "CALLS", true, false }, { "TRACE", false, false },  { "WHAT TO DO", false, true },
    };
    const struct value *gaps = cli_member(answer, "gaps");
    struct cli_table table;
    if (!cli_item(gaps, 0))
        return;
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (uint32_t i = 0; cli_item(gaps, i); i++) {
        const struct value *gap = cli_item(gaps, i);
        cli_table_add(&table, cli_member_str(gap, "what"), CLI_YELLOW);
        cli_table_add(&table, name_of(gap, "service"), CLI_PLAIN);
        cli_table_add(&table, name_of(gap, "span_name"), CLI_PLAIN);
        cli_table_add(&table, cli_human_count(&call->arena, cli_member(gap, "missing")), CLI_PLAIN);
        cli_table_add(&table, str_sub(cli_member_str(gap, "exemplar_trace_id"), 0, ID_SHOWN),
                      CLI_CYAN);
        cli_table_add(&table, cli_member_str(gap, "how"), CLI_DIM);
    }
    buf_add_char(out, '\n');
    cli_table_print(&table, &call->screen, out);
    cli_table_clear(&table);
}

static void add_unmapped(const struct value *answer, struct buf *out)
{
    double names = 0;
    if (cli_member_f64(cli_member(answer, "unmapped"), "names", &names) && names > 0)
        buf_printf(out,
                   "\n%.0f attribute names have no meaning here yet: "
                   "/api/v1/mapping/unmapped lists them, docs/mapping.md says what to do\n",
                   names);
}

int cli_instrumentation(struct cli_call *call)
{
    struct value answer;
    const char *path = cli_question(call, "/api/v1/instrumentation", "from to limit");
    if (!path)
        return cli_misuse(call, "the times are too long");
    int status = cli_ask(call, path, &answer);
    if (status || call->options.json)
        return status;
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (cli_item(cli_member(&answer, "services"), 0)) {
        add_services(call, &answer, &out);
        add_shares(call, &answer, &out);
        add_gaps(call, &answer, &out);
        add_unmapped(&answer, &out);
    } else {
        buf_add_c(&out, "nothing was received in this range: the last 24 hours unless --from says "
                        "more\n");
    }
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}
