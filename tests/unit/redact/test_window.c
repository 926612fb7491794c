/* test_window.c -- stage two loses nothing by seeing only the windows.
 *
 * Compares the finds with those of a scan of everything, on random texts and
 * on the labelled files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "redact_fixture.h"
#include <stdio.h>
#include <zlib.h>

enum { TEXT_MAX = 1 << 16 };
static const char *fixtures_folder;

static void assert_same_finds(struct fixture *fixture, str text)
{
    static struct hit windowed[TEXT_MAX];
    struct redact_scratch *scratch = fixture->scratch;
    scan_hits(scratch, &fixture->policy, text);
    size_t count = scratch->hit_count;
    assert_true(count < TEXT_MAX);
    if (count > 0)
        memcpy(windowed, scratch->hits, count * sizeof *windowed);
    scratch->whole_text = true;
    scan_hits(scratch, &fixture->policy, text);
    scratch->whole_text = false;
    bool is_same = count == scratch->hit_count;
    for (size_t i = 0; is_same && i < count; i++)
        is_same =
            windowed[i].start == scratch->hits[i].start && windowed[i].end == scratch->hits[i].end;
    if (!is_same)
        fail_msg("windows lose something: %.*s", STR_ARG(text));
}

/* shows: P2 */
static void windows_find_all_in_random_texts(void **state)
{
    static const char letters[] =
        "0123456789012345678901234567890123456789 .-:/()+ .-: abcdefABCDEFXYZ";
    static char text[400];
    uint64_t seed = 99;
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = 1 + (size_t)(seed >> 50) % sizeof text;
        len = len > sizeof text ? sizeof text : len;
        for (size_t i = 0; i < len; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[i] = letters[(seed >> 33) % (sizeof letters - 1)];
        }
        assert_same_finds(*state, str_make(text, len));
    }
}

/* Words of random ids, with what datums begin and end with glued to them or beside them. */
static void windows_find_all_beside_and_inside_of_ids(void **state)
{
    static const char *const pieces[] = {
        "a1b2c3d4",
        "0f3c",
        "DE89",
        "de89",
        "37040044",
        "0532013000",
        "X1234567L",
        "sess-",
        "RSSMRA",
        "85T",
        "10A562S",
        "rssmra",
        "85t",
        "10a562s",
        "+49",
        "0170",
        "1234567",
        "4111",
        "11111111",
        "1",
        "8b7e",
        "2551",
        "2A",
        "004123",
        "_",
        "-",
        " ",
        "f81d4f",
        "12345678",
        "Z",
        "AB",
        "123456C",
        "c",
        "(0",
        "phone ",
        "MT84MALT",
        "011000012345",
        "MTLCAST001S",
        "mtlcast001s",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    };
    static char text[600];
    uint64_t seed = 7;
    for (unsigned round = 0; round < 100000; round++) {
        size_t len = 0;
        unsigned count = 1 + (unsigned)(seed >> 61);
        for (unsigned i = 0; i < count; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const char *piece = pieces[(seed >> 33) % COUNT_OF(pieces)];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        assert_same_finds(*state, str_make(text, len));
    }
}

/* shows: P2 */
static void windows_find_every_kind_at_every_place(void **state)
{
    static const char *const data[] = {
        "4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00",
        "MT84MALT011000012345MTLCAST001S",
        "536-90-4399",
        "AB 12 34 56 C",
        "2 55 08 14 168 025 38",
        "12345678Z",
        "X1234567L",
        "RSSMRA85T10A562S",
        "529.982.247-25",
        "11.222.333/0001-81",
        "S1234567D",
        "203.0.113.7",
        "2001:db8::8a2e:370:7334",
        "00:1b:44:11:3a:b7",
        "AA-BB-CC-DD-EE-FF",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "+49 170 1234567",
        "(212) 555-0123",
        "phone 030 901820",
        "ssn 536 90 4399",
        "1.2.3.4",
        "2341 2341 2346",
    };
    struct fixture *fixture = *state;
    char text[512];
    for (size_t i = 0; i < COUNT_OF(data); i++) {
        for (size_t place = 0; place < 150; place++) {
            memset(text, place % 2 ? ' ' : '.', sizeof text);
            size_t len = strlen(data[i]);
            text[place] = ' ';
            memcpy(text + place + 1, data[i], len);
            text[place + 1 + len] = ' ';
            assert_same_finds(fixture, str_make(text, place + 1 + len + place % 70));
            scan_hits(fixture->scratch, &fixture->policy, str_make(text, place + 1 + len));
            if (fixture->scratch->hit_count != 1)
                fail_msg("%s at %zu", data[i], place);
        }
    }
}

/* shows: P2 */
static void windows_find_all_in_the_labelled_files(void **state)
{
    static const char *const names[] = { "secrets_dev", "pii_dev", "pii_synth_dev" };
    static char line[TEXT_MAX];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.jsonl.gz", fixtures_folder, names[i]);
        gzFile file = gzopen(path, "rb");
        assert_non_null(file);
        while (gzgets(file, line, sizeof line))
            assert_same_finds(*state, str_from_c(line));
        gzclose(file);
    }
}

int main(int argc, char **argv)
{
    fixtures_folder = argc > 1 ? argv[1] : "tests/fixtures/redaction";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_find_all_in_random_texts),
        cmocka_unit_test(windows_find_all_beside_and_inside_of_ids),
        cmocka_unit_test(windows_find_every_kind_at_every_place),
        cmocka_unit_test(windows_find_all_in_the_labelled_files),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
