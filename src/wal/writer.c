/* writer.c -- the thread that makes groups durable.
 *
 *   idle ── entry ──► wait for company ──► write ──► fdatasync ──► publish, call back
 *                     (until group_wait after      │          │
 *                      the last group began)       │          └─ error: poison, new segment
 *                                                  └─ no space: cut back, refuse, look again
 *
 * While one group syncs, the next one gathers, so a lone sender waits for one sync and
 * a crowd shares one.  A new segment writes over a released one's file where there is
 * one (spare.c), else its file grows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "sys/clock.h"
#include "wal/wal_int.h"
#include <errno.h>
#include <fcntl.h>

struct group {
    struct wal_entry *first;
    size_t bytes, count;
    int64_t first_hour;
    bool rotate; /* the open segment has no room for it */
};

static size_t entry_size(const struct wal_entry *entry)
{
    return wal_record_size(entry->len);
}

/* ---- what to do next; under the lock ---- */

static bool is_idle_rotation(const struct wal *wal)
{
    if (wal->segment_count == 0)
        return false;
    const struct wal_segment *newest = &wal->segments[wal->segment_count - 1];
    return newest->records && newest->last_sequence <= wal->released;
}

/* Monotonic time at which the writer must look again without an entry; 0: never. */
static int64_t next_look(const struct wal *wal, int64_t now, int64_t retry_at)
{
    int64_t look = 0;
    if (wal->status.disk_full)
        look = wal->disk_checked_ns + WAL_RETRY_NS;
    if (is_idle_rotation(wal)) {
        const struct wal_segment *newest = &wal->segments[wal->segment_count - 1];
        int64_t wait = (newest->first_hour + 1) * WAL_HOUR_NS - clock_now_ns();
        int64_t at = MAX(now + MAX(wait, (int64_t)0), retry_at);
        look = look ? MIN(look, at) : at;
    }
    return look;
}

static void work_wait(struct wal *wal, int64_t until_ns)
{
    struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };
    if (until_ns)
        pthread_cond_timedwait(&wal->work, &wal->lock, &until);
    else
        pthread_cond_wait(&wal->work, &wal->lock);
}

static void group_cut(struct wal *wal, struct group *group)
{
    size_t max = wal->config.segment_bytes_max;
    size_t room = wal->fd >= 0 && max > wal->offset ? max - (size_t)wal->offset : 0;
    if (wal->fd >= 0 && entry_size(wal->first) > room) {
        group->rotate = true;
        room = 0;
    }
    if (room == 0) /* a new segment; a record larger than it gets one for itself */
        room = max > WAL_SEGMENT_HEADER_BYTES ? max - WAL_SEGMENT_HEADER_BYTES : 0;
    room = MIN(room, WAL_GROUP_BYTES_MAX);
    struct wal_entry **end = &wal->first;
    group->first = wal->first;
    do {
        group->bytes += entry_size(*end);
        group->count++;
        end = &(*end)->next;
    } while (*end && group->bytes + entry_size(*end) <= room);
    wal->first = *end;
    *end = NULL;
    if (!wal->first)
        wal->last = &wal->first;
    wal->queued_bytes -= group->bytes;
}

/* Wait for a group, or for something else to do (then it is empty).  False: closing. */
static bool group_take(struct wal *wal, int64_t retry_at, struct group *group)
{
    *group = (struct group){ .first_hour = INT64_MAX };
    bool stay = true;
    pthread_mutex_lock(&wal->lock);
    for (;;) {
        int64_t now = clock_monotonic_ns();
        int64_t pace_ns = atomic_load_explicit(&wal->pace_ns, memory_order_relaxed);
        int64_t company_until = wal->group_started_ns + wal->config.group_wait_ns + pace_ns;
        size_t enough = pace_ns ? WAL_GROUP_BYTES_MAX : WAL_GROUP_BYTES_ENOUGH;
        if (wal->first) {
            if (wal->closing || wal->queued_bytes >= enough || now >= company_until)
                break;
            work_wait(wal, company_until);
            continue;
        }
        stay = !wal->closing;
        int64_t look = next_look(wal, now, retry_at);
        if (!stay || (look && now >= look))
            break;
        work_wait(wal, look);
    }
    if (wal->first)
        group_cut(wal, group);
    pthread_mutex_unlock(&wal->lock);
    return stay;
}

