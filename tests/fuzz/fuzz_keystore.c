/* fuzz_keystore.c -- any bytes as a keystore file: loaded or refused, and looked up without harm.
 *
 * Byte 0 chooses whether checksums are repaired, so that the fuzzer gets past them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "keys/keys_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair(char *bytes, size_t len)
{
    struct keys_header header;
    if (len < sizeof header)
        return;
    memcpy(&header, bytes, sizeof header);
    keys_header_close(&header);
    memcpy(bytes, &header, sizeof header);
    for (size_t at = sizeof header; at + KEYS_RECORD_BYTES <= len; at += KEYS_RECORD_BYTES) {
        struct keys_record record;
        memcpy(&record, bytes + at, sizeof record);
        record.magic = KEYS_RECORD_MAGIC;
        record.kind = (uint16_t)(record.kind % KEYS_KIND_END);
        record.crc = hash_crc32c(0, &record, offsetof(struct keys_record, crc));
        memcpy(bytes + at, &record, sizeof record);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *copy = xmalloc(size);
    memcpy(copy, data + 1, size - 1);
    if (data[0] & 1)
        repair(copy, size - 1);
    struct keystore *keystore = xcalloc(1, sizeof *keystore);
    pthread_mutex_init(&keystore->lock, NULL);
    keystore->fd = keystore->lock_fd = -1;
    keystore->read_only = true;
    keystore->gcm = crypt_gcm_new();
    keystore->name_mac = crypt_mac_new(&keystore->wrap_key);
    if (keys_file_load(keystore, str_make(copy, size - 1), NULL) == ERR_OK) {
        struct keystore_status status;
        keystore_status(keystore, &status);
        struct crypt_key key;
        for (size_t i = 0; i < keystore->count; i++) {
            enum err err = keystore_key_by_id(keystore, keystore->entries[i].record.id, &key);
            assert(err == ERR_NOT_FOUND || err == ERR_CORRUPT);
        }
        uint64_t id;
        assert(keystore_subject_key(keystore, STR_OF("p"), STR_OF("t"), STR_OF("u"), &key, &id,
                                    NULL) != ERR_OK);
        assert(keystore_log_key(keystore, 7, false, &key, NULL) != ERR_OK);
    }
    keystore_free(keystore);
    xfree(copy);
    return 0;
}
