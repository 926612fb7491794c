/* duckdb_column.c -- the one table of columns: DDL, rows into chunks, results into rows.
 *
 * Columns come from fields.def (KEY, DICT and COL; RARE fields share one JSON
 * text) and a few lines below.  Chunks are filled in blocks of rows that fit
 * the cache, column by column; text cells point into our buffers (the engine
 * copies them once).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "store/duckdb_int.h"

#include <stdio.h>
#include <string.h>

enum { FILL_BLOCK = 32 };
#define WRITER_TEXT_BYTES_SOFT (32 * MIB) /* a chunk is not filled further */
#define WRITER_TEXT_BYTES_MAX (256 * MIB)

/* A text cell of the engine: short ones inside, long ones by pointer. */
struct text_cell {
    uint32_t len;
    char head[4];
    union {
        char rest[8];
        const char *ptr;
    } tail;
};

void cell_text(void *cells, uint32_t index, str text)
{
    struct text_cell *cell = (struct text_cell *)cells + index;
    *cell = (struct text_cell){ .len = (uint32_t)text.len };
    if (text.len <= 12) {
        if (text.len > 0)
            memcpy(cell->head, text.ptr, MIN(text.len, (size_t)4));
        if (text.len > 4)
            memcpy(cell->tail.rest, text.ptr + 4, text.len - 4);
        return;
    }
    memcpy(cell->head, text.ptr, 4);
    cell->tail.ptr = text.ptr;
}

str cell_read(const void *cells, uint64_t index)
{
    const struct text_cell *cell = (const struct text_cell *)cells + index;
    return (str){ cell->len <= 12 ? cell->head : cell->tail.ptr, cell->len };
}

static uint64_t number_of(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

static void number_to(uint64_t number, uint8_t *bytes)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        bytes[i] = (uint8_t)number;
}

uint64_t id_high(struct id16 id)
{
    return number_of(id.bytes);
}

uint64_t id_low(struct id16 id)
{
    return number_of(id.bytes + 8);
}

uint64_t id8_number(struct id8 id)
{
    return number_of(id.bytes);
}

static void column_add(struct columns *columns, const char *name, enum column_kind kind,
                       enum field field, uint32_t index)
{
    assert(columns->count < DUCK_COLUMNS_MAX);
    struct column *column = &columns->items[columns->count++];
    snprintf(column->name, sizeof column->name, "%s", name);
    column->kind = kind;
    column->field = field;
    column->index = index;
    if (field != FIELD_COUNT && !columns->of_field[field])
        columns->of_field[field] = (uint8_t)columns->count;
}

static void column_of_field(struct columns *columns, enum field field)
{
    static const enum column_kind kinds[] = {
        [FIELD_TYPE_ID16] = COLUMN_ID_HIGH, [FIELD_TYPE_ID8] = COLUMN_ID8,
        [FIELD_TYPE_STR] = COLUMN_TEXT,     [FIELD_TYPE_I64] = COLUMN_I64,
        [FIELD_TYPE_F64] = COLUMN_F64,      [FIELD_TYPE_BOOL] = COLUMN_BOOL,
        [FIELD_TYPE_TIME] = COLUMN_I64,     [FIELD_TYPE_NS] = COLUMN_I64,
        [FIELD_TYPE_NANO] = COLUMN_I64,     [FIELD_TYPE_STRS] = COLUMN_STRS,
        [FIELD_TYPE_JSON] = COLUMN_TEXT,
    };
    const struct field_info *info = &field_table[field];
    char name[48];
    if (info->type == FIELD_TYPE_ID16) {
        snprintf(name, sizeof name, "%s_hi", info->name);
        column_add(columns, name, COLUMN_ID_HIGH, field, 0);
        snprintf(name, sizeof name, "%s_lo", info->name);
        column_add(columns, name, COLUMN_ID_LOW, field, 0);
        return;
    }
    assert(info->type != FIELD_TYPE_F64S);
    column_add(columns, info->name,
               info->column == FIELD_COLUMN_DICT ? COLUMN_DICT : kinds[info->type], field, 0);
}

