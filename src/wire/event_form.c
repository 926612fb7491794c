/* event_form.c -- which form an object has, and what all forms share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "wire/event_form_int.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type {
    IS_TEXT,   /* or a number */
    IS_COUNT,  /* a whole number from 0 */
    IS_NUMBER, /* from 0 */
    IS_SHARE,  /* from 0 to 1, unless the object tells its scale */
    IS_BOOL,
    IS_LIST, /* of texts, or one text */
};

/* The members of A.9 (and of A89), each with its type. */
static const struct {
    str name;
    enum type type;
} members[] = {
    { STR("event"), IS_TEXT },
    { STR("id"), IS_TEXT },
    { STR("trace_id"), IS_TEXT },
    { STR("span_id"), IS_TEXT },
    { STR("parent_span_id"), IS_TEXT },
    { STR("request_id"), IS_TEXT },
    { STR("session_id"), IS_TEXT },
    { STR("conversation_id"), IS_TEXT },
    { STR("tenant_id"), IS_TEXT },
    { STR("user_id"), IS_TEXT },
    { STR("feature"), IS_TEXT },
    { STR("model"), IS_TEXT },
    { STR("generator_model"), IS_TEXT },
    { STR("retriever"), IS_TEXT },
    { STR("index_version"), IS_TEXT },
    { STR("prompt_template_id"), IS_TEXT },
    { STR("prompt_version"), IS_TEXT },
    { STR("prompt_hash"), IS_TEXT },
    { STR("system_prompt_hash"), IS_TEXT },
    { STR("tool_manifest_version"), IS_TEXT },
    { STR("retrieval_pipeline_version"), IS_TEXT },
    { STR("embedding_model_version"), IS_TEXT },
    { STR("reranker_model_version"), IS_TEXT },
    { STR("judge_model"), IS_TEXT },
    { STR("sample_type"), IS_TEXT },
    { STR("service"), IS_TEXT },
    { STR("environment"), IS_TEXT },
    { STR("version"), IS_TEXT },
    { STR("outcome"), IS_TEXT },
    { STR("prompt_length"), IS_COUNT },
    { STR("input_tokens"), IS_COUNT },
    { STR("output_tokens"), IS_COUNT },
    { STR("tokens_in"), IS_COUNT },
    { STR("tokens_out"), IS_COUNT },
    { STR("top_k_returned"), IS_COUNT },
    { STR("latency_ms"), IS_NUMBER },
    { STR("response_time_ms"), IS_NUMBER },
    { STR("cost_estimate"), IS_NUMBER },
    { STR("estimated_cost_usd"), IS_NUMBER },
    { STR("faithfulness"), IS_SHARE },
    { STR("groundedness"), IS_SHARE },
    { STR("answer_relevance"), IS_SHARE },
    { STR("relevance"), IS_SHARE },
    { STR("context_recall"), IS_SHARE },
    { STR("context_precision"), IS_SHARE },
    { STR("toxicity"), IS_SHARE },
    { STR("accuracy"), IS_SHARE },
    { STR("toxicity_flag"), IS_BOOL },
    { STR("hallucination_flag"), IS_BOOL },
    { STR("policy_violation_flag"), IS_BOOL },
    { STR("eval_sampled"), IS_BOOL },
    { STR("safety_blocked"), IS_BOOL },
    { STR("source_ids"), IS_LIST },
};

bool event_refuse(struct event_reader *reader, const char *field, const char *what)
{
    struct event_fault *fault = &reader->fault;
    if (fault->what[0])
        return false;
    snprintf(fault->field, sizeof fault->field, "%s", field);
    snprintf(fault->what, sizeof fault->what, "%s", what);
    return false;
}

bool event_spent(struct event_reader *reader)
{
    reader->fault.is_spent = true;
    return event_refuse(reader, "the request", "needs too much memory");
}

/* ---- which form ---- */

