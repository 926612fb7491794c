/* duckdb_sql.c -- questions as SQL, and running them under a deadline.
 *
 * Texts of users are parameters, always; numbers, ids and names of our own
 * columns are written out, because the engine prunes by constants only.  A
 * dictionary column is compared by the ids whose texts match, found in C.
 *
 * NOT is pushed down to the single conditions: where a condition is wanted
 * true, SQL's NULL counts as false as it should; where it is wanted false,
 * "IS NOT TRUE" turns NULL into true.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "base/utf8.h"
#include "store/duckdb_int.h"
#include "sys/clock.h"

#include <math.h>
#include <stdatomic.h>

enum { TASK_WAIT_NS = 20000, TASK_WAIT_NS_MAX = 500000 };

void sql_init(struct sql *sql, struct store *store, struct arena *arena,
              const struct store_scope *scope)
{
    *sql = (struct sql){ .store = store, .arena = arena, .scope = scope };
    buf_init(&sql->text, DUCK_SQL_BYTES_MAX);
}

void sql_clear(struct sql *sql)
{
    buf_clear(&sql->text);
}

void sql_restart(struct sql *sql)
{
    buf_reset(&sql->text);
    sql->param_count = 0;
}

void sql_param(struct sql *sql, str text)
{
    uint32_t index = 0;
    while (index < sql->param_count && !str_equal(sql->params[index], text))
        index++;
    if (index == DUCK_PARAMS_MAX || str_is_none(text)) {
        sql->failed = true;
        return;
    }
    if (index == sql->param_count)
        sql->params[sql->param_count++] = text;
    buf_printf(&sql->text, "$%u", index + 1);
}

void sql_i64(struct sql *sql, int64_t number)
{
    buf_printf(&sql->text, "CAST('%lld' AS BIGINT)", (long long)number);
}

/* Texts past the dictionary's limits: what follows compares the exact one. */
static bool overflow_begin(struct sql *sql, enum field field, const char *call)
{
    if (!atomic_load(&sql->store->dicts.fields[field].is_full))
        return false;
    buf_printf(&sql->text, " OR (\"%s\"=%u AND %sjson_extract_string(rare,'$.%s')",
               field_table[field].name, DICT_OVERFLOW, call, field_table[field].name);
    return true;
}

static void dict_id(struct sql *sql, enum field field, str text)
{
    uint32_t id = dict_find(&sql->store->dicts, field, text);
    if (id != DICT_NO_ID) {
        buf_printf(&sql->text, "\"%s\"=%u", field_table[field].name, id);
        return;
    }
    buf_add_c(&sql->text, "(false");
    if (!str_is_none(text) && overflow_begin(sql, field, "")) {
        buf_add_char(&sql->text, '=');
        sql_param(sql, text);
        buf_add_char(&sql->text, ')');
    }
    buf_add_char(&sql->text, ')');
}

void sql_dict_is(struct sql *sql, enum field field, const char *text)
{
    dict_id(sql, field, str_from_c(text));
}

void sql_scope(struct sql *sql, bool with_range)
{
    dict_id(sql, FIELD_project, sql->scope->project);
    if (!str_is_none(sql->scope->tenant)) {
        buf_add_c(&sql->text, " AND ");
        dict_id(sql, FIELD_tenant_id, sql->scope->tenant);
    }
    if (!with_range)
        return;
    buf_add_c(&sql->text, " AND start_time>=");
    sql_i64(sql, sql->scope->range.from_ns);
    buf_add_c(&sql->text, " AND start_time<");
    sql_i64(sql, sql->scope->range.to_ns);
}

/* -- single conditions -- */

const char *sql_operator(enum filter_op op)
{
    switch ((int)op) {
    case FILTER_EQ:
        return "=";
    case FILTER_LT:
        return "<";
    case FILTER_LE:
        return "<=";
    case FILTER_GT:
        return ">";
    case FILTER_GE:
        return ">=";
    case FILTER_NE: /* of folds: of fields it is NOT of EQ */
        return "<>";
    default:
        return NULL;
    }
}

