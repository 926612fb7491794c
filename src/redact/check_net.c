/* check_net.c -- addresses of machines and wallets, and telephone numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "redact/redact_int.h"
#include <arpa/inet.h>

enum {
    PHONE_DIGITS_MIN = 8,
    PHONE_DIGITS_MAX = 15,
    PHONE_LOCAL_MIN = 9,
    PHONE_LOCAL_MAX = 12,
    IPV6_TEXT_MAX = 45,
    IPV6_GROUPS_MIN = 4,
    BASE58_BYTES = 25,
    BECH32_MIN = 42,
    BECH32_MAX = 62,
    ETH_CHARS = 42,
};

static bool is_version(const struct candidate *candidate)
{
    char before = char_before(candidate);
    return before == 'v' || before == 'V' || before == '=' ||
           candidate_has_word(candidate, "version|build|release|chrome");
}

bool check_ipv4(struct candidate *candidate)
{
    str text = str_sub(candidate->text, candidate->start, candidate->end - candidate->start);
    uint8_t bytes[4] = { 0 };
    unsigned part = 0;
    unsigned value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.') {
            bytes[part++] = (uint8_t)value;
            value = 0;
            continue;
        }
        bool leads = i == 0 || text.ptr[i - 1] == '.';
        if (leads && text.ptr[i] == '0' && is_digit(char_at(text, i + 1)))
            return false;
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
        if (value > 255)
            return false;
    }
    bytes[3] = (uint8_t)value;
    char after = char_at(candidate->text, candidate->end);
    bool goes_on =
        (after == '.' || after == '-') && is_alnum(char_at(candidate->text, candidate->end + 1));
    char before = char_before(candidate);
    bool is_special = bytes[0] == 0 || bytes[0] == 127 || bytes[0] == 255;
    return part == 3 && !goes_on && before != '.' && before != '-' && !is_special &&
           !is_version(candidate);
}

/* The trigger is two characters within the address. */
bool check_ipv6(struct candidate *candidate)
{
    str text = candidate->text;
    size_t start = candidate->start;
    size_t end = candidate->end;
    char copy[IPV6_TEXT_MAX + 1];
    struct in6_addr address;
    while (start > 0 && candidate->end - start <= IPV6_TEXT_MAX &&
           (is_hex(text.ptr[start - 1]) || text.ptr[start - 1] == ':'))
        start--;
    while (end < text.len && end - start <= IPV6_TEXT_MAX &&
           (is_hex(text.ptr[end]) || text.ptr[end] == ':' ||
            (text.ptr[end] == '.' && is_digit(char_at(text, end + 1)))))
        end++;
    if (end - start > IPV6_TEXT_MAX || (start > 0 && is_alnum(text.ptr[start - 1])) ||
        is_alnum(char_at(text, end)))
        return false;
    memcpy(copy, text.ptr + start, end - start);
    copy[end - start] = '\0';
    if (inet_pton(AF_INET6, copy, &address) != 1)
        return false;
    unsigned groups = 0;
    size_t first = strcspn(copy, ":");
    for (size_t i = 0; copy[i]; i++)
        groups += is_hex(copy[i]) && (i == 0 || copy[i - 1] == ':');
    bool is_global = first == 4 && strchr("23fF", copy[0]);
    candidate->start = start;
    candidate->end = end;
    return groups >= IPV6_GROUPS_MIN || (is_global && groups >= 2);
}

bool check_mac(struct candidate *candidate)
{
    str text = candidate->text;
    char separator = text.ptr[candidate->start + 2];
    bool more_before = char_before(candidate) == separator;
    bool more_after = char_at(text, candidate->end) == separator;
    unsigned zeros = 0;
    for (size_t i = candidate->start; i < candidate->end; i++)
        zeros += text.ptr[i] == '0';
    return !more_before && !more_after && zeros < 12;
}

/* Base58Check: version, twenty bytes, four of a double SHA-256. */
bool check_btc_base58(struct candidate *candidate)
{
    static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    uint8_t bytes[BASE58_BYTES] = { 0 };
    for (size_t i = candidate->start; i < candidate->end; i++) {
        const char *found = strchr(alphabet, candidate->text.ptr[i]);
        if (!found)
            return false;
        unsigned carry = (unsigned)(found - alphabet);
        for (size_t k = BASE58_BYTES; k-- > 0;) {
            carry += 58U * bytes[k];
            bytes[k] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry)
            return false;
    }
    uint8_t hash[CRYPT_SHA256_BYTES];
    crypt_sha256(bytes, BASE58_BYTES - 4, hash);
    crypt_sha256(hash, sizeof hash, hash);
    return memcmp(hash, bytes + BASE58_BYTES - 4, 4) == 0;
}

