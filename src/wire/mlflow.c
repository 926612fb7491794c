/* mlflow.c -- see mlflow.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/mlflow.h"
#include "base/hash.h"
#include "base/text.h"
#include "wire/tree.h"
#include <math.h>

enum { REPLY_BYTES_MAX = 16 * MIB, ID_BYTES_MAX = 1024 };

static const struct {
    str name, id;
} default_experiment = { STR("Default"), STR("0") };

/* One request being read. */
struct reading {
    struct arena *arena;
    const struct mlflow_body *body;
    struct raw_batch *batch;
    struct native_batch items;
    struct diag *why;
};

static enum err no_room(struct reading *reading)
{
    return diag_set(reading->why, ERR_LIMIT, "the request needs too much memory");
}

static enum err refuse(struct reading *reading, const char *member, const char *what)
{
    return diag_set(reading->why, ERR_BAD_INPUT, "%s %s", member, what);
}

/* "tr-" and 32 digits; other ids are any text, "tr-" alone among them. */
static struct id16 trace_id_of(str text)
{
    static const str prefix = STR("tr-");
    bool is_prefixed = str_starts(text, prefix) && text.len > prefix.len;
    return native_trace_id(is_prefixed ? str_from(text, prefix.len) : text);
}

static enum err reply_is(struct reading *reading, struct buf *json)
{
    reading->batch->reply = tree_take(reading->arena, json);
    reading->batch->reply_status = 200;
    return str_is_none(reading->batch->reply) ? no_room(reading) : ERR_OK;
}

static enum err reply_is_nothing(struct reading *reading)
{
    reading->batch->reply = STR_OF("{}");
    reading->batch->reply_status = 200;
    return ERR_OK;
}

/* ---- what is said of a trace ---- */

static enum err trace_says(struct reading *reading, struct id16 trace_id,
                           const struct native_attrs *attrs)
{
    struct raw_resource *resource = arena_new(reading->arena, struct raw_resource, 1);
    struct raw_scope *scope = arena_new(reading->arena, struct raw_scope, 1);
    struct raw_span *span = native_span_new(reading->arena, &reading->items);
    if (!resource || !scope || !span)
        return no_room(reading);
    scope->resource = resource;
    *span = (struct raw_span){ .scope = scope,
                               .trace_id = trace_id,
                               .span_id = id8_of_root(),
                               .attrs = attrs->items,
                               .attr_count = attrs->count,
                               .source_id = STR_NONE,
                               .is_addition = true };
    return ERR_OK;
}

static bool tag_add(struct reading *reading, struct native_attrs *attrs, str key,
                    struct value value)
{
    str name = arena_printf(reading->arena, "mlflow.trace.tag.%.*s", STR_ARG(key));
    return !str_is_none(name) && native_attr_add(reading->arena, attrs, name, value);
}

static uint32_t map_count(const struct value *map)
{
    return map && map->type == VALUE_MAP ? map->count : 0;
}

/* Members of the trace info that are texts, metadata and tags; *dropped: past the limit. */
static enum err info_attrs(struct reading *reading, const struct value *info,
                           struct native_attrs *attrs, uint32_t *dropped)
{
    static const struct {
        const char *member;
        str attr;
    } members[] = { { "client_request_id", STR("mlflow.trace.client_request_id") },
                    { "state", STR("mlflow.trace.state") },
                    { "request_time", STR("mlflow.trace.request_time") },
                    { "execution_duration", STR("mlflow.trace.execution_duration") } };
    const struct value *metadata = tree_get(info, "trace_metadata");
    const struct value *tags = tree_get(info, "tags");
    const struct value *place = tree_get(tree_get(info, "trace_location"), "mlflow_experiment");
    uint32_t max = reading->body->limits->attrs_max;
    bool fits = native_text_add(reading->arena, attrs, STR_OF("mlflow.experimentId"),
                                tree_text(place, "experiment_id"));
    for (size_t i = 0; i < COUNT_OF(members) && fits; i++)
        fits = native_text_add(reading->arena, attrs, members[i].attr,
                               tree_text(info, members[i].member));
    for (uint32_t i = 0; i < map_count(metadata) && fits; i++) {
        if (attrs->count < max)
            fits = native_attr_add(reading->arena, attrs, metadata->attrs[i].key,
                                   metadata->attrs[i].value);
        else
            ++*dropped;
    }
    for (uint32_t i = 0; i < map_count(tags) && fits; i++) {
        if (attrs->count < max)
            fits = tag_add(reading, attrs, tags->attrs[i].key, tags->attrs[i].value);
        else
            ++*dropped;
    }
    return fits ? ERR_OK : no_room(reading);
}

