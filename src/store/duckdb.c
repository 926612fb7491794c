/* duckdb.c -- the embedded default store: opening, files, connections, status.
 *
 * Unsettled spans live in memory, settled ones in one file per UTC day of their
 * trace's start (retention is an unlink).  Every file carries a schema version.
 * Measurements behind the settings: docs/decisions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "store/duckdb_int.h"
#include "sys/clock.h"
#include "sys/file.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { DAY_DATE_DIGITS = 8, MESSAGE_BYTES_MAX = 150 };
#define STORE_MEMORY_DEFAULT (512 * MIB)

/* -- statements -- */

enum err duck_error(enum err fallback, duckdb_error_type type, const char *text,
                    struct diag *reterr_why)
{
    enum err code = fallback;
    if (type == DUCKDB_ERROR_INTERRUPT)
        return diag_set(reterr_why, ERR_DEADLINE, "the question took too long");
    if (text && strstr(text, "No space left"))
        code = ERR_DISK_FULL;
    else if (type == DUCKDB_ERROR_OUT_OF_MEMORY)
        code = ERR_LIMIT;
    else if (type == DUCKDB_ERROR_FATAL)
        code = ERR_UNAVAILABLE;
    /* These quote values, which may be anything that was sent. */
    bool quotes_values = type == DUCKDB_ERROR_CONVERSION || type == DUCKDB_ERROR_INVALID_INPUT ||
                         type == DUCKDB_ERROR_OUT_OF_RANGE || type == DUCKDB_ERROR_CONSTRAINT;
    return diag_set(reterr_why, code, "store engine: %.*s", MESSAGE_BYTES_MAX,
                    text && !quotes_values ? text : "refused a value");
}

static enum err run_text(duckdb_connection connection, const char *text, duckdb_result *result,
                         struct diag *reterr_why)
{
    if (duckdb_query(connection, text, result) == DuckDBSuccess)
        return ERR_OK;
    enum err code = duck_error(ERR_IO, duckdb_result_error_type(result),
                               duckdb_result_error(result), reterr_why);
    duckdb_destroy_result(result);
    return code;
}

enum err duck_text(duckdb_connection connection, const char *text, struct diag *reterr_why)
{
    duckdb_result result;
    enum err code = run_text(connection, text, &result, reterr_why);
    if (code == ERR_OK)
        duckdb_destroy_result(&result);
    return code;
}

enum err duck_run(duckdb_connection connection, struct diag *reterr_why, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(len > 0 && (size_t)len < sizeof text);
    return duck_text(connection, text, reterr_why);
}

enum err duck_count_text(duckdb_connection connection, const char *text, uint64_t *ret_count,
                         struct diag *reterr_why)
{
    duckdb_result result;
    enum err code = run_text(connection, text, &result, reterr_why);
    if (code != ERR_OK)
        return code;
    duckdb_data_chunk chunk = duckdb_fetch_chunk(result);
    *ret_count = 0;
    if (chunk && duckdb_data_chunk_get_size(chunk) > 0) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
        uint64_t *valid = duckdb_vector_get_validity(vector);
        if (!valid || duckdb_validity_row_is_valid(valid, 0))
            *ret_count = ((const uint64_t *)duckdb_vector_get_data(vector))[0];
    }
    if (chunk)
        duckdb_destroy_data_chunk(&chunk);
    duckdb_destroy_result(&result);
    return ERR_OK;
}

enum err duck_count(duckdb_connection connection, uint64_t *ret_count, struct diag *reterr_why,
                    const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(len > 0 && (size_t)len < sizeof text);
    return duck_count_text(connection, text, ret_count, reterr_why);
}

/* -- connections for questions -- */

static bool pool_wait(struct store *store, int64_t deadline_ns)
{
    if (deadline_ns == 0)
        return pthread_cond_wait(&store->pool_free, &store->pool_lock) == 0;
    struct timespec until = { .tv_sec = deadline_ns / NS_PER_S, .tv_nsec = deadline_ns % NS_PER_S };
    return pthread_cond_timedwait(&store->pool_free, &store->pool_lock, &until) == 0;
}

