/* fuzz_http2.c -- HTTP/2 connections: any frames after the preface, without a socket.
 *
 * What is checked is lifetimes (streams, bodies, held requests) and that head(), body()
 * and gone() come in the promised order.  Even paths are answered at once, others held
 * until the connection goes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include <nghttp2/nghttp2.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_BODY_MAX = 1000 };

static int open_requests; /* taken by head(), not yet answered or gone */

static enum err on_head(void *arg, struct request *request, size_t *ret_body_max)
{
    (void)arg;
    assert(request_head(request)->path.len > 0);
    *ret_body_max = FUZZ_BODY_MAX;
    if (request_head(request)->path.len % 5 == 0)
        return ERR_BUSY;
    open_requests++;
    return ERR_OK;
}

static void on_body(void *arg, struct request *request, str body)
{
    (void)arg;
    assert(body.len <= FUZZ_BODY_MAX);
    struct response response = { .status = 200, .grpc_status = -1, .body = body };
    size_t kind = request_head(request)->path.len % 4;
    if (kind == 1)
        return; /* held */
    open_requests--;
    if (kind != 3) {
        request_respond(request, &response);
        return;
    }
    if (request_head(request)->is_grpc) {
        response.status = 429;
        request_respond(request, &response);
        return;
    }
    request_stream_begin(request, &response);
    (void)request_stream_write(request, STR_OF("data: x\n\n"));
    request_stream_end(request);
}

static void on_gone(void *arg, struct request *request)
{
    (void)arg;
    (void)request;
    open_requests--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct loop *loop = loop_new();
    struct net_server server = { .loop = loop,
                                 .limits = net_limits_default,
                                 .handler = { .head = on_head, .body = on_body, .gone = on_gone } };
    struct conn conn = { .magic = CONN_MAGIC, .mode = CONN_HTTP2, .loop = loop, .server = &server };
    open_requests = 0;
    link_init(&conn.all);
    link_init(&conn.ready);
    link_init(&conn.streams);
    http2_start(&conn);
    http2_input(&conn, STR_OF(NGHTTP2_CLIENT_MAGIC));
    for (size_t at = 0; at < size && !conn.is_broken; at += 64) {
        http2_input(&conn, str_sub(str_make((const char *)data, size), at, 64));
        if (!conn.is_broken)
            http2_fill(&conn);
        bytes_clear(&conn.out);
    }
    if (!conn.is_broken)
        (void)http2_tick(&conn, INT64_MAX);
    conn.is_broken = true;
    http2_free(&conn);
    assert(open_requests == 0);
    assert(loop->body_bytes_held == 0);
    link_remove(&conn.ready);
    bytes_clear(&conn.out);
    loop_free(loop);
    return 0;
}
