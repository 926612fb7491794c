/* event_score.c -- feedback, scores, evaluations, outcomes and deploys: forms that become scores.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "wire/event_form_int.h"
#include "wire/score_json.h"
#include <math.h>
#include <string.h>

enum { TARGET_ADDED_MAX = 2 };

/* Members that a score has a place for; the others are its attributes. */
static const str own[] = {
    STR("event"),     STR("id"),          STR("trace_id"),
    STR("span_id"),   STR("session_id"),  STR("ts"),
    STR("time"),      STR("timestamp"),   STR("comment"),
    STR("tenant_id"), STR("judge_model"), STR("rating"),
    STR("outcome"),   STR("value"),       STR("version"),
    STR("text"),      STR("evaluator"),   STR("evaluator_version"),
};

static bool is_own(str key, enum event_kind kind)
{
    for (size_t i = 0; kind == EVENT_EVALUATION && i < EVENT_SCORES; i++)
        if (str_equal_c(key, event_scores[i]))
            return true;
    if (kind == EVENT_DEPLOY && str_equal_c(key, "service"))
        return true;
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (str_equal(key, own[i]))
            return true;
    return false;
}

static bool attrs_of(struct event_reader *reader, const struct value *object, enum event_kind kind,
                     str trace_text, struct score *score)
{
    struct native_attrs attrs = { 0 };
    bool fits = str_is_none(trace_text) ||
                native_attr_add(reader->arena, &attrs, STR_OF("trace_id"), value_str(trace_text));
    for (uint32_t i = 0; i < object->count && fits; i++)
        if (!is_own(object->attrs[i].key, kind) && object->attrs[i].value.type != VALUE_NULL &&
            attrs.count < reader->limits->attrs_max)
            fits = native_attr_add(reader->arena, &attrs, object->attrs[i].key,
                                   object->attrs[i].value);
    score->attrs = attrs.items;
    score->attr_count = attrs.count;
    return fits || event_spent(reader);
}

static bool span_of(struct event_reader *reader, const struct value *object, struct score *score)
{
    str span;
    if (!event_text(reader, object, "span_id", &span))
        return false;
    struct id8 id = str_is_none(span) ? reader->span_id : native_span_id(span);
    score->has_span_id = score->has_trace_id && !id8_is_zero(id);
    if (score->has_span_id)
        score->span_id = id;
    return true;
}

/* A chat session has two names. */
static bool session_of(struct event_reader *reader, const struct value *object, str *ret_session)
{
    return event_text(reader, object, "session_id", ret_session) &&
           (!str_is_none(*ret_session) ||
            event_text(reader, object, "conversation_id", ret_session));
}

/* A trace, a chat session or a request, whatever of them is told. */
static bool target_of(struct event_reader *reader, const struct value *object, struct score *score,
                      str *ret_trace_text)
{
    str request;
    if (!event_trace(reader, object, &score->trace_id, ret_trace_text))
        return false;
    score->has_trace_id = !id16_is_zero(score->trace_id);
    if (!span_of(reader, object, score) || !session_of(reader, object, &score->session_id) ||
        !event_text(reader, object, "request_id", &request) ||
        !event_text(reader, object, "response_id", &score->response_id))
        return false;
    if (str_is_none(score->response_id) && !score->has_trace_id)
        score->response_id = request; /* joined by the request that it names */
    return score->has_trace_id || !str_is_none(score->session_id) ||
           !str_is_none(score->response_id) ||
           event_refuse(reader, "trace_id", "is missing (or session_id, or request_id)");
}

