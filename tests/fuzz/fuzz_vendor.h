/* fuzz_vendor.h -- what the targets of the vendors' formats do with an input.
 *
 * No input may crash; what is refused has a reason, and what is read holds: ids, names and
 * numbers are ones that the pipeline takes, and whatever a target checks besides.
 *
 * Memory:  an arena per input; the bytes are a copy of their own size, so that a read past their
 *          end is seen.
 * Threads: none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/check.h"
#include "wire/otlp.h"

#include <math.h>

enum {
    FUZZ_INPUT_BYTES_MAX = 1 << 20,
    FUZZ_ARENA_BYTES = 64 * MIB,
    FUZZ_SMALL_ARENA_BYTES = 64 * KIB, /* so that its end is met too */
};

struct fuzz_target {
    bool has_form;          /* the first byte of an input is no part of the body: see decode */
    uint8_t small_arena_if; /* with any of these bits in the first byte the arena is small */
    bool lacks_traces;      /* a span may name no trace: its other part does */
    bool lacks_names;       /* a score may be a change of one, which says no name */
    enum err (*decode)(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why);
    /* Each may be NULL. */
    void (*span_holds)(const struct raw_span *span);
    void (*score_holds)(const struct raw_score *raw);
    void (*batch_holds)(const struct raw_batch *batch);
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_items_hold(const struct fuzz_target *target, const struct raw_batch *batch)
{
    for (uint32_t i = 0; i < batch->span_count; i++) {
        assert(!id8_is_zero(batch->spans[i].span_id));
        assert(target->lacks_traces || !id16_is_zero(batch->spans[i].trace_id));
        if (target->span_holds)
            target->span_holds(&batch->spans[i]);
    }
    for (uint32_t i = 0; i < batch->score_count; i++) {
        const struct score *score = &batch->scores[i].score;
        assert(target->lacks_names || !str_is_empty(score->name));
        assert(score->name.len <= SCORE_NAME_BYTES_MAX);
        assert(!score->has_value || isfinite(score->value));
        if (target->score_holds)
            target->score_holds(&batch->scores[i]);
    }
    assert(batch->rejected_scores <= batch->rejected_count);
    if (target->batch_holds)
        target->batch_holds(batch);
}

static inline int fuzz_vendor(const struct fuzz_target *target, const uint8_t *data, size_t size)
{
    size_t skipped = target->has_form;
    if (size < skipped || size > FUZZ_INPUT_BYTES_MAX)
        return 0;
    uint8_t form = target->has_form ? data[0] : 0;
    char *bytes = xmalloc(size - skipped + (size == skipped));
    if (size > skipped)
        memcpy(bytes, data + skipped, size - skipped);
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    arena_init(&arena, form & target->small_arena_if ? FUZZ_SMALL_ARENA_BYTES : FUZZ_ARENA_BYTES);
    enum err err = target->decode(form, &arena, str_make(bytes, size - skipped), &batch, &why);
    assert(err == ERR_OK || err == ERR_BAD_INPUT || err == ERR_LIMIT);
    assert(err != ERR_BAD_INPUT || why.text[0]);
    if (!err)
        fuzz_items_hold(target, &batch);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}

/* The target of a program: its designated members. */
#define FUZZ_VENDOR(...)                                                                           \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                                   \
    {                                                                                              \
        static const struct fuzz_target target = { __VA_ARGS__ };                                  \
        return fuzz_vendor(&target, data, size);                                                   \
    }
