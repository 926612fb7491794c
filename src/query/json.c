/* json.c -- rows as the JSON of the API: ids in hex, durations in ms, money in dollars.
 *
 * Unknown is null, never 0.  Member names are those of fields.def and of REQUIREMENTS A91.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"
#include <math.h>

static void add_key(struct buf *out, const char *name)
{
    if (out->len && out->ptr[out->len - 1] != '{')
        buf_add_char(out, ',');
    buf_add_char(out, '"');
    buf_add_c(out, name);
    buf_add_c(out, "\":");
}

static void add_null(struct buf *out)
{
    buf_add_c(out, "null");
}

static void add_text(struct buf *out, const char *name, str text)
{
    add_key(out, name);
    if (str_is_none(text))
        add_null(out);
    else
        buf_add_json_str(out, text);
}

static void add_i64(struct buf *out, const char *name, bool is_known, int64_t value)
{
    add_key(out, name);
    if (is_known)
        buf_add_i64(out, value);
    else
        add_null(out);
}

static void add_bool(struct buf *out, const char *name, bool is_known, bool value)
{
    add_key(out, name);
    buf_add_c(out, !is_known ? "null" : value ? "true" : "false");
}

static void add_time(struct buf *out, const char *name, bool is_known, int64_t ns)
{
    add_key(out, name);
    if (!is_known) {
        add_null(out);
        return;
    }
    buf_add_char(out, '"');
    time_format(out, ns, 9);
    buf_add_char(out, '"');
}

static void add_ms(struct buf *out, const char *name, bool is_known, int64_t ns)
{
    add_key(out, name);
    if (is_known)
        buf_add_f64(out, (double)ns / (double)NS_PER_MS);
    else
        add_null(out);
}

static void add_hex(struct buf *out, const char *name, bool is_known, const void *bytes, size_t len)
{
    add_key(out, name);
    if (!is_known) {
        add_null(out);
        return;
    }
    buf_add_char(out, '"');
    buf_add_hex(out, bytes, len);
    buf_add_char(out, '"');
}

static void add_usd(struct buf *out, const char *name, bool is_known, int64_t nanousd)
{
    add_key(out, name);
    if (is_known)
        buf_add_nanousd(out, nanousd);
    else
        add_null(out);
}

/* ---- span ---- */

