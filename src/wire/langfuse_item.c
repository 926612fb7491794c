/* langfuse_item.c -- a trace and an observation: members of a body to attributes.
 *
 * The tables say under which name of the OTLP dialect a member goes on.  What stands in no table
 * stays under the dialect's prefix and its own name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "wire/langfuse_int.h"

enum what {
    WHAT_ID,
    WHAT_TRACE_ID,
    WHAT_PARENT_ID,
    WHAT_NAME,
    WHAT_START,
    WHAT_END,
    WHAT_TYPE,
    WHAT_SCALAR,   /* a text, number or truth */
    WHAT_CONTENT,  /* a text as it is, anything else as JSON */
    WHAT_LIST,     /* as it is */
    WHAT_METADATA, /* each member for itself */
    WHAT_USAGE,    /* of SDKs before usageDetails */
};
enum { USAGE_JSON_BYTES_MAX = 4096 };

struct member {
    str key;
    enum what what;
    str attr;
};

static const struct member observation_members[] = {
    { STR("id"), WHAT_ID, STR("") },
    { STR("traceId"), WHAT_TRACE_ID, STR("") },
    { STR("parentObservationId"), WHAT_PARENT_ID, STR("") },
    { STR("name"), WHAT_NAME, STR("") },
    { STR("startTime"), WHAT_START, STR("") },
    { STR("endTime"), WHAT_END, STR("") },
    { STR("type"), WHAT_TYPE, STR("") },
    { STR("input"), WHAT_CONTENT, STR("langfuse.observation.input") },
    { STR("output"), WHAT_CONTENT, STR("langfuse.observation.output") },
    { STR("metadata"), WHAT_METADATA, STR("langfuse.observation.metadata") },
    { STR("level"), WHAT_SCALAR, STR("langfuse.observation.level") },
    { STR("statusMessage"), WHAT_SCALAR, STR("langfuse.observation.status_message") },
    { STR("version"), WHAT_SCALAR, STR("langfuse.version") },
    { STR("environment"), WHAT_SCALAR, STR("langfuse.environment") },
    { STR("model"), WHAT_SCALAR, STR("langfuse.observation.model.name") },
    { STR("modelParameters"), WHAT_CONTENT, STR("langfuse.observation.model.parameters") },
    { STR("completionStartTime"), WHAT_SCALAR, STR("langfuse.observation.completion_start_time") },
    { STR("usage"), WHAT_USAGE, STR("langfuse.observation.usage") },
    { STR("usageDetails"), WHAT_CONTENT, STR("langfuse.observation.usage_details") },
    { STR("costDetails"), WHAT_CONTENT, STR("langfuse.observation.cost_details") },
    { STR("promptName"), WHAT_SCALAR, STR("langfuse.observation.prompt.name") },
    { STR("promptVersion"), WHAT_SCALAR, STR("langfuse.observation.prompt.version") },
};
static const struct member trace_members[] = {
    { STR("id"), WHAT_ID, STR("") },
    { STR("timestamp"), WHAT_START, STR("") },
    { STR("name"), WHAT_NAME, STR("") },
    { STR("userId"), WHAT_SCALAR, STR("langfuse.user.id") },
    { STR("sessionId"), WHAT_SCALAR, STR("langfuse.session.id") },
    { STR("input"), WHAT_CONTENT, STR("langfuse.trace.input") },
    { STR("output"), WHAT_CONTENT, STR("langfuse.trace.output") },
    { STR("metadata"), WHAT_METADATA, STR("langfuse.trace.metadata") },
    { STR("tags"), WHAT_LIST, STR("langfuse.trace.tags") },
    { STR("release"), WHAT_SCALAR, STR("langfuse.release") },
    { STR("version"), WHAT_SCALAR, STR("langfuse.version") },
    { STR("environment"), WHAT_SCALAR, STR("langfuse.environment") },
    { STR("public"), WHAT_SCALAR, STR("langfuse.trace.public") },
};

/* A body being read. */
struct item {
    struct langfuse *langfuse;
    struct native_item native;
    const struct member *members;
    size_t member_count;
    str prefix; /* of what stands in no table */
    str id, trace_id, parent_id, name, type;
    uint64_t start_ns, end_ns;
    struct value usage; /* VALUE_NULL: none */
    str usage_json;
    bool has_usage_details, has_cost_details;
};

/* ---- members ---- */

static struct native_item native_of(struct langfuse *langfuse)
{
    return (struct native_item){ .arena = langfuse->arena,
                                 .fault = &langfuse->fault,
                                 .attrs_max = langfuse->limits->attrs_max };
}

