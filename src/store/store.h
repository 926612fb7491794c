/* store.h -- where spans become questions' answers: lean columns, no prompt text.
 *
 * Two stages, like the data: `append` makes spans visible as they come
 * (unsettled, in memory); `commit` makes traces final: drain hands over the
 * merged spans and the trace's own row, and they replace what was there, on
 * disk, together with the log sequence up to which everything is stored.  A
 * crash loses nothing: the log is read again after that sequence, and a
 * commit of the same trace gives the same rows.
 *
 * Implementations: store_memory (the reference), store_duckdb (one file per UTC
 * day behind an in-memory hot table).  tests/unit/store/test_contract.c holds for all.
 *
 * Isolation: every question names exactly one project (and maybe one tenant);
 * implementations add that condition themselves, it is not part of the filter.
 *
 * Memory:  arguments are borrowed for the call; answers live in the given arena.
 * Threads: append, commit and known from one thread (drain); questions from any
 *          thread, at the same time, without waiting for a write to end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/filter.h"
#include "model/record.h"

struct store;

struct store_config {
    const char *dir;         /* NULL: nothing on disk */
    size_t memory_bytes_max; /* the engine's cache, default 512 MiB */
    uint32_t threads_max;    /* for questions */
    /* Settled traces are visible at once, but may wait that long in memory (or for
     * another row group to be full) before they are on disk: status says from
     * where the log is still needed.  0: each commit is durable when it returns.
     * A commit of nothing lets the store look at the clock. */
    int64_t gather_ns;
    /* Rollups are made of a day whose spans have not changed for so long. */
    int64_t roll_quiet_ns;
    /* Percentiles of so many spans at most are exact, where these are stored; 0: 2,000,000. */
    uint64_t exact_spans_max;
    /* Finer rollups of a day are kept if they have so few rows, or far fewer than it has spans; 0:
     * 20,000. */
    uint64_t roll_rows_few;
    /* What began longer ago when it comes is filed with the day on which it comes, so that it is
     * kept as long as what is new; 0: never. */
    int64_t spans_keep_ns;
};

enum { TRACE_CONTENT_MAX = 8, TRACE_MODELS_MAX = 8 };

struct trace_content {
    uint64_t segment;
    uint32_t offset, len;
};

/* A whole trace: totals by the aggregation rule (DECISIONS 8), and the
 * dimensions that its root gives to all its spans.  Absent texts are STR_NONE. */
struct trace_row {
    struct id16 trace_id;
    str project;
    int64_t start_ns, end_ns;
    struct id8 root_span_id; /* zero: no root was seen */
    str root_name, root_step, service, endpoint;
    str status; /* of the root: unset, ok, error */
    uint32_t span_count, error_count, model_call_count, tool_call_count, retry_count;
    bool has_input, has_output; /* false: those tokens are unknown, not 0 */
    int64_t input_tokens, output_tokens;
    bool has_cost; /* false: cost unknown */
    int64_t cost_nanousd;
    uint32_t unpriced_count; /* model calls with unknown cost */
    int64_t ttft_ns;         /* of the last answering call; -1 unknown */
    str tenant_id, user_id, session_id, feature, environment, release, request_id;
    str provider, generator_model, prompt_version, prompt_template_id,
        prompt_hash;              /* last answering call */
    str retriever, index_version; /* of the last retrieval */
    int64_t top_k_returned;       /* -1 unknown */
    struct strs source_ids;
    int safety_blocked, eval_sampled; /* 1, 0, -1 unknown */
    double faithfulness;              /* NaN unknown */
    bool settled;
    struct trace_content content[TRACE_CONTENT_MAX];
    uint32_t content_count;
};

/* A span as it comes (append) or as it is final (commit). */
struct store_span {
    struct span span;     /* parts[] is ignored, attrs[] are kept */
    uint32_t log_segment; /* where its batch lies in the log, until it is settled */
    uint32_t log_offset;
    uint32_t log_index; /* of the span in its batch */
    bool settled;
    uint32_t content_roles; /* bit per enum content_role that has content */
    str attrs_json;         /* in answers: attrs[] as one JSON object */
};

