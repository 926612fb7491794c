/* auth.h -- who is asking, and may they.
 *
 * An API key belongs to one project, has a set of permissions, may be bound to one tenant
 * (DECISIONS 11) and may expire.  Its text is tt_<id>_<secret>: the id finds the key, the
 * secret (256 random bits) proves it.  Only SHA-256 of the secret is kept: there is
 * nothing to guess, so a slow hash would protect nothing.
 *
 * Checks read a snapshot: an immutable, reference-counted table of all keys.  Whoever
 * changes keys (the meta thread) builds a new one and publishes it; a worker takes a
 * reference, checks, and gives it back, without a lock.  Permissions are independent bits:
 * admin does not include payload:read.
 *
 * Memory:  a snapshot owns its keys; what auth_check returns lives as long as the reference.
 * Threads: auth_snapshot_ref/unref, auth_current and auth_check from any; auth_publish from
 *          one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "sys/crypt.h"

enum auth_permission {
    AUTH_NONE = 0,
#define PERMISSION(name, bit, text) AUTH_##name = 1 << (bit),
#include "auth/permission.def"
#undef PERMISSION
};
enum { AUTH_ALL = AUTH_INGEST | AUTH_READ | AUTH_PAYLOAD_READ | AUTH_ADMIN };

enum {
    AUTH_ID_LEN = 16,     /* hex digits */
    AUTH_SECRET_LEN = 64, /* hex digits */
    AUTH_TOKEN_LEN = 3 + AUTH_ID_LEN + 1 + AUTH_SECRET_LEN,
    AUTH_NAME_BYTES_MAX = 128, /* of projects and tenants */
    AUTH_KEYS_MAX = 100000,
};

struct auth_key {
    char id[AUTH_ID_LEN + 1];
    uint8_t secret_hash[CRYPT_SHA256_BYTES];
    str project;
    str tenant; /* STR_NONE: every tenant of the project */
    uint32_t permissions;
    int64_t expires_ns; /* 0: never */
};

/* "ingest,read,payload:read,admin"; an empty text is no permission. */
MUST_CHECK enum err auth_permissions_parse(str text, uint32_t *ret_permissions,
                                           struct diag *reterr_why);
void auth_permissions_format(struct buf *out, uint32_t bits);

/* Draw a new key: its id and hash go to *ret_key, the rest of which stays as it is; the
 * token, NUL-terminated, is to be shown once and wiped. */
void auth_key_create(struct auth_key *ret_key, char ret_token[AUTH_TOKEN_LEN + 1]);

/* ---- snapshots ---- */
struct auth_snapshot;
/* A copy of keys[]; ids must differ (ERR_CONFLICT).  One reference, the caller's. */
MUST_CHECK enum err auth_snapshot_new(const struct auth_key *keys, size_t count,
                                      struct auth_snapshot **ret_snapshot, struct diag *reterr_why);
/* Authentication off (loopback only, which server/ checks): every request is project
 * "default" with all permissions. */
struct auth_snapshot *auth_snapshot_new_open(void);
struct auth_snapshot *auth_snapshot_ref(struct auth_snapshot *snapshot);
void auth_snapshot_unref(struct auth_snapshot *snapshot); /* NULL: nothing */
bool auth_snapshot_is_open(const struct auth_snapshot *snapshot);
size_t auth_snapshot_count(const struct auth_snapshot *snapshot);

/* The place where the current snapshot is published. */
struct auth;
struct auth *auth_new(struct auth_snapshot *snapshot); /* takes over the reference */
void auth_free(struct auth *auth);                     /* when no thread uses it any more */
void auth_publish(struct auth *auth, struct auth_snapshot *snapshot); /* takes over the reference */
/* A new reference to the current snapshot; give it back with auth_snapshot_unref. */
struct auth_snapshot *auth_current(struct auth *auth);

/* ---- checking ---- */

/* The headers a token may come in, STR_NONE where absent:
 *   Authorization: Bearer <token>, Basic base64(public:<token>) or base64(<token>:)
 *   x-telltale-key, x-api-key, api-key, dd-api-key: <token> */
struct auth_offer {
    str authorization;
    str x_telltale_key;
    str x_api_key;
    str api_key;
    str dd_api_key;
};

struct auth_principal {
    str key_id; /* "open" when authentication is off */
    str project;
    str tenant; /* STR_NONE: all */
    uint32_t permissions;
};

/* ERR_UNAUTHENTICATED: no key, an unknown, wrong or expired one (all the same to the
 * asker, but for the hint when there is none).  ERR_FORBIDDEN: it lacks a bit of `needed`. */
MUST_CHECK enum err auth_check(const struct auth_snapshot *snapshot, const struct auth_offer *offer,
                               uint32_t needed, int64_t now_ns,
                               struct auth_principal *ret_principal, struct diag *reterr_why);
