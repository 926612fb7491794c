/* lexer.c -- words, quoted texts and operators of the filter language.
 *
 * There is no token stream: the same characters are a name, an operator or part of a
 * value depending on where the parser stands ("start_time>2026-01-01T10:00:00Z"), so the
 * parser asks for what may come next.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/query_int.h"

void lexer_init(struct lexer *lexer, struct arena *arena, str text, struct diag *reterr_why)
{
    *lexer = (struct lexer){ .arena = arena, .text = text, .why = reterr_why };
}

bool lexer_word_is(str word, const char *keyword)
{
    return str_equal_nocase(word, str_from_c(keyword));
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool ends_any_word(char c)
{
    return is_space(c) || c == '(' || c == ')' || c == '"' || c == ',';
}

static bool is_operator_char(char c)
{
    return c == ':' || c == '=' || c == '!' || c == '<' || c == '>' || c == '~';
}

static void skip_space(struct lexer *lexer)
{
    while (lexer->at < lexer->text.len && is_space(lexer->text.ptr[lexer->at]))
        lexer->at++;
}

static struct token token_error(struct lexer *lexer, size_t offset, const char *text)
{
    lexer->failed = diag_set_at(lexer->why, ERR_BAD_INPUT, offset, "%s", text);
    return (struct token){ .type = TOKEN_ERROR, .offset = offset };
}

/* Bytes between the quotes as written, escapes included; false: not closed. */
static bool quoted_len(str rest, size_t *ret_len)
{
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '"') {
            *ret_len = i;
            return true;
        }
        if (rest.ptr[i] == '\\')
            i++;
    }
    return false;
}

/* "..." with \" and \\; the opening quote is at lexer->at. */
static struct token take_quoted(struct lexer *lexer)
{
    size_t offset = lexer->at;
    size_t raw_len;
    if (!quoted_len(str_from(lexer->text, offset + 1), &raw_len))
        return token_error(lexer, offset, "this quote is not closed");
    str raw = str_sub(lexer->text, offset + 1, raw_len);
    char *out = arena_alloc(lexer->arena, raw.len + 1);
    if (!out) {
        lexer->failed = diag_set(lexer->why, ERR_LIMIT, "filter needs too much memory");
        return (struct token){ .type = TOKEN_ERROR, .offset = offset };
    }
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\\') {
            i++; /* quoted_len saw that one more byte is there */
            if (raw.ptr[i] != '"' && raw.ptr[i] != '\\')
                return token_error(lexer, offset + 1 + i, "only \\\" and \\\\ are escapes");
        }
        out[len++] = raw.ptr[i];
    }
    lexer->at = offset + 1 + raw.len + 1;
    return (struct token){ TOKEN_QUOTED, OPERATOR_MATCH, { out, len }, offset };
}

static struct token take_char(struct lexer *lexer, enum token_type type)
{
    struct token token = { .type = type, .offset = lexer->at };
    lexer->at++;
    return token;
}

static struct token take_word(struct lexer *lexer, bool is_value)
{
    size_t offset = lexer->at;
    size_t end = offset;
    while (end < lexer->text.len && !ends_any_word(lexer->text.ptr[end]) &&
           (is_value || !is_operator_char(lexer->text.ptr[end])))
        end++;
    lexer->at = end;
    return (struct token){ TOKEN_WORD, OPERATOR_MATCH, str_sub(lexer->text, offset, end - offset),
                           offset };
}

/* What both places have in common; TOKEN_WORD with no text: a word begins here. */
static struct token take_common(struct lexer *lexer)
{
    skip_space(lexer);
    if (lexer->at == lexer->text.len)
        return (struct token){ .type = TOKEN_END, .offset = lexer->at };
    switch (lexer->text.ptr[lexer->at]) {
    case '(':
        return take_char(lexer, TOKEN_OPEN);
    case ')':
        return take_char(lexer, TOKEN_CLOSE);
    case ',':
        return take_char(lexer, TOKEN_COMMA);
    case '"':
        return take_quoted(lexer);
    default:
        return (struct token){ .type = TOKEN_WORD, .offset = lexer->at };
    }
}

struct token lexer_term(struct lexer *lexer)
{
    struct token token = take_common(lexer);
    if (token.type != TOKEN_WORD)
        return token;
    char c = lexer->text.ptr[lexer->at];
    if (is_operator_char(c))
        return token_error(lexer, lexer->at, "a name is missing before this operator");
    if (c == '-')
        return take_char(lexer, TOKEN_MINUS);
    return take_word(lexer, false);
}

enum token_type lexer_peek(struct lexer *lexer, str *ret_word)
{
    skip_space(lexer);
    if (lexer->at == lexer->text.len)
        return TOKEN_END;
    char c = lexer->text.ptr[lexer->at];
    if (c == ')')
        return TOKEN_CLOSE;
    if (c == '"' || c == '(' || c == ',' || c == '-' || is_operator_char(c))
        return TOKEN_QUOTED; /* anything that is no word */
    size_t before = lexer->at;
    *ret_word = take_word(lexer, false).text;
    lexer->at = before;
    return TOKEN_WORD;
}

