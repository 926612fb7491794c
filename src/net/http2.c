/* http2.c -- HTTP/2 connections: nghttp2's session, from frames to requests.
 *
 * nghttp2 checks the protocol (header validity, content-length, floods); this file turns
 * its callbacks into the same calls that HTTP/1.1 makes: request_ask, request_body_add,
 * request_body_done.  Each stream is a struct request and lives until the stream is
 * closed.  Answers are in http2_send.c.
 *
 * Deadlines: a stream has one for its head, its body and its unread answer; the
 * connection has one for being without streams.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include "sys/clock.h"
#include <nghttp2/nghttp2.h>

enum {
    HTTP2_STREAM_WINDOW_BYTES = 1024 * 1024,
    HTTP2_CONN_WINDOW_BYTES = 8 * 1024 * 1024,
    HTTP2_HEADER_OVERHEAD_BYTES = 32, /* RFC 9113, 6.5.2: per header, for the list's size */
    GRPC_PREFIX_BYTES = 5
};

static struct request *stream_request(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

void http2_idle(struct conn *conn)
{
    conn->deadline_ns = clock_monotonic_ns() + conn->server->limits.idle_timeout_ns;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct conn *conn = arg;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct request *request = request_new(conn);
    request->stream_id = frame->hd.stream_id;
    request->deadline_ns = clock_monotonic_ns() + conn->server->limits.head_timeout_ns;
    link_append(&conn->streams, &request->link);
    conn->deadline_ns = 0;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, request);
    return 0;
}

/* A pseudo-header: kept where it belongs. */
static void pseudo_add(struct request *request, str name, str value)
{
    if (str_equal(name, STR_OF(":method")))
        request->head.method = value;
    else if (str_equal(name, STR_OF(":path")))
        request->head.path = value; /* cut by head_arrived */
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void)flags;
    struct conn *conn = arg;
    struct request *request = stream_request(session, frame->hd.stream_id);
    if (!request || frame->headers.cat != NGHTTP2_HCAT_REQUEST || request->head_fault)
        return 0; /* trailers are dropped */
    request->header_bytes += name_len + value_len + HTTP2_HEADER_OVERHEAD_BYTES;
    str kept_name = arena_str(&request->arena, str_make((const char *)name, name_len));
    str kept_value = arena_str(&request->arena, str_make((const char *)value, value_len));
    if (request->header_bytes > conn->server->limits.header_bytes_max ||
        request->head.header_count == REQUEST_HEADERS_MAX || !kept_name.ptr || !kept_value.ptr) {
        request->head_fault = 431;
        return 0;
    }
    if (str_equal(kept_name, STR_OF(":authority")))
        kept_name = STR_OF("host");
    if (kept_name.ptr[0] == ':')
        pseudo_add(request, kept_name, kept_value);
    else
        request->headers[request->head.header_count++] = (struct header){ kept_name, kept_value };
    return 0;
}

static bool type_is_grpc(str type)
{
    static const str grpc = STR("application/grpc");
    if (!str_starts(type, grpc))
        return false;
    return type.len == grpc.len || type.ptr[grpc.len] == '+' || type.ptr[grpc.len] == ';';
}

/* What a head says beyond its headers; a status to refuse with, or 0. */
static int head_judge(struct request *request, struct diag *reterr_why)
{
    struct request_head *head = &request->head;
    head->is_grpc = type_is_grpc(request_header(head, STR_OF("content-type")));
    request->is_head_method = str_equal(head->method, STR_OF("HEAD"));
    if (request->head_fault) {
        (void)diag_set(reterr_why, ERR_HEADER_TOO_LARGE, "request header is too large");
        return request->head_fault;
    }
    str length = request_header(head, STR_OF("content-length"));
    if (length.ptr && !http1_length_parse(length, &head->content_length)) {
        (void)diag_set(reterr_why, ERR_BAD_INPUT, "bad Content-Length");
        return 400;
    }
    if (str_equal(head->method, STR_OF("CONNECT"))) {
        (void)diag_set(reterr_why, ERR_UNSUPPORTED, "CONNECT is not supported");
        return 501;
    }
    struct http1_head parsed = { .method = head->method };
    size_t target_len = head->path.len;
    char *target = arena_alloc(&request->arena, target_len + 1);
    if (target)
        memcpy(target, head->path.ptr, target_len);
    const char *fault = target ? http1_target_parse(target, target_len, &parsed) : "no room";
    if (fault) {
        (void)diag_set(reterr_why, ERR_BAD_INPUT, "%s", fault);
        return 400;
    }
    head->path = parsed.path;
    head->query = parsed.query;
    return 0;
}

