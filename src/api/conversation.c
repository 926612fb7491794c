/* conversation.c -- GET /api/v1/conversations/{id}: one conversation, turn by turn.
 *
 * Four questions and one more per turn, for its scores: the numbers of the whole, its traces, their
 * spans.  The largest input of a turn says how full the context was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "query/report.h"
#include "sys/clock.h"

#include <stdlib.h>

enum { TURNS_SHOWN_MAX = 200, TURN_SPANS_MAX = 10000 };

struct turns {
    const struct query_aggregate *plan;
    const struct store_group *group;
    const struct filter *filter;
    struct trace_row *traces;
    struct store_span *spans; /* by trace, then as they came */
    size_t trace_count, span_count;
};

static int span_cmp(const void *a, const void *b)
{
    const struct store_span *x = a, *y = b;
    return memcmp(&x->span.trace_id, &y->span.trace_id, sizeof x->span.trace_id);
}

static enum err ask_whole(struct api_job *job, struct turns *turns, struct diag *why)
{
    struct query_aggregate *plan = arena_new(&job->arena, struct query_aggregate, 1);
    struct filter *is_session = arena_new(&job->arena, struct filter, 1);
    const struct query_key of = { QUERY_VIEW_SESSIONS, job->params[0] };
    struct store_group *groups;
    size_t count;
    if (!plan || !is_session)
        return ERR_LIMIT;
    enum err err =
        query_plan_key(&job->arena, &of, job->query, job->query_count, clock_now_ns(), plan, why);
    if (!err)
        err = api_ask_groups(job, &plan->ask, &groups, &count, why);
    if (err)
        return err;
    if (count == 0) {
        (void)diag_set(why, ERR_NOT_FOUND, "no conversation of that id in this range");
        (void)diag_hint(why, "the default range is the last 90 days: 'from' and 'to' change it");
        return ERR_NOT_FOUND;
    }
    *is_session =
        (struct filter){ .op = FILTER_EQ, .field = FIELD_session_id, .value = value_str(of.key) };
    *turns = (struct turns){ .plan = plan, .group = &groups[0], .filter = is_session };
    return ERR_OK;
}

static enum err ask_parts(struct api_job *job, struct turns *turns, struct diag *why)
{
    const struct api_config *config = &job->worker->api->config;
    struct store_list list = { .scope = turns->plan->ask.scope,
                               .filter = turns->filter,
                               .sort = STORE_SORT_START,
                               .limit = TURNS_SHOWN_MAX };
    enum err err = config->store_ops->traces(config->store, &list, &job->arena, &turns->traces,
                                             &turns->trace_count, why);
    list.limit = TURN_SPANS_MAX;
    if (!err)
        err = config->store_ops->spans(config->store, &list, &job->arena, &turns->spans,
                                       &turns->span_count, why);
    if (!err && turns->span_count > 0)
        qsort(turns->spans, turns->span_count, sizeof *turns->spans, span_cmp);
    return err;
}

/* The spans of one trace. */
static const struct store_span *spans_of(const struct turns *turns, struct id16 trace_id,
                                         size_t *ret_count)
{
    struct store_span key = { .log_segment = 0 };
    key.span.trace_id = trace_id;
    *ret_count = 0;
    const struct store_span *found =
        turns->span_count ? bsearch(&key, turns->spans, turns->span_count, sizeof key, span_cmp)
                          : NULL;
    if (!found)
        return NULL;
    while (found > turns->spans && span_cmp(found - 1, &key) == 0)
        found--;
    const struct store_span *end = turns->spans + turns->span_count;
    while (found + *ret_count < end && span_cmp(found + *ret_count, &key) == 0)
        (*ret_count)++;
    return found;
}

/* The counted model call with the largest input; NULL: none says it. */
static const struct span *largest_input(const struct store_span *spans, size_t count)
{
    const struct span *largest = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct span *span = &spans[i].span;
        bool is_call = str_equal_c(span->step, "model") && SPAN_KNOWS(span, input_tokens) &&
                       !(SPAN_KNOWS(span, rollup) && span->rollup);
        if (is_call && (!largest || span->input_tokens > largest->input_tokens))
            largest = span;
    }
    return largest;
}

static void add_context(struct buf *out, const struct price_table *prices,
                        const struct store_span *spans, size_t count)
{
    static const struct span nothing = { .input_tokens = 0 };
    const struct span *found = largest_input(spans, count);
    const struct span *call = found ? found : &nothing;
    str model = SPAN_KNOWS(call, generator_model) ? call->generator_model
                : SPAN_KNOWS(call, request_model) ? call->request_model
                                                  : STR_NONE;
    str provider = SPAN_KNOWS(call, provider) ? call->provider : STR_NONE;
    double input = (double)call->input_tokens;
    double context = (double)(str_is_none(model) ? 0 : price_context(prices, provider, model));
    double share = context > 0 ? input / context : 0;
    report_member(out, "context");
    buf_add_char(out, '{');
    report_text(out, "generator_model", model);
    report_value(out, "input_tokens", QUERY_KIND_COUNT, found ? &input : NULL);
    report_value(out, "context_tokens", QUERY_KIND_COUNT, context > 0 ? &context : NULL);
    report_value(out, "share", QUERY_KIND_SHARE, context > 0 ? &share : NULL);
    buf_add_char(out, '}');
}

static uint64_t turn_count(const struct turns *turns)
{
    for (uint32_t i = 0; i < turns->plan->metric_count; i++) {
        double count;
        if (str_equal_c(turns->plan->metrics[i].name, "turns") &&
            query_metric_value(turns->plan, &turns->plan->ask, turns->group, i, &count))
            return MAX((uint64_t)count, (uint64_t)turns->trace_count);
    }
    return turns->trace_count;
}

static enum err add_turns(struct api_job *job, const struct turns *turns, struct diag *why)
{
    struct buf *out = &job->body;
    uint64_t count = turn_count(turns);
    enum err err = ERR_OK;
    report_member(out, "items");
    buf_add_char(out, '[');
    for (size_t i = 0; i < turns->trace_count && !err; i++) { /* the newest came first */
        const struct trace_row *trace = &turns->traces[turns->trace_count - 1 - i];
        size_t span_count;
        const struct store_span *spans = spans_of(turns, trace->trace_id, &span_count);
        buf_add_c(out, i ? ",{" : "{");
        report_count(out, "turn", count - turns->trace_count + i + 1);
        report_member(out, "trace");
        query_trace_json(out, trace);
        add_context(out, job->worker->api->config.prices, spans, span_count);
        err = api_trace_scores(job, trace->trace_id, spans, span_count, why);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return err;
}

API_HANDLER(api_get_conversation)
{
    struct turns turns;
    enum err err = ask_whole(job, &turns, reterr_why);
    if (!err)
        err = ask_parts(job, &turns, reterr_why);
    if (err)
        return err;
    buf_add_char(&job->body, '{');
    query_key_json(&job->body, turns.plan, turns.group);
    err = add_turns(job, &turns, reterr_why);
    buf_add_c(&job->body, "}\n");
    return err;
}
