/* changes.c -- a change taken apart by the values of dimensions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/changes.h"
#include "query/query_int.h"

#include <math.h>
#include <stdlib.h>

enum { BEFORE, AFTER };

const enum field change_fields[CHANGE_COUNT] = {
#define CHANGE(field) FIELD_##field,
#include "query/changes.def"
#undef CHANGE
};

/* -- what to ask -- */

static bool is_ratio(const struct query_metric *metric)
{
    return metric->combine == QUERY_COMBINE_RATIO || metric->combine == QUERY_COMBINE_COMPLEMENT ||
           metric->combine == QUERY_COMBINE_PER_NS;
}

static bool adds_up(enum store_op op)
{
    return op == STORE_OP_SUM || op == STORE_OP_COUNT || op == STORE_OP_TRACES;
}

static enum err metric_check(const struct query_aggregate *plan, struct diag *reterr_why)
{
    const struct query_metric *metric = &plan->metrics[0];
    if (plan->metric_count != 2)
        return diag_set(reterr_why, ERR_BAD_INPUT, "metric: one of them");
    bool can = metric->combine != QUERY_COMBINE_DIFFERENCE &&
               adds_up(plan->ask.measures[metric->top].op) &&
               (!is_ratio(metric) || adds_up(plan->ask.measures[metric->bottom].op));
    if (can && metric->kind != QUERY_KIND_TIME)
        return ERR_OK;
    (void)diag_set(reterr_why, ERR_BAD_INPUT, "metric: '%.*s' cannot be taken apart",
                   STR_ARG(str_sub(metric->name, 0, 60)));
    (void)diag_hint(reterr_why, "sums, counts, means and rates can, as latency_avg, cost_per_trace "
                                "or success_rate");
    return ERR_BAD_INPUT;
}

enum err query_plan_changes(struct arena *arena, const struct query_param *params, size_t count,
                            int64_t now_ns, struct query_aggregate *ret_plan,
                            struct diag *reterr_why)
{
    static const char *const allowed[] = { "metric", "q", "from", "to", "compare" };
    const struct report_request request = { params, count, now_ns };
    const struct asked asked = { params, count, now_ns };
    str metric = asked_for(&asked, "metric"), compare = asked_for(&asked, "compare");
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code != ERR_OK)
        return code;
    if (str_is_empty(metric))
        return diag_set(reterr_why, ERR_BAD_INPUT, "metric: which number has changed?");
    str metrics = arena_printf(arena, "%.*s,first_seen%c", STR_ARG(metric), 0);
    str with = str_is_none(compare) ? STR_OF("previous")
                                    : arena_printf(arena, "%.*s%c", STR_ARG(compare), 0);
    if (str_is_none(metrics) || str_is_none(with))
        return ERR_LIMIT;
    const struct report_part part = { .metrics = metrics.ptr, .compare = with.ptr };
    code = report_plan(arena, &request, &part, ret_plan, reterr_why);
    if (code == ERR_OK)
        code = metric_check(ret_plan, reterr_why);
    if (code == ERR_OK && ret_plan->compare == QUERY_COMPARE_VALUES)
        code = diag_set(reterr_why, ERR_BAD_INPUT, "compare: previous, FROM..TO or FIELD:A");
    return code;
}

static void ask_period(const struct query_aggregate *plan, bool is_before,
                       struct store_aggregate *ret_ask)
{
    *ret_ask = plan->ask;
    if (is_before)
        ret_ask->scope.range = plan->baseline_range;
    ret_ask->limit = CHANGES_VALUES_MAX;
    ret_ask->order = STORE_ORDER_VALUE;
}

static bool folds(const struct store_measure *measure)
{
    return measure->of != STORE_OF_SCORES && measure->op != STORE_OP_TRACES;
}

bool changes_can_fold(const struct query_aggregate *plan)
{
    const struct query_metric *metric = &plan->metrics[0];
    return folds(&plan->ask.measures[metric->top]) &&
           (!is_ratio(metric) || folds(&plan->ask.measures[metric->bottom]));
}

void changes_plan_fold(const struct query_aggregate *plan, enum change_dimension first,
                       bool is_before, struct store_aggregate *ret_ask)
{
    ask_period(plan, is_before, ret_ask);
    ret_ask->limit = CHANGES_GROUPS_MAX;
    for (ret_ask->by_count = 0; ret_ask->by_count < STORE_BY_MAX; ret_ask->by_count++) {
        if ((int)first + (int)ret_ask->by_count == CHANGE_COUNT)
            break;
        ret_ask->by[ret_ask->by_count] = change_fields[first + ret_ask->by_count];
        ret_ask->by_attr[ret_ask->by_count] = STR_NONE;
    }
}

