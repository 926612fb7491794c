/* store_file.c -- the keystore on disk: load, append and sync, write again whole.
 *
 * Records have one size, so damage to one never hides the next.  After an fsync
 * error the descriptor is given up and the file is written anew from memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "keys/keys_int.h"
#include <errno.h>
#include <fcntl.h>

void keys_header_close(struct keys_header *header)
{
    memcpy(header->magic, KEYS_MAGIC, sizeof header->magic);
    header->version = KEYS_VERSION;
    header->crc = hash_crc32c(0, header, offsetof(struct keys_header, crc));
}

static void record_close(struct keys_entry *entry)
{
    if (!entry->damaged)
        entry->record.crc = hash_crc32c(0, &entry->record, offsetof(struct keys_record, crc));
}

static bool record_ok(const struct keys_record *record)
{
    return record->magic == KEYS_RECORD_MAGIC && record->kind > 0 && record->kind < KEYS_KIND_END &&
           record->id != 0 &&
           record->crc == hash_crc32c(0, record, offsetof(struct keys_record, crc));
}

enum err keys_file_load(struct keystore *keystore, str bytes, struct diag *reterr_why)
{
    struct keys_header *header = &keystore->header;
    if (bytes.len < sizeof *header)
        return diag_set(reterr_why, ERR_CORRUPT, "the keystore is shorter than its header");
    memcpy(header, bytes.ptr, sizeof *header);
    if (memcmp(header->magic, KEYS_MAGIC, sizeof header->magic) != 0 ||
        header->crc != hash_crc32c(0, header, offsetof(struct keys_header, crc)))
        return diag_set(reterr_why, ERR_CORRUPT, "the keystore's header is damaged");
    if (header->version != KEYS_VERSION)
        return diag_set(reterr_why, ERR_UNSUPPORTED,
                        "the keystore has version %u, this program reads %u", header->version,
                        KEYS_VERSION);
    size_t whole = (bytes.len - sizeof *header) / KEYS_RECORD_BYTES;
    size_t last_good = 0;
    for (size_t i = 0; i < whole; i++) {
        struct keys_record record;
        memcpy(&record, bytes.ptr + sizeof *header + i * KEYS_RECORD_BYTES, sizeof record);
        if (record_ok(&record)) {
            last_good = i + 1;
            keys_entry_add(keystore, &record);
        } else {
            keys_entry_add(keystore, &(struct keys_record){ .flags = KEYS_FLAG_DESTROYED });
            keystore->entries[keystore->count - 1] =
                (struct keys_entry){ .record = record, .damaged = true };
        }
    }
    keystore->count = last_good; /* bad records at the end are a torn append */
    keys_tables_rebuild(keystore);
    keystore->synced = last_good;
    keystore->file_bytes = sizeof *header + last_good * KEYS_RECORD_BYTES;
    return ERR_OK;
}

static void file_leave(struct keystore *keystore)
{
    if (keystore->fd >= 0)
        sys_files_real.close(keystore->fd);
    keystore->fd = -1;
}

static enum err file_enter(struct keystore *keystore, struct diag *why)
{
    keystore->fd = sys_files_real.open(keystore->path, O_WRONLY | O_APPEND, 0);
    if (keystore->fd < 0)
        return diag_set(why, ERR_IO, "cannot open %s: %s", keystore->path, strerror(errno));
    if (file_size(keystore->path) != (int64_t)keystore->file_bytes &&
        (sys_files_real.ftruncate(keystore->fd, (int64_t)keystore->file_bytes) != 0 ||
         sys_files_real.fdatasync(keystore->fd) != 0)) {
        file_leave(keystore);
        return diag_set(why, ERR_IO, "cannot cut the torn end of %s: %s", keystore->path,
                        strerror(errno));
    }
    return ERR_OK;
}

enum err keys_file_rewrite(struct keystore *keystore, struct diag *reterr_why)
{
    struct buf file;
    buf_init(&file, KEYS_FILE_BYTES_MAX);
    buf_add(&file, &keystore->header, sizeof keystore->header);
    for (size_t i = 0; i < keystore->count; i++) {
        record_close(&keystore->entries[i]);
        buf_add(&file, &keystore->entries[i].record, KEYS_RECORD_BYTES);
    }
    keystore->needs_rewrite = true;
    file_leave(keystore);
    enum err err = buf_failed(&file)
                       ? diag_set(reterr_why, ERR_LIMIT, "the keystore would be too large")
                       : file_replace(keystore->path, buf_str(&file), 0600, reterr_why);
    if (!err) {
        keystore->needs_rewrite = false;
        keystore->synced = keystore->count;
        keystore->file_bytes = file.len;
    }
    buf_clear(&file);
    return err;
}

enum err keys_file_sync(struct keystore *keystore, struct diag *reterr_why)
{
    assert(!keystore->read_only);
    if (keystore->needs_rewrite)
        return keys_file_rewrite(keystore, reterr_why);
    if (keystore->synced == keystore->count)
        return ERR_OK;
    enum err err = keystore->fd >= 0 ? ERR_OK : file_enter(keystore, reterr_why);
    if (err)
        return err;
    struct buf more;
    buf_init(&more, KEYS_FILE_BYTES_MAX);
    for (size_t i = keystore->synced; i < keystore->count; i++) {
        record_close(&keystore->entries[i]);
        buf_add(&more, &keystore->entries[i].record, KEYS_RECORD_BYTES);
    }
    err = file_write_all(&sys_files_real, keystore->fd, more.ptr, more.len, reterr_why);
    if (!err && sys_files_real.fdatasync(keystore->fd) != 0)
        err = keys_file_rewrite(keystore, reterr_why);
    else if (err)
        file_leave(keystore); /* the next try cuts what was half written */
    else {
        keystore->synced = keystore->count;
        keystore->file_bytes += more.len;
    }
    buf_clear(&more);
    return err;
}
