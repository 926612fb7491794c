/* duckdb_points.c -- metric points of all days in range.
 *
 * The engine finds project, name and range, which is what its columns answer; the filter is asked
 * in C, where it means the same as in the reference.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdlib.h>

enum { POINT_SCRATCH_BYTES = 64 << 20 };

struct points_run {
    const struct store_points *ask;
    struct arena *arena, scratch;
    struct store_point *points;
    struct store_point_name *names;
    size_t count, capacity, seen;
};

/* Points of all days that have some; false: there are none. */
static bool add_tables(struct sql *sql)
{
    bool has_any = false;
    for (uint32_t i = 0; i < sql->store->day_count; i++) {
        const struct day *day = sql->store->days[i];
        if (day->metric_count == 0)
            continue;
        buf_printf(&sql->text, "%sSELECT * FROM %s.metrics", has_any ? " UNION ALL " : "(",
                   day->name);
        has_any = true;
    }
    buf_add_c(&sql->text, has_any ? ")" : "");
    return has_any;
}

static void add_scope(struct sql *sql)
{
    buf_printf(&sql->text,
               " WHERE project=%u AND time>=CAST('%lld' AS BIGINT) AND time<CAST('%lld' AS BIGINT)",
               dict_find(&sql->store->dicts, FIELD_project, sql->scope->project),
               (long long)sql->scope->range.from_ns, (long long)sql->scope->range.to_ns);
}

static const void *cell(duckdb_data_chunk chunk, idx_t column, idx_t row, size_t size)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *valid = duckdb_vector_get_validity(vector);
    if (valid && !duckdb_validity_row_is_valid(valid, row))
        return NULL;
    return (const char *)duckdb_vector_get_data(vector) + row * size;
}

static int64_t cell_i64(duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    const int64_t *at = cell(chunk, column, row, sizeof *at);
    return at ? *at : 0;
}

/* Columns 0 to 5: name, unit, service, type, temporality, monotonic. */
static bool kind_read(struct arena *arena, duckdb_data_chunk chunk, idx_t row,
                      struct metric_point *ret)
{
    const bool *is_monotonic = cell(chunk, 5, row, sizeof *is_monotonic);
    *ret = (struct metric_point){ .type = (enum metric_type)cell_i64(chunk, 3, row),
                                  .temporality = (int32_t)cell_i64(chunk, 4, row),
                                  .is_monotonic = is_monotonic && *is_monotonic };
    return chunk_text(arena, chunk, 0, row, &ret->name) &&
           chunk_text(arena, chunk, 1, row, &ret->unit) &&
           chunk_text(arena, chunk, 2, row, &ret->service);
}

static void *grow(void *items, struct points_run *run, size_t size)
{
    if (run->count < run->capacity)
        return items;
    run->capacity = MAX(run->capacity * 2, (size_t)64);
    return xrealloc(items, run->capacity * size);
}

static enum err points_read(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    struct points_run *run = arg;
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
        struct store_point point = { .attrs_json = STR_NONE };
        if (++run->seen > run->ask->limit)
            return points_too_many(run->ask, reterr_why);
        arena_reset(&run->scratch);
        bool fits = kind_read(&run->scratch, chunk, row, &point.point) &&
                    chunk_text(&run->scratch, chunk, 10, row, &point.point.buckets_json) &&
                    chunk_text(&run->scratch, chunk, 11, row, &point.attrs_json);
        const double *value = cell(chunk, 8, row, sizeof *value);
        point.point.time_ns = cell_i64(chunk, 6, row);
        point.point.start_ns = cell_i64(chunk, 7, row);
        point.point.has_value = value != NULL;
        point.point.value = value ? *value : 0;
        point.point.count = (uint64_t)cell_i64(chunk, 9, row);
        if (fits && !point_is_asked(run->ask, &point))
            continue;
        run->points = grow(run->points, run, sizeof *run->points);
        if (!fits || !point_clone(run->arena, &point, &run->points[run->count]))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the points");
        run->count++;
    }
    return ERR_OK;
}

