/* duckdb_write.c -- append: spans visible at once; commit: traces on disk.
 *
 * append writes into one of two tables in memory.  commit, for each day that it
 * touches, deletes what is stored of its traces and adds the final rows, all in
 * one transaction per file; a transaction can write one file only, so that of
 * several files and the tables in memory each is made ready first and then all
 * are committed in a row, readers waiting outside:
 *
 *   dictionary | day 1 ... day n: delete, add | LOCK commit 1..n, memory UNLOCK | checkpoint
 *
 * A crash between two of them leaves a state from which the same commit, which
 * drain repeats because the checkpoint is older, gives the same result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdatomic.h>

static struct key span_key(struct store *store, const struct span *span)
{
    return (struct key){ dict_intern(&store->dicts, FIELD_project, span->project),
                         id_high(span->trace_id), id_low(span->trace_id) };
}

/* On failure, so that its own failure says nothing new. */
static void rollback(duckdb_connection connection)
{
    struct diag ignored;
    if (duck_run(connection, &ignored, "ROLLBACK") != ERR_OK)
        return;
}

/* -- append -- */

struct append_run {
    struct store *store;
    const struct store_span *spans;
    size_t count;
    struct key *keys;
    bool *late; /* its trace is settled */
    bool *skip; /* a later one of this batch replaces it, or it is final already */
    bool has_late;
    uint32_t replaced_count;
};

/* Late spans that are final already are not shown a second time. */
static enum err append_skip_finals(struct append_run *run, struct diag *reterr_why)
{
    struct probe probe;
    struct keyset found = { .count = 0 };
    enum err code = probe_begin(run->store, &probe, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < run->count; i++)
        if (run->late[i])
            probe_add(&probe, PROBE_SPAN, run->keys[i], id8_number(run->spans[i].span.span_id));
    code = probe_end(&probe, reterr_why);
    if (code == ERR_OK)
        code = probe_spans(run->store, &found, reterr_why);
    for (size_t i = 0; i < run->count && code == ERR_OK && found.count > 0; i++) {
        bool was_there = false;
        if (run->late[i])
            keyset_get(&found, key_hash(run->keys[i], id8_number(run->spans[i].span.span_id)),
                       &was_there);
        run->skip[i] = was_there;
    }
    keyset_clear(&found);
    return code;
}

/* Same key again: of this batch the last one stays, of earlier ones the row goes. */
static enum err append_find_replaced(struct append_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    struct probe probe;
    uint64_t batch = ++store->batch_number << 32;
    enum err code = probe_begin(store, &probe, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < run->count; i++) {
        if (run->skip[i])
            continue;
        bool was_there, was_before;
        uint64_t span_id = id8_number(run->spans[i].span.span_id);
        uint64_t hash = key_hash(run->keys[i], span_id);
        uint64_t *value = keyset_get(&store->hot[store->hot_active].keys, hash, &was_there);
        bool in_batch = was_there && (*value & ~(uint64_t)UINT32_MAX) == batch;
        if (in_batch)
            run->skip[*value & UINT32_MAX] = true;
        *value = batch | (uint32_t)i;
        was_before = was_there && !in_batch;
        struct hot_table *other = &store->hot[1 - store->hot_active];
        if (!was_there && other->rows > 0)
            keyset_get(&other->keys, hash, &was_before);
        if (was_before) {
            probe_add(&probe, PROBE_SPAN, run->keys[i], span_id);
            run->replaced_count++;
        }
    }
    return probe_end(&probe, reterr_why);
}

static enum err hot_delete(struct store *store, const char *condition, uint64_t *deleted,
                           struct diag *reterr_why)
{
    enum err code = ERR_OK;
    for (uint32_t i = 0; i < 2 && code == ERR_OK; i++) {
        deleted[i] = 0;
        if (store->hot[i].rows > 0)
            code = duck_count(store->write, &deleted[i], reterr_why,
                              "DELETE FROM memory.main.%s WHERE %s", store->hot[i].name, condition);
    }
    return code;
}

static enum err append_rows(struct append_run *run, uint64_t *ret_rows, struct diag *reterr_why)
{
    struct store *store = run->store;
    struct writer writer;
    enum err code = writer_open(&writer, &store->dicts, &store->span_columns, store->write,
                                "memory", store->hot[store->hot_active].name, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < run->count && code == ERR_OK; i++)
        if (!run->skip[i])
            code = writer_span(&writer, &run->spans[i], run->late[i], reterr_why);
    if (code == ERR_OK)
        code = writer_flush(&writer, reterr_why);
    *ret_rows = writer.written;
    writer_close(&writer);
    return code;
}

