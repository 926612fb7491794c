/* test_complete.c -- what may be typed next at a place of a filter.
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

struct fixture {
    struct arena arena;
    struct query_completion what;
    struct query_items items;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    arena_init(&f->arena, MIB);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_clear(&f->arena);
    xfree(f);
    return 0;
}

/* The cursor is the | of the text. */
static void complete(struct fixture *f, const char *text)
{
    str whole = str_from_c(text);
    size_t at = str_find_char(whole, '|');
    str q = arena_printf(&f->arena, "%.*s%s", (int)at, text, text + at + 1);
    assert_int_equal(query_complete(&f->arena, q, at, &f->what, NULL), ERR_OK);
    f->items = (struct query_items){ .arena = &f->arena };
    query_completion_known(&f->what, &f->items);
}

static bool offers(const struct fixture *f, const char *text)
{
    for (size_t i = 0; i < f->items.count; i++)
        if (str_equal_c(f->items.items[i].text, text))
            return true;
    return false;
}

static void a_name_is_offered_where_one_begins(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = { "ten|",           "status:ok ten|", "(ten|",
                                         "not ten|",       "-ten|",          "any(ten|",
                                         "has:ten|",       "a or ten|xyz:1", "sum(cost, ten|",
                                         "name~/a b/ ten|" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        complete(f, texts[i]);
        if (f->what.wants != COMPLETE_NAME || !offers(f, "tenant") || !offers(f, "tenant_id") ||
            offers(f, "model"))
            fail_msg("%s: %d, %zu items", texts[i], (int)f->what.wants, f->items.count);
    }
    assert_int_equal(f->what.from, strlen("name~/a b/ "));
    complete(f, "a |ten:x b");
    assert_int_equal(f->what.from, 2);
    assert_int_equal(f->what.to, 5);
    assert_true(offers(f, "and") && offers(f, "has:"));
}

static void functions_and_operators_are_offered(void **state)
{
    struct fixture *f = *state;
    complete(f, "cou|");
    assert_true(offers(f, "count"));
    complete(f, "latency|");
    assert_true(offers(f, "latency>") && offers(f, "latency_ms") && !offers(f, "latency~"));
    complete(f, "tenant|");
    assert_true(offers(f, "tenant~") && !offers(f, "tenant>"));
}

static void a_value_is_asked_of_its_field(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        enum field field;
        const char *prefix;
        size_t from;
    } cases[] = {
        { "status:|", FIELD_status, "", 7 },
        { "status: er|", FIELD_status, "er", 8 },
        { "a tenant!=ac|", FIELD_tenant_id, "ac", 10 },
        { "tenant:(a or b|", FIELD_tenant_id, "b", 13 },
        { "tenant:\"two w|", FIELD_tenant_id, "two w", 7 },
        { "any(tool:s|)", FIELD_tool_name, "s", 9 },
        { "model:g|", FIELD_generator_model, "g", 6 },
        { "x.y:z|", FIELD_COUNT, "z", 4 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        complete(f, cases[i].text);
        if (f->what.wants != COMPLETE_VALUE || f->what.field != cases[i].field ||
            !str_equal_c(f->what.prefix, cases[i].prefix) || f->what.from != cases[i].from)
            fail_msg("%s: %d '%.*s' from %zu", cases[i].text, (int)f->what.wants,
                     STR_ARG(f->what.prefix), f->what.from);
    }
    complete(f, "model:g|");
    assert_int_equal(f->what.other, FIELD_request_model);
    complete(f, "score.tone:|");
    assert_true(f->what.wants == COMPLETE_VALUE && str_equal_c(f->what.score, "tone"));
}

static void units_and_times_are_offered(void **state)
{
    struct fixture *f = *state;
    complete(f, "latency>12|");
    assert_true(offers(f, "12ms") && offers(f, "12s"));
    complete(f, "start>now|");
    assert_true(offers(f, "now-1h"));
    complete(f, "stream:|");
    assert_true(offers(f, "true") && offers(f, "false"));
    complete(f, "tokens>10|");
    assert_true(offers(f, "10k"));
}

static void nothing_is_offered_where_nothing_fits(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = { "nosuch:a|", "\"open quo|", "tenant!|", "=|" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        complete(f, texts[i]);
        if (f->items.count != 0)
            fail_msg("%s: %zu items", texts[i], f->items.count);
    }
}

static void the_cursor_is_inside_the_text(void **state)
{
    struct fixture *f = *state;
    struct diag why = DIAG_NONE;
    assert_int_equal(query_complete(&f->arena, STR_OF("abc"), 3, &f->what, &why), ERR_OK);
    assert_int_equal(query_complete(&f->arena, STR_OF("abc"), 4, &f->what, &why), ERR_BAD_INPUT);
    assert_non_null(strstr(why.text, "at:"));
}

static void texts_are_quoted_when_they_must_be(void **state)
{
    struct fixture *f = *state;
    static const char *const pairs[][2] = {
        { "acme", "acme" },       { "two words", "\"two words\"" },
        { "a\"b", "\"a\\\"b\"" }, { "", "\"\"" },
        { "-x", "\"-x\"" },       { "gpt-4o:2024", "gpt-4o:2024" },
        { "a*", "\"a*\"" },
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        assert_true(
            str_equal_c(query_quoted_if_needed(&f->arena, str_from_c(pairs[i][0])), pairs[i][1]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_offered_where_one_begins),    TEST(functions_and_operators_are_offered),
        TEST(a_value_is_asked_of_its_field),         TEST(units_and_times_are_offered),
        TEST(nothing_is_offered_where_nothing_fits), TEST(the_cursor_is_inside_the_text),
        TEST(texts_are_quoted_when_they_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
