/* fuzz_content_frame.c -- any bytes as the plaintext of a content frame: decompressed and taken
 * apart safely.
 *
 * Input: flags byte, 4 bytes of plain length, 4 bytes of item count, the stored bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "content/content_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 9)
        return 0;
    struct content_frame frame = { .flags = data[0] };
    memcpy(&frame.plain_len, data + 1, 4);
    memcpy(&frame.item_count, data + 5, 4);
    if (data[0] & 0x40) /* small numbers are more interesting */
        frame.plain_len %= 4096, frame.item_count %= 64;
    if (data[0] & 0x80)
        frame.plain_len = (uint32_t)(size - 9);
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct content_item *items;
    size_t count;
    if (content_items_decode(zstd, &frame, str_make((const char *)data + 9, size - 9), &arena,
                             &items, &count, NULL) == ERR_OK) {
        size_t total = 0;
        for (size_t i = 0; i < count; i++) {
            assert(items[i].role < CONTENT_ROLE_COUNT);
            total += items[i].json.len + CONTENT_ITEM_BYTES;
        }
        assert(total == frame.plain_len);
    }
    arena_clear(&arena);
    ZSTD_freeDCtx(zstd);
    return 0;
}
