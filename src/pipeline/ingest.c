/* ingest.c -- head, body, durable, answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/ingest.h"
#include "base/check.h"
#include "intake/intake.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/queue.h"

enum { INGEST_MAGIC = 0x54534e49, RETRY_AFTER_MS = 1000, DONE_AT_ONCE = 256 };

struct ingest {
    uint32_t magic;
    struct ingest_config config;
    struct net_handler handler;
    struct receiver *receiver;
    struct decompress *decompress;
    struct buf plain;
    struct queue *done;
    uint32_t flight_count;
};

/* One request between head and answer. */
struct flight {
    const struct net_handler *handler; /* first: see ingest.h */
    struct ingest *ingest;
    struct request *request; /* NULL: the client left */
    struct intake_route route;
    struct ingest_identity who;
    struct policy_limits limits;
    struct receive_ticket ticket;
};

static void answer(struct flight *flight, enum err err, const struct diag *why)
{
    struct intake_answer outcome = {
        .err = err,
        .why = why,
        .rejected_count = flight->ticket.rejected_count,
        .rejected_why =
            flight->ticket.rejected_count ? str_from_c(flight->ticket.rejected_why) : STR_NONE,
        .retry_after_ms = err && err_is_retryable(err) ? RETRY_AFTER_MS : 0,
        .reply_status = err ? 0 : flight->ticket.reply_status,
        .reply = err ? STR_NONE : str_make(flight->ticket.reply, flight->ticket.reply_len),
    };
    flight->route.source->answer(flight->request, &flight->route, &outcome);
}

/* Refused before a body was read: there is no flight yet. */
static enum err refuse_head(struct request *request, const struct intake_route *route, enum err err,
                            const struct diag *why, int64_t wait_ns)
{
    int64_t wait_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
    struct intake_answer outcome = {
        .project = STR_NONE,
        .err = err,
        .why = why,
        .retry_after_ms = err_is_retryable(err) ? MAX(wait_ms, (int64_t)RETRY_AFTER_MS) : 0,
    };
    route->source->answer(request, route, &outcome);
    return err;
}

/* Does the sender keep to its rate?  Else it waits *ret_wait_ns. */
static enum err check_rate(struct ingest *ingest, const struct ingest_identity *who,
                           struct policy_limits *ret_limits, int64_t *ret_wait_ns, struct diag *why)
{
    struct policy *policy = ingest->config.receive.tenants;
    if (!policy)
        return ERR_OK;
    const struct policy_sender sender = { who->project, who->tenant, who->key };
    policy_find(policy, &sender, ret_limits);
    *ret_wait_ns = policy_wait_ns(policy, ret_limits, clock_monotonic_ns());
    if (*ret_wait_ns <= 0)
        return ERR_OK;
    policy_count(policy, ret_limits->rule, POLICY_CUT_RATE, 1);
    diag_set(why, ERR_BUSY, "over the rate of %s",
             str_is_none(who->tenant) ? "this project" : "this tenant");
    diag_hint(why, "send it again after Retry-After; limits.rate, limits.bytes_rate or "
                   "limits.tenants say how much is allowed");
    return ERR_BUSY;
}

static enum err check_room(const struct ingest *ingest, const struct request_head *head,
                           struct diag *why)
{
    if (head->content_length > (int64_t)ingest->config.body_bytes_max)
        return diag_set(why, ERR_TOO_LARGE, "the body of %lld bytes is over the limit of %zu",
                        (long long)head->content_length, ingest->config.body_bytes_max);
    if (ingest->flight_count >= ingest->config.flights_max)
        return diag_set(why, ERR_BUSY, "%u requests are waiting for the disk",
                        ingest->flight_count);
    if (wal_fill_percent(ingest->config.receive.wal) >= 100) /* before any work is done */
        return diag_set(why, ERR_BUSY, "the log is full until what it holds is stored");
    return ERR_OK;
}

