/* fuzz_audit.c -- any bytes as an audit log: refused with a place, or a chain of whole lines.
 *
 * The file is a piece of memory behind struct sys_files; reads are short on purpose.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit/audit.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *file_bytes;
static size_t file_len;

static int memory_open(const char *path, int flags, int mode)
{
    (void)path;
    (void)flags;
    (void)mode;
    return 3;
}

static int64_t memory_pread(int fd, void *bytes, size_t len, int64_t offset)
{
    (void)fd;
    size_t from = MIN((size_t)offset, file_len);
    len = MIN(MIN(len, (size_t)1021), file_len - from);
    if (len)
        memcpy(bytes, file_bytes + from, len);
    return (int64_t)len;
}

static int memory_close(int fd)
{
    (void)fd;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sys_files files = { .open = memory_open,
                                            .pread = memory_pread,
                                            .close = memory_close };
    struct audit_head head;
    struct diag why = DIAG_NONE;
    file_bytes = data;
    file_len = size;
    enum err err = audit_verify("audit", &files, &head, &why);
    if (err) {
        assert(err == ERR_CORRUPT && why.offset <= size && why.text[0]);
        return 0;
    }
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    assert(head.sequence == lines);
    assert(size == 0 || data[size - 1] == '\n');
    return 0;
}
