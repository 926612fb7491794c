/* fuzz_otlp_pb.c -- OTLP requests as protobuf; see fuzz_otlp.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return otlp_fuzz(OTLP_PROTOBUF, data, size);
}
