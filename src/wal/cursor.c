/* cursor.c -- walks the records of one segment file, and finds its feet after damage.
 *
 * Reader, recovery and the offline tools all read through this one walk.  A bad
 * header makes it search for the next good one; a bad payload under a good
 * header costs exactly that record.
 *
 * A file may have been a segment before.  Records that say another number are no
 * records; and where none of this number follows, the log ends: what was being
 * written there shows in the rest of the page, which the writer fills with zeros.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "wal/wal_int.h"
#include <errno.h>

void wal_cursor_init(struct wal_cursor *cursor, const struct sys_files *files, int fd,
                     uint32_t number, size_t chunk)
{
    *cursor = (struct wal_cursor){ .files = files,
                                   .fd = fd,
                                   .number = number,
                                   .chunk = chunk,
                                   .offset = WAL_SEGMENT_HEADER_BYTES };
}

void wal_cursor_clear(struct wal_cursor *cursor)
{
    if (cursor->files && cursor->fd >= 0)
        cursor->files->close(cursor->fd);
    xfree(cursor->allocation);
    *cursor = (struct wal_cursor){ .fd = -1 };
}

/* Whether somebody reads on, more or less. */
static bool follows_window(const struct wal_cursor *cursor, uint64_t offset)
{
    uint64_t end = cursor->window_start + cursor->window_len;
    return cursor->window_len && offset >= cursor->window_start &&
           offset <= end + WAL_CHUNK_SEQUENTIAL;
}

/* Old content is not kept. */
static void window_reserve(struct wal_cursor *cursor, size_t len)
{
    if (len <= cursor->window_capacity)
        return;
    xfree(cursor->allocation);
    cursor->allocation = xmalloc(len + WAL_PAGE_BYTES);
    uintptr_t odd = (uintptr_t)cursor->allocation % WAL_PAGE_BYTES;
    cursor->window = cursor->allocation + (odd ? WAL_PAGE_BYTES - odd : 0);
    cursor->window_capacity = len;
}

/* `want` bytes at `offset` into the window, `at_least` of them for sure; whole pages around them
 * where the descriptor wants those. */
