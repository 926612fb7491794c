/* upkeep.h -- what is done with the data beside receiving and asking: rollups, and retention.
 *
 * A thread makes rollups of days that have come to rest, and once an hour, or when it is asked,
 * drops what has been kept long enough: content, previews, spans (with log records and metric
 * points, by whole UTC days), scores, rollups.  Each dropping is in the audit log before it is
 * done.
 *
 * A wrong clock must not take everything.  By itself it drops nothing when the clock is more than
 * UPKEEP_JUMP_NS past the last time that it looked (until the process has run for a day), and never
 * all spans that there are; whoever wants that says so (`force`).
 *
 * Memory:  one object; texts are copied.
 * Threads: its own, behind the others; upkeep_plan, upkeep_run and upkeep_status from any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "audit/audit.h"
#include "content/content.h"
#include "store/store.h"

#define UPKEEP_JUMP_NS (7 * INT64_C(86400) * NS_PER_S)
enum { UPKEEP_PROJECTS_MAX = 64 };

/* How long; 0: for ever. */
struct upkeep_policy {
    int64_t content_ns, previews_ns; /* by when they were written */
    int64_t spans_ns, scores_ns;
    int64_t rollups_ns; /* at least spans_ns */
    str projects;       /* "shop=30d,lab=7d": spans of these instead */
};

struct upkeep_config {
    const struct store_ops *store_ops;
    struct store *store;
    struct content_store *content;
    const char *audit_path; /* NULL: nothing is ever dropped */
    const char *clock_path; /* remembers when it last looked; NULL: nowhere */
    struct upkeep_policy policy;
    int64_t every_ns; /* between two looks */
    int64_t grace_ns; /* longer than any question takes */
};

struct upkeep;
/* ERR_BAD_INPUT: the policy is none. */
MUST_CHECK enum err upkeep_new(const struct upkeep_config *config, struct upkeep **ret_upkeep,
                               struct diag *reterr_why);
void upkeep_start(struct upkeep *upkeep);
/* After what it does now. */
void upkeep_stop(struct upkeep *upkeep);
void upkeep_free(struct upkeep *upkeep); /* NULL: nothing */

/* What would go now, and before when each kind does (INT64_MIN: never). */
struct upkeep_plan {
    int64_t now_ns;
    int64_t content_before_ns, previews_before_ns, spans_before_ns, scores_before_ns,
        rollups_before_ns;
    struct store_expired expired;
    bool is_all;     /* of all spans there are */
    bool has_jumped; /* the clock: see above */
};
MUST_CHECK enum err upkeep_plan(struct upkeep *upkeep, struct upkeep_plan *ret_plan,
                                struct diag *reterr_why);

/* Drop it.  `actor`: id of the key that asks.  ERR_CONFLICT: only with force, the hint says why;
 * ERR_BUSY: one is under way. */
MUST_CHECK enum err upkeep_run(struct upkeep *upkeep, str actor, bool force,
                               struct diag *reterr_why);

struct upkeep_status {
    bool is_running;
    uint64_t runs;
    enum err last_err; /* of the last run */
    int64_t last_ns;   /* when it ended; 0: there was none */
    /* by the run that is under way, or the last */
    uint64_t day_count, span_count, score_count, rollup_count, segment_count, disk_bytes;
};
void upkeep_status(const struct upkeep *upkeep, struct upkeep_status *ret_status);
