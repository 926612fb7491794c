/* keys_in_force.c -- API keys: the first one, and those that come and go while we run.
 *
 * `telltale key create|revoke` changes the metadata beside a running server; the
 * main thread looks every two seconds and publishes a new snapshot when the keys differ.
 *
 * With authentication on and no key stored, a key with every permission for project
 * "default" is made and its token printed once, on stdout: it is stored only as a hash.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "server/node.h"
#include "sys/clock.h"
#include "sys/log.h"
#include <stdio.h>

static enum err make_first_key(struct node *node, struct diag *why)
{
    int64_t now_ns = clock_now_ns();
    enum err err = meta_project_create(node->meta, STR_OF("default"), now_ns, why);
    if (err && err != ERR_CONFLICT)
        return err;
    struct auth_key key = { .project = STR("default"), .permissions = AUTH_ALL };
    char token[AUTH_TOKEN_LEN + 1];
    auth_key_create(&key, token);
    struct meta_key row = { .id = str_from_c(key.id),
                            .project = key.project,
                            .tenant = STR_NONE,
                            .label = STR("first key"),
                            .permissions = key.permissions,
                            .created_ns = now_ns };
    memcpy(row.secret_hash, key.secret_hash, sizeof row.secret_hash);
    err = meta_key_create(node->meta, &row, why);
    if (!err)
        printf("first API key (all permissions; shown only now): %s\n", token);
    fflush(stdout);
    crypt_wipe(token, sizeof token);
    return err;
}

/* What of a key decides whether it is in force, folded into one number. */
static uint64_t key_hash(uint64_t hash, const struct meta_key *row)
{
    hash = hash_bytes_seeded(row->id.ptr, row->id.len, hash);
    hash = hash_bytes_seeded(row->secret_hash, sizeof row->secret_hash, hash);
    hash = hash_bytes_seeded(row->project.ptr, row->project.len, hash);
    hash = hash_bytes_seeded(row->tenant.ptr, row->tenant.len, hash);
    return hash_bytes_seeded(&row->permissions, sizeof row->permissions,
                             hash + (uint64_t)row->expires_ns);
}

static enum err load_keys(struct node *node, struct auth_snapshot **ret_snapshot, size_t *ret_count,
                          struct diag *why)
{
    uint64_t hash = 1;
    struct arena arena;
    arena_init(&arena, 256 * MIB);
    struct meta_key *rows;
    size_t count;
    enum err err = meta_keys(node->meta, false, &arena, &rows, &count, why);
    struct auth_key *keys = err ? NULL : arena_new(&arena, struct auth_key, count);
    if (!err && !keys)
        err = diag_set(why, ERR_LIMIT, "too many API keys");
    for (size_t i = 0; i < count && !err; i++) {
        keys[i] = (struct auth_key){ .project = rows[i].project,
                                     .tenant = rows[i].tenant,
                                     .permissions = rows[i].permissions,
                                     .expires_ns = rows[i].expires_ns };
        assert(rows[i].id.len == AUTH_ID_LEN);
        hash = key_hash(hash, &rows[i]);
        memcpy(keys[i].id, rows[i].id.ptr, AUTH_ID_LEN);
        memcpy(keys[i].secret_hash, rows[i].secret_hash, sizeof keys[i].secret_hash);
    }
    if (!err)
        err = auth_snapshot_new(keys, count, ret_snapshot, why);
    if (!err)
        node->keys_hash = hash;
    *ret_count = err ? 0 : count;
    arena_clear(&arena);
    return err;
}

enum err node_open_auth(struct node *node, struct diag *reterr_why)
{
    bool off = node->options.auth_mode == AUTH_MODE_OFF ||
               (node->options.auth_mode == AUTH_MODE_AUTO && node_is_loopback(node));
    if (off) {
        node->auth = auth_new(auth_snapshot_new_open());
        return ERR_OK;
    }
    struct auth_snapshot *snapshot;
    size_t count;
    enum err err = load_keys(node, &snapshot, &count, reterr_why);
    if (!err && count == 0) {
        auth_snapshot_unref(snapshot);
        err = make_first_key(node, reterr_why);
        if (!err)
            err = load_keys(node, &snapshot, &count, reterr_why);
    }
    if (!err)
        node->auth = auth_new(snapshot);
    return err;
}

void node_refresh_auth(struct node *node)
{
    struct auth_snapshot *now = auth_current(node->auth);
    bool open = auth_snapshot_is_open(now);
    auth_snapshot_unref(now);
    if (open)
        return;
    uint64_t before = node->keys_hash;
    struct auth_snapshot *snapshot;
    size_t count;
    struct diag why = DIAG_NONE;
    enum err err = load_keys(node, &snapshot, &count, &why);
    if (err) {
        log_error("cannot read the API keys; those known stay in force", KV_ERR(err), KV_WHY(&why));
    } else if (node->keys_hash == before) {
        auth_snapshot_unref(snapshot);
    } else {
        auth_publish(node->auth, snapshot);
        log_info("API keys changed", KV_U64("in_force", count));
    }
}
