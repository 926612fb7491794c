/* writer.c -- items that were encoded become frames of the open segment of their kind.
 *
 * Compressing and sealing cost as much as the rest of settling, so a thread of their own does
 * them, a piece of work (frames of some 256 KiB) at a time, while the next is gathered.  Who
 * holds a piece that is written may use the streams: the thread, or content_sync once all
 * others are back.  A piece that meets a queue is compressed by who gathered it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "content/content_int.h"

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

static enum err task_write(struct content_store *store, struct content_task *task, struct diag *why)
{
    struct content_stream *stream = &store->streams[task->kind];
    struct content_frame *frame = &task->frame;
    frame->stored_len = (uint32_t)task->stored.len + CRYPT_TAG_BYTES;
    size_t size = sizeof *frame + frame->stored_len;
    char *to;
    enum err err = content_stream_reserve(store, stream, size, &to, why);
    if (err)
        return err;
    frame->counter = stream->counter++;
    frame->durable_offset = (uint32_t)stream->synced;
    content_frame_seal(stream->gcm, frame_key(stream, &task->key), frame, task->stored.ptr, to);
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
    if (work->plain.capacity > CONTENT_KEEP_BYTES) {
        buf_clear(&work->plain);
        buf_clear(&work->packed);
    }
    enum err err = ERR_OK;
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT && !err; kind++)
        err = content_stream_trim(store, &store->streams[kind], why);
    return err;
}

void content_work_write(struct content_store *store, struct content_work *work)
{
    enum err err = store->failure; /* then all since the last sync is lost already */
    if (!err && !work->is_packed)
        content_work_compress(&store->writers, work);
    for (size_t i = 0; i < work->count && !err; i++)
        err = task_write(store, &work->tasks[i], &store->failure_why);
    crypt_wipe(work->tasks, work->count * sizeof *work->tasks);
    work->count = 0;
    work->is_packed = false;
    buf_reset(&work->plain);
    buf_reset(&work->packed);
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
