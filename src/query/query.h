/* query.h -- from a question in text to a plan, and from rows to pages.
 *
 * The filter language (docs/filters.md has the grammar): comparisons of fields with
 * : = != < <= > >= ~, lists model:(a or b), has:field, and, or, not, ( ); side by side
 * means and; * is a wildcard in unquoted texts, name~/re/ a regular expression; numbers take units
 * (8s, 250ms, plain numbers are ms; dollars for money; now-1h for times).  A word or quoted text
 * alone matches part of the span's name or the beginning of a request, source or trace id. Unknown
 * names are attributes if quoted or dotted, else an error that suggests the nearest field.
 * score.NAME asks scores; any(...), parent(...), count(...)>3, sum(cost)>1, trace.cost>1 and their
 * like look at other spans of the trace.
 *
 * What a comparison with something unknown means, here and in every store: it is false,
 * != included, and `not` of it is therefore true.
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

enum {
    QUERY_TEXT_BYTES_MAX = 8192,
    QUERY_NODES_MAX = 256,
    QUERY_DEPTH_MAX = 32,
    QUERY_BEYOND_MAX = 16, /* conditions on scores and on other spans: each is a sub-query */
};

/* *ret_filter is NULL for an empty text.  ERR_BAD_INPUT: offset points at the
 * character, the hint names what was probably meant.  now_ns is for now-1h. */
MUST_CHECK enum err query_parse_filter(struct arena *arena, str text, int64_t now_ns,
                                       const struct filter **ret_filter, struct diag *reterr_why);
/* Text that parses to the same tree (filter NULL: nothing is written). */
void query_format_filter(struct buf *out, const struct filter *filter);
/* ERR_BAD_INPUT at the first condition that one span alone does not answer: on other spans of
 * its trace, on scores. */
MUST_CHECK enum err query_check_local(const struct filter *filter, struct diag *reterr_why);
/* Does the span match (filter NULL: yes)?  The filter is local.  For live tail; what stores do in
 * SQL means the same.  An attribute equals a text if it is that text, or a boolean or whole number
 * written so; < and > are for numbers; arrays and maps are only known or not. */
bool filter_matches(const struct filter *filter, const struct span *span);

/* ---- complete.c: GET /api/v1/complete ---- */

enum complete_wants { COMPLETE_NOTHING, COMPLETE_NAME, COMPLETE_VALUE };
/* What stands at a place of a filter that is being typed. */
struct query_completion {
    enum complete_wants wants;
    size_t from, to; /* bytes of the filter that an item replaces */
    str prefix;      /* what is typed of it; of a value without its opening quote */
    /* Of a value: whose. FIELD_COUNT twice: of the attribute, or of the score. */
    enum field field, other; /* other: where the name stands for two fields */
    str attr_key, score;
};
/* ERR_BAD_INPUT when `at` is past the end.  Half a filter is no error. */
MUST_CHECK enum err query_complete(struct arena *arena, str text, size_t at,
                                   struct query_completion *ret_completion,
                                   struct diag *reterr_why);
enum { QUERY_ITEMS_MAX = 250 };
struct query_item {
    str text;
    const char *kind; /* field alias attribute score function keyword operator value unit */
    const char *detail;
};
struct query_items {
    struct arena *arena;
    str prefix;
    struct query_item items[QUERY_ITEMS_MAX];
    size_t count;
};
/* The items that need no store: names, operators, units, true and false, times. */
void query_completion_known(const struct query_completion *completion, struct query_items *items);
/* When it begins like the prefix, is not there yet, and there is room. */
void query_completion_add(struct query_items *items, str text, const char *kind,
                          const char *detail);
/* A text as it is written in a filter; STR_NONE when the arena is spent. */
str query_quoted_if_needed(struct arena *arena, str text);

/* "now", "now-1h", RFC 3339, or epoch seconds / ms / ns by magnitude. */
MUST_CHECK enum err query_parse_time(str text, int64_t now_ns, int64_t *ret_ns,
                                     struct diag *reterr_why);

