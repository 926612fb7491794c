/* events.c -- lists of events: deploys for the lines of charts, outcomes, feedback, evaluations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "sys/clock.h"

API_HANDLER(api_list_events)
{
    struct store_scores ask;
    struct store_score *events;
    size_t count;
    const struct api_config *config = &job->worker->api->config;
    enum err err =
        query_plan_events(job->query, job->query_count, clock_now_ns(), &ask, reterr_why);
    if (err)
        return err;
    struct store_scope scope = api_scope(job);
    scope.range = ask.scope.range;
    ask.scope = scope;
    err = config->store_ops->scores(config->store, &ask, &job->arena, &events, &count, reterr_why);
    if (err)
        return err;
    buf_add_c(&job->body, "{\"items\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(&job->body, ',');
        query_event_json(&job->body, &events[i]);
    }
    buf_add_c(&job->body, "],\"next_cursor\":");
    str cursor = count == ask.limit ? query_cursor_of_score(&job->arena, &events[count - 1].score)
                                    : STR_NONE;
    if (str_is_none(cursor))
        buf_add_c(&job->body, "null");
    else
        buf_add_json_str(&job->body, cursor);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}
