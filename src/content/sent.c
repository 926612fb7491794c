/* sent.c -- the small files that stand for segments in an object store, and objects' names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "content/keeper_int.h"
#include <errno.h>
#include <stdio.h>

static const char *const endings[] = { [SENT_FILE] = ".sent", [GONE_FILE] = ".gone" };

bool content_sent_ok(const struct content_sent *sent)
{
    return memcmp(sent->magic, SENT_MAGIC, sizeof sent->magic) == 0 &&
           sent->crc == hash_crc32c(0, sent, offsetof(struct content_sent, crc)) &&
           sent->version == SENT_VERSION && sent->state <= SENT_WHOLE &&
           content_header_ok(&sent->header) && content_footer_ok(&sent->footer) &&
           sent->header.kind < CONTENT_KIND_COUNT;
}

void content_sent_path(const char *dir, uint64_t segment, enum sent_kind kind,
                       char ret_path[CONTENT_PATH_MAX])
{
    content_path(dir, segment, ret_path);
    size_t len = strlen(ret_path);
    assert(len + strlen(endings[kind]) < CONTENT_PATH_MAX);
    memcpy(ret_path + len, endings[kind], strlen(endings[kind]) + 1);
}

bool content_sent_read(const char *dir, uint64_t segment, enum sent_kind kind,
                       struct content_sent *ret_sent)
{
    char path[CONTENT_PATH_MAX];
    struct buf bytes;
    content_sent_path(dir, segment, kind, path);
    buf_init(&bytes, sizeof *ret_sent);
    bool is_good = file_read(path, &bytes, NULL) == ERR_OK && bytes.len == sizeof *ret_sent;
    if (is_good)
        memcpy(ret_sent, bytes.ptr, sizeof *ret_sent);
    buf_clear(&bytes);
    return is_good && content_sent_ok(ret_sent);
}

enum err content_sent_write(const char *dir, uint64_t segment, struct content_sent *sent,
                            struct diag *reterr_why)
{
    char path[CONTENT_PATH_MAX];
    memcpy(sent->magic, SENT_MAGIC, sizeof sent->magic);
    sent->version = SENT_VERSION;
    sent->crc = hash_crc32c(0, sent, offsetof(struct content_sent, crc));
    content_sent_path(dir, segment, SENT_FILE, path);
    return file_replace(path, str_make((const char *)sent, sizeof *sent), 0600, reterr_why);
}

enum err content_sent_drop(struct content_store *store, uint64_t segment, struct diag *reterr_why)
{
    char from[CONTENT_PATH_MAX], to[CONTENT_PATH_MAX];
    content_sent_path(store->dir, segment, SENT_FILE, from);
    content_sent_path(store->dir, segment, GONE_FILE, to);
    if (store->config.files->rename(from, to) != 0)
        return diag_set(reterr_why, ERR_IO, "cannot rename %s: %s", from, strerror(errno));
    return dir_sync(store->dir, reterr_why);
}

enum err content_sent_list(const char *dir, enum content_kind kind, enum sent_kind which,
                           struct content_numbers *ret_numbers, struct diag *reterr_why)
{
    return content_list_ending(dir, kind, endings[which], ret_numbers, reterr_why);
}

/* The random id makes it unlike any other segment's, of whichever server. */
void content_object_name(const struct content_header *header, char ret_name[OBJECT_NAME_MAX])
{
    char id[2 * CONTENT_ID_BYTES + 1];
    hex_encode(header->id, CONTENT_ID_BYTES, id);
    snprintf(ret_name, OBJECT_NAME_MAX, "%08llu-%s.%s", (unsigned long long)header->number, id,
             header->kind == CONTENT_KIND_PREVIEW ? "prv" : "seg");
}

void content_index_name(const struct content_header *header, char ret_name[OBJECT_NAME_MAX])
{
    content_object_name(header, ret_name);
    memcpy(ret_name + strlen(ret_name), ".index", sizeof ".index");
}
