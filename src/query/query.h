/* query.h -- from a question in text to a plan, and from rows to pages.
 *
 * Filter language (first part; ARCHITECTURE section 6): field comparisons with
 * : = != < <= > >=, and, or, not, ( ); juxtaposition means and; * is a wildcard in
 * texts; has:field; numbers take units (8s, 250ms for durations, plain numbers are
 * ms; dollars for money); `op:` matches operation or step.  Unknown names are
 * attributes if quoted or dotted, else an error that suggests the nearest field.
 *
 * Memory:  results live in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/filter.h"
#include "store/store.h"

enum { QUERY_TEXT_BYTES_MAX = 8192, QUERY_NODES_MAX = 256, QUERY_DEPTH_MAX = 32 };

/* *ret_filter is NULL for an empty text.  ERR_BAD_INPUT: offset points at the
 * character, the hint names what was probably meant. */
MUST_CHECK enum err query_parse_filter(struct arena *arena, str text,
                                       const struct filter **ret_filter, struct diag *reterr_why);
/* "now", "now-1h", RFC 3339, or epoch seconds / ms / ns by magnitude. */
MUST_CHECK enum err query_parse_time(str text, int64_t now_ns, int64_t *ret_ns,
                                     struct diag *reterr_why);

/* Parameters of a URL query, percent-decoded. */
struct query_param {
    str name;
    str value;
};
MUST_CHECK enum err query_parse_params(struct arena *arena, str query,
                                       struct query_param **ret_params, size_t *ret_count,
                                       struct diag *reterr_why);

/* GET /api/v1/spans and /traces: q from to sort limit cursor.  Unknown parameters
 * are errors with a suggestion. limit: default 50, at most 1000. Default range: the last 24 h. */
MUST_CHECK enum err query_plan_list(struct arena *arena, const struct query_param *params,
                                    size_t count, int64_t now_ns, struct store_list *ret_list,
                                    struct diag *reterr_why);
/* GET /api/v1/aggregate: metric (comma list) by (comma list) step q from to limit. */
MUST_CHECK enum err query_plan_aggregate(struct arena *arena, const struct query_param *params,
                                         size_t count, int64_t now_ns,
                                         struct store_aggregate *ret_aggregate,
                                         struct diag *reterr_why);
/* Opaque text of the cursor after that row, to be given as cursor=. */
str query_cursor_of_span(struct arena *arena, enum store_sort sort, const struct store_span *span);
str query_cursor_of_trace(struct arena *arena, enum store_sort sort, const struct trace_row *trace);

/* JSON of the API (ARCHITECTURE section 13). */
void query_span_json(struct buf *out, const struct store_span *span);
void query_trace_json(struct buf *out, const struct trace_row *trace);
/* The 18 keys of REQUIREMENTS A91, exactly. */
void query_summary_json(struct buf *out, const struct trace_row *trace);
void query_groups_json(struct buf *out, const struct store_aggregate *aggregate,
                       const struct store_group *groups, size_t count);
