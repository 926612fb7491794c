/* check_special.c -- finds that need a function: pairs, addresses, blocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "redact/redact_int.h"

enum {
    KEY_BYTES_MAX = 64,
    VALUE_BYTES_MAX = 8192,
    EMAIL_LOCAL_MAX = 64,
    EMAIL_DOMAIN_MAX = 253,
    TLD_MAX = 18,
    URL_AUTHORITY_MAX = 512,
    PEM_LABEL_MAX = 48,
    PEM_OPEN_MAX = 16384, /* of a block without an end */
    BASIC_MAX = 512,
    CURL_LINE_MAX = 512,
    MARKER_MAX = 96,
    MARKER_HASH_MIN = 12,
    PARAMETER_MIN = 8,
};

static bool is_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

/* [^'"\s]+ : all bits but 9 to 13, 32, 34 and 39. */
static const struct shape p1_value = {
    .elems = { { .set = { { ~(UINT64_C(0x3E00) | UINT64_C(0x8500000000)), ~UINT64_C(0),
                            ~UINT64_C(0), ~UINT64_C(0) } },
                 .min = 1,
                 .max = SHAPE_MANY } },
    .count = 1,
};

/* P1, exactly: (password|api_key|secret)\s*[:=]\s*['"]?[^'"\s]+ */
bool check_p1_assignment(struct candidate *candidate)
{
    str text = candidate->text;
    size_t at = candidate->end;
    while (at < text.len && is_space(text.ptr[at]))
        at++;
    if (at >= text.len || (text.ptr[at] != ':' && text.ptr[at] != '='))
        return false;
    for (at++; at < text.len && is_space(text.ptr[at]);)
        at++;
    if (at < text.len && (text.ptr[at] == '"' || text.ptr[at] == '\''))
        at++;
    size_t end = shape_match(&p1_value, text, at, &candidate->scratch->runs);
    if (end == SIZE_MAX)
        return false;
    candidate->end = end;
    return true;
}

/* "name" : "value", where the trigger ends with the quote after the name. */
bool check_quoted_key(struct candidate *candidate)
{
    str text = candidate->text;
    size_t quote = candidate->end - 1;
    size_t start = quote;
    while (start > 0 && quote - start < KEY_BYTES_MAX &&
           (is_alnum(text.ptr[start - 1]) || is_in(text.ptr[start - 1], "_.-")))
        start--;
    if (!key_is_sensitive(str_sub(text, start, quote - start)))
        return false;
    size_t at = quote + 1;
    while (at < text.len && (is_space(text.ptr[at]) || text.ptr[at] == ']'))
        at++;
    if (at >= text.len || (text.ptr[at] != ':' && text.ptr[at] != '='))
        return false;
    for (at++; at < text.len && (is_space(text.ptr[at]) || is_in(text.ptr[at], "[>"));)
        at++;
    if (at >= text.len)
        return false;
    bool is_quoted = text.ptr[at] == '"' || text.ptr[at] == '\'';
    char close = is_quoted ? text.ptr[at++] : ',';
    while (is_quoted && at < text.len && text.ptr[at] == '\n')
        at++;
    size_t limit = MIN(text.len, at + VALUE_BYTES_MAX);
    size_t end = at;
    for (; end < limit && text.ptr[end] != close && text.ptr[end] != '\n'; end++)
        if (!is_quoted && !is_alnum(text.ptr[end]))
            break;
    if (!is_quoted && (end == at || !is_digit(text.ptr[at])))
        return false;
    candidate->start = at;
    candidate->end = end;
    return end > at && !value_is_placeholder(str_sub(text, at, end - at));
}

static bool is_image_name(str tld)
{
    static const char *const names[] = { "png", "jpg", "jpeg", "gif",  "svg", "webp",
                                         "js",  "ts",  "css",  "json", "html" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_nocase(tld, str_from_c(names[i])))
            return true;
    return false;
}

static bool domain_is_plausible(str domain)
{
    size_t dot = SIZE_MAX;
    for (size_t i = 0; i < domain.len; i++) {
        if (domain.ptr[i] != '.')
            continue;
        if (i == 0 || domain.ptr[i - 1] == '.')
            return false;
        dot = i;
    }
    if (dot == SIZE_MAX)
        return false;
    str tld = str_from(domain, dot + 1);
    if (tld.len < 2 || tld.len > TLD_MAX || is_image_name(tld))
        return false;
    for (size_t i = 0; i < tld.len; i++)
        if (!is_alpha(tld.ptr[i]))
            return false;
    return true;
}

