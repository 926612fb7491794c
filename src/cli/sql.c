/* sql.c -- `telltale sql`: a statement, and its answer as a table.
 *
 * Values are shown as the server wrote them, so that money and large numbers stay exact.  Answers
 * with many columns are shown one column a line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/cli_int.h"
#include "wire/json.h"
#include <stdio.h>

enum {
    STATEMENT_BYTES_MAX = 256 * 1024,
    OUTPUT_BYTES_MAX = 256 * 1024 * 1024,
    PATH_BYTES_MAX = 4096,
    COLUMNS_MAX = 256,
    ACROSS_MAX = 16, /* columns of a table */
    DEPTH_MAX = 256,
};

struct result {
    struct cli_call *call;
    struct json json;
    const char *names[COLUMNS_MAX];
    struct cli_column columns[COLUMNS_MAX];
    uint32_t column_count, row_count;
    struct cli_table table;
    struct buf out;
    bool truncated;
};

static enum err statement_read(struct cli_call *call, struct buf *text, struct diag *why)
{
    char piece[4096];
    size_t len;
    if (!str_equal_c(call->args[0], "-")) {
        buf_add_str(text, call->args[0]);
    } else {
        while ((len = fread(piece, 1, sizeof piece, stdin)) > 0)
            buf_add(text, piece, len);
        if (ferror(stdin))
            return diag_set(why, ERR_IO, "cannot read the standard input");
    }
    return buf_failed(text) ? diag_set(why, ERR_LIMIT, "the statement is larger than %d bytes",
                                       STATEMENT_BYTES_MAX)
                            : ERR_OK;
}

/* ---- the answer ---- */

static bool is_number(str type)
{
    static const char *const begins[] = { "BIGINT",  "DOUBLE", "DECIMAL",  "INTEGER", "HUGEINT",
                                          "UBIGINT", "FLOAT",  "SMALLINT", "TINYINT" };
    bool is = false;
    for (size_t i = 0; i < COUNT_OF(begins) && !is; i++)
        is = str_starts(type, str_from_c(begins[i])) && !str_ends(type, STR_OF("]"));
    return is;
}

/* [{"name":...,"type":...},...] */
static void columns_take(struct result *result)
{
    struct json *json = &result->json;
    struct cli_column column = { NULL, false, false };
    enum json_token token;
    (void)json_next(json); /* [ */
    while ((token = json_next(json)) != JSON_ARRAY_END && token != JSON_ERROR) {
        if (token == JSON_OBJECT_END && result->column_count < COLUMNS_MAX)
            result->columns[result->column_count++] = column;
        if (token != JSON_KEY)
            continue;
        bool is_name = str_equal_c(json->text, "name");
        (void)json_next(json);
        if (is_name)
            column.title = arena_printf(&result->call->arena, "%.*s", STR_ARG(json->text)).ptr;
        column.is_right = !is_name && is_number(json->text);
        column.is_flexible = !column.is_right;
    }
}

static void cell_show(struct result *result, uint32_t index, str text, bool is_known)
{
    const struct cli_column *column = &result->columns[index];
    if (result->column_count <= ACROSS_MAX) {
        cli_table_add(&result->table, is_known ? text : STR_NONE, is_known ? CLI_PLAIN : CLI_DIM);
        return;
    }
    if (index == 0 && result->row_count > 0)
        buf_add_char(&result->out, '\n');
    cli_clean(&result->out, str_from_c(column->title), CLI_ONE_LINE);
    buf_add_c(&result->out, ": ");
    cli_clean(&result->out, is_known ? text : CLI_UNKNOWN, CLI_ONE_LINE);
    buf_add_char(&result->out, '\n');
}

static bool row_take(struct result *result)
{
    struct json *json = &result->json;
    enum json_token token;
    for (uint32_t i = 0; (token = json_next(json)) != JSON_ARRAY_END; i++) {
        str text = json->text;
        bool is_quoted = token == JSON_STRING;
        if (token == JSON_ERROR || i >= result->column_count)
            return false;
        if (!is_quoted && !json_raw(json, token, &text))
            return false;
        cell_show(result, i, text, token != JSON_NULL);
    }
    result->row_count++;
    return true;
}

/* [[...],...] */
static bool rows_take(struct result *result)
{
    enum json_token token;
    (void)json_next(&result->json); /* [ */
    if (result->column_count > 0 && result->column_count <= ACROSS_MAX)
        cli_table_init(&result->table, &result->call->arena, result->columns, result->column_count);
    while ((token = json_next(&result->json)) == JSON_ARRAY)
        if (!row_take(result))
            return false;
    return token == JSON_ARRAY_END;
}

