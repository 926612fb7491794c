/* map.c -- `telltale map test FILE SPAN.json`, `telltale map list`; the other verbs are in
 * map_pin.c.
 *
 * test understands a span as the server would with that mapping file, and says of each field
 * which attribute it came from, by which row, and of each attribute what became of it.
 * Prices and redaction come after the mapping and are not applied.  Nothing is stored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"
#include "cli/map_int.h"
#include "norm/norm.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "wire/otlp.h"
#include <stdio.h>

enum {
    INPUT_BYTES_MAX = 64 * 1024 * 1024,
    FILE_BYTES_MAX = 4 * 1024 * 1024,
    OUTPUT_BYTES_MAX = 256 * 1024 * 1024,
    VALUE_BYTES_MAX = 1024, /* as limits.attribute_value */
};

struct shown {
    struct cli_call *call;
    const struct mapping *mapping;
    const struct span *span;
    const struct norm_explained *explained;
    struct buf out;
};

static const struct cli_column test_columns[] = {
    { "FIELD", false, false },
    { "VALUE", false, true },
    { "ATTRIBUTE", false, true },
    { "ROW", false, true },
};
static const struct cli_column list_columns[] = {
    { "ATTRIBUTE", false, true }, { "FIELD", false, false },    { "AS", false, false },
    { "DIALECT", false, false },  { "VERSIONS", false, false },
};

/* ---- the input ---- */

static enum err input_read(struct cli_call *call, str path, struct buf *text, struct diag *why)
{
    if (!str_equal_c(path, "-"))
        return file_read(path.ptr, text, why);
    char piece[4096];
    size_t len;
    while ((len = fread(piece, 1, sizeof piece, stdin)) > 0)
        buf_add(text, piece, len);
    (void)call;
    if (buf_failed(text))
        return diag_set(why, ERR_LIMIT, "the span is larger than %d bytes", INPUT_BYTES_MAX);
    return ferror(stdin) ? diag_set(why, ERR_IO, "cannot read the standard input") : ERR_OK;
}

/* One span becomes a request of it; ids that are not there are made up. */
static enum err as_request(struct cli_call *call, str text, struct buf *request, struct diag *why)
{
    struct value value;
    enum err err = cli_json_parse(&call->arena, text, &value, why);
    if (err)
        return diag_set(why, err, "%.*s is not JSON", STR_ARG(call->args[2]));
    if (cli_member(&value, "resourceSpans") || cli_member(&value, "resource_spans")) {
        buf_add_str(request, text);
        return ERR_OK;
    }
    if (value.type != VALUE_MAP || !cli_member(&value, "attributes")) {
        diag_set(why, ERR_BAD_INPUT, "%.*s is no OTLP/JSON span", STR_ARG(call->args[2]));
        diag_hint(why, "it needs resourceSpans, or is one span with attributes");
        return ERR_BAD_INPUT;
    }
    buf_add_c(request, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{");
    if (!cli_member(&value, "traceId") && !cli_member(&value, "trace_id"))
        buf_add_c(request, "\"traceId\":\"00000000000000000000000000000001\",");
    if (!cli_member(&value, "spanId") && !cli_member(&value, "span_id"))
        buf_add_c(request, "\"spanId\":\"0000000000000001\",");
    buf_add_str(request, str_from(text, str_find_char(text, '{') + 1));
    buf_add_c(request, "]}]}]}");
    return ERR_OK;
}

static enum err decode(struct cli_call *call, str request, struct raw_batch *raw, struct diag *why)
{
    enum err err =
        otlp_decode(&call->arena, OTLP_TRACES, OTLP_JSON, request, &otlp_limits_default, raw, why);
    if (!err && raw->rejected_count)
        err = diag_set(why, ERR_BAD_INPUT, "%.200s", raw->rejected_why);
    if (!err && raw->span_count == 0)
        err = diag_set(why, ERR_BAD_INPUT, "there is no span in %.*s", STR_ARG(call->args[2]));
    return err;
}

/* ---- what came out ---- */

static bool is_ours(enum field field)
{
    return field == FIELD_project || field == FIELD_received_time;
}

static const struct norm_origin *origin_of(const struct shown *shown, enum field field)
{
    for (uint32_t i = 0; i < shown->explained->count; i++) {
        const struct norm_origin *origin = &shown->explained->origins[i];
        if (origin->fate == NORM_FATE_USED && origin->field == field)
            return origin;
    }
    return NULL;
}

/* Used, but not as a field of its own: content, clues, counts that went into another. */
static bool is_other(const struct shown *shown, const struct norm_origin *origin)
{
    return origin->fate == NORM_FATE_USED &&
           (origin->field == FIELD_COUNT || !span_knows(shown->span, origin->field));
}

static str row_text(const struct shown *shown, const struct norm_origin *origin)
{
    struct arena *arena = &shown->call->arena;
    if (!origin)
        return STR_OF("derived");
    if (origin->line)
        return arena_printf(arena, "%.*s:%u", STR_ARG(mapping_file(shown->mapping)), origin->line);
    if (origin->dialect.len == 0)
        return STR_OF("built in");
    return arena_printf(arena, "built in, %.*s", STR_ARG(origin->dialect));
}

static bool is_of_span(enum field field)
{
    static const enum field fields[] = {
        FIELD_trace_id,       FIELD_span_id,    FIELD_parent_span_id, FIELD_name,
        FIELD_kind,           FIELD_status,     FIELD_start_time,     FIELD_latency_ns,
        FIELD_status_message, FIELD_scope_name, FIELD_scope_version,  FIELD_schema_url
    };
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i] == field)
            return true;
    return false;
}

