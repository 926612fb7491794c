/* tokens_int.h -- what the files of tokens/ share.
 *
 * Memory:  a vocabulary is one block for its bytes and two arrays.
 * Threads: see tokens.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "tokens/tokens.h"
#include <stddef.h>
#include <stdint.h>

/* Of a character, as the patterns ask: tools/gen_tokens.py writes them by these numbers. */
enum char_class {
    CLASS_OTHER,
    CLASS_UPPER,  /* Lu, Lt */
    CLASS_LOWER,  /* Ll */
    CLASS_LETTER, /* Lm, Lo: stands for upper and for lower */
    CLASS_MARK,   /* M */
    CLASS_NUMBER, /* N */
    CLASS_SPACE,
    CLASS_NEWLINE, /* \r, \n */
};

struct packed_vocabulary {
    const char *bytes;
    size_t len, unpacked_len;
    uint32_t count;
};
extern const struct packed_vocabulary packed_vocabularies[TOKENS_ENCODINGS];
extern const uint8_t class_index[0x1100];
extern const uint8_t class_blocks[][256];

enum { NO_RANK = UINT32_MAX >> 1 };

struct slot {
    uint32_t tag; /* upper half of the hash */
    uint32_t rank;
};

struct vocabulary {
    char *bytes;      /* length, token; length, token; ... */
    uint32_t *places; /* of each rank */
    struct slot *slots;
    uint32_t slot_mask;
    uint32_t count;
};

struct tokens {
    struct vocabulary vocabularies[TOKENS_ENCODINGS];
    struct merge_node *nodes; /* of a long piece; made on first use */
    uint64_t *heap;
};

/* ---- tokens.c ---- */
/* NO_RANK when the bytes are no token. */
uint32_t rank_of(const struct vocabulary *vocabulary, const char *bytes, size_t len);

/* ---- split.c ---- */
/* Length of the piece that text begins with; text is not empty. */
size_t piece_cl100k(str text);
size_t piece_o200k(str text);

/* ---- merge.c ---- */
/* Tokens of a piece; the first `max` ranks go to ret_ranks. */
size_t merge_piece(struct tokens *tokens, const struct vocabulary *vocabulary, str piece,
                   uint32_t *ret_ranks, size_t max);
