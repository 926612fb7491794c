/* reader.c -- following the live log, and reading a record again by its place.
 *
 * Readers open the files themselves and look only at what the table of segments
 * says is durable, so they need the lock for one look per call and never wait for
 * a write.  A released segment's file is soon written over: after a failure they
 * look whether it is in the table still.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "wal/wal_int.h"
#include <errno.h>
#include <fcntl.h>

struct wal_reader {
    struct wal *wal;
    uint64_t after;              /* records up to this one are passed over */
    uint32_t passed;             /* segments up to this number are done */
    struct wal_position skipped; /* the walk begins here, in that segment */
    struct wal_segment segment;  /* that `cursor` is in; number 0: none */
    struct wal_cursor cursor;
    struct wal_segment again_segment; /* the same for wal_read_at */
    struct wal_cursor again;
    struct crypt_gcm *gcm;
    uint32_t key_segment;
    int64_t key_hour;
    struct crypt_key key;
    char *plain;
    size_t plain_capacity;
    struct wal_ahead *ahead; /* NULL: wal_read_on was never called */
};

struct wal_reader *wal_reader_new(struct wal *wal, uint64_t after_sequence)
{
    CHECK(wal, WAL_OBJECT_MAGIC);
    struct wal_reader *reader = xcalloc(1, sizeof *reader);
    reader->wal = wal;
    reader->after = after_sequence;
    reader->cursor.fd = reader->again.fd = -1;
    reader->gcm = crypt_gcm_new();
    return reader;
}

void wal_reader_free(struct wal_reader *reader)
{
    if (!reader)
        return;
    wal_ahead_free(reader->ahead);
    wal_cursor_clear(&reader->cursor);
    wal_cursor_clear(&reader->again);
    crypt_gcm_free(reader->gcm);
    xfree(reader->plain);
    crypt_wipe(reader, sizeof *reader);
    xfree(reader);
}

static void reader_leave(struct wal_reader *reader)
{
    reader->passed = reader->segment.number;
    reader->segment.number = 0;
    wal_cursor_clear(&reader->cursor);
}

void wal_reader_skip(struct wal_reader *reader, struct wal_position position, uint64_t sequence)
{
    if (sequence <= reader->after)
        return;
    reader->after = sequence;
    if (reader->segment.number == position.segment) {
        reader->cursor.offset = MAX(reader->cursor.offset, (uint64_t)position.offset);
        return;
    }
    reader_leave(reader);
    reader->passed = position.segment - 1;
    reader->skipped = position;
}

static enum err cursor_open(struct wal *wal, const struct wal_segment *segment, size_t chunk,
                            struct wal_cursor *ret_cursor, struct diag *why)
{
    char path[WAL_PATH_MAX];
    wal_segment_path(wal->config.dir, segment->number, path);
    int fd = -1;
    if (segment->is_direct)
        fd = wal->config.files->open(path, O_RDONLY | O_DIRECT, 0);
    bool is_direct = fd >= 0;
    if (fd < 0)
        fd = wal->config.files->open(path, O_RDONLY, 0);
    if (fd < 0)
        return diag_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                        "cannot open log segment %u: %s", segment->number, strerror(errno));
    wal_cursor_init(ret_cursor, wal->config.files, fd, segment->number, chunk);
    ret_cursor->is_direct = is_direct;
    return ERR_OK;
}

/* Update the segment's durable end; *ret_is_final: a newer one exists, this one is done.
 * False: it is released. */
static bool reader_look(struct wal_reader *reader, bool *ret_is_final)
{
    struct wal *wal = reader->wal;
    pthread_mutex_lock(&wal->lock);
    struct wal_segment *segment = wal_segment_find(wal, reader->segment.number);
    if (segment) {
        reader->segment = *segment;
        *ret_is_final = segment != &wal->segments[wal->segment_count - 1];
    }
    pthread_mutex_unlock(&wal->lock);
    reader->cursor.end = reader->segment.end;
    return segment != NULL;
}

static bool is_live(struct wal *wal, uint32_t number)
{
    pthread_mutex_lock(&wal->lock);
    bool found = wal_segment_find(wal, number) != NULL;
    pthread_mutex_unlock(&wal->lock);
    return found;
}

