/* store.c -- the door of the writing side: opening, appending, syncing, expiry.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "content/keeper_int.h"
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

/* Segments that are not here any more, but were sent; no number is used twice. */
static enum err sent_look(struct content_store *store, struct content_stream *stream,
                          struct diag *why)
{
    struct content_numbers sent, gone = { 0 };
    enum err err = content_sent_list(store->dir, stream->kind, SENT_FILE, &sent, why);
    if (err)
        return err;
    for (size_t i = 0; i < sent.count; i++) {
        uint64_t segment = content_stream_segment(stream, sent.items[i]);
        char path[CONTENT_PATH_MAX];
        struct content_sent of;
        content_path(store->dir, segment, path);
        stream->next_number = MAX(stream->next_number, sent.items[i] + 1);
        if (!content_sent_read(store->dir, segment, SENT_FILE, &of) || of.state != SENT_WHOLE)
            continue;
        atomic_fetch_add(&store->external.segments, 1);
        atomic_fetch_add(&store->external.bytes, of.object_bytes);
        if (!file_exists(path))
            content_totals_add(store, &of.footer, true);
    }
    xfree(sent.items);
    err = content_sent_list(store->dir, stream->kind, GONE_FILE, &gone, why);
    if (!err && gone.count)
        stream->next_number = MAX(stream->next_number, gone.items[gone.count - 1] + 1);
    xfree(gone.items);
    return err;
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
    return err ? err : sent_look(store, stream, why);
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
    store->gatherers.zstd = ZSTD_createCCtx();
    store->writers.zstd = ZSTD_createCCtx();
    assert(store->gatherers.zstd && store->writers.zstd);
    store->to_write = queue_new(CONTENT_WORK_COUNT);
    store->written = queue_new(CONTENT_WORK_COUNT);
    for (size_t i = 0; i < CONTENT_WORK_COUNT; i++) {
        struct content_work *work = &store->works[i];
        buf_init(&work->plain, CONTENT_WORK_BYTES + CONTENT_FRAME_BYTES_MAX);
        buf_init(&work->packed, 2 * (CONTENT_WORK_BYTES + CONTENT_FRAME_BYTES_MAX));
        work->tasks = xcalloc(CONTENT_WORK_FRAMES, sizeof *work->tasks);
        store->idle[store->idle_count++] = work;
    }
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        struct content_stream *stream = &store->streams[kind];
        stream->fd = stream->direct_fd = -1;
        stream->gcm = crypt_gcm_new();
    }
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT && !err; kind++)
        err = stream_open(store, kind, reterr_why);
    if (!err)
        err = content_keeper_start(store, reterr_why);
    if (err) {
        content_close(store);
        return err;
    }
    thread_start(&store->writer, "content", content_writer_run, store);
    *ret_store = store;
    return ERR_OK;
}

/* ---- frames ---- */

static bool is_of_kind(const struct content_item *item, enum content_kind kind)
{
    return (item->role == CONTENT_PREVIEW) == (kind == CONTENT_KIND_PREVIEW);
}

/* What the items of one kind come to, into *ret_frame. */
static enum err items_measure(const struct content_item *items, size_t count,
                              enum content_kind kind, struct content_frame *ret_frame,
                              struct diag *why)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_of_kind(&items[i], kind))
            continue;
        assert(items[i].role < CONTENT_ROLE_COUNT);
        ret_frame->role_mask |= UINT32_C(1) << items[i].role;
        ret_frame->item_count++;
        len += sizeof(struct content_item_head) + items[i].json.len;
    }
    if (len > CONTENT_FRAME_BYTES_MAX || ret_frame->item_count > CONTENT_ITEMS_MAX)
        return diag_set(why, ERR_TOO_LARGE, "the content of one trace is larger than %zu bytes",
                        CONTENT_FRAME_BYTES_MAX);
    ret_frame->plain_len = (uint32_t)len;
    return ERR_OK;
}

/* The heads of all, then the texts of all: so they compress best. */
static void items_encode(struct buf *plain, const struct content_item *items, size_t count,
                         enum content_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_of_kind(&items[i], kind))
            continue;
        struct content_item_head head = { .role = items[i].role,
                                          .len = (uint32_t)items[i].json.len };
        memcpy(head.owner, &items[i].owner, sizeof head.owner);
        buf_add(plain, &head, sizeof head);
    }
    for (size_t i = 0; i < count; i++)
        if (is_of_kind(&items[i], kind))
            buf_add_str(plain, items[i].json);
    assert(!buf_failed(plain));
}

/* ---- pieces of work: filled here, written by the writer's thread ---- */