static enum err on_head(void *arg, struct request *request, size_t *ret_body_max)
{
    struct ingest *ingest = arg;
    CHECK(ingest, INGEST_MAGIC);
    const struct request_head *head = request_head(request);
    struct intake_route route;
    struct ingest_identity who = { .project = STR_NONE, .tenant = STR_NONE, .key = STR_NONE };
    struct policy_limits limits = { 0 };
    int64_t wait_ns = 0;
    struct diag why = DIAG_NONE;
    enum err err = intake_match(head, &route, &why);
    if (err == ERR_NOT_FOUND)
        return err;
    bool is_open = route.is_options || route.is_open;
    if (!err && !is_open)
        err = ingest->config.authenticate(ingest->config.authenticate_arg, request, &who, &why);
    if (!err && (is_open || route.is_query)) {
        struct intake_answer outcome = { .project = who.project };
        route.source->answer(request, &route, &outcome);
        return ERR_CANCELLED; /* answered: no body wanted */
    }
    if (!err)
        err = check_room(ingest, head, &why);
    if (!err)
        err = check_rate(ingest, &who, &limits, &wait_ns, &why);
    if (err)
        return refuse_head(request, &route, err, &why, wait_ns);
    struct flight *flight = xcalloc(1, sizeof *flight);
    *flight = (struct flight){ .handler = &ingest->handler,
                               .ingest = ingest,
                               .request = request,
                               .route = route,
                               .who = who,
                               .limits = limits };
    ingest->flight_count++;
    *request_slot(request) = flight;
    *ret_body_max = ingest->config.body_bytes_max;
    return ERR_OK;
}

static void land(struct flight *flight)
{
    flight->ingest->flight_count--;
    xfree(flight->ticket.reply);
    xfree(flight);
}

/* On the log's thread. The queue has room for every flight. */
static void on_durable(struct receive_ticket *ticket)
{
    struct flight *flight = ticket->arg;
    bool sent = queue_send(flight->ingest->done, flight);
    assert(sent);
}

static void on_done(void *arg)
{
    struct ingest *ingest = arg;
    CHECK(ingest, INGEST_MAGIC);
    void *messages[DONE_AT_ONCE];
    size_t count;
    while ((count = queue_take(ingest->done, messages, DONE_AT_ONCE)) > 0) {
        for (size_t i = 0; i < count; i++) {
            struct flight *flight = messages[i];
            if (flight->request)
                answer(flight, flight->ticket.entry.result, NULL);
            land(flight);
        }
    }
}

static void on_body(void *arg, struct request *request, str body)
{
    struct ingest *ingest = arg;
    CHECK(ingest, INGEST_MAGIC);
    struct flight *flight = *request_slot(request);
    assert(flight && flight->request == request);
    struct diag why = DIAG_NONE;
    struct receive_input input = { .source = flight->route.source,
                                   .body = { .signal = flight->route.signal,
                                             .encoding = flight->route.encoding,
                                             .endpoint = flight->route.endpoint,
                                             .head = request_head(request) },
                                   .project = flight->who.project,
                                   .tenant = flight->who.tenant,
                                   .sender = &flight->limits };
    buf_reset(&ingest->plain);
    enum err err = flight->route.source->unpack(request_head(request), ingest->decompress, body,
                                                &ingest->plain, &input.body.bytes, &why);
    bool in_flight = false;
    flight->ticket.done = on_durable;
    flight->ticket.arg = flight;
    if (!err)
        err = receive_take(ingest->receiver, &input, &flight->ticket, &in_flight, &why);
    if (in_flight)
        return;
    answer(flight, err, err ? &why : NULL);
    land(flight);
}

static void on_gone(void *arg, struct request *request)
{
    struct ingest *ingest = arg;
    CHECK(ingest, INGEST_MAGIC);
    struct flight *flight = *request_slot(request);
    if (!flight)
        return;
    if (flight->ticket.entry.done)
        flight->request = NULL; /* the log has it: it stays stored, nobody hears of it */
    else
        land(flight); /* the body never came */
    *request_slot(request) = NULL;
}

struct ingest *ingest_new(const struct ingest_config *config)
{
    struct ingest *ingest = xcalloc(1, sizeof *ingest);
    ingest->magic = INGEST_MAGIC;
    ingest->config = *config;
    ingest->handler =
        (struct net_handler){ .head = on_head, .body = on_body, .gone = on_gone, .arg = ingest };
    ingest->receiver = receiver_new(&config->receive);
    ingest->decompress = decompress_new();
    buf_init(&ingest->plain, config->plain_bytes_max);
    ingest->done = queue_new(config->flights_max + 1);
    loop_watch(config->loop, queue_fd(ingest->done), on_done, ingest);
    return ingest;
}

void ingest_free(struct ingest *ingest)
{
    if (!ingest)
        return;
    CHECK(ingest, INGEST_MAGIC);
    void *message;
    while (queue_take(ingest->done, &message, 1) == 1)
        land(message);
    queue_free(ingest->done);
    buf_clear(&ingest->plain);
    decompress_free(ingest->decompress);
    receiver_free(ingest->receiver);
    xfree(ingest);
}

const struct net_handler *ingest_handler(struct ingest *ingest)
{
    CHECK(ingest, INGEST_MAGIC);
    return &ingest->handler;
}

const struct receiver *ingest_receiver(const struct ingest *ingest)
{
    CHECK(ingest, INGEST_MAGIC);
    return ingest->receiver;
}
