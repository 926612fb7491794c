/* keeper.c -- the thread that sends sealed segments to the object store, deletes objects of
 * expired ones, and removes local copies that were sent.
 *
 * One round looks at the folder, so that a start needs no memory of what was under way; it is
 * run when a segment was sealed, every POLL_NS, and after a failure in pauses that double up
 * to FAILING_NS_MAX.  Nobody waits for a round: while the store is away segments stay here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "content/keeper_int.h"
#include "sys/clock.h"
#include "sys/log.h"
#include <stdlib.h>

#define POLL_NS (10 * NS_PER_S)
#define FAILING_NS_MIN (NS_PER_S / 2)
#define FAILING_NS_MAX (60 * NS_PER_S)
#define ASK_NS (60 * NS_PER_S) /* without anything to send: is it still there? */
#define README_NAME "README.txt"

static const char readme[] =
    "This folder belongs to a Telltale server: prompts and answers in encrypted segments.\n"
    "\n"
    "NNNNNNNN-ID.seg        a segment of content; NNNNNNNN-ID.prv: of previews\n"
    "NNNNNNNN-ID.seg.index  its frames, a line of 55 bytes each, sorted:\n"
    "                       TRACE_ID OFFSET LENGTH\n"
    "\n"
    "Nothing here can be read without the keys of that server.  The server deletes what has\n"
    "expired; what is deleted or changed by others is lost.  Format: docs/formats/content.md.\n";

/* What a round knows of a sealed segment that is here. */
struct local {
    uint64_t segment;
    int64_t sealed_ns;
    uint64_t bytes;
    bool is_sent;
};

struct round {
    struct content_store *store;
    struct content_keeper *keeper;
    struct local *locals; /* oldest first */
    size_t count;
};

static bool is_stopping(void *arg)
{
    const struct content_store *store = arg;
    return atomic_load(&store->external.is_stopping);
}

/* An answer of the store, or none. */
static enum err answered(struct round *round, enum err err)
{
    content_external_note(round->store, err);
    if (err == ERR_UNAVAILABLE)
        atomic_fetch_add(&round->store->external.failures, 1);
    else
        round->keeper->asked_ns = clock_monotonic_ns();
    return err;
}

/* ---- what is here ---- */

static int by_age(const void *a, const void *b)
{
    const struct local *left = a, *right = b;
    return (left->sealed_ns > right->sealed_ns) - (left->sealed_ns < right->sealed_ns);
}

static void look_at(struct round *round, uint64_t segment)
{
    char path[CONTENT_PATH_MAX];
    struct content_footer footer;
    struct content_sent sent;
    content_path(round->store->dir, segment, path);
    int64_t bytes = file_size(path);
    if (bytes < 0 || !content_footer_read(round->store->config.files, path, &footer))
        return;
    round->locals[round->count++] = (struct local){
        .segment = segment,
        .sealed_ns = footer.sealed_ns,
        .bytes = (uint64_t)bytes,
        .is_sent = content_sent_read(round->store->dir, segment, SENT_FILE, &sent) &&
                   sent.state == SENT_WHOLE,
    };
}

static enum err look(struct round *round, struct diag *why)
{
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT; kind++) {
        struct content_stream *stream = &round->store->streams[kind];
        struct content_numbers numbers;
        enum err err = content_list(round->store->dir, kind, &numbers, why);
        if (err)
            return err;
        round->locals =
            xrealloc(round->locals, (round->count + numbers.count + 1) * sizeof round->locals[0]);
        for (size_t i = 0; i < numbers.count; i++)
            if (numbers.items[i] != atomic_load(&stream->open_number))
                look_at(round, content_stream_segment(stream, numbers.items[i]));
        xfree(numbers.items);
    }
    qsort(round->locals, round->count, sizeof round->locals[0], by_age);
    return ERR_OK;
}

static void count_waiting(const struct round *round)
{
    struct content_external_counts *counts = &round->store->external;
    uint64_t segments = 0, bytes = 0;
    int64_t since_ns = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct local *local = &round->locals[i];
        if (local->is_sent)
            continue;
        since_ns = segments ? since_ns : local->sealed_ns;
        segments++;
        bytes += local->bytes;
    }
    atomic_store(&counts->waiting_segments, segments);
    atomic_store(&counts->waiting_bytes, bytes);
    atomic_store(&counts->waiting_since_ns, since_ns);
}

