/* json.c -- the pull reader: a state, a bit stack, and a fast scan for string ends.
 *
 * Grammar is RFC 8259, nothing more (JSONTestSuite is its test).  Sixteen bytes
 * at a time are searched for the three things that end a run of plain text: the
 * quote, the backslash, a control character.  Skipping checks all of the
 * grammar but decodes nothing; only json_next decodes escapes.  Depth lives in a bit
 * stack of fixed size, so input cannot make the reader recurse.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/json.h"
#include "base/check.h"
#include "base/utf8.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum state {
    STATE_VALUE,        /* a value must follow */
    STATE_FIRST_ITEM,   /* after [: a value or ] */
    STATE_FIRST_MEMBER, /* after {: a key or } */
    STATE_AFTER,        /* after a value: a comma, an end, or the end of the text */
    STATE_DONE,
    STATE_FAILED,
};

static const char no_room[] = "no room for the decoded text";

void json_init(struct json *json, struct arena *arena, str input, uint32_t depth_max)
{
    assert(depth_max <= JSON_DEPTH_MAX);
    const char *start = input.ptr ? input.ptr : "";
    *json = (struct json){
        .start = start,
        .at = start,
        .end = start + input.len,
        .arena = arena,
        .depth_max = depth_max,
        .state = STATE_VALUE,
    };
}

static enum json_token fail(struct json *json, const char *what)
{
    if (json->state != STATE_FAILED)
        json->error = what;
    json->state = STATE_FAILED;
    return JSON_ERROR;
}

enum err json_error(const struct json *json, struct diag *reterr_why)
{
    const char *what = json->error ? json->error : "not the expected value";
    size_t offset = (size_t)(json->at - json->start);
    if (what == no_room)
        return diag_set_at(reterr_why, ERR_LIMIT, offset, "JSON: %s", what);
    return diag_set_at(reterr_why, ERR_BAD_INPUT, offset, "JSON: %s", what);
}

static inline const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

static bool in_object(const struct json *json)
{
    return json->stack[json->depth / 8] >> (json->depth % 8) & 1;
}

/* First byte of [at, end) that is a quote, a backslash or a control character. */
static const char *plain_end(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
        ends = _mm_or_si128(ends, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        int mask = _mm_movemask_epi8(ends);
        if (mask)
            return at + __builtin_ctz((unsigned)mask);
        at += 16;
    }
#else
    /* Eight bytes a step; a hit only says "look closer": the byte loop decides. */
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        uint64_t hits =
            ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - ones * 0x20) & ~word);
        if (hits & highs)
            break;
        at += 8;
    }
#endif
    while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
        at++;
    return at;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits after \u; -1 when they are not there. */
static int32_t hex4(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Past the escape whose backslash is at `at`; NULL when it is none. */
static const char *escape_end(const char *at, const char *end)
{
    if (end - at < 2)
        return NULL;
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        return hex4(at + 2, end) < 0 ? NULL : at + 6;
    default:
        return NULL;
    }
}

/* A checked \u escape, perhaps both halves of a surrogate pair; a lone half is U+FFFD. */
static const char *unicode_decode(const char *at, const char *end, char **out)
{
    uint32_t code = (uint32_t)hex4(at + 2, end);
    at += 6;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        int32_t low = hex4(at + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
            at += 6;
        }
    }
    char bytes[4];
    size_t len = utf8_encode(code, bytes);
    if (len == 0)
        len = utf8_encode(0xfffd, bytes);
    memcpy(*out, bytes, len);
    *out += len;
    return at;
}

static char escape_char(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

/* `raw` was scanned, so its escapes are sound.  Never longer than it was. */
static bool text_decode(struct json *json, str raw)
{
    char *start = arena_alloc(json->arena, raw.len);
    if (!start)
        return false;
    char *out = start;
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((slash ? slash : end) - at);
        memcpy(out, at, plain);
        out += plain;
        at += plain;
        if (!slash)
            break;
        if (at[1] == 'u') {
            at = unicode_decode(at, end, &out);
        } else {
            *out++ = escape_char(at[1]);
            at += 2;
        }
    }
    json->text = str_make(start, (size_t)(out - start));
    return true;
}

/* json->at is on the quote.  Sets text; decodes it only when asked. */
static bool string_scan(struct json *json, bool decode)
{
    const char *at = json->at + 1, *start = at;
    bool has_escape = false;
    for (;;) {
        at = plain_end(at, json->end);
        json->at = at;
        if (at == json->end)
            return fail(json, "a string does not end"), false;
        if (*at == '"')
            break;
        if (*at != '\\')
            return fail(json, "a control character inside a string"), false;
        at = escape_end(at, json->end);
        if (!at)
            return fail(json, "an escape that does not exist"), false;
        has_escape = true;
    }
    json->at = at + 1;
    json->text = str_make(start, (size_t)(at - start));
    if (has_escape && decode && json->arena && !text_decode(json, json->text))
        return fail(json, no_room), false;
    return true;
}

