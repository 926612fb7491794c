/* duckdb_scope.c -- conditions on other spans of a trace, on its own row and on scores, as SQL.
 *
 * Each is a sub-query of its own that says which traces, or which spans, it holds for; the
 * engine makes a hash of that once.  Every one of them names the project and the tenant again:
 * a question can be bent to read other spans, but never those of others.
 *
 * Where spans or rows of traces come from memory and from disk, sql_relations() puts them in
 * front of the statement as one relation, `ts` and `tt`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#define TRACE_KEY "(trace_id_hi,trace_id_lo)"
#define NO_PARENT "coalesce(parent_span_id,0)=0"

/* -- relations -- */

static void add_columns(struct sql *sql, bool of_traces, bool on_disk)
{
    const struct store *store = sql->store;
    buf_add_c(&sql->text, "SELECT ");
    columns_names(of_traces ? &store->trace_columns : &store->span_columns, &sql->text, on_disk);
    buf_add_c(&sql->text, " FROM ");
}

static void add_late(struct sql *sql)
{
    buf_printf(&sql->text, "recent_spans(%u) WHERE state=%d", sql->spans_feed, ROW_LATE);
}

/* Spans of the range, and of the traces of late spans wherever they lie. */
static void add_days(struct sql *sql, const struct relations *relations, bool of_traces,
                     bool has_late)
{
    const struct store *store = sql->store;
    const struct time_range *range = relations->range;
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct bounds *times = &store->days[i]->span_times;
        bool is_asked = range && times->min < range->to_ns && times->max >= range->from_ns;
        if (times->min > times->max || (!is_asked && !has_late))
            continue;
        buf_add_c(&sql->text, " UNION ALL ");
        add_columns(sql, of_traces, true);
        buf_printf(&sql->text, "%s.%s", store->days[i]->name, of_traces ? "traces" : "spans");
        if (is_asked)
            continue;
        buf_add_c(&sql->text, " WHERE " TRACE_KEY " IN (SELECT " TRACE_KEY " FROM ");
        add_late(sql);
        buf_add_char(&sql->text, ')');
    }
}

static void add_spans(struct sql *sql, const struct relations *relations, bool has_late)
{
    if (relations->day) {
        add_columns(sql, false, true);
        buf_printf(&sql->text, "%s.spans UNION ALL ", relations->day);
        add_columns(sql, false, false);
        add_late(sql);
        return;
    }
    add_columns(sql, false, false);
    buf_printf(&sql->text, "recent_spans(%u)", sql->spans_feed);
    add_days(sql, relations, false, has_late);
}

static void add_traces(struct sql *sql, const struct relations *relations, bool has_late)
{
    bool of_open = !sql->of_traces || relations->state == ROW_OPEN;
    bool of_settled = !sql->of_traces || relations->state == ROW_SETTLED;
    if (relations->day) {
        add_columns(sql, true, true);
        buf_printf(&sql->text, "%s.traces", relations->day);
        return;
    }
    if (of_settled) {
        add_columns(sql, true, false);
        buf_printf(&sql->text, "recent_traces(%u)", sql->traces_feed);
    }
    if (of_open) {
        buf_add_c(&sql->text, of_settled ? " UNION ALL " : "");
        add_columns(sql, true, false);
        sql_open_traces(sql);
    }
    if (!sql->of_traces)
        add_days(sql, relations, true, has_late);
}

/* What the conditions of a filter read. */
static void find_needs(const struct filter *filter, bool *ret_spans, bool *ret_traces)
{
    if (!filter)
        return;
    bool is_scope = filter->op >= FILTER_ANY;
    *ret_traces = *ret_traces || filter->op == FILTER_TRACE;
    *ret_spans =
        *ret_spans || (is_scope && filter->op != FILTER_TRACE) || filter->fold != FOLD_NONE;
    find_needs(filter->left, ret_spans, ret_traces);
    find_needs(filter->right, ret_spans, ret_traces);
}

