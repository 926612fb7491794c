/* drain.c -- the loop: read the log, show new spans, settle old traces.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/drain.h"
#include "base/check.h"
#include "pipeline/drain_int.h"
#include "sys/clock.h"
#include "sys/log.h"

enum {
    ARENA_BUDGET = 512 * 1024 * 1024,
    READS_PER_TURN = 256,
    PEND_BYTES_MAX = 48 * 1024 * 1024,
    LOG_CROWDED_PERCENT = 75, /* the oldest traces settle early, to give room back */
};

struct drain *drain_new(const struct drain_config *config)
{
    struct drain *drain = xcalloc(1, sizeof *drain);
    drain->magic = DRAIN_MAGIC;
    drain->config = *config;
    drain->traces = open_traces_new(&config->settle);
    drain->estimator = config->leave_unreported ? NULL : estimator_new(config->prices);
    drain->seen = xcalloc(RETRY_SET_COUNT, sizeof *drain->seen);
    drain->pending = xcalloc(APPEND_SPANS_MAX, sizeof *drain->pending);
    drain->due = xcalloc(SETTLE_TRACES_MAX, sizeof(struct open_trace *));
    drain->known = xcalloc(SETTLE_TRACES_MAX, sizeof *drain->known);
    arena_init(&drain->append_arena, ARENA_BUDGET);
    arena_init(&drain->settle_arena, SETTLE_ROOM);
    held_init(&drain->held);
    for (size_t i = 0; i < BATCH_CACHE_COUNT; i++)
        buf_init(&drain->cache[i].bytes, 80 * MIB);
    struct store_status status;
    config->store_ops->status(config->store, &status);
    drain->checkpoint = status.checkpoint_sequence;
    drain->durable = status.checkpoint_sequence;
    drain->items_stored = status.items_sequence;
    drain->sequence = status.checkpoint_sequence;
    drain->config.behind_ns = config->behind_ns ? config->behind_ns : DRAIN_BEHIND_NS;
    drain->behind = config->behind_ns < 0;
    if (config->digests)
        digests_want(config->digests, drain->behind);
    drain->start_ns = drain->window_start_ns = clock_monotonic_ns();
    drain->reader = wal_reader_new(config->wal, status.checkpoint_sequence);
    drain->settle_reader = wal_reader_new(config->wal, status.checkpoint_sequence);
    return drain;
}

void drain_free(struct drain *drain)
{
    if (!drain)
        return;
    CHECK(drain, DRAIN_MAGIC);
    wal_reader_free(drain->reader);
    wal_reader_free(drain->settle_reader);
    open_traces_free(drain->traces);
    estimator_free(drain->estimator);
    for (size_t i = 0; i < BATCH_CACHE_COUNT; i++)
        buf_clear(&drain->cache[i].bytes);
    arena_clear(&drain->append_arena);
    arena_clear(&drain->settle_arena);
    held_clear(&drain->held);
    parked_clear(&drain->parked);
    named_spans_clear(&drain->named);
    xfree(drain->seen);
    xfree(drain->pending);
    xfree(drain->due);
    xfree(drain->known);
    xfree(drain);
}

/* A body equal to one of the last 10 minutes is a sender's retry (DECISIONS 2). */
static bool is_retry(struct drain *drain, uint64_t hash, int64_t now_ns)
{
    if (hash == 0)
        return false;
    struct seen_body *slot = NULL;
    for (size_t probe = 0; probe < 8; probe++) {
        struct seen_body *at = &drain->seen[(hash + probe) & (RETRY_SET_COUNT - 1)];
        bool fresh = at->seen_ns && now_ns - at->seen_ns < DRAIN_RETRY_WINDOW_NS;
        if (fresh && at->hash == hash)
            return true;
        if (!slot || (at->seen_ns < slot->seen_ns))
            slot = at;
    }
    *slot = (struct seen_body){ hash, now_ns };
    return false;
}

/* Append what is pending; the arena stays, since the rest of a batch may live in it. */
static void show_pending(struct drain *drain)
{
    if (drain->pending_count == 0)
        return;
    struct diag why = DIAG_NONE;
    enum err err = drain->config.store_ops->append(drain->config.store, drain->pending,
                                                   drain->pending_count, &why);
    if (err) { /* they are in the log and come again when they settle */
        atomic_fetch_add(&drain->store_errors, 1);
        log_error("cannot show new spans", KV_ERR(err), KV_WHY(&why));
    } else if (drain->config.on_spans) {
        drain->config.on_spans(drain->config.on_spans_arg, drain->pending, drain->pending_count);
    }
    drain->pending_count = 0;
    drain->oldest_pending_ns = 0;
    drain->last_append_ns = clock_monotonic_ns();
}

