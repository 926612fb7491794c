/* tokens.h -- how many tokens a text is, by the tokenizer of a model.
 *
 * Byte-pair encoding as OpenAI's models do it: a text is split into pieces by the
 * pattern of its encoding (split.c), and each piece into tokens of the vocabulary
 * (merge.c).  The two vocabularies are part of the binary, compressed; one is
 * unpacked when it is first asked for: 25 ms, then 4.5 MB (o200k_base) or 2.3 MB.
 *
 * A text that looks like a special token is counted as the text it is.  Runs longer
 * than TOKENS_PIECE_MAX bytes without a place to split are cut there, which may add a
 * token per cut.  Character classes are those of the Python that built the binary.
 *
 * Memory:  owned by struct tokens.
 * Threads: one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum tokens_encoding { TOKENS_CL100K, TOKENS_O200K, TOKENS_ENCODINGS };
enum { TOKENS_PIECE_MAX = 64 * 1024 };

struct tokens;
struct tokens *tokens_new(void);
void tokens_free(struct tokens *tokens);

/* Tokens of a text; bytes that are no UTF-8 are counted as bytes. */
uint64_t tokens_count(struct tokens *tokens, enum tokens_encoding encoding, str text);
/* The same, told: the first `max` ranks go to ret_ranks. */
uint64_t tokens_encode(struct tokens *tokens, enum tokens_encoding encoding, str text,
                       uint32_t *ret_ranks, size_t max);

/* The encoding of a model by its name, any provider's prefix before it; *ret_exact: it is
 * the model's own, else the nearest that there is. */
enum tokens_encoding tokens_encoding_of(str model, bool *ret_exact);
