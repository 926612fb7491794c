/* fuzz_weave.c -- bodies of the trace server of Weave: what comes out is within its limits.
 *
 * The first byte of the input chooses the kind of body.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/weave.h"

enum { ARENA_BYTES = 65536, ITEMS_MAX = 8, ATTRS_MAX = 16 }; /* small, so that they are met too */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct otlp_limits limits = otlp_limits_default;
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    limits.items_max = ITEMS_MAX;
    limits.attrs_max = ATTRS_MAX;
    arena_init(&arena, ARENA_BYTES);
    const struct weave_input input = {
        .kind = (enum weave_body)(data[0] % (WEAVE_FEEDBACK_BATCH + 1)),
        .body = str_make((const char *)data + 1, size - 1),
        .limits = &limits,
    };
    enum err err = weave_decode(&arena, &input, &batch, &why);
    assert(err == ERR_OK || err == ERR_BAD_INPUT || err == ERR_LIMIT);
    if (!err) {
        assert(batch.span_count + batch.score_count <= ITEMS_MAX);
        for (uint32_t i = 0; i < batch.span_count; i++) {
            assert(batch.spans[i].attr_count <= ATTRS_MAX);
            assert(!id8_is_zero(batch.spans[i].span_id));
        }
    }
    arena_clear(&arena);
    return 0;
}