static void append_pending(struct drain *drain)
{
    show_pending(drain);
    arena_reset(&drain->append_arena);
}

static uint32_t roles_of(const struct span *span)
{
    uint32_t roles = 0;
    for (uint32_t i = 0; i < span->part_count; i++)
        roles |= UINT32_C(1) << span->parts[i].role;
    return roles;
}

static void pend_span(struct drain *drain, const struct span *span, struct span_ref ref)
{
    bool is_begin =
        SPAN_KNOWS(span, source_id) && SPAN_KNOWS(span, name) && SPAN_KNOWS(span, start_time);
    if (span->is_addition && !is_begin)
        return;
    if (drain->pending_count == APPEND_SPANS_MAX)
        show_pending(drain);
    struct store_span *row = &drain->pending[drain->pending_count++];
    *row = (struct store_span){
        .span = *span,
        .log_segment = ref.position.segment,
        .log_offset = ref.position.offset,
        .log_index = ref.index,
        .content_roles = roles_of(span),
    };
    if (!SPAN_KNOWS(span, status)) /* a part that has only begun */
        SPAN_SET(&row->span, status, STR_OF("unset"));
}

/* When a record was received, on the monotonic clock: a trace waits for its spans as long in
 * the log's time as it would if drain kept up.  What an earlier process received counts from
 * the start of this one, so that senders get the time to come back. */
static int64_t log_time(struct drain *drain, int64_t received_ns)
{
    int64_t now_ns = clock_monotonic_ns();
    int64_t age_ns = MAX(clock_now_ns() - received_ns, (int64_t)0);
    int64_t at_ns = MAX(now_ns - age_ns, drain->start_ns);
    drain->log_time_ns = MAX(drain->log_time_ns, at_ns);
    return drain->log_time_ns;
}

/* A message that names its span alone is of the trace that span is of. */
static void name_trace(struct drain *drain, str project, struct id16 *trace_id, struct id8 span_id,
                       bool is_remembered)
{
    if (id16_is_zero(*trace_id))
        *trace_id = named_spans_find(&drain->named, project, span_id);
    else if (is_remembered)
        named_spans_put(&drain->named, project, span_id, *trace_id);
}

static void take_spans(struct drain *drain, const struct batch *batch, uint64_t sequence,
                       struct wal_position position)
{
    int64_t seen_ns = log_time(drain, batch->received_ns);
    for (uint32_t i = 0; i < batch->span_count; i++) {
        struct span *span = &batch->spans[i];
        struct span_ref ref = { position, i };
        name_trace(drain, batch->project, &span->trace_id, span->span_id,
                   SPAN_KNOWS(span, source_id));
        struct open_trace *trace =
            open_traces_get(drain->traces, batch->project, span->trace_id, sequence, seen_ns);
        bool is_root = !SPAN_KNOWS(span, parent_span_id) && !span_is_open(span);
        open_traces_add_ref(drain->traces, trace, ref, is_root, seen_ns);
        pend_span(drain, span, ref);
    }
    atomic_fetch_add(&drain->spans, batch->span_count);
}

/* Behind: hardly ever waiting.  No longer: waiting half of the time, since there is
 * about half as much to do for a span that is not shown. */
static void judge_behind(struct drain *drain)
{
    int64_t window_ns = clock_monotonic_ns() - drain->window_start_ns;
    int64_t windows = drain->behind ? DRAIN_FREE_WINDOWS : 1;
    if (drain->config.behind_ns < 0 || window_ns < drain->config.behind_ns * windows)
        return;
    int64_t percent = drain->behind ? DRAIN_FREE_WAIT_PERCENT : DRAIN_BUSY_WAIT_PERCENT;
    drain->behind = drain->window_waited_ns * 100 < window_ns * percent;
    if (drain->config.digests)
        digests_want(drain->config.digests, drain->behind);
    drain->window_start_ns += window_ns;
    drain->window_waited_ns = 0;
}

/* Remember the spans without decoding them: they are decoded once, when they settle. */
static void defer_spans(struct drain *drain, const struct batch_header *header,
                        const struct batch_span_ids *ids, uint64_t sequence,
                        struct wal_position position)
{
    int64_t seen_ns = log_time(drain, header->received_ns);
    for (uint32_t i = 0; i < header->span_count; i++) {
        struct id16 trace_id = ids[i].trace_id;
        name_trace(drain, header->project, &trace_id, ids[i].span_id, ids[i].is_open);
        struct open_trace *trace =
            open_traces_get(drain->traces, header->project, trace_id, sequence, seen_ns);
        open_traces_add_ref(drain->traces, trace, (struct span_ref){ position, i },
                            !ids[i].has_parent && !ids[i].is_open, seen_ns);
    }
    if (!drain->oldest_deferred_ns)
        drain->oldest_deferred_ns = header->received_ns;
    drain->deferred_through = sequence;
    atomic_fetch_add(&drain->spans, header->span_count);
    atomic_fetch_add(&drain->deferred_spans, header->span_count);
    atomic_fetch_add(&drain->batches, 1);
}

