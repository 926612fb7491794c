/* query_int.h -- what the files of query/ share and nobody else sees.
 *
 * Names (name.c), literals (literal.c) and the scanner (lexer.c) are apart from the
 * parser (filter.c), because plan.c resolves the same names and parses the same units.
 *
 * Memory:  results live in the arena or borrow from the text.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/query.h"

/* ---- name.c: what a name in a filter or in by= means ---- */

enum name_mode { NAME_SAME, NAME_FALLBACK, NAME_EITHER };

struct name_target {
    enum name_mode mode;
    enum field field; /* FIELD_COUNT: the attribute attr_key */
    enum field other; /* of FALLBACK and EITHER */
    str attr_key;
    str score, other_score; /* not STR_NONE: the score of that name instead of a field */
    bool of_trace;          /* the trace's own row is meant */
    size_t offset;          /* of the name */
};

/* A quoted name is always an attribute; a plain one is an alias, a field, or, when it has
 * a dot and its first part is none of our own groups, an attribute.  ERR_BAD_INPUT with
 * the nearest name as the hint. */
MUST_CHECK enum err name_resolve(str name, bool is_quoted, size_t offset,
                                 struct name_target *ret_target, struct diag *reterr_why);
/* The same in a condition: also score.NAME (score."NAME with the quote: never the field of that
 * name) and trace.NAME.  In a trace's own row (in_trace) only its own fields have names.  The
 * error has no offset. */
MUST_CHECK enum err name_resolve_condition(str name, bool is_quoted, bool in_trace,
                                           struct name_target *ret_target, struct diag *reterr_why);
/* All names of fields and aliases, one after another; NULL past the last. */
const char *name_at(size_t index);
/* The candidate nearest to `word`, or NULL when none is near enough to suggest. */
const char *name_nearest(str word, const char *const *candidates, size_t count);
/* How a field is written in filters: its JSON name. */
static inline const char *name_of_field(enum field field)
{
    return field_table[field].json;
}

/* ---- literal.c: a word as a value of a field's type ---- */

struct literal {
    str text;       /* quotes and escapes resolved */
    size_t offset;  /* in the filter, for errors */
    bool is_quoted; /* then * is an ordinary character */
    bool is_regex;  /* text is a regular expression */
};

/* What an attribute may equal: a text, which whole numbers and booleans equal by how they are
 * written, or, unquoted and with a point, a number. */
struct value literal_of_attr(const struct literal *literal);
/* A number for < and >. */
bool literal_number(str text, struct value *ret_value);
/* Value for a field, in the field's own unit; for lists the value of an item. Wildcards
 * are not looked at.  Ids: lower-case hex, whole. */
MUST_CHECK enum err literal_of_field(struct arena *arena, enum field field,
                                     const struct literal *literal, int64_t now_ns,
                                     struct value *ret_value, struct diag *reterr_why);
/* "250ms", "8s", or a plain number of milliseconds; never negative. */
bool literal_duration(str text, int64_t *ret_ns);
/* Decimal dollars with an optional $, exact to nine places. */
bool literal_money(str text, int64_t *ret_nanousd);
/* Whole number with an optional k, M or G. */
bool literal_whole(str text, int64_t *ret_value);

/* ---- lexer.c ---- */

enum token_type {
    TOKEN_END,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_MINUS, /* directly before a term: not */
    TOKEN_WORD,  /* text */
    TOKEN_QUOTED,
    TOKEN_OPERATOR,
    TOKEN_REGEX, /* text without its slashes; with (?i) in front for /.../i */
    TOKEN_ERROR, /* lexer.failed and the diag given to lexer_init are set */
};
enum lexer_operator {
    OPERATOR_MATCH, /* : and = */
    OPERATOR_NE,
    OPERATOR_LT,
    OPERATOR_LE,
    OPERATOR_GT,
    OPERATOR_GE,
    OPERATOR_LIKE, /* ~ */
};
struct token {
    enum token_type type;
    enum lexer_operator op;
    str text;
    size_t offset;
};
struct lexer {
    struct arena *arena;
    str text;
    size_t at;
    struct diag *why;
    enum err failed; /* set with TOKEN_ERROR */
};
void lexer_init(struct lexer *lexer, struct arena *arena, str text, struct diag *reterr_why);
/* At the place of a term (names end at an operator) or of a value (they do not: times and
 * model names have colons). */
