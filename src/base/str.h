/* str.h -- a borrowed slice of bytes.
 *
 * Most of what the write path touches are pieces of a request body.  A `str`
 * points at such a piece; it owns nothing, is not NUL-terminated, and is
 * passed by value.  ptr == NULL means "absent"; an empty but present text has
 * a non-NULL ptr and len 0.
 *
 * Memory:  borrows; the buffer it came from must outlive it.
 * Threads: pure functions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include <string.h>

typedef struct str {
    const char *ptr;
    size_t len;
} str;

#define STR(literal)                                                                               \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define STR_OF(literal) ((str){ "" literal, sizeof(literal) - 1 })
#define STR_NONE ((str){ NULL, 0 })
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).ptr

static inline str str_make(const char *ptr, size_t len)
{
    return (str){ ptr, len };
}
/* From a C string; NULL gives STR_NONE. */
static inline str str_from_c(const char *text)
{
    return text ? (str){ text, strlen(text) } : STR_NONE;
}
static inline bool str_is_none(str s)
{
    return s.ptr == NULL;
}
static inline bool str_is_empty(str s)
{
    return s.len == 0;
}
static inline bool str_equal(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool str_equal_c(str a, const char *b)
{
    return str_equal(a, str_from_c(b));
}
static inline bool str_starts(str s, str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}
static inline bool str_ends(str s, str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}
/* The part from offset `from` (clamped to the end). */
static inline str str_from(str s, size_t from)
{
    from = MIN(from, s.len);
    return (str){ s.ptr + from, s.len - from };
}
/* At most `len` bytes from `from`, clamped. */
static inline str str_sub(str s, size_t from, size_t len)
{
    s = str_from(s, from);
    return (str){ s.ptr, MIN(s.len, len) };
}
/* Byte order; a prefix sorts before the longer text. <0, 0, >0 */
int str_cmp(str a, str b);
/* ASCII-only case folding. */
bool str_equal_nocase(str a, str b);
/* Offset of the first occurrence, or s.len when there is none. */
size_t str_find(str s, str needle);
size_t str_find_char(str s, char c);
/* Without leading and trailing ASCII white space. */
str str_trim(str s);
/* Cut the text up to `separator` off *rest and return it; *rest becomes what
 * follows the separator, or STR_NONE after the last piece.  Loop:
 *   for (str piece; str_next(&rest, ',', &piece);) ... */
bool str_next(str *rest, char separator, str *ret_piece);
/* Whole-text decimal numbers: false when empty, out of range or anything else
 * is left over.  Never locale-dependent. */
bool str_to_i64(str s, int64_t *ret_value);
bool str_to_u64(str s, uint64_t *ret_value);
bool str_to_f64(str s, double *ret_value);
/* `*` in the pattern is any bytes, `?` any one byte if `with_one`; all else, and the whole text,
 * byte for byte.  Time: at most the product of the lengths. */
bool str_matches_glob(str text, str pattern, bool with_one);
