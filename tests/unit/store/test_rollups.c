/* test_rollups.c -- sums that outlive the spans say what the spans said.
 *
 * The memory store answers from spans, always; the other one from rollups where it can.  Random
 * spans, changed now and then, and random questions: the numbers must be the same, percentiles
 * within 1 %.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/rollup.h"
#include "store_help.h"

enum { TRACES = 120, SPANS_MAX = 6, DAYS = 4, ROUNDS = 2, QUESTIONS = 20 };
#define DAY_NS (86400 * NS_PER_S)

struct both {
    struct fixture memory, duckdb;
    uint64_t seed;
    uint64_t sequence;
    const char *project; /* of the next traces and questions */
};

static uint64_t next(struct both *both)
{
    both->seed ^= both->seed << 13;
    both->seed ^= both->seed >> 7;
    both->seed ^= both->seed << 17;
    return both->seed;
}

static uint32_t below(struct both *both, uint32_t count)
{
    return (uint32_t)(next(both) >> 33) % count;
}

static int setup_sparing(void **state, uint64_t rows_few)
{
    struct both *both = xcalloc(1, sizeof *both);
    *state = both;
    both->seed = 0x9e3779b97f4a7c15;
    both->project = "p1";
    if (!fixture_init(&both->memory, &store_memory))
        return -1;
    both->duckdb = (struct fixture){
        .ops = &store_duckdb, .why = DIAG_NONE, .exact_spans_max = 1, .roll_rows_few = rows_few
    };
    arena_init(&both->duckdb.arena, 512 * MIB);
    snprintf(both->duckdb.dir, sizeof both->duckdb.dir, "/tmp/store-test-XXXXXX");
    return mkdtemp(both->duckdb.dir) && fixture_open(&both->duckdb) ? 0 : -1;
}

static int setup(void **state)
{
    return setup_sparing(state, 0);
}

/* Minutes and hours have too many rows to be kept. */
static int setup_few(void **state)
{
    return setup_sparing(state, 1);
}

static int both_clear(void **state)
{
    struct both *both = *state;
    fixture_clear(&both->memory);
    fixture_clear(&both->duckdb);
    xfree(both);
    return 0;
}

static bool fixture_reopen(struct fixture *f)
{
    f->ops->close(f->store);
    return fixture_open(f);
}

/* -- spans -- */

static const char *const words[] = { "a", "b", "c", "d" };

/* One time in five it is unknown. */
static void word_set(struct both *both, struct span *span, enum field field)
{
    if (below(both, 5) == 0)
        return;
    *(str *)span_field(span, field) = str_from_c(words[below(both, COUNT_OF(words))]);
    span_mark(span, field);
}

/* From 0 to 10^11, as many small ones as large ones. */
static void number_set(struct both *both, struct span *span, enum field field)
{
    if (below(both, 5) == 0)
        return;
    *(int64_t *)span_field(span, field) = (int64_t)(next(both) >> (27 + below(both, 37)));
    span_mark(span, field);
}

static struct store_span span_random(struct both *both, uint64_t trace, uint64_t number)
{
    static const char *const steps[] = { "model", "tool", "request" };
    static const char *const statuses[] = { "ok", "error", "unset" };
    int64_t start =
        T0 - DAYS * DAY_NS + (int64_t)(trace * 7919 % TRACES) * (DAYS * DAY_NS / TRACES);
    struct store_span row =
        span_make(trace, trace * 100 + number + 1, start + (int64_t)below(both, 3000) * NS_PER_S);
    row.span.project = str_from_c(both->project);
    row.span.step = str_from_c(steps[below(both, COUNT_OF(steps))]);
    row.span.status = str_from_c(statuses[below(both, COUNT_OF(statuses))]);
    for (uint32_t dim = 0; dim < ROLLUP_DIMS; dim++)
        if (field_table[rollup_dims[dim]].type == FIELD_TYPE_STR &&
            rollup_dims[dim] != FIELD_step && rollup_dims[dim] != FIELD_status)
            word_set(both, &row.span, rollup_dims[dim]);
    for (int i = 0; i < ROLLUP_NUMBERS; i++)
        number_set(both, &row.span, rollup_numbers[i]);
    if (below(both, 2))
        SPAN_SET(&row.span, rollup, below(both, 2) == 0);
    if (number > 0)
        SPAN_SET(&row.span, parent_span_id, span_of(trace * 100 + 1));
    return row;
}

