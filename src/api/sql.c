/* sql.c -- POST /api/v1/sql: a statement over the project's own tables.
 *
 * The tables hold what `read` shows elsewhere and no content, so `read` is enough and nothing is
 * audited (docs/decisions/0045).  Statements have a thread of their own and run one at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "sys/clock.h"
#include "wire/json.h"

/* The body is the statement, or an object with it. */
static enum err statement_read(struct api_job *job, str *ret_statement, struct diag *why)
{
    struct json *json = arena_new(&job->arena, struct json, 1);
    bool is_json = str_starts(job->content_type_sent, STR_OF("application/json"));
    *ret_statement = is_json ? STR_NONE : job->ask;
    if (!json)
        return ERR_LIMIT;
    json_init(json, &job->arena, job->ask, 4);
    enum json_token token = is_json ? json_next(json) : JSON_END;
    while (token != JSON_END && token != JSON_ERROR) {
        bool is_query = token == JSON_KEY && str_equal_c(json->text, "query");
        bool is_other = token == JSON_KEY && !is_query;
        if (is_other) {
            diag_set(why, ERR_BAD_INPUT, "unknown member \"%.*s\"",
                     STR_ARG(str_sub(json->text, 0, 80)));
            return diag_hint(why,
                             "the body has \"query\" alone; from, to and format are parameters");
        }
        token = json_next(json);
        if (is_query && token == JSON_STRING)
            *ret_statement = json->text;
    }
    if (token == JSON_ERROR)
        return json_error(json, why);
    if (!str_is_empty(str_trim(*ret_statement)))
        return ERR_OK;
    diag_set(why, ERR_BAD_INPUT, "there is no statement");
    return diag_hint(why, "send the statement as the body, or {\"query\":\"select ...\"} as JSON");
}

static enum err format_read(const struct api_job *job, enum store_sql_format *ret_format,
                            struct diag *why)
{
    str format = query_param_find(job->query, job->query_count, STR_OF("format"));
    if (str_is_none(format) || str_equal_c(format, "json")) {
        *ret_format = STORE_SQL_JSON;
    } else if (str_equal_c(format, "jsonl")) {
        *ret_format = STORE_SQL_JSONL;
    } else if (str_equal_c(format, "csv")) {
        *ret_format = STORE_SQL_CSV;
    } else {
        diag_set(why, ERR_BAD_INPUT, "format: \"%.*s\" is none", STR_ARG(str_sub(format, 0, 40)));
        return diag_hint(why, "json, jsonl or csv");
    }
    return ERR_OK;
}

/* Everything unless it is said. */
static enum err range_read(const struct api_job *job, struct time_range *ret_range,
                           struct diag *why)
{
    struct time_range range = { INT64_MIN, INT64_MAX };
    str from = query_param_find(job->query, job->query_count, STR_OF("from"));
    str to = query_param_find(job->query, job->query_count, STR_OF("to"));
    int64_t now_ns = clock_now_ns();
    enum err err = ERR_OK;
    if (!str_is_none(from))
        err = query_parse_time(from, now_ns, &range.from_ns, why);
    if (!err && !str_is_none(to))
        err = query_parse_time(to, now_ns, &range.to_ns, why);
    if (!err && range.from_ns >= range.to_ns)
        err = diag_set(why, ERR_BAD_INPUT, "the range ends before it begins");
    *ret_range = range;
    return err;
}

static enum err ask_make(struct api_job *job, struct store_sql *ret_ask, struct diag *why)
{
    static const char *const allowed[] = { "from", "to", "format" };
    const struct api_config *config = &job->worker->api->config;
    struct store_sql ask = { .scope = api_scope(job),
                             .rows_max = config->sql_rows_max,
                             .bytes_max = config->sql_bytes_max,
                             .memory_bytes_max = config->sql_memory_max,
                             .time_ns = config->sql_time_ns };
    enum err err =
        query_params_check(job->query, job->query_count, allowed, COUNT_OF(allowed), why);
    if (!err)
        err = statement_read(job, &ask.statement, why);
    if (!err)
        err = format_read(job, &ask.format, why);
    if (!err)
        err = range_read(job, &ask.scope.range, why);
    *ret_ask = ask;
    return err;
}

API_HANDLER(api_sql)
{
    static const char *const types[] = { "application/json", "application/x-ndjson",
                                         "text/csv; charset=utf-8" };
    const struct api_config *config = &job->worker->api->config;
    struct store_sql_answer answer;
    struct store_sql ask;
    int64_t start_ns = clock_monotonic_ns();
    if (!config->has_sql) {
        diag_set(reterr_why, ERR_UNSUPPORTED, "SQL is switched off on this server");
        return diag_hint(reterr_why, "query.sql=true switches it on");
    }
    enum err err = ask_make(job, &ask, reterr_why);
    if (err)
        return err;
    bool is_json = ask.format == STORE_SQL_JSON;
    buf_add_c(&job->body, is_json ? "{" : "");
    err = config->store_ops->sql(config->store, &ask, &job->body, &answer, reterr_why);
    if (err)
        return err;
    job->content_type = types[ask.format];
    job->is_truncated = answer.truncated;
    if (is_json)
        buf_printf(&job->body, ",\"truncated\":%s,\"elapsed_ms\":%lld}\n",
                   answer.truncated ? "true" : "false",
                   (long long)((clock_monotonic_ns() - start_ns) / NS_PER_MS));
    return ERR_OK;
}
