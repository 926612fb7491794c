/* test_tokens.c -- the tokenizer against published vectors, and what they do not have.
 *
 * usage: test_tokens VECTORS.jsonl
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/arena.h"
#include "base/base.h"
#include "tokens/tokens.h"
#include "tokens/tokens_int.h"
#include "wire/json.h"
#include <stdio.h>
#include <stdlib.h>
#undef assert

enum { RANKS_MAX = 4096 };
static struct tokens *tokens;
static const char *vectors;
static uint32_t ranks[RANKS_MAX];

static int setup(void **state)
{
    (void)state;
    tokens = tokens_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tokens_free(tokens);
    return 0;
}

static uint64_t count(enum tokens_encoding encoding, const char *text)
{
    return tokens_count(tokens, encoding, str_from_c(text));
}

static const struct value *member(const struct value *map, const char *key)
{
    const struct attr *attr = attr_find(map->attrs, map->count, str_from_c(key));
    assert_non_null(attr);
    return &attr->value;
}

static void check_vector(str line)
{
    struct arena arena;
    struct json json;
    struct value vector;
    arena_init(&arena, 16 * MIB);
    json_init(&json, &arena, line, 16);
    assert_true(json_value(&json, json_next(&json), &vector));
    bool is_old = str_equal_c(member(&vector, "encoding")->text, "cl100k_base");
    const struct value *want = member(&vector, "tokens");
    str text = member(&vector, "text")->text;
    uint64_t got =
        tokens_encode(tokens, is_old ? TOKENS_CL100K : TOKENS_O200K, text, ranks, RANKS_MAX);
    if (got != want->count)
        fail_msg("%.*s: %llu tokens", STR_ARG(line), (unsigned long long)got);
    for (uint32_t i = 0; i < want->count; i++)
        if (ranks[i] != (uint64_t)want->items[i].i64)
            fail_msg("%.*s: token %u is %u", STR_ARG(line), i, ranks[i]);
    arena_clear(&arena);
}

/* shows: A59 A60 */
static void every_published_vector_is_equal(void **state)
{
    (void)state;
    FILE *file = fopen(vectors, "rb");
    assert_non_null(file);
    static char line[256 * 1024];
    int checked = 0;
    for (; fgets(line, sizeof line, file); checked++)
        check_vector(str_trim(str_from_c(line)));
    fclose(file);
    assert_int_equal(checked, 60);
}

/* What follows here was compared with OpenAI's own tiktoken 0.14 and these vocabularies. */
static void pieces_end_where_the_pattern_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t cl100k, o200k;
    } cases[] = {
        { "Hello World", 5, 5 },
        { "HelloWorld", 10, 5 },
        { "ABCdef", 6, 6 },
        { "don't", 3, 5 },
        { "'SAID", 2, 5 },
        { "'\xc5\xbf"
          "aid",
          3, 6 },
        { "12345", 3, 3 },
        { " 12", 1, 1 },
        { "  word", 1, 1 },
        { "   \n  x", 4, 4 },
        { " \n \n", 4, 4 },
        { "\n  ", 3, 1 },
        { "   ", 3, 3 },
        { "//\n/x", 3, 4 },
        { "(name)", 5, 5 },
        { "a\xcc\x81"
          "b",
          1, 4 },
        { "\xcc\x81"
          "AB",
          4, 2 },
        { "\xff\xfe", 2, 2 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(piece_cl100k(str_from_c(cases[i].text)), cases[i].cl100k);
        assert_int_equal(piece_o200k(str_from_c(cases[i].text)), cases[i].o200k);
    }
}

static void long_runs_are_joined_as_short_ones_are(void **state)
{
    (void)state;
    static char run[3 * TOKENS_PIECE_MAX + 1];
    memset(run, 'a', sizeof run - 1);
    uint64_t all = count(TOKENS_O200K, run);
    run[8 * 100] = '\0';
    assert_int_equal(count(TOKENS_O200K, run), 100); /* "aaaaaaaa" is one token */
    assert_int_equal(all, 3 * TOKENS_PIECE_MAX / 8);
}

static void no_text_is_no_token_and_any_bytes_are_counted(void **state)
{
    (void)state;
    assert_int_equal(count(TOKENS_O200K, ""), 0);
    for (unsigned seed = 0; seed < 2000; seed++) {
        char bytes[64];
        size_t len = seed % sizeof bytes;
        uint32_t dice = seed * 2654435761u;
        for (size_t i = 0; i < len; i++) {
            dice = dice * 1664525u + 1013904223u;
            bytes[i] = (char)(dice >> 24);
        }
        uint64_t got = tokens_count(tokens, seed % 2, str_make(bytes, len));
        assert_true(got <= len && (got > 0) == (len > 0));
    }
}

static void a_model_has_its_encoding_and_an_unknown_one_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        enum tokens_encoding encoding;
        bool is_exact;
    } cases[] = {
        { "gpt-4o-mini-2024-07-18", TOKENS_O200K, true },
        { "openai/gpt-4.1", TOKENS_O200K, true },
        { "gpt-4-turbo", TOKENS_CL100K, true },
        { "azure/gpt-35-turbo", TOKENS_CL100K, true },
        { "ft:gpt-3.5-turbo:shop::1", TOKENS_CL100K, true },
        { "openrouter/openai/gpt-5-mini", TOKENS_O200K, true },
        { "o3-mini", TOKENS_O200K, true },
        { "claude-haiku-4-5", TOKENS_O200K, false },
        { "gemma-3-270m", TOKENS_O200K, false },
        { "", TOKENS_O200K, false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool is_exact;
        assert_int_equal(tokens_encoding_of(str_from_c(cases[i].model), &is_exact),
                         cases[i].encoding);
        assert_int_equal(is_exact, cases[i].is_exact);
    }
}

int main(int argc, char **argv)
{
    vectors = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_vector_is_equal),
        cmocka_unit_test(pieces_end_where_the_pattern_says),
        cmocka_unit_test(long_runs_are_joined_as_short_ones_are),
        cmocka_unit_test(no_text_is_no_token_and_any_bytes_are_counted),
        cmocka_unit_test(a_model_has_its_encoding_and_an_unknown_one_the_nearest),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
