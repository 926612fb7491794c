/* fuzz_decompress.c -- compressed bodies: bounded, and the same in one piece or in many.
 *
 * First byte: the format; second: the size of the pieces.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/decompress.h"

enum { OUT_BYTES_MAX = 100 * 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum decompress_format format = (enum decompress_format)(data[0] % 3);
    size_t piece_bytes = (size_t)data[1] + 1;
    str body = str_make((const char *)data + 2, size - 2);
    struct decompress *decompress = decompress_new();
    struct buf whole, pieces;
    buf_init(&whole, OUT_BYTES_MAX);
    buf_init(&pieces, OUT_BYTES_MAX);
    enum err code = decompress_all(decompress, format, body, &whole, NULL);
    assert(code == ERR_OK || code == ERR_BAD_INPUT || code == ERR_LIMIT);
    assert(whole.len <= OUT_BYTES_MAX);

    enum err again = ERR_OK;
    decompress_begin(decompress, format, &pieces);
    for (size_t at = 0; !again && at < body.len; at += piece_bytes)
        again = decompress_feed(decompress, str_sub(body, at, piece_bytes), NULL);
    if (!again)
        again = decompress_end(decompress, NULL);
    assert((code == ERR_OK) == (again == ERR_OK));
    assert(code || str_equal(buf_str(&whole), buf_str(&pieces)));
    buf_clear(&whole);
    buf_clear(&pieces);
    decompress_free(decompress);
    return 0;
}
