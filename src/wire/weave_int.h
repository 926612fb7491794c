/* weave_int.h -- what the files of the Weave codec share.
 *
 * Memory:  as in weave.h.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/tree.h"
#include "wire/weave.h"

/* One decoding. */
struct weave {
    struct arena *arena;
    const struct otlp_limits *limits;
    int64_t now_ns;
    struct raw_batch *batch;
    struct native_batch items;
    const struct raw_scope *scope;
    struct buf reply;
    bool is_spent; /* the arena's budget is */
};

/* "weave:///<entity>/<project>/<kind>/<name>:<digest>" to <name>; another text is itself. */
str weave_ref_name(str ref);
/* A tree as the text of its JSON. */
struct value weave_json(struct weave *weave, const struct value *value);
uint64_t weave_time(const struct value *map, const char *key);

/* A call or a part of one; false: left out, *ret_why says why. */
bool weave_span(struct weave *weave, const struct value *call, const char **ret_why);
/* A feedback; its answer is written to weave->reply. */
bool weave_score(struct weave *weave, const struct value *feedback, const char **ret_why);
