/* duckdb_flush.c -- settled rows go from memory to the files of their days.
 *
 * They wait in memory, seen by readers, until they fill row groups: the engine
 * then writes them once, compressed, past its own WAL.  For each day one
 * transaction deletes what is stored of the traces (if it is) and inserts from
 * duckdb_feed.c; all are made ready first, then committed in a row while
 * readers wait:
 *
 *   dictionary | day 1 ... day n: delete, insert | LOCK commit 1..n, memory UNLOCK | checkpoint
 *
 * A crash between two of them leaves a state from which the same commits, which
 * drain repeats because the checkpoint is older, give the same result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"
#include "sys/clock.h"

#include <stdatomic.h>

struct day_flush {
    struct day *day;
    struct key *keys; /* of the traces that come */
    uint32_t *spans, *traces;
    size_t span_count, span_capacity, trace_count, trace_capacity;
    uint64_t spans_deleted, traces_deleted;
    struct bounds span_times, trace_times;
    bool is_begun, is_committed;
};

struct flush {
    struct store *store;
    struct entry *const *entries;
    size_t count;
    uint64_t checkpoint; /* 0: none yet */
    bool is_direct;      /* the entries are not those of the store: they replace them */
    struct day_flush *days;
    uint32_t day_count;
};

/* On failure, so that its own failure says nothing new. */
void duck_rollback(duckdb_connection connection)
{
    struct diag ignored;
    if (duck_run(connection, &ignored, "ROLLBACK") != ERR_OK)
        return;
}

/* -- dictionary -- */

static enum err dict_save(struct store *store, struct diag *reterr_why)
{
    duckdb_appender appender;
    if (duckdb_appender_create_ext(store->write, "meta", "main", "dict", &appender) !=
        DuckDBSuccess) {
        duckdb_appender_destroy(&appender);
        return diag_set(reterr_why, ERR_IO, "the engine refuses an appender");
    }
    for (enum field field = 0; field < FIELD_COUNT; field++) {
        struct dict *dict = &store->dicts.fields[field];
        for (uint32_t id = dict->saved_count; id < atomic_load(&dict->count); id++) {
            str text = dict_text(&store->dicts, field, id);
            (void)duckdb_append_varchar(appender, field_table[field].name);
            (void)duckdb_append_uint32(appender, id);
            (void)duckdb_append_varchar_length(appender, text.ptr, text.len);
            (void)duckdb_appender_end_row(appender);
        }
    }
    enum err code = ERR_OK;
    if (duckdb_appender_close(appender) != DuckDBSuccess)
        code = duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(appender), reterr_why);
    duckdb_appender_destroy(&appender);
    for (enum field field = 0; field < FIELD_COUNT && code == ERR_OK; field++)
        store->dicts.fields[field].saved_count = atomic_load(&store->dicts.fields[field].count);
    return code;
}

static bool dict_is_saved(struct store *store)
{
    for (enum field field = 0; field < FIELD_COUNT; field++)
        if (store->dicts.fields[field].saved_count !=
            atomic_load(&store->dicts.fields[field].count))
            return false;
    return true;
}

enum err duck_dict_save(struct store *store, struct diag *reterr_why)
{
    return dict_is_saved(store) ? ERR_OK : dict_save(store, reterr_why);
}

/* -- which rows go where -- */

static enum err day_begin(struct flush *flush, struct day *day, struct day_flush **ret_day,
                          struct diag *reterr_why)
{
    for (uint32_t i = 0; i < flush->day_count; i++)
        if (flush->days[i].day == day) {
            *ret_day = &flush->days[i];
            return ERR_OK;
        }
    assert(flush->day_count < DUCK_DAYS_MAX);
    struct day_flush *new_day = &flush->days[flush->day_count++];
    *new_day = (struct day_flush){ .day = day };
    new_day->span_times = new_day->trace_times = (struct bounds){ INT64_MAX, INT64_MIN };
    *ret_day = new_day;
    enum err code = duck_run(day->connection, reterr_why, "BEGIN");
    new_day->is_begun = code == ERR_OK;
    return code;
}

static void row_push(uint32_t **rows, size_t *count, size_t *capacity, uint32_t row)
{
    if (*count == *capacity) {
        *capacity = MAX(*capacity * 2, (size_t)4096);
        *rows = xrealloc(*rows, *capacity * sizeof **rows);
    }
    (*rows)[(*count)++] = row;
}

/* In the order in which they lie, so that they are copied in long runs.  Names are dense:
 * a set of bits sorts them faster than comparing does. */
