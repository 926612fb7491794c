/* native.h -- what the codecs of vendors' own APIs share: ids and growing a batch.
 *
 * A vendor's objects become raw spans whose attributes carry the names that the same vendor uses
 * over OTLP, so that norm's tables read both.  Ids there are any text; here they become ids of
 * OpenTelemetry's sizes, the same for the same text at any time; the text itself is
 * raw_span.source_id where it is not the id's own spelling.
 *
 * Memory:  everything comes from the arena; texts borrow from the body.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/raw.h"

/* A UUID or 32 hex digits are themselves, anything else is hashed.  Zero only for an empty text. */
struct id16 native_trace_id(str text);
/* 16 hex digits are themselves; anything else, UUIDs too, is hashed. */
struct id8 native_span_id(str text);

/* Of the span that stands for a trace, where a vendor's traces are objects of their own; never one
 * of native_span_id(). */
struct id8 native_root_id(str trace_id);

/* Arrays of unknown length, doubled in the arena. */
struct native_attrs {
    struct attr *items;
    uint32_t count, capacity;
};
/* False: the arena's budget is spent. */
MUST_CHECK bool native_attr_add(struct arena *arena, struct native_attrs *attrs, str key,
                                struct value value);
/* Nothing for an empty or absent text. */
MUST_CHECK bool native_text_add(struct arena *arena, struct native_attrs *attrs, str key, str text);

struct native_batch {
    struct raw_span *spans;
    struct raw_score *scores;
    uint32_t span_count, span_capacity, score_count, score_capacity;
};
/* A new item, all zero; NULL: the arena's budget is spent.  Pointers to earlier items die. */
struct raw_span *native_span_new(struct arena *arena, struct native_batch *batch);
struct raw_score *native_score_new(struct arena *arena, struct native_batch *batch);
/* A span as it is; false: the arena's budget is spent. */
MUST_CHECK bool native_span_add(struct arena *arena, struct native_batch *batch,
                                const struct raw_span *span);
/* The first attrs_max are the span's; the others are counted as dropped. */
void native_span_set_attrs(struct raw_span *span, const struct native_attrs *attrs,
                           uint32_t attrs_max);
/* The items are those of `ret_batch`. */
void native_give(const struct native_batch *batch, struct raw_batch *ret_batch);
/* Counts an item that is left out; the first reason and its place are kept. */
void native_reject(struct raw_batch *batch, const char *format, ...) PRINTF(2, 3);
