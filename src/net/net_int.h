/* net_int.h -- what the files of net/ share: connections, requests, buffers.
 *
 * A connection reads into its loop's scratch (64 KiB) or straight into the body of the
 * request being received, and keeps only what it could not consume.  Rules that keep
 * the lifetimes simple:
 *  1. A connection is freed only by conn_settle, which only the loop's own event
 *     functions call, last.  Everything else marks it (is_broken, closes_after_flush).
 *  2. Nothing is written to a socket inside a handler's call: request_respond queues and
 *     calls conn_schedule; the loop flushes once for all that was queued.
 *  3. After head() returned ERR_OK exactly one of body() or gone() follows, and after
 *     body() exactly one of a response by the handler or gone().
 *
 * Memory:  a connection owns its buffers and requests; requests come from the loop's pool.
 * Threads: all on the loop's thread, but the atomics of struct loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "net/http1.h"
#include "net/net.h"
#include <stdatomic.h>

struct event;
struct event_base;
struct nghttp2_session;
struct ssl_st;
struct ssl_ctx_st;

enum {
    NET_SCRATCH_BYTES = 64 * 1024,
    NET_STASH_BYTES_MAX = 64 * 1024, /* unread pipelined bytes before reading pauses */
    NET_OUT_BYTES_HIGH = 256 * 1024, /* unread output: streams wait, HTTP/2 stops filling */
    NET_OUT_BYTES_LOW = 64 * 1024,   /* and go on below this */
    NET_DRAIN_BYTES_MAX =
        64 * 1024, /* rest of a refused body that is read to keep the connection */
    NET_DIRECT_READ_BYTES = 512 * 1024,
    NET_REQUEST_POOL_MAX = 64,
    NET_ARENA_BYTES = 256 * 1024,
    NET_BODY_FIRST_BYTES = 16 * 1024, /* first buffer of a body of unknown length */
    NET_BODY_BYTES_PER_S = 64 * 1024, /* slowest body that passes after body_timeout_ns */
    NET_ACCEPT_BATCH = 64
};
#define NET_TICK_NS (50 * NS_PER_MS)
#define NET_LINGER_NS (2 * NS_PER_S)
#define NET_STOP_NS (1 * NS_PER_S)
#define NET_SLOW_CALLBACK_NS (50 * NS_PER_MS)

/* Intrusive circular list. */
struct link {
    struct link *next, *prev;
};
static inline void link_init(struct link *link)
{
    link->next = link->prev = link;
}
static inline bool link_is_empty(const struct link *link)
{
    return link->next == link;
}
static inline void link_remove(struct link *link)
{
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link_init(link);
}
static inline void link_append(struct link *list, struct link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}
#define LINK_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Bytes that are appended behind and consumed in front. */
struct bytes {
    char *ptr;
    size_t start, end, capacity;
};
static inline size_t bytes_len(const struct bytes *bytes)
{
    return bytes->end - bytes->start;
}
static inline str bytes_str(const struct bytes *bytes)
{
    return (str){ bytes->ptr ? bytes->ptr + bytes->start : "", bytes_len(bytes) };
}
char *bytes_reserve(struct bytes *bytes, size_t len); /* then add to .end what was written */
void bytes_add(struct bytes *bytes, const void *ptr, size_t len);
void bytes_add_c(struct bytes *bytes, const char *text);
void bytes_printf(struct bytes *bytes, const char *format, ...) PRINTF(2, 3);
void bytes_consume(struct bytes *bytes, size_t len); /* frees the memory when nothing is left */
void bytes_clear(struct bytes *bytes);

enum { LOOP_MAGIC = 0x6c6f6f70, CONN_MAGIC = 0x636f6e6e, REQUEST_MAGIC = 0x72657175 };

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};
struct watch;

struct loop {
    uint32_t magic;
    struct event_base *base;
    int wake_fd;
    struct event *wake_event, *ready_event, *tick_event;
    _Atomic(struct post *) posts; /* newest first */
    _Atomic bool must_stop;
    bool is_stopping;
    bool is_ticking;
    int64_t stop_deadline_ns;
    struct link conns, ready, servers;
    struct watch *watches;
    struct request *pool;
    size_t pool_count;
    size_t body_bytes_held;
    size_t conn_count;
    char *scratch;
    int64_t date_second;
    char date[32];
    struct {
        _Atomic uint64_t connections, connections_total, requests_total, refused_total;
        _Atomic uint64_t body_bytes_held, slow_callbacks_total;
    } counters;
};

/* One writer, so no locked instruction is needed. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + n, memory_order_relaxed);
}

struct net_server {
    struct link link;
    struct loop *loop;
    struct net_limits limits;
    struct net_handler handler;
    struct ssl_ctx_st *tls;
    struct event *accept_event;
    int fd;
    int64_t paused_until_ns; /* after accept failed for want of descriptors */
};

enum conn_mode { CONN_HANDSHAKE, CONN_SNIFF, CONN_HTTP1, CONN_HTTP2, CONN_LINGER };

struct conn {
    uint32_t magic;
    enum conn_mode mode;
    int fd;
    struct loop *loop;
    struct net_server *server;
    struct ssl_st *tls;
    struct event *read_event, *write_event;
    struct link all, ready;
    struct bytes in, out;
    int64_t deadline_ns;       /* for the client to send; monotonic; 0: none */
    int64_t write_deadline_ns; /* for the client to read */
    bool reads, writes, is_ready;
    bool tls_wants_write; /* a TLS read waits for the socket to be writable */
    bool input_pending;   /* more to process without waiting for the socket */
    bool is_broken;       /* no more bytes either way: free at the next settle */
    bool closes_after_flush;
    bool input_unread;   /* the client may still be sending: linger before closing */
    bool is_half_closed; /* FIN seen, answers are still owed */
    char peer[46];

