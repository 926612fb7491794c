/* test_property.c -- random spans and questions: both stores give the same answers.
 *
 * Two seeds: a fixed one, and a fresh one that is printed; STORE_SEED repeats it,
 * STORE_QUESTIONS asks more of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "store_help.h"
#include "sys/clock.h"

enum { TRACES = 120, QUESTIONS = 40, SPANS_MAX = 6, SCORES = 60 };

struct random {
    uint64_t state;
};

static uint64_t next(struct random *random, uint64_t below)
{
    random->state++;
    return hash_bytes(&random->state, sizeof random->state) % below;
}

static const char *const words[] = { "alpha", "beta",  "Beta", "gamma delta",
                                     "100%",  "a_b",   "x'y",  "model",
                                     "tool",  "error", "",     "\xc3\xa9t\xc3\xa9" };

static str word(struct random *random)
{
    return str_from_c(words[next(random, COUNT_OF(words))]);
}

static int64_t number(struct random *random)
{
    static const int64_t numbers[] = { 0, 1, 2, 5, -1, 1000, INT64_MAX, INT64_MIN, 7, 5 };
    return numbers[next(random, COUNT_OF(numbers))];
}

static double fraction(struct random *random)
{
    static const double numbers[] = { 0, 0.5, 1, 2.25, -3, 1e300, 5 };
    return numbers[next(random, COUNT_OF(numbers))];
}

static str *word_list(struct arena *arena, struct random *random, uint32_t *ret_count)
{
    *ret_count = (uint32_t)next(random, 3);
    str *items = arena_new(arena, str, *ret_count);
    for (uint32_t i = 0; i < *ret_count; i++)
        items[i] = word(random);
    return items;
}

static void field_fill(struct arena *arena, struct random *random, struct span *span,
                       enum field field)
{
    void *at = span_field(span, field);
    uint32_t count;
    switch (field_table[field].type) {
    case FIELD_TYPE_ID16:
        *(struct id16 *)at = trace_of(next(random, 4));
        break;
    case FIELD_TYPE_ID8:
        *(struct id8 *)at = span_of(next(random, 4));
        break;
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        *(str *)at = word(random);
        break;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        *(int64_t *)at = number(random);
        break;
    case FIELD_TYPE_F64:
        *(double *)at = fraction(random);
        break;
    case FIELD_TYPE_BOOL:
        *(bool *)at = next(random, 2) == 1;
        break;
    case FIELD_TYPE_STRS: {
        const str *items = word_list(arena, random, &count);
        *(struct strs *)at = (struct strs){ items, count };
        break;
    }
    case FIELD_TYPE_F64S: {
        double *items = arena_new(arena, double, 2);
        items[0] = fraction(random);
        items[1] = fraction(random);
        *(struct f64s *)at = (struct f64s){ items, 2 };
        break;
    }
    }
    span_mark(span, field);
}

static struct value value_random(struct random *random)
{
    switch (next(random, 6)) {
    case 0:
        return value_i64(number(random));
    case 1:
        return value_f64(fraction(random));
    case 2:
        return value_bool(next(random, 2) == 1);
    case 3:
        return (struct value){ .type = VALUE_NULL };
    default:
        return value_str(word(random));
    }
}

static const char *const keys[] = { "plain", "dotted.key", "with/slash~", "quote\"'", "5" };

static void span_random(struct arena *arena, struct random *random, struct store_span *row)
{
    for (enum field field = 0; field < FIELD_COUNT; field++) {
        enum field_column column = field_table[field].column;
        bool fixed = column == FIELD_COLUMN_KEY || field == FIELD_project ||
                     field == FIELD_start_time || field == FIELD_latency_ns;
        if (!fixed && next(random, 3) == 0)
            field_fill(arena, random, &row->span, field);
    }
    /* What sums must not overflow is tested elsewhere; ties of dimensions have no order. */
    enum field no_ties[] = { FIELD_parent_span_id, FIELD_tenant_id };
    for (size_t i = 0; i < COUNT_OF(no_ties); i++)
        span_forget(&row->span, no_ties[i]);
    /* Sums that saturate depend on the order of their parts. */
    int64_t *summed[] = { &row->span.input_tokens, &row->span.output_tokens,
                          &row->span.total_tokens, &row->span.cost_nanousd };
    for (size_t i = 0; i < COUNT_OF(summed); i++)
        *summed[i] %= 1000000;
    struct attr *attrs = arena_new(arena, struct attr, COUNT_OF(keys));
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (next(random, 2))
            attrs[row->span.attr_count++] =
                (struct attr){ str_from_c(keys[i]), value_random(random) };
    row->span.attrs = attrs;
}

