/* trace_int.h -- the parts of `telltale trace`: order of spans, drawing, content.
 *
 * Memory:  the tree borrows the answer's values and lives in the call's arena.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "cli/cli_int.h"

#define TREE_NONE UINT32_MAX
struct tree_node {
    const struct value *span;
    str id;
    uint32_t parent, first_child, last_child, next; /* indexes, or TREE_NONE */
    uint32_t depth;
    int64_t start_ns, latency_ns; /* 0 when unknown */
};
struct tree {
    struct tree_node *nodes; /* in the order of the answer: by start */
    uint32_t count;
    uint32_t first_root;
    int64_t start_ns, end_ns;
};
/* A span whose parent is not there is a root; of spans that are each other's parents one
 * is made a root.  False: the arena's budget is spent. */
MUST_CHECK bool tree_build(struct arena *arena, const struct value *spans, struct tree *ret_tree);
/* Depth first; TREE_NONE after the last. */
uint32_t tree_next(const struct tree *tree, uint32_t at);

bool trace_is_id(str text); /* or the beginning of one */
/* The answer about a trace, with the spans of all its pages.  The exit status: errors are
 * printed, and with --json each page. */
int trace_fetch(struct cli_call *call, str id, struct value *ret_answer);
/* What was thought of it, a line each; nothing when there is none. */
void trace_scores(const struct cli_call *call, struct arena *arena, const struct value *scores,
                  struct buf *out);
void trace_header(const struct cli_call *call, struct arena *arena, const struct value *trace,
                  struct buf *out);
void trace_spans(const struct cli_call *call, struct arena *arena, const struct tree *tree,
                 struct buf *out);
/* Payload of every span that has one; the exit status. */
int trace_content(struct cli_call *call, str trace_id, const struct tree *tree);
