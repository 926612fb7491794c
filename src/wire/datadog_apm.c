/* datadog_apm.c -- traces as tracers send them to an agent: v0.3, v0.4, v0.5.
 *
 * A span is measured before it is read, so one of a wrong type is left out alone and its
 * neighbours stay; only bytes that are no MessagePack fail the request.  A span of an LLM call
 * has its tree in meta_struct "_llmobs" (v0.4); then the gen_ai.* tags beside it, which the tracer
 * made from it, are left out.  So are those of a span whose event was sent apart
 * (`_dd.llmobs.submitted`): it is an addition to that event, and counts nothing itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "wire/datadog_int.h"
#include "wire/msgpack.h"

enum { V05_FIELDS = 12, KIND_COUNT = 6 };

struct traces {
    struct datadog datadog;
    struct msgpack msgpack;
    str language;     /* of the sender; empty: it did not say */
    const str *texts; /* v0.5 */
    uint32_t text_count;
    uint32_t trace_index; /* from 1 */
    uint32_t span_index;
    struct id8 trace_high; /* of the trace being read; zero: no span said it */
    struct diag *why;
};

/* A span being read. */
struct apm {
    struct traces *traces;
    struct datadog_item item;
    str service, name, resource, type;
    uint64_t trace_id, span_id, parent_id;
    int64_t start_ns, duration_ns;
    bool is_error;
    struct native_attrs meta; /* texts and numbers, in the order they came */
    struct value llm;         /* the tree, or VALUE_NULL */
    const char *fault;
};

static bool fault(struct apm *apm, const char *why)
{
    if (!apm->fault)
        apm->fault = why;
    return false;
}

/* ---- values ---- */

static bool read_u64(struct apm *apm, uint64_t *ret)
{
    struct msgpack_item item;
    enum msgpack_type type = msgpack_next(&apm->traces->msgpack, &item);
    if (type != MSGPACK_UINT && type != MSGPACK_INT && type != MSGPACK_NIL)
        return fault(apm, "an id must be a number");
    *ret = type == MSGPACK_UINT  ? item.u64
           : type == MSGPACK_INT ? (uint64_t)item.i64 /* a tracer without unsigned numbers */
                                 : 0;
    return true;
}

static bool read_i64(struct apm *apm, int64_t *ret)
{
    struct msgpack_item item;
    enum msgpack_type type = msgpack_next(&apm->traces->msgpack, &item);
    *ret = 0;
    if (type == MSGPACK_UINT && item.u64 <= INT64_MAX)
        *ret = (int64_t)item.u64;
    else if (type == MSGPACK_INT)
        *ret = item.i64;
    else if (type == MSGPACK_F64 && item.f64 > -9.2e18 && item.f64 < 9.2e18)
        *ret = (int64_t)item.f64;
    else if (type != MSGPACK_NIL)
        return fault(apm, "start, duration and error must be whole numbers");
    return true;
}

/* Text, or in v0.5 its place in the table; nil is an empty one. */
static bool read_text(struct apm *apm, str *ret)
{
    struct traces *traces = apm->traces;
    struct msgpack_item item;
    enum msgpack_type type = msgpack_next(&traces->msgpack, &item);
    if (traces->texts) {
        if (type != MSGPACK_UINT || item.u64 >= traces->text_count)
            return fault(apm, "a text is not in the table");
        *ret = traces->texts[item.u64];
        return true;
    }
    *ret = STR_OF("");
    if (type == MSGPACK_STR || type == MSGPACK_BIN)
        *ret = item.text;
    else if (type != MSGPACK_NIL)
        return fault(apm, "a text is expected");
    return true;
}

/* Map or nil. */
static bool read_map(struct apm *apm, uint32_t *ret_count)
{
    struct msgpack_item item;
    enum msgpack_type type = msgpack_next(&apm->traces->msgpack, &item);
    *ret_count = type == MSGPACK_MAP ? item.count : 0;
    return type == MSGPACK_MAP || type == MSGPACK_NIL || fault(apm, "a map is expected");
}

