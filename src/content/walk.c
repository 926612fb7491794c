/* walk.c -- the frames of a segment one after the other, without their texts.
 *
 * The index of words and a search without one read content in the order in which it lies.  The
 * last segment grows meanwhile: there a frame that is not whole is one that is being written, and
 * ends the walk; in a sealed segment it is damage, and the next good header goes on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "content/content_int.h"
#include "content/keeper_int.h"
#include <stdlib.h>

enum { SEARCH_BYTES = 1 << 16 };

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Those that are here and those that were sent, each once. */
static void numbers_join(struct content_numbers *here, const struct content_numbers *sent)
{
    size_t all = here->count + sent->count, kept = 0;
    here->items = xrealloc(here->items, (all + 1) * sizeof *here->items);
    if (sent->count)
        memcpy(here->items + here->count, sent->items, sent->count * sizeof *sent->items);
    if (all)
        qsort(here->items, all, sizeof *here->items, by_number);
    for (size_t i = 0; i < all; i++)
        if (kept == 0 || here->items[kept - 1] != here->items[i])
            here->items[kept++] = here->items[i];
    here->count = kept;
}

enum err content_segments(struct content_store *store, uint64_t **ret_numbers, size_t *ret_count,
                          struct diag *reterr_why)
{
    struct content_numbers here, sent;
    enum err err = content_sent_list(store->dir, CONTENT_KIND_MAIN, SENT_FILE, &sent, reterr_why);
    if (err)
        return err;
    err = content_list(store->dir, CONTENT_KIND_MAIN, &here, reterr_why);
    if (!err) {
        numbers_join(&here, &sent);
        *ret_numbers = here.items;
        *ret_count = here.count;
    }
    xfree(sent.items);
    return err;
}

enum err content_walk_begin(struct content_reader *reader, uint64_t segment, uint64_t from,
                            struct content_walk *ret_walk, struct diag *reterr_why)
{
    struct content_extent extent;
    enum err err = content_reader_extent(reader, segment, &extent, reterr_why);
    if (err)
        return err;
    *ret_walk = (struct content_walk){
        .segment = segment,
        .at = MAX(from, (uint64_t)CONTENT_HEADER_BYTES),
        .end = extent.size - (extent.is_sealed ? CONTENT_FOOTER_BYTES : 0),
        .is_sealed = extent.is_sealed,
        .created_ns = extent.header.created_ns,
        .sealed_ns = extent.is_sealed ? extent.footer.sealed_ns : 0,
    };
    memcpy(&ret_walk->id, extent.header.id, sizeof ret_walk->id);
    return ERR_OK;
}

/* A good header at `offset` whose frame fits. */
static bool frame_at(struct content_reader *reader, struct content_walk *walk, uint64_t offset,
                     struct content_frame *ret_frame)
{
    if (offset >= walk->end || walk->end - offset < sizeof *ret_frame)
        return false;
    enum err err =
        content_reader_bytes(reader, walk->segment, offset, ret_frame, sizeof *ret_frame, NULL);
    walk->is_away |= err == ERR_UNAVAILABLE || err == ERR_IO;
    return !err && content_frame_ok(ret_frame) &&
           ret_frame->stored_len <= walk->end - offset - sizeof *ret_frame;
}

static uint64_t find_frame(struct content_reader *reader, struct content_walk *walk, uint64_t from)
{
    const uint32_t magic = CONTENT_FRAME_MAGIC;
    char *bytes = xmalloc(SEARCH_BYTES);
    struct content_frame frame;
    while (from < walk->end && walk->end - from >= sizeof frame) {
        size_t len = (size_t)MIN((uint64_t)SEARCH_BYTES, walk->end - from);
        if (content_reader_bytes(reader, walk->segment, from, bytes, len, NULL) != ERR_OK)
            break;
        size_t found = str_find(str_make(bytes, len), str_make((const char *)&magic, sizeof magic));
        if (found < len && frame_at(reader, walk, from + found, &frame)) {
            xfree(bytes);
            return from + found;
        }
        from += found < len ? found + 1 : len - 3;
    }
    xfree(bytes);
    return walk->end;
}

bool content_walk_next(struct content_reader *reader, struct content_walk *walk,
                       struct content_place *ret_place)
{
    struct content_frame frame;
    if (walk->at >= walk->end)
        return false;
    if (!frame_at(reader, walk, walk->at, &frame)) {
        if (!walk->is_sealed || walk->is_away)
            return false;
        walk->at = find_frame(reader, walk, walk->at + 1);
        if (!frame_at(reader, walk, walk->at, &frame))
            return false;
    }
    uint32_t len = (uint32_t)sizeof frame + frame.stored_len;
    *ret_place = (struct content_place){ .pointer = { walk->segment, (uint32_t)walk->at, len },
                                         .key_id = frame.key_id,
                                         .plain_len = frame.plain_len };
    memcpy(&ret_place->trace_id, frame.trace_id, sizeof ret_place->trace_id);
    walk->at += len;
    return true;
}
