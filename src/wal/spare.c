/* spare.c -- files of released segments become the files of new ones.
 *
 * Writing into a file that is there costs a tenth of the processor time of making it longer,
 * and its fdatasync has no size and no extents to journal (docs/decisions/0013).
 *
 *   wal-K.log ── released ──► spare-K.log ── next segment ──► wal-N.log
 *                                  │              (rename, sync of the folder, then records)
 *                                  └─ too many, disk short ──► unlinked
 *
 * Old records stay behind the new ones until they are written over.  Each says the number of
 * its segment and a number is used once, so they are never taken for new: a spare keeps its
 * last number in its name, and new numbers are above all names.
 *
 * The keeper is a thread of its own, behind the others: to unlink a file takes 100 ms.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "wal/wal_int.h"
#include <fcntl.h>
#include <stdio.h>

void wal_spare_path(const char *dir, uint32_t number, char ret_path[WAL_PATH_MAX])
{
    int len = snprintf(ret_path, WAL_PATH_MAX, "%s/spare-%08u.log", dir, number);
    assert(len > 0 && len < WAL_PATH_MAX);
}

static bool is_disk_short(const struct wal *wal)
{
    int64_t free_bytes = disk_free_bytes(wal->config.dir);
    return free_bytes >= 0 &&
           (uint64_t)free_bytes / WAL_SPARE_FREE < wal->config.disk_free_bytes_min;
}

/* ---- the table; under the lock ---- */

static void spare_remove(struct wal *wal, size_t index)
{
    wal->status.spare_bytes -= wal->spares[index].bytes;
    wal->spare_count--;
    memmove(wal->spares + index, wal->spares + index + 1,
            (wal->spare_count - index) * sizeof wal->spares[0]);
}

static uint64_t usable_bytes(const struct wal *wal)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < wal->spare_count; i++)
        bytes += wal->spares[i].is_surplus ? 0 : wal->spares[i].bytes;
    return bytes;
}

static bool has_room_for(const struct wal *wal, uint64_t bytes)
{
    const struct wal_config *config = &wal->config;
    uint64_t usable = usable_bytes(wal);
    size_t max = (config->segment_bytes_max / WAL_PAGE_BYTES + 1) * WAL_PAGE_BYTES; /* padded */
    if (bytes < config->segment_bytes_max / 2 || bytes > max)
        return false;
    if (usable && usable + bytes > config->bytes_max / WAL_SPARE_SHARE)
        return false;
    return wal->segment_bytes + usable + bytes <= config->bytes_max;
}

void wal_spare_add(struct wal *wal, struct wal_spare spare)
{
    spare.is_surplus = spare.is_surplus || !has_room_for(wal, spare.bytes);
    if (wal->spare_count == wal->spare_capacity) {
        wal->spare_capacity = MAX(wal->spare_capacity * 2, (size_t)16);
        wal->spares = xrealloc(wal->spares, wal->spare_capacity * sizeof wal->spares[0]);
    }
    wal->spares[wal->spare_count++] = spare;
    wal->status.spare_bytes += spare.bytes;
    if (spare.is_surplus)
        pthread_cond_signal(&wal->keep);
}

void wal_spares_trim(struct wal *wal, size_t keep)
{
    for (size_t i = wal->spare_count; i > 0; i--) {
        struct wal_spare *spare = &wal->spares[i - 1];
        if (!spare->is_surplus && keep)
            keep--;
        else
            spare->is_surplus = true;
    }
    pthread_cond_signal(&wal->keep);
}

/* ---- released segments ---- */

void wal_segments_take_released(struct wal *wal, struct wal_retired *ret_retired)
{
    size_t count = 0;
    while (count + 1 < wal->segment_count && wal->segments[count].last_sequence <= wal->released)
        wal->segment_bytes -= wal->segments[count++].end;
    if (!count)
        return;
    struct wal_retired retired = { .count = count,
                                   .items = xcalloc(count, sizeof retired.items[0]) };
    for (size_t i = 0; i < count; i++) {
        retired.items[i].number = wal->segments[i].number;
        retired.items[i].is_surplus = wal->segments[i].is_single_use;
    }
    wal->segment_count -= count;
    memmove(wal->segments, wal->segments + count, wal->segment_count * sizeof wal->segments[0]);
    *ret_retired = retired;
}

