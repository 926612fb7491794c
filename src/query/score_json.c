/* score_json.c -- a score as the API shows it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query.h"

static void hex_member(struct buf *out, const char *name, const uint8_t *bytes, size_t len)
{
    buf_printf(out, ",\"%s\":", name);
    if (!bytes) {
        buf_add_c(out, "null");
        return;
    }
    buf_add_char(out, '"');
    buf_add_hex(out, bytes, len);
    buf_add_char(out, '"');
}

static void text_member(struct buf *out, const char *name, str text)
{
    buf_printf(out, ",\"%s\":", name);
    if (str_is_none(text))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, text);
}

/* What was given: a number, a boolean, or the label. */
static void value_member(struct buf *out, const struct score *score)
{
    if (!score->has_value) {
        text_member(out, "value", score->label);
        return;
    }
    buf_add_c(out, ",\"value\":");
    if (score->type == SCORE_BOOL)
        buf_add_c(out, score->value != 0 ? "true" : "false");
    else
        buf_add_f64(out, score->value);
}

void query_score_json(struct buf *out, const struct store_score *row)
{
    const struct score *score = &row->score;
    buf_add_c(out, "{\"id\":\"");
    buf_add_hex(out, score->score_id.bytes, sizeof score->score_id.bytes);
    buf_add_char(out, '"');
    hex_member(out, "trace_id", score->has_trace_id ? score->trace_id.bytes : NULL, 16);
    hex_member(out, "span_id", score->has_span_id ? score->span_id.bytes : NULL, 8);
    text_member(out, "session_id", score->session_id);
    text_member(out, "response_id", score->response_id);
    text_member(out, "tenant_id", score->tenant_id);
    text_member(out, "name", score->name);
    value_member(out, score);
    text_member(out, "label", score->label);
    text_member(out, "comment", score->comment);
    text_member(out, "source", score_source_name(score->source));
    text_member(out, "evaluator", score->evaluator);
    text_member(out, "evaluator_version", score->evaluator_version);
    text_member(out, "judge_model", score->judge_model);
    buf_add_c(out, ",\"time\":\"");
    time_format(out, score->time_ns, 9);
    buf_add_c(out, "\",\"metadata\":");
    buf_add_str(out, str_is_none(row->attrs_json) ? STR_OF("{}") : row->attrs_json);
    buf_add_char(out, '}');
}
