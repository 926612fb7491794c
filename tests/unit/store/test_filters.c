/* test_filters.c -- random filters over random traces: every store gives the same answers.
 *
 * Filters of the whole language: fields, attributes, scores, regular expressions, conditions on
 * other spans and sums over them, in any nesting.  Traces whose spans form trees, circles and
 * fragments, of two projects and several tenants; settled on disk, settled in memory, open, and
 * with spans that came late.  FILTER_QUESTIONS asks more than the default, FILTER_SEED others.
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

enum { TRACES = 24, SPANS_MAX = 7, SCORES = 40, QUESTIONS = 600, STORES = 3, DEPTH = 3 };

struct random {
    uint64_t state;
};

static uint64_t next(struct random *random, uint64_t below)
{
    random->state++;
    return hash_bytes(&random->state, sizeof random->state) % below;
}

static const char *const words[] = {
    "alpha", "Beta", "a.b", "x'y", "tool", "", "\xc3\xa9t\xc3\xa9"
};
static const char *const patterns[] = { "a",      "^a",        "(?i)ALPHA", "\\.",
                                        "[^a-z]", "^$",        "t{1,2}",    "\xc3\xa9t",
                                        "x.y",    "\\bt\\w+$", "(a|B)[le]", "'" };

static str word(struct random *random)
{
    return str_from_c(words[next(random, COUNT_OF(words))]);
}

/* Sums of them are exact in any order. */
static int64_t number(struct random *random)
{
    return (int64_t)next(random, 6) - 1;
}

static double fraction(struct random *random)
{
    return (double)number(random) / 4;
}

static str name_of(struct arena *arena, const char *what, uint64_t index)
{
    return arena_printf(arena, "%s%llu", what, (unsigned long long)index);
}

/* -- data -- */

static void span_random(struct arena *arena, struct random *random, struct store_span *row,
                        uint32_t count)
{
    struct span *span = &row->span;
    SPAN_SET(span, name, word(random));
    SPAN_SET(span, step, next(random, 2) ? STR_OF("tool") : STR_OF("model"));
    SPAN_SET(span, latency_ns, number(random) + 1);
    if (next(random, 4)) /* also of itself, of a later one, of none that is here */
        SPAN_SET(span, parent_span_id, span_of(next(random, count + 3)));
    if (next(random, 2))
        SPAN_SET(span, cost_nanousd, number(random));
    if (next(random, 2))
        SPAN_SET(span, rollup, next(random, 2) == 1);
    if (next(random, 2))
        SPAN_SET(span, tool_name, word(random));
    if (next(random, 2))
        SPAN_SET(span, user_id, word(random));
    if (next(random, 2))
        SPAN_SET(span, status_message, word(random));
    if (next(random, 2))
        SPAN_SET(span, max_tokens, number(random));
    if (next(random, 2))
        SPAN_SET(span, temperature, fraction(random));
    if (next(random, 2))
        SPAN_SET(span, response_id, name_of(arena, "r", next(random, 5)));
    if (next(random, 3) == 0) {
        str *tags = arena_new(arena, str, 2);
        tags[0] = word(random);
        tags[1] = word(random);
        SPAN_SET(span, tags, (struct strs){ tags, 2 });
    }
    struct attr *attrs = arena_new(arena, struct attr, 2);
    if (next(random, 2))
        attrs[span->attr_count++] = (struct attr){ STR("x.n"), value_i64(number(random)) };
    if (next(random, 2))
        attrs[span->attr_count++] = (struct attr){ STR("x.t"), value_str(word(random)) };
    span->attrs = attrs;
}

/* A session, a tenant (or none) and a project for the whole trace: dimensions of an open trace
 * that its spans disagree about have no order. */
