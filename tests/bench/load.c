/* load.c -- sends telemetry as fast as asked and says what became of it.
 *
 * Raw epoll sockets and HTTP/1.1 keep-alive, so that the generator costs little beside
 * the server it shares two cores with.  Closed loop: each connection sends as soon as its
 * last request was answered.  With --rate: open loop, requests have due times, and the
 * latency of an answer counts from the due time, so that a stall is not left out.
 *
 * After the last answer it waits until the server's counters show every acknowledged span
 * visible, then settled.  The exit status is 1 if any of them is missing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include "load_body.h"
#include "load_watch.h"
#include "sys/clock.h"
#include "sys/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    THREADS_MAX = 16,
    CONNECTIONS_MAX = 4096,
    ANSWER_BYTES_MAX = 4096,
    EVENTS_AT_ONCE = 128,
    LAST_ANSWERS_S = 30,
    POLL_MS = 20,
};
#define BUSY_PAUSE_NS (50 * NS_PER_MS) /* a refused sender waits so long */
#define LONGEST_WAIT_NS (100 * NS_PER_MS)

struct options {
    int port, api_port, pid;
    int threads, connections;
    uint32_t batch; /* spans per request */
    double seconds, rate, wait_s;
    uint64_t spans_max, seed;
    bool content, json;
};

enum state { CONN_IDLE, CONN_SENDING, CONN_WAITING, CONN_PAUSED };

struct conn {
    struct body body;
    int fd;
    enum state state;
    size_t sent;
    int64_t due_ns, resume_ns;
    char answer[ANSWER_BYTES_MAX];
    size_t answer_len;
};

struct sums {
    uint64_t sent, acked, busy, failed, partial, bytes, requests;
};

struct sender {
    struct thread thread;
    const struct options *options;
    const struct prose *prose;
    struct conn *conns;
    int conn_count, epoll;
    uint64_t random;
    int64_t start_ns, stop_ns, next_due_ns, period_ns, last_ack_ns;
    int in_flight;
    struct sums sums;
    uint32_t *latencies_us;
    size_t latency_count, latency_capacity;
};

static _Atomic uint64_t spans_given; /* against --spans */

/* ---- one connection ---- */

static void conn_open(struct sender *sender, struct conn *conn)
{
    conn->fd = watch_connect(sender->options->port);
    if (conn->fd < 0) {
        fprintf(stderr, "load: cannot connect to 127.0.0.1:%d\n", sender->options->port);
        exit(2);
    }
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn };
    epoll_ctl(sender->epoll, EPOLL_CTL_ADD, conn->fd, &event);
    conn->state = CONN_IDLE;
}

static void conn_reopen(struct sender *sender, struct conn *conn)
{
    if (conn->state == CONN_SENDING || conn->state == CONN_WAITING) {
        sender->sums.failed++;
        sender->in_flight--;
    }
    close(conn->fd);
    conn_open(sender, conn);
}

static void conn_write(struct sender *sender, struct conn *conn)
{
    const struct buf *request = &conn->body.request;
    while (conn->sent < request->len) {
        ssize_t put =
            send(conn->fd, request->ptr + conn->sent, request->len - conn->sent, MSG_NOSIGNAL);
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0) {
            conn_reopen(sender, conn);
            return;
        }
        conn->sent += (size_t)put;
    }
    conn->state = CONN_WAITING;
}

static void conn_begin(struct sender *sender, struct conn *conn, int64_t due_ns)
{
    body_renew(&conn->body, sender->prose, &sender->random, clock_now_ns());
    conn->state = CONN_SENDING;
    conn->sent = 0;
    conn->answer_len = 0;
    conn->due_ns = due_ns;
    sender->in_flight++;
    sender->sums.sent += conn->body.span_count;
    sender->sums.bytes += conn->body.request.len;
    sender->sums.requests++;
    conn_write(sender, conn);
}

static void latency_add(struct sender *sender, int64_t ns)
{
    if (sender->latency_count == sender->latency_capacity) {
        sender->latency_capacity = MAX(2 * sender->latency_capacity, (size_t)4096);
        sender->latencies_us =
            xrealloc(sender->latencies_us, sender->latency_capacity * sizeof(uint32_t));
    }
    sender->latencies_us[sender->latency_count++] = (uint32_t)(ns / 1000);
}

