/* posthog.c -- see posthog.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/posthog.h"
#include "wire/tree.h"
#include <math.h>

/* One request being read. */
struct reading {
    struct arena *arena;
    const struct otlp_limits *limits;
    struct raw_batch *batch;
    struct native_batch items;
    struct raw_scope *scope;
    bool is_spent;
};

enum kind { KIND_NONE, KIND_TRACE, KIND_SPAN, KIND_CALL, KIND_SCORE };

static enum kind kind_of(str event)
{
    static const struct {
        str event;
        enum kind kind;
    } kinds[] = { { STR("$ai_generation"), KIND_CALL }, { STR("$ai_embedding"), KIND_CALL },
                  { STR("$ai_span"), KIND_SPAN },       { STR("$ai_trace"), KIND_TRACE },
                  { STR("$ai_metric"), KIND_SCORE },    { STR("$ai_feedback"), KIND_SCORE } };
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (str_equal(event, kinds[i].event))
            return kinds[i].kind;
    return KIND_NONE;
}

/* An id may be a number. */
static str id_text(struct reading *reading, const struct value *properties, const char *name)
{
    const struct value *value = tree_get(properties, name);
    if (value && value->type == VALUE_I64)
        return arena_printf(reading->arena, "%lld", (long long)value->i64);
    return tree_text(properties, name);
}

/* ---- spans ---- */

static bool is_true(const struct value *properties, const char *name)
{
    const struct value *value = tree_get(properties, name);
    bool truth;
    return value && value_as_bool(value, &truth) && truth;
}

static void times_of(const struct value *event, const struct value *properties,
                     struct raw_span *span)
{
    int64_t end;
    double seconds = 0;
    const struct value *latency = tree_get(properties, "$ai_latency");
    if (!tree_time(event, "timestamp", &end) && !tree_time(event, "sent_at", &end))
        return;
    if (latency)
        (void)value_as_f64(latency, &seconds);
    bool is_sane = seconds > 0 && seconds < (double)end / 1e9;
    span->end_ns = (uint64_t)end;
    span->start_ns = (uint64_t)(is_sane ? end - (int64_t)(seconds * 1e9) : end);
}

/* Who it is about; without a person the SDK puts the trace's id there. */
static bool attrs_of(struct reading *reading, const struct value *event,
                     const struct value *properties, struct raw_span *span)
{
    struct native_attrs attrs = { 0 };
    str who = tree_text(event, "distinct_id");
    if (str_is_none(who))
        who = tree_text(properties, "distinct_id");
    bool is_person = !str_equal(who, tree_text(properties, "$ai_trace_id"));
    bool fits = native_text_add(reading->arena, &attrs, STR_OF("posthog.event"),
                                tree_text(event, "event")) &&
                native_text_add(reading->arena, &attrs, STR_OF("posthog.distinct_id"),
                                is_person ? who : STR_NONE);
    for (uint32_t i = 0; i < properties->count && fits; i++) {
        if (attrs.count >= reading->limits->attrs_max)
            span->dropped_attr_count++;
        else
            fits = native_attr_add(reading->arena, &attrs, properties->attrs[i].key,
                                   properties->attrs[i].value);
    }
    span->attrs = attrs.items;
    span->attr_count = attrs.count;
    return fits;
}

static void span_take(struct reading *reading, const struct value *event, enum kind kind,
                      uint32_t index)
{
    const struct value *properties = tree_get(event, "properties");
    str trace = id_text(reading, properties, "$ai_trace_id");
    str own = id_text(reading, properties, "$ai_span_id");
    str parent = id_text(reading, properties, "$ai_parent_id");
    if (str_is_none(own))
        own = kind == KIND_TRACE ? trace : tree_text(event, "uuid");
    if (str_is_none(trace) || str_is_none(own)) {
        native_reject(reading->batch, "event %u: $ai_trace_id is missing", index + 1);
        return;
    }
    struct raw_span span = { .scope = reading->scope,
                             .trace_id = native_trace_id(trace),
                             .span_id = native_span_id(kind == KIND_TRACE ? trace : own),
                             .source_id = own,
                             .name = tree_text(properties, "$ai_span_name"),
                             .kind = kind == KIND_CALL ? 3 : 1,
                             .status_code = is_true(properties, "$ai_is_error") ? 2 : 0 };
    if (!str_is_none(parent) && kind != KIND_TRACE)
        span.parent_span_id = native_span_id(parent);
    if (str_is_none(span.name))
        span.name = tree_text(properties, "$ai_trace_name");
    if (str_is_none(span.name))
        span.name = str_from(tree_text(event, "event"), 4); /* "$ai_" */
    times_of(event, properties, &span);
    reading->is_spent |= !attrs_of(reading, event, properties, &span) ||
                         !native_span_add(reading->arena, &reading->items, &span);
}

