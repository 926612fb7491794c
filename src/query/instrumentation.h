/* instrumentation.h -- what the telemetry of a project says and what it leaves out (B14).
 *
 * Asked in four questions, each one pass over the store: the model calls with all conditions of
 * share.def, grouped by service, span name and version; the traces, by whether a request is their
 * root; the spans of each service; the names that emitters use.  Log records are counted besides.
 * From the answers a report is made, per service and in all, with its gaps, largest first.
 *
 * A model call is a span with step "model" that does not repeat another's usage.
 *
 * Memory:  everything lives in the arena; names borrow from the store's answers.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/query.h"

enum share {
#define SHARE(id, name, place, filter, trace_filter, sources, only, how) SHARE_##id,
#include "query/share.def"
#undef SHARE
    SHARE_COUNT
};

struct share_info {
    const char *name;
    bool is_shown; /* in the report; else for the stage alone */
    const char *filter, *trace_filter;
    uint32_t sources;
    const char *only;
    const char *how;
};
extern const struct share_info share_table[SHARE_COUNT];

enum { INSTRUMENTATION_GROUPS_MAX = 10000 };

/* What to ask the store; scopes but for the range are the caller's to fill. */
struct instrumentation_ask {
    struct store_shares calls, traces;
    struct store_aggregate spans, emitters;
    uint32_t limit; /* gaps of the report */
};
/* GET /api/v1/instrumentation: from to limit. */
MUST_CHECK enum err query_plan_instrumentation(struct arena *arena,
                                               const struct query_param *params, size_t count,
                                               int64_t now_ns, struct instrumentation_ask *ret_ask,
                                               struct diag *reterr_why);

/* What the store answered. */
struct instrumentation_found {
    const struct store_share_group *calls, *traces;
    size_t call_groups, trace_groups;
    const struct store_group *spans, *emitters;
    size_t span_groups, emitter_groups;
    const struct store_log_count *logs;
    size_t log_groups;
    int64_t made_ns;   /* when it was asked */
    bool has_unmapped; /* names are counted per project: a key bound to a tenant gets none */
    uint64_t unmapped_names, unmapped_count;
};
/* The whole report as JSON.  ERR_LIMIT. */
MUST_CHECK enum err query_instrumentation_json(struct buf *out, struct arena *arena,
                                               const struct instrumentation_ask *ask,
                                               const struct instrumentation_found *found,
                                               struct diag *reterr_why);
