/* points.c -- questions about metric points: from parameters to plans, and answers as JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/points.h"
#include "base/text.h"
#include "query/query_int.h"
#include "wire/json.h"

#include <stdlib.h>

/* How far before the range the points are read that its first ones grow from. */
#define LOOK_BACK_NS (600 * NS_PER_S)
enum { SERVICES_MAX = 50, PERCENT_MAX = 100 };

static const struct {
    const char *name;
    enum point_op op;
} ops[] = {
    { "avg", POINT_AVG }, { "rate", POINT_RATE }, { "sum", POINT_SUM },   { "count", POINT_COUNT },
    { "min", POINT_MIN }, { "max", POINT_MAX },   { "last", POINT_LAST },
};

static const char *const type_names[] = { "gauge", "sum", "histogram", "exponential_histogram",
                                          "summary" };
static const char *temporality_name(int32_t temporality)
{
    return temporality == 1 ? "\"delta\"" : temporality == 2 ? "\"cumulative\"" : "null";
}

/* -- plans -- */

static enum err plan_op(const struct asked *asked, struct point_plan *plan, struct diag *reterr_why)
{
    str text = asked_for(asked, "op");
    double percent;
    plan->op = POINT_OP_DEFAULT;
    plan->op_text = text;
    if (str_is_none(text))
        return ERR_OK;
    for (size_t i = 0; i < COUNT_OF(ops); i++)
        if (str_equal_c(text, ops[i].name)) {
            plan->op = ops[i].op;
            return ERR_OK;
        }
    plan->op = POINT_QUANTILE;
    if (str_equal_c(text, "median"))
        text = STR_OF("p50");
    if (text.len < 2 || text.ptr[0] != 'p' || !str_to_f64(str_from(text, 1), &percent) ||
        !(percent >= 0 && percent <= PERCENT_MAX))
        return diag_set(reterr_why, ERR_BAD_INPUT,
                        "op: must be rate, sum, count, avg, min, max, last, median or p0 to p100");
    plan->quantile = percent / PERCENT_MAX;
    return ERR_OK;
}

static enum err points_by(const struct asked *asked, struct point_plan *plan,
                          struct diag *reterr_why)
{
    str rest = asked_for(asked, "by");
    for (str piece; !str_is_none(rest) && str_next(&rest, ',', &piece);) {
        str name = str_trim(piece);
        if (name.len > 2 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"')
            name = str_sub(name, 1, name.len - 2);
        if (str_is_empty(name))
            continue;
        if (plan->by_count == STORE_BY_MAX)
            return diag_set(reterr_why, ERR_LIMIT, "by: at most %d names", STORE_BY_MAX);
        plan->by[plan->by_count++] = name;
    }
    return ERR_OK;
}

/* Words alone and `trace:`, `status:` and their like ask fields of a span. */
static enum err filter_fits(const struct filter *filter, struct diag *reterr_why)
{
    if (filter->op == FILTER_AND || filter->op == FILTER_OR || filter->op == FILTER_NOT) {
        enum err code = filter_fits(filter->left, reterr_why);
        return code == ERR_OK && filter->op != FILTER_NOT ? filter_fits(filter->right, reterr_why)
                                                          : code;
    }
    if (filter->field == FIELD_COUNT || filter->field == FIELD_service)
        return ERR_OK;
    (void)diag_set(reterr_why, ERR_BAD_INPUT, "q: a metric point has no '%s'",
                   name_of_field(filter->field));
    (void)diag_hint(reterr_why, "it has service and attributes, as in gen_ai.request.model:gpt-4o");
    return ERR_BAD_INPUT;
}

static enum err points_filter(struct arena *arena, const struct asked *asked,
                              struct point_plan *plan, struct diag *reterr_why)
{
    str text = asked_for(asked, "q");
    enum err code = ERR_OK;
    if (str_is_none(text))
        return ERR_OK;
    code = query_parse_point_filter(arena, text, asked->now_ns, &plan->ask.filter, reterr_why);
    if (code == ERR_OK && plan->ask.filter)
        code = query_check_local(plan->ask.filter, reterr_why);
    if (code == ERR_OK && plan->ask.filter)
        return filter_fits(plan->ask.filter, reterr_why);
    return plan_in_param(code, "q", reterr_why);
}

static enum err points_range(struct arena *arena, const struct asked *asked,
                             struct point_plan *plan, struct diag *reterr_why)
{
    struct store_aggregate *steps = arena_new(arena, struct store_aggregate, 1);
    if (!steps)
        return ERR_LIMIT;
    enum err code = plan_range(asked, &plan->range, reterr_why);
    steps->scope.range = plan->range;
    if (code == ERR_OK)
        code = plan_step(asked, steps, reterr_why);
    plan->step_ns = steps->step_ns;
    plan->ask.scope.range = plan->range;
    if (plan->range.from_ns > INT64_MIN / 2)
        plan->ask.scope.range.from_ns -= MAX(plan->step_ns, LOOK_BACK_NS);
    return code;
}

enum err query_plan_points(struct arena *arena, const struct query_param *params, size_t count,
                           int64_t now_ns, struct point_plan *ret_plan, struct diag *reterr_why)
{
    static const char *const allowed[] = {
        "metric", "op", "by", "step", "q", "from", "to", "limit"
    };
    struct asked asked = { params, count, now_ns };
    struct point_plan plan = { .now_ns = now_ns, .ask.limit = POINTS_MAX };
    plan.ask.name = asked_for(&asked, "metric");
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK && str_is_empty(plan.ask.name)) {
        diag_set(reterr_why, ERR_BAD_INPUT, "metric: the name of a metric is missing");
        diag_hint(reterr_why, "GET /api/v1/metrics lists them");
        code = ERR_BAD_INPUT;
    }
    if (code == ERR_OK)
        code = plan_op(&asked, &plan, reterr_why);
    if (code == ERR_OK)
        code = points_by(&asked, &plan, reterr_why);
    if (code == ERR_OK)
        code = points_filter(arena, &asked, &plan, reterr_why);
    if (code == ERR_OK)
        code = points_range(arena, &asked, &plan, reterr_why);
    if (code == ERR_OK)
        code = plan_limit(&asked, plan.step_ns ? QUERY_STEP_ROWS_DEFAULT : QUERY_LIMIT_DEFAULT,
                          plan.step_ns ? POINT_ROWS_MAX : QUERY_LIMIT_MAX, &plan.limit, reterr_why);
    *ret_plan = plan;
    return code;
}