/* The "@" belongs to user:password@host of a URL, or to git@host:path. */
static bool is_address_of_machine(str text, size_t start, size_t at, size_t end)
{
    if (at - start == 3 && memcmp(text.ptr + start, "git", 3) == 0 && end < text.len &&
        text.ptr[end] == ':')
        return true;
    size_t from = start;
    while (from > 0 && start - from < URL_AUTHORITY_MAX / 4 && !is_space(text.ptr[from - 1]) &&
           !is_in(text.ptr[from - 1], "\"'<>?="))
        from--;
    str before = str_sub(text, from, start - from);
    size_t scheme = str_find(before, STR_OF("://"));
    return scheme < before.len &&
           str_find_char(str_from(before, scheme + 3), '/') == str_from(before, scheme + 3).len;
}

bool check_email(struct candidate *candidate)
{
    str text = candidate->text;
    size_t at = candidate->start + 1;
    size_t start = at;
    size_t end = at + 1;
    while (start > 0 && at - start < EMAIL_LOCAL_MAX &&
           (is_alnum(text.ptr[start - 1]) || is_in(text.ptr[start - 1], "._%+'-")))
        start--;
    while (start < at && !is_alnum(text.ptr[start]))
        start++;
    while (end < text.len && end - at < EMAIL_DOMAIN_MAX &&
           (is_alnum(text.ptr[end]) || is_in(text.ptr[end], ".-")))
        end++;
    while (end > at + 1 && !is_alnum(text.ptr[end - 1]))
        end--;
    if (start == at || !domain_is_plausible(str_sub(text, at + 1, end - at - 1)) ||
        is_address_of_machine(text, start, at, end))
        return false;
    candidate->start = start;
    candidate->end = end;
    return true;
}

/* scheme://user:password@host: the password. */
bool check_url_password(struct candidate *candidate)
{
    str text = candidate->text;
    size_t from = candidate->end;
    size_t limit = MIN(text.len, from + URL_AUTHORITY_MAX);
    size_t colon = SIZE_MAX;
    size_t at = from;
    size_t sign = SIZE_MAX;
    for (; at < limit && !is_space(text.ptr[at]) && !is_in(text.ptr[at], "\"'<>/?#`"); at++) {
        if (text.ptr[at] == ':' && colon == SIZE_MAX && sign == SIZE_MAX)
            colon = at;
        if (text.ptr[at] == '@')
            sign = at;
    }
    if (sign == SIZE_MAX || colon == SIZE_MAX || colon + 1 >= sign)
        return false;
    char first = text.ptr[colon + 1];
    if (first == '$' || first == '{' || first == '%' || first == '*')
        return false;
    candidate->start = colon + 1;
    candidate->end = sign;
    return true;
}

/* ?key=value, &access_token=value, &X-Amz-Signature=value */
bool check_url_parameter(struct candidate *candidate)
{
    str text = candidate->text;
    size_t start = candidate->start;
    size_t value = candidate->end;
    while (start > 0 && candidate->start - start < KEY_BYTES_MAX &&
           (is_alnum(text.ptr[start - 1]) || is_in(text.ptr[start - 1], "_.-")))
        start--;
    if (start == 0 || !is_in(text.ptr[start - 1], "?&;"))
        return false;
    size_t end = value;
    bool has_digit = false;
    while (end < text.len && end - value < VALUE_BYTES_MAX &&
           (is_alnum(text.ptr[end]) || is_in(text.ptr[end], "%._~+/=-"))) {
        has_digit = has_digit || is_digit(text.ptr[end]);
        end++;
    }
    candidate->start = value;
    candidate->end = end;
    return end - value >= PARAMETER_MIN && has_digit;
}

/* Position of the "-----END" at or after `from`, text.len when there is none; each
 * part of the text is searched once. */
static size_t pem_end(struct redact_scratch *scratch, str text, size_t from)
{
    if (scratch->pem_end_from != SIZE_MAX && from >= scratch->pem_end_from &&
        from <= scratch->pem_end_at)
        return scratch->pem_end_at;
    scratch->pem_end_from = from;
    scratch->pem_end_at = from + str_find(str_from(text, from), STR_OF("-----END"));
    return scratch->pem_end_at;
}

