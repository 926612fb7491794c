/* check_secret.c -- which finds of stage one are secrets.
 *
 * A key with a form of its own needs no more than that form.  A value that only
 * a word beside it gives away must look random, else prompts full of code would
 * lose half their identifiers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "redact/redact_int.h"
#include <math.h>

enum { KEY_BYTES_MAX = 96, TELEGRAM_ID_MIN = 5, TELEGRAM_ID_MAX = 16, TERRAFORM_ID = 14 };
static const double entropy_min = 3.2; /* bits per byte; English identifiers have 2.5 to 3.3 */

static str value_of(const struct candidate *candidate)
{
    return str_sub(candidate->text, candidate->start, candidate->end - candidate->start);
}

double text_entropy(str text)
{
    uint32_t seen[256] = { 0 };
    double bits = 0;
    for (size_t i = 0; i < text.len; i++)
        seen[(uint8_t)text.ptr[i]]++;
    for (size_t i = 0; i < COUNT_OF(seen); i++) {
        double share = (double)seen[i] / (double)text.len;
        bits -= seen[i] ? share * log2(share) : 0;
    }
    return bits;
}

struct looks {
    size_t digits, lowers, uppers, others;
    size_t changes; /* between a letter and a digit that touch */
    bool only_hex;
};

static struct looks looks_of(str value)
{
    struct looks looks = { .only_hex = true };
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        looks.digits += is_digit(c);
        looks.uppers += is_upper(c);
        looks.lowers += is_alpha(c) && !is_upper(c);
        looks.others += !is_alnum(c);
        looks.only_hex = looks.only_hex && is_hex(c);
        if (i > 0 && is_alnum(c) && is_alnum(value.ptr[i - 1]))
            looks.changes += is_digit(c) != is_digit(value.ptr[i - 1]);
    }
    return looks;
}

/* What follows shows that the "value" is code: a call, an index, a member. */
static bool is_code(const struct candidate *candidate)
{
    str text = candidate->text;
    if (candidate->end >= text.len)
        return false;
    char next = text.ptr[candidate->end];
    return next == '(' || next == '[' || next == '{' || next == '$';
}

bool check_any(struct candidate *candidate)
{
    (void)candidate;
    return true;
}

bool check_exact(struct candidate *candidate)
{
    (void)candidate;
    return true;
}

bool check_digit(struct candidate *candidate)
{
    return looks_of(value_of(candidate)).digits > 0;
}

bool check_strong(struct candidate *candidate)
{
    struct looks looks = looks_of(value_of(candidate));
    return looks.digits > 0 && looks.lowers + looks.uppers > 0 &&
           text_entropy(value_of(candidate)) >= 3.0;
}

bool check_hex_token(struct candidate *candidate)
{
    struct looks looks = looks_of(value_of(candidate));
    return looks.digits > 0 && looks.changes >= 3;
}

bool check_generic(struct candidate *candidate)
{
    str value = value_of(candidate);
    struct looks looks = looks_of(value);
    if (is_code(candidate) || looks.digits == 0 || looks.lowers + looks.uppers == 0)
        return false;
    if (looks.others * 3 > value.len || value_is_placeholder(value))
        return false;
    bool is_mixed = looks.lowers > 0 && looks.uppers > 0 && looks.changes >= 2;
    bool is_long = value.len >= 16 && looks.changes >= 3;
    return (is_mixed || is_long) && text_entropy(value) >= 3.0;
}

bool check_vendor(struct candidate *candidate)
{
    str value = value_of(candidate);
    struct looks looks = looks_of(value);
    return !is_code(candidate) && looks.digits > 1 && looks.lowers + looks.uppers > 1 &&
           looks.changes >= 4 && looks.others * 4 <= value.len &&
           text_entropy(value) >= entropy_min;
}

bool check_generic_word(struct candidate *candidate)
{
    str value = value_of(candidate);
    struct looks looks = looks_of(value);
    if (is_code(candidate) || value_is_placeholder(value) || memchr("/~.$<{(", value.ptr[0], 7))
        return false;
    return looks.digits + looks.others > 0 && looks.lowers + looks.uppers > 0 &&
           !memchr(value.ptr, '(', value.len);
}

