/* fuzz_events_json.c -- any bytes as events, and as the body of a log record: refused, or items
 * that hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/events_json.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void items_hold(const struct raw_batch *batch)
{
    for (uint32_t i = 0; i < batch->score_count; i++) {
        const struct score *score = &batch->scores[i].score;
        assert(score->name.len > 0 && score->name.len <= SCORE_NAME_BYTES_MAX);
        assert(score->has_value || !str_is_none(score->label));
        assert(!score->has_value || isfinite(score->value));
        assert(score->source == SCORE_IS_DEPLOY || score->has_trace_id ||
               !str_is_none(score->session_id) || !str_is_none(score->response_id));
    }
    for (uint32_t i = 0; i < batch->span_count; i++) {
        const struct raw_span *span = &batch->spans[i];
        assert(span->scope && span->scope->resource && span->start_ns <= span->end_ns);
        assert(!id16_is_zero(span->trace_id) && !id8_is_zero(span->span_id));
    }
}

static void as_body(struct arena *arena, str bytes, bool is_lines)
{
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    struct events_body body = {
        .bytes = bytes, .is_lines = is_lines, .limits = &otlp_limits_default, .now_ns = 1
    };
    enum err err = events_json_decode(arena, &body, &batch, &why);
    assert(err == ERR_OK || why.text[0]);
    assert(err || (batch.reply_status && batch.reply.len));
    if (!err)
        items_hold(&batch);
}

static void as_log(struct arena *arena, str bytes)
{
    struct raw_resource resource = { 0 };
    struct raw_scope scope = { .resource = &resource };
    struct raw_log log = { .scope = &scope, .body = value_str(bytes) };
    struct raw_batch batch = { .logs = &log, .log_count = 1 };
    if (!events_of_logs(arena, &otlp_limits_default, 1, &batch, NULL))
        items_hold(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size + 1);
    if (size)
        memcpy(bytes, data, size);
    struct arena arena;
    arena_init(&arena, 64 * MIB);
    as_body(&arena, str_make(bytes, size), false);
    as_body(&arena, str_make(bytes, size), true);
    as_log(&arena, str_make(bytes, size));
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
