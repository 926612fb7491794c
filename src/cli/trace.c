/* trace.c -- `telltale trace ID`: totals, the tree, and with --content what was said.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "cli/trace_int.h"
#include <stdlib.h>

enum { OUTPUT_BYTES_MAX = 512 * 1024 * 1024, ID_DIGITS_MAX = 32 };

/* ---- the tree ---- */

struct by_id {
    str id;
    uint32_t index;
};

static int compare_ids(const void *a, const void *b)
{
    return str_cmp(((const struct by_id *)a)->id, ((const struct by_id *)b)->id);
}

static void node_fill(struct tree_node *node, const struct value *span)
{
    double ms;
    *node = (struct tree_node){ .span = span,
                                .id = cli_member_str(span, "span_id"),
                                .parent = TREE_NONE,
                                .first_child = TREE_NONE,
                                .last_child = TREE_NONE,
                                .next = TREE_NONE };
    if (!time_parse(cli_member_str(span, "start_time"), &node->start_ns))
        node->start_ns = 0;
    if (cli_member_f64(span, "latency_ms", &ms) && ms > 0 && ms < 1e12)
        node->latency_ns = (int64_t)(ms * (double)NS_PER_MS);
}

static void find_parents(struct tree *tree, const struct by_id *index)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        struct by_id key = { .id = cli_member_str(tree->nodes[i].span, "parent_span_id") };
        const struct by_id *found =
            key.id.ptr ? bsearch(&key, index, tree->count, sizeof *index, compare_ids) : NULL;
        if (found && found->index != i)
            tree->nodes[i].parent = found->index;
    }
}

/* Walk up from every node, marking; to meet a mark of the same walk is a loop. */
static bool break_loops(struct arena *arena, struct tree *tree)
{
    uint32_t *walks = arena_new(arena, uint32_t, tree->count);
    if (!walks)
        return false;
    for (uint32_t i = 0; i < tree->count; i++) {
        uint32_t at = i;
        while (at != TREE_NONE && !walks[at]) {
            walks[at] = i + 1;
            uint32_t *parent = &tree->nodes[at].parent;
            if (*parent != TREE_NONE && walks[*parent] == i + 1)
                *parent = TREE_NONE;
            at = *parent;
        }
    }
    return true;
}

static void link_children(struct tree *tree)
{
    uint32_t last_root = TREE_NONE;
    tree->first_root = TREE_NONE;
    for (uint32_t i = 0; i < tree->count; i++) {
        uint32_t parent = tree->nodes[i].parent;
        uint32_t *first =
            parent == TREE_NONE ? &tree->first_root : &tree->nodes[parent].first_child;
        uint32_t *last = parent == TREE_NONE ? &last_root : &tree->nodes[parent].last_child;
        if (*last == TREE_NONE)
            *first = i;
        else
            tree->nodes[*last].next = i;
        *last = i;
    }
    for (uint32_t at = tree->first_root; at != TREE_NONE; at = tree_next(tree, at)) {
        uint32_t parent = tree->nodes[at].parent;
        tree->nodes[at].depth = parent == TREE_NONE ? 0 : tree->nodes[parent].depth + 1;
    }
}

uint32_t tree_next(const struct tree *tree, uint32_t at)
{
    if (tree->nodes[at].first_child != TREE_NONE)
        return tree->nodes[at].first_child;
    while (at != TREE_NONE && tree->nodes[at].next == TREE_NONE)
        at = tree->nodes[at].parent;
    return at == TREE_NONE ? TREE_NONE : tree->nodes[at].next;
}

bool tree_build(struct arena *arena, const struct value *spans, struct tree *ret_tree)
{
    uint32_t count = spans && spans->type == VALUE_ARRAY ? spans->count : 0;
    struct tree tree = { .count = count, .nodes = arena_new(arena, struct tree_node, count) };
    struct by_id *index = arena_new(arena, struct by_id, count);
    if (!tree.nodes || !index)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        node_fill(&tree.nodes[i], &spans->items[i]);
        const struct tree_node *node = &tree.nodes[i];
        index[i] = (struct by_id){ node->id, i };
        if (!node->start_ns)
            continue;
        tree.start_ns = tree.start_ns ? MIN(tree.start_ns, node->start_ns) : node->start_ns;
        tree.end_ns = MAX(tree.end_ns, node->start_ns + node->latency_ns);
    }
    qsort(index, count, sizeof *index, compare_ids);
    find_parents(&tree, index);
    if (!break_loops(arena, &tree))
        return false;
    link_children(&tree);
    *ret_tree = tree;
    return true;
}

/* ---- the command ---- */

bool trace_is_id(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789abcdefABCDEF", text.ptr[i]))
            return false;
    return text.len > 0 && text.len <= ID_DIGITS_MAX;
}

/* Spans of further pages come into `answer`. */
int trace_fetch(struct cli_call *call, str id, struct value *answer)
{
    struct value page = { .type = VALUE_NULL };
    struct value *spans = NULL;
    str path = arena_printf(&call->arena, "/api/v1/traces/%.*s", STR_ARG(id));
    int status = cli_ask(call, path.ptr, answer);
    str cursor = status ? STR_NONE : cli_member_str(answer, "next_cursor");
    for (uint32_t i = 0; !status && i < answer->count; i++)
        if (str_equal_c(answer->attrs[i].key, "spans"))
            spans = &answer->attrs[i].value;
    while (!status && !str_is_none(cursor) && spans) {
        path = arena_printf(&call->arena, "/api/v1/traces/%.*s?cursor=%.*s", STR_ARG(id),
                            STR_ARG(cursor));
        status = cli_ask(call, path.ptr, &page);
        const struct value *more = status ? NULL : cli_member(&page, "spans");
        uint32_t count = more && more->type == VALUE_ARRAY ? more->count : 0;
        struct value *all = arena_new(&call->arena, struct value, spans->count + count);
        if (!all)
            return cli_fail(ERR_LIMIT, &(struct diag){ .text = "the trace is too large to draw" });
        memcpy(all, spans->items, spans->count * sizeof *all);
        if (count)
            memcpy(all + spans->count, more->items, count * sizeof *all);
        spans->items = all;
        spans->count += count;
        cursor = count ? cli_member_str(&page, "next_cursor") : STR_NONE;
    }
    return status;
}

int cli_trace(struct cli_call *call)
{
    if (!trace_is_id(call->args[0]))
        return cli_misuse(call, "\"%.*s\" is not a trace id: 32 hex digits or the first of them",
                          STR_ARG(str_sub(call->args[0], 0, 60)));
    struct value answer;
    int status = trace_fetch(call, call->args[0], &answer);
    if (status || call->options.json)
        return status;
    struct tree tree;
    struct diag why = DIAG_NONE;
    if (!tree_build(&call->arena, cli_member(&answer, "spans"), &tree))
        return cli_fail(diag_set(&why, ERR_LIMIT, "the trace is too large to draw"), &why);
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    const struct value *trace = cli_member(&answer, "trace");
    trace_header(call, &call->arena, trace, &out);
    trace_scores(call, &call->arena, cli_member(&answer, "scores"), &out);
    trace_spans(call, &call->arena, &tree, &out);
    cli_print(&out);
    buf_clear(&out);
    if (call->options.content)
        status = trace_content(call, cli_member_str(trace, "trace_id"), &tree);
    return status;
}
