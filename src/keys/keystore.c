/* keystore.c -- finding, making, unwrapping and destroying keys.
 *
 * A key is 32 random bytes wrapped with AES-256-GCM under its parent; names of
 * projects, tenants and users are kept only as HMACs.  One lock guards all: a look-up
 * takes about a microsecond (unwrap), so nobody waits long, except for a sync.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include "keys/keys_int.h"
#include "sys/clock.h"

static const uint8_t check_nonce[CRYPT_NONCE_BYTES] = "checkcheck12";

/* ---- opening ---- */

static void keys_derive(struct keystore *keystore, const struct crypt_key *master)
{
    str salt = str_make((const char *)keystore->header.store_id, sizeof keystore->header.store_id);
    struct crypt_key name_key;
    crypt_derive(master, salt, STR_OF("keystore wrap"), &keystore->wrap_key);
    crypt_derive(master, salt, STR_OF("keystore names"), &name_key);
    crypt_mac_free(keystore->name_mac);
    keystore->name_mac = crypt_mac_new(&name_key);
    crypt_wipe(&name_key, sizeof name_key);
}

static void check_value(struct keystore *keystore, uint8_t ret_check[CRYPT_TAG_BYTES])
{
    crypt_gcm_seal(keystore->gcm, &keystore->wrap_key, check_nonce, STR_OF("keystore"), "", 0,
                   ret_check);
}

static enum err store_make(struct keystore *keystore, const struct keys_master *master,
                           struct diag *why)
{
    enum err err = keys_parent_ensure(keystore->path, why);
    if (err)
        return err;
    crypt_random(keystore->header.store_id, sizeof keystore->header.store_id);
    memcpy(keystore->header.fingerprint, master->fingerprint, sizeof master->fingerprint);
    keystore->header.created_ns = clock_now_ns();
    keys_derive(keystore, &master->key);
    check_value(keystore, keystore->header.check);
    keys_header_close(&keystore->header);
    return keys_file_rewrite(keystore, why);
}

static enum err store_load(struct keystore *keystore, const struct keys_master *master,
                           struct diag *why)
{
    struct buf file;
    buf_init(&file, KEYS_FILE_BYTES_MAX);
    enum err err = file_read(keystore->path, &file, why);
    if (!err)
        err = keys_file_load(keystore, buf_str(&file), why);
    buf_clear(&file);
    if (err)
        return err;
    keys_derive(keystore, &master->key);
    uint8_t check[CRYPT_TAG_BYTES];
    check_value(keystore, check);
    if (crypt_equal(check, keystore->header.check, sizeof check))
        return ERR_OK;
    char made_with[17], given[17];
    hex_encode(keystore->header.fingerprint, 8, made_with);
    hex_encode(master->fingerprint, 8, given);
    diag_set(why, ERR_KEY, "the keystore %s was made with master key %s, the one given is %s",
             keystore->path, made_with, given);
    diag_hint(why, "use the master key with fingerprint %s; the keystore is unchanged", made_with);
    return ERR_KEY;
}

static enum err store_open(struct keystore *keystore, const struct keys_config *config,
                           bool *ret_created, struct diag *why)
{
    bool exists = file_exists(keystore->path);
    struct keys_master master;
    enum err err = keys_master_load(config, exists, &master, why);
    if (err)
        return err;
    keystore->master_file_too_open = master.file_too_open;
    if (exists) {
        err = store_load(keystore, &master, why);
    } else if (config->may_create && !config->read_only) {
        err = store_make(keystore, &master, why);
    } else {
        diag_set(why, ERR_KEY, "there is no keystore %s", keystore->path);
        diag_hint(why, "without it old content cannot be read; restore it beside its master key");
        err = ERR_KEY;
    }
    if (!err)
        *ret_created = master.created;
    crypt_wipe(&master, sizeof master);
    return err;
}