bool check_bearer(struct candidate *candidate)
{
    str text = candidate->text;
    size_t start = candidate->end;
    size_t end = start;
    while (end < text.len &&
           (is_alnum(text.ptr[end]) || (text.ptr[end] && strchr("._~+/=-", text.ptr[end]))))
        end++;
    while (end > start && text.ptr[end - 1] == '.')
        end--;
    candidate->start = start;
    candidate->end = end;
    return end - start >= 16 && looks_of(value_of(candidate)).digits > 0;
}

/* "password is hunter2": one word with a digit or a sign in it. */
bool check_spoken(struct candidate *candidate)
{
    str text = candidate->text;
    size_t start = candidate->end;
    while (start < text.len && text.ptr[start] && strchr(" \"'`*:", text.ptr[start]))
        start++;
    size_t end = start;
    while (end < text.len && !is_space(text.ptr[end]) && !strchr("\"'`", text.ptr[end]))
        end++;
    while (end > start && text.ptr[end - 1] && strchr(".,;:!?)*", text.ptr[end - 1]))
        end--;
    candidate->start = start;
    candidate->end = end;
    struct looks looks = looks_of(value_of(candidate));
    return end - start >= 6 && (looks.digits > 0 || (looks.others > 0 && looks.uppers > 0));
}

/* The bot's number stands before the trigger. */
bool check_telegram(struct candidate *candidate)
{
    str text = candidate->text;
    size_t start = candidate->start;
    while (start > 0 && is_digit(text.ptr[start - 1]) &&
           candidate->start - start <= TELEGRAM_ID_MAX)
        start--;
    size_t digits = candidate->start - start;
    candidate->start = start;
    return digits >= TELEGRAM_ID_MIN && digits <= TELEGRAM_ID_MAX;
}

bool check_terraform(struct candidate *candidate)
{
    size_t start = candidate->start;
    while (start > 0 && is_alnum(candidate->text.ptr[start - 1]) &&
           candidate->start - start < TERRAFORM_ID)
        start--;
    bool is_whole = candidate->start - start == TERRAFORM_ID;
    candidate->start = start;
    return is_whole;
}

static const str sensitive_endings[] = {
    STR("password"),      STR("passwd"),      STR("passphrase"),    STR("passcode"),
    STR("pwd"),           STR("secret"),      STR("secretkey"),     STR("apikey"),
    STR("accesskey"),     STR("privatekey"),  STR("encryptionkey"), STR("signingkey"),
    STR("authtoken"),     STR("accesstoken"), STR("refreshtoken"),  STR("sessiontoken"),
    STR("bearertoken"),   STR("idtoken"),     STR("apitoken"),      STR("bottoken"),
    STR("securitytoken"), STR("csrftoken"),   STR("authorization"), STR("credential"),
    STR("credentials"),   STR("cookie"),      STR("authkey"),       STR("masterkey"),
    STR("sharedkey"),     STR("accountkey"),
};

bool key_is_sensitive(str key)
{
    char plain[KEY_BYTES_MAX];
    size_t len = 0;
    key = str_from(key, key.len > KEY_BYTES_MAX ? key.len - KEY_BYTES_MAX : 0);
    for (size_t i = 0; i < key.len; i++)
        if (is_alnum(key.ptr[i]))
            plain[len++] = to_lower(key.ptr[i]);
    for (size_t i = 0; len > 0 && i < COUNT_OF(sensitive_endings); i++) {
        str ending = sensitive_endings[i];
        if (ending.ptr[ending.len - 1] == plain[len - 1] && str_ends(str_make(plain, len), ending))
            return true;
    }
    return false;
}

bool value_is_placeholder(str value)
{
    static const char *const words[] = { "true",     "false",  "null",  "none",
                                         "string",   "nil",    "yes",   "no",
                                         "required", "bearer", "basic", "undefined" };
    size_t start;
    size_t end;
    value = str_trim(value);
    if (value.len == 0)
        return true;
    if (marker_around(value, 0, &start, &end) && end == value.len)
        return true;
    bool only_signs = true;
    for (size_t i = 0; i < value.len; i++)
        only_signs = only_signs && !is_alnum(value.ptr[i]) && (uint8_t)value.ptr[i] < 0x80;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_equal_nocase(value, str_from_c(words[i])))
            return true;
    return only_signs;
}
