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
           field == FIELD_received_time || field == FIELD_parent_span_id;
}

static void merge_fields(struct span *into, const struct span *from)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        enum field field = (enum field)i;
        if (!span_knows(from, field))
            continue;
        if (from->is_addition && span_knows(into, field) && is_envelope(field))
            continue;
        memcpy(span_field(into, field), span_field_const(from, field),
               type_sizes[field_table[i].type]);
        span_mark(into, field);
    }
}

static void merge_parts(struct span *into, const struct span *from)
{
    for (uint32_t i = 0; i < from->part_count; i++) {
        struct content_part *same = NULL;
        for (uint32_t j = 0; j < into->part_count; j++)
            if (into->parts[j].role == from->parts[i].role)
                same = &into->parts[j];
        if (same && !from->is_addition)
            *same = from->parts[i];
        else if (!same)
            span_add_part(into, from->parts[i].role, from->parts[i].json);
    }
}

void span_merge(struct span *into, const struct span *from)
{
    if (into->is_addition && !from->is_addition) { /* the span itself comes second */
        struct span whole = *from;
        span_merge(&whole, into);
        whole.is_addition = false;
        *into = whole;
        return;
    }
    merge_fields(into, from);
    merge_parts(into, from);
    if (from->attr_count >= into->attr_count) {
        into->attrs = from->attrs;
        into->attr_count = from->attr_count;
    }
    into->dropped_attr_count = MAX(into->dropped_attr_count, from->dropped_attr_count);
    if (from->event_count >= into->event_count) {
        into->events = from->events;
        into->event_count = from->event_count;
    }
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

void assemble_merge(struct span **spans, size_t count, size_t *ret_count)
{
    struct keyed *keyed = xcalloc(count, sizeof *keyed);
    for (size_t i = 0; i < count; i++)
        keyed[i] = (struct keyed){ spans[i], i };
    qsort(keyed, count, sizeof *keyed, by_id_then_arrival);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct span *last = kept ? spans[kept - 1] : NULL;
        if (last && memcmp(&last->span_id, &keyed[i].span->span_id, sizeof(struct id8)) == 0)
            span_merge(last, keyed[i].span);
        else
            spans[kept++] = keyed[i].span;
    }
    xfree(keyed);
    qsort(spans, kept, sizeof(struct span *), by_start);
    for (size_t i = 0; i < kept; i++)
        spans[i]->is_addition = false; /* an addition without its span stands for itself */
    *ret_count = kept;
}
