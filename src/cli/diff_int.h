/* diff_int.h -- what differs between two traces.
 *
 * Spans are paired along the two trees: children of a pair by step and name, in order; of those
 * left over, by step alone; what is left then is in one trace only.  A pair is compared field by
 * field; ids and points in time, which always differ, are not fields of it: a span's start counts
 * from that of its trace.
 *
 * Memory:  differences borrow the spans and live in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "cli/trace_int.h"

enum diff_group {
    DIFF_SHAPE, /* spans of one trace only, other names */
    DIFF_PROMPT,
    DIFF_PARAMETERS,
    DIFF_VERSIONS,
    DIFF_RETRIEVAL,
    DIFF_OUTPUT,
    DIFF_TIMING,
    DIFF_COST,
    DIFF_CONTEXT, /* who and where */
    DIFF_ATTRIBUTES,
    DIFF_GROUP_COUNT
};
extern const char *const diff_group_names[DIFF_GROUP_COUNT];

struct difference {
    enum diff_group group;
    const struct value *span_a, *span_b; /* NULL: of the other trace only */
    str field;                           /* JSON path; empty: the span itself */
    const struct value *a, *b;           /* NULL: unknown */
};
struct differences {
    struct difference *items;
    size_t count, capacity;
};
/* Groups are bits of `ignored`; false: the arena's budget is spent. */
MUST_CHECK bool diff_spans(struct arena *arena, const struct value *a, const struct value *b,
                           uint32_t ignored, struct differences *ret);
