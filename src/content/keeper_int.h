/* keeper_int.h -- segments in an object store: what was sent, who sends, who fetches.
 *
 * Of a segment NNNNNNNN.seg (or .prv) that is being sent, or was, there is a small file
 * NNNNNNNN.seg.sent: what must be known of it when the segment itself is here no more.
 * NNNNNNNN.seg.gone stands for one that expired and whose objects are still to be deleted.
 * Format: docs/formats/content.md.
 *
 * Memory:  as each function says.
 * Threads: a keeper has one of its own; fetching belongs to a reader's thread; the counters and
 *          `away_until_ns` are atomic.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "content/content_int.h"
#include "content/objects.h"

enum { SENT_VERSION = 1, SENT_BYTES = 200, INDEX_LINE_BYTES = 55 };
#define SENT_MAGIC "TTSENT\r\n"
enum sent_state { SENT_BEGUN, SENT_WHOLE };

struct content_sent {
    uint8_t magic[8];
    uint32_t version;
    uint32_t state;
    struct content_header header; /* of the segment */
    struct content_footer footer;
    uint64_t object_bytes;
    uint8_t sha256[CRYPT_SHA256_BYTES]; /* of the object */
    int64_t sent_ns;
    uint32_t reserved;
    uint32_t crc;
};
_Static_assert(sizeof(struct content_sent) == SENT_BYTES, "no padding");

/* ---- sent.c ---- */
bool content_sent_ok(const struct content_sent *sent);
enum sent_kind { SENT_FILE, GONE_FILE };
void content_sent_path(const char *dir, uint64_t segment, enum sent_kind kind,
                       char ret_path[CONTENT_PATH_MAX]);
/* False: there is none that is whole. */
bool content_sent_read(const char *dir, uint64_t segment, enum sent_kind kind,
                       struct content_sent *ret_sent);
MUST_CHECK enum err content_sent_write(const char *dir, uint64_t segment, struct content_sent *sent,
                                       struct diag *reterr_why);
/* It expired: what was sent is to be deleted. */
MUST_CHECK enum err content_sent_drop(struct content_store *store, uint64_t segment,
                                      struct diag *reterr_why);
/* As content_list, of the files that stand for segments. */
MUST_CHECK enum err content_sent_list(const char *dir, enum content_kind kind, enum sent_kind which,
                                      struct content_numbers *ret_numbers, struct diag *reterr_why);
void content_object_name(const struct content_header *header, char ret_name[OBJECT_NAME_MAX]);
void content_index_name(const struct content_header *header, char ret_name[OBJECT_NAME_MAX]);

/* ---- send.c: one segment goes up, whole and checked ---- */
MUST_CHECK enum err content_send(struct content_store *store, struct objects *objects,
                                 uint64_t segment, struct diag *reterr_why);

/* ---- keeper.c ---- */
struct content_keeper {
    struct thread thread;
    struct queue *wake; /* of content_keeper_wake: any message */
    struct objects *objects;
    int64_t failing_for_ns; /* how long the next pause is; 0: all is well */
    int64_t asked_ns;       /* when the store last answered, monotonic */
    bool is_reported;       /* that it fails */
    bool has_readme;
};
MUST_CHECK enum err content_keeper_start(struct content_store *store, struct diag *reterr_why);
void content_keeper_stop(struct content_store *store);
void content_keeper_wake(struct content_store *store);
/* A request was answered, or not: for some seconds readers do not try. */
void content_external_note(struct content_store *store, enum err err);

/* ---- far.c: frames of segments that are not here ---- */
struct content_far;
struct content_far *content_far_new(struct content_store *store);
void content_far_free(struct content_far *far);
void content_far_forget(struct content_far *far); /* what was fetched */
/* The `len` bytes of the segment's object at the pointer, into ret_bytes. */
MUST_CHECK enum err content_far_read(struct content_far *far, const struct content_sent *sent,
                                     struct content_pointer pointer, char *ret_bytes,
                                     struct diag *reterr_why);
