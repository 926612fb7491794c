/* event.c -- span events: exceptions, first tokens, and messages sent as events.
 *
 * Events are kept in the field `events` with their short attributes.  Message bodies become
 * parts; when something is content or does not fit, all of them go to CONTENT_EVENTS too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "norm/norm_int.h"

static const struct {
    str name;
    struct message_event event;
} message_events[] = {
    { STR("gen_ai.system.message"), { false, "system" } },
    { STR("gen_ai.user.message"), { false, "user" } },
    { STR("gen_ai.assistant.message"), { false, "assistant" } },
    { STR("gen_ai.tool.message"), { false, "tool" } },
    { STR("gen_ai.choice"), { true, "assistant" } },
    { STR("gen_ai.content.prompt"), { false, "" } },
    { STR("gen_ai.content.completion"), { true, "" } },
    { STR("guardrails.user_message"), { false, "user" } }, /* NeMo */
    { STR("guardrails.utterance.bot.started"), { true, "assistant" } },
};

static const str first_token_events[] = {
    STR("first_token"),
    STR("gen_ai.first_token"),
    STR("llm.first_token"),
    STR("new_token"),
    STR("ai.stream.firstChunk"),
    STR("llm.content.completion.chunk"),
    STR("First Token Stream Event"),
    STR("gen_ai.content.completion.chunk"),
};

static const str body_keys[] = {
    STR("content"),
    STR("gen_ai.prompt"),
    STR("gen_ai.completion"),
    STR("message"),
    STR("gen_ai.event.content"),
    STR("tool_calls"),
    STR("gen_ai.input.messages"),
    STR("gen_ai.output.messages"),
    STR("gen_ai.system_instructions"),
    STR("gen_ai.tool.definitions"),
};

bool message_event_find(str name, struct message_event *ret)
{
    if (!str_starts(name, STR_OF("gen_ai.")) && !str_starts(name, STR_OF("guardrails.")))
        return false;
    for (size_t i = 0; i < COUNT_OF(message_events); i++) {
        if (str_equal(name, message_events[i].name)) {
            *ret = message_events[i].event;
            return true;
        }
    }
    return false;
}

bool attr_is_message_body(str key)
{
    for (size_t i = 0; i < COUNT_OF(body_keys); i++)
        if (str_equal(key, body_keys[i]))
            return true;
    return false;
}

static const struct value *attr_value(const struct attr *attrs, uint32_t count, const char *key)
{
    const struct attr *attr = attr_find(attrs, count, str_from_c(key));
    return attr ? &attr->value : NULL;
}

/* The whole list in one attribute; VALUE_NULL when it was not captured. */
static struct value list_value(const struct attr *attrs, uint32_t count, const struct value *body)
{
    static const char *const keys[] = { "content", "gen_ai.prompt", "gen_ai.completion",
                                        "gen_ai.event.content" };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const struct value *value = attr_value(attrs, count, keys[i]);
        if (value)
            return *value;
    }
    const struct value *inner = map_get(body, "content");
    if (inner)
        return *inner;
    return body ? *body : (struct value){ .type = VALUE_NULL };
}

/* Strands writes the members as JSON texts: message='[{"text":...}]'. */
static struct value choice_message(struct norm *norm, const struct value *message)
{
    struct value tree;
    if (message->type != VALUE_STR)
        return *message;
    struct attr *attrs = arena_new(norm->arena, struct attr, 1);
    if (!attrs) {
        norm->spent = true;
        return (struct value){ .type = VALUE_NULL };
    }
    if (looks_like_json(message->text) && parse_json(norm, message->text, &tree) &&
        tree.type == VALUE_MAP)
        return tree;
    attrs[0] = (struct attr){ STR_OF("content"), *message };
    return (struct value){ .type = VALUE_MAP, .count = 1, .attrs = attrs };
}