static uint32_t trace_random(struct arena *arena, struct random *random, uint64_t t,
                             struct store_span *rows)
{
    uint32_t count = 1 + (uint32_t)next(random, SPANS_MAX);
    uint64_t tenant = next(random, 3), session = next(random, 4), project = next(random, 4);
    str session_id = name_of(arena, "s", session), tenant_id = name_of(arena, "t", tenant);
    str project_id = project ? STR_OF("p1") : STR_OF("p2"), user_id = word(random);
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = span_make(t, i + 1, T0 + (int64_t)t * 3700 * NS_PER_S + i);
        span_random(arena, random, &rows[i], count);
        SPAN_SET(&rows[i].span, project, project_id);
        if (SPAN_KNOWS(&rows[i].span, user_id))
            rows[i].span.user_id = user_id;
        if (tenant)
            SPAN_SET(&rows[i].span, tenant_id, tenant_id);
        if (session)
            SPAN_SET(&rows[i].span, session_id, session_id);
    }
    return count;
}

static struct score score_random(struct arena *arena, struct random *random, uint64_t index)
{
    struct score score = { .name = next(random, 2) ? STR_OF("good") : STR_OF("odd \"name\""),
                           .score_id = trace_of(index),
                           .type = (enum score_type)next(random, 3),
                           .time_ns = T0 };
    score.has_trace_id = next(random, 2) == 0;
    score.trace_id = trace_of(1 + next(random, TRACES));
    score.has_span_id = next(random, 2) == 0;
    score.span_id = span_of(1 + next(random, SPANS_MAX));
    if (next(random, 2))
        score.response_id = name_of(arena, "r", next(random, 5));
    if (next(random, 2))
        score.session_id = name_of(arena, "s", next(random, 4));
    if (next(random, 2))
        score.tenant_id = name_of(arena, "t", next(random, 3));
    score.has_value = score.type != SCORE_LABEL || next(random, 2);
    score.value = score.type == SCORE_BOOL ? (double)next(random, 2) : fraction(random);
    if (score.type == SCORE_LABEL)
        score.label = word(random);
    return score;
}

struct stores {
    struct fixture all[STORES]; /* the reference, on disk, gathering in memory */
    uint64_t sequence;
};

static void append_all(struct stores *stores, const struct store_span *rows, size_t count)
{
    for (size_t s = 0; s < STORES; s++) {
        struct fixture *f = &stores->all[s];
        assert_int_equal(f->ops->append(f->store, rows, count, &f->why), ERR_OK);
    }
}

static void commit_all(struct stores *stores, const struct store_span *rows, uint32_t count)
{
    struct trace_row row = trace_make(rows, count);
    row.session_id = SPAN_KNOWS(&rows[0].span, session_id) ? rows[0].span.session_id : STR_NONE;
    row.root_name = rows[0].span.name;
    row.has_cost = SPAN_KNOWS(&rows[0].span, cost_nanousd);
    row.cost_nanousd = row.has_cost ? rows[0].span.cost_nanousd : 0;
    struct store_commit commit = { .traces = &row,
                                   .spans = &rows,
                                   .span_counts = &count,
                                   .trace_count = 1,
                                   .checkpoint_sequence = ++stores->sequence };
    for (size_t s = 0; s < STORES; s++) {
        struct fixture *f = &stores->all[s];
        assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
    }
}

static void scores_fill(struct stores *stores, struct random *random)
{
    struct score scores[SCORES];
    str projects[SCORES];
    for (uint64_t i = 0; i < SCORES; i++) {
        scores[i] = score_random(&stores->all[0].arena, random, i + 1);
        projects[i] = next(random, 4) ? STR_OF("p1") : STR_OF("p2");
    }
    struct store_commit commit = { .scores = scores,
                                   .score_projects = projects,
                                   .score_count = SCORES,
                                   .checkpoint_sequence = ++stores->sequence };
    for (size_t s = 0; s < STORES; s++) {
        struct fixture *f = &stores->all[s];
        assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
    }
}

static void fill(struct stores *stores, struct random *random)
{
    for (uint64_t t = 1; t <= TRACES; t++) {
        struct store_span rows[SPANS_MAX + 1];
        uint32_t count = trace_random(&stores->all[0].arena, random, t, rows);
        uint32_t late = count > 1 && next(random, 3) == 0;
        append_all(stores, rows, count - late);
        if (next(random, 3) > 0)
            commit_all(stores, rows, count - late);
        append_all(stores, rows + count - late, late);
    }
    scores_fill(stores, random);
}

/* -- filters -- */

static struct filter *filter_random(struct arena *arena, struct random *random, int depth);