static bool usage_read(struct item *item, enum json_token token)
{
    if (token != JSON_OBJECT)
        return native_add_read(&item->native, STR_OF("langfuse.observation.usage"), token);
    struct json again = item->native.json;
    return json_raw(&item->native.json, token, &item->usage_json) &&
           json_value(&again, token, &item->usage);
}

static bool member_read(struct item *item, const struct member *member, enum json_token token)
{
    str key = member->key;
    bool is_tree = token == JSON_OBJECT || token == JSON_ARRAY;
    switch (member->what) {
    case WHAT_ID:
        return native_text(&item->native, key, token, &item->id);
    case WHAT_TRACE_ID:
        return native_text(&item->native, key, token, &item->trace_id);
    case WHAT_PARENT_ID:
        return native_text(&item->native, key, token, &item->parent_id);
    case WHAT_NAME:
        return native_text(&item->native, key, token, &item->name);
    case WHAT_TYPE:
        return native_text(&item->native, key, token, &item->type);
    case WHAT_START:
        return native_time(&item->native, key, token, &item->start_ns);
    case WHAT_END:
        return native_time(&item->native, key, token, &item->end_ns);
    case WHAT_METADATA:
        return native_add_members(&item->native, member->attr, token);
    case WHAT_USAGE:
        return usage_read(item, token);
    case WHAT_LIST:
        return native_add_list(&item->native, member->attr, token);
    case WHAT_SCALAR:
        if (is_tree)
            return native_refuse(item->native.fault, key, "must be a text");
        return native_add_read(&item->native, member->attr, token);
    case WHAT_CONTENT:
        item->has_usage_details |= token == JSON_OBJECT && str_equal_c(key, "usageDetails");
        item->has_cost_details |= token == JSON_OBJECT && str_equal_c(key, "costDetails");
        return native_add_read(&item->native, member->attr, token);
    }
    return false;
}

static bool members_read(struct item *item, str body)
{
    json_init(&item->native.json, item->native.arena, body, JSON_DEPTH_MAX);
    enum json_token token = json_next(&item->native.json);
    while (token == JSON_OBJECT && (token = json_next(&item->native.json)) == JSON_KEY) {
        str key = item->native.json.text;
        size_t i = 0;
        while (i < item->member_count && !str_equal(key, item->members[i].key))
            i++;
        token = json_next(&item->native.json);
        bool is_read = false;
        if (i < item->member_count) {
            is_read = member_read(item, &item->members[i], token);
        } else {
            str name = native_joined(&item->native, item->prefix, key);
            is_read = !str_is_none(name) && native_add_read(&item->native, name, token);
        }
        if (is_read) {
            token = JSON_OBJECT; /* the next member */
            continue;
        }
        return native_unreadable(&item->native, key);
    }
    return token == JSON_OBJECT_END ||
           native_refuse(item->native.fault, STR_OF("body"), "must be an object");
}

/* ---- the old usage ---- */

static const struct value *usage_member(const struct item *item, const char *key)
{
    const struct attr *attr = attr_find(item->usage.attrs, item->usage.count, str_from_c(key));
    return attr && attr->value.type != VALUE_NULL ? &attr->value : NULL;
}

/* {"inputCost":...} of the old usage under the names of costDetails. */
static bool usage_costs(struct item *item)
{
    static const struct {
        const char *from, *to;
    } names[] = { { "inputCost", "input" }, { "outputCost", "output" }, { "totalCost", "total" } };
    struct buf out;
    double amount;
    buf_init(&out, USAGE_JSON_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct value *value = usage_member(item, names[i].from);
        if (!value || !value_as_f64(value, &amount))
            continue;
        buf_printf(&out, "%c\"%s\":", out.len ? ',' : '{', names[i].to);
        buf_add_f64(&out, amount);
    }
    bool has_any = out.len > 0;
    buf_add_char(&out, '}');
    str json = has_any ? arena_str(item->native.arena, buf_str(&out)) : STR_NONE;
    buf_clear(&out);
    if (!has_any)
        return true;
    item->native.fault->is_spent |= str_is_none(json);
    return !str_is_none(json) &&
           native_add(&item->native, STR_OF("langfuse.observation.cost_details"), value_str(json));
}

/* Its counts are tokens unless it says another unit. */
static bool usage_finish(struct item *item)
{
    if (item->usage.type != VALUE_MAP)
        return true;
    const struct value *unit = usage_member(item, "unit");
    bool is_tokens =
        !unit || (unit->type == VALUE_STR && str_equal_nocase(unit->text, STR_OF("TOKENS")));
    bool is_needed = is_tokens && !item->has_usage_details;
    str key = is_needed ? STR_OF("langfuse.observation.usage_details")
                        : STR_OF("langfuse.observation.usage");
    return native_add(&item->native, key, value_str(item->usage_json)) &&
           (item->has_cost_details || usage_costs(item));
}

