/* jobs.c -- from a request to a job, through the pool, and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "base/check.h"
#include "sys/clock.h"
#include "sys/log.h"

enum { DONE_AT_ONCE = 64 };

void api_error_json(struct buf *out, enum err err, const struct diag *why, str path)
{
    buf_add_c(out, "{\"error\":{\"code\":");
    buf_add_json_str(out, str_from_c(err_name(err)));
    buf_add_c(out, ",\"message\":");
    buf_add_json_str(out, str_from_c(why && why->text[0] ? why->text : err_text(err)));
    buf_add_c(out, ",\"hint\":");
    if (why && why->hint[0])
        buf_add_json_str(out, str_from_c(why->hint));
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"offset\":");
    if (why && why->offset != SIZE_MAX)
        buf_add_u64(out, why->offset);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"path\":");
    buf_add_json_str(out, path);
    buf_add_c(out, "}}\n");
}

static void add_header(struct response *response, const char *name, const char *value)
{
    assert(response->extra_count < COUNT_OF(response->extra));
    response->extra[response->extra_count++] =
        (struct header){ str_from_c(name), str_from_c(value) };
}

static void respond(struct request *request, int status, const char *content_type, str body,
                    const struct header *more)
{
    struct response response = {
        .status = status, .grpc_status = -1, .content_type = str_from_c(content_type), .body = body
    };
    add_header(&response, "cache-control", "no-store");
    add_header(&response, "x-content-type-options", "nosniff");
    if (more)
        response.extra[response.extra_count++] = *more;
    if (status == 401)
        add_header(&response, "www-authenticate", "Bearer");
    if (status == 503 || status == 429)
        add_header(&response, "retry-after", "1");
    request_respond(request, &response);
}

static void refuse_allowing(struct request *request, enum err err, const struct diag *why,
                            const char *allow)
{
    struct buf body;
    buf_init(&body, 16 * KIB);
    api_error_json(&body, err, why, request_head(request)->path);
    struct header header = { STR_OF("allow"), str_from_c(allow ? allow : "") };
    respond(request, err_http_status(err), "application/json", buf_str(&body),
            allow ? &header : NULL);
    buf_clear(&body);
}

void api_refuse(struct request *request, enum err err, const struct diag *why)
{
    refuse_allowing(request, err, why, NULL);
}

static enum err authorise(struct api_worker *worker, struct request *request, uint32_t needed,
                          struct arena *arena, struct auth_principal *ret_who, struct diag *why)
{
    if (needed == AUTH_NONE) /* probes and the API's own description: for anybody */
        return ERR_OK;
    const struct request_head *head = request_head(request);
    struct auth_offer offer = {
        .authorization = request_header(head, STR_OF("authorization")),
        .x_telltale_key = request_header(head, STR_OF("x-telltale-key")),
        .x_api_key = request_header(head, STR_OF("x-api-key")),
        .api_key = request_header(head, STR_OF("api-key")),
    };
    struct auth_snapshot *snapshot = auth_current(worker->api->config.auth);
    struct auth_principal who;
    enum err err = auth_check(snapshot, &offer, needed, clock_now_ns(), &who, why);
    bool is_known = err == ERR_FORBIDDEN &&
                    auth_check(snapshot, &offer, 0, clock_now_ns(), &who, NULL) == ERR_OK;
    if (!err || is_known) {
        ret_who->key_id = arena_str(arena, who.key_id);
        ret_who->project = arena_str(arena, who.project);
        ret_who->tenant = arena_str(arena, who.tenant);
        ret_who->permissions = who.permissions;
    }
    auth_snapshot_unref(snapshot);
    return err;
}

static void job_free(struct api_job *job)
{
    arena_clear(&job->arena);
    buf_clear(&job->body);
    xfree(job);
}

static struct api_job *job_new(struct api_worker *worker, struct request *request)
{
    struct api_job *job = xcalloc(1, sizeof *job);
    job->handler = &worker->handler;
    job->worker = worker;
    job->request = request;
    job->status = 200;
    job->content_type = "application/json";
    job->deadline_ns = clock_monotonic_ns() + worker->api->config.query_timeout_ns;
    arena_init(&job->arena, API_JOB_ARENA_BYTES);
    buf_init(&job->body, API_BODY_BYTES_MAX);
    return job;
}

static enum err fill_job(struct api_job *job, const struct request_head *head,
                         const struct route_match *match, struct diag *why)
{
    for (size_t i = 0; i < match->param_count; i++)
        job->params[i] = arena_str(&job->arena, match->params[i]);
    job->peer = arena_str(&job->arena, head->peer);
    job->reason = arena_str(&job->arena, request_header(head, STR_OF("x-telltale-reason")));
    job->content_type_sent = arena_str(&job->arena, request_header(head, STR_OF("content-type")));
    job->route = match->route;
    struct query_param *params;
    str query = arena_str(&job->arena, head->query);
    enum err err = query_parse_params(&job->arena, query, &params, &job->query_count, why);
    job->query = params;
    if (!err && str_is_none(job->reason))
        job->reason = query_param_find(params, job->query_count, STR_OF("reason"));
    return err;
}

