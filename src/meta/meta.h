/* meta.h -- metadata that people make: projects, API keys, mapping files and who is pinned to
 * which.
 *
 * SQLite in one file, write-ahead journal, synchronous=FULL: what returned ERR_OK is on
 * disk.  The schema has a version (PRAGMA user_version) and is brought up to date at open;
 * a newer one is refused.  A second implementation (PostgreSQL, for several nodes) will make
 * this a vtable; until then it is functions.
 *
 * meta/ knows nothing of auth/: keys here are rows.  server/ turns them into a snapshot.
 *
 * Memory:  what is listed lives in the given arena.
 * Threads: one thread at a time (the meta thread); SQLite blocks, never call it in a loop.
 *          meta_open sets the umask for a moment: call it before other threads start.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum {
    META_KEY_ID_LEN = 16,
    META_HASH_BYTES = 32,
    META_NAME_BYTES_MAX = 128,
    META_KEYS_MAX = 100000,
    META_PROJECTS_MAX = 10000,
    META_PINS_MAX = 10000,
    META_MAPPING_FILES_MAX = 256, /* kept besides those that are pinned */
    META_MAPPING_BYTES_MAX = 4 << 20,
};

struct meta;

struct meta_key {
    str id; /* META_KEY_ID_LEN hex digits */
    uint8_t secret_hash[META_HASH_BYTES];
    str project;
    str tenant;           /* STR_NONE: not bound */
    str label;            /* what people call it; may be empty */
    uint32_t permissions; /* bits of auth/permission.def */
    int64_t created_ns;
    int64_t expires_ns; /* 0: never */
    int64_t revoked_ns; /* 0: in force */
};

struct meta_project {
    str name;
    int64_t created_ns;
};

/* path: file, made when absent (0600); ":memory:" for tests. ERR_CORRUPT: no database of
 * ours; ERR_UNSUPPORTED: made by a newer version. */
MUST_CHECK enum err meta_open(const char *path, struct meta **ret_meta, struct diag *reterr_why);
void meta_close(struct meta *meta);

/* ERR_CONFLICT when it exists; ERR_BAD_INPUT for a name that is empty, too long or has
 * anything but letters, digits, . _ - */
MUST_CHECK enum err meta_project_create(struct meta *meta, str name, int64_t now_ns,
                                        struct diag *reterr_why);
/* By name, in order. */
MUST_CHECK enum err meta_projects(struct meta *meta, struct arena *arena,
                                  struct meta_project **ret_projects, size_t *ret_count,
                                  struct diag *reterr_why);

/* ERR_NOT_FOUND: no such project. ERR_CONFLICT: the id exists. */
MUST_CHECK enum err meta_key_create(struct meta *meta, const struct meta_key *key,
                                    struct diag *reterr_why);
/* Stays listed, no longer in force. ERR_NOT_FOUND: no such key in force. */
MUST_CHECK enum err meta_key_revoke(struct meta *meta, str id, int64_t now_ns,
                                    struct diag *reterr_why);
/* In order of creation; revoked ones only when asked for. */
MUST_CHECK enum err meta_keys(struct meta *meta, bool with_revoked, struct arena *arena,
                              struct meta_key **ret_keys, size_t *ret_count,
                              struct diag *reterr_why);

/* ---- the operator's mapping files, and pins ---- */

struct meta_mapping_file {
    uint32_t number; /* from 1, in the order in which they were first used */
    str name;        /* the path it was read from then */
    str text;        /* STR_NONE in a list */
    int64_t first_ns;
};
/* Remember a mapping file's text; the same text has the number it had.  The oldest past
 * META_MAPPING_FILES_MAX go, unless somebody is pinned to them.  ERR_TOO_LARGE. */
MUST_CHECK enum err meta_mapping_put(struct meta *meta, str name, str text, int64_t now_ns,
                                     uint32_t *ret_number, struct diag *reterr_why);
/* ERR_NOT_FOUND: no file has that number, or no longer. */
MUST_CHECK enum err meta_mapping_get(struct meta *meta, uint32_t number, struct arena *arena,
                                     struct meta_mapping_file *ret_file, struct diag *reterr_why);
/* In order of number, without their texts. */
MUST_CHECK enum err meta_mapping_list(struct meta *meta, struct arena *arena,
                                      struct meta_mapping_file **ret_files, size_t *ret_count,
                                      struct diag *reterr_why);

struct meta_pin {
    str project;
    str tenant;      /* STR_NONE: of the whole project */
    uint32_t tables; /* version of the built-in mapping */
    uint32_t file;   /* number of the mapping file; 0: none */
    int64_t set_ns;
};
/* Replaces the one that is there.  ERR_NOT_FOUND: no such file.  ERR_LIMIT. */
MUST_CHECK enum err meta_pin_set(struct meta *meta, const struct meta_pin *pin,
                                 struct diag *reterr_why);
/* ERR_NOT_FOUND: there is no such pin. */
MUST_CHECK enum err meta_pin_clear(struct meta *meta, str project, str tenant,
                                   struct diag *reterr_why);
/* By project and tenant. */
MUST_CHECK enum err meta_pins(struct meta *meta, struct arena *arena, struct meta_pin **ret_pins,
                              size_t *ret_count, struct diag *reterr_why);
