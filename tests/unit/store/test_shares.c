/* test_shares.c -- for how many spans a condition holds: the same numbers from every store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_help.h"

static const struct filter has_feature = { .op = FILTER_EXISTS, .field = FIELD_feature };
static const struct filter is_retrieval = {
    .op = FILTER_EQ, .field = FIELD_step, .value = { .type = VALUE_STR, .text = STR("retrieval") }
};
static const struct filter is_model = { .op = FILTER_EQ,
                                        .field = FIELD_step,
                                        .value = { .type = VALUE_STR, .text = STR("model") } };
static const struct filter not_model = { .op = FILTER_NOT, .left = &is_model };

static struct store_shares ask_of(const struct store_condition *conditions, uint32_t count)
{
    return (struct store_shares){ .scope = { .project = STR_OF("p1"), .range = EVER },
                                  .filter = &is_model,
                                  .by = { FIELD_service, FIELD_name },
                                  .by_count = 2,
                                  .conditions = conditions,
                                  .condition_count = count,
                                  .limit = 100 };
}

static size_t get(struct fixture *f, struct store_shares ask, struct store_share_group **ret_groups)
{
    size_t count = 0;
    enum err err = f->ops->shares(f->store, &ask, &f->arena, ret_groups, &count, &f->why);
    if (err)
        fprintf(stderr, "# %s: %s\n", err_name(err), f->why.text);
    assert_int_equal(err, ERR_OK);
    return count;
}

/* A settled trace of a call and a retrieval, and one that is still open: of service shop. */
static void two_traces(struct fixture *f)
{
    struct store_span rows[3] = { span_make(1, 1, T0), span_make(1, 2, T0 + 5),
                                  span_make(2, 3, T0 + 86400 * NS_PER_S) };
    for (size_t i = 0; i < 3; i++)
        SPAN_SET(&rows[i].span, service, STR_OF("shop"));
    SPAN_SET(&rows[0].span, feature, STR_OF("search"));
    SPAN_SET(&rows[1].span, step, STR_OF("retrieval"));
    SPAN_SET(&rows[1].span, parent_span_id, span_of(1));
    assert_int_equal(commit_trace_of(f, rows, 2, 1), ERR_OK);
    assert_int_equal(f->ops->append(f->store, &rows[2], 1, &f->why), ERR_OK);
}

/* shows: B14 */
static void each_condition_is_counted_with_a_trace_that_lacks_it(void **state)
{
    struct fixture *f = *state;
    const struct store_condition conditions[] = { { .filter = &has_feature },
                                                  { .trace_filter = &is_retrieval },
                                                  { .filter = &is_model },
                                                  { .filter = &is_model, .only = &has_feature },
                                                  { .filter = NULL } };
    struct store_share_group *groups;
    two_traces(f);
    assert_int_equal(get(f, ask_of(conditions, COUNT_OF(conditions)), &groups), 1);
    static const uint64_t holds[] = { 1, 1, 2, 1, 0 };
    struct id16 newest = trace_of(2);
    assert_true(str_equal_c(groups->by[0], "shop") && str_equal_c(groups->by[1], "chat"));
    assert_int_equal(groups->count, 2);
    assert_int_equal(groups->first_ns, T0);
    assert_int_equal(groups->last_ns, T0 + 86400 * NS_PER_S);
    for (size_t i = 0; i < COUNT_OF(conditions); i++) {
        assert_int_equal(groups->holds[i], holds[i]);
        if (holds[i] < 2)
            assert_memory_equal(&groups->lacks[i], &newest, 16);
    }
}

