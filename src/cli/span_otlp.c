/* span_otlp.c -- spans as OTLP/JSON; see span_form.h.
 *
 * Fields are written under the names of span_name.def, what had no field under its own.  Token
 * counts are written in the inclusive form of OpenTelemetry's conventions, and
 * telltale.usage.source says that they are: the reader then corrects nothing (norm/usage.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "cli/cli_int.h"
#include "cli/span_form.h"
#include <math.h>
#include <stdio.h>

#define CONTENT_MARKER "[content]" /* NORM_CONTENT_MARKER: the value is content */

static const struct {
    enum field field;
    const char *attribute, *instead;
} names[] = {
#define NAME(field, attribute, instead) { FIELD_##field, attribute, instead },
#include "cli/span_name.def"
#undef NAME
};

const struct value *span_at(const struct value *span, const char *path)
{
    const char *dot = strchr(path, '.');
    if (!dot)
        return cli_member(span, path);
    if (!span || span->type != VALUE_MAP)
        return NULL;
    const struct attr *outer =
        attr_find(span->attrs, span->count, str_make(path, (size_t)(dot - path)));
    return outer ? cli_member(&outer->value, dot + 1) : NULL;
}

/* ---- attributes ---- */

static void add_value(struct buf *out, const struct value *value);

static void add_attr(struct buf *out, str key, const struct value *value)
{
    if (out->len && out->ptr[out->len - 1] == '}')
        buf_add_char(out, ',');
    buf_add_c(out, "{\"key\":");
    buf_add_json_str(out, key);
    buf_add_c(out, ",\"value\":");
    add_value(out, value);
    buf_add_char(out, '}');
}

static void add_value(struct buf *out, const struct value *value)
{
    switch (value->type) {
    case VALUE_NULL:
        buf_add_c(out, "{}");
        return;
    case VALUE_STR:
    case VALUE_BYTES:
        buf_add_c(out, "{\"stringValue\":");
        buf_add_json_str(out, value->text);
        break;
    case VALUE_BOOL:
        buf_printf(out, "{\"boolValue\":%s", value->boolean ? "true" : "false");
        break;
    case VALUE_I64:
        buf_printf(out, "{\"intValue\":\"%lld\"", (long long)value->i64);
        break;
    case VALUE_F64:
        buf_add_c(out, "{\"doubleValue\":");
        buf_add_f64(out, value->f64);
        break;
    case VALUE_ARRAY:
        buf_add_c(out, "{\"arrayValue\":{\"values\":[");
        for (uint32_t i = 0; i < value->count; i++) {
            buf_add_c(out, i ? "," : "");
            add_value(out, &value->items[i]);
        }
        buf_add_c(out, "]}");
        break;
    case VALUE_MAP:
        buf_add_c(out, "{\"kvlistValue\":{\"values\":[");
        for (uint32_t i = 0; i < value->count; i++)
            add_attr(out, value->attrs[i].key, &value->attrs[i].value);
        buf_add_c(out, "]}");
        break;
    }
    buf_add_char(out, '}');
}

static void add_text(struct buf *out, const char *key, str text)
{
    struct value value = value_str(text);
    if (!str_is_none(text))
        add_attr(out, str_from_c(key), &value);
}

static void add_count(struct buf *out, const char *key, int64_t count)
{
    struct value value = value_i64(count);
    add_attr(out, str_from_c(key), &value);
}

static bool says_it(const struct value *span, const char *instead)
{
    const struct value *attributes = cli_member(span, "attributes");
    str rest = str_from_c(instead);
    bool says = false;
    for (str name; rest.len && str_next(&rest, ' ', &name);)
        says = says || (attributes && attributes->type == VALUE_MAP &&
                        attr_find(attributes->attrs, attributes->count, name));
    return says;
}

static void add_fields(struct buf *out, const struct value *span)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct value *value = span_at(span, field_table[names[i].field].json);
        if (value && !says_it(span, names[i].instead))
            add_attr(out, str_from_c(names[i].attribute), value);
    }
    add_text(out, "telltale.step", cli_member_str(span, "step"));
}

static bool count_at(const struct value *span, const char *path, int64_t *ret)
{
    const struct value *value = span_at(span, path);
    *ret = 0;
    return value && value_as_i64(value, ret);
}

