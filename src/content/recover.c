/* recover.c -- seals what a crash left open: find whole frames, cut the torn tail.
 *
 * As in the log, a bad stretch is torn unless a later frame proves that it had been
 * synced; proven damage stays where it is, its frames are unreadable one by one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/hash.h"
#include "content/content_int.h"
#include "sys/clock.h"
#include <errno.h>
#include <fcntl.h>

enum { SEARCH_BYTES = 1 << 16 };

struct recovery {
    const struct sys_files *files;
    int fd;
    uint64_t size, at;
    char *bytes; /* of one frame, or of the stretch being searched */
    size_t capacity;
    uint64_t tear; /* first bad byte; UINT64_MAX: none */
    uint64_t tear_places;
    struct content_footer totals, totals_before_tear;
    uint64_t damaged_places;
    bool failed; /* to read */
};

static char *recovery_read(struct recovery *recovery, uint64_t offset, size_t len)
{
    if (len > recovery->capacity) {
        recovery->bytes = xrealloc(recovery->bytes, len);
        recovery->capacity = len;
    }
    for (size_t done = 0; done < len;) {
        int64_t got = recovery->files->pread(recovery->fd, recovery->bytes + done, len - done,
                                             (int64_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            recovery->failed = true;
            return NULL;
        }
        done += (size_t)got;
    }
    return recovery->bytes;
}

/* A good header at `offset` whose frame fits in the file. */
static bool frame_at(struct recovery *recovery, uint64_t offset, struct content_frame *ret_frame)
{
    if (recovery->size - offset < sizeof *ret_frame)
        return false;
    const char *bytes = recovery_read(recovery, offset, sizeof *ret_frame);
    if (!bytes)
        return false;
    memcpy(ret_frame, bytes, sizeof *ret_frame);
    return content_frame_ok(ret_frame) &&
           ret_frame->stored_len <= recovery->size - offset - sizeof *ret_frame;
}

static uint64_t find_frame(struct recovery *recovery, uint64_t from)
{
    const uint32_t magic = CONTENT_FRAME_MAGIC;
    while (!recovery->failed && recovery->size - from >= CONTENT_FRAME_HEADER_BYTES) {
        size_t len = (size_t)MIN((uint64_t)SEARCH_BYTES, recovery->size - from);
        const char *bytes = recovery_read(recovery, from, len);
        if (!bytes)
            break;
        size_t found = str_find(str_make(bytes, len), str_make((const char *)&magic, sizeof magic));
        struct content_frame frame;
        if (found < len && frame_at(recovery, from + found, &frame))
            return from + found;
        from += found < len ? found + 1 : len - 3;
    }
    return recovery->size;
}

static void note_tear(struct recovery *recovery)
{
    if (recovery->tear == UINT64_MAX) {
        recovery->tear = recovery->at;
        recovery->totals_before_tear = recovery->totals;
    }
    recovery->tear_places++;
}

static void note_frame(struct recovery *recovery, const struct content_frame *frame)
{
    if (recovery->tear != UINT64_MAX && frame->durable_offset > recovery->tear) {
        recovery->damaged_places += recovery->tear_places;
        recovery->tear = UINT64_MAX;
        recovery->tear_places = 0;
    }
    recovery->totals.frames++;
    recovery->totals.bytes_plain += frame->plain_len;
    recovery->totals.bytes_stored += sizeof *frame + frame->stored_len;
}

static void recovery_walk(struct recovery *recovery)
{
    recovery->at = CONTENT_HEADER_BYTES;
    while (recovery->at < recovery->size && !recovery->failed) {
        struct content_frame frame;
        if (!frame_at(recovery, recovery->at, &frame)) {
            uint64_t next = find_frame(recovery, recovery->at + 1);
            note_tear(recovery);
            recovery->at = next;
            continue;
        }
        const char *sealed = recovery_read(recovery, recovery->at + sizeof frame, frame.stored_len);
        if (!sealed)
            return;
        if (hash_crc32c(0, sealed, frame.stored_len) == frame.payload_crc)
            note_frame(recovery, &frame);
        else
            note_tear(recovery);
        recovery->at += sizeof frame + frame.stored_len;
    }
}

static enum err recovery_seal(struct recovery *recovery, const char *path, struct diag *why)
{
    struct content_footer footer = recovery->totals;
    footer.sealed_ns = clock_now_ns();
    content_footer_close(&footer);
    const struct sys_files *files = recovery->files;
    if (recovery->tear != UINT64_MAX &&
        files->ftruncate(recovery->fd, (int64_t)recovery->tear) != 0)
        return diag_set(why, ERR_IO, "cannot cut %s: %s", path, strerror(errno));
    enum err err = file_write_all(files, recovery->fd, &footer, sizeof footer, why);
    if (!err && files->fdatasync(recovery->fd) != 0)
        err = diag_set(why, ERR_IO, "cannot sync %s: %s", path, strerror(errno));
    recovery->totals = footer;
    return err;
}

static enum err recovery_run(struct recovery *recovery, const char *path,
                             struct content_recovered *ret_recovered, struct diag *why)
{
    struct content_header header = { 0 };
    const char *bytes = NULL;
    if (recovery->size >= sizeof header)
        bytes = recovery_read(recovery, 0, sizeof header);
    if (bytes)
        memcpy(&header, bytes, sizeof header);
    bool has_header = bytes && content_header_ok(&header);
    if (!recovery->failed)
        recovery_walk(recovery);
    if (recovery->failed)
        return diag_set(why, ERR_IO, "cannot read %s at %llu", path,
                        (unsigned long long)recovery->at);
    struct content_recovered recovered = { .damaged_places = !has_header };
    if (recovery->tear != UINT64_MAX) {
        recovered.torn_bytes = recovery->size - recovery->tear;
        recovery->totals = recovery->totals_before_tear;
    }
    if (recovery->totals.frames == 0 && recovery->damaged_places == 0) {
        recovered =
            (struct content_recovered){ .removed = true,
                                        .torn_bytes = has_header ? recovery->size - sizeof header
                                                                 : recovery->size };
        (void)recovery->files->unlink(path);
    } else {
        enum err err = recovery_seal(recovery, path, why);
        if (err)
            return err;
    }
    recovered.damaged_places += recovery->damaged_places;
    recovered.footer = recovery->totals;
    *ret_recovered = recovered;
    return ERR_OK;
}

enum err content_recover(const struct sys_files *files, const char *path,
                         struct content_recovered *ret_recovered, struct diag *reterr_why)
{
    struct recovery recovery = { .files = files, .tear = UINT64_MAX };
    recovery.fd = files->open(path, O_RDWR | O_APPEND, 0);
    if (recovery.fd < 0)
        return diag_set(reterr_why, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    int64_t size = file_size(path);
    recovery.size = size < 0 ? 0 : (uint64_t)size;
    enum err err = recovery_run(&recovery, path, ret_recovered, reterr_why);
    files->close(recovery.fd);
    xfree(recovery.bytes);
    return err;
}
