/* regex_int.h -- a regular expression as a tree, between reading and compiling it.
 *
 * Memory:  nodes live in the arena of regex_compile().
 * Threads: plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/regex.h"

enum { REGEX_CODE_POINT_MAX = 0x10FFFF, REGEX_NO_END = -1 };

struct range {
    uint32_t first, last;
};

enum node_type { NODE_EMPTY, NODE_CHAR, NODE_ASSERT, NODE_JOIN, NODE_EITHER, NODE_REPEAT };
enum assertion { ASSERT_BEGIN, ASSERT_END, ASSERT_WORD, ASSERT_NO_WORD };

struct node {
    enum node_type type;
    struct range *ranges; /* CHAR: sorted, apart */
    uint32_t range_count;
    enum assertion assertion;
    const struct node **items; /* of JOIN and EITHER; the one of REPEAT */
    uint32_t item_count;
    int least, most;
};

/* The tree of a pattern; NULL: *ret_failed and *reterr_why say why. */
const struct node *regex_parse(struct arena *arena, str pattern, enum err *ret_failed,
                               struct diag *reterr_why);
/* The code point at `at`; a byte that is no UTF-8 is U+FFFD. */
uint32_t regex_code_point(str text, size_t at, size_t *ret_len);
