/* conn.c -- one accepted socket: reads, finds out the protocol, flushes, closes.
 *
 *   HANDSHAKE --ALPN--> HTTP1 or HTTP2        (TLS)
 *   SNIFF --"PRI * HTTP/2.0"--> HTTP2, anything else --> HTTP1
 *   any --answered, client may still be sending--> LINGER --FIN or 2 s--> freed
 *
 * Reads go by readv into the body being received and the loop's scratch, so a big body
 * is not copied.  Output is one queue per connection, flushed once per round.  LINGER
 * exists because closing a socket with unread input resets it, and the reset may
 * overtake the answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include "sys/clock.h"
#include <errno.h>
#include <event2/event.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_ROUNDS = 16, FILL_ROUNDS = 16 };

static void conn_settle(struct conn *conn);

static void mode_set(struct conn *conn, enum conn_mode mode)
{
    conn->mode = mode;
    if (mode == CONN_HTTP2)
        http2_start(conn);
}

/* HTTP/2 by prior knowledge, or HTTP/1.1; undecided while the bytes still match. */
static bool sniff(struct conn *conn, str bytes)
{
    static const str preface = STR(NGHTTP2_CLIENT_MAGIC);
    size_t len = MIN(bytes.len, preface.len);
    if (memcmp(bytes.ptr, preface.ptr, len) != 0)
        mode_set(conn, CONN_HTTP1);
    else if (len == preface.len)
        mode_set(conn, CONN_HTTP2);
    return conn->mode != CONN_SNIFF;
}

/* Give bytes to the protocol; what it consumed. */
static size_t conn_offer(struct conn *conn, str bytes)
{
    if (conn->is_broken || conn->mode == CONN_LINGER || conn->closes_after_flush)
        return bytes.len;
    if (conn->mode == CONN_SNIFF && (bytes.len == 0 || !sniff(conn, bytes)))
        return 0;
    if (conn->mode == CONN_HTTP1)
        return http1_input(conn, bytes);
    if (bytes.len)
        http2_input(conn, bytes);
    return bytes.len;
}

static void conn_process_stash(struct conn *conn)
{
    size_t used = conn_offer(conn, bytes_str(&conn->in));
    if (used)
        bytes_consume(&conn->in, used);
}

static void conn_input(struct conn *conn, str bytes)
{
    if (bytes_len(&conn->in)) {
        bytes_add(&conn->in, bytes.ptr, bytes.len);
        conn_process_stash(conn);
        return;
    }
    size_t used = conn_offer(conn, bytes);
    bytes_add(&conn->in, bytes.ptr + used, bytes.len - used);
}

static void conn_eof(struct conn *conn)
{
    if (conn->mode != CONN_HTTP1) {
        conn->is_broken = true;
        return;
    }
    conn->is_half_closed = true;
    conn->input_unread = false;
    struct request *request = conn->request;
    bool is_owed = request && request->body_complete && !request->is_streaming;
    if (request && (!is_owed || request->gone_on_fin))
        conn->is_broken = true;
    else if (!request)
        conn_schedule(conn); /* pipelined requests may wait in the stash */
}

/* Bytes read, 0: none now, -1: the end, -2: the connection is broken. */
static ssize_t conn_receive(struct conn *conn, const struct iovec *iov, int count)
{
    if (!conn->tls) {
        ssize_t n = readv(conn->fd, iov, count);
        if (n > 0)
            return n;
        if (n == 0)
            return -1;
        return errno == EAGAIN || errno == EINTR ? 0 : -2;
    }
    size_t len = 0;
    enum tls_result result = tls_read(conn->tls, iov[0].iov_base, iov[0].iov_len, &len);
    conn->tls_wants_write = result == TLS_WANTS_WRITE;
    if (result == TLS_DONE)
        return (ssize_t)len;
    if (result == TLS_CLOSED)
        return -1;
    return result == TLS_BROKEN ? -2 : 0;
}

/* One read; false when there is nothing more now. */
static bool conn_read_once(struct conn *conn)
{
    struct iovec iov[2];
    int count = 0;
    char *direct = NULL;
    size_t room = 0;
    if (conn->mode == CONN_HTTP1 && bytes_len(&conn->in) == 0)
        room = http1_direct_room(conn, &direct);
    if (room)
        iov[count++] = (struct iovec){ direct, room };
    iov[count++] = (struct iovec){ conn->loop->scratch, NET_SCRATCH_BYTES };
    ssize_t n = conn_receive(conn, iov, count);
    if (n == -1)
        conn_eof(conn);
    else if (n == -2)
        conn->is_broken = true;
    if (n <= 0)
        return false;
    size_t len = (size_t)n, direct_len = MIN(len, room);
    if (direct_len)
        http1_direct_add(conn, direct_len);
    if (len > direct_len || room)
        conn_input(conn, str_make(conn->loop->scratch, len - direct_len));
    return conn->tls || len == room + NET_SCRATCH_BYTES;
}

