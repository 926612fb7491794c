/* store.c -- writing content: items become frames of the open segment of their kind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "content/content_int.h"
#include "sys/clock.h"
#include <errno.h>
#include <fcntl.h>

/* ---- opening ---- */

static enum err segment_look(struct content_store *store, uint64_t segment, struct diag *why)
{
    char path[CONTENT_PATH_MAX];
    content_path(store->dir, segment, path);
    struct content_footer footer;
    if (content_footer_read(store->config.files, path, &footer)) {
        content_totals_add(store, &footer, true);
        return ERR_OK;
    }
    struct content_recovered recovered;
    enum err err = content_recover(store->config.files, path, &recovered, why);
    if (err)
        return err;
    store->torn_bytes_cut += recovered.torn_bytes;
    store->damaged_places += recovered.damaged_places;
    if (!recovered.removed)
        content_totals_add(store, &recovered.footer, true);
    return ERR_OK;
}

static enum err stream_open(struct content_store *store, enum content_kind kind, struct diag *why)
{
    struct content_stream *stream = &store->streams[kind];
    stream->kind = kind;
    stream->next_number = 1;
    struct content_numbers numbers;
    enum err err = content_list(store->dir, kind, &numbers, why);
    if (err)
        return err;
    for (size_t i = 0; i < numbers.count && !err; i++) {
        err = segment_look(store, content_stream_segment(stream, numbers.items[i]), why);
        stream->next_number = numbers.items[i] + 1;
    }
    xfree(numbers.items);
    return err;
}

enum err content_open(const struct content_config *config, struct content_store **ret_store,
                      struct diag *reterr_why)
{
    assert(config->dir && config->files && config->key_by_id);
    enum err err = dir_ensure(config->dir, 0700, reterr_why);
    if (err)
        return err;
    struct content_store *store = xcalloc(1, sizeof *store);
    store->config = *config;
    store->dir = xstrdup_str(str_from_c(config->dir));
    if (!store->config.segment_bytes_max)
        store->config.segment_bytes_max = 128 * MIB;
    assert(store->config.segment_bytes_max <= 1024 * MIB);
    store->zstd = ZSTD_createCCtx();
    assert(store->zstd);
    buf_init(&store->plain, CONTENT_FRAME_BYTES_MAX);
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        struct content_stream *stream = &store->streams[kind];
        stream->fd = stream->direct_fd = -1;
        stream->gcm = crypt_gcm_new();
    }
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT && !err; kind++)
        err = stream_open(store, kind, reterr_why);
    if (err) {
        content_close(store);
        return err;
    }
    *ret_store = store;
    return ERR_OK;
}

/* ---- frames ---- */

/* Items of one kind, encoded into store->plain. */
static enum err items_encode(struct content_store *store, enum content_kind kind,
                             const struct content_item *items, size_t count,
                             struct content_frame *frame, struct diag *why)
{
    struct buf *plain = &store->plain;
    buf_reset(plain);
    for (int texts = 0; texts < 2; texts++) {
        for (size_t i = 0; i < count; i++) {
            if ((items[i].role == CONTENT_PREVIEW) != (kind == CONTENT_KIND_PREVIEW))
                continue;
            if (texts) {
                buf_add_str(plain, items[i].json);
                continue;
            }
            assert(items[i].role < CONTENT_ROLE_COUNT);
            struct content_item_head head = {
                .role = items[i].role, .len = (uint32_t)MIN(items[i].json.len, (size_t)UINT32_MAX)
            };
            memcpy(head.owner, &items[i].owner, sizeof head.owner);
            buf_add(plain, &head, sizeof head);
            frame->role_mask |= UINT32_C(1) << items[i].role;
            frame->item_count++;
        }
    }
    if (buf_failed(plain) || frame->item_count > CONTENT_ITEMS_MAX)
        return diag_set(why, ERR_TOO_LARGE, "the content of one trace is larger than %zu bytes",
                        CONTENT_FRAME_BYTES_MAX);
    frame->plain_len = (uint32_t)plain->len;
    return ERR_OK;
}

/* How much of a text is compared with what stood before it. */
enum effort {
    EFFORT_UNSET,
    EFFORT_LEVEL_1, /* four times the cost of the cipher */
    EFFORT_REPEATS, /* every 32nd byte or so: what repeats over hundreds of bytes is found */
    EFFORT_LETTERS, /* nothing; they take half their room by their frequency */
};

