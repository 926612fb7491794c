/* projection.c -- what a month will come to.
 *
 * Least squares over the last whole days: a level, from a week on a trend, from three weeks on
 * a difference per weekday.  The rest of the month is the sum of the days that the line gives,
 * today by its share that is left.  Low and high hold that sum with 90 %, by the scatter of the
 * days around the line and by how well it is known (the prediction interval of a sum); days are
 * taken as independent, so that a month of steady growth or weekly habits is held, a break is
 * not.  Nothing is projected of fewer than three days.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"

#include <math.h>

enum { TERMS_MAX = 8, DAYS_MIN = 3, DAYS_TREND = 7, DAYS_WEEKDAYS = 21, WEEK = 7 };
static const int64_t day_ns = INT64_C(86400) * NS_PER_S;

struct fit {
    size_t terms;
    double inverse[TERMS_MAX][TERMS_MAX]; /* of X'X */
    double weights[TERMS_MAX];
    double variance; /* of a day around the line */
    double freedom;
};

static void terms_of(const struct query_days *days, size_t terms, double day, double *ret)
{
    uint32_t weekday = (uint32_t)(days->first_weekday + (uint64_t)day) % WEEK;
    ret[0] = 1;
    if (terms > 1)
        ret[1] = day;
    for (size_t i = 2; i < terms; i++)
        ret[i] = weekday == i - 1 ? 1 : 0;
}

/* Gauss and Jordan, with the largest pivot; false: it has no inverse. */
static bool invert(double from[TERMS_MAX][TERMS_MAX], size_t n, double to[TERMS_MAX][TERMS_MAX])
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            to[i][j] = i == j;
    for (size_t column = 0; column < n; column++) {
        size_t pivot = column;
        for (size_t i = column + 1; i < n; i++)
            if (fabs(from[i][column]) > fabs(from[pivot][column]))
                pivot = i;
        if (fabs(from[pivot][column]) < 1e-12)
            return false;
        for (size_t j = 0; j < n; j++) {
            double a = from[column][j], b = to[column][j];
            from[column][j] = from[pivot][j];
            to[column][j] = to[pivot][j];
            from[pivot][j] = a;
            to[pivot][j] = b;
        }
        double by = from[column][column];
        for (size_t j = 0; j < n; j++) {
            from[column][j] /= by;
            to[column][j] /= by;
        }
        for (size_t i = 0; i < n; i++) {
            double times = from[i][column];
            for (size_t j = 0; j < n && i != column; j++) {
                from[i][j] -= times * from[column][j];
                to[i][j] -= times * to[column][j];
            }
        }
    }
    return true;
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static bool fit_days(const struct query_days *days, size_t terms, struct fit *fit)
{
    double square[TERMS_MAX][TERMS_MAX] = { { 0 } }, right[TERMS_MAX] = { 0 }, x[TERMS_MAX];
    *fit = (struct fit){ .terms = terms };
    for (size_t day = 0; day < days->count; day++) {
        terms_of(days, terms, (double)day, x);
        for (size_t i = 0; i < terms; i++) {
            right[i] += x[i] * days->days[day];
            for (size_t j = 0; j < terms; j++)
                square[i][j] += x[i] * x[j];
        }
    }
    if (!invert(square, terms, fit->inverse))
        return false;
    for (size_t i = 0; i < terms; i++)
        fit->weights[i] = dot(fit->inverse[i], right, terms);
    double squares = 0;
    for (size_t day = 0; day < days->count; day++) {
        terms_of(days, terms, (double)day, x);
        double off = days->days[day] - dot(fit->weights, x, terms);
        squares += off * off;
    }
    fit->freedom = (double)(days->count - terms);
    fit->variance = squares / fit->freedom;
    return true;
}