static void groups_are_the_largest_first_and_an_unknown_name_is_a_group(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[5];
    struct store_share_group *groups;
    for (uint64_t i = 0; i < 5; i++)
        rows[i] = span_make(i + 1, i + 1, T0 + (int64_t)i);
    for (uint64_t i = 0; i < 3; i++)
        SPAN_SET(&rows[i].span, service, STR_OF("large"));
    span_forget(&rows[3].span, FIELD_name);
    assert_int_equal(f->ops->append(f->store, rows, 5, &f->why), ERR_OK);
    struct store_shares ask = ask_of(NULL, 0);
    assert_int_equal(get(f, ask, &groups), 3);
    assert_int_equal(groups[0].count, 3);
    assert_true(str_is_none(groups[1].by[0]) && str_is_none(groups[2].by[0]));
    assert_true(str_is_none(groups[1].by[1]));
    ask.limit = 1;
    assert_int_equal(get(f, ask, &groups), 1);
    assert_int_equal(groups[0].count, 3);
    ask.scope.range = (struct time_range){ T0 + 3, T0 + 4 };
    assert_int_equal(get(f, ask, &groups), 1);
    assert_int_equal(groups[0].count, 1);
    ask.scope.project = STR_OF("p2");
    assert_int_equal(get(f, ask, &groups), 0);
}