static enum err append_write(struct append_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    uint64_t deleted[2] = { 0, 0 }, rows = 0;
    enum err code = duck_run(store->write, reterr_why, "BEGIN");
    if (code != ERR_OK)
        return code;
    if (run->replaced_count > 0)
        code = hot_delete(store,
                          "(project, trace_id_hi, trace_id_lo, span_id) IN (SELECT (project, hi, "
                          "lo, span) FROM memory.main.probe WHERE kind=4)",
                          deleted, reterr_why);
    if (code == ERR_OK)
        code = append_rows(run, &rows, reterr_why);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "COMMIT");
    if (code != ERR_OK) {
        rollback(store->write);
        return code;
    }
    store->hot[0].rows -= deleted[0];
    store->hot[1].rows -= deleted[1];
    store->hot[store->hot_active].rows += rows;
    atomic_store(&store->hot_rows, store->hot[0].rows + store->hot[1].rows);
    return ERR_OK;
}

enum err duck_append(struct store *store, const struct store_span *spans, size_t count,
                     struct diag *reterr_why)
{
    if (count == 0)
        return ERR_OK;
    struct append_run run = { .store = store, .spans = spans, .count = count };
    run.keys = xcalloc(count, sizeof *run.keys);
    run.late = xcalloc(count, sizeof *run.late);
    run.skip = xcalloc(count, sizeof *run.skip);
    for (size_t i = 0; i < count; i++)
        run.keys[i] = span_key(store, &spans[i].span);
    enum err code = keys_known(store, run.keys, count, run.late, reterr_why);
    for (size_t i = 0; i < count; i++)
        run.has_late = run.has_late || run.late[i];
    if (code == ERR_OK && run.has_late)
        code = append_skip_finals(&run, reterr_why);
    if (code == ERR_OK)
        code = append_find_replaced(&run, reterr_why);
    if (code == ERR_OK)
        code = append_write(&run, reterr_why);
    xfree(run.keys);
    xfree(run.late);
    xfree(run.skip);
    return code;
}

/* -- commit -- */

struct day_run {
    struct day *day;
    struct writer spans, traces;
    duckdb_appender logs, metrics;
    uint64_t spans_deleted, traces_deleted, logs_deleted, metrics_deleted;
    uint64_t log_count, metric_count;
    struct bounds span_times, trace_times, log_times;
    bool committed;
};

struct commit_run {
    struct store *store;
    const struct store_commit *commit;
    struct key *keys;
    bool *known;
    uint32_t known_count;
    bool is_repeat; /* parts of it may be stored: after a crash, or said twice */
    struct day_run *days;
    uint32_t day_count;
    uint64_t hot_deleted[2];
};

