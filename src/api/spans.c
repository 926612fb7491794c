/* spans.c -- one span, and its content for those who may read it.
 *
 * Content is where the span is: in the log while its trace is open, in content
 * segments once it has settled.  A read of content is written to the audit log, durably,
 * before the answer leaves; when that fails, the read is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "base/check.h"
#include "base/text.h"
#include "model/record.h"
#include "sys/clock.h"
#include "wire/json.h"

enum { RECORD_BYTES_MAX = 80 * 1024 * 1024 };

static enum err find_span(struct api_job *job, struct trace_row **ret_trace,
                          struct store_span **ret_span, struct diag *why)
{
    struct id8 id = { 0 };
    if (!hex_decode(job->params[1], id.bytes, sizeof id.bytes))
        return diag_set(why, ERR_BAD_INPUT, "\"%.*s\" is not a span id (16 hex digits)",
                        STR_ARG(str_sub(job->params[1], 0, 40)));
    enum err err = api_find_trace(job, job->params[0], ret_trace, why);
    return err ? err : api_find_span(job, (*ret_trace)->trace_id, id, ret_span, why);
}

API_HANDLER(api_get_span)
{
    struct trace_row *trace;
    struct store_span *span;
    str preview;
    enum err err = find_span(job, &trace, &span, reterr_why);
    if (!err)
        err = api_previews(job, trace, span, 1, &preview, reterr_why);
    if (err)
        return err;
    api_span_json(&job->body, span, preview);
    buf_add_char(&job->body, '\n');
    return ERR_OK;
}

/* Of a span whose trace is still open: from its batch in the log. */
static enum err content_from_log(struct api_job *job, const struct store_span *at,
                                 struct content_item **ret_items, size_t *ret_count,
                                 struct diag *why)
{
    struct buf record;
    buf_init(&record, RECORD_BYTES_MAX);
    struct wal_position position = { at->log_segment, at->log_offset };
    struct span *span = arena_alloc(&job->arena, sizeof *span);
    enum err err = span ? wal_read_at(job->thread->wal_reader, position, &record, why) : ERR_LIMIT;
    if (!err)
        err = batch_decode_span(&job->arena, buf_str(&record), at->log_index, span, why);
    buf_clear(&record);
    if (err)
        return err;
    *ret_items = arena_new(&job->arena, struct content_item, span->part_count);
    if (!*ret_items)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < span->part_count; i++)
        (*ret_items)[i] =
            (struct content_item){ span->span_id, span->parts[i].role, span->parts[i].json };
    *ret_count = span->part_count;
    return ERR_OK;
}

/* Items of one span out of the trace's frames; a later frame's part wins. */
static enum err content_from_frames(struct api_job *job, const struct trace_row *trace,
                                    struct id8 owner, struct content_item **ret_items,
                                    size_t *ret_count, struct diag *why)
{
    struct content_item *found = arena_new(&job->arena, struct content_item, CONTENT_ROLE_COUNT);
    size_t found_count = 0;
    enum err last = ERR_OK;
    if (!found)
        return ERR_LIMIT;
    for (uint32_t f = 0; f < trace->content_count; f++) {
        struct content_item *items;
        size_t count = 0;
        struct content_pointer pointer = { trace->content[f].segment, trace->content[f].offset,
                                           trace->content[f].len };
        enum err err =
            content_read(job->thread->content_reader, pointer, &job->arena, &items, &count, why);
        if (err && err != ERR_NOT_FOUND)
            return err;
        last = err ? err : last;
        for (size_t i = 0; i < count; i++) {
            if (memcmp(&items[i].owner, &owner, sizeof owner) != 0)
                continue;
            size_t slot = 0;
            while (slot < found_count && found[slot].role != items[i].role)
                slot++;
            found[slot] = items[i];
            found_count = MAX(found_count, slot + 1);
        }
    }
    bool has_text = found_count > 1 || (found_count == 1 && found[0].role != CONTENT_PREVIEW);
    if (!has_text && last) /* a preview outlives what it is of, and does not stand for it */
        return diag_set(why, ERR_NOT_FOUND, "the content is gone: expired, or its key destroyed");
    *ret_items = found;
    *ret_count = found_count;
    return ERR_OK;
}

