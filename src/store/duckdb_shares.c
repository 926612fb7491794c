/* duckdb_shares.c -- for how many spans each condition holds, in one statement.
 *
 * Three steps inside each other: of each span the conditions that its own row answers; with
 * them, what scores are about it (the scores are grouped by what they name first, so that a join
 * never multiplies a span); then the counts.  All tables are fixed under the lock, as for
 * aggregates: a trace that moves to disk meanwhile is counted once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdatomic.h>
#include <stdlib.h>

struct shares {
    struct store *store;
    const struct store_shares *ask;
    struct arena *arena;
    struct store_share_group *groups;
    size_t count;
    struct snapshot spans, traces;
};

/* What a score names, in which columns of the span it is looked up, and which scores these are. */
static const struct {
    const char *keys, *on, *where;
    bool is_of_trace;
} joins[] = {
    { "trace_id_hi AS a,trace_id_lo AS b", "j%u.a=hi AND j%u.b=lo",
      "trace_id_hi IS NOT NULL AND span_id IS NULL", true },
    { "trace_id_hi AS a,trace_id_lo AS b,span_id AS c", "j%u.a=hi AND j%u.b=lo AND c=own",
      "trace_id_hi IS NOT NULL AND span_id IS NOT NULL", true },
    { "trace_id_hi AS a,trace_id_lo AS b,span_id AS d", "j%u.a=hi AND j%u.b=lo AND d=above",
      "trace_id_hi IS NOT NULL AND span_id IS NOT NULL", true },
    { "span_id AS a", "j%u.a=own", "trace_id_hi IS NULL AND span_id IS NOT NULL", false },
    { "span_id AS a", "j%u.a=above", "trace_id_hi IS NULL AND span_id IS NOT NULL", false },
    { "response_id AS a", "j%u.a=response",
      "trace_id_hi IS NULL AND span_id IS NULL AND response_id IS NOT NULL", false },
    { "session_id AS a", "j%u.a=session",
      "trace_id_hi IS NULL AND span_id IS NULL AND response_id IS NULL AND session_id IS NOT NULL",
      false },
};

void sql_span_tables(struct sql *sql)
{
    const struct store *store = sql->store;
    const struct time_range *range = &sql->scope->range;
    buf_add_c(&sql->text, "(SELECT ");
    columns_names(&store->span_columns, &sql->text, false);
    buf_printf(&sql->text, " FROM recent_spans(%u)", sql->spans_feed);
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct bounds *times = &store->days[i]->span_times;
        if (times->min >= range->to_ns || times->max < range->from_ns || times->min > times->max)
            continue;
        buf_add_c(&sql->text, " UNION ALL SELECT ");
        columns_names(&store->span_columns, &sql->text, true);
        buf_printf(&sql->text, " FROM %s.spans", store->days[i]->name);
    }
    buf_add_char(&sql->text, ')');
}

static void add_trace_tables(struct sql *sql)
{
    const struct store *store = sql->store;
    const struct time_range *range = &sql->scope->range;
    buf_add_c(&sql->text, "(SELECT ");
    columns_names(&store->trace_columns, &sql->text, false);
    buf_add_c(&sql->text, " FROM ");
    sql_open_traces(sql);
    buf_add_c(&sql->text, " UNION ALL SELECT ");
    columns_names(&store->trace_columns, &sql->text, false);
    buf_printf(&sql->text, " FROM recent_traces(%u)", sql->traces_feed);
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct bounds *times = &store->days[i]->trace_times;
        if (times->min >= range->to_ns || times->max < range->from_ns || times->min > times->max)
            continue;
        buf_add_c(&sql->text, " UNION ALL SELECT ");
        columns_names(&store->trace_columns, &sql->text, true);
        buf_printf(&sql->text, " FROM %s.traces", store->days[i]->name);
    }
    buf_add_char(&sql->text, ')');
}

/* As a column that is never NULL. */
static void add_filter(struct sql *sql, const struct filter *filter)
{
    buf_add_c(&sql->text, "coalesce(");
    sql_filter(sql, filter, false);
    buf_add_c(&sql->text, ",false)");
}

static void add_condition(struct sql *sql, const struct store_condition *condition, uint32_t index)
{
    buf_add_c(&sql->text, ",(");
    if (condition->filter)
        add_filter(sql, condition->filter);
    else
        buf_add_c(&sql->text, "false");
    if (condition->trace_filter) {
        buf_add_c(&sql->text, " OR (trace_id_hi,trace_id_lo) IN (SELECT (trace_id_hi,trace_id_lo) "
                              "FROM ");
        sql_span_tables(sql);
        buf_add_c(&sql->text, " WHERE ");
        sql_scope(sql, true);
        buf_add_c(&sql->text, " AND ");
        add_filter(sql, condition->trace_filter);
        buf_add_char(&sql->text, ')');
    }
    buf_printf(&sql->text, ") AS c%u", index);
    if (!condition->only)
        return;
    buf_add_char(&sql->text, ',');
    add_filter(sql, condition->only);
    buf_printf(&sql->text, " AS o%u", index);
}

