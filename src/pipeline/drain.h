/* drain.h -- from the log to the stores: visible at once, final when the trace settles.
 *
 * One thread reads the log from its checkpoint.  Every 100 ms the new spans are
 * appended to the store as unsettled rows; settled traces are read from the log
 * again, merged, summed, their content written to the content store, and
 * committed together with the checkpoint.  When there is more to do than time for it,
 * showing spans twice gives way: they become visible when their trace settles.  A log segment is
 * released when no open trace needs it.  After a crash the same records are read again and give the
 * same rows; a trace that was already stored is merged with what is there.
 *
 * Memory:  bounded by open_bytes_max (the oldest traces settle early beyond it).
 * Threads: one of its own; drain_status from any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "content/content.h"
#include "keys/keys.h"
#include "pipeline/digest.h"
#include "pipeline/meter.h"
#include "pipeline/open_traces.h"
#include "pipeline/policy.h"
#include "price/price.h"
#include "store/store.h"
#include "wal/wal.h"

struct drain;

struct drain_config {
    struct wal *wal;
    struct digests *digests; /* of the receivers; may be NULL */
    const struct store_ops *store_ops;
    struct store *store;
    struct content_store *content;
    struct keystore *keystore;
    const struct price_table *prices; /* for spans whose parts came apart */
    struct meter *meter;              /* of what is stored; NULL: none */
    struct policy *tenants;           /* whose content is kept; NULL: all */
    bool leave_unreported;            /* no tokens are counted that nobody reported */
    struct settle_times settle;
    size_t open_bytes_max; /* default 96 MiB */
    int64_t tick_ns;       /* default 100 ms */
    int64_t behind_ns;     /* busy for so long: behind; 0: 250 ms, negative: always (tests) */
    /* New spans, as appended, for live tails; on drain's thread. May be NULL. */
    void (*on_spans)(void *arg, const struct store_span *spans, size_t count);
    void *on_spans_arg;
};

struct drain_status {
    uint64_t sequence;   /* last log record read */
    uint64_t checkpoint; /* everything up to here is stored */
    uint64_t batches, spans, logs, metrics, scores;
    uint64_t duplicate_batches;
    uint64_t traces_settled, spans_settled, traces_late;
    uint64_t joined_scores;   /* by the beginning of their trace's id */
    uint64_t parked_scores;   /* of those the trace is unknown, or one of several */
    uint64_t estimated_calls; /* whose tokens nobody had reported */
    uint64_t corrupt_records, store_errors;
    uint64_t deferred_spans; /* not shown before they settled: drain was behind */
    uint64_t digests;        /* records of such spans that need not be read for their ids */
    uint64_t open_traces, open_bytes;
    int64_t behind_ns; /* age of the oldest record not yet visible; 0: none */
};

struct drain *drain_new(const struct drain_config *config);
void drain_start(struct drain *drain);
/* Stop; `settle_all`: open traces settle first (tests, orderly shutdown of small ones). */
void drain_stop(struct drain *drain, bool settle_all);
void drain_free(struct drain *drain);
void drain_status(struct drain *drain, struct drain_status *ret_status);
