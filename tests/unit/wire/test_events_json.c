/* test_events_json.c -- each flat form as what it becomes, and each way to be none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/event_form.h"
#include "wire/events_json.h"
#include "wire/json.h"
#include "wire/tree.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define NOW_NS (INT64_C(1780000000) * NS_PER_S)
#define FEEDBACK                                                                                   \
    "{\"event\":\"llm.user_feedback\",\"trace_id\":\"" TRACE                                       \
    "\",\"rating\":\"down\",\"comment\":\"wrong\",\"ts\":1780000000.5}"
#define CALL                                                                                       \
    "{\"trace_id\":\"t-1\",\"user_id\":\"u\",\"model\":\"m\",\"prompt_template_id\":\"p\","        \
    "\"latency_ms\":250,\"tokens_in\":3,\"tokens_out\":4,\"cost_estimate\":0.5}"

static struct arena arena;
static struct raw_batch batch;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static enum err read_body(const char *text, bool is_lines, const struct otlp_limits *limits)
{
    struct events_body body = { .bytes = str_from_c(text),
                                .is_lines = is_lines,
                                .limits = limits ? limits : &otlp_limits_default,
                                .now_ns = NOW_NS };
    return events_json_decode(&arena, &body, &batch, NULL);
}

static enum err decoded(const char *text)
{
    return read_body(text, false, NULL);
}

static bool reply_has(const char *text)
{
    for (size_t i = 0; i + strlen(text) <= batch.reply.len; i++)
        if (memcmp(batch.reply.ptr + i, text, strlen(text)) == 0)
            return true;
    return false;
}

static bool has_text(const struct raw_span *span, const char *key, const char *text)
{
    const struct attr *attr = attr_find(span->attrs, span->attr_count, str_from_c(key));
    return attr && attr->value.type == VALUE_STR && str_equal_c(attr->value.text, text);
}

static void feedback_is_a_score_of_the_user(void **state)
{
    (void)state;
    assert_int_equal(decoded(FEEDBACK), ERR_OK);
    assert_int_equal(batch.score_count, 1);
    const struct score *score = &batch.scores[0].score;
    assert_true(str_equal_c(score->name, EVENT_FEEDBACK_NAME));
    assert_true(str_equal_c(score->label, "down") && score->has_value && score->value == 0);
    assert_true(str_equal_c(score->comment, "wrong") && score->source == SCORE_BY_USER);
    assert_true(score->has_trace_id && score->time_ns == NOW_NS + NS_PER_S / 2);
    assert_int_equal(batch.reply_status, 200);
    assert_true(reply_has("{\"accepted\":1,\"rejected\":0}"));
}

static void a_call_is_a_span_that_ended_when_it_was_told(void **state)
{
    (void)state;
    assert_int_equal(decoded(CALL), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    const struct raw_span *span = &batch.spans[0];
    assert_true(span->end_ns == (uint64_t)NOW_NS);
    assert_true(span->end_ns - span->start_ns == 250 * (uint64_t)NS_PER_MS);
    assert_true(has_text(span, "model", "m") && has_text(span, "event.trace_id", "t-1"));
    assert_true(str_equal_c(span->name, EVENT_CALL_NAME));
}

static void any_text_names_a_trace_and_the_same_text_the_same(void **state)
{
    (void)state;
    assert_int_equal(decoded("[" CALL ",{\"trace_id\":\"t-1\",\"rating\":\"up\"}]"), ERR_OK);
    assert_memory_equal(&batch.spans[0].trace_id, &batch.scores[0].score.trace_id, 16);
}

static void the_same_object_is_the_same_span_and_an_id_makes_another_the_same(void **state)
{
    (void)state;
    assert_int_equal(decoded("[" CALL "," CALL "]"), ERR_OK);
    assert_memory_equal(&batch.spans[0].span_id, &batch.spans[1].span_id, 8);
    assert_int_equal(decoded("[{\"id\":\"a\",\"model\":\"m\",\"tokens_in\":1,\"trace_id\":\"t\"},"
                             "{\"id\":\"a\",\"model\":\"m\",\"tokens_in\":2,\"trace_id\":\"t\"},"
                             "{\"model\":\"m\",\"tokens_in\":2,\"trace_id\":\"t\"}]"),
                     ERR_OK);
    assert_memory_equal(&batch.spans[0].span_id, &batch.spans[1].span_id, 8);
    assert_memory_not_equal(&batch.spans[0].span_id, &batch.spans[2].span_id, 8);
}

/* The call of A89 names no trace: it is one of its own. */
static void a_call_without_a_trace_has_one_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(decoded("{\"timestamp\":\"2026-11-21T10:00:00Z\",\"user_id\":\"u\","
                             "\"prompt_length\":7,\"model\":\"m\",\"tokens_in\":1,\"tokens_out\":2,"
                             "\"response_time_ms\":10,\"error\":\"timeout\"}"),
                     ERR_OK);
    assert_false(id16_is_zero(batch.spans[0].trace_id));
    assert_int_equal(batch.spans[0].status_code, 2);
    assert_true(str_equal_c(batch.spans[0].status_message, "timeout"));
}