/* ---- spans ---- */

static struct raw_span *span_add(struct item *item)
{
    struct langfuse *langfuse = item->langfuse;
    struct raw_span *span = native_span_new(langfuse->arena, &langfuse->items);
    langfuse->fault.is_spent |= !span;
    if (!span)
        return NULL;
    *span = (struct raw_span){ .scope = langfuse->scope,
                               .name = item->name,
                               .start_ns = item->start_ns,
                               .end_ns = item->end_ns,
                               .attrs = item->native.attrs.items,
                               .attr_count = item->native.attrs.count,
                               .dropped_attr_count = item->native.dropped_count,
                               .is_addition = true };
    return span;
}

bool langfuse_trace_read(struct langfuse *langfuse, const struct langfuse_event *event)
{
    struct item item = { .langfuse = langfuse,
                         .native = native_of(langfuse),
                         .members = trace_members,
                         .member_count = COUNT_OF(trace_members),
                         .prefix = STR("langfuse.trace") };
    if (!members_read(&item, event->body))
        return false;
    str id = str_is_empty(item.id) ? event->id : item.id;
    item.start_ns = item.start_ns ? item.start_ns : event->time_ns;
    struct raw_span *span = span_add(&item);
    if (!span)
        return false;
    span->trace_id = native_trace_id(id);
    span->span_id = native_root_id(id);
    span->source_id = id;
    return true;
}

/* What the trace's root is told by an observation. */
static bool times_add(struct item *item, str trace_id, struct id16 id)
{
    struct langfuse *langfuse = item->langfuse;
    if ((langfuse->time_count & (langfuse->time_count - 1)) == 0) { /* full: 1, 2, 4, ... */
        size_t capacity = MAX(langfuse->time_count * 2, 1U);
        struct langfuse_times *larger = arena_new(langfuse->arena, struct langfuse_times, capacity);
        langfuse->fault.is_spent |= !larger;
        if (!larger)
            return false;
        if (langfuse->time_count)
            memcpy(larger, langfuse->times, langfuse->time_count * sizeof *larger);
        langfuse->times = larger;
    }
    langfuse->times[langfuse->time_count++] =
        (struct langfuse_times){ id, trace_id, item->start_ns, item->end_ns };
    return true;
}

/* "GENERATION" -> "generation", as the OTLP dialect has it. */
static bool type_add(struct item *item, str type)
{
    if (str_is_empty(type))
        return true;
    str lower = arena_str(item->native.arena, type);
    item->native.fault->is_spent |= str_is_none(lower);
    if (str_is_none(lower))
        return false;
    char *at = (char *)(uintptr_t)lower.ptr; /* just copied */
    for (size_t i = 0; i < lower.len; i++)
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] = (char)(at[i] - 'A' + 'a');
    return native_add(&item->native, STR_OF("langfuse.observation.type"), value_str(lower));
}

/* Which observation of which trace; false: that is not said. */
static bool ids_of(struct item *item, const struct langfuse_event *event)
{
    bool has_trace = !str_is_empty(item->trace_id);
    if (event->is_update && (!has_trace || str_is_empty(item->id)))
        return native_refuse(item->native.fault, has_trace ? STR_OF("id") : STR_OF("traceId"),
                             "is missing: what is updated?");
    if (str_is_empty(item->id))
        item->id = event->id;
    if (!has_trace)
        item->trace_id = item->id;
    return true;
}

bool langfuse_observation_read(struct langfuse *langfuse, const struct langfuse_event *event)
{
    struct item item = { .langfuse = langfuse,
                         .native = native_of(langfuse),
                         .members = observation_members,
                         .member_count = COUNT_OF(observation_members),
                         .prefix = STR("langfuse.observation") };
    if (!members_read(&item, event->body) || !ids_of(&item, event))
        return false;
    if (!event->is_update && !item.start_ns)
        item.start_ns = event->time_ns;
    str type = str_is_empty(event->observation_type) ? item.type : event->observation_type;
    if (str_equal_c(type, "event") && !item.end_ns)
        item.end_ns = item.start_ns; /* it takes no time */
    if (!usage_finish(&item) || !type_add(&item, type))
        return false;
    struct raw_span *span = span_add(&item);
    if (!span)
        return false;
    span->trace_id = native_trace_id(item.trace_id);
    span->span_id = native_span_id(item.id);
    if (!str_is_empty(item.parent_id))
        span->parent_span_id = native_span_id(item.parent_id);
    else if (!event->is_update)
        span->parent_span_id = native_root_id(item.trace_id);
    span->source_id = item.id;
    return times_add(&item, item.trace_id, span->trace_id);
}
