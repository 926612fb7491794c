/* request.c -- a request between framer and handler: its head, its body, who was told what.
 *
 * Both framers fill the same struct.  The body is one buffer: as large as announced
 * when the length is known, else growing; its memory counts against the loop's budget
 * from allocation until the response.  Rule 3 of net_int.h (who is told what) lives here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include "sys/clock.h"

struct request *request_new(struct conn *conn)
{
    struct loop *loop = conn->loop;
    struct request *request = loop->pool;
    if (request) {
        loop->pool = request->pool_next;
        loop->pool_count--;
    } else {
        request = xmalloc(sizeof *request);
        arena_init(&request->arena, NET_ARENA_BYTES);
    }
    struct arena arena = request->arena;
    /* All but the header array, which head.header_count governs. */
    memset(request, 0, offsetof(struct request, headers));
    memset(&request->arena, 0, sizeof *request - offsetof(struct request, arena));
    request->magic = REQUEST_MAGIC;
    request->arena = arena;
    request->conn = conn;
    link_init(&request->link);
    request->head = (struct request_head){ .method = STR(""),
                                           .path = STR("/"),
                                           .headers = request->headers,
                                           .peer = str_from_c(conn->peer),
                                           .is_tls = conn->tls != NULL,
                                           .content_length = -1 };
    return request;
}

static void held_add(struct loop *loop, size_t add, size_t drop)
{
    assert(loop->body_bytes_held + add >= drop);
    loop->body_bytes_held += add;
    loop->body_bytes_held -= drop;
    atomic_store_explicit(&loop->counters.body_bytes_held, loop->body_bytes_held,
                          memory_order_relaxed);
}

void request_body_drop(struct request *request)
{
    if (!request->body)
        return;
    held_add(request->conn->loop, 0, request->body_capacity);
    xfree(request->body);
    request->body = NULL;
    request->body_len = request->body_capacity = 0;
}

void request_free(struct request *request)
{
    CHECK(request, REQUEST_MAGIC);
    assert(!request->in_call);
    struct loop *loop = request->conn->loop;
    request_body_drop(request);
    bytes_clear(&request->out);
    link_remove(&request->link);
    request->magic = 0;
    if (loop->pool_count >= NET_REQUEST_POOL_MAX) {
        arena_clear(&request->arena);
        xfree(request);
        return;
    }
    arena_reset(&request->arena);
    request->pool_next = loop->pool;
    loop->pool = request;
    loop->pool_count++;
}

void request_release(struct request *request)
{
    if (request->in_call)
        request->is_zombie = true;
    else
        request_free(request);
}

/* After a handler's function: true when it answered and the request is gone now. */
static bool call_end(struct request *request)
{
    request->in_call = false;
    if (request->responded)
        request_body_drop(request);
    bool is_zombie = request->is_zombie;
    if (is_zombie)
        request_free(request);
    return is_zombie;
}

enum err request_ask(struct request *request)
{
    struct conn *conn = request->conn;
    const struct net_handler *handler = &conn->server->handler;
    size_t body_max = 0;
    counter_add(&conn->loop->counters.requests_total, 1);
    request->head.received_ns = clock_now_ns();
    request->in_call = true;
    enum err code = handler->head(handler->arg, request, &body_max);
    bool responded = request->responded;
    if (call_end(request) || responded)
        return ERR_CANCELLED;
    if (code == ERR_OK) {
        request->head_accepted = true;
        request->body_max = body_max;
        return ERR_OK;
    }
    struct diag why = DIAG_NONE;
    (void)diag_set(&why, code, "%s", err_text(code));
    request_refuse(request, err_http_status(code), &why);
    return code;
}

/* Make the body's buffer `capacity` bytes. */
static bool body_grow(struct request *request, size_t capacity, int *ret_status,
                      struct diag *reterr_why)
{
    struct loop *loop = request->conn->loop;
    size_t extra = capacity - request->body_capacity;
    size_t budget = request->conn->server->limits.body_bytes_budget;
    if (loop->body_bytes_held > budget || extra > budget - loop->body_bytes_held) {
        *ret_status = 503;
        (void)diag_set(reterr_why, ERR_UNAVAILABLE, "too many unfinished request bodies");
        return false;
    }
    request->body = xrealloc(request->body, capacity);
    request->body_capacity = capacity;
    held_add(loop, extra, 0);
    return true;
}

