/* match_trace.c -- conditions on other spans of a trace and on scores, walked.
 *
 * The reference for the sub-queries of duckdb_scope.c: everything is looked at again for each
 * condition, in the order in which it is written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_int.h"

enum { HALF_BITS = 32 };
static const int64_t half_mask = UINT32_MAX;

/* Of what a condition is asked: a span, or (NULL) the trace's own row. */
struct place {
    const struct match_trace *trace;
    const struct store_span *span;
};

static bool place_holds(const struct filter *filter, const struct match_trace *trace,
                        const struct store_span *span);

/* -- spans around a span -- */

static bool is_root(const struct span *span)
{
    return !SPAN_KNOWS(span, parent_span_id) || id8_is_zero(span->parent_span_id);
}

static bool is_parent_of(const struct span *parent, const struct span *child)
{
    return SPAN_KNOWS(child, parent_span_id) &&
           memcmp(&child->parent_span_id, &parent->span_id, sizeof parent->span_id) == 0;
}

static bool is_near(enum filter_op op, const struct span *here, const struct span *other)
{
    return op == FILTER_CHILD || op == FILTER_DESCENDANT ? is_parent_of(here, other)
                                                         : is_parent_of(other, here);
}

static bool near_holds(const struct filter *filter, const struct match_trace *trace,
                       const struct store_span *span)
{
    for (size_t i = 0; i < trace->span_count; i++)
        if (is_near(filter->op, &span->span, &trace->spans[i]->span) &&
            place_holds(filter->left, trace, trace->spans[i]))
            return true;
    return false;
}

/* Ancestors or descendants, each looked at once: links may go in a circle. */
static bool far_holds(const struct filter *filter, const struct match_trace *trace,
                      const struct store_span *span)
{
    const struct store_span **pending = xcalloc(trace->span_count + 1, sizeof(void *));
    bool *seen = xcalloc(trace->span_count + 1, sizeof *seen), holds = false;
    size_t count = 0;
    pending[count++] = span;
    while (count > 0 && !holds) {
        const struct store_span *here = pending[--count];
        for (size_t i = 0; i < trace->span_count && !holds; i++) {
            const struct store_span *other = trace->spans[i];
            if (seen[i] || !is_near(filter->op, &here->span, &other->span))
                continue;
            seen[i] = true;
            pending[count++] = other; /* each once, and `span` was taken out */
            holds = place_holds(filter->left, trace, other);
        }
    }
    xfree(pending);
    xfree(seen);
    return holds;
}

static bool any_holds(const struct filter *filter, const struct match_trace *trace, bool of_roots)
{
    for (size_t i = 0; i < trace->span_count; i++)
        if ((!of_roots || is_root(&trace->spans[i]->span)) &&
            place_holds(filter->left, trace, trace->spans[i]))
            return true;
    return false;
}

static bool relative_holds(const struct filter *filter, const struct match_trace *trace,
                           const struct store_span *span)
{
    bool is_near_one = filter->op == FILTER_PARENT || filter->op == FILTER_CHILD;
    return is_near_one ? near_holds(filter, trace, span) : far_holds(filter, trace, span);
}

static bool scope_holds(const struct filter *filter, const struct place *place)
{
    const struct match_trace *trace = place->trace;
    if (filter->op == FILTER_TRACE)
        return trace->row && place_holds(filter->left, trace, NULL);
    if (filter->op == FILTER_ANY || filter->op == FILTER_ROOT)
        return any_holds(filter, trace, filter->op == FILTER_ROOT);
    if (place->span)
        return relative_holds(filter, trace, place->span);
    for (size_t i = 0; i < trace->span_count; i++)
        if (relative_holds(filter, trace, trace->spans[i]))
            return true;
    return false;
}

/* -- numbers made of all spans -- */

struct fold {
    bool is_double;
    size_t count;
    int64_t high, low; /* the sum is high * 2^32 + low: of fewer than 2^31 numbers always exact */
    int64_t min, max;
    double sum_f64, min_f64, max_f64;
};

static void fold_add_f64(struct fold *fold, double number)
{
    fold->min_f64 = fold->count ? MIN(fold->min_f64, number) : number;
    fold->max_f64 = fold->count ? MAX(fold->max_f64, number) : number;
    fold->sum_f64 += number;
    fold->count++;
}

