/* settle.c -- traces that are complete: read again, merged, summed, stored for good.
 *
 * The order makes a crash harmless: keys are synced before content that needs
 * them, content before the rows that point at it, rows together with the
 * checkpoint; only then is the log released.  Anything in between is done again
 * from the log with the same result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "pipeline/assemble.h"
#include "pipeline/settle_int.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "wire/json.h"
#include <stdlib.h>

enum { STORE_RETRY_MS = 250 };
/* A flag of a span whose content was not kept, as of most traces (docs/limits.md). */
#define SETTLE_SAMPLED_OUT "content_sampled_out"
enum {
    SCORES_JOINED = 1024,      /* to traces of earlier commits, after one commit */
    SCORES_JOINED_BEHIND = 64, /* the same while there is much to do */
};
/* Of the log, that settled spans keep: then their store is to let go of it soon.  Files that are
 * used again soon are still in the page cache; new ones cost several times as much. */
#define LOG_KEPT_BYTES (128 * MIB)
/* Of memory, for a trace that needs more than SETTLE_ROOM. */
#define SETTLE_ROOM_MAX (UINT64_C(65536) * MIB)
/* Of work in one commit, so that a crash undoes no more. */
#define SETTLE_NS_MAX (250 * NS_PER_MS)

static bool is_cached(const struct cached_batch *at, struct wal_position position)
{
    return at->filled && at->position.segment == position.segment &&
           at->position.offset == position.offset;
}

static enum err log_record_bytes(struct drain *drain, struct wal_position position, str *ret_bytes,
                                 struct diag *why)
{
    struct cached_batch *oldest = &drain->cache[drain->cache_last];
    if (is_cached(oldest, position)) {
        *ret_bytes = buf_str(&oldest->bytes);
        return ERR_OK;
    }
    drain->cache_clock++;
    for (size_t i = 0; i < BATCH_CACHE_COUNT; i++) {
        struct cached_batch *at = &drain->cache[i];
        if (is_cached(at, position)) {
            at->used_at = drain->cache_clock;
            drain->cache_last = i;
            *ret_bytes = buf_str(&at->bytes);
            return ERR_OK;
        }
        if (at->used_at < oldest->used_at)
            oldest = at;
    }
    drain->cache_last = (size_t)(oldest - drain->cache);
    buf_reset(&oldest->bytes);
    oldest->filled = false;
    enum err err = (drain->behind ? wal_read_on : wal_read_at)(drain->settle_reader, position,
                                                               &oldest->bytes, why);
    if (err)
        return err;
    oldest->filled = true;
    oldest->position = position;
    oldest->used_at = drain->cache_clock;
    *ret_bytes = buf_str(&oldest->bytes);
    return ERR_OK;
}

/* The span records of a trace, from the log, each where its final row will stand.
 * Unreadable ones are counted and left out.  Their content stays in the cached batches, all
 * of which are there until the next trace, unless they are too many. */
static size_t read_spans(struct settling *settling, const struct open_trace *open,
                         struct span **ret_spans)
{
    struct drain *drain = settling->drain;
    size_t count = 0;
    struct store_span *rows = arena_alloc(settling->arena, open->ref_count * sizeof *rows);
    bool is_small = open->ref_count <= BATCH_CACHE_COUNT;
    for (uint32_t i = 0; i < open->ref_count; i++) {
        struct diag why = DIAG_NONE;
        str bytes;
        struct span *span = &rows[count].span;
        enum err err =
            rows ? log_record_bytes(drain, open->refs[i].position, &bytes, &why) : ERR_LIMIT;
        if (!err)
            err = (is_small ? batch_decode_span_lean : batch_decode_span)(
                settling->arena, bytes, open->refs[i].index, span, &why);
        if (!err) {
            span->trace_id = open->trace_id; /* its sender may not have said it */
            ret_spans[count++] = span;
            continue;
        }
        atomic_fetch_add(&drain->corrupt_records, 1);
        log_error("cannot read a span back from the log", KV_ERR(err), KV_WHY(&why));
    }
    return count;
}

