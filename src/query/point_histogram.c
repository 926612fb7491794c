/* point_histogram.c -- buckets of OTLP's two kinds: read, subtracted, put together, asked.
 *
 * Put together they are intervals with a count: so histograms with other bounds or another scale
 * can be in one group.  A quantile is where the intervals, by their upper ends, reach its share:
 * linear inside a bucket with given bounds, by ratio inside one of an exponential histogram.  As
 * Prometheus has it, a first bucket begins at 0, and what is above the last bound is that bound.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/points.h"
#include "wire/json.h"
#include <math.h>
#include <stdlib.h>

enum { SCALE_SHIFT_MAX = 40 };

/* -- reading -- */

static void read_counts(struct arena *arena, const struct value *list, uint64_t **ret_counts,
                        uint32_t *ret_count)
{
    if (list->type != VALUE_ARRAY)
        return;
    uint64_t *counts = arena_new(arena, uint64_t, list->count + 1);
    for (uint32_t i = 0; i < list->count && counts; i++) {
        int64_t count;
        counts[i] = value_as_i64(&list->items[i], &count) && count > 0 ? (uint64_t)count : 0;
    }
    *ret_counts = counts;
    *ret_count = counts ? list->count : 0;
}

static void read_bounds(struct arena *arena, const struct value *list, struct point_histogram *to)
{
    if (list->type != VALUE_ARRAY)
        return;
    double *bounds = arena_new(arena, double, list->count + 1);
    for (uint32_t i = 0; i < list->count && bounds; i++)
        if (!value_as_f64(&list->items[i], &bounds[i]))
            return;
    to->bounds = bounds;
    to->bound_count = bounds ? list->count : 0;
}

static int64_t whole_of(const struct value *map, str key)
{
    const struct attr *attr = attr_find(map->attrs, map->count, key);
    int64_t number;
    return attr && value_as_i64(&attr->value, &number) ? number : 0;
}

bool point_histogram_read(struct arena *arena, str text, struct point_histogram *ret)
{
    struct json json;
    struct value map = { .type = VALUE_NULL };
    *ret = (struct point_histogram){ .scale = 0 };
    if (str_is_empty(text))
        return false;
    json_init(&json, arena, text, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT || !json_value(&json, JSON_OBJECT, &map))
        return false;
    for (uint32_t i = 0; i < map.count; i++) {
        const struct attr *attr = &map.attrs[i];
        if (str_equal_c(attr->key, "bounds"))
            read_bounds(arena, &attr->value, ret);
        else if (str_equal_c(attr->key, "counts"))
            read_counts(arena, &attr->value, &ret->counts, &ret->count);
        else if (str_equal_c(attr->key, "negative_counts"))
            read_counts(arena, &attr->value, &ret->negatives, &ret->negative_count);
        else if (str_equal_c(attr->key, "zero_threshold"))
            (void)value_as_f64(&attr->value, &ret->zero_threshold);
    }
    ret->is_exponential = attr_find(map.attrs, map.count, STR_OF("scale")) != NULL;
    int64_t scale = whole_of(&map, STR_OF("scale"));
    ret->scale = (int32_t)MAX(MIN(scale, (int64_t)20), (int64_t)-20);
    ret->zero_count = (uint64_t)MAX(whole_of(&map, STR_OF("zero_count")), (int64_t)0);
    ret->offset = (int32_t)whole_of(&map, STR_OF("offset"));
    ret->negative_offset = (int32_t)whole_of(&map, STR_OF("negative_offset"));
    return ret->is_exponential || (ret->count > 0 && ret->count == ret->bound_count + 1);
}

/* -- growth -- */

/* floor(index / 2^shift): where a bucket lies at a coarser scale. */
static int64_t shifted(int64_t index, int32_t shift)
{
    int64_t width = INT64_C(1) << MIN(shift, (int32_t)SCALE_SHIFT_MAX);
    return index >= 0 ? index / width : -((-index + width - 1) / width);
}

/* Counts of `now` at a coarser scale, less those of `before`. */
struct side {
    const uint64_t *counts;
    uint32_t count;
    int64_t offset;
};

static bool side_less(struct arena *arena, struct side now, int32_t now_shift, struct side before,
                      int32_t before_shift, struct side *ret)
{
    *ret = (struct side){ NULL, 0, 0 };
    int64_t first = now.count ? shifted(now.offset, now_shift) : 0;
    int64_t last = now.count ? shifted(now.offset + now.count - 1, now_shift) : -1;
    uint64_t *counts = arena_new(arena, uint64_t, (size_t)(last - first + 2));
    if (!counts)
        return false;
    for (uint32_t i = 0; i < now.count; i++)
        counts[shifted(now.offset + i, now_shift) - first] += now.counts[i];
    for (uint32_t i = 0; i < before.count; i++) {
        int64_t at = shifted(before.offset + i, before_shift);
        if (before.counts[i] == 0)
            continue;
        if (at < first || at > last || counts[at - first] < before.counts[i])
            return false;
        counts[at - first] -= before.counts[i];
    }
    *ret = (struct side){ counts, (uint32_t)(last - first + 1), first };
    return true;
}

