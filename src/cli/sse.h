/* sse.h -- reader of server-sent events, fed piece by piece.
 *
 * Only what our own server sends: "event:" and "data:" lines, comments, LF or CRLF.
 *
 * Memory:  owns one buffer; the event is borrowed for the call.
 * Threads: one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/str.h"

enum { SSE_EVENT_BYTES_MAX = 16 * 1024 * 1024 };
struct sse {
    struct buf held;                              /* an unfinished line */
    struct buf name, data;                        /* of the event so far */
    bool (*event)(void *arg, str name, str data); /* false: stop */
    void *arg;
};
void sse_init(struct sse *sse, bool (*event)(void *arg, str name, str data), void *arg);
void sse_clear(struct sse *sse);
void sse_reset(struct sse *sse); /* a new connection */
/* False when an event said so, or one is larger than SSE_EVENT_BYTES_MAX. */
bool sse_feed(struct sse *sse, str bytes);
