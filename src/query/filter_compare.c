/* filter_compare.c -- one comparison of the filter language: a name, an operator, a value.
 *
 * Aliases and lists are expanded here into plain comparisons, so that a store sees nothing but
 * the operations of model/filter.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/parser.h"

enum { LIST_ITEMS_MAX = 100 };

/* One comparison as written, before aliases are expanded. */
struct comparison {
    struct name_target target;
    enum lexer_operator op;
};

const struct filter *parser_fail(struct parser *parser, enum err code)
{
    assert(code != ERR_OK);
    parser->failed = code;
    return NULL;
}

const struct filter *parser_fail_at(struct parser *parser, size_t offset, const char *text)
{
    return parser_fail(parser, diag_set_at(parser->why, ERR_BAD_INPUT, offset, "%s", text));
}

struct filter *node_new(struct parser *parser, enum filter_op op, size_t offset)
{
    if (parser->failed != ERR_OK)
        return NULL;
    struct filter *node = NULL;
    if (parser->nodes < QUERY_NODES_MAX)
        node = arena_new(parser->arena, struct filter, 1);
    if (!node) {
        parser->failed = diag_set_at(parser->why, ERR_LIMIT, parser->lexer.at,
                                     "the filter has more than %d conditions", QUERY_NODES_MAX);
        return NULL;
    }
    parser->nodes++;
    node->op = op;
    node->field = FIELD_COUNT;
    node->offset = offset;
    return node;
}

const struct filter *node_join(struct parser *parser, enum filter_op op, const struct filter *left,
                               const struct filter *right)
{
    bool has_right = op == FILTER_AND || op == FILTER_OR;
    if (!left || (!right && has_right))
        return NULL;
    struct filter *node = node_new(parser, op, left->offset);
    if (!node)
        return NULL;
    node->left = left;
    node->right = right;
    return node;
}

const struct filter *parser_beyond(struct parser *parser, const struct filter *node)
{
    bool looks_beyond =
        node->op >= FILTER_ANY || node->fold != FOLD_NONE || !str_is_none(node->score);
    if (looks_beyond && parser->beyond++ == QUERY_BEYOND_MAX)
        return parser_fail(parser, diag_set_at(parser->why, ERR_LIMIT, node->offset,
                                               "more than %d conditions look beyond the span",
                                               QUERY_BEYOND_MAX));
    return node;
}

const struct filter *node_leaf(struct parser *parser, enum filter_op op,
                               const struct subject *subject, struct value value)
{
    struct filter *node = node_new(parser, op, subject->offset);
    if (!node)
        return NULL;
    bool is_attr = subject->field == FIELD_COUNT && str_is_none(subject->score);
    node->field = subject->field;
    node->attr_key = is_attr ? subject->attr_key : STR_NONE;
    node->score = subject->score;
    node->fold = subject->fold;
    node->left = subject->inner;
    node->regex = subject->regex;
    node->value = value;
    return parser_beyond(parser, node);
}

static const struct filter *node_exists(struct parser *parser, const struct subject *subject)
{
    return node_leaf(parser, FILTER_EXISTS, subject, (struct value){ .type = VALUE_NULL });
}

/* ---- one comparison ---- */

static bool is_id(enum field field)
{
    return field < FIELD_COUNT && (field_table[field].type == FIELD_TYPE_ID16 ||
                                   field_table[field].type == FIELD_TYPE_ID8);
}

static bool is_text(enum field field)
{
    return field == FIELD_COUNT || field_table[field].type == FIELD_TYPE_STR ||
           field_table[field].type == FIELD_TYPE_STRS;
}

bool text_is_hex(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return true;
}

str pattern_of(struct parser *parser, const char *before, str text, const char *after, bool lower)
{
    str pattern = arena_printf(parser->arena, "%s%.*s%s", before, STR_ARG(text), after);
    if (str_is_none(pattern)) {
        (void)parser_fail(parser, diag_set(parser->why, ERR_LIMIT, "filter needs too much memory"));
        return pattern;
    }
    char *bytes = arena_alloc(parser->arena, pattern.len + 1);
    if (!bytes) {
        (void)parser_fail(parser, diag_set(parser->why, ERR_LIMIT, "filter needs too much memory"));
        return STR_NONE;
    }
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        bytes[i] = lower && c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    }
    return (str){ bytes, pattern.len };
}

