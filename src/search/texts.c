/* texts.c -- the texts in the JSON of a content item, without taking it apart into a tree.
 *
 * The items are JSON that we wrote, or that a sender did and we kept; what is not JSON gives
 * some texts or none, the same ones to the index and to the search.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "base/utf8.h"
#include "search/search_int.h"

enum { MESSAGE_DEPTH = 4 }; /* [ { parts: [ { */

void texts_init(struct texts *texts, str json, struct buf *scratch)
{
    *texts = (struct texts){ .json = json, .scratch = scratch };
}

static bool hex4(str text, size_t at, uint32_t *ret_code)
{
    uint8_t bytes[2];
    if (!hex_decode(str_sub(text, at, 4), bytes, sizeof bytes))
        return false;
    *ret_code = (uint32_t)bytes[0] << 8 | bytes[1];
    return true;
}

/* After a backslash at `at`; the place after the escape. */
static size_t unescape(str json, size_t at, struct buf *out)
{
    static const char names[] = "bfnrt", means[] = "\b\f\n\r\t";
    char c = at < json.len ? json.ptr[at] : '\0';
    const char *name = c ? strchr(names, c) : NULL;
    uint32_t code = 0, low = 0;
    if (c != 'u' || !hex4(json, at + 1, &code)) {
        if (at < json.len)
            buf_add_char(out, name ? means[name - names] : c);
        return at + 1;
    }
    at += 5;
    bool is_pair = code >= 0xd800 && code < 0xdc00 &&
                   str_starts(str_from(json, at), STR_OF("\\u")) && hex4(json, at + 2, &low) &&
                   low >= 0xdc00 && low < 0xe000;
    if (is_pair) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
    }
    char bytes[4];
    size_t len = utf8_encode(code, bytes);
    buf_add(out, len ? bytes : "\xEF\xBF\xBD", len ? len : 3);
    return at;
}

/* A string whose quote is at texts->at; the place becomes what follows it. */
static str string_take(struct texts *texts)
{
    str json = texts->json;
    size_t from = texts->at + 1;
    size_t quote = from + str_find_char(str_from(json, from), '"');
    size_t slash = from + str_find_char(str_make(json.ptr + from, quote - from), '\\');
    if (slash >= quote) {
        texts->at = quote + 1;
        return str_make(json.ptr + from, quote - from);
    }
    buf_reset(texts->scratch);
    while (from < json.len) {
        buf_add(texts->scratch, json.ptr + from, MIN(slash, quote) - from);
        from = MIN(slash, quote);
        if (quote <= slash)
            break;
        from = unescape(json, slash + 1, texts->scratch);
        from = MIN(from, json.len);
        if (from > quote)
            quote = from + str_find_char(str_from(json, from), '"');
        slash = from + str_find_char(str_make(json.ptr + from, quote - from), '\\');
    }
    texts->at = from + 1;
    return buf_str(texts->scratch);
}

static bool in_object(const struct texts *texts)
{
    return texts->depth > 0 && texts->depth <= 64 && (texts->objects >> (texts->depth - 1) & 1);
}

static void enter(struct texts *texts, bool is_object)
{
    if (texts->depth < 64) {
        uint64_t bit = UINT64_C(1) << texts->depth;
        texts->objects = is_object ? texts->objects | bit : texts->objects & ~bit;
    }
    texts->depth++;
    texts->expects_key = is_object;
    texts->skips_value = false;
}

static bool is_structure(str name)
{
    return str_equal_c(name, "role") || str_equal_c(name, "type") ||
           str_equal_c(name, "finish_reason");
}

static str number_take(struct texts *texts)
{
    size_t from = texts->at;
    while (texts->at < texts->json.len && texts->json.ptr[texts->at] &&
           strchr("+-.eE0123456789", texts->json.ptr[texts->at]))
        texts->at++;
    return str_sub(texts->json, from, texts->at - from);
}

static void mark_take(struct texts *texts, char c)
{
    texts->at++;
    if (c == '{' || c == '[') {
        enter(texts, c == '{');
    } else if (c == '}' || c == ']') {
        texts->depth -= texts->depth > 0;
        texts->expects_key = false;
    } else if (c == ',') {
        texts->expects_key = in_object(texts);
        texts->skips_value = false;
    } else if (c == ':') {
        texts->expects_key = false;
    }
}

bool texts_next(struct texts *texts, str *ret_text)
{
    while (texts->at < texts->json.len) {
        char c = texts->json.ptr[texts->at];
        bool is_number = c == '-' || (c >= '0' && c <= '9');
        if (c != '"' && !is_number) {
            mark_take(texts, c);
            continue;
        }
        bool is_key = texts->expects_key;
        str text = is_number ? number_take(texts) : string_take(texts);
        if (is_key)
            texts->skips_value = texts->depth <= MESSAGE_DEPTH && is_structure(text);
        if (is_key || texts->skips_value || text.len == 0)
            continue;
        *ret_text = text;
        return true;
    }
    return false;
}
