/* points.h -- questions about metric points that senders sent: rates, means, percentiles.
 *
 * A store gives the points of a name; here they become series (service and attributes), and series
 * numbers of groups and steps.  What a point adds depends on its temporality: a delta all of it; a
 * cumulative one what it grew by since the point before, or all of it after a reset (another start
 * time, or a smaller number) and when its series began in the range.  Points of before the range
 * are read so that its first ones have something to grow from.
 *
 * Memory:  all in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/query.h"

enum {
    POINTS_MAX = 200000,        /* of a question */
    POINT_ROWS_MAX = 10000,     /* of an answer: groups and steps */
    POINT_INTERVALS_MAX = 4096, /* of the histogram of a row */
};

enum point_op {
    POINT_AVG,  /* of a gauge's points; of a histogram its sum / count */
    POINT_RATE, /* growth per second: of a sum its value, of a histogram its count */
    POINT_SUM,  /* growth; of a histogram of its sum; of gauges the last of each series */
    POINT_COUNT,
    POINT_MIN,
    POINT_MAX,
    POINT_LAST,
    POINT_QUANTILE,
    POINT_OP_DEFAULT, /* by the type */
};

struct point_plan {
    struct store_points ask; /* its range begins before `range` */
    struct time_range range;
    int64_t now_ns, step_ns; /* step 0: one row a group */
    enum point_op op;
    double quantile;
    str op_text;
    str by[STORE_BY_MAX]; /* "service" or an attribute */
    uint32_t by_count, limit;
};
struct point_row {
    int64_t bucket_ns;
    str by[STORE_BY_MAX]; /* STR_NONE: unknown */
    uint64_t point_count;
    bool is_known;
    double value;
};
struct point_answer {
    struct metric_point of; /* name, unit, type, temporality of all of them */
    enum point_op op;
    struct point_row *rows;
    size_t count;
    bool is_cut; /* there are more */
};

MUST_CHECK enum err query_plan_points(struct arena *arena, const struct query_param *params,
                                      size_t count, int64_t now_ns, struct point_plan *ret_plan,
                                      struct diag *reterr_why);
/* points[]: by time, as a store gives them; reordered. */
MUST_CHECK enum err query_points(struct arena *arena, const struct point_plan *plan,
                                 struct store_point *points, size_t count,
                                 struct point_answer *ret_answer, struct diag *reterr_why);
void query_points_json(struct buf *out, const struct point_plan *plan,
                       const struct point_answer *answer);

struct point_names_plan {
    struct store_scope scope;
    str prefix;
    uint32_t limit;
};
MUST_CHECK enum err query_plan_point_names(struct arena *arena, const struct query_param *params,
                                           size_t count, int64_t now_ns,
                                           struct point_names_plan *ret_plan,
                                           struct diag *reterr_why);
/* {"items":[{name,type,unit,temporality,services,attributes,...}]}: one item per name and kind. */
MUST_CHECK enum err query_point_names_json(struct buf *out, struct arena *arena,
                                           const struct point_names_plan *plan,
                                           struct store_point_name *names, size_t count,
                                           struct diag *reterr_why);

/* ---- point_histogram.c ---- */

/* A histogram of a point, of either kind; zeroed: nothing in it. */
struct point_histogram {
    bool is_exponential;
    int32_t scale;
    const double *bounds;
    uint32_t bound_count;
    uint64_t zero_count;
    double zero_threshold;
    int64_t offset, negative_offset;
    uint64_t *counts, *negatives;
    uint32_t count, negative_count;
};
/* Of the text of record.h; false: it has no buckets. */
bool point_histogram_read(struct arena *arena, str json, struct point_histogram *ret);
/* now - before; false: it did not grow, that is it was reset. */
MUST_CHECK bool point_histogram_less(struct arena *arena, const struct point_histogram *now,
                                     const struct point_histogram *before,
                                     struct point_histogram *ret);
/* Counts between two values. */
struct point_interval {
    double low, high;
    bool is_log; /* even by ratio, as in an exponential histogram */
    double count;
};
struct point_intervals {
    struct point_interval *items;
    uint32_t count, capacity, next;
};
/* False: POINT_INTERVALS_MAX, or the arena, is spent. */
MUST_CHECK bool point_intervals_add(struct arena *arena, struct point_intervals *intervals,
                                    const struct point_histogram *histogram);
/* False: there is nothing in it, or no bound. */
bool point_intervals_quantile(struct point_intervals *intervals, double quantile, double *ret);