enum err api_content(struct api_job *job, const struct trace_row *trace,
                     const struct store_span *span, struct content_item **ret_items,
                     size_t *ret_count, struct diag *reterr_why)
{
    enum err err = span->settled ? content_from_frames(job, trace, span->span.span_id, ret_items,
                                                       ret_count, reterr_why)
                                 : content_from_log(job, span, ret_items, ret_count, reterr_why);
    bool is_stale = !err && span->settled && *ret_count == 0 && span->content_roles;
    if (err != ERR_NOT_FOUND && !is_stale)
        return err;
    struct trace_row *again; /* it settled while we looked, for the first time or once more */
    char hex[33];
    hex_encode(trace->trace_id.bytes, 16, hex);
    err = api_find_trace(job, arena_str(&job->arena, str_make(hex, 32)), &again, reterr_why);
    return err ? err
               : content_from_frames(job, again, span->span.span_id, ret_items, ret_count,
                                     reterr_why);
}

void api_span_json(struct buf *out, const struct store_span *span, str preview)
{
    query_span_json(out, span);
    if (buf_failed(out))
        return;
    out->len--; /* the closing brace: one more member follows */
    buf_add_c(out, ",\"preview\":");
    buf_add_str(out, preview.len ? preview : STR_OF("null"));
    buf_add_char(out, '}');
}

static bool has_role(const struct store_span *span, enum content_role role)
{
    return (span->content_roles >> role) & 1;
}

/* Previews of settled spans stand in frames of their own. */
static enum err settled_previews(struct api_job *job, const struct trace_row *trace,
                                 const struct store_span *spans, size_t count, str *ret_previews)
{
    for (uint32_t f = 0; f < trace->content_count; f++) {
        if (!(trace->content[f].segment & CONTENT_SEGMENT_PREVIEW))
            continue;
        struct content_pointer pointer = { trace->content[f].segment, trace->content[f].offset,
                                           trace->content[f].len };
        struct content_item *items;
        size_t item_count = 0;
        enum err err = content_read(job->thread->content_reader, pointer, &job->arena, &items,
                                    &item_count, NULL);
        if (err == ERR_LIMIT)
            return err;
        for (size_t i = 0; !err && i < item_count; i++)
            for (size_t s = 0; s < count; s++)
                if (memcmp(&items[i].owner, &spans[s].span.span_id, sizeof(struct id8)) == 0)
                    ret_previews[s] = items[i].json;
    }
    return ERR_OK;
}

enum err api_previews(struct api_job *job, const struct trace_row *trace,
                      const struct store_span *spans, size_t count, str *ret_previews,
                      struct diag *reterr_why)
{
    bool wanted = false;
    for (size_t s = 0; s < count; s++) {
        ret_previews[s] = STR_NONE;
        if (!has_role(&spans[s], CONTENT_PREVIEW))
            continue;
        wanted |= spans[s].settled;
        struct content_item *items = NULL;
        size_t item_count = 0;
        if (spans[s].settled ||
            content_from_log(job, &spans[s], &items, &item_count, NULL) != ERR_OK)
            continue;
        for (size_t i = 0; i < item_count; i++)
            if (items[i].role == CONTENT_PREVIEW)
                ret_previews[s] = items[i].json;
    }
    if (wanted && settled_previews(job, trace, spans, count, ret_previews))
        return diag_set(reterr_why, ERR_LIMIT, "the trace's previews need too much memory");
    return ERR_OK;
}

static enum err audit_read(struct api_job *job, struct diag *why)
{
    struct audit *audit = job->worker->api->config.audit;
    if (!audit)
        return diag_set(why, ERR_UNAVAILABLE, "the audit log is not open, so content stays closed");
    struct audit_event event = {
        .time_ns = clock_now_ns(),
        .actor = job->who.key_id,
        .action = STR("payload.read"),
        .project = job->who.project,
        .tenant = job->who.tenant,
        .trace_id = job->params[0],
        .span_id = job->params[1],
        .reason = job->reason,
        .source = job->peer,
    };
    enum err err = audit_append(audit, &event, why);
    if (err)
        return diag_set(why, ERR_UNAVAILABLE,
                        "the read could not be recorded in the audit log, so it is refused");
    return ERR_OK;
}