enum event_kind event_kind_named(str name)
{
    static const struct {
        str name;
        enum event_kind kind;
    } kinds[] = {
        { STR("llm.user_feedback"), EVENT_FEEDBACK },
        { STR("user_feedback"), EVENT_FEEDBACK },
        { STR("feedback"), EVENT_FEEDBACK },
        { STR("llm.score"), EVENT_SCORE },
        { STR("score"), EVENT_SCORE },
        { STR("llm.evaluation"), EVENT_EVALUATION },
        { STR("llm.eval"), EVENT_EVALUATION },
        { STR("evaluation"), EVENT_EVALUATION },
        { STR("eval"), EVENT_EVALUATION },
        { STR(EVENT_VERSIONS_NAME), EVENT_VERSIONS },
        { STR("versions"), EVENT_VERSIONS },
        { STR(EVENT_TRACE_NAME), EVENT_TRACE },
        { STR("trace"), EVENT_TRACE },
        { STR("llm.call"), EVENT_CALL },
        { STR("call"), EVENT_CALL },
        { STR("llm.deploy"), EVENT_DEPLOY },
        { STR("deploy"), EVENT_DEPLOY },
        { STR("llm.outcome"), EVENT_OUTCOME },
        { STR("outcome"), EVENT_OUTCOME },
    };
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (str_equal(name, kinds[i].name))
            return kinds[i].kind;
    return EVENT_NONE;
}

const char *const event_scores[EVENT_SCORES] = {
    "faithfulness",
    "groundedness",
    "answer_relevance",
    "relevance",
    "context_recall",
    "context_precision",
    "toxicity",
    "accuracy",
    "toxicity_flag",
    "hallucination_flag",
    "policy_violation_flag",
};

enum tells {
    TELLS_EVENT = 1 << 0,
    TELLS_RATING = 1 << 1,
    TELLS_NAME = 1 << 2,
    TELLS_VALUE = 1 << 3,
    TELLS_USAGE = 1 << 4, /* or how long it took */
    TELLS_TRACE = 1 << 5,
    TELLS_MODEL = 1 << 6,
    TELLS_FIGURE = 1 << 7,
    TELLS_VERSION = 1 << 8,
};

/* Which members tell the form; sorted, since every log record is asked. */
static const struct teller {
    str name;
    unsigned tells;
} tellers[] = {
    { STR("accuracy"), TELLS_FIGURE },
    { STR("answer_relevance"), TELLS_FIGURE },
    { STR("completion_tokens"), TELLS_USAGE },
    { STR("context_precision"), TELLS_FIGURE },
    { STR("context_recall"), TELLS_FIGURE },
    { STR("cost_estimate"), TELLS_USAGE },
    { STR("embedding_model_version"), TELLS_VERSION },
    { STR("estimated_cost_usd"), TELLS_USAGE },
    { STR("eval_sampled"), TELLS_TRACE },
    { STR("event"), TELLS_EVENT },
    { STR("faithfulness"), TELLS_FIGURE },
    { STR("generator_model"), TELLS_TRACE | TELLS_VERSION },
    { STR("groundedness"), TELLS_FIGURE },
    { STR("hallucination_flag"), TELLS_FIGURE },
    { STR("index_version"), TELLS_TRACE },
    { STR("input_tokens"), TELLS_USAGE },
    { STR("judge_model"), TELLS_VERSION },
    { STR("label"), TELLS_VALUE },
    { STR("latency_ms"), TELLS_USAGE },
    { STR("model"), TELLS_MODEL },
    { STR("name"), TELLS_NAME },
    { STR("output_tokens"), TELLS_USAGE },
    { STR("policy_violation_flag"), TELLS_FIGURE },
    { STR("prompt_tokens"), TELLS_USAGE },
    { STR("prompt_version"), TELLS_VERSION },
    { STR("rating"), TELLS_RATING },
    { STR("relevance"), TELLS_FIGURE },
    { STR("reranker_model_version"), TELLS_VERSION },
    { STR("response_time_ms"), TELLS_USAGE },
    { STR("retrieval_pipeline_version"), TELLS_VERSION },
    { STR("safety_blocked"), TELLS_TRACE },
    { STR("score"), TELLS_VALUE },
    { STR("system_prompt_hash"), TELLS_VERSION },
    { STR("tokens_in"), TELLS_USAGE },
    { STR("tokens_out"), TELLS_USAGE },
    { STR("tool_manifest_version"), TELLS_VERSION },
    { STR("top_k_returned"), TELLS_TRACE },
    { STR("toxicity"), TELLS_FIGURE },
    { STR("toxicity_flag"), TELLS_FIGURE },
    { STR("value"), TELLS_VALUE },
};

