/* filter.c -- the parser of the filter language; grammar in docs/filters.md.
 *
 * Recursive descent, one function per rule, bounded in nodes and in depth.  Aliases and
 * lists are expanded here into plain comparisons, so that a store sees nothing but the
 * operations of model/filter.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "query/query_int.h"

enum { ID_PREFIX_HEX_MIN = 4, LIST_ITEMS_MAX = 100 };

struct parser {
    struct lexer lexer;
    struct arena *arena;
    struct diag *why;
    int64_t now_ns;
    uint32_t nodes;
    uint32_t depth;
    enum err failed; /* what every rule returns NULL for */
};

/* One comparison as written, before aliases are expanded. */
struct comparison {
    struct name_target target;
    enum lexer_operator op;
    size_t op_offset;
};

static const struct filter *parse_or(struct parser *parser);

static const struct filter *fail(struct parser *parser, enum err code)
{
    assert(code != ERR_OK);
    parser->failed = code;
    return NULL;
}

static const struct filter *fail_at(struct parser *parser, size_t offset, const char *text)
{
    return fail(parser, diag_set_at(parser->why, ERR_BAD_INPUT, offset, "%s", text));
}

static struct filter *node_new(struct parser *parser, enum filter_op op)
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
    return node;
}

static const struct filter *node_join(struct parser *parser, enum filter_op op,
                                      const struct filter *left, const struct filter *right)
{
    if (!left || (!right && op != FILTER_NOT))
        return NULL;
    struct filter *node = node_new(parser, op);
    if (!node)
        return NULL;
    node->left = left;
    node->right = right;
    return node;
}

static const struct filter *node_leaf(struct parser *parser, enum filter_op op, enum field field,
                                      str attr_key, struct value value)
{
    struct filter *node = node_new(parser, op);
    if (!node)
        return NULL;
    node->field = field;
    node->attr_key = field == FIELD_COUNT ? attr_key : STR_NONE;
    node->value = value;
    return node;
}

