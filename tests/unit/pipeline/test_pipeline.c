/* test_pipeline.c -- bodies in, rows out: nothing lost, nothing twice, over crashes and faults.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipe_fixture.h"
#include "pipeline/drain_int.h"

#define ASKED                                                                                      \
    "[{\\\"role\\\":\\\"user\\\",\\\"parts\\\":[{\\\"type\\\":\\\"text\\\",\\\"content\\\":"       \
    "\\\"question\\\"}]}]"
#define MODEL_ATTRS                                                                                \
    CHAT_ATTRS "," INT_ATTR("gen_ai.usage.input_tokens", 1000) "," INT_ATTR(                       \
        "gen_ai.usage.output_tokens", 100) "," TEXT_ATTR("gen_ai.input.messages", ASKED)

static struct span_spec root_of(uint64_t trace)
{
    return (struct span_spec){
        .trace = trace,
        .span = 1,
        .name = "POST /ask",
        .start_ns = PIPE_T0,
        .len_ns = NS_PER_S,
        .attrs = TEXT_ATTR("user.id", "u-1") "," TEXT_ATTR("tenant.id", "acme"),
    };
}

static struct span_spec call_of(uint64_t trace, uint64_t span)
{
    return (struct span_spec){ .trace = trace,
                               .span = span,
                               .parent = 1,
                               .name = "chat gpt-4o",
                               .start_ns = PIPE_T0 + (int64_t)span * NS_PER_MS,
                               .len_ns = 100 * NS_PER_MS,
                               .attrs = MODEL_ATTRS };
}

static void send_trace(struct pipe *pipe, uint64_t trace)
{
    struct buf body;
    struct span_spec root = root_of(trace), first = call_of(trace, 2), second = call_of(trace, 3);
    buf_init(&body, MIB);
    body_begin(&body);
    body_span(&body, &first);
    body_span(&body, &second);
    body_span(&body, &root);
    body_end(&body);
    assert_int_equal(pipe_send(pipe, OTLP_TRACES, buf_str(&body)), 0);
    buf_clear(&body);
}

static void assert_stored_whole(struct pipe *pipe, size_t traces)
{
    struct pipe_rows rows;
    pipe_rows(pipe, &rows);
    assert_int_equal(rows.trace_count, traces);
    assert_int_equal(rows.span_count, 3 * traces);
    for (size_t i = 0; i < traces; i++) {
        assert_true(rows.traces[i].settled);
        assert_int_equal(rows.traces[i].span_count, 3);
        assert_int_equal(rows.traces[i].model_call_count, 2);
        assert_int_equal(rows.traces[i].input_tokens, 2000);
        assert_int_equal(rows.traces[i].output_tokens, 200);
        assert_true(rows.traces[i].has_cost);
        assert_int_equal(rows.traces[i].cost_nanousd, 2 * (1000 * 2500 + 100 * 10000));
        assert_true(str_equal_c(rows.traces[i].tenant_id, "acme"));
    }
    for (size_t i = 0; i < rows.span_count; i++) {
        const struct span *span = &rows.spans[i].span;
        assert_true(rows.spans[i].settled);
        assert_true(str_equal_c(span->tenant_id, "acme")); /* A8: the root's holds for all */
        if (!SPAN_KNOWS(span, parent_span_id))
            continue;
        str input = rows_content(pipe, &rows, span->trace_id, span->span_id, CONTENT_INPUT);
        assert_true(str_find(input, STR_OF("question")) < input.len);
    }
    pipe_rows_clear(&rows);
}

/* shows: X5 */
static void what_is_acknowledged_is_stored_with_its_content_and_cost(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    for (uint64_t i = 0; i < 20; i++)
        send_trace(&pipe, i);
    struct receive_stats in;
    receive_stats(pipe.receiver, &in);
    assert_int_equal(in.requests, 20);
    assert_int_equal(in.spans_in, 60);
    assert_int_equal(in.spans_in, in.spans_out + in.rejected);
    pipe_stop(&pipe, true);
    assert_int_equal(pipe.before.spans, in.spans_out);
    assert_int_equal(pipe.before.spans_settled, in.spans_out);
    struct store_status status;
    pipe.ops.status(pipe.store, &status);
    assert_int_equal(status.unsettled_count, 0);
    assert_int_equal(status.checkpoint_sequence, 20);
    pipe_start(&pipe);
    assert_stored_whole(&pipe, 20);
    pipe_clear(&pipe);
}

