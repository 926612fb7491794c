/* check_pii.c -- check digits and plausibility of personal data.
 *
 * A number is personal only if its check digits hold and, where nine or eleven
 * digits say too little, a word near it names it: telemetry is full of numbers
 * that must survive.  Algorithms are those of the issuing authorities.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "redact/redact_int.h"

enum {
    DIGITS_MAX = 24,
    CONTEXT_BEFORE = 64,
    CONTEXT_AFTER = 24,
    IBAN_MAX = 34,
};

/* Not a piece of a longer number, identifier, path of dots or UUID. */
static bool is_whole(const struct candidate *candidate)
{
    str text = candidate->text;
    char before = char_before(candidate);
    char after = char_at(text, candidate->end);
    if (is_alnum(before) || before == '_' || is_alnum(after) || after == '_')
        return false;
    bool joins_before = before == '.' || before == '-' || before == ',';
    bool joins_after = after == '.' || after == '-' || after == ',';
    if (joins_before && candidate->start > 1 && is_alnum(text.ptr[candidate->start - 2]))
        return false;
    return !joins_after || !is_alnum(char_at(text, candidate->end + 1));
}

size_t candidate_digits(const struct candidate *candidate, char *out, size_t max)
{
    size_t count = 0;
    for (size_t i = candidate->start; i < candidate->end; i++) {
        if (!is_digit(candidate->text.ptr[i]))
            continue;
        if (count == max)
            return SIZE_MAX;
        out[count++] = candidate->text.ptr[i];
    }
    return count;
}

/* The word in the lower-case text, not glued to another before it, not in a marker. */
static bool word_near(str lower, str word, str text, size_t base)
{
    for (size_t at = 0; at < lower.len;) {
        size_t found = str_find(str_from(lower, at), word);
        if (at + found + word.len > lower.len || found == lower.len - at)
            return false;
        at += found;
        size_t start;
        size_t end;
        bool is_glued = at > 0 && is_alpha(lower.ptr[at - 1]);
        bool is_short_glued = word.len <= 4 && is_alpha(char_at(lower, at + word.len));
        if (!is_glued && !is_short_glued && !marker_around(text, base + at, &start, &end))
            return true;
        at++;
    }
    return false;
}

bool candidate_has_word(const struct candidate *candidate, const char *words)
{
    char lower[CONTEXT_BEFORE + CONTEXT_AFTER + DIGITS_MAX * 2];
    str text = candidate->text;
    size_t base = candidate->start > CONTEXT_BEFORE ? candidate->start - CONTEXT_BEFORE : 0;
    size_t end = MIN(text.len, candidate->end + CONTEXT_AFTER);
    size_t len = MIN(end - base, sizeof lower);
    for (size_t i = 0; i < len; i++)
        lower[i] = to_lower(text.ptr[base + i]);
    str rest = str_from_c(words);
    for (str word; str_next(&rest, '|', &word);)
        if (word.len > 0 && word_near(str_make(lower, len), word, text, base))
            return true;
    return false;
}

bool candidate_has_context(const struct candidate *candidate)
{
    return candidate_has_word(candidate, candidate->rule->context);
}

bool check_context(struct candidate *candidate)
{
    return is_whole(candidate) && candidate_has_context(candidate);
}

static bool luhn_holds(const char *digits, size_t count)
{
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(digits[count - 1 - i] - '0');
        if (i % 2 == 1)
            digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
        sum += digit;
    }
    return sum % 10 == 0;
}

static unsigned weighted(const char *digits, const int *weights, size_t count)
{
    int sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (digits[i] - '0') * weights[i];
    return (unsigned)(sum < 0 ? -sum : sum);
}

static unsigned number_of(const char *digits, size_t count)
{
    unsigned value = 0;
    for (size_t i = 0; i < count; i++)
        value = value * 10 + (unsigned)(digits[i] - '0');
    return value;
}

static bool all_equal(const char *digits, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (digits[i] != digits[0])
            return false;
    return true;
}

/* Issuer prefixes of the card schemes. */
static bool card_issuer_is_known(const char *digits, size_t count)
{
    unsigned two = number_of(digits, 2);
    unsigned four = number_of(digits, 4);
    switch (digits[0]) {
    case '4':
        return count == 13 || count == 16 || count == 19;
    case '5':
        return (two >= 51 && two <= 55 && count == 16) || two == 50 || two >= 56;
    case '6':
        return true;
    case '3':
        return ((two == 34 || two == 37) && count == 15) || (two == 35 && count >= 16) ||
               ((two == 36 || two == 30 || two == 38 || two == 39) && count >= 14);
    case '2':
        return (four >= 2221 && four <= 2720 && count == 16) || (four == 2131 && count == 15);
    default:
        return four == 1800 && count == 15;
    }
}

