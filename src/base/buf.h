/* buf.h -- growing byte buffer that cannot exist without a maximum.
 *
 * A builder: write freely, check once.  The first append that would pass
 * max_bytes makes the error sticky (buf_failed) and writes nothing more.
 *
 * Memory:  owns its bytes; buf_take hands them to the caller (xfree).
 * Threads: one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len;
    size_t capacity;
    size_t max_bytes;
    bool failed;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_clear(struct buf *buf); /* frees; leaves it usable with the same maximum */
void buf_reset(struct buf *buf); /* empties, keeps the memory, forgets the error */
static inline bool buf_failed(const struct buf *buf)
{
    return buf->failed;
}
static inline str buf_str(const struct buf *buf)
{
    return (str){ buf->ptr ? buf->ptr : "", buf->len };
}
char *buf_grow(struct buf *buf, size_t extra); /* buf_reserve when there is no room yet */
/* Room for `extra` more bytes at ptr + len, or NULL (sticky) past the maximum;
 * the caller then adds what it wrote to len. */
static inline char *buf_reserve(struct buf *buf, size_t extra)
{
    bool fits = buf->ptr && !buf->failed && extra <= buf->capacity - buf->len;
    return fits ? buf->ptr + buf->len : buf_grow(buf, extra);
}
static inline void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    char *to = len ? buf_reserve(buf, len) : NULL;
    if (!to)
        return;
    memcpy(to, bytes, len);
    buf->len += len;
}
static inline void buf_add_str(struct buf *buf, str s)
{
    buf_add(buf, s.ptr, s.len);
}
void buf_add_c(struct buf *buf, const char *text);
static inline void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}
void buf_add_i64(struct buf *buf, int64_t value);
void buf_add_u64(struct buf *buf, uint64_t value);
/* Shortest text that reads back as the same double; NaN and infinities as JSON null. */
void buf_add_f64(struct buf *buf, double value);
/* nano-dollars as decimal dollars, up to 9 places, no trailing zeros: 1500000 -> 0.0015 */
void buf_add_nanousd(struct buf *buf, int64_t nanousd);
void buf_add_hex(struct buf *buf, const void *bytes, size_t len); /* lower case */
void buf_printf(struct buf *buf, const char *format, ...) PRINTF(2, 3);
/* A JSON string with its quotes; invalid UTF-8 becomes U+FFFD, controls are escaped. */
void buf_add_json_str(struct buf *buf, str s);
/* Ownership of the bytes moves to the caller (xfree); the buffer is left empty. */
char *buf_take(struct buf *buf, size_t *ret_len);