static enum err names_read(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    struct points_run *run = arg;
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
        run->names = grow(run->names, run, sizeof *run->names);
        struct store_point_name *to = &run->names[run->count];
        if (!kind_read(run->arena, chunk, row, &to->of) ||
            !chunk_text(run->arena, chunk, 9, row, &to->attrs_json))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the names");
        to->count = (uint64_t)cell_i64(chunk, 6, row);
        to->first_ns = cell_i64(chunk, 7, row);
        to->last_ns = cell_i64(chunk, 8, row);
        run->count++;
    }
    return ERR_OK;
}

/* SELECT `columns` of the scope's points `rest`. */
static enum err ask_run(struct store *store, const struct store_scope *scope,
                        struct points_run *run, const char *columns, const char *rest,
                        struct diag *reterr_why)
{
    duckdb_connection connection;
    struct statement statement;
    if (!str_is_none(scope->tenant) ||
        dict_find(&store->dicts, FIELD_project, scope->project) == DICT_NO_ID)
        return ERR_OK;
    enum err code = duck_connect(store, scope->deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    struct sql *sql = xcalloc(1, sizeof *sql);
    sql_init(sql, store, run->arena, scope);
    buf_printf(&sql->text, "SELECT %s FROM ", columns);
    pthread_rwlock_rdlock(&store->lock);
    bool has_any = add_tables(sql);
    add_scope(sql);
    if (run->ask) {
        buf_add_c(&sql->text, " AND name=");
        sql_param(sql, run->ask->name);
    }
    buf_add_c(&sql->text, rest);
    code = has_any ? sql_prepare(sql, connection, &statement, reterr_why) : ERR_OK;
    pthread_rwlock_unlock(&store->lock);
    if (!has_any)
        duck_release(store, connection);
    else if (code == ERR_OK)
        code = sql_execute(sql, &statement, run->ask ? points_read : names_read, run, reterr_why);
    sql_clear(sql);
    xfree(sql);
    return code;
}

enum err duck_points(struct store *store, const struct store_points *ask, struct arena *arena,
                     struct store_point **ret_points, size_t *ret_count, struct diag *reterr_why)
{
    struct points_run run = { .ask = ask, .arena = arena };
    enum err code = ask->filter ? filter_check(ask->filter, 0, reterr_why) : ERR_OK;
    arena_init(&run.scratch, POINT_SCRATCH_BYTES);
    if (code == ERR_OK)
        code = ask_run(store, &ask->scope, &run,
                       "name,unit,service,type::BIGINT,temporality::BIGINT,monotonic,time,start,"
                       "value,count::BIGINT,buckets,attrs",
                       "", reterr_why);
    arena_clear(&run.scratch);
    struct store_point *points =
        code == ERR_OK ? arena_new(arena, struct store_point, run.count + 1) : NULL;
    if (code == ERR_OK && !points)
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the points");
    if (code == ERR_OK && run.count > 0) {
        qsort(run.points, run.count, sizeof *run.points, point_cmp);
        memcpy(points, run.points, run.count * sizeof *points);
    }
    xfree(run.points);
    *ret_points = points;
    *ret_count = run.count;
    return code;
}

enum err duck_point_names(struct store *store, const struct store_scope *scope, struct arena *arena,
                          struct store_point_name **ret_names, size_t *ret_count,
                          struct diag *reterr_why)
{
    struct points_run run = { .arena = arena };
    enum err code = ask_run(store, scope, &run,
                            "name,unit,service,type::BIGINT,temporality::BIGINT,monotonic,"
                            "count(*),min(time),max(time),arg_max(attrs,time)",
                            " GROUP BY name,unit,service,type,temporality,monotonic", reterr_why);
    struct store_point_name *names =
        code == ERR_OK ? arena_new(arena, struct store_point_name, run.count + 1) : NULL;
    if (code == ERR_OK && !names)
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the names");
    if (code == ERR_OK && run.count > 0)
        memcpy(names, run.names, run.count * sizeof *names);
    xfree(run.names);
    *ret_names = names;
    *ret_count = run.count;
    return code;
}
