/* live.c -- GET /api/v1/live: spans as they come, as server-sent events.
 *
 * Drain's thread matches each new span against each subscriber's project, tenant and
 * filter and appends the event to the subscriber's outbox; the worker's loop empties
 * it.  A subscriber that does not read loses events, and is told how many.  With
 * nobody listening the cost is one atomic load per batch.  The one lock guards the
 * list and the outboxes (docs/decisions/).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "base/check.h"
#include "sys/clock.h"
#include <pthread.h>

enum {
    OUTBOX_BYTES_MAX = 1024 * 1024,
    DROPPED_BYTES_MAX = 128, /* of the event that tells how many are missing */
    SUBSCRIBERS_MAX = 64,
    SPANS_PER_FEED_MAX = 2000
};

struct subscriber {
    struct api_job *job;
    const struct filter *filter; /* in the job's arena */
    struct buf outbox;
    uint64_t held;    /* events in the outbox */
    uint64_t dropped; /* not in it, and not told yet */
    bool is_posted;   /* a flush is on its way to the loop */
};

struct live {
    pthread_mutex_t lock;
    struct subscriber *subscribers[SUBSCRIBERS_MAX];
    _Atomic uint32_t count;
};

struct live *live_new(void)
{
    struct live *live = xcalloc(1, sizeof *live);
    pthread_mutex_init(&live->lock, NULL);
    return live;
}

void live_free(struct live *live)
{
    if (!live)
        return;
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++) {
        if (!live->subscribers[i])
            continue;
        buf_clear(&live->subscribers[i]->outbox);
        xfree(live->subscribers[i]);
    }
    pthread_mutex_destroy(&live->lock);
    xfree(live);
}

/* What a posted flush needs; the subscriber may be gone when it runs. */
struct flush {
    struct live *live;
    struct api_job *job;
};

static struct subscriber *find(struct live *live, const struct api_job *job)
{
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++)
        if (live->subscribers[i] && live->subscribers[i]->job == job)
            return live->subscribers[i];
    return NULL;
}

/* The outbox as it is, and the count of what is missing: *ret_events that it stands for. */
static char *take_outbox(struct subscriber *subscriber, size_t *ret_len, uint64_t *ret_events)
{
    subscriber->outbox.max_bytes = OUTBOX_BYTES_MAX + DROPPED_BYTES_MAX;
    if (subscriber->dropped)
        buf_printf(&subscriber->outbox, "event: dropped\ndata: {\"count\":%llu}\n\n",
                   (unsigned long long)subscriber->dropped);
    assert(!buf_failed(&subscriber->outbox));
    *ret_events = subscriber->held + subscriber->dropped;
    subscriber->held = subscriber->dropped = 0;
    subscriber->is_posted = false;
    char *bytes = buf_take(&subscriber->outbox, ret_len);
    subscriber->outbox.max_bytes = OUTBOX_BYTES_MAX;
    return bytes;
}

/* The client's unread output is full: what was taken is missing, to be told with the next. */
static void return_as_dropped(struct live *live, const struct api_job *job, uint64_t events)
{
    pthread_mutex_lock(&live->lock);
    struct subscriber *subscriber = find(live, job);
    if (subscriber)
        subscriber->dropped += events;
    pthread_mutex_unlock(&live->lock);
}

/* On the loop's thread. */
static void on_flush(void *arg)
{
    struct flush *flush = arg;
    struct live *live = flush->live;
    size_t len = 0;
    uint64_t events = 0;
    char *bytes = NULL;
    struct request *request = NULL;
    pthread_mutex_lock(&live->lock);
    struct subscriber *subscriber = find(live, flush->job);
    if (subscriber) {
        bytes = take_outbox(subscriber, &len, &events);
        request = subscriber->job->request;
    }
    pthread_mutex_unlock(&live->lock);
    if (request && len && !request_stream_write(request, str_make(bytes, len)))
        return_as_dropped(live, flush->job, events);
    xfree(bytes);
    xfree(flush);
}

