/* literal.c -- a word as a value, in the unit of the field it is compared with.
 *
 * Everything becomes what the store compares: durations nanoseconds, money
 * nano-dollars (by decimal digits, never through a double), times nanoseconds since
 * 1970, ids lower-case hex.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"
#include <math.h>

enum { NANO_DIGITS = 9, UUID_TEXT_LEN = 36, LITERAL_SHOWN_MAX = 40 };

bool literal_whole(str text, int64_t *ret_value)
{
    int64_t scale = 1;
    if (text.len > 1) {
        char last = text.ptr[text.len - 1];
        scale = last == 'k' ? 1000 : last == 'M' ? 1000000 : last == 'G' ? 1000000000 : 1;
    }
    if (scale == 1)
        return str_to_i64(text, ret_value);
    double number;
    if (!str_to_f64(str_sub(text, 0, text.len - 1), &number))
        return false;
    number *= (double)scale;
    if (number < -9e15 || number > 9e15 || number != (double)(int64_t)number)
        return false;
    *ret_value = (int64_t)number;
    return true;
}

bool literal_money(str text, int64_t *ret_nanousd)
{
    bool is_negative = str_starts(text, STR_OF("-"));
    text = str_from(text, is_negative);
    text = str_from(text, str_starts(text, STR_OF("$")));
    int64_t value = 0;
    int places = -1; /* before the point */
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && places < 0) {
            places = 0;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        digits++;
        if (places >= 0 && ++places > NANO_DIGITS)
            return false;
        if (MUL_OVERFLOWS(value, 10, &value) || ADD_OVERFLOWS(value, c - '0', &value))
            return false;
    }
    for (places = MAX(places, 0); places < NANO_DIGITS; places++)
        if (MUL_OVERFLOWS(value, 10, &value))
            return false;
    *ret_nanousd = is_negative ? -value : value;
    return digits > 0;
}

bool literal_duration(str text, int64_t *ret_ns)
{
    static const struct {
        str unit;
        int64_t ns;
    } units[] = { { STR("ns"), 1 },
                  { STR("us"), NS_PER_US },
                  { STR("ms"), NS_PER_MS },
                  { STR(""), NS_PER_MS },
                  { STR("s"), NS_PER_S },
                  { STR("m"), 60 * NS_PER_S },
                  { STR("h"), 3600 * NS_PER_S },
                  { STR("d"), 86400 * NS_PER_S } };
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    int64_t whole;
    if (str_to_i64(str_sub(text, 0, digits), &whole)) /* exact, where duration_parse rounds */
        for (size_t i = 0; i < COUNT_OF(units); i++)
            if (str_equal(str_from(text, digits), units[i].unit))
                return !MUL_OVERFLOWS(whole, units[i].ns, ret_ns);
    double ms;
    bool has_digit = text.len > 0 && text.ptr[0] != '-' && text.ptr[0] != '+';
    if (has_digit && str_to_f64(text, &ms) && ms >= 0 && ms < 9e12) {
        *ret_ns = (int64_t)(ms * (double)NS_PER_MS + 0.5);
        return true;
    }
    return has_digit && duration_parse(text, ret_ns);
}

struct value literal_of_attr(const struct literal *literal)
{
    double number;
    bool is_decimal = str_find_char(literal->text, '.') < literal->text.len;
    if (!literal->is_quoted && is_decimal && str_to_f64(literal->text, &number) && isfinite(number))
        return value_f64(number);
    return value_str(literal->text);
}

bool literal_number(str text, struct value *ret_value)
{
    int64_t whole;
    double number;
    if (str_to_i64(text, &whole)) {
        *ret_value = value_i64(whole);
        return true;
    }
    if (!str_to_f64(text, &number) || !isfinite(number))
        return false;
    *ret_value = value_f64(number);
    return true;
}

static enum err literal_error(const struct literal *literal, struct diag *reterr_why,
                              const char *expected)
{
    return diag_set_at(reterr_why, ERR_BAD_INPUT, literal->offset, "'%.*s' is not %s",
                       (int)MIN(literal->text.len, (size_t)LITERAL_SHOWN_MAX), literal->text.ptr,
                       expected);
}

