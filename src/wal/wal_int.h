/* wal_int.h -- what the files of wal/ share: the format, the cursor, the state.
 *
 * The on-disk structs are written as they are: little-endian machines only, no
 * padding (asserted).  docs/formats/wal.md explains every byte.
 *
 * Memory:  struct wal owns all it points at; a cursor owns its window and descriptor.
 * Threads: each member of struct wal says who may touch it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "sys/thread.h"
#include "wal/wal.h"
#include <stdatomic.h>

enum {
    WAL_SEGMENT_HEADER_BYTES = 64,
    WAL_RECORD_AAD_BYTES = 24, /* the part of the record header that GCM authenticates */
    WAL_SALT_BYTES = 16,
    WAL_VERSION = 2,
    WAL_VERSION_FIRST = 1, /* still read; its records do not say their segment */
    WAL_PATH_MAX = 4096,
    WAL_PAGE_BYTES = 4096,
    WAL_PIECES_MAX = 512, /* of one write: two per record */
    WAL_SPARE_SHARE = 4,  /* spares hold at most this part of bytes_max, */
    WAL_SPARE_FREE = 8,   /* and none while less than so many disk_free_bytes_min are free */
};
#define WAL_MAGIC "TTWAL\r\n\x1a"
#define WAL_RECORD_MAGIC UINT32_C(0x57524c54) /* "TLRW" */
#define WAL_GROUP_BYTES_MAX (8 * MIB)
#define WAL_GROUP_BYTES_ENOUGH (1 * MIB) /* so much waiting ends the wait for company */
#define WAL_HOUR_NS (INT64_C(3600) * NS_PER_S)
#define WAL_RETRY_NS (250 * NS_PER_MS) /* between looks at a full disk */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

struct wal_segment_header {
    uint8_t magic[8];
    uint16_t version;
    uint16_t flags;
    uint32_t number;
    int64_t hour;            /* of the clock when it was made */
    uint64_t first_sequence; /* of its first record, if it ever gets one */
    uint8_t salt[WAL_SALT_BYTES];
    int64_t created_ns;
    uint32_t previous_end; /* where the segment of the number before ends; 0: not known */
    uint32_t crc;          /* CRC-32C of all before */
};
enum { WAL_SEGMENT_PADDED = 1 << 0 }; /* zeros or old bytes may stand behind the records */
_Static_assert(sizeof(struct wal_segment_header) == WAL_SEGMENT_HEADER_BYTES, "no padding");

struct wal_record_header {
    uint32_t magic;
    uint32_t len; /* plaintext = ciphertext; the tag follows it */
    uint32_t hour;
    uint32_t flags;
    uint64_t nonce;
    uint64_t sequence;
    uint32_t durable_offset; /* bytes of this segment that were synced before this was written */
    uint32_t payload_crc;
    uint32_t segment; /* number of the segment it was written to; 0 in version 1 */
    uint32_t crc;     /* CRC-32C of all before */
};
_Static_assert(sizeof(struct wal_record_header) == WAL_RECORD_HEADER_BYTES, "no padding");
_Static_assert(offsetof(struct wal_record_header, sequence) == WAL_RECORD_AAD_BYTES,
               "AAD is what the sender knows");

static inline size_t wal_record_size(size_t len)
{
    return WAL_RECORD_HEADER_BYTES + len + CRYPT_TAG_BYTES;
}

/* record.c */
void wal_segment_header_close(struct wal_segment_header *header); /* sets magic, version, crc */
/* What stands where a header should: one of another number is left from an earlier use. */
enum wal_header_state { WAL_HEADER_OK, WAL_HEADER_STALE, WAL_HEADER_BLANK, WAL_HEADER_BAD };
enum wal_header_state wal_segment_header_state(const struct wal_segment_header *header,
                                               uint32_t number);
bool wal_record_header_ok(const struct wal_record_header *header);
/* Key of the records of one hour in segments of one salt. */
void wal_record_key(const struct crypt_key *hour_key, const uint8_t salt[WAL_SALT_BYTES],
                    struct crypt_key *ret_key);
void wal_record_seal(struct crypt_gcm *gcm, const struct crypt_key *key, int64_t hour,
                     uint64_t nonce, struct wal_entry *entry);
/* Fills in what only the writer knows and closes the header. */
void wal_record_place(struct wal_entry *entry, uint32_t segment, uint64_t sequence,
                      uint32_t durable_offset);