static enum filter_op order_random(struct random *random)
{
    static const enum filter_op ops[] = { FILTER_EQ, FILTER_LT, FILTER_LE, FILTER_GT, FILTER_GE };
    return ops[next(random, COUNT_OF(ops))];
}

static void text_leaf(struct arena *arena, struct random *random, struct filter *leaf)
{
    static const enum filter_op ops[] = { FILTER_EQ, FILTER_NE, FILTER_LIKE, FILTER_EXISTS,
                                          FILTER_REGEX };
    leaf->op = ops[next(random, COUNT_OF(ops))];
    leaf->value = value_str(word(random));
    if (leaf->op == FILTER_LIKE)
        leaf->value = value_str(next(random, 2) ? STR_OF("*a*") : STR_OF("t*"));
    if (leaf->op != FILTER_REGEX)
        return;
    leaf->value = value_str(str_from_c(patterns[next(random, COUNT_OF(patterns))]));
    assert_int_equal(regex_compile(arena, leaf->value.text, &leaf->regex, NULL), ERR_OK);
}

static void number_leaf(struct random *random, struct filter *leaf, bool is_double)
{
    leaf->op = next(random, 6) ? order_random(random) : FILTER_EXISTS;
    leaf->value = is_double ? value_f64(fraction(random)) : value_i64(number(random));
}

static void field_leaf(struct arena *arena, struct random *random, struct filter *leaf)
{
    static const enum field texts[] = { FIELD_name,      FIELD_step,           FIELD_tool_name,
                                        FIELD_user_id,   FIELD_status_message, FIELD_tags,
                                        FIELD_session_id };
    static const enum field numbers[] = { FIELD_cost_nanousd, FIELD_latency_ns, FIELD_max_tokens };
    switch (next(random, 6)) {
    case 0:
        leaf->field = FIELD_temperature;
        number_leaf(random, leaf, true);
        break;
    case 1:
    case 2:
        leaf->field = numbers[next(random, COUNT_OF(numbers))];
        number_leaf(random, leaf, false);
        break;
    default:
        leaf->field = texts[next(random, COUNT_OF(texts))];
        text_leaf(arena, random, leaf);
        break;
    }
}

static void attr_leaf(struct arena *arena, struct random *random, struct filter *leaf)
{
    leaf->attr_key = next(random, 2) ? STR_OF("x.n") : STR_OF("x.t");
    if (next(random, 2))
        number_leaf(random, leaf, false);
    else
        text_leaf(arena, random, leaf);
}

static void score_leaf(struct arena *arena, struct random *random, struct filter *leaf)
{
    leaf->score = next(random, 4) ? STR_OF("good") : STR_OF("odd \"name\"");
    if (next(random, 3) == 0) {
        text_leaf(arena, random, leaf);
        return;
    }
    number_leaf(random, leaf, true);
    if (next(random, 4) == 0) {
        leaf->op = FILTER_EQ;
        leaf->value = value_bool(next(random, 2) == 1);
    }
}

static void fold_leaf(struct arena *arena, struct random *random, struct filter *leaf, int depth)
{
    static const enum field fields[] = { FIELD_cost_nanousd, FIELD_latency_ns, FIELD_max_tokens,
                                         FIELD_temperature, FIELD_COUNT };
    leaf->fold = (enum filter_fold)(FOLD_COUNT + next(random, 5));
    leaf->op = next(random, 6) ? order_random(random) : FILTER_NE;
    leaf->value = next(random, 2) ? value_i64(number(random)) : value_f64(fraction(random));
    if (next(random, 3) || leaf->fold == FOLD_COUNT)
        leaf->left = filter_random(arena, random, depth - 1);
    if (leaf->fold == FOLD_COUNT)
        return;
    leaf->field = fields[next(random, COUNT_OF(fields))];
    if (leaf->field == FIELD_COUNT)
        leaf->attr_key = STR_OF("x.n");
}