/* What all of them have; its value is still to come. */
static bool begin(struct event_reader *reader, const struct value *object, enum event_kind kind,
                  struct raw_score *raw)
{
    struct score *score = &raw->score;
    str *texts[SCORE_TEXTS], trace_text = STR_NONE;
    bool is_told;
    *raw = (struct raw_score){ .sender_id = STR_NONE };
    score_texts(score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    if (kind != EVENT_DEPLOY && !target_of(reader, object, score, &trace_text))
        return false;
    return event_time(reader, object, &score->time_ns, &is_told) &&
           event_text(reader, object, "id", &raw->sender_id) &&
           event_text(reader, object, "tenant_id", &score->tenant_id) &&
           event_text(reader, object, "judge_model", &score->judge_model) &&
           event_text(reader, object, "evaluator", &score->evaluator) &&
           event_text(reader, object, "evaluator_version", &score->evaluator_version) &&
           event_text(reader, object, kind == EVENT_DEPLOY ? "text" : "comment", &score->comment) &&
           attrs_of(reader, object, kind, trace_text, score);
}

/* Without an id: each at its own time is one of its own. */
static bool name_moment(struct event_reader *reader, const struct value *object,
                        struct raw_score *raw)
{
    return !str_is_none(raw->sender_id) ||
           event_digest(reader, object, raw->score.time_ns, &raw->sender_id);
}

static bool keep(struct event_reader *reader, const struct raw_score *raw)
{
    struct raw_score *to = native_score_new(reader->arena, &reader->items);
    if (!to)
        return event_spent(reader);
    *to = *raw;
    return true;
}

/* True, false, a number or a text. */
static bool value_of(struct event_reader *reader, const char *name, const struct value *value,
                     struct score *score)
{
    score->type = SCORE_LABEL;
    if (value->type == VALUE_STR && value->text.len && value->text.len <= SCORE_TEXT_BYTES_MAX) {
        score->label = value->text;
        return true;
    }
    if (value->type == VALUE_BOOL)
        score->value = value->boolean;
    else if (value->type == VALUE_STR || !value_as_f64(value, &score->value) ||
             !isfinite(score->value))
        return event_refuse(reader, name, "must be a number, true, false or a short text");
    score->type = value->type == VALUE_BOOL ? SCORE_BOOL : SCORE_NUMBER;
    score->has_value = true;
    return true;
}

/* The last word of each user about the same counts; the name itself is kept by policy. */
static bool name_user(struct event_reader *reader, str user, struct raw_score *raw)
{
    const struct score *score = &raw->score;
    char digits[2 * sizeof score->trace_id + 1];
    hex_encode(&score->trace_id, sizeof score->trace_id, digits);
    str session = str_is_none(score->session_id) ? STR_OF("") : score->session_id;
    str response = str_is_none(score->response_id) ? STR_OF("") : score->response_id;
    raw->sender_id = arena_printf(reader->arena, "user:%s/%.*s/%.*s/%.*s", digits, STR_ARG(session),
                                  STR_ARG(response), STR_ARG(user));
    return !str_is_none(raw->sender_id) || event_spent(reader);
}

static bool take_feedback(struct event_reader *reader, const struct value *object,
                          struct raw_score *raw)
{
    const struct value *rating = tree_get(object, "rating");
    struct score *score = &raw->score;
    str user;
    if (!rating)
        return event_refuse(reader, "rating", "is missing");
    bool is_up = rating->type == VALUE_STR && str_equal_c(rating->text, "up");
    bool is_down = rating->type == VALUE_STR && str_equal_c(rating->text, "down");
    if (rating->type == VALUE_BOOL || (rating->type == VALUE_STR && !is_up && !is_down) ||
        !value_of(reader, "rating", rating, score) || !event_text(reader, object, "user_id", &user))
        return event_refuse(reader, "rating", "must be \"up\", \"down\" or a number");
    if (is_up || is_down) {
        score->has_value = true;
        score->value = is_up;
    }
    score->name = STR_OF(EVENT_FEEDBACK_NAME);
    score->source = SCORE_BY_USER;
    if (str_is_none(raw->sender_id) && !str_is_none(user) && !name_user(reader, user, raw))
        return false;
    return keep(reader, raw);
}

static bool take_evaluation(struct event_reader *reader, const struct value *object,
                            const struct raw_score *raw)
{
    uint32_t before = reader->items.score_count;
    for (size_t i = 0; i < EVENT_SCORES; i++) {
        const struct value *value = tree_get(object, event_scores[i]);
        struct raw_score one = *raw;
        bool truth;
        if (!value)
            continue;
        struct value read = *value;
        bool is_flag = i >= EVENT_SCORES - 3;
        if (is_flag && value_as_bool(value, &truth)) /* also as 1 or "true" */
            read = value_bool(truth);
        else if (value->type == VALUE_STR && value_as_f64(value, &one.score.value))
            read = value_f64(one.score.value);
        one.score.name = str_from_c(event_scores[i]);
        one.score.source = SCORE_BY_JUDGE;
        if (!value_of(reader, event_scores[i], &read, &one.score))
            return false;
        if (!str_is_none(raw->sender_id))
            one.sender_id =
                arena_printf(reader->arena, "%.*s/%s", STR_ARG(raw->sender_id), event_scores[i]);
        if (str_is_none(one.sender_id) != str_is_none(raw->sender_id))
            return event_spent(reader);
        if (!keep(reader, &one))
            return false;
    }
    return reader->items.score_count > before ||
           event_refuse(reader, "faithfulness", "is missing (or another score or flag)");
}

static bool take_outcome(struct event_reader *reader, const struct value *object,
                         struct raw_score *raw)
{
    const struct value *value = tree_get(object, "value"), happened = value_bool(true);
    if (!event_text(reader, object, "outcome", &raw->score.name))
        return false;
    if (str_is_none(raw->score.name))
        return event_refuse(reader, "outcome",
                            "is missing: correction, regeneration, retry, escalation, resolution, "
                            "conversion, abandoned or your own");
    raw->score.source = SCORE_IS_OUTCOME;
    return value_of(reader, "value", value ? value : &happened, &raw->score) &&
           name_moment(reader, object, raw) && keep(reader, raw);
}

static bool take_deploy(struct event_reader *reader, const struct value *object,
                        struct raw_score *raw)
{
    if (!event_text(reader, object, "service", &raw->score.name) ||
        !event_text(reader, object, "version", &raw->score.label))
        return false;
    if (str_is_none(raw->score.name))
        return event_refuse(reader, "service", "is missing");
    if (str_is_none(raw->score.label))
        return event_refuse(reader, "version", "is missing");
    raw->score.type = SCORE_LABEL;
    raw->score.source = SCORE_IS_DEPLOY;
    return name_moment(reader, object, raw) && keep(reader, raw);
}

/* As POST /api/v1/scores reads it; only that a trace may be named by any text. */
static bool take_score(struct event_reader *reader, const struct value *object,
                       const struct raw_score *begun)
{
    struct raw_score raw;
    char digits[2 * sizeof begun->score.trace_id + 1], why[SCORE_JSON_WHY];
    struct value copy = { .type = VALUE_MAP };
    copy.attrs = arena_new(reader->arena, struct attr, object->count + TARGET_ADDED_MAX);
    hex_encode(&begun->score.trace_id, sizeof begun->score.trace_id, digits);
    str hex = arena_str(reader->arena, str_from_c(digits));
    if (!copy.attrs || str_is_none(hex))
        return event_spent(reader);
    for (uint32_t i = 0; i < object->count; i++) {
        str key = object->attrs[i].key;
        bool is_set = str_equal_c(key, "trace_id") || str_equal_c(key, "response_id") ||
                      str_equal_c(key, "event") || str_equal_c(key, "ts");
        if (!is_set)
            copy.attrs[copy.count++] = object->attrs[i];
    }
    if (begun->score.has_trace_id)
        copy.attrs[copy.count++] = (struct attr){ STR_OF("trace_id"), value_str(hex) };
    if (!str_is_none(begun->score.response_id))
        copy.attrs[copy.count++] =
            (struct attr){ STR_OF("response_id"), value_str(begun->score.response_id) };
    if (!score_json_read(reader->arena, &copy, &raw, why)) {
        size_t space = str_find_char(str_from_c(why), ' ');
        str field = arena_printf(reader->arena, "%.*s", (int)space, why);
        return event_refuse(reader, str_is_none(field) ? "it" : field.ptr,
                            why + space + (why[space] == ' '));
    }
    raw.score.time_ns = begun->score.time_ns;
    raw.score.tenant_id = begun->score.tenant_id;
    return keep(reader, &raw);
}

bool event_take_score(struct event_reader *reader, const struct value *object, enum event_kind kind)
{
    struct raw_score raw;
    if (!begin(reader, object, kind, &raw))
        return false;
    switch (kind) {
    case EVENT_FEEDBACK:
        return take_feedback(reader, object, &raw);
    case EVENT_SCORE:
        return take_score(reader, object, &raw);
    case EVENT_EVALUATION:
        return take_evaluation(reader, object, &raw);
    case EVENT_OUTCOME:
        return take_outcome(reader, object, &raw);
    case EVENT_DEPLOY:
        return take_deploy(reader, object, &raw);
    case EVENT_NONE:
    case EVENT_VERSIONS:
    case EVENT_TRACE:
    case EVENT_CALL:
        break;
    }
    return event_refuse(reader, "event", "is no score");
}