/* The info as it came, and that the spans are stored with it: else the SDK uploads them too. */
static enum err info_reply(struct reading *reading, const struct value *info)
{
    struct buf out;
    bool has_tags = false;
    buf_init(&out, REPLY_BYTES_MAX);
    buf_add_c(&out, "{\"trace\":{\"trace_info\":{");
    for (uint32_t i = 0; i < info->count; i++) {
        const struct attr *attr = &info->attrs[i];
        bool is_tags = str_equal_c(attr->key, "tags") && attr->value.type == VALUE_MAP;
        buf_add_c(&out, i ? "," : "");
        buf_add_json_str(&out, attr->key);
        buf_add_c(&out, is_tags ? ":{\"mlflow.trace.spansLocation\":\"TRACKING_STORE\"" : ":");
        for (uint32_t k = 0; is_tags && k < attr->value.count; k++) {
            buf_add_char(&out, ',');
            buf_add_json_str(&out, attr->value.attrs[k].key);
            buf_add_char(&out, ':');
            value_to_json(&out, &attr->value.attrs[k].value);
        }
        if (is_tags)
            buf_add_char(&out, '}');
        else
            value_to_json(&out, &attr->value);
        has_tags |= is_tags;
    }
    if (!has_tags)
        buf_add_c(&out, ",\"tags\":{\"mlflow.trace.spansLocation\":\"TRACKING_STORE\"}");
    buf_add_c(&out, "}}}");
    return reply_is(reading, &out);
}

/* ---- assessments ---- */

static const char source_digits[] = "01234"; /* by enum score_source */

/* The last character of an id of ours. */
static enum score_source source_of_id(str id)
{
    for (int i = 0; id.len && i < SCORE_SOURCE_COUNT; i++)
        if (id.ptr[id.len - 1] == source_digits[i])
            return (enum score_source)i;
    return SCORE_BY_API;
}

/* The same request again gives the same id. */
static str id_made(struct reading *reading, const struct value *assessment,
                   enum score_source source)
{
    str text = tree_json(reading->arena, assessment);
    if (str_is_none(text))
        return STR_NONE;
    str trace = reading->body->trace_id;
    uint64_t high = hash_bytes_seeded(trace.ptr, trace.len, hash_str(text));
    uint64_t low = hash_bytes_seeded(text.ptr, text.len, high);
    return arena_printf(reading->arena, "a-%016llx%015llx%c", (unsigned long long)high,
                        (unsigned long long)(low >> 4), source_digits[source]);
}

static enum err value_is(struct reading *reading, const struct value *value, struct score *score)
{
    score->type = SCORE_LABEL;
    if (!value)
        return ERR_OK; /* an evaluator that failed */
    if (value->type == VALUE_BOOL) {
        score->type = SCORE_BOOL;
        score->value = value->boolean;
        score->has_value = true;
    } else if (value->type == VALUE_I64 || value->type == VALUE_F64) {
        score->type = SCORE_NUMBER;
        score->has_value = value_as_f64(value, &score->value) && isfinite(score->value);
    } else {
        score->label = value->type == VALUE_STR ? value->text : tree_json(reading->arena, value);
        if (str_is_none(score->label))
            return no_room(reading);
    }
    return ERR_OK;
}

