/* log_span.c -- coding agents tell their calls as log events: such an event becomes a span too.
 *
 * Claude Code, Codex and Gemini CLI send one event per prompt, answer and run of a tool, with
 * model, tokens, duration and, if they may, words; by default without any span.  The span ends
 * when the event was written and began its duration before.  Its ids are made from the event, so
 * the same event sent twice is one span; steps of one prompt (or, where none is told, of one
 * session) share a trace, and the prompt is their parent.  An event with the ids of a span stands
 * beside a span that the agent sends itself and is left alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "norm/norm_int.h"

enum { KIND_OF_INTERNAL = 1, KIND_OF_CLIENT = 3, STATUS_ERROR = 2, ADDED_MAX = 2 };

struct call {
    const char *event, *operation, *provider;
    enum dialect dialect;
};

static const struct call calls[] = {
#define CALL(event, operation, provider, dialect) { event, operation, provider, DIALECT_##dialect },
#define NEEDED(event, attribute)
#define RENAME(from, to)
#include "norm/log_span.def"
#undef CALL
#undef NEEDED
#undef RENAME
};

static const char *const needed[][2] = {
#define CALL(event, operation, provider, dialect)
#define NEEDED(event, attribute) { event, attribute },
#define RENAME(from, to)
#include "norm/log_span.def"
#undef CALL
#undef NEEDED
#undef RENAME
};

static const struct {
    str from, to;
} renames[] = {
#define CALL(event, operation, provider, dialect)
#define NEEDED(event, attribute)
#define RENAME(from, to) { STR(from), STR(to) },
#include "norm/log_span.def"
#undef CALL
#undef NEEDED
#undef RENAME
};

static str attr_text(const struct raw_log *log, const char *key)
{
    const struct attr *attr = attr_find(log->attrs, log->attr_count, str_from_c(key));
    return attr && attr->value.type == VALUE_STR ? attr->value.text : STR_NONE;
}

/* Claude Code has the whole name in the body and half of it in the attribute. */
static str name_of(const struct raw_log *log)
{
    str name = attr_text(log, "event.name");
    bool is_body = log->body.type == VALUE_STR && str_ends(log->body.text, name);
    return is_body ? log->body.text : name;
}

/* What stands where the agent may not tell the words. */
static bool is_withheld(const struct value *value)
{
    return value->type == VALUE_STR &&
           (str_equal_c(value->text, "<REDACTED>") || str_equal_c(value->text, "[REDACTED]"));
}

static bool has_needed(const struct raw_log *log, const char *key)
{
    const struct attr *attr = attr_find(log->attrs, log->attr_count, str_from_c(key));
    return attr && !is_withheld(&attr->value);
}

static const struct call *call_of(const struct raw_log *log)
{
    str name = name_of(log);
    if (str_is_none(name) || !id16_is_zero(log->trace_id))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (str_equal_c(name, needed[i][0]) && !has_needed(log, needed[i][1]))
            return NULL;
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        if (str_equal_c(name, calls[i].event))
            return &calls[i];
    return NULL;
}

bool log_is_call(const struct raw_log *log)
{
    return call_of(log) != NULL;
}

static uint64_t hash_text_of(str text, uint64_t seed)
{
    return str_is_none(text) ? seed : hash_bytes_seeded(text.ptr, text.len, seed);
}

static bool is_prompt(const struct call *call)
{
    return str_ends(str_from_c(call->event), STR_OF(".user_prompt"));
}

static uint64_t hash_event(const struct raw_log *log, uint64_t seed)
{
    uint64_t own = hash_bytes_seeded(&log->time_ns, sizeof log->time_ns, seed);
    for (uint32_t i = 0; i < log->attr_count; i++)
        if (log->attrs[i].value.type == VALUE_I64) /* event.sequence, counts */
            own = hash_bytes_seeded(&log->attrs[i].value.i64, 8, own);
        else if (log->attrs[i].value.type == VALUE_STR)
            own = hash_text_of(log->attrs[i].value.text, own);
    return own;
}

