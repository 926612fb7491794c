/* otlp_grpc.c -- OTLP over gRPC: the three Export methods, unary.
 *
 * Back-pressure is UNAVAILABLE or RESOURCE_EXHAUSTED with RetryInfo; a message over
 * the limit is RESOURCE_EXHAUSTED without it, which senders must not retry.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "intake/intake.h"
#include "wire/grpc_frame.h"

struct method_row {
    str path;
    enum otlp_signal signal;
};
static const struct method_row methods[] = {
    { STR("/opentelemetry.proto.collector.trace.v1.TraceService/Export"), OTLP_TRACES },
    { STR("/opentelemetry.proto.collector.logs.v1.LogsService/Export"), OTLP_LOGS },
    { STR("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"), OTLP_METRICS },
};

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    if (!head->is_grpc)
        return ERR_NOT_FOUND;
    *ret_route = (struct intake_route){ .encoding = OTLP_PROTOBUF };
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (!str_equal(head->path, methods[i].path))
            continue;
        ret_route->signal = methods[i].signal;
        return ERR_OK;
    }
    return diag_set(reterr_why, ERR_UNSUPPORTED, "unknown method %.*s",
                    STR_ARG(str_sub(head->path, 0, 120)));
}

static enum err unpack(const struct request_head *head, struct decompress *decompress, str body,
                       struct buf *out, str *ret_plain, struct diag *reterr_why)
{
    struct grpc_frame frame;
    enum err err = grpc_frame_parse(body, &frame, reterr_why);
    if (err)
        return err;
    *ret_plain = frame.message;
    if (!frame.is_compressed)
        return ERR_OK;
    str encoding = request_header(head, STR_OF("grpc-encoding"));
    if (str_is_none(encoding) || str_equal_c(encoding, "identity"))
        return diag_set(reterr_why, ERR_BAD_INPUT,
                        "the message is flagged compressed, but grpc-encoding names no encoding");
    enum decompress_format format;
    if (!decompress_format_by_name(encoding, &format))
        return diag_set(reterr_why, ERR_UNSUPPORTED, "grpc-encoding \"%.*s\" is not supported",
                        STR_ARG(str_sub(encoding, 0, 40)));
    err = decompress_all(decompress, format, frame.message, out, reterr_why);
    *ret_plain = buf_str(out);
    return err == ERR_LIMIT ? ERR_TOO_LARGE : err;
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct response response = { .status = 200, .grpc_status = err_grpc_code(outcome->err) };
    struct buf body, details;
    buf_init(&body, 4 * KIB);
    buf_init(&details, 4 * KIB);
    if (outcome->err) {
        response.grpc_message = intake_message(request_arena(request), outcome);
        otlp_write_status(&details, OTLP_PROTOBUF, response.grpc_status, response.grpc_message,
                          err_is_retryable(outcome->err) ? outcome->retry_after_ms : 0);
        response.grpc_details = buf_str(&details);
    } else {
        otlp_write_response(&body, route->signal, OTLP_PROTOBUF, outcome->rejected_count,
                            outcome->rejected_why);
        response.body = buf_str(&body);
    }
    response.extra[response.extra_count++] =
        (struct header){ STR("grpc-accept-encoding"), STR("identity,gzip,deflate,zstd") };
    request_respond(request, &response);
    buf_clear(&body);
    buf_clear(&details);
}

const struct source_ops source_otlp_grpc = {
    .name = "otlp_grpc",
    .match = match,
    .unpack = unpack,
    .decode = intake_decode_otlp,
    .answer = answer,
};
