/* fuzz_otlp.h -- what the targets of both OTLP encodings do with an input.
 *
 * No input may crash, and what is read keeps its limits.  The first byte chooses the signal.
 * Limits are small, so that they are crossed.
 *
 * Memory:  an arena per input.
 * Threads: none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/check.h"
#include "base/utf8.h"
#include "wire/otlp.h"

enum { ARENA_BYTES = 64 * 1024 };

static inline void attrs_check(const struct attr *attrs, uint32_t count, uint32_t max)
{
    assert(count <= max);
    for (uint32_t i = 0; i < count; i++) {
        assert(utf8_is_valid(attrs[i].key));
        assert(attrs[i].value.type <= VALUE_MAP);
        assert(attrs[i].value.type != VALUE_STR || utf8_is_valid(attrs[i].value.text));
    }
}

static inline void span_check(const struct raw_span *span, const struct otlp_limits *limits)
{
    assert(!id16_is_zero(span->trace_id) && !id8_is_zero(span->span_id));
    assert(span->scope && span->scope->resource);
    assert(utf8_is_valid(span->name) && utf8_is_valid(span->status_message));
    attrs_check(span->attrs, span->attr_count, limits->attrs_max);
    assert(span->event_count <= limits->events_max && span->link_count <= limits->links_max);
    for (uint32_t i = 0; i < span->event_count; i++)
        attrs_check(span->events[i].attrs, span->events[i].attr_count, limits->attrs_max);
}

static inline int otlp_fuzz(enum otlp_encoding encoding, const uint8_t *data, size_t size)
{
    static const struct otlp_limits limits = {
        .items_max = 8, .attrs_max = 4, .events_max = 2, .links_max = 2, .depth_max = 5
    };
    if (size == 0)
        return 0;
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    arena_init(&arena, ARENA_BYTES);
    str body = str_make((const char *)data + 1, size - 1);
    enum err code =
        otlp_decode(&arena, (enum otlp_signal)(data[0] % 3), encoding, body, &limits, &batch, &why);
    if (code) {
        assert(code == ERR_BAD_INPUT || code == ERR_LIMIT);
        assert(code == ERR_LIMIT || why.offset <= body.len);
    } else {
        assert(batch.span_count + batch.log_count + batch.metric_count <= limits.items_max);
        assert((batch.rejected_count > 0) == (batch.rejected_why[0] != '\0'));
        assert(utf8_is_valid(str_from_c(batch.rejected_why)));
        for (uint32_t i = 0; i < batch.span_count; i++)
            span_check(&batch.spans[i], &limits);
        for (uint32_t i = 0; i < batch.log_count; i++)
            attrs_check(batch.logs[i].attrs, batch.logs[i].attr_count, limits.attrs_max);
        for (uint32_t i = 0; i < batch.metric_count; i++)
            attrs_check(batch.metrics[i].attrs, batch.metrics[i].attr_count, limits.attrs_max);
    }
    arena_clear(&arena);
    return 0;
}