enum err keystore_open(const struct keys_config *config, struct keystore **ret_keystore,
                       bool *ret_created, struct diag *reterr_why)
{
    assert(config->store_path);
    struct keystore *keystore = xcalloc(1, sizeof *keystore);
    pthread_mutex_init(&keystore->lock, NULL);
    keystore->path = xstrdup_str(str_from_c(config->store_path));
    keystore->fd = keystore->lock_fd = -1;
    keystore->read_only = config->read_only;
    keystore->gcm = crypt_gcm_new();
    enum err err = ERR_OK;
    if (!config->read_only) {
        err = config->may_create ? keys_parent_ensure(config->store_path, reterr_why) : ERR_OK;
        if (!err)
            err = keys_lock(config->store_path, &keystore->lock_fd, reterr_why);
    }
    struct keys_config effective = *config;
    effective.may_create = config->may_create && !config->read_only;
    if (!err)
        err = store_open(keystore, &effective, ret_created, reterr_why);
    if (err) {
        keystore_free(keystore);
        return err;
    }
    *ret_keystore = keystore;
    return ERR_OK;
}

void keystore_free(struct keystore *keystore)
{
    if (!keystore)
        return;
    if (keystore->fd >= 0)
        sys_files_real.close(keystore->fd);
    if (keystore->lock_fd >= 0)
        sys_files_real.close(keystore->lock_fd);
    crypt_gcm_free(keystore->gcm);
    crypt_mac_free(keystore->name_mac);
    xfree(keystore->entries);
    xfree(keystore->by_id.slots);
    xfree(keystore->by_name.slots);
    xfree(keystore->path);
    pthread_mutex_destroy(&keystore->lock);
    crypt_wipe(keystore, sizeof *keystore);
    xfree(keystore);
}

/* ---- one key; under the lock ---- */

static void name_of(struct keystore *keystore, enum keys_kind kind, const str parts[3],
                    uint8_t ret_name[KEYS_NAME_BYTES])
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    buf_add_char(&text, (char)kind);
    for (int i = 0; i < 3; i++) {
        uint64_t len = parts[i].len;
        buf_add(&text, &len, sizeof len);
        buf_add_str(&text, parts[i]);
    }
    uint8_t hash[CRYPT_SHA256_BYTES];
    crypt_mac_once(keystore->name_mac, text.ptr, text.len, hash);
    memcpy(ret_name, hash, KEYS_NAME_BYTES);
    buf_clear(&text);
}

static struct keys_cached *cache_slot(struct keystore *keystore, uint64_t id)
{
    return &keystore->cache[id % KEYS_CACHE_SLOTS];
}

static str record_aad(const struct keys_record *record)
{
    return str_make((const char *)record, KEYS_RECORD_AAD_BYTES);
}

/* The chain up to the master is at most three keys long. */
static enum err key_unwrap(struct keystore *keystore, const struct keys_record *record,
                           struct crypt_key *ret_key)
{
    struct keys_cached *slot = cache_slot(keystore, record->id);
    if (slot->id == record->id) {
        *ret_key = slot->key;
        return ERR_OK;
    }
    struct crypt_key parent = keystore->wrap_key;
    enum err err = ERR_OK;
    if (record->parent) {
        const struct keys_entry *entry = keys_find_id(keystore, record->parent);
        if (!entry || entry->record.kind >= record->kind)
            return ERR_NOT_FOUND;
        err = key_unwrap(keystore, &entry->record, &parent);
    }
    struct crypt_key key;
    if (!err && !crypt_gcm_open(keystore->gcm, &parent, record->nonce, record_aad(record),
                                record->wrapped, sizeof record->wrapped, &key))
        err = ERR_CORRUPT;
    if (!err) {
        *slot = (struct keys_cached){ record->id, key };
        *ret_key = key;
    }
    crypt_wipe(&parent, sizeof parent);
    crypt_wipe(&key, sizeof key);
    return err;
}

static uint64_t id_new(struct keystore *keystore)
{
    for (;;) {
        uint64_t id;
        crypt_random(&id, sizeof id);
        id &= INT64_MAX; /* databases like signed integers */
        if (id && !keys_find_id(keystore, id))
            return id;
    }
}

