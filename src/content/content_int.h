/* content_int.h -- the format of content segments, shared by content/ and its tests.
 *
 * docs/formats/content.md explains every byte.
 *
 * Memory:  plain data but for the store and the reader, which own what they hold.
 * Threads: appending belongs to one thread, the streams to who holds the work (writer.c);
 *          counters are atomic.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "content/content.h"
#include "sys/queue.h"
#include "sys/thread.h"
#include <stdatomic.h>
#include <zstd.h>

enum {
    CONTENT_HEADER_BYTES = 64,
    CONTENT_FOOTER_BYTES = 64,
    CONTENT_FRAME_HEADER_BYTES = 64,
    CONTENT_FRAME_AAD_BYTES = 56,
    CONTENT_ITEM_BYTES = 16,
    CONTENT_ID_BYTES = 16,
    CONTENT_VERSION = 1,
    CONTENT_WORK_COUNT = 16, /* pieces of work that circulate */
    CONTENT_WORK_FRAMES = 1024,
    CONTENT_WORK_QUEUE = 4, /* with so many waiting for the writer, the gatherer compresses */
    CONTENT_PATH_MAX = 4096,
};
#define CONTENT_MAGIC "TTSEG\r\n\x1a"
#define CONTENT_FRAME_MAGIC UINT32_C(0x46544c54)
#define CONTENT_FOOTER_MAGIC UINT32_C(0x45544c54)

#define CONTENT_KEEP_BYTES (4 * MIB)   /* of memory between frames */
#define CONTENT_WORK_BYTES (256 * KIB) /* plain bytes that are handed to the writer together */
#define CONTENT_WRITE_BYTES (1 * MIB)  /* a write: the page cache takes large ones at a third */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

enum content_kind { CONTENT_KIND_MAIN, CONTENT_KIND_PREVIEW, CONTENT_KIND_COUNT };

struct content_header {
    uint8_t magic[8];
    uint32_t version;
    uint32_t kind;
    uint64_t number;
    uint8_t id[CONTENT_ID_BYTES]; /* random: salt of the frame keys */
    int64_t created_ns;
    uint64_t reserved;
    uint32_t reserved2;
    uint32_t crc;
};
_Static_assert(sizeof(struct content_header) == CONTENT_HEADER_BYTES, "no padding");

struct content_frame {
    uint32_t magic;
    uint32_t stored_len; /* ciphertext and tag */
    uint32_t plain_len;
    uint32_t role_mask;
    uint8_t trace_id[16];
    uint64_t key_id;
    uint32_t counter;        /* the nonce */
    uint32_t durable_offset; /* bytes of the segment that were synced before */
    uint32_t flags;
    uint32_t item_count;
    uint32_t payload_crc;
    uint32_t crc;
};
_Static_assert(sizeof(struct content_frame) == CONTENT_FRAME_HEADER_BYTES, "no padding");
enum { CONTENT_FLAG_ZSTD = 1 };

struct content_footer {
    uint32_t magic;
    uint32_t frames;
    uint64_t bytes_plain, bytes_stored;
    int64_t sealed_ns; /* when the last frame can have been written at the latest */
    uint64_t reserved[3];
    uint32_t reserved2;
    uint32_t crc;
};
_Static_assert(sizeof(struct content_footer) == CONTENT_FOOTER_BYTES, "no padding");

struct content_item_head {
    uint8_t owner[8];
    uint32_t role;
    uint32_t len;
};
_Static_assert(sizeof(struct content_item_head) == CONTENT_ITEM_BYTES, "no padding");

/* frame.c */
void content_header_close(struct content_header *header);
bool content_header_ok(const struct content_header *header);
void content_footer_close(struct content_footer *footer);
bool content_footer_ok(const struct content_footer *footer);
bool content_frame_ok(const struct content_frame *frame);
void content_frame_key(const struct crypt_key *subject_key, const uint8_t id[CONTENT_ID_BYTES],
                       struct crypt_key *ret_key);
/* Fills in payload_crc and crc, and writes header and ciphertext to ret_bytes. */
void content_frame_seal(struct crypt_gcm *gcm, const struct crypt_key *frame_key,
                        struct content_frame *frame, const char *stored, char *ret_bytes);
MUST_CHECK bool content_frame_open(struct crypt_gcm *gcm, const struct crypt_key *frame_key,
                                   const struct content_frame *frame, const char *sealed,
                                   char *ret_stored);
/* `stored` is what was encrypted: decompress if need be, then take the items apart. */
MUST_CHECK enum err content_items_decode(ZSTD_DCtx *zstd, const struct content_frame *frame,
                                         str stored, struct arena *arena,
                                         struct content_item **ret_items, size_t *ret_count,
                                         struct diag *reterr_why);

/* segment.c */
void content_path(const char *dir, uint64_t segment, char ret_path[CONTENT_PATH_MAX]);
struct content_numbers {
    uint64_t *items; /* of one kind, ascending, without the bit */
    size_t count, capacity;
};
MUST_CHECK enum err content_list(const char *dir, enum content_kind kind,
                                 struct content_numbers *ret_numbers, struct diag *reterr_why);
/* The same with `more` behind the usual ending, as ".sent". */
MUST_CHECK enum err content_list_ending(const char *dir, enum content_kind kind, const char *more,
                                        struct content_numbers *ret_numbers,
                                        struct diag *reterr_why);
/* The footer of a sealed segment; false when it has none. */
bool content_footer_read(const struct sys_files *files, const char *path,
                         struct content_footer *ret_footer);

