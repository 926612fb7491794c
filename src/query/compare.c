/* compare.c -- version A against version B: means and shares, and which differences are shown.
 *
 * One question to the store gives both sides: groups by the field, of which two are looked at.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/query_int.h"
#include "query/significance.h"

#include <math.h>

enum form { FORM_MEAN, FORM_SHARE };
enum better { BETTER_NEITHER, BETTER_LOWER, BETTER_HIGHER };

struct compared {
    str name;
    enum query_kind kind;
    enum form form;
    enum better better;
    const char *text;
};
static const struct compared rows[] = {
#define COMPARE(name, kind, form, better, text)                                                    \
    { STR(name), QUERY_KIND_##kind, FORM_##form, BETTER_##better, text },
#include "query/compare.def"
#undef COMPARE
};
#define CALLS "step:model and not rollup:true"

_Static_assert(COUNT_OF(rows) + QUERY_SCORES_MAX <= QUERY_COMPARED_MAX, "room for all rows");

/* Two metrics for a mean, its average and its variance; one for a share. */
static str metrics_of_rows(struct arena *arena, const struct query_compare_plan *plan)
{
    str list = STR_OF("");
    for (size_t i = 0; i < COUNT_OF(rows) && !str_is_none(list); i++)
        list = rows[i].form == FORM_SHARE
                   ? arena_printf(arena, "%.*s%s,", STR_ARG(list), rows[i].text)
                   : arena_printf(arena, "%.*savg(%s),var(%s),", STR_ARG(list), rows[i].text,
                                  rows[i].text);
    for (uint32_t i = 0; i < plan->score_count && !str_is_none(list); i++)
        list = arena_printf(arena, "%.*savg(score.%.*s),var(score.%.*s),", STR_ARG(list),
                            STR_ARG(plan->scores[i]), STR_ARG(plan->scores[i]));
    return str_is_none(list) ? list : str_sub(list, 0, list.len - 1);
}

static bool is_plain_name(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (str_find_char(STR_OF("()\", "), name.ptr[i]) < 5)
            return false;
    return name.len > 0;
}

static enum err plan_scores(const struct asked *asked, struct query_compare_plan *plan,
                            struct diag *reterr_why)
{
    str rest = asked_for(asked, "score"), name;
    while (!str_is_none(rest) && str_next(&rest, ',', &name)) {
        name = str_trim(name);
        if (!is_plain_name(name))
            return diag_set(reterr_why, ERR_BAD_INPUT, "score: not a name of a score");
        if (plan->score_count == QUERY_SCORES_MAX)
            return diag_set(reterr_why, ERR_LIMIT, "score: at most %d names", QUERY_SCORES_MAX);
        plan->scores[plan->score_count++] = name;
    }
    return ERR_OK;
}

static enum err plan_sides(const struct asked *asked, struct query_compare_plan *plan,
                           struct diag *reterr_why)
{
    plan->a = asked_for(asked, "a");
    plan->b = asked_for(asked, "b");
    if (str_is_empty(plan->a) || str_is_empty(plan->b))
        return diag_set(reterr_why, ERR_BAD_INPUT, "a and b: the two values of 'by'");
    if (str_equal(plan->a, plan->b))
        return diag_set(reterr_why, ERR_BAD_INPUT, "a and b are the same");
    if (plan->groups.ask.by_count != 1)
        return diag_set(reterr_why, ERR_BAD_INPUT, "by: one field or attribute");
    return ERR_OK;
}

/* Of all values of `by` two are asked for. */
static enum err plan_only(struct arena *arena, struct query_compare_plan *plan)
{
    struct store_aggregate *ask = &plan->groups.ask;
    struct store_group *sides = arena_new(arena, struct store_group, 2);
    if (!sides)
        return ERR_LIMIT;
    sides[0].by[0] = plan->a;
    sides[1].by[0] = plan->b;
    ask->limit = 2;
    ask->filter =
        filter_join(arena, FILTER_AND, ask->filter, filter_of_groups(arena, ask, sides, 2));
    return ask->filter ? ERR_OK : ERR_LIMIT;
}

enum err query_plan_compare(struct arena *arena, const struct query_param *params, size_t count,
                            int64_t now_ns, struct query_compare_plan *ret_plan,
                            struct diag *reterr_why)
{
    static const char *const allowed[] = { "by", "a", "b", "score", "q", "from", "to" };
    struct asked asked = { params, count, now_ns };
    *ret_plan = (struct query_compare_plan){ .a = STR_NONE };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_scores(&asked, ret_plan, reterr_why);
    if (code != ERR_OK)
        return code;
    str metrics = metrics_of_rows(arena, ret_plan);
    metrics = arena_printf(arena, "%.*s%c", STR_ARG(metrics), 0);
    if (str_is_none(metrics))
        return ERR_LIMIT;
    struct aggregate_defaults defaults = { metrics.ptr, "prompt_version", CALLS };
    code = plan_groups(arena, &asked, &defaults, &ret_plan->groups, reterr_why);
    if (code == ERR_OK)
        code = plan_sides(&asked, ret_plan, reterr_why);
    return code == ERR_OK ? plan_only(arena, ret_plan) : code;
}

/* -- the answer -- */

