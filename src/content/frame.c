/* frame.c -- one frame: items in, sealed bytes out, and back.
 *
 * The frame key is derived from the subject's key and the segment's random id, so
 * the frame counter alone is a nonce that never repeats under one key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "content/content_int.h"

void content_header_close(struct content_header *header)
{
    memcpy(header->magic, CONTENT_MAGIC, sizeof header->magic);
    header->version = CONTENT_VERSION;
    header->crc = hash_crc32c(0, header, offsetof(struct content_header, crc));
}

bool content_header_ok(const struct content_header *header)
{
    return memcmp(header->magic, CONTENT_MAGIC, sizeof header->magic) == 0 &&
           header->crc == hash_crc32c(0, header, offsetof(struct content_header, crc)) &&
           header->version == CONTENT_VERSION;
}

void content_footer_close(struct content_footer *footer)
{
    footer->magic = CONTENT_FOOTER_MAGIC;
    footer->crc = hash_crc32c(0, footer, offsetof(struct content_footer, crc));
}

bool content_footer_ok(const struct content_footer *footer)
{
    return footer->magic == CONTENT_FOOTER_MAGIC &&
           footer->crc == hash_crc32c(0, footer, offsetof(struct content_footer, crc));
}

bool content_frame_ok(const struct content_frame *frame)
{
    return frame->magic == CONTENT_FRAME_MAGIC &&
           frame->crc == hash_crc32c(0, frame, offsetof(struct content_frame, crc)) &&
           frame->stored_len >= CRYPT_TAG_BYTES &&
           frame->stored_len <= CONTENT_FRAME_BYTES_MAX + CRYPT_TAG_BYTES &&
           frame->plain_len <= CONTENT_FRAME_BYTES_MAX && frame->item_count <= CONTENT_ITEMS_MAX;
}

void content_frame_key(const struct crypt_key *subject_key, const uint8_t id[CONTENT_ID_BYTES],
                       struct crypt_key *ret_key)
{
    crypt_derive(subject_key, str_make((const char *)id, CONTENT_ID_BYTES), STR_OF("content frame"),
                 ret_key);
}

static void frame_nonce(const struct content_frame *frame, uint8_t ret_nonce[CRYPT_NONCE_BYTES])
{
    memset(ret_nonce, 0, CRYPT_NONCE_BYTES);
    memcpy(ret_nonce, &frame->counter, sizeof frame->counter);
}

static str frame_aad(const struct content_frame *frame)
{
    return str_make((const char *)frame, CONTENT_FRAME_AAD_BYTES);
}

void content_frame_seal(struct crypt_gcm *gcm, const struct crypt_key *frame_key,
                        struct content_frame *frame, const char *stored, char *ret_bytes)
{
    _Static_assert(offsetof(struct content_frame, payload_crc) == CONTENT_FRAME_AAD_BYTES,
                   "all but the checksums is authenticated");
    uint8_t nonce[CRYPT_NONCE_BYTES];
    frame_nonce(frame, nonce);
    char *sealed = ret_bytes + sizeof *frame;
    crypt_gcm_seal(gcm, frame_key, nonce, frame_aad(frame), stored,
                   frame->stored_len - CRYPT_TAG_BYTES, sealed);
    frame->payload_crc = hash_crc32c(0, sealed, frame->stored_len);
    frame->crc = hash_crc32c(0, frame, offsetof(struct content_frame, crc));
    memcpy(ret_bytes, frame, sizeof *frame);
}

bool content_frame_open(struct crypt_gcm *gcm, const struct crypt_key *frame_key,
                        const struct content_frame *frame, const char *sealed, char *ret_stored)
{
    uint8_t nonce[CRYPT_NONCE_BYTES];
    frame_nonce(frame, nonce);
    return crypt_gcm_open(gcm, frame_key, nonce, frame_aad(frame), sealed, frame->stored_len,
                          ret_stored);
}

static enum err items_split(str plain, size_t count, struct content_item *items, struct diag *why)
{
    size_t at = count * CONTENT_ITEM_BYTES;
    for (size_t i = 0; i < count; i++) {
        struct content_item_head head;
        memcpy(&head, plain.ptr + i * CONTENT_ITEM_BYTES, sizeof head);
        if (head.role >= CONTENT_ROLE_COUNT || head.len > plain.len - at)
            return diag_set_at(why, ERR_CORRUPT, i * CONTENT_ITEM_BYTES,
                               "a content item is damaged");
        memcpy(&items[i].owner, head.owner, sizeof head.owner);
        items[i].role = (enum content_role)head.role;
        items[i].json = str_make(plain.ptr + at, head.len);
        at += head.len;
    }
    if (at != plain.len)
        return diag_set_at(why, ERR_CORRUPT, at, "a content frame has bytes that no item owns");
    return ERR_OK;
}

enum err content_items_decode(ZSTD_DCtx *zstd, const struct content_frame *frame, str stored,
                              struct arena *arena, struct content_item **ret_items,
                              size_t *ret_count, struct diag *reterr_why)
{
    size_t count = frame->item_count;
    if (frame->plain_len > CONTENT_FRAME_BYTES_MAX || count > frame->plain_len / CONTENT_ITEM_BYTES)
        return diag_set(reterr_why, ERR_CORRUPT, "a content frame is shorter than its items");
    char *plain = arena_alloc(arena, frame->plain_len);
    struct content_item *items = arena_new(arena, struct content_item, count);
    if (!plain || !items)
        return diag_set(reterr_why, ERR_LIMIT, "no room for %u bytes of content", frame->plain_len);
    size_t got = stored.len;
    if (frame->flags & CONTENT_FLAG_ZSTD)
        got = ZSTD_decompressDCtx(zstd, plain, frame->plain_len, stored.ptr, stored.len);
    else if (stored.len == frame->plain_len)
        memcpy(plain, stored.ptr, stored.len);
    if (got != frame->plain_len) /* an error code of zstd is larger than any length */
        return diag_set(reterr_why, ERR_CORRUPT, "a content frame does not decompress");
    enum err err = items_split(str_make(plain, frame->plain_len), count, items, reterr_why);
    if (err)
        return err;
    *ret_items = items;
    *ret_count = count;
    return ERR_OK;
}
