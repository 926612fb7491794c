/* sql_scan.c -- the rows of one table that a statement may see, chunk by chunk.
 *
 * Here, and nowhere else, project and tenant are decided: the child can name a table and
 * columns, by number, and nothing more.  What a key that is bound to a tenant sees of a table
 * without tenants: of scores those that its keys gave and those of its traces; of logs those of
 * its traces; of metric points none.
 *
 * Each table is read as of the moment its scan begins.
 *
 * Memory:  as much as the engine holds of a streamed answer (1 MB), and one chunk.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"
#include "store/sql_int.h"

#include <stdatomic.h>

enum { ARENA_BYTES = 1 << 20, ID16_HEX = 32, ID8_HEX = 16, SOURCES_PER_COLUMN_MAX = 2 };

struct sql_scan {
    struct store *store;
    const struct store_scope *scope;
    struct arena arena;
    struct sql sql;
    struct snapshot spans, traces;
    bool has_feeds, is_open;
    struct statement statement;
    duckdb_pending_result pending;
    duckdb_result result;
    bool has_result;
    const struct sql_column *columns[SQL_COLUMNS_MAX];
    uint32_t column_count;
    bool of_traces;
};

struct sql_scan *sql_scan_new(struct store *store, const struct store_scope *scope)
{
    struct sql_scan *scan = xcalloc(1, sizeof *scan);
    scan->store = store;
    scan->scope = scope;
    arena_init(&scan->arena, ARENA_BYTES);
    sql_init(&scan->sql, store, &scan->arena, scope);
    return scan;
}

static void scan_end(struct sql_scan *scan)
{
    if (scan->has_result)
        duckdb_destroy_result(&scan->result);
    if (scan->pending)
        duckdb_destroy_pending(&scan->pending);
    if (scan->is_open)
        sql_statement_end(&scan->sql, &scan->statement);
    if (scan->has_feeds) {
        feed_end(scan->store, scan->sql.spans_feed);
        feed_end(scan->store, scan->sql.traces_feed);
        snapshot_drop(scan->store, &scan->spans);
        snapshot_drop(scan->store, &scan->traces);
    }
    scan->has_result = scan->is_open = scan->has_feeds = false;
    scan->pending = NULL;
}

void sql_scan_free(struct sql_scan *scan)
{
    if (!scan)
        return;
    scan_end(scan);
    sql_clear(&scan->sql);
    arena_clear(&scan->arena);
    xfree(scan);
}

/* -- the statement -- */

static const char *column_name_of(const struct sql_scan *scan, enum field field)
{
    const struct columns *columns =
        scan->of_traces ? &scan->store->trace_columns : &scan->store->span_columns;
    uint8_t index = columns->of_field[field];
    return index ? columns->items[index - 1].name : NULL;
}

/* A field that has no column: text out of `rare`, of the type that it is kept as. */
static void rare_sql(struct buf *text, const struct sql_column *column)
{
    static const char *const types[] = {
        [SQL_TYPE_I64] = "BIGINT",  [SQL_TYPE_F64] = "DOUBLE", [SQL_TYPE_BOOL] = "BOOLEAN",
        [SQL_TYPE_TIME] = "BIGINT", [SQL_TYPE_MS] = "BIGINT",  [SQL_TYPE_USD] = "BIGINT",
    };
    const char *name = field_table[column->field].name;
    if (!sql_type_is_text(column->type))
        buf_printf(text, "TRY_CAST(json_extract_string(rare,'$.%s') AS %s)", name,
                   types[column->type]);
    else if (column->type == SQL_TYPE_TEXTS || column->type == SQL_TYPE_NUMBERS)
        buf_printf(text, "CAST(json_extract(rare,'$.%s') AS VARCHAR)", name);
    else
        buf_printf(text, "json_extract_string(rare,'$.%s')", name);
}

/* The number of a text, and the text itself where the dictionary was full. */
static void dict_sql(const struct sql_scan *scan, struct buf *text, enum field field)
{
    const char *name = field_table[field].name;
    bool is_full = atomic_load(&scan->store->dicts.fields[field].is_full);
    buf_printf(text, "\"%s\",", name);
    if (is_full)
        buf_printf(text, "CASE WHEN \"%s\"=%u THEN json_extract_string(rare,'$.%s') END", name,
                   DICT_OVERFLOW, name);
    else
        buf_add_c(text, "NULL::VARCHAR");
}

