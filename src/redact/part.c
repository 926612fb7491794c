/* part.c -- redact inside a JSON text, which stays valid.
 *
 * Most parts hold nothing: the text is unescaped in one go and scanned once.
 * Only when something is found are the keys and leaves read one by one and
 * those that change written anew; the bytes between them are copied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "base/utf8.h"
#include "redact/redact_int.h"
#include "wire/json.h"

static uint32_t unicode_escape(const char *at, const char *end)
{
    uint8_t bytes[2];
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u' ||
        !hex_decode(str_make(at + 2, 4), bytes, sizeof bytes))
        return UINT32_MAX;
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* The character that the escape at `at` stands for; returns the byte after it. */
static const char *escape_decode(const char *at, const char *end, struct buf *out)
{
    static const char from[] = "nrtbf\"\\/";
    static const char to[] = "\n\r\t\b\f\"\\/";
    if (end - at < 2)
        return end;
    if (at[1] != 'u') {
        const char *found = at[1] ? strchr(from, at[1]) : NULL;
        buf_add_char(out, found ? to[found - from] : at[1]);
        return at + 2;
    }
    char utf8[4];
    uint32_t code = unicode_escape(at, end);
    if (code == UINT32_MAX)
        return at + 2;
    at += 6;
    if (code >= 0xD800 && code < 0xDC00) {
        uint32_t low = unicode_escape(at, end);
        if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
    }
    buf_add(out, utf8, utf8_encode(code, utf8));
    return at;
}

/* The JSON text with the escapes of its strings decoded; itself when it has none. */
static str flatten(struct redact_scratch *scratch, str json)
{
    const char *at = json.ptr;
    const char *end = json.ptr + json.len;
    const char *slash = memchr(at, '\\', json.len);
    if (!slash)
        return json;
    buf_reset(&scratch->flat);
    for (; slash; slash = memchr(at, '\\', (size_t)(end - at))) {
        buf_add(&scratch->flat, at, (size_t)(slash - at));
        at = escape_decode(slash, end, &scratch->flat);
    }
    buf_add(&scratch->flat, at, (size_t)(end - at));
    return buf_str(&scratch->flat);
}

struct rewrite {
    struct redact_scratch *scratch;
    const struct redact_policy *policy;
    struct arena *arena;
    struct json json;
    struct buf out;
    size_t copied; /* of the input */
    str key;       /* of the object member we are in */
};

/* Where the token just read ends: after a key the reader is past the colon. */
static size_t token_end(const struct json *json, enum json_token token)
{
    const char *at = json->at;
    if (token == JSON_KEY)
        while (at[-1] != '"')
            at--;
    return (size_t)(at - json->start);
}

/* One key, string or number. */
static enum err leaf_redact(struct rewrite *rewrite, enum json_token token)
{
    struct json *json = &rewrite->json;
    str text = json->text;
    str key = token == JSON_KEY ? STR_NONE : rewrite->key;
    str safe;
    enum err code =
        scan_replace(rewrite->scratch, rewrite->policy, rewrite->arena, key, text, &safe);
    if (code != ERR_OK)
        return code;
    if (token == JSON_KEY)
        rewrite->key = safe;
    if (safe.ptr == text.ptr)
        return ERR_OK;
    buf_add(&rewrite->out, json->start + rewrite->copied, json->token_offset - rewrite->copied);
    buf_add_json_str(&rewrite->out, safe);
    rewrite->copied = token_end(json, token);
    return ERR_OK;
}

static enum err tokens_redact(struct rewrite *rewrite)
{
    for (;;) {
        enum json_token token = json_next(&rewrite->json);
        enum err code = ERR_OK;
        switch (token) {
        case JSON_END:
            return ERR_OK;
        case JSON_ERROR:
            return json_error(&rewrite->json, NULL);
        case JSON_OBJECT:
            rewrite->key = STR_NONE;
            break;
        case JSON_KEY:
        case JSON_STRING:
        case JSON_NUMBER:
            code = leaf_redact(rewrite, token);
            break;
        case JSON_OBJECT_END:
        case JSON_ARRAY:
        case JSON_ARRAY_END:
        case JSON_TRUE:
        case JSON_FALSE:
        case JSON_NULL:
        default:
            break;
        }
        if (code != ERR_OK)
            return code;
    }
}

/* Not JSON after all (norm promises it is): the text as one string, redacted. */
static enum err plain_redact(struct rewrite *rewrite, str text, str *ret_json)
{
    str safe;
    enum err code =
        scan_replace(rewrite->scratch, rewrite->policy, rewrite->arena, STR_NONE, text, &safe);
    if (code != ERR_OK)
        return code;
    buf_reset(&rewrite->out);
    buf_add_json_str(&rewrite->out, safe);
    *ret_json = arena_str(rewrite->arena, buf_str(&rewrite->out));
    return str_is_none(*ret_json) ? ERR_LIMIT : ERR_OK;
}

static enum err json_redact(struct rewrite *rewrite, str text, str *ret_json)
{
    json_init(&rewrite->json, rewrite->arena, text, JSON_DEPTH_MAX);
    enum err code = tokens_redact(rewrite);
    if (code == ERR_BAD_INPUT)
        return plain_redact(rewrite, text, ret_json);
    if (code != ERR_OK)
        return code;
    if (rewrite->copied == 0) {
        *ret_json = text;
        return ERR_OK;
    }
    buf_add(&rewrite->out, text.ptr + rewrite->copied, text.len - rewrite->copied);
    *ret_json = arena_str(rewrite->arena, buf_str(&rewrite->out));
    return buf_failed(&rewrite->out) || str_is_none(*ret_json) ? ERR_LIMIT : ERR_OK;
}

enum err part_redact(struct redact_scratch *scratch, const struct redact_policy *policy,
                     struct arena *arena, str json, str *ret_json)
{
    enum { OUT_BYTES_MAX = 1 << 30 };
    *ret_json = json;
    if (json.len == 0 || !scan_any(scratch, flatten(scratch, json)))
        return ERR_OK;
    struct rewrite rewrite = { .scratch = scratch, .policy = policy, .arena = arena };
    buf_init(&rewrite.out, OUT_BYTES_MAX);
    enum err code = json_redact(&rewrite, json, ret_json);
    buf_clear(&rewrite.out);
    return code;
}
