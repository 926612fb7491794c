/* datadog_scores.c -- evaluations and feedback as scores.
 *
 * Newer clients join by `join_on` (a span, or a tag and its value) or, for feedback, by one of
 * span_id, trace_id, session_id and feedback_join_key; older ones give span_id and trace_id.  A
 * span's id finds the span by itself: the trace id beside it is Datadog's own of the LLM trace and
 * stays an attribute.  A tag or a key of the sender's becomes the response id, the one target that
 * may be any text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/datadog_int.h"
#include <math.h>

struct metric {
    struct datadog *datadog;
    const struct value *tree;
    struct raw_score *to;
    struct native_attrs attrs;
    const char *why;
};

static bool refuse(struct metric *metric, const char *why)
{
    metric->why = why;
    return false;
}

static void keep(struct metric *metric, str key, struct value value)
{
    if (!native_attr_add(metric->datadog->arena, &metric->attrs, key, value))
        metric->datadog->spent = true;
}

/* Cut where a score's texts end; not in a character. */
static str text_of(const struct value *map, const char *key, size_t max)
{
    str text = tree_text_as_sent(map, key);
    if (text.len > max) {
        text.len = max;
        while (text.len && ((uint8_t)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    return text.len ? text : STR_NONE;
}

static void set_span(struct metric *metric, str span_id)
{
    struct score *score = &metric->to->score;
    score->span_id = datadog_span_id(span_id);
    score->has_span_id = !id8_is_zero(score->span_id);
}

/* A trace alone: its id is all there is to find it by. */
static void set_trace(struct metric *metric, str trace_id)
{
    struct score *score = &metric->to->score;
    if (str_is_empty(trace_id))
        return;
    keep(metric, STR_OF("_ml_obs.trace_id"), value_str(trace_id));
    if (score->has_span_id)
        return;
    score->trace_id = datadog_trace_id(trace_id);
    score->has_trace_id = !id16_is_zero(score->trace_id);
}

static bool target(struct metric *metric)
{
    struct score *score = &metric->to->score;
    const struct value *join = tree_get(metric->tree, "join_on");
    const struct value *span = tree_get(join, "span"), *tag = tree_get(join, "tag");
    const struct value *from = span ? span : metric->tree;
    set_span(metric, tree_text_as_sent(from, "span_id"));
    set_trace(metric, tree_text_as_sent(from, "trace_id"));
    score->session_id = text_of(metric->tree, "session_id", SCORE_NAME_BYTES_MAX);
    score->response_id = text_of(metric->tree, "feedback_join_key", SCORE_NAME_BYTES_MAX);
    str key = tree_text_as_sent(tag, "key"), value = text_of(tag, "value", SCORE_NAME_BYTES_MAX);
    if (key.len && value.len) {
        keep(metric, STR_OF("join_on.tag.key"), value_str(key));
        if (str_equal_c(key, "session_id"))
            score->session_id = value;
        else
            score->response_id = value;
    }
    if (score->has_span_id || score->has_trace_id || !str_is_none(score->session_id) ||
        !str_is_none(score->response_id))
        return true;
    return refuse(metric, "join_on is missing: a span, a trace, a session or a tag");
}

static bool number(struct metric *metric, const struct value *value)
{
    struct score *score = &metric->to->score;
    score->type = SCORE_NUMBER;
    score->has_value = value && value->type != VALUE_BOOL && value_as_f64(value, &score->value) &&
                       isfinite(score->value);
    return score->has_value || refuse(metric, "score_value must be a number");
}

static bool truth(struct metric *metric, const struct value *value)
{
    struct score *score = &metric->to->score;
    bool is_true = false;
    score->type = SCORE_BOOL;
    score->has_value = value && value_as_bool(value, &is_true);
    score->value = is_true ? 1 : 0;
    return score->has_value || refuse(metric, "boolean_value must be true or false");
}

static bool label(struct metric *metric, const char *key)
{
    struct score *score = &metric->to->score;
    score->type = SCORE_LABEL;
    score->label = text_of(metric->tree, key, SCORE_TEXT_BYTES_MAX);
    return !str_is_none(score->label) || refuse(metric, "its value must be a text");
}

/* Its JSON, as the label. */
static bool object(struct metric *metric, const struct value *value)
{
    struct score *score = &metric->to->score;
    struct buf text;
    if (!value)
        return refuse(metric, "json_value is missing");
    buf_init(&text, SCORE_TEXT_BYTES_MAX);
    value_to_json(&text, value);
    bool fits = !buf_failed(&text);
    score->type = SCORE_LABEL;
    score->label = fits ? arena_str(metric->datadog->arena, buf_str(&text)) : STR_NONE;
    buf_clear(&text);
    if (!fits)
        return refuse(metric, "json_value is too long");
    metric->datadog->spent = metric->datadog->spent || str_is_none(score->label);
    return !str_is_none(score->label);
}

static bool value(struct metric *metric)
{
    const struct value *tree = metric->tree;
    str type = tree_text_as_sent(tree, "metric_type");
    if (str_equal_c(type, "score"))
        return number(metric, tree_get(tree, "score_value"));
    if (str_equal_c(type, "numerical")) /* of older clients */
        return number(metric, tree_get(tree, "numerical_value"));
    if (str_equal_c(type, "boolean"))
        return truth(metric, tree_get(tree, "boolean_value"));
    if (str_equal_c(type, "categorical"))
        return label(metric, "categorical_value");
    if (str_equal_c(type, "text"))
        return label(metric, "text_value");
    if (str_equal_c(type, "json"))
        return object(metric, tree_get(tree, "json_value"));
    return refuse(metric, "metric_type must be score, categorical, boolean, json or text");
}

static void giver(struct metric *metric)
{
    struct score *score = &metric->to->score;
    const struct value *submitter = tree_get(metric->tree, "submitter");
    bool is_feedback = str_equal_c(tree_text_as_sent(metric->tree, "event_kind"), "feedback");
    score->source = is_feedback ? SCORE_BY_USER : SCORE_BY_API;
    score->evaluator = text_of(submitter, "id", SCORE_NAME_BYTES_MAX);
    str type = tree_text_as_sent(submitter, "type");
    if (type.len)
        keep(metric, STR_OF("submitter.type"), value_str(type));
}

/* Tags, metadata and members without a place. */
static void others(struct metric *metric)
{
    static const char *const kept[] = { "ml_app", "assessment", "eval_scope", "metric_source" };
    const struct value *tags = tree_get(metric->tree, "tags");
    const struct value *metadata = tree_get(metric->tree, "metadata");
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        const struct value *member = tree_get(metric->tree, kept[i]);
        if (member)
            keep(metric, str_from_c(kept[i]), *member);
    }
    for (uint32_t i = 0; tags && tags->type == VALUE_ARRAY && i < tags->count; i++) {
        str text = tags->items[i].type == VALUE_STR ? tags->items[i].text : STR_OF("");
        size_t colon = str_find_char(text, ':');
        if (colon < text.len && !str_starts(text, STR_OF("ml_app:")))
            keep(metric, str_sub(text, 0, colon), value_str(str_from(text, colon + 1)));
    }
    for (uint32_t i = 0; metadata && metadata->type == VALUE_MAP && i < metadata->count; i++)
        keep(metric, metadata->attrs[i].key, metadata->attrs[i].value);
}

static bool metric_of(struct metric *metric)
{
    struct score *score = &metric->to->score;
    str *texts[SCORE_TEXTS];
    score_texts(score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    if (metric->tree->type != VALUE_MAP)
        return refuse(metric, "it must be an object");
    score->name = text_of(metric->tree, "label", SCORE_NAME_BYTES_MAX);
    if (str_is_none(score->name))
        return refuse(metric, "label is missing");
    if (!value(metric) || !target(metric))
        return false;
    int64_t time_ms;
    const struct value *time = tree_get(metric->tree, "timestamp_ms");
    if (time && (!value_as_i64(time, &time_ms) || time_ms < 0 || time_ms > INT64_MAX / NS_PER_MS))
        return refuse(metric, "timestamp_ms must be milliseconds since 1970");
    score->time_ns = time ? time_ms * NS_PER_MS : 0;
    score->comment = text_of(metric->tree, "reasoning", SCORE_TEXT_BYTES_MAX);
    giver(metric);
    others(metric);
    score->attrs = metric->attrs.items;
    score->attr_count = metric->attrs.count;
    return true;
}

static const struct value *metrics_of(const struct value *body)
{
    const struct value *attributes = tree_get(tree_get(body, "data"), "attributes");
    const struct value *metrics = tree_get(attributes, "metrics");
    return metrics && metrics->type == VALUE_ARRAY ? metrics : NULL;
}

enum err datadog_decode_scores(struct arena *arena, str body, const struct otlp_limits *limits,
                               struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct datadog datadog;
    struct value tree;
    enum err err = datadog_begin(&datadog, arena, limits, ret_batch, reterr_why);
    if (!err)
        err = tree_parse(arena, body, &tree, reterr_why);
    if (err)
        return err;
    const struct value *metrics = metrics_of(&tree);
    if (!metrics)
        return diag_set(reterr_why, ERR_BAD_INPUT, "data.attributes.metrics must be a list");
    if (metrics->count > datadog.limits->items_max)
        return diag_set(reterr_why, ERR_LIMIT, "%u metrics are over the limit of %u",
                        metrics->count, datadog.limits->items_max);
    for (uint32_t i = 0; i < metrics->count && !datadog.spent; i++) {
        struct raw_score score = { .sender_id = STR_NONE };
        struct metric metric = { .datadog = &datadog, .tree = &metrics->items[i], .to = &score };
        if (!metric_of(&metric)) {
            native_reject(ret_batch, "metric %u: %s", i + 1, metric.why ? metric.why : "no room");
            ret_batch->rejected_scores++;
            continue;
        }
        struct raw_score *to = native_score_new(arena, &datadog.out);
        if (to)
            *to = score;
        datadog.spent = datadog.spent || !to;
    }
    return datadog_finish(&datadog, reterr_why);
}