static int teller_cmp(const void *key, const void *teller)
{
    return str_cmp(*(const str *)key, ((const struct teller *)teller)->name);
}

/* What the members tell, and how many versions there are. */
static unsigned told_by(const struct value *object, unsigned *ret_versions)
{
    unsigned told = 0;
    *ret_versions = 0;
    for (uint32_t i = 0; i < object->count; i++) {
        const struct attr *attr = &object->attrs[i];
        bool has_dot = attr->key.len && memchr(attr->key.ptr, '.', attr->key.len);
        const struct teller *teller =
            has_dot
                ? NULL /* as OpenTelemetry's names have, and none of these */
                : bsearch(&attr->key, tellers, COUNT_OF(tellers), sizeof tellers[0], teller_cmp);
        if (!teller || attr->value.type == VALUE_NULL)
            continue;
        told |= teller->tells;
        *ret_versions += (teller->tells & TELLS_VERSION) != 0;
    }
    return told;
}

enum event_kind event_kind_of(const struct value *object)
{
    unsigned versions;
    if (!object || object->type != VALUE_MAP)
        return EVENT_NONE;
    unsigned told = told_by(object, &versions);
    if (told & TELLS_EVENT)
        return event_kind_named(tree_text(object, "event"));
    if (told & TELLS_RATING)
        return EVENT_FEEDBACK;
    if (told & TELLS_NAME && told & TELLS_VALUE)
        return EVENT_SCORE;
    if (told & TELLS_USAGE && told & (TELLS_TRACE | TELLS_MODEL))
        return told & TELLS_TRACE ? EVENT_TRACE : EVENT_CALL;
    if (told & TELLS_FIGURE)
        return EVENT_EVALUATION;
    return versions > 1 ? EVENT_VERSIONS : EVENT_NONE;
}

/* ---- members ---- */

static bool is_texts(const struct value *value)
{
    for (uint32_t i = 0; value->type == VALUE_ARRAY && i < value->count; i++)
        if (value->items[i].type != VALUE_STR)
            return false;
    return value->type == VALUE_ARRAY || value->type == VALUE_STR;
}

static const char *number_fault(const struct value *value, enum type type, bool has_scale)
{
    double number = -1;
    int64_t whole = -1;
    bool is_number = value->type != VALUE_BOOL && value_as_f64(value, &number) && isfinite(number);
    if (type == IS_COUNT)
        return is_number && value_as_i64(value, &whole) && whole >= 0
                   ? NULL
                   : "must be a whole number from 0";
    if (type == IS_NUMBER)
        return is_number && number >= 0 ? NULL : "must be a number from 0";
    if (has_scale)
        return is_number ? NULL : "must be a number";
    return is_number && number >= 0 && number <= 1 ? NULL : "must be a number from 0 to 1";
}

static const char *fault_of(const struct value *value, enum type type, bool has_scale)
{
    bool truth;
    switch (type) {
    case IS_TEXT:
        return value->type == VALUE_STR || value->type == VALUE_I64 || value->type == VALUE_F64
                   ? NULL
                   : "must be a text";
    case IS_BOOL:
        return value_as_bool(value, &truth) ? NULL : "must be true or false";
    case IS_LIST:
        return is_texts(value) ? NULL : "must be a list of texts";
    case IS_COUNT:
    case IS_NUMBER:
    case IS_SHARE:
        break;
    }
    return number_fault(value, type, has_scale);
}

