/* duckdb_open.c -- the row of a trace that is not settled, from its spans, by SQL.
 *
 * The same sums as memory_list.c makes; pipeline/assemble.c makes the final row.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdatomic.h>
#include <stdio.h>

#define IS_ROOT " FILTER (coalesce(parent_span_id,0)=0)"

static void add_step_in(struct sql *sql, const char *a, const char *b)
{
    buf_add_char(&sql->text, '(');
    sql_dict_is(sql, FIELD_step, a);
    buf_add_c(&sql->text, " OR ");
    sql_dict_is(sql, FIELD_step, b);
    buf_add_char(&sql->text, ')');
}

/* Sum over model steps, clamped to 64 bits; unknown when no step knows it. */
static void add_model_sum(struct sql *sql, const char *expression, const char *known)
{
    buf_printf(&sql->text,
               "CASE WHEN count(%s) FILTER (counted)>0 THEN "
               "greatest(least(coalesce(sum(%s) FILTER (counted),0),"
               "9223372036854775807),-9223372036854775808) END",
               known, expression);
}

static void add_last(struct sql *sql, const char *expression, const char *step, const char *or_step)
{
    buf_printf(&sql->text, "arg_max(%s,start_time) FILTER (", expression);
    add_step_in(sql, step, or_step);
    buf_add_char(&sql->text, ')');
}

/* As add_last, where a negative number is unknown. */
static void add_last_positive(struct sql *sql, const char *expression, const char *step,
                              const char *or_step)
{
    buf_add_c(&sql->text, "CASE WHEN ");
    add_last(sql, expression, step, or_step);
    buf_add_c(&sql->text, ">=0 THEN ");
    add_last(sql, expression, step, or_step);
    buf_add_c(&sql->text, " END");
}

static void rare_sql(char *out, size_t size, enum field field, const char *type)
{
    snprintf(out, size, "TRY_CAST(json_extract_string(rare,'$.%s') AS %s)", field_table[field].name,
             type);
}

static void add_open_rare(struct sql *sql, enum field field)
{
    char text[128];
    switch ((int)field) {
    case FIELD_index_version:
        rare_sql(text, sizeof text, field, "VARCHAR");
        add_last(sql, text, "retrieval", "search");
        break;
    case FIELD_top_k_returned:
        rare_sql(text, sizeof text, field, "BIGINT");
        add_last_positive(sql, text, "retrieval", "search");
        break;
    case FIELD_source_ids:
        snprintf(text, sizeof text, "CAST(json_extract(rare,'$.source_ids') AS VARCHAR)");
        add_last(sql, text, "retrieval", "search");
        break;
    case FIELD_retry_count:
        rare_sql(text, sizeof text, field, "BIGINT");
        buf_printf(&sql->text, "least(coalesce(sum(greatest(%s,0)),0),4294967295)", text);
        break;
    case FIELD_faithfulness:
        rare_sql(text, sizeof text, field, "DOUBLE");
        buf_printf(&sql->text, "any_value(%s)", text);
        break;
    default:
        rare_sql(text, sizeof text, field, "BOOLEAN");
        buf_printf(&sql->text, "bool_or(%s)", text);
        break;
    }
}

static void add_open_field(struct sql *sql, enum field field)
{
    const char *name = field_table[field].name;
    switch ((int)field) {
    case FIELD_start_time:
        buf_add_c(&sql->text, "min(start_time)");
        break;
    case FIELD_latency_ns:
        buf_add_c(&sql->text,
                  "least(least(max(start_time::HUGEINT+coalesce(latency_ns,0)),9223372036854775807)"
                  "-min(start_time),9223372036854775807)");
        break;
    case FIELD_span_id:
        buf_printf(&sql->text, "arg_min(\"%s\",start_time)" IS_ROOT, name);
        break;
    case FIELD_name:
    case FIELD_step:
    case FIELD_service:
    case FIELD_status: /* while the root is not here, of the earliest span */
        buf_printf(&sql->text,
                   "coalesce(arg_min(\"%s\",start_time)" IS_ROOT ",arg_min(\"%s\",start_time))",
                   name, name);
        break;
    case FIELD_input_tokens:
    case FIELD_output_tokens:
        add_model_sum(sql, name, name);
        break;
    case FIELD_total_tokens:
        add_model_sum(sql, "coalesce(input_tokens,0)::HUGEINT+coalesce(output_tokens,0)",
                      "coalesce(input_tokens,output_tokens)");
        break;
    case FIELD_cost_nanousd:
        add_model_sum(sql, name, name);
        break;
    case FIELD_ttft_ns:
        add_last_positive(sql, name, "model", "model");
        break;
    case FIELD_provider:
    case FIELD_generator_model:
    case FIELD_prompt_version:
    case FIELD_prompt_template_id:
    case FIELD_prompt_hash:
        add_last(sql, name, "model", "model");
        break;
    case FIELD_retriever:
        add_last(sql, name, "retrieval", "search");
        break;
    default:
        if (field_is_rare(field))
            add_open_rare(sql, field);
        else
            buf_printf(&sql->text, "any_value(\"%s\")", name);
        break;
    }
}

