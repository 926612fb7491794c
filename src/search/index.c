/* index.c -- the index file of a segment: read as far as it is good.
 *
 * Blocks follow one another as their stretches do.  A block that is torn, or flipped, ends what
 * is used of the file: the rest of the segment is read whole.  A flipped filter is noticed by its
 * checksum when it is asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "search/search_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

void index_path(const char *dir, uint64_t segment, char ret_path[INDEX_PATH_MAX])
{
    int len = snprintf(ret_path, INDEX_PATH_MAX, "%s/%08llu.idx", dir, (unsigned long long)segment);
    assert(len > 0 && len < INDEX_PATH_MAX);
}

void index_header_make(const struct content_walk *walk, struct index_header *ret_header)
{
    *ret_header = (struct index_header){ .version = INDEX_VERSION,
                                         .words_version = INDEX_WORDS_VERSION,
                                         .segment = walk->segment };
    memcpy(ret_header->magic, INDEX_MAGIC, sizeof ret_header->magic);
    memcpy(ret_header->segment_id, &walk->id, sizeof ret_header->segment_id);
    ret_header->crc = hash_crc32c(0, ret_header, offsetof(struct index_header, crc));
}

bool index_header_ok(const struct index_header *header, const struct content_walk *walk)
{
    struct index_header expected;
    index_header_make(walk, &expected);
    return memcmp(header, &expected, sizeof expected) == 0;
}

void index_block_close(struct index_block *block)
{
    block->magic = INDEX_BLOCK_MAGIC;
    block->crc = hash_crc32c(0, block, offsetof(struct index_block, crc));
}

bool index_block_ok(const struct index_block *block, uint64_t from)
{
    return block->magic == INDEX_BLOCK_MAGIC &&
           block->crc == hash_crc32c(0, block, offsetof(struct index_block, crc)) &&
           block->from == from && block->to > block->from && block->filter_len >= 8 &&
           block->filter_len % 8 == 0 && block->filter_len <= FILTER_BYTES_MAX;
}

void stretches_add(struct stretches *stretches, const struct stretch *stretch)
{
    if (stretches->count == stretches->capacity) {
        stretches->capacity = MAX(stretches->capacity * 2, (size_t)64);
        stretches->items =
            xrealloc(stretches->items, stretches->capacity * sizeof *stretches->items);
    }
    stretches->items[stretches->count++] = *stretch;
}

static bool read_at(const struct search_config *config, int fd, void *bytes, size_t len,
                    uint64_t offset)
{
    for (size_t done = 0; done < len;) {
        int64_t got =
            config->files->pread(fd, (char *)bytes + done, len - done, (int64_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* The last byte of each block's filter must be there, too. */
static bool block_read(const struct search_config *config, const struct stretches *stretches,
                       struct index_block *ret_block)
{
    char last;
    uint64_t at = stretches->file_end;
    return read_at(config, stretches->fd, ret_block, sizeof *ret_block, at) &&
           index_block_ok(ret_block, stretches->end) &&
           read_at(config, stretches->fd, &last, 1,
                   at + INDEX_BLOCK_BYTES + ret_block->filter_len - 1);
}

void index_read(const struct search_config *config, const struct content_walk *walk,
                struct stretches *ret_stretches)
{
    char path[INDEX_PATH_MAX];
    struct index_header header;
    struct index_block block;
    index_path(config->dir, walk->segment, path);
    *ret_stretches = (struct stretches){ .end = walk->at };
    ret_stretches->fd = config->files->open(path, O_RDONLY, 0);
    if (ret_stretches->fd < 0)
        return;
    if (!read_at(config, ret_stretches->fd, &header, sizeof header, 0) ||
        !index_header_ok(&header, walk))
        return;
    ret_stretches->file_end = sizeof header;
    while (block_read(config, ret_stretches, &block) && block.to <= walk->end) {
        uint64_t filter_at = ret_stretches->file_end + sizeof block;
        stretches_add(ret_stretches, &(struct stretch){ .from = block.from,
                                                        .to = block.to,
                                                        .filter_at = filter_at,
                                                        .filter_len = block.filter_len,
                                                        .filter_crc = block.filter_crc });
        ret_stretches->end = block.to;
        ret_stretches->file_end = filter_at + block.filter_len;
    }
}

void index_leave(const struct search_config *config, struct stretches *stretches)
{
    if (stretches->fd >= 0)
        config->files->close(stretches->fd);
    stretches->fd = -1;
    xfree(stretches->items);
    stretches->items = NULL;
    stretches->count = stretches->capacity = 0;
}

bool index_filter(const struct search_config *config, const struct stretches *stretches,
                  const struct stretch *stretch, struct buf *room)
{
    buf_reset(room);
    char *to = buf_reserve(room, stretch->filter_len);
    if (!to || !read_at(config, stretches->fd, to, stretch->filter_len, stretch->filter_at))
        return false;
    room->len = stretch->filter_len;
    return hash_crc32c(0, to, stretch->filter_len) == stretch->filter_crc;
}
