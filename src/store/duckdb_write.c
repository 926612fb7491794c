/* duckdb_write.c -- append: spans visible at once; commit: traces that are final.
 *
 * Both write rows into memory (duckdb_recent.c) and publish them under the lock.
 * A commit of a trace that is on disk already (late spans, or a replay) replaces
 * it there at once; all others wait in memory for duckdb_flush.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"
#include "sys/clock.h"

#include <stdatomic.h>

static struct key key_of(struct store *store, str project, struct id16 trace_id)
{
    return (struct key){ dict_intern(&store->dicts, FIELD_project, project), id_high(trace_id),
                         id_low(trace_id) };
}

/* Rows that were written and will never be seen. */
static void rows_abandon(struct store *store, struct recent *recent, const uint32_t *rows,
                         size_t count)
{
    pthread_rwlock_wrlock(&store->lock);
    for (size_t i = 0; i < count; i++)
        if (rows[i] != ROW_NONE)
            recent_remove(recent, rows[i], 0);
    pthread_rwlock_unlock(&store->lock);
}

/* Which of the keys are settled on disk; those with an entry say so themselves. */
static enum err keys_on_disk(struct store *store, const struct key *keys, size_t count,
                             bool *ret_on_disk, struct diag *reterr_why)
{
    struct key *unknown = xcalloc(count + 1, sizeof *unknown);
    size_t *index = xcalloc(count + 1, sizeof *index);
    bool *known = xcalloc(count + 1, sizeof *known);
    size_t unknown_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = entry_find(store, keys[i]);
        ret_on_disk[i] = entry && entry->on_disk;
        if (entry)
            continue;
        index[unknown_count] = i;
        unknown[unknown_count++] = keys[i];
    }
    enum err code = keys_known(store, unknown, unknown_count, known, reterr_why);
    for (size_t i = 0; i < unknown_count && code == ERR_OK; i++)
        ret_on_disk[index[i]] = known[i];
    xfree(unknown);
    xfree(index);
    xfree(known);
    return code;
}

/* -- append -- */

struct append_run {
    struct store *store;
    const struct store_span *spans;
    size_t count;
    struct key *keys;
    bool *on_disk; /* its trace is */
    bool *skip;    /* it is final already */
    uint32_t *rows;
};

/* Of settled traces in memory, and of those on disk. */
static enum err append_skip_finals(struct append_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    struct probe probe;
    struct keyset found = { .count = 0 };
    size_t probed_count = 0;
    enum err code = ERR_OK;
    for (size_t i = 0; i < run->count; i++) {
        struct entry *entry = entry_find(store, run->keys[i]);
        uint32_t row = ROW_NONE;
        if (entry && entry->trace_row)
            row = entry_row(store, entry, id8_number(run->spans[i].span.span_id));
        run->skip[i] = row != ROW_NONE && recent_state(&store->spans, row) == ROW_SETTLED;
        probed_count += run->on_disk[i];
    }
    if (probed_count == 0)
        return ERR_OK;
    code = probe_begin(store, &probe, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < run->count; i++)
        if (run->on_disk[i])
            probe_add(&probe, PROBE_SPAN, run->keys[i], id8_number(run->spans[i].span.span_id));
    code = probe_end(&probe, reterr_why);
    if (code == ERR_OK)
        code = probe_spans(store, &found, reterr_why);
    for (size_t i = 0; i < run->count && code == ERR_OK && found.count > 0; i++) {
        bool was_there = false;
        if (run->on_disk[i])
            keyset_get(&found, key_hash(run->keys[i], id8_number(run->spans[i].span.span_id)),
                       &was_there);
        run->skip[i] = run->skip[i] || was_there;
    }
    keyset_clear(&found);
    return code;
}

static enum err append_stage(struct append_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    for (size_t i = 0; i < run->count; i++) {
        run->rows[i] = ROW_NONE;
        if (run->skip[i])
            continue;
        const struct entry *entry = entry_find(store, run->keys[i]);
        bool late = run->on_disk[i] || (entry && entry->trace_row);
        run->rows[i] = recent_add_span(&store->spans, &run->spans[i], late ? ROW_LATE : ROW_OPEN);
        if (run->rows[i] == ROW_NONE) {
            rows_abandon(store, &store->spans, run->rows, i);
            return diag_set(reterr_why, ERR_LIMIT, "the texts of a batch are too large");
        }
    }
    return ERR_OK;
}