static enum err dict_save(struct store *store, struct diag *reterr_why)
{
    duckdb_appender appender;
    if (duckdb_appender_create_ext(store->write, "meta", "main", "dict", &appender) !=
        DuckDBSuccess)
        return diag_set(reterr_why, ERR_IO, "the engine refuses an appender");
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

static enum err run_day(struct commit_run *run, struct day *day, struct day_run **ret_day,
                        struct diag *reterr_why)
{
    for (uint32_t i = 0; i < run->day_count; i++)
        if (run->days[i].day == day) {
            *ret_day = &run->days[i];
            return ERR_OK;
        }
    assert(run->day_count < DUCK_DAYS_MAX);
    enum err code = duck_run(day->connection, reterr_why, "BEGIN");
    if (code != ERR_OK)
        return code;
    struct day_run *new_day = &run->days[run->day_count++];
    *new_day = (struct day_run){ .day = day };
    new_day->span_times = new_day->trace_times = new_day->log_times =
        (struct bounds){ INT64_MAX, INT64_MIN };
    *ret_day = new_day;
    return ERR_OK;
}

static enum err probes_fill(struct commit_run *run, struct diag *reterr_why)
{
    const struct store_commit *commit = run->commit;
    struct store *store = run->store;
    struct probe probe;
    enum err code = probe_begin(store, &probe, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < commit->trace_count; i++) {
        if (run->known[i])
            probe_add(&probe, PROBE_STORED, run->keys[i], 0);
        if (store->hot[0].rows + store->hot[1].rows > 0)
            probe_add(&probe, PROBE_HOT, run->keys[i], 0);
    }
    for (size_t i = 0; i < commit->log_count && run->is_repeat; i++) {
        struct key key = { dict_intern(&store->dicts, FIELD_project, commit->log_projects[i]), 0,
                           0 };
        probe_add(&probe, PROBE_LOG, key, id8_number(commit->logs[i].log_id));
    }
    for (size_t i = 0; i < commit->metric_count && run->is_repeat; i++) {
        struct key key = { dict_intern(&store->dicts, FIELD_project, commit->metric_projects[i]), 0,
                           0 };
        probe_add(&probe, PROBE_METRIC, key,
                  metric_identity(commit->metric_projects[i], &commit->metrics[i]));
    }
    return probe_end(&probe, reterr_why);
}

#define IN_PROBE(columns, names, kind)                                                             \
    "(" columns ") IN (SELECT (" names ") FROM memory.main.probe WHERE kind=" kind ")"
#define TRACE_IN_PROBE(kind) IN_PROBE("project, trace_id_hi, trace_id_lo", "project, hi, lo", kind)

/* Delete what is stored of the traces, wherever that is. */
static enum err stored_delete(struct commit_run *run, struct diag *reterr_why)
{
    enum err code = ERR_OK;
    for (uint32_t i = 0; i < run->store->day_count && code == ERR_OK; i++) {
        struct day *day = run->store->days[i];
        struct day_run *day_run;
        uint64_t count = 0;
        if (day->trace_count > 0)
            code = duck_count(day->connection, &count, reterr_why,
                              "SELECT count(*)::UBIGINT FROM %s.traces WHERE " TRACE_IN_PROBE("0"),
                              day->name);
        if (code != ERR_OK || count == 0)
            continue;
        code = run_day(run, day, &day_run, reterr_why);
        if (code == ERR_OK)
            code = duck_count(day->connection, &day_run->spans_deleted, reterr_why,
                              "DELETE FROM %s.spans WHERE " TRACE_IN_PROBE("0"), day->name);
        if (code == ERR_OK)
            code = duck_count(day->connection, &day_run->traces_deleted, reterr_why,
                              "DELETE FROM %s.traces WHERE " TRACE_IN_PROBE("0"), day->name);
    }
    return code;
}

static enum err writers_open(struct store *store, struct day_run *day, struct diag *reterr_why)
{
    if (day->traces.appender)
        return ERR_OK;
    enum err code = writer_open(&day->spans, &store->dicts, &store->span_columns,
                                day->day->connection, day->day->name, "spans", reterr_why);
    if (code == ERR_OK)
        code = writer_open(&day->traces, &store->dicts, &store->trace_columns, day->day->connection,
                           day->day->name, "traces", reterr_why);
    return code;
}

static enum err trace_write(struct commit_run *run, size_t index, struct diag *reterr_why)
{
    const struct trace_row *trace = &run->commit->traces[index];
    struct day *day;
    struct day_run *day_run = NULL;
    enum err code = duck_day_get(run->store, trace->start_ns, &day, reterr_why);
    if (code == ERR_OK)
        code = run_day(run, day, &day_run, reterr_why);
    if (code == ERR_OK)
        code = writers_open(run->store, day_run, reterr_why);
    if (code == ERR_OK)
        code = writer_trace(&day_run->traces, trace, reterr_why);
    if (code != ERR_OK)
        return code;
    bounds_add(&day_run->trace_times, trace->start_ns);
    for (uint32_t i = 0; i < run->commit->span_counts[index] && code == ERR_OK; i++) {
        const struct store_span *span = &run->commit->spans[index][i];
        bounds_add(&day_run->span_times, span->span.start_time);
        code = writer_span(&day_run->spans, span, false, reterr_why);
    }
    return code;
}

static void append_text(duckdb_appender appender, str text)
{
    if (str_is_none(text))
        (void)duckdb_append_null(appender);
    else
        (void)duckdb_append_varchar_length(appender, text.ptr, text.len);
}

static void append_attrs(duckdb_appender appender, const struct attr *attrs, uint32_t count)
{
    struct buf text;
    buf_init(&text, STORE_ATTRS_BYTES_MAX);
    if (count > 0)
        attrs_to_json(&text, attrs, count);
    append_text(appender, text.len && !buf_failed(&text) ? buf_str(&text) : STR_NONE);
    buf_clear(&text);
}

/* The appender of one more row of `table` of the day; on a repeat, first delete. */
static enum err row_begin(struct commit_run *run, int64_t time_ns, const char *table,
                          struct day_run **ret_day, struct diag *reterr_why)
{
    struct day *day;
    bool is_log = table[0] == 'l';
    enum err code = duck_day_get(run->store, time_ns, &day, reterr_why);
    if (code == ERR_OK)
        code = run_day(run, day, ret_day, reterr_why);
    if (code != ERR_OK)
        return code;
    duckdb_appender *appender = is_log ? &(*ret_day)->logs : &(*ret_day)->metrics;
    if (*appender)
        return ERR_OK;
    if (run->is_repeat)
        code = duck_count(
            day->connection, is_log ? &(*ret_day)->logs_deleted : &(*ret_day)->metrics_deleted,
            reterr_why,
            "DELETE FROM %s.%s WHERE (project, %s) IN (SELECT (project, span) FROM "
            "memory.main.probe WHERE kind=%d)",
            day->name, table, is_log ? "log_id" : "id", is_log ? PROBE_LOG : PROBE_METRIC);
    if (code == ERR_OK && duckdb_appender_create_ext(day->connection, day->name, "main", table,
                                                     appender) != DuckDBSuccess)
        code = diag_set(reterr_why, ERR_IO, "the engine refuses an appender");
    return code;
}

static enum err log_write(struct commit_run *run, size_t index, struct diag *reterr_why)
{
    const struct log_record *log = &run->commit->logs[index];
    struct day_run *day = NULL;
    enum err code = row_begin(run, log->time_ns, "logs", &day, reterr_why);
    if (code != ERR_OK)
        return code;
    duckdb_appender to = day->logs;
    (void)duckdb_append_uint32(
        to, dict_intern(&run->store->dicts, FIELD_project, run->commit->log_projects[index]));
    (void)duckdb_append_uint64(to, id8_number(log->log_id));
    (void)duckdb_append_uint64(to, id_high(log->trace_id));
    (void)duckdb_append_uint64(to, id_low(log->trace_id));
    (void)duckdb_append_uint64(to, id8_number(log->span_id));
    (void)duckdb_append_int64(to, log->time_ns);
    (void)duckdb_append_int32(to, log->severity);
    append_text(to, log->severity_text);
    append_text(to, log->event_name);
    append_text(to, log->service);
    append_attrs(to, log->attrs, log->attr_count);
    if (duckdb_appender_end_row(to) != DuckDBSuccess)
        return duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(to), reterr_why);
    bounds_add(&day->log_times, log->time_ns);
    day->log_count++;
    return ERR_OK;
}

