/* fuzz_norm.c -- raw bytes as an OTLP request of each signal and encoding, then understood.
 *
 * The first byte picks signal and encoding, the second the limits, so that the
 * fuzzer can cross them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "norm/norm.h"
#include "wire/json.h"
#include "wire/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
            for (uint32_t k = 0; k < batch.spans[i].part_count; k++)
                assert(json_check(batch.spans[i].parts[k].json));
    }
    arena_clear(&arena);
    return 0;
}