enum err duck_connect(struct store *store, int64_t deadline_ns, duckdb_connection *ret_connection,
                      struct diag *reterr_why)
{
    enum err code = ERR_OK;
    pthread_mutex_lock(&store->pool_lock);
    while (store->pool_idle == 0 && store->pool_made == DUCK_POOL_MAX && code == ERR_OK)
        if (!pool_wait(store, deadline_ns))
            code = diag_set(reterr_why, ERR_DEADLINE, "no connection free before the deadline");
    if (code == ERR_OK && store->pool_idle > 0)
        *ret_connection = store->pool[--store->pool_idle];
    else if (code == ERR_OK && duckdb_connect(store->database, ret_connection) != DuckDBSuccess)
        code = diag_set(reterr_why, ERR_UNAVAILABLE, "the engine gives no connection");
    else if (code == ERR_OK)
        store->pool_made++;
    pthread_mutex_unlock(&store->pool_lock);
    return code;
}

void duck_release(struct store *store, duckdb_connection connection)
{
    pthread_mutex_lock(&store->pool_lock);
    store->pool[store->pool_idle++] = connection;
    pthread_cond_signal(&store->pool_free);
    pthread_mutex_unlock(&store->pool_lock);
}

/* -- files -- */

static void path_quoted(struct buf *out, const char *path)
{
    for (const char *c = path; *c; c++) {
        if (*c == '\'')
            buf_add_char(out, '\'');
        buf_add_char(out, *c);
    }
}

static enum err attach(struct store *store, const char *file, const char *name,
                       struct diag *reterr_why)
{
    struct buf sql;
    buf_init(&sql, 16 * KIB);
    buf_add_c(&sql, "ATTACH '");
    if (store->dir) {
        path_quoted(&sql, store->dir);
        buf_printf(&sql, "/%s' AS %s (STORAGE_VERSION 'latest', ROW_GROUP_SIZE %d)", file, name,
                   DUCK_DIRECT_ROWS);
    } else {
        buf_printf(&sql, ":memory:' AS %s", name);
    }
    buf_add_char(&sql, '\0');
    duckdb_result result;
    enum err code = run_text(store->write, sql.ptr, &result, reterr_why);
    if (code == ERR_OK)
        duckdb_destroy_result(&result);
    buf_clear(&sql);
    return code;
}

/* A file's own table of numbers; makes it in a new file. */
static enum err schema_check(struct store *store, const char *name, bool *ret_is_new,
                             struct diag *reterr_why)
{
    uint64_t tables = 0, version = DUCK_SCHEMA;
    enum err code = duck_count(store->write, &tables, reterr_why,
                               "SELECT count(*)::UBIGINT FROM duckdb_tables() WHERE "
                               "database_name='%s' AND table_name='state'",
                               name);
    if (code == ERR_OK && tables > 0)
        code = duck_count(store->write, &version, reterr_why,
                          "SELECT value FROM %s.state WHERE key='schema'", name);
    if (code != ERR_OK)
        return code;
    if (version != DUCK_SCHEMA) {
        diag_set(reterr_why, ERR_UNSUPPORTED, "%s has schema %llu, this version reads %d", name,
                 (unsigned long long)version, DUCK_SCHEMA);
        return diag_hint(reterr_why, "it was written by another version: use that or a newer one");
    }
    *ret_is_new = tables == 0;
    return ERR_OK;
}

/* Makes a new file whole, or not at all: under another name, which it loses when its tables are
 * on disk.  What a crash left of an earlier try is removed. */
static enum err file_make(struct store *store, const char *file, const char *name,
                          enum err (*tables_make)(struct store *store, const char *name,
                                                  struct diag *reterr_why),
                          struct diag *reterr_why)
{
    char unfinished[64], from[4096], to[4096], wal[4096];
    snprintf(unfinished, sizeof unfinished, "%s.new", file);
    snprintf(from, sizeof from, "%s/%s", store->dir, unfinished);
    snprintf(to, sizeof to, "%s/%s", store->dir, file);
    snprintf(wal, sizeof wal, "%s/%s.wal", store->dir, unfinished);
    (void)sys_files_real.unlink(from);
    (void)sys_files_real.unlink(wal);
    enum err code = attach(store, unfinished, name, reterr_why);
    if (code != ERR_OK)
        return code;
    code = tables_make(store, name, reterr_why);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "CHECKPOINT %s", name);
    struct diag ignored;
    enum err left =
        duck_run(store->write, code == ERR_OK ? reterr_why : &ignored, "DETACH %s", name);
    code = code == ERR_OK ? left : code;
    if (code == ERR_OK && sys_files_real.rename(from, to) != 0)
        code = diag_set(reterr_why, errno == ENOSPC || errno == EDQUOT ? ERR_DISK_FULL : ERR_IO,
                        "cannot name %s: %s", file, strerror(errno));
    return code == ERR_OK ? dir_sync(store->dir, reterr_why) : code;
}

