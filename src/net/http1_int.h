/* http1_int.h -- what http1.c and http1_head.c share.
 *
 * Memory:  none.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "net/http1.h"

/* Put the framer into its final state; returns HTTP1_FAULT. */
enum http1_event http1_fault(struct http1 *http1, int status, struct diag *reterr_why,
                             const char *text);
/* RFC 9110 tchar: what a method or a header's name consists of. */
bool http1_is_token_char(char c);
/* Tab, visible ASCII, space, and bytes from 0x80. */
static inline bool http1_is_value_char(char c)
{
    unsigned char byte = (unsigned char)c;
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}