bool check_card(struct candidate *candidate)
{
    char digits[DIGITS_MAX];
    size_t count = candidate_digits(candidate, digits, 19);
    if (count == SIZE_MAX || count < 12 || !is_whole(candidate) || all_equal(digits, count) ||
        !card_issuer_is_known(digits, count) || !luhn_holds(digits, count))
        return false;
    return count == 16 || count == 15 || candidate->end - candidate->start > count ||
           candidate_has_context(candidate) ||
           candidate_has_word(candidate, "card|credit|debit|visa|payment");
}

/* Country and length, two letters and two digits each. */
static const char iban_lengths[] =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18"
    "FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21"
    "LY25MC27MD24ME22MK19MR27MT31MU30NI28NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SD18SE24SI19"
    "SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20";

static size_t iban_length(const char *country)
{
    for (size_t i = 0; i + 4 < sizeof iban_lengths; i += 4)
        if (iban_lengths[i] == country[0] && iban_lengths[i + 1] == country[1])
            return number_of(iban_lengths + i + 2, 2);
    return 0;
}

static bool mod97_holds(const char *text, size_t len)
{
    unsigned rest = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[(i + 4) % len];
        rest =
            is_digit(c) ? rest * 10 + (unsigned)(c - '0') : rest * 100 + (unsigned)(c - 'A') + 10;
        rest %= 97;
    }
    return rest == 1;
}

/* Take exactly as many characters as the country's IBANs have. */
bool check_iban(struct candidate *candidate)
{
    str text = candidate->text;
    char plain[IBAN_MAX];
    char country[2] = { text.ptr[candidate->start], text.ptr[candidate->start + 1] };
    for (size_t i = 0; i < 2; i++)
        country[i] = is_upper(country[i]) ? country[i] : (char)(country[i] - ('a' - 'A'));
    size_t want = iban_length(country);
    size_t at = candidate->start;
    size_t have = 0;
    while (have < want && at < text.len) {
        char c = text.ptr[at];
        bool is_gap = (c == ' ' || c == '-') && have > 0 && is_alnum(text.ptr[at - 1]);
        if (!is_alnum(c) && !is_gap)
            return false;
        if (is_alnum(c))
            plain[have++] = is_digit(c) || is_upper(c) ? c : (char)(c - ('a' - 'A'));
        at++;
    }
    candidate->end = at;
    return want > 0 && have == want && !is_alnum(char_at(text, at)) &&
           !is_alnum(char_before(candidate)) && mod97_holds(plain, have);
}

static bool ssn_is_plausible(const char *digits)
{
    unsigned area = number_of(digits, 3);
    return area != 0 && area != 666 && area < 900 && number_of(digits + 3, 2) != 0 &&
           number_of(digits + 5, 4) != 0 && !all_equal(digits, 9);
}

bool check_ssn(struct candidate *candidate)
{
    char digits[9];
    return is_whole(candidate) && candidate_digits(candidate, digits, 9) == 9 &&
           ssn_is_plausible(digits);
}

bool check_ssn_loose(struct candidate *candidate)
{
    return check_ssn(candidate) && candidate_has_context(candidate);
}

bool check_nino(struct candidate *candidate)
{
    static const char *const unused[] = { "BG", "GB", "NK", "KN", "TN", "NT", "ZZ" };
    const char *text = candidate->text.ptr + candidate->start;
    for (size_t i = 0; i < COUNT_OF(unused); i++)
        if (str_equal_nocase(str_make(text, 2), str_from_c(unused[i])))
            return false;
    return is_whole(candidate) &&
           (is_upper(text[0]) ||
            candidate_has_word(candidate, "nino|national insurance|ni number"));
}

bool check_nhs(struct candidate *candidate)
{
    static const int weights[] = { 10, 9, 8, 7, 6, 5, 4, 3, 2 };
    char digits[10];
    if (candidate_digits(candidate, digits, 10) != 10 || !is_whole(candidate))
        return false;
    unsigned check = (11 - weighted(digits, weights, 9) % 11) % 11;
    return check == number_of(digits + 9, 1) && candidate_has_context(candidate);
}

bool check_de_tax_id(struct candidate *candidate)
{
    char digits[11];
    if (candidate_digits(candidate, digits, 11) != 11 || !is_whole(candidate))
        return false;
    unsigned product = 10;
    for (size_t i = 0; i < 10; i++) {
        unsigned sum = (number_of(digits + i, 1) + product) % 10;
        product = (sum == 0 ? 10 : sum) * 2 % 11;
    }
    return (11 - product) % 10 == number_of(digits + 10, 1) && candidate_has_context(candidate);
}

