/* send.c -- one sealed segment goes to the object store: first its index, then itself, then both
 * are read back and compared, and only then does its .sent file say that it is there.
 *
 * A crash at any instant leaves the segment here and at most a .sent file that says "begun":
 * it is sent again under the same names.  What leaves the machine is the segment as it lies on
 * the disk: sealed frames, and their headers (trace id, lengths, numbers of keys).
 *
 * The index is text, a line per frame, sorted, of one length: TRACE_ID OFFSET LENGTH, so that
 * an operator finds a trace by grep, and a program by bisection with ranges.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include "content/keeper_int.h"
#include "sys/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE_BYTES = 256 * 1024 };
#define INDEX_BYTES_MAX (1024 * MIB)

struct index_entry {
    uint8_t trace_id[16];
    uint32_t offset, len;
};

struct sending {
    struct content_store *store;
    struct objects *objects;
    const struct sys_files *files;
    int fd;
    struct content_sent sent;
    struct index_entry *entries;
    size_t entry_count, entry_capacity;
    struct buf index;
    uint8_t index_sha256[CRYPT_SHA256_BYTES];
};

static bool segment_read(void *arg, uint64_t offset, char *ret_bytes, size_t len)
{
    const struct sending *sending = arg;
    while (len) {
        int64_t got = sending->files->pread(sending->fd, ret_bytes, len, (int64_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        ret_bytes += got;
        len -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

static bool index_read(void *arg, uint64_t offset, char *ret_bytes, size_t len)
{
    const struct sending *sending = arg;
    memcpy(ret_bytes, sending->index.ptr + offset, len);
    return true;
}

static enum err segment_hash(struct sending *sending, struct diag *why)
{
    struct crypt_digest *digest = crypt_digest_new();
    char *piece = xmalloc(PIECE_BYTES);
    bool is_read = true;
    for (uint64_t at = 0; at < sending->sent.object_bytes && is_read;) {
        size_t len = (size_t)MIN((uint64_t)PIECE_BYTES, sending->sent.object_bytes - at);
        is_read = segment_read(sending, at, piece, len);
        crypt_digest_add(digest, piece, is_read ? len : 0);
        at += len;
    }
    crypt_digest_end(digest, sending->sent.sha256);
    crypt_digest_free(digest);
    xfree(piece);
    return is_read ? ERR_OK : diag_set(why, ERR_IO, "cannot read a content segment");
}

static void entry_add(struct sending *sending, const struct content_frame *frame, uint64_t offset)
{
    if (sending->entry_count == sending->entry_capacity) {
        sending->entry_capacity = MAX(sending->entry_capacity * 2, (size_t)256);
        sending->entries =
            xrealloc(sending->entries, sending->entry_capacity * sizeof sending->entries[0]);
    }
    struct index_entry *entry = &sending->entries[sending->entry_count++];
    memcpy(entry->trace_id, frame->trace_id, sizeof entry->trace_id);
    entry->offset = (uint32_t)offset;
    entry->len = (uint32_t)sizeof *frame + frame->stored_len;
}

static int by_trace(const void *a, const void *b)
{
    const struct index_entry *left = a, *right = b;
    int order = memcmp(left->trace_id, right->trace_id, sizeof left->trace_id);
    return order ? order : (left->offset > right->offset) - (left->offset < right->offset);
}

/* Frames behind a damaged place are not in it: pointers still find them. */
static void index_make(struct sending *sending)
{
    uint64_t end = sending->sent.object_bytes - CONTENT_FOOTER_BYTES;
    struct content_frame frame;
    for (uint64_t at = CONTENT_HEADER_BYTES; at + sizeof frame <= end;) {
        if (!segment_read(sending, at, (char *)&frame, sizeof frame) || !content_frame_ok(&frame) ||
            frame.stored_len > end - at - sizeof frame)
            break;
        entry_add(sending, &frame, at);
        at += sizeof frame + frame.stored_len;
    }
    if (sending->entry_count)
        qsort(sending->entries, sending->entry_count, sizeof sending->entries[0], by_trace);
    for (size_t i = 0; i < sending->entry_count; i++) {
        buf_add_hex(&sending->index, sending->entries[i].trace_id, 16);
        buf_printf(&sending->index, " %010u %010u\n", sending->entries[i].offset,
                   sending->entries[i].len);
    }
    if (sending->entry_count == 0)
        buf_add_char(&sending->index, '\n'); /* an object has at least one byte */
    assert(!buf_failed(&sending->index));
    crypt_sha256(sending->index.ptr, sending->index.len, sending->index_sha256);
}

