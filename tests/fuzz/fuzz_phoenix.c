/* fuzz_phoenix.c -- any bytes as a request to Phoenix's API: refused, or items that hold.
 *
 * The first byte says which list.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/json.h"
#include "wire/phoenix.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void items_hold(const struct raw_batch *batch)
{
    for (uint32_t i = 0; i < batch->score_count; i++) {
        const struct score *score = &batch->scores[i].score;
        assert(score->name.len > 0 && score->name.len <= SCORE_NAME_BYTES_MAX);
        assert(score->has_trace_id || score->has_span_id || !str_is_none(score->session_id));
        assert(!score->has_value || isfinite(score->value));
        assert(!str_is_none(batch->scores[i].sender_id));
    }
    for (uint32_t i = 0; i < batch->span_count; i++) {
        const struct raw_span *span = &batch->spans[i];
        assert(span->scope && span->scope->resource && span->name.len > 0);
        assert(!id16_is_zero(span->trace_id) && !id8_is_zero(span->span_id));
    }
    assert(json_check(batch->reply) && batch->reply_status >= 200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size);
    memcpy(bytes, data, size);
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    struct phoenix_body body = { .list = (enum phoenix_list)(data[0] % (PHOENIX_SESSION_NOTES + 1)),
                                 .project = STR_OF("p"),
                                 .bytes = str_make(bytes + 1, size - 1),
                                 .limits = &otlp_limits_default };
    arena_init(&arena, 64 * MIB);
    enum err err = phoenix_decode(&arena, &body, &batch, &why);
    assert(err == ERR_OK || why.text[0]);
    if (!err)
        items_hold(&batch);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
