/* test_http2.c -- HTTP/2, gRPC and TLS over loopback, with nghttp2 and OpenSSL as clients.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_fixture.h"
#include <nghttp2/nghttp2.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>

enum { STREAMS_MAX = 256 };

/* What came back on one stream. */
struct stream {
    struct buf headers; /* "name: value\n", trailers too */
    struct buf body;
    str upload;
    bool never_ends; /* the upload stays open */
    bool is_closed;
    int header_blocks;
    uint32_t error;
};

struct peer {
    int fd;
    SSL *ssl;
    nghttp2_session *session;
    struct stream streams[STREAMS_MAX];
    int stream_count, closed_count;
    bool goaway;
};

static struct fixture server;

static struct stream *stream_at(struct peer *peer, int32_t id)
{
    assert_true(id > 0 && id / 2 < STREAMS_MAX);
    return &peer->streams[id / 2];
}

static ssize_t peer_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags,
                         void *arg)
{
    (void)session;
    (void)flags;
    struct peer *peer = arg;
    if (peer->ssl)
        return SSL_write(peer->ssl, data, (int)len) > 0 ? (ssize_t)len
                                                        : NGHTTP2_ERR_CALLBACK_FAILURE;
    raw_send(peer->fd, str_make((const char *)data, len));
    return (ssize_t)len;
}

static int peer_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                       size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                       void *arg)
{
    (void)session;
    (void)flags;
    struct buf *out = &stream_at(arg, frame->hd.stream_id)->headers;
    buf_printf(out, "%.*s: %.*s\n", (int)name_len, name, (int)value_len, value);
    return 0;
}

static int peer_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct peer *peer = arg;
    peer->goaway |= frame->hd.type == NGHTTP2_GOAWAY;
    if (frame->hd.type == NGHTTP2_HEADERS)
        stream_at(peer, frame->hd.stream_id)->header_blocks++;
    return 0;
}

static int peer_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                     size_t len, void *arg)
{
    (void)session;
    (void)flags;
    buf_add(&stream_at(arg, id)->body, data, len);
    return 0;
}

static int peer_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    (void)session;
    struct peer *peer = arg;
    struct stream *stream = stream_at(peer, id);
    stream->is_closed = true;
    stream->error = error;
    peer->closed_count++;
    return 0;
}

static ssize_t upload_read(nghttp2_session *session, int32_t id, uint8_t *ptr, size_t len,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)id;
    (void)arg;
    struct stream *stream = source->ptr;
    size_t n = MIN(len, stream->upload.len);
    if (n)
        memcpy(ptr, stream->upload.ptr, n);
    stream->upload = str_from(stream->upload, n);
    if (n == 0 && stream->never_ends)
        return NGHTTP2_ERR_DEFERRED;
    if (stream->upload.len == 0 && !stream->never_ends)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void peer_open(struct peer *peer, SSL *ssl, int fd)
{
    nghttp2_session_callbacks *callbacks;
    *peer = (struct peer){ .fd = fd, .ssl = ssl };
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_send_callback(callbacks, peer_send);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, peer_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, peer_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, peer_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, peer_close);
    nghttp2_session_client_new(&peer->session, callbacks, peer);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(peer->session, 0, NULL, 0);
}

static void peer_shut(struct peer *peer)
{
    for (int i = 0; i < STREAMS_MAX; i++) {
        buf_clear(&peer->streams[i].headers);
        buf_clear(&peer->streams[i].body);
    }
    nghttp2_session_del(peer->session);
    SSL_free(peer->ssl);
    close(peer->fd);
}

#define NV(name, value)                                                                            \
    (nghttp2_nv)                                                                                   \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value),  \
            0                                                                                      \
    }

static struct stream *peer_request(struct peer *peer, const char *path, const char *type,
                                   str upload, bool never_ends)
{
    struct stream *stream = &peer->streams[peer->stream_count++];
    nghttp2_nv headers[] = { NV(":method", "POST"), NV(":path", path), NV(":scheme", "http"),
                             NV(":authority", "a"), NV("content-type", type) };
    buf_init(&stream->headers, MIB);
    buf_init(&stream->body, 64 * MIB);
    stream->upload = upload;
    stream->never_ends = never_ends;
    nghttp2_data_provider provider = { .source = { .ptr = stream }, .read_callback = upload_read };
    int32_t id =
        nghttp2_submit_request(peer->session, NULL, headers, COUNT_OF(headers), &provider, NULL);
    assert_true(stream_at(peer, id) == stream);
    return stream;
}

