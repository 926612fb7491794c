/* fuzz_norm.c -- raw bytes as an OTLP request of each signal and encoding, then understood.
 *
 * The first byte picks signal and encoding, the second the limits, so that the
 * fuzzer can cross them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/utf8.h"
#include "norm/norm.h"
#include "wire/json.h"
#include "wire/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void attrs_check(const struct attr *attrs, uint32_t count);

static void value_check(const struct value *value)
{
    if (value->type == VALUE_STR)
        assert(utf8_is_valid(value->text));
    for (uint32_t i = 0; value->type == VALUE_ARRAY && i < value->count; i++)
        value_check(&value->items[i]);
    if (value->type == VALUE_MAP)
        attrs_check(value->attrs, value->count);
}

static void attrs_check(const struct attr *attrs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert(utf8_is_valid(attrs[i].key));
        value_check(&attrs[i].value);
    }
}

/* What is kept can be shown: every text is UTF-8, every part is JSON. */
static void span_check(const struct span *span)
{
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        const void *at = span_field_const(span, (enum field)field);
        enum field_type type = field_table[field].type;
        if (!span_knows(span, (enum field)field))
            continue;
        if (type == FIELD_TYPE_STR || type == FIELD_TYPE_JSON)
            assert(utf8_is_valid(*(const str *)at));
        const struct strs *list = at;
        for (uint32_t i = 0; type == FIELD_TYPE_STRS && i < list->count; i++)
            assert(utf8_is_valid(list->items[i]));
    }
    attrs_check(span->attrs, span->attr_count);
    for (uint32_t i = 0; i < span->part_count; i++)
        assert(json_check(span->parts[i].json));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct arena arena;
    arena_init(&arena, 32 * MIB);
    struct norm_config config = { .project = STR("fuzz"),
                                  .received_ns = INT64_C(1790000000) * NS_PER_S,
                                  .attr_value_bytes_max = 1u + data[1],
                                  .text_field_bytes_max = 1u + data[1] };
    enum otlp_signal signal = data[0] & 1 ? OTLP_LOGS : OTLP_TRACES;
    enum otlp_encoding encoding = data[0] & 2 ? OTLP_JSON : OTLP_PROTOBUF;
    struct raw_batch raw;
    struct batch batch;
    if (otlp_decode(&arena, signal, encoding, str_make((const char *)data + 2, size - 2),
                    &otlp_limits_default, &raw, NULL) == ERR_OK &&
        norm_batch(&arena, &config, &raw, &batch, NULL) == ERR_OK) {
        for (uint32_t i = 0; i < batch.span_count; i++)
            span_check(&batch.spans[i]);
        for (uint32_t i = 0; i < batch.log_count; i++)
            attrs_check(batch.logs[i].attrs, batch.logs[i].attr_count);
    }
    arena_clear(&arena);
    return 0;
}