static const struct filter *node_exists(struct parser *parser, enum field field, str attr_key)
{
    return node_leaf(parser, FILTER_EXISTS, field, attr_key, (struct value){ .type = VALUE_NULL });
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

static bool is_hex(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return true;
}

/* before + text + after, in lower case when `lower`. */
static str pattern_of(struct parser *parser, const char *before, str text, const char *after,
                      bool lower)
{
    str pattern = arena_printf(parser->arena, "%s%.*s%s", before, STR_ARG(text), after);
    if (str_is_none(pattern)) {
        (void)fail(parser, diag_set(parser->why, ERR_LIMIT, "filter needs too much memory"));
        return pattern;
    }
    char *bytes = arena_alloc(parser->arena, pattern.len + 1);
    if (!bytes) {
        (void)fail(parser, diag_set(parser->why, ERR_LIMIT, "filter needs too much memory"));
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
           is_hex(literal->text);
}

static const struct filter *compare_like(struct parser *parser, enum field field, str attr_key,
                                         const struct literal *literal)
{
    if (!is_text(field) && !is_id(field))
        return fail_at(parser, literal->offset, "patterns are for texts and ids");
    bool has_star = str_find_char(literal->text, '*') < literal->text.len;
    if (is_id(field)) {
        for (size_t i = 0; i < literal->text.len; i++)
            if (literal->text.ptr[i] != '*' && !is_hex(str_sub(literal->text, i, 1)))
                return fail_at(parser, literal->offset, "an id has only hex digits and *");
    }
    str pattern = literal->text;
    if (is_id(field))
        pattern = pattern_of(parser, "", literal->text, has_star ? "" : "*", true);
    return node_leaf(parser, FILTER_LIKE, field, attr_key, value_str(pattern));
}

static const struct filter *compare_match(struct parser *parser, enum field field, str attr_key,
                                          const struct literal *literal)
{
    if (!literal->is_quoted && str_equal_c(literal->text, "*"))
        return node_exists(parser, field, attr_key);
    if (is_pattern(field, literal))
        return compare_like(parser, field, attr_key, literal);
    struct value value = literal_of_attr(literal);
    if (field != FIELD_COUNT) {
        enum err code =
            literal_of_field(parser->arena, field, literal, parser->now_ns, &value, parser->why);
        if (code != ERR_OK)
            return fail(parser, code);
    }
    return node_leaf(parser, FILTER_EQ, field, attr_key, value);
}

/* != is "known, and not equal".  FILTER_NE is not used: two nodes leave no question of what
 * it means for the unknown and for lists. */
static const struct filter *known_but_not(struct parser *parser, enum field field, str attr_key,
                                          const struct filter *match)
{
    const struct filter *other = node_join(parser, FILTER_NOT, match, NULL);
    return node_join(parser, FILTER_AND, node_exists(parser, field, attr_key), other);
}

static const struct filter *compare_order(struct parser *parser, enum filter_op op,
                                          enum field field, str attr_key,
                                          const struct literal *literal)
{
    struct value value;
    bool has_order = literal_number(literal->text, &value);
    if (field != FIELD_COUNT) {
        enum field_type type = field_table[field].type;
        has_order = type == FIELD_TYPE_I64 || type == FIELD_TYPE_F64 || type == FIELD_TYPE_NS ||
                    type == FIELD_TYPE_NANO || type == FIELD_TYPE_TIME;
    }
    if (!has_order)
        return fail_at(parser, literal->offset,
                       "< and > compare numbers, times, durations and money; use : or != here");
    if (field != FIELD_COUNT) {
        enum err code =
            literal_of_field(parser->arena, field, literal, parser->now_ns, &value, parser->why);
        if (code != ERR_OK)
            return fail(parser, code);
    }
    return node_leaf(parser, op, field, attr_key, value);
}

/* One field, one value. */
static const struct filter *compare_field(struct parser *parser, enum lexer_operator op,
                                          enum field field, str attr_key,
                                          const struct literal *literal)
{
    static const enum filter_op order[] = {
        [OPERATOR_LT] = FILTER_LT,
        [OPERATOR_LE] = FILTER_LE,
        [OPERATOR_GT] = FILTER_GT,
        [OPERATOR_GE] = FILTER_GE,
    };
    const struct filter *match;
    switch (op) {
    case OPERATOR_MATCH:
        return compare_match(parser, field, attr_key, literal);
    case OPERATOR_LIKE:
        return compare_like(parser, field, attr_key, literal);
    case OPERATOR_NE:
        match = compare_match(parser, field, attr_key, literal);
        return known_but_not(parser, field, attr_key, match);
    case OPERATOR_LT:
    case OPERATOR_LE:
    case OPERATOR_GT:
    case OPERATOR_GE:
        break;
    }
    return compare_order(parser, order[op], field, attr_key, literal);
}

/* One name (maybe of two fields), one value. */
static const struct filter *compare_target(struct parser *parser, const struct comparison *what,
                                           const struct literal *literal)
{
    const struct name_target *target = &what->target;
    const struct filter *second;
    const struct filter *first =
        compare_field(parser, what->op, target->field, target->attr_key, literal);
    if (!first || target->mode == NAME_SAME)
        return first;
    if (target->mode == NAME_FALLBACK) {
        second = node_exists(parser, target->field, STR_NONE);
        second = node_join(parser, FILTER_NOT, second, NULL);
        second = node_join(parser, FILTER_AND, second,
                           compare_field(parser, what->op, target->other, STR_NONE, literal));
        return node_join(parser, FILTER_OR, first, second);
    }
    if (what->op == OPERATOR_NE) { /* known as one of them and equal to neither */
        first = compare_field(parser, OPERATOR_MATCH, target->field, STR_NONE, literal);
        second = compare_field(parser, OPERATOR_MATCH, target->other, STR_NONE, literal);
        const struct filter *known =
            node_join(parser, FILTER_OR, node_exists(parser, target->field, STR_NONE),
                      node_exists(parser, target->other, STR_NONE));
        first = node_join(parser, FILTER_OR, first, second);
        first = node_join(parser, FILTER_NOT, first, NULL);
        return node_join(parser, FILTER_AND, known, first);
    }
    second = compare_field(parser, what->op, target->other, STR_NONE, literal);
    return node_join(parser, FILTER_OR, first, second);
}

static struct literal literal_of_token(const struct token *token)
{
    return (struct literal){ token->text, token->offset, token->type == TOKEN_QUOTED };
}

static bool is_value_token(const struct token *token)
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
            return fail(parser, parser->lexer.failed);
        if (!is_value_token(&token))
            return fail_at(parser, token.offset, "a list is written (a or b)");
        struct literal literal = literal_of_token(&token);
        items[count] = compare_target(parser, what, &literal);
        if (!items[count++])
            return NULL;
        token = lexer_value(&parser->lexer);
        if (token.type == TOKEN_CLOSE)
            return join_all(parser, what->op == OPERATOR_NE ? FILTER_AND : FILTER_OR, items, count);
        if (token.type == TOKEN_ERROR)
            return fail(parser, parser->lexer.failed);
        bool is_or = token.type == TOKEN_WORD && lexer_word_is(token.text, "or");
        if (token.type != TOKEN_COMMA && !is_or)
            return fail_at(parser, token.offset, "a list is written (a or b)");
    }
    return fail(parser, diag_set_at(parser->why, ERR_LIMIT, parser->lexer.at,
                                    "a list has at most %d values", LIST_ITEMS_MAX));
}

static const struct filter *parse_has(struct parser *parser)
{
    struct token token = lexer_value(&parser->lexer);
    if (token.type == TOKEN_ERROR)
        return fail(parser, parser->lexer.failed);
    if (!is_value_token(&token))
        return fail_at(parser, token.offset, "has: needs the name of a field");
    struct name_target target;
    enum err code =
        name_resolve(token.text, token.type == TOKEN_QUOTED, token.offset, &target, parser->why);
    if (code != ERR_OK)
        return fail(parser, code);
    const struct filter *known = node_exists(parser, target.field, target.attr_key);
    if (target.mode == NAME_SAME)
        return known;
    return node_join(parser, FILTER_OR, known, node_exists(parser, target.other, STR_NONE));
}

