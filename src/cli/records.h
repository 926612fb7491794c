/* records.h -- a file that is imported, record by record, whatever its form.
 *
 * gzip and zstd are undone.  Then, by the first bytes: protobuf (one request, or requests with
 * their length in four bytes before each, as the Collector's file exporter writes them); CSV (the
 * first line names columns; each row becomes an object of texts); JSON, where a file whose first or
 * second line is a whole document is read line by line, so that one broken line spoils no other;
 * any other is one document, or a list of which each element is a record.
 *
 * Memory:  one record is held, RECORD_BYTES_MAX at most; it is borrowed until the next call.
 * Threads: one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum { RECORD_BYTES_MAX = 256 * 1024 * 1024 };
enum record_form { RECORD_JSON, RECORD_PROTOBUF };

struct records;
/* "-" is the standard input.  ERR_NOT_FOUND, ERR_IO. */
MUST_CHECK enum err records_open(const char *path, struct records **ret_records,
                                 struct diag *reterr_why);
/* The same of bytes that are there; for tests. */
struct records *records_of(str bytes);
void records_close(struct records *records);
/* ERR_NOT_FOUND after the last.  ERR_BAD_INPUT: this one cannot be read, the next may; ERR_LIMIT,
 * ERR_IO: the rest cannot.  *ret_line, counted from 1, is set also then. */
MUST_CHECK enum err records_next(struct records *records, str *ret_record,
                                 enum record_form *ret_form, uint64_t *ret_line,
                                 struct diag *reterr_why);
/* Bytes of the file that were read so far, and its size; 0: unknown. */
uint64_t records_read(const struct records *records);
uint64_t records_size(const struct records *records);
