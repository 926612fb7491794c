/* traces.c -- lists of traces and spans, one trace with its spans.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "base/check.h"
#include "base/text.h"
#include "sys/clock.h"
#include <stdlib.h>

enum { PREFIX_DIGITS_MIN = 4, PREFIX_CANDIDATES = 2 };

struct store_scope api_scope(const struct api_job *job)
{
    return (struct store_scope){
        .project = job->who.project,
        .tenant = job->who.tenant,
        .range = { INT64_MIN / 2, INT64_MAX },
        .deadline_ns = job->deadline_ns,
    };
}

static void scope_plan(const struct api_job *job, struct store_scope *scope)
{
    scope->project = job->who.project;
    scope->tenant = job->who.tenant;
    scope->deadline_ns = job->deadline_ns;
}

static void list_begin(struct buf *out)
{
    buf_add_c(out, "{\"items\":[");
}

static void list_end(struct buf *out, str cursor)
{
    buf_add_c(out, "],\"next_cursor\":");
    if (str_is_none(cursor))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, cursor);
    buf_add_c(out, "}\n");
}

API_HANDLER(api_list_traces)
{
    struct store_list list;
    struct trace_row *traces;
    size_t count;
    enum err err = query_plan_list(&job->arena, job->query, job->query_count, clock_now_ns(), &list,
                                   reterr_why);
    if (err)
        return err;
    scope_plan(job, &list.scope);
    const struct api_config *config = &job->worker->api->config;
    err = config->store_ops->traces(config->store, &list, &job->arena, &traces, &count, reterr_why);
    if (err)
        return err;
    list_begin(&job->body);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(&job->body, ',');
        query_trace_json(&job->body, &traces[i]);
    }
    list_end(&job->body, count == list.limit
                             ? query_cursor_of_trace(&job->arena, list.sort, &traces[count - 1])
                             : STR_NONE);
    return ERR_OK;
}

API_HANDLER(api_list_spans)
{
    struct store_list list;
    struct store_span *spans;
    size_t count;
    enum err err = query_plan_list(&job->arena, job->query, job->query_count, clock_now_ns(), &list,
                                   reterr_why);
    if (err)
        return err;
    scope_plan(job, &list.scope);
    const struct api_config *config = &job->worker->api->config;
    err = config->store_ops->spans(config->store, &list, &job->arena, &spans, &count, reterr_why);
    if (err)
        return err;
    list_begin(&job->body);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(&job->body, ',');
        query_span_json(&job->body, &spans[i]);
    }
    list_end(&job->body, count == list.limit
                             ? query_cursor_of_span(&job->arena, list.sort, &spans[count - 1])
                             : STR_NONE);
    return ERR_OK;
}

static const struct filter *id_filter(struct arena *arena, str hex)
{
    struct filter *filter = arena_new(arena, struct filter, 1);
    if (!filter)
        return NULL;
    bool whole = hex.len == 32;
    str text = whole ? hex : arena_printf(arena, "%.*s*", STR_ARG(hex));
    if (str_is_none(text))
        return NULL;
    *filter = (struct filter){ .op = whole ? FILTER_EQ : FILTER_LIKE,
                               .field = FIELD_trace_id,
                               .value = value_str(text) };
    return filter;
}

static bool is_hex(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789abcdefABCDEF", text.ptr[i]) || !text.ptr[i])
            return false;
    return true;
}

static str lower_hex(struct arena *arena, str text)
{
    str copy = arena_str(arena, text);
    if (str_is_none(copy))
        return copy;
    char *at = arena_alloc(arena, copy.len);
    for (size_t i = 0; at && i < copy.len; i++)
        at[i] = (char)(copy.ptr[i] >= 'A' && copy.ptr[i] <= 'F' ? copy.ptr[i] + 32 : copy.ptr[i]);
    return at ? str_make(at, copy.len) : STR_NONE;
}

enum err api_find_trace(struct api_job *job, str id, struct trace_row **ret_trace,
                        struct diag *reterr_why)
{
    const struct api_config *config = &job->worker->api->config;
    if (!is_hex(id) || id.len > 32 || id.len < PREFIX_DIGITS_MIN) {
        diag_set(reterr_why, ERR_BAD_INPUT, "\"%.*s\" is not a trace id",
                 STR_ARG(str_sub(id, 0, 40)));
        diag_hint(reterr_why, "a trace id is 32 hex digits; a prefix needs at least %d",
                  PREFIX_DIGITS_MIN);
        return ERR_BAD_INPUT;
    }
    struct store_list list = { .scope = api_scope(job),
                               .filter = id_filter(&job->arena, lower_hex(&job->arena, id)),
                               .limit = PREFIX_CANDIDATES };
    size_t count = 0;
    if (!list.filter)
        return ERR_LIMIT;
    enum err err =
        config->store_ops->traces(config->store, &list, &job->arena, ret_trace, &count, reterr_why);
    if (err)
        return err;
    if (count > 1 && id.len < 32)
        return diag_set(reterr_why, ERR_CONFLICT, "several traces start with %.*s", STR_ARG(id));
    if (count == 0) {
        diag_set(reterr_why, ERR_NOT_FOUND, "no trace %.*s in this project", STR_ARG(id));
        diag_hint(reterr_why, "new spans are visible within a second; was it sent with this key?");
        return ERR_NOT_FOUND;
    }
    return ERR_OK;
}

static int by_start(const void *a, const void *b)
{
    const struct store_span *left = a, *right = b;
    if (left->span.start_time != right->span.start_time)
        return left->span.start_time < right->span.start_time ? -1 : 1;
    return memcmp(&right->span.span_id, &left->span.span_id, sizeof(struct id8));
}

static const struct filter *trace_filter(struct arena *arena, struct id16 trace_id)
{
    char hex[33];
    hex_encode(trace_id.bytes, sizeof trace_id.bytes, hex);
    str text = arena_str(arena, str_make(hex, 32));
    return str_is_none(text) ? NULL : id_filter(arena, text);
}

enum err api_find_span(struct api_job *job, struct id16 trace_id, struct id8 span_id,
                       struct store_span **ret_span, struct diag *reterr_why)
{
    const struct api_config *config = &job->worker->api->config;
    struct filter *nodes = arena_new(&job->arena, struct filter, 2);
    const struct filter *of_trace = trace_filter(&job->arena, trace_id);
    char hex[17];
    hex_encode(span_id.bytes, sizeof span_id.bytes, hex);
    str text = arena_str(&job->arena, str_make(hex, 16));
    size_t count = 0;
    if (!nodes || !of_trace || str_is_none(text))
        return diag_set(reterr_why, ERR_LIMIT, "the question needs too much memory");
    nodes[0] = (struct filter){ .op = FILTER_EQ, .field = FIELD_span_id, .value = value_str(text) };
    nodes[1] = (struct filter){ .op = FILTER_AND, .left = of_trace, .right = &nodes[0] };
    struct store_list list = { .scope = api_scope(job), .filter = &nodes[1], .limit = 1 };
    enum err err =
        config->store_ops->spans(config->store, &list, &job->arena, ret_span, &count, reterr_why);
    if (!err && count == 0)
        return diag_set(reterr_why, ERR_NOT_FOUND, "no span %.*s in that trace", STR_ARG(text));
    return err;
}

/* One page of the spans of a trace, the oldest first.  The newest first are found quicker, so
 * they are asked for where a page holds the whole trace. */
