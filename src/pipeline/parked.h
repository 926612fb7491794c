/* parked.h -- scores that name their trace by the beginning of its id (A94).
 *
 * A form that becomes a score (docs/events.md) may name its trace by any text.  It then has the id
 * that such a text always gets, so that equal texts join, and the text as its attribute `trace_id`.
 * A text of 4 to 31 hex digits may also be the beginning of an id: when one trace of the project
 * begins so, and none has that very text, the score goes to it.  Else it is parked: stored with the
 * attribute `parked`, which says "unknown" or "ambiguous", and, while unknown, tried again when
 * a trace is committed that begins so.
 *
 * Each commit looks up PARKED_LOOKUPS_MAX at most, so that drain is not held up; the others are due
 * at the next.  The last PARKED_MAX are tried again, as long as the server runs.
 *
 * Memory:  owns its list.
 * Threads: drain's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "pipeline/held.h"

enum { PARKED_MAX = 1000, PARKED_LOOKUPS_MAX = 64, PARKED_DIGITS_MIN = 4, PARKED_DIGITS_MAX = 31 };

struct parked_score;
struct parked {
    struct parked_score *items; /* oldest first */
    size_t count;
    size_t due_count;
    uint64_t joined, unknown, ambiguous; /* since the start: by a prefix; not */
};
void parked_clear(struct parked *parked);

/* What a commit brings, and where to look. */
struct parked_place {
    const struct store_ops *ops;
    struct store *store;
    const struct trace_row *rows;
    size_t row_count;
};
/* Before the scores of *held are committed: joins those that it can, and adds stored ones that
 * can be joined now. */
void parked_join(struct parked *parked, struct held *held, const struct parked_place *place);