/* Exchange frames until all streams are closed, or the server left; false: it is silent. */
static bool peer_run(struct peer *peer)
{
    static uint8_t bytes[65536];
    while (peer->closed_count < peer->stream_count) {
        assert_int_equal(nghttp2_session_send(peer->session), 0);
        if (peer->closed_count == peer->stream_count)
            return true;
        if (!(peer->ssl && SSL_pending(peer->ssl)) && !fd_wait(peer->fd))
            return false;
        ssize_t n = peer->ssl ? SSL_read(peer->ssl, bytes, sizeof bytes)
                              : recv(peer->fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return false;
        assert_true(nghttp2_session_mem_recv(peer->session, bytes, (size_t)n) == n);
    }
    return true;
}

static bool stream_has(struct stream *stream, const char *line)
{
    return str_find(buf_str(&stream->headers), str_from_c(line)) < stream->headers.len;
}

static struct peer peer;

static void start_with(const struct net_limits *limits)
{
    fixture_start(&server, limits, NULL, NULL);
    peer_open(&peer, NULL, raw_connect(server.port));
}

static void stop(void)
{
    peer_shut(&peer);
    fixture_stop(&server);
}

/* shows: C1 */
static void grpc_call_is_answered_with_message_and_trailers(void **state)
{
    (void)state;
    start_with(NULL);
    struct stream *call =
        peer_request(&peer, "/echo", "application/grpc", str_make("\0\0\0\0\3abc", 8), false);
    struct stream *empty =
        peer_request(&peer, "/later", "application/grpc+proto", str_make("\0\0\0\0\0", 5), false);
    assert_true(peer_run(&peer));
    assert_true(stream_has(call, ":status: 200\n"));
    assert_true(stream_has(call, "content-type: application/grpc\n"));
    assert_true(stream_has(call, "grpc-status: 0\n"));
    assert_int_equal(call->header_blocks, 2);
    assert_true(str_equal(buf_str(&call->body), str_make("\0\0\0\0\3abc", 8)));
    assert_int_equal(empty->error, NGHTTP2_NO_ERROR);
    stop();
}

static void grpc_refusal_is_trailers_only_and_arrives_before_the_reset(void **state)
{
    (void)state;
    start_with(NULL);
    struct stream *call = peer_request(&peer, "/deny", "application/grpc",
                                       str_make("\0\0\0\0\x63"
                                                "abc",
                                                8),
                                       true);
    struct stream *busy = peer_request(&peer, "/busy", "application/grpc", STR_OF(""), false);
    assert_true(peer_run(&peer));
    assert_int_equal(call->header_blocks, 1);
    assert_true(stream_has(call, ":status: 200\n"));
    assert_true(stream_has(call, "grpc-status: 16\n"));
    assert_true(stream_has(call, "grpc-message: no key %E2%82%AC 100%25\n"));
    assert_true(stream_has(call, "grpc-status-details-bin: YWJjZA\n"));
    assert_true(stream_has(call, "www-authenticate: Bearer\n"));
    assert_false(stream_has(call, "x-bad"));
    assert_int_equal(call->error, NGHTTP2_NO_ERROR);
    assert_true(stream_has(busy, "grpc-status: 8\n"));
    stop();
}

static void grpc_message_past_the_limit_is_refused_from_its_prefix(void **state)
{
    (void)state;
    start_with(NULL);
    static char at[FIXTURE_BODY_MAX];
    memcpy(at, "\0\0\x0f\xff\xfb", 5);
    struct stream *fits =
        peer_request(&peer, "/echo", "application/grpc", str_make(at, sizeof at), false);
    struct stream *past =
        peer_request(&peer, "/echo", "application/grpc", str_make("\0\0\x0f\xff\xfc", 5), true);
    assert_true(peer_run(&peer));
    assert_true(stream_has(fits, "grpc-status: 0\n"));
    assert_int_equal(fits->body.len, FIXTURE_BODY_MAX);
    assert_true(stream_has(past, "grpc-status: 8\n"));
    assert_int_equal(server.gones, 1);
    stop();
}

static void many_streams_pass_the_flow_control_windows(void **state)
{
    (void)state;
    start_with(NULL);
    static char body[300000];
    memset(body, 'x', sizeof body);
    for (int i = 0; i < 40; i++)
        peer_request(&peer, i % 2 ? "/later" : "/echo", "text/plain", str_make(body, sizeof body),
                     false);
    assert_true(peer_run(&peer));
    for (int i = 0; i < 40; i++) {
        assert_true(stream_has(&peer.streams[i], ":status: 200\n"));
        assert_int_equal(peer.streams[i].body.len, sizeof body);
    }
    struct net_status status;
    loop_status(server.loop, &status);
    assert_int_equal(status.body_bytes_held, 0);
    assert_int_equal(status.requests_total, 40);
    stop();
}

static void plain_refusals_have_their_status(void **state)
{
    (void)state;
    start_with(NULL);
    static char large[FIXTURE_BODY_MAX + 1];
    static char path[40000];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    struct stream *denied = peer_request(&peer, "/deny", "text/plain", STR_OF("x"), true);
    struct stream *too_large =
        peer_request(&peer, "/echo", "text/plain", str_make(large, sizeof large), false);
    struct stream *bad_path = peer_request(&peer, "/a%00", "text/plain", STR_OF(""), false);
    struct stream *long_head = peer_request(&peer, path, "text/plain", STR_OF(""), false);
    assert_true(peer_run(&peer));
    assert_true(stream_has(denied, ":status: 401\n"));
    assert_true(str_equal_c(buf_str(&denied->body), "denied"));
    assert_true(stream_has(too_large, ":status: 413\n"));
    assert_true(stream_has(bad_path, ":status: 400\n"));
    assert_true(stream_has(long_head, ":status: 431\n"));
    stop();
}

static void stream_of_events_arrives_whole(void **state)
{
    (void)state;
    start_with(NULL);
    struct stream *events = peer_request(&peer, "/stream", "text/plain", STR_OF(""), false);
    assert_true(peer_run(&peer));
    assert_true(stream_has(events, "content-type: text/event-stream\n"));
    assert_true(str_equal_c(buf_str(&events->body), "data: x\n\ndata: x\n\ndata: x\n\n"));
    stop();
}

static void reset_stream_and_closed_connection_are_noticed(void **state)
{
    (void)state;
    start_with(NULL);
    peer_request(&peer, "/hold", "text/plain", STR_OF(""), false);
    assert_int_equal(nghttp2_session_send(peer.session), 0);
    assert_true(event_wait(server.held_fd));
    nghttp2_submit_rst_stream(peer.session, 0, 1, NGHTTP2_CANCEL);
    assert_int_equal(nghttp2_session_send(peer.session), 0);
    assert_true(event_wait(server.gone_fd));
    struct stream *flood = peer_request(&peer, "/flood", "text/plain", STR_OF(""), false);
    peer_request(&peer, "/hold", "text/plain", STR_OF(""), false);
    assert_int_equal(nghttp2_session_send(peer.session), 0);
    assert_true(event_wait(server.held_fd));
    assert_false(flood->is_closed);
    shutdown(peer.fd, SHUT_RDWR);
    assert_true(event_wait(server.gone_fd));
    stop();
    assert_int_equal(server.gones, 3);
}

static void slow_body_is_timed_out(void **state)
{
    (void)state;
    struct net_limits limits = net_limits_default;
    limits.body_timeout_ns = 200 * NS_PER_MS;
    start_with(&limits);
    struct stream *plain = peer_request(&peer, "/echo", "text/plain", STR_OF("x"), true);
    struct stream *grpc = peer_request(&peer, "/echo", "application/grpc", STR_OF("x"), true);
    assert_true(peer_run(&peer));
    assert_true(stream_has(plain, ":status: 408\n"));
    assert_true(stream_has(grpc, "grpc-status: 4\n"));
    assert_int_equal(server.gones, 2);
    stop();
}

static void idle_connection_gets_goaway(void **state)
{
    (void)state;
    struct net_limits limits = net_limits_default;
    limits.idle_timeout_ns = 200 * NS_PER_MS;
    start_with(&limits);
    peer_request(&peer, "/echo", "text/plain", STR_OF(""), false);
    assert_true(peer_run(&peer));
    peer.stream_count++; /* wait for more than there is */
    assert_false(peer_run(&peer));
    assert_true(peer.goaway);
    stop();
}

static void stop_lets_streams_finish(void **state)
{
    (void)state;
    start_with(NULL);
    struct stream *held = peer_request(&peer, "/hold", "text/plain", STR_OF(""), false);
    assert_int_equal(nghttp2_session_send(peer.session), 0);
    assert_true(event_wait(server.held_fd));
    str body = STR("late");
    *request_slot(server.held) = &body; /* the loop sees it by the post */
    loop_stop(server.loop);
    loop_post(server.loop, fixture_later, server.held);
    assert_true(peer_run(&peer));
    assert_true(stream_has(held, ":status: 200\n"));
    assert_true(peer.goaway);
    stop();
}

static void garbage_after_the_preface_closes_the_connection(void **state)
{
    (void)state;
    start_with(NULL);
    struct buf answer;
    buf_init(&answer, MIB);
    int fd = raw_connect(server.port);
    raw_send(fd, STR_OF("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage that is no frame at all......"));
    raw_read(fd, NULL, &answer);
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&poll_fd, 1, FIXTURE_WAIT_MS), 1);
    close(fd);
    buf_clear(&answer);
    stop();
}

