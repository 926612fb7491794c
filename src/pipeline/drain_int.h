/* drain_int.h -- what drain.c and settle.c share.
 *
 * Memory:  struct drain owns everything here.
 * Threads: drain's thread, but for the counters.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "pipeline/drain.h"
#include "pipeline/estimate.h"
#include "pipeline/held.h"
#include "pipeline/named_spans.h"
#include "pipeline/parked.h"
#include "sys/thread.h"
#include <stdatomic.h>

enum {
    PACE_LAG_PARTS = 100,
    DRAIN_MAGIC = 0x4e415244,
    BATCH_CACHE_COUNT = 64,    /* decrypted batches kept while traces settle */
    SETTLE_TRACES_MAX = 32768, /* taken out at a time, and their fate looked up */
    COMMIT_TRACES_MAX = 4096,
    APPEND_SPANS_MAX = 1024,   /* shown together: they and their copies fit the processor's cache */
    RETRY_SET_COUNT = 1 << 16, /* body hashes of the last 10 minutes */
};
/* Of decoded spans, without content, in one commit: so much stays in the processor's cache until
 * it is stored.  A commit with content waits for the disk, and is larger. */
#define COMMIT_BYTES (2 * MIB)
#define COMMIT_BYTES_SYNCED (16 * MIB)
#define COMMIT_BYTES_MAX (48 * MIB)
#define DRAIN_BEHIND_NS (250 * NS_PER_MS)
/* So that commits are large.  Not while more is due, nor with nothing else to do. */
/* A lag of more than PACE_LAG_NS makes senders wait, 1 ms for each PACE_LAG_PARTS ms more. */
#define PACE_LAG_NS (250 * NS_PER_MS)
#define PACE_MAX_NS (8 * NS_PER_MS)
#define SETTLE_PAUSE_BEHIND_NS (1 * NS_PER_S)
enum {
    DRAIN_BUSY_WAIT_PERCENT = 5,
    DRAIN_FREE_WAIT_PERCENT = 50,
    DRAIN_FREE_WINDOWS = 4, /* settling comes in bursts: to see that one is free takes longer */
};
#define DRAIN_RETRY_WINDOW_NS (600 * NS_PER_S)
/* Of memory for what settles together; a trace that needs more gets it. */
#define SETTLE_ROOM ((size_t)512 * MIB)

struct cached_batch {
    struct wal_position position;
    uint64_t used_at;
    struct buf bytes;
    bool filled;
};

struct seen_body {
    uint64_t hash;
    int64_t seen_ns; /* monotonic; 0: empty */
};

struct drain {
    uint32_t magic;
    struct drain_config config;
    struct thread thread;
    _Atomic bool stopping, settle_all;
    struct wal_reader *reader;        /* follows the log */
    struct wal_reader *settle_reader; /* goes back to settled spans */
    struct wal_position skipped;      /* the last record that was known without reading it, */
    bool has_skipped;                 /* and `reader` is not behind it yet */
    struct open_traces *traces;
    struct estimator *estimator;
    struct named_spans named;
    struct cached_batch cache[BATCH_CACHE_COUNT];
    uint64_t cache_clock;
    size_t cache_last; /* the one of the last look-up: spans of a trace lie together */
    struct seen_body *seen;
    struct arena append_arena, settle_arena;
    struct store_span *pending;
    size_t pending_count;
    uint64_t items_stored; /* logs, metrics and scores up to this sequence are stored (replay) */
    struct held held;
    struct parked parked;
    uint64_t durable; /* checkpoint that the store has on disk: the log may go up to it */
    int64_t last_append_ns, last_commit_ns, oldest_pending_ns;
    int64_t start_ns, log_time_ns; /* monotonic; log_time: when the last record was received */
    bool at_end;                   /* of the log: then it is now in the log, too */
    bool more_due;                 /* than were taken the last time */
    int64_t window_start_ns, window_waited_ns; /* of the last behind_ns: how much was waiting */
    bool behind;
    int64_t oldest_deferred_ns; /* received; 0: everything read is visible */
    uint64_t deferred_through;  /* sequence of the newest record that is not */
    struct open_trace **due;
    bool *known;        /* of `due`: stored before */
    size_t known_count; /* of `due` that were looked up */
    bool gave_up;       /* stopping, and the store failed: nothing more is settled */
    _Atomic uint64_t sequence, checkpoint, batches, spans, logs, metrics, duplicate_batches,
        traces_settled, spans_settled, traces_late, corrupt_records, store_errors, open_traces,
        open_bytes, deferred_spans, digests, scores, estimated_calls, joined_scores, parked_scores;
    _Atomic int64_t behind_ns;
};

/* Settle what is due (or all, when forced) and commit. False: nothing was due. */
bool drain_settle(struct drain *drain, bool force);
