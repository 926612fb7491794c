/* phoenix.c -- see phoenix.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/phoenix.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/utf8.h"
#include "wire/tree.h"
#include <math.h>
#include <stdio.h>

enum { REPLY_BYTES_MAX = 16 * MIB, UNPROCESSABLE = 422, BAD_REQUEST = 400 };

/* One request being read. */
struct reading {
    struct arena *arena;
    const struct phoenix_body *body;
    struct raw_batch *batch;
    struct native_batch items;
    struct buf accepted; /* the ids of annotations, as JSON */
    struct buf refused;  /* what was wrong with each of the others */
    uint32_t received;
    bool is_single; /* an item instead of a list of them */
    bool is_spent;
};

/* What is wrong with an item: a member and why. */
struct fault {
    const char *member;
    const char *what;
};

static bool fail(struct fault *fault, const char *member, const char *what)
{
    *fault = (struct fault){ member, what };
    return false;
}

/* ---- annotations ---- */

static const struct list_row {
    const char *target;
    const char *label; /* of the ids that are answered */
    bool is_note;
} lists[] = {
    [PHOENIX_SPANS] = { "span_id", "Span", false },
    [PHOENIX_SPAN_ANNOTATIONS] = { "span_id", "SpanAnnotation", false },
    [PHOENIX_TRACE_ANNOTATIONS] = { "trace_id", "TraceAnnotation", false },
    [PHOENIX_SESSION_ANNOTATIONS] = { "session_id", "ProjectSessionAnnotation", false },
    [PHOENIX_DOCUMENT_ANNOTATIONS] = { "span_id", "DocumentAnnotation", false },
    [PHOENIX_SPAN_NOTES] = { "span_id", "SpanAnnotation", true },
    [PHOENIX_TRACE_NOTES] = { "trace_id", "TraceAnnotation", true },
    [PHOENIX_SESSION_NOTES] = { "session_id", "ProjectSessionAnnotation", true },
};

static bool text_fits(const struct value *from, const char *member, size_t max, str *ret,
                      struct fault *fault)
{
    const struct value *value = tree_get(from, member);
    *ret = tree_text(from, member);
    if (value && value->type != VALUE_STR)
        return fail(fault, member, "Input should be a valid string");
    return ret->len <= max || fail(fault, member, "String is too long");
}

static bool name_of(const struct value *from, const char *member, str *ret, struct fault *fault)
{
    return text_fits(from, member, SCORE_NAME_BYTES_MAX, ret, fault) &&
           (!str_is_none(*ret) || fail(fault, member, "Field required"));
}

static bool target_of(const struct value *item, const char *member, struct score *score,
                      struct fault *fault)
{
    str text;
    if (!name_of(item, member, &text, fault))
        return false;
    if (str_equal_c(str_from_c(member), "session_id")) {
        score->session_id = text;
    } else if (str_equal_c(str_from_c(member), "trace_id")) {
        score->trace_id = native_trace_id(text);
        score->has_trace_id = true;
    } else {
        score->span_id = native_span_id(text);
        score->has_span_id = true;
    }
    return true;
}

static bool result_of(const struct value *item, struct score *score, struct fault *fault)
{
    const struct value *result = tree_get(item, "result");
    const struct value *number = tree_get(result, "score");
    if (result && result->type != VALUE_MAP)
        return fail(fault, "result", "Input should be a valid dictionary");
    if (!text_fits(result, "label", SCORE_TEXT_BYTES_MAX, &score->label, fault))
        return false;
    score->comment = tree_text(result, "explanation");
    score->type = SCORE_LABEL;
    if (number) {
        if (number->type == VALUE_BOOL || !value_as_f64(number, &score->value) ||
            !isfinite(score->value))
            return fail(fault, "score", "Input should be a valid number");
        score->type = SCORE_NUMBER;
        score->has_value = true;
    }
    return score->has_value || !str_is_none(score->label) || !str_is_none(score->comment) ||
           fail(fault, "result", "Must have at least a label, a score or an explanation");
}

