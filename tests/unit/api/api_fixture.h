/* api_fixture.h -- the read surface on a loop of its own, reached by raw sockets.
 *
 * There is no store behind it: tests use routes that need none, and feed live tails by hand.
 * Authentication is open; everybody is project "default".
 *
 * Memory:  struct surface is the test's.
 * Threads: the loop's thread; hold_loop() lets it stand still while a test prepares.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "api/api_int.h"
#include "base/check.h"
#include "sys/clock.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SURFACE_WAIT_MS = 10000 };

struct surface {
    struct api *api;
    struct api_worker *worker;
    struct loop *loop;
    struct thread thread;
    struct auth *auth;
    int port;
    sem_t held, go;
};

static void surface_run(void *arg)
{
    loop_run(((struct surface *)arg)->loop);
}

static void surface_start(struct surface *surface, uint32_t threads, uint32_t queries_max,
                          int64_t timeout_ns)
{
    struct diag why = DIAG_NONE;
    struct net_listen at = { .address = "127.0.0.1:0" };
    *surface = (struct surface){ .loop = loop_new(), .auth = auth_new(auth_snapshot_new_open()) };
    struct api_config config = { .auth = surface->auth,
                                 .query_threads = threads,
                                 .queries_max = queries_max,
                                 .query_timeout_ns = timeout_ns };
    sem_init(&surface->held, 0, 0);
    sem_init(&surface->go, 0, 0);
    surface->api = api_new(&config);
    surface->worker = api_worker_new(surface->api, surface->loop, NULL);
    enum err err = net_listen(surface->loop, &at, &net_limits_default, api_handler(surface->worker),
                              &surface->port, &why);
    assert(err == ERR_OK);
    thread_start(&surface->thread, "loop", surface_run, surface);
}

static void surface_stop(struct surface *surface)
{
    loop_stop(surface->loop);
    thread_join(&surface->thread);
    for (uint32_t i = 0; i < surface->api->config.query_threads; i++) {
        queue_close(surface->api->threads[i].jobs);
        thread_join(&surface->api->threads[i].thread);
    }
    api_worker_free(surface->worker);
    loop_free(surface->loop);
    api_free(surface->api);
    auth_free(surface->auth);
    sem_destroy(&surface->held);
    sem_destroy(&surface->go);
}

static void surface_stand(void *arg)
{
    struct surface *surface = arg;
    sem_post(&surface->held);
    while (sem_wait(&surface->go) != 0)
        continue;
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

/* The loop stands still when this returns, until release_loop(). */
static void hold_loop(struct surface *surface)
{
    loop_post(surface->loop, surface_stand, surface);
    wait_for(&surface->held);
}

static void release_loop(struct surface *surface)
{
    sem_post(&surface->go);
}

/* Everything posted to the loop so far was run. */
static UNUSED void settle_loop(struct surface *surface)
{
    hold_loop(surface);
    release_loop(surface);
}

static int surface_connect(const struct surface *surface)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)surface->port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = connect(fd, (struct sockaddr *)&address, sizeof address);
    assert(!failed);
    return fd;
}

static int surface_get(const struct surface *surface, const char *path)
{
    char request[512];
    int fd = surface_connect(surface);
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    ssize_t sent = send(fd, request, (size_t)len, MSG_NOSIGNAL);
    assert(sent == len);
    return fd;
}

/* Read until `end` was seen `times` times; false when nothing comes any more. */
static bool read_until(int fd, const char *end, size_t times, struct buf *out)
{
    size_t from = 0, seen = 0;
    for (;;) {
        for (size_t at; seen < times; seen++, from += at + strlen(end)) {
            str rest = str_from(buf_str(out), from);
            at = str_find(rest, str_from_c(end));
            if (at == rest.len)
                break;
        }
        if (seen == times)
            return true;
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        char *room = buf_reserve(out, 65536);
        if (!room || poll(&ready, 1, SURFACE_WAIT_MS) != 1)
            return false;
        ssize_t got = recv(fd, room, 65536, 0);
        if (got <= 0)
            return false;
        out->len += (size_t)got;
    }
}

/* The status of the answer on that socket; 0: none came. */
static UNUSED int read_status(int fd, struct buf *out)
{
    uint64_t status = 0;
    buf_reset(out);
    if (!read_until(fd, "\r\n\r\n", 1, out) ||
        !str_to_u64(str_sub(buf_str(out), strlen("HTTP/1.1 "), 3), &status))
        return 0;
    return (int)status;
}
