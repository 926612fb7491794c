/* http1_conn.c -- drives the HTTP/1.1 framer of one connection.
 *
 * One request at a time: the next head is not looked at before the current request is
 * answered, so pipelined answers are in order by construction.  Each phase has its own
 * deadline: head (from its first byte), body (grows with its length), idle; none while
 * the handler works.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include "sys/clock.h"

void http1_idle(struct conn *conn)
{
    conn->head_started = false;
    conn->deadline_ns = clock_monotonic_ns() + conn->server->limits.idle_timeout_ns;
}

/* A request that fails before or within its head is a request too, for the answer. */
void http1_refuse(struct conn *conn, int status, const struct diag *why)
{
    if (!conn->request)
        conn->request = request_new(conn);
    conn->request->is_keep_alive = false;
    request_refuse(conn->request, status, why);
}

static void head_fill(struct request *request, const struct http1_head *parsed)
{
    struct request_head *head = &request->head;
    head->method = parsed->method;
    head->path = parsed->path;
    head->query = parsed->query;
    head->header_count = parsed->header_count;
    head->content_length = parsed->content_length;
    request->is_http10 = parsed->is_http10;
    request->is_keep_alive = parsed->is_keep_alive;
    request->is_head_method = str_equal(parsed->method, STR_OF("HEAD"));
}

/* head() took it: make room for the body, tell the client to send it. */
static void body_begin(struct conn *conn, bool expects_continue)
{
    struct request *request = conn->request;
    struct diag why = DIAG_NONE;
    int status;
    uint64_t left = http1_fixed_left(&conn->http1);
    if (!request_body_plan(request, left, &status, &why)) {
        request_refuse(request, status, &why);
        return;
    }
    conn->body_began_ns = clock_monotonic_ns();
    conn->deadline_ns = conn->body_began_ns + request_body_deadline(request, left);
    if (expects_continue && conn->http1.state != HTTP1_STATE_HEAD &&
        (left || conn->http1.state != HTTP1_STATE_FIXED))
        bytes_add_c(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void head_arrived(struct conn *conn, str piece)
{
    struct request *request = conn->request = request_new(conn);
    struct diag why = DIAG_NONE;
    struct http1_head parsed = { .headers = request->headers };
    conn->head_started = false;
    char *copy = arena_alloc(&request->arena, piece.len);
    if (!copy) {
        (void)diag_set(&why, ERR_HEADER_TOO_LARGE, "request header is too large");
        http1_refuse(conn, 431, &why);
        return;
    }
    memcpy(copy, piece.ptr, piece.len);
    if (!http1_head_parse(&conn->http1, copy, piece.len, &parsed, &why)) {
        request->is_head_method = str_equal(parsed.method, STR_OF("HEAD"));
        http1_refuse(conn, conn->http1.status, &why);
        return;
    }
    head_fill(request, &parsed);
    if (request_ask(request) == ERR_OK)
        body_begin(conn, parsed.expects_continue);
}

static void data_arrived(struct conn *conn, str piece)
{
    struct request *request = conn->request;
    if (!request)
        return; /* discarded */
    struct diag why = DIAG_NONE;
    int status;
    if (!request_body_add(request, piece, &status, &why)) {
        request_refuse(request, status, &why);
        return;
    }
    if (request->head.content_length < 0)
        conn->deadline_ns = conn->body_began_ns + request_body_deadline(request, request->body_len);
}

static void end_arrived(struct conn *conn)
{
    conn->deadline_ns = 0;
    if (conn->discards) {
        conn->discards = false;
        http1_idle(conn);
        return;
    }
    assert(conn->request);
    request_body_done(conn->request);
}

static void fault_arrived(struct conn *conn, const struct diag *why)
{
    if (conn->discards) { /* answered already */
        conn->closes_after_flush = conn->input_unread = true;
        return;
    }
    http1_refuse(conn, conn->http1.status, why);
}

size_t http1_input(struct conn *conn, str bytes)
{
    size_t used = 0;
    while (!conn->is_broken) {
        if (conn->closes_after_flush)
            return bytes.len;
        if (conn->request && conn->request->body_complete)
            return used; /* one at a time */
        struct diag why = DIAG_NONE;
        size_t step;
        str piece;
        enum http1_event event =
            http1_next(&conn->http1, str_from(bytes, used), &step, &piece, &why);
        used += step;
        if (event == HTTP1_MORE)
            break;
        if (event == HTTP1_HEAD)
            head_arrived(conn, piece);
        else if (event == HTTP1_DATA)
            data_arrived(conn, piece);
        else if (event == HTTP1_END)
            end_arrived(conn);
        else
            fault_arrived(conn, &why);
    }
    if (conn->http1.state == HTTP1_STATE_HEAD && used < bytes.len && !conn->head_started) {
        conn->head_started = true;
        conn->deadline_ns = clock_monotonic_ns() + conn->server->limits.head_timeout_ns;
    }
    return used;
}

size_t http1_direct_room(struct conn *conn, char **ret_ptr)
{
    struct request *request = conn->request;
    uint64_t left = http1_fixed_left(&conn->http1);
    if (!request || !request->head_accepted || request->body_complete || left == 0)
        return 0;
    size_t len = left < NET_DIRECT_READ_BYTES ? (size_t)left : NET_DIRECT_READ_BYTES;
    assert(request->body_len + len <= request->body_capacity);
    *ret_ptr = request->body + request->body_len;
    return len;
}

void http1_direct_add(struct conn *conn, size_t len)
{
    conn->request->body_len += len;
    http1_fixed_skip(&conn->http1, len);
}
