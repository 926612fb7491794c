/* assemble.c -- which spans are the same call, what a root hands down, what a trace sums to.
 *
 * Spans are nodes with a parent index.  Candidates are the spans that carry usage
 * or are model calls.  Two candidates are one call when they share a provider
 * response id, or when one is an ancestor of the other with the same model and
 * encloses it in time; groups are kept by union-find.  In a group one span counts:
 * a model call rather than a wrapper, a client rather than a server, then the one
 * nearest the root; it takes the most detailed usage of the group.  A wrapper
 * (agent, workflow, ...) over calls that count is a rollup; without any it counts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/assemble.h"
#include "base/check.h"
#include "base/hash.h"
#include "wire/event_form.h"
#include <math.h>
#include <stdlib.h>

enum { ANCESTORS_MAX = 256, NO_NODE = -1 };

struct node {
    struct span *span;
    int32_t parent; /* index or NO_NODE */
    int32_t group;  /* union-find */
    int32_t depth;
    bool is_call; /* model, embedding, rerank */
    bool has_usage;
    bool has_inner; /* some candidate below belongs to another group */
};

struct tree {
    struct arena *arena;
    struct node *nodes;
    size_t count;
    int32_t *slots; /* open addressing: span id -> node */
    size_t slot_count;
};

static size_t slot_of(const struct tree *tree, const struct id8 *id)
{
    return (size_t)hash_bytes(id->bytes, sizeof id->bytes) & (tree->slot_count - 1);
}

static int32_t tree_find(const struct tree *tree, const struct id8 *id)
{
    for (size_t slot = slot_of(tree, id);; slot = (slot + 1) & (tree->slot_count - 1)) {
        int32_t index = tree->slots[slot];
        if (index == NO_NODE || memcmp(&tree->nodes[index].span->span_id, id, sizeof *id) == 0)
            return index;
    }
}

static bool step_is(const struct span *span, str step)
{
    return SPAN_KNOWS(span, step) && str_equal(span->step, step);
}

static bool span_is_call(const struct span *span)
{
    return step_is(span, STR_OF("model")) || step_is(span, STR_OF("embedding")) ||
           step_is(span, STR_OF("rerank"));
}

/* An estimate is worth less than what anybody reported. */
static bool is_estimated(const struct span *span)
{
    return SPAN_KNOWS(span, usage_source) && str_equal_c(span->usage_source, "estimated");
}

static bool span_has_usage(const struct span *span)
{
    return (SPAN_KNOWS(span, input_tokens) || SPAN_KNOWS(span, output_tokens)) &&
           !is_estimated(span);
}

static int64_t span_end(const struct span *span)
{
    return span->start_time + (SPAN_KNOWS(span, latency_ns) ? span->latency_ns : 0);
}

static bool tree_build(struct tree *tree, struct span **spans)
{
    tree->slot_count = 16;
    while (tree->slot_count < tree->count * 2)
        tree->slot_count *= 2;
    tree->nodes = arena_new(tree->arena, struct node, tree->count);
    tree->slots = arena_new(tree->arena, int32_t, tree->slot_count);
    if (!tree->nodes || !tree->slots)
        return false;
    memset(tree->slots, 0xff, tree->slot_count * sizeof *tree->slots); /* NO_NODE */
    for (size_t i = 0; i < tree->count; i++) {
        tree->nodes[i] = (struct node){ .span = spans[i], .parent = NO_NODE, .group = (int32_t)i };
        tree->nodes[i].is_call = span_is_call(spans[i]);
        tree->nodes[i].has_usage = span_has_usage(spans[i]);
        size_t slot = slot_of(tree, &spans[i]->span_id);
        while (tree->slots[slot] != NO_NODE)
            slot = (slot + 1) & (tree->slot_count - 1);
        tree->slots[slot] = (int32_t)i;
    }
    for (size_t i = 0; i < tree->count; i++)
        if (SPAN_KNOWS(spans[i], parent_span_id))
            tree->nodes[i].parent = tree_find(tree, &spans[i]->parent_span_id);
    return true;
}

/* Distance from the root; a cycle or an absurd depth ends at the limit. */
static void tree_measure(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        int32_t depth = 0;
        for (int32_t at = tree->nodes[i].parent; at != NO_NODE && depth < ANCESTORS_MAX;
             at = tree->nodes[at].parent)
            depth++;
        tree->nodes[i].depth = depth;
    }
}

static int32_t group_of(struct tree *tree, int32_t index)
{
    while (tree->nodes[index].group != index) {
        tree->nodes[index].group = tree->nodes[tree->nodes[index].group].group;
        index = tree->nodes[index].group;
    }
    return index;
}