static void an_evaluation_is_a_score_for_each_figure_and_flag(void **state)
{
    (void)state;
    assert_int_equal(decoded("{\"request_id\":\"r\",\"trace_id\":\"t\",\"tenant_id\":\"acme\","
                             "\"model\":\"m\",\"faithfulness\":0.8,\"answer_relevance\":1,"
                             "\"context_recall\":0,\"toxicity_flag\":false,"
                             "\"hallucination_flag\":true,\"judge_model\":\"j\","
                             "\"sample_type\":\"production_sample\"}"),
                     ERR_OK);
    assert_int_equal(batch.score_count, 5);
    assert_true(batch.scores[4].score.type == SCORE_BOOL && batch.scores[4].score.value == 1);
    assert_true(str_equal_c(batch.scores[0].score.judge_model, "j"));
    assert_true(str_equal_c(batch.scores[0].score.tenant_id, "acme"));
    assert_true(batch.scores[0].score.source == SCORE_BY_JUDGE);
}

static void two_deploys_are_two_and_the_same_again_is_one(void **state)
{
    (void)state;
    assert_int_equal(
        decoded("[{\"event\":\"deploy\",\"service\":\"s\",\"version\":\"1\",\"ts\":1780000000},"
                "{\"event\":\"deploy\",\"service\":\"s\",\"version\":\"1\",\"ts\":1780000009},"
                "{\"event\":\"deploy\",\"service\":\"s\",\"version\":\"1\",\"ts\":1780000000}]"),
        ERR_OK);
    assert_int_equal(batch.score_count, 3);
    assert_true(batch.scores[0].score.source == SCORE_IS_DEPLOY);
    assert_true(str_equal_c(batch.scores[0].score.label, "1"));
    assert_false(str_equal(batch.scores[0].sender_id, batch.scores[1].sender_id));
    assert_true(str_equal(batch.scores[0].sender_id, batch.scores[2].sender_id));
}