enum err duck_file_open(struct store *store, const char *file, const char *name,
                        enum err (*tables_make)(struct store *store, const char *name,
                                                struct diag *reterr_why),
                        struct diag *reterr_why)
{
    char path[4096];
    bool is_new = false;
    enum err code = ERR_OK;
    snprintf(path, sizeof path, "%s/%s", store->dir ? store->dir : "", file);
    if (store->dir && access(path, F_OK) != 0)
        code = file_make(store, file, name, tables_make, reterr_why);
    if (code == ERR_OK)
        code = attach(store, file, name, reterr_why);
    if (code == ERR_OK)
        code = schema_check(store, name, &is_new, reterr_why);
    return code == ERR_OK && is_new ? tables_make(store, name, reterr_why) : code;
}

enum err duck_state_make(struct store *store, const char *name, struct diag *reterr_why)
{
    enum err code = duck_run(store->write, reterr_why,
                             "CREATE TABLE %s.state(key VARCHAR, value UBIGINT)", name);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why,
                        "INSERT INTO %s.state VALUES "
                        "('schema',%d),('checkpoint',0),('items',0),('generation',0)",
                        name, DUCK_SCHEMA);
    return code;
}

static enum err table_make(struct store *store, const struct columns *columns, const char *table,
                           struct diag *reterr_why)
{
    struct buf sql;
    buf_init(&sql, 16 * KIB);
    columns_ddl(columns, &sql, table);
    buf_add_char(&sql, '\0');
    duckdb_result result;
    enum err code = run_text(store->write, sql.ptr, &result, reterr_why);
    if (code == ERR_OK)
        duckdb_destroy_result(&result);
    buf_clear(&sql);
    return code;
}

/* All tables of a new day in one transaction, so that a crash leaves none or all. */
static enum err day_tables(struct store *store, const char *name, struct diag *reterr_why)
{
    char table[32];
    enum err code = duck_run(store->write, reterr_why, "BEGIN");
    snprintf(table, sizeof table, "%s.spans", name);
    if (code == ERR_OK)
        code = table_make(store, &store->span_columns, table, reterr_why);
    snprintf(table, sizeof table, "%s.traces", name);
    if (code == ERR_OK)
        code = table_make(store, &store->trace_columns, table, reterr_why);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why,
                        "CREATE TABLE %s.logs(project UINTEGER, log_id UBIGINT, trace_id_hi "
                        "UBIGINT, trace_id_lo UBIGINT, span_id UBIGINT, time BIGINT, severity "
                        "INTEGER, severity_text VARCHAR, event_name VARCHAR, service VARCHAR, "
                        "attrs VARCHAR USING COMPRESSION zstd)",
                        name);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why,
                        "CREATE TABLE %s.metrics(project UINTEGER, id UBIGINT, time BIGINT, "
                        "start BIGINT, type INTEGER, name VARCHAR, unit VARCHAR, service VARCHAR, "
                        "monotonic BOOLEAN, temporality INTEGER, value DOUBLE, count UBIGINT, "
                        "buckets VARCHAR, attrs VARCHAR USING COMPRESSION zstd)",
                        name);
    if (code == ERR_OK)
        code = duck_state_make(store, name, reterr_why);
    if (code == ERR_OK)
        return duck_run(store->write, reterr_why, "COMMIT");
    if (duck_run(store->write, NULL, "ROLLBACK") != ERR_OK)
        return code;
    return code;
}

void bounds_add(struct bounds *bounds, int64_t time)
{
    bounds->min = MIN(bounds->min, time);
    bounds->max = MAX(bounds->max, time);
}

