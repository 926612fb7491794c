/* test_scores.c -- scores in every store: replaced by id, found by what they are about.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_help.h"

static struct score score_make(uint64_t id, const char *name, double value)
{
    struct score score = { .score_id = trace_of(id),
                           .has_trace_id = true,
                           .trace_id = trace_of(1),
                           .name = str_from_c(name),
                           .has_value = true,
                           .value = value,
                           .source = SCORE_BY_JUDGE,
                           .time_ns = T0 + (int64_t)id };
    str *texts[SCORE_TEXTS];
    score_texts(&score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    return score;
}

static void put_as(struct fixture *f, const char *project, const struct score *scores, size_t count)
{
    str projects[16];
    for (size_t i = 0; i < count; i++)
        projects[i] = str_from_c(project);
    struct store_commit commit = { .scores = scores,
                                   .score_projects = projects,
                                   .score_count = count };
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
}

static void put(struct fixture *f, struct score score)
{
    put_as(f, "p1", &score, 1);
}

static struct store_scores ask_all(void)
{
    return (struct store_scores){
        .scope = { .project = STR_OF("p1"), .tenant = STR_NONE, .range = EVER },
        .session_id = STR_NONE,
        .name = STR_NONE,
        .limit = 100
    };
}

static size_t get(struct fixture *f, struct store_scores ask, struct store_score **ret_scores)
{
    size_t count = 0;
    enum err err = f->ops->scores(f->store, &ask, &f->arena, ret_scores, &count, &f->why);
    if (err)
        fprintf(stderr, "# %s: %s\n", err_name(err), f->why.text);
    assert_int_equal(err, ERR_OK);
    return count;
}

static uint64_t stored(struct fixture *f)
{
    struct store_status status;
    f->ops->status(f->store, &status);
    return status.score_count;
}

/* shows: A78 A81 I18 */
static void every_member_comes_back(void **state)
{
    struct fixture *f = *state;
    struct score score = score_make(1, "faithfulness", 0.82);
    struct attr attrs[] = { { STR("run"), value_i64(7) } };
    score.has_span_id = true;
    score.span_id = span_of(4);
    score.session_id = STR_OF("chat-1");
    score.response_id = STR_OF("resp-1");
    score.tenant_id = STR_OF("acme");
    score.label = STR_OF("good");
    score.comment = STR_OF("it's \"fine\"");
    score.evaluator = STR_OF("rag-judge");
    score.evaluator_version = STR_OF("3");
    score.judge_model = STR_OF("gpt-4o");
    score.attrs = attrs;
    score.attr_count = 1;
    put(f, score);
    struct store_score *got;
    assert_int_equal(get(f, ask_all(), &got), 1);
    assert_memory_equal(&got->score.score_id, &score.score_id, 16);
    assert_true(got->score.has_trace_id && got->score.has_span_id && got->score.has_value);
    assert_memory_equal(&got->score.trace_id, &score.trace_id, 16);
    assert_memory_equal(&got->score.span_id, &score.span_id, 8);
    assert_true(got->score.value == 0.82);
    assert_int_equal(got->score.time_ns, score.time_ns);
    assert_int_equal(got->score.type, SCORE_NUMBER);
    assert_int_equal(got->score.source, SCORE_BY_JUDGE);
    str *sent[SCORE_TEXTS], *back[SCORE_TEXTS];
    score_texts(&score, sent);
    score_texts(&got->score, back);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        assert_true(str_equal(*sent[i], *back[i]));
    assert_true(str_equal_c(got->score.name, "faithfulness"));
    assert_true(str_equal_c(got->attrs_json, "{\"run\":7}"));
}

static void what_was_not_said_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct score score = score_make(1, "thumb", 0);
    score.has_trace_id = score.has_value = false;
    score.type = SCORE_LABEL;
    score.label = STR_OF("up");
    score.session_id = STR_OF("chat-1");
    put(f, score);
    struct store_score *got;
    assert_int_equal(get(f, ask_all(), &got), 1);
    assert_false(got->score.has_trace_id || got->score.has_span_id || got->score.has_value);
    assert_true(str_is_none(got->score.comment) && str_is_none(got->score.response_id));
    assert_true(str_is_none(got->attrs_json));
    assert_int_equal(got->score.type, SCORE_LABEL);
}