static bool is_visible(const struct subscriber *subscriber, const struct store_span *span)
{
    const struct auth_principal *who = &subscriber->job->who;
    if (!str_equal(span->span.project, who->project))
        return false;
    if (!str_is_none(who->tenant) &&
        !(SPAN_KNOWS(&span->span, tenant_id) && str_equal(span->span.tenant_id, who->tenant)))
        return false;
    return filter_matches(subscriber->filter, &span->span);
}

static void feed_one(struct subscriber *subscriber, const struct store_span *spans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_visible(subscriber, &spans[i]))
            continue;
        size_t before = subscriber->outbox.len;
        buf_add_c(&subscriber->outbox, "event: span\ndata: ");
        query_span_json(&subscriber->outbox, &spans[i]);
        buf_add_c(&subscriber->outbox, "\n\n");
        if (!buf_failed(&subscriber->outbox)) {
            subscriber->held++;
            continue;
        }
        subscriber->outbox.failed = false; /* full: this one is dropped, and counted */
        subscriber->outbox.len = before;
        subscriber->dropped++;
    }
}

void live_feed(struct live *live, const struct store_span *spans, size_t count)
{
    if (atomic_load_explicit(&live->count, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++) {
        struct subscriber *subscriber = live->subscribers[i];
        if (!subscriber)
            continue;
        feed_one(subscriber, spans, MIN(count, (size_t)SPANS_PER_FEED_MAX));
        subscriber->dropped += count - MIN(count, (size_t)SPANS_PER_FEED_MAX);
        if ((subscriber->outbox.len == 0 && !subscriber->dropped) || subscriber->is_posted)
            continue;
        subscriber->is_posted = true;
        struct flush *flush = xmalloc(sizeof *flush);
        *flush = (struct flush){ live, subscriber->job };
        loop_post(subscriber->job->worker->loop, on_flush, flush);
    }
    pthread_mutex_unlock(&live->lock);
}

static enum err subscribe(struct live *live, struct api_job *job, struct diag *why)
{
    static const char *const allowed[] = { "q" };
    const struct filter *filter = NULL;
    enum err err = query_params_check(job->query, job->query_count, allowed, 1, why);
    if (!err)
        err = query_parse_filter(&job->arena,
                                 query_param_find(job->query, job->query_count, STR_OF("q")),
                                 clock_now_ns(), &filter, why);
    if (!err)
        err = query_check_local(filter, why);
    if (err)
        return err;
    struct subscriber *subscriber = xcalloc(1, sizeof *subscriber);
    subscriber->job = job;
    subscriber->filter = filter;
    buf_init(&subscriber->outbox, OUTBOX_BYTES_MAX);
    pthread_mutex_lock(&live->lock);
    size_t slot = 0;
    while (slot < SUBSCRIBERS_MAX && live->subscribers[slot])
        slot++;
    if (slot < SUBSCRIBERS_MAX) {
        live->subscribers[slot] = subscriber;
        atomic_fetch_add(&live->count, 1);
    }
    pthread_mutex_unlock(&live->lock);
    if (slot < SUBSCRIBERS_MAX)
        return ERR_OK;
    xfree(subscriber);
    return diag_set(why, ERR_UNAVAILABLE, "%d live views are open already", SUBSCRIBERS_MAX);
}

void live_subscribe(struct live *live, struct api_job *job)
{
    struct diag why = DIAG_NONE;
    enum err err = subscribe(live, job, &why);
    if (err) {
        *request_slot(job->request) = NULL;
        api_refuse(job->request, err, &why);
        arena_clear(&job->arena);
        xfree(job);
        return;
    }
    job->is_stream = true;
    struct response head = { .status = 200,
                             .grpc_status = -1,
                             .content_type = STR("text/event-stream") };
    head.extra[head.extra_count++] = (struct header){ STR("cache-control"), STR("no-store") };
    request_stream_begin(job->request, &head);
    (void)request_stream_write(job->request, STR_OF(": live\n\n"));
}

void live_unsubscribe(struct live *live, struct api_job *job)
{
    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++) {
        struct subscriber *subscriber = live->subscribers[i];
        if (!subscriber || subscriber->job != job)
            continue;
        buf_clear(&subscriber->outbox);
        xfree(subscriber);
        live->subscribers[i] = NULL;
        atomic_fetch_sub(&live->count, 1);
    }
    pthread_mutex_unlock(&live->lock);
}