/* ---- scores ---- */

static bool value_is(const struct value *value, struct score *score)
{
    score->type = SCORE_LABEL;
    if (value && value->type == VALUE_BOOL) {
        score->type = SCORE_BOOL;
        score->value = value->boolean;
    } else if (value && value_as_f64(value, &score->value) && isfinite(score->value)) {
        score->type = SCORE_NUMBER;
    } else {
        score->label =
            value && value->type == VALUE_STR && value->text.len ? value->text : STR_NONE;
        return !str_is_none(score->label);
    }
    score->has_value = true;
    return true;
}

static void score_take(struct reading *reading, const struct value *event, uint32_t index)
{
    const struct value *properties = tree_get(event, "properties");
    bool is_feedback = str_equal_c(tree_text(event, "event"), "$ai_feedback");
    str trace = id_text(reading, properties, "$ai_trace_id"), *texts[SCORE_TEXTS];
    str name = is_feedback ? STR_OF("feedback") : tree_text(properties, "$ai_metric_name");
    struct raw_score raw = { .sender_id = tree_text(event, "uuid"), .score.name = name };
    struct score *score = &raw.score;
    score_texts(score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    score->type = SCORE_LABEL;
    score->comment = is_feedback ? tree_text(properties, "$ai_feedback_text") : STR_NONE;
    bool is_said = is_feedback ? !str_is_none(score->comment)
                               : value_is(tree_get(properties, "$ai_metric_value"), score);
    if (str_is_none(trace) || str_is_none(name) || name.len > SCORE_NAME_BYTES_MAX || !is_said) {
        native_reject(reading->batch, "event %u: says nothing of a trace", index + 1);
        reading->batch->rejected_scores++;
        return;
    }
    score->has_trace_id = true;
    score->trace_id = native_trace_id(trace);
    score->source = is_feedback ? SCORE_BY_USER : SCORE_BY_API;
    if (!tree_time(event, "timestamp", &score->time_ns))
        score->time_ns = 0;
    struct raw_score *to = native_score_new(reading->arena, &reading->items);
    if (to)
        *to = raw;
    reading->is_spent |= !to;
}

/* ---- the request ---- */

static void take_event(struct reading *reading, const struct value *event, uint32_t index)
{
    enum kind kind = kind_of(tree_text(event, "event"));
    const struct value *properties = tree_get(event, "properties");
    if (kind == KIND_NONE)
        return;
    if (!properties || properties->type != VALUE_MAP)
        native_reject(reading->batch, "event %u: properties are missing", index + 1);
    else if (kind == KIND_SCORE)
        score_take(reading, event, index);
    else
        span_take(reading, event, kind, index);
}

static bool scope_make(struct reading *reading)
{
    struct raw_resource *resource = arena_new(reading->arena, struct raw_resource, 1);
    reading->scope = arena_new(reading->arena, struct raw_scope, 1);
    if (!resource || !reading->scope)
        return false;
    reading->scope->resource = resource;
    return true;
}

enum err posthog_decode(struct arena *arena, str body, const struct otlp_limits *limits,
                        struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct value root;
    const struct value *events = &root;
    struct reading reading = { .arena = arena, .limits = limits, .batch = ret_batch };
    *ret_batch = (struct raw_batch){ .is_utf8 = true };
    enum err err = tree_parse(arena, body, &root, reterr_why);
    if (err)
        return err;
    bool has_batch = tree_get(&root, "batch");
    uint32_t count = has_batch ? tree_items(&root, "batch", &events) : 1;
    if (root.type == VALUE_ARRAY) {
        events = root.items;
        count = root.count;
    }
    if (root.type != VALUE_ARRAY && root.type != VALUE_MAP)
        return diag_set(reterr_why, ERR_BAD_INPUT, "it must be an event or a list of events");
    if (count > limits->items_max)
        return diag_set(reterr_why, ERR_LIMIT, "%u events are over the limit of %u", count,
                        limits->items_max);
    reading.is_spent = !scope_make(&reading);
    for (uint32_t i = 0; i < count && !reading.is_spent; i++)
        take_event(&reading, &events[i], i);
    if (reading.is_spent)
        return diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
    native_give(&reading.items, ret_batch);
    return ERR_OK;
}