static enum err metric_write(struct commit_run *run, size_t index, struct diag *reterr_why)
{
    const struct metric_point *point = &run->commit->metrics[index];
    str project = run->commit->metric_projects[index];
    struct day_run *day = NULL;
    enum err code = row_begin(run, point->time_ns, "metrics", &day, reterr_why);
    if (code != ERR_OK)
        return code;
    duckdb_appender to = day->metrics;
    (void)duckdb_append_uint32(to, dict_intern(&run->store->dicts, FIELD_project, project));
    (void)duckdb_append_uint64(to, metric_identity(project, point));
    (void)duckdb_append_int64(to, point->time_ns);
    (void)duckdb_append_int64(to, point->start_ns);
    (void)duckdb_append_int32(to, (int32_t)point->type);
    append_text(to, point->name);
    append_text(to, point->unit);
    append_text(to, point->service);
    (void)duckdb_append_bool(to, point->is_monotonic);
    (void)duckdb_append_int32(to, point->temporality);
    if (point->has_value)
        (void)duckdb_append_double(to, point->value);
    else
        (void)duckdb_append_null(to);
    (void)duckdb_append_uint64(to, point->count);
    append_text(to, point->buckets_json);
    append_attrs(to, point->attrs, point->attr_count);
    if (duckdb_appender_end_row(to) != DuckDBSuccess)
        return duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(to), reterr_why);
    day->metric_count++;
    return ERR_OK;
}

static enum err appender_end(duckdb_appender *appender, struct diag *reterr_why)
{
    enum err code = ERR_OK;
    if (*appender && duckdb_appender_close(*appender) != DuckDBSuccess)
        code = duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(*appender), reterr_why);
    if (*appender)
        duckdb_appender_destroy(appender);
    return code;
}

