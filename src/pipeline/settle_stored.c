/* settle_stored.c -- traces that were stored before: late spans, and replay after a crash.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "pipeline/assemble.h"
#include "pipeline/settle_int.h"
#include "sys/log.h"
#include "wire/json.h"
#include <stdlib.h>

enum {
    KNOWN_SPANS_MAX = 4 * 1000 * 1000, /* of one trace that was stored before */
    TOGETHER_TRACES_MAX = 64,  /* known traces are read back by so many: a question costs ms */
    TOGETHER_SPANS_MAX = 4096, /* if they have more, one by one */
};

static void attrs_from_json(struct arena *arena, struct span *span, str text)
{
    struct json json;
    struct value value;
    json_init(&json, arena, text, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    if (token != JSON_OBJECT || !json_value(&json, token, &value))
        return;
    span->attrs = value.attrs;
    span->attr_count = value.count;
}

static struct store_scope whole_scope(str project)
{
    return (struct store_scope){ .project = project,
                                 .tenant = STR_NONE,
                                 .range = { INT64_MIN / 2, INT64_MAX } };
}

static const struct filter *trace_id_filter(struct arena *arena, struct id16 trace_id)
{
    char hex[33];
    hex_encode(trace_id.bytes, 16, hex);
    struct filter *filter = arena_new(arena, struct filter, 1);
    str text = arena_str(arena, str_make(hex, 32));
    if (!filter || str_is_none(text))
        return NULL;
    *filter = (struct filter){ .op = FILTER_EQ, .field = FIELD_trace_id, .value = value_str(text) };
    return filter;
}

/* Any of up to `max` known traces of one project, from `from` on; *ret_to is behind the last. */
static const struct filter *known_filter(struct settling *settling, size_t from, size_t max,
                                         size_t *ret_to)
{
    const struct filter *all = NULL;
    size_t taken = 0, at = from;
    for (; at < settling->count && taken < max; at++) {
        const struct open_trace *open = settling->open[at];
        if (!settling->known[at])
            continue;
        if (open->project != settling->open[from]->project)
            break;
        const struct filter *one = trace_id_filter(settling->arena, open->trace_id);
        struct filter *either = arena_new(settling->arena, struct filter, 1);
        if (!one || !either)
            return NULL;
        *either = (struct filter){ .op = FILTER_OR, .left = all, .right = one };
        all = all ? either : one;
        taken++;
    }
    *ret_to = at;
    return all;
}

static enum err stored_read(struct settling *settling, size_t from, size_t max)
{
    struct drain *drain = settling->drain;
    struct stored *stored = &settling->stored;
    struct diag why = DIAG_NONE;
    size_t to = 0;
    struct store_list list = {
        .scope = whole_scope(open_traces_project(drain->traces, settling->open[from]->project)),
        .filter = known_filter(settling, from, max, &to),
        .limit = max > 1 ? TOGETHER_SPANS_MAX : KNOWN_SPANS_MAX,
    };
    if (!list.filter)
        return ERR_LIMIT;
    *stored = (struct stored){ .to = from };
    enum err err = drain->config.store_ops->spans(drain->config.store, &list, settling->arena,
                                                  &stored->spans, &stored->span_count, &why);
    if (!err && max > 1 && stored->span_count == list.limit)
        return stored_read(settling, from, 1);
    if (!err)
        err = drain->config.store_ops->traces(drain->config.store, &list, settling->arena,
                                              &stored->rows, &stored->row_count, &why);
    if (err)
        log_error("cannot read stored traces back", KV_ERR(err), KV_WHY(&why));
    else
        stored->to = to;
    return err;
}

enum err settle_read_known(struct settling *settling, size_t index, struct span ***ret_spans,
                           size_t *ret_count, struct trace_row *ret_row)
{
    const struct open_trace *open = settling->open[index];
    struct stored *stored = &settling->stored;
    enum err err = index < stored->to ? ERR_OK : stored_read(settling, index, TOGETHER_TRACES_MAX);
    if (err)
        return err;
    struct span **all =
        arena_new(settling->arena, struct span *, stored->span_count + open->ref_count);
    if (!all)
        return ERR_LIMIT;
    size_t count = 0;
    for (size_t i = 0; i < stored->span_count; i++) {
        struct store_span *row = &stored->spans[i];
        if (row->settled &&
            memcmp(&row->span.trace_id, &open->trace_id, sizeof open->trace_id) == 0)
            all[count++] = &row->span;
    }
    settling->older[index] = meter_older_new(settling->arena, count);
    if (!settling->older[index])
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        const struct store_span *row = (const struct store_span *)(const void *)all[i];
        meter_older_add(settling->older[index], all[i]);
        attrs_from_json(settling->arena, all[i], row->attrs_json);
        assemble_reopen(settling->arena, all[i]);
    }
    for (size_t i = 0; i < stored->row_count; i++)
        if (stored->rows[i].settled &&
            memcmp(&stored->rows[i].trace_id, &open->trace_id, sizeof open->trace_id) == 0)
            *ret_row = stored->rows[i];
    *ret_spans = all;
    *ret_count = count;
    return ERR_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct span *left = *(struct span *const *)a, *right = *(struct span *const *)b;
    return memcmp(&left->span_id, &right->span_id, sizeof(struct id8));
}

