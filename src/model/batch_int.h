/* batch_int.h -- what the writer and the reader of a batch share.
 *
 * Memory:  none.
 * Threads: any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "model/record.h"

enum {
    BATCH_MAGIC = 0x32425454, /* "TTB2" */
    KNOWN_WORDS = (FIELD_COUNT + 63) / 64,
    VARINT_BYTES_MAX = 10,
};

/* Of fields.def: a batch names the table it was written by. */
uint64_t batch_table_hash(void);