static enum err day_finish(struct commit_run *run, struct day_run *day, struct diag *reterr_why)
{
    enum err code = ERR_OK;
    if (day->traces.appender) {
        code = writer_flush(&day->spans, reterr_why);
        if (code == ERR_OK)
            code = writer_flush(&day->traces, reterr_why);
    }
    if (code == ERR_OK)
        code = appender_end(&day->logs, reterr_why);
    if (code == ERR_OK)
        code = appender_end(&day->metrics, reterr_why);
    if (code == ERR_OK)
        code = duck_run(day->day->connection, reterr_why,
                        "UPDATE %s.state SET value=greatest(value,CASE key WHEN 'items' THEN %llu "
                        "ELSE %llu END) WHERE key IN ('items','checkpoint')",
                        day->day->name, (unsigned long long)run->commit->items_sequence,
                        (unsigned long long)run->commit->checkpoint_sequence);
    return code;
}

static enum err run_prepare(struct commit_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    const struct store_commit *commit = run->commit;
    enum err code = keys_known(store, run->keys, commit->trace_count, run->known, reterr_why);
    for (size_t i = 0; i < commit->trace_count; i++)
        run->known_count += run->known[i];
    if (code == ERR_OK)
        code = probes_fill(run, reterr_why);
    if (code == ERR_OK && run->known_count > 0)
        code = stored_delete(run, reterr_why);
    for (size_t i = 0; i < commit->trace_count && code == ERR_OK; i++)
        code = trace_write(run, i, reterr_why);
    for (size_t i = 0; i < commit->log_count && code == ERR_OK; i++)
        code = log_write(run, i, reterr_why);
    for (size_t i = 0; i < commit->metric_count && code == ERR_OK; i++)
        code = metric_write(run, i, reterr_why);
    for (uint32_t i = 0; i < run->day_count && code == ERR_OK; i++)
        code = day_finish(run, &run->days[i], reterr_why);
    if (code == ERR_OK && !dict_is_saved(store))
        code = dict_save(store, reterr_why);
    if (code != ERR_OK)
        return code;
    code = duck_run(store->write, reterr_why, "BEGIN");
    return code == ERR_OK ? hot_delete(store, TRACE_IN_PROBE("1"), run->hot_deleted, reterr_why)
                          : code;
}

static void day_account(struct day_run *run)
{
    struct day *day = run->day;
    uint64_t written = run->spans.written + run->traces.written;
    day->span_count += run->spans.written - run->spans_deleted;
    day->trace_count += run->traces.written - run->traces_deleted;
    day->log_count += run->log_count - run->logs_deleted;
    day->metric_count += run->metric_count - run->metrics_deleted;
    day->wal_rows += written < DUCK_DIRECT_ROWS ? written + run->log_count + run->metric_count : 0;
    struct bounds *to[] = { &day->span_times, &day->trace_times, &day->log_times };
    struct bounds *from[] = { &run->span_times, &run->trace_times, &run->log_times };
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        to[i]->min = MIN(to[i]->min, from[i]->min);
        to[i]->max = MAX(to[i]->max, from[i]->max);
    }
    run->committed = true;
}

/* The only moment in which readers wait for drain. */
static enum err run_publish(struct commit_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    enum err code = ERR_OK;
    pthread_rwlock_wrlock(&store->lock);
    for (uint32_t i = 0; i < run->day_count && code == ERR_OK; i++) {
        code = duck_run(run->days[i].day->connection, reterr_why, "COMMIT");
        if (code == ERR_OK)
            day_account(&run->days[i]);
    }
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "COMMIT");
    if (code == ERR_OK) {
        store->hot[0].rows -= run->hot_deleted[0];
        store->hot[1].rows -= run->hot_deleted[1];
        store->checkpoint_sequence =
            MAX(store->checkpoint_sequence, run->commit->checkpoint_sequence);
        store->sequence_max = MAX(store->sequence_max, store->checkpoint_sequence);
        store->items_sequence = MAX(store->items_sequence, run->commit->items_sequence);
        store->items_max = MAX(store->items_max, store->items_sequence);
        atomic_store(&store->hot_rows, store->hot[0].rows + store->hot[1].rows);
    }
    pthread_rwlock_unlock(&store->lock);
    return code;
}

