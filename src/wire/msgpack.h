/* msgpack.h -- pull reader for MessagePack: zero-copy, bounded.
 *
 * msgpack_next reads one header or scalar; of an array or a map the caller reads the items that
 * it announces, or skips it whole.  A count larger than the bytes that are left could hold is an
 * error at once, so that no count makes anybody allocate.  Extension types (timestamps too) are
 * bytes.  Invalid UTF-8 inside a text is accepted here and repaired where a text is kept.
 *
 * Memory:  borrows the input; trees of msgpack_value come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/value.h"

enum msgpack_type {
    MSGPACK_END, /* nothing is left */
    MSGPACK_ERROR,
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_UINT, /* 0 and more, however it was written */
    MSGPACK_INT,  /* below 0 */
    MSGPACK_F64,
    MSGPACK_STR,
    MSGPACK_BIN,
    MSGPACK_EXT,
    MSGPACK_ARRAY, /* count items follow */
    MSGPACK_MAP,   /* count keys follow, each with its value */
};

struct msgpack {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *error; /* NULL: none */
};

struct msgpack_item {
    enum msgpack_type type;
    uint32_t count; /* ARRAY, MAP */
    union {
        str text; /* STR, BIN, EXT */
        bool boolean;
        uint64_t u64;
        int64_t i64;
        double f64;
    };
};

void msgpack_init(struct msgpack *msgpack, str input);
/* After MSGPACK_END and MSGPACK_ERROR it stays there. */
enum msgpack_type msgpack_next(struct msgpack *msgpack, struct msgpack_item *ret_item);
/* The item was just read: move past all that is in it.  No recursion. */
MUST_CHECK bool msgpack_skip(struct msgpack *msgpack, const struct msgpack_item *item);
/* As msgpack_skip, building a value.  A key that is no text becomes one (numbers) or is an error;
 * a number past 2^63 is a double.  False: damaged, nested deeper than depth_max, or the arena's
 * budget is spent: msgpack_error says. */
MUST_CHECK bool msgpack_value(struct msgpack *msgpack, struct arena *arena,
                              const struct msgpack_item *item, uint32_t depth_max,
                              struct value *ret_value);
/* ERR_BAD_INPUT with the offset, or ERR_LIMIT when the arena's budget was spent. */
enum err msgpack_error(const struct msgpack *msgpack, struct diag *reterr_why);