static void the_same_id_again_replaces_the_score(void **state)
{
    struct fixture *f = *state;
    struct score twice[] = { score_make(1, "a", 0.1), score_make(1, "a", 0.2) };
    put_as(f, "p1", twice, 2);
    assert_int_equal(stored(f), 1);
    put(f, score_make(1, "a", 0.9));
    put(f, score_make(2, "a", 0.5));
    put_as(f, "p2", twice, 1);
    assert_int_equal(stored(f), 3);
    struct store_score *got;
    assert_int_equal(get(f, ask_all(), &got), 2);
    assert_true(got[0].score.value == 0.5 && got[1].score.value == 0.9);
    if (f->ops == &store_memory)
        return;
    f->ops->close(f->store);
    assert_true(fixture_open(f));
    assert_int_equal(stored(f), 3);
    assert_int_equal(get(f, ask_all(), &got), 2);
}

static void a_question_names_trace_span_session_name_and_source(void **state)
{
    struct fixture *f = *state;
    struct score scores[5];
    for (uint64_t i = 0; i < 5; i++)
        scores[i] = score_make(i + 1, i % 2 ? "odd" : "even", (double)i);
    scores[1].trace_id = trace_of(2);
    scores[2].has_span_id = true;
    scores[2].span_id = span_of(4);
    scores[3].session_id = STR_OF("s");
    scores[4].has_trace_id = false;
    scores[4].response_id = STR_OF("resp-9");
    scores[4].source = SCORE_BY_USER;
    put_as(f, "p1", scores, 5);
    struct store_score *got;
    struct store_scores ask = ask_all();
    ask.has_trace_id = true;
    ask.trace_id = trace_of(1);
    assert_int_equal(get(f, ask, &got), 3);
    const str responses[] = { STR("resp-8"), STR("resp-9") };
    ask.response_ids = responses;
    ask.response_id_count = 2;
    assert_int_equal(get(f, ask, &got), 4); /* the score came before its trace was known */
    ask = ask_all();
    ask.has_score_id = true;
    ask.score_id = scores[1].score_id;
    assert_int_equal(get(f, ask, &got), 1);
    assert_memory_equal(&got->score.score_id, &scores[1].score_id, sizeof scores[1].score_id);
    ask = ask_all();
    ask.has_span_id = true;
    ask.span_id = span_of(4);
    assert_int_equal(get(f, ask, &got), 1);
    ask = ask_all();
    ask.session_id = STR_OF("s");
    assert_int_equal(get(f, ask, &got), 1);
    ask = ask_all();
    ask.name = STR_OF("odd");
    assert_int_equal(get(f, ask, &got), 2);
    ask = ask_all();
    ask.sources = 1 << SCORE_BY_USER;
    assert_int_equal(get(f, ask, &got), 1);
    ask = ask_all();
    ask.scope.range = (struct time_range){ T0 + 2, T0 + 4 };
    assert_int_equal(get(f, ask, &got), 2);
}

/* Deploys are kept as scores are, but are no opinion of an answer. */
static void deploys_come_when_asked_for_and_outcomes_with_the_others(void **state)
{
    struct fixture *f = *state;
    struct store_score *got;
    struct score scores[3];
    for (uint64_t i = 0; i < 3; i++)
        scores[i] = score_make(i + 1, "n", 1);
    scores[1].source = SCORE_IS_OUTCOME;
    scores[2].source = SCORE_IS_DEPLOY;
    scores[2].has_trace_id = false;
    scores[2].has_value = false;
    scores[2].label = STR_OF("1.2");
    put_as(f, "p1", scores, 3);
    struct store_scores ask = ask_all();
    assert_int_equal(get(f, ask, &got), 2);
    ask.sources = 1 << SCORE_IS_DEPLOY;
    assert_int_equal(get(f, ask, &got), 1);
    assert_true(got->score.source == SCORE_IS_DEPLOY && str_equal_c(got->score.label, "1.2"));
    ask.sources = 1 << SCORE_IS_DEPLOY | 1 << SCORE_IS_OUTCOME;
    assert_int_equal(get(f, ask, &got), 2);
}

