/* test_text.c -- hex, base64, times and durations, each there and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/text.h"

static void hex_takes_both_cases_and_the_exact_length(void **state)
{
    (void)state;
    uint8_t bytes[4];
    char text[9];
    assert_true(hex_decode(STR_OF("00aBFf10"), bytes, 4));
    hex_encode(bytes, 4, text);
    assert_string_equal(text, "00abff10");
    assert_false(hex_decode(STR_OF("00aBFf1"), bytes, 4));
    assert_false(hex_decode(STR_OF("00aBFf100"), bytes, 4));
    assert_false(hex_decode(STR_OF("00aBFg10"), bytes, 4));
    assert_false(hex_decode(STR_OF("00aB f10"), bytes, 4));
    assert_true(hex_decode(STR_OF(""), bytes, 0));
}

/* RFC 4648 section 10. */
static void base64_gives_the_published_values(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *coded;
    } cases[] = { { "", "" },
                  { "f", "Zg==" },
                  { "fo", "Zm8=" },
                  { "foo", "Zm9v" },
                  { "foob", "Zm9vYg==" },
                  { "fooba", "Zm9vYmE=" },
                  { "foobar", "Zm9vYmFy" } };
    struct buf buf;
    buf_init(&buf, 100);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str plain = str_from_c(cases[i].plain), coded = str_from_c(cases[i].coded);
        char bytes[16];
        size_t len = 0;
        buf_reset(&buf);
        base64_encode(&buf, plain.ptr, plain.len);
        assert_true(str_equal(buf_str(&buf), coded));
        assert_true(base64_decode(coded, bytes, &len));
        assert_true(str_equal(str_make(bytes, len), plain));
        str bare = str_sub(coded, 0, str_find_char(coded, '='));
        assert_true(base64_decode(bare, bytes, &len)); /* padding may be left out */
        assert_true(str_equal(str_make(bytes, len), plain));
    }
    buf_clear(&buf);
}

static void base64_refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = { "A", "AAAAA", "AA A", "AA\nA", "A===",
                                       "=", "====",  "A=AA", "AA*A",  "\xc3\xa9zz" };
    char bytes[16];
    size_t len;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(base64_decode(str_from_c(bad[i]), bytes, &len));
    assert_true(base64_decode(STR_OF("-_+/"), bytes, &len)); /* both alphabets */
    assert_memory_equal(bytes, "\xfb\xff\xbf", 3);
}

static void bytes_come_back(struct dice *dice)
{
    struct buf buf;
    buf_init(&buf, KIB);
    for (int i = 0; i < 5000; i++) {
        uint8_t bytes[100], again[160];
        char hex[201];
        size_t len = dice_roll(dice, sizeof bytes + 1), again_len = 0;
        dice_fill(dice, bytes, len);
        hex_encode(bytes, len, hex);
        assert_true(hex_decode(str_from_c(hex), again, len));
        assert_memory_equal(again, bytes, len);
        buf_reset(&buf);
        base64_encode(&buf, bytes, len);
        assert_true(base64_decoded_max(buf.len) <= sizeof again);
        assert_true(base64_decode(buf_str(&buf), again, &again_len));
        assert_int_equal(again_len, len);
        assert_true(again_len <= base64_decoded_max(buf.len));
        assert_memory_equal(again, bytes, len);
    }
    buf_clear(&buf);
}

static void bytes_come_back_from_hex_and_base64(void **state)
{
    (void)state;
    dice_each_seed(bytes_come_back);
}

/* shows: A5 */
static void times_are_read_in_the_forms_that_senders_use(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = { { "1970-01-01T00:00:00Z", 0 },
                  { "1970-01-01", 0 },
                  { "2026-11-21T11:08:00.123456789Z", 1795259280123456789 },
                  { "2026-11-21t11:08:00z", 1795259280000000000 },
                  { "2026-11-21 11:08:00", 1795259280000000000 },
                  { "2026-11-21T11:08Z", 1795259280000000000 },
                  { "2026-11-21T12:08:00+01:00", 1795259280000000000 },
                  { "2026-11-21T05:38:00-0530", 1795259280000000000 },
                  { "2026-11-21T11:08:00,5Z", 1795259280500000000 },
                  { "2026-11-21T11:08:00.1234567899999Z", 1795259280123456789 },
                  { "2024-02-29T00:00:00Z", 1709164800000000000 },
                  { "1969-12-31T23:59:59.999999999Z", -1 },
                  { " 1970-01-01T00:00:01Z ", 1000000000 },
                  { "2016-12-31T23:59:60Z", 1483228800000000000 } }; /* a leap second */
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ns = -42;
        assert_true(time_parse(str_from_c(cases[i].text), &ns));
        assert_int_equal(ns, cases[i].ns);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "now",
        "2026",
        "2026-11",
        "2026-13-01",
        "2026-00-01",
        "2026-01-32",
        "2026-01-00",
        "2026-02-29",
        "2026-04-31",
        "1900-02-29",
        "26-11-21",
        "2026-11-21T24:00:00Z",
        "2026-11-21T23:60:00Z",
        "2026-11-21T23:00:61Z",
        "2026-11-21T11:08:00ZZ",
        "2026-11-21T11:08:00+1",
        "2026-11-21T11:08:00+24:00",
        "2026-11-21T11:08:00+01:60",
        "2026-11-21X11:08:00Z",
        "2026-11-21T",
        "2026-11-21T11",
        "9999-12-31T00:00:00Z",
        "1000-01-01T00:00:00Z",
        "2026-11-2 1T00:00:00Z",
        "-026-11-21",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t ns = 5;
        if (time_parse(str_from_c(bad[i]), &ns))
            print_error("case %zu was read as %lld\n", i, (long long)ns);
        assert_false(time_parse(str_from_c(bad[i]), &ns));
    }
}