/* The sum of the days to come, and its standard deviation. */
static double rest_of_month(const struct query_days *days, const struct fit *fit,
                            double *ret_deviation)
{
    double x[TERMS_MAX], sum[TERMS_MAX] = { 0 }, between = 0, scatter = 0;
    for (uint32_t i = 0; i <= days->days_left; i++) {
        double share = i == 0 ? 1 - days->today_over : 1;
        terms_of(days, fit->terms, (double)days->count + i, x);
        for (size_t t = 0; t < fit->terms; t++)
            sum[t] += share * x[t];
        scatter += share * share;
    }
    for (size_t t = 0; t < fit->terms; t++)
        between += sum[t] * dot(fit->inverse[t], sum, fit->terms);
    *ret_deviation = sqrt(fit->variance * (scatter + between));
    return dot(fit->weights, sum, fit->terms);
}

/* The 95th percentile of Student's t, by Cornish and Fisher from the normal one. */
static double t95(double freedom)
{
    double z = 1.6448536269514722, z3 = z * z * z, z5 = z3 * z * z;
    return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom);
}

void query_project(const struct query_days *days, struct query_projection *ret_projection)
{
    struct query_projection projection = { .spent = days->month_so_far,
                                           .day_count = (uint32_t)days->count };
    size_t terms = days->count >= DAYS_WEEKDAYS ? TERMS_MAX : days->count >= DAYS_TREND ? 2 : 1;
    struct fit fit;
    if (days->count >= DAYS_MIN && fit_days(days, terms, &fit)) {
        double deviation, rest = MAX(rest_of_month(days, &fit, &deviation), 0.0);
        double off = t95(fit.freedom) * deviation;
        projection.is_known = true;
        projection.has_weekdays = terms == TERMS_MAX;
        projection.expected = days->month_so_far + rest;
        projection.low = days->month_so_far + MAX(rest - off, 0.0);
        projection.high = days->month_so_far + rest + off;
    }
    *ret_projection = projection;
}

/* -- of the answers of a store -- */

static int64_t today_of(int64_t now_ns)
{
    return day_start(day_from_time(now_ns));
}

void query_plan_days(const struct query_aggregate *plan, struct store_aggregate *ret_ask)
{
    *ret_ask = plan->ask;
    int64_t today = today_of(plan->now_ns);
    ret_ask->by_count = 0;
    ret_ask->step_ns = day_ns;
    ret_ask->limit = QUERY_PROJECTION_DAYS + 2;
    ret_ask->scope.range =
        (struct time_range){ today - QUERY_PROJECTION_DAYS * day_ns, plan->now_ns };
}

static uint32_t days_left_of_month(int64_t today)
{
    uint32_t left = 0;
    int32_t month = day_from_time(today) / 100;
    while (day_from_time(today + (int64_t)(left + 1) * day_ns) / 100 == month)
        left++;
    return left;
}

void query_project_metric(const struct query_aggregate *plan, const struct store_group *days,
                          size_t count, uint32_t metric, struct query_projection *ret_projection)
{
    double sums[QUERY_PROJECTION_DAYS] = { 0 };
    int64_t today = today_of(plan->now_ns), first = today - QUERY_PROJECTION_DAYS * day_ns;
    int32_t month = day_from_time(today) / 100;
    uint32_t place = plan->metrics[metric].top;
    size_t begin = QUERY_PROJECTION_DAYS;
    struct query_days of = { .days_left = days_left_of_month(today) };
    of.today_over = (double)(plan->now_ns - today) / (double)day_ns;
    for (size_t i = 0; i < count; i++) {
        double value = days[i].known[place] ? days[i].values[place] : 0;
        if (day_from_time(days[i].bucket_ns) / 100 == month)
            of.month_so_far += value;
        if (days[i].bucket_ns < first || days[i].bucket_ns >= today)
            continue;
        size_t at = (size_t)((days[i].bucket_ns - first) / day_ns);
        sums[at] = value;
        begin = MIN(begin, at);
    }
    of.days = sums + begin; /* days before the first one with spans say nothing */
    of.count = QUERY_PROJECTION_DAYS - begin;
    of.first_weekday = (uint32_t)((first / day_ns + (int64_t)begin) % WEEK);
    query_project(&of, ret_projection);
}