static bool conn_wants_read(const struct conn *conn)
{
    if (conn->is_half_closed || conn->is_broken)
        return false;
    if (conn->mode == CONN_LINGER)
        return true;
    if (conn->closes_after_flush)
        return false;
    if (conn->mode == CONN_HTTP2)
        return bytes_len(&conn->out) < 2 * (size_t)NET_OUT_BYTES_HIGH;
    return bytes_len(&conn->in) < NET_STASH_BYTES_MAX;
}

static void conn_read(struct conn *conn)
{
    for (int i = 0; i < READ_ROUNDS; i++) {
        if (!conn_wants_read(conn) || !conn_read_once(conn))
            return;
    }
    conn->input_pending = true; /* TLS may hold bytes that the socket will not announce */
    conn_schedule(conn);
}

static void conn_handshake(struct conn *conn)
{
    bool is_http2 = false;
    enum tls_result result = tls_handshake(conn->tls, &is_http2);
    conn->tls_wants_write = result == TLS_WANTS_WRITE;
    if (result == TLS_CLOSED || result == TLS_BROKEN)
        conn->is_broken = true;
    if (result != TLS_DONE)
        return;
    mode_set(conn, is_http2 ? CONN_HTTP2 : CONN_HTTP1);
    conn_read(conn);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct conn *conn = arg;
    CHECK(conn, CONN_MAGIC);
    struct loop *loop = conn->loop;
    int64_t began_ns = clock_monotonic_ns();
    if (conn->mode == CONN_HANDSHAKE)
        conn_handshake(conn);
    else
        conn_read(conn);
    conn_settle(conn);
    callback_end(loop, began_ns);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    CHECK(conn, CONN_MAGIC);
    if (conn->tls_wants_write)
        on_readable(fd, what, arg);
    else
        conn_settle(conn);
}

