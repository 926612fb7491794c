/* duckdb_log_list.c -- lists and counts of log records of all days in range.
 *
 * The engine finds what its columns answer; the body's text and the filter are then asked in C,
 * where they mean the same as in the reference.  The text is looked for in the attributes' JSON
 * first, as it is written there: that leaves little to read.  Without them the engine also sorts
 * and cuts.  With them the newest are kept in a heap, each in memory of its own, since most of
 * what is kept for a while is replaced.
 *
 * A record has no tenant: whose it is, its trace's spans say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "store/duckdb_int.h"

#include <stdlib.h>

enum { ROW_SCRATCH_BYTES = 64 << 20 };

struct kept {
    struct store_log log; /* texts in `arena` */
    struct arena arena;
};

struct log_list {
    struct store *store;
    const struct store_log_list *ask;
    struct kept *kept; /* a heap: the first is the last of the page */
    size_t count;
    struct arena row;
    struct snapshot snapshot;
};

static bool is_cut_here(const struct store_log_list *ask)
{
    return ask->filter || !str_is_empty(ask->text);
}

/* -- SQL -- */

static void add_time(struct sql *sql, const char *before, int64_t time_ns)
{
    buf_printf(&sql->text, "%sCAST('%lld' AS BIGINT)", before, (long long)time_ns);
}

static void add_after(struct sql *sql, const struct store_log_list *ask)
{
    add_time(sql, " AND (time<", ask->after_time_ns);
    add_time(sql, " OR (time=", ask->after_time_ns);
    buf_printf(&sql->text, " AND log_id>%llu::UBIGINT))",
               (unsigned long long)id8_number(ask->after_id));
}

/* The text as it stands in the attributes' JSON, without the quotes. */
static void add_text(struct sql *sql, str text)
{
    struct buf json;
    buf_init(&json, 6 * text.len + 16);
    buf_add_json_str(&json, text);
    str written = arena_str(sql->arena, str_sub(buf_str(&json), 1, json.len - 2));
    buf_clear(&json);
    buf_add_c(&sql->text, " AND contains(attrs,");
    sql_param(sql, written);
    buf_add_char(&sql->text, ')');
}

static void add_trace(struct sql *sql, const struct store_log_list *ask)
{
    if (ask->has_trace_id)
        buf_printf(&sql->text, " AND trace_id_hi=%llu::UBIGINT AND trace_id_lo=%llu::UBIGINT",
                   (unsigned long long)id_high(ask->trace_id),
                   (unsigned long long)id_low(ask->trace_id));
    if (str_is_none(ask->scope.tenant))
        return;
    struct store_scope any_time = ask->scope; /* a trace may have begun the day before */
    any_time.range = (struct time_range){ INT64_MIN, INT64_MAX };
    sql->scope = &any_time;
    buf_add_c(&sql->text,
              " AND (trace_id_hi,trace_id_lo) IN (SELECT (trace_id_hi,trace_id_lo) FROM ");
    sql_span_tables(sql);
    buf_add_c(&sql->text, " WHERE ");
    sql_scope(sql, false);
    buf_add_char(&sql->text, ')');
    sql->scope = &ask->scope;
}

static void add_conditions(struct sql *sql, const struct store_log_list *ask)
{
    buf_printf(&sql->text, "project=%u",
               dict_find(&sql->store->dicts, FIELD_project, ask->scope.project));
    add_time(sql, " AND time>=", ask->scope.range.from_ns);
    add_time(sql, " AND time<", ask->scope.range.to_ns);
    if (ask->severity_min > 0)
        buf_printf(&sql->text, " AND severity>=%d", ask->severity_min);
    if (ask->has_after)
        add_after(sql, ask);
    if (!str_is_empty(ask->text))
        add_text(sql, ask->text);
    add_trace(sql, ask);
}

/* Log records of all days that have some of the range; false: none has. */
static bool add_log_tables(struct sql *sql, const struct time_range *range)
{
    bool has_any = false;
    for (uint32_t i = 0; i < sql->store->day_count; i++) {
        const struct day *day = sql->store->days[i];
        if (day->log_times.min > day->log_times.max || day->log_times.min >= range->to_ns ||
            day->log_times.max < range->from_ns)
            continue;
        buf_printf(&sql->text, "%sSELECT * FROM %s.logs", has_any ? " UNION ALL " : "(", day->name);
        has_any = true;
    }
    buf_add_c(&sql->text, has_any ? ")" : "");
    return has_any;
}

static bool build(struct sql *sql, const struct store_log_list *ask)
{
    buf_add_c(&sql->text, "SELECT log_id,span_id,trace_id_hi,trace_id_lo,time,severity,"
                          "severity_text,event_name,service,attrs FROM ");
    if (!add_log_tables(sql, &ask->scope.range))
        return false;
    buf_add_c(&sql->text, " WHERE ");
    add_conditions(sql, ask);
    if (!is_cut_here(ask))
        buf_printf(&sql->text, " ORDER BY time DESC,log_id LIMIT %u", ask->limit);
    return true;
}

