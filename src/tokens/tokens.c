/* tokens.c -- vocabularies, unpacked when first asked for, and who uses which.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "tokens/tokens_int.h"
#include "wire/decompress.h"

uint32_t rank_of(const struct vocabulary *vocabulary, const char *bytes, size_t len)
{
    uint64_t hash = hash_bytes(bytes, len);
    uint32_t tag = (uint32_t)(hash >> 32);
    for (uint32_t at = (uint32_t)hash & vocabulary->slot_mask;;
         at = (at + 1) & vocabulary->slot_mask) {
        const struct slot *slot = &vocabulary->slots[at];
        if (slot->rank == NO_RANK)
            return NO_RANK;
        if (slot->tag != tag)
            continue;
        const char *token = vocabulary->bytes + vocabulary->places[slot->rank];
        if ((unsigned char)token[0] == len && memcmp(token + 1, bytes, len) == 0)
            return slot->rank;
    }
}

static void slot_take(struct vocabulary *vocabulary, uint32_t rank)
{
    const char *token = vocabulary->bytes + vocabulary->places[rank];
    uint64_t hash = hash_bytes(token + 1, (unsigned char)token[0]);
    uint32_t at = (uint32_t)hash & vocabulary->slot_mask;
    while (vocabulary->slots[at].rank != NO_RANK)
        at = (at + 1) & vocabulary->slot_mask;
    vocabulary->slots[at] = (struct slot){ (uint32_t)(hash >> 32), rank };
}

static void unpack(struct vocabulary *vocabulary, const struct packed_vocabulary *packed)
{
    struct decompress *decompress = decompress_new();
    struct buf out;
    buf_init(&out, packed->unpacked_len);
    enum err err = decompress_all(decompress, DECOMPRESS_DEFLATE,
                                  str_make(packed->bytes, packed->len), &out, NULL);
    decompress_free(decompress);
    assert(!err && out.len == packed->unpacked_len);
    size_t len;
    vocabulary->bytes = buf_take(&out, &len);
    vocabulary->count = packed->count;
    vocabulary->places = xcalloc(packed->count, sizeof *vocabulary->places);
    uint32_t slot_count = 1024;
    while (slot_count < packed->count + packed->count / 4)
        slot_count *= 2;
    vocabulary->slots = xcalloc(slot_count, sizeof *vocabulary->slots);
    vocabulary->slot_mask = slot_count - 1;
    for (uint32_t i = 0; i < slot_count; i++)
        vocabulary->slots[i].rank = NO_RANK;
    uint32_t place = 0;
    for (uint32_t rank = 0; rank < packed->count; rank++) {
        assert(place < len);
        vocabulary->places[rank] = place;
        slot_take(vocabulary, rank);
        place += 1u + (unsigned char)vocabulary->bytes[place];
    }
    assert(place == len);
}

struct tokens *tokens_new(void)
{
    return xcalloc(1, sizeof(struct tokens));
}

void tokens_free(struct tokens *tokens)
{
    if (!tokens)
        return;
    for (size_t i = 0; i < TOKENS_ENCODINGS; i++) {
        xfree(tokens->vocabularies[i].bytes);
        xfree(tokens->vocabularies[i].places);
        xfree(tokens->vocabularies[i].slots);
    }
    xfree(tokens->nodes);
    xfree(tokens->heap);
    xfree(tokens);
}

uint64_t tokens_encode(struct tokens *tokens, enum tokens_encoding encoding, str text,
                       uint32_t *ret_ranks, size_t max)
{
    assert(encoding < TOKENS_ENCODINGS);
    struct vocabulary *vocabulary = &tokens->vocabularies[encoding];
    if (!vocabulary->bytes)
        unpack(vocabulary, &packed_vocabularies[encoding]);
    uint64_t count = 0;
    while (text.len) {
        str window = str_sub(text, 0, TOKENS_PIECE_MAX); /* so that no run is walked twice */
        size_t len = encoding == TOKENS_CL100K ? piece_cl100k(window) : piece_o200k(window);
        assert(len > 0 && len <= window.len);
        size_t room = count < max ? max - (size_t)count : 0;
        count += merge_piece(tokens, vocabulary, str_sub(text, 0, len),
                             room ? ret_ranks + count : NULL, room);
        text = str_from(text, len);
    }
    return count;
}

uint64_t tokens_count(struct tokens *tokens, enum tokens_encoding encoding, str text)
{
    return tokens_encode(tokens, encoding, text, NULL, 0);
}

enum tokens_encoding tokens_encoding_of(str model, bool *ret_exact)
{
    static const struct {
        str start;
        enum tokens_encoding encoding;
    } models[] = {
#define MODEL(start, encoding) { STR(start), TOKENS_##encoding },
#include "tokens/model.def"
#undef MODEL
    };
    for (size_t at; (at = str_find_char(model, '/')) < model.len;)
        model = str_from(model, at + 1);
    if (str_starts(model, STR_OF("ft:")))
        model = str_from(model, 3);
    *ret_exact = true;
    for (size_t i = 0; i < COUNT_OF(models); i++)
        if (str_starts(model, models[i].start))
            return models[i].encoding;
    *ret_exact = false;
    return TOKENS_O200K;
}