/* Is that literal a pattern for that field?  * in plain text; the start of an id. */
static bool is_pattern(enum field field, const struct literal *literal)
{
    if (literal->is_quoted)
        return false;
    if (is_text(field) || is_id(field))
        if (str_find_char(literal->text, '*') < literal->text.len)
            return true;
    if (!is_id(field))
        return false;
    size_t whole = field_table[field].type == FIELD_TYPE_ID16 ? 32 : 16;
    return literal->text.len >= ID_PREFIX_HEX_MIN && literal->text.len < whole &&
           text_is_hex(literal->text);
}

static const struct filter *compare_like(struct parser *parser, const struct subject *subject,
                                         const struct literal *literal)
{
    if (!is_text(subject->field) && !is_id(subject->field))
        return parser_fail_at(parser, literal->offset, "patterns are for texts and ids");
    bool is_prefix =
        is_id(subject->field) && str_find_char(literal->text, '*') == literal->text.len;
    str pattern = literal->text;
    if (is_id(subject->field))
        pattern = pattern_of(parser, "", literal->text, is_prefix ? "*" : "", true);
    return str_is_none(pattern) ? NULL
                                : node_leaf(parser, FILTER_LIKE, subject, value_str(pattern));
}

/* name~/.../ */
static const struct filter *compare_regex(struct parser *parser, const struct subject *subject,
                                          const struct literal *literal)
{
    if (!is_text(subject->field) || subject->fold != FOLD_NONE)
        return parser_fail_at(parser, literal->offset, "regular expressions are for texts");
    const struct regex *regex;
    struct diag why = DIAG_NONE;
    enum err code = regex_compile(parser->arena, literal->text, &regex, &why);
    if (code != ERR_OK) {
        size_t offset = why.offset == SIZE_MAX ? 0 : why.offset;
        (void)diag_set_at(parser->why, code, lexer_regex_offset(&parser->lexer, literal, offset),
                          "%s", why.text);
        return parser_fail(parser, code);
    }
    struct subject with_regex = *subject;
    with_regex.regex = regex;
    return node_leaf(parser, FILTER_REGEX, &with_regex, value_str(literal->text));
}

static enum err score_value(const struct literal *literal, struct value *ret_value)
{
    double number;
    if (!literal->is_quoted && lexer_word_is(literal->text, "true"))
        *ret_value = value_bool(true);
    else if (!literal->is_quoted && lexer_word_is(literal->text, "false"))
        *ret_value = value_bool(false);
    else if (!literal->is_quoted && literal_number(literal->text, ret_value) &&
             value_as_f64(ret_value, &number))
        *ret_value = value_f64(number);
    else
        *ret_value = value_str(literal->text);
    return ERR_OK;
}

/* A number that is compared with a fold. */
static enum err fold_value(struct parser *parser, const struct subject *subject,
                           const struct literal *literal, struct value *ret_value)
{
    int64_t count;
    bool is_whole_field =
        subject->field != FIELD_COUNT && (field_table[subject->field].type == FIELD_TYPE_I64);
    if (subject->fold == FOLD_COUNT) {
        if (!literal_whole(literal->text, &count))
            return diag_set_at(parser->why, ERR_BAD_INPUT, literal->offset,
                               "a count is compared with a whole number like 10");
        *ret_value = value_i64(count);
        return ERR_OK;
    }
    if (subject->field != FIELD_COUNT && !(is_whole_field && subject->fold == FOLD_AVG))
        return literal_of_field(parser->arena, subject->field, literal, parser->now_ns, ret_value,
                                parser->why);
    if (!literal_number(literal->text, ret_value))
        return diag_set_at(parser->why, ERR_BAD_INPUT, literal->offset,
                           "this is compared with a number");
    return ERR_OK;
}

