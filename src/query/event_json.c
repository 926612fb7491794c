/* event_json.c -- an event as GET /api/v1/events shows it: a score by what happened.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query.h"
#include "wire/json.h"

static const char *kind_of(const struct score *score)
{
    switch (score->source) {
    case SCORE_IS_DEPLOY:
        return "deploy";
    case SCORE_IS_OUTCOME:
        return "outcome";
    case SCORE_BY_JUDGE:
        return "evaluation";
    case SCORE_BY_USER:
        return "feedback";
    case SCORE_BY_API:
    case SCORE_BY_CODE:
    case SCORE_BY_HUMAN:
        break;
    }
    return "score";
}

static void text_member(struct buf *out, const char *name, str text)
{
    buf_printf(out, ",\"%s\":", name);
    if (str_is_none(text))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, text);
}

/* A text member of the stored attributes, as written there; STR_NONE: none. */
static str raw_member(str attrs_json, const char *name)
{
    struct json json;
    str raw = STR_NONE;
    if (str_is_none(attrs_json))
        return raw;
    json_init(&json, NULL, attrs_json, JSON_DEPTH_MAX);
    bool is_it = false;
    if (json_next(&json) != JSON_OBJECT)
        return raw;
    while (!is_it && json_next(&json) == JSON_KEY) {
        is_it = str_equal_c(json.text, name);
        if (!json_raw(&json, json_next(&json), &raw))
            return STR_NONE;
    }
    return is_it ? raw : STR_NONE;
}

static void deploy_members(struct buf *out, const struct store_score *row)
{
    str environment = raw_member(row->attrs_json, "environment");
    text_member(out, "service", row->score.name);
    buf_add_c(out, ",\"environment\":");
    buf_add_str(out, str_is_none(environment) ? STR_OF("null") : environment);
    text_member(out, "version", row->score.label);
    text_member(out, "text", row->score.comment);
}

static void id_member(struct buf *out, const char *name, const uint8_t *bytes, size_t len)
{
    buf_printf(out, ",\"%s\":", name);
    buf_add_c(out, bytes ? "\"" : "null");
    if (bytes)
        buf_add_hex(out, bytes, len);
    buf_add_c(out, bytes ? "\"" : "");
}

static void answer_members(struct buf *out, const struct score *score)
{
    id_member(out, "trace_id", score->has_trace_id ? score->trace_id.bytes : NULL, 16);
    id_member(out, "span_id", score->has_span_id ? score->span_id.bytes : NULL, 8);
    text_member(out, "session_id", score->session_id);
    text_member(out, "response_id", score->response_id);
    text_member(out, "name", score->name);
    buf_add_c(out, ",\"value\":");
    if (!score->has_value)
        buf_add_c(out, "null");
    else if (score->type == SCORE_BOOL)
        buf_add_c(out, score->value != 0 ? "true" : "false");
    else
        buf_add_f64(out, score->value);
    text_member(out, "label", score->label);
    text_member(out, "text", score->comment);
}

void query_event_json(struct buf *out, const struct store_score *row)
{
    const struct score *score = &row->score;
    buf_add_c(out, "{\"id\":\"");
    buf_add_hex(out, score->score_id.bytes, sizeof score->score_id.bytes);
    buf_printf(out, "\",\"kind\":\"%s\",\"time\":\"", kind_of(score));
    time_format(out, score->time_ns, 9);
    buf_add_char(out, '"');
    text_member(out, "tenant_id", score->tenant_id);
    if (score->source == SCORE_IS_DEPLOY)
        deploy_members(out, row);
    else
        answer_members(out, score);
    buf_add_c(out, ",\"metadata\":");
    buf_add_str(out, str_is_none(row->attrs_json) ? STR_OF("{}") : row->attrs_json);
    buf_add_char(out, '}');
}