/* Log records, metric points and scores go into the next commit. */
static enum err hold_items(struct drain *drain, str bytes)
{
    if (held_is_full(&drain->held))
        while (drain_settle(drain, false) && held_count(&drain->held) > 0)
            continue;
    return held_add(&drain->held, bytes);
}

/* Decode, remember, show. */
static enum err show_batch(struct drain *drain, str bytes, const struct batch_header *header,
                           uint64_t sequence, struct wal_position position, struct diag *why)
{
    struct batch batch;
    str copy = arena_str(&drain->append_arena, bytes);
    enum err err = batch_decode(&drain->append_arena, copy, &batch, why);
    if (err)
        return err;
    if (!drain->oldest_pending_ns)
        drain->oldest_pending_ns = header->received_ns;
    take_spans(drain, &batch, sequence, position);
    if ((batch.log_count || batch.metric_count || batch.score_count) &&
        sequence > drain->items_stored)
        err = hold_items(drain, bytes);
    atomic_fetch_add(&drain->batches, 1);
    atomic_fetch_add(&drain->logs, batch.log_count);
    atomic_fetch_add(&drain->metrics, batch.metric_count);
    atomic_fetch_add(&drain->scores, batch.score_count);
    return err;
}

/* One record of the log. */
static void take_record(struct drain *drain, str bytes, uint64_t sequence,
                        struct wal_position position)
{
    struct diag why = DIAG_NONE;
    struct batch_header header;
    enum err err = batch_peek(bytes, &header, &why);
    if (!err && is_retry(drain, header.body_hash, clock_monotonic_ns())) {
        atomic_fetch_add(&drain->duplicate_batches, 1);
        return;
    }
    if (!err && (drain->pending_count + header.span_count > APPEND_SPANS_MAX ||
                 drain->append_arena.used_bytes > PEND_BYTES_MAX))
        append_pending(drain);
    bool has_items = header.log_count || header.metric_count || header.score_count;
    if (!err && drain->behind && !has_items) {
        struct batch_span_ids *ids;
        err = batch_peek_spans(&drain->append_arena, bytes, &ids, &why);
        if (!err)
            defer_spans(drain, &header, ids, sequence, position);
    } else if (!err)
        err = show_batch(drain, bytes, &header, sequence, position, &why);
    if (!err)
        return;
    atomic_fetch_add(&drain->corrupt_records, 1);
    log_error("cannot read a log record", KV_U64("sequence", sequence), KV_ERR(err), KV_WHY(&why));
}

/* The next record, if a worker sent along what is needed of it. */
static bool take_digest(struct drain *drain)
{
    uint64_t sequence = atomic_load(&drain->sequence) + 1;
    const struct digest *digest =
        drain->config.digests ? digest_next(drain->config.digests, sequence) : NULL;
    if (!digest || !drain->behind)
        return false;
    if (is_retry(drain, digest->header.body_hash, clock_monotonic_ns()))
        atomic_fetch_add(&drain->duplicate_batches, 1);
    else
        defer_spans(drain, &digest->header, digest->ids, sequence, digest->position);
    atomic_fetch_add(&drain->digests, 1);
    drain->skipped = digest->position;
    drain->has_skipped = true;
    drain->at_end = false;
    atomic_store(&drain->sequence, sequence);
    return true;
}

/* Read what is there, a turn's worth at most. */
static size_t read_log(struct drain *drain)
{
    size_t count = 0;
    for (; count < READS_PER_TURN; count++) {
        if (take_digest(drain))
            continue;
        if (drain->has_skipped)
            wal_reader_skip(drain->reader, drain->skipped, atomic_load(&drain->sequence));
        drain->has_skipped = false;
        str bytes;
        uint64_t sequence = 0;
        struct wal_position position;
        struct diag why = DIAG_NONE;
        enum err err = wal_read(drain->reader, &bytes, &sequence, &position, &why);
        drain->at_end = err == ERR_NOT_FOUND;
        if (err == ERR_NOT_FOUND)
            break;
        if (err) {
            atomic_fetch_add(&drain->corrupt_records, 1);
            log_error("skipped a damaged log record", KV_ERR(err), KV_WHY(&why));
            if (err != ERR_CORRUPT)
                break;
            continue;
        }
        take_record(drain, bytes, sequence, position);
        atomic_store(&drain->sequence, sequence);
        if (clock_monotonic_ns() - drain->last_append_ns > drain->config.tick_ns)
            append_pending(drain);
    }
    return count;
}