/* shows: C2 */
static void a_malformed_one_is_refused_by_its_field_and_its_neighbours_stay(void **state)
{
    static const struct {
        const char *event, *field;
    } rows[] = {
        { "5", "null" },
        { "{}", "\"event\"" },
        { "{\"event\":\"other\"}", "\"event\"" },
        { "{\"trace_id\":\"t\",\"rating\":\"sideways\"}", "\"rating\"" },
        { "{\"rating\":\"up\"}", "\"trace_id\"" },
        { "{\"trace_id\":\"t\",\"rating\":\"up\",\"ts\":\"yesterday\"}", "\"ts\"" },
        { "{\"trace_id\":\"t\",\"rating\":\"up\",\"comment\":[]}", "\"comment\"" },
        { "{\"trace_id\":\"t\",\"name\":\"n\",\"value\":[]}", "\"value\"" },
        { "{\"trace_id\":\"t\",\"faithfulness\":1.5}", "\"faithfulness\"" },
        { "{\"trace_id\":\"t\",\"hallucination_flag\":\"maybe\"}", "\"hallucination_flag\"" },
        { "{\"trace_id\":\"t\",\"model\":\"m\",\"tokens_in\":-1}", "\"tokens_in\"" },
        { "{\"trace_id\":\"t\",\"model\":\"m\",\"tokens_in\":1.5}", "\"tokens_in\"" },
        { "{\"trace_id\":\"t\",\"model\":[],\"tokens_in\":1}", "\"model\"" },
        { "{\"trace_id\":\"t\",\"model\":\"m\",\"latency_ms\":\"slow\"}", "\"latency_ms\"" },
        { "{\"generator_model\":\"m\",\"input_tokens\":1}", "\"trace_id\"" },
        { "{\"trace_id\":\"t\",\"generator_model\":\"m\",\"input_tokens\":1,\"source_ids\":[5]}",
          "\"source_ids\"" },
        { "{\"event\":\"deploy\",\"service\":\"s\"}", "\"version\"" },
        { "{\"event\":\"deploy\",\"version\":\"s\"}", "\"service\"" },
        { "{\"event\":\"llm.outcome\",\"trace_id\":\"t\"}", "\"outcome\"" },
        { "{\"event\":\"llm.evaluation\",\"trace_id\":\"t\"}", "\"faithfulness\"" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        str text = arena_printf(&arena, "[" FEEDBACK ",%s," CALL "]", rows[i].event);
        assert_int_equal(decoded(text.ptr), ERR_OK);
        assert_int_equal(batch.score_count + batch.span_count, 2);
        assert_int_equal(batch.rejected_count, 1);
        str told = arena_printf(&arena, "\"errors\":[{\"index\":1,\"field\":%s,", rows[i].field);
        assert_true(reply_has(told.ptr));
        assert_int_equal(decoded(rows[i].event), ERR_OK);
        assert_int_equal(batch.reply_status, 400);
        assert_true(reply_has("\"error\":{\"code\":"));
    }
}

static void lines_are_read_with_and_without_their_media_type(void **state)
{
    (void)state;
    assert_int_equal(read_body(FEEDBACK "\n\n" CALL "\n", true, NULL), ERR_OK);
    assert_int_equal(batch.score_count + batch.span_count, 2);
    assert_int_equal(decoded(FEEDBACK "\n" CALL), ERR_OK);
    assert_int_equal(batch.score_count + batch.span_count, 2);
    assert_int_equal(decoded(FEEDBACK "\n{\"rating\"\n" CALL), ERR_OK);
    assert_int_equal(batch.score_count + batch.span_count, 2);
    assert_true(reply_has("{\"index\":1,\"field\":null,\"message\":\"it is not JSON\"}"));
    assert_int_equal(decoded("{\"rating\":\n\"up\"\n"), ERR_BAD_INPUT);
    assert_int_equal(decoded("{\"events\":[" CALL "]}"), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(decoded(""), ERR_BAD_INPUT);
    assert_int_equal(decoded("[]"), ERR_OK);
    assert_int_equal(batch.reply_status, 200);
}

static void limits_hold_at_and_one_past(void **state)
{
    (void)state;
    struct otlp_limits limits = otlp_limits_default;
    limits.items_max = 2;
    assert_int_equal(read_body("[" CALL "," CALL "]", false, &limits), ERR_OK);
    assert_int_equal(read_body("[" CALL "," CALL "," CALL "]", false, &limits), ERR_LIMIT);
    assert_int_equal(read_body(CALL "\n" CALL, true, &limits), ERR_OK);
    assert_int_equal(read_body(CALL "\n" CALL "\n" CALL, true, &limits), ERR_LIMIT);
    limits.attrs_max = 9; /* seven of its members, the operation, the name of the trace */
    assert_int_equal(read_body(CALL, false, &limits), ERR_OK);
    assert_int_equal(batch.spans[0].dropped_attr_count, 0);
    limits.attrs_max = 8;
    assert_int_equal(read_body(CALL, false, &limits), ERR_OK);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
}

static void a_spent_budget_is_a_limit_at_any_point(void **state)
{
    (void)state;
    size_t budget = 64;
    enum err err;
    do {
        arena_clear(&arena);
        arena_init(&arena, budget);
        err = decoded("[" CALL "," FEEDBACK ",{\"trace_id\":\"t\",\"faithfulness\":1},"
                      "{\"trace_id\":\"t\",\"name\":\"n\",\"value\":1},"
                      "{\"event\":\"deploy\",\"service\":\"s\",\"version\":\"1\"}]");
        assert_true(err == ERR_OK || err == ERR_LIMIT);
        budget += 64;
    } while (err);
    assert_int_equal(batch.score_count, 4);
}

/* A table that is not sorted would lose a form. */
static void each_form_is_told_by_each_of_its_members(void **state)
{
    static const struct {
        const char *with, *names;
        enum event_kind kind;
    } rows[] = {
        { "model",
          "tokens_in tokens_out cost_estimate input_tokens output_tokens estimated_cost_usd "
          "prompt_tokens completion_tokens latency_ms response_time_ms",
          EVENT_CALL },
        { "latency_ms", "generator_model index_version top_k_returned eval_sampled safety_blocked",
          EVENT_TRACE },
        { "trace_id",
          "faithfulness groundedness answer_relevance relevance context_recall context_precision "
          "toxicity accuracy toxicity_flag hallucination_flag policy_violation_flag",
          EVENT_EVALUATION },
        { "prompt_version",
          "system_prompt_hash tool_manifest_version retrieval_pipeline_version "
          "embedding_model_version reranker_model_version generator_model judge_model",
          EVENT_VERSIONS },
        { "name", "value score label", EVENT_SCORE },
        { "trace_id", "rating", EVENT_FEEDBACK },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        str rest = str_from_c(rows[i].names), name;
        while (str_next(&rest, ' ', &name)) {
            struct attr attrs[] = { { name, value_i64(1) },
                                    { str_from_c(rows[i].with), value_i64(1) } };
            struct value object = { .type = VALUE_MAP, .count = 2, .attrs = attrs };
            assert_int_equal(event_kind_of(&object), rows[i].kind);
            attrs[0].value.type = VALUE_NULL;
            assert_int_equal(event_kind_of(&object), EVENT_NONE);
        }
    }
}

/* ---- log records ---- */

static void log_of(const char *body, struct attr *attrs, uint32_t count)
{
    static struct raw_resource resource;
    static struct raw_scope scope = { .resource = &resource };
    static struct raw_log log;
    log = (struct raw_log){ .scope = &scope,
                            .body = value_str(str_from_c(body)),
                            .attrs = attrs,
                            .attr_count = count,
                            .time_ns = (uint64_t)NOW_NS };
    batch = (struct raw_batch){ .logs = &log, .log_count = 1 };
    assert_int_equal(events_of_logs(&arena, &otlp_limits_default, 1, &batch, NULL), ERR_OK);
    assert_int_equal(batch.log_count, 1);
}

static void a_log_record_holds_a_form_in_its_body_or_in_its_attributes(void **state)
{
    struct attr attrs[] = { { STR("rating"), value_str(STR_OF("up")) },
                            { STR("trace_id"), value_str(STR_OF("t")) } };
    struct attr named[] = { { STR("event.name"), value_str(STR_OF("deploy")) },
                            { STR("service"), value_str(STR_OF("s")) },
                            { STR("version"), value_str(STR_OF("1")) } };
    (void)state;
    log_of(CALL, NULL, 0);
    assert_int_equal(batch.span_count, 1);
    assert_true(batch.spans[0].end_ns == (uint64_t)NOW_NS);
    log_of("rated", attrs, 2);
    assert_int_equal(batch.score_count, 1);
    log_of("", named, 3);
    assert_int_equal(batch.score_count, 1);
    assert_true(batch.scores[0].score.source == SCORE_IS_DEPLOY);
}

static void other_log_records_are_none(void **state)
{
    struct attr rating[] = { { STR("rating"), value_i64(4) }, { STR("film"), value_i64(1) } };
    struct attr agent[] = { { STR("event.name"), value_str(STR_OF("api_request")) },
                            { STR("model"), value_str(STR_OF("m")) },
                            { STR("input_tokens"), value_i64(1) } };
    (void)state;
    log_of("a film was rated", rating, 2);
    assert_int_equal(batch.score_count + batch.span_count, 0);
    log_of("", agent, 3);
    assert_int_equal(batch.score_count + batch.span_count, 0);
    log_of("{not json}", NULL, 0);
    assert_int_equal(batch.score_count + batch.span_count, 0);
    log_of("{\"trace_id\":\"t\",\"rating\":\"sideways\"}", NULL, 0);
    assert_int_equal(batch.score_count + batch.span_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(feedback_is_a_score_of_the_user),
        TEST(a_call_is_a_span_that_ended_when_it_was_told),
        TEST(any_text_names_a_trace_and_the_same_text_the_same),
        TEST(the_same_object_is_the_same_span_and_an_id_makes_another_the_same),
        TEST(a_call_without_a_trace_has_one_of_its_own),
        TEST(an_evaluation_is_a_score_for_each_figure_and_flag),
        TEST(two_deploys_are_two_and_the_same_again_is_one),
        TEST(a_malformed_one_is_refused_by_its_field_and_its_neighbours_stay),
        TEST(each_form_is_told_by_each_of_its_members),
        TEST(lines_are_read_with_and_without_their_media_type),
        TEST(limits_hold_at_and_one_past),
        TEST(a_spent_budget_is_a_limit_at_any_point),
        TEST(a_log_record_holds_a_form_in_its_body_or_in_its_attributes),
        TEST(other_log_records_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
