/* test_aggregate.c -- numbers of groups in every store: exact, of scores too, in order, by pages.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_help.h"

static struct store_aggregate *ask_new(struct fixture *f)
{
    struct store_aggregate *ask = arena_new(&f->arena, struct store_aggregate, 1);
    ask->scope = (struct store_scope){ .project = STR_OF("p1"), .range = EVER };
    ask->limit = 100;
    return ask;
}

static size_t get(struct fixture *f, const struct store_aggregate *ask, struct store_group **groups)
{
    size_t count = 0;
    enum err code = f->ops->aggregate(f->store, ask, &f->arena, groups, &count, &f->why);
    if (code != ERR_OK)
        fail_msg("%s", f->why.text);
    return count;
}

/* One number of all spans; NaN: unknown. */
static double number(struct fixture *f, struct store_measure measure)
{
    struct store_aggregate *ask = ask_new(f);
    struct store_group *groups;
    ask->measures[0] = measure;
    ask->measure_count = 1;
    assert_int_equal(get(f, ask, &groups), 1);
    return groups[0].known[0] ? groups[0].values[0] : (double)NAN;
}

static void put_span(struct fixture *f, struct store_span row, uint64_t sequence)
{
    if (sequence % 2)
        assert_int_equal(commit_trace_of(f, &row, 1, sequence), ERR_OK);
    else
        assert_int_equal(f->ops->append(f->store, &row, 1, &f->why), ERR_OK);
}

static struct score score_of(uint64_t id, const char *name, double value, enum score_source source)
{
    struct score score = {
        .score_id = trace_of(id), .has_value = true, .value = value, .source = source, .time_ns = T0
    };
    str *texts[SCORE_TEXTS];
    score_texts(&score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    score.name = str_from_c(name);
    return score;
}

static struct score of_trace(struct score score, uint64_t trace)
{
    score.has_trace_id = true;
    score.trace_id = trace_of(trace);
    return score;
}

static void put_score(struct fixture *f, struct score score)
{
    str project = STR_OF("p1");
    struct store_commit commit = { .scores = &score, .score_projects = &project, .score_count = 1 };
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
}

enum { MANY = 1000 };

/* The smallest value that a share q does not exceed, of 1 to MANY. */
static void percentiles_are_exact(void **state)
{
    struct fixture *f = *state;
    static struct store_span rows[MANY];
    for (uint64_t i = 0; i < MANY; i++) {
        rows[i] = span_make(1 + i / 100, i + 1, T0 + (int64_t)i);
        SPAN_SET(&rows[i].span, latency_ns, (int64_t)((i * 7919) % MANY + 1) * NS_PER_MS);
        SPAN_SET(&rows[i].span, queue_ns, (int64_t)((i * 7919) % MANY + 1));
        SPAN_SET(&rows[i].span, temperature, (double)((i * 7919) % MANY + 1) / 8);
    }
    for (uint64_t i = 0; i < MANY / 100; i++)
        assert_int_equal(i % 2 ? commit_trace_of(f, &rows[i * 100], 100, i)
                               : f->ops->append(f->store, &rows[i * 100], 100, &f->why),
                         ERR_OK);
    static const double shares[] = { 0, 0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1 };
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        double rank = MAX(ceil(shares[i] * MANY - 1e-9), 1.0);
        assert_true(number(f, measure_quantile(FIELD_latency_ns, shares[i])) ==
                    rank * (double)NS_PER_MS);
        assert_true(number(f, measure_quantile(FIELD_queue_ns, shares[i])) == rank);
        assert_true(number(f, measure_quantile(FIELD_temperature, shares[i])) == rank / 8);
    }
    assert_true(number(f, measure_field(STORE_OP_MIN, FIELD_queue_ns)) == 1);
    assert_true(number(f, measure_field(STORE_OP_MAX, FIELD_queue_ns)) == MANY);
    double variance = number(f, measure_field(STORE_OP_VARIANCE, FIELD_queue_ns));
    assert_true(fabs(variance - MANY * (MANY + 1) / 12.0) < 1e-3);
}

