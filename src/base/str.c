/* str.c -- slices: comparing, finding, numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/str.h"
#include <math.h>
#include <stdlib.h>

int str_cmp(str a, str b)
{
    size_t len = MIN(a.len, b.len);
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_equal_nocase(str a, str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

size_t str_find(str s, str needle)
{
    if (needle.len == 0)
        return 0;
    if (s.len == 0)
        return s.len;
    const char *hit = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return hit ? (size_t)(hit - s.ptr) : s.len;
}

size_t str_find_char(str s, char c)
{
    const char *hit = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return hit ? (size_t)(hit - s.ptr) : s.len;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

str str_trim(str s)
{
    while (s.len && is_space(s.ptr[0]))
        s = str_from(s, 1);
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_next(str *rest, char separator, str *ret_piece)
{
    if (str_is_none(*rest))
        return false;
    size_t at = str_find_char(*rest, separator);
    *ret_piece = (str){ rest->ptr, at };
    *rest = at < rest->len ? str_from(*rest, at + 1) : STR_NONE;
    return true;
}

bool str_to_u64(str s, uint64_t *ret_value)
{
    if (s.len == 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (MUL_OVERFLOWS(value, UINT64_C(10), &value) ||
            ADD_OVERFLOWS(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool str_to_i64(str s, int64_t *ret_value)
{
    bool negative = s.len && s.ptr[0] == '-';
    uint64_t magnitude;
    if (!str_to_u64(negative ? str_from(s, 1) : s, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *ret_value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

enum { NUMBER_TEXT_MAX = 400 };

bool str_to_f64(str s, double *ret_value)
{
    if (s.len == 0 || s.len > NUMBER_TEXT_MAX)
        return false;
    bool has_digit = false;
    for (size_t i = 0; i < s.len; i++) { /* no hex floats, no "inf", no white space */
        char c = s.ptr[i];
        bool is_digit = c >= '0' && c <= '9';
        has_digit |= is_digit;
        if (!is_digit && c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E')
            return false;
    }
    char text[NUMBER_TEXT_MAX + 1];
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    char *end;
    double value = strtod(text, &end); /* the process never leaves the C locale */
    if (!has_digit || *end != '\0' || !isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

bool str_matches_glob(str text, str pattern, bool with_one)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.len &&
                   (pattern.ptr[p] == text.ptr[t] || (with_one && pattern.ptr[p] == '?'))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}
