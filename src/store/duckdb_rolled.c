/* duckdb_rolled.c -- aggregates over rollups, and over spans where rollups do not reach.
 *
 * What is asked of is one relation: rows of the coarsest rollups for the whole days, hours and
 * minutes of the range, and spans, each a row that stands for one, for all else: what is in
 * memory, the ends of the range, days that have changed since they were rolled up.  Which day is
 * which is fixed under the lock, with the snapshot, so that each span is in it once.  Percentiles
 * come from a relation of bins that is made in the same way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "store/duckdb_int.h"

#include <stdatomic.h>

#define EXACT_SPANS_DEFAULT 2000000

/* -- may it be -- */

static bool range_has(const struct time_range *range, const struct bounds *times)
{
    return times->min < range->to_ns && times->max >= range->from_ns && times->min <= times->max;
}

/* The first instant from which the project's spans are kept; INT64_MIN: all are. */
static int64_t kept_from(const struct store *store, str project)
{
    int32_t through = seal_through(store, project);
    return through ? day_start(through) + ROLLUP_DAY_NS : INT64_MIN;
}

static bool dims_are_whole(const struct store *store, uint32_t dims)
{
    for (uint32_t dim = 0; dim < ROLLUP_DIMS; dim++)
        if ((dims >> dim & 1) && atomic_load(&store->dicts.fields[rollup_dims[dim]].is_full))
            return false; /* the exact texts are known of spans only */
    return true;
}

static bool cover_of(const struct store_aggregate *ask, uint32_t index, uint32_t dims,
                     struct rollup_cover *ret_cover)
{
    bool of_bins = ask->measures[index].op == STORE_OP_QUANTILE;
    if (!of_bins)
        return true;
    if (!rollup_measure_dims(&ask->measures[index], &dims))
        return false;
    rollup_cover(ask, dims, true, ret_cover);
    return ret_cover->count > 0;
}

/* All dimensions that sums of this question need. */
static uint32_t sums_dims(const struct store_aggregate *ask)
{
    uint32_t dims;
    if (!rollup_dims_of(ask, &dims))
        return 0;
    for (uint32_t i = 0; i < ask->measure_count; i++)
        if (ask->measures[i].op != STORE_OP_QUANTILE &&
            !rollup_measure_dims(&ask->measures[i], &dims))
            return 0;
    return dims;
}

static bool has_quantile(const struct store_aggregate *ask)
{
    for (uint32_t i = 0; i < ask->measure_count; i++)
        if (ask->measures[i].op == STORE_OP_QUANTILE)
            return true;
    return false;
}

/* Few spans, and all of them there: then percentiles are better exact. */
static bool is_better_exact(const struct store *store, const struct store_aggregate *ask)
{
    uint64_t count = 0, max = store->config.exact_spans_max;
    for (uint32_t i = 0; i < store->day_count; i++)
        if (range_has(&ask->scope.range, &store->days[i]->span_times))
            count += store->days[i]->span_count;
    return has_quantile(ask) && count <= (max ? max : EXACT_SPANS_DEFAULT) &&
           ask->scope.range.from_ns >= kept_from(store, ask->scope.project);
}

bool rolled_choose(struct store *store, const struct store_aggregate *ask)
{
    struct rollup_cover cover;
    uint32_t dims;
    bool has_rollups = store->seal_count > 0;
    for (uint32_t i = 0; i < store->day_count && !has_rollups; i++)
        has_rollups = day_is_rolled(store->days[i], 0);
    if (ask->of_spans || !has_rollups || !rollup_can_answer(ask) || !rollup_dims_of(ask, &dims))
        return false;
    if (!dims_are_whole(store, sums_dims(ask)) || is_better_exact(store, ask))
        return false;
    for (uint32_t i = 0; i < ask->measure_count; i++)
        if (!cover_of(ask, i, dims, &cover))
            return false;
    rollup_cover(ask, sums_dims(ask), false, &cover);
    return cover.count > 0;
}