static enum err key_make(struct keystore *keystore, enum keys_kind kind,
                         const uint8_t name[KEYS_NAME_BYTES], uint64_t parent_id,
                         struct keys_entry **ret_entry)
{
    struct crypt_key parent = keystore->wrap_key, key;
    if (parent_id) {
        enum err err = key_unwrap(keystore, &keys_find_id(keystore, parent_id)->record, &parent);
        if (err)
            return err;
    }
    struct keys_record record = { .magic = KEYS_RECORD_MAGIC,
                                  .kind = (uint16_t)kind,
                                  .id = id_new(keystore),
                                  .parent = parent_id };
    memcpy(record.name, name, KEYS_NAME_BYTES);
    crypt_random(record.nonce, sizeof record.nonce);
    crypt_random(&key, sizeof key);
    crypt_gcm_seal(keystore->gcm, &parent, record.nonce, record_aad(&record), &key, sizeof key,
                   record.wrapped);
    *ret_entry = keys_entry_add(keystore, &record);
    *cache_slot(keystore, record.id) = (struct keys_cached){ record.id, key };
    crypt_wipe(&parent, sizeof parent);
    crypt_wipe(&key, sizeof key);
    return ERR_OK;
}

static enum err key_ensure(struct keystore *keystore, enum keys_kind kind,
                           const uint8_t name[KEYS_NAME_BYTES], uint64_t parent_id,
                           struct keys_entry **ret_entry)
{
    *ret_entry = keys_find_name(keystore, kind, name);
    if (*ret_entry)
        return ERR_OK;
    if (keystore->read_only)
        return ERR_NOT_FOUND;
    return key_make(keystore, kind, name, parent_id, ret_entry);
}

/* The names of the three levels; *ret_kind: the lowest that is given. */
static void subject_names(struct keystore *keystore, const str parts[3],
                          uint8_t ret_names[4][KEYS_NAME_BYTES], enum keys_kind *ret_kind)
{
    bool has_tenant = !str_is_empty(parts[1]), has_user = !str_is_empty(parts[2]);
    *ret_kind = has_user ? KEYS_SUBJECT : has_tenant ? KEYS_TENANT : KEYS_PROJECT;
    name_of(keystore, KEYS_PROJECT, (str[3]){ parts[0], STR_NONE, STR_NONE },
            ret_names[KEYS_PROJECT]);
    memset(ret_names[KEYS_TENANT], 0, KEYS_NAME_BYTES);
    if (has_tenant)
        name_of(keystore, KEYS_TENANT, (str[3]){ parts[0], parts[1], STR_NONE },
                ret_names[KEYS_TENANT]);
    if (has_user)
        name_of(keystore, KEYS_SUBJECT, parts, ret_names[KEYS_SUBJECT]);
}

static enum err subject_ensure(struct keystore *keystore, const str parts[3],
                               struct keys_entry **ret_entry)
{
    uint8_t names[4][KEYS_NAME_BYTES];
    enum keys_kind kind;
    subject_names(keystore, parts, names, &kind);
    *ret_entry = keys_find_name(keystore, kind, names[kind]);
    if (*ret_entry)
        return ERR_OK;
    uint64_t parent = 0;
    for (enum keys_kind level = KEYS_PROJECT; level <= kind; level++) {
        if (level == KEYS_TENANT && str_is_empty(parts[1]))
            continue;
        enum err err = key_ensure(keystore, level, names[level], parent, ret_entry);
        if (err)
            return err;
        parent = (*ret_entry)->record.id;
    }
    return ERR_OK;
}

/* ---- the door ---- */

enum err keystore_subject_key(struct keystore *keystore, str project, str tenant, str user,
                              struct crypt_key *ret_key, uint64_t *ret_key_id,
                              struct diag *reterr_why)
{
    struct keys_entry *entry;
    struct crypt_key key;
    pthread_mutex_lock(&keystore->lock);
    enum err err = subject_ensure(keystore, (str[3]){ project, tenant, user }, &entry);
    if (!err)
        err = key_unwrap(keystore, &entry->record, &key);
    if (!err) {
        *ret_key = key;
        *ret_key_id = entry->record.id;
    }
    pthread_mutex_unlock(&keystore->lock);
    crypt_wipe(&key, sizeof key);
    return err ? diag_set(reterr_why, err, "no key for this subject") : ERR_OK;
}

