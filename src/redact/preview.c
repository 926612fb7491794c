/* preview.c -- the short text that lists show: what was asked, what was answered.
 *
 * Made from the redacted messages, then cut: a secret that crosses the limit
 * was replaced before (P3).  The shape of a sender's messages is not ours, so
 * anything readable is taken: a text, content, parts, a plain string.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/utf8.h"
#include "redact/redact_int.h"
#include "wire/json.h"

enum { MESSAGES_MAX = 4096, PREVIEW_BYTES_MAX = 1 << 20 };
static const char truncated[] = "...[TRUNCATED]";

/* Members of a message or part that hold its text. */
static bool is_text_member(str key)
{
    static const char *const names[] = { "content", "text", "parts", "message", "value" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_c(key, names[i]))
            return true;
    return false;
}

/* Text being collected: one character more than is shown tells that there is more. */
struct collecting {
    struct buf *out;
    uint32_t chars_max;
    bool is_full;
};

static bool text_collect(struct json *json, enum json_token token, struct collecting *to);

static void line_add(struct collecting *to, const char *before, str text, const char *after)
{
    str taken = utf8_prefix(text, (size_t)to->chars_max + 1);
    if (to->out->len > 0 && text.len > 0)
        buf_add_char(to->out, '\n');
    buf_add_c(to->out, before);
    buf_add_str(to->out, taken);
    buf_add_c(to->out, after);
    to->is_full = taken.len < text.len || to->out->len > (size_t)to->chars_max * 4 + 4;
}

/* Parts whose content is no text are shown by what they are.  norm/ writes "type" first. */
enum part_kind { PART_TEXT, PART_BINARY, PART_CALL };

static enum part_kind part_kind(str type)
{
    if (str_equal_c(type, "blob") || str_equal_c(type, "file") || str_equal_c(type, "uri"))
        return PART_BINARY;
    return str_equal_c(type, "tool_call") ? PART_CALL : PART_TEXT;
}

/* One member, whose name was read. */
static bool member_collect(struct json *json, enum part_kind *kind, struct collecting *to)
{
    str key = json->text;
    bool is_text = is_text_member(key) && *kind != PART_BINARY;
    bool is_type = str_equal_c(key, "type"), is_name = str_equal_c(key, "name");
    bool is_mime = str_equal_c(key, "mime_type");
    enum json_token token = json_next(json);
    if (is_text)
        return text_collect(json, token, to);
    if (token == JSON_STRING && is_type)
        *kind = part_kind(json->text);
    else if (token == JSON_STRING && is_name && *kind == PART_CALL)
        line_add(to, "\xe2\x86\x92 ", json->text, ""); /* an arrow */
    else if (token == JSON_STRING && is_mime && *kind == PART_BINARY)
        line_add(to, "[", json->text, "]");
    return json_skip(json, token);
}

static bool object_collect(struct json *json, struct collecting *to)
{
    enum part_kind kind = PART_TEXT;
    for (;;) {
        enum json_token token = json_next(json);
        if (token == JSON_OBJECT_END)
            return true;
        if (token != JSON_KEY || !member_collect(json, &kind, to))
            return false;
    }
}

static bool array_collect(struct json *json, struct collecting *to)
{
    for (;;) {
        enum json_token token = json_next(json);
        if (token == JSON_ARRAY_END)
            return true;
        if (!text_collect(json, token, to))
            return false;
    }
}

/* Append the texts of the value whose first token was read. */
static bool text_collect(struct json *json, enum json_token token, struct collecting *to)
{
    if (to->is_full && token != JSON_ERROR && token != JSON_END)
        return json_skip(json, token);
    if (token == JSON_OBJECT)
        return object_collect(json, to);
    if (token == JSON_ARRAY)
        return array_collect(json, to);
    if (token == JSON_STRING) {
        line_add(to, "", json->text, "");
        return true;
    }
    return token != JSON_ERROR && token != JSON_END && json_skip(json, token);
}