static void fold_add_i64(struct fold *fold, int64_t number)
{
    fold->min = fold->count ? MIN(fold->min, number) : number;
    fold->max = fold->count ? MAX(fold->max, number) : number;
    fold->high += number >> HALF_BITS;
    fold->low += number & half_mask;
    fold->count++;
}

static void fold_add(struct fold *fold, const struct filter *filter, const struct store_span *row)
{
    const struct span *span = &row->span;
    double number;
    if (filter->field == FIELD_COUNT) {
        struct arena arena;
        arena_init(&arena, 4 * (size_t)STORE_ATTRS_BYTES_MAX);
        fold->is_double = true;
        if (attr_number(&arena, row->attrs_json, filter->attr_key, &number))
            fold_add_f64(fold, number);
        arena_clear(&arena);
        return;
    }
    bool is_repeat = field_is_counted(filter->field) && SPAN_KNOWS(span, rollup) && span->rollup;
    fold->is_double = field_table[filter->field].type == FIELD_TYPE_F64;
    if (is_repeat || !span_knows(span, filter->field))
        return;
    const void *value = span_field_const(span, filter->field);
    if (fold->is_double)
        fold_add_f64(fold, *(const double *)value);
    else
        fold_add_i64(fold, *(const int64_t *)value);
}

static double value_number(const struct value *value)
{
    return value->type == VALUE_F64 ? value->f64 : (double)value->i64;
}

static bool ne_or(enum filter_op op, bool is_equal, bool otherwise)
{
    return op == FILTER_NE ? !is_equal : otherwise;
}

static bool f64_holds(const struct filter *filter, double number)
{
    double value = value_number(&filter->value);
    return ne_or(filter->op, f64_compares(FILTER_EQ, number, value),
                 f64_compares(filter->op, number, value));
}

static bool i64_holds(const struct filter *filter, int64_t number)
{
    return ne_or(filter->op, i64_compares(FILTER_EQ, number, &filter->value),
                 i64_compares(filter->op, number, &filter->value));
}

static double fold_sum(const struct fold *fold)
{
    return (double)fold->high * (double)(INT64_C(1) << HALF_BITS) + (double)fold->low;
}

/* A sum may be larger than what it is compared with can be. */
static bool sum_holds(const struct filter *filter, const struct fold *fold)
{
    if (filter->value.type == VALUE_F64)
        return f64_holds(filter, fold_sum(fold));
    int64_t high = fold->high + (fold->low >> HALF_BITS), low = fold->low & half_mask;
    int64_t value = filter->value.i64;
    int order = (high > value >> HALF_BITS) - (high < value >> HALF_BITS);
    if (order == 0)
        order = (low > (value & half_mask)) - (low < (value & half_mask));
    struct filter with_order = *filter;
    with_order.value = value_i64(0);
    return i64_holds(&with_order, order);
}

static bool fold_holds(const struct filter *filter, const struct match_trace *trace)
{
    struct fold fold = { 0 };
    for (size_t i = 0; i < trace->span_count; i++) {
        if (filter->left && !place_holds(filter->left, trace, trace->spans[i]))
            continue;
        if (filter->fold == FOLD_COUNT)
            fold.count++;
        else
            fold_add(&fold, filter, trace->spans[i]);
    }
    if (filter->fold == FOLD_COUNT)
        return i64_holds(filter, (int64_t)fold.count);
    if (fold.count == 0)
        return false;
    if (filter->fold == FOLD_AVG)
        return f64_holds(filter,
                         (fold.is_double ? fold.sum_f64 : fold_sum(&fold)) / (double)fold.count);
    if (filter->fold == FOLD_SUM)
        return fold.is_double ? f64_holds(filter, fold.sum_f64) : sum_holds(filter, &fold);
    if (filter->fold == FOLD_MIN)
        return fold.is_double ? f64_holds(filter, fold.min_f64) : i64_holds(filter, fold.min);
    return fold.is_double ? f64_holds(filter, fold.max_f64) : i64_holds(filter, fold.max);
}

/* -- scores -- */

static bool text_same(str a, str b)
{
    return !str_is_none(a) && !str_is_none(b) && str_equal(a, b);
}

static bool names_span(const struct score *score, const struct span *span)
{
    return score->has_span_id && memcmp(&score->span_id, &span->span_id, sizeof span->span_id) == 0;
}