/* ---- the open segment; the writer's own ---- */

static enum err err_now(void)
{
    return errno == ENOSPC || errno == EDQUOT ? ERR_DISK_FULL : ERR_IO;
}

/* Where the segment of the number before ends, if the last one has that number. */
static uint32_t previous_end(struct wal *wal)
{
    uint64_t end = 0;
    pthread_mutex_lock(&wal->lock);
    if (wal->segment_count && wal->segments[wal->segment_count - 1].number == wal->number - 1)
        end = wal->segments[wal->segment_count - 1].end;
    pthread_mutex_unlock(&wal->lock);
    return end <= UINT32_MAX ? (uint32_t)end : 0;
}

/* `group_bytes`: of the group it begins with. */
static enum err segment_begin(struct wal *wal, size_t group_bytes)
{
    assert(wal->next_number < UINT32_MAX && !wal->direct);
    wal->number = wal->next_number++;
    char path[WAL_PATH_MAX];
    wal_segment_path(wal->config.dir, wal->number, path);
    enum err err = wal_spare_take(wal, wal->number, &wal->fd, &wal->file_bytes);
    wal->is_new_file = err != ERR_OK;
    if (err == ERR_NOT_FOUND) {
        wal->fd = wal->config.files->open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        wal->file_bytes = 0;
        err = wal->fd < 0 ? err_now() : ERR_OK;
    }
    if (err)
        return err;
    if (group_bytes >= wal->config.direct_bytes_min)
        wal->direct = wal_direct_open(wal, path);
    bool is_padded = wal->direct || !wal->is_new_file;
    wal->header = (struct wal_segment_header){ .flags = is_padded ? WAL_SEGMENT_PADDED : 0,
                                               .number = wal->number,
                                               .hour = wal_clock_hour(),
                                               .first_sequence = wal->next_sequence,
                                               .created_ns = clock_now_ns(),
                                               .previous_end = previous_end(wal) };
    memcpy(wal->header.salt, wal->salt, sizeof wal->salt);
    wal_segment_header_close(&wal->header);
    wal->header_pending = true;
    wal->offset = 0;
    return ERR_OK;
}

/* Everything in it is durable. */
static void segment_leave(struct wal *wal)
{
    wal_direct_close(wal, wal->direct);
    wal->direct = NULL;
    if (wal->fd >= 0)
        wal->config.files->close(wal->fd);
    wal->fd = -1;
}

/* After an error whose extent is unknown: this descriptor is never synced again. */
static void segment_poison(struct wal *wal)
{
    if (wal->fd < 0)
        return;
    if (wal->offset == 0) {
        char path[WAL_PATH_MAX];
        wal_segment_path(wal->config.dir, wal->number, path);
        (void)wal->config.files->unlink(path);
    } else {
        (void)wal->config.files->ftruncate(wal->fd, (int64_t)wal->offset);
    }
    segment_leave(wal);
    pthread_mutex_lock(&wal->lock);
    struct wal_segment *segment = wal_segment_find(wal, wal->number);
    if (segment)
        segment->is_single_use = true;
    wal->status.poisoned++;
    pthread_mutex_unlock(&wal->lock);
}

/* ---- one group ---- */

/* What of a group goes to the disk by one call. */
struct pieces {
    struct iovec items[WAL_PIECES_MAX];
    int count;
    size_t bytes;
    uint64_t offset; /* of the first */
};

static void pieces_add(struct pieces *pieces, const void *bytes, size_t len)
{
    assert(pieces->count < WAL_PIECES_MAX);
    struct iovec *piece = &pieces->items[pieces->count++];
    memcpy(&piece->iov_base, &bytes, sizeof bytes);
    piece->iov_len = len;
    pieces->bytes += len;
}

static enum err pieces_write(struct wal *wal, struct pieces *pieces)
{
    enum err err = wal->direct ? wal_direct_add(wal, wal->direct, pieces->items, pieces->count)
                               : file_write_at(wal->config.files, wal->fd, pieces->items,
                                               pieces->count, (int64_t)pieces->offset, NULL);
    pieces->offset += pieces->bytes;
    pieces->bytes = 0;
    pieces->count = 0;
    return err;
}

/* Over old bytes, zeros to the end of the page: it need not be read from the disk to be
 * completed, and recovery sees that the log ends here.  The next group writes over them. */
