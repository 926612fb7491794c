/* test_drain.c -- checkpoint, restart, retries and faults at the worst moment: nothing is lost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipe_fixture.h"

#include "pipeline/drain_int.h"

static const struct settle_times by_root_at_once = { NS_PER_MS, 600 * NS_PER_S, 600 * NS_PER_S };
/* On a busy machine the default of 10 s passes within a test. */
static const struct settle_times by_command = { 600 * NS_PER_S, 600 * NS_PER_S, 600 * NS_PER_S };

static struct span_spec spec_of(uint64_t trace, uint64_t span, uint64_t parent)
{
    return (struct span_spec){
        .trace = trace, .span = span, .parent = parent, .start_ns = PIPE_T0, .len_ns = NS_PER_MS
    };
}

static void send_one(struct pipe *pipe, uint64_t trace, uint64_t span, uint64_t parent)
{
    struct span_spec spec = spec_of(trace, span, parent);
    pipe_send_span(pipe, &spec);
}

/* In one body: children of span 1. */
static void send_many(struct pipe *pipe, uint64_t trace, uint64_t first, uint64_t count)
{
    struct buf body;
    buf_init(&body, 4 * MIB);
    body_begin(&body);
    for (uint64_t i = 0; i < count; i++) {
        struct span_spec spec = spec_of(trace, first + i, 1);
        body_span(&body, &spec);
    }
    body_end(&body);
    assert_int_equal(pipe_send(pipe, OTLP_TRACES, buf_str(&body)), 0);
    buf_clear(&body);
}

static void begin(struct pipe *pipe, const struct settle_times *settle)
{
    pipe_init(pipe);
    pipe_stop(pipe, false);
    pipe->settle = *settle;
    pipe_start(pipe);
}

static void await_commit(void)
{
    while (sem_wait(&committed) != 0)
        continue;
}

static void assert_stored(struct pipe *pipe, size_t traces, size_t spans)
{
    struct pipe_rows rows;
    pipe_rows(pipe, &rows);
    assert_int_equal(rows.trace_count, traces);
    assert_int_equal(rows.span_count, spans);
    for (size_t i = 0; i < rows.trace_count; i++)
        assert_true(rows.traces[i].settled);
    for (size_t i = 0; i < rows.span_count; i++)
        assert_true(rows.spans[i].settled);
    pipe_rows_clear(&rows);
}

static uint64_t stored_checkpoint(struct pipe *pipe)
{
    struct store_status status;
    pipe->ops.status(pipe->store, &status);
    return status.checkpoint_sequence;
}

/* ---- behind ---- */

/* shows: X5 */
static void a_drain_that_is_behind_stores_what_it_did_not_show(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    pipe_stop(&pipe, false);
    pipe.behind_ns = -1;
    pipe_start(&pipe);
    for (uint64_t trace = 1; trace <= 20; trace++) { /* the root comes last, so rows are sorted */
        send_one(&pipe, trace, 2, 1);
        send_one(&pipe, trace, 1, 0);
    }
    struct drain_status status;
    do { /* the counters do not change all at once */
        drain_status(pipe.drain, &status);
    } while (status.deferred_spans < 40 || status.spans < 40 || status.behind_ns == 0);
    assert_int_equal(status.deferred_spans, 40);
    assert_int_equal(status.spans, 40);
    struct store_status stored;
    pipe.ops.status(pipe.store, &stored);
    assert_int_equal(stored.unsettled_count, 0);
    pipe_stop(&pipe, true);
    pipe_start(&pipe);
    assert_stored(&pipe, 20, 40);
    pipe_clear(&pipe);
}

static struct pipe *pipe_to_fill;

static void send_log(struct pipe *pipe)
{
    pipe_send(pipe, OTLP_LOGS,
              STR_OF("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"1\","
                     "\"body\":{\"stringValue\":\"hello\"}}]}]}]}"));
}

/* Of two requests per trace one is the other's retry now and then; logs come in between. */
static void fill_log(struct drain *drain)
{
    (void)drain;
    for (uint64_t trace = 1; trace <= 20; trace++) {
        send_one(pipe_to_fill, trace, 2, 1);
        send_one(pipe_to_fill, trace, 1, 0);
        if (trace % 5 == 0)
            send_log(pipe_to_fill);
        if (trace % 4 == 0)
            send_one(pipe_to_fill, trace, 1, 0);
    }
}

