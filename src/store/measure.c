/* measure.c -- what both stores agree on about aggregates: what may be asked, the order of
 * groups, what a score's verdict is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_int.h"

#include <math.h>

static bool is_groupable(enum field field)
{
    enum field_type type = field_table[field].type;
    return type == FIELD_TYPE_STR || type == FIELD_TYPE_I64 || type == FIELD_TYPE_BOOL;
}

bool field_is_number(enum field field)
{
    switch (field_table[field].type) {
    case FIELD_TYPE_I64:
    case FIELD_TYPE_F64:
    case FIELD_TYPE_BOOL:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
    case FIELD_TYPE_F64S:
        return true;
    case FIELD_TYPE_ID16:
    case FIELD_TYPE_ID8:
    case FIELD_TYPE_STR:
    case FIELD_TYPE_STRS:
    case FIELD_TYPE_JSON:
        break;
    }
    return false;
}

/* It becomes a part of a path in SQL. */
static bool is_bucket_name(str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return name.len > 0 && name.len < STORE_BUCKET_BYTES_MAX;
}

/* Is there something that the operation can be done to? */
static bool target_is_right(const struct store_measure *measure)
{
    bool is_field = measure->of == STORE_OF_FIELD;
    if (measure->op == STORE_OP_TRACES)
        return measure->of == STORE_OF_SPANS;
    if (measure->op == STORE_OP_DISTINCT)
        return is_field && measure->field < FIELD_COUNT && is_groupable(measure->field);
    if (is_field)
        return measure->field < FIELD_COUNT && field_is_number(measure->field);
    if (measure->of == STORE_OF_SPANS)
        return measure->op == STORE_OP_COUNT;
    if (measure->of == STORE_OF_BUCKET)
        return is_bucket_name(measure->name);
    return measure->of != STORE_OF_ATTR || !str_is_none(measure->name);
}

static enum err measure_check(const struct store_measure *measure, struct diag *reterr_why)
{
    if (measure->op >= STORE_OP_COUNT_OF || measure->of > STORE_OF_SCORES ||
        !target_is_right(measure))
        return diag_set(reterr_why, ERR_BAD_INPUT, "no such measure");
    if (measure->op == STORE_OP_QUANTILE && !(measure->quantile >= 0 && measure->quantile <= 1))
        return diag_set(reterr_why, ERR_BAD_INPUT, "a quantile is from 0 to 1");
    return measure->filter ? filter_check(measure->filter, 0, reterr_why) : ERR_OK;
}

static enum err place_check(const struct store_aggregate *aggregate, struct diag *reterr_why)
{
    bool is_dict = aggregate->by_count > 0 && aggregate->by[0] < FIELD_COUNT &&
                   field_table[aggregate->by[0]].column == FIELD_COLUMN_DICT;
    if (aggregate->has_after && (aggregate->by_count != 1 || aggregate->step_ns > 0 || is_dict))
        return diag_set(reterr_why, ERR_BAD_INPUT, "pages of groups need one grouping, no step");
    if (aggregate->order != STORE_ORDER_VALUE && aggregate->measure_count < 2)
        return diag_set(reterr_why, ERR_BAD_INPUT, "this order needs two measures");
    return ERR_OK;
}

enum err aggregate_check(const struct store_aggregate *aggregate, struct diag *reterr_why)
{
    if (aggregate->measure_count == 0 || aggregate->measure_count > STORE_MEASURES_MAX ||
        aggregate->by_count > STORE_BY_MAX || aggregate->step_ns < 0)
        return diag_set(reterr_why, ERR_BAD_INPUT, "1 to %d measures, at most %d groupings",
                        STORE_MEASURES_MAX, STORE_BY_MAX);
    enum err code = place_check(aggregate, reterr_why);
    for (uint32_t i = 0; i < aggregate->measure_count && code == ERR_OK; i++)
        code = measure_check(&aggregate->measures[i], reterr_why);
    if (code != ERR_OK)
        return code;
    for (uint32_t i = 0; i < aggregate->by_count; i++)
        if (aggregate->by[i] < FIELD_COUNT && !is_groupable(aggregate->by[i]))
            return diag_set(reterr_why, ERR_BAD_INPUT, "cannot group by %s",
                            field_table[aggregate->by[i]].name);
    return aggregate->filter ? filter_check(aggregate->filter, 0, reterr_why) : ERR_OK;
}