static enum err bounds_load(struct store *store, const char *name, const char *table,
                            const char *column, struct bounds *ret, uint64_t *ret_count,
                            struct diag *reterr_why)
{
    uint64_t count = 0, min = 0, max = 0;
    enum err code = duck_count(store->write, &count, reterr_why,
                               "SELECT count(*)::UBIGINT FROM %s.%s", name, table);
    *ret = (struct bounds){ INT64_MAX, INT64_MIN };
    *ret_count = count;
    if (code != ERR_OK || count == 0)
        return code;
    code = duck_count(store->write, &min, reterr_why, "SELECT min(%s) FROM %s.%s", column, name,
                      table);
    if (code == ERR_OK)
        code = duck_count(store->write, &max, reterr_why, "SELECT max(%s) FROM %s.%s", column, name,
                          table);
    if (code == ERR_OK)
        *ret = (struct bounds){ (int64_t)min, (int64_t)max };
    return code;
}

static enum err day_load(struct store *store, struct day *day, struct diag *reterr_why)
{
    struct bounds ignored;
    enum err code = bounds_load(store, day->name, "spans", "start_time", &day->span_times,
                                &day->span_count, reterr_why);
    if (code == ERR_OK)
        code = bounds_load(store, day->name, "traces", "start_time", &day->trace_times,
                           &day->trace_count, reterr_why);
    if (code == ERR_OK)
        code = bounds_load(store, day->name, "logs", "time", &day->log_times, &day->log_count,
                           reterr_why);
    if (code == ERR_OK)
        code = bounds_load(store, day->name, "metrics", "time", &ignored, &day->metric_count,
                           reterr_why);
    if (code == ERR_OK)
        code = duck_count(store->write, &day->checkpoint, reterr_why,
                          "SELECT value FROM %s.state WHERE key='checkpoint'", day->name);
    if (code == ERR_OK)
        code = duck_count(store->write, &day->items, reterr_why,
                          "SELECT value FROM %s.state WHERE key='items'", day->name);
    return code;
}

static enum err day_open(struct store *store, int32_t date, struct day **ret_day,
                         struct diag *reterr_why)
{
    char file[40];
    struct day *day = xcalloc(1, sizeof *day);
    day->date = date;
    snprintf(day->name, sizeof day->name, "d%08d", date);
    snprintf(file, sizeof file, "spans_%08d.duckdb", date);
    enum err code = duck_file_open(store, file, day->name, day_tables, reterr_why);
    if (code == ERR_OK)
        code = day_load(store, day, reterr_why);
    if (code == ERR_OK)
        code = rollups_of_day(store, day, reterr_why);
    if (code == ERR_OK)
        code = bloom_load(store, day, reterr_why);
    if (code == ERR_OK && duckdb_connect(store->database, &day->connection) != DuckDBSuccess)
        code = diag_set(reterr_why, ERR_UNAVAILABLE, "the engine gives no connection");
    if (code != ERR_OK) {
        bloom_clear(&day->traces);
        xfree(day);
        return code;
    }
    pthread_rwlock_wrlock(&store->lock);
    uint32_t at = store->day_count++;
    for (; at > 0 && store->days[at - 1]->date > date; at--)
        store->days[at] = store->days[at - 1];
    store->days[at] = day;
    pthread_rwlock_unlock(&store->lock);
    *ret_day = day;
    return ERR_OK;
}

/* The day a time belongs to; times that no calendar has go to the nearest. */
enum err duck_day_get(struct store *store, int64_t time_ns, struct day **ret_day,
                      struct diag *reterr_why)
{
    int32_t date = day_from_time(MAX(time_ns, INT64_C(0)));
    struct day *nearest = NULL;
    for (uint32_t i = 0; i < store->day_count; i++) {
        nearest = store->days[i];
        if (nearest->date >= date)
            break;
    }
    if (nearest && (nearest->date == date || store->day_count == DUCK_DAYS_MAX)) {
        *ret_day = nearest;
        return ERR_OK;
    }
    return day_open(store, date, ret_day, reterr_why);
}

struct dates {
    int32_t items[DUCK_DAYS_MAX];
    uint32_t count;
};

static void date_add(const char *name, void *arg)
{
    struct dates *dates = arg;
    int64_t date;
    str file = str_from_c(name);
    str digits = str_sub(file, sizeof "spans_" - 1, DAY_DATE_DIGITS);
    if (str_starts(file, STR_OF("spans_")) && str_ends(file, STR_OF(".duckdb")) &&
        file.len == sizeof "spans_.duckdb" - 1 + DAY_DATE_DIGITS && str_to_i64(digits, &date) &&
        dates->count < DUCK_DAYS_MAX)
        dates->items[dates->count++] = (int32_t)date;
}

