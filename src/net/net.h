/* net.h -- bytes to requests and back: one port serves HTTP/1.1, HTTP/2 and gRPC.
 *
 * A server has one loop (one thread) per worker; each loop owns its connections.
 * The framer of HTTP/1.1 is our own, small and strict (no smuggling form passes);
 * HTTP/2 is nghttp2's.  What others see is a request: first its head, for a
 * decision before any body is read (authentication, size, route), then the whole
 * body, or pieces when the handler asked for them.  A gRPC call is a request whose
 * is_grpc is set: body is the message(s) as framed by gRPC, still compressed.
 *
 * Limits (all options): header bytes and count, body bytes, connections, streams,
 * a global budget for unfinished bodies, deadlines for head, body and idle.
 *
 * Memory:  a request and its body live until the response was queued; the
 *          handler may keep the request by not responding yet, and must then
 *          respond exactly once, on the loop's thread.
 * Threads: a loop's callbacks run on its thread; others reach it by loop_post.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct loop;
struct net_server;
struct request;

enum { REQUEST_HEADERS_MAX = 100 };

struct header {
    str name; /* lower case */
    str value;
};

/* The head of a request. */
struct request_head {
    str method;
    str path;  /* percent-decoded, without query; "" never */
    str query; /* as sent, after '?', or none */
    const struct header *headers;
    size_t header_count;
    str peer; /* "127.0.0.1" */
    bool is_grpc;
    bool is_tls;
    int64_t content_length; /* -1: not given */
    int64_t received_ns;    /* clock_now_ns when the head was complete */
};
str request_header(const struct request_head *head, str name_lower); /* STR_NONE: absent */

struct response {
    int status;      /* HTTP */
    int grpc_status; /* for gRPC requests: -1 (or 0 with a status from 400) derives it from status
                      */
    str grpc_message;
    str grpc_details; /* bytes of google.rpc.Status, sent base64 in grpc-status-details-bin */
    str content_type;
    str body;               /* copied; for gRPC one message, framed here */
    struct header extra[8]; /* copied */
    size_t extra_count;
};

struct net_handler {
    /* Head is complete.  Return ERR_OK to take the body (up to *ret_body_max bytes);
     * respond here and return anything else to refuse before the body. */
    enum err (*head)(void *arg, struct request *request, size_t *ret_body_max);
    /* The whole body is here. Respond now or later. */
    void (*body)(void *arg, struct request *request, str body);
    /* The client left before a response, or the body never came whole (malformed, too
     * big, too slow: net answers by itself).  Only for a request that head() took, and
     * never after request_respond.  The request is gone when this returns. */
    void (*gone)(void *arg, struct request *request);
    /* request_stream_write returned false and now there is room again.  May be NULL. */
    void (*drained)(void *arg, struct request *request);
    /* An answer of our own: malformed, too slow, too big, or head() refused without one.
     * Fills *response (content type, body); status is already set.  The head is empty if it
     * never came whole.  What *response points at must live until the call returns and the
     * answer is written: the request's arena, or static.  May be NULL. */
    void (*refuse)(void *arg, struct request *request, struct response *response,
                   const struct diag *why);
    void *arg;
};

const struct request_head *request_head(const struct request *request);
struct arena *request_arena(struct request *request); /* dies with the request */
struct loop *request_loop(struct request *request);
void **request_slot(struct request *request); /* one pointer for the handler */
void request_respond(struct request *request, const struct response *response);
/* The client's FIN means that it left, before a response too.  Streams do so by
 * themselves; without this a client may close its sending side and still read the answer. */
void request_gone_on_fin(struct request *request);
/* Server-sent events and other streams: head, then pieces, then end.  stream_write
 * returns false when the client's unread output is over 256 KiB, and then nothing of the
 * piece is sent: drop it, or wait for drained(). */
void request_stream_begin(struct request *request, const struct response *head);
bool request_stream_write(struct request *request, str piece);
void request_stream_end(struct request *request);

struct net_limits {
    size_t header_bytes_max;  /* 32 KiB */
    size_t body_bytes_budget; /* unfinished bodies of one loop, 64 MiB: over it 503 */
    uint32_t connections_max; /* per loop, 4096: over it the connection is closed */
    uint32_t streams_max;     /* per HTTP/2 connection, 128 */
    int64_t head_timeout_ns;  /* 10 s */
    int64_t body_timeout_ns;  /* 30 s plus body / 64 KiB per second */
    int64_t idle_timeout_ns;  /* 120 s */
};
extern const struct net_limits net_limits_default;

/* One loop per worker. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);
void loop_run(struct loop *loop); /* until loop_stop */
/* From any thread and from a signal handler; pending responses are flushed for <= 1 s. */
void loop_stop(struct loop *loop);
/* Run fn(arg) on the loop's thread soon; from any thread. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);
/* Call fn when fd is readable (a queue's eventfd), on the loop's thread. */
void loop_watch(struct loop *loop, int fd, void (*fn)(void *arg), void *arg);
/* Call fn every interval_ns on the loop's thread. */
void loop_every(struct loop *loop, int64_t interval_ns, void (*fn)(void *arg), void *arg);

struct net_listen {
    const char *address;              /* "127.0.0.1:4318"; port 0 picks one */
    const char *cert_path, *key_path; /* TLS when both are set */
    bool reuse_port;                  /* several loops listen on the same address */
    bool is_first;                    /* of those loops: nobody may have the address yet */
};
/* ERR_BAD_INPUT when it is not HOST:PORT; whether it can be listened on is not tried. */
MUST_CHECK enum err net_address_check(const char *address, struct diag *reterr_why);
/* True when only this machine can reach "HOST:PORT": an address of 127.0.0.0/8, ::1, or
 * "localhost".  Other names are not asked for: they may resolve otherwise tomorrow. */
bool net_is_loopback(const char *address);
/* Listen on that loop. *ret_port: the port in use. ERR_CONFLICT: address in use. */
MUST_CHECK enum err net_listen(struct loop *loop, const struct net_listen *listen,
                               const struct net_limits *limits, const struct net_handler *handler,
                               int *ret_port, struct diag *reterr_why);

struct net_status {
    uint64_t connections, connections_total, requests_total, refused_total, body_bytes_held;
    uint64_t slow_callbacks_total; /* over 50 ms */
};
void loop_status(struct loop *loop, struct net_status *ret_status);
