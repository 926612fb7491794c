/* sql_child.c -- the process that runs one statement: an engine with nothing but the asker's rows.
 *
 * Its tables are views over rows(n), a function that asks our other side for the next chunk of
 * table n, of the columns that the statement uses.  Before the statement is even parsed the
 * process has given up its rights (child_confine), and the engine its own: no files, no
 * extensions, no change of a setting.
 *
 * Then: the engine's parser makes a tree of the statement, sql_guard.c looks at it, DESCRIBE says
 * what it answers, and it runs with each column made a text, one row more than are wanted.
 *
 * Memory:  nothing is freed: the process ends with the answer.
 * Threads: one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "store/duckdb_int.h"
#include "store/sql_int.h"
#include "sys/child.h"
#include "wire/json.h"

#include <stdio.h>

/* What the process may map beyond the statement's memory: the engine's own, in advance. */
#define SPACE_SLACK (192 * MIB)
enum { BYTES_AT_ONCE = 256 * 1024, ERROR_BYTES_MAX = 4096 };

struct sql_child {
    struct child parent;
    struct sql_columns tables[SQL_TABLE_COUNT];
    bool scan_is_taken[SQL_SCANS_MAX];
    duckdb_database database;
    duckdb_connection connection;
    struct buf message, out;
    struct arena arena;
    struct sql_answer answer;
    uint64_t memory_bytes, cpu_s;
    str statement;
};

static void say(struct sql_child *child, enum sql_message kind, str payload)
{
    if (child_send(&child->parent, (uint8_t)kind, payload, 0) != ERR_OK)
        child_exit(0); /* nobody listens any more */
}

static void fail(struct sql_child *child, enum err err, const struct diag *why)
    __attribute__((noreturn));
static void fail(struct sql_child *child, enum err err, const struct diag *why)
{
    struct buf out;
    buf_init(&out, ERROR_BYTES_MAX);
    sql_put(&out, (uint64_t)err, 2);
    sql_put(&out, why->offset == SIZE_MAX ? UINT64_MAX : why->offset, 8);
    buf_add_c(&out, why->text);
    buf_add_char(&out, '\0');
    buf_add_c(&out, why->hint);
    say(child, SQL_ERROR, buf_str(&out));
    child_exit(0);
}

/* -- errors of the engine -- */

static str json_member(struct sql_child *child, str object, const char *name)
{
    struct json *json = xcalloc(1, sizeof *json);
    json_init(json, &child->arena, object, 2);
    str found = STR_NONE;
    enum json_token token = json_next(json);
    while (token != JSON_END && token != JSON_ERROR) {
        bool is_it = token == JSON_KEY && str_equal_c(json->text, name);
        token = json_next(json);
        if (is_it && token == JSON_STRING)
            found = json->text;
    }
    xfree(json);
    return found;
}

/* The engine says {"exception_type","exception_message","position",...}. */
static void engine_fail(struct sql_child *child, const char *text, uint64_t shift)
    __attribute__((noreturn));
static void engine_fail(struct sql_child *child, const char *text, uint64_t shift)
{
    struct diag why = DIAG_NONE;
    str all = str_from_c(text ? text : "");
    str type = json_member(child, all, "exception_type");
    str message = json_member(child, all, "exception_message");
    str candidates = json_member(child, all, "candidates");
    uint64_t place = 0;
    if (str_equal_c(type, "Out of Memory")) {
        diag_set(&why, ERR_LIMIT, "the statement needs more than %llu MiB of memory",
                 (unsigned long long)(child->memory_bytes / MIB));
        diag_hint(&why,
                  "group or filter before joining and sorting; query.sql_memory is the limit");
        fail(child, ERR_LIMIT, &why);
    }
    if (str_is_none(message) || str_equal_c(type, "INTERNAL") || str_equal_c(type, "FATAL")) {
        diag_set(&why, ERR_BAD_INPUT, "the engine cannot run this statement");
        fail(child, ERR_BAD_INPUT, &why);
    }
    message = str_sub(message, 0, MIN(str_find_char(message, '\n'), (size_t)200));
    diag_set(&why, ERR_BAD_INPUT, "%.*s: %.*s", STR_ARG(str_sub(type, 0, 40)), STR_ARG(message));
    if (str_to_u64(json_member(child, all, "position"), &place) && place >= shift)
        why.offset = (size_t)(place - shift);
    if (!str_is_empty(candidates))
        diag_hint(&why, "did you mean %.*s?", STR_ARG(str_sub(candidates, 0, 120)));
    fail(child, ERR_BAD_INPUT, &why);
}