/* LIKE's pattern of ours: * becomes %, its own wildcards are escaped. */
static str like_pattern(struct arena *arena, str pattern)
{
    struct buf out;
    buf_init(&out, 2 * pattern.len + 1);
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (c == '%' || c == '_' || c == '\\')
            buf_add_char(&out, '\\');
        buf_add_char(&out, c == '*' ? '%' : c);
    }
    str copy = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return copy;
}

/* Before an expression that is a text; text_condition() comes behind it. */
static const char *text_call(const struct filter *leaf)
{
    return leaf->op == FILTER_REGEX ? "regexp_matches(" : "";
}

/* The one text that is written out and not a parameter, since the engine compiles a constant
 * only once: it is our own writing of what the expression means (base/regex.h). */
static void regex_add(struct sql *sql, const struct regex *regex)
{
    static const char alphabet[] = "0123456789ABCDEFabcdefxAzB\\{}()[]?:|*+,^-";
    const char *text = regex_portable(regex);
    assert(strspn(text, alphabet) == strlen(text));
    buf_printf(&sql->text, ",'%s')", text);
}

void sql_text_begin(struct sql *sql, const struct filter *leaf)
{
    buf_add_c(&sql->text, text_call(leaf));
}

/* `operator value` behind an expression that is a text. */
void sql_text_end(struct sql *sql, const struct filter *leaf)
{
    if (leaf->op == FILTER_REGEX) {
        regex_add(sql, leaf->regex);
    } else if (leaf->op == FILTER_LIKE) {
        buf_add_c(&sql->text, " LIKE ");
        sql_param(sql, like_pattern(sql->arena, leaf->value.text));
        buf_add_c(&sql->text, " ESCAPE '\\'");
    } else {
        buf_add_c(&sql->text, sql_operator(leaf->op));
        sql_param(sql, leaf->value.text);
    }
}

bool sql_number(struct sql *sql, const struct value *value)
{
    double number = value->type == VALUE_F64 ? value->f64 : (double)value->i64;
    if ((value->type != VALUE_F64 && value->type != VALUE_I64) || number != number)
        return false;
    buf_printf(&sql->text, "CAST('%.17g' AS DOUBLE)", number);
    return true;
}

static bool is_number(const struct value *value)
{
    return value->type == VALUE_I64 || (value->type == VALUE_F64 && value->f64 == value->f64);
}

/* A look for the name in the text spares most rows the reading of JSON. */
static void rare_text(struct sql *sql, enum field field)
{
    const char *name = field_table[field].name;
    buf_printf(&sql->text,
               "(CASE WHEN contains(rare,'\"%s\":') THEN json_extract_string(rare,'$.%s') END)",
               name, name);
}

/* The expression of a field that has no column: typed text out of `rare`. */
static void rare_expression(struct sql *sql, enum field field, const char *type)
{
    buf_add_c(&sql->text, "TRY_CAST(");
    rare_text(sql, field);
    buf_printf(&sql->text, " AS %s)", type);
}

static void expression(struct sql *sql, const struct column *column, enum field field,
                       const char *type)
{
    if (column)
        buf_printf(&sql->text, "\"%s\"", column->name);
    else if (type)
        rare_expression(sql, field, type);
    else
        rare_text(sql, field);
}

static void false_condition(struct sql *sql)
{
    buf_add_c(&sql->text, "false");
}

