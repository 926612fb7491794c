/* duckdb_aggregate.c -- groups and their numbers in one statement over all days in range.
 *
 * One statement, so that a trace that moves to disk meanwhile is counted once:
 * its tables are fixed under the lock (store_int.h).  Numbers of scores come from a second
 * one, in which a score stands once per group, and are put to the groups of the first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdlib.h>

struct answer {
    struct store *store;
    const struct store_aggregate *ask;
    struct arena *arena;
    struct store_group *groups;
    size_t count, capacity;
};

/* All tables that can have spans of the range, as one relation. */
static void add_sources(struct sql *sql)
{
    struct store *store = sql->store;
    const struct time_range *range = &sql->scope->range;
    const struct columns *columns = &store->span_columns;
    buf_add_c(&sql->text, "(SELECT ");
    columns_names(columns, &sql->text, false);
    buf_printf(&sql->text, " FROM recent_spans(%u)", sql->spans_feed);
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct bounds *times = &store->days[i]->span_times;
        if (times->min >= range->to_ns || times->max < range->from_ns || times->min > times->max)
            continue;
        buf_add_c(&sql->text, " UNION ALL SELECT ");
        columns_names(columns, &sql->text, true);
        buf_printf(&sql->text, " FROM %s.spans", store->days[i]->name);
    }
    buf_add_char(&sql->text, ')');
}

static void add_bucket(struct sql *sql, int64_t step_ns)
{
    if (step_ns <= 0)
        buf_add_c(&sql->text, "CAST(0 AS BIGINT)");
    else
        buf_printf(&sql->text,
                   "(start_time//%lld - CASE WHEN start_time%%%lld<0 THEN 1 ELSE 0 END)",
                   (long long)step_ns, (long long)step_ns);
}

static void add_keys(struct sql *sql, const struct store_aggregate *ask)
{
    add_bucket(sql, ask->step_ns);
    buf_add_c(&sql->text, " AS bucket");
    for (uint32_t i = 0; i < ask->by_count; i++) {
        buf_add_char(&sql->text, ',');
        sql_group_key(sql, ask->by[i], ask->by_attr[i]);
        buf_printf(&sql->text, " AS by%u", i);
    }
}

static void add_spans(struct sql *sql, const struct store_aggregate *ask)
{
    buf_add_c(&sql->text, " FROM ");
    measures_mark(sql, ask, add_sources);
    buf_add_c(&sql->text, " WHERE ");
    sql_scope(sql, true);
    if (ask->filter) {
        buf_add_c(&sql->text, " AND ");
        sql_filter(sql, ask->filter, false);
    }
}

static const char *order_of(const struct store_aggregate *ask)
{
    return ask->order == STORE_ORDER_RATIO        ? "m0/nullif(m1,0)"
           : ask->order == STORE_ORDER_DIFFERENCE ? "m0-m1"
                                                  : "m0";
}

/* By a number of scores only C can order. */
static bool is_ordered_by_scores(const struct store_aggregate *ask)
{
    return ask->measures[0].of == STORE_OF_SCORES ||
           (ask->order != STORE_ORDER_VALUE && ask->measures[1].of == STORE_OF_SCORES);
}

/* The groups that group_is_wanted() says. */
static void add_wanted(struct sql *sql, const struct store_aggregate *ask)
{
    const char *order = order_of(ask);
    buf_add_c(&sql->text,
              ask->only_known && ask->by_count ? ") WHERE by0 IS NOT NULL" : ") WHERE true");
    if (!ask->has_after || is_ordered_by_scores(ask))
        return;
    if (ask->after_known)
        buf_printf(&sql->text,
                   " AND (%s IS NULL OR %s<CAST('%.17g' AS DOUBLE) OR "
                   "(%s=CAST('%.17g' AS DOUBLE) AND ",
                   order, order, ask->after_value, order, ask->after_value);
    else
        buf_printf(&sql->text, " AND (%s IS NULL AND (", order);
    if (str_is_none(ask->after_by)) {
        buf_add_c(&sql->text, "false))");
        return;
    }
    buf_add_c(&sql->text, "(by0 IS NULL OR by0>");
    sql_param(sql, ask->after_by);
    buf_add_c(&sql->text, ")))");
}

/* Groups and their numbers, of spans alone. */
static void add_groups(struct sql *sql, const struct store_aggregate *ask)
{
    buf_add_c(&sql->text, "SELECT ");
    add_keys(sql, ask);
    measures_add(sql, ask, false);
    buf_add_c(&sql->text,
              ",coalesce(arg_max(trace_id_hi,latency_ns),max(trace_id_hi)) AS hi"
              ",coalesce(arg_max(trace_id_lo,latency_ns),arg_max(trace_id_lo,trace_id_hi)) AS lo");
    add_spans(sql, ask);
    buf_add_c(&sql->text, " GROUP BY ALL HAVING count(*)>0");
}