/* The length of the whole answer once its head is there, else 0. */
static size_t answer_size(const struct conn *conn)
{
    str text = { conn->answer, conn->answer_len };
    size_t head = str_find(text, STR_OF("\r\n\r\n"));
    if (head == text.len)
        return 0;
    for (str rest = str_sub(text, 0, head), line; str_next(&rest, '\n', &line);) {
        str name;
        uint64_t len;
        if (str_next(&line, ':', &name) && str_equal_nocase(name, STR_OF("content-length")) &&
            str_to_u64(str_trim(line), &len))
            return head + 4 + len;
    }
    return head + 4;
}

static void conn_answered(struct sender *sender, struct conn *conn, size_t size)
{
    int64_t now_ns = clock_monotonic_ns();
    size_t head = str_find(str_make(conn->answer, size), STR_OF("\r\n\r\n")) + 4;
    int status = atoi(conn->answer + sizeof "HTTP/1.1 " - 1);
    sender->in_flight--;
    conn->state = CONN_IDLE;
    if (status == 200) {
        sender->sums.acked += conn->body.span_count;
        sender->sums.partial += size > head; /* an empty answer: all of it was taken */
        sender->last_ack_ns = now_ns;
        latency_add(sender, now_ns - conn->due_ns);
    } else if (status == 429 || status == 503) {
        sender->sums.busy++;
        conn->state = CONN_PAUSED;
        conn->resume_ns = now_ns + BUSY_PAUSE_NS;
    } else {
        fprintf(stderr, "load: answer %.*s\n", (int)MIN(size, (size_t)300), conn->answer);
        sender->sums.failed++;
    }
}

static void conn_read(struct sender *sender, struct conn *conn)
{
    for (;;) {
        size_t room = sizeof conn->answer - conn->answer_len;
        ssize_t got = recv(conn->fd, conn->answer + conn->answer_len, room, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            conn_reopen(sender, conn);
            return;
        }
        conn->answer_len += (size_t)got;
        size_t size = answer_size(conn);
        bool in_flight = conn->state == CONN_SENDING || conn->state == CONN_WAITING;
        if (in_flight && size && conn->answer_len >= size) {
            bool early = conn->state == CONN_SENDING; /* refused before the body was read */
            conn_answered(sender, conn, size);
            if (early)
                conn_reopen(sender, conn);
        }
    }
}

/* ---- a thread of them ---- */

static bool may_send(struct sender *sender, int64_t now_ns)
{
    const struct options *options = sender->options;
    if (now_ns >= sender->stop_ns)
        return false;
    if (!options->spans_max)
        return true;
    if (atomic_fetch_add(&spans_given, options->batch) < options->spans_max)
        return true;
    sender->stop_ns = now_ns;
    return false;
}

/* Start what is due; the time until something will be. */
static int64_t send_due(struct sender *sender)
{
    int64_t now_ns = clock_monotonic_ns();
    int64_t next_ns = now_ns + LONGEST_WAIT_NS;
    for (int i = 0; i < sender->conn_count; i++) {
        struct conn *conn = &sender->conns[i];
        if (conn->state == CONN_PAUSED && now_ns >= conn->resume_ns)
            conn->state = CONN_IDLE;
        if (conn->state == CONN_PAUSED)
            next_ns = MIN(next_ns, conn->resume_ns);
        if (conn->state != CONN_IDLE)
            continue;
        if (sender->period_ns && sender->next_due_ns > now_ns) {
            next_ns = MIN(next_ns, sender->next_due_ns);
            break;
        }
        if (!may_send(sender, now_ns))
            break;
        conn_begin(sender, conn, sender->period_ns ? sender->next_due_ns : clock_monotonic_ns());
        sender->next_due_ns += sender->period_ns;
    }
    return MAX(next_ns - clock_monotonic_ns(), (int64_t)0);
}

