/* fuzz_redact.c -- any bytes as a text and as a JSON part: no crash, idempotent, still JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "redact/redact_int.h"
#include "wire/json.h"

enum { ARENA_BYTES = 64 << 20 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct redactor *redactor;
static struct redact_scratch *scratch;

/* Before the first input: compiling the patterns takes seconds, an input may not. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    enum err code = redactor_new(NULL, &redactor, NULL);
    assert(code == ERR_OK);
    scratch = redact_scratch_new(redactor);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    str text = str_make((const char *)data, size);
    str once;
    str twice;
    arena_init(&arena, ARENA_BYTES);
    enum err code =
        redact_text(redactor, scratch, &redact_policy_default, &arena, text, &once, NULL);
    if (code == ERR_OK)
        code = redact_text(redactor, scratch, &redact_policy_default, &arena, once, &twice, NULL);
    assert(code != ERR_OK || str_equal(once, twice));

    bool was_json = json_check(text);
    str json;
    code = part_redact(scratch, &redact_policy_default, &arena, text, &json);
    assert(code != ERR_OK || !was_json || json_check(json));
    if (code == ERR_OK && was_json) {
        struct span span = { .part_count = 0 };
        bool added = span_add_part(&span, CONTENT_INPUT, json);
        assert(added);
        code = preview_add(scratch, &redact_policy_default, &arena, &span);
        assert(code != ERR_OK || json_check(span.parts[1].json));
    }
    arena_clear(&arena);
    return 0;
}
