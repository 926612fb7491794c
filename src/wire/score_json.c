/* score_json.c -- see score_json.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/score_json.h"
#include "base/text.h"
#include "wire/json.h"
#include <math.h>
#include <stdio.h>

/* What a member means; several spellings, as people write them. */
enum member {
    MEMBER_ID,
    MEMBER_TRACE,
    MEMBER_SPAN,
    MEMBER_SESSION,
    MEMBER_RESPONSE,
    MEMBER_NAME,
    MEMBER_VALUE,
    MEMBER_LABEL,
    MEMBER_COMMENT,
    MEMBER_SOURCE,
    MEMBER_EVALUATOR,
    MEMBER_EVALUATOR_VERSION,
    MEMBER_JUDGE,
    MEMBER_TIME,
    MEMBER_METADATA,
    MEMBER_COUNT
};
static const struct {
    str name;
    enum member member;
} member_names[] = {
    { STR("id"), MEMBER_ID },
    { STR("score_id"), MEMBER_ID },
    { STR("trace_id"), MEMBER_TRACE },
    { STR("span_id"), MEMBER_SPAN },
    { STR("session_id"), MEMBER_SESSION },
    { STR("response_id"), MEMBER_RESPONSE },
    { STR("name"), MEMBER_NAME },
    { STR("value"), MEMBER_VALUE },
    { STR("score"), MEMBER_VALUE },
    { STR("label"), MEMBER_LABEL },
    { STR("comment"), MEMBER_COMMENT },
    { STR("explanation"), MEMBER_COMMENT },
    { STR("source"), MEMBER_SOURCE },
    { STR("evaluator"), MEMBER_EVALUATOR },
    { STR("evaluator_version"), MEMBER_EVALUATOR_VERSION },
    { STR("judge_model"), MEMBER_JUDGE },
    { STR("time"), MEMBER_TIME },
    { STR("timestamp"), MEMBER_TIME },
    { STR("metadata"), MEMBER_METADATA },
};

/* One score being read. */
struct reading {
    const struct value *members[MEMBER_COUNT]; /* NULL: not said */
    struct raw_score *to;
    char why[SCORE_JSON_WHY];
};

static bool refuse(struct reading *reading, const char *member, const char *what)
{
    if (!reading->why[0])
        snprintf(reading->why, sizeof reading->why, "%s %s", member, what);
    return false;
}

/* A member that is a text, or a number written as one; null and "" are not said. */
static bool text_of(struct reading *reading, enum member member, const char *name, size_t max,
                    str *ret)
{
    const struct value *value = reading->members[member];
    *ret = STR_NONE;
    if (!value || value->type == VALUE_NULL)
        return true;
    if (value->type != VALUE_STR)
        return refuse(reading, name, "must be a text");
    if (value->text.len > max)
        return refuse(reading, name, "is too long");
    if (value->text.len)
        *ret = value->text;
    return true;
}

/* 32 digits, also as a UUID. */
static bool trace_id_of(struct reading *reading)
{
    str text;
    char digits[32];
    size_t count = 0;
    if (!text_of(reading, MEMBER_TRACE, "trace_id", 64, &text) || str_is_none(text))
        return reading->why[0] == 0;
    for (size_t i = 0; i < text.len && count <= sizeof digits; i++) {
        if (text.ptr[i] == '-')
            continue;
        if (count < sizeof digits)
            digits[count] = text.ptr[i];
        count++;
    }
    struct score *score = &reading->to->score;
    if (count != sizeof digits ||
        !hex_decode(str_make(digits, sizeof digits), &score->trace_id, sizeof score->trace_id) ||
        id16_is_zero(score->trace_id))
        return refuse(reading, "trace_id", "must be 32 hex digits");
    score->has_trace_id = true;
    return true;
}

static bool span_id_of(struct reading *reading)
{
    str text;
    struct score *score = &reading->to->score;
    if (!text_of(reading, MEMBER_SPAN, "span_id", 64, &text) || str_is_none(text))
        return reading->why[0] == 0;
    if (text.len != 16 || !hex_decode(text, &score->span_id, sizeof score->span_id) ||
        id8_is_zero(score->span_id))
        return refuse(reading, "span_id", "must be 16 hex digits");
    score->has_span_id = true;
    return true;
}