static void run_or_fail(struct sql_child *child, const char *text)
{
    duckdb_result result;
    if (duckdb_query(child->connection, text, &result) != DuckDBSuccess)
        engine_fail(child, duckdb_result_error(&result), 0);
    duckdb_destroy_result(&result);
}

/* -- rows(n) -- */

struct rows {
    struct sql_child *child;
    uint32_t table;
    uint32_t column_count;
    uint32_t columns[SQL_COLUMNS_MAX];
    bool is_begun, has_ended;
    uint8_t scan;
};

static void ignore(void *nothing)
{
    (void)nothing;
}

static duckdb_logical_type type_make(enum sql_type type)
{
    duckdb_logical_type made;
    switch (type) {
    case SQL_TYPE_I64:
        return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case SQL_TYPE_F64:
    case SQL_TYPE_MS:
        return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    case SQL_TYPE_BOOL:
        return duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case SQL_TYPE_TIME:
        return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
    case SQL_TYPE_USD:
        return duckdb_create_decimal_type(20, 9);
    case SQL_TYPE_JSON:
    case SQL_TYPE_TEXTS: /* the view makes lists of them */
    case SQL_TYPE_NUMBERS:
        made = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
        duckdb_logical_type_set_alias(made, "JSON");
        return made;
    case SQL_TYPE_TEXT:
    case SQL_TYPE_DICT:
    case SQL_TYPE_ID16:
    case SQL_TYPE_ID8:
        break;
    }
    return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
}

