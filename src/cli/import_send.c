/* import_send.c -- requests of a bounded size, one after the other, as fast as the server takes
 * them.
 *
 * A server that is full says so (429, 503) and when to come again (Retry-After): that is obeyed.
 * One that was there and is gone is waited for, for a minute.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/import_int.h"
#include "cli/span_form.h"
#include "sys/clock.h"
#include <signal.h>
#include <stdio.h>

enum {
    ITEMS_MAX = 1000,
    BYTES_MAX = 4 * 1024 * 1024,
    REQUEST_BYTES_MAX = 512 * 1024 * 1024,
    ARENA_BYTES_MAX = 1024 * 1024 * 1024,
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,
    PATIENCE_S = 60,
    WAIT_FIRST_MS = 250,
    WAIT_MAX_MS = 5000,
    WAIT_STEP_MS = 50,
};

static const struct {
    const char *path, *head, *tail;
} lanes[LANE_COUNT] = {
    [LANE_TRACES] = { "/v1/traces", "{\"resourceSpans\":[", "]}" },
    [LANE_LOGS] = { "/v1/logs", "{\"resourceLogs\":[", "]}" },
    [LANE_METRICS] = { "/v1/metrics", "{\"resourceMetrics\":[", "]}" },
    [LANE_SPANS] = { "/v1/traces", "", "" },
    [LANE_LANGFUSE] = { "/api/public/ingestion", "{\"batch\":[", "]}" },
    [LANE_RUNS] = { "/runs/batch", "{\"post\":[", "]}" },
    [LANE_SCORES] = { "/api/v1/scores", "[", "]" },
};

bool import_is_interrupted(void *arg)
{
    (void)arg;
    return cli_interrupted;
}

static void wait_ns(int64_t ns)
{
    int64_t until = clock_monotonic_ns() + ns;
    while (!cli_interrupted && clock_monotonic_ns() < until)
        clock_sleep_ns(MIN(until - clock_monotonic_ns(), WAIT_STEP_MS * NS_PER_MS));
}

/* ---- what came of it ---- */

static void add_range(struct buf *out, const struct import_batch *batch)
{
    if (batch && batch->last_line > batch->first_line)
        buf_printf(out, "lines %llu to %llu: ", (unsigned long long)batch->first_line,
                   (unsigned long long)batch->last_line);
}

static void refused(struct import *import, const struct import_batch *batch, uint64_t count,
                    str why)
{
    struct buf text;
    buf_init(&text, 8 * KIB);
    add_range(&text, batch);
    buf_printf(&text, "the server left out %llu: %.*s", (unsigned long long)count,
               STR_ARG(str_is_empty(why) ? STR_OF("it did not say why") : str_sub(why, 0, 1000)));
    buf_add_char(&text, '\0');
    import->failed += count - 1; /* the complaint counts one */
    import_complain(import, batch ? batch->first_line : import->line, text.ptr);
    buf_clear(&text);
}

/* Each of the protocols has its own way to say that some of a request were left out. */
static void read_answer(struct import *import, const struct import_batch *batch, str body)
{
    struct arena arena;
    struct value answer;
    double count;
    static const char *const counts[] = { "rejectedSpans", "rejectedLogRecords",
                                          "rejectedDataPoints" };
    arena_init(&arena, ANSWER_BYTES_MAX);
    if (cli_json_parse(&arena, body, &answer, NULL) == ERR_OK) {
        const struct value *partial = cli_member(&answer, "partialSuccess");
        const struct value *errors = cli_member(&answer, "errors");
        for (size_t i = 0; i < COUNT_OF(counts); i++)
            if (cli_member_f64(partial, counts[i], &count) && count >= 1)
                refused(import, batch, (uint64_t)count, cli_member_str(partial, "errorMessage"));
        if (cli_member_f64(&answer, "rejected", &count) && count >= 1)
            refused(import, batch, (uint64_t)count, cli_member_str(&answer, "message"));
        else if (cli_item(errors, 0))
            refused(import, batch, errors->count, cli_member_str(cli_item(errors, 0), "error"));
    }
    arena_clear(&arena);
}

static enum err problem_of(struct import *import, int status, str body, struct diag *why)
{
    struct value answer;
    bool is_json = cli_json_parse(&import->call->arena, str_sub(body, 0, MIB), &answer, NULL) == 0;
    str message = is_json ? cli_member_str(&answer, "message") : STR_NONE;
    if (str_is_none(message) && is_json)
        message = cli_member_str(&answer, "detail");
    if (str_is_none(message))
        return cli_http_problem(import->call, status, body, why);
    return diag_set(why, status == 401 || status == 403 ? ERR_FORBIDDEN : ERR_BAD_INPUT,
                    "the server refused it: %.*s", STR_ARG(str_sub(message, 0, 200)));
}

/* ---- one request ---- */

static bool is_later(enum err err, int status)
{
    return err == ERR_UNAVAILABLE || err == ERR_DEADLINE || status == 429 || status == 503 ||
           status == 502 || status == 504;
}