struct value message_event_value(struct norm *norm, const struct message_event *event,
                                 const struct attr *attrs, uint32_t count, const struct value *body)
{
    if (event->role[0] == '\0')
        return list_value(attrs, count, body);
    struct value map = { .type = VALUE_MAP, .count = count };
    struct value tree;
    const struct attr *from = attrs;
    const struct value *content = attr_value(attrs, count, "gen_ai.event.content");
    struct value told;
    bool is_told = body && body->type == VALUE_STR && str_starts(body->text, STR_OF("{")) &&
                   parse_json(norm, body->text, &told) &&
                   (map_get(&told, "role") || map_get(&told, "message"));
    body = is_told ? &told : body; /* Semantic Kernel writes the body as JSON */
    if (body && body->type == VALUE_MAP)
        map = *body;
    else if (content && content->type == VALUE_STR && parse_json(norm, content->text, &tree) &&
             tree.type == VALUE_MAP)
        map = tree;
    if (map.attrs)
        from = map.attrs;
    struct attr *members = arena_new(norm->arena, struct attr, map.count + 2);
    if (!members) {
        norm->spent = true;
        return (struct value){ .type = VALUE_NULL };
    }
    if (map.count)
        memcpy(members, from, map.count * sizeof(struct attr));
    map.attrs = members;
    for (uint32_t i = 0; i < map.count; i++)
        if (str_equal_c(members[i].key, "message"))
            members[i].value = choice_message(norm, &members[i].value);
    if (body && body->type == VALUE_STR)
        members[map.count++] = (struct attr){ STR_OF("content"), *body };
    if (!map_get(&map, "role") && !map_get(&map, "message"))
        members[map.count++] = (struct attr){ STR_OF("role"), value_str(str_from_c(event->role)) };
    return map;
}

/* ---- span events ---- */

static void take_exception(struct norm *norm, const struct span_event *event, int status_code)
{
    struct span *span = norm->span;
    const struct value *type = attr_value(event->attrs, event->attr_count, "exception.type");
    const struct value *message = attr_value(event->attrs, event->attr_count, "exception.message");
    str text;
    if (status_code == 1 && !(norm->dialects >> DIALECT_LANGSMITH & 1))
        return; /* the sender says that it ended well; LangSmith's export always does */
    if (type && !SPAN_KNOWS(span, error_type) && convert_text(norm, type, &text))
        SPAN_SET(span, error_type, text);
    if (message && !SPAN_KNOWS(span, status_message) && convert_text(norm, message, &text))
        SPAN_SET(span, status_message, text);
}

static void take_first_token(struct norm *norm, const struct span_event *event)
{
    struct span *span = norm->span;
    if (SPAN_KNOWS(span, ttft_ns) || event->time_ns < span->start_time)
        return;
    for (size_t i = 0; i < COUNT_OF(first_token_events); i++)
        if (str_equal(event->name, first_token_events[i]))
            SPAN_SET(span, ttft_ns, event->time_ns - span->start_time);
}

static bool side_is_open(const struct norm *norm, bool output)
{
    if (norm->score[output ? TARGET_text_output : TARGET_text_input])
        return false;
    for (uint32_t i = 0; i < norm->flats_count; i++)
        if (norm->flats[i].family == (output ? FAMILY_FLAT_OUTPUT : FAMILY_FLAT_INPUT))
            return false;
    return true;
}

static void take_finish(struct norm *norm, const struct span_event *event)
{
    const struct value *value = attr_value(event->attrs, event->attr_count, "finish_reason");
    str *item;
    str text;
    if (!value || SPAN_KNOWS(norm->span, finish_reason) || !convert_text(norm, value, &text))
        return;
    item = arena_new(norm->arena, str, 1);
    if (!item) {
        norm->spent = true;
        return;
    }
    *item = text;
    SPAN_SET(norm->span, finish_reason, (struct strs){ item, 1 });
}

/* gen_ai.client.inference.operation.details: the span's own attributes, on an event. */
static void take_details(struct norm *norm, const struct span_event *event)
{
    for (uint32_t i = 0; i < event->attr_count; i++) {
        const struct attr *attr = &event->attrs[i];
        const struct row *row = norm_row(norm, attr->key);
        if (!row || norm->score[row->target] || !convert(norm, row, &attr->value))
            continue;
        norm->score[row->target] = 1;
        norm->winner[row->target] = (struct winner){ attr, true };
        norm->has_content = true;
    }
}

static bool attr_is_body(const struct attr *attr, bool is_message)
{
    const struct row *row = dialect_find(attr->key);
    return (is_message && attr_is_message_body(attr->key)) ||
           (row && row->target >= (unsigned)TARGET_text_input &&
            row->target <= (unsigned)TARGET_text_other);
}

static void event_attr_add(struct norm *norm, const struct attr *attr, bool hide)
{
    struct buf *out = &norm->out;
    buf_add_json_str(out, text_clean(norm, attr->key));
    buf_add_char(out, ':');
    if (hide) {
        buf_add_json_str(out, STR_OF(NORM_CONTENT_MARKER));
        return;
    }
    struct value clean = value_clean(norm, &attr->value);
    value_to_json(out, &clean);
}

