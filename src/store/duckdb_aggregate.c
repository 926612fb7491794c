/* duckdb_aggregate.c -- sums and percentiles in one statement over all days in range.
 *
 * One statement, so that a trace that moves to disk meanwhile is counted once:
 * its tables are fixed under the lock (store_int.h).  Percentiles are exact;
 * those of one field share one sort.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdio.h>

struct answer {
    struct store *store;
    const struct store_aggregate *ask;
    struct arena *arena;
    struct store_group *groups;
    size_t count, capacity;
};

static const struct metric_info {
    enum field field;  /* FIELD_COUNT: the SQL alone */
    const char *sql;   /* with the field's name where there is one */
    uint32_t quantile; /* index + 1 in quantile_disc's list */
} metric_table[STORE_METRIC_COUNT] = {
    [STORE_COUNT] = { FIELD_COUNT, "count(*)", 0 },
    [STORE_INPUT_TOKENS] = { FIELD_input_tokens, "sum(%s) FILTER (rollup IS NOT TRUE)", 0 },
    [STORE_OUTPUT_TOKENS] = { FIELD_output_tokens, "sum(%s) FILTER (rollup IS NOT TRUE)", 0 },
    [STORE_TOTAL_TOKENS] = { FIELD_total_tokens, "sum(%s) FILTER (rollup IS NOT TRUE)", 0 },
    [STORE_COST] = { FIELD_cost_nanousd, "sum(%s) FILTER (rollup IS NOT TRUE)", 0 },
    [STORE_LATENCY_AVG] = { FIELD_latency_ns, "avg(%s)", 0 },
    [STORE_LATENCY_P50] = { FIELD_latency_ns, NULL, 1 },
    [STORE_LATENCY_P95] = { FIELD_latency_ns, NULL, 2 },
    [STORE_LATENCY_P99] = { FIELD_latency_ns, NULL, 3 },
    [STORE_TTFT_P50] = { FIELD_ttft_ns, NULL, 1 },
    [STORE_TTFT_P95] = { FIELD_ttft_ns, NULL, 2 },
    [STORE_TTFT_P99] = { FIELD_ttft_ns, NULL, 3 },
    [STORE_TRACES] = { FIELD_COUNT, "count(DISTINCT (trace_id_hi, trace_id_lo))", 0 },
};

static void add_unpriced(struct sql *sql)
{
    buf_add_c(&sql->text, "count(*) FILTER (rollup IS NOT TRUE AND ");
    sql_dict_is(sql, FIELD_cost_source, "unknown");
    buf_add_c(&sql->text, " AND (");
    sql_dict_is(sql, FIELD_step, "model");
    buf_add_c(&sql->text, " OR ");
    sql_dict_is(sql, FIELD_step, "embedding");
    buf_add_c(&sql->text, "))");
}

static void add_metric(struct sql *sql, enum store_metric metric)
{
    const struct metric_info *info = &metric_table[metric];
    const char *name = info->field == FIELD_COUNT ? "" : field_table[info->field].name;
    if (metric == STORE_ERRORS) {
        buf_add_c(&sql->text, "count(*) FILTER (");
        sql_dict_is(sql, FIELD_status, "error");
        buf_add_char(&sql->text, ')');
    } else if (metric == STORE_UNPRICED) {
        add_unpriced(sql);
    } else if (info->quantile) {
        buf_printf(&sql->text, "quantile_disc(%s,[0.5::DOUBLE,0.95::DOUBLE,0.99::DOUBLE])[%u]",
                   name, info->quantile);
    } else if (info->field == FIELD_COUNT) {
        buf_add_c(&sql->text, info->sql);
    } else {
        size_t at = str_find(str_from_c(info->sql), STR_OF("%s"));
        buf_add(&sql->text, info->sql, at);
        buf_add_c(&sql->text, name);
        buf_add_c(&sql->text, info->sql + at + 2);
    }
}

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

