/* log.c -- log records: GenAI events become additions to their span, others stay logs.
 *
 * A sender that writes messages as log events puts the span's key on them.  Neighbouring
 * records of one span become one addition with the messages in order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "norm/norm_int.h"
#include "wire/json.h"

static str event_name_of(const struct raw_log *log)
{
    if (log->event_name.len)
        return log->event_name;
    const struct attr *attr = attr_find(log->attrs, log->attr_count, STR_OF("event.name"));
    return attr && attr->value.type == VALUE_STR ? attr->value.text : STR_OF("");
}

static bool is_details(str name)
{
    return str_equal_c(name, "gen_ai.client.inference.operation.details");
}

static bool is_addition(const struct raw_log *log)
{
    struct message_event event;
    str name = event_name_of(log);
    return !id16_is_zero(log->trace_id) && !id8_is_zero(log->span_id) &&
           (is_details(name) || message_event_find(name, &event));
}

static bool same_span(const struct raw_log *a, const struct raw_log *b)
{
    return memcmp(&a->trace_id, &b->trace_id, sizeof a->trace_id) == 0 &&
           memcmp(&a->span_id, &b->span_id, sizeof a->span_id) == 0 && a->scope == b->scope;
}

/* The records logs[0..count) as a raw span with events: then it is normalised like one. */
static void addition(struct norm *norm, const struct raw_log *logs, uint32_t count,
                     struct span *span)
{
    struct span_event *events = arena_new(norm->arena, struct span_event, count);
    struct value *items[2] = { arena_new(norm->arena, struct value, count),
                               arena_new(norm->arena, struct value, count) };
    if (!events || !items[0] || !items[1]) {
        norm->spent = true;
        return;
    }
    struct raw_span raw = { .scope = logs[0].scope,
                            .trace_id = logs[0].trace_id,
                            .span_id = logs[0].span_id };
    norm_begin(norm, &raw, span);
    norm->event_items[0] = items[0];
    norm->event_items[1] = items[1];
    for (uint32_t i = 0; i < count; i++) {
        struct message_event event;
        str name = event_name_of(&logs[i]);
        if (is_details(name)) {
            for (uint32_t k = 0; k < logs[i].attr_count; k++)
                take_attr(norm, &logs[i].attrs[k], LEVEL_SPAN);
        } else if (message_event_find(name, &event)) {
            const struct value *body = logs[i].body.type == VALUE_NULL ? NULL : &logs[i].body;
            struct value value =
                message_event_value(norm, &event, logs[i].attrs, logs[i].attr_count, body);
            if (value.type != VALUE_NULL)
                norm->event_items[event.output][norm->event_items_count[event.output]++] = value;
        }
    }
    norm_addition_finish(norm, &raw);
}

static str body_json(struct norm *norm, const struct value *body)
{
    buf_reset(&norm->out);
    value_to_json(&norm->out, body);
    return out_take(norm);
}

/* Names that say where a line was written, by whoever collected it: no structure of its own. */
static bool is_of_place(str key)
{
    static const str prefixes[] = { STR("log."), STR("code."), STR("thread.") };
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (str_starts(key, prefixes[i]))
            return true;
    return false;
}

/* Plain text: nothing but a line (LOG_UNSTRUCTURED_ATTR). */
static bool is_unstructured(const struct raw_log *log)
{
    if (log->body.type != VALUE_STR || event_name_of(log).len > 0)
        return false;
    for (uint32_t i = 0; i < log->attr_count; i++)
        if (!is_of_place(log->attrs[i].key))
            return false;
    str text = str_trim(log->body.text);
    return text.len == 0 || text.ptr[0] != '{' || !json_check(text);
}

static void log_attrs(struct norm *norm, const struct raw_log *log, struct log_record *record)
{
    record->attrs = arena_alloc(norm->arena, (log->attr_count + 1) * sizeof(struct attr));
    if (!record->attrs) {
        norm->spent = true;
        return;
    }
    if (is_unstructured(log))
        record->attrs[record->attr_count++] =
            (struct attr){ STR(LOG_UNSTRUCTURED_ATTR), value_bool(true) };
    for (uint32_t i = 0; i < log->attr_count; i++) {
        if (str_equal_c(log->attrs[i].key, LOG_UNSTRUCTURED_ATTR))
            continue;
        struct attr *attr = &record->attrs[record->attr_count++];
        attr->key = text_clean(norm, log->attrs[i].key);
        attr->value = value_clean(norm, &log->attrs[i].value);
    }
}

static void log_take(struct norm *norm, const struct raw_log *log, uint32_t index,
                     struct log_record *record)
{
    const struct span *place = &norm->place.span;
    uint64_t time = log->time_ns ? log->time_ns : log->observed_ns;
    str body = body_json(norm, &log->body);
    uint64_t id = hash_bytes_seeded(&norm->config->received_ns, 8, time ^ (uint64_t)index << 40);
    id = hash_bytes_seeded(body.ptr, body.len, id);
    *record = (struct log_record){
        .trace_id = log->trace_id,
        .span_id = log->span_id,
        .time_ns = time ? (int64_t)MIN(time, (uint64_t)INT64_MAX)
                        : norm->config->received_ns + index, /* they keep their order */
        .severity = log->severity,
        .severity_text = text_clean(norm, log->severity_text),
        .event_name = text_clean(norm, event_name_of(log)),
        .service = SPAN_KNOWS(place, service) ? place->service : STR_OF(""),
        .body_json = body,
    };
    memcpy(&record->log_id, &id, sizeof record->log_id);
    log_attrs(norm, log, record);
}

void norm_logs(struct norm *norm, const struct raw_batch *raw, struct batch *batch)
{
    for (uint32_t i = 0, next; i < raw->log_count && !norm->spent; i = next) {
        const struct raw_log *log = &raw->logs[i];
        next = i + 1;
        norm_place_for(norm, log->scope, log->attrs, log->attr_count);
        if (norm_log_score(norm, log, event_name_of(log), batch))
            continue;
        if (!is_addition(log)) {
            log_take(norm, log, i, &batch->logs[batch->log_count++]);
            if (log_span(norm, log, &batch->spans[batch->span_count]))
                batch->span_count++;
            continue;
        }
        while (next < raw->log_count && is_addition(&raw->logs[next]) &&
               same_span(log, &raw->logs[next]))
            next++;
        addition(norm, log, next - i, &batch->spans[batch->span_count++]);
    }
}
