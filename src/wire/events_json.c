/* events_json.c -- see events_json.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/events_json.h"
#include "wire/event_form.h"
#include "wire/json.h"
#include "wire/tree.h"
#include <stdio.h>

enum { REPLY_BYTES_MAX = 64 * 1024, DONE = 200, REFUSED = 400 };

/* One request being read. */
struct reading {
    struct event_reader reader;
    struct raw_batch *batch;
    struct buf errors; /* the items of the answer's list */
    uint32_t index, accepted;
};

static bool is_of_a_score(enum event_kind kind)
{
    return kind != EVENT_NONE && kind != EVENT_CALL && kind != EVENT_TRACE &&
           kind != EVENT_VERSIONS;
}

static void refuse(struct reading *reading, const char *field, const char *what)
{
    struct buf *out = &reading->errors;
    native_reject(reading->batch, "event %u: %s %s", reading->index, field, what);
    if (reading->batch->rejected_count > EVENTS_ERRORS_TOLD)
        return;
    buf_printf(out, "%s{\"index\":%u,\"field\":", out->len ? "," : "", reading->index);
    if (str_equal_c(str_from_c(field), "it")) /* the whole of it */
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, str_from_c(field));
    buf_add_c(out, ",\"message\":");
    str message = arena_printf(reading->reader.arena, "%s %s", field, what);
    buf_add_json_str(out, str_is_none(message) ? str_from_c(what) : message);
    buf_add_char(out, '}');
}

static void take(struct reading *reading, const struct value *event)
{
    if (event_take(&reading->reader, event)) {
        reading->accepted++;
    } else {
        reading->batch->rejected_scores += is_of_a_score(event_kind_of(event));
        refuse(reading, reading->reader.fault.field, reading->reader.fault.what);
    }
    reading->index++;
}

static enum err too_many(const struct reading *reading, uint32_t count, struct diag *why)
{
    uint32_t max = reading->reader.limits->items_max;
    return count <= max
               ? ERR_OK
               : diag_set(why, ERR_LIMIT, "%u events are over the limit of %u", count, max);
}

static enum err take_document(struct reading *reading, const struct value *root, struct diag *why)
{
    const struct value *list = root;
    if (root->type == VALUE_MAP && tree_get(root, "events"))
        list = tree_get(root, "events");
    bool is_list = list->type == VALUE_ARRAY;
    uint32_t count = is_list ? list->count : 1;
    enum err err = too_many(reading, count, why);
    for (uint32_t i = 0; i < count && !err && !reading->reader.fault.is_spent; i++)
        take(reading, is_list ? &list->items[i] : list);
    return err;
}

static enum err take_lines(struct reading *reading, str rest, struct diag *why)
{
    str line;
    while (str_next(&rest, '\n', &line) && !reading->reader.fault.is_spent) {
        struct value event;
        struct diag fault = DIAG_NONE;
        line = str_trim(line);
        if (line.len == 0)
            continue;
        enum err err = too_many(reading, reading->index + 1, why);
        if (!err)
            err = tree_parse(reading->reader.arena, line, &event, &fault);
        if (err && err != ERR_BAD_INPUT)
            return err;
        if (err) {
            refuse(reading, "it", "is not JSON");
            reading->index++;
        } else {
            take(reading, &event);
        }
    }
    return ERR_OK;
}

/* Is the first line a whole object, and not all there is? */
static bool looks_like_lines(struct arena *arena, str bytes)
{
    struct value first;
    str rest = str_trim(bytes), line;
    return str_next(&rest, '\n', &line) && !str_is_empty(rest) && str_starts(line, STR_OF("{")) &&
           tree_parse(arena, str_trim(line), &first, NULL) == ERR_OK;
}

static enum err reply_of(struct reading *reading, struct diag *why)
{
    struct raw_batch *batch = reading->batch;
    bool is_refused = batch->rejected_count > 0 && reading->accepted == 0;
    struct buf out;
    buf_init(&out, REPLY_BYTES_MAX);
    buf_add_char(&out, '{');
    if (is_refused) {
        buf_printf(&out, "\"error\":{\"code\":\"%s\",\"message\":", err_name(ERR_BAD_INPUT));
        buf_add_json_str(&out, str_from_c(batch->rejected_why));
        buf_add_c(&out, "},");
    }
    buf_printf(&out, "\"accepted\":%u,\"rejected\":%u", reading->accepted, batch->rejected_count);
    if (reading->errors.len) {
        buf_add_c(&out, ",\"errors\":[");
        buf_add_str(&out, buf_str(&reading->errors));
        buf_add_char(&out, ']');
    }
    buf_add_char(&out, '}');
    batch->reply_status = is_refused ? REFUSED : DONE;
    batch->reply = tree_take(reading->reader.arena, &out);
    return str_is_none(batch->reply) ? diag_set(why, ERR_LIMIT, "no room for the answer") : ERR_OK;
}

static const struct raw_scope *scope_new(struct arena *arena)
{
    struct raw_resource *resource = arena_new(arena, struct raw_resource, 1);
    struct raw_scope *scope = arena_new(arena, struct raw_scope, 1);
    if (!resource || !scope)
        return NULL;
    *scope = (struct raw_scope){ .resource = resource, .name = STR_OF("telltale.events") };
    return scope;
}

static enum err read_all(struct reading *reading, const struct events_body *body, struct diag *why)
{
    struct value root;
    struct arena *arena = reading->reader.arena;
    if (body->is_lines)
        return take_lines(reading, body->bytes, why);
    enum err err = tree_parse(arena, body->bytes, &root, why);
    if (err == ERR_BAD_INPUT && looks_like_lines(arena, body->bytes))
        return take_lines(reading, body->bytes, why);
    return err ? err : take_document(reading, &root, why);
}

enum err events_json_decode(struct arena *arena, const struct events_body *body,
                            struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct reading reading = {
        .reader = { .arena = arena, .limits = body->limits, .now_ns = body->now_ns },
        .batch = ret_batch,
    };
    *ret_batch = (struct raw_batch){ 0 };
    reading.reader.scope = scope_new(arena);
    if (!reading.reader.scope)
        return diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
    buf_init(&reading.errors, REPLY_BYTES_MAX / 2);
    enum err err = read_all(&reading, body, reterr_why);
    if (!err && reading.reader.fault.is_spent)
        err = diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
    if (!err)
        err = reply_of(&reading, reterr_why);
    buf_clear(&reading.errors);
    ret_batch->spans = reading.reader.items.spans;
    ret_batch->span_count = reading.reader.items.span_count;
    ret_batch->scores = reading.reader.items.scores;
    ret_batch->score_count = reading.reader.items.score_count;
    return err;
}