static void group_join(struct tree *tree, int32_t a, int32_t b)
{
    a = group_of(tree, a);
    b = group_of(tree, b);
    tree->nodes[MAX(a, b)].group = MIN(a, b);
}

static bool is_candidate(const struct node *node)
{
    return node->is_call || node->has_usage;
}

/* "openai/gpt-4o" and "gpt-4o-2024-08-06" name the same model. */
static bool model_names_match(str a, str b)
{
    size_t slash_a = str_find_char(a, '/'), slash_b = str_find_char(b, '/');
    if (slash_a < a.len)
        a = str_from(a, slash_a + 1);
    if (slash_b < b.len)
        b = str_from(b, slash_b + 1);
    str longer = a.len >= b.len ? a : b, shorter = a.len >= b.len ? b : a;
    if (shorter.len == 0 || !str_starts(longer, shorter))
        return false;
    if (longer.len == shorter.len)
        return true;
    char next = longer.ptr[shorter.len];
    char after = longer.len > shorter.len + 1 ? longer.ptr[shorter.len + 1] : '\0';
    return (next == '-' || next == '@' || next == ':') && after >= '0' && after <= '9';
}

static bool same_model(const struct span *a, const struct span *b)
{
    const str names_a[] = { a->request_model, a->generator_model };
    const str names_b[] = { b->request_model, b->generator_model };
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (names_a[i].len && names_b[j].len && model_names_match(names_a[i], names_b[j]))
                return true;
    return false;
}

static bool same_usage(const struct span *a, const struct span *b)
{
    return span_has_usage(a) && span_has_usage(b) && a->input_tokens == b->input_tokens &&
           a->output_tokens == b->output_tokens;
}

static bool encloses(const struct span *outer, const struct span *inner)
{
    return outer->start_time <= inner->start_time + ASSEMBLE_CLOCK_SKEW_NS &&
           span_end(inner) <= span_end(outer) + ASSEMBLE_CLOCK_SKEW_NS;
}

static bool is_same_call(const struct span *outer, const struct span *inner)
{
    return encloses(outer, inner) && (same_model(outer, inner) || same_usage(outer, inner));
}

/* Join candidates with the candidates above them that are the same call. */
static void join_ancestors(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (!tree->nodes[i].is_call)
            continue;
        int32_t at = tree->nodes[i].parent;
        for (int hops = 0; at != NO_NODE && hops < ANCESTORS_MAX; hops++) {
            struct node *outer = &tree->nodes[at];
            if (outer->is_call && !outer->has_inner && at != (int32_t)i &&
                is_same_call(outer->span, tree->nodes[i].span))
                group_join(tree, at, (int32_t)i);
            at = outer->parent;
        }
    }
}

struct by_response {
    str id;
    int32_t index;
};

static int response_order(const void *a, const void *b)
{
    return str_cmp(((const struct by_response *)a)->id, ((const struct by_response *)b)->id);
}

static bool join_responses(struct tree *tree)
{
    struct by_response *found = arena_new(tree->arena, struct by_response, tree->count);
    if (!found)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].is_call && SPAN_KNOWS(tree->nodes[i].span, response_id) &&
            tree->nodes[i].span->response_id.len)
            found[count++] = (struct by_response){ tree->nodes[i].span->response_id, (int32_t)i };
    qsort(found, count, sizeof *found, response_order);
    for (size_t i = 1; i < count; i++)
        if (str_equal(found[i - 1].id, found[i].id))
            group_join(tree, found[i - 1].index, found[i].index);
    return true;
}

static bool is_above(const struct tree *tree, int32_t above, int32_t below)
{
    for (int hops = 0; below != NO_NODE && hops < ANCESTORS_MAX; hops++) {
        if (below == above)
            return true;
        below = tree->nodes[below].parent;
    }
    return false;
}

/* An outer call over two or more distinct inner calls is no call of its own. */
static bool split_outer_calls(struct tree *tree)
{
    int32_t *first_inner = arena_new(tree->arena, int32_t, tree->count);
    if (!first_inner)
        return false;
    memset(first_inner, 0xff, tree->count * sizeof *first_inner);
    for (int32_t i = 0; i < (int32_t)tree->count; i++) {
        if (!tree->nodes[i].is_call)
            continue;
        int32_t at = tree->nodes[i].parent;
        for (int hops = 0; at != NO_NODE && hops < ANCESTORS_MAX; hops++) {
            struct node *outer = &tree->nodes[at];
            int32_t first = first_inner[at];
            if (first == NO_NODE)
                first_inner[at] = i;
            else if (group_of(tree, first) != group_of(tree, i) && !is_above(tree, first, i) &&
                     !is_above(tree, i, first))
                outer->has_inner |= outer->is_call;
            at = outer->parent;
        }
    }
    return true;
}

