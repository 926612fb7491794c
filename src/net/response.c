/* response.c -- answers: the public calls, and how HTTP/1.1 writes them.
 *
 * A small answer is one contiguous piece in the connection's output, so one send.
 * A header with a control byte is left out rather than sent: nothing a handler passes
 * on can split an answer in two.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"

const char *response_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 207, "Multi-Status" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 402, "Payment Required" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 499, "Client Closed Request" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Unknown";
}

bool response_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

bool response_header_is_safe(const struct header *header)
{
    for (size_t i = 0; i < header->value.len; i++) {
        unsigned char byte = (unsigned char)header->value.ptr[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    for (size_t i = 0; i < header->name.len; i++) {
        unsigned char byte = (unsigned char)header->name.ptr[i];
        if (byte <= ' ' || byte >= 0x7f || byte == ':')
            return false;
    }
    return header->name.len > 0;
}

static void header_add(struct bytes *out, const struct header *header)
{
    if (!response_header_is_safe(header))
        return;
    bytes_add(out, header->name.ptr, header->name.len);
    bytes_add(out, ": ", 2);
    bytes_add(out, header->value.ptr, header->value.len);
    bytes_add(out, "\r\n", 2);
}

/* Everything up to the headers that describe the body. */
static void head_add(struct request *request, const struct response *response)
{
    struct bytes *out = &request->conn->out;
    assert(response->status >= 200 && response->status <= 599);
    assert(response->extra_count <= COUNT_OF(response->extra));
    bytes_printf(out, "HTTP/1.1 %d %s\r\ndate: %s\r\n", response->status,
                 response_reason(response->status), loop_date(request->conn->loop));
    if (response->content_type.len)
        header_add(out, &(struct header){ STR("content-type"), response->content_type });
    for (size_t i = 0; i < response->extra_count; i++)
        header_add(out, &response->extra[i]);
}

/* What happens to the rest of a body that nobody wants. */
static void rest_judge(struct request *request)
{
    struct conn *conn = request->conn;
    if (request->body_complete)
        return;
    bool is_short = conn->http1.state == HTTP1_STATE_FIXED &&
                    http1_fixed_left(&conn->http1) <= NET_DRAIN_BYTES_MAX &&
                    str_is_none(request_header(&request->head, STR_OF("expect")));
    if (is_short && request->is_keep_alive) {
        conn->discards = true;
        return;
    }
    request->is_keep_alive = false;
    conn->input_unread = true;
}

static void connection_add(struct request *request)
{
    struct conn *conn = request->conn;
    if (conn->loop->is_stopping)
        request->is_keep_alive = false;
    if (!request->is_keep_alive)
        bytes_add_c(&conn->out, "connection: close\r\n");
    else if (request->is_http10)
        bytes_add_c(&conn->out, "connection: keep-alive\r\n");
}

/* The answer is queued: the connection goes on to the next request or closes. */
static void request_finish(struct request *request)
{
    struct conn *conn = request->conn;
    request->responded = true;
    if (!request->is_keep_alive)
        conn->closes_after_flush = true;
    else if (!conn->discards)
        http1_idle(conn);
    assert(conn->request == request);
    conn->request = NULL;
    conn_schedule(conn);
    request_release(request);
}

void http1_respond(struct request *request, const struct response *response)
{
    struct conn *conn = request->conn;
    bool has_body = response_has_body(response->status);
    rest_judge(request);
    bytes_reserve(&conn->out, 512 + (has_body ? response->body.len : 0));
    head_add(request, response);
    if (has_body)
        bytes_printf(&conn->out, "content-length: %zu\r\n", response->body.len);
    connection_add(request);
    bytes_add(&conn->out, "\r\n", 2);
    if (has_body && !request->is_head_method)
        bytes_add(&conn->out, response->body.ptr, response->body.len);
    request_finish(request);
}

void http1_stream_begin(struct request *request, const struct response *head)
{
    struct conn *conn = request->conn;
    rest_judge(request);
    if (request->is_http10)
        request->is_keep_alive = false; /* its end is the end of the stream */
    head_add(request, head);
    if (!request->is_http10)
        bytes_add_c(&conn->out, "transfer-encoding: chunked\r\n");
    connection_add(request);
    bytes_add(&conn->out, "\r\n", 2);
    conn_schedule(conn);
}

bool http1_stream_write(struct request *request, str piece)
{
    struct conn *conn = request->conn;
    if (bytes_len(&conn->out) > NET_OUT_BYTES_HIGH)
        return false;
    if (piece.len == 0 || request->is_head_method)
        return true;
    if (!request->is_http10)
        bytes_printf(&conn->out, "%zx\r\n", piece.len);
    bytes_add(&conn->out, piece.ptr, piece.len);
    if (!request->is_http10)
        bytes_add(&conn->out, "\r\n", 2);
    conn_schedule(conn);
    return true;
}

void http1_stream_end(struct request *request)
{
    if (!request->is_http10 && !request->is_head_method)
        bytes_add_c(&request->conn->out, "0\r\n\r\n");
    request_finish(request);
}

void request_respond(struct request *request, const struct response *response)
{
    CHECK(request, REQUEST_MAGIC);
    assert(!request->responded && !request->is_streaming);
    if (request->stream_id)
        http2_respond(request, response);
    else
        http1_respond(request, response);
}

void request_stream_begin(struct request *request, const struct response *head)
{
    CHECK(request, REQUEST_MAGIC);
    assert(!request->responded && !request->is_streaming && !request->head.is_grpc);
    request->is_streaming = true;
    if (request->stream_id)
        http2_stream_begin(request, head);
    else
        http1_stream_begin(request, head);
}

bool request_stream_write(struct request *request, str piece)
{
    CHECK(request, REQUEST_MAGIC);
    assert(request->is_streaming && !request->responded);
    bool is_taken = request->stream_id ? http2_stream_write(request, piece)
                                       : http1_stream_write(request, piece);
    request->stream_waits |= !is_taken;
    return is_taken;
}

void request_stream_end(struct request *request)
{
    CHECK(request, REQUEST_MAGIC);
    assert(request->is_streaming && !request->responded);
    if (request->stream_id)
        http2_stream_end(request);
    else
        http1_stream_end(request);
}