enum err query_plan_point_names(struct arena *arena, const struct query_param *params, size_t count,
                                int64_t now_ns, struct point_names_plan *ret_plan,
                                struct diag *reterr_why)
{
    static const char *const allowed[] = { "prefix", "from", "to", "limit" };
    struct asked asked = { params, count, now_ns };
    (void)arena;
    ret_plan->prefix = asked_for(&asked, "prefix");
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_range(&asked, &ret_plan->scope.range, reterr_why);
    if (code == ERR_OK)
        code = plan_limit(&asked, QUERY_LIMIT_MAX, QUERY_LIMIT_MAX, &ret_plan->limit, reterr_why);
    return code;
}

/* -- JSON -- */

static void add_text(struct buf *out, str text)
{
    if (str_is_none(text))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, text);
}

static void add_time(struct buf *out, int64_t time_ns)
{
    buf_add_char(out, '"');
    time_format(out, time_ns, 9);
    buf_add_char(out, '"');
}

static void add_kind(struct buf *out, const struct metric_point *of)
{
    buf_add_c(out, "\"name\":");
    buf_add_json_str(out, of->name);
    buf_printf(out, ",\"type\":\"%s\",\"unit\":", type_names[of->type]);
    add_text(out, str_is_empty(of->unit) ? STR_NONE : of->unit);
    buf_printf(out, ",\"temporality\":%s,\"monotonic\":%s", temporality_name(of->temporality),
               of->type != METRIC_SUM ? "null"
               : of->is_monotonic     ? "true"
                                      : "false");
}

static void add_row(struct buf *out, const struct point_plan *plan, const struct point_row *row)
{
    buf_add_c(out, "{\"time\":");
    if (plan->step_ns > 0)
        add_time(out, row->bucket_ns);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"by\":{");
    for (uint32_t i = 0; i < plan->by_count; i++) {
        buf_add_c(out, i ? "," : "");
        buf_add_json_str(out, plan->by[i]);
        buf_add_char(out, ':');
        add_text(out, row->by[i]);
    }
    buf_add_c(out, "},\"value\":");
    if (row->is_known)
        buf_add_f64(out, row->value);
    else
        buf_add_c(out, "null");
    buf_printf(out, ",\"points\":%llu}", (unsigned long long)row->point_count);
}

void query_points_json(struct buf *out, const struct point_plan *plan,
                       const struct point_answer *answer)
{
    buf_add_c(out, "{\"items\":[");
    for (size_t i = 0; i < answer->count; i++) {
        buf_add_c(out, i ? "," : "");
        add_row(out, plan, &answer->rows[i]);
    }
    buf_printf(out, "],\"next_cursor\":null,\"truncated\":%s,\"metric\":",
               answer->is_cut ? "true" : "false");
    if (answer->rows) {
        buf_add_char(out, '{');
        add_kind(out, &answer->of);
        buf_add_char(out, '}');
    } else {
        buf_add_c(out, "null");
    }
    buf_add_c(out, ",\"op\":");
    if (answer->op == POINT_QUANTILE)
        buf_add_json_str(out, plan->op_text);
    else if (answer->op == POINT_OP_DEFAULT)
        buf_add_c(out, "null");
    else
        for (size_t i = 0; i < COUNT_OF(ops); i++)
            if (ops[i].op == answer->op)
                buf_printf(out, "\"%s\"", ops[i].name);
    buf_add_c(out, ",\"step_ms\":");
    if (plan->step_ns > 0)
        buf_add_i64(out, plan->step_ns / NS_PER_MS);
    else
        buf_add_c(out, "null");
    buf_add_c(out, "}\n");
}

