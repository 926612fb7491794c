/* audit.h -- the log of who read or changed what: append-only, and tamper-evident.
 *
 * One file of JSON lines.  Each line has a sequence number, the hash of the line before
 * ("prev") and its own hash over everything before it, so that a changed, removed,
 * inserted or reordered line breaks the chain at its place.  Lines cut off the end leave a
 * valid shorter chain, and who may write the file can make a new one from its start:
 * whoever must notice that keeps the last sequence and hash elsewhere (audit_head and
 * audit_verify give both).
 *
 * An append returns after fdatasync: the read that it records is answered only then, and
 * refused when it fails (REQUIREMENTS P7).  After a failed fdatasync the log is closed to
 * appends until it is opened again.
 *
 * Several processes may have the file open: each append holds a lock on it and first walks
 * over what others appended.  So `telltale key create` records beside a running server.
 *
 * Memory:  one heap object; events are borrowed for the call.
 * Threads: one thread at a time (the caller's audit thread or its queue).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "sys/crypt.h"
#include "sys/file.h"

enum {
    AUDIT_TEXT_BYTES_MAX = 512, /* of one text of an event; longer ones are cut at a character */
    AUDIT_LINE_BYTES_MAX = 32768,
    AUDIT_HASH_LEN = 2 * CRYPT_SHA256_BYTES,
};

/* Texts are identifiers and reasons, never content.  STR_NONE is written as null. */
struct audit_event {
    int64_t time_ns;
    str actor;  /* id of the API key */
    str action; /* "payload.read", "key.create", ... */
    str project;
    str tenant;
    str trace_id; /* hex */
    str span_id;  /* hex */
    str object;   /* what else names it: content roles, id of a key */
    str reason;   /* as given by the actor */
    str source;   /* address it came from */
};

struct audit_head {
    uint64_t sequence; /* of the last line; 0: none yet */
    char hash[AUDIT_HASH_LEN + 1];
};

struct audit;
/* Opens or makes the file (0600), reads it to the end and checks its chain: ERR_CORRUPT
 * names the line.  A torn last line, of an append that was never answered, is cut off;
 * *ret_cut_bytes (may be NULL) says how much.  files: sys_files_real, or a faulty table. */
MUST_CHECK enum err audit_open(const char *path, const struct sys_files *files,
                               struct audit **ret_audit, size_t *ret_cut_bytes,
                               struct diag *reterr_why);
void audit_close(struct audit *audit);
/* Durable when it returns ERR_OK; on anything else refuse what was to be recorded. */
MUST_CHECK enum err audit_append(struct audit *audit, const struct audit_event *event,
                                 struct diag *reterr_why);
void audit_head(const struct audit *audit, struct audit_head *ret_head);

/* Walk the chain of a file.  ERR_CORRUPT: *reterr_why has the byte offset and the line. */
MUST_CHECK enum err audit_verify(const char *path, const struct sys_files *files,
                                 struct audit_head *ret_head, struct diag *reterr_why);
