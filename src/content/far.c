/* far.c -- frames of segments that are not here: one ranged request each, and a few kept.
 *
 * What is kept is what was fetched, sealed.  After a request that was not answered nobody asks
 * for AWAY_NS, so that a store that is away costs its time limit once, not once per question.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "content/keeper_int.h"
#include "sys/clock.h"

enum { FAR_FRAMES = 64 };
#define AWAY_NS (5 * NS_PER_S)

struct kept {
    struct content_pointer pointer; /* segment 0: free */
    char *bytes;
    uint64_t used_at;
};

struct content_far {
    struct content_store *store;
    struct objects *objects; /* NULL until the first request */
    struct kept kept[FAR_FRAMES];
    size_t kept_bytes;
    uint64_t uses;
};

/* Where a piece of the answer goes. */
struct arriving {
    char *to;
    size_t len;
};

struct content_far *content_far_new(struct content_store *store)
{
    struct content_far *far = xcalloc(1, sizeof *far);
    far->store = store;
    return far;
}

static void kept_drop(struct content_far *far, struct kept *kept)
{
    if (kept->pointer.segment)
        far->kept_bytes -= kept->pointer.len;
    xfree(kept->bytes);
    *kept = (struct kept){ 0 };
}

void content_far_forget(struct content_far *far)
{
    for (size_t i = 0; i < FAR_FRAMES; i++)
        kept_drop(far, &far->kept[i]);
}

void content_far_free(struct content_far *far)
{
    if (!far)
        return;
    content_far_forget(far);
    objects_close(far->objects);
    xfree(far);
}

/* A piece that holds all of it. */
static struct kept *kept_find(struct content_far *far, struct content_pointer pointer)
{
    for (size_t i = 0; i < FAR_FRAMES; i++) {
        struct kept *kept = &far->kept[i];
        if (kept->pointer.segment == pointer.segment && kept->pointer.offset <= pointer.offset &&
            (uint64_t)kept->pointer.offset + kept->pointer.len >=
                (uint64_t)pointer.offset + pointer.len) {
            kept->used_at = ++far->uses;
            return kept;
        }
    }
    return NULL;
}

static struct kept *kept_oldest(struct content_far *far)
{
    struct kept *oldest = NULL;
    for (size_t i = 0; i < FAR_FRAMES; i++)
        if (far->kept[i].pointer.segment && (!oldest || far->kept[i].used_at < oldest->used_at))
            oldest = &far->kept[i];
    return oldest;
}

static void keep(struct content_far *far, struct content_pointer pointer, const char *bytes)
{
    size_t max = far->store->config.external.cache_bytes;
    if (pointer.len > max)
        return;
    struct kept *place = NULL;
    while (far->kept_bytes + pointer.len > max)
        kept_drop(far, kept_oldest(far));
    for (size_t i = 0; i < FAR_FRAMES && !place; i++)
        if (!far->kept[i].pointer.segment)
            place = &far->kept[i];
    if (!place) {
        place = kept_oldest(far);
        kept_drop(far, place);
    }
    *place = (struct kept){ pointer, xmalloc(pointer.len), ++far->uses };
    memcpy(place->bytes, bytes, pointer.len);
    far->kept_bytes += pointer.len;
}

static bool on_piece(void *arg, str bytes)
{
    struct arriving *arriving = arg;
    if (bytes.len > arriving->len)
        return false;
    memcpy(arriving->to, bytes.ptr, bytes.len);
    arriving->to += bytes.len;
    arriving->len -= bytes.len;
    return true;
}

void content_external_note(struct content_store *store, enum err err)
{
    bool is_away = err == ERR_UNAVAILABLE;
    atomic_store(&store->external.is_up, !is_away);
    atomic_store(&store->external.away_until_ns, is_away ? clock_monotonic_ns() + AWAY_NS : 0);
}

static enum err fetch(struct content_far *far, const struct content_sent *sent,
                      struct content_pointer pointer, char *ret_bytes, struct diag *why)
{
    struct content_store *store = far->store;
    char name[OBJECT_NAME_MAX];
    struct diag detail = DIAG_NONE;
    if (!far->objects) {
        enum err err = objects_open(&store->config.external.objects, &far->objects, why);
        if (err)
            return err;
    }
    content_object_name(&sent->header, name);
    struct arriving arriving = { ret_bytes, pointer.len };
    enum err err =
        objects_get(far->objects, name, (struct object_range){ pointer.offset, pointer.len },
                    (struct object_sink){ on_piece, &arriving }, &detail);
    content_external_note(store, err);
    if (err == ERR_UNAVAILABLE) {
        diag_set(why, err, "this content is in the external store, which is away for now: %s",
                 detail.text);
        diag_hint(why, "%s", detail.hint[0] ? detail.hint : "nothing is lost: try again");
    } else if (err) {
        diag_set(why, err, "%s", detail.text);
    }
    return err;
}

enum err content_far_read(struct content_far *far, const struct content_sent *sent,
                          struct content_pointer pointer, char *ret_bytes, struct diag *reterr_why)
{
    struct content_store *store = far->store;
    const struct kept *kept = kept_find(far, pointer);
    if (kept) {
        memcpy(ret_bytes, kept->bytes + (pointer.offset - kept->pointer.offset), pointer.len);
        atomic_fetch_add(&store->external.cache_hits, 1);
        return ERR_OK;
    }
    if (!store->config.external.objects.url)
        return diag_set(reterr_why, ERR_UNAVAILABLE,
                        "this content is in an external store, and none is configured "
                        "(content.external_url)");
    if ((uint64_t)pointer.offset + pointer.len > sent->object_bytes)
        return diag_set(reterr_why, ERR_CORRUPT, "the content segment ends before the frame does");
    if (clock_monotonic_ns() < atomic_load(&store->external.away_until_ns)) {
        diag_set(reterr_why, ERR_UNAVAILABLE,
                 "this content is in the external store, which is away for now");
        diag_hint(reterr_why, "nothing is lost: try again in some seconds");
        return ERR_UNAVAILABLE;
    }
    enum err err = fetch(far, sent, pointer, ret_bytes, reterr_why);
    atomic_fetch_add(err ? &store->external.read_failures : &store->external.reads, 1);
    if (err)
        return err;
    atomic_fetch_add(&store->external.read_bytes, pointer.len);
    keep(far, pointer, ret_bytes);
    return ERR_OK;
}