void changes_plan_dimension(const struct query_aggregate *plan, enum change_dimension dimension,
                            bool is_before, struct store_aggregate *ret_ask)
{
    ask_period(plan, is_before, ret_ask);
    ret_ask->by[0] = change_fields[dimension];
    ret_ask->by_attr[0] = STR_NONE;
    ret_ask->by_count = 1;
}

void changes_plan_traced(const struct query_aggregate *plan, enum change_dimension dimension,
                         bool is_before, struct store_aggregate *ret_ask)
{
    changes_plan_dimension(plan, dimension, is_before, ret_ask);
    ret_ask->filter = NULL;
    ret_ask->measures[0] = (struct store_measure){ .op = STORE_OP_TRACES, .name = STR_NONE };
    ret_ask->measure_count = 1;
    ret_ask->only_known = true;
}

enum err changes_plan_value(struct arena *arena, const struct query_aggregate *plan,
                            enum change_dimension dimension, str value, bool is_before,
                            struct store_aggregate *ret_ask)
{
    struct filter *any = arena_new(arena, struct filter, 1);
    struct store_group group = { .by = { value } };
    changes_plan_dimension(plan, dimension, is_before, ret_ask);
    if (!any)
        return ERR_LIMIT;
    *any = (struct filter){ .op = FILTER_ANY, .left = filter_of_groups(arena, ret_ask, &group, 1) };
    ret_ask->filter = any->left ? filter_join(arena, FILTER_AND, plan->ask.filter, any) : NULL;
    ret_ask->by_count = 0;
    return ret_ask->filter ? ERR_OK : ERR_LIMIT;
}

/* -- two numbers of a group -- */

static void take(const struct changes *changes, const struct store_group *group, int period,
                 double *ret_top, double *ret_bottom)
{
    const struct query_aggregate *plan = changes->plan;
    const struct query_metric *metric = &plan->metrics[0];
    *ret_top = *ret_bottom = 0;
    if (!group)
        return;
    if (!changes->is_ratio) { /* per second, per day: of its period */
        (void)query_metric_value(plan, &changes->asks[period], group, 0, ret_top);
        return;
    }
    *ret_top = group->known[metric->top] ? group->values[metric->top] : 0;
    *ret_bottom = group->known[metric->bottom] ? group->values[metric->bottom] : 0;
    if (metric->combine == QUERY_COMBINE_COMPLEMENT)
        *ret_top = *ret_bottom - *ret_top;
}

void changes_begin(struct changes *changes, const struct query_aggregate *plan,
                   const struct store_group *before, const struct store_group *after)
{
    const struct store_group *groups[] = { before, after };
    *changes = (struct changes){ .plan = plan, .is_ratio = is_ratio(&plan->metrics[0]) };
    for (int period = BEFORE; period <= AFTER; period++) {
        struct store_aggregate *ask = &changes->asks[period];
        *ask = plan->ask;
        if (period == BEFORE)
            ask->scope.range = plan->baseline_range;
        changes->known[period] = groups[period] && query_metric_value(plan, ask, groups[period], 0,
                                                                      &changes->whole[period]);
        take(changes, groups[period], period, &changes->top[period], &changes->bottom[period]);
    }
}

void changes_value(const struct changes *changes, const struct store_group *before,
                   const struct store_group *after, struct change_value *ret_value)
{
    take(changes, before, BEFORE, &ret_value->top[BEFORE], &ret_value->bottom[BEFORE]);
    take(changes, after, AFTER, &ret_value->top[AFTER], &ret_value->bottom[AFTER]);
}

static int value_cmp(const void *a, const void *b)
{
    const struct change_value *x = a, *y = b;
    if (str_is_none(x->value) != str_is_none(y->value))
        return str_is_none(x->value) ? -1 : 1;
    return str_is_none(x->value) ? 0 : str_cmp(x->value, y->value);
}