static void add_usage(struct buf *out, const struct value *span)
{
    static const struct {
        const char *path, *key;
    } counts[] = {
        { "input_tokens", "gen_ai.usage.input_tokens" },
        { "output_tokens", "gen_ai.usage.output_tokens" },
        { "total_tokens", "gen_ai.usage.total_tokens" },
        { "usage.cache_read", "gen_ai.usage.cache_read.input_tokens" },
        { "usage.cache_write_1h", "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens" },
        { "usage.cache_write_5m", "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens" },
        { "usage.reasoning", "gen_ai.usage.reasoning.output_tokens" },
        { "usage.audio_in", "gen_ai.usage.audio.input_tokens" },
        { "usage.audio_out", "gen_ai.usage.audio.output_tokens" },
    };
    int64_t count, image, input, fresh, read, write_5m, write_1h, audio;
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        if (count_at(span, counts[i].path, &count))
            add_count(out, counts[i].key, count);
    if (!count_at(span, "usage.image", &image))
        return;
    bool has_input = count_at(span, "input_tokens", &input);
    (void)count_at(span, "usage.input_fresh", &fresh);
    (void)count_at(span, "usage.cache_read", &read);
    (void)count_at(span, "usage.cache_write_5m", &write_5m);
    (void)count_at(span, "usage.cache_write_1h", &write_1h);
    (void)count_at(span, "usage.audio_in", &audio);
    /* what of the input is nothing else */
    int64_t image_in = has_input ? input - fresh - read - write_5m - write_1h - audio : 0;
    image_in = MIN(MAX(image_in, (int64_t)0), image);
    add_count(out, "gen_ai.usage.image.input_tokens", image_in);
    add_count(out, "gen_ai.usage.image.output_tokens", image - image_in);
}

/* Values that stand in the content, under their own names. */
static const struct value *long_value(const struct value *span, str key)
{
    const struct value *raw = span_at(span, "content.raw");
    const struct value *longs = raw ? cli_member(raw, "attributes") : NULL;
    const struct attr *found =
        longs && longs->type == VALUE_MAP ? attr_find(longs->attrs, longs->count, key) : NULL;
    return found ? &found->value : NULL;
}

static void add_attributes(struct buf *out, const struct value *span)
{
    const struct value *attributes = cli_member(span, "attributes");
    for (uint32_t i = 0; attributes && attributes->type == VALUE_MAP && i < attributes->count;
         i++) {
        const struct attr *attr = &attributes->attrs[i];
        bool is_marker =
            attr->value.type == VALUE_STR && str_equal_c(attr->value.text, CONTENT_MARKER);
        const struct value *whole = is_marker ? long_value(span, attr->key) : NULL;
        add_attr(out, attr->key, whole ? whole : &attr->value);
    }
}

/* Request parameters that no attribute has: they came in an object. */
static void add_parameters(struct buf *out, const struct value *span)
{
    const struct value *parameters = cli_member(span, "parameters");
    const struct value *attributes = cli_member(span, "attributes");
    for (uint32_t i = 0; parameters && parameters->type == VALUE_MAP && i < parameters->count;
         i++) {
        char key[128];
        const struct attr *parameter = &parameters->attrs[i];
        int len = snprintf(key, sizeof key, "gen_ai.request.%.*s",
                           STR_ARG(str_sub(parameter->key, 0, 100)));
        bool is_there = false;
        for (uint32_t a = 0; attributes && attributes->type == VALUE_MAP && a < attributes->count;
             a++)
            is_there = is_there || str_ends(attributes->attrs[a].key, parameter->key);
        if (!is_there)
            add_attr(out, str_make(key, (size_t)len), &parameter->value);
    }
}

/* ---- content ---- */

static void add_json_text(struct buf *out, const char *key, const struct value *value)
{
    struct buf json;
    if (!value || (value->type == VALUE_ARRAY && value->count == 0))
        return;
    if (value->type == VALUE_STR) {
        add_text(out, key, value->text);
        return;
    }
    buf_init(&json, CLI_BODY_BYTES_MAX);
    value_to_json(&json, value);
    add_text(out, key, buf_str(&json));
    buf_clear(&json);
}

static bool has_system_message(const struct value *messages)
{
    for (uint32_t i = 0; cli_item(messages, i); i++) {
        str role = cli_member_str(cli_item(messages, i), "role");
        if (str_equal_c(role, "system") || str_equal_c(role, "developer"))
            return true;
    }
    return false;
}

