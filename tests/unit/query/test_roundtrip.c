/* test_roundtrip.c -- property: a filter tree written as text parses to the same tree.
 *
 * Trees are drawn from a seeded generator over every field type; the seed of a failure is
 * printed.  One fixed seed and one fresh one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "query/query.h"
#include "sys/clock.h"
#include <stdio.h>

enum { TREES = 3000, TREE_DEPTH = 5 };

struct generator {
    struct arena arena;
    uint64_t state;
};

/* splitmix64 */
static uint64_t draw(struct generator *g, uint64_t below)
{
    uint64_t z = (g->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static str draw_text(struct generator *g, const char *alphabet, size_t len)
{
    char *text = arena_alloc(&g->arena, len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = alphabet[draw(g, strlen(alphabet))];
    return (str){ text, len };
}

static str draw_any_text(struct generator *g)
{
    return draw_text(g, "abcZ019 \"\\():=!<>~,*-_.\n", draw(g, 12));
}

static double draw_f64(struct generator *g)
{
    return (double)(int64_t)(draw(g, 2000001) - 1000000) / (double)(1 + draw(g, 1000));
}

static struct value draw_value(struct generator *g, enum field_type type)
{
    switch (type) {
    case FIELD_TYPE_ID16:
        return value_str(draw_text(g, "0123456789abcdef", 32));
    case FIELD_TYPE_ID8:
        return value_str(draw_text(g, "0123456789abcdef", 16));
    case FIELD_TYPE_STR:
    case FIELD_TYPE_STRS:
        return value_str(draw_any_text(g));
    case FIELD_TYPE_F64:
        return value_f64(draw_f64(g));
    case FIELD_TYPE_BOOL:
        return value_bool(draw(g, 2));
    case FIELD_TYPE_NS:
    case FIELD_TYPE_TIME: /* in these and in money: small and huge */
    case FIELD_TYPE_NANO:
    case FIELD_TYPE_I64:
        return value_i64((int64_t)(draw(g, INT64_MAX) >> draw(g, 63)));
    case FIELD_TYPE_F64S:
    case FIELD_TYPE_JSON:
        break;
    }
    return (struct value){ .type = VALUE_NULL };
}

static bool is_ordered(const struct filter *leaf)
{
    return leaf->value.type == VALUE_I64 || leaf->value.type == VALUE_F64;
}

static const struct filter *draw_leaf(struct generator *g)
{
    struct filter *leaf = arena_new(&g->arena, struct filter, 1);
    assert_non_null(leaf);
    leaf->field = (enum field)draw(g, FIELD_COUNT + 40);
    if (leaf->field >= FIELD_COUNT) {
        leaf->field = FIELD_COUNT;
        leaf->attr_key = draw_text(g, "ab. \"\\:", 1 + draw(g, 5));
        if (draw(g, 8) == 0)
            leaf->attr_key = STR_OF("caf\xc3\xa9 \"x\"");
        leaf->value = draw(g, 3) ? value_str(draw_any_text(g)) : value_f64(draw_f64(g));
    } else {
        leaf->value = draw_value(g, field_table[leaf->field].type);
    }
    leaf->op = FILTER_EQ; /* the parser makes no FILTER_NE */
    if (is_ordered(leaf) && draw(g, 2))
        leaf->op = (enum filter_op)(FILTER_LT + draw(g, FILTER_GE - FILTER_LT + 1));
    else if (leaf->value.type == VALUE_STR && draw(g, 4) == 0 && leaf->value.text.len < 16)
        leaf->op = FILTER_LIKE;
    if (leaf->value.type == VALUE_NULL || draw(g, 8) == 0) {
        leaf->op = FILTER_EXISTS;
        leaf->value = (struct value){ .type = VALUE_NULL };
    }
    return leaf;
}

static const struct filter *draw_tree(struct generator *g, int depth);

static const struct filter *draw_score(struct generator *g)
{
    struct filter *leaf = arena_new(&g->arena, struct filter, 1);
    assert_non_null(leaf);
    leaf->field = FIELD_COUNT;
    leaf->score = draw_text(g, "ab. \"\\:", 1 + draw(g, 5));
    leaf->value = draw(g, 2) ? value_f64(draw_f64(g)) : value_str(draw_any_text(g));
    if (draw(g, 6) == 0)
        leaf->value = value_bool(draw(g, 2));
    leaf->op = is_ordered(leaf) ? (enum filter_op)(FILTER_LT + draw(g, 4)) : FILTER_EQ;
    return leaf;
}

static const struct filter *draw_regex(struct generator *g)
{
    static const char *const patterns[] = {
        "a", "(?i)b+", "x/y\\d", "[/\\]]{2}", "^(a|)$", "\\\\"
    };
    struct filter *leaf = arena_new(&g->arena, struct filter, 1);
    assert_non_null(leaf);
    leaf->op = FILTER_REGEX;
    leaf->field = FIELD_name;
    leaf->value = value_str(str_from_c(patterns[draw(g, COUNT_OF(patterns))]));
    return leaf;
}

/* Of a trace's own row there are fewer names. */
static const struct filter *draw_scope(struct generator *g, int depth)
{
    struct filter *node = arena_new(&g->arena, struct filter, 1);
    struct filter *own = arena_new(&g->arena, struct filter, 1);
    assert_true(node && own);
    node->field = FIELD_COUNT;
    node->op = (enum filter_op)(FILTER_ANY + draw(g, FILTER_TRACE - FILTER_ANY + 1));
    *own = (struct filter){ .op = FILTER_GT, .field = FIELD_cost_nanousd, .value = value_i64(7) };
    node->left = node->op == FILTER_TRACE ? own : draw_tree(g, depth - 1);
    return node;
}

static const struct filter *draw_fold(struct generator *g, int depth)
{
    static const enum field fields[] = { FIELD_latency_ns, FIELD_cost_nanousd, FIELD_temperature,
                                         FIELD_input_tokens, FIELD_COUNT };
    struct filter *node = arena_new(&g->arena, struct filter, 1);
    assert_non_null(node);
    node->fold = (enum filter_fold)(FOLD_COUNT + draw(g, 5));
    node->field = node->fold == FOLD_COUNT ? FIELD_COUNT : fields[draw(g, COUNT_OF(fields))];
    node->left = draw(g, 3) ? draw_tree(g, depth - 1) : NULL;
    node->op = (enum filter_op)(FILTER_EQ + draw(g, FILTER_GE - FILTER_EQ + 1));
    node->value = value_i64((int64_t)draw(g, 5000));
    if (node->fold != FOLD_COUNT && node->field == FIELD_COUNT)
        node->attr_key = draw_text(g, "ab. \"\\:", 1 + draw(g, 5));
    if (node->field == FIELD_temperature)
        node->value = value_f64(draw_f64(g));
    return node;
}

static const struct filter *draw_tree(struct generator *g, int depth)
{
    uint64_t kind = depth == 0 ? 0 : draw(g, 9);
    if (kind == 5)
        return draw_scope(g, depth);
    if (kind == 6)
        return draw_fold(g, depth);
    if (kind == 7)
        return draw(g, 2) ? draw_score(g) : draw_regex(g);
    if (kind < 2 || kind == 8)
        return draw_leaf(g);
    struct filter *node = arena_new(&g->arena, struct filter, 1);
    assert_non_null(node);
    node->op = kind == 2 ? FILTER_AND : kind == 3 ? FILTER_OR : FILTER_NOT;
    node->field = FIELD_COUNT;
    node->left = draw_tree(g, depth - 1);
    node->right = kind == 4 ? NULL : draw_tree(g, depth - 1);
    return node;
}

static bool value_same(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == VALUE_STR)
        return str_equal(a->text, b->text);
    if (a->type == VALUE_F64)
        return a->f64 == b->f64;
    if (a->type == VALUE_BOOL)
        return a->boolean == b->boolean;
    return a->type == VALUE_NULL || a->i64 == b->i64;
}

static bool tree_same(const struct filter *a, const struct filter *b)
{
    if (!a || !b)
        return a == b;
    return a->op == b->op && a->field == b->field && str_equal(a->attr_key, b->attr_key) &&
           str_equal(a->score, b->score) && a->fold == b->fold &&
           value_same(&a->value, &b->value) && tree_same(a->left, b->left) &&
           tree_same(a->right, b->right);
}

static void round_trips(uint64_t seed)
{
    struct generator g = { .state = seed };
    struct buf text;
    arena_init(&g.arena, MIB);
    buf_init(&text, MIB);
    for (int i = 0; i < TREES; i++) {
        arena_reset(&g.arena);
        buf_reset(&text);
        const struct filter *tree = draw_tree(&g, TREE_DEPTH), *again = NULL;
        struct diag why = DIAG_NONE;
        query_format_filter(&text, tree);
        if (text.len > QUERY_TEXT_BYTES_MAX)
            continue;
        enum err code = query_parse_filter(&g.arena, buf_str(&text), 0, &again, &why);
        if (code == ERR_LIMIT) /* of conditions that look beyond the span */
            continue;
        if (code != ERR_OK || !tree_same(tree, again))
            fail_msg("seed %llu tree %d: %s: %.*s", (unsigned long long)seed, i,
                     code == ERR_OK ? "another tree" : why.text, STR_ARG(buf_str(&text)));
    }
    buf_clear(&text);
    arena_clear(&g.arena);
}

static void formatted_filters_parse_to_the_same_tree(void **state)
{
    (void)state;
    round_trips(1);
    round_trips((uint64_t)clock_now_ns());
}

static void what_people_write_is_stable_after_one_formatting(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "model:gpt* op!=tool cost>0.05", "refund or (a b) -c", "tenant!=(a or b*) latency>1.5m",
        "trace:4f7a start>now-1h",       "x.y:1e3 has:op",
    };
    struct arena arena;
    struct buf first, second;
    arena_init(&arena, MIB);
    buf_init(&first, MIB);
    buf_init(&second, MIB);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const struct filter *tree;
        buf_reset(&first);
        buf_reset(&second);
        assert_int_equal(query_parse_filter(&arena, str_from_c(texts[i]), 0, &tree, NULL), ERR_OK);
        query_format_filter(&first, tree);
        assert_int_equal(query_parse_filter(&arena, buf_str(&first), 0, &tree, NULL), ERR_OK);
        query_format_filter(&second, tree);
        assert_true(str_equal(buf_str(&first), buf_str(&second)));
    }
    buf_clear(&first);
    buf_clear(&second);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formatted_filters_parse_to_the_same_tree),
        cmocka_unit_test(what_people_write_is_stable_after_one_formatting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
