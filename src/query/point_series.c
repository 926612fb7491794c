/* point_series.c -- points become series, and series numbers of groups and steps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "query/points.h"
#include "query/query_int.h"
#include "wire/json.h"

#include <stdlib.h>

enum { ROW_BUCKETS = 16384 };

/* What is known of a row so far. */
struct cell {
    struct cell *next; /* with the same hash */
    int64_t bucket_ns;
    const str *by;
    uint64_t point_count;
    double value, events; /* growth of the value, of the count */
    double sum, min, max; /* of the points of gauges */
    uint64_t gauge_count;
    double series_last, last; /* sum of each series' last; the newest of all */
    int64_t last_ns;
    bool has_value, has_events;
    struct point_intervals intervals;
};

struct run {
    struct arena *arena;
    const struct point_plan *plan;
    struct cell *buckets[ROW_BUCKETS];
    struct cell **cells;
    size_t count;
    struct diag *why;
    /* the series at hand */
    const str *by;
    const struct store_point *before;
    struct point_histogram before_histogram;
};

static int series_cmp(const void *a, const void *b)
{
    const struct store_point *x = a, *y = b;
    int order = str_cmp(x->point.service, y->point.service);
    if (order == 0)
        order = str_cmp(x->attrs_json, y->attrs_json);
    if (order == 0 && x->point.time_ns != y->point.time_ns)
        order = x->point.time_ns < y->point.time_ns ? -1 : 1;
    return order;
}

static bool is_same_series(const struct store_point *a, const struct store_point *b)
{
    return str_equal(a->point.service, b->point.service) && str_equal(a->attrs_json, b->attrs_json);
}

/* -- groups -- */

static str attr_text_of(struct arena *arena, const struct value *attrs, str name)
{
    const struct attr *attr =
        attrs->type == VALUE_MAP ? attr_find(attrs->attrs, attrs->count, name) : NULL;
    struct buf text;
    if (!attr || attr->value.type == VALUE_NULL)
        return STR_NONE;
    if (attr->value.type == VALUE_STR)
        return attr->value.text;
    buf_init(&text, 64 * KIB);
    value_to_json(&text, &attr->value);
    str kept = arena_str(arena, buf_str(&text));
    buf_clear(&text);
    return kept;
}

static enum err series_begin(struct run *run, const struct store_point *point)
{
    struct json json;
    struct value attrs = { .type = VALUE_NULL };
    str *by = arena_new(run->arena, str, STORE_BY_MAX);
    if (!by)
        return ERR_LIMIT;
    if (run->plan->by_count && !str_is_empty(point->attrs_json)) {
        json_init(&json, run->arena, point->attrs_json, JSON_DEPTH_MAX);
        if (json_next(&json) == JSON_OBJECT && !json_value(&json, JSON_OBJECT, &attrs))
            attrs.type = VALUE_NULL;
    }
    for (uint32_t i = 0; i < run->plan->by_count; i++) {
        bool is_service = str_equal_c(run->plan->by[i], "service");
        str service = str_is_empty(point->point.service) ? STR_NONE : point->point.service;
        by[i] = is_service ? service : attr_text_of(run->arena, &attrs, run->plan->by[i]);
    }
    run->by = by;
    run->before = NULL;
    run->before_histogram = (struct point_histogram){ .scale = 0 };
    return ERR_OK;
}

static bool cell_is(const struct run *run, const struct cell *cell, int64_t bucket_ns)
{
    if (cell->bucket_ns != bucket_ns)
        return false;
    for (uint32_t i = 0; i < run->plan->by_count; i++)
        if (str_is_none(cell->by[i]) != str_is_none(run->by[i]) ||
            !str_equal(cell->by[i], run->by[i]))
            return false;
    return true;
}