MUST_CHECK bool wal_record_open(struct crypt_gcm *gcm, const struct crypt_key *key,
                                const struct wal_record_header *header, const void *sealed,
                                void *ret_plain);

/* cursor.c: walks the records of one segment file. */
enum wal_step { WAL_STEP_RECORD, WAL_STEP_DAMAGED, WAL_STEP_END, WAL_STEP_IO };
struct wal_cursor {
    const struct sys_files *files;
    int fd;
    uint64_t offset; /* of the next step */
    uint64_t end;    /* nothing at or after it is looked at */
    size_t chunk;    /* bytes to read ahead */
    uint32_t number; /* of the segment: records of another are left from an earlier use */
    bool is_open;    /* old bytes may stand between the last record and `end` */
    bool failed;     /* the last step met a read error */
    bool is_direct;  /* the descriptor wants whole pages (O_DIRECT) */
    char *window, *allocation;
    size_t window_capacity, window_len;
    uint64_t window_start;
    /* The last step: */
    struct wal_record_header header;
    const char *sealed;    /* ciphertext and tag, borrowed from the window */
    uint64_t at, at_bytes; /* the record, or the damaged stretch */
    uint64_t written;      /* everything seen so far that belongs to the segment ends here */
};
enum {
    WAL_CHUNK_SEQUENTIAL = 1 << 18,
    WAL_CHUNK_RANDOM = 1 << 14,
    WAL_CHUNK_DIRECT = 1 << 20, /* what follows the last one, past the page cache */
};
/* Takes the descriptor. */
void wal_cursor_init(struct wal_cursor *cursor, const struct sys_files *files, int fd,
                     uint32_t number, size_t chunk);
void wal_cursor_clear(struct wal_cursor *cursor);
/* `at_least` bytes at `offset`, or NULL: past `end`, or the disk failed. */
const char *wal_cursor_bytes(struct wal_cursor *cursor, uint64_t offset, size_t at_least);
enum wal_step wal_cursor_next(struct wal_cursor *cursor);
/* Read the header and set how far to look in a file of `size` bytes.  `known_end`: what the
 * next segment's header says of this one's end; 0: nothing. */
enum wal_header_state wal_cursor_begin(struct wal_cursor *cursor, uint64_t size, uint64_t known_end,
                                       struct wal_segment_header *ret_header);

/* segment.c */
void wal_segment_path(const char *dir, uint32_t number, char ret_path[WAL_PATH_MAX]);
struct wal_numbers {
    uint32_t *items;
    size_t count, capacity;
};
/* Both sorted; a spare's number is that of its last use. */
MUST_CHECK enum err wal_segment_list(const char *dir, struct wal_numbers *ret_segments,
                                     struct wal_numbers *ret_spares, struct diag *reterr_why);
void wal_numbers_clear(struct wal_numbers *numbers);
/* What the header of the segment after `number` says of this one's end; 0: nothing. */
uint64_t wal_segment_known_end(const char *dir, const struct sys_files *files, uint32_t number);

/* One segment of the live log. */
struct wal_segment {
    uint32_t number;
    bool damaged_header; /* nothing in it can be decrypted */
    bool is_single_use;  /* its file is not for a next segment: old format, or it failed */
    bool is_direct;      /* written past the page cache, to be read so: it is not in there */
    uint64_t end;        /* durable bytes */
    uint64_t first_sequence, last_sequence;
    uint64_t records;
    int64_t first_hour; /* smallest hour of its records; INT64_MAX without records */
    uint8_t salt[WAL_SALT_BYTES];
};

/* A file that waits for its next use as a segment, or for being unlinked. */
struct wal_spare {
    uint32_t number; /* of its last use */
    bool is_surplus;
    uint64_t bytes;
};

struct wal_hour_key {
    int64_t hour;
    uint64_t in_flight; /* entries between reserve and the end of their group */
    struct crypt_key key;
};

enum { WAL_OBJECT_MAGIC = 0x77616c31 };
struct wal {
    uint32_t magic;
    struct wal_config config;     /* const after open; dir is our copy */
    uint8_t salt[WAL_SALT_BYTES]; /* const after open */
    _Atomic uint64_t next_nonce;  /* any thread */
    _Atomic int64_t pace_ns;      /* any thread: added to group_wait_ns */