static void dict_condition(struct sql *sql, const struct filter *leaf)
{
    struct dicts *dicts = &sql->store->dicts;
    uint32_t count = atomic_load(&dicts->fields[leaf->field].count), found = 0;
    if (leaf->op == FILTER_EQ) {
        dict_id(sql, leaf->field, leaf->value.text);
        return;
    }
    buf_add_c(&sql->text, "(false");
    for (uint32_t id = 0; id < count; id++) {
        if (!leaf_compares_text(leaf, dict_text(dicts, leaf->field, id)))
            continue;
        if (found++ == 0)
            buf_printf(&sql->text, " OR \"%s\" IN (", field_table[leaf->field].name);
        buf_printf(&sql->text, "%s%u", found == 1 ? "" : ",", id);
    }
    buf_add_c(&sql->text, found ? ")" : "");
    if (overflow_begin(sql, leaf->field, text_call(leaf))) {
        sql_text_end(sql, leaf);
        buf_add_char(&sql->text, ')');
    }
    buf_add_char(&sql->text, ')');
}

static void i64_condition(struct sql *sql, const struct column *column, const struct filter *leaf)
{
    const char *op = sql_operator(leaf->op);
    if (!op || !is_number(&leaf->value)) {
        false_condition(sql);
        return;
    }
    bool as_double = leaf->value.type == VALUE_F64;
    buf_add_c(&sql->text, as_double ? "CAST(" : "(");
    expression(sql, column, leaf->field, "BIGINT");
    buf_add_c(&sql->text, as_double ? " AS DOUBLE)" : ")");
    buf_add_c(&sql->text, op);
    if (!as_double)
        sql_i64(sql, leaf->value.i64);
    else if (!sql_number(sql, &leaf->value))
        sql->failed = true;
}

static void f64_condition(struct sql *sql, const struct column *column, const struct filter *leaf)
{
    const char *op = sql_operator(leaf->op);
    if (!op || !is_number(&leaf->value)) {
        false_condition(sql);
        return;
    }
    expression(sql, column, leaf->field, "DOUBLE");
    buf_add_c(&sql->text, op);
    if (!sql_number(sql, &leaf->value))
        sql->failed = true;
}

static void bool_condition(struct sql *sql, const struct column *column, const struct filter *leaf)
{
    if (leaf->op != FILTER_EQ || leaf->value.type != VALUE_BOOL) {
        false_condition(sql);
        return;
    }
    expression(sql, column, leaf->field, "BOOLEAN");
    buf_add_c(&sql->text, leaf->value.boolean ? "=true" : "=false");
}

static void list_condition(struct sql *sql, const struct column *column, const struct filter *leaf)
{
    bool is_text = field_table[leaf->field].type == FIELD_TYPE_STRS;
    const char *op = sql_operator(leaf->op);
    if (is_text ? leaf->value.type != VALUE_STR : !op || !is_number(&leaf->value)) {
        false_condition(sql);
        return;
    }
    buf_add_c(&sql->text, "len(list_filter(");
    if (column)
        buf_printf(&sql->text, "json_extract_string(\"%s\",'$[*]')", column->name);
    else
        buf_printf(&sql->text, "json_extract_string(rare,'$.%s[*]')",
                   field_table[leaf->field].name);
    buf_add_c(&sql->text, ", lambda x: ");
    if (is_text) {
        sql_text_begin(sql, leaf);
        buf_add_char(&sql->text, 'x');
        sql_text_end(sql, leaf);
    } else {
        buf_add_c(&sql->text, "TRY_CAST(x AS DOUBLE)");
        buf_add_c(&sql->text, op);
        if (!sql_number(sql, &leaf->value))
            sql->failed = true;
    }
    buf_add_c(&sql->text, "))>0");
}

static void id_equal(struct sql *sql, const struct column *column, const struct filter *leaf,
                     size_t len)
{
    struct id16 id = { { 0 } };
    if (!hex_decode(leaf->value.text, id.bytes, len)) {
        false_condition(sql);
        return;
    }
    char hex[33];
    if (!column) {
        rare_text(sql, leaf->field);
        buf_add_char(&sql->text, '=');
        sql_param(sql, arena_str(sql->arena, id_text(id.bytes, len, hex)));
    } else if (len == 16)
        buf_printf(&sql->text, "\"%s_hi\"=%llu::UBIGINT AND \"%s_lo\"=%llu::UBIGINT",
                   field_table[leaf->field].name, (unsigned long long)id_high(id),
                   field_table[leaf->field].name, (unsigned long long)id_low(id));
    else
        buf_printf(&sql->text, "\"%s\"=%llu::UBIGINT", column->name,
                   (unsigned long long)id_high(id));
}

