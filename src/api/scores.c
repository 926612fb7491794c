/* scores.c -- lists of scores, and those of one trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "sys/clock.h"

enum { TRACE_SCORES_MAX = 1000, TRACE_RESPONSES_MAX = 256, TRACE_SPANS_MAX = 4096 };

static void scores_json(struct buf *out, const struct store_score *scores, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(out, ',');
        query_score_json(out, &scores[i]);
    }
}

enum err api_answer_scores(struct api_job *job, struct store_scores *ask,
                           void (*add)(struct buf *out, const struct store_score *score),
                           struct diag *reterr_why)
{
    struct store_score *scores;
    size_t count;
    const struct api_config *config = &job->worker->api->config;
    struct store_scope scope = api_scope(job);
    scope.range = ask->scope.range;
    ask->scope = scope;
    enum err err =
        config->store_ops->scores(config->store, ask, &job->arena, &scores, &count, reterr_why);
    if (err)
        return err;
    buf_add_c(&job->body, "{\"items\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(&job->body, ',');
        add(&job->body, &scores[i]);
    }
    buf_add_c(&job->body, "],\"next_cursor\":");
    str cursor = count == ask->limit ? query_cursor_of_score(&job->arena, &scores[count - 1].score)
                                     : STR_NONE;
    if (str_is_none(cursor))
        buf_add_c(&job->body, "null");
    else
        buf_add_json_str(&job->body, cursor);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}

API_HANDLER(api_list_scores)
{
    struct store_scores ask;
    enum err err =
        query_plan_scores(job->query, job->query_count, clock_now_ns(), &ask, reterr_why);
    return err ? err : api_answer_scores(job, &ask, query_score_json, reterr_why);
}

enum err api_trace_scores(struct api_job *job, struct id16 trace_id, const struct store_span *spans,
                          size_t span_count, struct diag *reterr_why)
{
    str *responses = arena_new(&job->arena, str, TRACE_RESPONSES_MAX);
    struct id8 *span_ids = arena_new(&job->arena, struct id8, TRACE_SPANS_MAX);
    if (!responses || !span_ids)
        return diag_set(reterr_why, ERR_LIMIT, "the trace needs too much memory");
    struct store_scores ask = { .scope = api_scope(job),
                                .has_trace_id = true,
                                .trace_id = trace_id,
                                .response_ids = responses,
                                .span_ids = span_ids,
                                .session_id = STR_NONE,
                                .name = STR_NONE,
                                .limit = TRACE_SCORES_MAX };
    for (size_t i = 0; i < span_count && ask.response_id_count + 2 < TRACE_RESPONSES_MAX; i++) {
        if (SPAN_KNOWS(&spans[i].span, response_id))
            responses[ask.response_id_count++] = spans[i].span.response_id;
        if (SPAN_KNOWS(&spans[i].span, source_id)) /* what feedback may name instead */
            responses[ask.response_id_count++] = spans[i].span.source_id;
        bool is_new = SPAN_KNOWS(&spans[i].span, request_id) &&
                      (i == 0 || !SPAN_KNOWS(&spans[i - 1].span, request_id) ||
                       !str_equal(spans[i].span.request_id, spans[i - 1].span.request_id));
        if (is_new) /* handed down: nearly always all have the same */
            responses[ask.response_id_count++] = spans[i].span.request_id;
    }
    for (size_t i = 0; i < span_count && i < TRACE_SPANS_MAX; i++)
        span_ids[ask.span_id_count++] = spans[i].span.span_id;
    struct store_score *scores;
    size_t count;
    const struct api_config *config = &job->worker->api->config;
    enum err err =
        config->store_ops->scores(config->store, &ask, &job->arena, &scores, &count, reterr_why);
    if (err)
        return err;
    buf_add_c(&job->body, ",\"scores\":[");
    scores_json(&job->body, scores, count);
    buf_add_char(&job->body, ']');
    return ERR_OK;
}
