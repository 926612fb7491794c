/* bytes.c -- the input and output queue of a connection: append behind, consume in front.
 *
 * Unlike struct buf it has a front, and its limits are the connection's (reading pauses,
 * streams are told to wait), not its own.  An empty queue holds no memory, so that ten
 * thousand idle connections cost little.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/net_int.h"
#include <stdio.h>

char *bytes_reserve(struct bytes *bytes, size_t len)
{
    size_t used = bytes_len(bytes);
    if (bytes->capacity - bytes->end >= len && bytes->ptr)
        return bytes->ptr + bytes->end;
    if (bytes->ptr && bytes->start && bytes->capacity - used >= len && bytes->start >= used) {
        memcpy(bytes->ptr, bytes->ptr + bytes->start, used);
    } else {
        size_t capacity = MAX(bytes->capacity * 2, used + len);
        capacity = MAX(capacity, (size_t)512);
        char *ptr = xmalloc(capacity);
        if (bytes->ptr && used)
            memcpy(ptr, bytes->ptr + bytes->start, used);
        xfree(bytes->ptr);
        bytes->ptr = ptr;
        bytes->capacity = capacity;
    }
    bytes->start = 0;
    bytes->end = used;
    return bytes->ptr + bytes->end;
}

void bytes_add(struct bytes *bytes, const void *ptr, size_t len)
{
    if (len == 0)
        return;
    memcpy(bytes_reserve(bytes, len), ptr, len);
    bytes->end += len;
}

void bytes_add_c(struct bytes *bytes, const char *text)
{
    bytes_add(bytes, text, strlen(text));
}

void bytes_printf(struct bytes *bytes, const char *format, ...)
{
    enum { LINE_MAX_BYTES = 256 };
    char *out = bytes_reserve(bytes, LINE_MAX_BYTES);
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out, LINE_MAX_BYTES, format, args);
    va_end(args);
    assert(len >= 0 && len < LINE_MAX_BYTES);
    bytes->end += (size_t)len;
}

void bytes_consume(struct bytes *bytes, size_t len)
{
    assert(len <= bytes_len(bytes));
    bytes->start += len;
    if (bytes->start == bytes->end)
        bytes_clear(bytes);
}

void bytes_clear(struct bytes *bytes)
{
    xfree(bytes->ptr);
    *bytes = (struct bytes){ 0 };
}