static void rows_sort(const struct recent *recent, uint32_t *rows, size_t count)
{
    if (!rows) /* there are none */
        return;
    size_t words = (size_t)recent->slot_count * BLOCK_ROWS / 64, kept = 0;
    uint64_t *set = xcalloc(words + 1, sizeof *set);
    for (size_t i = 0; i < count; i++)
        set[rows[i] / 64] |= UINT64_C(1) << (rows[i] % 64);
    for (size_t word = 0; word < words; word++)
        for (uint64_t bits = set[word]; bits != 0; bits &= bits - 1)
            rows[kept++] = (uint32_t)(word * 64 + (size_t)__builtin_ctzll(bits));
    assert(kept == count);
    xfree(set);
}

static enum err rows_collect(struct flush *flush, struct diag *reterr_why)
{
    struct store *store = flush->store;
    enum err code = ERR_OK;
    for (size_t i = 0; i < flush->count && code == ERR_OK; i++) {
        struct entry *entry = flush->entries[i];
        struct day_flush *day;
        code = day_begin(flush, entry->day, &day, reterr_why);
        if (code != ERR_OK)
            break;
        row_push(&day->traces, &day->trace_count, &day->trace_capacity, entry->trace_row - 1);
        for (uint32_t row = entry->first_row; row; row = *recent_next(&store->spans, row - 1))
            if (recent_state(&store->spans, row - 1) == ROW_SETTLED)
                row_push(&day->spans, &day->span_count, &day->span_capacity, row - 1);
    }
    for (uint32_t i = 0; i < flush->day_count && code == ERR_OK; i++) {
        struct day_flush *day = &flush->days[i];
        rows_sort(&store->spans, day->spans, day->span_count);
        rows_sort(&store->traces, day->traces, day->trace_count);
        for (size_t k = 0; k < day->span_count; k++)
            bounds_add(&day->span_times, recent_start(&store->spans, day->spans[k]));
        for (size_t k = 0; k < day->trace_count; k++)
            bounds_add(&day->trace_times, recent_start(&store->traces, day->traces[k]));
    }
    return code;
}

/* -- statements -- */

#define TRACE_IN_PROBE                                                                             \
    "(project, trace_id_hi, trace_id_lo) IN (SELECT (project, hi, lo) FROM memory.main.probe "     \
    "WHERE kind=0)"

/* Delete what is stored of the traces, wherever that is. */
static enum err stored_delete(struct flush *flush, struct diag *reterr_why)
{
    struct store *store = flush->store;
    struct probe probe;
    size_t known_count = 0;
    for (size_t i = 0; i < flush->count; i++)
        known_count += flush->entries[i]->on_disk;
    if (known_count == 0)
        return ERR_OK;
    enum err code = probe_begin(store, &probe, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < flush->count; i++)
        if (flush->entries[i]->on_disk)
            probe_add(&probe, PROBE_STORED, flush->entries[i]->key, 0);
    code = probe_end(&probe, reterr_why);
    for (uint32_t i = 0; i < store->day_count && code == ERR_OK; i++) {
        struct day *day = store->days[i];
        struct day_flush *day_flush;
        uint64_t count = 0;
        if (day->trace_count > 0)
            code = duck_count(day->connection, &count, reterr_why,
                              "SELECT count(*)::UBIGINT FROM %s.traces WHERE " TRACE_IN_PROBE,
                              day->name);
        if (code != ERR_OK || count == 0)
            continue;
        code = day_begin(flush, day, &day_flush, reterr_why);
        if (code == ERR_OK)
            code = duck_count(day->connection, &day_flush->spans_deleted, reterr_why,
                              "DELETE FROM %s.spans WHERE " TRACE_IN_PROBE, day->name);
        if (code == ERR_OK)
            code = duck_count(day->connection, &day_flush->traces_deleted, reterr_why,
                              "DELETE FROM %s.traces WHERE " TRACE_IN_PROBE, day->name);
    }
    return code;
}

static enum err insert_run(duckdb_connection connection, const char *text, struct diag *reterr_why)
{
    duckdb_prepared_statement prepared = NULL;
    duckdb_pending_result pending = NULL;
    duckdb_result result;
    enum err code = ERR_OK;
    if (duckdb_prepare(connection, text, &prepared) != DuckDBSuccess)
        code = duck_error(ERR_IO, DUCKDB_ERROR_BINDER, duckdb_prepare_error(prepared), reterr_why);
    else if (duckdb_pending_prepared(prepared, &pending) != DuckDBSuccess)
        code = duck_error(ERR_IO, DUCKDB_ERROR_EXECUTOR, duckdb_pending_error(pending), reterr_why);
    if (code == ERR_OK)
        code = duck_pending_finish(connection, pending, 0, reterr_why);
    if (code == ERR_OK) {
        if (duckdb_execute_pending(pending, &result) != DuckDBSuccess)
            code = duck_error(ERR_IO, duckdb_result_error_type(&result),
                              duckdb_result_error(&result), reterr_why);
        duckdb_destroy_result(&result);
    }
    if (pending)
        duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&prepared);
    return code;
}