static bool value_of(struct reading *reading)
{
    const struct value *value = reading->members[MEMBER_VALUE];
    struct score *score = &reading->to->score;
    if (!text_of(reading, MEMBER_LABEL, "label", SCORE_TEXT_BYTES_MAX, &score->label))
        return false;
    score->type = SCORE_LABEL;
    if (!value || value->type == VALUE_NULL)
        return !str_is_none(score->label) || refuse(reading, "value", "is missing");
    if (value->type == VALUE_STR) {
        if (value->text.len == 0 || value->text.len > SCORE_TEXT_BYTES_MAX)
            return refuse(reading, "value", value->text.len ? "is too long" : "is empty");
        if (str_is_none(score->label))
            score->label = value->text;
        return true;
    }
    if (value->type == VALUE_BOOL)
        score->value = value->boolean;
    else if (!value_as_f64(value, &score->value))
        return refuse(reading, "value", "must be a number, a boolean or a text");
    if (!isfinite(score->value))
        return refuse(reading, "value", "must be finite");
    score->type = value->type == VALUE_BOOL ? SCORE_BOOL : SCORE_NUMBER;
    score->has_value = true;
    return true;
}

/* RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since 1970, told by their
 * size. */
static bool time_of(struct reading *reading)
{
    enum { SCALES = 4 };
    static const int64_t per_unit[SCALES] = { NS_PER_S, NS_PER_MS, NS_PER_US, 1 };
    const struct value *value = reading->members[MEMBER_TIME];
    int64_t *to = &reading->to->score.time_ns;
    double number;
    *to = 0;
    if (!value || value->type == VALUE_NULL)
        return true;
    if (value->type == VALUE_STR && time_parse(value->text, to))
        return true;
    if (value->type == VALUE_BOOL || !value_as_f64(value, &number) || !(number >= 0))
        return refuse(reading, "time", "must be RFC 3339 or a number since 1970");
    int scale = 0;
    for (double top = 1e11; scale < SCALES - 1 && number >= top; top *= 1e3)
        scale++;
    int64_t whole;
    if (scale == SCALES - 1 && value_as_i64(value, &whole))
        *to = whole;
    else if (number * (double)per_unit[scale] < 9.2e18)
        *to = (int64_t)(number * (double)per_unit[scale]);
    else
        return refuse(reading, "time", "is past the year 2262");
    return true;
}

static bool source_of(struct reading *reading)
{
    str text;
    if (!text_of(reading, MEMBER_SOURCE, "source", 64, &text))
        return false;
    reading->to->score.source = SCORE_BY_API;
    if (str_is_none(text) || score_source_of(text, &reading->to->score.source))
        return true;
    return refuse(reading, "source", "must be api, user, judge, code or human");
}

static bool target_is_said(struct reading *reading)
{
    const struct score *score = &reading->to->score;
    if (score->has_span_id && !score->has_trace_id)
        return refuse(reading, "span_id", "needs trace_id beside it");
    if (score->has_trace_id || !str_is_none(score->session_id) || !str_is_none(score->response_id))
        return true;
    return refuse(reading, "trace_id", "is missing (or session_id, or response_id)");
}

static bool texts_of(struct reading *reading)
{
    struct score *score = &reading->to->score;
    const size_t name_max = SCORE_NAME_BYTES_MAX, text_max = SCORE_TEXT_BYTES_MAX;
    score->tenant_id = STR_NONE;
    if (!text_of(reading, MEMBER_NAME, "name", name_max, &score->name))
        return false;
    if (str_is_none(score->name))
        return refuse(reading, "name", "is missing");
    return text_of(reading, MEMBER_ID, "id", name_max, &reading->to->sender_id) &&
           text_of(reading, MEMBER_SESSION, "session_id", name_max, &score->session_id) &&
           text_of(reading, MEMBER_RESPONSE, "response_id", name_max, &score->response_id) &&
           text_of(reading, MEMBER_COMMENT, "comment", text_max, &score->comment) &&
           text_of(reading, MEMBER_EVALUATOR, "evaluator", name_max, &score->evaluator) &&
           text_of(reading, MEMBER_EVALUATOR_VERSION, "evaluator_version", name_max,
                   &score->evaluator_version) &&
           text_of(reading, MEMBER_JUDGE, "judge_model", name_max, &score->judge_model);
}