static enum err spans_page(struct api_job *job, const struct trace_row *trace,
                           struct store_list *list, struct store_span **ret_spans,
                           size_t *ret_count, struct diag *reterr_why)
{
    const struct api_config *config = &job->worker->api->config;
    bool is_whole = !list->has_after && trace->span_count < list->limit;
    list->scope = api_scope(job);
    list->filter = trace_filter(&job->arena, trace->trace_id);
    if (!list->filter)
        return diag_set(reterr_why, ERR_LIMIT, "the question needs too much memory");
    list->sort = is_whole ? STORE_SORT_START : STORE_SORT_OLDEST;
    enum err err = config->store_ops->spans(config->store, list, &job->arena, ret_spans, ret_count,
                                            reterr_why);
    list->sort = STORE_SORT_OLDEST;
    if (!err && is_whole && *ret_count == list->limit) /* it has grown meanwhile */
        return config->store_ops->spans(config->store, list, &job->arena, ret_spans, ret_count,
                                        reterr_why);
    if (!err && is_whole)
        qsort(*ret_spans, *ret_count, sizeof **ret_spans, by_start);
    return err;
}

enum err api_trace_spans(struct api_job *job, const struct trace_row *trace,
                         struct store_span **ret_spans, size_t *ret_count, struct diag *reterr_why)
{
    struct store_list list;
    enum err err = query_plan_trace(NULL, 0, &list, reterr_why);
    return err ? err : spans_page(job, trace, &list, ret_spans, ret_count, reterr_why);
}

