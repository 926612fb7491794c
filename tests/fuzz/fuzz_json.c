/* fuzz_json.c -- the JSON reader: reading, skipping and checking agree on every input.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/utf8.h"
#include "wire/json.h"

enum { ARENA_BYTES = 4096 }; /* small, so that its limit is met too */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    struct arena arena;
    struct json json;
    struct value value;
    struct diag why;
    arena_init(&arena, ARENA_BYTES);

    json_init(&json, NULL, text, JSON_DEPTH_MAX);
    bool skipped = json_skip(&json, json_next(&json)) && json_next(&json) == JSON_END;
    assert(json_check(text) == (skipped && utf8_is_valid(text)));

    json_init(&json, &arena, text, JSON_DEPTH_MAX);
    enum json_token token;
    do {
        token = json_next(&json);
        assert(json.depth <= JSON_DEPTH_MAX);
    } while (token != JSON_END && token != JSON_ERROR);
    assert(token == JSON_ERROR ? json_error(&json, &why) == ERR_LIMIT || !skipped : skipped);

    arena_reset(&arena);
    json_init(&json, &arena, text, JSON_DEPTH_MAX);
    if (json_value(&json, json_next(&json), &value)) {
        struct buf out;
        buf_init(&out, 16 * size + 4096);
        value_to_json(&out, &value);
        assert(buf_failed(&out) || json_check(buf_str(&out)));
        buf_clear(&out);
    }
    arena_clear(&arena);
    return 0;
}