static uint32_t bits_of(const struct rollup_cover *cover)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < cover->count; i++) {
        int64_t width = rollup_tables[cover->pieces[i].table].width_ns;
        bits |= width == ROLLUP_DAY_NS    ? STORE_FROM_DAYS
                : width == ROLLUP_HOUR_NS ? STORE_FROM_HOURS
                                          : STORE_FROM_MINUTES;
    }
    return bits;
}

/* Does the day, rolled up as far as that goes, have spans that no piece says anything of? */
static bool day_has_rest(const struct day *day, const struct time_range *range,
                         const struct rollup_cover *cover)
{
    struct time_range ends[2] = { { range->from_ns, cover->range.from_ns },
                                  { cover->range.to_ns, range->to_ns } };
    bool has = range_has(&ends[0], &day->span_times) || range_has(&ends[1], &day->span_times);
    for (uint32_t i = 0; i < cover->count && !has; i++)
        has = !(day->tables >> cover->pieces[i].table & 1) &&
              range_has(&cover->pieces[i].range, &day->span_times);
    return has;
}

static bool day_is_read(const struct day *day, const struct time_range *range, int32_t through,
                        const struct rollup_cover *cover)
{
    return day_is_rolled(day, through) ? day_has_rest(day, range, cover)
                                       : range_has(range, &day->span_times);
}

/* Is there anything that only spans can say? */
static bool spans_are_read(const struct store *store, const struct store_aggregate *ask,
                           const struct rollup_cover *cover)
{
    int32_t through = seal_through(store, ask->scope.project);
    if (atomic_load(&store->open_rows) + atomic_load(&store->settled_rows) > 0)
        return true;
    for (uint32_t i = 0; i < store->day_count; i++)
        if (day_is_read(store->days[i], &ask->scope.range, through, cover))
            return true;
    return false;
}

void rolled_sources(struct store *store, const struct store_aggregate *ask, bool is_rolled)
{
    struct rollup_cover cover;
    struct store_sources *to = ask->sources;
    int64_t from_ns = kept_from(store, ask->scope.project);
    if (!to)
        return;
    uint32_t tables = STORE_FROM_SPANS;
    if (is_rolled) {
        rollup_cover(ask, sums_dims(ask), false, &cover);
        tables = bits_of(&cover) | (spans_are_read(store, ask, &cover) ? STORE_FROM_SPANS : 0);
    }
    to->tables |= tables;
    to->is_approximate = to->is_approximate || (is_rolled && has_quantile(ask));
    if (from_ns > ask->scope.range.from_ns)
        to->spans_from_ns = MAX(to->spans_from_ns, from_ns);
}

/* -- relations -- */

struct relation {
    const struct store_aggregate *ask;
    struct rollup_cover cover;
    uint32_t dims;
    int bin_of;       /* place in rollup_numbers; -1: sums */
    uint32_t numbers; /* bits: those whose sums are read */
};

static void add_columns(struct sql *sql, const struct relation *relation, bool of_spans)
{
    buf_add_c(&sql->text, "SELECT start_time");
    for (uint32_t dim = 0; dim < ROLLUP_DIMS; dim++) {
        const char *name = field_table[rollup_dims[dim]].name;
        if (relation->dims >> dim & 1)
            buf_printf(&sql->text, ",\"%s\"", name);
    }
    if (relation->bin_of >= 0) {
        buf_add_c(&sql->text, of_spans ? ",1::UBIGINT AS n," : ",n,");
        if (of_spans)
            rollup_bin_add(&sql->text, field_table[rollup_numbers[relation->bin_of]].name);
        buf_add_c(&sql->text, of_spans ? " AS bin" : "bin");
        return;
    }
    buf_add_c(&sql->text,
              of_spans ? ",1::UBIGINT AS n,start_time AS first,least(CAST(start_time AS DOUBLE)+"
                         "CAST(latency_ns AS DOUBLE),9223372036854775807) AS last"
                       : ",n,first,last");
    buf_add_c(&sql->text, ",trace_id_hi,trace_id_lo");
    for (int i = 0; i < ROLLUP_NUMBERS; i++) {
        const char *number = field_table[rollup_numbers[i]].name;
        if (!(relation->numbers >> i & 1))
            continue;
        if (of_spans)
            buf_printf(&sql->text,
                       ",CASE WHEN %s IS NULL THEN 0 ELSE 1 END::UBIGINT AS %s_n,"
                       "%s::HUGEINT AS %s_s",
                       number, number, number, number);
        else
            buf_printf(&sql->text, ",%s_n,%s_s", number, number);
        if (i < ROLLUP_BOUNDED && of_spans)
            buf_printf(&sql->text, ",%s AS %s_lo,%s AS %s_hi", number, number, number, number);
        else if (i < ROLLUP_BOUNDED)
            buf_printf(&sql->text, ",%s_lo,%s_hi", number, number);
    }
}