/* ---- content ---- */

static bool same_subject(const struct span *a, const struct span *b)
{
    return str_equal(SPAN_KNOWS(a, user_id) ? a->user_id : STR_NONE,
                     SPAN_KNOWS(b, user_id) ? b->user_id : STR_NONE) &&
           str_equal(SPAN_KNOWS(a, tenant_id) ? a->tenant_id : STR_NONE,
                     SPAN_KNOWS(b, tenant_id) ? b->tenant_id : STR_NONE);
}

static enum err append_frame(struct settling *settling, struct trace_row *row,
                             const struct span *subject, const struct content_item *items,
                             size_t count)
{
    struct drain *drain = settling->drain;
    struct diag why = DIAG_NONE;
    struct crypt_key key;
    uint64_t key_id;
    struct written_content *written = arena_new(settling->arena, struct written_content, 1);
    if (!written)
        return ERR_LIMIT;
    *written = (struct written_content){ .row = row };
    enum err err = keystore_subject_key(
        drain->config.keystore, row->project,
        SPAN_KNOWS(subject, tenant_id) ? subject->tenant_id : STR_NONE,
        SPAN_KNOWS(subject, user_id) ? subject->user_id : STR_NONE, &key, &key_id, &why);
    if (!err)
        err = content_append(drain->config.content, row->trace_id, &key, key_id, items, count,
                             &written->content, &written->preview, &why);
    crypt_wipe(&key, sizeof key);
    if (err) {
        log_error("cannot write content", KV_ERR(err), KV_WHY(&why));
        return err;
    }
    *settling->written_end = written;
    settling->written_end = &written->next;
    return ERR_OK;
}

static void add_pointer(struct trace_row *row, const struct content_pointer *pointer)
{
    if (pointer->segment == 0)
        return;
    assert(row->content_count < TRACE_CONTENT_MAX);
    row->content[row->content_count++] =
        (struct trace_content){ pointer->segment, pointer->offset, pointer->len };
}

/* The content is synced: now it is known where it is. */
static void point_at_content(const struct settling *settling)
{
    for (struct written_content *at = settling->written; at; at = at->next) {
        add_pointer(at->row, &at->content);
        add_pointer(at->row, &at->preview);
    }
}

/* One frame per subject of the trace; nearly always there is one. */
static enum err write_content(struct settling *settling, struct trace_row *row, struct span **spans,
                              size_t count)
{
    size_t part_count = 0;
    for (size_t i = 0; i < count; i++)
        part_count += spans[i]->part_count;
    if (part_count == 0)
        return ERR_OK;
    struct content_item *items = arena_new(settling->arena, struct content_item, part_count);
    bool *done = arena_new(settling->arena, bool, count);
    if (!items || !done)
        return ERR_LIMIT;
    size_t frames = 0; /* each of up to two pointers */
    for (size_t i = 0; i < count; i++) {
        size_t item_count = 0;
        bool is_last_frame = row->content_count + (frames + 2) * 2 > TRACE_CONTENT_MAX;
        for (size_t j = i; j < count; j++) {
            if (done[j] || (!is_last_frame && !same_subject(spans[i], spans[j])))
                continue;
            done[j] = true;
            for (uint32_t p = 0; p < spans[j]->part_count; p++)
                items[item_count++] =
                    (struct content_item){ spans[j]->span_id, spans[j]->parts[p].role,
                                           spans[j]->parts[p].json };
        }
        enum err err =
            item_count ? append_frame(settling, row, spans[i], items, item_count) : ERR_OK;
        if (err)
            return err;
        frames += item_count > 0;
    }
    return ERR_OK;
}

/* ---- one trace ---- */

/* The rows that the spans stand in, when these are in one piece and in order. */
static struct store_span *rows_of(struct span **spans, size_t count, bool are_rows)
{
    _Static_assert(offsetof(struct store_span, span) == 0, "a row begins with its span");
    struct store_span *rows = (struct store_span *)(void *)spans[0];
    for (size_t i = 0; i < count && are_rows; i++)
        are_rows = spans[i] == &rows[i].span;
    return are_rows ? rows : NULL;
}

