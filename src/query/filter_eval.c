/* filter_eval.c -- does a span match a filter, in plain C.
 *
 * The reference for what stores do in SQL.  Every comparison with something unknown is
 * false, so `not` of it is true; there is no third truth value.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"
#include <math.h>
#include <stdio.h>

enum { ATTR_TEXT_MAX = 24 }; /* of a 64-bit number */

static bool text_compare(const struct filter *filter, enum filter_op op, str have, str want)
{
    switch ((int)op) {
    case FILTER_EQ:
        return str_equal(have, want);
    case FILTER_NE:
        return !str_equal(have, want);
    case FILTER_LIKE:
        return str_matches_glob(have, want, false);
    case FILTER_REGEX:
        return regex_matches(filter->regex, have);
    default:
        return false; /* texts have no order in filters */
    }
}

/* difference: <0, 0, >0 as have is less than, equal to, greater than want */
static bool order_compare(enum filter_op op, int difference)
{
    switch ((int)op) {
    case FILTER_EQ:
        return difference == 0;
    case FILTER_NE:
        return difference != 0;
    case FILTER_LT:
        return difference < 0;
    case FILTER_LE:
        return difference <= 0;
    case FILTER_GT:
        return difference > 0;
    case FILTER_GE:
        return difference >= 0;
    default:
        return false;
    }
}

static int i64_cmp(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int f64_cmp(double a, double b)
{
    return (a > b) - (a < b);
}

/* Lists: = and ~ ask for some item, != for none. */
static bool strs_compare(const struct filter *filter, const struct strs *list, str want)
{
    enum filter_op op = filter->op, item_op = op == FILTER_NE ? FILTER_EQ : op;
    bool found = false;
    for (uint32_t i = 0; i < list->count && !found; i++)
        found = text_compare(filter, item_op, list->items[i], want);
    return op == FILTER_NE ? !found : found;
}

static bool id_compare(const struct filter *filter, const void *bytes, size_t len, str want)
{
    char hex[2 * sizeof(struct id16) + 1];
    hex_encode(bytes, len, hex);
    return text_compare(filter, filter->op, (str){ hex, 2 * len }, want);
}

static bool field_compare(const struct filter *filter, const struct span *span)
{
    if (!span_knows(span, filter->field))
        return false;
    const void *have = span_field_const(span, filter->field);
    const struct value *want = &filter->value;
    switch (field_table[filter->field].type) {
    case FIELD_TYPE_STR:
        return text_compare(filter, filter->op, *(const str *)have, want->text);
    case FIELD_TYPE_STRS:
        return strs_compare(filter, have, want->text);
    case FIELD_TYPE_ID16:
        return id_compare(filter, have, sizeof(struct id16), want->text);
    case FIELD_TYPE_ID8:
        return id_compare(filter, have, sizeof(struct id8), want->text);
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        return order_compare(filter->op, i64_cmp(*(const int64_t *)have, want->i64));
    case FIELD_TYPE_F64:
        return order_compare(filter->op, f64_cmp(*(const double *)have, want->f64));
    case FIELD_TYPE_BOOL:
        return order_compare(filter->op, *(const bool *)have - want->boolean);
    case FIELD_TYPE_F64S:
    case FIELD_TYPE_JSON:
        return false; /* only FILTER_EXISTS, which is not a comparison */
    }
    return false;
}

/* How a text, a boolean or a whole number is written; false: it has no such text. */
static bool value_text(const struct value *value, char room[ATTR_TEXT_MAX], str *ret_text)
{
    double whole;
    if (value->type == VALUE_STR) {
        *ret_text = value->text;
        return true;
    }
    if (value->type == VALUE_BOOL) {
        *ret_text = value->boolean ? STR_OF("true") : STR_OF("false");
        return true;
    }
    bool is_whole = value->type == VALUE_F64 && fabs(value->f64) < 1e15 &&
                    modf(value->f64, &whole) == 0; /* 17.0 is written 17 */
    if (value->type != VALUE_I64 && !is_whole)
        return false;
    int64_t number = value->type == VALUE_I64 ? value->i64 : (int64_t)value->f64;
    int len = snprintf(room, ATTR_TEXT_MAX, "%lld", (long long)number);
    *ret_text = (str){ room, (size_t)len };
    return true;
}

static bool attr_compare(const struct filter *filter, const struct span *span)
{
    const struct attr *attr = attr_find(span->attrs, span->attr_count, filter->attr_key);
    if (!attr || attr->value.type == VALUE_NULL)
        return false;
    const struct value *have = &attr->value, *want = &filter->value;
    bool is_ne = filter->op == FILTER_NE;
    if (want->type == VALUE_STR) {
        char room[ATTR_TEXT_MAX];
        str text;
        return value_text(have, room, &text) ? text_compare(filter, filter->op, text, want->text)
                                             : is_ne;
    }
    if (want->type == VALUE_BOOL && have->type == VALUE_BOOL)
        return order_compare(filter->op, have->boolean - want->boolean);
    if (want->type == VALUE_I64 && have->type == VALUE_I64)
        return order_compare(filter->op, i64_cmp(have->i64, want->i64));
    double have_f64, want_f64;
    bool is_number = have->type == VALUE_I64 || have->type == VALUE_F64;
    if (is_number && value_as_f64(have, &have_f64) && value_as_f64(want, &want_f64))
        return order_compare(filter->op, f64_cmp(have_f64, want_f64));
    return is_ne; /* known, and of another kind */
}

static bool is_known(const struct filter *filter, const struct span *span)
{
    if (filter->field != FIELD_COUNT)
        return span_knows(span, filter->field);
    const struct attr *attr = attr_find(span->attrs, span->attr_count, filter->attr_key);
    return attr && attr->value.type != VALUE_NULL;
}

enum err query_check_local(const struct filter *filter, struct diag *reterr_why)
{
    const struct filter *beyond = filter_beyond_span(filter, true);
    if (!beyond)
        return ERR_OK;
    bool is_score = !str_is_none(beyond->score);
    (void)diag_set_at(reterr_why, ERR_BAD_INPUT, beyond->offset, "%s cannot be judged live",
                      is_score ? "a score that comes later" : "what asks other spans of the trace");
    return diag_hint(reterr_why, "each span is judged alone as it comes: ask /api/v1/spans");
}

/* A score that is sent with spans is judged by what the span says. */
static struct filter field_for_score(const struct filter *filter)
{
    struct filter field = *filter;
    field.score = STR_NONE;
    field.field = field_of_score(filter->score);
    assert(field.field != FIELD_COUNT);
    return field;
}

static bool leaf_matches_span(const struct filter *filter, const struct span *span)
{
    assert(filter->fold == FOLD_NONE && filter->op < FILTER_ANY);
    if (filter->op == FILTER_EXISTS)
        return is_known(filter, span);
    return filter->field == FIELD_COUNT ? attr_compare(filter, span) : field_compare(filter, span);
}

bool filter_matches(const struct filter *filter, const struct span *span)
{
    assert(span);
    if (!filter)
        return true;
    switch ((int)filter->op) {
    case FILTER_AND:
        return filter_matches(filter->left, span) && filter_matches(filter->right, span);
    case FILTER_OR:
        return filter_matches(filter->left, span) || filter_matches(filter->right, span);
    case FILTER_NOT:
        return !filter_matches(filter->left, span);
    default:
        break;
    }
    if (str_is_none(filter->score))
        return leaf_matches_span(filter, span);
    struct filter field = field_for_score(filter);
    bool is_number = field.op == FILTER_EXISTS || field.value.type == VALUE_F64;
    return is_number && leaf_matches_span(&field, span);
}