static struct filter *filter_random(struct arena *arena, struct random *random, int depth)
{
    struct filter *filter = arena_new(arena, struct filter, 1);
    if (depth > 0 && next(random, 3) == 0) {
        filter->op = (enum filter_op)next(random, 3);
        filter->left = filter_random(arena, random, depth - 1);
        filter->right = filter_random(arena, random, depth - 1);
        return filter;
    }
    filter->op = (enum filter_op)(FILTER_EQ + next(random, 8));
    filter->field = (enum field)next(random, FIELD_COUNT);
    if (next(random, 8) == 0) {
        filter->field = FIELD_COUNT;
        filter->attr_key = str_from_c(keys[next(random, COUNT_OF(keys))]);
        filter->value = value_random(random);
        if (filter->value.type == VALUE_NULL)
            filter->value = value_i64(5);
        return filter;
    }
    struct span span = { 0 };
    field_fill(arena, random, &span, filter->field);
    const void *at = span_field_const(&span, filter->field);
    switch (field_table[filter->field].type) {
    case FIELD_TYPE_ID16:
        filter->value = value_str(arena_printf(arena, "%02x*", *(const uint8_t *)at));
        break;
    case FIELD_TYPE_ID8:
        filter->value = value_str(arena_printf(arena, "%02x00000000000000", *(const uint8_t *)at));
        break;
    case FIELD_TYPE_F64:
    case FIELD_TYPE_F64S:
        filter->value = value_f64(fraction(random));
        break;
    case FIELD_TYPE_BOOL:
        filter->value = value_bool(*(const bool *)at);
        break;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        filter->value =
            next(random, 4) ? value_i64(*(const int64_t *)at) : value_f64(fraction(random));
        break;
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
    case FIELD_TYPE_STRS:
        filter->value = filter->op == FILTER_LIKE && next(random, 2) ? value_str(STR_OF("*a*"))
                                                                     : value_str(word(random));
        break;
    }
    return filter;
}

static void fill(struct fixture *memory, struct fixture *duckdb, struct random *random)
{
    uint64_t sequence = 0;
    for (uint64_t t = 1; t <= TRACES; t++) {
        struct store_span rows[SPANS_MAX];
        uint32_t count = 1 + (uint32_t)next(random, SPANS_MAX);
        for (uint32_t i = 0; i < count; i++) {
            rows[i] = span_make(t, i + 1, T0 + (int64_t)t * 1800 * NS_PER_S + i);
            rows[i].span.latency_ns = (int64_t)(t * 100 + i);
            span_random(&memory->arena, random, &rows[i]);
        }
        bool settled = next(random, 3) > 0;
        struct fixture *both[] = { memory, duckdb };
        sequence++;
        for (size_t s = 0; s < 2; s++) {
            assert_int_equal(both[s]->ops->append(both[s]->store, rows, count, &both[s]->why),
                             ERR_OK);
            if (settled)
                assert_int_equal(commit_trace_of(both[s], rows, count, sequence), ERR_OK);
        }
    }
}