/* Who searches content without the right is recorded before the answer (a thread does it). */
static enum err job_deny(struct api_job *job, const struct diag *why)
{
    struct diag *kept = arena_alloc(&job->arena, sizeof *kept);
    if (!kept)
        return ERR_FORBIDDEN;
    *kept = *why;
    job->denied = kept;
    return ERR_OK;
}

static enum err on_head(void *arg, struct request *request, size_t *ret_body_max)
{
    struct api_worker *worker = arg;
    CHECK(worker, API_MAGIC);
    const struct request_head *head = request_head(request);
    struct diag why = DIAG_NONE;
    struct route_match match;
    enum err err = router_match(head->method, head->path, &match, &why);
    if (err == ERR_NOT_FOUND && api_serve_asset(request) == ERR_OK)
        return ERR_CANCELLED; /* answered */
    struct api_job *job = job_new(worker, request);
    if (!err)
        err = authorise(worker, request, match.route->permission, &job->arena, &job->who, &why);
    if (err == ERR_FORBIDDEN && match.route->handle == api_search)
        err = job_deny(job, &why);
    if (!err)
        err = fill_job(job, head, &match, &why);
    if (err) {
        job_free(job);
        refuse_allowing(request, err, &why, err == ERR_METHOD ? match.allow : NULL);
        return err;
    }
    *request_slot(request) = job;
    *ret_body_max = strcmp(match.route->method, "POST") == 0 ? API_ASK_BYTES_MAX : 0;
    return ERR_OK;
}

static bool reads_content(const struct api_job *job)
{
    return job->route->permission & AUTH_PAYLOAD_READ;
}

static struct query_thread *thread_of(struct api *api, const struct api_job *job)
{
    if (job->route->handle == api_sql)
        return &api->sql;
    if (job->route->handle == api_search)
        return &api->search;
    if (job->route->handle == api_get_instrumentation) /* it keeps slow reports */
        return &api->threads[api->config.query_threads - 1];
    uint32_t index =
        reads_content(job) ? 0 : atomic_fetch_add(&api->next_thread, 1) % api->config.query_threads;
    return &api->threads[index];
}

static void on_body(void *arg, struct request *request, str body)
{
    struct api_worker *worker = arg;
    CHECK(worker, API_MAGIC);
    struct api_job *job = *request_slot(request);
    job->ask = arena_str(&job->arena, body);
    if (job->route->is_stream) {
        live_subscribe(worker->api->live, job);
        return;
    }
    struct api *api = worker->api;
    job->thread = thread_of(api, job);
    /* A turn of the loop may bring more questions than `done` has room for answers. */
    if (worker->answers_due < worker->answers_max && queue_send(job->thread->jobs, job)) {
        worker->answers_due++;
        return;
    }
    atomic_fetch_add(&api->queries_refused, 1);
    struct diag why = DIAG_NONE;
    diag_set(&why, ERR_UNAVAILABLE, "too many questions at once");
    diag_hint(&why, "try again in a second");
    *request_slot(request) = NULL;
    api_refuse(request, ERR_UNAVAILABLE, &why);
    job_free(job);
}

static void on_gone(void *arg, struct request *request)
{
    struct api_worker *worker = arg;
    CHECK(worker, API_MAGIC);
    struct api_job *job = *request_slot(request);
    if (!job)
        return;
    if (job->is_stream) {
        live_unsubscribe(worker->api->live, job);
        job_free(job);
    } else if (job->thread) {
        job->request = NULL; /* a pool thread has it */
    } else {
        job_free(job);
    }
}

static void on_done(void *arg)
{
    struct api_worker *worker = arg;
    CHECK(worker, API_MAGIC);
    void *messages[DONE_AT_ONCE];
    size_t count;
    while ((count = queue_take(worker->done, messages, DONE_AT_ONCE)) > 0) {
        worker->answers_due -= count;
        for (size_t i = 0; i < count; i++) {
            struct api_job *job = messages[i];
            static const struct header truncated = { { "x-telltale-truncated", 20 }, { "1", 1 } };
            if (job->request)
                respond(job->request, job->status, job->content_type, buf_str(&job->body),
                        job->is_truncated ? &truncated : NULL);
            job_free(job);
        }
    }
}

static void run_job(struct query_thread *thread, struct api_job *job)
{
    struct api *api = thread->api;
    struct diag why = DIAG_NONE;
    atomic_fetch_add(&api->queries, 1);
    enum err err = clock_monotonic_ns() > job->deadline_ns
                       ? diag_set(&why, ERR_DEADLINE, "the question waited too long")
                   : job->denied ? api_deny(job, &why)
                                 : job->route->handle(job, &why);
    if (!err && buf_failed(&job->body))
        err = diag_set(&why, ERR_LIMIT, "the answer is larger than %d bytes", API_BODY_BYTES_MAX);
    if (err) {
        atomic_fetch_add(&api->queries_failed, 1);
        buf_reset(&job->body);
        job->status = err_http_status(err);
        job->content_type = "application/json";
        api_error_json(&job->body, err, &why, str_from_c(job->route->path));
        if (job->status >= 500)
            log_warn("a question failed", KV_C("route", job->route->name), KV_ERR(err),
                     KV_WHY(&why));
    }
}