/* shows: X5 */
static void a_bad_span_is_rejected_alone_and_counted(void **state)
{
    (void)state;
    struct pipe pipe;
    struct buf body;
    pipe_init(&pipe);
    buf_init(&body, MIB);
    struct span_spec good = root_of(1), zero = root_of(1);
    zero.span = 0;
    body_begin(&body);
    body_span(&body, &good);
    body_span(&body, &zero);
    body_end(&body);
    assert_int_equal(pipe_send(&pipe, OTLP_TRACES, buf_str(&body)), 1);
    struct receive_stats in;
    receive_stats(pipe.receiver, &in);
    assert_int_equal(in.rejected, 1);
    assert_int_equal(in.spans_out, 1);
    assert_int_equal(in.spans_in, in.spans_out + in.rejected);
    buf_clear(&body);
    pipe_clear(&pipe);
}

/* shows: X5 */
static void a_crash_before_settling_gives_the_same_rows(void **state)
{
    (void)state;
    struct pipe plain, crashed;
    struct pipe_rows a, b;
    pipe_init(&plain);
    pipe_init(&crashed);
    for (uint64_t i = 0; i < 10; i++) {
        send_trace(&plain, i);
        send_trace(&crashed, i);
        if (i % 3 == 0)
            pipe_restart(&crashed, false);
    }
    pipe_restart(&plain, true);
    pipe_restart(&crashed, true);
    assert_stored_whole(&crashed, 10);
    assert_same_text(pipe_dump(&plain, &a), pipe_dump(&crashed, &b));
    pipe_rows_clear(&a);
    pipe_rows_clear(&b);
    pipe_clear(&plain);
    pipe_clear(&crashed);
}

static void a_late_span_joins_its_settled_trace(void **state)
{
    (void)state;
    struct pipe pipe;
    struct pipe_rows rows;
    pipe_init(&pipe);
    send_trace(&pipe, 5);
    pipe_restart(&pipe, true);
    struct span_spec late = call_of(5, 9);
    pipe_send_span(&pipe, &late);
    pipe_restart(&pipe, true);
    assert_int_equal(pipe.before.traces_late, 1);
    pipe_rows(&pipe, &rows);
    assert_int_equal(rows.trace_count, 1);
    assert_int_equal(rows.span_count, 4);
    assert_int_equal(rows.traces[0].span_count, 4);
    assert_int_equal(rows.traces[0].input_tokens, 3000);
    for (uint64_t span = 2; span <= 9; span += span == 3 ? 6 : 1) {
        const struct store_span *row = rows_span(&rows, 5, span);
        assert(row);
        str input =
            rows_content(&pipe, &rows, row->span.trace_id, row->span.span_id, CONTENT_INPUT);
        assert_true(str_find(input, STR_OF("question")) < input.len);
    }
    pipe_rows_clear(&rows);
    pipe_clear(&pipe);
}

/* shows: C8 */
static void an_exact_retry_is_acknowledged_counted_and_not_stored(void **state)
{
    (void)state;
    struct pipe pipe;
    struct pipe_rows rows;
    struct buf body;
    pipe_init(&pipe);
    buf_init(&body, MIB);
    struct span_spec span = call_of(1, 2);
    body_begin(&body);
    body_span(&body, &span);
    body_end(&body);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pipe_send(&pipe, OTLP_TRACES, buf_str(&body)), 0);
    pipe_restart(&pipe, true);
    assert_int_equal(pipe.before.duplicate_batches, 2);
    assert_int_equal(pipe.before.spans, 1);
    pipe_rows(&pipe, &rows);
    assert_int_equal(rows.span_count, 1);
    assert_int_equal(rows.traces[0].input_tokens, 1000);
    pipe_rows_clear(&rows);
    buf_clear(&body);
    pipe_clear(&pipe);
}

