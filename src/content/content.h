/* content.h -- prompts and answers: immutable encrypted segments, grouped by trace.
 *
 * Drain gives the content of a settled trace; it is written as one frame per
 * trace and subject (and one for its previews, in a file of its own), zstd-compressed, sealed with
 * AES-256-GCM under a key derived from the subject key and the segment id, nonce =
 * frame counter.  A segment is never changed after it is sealed; deleting is an
 * unlink.  Frames say which key they need by its id; without the key they are
 * unreadable, which is what erasure relies on.  Format: docs/formats/content.md.
 *
 * Memory:  items borrow for the call; reads append to the caller's buf.
 * Threads: one writer (drain), helped by a thread that compresses and seals; readers from any
 *          thread, each with its own reader.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "content/objects.h"
#include "model/span.h"
#include "sys/crypt.h"
#include "sys/file.h"

struct content_store;

/* Sealed segments may live in an object store: docs/external-content.md. */
struct content_external {
    struct objects_config objects; /* url NULL: they stay here; its is_stopped is ours to set */
    int64_t after_ns;              /* a segment is sealed and sent so long after it began */
    int64_t keep_local_ns;         /* a copy stays here so long after the segment was sealed */
    uint64_t keep_local_bytes;     /* over it the oldest copies go earlier */
    size_t cache_bytes;            /* of frames that were fetched, per reader */
};

struct content_config {
    const char *dir;
    const struct sys_files *files;
    enum err (*key_by_id)(void *arg, uint64_t key_id, struct crypt_key *ret_key);
    void *key_arg;
    size_t segment_bytes_max; /* 0: 128 MiB; at most 1 GiB */
    struct content_external external;
    uint64_t disk_free_bytes_min; /* below twice that, copies of what was sent go at once */
};
#define CONTENT_FRAME_BYTES_MAX (64 * MIB) /* of items before compression: ERR_TOO_LARGE */
enum { CONTENT_ITEMS_MAX = 1 << 20 };

/* Previews live in files of their own (kept longer, or shorter); their pointers say so
 * by this bit of the segment number, so that both kinds are stored and read alike. */
#define CONTENT_SEGMENT_PREVIEW (UINT64_C(1) << 62)

struct content_pointer {
    uint64_t segment; /* number in the file name, from 1, and maybe the bit; 0: no content */
    uint32_t offset;
    uint32_t len; /* of the frame on disk */
};
struct content_item {
    struct id8 owner; /* span id or log id */
    enum content_role role;
    str json;
};

MUST_CHECK enum err content_open(const struct content_config *config,
                                 struct content_store **ret_store, struct diag *reterr_why);
void content_close(struct content_store *store);
/* Append one frame of the items that are not previews, and one of those that are
 * (role CONTENT_PREVIEW), each to its own kind of segment.  The pointers are filled in
 * by content_sync: until then they must stay where they are; segment 0 says that there
 * was no such item.  Nothing is stored, nor can be read, before content_sync, and the
 * keystore must be synced before that.  ERR_TOO_LARGE: nothing of this call counts. */
MUST_CHECK enum err content_append(struct content_store *store, struct id16 trace_id,
                                   const struct crypt_key *key, uint64_t key_id,
                                   const struct content_item *items, size_t count,
                                   struct content_pointer *ret_pointer,
                                   struct content_pointer *ret_preview, struct diag *reterr_why);
/* Frames from now on: compressed in half the time, to about 1.7 times the size (prose; what
 * repeats over hundreds of bytes costs the same), previews not at all.  For a writer that is
 * behind. */
void content_hurry(struct content_store *store, bool in_hurry);
/* Everything appended so far is on disk.  ERR_IO, ERR_DISK_FULL: everything appended since the
 * last successful sync is lost and must be appended again (the log still has it). */
MUST_CHECK enum err content_sync(struct content_store *store, struct diag *reterr_why);
/* Remove sealed segments of one kind whose last frame was written before that time; the objects
 * of those that were sent are deleted by the keeper, soon.  From any thread. */
MUST_CHECK enum err content_expire(struct content_store *store, bool previews, int64_t before_ns,
                                   uint64_t *ret_segments, struct diag *reterr_why);

struct content_reader;
struct content_reader *content_reader_new(struct content_store *store);
void content_reader_free(struct content_reader *reader);
/* Items of a frame, decoded into the arena. ERR_NOT_FOUND: key destroyed or segment expired;
 * ERR_CORRUPT; ERR_UNAVAILABLE: it is in the object store, and that does not answer now. */
MUST_CHECK enum err content_read(struct content_reader *reader, struct content_pointer pointer,
                                 struct arena *arena, struct content_item **ret_items,
                                 size_t *ret_count, struct diag *reterr_why);
/* ---- walking over the frames of a segment: for the index of words ---- */

struct content_place {
    struct content_pointer pointer;
    struct id16 trace_id;
    uint64_t key_id;
    uint32_t plain_len;
};
/* Segments that are not of previews, ascending; the caller's, xfree. */
MUST_CHECK enum err content_segments(struct content_store *store, uint64_t **ret_numbers,
                                     size_t *ret_count, struct diag *reterr_why);
struct content_walk {
    uint64_t segment;
    uint64_t at, end; /* offsets: of the next frame; of what is written */
    bool is_sealed;
    bool is_away;                  /* it ended because the bytes could not be had, for now */
    int64_t created_ns, sealed_ns; /* sealed_ns: 0 while it is not */
    struct id16 id;                /* of the segment: random */
};
/* From the offset `from` on (0: the first frame).  ERR_NOT_FOUND: it has expired. */
MUST_CHECK enum err content_walk_begin(struct content_reader *reader, uint64_t segment,
                                       uint64_t from, struct content_walk *ret_walk,
                                       struct diag *reterr_why);
/* False at the end, and at what is not whole yet; damage of a sealed one is passed over. */
bool content_walk_next(struct content_reader *reader, struct content_walk *walk,
                       struct content_place *ret_place);
/* Drain is behind: whatever can wait leaves the processors to it.  From any thread. */
bool content_is_hurried(const struct content_store *store);

/* Is it time for content_sync to seal a segment, without anything to append?  From any thread. */
bool content_seal_is_due(const struct content_store *store);

/* Where a frame is, for operators. */
struct content_location {
    bool is_here, is_external;                            /* neither: expired */
    char object[OBJECT_NAME_MAX], index[OBJECT_NAME_MAX]; /* names behind the URL; "": not sent */
};
void content_locate(struct content_store *store, struct content_pointer pointer,
                    struct content_location *ret_place);

struct content_external_status {
    bool is_configured, is_up;                    /* is_up: the last request was answered */
    uint64_t sent_segments, sent_bytes, failures; /* since the start */
    uint64_t reads, read_bytes, read_failures, cache_hits;
    uint64_t local_removed, deleted_objects;
    uint64_t segments, bytes;                 /* that were sent and are not expired, now */
    uint64_t waiting_segments, waiting_bytes; /* sealed and not sent yet */
    int64_t lag_ns;                           /* age of the oldest of them */
};
struct content_status {
    uint64_t segments, frames, bytes_plain, bytes_stored; /* of both kinds, here or sent, now */
    uint64_t torn_bytes_cut, damaged_places;              /* by the last recovery */
    struct content_external_status external;
};
void content_status(struct content_store *store, struct content_status *ret_status);