static struct filter *filter_random(struct arena *arena, struct random *random, int depth)
{
    struct filter *filter = arena_new(arena, struct filter, 1);
    filter->field = FIELD_COUNT;
    uint64_t kind = next(random, depth > 0 ? 12 : 5);
    switch (kind) {
    case 0:
    case 1:
    case 2:
        field_leaf(arena, random, filter);
        break;
    case 3:
        attr_leaf(arena, random, filter);
        break;
    case 4:
        score_leaf(arena, random, filter);
        break;
    case 5:
    case 6:
        fold_leaf(arena, random, filter, depth);
        break;
    case 7:
    case 8:
        filter->op = (enum filter_op)(FILTER_AND + next(random, 3));
        filter->left = filter_random(arena, random, depth - 1);
        filter->right = filter->op == FILTER_NOT ? NULL : filter_random(arena, random, depth - 1);
        break;
    default:
        filter->op = (enum filter_op)(FILTER_ANY + next(random, 7));
        filter->left = filter_random(arena, random, depth - 1);
        break;
    }
    return filter;
}

static void filter_print(const struct filter *filter, int depth)
{
    if (!filter)
        return;
    fprintf(stderr, "# %*sop %d fold %d %s %.*s%.*s", 2 * depth, "", (int)filter->op,
            (int)filter->fold, filter->field < FIELD_COUNT ? field_table[filter->field].name : "-",
            STR_ARG(filter->attr_key), STR_ARG(filter->score));
    if (filter->value.type == VALUE_STR)
        fprintf(stderr, " '%.*s'\n", STR_ARG(filter->value.text));
    else
        fprintf(stderr, " %lld %g\n", (long long)filter->value.i64, filter->value.f64);
    filter_print(filter->left, depth + 1);
    filter_print(filter->right, depth + 1);
}

/* -- the same answers -- */

static void check(struct fixture *f, enum err code, const struct filter *filter)
{
    if (code == ERR_OK)
        return;
    filter_print(filter, 0);
    fail_msg("%s: %s: %s", f->ops->name, err_name(code), f->why.text);
}

/* How many spans the reference found. */
static size_t same_spans(struct fixture *a, struct fixture *b, const struct store_list *list,
                         struct arena *arena)
{
    struct store_span *x, *y;
    size_t x_count = 0, y_count = 0;
    check(a, a->ops->spans(a->store, list, arena, &x, &x_count, &a->why), list->filter);
    check(b, b->ops->spans(b->store, list, arena, &y, &y_count, &b->why), list->filter);
    bool same = x_count == y_count;
    for (size_t i = 0; i < x_count && same; i++)
        same = memcmp(&x[i].span.trace_id, &y[i].span.trace_id, 16) == 0 &&
               memcmp(&x[i].span.span_id, &y[i].span.span_id, 8) == 0 &&
               str_equal(x[i].span.project, list->scope.project);
    if (same)
        return x_count;
    filter_print(list->filter, 0);
    fail_msg("spans: %zu and %zu", x_count, y_count);
    return 0;
}

static void same_traces(struct fixture *a, struct fixture *b, const struct store_list *list,
                        struct arena *arena)
{
    struct trace_row *x, *y;
    size_t x_count = 0, y_count = 0;
    check(a, a->ops->traces(a->store, list, arena, &x, &x_count, &a->why), list->filter);
    check(b, b->ops->traces(b->store, list, arena, &y, &y_count, &b->why), list->filter);
    bool same = x_count == y_count;
    for (size_t i = 0; i < x_count && same; i++)
        same = memcmp(&x[i].trace_id, &y[i].trace_id, 16) == 0;
    if (same)
        return;
    filter_print(list->filter, 0);
    fail_msg("traces: %zu and %zu", x_count, y_count);
}

