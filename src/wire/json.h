/* json.h -- pull reader for JSON: zero-copy, bounded, strict (RFC 8259).
 *
 * The caller asks for the next token and skips what it does not want; nothing
 * is built.  Texts without escapes are slices of the input; others are decoded
 * into the arena.  Invalid UTF-8 inside a string is accepted here and repaired
 * where a text is kept (OTLP senders do send it); json_check is the strict form.
 *
 * Memory:  borrows the input; escaped texts go to the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/value.h"

enum json_token {
    JSON_END,   /* the document is complete */
    JSON_ERROR, /* see json_error() */
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,    /* text is the key */
    JSON_STRING, /* text */
    JSON_NUMBER, /* text is the number as written */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

/* Deep enough for a value nested 64 levels in OTLP/JSON, which spends four levels on each. */
enum { JSON_DEPTH_MAX = 512 };

struct json {
    const char *start;
    const char *at;
    const char *end;
    struct arena *arena;
    str text;            /* of the current KEY, STRING or NUMBER */
    size_t token_offset; /* where the current token began */
    uint32_t depth;
    uint32_t depth_max;
    uint8_t stack[JSON_DEPTH_MAX / 8 + 1]; /* bit: 1 object, 0 array */
    uint8_t state;
    const char *error;
};

/* Without an arena (NULL) texts keep their escapes as written: for a caller that only
 * skips.  depth_max <= JSON_DEPTH_MAX. */
void json_init(struct json *json, struct arena *arena, str input, uint32_t depth_max);
/* After JSON_END and JSON_ERROR it stays there. */
enum json_token json_next(struct json *json);
/* The token just returned opened a value (or is one): move past all of it. */
MUST_CHECK bool json_skip(struct json *json, enum json_token token);
/* Leave every object and array opened below `depth`: the end token of the one
 * at depth + 1 is the last that is read.  For giving up in the middle of a value. */
MUST_CHECK bool json_unwind(struct json *json, uint32_t depth);
/* As json_skip, and the bytes of the value as written. */
MUST_CHECK bool json_raw(struct json *json, enum json_token token, str *ret_raw);
/* As json_skip, building a value tree in the arena (objects become VALUE_MAP).
 * Whole numbers of 64 bits are VALUE_I64; a number that no double can hold stays
 * the text it was.  Nesting below it is bounded by VALUE_DEPTH_MAX. */
MUST_CHECK bool json_value(struct json *json, enum json_token token, struct value *ret_value);
/* ERR_BAD_INPUT with the offset, or ERR_LIMIT when the arena's budget was spent. */
enum err json_error(const struct json *json, struct diag *reterr_why);
/* The whole text is one valid JSON document in valid UTF-8. */
bool json_check(str text);
