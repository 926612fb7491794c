/* utf8.c -- a byte-class walk with a fast path for ASCII.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "base/check.h"

static const uint64_t ones = UINT64_C(0x0101010101010101);

static uint64_t word_at(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Length of the ASCII run, eight bytes at a time; the last eight overlap those before. */
static size_t ascii_run(const char *at, size_t len)
{
    const uint64_t highs = ones << 7;
    size_t i = 0;
    for (; i + 32 <= len; i += 32) {
        uint64_t any =
            word_at(at + i) | word_at(at + i + 8) | word_at(at + i + 16) | word_at(at + i + 24);
        if (any & highs)
            break;
    }
    for (; i + 8 <= len; i += 8)
        if (word_at(at + i) & highs)
            break;
    if (i + 8 > len && len >= 8 && !(word_at(at + len - 8) & highs))
        return len;
    while (i < len && !((unsigned char)at[i] & 0x80))
        i++;
    return i;
}

/* Length of the valid sequence that starts with a non-ASCII byte; 0 when invalid. */
static size_t sequence_len(const unsigned char *at, size_t len)
{
    unsigned char lead = at[0];
    size_t need = lead >= 0xc2 && lead <= 0xdf   ? 2
                  : (lead & 0xf0) == 0xe0        ? 3
                  : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                 : 0;
    if (need == 0 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    bool surrogate = lead == 0xed && at[1] > 0x9f;
    bool too_big = lead == 0xf4 && at[1] > 0x8f;
    return overlong || surrogate || too_big ? 0 : need;
}

size_t utf8_valid_prefix(str s)
{
    size_t i = 0;
    while (i < s.len) {
        i += ascii_run(s.ptr + i, s.len - i);
        if (i == s.len)
            break;
        size_t len = sequence_len((const unsigned char *)s.ptr + i, s.len - i);
        if (len == 0)
            return i;
        i += len;
    }
    return s.len;
}

/* Bytes of the invalid sequence at the start: one, and the continuation bytes
 * after it that begin nothing valid. */
static size_t invalid_run(str s)
{
    size_t i = 1;
    while (i < s.len && ((unsigned char)s.ptr[i] & 0xc0) == 0x80)
        i++;
    return i;
}

str utf8_repair(struct arena *arena, str s)
{
    size_t valid = utf8_valid_prefix(s);
    if (valid == s.len)
        return s;
    char *out = arena_alloc(arena, s.len * 3);
    if (!out)
        return STR_NONE;
    size_t len = 0;
    for (;;) {
        memcpy(out + len, s.ptr, valid);
        len += valid;
        s = str_from(s, valid);
        if (!s.len)
            break;
        memcpy(out + len, "\xef\xbf\xbd", 3);
        len += 3;
        s = str_from(s, invalid_run(s));
        valid = utf8_valid_prefix(s);
    }
    return str_make(out, len);
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* A one in each byte that continues a character. */
static uint64_t continuations(uint64_t word)
{
    return (word >> 7) & ~(word >> 6) & ones;
}

static size_t bytes_sum(uint64_t word)
{
    return (size_t)((word * ones) >> 56);
}

size_t utf8_count(str s)
{
    enum { STEP = 32, ROUND = 63 * STEP }; /* each byte of a sum stays below 256 */
    size_t continued = 0, i = 0;
    while (i + STEP <= s.len) {
        uint64_t sum = 0;
        for (size_t end = i + MIN((s.len - i) / STEP * STEP, (size_t)ROUND); i < end; i += STEP)
            sum += continuations(word_at(s.ptr + i)) + continuations(word_at(s.ptr + i + 8)) +
                   continuations(word_at(s.ptr + i + 16)) + continuations(word_at(s.ptr + i + 24));
        const uint64_t evens = UINT64_C(0x00ff00ff00ff00ff);
        sum = (sum & evens) + (sum >> 8 & evens);
        continued += (size_t)((sum * UINT64_C(0x0001000100010001)) >> 48);
    }
    for (; i < s.len; i++)
        continued += is_continuation(s.ptr[i]);
    return s.len - continued;
}

str utf8_prefix(str s, size_t max_chars)
{
    if (s.len <= max_chars)
        return s;
    size_t count = 0, i = 0;
    for (; i + 32 <= s.len && count + 32 <= max_chars; i += 32)
        count += 32 - bytes_sum(continuations(word_at(s.ptr + i)) +
                                continuations(word_at(s.ptr + i + 8)) +
                                continuations(word_at(s.ptr + i + 16)) +
                                continuations(word_at(s.ptr + i + 24)));
    for (; i + 8 <= s.len && count + 8 <= max_chars; i += 8)
        count += 8 - bytes_sum(continuations(word_at(s.ptr + i)));
    for (; i < s.len; i++)
        if (!is_continuation(s.ptr[i]) && count++ == max_chars)
            return str_make(s.ptr, i);
    return s;
}

size_t utf8_encode(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        if (code_point >= 0xd800 && code_point <= 0xdfff)
            return 0;
        out[0] = (char)(0xe0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    if (code_point > 0x10ffff)
        return 0;
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}
