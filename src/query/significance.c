/* significance.c -- could a difference of two groups be chance?
 *
 * Welch's test for means (the groups may scatter differently), the test of two proportions
 * for shares; the incomplete beta function by its continued fraction, as in every textbook.
 * Several tests at once find something by chance: Holm's rule asks more of each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/significance.h"
#include "base/base.h"

#include <assert.h>
#include <math.h>

enum { FRACTION_STEPS = 300, HALVINGS = 80 };

static double beta_fraction(double a, double b, double x)
{
    static const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double result = d;
    for (int m = 1; m <= FRACTION_STEPS; m++) {
        for (int odd = 0; odd < 2; odd++) {
            double even_term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
            double odd_term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
            double term = odd ? odd_term : even_term;
            d = 1 + term * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + term / c;
            c = fabs(c) < tiny ? tiny : c;
            result *= d * c;
        }
        if (fabs(d * c - 1) < 1e-14)
            break;
    }
    return result;
}

static double beta_regularised(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double student_two_sided(double t, double freedom)
{
    return beta_regularised(freedom / 2, 0.5, freedom / (freedom + t * t));
}

/* The t that a share of 5 % exceeds on both sides together. */
static double student_95(double freedom)
{
    double low = 0, high = 1e4;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;
        if (student_two_sided(middle, freedom) > 0.05)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void compare_means(const struct sample *a, const struct sample *b, struct comparison *ret)
{
    *ret = (struct comparison){ .difference = b->mean - a->mean };
    double va = a->variance / a->count, vb = b->variance / b->count;
    if (!(a->count >= SAMPLE_MIN && b->count >= SAMPLE_MIN))
        return;
    ret->is_tested = true;
    if (!(va + vb > 0)) { /* nothing scatters: a difference is one */
        ret->p = ret->difference < 0 || ret->difference > 0 ? 0 : 1;
        ret->low = ret->high = ret->difference;
        return;
    }
    double error = sqrt(va + vb);
    double freedom = (va + vb) * (va + vb) / (va * va / (a->count - 1) + vb * vb / (b->count - 1));
    ret->p = student_two_sided(ret->difference / error, freedom);
    double reach = student_95(freedom) * error;
    ret->low = ret->difference - reach;
    ret->high = ret->difference + reach;
}

void compare_shares(const struct sample *a, const struct sample *b, struct comparison *ret)
{
    static const double z95 = 1.959963984540054;
    *ret = (struct comparison){ .difference = b->mean - a->mean };
    if (!(a->count >= SAMPLE_MIN && b->count >= SAMPLE_MIN))
        return;
    ret->is_tested = true;
    double whole = (a->mean * a->count + b->mean * b->count) / (a->count + b->count);
    double pooled = sqrt(whole * (1 - whole) * (1 / a->count + 1 / b->count));
    double own = sqrt(a->mean * (1 - a->mean) / a->count + b->mean * (1 - b->mean) / b->count);
    ret->p = pooled > 0 ? erfc(fabs(ret->difference) / pooled / sqrt(2.0)) : 1;
    ret->low = ret->difference - z95 * own;
    ret->high = ret->difference + z95 * own;
}

void compare_holm(struct comparison *comparisons, size_t count)
{
    size_t tests = 0;
    for (size_t i = 0; i < count; i++)
        tests += comparisons[i].is_tested;
    for (size_t rank = 0; rank < tests; rank++) {
        struct comparison *least = NULL;
        for (size_t i = 0; i < count; i++) {
            struct comparison *one = &comparisons[i];
            if (one->is_tested && !one->is_shown && (!least || one->p < least->p))
                least = one;
        }
        assert(least);
        if (least->p > 0.05 / (double)(tests - rank))
            return;
        least->is_shown = true;
    }
}
