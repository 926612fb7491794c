/* verdict.h -- is it fast, is it affordable, is it correct?  Three words with their reasons.
 *
 * Each is one number of the range, judged against an objective, where one is configured, and
 * else against the period before.  A word is only given where there is enough to judge by:
 *
 *            what is judged                              unknown when
 *   fast     95th percentile of the latency of requests  fewer than 20 requests
 *   affordable  cost per day                             no cost, or a tenth of the calls unpriced
 *   correct  share of evaluations that pass, or, with fewer than 20 of them,
 *            share of traces with a successful answer    fewer than 20 of either
 *
 * Against an objective: good up to it, warn up to a fifth over it, then bad; of `correct` the
 * share that fails is what may be over.  Against the period before: good up to a tenth more,
 * warn up to a half more, then bad; up to a point more failures is always good.
 *
 * Memory:  texts live in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/report.h"

enum { VERDICT_COUNT_MIN = 20 };
enum verdict { VERDICT_UNKNOWN, VERDICT_GOOD, VERDICT_WARN, VERDICT_BAD };
/* 0: none. */
struct objectives {
    int64_t latency_p95_ns;
    double cost_per_day_usd;
    double quality; /* share that passes */
};

/* GET /api/v1/verdicts: q from to. */
MUST_CHECK enum err query_plan_verdicts(struct arena *arena, const struct query_param *params,
                                        size_t count, int64_t now_ns,
                                        struct query_aggregate *ret_plan, struct diag *reterr_why);
/* Of the plan's one group and of what it is compared with (NULL: no spans). */
struct verdicts_found {
    const struct query_aggregate *plan;
    const struct store_aggregate *baseline_ask;
    const struct store_group *now, *before;
    struct objectives objectives;
    str q; /* as asked; STR_NONE: none */
};
MUST_CHECK enum err query_verdicts_json(struct buf *out, struct arena *arena,
                                        const struct verdicts_found *found,
                                        struct diag *reterr_why);

/* How bad is `value`, of which less is better?  objective < 0: none; before < 0: none; slack: so
 * much more than before is always good. */
enum verdict verdict_of(double value, double objective, double before, double slack);