static void add_content(struct buf *out, const struct value *span)
{
    const struct value *content = cli_member(span, "content"), *raw = span_at(span, "content.raw");
    const struct value *input = cli_member(content, "input"), *other = cli_member(raw, "other");
    add_json_text(out, "gen_ai.input.messages", input);
    add_json_text(out, "gen_ai.output.messages", cli_member(content, "output"));
    if (!has_system_message(input)) /* else it is made of these */
        add_json_text(out, "gen_ai.system_instructions", cli_member(content, "system"));
    add_json_text(out, "gen_ai.tool.definitions", cli_member(content, "tools"));
    add_json_text(out, "gen_ai.retrieval.documents", cli_member(content, "documents"));
    add_json_text(out, "gen_ai.tool.call.arguments", cli_member(raw, "tool_arguments"));
    add_json_text(out, "gen_ai.tool.call.result", cli_member(raw, "tool_result"));
    add_json_text(out, "gen_ai.retrieval.query.text", cli_member(raw, "query"));
    add_json_text(out, "llm.output.parsed", cli_member(raw, "parsed"));
    for (uint32_t i = 0; other && other->type == VALUE_MAP && i < other->count; i++)
        add_attr(out, other->attrs[i].key, &other->attrs[i].value);
}

/* ---- a span ---- */

static void add_events(struct buf *out, const struct value *span)
{
    const struct value *whole = cli_member(span_at(span, "content.raw"), "events");
    const struct value *events = whole ? whole : cli_member(span, "events");
    for (uint32_t i = 0; cli_item(events, i); i++) {
        const struct value *event = cli_item(events, i), *attrs = cli_member(event, "attributes");
        int64_t time_ns = 0;
        (void)time_parse(cli_member_str(event, "time"), &time_ns);
        buf_printf(out, "%s{\"timeUnixNano\":\"%lld\",\"name\":", i ? "," : "", (long long)time_ns);
        str name = cli_member_str(event, "name");
        buf_add_json_str(out, str_is_none(name) ? STR_OF("") : name);
        buf_add_c(out, ",\"attributes\":[");
        for (uint32_t a = 0; attrs && attrs->type == VALUE_MAP && a < attrs->count; a++)
            add_attr(out, attrs->attrs[a].key, &attrs->attrs[a].value);
        buf_add_c(out, "]}");
    }
}

static void add_links(struct buf *out, const struct value *span)
{
    const struct value *links = cli_member(span, "links");
    for (uint32_t i = 0; cli_item(links, i); i++) {
        const struct value *link = cli_item(links, i), *attrs = cli_member(link, "attributes");
        buf_add_c(out, i ? ",{\"traceId\":" : "{\"traceId\":");
        buf_add_json_str(out, cli_member_str(link, "trace_id"));
        buf_add_c(out, ",\"spanId\":");
        buf_add_json_str(out, cli_member_str(link, "span_id"));
        buf_add_c(out, ",\"attributes\":[");
        for (uint32_t a = 0; attrs && attrs->type == VALUE_MAP && a < attrs->count; a++)
            add_attr(out, attrs->attrs[a].key, &attrs->attrs[a].value);
        buf_add_c(out, "]}");
    }
}

/* Of a list of words; 0: none of them. */
static int place_of(str word, const char *const *words)
{
    int place = 0;
    while (words[place] && !str_equal_c(word, words[place]))
        place++;
    return words[place] ? place : 0;
}

static void add_head(struct buf *out, const struct value *span, int64_t start_ns)
{
    static const char *const kinds[] = { "",         "internal", "server", "client",
                                         "producer", "consumer", NULL };
    static const char *const statuses[] = { "unset", "ok", "error", NULL };
    str parent = cli_member_str(span, "parent_span_id"), name = cli_member_str(span, "name");
    str message = cli_member_str(span, "status_message");
    double latency_ms;
    buf_add_c(out, "{\"traceId\":");
    buf_add_json_str(out, cli_member_str(span, "trace_id"));
    buf_add_c(out, ",\"spanId\":");
    buf_add_json_str(out, cli_member_str(span, "span_id"));
    if (!str_is_empty(parent)) {
        buf_add_c(out, ",\"parentSpanId\":");
        buf_add_json_str(out, parent);
    }
    buf_add_c(out, ",\"name\":");
    buf_add_json_str(out, str_is_none(name) ? STR_OF("") : name);
    buf_printf(out, ",\"kind\":%d,\"startTimeUnixNano\":\"%lld\"",
               place_of(cli_member_str(span, "kind"), kinds), (long long)start_ns);
    if (cli_member_f64(span, "latency_ms", &latency_ms) && latency_ms >= 0 && latency_ms < 1e12)
        buf_printf(out, ",\"endTimeUnixNano\":\"%lld\"",
                   (long long)(start_ns + llround(latency_ms * (double)NS_PER_MS)));
    buf_printf(out, ",\"status\":{\"code\":%d", place_of(cli_member_str(span, "status"), statuses));
    if (!str_is_none(message)) {
        buf_add_c(out, ",\"message\":");
        buf_add_json_str(out, message);
    }
    buf_add_char(out, '}');
}

