/* aggregate.c -- from the parameters of an aggregate to what stores are asked, in one or more
 * questions: the groups, what they are compared with, the rest beside the largest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"

enum { BUCKET_STEP_NS_MIN = 1000000000 };

static bool can_group_by(enum field field)
{
    enum field_type type = field_table[field].type;
    return type == FIELD_TYPE_STR || type == FIELD_TYPE_I64 || type == FIELD_TYPE_BOOL;
}

enum err plan_by(str list, struct store_aggregate *ask, struct diag *reterr_why)
{
    str rest = list;
    for (str piece; !str_is_none(rest) && str_next(&rest, ',', &piece);) {
        struct name_target target;
        str name = str_trim(piece);
        if (str_is_empty(name))
            continue;
        if (ask->by_count == STORE_BY_MAX)
            return diag_set(reterr_why, ERR_LIMIT, "by: at most %d names", STORE_BY_MAX);
        bool is_quoted = name.len > 2 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"';
        if (is_quoted)
            name = str_sub(name, 1, name.len - 2);
        enum err code = name_resolve(name, is_quoted, SIZE_MAX, &target, reterr_why);
        if (code != ERR_OK)
            return plan_in_param(code, "by", reterr_why);
        if (target.field != FIELD_COUNT && !can_group_by(target.field))
            return diag_set(reterr_why, ERR_BAD_INPUT, "by: '%s' is no text, number or boolean",
                            name_of_field(target.field));
        ask->by[ask->by_count] = target.field;
        ask->by_attr[ask->by_count++] = target.attr_key;
    }
    return ERR_OK;
}

enum err plan_step(const struct asked *asked, struct store_aggregate *ask, struct diag *reterr_why)
{
    str text = asked_for(asked, "step");
    if (str_is_none(text))
        return ERR_OK;
    int64_t step, span;
    if (!duration_parse(text, &step) || step < BUCKET_STEP_NS_MIN)
        return diag_set(reterr_why, ERR_BAD_INPUT, "step: must be a duration of 1s or more");
    if (ADD_OVERFLOWS(ask->scope.range.to_ns, -ask->scope.range.from_ns, &span) ||
        span / step > QUERY_BUCKETS_MAX) {
        (void)diag_set(reterr_why, ERR_LIMIT, "step: more than %d steps in this range",
                       QUERY_BUCKETS_MAX);
        (void)diag_hint(reterr_why, "take a larger step or a shorter range");
        return ERR_LIMIT;
    }
    ask->step_ns = step;
    return ERR_OK;
}

/* -- trees of conditions -- */

const struct filter *filter_join(struct arena *arena, enum filter_op op, const struct filter *left,
                                 const struct filter *right)
{
    if (!left || !right)
        return left ? left : right;
    struct filter *filter = arena_new(arena, struct filter, 1);
    if (filter)
        *filter = (struct filter){ .op = op, .left = left, .right = right };
    return filter;
}

static const struct filter *leaf(struct arena *arena, enum filter_op op, enum field field,
                                 str attr_key, struct value value)
{
    struct filter *filter = arena_new(arena, struct filter, 1);
    if (filter)
        *filter = (struct filter){ .op = op, .field = field, .attr_key = attr_key, .value = value };
    return filter;
}

static const struct filter *negate(struct arena *arena, const struct filter *inner)
{
    struct filter *filter = inner ? arena_new(arena, struct filter, 1) : NULL;
    if (filter)
        *filter = (struct filter){ .op = FILTER_NOT, .left = inner };
    return filter;
}

/* by[i] has that value: what a group says of its spans. */
static const struct filter *key_filter(struct arena *arena, const struct store_aggregate *ask,
                                       uint32_t i, str text)
{
    enum field field = ask->by[i];
    struct value value = value_str(text);
    int64_t number = 0;
    if (str_is_none(text))
        return negate(arena, leaf(arena, FILTER_EXISTS, field, ask->by_attr[i], value_i64(0)));
    if (field != FIELD_COUNT && field_table[field].type == FIELD_TYPE_I64 &&
        str_to_i64(text, &number))
        value = value_i64(number);
    else if (field != FIELD_COUNT && field_table[field].type == FIELD_TYPE_BOOL)
        value = value_bool(str_equal_c(text, "true"));
    return leaf(arena, FILTER_EQ, field, ask->by_attr[i], value);
}