/* Its known members; the others, and what is in "metadata", stay as attributes. */
static bool members_of(struct arena *arena, struct reading *reading, const struct value *object)
{
    struct score *score = &reading->to->score;
    uint32_t more = 0;
    for (uint32_t i = 0; i < object->count; i++)
        if (object->attrs[i].value.type == VALUE_MAP)
            more += object->attrs[i].value.count;
    score->attrs = arena_new(arena, struct attr, object->count + more + 1);
    if (!score->attrs)
        return refuse(reading, "the request", "needs too much memory");
    for (uint32_t i = 0; i < object->count; i++) {
        const struct attr *attr = &object->attrs[i];
        size_t row = 0;
        while (row < COUNT_OF(member_names) && !str_equal(attr->key, member_names[row].name))
            row++;
        if (row == COUNT_OF(member_names))
            score->attrs[score->attr_count++] = *attr;
        else
            reading->members[member_names[row].member] = &attr->value;
    }
    const struct value *metadata = reading->members[MEMBER_METADATA];
    if (metadata && metadata->type == VALUE_MAP)
        for (uint32_t i = 0; i < metadata->count; i++)
            score->attrs[score->attr_count++] = metadata->attrs[i];
    else if (metadata && metadata->type != VALUE_NULL)
        return refuse(reading, "metadata", "must be an object");
    return true;
}

static bool score_of(struct arena *arena, struct reading *reading, const struct value *value)
{
    if (value->type != VALUE_MAP)
        return refuse(reading, "it", "must be an object");
    return members_of(arena, reading, value) && texts_of(reading) && trace_id_of(reading) &&
           span_id_of(reading) && value_of(reading) && time_of(reading) && source_of(reading) &&
           target_is_said(reading);
}

bool score_json_read(struct arena *arena, const struct value *object, struct raw_score *ret_score,
                     char ret_why[SCORE_JSON_WHY])
{
    struct reading reading = { .to = ret_score };
    *ret_score = (struct raw_score){ .sender_id = STR_NONE };
    bool done = score_of(arena, &reading, object);
    memcpy(ret_why, reading.why, sizeof reading.why);
    return done;
}

/* The list of scores in a document of any of the three forms. */
static void list_of(const struct value *document, const struct value **ret_items,
                    uint32_t *ret_count)
{
    const struct value *list = document;
    if (document->type == VALUE_MAP) {
        const struct attr *scores = attr_find(document->attrs, document->count, STR_OF("scores"));
        list = scores ? &scores->value : document;
    }
    bool is_list = list->type == VALUE_ARRAY;
    *ret_items = is_list ? list->items : list;
    *ret_count = is_list ? list->count : 1;
}

enum err score_json_decode(struct arena *arena, str body, const struct otlp_limits *limits,
                           struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct json json;
    struct value document;
    const struct value *items;
    uint32_t count;
    *ret_batch = (struct raw_batch){ 0 };
    json_init(&json, arena, body, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    if (token == JSON_ERROR || token == JSON_END || !json_value(&json, token, &document) ||
        json_next(&json) != JSON_END)
        return json_error(&json, reterr_why);
    list_of(&document, &items, &count);
    uint32_t max = limits ? limits->items_max : otlp_limits_default.items_max;
    if (count > max)
        return diag_set(reterr_why, ERR_LIMIT, "%u scores are over the limit of %u", count, max);
    ret_batch->scores = arena_new(arena, struct raw_score, count + 1);
    if (!ret_batch->scores)
        return diag_set(reterr_why, ERR_LIMIT, "no room for %u scores", count);
    for (uint32_t i = 0; i < count; i++) {
        char why[SCORE_JSON_WHY];
        if (score_json_read(arena, &items[i], &ret_batch->scores[ret_batch->score_count], why)) {
            ret_batch->score_count++;
            continue;
        }
        if (ret_batch->rejected_count++ == 0)
            snprintf(ret_batch->rejected_why, sizeof ret_batch->rejected_why, "score %u: %s", i + 1,
                     why);
    }
    ret_batch->rejected_scores = ret_batch->rejected_count;
    if (ret_batch->score_count == 0 && ret_batch->rejected_count > 0)
        return diag_set(reterr_why, ERR_BAD_INPUT, "%s", ret_batch->rejected_why);
    return ERR_OK;
}