/* Members that a score has no place for: its metadata, the identifier, which document. */
static bool attrs_of(struct reading *reading, const struct value *item, struct score *score,
                     struct fault *fault)
{
    static const char *const kept[] = { "identifier", "document_position" };
    const struct value *metadata = tree_get(item, "metadata");
    struct native_attrs attrs = { 0 };
    bool fits = true;
    if (metadata && metadata->type != VALUE_MAP)
        return fail(fault, "metadata", "Input should be a valid dictionary");
    for (uint32_t i = 0; metadata && i < metadata->count && fits; i++)
        fits = native_attr_add(reading->arena, &attrs, metadata->attrs[i].key,
                               metadata->attrs[i].value);
    for (size_t i = 0; i < COUNT_OF(kept) && fits; i++) {
        const struct value *value = tree_get(item, kept[i]);
        if (value && !(value->type == VALUE_STR && value->text.len == 0))
            fits = native_attr_add(reading->arena, &attrs, str_from_c(kept[i]), *value);
    }
    score->attrs = attrs.items;
    score->attr_count = attrs.count;
    reading->is_spent |= !fits;
    return fits;
}

/* What makes it the same annotation: kind, name, target, place in it, identifier.  A note
 * without an identifier is told by its text. */
static str sender_id(struct reading *reading, const struct value *item, const struct score *score)
{
    const struct list_row *row = &lists[reading->body->list];
    str identifier = tree_text(item, "identifier");
    int64_t position = 0;
    const struct value *place = tree_get(item, "document_position");
    if (place)
        (void)value_as_i64(place, &position);
    if (row->is_note && str_is_none(identifier))
        identifier = score->comment;
    uint64_t hash = hash_str(score->name);
    str target = tree_text(item, row->target);
    hash = hash_bytes_seeded(target.ptr, target.len, hash);
    hash = hash_bytes_seeded(&position, sizeof position, hash);
    hash = hash_bytes_seeded(identifier.len ? identifier.ptr : "", identifier.len, hash);
    return arena_printf(reading->arena, "%s:%d:%016llx", row->label, (int)reading->body->list,
                        (unsigned long long)hash);
}

static bool annotation_of(struct reading *reading, const struct value *item,
                          struct raw_score *ret_score, struct fault *fault)
{
    struct score *score = &ret_score->score;
    const struct list_row *row = &lists[reading->body->list];
    str kind;
    if (item->type != VALUE_MAP)
        return fail(fault, "", "Input should be a valid dictionary");
    if (!target_of(item, row->target, score, fault))
        return false;
    if (row->is_note) {
        score->name = STR_OF("note");
        score->type = SCORE_LABEL;
        score->source = SCORE_BY_HUMAN;
        score->comment = tree_text(item, "note");
        if (str_is_none(score->comment))
            return fail(fault, "note", "Field required");
    } else {
        if (!name_of(item, "name", &score->name, fault) ||
            !name_of(item, "annotator_kind", &kind, fault) || !result_of(item, score, fault))
            return false;
        if (!score_source_of(kind, &score->source))
            return fail(fault, "annotator_kind", "Input should be 'LLM', 'CODE' or 'HUMAN'");
    }
    const struct value *position = tree_get(item, "document_position");
    int64_t place;
    if (reading->body->list == PHOENIX_DOCUMENT_ANNOTATIONS &&
        (!position || !value_as_i64(position, &place)))
        return fail(fault, "document_position", "Input should be a valid integer");
    if (!attrs_of(reading, item, score, fault))
        return false;
    ret_score->sender_id = sender_id(reading, item, score);
    reading->is_spent |= str_is_none(ret_score->sender_id);
    return !reading->is_spent;
}

