/* expensive.h -- the dearest requests of a range, each with why, and which ran away.
 *
 * The dearest traces are listed with how often they cost what the others do on average (`times`),
 * and with the reason: the one of calls, retries that senders count, tokens in and out per call and
 * price of a token that exceeds the others' average most.  A trace that costs RUNAWAY_TIMES as much
 * as another is a runaway.
 *
 * Memory:  everything in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/report.h"

enum { EXPENSIVE_MAX = 100, EXPENSIVE_DEFAULT = 20, RUNAWAY_TIMES = 1000 };
struct expensive_ask {
    struct store_list traces;
    struct query_aggregate totals;
};
/* GET /api/v1/expensive: q from to limit. */
MUST_CHECK enum err query_plan_expensive(struct arena *arena, const struct query_param *params,
                                         size_t count, int64_t now_ns,
                                         struct expensive_ask *ret_ask, struct diag *reterr_why);
/* totals: the one group of the answer, NULL: no spans. */
void query_expensive_json(struct buf *out, const struct expensive_ask *ask,
                          const struct trace_row *traces, size_t count,
                          const struct store_group *totals);