/* PATCH .../spans/1 and PATCH .../spans/2, both with the same end. */
static void the_same_body_for_two_paths_is_two_requests(void **state)
{
    (void)state;
    struct pipe pipe;
    struct buf body;
    pipe_init(&pipe);
    buf_init(&body, MIB);
    struct span_spec span = call_of(1, 2);
    body_begin(&body);
    body_span(&body, &span);
    body_end(&body);
    static const char *const paths[] = { "/1", "/2", "/2" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        uint32_t rejected;
        struct request_head head = { .path = str_from_c(paths[i]) };
        struct receive_input input = {
            .source = &source_otlp_http,
            .body = { .signal = OTLP_TRACES, .encoding = OTLP_JSON, .bytes = buf_str(&body) },
            .project = STR_OF("shop"),
        };
        input.body.head = &head;
        assert_int_equal(pipe_send_as(&pipe, &input, &rejected), ERR_OK);
    }
    pipe_restart(&pipe, true);
    assert_int_equal(pipe.before.duplicate_batches, 1);
    buf_clear(&body);
    pipe_clear(&pipe);
}

static enum err send_as_tenant(struct pipe *pipe, str body, str tenant)
{
    uint32_t rejected;
    struct receive_input input = {
        .source = &source_otlp_http,
        .body = { .signal = OTLP_TRACES, .encoding = OTLP_JSON, .bytes = body },
        .project = STR_OF("shop"),
        .tenant = tenant
    };
    return pipe_send_as(pipe, &input, &rejected);
}

/* shows: C12 */
static void a_key_bound_to_a_tenant_writes_as_that_tenant(void **state)
{
    (void)state;
    struct pipe pipe;
    struct pipe_rows rows;
    struct buf body;
    pipe_init(&pipe);
    buf_init(&body, MIB);
    struct span_spec claims = root_of(1), silent = call_of(1, 2);
    body_begin(&body);
    body_span(&body, &claims);
    body_span(&body, &silent);
    body_end(&body);
    assert_int_equal(send_as_tenant(&pipe, buf_str(&body), STR_OF("globex")), ERR_OK);
    struct receive_stats in;
    receive_stats(pipe.receiver, &in);
    assert_int_equal(in.retagged_spans, 1);
    pipe_restart(&pipe, true);
    pipe_rows(&pipe, &rows);
    assert_int_equal(rows.span_count, 2);
    assert_true(str_equal_c(rows.spans[0].span.tenant_id, "globex"));
    assert_true(str_equal_c(rows.spans[1].span.tenant_id, "globex"));
    assert_true(str_equal_c(rows.traces[0].tenant_id, "globex"));
    pipe_rows_clear(&rows);
    buf_clear(&body);
    pipe_clear(&pipe);
}

static void the_same_body_from_two_tenants_is_no_retry(void **state)
{
    (void)state;
    struct pipe pipe;
    struct buf body;
    pipe_init(&pipe);
    buf_init(&body, MIB);
    struct span_spec span = root_of(1);
    body_begin(&body);
    body_span(&body, &span);
    body_end(&body);
    assert_int_equal(send_as_tenant(&pipe, buf_str(&body), STR_OF("globex")), ERR_OK);
    assert_int_equal(send_as_tenant(&pipe, buf_str(&body), STR_OF("initech")), ERR_OK);
    assert_int_equal(send_as_tenant(&pipe, buf_str(&body), STR_OF("initech")), ERR_OK);
    pipe_stop(&pipe, true);
    assert_int_equal(pipe.before.duplicate_batches, 1);
    buf_clear(&body);
    pipe_clear(&pipe);
}

static void await_commit(void)
{
    while (sem_wait(&committed) != 0)
        continue;
}

/* shows: X5 */
static void a_store_that_fails_for_a_while_loses_nothing(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    pipe_stop(&pipe, false);
    pipe.settle = (struct settle_times){ NS_PER_MS, NS_PER_MS, NS_PER_MS };
    fail_appends = 2;
    fail_commits = 2;
    fail_knowns = 1;
    pipe_start(&pipe);
    send_trace(&pipe, 1);
    await_commit();
    assert_int_equal(fail_commits, 0);
    assert_int_equal(fail_knowns, 0);
    struct drain_status status;
    drain_status(pipe.drain, &status);
    assert_true(status.store_errors >= 3);
    pipe_restart(&pipe, true);
    assert_stored_whole(&pipe, 1);
    pipe_clear(&pipe);
}

