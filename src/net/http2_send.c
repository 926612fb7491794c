/* http2_send.c -- answers over HTTP/2, and how gRPC wants them.
 *
 * A gRPC success is HEADERS, one message, trailers; a gRPC failure is a single HEADERS
 * frame that ends the stream (Trailers-Only), with HTTP status 200.  The status's text is
 * percent-encoded, its details are base64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "net/net_int.h"
#include "sys/clock.h"
#include <nghttp2/nghttp2.h>
#include <stdio.h>

enum {
    HTTP2_HEADERS_OUT_MAX = 16,
    GRPC_MESSAGE_MAX = 1024,
    GRPC_DETAILS_MAX = 8192,
    GRPC_UNKNOWN = 2
};

/* Headers of one answer. */
struct header_list {
    nghttp2_nv items[HTTP2_HEADERS_OUT_MAX];
    size_t count;
};

static void list_add(struct header_list *list, str name, str value)
{
    assert(list->count < COUNT_OF(list->items));
    list->items[list->count++] =
        (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name.ptr,
                      .value = (uint8_t *)(uintptr_t)(value.ptr ? value.ptr : ""),
                      .namelen = name.len,
                      .valuelen = value.len };
}

/* HTTP/2 wants lower case names. */
static void list_add_extra(struct header_list *list, struct request *request,
                           const struct header *header)
{
    if (!response_header_is_safe(header))
        return;
    str name = arena_str(&request->arena, header->name);
    if (!name.ptr)
        return;
    char *lower = (char *)(uintptr_t)name.ptr;
    for (size_t i = 0; i < name.len; i++) {
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] | 0x20);
    }
    list_add(list, name, header->value);
}

static ssize_t out_read(nghttp2_session *session, int32_t stream_id, uint8_t *ptr, size_t len,
                        uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct conn *conn = arg;
    struct request *request = source->ptr;
    CHECK(request, REQUEST_MAGIC);
    size_t n = MIN(len, bytes_len(&request->out));
    if (n == 0 && !request->out_eof) {
        request->out_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n) {
        memcpy(ptr, bytes_str(&request->out).ptr, n);
        bytes_consume(&request->out, n);
    }
    request->deadline_ns = 0;
    if (bytes_len(&request->out))
        request->deadline_ns = clock_monotonic_ns() + conn->server->limits.idle_timeout_ns;
    if (bytes_len(&request->out) == 0 && request->out_eof) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (request->has_trailers) {
            struct header_list trailers = { .count = 0 };
            list_add(&trailers, STR_OF("grpc-status"), STR_OF("0"));
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_submit_trailer(session, stream_id, trailers.items, trailers.count);
        }
    }
    return (ssize_t)n;
}

static void list_submit(struct request *request, const struct header_list *list, bool has_body)
{
    struct conn *conn = request->conn;
    nghttp2_data_provider provider = { .source = { .ptr = request }, .read_callback = out_read };
    int failed = nghttp2_submit_response(conn->http2, request->stream_id, list->items, list->count,
                                         has_body ? &provider : NULL);
    conn->is_broken |= failed != 0;
    if (has_body)
        request->deadline_ns = clock_monotonic_ns() + conn->server->limits.idle_timeout_ns;
    conn_schedule(conn);
}

static void list_add_common(struct header_list *list, struct request *request,
                            const struct response *response)
{
    assert(response->extra_count <= COUNT_OF(response->extra));
    list_add(list, STR_OF("date"), str_from_c(loop_date(request->conn->loop)));
    for (size_t i = 0; i < response->extra_count; i++)
        list_add_extra(list, request, &response->extra[i]);
}

static void response_mark(struct request *request)
{
    request->responded = true;
    request->deadline_ns = 0;
}

/* The answer was copied (it may have pointed into the request's body). */
static void response_end(struct request *request)
{
    if (!request->in_call)
        request_body_drop(request);
}

/* The gRPC status that an HTTP status stands for, by err.def. */
static int grpc_from_http(int status)
{
    for (int code = 0; code < ERR_COUNT; code++) {
        if (err_http_status((enum err)code) == status)
            return err_grpc_code((enum err)code);
    }
    return status < 300 ? 0 : GRPC_UNKNOWN;
}

/* RFC 3986 percent-encoding of all but printable ASCII. */
static str grpc_message_encode(struct arena *arena, str message)
{
    static const char digits[] = "0123456789ABCDEF";
    message = str_sub(message, 0, GRPC_MESSAGE_MAX);
    char *out = arena_alloc(arena, 3 * message.len);
    size_t len = 0;
    for (size_t i = 0; out && i < message.len; i++) {
        unsigned char byte = (unsigned char)message.ptr[i];
        if (byte >= ' ' && byte <= '~' && byte != '%') {
            out[len++] = (char)byte;
            continue;
        }
        out[len++] = '%';
        out[len++] = digits[byte >> 4];
        out[len++] = digits[byte & 15];
    }
    return out ? str_make(out, len) : STR_OF("");
}

