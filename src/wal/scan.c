/* scan.c -- every record of a log at rest, for `log verify` and `log dump`.
 *
 * Needs no keys to verify: the checksums cover headers and ciphertext.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "wal/wal_int.h"
#include <errno.h>
#include <fcntl.h>

struct scan {
    const struct wal_config *config;
    void (*each)(const struct wal_scan_item *item, void *arg);
    void *arg;
    struct crypt_gcm *gcm;
    struct wal_cursor cursor;
    struct wal_segment_header header;
    bool header_ok;
    bool is_released;      /* the file is another segment by now */
    bool follows_released; /* the next item does */
    uint32_t number;
    const char *path;
    char *plain;
    size_t plain_capacity;
};

static bool scan_decrypt(struct scan *scan)
{
    const struct wal_record_header *header = &scan->cursor.header;
    struct crypt_key parent = { 0 }, key;
    const struct wal_config *config = scan->config;
    if (!config->log_key || !scan->header_ok ||
        config->log_key(config->log_key_arg, header->hour, false, &parent) != ERR_OK)
        return false;
    wal_record_key(&parent, scan->header.salt, &key);
    if (header->len + 1 > scan->plain_capacity) {
        scan->plain_capacity = header->len + 1;
        scan->plain = xrealloc(scan->plain, scan->plain_capacity);
    }
    bool opened = wal_record_open(scan->gcm, &key, header, scan->cursor.sealed, scan->plain);
    crypt_wipe(&parent, sizeof parent);
    crypt_wipe(&key, sizeof key);
    return opened;
}

static void scan_item(struct scan *scan, struct wal_scan_item *item)
{
    item->follows_released = scan->follows_released;
    scan->follows_released = false;
    scan->each(item, scan->arg);
}

/* Beside a live log: a released file is renamed before it is written over. */
static void scan_damage(struct scan *scan, uint64_t at, uint64_t len)
{
    scan->is_released = scan->is_released || !file_exists(scan->path);
    if (scan->is_released)
        return;
    struct wal_scan_item item = { .position = { scan->number, (uint32_t)at }, .len = (size_t)len };
    scan_item(scan, &item);
}

static void scan_record(struct scan *scan)
{
    const struct wal_record_header *header = &scan->cursor.header;
    struct wal_scan_item item = { .position = { scan->number, (uint32_t)scan->cursor.at },
                                  .sequence = header->sequence,
                                  .len = header->len,
                                  .hour = header->hour,
                                  .crc_ok = true,
                                  .decrypted = scan_decrypt(scan) };
    if (item.decrypted)
        item.bytes = str_make(scan->plain, header->len);
    scan_item(scan, &item);
}

static enum err scan_records(struct scan *scan, struct diag *why)
{
    while (!scan->is_released) {
        switch (wal_cursor_next(&scan->cursor)) {
        case WAL_STEP_RECORD:
            scan_record(scan);
            break;
        case WAL_STEP_DAMAGED:
            scan_damage(scan, scan->cursor.at, scan->cursor.at_bytes);
            break;
        case WAL_STEP_END:
            return ERR_OK;
        case WAL_STEP_IO:
            return diag_set(why, ERR_IO, "cannot read log segment %u at %llu", scan->number,
                            (unsigned long long)scan->cursor.offset);
        }
    }
    return ERR_OK;
}

/* Its header is not written yet, and no record proves that one was: recovery removes it. */
static bool is_being_made(struct scan *scan)
{
    enum wal_step step;
    bool has_second_group = false;
    while ((step = wal_cursor_next(&scan->cursor)) == WAL_STEP_RECORD || step == WAL_STEP_DAMAGED) {
        if (step == WAL_STEP_RECORD && scan->cursor.header.durable_offset > 0)
            has_second_group = true;
    }
    scan->cursor.offset = WAL_SEGMENT_HEADER_BYTES;
    return step == WAL_STEP_END && !has_second_group;
}

static enum err scan_segment(struct scan *scan, uint64_t size, bool is_newest, struct diag *why)
{
    uint64_t known_end =
        is_newest ? 0 : wal_segment_known_end(scan->config->dir, scan->config->files, scan->number);
    enum wal_header_state state = wal_cursor_begin(&scan->cursor, size, known_end, &scan->header);
    scan->is_released = false;
    scan->header_ok = state == WAL_HEADER_OK;
    bool is_unwritten = state == WAL_HEADER_STALE || state == WAL_HEADER_BLANK;
    if (is_newest && is_unwritten && is_being_made(scan))
        return ERR_OK;
    if (!scan->header_ok)
        scan_damage(scan, 0, MIN(scan->cursor.end, (uint64_t)WAL_SEGMENT_HEADER_BYTES));
    enum err err = scan_records(scan, why);
    if (!err && known_end > size)
        scan_damage(scan, size, known_end - size);
    return err;
}

static enum err scan_all(struct scan *scan, const struct wal_numbers *numbers, struct diag *why)
{
    const struct wal_config *config = scan->config;
    enum err err = ERR_OK;
    for (size_t i = 0; i < numbers->count && !err; i++) {
        char path[WAL_PATH_MAX];
        scan->number = numbers->items[i];
        scan->path = path;
        wal_segment_path(config->dir, scan->number, path);
        int fd = config->files->open(path, O_RDONLY, 0);
        if (fd < 0) { /* a live log may have released it since the listing */
            if (errno != ENOENT)
                err = diag_set(why, ERR_IO, "cannot open %s: %s", path, strerror(errno));
            scan->follows_released = true;
            continue;
        }
        int64_t size = file_size(path);
        wal_cursor_init(&scan->cursor, config->files, fd, scan->number,
                        (size_t)WAL_CHUNK_SEQUENTIAL * 4);
        err = scan_segment(scan, size < 0 ? 0 : (uint64_t)size, i + 1 == numbers->count, why);
        wal_cursor_clear(&scan->cursor);
    }
    scan->path = NULL;
    return err;
}

enum err wal_scan(const struct wal_config *config,
                  void (*each)(const struct wal_scan_item *item, void *arg), void *arg,
                  struct diag *reterr_why)
{
    assert(config->dir && config->files && each);
    struct wal_numbers numbers, spares;
    enum err err = wal_segment_list(config->dir, &numbers, &spares, reterr_why);
    if (err)
        return err;
    struct scan scan = { .config = config, .each = each, .arg = arg, .gcm = crypt_gcm_new() };
    err = scan_all(&scan, &numbers, reterr_why);
    crypt_gcm_free(scan.gcm);
    xfree(scan.plain);
    wal_numbers_clear(&numbers);
    wal_numbers_clear(&spares);
    return err;
}
