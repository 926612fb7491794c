/* test_hash.c -- checksums against published values and against themselves in pieces.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/hash.h"

/* RFC 3720 appendix B.4, and the check value of the CRC catalogue. */
static void crc32c_gives_the_published_values(void **state)
{
    (void)state;
    uint8_t bytes[32] = { 0 };
    assert_int_equal(hash_crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(hash_crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(hash_crc32c(0, bytes, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(hash_crc32c(0, bytes, 32), 0x113fdb5c);
    assert_int_equal(hash_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(hash_crc32c(0, "", 0), 0);
}

/* Long runs are done in another way than short ones. */
static void a_long_run_gives_what_its_short_pieces_give(struct dice *dice)
{
    static uint8_t bytes[70000];
    dice_fill(dice, bytes, sizeof bytes);
    for (int i = 0; i < 200; i++) {
        size_t max = i % 2 ? 1200 : 60000;
        size_t start = dice_roll(dice, 64), len = dice_roll(dice, (uint32_t)max);
        uint32_t whole = hash_crc32c((uint32_t)i, bytes + start, len), pieces = (uint32_t)i;
        for (size_t at = 0; at < len; at += 100)
            pieces = hash_crc32c(pieces, bytes + start + at, MIN(len - at, (size_t)100));
        assert_int_equal(whole, pieces);
    }
}

static void crc32c_of_a_long_run_is_that_of_its_pieces(void **state)
{
    (void)state;
    dice_each_seed(a_long_run_gives_what_its_short_pieces_give);
}

static void pieces_give_the_whole(struct dice *dice)
{
    uint8_t bytes[300];
    for (int i = 0; i < 2000; i++) {
        size_t len = dice_roll(dice, sizeof bytes), cut = dice_roll(dice, (uint32_t)len + 1);
        dice_fill(dice, bytes, len);
        uint32_t whole = hash_crc32c(0, bytes, len);
        assert_int_equal(hash_crc32c(hash_crc32c(0, bytes, cut), bytes + cut, len - cut), whole);
        if (len == 0)
            continue;
        bytes[dice_roll(dice, (uint32_t)len)] ^= (uint8_t)(1u << dice_roll(dice, 8));
        assert_int_not_equal(hash_crc32c(0, bytes, len), whole); /* every single bit is seen */
    }
}

static void crc32c_of_pieces_is_that_of_the_whole(void **state)
{
    (void)state;
    dice_each_seed(pieces_give_the_whole);
}

/* XXH3's own test value for no input; our files carry such hashes, so they must not change. */
static void hashes_do_not_change_between_releases(void **state)
{
    (void)state;
    assert_int_equal(hash_bytes("", 0), UINT64_C(0x2d06800538d394c2));
    assert_int_equal(hash_bytes(NULL, 0), hash_bytes("", 0));
    assert_int_equal(hash_str(STR_OF("abc")), hash_bytes("abc", 3));
    assert_int_equal(hash_bytes_seeded("abc", 3, 0), hash_bytes("abc", 3));
    assert_int_not_equal(hash_bytes_seeded("abc", 3, 1), hash_bytes("abc", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_published_values),
        cmocka_unit_test(crc32c_of_pieces_is_that_of_the_whole),
        cmocka_unit_test(crc32c_of_a_long_run_is_that_of_its_pieces),
        cmocka_unit_test(hashes_do_not_change_between_releases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