static enum err make_final(struct settling *settling, size_t index, struct span **spans,
                           size_t count)
{
    assert(count > 0 && spans[0]);
    struct store_span *final = rows_of(spans, count, !settling->known[index]);
    bool is_copy = !final;
    if (is_copy)
        final = arena_alloc(settling->arena, count * sizeof *final);
    if (!final)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        if (is_copy)
            final[i].span = *spans[i];
        memset((char *)&final[i] + sizeof final->span, 0, sizeof *final - sizeof final->span);
        final[i].settled = true;
        for (uint32_t p = 0; p < spans[i]->part_count; p++)
            final[i].content_roles |= UINT32_C(1) << spans[i]->parts[p].role;
        final[i].span.part_count = 0; /* they are written, and their texts may be gone */
    }
    settling->spans[index] = final;
    settling->span_counts[index] = (uint32_t)count;
    return ERR_OK;
}

/* Calls that count and that nobody counted the tokens of. */
static enum err estimate_calls(struct settling *settling, struct span **spans, size_t count,
                               struct trace_row *row)
{
    struct drain *drain = settling->drain;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && !err; i++) {
        bool done;
        err = estimate_usage(drain->estimator, settling->arena, spans[i], &done);
        if (err || !done)
            continue;
        assemble_add_usage(row, spans[i]);
        atomic_fetch_add(&drain->estimated_calls, 1);
    }
    return err;
}

/* The model of a call may have come in another part than its usage. */
static enum err price_parts(struct settling *settling, struct span **spans, size_t count)
{
    const struct price_table *prices = settling->drain->config.prices;
    enum err err = ERR_OK;
    for (size_t i = 0; prices && i < count && !err; i++)
        if (SPAN_KNOWS(spans[i], source_id))
            err = price_span(prices, settling->arena, spans[i]);
    return err;
}

/* A sender marks what it wants to look at: then the trace has a share of its own. */
static bool is_for_debugging(struct span **spans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_debug;
        const struct attr *attr =
            attr_find(spans[i]->attrs, spans[i]->attr_count, STR_OF("telltale.debug"));
        if (attr && value_as_bool(&attr->value, &is_debug) && is_debug)
            return true;
    }
    return false;
}

/* Content of a share of the traces only: all else of a trace stays, and says so.  Its tokens are
 * counted already. */
static enum err sample_content(struct settling *settling, const struct trace_row *row,
                               struct span **spans, size_t count)
{
    struct policy *policy = settling->drain->config.tenants;
    const struct policy_sender who = { row->project, row->tenant_id, STR_NONE };
    struct policy_limits limits;
    bool is_dropped = false;
    if (!policy || !policy_samples(policy))
        return ERR_OK;
    policy_find(policy, &who, &limits);
    if (policy_keeps_content(&limits, row->trace_id, is_for_debugging(spans, count)))
        return ERR_OK;
    for (size_t i = 0; i < count; i++) {
        if (spans[i]->part_count == 0)
            continue;
        spans[i]->part_count = 0;
        is_dropped = true;
        if (!span_add_flag(spans[i], settling->arena, STR_OF(SETTLE_SAMPLED_OUT)))
            return ERR_LIMIT;
    }
    policy_count(policy, limits.rule, POLICY_CUT_CONTENT, is_dropped);
    return ERR_OK;
}