enum err settle_restore_content(struct settling *settling, const struct trace_row *row,
                                struct span **spans, size_t count, struct away *away)
{
    enum err err = ERR_OK;
    struct span **sorted = arena_alloc(settling->arena, count * sizeof(struct span *));
    if (!sorted)
        return ERR_LIMIT;
    if (count) {
        memcpy(sorted, spans, count * sizeof(struct span *));
        qsort(sorted, count, sizeof(struct span *), by_id);
    }
    struct content_reader *reader = content_reader_new(settling->drain->config.content);
    for (uint32_t f = 0; f < row->content_count && !err; f++) {
        struct content_pointer pointer = { row->content[f].segment, row->content[f].offset,
                                           row->content[f].len };
        struct content_item *items;
        size_t item_count = 0;
        err = content_read(reader, pointer, settling->arena, &items, &item_count, NULL);
        if (err == ERR_NOT_FOUND || err == ERR_CORRUPT)
            err = ERR_OK; /* expired or erased: stays so */
        if (err == ERR_UNAVAILABLE && away->count < AWAY_MAX) {
            away->frames[away->count++] = row->content[f];
            err = ERR_OK;
        }
        for (size_t i = 0; i < item_count; i++) {
            struct span key = { .span_id = items[i].owner }, *at = &key;
            struct span **owner = bsearch(&at, sorted, count, sizeof(struct span *), by_id);
            if (owner)
                span_add_part(*owner, items[i].role, items[i].json);
        }
    }
    content_reader_free(reader);
    return err;
}

static int by_span_id(const void *a, const void *b)
{
    const struct store_span *const *left = a, *const *right = b;
    return memcmp(&(*left)->span.span_id, &(*right)->span.span_id, sizeof(struct id8));
}

enum err settle_keep_roles(struct settling *settling, size_t index)
{
    const struct stored *stored = &settling->stored;
    const struct store_span *final = settling->spans[index];
    size_t count = settling->span_counts[index];
    struct store_span **sorted = arena_new(settling->arena, struct store_span *, count);
    struct store_span *copies = arena_alloc(settling->arena, count * sizeof *copies);
    if (!sorted || !copies)
        return ERR_LIMIT;
    memcpy(copies, final, count * sizeof *copies);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &copies[i];
    qsort(sorted, count, sizeof *sorted, by_span_id);
    for (size_t i = 0; i < stored->span_count; i++) {
        const struct store_span *key = &stored->spans[i];
        struct store_span **found = bsearch(&key, sorted, count, sizeof *sorted, by_span_id);
        if (found && memcmp(&key->span.trace_id, &final->span.trace_id, sizeof(struct id16)) == 0)
            (*found)->content_roles |= key->content_roles;
    }
    settling->spans[index] = copies;
    return ERR_OK;
}