static void lists_are_counted_by_their_items(void **state)
{
    struct fixture *f = *state;
    const double first[] = { 0.5, 0.25 }, second[] = { 1 };
    struct store_span rows[3] = { span_make(1, 1, T0), span_make(2, 2, T0), span_make(3, 3, T0) };
    SPAN_SET(&rows[0].span, document_scores, (struct f64s){ first, 2 });
    SPAN_SET(&rows[1].span, document_scores, (struct f64s){ second, 1 });
    for (uint64_t i = 0; i < 3; i++)
        put_span(f, rows[i], i);
    assert_true(number(f, measure_field(STORE_OP_COUNT, FIELD_document_scores)) == 3);
    assert_true(number(f, measure_field(STORE_OP_SUM, FIELD_document_scores)) == 1.75);
    assert_true(number(f, measure_field(STORE_OP_MIN, FIELD_document_scores)) == 0.25);
    assert_true(number(f, measure_quantile(FIELD_document_scores, 0.5)) == 0.5);
    assert_true(fabs(number(f, measure_field(STORE_OP_VARIANCE, FIELD_document_scores)) -
                     0.1458333333) < 1e-9);
}

static void unknown_is_not_0(void **state)
{
    struct fixture *f = *state;
    put_span(f, span_make(1, 1, T0), 1);
    assert_true(isnan(number(f, measure_field(STORE_OP_SUM, FIELD_output_tokens))));
    assert_true(isnan(number(f, measure_field(STORE_OP_MAX, FIELD_queue_ns))));
    assert_true(isnan(number(f, measure_field(STORE_OP_VARIANCE, FIELD_latency_ns)))); /* of one */
    assert_true(isnan(number(f, measure_scores(STORE_OP_SUM, STR_OF("tone")))));
    assert_true(number(f, measure_scores(STORE_OP_COUNT, STR_OF("tone"))) == 0);
    assert_true(number(f, measure_field(STORE_OP_COUNT, FIELD_output_tokens)) == 0);
    assert_true(number(f, measure_field(STORE_OP_DISTINCT, FIELD_user_id)) == 0);
}

static void cost_by_bucket_and_the_end_of_spans_are_numbers(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[3] = { span_make(1, 1, T0), span_make(2, 2, T0 + 5),
                                  span_make(3, 3, T0) };
    SPAN_SET(&rows[0].span, cost_by_bucket, STR_OF("{\"input_fresh\":40,\"output_text\":7}"));
    SPAN_SET(&rows[1].span, cost_by_bucket, STR_OF("{\"input_fresh\":2}"));
    SPAN_SET(&rows[2].span, cost_by_bucket, STR_OF("no JSON"));
    for (uint64_t i = 0; i < 3; i++)
        put_span(f, rows[i], i);
    struct store_measure input = { .op = STORE_OP_SUM,
                                   .of = STORE_OF_BUCKET,
                                   .name = STR_OF("input_fresh") };
    struct store_measure end = { .op = STORE_OP_MAX, .of = STORE_OF_END, .name = STR_NONE };
    assert_true(number(f, input) == 42);
    assert_true(fabs(number(f, end) - (double)(T0 + 5 + 1000000)) <= 512);
}

/* Two models in trace 1, one in trace 2 of another tenant. */
static void fill_models(struct fixture *f)
{
    struct store_span rows[3] = { span_make(1, 1, T0), span_make(1, 2, T0 + 1),
                                  span_make(2, 3, T0 + 2) };
    const char *const models[] = { "small", "large", "small" };
    for (uint64_t i = 0; i < 3; i++) {
        SPAN_SET(&rows[i].span, generator_model, str_from_c(models[i]));
        SPAN_SET(&rows[i].span, tenant_id, i < 2 ? STR_OF("acme") : STR_OF("rival"));
        SPAN_SET(&rows[i].span, session_id, STR_OF("chat"));
        SPAN_SET(&rows[i].span, cost_nanousd, 100 + (int64_t)i);
    }
    SPAN_SET(&rows[2].span, response_id, STR_OF("resp-3"));
    assert_int_equal(commit_trace_of(f, rows, 2, 1), ERR_OK);
    assert_int_equal(f->ops->append(f->store, &rows[2], 1, &f->why), ERR_OK);
}