static void trace_put(struct both *both, uint64_t trace)
{
    struct store_span rows[SPANS_MAX];
    uint32_t count = 1 + below(both, SPANS_MAX);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = span_random(both, trace, i);
    both->sequence++;
    assert_int_equal(commit_trace_of(&both->memory, rows, count, both->sequence), ERR_OK);
    assert_int_equal(commit_trace_of(&both->duckdb, rows, count, both->sequence), ERR_OK);
}

static void roll_all(struct both *both)
{
    struct fixture *f = &both->duckdb;
    for (bool more = true; more;)
        assert_int_equal(f->ops->roll(f->store, &more, &f->why), ERR_OK);
}

/* -- questions -- */

static const struct filter *random_filter(struct both *both, uint32_t depth)
{
    struct filter *filter = arena_new(&both->memory.arena, struct filter, 1);
    assert_non_null(filter);
    *filter = (struct filter){ .score = STR_NONE };
    if (depth > 0 && below(both, 3) == 0) {
        static const enum filter_op joins[] = { FILTER_AND, FILTER_OR, FILTER_NOT };
        filter->op = joins[below(both, COUNT_OF(joins))];
        filter->left = random_filter(both, depth - 1);
        filter->right = filter->op == FILTER_NOT ? NULL : random_filter(both, depth - 1);
        return filter;
    }
    static const enum filter_op ops[] = { FILTER_EQ, FILTER_NE, FILTER_LIKE, FILTER_EXISTS };
    filter->field = rollup_dims[below(both, ROLLUP_DIMS)];
    filter->op = ops[below(both, COUNT_OF(ops))];
    filter->value = value_str(str_from_c(words[below(both, COUNT_OF(words))]));
    if (filter->field == FIELD_parent_span_id)
        filter->op = FILTER_EXISTS;
    else if (filter->field == FIELD_rollup)
        *filter = leaf_of(FILTER_EQ, FIELD_rollup, value_bool(below(both, 2) == 0));
    else if (filter->field == FIELD_status)
        *filter = leaf_of(FILTER_EQ, FIELD_status, value_str(STR_OF("error")));
    return filter;
}

static struct store_measure random_measure(struct both *both)
{
    int number = (int)below(both, ROLLUP_NUMBERS);
    enum field field = rollup_numbers[number];
    switch (below(both, 6)) {
    case 0:
        return measure_of(STORE_OP_COUNT);
    case 1:
        return measure_field(STORE_OP_COUNT, field);
    case 2:
        return measure_field(STORE_OP_SUM, field);
    case 3:
        return measure_quantile(rollup_numbers[number % ROLLUP_BINNED],
                                (double)below(both, 101) / 100);
    case 4:
        return measure_field(below(both, 2) ? STORE_OP_MIN : STORE_OP_MAX,
                             rollup_numbers[number % ROLLUP_BOUNDED]);
    default:
        return measure_field(STORE_OP_MIN, FIELD_start_time);
    }
}

static struct store_aggregate *random_ask(struct both *both)
{
    static const int64_t steps[] = { 0,         60 * NS_PER_S,   900 * NS_PER_S, 3600 * NS_PER_S,
                                     0,         7200 * NS_PER_S, DAY_NS,         7 * DAY_NS,
                                     1000000007 };
    struct store_aggregate *ask = arena_new(&both->memory.arena, struct store_aggregate, 1);
    assert_non_null(ask);
    *ask =
        (struct store_aggregate){ .scope = { .project = str_from_c(both->project), .range = EVER },
                                  .limit = 100000,
                                  .step_ns = steps[below(both, COUNT_OF(steps))] };
    ask->scope.tenant = below(both, 6) ? STR_NONE : STR_OF("b");
    if (below(both, 3)) {
        int64_t unit = below(both, 2) ? 1 : 3600 * NS_PER_S;
        int64_t from = T0 - DAYS * DAY_NS + (int64_t)(next(both) >> 2) % (DAYS * DAY_NS);
        ask->scope.range.from_ns = from / unit * unit;
        ask->scope.range.to_ns =
            ask->scope.range.from_ns + 1 + (int64_t)(next(both) >> 2) % DAY_NS * 2;
    }
    uint32_t dims = below(both, 2) ? ROLLUP_DIMS_FEW : ROLLUP_DIMS;
    for (uint32_t i = below(both, 3); i > 0; i--)
        ask->by[ask->by_count++] = rollup_dims[below(both, dims)];
    for (uint32_t i = 0; i < ask->by_count; i++)
        if (ask->by[i] == FIELD_parent_span_id)
            ask->by[i] = FIELD_step;
    ask->filter = below(both, 2) ? random_filter(both, 2) : NULL;
    for (uint32_t i = 1 + below(both, 5); i > 0; i--) {
        struct store_measure measure = random_measure(both);
        measure.filter = below(both, 3) ? NULL : random_filter(both, 1);
        ask->measures[ask->measure_count++] = measure;
    }
    return ask;
}