/* NULL: there are too many. */
static struct cell *cell_get(struct run *run, int64_t time_ns)
{
    int64_t step = run->plan->step_ns, bucket_ns = 0;
    if (step > 0)
        bucket_ns = (time_ns - (time_ns % step + step) % step);
    uint64_t hash = (uint64_t)bucket_ns;
    for (uint32_t i = 0; i < run->plan->by_count; i++)
        if (run->by[i].len)
            hash = hash_bytes_seeded(run->by[i].ptr, run->by[i].len, hash + i);
    struct cell **bucket = &run->buckets[hash_bytes(&hash, sizeof hash) % ROW_BUCKETS];
    for (struct cell *cell = *bucket; cell; cell = cell->next)
        if (cell_is(run, cell, bucket_ns))
            return cell;
    if (run->count == POINT_ROWS_MAX)
        return NULL;
    struct cell *cell = arena_new(run->arena, struct cell, 1);
    if (cell) {
        *cell = (struct cell){ .next = *bucket, .bucket_ns = bucket_ns, .by = run->by };
        *bucket = cell;
        run->cells[run->count++] = cell;
    }
    return cell;
}

/* -- what a point adds -- */

static bool is_gauge(const struct metric_point *point)
{
    return point->type == METRIC_GAUGE ||
           (point->type == METRIC_SUM && point->temporality != 1 && !point->is_monotonic);
}

static bool is_histogram(const struct metric_point *point)
{
    return point->type == METRIC_HISTOGRAM || point->type == METRIC_EXP_HISTOGRAM;
}

/* Does the series go on from the point before, or begin anew? */
static bool goes_on(const struct metric_point *now, const struct metric_point *before)
{
    if (now->start_ns > before->start_ns && before->start_ns > 0)
        return false;
    return now->type == METRIC_SUM ? now->value >= before->value : now->count >= before->count;
}

/* What a cumulative point is less by; false: it only tells where the next one starts from. */
static bool base_of(const struct run *run, const struct metric_point *now,
                    struct metric_point *ret_base)
{
    *ret_base = (struct metric_point){ .value = 0 };
    if (now->temporality == 1)
        return true;
    if (!run->before)
        return now->start_ns > 0 && now->start_ns >= run->plan->range.from_ns;
    if (goes_on(now, &run->before->point))
        *ret_base = run->before->point;
    return true;
}

static enum err add_buckets(struct run *run, struct cell *cell,
                            const struct point_histogram *histogram, bool is_first)
{
    struct point_histogram growth = *histogram;
    if (!is_first && !point_histogram_less(run->arena, histogram, &run->before_histogram, &growth))
        growth = *histogram; /* other bounds: it began anew */
    if (!point_intervals_add(run->arena, &cell->intervals, &growth))
        return diag_set(run->why, ERR_LIMIT, "more than %d different buckets in a row",
                        POINT_INTERVALS_MAX);
    return ERR_OK;
}

static enum err add_growth(struct run *run, const struct store_point *point)
{
    const struct metric_point *now = &point->point;
    struct metric_point base;
    struct point_histogram histogram = { .scale = 0 };
    bool in_range = now->time_ns >= run->plan->range.from_ns;
    bool has_buckets = run->plan->op == POINT_QUANTILE && is_histogram(now) &&
                       point_histogram_read(run->arena, now->buckets_json, &histogram);
    enum err code = ERR_OK;
    if (base_of(run, now, &base) && in_range) {
        struct cell *cell = cell_get(run, now->time_ns);
        if (!cell)
            return ERR_LIMIT;
        bool is_first = now->temporality == 1 || !run->before || !goes_on(now, &run->before->point);
        cell->point_count++;
        if (now->has_value && (base.has_value || is_first)) {
            cell->value += now->value - base.value;
            cell->has_value = true;
        }
        cell->events += (double)(now->count - base.count);
        cell->has_events = true;
        if (has_buckets)
            code = add_buckets(run, cell, &histogram, is_first);
    }
    run->before = point;
    run->before_histogram = histogram;
    return code;
}

