/* writer.c -- items that were encoded become frames of the open segment of their kind.
 *
 * Compressing and sealing cost as much as the rest of settling, so a thread of their own does
 * them, a piece of work (frames of some 256 KiB) at a time, while the next is gathered.  Who
 * holds a piece may use the streams and zstd: the thread, or content_sync once all others are back.
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

static void effort_set(struct content_store *store, enum effort effort)
{
    enum { LITERALS = ZSTD_c_experimentalParam5, LITERALS_ALWAYS = 1 };
    const struct {
        ZSTD_cParameter name;
        int value;
    } hurried[] = { { ZSTD_c_strategy, ZSTD_fast },
                    { ZSTD_c_minMatch, 7 },
                    { ZSTD_c_targetLength, effort == EFFORT_REPEATS ? 32 : 1024 },
                    { (ZSTD_cParameter)LITERALS, LITERALS_ALWAYS } };
    if (store->effort == effort)
        return;
    store->effort = effort;
    size_t code = ZSTD_CCtx_reset(store->zstd, ZSTD_reset_session_and_parameters);
    assert(!ZSTD_isError(code));
    code = ZSTD_CCtx_setParameter(store->zstd, ZSTD_c_compressionLevel, 1);
    assert(!ZSTD_isError(code));
    for (size_t i = 0; effort != EFFORT_LEVEL_1 && i < COUNT_OF(hurried); i++)
        (void)ZSTD_CCtx_setParameter(store->zstd, hurried[i].name, hurried[i].value);
}

/* In a hurry repeats are looked for in some frames, and in all while they are found. */
static enum effort effort_of_next(struct content_store *store, bool in_hurry)
{
    enum { ROUND_FRAMES = 64, TRIED_FRAMES = 8, FOUND_TENTHS = 19 };
    if (!in_hurry)
        return EFFORT_LEVEL_1;
    uint64_t number = store->hurried_frames++ % ROUND_FRAMES;
    if (number == 0)
        store->tried_plain = store->tried_stored = 0;
    bool is_found = store->tried_plain * 10 >= store->tried_stored * FOUND_TENTHS;
    return number < TRIED_FRAMES || is_found ? EFFORT_REPEATS : EFFORT_LETTERS;
}

/* What is encrypted: compressed, unless that does not help, or it is previews in a hurry, which
 * are short: making a code for their letters costs as much as using it saves. */
static str frame_compress(struct content_store *store, struct content_task *task, str plain)
{
    if (task->kind == CONTENT_KIND_PREVIEW && task->in_hurry)
        return plain;
    size_t bound = ZSTD_compressBound(plain.len);
    if (bound > store->stored_capacity) {
        xfree(store->stored);
        store->stored = xmalloc(bound);
        store->stored_capacity = bound;
    }
    effort_set(store, effort_of_next(store, task->in_hurry));
    size_t len = ZSTD_compress2(store->zstd, store->stored, bound, plain.ptr, plain.len);
    if (ZSTD_isError(len))
        return plain;
    if (store->effort == EFFORT_REPEATS) {
        store->tried_plain += plain.len;
        store->tried_stored += len;
    }
    if (len >= plain.len)
        return plain;
    task->frame.flags |= CONTENT_FLAG_ZSTD;
    return str_make(store->stored, len);
}

static const struct crypt_key *frame_key(struct content_stream *stream, const struct crypt_key *key)
{
    if (stream->has_frame_key && crypt_equal(&stream->subject_key, key, sizeof *key))
        return &stream->frame_key;
    content_frame_key(key, stream->id, &stream->frame_key);
    stream->subject_key = *key;
    stream->has_frame_key = true;
    return &stream->frame_key;
}

static void count_frame(struct content_store *store, struct content_stream *stream,
                        const struct content_frame *frame, size_t size)
{
    stream->totals.frames++;
    stream->totals.bytes_plain += frame->plain_len;
    stream->totals.bytes_stored += size;
    atomic_fetch_add(&store->frames, 1);
    atomic_fetch_add(&store->bytes_plain, frame->plain_len);
    atomic_fetch_add(&store->bytes_stored, size);
}

static enum err task_write(struct content_store *store, struct content_task *task, str plain,
                           struct diag *why)
{
    struct content_stream *stream = &store->streams[task->kind];
    struct content_frame *frame = &task->frame;
    str stored = frame_compress(store, task, plain);
    frame->stored_len = (uint32_t)stored.len + CRYPT_TAG_BYTES;
    size_t size = sizeof *frame + frame->stored_len;
    char *to;
    enum err err = content_stream_reserve(store, stream, size, &to, why);
    if (err)
        return err;
    frame->counter = stream->counter++;
    frame->durable_offset = (uint32_t)stream->synced;
    content_frame_seal(stream->gcm, frame_key(stream, &task->key), frame, stored.ptr, to);
    *task->ret_pointer =
        (struct content_pointer){ .segment = content_stream_segment(stream, stream->number),
                                  .offset = (uint32_t)stream->offset,
                                  .len = (uint32_t)size };
    stream->offset += size;
    count_frame(store, stream, frame, size);
    return ERR_OK;
}

/* One huge trace is no reason to keep so much memory. */
static enum err memory_trim(struct content_store *store, struct content_work *work,
                            struct diag *why)
{
    if (work->plain.capacity > CONTENT_KEEP_BYTES)
        buf_clear(&work->plain);
    if (store->stored_capacity > CONTENT_KEEP_BYTES) {
        xfree(store->stored);
        store->stored = NULL;
        store->stored_capacity = 0;
    }
    enum err err = ERR_OK;
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT && !err; kind++)
        err = content_stream_trim(store, &store->streams[kind], why);
    return err;
}

void content_work_write(struct content_store *store, struct content_work *work)
{
    enum err err = store->failure; /* then all since the last sync is lost already */
    for (size_t i = 0; i < work->count && !err; i++) {
        struct content_task *task = &work->tasks[i];
        str plain = str_make(work->plain.ptr + task->plain_at, task->frame.plain_len);
        err = task_write(store, task, plain, &store->failure_why);
    }
    crypt_wipe(work->tasks, work->count * sizeof *work->tasks);
    work->count = 0;
    buf_reset(&work->plain);
    enum err trimmed = memory_trim(store, work, err ? NULL : &store->failure_why);
    store->failure = err ? err : trimmed;
}

void content_writer_run(void *arg)
{
    struct content_store *store = arg;
    void *message;
    while (queue_wait(store->to_write, &message, 1, -1)) {
        content_work_write(store, message);
        bool sent = queue_send(store->written, message);
        assert(sent); /* it has room for all there are */
    }
}