    struct http1 http1;
    struct request *request; /* HTTP/1.1: the one being received or answered */
    bool discards;           /* rest of the body of a request already answered */
    bool head_started;       /* the head's deadline runs */
    int64_t body_began_ns;

    struct nghttp2_session *http2;
    struct link streams; /* of struct request */
};

struct request {
    uint32_t magic;
    struct conn *conn;
    struct link link; /* in conn->streams, HTTP/2 only */
    struct request *pool_next;
    struct request_head head;
    struct header headers[REQUEST_HEADERS_MAX];
    struct arena arena;
    void *slot;

    char *body;
    size_t body_len, body_capacity, body_max;

    bool head_accepted; /* head() returned ERR_OK */
    bool body_complete; /* and body() was called */
    bool responded;
    bool is_streaming; /* request_stream_begin was called */
    bool stream_waits; /* stream_write said false: call drained() */
    bool in_call;      /* inside a handler's function: free later */
    bool is_zombie;    /* answered in there */
    bool gone_on_fin;
    bool is_head_method, is_http10, is_keep_alive;

    int32_t stream_id; /* 0: HTTP/1.1 */
    int64_t deadline_ns, began_ns;
    size_t header_bytes;
    int head_fault; /* HTTP/2: status to refuse with once the head is complete */
    bool remote_closed, reset_sent;
    struct bytes out; /* HTTP/2: body not yet handed to nghttp2 */
    bool out_eof, out_deferred;
    bool has_trailers;
};

/* loop.c */
void loop_tick_start(struct loop *loop);
const char *loop_date(struct loop *loop); /* for the Date header */
/* After each of the loop's event functions, with clock_monotonic_ns() of its start. */
void callback_end(struct loop *loop, int64_t began_ns);

/* listener.c */
void server_free(struct net_server *server);
void server_tick(struct net_server *server, int64_t now_ns);

/* conn.c */
void conn_new(struct net_server *server, int fd, const char *peer);
void conn_schedule(struct conn *conn); /* process and flush soon */
void conn_ready(struct conn *conn);    /* the loop's part of conn_schedule */
void conn_tick(struct conn *conn, int64_t now_ns);
void conn_stop(struct conn *conn);           /* the loop is stopping */
bool conn_is_quiet(const struct conn *conn); /* owes nobody an answer or a byte */
void conn_destroy(struct conn *conn);        /* with gone() for what is pending */

/* tls.c */
MUST_CHECK enum err tls_new(const char *cert_path, const char *key_path, struct ssl_ctx_st **ret,
                            struct diag *reterr_why);
void tls_free(struct ssl_ctx_st *tls);
struct ssl_st *tls_conn_new(struct ssl_ctx_st *tls, int fd);
void tls_conn_free(struct ssl_st *tls);
enum tls_result { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_CLOSED, TLS_BROKEN };
enum tls_result tls_handshake(struct ssl_st *tls, bool *ret_is_http2);
enum tls_result tls_read(struct ssl_st *tls, void *ptr, size_t len, size_t *ret_len);
enum tls_result tls_write(struct ssl_st *tls, const void *ptr, size_t len, size_t *ret_len);
void tls_close(struct ssl_st *tls);

/* request.c */
struct request *request_new(struct conn *conn);
void request_free(struct request *request);    /* without calling anybody */
void request_release(struct request *request); /* the same, after the handler's function */
void request_body_drop(struct request *request);
/* Ask the handler about the head. ERR_OK: go on with the body; else it was answered. */
MUST_CHECK enum err request_ask(struct request *request);
/* False: over a limit, and *ret_status says which answer. */
MUST_CHECK bool request_body_plan(struct request *request, uint64_t len, int *ret_status,
                                  struct diag *reterr_why);
MUST_CHECK bool request_body_add(struct request *request, str bytes, int *ret_status,
                                 struct diag *reterr_why);
void request_body_done(struct request *request);
void request_drained(struct request *request);
/* The handler must forget it; no answer is sent. */
void request_gone(struct request *request);
/* Our own answer (malformed, too big, too slow); tells the handler gone() if it knows the
 * request. */
void request_refuse(struct request *request, int status, const struct diag *why);
int64_t request_body_deadline(const struct request *request, uint64_t len);

/* response.c */
bool response_has_body(int status);
bool response_header_is_safe(const struct header *header);
const char *response_reason(int status);
void http1_respond(struct request *request, const struct response *response);
void http1_stream_begin(struct request *request, const struct response *head);
bool http1_stream_write(struct request *request, str piece);
void http1_stream_end(struct request *request);

/* http1_conn.c */
size_t http1_input(struct conn *conn, str bytes);            /* returns what was consumed */
size_t http1_direct_room(struct conn *conn, char **ret_ptr); /* for the body being received */
void http1_direct_add(struct conn *conn, size_t len);
void http1_refuse(struct conn *conn, int status, const struct diag *why);
void http1_idle(struct conn *conn); /* set the deadline for the next head */

/* http2.c, http2_send.c */
void http2_start(struct conn *conn);
void http2_free(struct conn *conn);
void http2_input(struct conn *conn, str bytes);
void http2_fill(struct conn *conn); /* move frames into conn->out, up to its high mark */
bool http2_tick(struct conn *conn, int64_t now_ns); /* true: there is something to send */
void http2_idle(struct conn *conn);
void http2_stop(struct conn *conn);
bool http2_is_quiet(const struct conn *conn); /* no stream but open-ended ones */
void http2_respond(struct request *request, const struct response *response);
void http2_stream_begin(struct request *request, const struct response *head);
bool http2_stream_write(struct request *request, str piece);
void http2_stream_end(struct request *request);
