/* duckdb_expire.c -- what has been kept long enough goes: spans by whole days, scores, rollups.
 *
 * The order for a day: its rollups are made; then it is written down, together, that they are
 * final and (if no project keeps anything of the day) that the file is gone; then rows or the
 * file go.  A kill between any two of these leaves work, which the next run or start does: until
 * the spans are gone rollups and spans say the same, and aggregates read one of them.
 *
 * A file is detached and unlinked some time after the last question could have begun to read it
 * (graves): questions need no lock for that.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "store/duckdb_int.h"
#include "sys/clock.h"
#include "sys/file.h"

#include <stdatomic.h>
#include <stdio.h>

enum { PROJECTS_MAX = DUCK_SEALS_MAX, TRIES_MAX = 4 };

struct project_rows {
    uint32_t project;
    uint64_t spans, traces, logs, metrics;
    bool expires;
};
struct expire_run {
    struct store *store;
    const struct store_expiry *expiry;
    struct store_expired *expired;
    struct project_rows *projects; /* of the day at hand */
    size_t project_count;
};

static const struct store_keep *keep_of(const struct expire_run *run, uint32_t project)
{
    str name = dict_text(&run->store->dicts, FIELD_project, project);
    for (size_t i = 1; i < run->expiry->keep_count; i++)
        if (str_equal(run->expiry->keeps[i].project, name))
            return &run->expiry->keeps[i];
    return &run->expiry->keeps[0];
}

/* -- files -- */

static void file_unlink(const struct store *store, int32_t date)
{
    char path[4096];
    for (int wal = 0; wal < 2; wal++) {
        snprintf(path, sizeof path, "%s/spans_%08d.duckdb%s", store->dir, date, wal ? ".wal" : "");
        (void)sys_files_real.unlink(path);
    }
}

static uint64_t file_bytes(const struct store *store, int32_t date)
{
    char path[4096];
    uint64_t bytes = 0;
    for (int wal = 0; wal < 2 && store->dir; wal++) {
        snprintf(path, sizeof path, "%s/spans_%08d.duckdb%s", store->dir, date, wal ? ".wal" : "");
        bytes += (uint64_t)MAX(file_size(path), INT64_C(0));
    }
    return bytes;
}

void gone_remove(struct store *store, int32_t date)
{
    file_unlink(store, date);
}

/* Those whose grace is over. */
static void graves_clear(struct expire_run *run)
{
    struct store *store = run->store;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < store->grave_count; i++) {
        struct grave grave = store->graves[i];
        bool is_due = clock_monotonic_ns() - grave.since_ns >= run->expiry->grace_ns;
        if (!is_due || duck_run(store->upkeep, NULL, "DETACH d%08d", grave.date) != ERR_OK) {
            store->graves[kept++] = grave;
            continue;
        }
        if (store->dir)
            file_unlink(store, grave.date);
    }
    store->grave_count = kept;
}

/* -- what a day has -- */

static enum err projects_load(struct expire_run *run, int32_t date, struct diag *reterr_why)
{
    char text[640];
    duckdb_result result;
    snprintf(text, sizeof text,
             "SELECT project,sum(s)::UBIGINT,sum(t)::UBIGINT,sum(l)::UBIGINT,sum(m)::UBIGINT FROM ("
             "SELECT project,count(*) AS s,0 AS t,0 AS l,0 AS m FROM d%08d.spans GROUP BY project "
             "UNION ALL SELECT project,0,count(*),0,0 FROM d%08d.traces GROUP BY project "
             "UNION ALL SELECT project,0,0,count(*),0 FROM d%08d.logs GROUP BY project "
             "UNION ALL SELECT project,0,0,0,count(*) FROM d%08d.metrics GROUP BY project) "
             "GROUP BY project",
             date, date, date, date);
    run->project_count = 0;
    if (duckdb_query(run->store->upkeep, text, &result) != DuckDBSuccess) {
        enum err code = duck_error(ERR_IO, duckdb_result_error_type(&result),
                                   duckdb_result_error(&result), reterr_why);
        duckdb_destroy_result(&result);
        return code;
    }
    duckdb_data_chunk chunk;
    enum err code = ERR_OK;
    while ((chunk = duckdb_fetch_chunk(result))) {
        const uint64_t *counts[4];
        const uint32_t *ids = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        for (idx_t i = 0; i < 4; i++)
            counts[i] = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, i + 1));
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
            if (run->project_count == PROJECTS_MAX)
                code = diag_set(reterr_why, ERR_LIMIT, "a day has more than %d projects",
                                PROJECTS_MAX);
            else
                run->projects[run->project_count++] =
                    (struct project_rows){ .project = ids[i],
                                           .spans = counts[0][i],
                                           .traces = counts[1][i],
                                           .logs = counts[2][i],
                                           .metrics = counts[3][i] };
        }
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return code;
}