/* -- TLS -- */

static char cert_path[64], key_path[64];

static void cert_write(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_sign(cert, key, EVP_sha256());
    snprintf(cert_path, sizeof cert_path, "/tmp/test_http2_%d.pem", (int)getpid());
    snprintf(key_path, sizeof key_path, "/tmp/test_http2_%d.key", (int)getpid());
    FILE *file = fopen(cert_path, "w");
    assert_non_null(file);
    PEM_write_X509(file, cert);
    fclose(file);
    file = fopen(key_path, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static SSL *tls_connect(SSL_CTX *context, int fd, const char *alpn)
{
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    if (alpn)
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned int)strlen(alpn));
    assert_int_equal(SSL_connect(ssl), 1);
    return ssl;
}

/* shows: D9 */
static void tls_serves_both_protocols_by_alpn(void **state)
{
    (void)state;
    cert_write();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    fixture_start(&server, NULL, cert_path, key_path);
    int fd = raw_connect(server.port);
    peer_open(&peer, tls_connect(context, fd, "\x02h2"), fd);
    static char body[300000];
    memset(body, 'x', sizeof body);
    struct stream *stream =
        peer_request(&peer, "/later", "text/plain", str_make(body, sizeof body), false);
    assert_true(peer_run(&peer));
    assert_int_equal(stream->body.len, sizeof body);
    peer_shut(&peer);

    fd = raw_connect(server.port); /* no ALPN: HTTP/1.1 */
    SSL *ssl = tls_connect(context, fd, NULL);
    char head[128], answer[4096];
    int len = snprintf(head, sizeof head,
                       "POST /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       sizeof body);
    assert_int_equal(SSL_write(ssl, head, len), len);
    assert_int_equal(SSL_write(ssl, body, sizeof body), sizeof body);
    size_t total = 0;
    for (int n; (n = SSL_read(ssl, answer, sizeof answer)) > 0; total += (size_t)n)
        assert_true(total || memcmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0);
    assert_true(total > sizeof body);
    SSL_free(ssl);
    close(fd);

    struct buf plain; /* plain text on a TLS port is closed */
    buf_init(&plain, 4096);
    fd = raw_connect(server.port);
    raw_send(fd, STR_OF("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    raw_read(fd, NULL, &plain);
    assert_true(str_find(buf_str(&plain), STR_OF("HTTP/1.1")) == plain.len);
    buf_clear(&plain);
    close(fd);
    fixture_stop(&server);
    SSL_CTX_free(context);
}

static void unusable_certificate_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct net_handler handler = { fixture_head, fixture_body, NULL, NULL, NULL, &server };
    struct net_listen listen_on = { .address = "127.0.0.1:0",
                                    .cert_path = "/nonexistent.pem",
                                    .key_path = key_path };
    struct diag why = DIAG_NONE;
    assert_int_equal(net_listen(loop, &listen_on, NULL, &handler, NULL, &why), ERR_BAD_INPUT);
    assert_non_null(strstr(why.text, "/nonexistent.pem"));
    listen_on.cert_path = cert_path;
    listen_on.key_path = cert_path; /* no key in it */
    assert_int_equal(net_listen(loop, &listen_on, NULL, &handler, NULL, &why), ERR_BAD_INPUT);
    listen_on.key_path = NULL;
    assert_int_equal(net_listen(loop, &listen_on, NULL, &handler, NULL, &why), ERR_BAD_INPUT);
    unlink(cert_path);
    unlink(key_path);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grpc_call_is_answered_with_message_and_trailers),
        cmocka_unit_test(grpc_refusal_is_trailers_only_and_arrives_before_the_reset),
        cmocka_unit_test(grpc_message_past_the_limit_is_refused_from_its_prefix),
        cmocka_unit_test(many_streams_pass_the_flow_control_windows),
        cmocka_unit_test(plain_refusals_have_their_status),
        cmocka_unit_test(stream_of_events_arrives_whole),
        cmocka_unit_test(reset_stream_and_closed_connection_are_noticed),
        cmocka_unit_test(slow_body_is_timed_out),
        cmocka_unit_test(idle_connection_gets_goaway),
        cmocka_unit_test(stop_lets_streams_finish),
        cmocka_unit_test(garbage_after_the_preface_closes_the_connection),
        cmocka_unit_test(tls_serves_both_protocols_by_alpn),
        cmocka_unit_test(unusable_certificate_is_an_error_that_names_it),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