void columns_of_spans(struct columns *columns)
{
    static const char *const numbers[] = { "log_segment", "log_offset", "log_index",
                                           "content_roles", "late" };
    *columns = (struct columns){ .count = 0 };
    for (enum field field = 0; field < FIELD_COUNT; field++)
        if (!field_is_rare(field))
            column_of_field(columns, field);
    for (uint32_t i = 0; i < COUNT_OF(numbers); i++)
        column_add(columns, numbers[i], COLUMN_NUMBER, FIELD_COUNT, i);
    column_add(columns, "attrs", COLUMN_LONG_TEXT, FIELD_COUNT, SPAN_ATTRS);
    column_add(columns, "rare", COLUMN_LONG_TEXT, FIELD_COUNT, SPAN_RARE);
}

void columns_of_traces(struct columns *columns)
{
    static const char *const numbers[] = { "span_count", "error_count", "model_call_count",
                                           "tool_call_count", "unpriced_count" };
    *columns = (struct columns){ .count = 0 };
    for (enum field field = 0; field < FIELD_COUNT; field++)
        if (trace_has_field(field) || field == FIELD_span_id || field == FIELD_name ||
            field == FIELD_step)
            column_of_field(columns, field);
    for (uint32_t i = 0; i < COUNT_OF(numbers); i++)
        column_add(columns, numbers[i], COLUMN_NUMBER, FIELD_COUNT, i);
    column_add(columns, "content", COLUMN_LONG_TEXT, FIELD_COUNT, TRACE_CONTENT);
}

static const struct kind_info {
    const char *sql;
    duckdb_type type;
    uint32_t bytes;
} kind_table[] = {
    [COLUMN_ID_HIGH] = { "UBIGINT", DUCKDB_TYPE_UBIGINT, 8 },
    [COLUMN_ID_LOW] = { "UBIGINT", DUCKDB_TYPE_UBIGINT, 8 },
    [COLUMN_ID8] = { "UBIGINT", DUCKDB_TYPE_UBIGINT, 8 },
    [COLUMN_DICT] = { "UINTEGER", DUCKDB_TYPE_UINTEGER, 4 },
    [COLUMN_TEXT] = { "VARCHAR", DUCKDB_TYPE_VARCHAR, 16 },
    [COLUMN_I64] = { "BIGINT", DUCKDB_TYPE_BIGINT, 8 },
    [COLUMN_F64] = { "DOUBLE", DUCKDB_TYPE_DOUBLE, 8 },
    [COLUMN_BOOL] = { "BOOLEAN", DUCKDB_TYPE_BOOLEAN, 1 },
    [COLUMN_STRS] = { "VARCHAR", DUCKDB_TYPE_VARCHAR, 16 },
    [COLUMN_NUMBER] = { "UINTEGER", DUCKDB_TYPE_UINTEGER, 4 },
    [COLUMN_LONG_TEXT] = { "VARCHAR", DUCKDB_TYPE_VARCHAR, 16 },
};

void columns_ddl(const struct columns *columns, struct buf *out, const char *table, bool on_disk)
{
    buf_printf(out, "CREATE TABLE %s(", table);
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->items[i];
        buf_printf(out, "%s\"%s\" %s", i ? "," : "", column->name, kind_table[column->kind].sql);
        if (on_disk && column->kind == COLUMN_LONG_TEXT)
            buf_add_c(out, " USING COMPRESSION zstd");
    }
    buf_add_c(out, ")");
}

void columns_names(const struct columns *columns, struct buf *out)
{
    for (uint32_t i = 0; i < columns->count; i++)
        buf_printf(out, "%s\"%s\"", i ? "," : "", columns->items[i].name);
}

/* -- rows into chunks -- */

static bool cell_is_known(const struct column *column, const struct row *row)
{
    if (column->kind == COLUMN_NUMBER)
        return true;
    if (column->kind == COLUMN_LONG_TEXT)
        return !str_is_none(row->texts[column->index]);
    return span_knows(row->span, column->field);
}

