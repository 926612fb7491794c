/* search_int.h -- what the files of search/ share: words, filters, the index files.
 *
 * docs/formats/search.md explains every byte of the index.
 *
 * Memory:  plain data, but where it says otherwise.
 * Threads: an object belongs to one thread; struct search is constant but for its counters.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "search/search.h"
#include "sys/queue.h"
#include "sys/thread.h"
#include <stdatomic.h>

/* ---- words.c: a text into words ---- */

enum { WORD_BYTES_MAX = 64, WORD_ROOM = WORD_BYTES_MAX + 32 + 8 };
struct word {
    uint64_t hash;     /* of its folded bytes, the first WORD_BYTES_MAX of them */
    uint32_t from, to; /* bytes of the text */
    bool is_single;    /* one character of a script without spaces */
};
struct words {
    str text;
    size_t at;
    uint32_t len; /* of what the last word was folded to, at most WORD_BYTES_MAX */
    char folded[WORD_ROOM];
};
void words_init(struct words *words, str text); /* at most UINT32_MAX bytes */
bool words_next(struct words *words, struct word *ret_word);
/* Two singles side by side. */
uint64_t word_pair(uint64_t first, uint64_t second);

/* ---- texts.c: the texts that people read in the JSON of an item ---- */

struct texts {
    str json;
    size_t at;
    uint32_t depth;
    uint64_t objects; /* bit per depth: an object, not an array */
    bool expects_key, skips_value;
    struct buf *scratch; /* of texts with escapes */
};
void texts_init(struct texts *texts, str json, struct buf *scratch);
/* The next string or number that is a value; it lives until the next call.  The names of members
 * are left out, and role, type and finish_reason of messages and their parts. */
bool texts_next(struct texts *texts, str *ret_text);

/* ---- filter.c: which words a stretch has ---- */

enum { FILTER_BITS_PER_WORD = 10, FILTER_PROBES = 7, FILTER_BYTES_MAX = 64 * 1024 * 1024 };
struct filter_hash {
    uint64_t first, second; /* of a word, under the key */
};
size_t filter_bytes(size_t words); /* what a filter of so many takes, at most FILTER_BYTES_MAX */
void filter_add(unsigned char *filter, size_t len, struct filter_hash hash);
bool filter_has(const unsigned char *filter, size_t len, struct filter_hash hash);
/* In place: word hashes (second 0) become what filters take. */
void filter_hashes(struct crypt_blocks *blocks, struct filter_hash *hashes, size_t count);

/* ---- the index of a segment ---- */

enum {
    INDEX_HEADER_BYTES = 64,
    INDEX_BLOCK_BYTES = 64,
    INDEX_VERSION = 1,
    INDEX_WORDS_VERSION = 1, /* of words.c, texts.c and the table of characters */
    INDEX_PATH_MAX = 4096,
    INDEX_PROJECTS_MAX = 256, /* in one stretch */
};
#define INDEX_MAGIC "TTIDX\r\n\x1a"
#define INDEX_BLOCK_MAGIC UINT32_C(0x58444954)
#define INDEX_PLAIN_BYTES (512 * KIB) /* of a stretch, unless one frame is larger */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

struct index_header {
    uint8_t magic[8];
    uint32_t version, words_version;
    uint64_t segment;
    uint8_t segment_id[16];
    uint8_t reserved[20];
    uint32_t crc;
};
_Static_assert(sizeof(struct index_header) == INDEX_HEADER_BYTES, "no padding");

struct index_block {
    uint32_t magic;
    uint32_t from, to; /* offsets of the segment: the stretch */
    uint32_t filter_len;
    uint32_t filter_crc;
    uint32_t words; /* in the filter */
    uint64_t plain_bytes;
    uint8_t reserved[28];
    uint32_t crc;
};
_Static_assert(sizeof(struct index_block) == INDEX_BLOCK_BYTES, "no padding");

/* index.c */
void index_path(const char *dir, uint64_t segment, char ret_path[INDEX_PATH_MAX]);
void index_header_make(const struct content_walk *walk, struct index_header *ret_header);
bool index_header_ok(const struct index_header *header, const struct content_walk *walk);
void index_block_close(struct index_block *block);
/* Good in itself, and the one that follows offset `from`. */
bool index_block_ok(const struct index_block *block, uint64_t from);

/* A stretch of a segment that is searched at once. */
struct stretch {
    uint64_t from, to;
    uint64_t filter_at; /* in the index file; 0: no filter */
    uint32_t filter_len, filter_crc;
};
struct stretches {
    struct stretch *items; /* ascending; xfree */
    size_t count, capacity;
    int fd;            /* of the index; -1: none */
    uint64_t end;      /* of what the filters cover */
    uint64_t file_end; /* in the index file, of the blocks that are good */
};
void stretches_add(struct stretches *stretches, const struct stretch *stretch);
/* Those that the index of the walk's segment has; none when there is no good one. */
void index_read(const struct search_config *config, const struct content_walk *walk,
                struct stretches *ret_stretches);
void index_leave(const struct search_config *config, struct stretches *stretches);
/* False: the filter is damaged.  Grows *room. */
bool index_filter(const struct search_config *config, const struct stretches *stretches,
                  const struct stretch *stretch, struct buf *room);

/* ---- builder.c ---- */
void builder_run(void *arg);

/* ---- query.c ---- */

struct query_word {
    uint64_t hash;
    uint32_t len; /* of folded */
    char folded[WORD_BYTES_MAX];
    bool is_prefix;
};
/* All words of all terms, one behind the other; the automaton of match.c has a bit for each. */
struct search_query {
    struct query_word words[SEARCH_WORDS_MAX];
    uint32_t count;
    uint64_t starts, ends;                 /* bits of words that begin, and end, a term */
    uint64_t probes[2 * SEARCH_WORDS_MAX]; /* that a filter must have */
    uint32_t probe_count;
};

struct search {
    struct search_config config;
    char *dir;
    struct thread builder;
    struct queue *stop; /* closed to stop the builder */
    _Atomic uint64_t plain_bytes, index_bytes, waiting_bytes;
};
