/* value.h -- a typed value as a sender gives it, and a named one.
 *
 * The union mirrors OTLP's AnyValue.  Arrays and key-value lists are trees of
 * the same type, allocated in the batch's arena.
 *
 * Memory:  borrows text from the request body; trees live in the arena.
 * Threads: plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/str.h"

enum value_type {
    VALUE_NULL, /* an AnyValue with nothing set is legal */
    VALUE_STR,
    VALUE_BOOL,
    VALUE_I64,
    VALUE_F64,
    VALUE_BYTES,
    VALUE_ARRAY,
    VALUE_MAP,
};

enum { VALUE_DEPTH_MAX = 64 }; /* nesting accepted from a sender */

struct attr;
struct value {
    enum value_type type;
    uint32_t count; /* of items or attrs */
    union {
        str text; /* VALUE_STR, VALUE_BYTES */
        bool boolean;
        int64_t i64;
        double f64;
        struct value *items; /* VALUE_ARRAY */
        struct attr *attrs;  /* VALUE_MAP */
    };
};

struct attr {
    str key;
    struct value value;
};

static inline struct value value_str(str text)
{
    return (struct value){ .type = VALUE_STR, .text = text };
}
static inline struct value value_i64(int64_t number)
{
    return (struct value){ .type = VALUE_I64, .i64 = number };
}
static inline struct value value_f64(double number)
{
    return (struct value){ .type = VALUE_F64, .f64 = number };
}
static inline struct value value_bool(bool boolean)
{
    return (struct value){ .type = VALUE_BOOL, .boolean = boolean };
}

/* First attribute with that key, or NULL. */
const struct attr *attr_find(const struct attr *attrs, size_t count, str key);
/* Lossless JSON: bytes as base64 text, NaN and infinities as the texts "NaN",
 * "Infinity", "-Infinity", i64 as a number. */
void value_to_json(struct buf *out, const struct value *value);
/* {"k":v,...}; on duplicate keys all are written in order. */
void attrs_to_json(struct buf *out, const struct attr *attrs, size_t count);

/* Conversions that senders rely on: numbers from i64, f64 (whole, in range) or
 * decimal text; booleans from bool or "true"/"false"/"1"/"0".  False: no such reading. */
bool value_as_i64(const struct value *value, int64_t *ret);
bool value_as_f64(const struct value *value, double *ret);
bool value_as_bool(const struct value *value, bool *ret);