static bool body_is_too_large(struct request *request, uint64_t len, int *ret_status,
                              struct diag *reterr_why)
{
    if (len <= request->body_max)
        return false;
    *ret_status = 413;
    (void)diag_set(reterr_why, ERR_TOO_LARGE, "request body is larger than %zu bytes",
                   request->body_max);
    return true;
}

bool request_body_plan(struct request *request, uint64_t len, int *ret_status,
                       struct diag *reterr_why)
{
    if (body_is_too_large(request, len, ret_status, reterr_why))
        return false;
    if (len <= request->body_capacity)
        return true;
    return body_grow(request, (size_t)len, ret_status, reterr_why);
}

bool request_body_add(struct request *request, str bytes, int *ret_status, struct diag *reterr_why)
{
    size_t len = request->body_len + bytes.len;
    if (body_is_too_large(request, len, ret_status, reterr_why))
        return false;
    if (len > request->body_capacity) {
        size_t capacity = MAX(request->body_capacity * 2, (size_t)NET_BODY_FIRST_BYTES);
        capacity = MIN(MAX(capacity, len), request->body_max);
        if (!body_grow(request, capacity, ret_status, reterr_why))
            return false;
    }
    if (bytes.len)
        memcpy(request->body + request->body_len, bytes.ptr, bytes.len);
    request->body_len = len;
    return true;
}

void request_body_done(struct request *request)
{
    const struct net_handler *handler = &request->conn->server->handler;
    assert(request->head_accepted && !request->body_complete && !request->responded);
    request->body_complete = true;
    request->deadline_ns = 0;
    request->in_call = true;
    str body = str_make(request->body ? request->body : "", request->body_len);
    handler->body(handler->arg, request, body);
    call_end(request);
}

void request_drained(struct request *request)
{
    const struct net_handler *handler = &request->conn->server->handler;
    request->stream_waits = false;
    if (!handler->drained)
        return;
    request->in_call = true;
    handler->drained(handler->arg, request);
    call_end(request);
}

void request_gone(struct request *request)
{
    CHECK(request, REQUEST_MAGIC);
    const struct net_handler *handler = &request->conn->server->handler;
    bool is_known = request->head_accepted && !request->responded;
    request->responded = true; /* nobody may answer any more */
    if (!is_known || !handler->gone)
        return;
    request->in_call = true;
    handler->gone(handler->arg, request);
    request->in_call = false;
    assert(!request->is_zombie);
}

void request_refuse(struct request *request, int status, const struct diag *why)
{
    const struct net_handler *handler = &request->conn->server->handler;
    request_gone(request);
    request->responded = false;
    request->head_accepted = false;
    counter_add(&request->conn->loop->counters.refused_total, 1);
    struct response response = { .status = status,
                                 .grpc_status = err_grpc_code(why->code),
                                 .grpc_message = str_from_c(why->text),
                                 .content_type = STR("text/plain; charset=utf-8"),
                                 .body = str_from_c(why->text) };
    if (status == 503)
        response.extra[response.extra_count++] = (struct header){ STR("retry-after"), STR("1") };
    if (handler->refuse)
        handler->refuse(handler->arg, request, &response, why);
    response.status = status;
    request_respond(request, &response);
}

int64_t request_body_deadline(const struct request *request, uint64_t len)
{
    return request->conn->server->limits.body_timeout_ns +
           (int64_t)(len / NET_BODY_BYTES_PER_S) * NS_PER_S;
}

const struct request_head *request_head(const struct request *request)
{
    CHECK(request, REQUEST_MAGIC);
    return &request->head;
}

struct arena *request_arena(struct request *request)
{
    CHECK(request, REQUEST_MAGIC);
    return &request->arena;
}

struct loop *request_loop(struct request *request)
{
    CHECK(request, REQUEST_MAGIC);
    return request->conn->loop;
}

void **request_slot(struct request *request)
{
    CHECK(request, REQUEST_MAGIC);
    return &request->slot;
}

void request_gone_on_fin(struct request *request)
{
    CHECK(request, REQUEST_MAGIC);
    request->gone_on_fin = true;
}

str request_header(const struct request_head *head, str name_lower)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (str_equal(head->headers[i].name, name_lower))
            return head->headers[i].value;
    }
    return STR_NONE;
}