/* -- the page -- */

static bool comes_after(const struct kept *a, const struct kept *b)
{
    return log_order(&a->log.log, &b->log.log) > 0;
}

static void swap(struct kept *a, struct kept *b)
{
    struct kept other = *a;
    *a = *b;
    *b = other;
}

static void heap_up(struct kept *heap, size_t at)
{
    for (; at > 0 && comes_after(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

static void heap_down(struct kept *heap, size_t count)
{
    for (size_t at = 0, next; (next = 2 * at + 1) < count; at = next) {
        if (next + 1 < count && comes_after(&heap[next + 1], &heap[next]))
            next++;
        if (!comes_after(&heap[next], &heap[at]))
            return;
        swap(&heap[at], &heap[next]);
    }
}

static bool keep(struct log_list *run, const struct store_log *log)
{
    bool is_full = run->count == run->ask->limit;
    if (is_full && log_order(&log->log, &run->kept[0].log.log) > 0)
        return true;
    struct kept *to = is_full ? &run->kept[0] : &run->kept[run->count++];
    if (is_full)
        arena_reset(&to->arena);
    else
        arena_init(&to->arena, ROW_SCRATCH_BYTES);
    bool fits = log_clone(&to->arena, log, &to->log);
    if (is_full)
        heap_down(run->kept, run->count);
    else
        heap_up(run->kept, run->count - 1);
    return fits;
}

static void id8_read(uint64_t number, struct id8 *ret_id)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        ret_id->bytes[i] = (uint8_t)number;
}

static bool log_read(struct log_list *run, duckdb_data_chunk chunk, idx_t row)
{
    uint64_t numbers[4];
    struct id8 half;
    struct store_log log = { .attrs_json = STR_NONE };
    arena_reset(&run->row);
    for (idx_t i = 0; i < COUNT_OF(numbers); i++)
        memcpy(&numbers[i],
               (const uint64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, i)) +
                   row,
               sizeof numbers[i]);
    id8_read(numbers[0], &log.log.log_id);
    id8_read(numbers[1], &log.log.span_id);
    id8_read(numbers[2], &half);
    memcpy(log.log.trace_id.bytes, half.bytes, 8);
    id8_read(numbers[3], &half);
    memcpy(log.log.trace_id.bytes + 8, half.bytes, 8);
    log.log.time_ns =
        ((const int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 4)))[row];
    log.log.severity =
        ((const int32_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 5)))[row];
    if (!chunk_text(&run->row, chunk, 6, row, &log.log.severity_text) ||
        !chunk_text(&run->row, chunk, 7, row, &log.log.event_name) ||
        !chunk_text(&run->row, chunk, 8, row, &log.log.service) ||
        !chunk_text(&run->row, chunk, 9, row, &log.attrs_json))
        return false;
    return !log_is_asked(run->ask, &log) || keep(run, &log);
}

static enum err chunk_read(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++)
        if (!log_read(arg, chunk, row))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the log records");
    return ERR_OK;
}

static enum err statement_run(struct log_list *run, struct sql *sql, struct diag *reterr_why)
{
    duckdb_connection connection;
    struct statement statement;
    struct store *store = run->store;
    enum err code = duck_connect(store, sql->scope->deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&store->lock);
    if (!str_is_none(run->ask->scope.tenant))
        snapshot_take(store, &store->spans, NULL, 0, &run->snapshot);
    bool has_any = build(sql, run->ask);
    code = has_any ? sql_prepare(sql, connection, &statement, reterr_why) : ERR_OK;
    pthread_rwlock_unlock(&store->lock);
    if (!has_any)
        duck_release(store, connection);
    return has_any && code == ERR_OK ? sql_execute(sql, &statement, chunk_read, run, reterr_why)
                                     : code;
}

static enum err feed_run(struct log_list *run, struct sql *sql, struct diag *reterr_why)
{
    enum err code = feed_begin(run->store, &run->snapshot, &sql->spans_feed, reterr_why);
    if (code != ERR_OK)
        return code;
    code = statement_run(run, sql, reterr_why);
    feed_end(run->store, sql->spans_feed);
    snapshot_drop(run->store, &run->snapshot);
    return code;
}

static int kept_cmp(const void *a, const void *b)
{
    return log_order(&((const struct kept *)a)->log.log, &((const struct kept *)b)->log.log);
}

static enum err list_answer(struct log_list *run, struct arena *arena, struct store_log **ret_logs,
                            size_t *ret_count, struct diag *reterr_why)
{
    struct store_log *logs = arena_new(arena, struct store_log, run->count + 1);
    bool fits = logs != NULL;
    if (run->count > 0)
        qsort(run->kept, run->count, sizeof *run->kept, kept_cmp);
    for (size_t i = 0; i < run->count && fits; i++)
        fits = log_clone(arena, &run->kept[i].log, &logs[i]);
    if (!fits)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the log records");
    *ret_logs = logs;
    *ret_count = run->count;
    return ERR_OK;
}

