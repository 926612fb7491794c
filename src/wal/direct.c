/* direct.c -- a segment that is written past the page cache.
 *
 * A new page of the page cache costs several times what the disk does, and while drain is
 * behind every page of the log is new.  So a segment that begins with a large group is written
 * by whole pages with O_DIRECT, from one piece of memory; zeros fill the last page, and the next
 * group writes that page again, with the same bytes in front.  A sector is old or new, and what
 * was durable in it is the same in both.
 *
 * Segments that begin with a small group go through the page cache: drain reads them
 * at once.  Where the file system cannot do without the cache, the same pages go through it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "wal/wal_int.h"
#include <errno.h>
#include <fcntl.h>

#define DIRECT_BYTES (1 * MIB) /* of one write; a multiple of a page */

struct wal_direct {
    int fd; /* -1: the pages go through the cache */
    char *allocation, *memory;
    size_t len;
    uint64_t at;               /* of memory, in the file: a multiple of a page */
    char tail[WAL_PAGE_BYTES]; /* the durable bytes of the page in which the log ends */
};

static uint64_t page_start(uint64_t offset)
{
    return offset & ~(uint64_t)(WAL_PAGE_BYTES - 1);
}

struct wal_direct *wal_direct_open(struct wal *wal, const char *path)
{
    struct wal_direct *direct = xcalloc(1, sizeof *direct);
    direct->fd = wal->config.files->open(path, O_WRONLY | O_DIRECT, 0);
    direct->allocation = xmalloc(DIRECT_BYTES + WAL_PAGE_BYTES);
    uintptr_t odd = (uintptr_t)direct->allocation % WAL_PAGE_BYTES;
    direct->memory = direct->allocation + (odd ? WAL_PAGE_BYTES - odd : 0);
    return direct;
}

static void fd_leave(struct wal *wal, struct wal_direct *direct)
{
    if (direct->fd >= 0)
        wal->config.files->close(direct->fd);
    direct->fd = -1;
}

void wal_direct_close(struct wal *wal, struct wal_direct *direct)
{
    if (!direct)
        return;
    fd_leave(wal, direct);
    xfree(direct->allocation);
    xfree(direct);
}

void wal_direct_begin(struct wal_direct *direct, uint64_t offset)
{
    direct->at = page_start(offset);
    direct->len = (size_t)(offset - direct->at);
    memcpy(direct->memory, direct->tail, direct->len);
}

/* `len` bytes of memory, whole pages. */
static enum err pages_write(struct wal *wal, struct wal_direct *direct, size_t len)
{
    struct iovec piece = { direct->memory, len };
    errno = 0;
    enum err err = ERR_IO;
    if (direct->fd >= 0)
        err = file_write_at(wal->config.files, direct->fd, &piece, 1, (int64_t)direct->at, NULL);
    if (direct->fd >= 0 && !(err && errno == EINVAL))
        return err;
    fd_leave(wal, direct); /* it could be opened, but not written */
    piece = (struct iovec){ direct->memory, len };
    return file_write_at(wal->config.files, wal->fd, &piece, 1, (int64_t)direct->at, NULL);
}

enum err wal_direct_add(struct wal *wal, struct wal_direct *direct, const struct iovec *pieces,
                        int count)
{
    for (int i = 0; i < count; i++) {
        const char *from = pieces[i].iov_base;
        for (size_t left = pieces[i].iov_len, part; left; left -= part, from += part) {
            if (direct->len == DIRECT_BYTES) {
                enum err err = pages_write(wal, direct, direct->len);
                if (err)
                    return err;
                direct->at += direct->len;
                direct->len = 0;
            }
            part = MIN(left, DIRECT_BYTES - direct->len);
            memcpy(direct->memory + direct->len, from, part);
            direct->len += part;
        }
    }
    return ERR_OK;
}

enum err wal_direct_end(struct wal *wal, struct wal_direct *direct)
{
    size_t zeros = (WAL_PAGE_BYTES - direct->len % WAL_PAGE_BYTES) % WAL_PAGE_BYTES;
    memset(direct->memory + direct->len, 0, zeros);
    enum err err = pages_write(wal, direct, direct->len + zeros);
    if (!err)
        wal->file_bytes = MAX(wal->file_bytes, direct->at + direct->len + zeros);
    return err;
}

bool wal_direct_is_on(const struct wal_direct *direct)
{
    return direct && direct->fd >= 0;
}

void wal_direct_keep(struct wal_direct *direct)
{
    size_t start = direct->len / WAL_PAGE_BYTES * WAL_PAGE_BYTES;
    memcpy(direct->tail, direct->memory + start, direct->len - start);
}
