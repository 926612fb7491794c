/* test_receive.c -- one request on its way to the log: what is refused, counted and hashed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipe_fixture.h"

static struct pipe fixture;

static int setup(void **state)
{
    (void)state;
    pipe_init(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pipe_clear(&fixture);
    return 0;
}

/* A receiver of our own limits beside the fixture's. */
static struct receiver *receiver_with(size_t arena_bytes, uint32_t items_max)
{
    struct receive_config config = { .wal = fixture.wal,
                                     .keystore = shared.keystore,
                                     .prices = shared.prices,
                                     .redactor = shared.redactor,
                                     .policy = redact_policy_default,
                                     .limits = otlp_limits_default,
                                     .arena_bytes_max = arena_bytes,
                                     .attr_value_bytes_max = 1024 };
    config.limits.items_max = items_max;
    return receiver_new(&config);
}

static enum err take(struct receiver *receiver, str body, str project, bool *ret_in_flight,
                     struct diag *why)
{
    static struct receive_ticket ticket;
    struct receive_input input = {
        .source = &source_otlp_http,
        .body = { .signal = OTLP_TRACES, .encoding = OTLP_JSON, .bytes = body },
        .project = project,
    };
    ticket = (struct receive_ticket){ .done = pipe_acknowledged, .arg = &fixture };
    enum err err = receive_take(receiver, &input, &ticket, ret_in_flight, why);
    if (!err && *ret_in_flight) {
        while (sem_wait(&fixture.acknowledged) != 0)
            continue;
        err = ticket.entry.result;
    }
    return err;
}

static void spans_body(struct buf *body, uint64_t count, const char *attrs)
{
    body_begin(body);
    for (uint64_t i = 1; i <= count; i++) {
        struct span_spec spec = { .trace = 1, .span = i, .start_ns = PIPE_T0, .attrs = attrs };
        body_span(body, &spec);
    }
    body_end(body);
}

static void an_empty_request_is_answered_at_once(void **state)
{
    (void)state;
    static const char *const bodies[] = { "{}", "{\"resourceSpans\":[]}",
                                          "{\"resourceSpans\":[{\"scopeSpans\":[]}]}" };
    struct receive_stats stats;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        bool in_flight = true;
        assert_int_equal(
            take(fixture.receiver, str_from_c(bodies[i]), STR_OF("shop"), &in_flight, NULL),
            ERR_OK);
        assert_false(in_flight);
    }
    receive_stats(fixture.receiver, &stats);
    assert_int_equal(stats.requests, COUNT_OF(bodies));
    assert_int_equal(stats.spans_in, 0);
    assert_int_equal(stats.failed_requests, 0);
}

static void a_malformed_request_fails_whole_and_says_where(void **state)
{
    (void)state;
    static const char *const bodies[] = { "x", "{", "[]", "{\"resourceSpans\":5}" };
    struct receive_stats stats;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        bool in_flight = true;
        struct diag why = DIAG_NONE;
        enum err err =
            take(fixture.receiver, str_from_c(bodies[i]), STR_OF("shop"), &in_flight, &why);
        assert_int_equal(err, ERR_BAD_INPUT);
        assert_false(in_flight);
        assert_true(strlen(why.text) > 0);
    }
    receive_stats(fixture.receiver, &stats);
    assert_int_equal(stats.failed_requests, COUNT_OF(bodies));
    assert_int_equal(stats.spans_in, 0);
    assert_int_equal(stats.spans_out, 0);
}

/* shows: C7 */
static void items_are_taken_to_the_limit_and_one_past_it_is_refused(void **state)
{
    (void)state;
    struct buf body;
    struct receiver *receiver = receiver_with(64 * MIB, 5);
    struct diag why = DIAG_NONE;
    bool in_flight = false;
    buf_init(&body, MIB);
    spans_body(&body, 5, NULL);
    assert_int_equal(take(receiver, buf_str(&body), STR_OF("shop"), &in_flight, &why), ERR_OK);
    assert_true(in_flight);
    spans_body(&body, 6, NULL);
    enum err err = take(receiver, buf_str(&body), STR_OF("shop"), &in_flight, &why);
    struct receive_stats stats;
    receive_stats(receiver, &stats);
    if (err) { /* whole, and then not a part of it is stored */
        assert_false(err_is_retryable(err));
        assert_int_equal(stats.spans_out, 5);
    } else {
        assert_int_equal(stats.rejected, 1);
    }
    assert_int_equal(stats.spans_in, stats.spans_out + stats.rejected);
    buf_clear(&body);
    receiver_free(receiver);
}

