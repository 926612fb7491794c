/* test_meter.c -- what is counted, under which labels, and within which limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "pipeline/meter.h"

static struct arena arena;
static struct meter *meter;
static struct buf text;

static void meter_begin(uint32_t values_max, uint32_t sets_max)
{
    const struct meter_config config = { values_max, sets_max, NS_PER_S };
    meter_free(meter);
    meter = meter_new(&config);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 * MIB);
    buf_init(&text, 16 * MIB);
    meter_begin(100, 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    buf_clear(&text);
    meter_free(meter);
    meter = NULL;
    return 0;
}

static struct trace_row trace_of(const char *project, const char *tenant, uint8_t id)
{
    return (struct trace_row){ .trace_id = { { id } },
                               .project = str_from_c(project),
                               .tenant_id = str_from_c(tenant),
                               .feature = STR_NONE,
                               .environment = STR_NONE,
                               .generator_model = STR_NONE,
                               .prompt_version = STR_NONE,
                               .retriever = STR_NONE,
                               .index_version = STR_NONE,
                               .top_k_returned = -1,
                               .settled = true };
}

/* A model call with known tokens. */
static struct store_span call_of(const char *model, int64_t input_tokens)
{
    struct store_span row = { .settled = true };
    SPAN_SET(&row.span, trace_id, (struct id16){ { 1 } });
    SPAN_SET(&row.span, span_id, (struct id8){ { 1 } });
    SPAN_SET(&row.span, step, STR_OF("model"));
    SPAN_SET(&row.span, request_model, str_from_c(model));
    SPAN_SET(&row.span, input_tokens, input_tokens);
    return row;
}

static void count(const char *tenant, struct store_span *span)
{
    struct trace_row row = trace_of("p", tenant, 1);
    meter_trace(meter, &row, span, 1, NULL);
}

static const char *written(const char *tenant)
{
    const struct meter_scope scope = { STR_OF("p"), str_from_c(tenant) };
    buf_reset(&text);
    meter_write_text(meter, &scope, &text);
    buf_add_char(&text, '\0');
    assert_false(buf_failed(&text));
    return text.ptr;
}

static void has(const char *line)
{
    if (!strstr(written(NULL), line))
        fail_msg("no line '%s' in:\n%s", line, text.ptr);
}

static void lacks(const char *line)
{
    if (strstr(written(NULL), line))
        fail_msg("there is a line '%s' in:\n%s", line, text.ptr);
}

static void what_is_unknown_has_no_series(void **state)
{
    (void)state;
    struct store_span span = call_of("m", 7);
    count(NULL, &span);
    has("llm_input_tokens_total{project=\"p\",model=\"m\"} 7\n");
    has("llm_unpriced_calls_total{project=\"p\",model=\"m\"} 1\n");
    has("llm_unreported_usage_calls_total{project=\"p\",model=\"m\"} 1\n");
    lacks("llm_output_tokens_total");
    lacks("llm_estimated_cost_usd_total");
    lacks("llm_request_duration_ms");
}

static void a_call_that_repeats_another_is_not_counted(void **state)
{
    (void)state;
    struct store_span span = call_of("m", 7);
    SPAN_SET(&span.span, rollup, true);
    count(NULL, &span);
    lacks("llm_");
}

static void a_value_at_a_bound_is_below_it_and_one_past_it_above(void **state)
{
    (void)state;
    struct store_span span = call_of("m", 7);
    SPAN_SET(&span.span, latency_ns, 100 * NS_PER_MS);
    count(NULL, &span);
    SPAN_SET(&span.span, latency_ns, 100 * NS_PER_MS + 1);
    count(NULL, &span);
    has("llm_request_duration_ms_bucket{project=\"p\",model=\"m\",le=\"50\"} 0\n");
    has("llm_request_duration_ms_bucket{project=\"p\",model=\"m\",le=\"100\"} 1\n");
    has("llm_request_duration_ms_bucket{project=\"p\",model=\"m\",le=\"250\"} 2\n");
    has("llm_request_duration_ms_bucket{project=\"p\",model=\"m\",le=\"+Inf\"} 2\n");
    has("llm_request_duration_ms_sum{project=\"p\",model=\"m\"} 200.000001\n");
    has("llm_request_duration_ms_count{project=\"p\",model=\"m\"} 2\n");
}

