/* loop.c -- one thread's event loop: posts from other threads, watched descriptors, timers.
 *
 * Other threads reach the loop by a lock-free stack of posts (a push is one
 * compare-and-swap; the eventfd is written only when the stack was empty, so a batch of
 * posts is one wake-up) and by the must_stop flag.  Deadlines are not libevent timers:
 * a tick of 50 ms looks at each connection's deadline, which costs less than re-arming
 * a timer per request and stops when there is no connection.
 *
 *      run --loop_stop--> stopping: no listeners, idle connections closed, answers
 *      flushed --quiet, or 1 s--> loop_run returns
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include "sys/clock.h"
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct watch {
    struct watch *next;
    struct loop *loop;
    struct event *event;
    void (*fn)(void *arg);
    void *arg;
};

const struct net_limits net_limits_default = {
    .header_bytes_max = 32 * KIB,
    .body_bytes_budget = 64 * MIB,
    .connections_max = 4096,
    .streams_max = 128,
    .head_timeout_ns = 10 * NS_PER_S,
    .body_timeout_ns = 30 * NS_PER_S,
    .idle_timeout_ns = 120 * NS_PER_S,
};

void callback_end(struct loop *loop, int64_t began_ns)
{
    if (clock_monotonic_ns() - began_ns > NET_SLOW_CALLBACK_NS)
        counter_add(&loop->counters.slow_callbacks_total, 1);
}

const char *loop_date(struct loop *loop)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t second = clock_now_ns() / NS_PER_S;
    if (second == loop->date_second)
        return loop->date;
    loop->date_second = second;
    time_t when = (time_t)second;
    struct tm tm;
    if (!gmtime_r(&when, &tm))
        return loop->date;
    snprintf(loop->date, sizeof loop->date, "%s, %02d %s %04d %02d:%02d:%02d GMT",
             days[tm.tm_wday % 7], tm.tm_mday % 100, months[tm.tm_mon % 12],
             (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
    return loop->date;
}

/* Ends the run when nothing is owed any more. */
static void stop_check(struct loop *loop)
{
    if (!loop->is_stopping)
        return;
    bool is_quiet = true;
    for (struct link *l = loop->conns.next; l != &loop->conns && is_quiet; l = l->next)
        is_quiet = conn_is_quiet(LINK_OF(l, struct conn, all));
    if (is_quiet || clock_monotonic_ns() >= loop->stop_deadline_ns)
        event_base_loopbreak(loop->base);
}

static void stop_begin(struct loop *loop)
{
    loop->is_stopping = true;
    loop->stop_deadline_ns = clock_monotonic_ns() + NET_STOP_NS;
    for (struct link *l = loop->servers.next; l != &loop->servers; l = l->next) {
        struct net_server *server = LINK_OF(l, struct net_server, link);
        event_del(server->accept_event);
        close(server->fd);
        server->fd = -1;
    }
    for (struct link *l = loop->conns.next, *next; l != &loop->conns; l = next) {
        next = l->next;
        conn_stop(LINK_OF(l, struct conn, all));
    }
    loop_tick_start(loop);
    stop_check(loop);
}