static struct score score_make(uint64_t id, enum score_source source)
{
    struct score score = { .score_id = trace_of(id),
                           .name = STR_OF("n"),
                           .has_value = true,
                           .source = source,
                           .time_ns = T0 };
    str *texts[SCORE_TEXTS];
    score_texts(&score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    return score;
}

static void put(struct fixture *f, struct score score)
{
    str project = STR_OF("p1");
    struct store_commit commit = { .scores = &score, .score_projects = &project, .score_count = 1 };
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
}

static uint64_t scored(struct fixture *f, uint32_t sources, str tenant)
{
    const struct store_condition condition = { .score_sources = sources };
    struct store_share_group *groups;
    struct store_shares ask = ask_of(&condition, 1);
    ask.by_count = 0;
    ask.scope.tenant = tenant;
    assert_int_equal(get(f, ask, &groups), 1);
    return groups->holds[0];
}

/* shows: B14 */
static void a_score_counts_for_what_it_names(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[6];
    const uint32_t user = 1 << SCORE_BY_USER, judge = 1 << SCORE_BY_JUDGE;
    for (uint64_t i = 0; i < 6; i++) {
        rows[i] = span_make(i + 1, i + 1, T0 + (int64_t)i);
        SPAN_SET(&rows[i].span, tenant_id, STR_OF("acme"));
    }
    SPAN_SET(&rows[2].span, parent_span_id, span_of(77));
    SPAN_SET(&rows[3].span, response_id, STR_OF("resp-1"));
    SPAN_SET(&rows[4].span, session_id, STR_OF("chat-1"));
    assert_int_equal(f->ops->append(f->store, rows, 6, &f->why), ERR_OK);
    assert_int_equal(scored(f, user, STR_NONE), 0);
    struct score score = score_make(1, SCORE_BY_USER);
    score.has_trace_id = true;
    score.trace_id = trace_of(1); /* its trace alone */
    put(f, score);
    put(f, score); /* twice is once */
    assert_int_equal(scored(f, user, STR_NONE), 1);
    score.score_id = trace_of(2); /* a span of a trace */
    score.trace_id = trace_of(2);
    score.has_span_id = true;
    score.span_id = span_of(2);
    put(f, score);
    assert_int_equal(scored(f, user, STR_NONE), 2);
    score.score_id = trace_of(3); /* the span above one */
    score.trace_id = trace_of(3);
    score.span_id = span_of(77);
    put(f, score);
    assert_int_equal(scored(f, user, STR_NONE), 3);
    score.score_id = trace_of(4); /* another span of a trace */
    score.trace_id = trace_of(6);
    put(f, score);
    assert_int_equal(scored(f, user, STR_NONE), 3);
    score = score_make(5, SCORE_BY_USER);
    score.response_id = STR_OF("resp-1");
    put(f, score);
    score = score_make(6, SCORE_BY_USER);
    score.session_id = STR_OF("chat-1");
    put(f, score);
    assert_int_equal(scored(f, user, STR_NONE), 5);
    assert_int_equal(scored(f, judge, STR_NONE), 0);
    score = score_make(7, SCORE_BY_JUDGE);
    score.has_span_id = true; /* a span whose trace its sender did not know */
    score.span_id = span_of(6);
    put(f, score);
    assert_int_equal(scored(f, judge, STR_NONE), 1);
    assert_int_equal(scored(f, user | judge, STR_NONE), 6);
    assert_int_equal(scored(f, user | judge, STR_OF("acme")), 3); /* the others say no tenant */
}

/* shows: B5 */
static void of_traces_the_row_of_the_root_is_asked(void **state)
{
    struct fixture *f = *state;
    const struct store_condition condition = { .filter = &not_model };
    struct store_span rows[4] = { span_make(1, 1, T0), span_make(2, 2, T0 + 1),
                                  span_make(2, 3, T0 + 2), span_make(3, 4, T0 + 3) };
    SPAN_SET(&rows[1].span, step, STR_OF("request"));
    SPAN_SET(&rows[2].span, parent_span_id, span_of(2));
    SPAN_SET(&rows[3].span, parent_span_id, span_of(99)); /* whose parent never came */
    assert_int_equal(f->ops->append(f->store, rows, 4, &f->why), ERR_OK);
    struct trace_row trace = trace_make(rows, 1);
    const struct store_span *spans = rows;
    uint32_t count = 1;
    trace.root_name = STR_OF("chat");
    trace.root_step = STR_OF("model");
    trace.root_span_id = span_of(1);
    struct store_commit commit = {
        .traces = &trace, .spans = &spans, .span_counts = &count, .trace_count = 1
    };
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
    struct store_shares ask = ask_of(&condition, 1);
    struct store_share_group *groups;
    ask.of_traces = true;
    ask.filter = NULL;
    ask.by_count = 0;
    assert_int_equal(get(f, ask, &groups), 1);
    assert_int_equal(groups->count, 3);
    assert_int_equal(groups->holds[0], 1);
    struct id16 newest = trace_of(3);
    assert_memory_equal(&groups->lacks[0], &newest, 16);
}

static void what_cannot_be_asked_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct store_condition conditions[STORE_CONDITIONS_MAX + 1] = { [0] = { .score_sources =
                                                                                      1 } };
    struct store_share_group *groups;
    size_t count;
    struct store_shares ask = ask_of(conditions, STORE_CONDITIONS_MAX);
    assert_int_equal(get(f, ask, &groups), 0);
    ask.condition_count++;
    assert_int_equal(f->ops->shares(f->store, &ask, &f->arena, &groups, &count, &f->why),
                     ERR_LIMIT);
    ask = ask_of(conditions, 1);
    ask.of_traces = true;
    assert_int_equal(f->ops->shares(f->store, &ask, &f->arena, &groups, &count, &f->why),
                     ERR_BAD_INPUT);
    ask = ask_of(conditions, 1);
    ask.by[0] = FIELD_user_id;
    assert_int_equal(f->ops->shares(f->store, &ask, &f->arena, &groups, &count, &f->why),
                     ERR_BAD_INPUT);
    ask = ask_of(conditions, 1);
    ask.scope.deadline_ns = 1;
    assert_int_equal(f->ops->shares(f->store, &ask, &f->arena, &groups, &count, &f->why),
                     ERR_DEADLINE);
}

#define OVER(setup_of)                                                                             \
    cmocka_unit_test_setup_teardown(each_condition_is_counted_with_a_trace_that_lacks_it,          \
                                    setup_of, teardown),                                           \
        cmocka_unit_test_setup_teardown(                                                           \
            groups_are_the_largest_first_and_an_unknown_name_is_a_group, setup_of, teardown),      \
        cmocka_unit_test_setup_teardown(a_score_counts_for_what_it_names, setup_of, teardown),     \
        cmocka_unit_test_setup_teardown(of_traces_the_row_of_the_root_is_asked, setup_of,          \
                                        teardown),                                                 \
        cmocka_unit_test_setup_teardown(what_cannot_be_asked_is_refused, setup_of, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { OVER(setup_memory), OVER(setup_duckdb) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
