/* regex.h -- regular expressions that never take long: time is text times expression.
 *
 * The classic notation without back references and look-around, which no linear-time matcher
 * has: literals, . ^ $ \b \B, classes [a-z] [^a-z] \d \w \s \D \W \S, groups ( ) and (?: ),
 * |, and * + ? {n} {n,} {n,m} (a further ? changes nothing: a text matches or it does not).
 * \ before a punctuation character means that character; \t \n \r are known.  (?i) in front
 * ignores the case of ASCII letters.  . is any character but a line end, ^ and $ are the ends
 * of the text; classes and \b know ASCII.  Characters are code points of UTF-8.
 *
 * A store with an engine of its own asks that engine by regex_portable(): the expression
 * written anew from what was understood here, so that no difference of notation can show.
 *
 * Memory:  the compiled form lives in the arena; matching needs some stack only.
 * Threads: a compiled expression is immutable.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum {
    REGEX_STEPS_MAX = 1000,  /* characters, classes' ranges and branches, repeats written out */
    REGEX_DEPTH_MAX = 32,    /* of groups */
    REGEX_REPEAT_MAX = 1000, /* in { } */
};

struct regex;

/* ERR_BAD_INPUT with the offset in the pattern, ERR_LIMIT when it is too large. */
MUST_CHECK enum err regex_compile(struct arena *arena, str pattern, const struct regex **ret_regex,
                                  struct diag *reterr_why);
/* Does some part of the text match?  A byte that is no UTF-8 counts as U+FFFD. */
bool regex_matches(const struct regex *regex, str text);
/* The same expression in RE2's notation, of letters, digits and \ { } ( ) [ ] ? : | * + , ^ - only:
 * it holds no text of whoever wrote the pattern.  NUL-terminated, in the arena. */
const char *regex_portable(const struct regex *regex);