/* Valid UTF-8 or a repaired copy: an engine must never see anything else. */
static str text_checked(struct writer *writer, str text)
{
    if (text.len == 0)
        return STR_OF("");
    return utf8_is_valid(text) ? text : utf8_repair(&writer->texts, text);
}

static str strs_text(struct writer *writer, struct strs list)
{
    buf_reset(&writer->scratch);
    strs_encode(&writer->scratch, list);
    return arena_str(&writer->texts, buf_str(&writer->scratch));
}

static bool text_put(void *cells, uint32_t at, str text)
{
    if (str_is_none(text) || text.len > UINT32_MAX)
        return false;
    cell_text(cells, at, text);
    return true;
}

static bool dict_put(struct writer *writer, const struct column *column, str text, uint32_t *cell)
{
    *cell = dict_intern(writer->dicts, column->field, text_checked(writer, text));
    return *cell != DICT_NO_ID;
}

/* Write one known cell; false when a budget is spent. */
static bool cell_put(struct writer *writer, const struct column *column, const struct row *row,
                     void *cells, uint32_t at)
{
    const void *field = row->span && column->field != FIELD_COUNT
                            ? span_field_const(row->span, column->field)
                            : NULL;
    switch (column->kind) {
    case COLUMN_ID_HIGH:
    case COLUMN_ID8:
        ((uint64_t *)cells)[at] = number_of(field);
        return true;
    case COLUMN_ID_LOW:
        ((uint64_t *)cells)[at] = number_of((const uint8_t *)field + 8);
        return true;
    case COLUMN_DICT:
        return dict_put(writer, column, *(const str *)field, (uint32_t *)cells + at);
    case COLUMN_TEXT:
        return text_put(cells, at, text_checked(writer, *(const str *)field));
    case COLUMN_I64:
        ((int64_t *)cells)[at] = *(const int64_t *)field;
        return true;
    case COLUMN_F64:
        ((double *)cells)[at] = *(const double *)field;
        return true;
    case COLUMN_BOOL:
        ((bool *)cells)[at] = *(const bool *)field;
        return true;
    case COLUMN_STRS:
        return text_put(cells, at, strs_text(writer, *(const struct strs *)field));
    case COLUMN_NUMBER:
        ((uint32_t *)cells)[at] = row->numbers[column->index];
        return true;
    case COLUMN_LONG_TEXT:
        return text_put(cells, at, row->texts[column->index]);
    }
    return false;
}

static bool block_fill(struct writer *writer, void **cells, uint64_t **valid, uint32_t first)
{
    uint32_t end = MIN(first + FILL_BLOCK, writer->row_count);
    for (uint32_t c = 0; c < writer->columns->count; c++) {
        const struct column *column = &writer->columns->items[c];
        for (uint32_t i = first; i < end; i++) {
            const struct row *row = &writer->rows[i];
            if (!cell_is_known(column, row))
                valid[c][i / 64] &= ~(UINT64_C(1) << (i % 64));
            else if (!cell_put(writer, column, row, cells[c], i))
                return false;
        }
    }
    return true;
}

static enum err chunk_append(struct writer *writer, struct diag *reterr_why)
{
    void *cells[DUCK_COLUMNS_MAX];
    uint64_t *valid[DUCK_COLUMNS_MAX];
    duckdb_data_chunk_reset(writer->chunk);
    for (uint32_t c = 0; c < writer->columns->count; c++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(writer->chunk, c);
        cells[c] = duckdb_vector_get_data(vector);
        duckdb_vector_ensure_validity_writable(vector);
        valid[c] = duckdb_vector_get_validity(vector);
        memset(valid[c], 0xff, DUCK_CHUNK_ROWS / 8);
    }
    for (uint32_t first = 0; first < writer->row_count; first += FILL_BLOCK)
        if (!block_fill(writer, cells, valid, first))
            return diag_set(reterr_why, ERR_LIMIT, "texts of a batch or the dictionary too large");
    duckdb_data_chunk_set_size(writer->chunk, writer->row_count);
    if (duckdb_append_data_chunk(writer->appender, writer->chunk) != DuckDBSuccess)
        return duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(writer->appender),
                          reterr_why);
    writer->written += writer->row_count;
    writer->row_count = 0;
    arena_reset(&writer->texts);
    return ERR_OK;
}