/* Scores by all the ways in which they name spans. */
static void fill_scores(struct fixture *memory, struct fixture *duckdb, struct random *random)
{
    static const char *const labels[] = { "pass", "PASSED", "bad" };
    for (uint64_t i = 1; i <= SCORES; i++) {
        struct score score = { .score_id = trace_of(i), .time_ns = T0, .type = SCORE_NUMBER };
        str *texts[SCORE_TEXTS];
        score_texts(&score, texts);
        for (size_t t = 0; t < SCORE_TEXTS; t++)
            *texts[t] = STR_NONE;
        score.name = next(random, 2) ? STR_OF("good") : STR_OF("other");
        score.source = (enum score_source)next(random, SCORE_SOURCE_COUNT);
        score.has_trace_id = next(random, 2);
        score.trace_id = trace_of(1 + next(random, TRACES));
        score.has_span_id = next(random, 2);
        score.span_id = span_of(1 + next(random, SPANS_MAX));
        score.response_id = next(random, 2) ? word(random) : STR_NONE;
        score.session_id = next(random, 2) ? word(random) : STR_NONE;
        score.has_value = next(random, 3) > 0;
        score.value = (double)next(random, 8) / 8;
        if (next(random, 2))
            score.label = str_from_c(labels[next(random, COUNT_OF(labels))]);
        str project = STR_OF("p1");
        struct store_commit commit = { .scores = &score,
                                       .score_projects = &project,
                                       .score_count = 1,
                                       .checkpoint_sequence = TRACES + i };
        assert_int_equal(memory->ops->commit(memory->store, &commit, &memory->why), ERR_OK);
        assert_int_equal(duckdb->ops->commit(duckdb->store, &commit, &duckdb->why), ERR_OK);
    }
}

static void filter_print(const struct filter *filter, int depth)
{
    static const char *const ops[] = { "and", "or", "not", "=",    "!=",    "<",
                                       "<=",  ">",  ">=",  "like", "exists" };
    if (!filter)
        return;
    bool is_leaf = filter->op > FILTER_NOT;
    fprintf(stderr, "# %*s%s", 2 * depth, "", ops[filter->op]);
    if (is_leaf && filter->field == FIELD_COUNT)
        fprintf(stderr, " attribute %.*s", STR_ARG(filter->attr_key));
    else if (is_leaf)
        fprintf(stderr, " %s", field_table[filter->field].name);
    if (is_leaf && filter->value.type == VALUE_STR)
        fprintf(stderr, " '%.*s'", STR_ARG(filter->value.text));
    fprintf(stderr, "\n");
    if (is_leaf)
        return;
    filter_print(filter->left, depth + 1);
    if (filter->op != FILTER_NOT)
        filter_print(filter->right, depth + 1);
}

static void same_spans(struct fixture *a, struct fixture *b, const struct store_list *list,
                       struct arena *arena)
{
    struct store_span *x, *y;
    size_t x_count = 0, y_count = 0;
    assert_int_equal(a->ops->spans(a->store, list, arena, &x, &x_count, &a->why), ERR_OK);
    enum err code = b->ops->spans(b->store, list, arena, &y, &y_count, &b->why);
    if (code != ERR_OK)
        fprintf(stderr, "# %s\n", b->why.text);
    assert_int_equal(code, ERR_OK);
    if (x_count != y_count)
        filter_print(list->filter, 0);
    assert_int_equal(x_count, y_count);
    struct buf p, q;
    buf_init(&p, MIB);
    buf_init(&q, MIB);
    for (size_t i = 0; i < x_count; i++) {
        buf_reset(&p);
        buf_reset(&q);
        span_fields_to_json(&p, &x[i].span);
        span_fields_to_json(&q, &y[i].span);
        buf_add_str(&p, x[i].attrs_json);
        buf_add_str(&q, y[i].attrs_json);
        if (!str_equal(buf_str(&p), buf_str(&q)))
            fprintf(stderr, "# %.*s\n# %.*s\n", STR_ARG(buf_str(&p)), STR_ARG(buf_str(&q)));
        assert_true(str_equal(buf_str(&p), buf_str(&q)));
        assert_int_equal(x[i].settled, y[i].settled);
    }
    buf_clear(&p);
    buf_clear(&q);
}

static void same_traces(struct fixture *a, struct fixture *b, const struct store_list *list,
                        struct arena *arena)
{
    struct trace_row *x, *y;
    size_t x_count = 0, y_count = 0;
    assert_int_equal(a->ops->traces(a->store, list, arena, &x, &x_count, &a->why), ERR_OK);
    enum err code = b->ops->traces(b->store, list, arena, &y, &y_count, &b->why);
    if (code != ERR_OK)
        fprintf(stderr, "# %s\n", b->why.text);
    assert_int_equal(code, ERR_OK);
    if (x_count != y_count)
        filter_print(list->filter, 0);
    assert_int_equal(x_count, y_count);
    for (size_t i = 0; i < x_count; i++) {
        assert_memory_equal(&x[i].trace_id, &y[i].trace_id, 16);
        assert_int_equal(x[i].settled, y[i].settled);
        assert_int_equal(x[i].span_count, y[i].span_count);
        assert_int_equal(x[i].has_input, y[i].has_input);
        assert_int_equal(x[i].has_output, y[i].has_output);
        if (x[i].has_input || x[i].has_output)
            assert_int_equal(x[i].input_tokens, y[i].input_tokens);
        assert_int_equal(x[i].end_ns, y[i].end_ns);
        assert_int_equal(x[i].model_call_count, y[i].model_call_count);
        assert_int_equal(x[i].retry_count, y[i].retry_count);
        assert_true(str_equal(x[i].generator_model, y[i].generator_model));
        assert_true(str_equal(x[i].root_name, y[i].root_name));
    }
}

