/* test_crypt.c -- published values of FIPS 180-4, RFC 4231, the GCM specification, and what
 * must never open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/arena.h"
#include "base/text.h"
#include "sys/crypt.h"

static size_t from_hex(const char *hex, uint8_t *ret)
{
    size_t len = strlen(hex) / 2;
    assert_true(hex_decode(str_from_c(hex), ret, len));
    return len;
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
    char text[2 * 128 + 1];
    assert_true(len <= 128);
    hex_encode(bytes, len, text);
    assert_string_equal(text, expected);
}

/* FIPS 180-4 examples. */
static void sha256_gives_the_published_values(void **state)
{
    (void)state;
    uint8_t hash[CRYPT_SHA256_BYTES];
    crypt_sha256("", 0, hash);
    assert_hex(hash, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    crypt_sha256("abc", 3, hash);
    assert_hex(hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    crypt_sha256(two, strlen(two), hash);
    assert_hex(hash, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void sha256_of_pieces_is_that_of_the_whole_and_begins_anew(void **state)
{
    (void)state;
    static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t whole[CRYPT_SHA256_BYTES], pieces[CRYPT_SHA256_BYTES];
    struct crypt_digest *digest = crypt_digest_new();
    crypt_sha256(text, strlen(text), whole);
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        crypt_digest_add(digest, text, cut);
        crypt_digest_add(digest, text + cut, strlen(text) - cut);
        crypt_digest_end(digest, pieces);
        assert_memory_equal(pieces, whole, sizeof whole);
    }
    crypt_digest_free(digest);
}

static void mac_of(const char *key_hex, const void *bytes, size_t len, uint8_t ret_hash[32])
{
    struct crypt_key key = { { 0 } }; /* HMAC fills short keys with zeros itself */
    from_hex(key_hex, key.bytes);
    struct crypt_mac *mac = crypt_mac_new(&key);
    crypt_mac_once(mac, "another message before it", 25, ret_hash);
    crypt_mac_once(mac, bytes, len, ret_hash);
    crypt_mac_free(mac);
}

/* RFC 4231 cases 1, 2 and 3, each on a context that was used before. */
static void hmac_gives_the_published_values(void **state)
{
    (void)state;
    uint8_t hash[32], fifty[50];
    mac_of("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There", 8, hash);
    assert_hex(hash, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    mac_of("4a656665", "what do ya want for nothing?", 28, hash);
    assert_hex(hash, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(fifty, 0xdd, sizeof fifty);
    mac_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", fifty, sizeof fifty, hash);
    assert_hex(hash, 32, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
}

/* RFC 5869 in its own words, by the HMAC that was checked above. */
static void reference_derive(const struct crypt_key *parent, str salt, str info, uint8_t out[32])
{
    struct crypt_key key = { { 0 } }, middle;
    uint8_t message[128];
    assert_true(salt.len <= sizeof key.bytes && info.len < sizeof message);
    if (salt.len)
        memcpy(key.bytes, salt.ptr, salt.len);
    struct crypt_mac *extract = crypt_mac_new(&key);
    crypt_mac_once(extract, parent->bytes, sizeof parent->bytes, middle.bytes);
    crypt_mac_free(extract);
    if (info.len)
        memcpy(message, info.ptr, info.len);
    message[info.len] = 1;
    struct crypt_mac *expand = crypt_mac_new(&middle);
    crypt_mac_once(expand, message, info.len + 1, out);
    crypt_mac_free(expand);
}

static void derived_keys_follow_rfc_5869(void **state)
{
    (void)state;
    struct crypt_key parent, key, other;
    uint8_t expected[32];
    memset(parent.bytes, 0x0b, sizeof parent.bytes);
    static const str salts[] = { STR(""), STR("salt"), STR("0123456789abcdef0123456789abcdef") };
    static const str infos[] = { STR(""), STR("content"), STR("log key of hour 497000") };
    for (size_t s = 0; s < COUNT_OF(salts); s++)
        for (size_t i = 0; i < COUNT_OF(infos); i++) {
            reference_derive(&parent, salts[s], infos[i], expected);
            crypt_derive(&parent, salts[s], infos[i], &key);
            assert_memory_equal(key.bytes, expected, sizeof expected);
        }
    crypt_derive(&parent, STR_NONE, STR_OF("a"), &key);
    crypt_derive(&parent, STR_NONE, STR_OF("b"), &other);
    assert_memory_not_equal(key.bytes, other.bytes, sizeof key.bytes);
}

struct gcm_case {
    const char *key, *nonce, *plain, *aad, *sealed; /* sealed: ciphertext and tag */
};
/* McGrew and Viega, test cases 13, 14 and 16. */
static const struct gcm_case gcm_cases[] = {
    { "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
    { "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "00000000000000000000000000000000", "",
      "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
    { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
      "b525b16aedf5aa0de657ba637b39",
      "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682"
      "8838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b" },
};

static void gcm_gives_the_published_values_in_any_order(void **state)
{
    (void)state;
    struct crypt_gcm *gcm = crypt_gcm_new();
    for (size_t round = 0; round < 6; round++) { /* keys change back and forth on one context */
        const struct gcm_case *at = &gcm_cases[round * 2 % COUNT_OF(gcm_cases)];
        struct crypt_key key;
        uint8_t nonce[12], plain[80], aad[32], sealed[96], opened[80];
        from_hex(at->key, key.bytes);
        from_hex(at->nonce, nonce);
        size_t len = from_hex(at->plain, plain), aad_len = from_hex(at->aad, aad);
        str extra = str_make((char *)aad, aad_len);
        crypt_gcm_seal(gcm, &key, nonce, extra, plain, len, sealed);
        assert_hex(sealed, len + CRYPT_TAG_BYTES, at->sealed);
        assert_true(crypt_gcm_open(gcm, &key, nonce, extra, sealed, len + 16, opened));
        assert_memory_equal(opened, plain, len);
    }
    crypt_gcm_free(gcm);
    crypt_gcm_free(NULL);
}

enum { MESSAGE_MAX = 200 };
struct sealed {
    struct crypt_key key;
    uint8_t nonce[CRYPT_NONCE_BYTES], aad[20], plain[MESSAGE_MAX];
    uint8_t bytes[MESSAGE_MAX + CRYPT_TAG_BYTES];
    size_t len, aad_len;
};

static void seal_random(struct crypt_gcm *gcm, struct dice *dice, struct sealed *ret)
{
    ret->len = dice_roll(dice, MESSAGE_MAX + 1);
    ret->aad_len = dice_roll(dice, sizeof ret->aad + 1);
    dice_fill(dice, &ret->key, sizeof ret->key);
    dice_fill(dice, ret->nonce, sizeof ret->nonce);
    dice_fill(dice, ret->aad, sizeof ret->aad);
    dice_fill(dice, ret->plain, sizeof ret->plain);
    crypt_gcm_seal(gcm, &ret->key, ret->nonce, str_make((char *)ret->aad, ret->aad_len), ret->plain,
                   ret->len, ret->bytes);
}

static bool opens(struct crypt_gcm *gcm, const struct sealed *sealed, size_t len, uint8_t *out)
{
    return crypt_gcm_open(gcm, &sealed->key, sealed->nonce,
                          str_make((const char *)sealed->aad, sealed->aad_len), sealed->bytes, len,
                          out);
}

static void any_changed_bit_is_refused(struct dice *dice)
{
    static const uint8_t wiped[MESSAGE_MAX];
    struct crypt_gcm *gcm = crypt_gcm_new();
    for (int i = 0; i < 3000; i++) {
        struct sealed good, bad;
        uint8_t out[MESSAGE_MAX];
        seal_random(gcm, dice, &good);
        size_t len = good.len + CRYPT_TAG_BYTES;
        bad = good;
        uint8_t bit = (uint8_t)(1u << dice_roll(dice, 8));
        uint32_t where = dice_roll(dice, 4);
        if (where == 0)
            bad.key.bytes[dice_roll(dice, sizeof bad.key)] ^= bit;
        else if (where == 1)
            bad.nonce[dice_roll(dice, sizeof bad.nonce)] ^= bit;
        else if (where == 2 && bad.aad_len)
            bad.aad[dice_roll(dice, (uint32_t)bad.aad_len)] ^= bit;
        else
            bad.bytes[dice_roll(dice, (uint32_t)len)] ^= bit;
        memset(out, 0xaa, sizeof out);
        assert_false(opens(gcm, &bad, len, out));
        assert_memory_equal(out, wiped, good.len); /* nothing unauthenticated is handed out */
        assert_true(opens(gcm, &good, len, out));
        assert_memory_equal(out, good.plain, good.len);
    }
    crypt_gcm_free(gcm);
}

static void a_change_of_any_bit_is_refused_and_the_next_message_still_opens(void **state)
{
    (void)state;
    dice_each_seed(any_changed_bit_is_refused);
}

static void a_message_shorter_than_its_tag_is_refused(void **state)
{
    (void)state;
    struct dice dice = { 5 };
    struct crypt_gcm *gcm = crypt_gcm_new();
    struct sealed sealed;
    uint8_t out[MESSAGE_MAX];
    seal_random(gcm, &dice, &sealed);
    for (size_t len = 0; len < CRYPT_TAG_BYTES; len++)
        assert_false(opens(gcm, &sealed, len, out));
    assert_false(opens(gcm, &sealed, (size_t)INT32_MAX + 1, out));
    crypt_gcm_free(gcm);
}

static void sealing_and_opening_work_in_place(void **state)
{
    (void)state;
    struct crypt_gcm *gcm = crypt_gcm_new();
    struct crypt_key key = { { 1, 2, 3 } };
    const uint8_t nonce[CRYPT_NONCE_BYTES] = { 9 };
    uint8_t bytes[11 + CRYPT_TAG_BYTES] = "hello there";
    crypt_gcm_seal(gcm, &key, nonce, STR_OF("aad"), bytes, 11, bytes);
    assert_memory_not_equal(bytes, "hello there", 11);
    assert_true(crypt_gcm_open(gcm, &key, nonce, STR_OF("aad"), bytes, sizeof bytes, bytes));
    assert_memory_equal(bytes, "hello there", 11);
    crypt_gcm_free(gcm);
}

static void comparing_wiping_and_chance(void **state)
{
    (void)state;
    uint8_t a[1000] = { 0 }, b[1000];
    memset(b, 0, sizeof b);
    assert_true(crypt_equal(a, b, sizeof a));
    b[999] = 1;
    assert_false(crypt_equal(a, b, sizeof a));
    assert_true(crypt_equal(a, b, 999));
    assert_true(crypt_equal(a, b, 0));
    crypt_random(a, sizeof a); /* more than the kernel gives at once */
    crypt_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 700, a + 100, 256);
    crypt_wipe(a, sizeof a);
    memset(b, 0, sizeof b);
    assert_memory_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_values),
        cmocka_unit_test(sha256_of_pieces_is_that_of_the_whole_and_begins_anew),
        cmocka_unit_test(hmac_gives_the_published_values),
        cmocka_unit_test(derived_keys_follow_rfc_5869),
        cmocka_unit_test(gcm_gives_the_published_values_in_any_order),
        cmocka_unit_test(a_change_of_any_bit_is_refused_and_the_next_message_still_opens),
        cmocka_unit_test(a_message_shorter_than_its_tag_is_refused),
        cmocka_unit_test(sealing_and_opening_work_in_place),
        cmocka_unit_test(comparing_wiping_and_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
