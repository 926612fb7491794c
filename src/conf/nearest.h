/* nearest.h -- "did you mean ...?".
 *
 * Every unknown key of a file, an environment variable or an option names the
 * known one that is nearest by edit distance (a swap of neighbours counts as
 * one edit).  Feed candidates one by one; no list has to exist.
 *
 * Memory:  borrows the texts until nearest_best() has been read.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

enum { NEAREST_TEXT_MAX = 64 }; /* longer texts are never suggested */

struct nearest {
    str word;
    str best;
    size_t best_distance;
};

/* Edits from a to b, ASCII case ignored; more than `limit` gives limit + 1. */
size_t nearest_distance(str a, str b, size_t limit);

void nearest_init(struct nearest *nearest, str word);
void nearest_consider(struct nearest *nearest, str candidate);
/* The nearest candidate, STR_NONE when none is near enough to be meant: at most
 * a third of the word's length, at least one edit. */
str nearest_best(const struct nearest *nearest);