/* Bytes written, 0: not now, -1: broken. */
static ssize_t conn_send(struct conn *conn, str bytes)
{
    if (!conn->tls) {
        ssize_t n = send(conn->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    size_t len = 0;
    enum tls_result result = tls_write(conn->tls, bytes.ptr, bytes.len, &len);
    if (result == TLS_DONE)
        return (ssize_t)len;
    return result == TLS_WANTS_READ || result == TLS_WANTS_WRITE ? 0 : -1;
}

static void conn_flush(struct conn *conn)
{
    if (conn->mode == CONN_HANDSHAKE)
        return;
    size_t before = bytes_len(&conn->out);
    while (bytes_len(&conn->out)) {
        ssize_t n = conn_send(conn, bytes_str(&conn->out));
        if (n < 0)
            conn->is_broken = true;
        if (n <= 0)
            break;
        bytes_consume(&conn->out, (size_t)n);
    }
    if (bytes_len(&conn->out) == 0)
        conn->write_deadline_ns = 0;
    else if (bytes_len(&conn->out) < before || !conn->write_deadline_ns)
        conn->write_deadline_ns = clock_monotonic_ns() + conn->server->limits.idle_timeout_ns;
}

/* Everything was sent and no more will come. */
static void conn_shut(struct conn *conn)
{
    if (conn->tls)
        tls_close(conn->tls);
    if (!conn->input_unread || conn->is_half_closed) {
        conn->is_broken = true;
        return;
    }
    shutdown(conn->fd, SHUT_WR);
    bytes_clear(&conn->in);
    conn->mode = CONN_LINGER;
    conn->deadline_ns = clock_monotonic_ns() + NET_LINGER_NS;
}

static void conn_watch(struct conn *conn)
{
    bool reads = conn_wants_read(conn);
    bool writes = bytes_len(&conn->out) > 0 || conn->tls_wants_write;
    if (reads != conn->reads)
        (void)(reads ? event_add(conn->read_event, NULL) : event_del(conn->read_event));
    if (writes && !conn->write_event) {
        conn->write_event =
            event_new(conn->loop->base, conn->fd, EV_WRITE | EV_PERSIST, on_writable, conn);
        assert(conn->write_event);
    }
    if (writes != conn->writes)
        (void)(writes ? event_add(conn->write_event, NULL) : event_del(conn->write_event));
    conn->reads = reads;
    conn->writes = writes;
}

/* Fill and flush until the socket takes no more or nothing is left. */
static void conn_pump(struct conn *conn)
{
    for (int i = 0; i < FILL_ROUNDS && !conn->is_broken; i++) {
        if (conn->mode == CONN_HTTP2)
            http2_fill(conn);
        if (bytes_len(&conn->out) == 0 || conn->is_broken)
            return;
        conn_flush(conn);
        if (bytes_len(&conn->out) || conn->mode != CONN_HTTP2)
            return;
    }
    conn_schedule(conn);
}

/* The last step of each event: flush, close, free, or wait for the right events. */
static void conn_settle(struct conn *conn)
{
    conn_pump(conn);
    struct request *request = conn->request;
    if (!conn->is_broken && request && request->stream_waits &&
        bytes_len(&conn->out) < NET_OUT_BYTES_LOW) {
        request_drained(request);
        conn_pump(conn);
    }
    bool is_flushed = bytes_len(&conn->out) == 0;
    if (!conn->is_broken && conn->closes_after_flush && is_flushed && conn->mode != CONN_LINGER)
        conn_shut(conn);
    if (conn->is_broken)
        conn_destroy(conn);
    else
        conn_watch(conn);
}

void conn_schedule(struct conn *conn)
{
    CHECK(conn, CONN_MAGIC);
    if (conn->is_ready)
        return;
    conn->is_ready = true;
    if (link_is_empty(&conn->loop->ready))
        event_active(conn->loop->ready_event, EV_TIMEOUT, 0);
    link_append(&conn->loop->ready, &conn->ready);
}

void conn_ready(struct conn *conn)
{
    CHECK(conn, CONN_MAGIC);
    if (conn->input_pending) {
        conn->input_pending = false;
        conn_read(conn);
    }
    if (!conn->is_broken && conn->mode == CONN_HTTP1) {
        conn_process_stash(conn);
        bool is_owed = conn->request && conn->request->body_complete;
        if (conn->is_half_closed && !is_owed && conn->request)
            conn->is_broken = true;
        else if (conn->is_half_closed && !is_owed)
            conn->closes_after_flush = true;
    }
    conn_settle(conn);
}

/* The client did not send in time. */
static void conn_late(struct conn *conn)
{
    struct diag why = DIAG_NONE;
    (void)diag_set(&why, ERR_TIMEOUT, "the request did not arrive in time");
    conn->deadline_ns = 0;
    if (conn->mode != CONN_HTTP1 || (!conn->request && !conn->head_started)) {
        conn->is_broken = true;
        return;
    }
    if (conn->discards) {
        conn->closes_after_flush = conn->input_unread = true;
        return;
    }
    http1_refuse(conn, 408, &why);
}

void conn_tick(struct conn *conn, int64_t now_ns)
{
    CHECK(conn, CONN_MAGIC);
    bool is_due = false;
    if (conn->write_deadline_ns && now_ns >= conn->write_deadline_ns)
        is_due = conn->is_broken = true;
    if (!conn->is_broken && conn->mode == CONN_HTTP2) {
        is_due = http2_tick(conn, now_ns);
    } else if (!conn->is_broken && conn->deadline_ns && now_ns >= conn->deadline_ns) {
        conn_late(conn);
        is_due = true;
    }
    if (is_due)
        conn_settle(conn);
}

bool conn_is_quiet(const struct conn *conn)
{
    if (conn->mode == CONN_LINGER)
        return true;
    if (bytes_len(&conn->out))
        return false;
    if (conn->mode == CONN_HTTP2)
        return http2_is_quiet(conn);
    return !conn->request || conn->request->is_streaming;
}

void conn_stop(struct conn *conn)
{
    if (conn->mode == CONN_HTTP2)
        http2_stop(conn);
    else if (conn_is_quiet(conn))
        conn->closes_after_flush = true;
    conn_schedule(conn);
}

void conn_new(struct net_server *server, int fd, const char *peer)
{
    struct loop *loop = server->loop;
    if (loop->conn_count >= server->limits.connections_max || loop->is_stopping) {
        close(fd);
        counter_add(&loop->counters.refused_total, 1);
        return;
    }
    struct conn *conn = xcalloc(1, sizeof *conn);
    conn->magic = CONN_MAGIC;
    conn->mode = server->tls ? CONN_HANDSHAKE : CONN_SNIFF;
    conn->fd = fd;
    conn->loop = loop;
    conn->server = server;
    conn->deadline_ns = clock_monotonic_ns() + server->limits.head_timeout_ns;
    memcpy(conn->peer, peer, MIN(strlen(peer) + 1, sizeof conn->peer - 1));
    http1_init(&conn->http1, server->limits.header_bytes_max);
    link_init(&conn->all);
    link_init(&conn->ready);
    link_init(&conn->streams);
    link_append(&loop->conns, &conn->all);
    if (server->tls)
        conn->tls = tls_conn_new(server->tls, fd);
    conn->read_event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_readable, conn);
    assert(conn->read_event);
    loop->conn_count++;
    counter_add(&loop->counters.connections, 1);
    counter_add(&loop->counters.connections_total, 1);
    loop_tick_start(loop);
    conn_watch(conn);
}

void conn_destroy(struct conn *conn)
{
    CHECK(conn, CONN_MAGIC);
    struct loop *loop = conn->loop;
    conn->is_broken = true;
    struct request *request = conn->request;
    conn->request = NULL;
    if (request) {
        request_gone(request);
        request_free(request);
    }
    http2_free(conn);
    link_remove(&conn->all);
    link_remove(&conn->ready);
    event_free(conn->read_event);
    if (conn->write_event)
        event_free(conn->write_event);
    if (conn->tls)
        tls_conn_free(conn->tls);
    close(conn->fd);
    bytes_clear(&conn->in);
    bytes_clear(&conn->out);
    loop->conn_count--;
    counter_add(&loop->counters.connections, UINT64_MAX); /* -1 */
    conn->magic = 0;
    xfree(conn);
}
