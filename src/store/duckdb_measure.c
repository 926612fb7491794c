/* duckdb_measure.c -- the numbers of a group as SQL expressions.
 *
 * Each measure is one aggregate with a FILTER.  Quantiles of the same number and filter are
 * written as one list, of which each takes its item: the engine sorts once.  A field that is
 * a list of numbers is counted and summed by its items.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

/* A larger number's square is none: the engine would refuse the whole statement. */
#define VARIANCE_MAX "1e150"

static bool is_list(const struct store_measure *measure)
{
    return measure->of == STORE_OF_FIELD && measure->op != STORE_OP_DISTINCT &&
           field_table[measure->field].type == FIELD_TYPE_F64S;
}

static void add_items(struct sql *sql, const struct store_measure *measure)
{
    buf_printf(&sql->text,
               "list_filter(list_transform(json_extract_string(rare,'$.%s[*]'), lambda x: "
               "TRY_CAST(x AS DOUBLE)), lambda x: x IS NOT NULL)",
               field_table[measure->field].name);
}

static void add_bucket_cost(struct sql *sql, str bucket)
{
    static const char costs[] = "json_extract_string(rare,'$.cost_by_bucket')";
    buf_printf(&sql->text,
               "(CASE WHEN json_valid(%s) THEN TRY_CAST(json_extract_string(%s,'$.%.*s') AS "
               "BIGINT) END)",
               costs, costs, STR_ARG(bucket));
}

static void add_number(struct sql *sql, const struct store_measure *measure)
{
    switch (measure->of) {
    case STORE_OF_FIELD:
        sql_field_number(sql, measure->field);
        break;
    case STORE_OF_ATTR:
        sql_attr_number(sql, measure->name);
        break;
    case STORE_OF_END:
        buf_add_c(&sql->text, "least(CAST(start_time AS DOUBLE)+CAST(latency_ns AS DOUBLE),"
                              "9223372036854775807)");
        break;
    case STORE_OF_BUCKET:
        add_bucket_cost(sql, measure->name);
        break;
    case STORE_OF_SCORES:
        buf_add_c(&sql->text, "value");
        break;
    case STORE_OF_SPANS:
        buf_add_c(&sql->text, "1");
        break;
    }
}

/* -- conditions -- */

static void add_verdict(struct sql *sql, enum store_verdict verdict)
{
    buf_add_c(&sql->text, verdict == STORE_VERDICT_FAIL ? " AND NOT " : " AND ");
    buf_add_c(&sql->text, "coalesce(value>=0.5,lower(label) IN (");
    for (size_t i = 0; i < SCORE_PASS_LABELS; i++)
        buf_printf(&sql->text, "%s'%s'", i ? "," : "", score_pass_labels[i]);
    buf_add_c(&sql->text, "),false)");
}

static void add_filter(struct sql *sql, const struct store_measure *measure)
{
    bool is_of_scores = measure->of == STORE_OF_SCORES;
    bool is_narrowed = is_of_scores ? !str_is_none(measure->name) || measure->sources ||
                                          measure->verdict != STORE_VERDICT_ANY
                                    : measure->filter || measure->is_evaluated;
    if (!is_narrowed)
        return;
    buf_add_c(&sql->text, " FILTER (WHERE true");
    if (is_of_scores) {
        if (!str_is_none(measure->name)) {
            buf_add_c(&sql->text, " AND name=");
            sql_param(sql, measure->name);
        }
        if (measure->sources)
            buf_printf(&sql->text, " AND ((1<<source)&%u)<>0", measure->sources);
        if (measure->verdict != STORE_VERDICT_ANY)
            add_verdict(sql, measure->verdict);
    } else if (measure->filter) {
        buf_add_c(&sql->text, " AND ");
        sql_filter(sql, measure->filter, false);
    }
    buf_add_c(&sql->text, measure->is_evaluated && !is_of_scores ? " AND is_evaluated)" : ")");
}

/* -- operations -- */

bool measures_are_alike(const struct store_measure *a, const struct store_measure *b)
{
    bool is_same_name = str_is_none(a->name) == str_is_none(b->name) && str_equal(a->name, b->name);
    return a->op == STORE_OP_QUANTILE && a->of == b->of && a->field == b->field && is_same_name &&
           a->filter == b->filter && a->is_evaluated == b->is_evaluated &&
           a->verdict == b->verdict && a->sources == b->sources;
}

static void add_quantile(struct sql *sql, const struct store_aggregate *ask, uint32_t index)
{
    const struct store_measure *measure = &ask->measures[index];
    uint32_t place = 0, count = 0;
    buf_add_c(&sql->text, "(quantile_disc(");
    add_number(sql, measure);
    for (uint32_t i = 0; i < ask->measure_count; i++) {
        if (!measures_are_alike(&ask->measures[i], measure))
            continue;
        buf_printf(&sql->text, "%s%.17g::DOUBLE", count++ ? "," : ",[", ask->measures[i].quantile);
        if (i == index)
            place = count;
    }
    buf_add_c(&sql->text, "])");
    add_filter(sql, measure);
    buf_printf(&sql->text, ")[%u]", place);
}