static void sender_run(void *arg)
{
    struct sender *sender = arg;
    struct epoll_event events[EVENTS_AT_ONCE];
    for (;;) {
        int64_t wait_ns = send_due(sender);
        int64_t now_ns = clock_monotonic_ns();
        if (now_ns >= sender->stop_ns && sender->in_flight == 0)
            break;
        if (now_ns > sender->stop_ns + LAST_ANSWERS_S * NS_PER_S) {
            sender->sums.failed += (uint64_t)sender->in_flight;
            break;
        }
        struct timespec wait = { .tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S };
        int count = epoll_pwait2(sender->epoll, events, EVENTS_AT_ONCE, &wait, NULL);
        for (int i = 0; i < count; i++) {
            struct conn *conn = events[i].data.ptr;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                conn_read(sender, conn);
            if (conn->state == CONN_SENDING && events[i].events & EPOLLOUT)
                conn_write(sender, conn);
        }
    }
}

static void sender_open(struct sender *sender, const struct options *options, int number)
{
    char host[32];
    snprintf(host, sizeof host, "127.0.0.1:%d", options->port);
    struct body_shape shape = { options->batch, options->content, host };
    sender->options = options;
    sender->random = options->seed + (uint64_t)number * UINT64_C(0x632be59bd9b4e019);
    sender->epoll = epoll_create1(EPOLL_CLOEXEC);
    sender->conn_count = options->connections / options->threads;
    sender->conns = xcalloc((size_t)sender->conn_count, sizeof *sender->conns);
    for (int i = 0; i < sender->conn_count; i++) {
        body_make(&sender->conns[i].body, &shape, (uint32_t)(number * sender->conn_count + i));
        conn_open(sender, &sender->conns[i]);
    }
}

static void sender_close(struct sender *sender)
{
    for (int i = 0; i < sender->conn_count; i++) {
        close(sender->conns[i].fd);
        body_clear(&sender->conns[i].body);
    }
    close(sender->epoll);
    xfree(sender->conns);
    xfree(sender->latencies_us);
}

/* ---- the run ---- */

struct result {
    struct sums sums;
    double seconds;              /* from the first send to the last answer */
    double visible_s, settled_s; /* from the first send; negative: never */
    double p50_ms, p95_ms, p99_ms, max_ms;
    double cpu_s;
    struct watch_process process;
    struct watch_counters before, after;
};

static int latency_compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void result_latencies(struct result *result, const struct sender *senders, int count)
{
    size_t total = 0, at = 0;
    for (int i = 0; i < count; i++)
        total += senders[i].latency_count;
    if (total == 0)
        return;
    uint32_t *all = xmalloc(total * sizeof *all);
    for (int i = 0; i < count; i++) {
        if (senders[i].latency_count)
            memcpy(all + at, senders[i].latencies_us, senders[i].latency_count * sizeof *all);
        at += senders[i].latency_count;
    }
    qsort(all, total, sizeof *all, latency_compare);
    result->p50_ms = all[total / 2] / 1e3;
    result->p95_ms = all[total * 95 / 100] / 1e3;
    result->p99_ms = all[total * 99 / 100] / 1e3;
    result->max_ms = all[total - 1] / 1e3;
    xfree(all);
}

/* Wait until everything acknowledged is visible, then settled. */
static void result_wait(struct result *result, const struct options *options, int64_t start_ns)
{
    result->visible_s = result->settled_s = -1;
    double want = (double)result->sums.acked;
    int64_t until_ns = clock_monotonic_ns() + (int64_t)(options->wait_s * 1e9);
    while (result->settled_s < 0 && clock_monotonic_ns() < until_ns) {
        struct watch_counters now;
        if (!watch_counters(options->api_port, &now))
            break;
        double elapsed = (double)(clock_monotonic_ns() - start_ns) / 1e9;
        if (result->visible_s < 0 && now.drain_spans - result->before.drain_spans >= want &&
            now.drain_behind_s <= 0)
            result->visible_s = elapsed;
        if (now.spans_settled - result->before.spans_settled >= want)
            result->settled_s = elapsed;
        result->after = now;
        if (result->settled_s < 0)
            clock_sleep_ns(POLL_MS * NS_PER_MS);
    }
}