static int by_key(const void *a, const void *b)
{
    const struct store_group *x = a, *y = b;
    if (x->bucket_ns != y->bucket_ns)
        return x->bucket_ns < y->bucket_ns ? -1 : 1;
    for (int i = 0; i < STORE_BY_MAX; i++) {
        int order = str_is_none(x->by[i]) || str_is_none(y->by[i])
                        ? (int)str_is_none(x->by[i]) - (int)str_is_none(y->by[i])
                        : str_cmp(x->by[i], y->by[i]);
        if (order)
            return order;
    }
    return 0;
}

static void numbers_agree(const struct store_measure *measure, bool is_approximate,
                          const struct store_group *exact, const struct store_group *got,
                          uint32_t index)
{
    double want = exact->values[index], have = got->values[index];
    bool is_near = measure->op == STORE_OP_QUANTILE && is_approximate;
    assert_int_equal(exact->known[index], got->known[index]);
    if (exact->known[index] && fabs(want - have) > fabs(want) * (is_near ? 0.01 : 1e-12))
        fail_msg("%.17g rather than %.17g", have, want);
}

/* Which tables the second store took. */
static uint32_t answers_agree(struct both *both, struct store_aggregate *ask)
{
    struct store_group *exact, *got;
    struct store_sources sources = { 0 };
    size_t exact_count = 0, got_count = 0;
    struct fixture *memory = &both->memory, *duckdb = &both->duckdb;
    assert_int_equal(memory->ops->aggregate(memory->store, ask, &memory->arena, &exact,
                                            &exact_count, &memory->why),
                     ERR_OK);
    ask->sources = &sources;
    enum err code =
        duckdb->ops->aggregate(duckdb->store, ask, &duckdb->arena, &got, &got_count, &duckdb->why);
    if (code != ERR_OK)
        fail_msg("%s", duckdb->why.text);
    assert_int_equal(exact_count, got_count);
    if (got_count == 0)
        return sources.tables;
    qsort(exact, exact_count, sizeof *exact, by_key);
    qsort(got, got_count, sizeof *got, by_key);
    for (size_t i = 0; i < got_count; i++) {
        assert_int_equal(by_key(&exact[i], &got[i]), 0);
        for (uint32_t m = 0; m < ask->measure_count; m++)
            numbers_agree(&ask->measures[m], sources.is_approximate, &exact[i], &got[i], m);
    }
    return sources.tables;
}

static uint32_t ask_many(struct both *both)
{
    uint32_t tables = 0;
    for (int i = 0; i < QUESTIONS; i++) {
        tables |= answers_agree(both, random_ask(both));
        arena_reset(&both->memory.arena);
        arena_reset(&both->duckdb.arena);
    }
    return tables;
}

static void rollups_say_what_the_spans_say(void **state)
{
    struct both *both = *state;
    for (uint64_t trace = 1; trace <= TRACES; trace++)
        trace_put(both, trace);
    assert_int_equal(ask_many(both), STORE_FROM_SPANS);
    roll_all(both);
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(ask_many(both), STORE_FROM_SPANS | STORE_FROM_MINUTES | STORE_FROM_HOURS |
                                             STORE_FROM_DAYS);
        /* Some traces change: their days are asked of spans, until they are rolled up again. */
        for (int i = 0; i < 3; i++)
            trace_put(both, 1 + below(both, TRACES));
        (void)ask_many(both);
        if (round % 2)
            roll_all(both);
    }
}