static void add_variance(struct sql *sql, const struct store_measure *measure)
{
    buf_add_c(&sql->text, "var_samp(CASE WHEN abs(CAST(");
    add_number(sql, measure);
    buf_add_c(&sql->text, " AS DOUBLE))<" VARIANCE_MAX " THEN CAST(");
    add_number(sql, measure);
    buf_add_c(&sql->text, " AS DOUBLE) END)");
    add_filter(sql, measure);
}

/* Over the items of all lists. */
static void add_list_measure(struct sql *sql, const struct store_measure *measure)
{
    static const char *const names[STORE_OP_COUNT_OF] = {
        [STORE_OP_SUM] = "sum",
        [STORE_OP_MIN] = "min",
        [STORE_OP_MAX] = "max",
        [STORE_OP_VARIANCE] = "var_samp",
        [STORE_OP_QUANTILE] = "quantile_disc",
    };
    if (measure->op == STORE_OP_COUNT) {
        buf_add_c(&sql->text, "coalesce(sum(len(");
        add_items(sql, measure);
        buf_add_c(&sql->text, "))");
        add_filter(sql, measure);
        buf_add_c(&sql->text, ",0)");
        return;
    }
    buf_add_c(&sql->text, "list_aggregate(flatten(list(");
    buf_add_c(&sql->text, measure->op == STORE_OP_VARIANCE ? "list_filter(" : "");
    add_items(sql, measure);
    buf_add_c(&sql->text,
              measure->op == STORE_OP_VARIANCE ? ", lambda x: abs(x)<" VARIANCE_MAX "))" : ")");
    add_filter(sql, measure);
    buf_printf(&sql->text, "),'%s'", names[measure->op]);
    if (measure->op == STORE_OP_QUANTILE)
        buf_printf(&sql->text, ",%.17g::DOUBLE", measure->quantile);
    buf_add_char(&sql->text, ')');
}

static void add_simple(struct sql *sql, const struct store_measure *measure)
{
    static const char *const names[STORE_OP_COUNT_OF] = {
        [STORE_OP_COUNT] = "count",
        [STORE_OP_SUM] = "sum",
        [STORE_OP_MIN] = "min",
        [STORE_OP_MAX] = "max",
    };
    bool counts_rows = measure->op == STORE_OP_COUNT &&
                       (measure->of == STORE_OF_SPANS || measure->of == STORE_OF_SCORES);
    buf_printf(&sql->text, "%s(", names[measure->op]);
    if (counts_rows)
        buf_add_char(&sql->text, '*');
    else
        add_number(sql, measure);
    buf_add_char(&sql->text, ')');
    add_filter(sql, measure);
}

static void add_measure(struct sql *sql, const struct store_aggregate *ask, uint32_t index)
{
    const struct store_measure *measure = &ask->measures[index];
    if (is_list(measure)) {
        add_list_measure(sql, measure);
        return;
    }
    switch (measure->op) {
    case STORE_OP_TRACES:
        buf_add_c(&sql->text, "count(DISTINCT (trace_id_hi, trace_id_lo))");
        add_filter(sql, measure);
        break;
    case STORE_OP_DISTINCT:
        buf_add_c(&sql->text, "count(DISTINCT ");
        sql_group_key(sql, measure->field, STR_NONE);
        buf_add_char(&sql->text, ')');
        add_filter(sql, measure);
        break;
    case STORE_OP_VARIANCE:
        add_variance(sql, measure);
        break;
    case STORE_OP_QUANTILE:
        add_quantile(sql, ask, index);
        break;
    case STORE_OP_COUNT:
    case STORE_OP_SUM:
    case STORE_OP_MIN:
    case STORE_OP_MAX:
        add_simple(sql, measure);
        break;
    case STORE_OP_COUNT_OF:
        assert(false); /* refused by aggregate_check */
    }
}

void measures_add(struct sql *sql, const struct store_aggregate *ask, bool of_scores)
{
    for (uint32_t i = 0; i < ask->measure_count; i++) {
        buf_add_c(&sql->text, ",CAST(");
        if ((ask->measures[i].of == STORE_OF_SCORES) == of_scores)
            add_measure(sql, ask, i);
        else
            buf_add_c(&sql->text, "NULL");
        buf_printf(&sql->text, " AS DOUBLE) AS m%u", i);
    }
}

void measures_mark(struct sql *sql, const struct store_aggregate *ask,
                   void (*sources)(struct sql *sql))
{
    bool is_asked = false;
    for (uint32_t i = 0; i < ask->measure_count; i++)
        is_asked |= ask->measures[i].is_evaluated;
    if (!is_asked) {
        sources(sql);
        return;
    }
    buf_printf(
        &sql->text,
        "(SELECT *,coalesce((trace_id_hi, trace_id_lo) IN (SELECT (trace_id_hi, "
        "trace_id_lo) FROM meta.scores WHERE trace_id_hi IS NOT NULL AND ((1<<source)&%u)<>0 AND "
        "project=%u),false) AS is_evaluated FROM ",
        SCORE_EVALUATIONS, dict_find(&sql->store->dicts, FIELD_project, ask->scope.project));
    sources(sql);
    buf_add_char(&sql->text, ')');
}
