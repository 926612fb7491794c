/* flat.c -- lists that came as one attribute per leaf, back into a tree.
 *
 * "0.message.role", "0.message.contents.1.message_content.text": entries are
 * sorted by path with numbers compared as numbers (as digits, so an index of any size is
 * harmless), then grouped segment by segment.  Indexes only order: gaps close,
 * and index 999999999 costs as much as index 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"
#include <stdlib.h>

enum { FLAT_DEPTH_MAX = 16 };

const struct value *map_get(const struct value *map, const char *key)
{
    if (!map || map->type != VALUE_MAP)
        return NULL;
    const struct attr *attr = attr_find(map->attrs, map->count, str_from_c(key));
    return attr && attr->value.type != VALUE_NULL ? &attr->value : NULL;
}

str map_text(const struct value *map, const char *key)
{
    const struct value *value = map_get(map, key);
    return value && value->type == VALUE_STR ? value->text : STR_NONE;
}

static bool is_number(str segment)
{
    for (size_t i = 0; i < segment.len; i++)
        if (segment.ptr[i] < '0' || segment.ptr[i] > '9')
            return false;
    return segment.len > 0;
}

static str without_zeros(str digits)
{
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = str_from(digits, 1);
    return digits;
}

static int segment_cmp(str a, str b)
{
    bool a_number = is_number(a), b_number = is_number(b);
    if (a_number != b_number)
        return a_number ? -1 : 1;
    if (!a_number)
        return str_cmp(a, b);
    a = without_zeros(a);
    b = without_zeros(b);
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return str_cmp(a, b);
}

/* First segment of *path; *path becomes what follows, STR_NONE after the last. */
static str segment_take(str *path, bool last_level)
{
    if (last_level) {
        str all = *path;
        *path = STR_NONE;
        return all;
    }
    str segment = STR_NONE;
    (void)str_next(path, '.', &segment);
    return segment;
}

static int flat_cmp(const void *left, const void *right)
{
    const struct flat *a = left, *b = right;
    str a_rest = a->path, b_rest = b->path;
    for (int depth = 0; !str_is_none(a_rest) && !str_is_none(b_rest); depth++) {
        bool last = depth == FLAT_DEPTH_MAX;
        int order = segment_cmp(segment_take(&a_rest, last), segment_take(&b_rest, last));
        if (order)
            return order;
    }
    if (str_is_none(a_rest) != str_is_none(b_rest))
        return str_is_none(a_rest) ? -1 : 1;
    return a->attr < b->attr ? -1 : a->attr > b->attr;
}

static bool tree_build(struct norm *norm, struct flat *flats, uint32_t count, int depth,
                       struct value *ret);

/* One group: entries that share their first segment. */
static bool group_build(struct norm *norm, struct flat *flats, uint32_t count, int depth,
                        struct value *ret)
{
    for (uint32_t i = 0; i < count; i++)
        (void)segment_take(&flats[i].path, depth == FLAT_DEPTH_MAX);
    if (count == 1 && str_is_none(flats[0].path)) {
        *ret = flats[0].attr->value;
        return true;
    }
    while (count > 1 && str_is_none(flats[0].path)) { /* a leaf that is also a branch, or twice */
        flats++;
        count--;
    }
    if (str_is_none(flats[0].path)) {
        *ret = flats[0].attr->value;
        return true;
    }
    return tree_build(norm, flats, count, depth + 1, ret);
}

static str first_segment(const struct flat *flat, int depth)
{
    str path = flat->path;
    return segment_take(&path, depth == FLAT_DEPTH_MAX);
}

static bool tree_build(struct norm *norm, struct flat *flats, uint32_t count, int depth,
                       struct value *ret)
{
    uint32_t groups = 0;
    bool numbers = true;
    for (uint32_t i = 0; i < count; i++) {
        str segment = first_segment(&flats[i], depth);
        numbers = numbers && is_number(segment);
        groups += i == 0 || segment_cmp(segment, first_segment(&flats[i - 1], depth)) != 0;
    }
    struct attr *members = arena_new(norm->arena, struct attr, groups);
    struct value *items = numbers ? arena_new(norm->arena, struct value, groups) : NULL;
    if (!members || (numbers && !items)) {
        norm->spent = true;
        return false;
    }
    uint32_t group = 0;
    for (uint32_t i = 0, next; i < count; i = next, group++) {
        members[group].key = first_segment(&flats[i], depth);
        for (next = i + 1; next < count; next++)
            if (segment_cmp(first_segment(&flats[next], depth), members[group].key) != 0)
                break;
        if (!group_build(norm, flats + i, next - i, depth, &members[group].value))
            return false;
        if (numbers)
            items[group] = members[group].value;
    }
    assert(group == groups);
    *ret = (struct value){ .type = numbers ? VALUE_ARRAY : VALUE_MAP, .count = groups };
    if (numbers)
        ret->items = items;
    else
        ret->attrs = members;
    return true;
}

bool flat_tree(struct norm *norm, enum family family, struct value *ret_tree)
{
    if (norm->flats_count == 0)
        return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < norm->flats_count; i++)
        count += norm->flats[i].family == family;
    if (count == 0)
        return false;
    struct flat *flats = arena_new(norm->arena, struct flat, count);
    if (!flats) {
        norm->spent = true;
        return false;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < norm->flats_count; i++)
        if (norm->flats[i].family == family)
            flats[used++] = norm->flats[i];
    qsort(flats, count, sizeof flats[0], flat_cmp);
    return tree_build(norm, flats, count, 0, ret_tree);
}