static void times_are_written_to_any_digit(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    time_format(&buf, 1795259280123456789, 9);
    assert_true(str_equal_c(buf_str(&buf), "2026-11-21T11:08:00.123456789Z"));
    buf_reset(&buf);
    time_format(&buf, 1795259280123456789, 3);
    assert_true(str_equal_c(buf_str(&buf), "2026-11-21T11:08:00.123Z"));
    buf_reset(&buf);
    time_format(&buf, 1795259280123456789, 0);
    assert_true(str_equal_c(buf_str(&buf), "2026-11-21T11:08:00Z"));
    buf_reset(&buf);
    time_format(&buf, INT64_MAX, 9);
    assert_true(str_equal_c(buf_str(&buf), "2262-04-11T23:47:16.854775807Z"));
    buf_reset(&buf);
    time_format(&buf, INT64_MIN, 9);
    assert_true(str_equal_c(buf_str(&buf), "1677-09-21T00:12:43.145224192Z"));
    buf_clear(&buf);
}

static void times_come_back(struct dice *dice)
{
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 20000; i++) {
        int64_t ns = dice_i64(dice), again = 0;
        buf_reset(&buf);
        time_format(&buf, ns, 9);
        if (ns > INT64_MIN + NS_PER_S) { /* the last second of the range is not read */
            assert_true(time_parse(buf_str(&buf), &again));
            assert_int_equal(again, ns);
        }
        struct tm tm;
        char text[64];
        time_t seconds = (time_t)(ns / NS_PER_S - (ns % NS_PER_S < 0));
        gmtime_r(&seconds, &tm); /* the C library as an oracle */
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
        assert_true(str_starts(buf_str(&buf), str_from_c(text)));
        int32_t day = (tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday;
        assert_int_equal(day_from_time(ns), day);
        if (ns > 0) {
            assert_true(day_start(day) <= ns && ns - day_start(day) < 86400 * NS_PER_S);
            assert_int_equal(day_from_time(day_start(day)), day);
        }
    }
    buf_clear(&buf);
}

static void every_time_comes_back_and_agrees_with_the_c_library(void **state)
{
    (void)state;
    dice_each_seed(times_come_back);
}

static void durations_have_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = { { "250ms", 250000000 },
                  { "8s", 8000000000 },
                  { "1.5m", 90000000000 },
                  { "2h", 7200000000000 },
                  { "7d", 604800000000000 },
                  { "1w", 604800000000000 },
                  { "300us", 300000 },
                  { "300\xc2\xb5s", 300000 },
                  { "40ns", 40 },
                  { "0s", 0 },
                  { "0.5ns", 1 },
                  { "5min", 300000000000 } };
    int64_t ns = 0;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(duration_parse(str_from_c(cases[i].text), &ns));
        assert_int_equal(ns, cases[i].ns);
    }
    static const char *const bad[] = { "",    "5",    "s",  "-5s",    "+5s",  "5 s", " 5s",
                                       "5s ", "1e3s", "5S", "1.2.3s", "5sec", "5y",  ".s" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(duration_parse(str_from_c(bad[i]), &ns));
}

static void a_duration_past_the_range_is_refused(void **state)
{
    (void)state;
    int64_t ns = 0;
    assert_true(duration_parse(STR_OF("106000d"), &ns));
    assert_int_equal(ns, INT64_C(106000) * 86400 * NS_PER_S);
    assert_false(duration_parse(STR_OF("107000d"), &ns));
    assert_false(duration_parse(STR_OF("99999999999999999999999h"), &ns));
}

static void durations_come_back(struct dice *dice)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
    for (int i = 0; i < 5000; i++) {
        char text[64];
        uint32_t number = dice_roll(dice, 1000000), unit = dice_roll(dice, COUNT_OF(units));
        int64_t ns = 0;
        snprintf(text, sizeof text, "%u%s", number, units[unit].unit);
        assert_true(duration_parse(str_from_c(text), &ns));
        assert_int_equal(ns, (int64_t)number * units[unit].ns);
    }
}

static void whole_durations_are_exact(void **state)
{
    (void)state;
    dice_each_seed(durations_come_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_takes_both_cases_and_the_exact_length),
        cmocka_unit_test(base64_gives_the_published_values),
        cmocka_unit_test(base64_refuses_what_is_none),
        cmocka_unit_test(bytes_come_back_from_hex_and_base64),
        cmocka_unit_test(times_are_read_in_the_forms_that_senders_use),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(times_are_written_to_any_digit),
        cmocka_unit_test(every_time_comes_back_and_agrees_with_the_c_library),
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(a_duration_past_the_range_is_refused),
        cmocka_unit_test(whole_durations_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
