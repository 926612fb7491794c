/* import_forms.c -- what a record is, told by the names of its members; see import_int.h.
 *
 * What has a form of OTLP, of Langfuse's batch API or of LangSmith's runs is passed on as it was
 * written: the server's own readers know them.  Rows of Langfuse's exports become events of that
 * batch API, whose bodies have the same members.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "cli/import_int.h"
#include "wire/json.h"
#include <stdio.h>

enum { DEPTH_MAX = 4, BODY_BYTES_MAX = 256 * 1024 * 1024 };

/* Members that tell: bits of a set. */
enum member {
#define MEMBER(name) MEMBER_##name,
#include "cli/import_member.def"
#undef MEMBER
    MEMBER_COUNT
};
static const char *const member_names[] = {
#define MEMBER(name) #name,
#include "cli/import_member.def"
#undef MEMBER
};
#define BIT(name) (UINT64_C(1) << MEMBER_##name)
_Static_assert(MEMBER_COUNT <= 64, "members are bits of an uint64_t");

static bool has(uint64_t set, uint64_t all)
{
    return (set & all) == all;
}

/* The members of an object; false: it is no whole JSON object. */
static bool look(str record, uint64_t *ret_set)
{
    struct json json;
    enum json_token token;
    *ret_set = 0;
    json_init(&json, NULL, record, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT)
        return false;
    while ((token = json_next(&json)) == JSON_KEY) {
        for (int i = 0; i < MEMBER_COUNT; i++)
            if (str_equal_c(json.text, member_names[i]))
                *ret_set |= UINT64_C(1) << i;
        if (str_equal_c(json.text, "resource_spans"))
            *ret_set |= BIT(resourceSpans);
        token = json_next(&json);
        if (!json_skip(&json, token))
            return false;
    }
    return token == JSON_OBJECT_END && json_next(&json) == JSON_END;
}

/* The value of a member as it is written; STR_NONE: it has none. */
static str member_raw(str record, const char *name)
{
    struct json json;
    str raw;
    json_init(&json, NULL, record, JSON_DEPTH_MAX);
    (void)json_next(&json);
    while (json_next(&json) == JSON_KEY) {
        bool is_it = str_equal_c(json.text, name);
        enum json_token token = json_next(&json);
        if (!json_raw(&json, token, &raw))
            return STR_NONE;
        if (is_it)
            return raw;
    }
    return STR_NONE;
}

/* Call `each` with every element of a list that is a member of the record; false: it is none. */
static bool elements(struct import *import, str record, const char *name,
                     void (*each)(struct import *import, str element, int depth), int depth)
{
    str list = member_raw(record, name), raw;
    struct json json;
    enum json_token token;
    if (list.len == 0 || list.ptr[0] != '[')
        return false;
    json_init(&json, NULL, list, JSON_DEPTH_MAX);
    (void)json_next(&json);
    while ((token = json_next(&json)) != JSON_ARRAY_END && json_raw(&json, token, &raw))
        each(import, raw, depth);
    return true;
}

/* ---- Langfuse ---- */

/* A cell of CSV that holds JSON is a text; its server wants what it says. */
static bool is_json_cell(struct arena *arena, str raw, str *ret_json)
{
    struct json json;
    if (raw.len < 4 || raw.ptr[0] != '"' || !strchr("{[", raw.ptr[1]))
        return false;
    json_init(&json, arena, raw, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_STRING || !json_check(json.text))
        return false;
    *ret_json = json.text;
    return true;
}

/* A score's number as a cell of CSV: "0.75". */
static bool is_number_cell(str record, str key, str raw, str *ret_number)
{
    double number;
    str type = str_equal_c(key, "value") ? member_raw(record, "dataType") : STR_NONE;
    str text = raw.len > 2 && raw.ptr[0] == '"' ? str_sub(raw, 1, raw.len - 2) : STR_NONE;
    bool is_numeric = str_equal_c(type, "\"NUMERIC\"") || str_equal_c(type, "\"BOOLEAN\"");
    *ret_number = text;
    return is_numeric && str_to_f64(text, &number) && json_check(text);
}

static void langfuse_body(struct arena *arena, str record, struct buf *out)
{
    static const char *const derived[] = { "observations", "scores",    "htmlPath", "latency",
                                           "totalCost",    "createdAt", "updatedAt" };
    struct json json;
    bool is_first = true;
    json_init(&json, NULL, record, JSON_DEPTH_MAX);
    (void)json_next(&json);
    buf_add_char(out, '{');
    while (json_next(&json) == JSON_KEY) {
        str key = json.text, raw, inner;
        bool is_derived = false;
        enum json_token token = json_next(&json);
        if (!json_raw(&json, token, &raw))
            break;
        for (size_t i = 0; i < COUNT_OF(derived); i++)
            is_derived = is_derived || str_equal_c(key, derived[i]);
        if (is_derived || str_equal_c(raw, "null"))
            continue;
        buf_printf(out, "%s\"%.*s\":", is_first ? "" : ",", STR_ARG(key));
        bool is_cell = is_json_cell(arena, raw, &inner) || is_number_cell(record, key, raw, &inner);
        buf_add_str(out, is_cell ? inner : raw);
        is_first = false;
    }
    buf_add_char(out, '}');
}

