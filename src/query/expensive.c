/* expensive.c -- the dearest requests and why.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/expensive.h"
#include "query/query_int.h"

enum total { TRACES, COST, CALLS, INPUT, OUTPUT, RETRIES, TOTALS };

/* Sums over some traces. */
struct sums {
    double of[TOTALS];
};
enum reason { BY_CALLS, BY_RETRIES, BY_INPUT, BY_OUTPUT, BY_PRICE, REASONS };
static const char *const reason_names[REASONS] = { "calls", "retries", "tokens_in", "tokens_out",
                                                   "model" };

enum err query_plan_expensive(struct arena *arena, const struct query_param *params, size_t count,
                              int64_t now_ns, struct expensive_ask *ret_ask,
                              struct diag *reterr_why)
{
    static const char *const allowed[] = { "q", "from", "to", "limit" };
    static const struct report_part part = {
        .metrics = "traces(has:cost and not rollup:true),cost,count(has:cost and not rollup:true),"
                   "input_tokens,output_tokens,sender_retries"
    };
    const struct report_request request = { params, count, now_ns };
    const struct asked asked = { params, count, now_ns };
    struct store_list *list = &ret_ask->traces;
    *ret_ask = (struct expensive_ask){ .traces.sort = STORE_SORT_COST };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = report_plan(arena, &request, &part, &ret_ask->totals, reterr_why);
    if (code == ERR_OK)
        code = plan_filter(arena, &asked, &list->filter, reterr_why);
    if (code == ERR_OK)
        code = plan_limit(&asked, EXPENSIVE_DEFAULT, EXPENSIVE_MAX, &list->limit, reterr_why);
    list->scope = ret_ask->totals.ask.scope;
    return code;
}

static struct sums sums_of(const struct trace_row *trace)
{
    return (struct sums){ { [TRACES] = 1,
                            [COST] = (double)trace->cost_nanousd,
                            [CALLS] = trace->model_call_count,
                            [INPUT] = trace->has_input ? (double)trace->input_tokens : 0,
                            [OUTPUT] = trace->has_output ? (double)trace->output_tokens : 0,
                            [RETRIES] = trace->retry_count } };
}

static double per(const struct sums *sums, enum total what, enum total each)
{
    return sums->of[each] > 0 ? sums->of[what] / sums->of[each] : 0;
}

/* What the reasons compare. */
static double measure(const struct sums *sums, enum reason reason)
{
    double tokens = sums->of[INPUT] + sums->of[OUTPUT];
    switch (reason) {
    case BY_CALLS:
        return (sums->of[CALLS] - sums->of[RETRIES]) / MAX(sums->of[TRACES], 1.0);
    case BY_RETRIES: /* 1 and up, so that the first retry is no infinite excess */
        return 1 + per(sums, RETRIES, CALLS) * per(sums, CALLS, TRACES);
    case BY_INPUT:
        return per(sums, INPUT, CALLS);
    case BY_OUTPUT:
        return per(sums, OUTPUT, CALLS);
    case BY_PRICE:
        return tokens > 0 ? sums->of[COST] / tokens : 0;
    case REASONS:
        break;
    }
    return 0;
}

static void add_trace(struct buf *out, const struct trace_row *trace, const struct sums *others)
{
    struct sums own = sums_of(trace);
    double usual = per(others, COST, TRACES), best = 1;
    double times = usual > 0 ? own.of[COST] / usual : 0;
    const char *why = NULL;
    for (int i = 0; i < REASONS; i++) {
        double theirs = measure(others, (enum reason)i);
        double excess = theirs > 0 ? measure(&own, (enum reason)i) / theirs : 0;
        if (excess > best) {
            best = excess;
            why = reason_names[i];
        }
    }
    report_value(out, "times", QUERY_KIND_NUMBER, usual > 0 ? &times : NULL);
    report_bool(out, "runaway", times >= RUNAWAY_TIMES);
    report_word(out, "reason", why);
    report_value(out, "reason_times", QUERY_KIND_NUMBER, why ? &best : NULL);
    report_member(out, "trace");
    query_trace_json(out, trace);
}

void query_expensive_json(struct buf *out, const struct expensive_ask *ask,
                          const struct trace_row *traces, size_t count,
                          const struct store_group *totals)
{
    const struct query_aggregate *plan = &ask->totals;
    struct sums others = { { 0 } };
    for (uint32_t i = 0; i < TOTALS && totals; i++)
        (void)query_metric_value(plan, &plan->ask, totals, i, &others.of[i]);
    double whole = others.of[COST];
    while (count > 0 && !traces[count - 1].has_cost) /* unknown comes last */
        count--;
    for (size_t i = 0; i < count; i++) {
        struct sums own = sums_of(&traces[i]);
        for (int what = 0; what < TOTALS; what++)
            others.of[what] = MAX(others.of[what] - own.of[what], 0.0);
    }
    double usual = per(&others, COST, TRACES);
    report_value(out, "cost_usd", QUERY_KIND_NANO, totals ? &whole : NULL);
    report_value(out, "usual_cost_usd", QUERY_KIND_NANO, others.of[TRACES] > 0 ? &usual : NULL);
    report_member(out, "items");
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add_c(out, i ? ",{" : "{");
        add_trace(out, &traces[i], &others);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    report_range(out, "range", &plan->ask.scope.range);
}
