/* meter_span.c -- which numbers a settled span adds to, under which labels.
 *
 * The same spans as those of the metrics of that meaning in query/metric.def: a model call is a
 * span of step `model` that is no rollup, usage and cost are of all that are no rollup.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/meter_int.h"

#include <stdlib.h>

#define SPAN_IS(span, field, text) (SPAN_KNOWS(span, field) && str_equal_c((span)->field, text))
#define SPAN_TEXT(span, field) (SPAN_KNOWS(span, field) ? (span)->field : STR_NONE)
#define READ_IF_KNOWN(reading, meter, span, field)                                                 \
    do {                                                                                           \
        if (SPAN_KNOWS(span, field))                                                               \
            meter_read((reading), METER_##meter, (span)->field);                                   \
    } while (0)
#define READ_IF_TRUE(reading, meter, span, field)                                                  \
    do {                                                                                           \
        if (SPAN_KNOWS(span, field) && (span)->field)                                              \
            meter_read((reading), METER_##meter, 1);                                               \
    } while (0)

str meter_model(const struct span *span)
{
    return SPAN_KNOWS(span, generator_model) ? span->generator_model
                                             : SPAN_TEXT(span, request_model);
}

/* -- what it adds -- */

static bool is_cut(const struct span *span)
{
    static const str words[] = { STR("length"), STR("max_tokens"), STR("MAX_TOKENS") };
    for (uint32_t i = 0; SPAN_KNOWS(span, finish_reason) && i < span->finish_reason.count; i++)
        for (size_t k = 0; k < COUNT_OF(words); k++)
            if (str_equal(span->finish_reason.items[i], words[k]))
                return true;
    return false;
}

static void read_failed_call(struct meter_reading *reading, const struct span *span)
{
    meter_read(reading, METER_provider_errors, 1);
    meter_read(reading, METER_errors, 1);
    if (SPAN_IS(span, error_class, "content_filter"))
        meter_read(reading, METER_content_filters, 1);
    if (SPAN_IS(span, error_class, "timeout"))
        meter_read(reading, METER_timeouts, 1);
}

static void read_call(struct meter_reading *reading, const struct span *span)
{
    meter_read(reading, METER_requests, 1);
    READ_IF_KNOWN(reading, duration, span, latency_ns);
    READ_IF_KNOWN(reading, first_token, span, ttft_ns);
    READ_IF_KNOWN(reading, queue_time, span, queue_ns);
    READ_IF_KNOWN(reading, prompt_chars, span, prompt_length);
    READ_IF_KNOWN(reading, response_chars, span, response_length);
    if (!SPAN_KNOWS(span, input_tokens) || !SPAN_KNOWS(span, output_tokens))
        meter_read(reading, METER_unreported, 1);
    if (is_cut(span))
        meter_read(reading, METER_truncated, 1);
    bool is_repeated =
        (SPAN_KNOWS(span, attempt) && span->attempt > 1) || SPAN_KNOWS(span, retry_of);
    if (is_repeated)
        meter_read(reading, METER_retries, 1);
    else if (!SPAN_KNOWS(span, attempt) && SPAN_KNOWS(span, retry_count) && span->retry_count > 0)
        meter_read(reading, METER_retries, span->retry_count);
    if (SPAN_IS(span, status, "error"))
        read_failed_call(reading, span);
}

static void read_usage(struct meter_reading *reading, const struct span *span, bool is_billed)
{
    READ_IF_KNOWN(reading, input_tokens, span, input_tokens);
    READ_IF_KNOWN(reading, output_tokens, span, output_tokens);
    READ_IF_KNOWN(reading, cache_read, span, cache_read);
    if (SPAN_KNOWS(span, cache_write_5m) || SPAN_KNOWS(span, cache_write_1h))
        meter_read(reading, METER_cache_write,
                   (SPAN_KNOWS(span, cache_write_5m) ? span->cache_write_5m : 0) +
                       (SPAN_KNOWS(span, cache_write_1h) ? span->cache_write_1h : 0));
    READ_IF_KNOWN(reading, cost, span, cost_nanousd);
    READ_IF_TRUE(reading, fallbacks, span, fallback);
    if (is_billed && !SPAN_KNOWS(span, cost_nanousd))
        meter_read(reading, METER_unpriced, 1);
}

static void read_tool(struct meter_reading *reading, const struct span *span)
{
    meter_read(reading, METER_tool_calls, 1);
    READ_IF_KNOWN(reading, tool_duration, span, latency_ns);
    if (SPAN_IS(span, status, "error"))
        meter_read(reading, METER_tool_errors, 1);
}

static void read_step(struct meter_reading *reading, const struct span *span)
{
    if (SPAN_IS(span, step, "tool"))
        read_tool(reading, span);
    else if (SPAN_IS(span, step, "retrieval") || SPAN_IS(span, step, "search"))
        READ_IF_KNOWN(reading, retrieval, span, latency_ns);
    else if (SPAN_IS(span, step, "rerank"))
        READ_IF_KNOWN(reading, rerank, span, latency_ns);
    else if (SPAN_IS(span, step, "guard")) {
        READ_IF_KNOWN(reading, guard_duration, span, latency_ns);
        if (SPAN_KNOWS(span, guard_verdict))
            meter_read(reading, METER_guard_results, 1);
    }
}

