/* api_int.h -- what the files of api/ share: a job, and how one answers.
 *
 * Memory:  a job owns its arena and body; it is freed on the loop's thread.
 * Threads: a job belongs to the loop, then to a pool thread, then to the loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "api/api.h"
#include "api/kept_report.h"
#include "api/router.h"
#include "query/query.h"
#include "sys/queue.h"
#include "sys/thread.h"
#include <stdatomic.h>

enum {
    API_MAGIC = 0x20495041,
    API_JOB_ARENA_BYTES = 128 * 1024 * 1024,
    API_BODY_BYTES_MAX = 256 * 1024 * 1024,
    API_ASK_BYTES_MAX = 256 * 1024, /* body of a question */
    QUERY_THREADS_MAX = 16,
};

struct query_thread {
    struct api *api;
    struct thread thread;
    struct queue *jobs;
    struct content_reader *content_reader;
    struct wal_reader *wal_reader;
    struct kept_reports reports; /* of the last thread */
};

struct live; /* subscribers of GET /api/v1/live */

struct api {
    uint32_t magic;
    struct api_config config;
    struct drain *drain;
    struct query_thread threads[QUERY_THREADS_MAX];
    struct query_thread search; /* in content, one at a time */
    struct query_thread sql;    /* statements, one at a time: the others wait for none */
    _Atomic uint32_t next_thread;
    _Atomic bool ready;
    struct api_worker *workers[API_WORKERS_MAX];
    _Atomic uint32_t worker_count;
    struct live *live;
    _Atomic uint64_t queries, queries_failed, queries_refused, payload_reads, searches;
};

struct api_worker {
    uint32_t magic;
    struct api *api;
    struct loop *loop;
    const struct ingest *ingest;
    struct net_handler handler;
    struct queue *done;
    size_t answers_due, answers_max; /* jobs under way; as many as `done` takes. The loop's. */
};

struct api_job {
    const struct net_handler *handler; /* first: see pipeline/ingest.h */
    struct api_worker *worker;
    struct request *request; /* NULL: the client left */
    const struct route *route;
    struct auth_principal who;    /* texts in the arena */
    struct query_thread *thread;  /* that runs it */
    str params[ROUTE_PARAMS_MAX]; /* captured from the path, in the arena */
    const struct query_param *query;
    size_t query_count;
    str peer, reason;
    str content_type_sent, ask; /* of a POST: its body, in the arena */
    struct arena arena;
    int64_t deadline_ns; /* monotonic */
    /* the answer */
    int status;
    const char *content_type;
    struct buf body;
    bool is_truncated;         /* header x-telltale-truncated: 1 */
    const struct diag *denied; /* not NULL: it searches content and may not; only to be recorded */
    bool is_stream;            /* answered already: it lives on as a stream */
};

/* A handler writes job->body; an error it returns is turned into the JSON error.  Each
 * row of routes.def has one: api_<handler>. */
#define API_HANDLER(name) enum err name(struct api_job *job, struct diag *reterr_why)
API_HANDLER(api_list_traces);
API_HANDLER(api_get_trace);
API_HANDLER(api_get_trace_summary);
API_HANDLER(api_get_content_places);
API_HANDLER(api_list_spans);
API_HANDLER(api_get_span);
API_HANDLER(api_get_payload);
API_HANDLER(api_search);
API_HANDLER(api_list_scores);
API_HANDLER(api_list_events);
API_HANDLER(api_aggregate);
API_HANDLER(api_complete);
API_HANDLER(api_list_logs);
API_HANDLER(api_get_instrumentation);
API_HANDLER(api_list_sessions);
API_HANDLER(api_get_session);
API_HANDLER(api_list_users);
API_HANDLER(api_get_user);
API_HANDLER(api_retrieval);
API_HANDLER(api_prompts);
API_HANDLER(api_models);
API_HANDLER(api_compare);
API_HANDLER(api_verdicts);
API_HANDLER(api_conversations);
API_HANDLER(api_get_conversation);
API_HANDLER(api_services);
API_HANDLER(api_changes);
API_HANDLER(api_steps);
API_HANDLER(api_expensive);
API_HANDLER(api_get_trace_steps);
API_HANDLER(api_get_trace_services);
API_HANDLER(api_sql);
API_HANDLER(api_list_unmapped);
API_HANDLER(api_list_pins);
API_HANDLER(api_get_retention);
API_HANDLER(api_run_retention);
API_HANDLER(api_get_config);
API_HANDLER(api_get_status);
API_HANDLER(api_healthz);
API_HANDLER(api_readyz);
API_HANDLER(api_metrics);
API_HANDLER(api_metrics_otlp);
API_HANDLER(api_list_metrics);
API_HANDLER(api_query_metric);
API_HANDLER(api_openapi);

