/* fold.h -- what a character is in a word, and what it is compared as; tables by tools/gen_fold.py.
 *
 * Memory:  constant tables.
 * Threads: any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"

enum { FOLD_LAST = 0x20000, FOLD_PAGES = FOLD_LAST / 256 };
enum fold_kind {
    FOLD_SEPARATOR, /* between words */
    FOLD_IGNORED,   /* marks and what is not seen: neither ends a word nor is part of one */
    FOLD_WORD,
    FOLD_SINGLE, /* a word of its own: of scripts that put no spaces between words */
};
/* An entry: fold_kind in two bits, length of the text in six, its place in fold_pool above.
 * Length 0: the character itself. */
extern const uint16_t fold_index[FOLD_PAGES];
extern const uint32_t fold_pages[][256];
extern const unsigned char fold_pool[];