/* Which projects of the day expire; *ret_whole: nothing of it stays. */
static bool day_expires(struct expire_run *run, int32_t date, bool *ret_whole)
{
    int64_t end_ns = day_start(date) + ROLLUP_DAY_NS;
    bool any = false;
    *ret_whole = true;
    for (size_t i = 0; i < run->project_count; i++) {
        struct project_rows *of = &run->projects[i];
        of->expires = end_ns <= keep_of(run, of->project)->spans_before_ns;
        any = any || of->expires;
        *ret_whole = *ret_whole && of->expires;
    }
    if (run->project_count == 0) /* nothing was ever kept in it, or all has gone */
        any = *ret_whole = end_ns <= run->expiry->keeps[0].spans_before_ns;
    return any;
}

static void day_count(struct expire_run *run, int32_t date, bool is_whole)
{
    struct store_expired *to = run->expired;
    for (size_t i = 0; i < run->project_count; i++) {
        const struct project_rows *of = &run->projects[i];
        if (!of->expires)
            continue;
        to->span_count += of->spans;
        to->trace_count += of->traces;
        to->log_count += of->logs;
        to->metric_count += of->metrics;
    }
    if (is_whole) {
        to->day_count++;
        to->disk_bytes += file_bytes(run->store, date);
    }
    to->to_ns = MAX(to->to_ns, day_start(date) + ROLLUP_DAY_NS);
}

/* -- a day goes -- */

static void add_projects(const struct expire_run *run, struct buf *out)
{
    bool is_first = true;
    buf_add_c(out, " WHERE project IN (");
    for (size_t i = 0; i < run->project_count; i++)
        if (run->projects[i].expires) {
            buf_printf(out, "%s%u", is_first ? "" : ",", run->projects[i].project);
            is_first = false;
        }
    buf_add_c(out, is_first ? "NULL)" : ")");
}

static enum err seals_write(struct expire_run *run, int32_t date, bool is_whole,
                            struct diag *reterr_why)
{
    struct store *store = run->store;
    enum err code = duck_run(store->upkeep, reterr_why, "BEGIN");
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < run->project_count && code == ERR_OK; i++)
        if (run->projects[i].expires)
            code = duck_run(store->upkeep, reterr_why, "INSERT INTO roll.seals VALUES (%u,%d)",
                            run->projects[i].project, date);
    if (code == ERR_OK && is_whole)
        code = duck_run(store->upkeep, reterr_why, "INSERT INTO roll.gone VALUES (%d)", date);
    if (code == ERR_OK)
        code = duck_run(store->upkeep, reterr_why, "COMMIT");
    if (code != ERR_OK)
        duck_rollback(store->upkeep);
    return code;
}

/* In memory, as seals_write() did on disk.  Under the lock. */
static void seal_set(struct store *store, uint32_t project, int32_t date)
{
    for (uint32_t i = 0; i < store->seal_count; i++)
        if (store->seals[i].project == project) {
            store->seals[i].through = MAX(store->seals[i].through, date);
            return;
        }
    assert(store->seal_count < DUCK_SEALS_MAX);
    store->seals[store->seal_count++] = (struct seal){ project, date };
}

static bool has_room(const struct expire_run *run)
{
    return run->store->seal_count + run->project_count <= DUCK_SEALS_MAX &&
           run->store->gone_count < DUCK_DAYS_MAX && run->store->grave_count < DUCK_DAYS_MAX;
}

/* No new question sees it from here on; drain is between two writes. */
static void day_bury(struct expire_run *run, struct day *day)
{
    struct store *store = run->store;
    store->gone[store->gone_count++] = day->date;
    store->graves[store->grave_count++] =
        (struct grave){ .date = day->date, .since_ns = clock_monotonic_ns() };
    uint32_t at = 0;
    while (store->days[at] != day)
        at++;
    for (store->day_count--; at < store->day_count; at++)
        store->days[at] = store->days[at + 1];
    duckdb_disconnect(&day->connection);
    bloom_clear(&day->traces);
    xfree(day);
}