/* What its sender thinks of it, in the span itself. */
static void read_verdicts(struct meter_reading *reading, const struct span *span)
{
    if (SPAN_KNOWS(span, parse_ok) && !span->parse_ok)
        meter_read(reading, METER_parse_failures, 1);
    READ_IF_TRUE(reading, hallucinations, span, hallucination_flag);
    READ_IF_TRUE(reading, refusals, span, refusal_flag);
    READ_IF_TRUE(reading, blocks, span, safety_blocked);
    if (SPAN_KNOWS(span, tool_approval))
        meter_read(reading, METER_tool_approvals, 1);
    if (SPAN_IS(span, tool_approval, "denied"))
        meter_read(reading, METER_tool_denied, 1);
    if (SPAN_KNOWS(span, faithfulness))
        meter_read(reading, METER_faithfulness, meter_raw_score(span->faithfulness));
    if (SPAN_KNOWS(span, answer_relevance))
        meter_read(reading, METER_answer_relevance, meter_raw_score(span->answer_relevance));
    if (SPAN_KNOWS(span, context_recall))
        meter_read(reading, METER_eval, meter_raw_score(span->context_recall));
}

static void span_read(const struct span *span, struct meter_reading *ret)
{
    ret->known = 0;
    bool is_counted = !(SPAN_KNOWS(span, rollup) && span->rollup);
    bool is_model = SPAN_IS(span, step, "model");
    if (is_counted)
        read_usage(ret, span, is_model || SPAN_IS(span, step, "embedding"));
    if (is_counted && is_model)
        read_call(ret, span);
    else if (!is_model)
        read_step(ret, span);
    read_verdicts(ret, span);
    READ_IF_KNOWN(ret, iterations, span, agent_iteration); /* the trace has the largest */
}

/* -- under which labels -- */

static void labels_common(const struct trace_row *row, const struct span *span, str *labels)
{
    labels[0] = row->project;
    labels[METER_TENANT] = SPAN_KNOWS(span, tenant_id) ? span->tenant_id : row->tenant_id;
    labels[2] = SPAN_KNOWS(span, feature) ? span->feature : row->feature;
    labels[3] = SPAN_KNOWS(span, environment) ? span->environment : row->environment;
}

static void labels_call(enum meter_set_id id, const struct span *span, str *own)
{
    str model = meter_model(span), provider = SPAN_TEXT(span, provider);
    if (id == METER_SET_PLACE_CALL || id == METER_SET_CALL) {
        own[0] = model;
        own[1] = provider;
        own[2] = SPAN_TEXT(span, prompt_version);
        own[3] = id == METER_SET_PLACE_CALL ? SPAN_TEXT(span, region) : STR_NONE;
    } else if (id == METER_SET_FALLBACK) {
        own[0] = SPAN_TEXT(span, fallback_from);
        own[1] = model;
        own[2] = SPAN_TEXT(span, fallback_reason);
    } else {
        own[0] = provider;
        own[1] = model;
        own[2] = id == METER_SET_ERROR         ? SPAN_TEXT(span, error_type)
                 : id == METER_SET_ERROR_CLASS ? SPAN_TEXT(span, error_class)
                                               : STR_NONE;
    }
}

static void labels_step(enum meter_set_id id, const struct span *span, str *own)
{
    switch ((int)id) {
    case METER_SET_RETRIEVAL:
        own[0] = SPAN_TEXT(span, retriever);
        own[1] = SPAN_TEXT(span, index_name);
        own[2] = SPAN_TEXT(span, retrieval_pipeline_version);
        break;
    case METER_SET_RERANK:
        own[0] = SPAN_TEXT(span, reranker_model_version);
        break;
    case METER_SET_BLOCK:
        own[0] = SPAN_TEXT(span, safety_stage);
        own[1] = SPAN_TEXT(span, safety_policy_version);
        break;
    case METER_SET_GUARD:
    case METER_SET_GUARD_RESULT:
        own[0] = SPAN_TEXT(span, guard_name);
        own[1] = id == METER_SET_GUARD ? STR_NONE : SPAN_TEXT(span, guard_verdict);
        break;
    default: /* of tools */
        own[0] = SPAN_TEXT(span, tool_name);
        own[1] = id == METER_SET_TOOL_ERROR  ? SPAN_TEXT(span, error_type)
                 : id == METER_SET_TOOL_RISK ? SPAN_TEXT(span, tool_risk)
                                             : STR_NONE;
    }
}