/* Records that content was searched without the right, and says so. */
API_HANDLER(api_deny);

struct store_scope api_scope(const struct api_job *job);
/* The workers' tables of names that no row maps: at most API_WORKERS_MAX. */
struct unmapped;
uint32_t api_unmapped_tables(const struct api *api, const struct unmapped **ret_tables);
/* Groups of spans as the job's key sees them; the answer lives in the job's arena. */
MUST_CHECK enum err api_ask_groups(struct api_job *job, struct store_aggregate *ask,
                                   struct store_group **ret_groups, size_t *ret_count,
                                   struct diag *reterr_why);
/* All questions of a plan, put together. */
MUST_CHECK enum err api_answer_groups(struct api_job *job, struct query_aggregate *plan,
                                      struct query_answer *ret_answer, struct diag *reterr_why);
/* A trace by full id or unambiguous prefix of at least 4 hex digits (A1). */
MUST_CHECK enum err api_find_trace(struct api_job *job, str id, struct trace_row **ret_trace,
                                   struct diag *reterr_why);
/* The page of scores that is asked for, within what the job's key may see, each by `add`. */
MUST_CHECK enum err api_answer_scores(struct api_job *job, struct store_scores *ask,
                                      void (*add)(struct buf *out, const struct store_score *score),
                                      struct diag *reterr_why);
/* The oldest QUERY_TRACE_SPANS_MAX spans of a trace, in order. */
MUST_CHECK enum err api_trace_spans(struct api_job *job, const struct trace_row *trace,
                                    struct store_span **ret_spans, size_t *ret_count,
                                    struct diag *reterr_why);
/* ,"scores":[...] of a trace, those of its responses included, into the body. */
MUST_CHECK enum err api_trace_scores(struct api_job *job, struct id16 trace_id,
                                     const struct store_span *spans, size_t span_count,
                                     struct diag *reterr_why);
MUST_CHECK enum err api_find_span(struct api_job *job, struct id16 trace_id, struct id8 span_id,
                                  struct store_span **ret_span, struct diag *reterr_why);
/* Content of a span: items in the arena. */
MUST_CHECK enum err api_content(struct api_job *job, const struct trace_row *trace,
                                const struct store_span *span, struct content_item **ret_items,
                                size_t *ret_count, struct diag *reterr_why);
/* Redacted previews of spans of one trace, {"input","output"} or none; no audit. */
MUST_CHECK enum err api_previews(struct api_job *job, const struct trace_row *trace,
                                 const struct store_span *spans, size_t count, str *ret_previews,
                                 struct diag *reterr_why);
/* A span with its preview (none: null). */
void api_span_json(struct buf *out, const struct store_span *span, str preview);
void api_error_json(struct buf *out, enum err err, const struct diag *why, str path);
/* Answer a request at once with an error. */
void api_refuse(struct request *request, enum err err, const struct diag *why);
/* GET of a file of the web UI; ERR_NOT_FOUND when it is none. */
enum err api_serve_asset(struct request *request);

struct live *live_new(void);
void live_free(struct live *live);
/* Take over a job as a stream of events; on the loop's thread. */
void live_subscribe(struct live *live, struct api_job *job);
void live_unsubscribe(struct live *live, struct api_job *job);
void live_feed(struct live *live, const struct store_span *spans, size_t count);