static bool window_fill(struct wal_cursor *cursor, uint64_t offset, size_t want, size_t at_least)
{
    uint64_t page = cursor->is_direct ? WAL_PAGE_BYTES : 1;
    uint64_t start = offset / page * page;
    uint64_t stop = (offset + want + page - 1) / page * page;
    window_reserve(cursor, (size_t)(stop - start));
    cursor->window_start = start;
    size_t len = 0;
    while (len < offset - start + at_least) {
        int64_t got = cursor->files->pread(cursor->fd, cursor->window + len,
                                           (size_t)(stop - start) - len, (int64_t)(start + len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        len += (size_t)got;
    }
    cursor->window_len = MIN(len, (size_t)(offset - start) + want); /* not beyond `end` */
    return true;
}

/* The window holds what is durable, and that never changes: it stays valid when `end` grows. */
const char *wal_cursor_bytes(struct wal_cursor *cursor, uint64_t offset, size_t at_least)
{
    if (offset > cursor->end || at_least > cursor->end - offset)
        return NULL;
    if (offset >= cursor->window_start &&
        offset + at_least <= cursor->window_start + cursor->window_len)
        return cursor->window + (offset - cursor->window_start);
    size_t chunk = cursor->chunk;
    if (cursor->is_direct && follows_window(cursor, offset))
        chunk = WAL_CHUNK_DIRECT;
    size_t want = (size_t)MIN((uint64_t)MAX(at_least, chunk), cursor->end - offset);
    if (!window_fill(cursor, offset, want, at_least)) {
        cursor->window_len = 0;
        cursor->failed = true;
        return NULL;
    }
    return cursor->window + (offset - cursor->window_start);
}

static bool header_at(struct wal_cursor *cursor, uint64_t offset)
{
    const char *bytes = wal_cursor_bytes(cursor, offset, WAL_RECORD_HEADER_BYTES);
    if (!bytes)
        return false;
    memcpy(&cursor->header, bytes, sizeof cursor->header);
    return wal_record_header_ok(&cursor->header) &&
           (cursor->header.segment == cursor->number || cursor->header.segment == 0) &&
           wal_record_size(cursor->header.len) <= cursor->end - offset;
}

/* The next offset at or after `from` where a whole record may begin, or `end`. */
static uint64_t find_record(struct wal_cursor *cursor, uint64_t from)
{
    const uint32_t magic = WAL_RECORD_MAGIC;
    while (from + WAL_RECORD_HEADER_BYTES <= cursor->end) {
        size_t len = (size_t)MIN((uint64_t)cursor->chunk, cursor->end - from);
        const char *bytes = wal_cursor_bytes(cursor, from, len);
        if (!bytes)
            return cursor->end;
        size_t found = str_find(str_make(bytes, len), str_make((const char *)&magic, sizeof magic));
        if (found < len && header_at(cursor, from + found))
            return from + found;
        /* Keep the last 3 bytes: they may begin a magic. */
        from += found < len ? found + 1 : MAX(len, (size_t)4) - 3;
    }
    return cursor->end;
}

static enum wal_step damaged(struct wal_cursor *cursor, uint64_t next)
{
    if (cursor->failed) /* what cannot be read is not damaged: the next try may work */
        return WAL_STEP_IO;
    cursor->at = cursor->offset;
    cursor->at_bytes = next - cursor->offset;
    cursor->offset = cursor->written = next;
    assert(cursor->at_bytes > 0);
    return WAL_STEP_DAMAGED;
}

/* No record follows, in a file that may hold old bytes. */
static enum wal_step tail(struct wal_cursor *cursor)
{
    uint64_t page_end = (cursor->offset / WAL_PAGE_BYTES + 1) * WAL_PAGE_BYTES;
    uint64_t stop = cursor->offset % WAL_PAGE_BYTES ? MIN(page_end, cursor->end) : cursor->offset;
    size_t len = (size_t)(stop - cursor->offset), zeros = 0;
    const char *bytes = wal_cursor_bytes(cursor, cursor->offset, len);
    if (!bytes)
        return WAL_STEP_IO;
    while (zeros < len && bytes[zeros] == '\0')
        zeros++;
    enum wal_step step = WAL_STEP_END;
    if (zeros < len)
        step = damaged(cursor, stop);
    cursor->offset = cursor->end;
    return step;
}

enum wal_step wal_cursor_next(struct wal_cursor *cursor)
{
    if (cursor->offset >= cursor->end)
        return WAL_STEP_END;
    cursor->failed = false;
    if (!header_at(cursor, cursor->offset)) {
        uint64_t next = find_record(cursor, cursor->offset + 1);
        bool is_tail = cursor->is_open && next == cursor->end && !cursor->failed;
        return is_tail ? tail(cursor) : damaged(cursor, next);
    }
    size_t sealed_len = cursor->header.len + CRYPT_TAG_BYTES;
    const char *record =
        wal_cursor_bytes(cursor, cursor->offset, wal_record_size(cursor->header.len));
    if (!record)
        return WAL_STEP_IO;
    cursor->sealed = record + WAL_RECORD_HEADER_BYTES;
    if (hash_crc32c(0, cursor->sealed, sealed_len) != cursor->header.payload_crc)
        return damaged(cursor, cursor->offset + wal_record_size(cursor->header.len));
    cursor->at = cursor->offset;
    cursor->at_bytes = wal_record_size(cursor->header.len);
    cursor->offset += cursor->at_bytes;
    cursor->written = cursor->offset;
    return WAL_STEP_RECORD;
}

enum wal_header_state wal_cursor_begin(struct wal_cursor *cursor, uint64_t size, uint64_t known_end,
                                       struct wal_segment_header *ret_header)
{
    memset(ret_header, 0, sizeof *ret_header);
    cursor->end = size;
    const char *bytes = wal_cursor_bytes(cursor, 0, sizeof *ret_header);
    if (bytes)
        memcpy(ret_header, bytes, sizeof *ret_header);
    enum wal_header_state state =
        bytes ? wal_segment_header_state(ret_header, cursor->number) : WAL_HEADER_BAD;
    cursor->is_open = state != WAL_HEADER_OK || (ret_header->flags & WAL_SEGMENT_PADDED);
    cursor->written = MIN(size, (uint64_t)WAL_SEGMENT_HEADER_BYTES);
    if (known_end >= WAL_SEGMENT_HEADER_BYTES) {
        cursor->end = MIN(size, known_end);
        cursor->is_open = false;
    }
    return state;
}
