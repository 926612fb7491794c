/* logs.c -- lists of log records; POST of the same path takes plain text (intake/text_logs.c).
 *
 * Of a body its row has the beginning, redacted, as the previews of spans are: `read` is enough.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "sys/clock.h"

API_HANDLER(api_list_logs)
{
    struct store_log_list list;
    struct store_log *logs;
    size_t count;
    const struct api_config *config = &job->worker->api->config;
    enum err err = query_plan_logs(&job->arena, job->query, job->query_count, clock_now_ns(), &list,
                                   reterr_why);
    if (err)
        return err;
    struct store_scope scope = api_scope(job);
    scope.range = list.scope.range;
    list.scope = scope;
    err = config->store_ops->log_list(config->store, &list, &job->arena, &logs, &count, reterr_why);
    if (err)
        return err;
    buf_add_c(&job->body, "{\"items\":[");
    for (size_t i = 0; i < count; i++) {
        buf_add_c(&job->body, i ? "," : "");
        query_log_json(&job->body, &job->arena, &logs[i]);
    }
    buf_add_c(&job->body, "],\"next_cursor\":");
    str cursor =
        count == list.limit ? query_cursor_of_log(&job->arena, &logs[count - 1].log) : STR_NONE;
    if (str_is_none(cursor))
        buf_add_c(&job->body, "null");
    else
        buf_add_json_str(&job->body, cursor);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}
