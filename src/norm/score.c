/* score.c -- scores get what only the receiver knows; evaluation events become scores.
 *
 * gen_ai.evaluation.result (OpenTelemetry GenAI, 1.38 on) is a log event with the ids of the
 * span it is about, or an event of that span.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

#define EVENT_NAME "gen_ai.evaluation.result"

/* Where an evaluation was said, and what. */
struct norm_event {
    struct id16 trace_id;
    struct id8 span_id;
    int64_t time_ns;
    const struct attr *attrs;
    uint32_t attr_count;
};

static void attrs_clean(struct norm *norm, const struct attr *attrs, uint32_t count,
                        struct score *score)
{
    struct attr *clean = arena_alloc(norm->arena, (count + 1) * sizeof *clean);
    if (!clean) {
        norm->spent = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        clean[i].key = text_clean(norm, attrs[i].key);
        clean[i].value = value_clean(norm, &attrs[i].value);
    }
    score->attrs = clean;
    score->attr_count = count;
}

static void finish(struct norm *norm, str sender_id, struct score *score)
{
    str *texts[SCORE_TEXTS];
    score_texts(score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        if (!str_is_none(*texts[i]))
            *texts[i] = text_clean(norm, str_sub(*texts[i], 0, SCORE_TEXT_BYTES_MAX));
    score->name = text_clean(norm, score->name);
    if (score->time_ns <= 0)
        score->time_ns = norm->config->received_ns;
    score->score_id = score_identity(norm->config->project, score, sender_id);
}

/* Attributes of the event that a score has a member for. */
static bool take(struct score *score, const struct attr *attr)
{
    const struct value *value = &attr->value;
    const struct {
        str key;
        str *to;
    } texts[] = {
        { STR("gen_ai.evaluation.name"), &score->name },
        { STR("gen_ai.evaluation.score.label"), &score->label },
        { STR("gen_ai.evaluation.explanation"), &score->comment },
        { STR("gen_ai.response.id"), &score->response_id },
        { STR("gen_ai.request.model"), &score->judge_model },
        { STR("gen_ai.evaluator.name"), &score->evaluator },
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (str_equal(attr->key, texts[i].key) && value->type == VALUE_STR && value->text.len) {
            *texts[i].to = value->text;
            return true;
        }
    if (str_equal_c(attr->key, "gen_ai.evaluation.score.value") && value->type != VALUE_BOOL &&
        value_as_f64(value, &score->value)) {
        score->has_value = true;
        return true;
    }
    return str_equal_c(attr->key, "event.name");
}

static bool evaluation(struct norm *norm, const struct norm_event *event, struct batch *batch)
{
    struct score *score = &batch->scores[batch->score_count];
    str *texts[SCORE_TEXTS];
    *score = (struct score){ .trace_id = event->trace_id,
                             .span_id = event->span_id,
                             .has_trace_id = !id16_is_zero(event->trace_id),
                             .name = STR_NONE,
                             .source = SCORE_BY_JUDGE,
                             .time_ns = event->time_ns };
    score->has_span_id = score->has_trace_id && !id8_is_zero(event->span_id);
    score_texts(score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    struct attr *others = arena_alloc(norm->arena, (event->attr_count + 1) * sizeof *others);
    if (!others) {
        norm->spent = true;
        return false;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < event->attr_count; i++)
        if (!take(score, &event->attrs[i]))
            others[count++] = event->attrs[i];
    bool has_target = score->has_trace_id || !str_is_none(score->response_id);
    if (str_is_none(score->name) || !has_target || (!score->has_value && str_is_none(score->label)))
        return false; /* nothing is said of anything */
    score->type = score->has_value ? SCORE_NUMBER : SCORE_LABEL;
    attrs_clean(norm, others, count, score);
    finish(norm, STR_NONE, score);
    batch->score_count++;
    return true;
}

bool norm_log_score(struct norm *norm, const struct raw_log *log, str event_name,
                    struct batch *batch)
{
    if (!str_equal_c(event_name, EVENT_NAME))
        return false;
    uint64_t time = log->time_ns ? log->time_ns : log->observed_ns;
    struct norm_event event = { .trace_id = log->trace_id,
                                .span_id = log->span_id,
                                .time_ns = (int64_t)MIN(time, (uint64_t)INT64_MAX),
                                .attrs = log->attrs,
                                .attr_count = log->attr_count };
    return evaluation(norm, &event, batch);
}

static void span_scores(struct norm *norm, const struct raw_span *span, struct batch *batch)
{
    for (uint32_t i = 0; i < span->event_count && !norm->spent; i++) {
        if (!str_equal_c(span->events[i].name, EVENT_NAME))
            continue;
        struct norm_event event = { .trace_id = span->trace_id,
                                    .span_id = span->span_id,
                                    .time_ns = span->events[i].time_ns,
                                    .attrs = span->events[i].attrs,
                                    .attr_count = span->events[i].attr_count };
        (void)evaluation(norm, &event, batch);
    }
}

void norm_scores(struct norm *norm, const struct raw_batch *raw, struct batch *batch)
{
    for (uint32_t i = 0; i < raw->span_count; i++)
        if (raw->spans[i].event_count)
            span_scores(norm, &raw->spans[i], batch);
    for (uint32_t i = 0; i < raw->score_count && !norm->spent; i++) {
        struct score *score = &batch->scores[batch->score_count++];
        *score = raw->scores[i].score;
        attrs_clean(norm, score->attrs, score->attr_count, score);
        finish(norm, raw->scores[i].sender_id, score);
    }
}

uint32_t norm_scores_max(const struct raw_batch *raw)
{
    uint32_t count = raw->score_count + raw->log_count;
    for (uint32_t i = 0; i < raw->span_count; i++)
        count += raw->spans[i].event_count;
    return count;
}