static bool types_hold(struct event_reader *reader, const struct value *object)
{
    bool has_scale = tree_get(object, "scale") != NULL;
    for (uint32_t i = 0; i < object->count; i++) {
        const struct attr *attr = &object->attrs[i];
        for (size_t k = 0; k < COUNT_OF(members) && attr->value.type != VALUE_NULL; k++) {
            if (!str_equal(attr->key, members[k].name))
                continue;
            const char *fault = fault_of(&attr->value, members[k].type, has_scale);
            if (fault)
                return event_refuse(reader, members[k].name.ptr, fault);
        }
    }
    return true;
}

bool event_text(struct event_reader *reader, const struct value *object, const char *name,
                str *ret_text)
{
    const struct value *value = tree_get(object, name);
    *ret_text = STR_NONE;
    if (!value)
        return true;
    if (value->type == VALUE_I64)
        *ret_text = arena_printf(reader->arena, "%lld", (long long)value->i64);
    else if (value->type == VALUE_F64)
        *ret_text = arena_printf(reader->arena, "%.17g", value->f64);
    else if (value->type != VALUE_STR)
        return event_refuse(reader, name, "must be a text");
    else if (value->text.len == 0)
        return true;
    else
        *ret_text = value->text;
    if (str_is_none(*ret_text))
        return event_spent(reader);
    size_t max = str_equal_c(str_from_c(name), "comment") || str_equal_c(str_from_c(name), "text")
                     ? SCORE_TEXT_BYTES_MAX
                     : SCORE_NAME_BYTES_MAX;
    return ret_text->len <= max || event_refuse(reader, name, "is too long");
}

bool event_time(struct event_reader *reader, const struct value *object, int64_t *ret_ns,
                bool *ret_is_told)
{
    static const char *const names[] = { "ts", "time", "timestamp" };
    *ret_ns = reader->now_ns;
    *ret_is_told = false;
    for (size_t i = 0; i < COUNT_OF(names) && !*ret_is_told; i++) {
        if (!tree_get(object, names[i]))
            continue;
        *ret_is_told = tree_time(object, names[i], ret_ns);
        if (!*ret_is_told)
            return event_refuse(reader, names[i],
                                "must be seconds since 1970 (or ms, us, ns) or RFC 3339");
    }
    return true;
}

bool event_trace(struct event_reader *reader, const struct value *object, struct id16 *ret_id,
                 str *ret_text)
{
    *ret_id = reader->trace_id;
    if (!event_text(reader, object, "trace_id", ret_text))
        return false;
    if (str_is_none(*ret_text))
        return true;
    *ret_id = native_trace_id(*ret_text);
    char digits[2 * sizeof *ret_id + 1];
    hex_encode(ret_id, sizeof *ret_id, digits);
    if (str_equal_nocase(*ret_text, str_from_c(digits)))
        *ret_text = STR_NONE; /* it is its id */
    return true;
}

static bool take(struct event_reader *reader, const struct value *object)
{
    if (object->type != VALUE_MAP)
        return event_refuse(reader, "it", "must be an object");
    enum event_kind kind = event_kind_of(object);
    if (kind == EVENT_NONE && tree_get(object, "event"))
        return event_refuse(reader, "event",
                            "must be llm.user_feedback, llm.score, llm.evaluation, llm.versions, "
                            "llm.trace, llm.call, llm.outcome or deploy");
    if (kind == EVENT_NONE)
        return event_refuse(reader, "event", "is missing, and the members are those of no form");
    if (!types_hold(reader, object))
        return false;
    switch (kind) {
    case EVENT_TRACE:
    case EVENT_CALL:
    case EVENT_VERSIONS:
        return event_take_span(reader, object, kind);
    case EVENT_FEEDBACK:
    case EVENT_SCORE:
    case EVENT_EVALUATION:
    case EVENT_DEPLOY:
    case EVENT_OUTCOME:
    case EVENT_NONE:
        break;
    }
    return event_take_score(reader, object, kind);
}

bool event_take(struct event_reader *reader, const struct value *object)
{
    uint32_t spans = reader->items.span_count, scores = reader->items.score_count;
    reader->fault = (struct event_fault){ 0 };
    if (take(reader, object))
        return true;
    reader->items.span_count = spans; /* all of it or nothing */
    reader->items.score_count = scores;
    return false;
}
