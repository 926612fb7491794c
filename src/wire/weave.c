/* weave.c -- bodies into calls and feedback, and their answers; see weave.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "wire/weave_int.h"

#define REPLY_BYTES_MAX (16 * MIB)
enum { SEARCH_MAX = 256 }; /* items of a batch that a call's end may be behind its start */

/* ---- values ---- */

str weave_ref_name(str ref)
{
    if (!str_starts(ref, STR_OF("weave://")))
        return ref;
    size_t slash = ref.len;
    while (ref.ptr[slash - 1] != '/')
        slash--;
    str name = str_from(ref, slash);
    return str_sub(name, 0, str_find_char(name, ':'));
}

struct value weave_json(struct weave *weave, const struct value *value)
{
    struct buf out;
    buf_init(&out, 64 * MIB);
    value_to_json(&out, value);
    str text = buf_failed(&out) ? STR_NONE : arena_str(weave->arena, buf_str(&out));
    buf_clear(&out);
    weave->is_spent = weave->is_spent || str_is_none(text);
    struct value none = { .type = VALUE_NULL };
    return str_is_none(text) ? none : value_str(text);
}

uint64_t weave_time(const struct value *map, const char *key)
{
    str text = tree_text_as_sent(map, key);
    int64_t time_ns;
    return !str_is_none(text) && time_parse(text, &time_ns) && time_ns > 0 ? (uint64_t)time_ns : 0;
}

/* ---- items ---- */

static void reply_ids(struct weave *weave, const struct value *call)
{
    str id = tree_text_as_sent(call, "id"), trace = tree_text_as_sent(call, "trace_id");
    buf_add_c(&weave->reply, "{\"id\":");
    buf_add_json_str(&weave->reply, str_is_none(id) ? STR_OF("") : id);
    buf_add_c(&weave->reply, ",\"trace_id\":");
    buf_add_json_str(&weave->reply, str_is_none(trace) ? STR_OF("") : trace);
    buf_add_char(&weave->reply, '}');
}

static void take_call(struct weave *weave, const struct value *call, uint32_t place)
{
    const char *why = "it is not an object";
    if (!weave_span(weave, call, &why))
        native_reject(weave->batch, "call %u: %s", place, why);
}

/* A call that ends in the batch it starts in is one. */
static struct value joined(struct weave *weave, const struct value *start, const struct value *end)
{
    struct value whole = { .type = VALUE_MAP, .count = start->count + end->count };
    whole.attrs = arena_new(weave->arena, struct attr, whole.count + 1);
    weave->is_spent = weave->is_spent || !whole.attrs;
    if (!whole.attrs)
        return *end;
    if (end->count)
        memcpy(whole.attrs, end->attrs, end->count * sizeof *whole.attrs);
    memcpy(whole.attrs + end->count, start->attrs, start->count * sizeof *whole.attrs);
    return whole;
}

/* The end of batch->items[index]'s start, if it comes soon after; NULL when not. */
static const struct value *end_of(const struct value *batch, uint32_t index, str id)
{
    uint32_t last = MIN(batch->count, index + SEARCH_MAX);
    for (uint32_t i = index + 1; i < last && !str_is_none(id); i++) {
        const struct value *end = tree_get(tree_get(&batch->items[i], "req"), "end");
        if (end && str_equal(tree_text_as_sent(end, "id"), id))
            return end;
    }
    return NULL;
}

static const struct value *start_of(const struct value *batch, uint32_t index, str id)
{
    uint32_t first = index > SEARCH_MAX ? index - SEARCH_MAX + 1 : 0;
    for (uint32_t i = index; i-- > first && !str_is_none(id);) {
        const struct value *start = tree_get(tree_get(&batch->items[i], "req"), "start");
        if (start && start->type == VALUE_MAP && str_equal(tree_text_as_sent(start, "id"), id))
            return start;
    }
    return NULL;
}

static void take_upsert(struct weave *weave, const struct value *batch, uint32_t index)
{
    const struct value *request = tree_get(&batch->items[index], "req");
    const struct value *start = tree_get(request, "start"), *end = tree_get(request, "end");
    if (start && start->type == VALUE_MAP) {
        if (!end_of(batch, index, tree_text_as_sent(start, "id")))
            take_call(weave, start, index + 1);
        reply_ids(weave, start);
        return;
    }
    if (end && end->type == VALUE_MAP) {
        const struct value *begun = start_of(batch, index, tree_text_as_sent(end, "id"));
        struct value whole = begun ? joined(weave, begun, end) : *end;
        take_call(weave, &whole, index + 1);
    } else {
        native_reject(weave->batch, "item %u: it neither starts nor ends a call", index + 1);
    }
    buf_add_c(&weave->reply, "{}");
}