static const struct filter *parse_comparison(struct parser *parser, const struct token *name,
                                             const struct token *operator_token)
{
    bool is_quoted = name->type == TOKEN_QUOTED;
    if (!is_quoted && lexer_word_is(name->text, "has") && operator_token->op == OPERATOR_MATCH)
        return parse_has(parser);
    struct comparison what = { .op = operator_token->op, .op_offset = operator_token->offset };
    enum err code = name_resolve(name->text, is_quoted, name->offset, &what.target, parser->why);
    if (code != ERR_OK)
        return fail(parser, code);
    struct token token = lexer_value(&parser->lexer);
    if (token.type == TOKEN_ERROR)
        return fail(parser, parser->lexer.failed);
    bool takes_list = what.op == OPERATOR_MATCH || what.op == OPERATOR_NE;
    if (token.type == TOKEN_OPEN && takes_list)
        return parse_list(parser, &what);
    if (!is_value_token(&token))
        return fail_at(parser, token.offset, "a value is missing here");
    struct literal literal = literal_of_token(&token);
    return compare_target(parser, &what, &literal);
}

/* ---- terms, not, and, or ---- */

/* A word alone: part of the span's name, or the beginning of an id. */
static const struct filter *parse_word(struct parser *parser, const struct token *token)
{
    str text = token->text;
    if (str_is_empty(text))
        return fail_at(parser, token->offset, "an empty text finds nothing");
    str part = pattern_of(parser, "*", text, "*", false);
    str start = pattern_of(parser, "", text, "*", false);
    const struct filter *any =
        node_leaf(parser, FILTER_LIKE, FIELD_name, STR_NONE, value_str(part));
    static const enum field ids[] = { FIELD_request_id, FIELD_source_id };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        any = node_join(parser, FILTER_OR, any,
                        node_leaf(parser, FILTER_LIKE, ids[i], STR_NONE, value_str(start)));
    if (text.len < ID_PREFIX_HEX_MIN || text.len > 32 || !is_hex(text))
        return any;
    str hex = pattern_of(parser, "", text, "*", true);
    return node_join(parser, FILTER_OR, any,
                     node_leaf(parser, FILTER_LIKE, FIELD_trace_id, STR_NONE, value_str(hex)));
}

static const struct filter *parse_group(struct parser *parser)
{
    const struct filter *inner = parse_or(parser);
    if (!inner)
        return NULL;
    struct token token = lexer_term(&parser->lexer);
    if (token.type == TOKEN_ERROR)
        return fail(parser, parser->lexer.failed);
    if (token.type != TOKEN_CLOSE)
        return fail_at(parser, token.offset, "a ) is missing here");
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
        return fail(parser, parser->lexer.failed);
    if (token.type == TOKEN_OPEN)
        return parse_group(parser);
    if (token.type == TOKEN_MINUS)
        return node_join(parser, FILTER_NOT, parse_unary(parser), NULL);
    if (!is_value_token(&token))
        return fail_at(parser, token.offset, "a condition is missing here");
    struct token operator_token = lexer_operator_maybe(&parser->lexer);
    if (operator_token.type == TOKEN_ERROR)
        return fail(parser, parser->lexer.failed);
    if (operator_token.type == TOKEN_OPERATOR)
        return parse_comparison(parser, &token, &operator_token);
    if (is_keyword_not(&token))
        return node_join(parser, FILTER_NOT, parse_unary(parser), NULL);
    if (token.type == TOKEN_WORD &&
        (lexer_word_is(token.text, "and") || lexer_word_is(token.text, "or")))
        return fail_at(parser, token.offset, "a condition is missing before this word");
    return parse_word(parser, &token);
}

static const struct filter *parse_unary(struct parser *parser)
{
    if (parser->depth == QUERY_DEPTH_MAX)
        return fail(parser, diag_set_at(parser->why, ERR_LIMIT, parser->lexer.at,
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

static const struct filter *parse_or(struct parser *parser)
{
    const struct filter *any = parse_and(parser);
    while (any) {
        str word;
        if (lexer_peek(&parser->lexer, &word) != TOKEN_WORD)
            break;
        (void)lexer_term(&parser->lexer); /* parse_and stops at no other word than "or" */
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

enum err query_parse_filter(struct arena *arena, str text, int64_t now_ns,
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
    struct parser parser = { .arena = arena, .why = reterr_why, .now_ns = now_ns };
    lexer_init(&parser.lexer, arena, text, reterr_why);
    const struct filter *filter = parse_or(&parser);
    if (filter) {
        struct token token = lexer_term(&parser.lexer);
        if (token.type == TOKEN_ERROR)
            filter = fail(&parser, parser.lexer.failed);
        else if (token.type != TOKEN_END)
            filter = fail_at(&parser, token.offset, "this ) closes nothing");
    }
    assert((filter == NULL) == (parser.failed != ERR_OK));
    if (!filter)
        return parser.failed;
    *ret_filter = filter;
    return ERR_OK;
}
