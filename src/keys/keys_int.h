/* keys_int.h -- the keystore's file format and state, shared by keys/ and its tests.
 *
 * docs/formats/keystore.md explains every byte.  In memory an entry is its record,
 * so that the file can be written again whole; keys are unwrapped on demand.
 *
 * Memory:  struct keystore owns all it points at and wipes keys.
 * Threads: everything under keystore->lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "keys/keys.h"
#include "sys/file.h"
#include "sys/thread.h"

enum {
    KEYS_HEADER_BYTES = 72,
    KEYS_RECORD_BYTES = 104,
    KEYS_RECORD_AAD_BYTES = 40,
    KEYS_NAME_BYTES = 16,
    KEYS_VERSION = 1,
    KEYS_CACHE_SLOTS = 256,
    KEYS_MASTER_HEX = 2 * CRYPT_KEY_BYTES,
};
#define KEYS_MAGIC "TTKEY\r\n\x1a"
#define KEYS_RECORD_MAGIC UINT32_C(0x4b524c54)
#define KEYS_FILE_BYTES_MAX ((size_t)4096 * MIB)

enum keys_kind { KEYS_PROJECT = 1, KEYS_TENANT, KEYS_SUBJECT, KEYS_LOG, KEYS_KIND_END };
enum { KEYS_FLAG_DESTROYED = 1 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

struct keys_header {
    uint8_t magic[8];
    uint32_t version;
    uint32_t reserved;
    uint8_t store_id[16];
    uint8_t fingerprint[8]; /* of the master */
    int64_t created_ns;
    uint8_t check[CRYPT_TAG_BYTES]; /* GCM tag over nothing, under the wrapping key */
    uint32_t reserved2;
    uint32_t crc;
};
_Static_assert(sizeof(struct keys_header) == KEYS_HEADER_BYTES, "no padding");

struct keys_record {
    uint32_t magic;
    uint16_t kind;
    uint16_t flags;
    uint64_t id;
    uint64_t parent;               /* 0: the master */
    uint8_t name[KEYS_NAME_BYTES]; /* HMAC of the names; of a log key: its hour */
    uint8_t nonce[CRYPT_NONCE_BYTES];
    uint8_t wrapped[CRYPT_KEY_BYTES + CRYPT_TAG_BYTES];
    uint32_t crc;
};
_Static_assert(sizeof(struct keys_record) == KEYS_RECORD_BYTES, "no padding");
_Static_assert(offsetof(struct keys_record, nonce) == KEYS_RECORD_AAD_BYTES,
               "all before the nonce");

struct keys_entry {
    struct keys_record record;
    bool damaged; /* its checksum is wrong: written back as it is, never used */
};

/* Open addressing over entry index + 1. */
struct keys_table {
    uint32_t *slots;
    size_t capacity, used;
};
struct keys_cached {
    uint64_t id;
    struct crypt_key key;
};

struct keystore {
    pthread_mutex_t lock; /* docs/decisions: the keystore's lock */
    char *path;
    int fd, lock_fd;
    bool read_only, needs_rewrite, master_file_too_open;
    struct keys_header header;
    struct crypt_key wrap_key; /* derived from the master */
    struct crypt_mac *name_mac;
    struct crypt_gcm *gcm;
    struct keys_entry *entries;
    size_t count, capacity;
    size_t synced;       /* entries[0..synced) are on disk */
    uint64_t file_bytes; /* synced length of the file */
    struct keys_table by_id, by_name;
    struct keys_cached cache[KEYS_CACHE_SLOTS];
};

/* master.c */
struct keys_master {
    struct crypt_key key;
    uint8_t fingerprint[8];
    bool created, file_too_open;
};
MUST_CHECK enum err keys_master_load(const struct keys_config *config, bool store_exists,
                                     struct keys_master *ret_master, struct diag *reterr_why);
MUST_CHECK enum err keys_parent_ensure(const char *path, struct diag *reterr_why);
/* An exclusive lock on `path`.lock, or ERR_CONFLICT. */
MUST_CHECK enum err keys_lock(const char *path, int *ret_fd, struct diag *reterr_why);

/* store_file.c: all under the lock */
MUST_CHECK enum err keys_file_load(struct keystore *keystore, str bytes, struct diag *reterr_why);
MUST_CHECK enum err keys_file_sync(struct keystore *keystore, struct diag *reterr_why);
MUST_CHECK enum err keys_file_rewrite(struct keystore *keystore, struct diag *reterr_why);
void keys_header_close(struct keys_header *header);

/* table.c */
struct keys_entry *keys_entry_add(struct keystore *keystore, const struct keys_record *record);
struct keys_entry *keys_find_id(struct keystore *keystore, uint64_t id);
struct keys_entry *keys_find_name(struct keystore *keystore, enum keys_kind kind,
                                  const uint8_t name[KEYS_NAME_BYTES]);
void keys_tables_rebuild(struct keystore *keystore);