static void logs_json(struct buf *out, const struct store_log *logs, size_t count)
{
    buf_add_c(out, ",\"logs\":[");
    for (size_t i = 0; i < count; i++) {
        const struct log_record *log = &logs[i].log;
        buf_add_c(out, i ? ",{\"time\":\"" : "{\"time\":\"");
        time_format(out, log->time_ns, 9);
        buf_add_c(out, "\",\"span_id\":\"");
        buf_add_hex(out, log->span_id.bytes, 8);
        buf_add_c(out, "\",\"severity\":");
        buf_add_i64(out, log->severity);
        buf_add_c(out, ",\"severity_text\":");
        buf_add_json_str(out, log->severity_text);
        buf_add_c(out, ",\"event_name\":");
        buf_add_json_str(out, log->event_name);
        buf_add_c(out, ",\"attributes\":");
        buf_add_str(out, logs[i].attrs_json.len ? logs[i].attrs_json : STR_OF("{}"));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

/* Log records of a trace are told with the first page of its spans. */
static enum err add_logs(struct api_job *job, struct id16 trace_id, bool is_first,
                         struct diag *reterr_why)
{
    const struct api_config *config = &job->worker->api->config;
    struct store_scope scope = api_scope(job);
    struct store_log *logs = NULL;
    size_t count = 0;
    enum err err = is_first ? config->store_ops->logs(config->store, &scope, trace_id, &job->arena,
                                                      &logs, &count, reterr_why)
                            : ERR_OK;
    if (!err)
        logs_json(&job->body, logs, count);
    return err;
}

API_HANDLER(api_get_trace)
{
    struct trace_row *trace;
    struct store_span *spans;
    struct store_list list;
    size_t count = 0;
    enum err err = query_plan_trace(job->query, job->query_count, &list, reterr_why);
    if (!err)
        err = api_find_trace(job, job->params[0], &trace, reterr_why);
    if (!err)
        err = spans_page(job, trace, &list, &spans, &count, reterr_why);
    str *previews = err ? NULL : arena_new(&job->arena, str, count);
    if (!err && !previews)
        err = diag_set(reterr_why, ERR_LIMIT, "the trace needs too much memory");
    if (!err)
        err = api_previews(job, trace, spans, count, previews, reterr_why);
    if (err)
        return err;
    buf_add_c(&job->body, "{\"trace\":");
    query_trace_json(&job->body, trace);
    buf_add_c(&job->body, ",\"spans\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(&job->body, ',');
        api_span_json(&job->body, &spans[i], previews[i]);
    }
    buf_add_char(&job->body, ']');
    err = add_logs(job, trace->trace_id, !list.has_after, reterr_why);
    if (!err)
        err = api_trace_scores(job, trace->trace_id, spans, count, reterr_why);
    buf_add_c(&job->body, ",\"next_cursor\":");
    if (!err && count == list.limit)
        buf_add_json_str(&job->body,
                         query_cursor_of_span(&job->arena, STORE_SORT_OLDEST, &spans[count - 1]));
    else
        buf_add_c(&job->body, "null");
    buf_add_c(&job->body, "}\n");
    return err;
}

API_HANDLER(api_get_trace_summary)
{
    struct trace_row *trace;
    enum err err = api_find_trace(job, job->params[0], &trace, reterr_why);
    if (err)
        return err;
    query_summary_json(&job->body, trace);
    buf_add_char(&job->body, '\n');
    return ERR_OK;
}
