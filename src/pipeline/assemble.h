/* assemble.h -- a trace from its spans: versions merged, calls counted once, totals.
 *
 * Given every span record of one trace, in the order received:
 *   1. records with the same span id become one span: field by field the known
 *      wins over the unknown and the later over the earlier (DECISIONS 2);
 *   2. spans that are the same model call are found and all but one are
 *      flagged `rollup` (DECISIONS 8);
 *   3. dimensions of the root are given to the spans that lack them (A8, A26);
 *   4. the trace's own row is computed.
 *
 * Memory:  results live in the arena or borrow from the records.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

/* Clocks of two processes differ: an inner call may stick out this far. */
#define ASSEMBLE_CLOCK_SKEW_NS (5 * NS_PER_MS)
/* A flag of a span whose start never came: it is shown at its end. */
#define ASSEMBLE_START_UNKNOWN "start_unknown"

/* Merge records by span id: spans[0..count) is reordered by start time and
 * shortened to *ret_count.  Of content with equal roles the later wins; messages of
 * several events about a span follow each other, and what the span itself
 * carries wins over them. */
void assemble_merge(struct arena *arena, struct span **spans, size_t count, size_t *ret_count);
/* A span of create and update (it has a source_id) that was stored: a part again, to which a late
 * one may add; what was only derived is unknown again.  Before assemble_merge(). */
void assemble_reopen(struct arena *arena, struct span *span);
/* Later record `from` into `into`. */
void span_merge(struct arena *arena, struct span *into, const struct span *from);

/* Steps 2 to 4 on merged spans. ERR_LIMIT when the arena is spent. */
MUST_CHECK enum err assemble_trace(struct arena *arena, struct span **spans, size_t count,
                                   struct trace_row *ret_trace);
/* Tokens and cost of a span whose usage became known after that. */
void assemble_add_usage(struct trace_row *trace, const struct span *span);