static void a_request_past_its_memory_is_refused_and_the_next_is_not(void **state)
{
    (void)state;
    struct buf body;
    struct receiver *receiver = receiver_with(256 * KIB, 100000);
    struct diag why = DIAG_NONE;
    bool in_flight = true;
    buf_init(&body, 4 * MIB);
    spans_body(&body, 2000, CHAT_ATTRS);
    enum err err = take(receiver, buf_str(&body), STR_OF("shop"), &in_flight, &why);
    assert_int_equal(err_http_status(err), 413);
    assert_false(err_is_retryable(err)); /* it would never fit */
    assert_false(in_flight);
    spans_body(&body, 3, CHAT_ATTRS);
    assert_int_equal(take(receiver, buf_str(&body), STR_OF("shop"), &in_flight, &why), ERR_OK);
    assert_true(in_flight);
    struct receive_stats stats;
    receive_stats(receiver, &stats);
    assert_int_equal(stats.failed_requests, 1);
    assert_int_equal(stats.spans_out, 3);
    buf_clear(&body);
    receiver_free(receiver);
}

/* ---- keyed hashes ---- */

#define ASKED                                                                                      \
    "[{\\\"role\\\":\\\"user\\\",\\\"parts\\\":[{\\\"type\\\":\\\"text\\\",\\\"content\\\":"       \
    "\\\"the same question\\\"}]}]"

/* The prompt hash of what project `number` sent as its span `span`. */
static str prompt_hash(struct arena *arena, uint32_t number, uint64_t span)
{
    struct store_span *spans;
    size_t count = 0;
    struct diag why = DIAG_NONE;
    char project[16];
    snprintf(project, sizeof project, "p%u", number);
    struct store_list list = { .scope = { .project = str_from_c(project),
                                          .range = { INT64_MIN / 2, INT64_MAX / 2 } },
                               .limit = 100 };
    ASSERT_OK(fixture.ops.spans(fixture.store, &list, arena, &spans, &count, &why), why);
    for (size_t i = 0; i < count; i++)
        if (spans[i].span.span_id.bytes[7] == span)
            return SPAN_KNOWS(&spans[i].span, prompt_hash) ? spans[i].span.prompt_hash : STR_NONE;
    return STR_NONE;
}

static void send_prompt(uint32_t number, uint64_t span)
{
    struct buf body;
    bool in_flight = false;
    char project[16];
    snprintf(project, sizeof project, "p%u", number);
    buf_init(&body, MIB);
    struct span_spec spec = { .trace = 1, .span = span, .start_ns = PIPE_T0, .len_ns = NS_PER_MS };
    spec.attrs = CHAT_ATTRS "," TEXT_ATTR("gen_ai.input.messages", ASKED);
    body_begin(&body);
    body_span(&body, &spec);
    body_end(&body);
    assert_int_equal(take(fixture.receiver, buf_str(&body), str_from_c(project), &in_flight, NULL),
                     ERR_OK);
    buf_clear(&body);
}

/* A worker keeps the keys of 64 projects and starts over with the next.
 * shows: A28 */
static void equal_prompts_have_equal_hashes_in_a_project_and_others_elsewhere(void **state)
{
    (void)state;
    enum { PROJECTS = 64 + 2 };
    struct arena arena;
    arena_init(&arena, 64 * MIB);
    for (uint32_t i = 0; i < PROJECTS; i++)
        send_prompt(i, 1);
    for (uint32_t i = 0; i < PROJECTS; i += 13)
        send_prompt(i, 2);
    pipe_restart(&fixture, true);
    str first = prompt_hash(&arena, 0, 1);
    assert_true(str_starts(first, STR_OF("hmac-sha256:")));
    for (uint32_t i = 0; i < PROJECTS; i++) {
        str hash = prompt_hash(&arena, i, 1);
        assert_int_equal(hash.len, first.len);
        assert_int_equal(str_equal(hash, first), i == 0);
        if (i % 13 == 0)
            assert_true(str_equal(hash, prompt_hash(&arena, i, 2)));
    }
    arena_clear(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_request_is_answered_at_once),
        TEST(a_malformed_request_fails_whole_and_says_where),
        TEST(items_are_taken_to_the_limit_and_one_past_it_is_refused),
        TEST(a_request_past_its_memory_is_refused_and_the_next_is_not),
        TEST(equal_prompts_have_equal_hashes_in_a_project_and_others_elsewhere),
    };
    return cmocka_run_group_tests(tests, shared_setup, shared_teardown);
}