/* A verdict that a root has is about the answer of its trace. */
static void labels_judged(enum meter_set_id id, const struct trace_row *row,
                          const struct span *span, str *own)
{
    size_t at = 0;
    str model = meter_model(span);
    if (id == METER_SET_EVAL)
        own[at++] = STR_OF("context_recall");
    own[at++] = str_is_none(model) ? row->generator_model : model;
    own[at++] = SPAN_KNOWS(span, prompt_version) ? span->prompt_version : row->prompt_version;
    if (id == METER_SET_JUDGED)
        own[at++] = SPAN_KNOWS(span, retriever) ? span->retriever : row->retriever;
    own[at++] = SPAN_TEXT(span, judge_model);
    own[at] = SPAN_TEXT(span, sample_type);
}

static void labels_of(enum meter_set_id id, const struct trace_row *row, const struct span *span,
                      str labels[METER_LABELS_MAX])
{
    str *own = labels + METER_COMMON;
    labels_common(row, span, labels);
    for (size_t i = 0; i < METER_OWN_MAX; i++)
        own[i] = STR_NONE;
    if (id <= METER_SET_FALLBACK)
        labels_call(id, span, own);
    else if (id <= METER_SET_GUARD_RESULT)
        labels_step(id, span, own);
    else if (id != METER_SET_REQUEST)
        labels_judged(id, row, span, own);
}

static void span_add(struct meter *meter, const struct trace_row *row, const struct span *span,
                     const struct meter_reading *reading)
{
    struct meter_set *place = NULL;
    for (int id = 0; id <= METER_SET_EVAL; id++) {
        if (id == METER_SET_REQUEST || !(reading->known & meter->bits[id]))
            continue;
        bool is_linked = id == METER_SET_CALL && place;
        struct meter_set *set = is_linked ? place->coarse : NULL;
        if (!set) {
            str labels[METER_LABELS_MAX];
            labels_of((enum meter_set_id)id, row, span, labels);
            set = meter_set_get(meter, (enum meter_set_id)id, labels);
        }
        if (is_linked)
            place->coarse = set;
        if (id == METER_SET_PLACE_CALL)
            place = set;
        if (set)
            meter_set_add(meter, set, reading);
    }
}

/* -- what was counted before -- */

struct older_span {
    struct id8 span_id;
    struct meter_reading reading;
};
struct meter_older {
    struct older_span *spans;
    size_t count, max;
    bool is_sorted;
};

struct meter_older *meter_older_new(struct arena *arena, size_t max)
{
    struct meter_older *older = arena_new(arena, struct meter_older, 1);
    if (!older)
        return NULL;
    older->max = max;
    older->spans = arena_alloc(arena, max * sizeof *older->spans);
    return older->spans ? older : NULL;
}

void meter_older_add(struct meter_older *older, const struct span *span)
{
    if (older->count == older->max)
        return;
    struct older_span *to = &older->spans[older->count++];
    to->span_id = span->span_id;
    span_read(span, &to->reading);
}

static int older_cmp(const void *a, const void *b)
{
    const struct older_span *x = a, *y = b;
    return memcmp(&x->span_id, &y->span_id, sizeof x->span_id);
}

/* Leave what the span adds to what it had added: a counter's growth, a histogram's first value. */
static void reading_less(struct meter_reading *reading, struct meter_older *older,
                         const struct span *span)
{
    if (!older->is_sorted && older->count > 0)
        qsort(older->spans, older->count, sizeof *older->spans, older_cmp);
    older->is_sorted = true;
    const struct older_span key = { .span_id = span->span_id };
    const struct older_span *old =
        older->count ? bsearch(&key, older->spans, older->count, sizeof key, older_cmp) : NULL;
    for (uint64_t left = old ? reading->known & old->reading.known : 0; left; left &= left - 1) {
        int id = __builtin_ctzll(left);
        int64_t growth = reading->values[id] - old->reading.values[id];
        bool grows = meter_table[id].type == METER_COUNTER && growth > 0;
        reading->values[id] = growth;
        reading->known &= grows ? ~UINT64_C(0) : ~(UINT64_C(1) << id);
    }
}

static bool older_has_iterations(const struct meter_older *older)
{
    for (size_t i = 0; older && i < older->count; i++)
        if (older->spans[i].reading.known >> METER_iterations & 1)
            return true;
    return false;
}

void meter_trace(struct meter *meter, const struct trace_row *row, const struct store_span *spans,
                 size_t count, struct meter_older *older)
{
    struct meter_reading reading;
    int64_t iterations = -1;
    const struct span *longest = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct span *span = &spans[i].span;
        span_read(span, &reading);
        if ((reading.known >> METER_iterations & 1) && span->agent_iteration > iterations) {
            iterations = span->agent_iteration;
            longest = span;
        }
        if (older)
            reading_less(&reading, older, span);
        if (reading.known)
            span_add(meter, row, span, &reading);
    }
    if (longest && !older_has_iterations(older)) {
        str labels[METER_LABELS_MAX];
        reading.known = 0;
        meter_read(&reading, METER_iterations, iterations);
        labels_of(METER_SET_REQUEST, row, longest, labels);
        struct meter_set *set = meter_set_get(meter, METER_SET_REQUEST, labels);
        if (set)
            meter_set_add(meter, set, &reading);
    }
    meter_scores_settle(meter, row, spans, count);
}