static int by_key(const void *a, const void *b)
{
    const struct store_group *x = a, *y = b;
    if (x->bucket_ns != y->bucket_ns)
        return x->bucket_ns < y->bucket_ns ? -1 : 1;
    for (int i = 0; i < STORE_BY_MAX; i++) {
        if (str_is_none(x->by[i]) != str_is_none(y->by[i]))
            return str_is_none(x->by[i]) ? -1 : 1;
        int order = str_cmp(x->by[i], y->by[i]);
        if (order)
            return order;
    }
    return 0;
}

static void same_number(const struct store_measure *measure, const struct store_group *x,
                        const struct store_group *y, uint32_t m)
{
    double p = x->values[m], q = y->values[m];
    bool is_exact = measure->op == STORE_OP_COUNT || measure->op == STORE_OP_TRACES ||
                    measure->op == STORE_OP_DISTINCT || measure->of == STORE_OF_SCORES;
    double close = is_exact ? 1e-9 : 1e-9 * fabs(p) + 1e5; /* sums of large numbers that cancel */
    bool is_same = x->known[m] == y->known[m] && (!x->known[m] || fabs(p - q) <= close);
    if (!is_same)
        fprintf(stderr, "# op %d of %d field %s: %d %g and %d %g\n", (int)measure->op,
                (int)measure->of,
                measure->of == STORE_OF_FIELD ? field_table[measure->field].name : "", x->known[m],
                p, y->known[m], q);
    assert_true(is_same);
}

static void same_groups(struct fixture *a, struct fixture *b, const struct store_aggregate *ask,
                        struct arena *arena)
{
    struct store_group *x, *y;
    size_t x_count = 0, y_count = 0;
    assert_int_equal(a->ops->aggregate(a->store, ask, arena, &x, &x_count, &a->why), ERR_OK);
    enum err code = b->ops->aggregate(b->store, ask, arena, &y, &y_count, &b->why);
    if (code != ERR_OK)
        fprintf(stderr, "# %s\n", b->why.text);
    assert_int_equal(code, ERR_OK);
    if (x_count != y_count)
        fprintf(stderr, "# groups of %u keys, step %lld: %zu and %zu\n", ask->by_count,
                (long long)ask->step_ns, x_count, y_count);
    assert_int_equal(x_count, y_count);
    if (x_count == 0)
        return;
    qsort(x, x_count, sizeof *x, by_key);
    qsort(y, y_count, sizeof *y, by_key);
    for (size_t i = 0; i < x_count; i++) {
        assert_int_equal(by_key(&x[i], &y[i]), 0);
        assert_memory_equal(&x[i].exemplar_trace_id, &y[i].exemplar_trace_id, 16);
        for (uint32_t m = 0; m < ask->measure_count; m++)
            same_number(&ask->measures[m], &x[i], &y[i], m);
    }
}

