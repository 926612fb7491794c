/* filter.c -- the parser of the filter language; grammar in docs/filters.md.
 *
 * Recursive descent, one function per rule, bounded in nodes and in depth.  Here: terms, not,
 * and, or, brackets; filter_compare.c has a name with an operator and a value, filter_scope.c
 * what looks at other spans of the trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "query/parser.h"

/* ---- terms, not, and, or ---- */

/* `any` or field~pattern; `any` alone where a trace's own row is asked and has no such field. */
static const struct filter *or_like(struct parser *parser, const struct filter *any,
                                    enum field field, str pattern)
{
    if (parser->failed != ERR_OK || (parser->in_trace && !trace_has_field(field)))
        return any;
    const struct subject subject = { .field = field, .offset = parser->lexer.at };
    const struct filter *like = node_leaf(parser, FILTER_LIKE, &subject, value_str(pattern));
    return any ? node_join(parser, FILTER_OR, any, like) : like;
}

/* A word alone: part of the span's name, or the beginning of an id. */
static const struct filter *parse_word(struct parser *parser, const struct token *token)
{
    str text = token->text;
    if (str_is_empty(text))
        return parser_fail_at(parser, token->offset, "an empty text finds nothing");
    str start = pattern_of(parser, "", text, "*", false);
    str part = pattern_of(parser, "*", text, "*", false);
    const struct filter *any = or_like(parser, NULL, FIELD_name, part);
    any = or_like(parser, any, FIELD_request_id, start);
    any = or_like(parser, any, FIELD_source_id, start);
    if (text.len >= ID_PREFIX_HEX_MIN && text.len <= 32 && text_is_hex(text))
        any = or_like(parser, any, FIELD_trace_id, pattern_of(parser, "", text, "*", true));
    assert(any || parser->failed != ERR_OK); /* a trace's row has the request's id */
    return parser->failed == ERR_OK ? any : NULL;
}

static const struct filter *parse_group(struct parser *parser)
{
    const struct filter *inner = parse_or(parser);
    if (!inner)
        return NULL;
    struct token token = lexer_term(&parser->lexer);
    if (token.type == TOKEN_ERROR)
        return parser_fail(parser, parser->lexer.failed);
    if (token.type != TOKEN_CLOSE)
        return parser_fail_at(parser, token.offset, "a ) is missing here");
    return inner;
}

static bool is_keyword_not(const struct token *token)
{
    return token->type == TOKEN_WORD && lexer_word_is(token->text, "not");
}

static const struct filter *parse_unary(struct parser *parser);

static const struct filter *parse_term(struct parser *parser)
{
    struct token token = lexer_term(&parser->lexer);
    if (token.type == TOKEN_ERROR)
        return parser_fail(parser, parser->lexer.failed);
    if (token.type == TOKEN_OPEN)
        return parse_group(parser);
    if (token.type == TOKEN_MINUS)
        return node_join(parser, FILTER_NOT, parse_unary(parser), NULL);
    if (!token_is_value(&token))
        return parser_fail_at(parser, token.offset, "a condition is missing here");
    if (is_call(parser, &token))
        return parse_call(parser, &token);
    if (!take_score_name(parser, &token, &token.text))
        return NULL;
    struct token operator_token = lexer_operator_maybe(&parser->lexer);
    if (operator_token.type == TOKEN_ERROR)
        return parser_fail(parser, parser->lexer.failed);
    if (operator_token.type == TOKEN_OPERATOR)
        return parse_comparison(parser, &token, &operator_token);
    if (is_keyword_not(&token))
        return node_join(parser, FILTER_NOT, parse_unary(parser), NULL);
    if (token.type == TOKEN_WORD &&
        (lexer_word_is(token.text, "and") || lexer_word_is(token.text, "or")))
        return parser_fail_at(parser, token.offset, "a condition is missing before this word");
    return parse_word(parser, &token);
}

static const struct filter *parse_unary(struct parser *parser)
{
    if (parser->depth == QUERY_DEPTH_MAX)
        return parser_fail(parser,
                           diag_set_at(parser->why, ERR_LIMIT, parser->lexer.at,
                                       "the filter is nested deeper than %d", QUERY_DEPTH_MAX));
    parser->depth++;
    const struct filter *term = parse_term(parser);
    parser->depth--;
    return term;
}

static const struct filter *parse_and(struct parser *parser)
{
    const struct filter *all = parse_unary(parser);
    while (all) {
        str word;
        enum token_type next = lexer_peek(&parser->lexer, &word);
        bool is_or = next == TOKEN_WORD && lexer_word_is(word, "or");
        if (is_or || next == TOKEN_END || next == TOKEN_CLOSE)
            break;
        if (next == TOKEN_WORD && lexer_word_is(word, "and"))
            (void)lexer_term(&parser->lexer);
        all = node_join(parser, FILTER_AND, all, parse_unary(parser));
    }
    return all;
}

const struct filter *parse_or(struct parser *parser)
{
    const struct filter *any = parse_and(parser);
    while (any) {
        str word;
        if (lexer_peek(&parser->lexer, &word) != TOKEN_WORD || !lexer_word_is(word, "or"))
            break;
        (void)lexer_term(&parser->lexer);
        any = node_join(parser, FILTER_OR, any, parse_and(parser));
    }
    return any;
}

static enum err check_text(str text, struct diag *reterr_why)
{
    if (text.len > QUERY_TEXT_BYTES_MAX)
        return diag_set_at(reterr_why, ERR_LIMIT, QUERY_TEXT_BYTES_MAX,
                           "the filter is longer than %d bytes", QUERY_TEXT_BYTES_MAX);
    size_t valid = utf8_valid_prefix(text);
    if (valid < text.len)
        return diag_set_at(reterr_why, ERR_BAD_INPUT, valid, "the filter is not valid UTF-8");
    size_t nul = str_find_char(text, '\0');
    if (nul < text.len)
        return diag_set_at(reterr_why, ERR_BAD_INPUT, nul, "the filter has a NUL byte");
    return ERR_OK;
}

static enum err parse(struct arena *arena, str text, int64_t now_ns, bool of_points,
                      const struct filter **ret_filter, struct diag *reterr_why)
{
    assert(arena && ret_filter);
    enum err code = check_text(text, reterr_why);
    if (code != ERR_OK)
        return code;
    if (str_is_empty(str_trim(text))) {
        *ret_filter = NULL;
        return ERR_OK;
    }
    struct parser parser = {
        .arena = arena, .why = reterr_why, .now_ns = now_ns, .of_points = of_points
    };
    lexer_init(&parser.lexer, arena, text, reterr_why);
    const struct filter *filter = parse_or(&parser);
    if (filter) {
        struct token token = lexer_term(&parser.lexer);
        if (token.type == TOKEN_ERROR)
            filter = parser_fail(&parser, parser.lexer.failed);
        else if (token.type != TOKEN_END)
            filter = parser_fail_at(&parser, token.offset, "this ) closes nothing");
    }
    assert((filter == NULL) == (parser.failed != ERR_OK));
    if (!filter)
        return parser.failed;
    *ret_filter = filter;
    return ERR_OK;
}

enum err query_parse_filter(struct arena *arena, str text, int64_t now_ns,
                            const struct filter **ret_filter, struct diag *reterr_why)
{
    return parse(arena, text, now_ns, false, ret_filter, reterr_why);
}

enum err query_parse_point_filter(struct arena *arena, str text, int64_t now_ns,
                                  const struct filter **ret_filter, struct diag *reterr_why)
{
    return parse(arena, text, now_ns, true, ret_filter, reterr_why);
}