/* It says which trace, or one of the others may have it. */
static bool names_session(const struct score *score, const struct match_trace *trace,
                          str session_id)
{
    return !score->has_trace_id && !score->has_span_id && str_is_none(score->response_id) &&
           text_same(score->session_id, session_id) &&
           (str_is_none(trace->tenant) || text_same(score->tenant_id, trace->tenant));
}

static bool names_response(const struct score *score, const struct span *span)
{
    return SPAN_KNOWS(span, response_id) && text_same(score->response_id, span->response_id);
}

static bool is_about_span(const struct score *score, const struct match_trace *trace,
                          const struct span *span)
{
    if (score->has_trace_id)
        return memcmp(&score->trace_id, &span->trace_id, sizeof span->trace_id) == 0 &&
               (!score->has_span_id || names_span(score, span));
    return names_span(score, span) || names_response(score, span) ||
           names_session(score, trace, SPAN_KNOWS(span, session_id) ? span->session_id : STR_NONE);
}

static bool is_about_trace(const struct score *score, const struct match_trace *trace)
{
    const struct span *row = trace->row;
    if (score->has_trace_id)
        return memcmp(&score->trace_id, &row->trace_id, sizeof row->trace_id) == 0;
    for (size_t i = 0; i < trace->span_count; i++)
        if (names_span(score, &trace->spans[i]->span) ||
            names_response(score, &trace->spans[i]->span))
            return true;
    return names_session(score, trace, SPAN_KNOWS(row, session_id) ? row->session_id : STR_NONE);
}

static bool score_says(const struct filter *leaf, const struct score *score)
{
    if (leaf->op == FILTER_EXISTS)
        return true;
    if (leaf->value.type == VALUE_STR)
        return !str_is_none(score->label) && leaf_compares_text(leaf, score->label);
    if (leaf->value.type == VALUE_BOOL)
        return leaf->op == FILTER_EQ && score->type == SCORE_BOOL && score->has_value &&
               f64_compares(FILTER_EQ, score->value, leaf->value.boolean ? 1 : 0);
    bool is_number = leaf->value.type == VALUE_F64 || leaf->value.type == VALUE_I64;
    return is_number && score->has_value &&
           f64_compares(leaf->op, score->value, value_number(&leaf->value));
}

static bool score_holds(const struct filter *leaf, const struct place *place)
{
    const struct match_trace *trace = place->trace;
    for (size_t i = 0; i < trace->score_count; i++) {
        const struct score *score = trace->scores[i];
        if (!text_same(score->name, leaf->score) || !score_says(leaf, score))
            continue;
        if (place->span ? is_about_span(score, trace, &place->span->span)
                        : is_about_trace(score, trace))
            return true;
    }
    return false;
}

/* -- all together -- */

static bool field_holds(const struct filter *leaf, const struct place *place)
{
    const struct match_trace *trace = place->trace;
    if (place->span)
        return leaf_matches(leaf, &place->span->span, place->span->attrs_json);
    if (leaf->field != FIELD_COUNT && trace_has_field(leaf->field))
        return leaf_matches(leaf, trace->row, STR_NONE);
    for (size_t i = 0; i < trace->span_count; i++)
        if (leaf_matches(leaf, &trace->spans[i]->span, trace->spans[i]->attrs_json))
            return true;
    return false;
}

static bool leaf_holds(const struct filter *leaf, void *arg)
{
    const struct place *place = arg;
    if (leaf->op >= FILTER_ANY)
        return scope_holds(leaf, place);
    if (leaf->fold != FOLD_NONE)
        return fold_holds(leaf, place->trace);
    return str_is_none(leaf->score) ? field_holds(leaf, place) : score_holds(leaf, place);
}

static bool place_holds(const struct filter *filter, const struct match_trace *trace,
                        const struct store_span *span)
{
    struct place place = { trace, span };
    return filter_holds(filter, leaf_holds, &place);
}

bool match_span(const struct filter *filter, const struct match_trace *trace,
                const struct store_span *span)
{
    assert(span);
    return place_holds(filter, trace, span);
}

bool match_row(const struct filter *filter, const struct match_trace *trace)
{
    assert(trace->row);
    return place_holds(filter, trace, NULL);
}