/* What was received and not yet looked at gets older: senders that wait for their answers are
 * given them a little later, and leave drain some of the processors. */
static void pace_senders(struct drain *drain)
{
    int64_t lag_ns = drain->at_end ? 0 : clock_monotonic_ns() - drain->log_time_ns;
    int64_t pace_ns = (lag_ns - PACE_LAG_NS) / PACE_LAG_PARTS;
    wal_pace(drain->config.wal, MIN(MAX(pace_ns, (int64_t)0), (int64_t)PACE_MAX_NS));
}

static void publish_state(struct drain *drain)
{
    atomic_store(&drain->open_traces, open_traces_count(drain->traces));
    atomic_store(&drain->open_bytes, open_traces_memory(drain->traces));
    if (atomic_load(&drain->checkpoint) >= drain->deferred_through)
        drain->oldest_deferred_ns = 0;
    if (drain->pending_count == 0) /* what was read holds no spans to be shown */
        drain->oldest_pending_ns = 0;
    int64_t oldest =
        drain->oldest_deferred_ns ? drain->oldest_deferred_ns : drain->oldest_pending_ns;
    atomic_store(&drain->behind_ns, oldest ? MAX(clock_now_ns() - oldest, (int64_t)0) : 0);
}

static void drain_run(void *arg)
{
    struct drain *drain = arg;
    CHECK(drain, DRAIN_MAGIC);
    while (!atomic_load(&drain->stopping)) {
        size_t count = read_log(drain);
        int64_t since = clock_monotonic_ns() - drain->last_append_ns;
        if (drain->pending_count && (count == 0 || since > drain->config.tick_ns) &&
            since > drain->config.tick_ns / 4)
            append_pending(drain);
        /* With all of it read, it is open traces that keep the log from shrinking. */
        bool is_crowded =
            count < READS_PER_TURN && wal_fill_percent(drain->config.wal) >= LOG_CROWDED_PERCENT;
        bool over = is_crowded || open_traces_memory(drain->traces) > drain->config.open_bytes_max;
        bool settled = drain_settle(drain, over);
        publish_state(drain);
        pace_senders(drain);
        judge_behind(drain);
        if (count == 0 && !settled) {
            bool idle = drain->pending_count == 0;
            int64_t from_ns = clock_monotonic_ns();
            wal_wait(drain->config.wal, atomic_load(&drain->sequence),
                     idle ? drain->config.tick_ns : drain->config.tick_ns / 4);
            drain->window_waited_ns += clock_monotonic_ns() - from_ns;
        }
    }
    append_pending(drain);
    if (atomic_load(&drain->settle_all)) {
        while (read_log(drain) > 0)
            append_pending(drain);
        while (drain_settle(drain, true))
            continue;
    }
    publish_state(drain);
}

void drain_start(struct drain *drain)
{
    CHECK(drain, DRAIN_MAGIC);
    thread_start(&drain->thread, "drain", drain_run, drain);
}

void drain_stop(struct drain *drain, bool settle_all)
{
    CHECK(drain, DRAIN_MAGIC);
    atomic_store(&drain->settle_all, settle_all);
    atomic_store(&drain->stopping, true);
    thread_join(&drain->thread);
}

void drain_status(struct drain *drain, struct drain_status *ret_status)
{
    CHECK(drain, DRAIN_MAGIC);
    *ret_status = (struct drain_status){
        .sequence = drain->sequence,
        .checkpoint = drain->checkpoint,
        .batches = drain->batches,
        .spans = drain->spans,
        .logs = drain->logs,
        .metrics = drain->metrics,
        .scores = drain->scores,
        .joined_scores = drain->joined_scores,
        .parked_scores = drain->parked_scores,
        .duplicate_batches = drain->duplicate_batches,
        .traces_settled = drain->traces_settled,
        .spans_settled = drain->spans_settled,
        .traces_late = drain->traces_late,
        .estimated_calls = drain->estimated_calls,
        .corrupt_records = drain->corrupt_records,
        .store_errors = drain->store_errors,
        .deferred_spans = drain->deferred_spans,
        .digests = drain->digests,
        .open_traces = drain->open_traces,
        .open_bytes = drain->open_bytes,
        .behind_ns = drain->behind_ns,
    };
}
