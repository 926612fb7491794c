/* report.h -- what reports of several questions share: questions within what a request asks, and
 * JSON members.
 *
 * A report is made of a few aggregates of the same spans (q=, from=, to=), asked by the API one
 * after another, and of what is computed of their groups.
 *
 * Memory:  plans live in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/query.h"

struct report_request {
    const struct query_param *params; /* of which q, from, to and compare are looked at */
    size_t count;
    int64_t now_ns;
};
struct report_part {
    const char *metrics;
    const char *by;      /* NULL: one group */
    const char *filter;  /* and q=; NULL: q= alone */
    const char *compare; /* as compare=; NULL: nothing */
    const char *step;    /* as step=; NULL: none */
    uint32_t limit;      /* 0: the default */
};
/* One question of a report.  Errors name the request's parameter. */
MUST_CHECK enum err report_plan(struct arena *arena, const struct report_request *request,
                                const struct report_part *part, struct query_aggregate *ret_plan,
                                struct diag *reterr_why);

/* Members of an object that is open: each writes its comma. */
void report_member(struct buf *out, const char *name);
void report_text(struct buf *out, const char *name, str text); /* STR_NONE: null */
void report_word(struct buf *out, const char *name, const char *word);
void report_count(struct buf *out, const char *name, uint64_t value);
void report_bool(struct buf *out, const char *name, bool value);
void report_value(struct buf *out, const char *name, enum query_kind kind, const double *value);
void report_time(struct buf *out, const char *name, int64_t time_ns);
void report_trace_id(struct buf *out, const char *name, struct id16 id); /* zero: null */
void report_range(struct buf *out, const char *name, const struct time_range *range);
/* A text as a value in a URL's query. */
void report_url_value(struct buf *out, str text);