static struct raw_score empty_score(void)
{
    struct raw_score raw = { .sender_id = STR_NONE, .score.name = STR_NONE };
    str *texts[SCORE_TEXTS];
    score_texts(&raw.score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    return raw;
}

static bool annotation_take(struct reading *reading, const struct value *item, struct fault *fault)
{
    struct raw_score raw = empty_score();
    if (!annotation_of(reading, item, &raw, fault))
        return false;
    struct raw_score *score = native_score_new(reading->arena, &reading->items);
    if (!score) {
        reading->is_spent = true;
        return false;
    }
    *score = raw;
    buf_add_c(&reading->accepted, reading->items.score_count > 1 ? ",{\"id\":\"" : "{\"id\":\"");
    base64_encode(&reading->accepted, raw.sender_id.ptr, raw.sender_id.len);
    buf_add_c(&reading->accepted, "\"}");
    return true;
}

/* ---- spans ---- */

static bool event_of(struct reading *reading, const struct value *item, struct span_event *ret)
{
    const struct value *attributes = tree_get(item, "attributes");
    int64_t time = 0;
    bool has_time = tree_time(item, "timestamp", &time);
    *ret = (struct span_event){ .name = tree_text(item, "name"), .time_ns = time };
    if (!has_time || str_is_none(ret->name))
        return false;
    if (attributes && attributes->type == VALUE_MAP) {
        ret->attrs = attributes->attrs;
        ret->attr_count = MIN(attributes->count, reading->body->limits->attrs_max);
    }
    return true;
}

static bool events_of(struct reading *reading, const struct value *item, struct raw_span *span)
{
    const struct value *items;
    uint32_t count = tree_items(item, "events", &items);
    uint32_t kept = MIN(count, reading->body->limits->events_max);
    span->dropped_event_count = count - kept;
    if (!kept)
        return true;
    span->events = arena_new(reading->arena, struct span_event, kept);
    if (!span->events)
        return false;
    for (uint32_t i = 0; i < kept; i++) {
        if (event_of(reading, &items[i], &span->events[span->event_count]))
            span->event_count++;
        else
            span->dropped_event_count++;
    }
    return true;
}

/* "span_kind" is what OpenInference says in an attribute. */
static bool span_attrs_of(struct reading *reading, const struct value *item, struct raw_span *span)
{
    const struct value *attributes = tree_get(item, "attributes");
    bool has_map = attributes && attributes->type == VALUE_MAP;
    uint32_t max = reading->body->limits->attrs_max, count = has_map ? attributes->count : 0;
    struct native_attrs attrs = { 0 };
    static const str kind = STR("openinference.span.kind");
    bool says_kind = has_map && attr_find(attributes->attrs, count, kind);
    if (!says_kind && !native_text_add(reading->arena, &attrs, kind, tree_text(item, "span_kind")))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (attrs.count == max)
            span->dropped_attr_count++;
        else if (!native_attr_add(reading->arena, &attrs, attributes->attrs[i].key,
                                  attributes->attrs[i].value))
            return false;
    }
    span->attrs = attrs.items;
    span->attr_count = attrs.count;
    return true;
}

static bool times_of(const struct value *item, struct raw_span *span, struct fault *fault)
{
    int64_t start, end;
    if (!tree_time(item, "start_time", &start))
        return fail(fault, "start_time", "Input should be a valid datetime");
    if (!tree_time(item, "end_time", &end))
        return fail(fault, "end_time", "Input should be a valid datetime");
    span->start_ns = (uint64_t)start;
    span->end_ns = (uint64_t)end;
    return true;
}