struct store_commit {
    const struct trace_row *traces;
    const struct store_span *const *spans; /* spans[i]: span_counts[i] final spans of traces[i] */
    const uint32_t *span_counts;
    size_t trace_count;
    const struct log_record *logs; /* body_json is ignored */
    const str *log_projects;
    size_t log_count;
    const struct metric_point *metrics;
    const str *metric_projects;
    size_t metric_count;
    const struct score *scores; /* one of an id that is stored replaces it */
    const str *score_projects;
    size_t score_count;
    uint64_t checkpoint_sequence; /* everything up to here is in this commit or stored */
    uint64_t items_sequence;      /* log records and metric points are stored up to here */
    bool much_waits;              /* for it to be durable: a store that gathers is to gather less */
};

/* What a question may see. */
struct store_scope {
    str project; /* required */
    str tenant;  /* STR_NONE: all tenants of the project */
    struct time_range range;
    int64_t deadline_ns; /* clock_monotonic_ns; 0: none.  Past it: ERR_DEADLINE */
};

enum store_sort {
    STORE_SORT_START, /* newest first; the default */
    STORE_SORT_LATENCY,
    STORE_SORT_COST,
    STORE_SORT_TOKENS,
    STORE_SORT_OLDEST, /* by minus the start: the other way round */
};

struct store_list {
    struct store_scope scope;
    const struct filter *filter; /* NULL: all */
    enum store_sort sort;        /* all of them descending, ties by start, then id */
    uint32_t limit;
    /* Keyset cursor: continue after this row; has_after false on the first page. */
    bool has_after;
    int64_t after_value; /* of the sort key (start ns, latency ns, nano-dollars, tokens,
                            minus start ns; unknown = -1) */
    int64_t after_start_ns;
    struct id16 after_trace_id;
    struct id8 after_span_id;
};

/* What is computed of the spans of a group. */
enum store_op {
    STORE_OP_COUNT,    /* spans; of a number: those that know it; of a list: its items */
    STORE_OP_TRACES,   /* distinct traces */
    STORE_OP_DISTINCT, /* distinct known values of a field that can be grouped by */
    STORE_OP_SUM,
    STORE_OP_MIN,
    STORE_OP_MAX,
    STORE_OP_VARIANCE, /* of a sample; no value for fewer than two */
    STORE_OP_QUANTILE, /* exact: the smallest value that a share `quantile` does not exceed */
    STORE_OP_COUNT_OF, /* how many there are; none itself */
};
enum store_of {
    STORE_OF_SPANS,  /* nothing more: COUNT, TRACES */
    STORE_OF_FIELD,  /* a field: numbers, booleans as 0 and 1, F64S by its items; DISTINCT: any that
                        can be grouped by */
    STORE_OF_ATTR,   /* the attribute `name`, where it is a number */
    STORE_OF_END,    /* start and duration */
    STORE_OF_BUCKET, /* nano-dollars of the usage bucket `name` */
    STORE_OF_SCORES, /* values of the scores `name` (STR_NONE: of all names); COUNT: the scores */
};
/* A score passes by a value of 0.5 or more, or, without a value, by a label that says so
 * (score_verdict); with other values and labels it fails. */
enum store_verdict { STORE_VERDICT_ANY, STORE_VERDICT_PASS, STORE_VERDICT_FAIL };
enum store_verdict score_verdict(const struct score *score);

/* One number of a group.  `filter` narrows the spans of this number alone (not of scores).
 * A score belongs to the spans that it names: by span and trace, else by trace, span, response
 * or session, the first that it has; it counts once in each group that has one of them.
 * Without a trace its tenant must be the scope's, where that has one. */
struct store_measure {
    enum store_op op;
    enum store_of of;
    enum field field;
    str name;
    double quantile; /* 0 to 1 */
    const struct filter *filter;
    bool is_evaluated; /* only spans of traces that a score names, other than a user's */
    enum store_verdict verdict;
    uint32_t sources; /* of scores: bit per enum score_source; 0: all */
};
enum { STORE_BY_MAX = 4, STORE_MEASURES_MAX = 64 };
/* By which number groups are ordered: measures[0], or it and measures[1]. */
enum store_order { STORE_ORDER_VALUE, STORE_ORDER_RATIO, STORE_ORDER_DIFFERENCE };

