/* held.h -- log records, metric points and scores, which only wait for the next commit.
 *
 * Memory:  owns copies of what it holds, until held_reset.
 * Threads: drain's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/store.h"

struct held_list { /* items of one kind, and the project of each */
    void *items;
    str *projects;
    size_t count, capacity;
};
struct held {
    struct arena arena;
    struct held_list logs, metrics, scores;
};

void held_init(struct held *held);
void held_clear(struct held *held);
/* Those of an encoded batch. */
MUST_CHECK enum err held_add(struct held *held, str bytes);
size_t held_count(const struct held *held);
/* Should they be committed before more are added? */
bool held_is_full(const struct held *held);
/* Scores without a name change one of the same id, which is before them or stored: they become
 * whole.  One whose score is not there is left out; returns how many. */
size_t held_complete_scores(struct held *held, const struct store_ops *ops, struct store *store);
/* A stored score with its attributes, in the arena of *held; false: there is none. */
bool held_stored_score(struct held *held, const struct store_ops *ops, struct store *store,
                       str project, const struct id16 *score_id, struct score *ret_score);
/* One more; texts are borrowed until held_reset. */
void held_add_score(struct held *held, str project, const struct score *score);
/* Into the commit, which borrows them. */
void held_commit(const struct held *held, struct store_commit *commit);
void held_reset(struct held *held);