/* What is written, as the subject's own kind of value. */
static enum err value_of(struct parser *parser, const struct subject *subject,
                         const struct literal *literal, struct value *ret_value)
{
    if (subject->fold != FOLD_NONE)
        return fold_value(parser, subject, literal, ret_value);
    if (!str_is_none(subject->score))
        return score_value(literal, ret_value);
    if (subject->field != FIELD_COUNT)
        return literal_of_field(parser->arena, subject->field, literal, parser->now_ns, ret_value,
                                parser->why);
    *ret_value = literal_of_attr(literal);
    return ERR_OK;
}

static const struct filter *compare_match(struct parser *parser, const struct subject *subject,
                                          const struct literal *literal)
{
    if (subject->fold == FOLD_NONE && !literal->is_quoted && str_equal_c(literal->text, "*"))
        return node_exists(parser, subject);
    if (subject->fold == FOLD_NONE && is_pattern(subject->field, literal))
        return compare_like(parser, subject, literal);
    struct value value;
    enum err code = value_of(parser, subject, literal, &value);
    if (code != ERR_OK)
        return parser_fail(parser, code);
    return node_leaf(parser, FILTER_EQ, subject, value);
}

/* != is "known, and not equal".  FILTER_NE is used for folds only: two nodes leave no question of
 * what it means for the unknown and for lists. */
static const struct filter *known_but_not(struct parser *parser, const struct subject *subject,
                                          const struct literal *literal)
{
    if (subject->fold != FOLD_NONE) {
        struct value value;
        enum err code = value_of(parser, subject, literal, &value);
        if (code != ERR_OK)
            return parser_fail(parser, code);
        return node_leaf(parser, FILTER_NE, subject, value);
    }
    const struct filter *match = compare_match(parser, subject, literal);
    const struct filter *other = node_join(parser, FILTER_NOT, match, NULL);
    return node_join(parser, FILTER_AND, node_exists(parser, subject), other);
}

static bool has_order(const struct subject *subject, const struct value *value)
{
    if (subject->field == FIELD_COUNT)
        return value->type == VALUE_I64 || value->type == VALUE_F64;
    enum field_type type = field_table[subject->field].type;
    return type == FIELD_TYPE_I64 || type == FIELD_TYPE_F64 || type == FIELD_TYPE_NS ||
           type == FIELD_TYPE_NANO || type == FIELD_TYPE_TIME;
}

static const struct filter *compare_order(struct parser *parser, enum filter_op op,
                                          const struct subject *subject,
                                          const struct literal *literal)
{
    struct value value = { .type = VALUE_NULL };
    bool is_plain = subject->fold == FOLD_NONE && str_is_none(subject->score);
    if (is_plain && subject->field == FIELD_COUNT && !literal_number(literal->text, &value))
        value = value_str(literal->text);
    else if (!is_plain) {
        enum err code = value_of(parser, subject, literal, &value);
        if (code != ERR_OK)
            return parser_fail(parser, code);
    }
    if (!has_order(subject, &value))
        return parser_fail_at(
            parser, literal->offset,
            "< and > compare numbers, times, durations and money; use : or != here");
    if (is_plain && subject->field != FIELD_COUNT) {
        enum err code = value_of(parser, subject, literal, &value);
        if (code != ERR_OK)
            return parser_fail(parser, code);
    }
    return node_leaf(parser, op, subject, value);
}

const struct filter *compare_subject(struct parser *parser, enum lexer_operator op,
                                     const struct subject *subject, const struct literal *literal)
{
    static const enum filter_op order[] = {
        [OPERATOR_LT] = FILTER_LT,
        [OPERATOR_LE] = FILTER_LE,
        [OPERATOR_GT] = FILTER_GT,
        [OPERATOR_GE] = FILTER_GE,
    };
    switch (op) {
    case OPERATOR_MATCH:
        return compare_match(parser, subject, literal);
    case OPERATOR_LIKE:
        if (literal->is_regex)
            return compare_regex(parser, subject, literal);
        if (subject->fold != FOLD_NONE)
            return parser_fail_at(parser, literal->offset, "patterns are for texts and ids");
        return compare_like(parser, subject, literal);
    case OPERATOR_NE:
        return known_but_not(parser, subject, literal);
    case OPERATOR_LT:
    case OPERATOR_LE:
    case OPERATOR_GT:
    case OPERATOR_GE:
        break;
    }
    return compare_order(parser, order[op], subject, literal);
}

