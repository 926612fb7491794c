/* open_traces.h -- the traces that have not settled yet.
 *
 * Per trace: where its span records lie in the log, when it was last heard of,
 * and when it is due.  Spans themselves are not kept in memory: they are read
 * from the log again when the trace settles, which the page cache makes cheap.
 *
 * A trace is due `settle_root_ns` after its root ended, `settle_idle_ns` after its
 * last span without a root, and `settle_max_ns` after its first span at the latest
 * (DECISIONS 3).  The first root brings a due time forward: the trace is moved in the
 * wheel of ticks.  Any other span only moves it later, so the wheel is checked lazily: a
 * trace found too early is put where it now belongs.
 *
 * Memory:  owns its traces; about 200 bytes each, 12 per span record.
 * Threads: drain's only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "model/span.h"
#include "wal/wal.h"

struct span_ref {
    struct wal_position position;
    uint32_t index; /* in its batch */
};

enum { OPEN_TRACE_INLINE_REFS = 4 };

struct open_trace {
    struct open_trace *map_next;
    struct open_trace *wheel_next, **wheel_link;
    struct open_trace *older, *newer; /* by creation, which is by log sequence */
    struct id16 trace_id;
    uint32_t project; /* index into open_traces' project names */
    uint64_t first_sequence;
    int64_t first_seen_ns, last_seen_ns, root_seen_ns; /* received, monotonic; root 0: none yet */
    struct span_ref *refs;
    uint32_t ref_count, ref_capacity;
    struct span_ref inline_refs[OPEN_TRACE_INLINE_REFS];
};

struct settle_times {
    int64_t root_ns, idle_ns, max_ns;
};
extern const struct settle_times settle_times_default; /* 10 s, 60 s, 10 min */

struct open_traces;
struct open_traces *open_traces_new(const struct settle_times *times);
void open_traces_free(struct open_traces *traces);

/* The trace, made when it is new. `sequence`: of the log record that names it. */
struct open_trace *open_traces_get(struct open_traces *traces, str project, struct id16 trace_id,
                                   uint64_t sequence, int64_t now_ns);
void open_traces_add_ref(struct open_traces *traces, struct open_trace *trace, struct span_ref ref,
                         bool is_root, int64_t now_ns);
str open_traces_project(const struct open_traces *traces, uint32_t project);

/* Up to `max` due traces, taken out of the table; the caller gives them back to
 * open_traces_done when they are stored.  In the order in which they became due, which is nearly
 * that of the log, from which they are read.  `force`: due or not, oldest first. */
size_t open_traces_take_due(struct open_traces *traces, int64_t now_ns, bool force,
                            struct open_trace **ret_traces, size_t max);
void open_traces_done(struct open_traces *traces, struct open_trace *trace);

/* Everything before this sequence is stored; UINT64_MAX when no trace is open. */
uint64_t open_traces_first_sequence(const struct open_traces *traces);
size_t open_traces_count(const struct open_traces *traces);
size_t open_traces_memory(const struct open_traces *traces);
