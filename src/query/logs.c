/* logs.c -- lists of log records: from parameters to what a store is asked, and their JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "base/utf8.h"
#include "query/query_int.h"
#include "wire/json.h"

enum { SEVERITY_MAX = 24, LOG_TEXT_BYTES_MAX = 1024 };

/* The lowest number of each name (OTLP, SeverityNumber), and what people write for it. */
static const struct {
    const char *name;
    int32_t number;
} severities[] = {
    { "trace", 1 },    { "debug", 5 },  { "info", 9 },   { "warn", 13 },
    { "warning", 13 }, { "error", 17 }, { "fatal", 21 }, { "critical", 21 },
};

static enum err plan_severity(const struct asked *asked, int32_t *ret_min, struct diag *reterr_why)
{
    str word = asked_for(asked, "severity");
    uint64_t number;
    *ret_min = 0;
    if (str_is_none(word))
        return ERR_OK;
    for (size_t i = 0; i < COUNT_OF(severities); i++)
        if (str_equal_nocase(word, str_from_c(severities[i].name))) {
            *ret_min = severities[i].number;
            return ERR_OK;
        }
    if (str_to_u64(word, &number) && number >= 1 && number <= SEVERITY_MAX) {
        *ret_min = (int32_t)number;
        return ERR_OK;
    }
    return diag_set(reterr_why, ERR_BAD_INPUT,
                    "severity: must be trace, debug, info, warn, error, fatal, or 1 to %d",
                    SEVERITY_MAX);
}

static enum err plan_trace(const struct asked *asked, struct store_log_list *list,
                           struct diag *reterr_why)
{
    str trace = asked_for(asked, "trace_id");
    list->has_trace_id = !str_is_none(trace);
    if (list->has_trace_id &&
        (trace.len != 32 || !hex_decode(trace, &list->trace_id, sizeof list->trace_id)))
        return diag_set(reterr_why, ERR_BAD_INPUT, "trace_id: must be 32 hex digits");
    return ERR_OK;
}

static enum err plan_text(const struct asked *asked, struct store_log_list *list,
                          struct diag *reterr_why)
{
    list->text = asked_for(asked, "text");
    if (str_is_none(list->text))
        return ERR_OK;
    if (list->text.len > LOG_TEXT_BYTES_MAX)
        return diag_set(reterr_why, ERR_LIMIT, "text: longer than %d bytes", LOG_TEXT_BYTES_MAX);
    if (utf8_valid_prefix(list->text) != list->text.len)
        return diag_set(reterr_why, ERR_BAD_INPUT, "text: is not UTF-8");
    return ERR_OK;
}

/* What a record has; a word alone also asks for two ids, which no record has. */
static bool log_has_field(enum field field)
{
    static const enum field fields[] = { FIELD_COUNT,      FIELD_trace_id, FIELD_span_id,
                                         FIELD_name,       FIELD_service,  FIELD_start_time,
                                         FIELD_request_id, FIELD_source_id };
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i] == field)
            return true;
    return false;
}

static enum err filter_fits(const struct filter *filter, struct diag *reterr_why)
{
    if (filter->op == FILTER_AND || filter->op == FILTER_OR || filter->op == FILTER_NOT) {
        enum err code = filter_fits(filter->left, reterr_why);
        return code == ERR_OK && filter->op != FILTER_NOT ? filter_fits(filter->right, reterr_why)
                                                          : code;
    }
    if (log_has_field(filter->field))
        return ERR_OK;
    (void)diag_set(reterr_why, ERR_BAD_INPUT, "q: a log record has no field '%s'",
                   name_of_field(filter->field));
    (void)diag_hint(reterr_why,
                    "it has service, trace, span, start, name (of the event) and attributes");
    return ERR_BAD_INPUT;
}