enum err keystore_sync(struct keystore *keystore, struct diag *reterr_why)
{
    pthread_mutex_lock(&keystore->lock);
    enum err err = keystore->read_only ? ERR_OK : keys_file_sync(keystore, reterr_why);
    pthread_mutex_unlock(&keystore->lock);
    return err;
}

enum err keystore_key_by_id(struct keystore *keystore, uint64_t key_id, struct crypt_key *ret_key)
{
    pthread_mutex_lock(&keystore->lock);
    struct keys_entry *entry = keys_find_id(keystore, key_id);
    enum err err = entry ? key_unwrap(keystore, &entry->record, ret_key) : ERR_NOT_FOUND;
    pthread_mutex_unlock(&keystore->lock);
    return err;
}

enum err keystore_hash_key(struct keystore *keystore, str project, struct crypt_key *ret_key,
                           struct diag *reterr_why)
{
    struct crypt_key key;
    uint64_t id;
    enum err err =
        keystore_subject_key(keystore, project, STR_NONE, STR_NONE, &key, &id, reterr_why);
    if (!err && !keystore->read_only) /* hashes are compared for months: the key must stay */
        err = keystore_sync(keystore, reterr_why);
    if (!err)
        crypt_derive(&key, STR_NONE, STR_OF("content hashes"), ret_key);
    crypt_wipe(&key, sizeof key);
    return err;
}

enum err keystore_search_key(struct keystore *keystore, uint64_t key_id, uint64_t *ret_project_id,
                             struct crypt_key *ret_key)
{
    struct crypt_key key;
    enum err err = ERR_NOT_FOUND;
    pthread_mutex_lock(&keystore->lock);
    const struct keys_entry *entry = keys_find_id(keystore, key_id);
    for (int steps = 0; entry && entry->record.parent && steps < KEYS_KIND_END; steps++)
        entry = keys_find_id(keystore, entry->record.parent);
    if (entry && entry->record.kind == KEYS_PROJECT) {
        err = key_unwrap(keystore, &entry->record, &key);
        *ret_project_id = entry->record.id;
    }
    pthread_mutex_unlock(&keystore->lock);
    if (!err)
        crypt_derive(&key, STR_NONE, STR_OF("search words"), ret_key);
    crypt_wipe(&key, sizeof key);
    return err;
}

enum err keystore_log_key(struct keystore *keystore, int64_t hour, bool create,
                          struct crypt_key *ret_key, struct diag *reterr_why)
{
    uint8_t name[KEYS_NAME_BYTES] = { 0 };
    memcpy(name, &hour, sizeof hour);
    enum err err = ERR_OK;
    pthread_mutex_lock(&keystore->lock);
    struct keys_entry *entry = keys_find_name(keystore, KEYS_LOG, name);
    if (!entry && create && !keystore->read_only)
        err = key_make(keystore, KEYS_LOG, name, 0, &entry);
    else if (!entry)
        err = diag_set(reterr_why, ERR_NOT_FOUND, "there is no log key of hour %lld",
                       (long long)hour);
    if (!err && (size_t)(entry - keystore->entries) >= keystore->synced)
        err = keys_file_sync(keystore, reterr_why);
    if (!err)
        err = key_unwrap(keystore, &entry->record, ret_key);
    pthread_mutex_unlock(&keystore->lock);
    return err;
}

/* ---- destroying ---- */

static enum err after_destroy(struct keystore *keystore, struct diag *why)
{
    crypt_wipe(keystore->cache, sizeof keystore->cache);
    keys_tables_rebuild(keystore);
    return keys_file_rewrite(keystore, why);
}

