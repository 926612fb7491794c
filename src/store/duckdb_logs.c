/* duckdb_logs.c -- log records of one trace, by time.
 *
 * A log record lies in the file of its own day and has no tenant: a question
 * bound to a tenant first asks whether the trace has a span of that tenant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdlib.h>

struct logs_run {
    struct store *store;
    const struct store_scope *scope;
    struct id16 trace_id;
    struct arena *arena;
    struct store_log *logs;
    size_t count, capacity;
};

bool chunk_text(struct arena *arena, duckdb_data_chunk chunk, idx_t column, idx_t row,
                str *ret_text)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *valid = duckdb_vector_get_validity(vector);
    *ret_text = STR_NONE;
    if (valid && !duckdb_validity_row_is_valid(valid, row))
        return true;
    *ret_text = arena_str(arena, cell_read(duckdb_vector_get_data(vector), row));
    return !str_is_none(*ret_text);
}

static void id8_read(uint64_t number, struct id8 *ret_id)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        ret_id->bytes[i] = (uint8_t)number;
}

static bool log_read(struct logs_run *run, duckdb_data_chunk chunk, idx_t row,
                     struct store_log *log)
{
    void *cells[4];
    for (idx_t i = 0; i < 4; i++)
        cells[i] = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, i));
    *log = (struct store_log){ .attrs_json = STR_NONE };
    id8_read(((const uint64_t *)cells[0])[row], &log->log.log_id);
    id8_read(((const uint64_t *)cells[1])[row], &log->log.span_id);
    log->log.trace_id = run->trace_id;
    log->log.time_ns = ((const int64_t *)cells[2])[row];
    log->log.severity = ((const int32_t *)cells[3])[row];
    return chunk_text(run->arena, chunk, 4, row, &log->log.severity_text) &&
           chunk_text(run->arena, chunk, 5, row, &log->log.event_name) &&
           chunk_text(run->arena, chunk, 6, row, &log->log.service) &&
           chunk_text(run->arena, chunk, 7, row, &log->attrs_json);
}

static enum err chunk_read(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    struct logs_run *run = arg;
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
        if (run->count == run->capacity) {
            run->capacity = MAX(run->capacity * 2, (size_t)64);
            run->logs = xrealloc(run->logs, run->capacity * sizeof *run->logs);
        }
        if (!log_read(run, chunk, row, &run->logs[run->count]))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
        run->count++;
    }
    return ERR_OK;
}

enum err duck_trace_is_visible(struct store *store, const struct store_scope *scope,
                               struct id16 trace_id, struct arena *arena, bool *ret_visible,
                               struct diag *reterr_why)
{
    *ret_visible = true;
    if (str_is_none(scope->tenant))
        return ERR_OK;
    char hex[33];
    size_t count = 0;
    struct store_span *spans;
    struct filter is_trace = { .op = FILTER_EQ, .field = FIELD_trace_id };
    is_trace.value = value_str(id_text(trace_id.bytes, 16, hex));
    struct store_list list = { .scope = *scope, .filter = &is_trace, .limit = 1 };
    list.scope.range = (struct time_range){ INT64_MIN, INT64_MAX };
    enum err code = duck_spans(store, &list, arena, &spans, &count, reterr_why);
    *ret_visible = count > 0;
    return code;
}

static void days_copy(struct logs_run *run, char (*names)[16], uint32_t *ret_count)
{
    const struct time_range *range = &run->scope->range;
    pthread_rwlock_rdlock(&run->store->lock);
    for (uint32_t i = 0; i < run->store->day_count; i++) {
        const struct day *day = run->store->days[i];
        if (day->log_times.min <= day->log_times.max && day->log_times.min < range->to_ns &&
            day->log_times.max >= range->from_ns)
            memcpy(names[(*ret_count)++], day->name, sizeof *names);
    }
    pthread_rwlock_unlock(&run->store->lock);
}

static enum err days_read(struct logs_run *run, struct diag *reterr_why)
{
    char(*names)[16] = xcalloc(DUCK_DAYS_MAX, sizeof *names);
    struct sql *sql = xcalloc(1, sizeof *sql);
    uint32_t count = 0;
    enum err code = ERR_OK;
    days_copy(run, names, &count);
    sql_init(sql, run->store, run->arena, run->scope);
    for (uint32_t i = 0; i < count && code == ERR_OK; i++) {
        sql_restart(sql);
        buf_printf(&sql->text,
                   "SELECT log_id,span_id,time,severity,severity_text,event_name,service,attrs "
                   "FROM %s.logs WHERE trace_id_hi=%llu::UBIGINT AND trace_id_lo=%llu::UBIGINT AND "
                   "time>=CAST('%lld' AS BIGINT) AND time<CAST('%lld' AS BIGINT) AND ",
                   names[i], (unsigned long long)id_high(run->trace_id),
                   (unsigned long long)id_low(run->trace_id), (long long)run->scope->range.from_ns,
                   (long long)run->scope->range.to_ns);
        uint32_t project = dict_find(&run->store->dicts, FIELD_project, run->scope->project);
        buf_printf(&sql->text, "project=%u", project);
        code = project == DICT_NO_ID ? ERR_OK : sql_run(sql, chunk_read, run, reterr_why);
    }
    sql_clear(sql);
    xfree(sql);
    xfree(names);
    return code;
}

static int log_cmp(const void *a, const void *b)
{
    const struct log_record *x = &((const struct store_log *)a)->log;
    const struct log_record *y = &((const struct store_log *)b)->log;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return memcmp(&x->log_id, &y->log_id, sizeof x->log_id);
}

enum err duck_logs(struct store *store, const struct store_scope *scope, struct id16 trace_id,
                   struct arena *arena, struct store_log **ret_logs, size_t *ret_count,
                   struct diag *reterr_why)
{
    struct logs_run run = { store, scope, trace_id, arena, NULL, 0, 0 };
    bool visible = false;
    enum err code = duck_trace_is_visible(store, scope, trace_id, arena, &visible, reterr_why);
    if (code == ERR_OK && visible)
        code = days_read(&run, reterr_why);
    struct store_log *logs = code == ERR_OK ? arena_new(arena, struct store_log, run.count) : NULL;
    if (code == ERR_OK && !logs)
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    if (code == ERR_OK) {
        if (run.count > 0) {
            qsort(run.logs, run.count, sizeof *run.logs, log_cmp);
            memcpy(logs, run.logs, run.count * sizeof *logs);
        }
        *ret_logs = logs;
        *ret_count = run.count;
    }
    xfree(run.logs);
    return code;
}