bool check_fr_nir(struct candidate *candidate)
{
    char plain[16];
    size_t count = 0;
    for (size_t i = candidate->start; i < candidate->end && count < sizeof plain; i++)
        if (is_alnum(candidate->text.ptr[i]))
            plain[count++] = candidate->text.ptr[i];
    if (count != 15 || !is_whole(candidate))
        return false;
    uint64_t corsica = plain[6] == 'A' ? 1000000 : plain[6] == 'B' ? 2000000 : 0;
    if (corsica && plain[5] != '2')
        return false;
    plain[6] = corsica ? '0' : plain[6];
    uint64_t number = 0;
    for (size_t i = 0; i < 13; i++)
        number = number * 10 + (uint64_t)(plain[i] - '0');
    unsigned month = number_of(plain + 3, 2);
    bool month_fits = (month >= 1 && month <= 12) || (month >= 20 && month <= 42) || month >= 50;
    return month_fits && 97 - (number - corsica) % 97 == number_of(plain + 13, 2);
}

static bool nif_letter_holds(const struct candidate *candidate, char first)
{
    static const char letters[] = "TRWAGMYFPDXBNJZSQVHLCKE";
    char digits[9];
    digits[0] = first;
    struct candidate rest = *candidate;
    size_t count = candidate_digits(&rest, digits + 1, 8);
    if (count == SIZE_MAX || count < 7)
        return false;
    char letter = candidate->text.ptr[candidate->end - 1];
    return is_whole(candidate) && letters[number_of(digits, count + 1) % 23] == letter;
}

bool check_es_nif(struct candidate *candidate)
{
    return nif_letter_holds(candidate, '0');
}

bool check_es_nie(struct candidate *candidate)
{
    char first = candidate->text.ptr[candidate->start];
    return nif_letter_holds(candidate, (char)('0' + (first - 'X')));
}

bool check_it_cf(struct candidate *candidate)
{
    static const uint8_t odd[36] = { 1,  0, 5, 7,  9,  13, 15, 17, 19, 21, 1,  0,
                                     5,  7, 9, 13, 15, 17, 19, 21, 2,  4,  18, 20,
                                     11, 3, 6, 8,  12, 14, 16, 10, 22, 25, 24, 23 };
    unsigned sum = 0;
    const char *text = candidate->text.ptr + candidate->start;
    if (candidate->end - candidate->start != 16 || !is_whole(candidate))
        return false;
    for (size_t i = 0; i < 15; i++) {
        char c = to_lower(text[i]);
        unsigned value = is_digit(c) ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
        sum += i % 2 == 0 ? odd[value] : is_digit(c) ? value : value - 10;
    }
    return (char)('a' + sum % 26) == to_lower(text[15]) &&
           strchr("abcdehlmprst", to_lower(text[8]));
}

bool check_nl_bsn(struct candidate *candidate)
{
    static const int weights[] = { 9, 8, 7, 6, 5, 4, 3, 2, -1 };
    char digits[9];
    return candidate_digits(candidate, digits, 9) == 9 && is_whole(candidate) &&
           weighted(digits, weights, 9) % 11 == 0 && candidate_has_context(candidate);
}

bool check_pl_pesel(struct candidate *candidate)
{
    static const int weights[] = { 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1 };
    char digits[11];
    if (candidate_digits(candidate, digits, 11) != 11 || !is_whole(candidate))
        return false;
    unsigned month = number_of(digits + 2, 2) % 20;
    unsigned day = number_of(digits + 4, 2);
    return month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
           weighted(digits, weights, 11) % 10 == 0 && candidate_has_context(candidate);
}

