/* compress.c -- what is encrypted: the items of a frame, compressed with as much effort as there is
 * time for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "content/content_int.h"

/* How much of a text is compared with what stood before it. */
enum effort {
    EFFORT_UNSET,
    EFFORT_LEVEL_1, /* four times the cost of the cipher */
    EFFORT_REPEATS, /* every 32nd byte or so: what repeats over hundreds of bytes is found */
    EFFORT_LETTERS, /* nothing; they take half their room by their frequency */
};

static void effort_set(struct content_compressor *compressor, enum effort effort)
{
    enum { LITERALS = ZSTD_c_experimentalParam5, LITERALS_ALWAYS = 1 };
    const struct {
        ZSTD_cParameter name;
        int value;
    } hurried[] = { { ZSTD_c_strategy, ZSTD_fast },
                    { ZSTD_c_minMatch, 7 },
                    { ZSTD_c_targetLength, effort == EFFORT_REPEATS ? 32 : 1024 },
                    { (ZSTD_cParameter)LITERALS, LITERALS_ALWAYS } };
    if (compressor->effort == effort)
        return;
    compressor->effort = effort;
    size_t code = ZSTD_CCtx_reset(compressor->zstd, ZSTD_reset_session_and_parameters);
    assert(!ZSTD_isError(code));
    code = ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, 1);
    assert(!ZSTD_isError(code));
    for (size_t i = 0; effort != EFFORT_LEVEL_1 && i < COUNT_OF(hurried); i++)
        (void)ZSTD_CCtx_setParameter(compressor->zstd, hurried[i].name, hurried[i].value);
}

/* In a hurry repeats are looked for in some frames, and in all while they are found. */
static enum effort effort_of_next(struct content_compressor *compressor, bool in_hurry)
{
    enum { ROUND_FRAMES = 64, TRIED_FRAMES = 8, FOUND_TENTHS = 19 };
    if (!in_hurry)
        return EFFORT_LEVEL_1;
    uint64_t number = compressor->hurried_frames++ % ROUND_FRAMES;
    if (number == 0)
        compressor->tried_plain = compressor->tried_stored = 0;
    bool is_found = compressor->tried_plain * 10 >= compressor->tried_stored * FOUND_TENTHS;
    return number < TRIED_FRAMES || is_found ? EFFORT_REPEATS : EFFORT_LETTERS;
}

/* Into work->packed, unless that does not help, or it is previews in a hurry, which are
 * short: making a code for their letters costs as much as using it saves. */
static void task_compress(struct content_compressor *compressor, struct content_work *work,
                          struct content_task *task)
{
    str plain = str_make(work->plain.ptr + task->plain_at, task->frame.plain_len);
    task->stored = plain;
    if (task->kind == CONTENT_KIND_PREVIEW && task->in_hurry)
        return;
    size_t bound = ZSTD_compressBound(plain.len);
    char *to = buf_reserve(&work->packed, bound);
    assert(to);
    effort_set(compressor, effort_of_next(compressor, task->in_hurry));
    size_t len = ZSTD_compress2(compressor->zstd, to, bound, plain.ptr, plain.len);
    if (ZSTD_isError(len))
        return;
    if (compressor->effort == EFFORT_REPEATS) {
        compressor->tried_plain += plain.len;
        compressor->tried_stored += len;
    }
    if (len >= plain.len)
        return;
    task->frame.flags |= CONTENT_FLAG_ZSTD;
    task->stored = str_make(to, len);
    work->packed.len += len;
}

void content_work_compress(struct content_compressor *compressor, struct content_work *work)
{
    size_t bound = 0;
    for (size_t i = 0; i < work->count; i++)
        bound += ZSTD_compressBound(work->tasks[i].frame.plain_len);
    (void)buf_reserve(&work->packed, bound); /* so that it does not move */
    for (size_t i = 0; i < work->count; i++)
        task_compress(compressor, work, &work->tasks[i]);
    work->is_packed = true;
}