/* Wrappers that carry usage over calls: whoever has a call below is a rollup. */
static void mark_wrappers(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (!tree->nodes[i].is_call)
            continue;
        int32_t at = tree->nodes[i].parent;
        for (int hops = 0; at != NO_NODE && hops < ANCESTORS_MAX; hops++) {
            if (!tree->nodes[at].is_call)
                tree->nodes[at].has_inner = true;
            at = tree->nodes[at].parent;
        }
    }
}

static bool is_payload(const struct span *span)
{
    return SPAN_KNOWS(span, name) && str_equal_c(span->name, EVENT_TRACE_NAME);
}

/* A trace payload (wire/event_form.h) says what its calls say: it counts where there are none. */
static void mark_payloads(struct tree *tree)
{
    bool has_call = false;
    for (size_t i = 0; i < tree->count; i++)
        has_call |= tree->nodes[i].is_call && !is_payload(tree->nodes[i].span);
    for (size_t i = 0; i < tree->count && has_call; i++)
        tree->nodes[i].has_inner |= is_payload(tree->nodes[i].span);
}

/* An agent inside a workflow, both with usage and no calls below: the inner counts. */
static void mark_outer_wrappers(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *inner = &tree->nodes[i];
        if (inner->is_call || !inner->has_usage || inner->has_inner)
            continue;
        int32_t at = inner->parent;
        for (int hops = 0; at != NO_NODE && hops < ANCESTORS_MAX; hops++) {
            tree->nodes[at].has_inner |= !tree->nodes[at].is_call;
            at = tree->nodes[at].parent;
        }
    }
}

static int known_buckets(const struct span *span)
{
    if (is_estimated(span))
        return 0;
    return SPAN_KNOWS(span, input_tokens) + SPAN_KNOWS(span, output_tokens) +
           SPAN_KNOWS(span, cache_read) + SPAN_KNOWS(span, cache_write) +
           SPAN_KNOWS(span, reasoning) + SPAN_KNOWS(span, audio_in) + SPAN_KNOWS(span, audio_out);
}

static bool is_client(const struct span *span)
{
    return !SPAN_KNOWS(span, kind) || !str_equal(span->kind, STR_OF("server"));
}

/* True when b should count rather than a. */
static bool counts_before(const struct node *a, const struct node *b)
{
    if (a->has_usage != b->has_usage)
        return b->has_usage;
    if (is_client(a->span) != is_client(b->span))
        return is_client(b->span);
    return b->depth < a->depth;
}

#define COPY_FIELD(to, from, field)                                                                \
    do {                                                                                           \
        if (SPAN_KNOWS((from), field))                                                             \
            SPAN_SET((to), field, (from)->field);                                                  \
    } while (0)

/* The counting span takes the more detailed buckets and the cost that goes with them. */
static void take_usage(struct span *to, const struct span *from)
{
    COPY_FIELD(to, from, input_tokens);
    COPY_FIELD(to, from, output_tokens);
    COPY_FIELD(to, from, total_tokens);
    COPY_FIELD(to, from, input_fresh);
    COPY_FIELD(to, from, cache_read);
    COPY_FIELD(to, from, cache_write);
    COPY_FIELD(to, from, cache_write_5m);
    COPY_FIELD(to, from, cache_write_1h);
    COPY_FIELD(to, from, output_text);
    COPY_FIELD(to, from, reasoning);
    COPY_FIELD(to, from, audio_in);
    COPY_FIELD(to, from, audio_out);
    COPY_FIELD(to, from, image);
    COPY_FIELD(to, from, usage_source);
    COPY_FIELD(to, from, cost_nanousd);
    COPY_FIELD(to, from, cost_by_bucket);
    COPY_FIELD(to, from, cost_source);
    COPY_FIELD(to, from, price_id);
    COPY_FIELD(to, from, price_date);
}