static str value_text(const struct shown *shown, enum field field)
{
    if (field_table[field].type == FIELD_TYPE_STR)
        return *(const str *)span_field_const(shown->span, field);
    struct buf text;
    buf_init(&text, MIB);
    span_field_to_json(&text, shown->span, field);
    str copy = arena_str(&shown->call->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void add_row(struct cli_table *table, const struct shown *shown, str field, str value,
                    const struct norm_origin *origin)
{
    bool is_file = origin && origin->line;
    cli_table_add(table, field, is_file ? CLI_BOLD : CLI_PLAIN);
    cli_table_add(table, value, CLI_PLAIN);
    cli_table_add(table, origin ? origin->attribute : CLI_UNKNOWN, CLI_PLAIN);
    cli_table_add(table, row_text(shown, origin), is_file ? CLI_YELLOW : CLI_DIM);
}

static void text_fields(struct shown *shown)
{
    struct cli_table table;
    cli_table_init(&table, &shown->call->arena, test_columns, COUNT_OF(test_columns));
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        enum field field = (enum field)i;
        const struct norm_origin *origin = origin_of(shown, field);
        if (!span_knows(shown->span, field) || is_ours(field) || (is_of_span(field) && !origin))
            continue;
        add_row(&table, shown, str_from_c(field_table[i].json), value_text(shown, field), origin);
    }
    for (uint32_t i = 0; i < shown->explained->count; i++) {
        const struct norm_origin *origin = &shown->explained->origins[i];
        if (is_other(shown, origin))
            add_row(&table, shown, origin->target, CLI_UNKNOWN, origin);
    }
    cli_table_print(&table, &shown->call->screen, &shown->out);
    cli_table_clear(&table);
}

static const struct {
    enum norm_fate fate;
    const char *key, *text;
} fates[] = {
    { NORM_FATE_UNMAPPED, "unmapped", "stays an attribute, no row knows it" },
    { NORM_FATE_IGNORED, "ignored", "ignored" },
    { NORM_FATE_BEATEN, "beaten", "stays an attribute, another one won" },
    { NORM_FATE_UNREADABLE, "unreadable", "stays an attribute, its value cannot be read so" },
};

static void text_fates(struct shown *shown)
{
    for (size_t i = 0; i < COUNT_OF(fates); i++) {
        bool is_first = true;
        for (uint32_t k = 0; k < shown->explained->count; k++) {
            const struct norm_origin *origin = &shown->explained->origins[k];
            if (origin->fate != fates[i].fate)
                continue;
            if (is_first)
                buf_printf(&shown->out, "\n%s:\n", fates[i].text);
            is_first = false;
            buf_add_c(&shown->out, "  ");
            cli_clean(&shown->out, origin->attribute, CLI_ONE_LINE);
            if (origin->target.len && fates[i].fate != NORM_FATE_IGNORED) {
                str row = row_text(shown, origin);
                buf_printf(&shown->out, "  (%.*s; ", STR_ARG(origin->target));
                cli_clean(&shown->out, row, CLI_ONE_LINE);
                buf_add_char(&shown->out, ')');
            }
            buf_add_char(&shown->out, '\n');
        }
    }
}

static void text_span(struct shown *shown)
{
    const struct span *span = shown->span;
    buf_add_c(&shown->out, "span ");
    cli_clean(&shown->out, SPAN_KNOWS(span, name) ? span->name : STR_OF("\"\""), CLI_ONE_LINE);
    if (SPAN_KNOWS(span, scope_name)) {
        buf_add_c(&shown->out, "  scope ");
        cli_clean(&shown->out, span->scope_name, CLI_ONE_LINE);
    }
    buf_add_c(&shown->out, "\n");
    text_fields(shown);
    text_fates(shown);
}

/* ---- the same as JSON ---- */

static void json_origin(struct shown *shown, const struct norm_origin *origin)
{
    struct buf *out = &shown->out;
    if (!origin) {
        buf_add_c(out, "\"attribute\":null,\"row\":null");
        return;
    }
    buf_add_c(out, "\"attribute\":");
    buf_add_json_str(out, origin->attribute);
    if (origin->line) {
        buf_add_c(out, ",\"row\":{\"file\":");
        buf_add_json_str(out, mapping_file(shown->mapping));
        buf_printf(out, ",\"line\":%u}", origin->line);
    } else {
        buf_add_c(out, ",\"row\":{\"dialect\":");
        buf_add_json_str(out, origin->dialect);
        buf_add_char(out, '}');
    }
}

static void json_fields(struct shown *shown)
{
    struct buf *out = &shown->out;
    bool is_first = true;
    buf_add_c(out, "{\"fields\":[");
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        enum field field = (enum field)i;
        if (!span_knows(shown->span, field) || is_ours(field))
            continue;
        buf_printf(out, "%s{\"field\":\"%s\",\"value\":", is_first ? "" : ",", field_table[i].json);
        span_field_to_json(out, shown->span, field);
        buf_add_char(out, ',');
        json_origin(shown, origin_of(shown, field));
        buf_add_char(out, '}');
        is_first = false;
    }
    buf_add_c(out, "],\"others\":[");
    is_first = true;
    for (uint32_t i = 0; i < shown->explained->count; i++) {
        const struct norm_origin *origin = &shown->explained->origins[i];
        if (!is_other(shown, origin))
            continue;
        buf_printf(out, "%s{\"becomes\":\"%.*s\",", is_first ? "" : ",", STR_ARG(origin->target));
        json_origin(shown, origin);
        buf_add_char(out, '}');
        is_first = false;
    }
    buf_add_char(out, ']');
}

