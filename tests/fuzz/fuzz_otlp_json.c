/* fuzz_otlp_json.c -- OTLP requests as JSON; see fuzz_otlp.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return otlp_fuzz(OTLP_JSON, data, size);
}