/* Per group: choose who counts, mark the others. */
static bool choose_counting(struct tree *tree)
{
    int32_t *chosen = arena_new(tree->arena, int32_t, tree->count);
    int32_t *detailed = arena_new(tree->arena, int32_t, tree->count);
    if (!chosen || !detailed)
        return false;
    memset(chosen, 0xff, tree->count * sizeof *chosen);
    memset(detailed, 0xff, tree->count * sizeof *detailed);
    for (size_t i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        if (!node->is_call || node->has_inner)
            continue;
        int32_t group = group_of(tree, (int32_t)i);
        if (chosen[group] == NO_NODE || counts_before(&tree->nodes[chosen[group]], node))
            chosen[group] = (int32_t)i;
        if (detailed[group] == NO_NODE ||
            known_buckets(node->span) > known_buckets(tree->nodes[detailed[group]].span))
            detailed[group] = (int32_t)i;
    }
    for (size_t i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        int32_t group = group_of(tree, (int32_t)i);
        bool counts =
            node->is_call ? !node->has_inner && chosen[group] == (int32_t)i : !node->has_inner;
        span_forget(node->span, FIELD_rollup);
        if (is_candidate(node) && !counts)
            SPAN_SET(node->span, rollup, true);
        if (node->is_call && counts && detailed[group] != (int32_t)i)
            take_usage(node->span, tree->nodes[detailed[group]].span);
    }
    return true;
}

static int32_t find_root(const struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) /* in order of start */
        if (!SPAN_KNOWS(tree->nodes[i].span, parent_span_id))
            return (int32_t)i;
    return NO_NODE;
}

/* The root's value, else the first span's that has one. */
static str dimension(const struct tree *tree, int32_t root, enum field field)
{
    if (root != NO_NODE && span_knows(tree->nodes[root].span, field))
        return *(const str *)span_field_const(tree->nodes[root].span, field);
    for (size_t i = 0; i < tree->count; i++)
        if (span_knows(tree->nodes[i].span, field))
            return *(const str *)span_field_const(tree->nodes[i].span, field);
    return STR_NONE;
}

static void hand_down(struct tree *tree, enum field field, str value, bool only_calls)
{
    if (str_is_none(value))
        return;
    for (size_t i = 0; i < tree->count; i++) {
        struct span *span = tree->nodes[i].span;
        if (span_knows(span, field) || (only_calls && !tree->nodes[i].is_call))
            continue;
        *(str *)span_field(span, field) = value;
        span_mark(span, field);
    }
}

static void hand_down_all(struct tree *tree, int32_t root, struct trace_row *trace)
{
    struct {
        enum field field;
        str *to;
        bool only_calls;
    } dimensions[] = {
        { FIELD_tenant_id, &trace->tenant_id, false },
        { FIELD_user_id, &trace->user_id, false },
        { FIELD_session_id, &trace->session_id, false },
        { FIELD_feature, &trace->feature, false },
        { FIELD_environment, &trace->environment, false },
        { FIELD_release, &trace->release, false },
        { FIELD_request_id, &trace->request_id, false },
        { FIELD_prompt_version, &trace->prompt_version, true },
        { FIELD_prompt_template_id, &trace->prompt_template_id, true },
    };
    for (size_t i = 0; i < COUNT_OF(dimensions); i++) {
        *dimensions[i].to = dimension(tree, root, dimensions[i].field);
        hand_down(tree, dimensions[i].field, *dimensions[i].to, dimensions[i].only_calls);
    }
    trace->endpoint = dimension(tree, root, FIELD_endpoint);
}

static str field_or_none(const struct span *span, enum field field)
{
    return span_knows(span, field) ? *(const str *)span_field_const(span, field) : STR_NONE;
}

/* Of the last answering call: the one that counts and ends last. */
static void take_answer(struct trace_row *trace, const struct span *span)
{
    trace->provider = field_or_none(span, FIELD_provider);
    trace->generator_model = field_or_none(span, FIELD_generator_model);
    trace->prompt_version = field_or_none(span, FIELD_prompt_version);
    trace->prompt_template_id = field_or_none(span, FIELD_prompt_template_id);
    trace->prompt_hash = field_or_none(span, FIELD_prompt_hash);
    trace->ttft_ns = SPAN_KNOWS(span, ttft_ns) ? span->ttft_ns : -1;
}

static void take_retrieval(struct trace_row *trace, const struct span *span)
{
    if (SPAN_KNOWS(span, retriever))
        trace->retriever = span->retriever;
    if (SPAN_KNOWS(span, index_version))
        trace->index_version = span->index_version;
    if (SPAN_KNOWS(span, top_k_returned))
        trace->top_k_returned = span->top_k_returned;
    if (SPAN_KNOWS(span, source_ids))
        trace->source_ids = span->source_ids;
}

void assemble_add_usage(struct trace_row *trace, const struct span *span)
{
    if (SPAN_KNOWS(span, rollup) && span->rollup)
        return;
    if (SPAN_KNOWS(span, input_tokens)) {
        trace->has_input = true;
        trace->input_tokens += span->input_tokens;
    }
    if (SPAN_KNOWS(span, output_tokens)) {
        trace->has_output = true;
        trace->output_tokens += span->output_tokens;
    }
    if (SPAN_KNOWS(span, cost_nanousd)) {
        trace->has_cost = true;
        trace->cost_nanousd += span->cost_nanousd;
    } else if (SPAN_KNOWS(span, cost_source) && str_equal_c(span->cost_source, "unknown")) {
        trace->unpriced_count++;
    }
}

