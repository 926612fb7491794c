/* langsmith_int.h -- what the files of the LangSmith codec share.
 *
 * A run is first only its members and their JSON as written (the large ones may come as parts of
 * their own); then each member is read for itself: one that is too deep or odd stays a text.
 *
 * Memory:  texts borrow from the body; arrays come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/json.h"
#include "wire/langsmith.h"

struct langsmith_run {
    bool is_patch;
    str id;
    struct native_attrs members;     /* key -> VALUE_STR, the JSON as written */
    struct native_attrs attachments; /* name -> VALUE_MAP {mime_type, bytes} */
};

/* One decoding. */
struct langsmith {
    struct arena *arena;
    const struct otlp_limits *limits;
    struct raw_batch *batch;
    struct native_batch items;
    const struct raw_scope *scope;
    bool is_spent; /* the arena's budget is */
};

/* Members of a JSON object, added to *members; false: it is none. */
bool langsmith_members(struct langsmith *langsmith, str object, struct native_attrs *members);
/* The JSON of a member; STR_NONE when it is not there or null. */
str langsmith_member(const struct native_attrs *members, const char *key);
/* A member that is a text (or a number as written); STR_NONE when not. */
str langsmith_text(struct langsmith *langsmith, const struct native_attrs *members,
                   const char *key);
/* A member as a tree; VALUE_NULL when not there. One that is too deep is its JSON as a text. */
struct value langsmith_value(struct langsmith *langsmith, str json);
/* ISO 8601, without a zone UTC, or a number since 1970 told by its size; 0: none. */
uint64_t langsmith_time(struct langsmith *langsmith, str json);

/* False: left out, *ret_why says why. */
bool langsmith_span(struct langsmith *langsmith, const struct langsmith_run *run,
                    const char **ret_why);
/* `patched`: the id of a feedback that it changes; STR_NONE: it is a whole one. */
bool langsmith_score(struct langsmith *langsmith, str object, str patched, const char **ret_why);
/* What only the body of an answer says: usage, model, id, end. */
void langsmith_answer(struct langsmith *langsmith, str outputs, struct native_attrs *attrs);