static bool span_of(struct reading *reading, const struct value *item, struct raw_span *span,
                    struct fault *fault)
{
    const struct value *context = tree_get(item, "context");
    str trace_id = tree_text(context, "trace_id"), span_id = tree_text(context, "span_id");
    str status = tree_text(item, "status_code");
    if (item->type != VALUE_MAP || !context)
        return fail(fault, "context", "Field required");
    if (str_is_none(trace_id) || str_is_none(span_id))
        return fail(fault, str_is_none(trace_id) ? "trace_id" : "span_id", "Field required");
    if (str_is_none(tree_text(item, "name")))
        return fail(fault, "name", "Field required");
    span->trace_id = native_trace_id(trace_id);
    span->span_id = native_span_id(span_id);
    span->parent_span_id = native_span_id(tree_text(item, "parent_id"));
    struct id8 own;
    if (span_id.len != 16 || !hex_decode(span_id, &own, sizeof own))
        span->source_id = span_id;
    span->name = tree_text(item, "name");
    span->kind = 1; /* internal */
    span->status_code = str_equal_nocase(status, STR_OF("ERROR")) ? 2
                        : str_equal_nocase(status, STR_OF("OK"))  ? 1
                                                                  : 0;
    span->status_message = tree_text(item, "status_message");
    if (!times_of(item, span, fault))
        return false;
    bool fits = span_attrs_of(reading, item, span) && events_of(reading, item, span);
    reading->is_spent |= !fits;
    return fits;
}

static bool span_take(struct reading *reading, const struct raw_scope *scope,
                      const struct value *item, struct fault *fault)
{
    struct raw_span raw = { .scope = scope, .source_id = STR_NONE };
    if (!span_of(reading, item, &raw, fault))
        return false;
    bool fits = native_span_add(reading->arena, &reading->items, &raw);
    reading->is_spent |= !fits;
    return fits;
}

static const struct raw_scope *scope_of(struct reading *reading)
{
    struct raw_resource *resource = arena_new(reading->arena, struct raw_resource, 1);
    struct raw_scope *scope = arena_new(reading->arena, struct raw_scope, 1);
    struct native_attrs attrs = { 0 };
    str project = utf8_repair(reading->arena, reading->body->project);
    if (!resource || !scope || str_is_none(project) ||
        !native_text_add(reading->arena, &attrs, STR_OF("openinference.project.name"), project))
        return NULL;
    resource->attrs = attrs.items;
    resource->attr_count = attrs.count;
    scope->resource = resource;
    return scope;
}

/* ---- the request ---- */

static void refuse_span(struct reading *reading, const struct value *item, const char *what)
{
    static const char *const ids[] = { "span_id", "trace_id" };
    const struct value *context = tree_get(item, "context");
    struct buf *out = &reading->refused;
    buf_add_char(out, '{');
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        str id = tree_text(context, ids[i]);
        buf_printf(out, "\"%s\":", ids[i]);
        buf_add_json_str(out, str_is_none(id) ? STR_OF("unknown") : id);
        buf_add_char(out, ',');
    }
    buf_add_c(out, "\"error\":");
    buf_add_json_str(out, str_from_c(what));
    buf_add_char(out, '}');
}

static void refuse(struct reading *reading, uint32_t i, const struct value *item,
                   const struct fault *fault)
{
    struct buf *out = &reading->refused;
    char what[160];
    native_reject(reading->batch, "data %u: %s: %s", i + 1, fault->member, fault->what);
    if (out->len)
        buf_add_char(out, ',');
    if (reading->body->list == PHOENIX_SPANS) {
        snprintf(what, sizeof what, "%s: %s", fault->member, fault->what);
        refuse_span(reading, item, what);
        return;
    }
    reading->batch->rejected_scores++;
    buf_printf(out, "{\"type\":\"value_error\",\"loc\":[\"body\",\"data\",%u", i);
    if (fault->member[0])
        buf_printf(out, ",\"%s\"", fault->member);
    buf_printf(out, "],\"msg\":\"%s\"}", fault->what);
}

