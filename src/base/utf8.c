/* utf8.c -- a byte-class walk with a fast path for ASCII.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "base/check.h"

/* Length of the ASCII run, eight bytes at a time; the last eight overlap those before. */
static size_t ascii_run(const char *at, size_t len)
{
    size_t i = 0;
    uint64_t word = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, at + i, 8);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    if (i + 8 > len && len >= 8) {
        memcpy(&word, at + len - 8, 8);
        if (!(word & UINT64_C(0x8080808080808080)))
            return len;
    }
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

size_t utf8_count(str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return count;
}

str utf8_prefix(str s, size_t max_chars)
{
    if (s.len <= max_chars)
        return s;
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (((unsigned char)s.ptr[i] & 0xc0) == 0x80)
            continue;
        if (count++ == max_chars)
            return str_make(s.ptr, i);
    }
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
