/* tree.h -- a JSON document as a tree, and looking into it: for APIs whose objects are small.
 *
 * What a member says is asked by name; null and an absent member are the same.
 *
 * Memory:  the tree is in the arena, texts borrow from the document where they can.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/native.h"

/* The whole text is one value.  ERR_BAD_INPUT with its place, or "the body is empty"; ERR_LIMIT. */
MUST_CHECK enum err tree_parse(struct arena *arena, str text, struct value *ret_root,
                               struct diag *reterr_why);
/* NULL: not a map, no such member, or null. */
const struct value *tree_get(const struct value *map, const char *name);
/* A text that is not empty, else STR_NONE. */
str tree_text(const struct value *map, const char *name);
/* A text that may be empty, else STR_NONE. */
str tree_text_as_sent(const struct value *map, const char *name);
/* 0 items when it is no array. */
uint32_t tree_items(const struct value *map, const char *name, const struct value **ret_items);
/* RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since 1970, told by their
 * size; numbers also as texts.  False: no such member, or no such time. */
MUST_CHECK bool tree_time(const struct value *map, const char *name, int64_t *ret_ns);
/* `value` as compact JSON text; STR_NONE: no room. */
MUST_CHECK str tree_json(struct arena *arena, const struct value *value);
/* What a buffer holds, kept in the arena; the buffer is cleared.  STR_NONE: no room. */
MUST_CHECK str tree_take(struct arena *arena, struct buf *buf);
