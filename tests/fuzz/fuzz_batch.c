/* fuzz_batch.c -- any bytes as an encoded batch: refused, or what is read is written the same.
 *
 * The header's magic and hash of the field table are put right first: a fuzzer would never
 * guess them, and corpus files outlive a new field.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "model/record.h"

enum { FIXED_BYTES = 12, INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start_of_any_batch(char ret_start[FIXED_BYTES])
{
    struct buf out;
    const struct batch empty = { .project = STR("") };
    buf_init(&out, KIB);
    batch_encode(&out, &empty);
    memcpy(ret_start, out.ptr, FIXED_BYTES);
    buf_clear(&out);
}

/* Numbers have more than one spelling, so the second writing is the one that must hold. */
static void write_and_read_again(struct arena *arena, const struct batch *batch)
{
    struct buf first, second;
    struct batch again;
    buf_init(&first, 64 * MIB);
    buf_init(&second, 64 * MIB);
    batch_encode(&first, batch);
    assert(!buf_failed(&first));
    enum err err = batch_decode(arena, buf_str(&first), &again, NULL);
    assert(err == ERR_OK || arena->used_bytes > arena->budget_bytes / 4);
    if (!err) {
        batch_encode(&second, &again);
        assert(str_equal(buf_str(&first), buf_str(&second)));
    }
    buf_clear(&first);
    buf_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < FIXED_BYTES || size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size);
    memcpy(bytes, data, size);
    start_of_any_batch(bytes);
    struct arena arena;
    struct batch batch;
    struct batch_header header;
    struct span span;
    arena_init(&arena, 64 * MIB);
    str text = str_make(bytes, size);
    enum err peeked = batch_peek(text, &header, NULL);
    enum err err = ERR_OK;
    for (uint32_t i = 0; !peeked && i < MIN(header.span_count, 64u); i++) {
        enum err lean = batch_decode_span_lean(&arena, text, i, &span, NULL);
        err = batch_decode_span(&arena, text, i, &span, NULL);
        assert(!err == !lean);
        assert(err || span.part_count <= SPAN_PARTS_MAX);
    }
    err = batch_decode(&arena, text, &batch, NULL);
    assert(err || !peeked);
    if (!err)
        write_and_read_again(&arena, &batch);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