static enum err rows_delete(struct expire_run *run, struct day *day, struct diag *reterr_why)
{
    static const char *const tables[] = { "spans", "traces", "logs", "metrics" };
    uint64_t *counts[] = { &day->span_count, &day->trace_count, &day->log_count,
                           &day->metric_count };
    uint64_t deleted[COUNT_OF(tables)] = { 0 };
    struct buf text;
    buf_init(&text, MIB);
    enum err code = duck_run(day->connection, reterr_why, "BEGIN");
    for (size_t i = 0; i < COUNT_OF(tables) && code == ERR_OK; i++) {
        buf_reset(&text);
        buf_printf(&text, "DELETE FROM %s.%s", day->name, tables[i]);
        add_projects(run, &text);
        buf_add_char(&text, '\0');
        duckdb_result result;
        if (duckdb_query(day->connection, text.ptr, &result) != DuckDBSuccess)
            code = duck_error(ERR_IO, duckdb_result_error_type(&result),
                              duckdb_result_error(&result), reterr_why);
        else
            deleted[i] = duckdb_rows_changed(&result);
        duckdb_destroy_result(&result);
    }
    buf_clear(&text);
    if (code == ERR_OK) {
        pthread_rwlock_wrlock(&run->store->lock);
        code = duck_run(day->connection, reterr_why, "COMMIT");
        for (size_t i = 0; i < COUNT_OF(tables) && code == ERR_OK; i++)
            *counts[i] -= MIN(*counts[i], deleted[i]);
        pthread_rwlock_unlock(&run->store->lock);
    }
    if (code != ERR_OK)
        duck_rollback(day->connection);
    else if (run->store->dir)
        code = duck_run(day->connection, reterr_why, "CHECKPOINT %s", day->name);
    return code;
}

/* The rollups are final.  The caller has write_lock: spans do not change. */
static enum err day_drop(struct expire_run *run, struct day *day, bool is_whole,
                         struct diag *reterr_why)
{
    struct store *store = run->store;
    if (!has_room(run))
        return diag_set(reterr_why, ERR_LIMIT, "too many projects or days have expired");
    enum err code = seals_write(run, day->date, is_whole, reterr_why);
    if (code != ERR_OK)
        return code;
    day_count(run, day->date, is_whole);
    pthread_rwlock_wrlock(&store->lock);
    for (size_t i = 0; i < run->project_count; i++)
        if (run->projects[i].expires)
            seal_set(store, run->projects[i].project, day->date);
    if (is_whole)
        day_bury(run, day);
    pthread_rwlock_unlock(&store->lock);
    return is_whole ? ERR_OK : rows_delete(run, day, reterr_why);
}

/* Rollups are made beside drain; if it changed the day meanwhile they are made again. */
static enum err day_expire(struct expire_run *run, int32_t date, struct diag *reterr_why)
{
    struct store *store = run->store;
    bool is_whole, is_done = false;
    enum err code = ERR_OK;
    for (int i = 0; i < TRIES_MAX && code == ERR_OK && !is_done; i++) {
        pthread_mutex_lock(&store->write_lock);
        code = store->waiting_count ? flush_waiting(store, reterr_why) : ERR_OK;
        struct day *day = day_find(store, date);
        if (code == ERR_OK)
            code = projects_load(run, date, reterr_why);
        if (code == ERR_OK && !day_expires(run, date, &is_whole))
            is_done = true;
        else if (code == ERR_OK && day->rolled == day->generation) {
            code = day_drop(run, day, is_whole, reterr_why);
            is_done = true;
        }
        pthread_mutex_unlock(&store->write_lock);
        if (code == ERR_OK && !is_done)
            code = rollups_make(store, date, reterr_why);
    }
    return code;
}

/* Dates of all days there are. */
static uint32_t dates_of(struct store *store, int32_t *ret_dates)
{
    pthread_rwlock_rdlock(&store->lock);
    uint32_t count = store->day_count;
    for (uint32_t i = 0; i < count; i++)
        ret_dates[i] = store->days[i]->date;
    pthread_rwlock_unlock(&store->lock);
    return count;
}

/* A plan looks at all days, a run at the first that has something. */
static enum err days_expire(struct expire_run *run, bool *ret_found, struct diag *reterr_why)
{
    int32_t dates[DUCK_DAYS_MAX];
    uint32_t count = dates_of(run->store, dates);
    int64_t latest_ns = INT64_MIN;
    enum err code = ERR_OK;
    for (size_t i = 0; i < run->expiry->keep_count; i++)
        latest_ns = MAX(latest_ns, run->expiry->keeps[i].spans_before_ns);
    *ret_found = false;
    for (uint32_t i = 0; i < count && code == ERR_OK && !*ret_found; i++) {
        bool is_whole;
        if (day_start(dates[i]) + ROLLUP_DAY_NS > latest_ns)
            continue;
        code = projects_load(run, dates[i], reterr_why);
        if (code != ERR_OK || !day_expires(run, dates[i], &is_whole))
            continue;
        if (run->expiry->is_plan) {
            day_count(run, dates[i], is_whole);
            continue;
        }
        *ret_found = true;
        code = day_expire(run, dates[i], reterr_why);
    }
    return code;
}