static void rows_bind(duckdb_bind_info info)
{
    struct sql_child *child = duckdb_bind_get_extra_info(info);
    duckdb_value value = duckdb_bind_get_parameter(info, 0);
    int64_t number = duckdb_get_int64(value);
    duckdb_destroy_value(&value);
    if (number < 0 || number >= SQL_TABLE_COUNT) {
        duckdb_bind_set_error(info, "there is no such table");
        return;
    }
    struct sql_columns *table = &child->tables[number];
    for (uint32_t i = 0; i < table->count; i++) {
        duckdb_logical_type type = type_make(table->items[i].type);
        duckdb_bind_add_result_column(info, table->items[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_bind_data(info, table, ignore);
}

static void rows_free(void *rows)
{
    struct rows *at = rows;
    if (at->is_begun && !at->has_ended)
        at->child->scan_is_taken[at->scan] = false;
    xfree(at);
}

static void rows_init(duckdb_init_info info)
{
    struct sql_child *child = duckdb_init_get_extra_info(info);
    const struct sql_columns *table = duckdb_init_get_bind_data(info);
    struct rows *rows = xcalloc(1, sizeof *rows);
    rows->child = child;
    rows->table = (uint32_t)(table - child->tables);
    rows->column_count = (uint32_t)duckdb_init_get_column_count(info);
    assert(rows->column_count <= SQL_COLUMNS_MAX);
    for (uint32_t i = 0; i < rows->column_count; i++)
        rows->columns[i] = (uint32_t)MIN(duckdb_init_get_column_index(info, i), (idx_t)UINT32_MAX);
    duckdb_init_set_max_threads(info, 1);
    duckdb_init_set_init_data(info, rows, rows_free);
}

/* A scan is made when its first row is wanted, and given back with its last: a statement may
 * name more tables than it reads at a time. */
static bool rows_begin(struct rows *rows)
{
    struct sql_child *child = rows->child;
    const struct sql_columns *table = &child->tables[rows->table];
    struct buf payload;
    uint8_t scan = 0;
    while (scan < SQL_SCANS_MAX && child->scan_is_taken[scan])
        scan++;
    if (scan == SQL_SCANS_MAX)
        return false;
    child->scan_is_taken[scan] = rows->is_begun = true;
    rows->scan = scan;
    buf_init(&payload, SQL_COLUMNS_MAX + 8);
    sql_put(&payload, scan, 1);
    sql_put(&payload, rows->table, 1);
    sql_put(&payload, 0, 1);
    for (uint32_t i = 0; i < rows->column_count; i++)
        if (rows->columns[i] < table->count) /* else: a row number nobody reads */
            sql_put(&payload, rows->columns[i], 1);
    payload.ptr[2] = (char)(payload.len - 3);
    say(child, SQL_SCAN, buf_str(&payload));
    buf_clear(&payload);
    return true;
}

static void text_column(str *from, duckdb_vector vector, idx_t rows, const uint8_t *known)
{
    bool ok = true;
    str lens = str_sub(*from, 0, rows * 4), texts = str_sub(*from, rows * 4, from->len);
    for (idx_t row = 0; row < rows; row++) {
        uint64_t len = sql_get(&lens, 4, &ok);
        if (known[row])
            duckdb_vector_assign_string_element_len(vector, row, texts.ptr, len);
        texts = str_sub(texts, len, texts.len);
    }
    *from = texts;
}

static void number_column(str *from, enum sql_type type, duckdb_vector vector, idx_t rows)
{
    void *cells = duckdb_vector_get_data(vector);
    str numbers = str_sub(*from, 0, rows * sizeof(uint64_t));
    *from = str_sub(*from, numbers.len, from->len);
    for (idx_t row = 0; row < rows && numbers.len == rows * sizeof(uint64_t); row++) {
        uint64_t bits;
        memcpy(&bits, numbers.ptr + row * sizeof bits, sizeof bits);
        int64_t number = (int64_t)bits;
        if (type == SQL_TYPE_BOOL)
            ((bool *)cells)[row] = bits != 0;
        else if (type == SQL_TYPE_TIME) /* microseconds, downwards */
            ((int64_t *)cells)[row] = number / 1000 - (number % 1000 < 0);
        else if (type == SQL_TYPE_MS)
            ((double *)cells)[row] = (double)number / 1e6;
        else if (type == SQL_TYPE_USD)
            ((duckdb_hugeint *)cells)[row] =
                (duckdb_hugeint){ .lower = bits, .upper = number < 0 ? -1 : 0 };
        else
            ((uint64_t *)cells)[row] = bits;
    }
}

static void column_fill(str *from, enum sql_type type, duckdb_vector vector, idx_t rows)
{
    const uint8_t *known = (const uint8_t *)from->ptr;
    *from = str_sub(*from, rows, from->len);
    for (idx_t row = 0; row < rows; row++)
        if (!known[row]) {
            duckdb_vector_ensure_validity_writable(vector);
            duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
        }
    if (sql_type_is_text(type))
        text_column(from, vector, rows, known);
    else
        number_column(from, type, vector, rows);
}

static void rows_scan(duckdb_function_info info, duckdb_data_chunk output)
{
    struct rows *rows = duckdb_function_get_init_data(info);
    struct sql_child *child = rows->child;
    duckdb_data_chunk_set_size(output, 0);
    if (rows->has_ended)
        return;
    if (!rows->is_begun && !rows_begin(rows)) {
        duckdb_function_set_error(info, "the statement reads too many tables at a time");
        return;
    }
    uint8_t kind = 0;
    bool ok = true;
    say(child, SQL_NEXT, str_make((const char *)&rows->scan, 1));
    if (child_recv(&child->parent, &kind, &child->message, 0) != ERR_OK || kind != SQL_CHUNK)
        child_exit(0);
    str chunk = buf_str(&child->message);
    idx_t count = sql_get(&chunk, 4, &ok);
    for (uint32_t i = 0; i < rows->column_count && count > 0; i++)
        if (rows->columns[i] < child->tables[rows->table].count)
            column_fill(&chunk, child->tables[rows->table].items[rows->columns[i]].type,
                        duckdb_data_chunk_get_vector(output, i), count);
    rows->has_ended = count == 0;
    if (rows->has_ended)
        child->scan_is_taken[rows->scan] = false;
    duckdb_data_chunk_set_size(output, count);
}

static bool rows_register(struct sql_child *child)
{
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_table_function_set_name(function, "rows");
    duckdb_table_function_add_parameter(function, number);
    duckdb_table_function_set_extra_info(function, child, ignore);
    duckdb_table_function_set_bind(function, rows_bind);
    duckdb_table_function_set_init(function, rows_init);
    duckdb_table_function_set_function(function, rows_scan);
    duckdb_table_function_supports_projection_pushdown(function, true);
    return duckdb_register_table_function(child->connection, function) == DuckDBSuccess;
}

static void view_make(struct sql_child *child, uint32_t number)
{
    const struct sql_columns *table = &child->tables[number];
    struct buf text;
    buf_init(&text, 64 * KIB);
    buf_printf(&text, "CREATE VIEW %s AS SELECT ", table->name);
    for (uint32_t i = 0; i < table->count; i++) {
        const struct sql_column *column = &table->items[i];
        const char *list = column->type == SQL_TYPE_TEXTS     ? "::VARCHAR[]"
                           : column->type == SQL_TYPE_NUMBERS ? "::DOUBLE[]"
                                                              : "";
        buf_printf(&text, "%s\"%s\"%s AS \"%s\"", i ? "," : "", column->name, list, column->name);
    }
    buf_printf(&text, " FROM rows(%u)", number);
    buf_add_char(&text, '\0');
    run_or_fail(child, text.ptr);
    buf_clear(&text);
}

/* -- the engine -- */

static bool engine_open(struct sql_child *child)
{
    char memory[32];
    snprintf(memory, sizeof memory, "%lluB", (unsigned long long)child->memory_bytes);
    const char *settings[][2] = {
        { "threads", "1" },
        { "memory_limit", memory },
        { "temp_directory", "" },
        { "autoinstall_known_extensions", "false" },
        { "autoload_known_extensions", "false" },
        { "allow_community_extensions", "false" },
        { "allow_persistent_secrets", "false" },
        { "enable_external_access", "false" },
    };
    duckdb_config config;
    if (duckdb_create_config(&config) != DuckDBSuccess)
        return false;
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (duckdb_set_config(config, settings[i][0], settings[i][1]) != DuckDBSuccess)
            return false;
    return duckdb_open_ext(":memory:", &child->database, config, NULL) == DuckDBSuccess &&
           duckdb_connect(child->database, &child->connection) == DuckDBSuccess &&
           rows_register(child);
}

static void engine_prepare(struct sql_child *child)
{
    struct diag why = DIAG_NONE;
    if (!engine_open(child)) {
        diag_set(&why, ERR_INTERNAL, "the engine for SQL does not start");
        fail(child, ERR_INTERNAL, &why);
    }
    run_or_fail(child, "SET errors_as_json=true");
    run_or_fail(child, "SET max_expression_depth=250");
    run_or_fail(child, "SET lock_configuration=true");
    if (!child_confine(child->memory_bytes + SPACE_SLACK, child->cpu_s)) {
        diag_set(&why, ERR_INTERNAL, "the process for SQL cannot be confined");
        fail(child, ERR_INTERNAL, &why);
    }
}

/* -- the statement -- */

static str text_at(struct sql_child *child, duckdb_data_chunk chunk, idx_t column, idx_t row)
{
    str text;
    if (!chunk_text(&child->arena, chunk, column, row, &text))
        child_exit(1); /* as without memory */
    return text;
}

/* What `sql` makes of a text. */
static str text_of(struct sql_child *child, const char *sql, str text)
{
    struct diag why = DIAG_NONE;
    duckdb_prepared_statement prepared;
    duckdb_result result;
    if (duckdb_prepare(child->connection, sql, &prepared) != DuckDBSuccess)
        engine_fail(child, duckdb_prepare_error(prepared), UINT64_MAX);
    if (duckdb_bind_varchar_length(prepared, 1, text.ptr, text.len) != DuckDBSuccess) {
        diag_set(&why, ERR_BAD_INPUT, "the statement is not UTF-8");
        fail(child, ERR_BAD_INPUT, &why);
    }
    if (duckdb_execute_prepared(prepared, &result) != DuckDBSuccess)
        engine_fail(child, duckdb_result_error(&result), UINT64_MAX);
    duckdb_data_chunk chunk = duckdb_fetch_chunk(result);
    return chunk ? text_at(child, chunk, 0, 0) : STR_OF("");
}

static void statement_check(struct sql_child *child)
{
    struct diag why = DIAG_NONE;
    str tree = text_of(child, "SELECT json_serialize_sql($1::VARCHAR)::VARCHAR", child->statement);
    enum err err = sql_guard_check(tree, &why);
    if (err)
        fail(child, err, &why);
}

/* The statement alone, for its errors and their places. */
static void statement_bind(struct sql_child *child)
{
    struct diag why = DIAG_NONE;
    duckdb_prepared_statement prepared;
    if (duckdb_prepare(child->connection, child->statement.ptr, &prepared) != DuckDBSuccess)
        engine_fail(child, duckdb_prepare_error(prepared), 0);
    if (duckdb_prepared_statement_type(prepared) != DUCKDB_STATEMENT_TYPE_SELECT)
        diag_set(&why, ERR_BAD_INPUT, "only a SELECT can be asked here");
    else if (duckdb_nparams(prepared) > 0)
        diag_set(&why, ERR_BAD_INPUT, "a statement has no parameters: write the values");
    else if (duckdb_prepared_statement_column_count(prepared) > SQL_ANSWER_COLUMNS)
        diag_set(&why, ERR_BAD_INPUT, "an answer has %d columns at most", SQL_ANSWER_COLUMNS);
    if (why.text[0])
        fail(child, ERR_BAD_INPUT, &why);
    duckdb_destroy_prepare(&prepared);
}

/* Names and types of the answer. */
static void statement_describe(struct sql_child *child, str inner)
{
    struct sql_answer *answer = &child->answer;
    struct buf text;
    duckdb_result result;
    duckdb_data_chunk chunk;
    buf_init(&text, SQL_MESSAGE_BYTES_MAX);
    buf_printf(&text, "DESCRIBE SELECT * FROM (\n%.*s\n)", STR_ARG(inner));
    buf_add_char(&text, '\0');
    if (buf_failed(&text) || duckdb_query(child->connection, text.ptr, &result) != DuckDBSuccess)
        engine_fail(child, duckdb_result_error(&result), UINT64_MAX);
    while ((chunk = duckdb_fetch_chunk(result))) {
        for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
            uint32_t at = answer->column_count;
            if (at == SQL_ANSWER_COLUMNS)
                return;
            answer->names[at] = text_at(child, chunk, 0, row);
            answer->types[at] = text_at(child, chunk, 1, row);
            answer->cells[at] = sql_cell_of(answer->types[at]);
            answer->column_count++;
        }
        duckdb_destroy_data_chunk(&chunk);
    }
}

/* Every column as a text, and one row more than is wanted. */
static void text_make(const struct sql_child *child, str inner, struct buf *text)
{
    const struct sql_answer *answer = &child->answer;
    buf_add_c(text, "SELECT ");
    for (uint32_t i = 0; i < answer->column_count; i++) {
        bool is_tree = answer->cells[i] == SQL_CELL_JSON && !str_equal_c(answer->types[i], "JSON");
        buf_printf(text, is_tree ? "%sCAST(to_json(c%u) AS VARCHAR)" : "%sCAST(c%u AS VARCHAR)",
                   i ? "," : "", i);
    }
    buf_printf(text, " FROM (\n%.*s\n) AS t(", STR_ARG(inner));
    for (uint32_t i = 0; i < answer->column_count; i++)
        buf_printf(text, "%sc%u", i ? "," : "", i);
    buf_printf(text, ") LIMIT %llu", (unsigned long long)answer->rows_max + 1);
    buf_add_char(text, '\0');
}

static void flush(struct sql_child *child)
{
    say(child, SQL_BYTES, buf_str(&child->out));
    buf_reset(&child->out);
}

static void statement_run(struct sql_child *child, str inner)
{
    struct sql_answer *answer = &child->answer;
    duckdb_prepared_statement prepared;
    duckdb_pending_result pending;
    duckdb_result result;
    duckdb_data_chunk chunk = NULL;
    struct buf text;
    buf_init(&text, SQL_MESSAGE_BYTES_MAX);
    text_make(child, inner, &text);
    if (duckdb_prepare(child->connection, text.ptr, &prepared) != DuckDBSuccess)
        engine_fail(child, duckdb_prepare_error(prepared), UINT64_MAX);
    if (duckdb_pending_prepared_streaming(prepared, &pending) != DuckDBSuccess)
        engine_fail(child, duckdb_pending_error(pending), UINT64_MAX);
    if (duckdb_execute_pending(pending, &result) != DuckDBSuccess)
        engine_fail(child, duckdb_result_error(&result), UINT64_MAX);
    sql_render_head(answer, &child->out);
    while (!answer->truncated && (chunk = duckdb_fetch_chunk(result))) {
        sql_render_chunk(answer, chunk, &child->out);
        duckdb_destroy_data_chunk(&chunk);
        if (child->out.len > BYTES_AT_ONCE)
            flush(child);
    }
    const char *why = duckdb_result_error(&result);
    if (!answer->truncated && why && why[0])
        engine_fail(child, why, UINT64_MAX);
    sql_render_tail(answer, &child->out);
    flush(child);
}

static void ask_take(struct sql_child *child)
{
    uint8_t kind = 0;
    bool ok = true;
    if (child_recv(&child->parent, &kind, &child->message, 0) != ERR_OK || kind != SQL_ASK)
        child_exit(1);
    str ask = buf_str(&child->message);
    child->answer.rows_max = sql_get(&ask, 8, &ok);
    child->answer.bytes_max = sql_get(&ask, 8, &ok);
    child->memory_bytes = sql_get(&ask, 8, &ok);
    child->cpu_s = sql_get(&ask, 8, &ok);
    child->answer.format = (enum store_sql_format)sql_get(&ask, 1, &ok);
    child->statement = str_from_c(xstrdup_str(ask)); /* the engine takes it to its first NUL */
}

/* The statement to stand in brackets: without the semicolon behind it.  Where one may have a
 * comment behind it, or be part of a text, only the engine knows. */
static str inner_of(struct sql_child *child)
{
    str trimmed = str_trim(child->statement);
    while (str_ends(trimmed, STR_OF(";")))
        trimmed = str_trim(str_sub(trimmed, 0, trimmed.len - 1));
    if (str_find_char(trimmed, ';') == trimmed.len)
        return trimmed;
    return text_of(child, "SELECT json_deserialize_sql(json_serialize_sql($1::VARCHAR))",
                   child->statement);
}

static void child_run(void)
{
    struct sql_child *child = xcalloc(1, sizeof *child);
    struct buf done;
    child_attach(&child->parent);
    buf_init(&child->message, SQL_MESSAGE_BYTES_MAX);
    buf_init(&child->out, SQL_MESSAGE_BYTES_MAX);
    arena_init(&child->arena, SQL_MESSAGE_BYTES_MAX);
    sql_tables_init(child->tables);
    ask_take(child);
    engine_prepare(child);
    statement_check(child);
    for (uint32_t i = 0; i < SQL_TABLE_COUNT; i++)
        view_make(child, i);
    statement_bind(child);
    str inner = inner_of(child);
    statement_describe(child, inner);
    statement_run(child, inner);
    buf_init(&done, 16);
    sql_put(&done, child->answer.row_count, 8);
    sql_put(&done, child->answer.truncated, 1);
    say(child, SQL_DONE, buf_str(&done));
    child_exit(0);
}

bool store_sql_child(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], SQL_CHILD_ROLE) != 0)
        return false;
    child_run();
    return true;
}