static void pieces_pad(const struct wal *wal, struct pieces *pieces)
{
    static const char zeros[WAL_PAGE_BYTES];
    uint64_t end = pieces->offset + pieces->bytes;
    uint64_t page_end = (end + WAL_PAGE_BYTES - 1) / WAL_PAGE_BYTES * WAL_PAGE_BYTES;
    uint64_t stop = MIN(page_end, wal->file_bytes);
    if (stop > end)
        pieces_add(pieces, zeros, (size_t)(stop - end));
}

static enum err group_write(struct wal *wal, struct group *group)
{
    enum err err = ERR_OK;
    struct pieces pieces;
    pieces.count = 0;
    pieces.bytes = 0;
    pieces.offset = wal->offset;
    if (wal->direct)
        wal_direct_begin(wal->direct, wal->offset);
    if (wal->header_pending)
        pieces_add(&pieces, &wal->header, sizeof wal->header);
    for (struct wal_entry *entry = group->first; entry && !err; entry = entry->next) {
        struct wal_record_header header;
        wal_record_place(entry, wal->number, wal->next_sequence++, (uint32_t)wal->offset);
        memcpy(&header, entry->header, sizeof header);
        group->first_hour = MIN(group->first_hour, (int64_t)header.hour);
        entry->position =
            (struct wal_position){ wal->number, (uint32_t)(pieces.offset + pieces.bytes) };
        pieces_add(&pieces, entry->header, sizeof entry->header);
        pieces_add(&pieces, entry->bytes, entry->len + CRYPT_TAG_BYTES);
        if (pieces.count + 3 > WAL_PIECES_MAX) /* no room for two and the zeros */
            err = pieces_write(wal, &pieces);
    }
    if (err)
        return err;
    if (!wal->direct)
        pieces_pad(wal, &pieces);
    if (pieces.count)
        err = pieces_write(wal, &pieces);
    return err || !wal->direct ? err : wal_direct_end(wal, wal->direct);
}

static bool is_disk_short(const struct wal *wal)
{
    int64_t free_bytes = disk_free_bytes(wal->config.dir);
    return free_bytes >= 0 && (uint64_t)free_bytes < wal->config.disk_free_bytes_min;
}

/* ERR_DISK_FULL when there is less than the reserve; looked at now and then. */
static enum err disk_check(struct wal *wal, size_t bytes)
{
    int64_t now = clock_monotonic_ns();
    wal->disk_checked_bytes += bytes;
    if (wal->disk_checked_ns && now - wal->disk_checked_ns < 100 * NS_PER_MS &&
        wal->disk_checked_bytes < wal->config.disk_free_bytes_min / 4)
        return ERR_OK;
    wal->disk_checked_bytes = 0;
    wal->disk_checked_ns = now;
    if (!is_disk_short(wal))
        return ERR_OK;
    return wal_spares_give_up(wal) && !is_disk_short(wal) ? ERR_OK : ERR_DISK_FULL;
}

/* Write and sync; on failure the file is cut back to what was durable, or left for good. */
static enum err group_make_durable(struct wal *wal, struct group *group)
{
    if (group->rotate)
        segment_leave(wal);
    enum err err = disk_check(wal, group->bytes);
    if (!err && wal->fd < 0)
        err = segment_begin(wal, group->bytes);
    if (err)
        return err;
    err = group_write(wal, group);
    if (err == ERR_DISK_FULL && wal->offset > 0 &&
        wal->config.files->ftruncate(wal->fd, (int64_t)wal->offset) == 0) {
        wal->file_bytes = MIN(wal->file_bytes, wal->offset);
        return err; /* its sequences are not used again: a crash may bring the bytes back */
    }
    if (!err && wal->config.files->fdatasync(wal->fd) != 0)
        err = err_now();
    if (!err && wal->header_pending && wal->is_new_file) /* its name */
        err = wal->config.files->sync_dir(wal->config.dir, NULL);
    if (err) {
        segment_poison(wal);
        return err == ERR_DISK_FULL ? err : ERR_IO;
    }
    return ERR_OK;
}

