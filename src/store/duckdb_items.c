/* duckdb_items.c -- log records and metric points go straight to the file of their day.
 *
 * They are few beside spans and wait for nothing.  items_sequence lies in each
 * file's state, and in meta once all files have it; between the two, and for
 * a commit that is said again, what is stored is deleted first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

struct items_day {
    struct day *day;
    duckdb_appender logs, metrics;
    uint64_t logs_deleted, metrics_deleted, log_count, metric_count;
    struct bounds log_times;
    bool is_committed;
};

struct items {
    struct store *store;
    const struct store_commit *commit;
    bool is_repeat; /* parts of it may be stored: after a crash, or said twice */
    struct items_day *days;
    uint32_t day_count;
};

void append_text(duckdb_appender appender, str text)
{
    if (str_is_none(text))
        (void)duckdb_append_null(appender);
    else
        (void)duckdb_append_varchar_length(appender, text.ptr, text.len);
}

void append_attrs(duckdb_appender appender, const struct attr *attrs, uint32_t count)
{
    struct buf text;
    buf_init(&text, STORE_ATTRS_BYTES_MAX);
    if (count > 0)
        attrs_to_json(&text, attrs, count);
    append_text(appender, text.len && !buf_failed(&text) ? buf_str(&text) : STR_NONE);
    buf_clear(&text);
}

static enum err probes_fill(struct items *run, struct diag *reterr_why)
{
    const struct store_commit *commit = run->commit;
    struct dicts *dicts = &run->store->dicts;
    struct probe probe;
    enum err code = probe_begin(run->store, &probe, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < commit->log_count; i++) {
        struct key key = { dict_intern(dicts, FIELD_project, commit->log_projects[i]), 0, 0 };
        probe_add(&probe, PROBE_LOG, key, id8_number(commit->logs[i].log_id));
    }
    for (size_t i = 0; i < commit->metric_count; i++) {
        str project = commit->metric_projects[i];
        struct key key = { dict_intern(dicts, FIELD_project, project), 0, 0 };
        probe_add(&probe, PROBE_METRIC, key, metric_identity(project, &commit->metrics[i]));
    }
    return probe_end(&probe, reterr_why);
}

static enum err run_day(struct items *run, struct day *day, struct items_day **ret_day,
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
    struct items_day *new_day = &run->days[run->day_count++];
    *new_day = (struct items_day){ .day = day, .log_times = { INT64_MAX, INT64_MIN } };
    *ret_day = new_day;
    return ERR_OK;
}

/* The appender of one more row of `table` of the day; on a repeat, first delete. */
static enum err row_begin(struct items *run, int64_t time_ns, const char *table,
                          struct items_day **ret_day, struct diag *reterr_why)
{
    struct day *day;
    bool is_log = table[0] == 'l';
    enum err code = duck_day_get(run->store, filed_time(run->store, time_ns), &day, reterr_why);
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

static enum err log_write(struct items *run, size_t index, struct diag *reterr_why)
{
    const struct log_record *log = &run->commit->logs[index];
    struct items_day *day = NULL;
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

static enum err metric_write(struct items *run, size_t index, struct diag *reterr_why)
{
    const struct metric_point *point = &run->commit->metrics[index];
    str project = run->commit->metric_projects[index];
    struct items_day *day = NULL;
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

static enum err day_finish(struct items *run, struct items_day *day, struct diag *reterr_why)
{
    enum err code = appender_end(&day->logs, reterr_why);
    if (code == ERR_OK)
        code = appender_end(&day->metrics, reterr_why);
    if (code == ERR_OK)
        code = duck_run(day->day->connection, reterr_why,
                        "UPDATE %s.state SET value=greatest(value,%llu) WHERE key='items'",
                        day->day->name, (unsigned long long)run->commit->items_sequence);
    return code;
}

static enum err items_prepare(struct items *run, struct diag *reterr_why)
{
    const struct store_commit *commit = run->commit;
    enum err code = run->is_repeat ? probes_fill(run, reterr_why) : ERR_OK;
    for (size_t i = 0; i < commit->log_count && code == ERR_OK; i++)
        code = log_write(run, i, reterr_why);
    for (size_t i = 0; i < commit->metric_count && code == ERR_OK; i++)
        code = metric_write(run, i, reterr_why);
    for (uint32_t i = 0; i < run->day_count && code == ERR_OK; i++)
        code = day_finish(run, &run->days[i], reterr_why);
    return code == ERR_OK ? duck_dict_save(run->store, reterr_why) : code;
}

static enum err items_publish(struct items *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    enum err code = ERR_OK;
    pthread_rwlock_wrlock(&store->lock);
    for (uint32_t i = 0; i < run->day_count && code == ERR_OK; i++) {
        struct items_day *of = &run->days[i];
        struct day *day = of->day;
        code = duck_run(day->connection, reterr_why, "COMMIT");
        if (code != ERR_OK)
            break;
        of->is_committed = true;
        store->items_max = MAX(store->items_max, run->commit->items_sequence);
        day->log_count += of->log_count - of->logs_deleted;
        day->metric_count += of->metric_count - of->metrics_deleted;
        day->wal_rows += of->log_count + of->metric_count;
        day->log_times.min = MIN(day->log_times.min, of->log_times.min);
        day->log_times.max = MAX(day->log_times.max, of->log_times.max);
    }
    pthread_rwlock_unlock(&store->lock);
    return code;
}

static enum err sequence_save(struct store *store, uint64_t sequence, struct diag *reterr_why)
{
    if (sequence <= store->items_sequence)
        return ERR_OK;
    enum err code =
        duck_run(store->write, reterr_why, "UPDATE meta.state SET value=%llu WHERE key='items'",
                 (unsigned long long)sequence);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_wrlock(&store->lock);
    store->items_sequence = sequence;
    store->items_max = MAX(store->items_max, sequence);
    pthread_rwlock_unlock(&store->lock);
    return ERR_OK;
}

static void items_clear(struct items *run)
{
    for (uint32_t i = 0; i < run->day_count; i++) {
        struct items_day *day = &run->days[i];
        struct diag ignored;
        if (appender_end(&day->logs, &ignored) == ERR_OK)
            (void)appender_end(&day->metrics, &ignored);
        if (day->metrics)
            duckdb_appender_destroy(&day->metrics);
        if (!day->is_committed)
            duck_rollback(day->day->connection);
    }
    xfree(run->days);
}

enum err items_write(struct store *store, const struct store_commit *commit,
                     struct diag *reterr_why)
{
    if (commit->log_count + commit->metric_count == 0)
        return ERR_OK; /* the sequence alone is not worth a write: replay holds no items */
    struct items run = { .store = store, .commit = commit };
    run.is_repeat =
        commit->items_sequence <= store->items_max || store->items_sequence < store->items_max;
    run.days = xcalloc(DUCK_DAYS_MAX, sizeof *run.days);
    enum err code = items_prepare(&run, reterr_why);
    if (code == ERR_OK)
        code = items_publish(&run, reterr_why);
    if (code == ERR_OK)
        code = sequence_save(store, commit->items_sequence, reterr_why);
    items_clear(&run);
    return code;
}