static const char *digits_end(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Past the number at `at`; NULL when the grammar has no such number. */
static const char *number_end(const char *at, const char *end)
{
    at += *at == '-';
    const char *whole = at;
    at = digits_end(at, end);
    if (at == whole || (*whole == '0' && at - whole > 1))
        return NULL;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = digits_end(at, end);
        if (at == fraction)
            return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        const char *exponent = at;
        at = digits_end(at, end);
        if (at == exponent)
            return NULL;
    }
    return at;
}

static enum json_token number_scan(struct json *json)
{
    const char *end = number_end(json->at, json->end);
    if (!end)
        return fail(json, "not a number");
    json->text = str_make(json->at, (size_t)(end - json->at));
    json->at = end;
    json->state = STATE_AFTER;
    return JSON_NUMBER;
}

static enum json_token word_scan(struct json *json, const char *word, enum json_token token)
{
    size_t len = strlen(word);
    if ((size_t)(json->end - json->at) < len || memcmp(json->at, word, len) != 0)
        return fail(json, "not a value");
    json->at += len;
    json->state = STATE_AFTER;
    return token;
}

static enum json_token open_scan(struct json *json, bool is_object)
{
    if (json->depth == json->depth_max)
        return fail(json, "nested too deep");
    json->depth++;
    uint8_t bit = (uint8_t)(1u << (json->depth % 8));
    uint8_t *byte = &json->stack[json->depth / 8];
    *byte = (uint8_t)(is_object ? *byte | bit : *byte & ~bit);
    json->at++;
    json->state = is_object ? STATE_FIRST_MEMBER : STATE_FIRST_ITEM;
    return is_object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_token close_scan(struct json *json, enum json_token token)
{
    json->at++;
    json->depth--;
    json->state = STATE_AFTER;
    return token;
}

static enum json_token value_scan(struct json *json, bool decode)
{
    switch (*json->at) {
    case '"':
        if (!string_scan(json, decode))
            return JSON_ERROR;
        json->state = STATE_AFTER;
        return JSON_STRING;
    case '{':
        return open_scan(json, true);
    case '[':
        return open_scan(json, false);
    case 't':
        return word_scan(json, "true", JSON_TRUE);
    case 'f':
        return word_scan(json, "false", JSON_FALSE);
    case 'n':
        return word_scan(json, "null", JSON_NULL);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return number_scan(json);
    default:
        return fail(json, "not a value");
    }
}

static enum json_token key_scan(struct json *json, bool decode)
{
    if (json->at == json->end || *json->at != '"')
        return fail(json, "a key must be a string");
    json->token_offset = (size_t)(json->at - json->start);
    if (!string_scan(json, decode))
        return JSON_ERROR;
    json->at = skip_space(json->at, json->end);
    if (json->at == json->end || *json->at != ':')
        return fail(json, "a key without a colon");
    json->at++;
    json->state = STATE_VALUE;
    return JSON_KEY;
}

/* After a value: the comma before the next one, or an end. */
static enum json_token after_scan(struct json *json, bool decode)
{
    if (json->depth == 0) {
        if (json->at != json->end)
            return fail(json, "something after the end of the document");
        json->state = STATE_DONE;
        return JSON_END;
    }
    if (json->at == json->end)
        return fail(json, "the text ends too early");
    bool is_object = in_object(json);
    if (*json->at == (is_object ? '}' : ']'))
        return close_scan(json, is_object ? JSON_OBJECT_END : JSON_ARRAY_END);
    if (*json->at != ',')
        return fail(json, "a comma is missing");
    json->at = skip_space(json->at + 1, json->end);
    if (is_object)
        return key_scan(json, decode);
    if (json->at == json->end)
        return fail(json, "the text ends too early");
    json->token_offset = (size_t)(json->at - json->start);
    return value_scan(json, decode);
}

static enum json_token token_next(struct json *json, bool decode)
{
    if (json->state == STATE_FAILED)
        return JSON_ERROR;
    json->at = skip_space(json->at, json->end);
    json->token_offset = (size_t)(json->at - json->start);
    if (json->state == STATE_AFTER)
        return after_scan(json, decode);
    if (json->state == STATE_DONE)
        return JSON_END;
    if (json->at == json->end)
        return fail(json, "the text ends too early");
    if (json->state == STATE_FIRST_MEMBER)
        return *json->at == '}' ? close_scan(json, JSON_OBJECT_END) : key_scan(json, decode);
    if (json->state == STATE_FIRST_ITEM && *json->at == ']')
        return close_scan(json, JSON_ARRAY_END);
    return value_scan(json, decode);
}

enum json_token json_next(struct json *json)
{
    return token_next(json, true);
}

bool json_unwind(struct json *json, uint32_t depth)
{
    while (json->depth > depth)
        if (token_next(json, false) == JSON_ERROR)
            return false;
    return true;
}

bool json_skip(struct json *json, enum json_token token)
{
    assert(token != JSON_KEY && token != JSON_END);
    if (token == JSON_ERROR)
        return false;
    if (token == JSON_OBJECT || token == JSON_ARRAY)
        return json_unwind(json, json->depth - 1);
    return true;
}

bool json_raw(struct json *json, enum json_token token, str *ret_raw)
{
    size_t from = json->token_offset;
    if (!json_skip(json, token))
        return false;
    *ret_raw = str_make(json->start + from, (size_t)(json->at - json->start) - from);
    return true;
}

/* --- value trees ------------------------------------------------------------ */

static bool value_at(struct json *json, enum json_token token, int depth, struct value *ret_value);

static bool text_keep(struct json *json, str *ret_text)
{
    str text = utf8_repair(json->arena, json->text);
    if (str_is_none(text))
        return fail(json, no_room), false;
    *ret_text = text;
    return true;
}

static struct value number_value(str text)
{
    int64_t whole;
    double real;
    if (!str_equal_c(text, "-0") && str_to_i64(text, &whole))
        return value_i64(whole);
    if (str_to_f64(text, &real) && real - real == 0)
        return value_f64(real);
    return value_str(text);
}

/* The array is full when its count is 0 or a power of two from 4 on. */
static void *list_grow(struct json *json, void *items, uint32_t count, size_t item_bytes)
{
    if (count && (count < 4 || (count & (count - 1))))
        return items;
    void *larger = arena_alloc(json->arena, MAX((size_t)count * 2, (size_t)4) * item_bytes);
    if (!larger) {
        fail(json, no_room);
        return NULL;
    }
    if (count)
        memcpy(larger, items, count * item_bytes);
    return larger;
}

static bool array_value(struct json *json, int depth, struct value *value)
{
    for (;;) {
        enum json_token token = json_next(json);
        if (token == JSON_ARRAY_END)
            return true;
        struct value *items = list_grow(json, value->items, value->count, sizeof *items);
        if (!items)
            return false;
        value->items = items;
        if (!value_at(json, token, depth + 1, &items[value->count]))
            return false;
        value->count++;
    }
}

static bool map_value(struct json *json, int depth, struct value *value)
{
    for (;;) {
        enum json_token token = json_next(json);
        if (token == JSON_OBJECT_END)
            return true;
        if (token == JSON_ERROR)
            return false;
        struct attr *attrs = list_grow(json, value->attrs, value->count, sizeof *attrs);
        if (!attrs)
            return false;
        value->attrs = attrs;
        struct attr *attr = &attrs[value->count];
        if (!text_keep(json, &attr->key) ||
            !value_at(json, json_next(json), depth + 1, &attr->value))
            return false;
        value->count++;
    }
}

static bool value_at(struct json *json, enum json_token token, int depth, struct value *ret_value)
{
    if (depth > VALUE_DEPTH_MAX)
        return fail(json, "nested too deep"), false;
    *ret_value = (struct value){ .type = VALUE_NULL };
    if (token == JSON_NULL)
        return true;
    if (token == JSON_TRUE || token == JSON_FALSE) {
        *ret_value = value_bool(token == JSON_TRUE);
        return true;
    }
    if (token == JSON_NUMBER) {
        *ret_value = number_value(json->text);
        return true;
    }
    if (token == JSON_STRING) {
        ret_value->type = VALUE_STR;
        return text_keep(json, &ret_value->text);
    }
    if (token == JSON_ARRAY) {
        *ret_value = (struct value){ .type = VALUE_ARRAY };
        return array_value(json, depth, ret_value);
    }
    if (token == JSON_OBJECT) {
        *ret_value = (struct value){ .type = VALUE_MAP };
        return map_value(json, depth, ret_value);
    }
    return fail(json, "not a value"), false;
}

bool json_value(struct json *json, enum json_token token, struct value *ret_value)
{
    assert(json->arena);
    struct value value;
    if (!value_at(json, token, 1, &value))
        return false;
    *ret_value = value;
    return true;
}

bool json_check(str text)
{
    if (!utf8_is_valid(text))
        return false;
    struct json json;
    json_init(&json, NULL, text, JSON_DEPTH_MAX);
    enum json_token token;
    do
        token = token_next(&json, false);
    while (token != JSON_END && token != JSON_ERROR);
    return token == JSON_END;
}