/* shows: X5 */
static void content_whose_sync_failed_is_written_again(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    pipe_stop(&pipe, false);
    pipe.settle = (struct settle_times){ NS_PER_MS, NS_PER_MS, NS_PER_MS };
    pipe_start(&pipe);
    fail_content_syncs = 1;
    send_trace(&pipe, 1);
    await_commit();
    assert_int_equal(fail_content_syncs, 0);
    pipe_restart(&pipe, true);
    assert_stored_whole(&pipe, 1);
    pipe_clear(&pipe);
}

static void a_trace_settles_by_its_root_without_being_told(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    pipe_stop(&pipe, false);
    pipe.settle = (struct settle_times){ 20 * NS_PER_MS, 600 * NS_PER_S, 600 * NS_PER_S };
    pipe_start(&pipe);
    send_trace(&pipe, 1);
    await_commit(); /* the test's timeout is the limit */
    assert_stored_whole(&pipe, 1);
    pipe_clear(&pipe);
}

/* More spans in one body than drain appends at once. */
static void a_body_larger_than_one_append_arrives_whole(void **state)
{
    (void)state;
    enum { COUNT = 8192 * 2 + 5 };
    struct pipe pipe;
    struct pipe_rows rows;
    struct buf body;
    pipe_init(&pipe);
    buf_init(&body, 64 * MIB);
    body_begin(&body);
    for (uint64_t i = 1; i <= COUNT; i++) {
        struct span_spec span = { .trace = 1, .span = i, .parent = i > 1, .start_ns = PIPE_T0 };
        body_span(&body, &span);
    }
    body_end(&body);
    assert_int_equal(pipe_send(&pipe, OTLP_TRACES, buf_str(&body)), 0);
    pipe_restart(&pipe, true);
    assert_int_equal(pipe.before.spans_settled, COUNT);
    assert_int_equal(pipe.before.corrupt_records, 0);
    pipe_rows(&pipe, &rows);
    assert_int_equal(rows.span_count, COUNT);
    assert_int_equal(rows.traces[0].span_count, COUNT);
    pipe_rows_clear(&rows);
    buf_clear(&body);
    pipe_clear(&pipe);
}

static void past_the_memory_limit_the_oldest_settle_early(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    pipe_stop(&pipe, false);
    pipe.open_bytes_max = 1;
    pipe_start(&pipe);
    send_trace(&pipe, 1);
    await_commit();
    pipe_restart(&pipe, true);
    assert_stored_whole(&pipe, 1);
    pipe_clear(&pipe);
}

#define LOGS_BODY                                                                                  \
    "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"%lld\","              \
    "\"severityNumber\":9,\"body\":{\"stringValue\":\"line %u\"},\"traceId\":"                     \
    "\"0000000000000abc0000000000000001\",\"spanId\":\"0000000000000001\"}]}]}]}"
#define METRICS_BODY                                                                               \
    "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"m\",\"gauge\":"            \
    "{\"dataPoints\":[{\"timeUnixNano\":\"%lld\",\"asDouble\":%u.5}]}}]}]}]}"

static void send_log_and_metric(struct pipe *pipe, unsigned number)
{
    char body[1024];
    int len = snprintf(body, sizeof body, LOGS_BODY, (long long)(PIPE_T0 + number), number);
    assert_int_equal(pipe_send(pipe, OTLP_LOGS, str_make(body, (size_t)len)), 0);
    len = snprintf(body, sizeof body, METRICS_BODY, (long long)(PIPE_T0 + number), number);
    assert_int_equal(pipe_send(pipe, OTLP_METRICS, str_make(body, (size_t)len)), 0);
}

/* The open trace holds the checkpoint back, so the log is read again from before them. */
static void logs_and_metrics_are_stored_once_over_crashes(void **state)
{
    (void)state;
    struct pipe pipe;
    struct store_status status;
    pipe_init(&pipe);
    struct span_spec root = root_of(1);
    pipe_send_span(&pipe, &root);
    for (unsigned i = 0; i < 5; i++) {
        send_log_and_metric(&pipe, i);
        if (i == 2)
            await_commit();
        pipe_restart(&pipe, false);
    }
    pipe_restart(&pipe, true);
    pipe.ops.status(pipe.store, &status);
    assert_int_equal(status.log_count, 5);
    assert_int_equal(status.metric_count, 5);
    assert_int_equal(status.checkpoint_sequence, 11);
    pipe_clear(&pipe);
}