/* Of what an answer was made: bits. */
enum store_source {
    STORE_FROM_SPANS = 1,
    STORE_FROM_MINUTES = 2, /* rollups */
    STORE_FROM_HOURS = 4,
    STORE_FROM_DAYS = 8,
};
struct store_sources {
    uint32_t tables;       /* bits of enum store_source */
    bool is_approximate;   /* percentiles are from bins: at most 1 % off */
    int64_t spans_from_ns; /* before it spans of the range have expired; INT64_MIN: none has */
};

struct store_aggregate {
    struct store_scope scope;
    const struct filter *filter;
    struct store_measure measures[STORE_MEASURES_MAX];
    uint32_t measure_count;
    enum field by[STORE_BY_MAX]; /* text, boolean or integer fields; FIELD_COUNT: attribute */
    str by_attr[STORE_BY_MAX];
    uint32_t by_count;
    int64_t step_ns; /* 0: one bucket; else buckets aligned to multiples of it since 1970 */
    uint32_t limit;  /* rows, largest first (by time, then that, with a step), ties by by[] */
    enum store_order order;
    bool only_known; /* groups whose first by[] is known */
    /* Continue after this group: one known by[], no step.  Its place by `order`. */
    bool has_after;
    bool after_known;
    double after_value;
    str after_by;
    bool of_spans;                 /* alone: not of rollups */
    struct store_sources *sources; /* NULL, or what is added to */
};
struct store_group {
    int64_t bucket_ns;
    str by[STORE_BY_MAX];              /* STR_NONE: unknown */
    bool known[STORE_MEASURES_MAX];    /* by position in measures[]: false = no value */
    double values[STORE_MEASURES_MAX]; /* in the unit of the field: ns, nano-dollars */
    struct id16 exemplar_trace_id;     /* a trace behind the number (the slowest span's) */
};

struct store_log {
    struct log_record log;
    str attrs_json; /* the first bytes of its body are attribute LOG_BODY_ATTR (pipeline/held.c) */
};

/* Which log records: all conditions that are given.  One of a trace that the scope's tenant
 * has no span of is not his; one without a trace is the project's alone. */
struct store_log_list {
    struct store_scope scope;
    bool has_trace_id;
    struct id16 trace_id;
    int32_t severity_min; /* OTLP number; 0: any, those of unknown severity too */
    str text;             /* its body has this part, byte for byte; STR_NONE: any */
    /* Asked of the record seen as a span: trace_id, span_id, service, start_time, name (the
     * event's) and its attributes; NULL: all. */
    const struct filter *filter;
    uint32_t limit;
    /* Newest first, ties by id; continue after this one. */
    bool has_after;
    int64_t after_time_ns;
    struct id8 after_id;
};
struct store_log_count {
    str service; /* empty: unknown */
    uint64_t count, unstructured_count;
};

/* Metric points of one name that senders sent.  They have no tenant: a scope with one sees none. */
struct store_points {
    struct store_scope scope; /* range: of the points' own time */
    str name;
    /* Asked of the point seen as a span: service, name, start_time and its attributes; NULL: all.
     */
    const struct filter *filter;
    uint32_t limit; /* more of them, before the filter: ERR_LIMIT */
};
struct store_point {
    struct metric_point point; /* attrs[] are empty */
    str attrs_json;            /* STR_NONE: none */
};
/* What there is of one name, kind and service; a name has one of these or more. */
struct store_point_name {
    struct metric_point of; /* name, unit, service, type, temporality, is_monotonic */
    uint64_t count;
    int64_t first_ns, last_ns;
    str attrs_json; /* of the newest of them */
};

enum { STORE_CONDITIONS_MAX = 24, STORE_SHARES_BY_MAX = 5 };

