/* api.h -- the read surface: /api/v1, health, metrics, OpenAPI and the web UI's files.
 *
 * routes.def says what exists and which permission it needs.  A request is matched
 * and authorised on the worker's loop; the work, which may block, is done by a pool
 * of query threads with a bounded queue and a deadline, so that no question ever
 * delays ingest; the answer goes back through the worker's queue.
 *
 * Memory:  one api per process, one api_worker per loop; a job per request.
 * Threads: see above.  Reads of content all go to the first pool thread, which
 *          therefore owns the audit log; searches in content go to a thread of their own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "audit/audit.h"
#include "auth/auth.h"
#include "content/content.h"
#include "net/net.h"
#include "pipeline/drain.h"
#include "pipeline/ingest.h"
#include "pipeline/upkeep.h"
#include "price/price.h"
#include "search/search.h"
#include "store/store.h"

struct api;
struct api_worker;

enum { API_WORKERS_MAX = 64 };

struct api_config {
    const struct store_ops *store_ops;
    struct store *store;
    struct content_store *content;
    const char *content_url; /* of the external store; NULL: none */
    struct wal *wal;
    struct keystore *keystore;
    struct auth *auth;
    struct audit *audit;           /* NULL: content cannot be read (503) */
    const struct policy *tenants;  /* for what its rules cut; may be NULL */
    const struct pins_place *pins; /* who is read by which mapping; may be NULL */
    uint32_t query_threads;        /* default 2 */
    uint32_t queries_max;          /* waiting per thread; over it 503 */
    int64_t query_timeout_ns;      /* default 30 s: past it 504 */
    bool has_sql;                  /* POST /api/v1/sql; without it 501 */
    struct search *search;
    struct audit *search_audit; /* the same file opened again: searches have their own thread */
    int64_t search_time_ns;     /* of one search; then it says what is left */
    const struct meter *meter;  /* of GET /metrics; may be NULL */
    struct upkeep *upkeep;      /* NULL: no retention (503) */
    uint64_t sql_rows_max, sql_bytes_max, sql_memory_max;
    int64_t sql_time_ns;
    str config_json; /* GET /api/v1/config: values with their origins, secrets as *** */
    int64_t objective_latency_ns;                 /* of requests, p95; these three 0: none */
    double objective_cost_usd, objective_quality; /* a day; share that passes */
    const struct price_table *prices;             /* for how much input a model takes */
    const char *data_dir;
    int64_t started_ns;
    uint32_t price_count, redaction_kinds;
};

struct api *api_new(const struct api_config *config);
void api_start(struct api *api);
/* Stop the query threads; running questions are cut by their deadline. */
void api_stop(struct api *api);
void api_free(struct api *api);

struct api_worker *api_worker_new(struct api *api, struct loop *loop, const struct ingest *ingest);
void api_worker_free(struct api_worker *worker);
/* head() answers ERR_NOT_FOUND with a 404 of its own: it is the last handler. */
const struct net_handler *api_handler(struct api_worker *worker);

/* Before api_start: drain is made after the api, because it feeds it. */
void api_set_drain(struct api *api, struct drain *drain);
/* For drain's on_spans: feeds GET /api/v1/live. */
void api_on_spans(void *arg, const struct store_span *spans, size_t count);
/* Everything is open: /readyz says 200 from now on. */
void api_set_ready(struct api *api, bool ready);
