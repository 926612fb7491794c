/* memory_measure.c -- one number of a group in the reference store, walked span by span.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/memory_int.h"

#include <math.h>
#include <stdlib.h>

static const double variance_value_max = 1e150; /* its square is still a number */

/* -- the numbers of a measure -- */

struct numbers {
    long double *items;
    size_t count, capacity;
};

static void numbers_add(struct numbers *numbers, long double number)
{
    if (isnan(number))
        return;
    if (numbers->count == numbers->capacity) {
        numbers->capacity = MAX(numbers->capacity * 2, (size_t)64);
        numbers->items = xrealloc(numbers->items, numbers->capacity * sizeof *numbers->items);
    }
    numbers->items[numbers->count++] = number;
}

static void field_numbers(const struct span *span, enum field field, struct numbers *to)
{
    const void *at = span_field_const(span, field);
    if (!span_knows(span, field))
        return;
    switch ((int)field_table[field].type) {
    case FIELD_TYPE_F64:
        numbers_add(to, (long double)*(const double *)at);
        break;
    case FIELD_TYPE_BOOL:
        numbers_add(to, *(const bool *)at ? 1 : 0);
        break;
    case FIELD_TYPE_F64S:
        for (uint32_t i = 0; i < ((const struct f64s *)at)->count; i++)
            numbers_add(to, (long double)((const struct f64s *)at)->items[i]);
        break;
    default:
        numbers_add(to, (long double)*(const int64_t *)at);
        break;
    }
}

static void span_numbers(const struct store_measure *measure, const struct store_span *row,
                         struct arena *scratch, struct numbers *to)
{
    const struct span *span = &row->span;
    double number;
    switch (measure->of) {
    case STORE_OF_FIELD:
        field_numbers(span, measure->field, to);
        break;
    case STORE_OF_ATTR:
        if (attr_number(scratch, row->attrs_json, measure->name, &number))
            numbers_add(to, (long double)number);
        break;
    case STORE_OF_END:
        if (SPAN_KNOWS(span, start_time) && SPAN_KNOWS(span, latency_ns))
            numbers_add(to, (long double)i64_add(span->start_time, span->latency_ns));
        break;
    case STORE_OF_BUCKET:
        if (SPAN_KNOWS(span, cost_by_bucket) &&
            attr_number(scratch, span->cost_by_bucket, measure->name, &number))
            numbers_add(to, (long double)number);
        break;
    case STORE_OF_SPANS:
        numbers_add(to, 1);
        break;
    case STORE_OF_SCORES:
        break;
    }
}

/* -- scores -- */

static bool id_equal(const void *a, const void *b, size_t len)
{
    return memcmp(a, b, len) == 0;
}

static bool text_equal(str a, str b, bool b_is_known)
{
    return b_is_known && str_equal(a, b);
}

static bool score_names(const struct score *score, const struct span *span)
{
    bool is_span = id_equal(&score->span_id, &span->span_id, sizeof score->span_id);
    if (score->has_trace_id)
        return id_equal(&score->trace_id, &span->trace_id, sizeof score->trace_id) &&
               (!score->has_span_id || is_span);
    if (score->has_span_id)
        return is_span;
    if (!str_is_none(score->response_id))
        return text_equal(score->response_id, span->response_id, SPAN_KNOWS(span, response_id));
    return !str_is_none(score->session_id) &&
           text_equal(score->session_id, span->session_id, SPAN_KNOWS(span, session_id));
}

static bool score_is_asked(const struct store_measure *measure, const struct score *score)
{
    return (str_is_none(measure->name) || str_equal(measure->name, score->name)) &&
           (!measure->sources || (measure->sources >> score->source & 1)) &&
           (measure->verdict == STORE_VERDICT_ANY || measure->verdict == score_verdict(score));
}

static bool score_is_of_group(const struct store_scope *scope, const struct memory_score *row,
                              const struct memory_hits *hits)
{
    const struct score *score = &row->row.score;
    bool is_own = str_is_none(scope->tenant) ||
                  (!str_is_none(score->tenant_id) && str_equal(score->tenant_id, scope->tenant));
    if (!str_equal(row->project, scope->project) || !(score->has_trace_id || is_own))
        return false;
    for (size_t i = 0; i < hits->count; i++)
        if (score_names(score, &hits->spans[i]->span))
            return true;
    return false;
}

static void score_numbers(const struct store *store, const struct store_scope *scope,
                          const struct store_measure *measure, const struct memory_hits *hits,
                          struct numbers *to)
{
    for (size_t i = 0; i < store->score_count; i++) {
        const struct score *score = &store->scores[i].row.score;
        if (!score_is_asked(measure, score) || !score_is_of_group(scope, &store->scores[i], hits))
            continue;
        if (measure->op == STORE_OP_COUNT)
            numbers_add(to, 1);
        else if (score->has_value)
            numbers_add(to, (long double)score->value);
    }
}

static bool is_evaluated(const struct store *store, const struct store_scope *scope,
                         const struct span *span)
{
    for (size_t i = 0; i < store->score_count; i++) {
        const struct score *score = &store->scores[i].row.score;
        if (score->has_trace_id && (SCORE_EVALUATIONS >> score->source & 1) &&
            id_equal(&score->trace_id, &span->trace_id, sizeof score->trace_id) &&
            str_equal(store->scores[i].project, scope->project))
            return true;
    }
    return false;
}

/* -- operations -- */

static int number_cmp(const void *a, const void *b)
{
    long double x = *(const long double *)a, y = *(const long double *)b;
    return (x > y) - (x < y);
}