/* Holds of a span for which one of the first three holds, and `only` too. */
struct store_condition {
    const struct filter *filter;       /* of the span itself; NULL: never */
    const struct filter *trace_filter; /* of some span of its trace in the range; NULL: never */
    /* Bits by enum score_source: a score by one of these names its trace alone, the span, the
     * span above it, its response or its session.  Whenever it was given. */
    uint32_t score_sources;
    const struct filter *only; /* of the span itself; NULL: any */
};
/* In one pass: how many spans there are, and for how many of them each condition holds. */
struct store_shares {
    struct store_scope scope;
    bool of_traces; /* not of spans but of rows of traces: `filter` of a condition is asked of the
                     * row alone, of its columns; the other two are not possible */
    const struct filter *filter;        /* which spans; NULL: all */
    enum field by[STORE_SHARES_BY_MAX]; /* dictionary texts */
    uint32_t by_count;
    const struct store_condition *conditions;
    uint32_t condition_count;
    uint32_t limit; /* groups, most spans first */
};
struct store_share_group {
    str by[STORE_SHARES_BY_MAX]; /* STR_NONE: unknown */
    uint64_t count;
    uint64_t holds[STORE_CONDITIONS_MAX];    /* of them */
    struct id16 lacks[STORE_CONDITIONS_MAX]; /* where holds < count: the newest trace with a gap */
    int64_t first_ns, last_ns;               /* starts */
};

/* Which scores: all conditions that are given. */
struct store_scores {
    struct store_scope scope; /* range: of the scores' own time */
    bool has_trace_id;
    struct id16 trace_id;
    const str *response_ids; /* or of one of these responses: of spans of that trace */
    size_t response_id_count;
    const struct id8 *span_ids; /* or of one of these spans, where the score names no trace */
    size_t span_id_count;
    bool has_span_id;
    struct id8 span_id;
    str session_id, name; /* STR_NONE: any */
    uint32_t sources;     /* bits of enum score_source; 0: SCORE_SOURCES_OF_ANSWERS */
    bool has_score_id;
    struct id16 score_id;
    uint32_t limit;
    /* Newest first, ties by id; continue after this one. */
    bool has_after;
    int64_t after_time_ns;
    struct id16 after_id;
};
struct store_score {
    struct score score; /* attrs[] are empty */
    str attrs_json;
};

enum store_sql_format { STORE_SQL_JSON, STORE_SQL_JSONL, STORE_SQL_CSV };
/* A statement of a user, over the tables of docs/sql.md. */
struct store_sql {
    struct store_scope scope; /* range: of each table's own time */
    str statement;
    enum store_sql_format format;
    uint64_t rows_max, bytes_max; /* of the answer; what is past them is left out */
    uint64_t memory_bytes_max;    /* that it may take; over it ERR_LIMIT */
    int64_t time_ns;              /* that it may take; over it ERR_DEADLINE */
};
struct store_sql_answer {
    uint64_t row_count;
    bool truncated; /* there are more rows */
};

/* What may go: of a project, or (STR_NONE, the first of them) of all that are not named.  What
 * began before these times; INT64_MIN: nothing.  Log records and metric points go with spans. */
struct store_keep {
    str project;
    int64_t spans_before_ns, scores_before_ns;
    int64_t rollups_before_ns; /* not later than spans_before_ns */
};
enum { STORE_KEEPS_MAX = 256 };
struct store_expiry {
    const struct store_keep *keeps;
    size_t keep_count;
    bool is_plan;     /* only say what would go */
    int64_t grace_ns; /* files stay so long for questions that are still at them */
};
/* Added to. */
struct store_expired {
    uint64_t day_count; /* of which nothing stays but rollups */
    uint64_t span_count, trace_count, log_count, metric_count, score_count, rollup_count;
    uint64_t disk_bytes; /* of these days' files; other rows free room inside files */
    int64_t to_ns;       /* the end of the newest day that goes; INT64_MIN: none does */
    bool more;           /* call again: it goes by a day at a time */
};

struct store_status {
    uint64_t span_count, trace_count, unsettled_count, log_count, metric_count, score_count;
    uint64_t disk_bytes, memory_bytes;
    uint64_t checkpoint_sequence; /* durable: the log before it may go */
    uint64_t items_sequence;      /* of the same commit: replay skips logs and metrics before it */
    uint32_t day_count;
};

