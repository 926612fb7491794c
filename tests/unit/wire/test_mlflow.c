/* test_mlflow.c -- what MLflow says of traces, and its assessments, as additions and scores.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "wire/mlflow.h"

#define INFO                                                                                       \
    "{\"trace\":{\"trace_info\":{\"trace_id\":\"tr-4bf92f3577b34da6a3ce929d0e0e4736\","            \
    "\"trace_metadata\":{\"mlflow.trace.session\":\"s\"},\"tags\":{\"team\":\"blue\"},"            \
    "\"assessments\":[{\"assessment_name\":\"a\",\"feedback\":{\"value\":1}}]}}}"
#define FEEDBACK "{\"assessment\":{\"assessment_name\":\"a\",\"feedback\":{\"value\":1}}}"

static enum err decoded(enum mlflow_call call, const char *id, const char *text)
{
    struct mlflow_body body = { .call = call,
                                .trace_id = STR_OF("tr-1"),
                                .assessment_id = id ? str_from_c(id) : STR_NONE,
                                .bytes = str_from_c(text),
                                .limits = &limits };
    why = DIAG_NONE;
    return mlflow_decode(&arena, &body, &batch, &why);
}

static void trace_info_is_an_addition_to_the_root(void **state)
{
    (void)state;
    const struct id8 root = id8_of_root();
    assert_int_equal(decoded(MLFLOW_TRACE, NULL, INFO), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.score_count, 1);
    const struct raw_span *span = &batch.spans[0];
    assert_true(span->is_addition && span->start_ns == 0 && span->trace_id.bytes[0] == 0x4b);
    assert_memory_equal(&span->span_id, &root, sizeof root);
    assert_true(attr_find(span->attrs, span->attr_count, STR_OF("mlflow.trace.session")));
    assert_true(attr_find(span->attrs, span->attr_count, STR_OF("mlflow.trace.tag.team")));
    size_t at = str_find(batch.reply, STR_OF("\"mlflow.trace.spansLocation\":\"TRACKING_STORE\""));
    assert_true(at < batch.reply.len);
}

static void a_trace_id_that_is_its_prefix_alone_is_still_an_id(void **state)
{
    (void)state;
    static const char text[] = "{\"trace\":{\"trace_info\":{\"trace_id\":\"tr-\"}}}";
    assert_int_equal(decoded(MLFLOW_TRACE, NULL, text), ERR_OK);
    assert_false(id16_is_zero(batch.spans[0].trace_id));
}

static void the_same_assessment_has_the_same_id_and_another_one_another(void **state)
{
    (void)state;
    assert_int_equal(decoded(MLFLOW_ASSESSMENT, NULL, FEEDBACK), ERR_OK);
    str first = arena_str(&arena, batch.scores[0].sender_id);
    assert_int_equal(decoded(MLFLOW_ASSESSMENT, NULL, FEEDBACK), ERR_OK);
    assert_true(str_equal(first, batch.scores[0].sender_id));
    assert_int_equal(decoded(MLFLOW_ASSESSMENT, NULL,
                             "{\"assessment\":{\"assessment_name\":\"a\",\"source\":{"
                             "\"source_type\":\"HUMAN\"},\"feedback\":{\"value\":1}}}"),
                     ERR_OK);
    str human = batch.scores[0].sender_id;
    assert_false(str_equal(first, human));
    assert_int_equal(human.len, 34);
    str id = arena_printf(&arena, "%.*s", STR_ARG(human));
    assert_int_equal(decoded(MLFLOW_ASSESSMENT_CHANGED, id.ptr, FEEDBACK), ERR_OK);
    assert_int_equal(batch.scores[0].score.source, SCORE_BY_HUMAN); /* the id tells who */
}

/* shows: C7 */
static void limits_hold_at_and_one_past(void **state)
{
    (void)state;
    limits.items_max = 2; /* the trace and one assessment */
    assert_int_equal(decoded(MLFLOW_TRACE, NULL, INFO), ERR_OK);
    limits.items_max = 1;
    assert_int_equal(decoded(MLFLOW_TRACE, NULL, INFO), ERR_LIMIT);
    limits = otlp_limits_default;
    limits.attrs_max = 2;
    assert_int_equal(decoded(MLFLOW_TRACE, NULL, INFO), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 2);
    limits.attrs_max = 1;
    assert_int_equal(decoded(MLFLOW_TRACE, NULL, INFO), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 1);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
}

static void a_spent_budget_is_a_limit_at_any_point(void **state)
{
    (void)state;
    ASSERT_SPENT_BUDGET_IS_A_LIMIT(decoded(MLFLOW_TRACE, NULL, INFO));
    assert_int_equal(batch.span_count, 1);
}

static void an_experiment_is_found_by_the_id_made_of_its_name(void **state)
{
    (void)state;
    static const char *const names[] = { "shop", "a b", "50%", "Default", "\xc3\xa4" };
    static const char *const ids[] = { "shop", "a%20b", "50%25", "0", "%C3%A4" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buf by_name, by_id;
        buf_init(&by_name, KIB);
        buf_init(&by_id, KIB);
        mlflow_experiment_json(&by_name, str_from_c(names[i]), STR_NONE);
        mlflow_experiment_json(&by_id, STR_NONE, str_from_c(ids[i]));
        assert_true(str_equal(buf_str(&by_name), buf_str(&by_id)));
        buf_clear(&by_name);
        buf_clear(&by_id);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(trace_info_is_an_addition_to_the_root),
        TEST(a_trace_id_that_is_its_prefix_alone_is_still_an_id),
        TEST(the_same_assessment_has_the_same_id_and_another_one_another),
        TEST(limits_hold_at_and_one_past),
        TEST(a_spent_budget_is_a_limit_at_any_point),
        TEST(an_experiment_is_found_by_the_id_made_of_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
