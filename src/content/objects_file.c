/* objects_file.c -- objects as files of a folder, for a share that is mounted.
 *
 * Written beside its name, synced, then renamed, so that a name stands for the whole object.
 * There is no time limit: a share that hangs holds who asks it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "content/objects_int.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { PATH_BYTES_MAX = 4096, PIECE_BYTES = 256 * 1024 };

struct folder {
    const struct objects_config *config;
    const char *path;
};

static enum err folder_open(const struct objects_config *config, void **ret_state, struct diag *why)
{
    const char *path = config->url + strlen(objects_file.scheme);
    if (path[0] != '/' || strlen(path) > OBJECTS_URL_MAX)
        return diag_set(why, ERR_BAD_INPUT,
                        "content.external_url: file:// is followed by a path from / on");
    struct folder *folder = xcalloc(1, sizeof *folder);
    *folder = (struct folder){ config, path };
    *ret_state = folder;
    return ERR_OK;
}

static void folder_close(void *state)
{
    xfree(state);
}

static enum err unavailable(struct diag *why, const char *what)
{
    return diag_set(why, ERR_UNAVAILABLE, "cannot %s the external folder: %s", what,
                    strerror(errno));
}

static void path_of(const struct folder *folder, const char *name, const char *suffix,
                    char ret_path[PATH_BYTES_MAX])
{
    int len = snprintf(ret_path, PATH_BYTES_MAX, "%s/%s%s", folder->path, name, suffix);
    assert(len > 0 && len < PATH_BYTES_MAX);
}

static enum err body_write(int fd, const struct object_body *body, struct diag *why)
{
    enum err err = ERR_OK;
    char *piece = xmalloc(PIECE_BYTES);
    for (uint64_t at = 0; at < body->bytes && !err;) {
        size_t len = (size_t)MIN((uint64_t)PIECE_BYTES, body->bytes - at);
        if (!body->read(body->arg, at, piece, len))
            err = diag_set(why, ERR_IO, "what is to be sent cannot be read");
        else
            err = file_write_all(&sys_files_real, fd, piece, len, why) ? unavailable(why, "write")
                                                                       : ERR_OK;
        at += len;
    }
    xfree(piece);
    if (!err && sys_files_real.fdatasync(fd) != 0)
        err = unavailable(why, "sync");
    return err;
}

static enum err folder_put(void *state, const char *name, const struct object_body *body,
                           struct diag *why)
{
    const struct folder *folder = state;
    char path[PATH_BYTES_MAX], temporary[PATH_BYTES_MAX];
    path_of(folder, name, "", path);
    path_of(folder, name, ".new", temporary);
    int fd = sys_files_real.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return unavailable(why, "write to");
    enum err err = body_write(fd, body, why);
    if (sys_files_real.close(fd) != 0 && !err)
        err = unavailable(why, "write to");
    if (!err && sys_files_real.rename(temporary, path) != 0)
        err = unavailable(why, "rename in");
    if (err)
        (void)sys_files_real.unlink(temporary);
    else if (sys_files_real.sync_dir(folder->path, why) != ERR_OK)
        err = unavailable(why, "sync");
    return err;
}

static enum err folder_get(void *state, const char *name, struct object_range range,
                           const struct object_sink *sink, struct diag *why)
{
    char path[PATH_BYTES_MAX];
    path_of(state, name, "", path);
    int fd = sys_files_real.open(path, O_RDONLY, 0);
    const struct folder *folder = state;
    if (fd < 0 && errno == ENOENT && file_exists(folder->path))
        return diag_set(why, ERR_NOT_FOUND, "there is no object %s", name);
    if (fd < 0)
        return unavailable(why, "open");
    enum err err = ERR_OK;
    char *piece = xmalloc(PIECE_BYTES);
    uint64_t at = range.offset, end = range.bytes ? range.offset + range.bytes : UINT64_MAX;
    while (at < end) {
        int64_t got = sys_files_real.pread(fd, piece, (size_t)MIN((uint64_t)PIECE_BYTES, end - at),
                                           (int64_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            err = unavailable(why, "read");
        if (got <= 0 || !sink->piece(sink->arg, str_make(piece, (size_t)got)))
            break;
        at += (uint64_t)got;
    }
    xfree(piece);
    sys_files_real.close(fd);
    return err;
}

static enum err folder_remove(void *state, const char *name, struct diag *why)
{
    char path[PATH_BYTES_MAX];
    path_of(state, name, "", path);
    const struct folder *folder = state;
    if (sys_files_real.unlink(path) == 0 || (errno == ENOENT && file_exists(folder->path)))
        return ERR_OK;
    return unavailable(why, "remove from");
}

const struct objects_ops objects_file = {
    .scheme = "file://",
    .open = folder_open,
    .close = folder_close,
    .put = folder_put,
    .get = folder_get,
    .remove = folder_remove,
};