static void build(struct sql *sql, const struct store_aggregate *ask,
                  const struct snapshot *snapshots)
{
    const struct relations relations = { .range = &ask->scope.range };
    if (filter_beyond_span(ask->filter, false))
        sql_relations(sql, &relations, &snapshots[0], ask->filter);
    buf_add_c(&sql->text, "SELECT ");
    add_bucket(sql, ask->step_ns);
    buf_add_c(&sql->text, " AS bucket");
    for (uint32_t i = 0; i < ask->by_count; i++) {
        buf_add_char(&sql->text, ',');
        sql_group_key(sql, ask->by[i], ask->by_attr[i]);
        buf_printf(&sql->text, " AS by%u", i);
    }
    for (uint32_t i = 0; i < ask->metric_count; i++) {
        buf_add_c(&sql->text, ",CAST(");
        add_metric(sql, ask->metrics[i]);
        buf_printf(&sql->text, " AS DOUBLE) AS m%u", i);
    }
    buf_add_c(&sql->text,
              ",coalesce(arg_max(trace_id_hi,latency_ns),max(trace_id_hi)) AS hi"
              ",coalesce(arg_max(trace_id_lo,latency_ns),arg_max(trace_id_lo,trace_id_hi)) AS lo"
              " FROM ");
    add_sources(sql);
    buf_add_c(&sql->text, " WHERE ");
    sql_scope(sql, true);
    if (ask->filter) {
        buf_add_c(&sql->text, " AND ");
        sql_filter(sql, ask->filter, false);
    }
    buf_add_c(&sql->text, " GROUP BY ALL HAVING count(*)>0 ORDER BY bucket, m0 DESC NULLS LAST");
    for (uint32_t i = 0; i < ask->by_count; i++)
        buf_printf(&sql->text, ", by%u", i);
    buf_printf(&sql->text, " LIMIT %u", ask->limit);
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
    for (uint32_t i = 0; i < ask->metric_count; i++) {
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

/* snapshots[0] of spans, snapshots[1] of rows of traces. */
static enum err aggregate_feed(struct sql *sql, struct answer *answer, struct snapshot *snapshots,
                               struct diag *reterr_why)
{
    duckdb_connection connection;
    struct statement statement;
    enum err code = duck_connect(sql->store, sql->scope->deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&sql->store->lock);
    snapshot_take(sql->store, &sql->store->spans, NULL, 0, &snapshots[0]);
    snapshot_take(sql->store, &sql->store->traces, NULL, 0, &snapshots[1]);
    build(sql, answer->ask, snapshots);
    code = sql_prepare(sql, connection, &statement, reterr_why);
    pthread_rwlock_unlock(&sql->store->lock);
    return code == ERR_OK ? sql_execute(sql, &statement, read_chunk, answer, reterr_why) : code;
}

static enum err aggregate_run(struct sql *sql, struct answer *answer, struct diag *reterr_why)
{
    struct snapshot snapshots[2] = { { .recent = NULL }, { .recent = NULL } };
    enum err code = feed_begin(sql->store, &snapshots[0], &sql->spans_feed, reterr_why);
    if (code != ERR_OK)
        return code;
    code = feed_begin(sql->store, &snapshots[1], &sql->traces_feed, reterr_why);
    if (code == ERR_OK) {
        code = aggregate_feed(sql, answer, snapshots, reterr_why);
        feed_end(sql->store, sql->traces_feed);
    }
    feed_end(sql->store, sql->spans_feed);
    for (size_t i = 0; i < COUNT_OF(snapshots); i++)
        snapshot_drop(sql->store, &snapshots[i]);
    return code;
}

enum err duck_aggregate(struct store *store, const struct store_aggregate *ask, struct arena *arena,
                        struct store_group **ret_groups, size_t *ret_count, struct diag *reterr_why)
{
    enum err code = aggregate_check(ask, reterr_why);
    if (code != ERR_OK)
        return code;
    struct sql *sql = xcalloc(1, sizeof *sql);
    struct answer answer = { .store = store, .ask = ask, .arena = arena };
    sql_init(sql, store, arena, &ask->scope);
    code = aggregate_run(sql, &answer, reterr_why);
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
    sql_clear(sql);
    xfree(sql);
    return code;
}