static void add_links(struct buf *out, const struct span *span)
{
    add_key(out, "links");
    buf_add_char(out, '[');
    for (uint32_t i = 0; i < span->link_count; i++) {
        const struct span_link *link = &span->links[i];
        buf_add_c(out, i ? ",{" : "{");
        add_hex(out, "trace_id", true, &link->trace_id, sizeof link->trace_id);
        add_hex(out, "span_id", true, &link->span_id, sizeof link->span_id);
        add_key(out, "attributes");
        attrs_to_json(out, link->attrs, link->attr_count);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void add_payload(struct buf *out, uint32_t roles)
{
    add_key(out, "payload");
    buf_add_char(out, '{');
    for (int role = 0; role < CONTENT_ROLE_COUNT; role++) {
        if (!(roles >> role & 1))
            continue;
        add_key(out, content_role_name((enum content_role)role));
        add_null(out);
    }
    buf_add_char(out, '}');
}

void query_span_json(struct buf *out, const struct store_span *row)
{
    const struct span *span = &row->span;
    int64_t end_ns;
    bool has_end = SPAN_KNOWS(span, start_time) && SPAN_KNOWS(span, latency_ns) &&
                   !ADD_OVERFLOWS(span->start_time, span->latency_ns, &end_ns);
    buf_add_char(out, '{');
    span_fields_to_json(out, span);
    add_time(out, "end_time", has_end, has_end ? end_ns : 0);
    add_key(out, "attributes");
    if (str_is_empty(row->attrs_json))
        attrs_to_json(out, span->attrs, span->attr_count);
    else
        buf_add_str(out, row->attrs_json);
    add_links(out, span);
    add_payload(out, row->content_roles);
    add_bool(out, "settled", true, row->settled);
    buf_add_char(out, '}');
}

/* ---- trace ---- */

static bool is_flag_known(int flag)
{
    return flag >= 0;
}

static void add_source_ids(struct buf *out, const struct trace_row *trace)
{
    add_key(out, "source_ids");
    buf_add_char(out, '[');
    for (uint32_t i = 0; i < trace->source_ids.count; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_json_str(out, trace->source_ids.items[i]);
    }
    buf_add_char(out, ']');
}

static void add_faithfulness(struct buf *out, const struct trace_row *trace)
{
    add_key(out, "faithfulness");
    buf_add_f64(out, trace->faithfulness); /* NaN is written as null */
}

static void add_trace_counts(struct buf *out, const struct trace_row *trace)
{
    add_i64(out, "span_count", true, trace->span_count);
    add_i64(out, "error_count", true, trace->error_count);
    add_i64(out, "model_call_count", true, trace->model_call_count);
    add_i64(out, "tool_call_count", true, trace->tool_call_count);
    add_i64(out, "retry_count", true, trace->retry_count);
    add_i64(out, "input_tokens", trace->has_input, trace->input_tokens);
    add_i64(out, "output_tokens", trace->has_output, trace->output_tokens);
    add_i64(out, "total_tokens", trace->has_input || trace->has_output,
            trace->input_tokens + trace->output_tokens);
    add_usd(out, "estimated_cost_usd", trace->has_cost, trace->cost_nanousd);
    add_i64(out, "unpriced_count", true, trace->unpriced_count);
}

static void add_trace_dimensions(struct buf *out, const struct trace_row *trace)
{
    const struct {
        const char *name;
        str text;
    } texts[] = {
        { "tenant_id", trace->tenant_id },
        { "user_id", trace->user_id },
        { "session_id", trace->session_id },
        { "request_id", trace->request_id },
        { "feature", trace->feature },
        { "environment", trace->environment },
        { "release", trace->release },
        { "provider", trace->provider },
        { "generator_model", trace->generator_model },
        { "prompt_template_id", trace->prompt_template_id },
        { "prompt_version", trace->prompt_version },
        { "prompt_hash", trace->prompt_hash },
        { "retriever", trace->retriever },
        { "index_version", trace->index_version },
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        add_text(out, texts[i].name, texts[i].text);
}

bool query_is_partial(str root_step)
{
    return str_equal_c(root_step, "model") || str_equal_c(root_step, "embedding");
}

void query_trace_json(struct buf *out, const struct trace_row *trace)
{
    buf_add_char(out, '{');
    add_hex(out, "trace_id", true, &trace->trace_id, sizeof trace->trace_id);
    add_hex(out, "root_span_id", !id8_is_zero(trace->root_span_id), &trace->root_span_id,
            sizeof trace->root_span_id);
    add_text(out, "name", trace->root_name);
    add_text(out, "step", trace->root_step);
    add_bool(out, "partially_traced", !str_is_none(trace->root_step),
             query_is_partial(trace->root_step));
    add_text(out, "service", trace->service);
    add_text(out, "endpoint", trace->endpoint);
    add_text(out, "status", trace->status);
    add_text(out, "project", trace->project);
    add_time(out, "start_time", true, trace->start_ns);
    add_time(out, "end_time", true, trace->end_ns);
    add_ms(out, "latency_ms", true, trace->end_ns - trace->start_ns);
    add_ms(out, "ttft_ms", trace->ttft_ns >= 0, trace->ttft_ns);
    add_trace_counts(out, trace);
    add_trace_dimensions(out, trace);
    add_i64(out, "top_k_returned", trace->top_k_returned >= 0, trace->top_k_returned);
    add_source_ids(out, trace);
    add_bool(out, "safety_blocked", is_flag_known(trace->safety_blocked),
             trace->safety_blocked == 1);
    add_bool(out, "eval_sampled", is_flag_known(trace->eval_sampled), trace->eval_sampled == 1);
    add_faithfulness(out, trace);
    add_bool(out, "settled", true, trace->settled);
    buf_add_char(out, '}');
}

/* Nano-dollars with exactly six decimals, half even. */
static void add_usd_6(struct buf *out, int64_t nanousd)
{
    uint64_t magnitude = nanousd < 0 ? 0 - (uint64_t)nanousd : (uint64_t)nanousd;
    uint64_t micro = magnitude / 1000, rest = magnitude % 1000;
    if (rest > 500 || (rest == 500 && micro % 2))
        micro++;
    buf_printf(out, "%s%llu.%06llu", nanousd < 0 && micro ? "-" : "",
               (unsigned long long)(micro / 1000000), (unsigned long long)(micro % 1000000));
}

void query_summary_json(struct buf *out, const struct trace_row *trace)
{
    buf_add_char(out, '{');
    add_hex(out, "trace_id", true, &trace->trace_id, sizeof trace->trace_id);
    add_text(out, "request_id", trace->request_id);
    add_text(out, "tenant_id", trace->tenant_id);
    add_text(out, "feature", trace->feature);
    add_text(out, "prompt_version", trace->prompt_version);
    add_text(out, "prompt_hash", trace->prompt_hash);
    add_text(out, "generator_model", trace->generator_model);
    add_i64(out, "input_tokens", trace->has_input, trace->input_tokens);
    add_i64(out, "output_tokens", trace->has_output, trace->output_tokens);
    add_key(out, "estimated_cost_usd");
    if (trace->has_cost)
        add_usd_6(out, trace->cost_nanousd);
    else
        add_null(out);
    add_text(out, "retriever", trace->retriever);
    add_text(out, "index_version", trace->index_version);
    add_i64(out, "top_k_returned", trace->top_k_returned >= 0, trace->top_k_returned);
    add_source_ids(out, trace);
    add_bool(out, "eval_sampled", is_flag_known(trace->eval_sampled), trace->eval_sampled == 1);
    add_faithfulness(out, trace);
    add_bool(out, "safety_blocked", is_flag_known(trace->safety_blocked),
             trace->safety_blocked == 1);
    /* A91 has whole milliseconds */
    add_i64(out, "latency_ms", true, (trace->end_ns - trace->start_ns + NS_PER_MS / 2) / NS_PER_MS);
    buf_add_char(out, '}');
}