static struct subject subject_first(const struct name_target *target)
{
    return (struct subject){ .field = target->field,
                             .attr_key = target->attr_key,
                             .score = target->score,
                             .offset = target->offset };
}

static struct subject subject_other(const struct name_target *target)
{
    return (struct subject){ .field = target->other,
                             .score = target->other_score,
                             .offset = target->offset };
}

/* One name (maybe of two fields), one value. */
static const struct filter *compare_target(struct parser *parser, const struct comparison *what,
                                           const struct literal *literal)
{
    const struct name_target *target = &what->target;
    struct subject here = subject_first(target), there = subject_other(target);
    const struct filter *second;
    const struct filter *first = compare_subject(parser, what->op, &here, literal);
    if (!first || target->mode == NAME_SAME)
        return first;
    if (target->mode == NAME_FALLBACK) {
        second = node_exists(parser, &here);
        second = node_join(parser, FILTER_NOT, second, NULL);
        second = node_join(parser, FILTER_AND, second,
                           compare_subject(parser, what->op, &there, literal));
        return node_join(parser, FILTER_OR, first, second);
    }
    if (what->op == OPERATOR_NE) { /* known as one of them and equal to neither */
        first = compare_subject(parser, OPERATOR_MATCH, &here, literal);
        second = compare_subject(parser, OPERATOR_MATCH, &there, literal);
        const struct filter *known =
            node_join(parser, FILTER_OR, node_exists(parser, &here), node_exists(parser, &there));
        first = node_join(parser, FILTER_OR, first, second);
        first = node_join(parser, FILTER_NOT, first, NULL);
        return node_join(parser, FILTER_AND, known, first);
    }
    second = compare_subject(parser, what->op, &there, literal);
    return node_join(parser, FILTER_OR, first, second);
}

struct literal literal_of_token(const struct token *token)
{
    return (struct literal){ .text = token->text,
                             .offset = token->offset,
                             .is_quoted = token->type == TOKEN_QUOTED,
                             .is_regex = token->type == TOKEN_REGEX };
}

bool token_is_value(const struct token *token)
{
    return token->type == TOKEN_WORD || token->type == TOKEN_QUOTED;
}

/* All of items[0..count) as a balanced tree: stores bound the depth. */
static const struct filter *join_all(struct parser *parser, enum filter_op joint,
                                     const struct filter **items, size_t count)
{
    assert(count > 0);
    while (count > 1) {
        size_t half = 0;
        for (size_t i = 0; i < count; i += 2)
            items[half++] =
                i + 1 < count ? node_join(parser, joint, items[i], items[i + 1]) : items[i];
        count = half;
    }
    return items[0];
}

/* (a or b or c), (a, b): after the "(". */
static const struct filter *parse_list(struct parser *parser, const struct comparison *what)
{
    const struct filter *items[LIST_ITEMS_MAX];
    for (size_t count = 0; count < LIST_ITEMS_MAX;) {
        struct token token = lexer_value(&parser->lexer);
        if (token.type == TOKEN_ERROR)
            return parser_fail(parser, parser->lexer.failed);
        if (!token_is_value(&token))
            return parser_fail_at(parser, token.offset, "a list is written (a or b)");
        struct literal literal = literal_of_token(&token);
        items[count] = compare_target(parser, what, &literal);
        if (!items[count++])
            return NULL;
        token = lexer_value(&parser->lexer);
        if (token.type == TOKEN_CLOSE)
            return join_all(parser, what->op == OPERATOR_NE ? FILTER_AND : FILTER_OR, items, count);
        if (token.type == TOKEN_ERROR)
            return parser_fail(parser, parser->lexer.failed);
        bool is_or = token.type == TOKEN_WORD && lexer_word_is(token.text, "or");
        if (token.type != TOKEN_COMMA && !is_or)
            return parser_fail_at(parser, token.offset, "a list is written (a or b)");
    }
    return parser_fail(parser, diag_set_at(parser->why, ERR_LIMIT, parser->lexer.at,
                                           "a list has at most %d values", LIST_ITEMS_MAX));
}