#define EVENTS_BODY                                                                                \
    "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"%lld\","              \
    "\"eventName\":\"gen_ai.%s.message\",\"attributes\":[],\"body\":{\"kvlistValue\":"             \
    "{\"values\":[{\"key\":\"content\",\"value\":{\"stringValue\":\"%s\"}}]}},\"traceId\":"        \
    "\"0000000000000abc0000000000000001\",\"spanId\":\"0000000000000002\"}]}]}]}"

static void send_event(struct pipe *pipe, const char *role, const char *text)
{
    char body[1024];
    int len = snprintf(body, sizeof body, EVENTS_BODY, (long long)PIPE_T0, role, text);
    assert_int_equal(pipe_send(pipe, OTLP_LOGS, str_make(body, (size_t)len)), 0);
}

static void messages_that_come_as_events_before_and_after_their_span_are_joined(void **state)
{
    (void)state;
    struct pipe pipe;
    struct pipe_rows rows;
    pipe_init(&pipe);
    send_event(&pipe, "user", "first words");
    struct span_spec span = call_of(1, 2);
    span.attrs = CHAT_ATTRS;
    pipe_send_span(&pipe, &span);
    send_event(&pipe, "user", "second words");
    struct receive_stats in;
    receive_stats(pipe.receiver, &in);
    assert_int_equal(in.spans_in + in.logs_in, in.spans_out + in.logs_out + in.rejected);
    pipe_restart(&pipe, true);
    pipe_rows(&pipe, &rows);
    assert_int_equal(rows.span_count, 1);
    const struct span *stored = &rows.spans[0].span;
    str input = rows_content(&pipe, &rows, stored->trace_id, stored->span_id, CONTENT_INPUT);
    size_t first = str_find(input, STR_OF("first words"));
    size_t second = str_find(input, STR_OF("second words"));
    assert_true(first < second && second < input.len);
    assert_true(str_equal_c(stored->name, "chat gpt-4o"));
    pipe_rows_clear(&rows);
    pipe_clear(&pipe);
}

/* A trace in as many batches as are cached, and in one more: its content is of other batches
 * by the time it is written. */
static void content_of_a_trace_in_many_batches_is_each_spans_own(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    static const uint64_t counts[] = { BATCH_CACHE_COUNT, BATCH_CACHE_COUNT + 1 };
    for (uint64_t t = 0; t < COUNT_OF(counts); t++) {
        for (uint64_t i = 0; i < counts[t]; i++) {
            char attrs[512];
            snprintf(attrs, sizeof attrs,
                     CHAT_ATTRS "," TEXT_ATTR("gen_ai.input.messages", "question %04llu"),
                     (unsigned long long)i);
            struct span_spec span = call_of(t, i + 2);
            span.attrs = attrs;
            pipe_send_span(&pipe, &span);
        }
    }
    pipe_restart(&pipe, true);
    struct pipe_rows rows;
    pipe_rows(&pipe, &rows);
    assert_int_equal(rows.span_count, counts[0] + counts[1]);
    for (uint64_t t = 0; t < COUNT_OF(counts); t++) {
        for (uint64_t i = 0; i < counts[t]; i++) {
            const struct store_span *row = rows_span(&rows, t, i + 2);
            char expected[32];
            int len = snprintf(expected, sizeof expected, "question %04llu", (unsigned long long)i);
            str input =
                rows_content(&pipe, &rows, row->span.trace_id, row->span.span_id, CONTENT_INPUT);
            assert_true(str_find(input, str_make(expected, (size_t)len)) < input.len);
        }
    }
    pipe_rows_clear(&rows);
    pipe_clear(&pipe);
}