static void add_span(struct buf *out, const struct value *span)
{
    int64_t start_ns = 0;
    (void)time_parse(cli_member_str(span, "start_time"), &start_ns);
    add_head(out, span, start_ns);
    buf_add_c(out, ",\"attributes\":[");
    add_fields(out, span);
    add_usage(out, span);
    add_attributes(out, span);
    add_parameters(out, span);
    add_content(out, span);
    buf_add_c(out, "],\"events\":[");
    add_events(out, span);
    buf_add_c(out, "],\"links\":[");
    add_links(out, span);
    buf_add_c(out, "]}");
}

/* ---- a request ---- */

static bool is_same(const struct value *a, const struct value *b, const char *const *paths)
{
    for (size_t i = 0; paths[i]; i++) {
        const struct value *left = span_at(a, paths[i]), *right = span_at(b, paths[i]);
        if (!left != !right || (left && (left->type != VALUE_STR || right->type != VALUE_STR ||
                                         !str_equal(left->text, right->text))))
            return false;
    }
    return true;
}

static const char *const resource_paths[] = { "service", "release", "environment", "region", NULL };
static const char *const scope_paths[] = { "scope.name", "scope.version", "schema_url", NULL };

static void add_resource(struct buf *out, const struct value *span)
{
    buf_add_c(out, "{\"resource\":{\"attributes\":[");
    add_text(out, "service.name", cli_member_str(span, "service"));
    add_text(out, "service.version", cli_member_str(span, "release"));
    add_text(out, "deployment.environment.name", cli_member_str(span, "environment"));
    add_text(out, "cloud.region", cli_member_str(span, "region"));
    buf_add_c(out, "]},\"scopeSpans\":[");
}

static void add_scope(struct buf *out, const struct value *span)
{
    const struct value *name = span_at(span, "scope.name"),
                       *version = span_at(span, "scope.version");
    str schema = cli_member_str(span, "schema_url");
    buf_add_c(out, "{\"scope\":{\"name\":");
    buf_add_json_str(out, name && name->type == VALUE_STR ? name->text : STR_OF(""));
    buf_add_c(out, ",\"version\":");
    buf_add_json_str(out, version && version->type == VALUE_STR ? version->text : STR_OF(""));
    buf_add_char(out, '}');
    if (!str_is_none(schema)) {
        buf_add_c(out, ",\"schemaUrl\":");
        buf_add_json_str(out, schema);
    }
    buf_add_c(out, ",\"spans\":[");
}

bool span_is_readable(const struct value *span)
{
    struct id16 trace_id;
    struct id8 span_id;
    int64_t start_ns;
    return hex_decode(cli_member_str(span, "trace_id"), &trace_id, sizeof trace_id) &&
           hex_decode(cli_member_str(span, "span_id"), &span_id, sizeof span_id) &&
           time_parse(cli_member_str(span, "start_time"), &start_ns) && start_ns > 0;
}

bool spans_to_otlp(struct buf *out, const struct value *spans, uint32_t count, uint32_t *ret_bad)
{
    for (uint32_t i = 0; i < count; i++)
        if (!span_is_readable(&spans[i])) {
            *ret_bad = i;
            return false;
        }
    buf_add_c(out, "{\"resourceSpans\":[");
    for (uint32_t i = 0; i < count; i++) {
        const struct value *span = &spans[i], *last = i ? &spans[i - 1] : NULL;
        bool same_resource = last && is_same(last, span, resource_paths);
        bool same_scope = same_resource && is_same(last, span, scope_paths);
        if (last && !same_scope)
            buf_add_c(out, "]}");
        if (last && !same_resource)
            buf_add_c(out, "]}");
        buf_add_c(out, last ? "," : "");
        if (!same_resource)
            add_resource(out, span);
        if (!same_scope)
            add_scope(out, span);
        add_span(out, span);
    }
    buf_add_c(out, count ? "]}]}]}" : "]}");
    return true;
}