static void column_sql(const struct sql_scan *scan, struct buf *text,
                       const struct sql_column *column)
{
    if (column->field == FIELD_COUNT) {
        bool is_i64 = column->type == SQL_TYPE_I64;
        buf_printf(text, is_i64 ? "TRY_CAST(%s AS BIGINT)" : "%s", column->sql);
        return;
    }
    const char *name = column_name_of(scan, column->field);
    if (column->type == SQL_TYPE_DICT)
        dict_sql(scan, text, column->field);
    else if (column->type == SQL_TYPE_ID16)
        buf_printf(text, "\"%s_hi\",\"%s_lo\"", field_table[column->field].name,
                   field_table[column->field].name);
    else if (column->type == SQL_TYPE_ID8)
        buf_printf(text, "nullif(\"%s\",0)", name);
    else if (name)
        buf_printf(text, "\"%s\"", name);
    else
        rare_sql(text, column);
}

static void source_next(struct buf *text, bool *is_first)
{
    buf_add_c(text, *is_first ? "(" : " UNION ALL ");
    *is_first = false;
}

static bool day_has(const struct bounds *times, const struct time_range *range)
{
    return times->min <= times->max && times->min < range->to_ns && times->max >= range->from_ns;
}

/* Memory, and the days that have spans or traces in the range. */
static void add_rows(struct sql_scan *scan, bool of_traces, const struct time_range *range)
{
    struct store *store = scan->store;
    struct buf *text = &scan->sql.text;
    const struct columns *columns = of_traces ? &store->trace_columns : &store->span_columns;
    buf_add_c(text, "(SELECT ");
    columns_names(columns, text, false);
    if (of_traces) {
        buf_add_c(text, ",false AS settled FROM ");
        sql_open_traces(&scan->sql);
        buf_add_c(text, " UNION ALL SELECT ");
        columns_names(columns, text, false);
        buf_printf(text, ",true AS settled FROM recent_traces(%u)", scan->sql.traces_feed);
    } else {
        buf_printf(text, ",state=%d AS settled FROM recent_spans(%u)", ROW_SETTLED,
                   scan->sql.spans_feed);
    }
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct day *day = store->days[i];
        if (!day_has(of_traces ? &day->trace_times : &day->span_times, range))
            continue;
        buf_add_c(text, " UNION ALL SELECT ");
        columns_names(columns, text, true);
        buf_printf(text, ",true AS settled FROM %s.%s", day->name, of_traces ? "traces" : "spans");
    }
    buf_add_char(text, ')');
}

/* Log records or metric points; false: there are none. */
static bool add_items(struct sql_scan *scan, enum sql_table table)
{
    bool is_first = true, is_logs = table == SQL_TABLE_logs;
    for (uint32_t i = 0; i < scan->store->day_count; i++) {
        const struct day *day = scan->store->days[i];
        bool has = is_logs ? day_has(&day->log_times, &scan->scope->range) : day->metric_count > 0;
        if (!has)
            continue;
        source_next(&scan->sql.text, &is_first);
        buf_printf(&scan->sql.text, "SELECT * FROM %s.%s", day->name, is_logs ? "logs" : "metrics");
    }
    if (!is_first)
        buf_add_char(&scan->sql.text, ')');
    return !is_first;
}

/* Of a trace that has a span of the key's tenant, whenever that was. */
static void add_of_own_trace(struct sql_scan *scan)
{
    static const struct time_range always = { INT64_MIN, INT64_MAX };
    buf_add_c(&scan->sql.text, "(trace_id_hi,trace_id_lo) IN (SELECT (trace_id_hi,trace_id_lo) "
                               "FROM ");
    add_rows(scan, false, &always);
    buf_add_c(&scan->sql.text, " WHERE ");
    sql_scope(&scan->sql, false);
    buf_add_char(&scan->sql.text, ')');
}

static void add_tenant(struct sql_scan *scan, enum sql_table table)
{
    buf_add_c(&scan->sql.text, " AND (");
    if (table == SQL_TABLE_scores) {
        buf_add_c(&scan->sql.text, "tenant_id=");
        sql_param(&scan->sql, scan->scope->tenant);
        buf_add_c(&scan->sql.text, " OR ");
    }
    if (table == SQL_TABLE_metrics)
        buf_add_c(&scan->sql.text, "false");
    else
        add_of_own_trace(scan);
    buf_add_char(&scan->sql.text, ')');
}

static void add_conditions(struct sql_scan *scan, enum sql_table table, uint32_t project)
{
    struct sql *sql = &scan->sql;
    buf_add_c(&sql->text, " WHERE ");
    if (table == SQL_TABLE_spans || table == SQL_TABLE_traces) {
        sql_scope(sql, true);
        return;
    }
    buf_printf(&sql->text,
               "project=%u AND time>=CAST('%lld' AS BIGINT) AND time<CAST('%lld' AS BIGINT)",
               project, (long long)scan->scope->range.from_ns, (long long)scan->scope->range.to_ns);
    if (!str_is_none(scan->scope->tenant))
        add_tenant(scan, table);
}

