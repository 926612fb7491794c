/* test_words.c -- texts in JSON, and the words in them: the same for the index and for a search.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "search/search_int.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* The folded words of a text, each with | behind it. */
static void words_are(const char *text, const char *expected)
{
    struct words words;
    struct word word;
    char got[2048] = "";
    size_t len = 0;
    words_init(&words, str_from_c(text));
    while (words_next(&words, &word)) {
        assert_true(word.from < word.to && word.to <= strlen(text));
        len += (size_t)snprintf(got + len, sizeof got - len, "%.*s|", (int)words.len, words.folded);
    }
    assert_string_equal(got, expected);
}

static uint64_t hash_of(const char *text)
{
    struct words words;
    struct word word;
    words_init(&words, str_from_c(text));
    assert_true(words_next(&words, &word));
    return word.hash;
}

static void words_are_runs_of_letters_and_digits(void **state)
{
    (void)state;
    words_are("What is OUR refund-policy, user_id 42?", "what|is|our|refund|policy|user|id|42|");
    words_are("", "");
    words_are(" .,;\n\t ", "");
    words_are("a", "a|");
    words_are("x@y.example/path?q=1%20", "x|y|example|path|q|1|20|");
    words_are("exactly8 ninechars sixteencharacter seventeencharactr",
              "exactly8|ninechars|sixteencharacter|seventeencharactr|");
    words_are("@[`{/:abc@[`{/:", "abc|");
}

static void case_accents_and_forms_do_not_matter(void **state)
{
    (void)state;
    words_are("ZÜRICH Straße ÉCOLE", "zurich|strasse|ecole|");
    words_are("e\xCC\x81"
              "cole caf\xC3\xA9s",
              "ecole|cafes|"); /* an accent of its own */
    words_are("ＦＵＬＬ ｗｉｄｔｈ １２", "full|width|12|");
    words_are("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ|σισυφοσ|");
    words_are("МОСКВА ЙОД йод", "москва|иод|иод|");
    words_are("ﬁne ½", "fine|12|");
    words_are("soft\xC2\xADhyphen", "softhyphen|");
    words_are("naïve—dash “quoted” it’s", "naive|dash|quoted|it|s|");
    words_are("🙂ok🙂", "ok|");
    assert_true(hash_of("Zürich") == hash_of("zurich"));
    assert_true(hash_of("zurich") != hash_of("zuricha"));
}

static void scripts_without_spaces_go_by_characters(void **state)
{
    (void)state;
    words_are("東京都", "東|京|都|");
    words_are("GPT東京4", "gpt|東|京|4|");
    words_are("カタカナ、ｶ", "カ|タ|カ|ナ|カ|");
    words_are("한국", "한|국|");
    words_are("สวัสดี", "ส|ว|ั|ส|ด|ี|");
    assert_true(word_pair(hash_of("東"), hash_of("京")) != word_pair(hash_of("京"), hash_of("東")));
}

static void what_is_not_utf8_stands_between_words(void **state)
{
    (void)state;
    words_are("ab\xff"
              "cd\xc3 ef\xe6\x9d",
              "ab|cd|ef|");
    words_are("\x80\x80", "");
    words_are("a\xf0\x9f\x99", "a|");
    words_are("a\xed\xa0\x80z", "a|z|");
}

/* 64 bytes count, the 65th does not. */
static void long_words_are_compared_by_their_first_64_bytes(void **state)
{
    (void)state;
    char text[80];
    memset(text, 'a', sizeof text);
    text[64] = '\0';
    uint64_t at_limit = hash_of(text);
    text[64] = 'b', text[65] = '\0';
    assert_true(hash_of(text) == at_limit);
    text[63] = 'c';
    assert_true(hash_of(text) != at_limit);
    text[63] = '\0';
    assert_true(hash_of(text) != at_limit);
    char wide[256] = "";
    for (int i = 0; i < 62; i++)
        wide[i] = 'x';
    snprintf(wide + 62, sizeof wide - 62,
             "\xEF\xB7\xBA"
             "tail"); /* one that folds to many bytes */
    (void)hash_of(wide);
}