static bool verhoeff_holds(const char *digits, size_t count)
{
    static const uint8_t times[10][10] = {
        { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { 1, 2, 3, 4, 0, 6, 7, 8, 9, 5 },
        { 2, 3, 4, 0, 1, 7, 8, 9, 5, 6 }, { 3, 4, 0, 1, 2, 8, 9, 5, 6, 7 },
        { 4, 0, 1, 2, 3, 9, 5, 6, 7, 8 }, { 5, 9, 8, 7, 6, 0, 4, 3, 2, 1 },
        { 6, 5, 9, 8, 7, 1, 0, 4, 3, 2 }, { 7, 6, 5, 9, 8, 2, 1, 0, 4, 3 },
        { 8, 7, 6, 5, 9, 3, 2, 1, 0, 4 }, { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 },
    };
    static const uint8_t permute[8][10] = {
        { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { 1, 5, 7, 6, 2, 8, 3, 0, 9, 4 },
        { 5, 8, 0, 3, 7, 9, 6, 1, 4, 2 }, { 8, 9, 1, 6, 0, 4, 3, 5, 2, 7 },
        { 9, 4, 5, 3, 1, 2, 6, 8, 7, 0 }, { 4, 2, 8, 6, 5, 7, 3, 9, 0, 1 },
        { 2, 7, 9, 3, 8, 0, 6, 4, 1, 5 }, { 7, 0, 4, 6, 9, 1, 3, 2, 5, 8 },
    };
    uint8_t check = 0;
    for (size_t i = 0; i < count; i++)
        check = times[check][permute[i % 8][digits[count - 1 - i] - '0']];
    return check == 0;
}

bool check_aadhaar(struct candidate *candidate)
{
    char digits[12];
    if (candidate_digits(candidate, digits, 12) != 12 || !is_whole(candidate) ||
        !verhoeff_holds(digits, 12))
        return false;
    return candidate->end - candidate->start == 14 || candidate_has_context(candidate);
}

/* Two check digits, each modulo 11 with falling weights that start anew after `wrap`. */
static bool br_checks_hold(const char *digits, size_t count, int wrap)
{
    for (size_t known = count - 2; known < count; known++) {
        int sum = 0;
        int weight = 2;
        for (size_t i = known; i-- > 0;) {
            sum += (digits[i] - '0') * weight;
            weight = weight == wrap ? 2 : weight + 1;
        }
        int check = sum % 11 < 2 ? 0 : 11 - sum % 11;
        if (check != digits[known] - '0')
            return false;
    }
    return true;
}

bool check_br_cpf(struct candidate *candidate)
{
    char digits[11];
    if (candidate_digits(candidate, digits, 11) != 11 || !is_whole(candidate) ||
        all_equal(digits, 11) || !br_checks_hold(digits, 11, 12))
        return false;
    return candidate->end - candidate->start > 11 || candidate_has_context(candidate);
}

bool check_br_cnpj(struct candidate *candidate)
{
    char digits[14];
    return candidate_digits(candidate, digits, 14) == 14 && is_whole(candidate) &&
           !all_equal(digits, 14) && br_checks_hold(digits, 14, 9);
}

bool check_ca_sin(struct candidate *candidate)
{
    char digits[9];
    return candidate_digits(candidate, digits, 9) == 9 && is_whole(candidate) &&
           luhn_holds(digits, 9) && candidate_has_context(candidate);
}

bool check_au_tfn(struct candidate *candidate)
{
    static const int weights[] = { 1, 4, 3, 7, 5, 8, 6, 9, 10 };
    char digits[9];
    return candidate_digits(candidate, digits, 9) == 9 && is_whole(candidate) &&
           weighted(digits, weights, 9) % 11 == 0 && candidate_has_context(candidate);
}

bool check_au_medicare(struct candidate *candidate)
{
    static const int weights[] = { 1, 3, 7, 9, 1, 3, 7, 9 };
    char digits[10];
    return candidate_digits(candidate, digits, 10) == 10 && is_whole(candidate) &&
           weighted(digits, weights, 8) % 10 == number_of(digits + 8, 1) &&
           candidate_has_context(candidate);
}

bool check_sg_nric(struct candidate *candidate)
{
    static const int weights[] = { 2, 7, 6, 5, 4, 3, 2 };
    const char *text = candidate->text.ptr + candidate->start;
    char digits[7];
    if (candidate_digits(candidate, digits, 7) != 7 || !is_whole(candidate))
        return false;
    unsigned sum = weighted(digits, weights, 7);
    sum += text[0] == 'T' || text[0] == 'G' ? 4 : text[0] == 'M' ? 3 : 0;
    const char *letters = text[0] == 'S' || text[0] == 'T' ? "JZIHGFEDCBA"
                          : text[0] == 'M'                 ? "XWUTRQPNJLK"
                                                           : "XWUTRQPNMLK";
    size_t index = text[0] == 'M' ? 10 - sum % 11 : sum % 11;
    return letters[index] == text[8];
}

bool check_aba_routing(struct candidate *candidate)
{
    static const int weights[] = { 3, 7, 1, 3, 7, 1, 3, 7, 1 };
    char digits[9];
    return candidate_digits(candidate, digits, 9) == 9 && is_whole(candidate) &&
           !all_equal(digits, 9) && weighted(digits, weights, 9) % 10 == 0 &&
           candidate_has_context(candidate);
}

/* Day, month and year in any order; not 3.14.15 of a version. */
bool check_date(struct candidate *candidate)
{
    char digits[DIGITS_MAX];
    size_t count = candidate_digits(candidate, digits, 8);
    return is_whole(candidate) && count != SIZE_MAX && count >= 4;
}