static enum err dict_load(struct store *store, struct diag *reterr_why)
{
    duckdb_result result;
    enum err code =
        run_text(store->write, "SELECT field, id, text FROM meta.dict ORDER BY field, id", &result,
                 reterr_why);
    if (code != ERR_OK)
        return code;
    duckdb_data_chunk chunk;
    while ((chunk = duckdb_fetch_chunk(result))) {
        const void *names = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        const uint32_t *ids = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
        const void *texts = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2));
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
            enum field field = field_by_name(cell_read(names, i));
            if (field == FIELD_COUNT)
                continue;
            if (dict_intern(&store->dicts, field, cell_read(texts, i)) != ids[i])
                code = diag_set(reterr_why, ERR_CORRUPT, "dictionary of %s has a hole",
                                field_table[field].name);
            store->dicts.fields[field].saved_count = ids[i] + 1;
        }
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return code;
}

static enum err meta_tables(struct store *store, const char *name, struct diag *reterr_why)
{
    enum err code =
        duck_run(store->write, reterr_why,
                 "CREATE TABLE %s.dict(field VARCHAR, id UINTEGER, text VARCHAR)", name);
    return code == ERR_OK ? duck_state_make(store, name, reterr_why) : code;
}

static enum err meta_open(struct store *store, struct diag *reterr_why)
{
    enum err code = duck_file_open(store, "meta.duckdb", "meta", meta_tables, reterr_why);
    if (code == ERR_OK)
        code = scores_make(store, reterr_why);
    if (code == ERR_OK)
        code = dict_load(store, reterr_why);
    if (code == ERR_OK)
        code = duck_count(store->write, &store->checkpoint_sequence, reterr_why,
                          "SELECT value FROM meta.state WHERE key='checkpoint'");
    if (code == ERR_OK)
        code = duck_count(store->write, &store->items_sequence, reterr_why,
                          "SELECT value FROM meta.state WHERE key='items'");
    return code;
}

static enum err files_open(struct store *store, struct diag *reterr_why)
{
    struct dates dates = { .count = 0 };
    enum err code = meta_open(store, reterr_why);
    if (code == ERR_OK)
        code = rollups_open(store, reterr_why);
    if (code == ERR_OK && store->dir)
        code = dir_list(store->dir, date_add, &dates, reterr_why);
    for (uint32_t i = 0; i < dates.count && code == ERR_OK; i++) {
        struct day *day;
        if (date_is_gone(store, dates.items[i])) {
            gone_remove(store, dates.items[i]);
            continue;
        }
        code = day_open(store, dates.items[i], &day, reterr_why);
        if (code != ERR_OK)
            break;
        store->items_max = MAX(store->items_max, day->items);
    }
    store->items_max = MAX(store->items_max, store->items_sequence);
    return code;
}

/* -- open and close -- */

static enum err database_open(struct store *store, struct diag *reterr_why)
{
    char threads[16], memory[32], spill[4096];
    size_t bytes =
        store->config.memory_bytes_max ? store->config.memory_bytes_max : STORE_MEMORY_DEFAULT;
    snprintf(threads, sizeof threads, "%u", MAX(store->config.threads_max, 1U));
    snprintf(memory, sizeof memory, "%zuB", bytes);
    snprintf(spill, sizeof spill, "%s/spill", store->dir ? store->dir : "");
    const char *settings[][2] = {
        { "threads", threads },
        { "memory_limit", memory },
        { "block_allocator_memory", memory },    /* blocks are used again, not freed */
        { "write_buffer_row_group_count", "1" }, /* written while in the processor's caches */
        { "storage_compatibility_version", "latest" },
        { "preserve_insertion_order", "false" },
        { "wal_autocheckpoint", "1GB" },
        { "late_materialization_max_rows", "1001" },
        { "autoinstall_known_extensions", "false" },
        { "autoload_known_extensions", "false" },
        { "allow_community_extensions", "false" },
        { "temp_directory", store->dir ? spill : "" },
    };
    duckdb_config config;
    char *why = NULL;
    if (duckdb_create_config(&config) != DuckDBSuccess)
        return diag_set(reterr_why, ERR_INTERNAL, "the engine has no settings");
    bool accepted = true;
    for (size_t i = 0; i < COUNT_OF(settings) && accepted; i++)
        accepted = duckdb_set_config(config, settings[i][0], settings[i][1]) == DuckDBSuccess;
    enum err code = ERR_OK;
    if (!accepted)
        code = diag_set(reterr_why, ERR_INTERNAL, "the engine refuses a setting");
    else if (duckdb_open_ext(":memory:", &store->database, config, &why) != DuckDBSuccess)
        code = duck_error(ERR_UNAVAILABLE, DUCKDB_ERROR_IO, why, reterr_why);
    duckdb_free(why);
    duckdb_destroy_config(&config);
    if (code == ERR_OK && duckdb_connect(store->database, &store->write) != DuckDBSuccess)
        code = diag_set(reterr_why, ERR_UNAVAILABLE, "the engine gives no connection");
    return code;
}

