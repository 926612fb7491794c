/* fuzz_wal_scan.c -- any bytes as a log segment: the walk ends, stays inside, and only shows whole
 * records.
 *
 * The file is served from memory.  Byte 0 chooses whether checksums are repaired, so that
 * the fuzzer gets past them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "wal/wal_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    const uint8_t *bytes;
    size_t len;
} file;

static int64_t memory_pread(int fd, void *bytes, size_t len, int64_t offset)
{
    (void)fd;
    size_t at = MIN((size_t)offset, file.len);
    len = MIN(len, file.len - at);
    memcpy(bytes, file.bytes + at, len);
    return (int64_t)len;
}

static int memory_close(int fd)
{
    return fd - fd;
}

/* Make every header that follows the last one look right. */
static void repair(uint8_t *bytes, size_t len, uint32_t number)
{
    for (size_t at = WAL_SEGMENT_HEADER_BYTES; at + WAL_RECORD_HEADER_BYTES <= len;) {
        struct wal_record_header header;
        memcpy(&header, bytes + at, sizeof header);
        header.magic = WAL_RECORD_MAGIC;
        header.len %= 200;
        if (header.segment % 4 > 1) /* else ours, or of an earlier use, as it is */
            header.segment = header.segment % 4 == 2 ? number : 0;
        size_t sealed = header.len + CRYPT_TAG_BYTES;
        if (at + sizeof header + sealed <= len)
            header.payload_crc = hash_crc32c(0, bytes + at + sizeof header, sealed);
        header.crc = hash_crc32c(0, &header, offsetof(struct wal_record_header, crc));
        memcpy(bytes + at, &header, sizeof header);
        at += wal_record_size(header.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sys_files files = { .pread = memory_pread, .close = memory_close };
    if (size == 0)
        return 0;
    uint8_t *copy = xmalloc(size);
    memcpy(copy, data + 1, size - 1);
    uint32_t number = 1;
    if (size > WAL_SEGMENT_HEADER_BYTES)
        memcpy(&number, copy + offsetof(struct wal_segment_header, number), sizeof number);
    if (data[0] & 1)
        repair(copy, size - 1, number);
    file.bytes = copy;
    file.len = size - 1;
    struct wal_cursor cursor;
    wal_cursor_init(&cursor, &files, 3, number, data[0] & 2 ? 64 : WAL_CHUNK_RANDOM);
    struct wal_segment_header segment;
    enum wal_header_state state =
        wal_cursor_begin(&cursor, file.len, data[0] & 4 ? file.len / 2 : 0, &segment);
    assert(cursor.end <= file.len && (state != WAL_HEADER_OK || segment.number == number));
    cursor.is_open = cursor.is_open && !(data[0] & 8);
    uint64_t before = cursor.offset;
    struct crypt_gcm *gcm = crypt_gcm_new();
    struct crypt_key key = { { 1 } };
    for (enum wal_step step; (step = wal_cursor_next(&cursor)) != WAL_STEP_END;) {
        assert(step != WAL_STEP_IO);
        assert(cursor.at == before && cursor.at_bytes > 0);
        assert(cursor.offset <= MAX(cursor.end, before + cursor.at_bytes));
        before = cursor.offset;
        if (step == WAL_STEP_RECORD) {
            char *plain = xmalloc(cursor.header.len + 1);
            (void)!wal_record_open(gcm, &key, &cursor.header, cursor.sealed, plain);
            xfree(plain);
        }
    }
    crypt_gcm_free(gcm);
    wal_cursor_clear(&cursor);
    xfree(copy);
    return 0;
}
