/* text.h -- conversions between bytes and their printed forms: hex, base64, times, durations.
 *
 * Memory:  writes to caller's storage or a buf.
 * Threads: pure; no locale, no time zone but UTC.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

/* Exactly out_len bytes from 2*out_len hex digits of either case. */
bool hex_decode(str text, void *ret_bytes, size_t out_len);
/* Lower case, NUL-terminated: out has 2*len+1 bytes. */
void hex_encode(const void *bytes, size_t len, char *out);

/* Upper bound of the decoded size. */
static inline size_t base64_decoded_max(size_t text_len)
{
    return text_len / 4 * 3 + 3;
}
/* Standard and url-safe alphabets, padded or not, white space refused. */
bool base64_decode(str text, void *ret_bytes, size_t *ret_len);
void base64_encode(struct buf *out, const void *bytes, size_t len);

/* RFC 3339 with Z: 2026-11-21T11:08:00.123456789Z; `digits` 0..9 of fraction. */
void time_format(struct buf *out, int64_t time_ns, int digits);
/* RFC 3339 / ISO 8601 date-time with Z or an offset; a date alone is midnight
 * UTC.  Nanoseconds since 1970.  False when it does not parse. */
bool time_parse(str text, int64_t *ret_time_ns);
/* "250ms", "8s", "1.5m", "2h", "7d", "300us", "40ns" -> ns. */
bool duration_parse(str text, int64_t *ret_ns);
/* Calendar day in UTC as yyyymmdd, and the first ns of that day. */
int32_t day_from_time(int64_t time_ns);
int64_t day_start(int32_t yyyymmdd);