static void take_upserts(struct weave *weave, const struct value *batch)
{
    buf_add_c(&weave->reply, "{\"res\":[");
    for (uint32_t i = 0; i < batch->count; i++) {
        buf_add_c(&weave->reply, i ? "," : "");
        take_upsert(weave, batch, i);
    }
    buf_add_c(&weave->reply, "]}");
}

static void take_feedback(struct weave *weave, const struct value *feedback, uint32_t place)
{
    const char *why = "it is not an object";
    if (weave_score(weave, feedback, &why))
        return;
    weave->batch->rejected_scores++;
    native_reject(weave->batch, "feedback %u: %s", place, why);
}

static void take_list(struct weave *weave, const struct value *batch, enum weave_body kind)
{
    bool is_feedback = kind == WEAVE_FEEDBACK_BATCH;
    buf_add_c(&weave->reply, is_feedback ? "{\"res\":[" : "");
    for (uint32_t i = 0; i < batch->count; i++) {
        size_t len = weave->reply.len;
        if (!is_feedback) {
            take_call(weave, &batch->items[i], i + 1);
            continue;
        }
        buf_add_c(&weave->reply, weave->items.score_count ? "," : "");
        take_feedback(weave, &batch->items[i], i + 1);
        if (weave->batch->rejected_count && weave->reply.len == len + 1)
            weave->reply.len = len; /* nothing came of it */
    }
    buf_add_c(&weave->reply, is_feedback ? "]}" : "{}");
}

/* ---- bodies ---- */

static enum err take_body(struct weave *weave, enum weave_body kind, const struct value *body,
                          struct diag *reterr_why)
{
    const struct value *batch = tree_get(body, "batch");
    const struct value *start = tree_get(body, "start"), *end = tree_get(body, "end");
    bool is_list = kind == WEAVE_BATCH || kind == WEAVE_COMPLETE || kind == WEAVE_FEEDBACK_BATCH;
    if (is_list && (!batch || batch->type != VALUE_ARRAY))
        return diag_set(reterr_why, ERR_BAD_INPUT, "batch must be a list");
    if (is_list && batch->count > weave->limits->items_max)
        return diag_set(reterr_why, ERR_LIMIT, "%u items are over the limit of %u", batch->count,
                        weave->limits->items_max);
    switch (kind) {
    case WEAVE_START:
    case WEAVE_END:
        start = kind == WEAVE_START ? start : end;
        if (!start)
            return diag_set(reterr_why, ERR_BAD_INPUT, "%s is missing",
                            kind == WEAVE_START ? "start" : "end");
        take_call(weave, start, 1);
        if (kind == WEAVE_START)
            reply_ids(weave, start);
        else
            buf_add_c(&weave->reply, "{}");
        break;
    case WEAVE_BATCH:
        take_upserts(weave, batch);
        break;
    case WEAVE_COMPLETE:
    case WEAVE_FEEDBACK_BATCH:
        take_list(weave, batch, kind);
        break;
    case WEAVE_UPDATE:
        take_call(weave, body, 1);
        buf_add_c(&weave->reply, "{}");
        break;
    case WEAVE_FEEDBACK:
        take_feedback(weave, body, 1);
        break;
    }
    return ERR_OK;
}

enum err weave_decode(struct arena *arena, const struct weave_input *input,
                      struct raw_batch *ret_batch, struct diag *reterr_why)
{
    static const struct raw_resource resource;
    static const struct raw_scope scope = { .resource = &resource, .name = STR("weave") };
    *ret_batch = (struct raw_batch){ 0 };
    struct weave weave = { .arena = arena,
                           .limits = input->limits ? input->limits : &otlp_limits_default,
                           .now_ns = input->now_ns,
                           .batch = ret_batch,
                           .scope = &scope };
    struct value body;
    enum err err = tree_parse(arena, input->body, &body, reterr_why);
    if (err)
        return err;
    buf_init(&weave.reply, REPLY_BYTES_MAX);
    err = take_body(&weave, input->kind, &body, reterr_why);
    ret_batch->reply_status = 200;
    ret_batch->reply =
        buf_failed(&weave.reply) ? STR_NONE : arena_str(arena, buf_str(&weave.reply));
    weave.is_spent = weave.is_spent || str_is_none(ret_batch->reply);
    buf_clear(&weave.reply);
    if (!err && weave.is_spent)
        err = diag_set(reterr_why, ERR_LIMIT, "the calls need too much memory");
    if (err)
        return err;
    native_give(&weave.items, ret_batch);
    if (ret_batch->rejected_count && !ret_batch->span_count && !ret_batch->score_count)
        return diag_set(reterr_why, ERR_BAD_INPUT, "%s", ret_batch->rejected_why);
    return ERR_OK;
}
