/* stream.c -- the open segment of one kind: what waits, what is written, what is durable.
 *
 * Frames wait in memory for a large write.  It goes past the page cache where the file system
 * can (O_DIRECT): nobody reads content right after it was written, and a new page of the cache
 * costs several times what the disk does.  Such a write is of whole blocks; the rest stays in
 * memory, and what a sync must have of it is written the ordinary way.  So memory holds the file
 * from the start of the block on that `written` lies in, and the next large write begins with
 * bytes that are there already.
 *
 * After an input/output error the segment is given up: what was synced stays readable and is sealed
 * by the next start, what was not is reported by content_sync.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "content/keeper_int.h"
#include "sys/clock.h"
#include <errno.h>
#include <fcntl.h>

enum {
    BLOCK_BYTES = 4096,                  /* of memory, offset and length, as O_DIRECT wants it */
    DIRECT_BYTES_MIN = 16 * BLOCK_BYTES, /* less goes through the page cache */
};

uint64_t content_stream_segment(const struct content_stream *stream, uint64_t number)
{
    return number | (stream->kind == CONTENT_KIND_PREVIEW ? CONTENT_SEGMENT_PREVIEW : 0);
}

void content_totals_add(struct content_store *store, const struct content_footer *footer, bool add)
{
    uint64_t sign = add ? 1 : UINT64_MAX; /* times -1, modulo 2^64 */
    atomic_fetch_add(&store->segments, sign);
    atomic_fetch_add(&store->frames, sign * footer->frames);
    atomic_fetch_add(&store->bytes_plain, sign * footer->bytes_plain);
    atomic_fetch_add(&store->bytes_stored, sign * footer->bytes_stored);
}

static enum err err_of_errno(struct diag *why, const char *what)
{
    return diag_set(why, errno == ENOSPC || errno == EDQUOT ? ERR_DISK_FULL : ERR_IO,
                    "cannot %s a content segment: %s", what, strerror(errno));
}

static void direct_leave(struct content_store *store, struct content_stream *stream)
{
    if (stream->direct_fd >= 0)
        store->config.files->close(stream->direct_fd);
    stream->direct_fd = -1;
}

static void stream_leave(struct content_store *store, struct content_stream *stream)
{
    direct_leave(store, stream);
    if (stream->fd >= 0)
        store->config.files->close(stream->fd);
    stream->fd = -1;
    crypt_wipe(&stream->subject_key, sizeof stream->subject_key);
    crypt_wipe(&stream->frame_key, sizeof stream->frame_key);
    stream->has_frame_key = false;
    atomic_store(&stream->open_number, 0);
    atomic_store(&stream->open_since_ns, 0);
}

/* Give the segment up; frames that were not synced are gone. */
static void stream_poison(struct content_store *store, struct content_stream *stream)
{
    stream->lost |= stream->offset > stream->synced && stream->totals.frames > 0;
    content_totals_add(store, &stream->totals, false);
    if (stream->synced == 0) {
        char path[CONTENT_PATH_MAX];
        content_path(store->dir, content_stream_segment(stream, stream->number), path);
        (void)store->config.files->unlink(path);
    } else {
        content_totals_add(store, &stream->synced_totals, true);
        (void)store->config.files->ftruncate(stream->fd, (int64_t)stream->synced);
    }
    stream_leave(store, stream);
}

static uint64_t block_start(uint64_t offset)
{
    return offset & ~(uint64_t)(BLOCK_BYTES - 1);
}

/* The file has everything before `written`; of that, memory keeps the last block's. */
static void stream_wrote(struct content_stream *stream, uint64_t written)
{
    size_t len = (size_t)(block_start(written) - stream->memory_at);
    assert(written >= stream->written && written <= stream->offset);
    memmove(stream->waiting, stream->waiting + len, stream->offset - stream->memory_at - len);
    stream->memory_at += len;
    stream->written = written;
}

/* Whole blocks, past the page cache. */
static enum err blocks_write(struct content_store *store, struct content_stream *stream,
                             struct diag *why)
{
    uint64_t end = block_start(stream->offset);
    if (stream->direct_fd < 0 || end < stream->memory_at + DIRECT_BYTES_MIN)
        return ERR_OK;
    struct iovec piece = { stream->waiting, (size_t)(end - stream->memory_at) };
    errno = 0;
    enum err err = file_write_at(store->config.files, stream->direct_fd, &piece, 1,
                                 (int64_t)stream->memory_at, why);
    if (err && errno == EINVAL) { /* it can be opened, but not written */
        direct_leave(store, stream);
        return ERR_OK;
    }
    if (!err)
        stream_wrote(stream, end);
    return err;
}

/* What waits goes into the file: all of it, or as much as one large write takes. */
static enum err stream_write(struct content_store *store, struct content_stream *stream, bool all,
                             struct diag *why)
{
    enum err err = blocks_write(store, stream, why);
    if (!err && stream->written < stream->offset &&
        (all || stream->offset > stream->memory_at + BLOCK_BYTES)) {
        struct iovec piece = { stream->waiting + (stream->written - stream->memory_at),
                               (size_t)(stream->offset - stream->written) };
        err = file_write_at(store->config.files, stream->fd, &piece, 1, (int64_t)stream->written,
                            why);
        if (!err)
            stream_wrote(stream, stream->offset);
    }
    if (err)
        stream_poison(store, stream);
    return err;
}

