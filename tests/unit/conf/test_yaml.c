/* test_yaml.c -- the tree, its places, and all that is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* before base/check.h, which redefines assert */
#include <cmocka.h>

#include "base/buf.h"
#include "conf/yaml.h"

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena, 64 * MIB);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_clear(*state);
    return 0;
}

static struct yaml parsed(struct arena *arena, const char *text)
{
    struct yaml yaml;
    struct diag why = DIAG_NONE;
    if (yaml_parse(arena, STR_OF("a.yaml"), str_from_c(text), &yaml, &why))
        fail_msg("%s", why.text);
    return yaml;
}

static void expect_error(struct arena *arena, const char *text, enum err code, const char *message)
{
    struct yaml yaml;
    struct diag why = DIAG_NONE;
    assert_int_equal(yaml_parse(arena, STR_OF("a.yaml"), str_from_c(text), &yaml, &why), code);
    assert_string_equal(why.text, message);
}

static void nodes_know_line_and_column(void **state)
{
    struct yaml yaml = parsed(*state, "a: 1\nb:\n  - x\n  - c: 'q'\n");
    assert_int_equal(yaml.root->kind, YAML_MAP);
    assert_int_equal(yaml.root->child_count, 2);
    const struct yaml_node *b = yaml_get(yaml.root, "b");
    assert_int_equal(b->kind, YAML_LIST);
    assert_int_equal(b->line, 2);
    assert_int_equal(b->column, 1);
    assert_true(str_equal_c(b->first->text, "x"));
    const struct yaml_node *c = yaml_get(b->first->next, "c");
    assert_int_equal(c->line, 4);
    assert_int_equal(c->column, 5);
    assert_true(c->quoted);
    assert_null(yaml_get(yaml.root, "no"));
    assert_null(yaml_get(b, "no"));
}

static void an_empty_text_is_an_empty_map(void **state)
{
    static const char *const texts[] = { "", "\n# only a comment\n", "~\n", "---\n" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct yaml yaml = parsed(*state, texts[i]);
        assert_int_equal(yaml.root->kind, YAML_MAP);
        assert_int_equal(yaml.root->child_count, 0);
    }
}

static void only_unquoted_nothing_is_null(void **state)
{
    struct yaml yaml = parsed(*state, "a:\nb: ~\nc: null\nd: ''\ne: 'null'\n");
    assert_true(yaml_is_null(yaml_get(yaml.root, "a")));
    assert_true(yaml_is_null(yaml_get(yaml.root, "b")));
    assert_true(yaml_is_null(yaml_get(yaml.root, "c")));
    assert_false(yaml_is_null(yaml_get(yaml.root, "d")));
    assert_false(yaml_is_null(yaml_get(yaml.root, "e")));
}

static void what_only_causes_accidents_is_refused(void **state)
{
    expect_error(*state, "a: &x 1\n", ERR_BAD_INPUT, "a.yaml:1:4: anchors are not allowed");
    expect_error(*state, "a: *x\n", ERR_BAD_INPUT, "a.yaml:1:4: aliases are not allowed");
    expect_error(*state, "a: !!int 1\n", ERR_BAD_INPUT, "a.yaml:1:4: tags are not allowed");
    expect_error(*state, "a: 1\nb: 2\na: 3\n", ERR_BAD_INPUT,
                 "a.yaml:3:1: 'a' is given twice, first in line 1");
    expect_error(*state, "a: 1\n---\nb: 2\n", ERR_BAD_INPUT,
                 "a.yaml:2:1: only one document is allowed");
    expect_error(*state, "? [a]\n: 1\n", ERR_BAD_INPUT, "a.yaml:1:3: a key must be plain text");
    expect_error(*state, "a: \xff\n", ERR_BAD_INPUT, "a.yaml: not UTF-8 at byte 3");
    struct yaml yaml;
    struct diag why = DIAG_NONE;
    assert_int_equal(yaml_parse(*state, STR_OF("a.yaml"), STR_OF("a: [1\nb: 2\n"), &yaml, &why),
                     ERR_BAD_INPUT);
    assert_int_equal(strncmp(why.text, "a.yaml:2:2: ", 12), 0);
}

static void depth_is_bounded_at_its_limit(void **state)
{
    char text[2 * (YAML_DEPTH_MAX + 1) + 1] = { 0 };
    memset(text, '[', YAML_DEPTH_MAX);
    memset(text + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
    parsed(*state, text);
    memset(text, '[', YAML_DEPTH_MAX + 1);
    memset(text + YAML_DEPTH_MAX + 1, ']', YAML_DEPTH_MAX + 1);
    text[sizeof text - 1] = '\0';
    expect_error(*state, text, ERR_LIMIT, "a.yaml: nested too deeply");
}

/* A list of count items; with the list itself count + 1 nodes. */
static enum err list_parse(struct arena *arena, size_t count)
{
    struct buf text;
    buf_init(&text, YAML_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        buf_add_c(&text, "- a\n");
    struct yaml yaml;
    enum err err = yaml_parse(arena, STR_OF("a.yaml"), buf_str(&text), &yaml, NULL);
    buf_clear(&text);
    return err;
}

static void nodes_are_bounded_at_their_limit(void **state)
{
    assert_int_equal(list_parse(*state, YAML_NODES_MAX - 1), ERR_OK);
    assert_int_equal(list_parse(*state, YAML_NODES_MAX), ERR_LIMIT);
}

static void bytes_are_bounded_at_their_limit(void **state)
{
    char *text = xmalloc(YAML_BYTES_MAX + 1);
    memset(text, '#', YAML_BYTES_MAX + 1);
    struct yaml yaml;
    assert_int_equal(yaml_parse(*state, STR_OF("a"), str_make(text, YAML_BYTES_MAX), &yaml, NULL),
                     ERR_OK);
    assert_int_equal(
        yaml_parse(*state, STR_OF("a"), str_make(text, YAML_BYTES_MAX + 1), &yaml, NULL),
        ERR_LIMIT);
    xfree(text);
}

static void a_spent_arena_is_an_error_not_a_crash(void **state)
{
    (void)state;
    for (size_t budget = 0; budget < 600; budget += 16) {
        struct arena arena;
        arena_init(&arena, budget);
        struct yaml yaml;
        enum err err = yaml_parse(&arena, STR_OF("a"), STR_OF("a: { b: [c, d] }\n"), &yaml, NULL);
        assert_true(err == ERR_LIMIT || (err == ERR_OK && budget > 200));
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_line_and_column),
        cmocka_unit_test(an_empty_text_is_an_empty_map),
        cmocka_unit_test(only_unquoted_nothing_is_null),
        cmocka_unit_test(what_only_causes_accidents_is_refused),
        cmocka_unit_test(depth_is_bounded_at_its_limit),
        cmocka_unit_test(nodes_are_bounded_at_their_limit),
        cmocka_unit_test(bytes_are_bounded_at_their_limit),
        cmocka_unit_test(a_spent_arena_is_an_error_not_a_crash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
