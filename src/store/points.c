/* points.c -- what is asked of a metric point, and its copies, the same in every store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_int.h"

struct seen {
    struct span span;
    str attrs_json;
};

static bool leaf_of_point(const struct filter *leaf, void *arg)
{
    const struct seen *seen = arg;
    return leaf_matches(leaf, &seen->span, seen->attrs_json);
}

bool point_is_asked(const struct store_points *ask, const struct store_point *point)
{
    if (!ask->filter)
        return true;
    struct seen seen = { .attrs_json = point->attrs_json };
    SPAN_SET(&seen.span, start_time, point->point.time_ns);
    SPAN_SET(&seen.span, name, point->point.name);
    if (!str_is_empty(point->point.service))
        SPAN_SET(&seen.span, service, point->point.service);
    return filter_holds(ask->filter, leaf_of_point, &seen);
}

bool point_clone(struct arena *arena, const struct store_point *from, struct store_point *ret_point)
{
    *ret_point = *from;
    str *texts[] = { &ret_point->point.name, &ret_point->point.unit, &ret_point->point.service,
                     &ret_point->point.buckets_json, &ret_point->attrs_json };
    ret_point->point.attrs = NULL;
    ret_point->point.attr_count = 0;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!str_is_none(*texts[i]) && str_is_none(*texts[i] = arena_str(arena, *texts[i])))
            return false;
    return true;
}

int point_cmp(const void *a, const void *b)
{
    const struct store_point *x = a, *y = b;
    if (x->point.time_ns != y->point.time_ns)
        return x->point.time_ns < y->point.time_ns ? -1 : 1;
    int order = str_cmp(x->point.service, y->point.service);
    if (order == 0)
        order = str_cmp(x->attrs_json, y->attrs_json);
    if (order == 0 && x->point.start_ns != y->point.start_ns)
        order = x->point.start_ns < y->point.start_ns ? -1 : 1;
    return order;
}

enum err points_too_many(const struct store_points *ask, struct diag *reterr_why)
{
    diag_set(reterr_why, ERR_LIMIT, "there are more than %u points of this name in the range",
             ask->limit);
    diag_hint(reterr_why, "ask for a shorter range: from, to");
    return ERR_LIMIT;
}
