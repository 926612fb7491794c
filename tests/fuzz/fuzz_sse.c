/* fuzz_sse.c -- any bytes as server-sent events: however they are cut, the same events.
 *
 * The first byte chooses the size of the pieces.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "cli/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash;
    size_t count;
};

static bool on_event(void *arg, str name, str data)
{
    struct seen *seen = arg;
    assert(data.len > 0);
    seen->hash = hash_bytes_seeded(name.ptr, name.len, seen->hash);
    seen->hash = hash_bytes_seeded(data.ptr, data.len, seen->hash + name.len);
    return ++seen->count < 100;
}

static struct seen feed(str text, size_t piece)
{
    struct seen seen = { 0 };
    struct sse sse;
    sse_init(&sse, on_event, &seen);
    bool goes_on = true;
    while (text.len && goes_on) {
        goes_on = sse_feed(&sse, str_sub(text, 0, piece));
        text = str_from(text, piece);
    }
    sse_clear(&sse);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    str text = str_make((const char *)data + 1, size - 1);
    struct seen whole = feed(text, SIZE_MAX), cut = feed(text, 1 + data[0] % 64u);
    assert(whole.hash == cut.hash && whole.count == cut.count);
    return 0;
}