/* Take back what the writer is done with; waits for a piece when there is none at hand. */
static void work_take_back(struct content_store *store)
{
    void *messages[CONTENT_WORK_COUNT];
    size_t got = queue_wait(store->written, messages, CONTENT_WORK_COUNT, -1);
    assert(got > 0);
    for (size_t i = 0; i < got; i++)
        store->idle[store->idle_count++] = messages[i];
}

/* The piece that the next frame goes into; a full one is handed over. */
static struct content_work *work_with_room(struct content_store *store)
{
    struct content_work *work = store->filling;
    if (work && (work->plain.len >= CONTENT_WORK_BYTES || work->count == CONTENT_WORK_FRAMES)) {
        if (queue_length(store->to_write) >= CONTENT_WORK_QUEUE)
            content_work_compress(&store->gatherers, work);
        bool sent = queue_send(store->to_write, work);
        assert(sent); /* it has room for all there are */
        store->filling = NULL;
    }
    if (!store->filling) {
        if (!store->idle_count)
            work_take_back(store);
        store->filling = store->idle[--store->idle_count];
    }
    return store->filling;
}

void content_work_finish(struct content_store *store)
{
    size_t held = store->filling ? 1 : 0;
    while (store->idle_count + held < CONTENT_WORK_COUNT)
        work_take_back(store);
    if (!held)
        return;
    content_work_write(store, store->filling); /* not worth waking the thread for */
    store->idle[store->idle_count++] = store->filling;
    store->filling = NULL;
}

void content_hurry(struct content_store *store, bool in_hurry)
{
    atomic_store(&store->in_hurry, in_hurry);
}

bool content_is_hurried(const struct content_store *store)
{
    return atomic_load(&store->in_hurry);
}

enum err content_append(struct content_store *store, struct id16 trace_id,
                        const struct crypt_key *key, uint64_t key_id,
                        const struct content_item *items, size_t count,
                        struct content_pointer *ret_pointer, struct content_pointer *ret_preview,
                        struct diag *reterr_why)
{
    struct content_pointer *const ret_pointers[] = { ret_pointer, ret_preview };
    struct content_frame frames[CONTENT_KIND_COUNT] = { 0 };
    *ret_pointer = *ret_preview = (struct content_pointer){ 0 };
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        enum err err = items_measure(items, count, kind, &frames[kind], reterr_why);
        if (err)
            return err;
    }
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        if (frames[kind].item_count == 0)
            continue;
        struct content_work *work = work_with_room(store);
        struct content_task *task = &work->tasks[work->count++];
        *task = (struct content_task){ .frame = frames[kind],
                                       .kind = kind,
                                       .key = *key,
                                       .plain_at = work->plain.len,
                                       .in_hurry = store->in_hurry,
                                       .ret_pointer = ret_pointers[kind] };
        task->frame.magic = CONTENT_FRAME_MAGIC;
        task->frame.key_id = key_id;
        memcpy(task->frame.trace_id, &trace_id, sizeof trace_id);
        items_encode(&work->plain, items, count, kind);
    }
    return ERR_OK;
}

/* So that content leaves a quiet server, too. */
static bool is_seal_due(const struct content_store *store, const struct content_stream *stream)
{
    int64_t since_ns = atomic_load(&stream->open_since_ns);
    return store->config.external.objects.url && since_ns &&
           clock_monotonic_ns() - since_ns >= store->config.external.after_ns;
}

bool content_seal_is_due(const struct content_store *store)
{
    bool is_due = false;
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++)
        is_due |= is_seal_due(store, &store->streams[kind]);
    return is_due;
}

enum err content_sync(struct content_store *store, struct diag *reterr_why)
{
    content_work_finish(store);
    enum err first = store->failure;
    if (first && reterr_why)
        *reterr_why = store->failure_why;
    store->failure = ERR_OK;
    store->failure_why = DIAG_NONE;
    bool lost = false;
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        enum err err = content_stream_sync(store, &store->streams[kind], first ? NULL : reterr_why);
        first = first ? first : err;
        lost |= store->streams[kind].lost;
        store->streams[kind].lost = false;
        if (!err && is_seal_due(store, &store->streams[kind]))
            (void)content_stream_seal(store, &store->streams[kind], NULL); /* it is synced */
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
    content_work_finish(store);
    queue_close(store->to_write);
    thread_join(&store->writer);
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        struct content_stream *stream = &store->streams[kind];
        (void)content_stream_seal(store, stream, NULL);
        crypt_gcm_free(stream->gcm);
        xfree(stream->memory);
    }
    content_keeper_stop(store);
    ZSTD_freeCCtx(store->gatherers.zstd);
    ZSTD_freeCCtx(store->writers.zstd);
    for (size_t i = 0; i < CONTENT_WORK_COUNT; i++) {
        buf_clear(&store->works[i].plain);
        buf_clear(&store->works[i].packed);
        xfree(store->works[i].tasks);
    }
    queue_free(store->to_write);
    queue_free(store->written);
    xfree(store->dir);
    xfree(store);
}