static void id_condition(struct sql *sql, const struct column *column, const struct filter *leaf)
{
    size_t len = field_table[leaf->field].type == FIELD_TYPE_ID16 ? 16 : 8;
    const char *name = field_table[leaf->field].name;
    if (leaf->value.type != VALUE_STR) {
        false_condition(sql);
        return;
    }
    if (leaf->op == FILTER_EQ) {
        id_equal(sql, column, leaf, len);
        return;
    }
    sql_text_begin(sql, leaf);
    if (!column)
        rare_text(sql, leaf->field);
    else if (len == 16)
        buf_printf(&sql->text, "format('{:016x}{:016x}',\"%s_hi\",\"%s_lo\")", name, name);
    else
        buf_printf(&sql->text, "format('{:016x}',\"%s\")", name);
    sql_text_end(sql, leaf);
}

static void field_condition(struct sql *sql, const struct column *column, const struct filter *leaf)
{
    if (leaf->op == FILTER_EXISTS) {
        if (column)
            buf_printf(&sql->text, "\"%s\" IS NOT NULL", column->name);
        else
            buf_printf(&sql->text, /* CASE: AND would read all of them outside of a WHERE */
                       "(CASE WHEN contains(rare,'\"%s\":') THEN json_exists(rare,'$.%s') ELSE "
                       "false END)",
                       field_table[leaf->field].name, field_table[leaf->field].name);
        return;
    }
    switch (field_table[leaf->field].type) {
    case FIELD_TYPE_ID16:
    case FIELD_TYPE_ID8:
        id_condition(sql, column, leaf);
        break;
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        if (leaf->value.type != VALUE_STR) {
            false_condition(sql);
        } else if (column && column->kind == COLUMN_DICT) {
            dict_condition(sql, leaf);
        } else {
            sql_text_begin(sql, leaf);
            expression(sql, column, leaf->field, NULL);
            sql_text_end(sql, leaf);
        }
        break;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        i64_condition(sql, column, leaf);
        break;
    case FIELD_TYPE_F64:
        f64_condition(sql, column, leaf);
        break;
    case FIELD_TYPE_BOOL:
        bool_condition(sql, column, leaf);
        break;
    case FIELD_TYPE_STRS:
    case FIELD_TYPE_F64S:
        list_condition(sql, column, leaf);
        break;
    }
}

/* An attribute's key as a JSON pointer. */
static str pointer_of(struct arena *arena, str key)
{
    struct buf out;
    buf_init(&out, 2 * key.len + 2);
    buf_add_char(&out, '/');
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '~')
            buf_add_c(&out, "~0");
        else if (key.ptr[i] == '/')
            buf_add_c(&out, "~1");
        else
            buf_add_char(&out, key.ptr[i]);
    }
    str copy = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return copy;
}

static void attr_call(struct sql *sql, const char *function, str pointer)
{
    buf_printf(&sql->text, "%s(attrs,", function);
    sql_param(sql, pointer);
    buf_add_char(&sql->text, ')');
}

static void attr_text_expression(struct sql *sql, str key)
{
    str pointer = pointer_of(sql->arena, key);
    buf_add_c(&sql->text, "(CASE WHEN ");
    attr_call(sql, "json_type", pointer);
    buf_add_c(&sql->text, " IN ('VARCHAR','BIGINT','UBIGINT','BOOLEAN') THEN ");
    attr_call(sql, "json_extract_string", pointer);
    buf_add_c(&sql->text, " END)");
}

