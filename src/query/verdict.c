/* verdict.c -- GET /api/v1/verdicts: one plan, three words.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/verdict.h"
#include "query/query_int.h"

#define CALLS "step:model and not rollup:true"
#define FAILED                                                                                     \
    "any(" CALLS ") not any(" CALLS " and not status:error and not refusal_flag:true and not "     \
    "safety_blocked:true and not parse_ok:false and not answered:false and not success:false)"

enum number {
    REQUESTS,
    LATENCY,
    COST,
    UNPRICED,
    SUCCESS,
    ANSWERED,
    EVAL_PASS,
    EVALS,
    THUMBS_DOWN,
    NUMBERS
};
static const char metrics[] = "count(not has:parent),p95(latency) where not has:parent,"
                              "cost_per_day,unpriced_share,success_rate,traces(" CALLS
                              "),eval_pass_rate,evals,thumbs_down_rate";

enum err query_plan_verdicts(struct arena *arena, const struct query_param *params, size_t count,
                             int64_t now_ns, struct query_aggregate *ret_plan,
                             struct diag *reterr_why)
{
    static const char *const allowed[] = { "q", "from", "to" };
    static const struct report_part part = { .metrics = metrics, .compare = "previous" };
    const struct report_request request = { params, count, now_ns };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = report_plan(arena, &request, &part, ret_plan, reterr_why);
    assert(code != ERR_OK || ret_plan->metric_count == NUMBERS);
    return code;
}

enum verdict verdict_of(double value, double objective, double before, double slack)
{
    static const double warn_over = 1.2, good_change = 1.1, warn_change = 1.5;
    if (objective >= 0)
        return value <= objective               ? VERDICT_GOOD
               : value <= objective * warn_over ? VERDICT_WARN
                                                : VERDICT_BAD;
    if (before < 0)
        return VERDICT_UNKNOWN;
    return value <= MAX(before * good_change, before + slack)       ? VERDICT_GOOD
           : value <= MAX(before * warn_change, before + 5 * slack) ? VERDICT_WARN
                                                                    : VERDICT_BAD;
}

/* What one of the three is judged by. */
struct judged {
    const char *name, *metric, *unit;
    enum query_kind kind;
    enum number number, enough; /* enough: how many it is of */
    bool fails;                 /* its complement is what may not grow */
    double slack;
    double objective; /* in the number's own unit; < 0: none */
    str filter;       /* evidence among traces; STR_NONE: among scores */
    const char *sort;
};

static bool number_of(const struct verdicts_found *found, bool is_before, enum number number,
                      double *ret_value)
{
    const struct store_group *group = is_before ? found->before : found->now;
    const struct store_aggregate *ask = is_before ? found->baseline_ask : &found->plan->ask;
    *ret_value = 0;
    return group && ask && query_metric_value(found->plan, ask, group, number, ret_value);
}

static bool has_enough(const struct verdicts_found *found, const struct judged *of, bool is_before)
{
    double count;
    return number_of(found, is_before, of->enough, &count) && count >= VERDICT_COUNT_MIN;
}

static enum verdict judge(const struct verdicts_found *found, const struct judged *of,
                          const char **ret_why)
{
    double value, before, unpriced;
    bool is_known = number_of(found, false, of->number, &value);
    bool has_before = number_of(found, true, of->number, &before) && has_enough(found, of, true);
    *ret_why = "nothing says it in this range";
    if (!is_known)
        return VERDICT_UNKNOWN;
    *ret_why = "too few to judge by";
    if (!has_enough(found, of, false))
        return VERDICT_UNKNOWN;
    *ret_why = "more than a tenth of the model calls have no price";
    if (of->number == COST && number_of(found, false, UNPRICED, &unpriced) && unpriced > 0.1)
        return VERDICT_UNKNOWN;
    *ret_why = "neither an objective nor enough before this range to compare with";
    if (of->objective >= 0)
        *ret_why = "against the objective";
    else if (has_before)
        *ret_why = "against the period before";
    double bad = of->fails ? 1 - value : value;
    double bad_before = !has_before ? -1 : of->fails ? 1 - before : before;
    double allowed = of->objective < 0 ? -1 : of->fails ? 1 - of->objective : of->objective;
    return verdict_of(bad, allowed, bad_before, of->slack);
}