static void head_arrived(struct request *request)
{
    struct diag why = DIAG_NONE;
    int status = head_judge(request, &why);
    if (status) {
        request_refuse(request, status, &why);
        return;
    }
    if (request_ask(request) != ERR_OK)
        return;
    uint64_t len = (uint64_t)MAX(request->head.content_length, 0);
    if (!request_body_plan(request, len, &status, &why)) {
        request_refuse(request, status, &why);
        return;
    }
    request->began_ns = clock_monotonic_ns();
    request->deadline_ns = request->began_ns + request_body_deadline(request, len);
}

static bool request_wants_body(const struct request *request)
{
    return request && request->head_accepted && !request->responded && !request->body_complete;
}

static void stream_ended(struct request *request)
{
    if (!request)
        return;
    request->remote_closed = true;
    if (request_wants_body(request))
        request_body_done(request);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct request *request = stream_request(session, frame->hd.stream_id);
    if (request && frame->hd.type == NGHTTP2_HEADERS &&
        frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        request->remote_closed = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
        head_arrived(request);
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        stream_ended(request);
    return 0;
}

/* gRPC says how long its message is: one allocation of the right size. */
static bool grpc_plan(struct request *request, str bytes, int *ret_status, struct diag *reterr_why)
{
    if (!request->head.is_grpc || request->body_len || bytes.len < GRPC_PREFIX_BYTES)
        return true;
    const unsigned char *prefix = (const unsigned char *)bytes.ptr;
    uint64_t len = (uint64_t)prefix[1] << 24 | (uint64_t)prefix[2] << 16 |
                   (uint64_t)prefix[3] << 8 | prefix[4];
    return request_body_plan(request, len + GRPC_PREFIX_BYTES, ret_status, reterr_why);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t len, void *arg)
{
    (void)flags;
    (void)arg;
    struct request *request = stream_request(session, stream_id);
    if (!request_wants_body(request))
        return 0;
    struct diag why = DIAG_NONE;
    int status;
    str bytes = str_make((const char *)data, len);
    if (!grpc_plan(request, bytes, &status, &why) ||
        !request_body_add(request, bytes, &status, &why)) {
        request_refuse(request, status, &why);
        return 0;
    }
    request->deadline_ns = request->began_ns + request_body_deadline(request, request->body_len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *arg)
{
    (void)error;
    struct conn *conn = arg;
    struct request *request = stream_request(session, stream_id);
    if (!request)
        return 0;
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    request_gone(request);
    request_free(request);
    if (link_is_empty(&conn->streams))
        http2_idle(conn);
    return 0;
}

/* An answer that ended before the request did: tell the client to stop sending, but only
 * now, since a reset that overtakes the answer looks like a failure of ours. */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    bool is_end = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                  (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    struct request *request = is_end ? stream_request(session, frame->hd.stream_id) : NULL;
    if (!request || request->remote_closed || request->reset_sent)
        return 0;
    request->reset_sent = true;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                     NGHTTP2_NO_ERROR);
}

static nghttp2_session *session_new(struct conn *conn)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session = NULL;
    int failed = nghttp2_session_callbacks_new(&callbacks);
    assert(!failed);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    failed = nghttp2_session_server_new(&session, callbacks, conn);
    assert(!failed);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

void http2_start(struct conn *conn)
{
    const struct net_limits *limits = &conn->server->limits;
    conn->http2 = session_new(conn);
    nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams_max },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->header_bytes_max },
    };
    int failed =
        nghttp2_submit_settings(conn->http2, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
    failed |= nghttp2_session_set_local_window_size(conn->http2, NGHTTP2_FLAG_NONE, 0,
                                                    HTTP2_CONN_WINDOW_BYTES);
    conn->is_broken |= failed != 0;
    http2_idle(conn);
}

