/* utf8.h -- checking, repairing and counting UTF-8.
 *
 * Memory:  repair writes into an arena only when something was wrong.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/str.h"

/* Length of the valid prefix in bytes (== s.len when all is valid).  Overlong
 * forms, surrogates and code points above U+10FFFF are invalid. */
size_t utf8_valid_prefix(str s);
static inline bool utf8_is_valid(str s)
{
    return utf8_valid_prefix(s) == s.len;
}
/* s itself when valid; else a copy in which each maximal invalid sequence is
 * U+FFFD.  STR_NONE when the arena's budget is spent. */
MUST_CHECK str utf8_repair(struct arena *arena, str s);
/* Number of code points of valid UTF-8. */
size_t utf8_count(str s);
/* The first `max_chars` code points of valid UTF-8. */
str utf8_prefix(str s, size_t max_chars);
/* Append the encoding of `code_point` to out[0..4); returns its length, 0 if invalid. */
size_t utf8_encode(uint32_t code_point, char out[4]);