static void add_range(struct sql *sql, const struct time_range *range)
{
    buf_add_c(&sql->text, " AND start_time>=");
    sql_i64(sql, range->from_ns);
    buf_add_c(&sql->text, " AND start_time<");
    sql_i64(sql, range->to_ns);
}

/* "AND file NOT IN (...)": days whose spans say more than their rollups. */
static void add_not_stale(struct sql *sql)
{
    const struct store *store = sql->store;
    int32_t through = seal_through(store, sql->scope->project);
    bool is_first = true;
    for (uint32_t i = 0; i < store->day_count; i++) {
        if (day_is_rolled(store->days[i], through))
            continue;
        buf_printf(&sql->text, "%s%d", is_first ? " AND file NOT IN (" : ",", store->days[i]->date);
        is_first = false;
    }
    buf_add_c(&sql->text, is_first ? "" : ")");
}

static void add_of_spans(struct sql *sql, const struct relation *relation)
{
    if (relation->bin_of >= 0)
        buf_printf(&sql->text, " AND %s IS NOT NULL",
                   field_table[rollup_numbers[relation->bin_of]].name);
}

/* Of a day that is rolled up: what its tables do not say. */
static void add_rest(struct sql *sql, const struct day *day, const struct rollup_cover *cover)
{
    buf_add_c(&sql->text, " AND (start_time<");
    sql_i64(sql, cover->range.from_ns);
    buf_add_c(&sql->text, " OR start_time>=");
    sql_i64(sql, cover->range.to_ns);
    for (uint32_t i = 0; i < cover->count; i++) {
        if (day->tables >> cover->pieces[i].table & 1)
            continue;
        buf_add_c(&sql->text, " OR (true");
        add_range(sql, &cover->pieces[i].range);
        buf_add_char(&sql->text, ')');
    }
    buf_add_char(&sql->text, ')');
}

/* Spans of the project that rollups do not have. */
static void add_spans(struct sql *sql, const struct relation *relation)
{
    const struct store *store = sql->store;
    int32_t through = seal_through(store, sql->scope->project);
    add_columns(sql, relation, true);
    buf_printf(&sql->text, " FROM recent_spans(%u) WHERE ", sql->spans_feed);
    sql_scope(sql, true);
    add_of_spans(sql, relation);
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct day *day = store->days[i];
        if (!day_is_read(day, &sql->scope->range, through, &relation->cover))
            continue;
        buf_add_c(&sql->text, " UNION ALL ");
        add_columns(sql, relation, true);
        buf_printf(&sql->text, " FROM %s.spans WHERE ", day->name);
        sql_scope(sql, true);
        add_of_spans(sql, relation);
        if (day_is_rolled(day, through))
            add_rest(sql, day, &relation->cover);
    }
}

static void add_relation(struct sql *sql, const struct relation *relation)
{
    buf_add_char(&sql->text, '(');
    add_spans(sql, relation);
    for (uint32_t i = 0; i < relation->cover.count; i++) {
        const struct rollup_piece *piece = &relation->cover.pieces[i];
        buf_add_c(&sql->text, " UNION ALL ");
        add_columns(sql, relation, false);
        buf_printf(&sql->text, " FROM roll.%s WHERE ", rollup_tables[piece->table].name);
        sql_scope(sql, false);
        add_range(sql, &piece->range);
        if (relation->bin_of >= 0)
            buf_printf(&sql->text, " AND number=%d", relation->bin_of);
        add_not_stale(sql);
    }
    buf_add_char(&sql->text, ')');
}

