/* norm_help.h -- one raw span in, one understood span out, for the tests of norm/.
 *
 * Memory:  one arena per test program, reset by help_reset().
 * Threads: tests run in one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "norm/norm.h"
#include <stdio.h>
#include <stdlib.h>

#define RECEIVED_NS (INT64_C(1790000000) * NS_PER_S)
#define START_NS (UINT64_C(1790000000) * 1000000000u - 5000000000u)

struct help {
    struct arena arena;
    struct raw_resource resource;
    struct raw_scope scope;
    struct raw_span span;
    struct attr attrs[256];
    struct attr place_attrs[64];
    struct span_event events[16];
    struct norm_config config;
    struct batch batch;
    char text[64 * 1024];
};

/* A stand-in for the keyed hash: length and a sum, as hex. */
static inline str help_hash(void *arg, struct arena *arena, str bytes)
{
    (void)arg;
    uint64_t sum = 1469598103934665603u;
    for (size_t i = 0; i < bytes.len; i++)
        sum = (sum ^ (unsigned char)bytes.ptr[i]) * 1099511628211u;
    return arena_printf(arena, "hmac-sha256:%016llx", (unsigned long long)sum);
}

static inline void help_reset(struct help *help)
{
    arena_clear(&help->arena);
    arena_init(&help->arena, 256 * MIB);
    help->resource = (struct raw_resource){ .attrs = help->place_attrs };
    help->scope = (struct raw_scope){ .resource = &help->resource };
    help->span = (struct raw_span){ .scope = &help->scope,
                                    .name = STR("work"),
                                    .start_ns = START_NS,
                                    .end_ns = START_NS + 2000000000u,
                                    .attrs = help->attrs,
                                    .events = help->events };
    help->span.trace_id.bytes[0] = 1;
    help->span.span_id.bytes[0] = 2;
    help->span.parent_span_id.bytes[0] = 3;
    help->config = (struct norm_config){ .project = STR("p"),
                                         .received_ns = RECEIVED_NS,
                                         .attr_value_bytes_max = 1024,
                                         .text_field_bytes_max = 1024,
                                         .content_hash = help_hash };
}

static inline void help_attr(struct help *help, const char *key, struct value value)
{
    assert_true(help->span.attr_count < 256);
    help->attrs[help->span.attr_count++] = (struct attr){ str_from_c(key), value };
}
static inline void help_text(struct help *help, const char *key, const char *text)
{
    help_attr(help, key, value_str(str_from_c(text)));
}
static inline void help_resource(struct help *help, const char *key, const char *text)
{
    help->place_attrs[help->resource.attr_count++] =
        (struct attr){ str_from_c(key), value_str(str_from_c(text)) };
}
static inline struct span_event *help_event(struct help *help, const char *name, struct attr *attrs,
                                            uint32_t count)
{
    struct span_event *event = &help->events[help->span.event_count++];
    *event = (struct span_event){ .time_ns = (int64_t)START_NS + 500000000,
                                  .name = str_from_c(name),
                                  .attrs = attrs,
                                  .attr_count = count };
    return event;
}

static inline struct span *help_run(struct help *help)
{
    struct raw_batch raw = { .spans = &help->span, .span_count = 1 };
    struct diag why = DIAG_NONE;
    enum err code = norm_batch(&help->arena, &help->config, &raw, &help->batch, &why);
    if (code != ERR_OK)
        fail_msg("norm_batch: %s", why.text);
    assert_int_equal(help->batch.span_count, 1);
    return &help->batch.spans[0];
}

/* JSON of one field, by its member name. */
static inline const char *help_field(struct help *help, const struct span *span, const char *name)
{
    enum field field = field_by_name(str_from_c(name));
    assert_int_not_equal(field, FIELD_COUNT);
    struct buf out;
    buf_init(&out, sizeof help->text - 1);
    span_field_to_json(&out, span, field);
    snprintf(help->text, sizeof help->text, "%.*s", STR_ARG(buf_str(&out)));
    buf_clear(&out);
    return help->text;
}
static inline const char *help_part(struct help *help, const struct span *span,
                                    enum content_role role)
{
    const struct content_part *part = span_part(span, role);
    if (!part)
        return "(none)";
    snprintf(help->text, sizeof help->text, "%.*s", STR_ARG(part->json));
    return help->text;
}
static inline const char *help_kept(struct help *help, const struct span *span, const char *key)
{
    const struct attr *attr = attr_find(span->attrs, span->attr_count, str_from_c(key));
    if (!attr)
        return "(none)";
    struct buf out;
    buf_init(&out, sizeof help->text - 1);
    value_to_json(&out, &attr->value);
    snprintf(help->text, sizeof help->text, "%.*s", STR_ARG(buf_str(&out)));
    buf_clear(&out);
    return help->text;
}
static inline bool help_flagged(const struct span *span, const char *flag)
{
    for (uint32_t i = 0; SPAN_KNOWS(span, flags) && i < span->flags.count; i++)
        if (str_equal_c(span->flags.items[i], flag))
            return true;
    return false;
}