struct token lexer_value(struct lexer *lexer)
{
    struct token token = take_common(lexer);
    if (token.type != TOKEN_WORD)
        return token;
    if (is_operator_char(lexer->text.ptr[lexer->at]))
        return token_error(lexer, lexer->at, "a value is missing before this character");
    return take_word(lexer, true);
}

/* Bytes of /.../ between its slashes as written; false: not closed. */
static bool regex_len(str rest, size_t *ret_len)
{
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '/') {
            *ret_len = i;
            return true;
        }
        if (rest.ptr[i] == '\\')
            i++;
    }
    return false;
}

/* /.../ or /.../i, where \/ is a slash; the opening one is at lexer->at. */
static struct token take_regex(struct lexer *lexer)
{
    static const str no_case = STR("(?i)");
    size_t offset = lexer->at, raw_len, len = 0;
    if (!regex_len(str_from(lexer->text, offset + 1), &raw_len))
        return token_error(lexer, offset, "this regular expression has no closing /");
    str raw = str_sub(lexer->text, offset + 1, raw_len);
    char *out = arena_alloc(lexer->arena, no_case.len + raw.len + 1);
    if (!out) {
        lexer->failed = diag_set(lexer->why, ERR_LIMIT, "filter needs too much memory");
        return (struct token){ .type = TOKEN_ERROR, .offset = offset };
    }
    lexer->at = offset + 1 + raw.len + 1;
    if (lexer->at < lexer->text.len && lexer->text.ptr[lexer->at] == 'i') {
        lexer->at++;
        memcpy(out, no_case.ptr, no_case.len);
        len = no_case.len;
    }
    if (lexer->at < lexer->text.len && !ends_any_word(lexer->text.ptr[lexer->at]))
        return token_error(lexer, lexer->at,
                           "only i may follow /.../; in quotes it is a text with wildcards");
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\\' && raw.ptr[i + 1] != '/')
            out[len++] = raw.ptr[i++];
        else if (raw.ptr[i] == '\\')
            i++;
        out[len++] = raw.ptr[i];
    }
    return (struct token){ TOKEN_REGEX, OPERATOR_LIKE, { out, len }, offset };
}

struct token lexer_pattern(struct lexer *lexer)
{
    skip_space(lexer);
    if (lexer->at < lexer->text.len && lexer->text.ptr[lexer->at] == '/')
        return take_regex(lexer);
    return lexer_value(lexer);
}

size_t lexer_regex_offset(const struct lexer *lexer, const struct literal *literal, size_t offset)
{
    size_t at = literal->offset + 1, raw_len;
    if (!regex_len(str_from(lexer->text, at), &raw_len))
        return literal->offset;
    size_t end = at + raw_len;
    bool has_flag = end + 1 < lexer->text.len && lexer->text.ptr[end + 1] == 'i';
    offset -= has_flag ? MIN(offset, (size_t)4) : 0;
    for (; offset > 0 && at < end; offset--) {
        bool is_slash = lexer->text.ptr[at] == '\\' && lexer->text.ptr[at + 1] == '/';
        at += is_slash ? 2 : 1;
    }
    return at;
}

bool lexer_comma_maybe(struct lexer *lexer)
{
    skip_space(lexer);
    bool is_comma = lexer->at < lexer->text.len && lexer->text.ptr[lexer->at] == ',';
    lexer->at += is_comma;
    return is_comma;
}

struct token lexer_operator_maybe(struct lexer *lexer)
{
    static const struct {
        str text;
        enum lexer_operator op;
    } operators[] = {
        /* longest first */
        { STR("!="), OPERATOR_NE },    { STR("<="), OPERATOR_LE },   { STR(">="), OPERATOR_GE },
        { STR("=="), OPERATOR_MATCH }, { STR(":"), OPERATOR_MATCH }, { STR("="), OPERATOR_MATCH },
        { STR("<"), OPERATOR_LT },     { STR(">"), OPERATOR_GT },    { STR("~"), OPERATOR_LIKE },
    };
    size_t before = lexer->at;
    skip_space(lexer);
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        if (!str_starts(str_from(lexer->text, lexer->at), operators[i].text))
            continue;
        size_t offset = lexer->at;
        lexer->at += operators[i].text.len;
        return (struct token){ TOKEN_OPERATOR, operators[i].op, operators[i].text, offset };
    }
    if (lexer->at < lexer->text.len && lexer->text.ptr[lexer->at] == '!')
        return token_error(lexer, lexer->at, "expected != here");
    lexer->at = before;
    return (struct token){ .type = TOKEN_END, .offset = before };
}