/* -- numbers -- */

static void add_filter(struct sql *sql, const char *before, const struct filter *filter,
                       const char *after)
{
    if (!filter)
        return;
    buf_add_c(&sql->text, before);
    sql_filter(sql, filter, false);
    buf_add_c(&sql->text, after);
}

static void add_measure(struct sql *sql, const struct store_measure *measure)
{
    const char *name = measure->of == STORE_OF_FIELD ? field_table[measure->field].name : "";
    bool is_count = measure->op == STORE_OP_COUNT;
    buf_add_c(&sql->text, is_count ? "coalesce(" : "");
    if (measure->of == STORE_OF_SPANS)
        buf_add_c(&sql->text, "sum(n)");
    else if (measure->of == STORE_OF_END)
        buf_add_c(&sql->text, "max(last)");
    else if (measure->field == FIELD_start_time)
        buf_add_c(&sql->text, "min(first)");
    else if (measure->op == STORE_OP_MIN)
        buf_printf(&sql->text, "min(%s_lo)", name);
    else if (measure->op == STORE_OP_MAX)
        buf_printf(&sql->text, "max(%s_hi)", name);
    else
        buf_printf(&sql->text, "sum(%s_%s)", name, is_count ? "n" : "s");
    add_filter(sql, " FILTER (WHERE ", measure->filter, ")");
    buf_add_c(&sql->text, is_count ? ",0)" : "");
}

static void add_groups(struct sql *sql, const struct store_aggregate *ask,
                       void (*keys)(struct sql *sql, const struct store_aggregate *ask))
{
    struct relation relation = { .ask = ask, .dims = sums_dims(ask), .bin_of = -1, .numbers = 1 };
    rollup_cover(ask, relation.dims, false, &relation.cover);
    buf_add_c(&sql->text, "g AS (SELECT ");
    keys(sql, ask);
    for (uint32_t i = 0; i < ask->measure_count; i++) {
        const struct store_measure *measure = &ask->measures[i];
        if (measure->op == STORE_OP_QUANTILE)
            continue;
        int number = measure->of == STORE_OF_FIELD ? rollup_number_of(measure->field) : -1;
        relation.numbers |= number >= 0 ? UINT32_C(1) << number : 0;
        buf_add_c(&sql->text, ",CAST(");
        add_measure(sql, measure);
        buf_printf(&sql->text, " AS DOUBLE) AS m%u", i);
    }
    buf_add_c(&sql->text,
              ",coalesce(arg_max(trace_id_hi,latency_ns_hi),max(trace_id_hi)) AS hi,"
              "coalesce(arg_max(trace_id_lo,latency_ns_hi),arg_max(trace_id_lo,trace_id_hi)) AS lo"
              " FROM ");
    add_relation(sql, &relation);
    add_filter(sql, " WHERE ", ask->filter, "");
    buf_add_c(&sql->text, " GROUP BY ALL HAVING sum(n)>0)");
}

/* -- percentiles -- */

/* The measure that stands for all quantiles of the same numbers. */
static uint32_t leader_of(const struct store_aggregate *ask, uint32_t index)
{
    uint32_t leader = 0;
    while (ask->measures[leader].op != STORE_OP_QUANTILE ||
           !measures_are_alike(&ask->measures[leader], &ask->measures[index]))
        leader++;
    return leader;
}

static void add_names(struct sql *sql, uint32_t by_count)
{
    buf_add_c(&sql->text, "bucket");
    for (uint32_t i = 0; i < by_count; i++)
        buf_printf(&sql->text, ",by%u", i);
}