/* -- scores and rollups -- */

/* Rollups of a day whose file is still there are as old as its spans. */
static void add_not_of_days(struct expire_run *run, struct buf *out)
{
    int32_t dates[DUCK_DAYS_MAX];
    uint32_t count = dates_of(run->store, dates);
    for (uint32_t i = 0; i < count; i++)
        buf_printf(out, "%s%d", i ? "," : " AND file NOT IN (", dates[i]);
    buf_add_c(out, count ? ")" : "");
}

/* Rows of one table that began before a time of their project's. */
static enum err older_expire(struct expire_run *run, const char *table, const char *time,
                             bool of_scores, uint64_t *ret_count, struct diag *reterr_why)
{
    const struct store_expiry *expiry = run->expiry;
    struct buf text;
    duckdb_result result;
    enum err code = ERR_OK;
    buf_init(&text, MIB);
    buf_printf(&text, "%s FROM %s WHERE %s<CASE project",
               expiry->is_plan ? "SELECT count(*)" : "DELETE", table, time);
    for (size_t i = 1; i < expiry->keep_count; i++) {
        uint32_t id = dict_find(&run->store->dicts, FIELD_project, expiry->keeps[i].project);
        if (id != DICT_NO_ID)
            buf_printf(&text, " WHEN %u THEN CAST('%lld' AS BIGINT)", id,
                       (long long)(of_scores ? expiry->keeps[i].scores_before_ns
                                             : expiry->keeps[i].rollups_before_ns));
    }
    buf_printf(&text, " WHEN %u THEN CAST('%lld' AS BIGINT) ELSE CAST('%lld' AS BIGINT) END",
               DICT_NO_ID, (long long)INT64_MIN,
               (long long)(of_scores ? expiry->keeps[0].scores_before_ns
                                     : expiry->keeps[0].rollups_before_ns));
    if (!of_scores)
        add_not_of_days(run, &text);
    buf_add_char(&text, '\0');
    if (duckdb_query(run->store->upkeep, text.ptr, &result) != DuckDBSuccess)
        code = duck_error(ERR_IO, duckdb_result_error_type(&result), duckdb_result_error(&result),
                          reterr_why);
    else
        *ret_count += (uint64_t)(expiry->is_plan ? duckdb_value_int64(&result, 0, 0)
                                                 : (int64_t)duckdb_rows_changed(&result));
    duckdb_destroy_result(&result);
    buf_clear(&text);
    return code;
}

static enum err scores_expire(struct expire_run *run, struct diag *reterr_why)
{
    uint64_t count = 0;
    pthread_mutex_lock(&run->store->write_lock); /* drain writes that table too */
    enum err code = older_expire(run, "meta.scores", "time", true, &count, reterr_why);
    pthread_mutex_unlock(&run->store->write_lock);
    run->expired->score_count += count;
    if (code == ERR_OK && !run->expiry->is_plan)
        atomic_fetch_sub(&run->store->score_count, count);
    return code;
}

static enum err rollups_expire(struct expire_run *run, struct diag *reterr_why)
{
    enum err code = ERR_OK;
    for (int i = 0; i < ROLLUP_TABLES && code == ERR_OK; i++) {
        char table[48], time[48];
        snprintf(table, sizeof table, "roll.%s", rollup_tables[i].name);
        snprintf(time, sizeof time, "start_time+%lld-1", (long long)rollup_tables[i].width_ns);
        code = older_expire(run, table, time, false, &run->expired->rollup_count, reterr_why);
    }
    return code;
}

enum err duck_expire(struct store *store, const struct store_expiry *expiry,
                     struct store_expired *expired, struct diag *reterr_why)
{
    assert(expiry->keep_count >= 1 && expiry->keep_count <= STORE_KEEPS_MAX);
    struct expire_run run = { .store = store, .expiry = expiry, .expired = expired };
    bool is_found = false;
    run.projects = xcalloc(PROJECTS_MAX, sizeof *run.projects);
    pthread_mutex_lock(&store->upkeep_lock);
    graves_clear(&run);
    enum err code = days_expire(&run, &is_found, reterr_why);
    if (code == ERR_OK && !is_found)
        code = scores_expire(&run, reterr_why);
    if (code == ERR_OK && !is_found)
        code = rollups_expire(&run, reterr_why);
    pthread_mutex_unlock(&store->upkeep_lock);
    expired->more = code == ERR_OK && is_found;
    xfree(run.projects);
    return code;
}