static enum err settle_trace(struct settling *settling, size_t index)
{
    struct drain *drain = settling->drain;
    const struct open_trace *open = settling->open[index];
    str project = open_traces_project(drain->traces, open->project);
    struct trace_row known_row = { 0 };
    struct away away = { .count = 0 };
    struct span **spans = NULL;
    size_t count = 0;
    if (settling->known[index]) {
        atomic_fetch_add(&drain->traces_late, 1);
        enum err err = settle_read_known(settling, index, &spans, &count, &known_row);
        if (!err)
            err = settle_restore_content(settling, &known_row, spans, count, &away);
        if (err)
            return err;
    } else {
        spans = arena_new(settling->arena, struct span *, open->ref_count);
        if (!spans)
            return ERR_LIMIT;
    }
    count += read_spans(settling, open, spans + count);
    if (count == 0)
        return ERR_OK; /* nothing could be read: counted above */
    assemble_merge(settling->arena, spans, count, &count);
    struct trace_row *row = &settling->rows[index];
    enum err err = price_parts(settling, spans, count);
    if (!err)
        err = assemble_trace(settling->arena, spans, count, row);
    if (!err)
        err = estimate_calls(settling, spans, count, row);
    row->project = project;
    if (!err)
        err = sample_content(settling, row, spans, count);
    if (err)
        return err;
    row->content_count = away.count;
    memcpy(row->content, away.frames, sizeof row->content);
    err = write_content(settling, row, spans, count);
    if (!err)
        err = make_final(settling, index, spans, count);
    return err || !away.count ? err : settle_keep_roles(settling, index);
}

/* ---- the commit ---- */

/* Which of all that is due were stored before; asked once for many commits. */
static enum err find_known(struct drain *drain, size_t count, struct diag *why)
{
    struct arena *arena = &drain->settle_arena;
    str *projects = arena_new(arena, str, count);
    struct id16 *ids = arena_new(arena, struct id16, count);
    if (!projects || !ids)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        projects[i] = open_traces_project(drain->traces, drain->due[i]->project);
        ids[i] = drain->due[i]->trace_id;
    }
    enum err err = drain->config.store_ops->known(drain->config.store, projects, ids, count,
                                                  drain->known, why);
    if (!err)
        drain->known_count = count;
    arena_reset(arena);
    return err;
}

/* What is stored once `settling` is: everything before the first trace still open. */
static uint64_t checkpoint_after(struct drain *drain, const struct settling *settling)
{
    for (size_t i = 0; i < settling->count; i++) /* they leave the order now */
        open_traces_done(drain->traces, settling->open[i]);
    uint64_t first = open_traces_first_sequence(drain->traces);
    return first == UINT64_MAX ? atomic_load(&drain->sequence) : first - 1;
}

/* Keys before content that needs them, content before rows that point at it.  Even in vain,
 * so that nothing of this commit is still being written. */
static enum err sync_content(struct drain *drain, struct diag *why)
{
    enum err err = keystore_sync(drain->config.keystore, why);
    enum err synced = content_sync(drain->config.content, err ? NULL : why);
    return err ? err : synced;
}

/* False: told to stop before it worked. */
static bool commit_until_done(struct drain *drain, const struct store_commit *commit)
{
    for (;;) {
        struct diag why = DIAG_NONE;
        enum err err = drain->config.store_ops->commit(drain->config.store, commit, &why);
        if (!err)
            return true;
        atomic_fetch_add(&drain->store_errors, 1);
        log_error("cannot store settled traces, trying again; nothing is lost, the log holds them",
                  KV_ERR(err), KV_WHY(&why));
        if (atomic_load(&drain->stopping))
            return false;
        clock_sleep_ns(STORE_RETRY_MS * NS_PER_MS);
    }
}

/* After changes were completed: a change may be of a parked one. */
static void join_parked(struct drain *drain, const struct store_commit *commit)
{
    struct parked_place place = { .ops = drain->config.store_ops,
                                  .store = drain->config.store,
                                  .rows = commit->traces,
                                  .row_count = commit->trace_count };
    parked_join(&drain->parked, &drain->held, &place);
    atomic_store(&drain->joined_scores, drain->parked.joined);
    atomic_store(&drain->parked_scores, drain->parked.unknown + drain->parked.ambiguous);
}