static void thread_run(void *arg)
{
    struct query_thread *thread = arg;
    void *message;
    while (queue_wait(thread->jobs, &message, 1, -1) == 1) {
        struct api_job *job = message;
        run_job(thread, job);
        bool sent = queue_send(job->worker->done, job);
        assert(sent);
    }
}

struct api *api_new(const struct api_config *config)
{
    assert(config->query_threads >= 1 && config->query_threads <= QUERY_THREADS_MAX);
    struct api *api = xcalloc(1, sizeof *api);
    api->magic = API_MAGIC;
    api->config = *config;
    api->live = live_new();
    for (uint32_t i = 0; i < config->query_threads; i++) {
        api->threads[i].api = api;
        api->threads[i].jobs = queue_new(config->queries_max);
    }
    api->search.api = api;
    api->search.jobs = queue_new(config->queries_max);
    api->sql.api = api;
    api->sql.jobs = queue_new(config->queries_max);
    return api;
}

void api_start(struct api *api)
{
    CHECK(api, API_MAGIC);
    for (uint32_t i = 0; i < api->config.query_threads; i++) {
        struct query_thread *thread = &api->threads[i];
        thread->content_reader = content_reader_new(api->config.content);
        thread->wal_reader = wal_reader_new(api->config.wal, UINT64_MAX);
        thread_start(&thread->thread, "query", thread_run, thread);
    }
    api->search.wal_reader = wal_reader_new(api->config.wal, UINT64_MAX);
    thread_start_behind(&api->search.thread, "search", thread_run, &api->search);
    thread_start_behind(&api->sql.thread, "sql", thread_run, &api->sql);
}

void api_stop(struct api *api)
{
    CHECK(api, API_MAGIC);
    for (uint32_t i = 0; i < api->config.query_threads; i++) {
        queue_close(api->threads[i].jobs);
        thread_join(&api->threads[i].thread);
        content_reader_free(api->threads[i].content_reader);
        wal_reader_free(api->threads[i].wal_reader);
        api->threads[i].content_reader = NULL;
        api->threads[i].wal_reader = NULL;
    }
    queue_close(api->search.jobs);
    thread_join(&api->search.thread);
    wal_reader_free(api->search.wal_reader);
    api->search.wal_reader = NULL;
    queue_close(api->sql.jobs);
    thread_join(&api->sql.thread);
}

void api_free(struct api *api)
{
    if (!api)
        return;
    CHECK(api, API_MAGIC);
    for (uint32_t i = 0; i < api->config.query_threads; i++) {
        kept_reports_clear(&api->threads[i].reports);
        queue_free(api->threads[i].jobs);
    }
    queue_free(api->search.jobs);
    queue_free(api->sql.jobs);
    live_free(api->live);
    xfree(api);
}

void api_set_ready(struct api *api, bool ready)
{
    atomic_store(&api->ready, ready);
}

void api_set_drain(struct api *api, struct drain *drain)
{
    CHECK(api, API_MAGIC);
    api->drain = drain;
}

void api_on_spans(void *arg, const struct store_span *spans, size_t count)
{
    struct api *api = arg;
    CHECK(api, API_MAGIC);
    live_feed(api->live, spans, count);
}

struct api_worker *api_worker_new(struct api *api, struct loop *loop, const struct ingest *ingest)
{
    CHECK(api, API_MAGIC);
    struct api_worker *worker = xcalloc(1, sizeof *worker);
    worker->magic = API_MAGIC;
    worker->api = api;
    worker->loop = loop;
    worker->ingest = ingest;
    worker->handler =
        (struct net_handler){ .head = on_head, .body = on_body, .gone = on_gone, .arg = worker };
    worker->answers_max = ((size_t)api->config.query_threads + 2) * (api->config.queries_max + 1);
    worker->done = queue_new(worker->answers_max);
    loop_watch(loop, queue_fd(worker->done), on_done, worker);
    uint32_t index = atomic_fetch_add(&api->worker_count, 1);
    assert(index < API_WORKERS_MAX);
    api->workers[index] = worker;
    return worker;
}

void api_worker_free(struct api_worker *worker)
{
    if (!worker)
        return;
    CHECK(worker, API_MAGIC);
    void *message;
    while (queue_take(worker->done, &message, 1) == 1)
        job_free(message);
    queue_free(worker->done);
    xfree(worker);
}

const struct net_handler *api_handler(struct api_worker *worker)
{
    CHECK(worker, API_MAGIC);
    return &worker->handler;
}