static void grpc_refuse(struct request *request, const struct response *response, int code)
{
    char code_text[12];
    struct buf details;
    struct header_list list = { .count = 0 };
    snprintf(code_text, sizeof code_text, "%d", code);
    buf_init(&details, (size_t)GRPC_DETAILS_MAX * 2);
    list_add(&list, STR_OF(":status"), STR_OF("200"));
    list_add(&list, STR_OF("content-type"), STR_OF("application/grpc"));
    list_add(&list, STR_OF("grpc-status"), str_from_c(code_text));
    if (response->grpc_message.len)
        list_add(&list, STR_OF("grpc-message"),
                 grpc_message_encode(&request->arena, response->grpc_message));
    if (response->grpc_details.len && response->grpc_details.len <= GRPC_DETAILS_MAX) {
        base64_encode(&details, response->grpc_details.ptr, response->grpc_details.len);
        while (details.len && details.ptr[details.len - 1] == '=')
            details.len--; /* gRPC sends it without padding */
        list_add(&list, STR_OF("grpc-status-details-bin"), buf_str(&details));
    }
    list_add_common(&list, request, response);
    list_submit(request, &list, false);
    buf_clear(&details);
}

static void grpc_respond(struct request *request, const struct response *response)
{
    int code = response->grpc_status;
    if (code < 0 || (code == 0 && response->status >= 400))
        code = grpc_from_http(response->status);
    if (code != 0) {
        grpc_refuse(request, response, code);
        return;
    }
    size_t len = response->body.len;
    char prefix[5] = { 0, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len };
    struct header_list list = { .count = 0 };
    assert(len <= UINT32_MAX);
    list_add(&list, STR_OF(":status"), STR_OF("200"));
    list_add(&list, STR_OF("content-type"), STR_OF("application/grpc"));
    list_add_common(&list, request, response);
    bytes_reserve(&request->out, sizeof prefix + len);
    bytes_add(&request->out, prefix, sizeof prefix);
    bytes_add(&request->out, response->body.ptr, len);
    request->out_eof = true;
    request->has_trailers = true;
    list_submit(request, &list, true);
}

/* :status, type, and what a plain answer and a stream share. */
static void list_begin(struct header_list *list, struct request *request,
                       const struct response *response, char *status_text, size_t size)
{
    assert(response->status >= 200 && response->status <= 599);
    snprintf(status_text, size, "%d", response->status);
    list_add(list, STR_OF(":status"), str_from_c(status_text));
    struct header type = { STR("content-type"), response->content_type };
    if (type.value.len && response_header_is_safe(&type))
        list_add(list, type.name, type.value);
    list_add_common(list, request, response);
}

static void plain_respond(struct request *request, const struct response *response)
{
    char status_text[12], length_text[24];
    struct header_list list = { .count = 0 };
    list_begin(&list, request, response, status_text, sizeof status_text);
    bool has_body = response_has_body(response->status);
    snprintf(length_text, sizeof length_text, "%zu", response->body.len);
    if (has_body)
        list_add(&list, STR_OF("content-length"), str_from_c(length_text));
    has_body = has_body && response->body.len && !request->is_head_method;
    if (has_body)
        bytes_add(&request->out, response->body.ptr, response->body.len);
    request->out_eof = true;
    list_submit(request, &list, has_body);
}

void http2_respond(struct request *request, const struct response *response)
{
    response_mark(request);
    if (request->head.is_grpc)
        grpc_respond(request, response);
    else
        plain_respond(request, response);
    response_end(request);
}

void http2_stream_begin(struct request *request, const struct response *head)
{
    char status_text[12];
    struct header_list list = { .count = 0 };
    list_begin(&list, request, head, status_text, sizeof status_text);
    list_submit(request, &list, !request->is_head_method);
    request->deadline_ns = 0;
}

static void stream_resume(struct request *request)
{
    if (request->out_deferred) {
        request->out_deferred = false;
        nghttp2_session_resume_data(request->conn->http2, request->stream_id);
    }
    conn_schedule(request->conn);
}

bool http2_stream_write(struct request *request, str piece)
{
    if (bytes_len(&request->out) > NET_OUT_BYTES_HIGH)
        return false;
    if (request->is_head_method)
        return true;
    bytes_add(&request->out, piece.ptr, piece.len);
    stream_resume(request);
    return true;
}

void http2_stream_end(struct request *request)
{
    response_mark(request);
    request->out_eof = true;
    request->deadline_ns = clock_monotonic_ns() + request->conn->server->limits.idle_timeout_ns;
    stream_resume(request);
    response_end(request);
}
