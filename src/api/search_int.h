/* search_int.h -- what the files of GET /api/v1/search share.
 *
 * Memory:  all of it in the job's arena.
 * Threads: the search thread of the pool.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "api/api_int.h"
#include "search/search.h"

enum { SEARCH_CHECKED_AT_ONCE = 100 };

/* Where a page ends: in what has not settled, by start, or in content. */
struct search_cursor {
    bool in_content;
    int64_t start_ns; /* of the last span shown that had not settled; INT64_MAX: none yet */
    struct id16 trace_id;
    struct id8 span_id;
    struct search_position below;
};

struct searching {
    struct api_job *job;
    struct search_query *query;
    struct store_list list; /* scope, filter, limit */
    struct search_cursor cursor;
    int64_t stop_ns; /* monotonic */
    uint32_t count;  /* hits written so far */
    bool is_done;    /* nothing is left */
    bool was_stopped, log_complete;
    int64_t stored_from_ns; /* INT64_MAX: not known */
    uint64_t bytes_read, bytes_left, unreadable;
};

/* One hit into the answer. */
void search_hit_json(struct searching *searching, const struct store_span *span,
                     enum content_role role, const struct search_snippet *snippet);
/* search_log.c: what has not settled. */
MUST_CHECK enum err search_log(struct searching *searching, struct diag *reterr_why);
/* search_check.c: spans of those hits that the key may see, in the range, that match the filter
 * and whose trace still points at the frame.  ret_spans[i] NULL: not to be shown. */
MUST_CHECK enum err search_check(struct searching *searching, const struct search_hit *hits,
                                 size_t count, const struct store_span **ret_spans,
                                 struct diag *reterr_why);
