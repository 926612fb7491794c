/* parser.h -- what the files of the filter language's parser share.
 *
 * Every rule returns NULL after parser_fail(), which keeps the first error.
 *
 * Memory:  nodes live in the parser's arena.
 * Threads: one parser belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/query_int.h"

enum { ID_PREFIX_HEX_MIN = 4 };

struct parser {
    struct lexer lexer;
    struct arena *arena;
    struct diag *why;
    int64_t now_ns;
    uint32_t nodes;
    uint32_t beyond; /* of them, those that look beyond the span */
    uint32_t depth;
    bool of_points;  /* names are those of attributes, but `service` */
    bool in_trace;   /* names are those of a trace's own row */
    enum err failed; /* what every rule returns NULL for */
};

/* What is compared: a field, an attribute, a score, or a number made of many spans. */
struct subject {
    enum field field;
    str attr_key;
    str score;
    enum filter_fold fold;
    const struct filter *inner; /* of a fold: which spans */
    const struct regex *regex;  /* of FILTER_REGEX */
    size_t offset;
};

/* -- filter_compare.c -- */
const struct filter *parser_fail(struct parser *parser, enum err code);
const struct filter *parser_fail_at(struct parser *parser, size_t offset, const char *text);
/* A node of that kind; NULL when the filter is too large. */
struct filter *node_new(struct parser *parser, enum filter_op op, size_t offset);
/* NULL when a side that is needed is. */
const struct filter *node_join(struct parser *parser, enum filter_op op, const struct filter *left,
                               const struct filter *right);
const struct filter *node_leaf(struct parser *parser, enum filter_op op,
                               const struct subject *subject, struct value value);
/* The node, counted when it looks beyond the span: NULL past QUERY_BEYOND_MAX. */
const struct filter *parser_beyond(struct parser *parser, const struct filter *node);
/* A field, an attribute or a score with an operator and a value. */
const struct filter *compare_subject(struct parser *parser, enum lexer_operator op,
                                     const struct subject *subject, const struct literal *literal);
/* Behind a name and an operator. */
const struct filter *parse_comparison(struct parser *parser, const struct token *name,
                                      const struct token *operator_token);
/* before + text + after, in lower case when `lower`. */
str pattern_of(struct parser *parser, const char *before, str text, const char *after, bool lower);
bool text_is_hex(str text);
/* The name `score."with spaces"`: the quoted part is taken.  *ret_name is the whole name. */
MUST_CHECK bool take_score_name(struct parser *parser, const struct token *word, str *ret_name);
bool token_is_value(const struct token *token);
struct literal literal_of_token(const struct token *token);

/* -- filter.c -- */
/* Everything up to the end or to a ) or , that is not taken. */
const struct filter *parse_or(struct parser *parser);

/* -- filter_scope.c -- */
/* any(...), count(...) > 3 and their like, when `word` is followed by a bracket. */
bool is_call(const struct parser *parser, const struct token *word);
const struct filter *parse_call(struct parser *parser, const struct token *word);