/* `next`: the series' next point, or NULL. */
static enum err add_gauge(struct run *run, const struct store_point *point,
                          const struct store_point *next)
{
    const struct metric_point *now = &point->point;
    if (!now->has_value || now->time_ns < run->plan->range.from_ns)
        return ERR_OK;
    struct cell *cell = cell_get(run, now->time_ns);
    if (!cell)
        return ERR_LIMIT;
    bool is_first = cell->gauge_count++ == 0;
    cell->point_count++;
    cell->sum += now->value;
    cell->min = is_first ? now->value : MIN(cell->min, now->value);
    cell->max = is_first ? now->value : MAX(cell->max, now->value);
    if (is_first || now->time_ns >= cell->last_ns) {
        cell->last = now->value;
        cell->last_ns = now->time_ns;
    }
    bool is_last = !next || cell_get(run, next->point.time_ns) != cell;
    cell->series_last += is_last ? now->value : 0;
    return ERR_OK;
}

/* -- what becomes of a row -- */

static double seconds_of(const struct point_plan *plan, int64_t bucket_ns)
{
    int64_t from = plan->range.from_ns, to = MIN(plan->range.to_ns, MAX(plan->now_ns, from + 1));
    if (plan->step_ns > 0) {
        from = MAX(from, bucket_ns);
        to = MIN(to, bucket_ns + plan->step_ns);
    }
    return (double)MAX(to - from, (int64_t)1) / 1e9;
}

static bool growth_value(const struct point_plan *plan, const struct metric_point *of,
                         struct cell *cell, double *ret)
{
    bool is_sum = of->type == METRIC_SUM;
    switch ((int)plan->op) {
    case POINT_RATE:
        *ret = (is_sum ? cell->value : cell->events) / seconds_of(plan, cell->bucket_ns);
        return is_sum ? cell->has_value : cell->has_events;
    case POINT_SUM:
        *ret = cell->value;
        return cell->has_value;
    case POINT_COUNT:
        *ret = cell->events;
        return cell->has_events;
    case POINT_AVG:
        *ret = cell->events > 0 ? cell->value / cell->events : 0;
        return cell->has_value && cell->events > 0;
    default:
        return point_intervals_quantile(&cell->intervals, plan->quantile, ret);
    }
}

static bool gauge_value(const struct point_plan *plan, const struct cell *cell, double *ret)
{
    switch ((int)plan->op) {
    case POINT_SUM:
        *ret = cell->series_last;
        break;
    case POINT_MIN:
        *ret = cell->min;
        break;
    case POINT_MAX:
        *ret = cell->max;
        break;
    case POINT_LAST:
        *ret = cell->last;
        break;
    case POINT_COUNT:
        *ret = (double)cell->gauge_count;
        break;
    default:
        *ret = cell->sum / (double)cell->gauge_count;
    }
    return cell->gauge_count > 0;
}

static enum err op_check(struct point_plan *plan, const struct metric_point *of,
                         struct diag *reterr_why)
{
    bool is_level = is_gauge(of), is_sum = of->type == METRIC_SUM && !is_level;
    if (plan->op == POINT_OP_DEFAULT)
        plan->op = is_sum ? POINT_RATE : POINT_AVG;
    bool fits = true;
    const char *hint = "";
    if (is_level) {
        fits = plan->op != POINT_RATE && plan->op != POINT_QUANTILE;
        hint =
            "of a gauge there are avg, min, max, last, count, and sum of the last of each series";
    } else if (is_sum) {
        fits = plan->op == POINT_RATE || plan->op == POINT_SUM;
        hint = "of a counter there are rate and sum";
    } else {
        fits = plan->op != POINT_MIN && plan->op != POINT_MAX && plan->op != POINT_LAST &&
               (plan->op != POINT_QUANTILE || is_histogram(of));
        hint = is_histogram(of) ? "of a histogram there are rate, sum, count, avg and p0 to p100"
                                : "of a summary there are rate, sum, count and avg";
    }
    if (fits)
        return ERR_OK;
    diag_set(reterr_why, ERR_BAD_INPUT, "op: '%.*s' is not for points of this type",
             STR_ARG(plan->op_text));
    diag_hint(reterr_why, "%s", hint);
    return ERR_BAD_INPUT;
}

