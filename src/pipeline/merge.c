/* merge.c -- versions of one span into one.
 *
 * Create and update pairs, pending spans that are sent again when they end, log
 * events with the messages of a span, retries after a lost answer: all arrive as
 * records with the same key.  Merging is per field, so that a late addition never
 * wipes what was known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "pipeline/assemble.h"
#include <stdlib.h>

static const size_t type_sizes[] = {
    [FIELD_TYPE_ID16] = 16,
    [FIELD_TYPE_ID8] = 8,
    [FIELD_TYPE_STR] = sizeof(str),
    [FIELD_TYPE_I64] = 8,
    [FIELD_TYPE_F64] = 8,
    [FIELD_TYPE_BOOL] = sizeof(bool),
    [FIELD_TYPE_TIME] = 8,
    [FIELD_TYPE_NS] = 8,
    [FIELD_TYPE_NANO] = 8,
    [FIELD_TYPE_STRS] = sizeof(struct strs),
    [FIELD_TYPE_F64S] = sizeof(struct f64s),
    [FIELD_TYPE_JSON] = sizeof(str),
};

/* A field in which an addition may not overrule a whole span. */
static bool is_envelope(enum field field)
{
    return field == FIELD_name || field == FIELD_kind || field == FIELD_start_time ||
           field == FIELD_latency_ns || field == FIELD_status || field == FIELD_step ||
           field == FIELD_received_time || field == FIELD_parent_span_id ||
           field == FIELD_operation || field == FIELD_dialect;
}

static void merge_fields(struct span *into, const struct span *from)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        enum field field = (enum field)i;
        if (!span_knows(from, field))
            continue;
        bool is_held = from->is_addition && !into->is_addition && is_envelope(field);
        bool is_silence = field == FIELD_usage_source && str_equal_c(from->usage_source, "unknown");
        if ((is_held || is_silence) && span_knows(into, field))
            continue;
        memcpy(span_field(into, field), span_field_const(from, field),
               type_sizes[field_table[i].type]);
        span_mark(into, field);
    }
}

/* "[a]" and "[b]" to "[a,b]"; anything else: the second. */
static str join_arrays(struct arena *arena, str a, str b)
{
    bool are_arrays = a.len >= 2 && b.len >= 2 && a.ptr[0] == '[' && b.ptr[0] == '[';
    if (!are_arrays || a.len == 2)
        return b;
    if (b.len == 2)
        return a;
    char *joined = arena_alloc(arena, a.len + b.len - 1);
    if (!joined)
        return b;
    memcpy(joined, a.ptr, a.len - 1);
    joined[a.len - 1] = ',';
    memcpy(joined + a.len, b.ptr + 1, b.len - 1);
    return str_make(joined, a.len + b.len - 1);
}

static struct content_part *part_of(struct span *span, enum content_role role)
{
    for (uint32_t i = 0; i < span->part_count; i++)
        if (span->parts[i].role == role)
            return &span->parts[i];
    return NULL;
}

/* A whole span's later content replaces; messages of several events follow each other;
 * what a span says itself wins over what events say about it. */
static void merge_parts(struct arena *arena, struct span *into, const struct span *from)
{
    bool both_additions = into->is_addition && from->is_addition;
    for (uint32_t i = 0; i < from->part_count; i++) {
        const struct content_part *part = &from->parts[i];
        struct content_part *same = part_of(into, part->role);
        bool is_messages = part->role == CONTENT_INPUT || part->role == CONTENT_OUTPUT;
        if (!same)
            span_add_part(into, part->role, part->json);
        else if (both_additions && is_messages)
            same->json = join_arrays(arena, same->json, part->json);
        else if (!from->is_addition || both_additions)
            same->json = part->json;
    }
}

/* A whole span's attributes are all of them; parts of a span add theirs, a later one's value
 * of the same name wins, but never over the whole span's own. */
