/* collect.c -- one walk over canonical messages: are they, how long, how do they end.
 *
 * The walk also writes the canonical text that hashes are made from: role, part type,
 * text, and other members token by token, so that white space and the order of
 * `role` and `parts` do not matter and the same prompt hashes alike in every dialect.
 * Text in canonical form passes through norm unchanged, without being rebuilt.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "norm/norm_int.h"
#include "wire/json.h"

enum { COLLECT_DEPTH_MAX = 64 };

struct walk {
    struct norm *norm;
    struct json json;
    struct collected *ret;
};

static void canon_add(struct norm *norm, const char *tag, str text)
{
    buf_add_c(&norm->canon, tag);
    buf_add_str(&norm->canon, text);
    buf_add_char(&norm->canon, '\0');
}

/* Any value, token by token. */
static bool canon_value(struct walk *walk, enum json_token token)
{
    uint32_t depth = walk->json.depth;
    bool opened = token == JSON_OBJECT || token == JSON_ARRAY;
    for (;;) {
        if (token == JSON_ERROR || token == JSON_END)
            return false;
        bool has_text = token == JSON_KEY || token == JSON_STRING || token == JSON_NUMBER;
        char tag[2] = { (char)('A' + (int)token), '\0' };
        canon_add(walk->norm, tag, has_text ? walk->json.text : STR_OF(""));
        if (!opened || walk->json.depth < depth)
            return true;
        token = json_next(&walk->json);
    }
}

/* The value of "type" or another text the walk must know. */
static bool text_value(struct walk *walk, str *ret)
{
    if (json_next(&walk->json) != JSON_STRING)
        return false;
    *ret = walk->json.text;
    return true;
}

/* An old emitter's "result" is "response" in canonical form. */
static bool part_is_canonical(str type, bool has_content, bool has_result, bool has_response)
{
    if (str_is_none(type))
        return false;
    if (str_equal_c(type, "text") || str_equal_c(type, "reasoning"))
        return has_content;
    if (str_equal_c(type, "tool_call_response"))
        return has_response && !has_result;
    static const char *const foreign[] = { "tool_use",    "tool_result", "image_url",
                                           "input_text",  "output_text", "thinking",
                                           "input_audio", "input_image", "image" };
    for (size_t i = 0; i < COUNT_OF(foreign); i++)
        if (str_equal_c(type, foreign[i]))
            return false;
    return true;
}

/* Arguments as JSON in a text, where an object belongs. */
static bool is_packed(const struct walk *walk, str key, enum json_token token)
{
    return token == JSON_STRING && str_equal_c(key, "arguments") &&
           str_starts(walk->json.text, STR_OF("{")) && json_check(walk->json.text);
}

static bool walk_part(struct walk *walk)
{
    str type = STR_NONE, content = STR_NONE;
    bool has_result = false, has_response = false;
    enum json_token token;
    while ((token = json_next(&walk->json)) == JSON_KEY) {
        str key = walk->json.text;
        has_result = has_result || str_equal_c(key, "result");
        has_response = has_response || str_equal_c(key, "response");
        if (str_equal_c(key, "type")) {
            if (!text_value(walk, &type))
                return false;
            continue;
        }
        token = json_next(&walk->json);
        if (str_equal_c(key, "content") && token == JSON_STRING) {
            content = walk->json.text;
            continue;
        }
        if (is_packed(walk, key, token))
            return false;
        canon_add(walk->norm, "k", key);
        if (!canon_value(walk, token))
            return false;
    }
    if (token != JSON_OBJECT_END ||
        !part_is_canonical(type, !str_is_none(content), has_result, has_response))
        return false;
    canon_add(walk->norm, "t", type);
    if (!str_is_none(content))
        canon_add(walk->norm, "c", content);
    if (str_equal_c(type, "text"))
        walk->ret->chars += utf8_count(content);
    if (str_equal_c(type, "refusal"))
        walk->ret->refused = true;
    return true;
}

static bool walk_parts(struct walk *walk)
{
    enum json_token token;
    while ((token = json_next(&walk->json)) == JSON_OBJECT)
        if (!walk_part(walk))
            return false;
    return token == JSON_ARRAY_END;
}

static void message_end(struct walk *walk, str role, size_t canon_start, size_t chars_before)
{
    struct norm *norm = walk->norm;
    canon_add(norm, "r", role);
    walk->ret->messages++;
    if (!str_equal_c(role, "system") && !str_equal_c(role, "developer"))
        return;
    walk->ret->system_chars += walk->ret->chars - chars_before;
    if (!buf_failed(&norm->canon))
        buf_add(&norm->canon_system, norm->canon.ptr + canon_start, norm->canon.len - canon_start);
}

static bool walk_message(struct walk *walk)
{
    struct norm *norm = walk->norm;
    size_t canon_start = norm->canon.len, chars_before = walk->ret->chars;
    str role = STR_NONE;
    bool has_parts = false;
    enum json_token token;
    while ((token = json_next(&walk->json)) == JSON_KEY) {
        str key = walk->json.text;
        if (str_equal_c(key, "role")) {
            if (!text_value(walk, &role))
                return false;
        } else if (str_equal_c(key, "parts")) {
            if (has_parts || json_next(&walk->json) != JSON_ARRAY || !walk_parts(walk))
                return false;
            has_parts = true;
        } else if (str_equal_c(key, "content") || str_equal_c(key, "tool_calls") ||
                   str_equal_c(key, "tool_call_id")) {
            return false; /* another shape */
        } else {
            token = json_next(&walk->json);
            bool is_finish = str_equal_c(key, "finish_reason") && token == JSON_STRING;
            if (is_finish && walk->ret->finish_count < COUNT_OF(walk->ret->finish))
                walk->ret->finish[walk->ret->finish_count++] = walk->json.text;
            if (!json_skip(&walk->json, token))
                return false;
        }
    }
    if (token != JSON_OBJECT_END || str_is_none(role) || !has_parts)
        return false;
    message_end(walk, role, canon_start, chars_before);
    return true;
}

static bool walk_list(struct norm *norm, str json, struct collected *ret, bool messages)
{
    *ret = (struct collected){ 0 };
    if (!utf8_is_valid(json))
        return false;
    struct walk walk = { .norm = norm, .ret = ret };
    size_t canon_len = norm->canon.len, system_len = norm->canon_system.len;
    json_init(&walk.json, norm->arena, json, COLLECT_DEPTH_MAX);
    bool good = json_next(&walk.json) == JSON_ARRAY;
    enum json_token token = JSON_ARRAY_END;
    if (good && messages) {
        while ((token = json_next(&walk.json)) == JSON_OBJECT && good)
            good = walk_message(&walk);
    } else if (good) {
        good = walk_parts(&walk);
        canon_add(norm, "r", STR_OF("system")); /* as the same text in a message */
    }
    good = good && token == JSON_ARRAY_END && json_next(&walk.json) == JSON_END;
    if (!good) {
        norm->canon.len = canon_len;
        norm->canon_system.len = system_len;
    }
    return good;
}

bool collect_messages(struct norm *norm, str json, struct collected *ret)
{
    return walk_list(norm, json, ret, true);
}

bool collect_parts(struct norm *norm, str json, struct collected *ret)
{
    return walk_list(norm, json, ret, false);
}