    pthread_mutex_t lock;   /* docs/decisions: the log's lock */
    pthread_cond_t work;    /* the writer waits here */
    pthread_cond_t durable; /* wal_wait */
    /* Under the lock: */
    struct wal_entry *first, **last;
    size_t queued_bytes;
    bool closing;
    struct wal_hour_key keys[2];
    struct wal_hour_key *current; /* NULL: no key yet */
    int64_t hour_floor;
    struct wal_segment *segments;
    size_t segment_count, segment_capacity;
    uint64_t released, segment_bytes; /* segment_bytes: sum over segments[].end */
    struct wal_spare *spares;         /* the last is the next to be used */
    size_t spare_count, spare_capacity;
    pthread_cond_t keep; /* the keeper waits here */
    struct wal_status status;

    struct thread keeper; /* spare.c: unlinks, behind the others */

    /* The writer thread's own: */
    struct thread thread;
    int fd; /* -1: the next group opens a new segment */
    uint32_t number, next_number;
    uint64_t offset; /* all before it is durable */
    uint64_t next_sequence;
    uint64_t file_bytes;              /* of the open segment's file when it was begun */
    struct wal_segment_header header; /* of the open segment */
    bool header_pending;              /* not yet written */
    bool is_new_file;                 /* the open segment's: its name is not synced yet */
    struct wal_direct *direct;        /* NULL: the open segment goes through the page cache */
    int64_t group_started_ns, disk_checked_ns;
    uint64_t disk_checked_bytes;
};

/* segment.c, too: the table of live segments, under the lock. */
struct wal_segment *wal_segment_add(struct wal *wal, const struct wal_segment *segment);
struct wal_segment *wal_segment_find(struct wal *wal, uint32_t number);

/* spare.c: files of released segments, for the next ones. */
struct wal_retired {
    struct wal_spare *items;
    size_t count, capacity;
};
/* Take released segments out of the table, under the lock; the caller retires them without. */
void wal_segments_take_released(struct wal *wal, struct wal_retired *ret_retired);
void wal_segments_retire(struct wal *wal, struct wal_retired *retired);
void wal_spare_path(const char *dir, uint32_t number, char ret_path[WAL_PATH_MAX]);
/* Under the lock: into the table, as surplus when there is no room for it. */
void wal_spare_add(struct wal *wal, struct wal_spare spare);
/* Give a spare's file the name of segment `number`, durably; its descriptor and size.
 * ERR_NOT_FOUND: there is none. */
MUST_CHECK enum err wal_spare_take(struct wal *wal, uint32_t number, int *ret_fd,
                                   uint64_t *ret_bytes);
/* Under the lock: only this many stay. */
void wal_spares_trim(struct wal *wal, size_t keep);
/* Unlink all of them now, for the space; false: there were none. */
bool wal_spares_give_up(struct wal *wal);
void wal_keeper_run(void *arg);
int64_t wal_clock_hour(void);

/* direct.c: a segment written past the page cache, by whole pages.  A group is begin, add..., end;
 * then fdatasync of wal->fd, and keep when that went well. */
struct wal_direct;
struct wal_direct *wal_direct_open(struct wal *wal, const char *path);
void wal_direct_close(struct wal *wal, struct wal_direct *direct);
void wal_direct_begin(struct wal_direct *direct, uint64_t offset);
/* Copies the bytes; errno as file_write_at leaves it. */
MUST_CHECK enum err wal_direct_add(struct wal *wal, struct wal_direct *direct,
                                   const struct iovec *pieces, int count);
MUST_CHECK enum err wal_direct_end(struct wal *wal, struct wal_direct *direct);
void wal_direct_keep(struct wal_direct *direct);
bool wal_direct_is_on(const struct wal_direct *direct); /* false: the file system cannot */

/* reader.c, for ahead.c: what a reader owns, and where the record after that of the last
 * wal_read_at begins, as far as it is durable; segment 0: there is none yet. */
struct wal_ahead;
struct wal_ahead **wal_reader_ahead(struct wal_reader *reader);
struct wal *wal_reader_wal(struct wal_reader *reader);
struct wal_position wal_reader_following(struct wal_reader *reader);
void wal_ahead_free(struct wal_ahead *ahead);

/* recover.c: fills the table, cuts the torn tail, sets next_number, next_sequence. */
MUST_CHECK enum err wal_recover(struct wal *wal, struct diag *reterr_why);
/* writer.c */
void wal_writer_run(void *arg);
