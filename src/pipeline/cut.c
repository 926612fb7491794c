/* cut.c -- see cut.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/cut.h"
#include "base/check.h"
#include <string.h>

struct cutter {
    struct arena *arena;
    const struct cut_limits *limits;
    struct cut_counts counts;
    const struct raw_scope *scope; /* the last one; items of a scope follow each other */
    bool is_spent;
};

/* Cut already: two items may have the same value. */
static bool is_cut(const struct cutter *cutter, str text)
{
    return text.len <= cutter->limits->value_bytes_max + sizeof CUT_MARKER - 1 &&
           str_ends(text, STR_OF(CUT_MARKER));
}

/* Whole characters only. */
static void cut_text(struct cutter *cutter, struct value *value)
{
    const size_t marker = sizeof CUT_MARKER - 1;
    str head = str_sub(value->text, 0, cutter->limits->value_bytes_max);
    while (head.len && ((uint8_t)value->text.ptr[head.len] & 0xc0) == 0x80)
        head.len--; /* in a character */
    char *text = arena_alloc(cutter->arena, head.len + marker);
    if (!text) {
        cutter->is_spent = true;
        return;
    }
    memcpy(text, head.ptr, head.len);
    memcpy(text + head.len, CUT_MARKER, marker);
    *value = value_str(str_make(text, head.len + marker));
    cutter->counts.values++;
}

static void cut_value(struct cutter *cutter, struct value *value, int depth)
{
    bool is_text = value->type == VALUE_STR || value->type == VALUE_BYTES;
    if (is_text && value->text.len > cutter->limits->value_bytes_max &&
        !is_cut(cutter, value->text))
        cut_text(cutter, value);
    bool is_tree = value->type == VALUE_ARRAY || value->type == VALUE_MAP;
    for (uint32_t i = 0; is_tree && depth < VALUE_DEPTH_MAX && i < value->count; i++)
        cut_value(cutter, value->type == VALUE_ARRAY ? &value->items[i] : &value->attrs[i].value,
                  depth + 1);
}

static uint32_t cut_attrs(struct cutter *cutter, struct attr *attrs, uint32_t count)
{
    uint32_t kept = MIN(count, cutter->limits->attrs_max);
    cutter->counts.attrs += count - kept;
    for (uint32_t i = 0; i < kept && !cutter->is_spent; i++)
        cut_value(cutter, &attrs[i].value, 0);
    return kept;
}

/* Values only: a place is shared, and has few attributes. */
static void cut_place(struct cutter *cutter, const struct raw_scope *scope)
{
    if (!scope || scope == cutter->scope)
        return;
    const struct raw_resource *before = cutter->scope ? cutter->scope->resource : NULL;
    for (uint32_t i = 0; i < scope->attr_count; i++)
        cut_value(cutter, &scope->attrs[i].value, 0);
    for (uint32_t i = 0; scope->resource != before && i < scope->resource->attr_count; i++)
        cut_value(cutter, &scope->resource->attrs[i].value, 0);
    cutter->scope = scope;
}

static void cut_span(struct cutter *cutter, struct raw_span *span)
{
    cut_place(cutter, span->scope);
    uint32_t kept = cut_attrs(cutter, span->attrs, span->attr_count);
    uint64_t dropped = (uint64_t)span->dropped_attr_count + span->attr_count - kept;
    span->dropped_attr_count = (uint32_t)MIN(dropped, (uint64_t)UINT32_MAX);
    span->attr_count = kept;
    for (uint32_t i = 0; i < span->event_count; i++)
        span->events[i].attr_count =
            cut_attrs(cutter, span->events[i].attrs, span->events[i].attr_count);
}

static void cut_log(struct cutter *cutter, struct raw_log *log)
{
    cut_place(cutter, log->scope);
    log->attr_count = cut_attrs(cutter, log->attrs, log->attr_count);
    cut_value(cutter, &log->body, 0);
}

enum err cut_batch(struct arena *arena, const struct cut_limits *limits, struct raw_batch *batch,
                   struct cut_counts *ret_counts)
{
    struct cutter cutter = { .arena = arena, .limits = limits };
    for (uint32_t i = 0; i < batch->span_count && !cutter.is_spent; i++)
        cut_span(&cutter, &batch->spans[i]);
    for (uint32_t i = 0; i < batch->log_count && !cutter.is_spent; i++)
        cut_log(&cutter, &batch->logs[i]);
    for (uint32_t i = 0; i < batch->metric_count && !cutter.is_spent; i++) {
        struct raw_metric *metric = &batch->metrics[i];
        cut_place(&cutter, metric->scope);
        metric->attr_count = cut_attrs(&cutter, metric->attrs, metric->attr_count);
    }
    for (uint32_t i = 0; i < batch->score_count && !cutter.is_spent; i++) {
        struct score *score = &batch->scores[i].score;
        score->attr_count = cut_attrs(&cutter, score->attrs, score->attr_count);
    }
    *ret_counts = cutter.counts;
    return cutter.is_spent ? ERR_LIMIT : ERR_OK;
}
