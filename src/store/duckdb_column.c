/* duckdb_column.c -- the one table of columns: DDL, rows into chunks, results into rows.
 *
 * Columns come from fields.def (KEY, DICT and COL; RARE fields share one JSON
 * text) and a few lines below.  Each names its compression: trying them all for
 * each column costs the engine half of its time per row.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdio.h>
#include <string.h>

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
    if (field == FIELD_COUNT || columns->of_field[field])
        return;
    columns->of_field[field] = (uint8_t)columns->count;
    uint64_t *set = kind == COLUMN_DICT  ? columns->dict_fields
                    : kind == COLUMN_I64 ? columns->i64_fields
                                         : columns->other_fields;
    set[field / 64] |= UINT64_C(1) << (field % 64);
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

static void numbers_add(struct columns *columns, const char *const *names, uint32_t first,
                        uint32_t end)
{
    for (uint32_t i = first; i < end; i++)
        column_add(columns, names[i], COLUMN_NUMBER, FIELD_COUNT, i);
}

void columns_of_spans(struct columns *columns)
{
    static const char *const numbers[] = { "content_roles", "log_segment", "log_offset",
                                           "log_index", "state" };
    *columns = (struct columns){ .count = 0 };
    for (enum field field = 0; field < FIELD_COUNT; field++)
        if (!field_is_rare(field))
            column_of_field(columns, field);
    numbers_add(columns, numbers, SPAN_ROLES, SPAN_ROLES + 1);
    column_add(columns, "attrs", COLUMN_LONG_TEXT, FIELD_COUNT, SPAN_ATTRS);
    column_add(columns, "rare", COLUMN_LONG_TEXT, FIELD_COUNT, SPAN_RARE);
    columns->disk_count = columns->count;
    numbers_add(columns, numbers, SPAN_LOG_SEGMENT, COUNT_OF(numbers));
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
    numbers_add(columns, numbers, 0, COUNT_OF(numbers));
    column_add(columns, "content", COLUMN_LONG_TEXT, FIELD_COUNT, TRACE_CONTENT);
    column_add(columns, "rare", COLUMN_LONG_TEXT, FIELD_COUNT, TRACE_RARE);
    columns->disk_count = columns->count;
}

static const struct kind_info {
    const char *sql, *compression;
    duckdb_type type;
    uint32_t bytes;
} kind_table[] = {
    [COLUMN_ID_HIGH] = { "UBIGINT", "uncompressed", DUCKDB_TYPE_UBIGINT, 8 },
    [COLUMN_ID_LOW] = { "UBIGINT", "uncompressed", DUCKDB_TYPE_UBIGINT, 8 },
    [COLUMN_ID8] = { "UBIGINT", "uncompressed", DUCKDB_TYPE_UBIGINT, 8 },
    [COLUMN_DICT] = { "UINTEGER", "bitpacking", DUCKDB_TYPE_UINTEGER, 4 },
    [COLUMN_TEXT] = { "VARCHAR", "uncompressed", DUCKDB_TYPE_VARCHAR, 16 },
    [COLUMN_I64] = { "BIGINT", "bitpacking", DUCKDB_TYPE_BIGINT, 8 },
    [COLUMN_F64] = { "DOUBLE", NULL, DUCKDB_TYPE_DOUBLE, 8 },
    [COLUMN_BOOL] = { "BOOLEAN", "rle", DUCKDB_TYPE_BOOLEAN, 1 },
    [COLUMN_STRS] = { "VARCHAR", NULL, DUCKDB_TYPE_VARCHAR, 16 },
    [COLUMN_NUMBER] = { "UINTEGER", "bitpacking", DUCKDB_TYPE_UINTEGER, 4 },
    [COLUMN_LONG_TEXT] = { "VARCHAR", "zstd", DUCKDB_TYPE_VARCHAR, 16 },
};

uint32_t column_bytes(enum column_kind kind)
{
    return kind_table[kind].bytes;
}

duckdb_type column_type(enum column_kind kind)
{
    return kind_table[kind].type;
}

void columns_ddl(const struct columns *columns, struct buf *out, const char *table)
{
    buf_printf(out, "CREATE TABLE %s(", table);
    for (uint32_t i = 0; i < columns->disk_count; i++) {
        const struct column *column = &columns->items[i];
        const struct kind_info *kind = &kind_table[column->kind];
        buf_printf(out, "%s\"%s\" %s", i ? "," : "", column->name, kind->sql);
        if (kind->compression)
            buf_printf(out, " USING COMPRESSION %s", kind->compression);
    }
    buf_add_c(out, ")");
}

void columns_names(const struct columns *columns, struct buf *out, bool on_disk)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        buf_add_c(out, i ? "," : "");
        if (on_disk && i >= columns->disk_count)
            buf_add_c(out, "0::UINTEGER AS ");
        buf_printf(out, "\"%s\"", columns->items[i].name);
    }
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