static const struct content_item *item_of(const struct content_item *items, size_t count,
                                          enum content_role role)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].role == role)
            return &items[i];
    return NULL;
}

static str member_text(const struct value *map, str key)
{
    const struct attr *attr =
        map->type == VALUE_MAP ? attr_find(map->attrs, map->count, key) : NULL;
    return attr && attr->value.type == VALUE_STR ? attr->value.text : STR_NONE;
}

/* Parts of the messages whose role is system or developer: most senders put the
 * system prompt among the messages (A32).  False: there are none. */
static bool add_system_of_input(struct api_job *job, const struct content_item *input)
{
    struct json json;
    struct value messages;
    json_init(&json, &job->arena, input->json, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    if (token != JSON_ARRAY || !json_value(&json, token, &messages))
        return false;
    bool found = false;
    for (uint32_t i = 0; i < messages.count; i++) {
        const struct value *message = &messages.items[i];
        str role = member_text(message, STR_OF("role"));
        if (!str_equal_c(role, "system") && !str_equal_c(role, "developer"))
            continue;
        const struct attr *parts = attr_find(message->attrs, message->count, STR_OF("parts"));
        for (uint32_t p = 0; parts && parts->value.type == VALUE_ARRAY && p < parts->value.count;
             p++) {
            buf_add_char(&job->body, found ? ',' : '[');
            value_to_json(&job->body, &parts->value.items[p]);
            found = true;
        }
    }
    if (found)
        buf_add_char(&job->body, ']');
    return found;
}

static void add_member(struct buf *out, const char *name, const struct content_item *item,
                       const char *absent)
{
    buf_add_json_str(out, str_from_c(name));
    buf_add_char(out, ':');
    if (item)
        buf_add_str(out, item->json);
    else
        buf_add_c(out, absent);
}

API_HANDLER(api_get_payload)
{
    struct trace_row *trace = NULL;
    struct store_span *span = NULL;
    struct content_item *items = NULL;
    size_t count = 0;
    enum err err = find_span(job, &trace, &span, reterr_why);
    if (!err)
        err = audit_read(job, reterr_why);
    if (!err && span->content_roles)
        err = api_content(job, trace, span, &items, &count, reterr_why);
    if (err)
        return err;
    atomic_fetch_add(&job->worker->api->payload_reads, 1);
    struct buf *out = &job->body;
    buf_add_char(out, '{');
    static const struct {
        const char *name;
        enum content_role role;
        const char *absent;
    } members[] = {
        { "input", CONTENT_INPUT, "[]" },         { "output", CONTENT_OUTPUT, "[]" },
        { "system", CONTENT_SYSTEM, "null" },     { "tools", CONTENT_TOOLS, "null" },
        { "documents", CONTENT_DOCUMENTS, "[]" },
    };
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (i)
            buf_add_char(out, ',');
        const struct content_item *item = item_of(items, count, members[i].role);
        const struct content_item *input = item_of(items, count, CONTENT_INPUT);
        size_t before = out->len;
        if (members[i].role == CONTENT_SYSTEM && !item && input) {
            buf_add_c(out, "\"system\":");
            if (add_system_of_input(job, input))
                continue;
            out->len = before;
        }
        add_member(out, members[i].name, item, members[i].absent);
    }
    buf_add_c(out, ",\"raw\":{");
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        bool named = false;
        for (size_t m = 0; m < COUNT_OF(members); m++)
            named |= members[m].role == items[i].role;
        if (named)
            continue;
        if (!first)
            buf_add_char(out, ',');
        add_member(out, content_role_name(items[i].role), &items[i], "null");
        first = false;
    }
    buf_add_c(out, "}}\n");
    return ERR_OK;
}