/* ---- the steps of a round ---- */

static enum err objects_delete(struct round *round, uint64_t segment, struct diag *why)
{
    struct content_sent sent;
    char path[CONTENT_PATH_MAX], name[OBJECT_NAME_MAX];
    content_sent_path(round->store->dir, segment, GONE_FILE, path);
    if (content_sent_read(round->store->dir, segment, GONE_FILE, &sent)) {
        content_object_name(&sent.header, name);
        enum err err = objects_remove(round->keeper->objects, name, why);
        content_index_name(&sent.header, name);
        if (!err)
            err = objects_remove(round->keeper->objects, name, why);
        if (answered(round, err))
            return err;
        atomic_fetch_add(&round->store->external.deleted_objects, 2);
    }
    (void)round->store->config.files->unlink(path);
    return ERR_OK;
}

static enum err delete_gone(struct round *round, struct diag *why)
{
    enum err err = ERR_OK;
    for (enum content_kind kind = 0; kind < CONTENT_KIND_COUNT && !err; kind++) {
        struct content_stream *stream = &round->store->streams[kind];
        struct content_numbers numbers;
        err = content_sent_list(round->store->dir, kind, GONE_FILE, &numbers, why);
        if (err)
            return err;
        for (size_t i = 0; i < numbers.count && !err; i++)
            err = objects_delete(round, content_stream_segment(stream, numbers.items[i]), why);
        xfree(numbers.items);
    }
    return err;
}

static enum err send_waiting(struct round *round, struct diag *why)
{
    for (size_t i = 0; i < round->count; i++) {
        struct local *local = &round->locals[i];
        if (local->is_sent || is_stopping(round->store))
            continue;
        enum err err = content_send(round->store, round->keeper->objects, local->segment, why);
        if (err == ERR_IO || err == ERR_CORRUPT || err == ERR_DISK_FULL) { /* of this machine */
            log_warn("a content segment cannot be sent", KV_ERR(err), KV_WHY(why),
                     KV_U64("segment", local->segment & ~CONTENT_SEGMENT_PREVIEW));
            continue;
        }
        if (answered(round, err))
            return err;
        local->is_sent = true;
        count_waiting(round);
    }
    return ERR_OK;
}

static bool readme_read(void *arg, uint64_t offset, char *ret_bytes, size_t len)
{
    (void)arg;
    memcpy(ret_bytes, readme + offset, len);
    return true;
}

static bool on_readme(void *arg, str bytes)
{
    (void)arg;
    (void)bytes;
    return true;
}

/* The first request writes a note for people; a later one, after a while of silence, reads it. */
static enum err ask(struct round *round, struct diag *why)
{
    struct content_keeper *keeper = round->keeper;
    if (!keeper->has_readme) {
        struct object_body body = { .read = readme_read, .bytes = sizeof readme - 1 };
        crypt_sha256(readme, sizeof readme - 1, body.sha256);
        enum err err = answered(round, objects_put(keeper->objects, README_NAME, &body, why));
        keeper->has_readme = !err;
        return err;
    }
    if (clock_monotonic_ns() - keeper->asked_ns < ASK_NS)
        return ERR_OK;
    enum err err = objects_get(keeper->objects, README_NAME, (struct object_range){ 0 },
                               (struct object_sink){ on_readme, NULL }, why);
    keeper->has_readme = err != ERR_NOT_FOUND;
    return answered(round, err) == ERR_UNAVAILABLE ? err : ERR_OK;
}