enum err query_plan_logs(struct arena *arena, const struct query_param *params, size_t count,
                         int64_t now_ns, struct store_log_list *ret_list, struct diag *reterr_why)
{
    static const char *const allowed[] = { "q",    "trace_id", "severity", "text",
                                           "from", "to",       "limit",    "cursor" };
    struct asked asked = { params, count, now_ns };
    struct store_log_list list = { .scope.project = STR_NONE };
    struct store_list after = { .sort = STORE_SORT_START };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_filter(arena, &asked, &list.filter, reterr_why);
    if (code == ERR_OK && list.filter)
        code = filter_fits(list.filter, reterr_why);
    if (code == ERR_OK)
        code = plan_trace(&asked, &list, reterr_why);
    if (code == ERR_OK)
        code = plan_severity(&asked, &list.severity_min, reterr_why);
    if (code == ERR_OK)
        code = plan_text(&asked, &list, reterr_why);
    if (code == ERR_OK)
        code = plan_range(&asked, &list.scope.range, reterr_why);
    if (code == ERR_OK)
        code = plan_limit(&asked, QUERY_LIMIT_DEFAULT, QUERY_LIMIT_MAX, &list.limit, reterr_why);
    if (list.has_trace_id && str_is_none(asked_for(&asked, "from")))
        list.scope.range.from_ns = INT64_MIN / 2;
    str cursor = asked_for(&asked, "cursor");
    if (code == ERR_OK && !str_is_empty(cursor))
        code = plan_in_param(cursor_read(cursor, &after, reterr_why), "cursor", reterr_why);
    if (code != ERR_OK)
        return code;
    list.has_after = after.has_after;
    list.after_time_ns = after.after_start_ns;
    list.after_id = after.after_span_id;
    *ret_list = list;
    return ERR_OK;
}

/* -- JSON -- */

static void add_id(struct buf *out, const char *name, const uint8_t *bytes, size_t len)
{
    bool is_known = false;
    for (size_t i = 0; i < len; i++)
        is_known = is_known || bytes[i];
    buf_printf(out, ",\"%s\":", name);
    if (!is_known) {
        buf_add_c(out, "null");
        return;
    }
    buf_add_char(out, '"');
    buf_add_hex(out, bytes, len);
    buf_add_char(out, '"');
}

static void add_text(struct buf *out, const char *name, str text)
{
    buf_printf(out, ",\"%s\":", name);
    if (str_is_empty(text))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, text);
}

/* The body is the last attribute of its name, our own mark the first. */
static void add_attributes(struct buf *out, struct arena *arena, str attrs_json)
{
    struct json json;
    struct value map = { .type = VALUE_NULL };
    json_init(&json, arena, attrs_json, JSON_DEPTH_MAX);
    if (str_is_empty(attrs_json) || json_next(&json) != JSON_OBJECT ||
        !json_value(&json, JSON_OBJECT, &map)) {
        buf_add_c(out, ",\"body\":null,\"unstructured\":false,\"attributes\":{}");
        return;
    }
    struct attr *attrs = map.attrs;
    uint32_t count = map.count;
    bool has_body = count > 0 && str_equal_c(attrs[count - 1].key, LOG_BODY_ATTR) &&
                    attrs[count - 1].value.type == VALUE_STR;
    bool is_marked = count > 0 && str_equal_c(attrs[0].key, LOG_UNSTRUCTURED_ATTR);
    buf_add_c(out, ",\"body\":");
    if (has_body)
        buf_add_json_str(out, attrs[--count].value.text);
    else
        buf_add_c(out, "null");
    buf_printf(out, ",\"unstructured\":%s,\"attributes\":", is_marked ? "true" : "false");
    if (is_marked && count > 0) {
        attrs++;
        count--;
    }
    attrs_to_json(out, attrs, count);
}

void query_log_json(struct buf *out, struct arena *arena, const struct store_log *row)
{
    const struct log_record *log = &row->log;
    buf_add_c(out, "{\"time\":\"");
    time_format(out, log->time_ns, 9);
    buf_add_char(out, '"');
    add_id(out, "trace_id", log->trace_id.bytes, sizeof log->trace_id.bytes);
    add_id(out, "span_id", log->span_id.bytes, sizeof log->span_id.bytes);
    buf_add_c(out, ",\"severity\":");
    if (log->severity > 0)
        buf_add_i64(out, log->severity);
    else
        buf_add_c(out, "null");
    add_text(out, "severity_text", log->severity_text);
    add_text(out, "event_name", log->event_name);
    add_text(out, "service", log->service);
    add_attributes(out, arena, row->attrs_json);
    buf_add_char(out, '}');
}