static void effort_set(struct content_store *store, enum effort effort)
{
    enum { LITERALS = ZSTD_c_experimentalParam5, LITERALS_ALWAYS = 1 };
    const struct {
        ZSTD_cParameter name;
        int value;
    } hurried[] = { { ZSTD_c_strategy, ZSTD_fast },
                    { ZSTD_c_minMatch, 7 },
                    { ZSTD_c_targetLength, effort == EFFORT_REPEATS ? 32 : 1024 },
                    { (ZSTD_cParameter)LITERALS, LITERALS_ALWAYS } };
    if (store->effort == effort)
        return;
    store->effort = effort;
    size_t code = ZSTD_CCtx_reset(store->zstd, ZSTD_reset_session_and_parameters);
    assert(!ZSTD_isError(code));
    code = ZSTD_CCtx_setParameter(store->zstd, ZSTD_c_compressionLevel, 1);
    assert(!ZSTD_isError(code));
    for (size_t i = 0; effort != EFFORT_LEVEL_1 && i < COUNT_OF(hurried); i++)
        (void)ZSTD_CCtx_setParameter(store->zstd, hurried[i].name, hurried[i].value);
}

/* In a hurry repeats are looked for in some frames, and in all while they are found. */
static enum effort effort_of_next(struct content_store *store)
{
    enum { ROUND_FRAMES = 64, TRIED_FRAMES = 8, FOUND_TENTHS = 19 };
    if (!store->in_hurry)
        return EFFORT_LEVEL_1;
    uint64_t number = store->hurried_frames++ % ROUND_FRAMES;
    if (number == 0)
        store->tried_plain = store->tried_stored = 0;
    bool is_found = store->tried_plain * 10 >= store->tried_stored * FOUND_TENTHS;
    return number < TRIED_FRAMES || is_found ? EFFORT_REPEATS : EFFORT_LETTERS;
}

void content_hurry(struct content_store *store, bool in_hurry)
{
    store->in_hurry = in_hurry;
}

/* What is encrypted: compressed, unless that does not help, or it is previews in a hurry, which
 * are short: making a code for their letters costs as much as using it saves. */
static const char *frame_compress(struct content_store *store, enum content_kind kind,
                                  struct content_frame *frame)
{
    frame->stored_len = (uint32_t)store->plain.len + CRYPT_TAG_BYTES;
    if (kind == CONTENT_KIND_PREVIEW && store->in_hurry)
        return store->plain.ptr;
    size_t bound = ZSTD_compressBound(store->plain.len);
    if (bound > store->stored_capacity) {
        store->stored = xrealloc(store->stored, bound);
        store->stored_capacity = bound;
    }
    effort_set(store, effort_of_next(store));
    size_t len =
        ZSTD_compress2(store->zstd, store->stored, bound, store->plain.ptr, store->plain.len);
    if (ZSTD_isError(len))
        return store->plain.ptr;
    if (store->effort == EFFORT_REPEATS) {
        store->tried_plain += store->plain.len;
        store->tried_stored += len;
    }
    if (len >= store->plain.len)
        return store->plain.ptr;
    frame->flags |= CONTENT_FLAG_ZSTD;
    frame->stored_len = (uint32_t)len + CRYPT_TAG_BYTES;
    return store->stored;
}

static const struct crypt_key *frame_key(struct content_stream *stream, const struct crypt_key *key)
{
    if (stream->has_frame_key && crypt_equal(&stream->subject_key, key, sizeof *key))
        return &stream->frame_key;
    content_frame_key(key, stream->id, &stream->frame_key);
    stream->subject_key = *key;
    stream->has_frame_key = true;
    return &stream->frame_key;
}

static void count_frame(struct content_store *store, struct content_stream *stream,
                        const struct content_frame *frame, size_t size)
{
    stream->totals.frames++;
    stream->totals.bytes_plain += frame->plain_len;
    stream->totals.bytes_stored += size;
    atomic_fetch_add(&store->frames, 1);
    atomic_fetch_add(&store->bytes_plain, frame->plain_len);
    atomic_fetch_add(&store->bytes_stored, size);
}

