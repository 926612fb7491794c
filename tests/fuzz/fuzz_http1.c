/* fuzz_http1.c -- the HTTP/1.1 framer: any bytes, and the same events for any split.
 *
 * The input is framed in one piece and in pieces of three bytes; both must see the same
 * requests, bodies and fault.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "net/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_MAX = 1024 };

struct outcome {
    uint64_t events_hash;
    uint64_t body_bytes, requests;
    int status;
};

static bool head_take(struct http1 *http1, str piece, struct outcome *outcome)
{
    struct header headers[REQUEST_HEADERS_MAX];
    struct http1_head head = { .headers = headers };
    struct diag why = DIAG_NONE;
    assert(piece.len <= HEAD_MAX);
    char *copy = xmalloc(piece.len);
    memcpy(copy, piece.ptr, piece.len);
    bool is_good = http1_head_parse(http1, copy, piece.len, &head, &why);
    if (is_good) {
        assert(head.path.len > 0 && head.method.len > 0);
        assert(!(head.is_chunked && head.content_length >= 0));
        outcome->requests++;
        outcome->events_hash =
            hash_bytes_seeded(head.path.ptr, head.path.len, outcome->events_hash);
    }
    xfree(copy);
    return is_good;
}

/* Bytes used; a piece of a body may come in any number of parts, so bytes are hashed alone. */
static size_t feed(struct http1 *http1, str bytes, struct outcome *outcome)
{
    size_t used = 0, step;
    str piece;
    for (;;) {
        struct diag why = DIAG_NONE;
        enum http1_event event = http1_next(http1, str_from(bytes, used), &step, &piece, &why);
        used += step;
        assert(used <= bytes.len);
        if (event == HTTP1_MORE)
            return used;
        if (event == HTTP1_HEAD && !head_take(http1, piece, outcome))
            event = HTTP1_FAULT;
        for (size_t i = 0; event == HTTP1_DATA && i < piece.len; i++)
            outcome->events_hash = outcome->events_hash * 31 + (unsigned char)piece.ptr[i];
        outcome->body_bytes += event == HTTP1_DATA ? piece.len : 0;
        if (event == HTTP1_FAULT) {
            outcome->status = http1->status;
            assert(outcome->status >= 400);
            return used;
        }
    }
}

static struct outcome run(str input, size_t step)
{
    struct http1 http1;
    struct outcome outcome = { 0 };
    http1_init(&http1, HEAD_MAX);
    size_t start = 0;
    for (size_t end = 0; end < input.len && !outcome.status;) {
        end = MIN(end + step, input.len);
        start += feed(&http1, str_make(input.ptr + start, end - start), &outcome);
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str input = str_make((const char *)data, size);
    struct outcome whole = run(input, size ? size : 1), pieces = run(input, 3);
    assert(whole.events_hash == pieces.events_hash);
    assert(whole.body_bytes == pieces.body_bytes && whole.requests == pieces.requests);
    assert(whole.status == pieces.status);
    return 0;
}