static void build(struct sql *sql, const struct store_aggregate *ask)
{
    bool by_scores = is_ordered_by_scores(ask), is_rolled = rolled_choose(sql->store, ask);
    rolled_sources(sql->store, ask, is_rolled);
    buf_add_c(&sql->text, "SELECT * FROM (");
    if (is_rolled)
        rolled_add(sql, ask, add_keys);
    else
        add_groups(sql, ask);
    add_wanted(sql, ask);
    buf_printf(&sql->text, " ORDER BY bucket,%s DESC NULLS LAST", order_of(ask));
    for (uint32_t i = 0; i < ask->by_count; i++)
        buf_printf(&sql->text, ", by%u NULLS LAST", i);
    buf_printf(&sql->text, " LIMIT %u", by_scores ? STORE_SCORE_GROUPS_MAX + 1 : ask->limit);
}

/* How a score names a span: each is a join of its own, since one with OR would compare all
 * spans with all scores. */
static const struct {
    const char *join, *scores;
    bool needs_tenant;
} score_joins[] = {
    { "s.thi=p.trace_id_hi AND s.tlo=p.trace_id_lo AND s.span=p.span_id",
      "trace_id_hi IS NOT NULL AND span_id IS NOT NULL", false },
    { "s.thi=p.trace_id_hi AND s.tlo=p.trace_id_lo", "trace_id_hi IS NOT NULL AND span_id IS NULL",
      false },
    { "s.span=p.span_id", "trace_id_hi IS NULL AND span_id IS NOT NULL", true },
    { "s.response=p.response_id",
      "trace_id_hi IS NULL AND span_id IS NULL AND response_id IS NOT NULL", true },
    { "s.session=p.session_id",
      "trace_id_hi IS NULL AND span_id IS NULL AND response_id IS NULL AND session_id IS NOT NULL",
      true },
};

static void add_score_join(struct sql *sql, const struct store_aggregate *ask, size_t index)
{
    buf_add_c(&sql->text, "SELECT p.bucket");
    for (uint32_t i = 0; i < ask->by_count; i++)
        buf_printf(&sql->text, ",p.by%u", i);
    buf_add_c(&sql->text, ",s.ihi,s.ilo,s.name,s.value,s.label,s.source FROM (SELECT ");
    add_keys(sql, ask);
    buf_add_c(&sql->text, ",trace_id_hi,trace_id_lo,span_id,response_id,session_id");
    add_spans(sql, ask);
    buf_printf(&sql->text,
               ") AS p JOIN (SELECT id_hi AS ihi,id_lo AS ilo,trace_id_hi AS thi,trace_id_lo AS "
               "tlo,span_id AS span,response_id AS response,session_id AS session,name,value,label,"
               "source FROM meta.scores WHERE project=%u AND %s",
               dict_find(&sql->store->dicts, FIELD_project, ask->scope.project),
               score_joins[index].scores);
    if (score_joins[index].needs_tenant && !str_is_none(ask->scope.tenant)) {
        buf_add_c(&sql->text, " AND tenant_id=");
        sql_param(sql, ask->scope.tenant);
    }
    buf_printf(&sql->text, ") AS s ON %s", score_joins[index].join);
}

static void build_scores(struct sql *sql, const struct store_aggregate *ask)
{
    buf_add_c(&sql->text, "SELECT bucket");
    for (uint32_t i = 0; i < ask->by_count; i++)
        buf_printf(&sql->text, ",by%u", i);
    measures_add(sql, ask, true);
    buf_add_c(&sql->text, ",0::UBIGINT AS hi,0::UBIGINT AS lo FROM (SELECT DISTINCT * FROM (");
    for (size_t i = 0; i < COUNT_OF(score_joins); i++) {
        buf_add_c(&sql->text, i ? " UNION ALL " : "");
        add_score_join(sql, ask, i);
    }
    buf_printf(&sql->text, ")) GROUP BY ALL LIMIT %u", STORE_SCORE_GROUPS_MAX + 1);
}

static bool is_valid(duckdb_vector vector, idx_t row)
{
    uint64_t *valid = duckdb_vector_get_validity(vector);
    return !valid || duckdb_validity_row_is_valid(valid, row);
}