static enum err rows_insert(struct flush *flush, struct day *day, const struct recent *recent,
                            const uint32_t *rows, size_t count, struct diag *reterr_why)
{
    if (count == 0)
        return ERR_OK;
    struct store *store = flush->store;
    bool of_spans = recent == &store->spans;
    struct snapshot snapshot;
    struct buf sql;
    uint32_t id;
    snapshot_take(store, recent, rows, count, &snapshot); /* only this thread changes them */
    enum err code = feed_begin(store, &snapshot, &id, reterr_why);
    if (code == ERR_OK) {
        buf_init(&sql, 64 * KIB);
        buf_printf(&sql, "INSERT INTO %s.%s SELECT ", day->name, of_spans ? "spans" : "traces");
        for (uint32_t i = 0; i < recent->columns->disk_count; i++)
            buf_printf(&sql, "%s\"%s\"", i ? "," : "", recent->columns->items[i].name);
        buf_printf(&sql, " FROM recent_%s(%u)", of_spans ? "spans" : "traces", id);
        buf_add_char(&sql, '\0');
        code = insert_run(day->connection, sql.ptr, reterr_why);
        buf_clear(&sql);
        feed_end(store, id);
    }
    snapshot_drop(store, &snapshot);
    return code;
}

static enum err days_write(struct flush *flush, struct diag *reterr_why)
{
    enum err code = stored_delete(flush, reterr_why);
    for (uint32_t i = 0; i < flush->day_count && code == ERR_OK; i++) {
        struct day_flush *day = &flush->days[i];
        code = rows_insert(flush, day->day, &flush->store->spans, day->spans, day->span_count,
                           reterr_why);
        if (code == ERR_OK)
            code = rows_insert(flush, day->day, &flush->store->traces, day->traces,
                               day->trace_count, reterr_why);
        if (code == ERR_OK && flush->checkpoint)
            code = duck_run(day->day->connection, reterr_why,
                            "UPDATE %s.state SET value=greatest(value,%llu) WHERE key='checkpoint'",
                            day->day->name, (unsigned long long)flush->checkpoint);
        if (code == ERR_OK && day->span_count + day->spans_deleted > 0)
            code = duck_run(day->day->connection, reterr_why,
                            "UPDATE %s.state SET value=value+1 WHERE key='generation'",
                            day->day->name);
    }
    return code;
}

/* -- publishing -- */

static void bounds_join(struct bounds *to, const struct bounds *from)
{
    to->min = MIN(to->min, from->min);
    to->max = MAX(to->max, from->max);
}

static void day_account(struct flush *flush, struct day_flush *of)
{
    struct day *day = of->day;
    uint64_t written = of->span_count + of->trace_count;
    day->span_count += of->span_count - of->spans_deleted;
    day->trace_count += of->trace_count - of->traces_deleted;
    day->wal_rows += (of->span_count < DUCK_DIRECT_ROWS ? of->span_count : 0) +
                     (of->trace_count < DUCK_DIRECT_ROWS ? of->trace_count : 0);
    if (of->span_count + of->spans_deleted > 0) {
        day->generation++;
        day->changed_ns = clock_monotonic_ns();
    }
    if (written > 0) {
        bounds_join(&day->span_times, &of->span_times);
        bounds_join(&day->trace_times, &of->trace_times);
    }
    for (size_t i = 0; i < flush->count; i++)
        if (flush->entries[i]->day == day) {
            bloom_add(&day->traces, key_hash(flush->entries[i]->key, 0));
            flush->entries[i]->on_disk = true; /* should a later day fail */
        }
    of->is_committed = true;
}

void waiting_remove(struct store *store, struct entry *entry)
{
    if (entry->wait_index == 0)
        return;
    struct entry *last = store->waiting[--store->waiting_count];
    store->waiting[entry->wait_index - 1] = last;
    last->wait_index = entry->wait_index;
    entry->wait_index = 0;
}

/* Its settled rows are on disk now. */
static void entry_flushed(struct store *store, struct entry *entry)
{
    uint32_t *at = &entry->first_row;
    while (*at) {
        uint32_t row = *at - 1;
        if (recent_state(&store->spans, row) != ROW_SETTLED) {
            at = recent_next(&store->spans, row);
            continue;
        }
        *at = *recent_next(&store->spans, row);
        entry->row_count--;
        entry_forget(store, entry, row);
        recent_remove(&store->spans, row, store->version);
        atomic_fetch_sub(&store->settled_rows, 1);
    }
    recent_remove(&store->traces, entry->trace_row - 1, store->version);
    atomic_fetch_sub(&store->settled_traces, 1);
    entry->trace_row = 0;
    entry->on_disk = true;
    waiting_remove(store, entry);
    if (entry->row_count == 0)
        entry_drop(store, entry);
}