/* One of the groups, as a tree without long branches. */
const struct filter *filter_of_groups(struct arena *arena, const struct store_aggregate *ask,
                                      const struct store_group *groups, size_t count)
{
    if (count > 1)
        return filter_join(arena, FILTER_OR, filter_of_groups(arena, ask, groups, count / 2),
                           filter_of_groups(arena, ask, groups + count / 2, count - count / 2));
    const struct filter *filter = NULL;
    for (uint32_t i = 0; i < ask->by_count; i++)
        filter = filter_join(arena, FILTER_AND, filter, key_filter(arena, ask, i, groups->by[i]));
    return filter;
}

/* -- comparisons -- */

static const struct filter *value_filter(struct arena *arena, const struct name_target *target,
                                         str text, struct diag *reterr_why, enum err *code)
{
    struct literal literal = { .text = str_trim(text), .offset = SIZE_MAX, .is_quoted = true };
    struct value value = value_str(literal.text);
    if (target->field != FIELD_COUNT)
        *code = literal_of_field(arena, target->field, &literal, 0, &value, reterr_why);
    return leaf(arena, FILTER_EQ, target->field, target->attr_key, value);
}

static enum err compare_values(struct arena *arena, struct query_aggregate *plan, str name,
                               str values, struct diag *reterr_why)
{
    struct name_target target;
    enum err code = name_resolve(str_trim(name), false, SIZE_MAX, &target, reterr_why);
    size_t dots = str_find(values, STR_OF(".."));
    const struct filter *base = plan->ask.filter;
    if (code != ERR_OK)
        return code;
    if (str_is_empty(str_trim(str_sub(values, 0, dots))))
        return diag_set(reterr_why, ERR_BAD_INPUT, "a value is missing behind '%.*s:'",
                        STR_ARG(str_sub(name, 0, 40)));
    const struct filter *first =
        value_filter(arena, &target, str_sub(values, 0, dots), reterr_why, &code);
    if (code != ERR_OK)
        return code;
    if (dots == values.len) {
        plan->compare = QUERY_COMPARE_SINCE;
        plan->since = filter_join(arena, FILTER_AND, base, first);
        return plan->since ? ERR_OK : ERR_LIMIT;
    }
    const struct filter *second =
        value_filter(arena, &target, str_from(values, dots + 2), reterr_why, &code);
    plan->compare = QUERY_COMPARE_VALUES;
    plan->baseline_filter = filter_join(arena, FILTER_AND, base, first);
    plan->ask.filter = filter_join(arena, FILTER_AND, base, second);
    if (code == ERR_OK && (!first || !second || !plan->baseline_filter || !plan->ask.filter))
        code = ERR_LIMIT;
    return code;
}

/* Where the data of the range ends: the default end lies ahead. */
static int64_t range_end(const struct query_aggregate *plan)
{
    const struct time_range *range = &plan->ask.scope.range;
    return plan->now_ns > range->from_ns && plan->now_ns < range->to_ns ? plan->now_ns
                                                                        : range->to_ns;
}

static enum err compare_previous(struct query_aggregate *plan, struct diag *reterr_why)
{
    int64_t from = plan->ask.scope.range.from_ns, length, step = plan->ask.step_ns;
    bool fails = ADD_OVERFLOWS(range_end(plan), -from, &length);
    if (!fails && step > 0) /* so that steps lie over steps */
        fails = ADD_OVERFLOWS(length, (step - length % step) % step, &length);
    if (fails || ADD_OVERFLOWS(from, -length, &plan->baseline_range.from_ns))
        return diag_set(reterr_why, ERR_BAD_INPUT, "there is nothing before this range");
    plan->baseline_range.to_ns = from;
    plan->compare = QUERY_COMPARE_RANGE;
    return ERR_OK;
}

