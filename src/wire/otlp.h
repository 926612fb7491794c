/* otlp.h -- OTLP requests and answers, protobuf and JSON.
 *
 * Protobuf is walked in place from the field table otlp.def; JSON is read by
 * the pull reader of json.h.  Both fill the same raw_batch, byte for byte the
 * same for the same request.  One bad span, log record or point is left out
 * and counted, with the first reason and its place (counted from 1 in its scope); only
 * a broken envelope fails the request.  Facts: OTLP 1.11; leniency of the OpenTelemetry Collector's
 * JSON reader (snake_case, enum names, base64 ids, Long objects).
 *
 * Memory:  borrows from `body`; arrays and unescaped texts come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/raw.h"

enum otlp_signal { OTLP_TRACES, OTLP_LOGS, OTLP_METRICS };
enum otlp_encoding { OTLP_PROTOBUF, OTLP_JSON };

struct otlp_limits {
    uint32_t items_max;  /* spans, records or points in one request */
    uint32_t attrs_max;  /* per span, record, event; what is over is dropped and counted */
    uint32_t events_max; /* per span, likewise */
    uint32_t links_max;  /* per span, likewise */
    uint32_t depth_max;  /* nesting of values */
};
extern const struct otlp_limits otlp_limits_default; /* 100000, 4096, 4096, 1024, 64 */

/* ERR_BAD_INPUT (with offset), ERR_LIMIT (items, or the arena's budget). */
MUST_CHECK enum err otlp_decode(struct arena *arena, enum otlp_signal signal,
                                enum otlp_encoding encoding, str body,
                                const struct otlp_limits *limits, struct raw_batch *ret_batch,
                                struct diag *reterr_why);

/* Export*ServiceResponse: nothing rejected and no warning gives zero bytes / "{}". */
void otlp_write_response(struct buf *out, enum otlp_signal signal, enum otlp_encoding encoding,
                         uint32_t rejected_count, str message);
/* google.rpc.Status; retry_after_ms > 0 adds a RetryInfo detail. */
void otlp_write_status(struct buf *out, enum otlp_encoding encoding, int grpc_code, str message,
                       int64_t retry_after_ms);