static bool role_is_user(struct arena *arena, str message)
{
    struct json json;
    json_init(&json, arena, message, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT)
        return false;
    for (enum json_token token = json_next(&json); token == JSON_KEY; token = json_next(&json)) {
        bool is_role = str_equal_c(json.text, "role");
        token = json_next(&json);
        if (is_role && token == JSON_STRING)
            return str_equal_nocase(json.text, STR_OF("user")) ||
                   str_equal_nocase(json.text, STR_OF("human"));
        if (!json_skip(&json, token))
            return false;
    }
    return false;
}

static void raw_collect(struct arena *arena, str raw, struct buf *out, uint32_t chars_max)
{
    struct json json;
    struct collecting to = { .out = out, .chars_max = chars_max };
    json_init(&json, arena, raw, JSON_DEPTH_MAX);
    bool is_whole = text_collect(&json, json_next(&json), &to);
    (void)is_whole; /* what could be read is shown */
}

/* The last message of a user, or all that can be read when there is none. */
static str input_select(struct arena *arena, str messages)
{
    struct json json;
    str chosen = messages;
    json_init(&json, arena, messages, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_ARRAY)
        return messages;
    for (unsigned i = 0; i < MESSAGES_MAX; i++) {
        str raw;
        enum json_token token = json_next(&json);
        if (token == JSON_ARRAY_END || token == JSON_ERROR || token == JSON_END ||
            !json_raw(&json, token, &raw))
            break;
        if (token == JSON_OBJECT && role_is_user(arena, raw))
            chosen = raw;
    }
    return chosen;
}

static void side_add(struct redact_scratch *scratch, const char *name, str text, uint32_t chars_max)
{
    struct buf *out = &scratch->out[1];
    str shown = utf8_prefix(text, chars_max);
    buf_add_char(out, out->len == 0 ? '{' : ',');
    buf_add_json_str(out, str_from_c(name));
    buf_add_char(out, ':');
    if (text.len == 0) {
        buf_add_c(out, "null");
        return;
    }
    struct buf *whole = &scratch->joined;
    buf_reset(whole);
    buf_add_str(whole, shown);
    if (shown.len < text.len)
        buf_add_c(whole, truncated);
    buf_add_json_str(out, buf_str(whole));
}

static str part_json(const struct span *span, enum content_role role, enum content_role other)
{
    const struct content_part *part = span_part(span, role);
    if (!part)
        part = span_part(span, other);
    return part ? part->json : STR_NONE;
}

enum err preview_add(struct redact_scratch *scratch, const struct redact_policy *policy,
                     struct arena *arena, struct span *span)
{
    str input = part_json(span, CONTENT_INPUT, CONTENT_QUERY);
    str output = part_json(span, CONTENT_OUTPUT, CONTENT_PARSED);
    struct buf *text = &scratch->out[0];
    if (span_part(span, CONTENT_PREVIEW) || (str_is_none(input) && str_is_none(output)))
        return ERR_OK;
    arena_reset(&scratch->temporary);
    buf_reset(&scratch->out[1]);
    buf_reset(text);
    if (!str_is_none(input))
        raw_collect(&scratch->temporary, input_select(&scratch->temporary, input), text,
                    policy->preview_chars_max);
    side_add(scratch, "input", buf_str(text), policy->preview_chars_max);
    buf_reset(text);
    if (!str_is_none(output))
        raw_collect(&scratch->temporary, output, text, policy->preview_chars_max);
    side_add(scratch, "output", buf_str(text), policy->preview_chars_max);
    buf_add_char(&scratch->out[1], '}');
    str json = arena_str(arena, buf_str(&scratch->out[1]));
    if (str_is_none(json))
        return ERR_LIMIT;
    /* A span with every place taken has no preview: its content says more. */
    bool was_added = span_add_part(span, CONTENT_PREVIEW, json);
    (void)was_added;
    return ERR_OK;
}
