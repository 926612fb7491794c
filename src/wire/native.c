/* native.c -- see native.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/native.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>

enum { TRACE_DIGITS = 32, SPAN_DIGITS = 16, FIRST_CAPACITY = 8 };

static const uint64_t trace_seed = 0x7472616365, trace_seed_low = 0x74726163656c,
                      span_seed = 0x7370616e, root_seed = 0x74726163652d6c66;

/* Big-endian, as OpenTelemetry writes ids. */
static void number_bytes(uint64_t number, uint8_t ret_bytes[8])
{
    for (int i = 0; i < 8; i++)
        ret_bytes[i] = (uint8_t)(number >> (56 - 8 * i));
}

/* 32 hex digits, dashes as in a UUID left out. */
static bool hex_of(str text, struct id16 *ret_id)
{
    char digits[TRACE_DIGITS];
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '-')
            continue;
        if (count == sizeof digits)
            return false;
        digits[count++] = text.ptr[i];
    }
    return count == sizeof digits && hex_decode(str_make(digits, count), ret_id, sizeof *ret_id) &&
           !id16_is_zero(*ret_id);
}

struct id16 native_trace_id(str text)
{
    struct id16 id = { 0 };
    if (str_is_empty(text) || hex_of(text, &id))
        return id;
    uint8_t bytes[16];
    number_bytes(hash_bytes_seeded(text.ptr, text.len, trace_seed) | 1, bytes);
    number_bytes(hash_bytes_seeded(text.ptr, text.len, trace_seed_low), bytes + 8);
    memcpy(&id, bytes, sizeof id);
    return id;
}

struct id8 native_span_id(str text)
{
    struct id8 id = { 0 };
    if (str_is_empty(text))
        return id;
    if (text.len == SPAN_DIGITS && hex_decode(text, &id, sizeof id) && !id8_is_zero(id))
        return id;
    uint8_t bytes[8];
    number_bytes(hash_bytes_seeded(text.ptr, text.len, span_seed) | 1, bytes);
    memcpy(&id, bytes, sizeof id);
    return id;
}

struct id8 native_root_id(str trace_id)
{
    uint8_t bytes[8];
    struct id8 id;
    number_bytes(hash_bytes_seeded(trace_id.ptr, trace_id.len, root_seed) | 1, bytes);
    memcpy(&id, bytes, sizeof id);
    return id;
}

/* Room for one more of `size` bytes; NULL: the budget is spent. */
static void *grown(struct arena *arena, void *items, uint32_t count, uint32_t *capacity,
                   size_t size)
{
    if (count < *capacity)
        return items;
    uint32_t wanted = *capacity ? *capacity * 2 : FIRST_CAPACITY;
    char *larger = arena_calloc(arena, wanted, size);
    if (!larger)
        return NULL;
    if (count)
        memcpy(larger, items, count * size);
    *capacity = wanted;
    return larger;
}

bool native_attr_add(struct arena *arena, struct native_attrs *attrs, str key, struct value value)
{
    struct attr *items =
        grown(arena, attrs->items, attrs->count, &attrs->capacity, sizeof *attrs->items);
    if (!items)
        return false;
    attrs->items = items;
    items[attrs->count++] = (struct attr){ key, value };
    return true;
}

bool native_text_add(struct arena *arena, struct native_attrs *attrs, str key, str text)
{
    return str_is_empty(text) || native_attr_add(arena, attrs, key, value_str(text));
}

struct raw_span *native_span_new(struct arena *arena, struct native_batch *batch)
{
    struct raw_span *spans =
        grown(arena, batch->spans, batch->span_count, &batch->span_capacity, sizeof *batch->spans);
    if (!spans)
        return NULL;
    batch->spans = spans;
    return &spans[batch->span_count++];
}

struct raw_score *native_score_new(struct arena *arena, struct native_batch *batch)
{
    struct raw_score *scores = grown(arena, batch->scores, batch->score_count,
                                     &batch->score_capacity, sizeof *batch->scores);
    if (!scores)
        return NULL;
    batch->scores = scores;
    return &scores[batch->score_count++];
}

bool native_span_add(struct arena *arena, struct native_batch *batch, const struct raw_span *span)
{
    struct raw_span *to = native_span_new(arena, batch);
    if (to)
        *to = *span;
    return to;
}

void native_span_set_attrs(struct raw_span *span, const struct native_attrs *attrs,
                           uint32_t attrs_max)
{
    span->attrs = attrs->items;
    span->attr_count = MIN(attrs->count, attrs_max);
    span->dropped_attr_count = attrs->count - span->attr_count;
}

void native_give(const struct native_batch *batch, struct raw_batch *ret_batch)
{
    ret_batch->spans = batch->spans;
    ret_batch->span_count = batch->span_count;
    ret_batch->scores = batch->scores;
    ret_batch->score_count = batch->score_count;
}

void native_reject(struct raw_batch *batch, const char *format, ...)
{
    assert(format);
    batch->rejected_count++;
    if (batch->rejected_why[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(batch->rejected_why, sizeof batch->rejected_why, format, args);
    va_end(args);
    str whole = str_from_c(batch->rejected_why);
    batch->rejected_why[utf8_valid_prefix(whole)] = '\0'; /* cut in a character at most */
}