static bool read_key(struct answer *answer, duckdb_vector vector, idx_t row, uint32_t index,
                     str *ret_key)
{
    enum field field = answer->ask->by[index];
    const void *cells = duckdb_vector_get_data(vector);
    *ret_key = STR_NONE;
    if (!is_valid(vector, row))
        return true;
    if (field != FIELD_COUNT && field_table[field].column == FIELD_COLUMN_DICT)
        *ret_key = arena_str(
            answer->arena, dict_text(&answer->store->dicts, field, ((const uint32_t *)cells)[row]));
    else
        *ret_key = arena_str(answer->arena, cell_read(cells, row));
    return !str_is_none(*ret_key);
}

static void read_exemplar(duckdb_data_chunk chunk, idx_t column, idx_t row, struct id16 *ret_id)
{
    for (int half = 0; half < 2; half++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column + (idx_t)half);
        uint64_t number =
            is_valid(vector, row) ? ((const uint64_t *)duckdb_vector_get_data(vector))[row] : 0;
        for (int i = 7; i >= 0; i--, number >>= 8)
            ret_id->bytes[8 * half + i] = (uint8_t)number;
    }
}

static bool read_group(struct answer *answer, duckdb_data_chunk chunk, idx_t row,
                       struct store_group *group)
{
    const struct store_aggregate *ask = answer->ask;
    idx_t column = 0;
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column++);
    int64_t bucket = ((const int64_t *)duckdb_vector_get_data(vector))[row];
    if (MUL_OVERFLOWS(bucket, MAX(ask->step_ns, INT64_C(1)), &group->bucket_ns))
        group->bucket_ns = INT64_MIN;
    for (uint32_t i = 0; i < ask->by_count; i++)
        if (!read_key(answer, duckdb_data_chunk_get_vector(chunk, column++), row, i, &group->by[i]))
            return false;
    for (uint32_t i = 0; i < ask->measure_count; i++) {
        vector = duckdb_data_chunk_get_vector(chunk, column++);
        group->known[i] = is_valid(vector, row);
        if (group->known[i])
            group->values[i] = ((const double *)duckdb_vector_get_data(vector))[row];
    }
    read_exemplar(chunk, column, row, &group->exemplar_trace_id);
    return true;
}

static enum err read_chunk(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    struct answer *answer = arg;
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk); row++) {
        if (answer->count == answer->capacity) {
            answer->capacity = MAX(answer->capacity * 2, (size_t)64);
            answer->groups = xrealloc(answer->groups, answer->capacity * sizeof *answer->groups);
        }
        struct store_group *group = &answer->groups[answer->count];
        *group = (struct store_group){ 0 };
        if (!read_group(answer, chunk, row, group))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
        answer->count++;
    }
    return ERR_OK;
}

/* Puts in front what conditions on other spans read, of the question and of its measures. */
static void add_relations(struct sql *sql, const struct store_aggregate *ask,
                          const struct snapshot *spans)
{
    const struct relations relations = { .range = &ask->scope.range };
    struct filter both[STORE_MEASURES_MAX + 1];
    const struct filter *all = filter_beyond_span(ask->filter, false) ? ask->filter : NULL;
    for (uint32_t i = 0; i < ask->measure_count; i++) {
        const struct filter *one = ask->measures[i].filter;
        if (!filter_beyond_span(one, false))
            continue;
        both[i] = (struct filter){ .op = FILTER_AND, .left = one, .right = all };
        all = &both[i];
    }
    if (all)
        sql_relations(sql, &relations, spans, all);
}

/* snapshots[0] of spans, snapshots[1] of rows of traces. */
static enum err aggregate_feed(struct sql *sql, struct answer *answer, struct snapshot *snapshots,
                               bool of_scores, struct diag *reterr_why)
{
    duckdb_connection connection;
    struct statement statement;
    enum err code = duck_connect(sql->store, sql->scope->deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&sql->store->lock);
    snapshot_take(sql->store, &sql->store->spans, NULL, 0, &snapshots[0]);
    snapshot_take(sql->store, &sql->store->traces, NULL, 0, &snapshots[1]);
    add_relations(sql, answer->ask, &snapshots[0]);
    if (of_scores)
        build_scores(sql, answer->ask);
    else
        build(sql, answer->ask);
    code = sql_prepare(sql, connection, &statement, reterr_why);
    pthread_rwlock_unlock(&sql->store->lock);
    return code == ERR_OK ? sql_execute(sql, &statement, read_chunk, answer, reterr_why) : code;
}