/* {"name","time","attributes"}; content is left out when `short_only`, and said so. */
static void event_add(struct norm *norm, const struct event_seen *seen, bool short_only)
{
    const struct span_event *event = seen->event;
    struct buf *out = &norm->out;
    buf_add_c(out, "{\"name\":");
    buf_add_json_str(out, text_clean(norm, event->name));
    buf_add_c(out, ",\"time\":\"");
    time_format(out, event->time_ns, 9);
    buf_add_c(out, "\",\"attributes\":{");
    bool any = false;
    bool has_body = seen->is_message || str_starts(event->name, STR_OF("guardrails."));
    for (uint32_t i = 0; i < event->attr_count; i++) {
        const struct attr *attr = &event->attrs[i];
        bool is_body = attr_is_body(attr, has_body);
        if (is_body && seen->is_consumed)
            continue;
        bool hide = short_only && (is_body || value_is_long(norm, &attr->value));
        norm->events_are_content |= hide;
        if (any)
            buf_add_char(out, ',');
        event_attr_add(norm, attr, hide);
        any = true;
    }
    buf_add_c(out, "}}");
}

/* The events that fit a field, without content; what is left out is in CONTENT_EVENTS. */
static void events_field(struct norm *norm)
{
    struct buf *out = &norm->out;
    buf_reset(out);
    buf_add_char(out, '[');
    for (uint32_t i = 0; i < norm->events_count; i++) {
        size_t before = out->len;
        if (i)
            buf_add_char(out, ',');
        event_add(norm, &norm->events[i], true);
        if (out->len > NORM_EVENTS_BYTES_MAX) {
            out->len = before;
            norm->events_are_content = true;
            break;
        }
    }
    buf_add_char(out, ']');
    SPAN_SET(norm->span, events, out_take(norm));
}

void norm_events_part(struct norm *norm)
{
    if (!norm->events_are_content)
        return;
    buf_reset(&norm->out);
    buf_add_char(&norm->out, '[');
    for (uint32_t i = 0; i < norm->events_count; i++) {
        if (i)
            buf_add_char(&norm->out, ',');
        event_add(norm, &norm->events[i], false);
    }
    buf_add_char(&norm->out, ']');
    part_add(norm, CONTENT_EVENTS, out_take(norm));
}

static bool events_alloc(struct norm *norm, const struct raw_span *raw)
{
    norm->events = arena_new(norm->arena, struct event_seen, raw->event_count);
    norm->event_items[0] = arena_new(norm->arena, struct value, raw->event_count);
    norm->event_items[1] = arena_new(norm->arena, struct value, raw->event_count);
    if (norm->events && norm->event_items[0] && norm->event_items[1])
        return true;
    norm->spent = true;
    return false;
}

static void take_event(struct norm *norm, const struct span_event *event, int status_code,
                       const bool open[2])
{
    struct message_event message;
    bool is_consumed = false;
    bool is_message = message_event_find(event->name, &message);
    bool is_details = str_equal_c(event->name, "gen_ai.client.inference.operation.details");
    if (is_message) {
        bool is_nemo = str_starts(event->name, STR_OF("guardrails."));
        norm->dialects |= 1u << (is_nemo ? DIALECT_NEMO : DIALECT_OTEL);
        struct value value =
            message_event_value(norm, &message, event->attrs, event->attr_count, NULL);
        is_consumed = open[message.output] && value.type != VALUE_NULL;
        if (is_consumed)
            norm->event_items[message.output][norm->event_items_count[message.output]++] = value;
        take_finish(norm, event);
    } else if (is_details) {
        take_details(norm, event);
    } else if (str_equal_c(event->name, "exception")) {
        take_exception(norm, event, status_code);
    } else {
        take_first_token(norm, event);
    }
    norm->events[norm->events_count++] =
        (struct event_seen){ event, is_message || is_details, is_consumed };
}

void norm_events(struct norm *norm, const struct raw_span *raw)
{
    if (!events_alloc(norm, raw))
        return;
    bool open[2] = { side_is_open(norm, false), side_is_open(norm, true) };
    for (uint32_t i = 0; i < raw->event_count && !norm->spent; i++)
        take_event(norm, &raw->events[i], raw->status_code, open);
    if (!norm->spent)
        events_field(norm);
}