static enum err compare_range(struct query_aggregate *plan, str text, size_t dots,
                              struct diag *reterr_why)
{
    struct time_range *range = &plan->baseline_range;
    plan->compare = QUERY_COMPARE_RANGE;
    enum err code = query_parse_time(str_trim(str_sub(text, 0, dots)), plan->now_ns,
                                     &range->from_ns, reterr_why);
    if (code == ERR_OK)
        code = query_parse_time(str_trim(str_from(text, dots + 2)), plan->now_ns, &range->to_ns,
                                reterr_why);
    if (code == ERR_OK && range->from_ns >= range->to_ns)
        code = diag_set(reterr_why, ERR_BAD_INPUT, "its start is not before its end");
    return code;
}

/* A colon of a time stands behind a digit; that of FIELD:A behind a name. */
static bool is_named(str text, size_t colon)
{
    for (size_t i = 0; i < colon && colon < text.len; i++)
        if (!(text.ptr[i] >= '0' && text.ptr[i] <= '9') && text.ptr[i] != '-' && text.ptr[i] != 'T')
            return true;
    return false;
}

static enum err plan_compare(struct arena *arena, const struct asked *asked,
                             struct query_aggregate *plan, struct diag *reterr_why)
{
    str text = asked_for(asked, "compare");
    if (str_is_none(text))
        return ERR_OK;
    size_t colon = str_find_char(text, ':'), dots = str_find(text, STR_OF(".."));
    enum err code;
    if (str_equal_c(text, "previous"))
        code = compare_previous(plan, reterr_why);
    else if (colon < dots && is_named(text, colon))
        code = compare_values(arena, plan, str_sub(text, 0, colon), str_from(text, colon + 1),
                              reterr_why);
    else if (dots < text.len)
        code = compare_range(plan, text, dots, reterr_why);
    else
        code = diag_set(reterr_why, ERR_BAD_INPUT,
                        "must be 'previous', FROM..TO, FIELD:A..B or FIELD:A");
    return plan_in_param(code, "compare", reterr_why);
}

void query_plan_since(const struct query_aggregate *plan, struct store_aggregate *ret_ask)
{
    *ret_ask = (struct store_aggregate){
        .scope = plan->ask.scope, .filter = plan->since, .measure_count = 1, .limit = 1
    };
    ret_ask->measures[0] = (struct store_measure){
        .op = STORE_OP_MIN, .of = STORE_OF_FIELD, .field = FIELD_start_time, .name = STR_NONE
    };
}

void query_plan_split(struct query_aggregate *plan, int64_t first_ns)
{
    struct time_range *range = &plan->ask.scope.range;
    int64_t length, from, end = range_end(plan), whole = range->from_ns;
    range->from_ns = first_ns;
    if (ADD_OVERFLOWS(end, -first_ns, &length) || ADD_OVERFLOWS(first_ns, -length, &from))
        from = whole;
    plan->baseline_range = (struct time_range){ from, first_ns };
    plan->compare = QUERY_COMPARE_RANGE;
}

void query_plan_baseline(const struct query_aggregate *plan, struct store_aggregate *ret_ask)
{
    *ret_ask = plan->ask;
    ret_ask->limit = QUERY_STEP_ROWS_MAX; /* of whatever rank: the groups of the other side */
    if (plan->compare == QUERY_COMPARE_RANGE)
        ret_ask->scope.range = plan->baseline_range;
    else
        ret_ask->filter = plan->baseline_filter;
}

/* -- the largest and the rest -- */

enum err query_plan_top(struct arena *arena, const struct query_aggregate *plan,
                        const struct store_group *groups, size_t count, bool is_rest,
                        struct store_aggregate *ret_ask)
{
    assert(count > 0);
    const struct filter *chosen = filter_of_groups(arena, &plan->ask, groups, count);
    *ret_ask = plan->ask;
    if (chosen && is_rest)
        chosen = negate(arena, chosen);
    ret_ask->filter = chosen ? filter_join(arena, FILTER_AND, plan->ask.filter, chosen) : NULL;
    ret_ask->limit = QUERY_STEP_ROWS_MAX;
    if (is_rest)
        ret_ask->by_count = 0;
    return ret_ask->filter ? ERR_OK : ERR_LIMIT;
}

