/* native_item.h -- one JSON object of a vendor's API, member by member, to attributes.
 *
 * The caller walks the object with item->json and says what each member is; what cannot be read
 * is told in item->fault, so that the object is left out alone.
 *
 * Memory:  texts borrow from the body; keys and arrays come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/json.h"
#include "wire/native.h"

/* Why an object is not taken. */
struct native_fault {
    bool is_spent; /* the arena's budget is: no other object can be taken either */
    char why[128];
};

struct native_item {
    struct arena *arena;
    struct native_fault *fault;
    uint32_t attrs_max; /* what is over is counted in dropped_count */
    struct json json;
    struct native_attrs attrs;
    uint32_t dropped_count;
};

/* False, always; the first reason stays: "member what". */
bool native_refuse(struct native_fault *fault, str member, const char *what);
/* "cannot be read", or no memory: whatever item->json says.  False, always. */
bool native_unreadable(struct native_item *item, str member);
MUST_CHECK bool native_add(struct native_item *item, str key, struct value value);
/* prefix.name; STR_NONE: no memory. */
str native_joined(struct native_item *item, str prefix, str name);

/* The value at `token`, where item->json stands, as an attribute: a text as it is, numbers and
 * truths as such, the rest as JSON; null and "" are not said. */
MUST_CHECK bool native_add_read(struct native_item *item, str key, enum json_token token);
/* Of an object each member for itself, as prefix.member; of anything else as above. */
MUST_CHECK bool native_add_members(struct native_item *item, str prefix, enum json_token token);
/* A list of texts as it is. */
MUST_CHECK bool native_add_list(struct native_item *item, str key, enum json_token token);
/* A text, or null, which leaves *ret as it is. */
MUST_CHECK bool native_text(struct native_item *item, str key, enum json_token token, str *ret);
/* A time of ISO 8601 after 1970, or null, likewise. */
MUST_CHECK bool native_time(struct native_item *item, str key, enum json_token token,
                            uint64_t *ret_ns);