enum err content_stream_sync(struct content_store *store, struct content_stream *stream,
                             struct diag *why)
{
    if (stream->fd < 0 || stream->synced == stream->offset)
        return ERR_OK;
    enum err err = stream_write(store, stream, true, why);
    if (err)
        return err;
    if (store->config.files->fdatasync(stream->fd) != 0)
        err = err_of_errno(why, "sync");
    else if (stream->name_pending)
        err = dir_sync(store->dir, why);
    if (err) {
        stream_poison(store, stream);
        return err;
    }
    stream->name_pending = false;
    stream->synced = stream->offset;
    stream->synced_totals = stream->totals;
    return ERR_OK;
}

enum err content_stream_seal(struct content_store *store, struct content_stream *stream,
                             struct diag *why)
{
    enum err err = content_stream_sync(store, stream, why);
    if (err || stream->fd < 0)
        return err;
    struct content_footer footer = stream->totals;
    footer.sealed_ns = clock_now_ns();
    content_footer_close(&footer);
    struct iovec piece = { &footer, sizeof footer };
    err = file_write_at(store->config.files, stream->fd, &piece, 1, (int64_t)stream->offset, NULL);
    if (!err)
        (void)store->config.files->fdatasync(stream->fd);
    stream_leave(store, stream);
    content_keeper_wake(store);
    return ERR_OK;
}

/* Room for that many bytes in all, from memory_at on; what is there stays. */
static void memory_grow(struct content_stream *stream, size_t size)
{
    char *memory = xmalloc(size + BLOCK_BYTES);
    char *waiting = memory + (BLOCK_BYTES - (uintptr_t)memory % BLOCK_BYTES) % BLOCK_BYTES;
    if (stream->memory)
        memcpy(waiting, stream->waiting, stream->offset - stream->memory_at);
    xfree(stream->memory);
    stream->memory = memory;
    stream->waiting = waiting;
    stream->capacity = size;
}

static enum err stream_begin(struct content_store *store, struct content_stream *stream,
                             struct diag *why)
{
    char path[CONTENT_PATH_MAX];
    const struct sys_files *files = store->config.files;
    stream->number = stream->next_number++;
    content_path(store->dir, content_stream_segment(stream, stream->number), path);
    struct content_header header = { .kind = stream->kind,
                                     .number = stream->number,
                                     .created_ns = clock_now_ns() };
    crypt_random(header.id, sizeof header.id);
    content_header_close(&header);
    int fd = files->open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return err_of_errno(why, "make");
    stream->fd = fd;
    stream->direct_fd = files->open(path, O_WRONLY | O_DIRECT, 0);
    memcpy(stream->id, header.id, sizeof header.id);
    stream->totals = (struct content_footer){ 0 };
    stream->counter = 0;
    stream->offset = stream->written = stream->memory_at = stream->synced = 0;
    if (!stream->memory)
        memory_grow(stream, CONTENT_WRITE_BYTES);
    memcpy(stream->waiting, &header, sizeof header);
    stream->offset = sizeof header;
    stream->name_pending = true;
    atomic_store(&stream->open_number, stream->number);
    atomic_store(&stream->open_since_ns, clock_monotonic_ns());
    content_totals_add(store, &stream->totals, true);
    return ERR_OK;
}

enum err content_stream_reserve(struct content_store *store, struct content_stream *stream,
                                size_t size, char **ret_to, struct diag *why)
{
    bool is_full = stream->offset + size + CONTENT_FOOTER_BYTES > store->config.segment_bytes_max ||
                   stream->counter == UINT32_MAX;
    enum err err = ERR_OK;
    if (stream->fd >= 0 && is_full && stream->counter > 0)
        err = content_stream_seal(store, stream, why);
    else if (stream->fd >= 0 && stream->offset - stream->memory_at + size > CONTENT_WRITE_BYTES)
        err = stream_write(store, stream, false, why);
    if (!err && stream->fd < 0)
        err = stream_begin(store, stream, why);
    if (err)
        return err;
    size_t used = (size_t)(stream->offset - stream->memory_at);
    if (used + size > stream->capacity)
        memory_grow(stream, used + size);
    *ret_to = stream->waiting + used;
    return ERR_OK;
}

enum err content_stream_trim(struct content_store *store, struct content_stream *stream,
                             struct diag *why)
{
    if (stream->capacity <= CONTENT_KEEP_BYTES)
        return ERR_OK;
    enum err err = stream->fd >= 0 ? stream_write(store, stream, true, why) : ERR_OK;
    if (stream->fd >= 0) {
        memory_grow(stream, CONTENT_WRITE_BYTES);
    } else {
        xfree(stream->memory);
        stream->memory = NULL;
        stream->capacity = 0;
    }
    return err;
}
