/* langsmith_feedback.c -- feedback into a score.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/langsmith_int.h"
#include <math.h>

static bool is_read(str key)
{
    static const char *const names[] = { "id",          "run_id",         "trace_id", "key",
                                         "score",       "value",          "comment",  "created_at",
                                         "modified_at", "feedback_source" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_c(key, names[i]))
            return true;
    return false;
}

/* A number, a yes or no, or a word; false: none of them can be read. */
static bool take_value(struct langsmith *langsmith, const struct native_attrs *members,
                       struct score *score, const char **ret_why)
{
    struct value number = langsmith_value(langsmith, langsmith_member(members, "score"));
    struct value value = langsmith_value(langsmith, langsmith_member(members, "value"));
    if (number.type == VALUE_NULL && value.type != VALUE_STR)
        number = value;
    score->type = SCORE_LABEL;
    if (value.type == VALUE_STR && value.text.len)
        score->label = str_sub(value.text, 0, SCORE_TEXT_BYTES_MAX);
    if (number.type == VALUE_NULL || number.type == VALUE_MAP || number.type == VALUE_ARRAY)
        return true; /* a comment or a correction alone */
    bool is_bool = number.type == VALUE_BOOL;
    if (is_bool)
        score->value = number.boolean;
    else if (number.type == VALUE_STR || !value_as_f64(&number, &score->value) ||
             !isfinite(score->value)) {
        *ret_why = "score must be a number or a boolean";
        return false;
    }
    score->type = is_bool ? SCORE_BOOL : SCORE_NUMBER;
    score->has_value = true;
    return true;
}

static bool attr_keep(struct langsmith *langsmith, struct native_attrs *attrs, str key,
                      struct value value)
{
    bool is_empty = value.type == VALUE_NULL ||
                    ((value.type == VALUE_MAP || value.type == VALUE_ARRAY) && value.count == 0);
    if (!is_empty && !native_attr_add(langsmith->arena, attrs, key, value))
        langsmith->is_spent = true;
    return !is_empty;
}

/* {"type":"api"|"model"|"app","metadata":{...}}: who says it. */
static void take_source(struct langsmith *langsmith, const struct native_attrs *members,
                        struct native_attrs *attrs, struct score *score)
{
    struct value source = langsmith_value(langsmith, langsmith_member(members, "feedback_source"));
    score->source = SCORE_BY_API;
    if (source.type != VALUE_MAP)
        return;
    const struct attr *type = attr_find(source.attrs, source.count, STR_OF("type"));
    const struct attr *metadata = attr_find(source.attrs, source.count, STR_OF("metadata"));
    if (type && type->value.type == VALUE_STR) {
        if (str_equal_c(type->value.text, "app")) /* a person in LangSmith's own pages */
            score->source = SCORE_BY_HUMAN;
        else if (!score_source_of(type->value.text, &score->source))
            (void)attr_keep(langsmith, attrs, STR_OF("feedback_source"), type->value);
    }
    for (uint32_t i = 0; metadata && metadata->value.type == VALUE_MAP && i < metadata->value.count;
         i++)
        (void)attr_keep(langsmith, attrs, metadata->value.attrs[i].key,
                        metadata->value.attrs[i].value);
}

static void take_rest(struct langsmith *langsmith, const struct native_attrs *members,
                      struct native_attrs *attrs)
{
    struct value value = langsmith_value(langsmith, langsmith_member(members, "value"));
    if (value.type == VALUE_MAP || value.type == VALUE_ARRAY)
        (void)attr_keep(langsmith, attrs, STR_OF("value"), value);
    for (uint32_t i = 0; i < members->count; i++) {
        str key = members->items[i].key;
        if (is_read(key))
            continue;
        /* LangSmith's session is a project */
        str name = str_equal_c(key, "session_id") ? STR_OF("langsmith.session_id") : key;
        (void)attr_keep(langsmith, attrs, name,
                        langsmith_value(langsmith, members->items[i].value.text));
    }
}

/* Which run, trace or project; false: nothing is named. */
static bool take_target(struct langsmith *langsmith, const struct native_attrs *members,
                        struct score *score)
{
    str run = langsmith_text(langsmith, members, "run_id");
    str trace = langsmith_text(langsmith, members, "trace_id");
    score->has_trace_id = !str_is_empty(trace);
    score->trace_id = native_trace_id(trace);
    score->has_span_id = !str_is_empty(run); /* alone it is enough: the trace that has it */
    score->span_id = native_span_id(run);
    return score->has_trace_id || score->has_span_id;
}

bool langsmith_score(struct langsmith *langsmith, str object, str patched, const char **ret_why)
{
    struct native_attrs members = { 0 }, attrs = { 0 };
    struct score score = { .tenant_id = STR_NONE };
    str *texts[SCORE_TEXTS];
    score_texts(&score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    *ret_why = "it is not an object";
    if (!langsmith_members(langsmith, object, &members))
        return false;
    bool is_whole = str_is_none(patched);
    score.name = is_whole ? langsmith_text(langsmith, &members, "key") : STR_OF("");
    *ret_why = "key is missing or too long";
    if (is_whole && (str_is_empty(score.name) || score.name.len > SCORE_NAME_BYTES_MAX))
        return false;
    *ret_why = "run_id is missing";
    if ((is_whole && !take_target(langsmith, &members, &score)) ||
        !take_value(langsmith, &members, &score, ret_why))
        return false;
    str comment = langsmith_text(langsmith, &members, "comment");
    if (!str_is_empty(comment))
        score.comment = str_sub(comment, 0, SCORE_TEXT_BYTES_MAX);
    uint64_t time = langsmith_time(langsmith, langsmith_member(&members, "modified_at"));
    if (!time)
        time = langsmith_time(langsmith, langsmith_member(&members, "created_at"));
    score.time_ns = (int64_t)time;
    take_source(langsmith, &members, &attrs, &score);
    take_rest(langsmith, &members, &attrs);
    score.attrs = attrs.items;
    score.attr_count = MIN(attrs.count, langsmith->limits->attrs_max);
    struct raw_score *to = native_score_new(langsmith->arena, &langsmith->items);
    langsmith->is_spent = langsmith->is_spent || !to;
    if (to)
        *to = (struct raw_score){ score,
                                  is_whole ? langsmith_text(langsmith, &members, "id") : patched };
    return true;
}
