/* text.c -- hex, base64, RFC 3339 times and durations.
 *
 * Calendar arithmetic is Howard Hinnant's civil-day formula, restated.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "base/check.h"
#include <stdio.h>
#include <stdlib.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(str text, void *ret_bytes, size_t out_len)
{
    if (text.len != 2 * out_len)
        return false;
    uint8_t *out = ret_bytes;
    for (size_t i = 0; i < out_len; i++) {
        int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void hex_encode(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[((const uint8_t *)bytes)[i] >> 4];
        out[2 * i + 1] = digits[((const uint8_t *)bytes)[i] & 15];
    }
    out[2 * len] = '\0';
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool base64_decode(str text, void *ret_bytes, size_t *ret_len)
{
    const size_t padded_len = text.len;
    for (int pad = 0; pad < 2 && text.len && text.ptr[text.len - 1] == '='; pad++)
        text.len--;
    if (text.len % 4 == 1 || (text.len < padded_len && padded_len % 4 != 0))
        return false;
    uint8_t *out = ret_bytes;
    size_t len = 0;
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        out[len++] = (uint8_t)(bits >> count);
    }
    *ret_len = len;
    return true;
}

void base64_encode(struct buf *out, const void *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)in[i] << 16;
        bits |= i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= i + 2 < len ? in[i + 2] : 0;
        char text[4] = { digits[bits >> 18], digits[bits >> 12 & 63],
                         i + 1 < len ? digits[bits >> 6 & 63] : '=',
                         i + 2 < len ? digits[bits & 63] : '=' };
        buf_add(out, text, 4);
    }
}

/* Days since 1970-01-01 of a proleptic Gregorian date. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *ret_month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static const int64_t ns_per_day = 86400 * NS_PER_S;

void time_format(struct buf *out, int64_t time_ns, int digits)
{
    assert(digits >= 0 && digits <= 9);
    int64_t days = floor_div(time_ns, ns_per_day);
    int64_t rest = time_ns % ns_per_day; /* days * ns_per_day may be out of range */
    rest += rest < 0 ? ns_per_day : 0;
    int64_t year;
    int month, day;
    date_from_days(days, &year, &month, &day);
    int seconds = (int)(rest / NS_PER_S);
    char fraction[12];
    snprintf(fraction, sizeof fraction, ".%09d", (int)(rest % NS_PER_S));
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month, day, seconds / 3600,
               seconds / 60 % 60, seconds % 60);
    if (digits)
        buf_add(out, fraction, (size_t)digits + 1);
    buf_add_char(out, 'Z');
}

/* `count` digits at *at; false when they are not there. */
static bool take_digits(str *at, size_t count, int64_t *ret_value)
{
    uint64_t value;
    if (at->len < count || !str_to_u64(str_sub(*at, 0, count), &value))
        return false;
    *at = str_from(*at, count);
    *ret_value = (int64_t)value;
    return true;
}

static bool take_char(str *at, const char *any_of)
{
    if (!at->len || !strchr(any_of, at->ptr[0]) || at->ptr[0] == '\0')
        return false;
    *at = str_from(*at, 1);
    return true;
}

static int64_t take_fraction(str *at)
{
    int64_t ns = 0, unit = NS_PER_S / 10;
    while (at->len && at->ptr[0] >= '0' && at->ptr[0] <= '9') {
        ns += (at->ptr[0] - '0') * unit;
        unit /= 10;
        *at = str_from(*at, 1);
    }
    return ns;
}

/* Z, nothing, or +hh:mm / +hhmm. */
static bool take_offset(str *at, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (!at->len || take_char(at, "Zz"))
        return true;
    bool negative = at->ptr[0] == '-';
    int64_t hours, minutes = 0;
    if (!take_char(at, "+-") || !take_digits(at, 2, &hours))
        return false;
    take_char(at, ":");
    if (at->len && !take_digits(at, 2, &minutes))
        return false;
    *ret_seconds = (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
    return hours < 24 && minutes < 60;
}

static bool take_clock(str *at, int64_t *ret_seconds, int64_t *ret_ns)
{
    int64_t hour, minute, second = 0;
    if (!take_digits(at, 2, &hour) || !take_char(at, ":") || !take_digits(at, 2, &minute))
        return false;
    if (take_char(at, ":") && !take_digits(at, 2, &second))
        return false;
    if (take_char(at, ".,"))
        *ret_ns = take_fraction(at);
    *ret_seconds = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second <= 60;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    int64_t next_year = month == 12 ? year + 1 : year, next_month = month == 12 ? 1 : month + 1;
    return days_from_date(next_year, next_month, 1) - days_from_date(year, month, 1);
}

bool time_parse(str text, int64_t *ret_time_ns)
{
    str at = str_trim(text);
    int64_t year, month, day, seconds = 0, ns = 0, offset = 0;
    if (!take_digits(&at, 4, &year) || !take_char(&at, "-") || !take_digits(&at, 2, &month) ||
        !take_char(&at, "-") || !take_digits(&at, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    if (at.len &&
        (!take_char(&at, "Tt ") || !take_clock(&at, &seconds, &ns) || !take_offset(&at, &offset)))
        return false;
    int64_t total = days_from_date(year, month, day) * 86400 + seconds - offset;
    if (at.len || MUL_OVERFLOWS(total, NS_PER_S, &total))
        return false;
    return !ADD_OVERFLOWS(total, ns, ret_time_ns);
}

bool duration_parse(str text, int64_t *ret_ns)
{
    static const struct {
        str unit;
        double ns;
    } units[] = { { STR("ns"), 1 },      { STR("us"), 1e3 },   { STR("\xc2\xb5s"), 1e3 },
                  { STR("ms"), 1e6 },    { STR("s"), 1e9 },    { STR("min"), 60e9 },
                  { STR("m"), 60e9 },    { STR("h"), 3600e9 }, { STR("d"), 86400e9 },
                  { STR("w"), 604800e9 } };
    size_t digits = 0;
    while (digits < text.len &&
           ((text.ptr[digits] >= '0' && text.ptr[digits] <= '9') || text.ptr[digits] == '.'))
        digits++;
    double number;
    uint64_t whole; /* exact, where a double of nanoseconds is not: past 104 days */
    bool is_whole = str_to_u64(str_sub(text, 0, digits), &whole);
    if (!str_to_f64(str_sub(text, 0, digits), &number))
        return false;
    str unit = str_from(text, digits);
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (!str_equal(unit, units[i].unit) || number * units[i].ns > 9.2e18)
            continue;
        *ret_ns = is_whole ? (int64_t)(whole * (uint64_t)units[i].ns)
                           : (int64_t)(number * units[i].ns + 0.5);
        return true;
    }
    return false;
}

int32_t day_from_time(int64_t time_ns)
{
    int64_t year;
    int month, day;
    date_from_days(floor_div(time_ns, ns_per_day), &year, &month, &day);
    return (int32_t)(year * 10000 + (int64_t)month * 100 + day);
}

int64_t day_start(int32_t yyyymmdd)
{
    return days_from_date(yyyymmdd / 10000, yyyymmdd / 100 % 100, yyyymmdd % 100) * ns_per_day;
}