static void add_open_number(struct sql *sql, uint32_t number)
{
    switch (number) {
    case TRACE_SPANS:
        buf_add_c(&sql->text, "count(*)");
        return;
    case TRACE_ERRORS:
        buf_add_c(&sql->text, "count(*) FILTER (");
        sql_dict_is(sql, FIELD_status, "error");
        break;
    case TRACE_MODEL_CALLS:
        buf_add_c(&sql->text, "count(*) FILTER (counted");
        break;
    case TRACE_TOOL_CALLS:
        buf_add_c(&sql->text, "count(*) FILTER (");
        sql_dict_is(sql, FIELD_step, "tool");
        break;
    default:
        buf_add_c(&sql->text, "count(*) FILTER (counted AND ");
        sql_dict_is(sql, FIELD_cost_source, "unknown");
        break;
    }
    buf_add_char(&sql->text, ')');
}

/* Exact texts of values past a dictionary's limits, when there are such. */
static void add_open_text(struct sql *sql, uint32_t text)
{
    bool is_full = false;
    for (enum field field = 0; field < FIELD_COUNT && text == TRACE_RARE; field++)
        is_full = is_full || atomic_load(&sql->store->dicts.fields[field].is_full);
    buf_add_c(&sql->text, is_full ? "any_value(rare)" : "NULL");
}

static void add_open_column(struct sql *sql, const struct column *column)
{
    static const char *const types[] = {
        [COLUMN_ID_HIGH] = "UBIGINT", [COLUMN_ID_LOW] = "UBIGINT",    [COLUMN_ID8] = "UBIGINT",
        [COLUMN_DICT] = "UINTEGER",   [COLUMN_TEXT] = "VARCHAR",      [COLUMN_I64] = "BIGINT",
        [COLUMN_F64] = "DOUBLE",      [COLUMN_BOOL] = "BOOLEAN",      [COLUMN_STRS] = "VARCHAR",
        [COLUMN_NUMBER] = "UINTEGER", [COLUMN_LONG_TEXT] = "VARCHAR",
    };
    buf_add_c(&sql->text, ",CAST(");
    if (column->kind == COLUMN_NUMBER)
        add_open_number(sql, column->index);
    else if (column->kind == COLUMN_LONG_TEXT)
        add_open_text(sql, column->index);
    else
        add_open_field(sql, column->field);
    buf_printf(&sql->text, " AS %s) AS \"%s\"", types[column->kind], column->name);
}

void sql_open_traces(struct sql *sql)
{
    const struct columns *columns = &sql->store->trace_columns;
    buf_add_c(&sql->text, "(SELECT project,trace_id_hi,trace_id_lo");
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->items[i];
        if (column->field != FIELD_trace_id && column->field != FIELD_project)
            add_open_column(sql, column);
    }
    buf_add_c(&sql->text, " FROM (SELECT *,(rollup IS NOT TRUE AND ");
    add_step_in(sql, "model", "embedding");
    buf_printf(&sql->text, ") AS counted FROM recent_spans(%u) WHERE state=%d AND ",
               sql->spans_feed, ROW_OPEN);
    sql_scope(sql, false);
    buf_add_c(&sql->text, ") GROUP BY project,trace_id_hi,trace_id_lo)");
}