enum err changes_values(struct arena *arena, const struct changes *changes,
                        const struct change_groups *of, uint32_t place, struct change *change)
{
    struct change_value *all =
        arena_new(arena, struct change_value, of->counts[BEFORE] + of->counts[AFTER] + 1);
    size_t count = 0, kept = 0;
    if (!all)
        return ERR_LIMIT;
    for (int period = BEFORE; period <= AFTER; period++)
        for (size_t i = 0; i < of->counts[period]; i++) {
            struct change_value *value = &all[count++];
            *value = (struct change_value){ .value = of->groups[period][i].by[place] };
            take(changes, &of->groups[period][i], period, &value->top[period],
                 &value->bottom[period]);
        }
    if (count > 0)
        qsort(all, count, sizeof *all, value_cmp);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || value_cmp(&all[kept - 1], &all[i])) {
            all[kept++] = all[i];
            continue;
        }
        for (int period = BEFORE; period <= AFTER; period++) {
            all[kept - 1].top[period] += all[i].top[period];
            all[kept - 1].bottom[period] += all[i].bottom[period];
        }
    }
    change->values = all;
    change->count = kept;
    return ERR_OK;
}

bool changes_is_known(const struct change *change)
{
    for (size_t i = 0; i < change->count; i++)
        if (!str_is_none(change->values[i].value))
            return true;
    return false;
}

/* -- taking apart -- */

struct apart {
    double change;    /* of the whole */
    double whole[2];  /* ratios */
    double bottom[2]; /* sums */
    double mix;       /* of all values together */
    double segment;   /* the best of them */
};

static double ratio_or(double top, double bottom, double otherwise)
{
    return bottom > 0 ? top / bottom : otherwise;
}

/* mix and rate of one value of a ratio: see changes.h. */
static double part_of_ratio(struct apart *apart, struct change_value *value)
{
    double share[2], own[2];
    bool has[2];
    for (int period = BEFORE; period <= AFTER; period++) {
        has[period] = value->bottom[period] > 0;
        share[period] = ratio_or(value->bottom[period], apart->bottom[period], 0);
        own[period] = ratio_or(value->top[period], value->bottom[period], 0);
    }
    double mean = has[BEFORE] && has[AFTER] ? (own[BEFORE] + own[AFTER]) / 2
                                            : own[BEFORE] + own[AFTER]; /* one is 0 */
    double middle = (apart->whole[BEFORE] + apart->whole[AFTER]) / 2;
    double mix = (share[AFTER] - share[BEFORE]) * (mean - middle);
    double rate = has[BEFORE] && has[AFTER]
                      ? (share[BEFORE] + share[AFTER]) / 2 * (own[AFTER] - own[BEFORE])
                      : 0;
    value->part = mix + rate;
    apart->mix += mix;
    return (share[BEFORE] + share[AFTER]) / 2;
}

static double clip(double value)
{
    return isfinite(value) ? MAX(0.0, MIN(1.0, value)) : 0;
}

void changes_add(struct changes *changes, struct change *change)
{
    static const double share_max = 0.95, segment_counts = 0.9, score_min = 0.05;
    struct apart apart = { .change = changes->whole[AFTER] - changes->whole[BEFORE] };
    for (int period = BEFORE; period <= AFTER; period++) {
        apart.bottom[period] = changes->bottom[period];
        apart.whole[period] = ratio_or(changes->top[period], changes->bottom[period], 0);
    }
    if (changes->is_ratio)
        apart.change = apart.whole[AFTER] - apart.whole[BEFORE];
    bool has_change = apart.change < 0 || apart.change > 0;
    for (size_t i = 0; i < change->count && has_change; i++) {
        struct change_value *value = &change->values[i];
        double share;
        if (changes->is_ratio) {
            share = part_of_ratio(&apart, value);
        } else {
            value->part = value->top[AFTER] - value->top[BEFORE];
            share = ratio_or(value->top[BEFORE] + value->top[AFTER],
                             changes->top[BEFORE] + changes->top[AFTER], 1);
        }
        double more = (value->part / apart.change - share) / (1 - share);
        if (change->count > 1 && share <= share_max)
            apart.segment = MAX(apart.segment, clip(more));
    }
    double by_values = clip(apart.mix / apart.change);
    double by_segment = segment_counts * apart.segment;
    change->by_segment = by_segment > by_values;
    change->score = MAX(by_values, by_segment);
    if (has_change && changes->known[BEFORE] && changes->known[AFTER] &&
        change->score >= score_min && changes->count < CHANGE_COUNT)
        changes->items[changes->count++] = *change;
}

/* -- the answer -- */

static int score_cmp(const void *a, const void *b)
{
    static const double alike = 0.02; /* so near, the order of changes.def decides */
    const struct change *x = a, *y = b;
    double steps = round(y->score / alike) - round(x->score / alike);
    return steps < 0 ? -1 : steps > 0 ? 1 : (int)x->dimension - (int)y->dimension;
}