bool group_order_value(const struct store_aggregate *ask, const struct store_group *group,
                       double *ret_value)
{
    bool is_known = group->known[0];
    *ret_value = is_known ? group->values[0] : 0;
    if (ask->order == STORE_ORDER_VALUE || !is_known)
        return is_known;
    is_known = group->known[1];
    if (ask->order == STORE_ORDER_RATIO) {
        is_known = is_known && group->values[1] != 0;
        *ret_value = is_known ? group->values[0] / group->values[1] : 0;
    } else {
        *ret_value = is_known ? group->values[0] - group->values[1] : 0;
    }
    return is_known;
}

/* Unknown keys come last, as in SQL's NULLS LAST. */
static int key_cmp(str a, str b)
{
    if (str_is_none(a) || str_is_none(b))
        return (int)str_is_none(a) - (int)str_is_none(b);
    return str_cmp(a, b);
}

int group_cmp(const struct store_aggregate *ask, const struct store_group *a,
              const struct store_group *b)
{
    double x, y;
    if (a->bucket_ns != b->bucket_ns)
        return a->bucket_ns < b->bucket_ns ? -1 : 1;
    bool a_known = group_order_value(ask, a, &x), b_known = group_order_value(ask, b, &y);
    if (a_known != b_known)
        return a_known ? -1 : 1;
    if (x < y || x > y)
        return x > y ? -1 : 1;
    int order = 0;
    for (uint32_t i = 0; i < ask->by_count && order == 0; i++)
        order = key_cmp(a->by[i], b->by[i]);
    return order;
}

/* Merge sort: the order is of `ask`, which qsort has no place for. */
static void groups_merge(const struct store_aggregate *ask, struct store_group *groups,
                         size_t count, struct store_group *spare)
{
    if (count < 2)
        return;
    size_t half = count / 2, left = 0, right = half, at = 0;
    groups_merge(ask, groups, half, spare);
    groups_merge(ask, groups + half, count - half, spare);
    while (left < half && right < count)
        spare[at++] =
            group_cmp(ask, &groups[left], &groups[right]) <= 0 ? groups[left++] : groups[right++];
    while (left < half)
        spare[at++] = groups[left++];
    while (right < count)
        spare[at++] = groups[right++];
    memcpy(groups, spare, count * sizeof *groups);
}

void groups_sort(const struct store_aggregate *ask, struct store_group *groups, size_t count)
{
    struct store_group *spare = xcalloc(count + 1, sizeof *spare);
    groups_merge(ask, groups, count, spare);
    xfree(spare);
}

bool group_is_wanted(const struct store_aggregate *ask, const struct store_group *group)
{
    if (ask->only_known && ask->by_count > 0 && str_is_none(group->by[0]))
        return false;
    if (!ask->has_after)
        return true;
    double value;
    bool is_known = group_order_value(ask, group, &value);
    if (is_known != ask->after_known)
        return ask->after_known;
    if (is_known && (value < ask->after_value || value > ask->after_value))
        return value < ask->after_value;
    return key_cmp(group->by[0], ask->after_by) > 0;
}

bool aggregate_has_scores(const struct store_aggregate *ask)
{
    for (uint32_t i = 0; i < ask->measure_count; i++)
        if (ask->measures[i].of == STORE_OF_SCORES)
            return true;
    return false;
}

const char *const score_pass_labels[SCORE_PASS_LABELS] = { "correct", "good",     "pass",
                                                           "passed",  "positive", "thumbs_up",
                                                           "true",    "up",       "yes" };

enum store_verdict score_verdict(const struct score *score)
{
    if (score->has_value)
        return score->value >= 0.5 ? STORE_VERDICT_PASS : STORE_VERDICT_FAIL;
    for (size_t i = 0; i < SCORE_PASS_LABELS && !str_is_none(score->label); i++)
        if (str_equal_nocase(score->label, str_from_c(score_pass_labels[i])))
            return STORE_VERDICT_PASS;
    return STORE_VERDICT_FAIL;
}