/* The oldest segment not yet passed that may hold something new; false: there is none. */
static bool reader_pick(struct wal_reader *reader, struct wal_segment *ret_segment)
{
    struct wal *wal = reader->wal;
    bool found = false;
    pthread_mutex_lock(&wal->lock);
    for (size_t i = 0; i < wal->segment_count && !found; i++) {
        const struct wal_segment *segment = &wal->segments[i];
        bool is_newest = i + 1 == wal->segment_count;
        found = segment->number > reader->passed &&
                (is_newest || segment->last_sequence > reader->after || segment->damaged_header);
        if (found)
            *ret_segment = *segment;
    }
    pthread_mutex_unlock(&wal->lock);
    return found;
}

static enum err reader_key(struct wal_reader *reader, const struct wal_segment *segment,
                           int64_t hour, struct diag *why)
{
    if (reader->key_segment == segment->number && reader->key_hour == hour)
        return ERR_OK;
    const struct wal_config *config = &reader->wal->config;
    struct crypt_key parent = { 0 };
    enum err err = config->log_key(config->log_key_arg, hour, false, &parent);
    if (err == ERR_NOT_FOUND)
        return diag_set(why, ERR_KEY, "the log key of hour %lld is gone", (long long)hour);
    if (err)
        return diag_set(why, err, "no log key of hour %lld", (long long)hour);
    wal_record_key(&parent, segment->salt, &reader->key);
    crypt_wipe(&parent, sizeof parent);
    reader->key_segment = segment->number;
    reader->key_hour = hour;
    return ERR_OK;
}

static enum err record_plain(struct wal_reader *reader, const struct wal_segment *segment,
                             const struct wal_cursor *cursor, char *ret_plain, struct diag *why)
{
    if (segment->damaged_header)
        return diag_set(why, ERR_CORRUPT, "log segment %u has a damaged header", segment->number);
    enum err err = reader_key(reader, segment, cursor->header.hour, why);
    if (err)
        return err;
    if (!wal_record_open(reader->gcm, &reader->key, &cursor->header, cursor->sealed, ret_plain))
        return diag_set(why, ERR_CORRUPT, "log segment %u at %llu does not decrypt",
                        segment->number, (unsigned long long)cursor->at);
    return ERR_OK;
}

static char *plain_room(struct wal_reader *reader, size_t len)
{
    if (len + 1 > reader->plain_capacity) {
        reader->plain = xrealloc(reader->plain, len + 1);
        reader->plain_capacity = len + 1;
    }
    return reader->plain;
}

static enum err read_record(struct wal_reader *reader, str *ret_bytes, uint64_t *ret_sequence,
                            struct wal_position *ret_position, struct diag *why)
{
    const struct wal_record_header *header = &reader->cursor.header;
    char *plain = plain_room(reader, header->len);
    enum err err = record_plain(reader, &reader->segment, &reader->cursor, plain, why);
    if (err && err != ERR_CORRUPT && err != ERR_KEY) {
        reader->cursor.offset = reader->cursor.at; /* try it again */
        return err;
    }
    reader->after = MAX(reader->after, header->sequence);
    if (err)
        return err;
    *ret_bytes = str_make(plain, header->len);
    *ret_sequence = header->sequence;
    *ret_position = (struct wal_position){ reader->segment.number, (uint32_t)reader->cursor.at };
    return ERR_OK;
}

enum err wal_read(struct wal_reader *reader, str *ret_bytes, uint64_t *ret_sequence,
                  struct wal_position *ret_position, struct diag *reterr_why)
{
    CHECK(reader->wal, WAL_OBJECT_MAGIC);
    for (;;) {
        if (!reader->segment.number) {
            if (!reader_pick(reader, &reader->segment))
                return diag_set(reterr_why, ERR_NOT_FOUND, "nothing new in the log");
            enum err err = cursor_open(reader->wal, &reader->segment, WAL_CHUNK_SEQUENTIAL,
                                       &reader->cursor, reterr_why);
            if (err == ERR_NOT_FOUND) { /* released meanwhile */
                reader_leave(reader);
                continue;
            }
            if (err) {
                reader->segment.number = 0;
                return err;
            }
            if (reader->skipped.segment == reader->segment.number)
                reader->cursor.offset = reader->skipped.offset;
        }
        bool is_final = true;
        enum wal_step step = WAL_STEP_END;
        if (reader_look(reader, &is_final))
            step = wal_cursor_next(&reader->cursor);
        bool has_failed = step == WAL_STEP_DAMAGED || step == WAL_STEP_IO;
        if (has_failed && !is_live(reader->wal, reader->segment.number))
            continue; /* released meanwhile */
        switch (step) {
        case WAL_STEP_RECORD:
            if (reader->cursor.header.sequence <= reader->after)
                continue;
            return read_record(reader, ret_bytes, ret_sequence, ret_position, reterr_why);
        case WAL_STEP_DAMAGED:
            return diag_set(reterr_why, ERR_CORRUPT,
                            "log segment %u: %llu bytes at %llu are damaged",
                            reader->segment.number, (unsigned long long)reader->cursor.at_bytes,
                            (unsigned long long)reader->cursor.at);
        case WAL_STEP_IO:
            return diag_set(reterr_why, ERR_IO, "cannot read log segment %u at %llu",
                            reader->segment.number, (unsigned long long)reader->cursor.offset);
        case WAL_STEP_END:
            if (!is_final)
                return diag_set(reterr_why, ERR_NOT_FOUND, "nothing new in the log");
            reader_leave(reader);
            continue;
        }
    }
}