static void rollups_are_there_after_a_restart(void **state)
{
    struct both *both = *state;
    struct fixture *f = &both->duckdb;
    for (uint64_t trace = 1; trace <= TRACES; trace++)
        trace_put(both, trace);
    roll_all(both);
    assert_true(fixture_reopen(f));
    struct store_aggregate *ask = random_ask(both);
    *ask = (struct store_aggregate){ .scope = { .project = STR_OF("p1"),
                                                .tenant = STR_NONE,
                                                .range = { T0 - 9 * DAY_NS, T0 + 9 * DAY_NS } },
                                     .limit = 10,
                                     .measures = { measure_of(STORE_OP_COUNT) },
                                     .measure_count = 1 };
    assert_int_equal(answers_agree(both, ask), STORE_FROM_DAYS);
    trace_put(both, 1);
    assert_int_equal(answers_agree(both, ask), STORE_FROM_DAYS | STORE_FROM_SPANS);
}

static void what_is_not_kept_is_asked_of_spans(void **state)
{
    struct both *both = *state;
    for (uint64_t trace = 1; trace <= TRACES; trace++)
        trace_put(both, trace);
    roll_all(both);
    assert_int_equal(ask_many(both) & STORE_FROM_DAYS, STORE_FROM_DAYS);
    trace_put(both, 5);
    (void)ask_many(both);
}

/* -- expiry -- */

static void expire_before(struct both *both, struct store_keep keep, int64_t grace_ns,
                          struct store_expired *ret_expired)
{
    struct fixture *f = &both->duckdb;
    struct store_keep keeps[2] = { { STR_NONE, INT64_MIN, INT64_MIN, INT64_MIN }, keep };
    struct store_expiry expiry = { .keeps = keeps, .keep_count = 2, .grace_ns = grace_ns };
    struct store_expired plan = { .to_ns = INT64_MIN };
    expiry.is_plan = true;
    assert_int_equal(f->ops->expire(f->store, &expiry, &plan, &f->why), ERR_OK);
    expiry.is_plan = false;
    *ret_expired = (struct store_expired){ .to_ns = INT64_MIN, .more = true };
    while (ret_expired->more)
        assert_int_equal(f->ops->expire(f->store, &expiry, ret_expired, &f->why), ERR_OK);
    assert_int_equal(plan.span_count, ret_expired->span_count);
    assert_int_equal(plan.trace_count, ret_expired->trace_count);
    assert_int_equal(plan.score_count, ret_expired->score_count);
    assert_int_equal(plan.day_count, ret_expired->day_count);
    assert_int_equal(plan.to_ns, ret_expired->to_ns);
}

static struct store_keep keep_spans(const char *project, int64_t before_ns)
{
    return (struct store_keep){ str_from_c(project), before_ns, INT64_MIN, INT64_MIN };
}

static size_t spans_of(struct fixture *f, const char *project)
{
    struct store_list list = list_of(NULL, 100000);
    list.scope.project = str_from_c(project);
    return count_spans(f, list);
}

/* Whole days, by what is kept for ever. */
static struct store_aggregate *random_kept(struct both *both)
{
    struct store_aggregate *ask = random_ask(both);
    ask->step_ns = below(both, 2) ? DAY_NS : 0;
    ask->scope.range = EVER;
    ask->scope.tenant = STR_NONE;
    ask->filter = NULL;
    if (ask->by_count > 0)
        ask->by[0] = FIELD_generator_model;
    ask->by_count = MIN(ask->by_count, 1U);
    for (uint32_t i = 0; i < ask->measure_count; i++)
        ask->measures[i].filter = NULL;
    return ask;
}

static void ask_kept(struct both *both)
{
    for (int i = 0; i < QUESTIONS; i++) {
        (void)answers_agree(both, random_kept(both));
        arena_reset(&both->memory.arena);
        arena_reset(&both->duckdb.arena);
    }
}

static void fill(struct both *both, const char *project, uint64_t first)
{
    both->project = project;
    for (uint64_t trace = first; trace < first + TRACES; trace++)
        trace_put(both, trace);
}