/* recover.c: what a crash left unsealed is cut and sealed. */
struct content_recovered {
    struct content_footer footer;
    uint64_t torn_bytes, damaged_places;
    bool removed; /* nothing was in it */
};
MUST_CHECK enum err content_recover(const struct sys_files *files, const char *path,
                                    struct content_recovered *ret_recovered,
                                    struct diag *reterr_why);

struct content_stream {
    enum content_kind kind;
    int fd;        /* -1: the next frame opens a segment */
    int direct_fd; /* the same file past the page cache; -1: not here */
    uint64_t number, next_number;
    uint64_t offset, written, synced; /* of the end; of what the file has; of what is durable */
    uint64_t memory_at;               /* offset of waiting[0], at a block */
    char *waiting, *memory;           /* aligned to a block; as allocated */
    size_t capacity;
    uint32_t counter;
    uint8_t id[CONTENT_ID_BYTES];
    struct crypt_gcm *gcm;
    struct crypt_key subject_key, frame_key; /* of the last frame: most have the same */
    bool has_frame_key;
    struct content_footer totals; /* of the open segment */
    struct content_footer synced_totals;
    bool name_pending;             /* the folder is not synced since it was made */
    bool lost;                     /* frames since the last sync are gone: say so at the next one */
    _Atomic uint64_t open_number;  /* for content_expire */
    _Atomic int64_t open_since_ns; /* when its first frame came, monotonic; 0: none yet */
};

struct content_compressor {
    ZSTD_CCtx *zstd;
    unsigned effort; /* what zstd is set to */
    uint64_t hurried_frames, tried_plain, tried_stored;
};

/* A frame to be made. */
struct content_task {
    struct content_frame frame; /* what is known before it is compressed */
    enum content_kind kind;
    struct crypt_key key; /* of its subject */
    size_t plain_at;      /* in the piece of work */
    str stored;           /* what is encrypted, once that is known */
    bool in_hurry;
    struct content_pointer *ret_pointer;
};

/* Frames that are handed to the writer together. */
struct content_work {
    struct buf plain, packed;
    bool is_packed;             /* its tasks are compressed */
    struct content_task *tasks; /* CONTENT_WORK_FRAMES */
    size_t count;
};

/* Of segments in an object store, of any thread; as in struct content_external_status. */
struct content_external_counts {
    _Atomic bool is_stopping, is_up;
    _Atomic int64_t away_until_ns; /* monotonic: readers do not ask before */
    _Atomic uint64_t sent_segments, sent_bytes, failures, reads, read_bytes, read_failures,
        cache_hits, local_removed, deleted_objects, segments, bytes, waiting_segments,
        waiting_bytes;
    _Atomic int64_t waiting_since_ns; /* wall clock; 0: nothing waits */
};

struct content_store {
    struct content_config config;
    char *dir;
    /* Of who appends: */
    struct content_work works[CONTENT_WORK_COUNT];
    struct content_work *filling, *idle[CONTENT_WORK_COUNT];
    size_t idle_count;
    _Atomic bool in_hurry;
    struct content_compressor gatherers;
    struct queue *to_write, *written; /* pieces of work: to the writer, and back */
    struct thread writer;
    /* Of who holds the work that is written, writer.c: */
    struct content_stream streams[CONTENT_KIND_COUNT];
    struct content_compressor writers;
    enum err failure; /* the first since the last sync */
    struct diag failure_why;
    /* Of any thread: */
    _Atomic uint64_t segments, frames, bytes_plain, bytes_stored;
    uint64_t torn_bytes_cut, damaged_places;
    _Atomic uint64_t expired;      /* segments, since the start: readers forget what they hold */
    struct content_keeper *keeper; /* NULL: nothing is sent */
    struct content_external_counts external;
};

/* store.c: until all that was appended has its place in a stream; the streams are then the
 * caller's, until it appends more. */
void content_work_finish(struct content_store *store);

/* reader.c: bytes of a segment as they are on disk. */
MUST_CHECK enum err content_reader_bytes(struct content_reader *reader, uint64_t segment,
                                         uint64_t offset, void *ret_bytes, size_t len,
                                         struct diag *reterr_why);
/* How far a segment goes, here or sent.  ERR_NOT_FOUND: it has expired. */
struct content_extent {
    struct content_header header;
    struct content_footer footer; /* when it is sealed */
    bool is_sealed;
    uint64_t size; /* bytes, with header and footer */
};
MUST_CHECK enum err content_reader_extent(struct content_reader *reader, uint64_t segment,
                                          struct content_extent *ret_extent,
                                          struct diag *reterr_why);
struct content_store *content_reader_store(struct content_reader *reader);

/* compress.c */
void content_work_compress(struct content_compressor *compressor, struct content_work *work);

/* writer.c */
/* Compress, seal and place its frames, and empty it.  A failure stays in store->failure. */
void content_work_write(struct content_store *store, struct content_work *work);
void content_writer_run(void *arg);

/* stream.c */
uint64_t content_stream_segment(const struct content_stream *stream, uint64_t number);
void content_totals_add(struct content_store *store, const struct content_footer *footer, bool add);
/* Where a frame of that size is to be written, in the open segment; it counts once the caller
 * adds `size` to stream->offset.  On failure the segment was given up. */
MUST_CHECK enum err content_stream_reserve(struct content_store *store,
                                           struct content_stream *stream, size_t size,
                                           char **ret_to, struct diag *why);
MUST_CHECK enum err content_stream_sync(struct content_store *store, struct content_stream *stream,
                                        struct diag *why);
/* Sync, add the footer, sync, leave.  Without a footer the next start seals it. */
enum err content_stream_seal(struct content_store *store, struct content_stream *stream,
                             struct diag *why);
/* Give back what a huge frame needed. */
MUST_CHECK enum err content_stream_trim(struct content_store *store, struct content_stream *stream,
                                        struct diag *why);