static enum err plan_top(const struct asked *asked, struct query_aggregate *plan,
                         struct diag *reterr_why)
{
    str text = asked_for(asked, "top");
    uint64_t top = 0;
    if (str_is_none(text))
        return ERR_OK;
    if (!str_to_u64(text, &top) || top < 1 || top > QUERY_TOP_MAX)
        return diag_set(reterr_why, ERR_BAD_INPUT, "top: must be a number from 1 to %d",
                        QUERY_TOP_MAX);
    if (plan->ask.by_count == 0)
        return diag_set(reterr_why, ERR_BAD_INPUT, "top: needs 'by'");
    plan->top = (uint32_t)top;
    return ERR_OK;
}

static bool can_project(const struct query_aggregate *plan, uint32_t metric)
{
    const struct query_metric *of = &plan->metrics[metric];
    enum store_op op = plan->ask.measures[of->top].op;
    return of->combine == QUERY_COMBINE_ONE && (op == STORE_OP_SUM || op == STORE_OP_COUNT);
}

static enum err plan_projection(const struct asked *asked, struct query_aggregate *plan,
                                struct diag *reterr_why)
{
    str text = asked_for(asked, "projection");
    if (str_is_none(text))
        return ERR_OK;
    if (!str_equal_c(text, "month"))
        return diag_set(reterr_why, ERR_BAD_INPUT, "projection: must be 'month'");
    for (uint32_t i = 0; i < plan->metric_count; i++)
        if (!can_project(plan, i)) {
            (void)diag_set(reterr_why, ERR_BAD_INPUT,
                           "projection: '%.*s' does not add up over days",
                           STR_ARG(str_sub(plan->metrics[i].name, 0, 60)));
            (void)diag_hint(reterr_why, "sums and counts do, as cost and total_tokens");
            return ERR_BAD_INPUT;
        }
    plan->projection = true;
    return ERR_OK;
}

static enum err plan_exact(const struct asked *asked, struct store_aggregate *ask,
                           struct diag *reterr_why)
{
    str text = asked_for(asked, "exact");
    ask->of_spans = str_equal_c(text, "true");
    if (str_is_none(text) || ask->of_spans || str_equal_c(text, "false"))
        return ERR_OK;
    return diag_set(reterr_why, ERR_BAD_INPUT, "exact: must be 'true' or 'false'");
}

static enum err plan_extras(struct arena *arena, const struct asked *asked,
                            struct query_aggregate *plan, struct diag *reterr_why)
{
    enum err code = plan_compare(arena, asked, plan, reterr_why);
    if (code == ERR_OK)
        code = plan_top(asked, plan, reterr_why);
    if (code == ERR_OK)
        code = plan_projection(asked, plan, reterr_why);
    if (code == ERR_OK)
        code = plan_exact(asked, &plan->ask, reterr_why);
    uint32_t fallback = plan->ask.step_ns ? QUERY_STEP_ROWS_DEFAULT : QUERY_LIMIT_DEFAULT;
    uint32_t max = plan->ask.step_ns ? QUERY_STEP_ROWS_MAX : QUERY_LIMIT_MAX;
    return code == ERR_OK ? plan_limit(asked, fallback, max, &plan->ask.limit, reterr_why) : code;
}

static str asked_or(const struct asked *asked, const char *name, const char *fallback)
{
    str text = asked_for(asked, name);
    return str_is_none(text) && fallback ? str_from_c(fallback) : text;
}

/* The spans of a view, of which q= chooses. */
static enum err plan_spans(struct arena *arena, const struct asked *asked, const char *view,
                           const struct filter **filter, struct diag *reterr_why)
{
    const struct filter *of_view = NULL;
    enum err code = plan_filter(arena, asked, filter, reterr_why);
    if (code == ERR_OK && view)
        code = query_parse_filter(arena, str_from_c(view), asked->now_ns, &of_view, reterr_why);
    if (code == ERR_OK && of_view) {
        *filter = filter_join(arena, FILTER_AND, of_view, *filter);
        code = *filter ? ERR_OK : ERR_LIMIT;
    }
    return code;
}

