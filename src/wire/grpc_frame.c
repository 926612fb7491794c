/* grpc_frame.c -- parse and write one length-prefixed message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/grpc_frame.h"
#include "base/check.h"

enum err grpc_frame_parse(str body, struct grpc_frame *ret_frame, struct diag *reterr_why)
{
    if (body.len < GRPC_FRAME_HEAD_BYTES)
        return diag_set_at(reterr_why, ERR_BAD_INPUT, body.len, "gRPC: the frame has no full head");
    const unsigned char *head = (const unsigned char *)body.ptr;
    if (head[0] > 1)
        return diag_set_at(reterr_why, ERR_BAD_INPUT, 0, "gRPC: unknown frame flag %u", head[0]);
    size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    str message = str_from(body, GRPC_FRAME_HEAD_BYTES);
    if (message.len < len)
        return diag_set_at(reterr_why, ERR_BAD_INPUT, body.len,
                           "gRPC: the message ends after %zu of %zu bytes", message.len, len);
    if (message.len > len)
        return diag_set_at(reterr_why, ERR_BAD_INPUT, GRPC_FRAME_HEAD_BYTES + len,
                           "gRPC: more than one message in a unary call");
    *ret_frame = (struct grpc_frame){ .is_compressed = head[0] == 1, .message = message };
    return ERR_OK;
}

void grpc_frame_write(struct buf *out, str message)
{
    assert(message.len <= UINT32_MAX);
    const unsigned char head[GRPC_FRAME_HEAD_BYTES] = {
        0,
        (unsigned char)(message.len >> 24),
        (unsigned char)(message.len >> 16),
        (unsigned char)(message.len >> 8),
        (unsigned char)message.len,
    };
    buf_add(out, head, sizeof head);
    buf_add_str(out, message);
}
