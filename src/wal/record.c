/* record.c -- one record: header, encryption, checksums.
 *
 * A record is sealed by the thread that submits it, before its place is known;
 * so GCM authenticates what the sender knows (length, hour, nonce) and the writer
 * adds sequence and place under the header's CRC.
 *
 * Nonces cannot repeat: the key is derived from the hour's key and a random 128-bit
 * salt of this opening of the log, and under one salt the nonce is a counter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "wal/wal_int.h"

void wal_segment_header_close(struct wal_segment_header *header)
{
    memcpy(header->magic, WAL_MAGIC, sizeof header->magic);
    header->version = WAL_VERSION;
    header->crc = hash_crc32c(0, header, offsetof(struct wal_segment_header, crc));
}

enum wal_header_state wal_segment_header_state(const struct wal_segment_header *header,
                                               uint32_t number)
{
    static const struct wal_segment_header blank;
    if (memcmp(header, &blank, sizeof blank) == 0)
        return WAL_HEADER_BLANK;
    if (memcmp(header->magic, WAL_MAGIC, sizeof header->magic) != 0 ||
        header->crc != hash_crc32c(0, header, offsetof(struct wal_segment_header, crc)) ||
        header->version < WAL_VERSION_FIRST || header->version > WAL_VERSION)
        return WAL_HEADER_BAD;
    return header->number == number ? WAL_HEADER_OK : WAL_HEADER_STALE;
}

bool wal_record_header_ok(const struct wal_record_header *header)
{
    return header->magic == WAL_RECORD_MAGIC &&
           header->crc == hash_crc32c(0, header, offsetof(struct wal_record_header, crc)) &&
           header->len <= WAL_RECORD_BYTES_MAX;
}

void wal_record_key(const struct crypt_key *hour_key, const uint8_t salt[WAL_SALT_BYTES],
                    struct crypt_key *ret_key)
{
    crypt_derive(hour_key, str_make((const char *)salt, WAL_SALT_BYTES), STR_OF("log record"),
                 ret_key);
}

static void nonce_bytes(uint64_t nonce, uint8_t ret_bytes[CRYPT_NONCE_BYTES])
{
    memset(ret_bytes, 0, CRYPT_NONCE_BYTES);
    memcpy(ret_bytes, &nonce, sizeof nonce);
}

void wal_record_seal(struct crypt_gcm *gcm, const struct crypt_key *key, int64_t hour,
                     uint64_t nonce, struct wal_entry *entry)
{
    assert(entry->capacity >= entry->len + CRYPT_TAG_BYTES);
    struct wal_record_header header = { .magic = WAL_RECORD_MAGIC,
                                        .len = (uint32_t)entry->len,
                                        .hour = (uint32_t)hour,
                                        .nonce = nonce };
    uint8_t bytes[CRYPT_NONCE_BYTES];
    nonce_bytes(nonce, bytes);
    crypt_gcm_seal(gcm, key, bytes, str_make((const char *)&header, WAL_RECORD_AAD_BYTES),
                   entry->bytes, entry->len, entry->bytes);
    header.payload_crc = hash_crc32c(0, entry->bytes, entry->len + CRYPT_TAG_BYTES);
    memcpy(entry->header, &header, sizeof header);
}

void wal_record_place(struct wal_entry *entry, uint32_t segment, uint64_t sequence,
                      uint32_t durable_offset)
{
    struct wal_record_header header;
    memcpy(&header, entry->header, sizeof header);
    header.sequence = sequence;
    header.durable_offset = durable_offset;
    header.segment = segment;
    header.crc = hash_crc32c(0, &header, offsetof(struct wal_record_header, crc));
    memcpy(entry->header, &header, sizeof header);
    entry->sequence = sequence;
}

bool wal_record_open(struct crypt_gcm *gcm, const struct crypt_key *key,
                     const struct wal_record_header *header, const void *sealed, void *ret_plain)
{
    uint8_t bytes[CRYPT_NONCE_BYTES];
    nonce_bytes(header->nonce, bytes);
    return crypt_gcm_open(gcm, key, bytes, str_make((const char *)header, WAL_RECORD_AAD_BYTES),
                          sealed, header->len + CRYPT_TAG_BYTES, ret_plain);
}
