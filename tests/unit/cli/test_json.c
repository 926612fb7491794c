/* test_json.c -- the server's answers as values: what is there, what is null, what is no JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "cli/cli_int.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 * MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void json_members_are_found_and_null_is_absent(void **state)
{
    (void)state;
    struct value answer;
    struct diag why;
    double number = 0;
    str text = STR_OF("{\"a\":\"x\",\"n\":null,\"list\":[1,2.5],\"deep\":{\"b\":true}}");
    assert_int_equal(cli_json_parse(&arena, text, &answer, &why), ERR_OK);
    assert_true(str_equal_c(cli_member_str(&answer, "a"), "x"));
    assert_null(cli_member(&answer, "n"));
    assert_null(cli_member(&answer, "none"));
    assert_true(str_is_none(cli_member_str(&answer, "list")));
    assert_null(cli_member(cli_member(&answer, "a"), "b"));
    assert_null(cli_member(NULL, "b"));
    const struct value *list = cli_member(&answer, "list");
    assert_int_equal(cli_item(list, 0)->i64, 1);
    assert_true(value_as_f64(cli_item(list, 1), &number) && number == 2.5);
    assert_null(cli_item(list, 2));
    assert_null(cli_item(&answer, 0));
}

static void what_is_not_json_is_an_error(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "{", "{} x", "<html>", "{\"a\":}", "[1,]" };
    struct value answer;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct diag why = DIAG_NONE;
        assert_int_not_equal(cli_json_parse(&arena, str_from_c(bad[i]), &answer, &why), ERR_OK);
        assert_true(strlen(why.text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_members_are_found_and_null_is_absent),
        cmocka_unit_test(what_is_not_json_is_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