static void a_drain_that_is_behind_reads_only_what_no_digest_came_for(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    pipe_stop(&pipe, false);
    pipe.behind_ns = -1;
    pipe_to_fill = &pipe;
    pipe.before_drain_starts = fill_log;
    pipe_start(&pipe);
    struct drain_status status;
    do {
        drain_status(pipe.drain, &status);
    } while (status.sequence < 49);
    assert_int_equal(status.spans, 40);
    assert_int_equal(status.deferred_spans, 40);
    assert_int_equal(status.duplicate_batches, 5 + 3); /* of the logs, too */
    assert_int_equal(status.logs, 1);
    assert_int_equal(status.digests, 45);
    send_one(&pipe, 21, 1, 0); /* read from the log, behind all that was not */
    pipe_stop(&pipe, true);
    pipe.before_drain_starts = NULL;
    pipe_start(&pipe);
    assert_stored(&pipe, 21, 41);
    pipe_clear(&pipe);
}

/* Nothing of it is waited for to become visible. */
static void items_that_are_no_spans_are_no_lag(void **state)
{
    (void)state;
    struct pipe pipe;
    pipe_init(&pipe);
    send_log(&pipe);
    struct drain_status status;
    int64_t until_ns = clock_monotonic_ns() + 5 * NS_PER_S;
    do {
        drain_status(pipe.drain, &status);
    } while ((status.logs == 0 || status.behind_ns != 0) && clock_monotonic_ns() < until_ns);
    assert_int_equal(status.logs, 1);
    assert_int_equal(status.behind_ns, 0);
    pipe_clear(&pipe);
}

/* ---- the time of the log ---- */

static const struct settle_times by_root_in_20_s = { 20 * NS_PER_S, 600 * NS_PER_S,
                                                     600 * NS_PER_S };

static void started_long_ago(struct drain *drain)
{
    drain->start_ns -= 100 * NS_PER_S;
}

/* shows: X5 */
static void a_trace_that_lay_in_the_log_for_its_wait_settles_when_it_is_read(void **state)
{
    (void)state;
    struct pipe pipe;
    begin(&pipe, &by_root_in_20_s);
    send_one(&pipe, 1, 1, 0);
    pipe_stop(&pipe, false);
    clock_set_offset(50 * NS_PER_S);
    pipe.before_drain_starts = started_long_ago;
    pipe_start(&pipe);
    await_commit();
    clock_set_offset(0);
    assert_int_equal(stored_checkpoint(&pipe), 1);
    pipe_stop(&pipe, false);
    pipe_start(&pipe);
    assert_stored(&pipe, 1, 1);
    pipe_clear(&pipe);
}

/* Its senders had nobody to send the rest to. */
static void a_trace_waits_in_full_after_a_restart(void **state)
{
    (void)state;
    struct pipe pipe;
    begin(&pipe, &by_root_in_20_s);
    send_one(&pipe, 1, 1, 0);
    pipe_stop(&pipe, false);
    clock_set_offset(50 * NS_PER_S);
    pipe_start(&pipe);
    send_one(&pipe, 1, 2, 1);
    struct drain_status status;
    do {
        drain_status(pipe.drain, &status);
    } while (status.spans < 2);
    pipe_stop(&pipe, false);
    clock_set_offset(0);
    assert_int_equal(stored_checkpoint(&pipe), 0);
    assert_int_equal(status.traces_settled, 0);
    pipe_start(&pipe);
    pipe_clear(&pipe);
}

/* ---- the checkpoint ---- */

/* shows: X5 */
static void the_checkpoint_stays_before_the_first_open_trace(void **state)
{
    (void)state;
    struct pipe pipe;
    begin(&pipe, &by_root_at_once);
    send_one(&pipe, 1, 1, 0); /* sequence 1 settles */
    await_commit();
    send_one(&pipe, 2, 2, 9); /* sequence 2 has no root: stays open */
    send_one(&pipe, 3, 1, 0); /* sequence 3 settles */
    await_commit();
    assert_int_equal(stored_checkpoint(&pipe), 1);
    pipe_stop(&pipe, true);
    assert_int_equal(stored_checkpoint(&pipe), 3);
    pipe_start(&pipe);
    assert_stored(&pipe, 3, 3);
    pipe_clear(&pipe);
}