/* Only what was sent, whole and compared; the rest stays, whatever the limits say. */
static void remove_local(struct round *round)
{
    struct content_store *store = round->store;
    const struct content_external *external = &store->config.external;
    int64_t free_bytes = disk_free_bytes(store->dir);
    bool is_full = free_bytes >= 0 && (uint64_t)free_bytes / 2 < store->config.disk_free_bytes_min;
    uint64_t bytes = 0;
    for (size_t i = 0; i < round->count; i++)
        bytes += round->locals[i].is_sent ? round->locals[i].bytes : 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct local *local = &round->locals[i];
        char path[CONTENT_PATH_MAX];
        bool is_old = clock_now_ns() - local->sealed_ns >= external->keep_local_ns;
        if (!local->is_sent || !(is_old || is_full || bytes > external->keep_local_bytes))
            continue;
        content_path(store->dir, local->segment, path);
        bytes -= local->bytes;
        if (store->config.files->unlink(path) == 0)
            atomic_fetch_add(&store->external.local_removed, 1);
    }
}

static enum err send_round(struct round *round, struct diag *why)
{
    enum err err = look(round, why);
    if (err)
        return err;
    count_waiting(round);
    remove_local(round);
    err = ask(round, why);
    if (!err)
        err = delete_gone(round, why);
    if (!err)
        err = send_waiting(round, why);
    remove_local(round);
    return err;
}

static void report(struct content_keeper *keeper, enum err err, const struct diag *why)
{
    if (err && !keeper->is_reported) {
        log_warn("the external store of content is away; content stays here meanwhile, and new "
                 "tries go on",
                 KV_ERR(err), KV_WHY(why), KV_C("hint", why->hint));
        keeper->is_reported = true;
    } else if (!err && keeper->is_reported) {
        log_info("the external store of content answers again");
        keeper->is_reported = false;
    }
    keeper->failing_for_ns =
        err ? MIN(MAX(2 * keeper->failing_for_ns, FAILING_NS_MIN), FAILING_NS_MAX) : 0;
}

/* A sealed segment is a reason to look again; to ask a store that fails it is none. */
static void keeper_wait(struct content_store *store, int64_t until_ns)
{
    struct content_keeper *keeper = store->keeper;
    void *messages[4];
    while (!is_stopping(store)) {
        int64_t left_ns = MAX(until_ns - clock_monotonic_ns(), 0);
        if (!queue_wait(keeper->wake, messages, COUNT_OF(messages), left_ns) ||
            !keeper->failing_for_ns)
            return;
        struct round round = { .store = store, .keeper = keeper };
        if (look(&round, NULL) == ERR_OK) {
            count_waiting(&round);
            remove_local(&round);
        }
        xfree(round.locals);
    }
}

static void keeper_run(void *arg)
{
    struct content_store *store = arg;
    struct content_keeper *keeper = store->keeper;
    while (!is_stopping(store)) {
        struct round round = { .store = store, .keeper = keeper };
        struct diag why = DIAG_NONE;
        enum err err = send_round(&round, &why);
        if (!is_stopping(store))
            report(keeper, err, &why);
        xfree(round.locals);
        keeper_wait(store, clock_monotonic_ns() +
                               (keeper->failing_for_ns ? keeper->failing_for_ns : POLL_NS));
    }
}

/* ---- start and stop ---- */

enum err content_keeper_start(struct content_store *store, struct diag *reterr_why)
{
    struct content_external *external = &store->config.external;
    struct objects *objects;
    if (!external->objects.url)
        return ERR_OK;
    external->objects.is_stopped = is_stopping;
    external->objects.is_stopped_arg = store;
    enum err err = objects_open(&external->objects, &objects, reterr_why);
    if (err)
        return err;
    store->keeper = xcalloc(1, sizeof *store->keeper);
    store->keeper->objects = objects;
    store->keeper->wake = queue_new(16);
    thread_start_behind(&store->keeper->thread, "content-keeper", keeper_run, store);
    return ERR_OK;
}

void content_keeper_wake(struct content_store *store)
{
    if (store->keeper && queue_send(store->keeper->wake, store)) {
        /* a full queue is awake already */
    }
}

void content_keeper_stop(struct content_store *store)
{
    struct content_keeper *keeper = store->keeper;
    if (!keeper)
        return;
    atomic_store(&store->external.is_stopping, true);
    queue_close(keeper->wake);
    thread_join(&keeper->thread);
    objects_close(keeper->objects);
    void *messages[16];
    while (queue_take(keeper->wake, messages, COUNT_OF(messages)))
        ;
    queue_free(keeper->wake);
    xfree(keeper);
    store->keeper = NULL;
}
