/* steps.h -- where the time and the money of a trace went, by kind of step, and which one is the
 * bottleneck.
 *
 * Each moment of a trace belongs to the spans that run and have no running child; several share it
 * equally.  So the times of all spans sum to the time in which something ran, whatever runs beside
 * what, and with what ran nowhere (`idle`) to the trace's duration.  A model call that repeats one
 * is of kind "retries".
 *
 * Over a range only spans without any child are looked at, whole: exact where leaves do not
 * overlap.
 *
 * Memory:  everything in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/report.h"

enum { STEP_KINDS_MAX = 64 };
struct step_kind {
    str name; /* STR_NONE: its sender does not say */
    uint64_t count, errors;
    double self_ns;
    bool has_cost;
    double cost_nanousd;
    struct id8 longest; /* the span with the most time of its own */
    double longest_ns;
};
struct steps {
    struct step_kind kinds[STEP_KINDS_MAX];
    size_t count;
    double total_ns, idle_ns;
    double *self_ns; /* of each span, in the order given */
};
/* Of all spans of a trace.  ERR_LIMIT. */
MUST_CHECK enum err steps_of_spans(struct arena *arena, const struct store_span *spans,
                                   size_t count, struct steps *ret_steps, struct diag *reterr_why);
void query_trace_steps_json(struct buf *out, const struct steps *steps,
                            const struct store_span *spans, size_t count);

/* GET /api/v1/steps: q from to. */
MUST_CHECK enum err query_plan_steps(struct arena *arena, const struct query_param *params,
                                     size_t count, int64_t now_ns, struct query_aggregate *ret_plan,
                                     struct diag *reterr_why);
void query_steps_json(struct buf *out, const struct query_aggregate *plan,
                      const struct store_group *groups, size_t count);