/* Posts in the order in which they were pushed. */
static struct post *posts_take(struct loop *loop)
{
    struct post *newest = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire);
    struct post *oldest = NULL;
    while (newest) {
        struct post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void posts_run(struct loop *loop)
{
    for (struct post *post = posts_take(loop), *next; post; post = next) {
        next = post->next;
        int64_t began_ns = clock_monotonic_ns();
        post->fn(post->arg);
        callback_end(loop, began_ns);
        xfree(post);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct loop *loop = arg;
    eventfd_t count;
    (void)eventfd_read(fd, &count);
    posts_run(loop);
    if (atomic_load_explicit(&loop->must_stop, memory_order_acquire) && !loop->is_stopping)
        stop_begin(loop);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *loop = arg;
    struct link list; /* what is scheduled from now on waits for the next round */
    link_init(&list);
    while (!link_is_empty(&loop->ready)) {
        struct link *first = loop->ready.next;
        link_remove(first);
        link_append(&list, first);
    }
    while (!link_is_empty(&list)) {
        struct conn *conn = LINK_OF(list.next, struct conn, ready);
        link_remove(&conn->ready);
        conn->is_ready = false;
        int64_t began_ns = clock_monotonic_ns();
        conn_ready(conn);
        callback_end(loop, began_ns);
    }
    stop_check(loop);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *loop = arg;
    int64_t now_ns = clock_monotonic_ns();
    bool is_needed = loop->is_stopping;
    loop->is_ticking = false;
    for (struct link *l = loop->servers.next; l != &loop->servers; l = l->next) {
        struct net_server *server = LINK_OF(l, struct net_server, link);
        server_tick(server, now_ns);
        is_needed = is_needed || server->paused_until_ns;
    }
    for (struct link *l = loop->conns.next, *next; l != &loop->conns; l = next) {
        next = l->next;
        conn_tick(LINK_OF(l, struct conn, all), now_ns);
    }
    if (is_needed || !link_is_empty(&loop->conns))
        loop_tick_start(loop);
    stop_check(loop);
}

void loop_tick_start(struct loop *loop)
{
    if (loop->is_ticking)
        return;
    loop->is_ticking = true;
    struct timeval interval = { .tv_usec = NET_TICK_NS / NS_PER_US };
    event_add(loop->tick_event, &interval);
}

struct loop *loop_new(void)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    struct event_config *config = event_config_new();
    assert(config);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    loop->magic = LOOP_MAGIC;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(loop->base && loop->wake_fd >= 0);
    link_init(&loop->conns);
    link_init(&loop->ready);
    link_init(&loop->servers);
    loop->scratch = xmalloc(NET_SCRATCH_BYTES);
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    loop->ready_event = event_new(loop->base, -1, 0, on_ready, loop);
    loop->tick_event = event_new(loop->base, -1, 0, on_tick, loop);
    assert(loop->wake_event && loop->ready_event && loop->tick_event);
    event_add(loop->wake_event, NULL);
    return loop;
}

static void conns_destroy(struct loop *loop)
{
    while (!link_is_empty(&loop->conns))
        conn_destroy(LINK_OF(loop->conns.next, struct conn, all));
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    CHECK(loop, LOOP_MAGIC);
    conns_destroy(loop);
    while (!link_is_empty(&loop->servers))
        server_free(LINK_OF(loop->servers.next, struct net_server, link));
    for (struct watch *watch = loop->watches, *next; watch; watch = next) {
        next = watch->next;
        event_free(watch->event);
        xfree(watch);
    }
    for (struct request *request = loop->pool, *next; request; request = next) {
        next = request->pool_next;
        arena_clear(&request->arena);
        xfree(request);
    }
    posts_run(loop); /* what was posted is run, so that its memory is not lost */
    event_free(loop->wake_event);
    event_free(loop->ready_event);
    event_free(loop->tick_event);
    event_base_free(loop->base);
    close(loop->wake_fd);
    xfree(loop->scratch);
    loop->magic = 0;
    xfree(loop);
}

void loop_run(struct loop *loop)
{
    CHECK(loop, LOOP_MAGIC);
    sigset_t pipe_signal; /* OpenSSL writes without MSG_NOSIGNAL */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    assert(loop->is_stopping);
    conns_destroy(loop);
    posts_run(loop);
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->must_stop, true, memory_order_release);
    (void)eventfd_write(loop->wake_fd, 1);
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    assert(fn);
    struct post *post = xmalloc(sizeof *post);
    *post = (struct post){ .fn = fn, .arg = arg };
    struct post *head = atomic_load_explicit(&loop->posts, memory_order_relaxed);
    do {
        post->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->posts, &head, post, memory_order_release,
                                                    memory_order_relaxed));
    if (!head)
        (void)eventfd_write(loop->wake_fd, 1);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct watch *watch = arg;
    int64_t began_ns = clock_monotonic_ns();
    watch->fn(watch->arg);
    callback_end(watch->loop, began_ns);
}

static struct watch *watch_new(struct loop *loop, int fd, void (*fn)(void *arg), void *arg)
{
    CHECK(loop, LOOP_MAGIC);
    struct watch *watch = xcalloc(1, sizeof *watch);
    *watch = (struct watch){ .next = loop->watches, .loop = loop, .fn = fn, .arg = arg };
    short what = (short)(EV_PERSIST | (fd >= 0 ? EV_READ : 0));
    watch->event = event_new(loop->base, fd, what, on_watch, watch);
    assert(watch->event);
    loop->watches = watch;
    return watch;
}

void loop_watch(struct loop *loop, int fd, void (*fn)(void *arg), void *arg)
{
    assert(fd >= 0 && fn);
    event_add(watch_new(loop, fd, fn, arg)->event, NULL);
}

void loop_every(struct loop *loop, int64_t interval_ns, void (*fn)(void *arg), void *arg)
{
    assert(interval_ns >= NS_PER_US && fn);
    struct timeval interval = { .tv_sec = interval_ns / NS_PER_S,
                                .tv_usec = interval_ns % NS_PER_S / NS_PER_US };
    event_add(watch_new(loop, -1, fn, arg)->event, &interval);
}

void loop_status(struct loop *loop, struct net_status *ret_status)
{
#define COUNTER(name) atomic_load_explicit(&loop->counters.name, memory_order_relaxed)
    *ret_status = (struct net_status){
        .connections = COUNTER(connections),
        .connections_total = COUNTER(connections_total),
        .requests_total = COUNTER(requests_total),
        .refused_total = COUNTER(refused_total),
        .body_bytes_held = COUNTER(body_bytes_held),
        .slow_callbacks_total = COUNTER(slow_callbacks_total),
    };
#undef COUNTER
}
