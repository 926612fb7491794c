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
/* The same about metric points: every name is an attribute's, whatever spans call it, but
 * `service`.  Tests of attributes and service alone. */
MUST_CHECK enum err query_parse_point_filter(struct arena *arena, str text, int64_t now_ns,
                                             const struct filter **ret_filter,
                                             struct diag *reterr_why);
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
enum query_kind {
    QUERY_KIND_COUNT,    /* a whole number */
    QUERY_KIND_NUMBER,   /* any */
    QUERY_KIND_SHARE,    /* 0 to 1 */
    QUERY_KIND_NANO,     /* nano-dollars, shown as dollars */
    QUERY_KIND_NS,       /* nanoseconds, shown as ms */
    QUERY_KIND_TIME,     /* nanoseconds since 1970 */
    QUERY_KIND_COUNT_OF, /* how many there are */
};
/* How the value of a metric is made of its measures (metric.def). */
enum query_combine {
    QUERY_COMBINE_ONE,
    QUERY_COMBINE_RATIO,
    QUERY_COMBINE_COMPLEMENT,
    QUERY_COMBINE_DIFFERENCE,
    QUERY_COMBINE_PER_NS,
    QUERY_COMBINE_PER_SECOND,
    QUERY_COMBINE_PER_DAY,
};
struct query_metric {
    str name, json; /* in metric=; in the answer */
    enum query_kind kind;
    enum query_combine combine;
    uint32_t top, bottom, unknown; /* places in ask.measures */
    bool has_unknown;
};
enum query_compare {
    QUERY_COMPARE_NONE,
    QUERY_COMPARE_RANGE,  /* baseline.range, of the same length or not */
    QUERY_COMPARE_VALUES, /* of one field: ask.filter and baseline.filter have the values */
    QUERY_COMPARE_SINCE,  /* before and after the first span of `since` */
};
enum { QUERY_METRICS_MAX = 32, QUERY_TOP_MAX = 100 };
struct query_aggregate {
    struct store_aggregate ask;
    struct query_metric metrics[QUERY_METRICS_MAX];
    uint32_t metric_count;
    int64_t now_ns;
    enum query_compare compare;
    struct time_range baseline_range;
    const struct filter *baseline_filter, *since;
    uint32_t top;                 /* 0: no; else so many groups, and the rest as `other` */
    bool projection;              /* to the end of the month */
    struct store_sources sources; /* of all its questions, when they are answered */
};
/* GET /api/v1/aggregate: metric (comma list) by (comma list) step q from to limit compare top
 * projection exact.  *ret_plan stays where it is while it is asked: `sources` is filled in.
 * compare: previous, FROM..TO, FIELD:A..B (B against A), FIELD:A (after its first span against as
 * long before). */
MUST_CHECK enum err query_plan_aggregate(struct arena *arena, const struct query_param *params,
                                         size_t count, int64_t now_ns,
                                         struct query_aggregate *ret_plan, struct diag *reterr_why);
/* Aggregates with a name (view.def): what they are by, of which spans, their numbers. */
enum query_view {
#define VIEW(id, by, filter, metrics) QUERY_VIEW_##id,
#include "query/view.def"
#undef VIEW
};
/* A table: as query_plan_aggregate, with the view's metric= and by= where none is given. */
MUST_CHECK enum err query_plan_table(struct arena *arena, enum query_view view,
                                     const struct query_param *params, size_t count, int64_t now_ns,
                                     struct query_aggregate *ret_plan, struct diag *reterr_why);
/* A list of known keys: q from to sort limit cursor, sort one of the view's metrics. */
MUST_CHECK enum err query_plan_keys(struct arena *arena, enum query_view view,
                                    const struct query_param *params, size_t count, int64_t now_ns,
                                    struct query_aggregate *ret_plan, struct diag *reterr_why);
/* One key of a list, with all its numbers: from to. */
struct query_key {
    enum query_view view;
    str key;
};
MUST_CHECK enum err query_plan_key(struct arena *arena, const struct query_key *key,
                                   const struct query_param *params, size_t count, int64_t now_ns,
                                   struct query_aggregate *ret_plan, struct diag *reterr_why);
/* GET /api/v1/compare: by (one field; default prompt_version) a b score (comma list) q from to. */
enum { QUERY_SCORES_MAX = 4, QUERY_COMPARED_MAX = 16 };
struct query_compare_plan {
    struct query_aggregate groups;
    str a, b;
    str scores[QUERY_SCORES_MAX];
    uint32_t score_count;
};
MUST_CHECK enum err query_plan_compare(struct arena *arena, const struct query_param *params,
                                       size_t count, int64_t now_ns,
                                       struct query_compare_plan *ret_plan,
                                       struct diag *reterr_why);
/* The whole answer; docs/metrics.md says what the tests are. */
void query_compare_json(struct buf *out, const struct query_compare_plan *plan,
                        const struct store_group *groups, size_t count);
/* Opaque text of the place behind that group, for the same view and sort. */
str query_cursor_of_group(struct arena *arena, const struct query_aggregate *plan,
                          const struct store_group *group);
