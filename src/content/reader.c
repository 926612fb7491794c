/* reader.c -- a frame by its pointer: read, check, decrypt, take apart.
 *
 * Readers share nothing with the writer but the files.  Each keeps a few segments
 * open, until one expires.  A segment that is not here
 * may have been sent to an object store (far.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "content/keeper_int.h"
#include <errno.h>
#include <fcntl.h>

enum { READER_FILES = 8, FAR_PIECE_BYTES = 256 * KIB };

struct open_file {
    uint64_t segment; /* 0: free */
    uint64_t used_at;
    int fd; /* -1: not here, but sent */
    uint8_t id[CONTENT_ID_BYTES];
    struct content_sent sent; /* when fd is -1 */
};

struct content_reader {
    struct content_store *store;
    struct content_far *far;
    struct open_file files[READER_FILES];
    uint64_t uses, expired; /* how many had expired when it opened the first of them */
    struct crypt_gcm *gcm;
    ZSTD_DCtx *zstd;
    char *frame, *stored; /* as read; as decrypted */
    size_t capacity;
};

struct content_reader *content_reader_new(struct content_store *store)
{
    struct content_reader *reader = xcalloc(1, sizeof *reader);
    reader->store = store;
    reader->far = content_far_new(store);
    reader->gcm = crypt_gcm_new();
    reader->zstd = ZSTD_createDCtx();
    assert(reader->zstd);
    return reader;
}

static void file_drop(struct content_reader *reader, struct open_file *file)
{
    if (file->segment && file->fd >= 0)
        reader->store->config.files->close(file->fd);
    *file = (struct open_file){ 0 };
}

void content_reader_free(struct content_reader *reader)
{
    if (!reader)
        return;
    for (int i = 0; i < READER_FILES; i++)
        file_drop(reader, &reader->files[i]);
    content_far_free(reader->far);
    crypt_gcm_free(reader->gcm);
    ZSTD_freeDCtx(reader->zstd);
    if (reader->stored)
        crypt_wipe(reader->stored, reader->capacity);
    xfree(reader->frame);
    xfree(reader->stored);
    xfree(reader);
}

/* What is open or was fetched would outlive its time. */
static void forget_expired(struct content_reader *reader)
{
    uint64_t expired = atomic_load(&reader->store->expired);
    if (expired == reader->expired)
        return;
    for (int i = 0; i < READER_FILES; i++)
        file_drop(reader, &reader->files[i]);
    content_far_forget(reader->far);
    reader->expired = expired;
}