bool check_private_key(struct candidate *candidate)
{
    str text = candidate->text;
    str label = str_sub(text, candidate->end, PEM_LABEL_MAX);
    size_t dashes = str_find(label, STR_OF("-----"));
    str name = str_sub(label, 0, dashes);
    if (dashes == label.len || str_find(name, STR_OF("PRIVATE KEY")) == name.len)
        return false;
    size_t body = candidate->end + dashes + 5;
    size_t end = pem_end(candidate->scratch, text, body);
    if (end < text.len) {
        str tail = str_sub(text, end + 8, PEM_LABEL_MAX);
        size_t close = str_find(tail, STR_OF("-----"));
        candidate->end = close < tail.len ? end + 8 + close + 5 : end + 8;
        return true;
    }
    end = body;
    while (end < text.len && end - body < PEM_OPEN_MAX &&
           (is_alnum(text.ptr[end]) || is_space(text.ptr[end]) || is_in(text.ptr[end], "+/=\\:,-")))
        end++;
    while (end > body && is_space(text.ptr[end - 1]))
        end--;
    candidate->end = end;
    return true;
}

/* "Basic " and base64 of "user:password". */
bool check_basic_auth(struct candidate *candidate)
{
    str text = candidate->text;
    size_t start = candidate->end - 1;
    size_t end = start;
    char decoded[BASIC_MAX];
    size_t len = 0;
    while (end < text.len && end - start < BASIC_MAX &&
           (is_alnum(text.ptr[end]) || is_in(text.ptr[end], "+/=_-")))
        end++;
    str value = str_sub(text, start, end - start);
    if (value.len < 8 || base64_decoded_max(value.len) > sizeof decoded ||
        !base64_decode(value, decoded, &len))
        return false;
    candidate->start = start;
    candidate->end = end;
    return memchr(decoded, ':', len) != NULL;
}

/* curl -u user:password */
bool check_curl_user(struct candidate *candidate)
{
    str line = str_sub(candidate->text, candidate->end, CURL_LINE_MAX);
    size_t at = str_find(line, STR_OF("-u "));
    size_t skip = 3;
    if (at == line.len) {
        at = str_find(line, STR_OF("--user "));
        skip = 7;
    }
    if (at == line.len || str_find_char(line, '\n') < at)
        return false;
    size_t start = at + skip;
    while (start < line.len && is_in(line.ptr[start], " \"'"))
        start++;
    size_t end = start;
    while (end < line.len && !is_space(line.ptr[end]) && !is_in(line.ptr[end], "\"'"))
        end++;
    str value = str_sub(line, start, end - start);
    size_t colon = str_find_char(value, ':');
    if (colon + 1 >= value.len || is_in(value.ptr[colon + 1], "$["))
        return false;
    candidate->start = candidate->end + start + colon + 1;
    candidate->end = candidate->start + (value.len - colon - 1);
    return true;
}

/* [REDACTED], [REDACTED:kind] and [kind:0123456789ab] */
static bool marker_is(str text)
{
    if (text.len < 3 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    str inner = str_sub(text, 1, text.len - 2);
    if (str_equal_c(inner, "REDACTED") || str_starts(inner, STR_OF("REDACTED:")))
        return true;
    size_t colon = str_find_char(inner, ':');
    str hash = str_from(inner, colon + 1);
    if (colon == 0 || colon >= inner.len || hash.len < MARKER_HASH_MIN)
        return false;
    for (size_t i = 0; i < colon; i++)
        if (inner.ptr[i] != '_' && !is_digit(inner.ptr[i]) && !is_alpha(inner.ptr[i]))
            return false;
    for (size_t i = 0; i < hash.len; i++)
        if (!is_hex(hash.ptr[i]) || is_upper(hash.ptr[i]))
            return false;
    return true;
}

bool marker_around(str text, size_t at, size_t *ret_start, size_t *ret_end)
{
    if (at >= text.len)
        return false;
    size_t start = at;
    while (start > 0 && at - start < MARKER_MAX && text.ptr[start] != '[' &&
           !(start < at && text.ptr[start] == ']'))
        start--;
    if (text.ptr[start] != '[')
        return false;
    str rest = str_sub(text, start, MARKER_MAX);
    size_t close = str_find_char(rest, ']');
    if (close == rest.len || start + close < at || !marker_is(str_sub(rest, 0, close + 1)))
        return false;
    *ret_start = start;
    *ret_end = start + close + 1;
    return true;
}
