/* wal.h -- the short-lived log that makes an acknowledgement true.
 *
 * One node-wide append-only stream of segments (64 MiB); a record is an encrypted
 * batch with sequence number and CRC.  A writer thread groups records from all
 * workers, writes, calls fdatasync once and then runs each record's callback.
 * Recovery scans the last segment, cuts a torn tail and never appends to an old
 * segment again.  Files of released segments are written over by new ones.  An fdatasync error
 * poisons the segment: it is never retried on the same descriptor; records not yet acknowledged
 * fail, writing goes on in a new segment.  Format to the byte: docs/formats/wal.md.
 *
 * Memory:  a submitted record's bytes belong to the log until its callback ran.
 * Threads: wal_submit from any thread; callbacks run on the writer thread and
 *          must only send a message on.  wal_read from any one thread per reader.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "sys/crypt.h"
#include "sys/file.h"

struct wal;

struct wal_config {
    const char *dir;
    const struct sys_files *files;
    /* Key of an hour; layer rule: wal does not know keys/. */
    enum err (*log_key)(void *arg, int64_t hour, bool create, struct crypt_key *ret_key);
    void *log_key_arg;
    size_t segment_bytes_max; /* 0: 64 MiB; at most 1 GiB */
    size_t pending_bytes_max; /* wal_submit answers ERR_BUSY beyond it; 0: 64 MiB */
    /* Of all segments that are not released; wal_submit answers ERR_BUSY beyond it.  With
     * spares the files on disk stay below it too.  0: 4 GiB; at least four segments. */
    uint64_t bytes_max;
    int64_t group_wait_ns; /* shortest time between two syncs; 0: 1 ms */
    /* The consumers' checkpoint: new sequences are above it even when the folder was
     * emptied, else a consumer would pass over them as already seen. */
    uint64_t after_sequence;
    size_t disk_free_bytes_min; /* ERR_DISK_FULL below it; 0: 64 MiB */
    size_t direct_bytes_min;    /* a segment that begins with so large a group goes past the page
                                 * cache; 0: 64 KiB */
};

enum { WAL_RECORD_HEADER_BYTES = 48 };
#define WAL_RECORD_BYTES_MAX (64 * MIB) /* plaintext of one record: ERR_TOO_LARGE beyond it */

/* A record waiting to be durable.  Intrusive: the owner embeds it.  The log
 * encrypts in place, so `bytes` has room for the tag behind the plaintext:
 * capacity >= len + CRYPT_TAG_BYTES, which wal_submit asserts. */
struct wal_position {
    uint32_t segment; /* number in the file name */
    uint32_t offset;
};

struct wal_entry {
    struct wal_entry *next;
    char *bytes; /* plaintext (batch_encode), encrypted in place by the caller's thread */
    size_t len;
    size_t capacity;   /* of bytes */
    uint64_t sequence; /* set before `done`, as are these: */
    struct wal_position position;
    enum err result;
    void (*done)(struct wal_entry *entry); /* on the writer thread */
    void *arg;
    uint8_t header[WAL_RECORD_HEADER_BYTES]; /* the log's own */
};

MUST_CHECK enum err wal_open(const struct wal_config *config, struct wal **ret_wal,
                             struct diag *reterr_why);
/* Syncs what is pending, then stops the thread. */
void wal_close(struct wal *wal);
/* Encrypts in the caller's thread with its own gcm context, then queues.  ERR_BUSY
 * (pending_bytes_max, bytes_max), ERR_DISK_FULL, ERR_KEY, ERR_TOO_LARGE: the entry still
 * belongs to the caller and is still plaintext.  After ERR_OK `done` runs exactly
 * once; entry->result is ERR_OK (it is on disk), ERR_DISK_FULL or ERR_IO (it is not
 * acknowledged; bytes hold ciphertext now, so the sender must send again). */
MUST_CHECK enum err wal_submit(struct wal *wal, struct crypt_gcm *gcm, struct wal_entry *entry);

/* So much longer between two syncs, from now on: for senders that wait for each answer, while a
 * consumer cannot keep up with them.  0: as configured.  Any thread. */
void wal_pace(struct wal *wal, int64_t longer_ns);

/* How full the log is, in hundredths of bytes_max: at 100 wal_submit refuses. */
unsigned wal_fill_percent(struct wal *wal);
/* Bytes of the files that wal_release(wal, sequence) would give back. */
uint64_t wal_bytes_through(struct wal *wal, uint64_t sequence);

struct wal_reader;
struct wal_reader *wal_reader_new(struct wal *wal, uint64_t after_sequence);
void wal_reader_free(struct wal_reader *reader);
/* Go on behind that record, which the caller knows without reading it. */
void wal_reader_skip(struct wal_reader *reader, struct wal_position position, uint64_t sequence);
/* Next durable record's plaintext (borrowed until the next call). ERR_NOT_FOUND
 * when there is none yet; ERR_CORRUPT names the place and skips the record; ERR_KEY:
 * the key of its hour is gone, skipped too; anything else may be tried again. */
MUST_CHECK enum err wal_read(struct wal_reader *reader, str *ret_bytes, uint64_t *ret_sequence,
                             struct wal_position *ret_position, struct diag *reterr_why);
/* A record again, by its place (content of a trace that settles). Appended to out.
 * ERR_NOT_FOUND: its segment is released, or nothing durable begins there. */
MUST_CHECK enum err wal_read_at(struct wal_reader *reader, struct wal_position position,
                                struct buf *out, struct diag *reterr_why);
/* The same for who asks for one record after the other, nearly in the order of the log: a thread
 * of the reader's reads and decrypts what follows.  Replaces what `out` holds, and its memory. */
MUST_CHECK enum err wal_read_on(struct wal_reader *reader, struct wal_position position,
                                struct buf *out, struct diag *reterr_why);
/* Wait until something after `sequence` is durable, or the timeout. */
bool wal_wait(struct wal *wal, uint64_t sequence, int64_t timeout_ns);
/* Every consumer is past this: whole segments before it are spares for new ones, or go. */
void wal_release(struct wal *wal, uint64_t through_sequence);
/* Keys of hours before this one are needed by no record, durable or on its way: the
 * keystore may destroy them.  Never goes back while the log is open. */
int64_t wal_first_hour(struct wal *wal);

struct wal_status {
    uint64_t first_sequence, last_sequence, durable_sequence;
    uint64_t bytes, segments; /* not released */
    uint64_t spare_bytes;     /* on disk too: released files that wait for their next use */
    uint64_t records, syncs;  /* since wal_open */
    uint64_t torn_bytes_cut;  /* by the last recovery */
    uint64_t damaged_places;  /* seen by the last recovery inside what was durable; kept */
    uint64_t poisoned;        /* segments given up after an input/output error */
    uint64_t disk_full_count; /* groups refused for want of space */
    size_t pending_bytes;
    bool disk_full;
};
void wal_status(struct wal *wal, struct wal_status *ret_status);

/* Offline, for `telltale log verify|dump`: call each for every record found. */
struct wal_scan_item {
    struct wal_position position;
    uint64_t sequence;
    size_t len; /* of the plaintext; with !crc_ok the length of the damaged stretch on disk */
    int64_t hour;
    bool crc_ok, decrypted; /* not decrypted: no log_key given, key gone, or the tag is wrong */
    bool follows_released;  /* segments in front of it were released while we looked */
    str bytes;              /* plaintext when decrypted */
};
MUST_CHECK enum err wal_scan(const struct wal_config *config,
                             void (*each)(const struct wal_scan_item *item, void *arg), void *arg,
                             struct diag *reterr_why);
