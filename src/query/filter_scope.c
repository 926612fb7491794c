/* filter_scope.c -- what the filter language asks of other spans of the same trace.
 *
 *   any(...) root(...) parent(...) child(...) ancestor(...) descendant(...)   a span elsewhere
 *   trace(...)                                                                the trace's own row
 *   count(...) > 3   sum(cost) > 0.5   sum(cost, op:chat) > 0.5   min max avg
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/parser.h"

static const struct {
    const char *name;
    enum filter_op op; /* of a scope; FILTER_AND: a fold */
    enum filter_fold fold;
} calls[] = {
    { "any", FILTER_ANY, FOLD_NONE },
    { "root", FILTER_ROOT, FOLD_NONE },
    { "parent", FILTER_PARENT, FOLD_NONE },
    { "child", FILTER_CHILD, FOLD_NONE },
    { "ancestor", FILTER_ANCESTOR, FOLD_NONE },
    { "descendant", FILTER_DESCENDANT, FOLD_NONE },
    { "trace", FILTER_TRACE, FOLD_NONE },
    { "count", FILTER_AND, FOLD_COUNT },
    { "sum", FILTER_AND, FOLD_SUM },
    { "min", FILTER_AND, FOLD_MIN },
    { "max", FILTER_AND, FOLD_MAX },
    { "avg", FILTER_AND, FOLD_AVG },
};

const char *filter_scope_name(enum filter_op op)
{
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        if (calls[i].op == op && calls[i].fold == FOLD_NONE)
            return calls[i].name;
    assert(false);
    return "";
}

const char *filter_fold_name(enum filter_fold fold)
{
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        if (calls[i].fold == fold && fold != FOLD_NONE)
            return calls[i].name;
    assert(false);
    return "";
}

const char *filter_call_name(size_t index)
{
    return index < COUNT_OF(calls) ? calls[index].name : NULL;
}

bool is_call(const struct parser *parser, const struct token *word)
{
    const struct lexer *lexer = &parser->lexer;
    bool is_keyword = lexer_word_is(word->text, "and") || lexer_word_is(word->text, "or") ||
                      lexer_word_is(word->text, "not");
    return word->type == TOKEN_WORD && !is_keyword && lexer->at < lexer->text.len &&
           lexer->text.ptr[lexer->at] == '(';
}

static const struct filter *unknown_call(struct parser *parser, const struct token *word)
{
    const char *names[COUNT_OF(calls)];
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        names[i] = calls[i].name;
    (void)diag_set_at(parser->why, ERR_BAD_INPUT, word->offset, "'%.*s(' is not known",
                      (int)MIN(word->text.len, (size_t)40), word->text.ptr);
    const char *nearest = name_nearest(word->text, names, COUNT_OF(names));
    if (nearest)
        (void)diag_hint(parser->why, "did you mean '%s('?", nearest);
    else
        (void)diag_hint(parser->why, "put a space before the bracket to search for the word");
    return parser_fail(parser, ERR_BAD_INPUT);
}

/* The ) of a call. */
static bool take_close(struct parser *parser)
{
    struct token token = lexer_term(&parser->lexer);
    if (token.type == TOKEN_CLOSE)
        return true;
    if (token.type == TOKEN_ERROR)
        (void)parser_fail(parser, parser->lexer.failed);
    else if (parser->failed == ERR_OK)
        (void)parser_fail_at(parser, token.offset, "a ) is missing here");
    return false;
}

static const struct filter *parse_scope(struct parser *parser, enum filter_op op, size_t offset)
{
    bool was_in_trace = parser->in_trace;
    parser->in_trace = op == FILTER_TRACE;
    const struct filter *inner = parse_or(parser);
    parser->in_trace = was_in_trace;
    if (!inner || !take_close(parser))
        return NULL;
    struct filter *node = node_new(parser, op, offset);
    if (!node)
        return NULL;
    node->left = inner;
    return parser_beyond(parser, node);
}

static bool can_fold(enum filter_fold fold, enum field field)
{
    if (field == FIELD_COUNT)
        return true;
    enum field_type type = field_table[field].type;
    if (type == FIELD_TYPE_TIME)
        return fold == FOLD_MIN || fold == FOLD_MAX;
    return type == FIELD_TYPE_I64 || type == FIELD_TYPE_F64 || type == FIELD_TYPE_NS ||
           type == FIELD_TYPE_NANO;
}

/* The name inside sum(...). */
static bool parse_folded(struct parser *parser, struct subject *subject)
{
    struct name_target target;
    struct token token = lexer_term(&parser->lexer);
    if (token.type == TOKEN_ERROR) {
        (void)parser_fail(parser, parser->lexer.failed);
        return false;
    }
    if (!token_is_value(&token)) {
        (void)parser_fail_at(parser, token.offset, "the name of a number is missing here");
        return false;
    }
    enum err code =
        name_resolve(token.text, token.type == TOKEN_QUOTED, token.offset, &target, parser->why);
    if (code != ERR_OK) {
        (void)parser_fail(parser, code);
        return false;
    }
    if (target.mode != NAME_SAME || !can_fold(subject->fold, target.field)) {
        (void)parser_fail_at(parser, token.offset,
                             "only numbers, durations and money can be added up");
        return false;
    }
    subject->field = target.field;
    subject->attr_key = target.attr_key;
    return true;
}

static const struct filter *parse_fold_value(struct parser *parser, const struct subject *subject)
{
    struct token operator_token = lexer_operator_maybe(&parser->lexer);
    if (operator_token.type == TOKEN_ERROR)
        return parser_fail(parser, parser->lexer.failed);
    if (operator_token.type != TOKEN_OPERATOR)
        return parser_fail_at(parser, operator_token.offset,
                              "a comparison is missing here, as in count(op:tool)>10");
    struct token token = lexer_value(&parser->lexer);
    if (token.type == TOKEN_ERROR)
        return parser_fail(parser, parser->lexer.failed);
    if (!token_is_value(&token))
        return parser_fail_at(parser, token.offset, "a number is missing here");
    struct literal literal = literal_of_token(&token);
    return compare_subject(parser, operator_token.op, subject, &literal);
}

/* count(...), sum(name), sum(name, ...) with an operator and a number. */
static const struct filter *parse_fold(struct parser *parser, enum filter_fold fold, size_t offset)
{
    struct subject subject = { .field = FIELD_COUNT, .fold = fold, .offset = offset };
    str word;
    bool has_inner = fold == FOLD_COUNT && lexer_peek(&parser->lexer, &word) != TOKEN_CLOSE;
    if (fold != FOLD_COUNT) {
        if (!parse_folded(parser, &subject))
            return NULL;
        has_inner = lexer_comma_maybe(&parser->lexer);
    }
    if (has_inner && !(subject.inner = parse_or(parser)))
        return NULL;
    return take_close(parser) ? parse_fold_value(parser, &subject) : NULL;
}

const struct filter *parse_call(struct parser *parser, const struct token *word)
{
    size_t index = 0;
    while (index < COUNT_OF(calls) && !lexer_word_is(word->text, calls[index].name))
        index++;
    if (index == COUNT_OF(calls))
        return unknown_call(parser, word);
    if (parser->in_trace)
        return parser_fail_at(parser, word->offset,
                              "a trace's own row has no spans: ask this outside of trace(...)");
    struct token open = lexer_term(&parser->lexer);
    assert(open.type == TOKEN_OPEN);
    (void)open;
    return calls[index].fold == FOLD_NONE ? parse_scope(parser, calls[index].op, word->offset)
                                          : parse_fold(parser, calls[index].fold, word->offset);
}
