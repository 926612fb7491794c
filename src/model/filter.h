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
    FILTER_EXISTS, /* field or attr is known */
};

struct filter {
    enum filter_op op;
    const struct filter *left;
    const struct filter *right;
    enum field field; /* FIELD_COUNT: the attribute named attr_key */
    str attr_key;
    struct value
        value; /* already in the field's own unit: ns, nano-dollars, bytes of an id as text hex */
};

struct time_range {
    int64_t from_ns; /* inclusive */
    int64_t to_ns;   /* exclusive */
};