/* The bin in which a share `quantile` of the values ends, as a value. */
static void add_quantile(struct sql *sql, double quantile, uint32_t index)
{
    buf_printf(&sql->text,
               ",min(CASE WHEN bin<%d THEN bin::DOUBLE ELSE round(%d*pow(" ROLLUP_GAMMA
               ",bin-%d)*2*" ROLLUP_GAMMA "/(1+" ROLLUP_GAMMA
               ")) END) FILTER (WHERE below>=greatest(1,ceil(%.17g::DOUBLE*total-1e-9))) AS m%u",
               ROLLUP_EXACT, ROLLUP_EXACT, ROLLUP_EXACT, quantile, index);
}

static void add_bins(struct sql *sql, const struct store_aggregate *ask, uint32_t leader,
                     void (*keys)(struct sql *sql, const struct store_aggregate *ask))
{
    const struct store_measure *measure = &ask->measures[leader];
    struct relation relation = { .ask = ask, .bin_of = rollup_number_of(measure->field) };
    bool is_known =
        rollup_dims_of(ask, &relation.dims) && rollup_measure_dims(measure, &relation.dims);
    assert(is_known); /* rolled_choose() */
    rollup_cover(ask, relation.dims, true, &relation.cover);
    buf_printf(&sql->text, ",q%u AS (SELECT ", leader);
    add_names(sql, ask->by_count);
    for (uint32_t i = leader; i < ask->measure_count; i++)
        if (ask->measures[i].op == STORE_OP_QUANTILE && leader_of(ask, i) == leader)
            add_quantile(sql, ask->measures[i].quantile, i);
    buf_add_c(&sql->text, " FROM (SELECT *,sum(w) OVER (PARTITION BY ");
    add_names(sql, ask->by_count);
    buf_add_c(&sql->text, " ORDER BY bin) AS below,sum(w) OVER (PARTITION BY ");
    add_names(sql, ask->by_count);
    buf_add_c(&sql->text, ") AS total FROM (SELECT ");
    keys(sql, ask);
    buf_add_c(&sql->text, ",bin,sum(n) AS w FROM ");
    add_relation(sql, &relation);
    buf_add_c(&sql->text, " WHERE true");
    add_filter(sql, " AND ", ask->filter, "");
    add_filter(sql, " AND ", measure->filter, "");
    buf_add_c(&sql->text, " GROUP BY ALL)) GROUP BY ALL)");
}

static void add_join(struct sql *sql, const struct store_aggregate *ask, uint32_t leader)
{
    buf_printf(&sql->text, " LEFT JOIN q%u ON g.bucket=q%u.bucket", leader, leader);
    for (uint32_t i = 0; i < ask->by_count; i++)
        buf_printf(&sql->text, " AND g.by%u IS NOT DISTINCT FROM q%u.by%u", i, leader, i);
}

void rolled_add(struct sql *sql, const struct store_aggregate *ask,
                void (*keys)(struct sql *sql, const struct store_aggregate *ask))
{
    buf_add_c(&sql->text, "WITH ");
    add_groups(sql, ask, keys);
    for (uint32_t i = 0; i < ask->measure_count; i++)
        if (ask->measures[i].op == STORE_OP_QUANTILE && leader_of(ask, i) == i)
            add_bins(sql, ask, i, keys);
    buf_add_c(&sql->text, " SELECT g.bucket");
    for (uint32_t i = 0; i < ask->by_count; i++)
        buf_printf(&sql->text, ",g.by%u", i);
    for (uint32_t i = 0; i < ask->measure_count; i++) {
        if (ask->measures[i].op == STORE_OP_QUANTILE)
            buf_printf(&sql->text, ",q%u.m%u", leader_of(ask, i), i);
        else
            buf_printf(&sql->text, ",g.m%u", i);
    }
    buf_add_c(&sql->text, ",g.hi,g.lo FROM g");
    for (uint32_t i = 0; i < ask->measure_count; i++)
        if (ask->measures[i].op == STORE_OP_QUANTILE && leader_of(ask, i) == i)
            add_join(sql, ask, i);
}
