/* langfuse_score.c -- a score of Langfuse's API.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "wire/langfuse_int.h"
#include <math.h>

enum member {
    MEMBER_ID,
    MEMBER_TRACE,
    MEMBER_SESSION,
    MEMBER_OBSERVATION,
    MEMBER_NAME,
    MEMBER_VALUE,
    MEMBER_TYPE,
    MEMBER_COMMENT,
    MEMBER_SOURCE,
    MEMBER_TIME,
    MEMBER_METADATA,
    MEMBER_NONE, /* it says nothing */
    MEMBER_COUNT /* another one: kept as an attribute */
};
static const str names[MEMBER_NONE] = {
    [MEMBER_ID] = STR("id"),
    [MEMBER_TRACE] = STR("traceId"),
    [MEMBER_SESSION] = STR("sessionId"),
    [MEMBER_OBSERVATION] = STR("observationId"),
    [MEMBER_NAME] = STR("name"),
    [MEMBER_VALUE] = STR("value"),
    [MEMBER_TYPE] = STR("dataType"),
    [MEMBER_COMMENT] = STR("comment"),
    [MEMBER_SOURCE] = STR("source"),
    [MEMBER_TIME] = STR("timestamp"),
    [MEMBER_METADATA] = STR("metadata"),
};

struct reading {
    struct langfuse *langfuse;
    const struct value *members[MEMBER_NONE]; /* NULL: not said, or null */
    struct score *score;
};

static bool refuse(struct reading *reading, enum member member, const char *what)
{
    return native_refuse(&reading->langfuse->fault, names[member], what);
}

/* STR_NONE: not said. */
static bool text_of(struct reading *reading, enum member member, str *ret)
{
    const struct value *value = reading->members[member];
    *ret = STR_NONE;
    if (value && value->type != VALUE_STR)
        return refuse(reading, member, "must be a text");
    if (value && value->text.len > 0)
        *ret = value->text;
    return true;
}

static enum member member_of(const struct attr *attr)
{
    if (attr->value.type == VALUE_NULL)
        return MEMBER_NONE;
    for (size_t i = 0; i < MEMBER_NONE; i++)
        if (str_equal(attr->key, names[i]))
            return (enum member)i;
    return MEMBER_COUNT;
}

/* What is in "metadata", and what has no member of its own: `others` of the object. */
static bool attrs_of(struct reading *reading, const struct value *object, uint32_t others)
{
    struct score *score = reading->score;
    const struct value *metadata = reading->members[MEMBER_METADATA];
    bool is_map = metadata && metadata->type == VALUE_MAP;
    uint32_t room = others + (is_map ? metadata->count : 1);
    score->attrs = arena_new(reading->langfuse->arena, struct attr, room);
    if (!score->attrs) {
        reading->langfuse->fault.is_spent = true;
        return false;
    }
    for (uint32_t i = 0; i < object->count; i++)
        if (member_of(&object->attrs[i]) == MEMBER_COUNT)
            score->attrs[score->attr_count++] = object->attrs[i];
    for (uint32_t i = 0; is_map && i < metadata->count; i++)
        score->attrs[score->attr_count++] = metadata->attrs[i];
    if (metadata && !is_map)
        score->attrs[score->attr_count++] = (struct attr){ names[MEMBER_METADATA], *metadata };
    return true;
}

static bool members_of(struct reading *reading, const struct value *object)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < object->count; i++) {
        enum member member = member_of(&object->attrs[i]);
        others += member == MEMBER_COUNT;
        if (member < MEMBER_NONE)
            reading->members[member] = &object->attrs[i].value;
    }
    return attrs_of(reading, object, others);
}