static void spans_reply(struct reading *reading, struct buf *out)
{
    buf_printf(out, "{\"total_received\":%u,\"total_queued\":%u", reading->received,
               reading->items.span_count);
    if (reading->refused.len) {
        buf_printf(out, ",\"total_invalid\":%u,\"total_duplicates\":0,\"duplicate_spans\":[]",
                   reading->received - reading->items.span_count);
        buf_add_c(out, ",\"invalid_spans\":[");
        buf_add_str(out, buf_str(&reading->refused));
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

/* An error of spans is JSON inside a text of JSON: so their clients read it. */
static void reply(struct reading *reading, struct buf *out)
{
    struct buf inner;
    bool is_spans = reading->body->list == PHOENIX_SPANS, is_refused = reading->refused.len > 0;
    bool is_note = lists[reading->body->list].is_note && reading->is_single;
    if (is_spans && !is_refused) {
        spans_reply(reading, out);
    } else if (is_spans) {
        buf_init(&inner, REPLY_BYTES_MAX);
        spans_reply(reading, &inner);
        buf_add_c(out, "{\"detail\":");
        buf_add_json_str(out, buf_str(&inner));
        buf_add_char(out, '}');
        buf_clear(&inner);
    } else {
        buf_add_c(out, is_refused ? "{\"detail\":[" : is_note ? "{\"data\":" : "{\"data\":[");
        buf_add_str(out, buf_str(is_refused ? &reading->refused : &reading->accepted));
        buf_add_c(out, is_note && !is_refused ? "}" : "]}");
    }
    reading->batch->reply_status = !is_refused ? 200 : is_spans ? BAD_REQUEST : UNPROCESSABLE;
}

static void take_all(struct reading *reading, const struct value *items)
{
    bool is_spans = reading->body->list == PHOENIX_SPANS;
    const struct raw_scope *scope = is_spans ? scope_of(reading) : NULL;
    reading->is_spent = is_spans && !scope;
    for (uint32_t i = 0; i < reading->received && !reading->is_spent; i++) {
        struct fault fault = { "", "" };
        bool is_taken = is_spans ? span_take(reading, scope, &items[i], &fault)
                                 : annotation_take(reading, &items[i], &fault);
        if (!is_taken && !reading->is_spent)
            refuse(reading, i, &items[i], &fault);
    }
}

static enum err finish(struct reading *reading, struct diag *reterr_why)
{
    struct buf answer;
    buf_init(&answer, REPLY_BYTES_MAX);
    reply(reading, &answer);
    reading->batch->reply = tree_take(reading->arena, &answer);
    reading->is_spent |= str_is_none(reading->batch->reply) || buf_failed(&reading->accepted) ||
                         buf_failed(&reading->refused);
    if (reading->is_spent)
        return diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
    reading->batch->is_utf8 = true;
    native_give(&reading->items, reading->batch);
    return ERR_OK;
}

enum err phoenix_decode(struct arena *arena, const struct phoenix_body *body,
                        struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct value root;
    const struct value *items;
    struct reading reading = { .arena = arena, .body = body, .batch = ret_batch };
    *ret_batch = (struct raw_batch){ 0 };
    enum err err = tree_parse(arena, body->bytes, &root, reterr_why);
    if (err)
        return err;
    const struct value *data = tree_get(&root, "data");
    if (!data)
        return diag_set(reterr_why, ERR_BAD_INPUT, "\"data\" is missing");
    reading.received = tree_items(&root, "data", &items);
    if (data->type == VALUE_MAP) { /* a note comes alone */
        items = data;
        reading.received = 1;
        reading.is_single = true;
    } else if (data->type != VALUE_ARRAY) {
        return diag_set(reterr_why, ERR_BAD_INPUT, "\"data\" must be a list");
    }
    if (reading.received > body->limits->items_max)
        return diag_set(reterr_why, ERR_LIMIT, "%u items are over the limit of %u",
                        reading.received, body->limits->items_max);
    buf_init(&reading.accepted, REPLY_BYTES_MAX);
    buf_init(&reading.refused, REPLY_BYTES_MAX);
    take_all(&reading, items);
    err = finish(&reading, reterr_why);
    buf_clear(&reading.accepted);
    buf_clear(&reading.refused);
    return err;
}