enum err plan_groups(struct arena *arena, const struct asked *asked,
                     const struct aggregate_defaults *defaults, struct query_aggregate *ret_plan,
                     struct diag *reterr_why)
{
    struct query_aggregate *plan = ret_plan;
    *plan = (struct query_aggregate){ .ask.scope.project = STR_NONE,
                                      .now_ns = asked->now_ns,
                                      .sources.spans_from_ns = INT64_MIN };
    plan->ask.sources = &plan->sources;
    enum err code = plan_spans(arena, asked, defaults->filter, &plan->ask.filter, reterr_why);
    if (code == ERR_OK)
        code = plan_range(asked, &plan->ask.scope.range, reterr_why);
    if (code == ERR_OK)
        code = plan_in_param(
            metrics_plan(arena, asked_or(asked, "metric", defaults->metrics), plan, reterr_why),
            "metric", reterr_why);
    if (code == ERR_OK)
        code = plan_by(asked_or(asked, "by", defaults->by), &plan->ask, reterr_why);
    if (code == ERR_OK)
        code = plan_step(asked, &plan->ask, reterr_why);
    return code == ERR_OK ? plan_extras(arena, asked, plan, reterr_why) : code;
}

enum err query_plan_aggregate(struct arena *arena, const struct query_param *params, size_t count,
                              int64_t now_ns, struct query_aggregate *ret_plan,
                              struct diag *reterr_why)
{
    assert(arena && ret_plan);
    static const char *const allowed[] = { "metric",  "by",  "step",       "q",     "from", "to",
                                           "compare", "top", "projection", "limit", "exact" };
    static const struct aggregate_defaults defaults = { .metrics = "count" };
    struct asked asked = { params, count, now_ns };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    return code == ERR_OK ? plan_groups(arena, &asked, &defaults, ret_plan, reterr_why) : code;
}

/* -- values -- */

/* Seconds of the range, or of a step in it, up to now. */
static double seconds_of(const struct query_aggregate *plan, const struct store_aggregate *ask,
                         int64_t bucket_ns)
{
    const struct time_range *range = &ask->scope.range;
    double from = (double)range->from_ns, to = (double)range->to_ns, now = (double)plan->now_ns;
    if (now > from)
        to = MIN(to, now);
    if (ask->step_ns > 0) {
        from = MAX(from, (double)bucket_ns);
        to = MIN(to, (double)bucket_ns + (double)ask->step_ns);
    }
    return (to - from) / (double)NS_PER_S;
}

bool query_metric_value(const struct query_aggregate *plan, const struct store_aggregate *ask,
                        const struct store_group *group, uint32_t metric, double *ret_value)
{
    static const double day_seconds = 86400;
    const struct query_metric *of = &plan->metrics[metric];
    double top = group->values[of->top], bottom = group->values[of->bottom];
    double seconds = seconds_of(plan, ask, group->bucket_ns);
    bool is_known = group->known[of->top];
    bool has_both = is_known && group->known[of->bottom];
    bool has_ratio = has_both && (bottom < 0 || bottom > 0);
    *ret_value = top;
    switch (of->combine) {
    case QUERY_COMBINE_ONE:
        return is_known;
    case QUERY_COMBINE_RATIO:
        *ret_value = has_ratio ? top / bottom : 0;
        return has_ratio;
    case QUERY_COMBINE_COMPLEMENT:
        *ret_value = has_ratio ? 1 - top / bottom : 0;
        return has_ratio;
    case QUERY_COMBINE_PER_NS:
        *ret_value = has_ratio ? top / bottom * (double)NS_PER_S : 0;
        return has_ratio;
    case QUERY_COMBINE_DIFFERENCE:
        *ret_value = top - bottom;
        return has_both;
    case QUERY_COMBINE_PER_SECOND:
        *ret_value = seconds > 0 ? top / seconds : 0;
        return is_known && seconds > 0;
    case QUERY_COMBINE_PER_DAY:
        *ret_value = seconds > 0 ? top / seconds * day_seconds : 0;
        return is_known && seconds > 0;
    }
    return false;
}