static const struct store_group *side_of(str value, const struct store_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!str_is_none(groups[i].by[0]) && str_equal(groups[i].by[0], value))
            return &groups[i];
    return NULL;
}

/* What one side says to the metric at `at` (a mean has its variance behind it). */
static struct sample sample_of(const struct query_compare_plan *plan,
                               const struct store_group *group, uint32_t at, bool is_mean)
{
    const struct query_metric *metric = &plan->groups.metrics[at];
    struct sample sample = { .mean = (double)NAN };
    double value;
    if (!group || !query_metric_value(&plan->groups, &plan->groups.ask, group, at, &value))
        return sample;
    sample.mean = value;
    sample.count = group->values[metric->bottom];
    if (is_mean && query_metric_value(&plan->groups, &plan->groups.ask, group, at + 1, &value))
        sample.variance = value;
    return sample;
}

static void add_side(struct buf *out, const char *name, enum query_kind kind,
                     const struct sample *sample)
{
    buf_printf(out, ",\"%s\":{\"value\":", name);
    query_value_json(out, kind, !isnan(sample->mean), sample->mean);
    buf_add_c(out, ",\"count\":");
    buf_add_i64(out, llround(sample->count));
    buf_add_char(out, '}');
}

static enum query_kind exact(enum query_kind kind)
{
    return kind == QUERY_KIND_COUNT ? QUERY_KIND_NUMBER : kind;
}

static void add_row(struct buf *out, const struct compared *row, const struct sample sides[2],
                    const struct comparison *comparison)
{
    bool is_known = !isnan(comparison->difference), is_tested = comparison->is_tested;
    enum query_kind kind = exact(row->kind);
    buf_add_c(out, "{\"metric\":");
    buf_add_json_str(out, row->name);
    add_side(out, "a", kind, &sides[0]);
    add_side(out, "b", kind, &sides[1]);
    buf_add_c(out, ",\"difference\":");
    query_value_json(out, kind, is_known, comparison->difference);
    buf_add_c(out, ",\"low\":");
    query_value_json(out, kind, is_tested, comparison->low);
    buf_add_c(out, ",\"high\":");
    query_value_json(out, kind, is_tested, comparison->high);
    buf_add_c(out, ",\"p\":");
    query_value_json(out, QUERY_KIND_NUMBER, is_tested, comparison->p);
    bool b_is_higher = comparison->difference > 0;
    bool has_better = comparison->is_shown && row->better != BETTER_NEITHER;
    buf_printf(out, ",\"test\":%s,\"verdict\":\"%s\",\"better\":%s}",
               !is_tested                ? "null"
               : row->form == FORM_SHARE ? "\"two_proportions\""
                                         : "\"welch\"",
               !is_tested              ? "too_few"
               : !comparison->is_shown ? "no_difference_shown"
               : b_is_higher           ? "b_higher"
                                       : "b_lower",
               !has_better                                     ? "null"
               : (row->better == BETTER_HIGHER) == b_is_higher ? "\"b\""
                                                               : "\"a\"");
}

static void add_exemplars(struct buf *out, const struct store_group *const sides[2])
{
    for (int i = 0; i < 2; i++) {
        buf_printf(out, ",\"%s_exemplar_trace_id\":", i ? "b" : "a");
        if (!sides[i]) {
            buf_add_c(out, "null");
            continue;
        }
        buf_add_char(out, '"');
        buf_add_hex(out, sides[i]->exemplar_trace_id.bytes, 16);
        buf_add_char(out, '"');
    }
}

void query_compare_json(struct buf *out, const struct query_compare_plan *plan,
                        const struct store_group *groups, size_t count)
{
    const struct store_group *sides[2] = { side_of(plan->a, groups, count),
                                           side_of(plan->b, groups, count) };
    struct comparison comparisons[QUERY_COMPARED_MAX];
    struct sample samples[QUERY_COMPARED_MAX][2];
    size_t total = COUNT_OF(rows) + plan->score_count;
    uint32_t at = 0;
    for (size_t i = 0; i < total; i++) {
        bool is_mean = i >= COUNT_OF(rows) || rows[i].form == FORM_MEAN;
        for (int side = 0; side < 2; side++)
            samples[i][side] = sample_of(plan, sides[side], at, is_mean);
        if (is_mean)
            compare_means(&samples[i][0], &samples[i][1], &comparisons[i]);
        else
            compare_shares(&samples[i][0], &samples[i][1], &comparisons[i]);
        at += is_mean ? 2 : 1;
    }
    compare_holm(comparisons, total);
    buf_add_c(out, "{\"a\":");
    buf_add_json_str(out, plan->a);
    buf_add_c(out, ",\"b\":");
    buf_add_json_str(out, plan->b);
    add_exemplars(out, sides);
    buf_add_c(out, ",\"items\":[");
    for (size_t i = 0; i < total; i++) {
        struct compared score = { .kind = QUERY_KIND_NUMBER, .better = BETTER_HIGHER };
        if (i >= COUNT_OF(rows))
            score.name = plan->scores[i - COUNT_OF(rows)];
        buf_add_c(out, i ? "," : "");
        add_row(out, i < COUNT_OF(rows) ? &rows[i] : &score, samples[i], &comparisons[i]);
    }
    buf_add_c(out, "]}");
}
