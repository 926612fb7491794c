/* buf.c -- the growing buffer and the few formats that every writer needs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include "base/utf8.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 256 };

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){ .max_bytes = max_bytes };
}

void buf_clear(struct buf *buf)
{
    xfree(buf->ptr);
    buf_init(buf, buf->max_bytes);
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

char *buf_grow(struct buf *buf, size_t extra)
{
    if (buf->failed)
        return NULL;
    if (extra > buf->max_bytes - MIN(buf->len, buf->max_bytes)) {
        buf->failed = true;
        return NULL;
    }
    if (!buf->ptr || extra > buf->capacity - buf->len) {
        size_t capacity = MAX(buf->capacity * 2, buf->len + extra);
        capacity = MIN(MAX(capacity, (size_t)CAPACITY_MIN), buf->max_bytes);
        buf->ptr = xrealloc(buf->ptr, capacity);
        buf->capacity = capacity;
    }
    return buf->ptr + buf->len;
}

void buf_add_c(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_add(buf, digits + at, sizeof digits - at);
}

void buf_add_i64(struct buf *buf, int64_t value)
{
    if (value < 0)
        buf_add_char(buf, '-');
    buf_add_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* What people write: few digits, four of them behind the point at most. */
static bool add_short_f64(struct buf *buf, double value)
{
    const double value_max = 1e11; /* 15 digits: such decimals read back the same */
    if (!(fabs(value) < value_max) || (value == 0 && signbit(value)))
        return false;
    static const int64_t powers[] = { 1, 10, 100, 1000, 10000 };
    size_t digits = 0;
    int64_t scaled = (int64_t)value;
    while ((double)scaled / (double)powers[digits] != value) {
        if (++digits == COUNT_OF(powers))
            return false;
        scaled = (int64_t)(value * (double)powers[digits] + (value < 0 ? -0.5 : 0.5));
    }
    if (scaled < 0)
        buf_add_char(buf, '-');
    scaled = scaled < 0 ? -scaled : scaled;
    buf_add_u64(buf, (uint64_t)(scaled / powers[digits]));
    if (digits > 0)
        buf_add_char(buf, '.');
    while (digits-- > 0)
        buf_add_char(buf, (char)('0' + scaled / powers[digits] % 10));
    return true;
}

void buf_add_f64(struct buf *buf, double value)
{
    if (add_short_f64(buf, value))
        return;
    if (!isfinite(value)) {
        buf_add_c(buf, "null");
        return;
    }
    char text[40];
    int digits = 15; /* the fewest that read back the same */
    do
        snprintf(text, sizeof text, "%.*g", digits, value);
    while (digits++ < 17 && strtod(text, NULL) != value);
    buf_add_c(buf, text);
}

void buf_add_nanousd(struct buf *buf, int64_t nanousd)
{
    if (nanousd < 0)
        buf_add_char(buf, '-');
    uint64_t magnitude = nanousd < 0 ? 0 - (uint64_t)nanousd : (uint64_t)nanousd;
    const uint64_t nano_per_usd = 1000000000;
    buf_add_u64(buf, magnitude / nano_per_usd);
    uint64_t fraction = magnitude % nano_per_usd;
    if (!fraction)
        return;
    char digits[10];
    snprintf(digits, sizeof digits, "%09llu", (unsigned long long)fraction);
    size_t len = 9;
    while (digits[len - 1] == '0')
        len--;
    buf_add_char(buf, '.');
    buf_add(buf, digits, len);
}

void buf_add_hex(struct buf *buf, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *to = buf_reserve(buf, 2 * len);
    if (!to)
        return;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = ((const uint8_t *)bytes)[i];
        to[2 * i] = digits[byte >> 4];
        to[2 * i + 1] = digits[byte & 15];
    }
    buf->len += 2 * len;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (to) {
        vsnprintf(to, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

static void add_json_escape(struct buf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add(buf, "\\\"", 2);
        break;
    case '\\':
        buf_add(buf, "\\\\", 2);
        break;
    case '\n':
        buf_add(buf, "\\n", 2);
        break;
    case '\r':
        buf_add(buf, "\\r", 2);
        break;
    case '\t':
        buf_add(buf, "\\t", 2);
        break;
    default:
        buf_printf(buf, "\\u%04x", c);
    }
}

/* None of eight bytes needs an escape. */
static bool is_unescaped_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    uint64_t odd = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
                   ((backslash - ones) & ~backslash);
    return (odd & ones * 0x80) == 0; /* exact for the lowest odd byte, so for all or none */
}

/* A run of bytes that need no escape, known to be valid UTF-8. */
static size_t plain_run(str s)
{
    size_t i = 0;
    uint64_t word;
    for (; i + sizeof word <= s.len; i += sizeof word) {
        memcpy(&word, s.ptr + i, sizeof word);
        if (!is_unescaped_word(word))
            break;
    }
    while (i < s.len) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        i++;
    }
    return i;
}

static void add_json_valid(struct buf *buf, str s)
{
    while (s.len) {
        size_t run = plain_run(s);
        buf_add(buf, s.ptr, run);
        s = str_from(s, run);
        if (!s.len)
            break;
        add_json_escape(buf, (unsigned char)s.ptr[0]);
        s = str_from(s, 1);
    }
}

/* Eight bytes that stand in JSON as they are: ASCII, no control, quote or backslash. */
static bool is_plain_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    uint64_t odd = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
    return (odd & ones * 0x80) == 0; /* exact for the lowest odd byte, so for all or none */
}

static bool is_plain(str s)
{
    uint64_t word = 0;
    size_t i = 0;
    for (; i + sizeof word <= s.len; i += sizeof word) {
        memcpy(&word, s.ptr + i, sizeof word);
        if (!is_plain_word(word))
            return false;
    }
    memset(&word, ' ', sizeof word);
    if (i < s.len)
        memcpy(&word, s.ptr + i, s.len - i);
    return is_plain_word(word);
}

/* Nearly every text. */
static bool add_json_plain(struct buf *buf, str s)
{
    char *to = is_plain(s) ? buf_reserve(buf, s.len + 2) : NULL;
    if (!to)
        return false;
    to[0] = '"';
    if (s.len)
        memcpy(to + 1, s.ptr, s.len);
    to[s.len + 1] = '"';
    buf->len += s.len + 2;
    return true;
}

void buf_add_json_str(struct buf *buf, str s)
{
    if (add_json_plain(buf, s))
        return;
    buf_add_char(buf, '"');
    while (s.len) {
        size_t valid = utf8_valid_prefix(s);
        add_json_valid(buf, str_sub(s, 0, valid));
        s = str_from(s, valid);
        if (!s.len)
            break;
        buf_add(buf, "\xef\xbf\xbd", 3); /* U+FFFD for a maximal invalid sequence */
        s = str_from(s, 1);
        while (s.len && ((unsigned char)s.ptr[0] & 0xc0) == 0x80 && utf8_valid_prefix(s) == 0)
            s = str_from(s, 1);
    }
    buf_add_char(buf, '"');
}

char *buf_take(struct buf *buf, size_t *ret_len)
{
    char *bytes = buf->ptr;
    *ret_len = buf->len;
    buf_init(buf, buf->max_bytes);
    return bytes;
}