static void attr_number_condition(struct sql *sql, const struct filter *leaf, str pointer)
{
    const char *op = sql_operator(leaf->op);
    if (!op || !is_number(&leaf->value)) {
        false_condition(sql);
        return;
    }
    buf_add_c(&sql->text, "(CASE ");
    attr_call(sql, "json_type", pointer);
    if (leaf->value.type == VALUE_I64) {
        buf_add_c(&sql->text, " WHEN 'BIGINT' THEN TRY_CAST(");
        attr_call(sql, "json_extract_string", pointer);
        buf_printf(&sql->text, " AS BIGINT)%s", op);
        sql_i64(sql, leaf->value.i64);
        buf_add_c(&sql->text, " WHEN 'UBIGINT' THEN TRY_CAST(");
        attr_call(sql, "json_extract_string", pointer);
        buf_printf(&sql->text, " AS BIGINT)%s", op);
        sql_i64(sql, leaf->value.i64);
        buf_add_c(&sql->text, " WHEN 'DOUBLE' THEN ");
    } else {
        buf_add_c(&sql->text, " WHEN 'VARCHAR' THEN false WHEN 'BOOLEAN' THEN false ELSE ");
    }
    buf_add_c(&sql->text, "TRY_CAST(");
    attr_call(sql, "json_extract_string", pointer);
    buf_printf(&sql->text, " AS DOUBLE)%s", op);
    if (!sql_number(sql, &leaf->value))
        sql->failed = true;
    buf_add_c(&sql->text, " END)");
}

static void attr_condition(struct sql *sql, const struct filter *leaf)
{
    str pointer = pointer_of(sql->arena, leaf->attr_key);
    if (leaf->op == FILTER_EXISTS) {
        attr_call(sql, "json_type", pointer);
        buf_add_c(&sql->text, "<>'NULL'");
    } else if (leaf->value.type == VALUE_STR) {
        sql_text_begin(sql, leaf);
        attr_text_expression(sql, leaf->attr_key);
        sql_text_end(sql, leaf);
    } else if (leaf->value.type == VALUE_BOOL && leaf->op == FILTER_EQ) {
        attr_call(sql, "json_type", pointer);
        buf_add_c(&sql->text, "='BOOLEAN' AND ");
        attr_call(sql, "json_extract_string", pointer);
        buf_add_c(&sql->text, leaf->value.boolean ? "='true'" : "='false'");
    } else {
        attr_number_condition(sql, leaf, pointer);
    }
}

static void leaf_condition(struct sql *sql, const struct filter *leaf,
                           const struct columns *columns)
{
    if (leaf->field == FIELD_COUNT) {
        attr_condition(sql, leaf);
        return;
    }
    uint8_t index = columns->of_field[leaf->field];
    field_condition(sql, index ? &columns->items[index - 1] : NULL, leaf);
}

static void leaf_sql(struct sql *sql, const struct filter *leaf, bool negated)
{
    const struct store *store = sql->store;
    if (!sql->of_traces || (leaf->field != FIELD_COUNT && trace_has_field(leaf->field))) {
        buf_add_c(&sql->text, "((");
        leaf_condition(sql, leaf, sql->of_traces ? &store->trace_columns : &store->span_columns);
        buf_add_c(&sql->text, negated ? ") IS NOT TRUE)" : "))");
        return;
    }
    buf_printf(&sql->text,
               "(%s(project, trace_id_hi, trace_id_lo) IN (SELECT (project, trace_id_hi, "
               "trace_id_lo) FROM %s WHERE ",
               negated ? "NOT " : "", sql->spans_from);
    sql_scope(sql, false);
    buf_add_c(&sql->text, " AND (");
    leaf_condition(sql, leaf, &store->span_columns);
    buf_add_c(&sql->text, ")))");
}

static void sql_condition(struct sql *sql, const struct filter *filter, bool negated)
{
    bool is_beyond =
        filter->op >= FILTER_ANY || filter->fold != FOLD_NONE || !str_is_none(filter->score);
    if (is_beyond)
        sql_beyond(sql, filter, negated);
    else
        leaf_sql(sql, filter, negated);
}