enum err writer_open(struct writer *writer, struct dicts *dicts, const struct columns *columns,
                     duckdb_connection connection, const char *catalog, const char *table,
                     struct diag *reterr_why)
{
    *writer = (struct writer){ .dicts = dicts, .columns = columns };
    arena_init(&writer->texts, WRITER_TEXT_BYTES_MAX);
    buf_init(&writer->scratch, STORE_ATTRS_BYTES_MAX);
    if (duckdb_appender_create_ext(connection, catalog, "main", table, &writer->appender) !=
        DuckDBSuccess) {
        enum err code = duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(writer->appender),
                                   reterr_why);
        writer_close(writer);
        return code;
    }
    duckdb_logical_type types[DUCK_COLUMNS_MAX];
    for (uint32_t i = 0; i < columns->count; i++)
        types[i] = duckdb_create_logical_type(kind_table[columns->items[i].kind].type);
    writer->chunk = duckdb_create_data_chunk(types, columns->count);
    for (uint32_t i = 0; i < columns->count; i++)
        duckdb_destroy_logical_type(&types[i]);
    writer->rows = xcalloc(DUCK_CHUNK_ROWS, sizeof *writer->rows);
    return ERR_OK;
}

static enum err row_add(struct writer *writer, const struct row *row, struct diag *reterr_why)
{
    writer->rows[writer->row_count++] = *row;
    bool is_full =
        writer->row_count == DUCK_CHUNK_ROWS || writer->texts.used_bytes > WRITER_TEXT_BYTES_SOFT;
    return is_full ? chunk_append(writer, reterr_why) : ERR_OK;
}

static str scratch_take(struct writer *writer)
{
    str text = buf_str(&writer->scratch);
    if (text.len == 0)
        return STR_NONE;
    return utf8_is_valid(text) ? arena_str(&writer->texts, text)
                               : utf8_repair(&writer->texts, text);
}

enum err writer_span(struct writer *writer, const struct store_span *span, bool late,
                     struct diag *reterr_why)
{
    struct row row = { .span = &span->span };
    row.numbers[SPAN_LOG_SEGMENT] = span->log_segment;
    row.numbers[SPAN_LOG_OFFSET] = span->log_offset;
    row.numbers[SPAN_LOG_INDEX] = span->log_index;
    row.numbers[SPAN_ROLES] = span->content_roles;
    row.numbers[SPAN_LATE] = late;
    buf_reset(&writer->scratch);
    if (span->span.attr_count > 0)
        attrs_to_json(&writer->scratch, span->span.attrs, span->span.attr_count);
    row.texts[SPAN_ATTRS] = buf_failed(&writer->scratch) ? STR_NONE : scratch_take(writer);
    buf_reset(&writer->scratch);
    rare_encode(&writer->scratch, &span->span);
    row.texts[SPAN_RARE] = buf_failed(&writer->scratch) ? STR_NONE : scratch_take(writer);
    return row_add(writer, &row, reterr_why);
}

enum err writer_trace(struct writer *writer, const struct trace_row *trace, struct diag *reterr_why)
{
    if (!writer->as_spans)
        writer->as_spans = xcalloc(DUCK_CHUNK_ROWS, sizeof *writer->as_spans);
    struct span *as_span = &writer->as_spans[writer->row_count];
    trace_to_span(trace, as_span);
    struct row row = { .span = as_span };
    row.numbers[TRACE_SPANS] = trace->span_count;
    row.numbers[TRACE_ERRORS] = trace->error_count;
    row.numbers[TRACE_MODEL_CALLS] = trace->model_call_count;
    row.numbers[TRACE_TOOL_CALLS] = trace->tool_call_count;
    row.numbers[TRACE_UNPRICED] = trace->unpriced_count;
    buf_reset(&writer->scratch);
    for (uint32_t i = 0; i < trace->content_count && i < TRACE_CONTENT_MAX; i++)
        buf_printf(&writer->scratch, "%s%llu:%u:%u", i ? "," : "",
                   (unsigned long long)trace->content[i].segment, trace->content[i].offset,
                   trace->content[i].len);
    row.texts[TRACE_CONTENT] = scratch_take(writer);
    return row_add(writer, &row, reterr_why);
}

