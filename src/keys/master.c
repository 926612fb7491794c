/* master.c -- where the master key comes from, and who may use the keystore.
 *
 * Everything happens under an exclusive lock on a file beside the keystore, so two
 * first starts cannot both make a master.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/text.h"
#include "keys/keys_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum { PATH_BYTES_MAX = 4096 };

enum err keys_parent_ensure(const char *path, struct diag *reterr_why)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return ERR_OK;
    char *parent = xstrdup_str(str_make(path, (size_t)(slash - path)));
    enum err err = dir_ensure(parent, 0700, reterr_why);
    xfree(parent);
    return err;
}

enum err keys_lock(const char *path, int *ret_fd, struct diag *reterr_why)
{
    char name[PATH_BYTES_MAX];
    if ((size_t)snprintf(name, sizeof name, "%s.lock", path) >= sizeof name)
        return diag_set(reterr_why, ERR_LIMIT, "path too long: %s", path);
    int fd = sys_files_real.open(name, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return diag_set(reterr_why, ERR_IO, "cannot open %s: %s", name, strerror(errno));
    /* Of the open file, not of the process: two keystores in one program exclude each other too. */
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        sys_files_real.close(fd);
        diag_set(reterr_why, ERR_CONFLICT, "the keystore %s is in use by another process", path);
        diag_hint(reterr_why, "stop the other server, or give this one its own data folder");
        return ERR_CONFLICT;
    }
    *ret_fd = fd;
    return ERR_OK;
}

static enum err master_missing(const char *path, bool store_exists, struct diag *why)
{
    diag_set(why, ERR_KEY, "the master key %s is missing", path);
    diag_hint(why, store_exists
                       ? "restore the file that this keystore was made with, or set its 64 "
                         "hex digits in the environment; a new key reads nothing old"
                       : "start the server once to make it, or set 64 hex digits in the "
                         "environment");
    return ERR_KEY;
}

static enum err master_make(const char *path, struct crypt_key *ret_key, struct diag *why)
{
    enum err err = keys_parent_ensure(path, why);
    if (err)
        return err;
    char text[KEYS_MASTER_HEX + 1];
    crypt_random(ret_key, sizeof *ret_key);
    hex_encode(ret_key, sizeof *ret_key, text);
    text[KEYS_MASTER_HEX] = '\n';
    err = file_replace(path, str_make(text, sizeof text), 0600, why);
    crypt_wipe(text, sizeof text);
    return err;
}

static enum err master_parse(str text, const char *from, struct crypt_key *ret_key,
                             struct diag *why)
{
    if (hex_decode(str_trim(text), ret_key, sizeof *ret_key))
        return ERR_OK;
    diag_set(why, ERR_KEY, "the master key from %s is not 64 hex digits", from);
    diag_hint(why, "it must be exactly 64 hex digits, as printed by `openssl rand -hex 32`");
    return ERR_KEY;
}

static enum err master_read(const char *path, struct keys_master *master, struct diag *why)
{
    struct stat info;
    master->file_too_open = stat(path, &info) == 0 && (info.st_mode & 077) != 0;
    struct buf file;
    buf_init(&file, 4096);
    enum err err = file_read(path, &file, why);
    if (!err)
        err = master_parse(buf_str(&file), path, &master->key, why);
    else if (err == ERR_LIMIT)
        err = diag_set(why, ERR_KEY, "the master key file %s is too long", path);
    if (file.ptr)
        crypt_wipe(file.ptr, file.len);
    buf_clear(&file);
    return err;
}

enum err keys_master_load(const struct keys_config *config, bool store_exists,
                          struct keys_master *ret_master, struct diag *reterr_why)
{
    struct keys_master master = { 0 };
    enum err err;
    if (config->master_hex) {
        err = master_parse(str_from_c(config->master_hex), "the environment", &master.key,
                           reterr_why);
    } else if (config->master_path && file_exists(config->master_path)) {
        err = master_read(config->master_path, &master, reterr_why);
    } else if (!config->master_path || store_exists || !config->may_create) {
        err = master_missing(config->master_path ? config->master_path : "(no file named)",
                             store_exists, reterr_why);
    } else {
        err = master_make(config->master_path, &master.key, reterr_why);
        master.created = true;
    }
    if (!err) {
        struct crypt_key fingerprint;
        crypt_derive(&master.key, STR_NONE, STR_OF("keystore fingerprint"), &fingerprint);
        memcpy(master.fingerprint, &fingerprint, sizeof master.fingerprint);
        *ret_master = master;
    }
    crypt_wipe(&master, sizeof master);
    return err;
}