void sql_filter(struct sql *sql, const struct filter *filter, bool negated)
{
    switch ((int)filter->op) {
    case FILTER_AND:
    case FILTER_OR:
        buf_add_char(&sql->text, '(');
        sql_filter(sql, filter->left, negated);
        buf_add_c(&sql->text, (filter->op == FILTER_AND) != negated ? " AND " : " OR ");
        sql_filter(sql, filter->right, negated);
        buf_add_char(&sql->text, ')');
        break;
    case FILTER_NOT:
        sql_filter(sql, filter->left, !negated);
        break;
    case FILTER_NE: {
        if (filter->fold != FOLD_NONE) {
            sql_beyond(sql, filter, negated);
            break;
        }
        struct filter equal = *filter;
        equal.op = FILTER_EQ;
        sql_condition(sql, &equal, !negated);
        break;
    }
    default:
        sql_condition(sql, filter, negated);
        break;
    }
}

void sql_group_key(struct sql *sql, enum field field, str attr_key)
{
    if (field == FIELD_COUNT) {
        attr_text_expression(sql, attr_key);
        return;
    }
    uint8_t index = sql->store->span_columns.of_field[field];
    const struct column *column = index ? &sql->store->span_columns.items[index - 1] : NULL;
    bool is_text = field_table[field].type == FIELD_TYPE_STR;
    buf_add_c(&sql->text, is_text ? "" : "CAST(");
    expression(sql, column, field, NULL);
    buf_add_c(&sql->text, is_text ? "" : " AS VARCHAR)");
}

void sql_field_number(struct sql *sql, enum field field)
{
    uint8_t index = sql->store->span_columns.of_field[field];
    const struct column *column = index ? &sql->store->span_columns.items[index - 1] : NULL;
    enum field_type type = field_table[field].type;
    bool is_bool = type == FIELD_TYPE_BOOL;
    buf_add_c(&sql->text, is_bool ? "CAST(" : "");
    expression(sql, column, field,
               is_bool                  ? "BOOLEAN"
               : type == FIELD_TYPE_F64 ? "DOUBLE"
                                        : "BIGINT");
    buf_add_c(&sql->text, is_bool ? " AS INTEGER)" : "");
}

void sql_attr_number(struct sql *sql, str attr_key)
{
    str pointer = pointer_of(sql->arena, attr_key);
    buf_add_c(&sql->text, "(CASE WHEN ");
    attr_call(sql, "json_type", pointer);
    buf_add_c(&sql->text, " IN ('BIGINT','UBIGINT','DOUBLE') THEN TRY_CAST(");
    attr_call(sql, "json_extract_string", pointer);
    buf_add_c(&sql->text, " AS DOUBLE) END)");
}

/* -- running -- */

void sql_statement_end(struct sql *sql, struct statement *statement)
{
    duckdb_result result;
    if (statement->prepared)
        duckdb_destroy_prepare(&statement->prepared);
    (void)duckdb_query(statement->connection, "ROLLBACK", &result);
    duckdb_destroy_result(&result);
    duck_release(sql->store, statement->connection);
}

static enum err prepare(struct sql *sql, struct statement *statement, struct diag *reterr_why)
{
    if (buf_failed(&sql->text) || sql->failed)
        return diag_set(reterr_why, ERR_LIMIT, "the question is too large");
    buf_add_char(&sql->text, '\0');
    enum err code = duck_run(statement->connection, reterr_why, "BEGIN");
    if (code != ERR_OK)
        return code;
    if (duckdb_prepare(statement->connection, sql->text.ptr, &statement->prepared) != DuckDBSuccess)
        return duck_error(ERR_INTERNAL, DUCKDB_ERROR_BINDER,
                          duckdb_prepare_error(statement->prepared), reterr_why);
    for (uint32_t i = 0; i < sql->param_count; i++)
        if (duckdb_bind_varchar_length(statement->prepared, i + 1, sql->params[i].ptr,
                                       sql->params[i].len) != DuckDBSuccess)
            return diag_set(reterr_why, ERR_BAD_INPUT, "a text of the question is not UTF-8");
    return ERR_OK;
}