/* What is asked to find the first span of QUERY_COMPARE_SINCE: its one measure is the time. */
void query_plan_since(const struct query_aggregate *plan, struct store_aggregate *ret_ask);
/* Into the plan: the range is split at first_ns. */
void query_plan_split(struct query_aggregate *plan, int64_t first_ns);
/* The baseline of a plan that compares. */
void query_plan_baseline(const struct query_aggregate *plan, struct store_aggregate *ret_ask);
/* With `top`: the groups alone (is_rest false), or all spans of none of them as one group. */
MUST_CHECK enum err query_plan_top(struct arena *arena, const struct query_aggregate *plan,
                                   const struct store_group *groups, size_t count, bool is_rest,
                                   struct store_aggregate *ret_ask);
/* The value of a metric of a group of `ask`; false: unknown. */
bool query_metric_value(const struct query_aggregate *plan, const struct store_aggregate *ask,
                        const struct store_group *group, uint32_t metric, double *ret_value);

/* What a month will come to, by its days so far (projection.c): low and high hold it with 90 %. */
struct query_projection {
    bool is_known;
    double spent, expected, low, high;
    uint32_t day_count; /* whole days that it was computed of */
    bool has_weekdays;
};
enum { QUERY_PROJECTION_DAYS = 56 };
/* days[0..count): whole days up to yesterday, oldest first, of which days[0] is weekday
 * first_weekday (0 to 6); today so far, and its share that is over; days of the month still to
 * come; what the month has so far, today included. */
struct query_days {
    const double *days;
    size_t count;
    uint32_t first_weekday, days_left;
    double today_over, month_so_far;
};
void query_project(const struct query_days *days, struct query_projection *ret_projection);
/* The daily numbers to ask a store for: metrics that are sums or counts, by UTC days. */
void query_plan_days(const struct query_aggregate *plan, struct store_aggregate *ret_ask);
/* Of the answer to that. */
void query_project_metric(const struct query_aggregate *plan, const struct store_group *days,
                          size_t count, uint32_t metric, struct query_projection *ret_projection);

/* GET /api/v1/scores: trace_id span_id session_id name source from to limit cursor.  With a trace
 * or session the default range has no start. */
MUST_CHECK enum err query_plan_scores(const struct query_param *params, size_t count,
                                      int64_t now_ns, struct store_scores *ret_scores,
                                      struct diag *reterr_why);
/* GET /api/v1/events: kind service trace_id session_id from to limit cursor; likewise. */
MUST_CHECK enum err query_plan_events(const struct query_param *params, size_t count,
                                      int64_t now_ns, struct store_scores *ret_scores,
                                      struct diag *reterr_why);
/* GET /api/v1/logs: q trace_id severity text from to limit cursor.  With a trace the default range
 * has no start.  severity: a name (warn) or OTLP's number, and what is worse; q may ask for
 * service, trace, span, start, name (of the event) and attributes. */
MUST_CHECK enum err query_plan_logs(struct arena *arena, const struct query_param *params,
                                    size_t count, int64_t now_ns, struct store_log_list *ret_list,
                                    struct diag *reterr_why);
/* Opaque text of the cursor after that row, to be given as cursor= with the same sort=.
 * It is checksummed, not secret: a page is scoped by the key that asks for it. */
str query_cursor_of_span(struct arena *arena, enum store_sort sort, const struct store_span *span);
str query_cursor_of_trace(struct arena *arena, enum store_sort sort, const struct trace_row *trace);
str query_cursor_of_score(struct arena *arena, const struct score *score);
str query_cursor_of_log(struct arena *arena, const struct log_record *log);

/* JSON of the API (ARCHITECTURE section 13), one object each.  A span's `payload` has a
 * member per content role that is stored (null: its size is not known here); its `preview`,
 * `scores` and `events` are for the caller to serve by their own routes. */
/* `body` is what its row has of it, redacted: the first LOG_BODY_BYTES of a text, and of JSON as
 * text. */
void query_log_json(struct buf *out, struct arena *arena, const struct store_log *row);
void query_score_json(struct buf *out, const struct store_score *row);
void query_event_json(struct buf *out, const struct store_score *row);
void query_span_json(struct buf *out, const struct store_span *row);
void query_trace_json(struct buf *out, const struct trace_row *trace);
/* The root is a bare model call: what the user asked for was not traced (B5). */
bool query_is_partial(str root_step);
/* The 18 keys of REQUIREMENTS A91, exactly. */
void query_summary_json(struct buf *out, const struct trace_row *trace);
/* An aggregate's answer.  baselines[i] belongs to groups[i] (NULL: there is none). */
struct query_answer {
    const struct store_aggregate *ask; /* that `groups` answer */
    const struct store_group *groups;
    size_t count;
    const struct store_aggregate *baseline_ask; /* NULL: nothing is compared */
    const struct store_group *const *baselines;
    const struct store_group *others;
    size_t other_count;
    const struct query_projection *projections; /* per metric; NULL: none */
    const struct store_score *markers;          /* with a step: deploys of the range */
    size_t marker_count;
};
/* {"items":[{time,by{},values{},unknown{},exemplar_trace_id}],"next_cursor":null,
 * "metrics":[...],"by":[...],"step_ms":n|null,...}: docs/metrics.md. */
void query_answer_json(struct buf *out, const struct query_aggregate *plan,
                       const struct query_answer *answer);
/* The members of one row of a list: "session_id":"x","cost_usd":1.5,...,"exemplar_trace_id":"...".
 */
void query_key_json(struct buf *out, const struct query_aggregate *plan,
                    const struct store_group *group);
/* "values":{...} of a group, with its braces only. */
void query_values_json(struct buf *out, const struct query_aggregate *plan,
                       const struct store_aggregate *ask, const struct store_group *group);