/* From here on the engine reads and writes in its own folder only. */
static enum err access_restrict(struct store *store, struct diag *reterr_why)
{
    enum err code = ERR_OK;
    if (store->dir) {
        struct buf sql;
        buf_init(&sql, 16 * KIB);
        buf_add_c(&sql, "SET allowed_directories=['");
        path_quoted(&sql, store->dir);
        buf_add_c(&sql, "/']");
        buf_add_char(&sql, '\0');
        duckdb_result result;
        code = run_text(store->write, sql.ptr, &result, reterr_why);
        if (code == ERR_OK)
            duckdb_destroy_result(&result);
        buf_clear(&sql);
    }
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "SET enable_external_access=false");
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "SET lock_configuration=true");
    return code;
}

static enum err memory_make(struct store *store, struct diag *reterr_why)
{
    recent_init(&store->spans, &store->span_columns, &store->dicts, &store->lock);
    recent_init(&store->traces, &store->trace_columns, &store->dicts, &store->lock);
    enum err code = feed_register(store, reterr_why);
    /* One trace to be replaced or looked for, per row: filled for each commit. */
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why,
                        "CREATE TABLE memory.main.probe(kind UINTEGER, project UINTEGER, hi "
                        "UBIGINT, lo UBIGINT, "
                        "span UBIGINT)");
    return code;
}

static void duck_close(struct store *store)
{
    struct diag ignored;
    if (!store)
        return;
    /* On failure they are in the log, behind the checkpoint. */
    bool waits = store->waiting_count > 0 || store->waiting_checkpoint > store->checkpoint_sequence;
    if (waits && flush_waiting(store, &ignored) != ERR_OK)
        store->waiting_count = 0;
    for (uint32_t i = 0; i < store->day_count; i++) {
        if (store->days[i]->wal_rows > 0 && store->dir &&
            duck_run(store->write, NULL, "CHECKPOINT %s", store->days[i]->name) != ERR_OK)
            store->days[i]->wal_rows = 0; /* the WAL stays and is read at the next start */
        duckdb_disconnect(&store->days[i]->connection);
        bloom_clear(&store->days[i]->traces);
        xfree(store->days[i]);
    }
    for (uint32_t i = 0; i < store->pool_idle; i++)
        duckdb_disconnect(&store->pool[i]);
    if (store->upkeep)
        duckdb_disconnect(&store->upkeep);
    if (store->write)
        duckdb_disconnect(&store->write);
    if (store->database)
        duckdb_close(&store->database);
    recent_clear(&store->spans);
    recent_clear(&store->traces);
    entries_clear(store);
    xfree(store->waiting);
    dicts_clear(&store->dicts);
    pthread_mutex_destroy(&store->pool_lock);
    pthread_mutex_destroy(&store->upkeep_lock);
    pthread_mutex_destroy(&store->write_lock);
    pthread_cond_destroy(&store->pool_free);
    pthread_rwlock_destroy(&store->lock);
    xfree(store->dir);
    xfree(store);
}

static void locks_init(struct store *store)
{
    pthread_rwlockattr_t fair;
    pthread_rwlockattr_init(&fair);
    /* Else a stream of questions keeps drain waiting for ever. */
    pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&store->lock, &fair);
    pthread_rwlockattr_destroy(&fair);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->pool_free, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&store->pool_lock, NULL);
    pthread_mutex_init(&store->upkeep_lock, NULL);
    pthread_mutex_init(&store->write_lock, NULL);
}