static void measure_random(struct arena *arena, struct random *random,
                           struct store_measure *measure)
{
    static const enum field numbers[] = { FIELD_input_tokens, FIELD_latency_ns,
                                          FIELD_ttft_ns,      FIELD_queue_ns,
                                          FIELD_cost_nanousd, FIELD_fallback,
                                          FIELD_temperature,  FIELD_document_scores,
                                          FIELD_max_tokens,   FIELD_stream };
    static const enum field keyed[] = { FIELD_user_id, FIELD_step, FIELD_max_tokens, FIELD_source };
    static const enum store_of of[] = { STORE_OF_FIELD, STORE_OF_FIELD, STORE_OF_ATTR, STORE_OF_END,
                                        STORE_OF_SCORES };
    *measure = measure_of((enum store_op)next(random, STORE_OP_COUNT_OF));
    if (measure->op == STORE_OP_VARIANCE) /* is compared on numbers of its own */
        measure->op = STORE_OP_SUM;
    measure->quantile = (double)next(random, 101) / 100;
    if (next(random, 2))
        measure->filter = filter_random(arena, random, 1);
    measure->is_evaluated = next(random, 4) == 0;
    if (measure->op == STORE_OP_DISTINCT) {
        measure->of = STORE_OF_FIELD;
        measure->field = keyed[next(random, COUNT_OF(keyed))];
    } else if (measure->op != STORE_OP_TRACES) {
        measure->of = of[next(random, COUNT_OF(of))];
        measure->field = numbers[next(random, COUNT_OF(numbers))];
        if (measure->of == STORE_OF_ATTR)
            measure->name = str_from_c(keys[next(random, COUNT_OF(keys))]);
        else if (measure->of == STORE_OF_SCORES && next(random, 2))
            measure->name = STR_OF("good");
        measure->sources = (uint32_t)next(random, 32);
        measure->verdict = (enum store_verdict)next(random, 3);
    }
}

static void ask_random(struct arena *arena, struct random *random, struct store_aggregate *ask)
{
    static const enum field by[] = { FIELD_generator_model, FIELD_step,   FIELD_user_id,
                                     FIELD_stream,          FIELD_source, FIELD_max_tokens,
                                     FIELD_fallback,        FIELD_COUNT };
    ask->by_count = (uint32_t)next(random, 3);
    for (uint32_t i = 0; i < ask->by_count; i++) {
        ask->by[i] = by[next(random, COUNT_OF(by))];
        ask->by_attr[i] = str_from_c(keys[next(random, COUNT_OF(keys))]);
    }
    ask->measure_count = 4;
    for (uint32_t i = 0; i < ask->measure_count; i++)
        measure_random(arena, random, &ask->measures[i]);
    ask->step_ns = next(random, 2) ? 0 : 6 * 3600 * NS_PER_S;
    ask->limit = 100000;
}

static void answers_are_equal(uint64_t seed)
{
    struct random random = { seed << 32 };
    struct fixture memory, duckdb;
    fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
    assert_true(fixture_init(&memory, &store_memory) && fixture_init(&duckdb, &store_duckdb));
    fill(&memory, &duckdb, &random);
    fill_scores(&memory, &duckdb, &random);
    struct arena arena;
    arena_init(&arena, 512 * MIB);
    const char *questions = getenv("STORE_QUESTIONS");
    uint64_t question_count = questions ? strtoull(questions, NULL, 10) : QUESTIONS;
    for (uint64_t i = 0; i < question_count; i++) {
        arena_reset(&arena);
        const struct filter *filter = i ? filter_random(&arena, &random, 3) : NULL;
        struct store_list list = list_of(filter, next(&random, 2) ? 10 : 1000);
        list.sort = (enum store_sort)next(&random, STORE_SORT_OLDEST + 1);
        if (next(&random, 3) == 0)
            list.scope.range = (struct time_range){ T0 + 50000 * NS_PER_S, T0 + 150000 * NS_PER_S };
        struct store_aggregate ask = { .scope = list.scope, .filter = filter };
        ask_random(&arena, &random, &ask);
        if (getenv("STORE_SEED"))
            fprintf(stderr, "# question %llu\n", (unsigned long long)i);
        same_spans(&memory, &duckdb, &list, &arena);
        same_traces(&memory, &duckdb, &list, &arena);
        same_groups(&memory, &duckdb, &ask, &arena);
    }
    arena_clear(&arena);
    fixture_clear(&memory);
    fixture_clear(&duckdb);
}

static void a_fixed_seed_gives_equal_answers(void **state)
{
    (void)state;
    answers_are_equal(1);
}

static void a_fresh_seed_gives_equal_answers(void **state)
{
    (void)state;
    const char *seed = getenv("STORE_SEED");
    answers_are_equal(seed ? strtoull(seed, NULL, 10) : (uint64_t)clock_now_ns() % 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fixed_seed_gives_equal_answers),
        cmocka_unit_test(a_fresh_seed_gives_equal_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