enum err writer_flush(struct writer *writer, struct diag *reterr_why)
{
    enum err code = writer->row_count ? chunk_append(writer, reterr_why) : ERR_OK;
    if (code == ERR_OK && duckdb_appender_flush(writer->appender) != DuckDBSuccess)
        code = duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(writer->appender),
                          reterr_why);
    return code;
}

void writer_close(struct writer *writer)
{
    if (writer->appender)
        duckdb_appender_destroy(&writer->appender);
    if (writer->chunk)
        duckdb_destroy_data_chunk(&writer->chunk);
    xfree(writer->as_spans);
    xfree(writer->rows);
    writer->rows = NULL;
    arena_clear(&writer->texts);
    buf_clear(&writer->scratch);
}

/* -- results into rows -- */

static bool strs_read(struct arena *arena, str text, struct strs *ret, struct diag *why)
{
    str copy = arena_str(arena, text);
    return !str_is_none(copy) && strs_decode(arena, copy, ret, why) == ERR_OK;
}

static bool cell_get(const struct dicts *dicts, const struct column *column, const void *cells,
                     uint64_t at, struct arena *arena, void *field)
{
    struct diag why = DIAG_NONE;
    switch ((int)column->kind) {
    case COLUMN_ID_HIGH:
    case COLUMN_ID8:
        number_to(((const uint64_t *)cells)[at], field);
        return true;
    case COLUMN_ID_LOW:
        number_to(((const uint64_t *)cells)[at], (uint8_t *)field + 8);
        return true;
    case COLUMN_DICT:
        *(str *)field =
            arena_str(arena, dict_text(dicts, column->field, ((const uint32_t *)cells)[at]));
        return !str_is_none(*(str *)field);
    case COLUMN_TEXT:
        *(str *)field = arena_str(arena, cell_read(cells, at));
        return !str_is_none(*(str *)field);
    case COLUMN_I64:
        *(int64_t *)field = ((const int64_t *)cells)[at];
        return true;
    case COLUMN_F64:
        *(double *)field = ((const double *)cells)[at];
        return true;
    case COLUMN_BOOL:
        *(bool *)field = ((const bool *)cells)[at];
        return true;
    case COLUMN_STRS:
        return strs_read(arena, cell_read(cells, at), field, &why);
    default:
        return false;
    }
}

static bool column_read(const struct dicts *dicts, const struct column *column,
                        duckdb_vector vector, uint64_t at, struct arena *arena, struct span *span,
                        struct row *row)
{
    uint64_t *valid = duckdb_vector_get_validity(vector);
    if (valid && !duckdb_validity_row_is_valid(valid, at))
        return true;
    const void *cells = duckdb_vector_get_data(vector);
    if (column->kind == COLUMN_NUMBER) {
        row->numbers[column->index] = ((const uint32_t *)cells)[at];
        return true;
    }
    if (column->kind == COLUMN_LONG_TEXT) {
        row->texts[column->index] = arena_str(arena, cell_read(cells, at));
        return !str_is_none(row->texts[column->index]);
    }
    if (!cell_get(dicts, column, cells, at, arena, span_field(span, column->field)))
        return false;
    span_mark(span, column->field);
    return true;
}

enum err row_read(const struct dicts *dicts, const struct columns *columns, duckdb_data_chunk chunk,
                  uint64_t index, struct arena *arena, struct span *ret_span, struct row *ret_row,
                  struct diag *reterr_why)
{
    *ret_span = (struct span){ 0 };
    *ret_row = (struct row){ .span = ret_span };
    for (uint32_t i = 0; i < columns->count; i++)
        if (!column_read(dicts, &columns->items[i], duckdb_data_chunk_get_vector(chunk, i), index,
                         arena, ret_span, ret_row))
            return diag_set(reterr_why, ERR_LIMIT, "answer too large or damaged");
    return ERR_OK;
}
