/* test_arena.c -- memory that dies together: budget, alignment, reuse, red zones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/arena.c"
#include "base/check.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

static void spent_budget_is_null_not_a_crash(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    size_t count = 0;
    while (arena_alloc(&arena, 100))
        count++;
    assert_in_range(count, 20, 40);
    assert_true(arena.used_bytes <= arena.budget_bytes);
    assert_null(arena_alloc(&arena, 4096));
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_alloc(&arena, 100));
    arena_clear(&arena);
}

/* Red zones count, so only builds without them can use the budget to the byte. */
static void an_allocation_of_the_whole_budget_fits_and_one_past_it_does_not(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, MIB);
    void *probe = arena_alloc(&arena, 16);
    assert_non_null(probe);
    size_t red_zone = arena.used_bytes - 16;
    arena_reset(&arena);
    assert_null(arena_alloc(&arena, MIB - red_zone + 1));
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_alloc(&arena, MIB - red_zone));
    assert_null(arena_alloc(&arena, 1));
    arena_clear(&arena);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, MIB);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
    assert_null(arena_calloc(&arena, SIZE_MAX, SIZE_MAX));
    arena_clear(&arena);
    arena_init(&arena, SIZE_MAX); /* no budget is no licence to wrap around */
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    arena_clear(&arena);
}

static void nothing_at_all_is_still_a_pointer(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024);
    void *first = arena_alloc(&arena, 0), *second = arena_alloc(&arena, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    arena_clear(&arena);
    arena_clear(&arena); /* twice is harmless */
}

static void an_absent_text_stays_absent_and_an_empty_one_present(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024);
    assert_true(str_is_none(arena_str(&arena, STR_NONE)));
    str empty = arena_str(&arena, STR_OF(""));
    assert_false(str_is_none(empty));
    assert_int_equal(empty.len, 0);
    str copy = arena_str(&arena, STR_OF("text"));
    assert_true(str_equal_c(copy, "text"));
    arena_clear(&arena);
    arena_init(&arena, 0);
    assert_true(str_is_none(arena_str(&arena, STR_OF("text"))));
    assert_true(str_is_none(arena_printf(&arena, "%d", 5)));
    arena_clear(&arena);
}

static void printf_fits_exactly(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, MIB);
    str text = arena_printf(&arena, "%s-%05d", "a", 42);
    assert_true(str_equal_c(text, "a-00042"));
    assert_int_equal(text.ptr[text.len], '\0');
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    text = arena_printf(&arena, "%s!", large);
    assert_int_equal(text.len, sizeof large);
    assert_int_equal(text.ptr[text.len - 1], '!');
    arena_clear(&arena);
}

enum { PIECES = 400 };
struct piece {
    uint8_t *at;
    size_t len;
    uint8_t fill;
};

static void fill_round(struct arena *arena, struct dice *dice, struct piece *pieces)
{
    for (size_t i = 0; i < PIECES; i++) {
        size_t len = dice_roll(dice, 20) ? dice_roll(dice, 300) : dice_roll(dice, 3000000);
        uint8_t *at = arena_alloc(arena, len);
        assert_non_null(at);
        assert_int_equal((uintptr_t)at % 16, 0);
        pieces[i] = (struct piece){ at, len, (uint8_t)dice_roll(dice, 256) };
        memset(at, pieces[i].fill, len);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < pieces[i].len; k += 1 + pieces[i].len / 50)
            assert_int_equal(pieces[i].at[k], pieces[i].fill);
}

static void pieces_never_overlap(struct dice *dice)
{
    struct arena arena;
    static struct piece pieces[PIECES];
    arena_init(&arena, 1024 * MIB);
    for (int round = 0; round < 10; round++) {
        fill_round(&arena, dice, pieces);
        size_t used = 0;
        for (size_t i = 0; i < PIECES; i++)
            used += pieces[i].len;
        assert_true(arena.used_bytes >= used);
        arena_reset(&arena);
    }
    arena_clear(&arena);
}

static void pieces_are_aligned_and_never_overlap_over_resets(void **state)
{
    (void)state;
    dice_each_seed(pieces_never_overlap);
}

static void calloc_zeroes_what_an_earlier_round_left(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, MIB);
    memset(arena_alloc(&arena, 5000), 0xff, 5000);
    arena_reset(&arena);
    const uint8_t *bytes = arena_calloc(&arena, 50, 100);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(bytes[i], 0);
    arena_clear(&arena);
}

/* Blocks of which nothing was handed out since the last reset, and all others. */
static size_t blocks_of(const struct arena *arena)
{
    size_t count = 0;
    for (const struct arena_block *at = arena->first; at; at = at->next)
        count++;
    return count;
}

static void reset_keeps_what_is_used_regularly_and_forgets_a_peak(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 256 * MIB);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            assert_non_null(arena_alloc(&arena, MIB - 64));
        size_t blocks = blocks_of(&arena);
        arena_reset(&arena);
        assert_int_equal(blocks_of(&arena), blocks);
    }
    for (int i = 0; i < 40; i++) {
        assert_non_null(arena_alloc(&arena, 100));
        arena_reset(&arena);
    }
    assert_in_range(blocks_of(&arena), 8, 16);
    char *first = arena_alloc(&arena, 100);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 100), first); /* the same block serves again */
    arena_clear(&arena);
}

#if defined(__SANITIZE_ADDRESS__)
static void an_overrun_is_seen_in_sanitizer_builds(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, MIB);
    char *at = arena_alloc(&arena, 24);
    char *next = arena_alloc(&arena, 8);
    assert_false(__asan_address_is_poisoned(at + 23));
    assert_true(__asan_address_is_poisoned(at + 24));
    assert_true(__asan_address_is_poisoned(next - 1));
    arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(at)); /* use after reset, too */
    arena_clear(&arena);
}
#endif

static void strdup_ends_with_nul(void **state)
{
    (void)state;
    char *copy = xstrdup_str(str_make("abcdef", 3));
    assert_string_equal(copy, "abc");
    xfree(copy);
    copy = xstrdup_str(STR_NONE);
    assert_string_equal(copy, "");
    xfree(copy);
    xfree(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spent_budget_is_null_not_a_crash),
        cmocka_unit_test(an_allocation_of_the_whole_budget_fits_and_one_past_it_does_not),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(nothing_at_all_is_still_a_pointer),
        cmocka_unit_test(an_absent_text_stays_absent_and_an_empty_one_present),
        cmocka_unit_test(printf_fits_exactly),
        cmocka_unit_test(pieces_are_aligned_and_never_overlap_over_resets),
        cmocka_unit_test(calloc_zeroes_what_an_earlier_round_left),
        cmocka_unit_test(reset_keeps_what_is_used_regularly_and_forgets_a_peak),
#if defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(an_overrun_is_seen_in_sanitizer_builds),
#endif
        cmocka_unit_test(strdup_ends_with_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