static bool on_piece(void *arg, str bytes)
{
    crypt_digest_add(arg, bytes.ptr, bytes.len);
    return true;
}

/* Is what the store gives back what it was given? */
static enum err object_compare(struct sending *sending, const char *name,
                               const struct object_body *body, struct diag *why)
{
    uint8_t hash[CRYPT_SHA256_BYTES];
    struct crypt_digest *digest = crypt_digest_new();
    enum err err = objects_get(sending->objects, name, (struct object_range){ 0 },
                               (struct object_sink){ on_piece, digest }, why);
    crypt_digest_end(digest, hash);
    crypt_digest_free(digest);
    if (err == ERR_NOT_FOUND)
        return diag_set(why, ERR_UNAVAILABLE, "the object store lost %s right after it took it",
                        name);
    if (!err && !crypt_equal(hash, body->sha256, sizeof hash))
        return diag_set(why, ERR_UNAVAILABLE, "the object store gives %s back changed", name);
    return err;
}

static enum err object_send(struct sending *sending, const char *name,
                            const struct object_body *body, struct diag *why)
{
    enum err err = objects_put(sending->objects, name, body, why);
    return err ? err : object_compare(sending, name, body, why);
}

static enum err both_send(struct sending *sending, struct diag *why)
{
    char name[OBJECT_NAME_MAX];
    struct object_body index = { index_read, sending, sending->index.len, { 0 } };
    memcpy(index.sha256, sending->index_sha256, sizeof index.sha256);
    content_index_name(&sending->sent.header, name);
    enum err err = object_send(sending, name, &index, why);
    if (err)
        return err;
    struct object_body segment = { segment_read, sending, sending->sent.object_bytes, { 0 } };
    memcpy(segment.sha256, sending->sent.sha256, sizeof segment.sha256);
    content_object_name(&sending->sent.header, name);
    return object_send(sending, name, &segment, why);
}

static enum err sending_run(struct sending *sending, uint64_t segment, struct diag *why)
{
    const char *dir = sending->store->dir;
    struct content_sent *sent = &sending->sent;
    if (!segment_read(sending, 0, (char *)&sent->header, sizeof sent->header) ||
        !content_header_ok(&sent->header))
        return diag_set(why, ERR_CORRUPT, "the header of a content segment is damaged");
    enum err err = segment_hash(sending, why);
    sent->state = SENT_BEGUN;
    if (!err)
        err = content_sent_write(dir, segment, sent, why);
    if (err)
        return err;
    index_make(sending);
    err = both_send(sending, why);
    if (err)
        return err;
    sent->state = SENT_WHOLE;
    sent->sent_ns = clock_now_ns();
    return content_sent_write(dir, segment, sent, why);
}

enum err content_send(struct content_store *store, struct objects *objects, uint64_t segment,
                      struct diag *reterr_why)
{
    struct sending sending = { .store = store, .objects = objects, .files = store->config.files };
    char path[CONTENT_PATH_MAX];
    content_path(store->dir, segment, path);
    int64_t size = file_size(path);
    sending.fd = sending.files->open(path, O_RDONLY, 0);
    if (sending.fd < 0 || size < 0 ||
        !content_footer_read(sending.files, path, &sending.sent.footer)) {
        if (sending.fd >= 0)
            sending.files->close(sending.fd);
        return diag_set(reterr_why, ERR_IO, "cannot read content segment %s", path);
    }
    sending.sent.object_bytes = (uint64_t)size;
    buf_init(&sending.index, INDEX_BYTES_MAX);
    enum err err = sending_run(&sending, segment, reterr_why);
    sending.files->close(sending.fd);
    buf_clear(&sending.index);
    xfree(sending.entries);
    if (err)
        return err;
    atomic_fetch_add(&store->external.sent_segments, 1);
    atomic_fetch_add(&store->external.sent_bytes, sending.sent.object_bytes);
    atomic_fetch_add(&store->external.segments, 1);
    atomic_fetch_add(&store->external.bytes, sending.sent.object_bytes);
    return ERR_OK;
}