void http2_input(struct conn *conn, str bytes)
{
    ssize_t n = nghttp2_session_mem_recv(conn->http2, (const uint8_t *)bytes.ptr, bytes.len);
    if (n < 0)
        conn->is_broken = true;
}

/* Streams whose handler waits for room. */
static void streams_drain(struct conn *conn)
{
    for (struct link *l = conn->streams.next, *next; l != &conn->streams; l = next) {
        next = l->next;
        struct request *request = LINK_OF(l, struct request, link);
        if (request->stream_waits && bytes_len(&request->out) < NET_OUT_BYTES_LOW)
            request_drained(request);
    }
}

void http2_fill(struct conn *conn)
{
    while (bytes_len(&conn->out) < NET_OUT_BYTES_HIGH) {
        const uint8_t *data;
        ssize_t n = nghttp2_session_mem_send(conn->http2, &data);
        if (n < 0)
            conn->is_broken = true;
        if (n <= 0)
            break;
        bytes_add(&conn->out, data, (size_t)n);
    }
    streams_drain(conn);
    if (!nghttp2_session_want_read(conn->http2) && !nghttp2_session_want_write(conn->http2))
        conn->closes_after_flush = conn->input_unread = true;
}

/* One stream is past its deadline. */
static void stream_late(struct conn *conn, struct request *request)
{
    request->deadline_ns = 0;
    if (request->responded) { /* the client does not read it */
        nghttp2_submit_rst_stream(conn->http2, NGHTTP2_FLAG_NONE, request->stream_id,
                                  NGHTTP2_CANCEL);
        return;
    }
    if (!request->head_accepted) {
        conn->is_broken = true; /* a head in pieces blocks the whole connection */
        return;
    }
    struct diag why = DIAG_NONE;
    (void)diag_set(&why, ERR_TIMEOUT, "the request did not arrive in time");
    request_refuse(request, 408, &why);
}

bool http2_tick(struct conn *conn, int64_t now_ns)
{
    bool is_late = false;
    for (struct link *l = conn->streams.next, *next; l != &conn->streams; l = next) {
        next = l->next;
        struct request *request = LINK_OF(l, struct request, link);
        if (request->deadline_ns && now_ns >= request->deadline_ns) {
            stream_late(conn, request);
            is_late = true;
        }
    }
    if (conn->deadline_ns && now_ns >= conn->deadline_ns) {
        conn->deadline_ns = 0;
        nghttp2_session_terminate_session(conn->http2, NGHTTP2_NO_ERROR);
        is_late = true;
    }
    return is_late;
}

void http2_stop(struct conn *conn)
{
    if (link_is_empty(&conn->streams))
        nghttp2_session_terminate_session(conn->http2, NGHTTP2_NO_ERROR);
    else
        nghttp2_submit_goaway(conn->http2, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(conn->http2),
                              NGHTTP2_NO_ERROR, NULL, 0);
}

bool http2_is_quiet(const struct conn *conn)
{
    for (struct link *l = conn->streams.next; l != &conn->streams; l = l->next) {
        const struct request *request = LINK_OF(l, struct request, link);
        if (!request->is_streaming || request->responded)
            return false;
    }
    return true;
}

void http2_free(struct conn *conn)
{
    if (!conn->http2)
        return;
    for (struct link *l = conn->streams.next; l != &conn->streams; l = l->next)
        request_gone(LINK_OF(l, struct request, link));
    nghttp2_session_del(conn->http2);
    conn->http2 = NULL;
    while (!link_is_empty(&conn->streams))
        request_free(LINK_OF(conn->streams.next, struct request, link));
}
