/* grpc_frame.h -- the five bytes in front of a gRPC message.
 *
 * A unary call carries exactly one message: a flag (1: compressed with what
 * grpc-encoding says), a big-endian length, the bytes.
 *
 * Memory:  borrows from the body.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum { GRPC_FRAME_HEAD_BYTES = 5 };

struct grpc_frame {
    bool is_compressed;
    str message;
};

/* ERR_BAD_INPUT: too short, an unknown flag, or not exactly one message. */
MUST_CHECK enum err grpc_frame_parse(str body, struct grpc_frame *ret_frame,
                                     struct diag *reterr_why);
/* Head and message, uncompressed. */
void grpc_frame_write(struct buf *out, str message);