static enum err append_kind(struct content_store *store, enum content_kind kind,
                            struct content_frame frame, const struct crypt_key *key,
                            const struct content_item *items, size_t count,
                            struct content_pointer *ret_pointer, struct diag *why)
{
    struct content_stream *stream = &store->streams[kind];
    *ret_pointer = (struct content_pointer){ 0 };
    enum err err = items_encode(store, kind, items, count, &frame, why);
    if (err || frame.item_count == 0)
        return err;
    const char *stored = frame_compress(store, kind, &frame);
    size_t size = sizeof frame + frame.stored_len;
    char *to;
    err = content_stream_reserve(store, stream, size, &to, why);
    if (err)
        return err;
    frame.counter = stream->counter++;
    frame.durable_offset = (uint32_t)stream->synced;
    content_frame_seal(stream->gcm, frame_key(stream, key), &frame, stored, to);
    *ret_pointer =
        (struct content_pointer){ .segment = content_stream_segment(stream, stream->number),
                                  .offset = (uint32_t)stream->offset,
                                  .len = (uint32_t)size };
    stream->offset += size;
    count_frame(store, stream, &frame, size);
    return ERR_OK;
}

/* One huge trace is no reason to keep so much memory. */
static enum err memory_trim(struct content_store *store, struct diag *why)
{
    if (store->plain.capacity > CONTENT_KEEP_BYTES) {
        buf_clear(&store->plain);
        xfree(store->stored);
        store->stored = NULL;
        store->stored_capacity = 0;
    }
    enum err err = ERR_OK;
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT && !err; kind++)
        err = content_stream_trim(store, &store->streams[kind], why);
    return err;
}

enum err content_append(struct content_store *store, struct id16 trace_id,
                        const struct crypt_key *key, uint64_t key_id,
                        const struct content_item *items, size_t count,
                        struct content_pointer *ret_pointer, struct content_pointer *ret_preview,
                        struct diag *reterr_why)
{
    struct content_frame frame = { .magic = CONTENT_FRAME_MAGIC, .key_id = key_id };
    memcpy(frame.trace_id, &trace_id, sizeof trace_id);
    struct content_pointer pointer = { 0 }, preview = { 0 };
    enum err err =
        append_kind(store, CONTENT_KIND_MAIN, frame, key, items, count, &pointer, reterr_why);
    if (!err)
        err = append_kind(store, CONTENT_KIND_PREVIEW, frame, key, items, count, &preview,
                          reterr_why);
    enum err trimmed = memory_trim(store, err ? NULL : reterr_why);
    err = err ? err : trimmed;
    if (!err) {
        *ret_pointer = pointer;
        *ret_preview = preview;
    }
    return err;
}

enum err content_sync(struct content_store *store, struct diag *reterr_why)
{
    enum err first = ERR_OK;
    bool lost = false;
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        enum err err = content_stream_sync(store, &store->streams[kind], first ? NULL : reterr_why);
        first = first ? first : err;
        lost |= store->streams[kind].lost;
        store->streams[kind].lost = false;
    }
    if (!first && lost)
        return diag_set(reterr_why, ERR_IO,
                        "content since the last sync was lost: append it again");
    return first;
}

/* ---- the rest of the door ---- */

void content_close(struct content_store *store)
{
    if (!store)
        return;
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        struct content_stream *stream = &store->streams[kind];
        (void)content_stream_seal(store, stream, NULL);
        crypt_gcm_free(stream->gcm);
        xfree(stream->memory);
    }
    ZSTD_freeCCtx(store->zstd);
    buf_clear(&store->plain);
    xfree(store->stored);
    xfree(store->dir);
    xfree(store);
}

enum err content_expire(struct content_store *store, bool previews, int64_t before_ns,
                        uint64_t *ret_segments, struct diag *reterr_why)
{
    struct content_stream *stream = &store->streams[previews];
    struct content_numbers numbers;
    enum err err = content_list(store->dir, stream->kind, &numbers, reterr_why);
    if (err)
        return err;
    *ret_segments = 0;
    for (size_t i = 0; i < numbers.count; i++) {
        char path[CONTENT_PATH_MAX];
        struct content_footer footer;
        content_path(store->dir, content_stream_segment(stream, numbers.items[i]), path);
        if (numbers.items[i] == atomic_load(&stream->open_number) ||
            !content_footer_read(store->config.files, path, &footer) ||
            footer.sealed_ns >= before_ns || store->config.files->unlink(path) != 0)
            continue;
        content_totals_add(store, &footer, false);
        (*ret_segments)++;
    }
    xfree(numbers.items);
    return ERR_OK;
}

void content_status(struct content_store *store, struct content_status *ret_status)
{
    *ret_status = (struct content_status){ .segments = atomic_load(&store->segments),
                                           .frames = atomic_load(&store->frames),
                                           .bytes_plain = atomic_load(&store->bytes_plain),
                                           .bytes_stored = atomic_load(&store->bytes_stored),
                                           .torn_bytes_cut = store->torn_bytes_cut,
                                           .damaged_places = store->damaged_places };
}