static void run_clear(struct commit_run *run, bool failed)
{
    for (uint32_t i = 0; i < run->day_count; i++) {
        struct day_run *day = &run->days[i];
        struct diag ignored;
        if (day->spans.columns)
            writer_close(&day->spans);
        if (day->traces.columns)
            writer_close(&day->traces);
        if (appender_end(&day->logs, &ignored) != ERR_OK ||
            appender_end(&day->metrics, &ignored) != ERR_OK)
            assert(failed);
        if (!day->committed)
            rollback(day->day->connection);
    }
    if (failed)
        rollback(run->store->write);
    xfree(run->days);
    xfree(run->keys);
    xfree(run->known);
}

static enum err hot_move(struct store *store, struct hot_table *from, struct hot_table *to,
                         struct diag *reterr_why)
{
    enum err code = duck_run(store->write, reterr_why, "BEGIN");
    if (code != ERR_OK)
        return code;
    code =
        duck_run(store->write, reterr_why,
                 "INSERT INTO memory.main.%s SELECT * FROM memory.main.%s", to->name, from->name);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "TRUNCATE memory.main.%s", from->name);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "COMMIT");
    if (code != ERR_OK) {
        rollback(store->write);
        return code;
    }
    for (size_t i = 0; from->keys.keys && i <= from->keys.mask; i++) {
        bool was_there;
        if (from->keys.keys[i] != 0)
            keyset_get(&to->keys, from->keys.keys[i], &was_there);
    }
    to->rows += from->rows;
    from->rows = 0;
    return ERR_OK;
}

/* Give memory back: a table in which nothing lives is emptied for good, and the
 * next rows go there; if stragglers keep it, they move to the other one. */
static enum err hot_turn(struct store *store, struct diag *reterr_why)
{
    struct hot_table *active = &store->hot[store->hot_active];
    struct hot_table *other = &store->hot[1 - store->hot_active];
    enum err code = ERR_OK;
    if (active->keys.count < DUCK_HOT_SWITCH)
        return ERR_OK;
    if (other->rows > 0 && active->keys.count >= 4 * (size_t)DUCK_HOT_SWITCH)
        code = hot_move(store, other, active, reterr_why);
    if (code == ERR_OK && other->rows == 0) {
        code = duck_run(store->write, reterr_why, "TRUNCATE memory.main.%s", other->name);
        keyset_clear(&other->keys);
        store->hot_active = 1 - store->hot_active;
    }
    return code;
}

static enum err run_after(struct commit_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    enum err code = bloom_add(store, run->keys, run->commit->trace_count, reterr_why);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why,
                        "UPDATE meta.state SET value=CASE key WHEN 'items' THEN %llu ELSE %llu END "
                        "WHERE key IN ('items','checkpoint')",
                        (unsigned long long)store->items_sequence,
                        (unsigned long long)store->checkpoint_sequence);
    for (uint32_t i = 0; i < run->day_count && code == ERR_OK; i++) {
        struct day *day = run->days[i].day;
        if (day->wal_rows < DUCK_WAL_ROWS_MAX || !store->dir)
            continue;
        day->wal_rows = 0;
        code = duck_run(day->connection, reterr_why, "CHECKPOINT %s", day->name);
    }
    return code == ERR_OK ? hot_turn(store, reterr_why) : code;
}

enum err duck_commit(struct store *store, const struct store_commit *commit,
                     struct diag *reterr_why)
{
    struct commit_run run = { .store = store, .commit = commit };
    run.days = xcalloc(DUCK_DAYS_MAX, sizeof *run.days);
    run.keys = xcalloc(commit->trace_count + 1, sizeof *run.keys);
    run.known = xcalloc(commit->trace_count + 1, sizeof *run.known);
    run.is_repeat = commit->checkpoint_sequence <= store->sequence_max ||
                    store->items_sequence < store->items_max;
    for (size_t i = 0; i < commit->trace_count; i++)
        run.keys[i] =
            (struct key){ dict_intern(&store->dicts, FIELD_project, commit->traces[i].project),
                          id_high(commit->traces[i].trace_id), id_low(commit->traces[i].trace_id) };
    enum err code = run_prepare(&run, reterr_why);
    if (code == ERR_OK)
        code = run_publish(&run, reterr_why);
    if (code == ERR_OK)
        code = run_after(&run, reterr_why);
    run_clear(&run, code != ERR_OK);
    return code;
}
