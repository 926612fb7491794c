/* error.c -- did it fail, and how: status, error_type, error_class (A57, A45, A40).
 *
 * The class keeps apart what is fixed by different people: HTTP errors, rate limits,
 * timeouts, content filters, parsing, tools, safety blocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

static const struct {
    const char *needle; /* anywhere in type or message, any case */
    const char *class_name;
} words[] = {
    { "ratelimit", "rate_limit" },
    { "rate_limit", "rate_limit" },
    { "rate limit", "rate_limit" },
    { "too many requests", "rate_limit" },
    { "throttl", "rate_limit" },
    { "quota", "rate_limit" },
    { "resource_exhausted", "rate_limit" },
    { "timeout", "timeout" },
    { "timed out", "timeout" },
    { "deadline", "timeout" },
    { "content_filter", "content_filter" },
    { "contentfilter", "content_filter" },
    { "content filter", "content_filter" },
    { "content_policy", "content_filter" },
    { "contentpolicy", "content_filter" },
    { "jsondecode", "parsing" },
    { "outputparser", "parsing" },
    { "parse", "parsing" },
    { "validationerror", "parsing" },
    { "guardrail", "safety" },
    { "safety", "safety" },
    { "tool_error", "tool" },
    { "toolexception", "tool" },
    { "apistatuserror", "http" },
    { "apicallerror", "http" }, /* of the AI SDK: it had an answer, or none */
    { "httperror", "http" },
    { "http_error", "http" },
    { "internalservererror", "http" },
    { "connectionerror", "http" },
    { "apiconnection", "http" },
    { "badrequest", "http" },
    { "notfounderror", "http" }, /* SDKs name their exceptions after the status */
    { "not_found_error", "http" },
    { "permissiondenied", "http" },
    { "conflicterror", "http" },
    { "unprocessableentity", "http" },
    { "authentication", "http" },
    { "serviceunavailable", "http" },
    { "overloaded", "http" },
};

static str class_of_code(int64_t code)
{
    if (code == 429)
        return STR_OF("rate_limit");
    if (code == 408 || code == 504)
        return STR_OF("timeout");
    if (code >= 400 && code <= 599)
        return STR_OF("http");
    return STR_NONE;
}

enum {
    CLASS_STATUS_MAX = 64,
    CLASS_TEXT_MAX = 256
}; /* a class shows early; an error storm must stay cheap */

static str class_of_text(str text)
{
    text = str_sub(text, 0, CLASS_TEXT_MAX);
    for (size_t i = 0; text.len && i < COUNT_OF(words); i++)
        if (text_has_nocase(text, words[i].needle))
            return str_from_c(words[i].class_name);
    return STR_NONE;
}

/* "404 The model...", "Error code: 429 - ..." : a status that stands early and alone. */
static str class_of_status(str text)
{
    text = str_sub(text, 0, CLASS_STATUS_MAX);
    str word;
    for (int64_t code; str_next(&text, ' ', &word);)
        if (word.len == 3 && str_to_i64(word, &code) && !str_is_none(class_of_code(code)))
            return class_of_code(code);
    return STR_NONE;
}

/* "Error code: 404 - ...", "status_code: 404": what SDKs put before the status. */
static str class_of_message(str text)
{
    static const char *const marks[] = { "code: ", "code=", "status " };
    text = str_sub(text, 0, CLASS_TEXT_MAX);
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        size_t at = str_find(text, str_from_c(marks[i]));
        int64_t code;
        if (at == text.len || !str_to_i64(str_sub(text, at + strlen(marks[i]), 3), &code))
            continue;
        str found = class_of_code(code);
        if (!str_is_none(found))
            return found;
    }
    str found = class_of_text(text);
    return str_is_none(found) ? class_of_status(text) : found;
}

static bool is_blocked(const struct norm *norm)
{
    const struct span *span = norm->span;
    return norm->step == STEP_GUARD && SPAN_KNOWS(span, safety_blocked) && span->safety_blocked;
}

static str class_of_error(const struct norm *norm)
{
    const struct span *span = norm->span;
    int64_t code;
    str found = STR_NONE;
    if (SPAN_KNOWS(span, error_type)) {
        if (str_to_i64(span->error_type, &code))
            found = class_of_code(code);
        if (str_is_none(found))
            found = class_of_text(span->error_type);
    }
    const struct value *status = held(norm, TARGET_is_http_status);
    if (str_is_none(found) && status && value_as_i64(status, &code))
        found = class_of_code(code);
    if (str_is_none(found) && norm->step == STEP_TOOL)
        return STR_OF("tool");
    if (str_is_none(found) && norm->step == STEP_GUARD)
        return STR_OF("safety");
    if (str_is_none(found) && SPAN_KNOWS(span, status_message))
        found = class_of_message(span->status_message);
    return str_is_none(found) ? STR_OF("other") : found;
}

static bool filtered(const struct span *span)
{
    for (uint32_t i = 0; SPAN_KNOWS(span, finish_reason) && i < span->finish_reason.count; i++) {
        str reason = span->finish_reason.items[i];
        if (str_equal_nocase(reason, STR_OF("content_filter")) ||
            str_equal_nocase(reason, STR_OF("SAFETY")) ||
            str_equal_nocase(reason, STR_OF("content-filter")))
            return true;
    }
    return false;
}

static bool level_is_error(const struct norm *norm)
{
    const struct value *level = held(norm, TARGET_is_level);
    return level && level->type == VALUE_STR && str_equal_nocase(level->text, STR_OF("error"));
}

void norm_error(struct norm *norm, const struct raw_span *raw)
{
    struct span *span = norm->span;
    bool failed = raw->status_code == 2 || level_is_error(norm) ||
                  (raw->status_code == 0 && SPAN_KNOWS(span, error_type)) ||
                  (norm->dialects >> DIALECT_LANGSMITH & 1 && SPAN_KNOWS(span, error_type));
    if (failed)
        SPAN_SET(span, status, STR_OF("error"));
    if (filtered(span))
        SPAN_SET(span, error_class, STR_OF("content_filter"));
    else if (failed)
        SPAN_SET(span, error_class, is_blocked(norm) ? STR_OF("safety") : class_of_error(norm));
    else if (SPAN_KNOWS(span, parse_ok) ? !span->parse_ok : SPAN_KNOWS(span, parse_error))
        SPAN_SET(span, error_class, STR_OF("parsing"));
    else if (SPAN_KNOWS(span, safety_blocked) && span->safety_blocked)
        SPAN_SET(span, error_class, STR_OF("safety"));
}