/* The filter is of the question, or of one of its numbers. */
static void same_groups(struct fixture *a, struct fixture *b, const struct store_list *list,
                        struct arena *arena, bool of_measure)
{
    struct store_aggregate ask = { .scope = list->scope,
                                   .filter = of_measure ? NULL : list->filter,
                                   .measures = { { .op = STORE_OP_COUNT, .name = STR_NONE },
                                                 { .op = STORE_OP_SUM,
                                                   .of = STORE_OF_FIELD,
                                                   .field = FIELD_cost_nanousd,
                                                   .name = STR_NONE },
                                                 { .op = STORE_OP_TRACES, .name = STR_NONE } },
                                   .measure_count = 3,
                                   .by = { FIELD_name, FIELD_max_tokens },
                                   .by_count = 2,
                                   .limit = 1000 };
    if (of_measure)
        ask.measures[1].filter = ask.measures[2].filter = list->filter;
    struct store_group *x, *y;
    size_t x_count = 0, y_count = 0;
    check(a, a->ops->aggregate(a->store, &ask, arena, &x, &x_count, &a->why), list->filter);
    check(b, b->ops->aggregate(b->store, &ask, arena, &y, &y_count, &b->why), list->filter);
    bool same = x_count == y_count;
    for (size_t i = 0; i < x_count && same; i++) {
        const struct store_group *other = NULL;
        for (size_t k = 0; k < y_count && !other; k++)
            if (str_equal(x[i].by[0], y[k].by[0]) && str_equal(x[i].by[1], y[k].by[1]) &&
                str_is_none(x[i].by[1]) == str_is_none(y[k].by[1]))
                other = &y[k];
        same = other && other->known[1] == x[i].known[1];
        for (uint32_t m = 0; m < ask.measure_count && same; m++)
            same = !x[i].known[m] || fabs(x[i].values[m] - other->values[m]) < 1e-6;
    }
    if (same)
        return;
    filter_print(list->filter, 0);
    fail_msg("groups differ: %zu and %zu", x_count, y_count);
}

static void question_random(struct random *random, struct store_list *list, struct arena *arena)
{
    *list = list_of(filter_random(arena, random, 1 + (int)next(random, DEPTH)),
                    next(random, 4) ? 5000 : 5);
    list->scope.project = next(random, 4) ? STR_OF("p1") : STR_OF("p2");
    list->sort = next(random, 3) ? STORE_SORT_START : STORE_SORT_COST;
    if (next(random, 3) == 0)
        list->scope.tenant = next(random, 2) ? STR_OF("t1") : STR_OF("t2");
    if (next(random, 4) == 0)
        list->scope.range = (struct time_range){ T0 + 20000 * NS_PER_S, T0 + 50000 * NS_PER_S };
}

/* A group says less than a list but costs one statement instead of several: of many filters most
 * are asked for groups only.  Returns the number of questions. */
static uint64_t ask(struct stores *stores, struct random *random, uint64_t questions)
{
    struct arena arena;
    uint64_t asked = 0, lists = 0, found = 0, every = questions > 10000 ? 32 : 1;
    arena_init(&arena, 512 * MIB);
    for (uint64_t i = 0; asked < questions; i++) {
        struct store_list list;
        arena_reset(&arena);
        question_random(random, &list, &arena);
        struct fixture *reference = &stores->all[0], *other = &stores->all[1 + i / every % 2];
        same_groups(reference, other, &list, &arena, next(random, 3) == 0);
        asked++;
        if (asked % 1000 == 0)
            fprintf(stderr, "# %llu questions\n", (unsigned long long)asked);
        if (i % every != 0)
            continue;
        found += same_spans(reference, other, &list, &arena) > 0;
        same_traces(reference, other, &list, &arena);
        lists++;
        asked += 2;
    }
    arena_clear(&arena);
    assert_true(found > lists / 4 && found < lists);
    return asked;
}

static void random_filters_have_equal_answers_in_every_store(void **state)
{
    (void)state;
    const char *seed = getenv("FILTER_SEED"), *questions = getenv("FILTER_QUESTIONS");
    struct random random = { (seed ? strtoull(seed, NULL, 10) : 1) << 32 };
    struct stores stores = { .sequence = 0 };
    assert_true(fixture_init(&stores.all[0], &store_memory));
    assert_true(fixture_init(&stores.all[1], &store_duckdb));
    assert_true(fixture_init_gathering(&stores.all[2], &store_duckdb, 3600 * NS_PER_S));
    fill(&stores, &random);
    uint64_t asked = ask(&stores, &random, questions ? strtoull(questions, NULL, 10) : QUESTIONS);
    fprintf(stderr, "# %llu questions had equal answers\n", (unsigned long long)asked);
    for (size_t s = 0; s < STORES; s++)
        fixture_clear(&stores.all[s]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_filters_have_equal_answers_in_every_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