void sql_relations(struct sql *sql, const struct relations *relations, const struct snapshot *spans,
                   const struct filter *filter)
{
    bool has_late = !sql->of_traces && snapshot_has_late(spans);
    bool needs_spans = false, needs_traces = false;
    find_needs(filter, &needs_spans, &needs_traces);
    needs_spans = needs_spans || needs_traces; /* what a row does not have is asked of its spans */
    bool is_one = sql->of_traces || (relations->day ? !has_late : !has_late && !relations->range);
    if (needs_spans && !is_one) {
        buf_add_c(&sql->text, "WITH ts AS NOT MATERIALIZED (");
        add_spans(sql, relations, has_late);
        buf_add_c(&sql->text, ") ");
        sql->spans_from = "ts";
    }
    if (needs_traces) {
        buf_add_c(&sql->text, needs_spans && !is_one ? ", " : "WITH ");
        buf_add_c(&sql->text, "tt AS NOT MATERIALIZED (");
        add_traces(sql, relations, has_late);
        buf_add_c(&sql->text, ") ");
        sql->traces_from = "tt";
    }
}

/* -- scopes -- */

/* FROM the trace's spans WHERE they may be seen and `filter` holds of them (NULL: all). */
static void add_matches(struct sql *sql, const struct filter *filter)
{
    bool of_traces = sql->of_traces;
    sql->of_traces = false;
    buf_printf(&sql->text, " FROM %s WHERE ", sql->spans_from);
    sql_scope(sql, false);
    if (filter) {
        buf_add_c(&sql->text, " AND ");
        sql_filter(sql, filter, false);
    }
    sql->of_traces = of_traces;
}

static void add_trace_in(struct sql *sql, bool negated)
{
    buf_printf(&sql->text, "(" TRACE_KEY " %sIN (SELECT " TRACE_KEY, negated ? "NOT " : "");
}

static void any_sql(struct sql *sql, const struct filter *filter, bool negated)
{
    add_trace_in(sql, negated);
    add_matches(sql, filter->left);
    buf_add_c(&sql->text, filter->op == FILTER_ROOT ? " AND " NO_PARENT "))" : "))");
}

static void trace_sql(struct sql *sql, const struct filter *filter, bool negated)
{
    if (sql->of_traces) {
        sql_filter(sql, filter->left, negated);
        return;
    }
    add_trace_in(sql, negated);
    buf_printf(&sql->text, " FROM %s WHERE ", sql->traces_from);
    sql_scope(sql, false);
    buf_add_c(&sql->text, " AND ");
    sql->of_traces = true;
    sql_filter(sql, filter->left, false);
    sql->of_traces = false;
    buf_add_c(&sql->text, "))");
}

/* Spans whose parent is reached from the matches downwards: a circle is gone round once, since
 * UNION keeps each span once. */
static void ancestor_sql(struct sql *sql, const struct filter *filter)
{
    buf_add_c(&sql->text, "(trace_id_hi,trace_id_lo,parent_span_id) IN (WITH RECURSIVE "
                          "down(hi,lo,id) AS (SELECT trace_id_hi,trace_id_lo,span_id");
    add_matches(sql, filter->left);
    buf_printf(&sql->text,
               " UNION SELECT trace_id_hi,trace_id_lo,span_id FROM %s JOIN down ON trace_id_hi=hi "
               "AND trace_id_lo=lo AND parent_span_id=id WHERE ",
               sql->spans_from);
    sql_scope(sql, false);
    buf_add_c(&sql->text, ") SELECT (hi,lo,id) FROM down)");
}

/* Spans that are reached from the parents of the matches upwards. */
static void descendant_sql(struct sql *sql, const struct filter *filter)
{
    buf_add_c(&sql->text, "(trace_id_hi,trace_id_lo,span_id) IN (WITH RECURSIVE up(hi,lo,id) AS "
                          "(SELECT trace_id_hi,trace_id_lo,parent_span_id");
    add_matches(sql, filter->left);
    buf_printf(&sql->text,
               " AND parent_span_id IS NOT NULL UNION SELECT trace_id_hi,trace_id_lo,"
               "parent_span_id FROM %s JOIN up ON trace_id_hi=hi AND trace_id_lo=lo AND span_id=id "
               "WHERE parent_span_id IS NOT NULL AND ",
               sql->spans_from);
    sql_scope(sql, false);
    buf_add_c(&sql->text, ") SELECT (hi,lo,id) FROM up)");
}

