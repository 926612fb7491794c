/* sqlite.c -- metadata in SQLite: one file, prepared statements, no text of a user in SQL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "meta/meta.h"
#include <sqlite3.h>
#include <sys/stat.h>

enum {
    META_MAGIC = 0x6d657461,
    META_APPLICATION_ID = 0x746c6d64, /* "tlmd", in the file's header */
    BUSY_TIMEOUT_MS = 5000,
    META_FILE_MODE = 0600,
};

struct meta {
    uint32_t magic;
    sqlite3 *db;
};

/* schema_steps[i] brings version i to i + 1: append only. */
static const char *const schema_steps[] = {
    "CREATE TABLE project (name TEXT PRIMARY KEY NOT NULL, created_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE api_key (id TEXT PRIMARY KEY NOT NULL, secret_hash BLOB NOT NULL UNIQUE,"
    " project TEXT NOT NULL REFERENCES project (name), tenant TEXT, label TEXT NOT NULL,"
    " permissions INTEGER NOT NULL, created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL,"
    " revoked_ns INTEGER NOT NULL) STRICT;",
    "CREATE TABLE mapping_file (number INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL,"
    " text TEXT NOT NULL, first_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE mapping_pin (project TEXT NOT NULL, tenant TEXT NOT NULL,"
    " tables INTEGER NOT NULL, file INTEGER NOT NULL, set_ns INTEGER NOT NULL,"
    " PRIMARY KEY (project, tenant)) STRICT;",
};

/* SQLite's messages name tables and columns, never values. */
static enum err meta_error(struct meta *meta, const char *what, struct diag *reterr_why)
{
    int code = sqlite3_errcode(meta->db);
    enum err err = ERR_IO;
    if (code == SQLITE_FULL)
        err = ERR_DISK_FULL;
    else if (code == SQLITE_CONSTRAINT)
        err = ERR_CONFLICT;
    else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        err = ERR_CORRUPT;
    else if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        err = ERR_UNAVAILABLE;
    return diag_set(reterr_why, err, "metadata: %s: %s", what, sqlite3_errmsg(meta->db));
}

