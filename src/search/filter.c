/* filter.c -- a Bloom filter: ten bits for a word, seven of them asked; wrong once in 120.
 *
 * A word is hashed without a key, so that a text is read fast, and the hash goes through AES under
 * the project's key, many at a time: without the key nobody can say which bits a word has.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "search/search_int.h"

_Static_assert(sizeof(struct filter_hash) == CRYPT_BLOCK_BYTES, "a hash is a block");

size_t filter_bytes(size_t words)
{
    size_t len = (words * FILTER_BITS_PER_WORD + 63) / 64 * 8;
    return MIN(MAX(len, (size_t)8), (size_t)FILTER_BYTES_MAX);
}

static size_t bit_of(struct filter_hash hash, unsigned probe, size_t bits)
{
    uint64_t place = (hash.first + probe * (hash.second | 1)) >> 32;
    return (size_t)(place * bits >> 32);
}

void filter_add(unsigned char *filter, size_t len, struct filter_hash hash)
{
    for (unsigned i = 0; i < FILTER_PROBES; i++) {
        size_t bit = bit_of(hash, i, len * 8);
        filter[bit / 8] = (unsigned char)(filter[bit / 8] | 1U << bit % 8);
    }
}

bool filter_has(const unsigned char *filter, size_t len, struct filter_hash hash)
{
    for (unsigned i = 0; i < FILTER_PROBES; i++) {
        size_t bit = bit_of(hash, i, len * 8);
        if (!(filter[bit / 8] >> bit % 8 & 1))
            return false;
    }
    return true;
}

void filter_hashes(struct crypt_blocks *blocks, struct filter_hash *hashes, size_t count)
{
    crypt_blocks_run(blocks, hashes, count);
}
