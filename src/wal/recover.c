/* recover.c -- what a crash left: find every whole record, cut the torn tail.
 *
 * A bad stretch is torn (it was never acknowledged) unless a later record proves
 * that it had been synced: each record carries the offset up to which its segment
 * was durable when it was written.  Only a torn stretch at the end of the newest
 * segment is cut; proven damage is counted and kept for the reader to report.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "wal/wal_int.h"
#include <errno.h>
#include <fcntl.h>

struct walk {
    struct wal_cursor cursor;
    struct wal_segment segment;     /* everything up to the torn stretch */
    struct wal_segment before_tear; /* as it was when `tear` was set */
    uint64_t tear;                  /* first bad byte that may be torn; UINT64_MAX: none */
    uint64_t highest_sequence;      /* of anything seen, torn away or not */
    uint64_t damaged_places;
    uint64_t tear_places; /* bad stretches since the tear */
    uint64_t size;
    bool has_header;
};

static void walk_header(struct walk *walk)
{
    struct wal_segment_header header;
    const char *bytes = wal_cursor_bytes(&walk->cursor, 0, sizeof header);
    if (!bytes)
        return;
    memcpy(&header, bytes, sizeof header);
    walk->has_header = wal_segment_header_ok(&header);
    if (!walk->has_header)
        return;
    memcpy(walk->segment.salt, header.salt, sizeof header.salt);
    walk->segment.first_sequence = header.first_sequence;
    walk->segment.last_sequence = header.first_sequence - 1;
    walk->highest_sequence = header.first_sequence - 1;
}

static void walk_record(struct walk *walk)
{
    const struct wal_record_header *header = &walk->cursor.header;
    struct wal_segment *segment = &walk->segment;
    if (walk->tear != UINT64_MAX && header->durable_offset > walk->tear) {
        walk->damaged_places += walk->tear_places;
        walk->tear = UINT64_MAX;
        walk->tear_places = 0;
    }
    if (segment->records++ == 0)
        segment->first_sequence = header->sequence;
    segment->last_sequence = MAX(segment->last_sequence, header->sequence);
    segment->first_hour = MIN(segment->first_hour, (int64_t)header->hour);
    walk->highest_sequence = MAX(walk->highest_sequence, header->sequence);
}

static void walk_damage(struct walk *walk)
{
    if (walk->tear == UINT64_MAX) {
        walk->tear = walk->cursor.at;
        walk->before_tear = walk->segment;
    }
    walk->tear_places++;
}

static enum err walk_all(struct walk *walk, struct diag *why)
{
    walk_header(walk);
    if (walk->cursor.failed)
        return diag_set(why, ERR_IO, "cannot read log segment %u", walk->segment.number);
    for (;;) {
        switch (wal_cursor_next(&walk->cursor)) {
        case WAL_STEP_RECORD:
            walk_record(walk);
            break;
        case WAL_STEP_DAMAGED:
            walk_damage(walk);
            break;
        case WAL_STEP_END:
            return ERR_OK;
        case WAL_STEP_IO:
            return diag_set(why, ERR_IO, "cannot read log segment %u at %llu", walk->segment.number,
                            (unsigned long long)walk->cursor.offset);
        }
    }
}

/* The newest segment: cut, and make sure that what stays is on disk, not only in the cache. */
static enum err settle_newest(struct wal *wal, struct walk *walk, struct diag *why)
{
    const struct sys_files *files = wal->config.files;
    if (walk->tear != UINT64_MAX) {
        if (files->ftruncate(walk->cursor.fd, (int64_t)walk->tear) != 0)
            return diag_set(why, ERR_IO, "cannot cut the torn tail of log segment %u: %s",
                            walk->segment.number, strerror(errno));
        walk->segment = walk->before_tear;
        walk->segment.end = walk->tear;
        wal->status.torn_bytes_cut += walk->size - walk->tear;
        walk->tear = UINT64_MAX;
    }
    if (files->fdatasync(walk->cursor.fd) != 0)
        return diag_set(why, ERR_IO, "cannot sync log segment %u: %s", walk->segment.number,
                        strerror(errno));
    return ERR_OK;
}

/* A segment whose making was interrupted: nothing in it was ever acknowledged. */
static bool is_stillborn(const struct walk *walk)
{
    return !walk->has_header && walk->segment.records == 0;
}

/* A number and sequences are skipped: a segment was deleted.  (An empty one that failed is
 * unlinked by the writer; that its sequences were refused cannot be told from a loss.) */
static bool is_one_missing(const struct wal *wal, const struct wal_segment *segment)
{
    if (wal->segment_count == 0)
        return false;
    const struct wal_segment *before = &wal->segments[wal->segment_count - 1];
    return segment->number > before->number + 1 &&
           segment->first_sequence > before->last_sequence + 1;
}

static enum err recover_segment(struct wal *wal, uint32_t number, bool is_newest, struct diag *why)
{
    char path[WAL_PATH_MAX];
    wal_segment_path(wal->config.dir, number, path);
    int fd = wal->config.files->open(path, is_newest ? O_RDWR : O_RDONLY, 0);
    if (fd < 0)
        return diag_set(why, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    struct walk walk = { .segment = { .number = number, .first_hour = INT64_MAX },
                         .tear = UINT64_MAX };
    int64_t size = file_size(path);
    walk.size = size < 0 ? 0 : (uint64_t)size;
    wal_cursor_init(&walk.cursor, wal->config.files, fd, (size_t)WAL_CHUNK_SEQUENTIAL * 4);
    walk.cursor.end = walk.segment.end = walk.size;
    enum err err = walk_all(&walk, why);
    if (!err && is_newest && !is_stillborn(&walk))
        err = settle_newest(wal, &walk, why);
    wal_cursor_clear(&walk.cursor);
    if (err)
        return err;
    if (is_newest && is_stillborn(&walk)) {
        (void)wal->config.files->unlink(path);
        wal->status.torn_bytes_cut += walk.size;
        return ERR_OK;
    }
    walk.segment.damaged_header = !walk.has_header;
    if (walk.tear != UINT64_MAX)
        walk.damaged_places += walk.tear_places;
    walk.damaged_places += is_one_missing(wal, &walk.segment);
    wal->status.damaged_places += walk.damaged_places + !walk.has_header;
    wal->next_sequence = MAX(wal->next_sequence, walk.highest_sequence + 1);
    wal_segment_add(wal, &walk.segment);
    return ERR_OK;
}

enum err wal_recover(struct wal *wal, struct diag *reterr_why)
{
    struct wal_numbers numbers;
    enum err err = wal_segment_list(wal->config.dir, &numbers, reterr_why);
    if (err)
        return err;
    wal->next_sequence = wal->config.after_sequence + 1;
    wal->next_number = 1;
    for (size_t i = 0; i < numbers.count && !err; i++) {
        err = recover_segment(wal, numbers.items[i], i + 1 == numbers.count, reterr_why);
        wal->next_number = numbers.items[i] + 1;
    }
    if (!err && numbers.count)
        err = dir_sync(wal->config.dir, reterr_why);
    xfree(numbers.items);
    wal->status.durable_sequence = wal->next_sequence - 1;
    return err;
}