static enum err meta_run(struct meta *meta, const char *sql, struct diag *reterr_why)
{
    if (sqlite3_exec(meta->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return meta_error(meta, "cannot be set up", reterr_why);
    return ERR_OK;
}

static enum err meta_int(struct meta *meta, const char *sql, int *ret_value,
                         struct diag *reterr_why)
{
    sqlite3_stmt *statement = NULL;
    enum err code = ERR_OK;
    if (sqlite3_prepare_v2(meta->db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        code = meta_error(meta, "cannot be read", reterr_why);
    else
        *ret_value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return code;
}

/* One step of the schema and its number, both or neither. */
static enum err meta_upgrade_step(struct meta *meta, int version, struct diag *reterr_why)
{
    char sql[128];
    sqlite3_snprintf(sizeof sql, sql, "PRAGMA user_version = %d; PRAGMA application_id = %d;",
                     version + 1, META_APPLICATION_ID);
    enum err code = meta_run(meta, "BEGIN IMMEDIATE", reterr_why);
    if (code == ERR_OK)
        code = meta_run(meta, schema_steps[version], reterr_why);
    if (code == ERR_OK)
        code = meta_run(meta, sql, reterr_why);
    if (code == ERR_OK)
        code = meta_run(meta, "COMMIT", reterr_why);
    if (code != ERR_OK)
        (void)sqlite3_exec(meta->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

static enum err meta_upgrade(struct meta *meta, struct diag *reterr_why)
{
    int version = 0, application = 0, tables = 0;
    enum err code = meta_int(meta, "PRAGMA user_version", &version, reterr_why);
    if (code == ERR_OK)
        code = meta_int(meta, "PRAGMA application_id", &application, reterr_why);
    if (code == ERR_OK)
        code = meta_int(meta, "SELECT count(*) FROM sqlite_schema", &tables, reterr_why);
    if (code != ERR_OK)
        return code;
    if (tables > 0 && application != META_APPLICATION_ID)
        return diag_set(reterr_why, ERR_CORRUPT, "metadata: the file is another program's");
    if (version > (int)COUNT_OF(schema_steps))
        return diag_set(reterr_why, ERR_UNSUPPORTED,
                        "metadata: version %d was made by a newer server", version);
    for (; version < (int)COUNT_OF(schema_steps) && code == ERR_OK; version++)
        code = meta_upgrade_step(meta, version, reterr_why);
    return code;
}

enum err meta_open(const char *path, struct meta **ret_meta, struct diag *reterr_why)
{
    assert(path && ret_meta);
    struct meta *meta = xcalloc(1, sizeof *meta);
    meta->magic = META_MAGIC;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    mode_t before = umask(0777 & ~META_FILE_MODE);
    int opened = sqlite3_open_v2(path, &meta->db, flags, NULL);
    (void)umask(before);
    enum err code = ERR_OK;
    if (opened != SQLITE_OK)
        code = meta_error(meta, "cannot be opened", reterr_why);
    if (code == ERR_OK)
        (void)sqlite3_busy_timeout(meta->db, BUSY_TIMEOUT_MS);
    if (code == ERR_OK)
        code = meta_run(meta,
                        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                        "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
                        reterr_why);
    if (code == ERR_OK)
        code = meta_upgrade(meta, reterr_why);
    if (code != ERR_OK) {
        meta_close(meta);
        return code;
    }
    *ret_meta = meta;
    return ERR_OK;
}

void meta_close(struct meta *meta)
{
    if (!meta)
        return;
    CHECK(meta, META_MAGIC);
    (void)sqlite3_close_v2(meta->db);
    meta->magic = 0;
    xfree(meta);
}

/* ---- statements ---- */

static sqlite3_stmt *prepare(struct meta *meta, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(meta->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return NULL; /* binding and stepping NULL are errors, seen there */
    return statement;
}

static void bind_str(sqlite3_stmt *statement, int index, str text)
{
    if (str_is_none(text))
        (void)sqlite3_bind_null(statement, index);
    else
        (void)sqlite3_bind_text64(statement, index, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

/* Run to its end and throw it away. */
static enum err finish(struct meta *meta, sqlite3_stmt *statement, const char *what,
                       struct diag *reterr_why)
{
    enum err code = ERR_OK;
    if (!statement || sqlite3_step(statement) != SQLITE_DONE)
        code = meta_error(meta, what, reterr_why);
    sqlite3_finalize(statement);
    return code;
}

static bool is_name(str name)
{
    if (str_is_empty(name) || name.len > META_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
        if (!ok)
            return false;
    }
    return true;
}

/* Text of a column, copied; STR_NONE for NULL. *no_room when the arena's budget is spent. */
static str column_str(sqlite3_stmt *statement, int index, struct arena *arena, bool *no_room)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);
    if (!text)
        return STR_NONE;
    str copy = arena_str(arena, (str){ text, (size_t)sqlite3_column_bytes(statement, index) });
    *no_room = *no_room || str_is_none(copy);
    return copy;
}

/* ---- projects ---- */

enum err meta_project_create(struct meta *meta, str name, int64_t now_ns, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    if (!is_name(name))
        return diag_set(reterr_why, ERR_BAD_INPUT,
                        "a project's name has 1 to %d letters, digits, . _ -", META_NAME_BYTES_MAX);
    sqlite3_stmt *statement = prepare(meta, "INSERT INTO project VALUES (?, ?)");
    bind_str(statement, 1, name);
    (void)sqlite3_bind_int64(statement, 2, now_ns);
    return finish(meta, statement, "the project cannot be stored", reterr_why);
}

enum err meta_projects(struct meta *meta, struct arena *arena, struct meta_project **ret_projects,
                       size_t *ret_count, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    int count = 0;
    enum err code = meta_int(meta, "SELECT count(*) FROM project", &count, reterr_why);
    if (code != ERR_OK)
        return code;
    struct meta_project *projects = arena_new(arena, struct meta_project, (size_t)count);
    bool no_room = !projects || count > META_PROJECTS_MAX;
    size_t found = 0;
    sqlite3_stmt *statement = prepare(meta, "SELECT name, created_ns FROM project ORDER BY name");
    int status = SQLITE_DONE;
    while (!no_room && (status = sqlite3_step(statement)) == SQLITE_ROW) {
        assert(found < (size_t)count);
        projects[found].name = column_str(statement, 0, arena, &no_room);
        projects[found++].created_ns = sqlite3_column_int64(statement, 1);
    }
    if (no_room)
        code = diag_set(reterr_why, ERR_LIMIT, "too many projects to list");
    else if (status != SQLITE_DONE)
        code = meta_error(meta, "projects cannot be read", reterr_why);
    sqlite3_finalize(statement);
    if (code != ERR_OK)
        return code;
    *ret_projects = projects;
    *ret_count = found;
    return ERR_OK;
}

/* ---- keys ---- */

static enum err check_key(const struct meta_key *key, struct diag *reterr_why)
{
    if (key->id.len != META_KEY_ID_LEN)
        return diag_set(reterr_why, ERR_BAD_INPUT, "a key's id has %d digits", META_KEY_ID_LEN);
    if (key->tenant.len > META_NAME_BYTES_MAX || key->label.len > META_NAME_BYTES_MAX)
        return diag_set(reterr_why, ERR_BAD_INPUT, "tenant and label have at most %d bytes",
                        META_NAME_BYTES_MAX);
    return ERR_OK;
}

/* Is there a row with that text? */
static bool exists(struct meta *meta, const char *sql, str text)
{
    sqlite3_stmt *statement = prepare(meta, sql);
    bind_str(statement, 1, text);
    bool found = statement && sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_finalize(statement);
    return found;
}

enum err meta_key_create(struct meta *meta, const struct meta_key *key, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    enum err code = check_key(key, reterr_why);
    if (code != ERR_OK)
        return code;
    if (!exists(meta, "SELECT 1 FROM project WHERE name = ?", key->project)) {
        (void)diag_set(reterr_why, ERR_NOT_FOUND, "there is no such project");
        (void)diag_hint(reterr_why, "create the project first");
        return ERR_NOT_FOUND;
    }
    sqlite3_stmt *statement =
        prepare(meta, "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    bind_str(statement, 1, key->id);
    (void)sqlite3_bind_blob(statement, 2, key->secret_hash, META_HASH_BYTES, SQLITE_STATIC);
    bind_str(statement, 3, key->project);
    bind_str(statement, 4, key->tenant);
    bind_str(statement, 5, str_is_none(key->label) ? STR_OF("") : key->label);
    (void)sqlite3_bind_int64(statement, 6, key->permissions);
    (void)sqlite3_bind_int64(statement, 7, key->created_ns);
    (void)sqlite3_bind_int64(statement, 8, key->expires_ns);
    (void)sqlite3_bind_int64(statement, 9, 0);
    return finish(meta, statement, "the key cannot be stored", reterr_why);
}

enum err meta_key_revoke(struct meta *meta, str id, int64_t now_ns, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    sqlite3_stmt *statement =
        prepare(meta, "UPDATE api_key SET revoked_ns = ? WHERE id = ? AND revoked_ns = 0");
    (void)sqlite3_bind_int64(statement, 1, now_ns);
    bind_str(statement, 2, id);
    enum err code = finish(meta, statement, "the key cannot be revoked", reterr_why);
    if (code == ERR_OK && sqlite3_changes(meta->db) == 0)
        return diag_set(reterr_why, ERR_NOT_FOUND, "there is no such key in force");
    return code;
}

static bool read_key(sqlite3_stmt *statement, struct arena *arena, struct meta_key *ret_key)
{
    bool no_room = false;
    ret_key->id = column_str(statement, 0, arena, &no_room);
    const void *hash = sqlite3_column_blob(statement, 1);
    if (!hash || sqlite3_column_bytes(statement, 1) != META_HASH_BYTES)
        return false;
    memcpy(ret_key->secret_hash, hash, META_HASH_BYTES);
    ret_key->project = column_str(statement, 2, arena, &no_room);
    ret_key->tenant = column_str(statement, 3, arena, &no_room);
    ret_key->label = column_str(statement, 4, arena, &no_room);
    ret_key->permissions = (uint32_t)sqlite3_column_int64(statement, 5);
    ret_key->created_ns = sqlite3_column_int64(statement, 6);
    ret_key->expires_ns = sqlite3_column_int64(statement, 7);
    ret_key->revoked_ns = sqlite3_column_int64(statement, 8);
    return !no_room;
}

enum err meta_keys(struct meta *meta, bool with_revoked, struct arena *arena,
                   struct meta_key **ret_keys, size_t *ret_count, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    int count = 0;
    enum err code = meta_int(meta, "SELECT count(*) FROM api_key", &count, reterr_why);
    if (code != ERR_OK)
        return code;
    struct meta_key *keys = arena_new(arena, struct meta_key, (size_t)count);
    bool ok = keys && count <= META_KEYS_MAX;
    size_t found = 0;
    sqlite3_stmt *statement =
        prepare(meta, "SELECT id, secret_hash, project, tenant, label, permissions, created_ns,"
                      " expires_ns, revoked_ns FROM api_key WHERE ? OR revoked_ns = 0"
                      " ORDER BY created_ns, id");
    (void)sqlite3_bind_int(statement, 1, with_revoked);
    int status = SQLITE_DONE;
    while (ok && (status = sqlite3_step(statement)) == SQLITE_ROW) {
        assert(found < (size_t)count);
        ok = read_key(statement, arena, &keys[found++]);
    }
    if (!ok)
        code = diag_set(reterr_why, ERR_LIMIT, "too many or damaged keys to list");
    else if (status != SQLITE_DONE)
        code = meta_error(meta, "keys cannot be read", reterr_why);
    sqlite3_finalize(statement);
    if (code != ERR_OK)
        return code;
    *ret_keys = keys;
    *ret_count = found;
    return ERR_OK;
}

/* ---- mapping files ---- */

/* One row of two numbers at most; *ret_number stays when there is none. */
static bool number_find(struct meta *meta, const char *sql, str text, int64_t *ret_number)
{
    sqlite3_stmt *statement = prepare(meta, sql);
    if (!str_is_none(text))
        bind_str(statement, 1, text);
    bool found = statement && sqlite3_step(statement) == SQLITE_ROW;
    if (found)
        *ret_number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return found;
}

enum err meta_mapping_put(struct meta *meta, str name, str text, int64_t now_ns,
                          uint32_t *ret_number, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    int64_t number = 0;
    if (text.len > META_MAPPING_BYTES_MAX)
        return diag_set(reterr_why, ERR_TOO_LARGE, "a mapping file has at most %d bytes",
                        META_MAPPING_BYTES_MAX);
    if (!number_find(meta, "SELECT number FROM mapping_file WHERE text = ?", text, &number)) {
        (void)number_find(meta, "SELECT coalesce(max(number), 0) FROM mapping_file", STR_NONE,
                          &number);
        number++;
        sqlite3_stmt *statement = prepare(meta, "INSERT INTO mapping_file VALUES (?, ?, ?, ?)");
        (void)sqlite3_bind_int64(statement, 1, number);
        bind_str(statement, 2, name);
        bind_str(statement, 3, text);
        (void)sqlite3_bind_int64(statement, 4, now_ns);
        enum err code = finish(meta, statement, "the mapping cannot be stored", reterr_why);
        if (code != ERR_OK)
            return code;
    }
    sqlite3_stmt *old = prepare(meta, "DELETE FROM mapping_file WHERE number <= ? AND number NOT IN"
                                      " (SELECT file FROM mapping_pin) AND number <> ?");
    (void)sqlite3_bind_int64(old, 1, number - META_MAPPING_FILES_MAX);
    (void)sqlite3_bind_int64(old, 2, number);
    *ret_number = (uint32_t)number;
    return finish(meta, old, "old mappings cannot be removed", reterr_why);
}

static void mapping_read(sqlite3_stmt *statement, struct arena *arena, bool *no_room,
                         struct meta_mapping_file *ret_file)
{
    ret_file->number = (uint32_t)sqlite3_column_int64(statement, 0);
    ret_file->name = column_str(statement, 1, arena, no_room);
    ret_file->first_ns = sqlite3_column_int64(statement, 2);
    ret_file->text = column_str(statement, 3, arena, no_room);
}

enum err meta_mapping_get(struct meta *meta, uint32_t number, struct arena *arena,
                          struct meta_mapping_file *ret_file, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    bool no_room = false;
    sqlite3_stmt *statement =
        prepare(meta, "SELECT number, name, first_ns, text FROM mapping_file WHERE number = ?");
    (void)sqlite3_bind_int64(statement, 1, number);
    enum err code = ERR_OK;
    if (!statement || sqlite3_step(statement) != SQLITE_ROW)
        code = diag_set(reterr_why, ERR_NOT_FOUND, "there is no mapping file number %u", number);
    else
        mapping_read(statement, arena, &no_room, ret_file);
    sqlite3_finalize(statement);
    return no_room ? diag_set(reterr_why, ERR_LIMIT, "no room for a mapping file") : code;
}

enum err meta_mapping_list(struct meta *meta, struct arena *arena,
                           struct meta_mapping_file **ret_files, size_t *ret_count,
                           struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    int count = 0;
    enum err code = meta_int(meta, "SELECT count(*) FROM mapping_file", &count, reterr_why);
    if (code != ERR_OK)
        return code;
    struct meta_mapping_file *files = arena_new(arena, struct meta_mapping_file, (size_t)count);
    bool no_room = !files;
    size_t found = 0;
    sqlite3_stmt *statement =
        prepare(meta, "SELECT number, name, first_ns, NULL FROM mapping_file ORDER BY number");
    while (!no_room && found < (size_t)count && statement && sqlite3_step(statement) == SQLITE_ROW)
        mapping_read(statement, arena, &no_room, &files[found++]);
    sqlite3_finalize(statement);
    if (no_room)
        return diag_set(reterr_why, ERR_LIMIT, "too many mapping files to list");
    *ret_files = files;
    *ret_count = found;
    return ERR_OK;
}

/* ---- pins ---- */

enum err meta_pin_set(struct meta *meta, const struct meta_pin *pin, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    int count = 0;
    if (!is_name(pin->project) || pin->tenant.len > META_NAME_BYTES_MAX)
        return diag_set(reterr_why, ERR_BAD_INPUT, "a project or tenant has at most %d bytes",
                        META_NAME_BYTES_MAX);
    enum err code = meta_int(meta, "SELECT count(*) FROM mapping_pin", &count, reterr_why);
    if (code == ERR_OK && count >= META_PINS_MAX)
        code = diag_set(reterr_why, ERR_LIMIT, "there are %d pins already", count);
    if (code != ERR_OK)
        return code;
    sqlite3_stmt *statement =
        prepare(meta, "INSERT OR REPLACE INTO mapping_pin SELECT ?, ?, ?, ?, ? WHERE ?4 = 0 OR"
                      " EXISTS (SELECT 1 FROM mapping_file WHERE number = ?4)");
    bind_str(statement, 1, pin->project);
    bind_str(statement, 2, str_is_none(pin->tenant) ? STR_OF("") : pin->tenant);
    (void)sqlite3_bind_int64(statement, 3, pin->tables);
    (void)sqlite3_bind_int64(statement, 4, pin->file);
    (void)sqlite3_bind_int64(statement, 5, pin->set_ns);
    code = finish(meta, statement, "the pin cannot be stored", reterr_why);
    if (code == ERR_OK && sqlite3_changes(meta->db) == 0)
        return diag_set(reterr_why, ERR_NOT_FOUND, "there is no mapping file number %u", pin->file);
    return code;
}

enum err meta_pin_clear(struct meta *meta, str project, str tenant, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    sqlite3_stmt *statement =
        prepare(meta, "DELETE FROM mapping_pin WHERE project = ? AND tenant = ?");
    bind_str(statement, 1, project);
    bind_str(statement, 2, str_is_none(tenant) ? STR_OF("") : tenant);
    enum err code = finish(meta, statement, "the pin cannot be removed", reterr_why);
    if (code == ERR_OK && sqlite3_changes(meta->db) == 0)
        return diag_set(reterr_why, ERR_NOT_FOUND, "there is no such pin");
    return code;
}

enum err meta_pins(struct meta *meta, struct arena *arena, struct meta_pin **ret_pins,
                   size_t *ret_count, struct diag *reterr_why)
{
    CHECK(meta, META_MAGIC);
    int count = 0;
    enum err code = meta_int(meta, "SELECT count(*) FROM mapping_pin", &count, reterr_why);
    if (code != ERR_OK)
        return code;
    struct meta_pin *pins = arena_new(arena, struct meta_pin, (size_t)count);
    bool no_room = !pins;
    size_t found = 0;
    sqlite3_stmt *statement = prepare(meta, "SELECT project, nullif(tenant, ''), tables, file,"
                                            " set_ns FROM mapping_pin ORDER BY project, tenant");
    int status = SQLITE_DONE;
    while (!no_room && found < (size_t)count && (status = sqlite3_step(statement)) == SQLITE_ROW) {
        struct meta_pin *pin = &pins[found++];
        pin->project = column_str(statement, 0, arena, &no_room);
        pin->tenant = column_str(statement, 1, arena, &no_room);
        pin->tables = (uint32_t)sqlite3_column_int64(statement, 2);
        pin->file = (uint32_t)sqlite3_column_int64(statement, 3);
        pin->set_ns = sqlite3_column_int64(statement, 4);
    }
    if (no_room)
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the pins");
    else if (status != SQLITE_DONE && status != SQLITE_ROW)
        code = meta_error(meta, "pins cannot be read", reterr_why);
    sqlite3_finalize(statement);
    if (code != ERR_OK)
        return code;
    *ret_pins = pins;
    *ret_count = found;
    return ERR_OK;
}