/* The memory store keeps everything: what it says is what the spans said. */
static void numbers_outlive_their_spans(void **state)
{
    struct both *both = *state;
    struct store_expired expired;
    fill(both, "p1", 1);
    size_t all = spans_of(&both->memory, "p1");
    assert_int_equal(spans_of(&both->duckdb, "p1"), all);
    expire_before(both, keep_spans("p1", T0 - DAY_NS), 0, &expired);
    assert_int_equal(expired.day_count, DAYS - 1);
    assert_true(expired.span_count > 0 && expired.disk_bytes > 0);
    assert_int_equal(spans_of(&both->duckdb, "p1"), all - expired.span_count);
    ask_kept(both);
    assert_true(fixture_reopen(&both->duckdb));
    assert_int_equal(spans_of(&both->duckdb, "p1"), all - expired.span_count);
    ask_kept(both);
    expire_before(both, keep_spans("p1", T0 + 9 * DAY_NS), 0, &expired);
    assert_int_equal(spans_of(&both->duckdb, "p1"), 0);
    ask_kept(both);
}

static void a_day_goes_when_its_last_instant_may_and_not_before(void **state)
{
    struct both *both = *state;
    struct store_expired expired;
    struct store_span row = span_make(1, 1, T0);
    assert_int_equal(commit_trace_of(&both->duckdb, &row, 1, 1), ERR_OK);
    expire_before(both, keep_spans("p1", T0 + DAY_NS - 1), 0, &expired);
    assert_int_equal(expired.span_count + expired.day_count, 0);
    assert_int_equal(spans_of(&both->duckdb, "p1"), 1);
    expire_before(both, keep_spans("other", INT64_MAX), 0, &expired);
    assert_int_equal(expired.span_count + expired.day_count, 0);
    expire_before(both, keep_spans("p1", T0 + DAY_NS), 0, &expired);
    assert_int_equal(expired.span_count, 1);
    assert_int_equal(spans_of(&both->duckdb, "p1"), 0);
}

static void one_project_expires_beside_another(void **state)
{
    struct both *both = *state;
    struct store_expired expired;
    fill(both, "p1", 1);
    fill(both, "p2", 1000);
    size_t others = spans_of(&both->memory, "p2");
    expire_before(both, keep_spans("p1", T0), 0, &expired);
    assert_int_equal(expired.day_count, 0);
    assert_int_equal(spans_of(&both->duckdb, "p2"), others);
    for (int round = 0; round < 2; round++) {
        both->project = "p1";
        ask_kept(both);
        both->project = "p2";
        ask_kept(both);
        /* The other one's days change, and are rolled up again. */
        for (uint64_t i = 0; i < 5; i++)
            trace_put(both, 1000 + below(both, TRACES));
        both->project = "p1";
        ask_kept(both);
        roll_all(both);
    }
    both->project = "p2";
    (void)ask_many(both);
}

static void late_spans_of_an_expired_day_are_kept(void **state)
{
    struct both *both = *state;
    struct store_expired expired;
    struct store_span row = span_make(1, 1, T0 - 200 * DAY_NS), late = span_make(2, 2, 0);
    late.span.start_time = row.span.start_time + 5;
    assert_int_equal(commit_trace_of(&both->duckdb, &row, 1, 1), ERR_OK);
    assert_int_equal(commit_trace_of(&both->memory, &row, 1, 1), ERR_OK);
    expire_before(both, keep_spans("p1", T0 - 100 * DAY_NS), 0, &expired);
    assert_int_equal(expired.day_count, 1);
    assert_int_equal(commit_trace_of(&both->duckdb, &late, 1, 2), ERR_OK);
    assert_int_equal(commit_trace_of(&both->memory, &late, 1, 2), ERR_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(spans_of(&both->duckdb, "p1"), 1);
        ask_kept(both);
        roll_all(both);
        assert_true(fixture_reopen(&both->duckdb));
    }
}