static uint32_t bech32_step(uint32_t sum, uint8_t value)
{
    static const uint32_t generator[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                          0x2a1462b3 };
    uint32_t top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (unsigned i = 0; i < COUNT_OF(generator); i++)
        sum ^= (top >> i) & 1 ? generator[i] : 0;
    return sum;
}

bool check_bech32(struct candidate *candidate)
{
    static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    str text = candidate->text;
    static const uint8_t prefix[] = { 3, 3, 0, 2, 3 }; /* "bc", expanded */
    uint32_t sum = 1;
    size_t at = candidate->start + 3;
    for (size_t i = 0; i < COUNT_OF(prefix); i++)
        sum = bech32_step(sum, prefix[i]);
    for (; at < text.len && at - candidate->start < BECH32_MAX + 1; at++) {
        const char *found = text.ptr[at] ? strchr(alphabet, to_lower(text.ptr[at])) : NULL;
        if (!found)
            break;
        sum = bech32_step(sum, (uint8_t)(found - alphabet));
    }
    candidate->end = at;
    size_t len = at - candidate->start;
    return len >= BECH32_MIN && len <= BECH32_MAX && !is_alnum(char_at(text, at)) &&
           !is_alnum(char_before(candidate)) && (sum == 1 || sum == 0x2bc830a3);
}

bool check_eth(struct candidate *candidate)
{
    size_t end = candidate->start + 2;
    while (end < candidate->text.len && end - candidate->start <= ETH_CHARS &&
           is_hex(candidate->text.ptr[end]))
        end++;
    candidate->end = end;
    return end - candidate->start == ETH_CHARS && !is_alnum(char_at(candidate->text, end)) &&
           !is_alnum(char_before(candidate));
}

/* Country calling codes: one, two or three digits, by the first two. */
static bool calling_code_is_known(const char *digits)
{
    static const char two[] =
        "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 "
        "56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 ";
    static const char three[] =
        "21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99 ";
    if (digits[0] == '1' || digits[0] == '7')
        return true;
    char start[4] = { digits[0], digits[1], ' ', '\0' };
    return strstr(two, start) || strstr(three, start);
}

/* Digits from `at`, parted by at most two of " .()-/"; the end of the last digit. */
static size_t phone_walk(str text, size_t at, char *digits, size_t max, size_t *ret_count)
{
    size_t count = 0;
    size_t end = at;
    size_t gap = 0;
    for (; at < text.len && gap <= 2; at++) {
        char c = text.ptr[at];
        if (is_digit(c)) {
            if (count == max)
                return SIZE_MAX;
            digits[count++] = c;
            end = at + 1;
            gap = 0;
        } else if (c != '\0' && strchr(" .()-/", c)) {
            gap++;
        } else {
            break;
        }
    }
    *ret_count = count;
    return end;
}

bool check_phone_plus(struct candidate *candidate)
{
    char digits[PHONE_DIGITS_MAX];
    size_t count = 0;
    size_t end = phone_walk(candidate->text, candidate->start + 1, digits, sizeof digits, &count);
    char before = char_before(candidate);
    if (end == SIZE_MAX || count < PHONE_DIGITS_MIN || is_alnum(before) || before == '+' ||
        !calling_code_is_known(digits))
        return false;
    candidate->end = end;
    return (digits[0] != '1' || count == 11) && !is_alnum(char_at(candidate->text, end));
}

bool check_phone_nanp(struct candidate *candidate)
{
    str text = candidate->text;
    size_t start = candidate->start;
    char before = char_before(candidate);
    if (start >= 2 && (before == ' ' || before == '-' || before == '.') &&
        text.ptr[start - 2] == '1' && (start == 2 || !is_digit(text.ptr[start - 3])))
        start -= 2;
    else if (is_alnum(before) || before == '.' || before == '-' || before == '/')
        return false;
    char after = char_at(text, candidate->end);
    bool goes_on = (after == '-' || after == '.') && is_alnum(char_at(text, candidate->end + 1));
    bool has_mark = memchr(text.ptr + start, '-', candidate->end - start) ||
                    memchr(text.ptr + start, '(', candidate->end - start);
    candidate->start = start;
    return !goes_on &&
           (has_mark ||
            candidate_has_word(candidate, "phone|tel|call|mobile|cell|fax|number|contact|dial"));
}

/* National form with a leading zero: only with a word that names it. */
bool check_phone_local(struct candidate *candidate)
{
    char digits[PHONE_DIGITS_MAX];
    size_t count = 0;
    size_t end = phone_walk(candidate->text, candidate->start, digits, sizeof digits, &count);
    char before = char_before(candidate);
    if (end == SIZE_MAX || count < PHONE_LOCAL_MIN || count > PHONE_LOCAL_MAX)
        return false;
    if (is_alnum(before) || (before != '\0' && strchr(".-/:+", before)) ||
        is_alnum(char_at(candidate->text, end)))
        return false;
    candidate->end = end;
    return candidate_has_context(candidate);
}
