/* datadog_json.c -- events of the LLM Observability intake.
 *
 * A body is an event or a list of them; an event has a list of spans.  Each span is read by itself,
 * so that one which is nested too deep or lacks its ids is left out alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/datadog_int.h"
#include "wire/json.h"

struct events {
    struct datadog datadog;
    struct json json;
    uint32_t event_index; /* from 1 */
    uint32_t span_index;
    struct diag *why;
};

/* A count of nanoseconds; false: it is none. */
static bool nanoseconds(const struct value *tree, const char *key, uint64_t *ret)
{
    const struct value *value = tree_get(tree, key);
    int64_t number;
    double real;
    *ret = 0;
    if (!value)
        return true;
    if (value_as_i64(value, &number) && number >= 0) {
        *ret = (uint64_t)number;
        return true;
    }
    if (value->type != VALUE_F64 || !value_as_f64(value, &real) || !(real >= 0 && real < 9.2e18))
        return false;
    *ret = (uint64_t)real;
    return true;
}

/* An id as text or as a number. */
static str id_text(struct datadog *datadog, const struct value *tree, const char *key)
{
    const struct value *value = tree_get(tree, key);
    if (!value || value->type == VALUE_STR)
        return value ? value->text : STR_NONE;
    if (value->type != VALUE_I64 || value->i64 < 0)
        return STR_NONE;
    str text = arena_printf(datadog->arena, "%lld", (long long)value->i64);
    datadog->spent = datadog->spent || str_is_none(text);
    return text;
}

/* The trace of the APM span it is: the LLM trace has an id of its own. */
static struct id16 trace_of(struct datadog *datadog, const struct value *tree)
{
    const struct value *inner = tree_get(tree, "_dd");
    str text = tree_text_as_sent(inner, "apm_trace_id");
    if (str_is_empty(text))
        text = tree_text_as_sent(inner, "trace_id");
    if (str_is_empty(text))
        text = id_text(datadog, tree, "trace_id");
    return datadog_trace_id(text);
}

/* NULL: it is a span; else why not. */
static const char *span_of(struct datadog *datadog, const struct value *tree,
                           struct datadog_item *item)
{
    struct raw_span *span = &item->span;
    uint64_t duration;
    if (tree->type != VALUE_MAP)
        return "it must be an object";
    span->trace_id = trace_of(datadog, tree);
    span->source_id = id_text(datadog, tree, "span_id");
    span->span_id = datadog_span_id(span->source_id);
    span->parent_span_id = datadog_span_id(id_text(datadog, tree, "parent_id"));
    if (id16_is_zero(span->trace_id))
        return "trace_id is missing";
    if (id8_is_zero(span->span_id))
        return "span_id is missing";
    if (!nanoseconds(tree, "start_ns", &span->start_ns))
        return "start_ns must be nanoseconds since 1970";
    if (!nanoseconds(tree, "duration", &duration))
        return "duration must be nanoseconds";
    span->end_ns = span->start_ns ? span->start_ns + duration : 0;
    str status = tree_text_as_sent(tree, "status");
    span->status_code = str_equal_c(status, "error") ? 2 : str_equal_c(status, "ok") ? 1 : 0;
    datadog_llm(datadog, item, tree);
    return NULL;
}

/* One span, whose bytes are `raw`. */
static bool take_span(struct events *events, str raw)
{
    struct datadog *datadog = &events->datadog;
    struct datadog_item item = { .span = { .trace_id = { { 0 } } } };
    struct value tree;
    struct diag why = DIAG_NONE;
    events->span_index++;
    enum err err = tree_parse(datadog->arena, raw, &tree, &why);
    if (err == ERR_LIMIT) {
        (void)diag_set(events->why, ERR_LIMIT, "%s", why.text);
        return false;
    }
    const char *fault = err ? why.text : span_of(datadog, &tree, &item);
    if (fault) {
        native_reject(datadog->batch, "event %u, span %u: %s", events->event_index,
                      events->span_index, fault);
        return true;
    }
    return datadog_span_add(datadog, &item, events->why);
}

static bool broken(struct events *events)
{
    (void)json_error(&events->json, events->why);
    return false;
}

static bool take_spans(struct events *events, enum json_token token)
{
    if (token != JSON_ARRAY) {
        native_reject(events->datadog.batch, "event %u: spans must be a list", events->event_index);
        return json_skip(&events->json, token) || broken(events);
    }
    while ((token = json_next(&events->json)) != JSON_ARRAY_END) {
        str raw;
        if (token == JSON_ERROR || token == JSON_END || !json_raw(&events->json, token, &raw))
            return broken(events);
        if (!take_span(events, raw))
            return false;
    }
    return true;
}

static bool take_event(struct events *events, enum json_token token)
{
    bool has_spans = false;
    events->event_index++;
    events->span_index = 0;
    if (token != JSON_OBJECT) {
        native_reject(events->datadog.batch, "event %u: it must be an object", events->event_index);
        return json_skip(&events->json, token) || broken(events);
    }
    while ((token = json_next(&events->json)) == JSON_KEY) {
        bool is_spans = str_equal_c(events->json.text, "spans");
        token = json_next(&events->json);
        has_spans = has_spans || is_spans;
        bool good = is_spans ? take_spans(events, token)
                             : json_skip(&events->json, token) || broken(events);
        if (!good)
            return false;
    }
    if (token != JSON_OBJECT_END)
        return broken(events);
    if (!has_spans)
        native_reject(events->datadog.batch, "event %u: it has no spans", events->event_index);
    return true;
}

static bool take_all(struct events *events)
{
    enum json_token token = json_next(&events->json);
    if (token == JSON_OBJECT) {
        if (!take_event(events, token))
            return false;
    } else if (token == JSON_ARRAY) {
        while ((token = json_next(&events->json)) != JSON_ARRAY_END) {
            if (token == JSON_ERROR || token == JSON_END)
                return broken(events);
            if (!take_event(events, token))
                return false;
        }
    } else if (token == JSON_ERROR) {
        return broken(events);
    } else {
        (void)diag_set(events->why, ERR_BAD_INPUT, "the body must be a list of events");
        return false;
    }
    return json_next(&events->json) == JSON_END || broken(events);
}

enum err datadog_decode_events(struct arena *arena, str body, const struct otlp_limits *limits,
                               struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct diag why = DIAG_NONE;
    struct events events = { .why = reterr_why ? reterr_why : &why };
    enum err err = datadog_begin(&events.datadog, arena, limits, ret_batch, events.why);
    if (err)
        return err;
    json_init(&events.json, arena, body, JSON_DEPTH_MAX);
    if (!take_all(&events))
        return events.why->code;
    return datadog_finish(&events.datadog, reterr_why);
}