/* False: there is nothing to read. */
static bool add_statement(struct sql_scan *scan, enum sql_table table)
{
    struct buf *text = &scan->sql.text;
    uint32_t project = dict_find(&scan->store->dicts, FIELD_project, scan->scope->project);
    bool has_rows = true;
    buf_add_c(text, "SELECT ");
    for (uint32_t i = 0; i < scan->column_count; i++) {
        buf_add_c(text, i ? "," : "");
        column_sql(scan, text, scan->columns[i]);
    }
    buf_add_c(text, scan->column_count ? " FROM " : "true FROM ");
    if (table == SQL_TABLE_spans || table == SQL_TABLE_traces)
        add_rows(scan, scan->of_traces, &scan->scope->range);
    else if (table == SQL_TABLE_scores)
        buf_add_c(text, "meta.scores");
    else
        has_rows = add_items(scan, table);
    add_conditions(scan, table, project);
    bool is_there = project != DICT_NO_ID || table == SQL_TABLE_spans || table == SQL_TABLE_traces;
    return has_rows && is_there;
}

/* -- running -- */

static enum err scan_execute(struct sql_scan *scan, struct diag *reterr_why)
{
    if (duckdb_pending_prepared_streaming(scan->statement.prepared, &scan->pending) !=
        DuckDBSuccess)
        return duck_error(ERR_INTERNAL, DUCKDB_ERROR_EXECUTOR, duckdb_pending_error(scan->pending),
                          reterr_why);
    enum err code = duck_pending_finish(scan->statement.connection, scan->pending,
                                        scan->scope->deadline_ns, reterr_why);
    if (code != ERR_OK)
        return code;
    scan->has_result = true;
    if (duckdb_execute_pending(scan->pending, &scan->result) != DuckDBSuccess)
        return duck_error(ERR_INTERNAL, duckdb_result_error_type(&scan->result),
                          duckdb_result_error(&scan->result), reterr_why);
    return ERR_OK;
}

