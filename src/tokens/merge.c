/* merge.c -- a piece into tokens: the pair with the lowest rank is joined, again and again.
 *
 * Of pairs with the same rank the leftmost goes first.  Nearly every piece is a word that is
 * a token, or a few bytes: those are searched for the lowest pair each time.  A run of letters
 * or of symbols may be long, and then that would be quadratic: past SHORT_MAX bytes the pairs
 * wait in a heap.  A pair in the heap that has changed since is recognised by its rank.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "tokens/tokens_int.h"

enum { SHORT_MAX = 96, NO_NODE = -1 };

struct merge_node {
    uint32_t start, end;
    int32_t next, prev;
    uint32_t pair; /* rank of this and the next, or NO_RANK */
};

static uint32_t pair_rank(const struct vocabulary *vocabulary, str piece, size_t start, size_t end)
{
    return rank_of(vocabulary, piece.ptr + start, end - start);
}

static size_t merge_short(const struct vocabulary *vocabulary, str piece, uint32_t *ret_ranks,
                          size_t max)
{
    uint32_t starts[SHORT_MAX + 1], pairs[SHORT_MAX];
    size_t count = piece.len;
    for (size_t i = 0; i <= count; i++)
        starts[i] = (uint32_t)i;
    for (size_t i = 0; i + 1 < count; i++)
        pairs[i] = pair_rank(vocabulary, piece, i, i + 2);
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            best = pairs[i] < pairs[best] ? i : best;
        if (pairs[best] == NO_RANK)
            break;
        for (size_t i = best + 1; i < count; i++)
            starts[i] = starts[i + 1];
        for (size_t i = best + 1; i + 2 < count; i++)
            pairs[i] = pairs[i + 1];
        count--;
        if (best + 1 < count)
            pairs[best] = pair_rank(vocabulary, piece, starts[best], starts[best + 2]);
        if (best > 0)
            pairs[best - 1] = pair_rank(vocabulary, piece, starts[best - 1], starts[best + 1]);
    }
    for (size_t i = 0; i < count && i < max; i++)
        ret_ranks[i] = pair_rank(vocabulary, piece, starts[i], starts[i + 1]);
    return count;
}

/* ---- long pieces ---- */

struct heap {
    uint64_t *items; /* rank in the upper half, node in the lower */
    size_t count;
};

static void heap_add(struct heap *heap, uint32_t rank, int32_t node)
{
    if (rank == NO_RANK)
        return;
    uint64_t item = (uint64_t)rank << 32 | (uint32_t)node;
    size_t index = heap->count++;
    for (; index > 0 && heap->items[(index - 1) / 2] > item; index = (index - 1) / 2)
        heap->items[index] = heap->items[(index - 1) / 2];
    heap->items[index] = item;
}

static uint64_t heap_take(struct heap *heap)
{
    uint64_t least = heap->items[0], item = heap->items[--heap->count];
    size_t index = 0;
    for (size_t child; (child = 2 * index + 1) < heap->count; index = child) {
        if (child + 1 < heap->count && heap->items[child + 1] < heap->items[child])
            child++;
        if (heap->items[child] >= item)
            break;
        heap->items[index] = heap->items[child];
    }
    heap->items[index] = item;
    return least;
}

static void pair_update(struct heap *heap, const struct vocabulary *vocabulary, str piece,
                        struct merge_node *nodes, int32_t index)
{
    struct merge_node *node = &nodes[index];
    node->pair = node->next == NO_NODE
                     ? NO_RANK
                     : pair_rank(vocabulary, piece, node->start, nodes[node->next].end);
    heap_add(heap, node->pair, index);
}

/* Each joining adds two pairs at most, so that 3 x TOKENS_PIECE_MAX are enough. */
static void merge_room(struct tokens *tokens)
{
    if (tokens->nodes)
        return;
    tokens->nodes = xcalloc(TOKENS_PIECE_MAX, sizeof *tokens->nodes);
    tokens->heap = xcalloc(3 * (size_t)TOKENS_PIECE_MAX, sizeof *tokens->heap);
}

static size_t merge_long(struct tokens *tokens, const struct vocabulary *vocabulary, str piece,
                         uint32_t *ret_ranks, size_t max)
{
    assert(piece.len <= TOKENS_PIECE_MAX);
    merge_room(tokens);
    struct merge_node *nodes = tokens->nodes;
    struct heap heap = { tokens->heap, 0 };
    size_t count = piece.len;
    for (size_t i = 0; i < count; i++)
        nodes[i] = (struct merge_node){ (uint32_t)i, (uint32_t)i + 1,
                                        i + 1 < count ? (int32_t)i + 1 : NO_NODE, (int32_t)i - 1,
                                        NO_RANK };
    for (size_t i = 0; i + 1 < count; i++)
        pair_update(&heap, vocabulary, piece, nodes, (int32_t)i);
    while (heap.count) {
        uint64_t item = heap_take(&heap);
        int32_t index = (int32_t)(item & UINT32_MAX);
        struct merge_node *node = &nodes[index];
        if (node->pair != (uint32_t)(item >> 32)) /* has changed, or is no more */
            continue;
        struct merge_node *gone = &nodes[node->next];
        node->end = gone->end;
        node->next = gone->next;
        gone->pair = NO_RANK;
        if (node->next != NO_NODE)
            nodes[node->next].prev = index;
        pair_update(&heap, vocabulary, piece, nodes, index);
        if (node->prev != NO_NODE)
            pair_update(&heap, vocabulary, piece, nodes, node->prev);
    }
    size_t made = 0;
    for (int32_t i = 0; i != NO_NODE; i = nodes[i].next, made++)
        if (made < max)
            ret_ranks[made] = pair_rank(vocabulary, piece, nodes[i].start, nodes[i].end);
    return made;
}

size_t merge_piece(struct tokens *tokens, const struct vocabulary *vocabulary, str piece,
                   uint32_t *ret_ranks, size_t max)
{
    uint32_t rank = rank_of(vocabulary, piece.ptr, piece.len);
    if (rank != NO_RANK) {
        if (max)
            ret_ranks[0] = rank;
        return 1;
    }
    return piece.len <= SHORT_MAX ? merge_short(vocabulary, piece, ret_ranks, max)
                                  : merge_long(tokens, vocabulary, piece, ret_ranks, max);
}