static void add_href(struct buf *out, const struct verdicts_found *found, const struct judged *of)
{
    const struct time_range *range = &found->plan->ask.scope.range;
    const char *separator = "?";
    report_member(out, "href");
    buf_printf(out, "\"/api/v1/%s", str_is_none(of->filter) ? "scores" : "traces");
    if (!str_is_none(of->filter)) {
        buf_add_c(out, "?q=");
        report_url_value(out, of->filter);
        buf_printf(out, "&sort=%s", of->sort);
        separator = "&";
    }
    buf_printf(out, "%sfrom=%lld&to=%lld\"", separator, (long long)range->from_ns,
               (long long)range->to_ns);
}

static void add_verdict(struct buf *out, const struct verdicts_found *found,
                        const struct judged *of)
{
    static const char *const words[] = { "unknown", "good", "warn", "bad" };
    const char *why;
    double value, before, count;
    enum verdict verdict = judge(found, of, &why);
    bool is_known = number_of(found, false, of->number, &value);
    bool has_before = number_of(found, true, of->number, &before);
    bool has_count = number_of(found, false, of->enough, &count);
    double change = has_before && before > 0 ? (value - before) / before : 0;
    report_word(out, "name", of->name);
    report_word(out, "verdict", words[verdict]);
    report_word(out, "why", why);
    report_word(out, "metric", of->metric);
    report_word(out, "unit", of->unit);
    report_value(out, "value", of->kind, is_known ? &value : NULL);
    report_value(out, "count", QUERY_KIND_COUNT, has_count ? &count : NULL);
    report_value(out, "objective", of->kind, of->objective >= 0 ? &of->objective : NULL);
    report_value(out, "baseline", of->kind, has_before ? &before : NULL);
    report_value(out, "change", QUERY_KIND_NUMBER,
                 is_known && has_before && before > 0 ? &change : NULL);
    report_text(out, "filter", of->filter);
    add_href(out, found, of);
}

/* q= and what makes a trace evidence. */
static str evidence(struct arena *arena, const struct verdicts_found *found, str filter)
{
    return str_is_empty(found->q) || str_is_none(filter)
               ? filter
               : arena_printf(arena, "(%.*s) and (%.*s)", STR_ARG(found->q), STR_ARG(filter));
}

static double nano(double usd)
{
    static const double per_usd = 1e9;
    return usd * per_usd;
}

enum err query_verdicts_json(struct buf *out, struct arena *arena,
                             const struct verdicts_found *found, struct diag *reterr_why)
{
    const struct objectives *aim = &found->objectives;
    double latency, evals;
    bool has_latency = number_of(found, false, LATENCY, &latency);
    bool by_evals = number_of(found, false, EVALS, &evals) && evals >= VERDICT_COUNT_MIN;
    str slow = has_latency ? arena_printf(arena, "latency>=%lldus", (long long)(latency / 1e3))
                           : STR_OF("has:latency");
    struct judged all[] = {
        { "fast", "latency_p95", "ms", QUERY_KIND_NS, LATENCY, REQUESTS, false, 0,
          aim->latency_p95_ns > 0 ? (double)aim->latency_p95_ns : -1, slow, "latency" },
        { "affordable", "cost_per_day", "usd", QUERY_KIND_NANO, COST, ANSWERED, false, 0,
          aim->cost_per_day_usd > 0 ? nano(aim->cost_per_day_usd) : -1, STR_OF("cost>0"), "cost" },
        { "correct", by_evals ? "eval_pass_rate" : "success_rate", "share", QUERY_KIND_SHARE,
          by_evals ? EVAL_PASS : SUCCESS, by_evals ? EVALS : ANSWERED, true, 0.01,
          aim->quality > 0 ? aim->quality : -1, by_evals ? STR_NONE : STR_OF(FAILED), "start" },
    };
    buf_add_c(out, "{\"items\":[");
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        bool has_filter = !str_is_none(all[i].filter);
        all[i].filter = evidence(arena, found, all[i].filter);
        if (has_filter && str_is_none(all[i].filter))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
        buf_add_c(out, i ? ",{" : "{");
        add_verdict(out, found, &all[i]);
        if (found->now)
            report_trace_id(out, "exemplar_trace_id", found->now->exemplar_trace_id);
        else
            report_word(out, "exemplar_trace_id", NULL);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    report_range(out, "range", &found->plan->ask.scope.range);
    report_range(out, "baseline", &found->plan->baseline_range);
    buf_add_char(out, '}');
    return ERR_OK;
}