enum err sql_prepare(struct sql *sql, duckdb_connection connection, struct statement *ret_statement,
                     struct diag *reterr_why)
{
    struct statement statement = { .connection = connection };
    enum err code = prepare(sql, &statement, reterr_why);
    if (code != ERR_OK) {
        sql_statement_end(sql, &statement);
        return code;
    }
    *ret_statement = statement;
    return ERR_OK;
}

/* Work on the answer in slices, looking at the clock between them.  While the
 * engine's own threads have all tasks, sleep: the engine itself would spin. */
enum err duck_pending_finish(duckdb_connection connection, duckdb_pending_result pending,
                             int64_t deadline_ns, struct diag *reterr_why)
{
    int64_t wait_ns = TASK_WAIT_NS;
    for (;;) {
        if (deadline_ns && clock_monotonic_ns() >= deadline_ns) {
            duckdb_interrupt(connection);
            return diag_set(reterr_why, ERR_DEADLINE, "the question took too long");
        }
        duckdb_pending_state state = duckdb_pending_execute_task(pending);
        if (state == DUCKDB_PENDING_ERROR)
            return duck_error(ERR_INTERNAL, DUCKDB_ERROR_EXECUTOR, duckdb_pending_error(pending),
                              reterr_why);
        if (duckdb_pending_execution_is_finished(state))
            return ERR_OK;
        if (state != DUCKDB_PENDING_NO_TASKS_AVAILABLE)
            continue;
        clock_sleep_ns(wait_ns);
        wait_ns = MIN(2 * wait_ns, (int64_t)TASK_WAIT_NS_MAX);
    }
}

static enum err execute(struct sql *sql, struct statement *statement,
                        enum err (*each)(duckdb_data_chunk chunk, void *arg,
                                         struct diag *reterr_why),
                        void *arg, struct diag *reterr_why)
{
    duckdb_pending_result pending;
    duckdb_result result;
    if (duckdb_pending_prepared(statement->prepared, &pending) != DuckDBSuccess) {
        enum err code = duck_error(ERR_INTERNAL, DUCKDB_ERROR_EXECUTOR,
                                   duckdb_pending_error(pending), reterr_why);
        duckdb_destroy_pending(&pending);
        return code;
    }
    enum err code =
        duck_pending_finish(statement->connection, pending, sql->scope->deadline_ns, reterr_why);
    if (code != ERR_OK) {
        duckdb_destroy_pending(&pending);
        return code;
    }
    if (duckdb_execute_pending(pending, &result) != DuckDBSuccess)
        code = duck_error(ERR_INTERNAL, duckdb_result_error_type(&result),
                          duckdb_result_error(&result), reterr_why);
    duckdb_data_chunk chunk;
    while (code == ERR_OK && (chunk = duckdb_fetch_chunk(result))) {
        code = each(chunk, arg, reterr_why);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    duckdb_destroy_pending(&pending);
    return code;
}

enum err sql_execute(struct sql *sql, struct statement *statement,
                     enum err (*each)(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why),
                     void *arg, struct diag *reterr_why)
{
    enum err code = execute(sql, statement, each, arg, reterr_why);
    sql_statement_end(sql, statement);
    return code;
}

enum err sql_run(struct sql *sql,
                 enum err (*each)(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why),
                 void *arg, struct diag *reterr_why)
{
    duckdb_connection connection;
    struct statement statement;
    enum err code = duck_connect(sql->store, sql->scope->deadline_ns, &connection, reterr_why);
    if (code == ERR_OK)
        code = sql_prepare(sql, connection, &statement, reterr_why);
    return code == ERR_OK ? sql_execute(sql, &statement, each, arg, reterr_why) : code;
}