static enum err read_all(const struct sys_files *files, int fd, char *bytes, size_t len,
                         uint64_t offset, struct diag *why)
{
    while (len) {
        int64_t got = files->pread(fd, bytes, len, (int64_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return diag_set(why, ERR_IO, "cannot read content: %s", strerror(errno));
        if (got == 0)
            return diag_set(why, ERR_CORRUPT, "the content segment ends before the frame does");
        bytes += got;
        len -= (size_t)got;
        offset += (uint64_t)got;
    }
    return ERR_OK;
}

static enum err far_open(struct content_reader *reader, uint64_t segment, struct open_file *file,
                         struct diag *why)
{
    struct content_sent sent;
    if (!content_sent_read(reader->store->dir, segment, SENT_FILE, &sent) ||
        sent.state != SENT_WHOLE)
        return diag_set(why, ERR_NOT_FOUND, "this content has expired");
    file_drop(reader, file);
    *file = (struct open_file){ .segment = segment, .fd = -1, .sent = sent };
    memcpy(file->id, sent.header.id, sizeof file->id);
    return ERR_OK;
}

static enum err file_open(struct content_reader *reader, uint64_t segment, struct open_file *file,
                          struct diag *why)
{
    const struct sys_files *files = reader->store->config.files;
    char path[CONTENT_PATH_MAX];
    content_path(reader->store->dir, segment, path);
    int fd = files->open(path, O_RDONLY, 0);
    if (fd < 0 && errno == ENOENT)
        return far_open(reader, segment, file, why);
    if (fd < 0)
        return diag_set(why, ERR_IO, "cannot open content: %s", strerror(errno));
    struct content_header header;
    enum err err = read_all(files, fd, (char *)&header, sizeof header, 0, why);
    if (!err && !content_header_ok(&header))
        err = diag_set(why, ERR_CORRUPT, "the header of the content segment is damaged");
    if (err) {
        files->close(fd);
        return err;
    }
    file_drop(reader, file);
    *file = (struct open_file){ .segment = segment, .fd = fd };
    memcpy(file->id, header.id, sizeof header.id);
    return ERR_OK;
}

static enum err file_get(struct content_reader *reader, uint64_t segment,
                         struct open_file **ret_file, struct diag *why)
{
    forget_expired(reader);
    struct open_file *oldest = &reader->files[0];
    for (int i = 0; i < READER_FILES; i++) {
        struct open_file *file = &reader->files[i];
        if (file->segment == segment) {
            file->used_at = ++reader->uses;
            *ret_file = file;
            return ERR_OK;
        }
        if (file->used_at < oldest->used_at)
            oldest = file;
    }
    enum err err = file_open(reader, segment, oldest, why);
    if (err)
        return err;
    oldest->used_at = ++reader->uses;
    *ret_file = oldest;
    return ERR_OK;
}

static void reader_room(struct content_reader *reader, size_t len)
{
    if (len <= reader->capacity)
        return;
    reader->frame = xrealloc(reader->frame, len);
    reader->stored = xrealloc(reader->stored, len);
    reader->capacity = len;
}

static enum err frame_check(const struct content_reader *reader, struct content_pointer pointer,
                            struct content_frame *ret_frame, struct diag *why)
{
    memcpy(ret_frame, reader->frame, sizeof *ret_frame);
    const char *sealed = reader->frame + sizeof *ret_frame;
    if (!content_frame_ok(ret_frame) || ret_frame->stored_len + sizeof *ret_frame != pointer.len ||
        hash_crc32c(0, sealed, ret_frame->stored_len) != ret_frame->payload_crc)
        return diag_set(why, ERR_CORRUPT, "the content frame at %u is damaged", pointer.offset);
    return ERR_OK;
}

static enum err frame_decrypt(struct content_reader *reader, const struct open_file *file,
                              const struct content_frame *frame, struct diag *why)
{
    const struct content_config *config = &reader->store->config;
    struct crypt_key key, frame_key;
    enum err err = config->key_by_id(config->key_arg, frame->key_id, &key);
    if (err == ERR_NOT_FOUND)
        return diag_set(why, ERR_NOT_FOUND, "the key of this content was destroyed");
    if (err)
        return diag_set(why, err, "the key of this content cannot be read");
    content_frame_key(&key, file->id, &frame_key);
    if (!content_frame_open(reader->gcm, &frame_key, frame, reader->frame + sizeof *frame,
                            reader->stored))
        err = diag_set(why, ERR_CORRUPT, "the content frame does not decrypt");
    crypt_wipe(&key, sizeof key);
    crypt_wipe(&frame_key, sizeof frame_key);
    return err;
}

enum err content_read(struct content_reader *reader, struct content_pointer pointer,
                      struct arena *arena, struct content_item **ret_items, size_t *ret_count,
                      struct diag *reterr_why)
{
    struct content_frame frame;
    if (!pointer.segment)
        return diag_set(reterr_why, ERR_NOT_FOUND, "there is no content");
    if (pointer.len < sizeof frame + CRYPT_TAG_BYTES ||
        pointer.len > CONTENT_FRAME_BYTES_MAX + sizeof frame + CRYPT_TAG_BYTES)
        return diag_set(reterr_why, ERR_CORRUPT, "%u is not the length of a content frame",
                        pointer.len);
    struct open_file *file;
    enum err err = file_get(reader, pointer.segment, &file, reterr_why);
    if (err)
        return err;
    reader_room(reader, pointer.len);
    if (file->fd >= 0)
        err = read_all(reader->store->config.files, file->fd, reader->frame, pointer.len,
                       pointer.offset, reterr_why);
    else
        err = content_far_read(reader->far, &file->sent, pointer, reader->frame, reterr_why);
    if (!err)
        err = frame_check(reader, pointer, &frame, reterr_why);
    if (!err)
        err = frame_decrypt(reader, file, &frame, reterr_why);
    if (err)
        return err;
    str stored = str_make(reader->stored, frame.stored_len - CRYPT_TAG_BYTES);
    return content_items_decode(reader->zstd, &frame, stored, arena, ret_items, ret_count,
                                reterr_why);
}

/* In large pieces, of which each is a request; what follows is then in the piece that was kept. */
static enum err far_bytes(struct content_reader *reader, const struct open_file *file,
                          uint64_t offset, char *ret_bytes, size_t len, struct diag *why)
{
    enum err err = ERR_OK;
    while (len && !err) {
        uint64_t start = offset - offset % FAR_PIECE_BYTES, end = file->sent.object_bytes;
        if (offset >= end)
            return diag_set(why, ERR_CORRUPT, "the content segment ends before the frame does");
        struct content_pointer piece = { file->segment, (uint32_t)start,
                                         (uint32_t)MIN(end - start, (uint64_t)FAR_PIECE_BYTES) };
        size_t now = MIN(len, (size_t)(start + piece.len - offset));
        reader_room(reader, piece.len);
        err = content_far_read(reader->far, &file->sent, piece, reader->frame, why);
        if (!err)
            memcpy(ret_bytes, reader->frame + (offset - start), now);
        ret_bytes += now;
        offset += now;
        len -= now;
    }
    return err;
}

enum err content_reader_bytes(struct content_reader *reader, uint64_t segment, uint64_t offset,
                              void *ret_bytes, size_t len, struct diag *reterr_why)
{
    struct open_file *file;
    enum err err = file_get(reader, segment, &file, reterr_why);
    if (err)
        return err;
    if (file->fd < 0)
        return far_bytes(reader, file, offset, ret_bytes, len, reterr_why);
    return read_all(reader->store->config.files, file->fd, ret_bytes, len, offset, reterr_why);
}

enum err content_reader_extent(struct content_reader *reader, uint64_t segment,
                               struct content_extent *ret_extent, struct diag *reterr_why)
{
    struct open_file *file;
    char path[CONTENT_PATH_MAX];
    const struct sys_files *files = reader->store->config.files;
    enum err err = file_get(reader, segment, &file, reterr_why);
    if (err)
        return err;
    if (file->fd < 0) {
        const struct content_sent *sent = &file->sent;
        *ret_extent =
            (struct content_extent){ sent->header, sent->footer, true, sent->object_bytes };
        return ERR_OK;
    }
    content_path(reader->store->dir, segment, path);
    ret_extent->is_sealed = content_footer_read(files, path, &ret_extent->footer);
    int64_t size = file_size(path);
    if (size < CONTENT_HEADER_BYTES)
        return diag_set(reterr_why, ERR_NOT_FOUND, "this content has expired");
    ret_extent->size = (uint64_t)size;
    return read_all(files, file->fd, (char *)&ret_extent->header, sizeof ret_extent->header, 0,
                    reterr_why);
}

struct content_store *content_reader_store(struct content_reader *reader)
{
    return reader->store;
}
