/* memory_points.c -- metric points of the reference store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "store/memory_int.h"

#include <stdlib.h>

enum { POINT_ARENA_BYTES = 16 << 20 };

void memory_points_clear(struct store *store)
{
    for (size_t i = 0; i < store->point_count; i++)
        arena_clear(&store->points[i].arena);
    xfree(store->points);
}

enum err memory_point_put(struct store *store, str project, const struct metric_point *point,
                          struct diag *reterr_why)
{
    uint64_t identity = metric_identity(project, point);
    for (size_t i = 0; i < store->point_count; i++)
        if (store->points[i].identity == identity)
            return ERR_OK;
    struct memory_point made = { .identity = identity };
    struct store_point row = { .point = *point };
    arena_init(&made.arena, POINT_ARENA_BYTES);
    row.attrs_json = memory_attrs_text(&made.arena, point->attrs, point->attr_count);
    made.project = arena_str(&made.arena, project);
    if (str_is_none(made.project) || !point_clone(&made.arena, &row, &made.row)) {
        arena_clear(&made.arena);
        return diag_set(reterr_why, ERR_LIMIT, "no room for a metric point");
    }
    if (store->point_count == store->point_capacity) {
        store->point_capacity = MAX(store->point_capacity * 2, (size_t)16);
        store->points = xrealloc(store->points, store->point_capacity * sizeof *store->points);
    }
    store->points[store->point_count++] = made;
    return ERR_OK;
}

static bool is_visible(const struct store_scope *scope, const struct memory_point *at)
{
    int64_t time_ns = at->row.point.time_ns;
    return str_is_none(scope->tenant) && str_equal(at->project, scope->project) &&
           time_ns >= scope->range.from_ns && time_ns < scope->range.to_ns;
}

static enum err collect(const struct store *store, const struct store_points *ask,
                        struct arena *arena, struct store_point **ret_points, size_t *ret_count,
                        struct diag *reterr_why)
{
    struct store_point *points = arena_new(arena, struct store_point, store->point_count + 1);
    size_t count = 0, seen = 0;
    for (size_t i = 0; i < store->point_count && points; i++) {
        const struct memory_point *at = &store->points[i];
        if (!is_visible(&ask->scope, at) || !str_equal(at->row.point.name, ask->name))
            continue;
        if (++seen > ask->limit)
            return points_too_many(ask, reterr_why);
        if (point_is_asked(ask, &at->row) && !point_clone(arena, &at->row, &points[count++]))
            points = NULL;
    }
    if (!points)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the points");
    qsort(points, count, sizeof *points, point_cmp);
    *ret_points = points;
    *ret_count = count;
    return ERR_OK;
}

enum err memory_points(struct store *store, const struct store_points *ask, struct arena *arena,
                       struct store_point **ret_points, size_t *ret_count, struct diag *reterr_why)
{
    enum err code = ask->filter ? filter_check(ask->filter, 0, reterr_why) : ERR_OK;
    if (code == ERR_OK)
        code = memory_deadline(&ask->scope, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&store->lock);
    code = collect(store, ask, arena, ret_points, ret_count, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    return code;
}

static bool is_same_kind(const struct metric_point *a, const struct metric_point *b)
{
    return a->type == b->type && a->temporality == b->temporality &&
           a->is_monotonic == b->is_monotonic && str_equal(a->name, b->name) &&
           str_equal(a->unit, b->unit) && str_equal(a->service, b->service);
}

static bool name_add(struct arena *arena, const struct store_point *row,
                     struct store_point_name *names, size_t *count)
{
    struct store_point copy;
    size_t i = 0;
    while (i < *count && !is_same_kind(&names[i].of, &row->point))
        i++;
    if (!point_clone(arena, row, &copy))
        return false;
    int64_t time_ns = row->point.time_ns;
    if (i == *count) {
        ++*count;
        names[i] = (struct store_point_name){ copy.point, 0, time_ns, time_ns, copy.attrs_json };
    }
    names[i].count++;
    names[i].first_ns = MIN(names[i].first_ns, time_ns);
    if (time_ns > names[i].last_ns) {
        names[i].last_ns = time_ns;
        names[i].attrs_json = copy.attrs_json;
    }
    return true;
}

enum err memory_point_names(struct store *store, const struct store_scope *scope,
                            struct arena *arena, struct store_point_name **ret_names,
                            size_t *ret_count, struct diag *reterr_why)
{
    size_t count = 0;
    enum err code = memory_deadline(scope, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&store->lock);
    struct store_point_name *names =
        arena_new(arena, struct store_point_name, store->point_count + 1);
    bool fits = names != NULL;
    for (size_t i = 0; i < store->point_count && fits; i++)
        if (is_visible(scope, &store->points[i]))
            fits = name_add(arena, &store->points[i].row, names, &count);
    pthread_rwlock_unlock(&store->lock);
    *ret_names = names;
    *ret_count = count;
    return fits ? ERR_OK : diag_set(reterr_why, ERR_LIMIT, "no room for the names");
}
