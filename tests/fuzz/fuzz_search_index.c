/* fuzz_search_index.c -- any bytes as the index file of a segment: only whole stretches are taken,
 * each where the one before ended, and a filter only with its checksum.
 *
 * Input: a byte of switches (1: make the header good, 2: make the checksums of blocks good), the
 * file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "search/search_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT_END = 1 << 20 };
static uint8_t file[1 << 16];
static size_t file_len;

static int fake_open(const char *path, int flags, int mode)
{
    (void)path, (void)flags, (void)mode;
    return 3;
}

static int64_t fake_pread(int fd, void *bytes, size_t len, int64_t offset)
{
    (void)fd;
    if (offset < 0 || (uint64_t)offset >= file_len)
        return 0;
    len = MIN(len, file_len - (size_t)offset);
    memcpy(bytes, file + offset, len);
    return (int64_t)len;
}

static int fake_close(int fd)
{
    (void)fd;
    return 0;
}

/* Else no input gets behind the first checksum. */
static void blocks_mend(void)
{
    struct index_block block;
    size_t at = INDEX_HEADER_BYTES;
    while (at + sizeof block <= file_len) {
        memcpy(&block, file + at, sizeof block);
        block.filter_len = block.filter_len % 4096 / 8 * 8;
        if (at + sizeof block + block.filter_len <= file_len)
            block.filter_crc = hash_crc32c(0, file + at + sizeof block, block.filter_len);
        index_block_close(&block);
        memcpy(file + at, &block, sizeof block);
        at += sizeof block + block.filter_len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sys_files files = { .open = fake_open,
                                            .pread = fake_pread,
                                            .close = fake_close };
    struct search_config config = { .dir = ".", .files = &files };
    struct content_walk walk = { .segment = 1, .at = 64, .end = SEGMENT_END };
    struct stretches stretches;
    struct buf room;
    if (size < 1)
        return 0;
    file_len = MIN(size - 1, sizeof file);
    memcpy(file, data + 1, file_len);
    if ((data[0] & 1) && file_len >= INDEX_HEADER_BYTES)
        index_header_make(&walk, (struct index_header *)(void *)file);
    if (data[0] & 2)
        blocks_mend();
    index_read(&config, &walk, &stretches);
    uint64_t at = walk.at;
    buf_init(&room, FILTER_BYTES_MAX);
    for (size_t i = 0; i < stretches.count; i++) {
        const struct stretch *stretch = &stretches.items[i];
        assert(stretch->from == at && stretch->to > at && stretch->to <= SEGMENT_END);
        at = stretch->to;
        if (index_filter(&config, &stretches, stretch, &room))
            (void)filter_has((const unsigned char *)room.ptr, stretch->filter_len,
                             (struct filter_hash){ at, size });
    }
    assert(stretches.end == at && stretches.file_end <= file_len);
    buf_clear(&room);
    index_leave(&config, &stretches);
    return 0;
}