enum err keystore_forget_log_keys(struct keystore *keystore, int64_t before_hour,
                                  struct diag *reterr_why)
{
    enum err err = ERR_OK;
    pthread_mutex_lock(&keystore->lock);
    assert(!keystore->read_only);
    size_t kept = 0;
    for (size_t i = 0; i < keystore->count; i++) {
        const struct keys_record *record = &keystore->entries[i].record;
        int64_t hour;
        memcpy(&hour, record->name, sizeof hour);
        bool forget =
            !keystore->entries[i].damaged && record->kind == KEYS_LOG && hour < before_hour;
        if (!forget)
            keystore->entries[kept++] = keystore->entries[i];
    }
    if (kept < keystore->count) {
        crypt_wipe(keystore->entries + kept,
                   (keystore->count - kept) * sizeof keystore->entries[0]);
        keystore->count = kept;
        err = after_destroy(keystore, reterr_why);
    } else if (keystore->needs_rewrite) {
        err = keys_file_rewrite(keystore, reterr_why);
    }
    pthread_mutex_unlock(&keystore->lock);
    return err;
}

static void record_destroy(struct keys_record *record)
{
    record->flags |= KEYS_FLAG_DESTROYED;
    crypt_wipe(record->nonce, sizeof record->nonce);
    crypt_wipe(record->wrapped, sizeof record->wrapped);
}

static bool is_child_of_destroyed(struct keystore *keystore, const struct keys_entry *entry)
{
    if (entry->damaged || (entry->record.flags & KEYS_FLAG_DESTROYED) || !entry->record.parent)
        return false;
    const struct keys_entry *parent = keys_find_id(keystore, entry->record.parent);
    return parent && (parent->record.flags & KEYS_FLAG_DESTROYED);
}

enum err keystore_destroy_subject(struct keystore *keystore, str project, str tenant, str user,
                                  struct diag *reterr_why)
{
    uint8_t names[4][KEYS_NAME_BYTES];
    enum keys_kind kind;
    enum err err;
    pthread_mutex_lock(&keystore->lock);
    assert(!keystore->read_only);
    subject_names(keystore, (str[3]){ project, tenant, user }, names, &kind);
    struct keys_entry *entry = keys_find_name(keystore, kind, names[kind]);
    if (entry) {
        record_destroy(&entry->record);
        /* The id table still knows the destroyed parents, so that two passes find all below. */
        for (int level = KEYS_TENANT; kind < KEYS_SUBJECT && level <= KEYS_SUBJECT; level++) {
            for (size_t i = 0; i < keystore->count; i++) {
                if (is_child_of_destroyed(keystore, &keystore->entries[i]))
                    record_destroy(&keystore->entries[i].record);
            }
        }
        err = after_destroy(keystore, reterr_why);
    } else if (keystore->needs_rewrite) { /* the repeat of a call that could not be written */
        err = keys_file_rewrite(keystore, reterr_why);
    } else {
        err = diag_set(reterr_why, ERR_NOT_FOUND, "there is no key for this subject");
    }
    pthread_mutex_unlock(&keystore->lock);
    return err;
}

void keystore_status(struct keystore *keystore, struct keystore_status *ret_status)
{
    struct keystore_status status = { 0 };
    pthread_mutex_lock(&keystore->lock);
    for (size_t i = 0; i < keystore->count; i++) {
        const struct keys_entry *entry = &keystore->entries[i];
        bool destroyed = entry->record.flags & KEYS_FLAG_DESTROYED;
        if (entry->damaged)
            status.damaged++;
        else if (destroyed)
            status.destroyed++;
        else if (entry->record.kind == KEYS_PROJECT)
            status.project_keys++;
        else if (entry->record.kind == KEYS_TENANT)
            status.tenant_keys++;
        else if (entry->record.kind == KEYS_SUBJECT)
            status.subject_keys++;
        else
            status.log_keys++;
    }
    hex_encode(keystore->header.fingerprint, 8, status.master_fingerprint);
    status.master_file_too_open = keystore->master_file_too_open;
    pthread_mutex_unlock(&keystore->lock);
    *ret_status = status;
}