static void add_rows(struct sql *sql, const struct store_shares *ask)
{
    buf_add_c(&sql->text, "(SELECT trace_id_hi AS hi,trace_id_lo AS lo,start_time AS started,"
                          "trace_id_hi::UHUGEINT*18446744073709551616::UHUGEINT+"
                          "trace_id_lo::UHUGEINT AS id");
    if (!ask->of_traces)
        buf_add_c(&sql->text, ",span_id AS own,parent_span_id AS above,response_id AS response,"
                              "session_id AS session");
    for (uint32_t i = 0; i < ask->by_count; i++) {
        buf_add_char(&sql->text, ',');
        sql_group_key(sql, ask->by[i], STR_NONE);
        buf_printf(&sql->text, " AS k%u", i);
    }
    for (uint32_t i = 0; i < ask->condition_count; i++)
        add_condition(sql, &ask->conditions[i], i);
    buf_add_c(&sql->text, " FROM ");
    if (ask->of_traces)
        add_trace_tables(sql);
    else
        sql_span_tables(sql);
    buf_add_c(&sql->text, " WHERE ");
    sql_scope(sql, true);
    if (ask->filter) {
        buf_add_c(&sql->text, " AND ");
        sql_filter(sql, ask->filter, false);
    }
    buf_add_c(&sql->text, ") AS r");
}

static bool asks_scores(const struct shares *run)
{
    uint32_t sources = 0;
    for (uint32_t i = 0; i < run->ask->condition_count; i++)
        sources |= run->ask->conditions[i].score_sources;
    return sources && atomic_load(&run->store->score_count) > 0 &&
           dict_find(&run->store->dicts, FIELD_project, run->ask->scope.project) != DICT_NO_ID;
}

static void add_on(struct sql *sql, const char *on, uint32_t index)
{
    for (str rest = str_from_c(on); rest.len > 0;) {
        size_t at = str_find(rest, STR_OF("%u"));
        buf_add_str(&sql->text, str_sub(rest, 0, at));
        if (at < rest.len)
            buf_add_u64(&sql->text, index);
        rest = str_from(rest, at + 2);
    }
}

static void add_scores(struct sql *sql)
{
    const struct store_scope *scope = sql->scope;
    for (uint32_t i = 0; i < COUNT_OF(joins); i++) {
        buf_printf(&sql->text,
                   " LEFT JOIN (SELECT %s,bit_or((1::UINTEGER)<<source) AS bits FROM meta.scores "
                   "WHERE project=%u AND %s",
                   joins[i].keys, dict_find(&sql->store->dicts, FIELD_project, scope->project),
                   joins[i].where);
        if (!joins[i].is_of_trace && !str_is_none(scope->tenant)) {
            buf_add_c(&sql->text, " AND tenant_id=");
            sql_param(sql, scope->tenant);
        }
        buf_printf(&sql->text, " GROUP BY ALL) AS j%u ON ", i);
        add_on(sql, joins[i].on, i);
    }
}

/* Of each span, whether each condition holds. */
static void add_holds(struct sql *sql, const struct shares *run)
{
    const struct store_shares *ask = run->ask;
    bool has_scores = asks_scores(run);
    buf_add_c(&sql->text, "(SELECT id,started");
    for (uint32_t i = 0; i < ask->by_count; i++)
        buf_printf(&sql->text, ",k%u", i);
    for (uint32_t i = 0; i < ask->condition_count; i++) {
        const struct store_condition *condition = &ask->conditions[i];
        buf_printf(&sql->text, ",(c%u", i);
        for (uint32_t j = 0; has_scores && condition->score_sources && j < COUNT_OF(joins); j++)
            buf_printf(&sql->text, " OR (coalesce(j%u.bits,0::UINTEGER)&%u::UINTEGER)<>0", j,
                       condition->score_sources);
        buf_printf(&sql->text, ")%s", condition->only ? " AND " : "");
        if (condition->only)
            buf_printf(&sql->text, "o%u", i);
        buf_printf(&sql->text, " AS h%u", i);
    }
    buf_add_c(&sql->text, " FROM ");
    add_rows(sql, ask);
    if (has_scores)
        add_scores(sql);
    buf_add_c(&sql->text, ") AS s");
}