static bool keep(struct apm *apm, str key, struct value value)
{
    struct datadog *datadog = &apm->traces->datadog;
    if (apm->meta.count >= datadog->limits->attrs_max)
        apm->item.span.dropped_attr_count++;
    else if (!native_attr_add(datadog->arena, &apm->meta, key, value))
        datadog->spent = true;
    return !datadog->spent || fault(apm, "no memory");
}

static bool read_meta(struct apm *apm)
{
    uint32_t count;
    if (!read_map(apm, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        str key, text;
        if (!read_text(apm, &key) || !read_text(apm, &text) || !keep(apm, key, value_str(text)))
            return false;
    }
    return true;
}

static bool read_metrics(struct apm *apm)
{
    uint32_t count;
    if (!read_map(apm, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        str key;
        struct msgpack_item item;
        if (!read_text(apm, &key))
            return false;
        enum msgpack_type type = msgpack_next(&apm->traces->msgpack, &item);
        double number = type == MSGPACK_UINT  ? (double)item.u64
                        : type == MSGPACK_INT ? (double)item.i64
                                              : item.f64;
        if (type != MSGPACK_UINT && type != MSGPACK_INT && type != MSGPACK_F64)
            return fault(apm, "a metric must be a number");
        bool is_whole = number >= -9e15 && number <= 9e15 && number == (double)(int64_t)number;
        if (!keep(apm, key, is_whole ? value_i64((int64_t)number) : value_f64(number)))
            return false;
    }
    return true;
}

static bool read_tree(struct apm *apm, struct value *ret)
{
    struct traces *traces = apm->traces;
    struct msgpack_item item;
    msgpack_next(&traces->msgpack, &item);
    return msgpack_value(&traces->msgpack, traces->datadog.arena, &item,
                         MIN(traces->datadog.limits->depth_max, (uint32_t)VALUE_DEPTH_MAX), ret) ||
           fault(apm, "nested too deep, or too large");
}

/* MessagePack in the bytes of a MessagePack: a tree that is damaged is left out alone. */
static bool read_struct(struct apm *apm)
{
    struct traces *traces = apm->traces;
    uint32_t count;
    if (!read_map(apm, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        str key, bytes;
        struct msgpack inner;
        struct msgpack_item item;
        struct value tree;
        if (!read_text(apm, &key) || !read_text(apm, &bytes))
            return false;
        msgpack_init(&inner, bytes);
        msgpack_next(&inner, &item);
        if (!msgpack_value(&inner, traces->datadog.arena, &item,
                           MIN(traces->datadog.limits->depth_max, (uint32_t)VALUE_DEPTH_MAX),
                           &tree)) {
            traces->datadog.spent = msgpack_error(&inner, NULL) == ERR_LIMIT;
            return fault(apm, "its meta_struct is damaged or nested too deep");
        }
        if (str_equal_c(key, "_llmobs") && tree.type == VALUE_MAP)
            apm->llm = tree;
        else
            datadog_attr_under(&traces->datadog, &apm->item, "meta_struct.", key, tree);
    }
    return true;
}

/* ---- what it means ---- */

/* Made by the tracer from what the LLM span says of itself. */
static bool is_repeated(str key)
{
    return str_starts(key, STR_OF("gen_ai.")) || str_starts(key, STR_OF("_dd.llmobs."));
}

static bool meta_is(const struct apm *apm, const char *key, const char *text)
{
    const struct attr *attr = attr_find(apm->meta.items, apm->meta.count, str_from_c(key));
    return attr && attr->value.type == VALUE_STR && str_equal_c(attr->value.text, text);
}

static int32_t kind_of(str text)
{
    static const char *const kinds[KIND_COUNT] = { "",       "internal", "server",
                                                   "client", "producer", "consumer" };
    for (int32_t i = 1; i < KIND_COUNT; i++)
        if (str_equal_c(text, kinds[i]))
            return i;
    return 0;
}

/* A tag that becomes a member of the span; false: it is an attribute. */
static bool take_member(struct apm *apm, const struct attr *attr)
{
    struct datadog_item *item = &apm->item;
    static const char *const texts[] = { "error.type",  "error.message", "error.msg",
                                         "error.stack", "span.kind",     "_dd.p.tid" };
    str *places[] = { &item->error_type, &item->error_message, &item->error_message,
                      &item->error_stack };
    str text = attr->value.type == VALUE_STR ? attr->value.text : STR_NONE;
    size_t row = 0;
    while (row < COUNT_OF(texts) && !str_equal_c(attr->key, texts[row]))
        row++;
    if (str_is_none(text) || row == COUNT_OF(texts))
        return false;
    if (row < COUNT_OF(places))
        *places[row] = text;
    else if (row == COUNT_OF(places))
        item->span.kind = kind_of(text);
    else
        return hex_decode(text, &apm->traces->trace_high, sizeof apm->traces->trace_high);
    return true;
}

/* Databases by the type of their span, where no tag names them. */
static void database(struct apm *apm)
{
    static const char *const types[] = { "sql",     "db",        "redis",        "cassandra",
                                         "mongodb", "memcached", "elasticsearch" };
    struct native_attrs *meta = &apm->meta;
    if (attr_find(meta->items, meta->count, STR_OF("db.system")))
        return;
    const struct attr *named = attr_find(meta->items, meta->count, STR_OF("db.type"));
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_equal_c(apm->type, types[i]))
            datadog_attr(&apm->traces->datadog, &apm->item, STR_OF("db.system"),
                         named ? named->value : value_str(apm->type));
}

/* A tag that is no member of the span; `is_made`: the tracer made gen_ai.* tags of its own. */
static void take_tag(struct apm *apm, const struct attr *attr, bool is_made)
{
    struct datadog *datadog = &apm->traces->datadog;
    bool is_unknown =
        is_made && attr->value.type == VALUE_STR && str_equal_c(attr->value.text, "unknown");
    if (is_made && str_equal_c(attr->key, "gen_ai.operation.name")) /* its words, not OTel's */
        datadog_attr(datadog, &apm->item, STR_OF("_dd.llmobs.span_kind"), attr->value);
    else if (!is_unknown)
        datadog_tag(datadog, &apm->item, attr->key, attr->value);
}

/* "POST /ask" says more than "web.request". */
static void resource(struct apm *apm)
{
    struct datadog *datadog = &apm->traces->datadog;
    if (str_equal_c(apm->type, "web") && apm->resource.len) {
        apm->item.span.name = apm->resource;
        datadog_attr(datadog, &apm->item, STR_OF("operation.name"), value_str(apm->name));
    } else if (apm->resource.len && !str_equal(apm->resource, apm->name)) {
        datadog_attr(datadog, &apm->item, STR_OF("resource.name"), value_str(apm->resource));
    }
    if (apm->type.len)
        datadog_attr(datadog, &apm->item, STR_OF("span.type"), value_str(apm->type));
}

static void tags(struct apm *apm)
{
    struct datadog *datadog = &apm->traces->datadog;
    struct datadog_item *item = &apm->item;
    bool has_tree = apm->llm.type == VALUE_MAP;
    bool is_submitted = meta_is(apm, "_dd.llmobs.submitted", "1");
    bool is_made = meta_is(apm, "_dd.llmobs.artificial_gen_ai_tags", "true");
    item->span.is_addition = is_submitted && !has_tree;
    item->said |= str_is_empty(apm->traces->language) ? 0 : DATADOG_SAID_LANGUAGE;
    datadog_tag(datadog, item, STR_OF("service"), value_str(apm->service));
    for (uint32_t i = 0; i < apm->meta.count; i++) {
        const struct attr *attr = &apm->meta.items[i];
        bool is_told = (is_submitted || has_tree) && is_repeated(attr->key);
        if (!take_member(apm, attr) && !is_told)
            take_tag(apm, attr, is_made);
    }
    resource(apm);
    database(apm);
    if (has_tree)
        datadog_llm(datadog, item, &apm->llm);
}

static bool span_finish(struct apm *apm)
{
    struct traces *traces = apm->traces;
    struct raw_span *span = &apm->item.span;
    if (apm->trace_id == 0 || apm->span_id == 0)
        return fault(apm, apm->span_id ? "trace_id is missing" : "span_id is missing");
    if (apm->start_ns < 0 || apm->duration_ns < 0)
        return fault(apm, "start or duration is below zero");
    struct id8 low = datadog_id8(apm->trace_id);
    memcpy(span->trace_id.bytes + 8, low.bytes, sizeof low);
    span->span_id = datadog_id8(apm->span_id);
    span->parent_span_id = datadog_id8(apm->parent_id);
    span->name = apm->name.len ? apm->name : apm->resource;
    span->start_ns = (uint64_t)apm->start_ns;
    span->end_ns = apm->start_ns ? (uint64_t)apm->start_ns + (uint64_t)apm->duration_ns : 0;
    span->status_code = apm->is_error ? 2 : 0;
    span->source_id = arena_printf(traces->datadog.arena, "%llu", (unsigned long long)apm->span_id);
    tags(apm);
    if (!apm->is_error && span->status_code == 0 && apm->llm.type == VALUE_MAP)
        span->status_code = 1;
    return true;
}

/* ---- spans ---- */

static bool read_error(struct apm *apm)
{
    int64_t number;
    bool good = read_i64(apm, &number);
    apm->is_error = good && number != 0;
    return good;
}

static bool read_member(struct apm *apm, str key)
{
    struct datadog *datadog = &apm->traces->datadog;
    struct value tree;
    if (str_equal_c(key, "service"))
        return read_text(apm, &apm->service);
    if (str_equal_c(key, "name"))
        return read_text(apm, &apm->name);
    if (str_equal_c(key, "resource"))
        return read_text(apm, &apm->resource);
    if (str_equal_c(key, "type"))
        return read_text(apm, &apm->type);
    if (str_equal_c(key, "trace_id"))
        return read_u64(apm, &apm->trace_id);
    if (str_equal_c(key, "span_id"))
        return read_u64(apm, &apm->span_id);
    if (str_equal_c(key, "parent_id"))
        return read_u64(apm, &apm->parent_id);
    if (str_equal_c(key, "start"))
        return read_i64(apm, &apm->start_ns);
    if (str_equal_c(key, "duration"))
        return read_i64(apm, &apm->duration_ns);
    if (str_equal_c(key, "error"))
        return read_error(apm);
    if (str_equal_c(key, "meta"))
        return read_meta(apm);
    if (str_equal_c(key, "metrics"))
        return read_metrics(apm);
    if (str_equal_c(key, "meta_struct"))
        return read_struct(apm);
    if (!read_tree(apm, &tree))
        return false;
    datadog_attr(datadog, &apm->item, key, tree);
    return true;
}

static bool read_span_map(struct apm *apm)
{
    uint32_t count;
    if (!read_map(apm, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        str key;
        if (!read_text(apm, &key) || !read_member(apm, key))
            return false;
    }
    return true;
}

static bool read_span_array(struct apm *apm)
{
    struct msgpack_item item;
    if (msgpack_next(&apm->traces->msgpack, &item) != MSGPACK_ARRAY || item.count < V05_FIELDS)
        return fault(apm, "a span must have 12 members");
    return read_text(apm, &apm->service) && read_text(apm, &apm->name) &&
           read_text(apm, &apm->resource) && read_u64(apm, &apm->trace_id) &&
           read_u64(apm, &apm->span_id) && read_u64(apm, &apm->parent_id) &&
           read_i64(apm, &apm->start_ns) && read_i64(apm, &apm->duration_ns) && read_error(apm) &&
           read_meta(apm) && read_metrics(apm) && read_text(apm, &apm->type);
}

static bool broken(struct traces *traces)
{
    (void)msgpack_error(&traces->msgpack, traces->why);
    return false;
}

/* One span: measured, read, and left out alone when it is none. */
static bool take_span(struct traces *traces)
{
    struct apm apm = { .traces = traces };
    struct msgpack measure = traces->msgpack;
    struct msgpack_item item;
    traces->span_index++;
    msgpack_next(&measure, &item);
    if (!msgpack_skip(&measure, &item)) {
        traces->msgpack = measure;
        return broken(traces);
    }
    bool good = (traces->texts ? read_span_array(&apm) : read_span_map(&apm)) && span_finish(&apm);
    traces->msgpack = measure;
    if (good)
        return datadog_span_add(&traces->datadog, &apm.item, traces->why);
    if (traces->datadog.spent) {
        (void)diag_set(traces->why, ERR_LIMIT, "the request needs too much memory");
        return false;
    }
    native_reject(traces->datadog.batch, "trace %u, span %u: %s", traces->trace_index,
                  traces->span_index, apm.fault);
    return true;
}

/* The upper half of the id, which one span of the trace said, to all of them. */
static void spread_high(struct traces *traces, uint32_t first)
{
    struct native_batch *out = &traces->datadog.out;
    for (uint32_t i = first; i < out->span_count; i++)
        memcpy(out->spans[i].trace_id.bytes, traces->trace_high.bytes,
               sizeof traces->trace_high.bytes);
}

static bool take_trace(struct traces *traces)
{
    struct msgpack_item item;
    uint32_t first = traces->datadog.out.span_count;
    traces->trace_index++;
    traces->span_index = 0;
    traces->trace_high = (struct id8){ { 0 } };
    enum msgpack_type type = msgpack_next(&traces->msgpack, &item);
    if (type != MSGPACK_ARRAY) {
        native_reject(traces->datadog.batch, "trace %u: it must be a list", traces->trace_index);
        return msgpack_skip(&traces->msgpack, &item) || broken(traces);
    }
    for (uint32_t i = 0; i < item.count; i++)
        if (!take_span(traces))
            return false;
    spread_high(traces, first);
    return true;
}

static bool take_traces(struct traces *traces)
{
    struct msgpack_item item;
    if (msgpack_next(&traces->msgpack, &item) != MSGPACK_ARRAY)
        return broken(traces);
    for (uint32_t i = 0; i < item.count; i++)
        if (!take_trace(traces))
            return false;
    return msgpack_next(&traces->msgpack, &item) == MSGPACK_END || broken(traces);
}

/* v0.5: [texts, traces]. */
static bool take_table(struct traces *traces)
{
    struct msgpack_item item, text;
    struct msgpack *msgpack = &traces->msgpack;
    if (msgpack_next(msgpack, &item) != MSGPACK_ARRAY || item.count != 2 ||
        msgpack_next(msgpack, &item) != MSGPACK_ARRAY)
        return broken(traces);
    str *texts = arena_new(traces->datadog.arena, str, (size_t)item.count + 1);
    if (!texts) {
        (void)diag_set(traces->why, ERR_LIMIT, "the request needs too much memory");
        return false;
    }
    for (uint32_t i = 0; i < item.count; i++) {
        if (msgpack_next(msgpack, &text) != MSGPACK_STR)
            return broken(traces);
        texts[i] = text.text;
    }
    traces->texts = texts;
    traces->text_count = item.count;
    return true;
}

static bool sender(struct traces *traces, const struct datadog_sender *from)
{
    struct datadog *datadog = &traces->datadog;
    struct native_attrs attrs = { 0 };
    struct raw_resource *resource = arena_new(datadog->arena, struct raw_resource, 1);
    struct raw_scope *scope = arena_new(datadog->arena, struct raw_scope, 1);
    bool good =
        resource && scope &&
        native_text_add(datadog->arena, &attrs, STR_OF("telemetry.sdk.language"), from->language) &&
        native_text_add(datadog->arena, &attrs, STR_OF("telemetry.sdk.version"),
                        from->tracer_version);
    if (!good)
        return false;
    traces->language = from->language;
    resource->attrs = attrs.items;
    resource->attr_count = attrs.count;
    scope->resource = resource;
    datadog->scope = scope;
    return true;
}

enum err datadog_decode_traces(struct arena *arena, const struct datadog_body *body,
                               const struct otlp_limits *limits, struct raw_batch *ret_batch,
                               struct diag *reterr_why)
{
    struct diag why = DIAG_NONE;
    struct traces traces = { .why = reterr_why ? reterr_why : &why };
    enum err err = datadog_begin(&traces.datadog, arena, limits, ret_batch, traces.why);
    if (err)
        return err;
    if (!sender(&traces, &body->sender))
        return diag_set(traces.why, ERR_LIMIT, "no memory is left for the request");
    msgpack_init(&traces.msgpack, body->bytes);
    if (body->format == DATADOG_TRACES_V05 && !take_table(&traces))
        return traces.why->code;
    if (!take_traces(&traces))
        return traces.why->code;
    return datadog_finish(&traces.datadog, reterr_why);
}