static double of_model(const struct store_group *groups, size_t count, const char *model)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_c(groups[i].by[0], model))
            return groups[i].known[0] ? groups[i].values[0] : (double)NAN;
    fail_msg("no group %s", model);
    return (double)NAN;
}

static void a_score_counts_once_in_each_group_that_it_names(void **state)
{
    struct fixture *f = *state;
    fill_models(f);
    put_score(f, of_trace(score_of(1, "tone", 1, SCORE_BY_JUDGE), 1)); /* both models */
    struct score of_span = of_trace(score_of(2, "tone", 0.5, SCORE_BY_JUDGE), 1);
    of_span.has_span_id = true;
    of_span.span_id = span_of(2); /* large alone */
    put_score(f, of_span);
    struct score of_response = score_of(3, "tone", 0, SCORE_BY_USER);
    of_response.response_id = STR_OF("resp-3"); /* small, of trace 2 */
    put_score(f, of_response);
    struct store_aggregate *ask = ask_new(f);
    struct store_group *groups;
    ask->measures[0] = measure_scores(STORE_OP_SUM, STR_OF("tone"));
    ask->measures[1] = measure_of(STORE_OP_COUNT);
    ask->measures[2] = measure_scores(STORE_OP_COUNT, STR_NONE);
    ask->measures[2].verdict = STORE_VERDICT_FAIL;
    ask->measure_count = 3;
    ask->by[0] = FIELD_generator_model;
    ask->by_count = 1;
    size_t count = get(f, ask, &groups);
    assert_int_equal(count, 2);
    assert_true(str_equal_c(groups[0].by[0], "large")); /* ordered by the scores */
    assert_true(of_model(groups, count, "large") == 1.5);
    assert_true(of_model(groups, count, "small") == 1);
    assert_true(groups[0].values[1] == 1 && groups[1].values[1] == 2);
    assert_true(groups[0].values[2] == 0 && groups[1].values[2] == 1);
    ask->measures[0].sources = 1U << SCORE_BY_USER;
    count = get(f, ask, &groups);
    assert_true(of_model(groups, count, "small") == 0 && isnan(of_model(groups, count, "large")));
}

static void a_label_without_a_value_passes_by_its_word(void **state)
{
    struct fixture *f = *state;
    static const char *const labels[] = { "pass", "Correct", "YES", "fail", "" };
    fill_models(f);
    for (uint64_t i = 0; i < COUNT_OF(labels); i++) {
        struct score score = of_trace(score_of(i + 1, "check", 0, SCORE_BY_CODE), 1);
        score.has_value = false;
        score.label = str_from_c(labels[i]);
        put_score(f, score);
    }
    put_score(f, of_trace(score_of(90, "check", 0.5, SCORE_BY_CODE), 1)); /* at the bound */
    put_score(f, of_trace(score_of(91, "check", 0.4999, SCORE_BY_CODE), 1));
    struct store_measure measure = measure_scores(STORE_OP_COUNT, STR_OF("check"));
    measure.verdict = STORE_VERDICT_PASS;
    assert_true(number(f, measure) == 4);
    measure.verdict = STORE_VERDICT_FAIL;
    assert_true(number(f, measure) == 3);
}