static void run(const struct options *options, struct result *result)
{
    static struct sender senders[THREADS_MAX];
    struct prose *prose = prose_new(options->seed);
    struct watch_process before = { 0 };
    if (options->api_port && !watch_counters(options->api_port, &result->before))
        fprintf(stderr, "load: no /metrics on port %d\n", options->api_port);
    if (options->pid)
        watch_process(options->pid, &before);
    for (int i = 0; i < options->threads; i++)
        sender_open(&senders[i], options, i);
    int64_t start_ns = clock_monotonic_ns(), last_ns = start_ns;
    for (int i = 0; i < options->threads; i++) {
        struct sender *sender = &senders[i];
        double each = options->rate / options->threads;
        sender->prose = prose;
        sender->start_ns = sender->last_ack_ns = start_ns;
        sender->stop_ns = start_ns + (int64_t)(options->seconds * 1e9);
        sender->period_ns = options->rate > 0 ? (int64_t)(options->batch / each * 1e9) : 0;
        sender->next_due_ns = start_ns + sender->period_ns * i / options->threads;
        thread_start(&sender->thread, "load", sender_run, sender);
    }
    for (int i = 0; i < options->threads; i++) {
        const struct sums *from = &senders[i].sums;
        thread_join(&senders[i].thread);
        result->sums.sent += from->sent;
        result->sums.acked += from->acked;
        result->sums.busy += from->busy;
        result->sums.failed += from->failed;
        result->sums.partial += from->partial;
        result->sums.bytes += from->bytes;
        result->sums.requests += from->requests;
        last_ns = MAX(last_ns, senders[i].last_ack_ns);
    }
    result->seconds = (double)(last_ns - start_ns) / 1e9;
    result_latencies(result, senders, options->threads);
    if (options->api_port)
        result_wait(result, options, start_ns);
    if (options->pid && watch_process(options->pid, &result->process))
        result->cpu_s = result->process.cpu_s - before.cpu_s;
    for (int i = 0; i < options->threads; i++)
        sender_close(&senders[i]);
    prose_free(prose);
}

/* ---- in and out ---- */

static double per(double amount, double by)
{
    return by > 0 ? amount / by : 0;
}

static void print_json(const struct result *r)
{
    const struct sums *s = &r->sums;
    double acked = (double)s->acked;
    printf("{\"sent\":%llu,\"acked\":%llu,\"requests\":%llu,\"busy\":%llu,\"failed\":%llu,"
           "\"partial\":%llu,\"bytes_per_span\":%.1f,\"seconds\":%.3f,",
           (unsigned long long)s->sent, (unsigned long long)s->acked,
           (unsigned long long)s->requests, (unsigned long long)s->busy,
           (unsigned long long)s->failed, (unsigned long long)s->partial,
           per((double)s->bytes, (double)s->sent), r->seconds);
    printf("\"sent_per_s\":%.0f,\"acked_per_s\":%.0f,\"visible_per_s\":%.0f,\"stored_per_s\":%.0f,"
           "\"visible_s\":%.3f,\"settled_s\":%.3f,",
           per((double)s->sent, r->seconds), per(acked, r->seconds), per(acked, r->visible_s),
           per(acked, r->settled_s), r->visible_s, r->settled_s);
    printf("\"ack_p50_ms\":%.3f,\"ack_p95_ms\":%.3f,\"ack_p99_ms\":%.3f,\"ack_max_ms\":%.3f,",
           r->p50_ms, r->p95_ms, r->p99_ms, r->max_ms);
    printf("\"cpu_us_per_span\":%.3f,\"rss_mib\":%.1f,\"rss_peak_mib\":%.1f,"
           "\"drained\":%.0f,\"settled\":%.0f,\"duplicates\":%.0f,\"corrupt\":%.0f,"
           "\"store_errors\":%.0f,\"store_disk_bytes\":%.0f,\"content_disk_bytes\":%.0f}\n",
           per(r->cpu_s * 1e6, acked), r->process.rss_kib / 1024, r->process.rss_peak_kib / 1024,
           r->after.drain_spans - r->before.drain_spans,
           r->after.spans_settled - r->before.spans_settled,
           r->after.duplicates - r->before.duplicates, r->after.corrupt - r->before.corrupt,
           r->after.store_errors - r->before.store_errors, r->after.store_disk_bytes,
           r->after.content_stored_bytes);
}

