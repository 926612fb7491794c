/* fuzz_text_lines.c -- any bytes as lines of text: records that lie inside the body, none lost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/text_lines.h"

enum { INPUT_MAX = 1 << 20, LINES_MAX = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size + 1);
    if (size)
        memcpy(bytes, data, size);
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    struct otlp_limits limits = otlp_limits_default;
    struct text_lines lines = { .body = str_make(bytes, size),
                                .service = STR_OF("s"),
                                .environment = STR_OF("") };
    arena_init(&arena, 64 * MIB);
    limits.items_max = LINES_MAX;
    enum err err = text_lines_decode(&arena, &lines, &limits, &batch, &why);
    assert(err == ERR_OK);
    size_t used = 0;
    for (uint32_t i = 0; i < batch.log_count; i++) {
        str text = batch.logs[i].body.text;
        assert(text.len > 0 && text.len <= TEXT_LINE_BYTES_MAX);
        assert(text.ptr >= bytes && text.ptr + text.len <= bytes + size);
        assert(str_find_char(text, '\n') == text.len);
        used += text.len;
    }
    assert(used <= size && batch.log_count <= LINES_MAX);
    assert(batch.rejected_count == 0 || batch.log_count == LINES_MAX);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