/* The numbers of what was stored, once it is: what fails comes again. */
static void feed_meter(struct settling *settling, const struct store_commit *commit)
{
    struct drain *drain = settling->drain;
    struct meter *meter = drain->config.meter;
    int64_t now_ns = clock_monotonic_ns();
    if (!meter)
        return;
    for (size_t i = 0; i < commit->score_count; i++)
        meter_score(meter, commit->score_projects[i], &commit->scores[i], now_ns);
    for (size_t i = 0; i < commit->trace_count; i++)
        meter_trace(meter, &commit->traces[i], commit->spans[i], commit->span_counts[i],
                    settling->older[i]);
    meter_join(meter, drain->config.store_ops, drain->config.store, settling->arena,
               drain->behind ? SCORES_JOINED_BEHIND : SCORES_JOINED, now_ns);
}

static bool finish(struct settling *settling)
{
    struct drain *drain = settling->drain;
    size_t kept = 0;
    uint64_t span_count = 0, checkpoint = checkpoint_after(drain, settling);
    for (size_t i = 0; i < settling->count; i++) {
        if (!settling->span_counts[i])
            continue;
        settling->rows[kept] = settling->rows[i];
        settling->spans[kept] = settling->spans[i];
        settling->older[kept] = settling->older[i];
        settling->span_counts[kept++] = settling->span_counts[i];
        span_count += settling->span_counts[i];
    }
    struct store_commit commit = {
        .traces = settling->rows,
        .spans = settling->spans,
        .span_counts = settling->span_counts,
        .trace_count = kept,
        .checkpoint_sequence = checkpoint,
        .items_sequence = atomic_load(&drain->sequence),
        .much_waits = wal_bytes_through(drain->config.wal, checkpoint) > LOG_KEPT_BYTES,
    };
    size_t left_out =
        held_complete_scores(&drain->held, drain->config.store_ops, drain->config.store);
    if (left_out)
        log_warn("changes of scores that are not there were left out", KV_U64("count", left_out));
    join_parked(drain, &commit);
    held_commit(&drain->held, &commit);
    if (!commit_until_done(drain, &commit))
        return false;
    feed_meter(settling, &commit);
    held_reset(&drain->held);
    drain->last_commit_ns = clock_monotonic_ns();
    atomic_store(&drain->checkpoint, commit.checkpoint_sequence);
    atomic_fetch_add(&drain->traces_settled, kept);
    atomic_fetch_add(&drain->spans_settled, span_count);
    return true;
}

/* What is stored for good is not needed in the log any more. */
static void release_log(struct drain *drain)
{
    struct store_status status; /* what is durable may be less than what was committed */
    drain->config.store_ops->status(drain->config.store, &status);
    drain->durable = status.checkpoint_sequence;
    wal_release(drain->config.wal, drain->durable);
    enum err err =
        keystore_forget_log_keys(drain->config.keystore, wal_first_hour(drain->config.wal), NULL);
    if (err)
        log_warn("cannot forget old log keys yet", KV_ERR(err));
}

/* Does the commit end before its trace `done`?  Not among known traces that were read
 * together: they would be read again. */
static bool is_enough(const struct settling *settling, size_t done)
{
    bool between = done >= settling->stored.to;
    size_t bytes = settling->arena->used_bytes - settling->bytes_before;
    size_t bytes_max = !between            ? COMMIT_BYTES_MAX
                       : settling->written ? COMMIT_BYTES_SYNCED
                                           : COMMIT_BYTES;
    return bytes > bytes_max || (between && clock_monotonic_ns() > settling->until_ns);
}

static enum err settling_begin(struct settling *settling)
{
    size_t count = settling->count;
    arena_reset(settling->arena);
    settling->rows = arena_alloc(settling->arena, count * sizeof *settling->rows);
    settling->spans = arena_new(settling->arena, const struct store_span *, count);
    settling->span_counts = arena_new(settling->arena, uint32_t, count);
    settling->older = arena_new(settling->arena, struct meter_older *, count);
    settling->bytes_before = settling->arena->used_bytes;
    settling->until_ns = clock_monotonic_ns() + SETTLE_NS_MAX;
    settling->written = NULL;
    settling->written_end = &settling->written;
    return settling->rows && settling->spans && settling->span_counts && settling->older
               ? ERR_OK
               : ERR_LIMIT;
}

/* A trace needs what it needs: left alone it would hold the log for ever.  Until the next that
 * fits there is twice the room. */