static void print_text(const struct result *r)
{
    const struct sums *s = &r->sums;
    double acked = (double)s->acked;
    printf("sent      %10llu spans of %.0f bytes, %.0f/s\n", (unsigned long long)s->sent,
           per((double)s->bytes, (double)s->sent), per((double)s->sent, r->seconds));
    printf("acked     %10llu spans, %.0f/s over %.2f s; %llu refused, %llu failed, %llu partial\n",
           (unsigned long long)s->acked, per(acked, r->seconds), r->seconds,
           (unsigned long long)s->busy, (unsigned long long)s->failed,
           (unsigned long long)s->partial);
    printf("ack       p50 %.2f  p95 %.2f  p99 %.2f  max %.2f ms\n", r->p50_ms, r->p95_ms, r->p99_ms,
           r->max_ms);
    if (r->visible_s > 0)
        printf("visible   %10.0f/s after %.2f s\nstored    %10.0f/s after %.2f s (settled)\n",
               per(acked, r->visible_s), r->visible_s, per(acked, r->settled_s), r->settled_s);
    if (r->cpu_s > 0)
        printf("server    %.2f us CPU per span, RSS %.0f MiB, peak %.0f MiB\n",
               per(r->cpu_s * 1e6, acked), r->process.rss_kib / 1024,
               r->process.rss_peak_kib / 1024);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: load --port=N [--api=N] [--pid=N] [--content] [--seconds=5] [--spans=N]\n"
            "            [--rate=SPANS_PER_S] [--threads=1] [--connections=16] [--batch=100]\n"
            "            [--wait=60] [--seed=N] [--json]\n");
    return 2;
}

static bool options_read(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        { "port", 1, NULL, 'p' },    { "api", 1, NULL, 'a' },     { "pid", 1, NULL, 'i' },
        { "content", 0, NULL, 'c' }, { "seconds", 1, NULL, 's' }, { "spans", 1, NULL, 'n' },
        { "rate", 1, NULL, 'r' },    { "threads", 1, NULL, 't' }, { "connections", 1, NULL, 'k' },
        { "batch", 1, NULL, 'b' },   { "wait", 1, NULL, 'w' },    { "seed", 1, NULL, 'e' },
        { "json", 0, NULL, 'j' },    { NULL, 0, NULL, 0 },
    };
    for (int name; (name = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        double number = optarg ? strtod(optarg, NULL) : 0;
        switch (name) {
        case 'p':
            options->port = (int)number;
            break;
        case 'a':
            options->api_port = (int)number;
            break;
        case 'i':
            options->pid = (int)number;
            break;
        case 'c':
            options->content = true;
            break;
        case 's':
            options->seconds = number;
            break;
        case 'n':
            options->spans_max = (uint64_t)number;
            break;
        case 'r':
            options->rate = number;
            break;
        case 't':
            options->threads = (int)number;
            break;
        case 'k':
            options->connections = (int)number;
            break;
        case 'b':
            options->batch = (uint32_t)number;
            break;
        case 'w':
            options->wait_s = number;
            break;
        case 'e':
            options->seed = (uint64_t)number;
            break;
        case 'j':
            options->json = true;
            break;
        default:
            return false;
        }
    }
    options->connections = MAX(options->connections, options->threads);
    return options->port > 0 && options->threads > 0 && options->threads <= THREADS_MAX &&
           options->connections <= CONNECTIONS_MAX && options->batch >= TRACE_SPANS &&
           options->batch % TRACE_SPANS == 0;
}

int main(int argc, char **argv)
{
    struct options options = { .threads = 1,
                               .connections = 16,
                               .batch = 100,
                               .seconds = 5,
                               .wait_s = 60,
                               .seed = (uint64_t)clock_now_ns() };
    struct result result = { 0 };
    if (!options_read(&options, argc, argv))
        return usage();
    run(&options, &result);
    if (options.json)
        print_json(&result);
    else
        print_text(&result);
    bool lost = options.api_port && result.settled_s < 0;
    if (lost)
        fprintf(stderr, "load: %.0f acknowledged spans did not settle\n",
                (double)result.sums.acked -
                    (result.after.spans_settled - result.before.spans_settled));
    return lost || result.sums.failed || result.sums.partial;
}