/* The smallest value that at least a share q of all values does not exceed. */
static long double quantile(const struct numbers *numbers, double q)
{
    double n = (double)numbers->count;
    size_t rank = MAX(numbers->count - (size_t)floor(n - q * n), (size_t)1);
    return numbers->items[rank - 1];
}

static bool variance(const struct numbers *numbers, long double *ret)
{
    long double total = 0, squares = 0;
    size_t count = 0;
    for (size_t i = 0; i < numbers->count; i++)
        if (fabsl(numbers->items[i]) < (long double)variance_value_max) {
            total += numbers->items[i];
            count++;
        }
    if (count < 2)
        return false;
    long double mean = total / (long double)count;
    for (size_t i = 0; i < numbers->count; i++)
        if (fabsl(numbers->items[i]) < (long double)variance_value_max)
            squares += (numbers->items[i] - mean) * (numbers->items[i] - mean);
    *ret = squares / (long double)(count - 1);
    return true;
}

static bool numbers_reduce(struct numbers *numbers, const struct store_measure *measure,
                           long double *ret)
{
    *ret = (long double)numbers->count;
    if (measure->op == STORE_OP_COUNT)
        return true;
    if (numbers->count == 0)
        return false;
    if (measure->op == STORE_OP_VARIANCE)
        return variance(numbers, ret);
    if (measure->op == STORE_OP_SUM) {
        *ret = 0;
        for (size_t i = 0; i < numbers->count; i++)
            *ret += numbers->items[i];
        return true;
    }
    qsort(numbers->items, numbers->count, sizeof *numbers->items, number_cmp);
    if (measure->op == STORE_OP_QUANTILE)
        *ret = quantile(numbers, measure->quantile);
    else
        *ret = numbers->items[measure->op == STORE_OP_MIN ? 0 : numbers->count - 1];
    return true;
}

static int text_cmp(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

/* How many different texts, of ids or of a field. */
static double distinct(const struct store_measure *measure, const struct memory_hits *hits,
                       struct arena *scratch)
{
    str *texts = xcalloc(hits->count + 1, sizeof *texts);
    size_t known = 0, count = 0;
    for (size_t i = 0; i < hits->count; i++) {
        const struct span *span = &hits->spans[i]->span;
        str text = measure->op == STORE_OP_TRACES
                       ? str_make((const char *)span->trace_id.bytes, sizeof span->trace_id.bytes)
                       : memory_field_text(scratch, span, measure->field);
        if (!str_is_none(text))
            texts[known++] = text;
    }
    qsort(texts, known, sizeof *texts, text_cmp);
    for (size_t i = 0; i < known; i++)
        count += i == 0 || str_cmp(texts[i], texts[i - 1]) != 0;
    xfree(texts);
    return (double)count;
}

static int pointer_cmp(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const void *const *)a, y = (uintptr_t) * (const void *const *)b;
    return (x > y) - (x < y);
}

void memory_measures_begin(struct store *store, const struct store_aggregate *ask,
                           struct memory_measures *ret_measures)
{
    *ret_measures = (struct memory_measures){ .store = store, .ask = ask };
    for (uint32_t i = 0; i < ask->measure_count; i++) {
        struct memory_hits *chosen = &ret_measures->chosen[i];
        if (!ask->measures[i].filter)
            continue;
        memory_select(store, &ask->scope, ask->measures[i].filter, chosen);
        if (chosen->count > 0)
            qsort(chosen->spans, chosen->count, sizeof *chosen->spans, pointer_cmp);
    }
}

void memory_measures_end(struct memory_measures *measures)
{
    for (uint32_t i = 0; i < measures->ask->measure_count; i++)
        xfree(measures->chosen[i].spans);
}

static void hits_of_measure(const struct memory_measures *measures, uint32_t index,
                            const struct memory_hits *hits, struct memory_hits *ret_hits)
{
    const struct store_measure *measure = &measures->ask->measures[index];
    const struct memory_hits *chosen = &measures->chosen[index];
    *ret_hits = (struct memory_hits){ 0 };
    for (size_t i = 0; i < hits->count; i++) {
        if (measure->filter &&
            (chosen->count == 0 || !bsearch(&hits->spans[i], chosen->spans, chosen->count,
                                            sizeof *chosen->spans, pointer_cmp)))
            continue;
        if (!measure->is_evaluated ||
            is_evaluated(measures->store, &measures->ask->scope, &hits->spans[i]->span))
            memory_hits_add(ret_hits, hits->spans[i]);
    }
}

bool memory_measure(const struct memory_measures *measures, uint32_t index,
                    const struct memory_hits *hits, struct arena *scratch, double *ret)
{
    const struct store_measure *measure = &measures->ask->measures[index];
    struct numbers numbers = { 0 };
    struct memory_hits own;
    long double value = 0;
    bool is_known = true;
    hits_of_measure(measures, index, hits, &own);
    if (measure->op == STORE_OP_TRACES || measure->op == STORE_OP_DISTINCT) {
        value = (long double)distinct(measure, &own, scratch);
    } else {
        if (measure->of == STORE_OF_SCORES)
            score_numbers(measures->store, &measures->ask->scope, measure, hits, &numbers);
        for (size_t i = 0; i < own.count; i++)
            span_numbers(measure, own.spans[i], scratch, &numbers);
        is_known = numbers_reduce(&numbers, measure, &value);
    }
    xfree(numbers.items);
    xfree(own.spans);
    *ret = (double)value;
    return is_known;
}