static void a_restart_numbers_on_and_reads_nothing_twice(void **state)
{
    (void)state;
    struct pipe pipe;
    begin(&pipe, &by_root_at_once);
    for (uint64_t i = 1; i <= 5; i++) {
        send_one(&pipe, i, 1, 0);
        pipe_restart(&pipe, true);
        assert_int_equal(stored_checkpoint(&pipe), i);
        struct drain_status status;
        drain_status(pipe.drain, &status);
        assert_int_equal(status.checkpoint, i);
    }
    assert_int_equal(pipe.before.spans, 5);
    assert_int_equal(pipe.before.traces_late, 0);
    assert_stored(&pipe, 5, 5);
    pipe_clear(&pipe);
}

/* shows: X5 */
static void many_crashes_in_a_row_change_nothing(void **state)
{
    (void)state;
    struct pipe pipe;
    begin(&pipe, &by_command);
    for (uint64_t i = 1; i <= 8; i++) {
        send_one(&pipe, 1 + i % 2, i, i == 1 ? 0 : 1);
        pipe_restart(&pipe, false);
    }
    assert_int_equal(stored_checkpoint(&pipe), 0);
    pipe_restart(&pipe, true);
    assert_stored(&pipe, 2, 8);
    pipe_clear(&pipe);
}

/* ---- versions and duplicates ---- */

static void one_span_in_two_bodies_is_one_row(void **state)
{
    (void)state;
    struct pipe pipe;
    struct pipe_rows rows;
    begin(&pipe, &by_command);
    struct span_spec open = spec_of(1, 1, 0), closed = spec_of(1, 1, 0);
    open.name = "working";
    closed.name = "worked";
    closed.attrs = TEXT_ATTR("user.id", "u-1");
    pipe_send_span(&pipe, &open);
    pipe_send_span(&pipe, &closed);
    pipe_restart(&pipe, true);
    pipe_rows(&pipe, &rows);
    assert_int_equal(rows.span_count, 1);
    assert_true(str_equal_c(rows.spans[0].span.name, "worked"));
    assert_true(str_equal_c(rows.spans[0].span.user_id, "u-1"));
    assert_int_equal(rows.traces[0].span_count, 1);
    pipe_rows_clear(&rows);
    pipe_clear(&pipe);
}

static void a_later_version_of_a_stored_span_replaces_it(void **state)
{
    (void)state;
    struct pipe pipe;
    struct pipe_rows rows;
    begin(&pipe, &by_command);
    struct span_spec first = spec_of(1, 1, 0), second = spec_of(1, 1, 0);
    first.attrs = TEXT_ATTR("user.id", "u-1");
    second.name = "renamed";
    pipe_send_span(&pipe, &first);
    pipe_restart(&pipe, true);
    pipe_send_span(&pipe, &second);
    pipe_restart(&pipe, true);
    pipe_rows(&pipe, &rows);
    assert_int_equal(rows.span_count, 1);
    assert_int_equal(rows.trace_count, 1);
    assert_true(str_equal_c(rows.spans[0].span.name, "renamed"));
    assert_true(str_equal_c(rows.spans[0].span.user_id, "u-1"));
    assert_int_equal(pipe.before.traces_late, 1);
    pipe_rows_clear(&rows);
    pipe_clear(&pipe);
}

/* Stored traces are read back many at a time; one of them is larger than that allows.
 * shows: X5 */
