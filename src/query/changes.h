/* changes.h -- what explains that a number changed from one period to the next.
 *
 * For each dimension of changes.def the number is taken apart by its values, in both periods.  Of a
 * ratio T / B with shares w = b / B and ratios r = t / b of the values, the change is the sum of
 *
 *     mix   (w1 - w0) x (mean of r0 and r1 - mean of R0 and R1)   the values have other shares
 *     rate  mean of w0 and w1 x (r1 - r0)                         a value itself has changed
 *
 * (of a value that only one period has, all is mix).  A dimension explains the change
 *   - by "values" as far as the mix explains it: v2 came, v1 went, and each is as it was;
 *   - by "segment" as far as one value changed by more than its share of the whole: only region eu
 *     got slower.  That is where, rather than why: it counts nine tenths.
 * Of sums and counts only the second is asked.  Numbers that do not add up (percentiles, distinct
 * counts) cannot be taken apart.
 *
 * A field that no span of the question has (the index of a retrieval, for a number of model calls)
 * is looked up in its trace: any(index_version:x), for the values whose share changed most.
 *
 * Memory:  everything in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/report.h"

enum {
    CHANGES_VALUES_MAX = 500,  /* of a dimension, in each period */
    CHANGES_GROUPS_MAX = 3000, /* of several at once; with more each is asked alone */
    CHANGES_TRACED_MAX = 6,    /* of one that is looked up in the trace */
    CHANGES_SHOWN_MAX = 5,     /* values of a dimension in the answer */
};

enum change_dimension {
#define CHANGE(field) CHANGE_##field,
#include "query/changes.def"
#undef CHANGE
    CHANGE_COUNT
};
extern const enum field change_fields[CHANGE_COUNT];

/* GET /api/v1/changes: metric q from to compare.  Of a plan that compares with what is since its
 * first span the range is to be split (query_plan_split) before the rest is asked. */
MUST_CHECK enum err query_plan_changes(struct arena *arena, const struct query_param *params,
                                       size_t count, int64_t now_ns,
                                       struct query_aggregate *ret_plan, struct diag *reterr_why);
/* Can numbers of several dimensions be asked at once and added up for each?  Not distinct traces,
 * and not scores, of which one may be in several groups. */
bool changes_can_fold(const struct query_aggregate *plan);
/* The plan by STORE_BY_MAX dimensions from `first` on. */
void changes_plan_fold(const struct query_aggregate *plan, enum change_dimension first,
                       bool is_before, struct store_aggregate *ret_ask);
/* The plan by one dimension; is_before: of the period before. */
void changes_plan_dimension(const struct query_aggregate *plan, enum change_dimension dimension,
                            bool is_before, struct store_aggregate *ret_ask);
/* In how many traces has it which value? */
void changes_plan_traced(const struct query_aggregate *plan, enum change_dimension dimension,
                         bool is_before, struct store_aggregate *ret_ask);
/* The plan for traces where the dimension has that value.  ERR_LIMIT. */
MUST_CHECK enum err changes_plan_value(struct arena *arena, const struct query_aggregate *plan,
                                       enum change_dimension dimension, str value, bool is_before,
                                       struct store_aggregate *ret_ask);

/* Two numbers of one value of a dimension: of a ratio its top and bottom, else the number itself
 * and 0.  [0] before, [1] after. */
struct change_value {
    str value; /* STR_NONE: unknown, or none of the others */
    double top[2], bottom[2];
    double part; /* of the whole change */
};
struct change {
    enum change_dimension dimension;
    struct change_value *values;
    size_t count;
    bool is_traced; /* values were looked up in the trace */
    bool by_segment;
    double score; /* 0 to 1 */
};
struct changes {
    const struct query_aggregate *plan;
    struct store_aggregate asks[2]; /* of the periods */
    bool is_ratio;
    bool known[2];
    double whole[2];          /* the number before, after */
    double top[2], bottom[2]; /* of all */
    struct change items[CHANGE_COUNT];
    size_t count;
};
/* Of the answers to the plan and its baseline, without a grouping (NULL: no spans). */
void changes_begin(struct changes *changes, const struct query_aggregate *plan,
                   const struct store_group *before, const struct store_group *after);
/* Groups of both periods as values of by[place], into a change whose dimension is set.  ERR_LIMIT.
 */
struct change_groups {
    const struct store_group *groups[2];
    size_t counts[2];
};
MUST_CHECK enum err changes_values(struct arena *arena, const struct changes *changes,
                                   const struct change_groups *of, uint32_t place,
                                   struct change *change);
/* One value more, of a traced dimension. */
void changes_value(const struct changes *changes, const struct store_group *before,
                   const struct store_group *after, struct change_value *ret_value);
/* Is any of its values known? */
bool changes_is_known(const struct change *change);
/* Takes the change apart, scores the dimension, and keeps it when it says something. */
void changes_add(struct changes *changes, struct change *change);
/* The best first. */
void changes_rank(struct changes *changes);
/* Members of an open object. */
void query_changes_json(struct buf *out, struct arena *arena, struct changes *changes);

/* ---- cost_parts.c: why did the spend change? ---- */

enum cost_part {
    COST_PART_CALLS,   /* more or fewer calls, but for repeats */
    COST_PART_REPEATS, /* retries and fallbacks per call */
    COST_PART_MODELS,  /* which models are called */
    COST_PART_INPUT,   /* tokens in per call */
    COST_PART_OUTPUT,  /* tokens out per call */
    COST_PART_CACHE,   /* share of the input read from the provider's cache */
    COST_PART_PRICES,
    COST_PART_OTHER, /* writes to the cache, audio, images, prices per call */
    COST_PART_COUNT
};
extern const char *const cost_part_names[COST_PART_COUNT];
/* Counted calls with a known cost of one model, in one period. */
struct cost_sums {
    double calls, cost, fresh, cached, output, cost_fresh, cost_cached,
        cost_output; /* nano-dollars */
};
struct cost_model {
    str provider, model;
    bool is_repeat;
    struct cost_sums sums[2];
};
/* What each part contributes, in nano-dollars: they sum to the change exactly.  Each is the mean of
 * what changing it alone does, over all orders in which they could be changed (Shapley). */
void cost_parts(const struct cost_model *models, size_t count, int64_t ret_parts[COST_PART_COUNT]);

/* The two questions, of first calls and of repeats. */
MUST_CHECK enum err cost_plan(struct arena *arena, const struct query_aggregate *changes,
                              const struct query_param *params, size_t count, bool is_repeat,
                              struct query_aggregate *ret_plan, struct diag *reterr_why);
/* Groups of one period into models[0..*count), which has room for all. */
void cost_models_add(struct cost_model *models, size_t *count, const struct store_group *groups,
                     size_t group_count, bool is_repeat, int period);
/* "parts":[{name,usd,share}] of an open object, the largest first. */
void query_cost_parts_json(struct buf *out, const int64_t parts[COST_PART_COUNT]);