static bool value_of(struct reading *reading)
{
    const struct value *value = reading->members[MEMBER_VALUE];
    struct score *score = reading->score;
    str type;
    if (!text_of(reading, MEMBER_TYPE, &type))
        return false;
    if (!value)
        return refuse(reading, MEMBER_VALUE, "is missing");
    score->type = SCORE_LABEL;
    if (value->type == VALUE_STR) {
        score->label = value->text;
        return value->text.len > 0 || refuse(reading, MEMBER_VALUE, "is empty");
    }
    if (value->type == VALUE_BOOL)
        score->value = value->boolean;
    else if (!value_as_f64(value, &score->value) || !isfinite(score->value))
        return refuse(reading, MEMBER_VALUE, "must be a number or a text");
    bool is_bool = value->type == VALUE_BOOL || str_equal_nocase(type, STR_OF("BOOLEAN"));
    if (is_bool && score->value != 0 && score->value != 1)
        return refuse(reading, MEMBER_VALUE, "must be 0 or 1");
    score->type = is_bool ? SCORE_BOOL : SCORE_NUMBER;
    score->has_value = true;
    return true;
}

static bool target_of(struct reading *reading)
{
    struct score *score = reading->score;
    str trace_id, observation_id;
    if (!text_of(reading, MEMBER_TRACE, &trace_id) ||
        !text_of(reading, MEMBER_OBSERVATION, &observation_id) ||
        !text_of(reading, MEMBER_SESSION, &score->session_id))
        return false;
    score->trace_id = native_trace_id(trace_id);
    score->span_id = native_span_id(observation_id);
    score->has_trace_id = !str_is_none(trace_id);
    score->has_span_id = !str_is_none(observation_id);
    if (score->has_span_id && !score->has_trace_id)
        return refuse(reading, MEMBER_OBSERVATION, "needs traceId beside it");
    return score->has_trace_id || !str_is_none(score->session_id) ||
           refuse(reading, MEMBER_TRACE, "is missing (or sessionId)");
}

static bool time_of(struct reading *reading, uint64_t event_ns)
{
    str text;
    reading->score->time_ns = (int64_t)event_ns;
    if (!text_of(reading, MEMBER_TIME, &text))
        return false;
    return str_is_none(text) || time_parse(text, &reading->score->time_ns) ||
           refuse(reading, MEMBER_TIME, "must be a time of ISO 8601");
}

/* Who says it; an unknown word is the API. */
static bool source_of(struct reading *reading)
{
    str text;
    if (!text_of(reading, MEMBER_SOURCE, &text))
        return false;
    bool is_known = score_source_of(text, &reading->score->source);
    (void)is_known;
    return true;
}

static bool score_of(struct langfuse *langfuse, const struct value *object,
                     const struct langfuse_event *event, struct raw_score *ret)
{
    struct score score = { .tenant_id = STR_NONE };
    struct reading reading = { .langfuse = langfuse, .score = &score };
    str id;
    if (!members_of(&reading, object) || !text_of(&reading, MEMBER_ID, &id) ||
        !text_of(&reading, MEMBER_NAME, &score.name) || !value_of(&reading) ||
        !target_of(&reading) || !text_of(&reading, MEMBER_COMMENT, &score.comment) ||
        !time_of(&reading, event->time_ns) || !source_of(&reading))
        return false;
    if (str_is_none(score.name) || score.name.len > SCORE_NAME_BYTES_MAX)
        return refuse(&reading, MEMBER_NAME,
                      str_is_none(score.name) ? "is missing" : "is too long");
    *ret = (struct raw_score){ .score = score, .sender_id = str_is_none(id) ? event->id : id };
    return true;
}

bool langfuse_score_read(struct langfuse *langfuse, const struct langfuse_event *event)
{
    struct json json;
    struct value object;
    json_init(&json, langfuse->arena, event->body, JSON_DEPTH_MAX);
    if (!json_value(&json, json_next(&json), &object) || json_next(&json) != JSON_END) {
        langfuse->fault.is_spent |= json_error(&json, NULL) == ERR_LIMIT;
        return native_refuse(&langfuse->fault, STR_OF("body"), "cannot be read");
    }
    if (object.type != VALUE_MAP)
        return native_refuse(&langfuse->fault, STR_OF("body"), "must be an object");
    struct raw_score read;
    if (!score_of(langfuse, &object, event, &read))
        return false;
    struct raw_score *raw = native_score_new(langfuse->arena, &langfuse->items);
    langfuse->fault.is_spent = !raw;
    if (!raw)
        return false;
    *raw = read;
    return true;
}