static void json_span(struct shown *shown)
{
    struct buf *out = &shown->out;
    json_fields(shown);
    for (size_t i = 0; i < COUNT_OF(fates); i++) {
        bool is_first = true;
        buf_printf(out, ",\"%s\":[", fates[i].key);
        for (uint32_t k = 0; k < shown->explained->count; k++) {
            if (shown->explained->origins[k].fate != fates[i].fate)
                continue;
            buf_add_c(out, is_first ? "" : ",");
            buf_add_json_str(out, shown->explained->origins[k].attribute);
            is_first = false;
        }
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

static enum err test_spans(struct cli_call *call, const struct mapping *mapping, str request,
                           struct diag *why)
{
    struct raw_batch raw;
    struct batch batch;
    enum err err = decode(call, request, &raw, why);
    if (err)
        return err;
    struct norm_config config = {
        .project = STR("default"),
        .received_ns = clock_now_ns(),
        .attr_value_bytes_max = VALUE_BYTES_MAX,
        .text_field_bytes_max = VALUE_BYTES_MAX,
        .mapping = mapping,
        .explained = arena_new(&call->arena, struct norm_explained, raw.span_count),
    };
    if (!config.explained)
        return diag_set(why, ERR_LIMIT, "there are too many spans");
    err = norm_batch(&call->arena, &config, &raw, &batch, why);
    struct shown shown = { .call = call, .mapping = mapping };
    buf_init(&shown.out, OUTPUT_BYTES_MAX);
    buf_add_c(&shown.out, call->options.json ? "{\"spans\":[" : "");
    for (uint32_t i = 0; !err && i < batch.span_count; i++) {
        shown.span = &batch.spans[i];
        shown.explained = &config.explained[i];
        if (i)
            buf_add_char(&shown.out, call->options.json ? ',' : '\n');
        if (call->options.json)
            json_span(&shown);
        else
            text_span(&shown);
    }
    buf_add_c(&shown.out, call->options.json ? "]}\n" : "");
    if (!err && call->options.json)
        cli_print_json(call, buf_str(&shown.out));
    else if (!err)
        cli_print(&shown.out);
    buf_clear(&shown.out);
    return err;
}

static int map_test(struct cli_call *call)
{
    if (call->arg_count < 3)
        return cli_misuse(call, "test needs FILE and SPAN.json");
    struct diag why = DIAG_NONE;
    struct mapping *mapping = NULL;
    struct buf yaml, text, request;
    buf_init(&yaml, FILE_BYTES_MAX);
    buf_init(&text, INPUT_BYTES_MAX);
    buf_init(&request, INPUT_BYTES_MAX + 4 * KIB);
    enum err err = file_read(call->args[1].ptr, &yaml, &why);
    if (!err)
        err = mapping_load(call->args[1], buf_str(&yaml), &mapping, &why);
    if (!err)
        err = input_read(call, call->args[2], &text, &why);
    if (!err)
        err = as_request(call, buf_str(&text), &request, &why);
    if (!err)
        err = test_spans(call, mapping, buf_str(&request), &why);
    mapping_free(mapping);
    buf_clear(&yaml);
    buf_clear(&text);
    buf_clear(&request);
    return err ? cli_fail(err, &why) : CLI_OK;
}

/* ---- list ---- */

static void list_json(struct buf *out)
{
    struct mapping_row_info row;
    buf_add_c(out, "{\"rows\":[");
    for (size_t i = 0; mapping_built_in(i, &row); i++) {
        buf_add_c(out, i ? ",{\"attribute\":" : "{\"attribute\":");
        buf_add_json_str(out, row.attribute);
        buf_printf(out, ",\"field\":\"%.*s\",\"as\":\"%.*s\",\"dialect\":\"%.*s\",\"keep\":%s",
                   STR_ARG(row.field), STR_ARG(row.as), STR_ARG(row.dialect),
                   row.keep ? "true" : "false");
        buf_printf(out, ",\"since\":%u", row.since);
        if (row.until)
            buf_printf(out, ",\"until\":%u", row.until);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "]}\n");
}

/* "2-", "1-1" of a row that holds no more. */
static str versions_text(struct arena *arena, const struct mapping_row_info *row)
{
    return row->until ? arena_printf(arena, "%u-%u", row->since, row->until)
                      : arena_printf(arena, "%u-", row->since);
}

static int map_list(struct cli_call *call)
{
    if (call->arg_count > 1)
        return cli_misuse(call, "list does not take \"%.60s\"", call->args[1].ptr);
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (call->options.json) {
        list_json(&out);
    } else {
        struct cli_table table;
        struct mapping_row_info row;
        cli_table_init(&table, &call->arena, list_columns, COUNT_OF(list_columns));
        for (size_t i = 0; mapping_built_in(i, &row); i++) {
            cli_table_add(&table, row.attribute, CLI_PLAIN);
            cli_table_add(&table, row.field, CLI_BOLD);
            cli_table_add(&table, row.as, CLI_PLAIN);
            cli_table_add(&table, row.dialect, CLI_DIM);
            cli_table_add(&table, versions_text(&call->arena, &row), CLI_DIM);
        }
        cli_table_print(&table, &call->screen, &out);
        cli_table_clear(&table);
    }
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}

int cli_map(struct cli_call *call)
{
    static const struct {
        const char *verb;
        int (*run)(struct cli_call *call);
    } verbs[] = {
        { "test", map_test },
        { "versions", map_versions },
        { "pins", map_pins },
        { "pin", map_pin },
    };
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (str_equal_c(call->args[0], verbs[i].verb))
            return verbs[i].run(call);
    return map_list(call);
}