/* Feedback or an expectation; a value that is a structure comes serialised. */
static enum err kind_of(struct reading *reading, const struct value *assessment,
                        struct native_attrs *attrs, struct score *score)
{
    static const char *const kinds[] = { "feedback", "expectation" };
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct value *kind = tree_get(assessment, kinds[i]);
        if (!kind)
            continue;
        const struct value *value = tree_get(kind, "value");
        if (!value)
            value = tree_get(tree_get(kind, "serialized_value"), "value");
        const struct value *error = tree_get(kind, "error");
        if (error && str_is_none(score->comment))
            score->comment = tree_text(error, "error_message");
        if (error && !native_text_add(reading->arena, attrs, STR_OF("mlflow.assessment.error"),
                                      tree_text(error, "error_code")))
            return no_room(reading);
        if (!native_text_add(reading->arena, attrs, STR_OF("mlflow.assessment.kind"),
                             str_from_c(kinds[i])))
            return no_room(reading);
        return value_is(reading, value, score);
    }
    score->type = SCORE_LABEL;
    return score->comment.len ? ERR_OK : refuse(reading, "feedback", "is missing");
}

static enum err attrs_of(struct reading *reading, const struct value *assessment,
                         struct native_attrs *attrs)
{
    static const char *const kept[] = { "overrides", "valid", "rationale_source" };
    const struct value *metadata = tree_get(assessment, "metadata");
    bool fits = true;
    if (metadata && metadata->type == VALUE_MAP)
        for (uint32_t i = 0; i < metadata->count && fits; i++)
            fits = native_attr_add(reading->arena, attrs, metadata->attrs[i].key,
                                   metadata->attrs[i].value);
    for (size_t i = 0; i < COUNT_OF(kept) && fits; i++) {
        const struct value *value = tree_get(assessment, kept[i]);
        bool is_said = value && !(value->type == VALUE_BOOL && value->boolean);
        if (is_said)
            fits = native_attr_add(reading->arena, attrs, str_from_c(kept[i]), *value);
    }
    return fits ? ERR_OK : no_room(reading);
}