static void build(struct sql *sql, const struct shares *run)
{
    const struct store_shares *ask = run->ask;
    buf_add_c(&sql->text, "SELECT count(*)::UBIGINT AS n,min(started),max(started)");
    for (uint32_t i = 0; i < ask->by_count; i++)
        buf_printf(&sql->text, ",k%u", i);
    for (uint32_t i = 0; i < ask->condition_count; i++)
        buf_printf(&sql->text,
                   ",(count(*) FILTER (h%u))::UBIGINT,arg_max(id,started) FILTER (NOT h%u)", i, i);
    buf_add_c(&sql->text, " FROM ");
    add_holds(sql, run);
    buf_printf(&sql->text, " GROUP BY ALL HAVING count(*)>0 ORDER BY n DESC LIMIT %u", ask->limit);
}

/* -- the answer -- */

/* False: NULL. */
static bool cell_take(duckdb_data_chunk chunk, idx_t column, idx_t row, void *ret, size_t size)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *valid = duckdb_vector_get_validity(vector);
    if (valid && !duckdb_validity_row_is_valid(valid, row))
        return false;
    memcpy(ret, (const char *)duckdb_vector_get_data(vector) + row * size, size);
    return true;
}

static void id_read(duckdb_uhugeint number, struct id16 *ret_id)
{
    for (int i = 15; i >= 0; i--) {
        uint64_t *half = i < 8 ? &number.upper : &number.lower;
        ret_id->bytes[i] = (uint8_t)*half;
        *half >>= 8;
    }
}

static bool group_read(struct shares *run, duckdb_data_chunk chunk, idx_t row,
                       struct store_share_group *group)
{
    const struct store_shares *ask = run->ask;
    idx_t column = 3;
    bool is_whole = cell_take(chunk, 0, row, &group->count, 8) &&
                    cell_take(chunk, 1, row, &group->first_ns, 8) &&
                    cell_take(chunk, 2, row, &group->last_ns, 8);
    for (uint32_t i = 0; i < ask->by_count && is_whole; i++) {
        uint32_t id;
        if (!cell_take(chunk, column++, row, &id, sizeof id))
            continue;
        group->by[i] = arena_str(run->arena, dict_text(&run->store->dicts, ask->by[i], id));
        is_whole = !str_is_none(group->by[i]);
    }
    for (uint32_t i = 0; i < ask->condition_count && is_whole; i++) {
        duckdb_uhugeint id;
        is_whole = cell_take(chunk, column++, row, &group->holds[i], 8);
        if (cell_take(chunk, column++, row, &id, sizeof id))
            id_read(id, &group->lacks[i]);
    }
    return is_whole;
}

static enum err chunk_read(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    struct shares *run = arg;
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    for (idx_t row = 0; row < rows && run->count < run->ask->limit; row++)
        if (!group_read(run, chunk, row, &run->groups[run->count++]))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    return ERR_OK;
}

static enum err statement_run(struct shares *run, struct sql *sql, struct diag *reterr_why)
{
    duckdb_connection connection;
    struct statement statement;
    struct store *store = run->store;
    enum err code = duck_connect(store, sql->scope->deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&store->lock);
    snapshot_take(store, &store->spans, NULL, 0, &run->spans);
    if (run->ask->of_traces)
        snapshot_take(store, &store->traces, NULL, 0, &run->traces);
    build(sql, run);
    code = sql_prepare(sql, connection, &statement, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    return code == ERR_OK ? sql_execute(sql, &statement, chunk_read, run, reterr_why) : code;
}

static enum err feeds_run(struct shares *run, struct sql *sql, struct diag *reterr_why)
{
    struct store *store = run->store;
    enum err code = feed_begin(store, &run->spans, &sql->spans_feed, reterr_why);
    if (code != ERR_OK)
        return code;
    code = feed_begin(store, &run->traces, &sql->traces_feed, reterr_why);
    if (code == ERR_OK) {
        code = statement_run(run, sql, reterr_why);
        feed_end(store, sql->traces_feed);
    }
    feed_end(store, sql->spans_feed);
    snapshot_drop(store, &run->spans);
    snapshot_drop(store, &run->traces);
    return code;
}

enum err duck_shares(struct store *store, const struct store_shares *ask, struct arena *arena,
                     struct store_share_group **ret_groups, size_t *ret_count,
                     struct diag *reterr_why)
{
    enum err code = shares_check(ask, reterr_why);
    if (code != ERR_OK)
        return code;
    struct shares run = { .store = store, .ask = ask, .arena = arena };
    run.groups = arena_new(arena, struct store_share_group, ask->limit + 1);
    if (!run.groups)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    struct sql *sql = xcalloc(1, sizeof *sql);
    sql_init(sql, store, arena, &ask->scope);
    code = feeds_run(&run, sql, reterr_why);
    sql_clear(sql);
    xfree(sql);
    if (code != ERR_OK)
        return code;
    qsort(run.groups, run.count, sizeof *run.groups, share_group_cmp);
    *ret_groups = run.groups;
    *ret_count = run.count;
    return ERR_OK;
}
