/* otlp_write.c -- the answers of OTLP: Export*ServiceResponse and google.rpc.Status.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/otlp.h"
#include "wire/protobuf.h"

enum { ANSWER_BYTES_MAX = 16 * 1024, MS_PER_S = 1000 };

static const char retry_info_type[] = "type.googleapis.com/google.rpc.RetryInfo";

static void partial_success_pb(struct buf *out, uint32_t rejected_count, str message)
{
    struct buf inner;
    buf_init(&inner, ANSWER_BYTES_MAX);
    if (rejected_count)
        pb_write_uint(&inner, 1, rejected_count);
    if (message.len)
        pb_write_bytes(&inner, 2, str_sub(message, 0, ANSWER_BYTES_MAX / 2));
    pb_write_bytes(out, 1, buf_str(&inner));
    buf_clear(&inner);
}

static void partial_success_json(struct buf *out, enum otlp_signal signal, uint32_t rejected_count,
                                 str message)
{
    static const char *const names[] = {
        [OTLP_TRACES] = "rejectedSpans",
        [OTLP_LOGS] = "rejectedLogRecords",
        [OTLP_METRICS] = "rejectedDataPoints",
    };
    buf_add_c(out, "{\"partialSuccess\":{");
    if (rejected_count)
        buf_printf(out, "\"%s\":\"%u\"", names[signal], rejected_count);
    if (message.len) {
        buf_add_c(out, rejected_count ? ",\"errorMessage\":" : "\"errorMessage\":");
        buf_add_json_str(out, message);
    }
    buf_add_c(out, "}}");
}

void otlp_write_response(struct buf *out, enum otlp_signal signal, enum otlp_encoding encoding,
                         uint32_t rejected_count, str message)
{
    assert(out);
    bool is_empty = rejected_count == 0 && message.len == 0;
    if (encoding == OTLP_PROTOBUF) {
        if (!is_empty)
            partial_success_pb(out, rejected_count, message);
    } else if (is_empty) {
        buf_add_c(out, "{}");
    } else {
        partial_success_json(out, signal, rejected_count, message);
    }
}

/* Any{type_url, value = RetryInfo{retry_delay = Duration{seconds, nanos}}} */
static void retry_info_pb(struct buf *out, int64_t retry_after_ms)
{
    struct buf duration, info, any;
    buf_init(&duration, ANSWER_BYTES_MAX);
    buf_init(&info, ANSWER_BYTES_MAX);
    buf_init(&any, ANSWER_BYTES_MAX);
    uint64_t seconds = (uint64_t)(retry_after_ms / MS_PER_S);
    uint64_t nanos = (uint64_t)(retry_after_ms % MS_PER_S * NS_PER_MS);
    if (seconds)
        pb_write_uint(&duration, 1, seconds);
    if (nanos)
        pb_write_uint(&duration, 2, nanos);
    pb_write_bytes(&info, 1, buf_str(&duration));
    pb_write_bytes(&any, 1, str_from_c(retry_info_type));
    pb_write_bytes(&any, 2, buf_str(&info));
    pb_write_bytes(out, 3, buf_str(&any));
    buf_clear(&duration);
    buf_clear(&info);
    buf_clear(&any);
}

static void status_json(struct buf *out, int grpc_code, str message, int64_t retry_after_ms)
{
    buf_printf(out, "{\"code\":%d,\"message\":", grpc_code);
    buf_add_json_str(out, message);
    if (retry_after_ms > 0) {
        buf_printf(out, ",\"details\":[{\"@type\":\"%s\",\"retryDelay\":\"%lld.%03ds\"}]",
                   retry_info_type, (long long)(retry_after_ms / MS_PER_S),
                   (int)(retry_after_ms % MS_PER_S));
    }
    buf_add_char(out, '}');
}

void otlp_write_status(struct buf *out, enum otlp_encoding encoding, int grpc_code, str message,
                       int64_t retry_after_ms)
{
    assert(out);
    assert(grpc_code >= 0);
    if (encoding == OTLP_JSON) {
        status_json(out, grpc_code, message, retry_after_ms);
        return;
    }
    if (grpc_code)
        pb_write_uint(out, 1, (uint64_t)grpc_code);
    if (message.len)
        pb_write_bytes(out, 2, message);
    if (retry_after_ms > 0)
        retry_info_pb(out, retry_after_ms);
}
