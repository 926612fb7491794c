/* settle_int.h -- what settle.c and settle_stored.c share: one commit being put together.
 *
 * Memory:  all of it lies in the arena of the commit.
 * Threads: drain's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "pipeline/drain_int.h"

/* What is stored of the known traces before index `to`. */
struct stored {
    struct store_span *spans;
    struct trace_row *rows;
    size_t span_count, row_count, to;
};

/* Frames of content that a row will point at, once they are synced. */
struct written_content {
    struct trace_row *row;
    struct content_pointer content, preview;
    struct written_content *next;
};

/* Frames of a trace that was stored before, in an external store that is away: they stay. */
struct away {
    struct trace_content frames[TRACE_CONTENT_MAX];
    uint32_t count;
};
enum { AWAY_MAX = TRACE_CONTENT_MAX - 2 }; /* what is new needs two */

/* One commit being put together. */
struct settling {
    struct drain *drain;
    struct arena *arena;
    struct open_trace **open;
    size_t count;
    struct trace_row *rows;
    const struct store_span **spans;
    uint32_t *span_counts;
    const bool *known;
    struct meter_older **older;                     /* of known traces: what of them was counted */
    struct written_content *written, **written_end; /* in order */
    int64_t until_ns;
    size_t bytes_before; /* of the arena, before the first trace */
    struct stored stored;
};

/* ---- settle_stored.c: traces that were stored before ---- */
/* Prepend what is stored of a known trace: *ret_spans grows at its front. */
MUST_CHECK enum err settle_read_known(struct settling *settling, size_t index,
                                      struct span ***ret_spans, size_t *ret_count,
                                      struct trace_row *ret_row);
/* The content of the stored version becomes parts again: the trace is written anew.  What
 * cannot be had now stays where it is, so that nobody waits for an external store. */
MUST_CHECK enum err settle_restore_content(struct settling *settling, const struct trace_row *row,
                                           struct span **spans, size_t count, struct away *away);
/* What stayed in frames that are away, the spans still have. */
MUST_CHECK enum err settle_keep_roles(struct settling *settling, size_t index);
