/* time.c -- the times that people and programs write: now-1h, RFC 3339, epoch numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"

enum { OFFSET_TEXT_LEN = 6, TIME_TEXT_MAX = 40 }; /* "+02:00" */

/* "now", "now-90m", "now+5m" */
static bool parse_relative(str text, int64_t now_ns, int64_t *ret_ns)
{
    int64_t distance = 0;
    str rest = str_from(text, 3);
    if (str_is_empty(rest)) {
        *ret_ns = now_ns;
        return true;
    }
    char sign = rest.ptr[0];
    /* A + in a URL that nobody encoded arrives as a space. */
    bool is_plus = sign == '+' || sign == ' ';
    if ((!is_plus && sign != '-') || !duration_parse(str_from(rest, 1), &distance))
        return false;
    return !ADD_OVERFLOWS(now_ns, is_plus ? distance : -distance, ret_ns);
}

/* Epoch seconds, milliseconds, microseconds or nanoseconds: today's values differ by a
 * factor of a thousand each, so the magnitude tells which. */
static bool parse_epoch(str text, int64_t *ret_ns)
{
    static const struct {
        int64_t below;
        int64_t ns;
    } scales[] = { { INT64_C(100000000000), NS_PER_S }, /* seconds up to the year 5138 */
                   { INT64_C(100000000000000), NS_PER_MS },
                   { INT64_C(100000000000000000), NS_PER_US } };
    int64_t whole;
    double seconds;
    if (!str_to_i64(text, &whole)) {
        if (!str_to_f64(text, &seconds) || !(seconds > -4e9 && seconds < 9e9))
            return false;
        *ret_ns = (int64_t)(seconds * 1e6) * NS_PER_US; /* a double has no better */
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(scales); i++)
        if (whole > -scales[i].below && whole < scales[i].below)
            return !MUL_OVERFLOWS(whole, scales[i].ns, ret_ns);
    *ret_ns = whole;
    return true;
}

static bool parse_date(str text, int64_t *ret_ns)
{
    char fixed[TIME_TEXT_MAX];
    if (text.len > sizeof fixed)
        return false;
    memcpy(fixed, text.ptr, text.len);
    if (text.len > OFFSET_TEXT_LEN + 10 && fixed[text.len - OFFSET_TEXT_LEN] == ' ')
        fixed[text.len - OFFSET_TEXT_LEN] = '+';
    return time_parse((str){ fixed, text.len }, ret_ns);
}

enum err query_parse_time(str text, int64_t now_ns, int64_t *ret_ns, struct diag *reterr_why)
{
    assert(ret_ns);
    int64_t ns;
    str trimmed = str_trim(text);
    bool ok = false;
    if (trimmed.len > 0)
        ok = str_starts(trimmed, STR_OF("now"))
                 ? parse_relative(trimmed, now_ns, &ns)
                 : parse_epoch(trimmed, &ns) || parse_date(trimmed, &ns);
    if (!ok) {
        (void)diag_set_at(reterr_why, ERR_BAD_INPUT, 0, "'%.*s' is not a time",
                          (int)MIN(text.len, (size_t)TIME_TEXT_MAX), text.ptr ? text.ptr : "");
        (void)diag_hint(reterr_why, "write now-1h, 2026-11-21T11:00:00Z or epoch seconds");
        return ERR_BAD_INPUT;
    }
    *ret_ns = ns;
    return ERR_OK;
}