static void merge_attrs(struct arena *arena, struct span *into, const struct span *from)
{
    bool are_parts = into->is_addition || from->is_addition;
    struct attr *both = NULL;
    if (are_parts && into->attr_count && from->attr_count)
        both = arena_new(arena, struct attr, (size_t)into->attr_count + from->attr_count);
    if (!both) {
        if (from->attr_count >= into->attr_count) {
            into->attrs = from->attrs;
            into->attr_count = from->attr_count;
        }
        return;
    }
    const struct span *strong = into->is_addition ? from : into;
    const struct span *weak = into->is_addition ? into : from;
    uint32_t count = strong->attr_count;
    memcpy(both, strong->attrs, count * sizeof *both);
    for (uint32_t i = 0; i < weak->attr_count; i++) {
        if (!attr_find(strong->attrs, strong->attr_count, weak->attrs[i].key))
            both[count++] = weak->attrs[i];
    }
    into->attrs = both;
    into->attr_count = count;
}

void span_merge(struct arena *arena, struct span *into, const struct span *from)
{
    if (into->is_addition && !from->is_addition) { /* the span itself comes second */
        struct span whole = *from;
        span_merge(arena, &whole, into);
        *into = whole;
        return;
    }
    merge_fields(into, from);
    merge_parts(arena, into, from);
    merge_attrs(arena, into, from);
    into->dropped_attr_count = MAX(into->dropped_attr_count, from->dropped_attr_count);
    if (from->link_count >= into->link_count) {
        into->links = from->links;
        into->link_count = from->link_count;
    }
}

struct keyed {
    struct span *span;
    size_t arrival;
};

static int by_id_then_arrival(const void *a, const void *b)
{
    const struct keyed *left = a, *right = b;
    int order = memcmp(&left->span->span_id, &right->span->span_id, sizeof(struct id8));
    if (order)
        return order;
    return left->arrival < right->arrival ? -1 : left->arrival > right->arrival;
}

static int by_start(const void *a, const void *b)
{
    const struct span *left = *(struct span *const *)a, *right = *(struct span *const *)b;
    if (left->start_time != right->start_time)
        return left->start_time < right->start_time ? -1 : 1;
    return memcmp(&left->span_id, &right->span_id, sizeof(struct id8));
}

static bool same_id(const struct span *a, const struct span *b)
{
    return memcmp(&a->span_id, &b->span_id, sizeof(struct id8)) == 0;
}

/* What the parts of a span did not say. */
static void complete(struct span *span)
{
    if (!SPAN_KNOWS(span, start_time)) /* its beginning never came */
        SPAN_SET(span, start_time,
                 SPAN_KNOWS(span, end_time) ? span->end_time : span->received_time);
    if (SPAN_KNOWS(span, end_time) && !SPAN_KNOWS(span, latency_ns) &&
        span->end_time > span->start_time)
        SPAN_SET(span, latency_ns, span->end_time - span->start_time);
    if (!SPAN_KNOWS(span, status))
        SPAN_SET(span, status, STR_OF("unset"));
    span->is_addition = false; /* one without its span stands for itself */
}

/* Records first[0..count) of one span: whole ones in order, then the additions. */
static struct span *merge_records(struct arena *arena, const struct keyed *first, size_t count)
{
    struct span *whole = NULL, *addition = NULL;
    for (size_t i = 0; i < count; i++) {
        struct span **kind = first[i].span->is_addition ? &addition : &whole;
        if (*kind)
            span_merge(arena, *kind, first[i].span);
        else
            *kind = first[i].span;
    }
    if (whole && addition)
        span_merge(arena, whole, addition);
    return whole ? whole : addition;
}

void assemble_merge(struct arena *arena, struct span **spans, size_t count, size_t *ret_count)
{
    struct keyed *keyed = xcalloc(count, sizeof *keyed);
    for (size_t i = 0; i < count; i++)
        keyed[i] = (struct keyed){ spans[i], i };
    qsort(keyed, count, sizeof *keyed, by_id_then_arrival);
    size_t kept = 0;
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && same_id(keyed[i].span, keyed[end].span); end++)
            continue;
        spans[kept] = merge_records(arena, &keyed[i], end - i);
        complete(spans[kept++]);
    }
    xfree(keyed);
    qsort(spans, kept, sizeof(struct span *), by_start);
    *ret_count = kept;
}
