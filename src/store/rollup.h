/* rollup.h -- sums of spans that outlive them: what is kept, and which questions that answers.
 *
 * A rollup row stands for all spans of one project, bucket of time and set of values of some
 * fields (its dimensions).  It looks like a span: columns of the same names, so that one filter
 * means the same of both.  Numbers are kept as known count, sum and, for some, least and greatest;
 * percentiles come from tables of bins.  A question is answered by rollups exactly or not at all,
 * but for percentiles, which are at most 1 % off.
 *
 * Bins: a whole number below ROLLUP_EXACT is its own bin; from there bin b holds the values from
 * ROLLUP_EXACT * g^(b-ROLLUP_EXACT) up to g times that, and stands for 2g/(1+g) times its lower
 * end: off by (g-1)/(g+1) = 0.75 % at most, and by half a unit more when rounded.  The scheme is
 * that of DDSketch (Masson, Rim, Lee 2019).
 *
 * Memory:  none of its own.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/store_int.h"

#define ROLLUP_MINUTE_NS (60 * NS_PER_S)
#define ROLLUP_HOUR_NS (3600 * NS_PER_S)
#define ROLLUP_DAY_NS (86400 * NS_PER_S)
#define ROLLUP_GAMMA "1.015"
/* Of a day with many different values, sums and bins of its minutes and hours would be nearly as
 * many as its spans: more than this part of them, and more than so many, are not kept. */
enum { ROLLUP_SPARING = 4, ROLLUP_ROWS_FEW = 20000 };
enum { ROLLUP_EXACT = 256, ROLLUP_PIECES_MAX = 6 };

/* Dimensions, in groups: what a table has is a prefix of these. */
enum rollup_dim {
    ROLLUP_DIM_step,
    ROLLUP_DIM_operation,
    ROLLUP_DIM_status,
    ROLLUP_DIM_rollup,
    ROLLUP_DIM_provider,
    ROLLUP_DIM_generator_model,
    ROLLUP_DIMS_FEW, /* of percentiles by the hour, so far */
    ROLLUP_DIM_service = ROLLUP_DIMS_FEW,
    ROLLUP_DIM_environment,
    ROLLUP_DIM_error_class,
    ROLLUP_DIM_cost_source,
    ROLLUP_DIM_parent_span_id, /* whether it is known, no more */
    ROLLUP_DIMS_CORE,          /* of sums by the minute, so far */
    ROLLUP_DIM_tenant_id = ROLLUP_DIMS_CORE,
    ROLLUP_DIM_feature,
    ROLLUP_DIM_release,
    ROLLUP_DIM_prompt_template_id,
    ROLLUP_DIM_prompt_version,
    ROLLUP_DIM_tool_name,
    ROLLUP_DIMS, /* of sums by hour and day, and of percentiles by the day */
};
extern const enum field rollup_dims[ROLLUP_DIMS];

/* Numbers of which sums are kept; the last two have no bounds. */
enum { ROLLUP_NUMBERS = 10, ROLLUP_BOUNDED = 6, ROLLUP_BINNED = 4 };
/* The first ROLLUP_BINNED have bins, the first ROLLUP_BOUNDED least and greatest. */
extern const enum field rollup_numbers[ROLLUP_NUMBERS];

struct rollup_table {
    const char *name;
    int64_t width_ns; /* of its buckets */
    uint32_t dims;    /* the first so many */
    bool is_of_bins;
    bool is_always; /* kept of every day */
};
enum rollup_table_id {
    ROLLUP_SUMS_DAY,
    ROLLUP_SUMS_HOUR,
    ROLLUP_SUMS_MINUTE,
    ROLLUP_BINS_DAY,
    ROLLUP_BINS_HOUR,
    ROLLUP_BINS_WIDE, /* of a day */
    ROLLUP_TABLES,
};
extern const struct rollup_table rollup_tables[ROLLUP_TABLES];

/* How much of a range lies in whole buckets, and in which tables they are. */
struct rollup_piece {
    enum rollup_table_id table;
    struct time_range range; /* whole buckets of it */
};
struct rollup_cover {
    struct rollup_piece pieces[ROLLUP_PIECES_MAX];
    uint32_t count;
    struct time_range range; /* all pieces together; empty: none */
};

/* Dimensions that the question reads, as bits by enum rollup_dim.  False: it reads more than
 * rollups have. */
bool rollup_dims_of(const struct store_aggregate *ask, uint32_t *ret_dims);
/* Those of one of its measures as well. */
bool rollup_measure_dims(const struct store_measure *measure, uint32_t *dims);
/* Can all its measures be made of rollups? */
bool rollup_can_answer(const struct store_aggregate *ask);
/* The coarsest tables with these dimensions that give the steps of the question. */
void rollup_cover(const struct store_aggregate *ask, uint32_t dims, bool of_bins,
                  struct rollup_cover *ret_cover);
/* Of a measure that is a sum, a bound or a quantile of it: place in rollup_numbers; -1: none. */
int rollup_number_of(enum field field);