/* A record's memory is used again, but for that of large ones: no byte of another shows. */
static void records_of_all_sizes_one_after_the_other_are_each_their_own(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    static const size_t sizes[] = { 10, 600000, 2000000, 10, 2000000, 600000, 10, 900000, 10 };
    static const char head[] = CHAT_ATTRS ",{\"key\":\"gen_ai.input.messages\",\"value\":{"
                                          "\"stringValue\":\"";
    for (uint64_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf body;
        struct span_spec span = call_of(1, i + 2);
        buf_init(&body, 4 * MIB);
        body_begin(&body);
        span.attrs = head;
        body_span(&body, &span);
        body.len -= 2; /* into the text again */
        char *text = buf_reserve(&body, sizes[i]);
        memset(text, 'a' + (int)i, sizes[i]);
        body.len += sizes[i];
        buf_add_c(&body, "\"}}]}");
        body_end(&body);
        assert_int_equal(pipe_send(&pipe, OTLP_TRACES, buf_str(&body)), 0);
        buf_clear(&body);
    }
    pipe_restart(&pipe, true);
    struct pipe_rows rows;
    pipe_rows(&pipe, &rows);
    for (uint64_t i = 0; i < COUNT_OF(sizes); i++) {
        const struct store_span *row = rows_span(&rows, 1, i + 2);
        str input =
            rows_content(&pipe, &rows, row->span.trace_id, row->span.span_id, CONTENT_INPUT);
        size_t letters = 0;
        for (size_t k = 0; k + 8 <= input.len; k += 8) {
            char eight[8];
            memset(eight, 'a' + (int)i, sizeof eight);
            letters += memcmp(input.ptr + k, eight, sizeof eight) == 0 ? sizeof eight : 0;
        }
        assert_true(letters <= sizes[i] && letters + 32 > sizes[i]);
    }
    pipe_rows_clear(&rows);
    pipe_clear(&pipe);
}

/* shows: P2 */
static void a_secret_is_in_no_row_and_no_content(void **state)
{
    (void)state;
    struct pipe pipe;
    struct pipe_rows rows;
    pipe_init(&pipe);
    struct span_spec span = call_of(1, 2);
    span.attrs = CHAT_ATTRS "," TEXT_ATTR("note", "mail jane.roe@example.com now");
    pipe_send_span(&pipe, &span);
    pipe_restart(&pipe, true);
    str text = pipe_dump(&pipe, &rows);
    assert_true(str_find(text, STR_OF("jane.roe")) == text.len);
    assert_true(str_find(text, STR_OF("REDACTED")) < text.len);
    pipe_rows_clear(&rows);
    pipe_clear(&pipe);
}

static void redactions_are_counted_where_they_are_made(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    struct span_spec span = call_of(1, 2);
    span.attrs = CHAT_ATTRS "," TEXT_ATTR("note", "mail jane.roe@example.com now");
    pipe_send_span(&pipe, &span);
    struct receive_stats in;
    receive_stats(pipe.receiver, &in);
    assert_int_equal(in.redactions, 1);
    pipe_clear(&pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_acknowledged_is_stored_with_its_content_and_cost),
        cmocka_unit_test(a_bad_span_is_rejected_alone_and_counted),
        cmocka_unit_test(a_crash_before_settling_gives_the_same_rows),
        cmocka_unit_test(a_late_span_joins_its_settled_trace),
        cmocka_unit_test(an_exact_retry_is_acknowledged_counted_and_not_stored),
        cmocka_unit_test(the_same_body_for_two_paths_is_two_requests),
        cmocka_unit_test(a_key_bound_to_a_tenant_writes_as_that_tenant),
        cmocka_unit_test(the_same_body_from_two_tenants_is_no_retry),
        cmocka_unit_test(a_store_that_fails_for_a_while_loses_nothing),
        cmocka_unit_test(content_whose_sync_failed_is_written_again),
        cmocka_unit_test(a_trace_settles_by_its_root_without_being_told),
        cmocka_unit_test(a_body_larger_than_one_append_arrives_whole),
        cmocka_unit_test(past_the_memory_limit_the_oldest_settle_early),
        cmocka_unit_test(logs_and_metrics_are_stored_once_over_crashes),
        cmocka_unit_test(messages_that_come_as_events_before_and_after_their_span_are_joined),
        cmocka_unit_test(content_of_a_trace_in_many_batches_is_each_spans_own),
        cmocka_unit_test(records_of_all_sizes_one_after_the_other_are_each_their_own),
        cmocka_unit_test(a_secret_is_in_no_row_and_no_content),
        cmocka_unit_test(redactions_are_counted_where_they_are_made),
    };
    return cmocka_run_group_tests(tests, shared_setup, shared_teardown);
}