void changes_rank(struct changes *changes)
{
    if (changes->count > 0)
        qsort(changes->items, changes->count, sizeof changes->items[0], score_cmp);
}

static int part_cmp(const void *a, const void *b)
{
    const struct change_value *x = a, *y = b;
    double order = fabs(y->part) - fabs(x->part);
    return order < 0 ? -1 : order > 0 ? 1 : value_cmp(a, b);
}

/* In the unit of the metric: of a rate per second T / B is per nanosecond. */
static double shown(const struct changes *changes, double value)
{
    bool is_per_ns = changes->plan->metrics[0].combine == QUERY_COMBINE_PER_NS;
    return is_per_ns ? value * (double)NS_PER_S : value;
}

static void add_side(struct buf *out, const struct changes *changes,
                     const struct change_value *value, int period)
{
    enum query_kind kind = changes->plan->metrics[0].kind;
    double whole = changes->is_ratio ? changes->bottom[period] : changes->top[period];
    double mine = changes->is_ratio ? value->bottom[period] : value->top[period];
    double share = whole > 0 ? mine / whole : 0;
    double own = changes->is_ratio ? shown(changes, ratio_or(value->top[period], mine, 0)) : mine;
    bool has = changes->is_ratio ? mine > 0 : true;
    report_member(out, period == BEFORE ? "before" : "after");
    buf_add_char(out, '{');
    report_value(out, "share", QUERY_KIND_SHARE, whole > 0 ? &share : NULL);
    report_value(out, "value", kind == QUERY_KIND_COUNT ? QUERY_KIND_NUMBER : kind,
                 has ? &own : NULL);
    buf_add_char(out, '}');
}

static str filter_text(struct arena *arena, const struct change *change, str value)
{
    const char *name = name_of_field(change_fields[change->dimension]);
    str text = str_is_none(value) ? STR_NONE : query_quoted_if_needed(arena, value);
    if (str_is_none(value))
        return arena_printf(arena, change->is_traced ? "not any(has:%s)" : "not has:%s", name);
    if (str_is_none(text))
        return STR_NONE;
    return arena_printf(arena, change->is_traced ? "any(%s:%.*s)" : "%s:%.*s", name, STR_ARG(text));
}

static void add_change(struct buf *out, struct arena *arena, const struct changes *changes,
                       struct change *change)
{
    enum query_kind kind = changes->plan->metrics[0].kind;
    report_word(out, "dimension", name_of_field(change_fields[change->dimension]));
    report_value(out, "score", QUERY_KIND_SHARE, &change->score);
    report_word(out, "by", change->by_segment ? "segment" : "values");
    report_count(out, "value_count", change->count);
    report_member(out, "values");
    buf_add_char(out, '[');
    qsort(change->values, change->count, sizeof *change->values, part_cmp);
    for (size_t i = 0; i < MIN(change->count, (size_t)CHANGES_SHOWN_MAX); i++) {
        const struct change_value *value = &change->values[i];
        double part = shown(changes, value->part);
        buf_add_c(out, i ? ",{" : "{");
        report_text(out, "value", value->value);
        report_value(out, "part", kind == QUERY_KIND_COUNT ? QUERY_KIND_NUMBER : kind, &part);
        add_side(out, changes, value, BEFORE);
        add_side(out, changes, value, AFTER);
        report_text(out, "filter", filter_text(arena, change, value->value));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

void query_changes_json(struct buf *out, struct arena *arena, struct changes *changes)
{
    const struct query_metric *metric = &changes->plan->metrics[0];
    double change = changes->whole[AFTER] - changes->whole[BEFORE];
    bool has_both = changes->known[BEFORE] && changes->known[AFTER];
    report_text(out, "metric", metric->json);
    report_value(out, "before", metric->kind,
                 changes->known[BEFORE] ? &changes->whole[BEFORE] : NULL);
    report_value(out, "after", metric->kind, changes->known[AFTER] ? &changes->whole[AFTER] : NULL);
    report_value(out, "change", metric->kind, has_both ? &change : NULL);
    report_member(out, "items");
    buf_add_char(out, '[');
    for (size_t i = 0; i < changes->count; i++) {
        buf_add_c(out, i ? ",{" : "{");
        add_change(out, arena, changes, &changes->items[i]);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    report_range(out, "range", &changes->plan->ask.scope.range);
    report_range(out, "baseline", &changes->plan->baseline_range);
}