/* Eight bytes at once give what one after the other does. */
static void every_place_and_length_gives_the_same_words(void **state)
{
    (void)state;
    uint64_t seed = 4711;
    char text[64], expected[512], got[512];
    for (int round = 0; round < 20000; round++) {
        size_t len = 0, out = 0, end = seed % 60;
        for (size_t i = 0; i < end; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
            unsigned char c = (unsigned char)(seed >> 57);
            text[len++] = (char)(seed >> 40 & 3 ? "abcXYZ019zAZa"[c % 13] : c ? c : ' ');
        }
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
        for (size_t i = 0; i < len; i++) {
            if (isalnum((unsigned char)text[i]))
                expected[out++] = (char)tolower((unsigned char)text[i]);
            else if (out && expected[out - 1] != '|')
                expected[out++] = '|';
        }
        if (out && expected[out - 1] != '|')
            expected[out++] = '|';
        struct words words;
        struct word word;
        size_t at = 0;
        words_init(&words, str_make(text, len));
        while (words_next(&words, &word)) {
            memcpy(got + at, words.folded, words.len);
            at += words.len;
            got[at++] = '|';
        }
        assert_true(at == out && memcmp(got, expected, out) == 0);
    }
}

static void texts_are(const char *json, const char *expected)
{
    struct texts texts;
    struct buf scratch;
    str text;
    char got[1024] = "";
    size_t len = 0;
    buf_init(&scratch, MIB);
    texts_init(&texts, str_from_c(json), &scratch);
    while (texts_next(&texts, &text))
        len += (size_t)snprintf(got + len, sizeof got - len, "%.*s|", (int)text.len, text.ptr);
    buf_clear(&scratch);
    assert_string_equal(got, expected);
}

static void texts_are_the_values_of_json(void **state)
{
    (void)state;
    texts_are(
        "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hello\"},"
        "{\"type\":\"tool_call\",\"name\":\"pay\",\"arguments\":{\"type\":\"gold\",\"n\":12.5}}]}]",
        "hello|pay|gold|12.5|");
    texts_are("\"a query\"", "a query|");
    texts_are("{\"a\":[1,-2,true,null],\"b\":{\"c\":\"\"}}", "1|-2|");
    texts_are("[[\"x\"],{\"role\":[\"kept\"]}]", "x|kept|");
}

static void escapes_are_read_as_people_do(void **state)
{
    (void)state;
    texts_are("[\"a\\nb\",\"\\\"q\\\"\",\"\\\\\",\"\\/\\t\",\"\\u00e9\\ud83d\\ude42\\ud800\"]",
              "a\nb|\"q\"|\\|/\t|é🙂\xEF\xBF\xBD|");
    texts_are("{\"k\\\"\":\"v\",\"\\u0072ole\":\"skipped\"}", "v|");
}

static void what_is_no_json_ends_somewhere(void **state)
{
    (void)state;
    texts_are("\"open", "open|");
    texts_are("\"open\\", "open|");
    texts_are("\"\\u12", "u12|");
    texts_are("]]]}}\"x\"", "x|");
    texts_are("\"", "");
    char deep[400];
    memset(deep, '[', 200);
    snprintf(deep + 200, sizeof deep - 200, "{\"k\":\"v\",\"l\":\"m\"}");
    texts_are(deep, "v|l|m|"); /* past 64 levels names are not told from values */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_runs_of_letters_and_digits),
        cmocka_unit_test(case_accents_and_forms_do_not_matter),
        cmocka_unit_test(scripts_without_spaces_go_by_characters),
        cmocka_unit_test(what_is_not_utf8_stands_between_words),
        cmocka_unit_test(long_words_are_compared_by_their_first_64_bytes),
        cmocka_unit_test(every_place_and_length_gives_the_same_words),
        cmocka_unit_test(texts_are_the_values_of_json),
        cmocka_unit_test(escapes_are_read_as_people_do),
        cmocka_unit_test(what_is_no_json_ends_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