/* One that cannot be renamed now is released again after the next start. */
void wal_segments_retire(struct wal *wal, struct wal_retired *retired)
{
    bool is_short = retired->count && is_disk_short(wal);
    for (size_t i = 0; i < retired->count; i++) {
        struct wal_spare spare = retired->items[i];
        char from[WAL_PATH_MAX], to[WAL_PATH_MAX];
        wal_segment_path(wal->config.dir, spare.number, from);
        wal_spare_path(wal->config.dir, spare.number, to);
        int64_t size = file_size(from);
        if (size < 0 || wal->config.files->rename(from, to) != 0)
            continue;
        spare.bytes = (uint64_t)size;
        spare.is_surplus = spare.is_surplus || is_short;
        pthread_mutex_lock(&wal->lock);
        wal_spare_add(wal, spare);
        pthread_mutex_unlock(&wal->lock);
    }
    xfree(retired->items);
    *retired = (struct wal_retired){ 0 };
}

/* ---- the next segment; the writer's ---- */

static bool spare_pop(struct wal *wal, struct wal_spare *ret_spare)
{
    bool found = false;
    pthread_mutex_lock(&wal->lock);
    for (size_t i = wal->spare_count; i > 0 && !found; i--) {
        if (wal->spares[i - 1].is_surplus)
            continue;
        found = true;
        *ret_spare = wal->spares[i - 1];
        spare_remove(wal, i - 1);
    }
    pthread_mutex_unlock(&wal->lock);
    return found;
}

/* The folder is synced before a byte is written over: else a crash could leave the old
 * name with new content. */
enum err wal_spare_take(struct wal *wal, uint32_t number, int *ret_fd, uint64_t *ret_bytes)
{
    const struct sys_files *files = wal->config.files;
    struct wal_spare spare;
    if (!spare_pop(wal, &spare))
        return ERR_NOT_FOUND;
    assert(spare.number < number);
    char from[WAL_PATH_MAX], to[WAL_PATH_MAX];
    wal_spare_path(wal->config.dir, spare.number, from);
    wal_segment_path(wal->config.dir, number, to);
    if (files->rename(from, to) != 0) {
        (void)files->unlink(from);
        return ERR_NOT_FOUND;
    }
    int fd = files->open(to, O_WRONLY, 0);
    if (fd >= 0 && files->sync_dir(wal->config.dir, NULL) == ERR_OK) {
        *ret_fd = fd;
        *ret_bytes = spare.bytes;
        return ERR_OK;
    }
    if (fd >= 0)
        files->close(fd);
    (void)files->unlink(to);
    return ERR_IO;
}

bool wal_spares_give_up(struct wal *wal)
{
    struct wal_spare spare;
    bool any = false;
    for (; spare_pop(wal, &spare); any = true) {
        char path[WAL_PATH_MAX];
        wal_spare_path(wal->config.dir, spare.number, path);
        (void)wal->config.files->unlink(path);
    }
    return any;
}

/* ---- the keeper ---- */

/* Under the lock, given up meanwhile; false: there is none. */
static bool keeper_unlink(struct wal *wal)
{
    for (size_t i = 0; i < wal->spare_count; i++) {
        if (!wal->spares[i].is_surplus)
            continue;
        char path[WAL_PATH_MAX];
        wal_spare_path(wal->config.dir, wal->spares[i].number, path);
        spare_remove(wal, i);
        pthread_mutex_unlock(&wal->lock);
        (void)wal->config.files->unlink(path);
        pthread_mutex_lock(&wal->lock);
        return true;
    }
    return false;
}

void wal_keeper_run(void *arg)
{
    struct wal *wal = arg;
    CHECK(wal, WAL_OBJECT_MAGIC);
    pthread_mutex_lock(&wal->lock);
    while (!wal->closing) {
        if (!keeper_unlink(wal))
            pthread_cond_wait(&wal->keep, &wal->lock);
    }
    pthread_mutex_unlock(&wal->lock);
}
