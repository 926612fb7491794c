/* test_utf8.c -- UTF-8 against a slow reference, and against the C library's idea of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/utf8.h"

static const str replacement = STR("\xef\xbf\xbd");

/* By decoding and encoding again: nothing shared with the table in utf8.c. */
static size_t reference_sequence(const uint8_t *at, size_t len)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t need = at[0] < 0x80             ? 1
                  : (at[0] & 0xe0) == 0xc0 ? 2
                  : (at[0] & 0xf0) == 0xe0 ? 3
                  : (at[0] & 0xf8) == 0xf0 ? 4
                                           : 0;
    if (need == 0 || need > len)
        return 0;
    uint32_t code = need == 1 ? at[0] : at[0] & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    bool ok = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return ok && (need == 1 || code >= least[need]) ? need : 0;
}

static size_t reference_prefix(const uint8_t *at, size_t len)
{
    size_t i = 0;
    for (size_t step; i < len && (step = reference_sequence(at + i, len - i)) > 0;)
        i += step;
    return i;
}

static void every_code_point_is_written_and_recognised(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x110100; code++) {
        char bytes[4];
        size_t len = utf8_encode(code, bytes);
        bool valid = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
        if (!valid) {
            assert_int_equal(len, 0);
            continue;
        }
        assert_int_equal(reference_sequence((uint8_t *)bytes, len), len);
        assert_int_equal(utf8_valid_prefix(str_make(bytes, len)), len);
        for (size_t cut = 1; cut < len; cut++)
            assert_int_equal(utf8_valid_prefix(str_make(bytes, cut)), 0);
    }
}

/* Every lead with every second byte, and the third and fourth at their corners. */
static void every_short_sequence_is_judged_as_by_the_reference(void **state)
{
    (void)state;
    static const uint8_t corners[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff };
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (size_t c = 0; c < COUNT_OF(corners); c++)
                for (size_t d = 0; d < COUNT_OF(corners); d++) {
                    uint8_t bytes[4] = { (uint8_t)a, (uint8_t)b, corners[c], corners[d] };
                    assert_int_equal(utf8_valid_prefix(str_make((char *)bytes, 4)),
                                     reference_prefix(bytes, 4));
                }
}

static void texts_are_judged_and_repaired(struct dice *dice)
{
    struct arena arena;
    arena_init(&arena, MIB);
    for (int i = 0; i < 50000; i++) {
        uint8_t bytes[64];
        size_t len = dice_roll(dice, sizeof bytes);
        for (size_t k = 0; k < len;) { /* mostly right, sometimes not */
            char piece[4];
            size_t step = utf8_encode(dice_roll(dice, 1u << (7 + dice_roll(dice, 15))), piece);
            for (size_t p = 0; p < step && k < len; p++)
                bytes[k++] = (uint8_t)piece[p];
            if (dice_roll(dice, 30) == 0 && k < len)
                bytes[k++] = (uint8_t)dice_roll(dice, 256);
        }
        str text = str_make((char *)bytes, len);
        size_t valid = utf8_valid_prefix(text);
        assert_int_equal(valid, reference_prefix(bytes, len));
        arena_reset(&arena);
        str repaired = utf8_repair(&arena, text);
        assert_true(utf8_is_valid(repaired));
        assert_int_equal(memcmp(repaired.ptr, bytes, valid), 0);
        assert_int_equal(repaired.ptr == text.ptr, valid == len); /* valid texts are not copied */
        str again = utf8_repair(&arena, repaired);
        assert_true(str_equal(again, repaired));
        uint32_t max = dice_roll(dice, 70);
        str prefix = utf8_prefix(repaired, max);
        assert_true(utf8_is_valid(prefix));
        assert_true(str_starts(repaired, prefix));
        assert_int_equal(utf8_count(prefix), MIN((size_t)max, utf8_count(repaired)));
    }
    arena_clear(&arena);
}

static void random_texts_are_judged_as_by_the_reference_and_repaired(void **state)
{
    (void)state;
    dice_each_seed(texts_are_judged_and_repaired);
}

static void each_invalid_sequence_becomes_one_replacement(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t replacements;
    } cases[] = { { "ok", 0 },
                  { "\xff", 1 },
                  { "a\xc3", 1 },
                  { "\xe2\x82"
                    "a",
                    1 },
                  { "\xff\xff", 2 },
                  { "\xc0\xafx\xc0", 2 },
                  { "a\x80"
                    "b",
                    1 } };
    struct arena arena;
    arena_init(&arena, KIB);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str rest = utf8_repair(&arena, str_from_c(cases[i].text));
        size_t found = 0;
        for (size_t at; (at = str_find(rest, replacement)) < rest.len; found++)
            rest = str_from(rest, at + replacement.len);
        assert_int_equal(found, cases[i].replacements);
        arena_reset(&arena);
    }
    arena_clear(&arena);
    arena_init(&arena, 0); /* no room to repair: absent, not wrong */
    assert_true(str_is_none(utf8_repair(&arena, STR_OF("\xff"))));
    assert_true(str_equal_c(utf8_repair(&arena, STR_OF("fine")), "fine"));
}

static void a_prefix_counts_characters_not_bytes(void **state)
{
    (void)state;
    str text = STR_OF("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
    static const size_t lens[] = { 0, 1, 3, 6, 10, 11, 11 };
    assert_int_equal(utf8_count(text), 5);
    for (size_t i = 0; i < COUNT_OF(lens); i++)
        assert_int_equal(utf8_prefix(text, i).len, lens[i]);
}

/* Any bytes, of any length: text is taken eight and 32 bytes at a time. */
static void counts_and_prefixes_are_those_of_the_reference(void **state)
{
    (void)state;
    enum { BYTES_MAX = 4200 };
    static char bytes[BYTES_MAX];
    static const unsigned char kinds[] = { 'a', 0x80, 0xbf, 0xc3, 0xff, 'z', 0x41, 0x9f };
    uint64_t bits = 3;
    for (size_t len = 0; len < BYTES_MAX; len += len < 200 ? 1 : 97) {
        for (size_t i = 0; i < len; i++) {
            bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[i] = (char)(len % 3 ? kinds[bits >> 61] : len % 2 ? 0x80 : 'x');
        }
        size_t max = len ? (size_t)(bits >> 32) % len : 0, count = 0, prefix = len;
        for (size_t i = 0; i < len; i++) {
            bool leads = ((unsigned char)bytes[i] & 0xc0) != 0x80;
            if (leads && count == max && prefix == len)
                prefix = i;
            count += leads;
        }
        assert_int_equal(utf8_count(str_make(bytes, len)), count);
        assert_int_equal(utf8_prefix(str_make(bytes, len), max).len, prefix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_is_written_and_recognised),
        cmocka_unit_test(every_short_sequence_is_judged_as_by_the_reference),
        cmocka_unit_test(random_texts_are_judged_as_by_the_reference_and_repaired),
        cmocka_unit_test(each_invalid_sequence_becomes_one_replacement),
        cmocka_unit_test(a_prefix_counts_characters_not_bytes),
        cmocka_unit_test(counts_and_prefixes_are_those_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
