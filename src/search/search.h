/* search.h -- words in prompts and answers: a blind index of content, and the search over it.
 *
 * The index is a file beside each content segment: for every stretch of some 512 KiB of text a
 * Bloom filter over its words, each word a keyed hash under a key of the project.  It only says
 * where a word cannot be.  What is left is decrypted, decompressed and read again, so a wrong or
 * missing index costs time and never a hit.  A thread behind the others makes it from what is
 * sealed or synced; what it has not come to is read whole.  Format: docs/formats/search.md.
 *
 * Memory:  one object per content store; hits live in the caller's arena.
 * Threads: search_run from any thread; each run has threads of its own, behind the others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "content/content.h"

enum {
    SEARCH_TEXT_BYTES_MAX = 1024, /* of what is searched for */
    SEARCH_WORDS_MAX = 64,        /* characters of scripts without spaces count as words */
    SEARCH_MARKS_MAX = 8,         /* shown in one snippet */
    SEARCH_THREADS_MAX = 16,
};

struct search;
struct search_config {
    struct content_store *content;
    const char *dir; /* of the index; made when absent */
    const struct sys_files *files;
    /* The search key of the project that a content key belongs to, and an id of that project. */
    enum err (*key_of)(void *arg, uint64_t key_id, uint64_t *ret_project,
                       struct crypt_key *ret_key);
    void *key_arg;
    uint32_t threads; /* of one search, 1 to SEARCH_THREADS_MAX */
    bool makes_index; /* false: every search reads everything */
};
MUST_CHECK enum err search_open(const struct search_config *config, struct search **ret_search,
                                struct diag *reterr_why);
void search_start(struct search *search); /* the thread that makes the index */
void search_stop(struct search *search);
void search_close(struct search *search);

/* ---- what is searched for ---- */

struct search_query;
/* Words, all of which must stand in one text; "several words" in that order; begin* the beginning
 * of a word.  Case, accents and what stands between words do not matter.  ERR_BAD_INPUT with the
 * offset. */
MUST_CHECK enum err search_parse(struct arena *arena, str text, struct search_query **ret_query,
                                 struct diag *reterr_why);
/* The words as they are compared, one per line: for a keyed hash of what was asked. */
MUST_CHECK str search_query_words(struct arena *arena, const struct search_query *query);

struct search_mark {
    uint32_t from, to; /* characters of the snippet */
};
struct search_snippet {
    str text; /* around the first place found; in the arena */
    struct search_mark marks[SEARCH_MARKS_MAX];
    uint32_t mark_count;
};
/* Does the JSON text of an item hold them?  ret_snippet may be NULL.  False, too, when the arena
 * is spent. */
bool search_item(const struct search_query *query, str json, struct buf *scratch,
                 struct arena *arena, struct search_snippet *ret_snippet);

/* ---- searching ---- */

/* Of a frame and an item in it; searched downwards.  Segment UINT64_MAX: everything. */
struct search_position {
    uint64_t segment;
    uint32_t offset, item; /* below this item, or, when it is 0, below this frame */
};
struct search_ask {
    const struct search_query *query;
    uint64_t project; /* as key_of says it */
    struct crypt_key key;
    struct search_position below;
    int64_t stored_from_ns; /* segments sealed before are left out; INT64_MIN: none */
    uint32_t hits_max;      /* enough; a few more may come */
    int64_t stop_ns;        /* monotonic: stop there, but not before one stretch is done */
};
struct search_hit {
    struct search_position position;
    struct content_pointer pointer;
    struct id16 trace_id;
    struct id8 owner;
    enum content_role role;
    struct search_snippet snippet;
};
struct search_answer {
    struct search_hit *hits; /* the last stored first */
    size_t count;
    struct search_position below; /* go on here; all above was searched */
    bool is_done;                 /* nothing is left below */
    bool was_stopped;             /* by time */
    int64_t stored_from_ns; /* all content stored from then on was searched; INT64_MAX: not known */
    uint64_t bytes_read;    /* plain bytes that were decrypted */
    uint64_t bytes_left;    /* stored bytes below */
    uint64_t unreadable;    /* frames: damaged, or their key is gone; stretches: away */
};
MUST_CHECK enum err search_run(struct search *search, const struct search_ask *ask,
                               struct arena *arena, struct search_answer *ret_answer,
                               struct diag *reterr_why);

struct search_status {
    uint64_t plain_bytes, index_bytes; /* indexed since the start; written for that */
    uint64_t waiting_bytes;            /* of content that has no index yet */
};
void search_status(const struct search *search, struct search_status *ret_status);
