/* test_instrumentation.c -- stages of maturity, and the report made of what a store found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "query/instrumentation.h"
#include "query/maturity.h"
#include "wire/json.h"

static struct arena arena;
static struct diag why;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 * MIB);
    why = DIAG_NONE;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* An application that has reached the last stage. */
static struct maturity_evidence closed(void)
{
    return (struct maturity_evidence){ .call_count = 100,
                                       .model_version = 100,
                                       .tokens = 100,
                                       .latency = 100,
                                       .attributed = 100,
                                       .automated = 1,
                                       .feedback = 1,
                                       .has_compared = true };
}

static void stage_is(struct maturity_evidence evidence, int stage, const char *first_need)
{
    struct maturity maturity;
    maturity_of(&evidence, &maturity);
    assert_int_equal(maturity.stage, stage);
    assert_int_equal(maturity.need_count > 0, first_need != NULL);
    if (first_need)
        assert_string_equal(maturity.needs[0].what, first_need);
}

/* shows: B15 */
static void a_stage_needs_all_of_its_own_and_of_those_before(void **state)
{
    (void)state;
    struct maturity_evidence none = { .log_count = 5 };
    stage_is(none, MATURITY_BLIND, "model_calls");
    none.log_count = 0;
    stage_is(none, MATURITY_UNKNOWN, "model_calls");
    stage_is(closed(), MATURITY_CLOSED_LOOP, NULL);
    struct maturity_evidence lacks = closed();
    lacks.tokens = 0;
    stage_is(lacks, MATURITY_BLIND, "tokens");
    lacks = closed();
    lacks.automated = 0;
    stage_is(lacks, MATURITY_TRACED, "automated_evals");
    lacks = closed();
    lacks.attributed = 0;
    stage_is(lacks, MATURITY_TRACED, "prompt_version_or_release");
    lacks = closed();
    lacks.feedback = 0;
    stage_is(lacks, MATURITY_MEASURED, "feedback");
    lacks = closed();
    lacks.has_compared = false;
    stage_is(lacks, MATURITY_MEASURED, "versions_compared");
}

static void nine_of_ten_calls_are_enough_and_fewer_are_not(void **state)
{
    (void)state;
    uint64_t *counts[4];
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct maturity_evidence evidence = closed();
        counts[0] = &evidence.model_version;
        counts[1] = &evidence.tokens;
        counts[2] = &evidence.latency;
        counts[3] = &evidence.attributed;
        struct maturity maturity;
        *counts[i] = 90;
        maturity_of(&evidence, &maturity);
        assert_int_equal(maturity.stage, MATURITY_CLOSED_LOOP);
        *counts[i] = 89;
        maturity_of(&evidence, &maturity);
        assert_true(maturity.stage < MATURITY_CLOSED_LOOP);
        assert_int_equal(maturity.need_count, 1);
        assert_true(maturity.needs[0].share > 0.88 && maturity.needs[0].share < MATURITY_SHARE);
    }
}

static struct instrumentation_ask asked(const char *name, const char *value)
{
    struct instrumentation_ask ask;
    struct query_param param = { str_from_c(name), str_from_c(value) };
    assert_int_equal(
        query_plan_instrumentation(&arena, &param, 1, INT64_C(1795258800) * NS_PER_S, &ask, &why),
        ERR_OK);
    return ask;
}

static struct value report_of(const struct instrumentation_ask *ask,
                              const struct instrumentation_found *found)
{
    struct buf out;
    struct json json;
    struct value value;
    buf_init(&out, MIB);
    assert_int_equal(query_instrumentation_json(&out, &arena, ask, found, &why), ERR_OK);
    str text = arena_str(&arena, buf_str(&out));
    buf_clear(&out);
    json_init(&json, &arena, text, JSON_DEPTH_MAX);
    assert_true(json_value(&json, json_next(&json), &value));
    return value;
}

static const struct value *member(const struct value *map, const char *key)
{
    const struct attr *found = attr_find(map->attrs, map->count, str_from_c(key));
    assert_non_null(found);
    return &found->value;
}