static void many_late_spans_each_reach_their_own_trace(void **state)
{
    (void)state;
    enum { TRACES = 150, LARGE = 70, LARGE_SPANS = 4200 };
    struct pipe pipe;
    struct pipe_rows rows;
    begin(&pipe, &by_command);
    for (uint8_t i = 1; i <= TRACES; i++)
        send_one(&pipe, i, 1, 0);
    send_many(&pipe, LARGE, 1000, LARGE_SPANS);
    pipe_restart(&pipe, true);
    assert_stored(&pipe, TRACES, TRACES + LARGE_SPANS);
    for (uint8_t i = 1; i <= TRACES; i++)
        send_one(&pipe, i, 2, 1);
    pipe_restart(&pipe, true);
    assert_int_equal(pipe.before.traces_late, TRACES);
    assert_stored(&pipe, TRACES, 2 * TRACES + LARGE_SPANS);
    pipe_rows(&pipe, &rows);
    for (size_t i = 0; i < rows.trace_count; i++)
        assert_true(rows.traces[i].span_count == 2 || rows.traces[i].span_count == 2 + LARGE_SPANS);
    pipe_rows_clear(&rows);
    pipe_clear(&pipe);
}

/* ---- faults while stopping ---- */

static _Atomic(struct drain *) stop_this;

/* Fails once, at the moment when the process is told to end. */
static enum err commit_while_told_to_stop(struct store *store, const struct store_commit *commit,
                                          struct diag *reterr_why)
{
    struct drain *drain = atomic_exchange(&stop_this, NULL);
    if (!drain)
        return faulty_commit(store, commit, reterr_why);
    atomic_store(&drain->settle_all, true);
    atomic_store(&drain->stopping, true);
    sem_post(&committed);
    return diag_set(reterr_why, ERR_IO, "commit fails for a test");
}

/* The next commit would move the checkpoint past what the failed one held.
 * shows: X5 */
static void a_commit_given_up_at_the_end_is_followed_by_no_other(void **state)
{
    (void)state;
    struct pipe pipe;
    begin(&pipe, &by_root_at_once);
    pipe.ops.commit = commit_while_told_to_stop;
    atomic_store(&stop_this, pipe.drain);
    send_one(&pipe, 1, 2, 9); /* stays open, until it is settled by force */
    send_one(&pipe, 2, 1, 0);
    await_commit();
    pipe_stop(&pipe, true);
    assert_int_equal(stored_checkpoint(&pipe), 0);
    pipe_start(&pipe);
    pipe_restart(&pipe, true);
    assert_stored(&pipe, 2, 2);
    assert_int_equal(stored_checkpoint(&pipe), 2);
    pipe_clear(&pipe);
}

/* shows: X5 */
static void a_store_that_fails_to_the_end_neither_crashes_nor_loses(void **state)
{
    (void)state;
    struct pipe pipe;
    begin(&pipe, &by_root_at_once);
    atomic_store(&fail_knowns, 1000000);
    send_one(&pipe, 1, 1, 0);
    send_one(&pipe, 2, 2, 9);
    struct drain_status status = { 0 };
    while (status.store_errors == 0) {
        clock_sleep_ns(NS_PER_MS);
        drain_status(pipe.drain, &status);
    }
    pipe_stop(&pipe, true);
    assert_int_equal(stored_checkpoint(&pipe), 0);
    atomic_store(&fail_knowns, 0);
    pipe_start(&pipe);
    pipe_restart(&pipe, true);
    assert_stored(&pipe, 2, 2);
    pipe_clear(&pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drain_that_is_behind_stores_what_it_did_not_show),
        cmocka_unit_test(a_drain_that_is_behind_reads_only_what_no_digest_came_for),
        cmocka_unit_test(items_that_are_no_spans_are_no_lag),
        cmocka_unit_test(a_trace_that_lay_in_the_log_for_its_wait_settles_when_it_is_read),
        cmocka_unit_test(a_trace_waits_in_full_after_a_restart),
        cmocka_unit_test(the_checkpoint_stays_before_the_first_open_trace),
        cmocka_unit_test(a_restart_numbers_on_and_reads_nothing_twice),
        cmocka_unit_test(many_crashes_in_a_row_change_nothing),
        cmocka_unit_test(one_span_in_two_bodies_is_one_row),
        cmocka_unit_test(a_later_version_of_a_stored_span_replaces_it),
        cmocka_unit_test(many_late_spans_each_reach_their_own_trace),
        cmocka_unit_test(a_commit_given_up_at_the_end_is_followed_by_no_other),
        cmocka_unit_test(a_store_that_fails_to_the_end_neither_crashes_nor_loses),
    };
    return cmocka_run_group_tests(tests, shared_setup, shared_teardown);
}