static enum err aggregate_run(struct answer *answer, bool of_scores, struct diag *reterr_why)
{
    struct snapshot snapshots[2] = { { .recent = NULL }, { .recent = NULL } };
    struct sql *sql = xcalloc(1, sizeof *sql);
    sql_init(sql, answer->store, answer->arena, &answer->ask->scope);
    enum err code = feed_begin(sql->store, &snapshots[0], &sql->spans_feed, reterr_why);
    if (code == ERR_OK) {
        code = feed_begin(sql->store, &snapshots[1], &sql->traces_feed, reterr_why);
        if (code == ERR_OK) {
            code = aggregate_feed(sql, answer, snapshots, of_scores, reterr_why);
            feed_end(sql->store, sql->traces_feed);
        }
        feed_end(sql->store, sql->spans_feed);
        for (size_t i = 0; i < COUNT_OF(snapshots); i++)
            snapshot_drop(sql->store, &snapshots[i]);
    }
    sql_clear(sql);
    xfree(sql);
    return code;
}

/* -- numbers of scores, put to the groups -- */

static int key_cmp(const void *a, const void *b)
{
    const struct store_group *x = a, *y = b;
    if (x->bucket_ns != y->bucket_ns)
        return x->bucket_ns < y->bucket_ns ? -1 : 1;
    for (int i = 0; i < STORE_BY_MAX; i++) {
        if (str_is_none(x->by[i]) != str_is_none(y->by[i]))
            return str_is_none(x->by[i]) ? -1 : 1;
        int order = str_is_none(x->by[i]) ? 0 : str_cmp(x->by[i], y->by[i]);
        if (order)
            return order;
    }
    return 0;
}

static void scores_put(struct answer *answer, const struct answer *scores)
{
    const struct store_aggregate *ask = answer->ask;
    if (scores->count > 0)
        qsort(scores->groups, scores->count, sizeof *scores->groups, key_cmp);
    for (size_t i = 0; i < answer->count; i++) {
        struct store_group *group = &answer->groups[i];
        const struct store_group *found =
            scores->count ? bsearch(group, scores->groups, scores->count, sizeof *group, key_cmp)
                          : NULL;
        for (uint32_t m = 0; m < ask->measure_count; m++) {
            if (ask->measures[m].of != STORE_OF_SCORES)
                continue;
            group->known[m] = found ? found->known[m] : ask->measures[m].op == STORE_OP_COUNT;
            group->values[m] = found ? found->values[m] : 0;
        }
    }
}

static void groups_reorder(struct answer *answer)
{
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++)
        if (group_is_wanted(answer->ask, &answer->groups[i]))
            answer->groups[count++] = answer->groups[i];
    groups_sort(answer->ask, answer->groups, count);
    answer->count = MIN(count, (size_t)answer->ask->limit);
}

static enum err add_scores(struct answer *answer, struct diag *reterr_why)
{
    const struct store_aggregate *ask = answer->ask;
    struct answer scores = { .store = answer->store, .ask = ask, .arena = answer->arena };
    bool is_known =
        dict_find(&answer->store->dicts, FIELD_project, ask->scope.project) != DICT_NO_ID;
    enum err code = is_known ? aggregate_run(&scores, true, reterr_why) : ERR_OK;
    if (code == ERR_OK &&
        (scores.count > STORE_SCORE_GROUPS_MAX || answer->count > STORE_SCORE_GROUPS_MAX))
        code = diag_set(reterr_why, ERR_LIMIT, "more than %d groups with scores",
                        STORE_SCORE_GROUPS_MAX);
    if (code == ERR_OK) {
        scores_put(answer, &scores);
        if (is_ordered_by_scores(ask))
            groups_reorder(answer);
    }
    xfree(scores.groups);
    return code;
}

enum err duck_aggregate(struct store *store, const struct store_aggregate *ask, struct arena *arena,
                        struct store_group **ret_groups, size_t *ret_count, struct diag *reterr_why)
{
    enum err code = aggregate_check(ask, reterr_why);
    if (code != ERR_OK)
        return code;
    struct answer answer = { .store = store, .ask = ask, .arena = arena };
    code = aggregate_run(&answer, false, reterr_why);
    if (code == ERR_OK && answer.count > 0 && aggregate_has_scores(ask))
        code = add_scores(&answer, reterr_why);
    /* Without any span and any grouping there is no group, as in the reference. */
    if (code == ERR_OK && answer.count > 0) {
        struct store_group *groups = arena_new(arena, struct store_group, answer.count);
        if (groups)
            memcpy(groups, answer.groups, answer.count * sizeof *groups);
        else
            code = diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
        *ret_groups = groups;
    } else if (code == ERR_OK) {
        *ret_groups = NULL;
    }
    if (code == ERR_OK)
        *ret_count = answer.count;
    xfree(answer.groups);
    return code;
}