static void every_share_is_a_filter_that_parses(void **state)
{
    (void)state;
    struct instrumentation_ask ask = asked("limit", "7");
    assert_int_equal(ask.limit, 7);
    assert_int_equal(ask.calls.condition_count, SHARE_COUNT);
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        const struct store_condition *condition = &ask.calls.conditions[i];
        assert_true(condition->filter || condition->score_sources);
        assert_true(share_table[i].how[0]);
    }
}

/* shows: B14 */
static void groups_add_up_by_service_and_their_gaps_by_span(void **state)
{
    (void)state;
    struct store_share_group calls[3] = {
        { .by = { STR("shop"), STR("chat") }, .count = 6, .last_ns = 1 },
        { .by = { STR("shop"), STR("chat"), STR_NONE, STR("2") }, .count = 2, .last_ns = 2 },
        { .by = { STR_NONE, STR("sum") }, .count = 1, .last_ns = 3 },
    };
    for (size_t i = 0; i < 3; i++)
        for (size_t s = 0; s < SHARE_COUNT; s++)
            calls[i].holds[s] = calls[i].count;
    calls[0].holds[SHARE_tokens] = 5;
    calls[1].holds[SHARE_tokens] = 0;
    calls[0].lacks[SHARE_tokens].bytes[0] = 0x0a;
    calls[1].lacks[SHARE_tokens].bytes[0] = 0x0b; /* of the newer group */
    struct instrumentation_ask ask = asked("from", "now-1h");
    struct instrumentation_found found = { .calls = calls, .call_groups = 3 };
    struct value report = report_of(&ask, &found);
    assert_int_equal(member(&report, "model_calls")->i64, 9);
    const struct value *services = member(&report, "services"), *gaps = member(&report, "gaps");
    assert_int_equal(services->count, 2);
    assert_true(str_equal_c(member(&services->items[0], "service")->text, "shop"));
    assert_int_equal(member(&services->items[1], "service")->type, VALUE_NULL);
    const struct value *tokens = member(member(&services->items[0], "shares"), "tokens");
    assert_int_equal(member(tokens, "count")->i64, 5);
    assert_true(member(tokens, "share")->f64 > 0.62 && member(tokens, "share")->f64 < 0.63);
    assert_int_equal(gaps->count, 1);
    assert_int_equal(member(gaps->items, "missing")->i64, 3);
    assert_true(str_equal_c(member(gaps->items, "exemplar_trace_id")->text,
                            "0b000000000000000000000000000000"));
    assert_false(member(&report, "truncated")->boolean);
}

static void nothing_found_is_a_report_of_unknowns(void **state)
{
    (void)state;
    struct instrumentation_ask ask = asked("to", "now");
    struct instrumentation_found found = { .has_unmapped = false };
    struct value report = report_of(&ask, &found);
    assert_int_equal(member(&report, "services")->count, 0);
    assert_int_equal(member(&report, "unmapped")->type, VALUE_NULL);
    assert_int_equal(member(member(member(&report, "shares"), "tokens"), "share")->type,
                     VALUE_NULL);
}

static void a_question_with_what_it_does_not_know_is_refused(void **state)
{
    (void)state;
    struct instrumentation_ask ask;
    static const struct query_param params[] = { { STR("limit"), STR("0") },
                                                 { STR("limit"), STR("1001") },
                                                 { STR("q"), STR("x") },
                                                 { STR("from"), STR("later") } };
    for (size_t i = 0; i < COUNT_OF(params); i++)
        assert_int_equal(query_plan_instrumentation(&arena, &params[i], 1, 0, &ask, &why),
                         ERR_BAD_INPUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stage_needs_all_of_its_own_and_of_those_before),
        TEST(nine_of_ten_calls_are_enough_and_fewer_are_not),
        TEST(every_share_is_a_filter_that_parses),
        TEST(groups_add_up_by_service_and_their_gaps_by_span),
        TEST(nothing_found_is_a_report_of_unknowns),
        TEST(a_question_with_what_it_does_not_know_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