/* -- names -- */

static int kind_cmp(const struct metric_point *a, const struct metric_point *b)
{
    int order = str_cmp(a->name, b->name);
    if (order == 0 && a->type != b->type)
        order = a->type < b->type ? -1 : 1;
    if (order == 0)
        order = str_cmp(a->unit, b->unit);
    if (order == 0 && a->temporality != b->temporality)
        order = a->temporality < b->temporality ? -1 : 1;
    return order ? order : (int)a->is_monotonic - (int)b->is_monotonic;
}

static int name_cmp(const void *a, const void *b)
{
    const struct store_point_name *x = a, *y = b;
    int order = kind_cmp(&x->of, &y->of);
    return order ? order : str_cmp(x->of.service, y->of.service);
}

static bool list_has(const struct strs *list, str text)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (str_equal(list->items[i], text))
            return true;
    return false;
}

static void list_json(struct buf *out, const char *name, const struct strs *list)
{
    buf_printf(out, ",\"%s\":[", name);
    for (uint32_t i = 0; i < list->count; i++) {
        buf_add_c(out, i ? "," : "");
        buf_add_json_str(out, list->items[i]);
    }
    buf_add_char(out, ']');
}

static void keys_add(struct arena *arena, str attrs_json, str *items, struct strs *list, size_t max)
{
    struct json json;
    struct value attrs;
    json_init(&json, arena, attrs_json, JSON_DEPTH_MAX);
    if (str_is_empty(attrs_json) || json_next(&json) != JSON_OBJECT ||
        !json_value(&json, JSON_OBJECT, &attrs))
        return;
    for (uint32_t i = 0; i < attrs.count && list->count < max; i++)
        if (!list_has(list, attrs.attrs[i].key))
            items[list->count++] = attrs.attrs[i].key;
}

/* names[0..count) are of one kind. */
static enum err add_name(struct buf *out, struct arena *arena, const struct store_point_name *names,
                         size_t count)
{
    str *services = arena_new(arena, str, SERVICES_MAX),
        *keys = arena_new(arena, str, SERVICES_MAX);
    struct strs service_list = { services, 0 }, key_list = { keys, 0 };
    struct store_point_name all = names[0];
    if (!services || !keys)
        return ERR_LIMIT;
    all.count = 0;
    for (size_t i = 0; i < count; i++) {
        all.count += names[i].count;
        all.first_ns = MIN(all.first_ns, names[i].first_ns);
        all.last_ns = MAX(all.last_ns, names[i].last_ns);
        bool is_new =
            !str_is_empty(names[i].of.service) && !list_has(&service_list, names[i].of.service);
        if (is_new && service_list.count < SERVICES_MAX)
            services[service_list.count++] = names[i].of.service;
        keys_add(arena, names[i].attrs_json, keys, &key_list, SERVICES_MAX);
    }
    buf_add_char(out, '{');
    add_kind(out, &all.of);
    list_json(out, "services", &service_list);
    list_json(out, "attributes", &key_list);
    buf_printf(out, ",\"points\":%llu,\"first_time\":", (unsigned long long)all.count);
    add_time(out, all.first_ns);
    buf_add_c(out, ",\"last_time\":");
    add_time(out, all.last_ns);
    buf_add_char(out, '}');
    return ERR_OK;
}

enum err query_point_names_json(struct buf *out, struct arena *arena,
                                const struct point_names_plan *plan, struct store_point_name *names,
                                size_t count, struct diag *reterr_why)
{
    uint32_t written = 0;
    enum err code = ERR_OK;
    qsort(names, count, sizeof *names, name_cmp);
    buf_add_c(out, "{\"items\":[");
    for (size_t i = 0, next; i < count && written < plan->limit && code == ERR_OK; i = next) {
        next = i + 1;
        while (next < count && kind_cmp(&names[i].of, &names[next].of) == 0)
            next++;
        if (!str_is_none(plan->prefix) && !str_starts(names[i].of.name, plan->prefix))
            continue;
        buf_add_c(out, written++ ? "," : "");
        code = add_name(out, arena, &names[i], next - i);
    }
    buf_add_c(out, "],\"next_cursor\":null}\n");
    return code == ERR_OK ? ERR_OK : diag_set(reterr_why, code, "no room for the names");
}