/* Parameters of a URL query, percent-decoded, + as a space. */
enum { QUERY_PARAMS_MAX = 32 };
struct query_param {
    str name;
    str value;
};
MUST_CHECK enum err query_parse_params(struct arena *arena, str query,
                                       struct query_param **ret_params, size_t *ret_count,
                                       struct diag *reterr_why);
/* The parameter of that name; STR_NONE when it is not there. */
str query_param_find(const struct query_param *params, size_t count, str name);
/* ERR_BAD_INPUT with the nearest name when a parameter is none of allowed[0..allowed_count),
 * or is given twice. */
MUST_CHECK enum err query_params_check(const struct query_param *params, size_t count,
                                       const char *const *allowed, size_t allowed_count,
                                       struct diag *reterr_why);

enum {
    QUERY_LIMIT_DEFAULT = 50,
    QUERY_LIMIT_MAX = 1000,
    QUERY_TRACE_SPANS_MAX = 10000,
    QUERY_STEP_ROWS_DEFAULT = 1000, /* rows of an aggregate with a step */
    QUERY_STEP_ROWS_MAX = 10000,
    QUERY_BUCKETS_MAX = 10000, /* range / step */
    QUERY_CURSOR_BYTES_MAX = 128,
};

/* What the plans leave to the caller: scope.project, scope.tenant, scope.deadline_ns. */

/* GET /api/v1/spans and /traces: q from to sort limit cursor.  Unknown parameters
 * are errors with a suggestion. limit: default 50, at most 1000. Default range: the last 24 h
 * (to: five minutes ahead, for senders whose clocks are). */
MUST_CHECK enum err query_plan_list(struct arena *arena, const struct query_param *params,
                                    size_t count, int64_t now_ns, struct store_list *ret_list,
                                    struct diag *reterr_why);
/* GET /api/v1/traces/{id}: limit cursor, of its spans, the oldest first. */
MUST_CHECK enum err query_plan_trace(const struct query_param *params, size_t count,
                                     struct store_list *ret_list, struct diag *reterr_why);
/* GET /api/v1/aggregate: metric (comma list) by (comma list) step q from to limit. */
MUST_CHECK enum err query_plan_aggregate(struct arena *arena, const struct query_param *params,
                                         size_t count, int64_t now_ns,
                                         struct store_aggregate *ret_aggregate,
                                         struct diag *reterr_why);
/* GET /api/v1/scores: trace_id span_id session_id name source from to limit cursor.  With a trace
 * or session the default range has no start. */
MUST_CHECK enum err query_plan_scores(const struct query_param *params, size_t count,
                                      int64_t now_ns, struct store_scores *ret_scores,
                                      struct diag *reterr_why);
/* Opaque text of the cursor after that row, to be given as cursor= with the same sort=.
 * It is checksummed, not secret: a page is scoped by the key that asks for it. */
str query_cursor_of_span(struct arena *arena, enum store_sort sort, const struct store_span *span);
str query_cursor_of_trace(struct arena *arena, enum store_sort sort, const struct trace_row *trace);
str query_cursor_of_score(struct arena *arena, const struct score *score);

/* JSON of the API (ARCHITECTURE section 13), one object each.  A span's `payload` has a
 * member per content role that is stored (null: its size is not known here); its `preview`,
 * `scores` and `events` are for the caller to serve by their own routes. */
void query_score_json(struct buf *out, const struct store_score *row);
void query_span_json(struct buf *out, const struct store_span *row);
void query_trace_json(struct buf *out, const struct trace_row *trace);
/* The 18 keys of REQUIREMENTS A91, exactly. */
void query_summary_json(struct buf *out, const struct trace_row *trace);
/* The whole answer: {"items":[{time,by{},values{},exemplar_trace_id}],"next_cursor":null,
 * "metrics":[...],"by":[...],"step_ms":n|null}. */
void query_groups_json(struct buf *out, const struct store_aggregate *aggregate,
                       const struct store_group *groups, size_t count);