static int flag_of(int before, const struct span *span, enum field field)
{
    if (!span_knows(span, field))
        return before;
    bool value = *(const bool *)span_field_const(span, field);
    return before == 1 ? 1 : value;
}

static void add_span(struct trace_row *trace, const struct node *node)
{
    const struct span *span = node->span;
    trace->start_ns = MIN(trace->start_ns, span->start_time);
    trace->end_ns = MAX(trace->end_ns, span_end(span));
    trace->error_count += SPAN_KNOWS(span, status) && str_equal_c(span->status, "error");
    trace->tool_call_count += step_is(span, STR_OF("tool"));
    bool counts = !(SPAN_KNOWS(span, rollup) && span->rollup);
    trace->model_call_count += counts && step_is(span, STR_OF("model"));
    if (SPAN_KNOWS(span, retry_count) && span->retry_count > 0 && span->retry_count < INT32_MAX)
        trace->retry_count += (uint32_t)span->retry_count;
    trace->safety_blocked = flag_of(trace->safety_blocked, span, FIELD_safety_blocked);
    trace->eval_sampled = flag_of(trace->eval_sampled, span, FIELD_eval_sampled);
    if (SPAN_KNOWS(span, faithfulness))
        trace->faithfulness = span->faithfulness;
    assemble_add_usage(trace, span);
    take_retrieval(trace, span);
}

static void take_root(struct trace_row *trace, const struct span *span, bool is_root)
{
    if (is_root)
        trace->root_span_id = span->span_id;
    trace->root_name = field_or_none(span, FIELD_name);
    trace->root_step = field_or_none(span, FIELD_step);
    trace->service = field_or_none(span, FIELD_service);
    trace->status = field_or_none(span, FIELD_status);
}

static void summarise(struct tree *tree, int32_t root, struct trace_row *trace)
{
    const struct span *answer = NULL;
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        add_span(trace, node);
        bool answers = step_is(node->span, STR_OF("model")) &&
                       !(SPAN_KNOWS(node->span, rollup) && node->span->rollup);
        if (answers && (!answer || span_end(node->span) >= span_end(answer)))
            answer = node->span;
    }
    take_root(trace, tree->nodes[root == NO_NODE ? 0 : root].span, root != NO_NODE);
    if (answer)
        take_answer(trace, answer);
}

/* Usage found only on an agent or workflow counts there, and it is said (DECISIONS 8). */
static bool flag_wrappers(struct tree *tree)
{
    bool whole = true;
    for (size_t i = 0; i < tree->count && whole; i++) {
        const struct node *node = &tree->nodes[i];
        struct span *span = node->span;
        bool counts = !(SPAN_KNOWS(span, rollup) && span->rollup);
        bool is_wrapper = step_is(span, STR_OF("agent")) || step_is(span, STR_OF("workflow"));
        if (node->has_usage && counts && is_wrapper)
            whole = span_add_flag(span, tree->arena, STR_OF("usage_of_wrapper"));
    }
    return whole;
}

enum err assemble_trace(struct arena *arena, struct span **spans, size_t count,
                        struct trace_row *ret_trace)
{
    assert(count > 0 && count < INT32_MAX);
    struct tree tree = { .arena = arena, .count = count };
    if (!tree_build(&tree, spans))
        return ERR_LIMIT;
    tree_measure(&tree);
    if (!join_responses(&tree) || !split_outer_calls(&tree))
        return ERR_LIMIT;
    join_ancestors(&tree);
    mark_wrappers(&tree);
    mark_outer_wrappers(&tree);
    mark_payloads(&tree);
    if (!choose_counting(&tree))
        return ERR_LIMIT;
    struct trace_row trace = {
        .trace_id = spans[0]->trace_id,
        .project = spans[0]->project,
        .start_ns = INT64_MAX,
        .end_ns = INT64_MIN,
        .span_count = (uint32_t)count,
        .ttft_ns = -1,
        .top_k_returned = -1,
        .safety_blocked = -1,
        .eval_sampled = -1,
        .faithfulness = (double)NAN,
        .settled = true,
    };
    if (!flag_wrappers(&tree))
        return ERR_LIMIT;
    int32_t root = find_root(&tree);
    hand_down_all(&tree, root, &trace);
    summarise(&tree, root, &trace);
    *ret_trace = trace;
    return ERR_OK;
}