static enum err again_open(struct wal_reader *reader, uint32_t number, struct diag *why)
{
    struct wal *wal = reader->wal;
    struct wal_segment segment = { 0 };
    pthread_mutex_lock(&wal->lock);
    struct wal_segment *found = wal_segment_find(wal, number);
    if (found)
        segment = *found;
    pthread_mutex_unlock(&wal->lock);
    if (!segment.number)
        return diag_set(why, ERR_NOT_FOUND, "log segment %u is released", number);
    if (reader->again_segment.number != number) {
        wal_cursor_clear(&reader->again);
        reader->again_segment.number = 0;
        enum err err = cursor_open(wal, &segment, WAL_CHUNK_RANDOM, &reader->again, why);
        if (err)
            return err;
    }
    reader->again_segment = segment;
    reader->again.end = segment.end;
    return ERR_OK;
}

enum err wal_read_at(struct wal_reader *reader, struct wal_position position, struct buf *out,
                     struct diag *reterr_why)
{
    CHECK(reader->wal, WAL_OBJECT_MAGIC);
    enum err err = again_open(reader, position.segment, reterr_why);
    if (err)
        return err;
    if (position.offset < WAL_SEGMENT_HEADER_BYTES || position.offset >= reader->again.end)
        return diag_set(reterr_why, ERR_NOT_FOUND, "nothing durable at %u of log segment %u",
                        position.offset, position.segment);
    reader->again.offset = position.offset;
    enum wal_step step = wal_cursor_next(&reader->again);
    if (step != WAL_STEP_RECORD && !is_live(reader->wal, position.segment))
        return diag_set(reterr_why, ERR_NOT_FOUND, "log segment %u is released", position.segment);
    if (step == WAL_STEP_IO)
        return diag_set(reterr_why, ERR_IO, "cannot read log segment %u", position.segment);
    if (step != WAL_STEP_RECORD)
        return diag_set(reterr_why, ERR_CORRUPT, "no whole record at %u of log segment %u",
                        position.offset, position.segment);
    size_t len = reader->again.header.len;
    char *plain = buf_reserve(out, len);
    if (!plain && len)
        return diag_set(reterr_why, ERR_LIMIT, "a record of %zu bytes is too large here", len);
    char nothing;
    err = record_plain(reader, &reader->again_segment, &reader->again, plain ? plain : &nothing,
                       reterr_why);
    if (!err)
        out->len += len;
    return err;
}

struct wal_ahead **wal_reader_ahead(struct wal_reader *reader)
{
    return &reader->ahead;
}

struct wal *wal_reader_wal(struct wal_reader *reader)
{
    return reader->wal;
}

struct wal_position wal_reader_following(struct wal_reader *reader)
{
    struct wal *wal = reader->wal;
    struct wal_position position = { reader->again_segment.number, (uint32_t)reader->again.offset };
    pthread_mutex_lock(&wal->lock);
    size_t i = 0;
    while (i < wal->segment_count && wal->segments[i].number != position.segment)
        i++;
    bool is_live = i < wal->segment_count;
    if (is_live && position.offset >= wal->segments[i].end) { /* it may be complete */
        bool has_next = i + 1 < wal->segment_count;
        position = (struct wal_position){ has_next ? wal->segments[i + 1].number : 0,
                                          WAL_SEGMENT_HEADER_BYTES };
    }
    pthread_mutex_unlock(&wal->lock);
    return is_live ? position : (struct wal_position){ 0 };
}