/* Objects that were sent, wherever the segment is, are deleted later by the keeper. */
static bool segment_expire(struct content_store *store, uint64_t segment, int64_t before_ns)
{
    char path[CONTENT_PATH_MAX];
    struct content_footer footer;
    struct content_sent sent;
    content_path(store->dir, segment, path);
    bool is_sent = content_sent_read(store->dir, segment, SENT_FILE, &sent);
    bool is_here = content_footer_read(store->config.files, path, &footer);
    if (!is_here && is_sent)
        footer = sent.footer;
    if ((!is_here && !is_sent) || footer.sealed_ns >= before_ns)
        return false;
    if (is_sent && content_sent_drop(store, segment, NULL))
        return false;
    if (is_sent && sent.state == SENT_WHOLE) {
        atomic_fetch_sub(&store->external.segments, 1);
        atomic_fetch_sub(&store->external.bytes, sent.object_bytes);
    }
    if (is_here && store->config.files->unlink(path) != 0)
        return false;
    atomic_fetch_add(&store->expired, 1);
    content_totals_add(store, &footer, false);
    return true;
}

enum err content_expire(struct content_store *store, bool previews, int64_t before_ns,
                        uint64_t *ret_segments, struct diag *reterr_why)
{
    struct content_stream *stream = &store->streams[previews];
    struct content_numbers here, sent = { 0 };
    enum err err = content_list(store->dir, stream->kind, &here, reterr_why);
    if (err)
        return err;
    err = content_sent_list(store->dir, stream->kind, SENT_FILE, &sent, reterr_why);
    uint64_t segments = 0;
    for (size_t i = 0; i < here.count + sent.count && !err; i++) {
        uint64_t number = i < here.count ? here.items[i] : sent.items[i - here.count];
        if (number != atomic_load(&stream->open_number))
            segments += segment_expire(store, content_stream_segment(stream, number), before_ns);
    }
    xfree(here.items);
    xfree(sent.items);
    if (err)
        return err;
    *ret_segments = segments;
    if (segments)
        content_keeper_wake(store);
    return ERR_OK;
}

void content_locate(struct content_store *store, struct content_pointer pointer,
                    struct content_location *ret_place)
{
    char path[CONTENT_PATH_MAX];
    struct content_sent sent;
    *ret_place = (struct content_location){ 0 };
    content_path(store->dir, pointer.segment, path);
    ret_place->is_here = file_exists(path);
    ret_place->is_external = content_sent_read(store->dir, pointer.segment, SENT_FILE, &sent) &&
                             sent.state == SENT_WHOLE;
    if (!ret_place->is_external)
        return;
    content_object_name(&sent.header, ret_place->object);
    content_index_name(&sent.header, ret_place->index);
}

static void external_status(struct content_store *store, struct content_external_status *ret)
{
    struct content_external_counts *counts = &store->external;
    int64_t since_ns = atomic_load(&counts->waiting_since_ns);
    *ret = (struct content_external_status){
        .is_configured = store->config.external.objects.url != NULL,
        .is_up = atomic_load(&counts->is_up),
        .sent_segments = atomic_load(&counts->sent_segments),
        .sent_bytes = atomic_load(&counts->sent_bytes),
        .failures = atomic_load(&counts->failures),
        .reads = atomic_load(&counts->reads),
        .read_bytes = atomic_load(&counts->read_bytes),
        .read_failures = atomic_load(&counts->read_failures),
        .cache_hits = atomic_load(&counts->cache_hits),
        .local_removed = atomic_load(&counts->local_removed),
        .deleted_objects = atomic_load(&counts->deleted_objects),
        .segments = atomic_load(&counts->segments),
        .bytes = atomic_load(&counts->bytes),
        .waiting_segments = atomic_load(&counts->waiting_segments),
        .waiting_bytes = atomic_load(&counts->waiting_bytes),
        .lag_ns = since_ns ? MAX(clock_now_ns() - since_ns, 0) : 0,
    };
}

void content_status(struct content_store *store, struct content_status *ret_status)
{
    *ret_status = (struct content_status){ .segments = atomic_load(&store->segments),
                                           .frames = atomic_load(&store->frames),
                                           .bytes_plain = atomic_load(&store->bytes_plain),
                                           .bytes_stored = atomic_load(&store->bytes_stored),
                                           .torn_bytes_cut = store->torn_bytes_cut,
                                           .damaged_places = store->damaged_places };
    external_status(store, &ret_status->external);
}
