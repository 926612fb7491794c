/* cost_parts.c -- a change of spend as the sum of what changed: calls, models, tokens, cache,
 * prices.
 *
 * The spend of a period is written as a product of factors, per model and apart for first calls and
 * repeats:  calls x (1 + repeats) x share of the model x (input x ((1 - cached) x price + cached x
 * price) + output x price + other).  Factors are changed from the period before to the one after
 * one by one; since what one does depends on what has been changed before it, the mean over all
 * orders is taken.  Whatever the order, the steps lead from one spend to the other: the parts sum
 * to the change.
 *
 * A model that one period does not have has there the tokens and prices of the other, so that all
 * it contributes is a change of models.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/changes.h"
#include "query/query_int.h"

#include <math.h>
#include <stdlib.h>

const char *const cost_part_names[COST_PART_COUNT] = { "calls",      "retries_and_fallbacks",
                                                       "models",     "tokens_in",
                                                       "tokens_out", "cache",
                                                       "prices",     "other" };

/* -- factors -- */

/* What a call of one model is like in one period. */
struct factors {
    double share;                        /* of the first calls, or of the repeats */
    double input, output, cached, other; /* per call; share; tokens */
    double price_fresh, price_cached, price_output;
    bool has_fresh, has_cached, has_output;
};
struct state {
    double calls[2], repeats[2]; /* repeats: per first call */
    struct factors (*models)[2];
    const struct cost_model *of;
    size_t count;
    bool is_merged; /* repeats count as first calls */
};

static struct factors factors_of(const struct cost_sums *sums, double calls)
{
    double input = sums->fresh + sums->cached;
    double known = (sums->fresh > 0 ? sums->cost_fresh : 0) +
                   (sums->cached > 0 ? sums->cost_cached : 0) +
                   (sums->output > 0 ? sums->cost_output : 0);
    struct factors factors = { .share = calls > 0 ? sums->calls / calls : 0 };
    if (!(sums->calls > 0))
        return factors;
    factors.input = input / sums->calls;
    factors.output = sums->output / sums->calls;
    factors.cached = input > 0 ? sums->cached / input : 0;
    factors.other = (sums->cost - known) / sums->calls;
    factors.has_fresh = sums->fresh > 0;
    factors.has_cached = sums->cached > 0;
    factors.has_output = sums->output > 0;
    factors.price_fresh = factors.has_fresh ? sums->cost_fresh / sums->fresh : 0;
    factors.price_cached = factors.has_cached ? sums->cost_cached / sums->cached : 0;
    factors.price_output = factors.has_output ? sums->cost_output / sums->output : 0;
    return factors;
}

/* What a period cannot tell is as in the other. */
static void factors_fill(struct factors *to, const struct factors *from)
{
    double share = to->share;
    if (!(share > 0)) {
        *to = *from;
        to->share = share;
        return;
    }
    if (!to->has_fresh)
        to->price_fresh = from->price_fresh;
    if (!to->has_cached)
        to->price_cached = from->has_cached ? from->price_cached : to->price_fresh;
    if (!to->has_output)
        to->price_output = from->price_output;
}

static bool is_repeat(const struct state *state, size_t model)
{
    return state->of[model].is_repeat && !state->is_merged;
}

/* [0] first calls, [1] repeats, of a period. */
static void calls_of(const struct state *state, int period, double ret_calls[2])
{
    ret_calls[0] = ret_calls[1] = 0;
    for (size_t i = 0; i < state->count; i++)
        ret_calls[is_repeat(state, i)] += state->of[i].sums[period].calls;
}

static void state_make(struct state *state, struct factors (*room)[2],
                       const struct cost_model *models, size_t count)
{
    double calls[2][2];
    *state = (struct state){ .models = room, .of = models, .count = count };
    for (int period = 0; period < 2; period++) {
        calls_of(state, period, calls[period]);
        /* repeats of calls that lie before the period: they are calls like others */
        if (!(calls[period][0] > 0) && calls[period][1] > 0)
            state->is_merged = true;
    }
    for (int period = 0; period < 2; period++) {
        calls_of(state, period, calls[period]);
        state->calls[period] = calls[period][0];
        for (size_t i = 0; i < count; i++)
            room[i][period] =
                factors_of(&models[i].sums[period], calls[period][is_repeat(state, i)]);
    }
    for (int period = 0; period < 2; period++) {
        int from = calls[period][0] > 0 ? period : 1 - period; /* nothing: as in the other */
        state->repeats[period] = calls[from][0] > 0 ? calls[from][1] / calls[from][0] : 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct factors before = room[i][0];
        factors_fill(&room[i][0], &room[i][1]);
        factors_fill(&room[i][1], &before);
        for (int period = 0; period < 2; period++) /* a side without any call: as in the other */
            if (!(calls[period][is_repeat(state, i)] > 0))
                room[i][period].share = room[i][1 - period].share;
    }
}

/* The spend with the factors of `after` changed already. */
static double spend(const struct state *state, unsigned after)
{
    int of[COST_PART_COUNT];
    double sum = 0;
    for (int part = 0; part < COST_PART_COUNT; part++)
        of[part] = (int)(after >> part & 1);
    for (size_t i = 0; i < state->count; i++) {
        const struct factors *model = state->models[i];
        const struct factors *prices = &model[of[COST_PART_PRICES]];
        double cached = model[of[COST_PART_CACHE]].cached;
        double call = model[of[COST_PART_INPUT]].input *
                          ((1 - cached) * prices->price_fresh + cached * prices->price_cached) +
                      model[of[COST_PART_OUTPUT]].output * prices->price_output +
                      model[of[COST_PART_OTHER]].other;
        double calls = state->calls[of[COST_PART_CALLS]];
        if (is_repeat(state, i))
            calls *= state->repeats[of[COST_PART_REPEATS]];
        sum += calls * model[of[COST_PART_MODELS]].share * call;
    }
    return sum;
}