/* Under the lock: the group is durable. */
static void group_publish(struct wal *wal, const struct group *group)
{
    if (wal->direct)
        wal_direct_keep(wal->direct);
    if (wal->header_pending) {
        struct wal_segment segment = { .number = wal->number,
                                       .first_sequence = wal->header.first_sequence,
                                       .last_sequence = wal->header.first_sequence - 1,
                                       .first_hour = INT64_MAX };
        memcpy(segment.salt, wal->salt, sizeof segment.salt);
        wal_segment_add(wal, &segment);
        wal->offset = WAL_SEGMENT_HEADER_BYTES;
        wal->header_pending = false;
    }
    struct wal_segment *segment = &wal->segments[wal->segment_count - 1];
    assert(segment->number == wal->number);
    wal->offset += group->bytes;
    wal->segment_bytes += wal->offset - segment->end;
    segment->end = wal->offset;
    segment->records += group->count;
    segment->is_direct = wal_direct_is_on(wal->direct);
    segment->last_sequence = wal->next_sequence - 1;
    segment->first_hour = MIN(segment->first_hour, group->first_hour);
    wal->status.records += group->count;
    wal->status.syncs++;
    wal->status.durable_sequence = wal->next_sequence - 1;
    pthread_cond_broadcast(&wal->durable);
}

static void group_end(struct wal *wal, const struct group *group, enum err err)
{
    pthread_mutex_lock(&wal->lock);
    if (!err)
        group_publish(wal, group);
    if (err == ERR_DISK_FULL)
        wal->status.disk_full_count++;
    wal->status.disk_full = err == ERR_DISK_FULL;
    wal->status.pending_bytes -= group->bytes;
    for (struct wal_entry *entry = group->first; entry; entry = entry->next) {
        struct wal_record_header header;
        memcpy(&header, entry->header, sizeof header);
        for (size_t i = 0; i < COUNT_OF(wal->keys); i++) {
            struct wal_hour_key *key = &wal->keys[i];
            if (key->in_flight && key->hour == header.hour) {
                key->in_flight--;
                break;
            }
        }
    }
    pthread_mutex_unlock(&wal->lock);
    for (struct wal_entry *entry = group->first, *next; entry; entry = next) {
        next = entry->next; /* `done` may free the entry */
        entry->next = NULL;
        entry->result = err;
        entry->done(entry);
    }
}

/* ---- without an entry ---- */

/* Everything in the newest segment is released and its hour is over: begin an empty one,
 * which remembers the sequence, so that the old one and its key can go. */
static enum err idle_rotate(struct wal *wal)
{
    segment_leave(wal);
    struct group none = { .first_hour = INT64_MAX };
    enum err err = group_make_durable(wal, &none);
    if (err)
        return err;
    struct wal_retired retired = { 0 };
    pthread_mutex_lock(&wal->lock);
    group_publish(wal, &none);
    wal_segments_take_released(wal, &retired);
    pthread_mutex_unlock(&wal->lock);
    wal_segments_retire(wal, &retired);
    pthread_mutex_lock(&wal->lock);
    wal_spares_trim(wal, 1);
    pthread_mutex_unlock(&wal->lock);
    return ERR_OK;
}

static void look_around(struct wal *wal, int64_t *retry_at)
{
    pthread_mutex_lock(&wal->lock);
    bool disk_full = wal->status.disk_full;
    bool rotate = is_idle_rotation(wal) &&
                  wal->segments[wal->segment_count - 1].first_hour < wal_clock_hour();
    pthread_mutex_unlock(&wal->lock);
    if (disk_full) {
        wal->disk_checked_ns = 0;
        (void)wal_spares_give_up(wal);
        bool still_full = disk_check(wal, 0) == ERR_DISK_FULL;
        pthread_mutex_lock(&wal->lock);
        wal->status.disk_full = still_full;
        pthread_mutex_unlock(&wal->lock);
    }
    if (rotate && idle_rotate(wal) != ERR_OK)
        *retry_at = clock_monotonic_ns() + WAL_RETRY_NS;
}

void wal_writer_run(void *arg)
{
    struct wal *wal = arg;
    CHECK(wal, WAL_OBJECT_MAGIC);
    int64_t retry_at = 0;
    struct group group;
    while (group_take(wal, retry_at, &group)) {
        if (!group.first) {
            look_around(wal, &retry_at);
            continue;
        }
        wal->group_started_ns = clock_monotonic_ns();
        group_end(wal, &group, group_make_durable(wal, &group));
    }
    segment_leave(wal);
}
