/* diff_spans.c -- see diff_int.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/diff_int.h"
#include "cli/span_form.h"

const char *const diff_group_names[DIFF_GROUP_COUNT] = {
    "shape",  "prompt", "parameters", "versions", "retrieval",
    "output", "timing", "cost",       "context",  "attributes",
};

static const struct {
    enum diff_group group;
    const char *path;
} fields[] = {
#define SAME(group, path) { DIFF_##group, path },
#include "cli/diff.def"
#undef SAME
};

struct pair {
    uint32_t a, b; /* TREE_NONE: the trace itself */
};

struct diff {
    struct arena *arena;
    struct tree a, b;
    struct pair *pairs; /* found and not yet compared, in order */
    size_t pair_count;
    uint32_t *partner; /* by node of b: of a, or TREE_NONE */
    uint32_t ignored;
    struct differences *found;
    bool is_spent;
};

static void add(struct diff *diff, struct difference difference)
{
    struct differences *found = diff->found;
    if (diff->ignored >> difference.group & 1)
        return;
    if (found->count == found->capacity) {
        size_t capacity = MAX(found->capacity * 2, (size_t)64);
        struct difference *items = arena_new(diff->arena, struct difference, capacity);
        diff->is_spent = diff->is_spent || !items;
        if (!items)
            return;
        if (found->count)
            memcpy(items, found->items, found->count * sizeof *items);
        found->items = items;
        found->capacity = capacity;
    }
    found->items[found->count++] = difference;
}

/* ---- values ---- */

static bool is_equal(const struct value *a, const struct value *b);

static bool is_equal_list(const struct value *a, const struct value *b)
{
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++)
        equal = is_equal(&a->items[i], &b->items[i]);
    return equal;
}

static bool is_equal_map(const struct value *a, const struct value *b)
{
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++) {
        const struct attr *other = attr_find(b->attrs, b->count, a->attrs[i].key);
        equal = other && is_equal(&a->attrs[i].value, &other->value);
    }
    return equal;
}

static bool is_equal(const struct value *a, const struct value *b)
{
    double left, right;
    bool is_number = a->type == VALUE_I64 || a->type == VALUE_F64;
    if (is_number && (b->type == VALUE_I64 || b->type == VALUE_F64))
        return value_as_f64(a, &left) && value_as_f64(b, &right) && !(left < right) &&
               !(left > right);
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case VALUE_STR:
    case VALUE_BYTES:
        return str_equal(a->text, b->text);
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_ARRAY:
        return is_equal_list(a, b);
    case VALUE_MAP:
        return is_equal_map(a, b);
    case VALUE_NULL:
    case VALUE_I64:
    case VALUE_F64:
        break;
    }
    return true;
}

static bool is_same(const struct value *a, const struct value *b)
{
    return a && b ? is_equal(a, b) : a == b;
}

/* ---- a pair ---- */

static const struct value *offset_of(struct diff *diff, const struct tree *tree,
                                     const struct tree_node *node)
{
    struct value *value = node->start_ns ? arena_new(diff->arena, struct value, 1) : NULL;
    if (value)
        *value = value_f64((double)(node->start_ns - tree->start_ns) / (double)NS_PER_MS);
    return value;
}

static void compare_attributes(struct diff *diff, const struct value *a, const struct value *b)
{
    const struct value *left = cli_member(a, "attributes"), *right = cli_member(b, "attributes");
    static const struct value none = { .type = VALUE_MAP };
    left = left && left->type == VALUE_MAP ? left : &none;
    right = right && right->type == VALUE_MAP ? right : &none;
    for (uint32_t i = 0; i < left->count; i++) {
        const struct attr *other = attr_find(right->attrs, right->count, left->attrs[i].key);
        const struct value *value = other ? &other->value : NULL;
        if (!is_same(&left->attrs[i].value, value))
            add(diff, (struct difference){ DIFF_ATTRIBUTES, a, b, left->attrs[i].key,
                                           &left->attrs[i].value, value });
    }
    for (uint32_t i = 0; i < right->count; i++)
        if (!attr_find(left->attrs, left->count, right->attrs[i].key))
            add(diff, (struct difference){ DIFF_ATTRIBUTES, a, b, right->attrs[i].key, NULL,
                                           &right->attrs[i].value });
}

