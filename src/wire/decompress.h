/* decompress.h -- gzip, deflate and zstd bodies, never larger than allowed.
 *
 * The output is a buf, whose maximum is the limit: a bomb costs at most that
 * much memory, plus the decoder's own window (32 KiB; 8 MiB for zstd).  Feed the body
 * as it arrives; or decompress_all for one that is there.
 *
 * "deflate" means zlib (RFC 9110); the raw form that some senders use is told apart by
 * its first byte.  Several gzip members or zstd frames in a row are one body.
 *
 * Memory:  the decoder contexts are made on first use and kept: one
 *          `struct decompress` per worker.
 * Threads: one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum decompress_format { DECOMPRESS_GZIP, DECOMPRESS_DEFLATE, DECOMPRESS_ZSTD };

enum { DECOMPRESS_ZSTD_WINDOW_LOG_MAX = 23 }; /* 8 MiB, what RFC 8878 asks a decoder to support */

/* The format of a Content-Encoding or grpc-encoding value ("gzip", "x-gzip",
 * "deflate", "zlib", "zstd", any case); false for all others, identity included. */
bool decompress_format_by_name(str name, enum decompress_format *ret_format);

struct decompress;
struct decompress *decompress_new(void);
void decompress_free(struct decompress *decompress);

/* Start a body: what was unfinished is forgotten, *out (kept until the end) is appended to. */
void decompress_begin(struct decompress *decompress, enum decompress_format format,
                      struct buf *out);
/* ERR_BAD_INPUT: corrupt.  ERR_LIMIT: the output would pass out->max_bytes. */
MUST_CHECK enum err decompress_feed(struct decompress *decompress, str piece,
                                    struct diag *reterr_why);
/* ERR_BAD_INPUT when the body ended too early. */
MUST_CHECK enum err decompress_end(struct decompress *decompress, struct diag *reterr_why);
/* All three in one. */
MUST_CHECK enum err decompress_all(struct decompress *decompress, enum decompress_format format,
                                   str body, struct buf *out, struct diag *reterr_why);