/* One name may be said by two senders with different types: then no number is right. */
static enum err kinds_check(const struct store_point *points, size_t count, struct diag *reterr_why)
{
    for (size_t i = 1; i < count; i++) {
        const struct metric_point *a = &points[0].point, *b = &points[i].point;
        if (a->type == b->type && str_equal(a->unit, b->unit) && is_gauge(a) == is_gauge(b))
            continue;
        diag_set(reterr_why, ERR_BAD_INPUT, "points of this name have different types or units");
        diag_hint(reterr_why,
                  "narrow them, as with q=service:NAME; GET /api/v1/metrics lists them");
        return ERR_BAD_INPUT;
    }
    return ERR_OK;
}

static enum err points_run(struct run *run, struct store_point *points, size_t count)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        const struct store_point *point = &points[i];
        bool is_last = i + 1 == count || !is_same_series(point, &points[i + 1]);
        if (i == 0 || !is_same_series(point, &points[i - 1]))
            code = series_begin(run, point);
        if (code != ERR_OK)
            break;
        code = is_gauge(&point->point) ? add_gauge(run, point, is_last ? NULL : point + 1)
                                       : add_growth(run, point);
    }
    if (code == ERR_LIMIT && run->count == POINT_ROWS_MAX) {
        diag_set(run->why, ERR_LIMIT, "more than %d rows", POINT_ROWS_MAX);
        diag_hint(run->why, "take a larger step, or fewer names in by");
    }
    return code;
}

static int row_cmp(const void *a, const void *b)
{
    const struct point_row *x = a, *y = b;
    if (x->bucket_ns != y->bucket_ns)
        return x->bucket_ns < y->bucket_ns ? -1 : 1;
    if (x->is_known != y->is_known)
        return x->is_known ? -1 : 1;
    if (x->value < y->value || x->value > y->value)
        return x->value > y->value ? -1 : 1;
    for (size_t i = 0; i < STORE_BY_MAX; i++) {
        int order = str_cmp(x->by[i], y->by[i]);
        if (order)
            return order;
    }
    return 0;
}

static enum err answer_make(struct run *run, struct point_answer *answer)
{
    answer->rows = arena_new(run->arena, struct point_row, run->count + 1);
    if (!answer->rows)
        return ERR_LIMIT;
    for (size_t i = 0; i < run->count; i++) {
        struct cell *cell = run->cells[i];
        struct point_row *row = &answer->rows[answer->count];
        if (cell->point_count == 0)
            continue; /* was only looked for */
        row->bucket_ns = cell->bucket_ns;
        memcpy(row->by, cell->by, sizeof row->by);
        row->point_count = cell->point_count;
        row->is_known = is_gauge(&answer->of)
                            ? gauge_value(run->plan, cell, &row->value)
                            : growth_value(run->plan, &answer->of, cell, &row->value);
        answer->count++;
    }
    qsort(answer->rows, answer->count, sizeof *answer->rows, row_cmp);
    answer->is_cut = answer->count > run->plan->limit;
    answer->count = MIN(answer->count, (size_t)run->plan->limit);
    return ERR_OK;
}

enum err query_points(struct arena *arena, const struct point_plan *asked,
                      struct store_point *points, size_t count, struct point_answer *ret_answer,
                      struct diag *reterr_why)
{
    struct point_plan plan = *asked;
    struct run *run = arena_new(arena, struct run, 1);
    *ret_answer = (struct point_answer){ .op = plan.op };
    if (!run || count == 0)
        return run ? ERR_OK : ERR_LIMIT;
    enum err code = kinds_check(points, count, reterr_why);
    if (code == ERR_OK)
        code = op_check(&plan, &points[0].point, reterr_why);
    if (code != ERR_OK)
        return code;
    ret_answer->of = points[0].point;
    ret_answer->op = plan.op;
    qsort(points, count, sizeof *points, series_cmp);
    run->arena = arena;
    run->plan = &plan;
    run->why = reterr_why;
    run->cells = arena_new(arena, struct cell *, POINT_ROWS_MAX);
    code = run->cells ? points_run(run, points, count) : ERR_LIMIT;
    return code == ERR_OK ? answer_make(run, ret_answer) : code;
}