struct token lexer_term(struct lexer *lexer);
struct token lexer_value(struct lexer *lexer);
/* As lexer_value; a / begins a regular expression. */
struct token lexer_pattern(struct lexer *lexer);
/* Where in the filter the byte `offset` of a regular expression's text was written. */
size_t lexer_regex_offset(const struct lexer *lexer, const struct literal *literal, size_t offset);
/* Takes the comma that follows, if one does. */
bool lexer_comma_maybe(struct lexer *lexer);
/* Looks at what a term would begin with, taking nothing: TOKEN_END, TOKEN_CLOSE, TOKEN_WORD
 * with the word, or TOKEN_QUOTED for everything else. */
enum token_type lexer_peek(struct lexer *lexer, str *ret_word);
/* The operator that follows, if one does; else TOKEN_END and nothing is taken. */
struct token lexer_operator_maybe(struct lexer *lexer);
bool lexer_word_is(str word, const char *keyword); /* ASCII case ignored */

/* ---- filter_scope.c ---- */
/* "any" of FILTER_ANY, "sum" of FOLD_SUM; all of them by number, NULL past the last. */
const char *filter_scope_name(enum filter_op op);
const char *filter_fold_name(enum filter_fold fold);
const char *filter_call_name(size_t index);

/* ---- plan.c: parameters of a request ---- */

struct asked {
    const struct query_param *params;
    size_t count;
    int64_t now_ns;
};
str asked_for(const struct asked *asked, const char *name); /* STR_NONE: not there */
/* Errors of parsers speak of their own text: say which parameter it was. */
enum err plan_in_param(enum err code, const char *name, struct diag *reterr_why);
MUST_CHECK enum err plan_filter(struct arena *arena, const struct asked *asked,
                                const struct filter **ret_filter, struct diag *reterr_why);
MUST_CHECK enum err plan_range(const struct asked *asked, struct time_range *ret_range,
                               struct diag *reterr_why);
MUST_CHECK enum err plan_limit(const struct asked *asked, uint32_t fallback, uint32_t max,
                               uint32_t *ret_limit, struct diag *reterr_why);
/* One of names[]; the error suggests the nearest. */
MUST_CHECK enum err plan_pick(const char *param, str word, const char *const *names, size_t count,
                              size_t *ret_index, struct diag *reterr_why);

/* ---- aggregate.c ---- */
/* What a view gives where the request does not; NULL: nothing. */
struct aggregate_defaults {
    const char *metrics, *by, *filter;
};
MUST_CHECK enum err plan_groups(struct arena *arena, const struct asked *asked,
                                const struct aggregate_defaults *defaults,
                                struct query_aggregate *ret_plan, struct diag *reterr_why);
MUST_CHECK enum err plan_by(str list, struct store_aggregate *ask, struct diag *reterr_why);
/* One of the groups of `ask`, by its by[]. */
const struct filter *filter_of_groups(struct arena *arena, const struct store_aggregate *ask,
                                      const struct store_group *groups, size_t count);
/* ---- aggregate_json.c ---- */
void query_value_json(struct buf *out, enum query_kind kind, bool is_known, double value);
const struct filter *filter_join(struct arena *arena, enum filter_op op, const struct filter *left,
                                 const struct filter *right);

/* ---- metric.c ---- */
/* The metrics of a comma list into the plan, with their measures. */
MUST_CHECK enum err metrics_plan(struct arena *arena, str list, struct query_aggregate *plan,
                                 struct diag *reterr_why);

/* ---- cursor.c ---- */
/* Bytes (at most 2,000) as hex with a checksum at the end, and back. */
str cursor_seal(struct arena *arena, const void *bytes, size_t len);
MUST_CHECK enum err cursor_open(struct arena *arena, str text, str *ret_bytes,
                                struct diag *reterr_why);
/* Fills the has_after part of *list; sort must be set before. */
MUST_CHECK enum err cursor_read(str text, struct store_list *list, struct diag *reterr_why);