enum err duck_log_list(struct store *store, const struct store_log_list *ask, struct arena *arena,
                       struct store_log **ret_logs, size_t *ret_count, struct diag *reterr_why)
{
    enum err code = log_list_check(ask, reterr_why);
    if (code == ERR_OK && !str_is_empty(ask->text) && utf8_valid_prefix(ask->text) < ask->text.len)
        code = diag_set(reterr_why, ERR_BAD_INPUT, "a text of the question is not UTF-8");
    if (code != ERR_OK)
        return code;
    struct log_list run = { .store = store, .ask = ask };
    struct sql *sql = xcalloc(1, sizeof *sql);
    run.kept = xcalloc((size_t)ask->limit + 1, sizeof *run.kept);
    arena_init(&run.row, ROW_SCRATCH_BYTES);
    sql_init(sql, store, arena, &ask->scope);
    if (dict_find(&store->dicts, FIELD_project, ask->scope.project) != DICT_NO_ID)
        code = feed_run(&run, sql, reterr_why);
    sql_clear(sql);
    xfree(sql);
    if (code == ERR_OK)
        code = list_answer(&run, arena, ret_logs, ret_count, reterr_why);
    for (size_t i = 0; i < run.count; i++)
        arena_clear(&run.kept[i].arena);
    xfree(run.kept);
    arena_clear(&run.row);
    return code;
}

/* -- counts -- */

struct log_counts {
    struct arena *arena;
    struct store_log_count *counts;
    size_t count, capacity;
};

static enum err counts_read(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    struct log_counts *run = arg;
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
        if (run->count == run->capacity) {
            run->capacity = MAX(run->capacity * 2, (size_t)16);
            run->counts = xrealloc(run->counts, run->capacity * sizeof *run->counts);
        }
        struct store_log_count *to = &run->counts[run->count];
        if (!chunk_text(run->arena, chunk, 0, row, &to->service))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the counts");
        uint64_t *const numbers[] = { &to->count, &to->unstructured_count };
        for (idx_t i = 0; i < 2; i++)
            *numbers[i] = ((const uint64_t *)duckdb_vector_get_data(
                duckdb_data_chunk_get_vector(chunk, i + 1)))[row];
        run->count++;
    }
    return ERR_OK;
}

static enum err counts_run(struct sql *sql, struct log_counts *run, struct diag *reterr_why)
{
    const struct store_scope *scope = sql->scope;
    duckdb_connection connection;
    struct statement statement;
    enum err code = duck_connect(sql->store, scope->deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    buf_add_c(&sql->text,
              "SELECT coalesce(service,'') AS s,count(*)::UBIGINT AS n,(count(*) "
              "FILTER (starts_with(attrs,'{\"" LOG_UNSTRUCTURED_ATTR "\":true')))::UBIGINT FROM ");
    pthread_rwlock_rdlock(&sql->store->lock);
    bool has_any = add_log_tables(sql, &scope->range);
    buf_printf(&sql->text, " WHERE project=%u",
               dict_find(&sql->store->dicts, FIELD_project, scope->project));
    add_time(sql, " AND time>=", scope->range.from_ns);
    add_time(sql, " AND time<", scope->range.to_ns);
    buf_add_c(&sql->text, " GROUP BY s ORDER BY n DESC,s");
    code = has_any ? sql_prepare(sql, connection, &statement, reterr_why) : ERR_OK;
    pthread_rwlock_unlock(&sql->store->lock);
    if (!has_any)
        duck_release(sql->store, connection);
    return has_any && code == ERR_OK ? sql_execute(sql, &statement, counts_read, run, reterr_why)
                                     : code;
}

enum err duck_log_counts(struct store *store, const struct store_scope *scope, struct arena *arena,
                         struct store_log_count **ret_counts, size_t *ret_count,
                         struct diag *reterr_why)
{
    struct log_counts run = { .arena = arena };
    struct sql *sql = xcalloc(1, sizeof *sql);
    enum err code = ERR_OK;
    sql_init(sql, store, arena, scope);
    if (str_is_none(scope->tenant) &&
        dict_find(&store->dicts, FIELD_project, scope->project) != DICT_NO_ID)
        code = counts_run(sql, &run, reterr_why);
    sql_clear(sql);
    xfree(sql);
    struct store_log_count *counts =
        code == ERR_OK ? arena_new(arena, struct store_log_count, run.count + 1) : NULL;
    if (code == ERR_OK && !counts)
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the counts");
    if (code == ERR_OK) {
        if (run.count > 0)
            memcpy(counts, run.counts, run.count * sizeof *counts);
        *ret_counts = counts;
        *ret_count = run.count;
    }
    xfree(run.counts);
    return code;
}
