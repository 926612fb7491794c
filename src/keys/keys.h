/* keys.h -- the keystore: master -> project -> tenant -> subject.
 *
 * The master key comes from a file (made on first start, 0600, loud notice), the
 * environment or a command's output.  Every other key is random, wrapped by its
 * parent with AES-256-GCM and kept in one append-only keystore file outside the data
 * directory, fsynced before the key is used.  Destroying a key (a tombstone and a
 * rewrite of the file) makes its content unreadable in every copy.
 *
 * Memory:  one keystore per process; unwrapped keys are cached and wiped at free.
 * Threads: guarded inside by one lock (docs/decisions); any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "sys/crypt.h"

struct keystore;

struct keys_config {
    const char *master_path; /* file with 64 hex digits; made when absent and allowed */
    const char *master_hex;  /* from the environment; wins over the file; may be NULL */
    const char *store_path;  /* keystore file */
    bool may_create;         /* first start */
    bool read_only;          /* beside a running server: no lock, nothing written or made */
};
/* ERR_KEY with a hint when the master is missing, malformed or not the one the
 * keystore was made with; ERR_CONFLICT when another process has it open.
 * *ret_created: a new master was written. */
MUST_CHECK enum err keystore_open(const struct keys_config *config, struct keystore **ret_keystore,
                                  bool *ret_created, struct diag *reterr_why);
void keystore_free(struct keystore *keystore);

/* Key for content of a subject; made when there is none. tenant and user may be
 * none: then the project's, or the tenant's, own key is meant.
 * A new key is NOT yet on disk: call keystore_sync before anything written under it
 * counts as stored (drain: many of these, keystore_sync, content_sync, commit). */
MUST_CHECK enum err keystore_subject_key(struct keystore *keystore, str project, str tenant,
                                         str user, struct crypt_key *ret_key, uint64_t *ret_key_id,
                                         struct diag *reterr_why);
/* Every key given out so far is on disk; free when none is new. */
MUST_CHECK enum err keystore_sync(struct keystore *keystore, struct diag *reterr_why);
/* By the id stored in a content frame (never 0, fits in an int64_t). ERR_NOT_FOUND: destroyed or
 * never there. */
MUST_CHECK enum err keystore_key_by_id(struct keystore *keystore, uint64_t key_id,
                                       struct crypt_key *ret_key);
/* The project's key for content hashes, derived. */
MUST_CHECK enum err keystore_hash_key(struct keystore *keystore, str project,
                                      struct crypt_key *ret_key, struct diag *reterr_why);
/* The key of a project's blind index of words, derived, and the id of the project's key, by the
 * id of any key below it (or its own).  ERR_NOT_FOUND: one of them was destroyed. */
MUST_CHECK enum err keystore_search_key(struct keystore *keystore, uint64_t key_id,
                                        uint64_t *ret_project_id, struct crypt_key *ret_key);
/* The node's log key of an hour (hours since 1970); made when absent and `create`. */
MUST_CHECK enum err keystore_log_key(struct keystore *keystore, int64_t hour, bool create,
                                     struct crypt_key *ret_key, struct diag *reterr_why);
/* Destroy log keys of hours before that one. */
MUST_CHECK enum err keystore_forget_log_keys(struct keystore *keystore, int64_t before_hour,
                                             struct diag *reterr_why);
/* With its children (a tenant's users); gone from the file when ERR_OK is returned.
 * ERR_NOT_FOUND: there is none. After another error the key is gone from memory and
 * the call must be repeated until the file could be rewritten. */
MUST_CHECK enum err keystore_destroy_subject(struct keystore *keystore, str project, str tenant,
                                             str user, struct diag *reterr_why);
struct keystore_status {
    uint32_t project_keys, tenant_keys, subject_keys, log_keys, destroyed;
    uint32_t damaged;            /* records that fail their checksum; kept as they are */
    char master_fingerprint[17]; /* 16 hex digits of a hash of the master */
    bool master_file_too_open;   /* group or others may read it */
};
void keystore_status(struct keystore *keystore, struct keystore_status *ret_status);