static void evaluated_spans_are_those_of_scored_traces(void **state)
{
    struct fixture *f = *state;
    fill_models(f);
    struct store_measure cost = measure_field(STORE_OP_SUM, FIELD_cost_nanousd);
    cost.is_evaluated = true;
    assert_true(isnan(number(f, cost)));
    put_score(f, of_trace(score_of(1, "thumb", 1, SCORE_BY_USER), 2)); /* no evaluation */
    assert_true(isnan(number(f, cost)));
    put_score(f, of_trace(score_of(2, "tone", 1, SCORE_BY_JUDGE), 1));
    assert_true(number(f, cost) == 201);
}

static void scores_of_another_project_or_tenant_do_not_count(void **state)
{
    struct fixture *f = *state;
    fill_models(f);
    struct score foreign = of_trace(score_of(1, "tone", 1, SCORE_BY_JUDGE), 1);
    str project = STR_OF("p2");
    struct store_commit commit = { .scores = &foreign,
                                   .score_projects = &project,
                                   .score_count = 1 };
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
    struct score of_session = score_of(2, "tone", 1, SCORE_BY_USER);
    of_session.session_id = STR_OF("chat"); /* both tenants call a session so */
    of_session.tenant_id = STR_OF("rival");
    put_score(f, of_session);
    struct store_aggregate *ask = ask_new(f);
    struct store_group *groups;
    ask->measures[0] = measure_scores(STORE_OP_COUNT, STR_NONE);
    ask->measures[1] = measure_of(STORE_OP_COUNT);
    ask->measure_count = 2;
    assert_int_equal(get(f, ask, &groups), 1);
    assert_true(groups[0].values[0] == 1 && groups[0].values[1] == 3);
    ask->scope.tenant = STR_OF("acme");
    assert_int_equal(get(f, ask, &groups), 1);
    assert_true(groups[0].values[0] == 0 && groups[0].values[1] == 2);
    ask->scope.tenant = STR_OF("rival");
    assert_int_equal(get(f, ask, &groups), 1);
    assert_true(groups[0].values[0] == 1 && groups[0].values[1] == 1);
    ask->scope.project = STR_OF("p3");
    assert_int_equal(get(f, ask, &groups), 0);
}

static void groups_are_ordered_by_ratios_and_differences(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *user;
        int64_t in, out;
    } calls[] = { { "a", 10, 1 }, { "b", 100, 50 }, { "c", 7, 7 }, { "d", 5, 0 } };
    for (uint64_t i = 0; i < COUNT_OF(calls); i++) {
        struct store_span row = span_make(i + 1, 1, T0);
        SPAN_SET(&row.span, user_id, str_from_c(calls[i].user));
        SPAN_SET(&row.span, input_tokens, calls[i].in);
        SPAN_SET(&row.span, output_tokens, calls[i].out);
        put_span(f, row, i);
    }
    struct store_aggregate *ask = ask_new(f);
    struct store_group *groups;
    ask->measures[0] = measure_field(STORE_OP_SUM, FIELD_input_tokens);
    ask->measures[1] = measure_field(STORE_OP_SUM, FIELD_output_tokens);
    ask->measure_count = 2;
    ask->by[0] = FIELD_user_id;
    ask->by_count = 1;
    static const char *const orders[] = { "bacd", "abcd", "badc" };
    for (int order = STORE_ORDER_VALUE; order <= STORE_ORDER_DIFFERENCE; order++) {
        ask->order = (enum store_order)order;
        assert_int_equal(get(f, ask, &groups), 4);
        for (int i = 0; i < 4; i++) /* nothing by 0 has no ratio: it is last */
            assert_int_equal(groups[i].by[0].ptr[0], orders[order][i]);
    }
}