struct store_ops {
    const char *name;
    MUST_CHECK enum err (*open)(const struct store_config *config, struct store **ret_store,
                                struct diag *reterr_why);
    void (*close)(struct store *store);
    MUST_CHECK enum err (*append)(struct store *store, const struct store_span *spans, size_t count,
                                  struct diag *reterr_why);
    MUST_CHECK enum err (*commit)(struct store *store, const struct store_commit *commit,
                                  struct diag *reterr_why);
    /* ret_known[i]: a settled trace with that project and id is stored. */
    MUST_CHECK enum err (*known)(struct store *store, const str *projects,
                                 const struct id16 *trace_ids, size_t count, bool *ret_known,
                                 struct diag *reterr_why);
    MUST_CHECK enum err (*spans)(struct store *store, const struct store_list *list,
                                 struct arena *arena, struct store_span **ret_spans,
                                 size_t *ret_count, struct diag *reterr_why);
    /* A trace matches when its own row does; a condition on a field that a trace
     * row does not have matches when some span of it does. */
    MUST_CHECK enum err (*traces)(struct store *store, const struct store_list *list,
                                  struct arena *arena, struct trace_row **ret_traces,
                                  size_t *ret_count, struct diag *reterr_why);
    MUST_CHECK enum err (*aggregate)(struct store *store, const struct store_aggregate *aggregate,
                                     struct arena *arena, struct store_group **ret_groups,
                                     size_t *ret_count, struct diag *reterr_why);
    /* Log records of one trace, by time. */
    MUST_CHECK enum err (*logs)(struct store *store, const struct store_scope *scope,
                                struct id16 trace_id, struct arena *arena,
                                struct store_log **ret_logs, size_t *ret_count,
                                struct diag *reterr_why);
    MUST_CHECK enum err (*log_list)(struct store *store, const struct store_log_list *ask,
                                    struct arena *arena, struct store_log **ret_logs,
                                    size_t *ret_count, struct diag *reterr_why);
    /* Log records of the project in the range, by service.  A scope with a tenant counts none:
     * they are not told apart by tenant. */
    MUST_CHECK enum err (*log_counts)(struct store *store, const struct store_scope *scope,
                                      struct arena *arena, struct store_log_count **ret_counts,
                                      size_t *ret_count, struct diag *reterr_why);
    /* By time. */
    MUST_CHECK enum err (*points)(struct store *store, const struct store_points *ask,
                                  struct arena *arena, struct store_point **ret_points,
                                  size_t *ret_count, struct diag *reterr_why);
    MUST_CHECK enum err (*point_names)(struct store *store, const struct store_scope *scope,
                                       struct arena *arena, struct store_point_name **ret_names,
                                       size_t *ret_count, struct diag *reterr_why);
    MUST_CHECK enum err (*shares)(struct store *store, const struct store_shares *ask,
                                  struct arena *arena, struct store_share_group **ret_groups,
                                  size_t *ret_count, struct diag *reterr_why);
    /* A tenant sees scores that its own keys gave, and those of a trace of its own. */
    MUST_CHECK enum err (*scores)(struct store *store, const struct store_scores *ask,
                                  struct arena *arena, struct store_score **ret_scores,
                                  size_t *ret_count, struct diag *reterr_why);
    /* Read-only SQL.  Appends to `out`: for JSON "columns":[...],"rows":[[...]] without the
     * braces, for the others all of it.  ERR_BAD_INPUT: not a statement, or not one for users,
     * with the engine's message and the place; ERR_UNSUPPORTED: this store has no SQL. */
    MUST_CHECK enum err (*sql)(struct store *store, const struct store_sql *ask, struct buf *out,
                               struct store_sql_answer *ret_answer, struct diag *reterr_why);
    /* Makes rollups of one day that has changed and is quiet now, beside readers and drain, for
     * seconds.  *ret_more: there may be another.  Aggregates say the same before and after, but
     * that percentiles over many spans become approximate. */
    MUST_CHECK enum err (*roll)(struct store *store, bool *ret_more, struct diag *reterr_why);
    /* Drops what may go of one whole UTC day, the oldest that has such, or, after all days, of
     * scores and rollups.  Rollups of a day are made before its spans go; what comes later of that
     * project and day is filed with the spans of the day on which it comes. */
    MUST_CHECK enum err (*expire)(struct store *store, const struct store_expiry *expiry,
                                  struct store_expired *expired, struct diag *reterr_why);
    void (*status)(struct store *store, struct store_status *ret_status);
};

/* Fields that a trace's own row has. */
bool trace_has_field(enum field field);

/* store_duckdb runs a statement in a process of its own, which is this program again: main()
 * calls this first.  False: it is not that process.  Else it does not return. */
bool store_sql_child(int argc, char **argv);

extern const struct store_ops store_memory;
extern const struct store_ops store_duckdb;