static void a_labels_value_is_escaped(void **state)
{
    (void)state;
    struct store_span span = call_of("a\"b\\c\nd", 7);
    count(NULL, &span);
    has("llm_requests_total{project=\"p\",model=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void a_long_value_is_cut_between_characters(void **state)
{
    (void)state;
    char at[METER_LABEL_BYTES_MAX + 1] = { 0 }, past[METER_LABEL_BYTES_MAX + 2] = { 0 };
    memset(at, 'a', METER_LABEL_BYTES_MAX);
    memset(past, 'b', METER_LABEL_BYTES_MAX - 1);
    memcpy(past + METER_LABEL_BYTES_MAX - 1, "\xC3\xA9", 2);
    struct store_span span = call_of(at, 1);
    count(NULL, &span);
    span = call_of(past, 1);
    count(NULL, &span);
    has(arena_printf(&arena, "model=\"%s\"}", at).ptr);
    past[METER_LABEL_BYTES_MAX - 1] = '\0';
    has(arena_printf(&arena, "model=\"%s\"}", past).ptr);
}

static void values_past_the_limit_of_a_label_are_other_and_counted(void **state)
{
    (void)state;
    meter_begin(2, 1000);
    struct meter_status status;
    static const char *const models[] = { "m1", "m2", "m3", "m4", "m1" };
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        struct store_span span = call_of(models[i], 10);
        count(NULL, &span);
        meter_status(meter, &status);
        assert_int_equal(status.overflows > 0, i >= 2);
    }
    has("llm_input_tokens_total{project=\"p\",model=\"m1\"} 20\n");
    has("llm_input_tokens_total{project=\"p\",model=\"m2\"} 10\n");
    has("llm_input_tokens_total{project=\"p\",model=\"other\"} 20\n");
    lacks("m3");
}

static void combinations_past_the_limit_are_other_in_all_labels(void **state)
{
    (void)state;
    meter_begin(100, 2);
    struct store_span one = call_of("m1", 10), two = call_of("m2", 10), three = call_of("m3", 10);
    struct meter_status status;
    count("t", &one);
    count("t", &two);
    meter_status(meter, &status);
    assert_int_equal(status.overflows, 0);
    count("t", &three);
    count("u", &three);
    has("llm_input_tokens_total{project=\"p\",tenant_id=\"t\",model=\"m2\"} 10\n");
    has("llm_input_tokens_total{project=\"p\",tenant_id=\"other\",feature=\"other\",environment="
        "\"other\",model=\"other\",provider=\"other\",prompt_version=\"other\"} 20\n");
    meter_status(meter, &status);
    assert_int_equal(status.sets, 3);
    assert_true(status.overflows >= 2);
}

static void a_project_and_a_tenant_see_their_own(void **state)
{
    (void)state;
    meter_begin(2, 1000);
    struct store_span span = call_of("m", 1);
    struct trace_row foreign = trace_of("q", "t1", 1);
    meter_trace(meter, &foreign, &span, 1, NULL);
    count("t1", &span);
    count("t2", &span);
    count("t3", &span); /* one too many */
    lacks("project=\"q\"");
    has("tenant_id=\"t1\"");
    has("tenant_id=\"other\"");
    assert_null(strstr(written("t1"), "t2"));
    assert_null(strstr(text.ptr, "other"));
    assert_non_null(strstr(text.ptr, "tenant_id=\"t1\""));
    assert_null(strstr(written("other"), "llm_"));
}

/* A tenant's name is not cut: a longer one with the same beginning is somebody else. */
static void a_long_tenant_is_not_taken_for_another(void **state)
{
    (void)state;
    char name[METER_LABEL_BYTES_MAX + 2] = { 0 };
    memset(name, 'a', METER_LABEL_BYTES_MAX + 1);
    struct store_span span = call_of("m", 1);
    count(name, &span);
    name[METER_LABEL_BYTES_MAX] = '\0';
    assert_null(strstr(written(name), "llm_"));
}

static void a_later_version_adds_what_grew_and_what_was_unknown(void **state)
{
    (void)state;
    struct store_span before = call_of("m", 10), after = call_of("m", 25);
    SPAN_SET(&before.span, latency_ns, 30 * NS_PER_MS);
    SPAN_SET(&after.span, latency_ns, 900 * NS_PER_MS);
    SPAN_SET(&after.span, output_tokens, 5);
    count(NULL, &before);
    for (int i = 0; i < 2; i++) { /* the second time nothing is new */
        struct trace_row row = trace_of("p", NULL, 1);
        struct meter_older *older = meter_older_new(&arena, 1);
        meter_older_add(older, i == 0 ? &before.span : &after.span);
        meter_trace(meter, &row, &after, 1, older);
        has("llm_requests_total{project=\"p\",model=\"m\"} 1\n");
        has("llm_input_tokens_total{project=\"p\",model=\"m\"} 25\n");
        has("llm_output_tokens_total{project=\"p\",model=\"m\"} 5\n");
        has("llm_request_duration_ms_sum{project=\"p\",model=\"m\"} 30\n");
        has("llm_request_duration_ms_count{project=\"p\",model=\"m\"} 1\n");
    }
}

static void a_later_version_that_says_less_takes_nothing_away(void **state)
{
    (void)state;
    struct store_span before = call_of("m", 25), after = call_of("m", 10);
    struct trace_row row = trace_of("p", NULL, 1);
    struct meter_older *older = meter_older_new(&arena, 1);
    count(NULL, &before);
    meter_older_add(older, &before.span);
    meter_trace(meter, &row, &after, 1, older);
    has("llm_input_tokens_total{project=\"p\",model=\"m\"} 25\n");
}

static void a_late_span_of_a_counted_trace_counts(void **state)
{
    (void)state;
    struct store_span spans[2] = { call_of("m", 10), call_of("m", 1) };
    struct trace_row row = trace_of("p", NULL, 1);
    struct meter_older *older = meter_older_new(&arena, 1);
    SPAN_SET(&spans[1].span, span_id, (struct id8){ { 2 } });
    count(NULL, &spans[0]);
    meter_older_add(older, &spans[0].span);
    meter_trace(meter, &row, spans, 2, older);
    has("llm_requests_total{project=\"p\",model=\"m\"} 2\n");
    has("llm_input_tokens_total{project=\"p\",model=\"m\"} 11\n");
}

/* ---- scores ---- */

static struct score score_of(const char *name, double value, uint8_t trace, enum score_source by)
{
    static uint8_t next_id;
    return (struct score){ .score_id = { { ++next_id } },
                           .has_trace_id = trace > 0,
                           .trace_id = { { trace } },
                           .session_id = STR_NONE,
                           .response_id = STR_NONE,
                           .tenant_id = STR_NONE,
                           .name = str_from_c(name),
                           .has_value = true,
                           .value = value,
                           .label = STR_NONE,
                           .comment = STR_NONE,
                           .source = by,
                           .evaluator = STR_NONE,
                           .evaluator_version = STR_NONE,
                           .judge_model = STR_NONE };
}

static void a_score_waits_for_its_trace_and_has_its_labels(void **state)
{
    (void)state;
    struct score score = score_of("faithfulness", 0.8, 1, SCORE_BY_JUDGE);
    struct store_span span = call_of("m", 1);
    struct trace_row row = trace_of("p", "t", 1);
    row.generator_model = STR_OF("m");
    row.retriever = STR_OF("dense");
    score.judge_model = STR_OF("judge");
    meter_score(meter, STR_OF("p"), &score, 0);
    lacks("llm_eval_faithfulness_score");
    meter_trace(meter, &row, &span, 1, NULL);
    has("llm_eval_faithfulness_score_sum{project=\"p\",tenant_id=\"t\",model=\"m\",retriever="
        "\"dense\",judge_model=\"judge\"} 0.8\n");
}

static void a_score_of_another_projects_trace_does_not_join_it(void **state)
{
    (void)state;
    struct score score = score_of("tone", 0.8, 1, SCORE_BY_JUDGE);
    struct store_span span = call_of("m", 1);
    meter_score(meter, STR_OF("q"), &score, 0);
    count("t", &span);
    lacks("llm_eval_score");
}

static void the_same_score_again_is_counted_once_and_another_value_anew(void **state)
{
    (void)state;
    struct score score = score_of("thumbs", 0, 0, SCORE_BY_USER);
    meter_score(meter, STR_OF("p"), &score, 0);
    meter_score(meter, STR_OF("p"), &score, 0);
    has("llm_user_thumbs_down_total{project=\"p\"} 1\n");
    score.value = 1;
    meter_score(meter, STR_OF("p"), &score, 0);
    has("llm_user_thumbs_up_total{project=\"p\"} 1\n");
    has("llm_user_thumbs_down_total{project=\"p\"} 1\n");
}

static void each_name_of_a_score_has_its_metric(void **state)
{
    (void)state;
    static const struct {
        const char *name, *line;
        double value;
        enum score_source by;
    } cases[] = {
        { "regeneration", "llm_user_regenerations_total{project=\"p\"} 1\n", 1, SCORE_BY_USER },
        { "correction", "llm_user_corrections_total{project=\"p\"} 1\n", 1, SCORE_BY_USER },
        { "escalation", "llm_escalations_total{project=\"p\"} 1\n", 1, SCORE_IS_OUTCOME },
        { "resolution", "llm_resolutions_total{project=\"p\"} 1\n", 1, SCORE_IS_OUTCOME },
        { "conversion", "llm_conversions_total{project=\"p\"} 1\n", 1, SCORE_IS_OUTCOME },
        { "rating", "llm_user_rating_sum{project=\"p\"} 4\n", 4, SCORE_BY_USER },
        { "recall@5", "rag_recall_at_k_sum{project=\"p\",k=\"5\"} 0.5\n", 0.5, SCORE_BY_CODE },
        { "context_precision", "rag_context_precision_sum{project=\"p\"} 0.25\n", 0.25,
          SCORE_BY_CODE },
        { "answer_relevance", "llm_eval_answer_relevance_score_sum{project=\"p\"} 0.75\n", 0.75,
          SCORE_BY_JUDGE },
        { "toxicity", "llm_eval_score_sum{project=\"p\",name=\"toxicity\"} 0.125\n", 0.125,
          SCORE_BY_JUDGE },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct score score = score_of(cases[i].name, cases[i].value, 0, cases[i].by);
        meter_score(meter, STR_OF("p"), &score, 0);
        has(cases[i].line);
    }
    struct score failed = score_of("escalation", 0, 0, SCORE_BY_USER);
    meter_score(meter, STR_OF("p"), &failed, 0);
    has("llm_escalations_total{project=\"p\"} 1\n");
    lacks("thumbs");
}

static void one_score_too_many_in_waiting_pushes_the_oldest_out(void **state)
{
    (void)state;
    struct meter_status status;
    struct score score = score_of("tone", 1, 9, SCORE_BY_JUDGE);
    for (uint32_t i = 0; i < METER_WAITING_MAX; i++) {
        memcpy(score.score_id.bytes, &i, sizeof i);
        meter_score(meter, STR_OF("p"), &score, 0);
    }
    lacks("llm_eval_score");
    score.score_id.bytes[9] = 1;
    meter_score(meter, STR_OF("p"), &score, 0);
    has("llm_eval_score_count{project=\"p\",name=\"tone\"} 1\n");
    meter_status(meter, &status);
    assert_int_equal(status.scores_waiting, METER_WAITING_MAX);
    assert_int_equal(status.scores_unlabelled, 1);
}

/* ---- OTLP ---- */

static void otlp_has_the_same_numbers(void **state)
{
    (void)state;
    const struct meter_scope scope = { STR_OF("p"), STR_NONE };
    struct store_span span = call_of("m", 7);
    SPAN_SET(&span.span, cost_nanousd, 1500000);
    count(NULL, &span);
    buf_reset(&text);
    meter_write_otlp(meter, &scope, 5, &text);
    buf_add_char(&text, '\0');
    assert_non_null(strstr(text.ptr, "\"name\":\"llm_input_tokens_total\",\"unit\":\"{token}\""));
    assert_non_null(strstr(text.ptr, "\"timeUnixNano\":\"5\",\"asInt\":\"7\"}"));
    assert_non_null(strstr(text.ptr, "\"asDouble\":0.0015}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_is_unknown_has_no_series),
        TEST(a_call_that_repeats_another_is_not_counted),
        TEST(a_value_at_a_bound_is_below_it_and_one_past_it_above),
        TEST(a_labels_value_is_escaped),
        TEST(a_long_value_is_cut_between_characters),
        TEST(values_past_the_limit_of_a_label_are_other_and_counted),
        TEST(combinations_past_the_limit_are_other_in_all_labels),
        TEST(a_project_and_a_tenant_see_their_own),
        TEST(a_long_tenant_is_not_taken_for_another),
        TEST(a_later_version_adds_what_grew_and_what_was_unknown),
        TEST(a_later_version_that_says_less_takes_nothing_away),
        TEST(a_late_span_of_a_counted_trace_counts),
        TEST(a_score_waits_for_its_trace_and_has_its_labels),
        TEST(a_score_of_another_projects_trace_does_not_join_it),
        TEST(the_same_score_again_is_counted_once_and_another_value_anew),
        TEST(each_name_of_a_score_has_its_metric),
        TEST(one_score_too_many_in_waiting_pushes_the_oldest_out),
        TEST(otlp_has_the_same_numbers),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
