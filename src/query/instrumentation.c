/* instrumentation.c -- what to ask for a report of instrumentation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/instrumentation.h"
#include "query/query_int.h"

#define SHOWN true
#define STAGE false
#define BY(source) (UINT32_C(1) << SCORE_BY_##source)
const struct share_info share_table[SHARE_COUNT] = {
#define SHARE(id, name, place, filter, trace_filter, sources, only, how)                           \
    [SHARE_##id] = { name, place, filter, trace_filter, sources, only, how },
#include "query/share.def"
#undef SHARE
};

static const char calls_filter[] = "step:model not rollup:true";
static const char whole_filter[] = "not step:(model or embedding)"; /* of a trace's root */

static enum err parse(struct arena *arena, const char *text, const struct filter **ret_filter,
                      struct diag *reterr_why)
{
    *ret_filter = NULL;
    return text[0] ? query_parse_filter(arena, str_from_c(text), 0, ret_filter, reterr_why)
                   : ERR_OK;
}

static enum err calls_plan(struct arena *arena, struct store_shares *to, struct diag *reterr_why)
{
    struct store_condition *conditions = arena_new(arena, struct store_condition, SHARE_COUNT);
    if (!conditions)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the question");
    enum err code = parse(arena, calls_filter, &to->filter, reterr_why);
    for (size_t i = 0; i < SHARE_COUNT && code == ERR_OK; i++) {
        const struct share_info *info = &share_table[i];
        conditions[i].score_sources = info->sources;
        code = parse(arena, info->filter, &conditions[i].filter, reterr_why);
        if (code == ERR_OK)
            code = parse(arena, info->trace_filter, &conditions[i].trace_filter, reterr_why);
        if (code == ERR_OK)
            code = parse(arena, info->only, &conditions[i].only, reterr_why);
    }
    static const enum field by[] = { FIELD_service, FIELD_name, FIELD_prompt_template_id,
                                     FIELD_prompt_version, FIELD_release };
    _Static_assert(COUNT_OF(by) <= STORE_SHARES_BY_MAX, "the store groups by so many");
    _Static_assert((int)SHARE_COUNT <= (int)STORE_CONDITIONS_MAX, "the store asks so many at once");
    memcpy(to->by, by, sizeof by);
    to->by_count = COUNT_OF(by);
    to->conditions = conditions;
    to->condition_count = SHARE_COUNT;
    to->limit = INSTRUMENTATION_GROUPS_MAX;
    return code;
}

static enum err traces_plan(struct arena *arena, struct store_shares *to, struct diag *reterr_why)
{
    struct store_condition *condition = arena_new(arena, struct store_condition, 1);
    if (!condition)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the question");
    to->of_traces = true;
    to->by[0] = FIELD_service;
    to->by[1] = FIELD_name;
    to->by_count = 2;
    to->conditions = condition;
    to->condition_count = 1;
    to->limit = INSTRUMENTATION_GROUPS_MAX;
    return parse(arena, whole_filter, &condition->filter, reterr_why);
}

static struct store_aggregate counts_by(const enum field *by, uint32_t count)
{
    struct store_aggregate counts = {
        .measures = { { .op = STORE_OP_COUNT, .of = STORE_OF_SPANS, .name = STR_NONE } },
        .measure_count = 1,
        .by_count = count,
        .limit = QUERY_LIMIT_MAX,
    };
    memcpy(counts.by, by, count * sizeof *by);
    return counts;
}

enum err query_plan_instrumentation(struct arena *arena, const struct query_param *params,
                                    size_t count, int64_t now_ns,
                                    struct instrumentation_ask *ret_ask, struct diag *reterr_why)
{
    static const char *const allowed[] = { "from", "to", "limit" };
    static const enum field service = FIELD_service;
    static const enum field emitter[] = { FIELD_scope_name, FIELD_scope_version, FIELD_dialect,
                                          FIELD_convention };
    struct asked asked = { params, count, now_ns };
    struct time_range range;
    struct instrumentation_ask ask = { .spans = counts_by(&service, 1),
                                       .emitters = counts_by(emitter, COUNT_OF(emitter)) };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_range(&asked, &range, reterr_why);
    if (code == ERR_OK)
        code = plan_limit(&asked, QUERY_LIMIT_DEFAULT, QUERY_LIMIT_MAX, &ask.limit, reterr_why);
    if (code == ERR_OK)
        code = calls_plan(arena, &ask.calls, reterr_why);
    if (code == ERR_OK)
        code = traces_plan(arena, &ask.traces, reterr_why);
    if (code != ERR_OK)
        return code;
    ask.emitters.filter = ask.calls.filter;
    ask.calls.scope.range = ask.traces.scope.range = range;
    ask.spans.scope.range = ask.emitters.scope.range = range;
    *ret_ask = ask;
    return ERR_OK;
}