static enum err answer_take(struct result *result, str body, struct diag *why)
{
    struct json *json = &result->json;
    enum json_token token;
    json_init(json, &result->call->arena, body, DEPTH_MAX);
    while ((token = json_next(json)) != JSON_END) {
        if (token == JSON_ERROR)
            return json_error(json, why);
        if (token != JSON_KEY)
            continue;
        if (str_equal_c(json->text, "columns")) {
            columns_take(result);
        } else if (str_equal_c(json->text, "rows")) {
            if (!rows_take(result))
                return diag_set(why, ERR_BAD_INPUT, "the answer cannot be read");
        } else if (str_equal_c(json->text, "truncated")) {
            result->truncated = json_next(json) == JSON_TRUE;
        }
    }
    return ERR_OK;
}

static void print(struct result *result)
{
    const struct cli_call *call = result->call;
    if (result->table.columns) {
        cli_table_print(&result->table, &call->screen, &result->out);
        cli_table_clear(&result->table);
    }
    cli_print(&result->out);
    fflush(stdout);
    if (call->screen.is_tty)
        fprintf(stderr, "%u row%s\n", result->row_count, result->row_count == 1 ? "" : "s");
    if (result->truncated)
        fprintf(stderr, "there are more rows: the server cuts at query.sql_rows and "
                        "query.sql_bytes; group, or add LIMIT and OFFSET\n");
}

/* ---- asking ---- */

/* The line of the statement that the error is about, and a mark below the place. */
static void place_print(str statement, str body, struct arena *arena)
{
    struct value answer;
    double offset = 0;
    if (cli_json_parse(arena, body, &answer, NULL) != ERR_OK ||
        !cli_member_f64(cli_member(&answer, "error"), "offset", &offset) ||
        (size_t)offset > statement.len)
        return;
    size_t at = (size_t)offset, begin = at;
    while (begin > 0 && statement.ptr[begin - 1] != '\n')
        begin--;
    str line = str_sub(statement, begin, statement.len);
    line = str_sub(line, 0, str_find_char(line, '\n'));
    struct buf out;
    buf_init(&out, KIB);
    buf_add_c(&out, "  ");
    cli_clean(&out, str_sub(line, 0, KIB / 4), CLI_ONE_LINE);
    buf_add_c(&out, "\n  ");
    cli_add_spaces(&out, MIN(cli_columns(str_sub(line, 0, at - begin)), (uint32_t)KIB / 4));
    buf_add_c(&out, "^\n");
    fwrite(out.ptr, 1, out.len, stderr);
    buf_clear(&out);
}

static int answer_print(struct cli_call *call, str body)
{
    struct diag why = DIAG_NONE;
    if (call->options.json) {
        cli_print_json(call, body);
        return CLI_OK;
    }
    if (call->options.csv) {
        fwrite(body.ptr, 1, body.len, stdout);
        return CLI_OK;
    }
    struct result *result = xcalloc(1, sizeof *result);
    result->call = call;
    buf_init(&result->out, OUTPUT_BYTES_MAX);
    enum err err = answer_take(result, body, &why);
    if (!err)
        print(result);
    buf_clear(&result->out);
    xfree(result);
    return err ? cli_fail(err, &why) : CLI_OK;
}

static int ask(struct cli_call *call, const char *path, str statement)
{
    struct diag why = DIAG_NONE;
    struct buf body;
    int status = 0, exit_status = CLI_FAILED;
    buf_init(&body, CLI_BODY_BYTES_MAX);
    struct cli_get get = { .path = path, .body = statement };
    enum err err = cli_http_get(call, &get, &status, &body, &why);
    if (err) {
        exit_status = cli_fail(err, &why);
    } else if (status == 200) {
        exit_status = answer_print(call, buf_str(&body));
    } else {
        err = cli_http_problem(call, status, buf_str(&body), &why);
        exit_status = cli_fail(err, &why);
        place_print(statement, buf_str(&body), &call->arena);
    }
    buf_clear(&body);
    return exit_status;
}

int cli_sql(struct cli_call *call)
{
    struct diag why = DIAG_NONE;
    struct buf path, statement;
    buf_init(&path, PATH_BYTES_MAX);
    buf_init(&statement, STATEMENT_BYTES_MAX);
    buf_add_c(&path, "/api/v1/sql");
    cli_query_add(&path, "from", call->options.from);
    cli_query_add(&path, "to", call->options.to);
    cli_query_add(&path, "format", call->options.csv ? "csv" : NULL);
    str kept =
        buf_failed(&path) ? STR_NONE : arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&path)));
    enum err err = statement_read(call, &statement, &why);
    int status = CLI_FAILED;
    if (err)
        status = cli_fail(err, &why);
    else if (str_is_none(kept))
        status = cli_misuse(call, "the range is too long");
    else
        status = ask(call, kept.ptr, buf_str(&statement));
    buf_clear(&path);
    buf_clear(&statement);
    return status;
}