/* On disk in its new version: nothing of it stays in memory. */
static void entry_replaced(struct store *store, struct entry *direct)
{
    struct entry *entry = entry_find(store, direct->key);
    if (entry) {
        entry_empty(store, entry);
        entry_drop(store, entry);
    }
    for (uint32_t row = direct->first_row; row;) {
        uint32_t next = *recent_next(&store->spans, row - 1);
        recent_remove(&store->spans, row - 1, store->version);
        row = next;
    }
    recent_remove(&store->traces, direct->trace_row - 1, store->version);
}

/* The only moment in which readers wait for drain. */
static enum err flush_publish(struct flush *flush, struct diag *reterr_why)
{
    struct store *store = flush->store;
    enum err code = ERR_OK;
    pthread_rwlock_wrlock(&store->lock);
    for (uint32_t i = 0; i < flush->day_count && code == ERR_OK; i++) {
        code = duck_run(flush->days[i].day->connection, reterr_why, "COMMIT");
        if (code == ERR_OK)
            day_account(flush, &flush->days[i]);
    }
    if (code == ERR_OK) {
        store->version++;
        for (size_t i = flush->count; i > 0; i--)
            (flush->is_direct ? entry_replaced : entry_flushed)(store, flush->entries[i - 1]);
        /* Nothing is published: what is staged belongs to a commit that still runs. */
    }
    pthread_rwlock_unlock(&store->lock);
    return code;
}

/* Row groups of the WAL are written to the file, now and then. */
static enum err flush_after(struct flush *flush, struct diag *reterr_why)
{
    struct store *store = flush->store;
    struct diag ignored;
    enum err code = ERR_OK;
    if (flush->checkpoint)
        code = duck_run(store->write, reterr_why,
                        "UPDATE meta.state SET value=greatest(value,%llu) WHERE key='checkpoint'",
                        (unsigned long long)flush->checkpoint);
    if (code == ERR_OK && flush->checkpoint) {
        pthread_rwlock_wrlock(&store->lock);
        store->checkpoint_sequence = MAX(store->checkpoint_sequence, flush->checkpoint);
        pthread_rwlock_unlock(&store->lock);
    }
    for (uint32_t i = 0; i < flush->day_count && code == ERR_OK; i++) {
        struct day *day = flush->days[i].day;
        if (day->wal_rows < DUCK_WAL_ROWS_MAX || !store->dir)
            continue;
        /* If not, the WAL stays as it is, and it is tried again. */
        if (duck_run(day->connection, &ignored, "CHECKPOINT %s", day->name) == ERR_OK)
            day->wal_rows = 0;
    }
    return code;
}

static void flush_clear(struct flush *flush)
{
    for (uint32_t i = 0; i < flush->day_count; i++) {
        struct day_flush *day = &flush->days[i];
        if (day->is_begun && !day->is_committed)
            duck_rollback(day->day->connection);
        xfree(day->spans);
        xfree(day->traces);
    }
    xfree(flush->days);
}

static enum err flush_run(struct flush *flush, struct diag *reterr_why)
{
    flush->days = xcalloc(DUCK_DAYS_MAX, sizeof *flush->days);
    enum err code = rows_collect(flush, reterr_why);
    if (code == ERR_OK)
        code = duck_dict_save(flush->store, reterr_why);
    if (code == ERR_OK)
        code = days_write(flush, reterr_why);
    if (code == ERR_OK)
        code = flush_publish(flush, reterr_why);
    if (code == ERR_OK)
        code = flush_after(flush, reterr_why);
    flush_clear(flush);
    return code;
}

enum err flush_direct(struct store *store, struct entry *const *entries, size_t count,
                      struct diag *reterr_why)
{
    struct flush flush = { .store = store, .entries = entries, .count = count, .is_direct = true };
    return count > 0 ? flush_run(&flush, reterr_why) : ERR_OK;
}

enum err flush_waiting(struct store *store, struct diag *reterr_why)
{
    struct flush flush = { .store = store,
                           .count = store->waiting_count,
                           .checkpoint = store->waiting_checkpoint };
    struct entry **entries = xcalloc(flush.count + 1, sizeof(struct entry *));
    if (flush.count > 0)
        memcpy(entries, store->waiting, flush.count * sizeof(struct entry *));
    flush.entries = entries;
    enum err code = flush_run(&flush, reterr_why);
    xfree(entries);
    if (code == ERR_OK) {
        store->waiting_rows = 0;
        store->waiting_since_ns = 0;
    }
    return code;
}