static bool give_more_room(struct drain *drain)
{
    struct arena *arena = &drain->settle_arena;
    if (arena->budget_bytes >= SETTLE_ROOM_MAX)
        return false;
    arena->budget_bytes *= 2;
    log_warn("a trace is so large that settling it takes more memory",
             KV_U64("bytes_max", arena->budget_bytes));
    return true;
}

/* The part of drain->due that fits one commit, from `from`.  On failure nothing is done
 * and the same may be called again: content whose sync failed is lost and written anew. */
static bool settle_group(struct drain *drain, size_t from, size_t count, size_t *ret_done)
{
    struct diag why = DIAG_NONE;
    bool is_new = drain->known_count < from + count;
    enum err err = is_new ? find_known(drain, from + count, &why) : ERR_OK;
    struct settling settling = { .drain = drain,
                                 .arena = &drain->settle_arena,
                                 .open = drain->due + from,
                                 .known = drain->known + from,
                                 .count = MIN(count, (size_t)COMMIT_TRACES_MAX) };
    if (!err)
        err = settling_begin(&settling);
    content_hurry(drain->config.content, drain->behind);
    size_t done = 0;
    for (; !err && done < settling.count; done++) {
        if (done && is_enough(&settling, done))
            break;
        err = settle_trace(&settling, done);
    }
    enum err synced = sync_content(drain, err ? NULL : &why);
    err = err ? err : synced;
    if (err == ERR_LIMIT && give_more_room(drain))
        return false;
    if (err) {
        atomic_fetch_add(&drain->store_errors, 1);
        log_error("cannot settle traces, trying again", KV_ERR(err), KV_WHY(&why));
        if (!atomic_load(&drain->stopping))
            clock_sleep_ns(STORE_RETRY_MS * NS_PER_MS);
        return false;
    }
    settling.count = done;
    point_at_content(&settling);
    if (!finish(&settling))
        return false;
    drain->settle_arena.budget_bytes = SETTLE_ROOM;
    *ret_done = done;
    return true;
}

/* Without a settled trace: are there items, or a checkpoint to move, and has it been a while? */
static bool is_commit_due(struct drain *drain, bool force, int64_t now_ns)
{
    bool waited = held_is_full(&drain->held) || now_ns - drain->last_commit_ns > NS_PER_S;
    bool held = held_count(&drain->held) > 0 || drain->parked.due_count > 0;
    bool stale = atomic_load(&drain->checkpoint) != atomic_load(&drain->sequence) &&
                 open_traces_count(drain->traces) == 0;
    /* The store gathers rows: a commit of nothing makes it look at the clock. */
    bool gathers = drain->durable != atomic_load(&drain->checkpoint);
    bool seals = content_seal_is_due(drain->config.content);
    return ((held || stale) && (waited || force)) || ((gathers || seals) && waited);
}

bool drain_settle(struct drain *drain, bool force)
{
    if (drain->gave_up) /* a later commit would move the checkpoint past what was not stored */
        return false;
    int64_t now_ns = clock_monotonic_ns();
    bool commit_due = is_commit_due(drain, force, now_ns);
    int64_t pause_ns =
        drain->behind && !drain->at_end ? SETTLE_PAUSE_BEHIND_NS : drain->config.tick_ns;
    size_t count = 0;
    if (force || drain->more_due || now_ns - drain->last_commit_ns > pause_ns)
        count = open_traces_take_due(drain->traces, drain->at_end ? now_ns : drain->log_time_ns,
                                     force, drain->due, SETTLE_TRACES_MAX);
    drain->more_due = count == SETTLE_TRACES_MAX;
    if (count == 0 && !commit_due)
        return false;
    size_t done = 0;
    drain->known_count = 0;
    do {
        size_t settled = 0;
        if (!settle_group(drain, done, count - done, &settled) && atomic_load(&drain->stopping)) {
            drain->gave_up = true; /* they stay in the log and come again */
            return false;
        }
        done += settled;
    } while (done < count);
    release_log(drain);
    return true;
}
