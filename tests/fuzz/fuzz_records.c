/* fuzz_records.c -- any bytes as a file that is imported: it ends, and what is a span becomes OTLP.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/cli_int.h"
#include "cli/records.h"
#include "cli/span_form.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_span(str record)
{
    struct arena arena;
    struct value span;
    struct buf out;
    uint32_t bad;
    arena_init(&arena, 16 * MIB);
    buf_init(&out, 16 * MIB);
    if (cli_json_parse(&arena, record, &span, NULL) == ERR_OK) {
        if (spans_to_otlp(&out, &span, 1, &bad))
            assert(json_check(buf_str(&out)));
        csv_add_span(&out, &span, true);
    }
    buf_clear(&out);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct records *records = records_of(str_make((const char *)data, size));
    uint64_t line, last = 0;
    size_t count = 0;
    enum err err;
    do {
        str record;
        enum record_form form;
        err = records_next(records, &record, &form, &line, NULL);
        assert(line >= last);
        last = line;
        assert(++count <= size + 2); /* each takes a byte at least */
        if (!err && form == RECORD_JSON)
            as_span(record);
    } while (!err || err == ERR_BAD_INPUT);
    records_close(records);
    return 0;
}
