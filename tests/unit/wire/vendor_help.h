/* vendor_help.h -- what the tests of the vendors' codecs share: a place to decode to, and looks.
 *
 * Memory:  all of a test is in `arena`, from setup() to teardown().
 * Threads: one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "unit.h"

#include "base/check.h"
#include "wire/otlp.h"

static struct arena arena;
static struct raw_batch batch;
static struct diag why;
static struct otlp_limits limits; /* the usual ones, for a test to change */

static inline int setup(void **state)
{
    (void)state;
    arena_init(&arena, 16 * MIB);
    batch = (struct raw_batch){ 0 };
    why = DIAG_NONE;
    limits = otlp_limits_default;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static inline void assert_text(str text, const char *expected)
{
    if (!str_equal_c(text, expected))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(text), expected);
}

/* An attribute as JSON; "" when it is not there. */
static inline str attr_json(const struct attr *attrs, uint32_t count, const char *key)
{
    const struct attr *attr = attr_find(attrs, count, str_from_c(key));
    struct buf out;
    buf_init(&out, MIB);
    if (attr)
        value_to_json(&out, &attr->value);
    str text = arena_str(&arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

#define ASSERT_ATTR(span, key, json)                                                               \
    assert_text(attr_json((span)->attrs, (span)->attr_count, (key)), (json))

/* Decodes with every budget of memory up to the one that is enough: each before is ERR_LIMIT. */
#define ASSERT_SPENT_BUDGET_IS_A_LIMIT(decode)                                                     \
    do {                                                                                           \
        enum err budget_err = ERR_LIMIT;                                                           \
        for (size_t budget = 64; budget_err; budget += 64) {                                       \
            arena_clear(&arena);                                                                   \
            arena_init(&arena, budget);                                                            \
            budget_err = (decode);                                                                 \
            assert_true(budget_err == ERR_OK || budget_err == ERR_LIMIT);                          \
        }                                                                                          \
    } while (0)