static void pages_of_groups_follow_each_other(void **state)
{
    struct fixture *f = *state;
    enum { USERS = 23 };
    for (uint64_t i = 0; i < USERS; i++) {
        struct store_span row = span_make(i + 1, 1, T0);
        if (i > 0)
            SPAN_SET(&row.span, user_id, arena_printf(&f->arena, "user-%02d", (int)i));
        if (i % 4) /* ties, and some whose value is unknown */
            SPAN_SET(&row.span, input_tokens, (int64_t)(i % 3));
        put_span(f, row, i);
    }
    for (int by_scores = 0; by_scores < 2; by_scores++) {
        struct store_aggregate *ask = ask_new(f);
        struct store_group *groups;
        size_t count, total = 0;
        bool seen[USERS] = { false };
        ask->measures[0] = by_scores ? measure_scores(STORE_OP_COUNT, STR_NONE)
                                     : measure_field(STORE_OP_SUM, FIELD_input_tokens);
        ask->measure_count = 1;
        ask->by[0] = FIELD_user_id;
        ask->by_count = 1;
        ask->limit = 4;
        ask->only_known = true;
        while ((count = get(f, ask, &groups)) > 0) {
            for (size_t i = 0; i < count; i++) {
                size_t user = (size_t)(groups[i].by[0].ptr[5] - '0') * 10 +
                              (size_t)(groups[i].by[0].ptr[6] - '0');
                assert_true(user > 0 && user < USERS && !seen[user]);
                seen[user] = true;
            }
            total += count;
            ask->has_after = true;
            ask->after_known = group_order_value(ask, &groups[count - 1], &ask->after_value);
            ask->after_by = groups[count - 1].by[0];
        }
        assert_int_equal(total, USERS - 1);
    }
}

static void questions_past_the_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_group *groups;
    size_t count;
    for (int i = 0; i < 9; i++) {
        struct store_aggregate *ask = ask_new(f);
        ask->measures[0] = measure_of(STORE_OP_COUNT);
        ask->measure_count = 1;
        switch (i) {
        case 0:
            ask->measure_count = 0;
            break;
        case 1:
            ask->measure_count = STORE_MEASURES_MAX + 1;
            break;
        case 2:
            ask->measures[0] = measure_quantile(FIELD_latency_ns, 1.001);
            break;
        case 3:
            ask->measures[0] = measure_field(STORE_OP_SUM, FIELD_user_id);
            break;
        case 4:
            ask->measures[0] = measure_field(STORE_OP_DISTINCT, FIELD_latency_ns);
            break;
        case 5:
            ask->measures[0] = (struct store_measure){ .op = STORE_OP_SUM,
                                                       .of = STORE_OF_BUCKET,
                                                       .name = STR_OF("x') OR ('") };
            break;
        case 6:
            ask->order = STORE_ORDER_RATIO;
            break;
        case 7:
            ask->has_after = true;
            break;
        default:
            ask->measures[0].op = STORE_OP_SUM;
        }
        assert_int_equal(f->ops->aggregate(f->store, ask, &f->arena, &groups, &count, &f->why),
                         ERR_BAD_INPUT);
    }
    struct store_aggregate *ask = ask_new(f);
    for (uint32_t i = 0; i < STORE_MEASURES_MAX; i++)
        ask->measures[i] = measure_quantile(FIELD_latency_ns, (double)i / STORE_MEASURES_MAX);
    ask->measure_count = STORE_MEASURES_MAX;
    assert_int_equal(get(f, ask, &groups), 0);
}

#define ONE(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OVER(setup)                                                                                \
    ONE(percentiles_are_exact, setup), ONE(lists_are_counted_by_their_items, setup),               \
        ONE(unknown_is_not_0, setup), ONE(cost_by_bucket_and_the_end_of_spans_are_numbers, setup), \
        ONE(a_score_counts_once_in_each_group_that_it_names, setup),                               \
        ONE(a_label_without_a_value_passes_by_its_word, setup),                                    \
        ONE(evaluated_spans_are_those_of_scored_traces, setup),                                    \
        ONE(scores_of_another_project_or_tenant_do_not_count, setup),                              \
        ONE(groups_are_ordered_by_ratios_and_differences, setup),                                  \
        ONE(pages_of_groups_follow_each_other, setup),                                             \
        ONE(questions_past_the_limits_are_refused, setup)

int main(void)
{
    const struct CMUnitTest tests[] = { OVER(setup_memory), OVER(setup_duckdb) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