static int64_t spent(const struct cost_model *models, size_t count, int period)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += models[i].sums[period].cost;
    return llround(sum);
}

void cost_parts(const struct cost_model *models, size_t count, int64_t ret_parts[COST_PART_COUNT])
{
    enum { STATES = 1 << COST_PART_COUNT };
    struct factors(*room)[2] = xcalloc(count + 1, sizeof *room);
    double spends[STATES], orders[COST_PART_COUNT];
    int64_t left = spent(models, count, 1) - spent(models, count, 0);
    int largest = 0;
    struct state state;
    state_make(&state, room, models, count);
    for (unsigned after = 0; after < STATES; after++)
        spends[after] = spend(&state, after);
    /* k changed before it: k! (n - 1 - k)! / n! of the orders */
    for (int k = 0; k < COST_PART_COUNT; k++)
        orders[k] =
            exp(lgamma(k + 1.0) + lgamma(COST_PART_COUNT - k) - lgamma(COST_PART_COUNT + 1.0));
    for (int part = 0; part < COST_PART_COUNT; part++) {
        double sum = 0;
        for (unsigned after = 0; after < STATES; after++)
            if (!(after >> part & 1))
                sum += orders[__builtin_popcount(after)] *
                       (spends[after | 1U << part] - spends[after]);
        ret_parts[part] = llround(sum);
        left -= ret_parts[part];
        if (llabs(ret_parts[part]) > llabs(ret_parts[largest]))
            largest = part;
    }
    ret_parts[largest] += left; /* of rounding */
    xfree(room);
}

/* -- asked and answered -- */

enum sum { CALLS, COST, FRESH, CACHED, OUTPUT, COST_FRESH, COST_CACHED, COST_TEXT, COST_REASONING };

enum err cost_plan(struct arena *arena, const struct query_aggregate *changes,
                   const struct query_param *params, size_t count, bool is_repeat,
                   struct query_aggregate *ret_plan, struct diag *reterr_why)
{
    static const char metrics[] =
        "count,cost,input_fresh_tokens,cache_read_tokens,output_tokens,cost_input_fresh,"
        "cost_cache_read,cost_output_text,cost_reasoning";
    const struct report_request request = { params, count, changes->now_ns };
    const struct report_part part = {
        .metrics = metrics,
        .by = "provider,generator_model",
        .filter = is_repeat
                      ? "has:cost not rollup:true (attempt>1 or has:retry_of or fallback:true)"
                      : "has:cost not rollup:true not (attempt>1 or has:retry_of or "
                        "fallback:true)",
        .limit = QUERY_LIMIT_MAX
    };
    enum err code = report_plan(arena, &request, &part, ret_plan, reterr_why);
    ret_plan->ask.scope.range = changes->ask.scope.range;
    ret_plan->baseline_range = changes->baseline_range;
    ret_plan->compare = QUERY_COMPARE_RANGE;
    return code;
}

static bool is_same(str a, str b)
{
    return str_is_none(a) == str_is_none(b) && (str_is_none(a) || str_equal(a, b));
}

void cost_models_add(struct cost_model *models, size_t *count, const struct store_group *groups,
                     size_t group_count, bool is_repeat, int period)
{
    for (size_t g = 0; g < group_count; g++) {
        const struct store_group *group = &groups[g];
        const double *values = group->values; /* of what no span knows 0 */
        size_t i = 0;
        while (i < *count &&
               !(models[i].is_repeat == is_repeat && is_same(models[i].provider, group->by[0]) &&
                 is_same(models[i].model, group->by[1])))
            i++;
        if (i == *count)
            models[(*count)++] = (struct cost_model){ .provider = group->by[0],
                                                      .model = group->by[1],
                                                      .is_repeat = is_repeat };
        models[i].sums[period] = (struct cost_sums){
            .calls = values[CALLS],
            .cost = values[COST],
            .fresh = values[FRESH],
            .cached = values[CACHED],
            .output = values[OUTPUT],
            .cost_fresh = values[COST_FRESH],
            .cost_cached = values[COST_CACHED],
            .cost_output = values[COST_TEXT] + values[COST_REASONING],
        };
    }
}

void query_cost_parts_json(struct buf *out, const int64_t parts[COST_PART_COUNT])
{
    bool done[COST_PART_COUNT] = { false };
    int64_t change = 0;
    for (int i = 0; i < COST_PART_COUNT; i++)
        change += parts[i];
    report_member(out, "parts");
    buf_add_char(out, '[');
    for (int shown = 0; shown < COST_PART_COUNT; shown++) {
        int largest = -1;
        for (int i = 0; i < COST_PART_COUNT; i++)
            if (!done[i] && (largest < 0 || llabs(parts[i]) > llabs(parts[largest])))
                largest = i;
        done[largest] = true;
        double usd = (double)parts[largest], share = change ? usd / (double)change : 0;
        buf_add_c(out, shown ? ",{" : "{");
        report_word(out, "name", cost_part_names[largest]);
        report_value(out, "usd", QUERY_KIND_NANO, &usd);
        report_value(out, "share", QUERY_KIND_NUMBER, change ? &share : NULL);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}