static void ids_of(const struct raw_log *log, const struct call *call, struct raw_span *span)
{
    static const char *const sessions[] = { "session.id", "conversation.id" };
    static const char *const ids[] = { "prompt.id", "prompt_id" };
    uint64_t high = 1, low = 2;
    for (size_t i = 0; i < COUNT_OF(sessions); i++) {
        high = hash_text_of(attr_text(log, sessions[i]), high);
        low = hash_text_of(attr_text(log, sessions[i]), low);
    }
    uint64_t prompt = 0;
    for (size_t i = 0; i < COUNT_OF(ids) && !prompt; i++) {
        str id = attr_text(log, ids[i]);
        high = hash_text_of(id, high);
        low = hash_text_of(id, low);
        prompt = str_is_none(id) ? 0 : hash_text_of(id, high ^ low);
    }
    uint64_t own = prompt && is_prompt(call) ? prompt : hash_event(log, low);
    memcpy(&span->trace_id, &high, 8);
    memcpy((char *)&span->trace_id + 8, &low, 8);
    memcpy(&span->span_id, &own, 8);
    if (prompt && !is_prompt(call))
        memcpy(&span->parent_span_id, &prompt, 8);
}

static str renamed(str key)
{
    for (size_t i = 0; i < COUNT_OF(renames); i++)
        if (str_equal(key, renames[i].from))
            return renames[i].to;
    return key;
}

static bool has_failed(const struct raw_log *log, const struct call *call)
{
    bool success;
    const struct attr *attr = attr_find(log->attrs, log->attr_count, STR_OF("success"));
    if (str_ends(str_from_c(call->event), STR_OF("_error")))
        return true;
    return attr && value_as_bool(&attr->value, &success) && !success;
}

static bool attrs_of(struct norm *norm, const struct raw_log *log, const struct call *call,
                     struct raw_span *span)
{
    span->attrs = arena_new(norm->arena, struct attr, log->attr_count + ADDED_MAX);
    if (!span->attrs)
        return false;
    for (uint32_t i = 0; i < log->attr_count; i++) {
        str key = renamed(log->attrs[i].key);
        if (key.len && !is_withheld(&log->attrs[i].value))
            span->attrs[span->attr_count++] = (struct attr){ key, log->attrs[i].value };
    }
    span->attrs[span->attr_count++] =
        (struct attr){ STR_OF("gen_ai.operation.name"), value_str(str_from_c(call->operation)) };
    if (call->provider[0])
        span->attrs[span->attr_count++] =
            (struct attr){ STR_OF("gen_ai.provider.name"), value_str(str_from_c(call->provider)) };
    return true;
}

bool log_span(struct norm *norm, const struct raw_log *log, struct span *ret_span)
{
    const struct call *call = call_of(log);
    int64_t duration_ms = 0;
    if (!call)
        return false;
    uint64_t end = log->time_ns ? log->time_ns : log->observed_ns;
    const struct attr *duration = attr_find(log->attrs, log->attr_count, STR_OF("duration_ms"));
    if (!duration || !value_as_i64(&duration->value, &duration_ms) || duration_ms < 0 ||
        (uint64_t)duration_ms > end / (uint64_t)NS_PER_MS)
        duration_ms = 0;
    bool is_said = strcmp(call->operation, "invoke_agent") == 0;
    struct raw_span raw = { .scope = log->scope,
                            .name = str_from_c(call->event),
                            .kind = is_said ? KIND_OF_INTERNAL : KIND_OF_CLIENT,
                            .start_ns = end - (uint64_t)duration_ms * (uint64_t)NS_PER_MS,
                            .end_ns = end };
    ids_of(log, call, &raw);
    if (has_failed(log, call)) {
        str why = attr_text(log, "error");
        raw.status_code = STATUS_ERROR;
        raw.status_message = str_is_none(why) ? STR_OF("") : why;
    }
    if (!attrs_of(norm, log, call, &raw)) {
        norm->spent = true;
        return false;
    }
    uint32_t dialects = norm->place.dialects;
    norm->place.dialects |= 1u << call->dialect;
    norm_span(norm, &raw, ret_span);
    norm->place.dialects = dialects;
    return true;
}
