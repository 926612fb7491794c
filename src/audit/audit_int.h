/* audit_int.h -- the chain, as writer and verifier share it.
 *
 * Memory:  caller's storage.
 * Threads: pure but for the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "audit/audit.h"

struct audit_walk {
    struct audit_head head; /* of the last whole line */
    int64_t whole_bytes;    /* where it ends */
    size_t torn_bytes;      /* after it, without a line end */
};

/* From where *walk stands to the end of the file. */
MUST_CHECK enum err audit_walk_on(const struct sys_files *files, int fd, struct audit_walk *walk,
                                  struct diag *reterr_why);
/* From the start of the file to its end.  ERR_CORRUPT at the first line that breaks it. */
MUST_CHECK enum err audit_walk_chain(const struct sys_files *files, int fd,
                                     struct audit_walk *ret_walk, struct diag *reterr_why);
/* SHA-256 in hex, NUL-terminated. */
void audit_hash_hex(str bytes, char ret_hex[AUDIT_HASH_LEN + 1]);