static struct raw_score *score_new(struct reading *reading)
{
    struct raw_score *raw = native_score_new(reading->arena, &reading->items);
    str *texts[SCORE_TEXTS];
    if (!raw)
        return NULL;
    *raw = (struct raw_score){ .sender_id = STR_NONE };
    score_texts(&raw->score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    return raw;
}

static enum err assessment_take(struct reading *reading, const struct value *assessment,
                                str trace_id, str *ret_id)
{
    struct raw_score *raw = score_new(reading);
    struct native_attrs attrs = { 0 };
    if (!raw)
        return no_room(reading);
    struct score *score = &raw->score;
    const struct value *source = tree_get(assessment, "source");
    str id = reading->body->assessment_id, span = tree_text(assessment, "span_id");
    score->name = tree_text(assessment, "assessment_name");
    if (str_is_none(score->name) || score->name.len > SCORE_NAME_BYTES_MAX)
        return refuse(reading, "assessment_name", score->name.len ? "is too long" : "is missing");
    score->trace_id = trace_id_of(trace_id);
    score->has_trace_id = true;
    score->has_span_id = !str_is_none(span);
    score->span_id = native_span_id(span);
    score->comment = tree_text(assessment, "rationale");
    score->evaluator = tree_text(source, "source_id");
    score->source = source_of_id(id);
    if (source)
        (void)score_source_of(tree_text(source, "source_type"), &score->source);
    if (!tree_time(assessment, "last_update_time", &score->time_ns) &&
        !tree_time(assessment, "create_time", &score->time_ns))
        score->time_ns = 0;
    enum err err = kind_of(reading, assessment, &attrs, score);
    if (!err)
        err = attrs_of(reading, assessment, &attrs);
    score->attrs = attrs.items;
    score->attr_count = attrs.count;
    raw->sender_id = id.len ? id : id_made(reading, assessment, score->source);
    *ret_id = raw->sender_id;
    return err || !str_is_none(raw->sender_id) ? err : no_room(reading);
}

/* {"assessment": what came, with the ids of the path}; the SDK needs to hear of a source. */
static enum err assessment_reply(struct reading *reading, const struct value *assessment, str id)
{
    static const char *const sources[] = { "CODE", "HUMAN", "LLM_JUDGE", "CODE", "HUMAN" };
    struct buf out;
    buf_init(&out, REPLY_BYTES_MAX);
    buf_add_c(&out, "{\"assessment\":{\"assessment_id\":");
    buf_add_json_str(&out, id);
    buf_add_c(&out, ",\"trace_id\":");
    buf_add_json_str(&out, reading->body->trace_id);
    if (!tree_get(assessment, "source"))
        buf_printf(&out, ",\"source\":{\"source_type\":\"%s\"}", sources[source_of_id(id)]);
    for (uint32_t i = 0; i < assessment->count; i++) {
        const struct attr *attr = &assessment->attrs[i];
        if (str_equal_c(attr->key, "assessment_id") || str_equal_c(attr->key, "trace_id"))
            continue;
        buf_add_char(&out, ',');
        buf_add_json_str(&out, attr->key);
        buf_add_char(&out, ':');
        value_to_json(&out, &attr->value);
    }
    buf_add_c(&out, "}}");
    return reply_is(reading, &out);
}

/* ---- the calls ---- */

static enum err take_assessment(struct reading *reading, const struct value *root)
{
    const struct value *assessment = tree_get(root, "assessment");
    str id;
    if (!assessment || assessment->type != VALUE_MAP)
        return refuse(reading, "assessment", "is missing");
    enum err err = assessment_take(reading, assessment, reading->body->trace_id, &id);
    return err ? err : assessment_reply(reading, assessment, id);
}

/* There was an opinion; what it was is gone. */
static enum err take_deletion(struct reading *reading)
{
    struct raw_score *raw = score_new(reading);
    if (!raw)
        return no_room(reading);
    raw->sender_id = reading->body->assessment_id;
    raw->score.name = STR_OF("(deleted)");
    raw->score.type = SCORE_LABEL;
    raw->score.trace_id = trace_id_of(reading->body->trace_id);
    raw->score.has_trace_id = true;
    raw->score.source = source_of_id(raw->sender_id);
    return reply_is_nothing(reading);
}

static enum err take_tag(struct reading *reading, const struct value *root)
{
    struct native_attrs attrs = { 0 };
    const struct value *value = tree_get(root, "value");
    str key = tree_text(root, "key");
    bool is_deleted = reading->body->call == MLFLOW_TAG_DELETED || !value;
    if (str_is_none(key))
        return refuse(reading, "key", "is missing");
    if (!tag_add(reading, &attrs, key, is_deleted ? value_str(STR_OF("")) : *value))
        return no_room(reading);
    enum err err = trace_says(reading, trace_id_of(reading->body->trace_id), &attrs);
    return err ? err : reply_is_nothing(reading);
}

static enum err take_trace(struct reading *reading, const struct value *root)
{
    const struct value *info = tree_get(tree_get(root, "trace"), "trace_info");
    const struct value *assessments;
    struct native_attrs attrs = { 0 };
    str trace_id = tree_text(info, "trace_id"), id;
    if (str_is_none(trace_id))
        return refuse(reading, "trace.trace_info.trace_id", "is missing");
    uint32_t dropped = 0;
    enum err err = info_attrs(reading, info, &attrs, &dropped);
    if (!err)
        err = trace_says(reading, trace_id_of(trace_id), &attrs);
    if (!err)
        reading->items.spans[0].dropped_attr_count = dropped;
    uint32_t count = tree_items(info, "assessments", &assessments);
    if (count >= reading->body->limits->items_max)
        return diag_set(reading->why, ERR_LIMIT, "%u assessments are over the limit of %u", count,
                        reading->body->limits->items_max);
    for (uint32_t i = 0; i < count && !err; i++) {
        struct mlflow_body one = *reading->body;
        struct reading inner = *reading;
        one.trace_id = trace_id;
        one.assessment_id = tree_text(&assessments[i], "assessment_id");
        inner.body = &one;
        err = assessment_take(&inner, &assessments[i], trace_id, &id);
        reading->items = inner.items;
    }
    return err ? err : info_reply(reading, info);
}

/* ---- experiments ---- */

static bool is_plain(char c)
{
    return c > ' ' && c < 127 && c != '%';
}

static void add_id(struct buf *out, str name)
{
    static const char digits[] = "0123456789ABCDEF";
    if (str_equal(name, default_experiment.name)) {
        buf_add_str(out, default_experiment.id);
        return;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = (uint8_t)name.ptr[i];
        if (is_plain(name.ptr[i]))
            buf_add_char(out, name.ptr[i]);
        else
            buf_printf(out, "%%%c%c", digits[byte >> 4], digits[byte & 15]);
    }
}

static void add_name(struct buf *out, str id)
{
    if (str_equal(id, default_experiment.id)) {
        buf_add_str(out, default_experiment.name);
        return;
    }
    for (size_t i = 0; i < id.len; i++) {
        uint8_t byte;
        bool is_escape = id.ptr[i] == '%' && hex_decode(str_sub(id, i + 1, 2), &byte, 1);
        buf_add_char(out, is_escape ? (char)byte : id.ptr[i]);
        i += is_escape ? 2 : 0;
    }
}

void mlflow_experiment_json(struct buf *out, str name, str id)
{
    struct buf other;
    buf_init(&other, (size_t)ID_BYTES_MAX * 4);
    bool by_name = str_is_none(id);
    if (by_name)
        add_id(&other, name);
    else
        add_name(&other, id);
    buf_add_c(out, "{\"experiment\":{\"experiment_id\":");
    buf_add_json_str(out, by_name ? buf_str(&other) : id);
    buf_add_c(out, ",\"name\":");
    buf_add_json_str(out, by_name ? name : buf_str(&other));
    buf_add_c(out, ",\"lifecycle_stage\":\"active\",\"tags\":[]}}");
    buf_clear(&other);
}

static enum err take_experiment(struct reading *reading, const struct value *root)
{
    struct buf id, out;
    str name = tree_text(root, "name");
    if (str_is_none(name) || name.len > ID_BYTES_MAX)
        return refuse(reading, "name", name.len ? "is too long" : "is missing");
    buf_init(&id, (size_t)ID_BYTES_MAX * 4);
    buf_init(&out, (size_t)ID_BYTES_MAX * 8);
    add_id(&id, name);
    buf_add_c(&out, "{\"experiment_id\":");
    buf_add_json_str(&out, buf_str(&id));
    buf_add_char(&out, '}');
    buf_clear(&id);
    return reply_is(reading, &out);
}

static enum err take(struct reading *reading)
{
    struct value root = { .type = VALUE_NULL };
    const struct mlflow_body *body = reading->body;
    bool is_empty = body->bytes.len == 0;
    if (body->call == MLFLOW_IGNORED)
        return reply_is_nothing(reading);
    if (body->call == MLFLOW_ASSESSMENT_DELETED)
        return take_deletion(reading);
    enum err err = is_empty ? refuse(reading, "the body", "is empty")
                            : tree_parse(reading->arena, body->bytes, &root, reading->why);
    if (err)
        return err;
    if (body->call == MLFLOW_TRACE)
        return take_trace(reading, &root);
    if (body->call == MLFLOW_EXPERIMENT)
        return take_experiment(reading, &root);
    bool is_tag = body->call == MLFLOW_TAG || body->call == MLFLOW_TAG_DELETED;
    return is_tag ? take_tag(reading, &root) : take_assessment(reading, &root);
}

enum err mlflow_decode(struct arena *arena, const struct mlflow_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct reading reading = {
        .arena = arena, .body = body, .batch = ret_batch, .why = reterr_why
    };
    *ret_batch = (struct raw_batch){ .is_utf8 = true };
    enum err err = take(&reading);
    if (err)
        return err;
    native_give(&reading.items, ret_batch);
    return ERR_OK;
}