static void compare(struct diff *diff, const struct tree_node *a, const struct tree_node *b)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const struct value *left = span_at(a->span, fields[i].path);
        const struct value *right = span_at(b->span, fields[i].path);
        if (!is_same(left, right))
            add(diff, (struct difference){ fields[i].group, a->span, b->span,
                                           str_from_c(fields[i].path), left, right });
    }
    const struct value *left = offset_of(diff, &diff->a, a), *right = offset_of(diff, &diff->b, b);
    if (!is_same(left, right))
        add(diff, (struct difference){ DIFF_TIMING, a->span, b->span, STR_OF("start_offset_ms"),
                                       left, right });
    compare_attributes(diff, a->span, b->span);
}

/* ---- pairs ---- */

static uint32_t first_child(const struct tree *tree, uint32_t at)
{
    return at == TREE_NONE ? tree->first_root : tree->nodes[at].first_child;
}

static bool is_alike(const struct value *a, const struct value *b, bool by_name)
{
    return str_equal(cli_member_str(a, "step"), cli_member_str(b, "step")) &&
           (!by_name || str_equal(cli_member_str(a, "name"), cli_member_str(b, "name")));
}

/* Children of a that have no partner yet take the first of b's that is alike and free. */
static void match(struct diff *diff, struct pair parents, bool by_name, bool *is_taken)
{
    uint32_t free_from = first_child(&diff->b, parents.b);
    for (uint32_t a = first_child(&diff->a, parents.a); a != TREE_NONE; a = diff->a.nodes[a].next) {
        while (free_from != TREE_NONE && diff->partner[free_from] != TREE_NONE)
            free_from = diff->b.nodes[free_from].next;
        uint32_t b = is_taken[a] ? TREE_NONE : free_from;
        while (b != TREE_NONE && (diff->partner[b] != TREE_NONE ||
                                  !is_alike(diff->a.nodes[a].span, diff->b.nodes[b].span, by_name)))
            b = diff->b.nodes[b].next;
        if (b == TREE_NONE)
            continue;
        diff->partner[b] = a;
        is_taken[a] = true;
        diff->pairs[diff->pair_count++] = (struct pair){ a, b };
    }
}

static void add_alone(struct diff *diff, struct pair parents, const bool *is_taken)
{
    for (uint32_t a = first_child(&diff->a, parents.a); a != TREE_NONE; a = diff->a.nodes[a].next)
        if (!is_taken[a])
            add(diff, (struct difference){ DIFF_SHAPE, diff->a.nodes[a].span, NULL, STR_OF(""),
                                           NULL, NULL });
    for (uint32_t b = first_child(&diff->b, parents.b); b != TREE_NONE; b = diff->b.nodes[b].next)
        if (diff->partner[b] == TREE_NONE)
            add(diff, (struct difference){ DIFF_SHAPE, NULL, diff->b.nodes[b].span, STR_OF(""),
                                           NULL, NULL });
}

bool diff_spans(struct arena *arena, const struct value *a, const struct value *b, uint32_t ignored,
                struct differences *ret)
{
    struct diff diff = { .arena = arena, .ignored = ignored, .found = ret };
    *ret = (struct differences){ 0 };
    if (!tree_build(arena, a, &diff.a) || !tree_build(arena, b, &diff.b))
        return false;
    bool *is_taken = arena_new(arena, bool, diff.a.count);
    diff.pairs = arena_new(arena, struct pair, (size_t)diff.a.count + 1);
    diff.partner = arena_new(arena, uint32_t, diff.b.count);
    if (!is_taken || !diff.pairs || !diff.partner)
        return false;
    for (uint32_t i = 0; i < diff.b.count; i++)
        diff.partner[i] = TREE_NONE;
    diff.pairs[diff.pair_count++] = (struct pair){ TREE_NONE, TREE_NONE };
    for (size_t i = 0; i < diff.pair_count && !diff.is_spent; i++) {
        struct pair pair = diff.pairs[i];
        if (pair.a != TREE_NONE)
            compare(&diff, &diff.a.nodes[pair.a], &diff.b.nodes[pair.b]);
        match(&diff, pair, true, is_taken);
        match(&diff, pair, false, is_taken);
        add_alone(&diff, pair, is_taken);
    }
    return !diff.is_spent;
}
