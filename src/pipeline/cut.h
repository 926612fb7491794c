/* cut.h -- what is too large or too many in a decoded request: cut, and counted.
 *
 * A text longer than the limit, anywhere in an attribute's value or a log record's body, keeps its
 * beginning and gets CUT_MARKER; attributes past the limit are dropped.  Everything else of the
 * item stays.
 *
 * Memory:  cut texts and trees are in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/raw.h"

#define CUT_MARKER "...[TRUNCATED]"

struct cut_limits {
    size_t value_bytes_max; /* without the marker; SIZE_MAX: any */
    uint32_t attrs_max;     /* of each list of attributes */
};
struct cut_counts {
    uint64_t values, attrs;
};
/* ERR_LIMIT when the arena's budget is spent. */
MUST_CHECK enum err cut_batch(struct arena *arena, const struct cut_limits *limits,
                              struct raw_batch *batch, struct cut_counts *ret_counts);