static void langfuse_event(struct import *import, str record, const char *type)
{
    struct arena arena;
    struct buf event;
    static const char *const times[] = { "timestamp", "startTime", "createdAt" };
    str id = member_raw(record, "id"), time = STR_NONE;
    arena_init(&arena, BODY_BYTES_MAX);
    buf_init(&event, BODY_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(times) && str_is_none(time); i++)
        time = member_raw(record, times[i]);
    buf_printf(&event, "{\"id\":%.*s,\"type\":\"%s\"",
               STR_ARG(id.len && id.ptr[0] == '"' ? id : STR_OF("\"import\"")), type);
    if (time.len && time.ptr[0] == '"')
        buf_printf(&event, ",\"timestamp\":%.*s", STR_ARG(time));
    buf_add_c(&event, ",\"body\":");
    langfuse_body(&arena, record, &event);
    buf_add_char(&event, '}');
    if (buf_failed(&event))
        import_complain(import, import->line, "the record is too large");
    else
        import_add(import, LANE_LANGFUSE, buf_str(&event));
    buf_clear(&event);
    arena_clear(&arena);
}

/* ---- what it is ---- */

static void take(struct import *import, str record, int depth);

static void take_event(struct import *import, str record, int depth)
{
    (void)depth;
    import_add(import, LANE_LANGFUSE, record);
}

#define RESOURCE_LANE(name, lane)                                                                  \
    static void take_##name(struct import *import, str record, int depth)                          \
    {                                                                                              \
        (void)depth;                                                                               \
        import_add(import, lane, record);                                                          \
    }
RESOURCE_LANE(spans, LANE_TRACES)
RESOURCE_LANE(logs, LANE_LOGS)
RESOURCE_LANE(metrics, LANE_METRICS)
#undef RESOURCE_LANE

static bool take_otlp(struct import *import, str record, uint64_t set)
{
    if (has(set, BIT(resourceSpans)))
        return elements(import, record, "resourceSpans", take_spans, 0) ||
               elements(import, record, "resource_spans", take_spans, 0);
    if (has(set, BIT(resourceLogs)))
        return elements(import, record, "resourceLogs", take_logs, 0);
    return has(set, BIT(resourceMetrics)) &&
           elements(import, record, "resourceMetrics", take_metrics, 0);
}

static bool take_langfuse(struct import *import, str record, uint64_t set, int depth)
{
    bool is_named = has(set, BIT(name));
    if (has(set, BIT(batch)))
        return elements(import, record, "batch", take_event, depth);
    if ((set & (BIT(traceId) | BIT(sessionId))) && is_named && !(set & BIT(startTime)) &&
        (set & (BIT(value) | BIT(stringValue)))) {
        langfuse_event(import, record, "score-create");
        return true;
    }
    if (has(set, BIT(traceId) | BIT(id)) && (set & (BIT(startTime) | BIT(type)))) {
        langfuse_event(import, record, has(set, BIT(type)) ? "observation-create" : "span-create");
        return true;
    }
    uint64_t of_trace = BIT(userId) | BIT(sessionId) | BIT(observations) | BIT(htmlPath) |
                        BIT(projectId) | BIT(input) | BIT(output) | BIT(name);
    if (!has(set, BIT(id) | BIT(timestamp)) || !(set & of_trace))
        return false;
    langfuse_event(import, record, "trace-create");
    (void)elements(import, record, "observations", take, depth + 1);
    (void)elements(import, record, "scores", take, depth + 1);
    return true;
}

static bool take_run(struct import *import, str record, uint64_t set, int depth)
{
    if (!has(set, BIT(run_type) | BIT(id)))
        return false;
    import_add(import, LANE_RUNS, record);
    (void)elements(import, record, "child_runs", take, depth);
    return true;
}

static bool take_ours(struct import *import, str record, uint64_t set)
{
    if (has(set, BIT(trace_id) | BIT(span_id) | BIT(start_time))) {
        import_add_span(import, record);
        return true;
    }
    uint64_t about = BIT(trace_id) | BIT(session_id) | BIT(response_id) | BIT(request_id);
    if (!has(set, BIT(name)) || !(set & (BIT(value) | BIT(label))) || !(set & about))
        return false;
    import_add(import, LANE_SCORES, record);
    return true;
}

/* A page of an API, or a trace of ours: what is in it. */
static bool take_inside(struct import *import, str record, int depth)
{
    static const char *const lists[] = { "data", "items", "runs", "traces", "spans", "scores" };
    bool is_list = false;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        is_list = elements(import, record, lists[i], take, depth + 1) || is_list;
    return is_list;
}

static void take(struct import *import, str record, int depth)
{
    uint64_t set;
    if (import->is_stopped || depth > DEPTH_MAX)
        return;
    if (record.len && record.ptr[0] == '"' && depth)
        return; /* an id where the whole might be */
    if (!look(record, &set)) {
        import_complain(import, import->line, "this is not a whole JSON object");
        return;
    }
    if (!take_otlp(import, record, set) && !take_run(import, record, set, depth) &&
        !take_ours(import, record, set) && !take_langfuse(import, record, set, depth) &&
        !take_inside(import, record, depth))
        import_complain(import, import->line,
                        "this is none of the forms that are known (docs/export-import.md)");
}

void import_record(struct import *import, str record)
{
    struct json json;
    enum json_token token;
    str raw;
    if (record.len == 0 || record.ptr[0] != '[') {
        take(import, record, 0);
        return;
    }
    json_init(&json, NULL, record, JSON_DEPTH_MAX);
    (void)json_next(&json);
    while ((token = json_next(&json)) != JSON_ARRAY_END) {
        if (!json_raw(&json, token, &raw)) {
            import_complain(import, import->line, "this is not a whole JSON list");
            return;
        }
        take(import, raw, 0);
    }
}
