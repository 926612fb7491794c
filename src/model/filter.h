/* filter.h -- a parsed filter, and what one asks of a store.
 *
 * query/filter.c makes these trees from text; stores compile them to
 * parameterised SQL (or walk them).  No text of a user is ever part of SQL.
 *
 * Memory:  nodes live in the query's arena.
 * Threads: plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/regex.h"
#include "model/span.h"

enum filter_op {
    FILTER_AND, /* left, right */
    FILTER_OR,
    FILTER_NOT, /* left */
    FILTER_EQ,  /* field or attr with value; texts exactly, lists by "contains" */
    FILTER_NE,
    FILTER_LT,
    FILTER_LE,
    FILTER_GT,
    FILTER_GE,
    FILTER_LIKE,   /* text with * as wildcard */
    FILTER_EXISTS, /* field, attr or score is known */
    FILTER_REGEX,  /* text that has a part which `regex` matches */
    /* Of `left`, asked of other spans of the same trace than the one in question: */
    FILTER_ANY,        /* some span of it */
    FILTER_ROOT,       /* some span of it without a parent */
    FILTER_PARENT,     /* the span's parent */
    FILTER_CHILD,      /* some span whose parent it is */
    FILTER_ANCESTOR,   /* its parent, or its parent's, and so on */
    FILTER_DESCENDANT, /* some child, or child's child, and so on */
    FILTER_TRACE,      /* not of spans: of the trace's own row */
};
/* A comparison with a number made of all spans of the trace that match `left` (NULL: all). */
enum filter_fold {
    FOLD_NONE,
    FOLD_COUNT, /* of the spans */
    FOLD_SUM,   /* of the field or attribute, where known; unknown if no span knows it */
    FOLD_MIN,
    FOLD_MAX,
    FOLD_AVG,
};

struct filter {
    enum filter_op op;
    const struct filter *left;
    const struct filter *right;
    enum field field; /* FIELD_COUNT: the attribute named attr_key */
    str attr_key;
    struct value
        value; /* already in the field's own unit: ns, nano-dollars, bytes of an id as text hex */
    str score; /* not STR_NONE: not a field but the score of that name; see below */
    enum filter_fold fold;
    const struct regex *regex; /* of FILTER_REGEX; value is its text */
    size_t offset;             /* in the filter's text, for errors; no part of the meaning */
};

/* Scores (model/score.h) that are about a span: those that name it; or its response or
 * nothing but its trace or its session.  About a trace: those that name it, or, naming no trace,
 * its session or a span or a response of it.  A score that names a trace is about nothing else.
 * A number or boolean compares with the value, a text with the label; some score must do.
 * In what is bound to a tenant, scores of a session are those that the tenant's keys gave. */

/* Folds leave out spans whose usage repeats another's (rollup) for these. */
bool field_is_counted(enum field field);
/* A score that senders also put on the span itself: then its field, else FIELD_COUNT. */
enum field field_of_score(str name);
/* The first condition that one span alone does not answer, or NULL.  With sent_scores those of
 * field_of_score() count as answered by the span. */
const struct filter *filter_beyond_span(const struct filter *filter, bool sent_scores);

struct time_range {
    int64_t from_ns; /* inclusive */
    int64_t to_ns;   /* exclusive */
};