bool point_histogram_less(struct arena *arena, const struct point_histogram *now,
                          const struct point_histogram *before, struct point_histogram *ret)
{
    struct side positive, negative;
    *ret = *now;
    bool is_alike = now->is_exponential == before->is_exponential &&
                    now->bound_count == before->bound_count &&
                    now->zero_count >= before->zero_count;
    for (uint32_t i = 0; i < now->bound_count && is_alike; i++)
        is_alike = !(now->bounds[i] < before->bounds[i] || now->bounds[i] > before->bounds[i]);
    if (!is_alike)
        return false;
    int32_t scale = MIN(now->scale, before->scale);
    struct side now_side = { now->counts, now->count, now->offset };
    struct side before_side = { before->counts, before->count, before->offset };
    if (!side_less(arena, now_side, now->scale - scale, before_side, before->scale - scale,
                   &positive))
        return false;
    now_side = (struct side){ now->negatives, now->negative_count, now->negative_offset };
    before_side =
        (struct side){ before->negatives, before->negative_count, before->negative_offset };
    if (!side_less(arena, now_side, now->scale - scale, before_side, before->scale - scale,
                   &negative))
        return false;
    ret->scale = scale;
    ret->zero_count = now->zero_count - before->zero_count;
    ret->counts = (uint64_t *)(uintptr_t)positive.counts;
    ret->count = positive.count;
    ret->offset = positive.offset;
    ret->negatives = (uint64_t *)(uintptr_t)negative.counts;
    ret->negative_count = negative.count;
    ret->negative_offset = negative.offset;
    return true;
}

/* -- together -- */

static bool is_same(const struct point_interval *a, double low, double high)
{
    return !(a->low < low || a->low > low || a->high < high || a->high > high);
}

static bool add(struct arena *arena, struct point_intervals *to, double low, double high,
                bool is_log, uint64_t count)
{
    if (count == 0)
        return true;
    for (uint32_t i = 0; i < to->count; i++) { /* histograms come with their buckets in order */
        uint32_t at = (to->next + i) % to->count;
        if (!is_same(&to->items[at], low, high))
            continue;
        to->items[at].count += (double)count;
        to->next = at + 1;
        return true;
    }
    if (to->count == POINT_INTERVALS_MAX)
        return false;
    if (to->count == to->capacity) {
        uint32_t capacity = MAX(to->capacity * 2, UINT32_C(32));
        struct point_interval *items = arena_new(arena, struct point_interval, capacity);
        if (!items)
            return false;
        if (to->count)
            memcpy(items, to->items, to->count * sizeof *items);
        to->items = items;
        to->capacity = capacity;
    }
    to->items[to->count++] = (struct point_interval){ low, high, is_log, (double)count };
    to->next = to->count;
    return true;
}

static bool add_exponential(struct arena *arena, struct point_intervals *to,
                            const struct point_histogram *from)
{
    double growth = exp2(-from->scale); /* log2 of the base */
    bool fits =
        add(arena, to, -from->zero_threshold, from->zero_threshold, false, from->zero_count);
    for (uint32_t i = 0; i < from->count && fits; i++)
        fits = add(arena, to, exp2(growth * (double)(from->offset + i)),
                   exp2(growth * (double)(from->offset + i + 1)), true, from->counts[i]);
    for (uint32_t i = 0; i < from->negative_count && fits; i++)
        fits = add(arena, to, -exp2(growth * (double)(from->negative_offset + i + 1)),
                   -exp2(growth * (double)(from->negative_offset + i)), true, from->negatives[i]);
    return fits;
}

bool point_intervals_add(struct arena *arena, struct point_intervals *intervals,
                         const struct point_histogram *from)
{
    bool fits = true;
    if (from->is_exponential)
        return add_exponential(arena, intervals, from);
    for (uint32_t i = 0; i < from->count && fits && from->bound_count; i++) {
        double low = i > 0 ? from->bounds[i - 1] : from->bounds[0] > 0 ? 0 : from->bounds[0];
        double high = i < from->bound_count ? from->bounds[i] : low;
        fits = add(arena, intervals, low, high, false, from->counts[i]);
    }
    return fits;
}

static int by_high(const void *a, const void *b)
{
    const struct point_interval *x = a, *y = b;
    if (x->high < y->high || x->high > y->high)
        return x->high < y->high ? -1 : 1;
    return (x->low > y->low) - (x->low < y->low);
}

bool point_intervals_quantile(struct point_intervals *intervals, double quantile, double *ret)
{
    double total = 0, before = 0;
    for (uint32_t i = 0; i < intervals->count; i++)
        total += intervals->items[i].count;
    if (!(total > 0))
        return false;
    qsort(intervals->items, intervals->count, sizeof *intervals->items, by_high);
    double rank = quantile * total;
    for (uint32_t i = 0; i < intervals->count; i++) {
        const struct point_interval *at = &intervals->items[i];
        double share = (rank - before) / at->count;
        before += at->count;
        if (before < rank && i + 1 < intervals->count)
            continue;
        share = MAX(MIN(share, 1.0), 0.0);
        if (at->is_log)
            *ret = at->low * pow(at->high / at->low, share);
        else
            *ret = at->low + (at->high - at->low) * share;
        return isfinite(*ret);
    }
    return false;
}