/* Lower-case hex of the whole id; a UUID's dashes are dropped. */
static enum err id_of(struct arena *arena, const struct literal *literal, size_t id_bytes,
                      struct value *ret_value, struct diag *reterr_why)
{
    uint8_t bytes[sizeof(struct id16)];
    char *hex = arena_alloc(arena, UUID_TEXT_LEN + 1);
    if (!hex)
        return diag_set(reterr_why, ERR_LIMIT, "filter needs too much memory");
    str text = literal->text;
    if (text.len == UUID_TEXT_LEN && id_bytes == sizeof bytes) {
        size_t len = 0;
        for (size_t i = 0; i < text.len; i++)
            if (text.ptr[i] != '-')
                hex[len++] = text.ptr[i];
        text = (str){ hex, len };
    }
    if (text.len != 2 * id_bytes || !hex_decode(text, bytes, id_bytes)) {
        (void)literal_error(literal, reterr_why,
                            id_bytes == sizeof bytes ? "32 hex digits" : "16 hex digits");
        (void)diag_hint(reterr_why, "other ids are in request_id, session_id and source_id");
        return ERR_BAD_INPUT;
    }
    hex_encode(bytes, id_bytes, hex);
    *ret_value = value_str((str){ hex, 2 * id_bytes });
    return ERR_OK;
}

static bool bool_of(str text, bool *ret)
{
    static const char *const words[] = { "false", "true", "no", "yes", "0", "1" };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (lexer_word_is(text, words[i])) {
            *ret = i % 2;
            return true;
        }
    return false;
}

/* Numbers, money and durations. */
static enum err number_of(enum field field, const struct literal *literal, struct value *ret_value,
                          struct diag *reterr_why)
{
    enum field_type type = field_table[field].type;
    int64_t whole;
    double number;
    if (type == FIELD_TYPE_F64) {
        if (!str_to_f64(literal->text, &number) || !isfinite(number))
            return literal_error(literal, reterr_why, "a number");
        *ret_value = value_f64(number);
        return ERR_OK;
    }
    if (type == FIELD_TYPE_NS) {
        if (!literal_duration(literal->text, &whole))
            return literal_error(literal, reterr_why, "a duration like 250ms, 8s or 1.5m");
    } else if (type == FIELD_TYPE_NANO) {
        if (!literal_money(literal->text, &whole))
            return literal_error(literal, reterr_why, "an amount in dollars like 0.05");
    } else if (!literal_whole(literal->text, &whole)) {
        return literal_error(literal, reterr_why, "a whole number like 800 or 10k");
    }
    *ret_value = value_i64(whole);
    return ERR_OK;
}

enum err literal_of_field(struct arena *arena, enum field field, const struct literal *literal,
                          int64_t now_ns, struct value *ret_value, struct diag *reterr_why)
{
    assert(field < FIELD_COUNT);
    int64_t time_ns;
    bool boolean;
    switch (field_table[field].type) {
    case FIELD_TYPE_STR:
    case FIELD_TYPE_STRS:
        *ret_value = value_str(literal->text);
        return ERR_OK;
    case FIELD_TYPE_ID16:
        return id_of(arena, literal, sizeof(struct id16), ret_value, reterr_why);
    case FIELD_TYPE_ID8:
        return id_of(arena, literal, sizeof(struct id8), ret_value, reterr_why);
    case FIELD_TYPE_I64:
    case FIELD_TYPE_F64:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        return number_of(field, literal, ret_value, reterr_why);
    case FIELD_TYPE_BOOL:
        if (!bool_of(literal->text, &boolean))
            return literal_error(literal, reterr_why, "true or false");
        *ret_value = value_bool(boolean);
        return ERR_OK;
    case FIELD_TYPE_TIME:
        if (query_parse_time(literal->text, now_ns, &time_ns, NULL) != ERR_OK)
            return literal_error(literal, reterr_why, "a time like now-1h or 2026-11-21T11:00:00Z");
        *ret_value = value_i64(time_ns);
        return ERR_OK;
    case FIELD_TYPE_F64S:
    case FIELD_TYPE_JSON:
        (void)diag_set_at(reterr_why, ERR_BAD_INPUT, literal->offset, "'%s' has no single value",
                          name_of_field(field));
        (void)diag_hint(reterr_why, "only has:%s can be asked", name_of_field(field));
        return ERR_BAD_INPUT;
    }
    assert(false);
    return ERR_INTERNAL;
}
