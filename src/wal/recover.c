/* recover.c -- what a crash left: find every whole record, cut the torn tail.
 *
 * A bad stretch is torn (it was never acknowledged) unless a later record proves
 * that it had been synced: each record carries the offset up to which its segment
 * was durable when it was written.  Only a torn stretch at the end of the newest
 * segment is cut, with whatever an earlier use of the file left behind it; proven
 * damage is counted and kept for the reader to report.
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
    enum wal_header_state header_state;
    bool has_second_group; /* a record proves that the first group was synced */
};

static enum err walk_begin(struct wal *wal, uint32_t number, bool is_newest, struct walk *ret_walk,
                           struct diag *why)
{
    char path[WAL_PATH_MAX];
    wal_segment_path(wal->config.dir, number, path);
    int fd = wal->config.files->open(path, is_newest ? O_RDWR : O_RDONLY, 0);
    if (fd < 0)
        return diag_set(why, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    struct walk *walk = ret_walk;
    *walk = (struct walk){ .segment = { .number = number, .first_hour = INT64_MAX },
                           .tear = UINT64_MAX };
    int64_t size = file_size(path);
    walk->size = size < 0 ? 0 : (uint64_t)size;
    uint64_t known_end =
        is_newest ? 0 : wal_segment_known_end(wal->config.dir, wal->config.files, number);
    struct wal_segment_header header;
    wal_cursor_init(&walk->cursor, wal->config.files, fd, number, (size_t)WAL_CHUNK_SEQUENTIAL * 4);
    walk->header_state = wal_cursor_begin(&walk->cursor, walk->size, known_end, &header);
    if (walk->cursor.failed) {
        wal_cursor_clear(&walk->cursor);
        return diag_set(why, ERR_IO, "cannot read log segment %u", number);
    }
    walk->damaged_places += known_end > walk->size;
    walk->segment.damaged_header = walk->header_state != WAL_HEADER_OK;
    walk->segment.is_single_use =
        walk->segment.damaged_header || header.version == WAL_VERSION_FIRST;
    if (walk->segment.damaged_header)
        return ERR_OK;
    memcpy(walk->segment.salt, header.salt, sizeof header.salt);
    walk->segment.first_sequence = header.first_sequence;
    walk->segment.last_sequence = header.first_sequence - 1;
    walk->highest_sequence = header.first_sequence - 1;
    return ERR_OK;
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
    walk->has_second_group = walk->has_second_group || header->durable_offset > 0;
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
    uint64_t end = walk->cursor.written;
    if (walk->tear != UINT64_MAX) {
        end = walk->tear;
        walk->segment = walk->before_tear;
        wal->status.torn_bytes_cut += walk->cursor.written - end;
        walk->tear = UINT64_MAX;
    }
    walk->segment.end = end;
    if (end < walk->size && files->ftruncate(walk->cursor.fd, (int64_t)end) != 0)
        return diag_set(why, ERR_IO, "cannot cut the torn tail of log segment %u: %s",
                        walk->segment.number, strerror(errno));
    if (files->fdatasync(walk->cursor.fd) != 0)
        return diag_set(why, ERR_IO, "cannot sync log segment %u: %s", walk->segment.number,
                        strerror(errno));
    return ERR_OK;
}

/* A segment whose making was interrupted: nothing in it was ever acknowledged.  Records of a
 * first group may stand behind a header that did not reach the disk. */
static bool is_stillborn(const struct walk *walk)
{
    if (walk->header_state == WAL_HEADER_OK)
        return false;
    bool is_unwritten = walk->header_state != WAL_HEADER_BAD && !walk->has_second_group;
    return walk->segment.records == 0 || is_unwritten;
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

static void recover_add(struct wal *wal, struct walk *walk)
{
    if (walk->tear != UINT64_MAX)
        walk->damaged_places += walk->tear_places;
    walk->damaged_places += is_one_missing(wal, &walk->segment);
    wal->status.damaged_places += walk->damaged_places + walk->segment.damaged_header;
    wal->next_sequence = MAX(wal->next_sequence, walk->highest_sequence + 1);
    wal_segment_add(wal, &walk->segment);
}

static enum err recover_segment(struct wal *wal, uint32_t number, struct diag *why)
{
    struct walk walk;
    enum err err = walk_begin(wal, number, false, &walk, why);
    if (err)
        return err;
    err = walk_all(&walk, why);
    walk.segment.end = walk.cursor.is_open ? walk.cursor.written : walk.cursor.end;
    wal_cursor_clear(&walk.cursor);
    if (!err)
        recover_add(wal, &walk);
    return err;
}

/* A stillborn one is removed: then *ret_done is false, and the one before it is the newest. */
static enum err recover_newest(struct wal *wal, uint32_t number, struct walk *ret_walk,
                               bool *ret_done, struct diag *why)
{
    struct walk *walk = ret_walk;
    enum err err = walk_begin(wal, number, true, walk, why);
    if (err)
        return err;
    err = walk_all(walk, why);
    *ret_done = !err && !is_stillborn(walk);
    if (*ret_done)
        err = settle_newest(wal, walk, why);
    uint64_t written = walk->cursor.written;
    wal_cursor_clear(&walk->cursor);
    if (err || *ret_done)
        return err;
    char path[WAL_PATH_MAX];
    wal_segment_path(wal->config.dir, number, path);
    (void)wal->config.files->unlink(path);
    bool is_ours = walk->segment.records > 0 || walk->header_state == WAL_HEADER_BAD;
    wal->status.torn_bytes_cut += is_ours ? written : 0;
    return ERR_OK;
}

static enum err recover_segments(struct wal *wal, struct wal_numbers *numbers, struct diag *why)
{
    struct walk newest;
    bool done = false;
    enum err err = ERR_OK;
    while (numbers->count && !done && !err) {
        err = recover_newest(wal, numbers->items[numbers->count - 1], &newest, &done, why);
        numbers->count -= !done;
    }
    for (size_t i = 0; i + 1 < numbers->count && !err; i++)
        err = recover_segment(wal, numbers->items[i], why);
    if (!err && done)
        recover_add(wal, &newest);
    return err;
}

/* A number is used once: old records in a spare must never look like new ones. */
static uint32_t number_above(const struct wal_numbers *segments, const struct wal_numbers *spares)
{
    uint32_t highest = 0;
    if (segments->count)
        highest = segments->items[segments->count - 1];
    if (spares->count)
        highest = MAX(highest, spares->items[spares->count - 1]);
    return highest + 1;
}

static void recover_spares(struct wal *wal, const struct wal_numbers *spares)
{
    for (size_t i = 0; i < spares->count; i++) {
        char path[WAL_PATH_MAX];
        wal_spare_path(wal->config.dir, spares->items[i], path);
        int64_t size = file_size(path);
        if (size >= 0)
            wal_spare_add(
                wal, (struct wal_spare){ .number = spares->items[i], .bytes = (uint64_t)size });
    }
}

enum err wal_recover(struct wal *wal, struct diag *reterr_why)
{
    struct wal_numbers segments, spares;
    enum err err = wal_segment_list(wal->config.dir, &segments, &spares, reterr_why);
    if (err)
        return err;
    wal->next_sequence = wal->config.after_sequence + 1;
    wal->next_number = number_above(&segments, &spares);
    bool is_empty = segments.count == 0;
    err = recover_segments(wal, &segments, reterr_why);
    if (!err && !is_empty)
        err = wal->config.files->sync_dir(wal->config.dir, reterr_why);
    recover_spares(wal, &spares);
    wal_numbers_clear(&segments);
    wal_numbers_clear(&spares);
    wal->status.durable_sequence = wal->next_sequence - 1;
    return err;
}