static enum err post(struct import *import, const struct cli_get *get, int *status,
                     struct buf *body, struct diag *why)
{
    int64_t retry_ns = 0, wait_ms = WAIT_FIRST_MS;
    int64_t until = clock_monotonic_ns() + PATIENCE_S * NS_PER_S;
    struct cli_get one = *get;
    one.ret_retry_after_ns = &retry_ns;
    for (;;) {
        buf_reset(body);
        *status = 0;
        enum err err = cli_http_get(import->call, &one, status, body, why);
        bool may_try = is_later(err, *status) && (import->was_answered || !err) &&
                       clock_monotonic_ns() < until && !cli_interrupted;
        import->was_answered = import->was_answered || !err;
        if (!may_try)
            return err;
        if (!err && retry_ns) /* it lives, and says when: no end to patience */
            until = clock_monotonic_ns() + retry_ns + PATIENCE_S * NS_PER_S;
        wait_ns(retry_ns ? retry_ns : wait_ms * NS_PER_MS);
        wait_ms = MIN(wait_ms * 2, (int64_t)WAIT_MAX_MS);
    }
}

static void send_body(struct import *import, enum import_lane lane,
                      const struct import_batch *batch, struct cli_get *get)
{
    struct diag why = DIAG_NONE;
    struct buf answer, text;
    int status = 0;
    get->path = lanes[lane].path;
    get->is_stopped = import_is_interrupted;
    buf_init(&answer, ANSWER_BYTES_MAX);
    buf_init(&text, 8 * KIB);
    enum err err = post(import, get, &status, &answer, &why);
    import->requests++;
    bool is_gone = err != ERR_OK;
    if (!err && status >= 200 && status < 300) {
        read_answer(import, batch, buf_str(&answer));
    } else if (!cli_interrupted) {
        if (!err)
            (void)problem_of(import, status, buf_str(&answer), &why); /* it says why */
        add_range(&text, batch);
        buf_printf(&text, "%s", why.text);
        buf_add_char(&text, '\0');
        import->failed += batch && batch->count ? batch->count - 1 : 0;
        import_complain(import, batch ? batch->first_line : import->line, text.ptr);
        bool is_for_all = is_gone || status == 401 || status == 403 || is_later(ERR_OK, status);
        if (is_for_all && why.hint[0])
            fprintf(stderr, "  %s\n", why.hint);
        import->is_stopped = import->is_stopped || is_for_all;
    }
    buf_clear(&text);
    buf_clear(&answer);
}

void import_send(struct import *import, enum import_lane lane, const char *content_type, str body)
{
    struct cli_get get = { .body = body, .content_type = content_type };
    send_body(import, lane, NULL, &get);
}

/* ---- batches ---- */

static void flush(struct import *import, enum import_lane lane)
{
    struct import_batch *batch = &import->batches[lane];
    struct buf body;
    uint32_t bad = 0;
    if (batch->count == 0 || import->is_stopped)
        return;
    buf_init(&body, REQUEST_BYTES_MAX);
    buf_add_c(&body, lanes[lane].head);
    if (lane == LANE_SPANS && !spans_to_otlp(&body, batch->spans, batch->count, &bad))
        import_complain(import, batch->first_line, "a span without an id or a time");
    buf_add_str(&body, buf_str(&batch->items));
    buf_add_c(&body, lanes[lane].tail);
    struct cli_get get = { .body = buf_str(&body), .is_json = true };
    if (buf_failed(&body))
        import_complain(import, batch->first_line, "too large to send");
    else
        send_body(import, lane, batch, &get);
    buf_clear(&body);
    buf_reset(&batch->items);
    arena_reset(&batch->arena);
    batch->spans = NULL;
    batch->count = 0;
}

static struct import_batch *batch_of(struct import *import, enum import_lane lane)
{
    struct import_batch *batch = &import->batches[lane];
    if (!batch->items.max_bytes) {
        buf_init(&batch->items, REQUEST_BYTES_MAX);
        arena_init(&batch->arena, ARENA_BYTES_MAX);
    }
    if (batch->count == 0)
        batch->first_line = import->line;
    batch->last_line = import->line;
    return batch;
}

static void added(struct import *import, enum import_lane lane)
{
    struct import_batch *batch = &import->batches[lane];
    batch->count++;
    if (batch->count == ITEMS_MAX || batch->items.len > BYTES_MAX ||
        batch->arena.used_bytes > 4 * (size_t)BYTES_MAX)
        flush(import, lane);
}

void import_add(struct import *import, enum import_lane lane, str item)
{
    struct import_batch *batch = batch_of(import, lane);
    if (batch->count)
        buf_add_char(&batch->items, ',');
    buf_add_str(&batch->items, item);
    added(import, lane);
}

void import_add_span(struct import *import, str item)
{
    struct import_batch *batch = batch_of(import, LANE_SPANS);
    struct diag why = DIAG_NONE;
    if (!batch->spans)
        batch->spans = arena_new(&batch->arena, struct value, ITEMS_MAX);
    str kept = arena_str(&batch->arena, item);
    struct value span;
    if (!batch->spans || str_is_none(kept) ||
        cli_json_parse(&batch->arena, kept, &span, &why) != ERR_OK) {
        import_complain(import, import->line, why.text[0] ? why.text : "the span is too large");
        return;
    }
    if (!span_is_readable(&span)) {
        import_complain(import, import->line, "trace_id, span_id or start_time cannot be read");
        return;
    }
    batch->spans[batch->count] = span;
    added(import, LANE_SPANS);
}

void import_flush(struct import *import)
{
    for (int lane = 0; lane < LANE_COUNT; lane++)
        flush(import, (enum import_lane)lane);
}