/* Killed before the file could be unlinked: it goes at the next start, and is not seen. */
static void a_file_that_a_kill_left_goes_at_the_start(void **state)
{
    struct both *both = *state;
    struct store_expired expired;
    struct store_span row = span_make(1, 1, T0);
    char path[128];
    snprintf(path, sizeof path, "%s/spans_20261121.duckdb", both->duckdb.dir);
    assert_int_equal(commit_trace_of(&both->duckdb, &row, 1, 1), ERR_OK);
    assert_int_equal(commit_trace_of(&both->memory, &row, 1, 1), ERR_OK);
    expire_before(both, keep_spans("p1", T0 + DAY_NS), 3600 * NS_PER_S, &expired);
    assert_int_equal(expired.day_count, 1);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(spans_of(&both->duckdb, "p1"), 0);
    ask_kept(both);
    assert_true(fixture_reopen(&both->duckdb));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(spans_of(&both->duckdb, "p1"), 0);
    ask_kept(both);
}

static void rollups_expire_by_whole_buckets(void **state)
{
    struct both *both = *state;
    struct store_expired expired;
    struct store_aggregate *ask = random_ask(both);
    struct store_keep keep = keep_spans("p1", T0 + DAY_NS);
    struct store_span row = span_make(1, 1, T0);
    struct store_group *groups;
    size_t count;
    *ask = (struct store_aggregate){ .scope = { .project = STR_OF("p1"), .range = EVER },
                                     .limit = 10,
                                     .measures = { measure_of(STORE_OP_COUNT) },
                                     .measure_count = 1 };
    assert_int_equal(commit_trace_of(&both->duckdb, &row, 1, 1), ERR_OK);
    for (int64_t past = 0; past < 2; past++) {
        struct fixture *f = &both->duckdb;
        keep.rollups_before_ns = T0 + DAY_NS - 1 + past;
        expire_before(both, keep, 0, &expired);
        assert_int_equal(f->ops->aggregate(f->store, ask, &f->arena, &groups, &count, &f->why),
                         ERR_OK);
        assert_int_equal(count, past ? 0 : 1);
    }
}

static void scores_expire_by_their_own_time(void **state)
{
    struct both *both = *state;
    struct fixture *f = &both->duckdb;
    struct store_expired expired;
    str project = STR_OF("p1");
    struct store_keep keep = { STR_OF("p1"), INT64_MIN, T0 + 1, INT64_MIN };
    for (uint64_t i = 0; i < 2; i++) {
        struct score score = { .score_id = trace_of(i + 1), .time_ns = T0 + (int64_t)i };
        str *texts[SCORE_TEXTS];
        score_texts(&score, texts);
        for (size_t k = 0; k < SCORE_TEXTS; k++)
            *texts[k] = STR_NONE;
        score.name = STR_OF("tone");
        struct store_commit commit = { .scores = &score,
                                       .score_projects = &project,
                                       .score_count = 1 };
        assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
    }
    expire_before(both, keep, 0, &expired);
    struct store_status status;
    f->ops->status(f->store, &status);
    assert_int_equal(expired.score_count, 1);
    assert_int_equal(status.score_count, 1);
    expire_before(both, keep, 0, &expired);
    assert_int_equal(expired.score_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rollups_say_what_the_spans_say, setup, both_clear),
        cmocka_unit_test_setup_teardown(rollups_are_there_after_a_restart, setup, both_clear),
        cmocka_unit_test_setup_teardown(what_is_not_kept_is_asked_of_spans, setup_few, both_clear),
        cmocka_unit_test_setup_teardown(numbers_outlive_their_spans, setup, both_clear),
        cmocka_unit_test_setup_teardown(numbers_outlive_their_spans, setup_few, both_clear),
        cmocka_unit_test_setup_teardown(a_day_goes_when_its_last_instant_may_and_not_before, setup,
                                        both_clear),
        cmocka_unit_test_setup_teardown(one_project_expires_beside_another, setup, both_clear),
        cmocka_unit_test_setup_teardown(late_spans_of_an_expired_day_are_kept, setup, both_clear),
        cmocka_unit_test_setup_teardown(a_file_that_a_kill_left_goes_at_the_start, setup,
                                        both_clear),
        cmocka_unit_test_setup_teardown(rollups_expire_by_whole_buckets, setup, both_clear),
        cmocka_unit_test_setup_teardown(scores_expire_by_their_own_time, setup, both_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