/* Vendors name a span alone. */
static void a_score_that_names_only_a_span_is_of_the_trace_that_has_it(void **state)
{
    struct fixture *f = *state;
    struct score scores[3];
    for (uint64_t i = 0; i < 3; i++) {
        scores[i] = score_make(i + 1, "n", (double)i);
        scores[i].has_trace_id = false;
        scores[i].has_span_id = true;
        scores[i].span_id = span_of(i + 1);
    }
    scores[2].has_trace_id = true; /* says itself which trace, and that is another one */
    scores[2].trace_id = trace_of(9);
    put_as(f, "p1", scores, 3);
    struct store_score *got;
    struct store_scores ask = ask_all();
    const struct id8 spans[] = { span_of(2), span_of(3), span_of(4) };
    ask.has_trace_id = true;
    ask.trace_id = trace_of(1);
    assert_int_equal(get(f, ask, &got), 0);
    ask.span_ids = spans;
    ask.span_id_count = COUNT_OF(spans);
    assert_int_equal(get(f, ask, &got), 1);
    assert_true(got->score.has_span_id && !got->score.has_trace_id);
    assert_memory_equal(&got->score.span_id, &spans[0], sizeof spans[0]);
}

/* shows: P19 */
static void projects_and_tenants_see_their_own(void **state)
{
    struct fixture *f = *state;
    struct store_span row = span_make(1, 1, T0);
    SPAN_SET(&row.span, tenant_id, STR_OF("acme"));
    assert_int_equal(commit_trace_of(f, &row, 1, 1), ERR_OK);
    struct score own = score_make(1, "own", 1), other = score_make(2, "other", 1);
    own.tenant_id = STR_OF("acme");
    own.has_trace_id = false;
    own.session_id = STR_OF("s");
    put(f, own);
    put(f, other); /* of trace 1, by a key without a tenant */
    struct store_score *got;
    struct store_scores ask = ask_all();
    ask.scope.project = STR_OF("p2");
    assert_int_equal(get(f, ask, &got), 0);
    ask = ask_all();
    ask.scope.tenant = STR_OF("acme");
    assert_int_equal(get(f, ask, &got), 1);
    ask.has_trace_id = true;
    ask.trace_id = trace_of(1);
    assert_int_equal(get(f, ask, &got), 1);
    assert_true(str_equal_c(got[0].score.name, "other"));
    ask.scope.tenant = STR_OF("rival");
    assert_int_equal(get(f, ask, &got), 0);
}

static void pages_follow_each_other(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 11 };
    struct score scores[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        scores[i] = score_make(i + 1, "n", (double)i);
        scores[i].time_ns = T0 + (int64_t)(i / 3); /* several at a time */
    }
    put_as(f, "p1", scores, COUNT);
    struct store_scores ask = ask_all();
    struct store_score *got;
    size_t seen = 0, count;
    bool found[COUNT] = { false };
    ask.limit = 2;
    while ((count = get(f, ask, &got)) > 0) {
        for (size_t i = 0; i < count; i++) {
            size_t index = (size_t)got[i].score.value;
            assert_false(found[index]);
            found[index] = true;
        }
        seen += count;
        ask.has_after = true;
        ask.after_time_ns = got[count - 1].score.time_ns;
        ask.after_id = got[count - 1].score.score_id;
    }
    assert_int_equal(seen, COUNT);
}

#define OVER(setup)                                                                                \
    cmocka_unit_test_setup_teardown(every_member_comes_back, setup, teardown),                     \
        cmocka_unit_test_setup_teardown(what_was_not_said_is_unknown, setup, teardown),            \
        cmocka_unit_test_setup_teardown(the_same_id_again_replaces_the_score, setup, teardown),    \
        cmocka_unit_test_setup_teardown(deploys_come_when_asked_for_and_outcomes_with_the_others,  \
                                        setup, teardown),                                          \
        cmocka_unit_test_setup_teardown(a_question_names_trace_span_session_name_and_source,       \
                                        setup, teardown),                                          \
        cmocka_unit_test_setup_teardown(                                                           \
            a_score_that_names_only_a_span_is_of_the_trace_that_has_it, setup, teardown),          \
        cmocka_unit_test_setup_teardown(projects_and_tenants_see_their_own, setup, teardown),      \
        cmocka_unit_test_setup_teardown(pages_follow_each_other, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { OVER(setup_memory), OVER(setup_duckdb) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
