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

enum { TRACES = 120, SPANS_MAX = 6, DAYS = 4, ROUNDS = 2, QUESTIONS = 60 };
#define DAY_NS (86400 * NS_PER_S)

struct both {
    struct fixture memory, duckdb;
    uint64_t seed;
    uint64_t sequence;
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

static int setup(void **state)
{
    struct both *both = xcalloc(1, sizeof *both);
    *state = both;
    both->seed = 0x9e3779b97f4a7c15;
    both->duckdb.exact_spans_max = 1;
    if (!fixture_init(&both->memory, &store_memory))
        return -1;
    both->duckdb = (struct fixture){ .ops = &store_duckdb, .why = DIAG_NONE, .exact_spans_max = 1 };
    arena_init(&both->duckdb.arena, 512 * MIB);
    snprintf(both->duckdb.dir, sizeof both->duckdb.dir, "/tmp/store-test-XXXXXX");
    return mkdtemp(both->duckdb.dir) && fixture_open(&both->duckdb) ? 0 : -1;
}

static int teardown(void **state)
{
    struct both *both = *state;
    fixture_clear(&both->memory);
    fixture_clear(&both->duckdb);
    xfree(both);
    return 0;
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
    *ask = (struct store_aggregate){ .scope = { .project = STR_OF("p1"), .range = EVER },
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
    f->ops->close(f->store);
    assert_true(fixture_open(f));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rollups_say_what_the_spans_say, setup, teardown),
        cmocka_unit_test_setup_teardown(rollups_are_there_after_a_restart, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