static void relative_sql(struct sql *sql, const struct filter *filter)
{
    if (filter->op == FILTER_ANCESTOR) {
        ancestor_sql(sql, filter);
    } else if (filter->op == FILTER_DESCENDANT) {
        descendant_sql(sql, filter);
    } else if (filter->op == FILTER_PARENT) {
        buf_add_c(&sql->text, "(trace_id_hi,trace_id_lo,parent_span_id) IN (SELECT "
                              "(trace_id_hi,trace_id_lo,span_id)");
        add_matches(sql, filter->left);
        buf_add_char(&sql->text, ')');
    } else {
        buf_add_c(&sql->text, "(trace_id_hi,trace_id_lo,span_id) IN (SELECT "
                              "(trace_id_hi,trace_id_lo,parent_span_id)");
        add_matches(sql, filter->left);
        buf_add_c(&sql->text, " AND parent_span_id IS NOT NULL)");
    }
}

/* Of a list of traces: of some span. */
static void relative_of(struct sql *sql, const struct filter *filter, bool negated)
{
    if (!sql->of_traces) {
        buf_add_c(&sql->text, "((");
        relative_sql(sql, filter);
        buf_add_c(&sql->text, negated ? ") IS NOT TRUE)" : "))");
        return;
    }
    add_trace_in(sql, negated);
    add_matches(sql, NULL);
    buf_add_c(&sql->text, " AND ");
    sql->of_traces = false;
    relative_sql(sql, filter);
    sql->of_traces = true;
    buf_add_c(&sql->text, "))");
}

/* -- numbers made of all spans -- */

static bool count_holds(enum filter_op op, const struct value *value)
{
    double number = value->type == VALUE_F64 ? value->f64 : (double)value->i64;
    return op == FILTER_NE ? number != 0 : f64_compares(op, 0, number);
}

static void add_number(struct sql *sql, const struct filter *filter)
{
    if (filter->field == FIELD_COUNT)
        sql_attr_number(sql, filter->attr_key);
    else
        sql_field_number(sql, filter->field);
}

static void add_fold(struct sql *sql, const struct filter *filter)
{
    static const char *const functions[] = {
        [FOLD_SUM] = "sum(", [FOLD_MIN] = "min(", [FOLD_MAX] = "max(", [FOLD_AVG] = "sum("
    };
    bool as_double = filter->value.type == VALUE_F64 || filter->fold == FOLD_AVG;
    if (filter->fold == FOLD_COUNT) {
        buf_add_c(&sql->text, as_double ? "CAST(count(*) AS DOUBLE)" : "count(*)");
        return;
    }
    buf_add_c(&sql->text, as_double ? "CAST(" : "(");
    buf_add_c(&sql->text, functions[filter->fold]);
    add_number(sql, filter);
    buf_add_c(&sql->text, as_double ? ") AS DOUBLE)" : "))");
    if (filter->fold != FOLD_AVG)
        return;
    buf_add_c(&sql->text, "/count(");
    add_number(sql, filter);
    buf_add_char(&sql->text, ')');
}

static void add_fold_value(struct sql *sql, const struct filter *filter)
{
    bool is_f64 =
        filter->fold != FOLD_COUNT && (filter->field == FIELD_COUNT || filter->fold == FOLD_AVG ||
                                       field_table[filter->field].type == FIELD_TYPE_F64);
    buf_add_c(&sql->text, sql_operator(filter->op));
    if (filter->value.type == VALUE_I64 && !is_f64)
        sql_i64(sql, filter->value.i64);
    else if (!sql_number(sql, &filter->value))
        sql->failed = true;
}

/* Traces without any match have no group: where 0 will do, those are sought that will not. */
static void fold_sql(struct sql *sql, const struct filter *filter, bool negated)
{
    bool is_inverse = filter->fold == FOLD_COUNT && count_holds(filter->op, &filter->value);
    add_trace_in(sql, negated != is_inverse);
    add_matches(sql, filter->left);
    if (filter->fold != FOLD_COUNT && field_is_counted(filter->field))
        buf_add_c(&sql->text, " AND rollup IS NOT TRUE");
    buf_add_c(&sql->text, " GROUP BY trace_id_hi,trace_id_lo HAVING ");
    buf_add_c(&sql->text, is_inverse ? "NOT (" : "(");
    add_fold(sql, filter);
    add_fold_value(sql, filter);
    buf_add_c(&sql->text, ")))");
}

/* -- scores -- */

