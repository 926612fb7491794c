/* view.c -- aggregates with a name: lists of sessions and users, tables of retrievers, prompts
 * and models.
 *
 * The order of a list is that of its first metric, so the metric that is sorted by is put
 * there.  A cursor holds the view, that metric, its value in the last row, and the row's key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "query/query_int.h"

enum { NAMES_MAX = 40, KEY_BYTES_MAX = 900, CURSOR_HEAD_BYTES = 18 };

static const struct aggregate_defaults views[] = {
#define VIEW(id, by, filter, metrics) [QUERY_VIEW_##id] = { metrics, by, filter },
#include "query/view.def"
#undef VIEW
};

enum err query_plan_table(struct arena *arena, enum query_view view,
                          const struct query_param *params, size_t count, int64_t now_ns,
                          struct query_aggregate *ret_plan, struct diag *reterr_why)
{
    static const char *const allowed[] = { "metric", "by",  "step",    "q",    "from",
                                           "to",     "top", "compare", "limit" };
    struct asked asked = { params, count, now_ns };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    return code == ERR_OK ? plan_groups(arena, &asked, &views[view], ret_plan, reterr_why) : code;
}

/* The view's metrics with the one that sort= names first. */
static enum err sorted_metrics(struct arena *arena, enum query_view view, str sort, str *ret_list,
                               struct diag *reterr_why)
{
    const char *names[NAMES_MAX] = { NULL };
    size_t count = 0, chosen;
    str rest = str_from_c(views[view].metrics), name;
    while (!str_is_none(rest) && str_next(&rest, ',', &name)) {
        assert(count < NAMES_MAX);
        str copy = arena_printf(arena, "%.*s%c", STR_ARG(name), 0);
        if (str_is_none(copy))
            return ERR_LIMIT;
        names[count++] = copy.ptr;
    }
    if (str_is_none(sort))
        sort = str_from_c(names[0]);
    enum err code = plan_pick("sort", sort, names, count, &chosen, reterr_why);
    if (code != ERR_OK)
        return code;
    *ret_list = arena_printf(arena, "%s,%s", names[chosen], views[view].metrics);
    return str_is_none(*ret_list) ? ERR_LIMIT : ERR_OK;
}

/* -- cursors: the sum of what it is for 8, is the value known 1, the value 8, the key -- */

static uint64_t purpose_of(const struct query_aggregate *plan)
{
    const str *sort = &plan->metrics[0].name;
    return hash_bytes(sort->ptr, sort->len) ^ (uint64_t)plan->ask.by[0];
}

str query_cursor_of_group(struct arena *arena, const struct query_aggregate *plan,
                          const struct store_group *group)
{
    uint8_t bytes[CURSOR_HEAD_BYTES + KEY_BYTES_MAX] = { 0 };
    uint64_t purpose = purpose_of(plan);
    double top = group->values[0], bottom = group->values[1];
    bool is_known = group->known[0];
    double value = is_known ? top : 0;
    if (is_known && plan->ask.order != STORE_ORDER_VALUE) {
        is_known = group->known[1] &&
                   (plan->ask.order == STORE_ORDER_DIFFERENCE || bottom < 0 || bottom > 0);
        value = !is_known                                   ? 0
                : plan->ask.order == STORE_ORDER_DIFFERENCE ? top - bottom
                                                            : top / bottom;
    }
    if (group->by[0].len > KEY_BYTES_MAX)
        return STR_NONE;
    memcpy(bytes, &purpose, sizeof purpose);
    bytes[8] = is_known;
    memcpy(bytes + 9, &value, sizeof value);
    memcpy(bytes + 17, group->by[0].ptr, group->by[0].len);
    return cursor_seal(arena, bytes, 17 + group->by[0].len);
}

static enum err read_cursor(struct arena *arena, str text, struct query_aggregate *plan,
                            struct diag *reterr_why)
{
    str bytes;
    uint64_t purpose;
    enum err code = cursor_open(arena, text, &bytes, reterr_why);
    if (code != ERR_OK)
        return code;
    if (bytes.len < 17)
        return diag_set(reterr_why, ERR_BAD_INPUT, "this is not a cursor of this list");
    memcpy(&purpose, bytes.ptr, sizeof purpose);
    if (purpose != purpose_of(plan))
        return diag_set(reterr_why, ERR_BAD_INPUT, "the cursor belongs to another list or order");
    plan->ask.has_after = true;
    plan->ask.after_known = bytes.ptr[8] != 0;
    memcpy(&plan->ask.after_value, bytes.ptr + 9, sizeof plan->ask.after_value);
    plan->ask.after_by = str_from(bytes, 17);
    return ERR_OK;
}

enum err query_plan_keys(struct arena *arena, enum query_view view,
                         const struct query_param *params, size_t count, int64_t now_ns,
                         struct query_aggregate *ret_plan, struct diag *reterr_why)
{
    static const char *const allowed[] = { "q", "from", "to", "sort", "limit", "cursor" };
    struct asked asked = { params, count, now_ns };
    struct aggregate_defaults defaults = views[view];
    str metrics;
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = sorted_metrics(arena, view, asked_for(&asked, "sort"), &metrics, reterr_why);
    if (code != ERR_OK)
        return code;
    metrics = arena_printf(arena, "%.*s%c", STR_ARG(metrics), 0);
    defaults.metrics = metrics.ptr;
    if (!defaults.metrics)
        return ERR_LIMIT;
    code = plan_groups(arena, &asked, &defaults, ret_plan, reterr_why);
    ret_plan->ask.only_known = true;
    str cursor = asked_for(&asked, "cursor");
    if (code == ERR_OK && !str_is_empty(cursor))
        code =
            plan_in_param(read_cursor(arena, cursor, ret_plan, reterr_why), "cursor", reterr_why);
    return code;
}

enum err query_plan_key(struct arena *arena, const struct query_key *key,
                        const struct query_param *params, size_t count, int64_t now_ns,
                        struct query_aggregate *ret_plan, struct diag *reterr_why)
{
    static const char *const allowed[] = { "from", "to" };
    static const int64_t back_ns = INT64_C(90) * 24 * 3600 * NS_PER_S;
    struct asked asked = { params, count, now_ns };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_groups(arena, &asked, &views[key->view], ret_plan, reterr_why);
    if (code != ERR_OK)
        return code;
    if (str_is_none(asked_for(&asked, "from")))
        ret_plan->ask.scope.range.from_ns = now_ns - back_ns;
    struct filter *is_key = arena_new(arena, struct filter, 1);
    if (!is_key)
        return ERR_LIMIT;
    *is_key = (struct filter){ .op = FILTER_EQ,
                               .field = ret_plan->ask.by[0],
                               .value = value_str(key->key) };
    ret_plan->ask.filter = filter_join(arena, FILTER_AND, ret_plan->ask.filter, is_key);
    return ret_plan->ask.filter ? ERR_OK : ERR_LIMIT;
}