/* Under the lock what is in memory and on disk is fixed together. */
static enum err scan_prepare(struct sql_scan *scan, enum sql_table table, struct diag *reterr_why)
{
    struct store *store = scan->store;
    duckdb_connection connection;
    enum err code = duck_connect(store, scan->scope->deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&store->lock);
    snapshot_take(store, &store->spans, NULL, 0, &scan->spans);
    snapshot_take(store, &store->traces, NULL, 0, &scan->traces);
    bool has_rows = add_statement(scan, table);
    if (has_rows)
        code = sql_prepare(&scan->sql, connection, &scan->statement, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    scan->is_open = has_rows && code == ERR_OK;
    if (!has_rows)
        duck_release(store, connection);
    return code;
}

static enum err scan_feeds(struct sql_scan *scan, struct diag *reterr_why)
{
    enum err code = feed_begin(scan->store, &scan->spans, &scan->sql.spans_feed, reterr_why);
    if (code != ERR_OK)
        return code;
    code = feed_begin(scan->store, &scan->traces, &scan->sql.traces_feed, reterr_why);
    if (code != ERR_OK)
        feed_end(scan->store, scan->sql.spans_feed);
    scan->has_feeds = code == ERR_OK;
    return code;
}

enum err sql_scan_begin(struct sql_scan *scan, const struct sql_columns *tables, str columns,
                        enum sql_table table, struct diag *reterr_why)
{
    scan_end(scan);
    arena_reset(&scan->arena);
    sql_restart(&scan->sql);
    scan->of_traces = scan->sql.of_traces = table == SQL_TABLE_traces;
    scan->column_count = 0;
    if ((uint32_t)table >= SQL_TABLE_COUNT || columns.len > SQL_COLUMNS_MAX)
        return diag_set(reterr_why, ERR_BAD_INPUT, "there is no such table");
    for (size_t i = 0; i < columns.len; i++) {
        uint8_t index = (uint8_t)columns.ptr[i];
        if (index >= tables[table].count)
            return diag_set(reterr_why, ERR_BAD_INPUT, "there is no such column");
        scan->columns[scan->column_count++] = &tables[table].items[index];
    }
    enum err code = scan_feeds(scan, reterr_why);
    if (code == ERR_OK)
        code = scan_prepare(scan, table, reterr_why);
    if (code == ERR_OK && scan->is_open)
        code = scan_execute(scan, reterr_why);
    return code;
}

/* -- a chunk as a message -- */

/* A column of the message: one or two vectors of the engine. */
struct source {
    const void *cells[SOURCES_PER_COLUMN_MAX];
    uint64_t *valid[SOURCES_PER_COLUMN_MAX];
};

static bool is_known(const struct source *source, int which, idx_t row)
{
    return !source->valid[which] || duckdb_validity_row_is_valid(source->valid[which], row);
}

static void hex_add(struct buf *out, uint64_t number)
{
    uint8_t bytes[8];
    for (int i = 7; i >= 0; i--, number >>= 8)
        bytes[i] = (uint8_t)number;
    buf_add_hex(out, bytes, sizeof bytes);
}

/* The text of one row at the end of `out`. */
static void text_add(const struct sql_scan *scan, const struct sql_column *column,
                     const struct source *source, idx_t row, struct buf *out)
{
    const uint64_t *high = source->cells[0], *low = source->cells[1];
    if (column->type == SQL_TYPE_ID16) {
        hex_add(out, high[row]);
        hex_add(out, low[row]);
    } else if (column->type == SQL_TYPE_ID8) {
        hex_add(out, high[row]);
    } else if (column->type != SQL_TYPE_DICT) {
        buf_add_str(out, cell_read(source->cells[0], row));
    } else if (is_known(source, 1, row)) {
        buf_add_str(out, cell_read(source->cells[1], row));
    } else {
        uint32_t id = ((const uint32_t *)source->cells[0])[row];
        buf_add_str(out, dict_text(&scan->store->dicts, column->field, id));
    }
}

static void texts_add(const struct sql_scan *scan, const struct sql_column *column,
                      const struct source *source, idx_t rows, struct buf *out)
{
    size_t lens = out->len;
    if (!buf_reserve(out, rows * sizeof(uint32_t)))
        return;
    out->len += rows * sizeof(uint32_t);
    for (idx_t row = 0; row < rows && !buf_failed(out); row++) {
        size_t before = out->len;
        if (is_known(source, 0, row))
            text_add(scan, column, source, row, out);
        uint32_t len = (uint32_t)(out->len - before);
        memcpy(out->ptr + lens + row * sizeof len, &len, sizeof len);
    }
}

static void numbers_add(const struct sql_column *column, const struct source *source, idx_t rows,
                        struct buf *out)
{
    char *to = buf_reserve(out, rows * sizeof(uint64_t));
    if (!to)
        return;
    if (column->type != SQL_TYPE_BOOL) /* unknown ones are made 0 below */
        memcpy(to, source->cells[0], rows * sizeof(uint64_t));
    for (idx_t row = 0; row < rows; row++) {
        uint64_t number =
            column->type == SQL_TYPE_BOOL ? ((const uint8_t *)source->cells[0])[row] : 0;
        number = is_known(source, 0, row) ? number : 0;
        if (column->type == SQL_TYPE_BOOL || !is_known(source, 0, row))
            memcpy(to + row * sizeof number, &number, sizeof number);
    }
    out->len += rows * sizeof(uint64_t);
}

static void column_add(const struct sql_scan *scan, const struct sql_column *column,
                       const struct source *source, idx_t rows, struct buf *out)
{
    char *known = buf_reserve(out, rows);
    if (!known)
        return;
    for (idx_t row = 0; row < rows; row++)
        known[row] = (char)is_known(source, 0, row);
    out->len += rows;
    if (sql_type_is_text(column->type))
        texts_add(scan, column, source, rows, out);
    else
        numbers_add(column, source, rows, out);
}

static void chunk_add(const struct sql_scan *scan, duckdb_data_chunk chunk, struct buf *out)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk), at = 0;
    sql_put(out, rows, 4);
    for (uint32_t i = 0; i < scan->column_count; i++) {
        const struct sql_column *column = scan->columns[i];
        struct source source = { .cells = { NULL } };
        bool is_two = column->type == SQL_TYPE_ID16 || column->type == SQL_TYPE_DICT;
        int sources = is_two ? SOURCES_PER_COLUMN_MAX : 1;
        for (int which = 0; which < sources; which++) {
            duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, at++);
            source.cells[which] = duckdb_vector_get_data(vector);
            source.valid[which] = duckdb_vector_get_validity(vector);
        }
        column_add(scan, column, &source, rows, out);
    }
}

enum err sql_scan_next(struct sql_scan *scan, struct buf *chunk, struct diag *reterr_why)
{
    duckdb_data_chunk rows = scan->has_result ? duckdb_fetch_chunk(scan->result) : NULL;
    buf_reset(chunk);
    if (!rows) {
        const char *why = scan->has_result ? duckdb_result_error(&scan->result) : NULL;
        enum err code = why && why[0] ? duck_error(ERR_IO, duckdb_result_error_type(&scan->result),
                                                   why, reterr_why)
                                      : ERR_OK;
        scan_end(scan);
        sql_put(chunk, 0, 4);
        return code;
    }
    chunk_add(scan, rows, chunk);
    duckdb_destroy_data_chunk(&rows);
    if (buf_failed(chunk))
        return diag_set(reterr_why, ERR_LIMIT, "rows with texts that are too large");
    return ERR_OK;
}