static enum err duck_open(const struct store_config *config, struct store **ret_store,
                          struct diag *reterr_why)
{
    struct store *store = xcalloc(1, sizeof *store);
    store->config = *config;
    store->config.dir = NULL;
    store->dir = config->dir ? xstrdup_str(str_from_c(config->dir)) : NULL;
    locks_init(store);
    dicts_init(&store->dicts);
    columns_of_spans(&store->span_columns);
    columns_of_traces(&store->trace_columns);
    enum err code = store->dir ? dir_ensure(store->dir, 0700, reterr_why) : ERR_OK;
    if (code == ERR_OK)
        code = database_open(store, reterr_why);
    if (code == ERR_OK)
        code = memory_make(store, reterr_why);
    if (code == ERR_OK)
        code = access_restrict(store, reterr_why);
    if (code == ERR_OK)
        code = files_open(store, reterr_why);
    if (code != ERR_OK) {
        duck_close(store);
        return code;
    }
    *ret_store = store;
    return ERR_OK;
}

static uint64_t disk_bytes(const struct store *store, const char *file)
{
    char path[4096];
    uint64_t bytes = 0;
    for (int wal = 0; wal < 2; wal++) {
        snprintf(path, sizeof path, "%s/%s%s", store->dir, file, wal ? ".wal" : "");
        bytes += (uint64_t)MAX(file_size(path), INT64_C(0));
    }
    return bytes;
}

/* The engine's own memory.  Asking it costs a statement: once a second is enough. */
static uint64_t engine_bytes(struct store *store)
{
    int64_t now_ns = clock_monotonic_ns(), measured_ns = atomic_load(&store->measured_ns);
    bool is_fresh = measured_ns && now_ns - measured_ns < NS_PER_S;
    duckdb_connection connection;
    struct diag why = DIAG_NONE;
    uint64_t bytes;
    if (is_fresh || duck_connect(store, 0, &connection, &why) != ERR_OK)
        return atomic_load(&store->engine_bytes);
    if (duck_count(connection, &bytes, &why,
                   "SELECT sum(memory_usage_bytes)::UBIGINT FROM duckdb_memory()") == ERR_OK) {
        atomic_store(&store->engine_bytes, bytes);
        atomic_store(&store->measured_ns, now_ns);
    }
    duck_release(store, connection);
    return atomic_load(&store->engine_bytes);
}

static void duck_status(struct store *store, struct store_status *ret_status)
{
    struct store_status status = { 0 };
    pthread_rwlock_rdlock(&store->lock);
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct day *day = store->days[i];
        char file[40];
        snprintf(file, sizeof file, "spans_%08d.duckdb", day->date);
        status.span_count += day->span_count;
        status.trace_count += day->trace_count;
        status.log_count += day->log_count;
        status.metric_count += day->metric_count;
        status.disk_bytes += store->dir ? disk_bytes(store, file) : 0;
    }
    status.disk_bytes += store->dir ? disk_bytes(store, "meta.duckdb") : 0;
    status.disk_bytes += store->dir ? disk_bytes(store, "rollups.duckdb") : 0;
    status.day_count = store->day_count;
    status.checkpoint_sequence = store->checkpoint_sequence;
    status.items_sequence = store->items_sequence;
    uint64_t recent = recent_bytes(&store->spans) + recent_bytes(&store->traces);
    pthread_rwlock_unlock(&store->lock);
    status.span_count += atomic_load(&store->settled_rows);
    status.trace_count += atomic_load(&store->settled_traces);
    status.unsettled_count = atomic_load(&store->open_rows);
    status.score_count = atomic_load(&store->score_count);
    status.memory_bytes = engine_bytes(store) + recent;
    *ret_status = status;
}

const struct store_ops store_duckdb = {
    .name = "duckdb",
    .open = duck_open,
    .close = duck_close,
    .append = duck_append,
    .commit = duck_commit,
    .known = duck_known,
    .spans = duck_spans,
    .traces = duck_traces,
    .aggregate = duck_aggregate,
    .logs = duck_logs,
    .log_list = duck_log_list,
    .log_counts = duck_log_counts,
    .points = duck_points,
    .point_names = duck_point_names,
    .shares = duck_shares,
    .scores = duck_scores,
    .sql = duck_sql,
    .roll = duck_roll,
    .expire = duck_expire,
    .status = duck_status,
};