bool take_score_name(struct parser *parser, const struct token *word, str *ret_name)
{
    const struct lexer *lexer = &parser->lexer;
    *ret_name = word->text;
    bool is_quoted = word->type == TOKEN_WORD && str_equal_c(word->text, "score.") &&
                     lexer->at < lexer->text.len && lexer->text.ptr[lexer->at] == '"';
    if (!is_quoted)
        return true;
    struct token quoted = lexer_term(&parser->lexer);
    if (quoted.type == TOKEN_ERROR) {
        (void)parser_fail(parser, parser->lexer.failed);
        return false;
    }
    *ret_name = arena_printf(parser->arena, "score.\"%.*s", STR_ARG(quoted.text));
    if (!str_is_none(*ret_name))
        return true;
    (void)parser_fail(parser, diag_set(parser->why, ERR_LIMIT, "filter needs too much memory"));
    return false;
}

/* What a name means where the parser stands. */
static bool resolve(struct parser *parser, const struct token *token, str name,
                    struct name_target *ret_target)
{
    if (parser->of_points) {
        bool is_service = str_equal_c(name, "service") && token->type != TOKEN_QUOTED;
        *ret_target = (struct name_target){ .field = is_service ? FIELD_service : FIELD_COUNT,
                                            .other = FIELD_COUNT,
                                            .attr_key = name,
                                            .offset = token->offset };
        return true;
    }
    enum err code = name_resolve_condition(name, token->type == TOKEN_QUOTED, parser->in_trace,
                                           ret_target, parser->why);
    if (code == ERR_OK) {
        ret_target->offset = token->offset;
        return true;
    }
    if (parser->why) /* it knows nothing of the text around the name */
        parser->why->offset = token->offset;
    (void)parser_fail(parser, code);
    return false;
}

/* In a trace's own row, of a condition that was written in another place. */
static const struct filter *in_trace(struct parser *parser, const struct name_target *target,
                                     const struct filter *condition)
{
    if (!condition || !target->of_trace || parser->in_trace)
        return condition;
    struct filter *node = node_new(parser, FILTER_TRACE, target->offset);
    if (!node)
        return NULL;
    node->left = condition;
    return parser_beyond(parser, node);
}

static const struct filter *parse_has(struct parser *parser)
{
    struct token token = lexer_value(&parser->lexer);
    if (token.type == TOKEN_ERROR)
        return parser_fail(parser, parser->lexer.failed);
    if (!token_is_value(&token))
        return parser_fail_at(parser, token.offset, "has: needs the name of a field");
    str name;
    struct name_target target;
    if (!take_score_name(parser, &token, &name) || !resolve(parser, &token, name, &target))
        return NULL;
    struct subject here = subject_first(&target), there = subject_other(&target);
    const struct filter *known = node_exists(parser, &here);
    if (target.mode != NAME_SAME)
        known = node_join(parser, FILTER_OR, known, node_exists(parser, &there));
    return in_trace(parser, &target, known);
}

/* The value behind a comparison's operator: a word, a quoted text, a regular expression. */
static const struct filter *parse_value(struct parser *parser, const struct comparison *what)
{
    struct token token =
        what->op == OPERATOR_LIKE ? lexer_pattern(&parser->lexer) : lexer_value(&parser->lexer);
    if (token.type == TOKEN_ERROR)
        return parser_fail(parser, parser->lexer.failed);
    bool takes_list = what->op == OPERATOR_MATCH || what->op == OPERATOR_NE;
    if (token.type == TOKEN_OPEN && takes_list)
        return parse_list(parser, what);
    if (!token_is_value(&token) && token.type != TOKEN_REGEX)
        return parser_fail_at(parser, token.offset, "a value is missing here");
    struct literal literal = literal_of_token(&token);
    return compare_target(parser, what, &literal);
}

const struct filter *parse_comparison(struct parser *parser, const struct token *name,
                                      const struct token *operator_token)
{
    bool is_quoted = name->type == TOKEN_QUOTED;
    if (!is_quoted && lexer_word_is(name->text, "has") && operator_token->op == OPERATOR_MATCH)
        return parse_has(parser);
    struct comparison what = { .op = operator_token->op };
    if (!resolve(parser, name, name->text, &what.target))
        return NULL;
    return in_trace(parser, &what.target, parse_value(parser, &what));
}