/* The same span again: the last one stays. */
static void append_publish(struct append_run *run)
{
    struct store *store = run->store;
    pthread_rwlock_wrlock(&store->lock);
    store->version++;
    for (size_t i = 0; i < run->count; i++) {
        if (run->rows[i] == ROW_NONE)
            continue;
        struct entry *entry = entry_get(store, run->keys[i]);
        entry->on_disk = entry->on_disk || run->on_disk[i];
        uint32_t old = entry_row(store, entry, id8_number(run->spans[i].span.span_id));
        if (old != ROW_NONE) {
            entry_unlink(store, entry, old);
            recent_remove(&store->spans, old, store->version);
            atomic_fetch_sub(&store->open_rows, 1);
        }
        entry_link(store, entry, run->rows[i]);
        atomic_fetch_add(&store->open_rows, 1);
    }
    recent_publish(&store->spans);
    pthread_rwlock_unlock(&store->lock);
}

enum err duck_append(struct store *store, const struct store_span *spans, size_t count,
                     struct diag *reterr_why)
{
    if (count == 0)
        return ERR_OK;
    struct append_run run = { .store = store, .spans = spans, .count = count };
    run.keys = xcalloc(count, sizeof *run.keys);
    run.on_disk = xcalloc(count, sizeof *run.on_disk);
    run.skip = xcalloc(count, sizeof *run.skip);
    run.rows = xcalloc(count, sizeof *run.rows);
    for (size_t i = 0; i < count; i++)
        run.keys[i] = key_of(store, spans[i].span.project, spans[i].span.trace_id);
    pthread_mutex_lock(&store->write_lock);
    enum err code = keys_on_disk(store, run.keys, count, run.on_disk, reterr_why);
    if (code == ERR_OK)
        code = append_skip_finals(&run, reterr_why);
    if (code == ERR_OK)
        code = append_stage(&run, reterr_why);
    if (code == ERR_OK)
        append_publish(&run);
    pthread_mutex_unlock(&store->write_lock);
    xfree(run.keys);
    xfree(run.on_disk);
    xfree(run.skip);
    xfree(run.rows);
    return code;
}

/* -- commit -- */

struct commit_run {
    struct store *store;
    const struct store_commit *commit;
    struct key *keys;
    bool *on_disk;
    struct day **days;
    uint32_t *trace_rows, *span_rows; /* as written; span rows of all traces in a row */
    size_t span_count, traces_staged, spans_staged;
    size_t *firsts; /* of each trace in span_rows */
};

static enum err commit_stage(struct commit_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    const struct store_commit *commit = run->commit;
    for (size_t i = 0; i < commit->trace_count; i++) {
        int64_t time_ns = seal_time(store, run->keys[i].project, commit->traces[i].start_ns);
        enum err code = duck_day_get(store, time_ns, &run->days[i], reterr_why);
        if (code != ERR_OK)
            return code;
        run->firsts[i] = run->spans_staged;
        uint32_t row = recent_add_trace(&store->traces, &commit->traces[i]);
        run->trace_rows[run->traces_staged++] = row;
        for (uint32_t k = 0; k < commit->span_counts[i] && row != ROW_NONE; k++) {
            row = recent_add_span(&store->spans, &commit->spans[i][k], ROW_SETTLED);
            run->span_rows[run->spans_staged++] = row;
        }
        if (row == ROW_NONE)
            return diag_set(reterr_why, ERR_LIMIT, "the texts of a trace are too large");
    }
    return ERR_OK;
}

/* Traces that replace what is on disk. */
static enum err commit_direct(struct commit_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    const struct store_commit *commit = run->commit;
    size_t count = 0;
    for (size_t i = 0; i < commit->trace_count; i++)
        count += run->on_disk[i];
    if (count == 0)
        return ERR_OK;
    struct entry *entries = xcalloc(count, sizeof *entries);
    struct entry **list = xcalloc(count, sizeof(struct entry *));
    count = 0;
    for (size_t i = 0; i < commit->trace_count; i++) {
        if (!run->on_disk[i])
            continue;
        struct entry *entry = &entries[count];
        list[count++] = entry;
        *entry = (struct entry){ .key = run->keys[i],
                                 .trace_row = run->trace_rows[i] + 1,
                                 .day = run->days[i],
                                 .on_disk = true };
        for (uint32_t k = 0; k < commit->span_counts[i]; k++)
            entry_link(store, entry, run->span_rows[run->firsts[i] + k]);
    }
    enum err code = flush_direct(store, list, count, reterr_why);
    xfree(entries);
    xfree(list);
    return code;
}

static void waiting_add(struct store *store, struct entry *entry)
{
    if (entry->wait_index)
        return;
    if (store->waiting_count == store->waiting_capacity) {
        store->waiting_capacity = MAX(store->waiting_capacity * 2, (size_t)1024);
        store->waiting = xrealloc(store->waiting, store->waiting_capacity * sizeof(struct entry *));
    }
    store->waiting[store->waiting_count++] = entry;
    entry->wait_index = (uint32_t)store->waiting_count;
}