static void score_says(struct sql *sql, const struct filter *leaf)
{
    const struct value *value = &leaf->value;
    const char *compare = sql_operator(leaf->op);
    bool is_number = value->type == VALUE_F64 || value->type == VALUE_I64;
    if (leaf->op == FILTER_EXISTS) {
        buf_add_c(&sql->text, "true");
    } else if (value->type == VALUE_STR) {
        sql_text_begin(sql, leaf);
        buf_add_c(&sql->text, "label");
        sql_text_end(sql, leaf);
    } else if (value->type == VALUE_BOOL && leaf->op == FILTER_EQ) {
        buf_printf(&sql->text, "type=%d AND value=%d", SCORE_BOOL, value->boolean ? 1 : 0);
    } else if (is_number && compare) {
        buf_printf(&sql->text, "value%s", compare);
        if (!sql_number(sql, value))
            sql->failed = true;
    } else {
        buf_add_c(&sql->text, "false");
    }
}

/* SELECT `what` of the scores of that name that say so and name their target in that way. */
static void add_scores(struct sql *sql, const struct filter *leaf, const char *what,
                       const char *target)
{
    buf_printf(&sql->text, "(SELECT %s FROM meta.scores WHERE project=%u AND name=", what,
               dict_find(&sql->store->dicts, FIELD_project, sql->scope->project));
    sql_param(sql, leaf->score);
    buf_printf(&sql->text, " AND %s AND ", target);
    score_says(sql, leaf);
    buf_add_char(&sql->text, ')');
}

/* Session ids are only as unique as the application makes them: no tenant sees another's. */
static void session_sql(struct sql *sql, const struct filter *leaf)
{
    buf_add_c(&sql->text, " OR session_id IN (SELECT session_id FROM ");
    add_scores(sql, leaf, "session_id,tenant_id",
               "trace_id_hi IS NULL AND span_id IS NULL AND response_id IS NULL AND session_id IS "
               "NOT NULL");
    if (!str_is_none(sql->scope->tenant)) {
        buf_add_c(&sql->text, " WHERE tenant_id=");
        sql_param(sql, sql->scope->tenant);
    }
    buf_add_char(&sql->text, ')');
}

static void loose_sql(struct sql *sql, const struct filter *leaf)
{
    buf_add_c(&sql->text, "span_id IN ");
    add_scores(sql, leaf, "span_id", "trace_id_hi IS NULL AND span_id IS NOT NULL");
    buf_add_c(&sql->text, " OR response_id IN ");
    add_scores(sql, leaf, "response_id", "trace_id_hi IS NULL AND response_id IS NOT NULL");
}

static void score_sql(struct sql *sql, const struct filter *leaf, bool negated)
{
    buf_add_c(&sql->text, "((" TRACE_KEY " IN ");
    if (sql->of_traces) {
        add_scores(sql, leaf, TRACE_KEY, "trace_id_hi IS NOT NULL");
        buf_add_c(&sql->text, " OR " TRACE_KEY " IN (SELECT " TRACE_KEY);
        add_matches(sql, NULL);
        buf_add_c(&sql->text, " AND (");
        loose_sql(sql, leaf);
        buf_add_c(&sql->text, "))");
    } else {
        add_scores(sql, leaf, TRACE_KEY, "trace_id_hi IS NOT NULL AND span_id IS NULL");
        buf_add_c(&sql->text, " OR (trace_id_hi,trace_id_lo,span_id) IN ");
        add_scores(sql, leaf, "(trace_id_hi,trace_id_lo,span_id)",
                   "trace_id_hi IS NOT NULL AND span_id IS NOT NULL");
        buf_add_c(&sql->text, " OR ");
        loose_sql(sql, leaf);
    }
    session_sql(sql, leaf);
    buf_add_c(&sql->text, negated ? ") IS NOT TRUE)" : "))");
}

void sql_beyond(struct sql *sql, const struct filter *filter, bool negated)
{
    if (filter->op == FILTER_ANY || filter->op == FILTER_ROOT)
        any_sql(sql, filter, negated);
    else if (filter->op == FILTER_TRACE)
        trace_sql(sql, filter, negated);
    else if (filter->op > FILTER_ANY)
        relative_of(sql, filter, negated);
    else if (filter->fold != FOLD_NONE)
        fold_sql(sql, filter, negated);
    else
        score_sql(sql, filter, negated);
}
