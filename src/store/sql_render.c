/* sql_render.c -- the rows of an answer as JSON arrays, JSON lines or CSV.
 *
 * The engine has made a text of each value; here it is quoted, or not, by the type of its
 * column.  What is no number (nan, infinity) is null, as everywhere in the API.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/sql_int.h"

#include "store/duckdb_int.h"

/* Beginnings of type names: those before them win. */
static const struct {
    const char *begin;
    enum sql_cell cell;
} cell_table[] = {
    { "TIMESTAMP", SQL_CELL_TIME },  { "TINYINT", SQL_CELL_NUMBER },
    { "SMALLINT", SQL_CELL_NUMBER }, { "INTEGER", SQL_CELL_NUMBER },
    { "BIGINT", SQL_CELL_NUMBER },   { "HUGEINT", SQL_CELL_NUMBER },
    { "UTINYINT", SQL_CELL_NUMBER }, { "USMALLINT", SQL_CELL_NUMBER },
    { "UINTEGER", SQL_CELL_NUMBER }, { "UBIGINT", SQL_CELL_NUMBER },
    { "UHUGEINT", SQL_CELL_NUMBER }, { "FLOAT", SQL_CELL_NUMBER },
    { "DOUBLE", SQL_CELL_NUMBER },   { "DECIMAL", SQL_CELL_NUMBER },
    { "BOOLEAN", SQL_CELL_BOOL },    { "JSON", SQL_CELL_JSON },
    { "STRUCT", SQL_CELL_JSON },     { "MAP", SQL_CELL_JSON },
    { "UNION", SQL_CELL_JSON },
};

enum sql_cell sql_cell_of(str type)
{
    if (str_ends(type, STR_OF("]"))) /* lists and arrays of anything */
        return SQL_CELL_JSON;
    for (size_t i = 0; i < COUNT_OF(cell_table); i++)
        if (str_starts(type, str_from_c(cell_table[i].begin)))
            return cell_table[i].cell;
    return SQL_CELL_TEXT;
}

/* "2026-11-21 10:00:00.5+00" as the API writes times: 2026-11-21T10:00:00.5Z. */
static void time_add(struct buf *out, str text)
{
    size_t gap = str_find_char(text, ' ');
    bool has_zone = str_ends(text, STR_OF("+00"));
    if (gap == text.len || text.ptr[0] < '0' || text.ptr[0] > '9') { /* infinity, years B.C. */
        buf_add_str(out, text);
        return;
    }
    buf_add_str(out, str_sub(text, 0, gap));
    buf_add_char(out, 'T');
    buf_add_str(out, str_sub(text, gap + 1, text.len - gap - 1 - (has_zone ? 3 : 0)));
    buf_add_char(out, 'Z');
}

static bool is_number(str text)
{
    str digits = str_starts(text, STR_OF("-")) ? str_sub(text, 1, text.len) : text;
    return digits.len > 0 && digits.ptr[0] >= '0' && digits.ptr[0] <= '9';
}

static void json_add(struct buf *out, enum sql_cell cell, str text)
{
    if (str_is_none(text) || (cell == SQL_CELL_NUMBER && !is_number(text))) {
        buf_add_c(out, "null");
    } else if (cell == SQL_CELL_TIME) {
        buf_add_char(out, '"');
        time_add(out, text);
        buf_add_char(out, '"');
    } else if (cell == SQL_CELL_TEXT) {
        buf_add_json_str(out, text);
    } else {
        buf_add_str(out, text);
    }
}

/* RFC 4180: quoted when it has a comma, a quote or a line end; unknown is nothing, and the
 * empty text is "". */
static void csv_add(struct buf *out, enum sql_cell cell, str text)
{
    bool is_plain = text.len > 0;
    if (str_is_none(text))
        return;
    if (cell == SQL_CELL_TIME) {
        time_add(out, text);
        return;
    }
    for (size_t i = 0; i < text.len && is_plain; i++)
        is_plain =
            text.ptr[i] != ',' && text.ptr[i] != '"' && text.ptr[i] != '\n' && text.ptr[i] != '\r';
    if (is_plain) {
        buf_add_str(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.ptr[i]);
    }
    buf_add_char(out, '"');
}

static void head_json(const struct sql_answer *answer, struct buf *out)
{
    buf_add_c(out, "\"columns\":[");
    for (uint32_t i = 0; i < answer->column_count; i++) {
        buf_add_c(out, i ? ",{\"name\":" : "{\"name\":");
        buf_add_json_str(out, answer->names[i]);
        buf_add_c(out, ",\"type\":");
        buf_add_json_str(out, answer->types[i]);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "],\"rows\":[");
}

void sql_render_head(struct sql_answer *answer, struct buf *out)
{
    if (answer->format == STORE_SQL_JSON)
        head_json(answer, out);
    for (uint32_t i = 0; i < answer->column_count && answer->format == STORE_SQL_CSV; i++) {
        buf_add_c(out, i ? "," : "");
        csv_add(out, SQL_CELL_TEXT, answer->names[i]);
    }
    buf_add_c(out, answer->format == STORE_SQL_CSV ? "\r\n" : "");
    answer->bytes = out->len;
}

void sql_render_tail(const struct sql_answer *answer, struct buf *out)
{
    buf_add_c(out, answer->format == STORE_SQL_JSON ? "]" : "");
}

static str cell_get(duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *valid = duckdb_vector_get_validity(vector);
    if (valid && !duckdb_validity_row_is_valid(valid, row))
        return STR_NONE;
    return cell_read(duckdb_vector_get_data(vector), row);
}

static void row_add(const struct sql_answer *answer, duckdb_data_chunk chunk, idx_t row,
                    struct buf *out)
{
    bool is_csv = answer->format == STORE_SQL_CSV, is_lines = answer->format == STORE_SQL_JSONL;
    if (!is_csv)
        buf_add_c(out, is_lines ? "{" : answer->row_count ? ",\n[" : "\n[");
    for (uint32_t i = 0; i < answer->column_count; i++) {
        str text = cell_get(chunk, i, row);
        buf_add_c(out, i ? "," : "");
        if (is_lines) {
            buf_add_json_str(out, answer->names[i]);
            buf_add_char(out, ':');
        }
        if (is_csv)
            csv_add(out, answer->cells[i], text);
        else
            json_add(out, answer->cells[i], text);
    }
    buf_add_c(out, is_csv ? "\r\n" : is_lines ? "}\n" : "]");
}

void sql_render_chunk(struct sql_answer *answer, duckdb_data_chunk chunk, struct buf *out)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    for (idx_t row = 0; row < rows && !answer->truncated; row++) {
        size_t before = out->len;
        answer->truncated = answer->row_count == answer->rows_max;
        if (answer->truncated)
            return;
        row_add(answer, chunk, row, out);
        bool fits = !buf_failed(out) && answer->bytes + (out->len - before) <= answer->bytes_max;
        if (fits) {
            answer->bytes += out->len - before;
            answer->row_count++;
        } else {
            out->failed = false;
            out->len = before;
            answer->truncated = true;
        }
    }
}
