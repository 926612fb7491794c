/* net_fixture.h -- a small server on a thread and a raw socket to talk to it, for tests.
 *
 * Routes: /echo answers with the body, /later the same from a post, /hold keeps the
 * request, /deny answers 401 in head(), /busy refuses with ERR_BUSY, /stream sends three
 * events, /flood streams as much as it may, anything else as /echo.
 *
 * Memory:  struct fixture is the test's.
 * Threads: the loop's thread runs the handler; counters are atomics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/check.h"
#include "net/net.h"
#include "sys/clock.h"
#include "sys/thread.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIXTURE_BODY_MAX = 1024 * 1024, FIXTURE_WAIT_MS = 5000 };

struct fixture {
    struct loop *loop;
    struct thread thread;
    int port;
    int held_fd, gone_fd; /* eventfds: a request is held; one is gone */
    struct request *held;
    _Atomic int heads, bodies, gones, drains;
    _Atomic size_t flooded_bytes;
};

static inline struct fixture *fixture_of(void *arg)
{
    return arg;
}

static inline struct response fixture_ok(str body)
{
    return (struct response){
        .status = 200, .grpc_status = -1, .content_type = STR("text/plain"), .body = body
    };
}

static inline enum err fixture_head(void *arg, struct request *request, size_t *ret_body_max)
{
    fixture_of(arg)->heads++;
    str path = request_head(request)->path;
    *ret_body_max = FIXTURE_BODY_MAX;
    if (str_equal_c(path, "/busy"))
        return ERR_BUSY;
    if (!str_equal_c(path, "/deny"))
        return ERR_OK;
    struct response response = { .status = 401,
                                 .grpc_status = 16,
                                 .grpc_message = STR("no key \xe2\x82\xac 100%"),
                                 .grpc_details = STR("abcd"),
                                 .content_type = STR("text/plain"),
                                 .body = STR("denied"),
                                 .extra = { { STR("WWW-Authenticate"), STR("Bearer") },
                                            { STR("x-bad"), STR("a\r\nb: c") } },
                                 .extra_count = 2 };
    request_respond(request, &response);
    return ERR_UNAUTHENTICATED;
}

static inline void fixture_later(void *arg)
{
    struct request *request = arg;
    struct response response = fixture_ok(*(str *)*request_slot(request));
    request_respond(request, &response);
}

static inline void fixture_flood(struct fixture *fixture, struct request *request)
{
    static const char piece[16384];
    while (request_stream_write(request, str_make(piece, sizeof piece)))
        fixture->flooded_bytes += sizeof piece;
}

static inline void fixture_stream(struct fixture *fixture, struct request *request)
{
    struct response head = fixture_ok(STR_OF(""));
    head.content_type = STR_OF("text/event-stream");
    request_stream_begin(request, &head);
    if (str_equal_c(request_head(request)->path, "/flood")) {
        fixture_flood(fixture, request);
        return;
    }
    for (int i = 0; i < 3; i++)
        assert(request_stream_write(request, STR_OF("data: x\n\n")));
    request_stream_end(request);
}

static inline void fixture_body(void *arg, struct request *request, str body)
{
    struct fixture *fixture = arg;
    str path = request_head(request)->path;
    fixture->bodies++;
    if (str_equal_c(path, "/hold") || str_equal_c(path, "/watch")) {
        if (str_equal_c(path, "/watch"))
            request_gone_on_fin(request);
        fixture->held = request;
        eventfd_write(fixture->held_fd, 1);
    } else if (str_equal_c(path, "/later")) {
        str *kept = arena_alloc(request_arena(request), sizeof *kept);
        assert(kept);
        *kept = body;
        *request_slot(request) = kept;
        loop_post(request_loop(request), fixture_later, request);
    } else if (str_equal_c(path, "/stream") || str_equal_c(path, "/flood")) {
        fixture_stream(fixture, request);
    } else {
        if (request_head(request)->is_grpc)
            body = str_from(body, 5);
        struct response response = fixture_ok(body);
        request_respond(request, &response);
    }
}

static inline void fixture_gone(void *arg, struct request *request)
{
    struct fixture *fixture = arg;
    if (fixture->held == request)
        fixture->held = NULL;
    fixture->gones++;
    eventfd_write(fixture->gone_fd, 1);
}

static inline void fixture_drained(void *arg, struct request *request)
{
    struct fixture *fixture = arg;
    fixture->drains++;
    fixture_flood(fixture, request);
}

static inline void fixture_refuse(void *arg, struct request *request, struct response *response,
                                  const struct diag *why)
{
    (void)arg;
    (void)request;
    (void)why;
    response->content_type = STR_OF("application/json");
    response->body = STR_OF("{\"refused\":true}");
}

static inline void fixture_run(void *arg)
{
    loop_run(fixture_of(arg)->loop);
}

static inline void fixture_start(struct fixture *fixture, const struct net_limits *limits,
                                 const char *cert_path, const char *key_path)
{
    struct net_handler handler = { fixture_head,    fixture_body,   fixture_gone,
                                   fixture_drained, fixture_refuse, fixture };
    struct net_listen listen_on = { .address = "127.0.0.1:0",
                                    .cert_path = cert_path,
                                    .key_path = key_path };
    struct diag why = DIAG_NONE;
    *fixture = (struct fixture){ .loop = loop_new(),
                                 .held_fd = eventfd(0, EFD_CLOEXEC),
                                 .gone_fd = eventfd(0, EFD_CLOEXEC) };
    if (net_listen(fixture->loop, &listen_on, limits, &handler, &fixture->port, &why)) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    thread_start(&fixture->thread, "loop", fixture_run, fixture);
}

static inline void fixture_stop(struct fixture *fixture)
{
    loop_stop(fixture->loop);
    thread_join(&fixture->thread);
    loop_free(fixture->loop);
    close(fixture->held_fd);
    close(fixture->gone_fd);
}

static inline int raw_connect(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static inline void raw_send(int fd, str bytes)
{
    while (bytes.len) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes = str_from(bytes, (size_t)n);
    }
}

static inline bool fd_wait(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    return poll(&poll_fd, 1, FIXTURE_WAIT_MS) == 1;
}

/* Wait for an eventfd of the fixture. */
static inline bool event_wait(int fd)
{
    eventfd_t count;
    return fd_wait(fd) && eventfd_read(fd, &count) == 0;
}

/* Read until `end` was seen (NULL: until the server closes).  False: neither in time. */
static inline bool raw_read(int fd, const char *end, struct buf *out)
{
    for (;;) {
        if (end && str_find(buf_str(out), str_from_c(end)) < out->len)
            return true;
        char *room = buf_reserve(out, 65536);
        if (!room || !fd_wait(fd))
            return false;
        ssize_t n = recv(fd, room, 65536, 0);
        if (n <= 0)
            return !end && n == 0;
        out->len += (size_t)n;
    }
}
