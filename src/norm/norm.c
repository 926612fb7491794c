/* norm.c -- a request's batch: scratch memory once, then span by span, logs, metrics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm.h"
#include "norm/norm_int.h"

enum { OUT_BYTES_MAX = 64 * 1024 * 1024 }; /* one JSON value; the arena's budget is tighter */

static uint32_t place_attrs(const struct raw_scope *scope)
{
    return scope->attr_count + scope->resource->attr_count;
}

/* The most attributes that one item can bring, its own and its place's. */
static uint32_t attrs_max_of(const struct raw_batch *raw)
{
    uint32_t own = 0, place = 0;
    const struct raw_scope *scope = NULL;
    for (uint32_t i = 0; i < raw->span_count; i++) {
        own = MAX(own, raw->spans[i].attr_count);
        if (raw->spans[i].scope != scope)
            place = MAX(place, place_attrs(raw->spans[i].scope));
        scope = raw->spans[i].scope;
    }
    uint32_t run = 0; /* neighbouring log records may become one addition */
    for (uint32_t i = 0; i < raw->log_count; i++) {
        bool same = i > 0 && memcmp(&raw->logs[i].span_id, &raw->logs[i - 1].span_id,
                                    sizeof raw->logs[i].span_id) == 0;
        run = raw->logs[i].attr_count + (same ? run : 0);
        own = MAX(own, run);
        place = MAX(place, place_attrs(raw->logs[i].scope));
    }
    for (uint32_t i = 0; i < raw->metric_count; i++)
        place = MAX(place, place_attrs(raw->metrics[i].scope));
    return own + 2 * place + 10;
}

static bool scratch_alloc(struct norm *norm, const struct raw_batch *raw)
{
    norm->attrs_max = attrs_max_of(raw);
    size_t count = norm->attrs_max;
    norm->kept = arena_alloc(norm->arena, count * sizeof *norm->kept);
    norm->others = arena_alloc(norm->arena, count * sizeof *norm->others);
    norm->longs = arena_alloc(norm->arena, count * sizeof *norm->longs);
    norm->parameters = arena_alloc(norm->arena, count * sizeof *norm->parameters);
    norm->flats = arena_alloc(norm->arena, count * sizeof *norm->flats);
    norm->unmapped = arena_alloc(norm->arena, count * sizeof *norm->unmapped);
    return norm->kept && norm->others && norm->longs && norm->parameters && norm->flats &&
           norm->unmapped;
}

static bool results_alloc(struct norm *norm, const struct raw_batch *raw, struct batch *batch)
{
    size_t spans = (size_t)raw->span_count;
    for (uint32_t i = 0; i < raw->log_count; i++)
        spans += !id16_is_zero(raw->logs[i].trace_id) || /* may become an addition */
                 log_is_call(&raw->logs[i]);
    /* not zeroed: every span starts as a copy of its place's */
    batch->spans = arena_alloc(norm->arena, (spans + 1) * sizeof *batch->spans);
    batch->logs = arena_alloc(norm->arena, (raw->log_count + 1) * sizeof *batch->logs);
    batch->metrics = arena_alloc(norm->arena, (raw->metric_count + 1) * sizeof *batch->metrics);
    batch->scores = arena_alloc(norm->arena, (norm_scores_max(raw) + 1) * sizeof *batch->scores);
    return batch->spans && batch->logs && batch->metrics && batch->scores;
}

static void metric_take(struct norm *norm, const struct raw_metric *raw, struct metric_point *point)
{
    const struct span *place = &norm->place.span;
    *point = (struct metric_point){
        .type = (enum metric_type)raw->type,
        .name = text_clean(norm, raw->name),
        .unit = text_clean(norm, raw->unit),
        .service = SPAN_KNOWS(place, service) ? place->service : STR_OF(""),
        .start_ns = (int64_t)MIN(raw->start_ns, (uint64_t)INT64_MAX),
        .time_ns = (int64_t)MIN(raw->time_ns, (uint64_t)INT64_MAX),
        .is_monotonic = raw->is_monotonic,
        .temporality = raw->temporality,
        .has_value = raw->has_value && !(raw->flags & 1),
        .value = raw->value,
        .count = raw->count,
        .buckets_json = raw->buckets_json,
    };
    point->attrs = arena_alloc(norm->arena, (raw->attr_count + 1) * sizeof(struct attr));
    if (!point->attrs) {
        norm->spent = true;
        return;
    }
    for (uint32_t i = 0; i < raw->attr_count; i++) {
        point->attrs[i].key = text_clean(norm, raw->attrs[i].key);
        point->attrs[i].value = value_clean(norm, &raw->attrs[i].value);
    }
    point->attr_count = raw->attr_count;
}

static void batch_fill(struct norm *norm, const struct raw_batch *raw, struct batch *batch)
{
    for (uint32_t i = 0; i < raw->span_count && !norm->spent; i++) {
        norm_place_for(norm, raw->spans[i].scope, raw->spans[i].attrs, raw->spans[i].attr_count);
        norm_span(norm, &raw->spans[i], &batch->spans[i]);
        if (norm->config->explained)
            norm_explain(norm, &raw->spans[i], &norm->config->explained[i]);
    }
    batch->span_count = raw->span_count;
    norm_logs(norm, raw, batch);
    norm_scores(norm, raw, batch);
    for (uint32_t i = 0; i < raw->metric_count && !norm->spent; i++) {
        norm_place_for(norm, raw->metrics[i].scope, raw->metrics[i].attrs,
                       raw->metrics[i].attr_count);
        metric_take(norm, &raw->metrics[i], &batch->metrics[i]);
    }
    batch->metric_count = raw->metric_count;
}

enum err norm_batch(struct arena *arena, const struct norm_config *config,
                    const struct raw_batch *raw, struct batch *ret_batch, struct diag *reterr_why)
{
    assert(arena && config && raw && ret_batch);
    assert(config->attr_value_bytes_max > 0 && config->text_field_bytes_max > 0);
    struct norm *norm = arena_new(arena, struct norm, 1);
    struct batch batch = { .project = config->project, .received_ns = config->received_ns };
    if (!norm)
        return diag_set(reterr_why, ERR_LIMIT, "no room to normalise a request");
    norm->arena = arena;
    norm->config = config;
    norm_pin_begin(norm);
    norm->is_utf8 = raw->is_utf8;
    norm->dialects_text = STR_OF("");
    dialect_prefix_heads(norm->prefix_heads);
    buf_init(&norm->out, OUT_BYTES_MAX);
    buf_init(&norm->canon, OUT_BYTES_MAX);
    buf_init(&norm->canon_system, OUT_BYTES_MAX);
    norm->spent = !scratch_alloc(norm, raw) || !results_alloc(norm, raw, &batch);
    if (!norm->spent)
        batch_fill(norm, raw, &batch);
    bool spent = norm->spent;
    buf_clear(&norm->out);
    buf_clear(&norm->canon);
    buf_clear(&norm->canon_system);
    if (spent)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the texts of %u spans and %u logs",
                        raw->span_count, raw->log_count);
    *ret_batch = batch;
    return ERR_OK;
}