static void commit_publish(struct commit_run *run)
{
    struct store *store = run->store;
    const struct store_commit *commit = run->commit;
    pthread_rwlock_wrlock(&store->lock);
    store->version++;
    for (size_t i = 0; i < commit->trace_count; i++) {
        if (run->on_disk[i])
            continue;
        struct entry *entry = entry_get(store, run->keys[i]);
        entry_empty(store, entry);
        entry->trace_row = run->trace_rows[i] + 1;
        entry->day = run->days[i];
        for (uint32_t k = 0; k < commit->span_counts[i]; k++)
            entry_link(store, entry, run->span_rows[run->firsts[i] + k]);
        waiting_add(store, entry);
        store->waiting_rows += commit->span_counts[i];
        atomic_fetch_add(&store->settled_rows, commit->span_counts[i]);
        atomic_fetch_add(&store->settled_traces, 1);
    }
    store->waiting_checkpoint = MAX(store->waiting_checkpoint, commit->checkpoint_sequence);
    recent_publish(&store->spans);
    recent_publish(&store->traces);
    pthread_rwlock_unlock(&store->lock);
}

static enum err commit_flush(struct store *store, bool much_waits, struct diag *reterr_why)
{
    if (store->waiting_count == 0 && store->waiting_checkpoint <= store->checkpoint_sequence)
        return ERR_OK;
    int64_t now_ns = clock_monotonic_ns();
    if (!store->waiting_since_ns)
        store->waiting_since_ns = now_ns;
    size_t enough = much_waits ? DUCK_GATHER_ROWS_FEW : DUCK_GATHER_ROWS;
    if (store->waiting_rows < enough && now_ns - store->waiting_since_ns < store->config.gather_ns)
        return ERR_OK;
    return flush_waiting(store, reterr_why);
}

static void commit_abandon(struct commit_run *run)
{
    rows_abandon(run->store, &run->store->traces, run->trace_rows, run->traces_staged);
    rows_abandon(run->store, &run->store->spans, run->span_rows, run->spans_staged);
}

static enum err commit_rows(struct commit_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    enum err code =
        keys_on_disk(store, run->keys, run->commit->trace_count, run->on_disk, reterr_why);
    if (code == ERR_OK)
        code = commit_stage(run, reterr_why);
    if (code == ERR_OK)
        code = scores_write(store, run->commit, reterr_why);
    if (code == ERR_OK)
        code = items_write(store, run->commit, reterr_why);
    if (code == ERR_OK)
        code = commit_direct(run, reterr_why);
    if (code != ERR_OK) {
        commit_abandon(run);
        return code;
    }
    commit_publish(run);
    return commit_flush(store, run->commit->much_waits, reterr_why);
}

enum err duck_commit(struct store *store, const struct store_commit *commit,
                     struct diag *reterr_why)
{
    struct commit_run run = { .store = store, .commit = commit };
    size_t count = commit->trace_count;
    for (size_t i = 0; i < count; i++)
        run.span_count += commit->span_counts[i];
    run.keys = xcalloc(count + 1, sizeof *run.keys);
    run.on_disk = xcalloc(count + 1, sizeof *run.on_disk);
    run.days = xcalloc(count + 1, sizeof(struct day *));
    run.firsts = xcalloc(count + 1, sizeof *run.firsts);
    run.trace_rows = xcalloc(count + 1, sizeof *run.trace_rows);
    run.span_rows = xcalloc(run.span_count + 1, sizeof *run.span_rows);
    for (size_t i = 0; i < count; i++)
        run.keys[i] = key_of(store, commit->traces[i].project, commit->traces[i].trace_id);
    pthread_mutex_lock(&store->write_lock);
    enum err code = commit_rows(&run, reterr_why);
    pthread_mutex_unlock(&store->write_lock);
    xfree(run.keys);
    xfree(run.on_disk);
    xfree(run.days);
    xfree(run.firsts);
    xfree(run.trace_rows);
    xfree(run.span_rows);
    return code;
}

enum err duck_known(struct store *store, const str *projects, const struct id16 *trace_ids,
                    size_t count, bool *ret_known, struct diag *reterr_why)
{
    struct key *keys = xcalloc(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++)
        keys[i] = key_of(store, projects[i], trace_ids[i]);
    pthread_mutex_lock(&store->write_lock);
    enum err code = keys_on_disk(store, keys, count, ret_known, reterr_why);
    pthread_mutex_unlock(&store->write_lock);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        const struct entry *entry = entry_find(store, keys[i]);
        ret_known[i] = ret_known[i] || (entry && entry->trace_row);
    }
    xfree(keys);
    return code;
}
