/* file.c -- files and folders by system call, with our errors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sys/file.h"
#include "base/arena.h"
#include "base/check.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int real_open(const char *path, int flags, int mode)
{
    return open(path, flags | O_CLOEXEC, (mode_t)mode);
}

static int64_t real_write(int fd, const void *bytes, size_t len)
{
    return write(fd, bytes, len);
}

static int64_t real_pwritev(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    return pwritev(fd, pieces, count, offset);
}

static int64_t real_pread(int fd, void *bytes, size_t len, int64_t offset)
{
    return pread(fd, bytes, len, offset);
}

static int real_ftruncate(int fd, int64_t len)
{
    return ftruncate(fd, len);
}

const struct sys_files sys_files_real = {
    .open = real_open,
    .write = real_write,
    .pwritev = real_pwritev,
    .pread = real_pread,
    .fdatasync = fdatasync,
    .ftruncate = real_ftruncate,
    .close = close,
    .unlink = unlink,
    .rename = rename,
    .sync_dir = dir_sync,
};

static enum err err_of_errno(struct diag *why, const char *what, const char *path)
{
    int number = errno;
    enum err code = number == ENOENT                       ? ERR_NOT_FOUND
                    : number == ENOSPC || number == EDQUOT ? ERR_DISK_FULL
                    : number == EEXIST                     ? ERR_CONFLICT
                                                           : ERR_IO;
    return diag_set(why, code, "cannot %s %s: %s", what, path, strerror(number));
}

enum err file_write_all(const struct sys_files *files, int fd, const void *bytes, size_t len,
                        struct diag *reterr_why)
{
    const char *at = bytes;
    while (len) {
        int64_t wrote = files->write(fd, at, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote == 0)
            errno = ENOSPC;
        if (wrote <= 0)
            return err_of_errno(reterr_why, "write to", "the file");
        at += wrote;
        len -= (size_t)wrote;
    }
    return ERR_OK;
}

enum err file_write_at(const struct sys_files *files, int fd, struct iovec *pieces, int count,
                       int64_t offset, struct diag *reterr_why)
{
    while (count) {
        if (pieces->iov_len == 0) {
            pieces++;
            count--;
            continue;
        }
        int64_t wrote = files->pwritev(fd, pieces, count, offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote == 0)
            errno = ENOSPC;
        if (wrote <= 0)
            return err_of_errno(reterr_why, "write to", "the file");
        offset += wrote;
        for (size_t left = (size_t)wrote; left; pieces += left > 0, count -= left > 0) {
            size_t part = MIN(left, pieces->iov_len);
            pieces->iov_base = (char *)pieces->iov_base + part;
            pieces->iov_len -= part;
            left -= part;
        }
    }
    return ERR_OK;
}

enum err file_read(const char *path, struct buf *out, struct diag *reterr_why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno(reterr_why, "open", path);
    enum err err = ERR_OK;
    for (;;) {
        size_t room = MIN((size_t)65536, out->max_bytes - out->len);
        char extra = 0;
        char *to = room ? buf_reserve(out, room) : &extra;
        ssize_t got = read(fd, to, room ? room : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            err = err_of_errno(reterr_why, "read", path);
        else if (got > 0 && room == 0)
            err = diag_set(reterr_why, ERR_LIMIT, "%s is larger than %zu bytes", path,
                           out->max_bytes);
        if (got <= 0 || room == 0)
            break;
        out->len += (size_t)got;
    }
    close(fd);
    return err;
}

/* A new file always: one that a crash left behind has its own mode, a link its own target. */
static enum err write_and_sync(const char *path, str content, int mode, struct diag *why)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return err_of_errno(why, "create", path);
    enum err err = file_write_all(&sys_files_real, fd, content.ptr, content.len, why);
    if (!err && fsync(fd) != 0)
        err = err_of_errno(why, "sync", path);
    if (close(fd) != 0 && !err)
        err = err_of_errno(why, "close", path);
    return err;
}

static str parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return STR_OF(".");
    return str_make(path, slash == path ? 1 : (size_t)(slash - path));
}

enum err file_replace(const char *path, str content, int mode, struct diag *reterr_why)
{
    char temporary[4096];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary)
        return diag_set(reterr_why, ERR_LIMIT, "path too long: %s", path);
    enum err err = write_and_sync(temporary, content, mode, reterr_why);
    if (!err && rename(temporary, path) != 0)
        err = err_of_errno(reterr_why, "rename to", path);
    if (err) {
        unlink(temporary);
        return err;
    }
    char *parent = xstrdup_str(parent_of(path));
    err = dir_sync(parent, reterr_why);
    xfree(parent);
    return err;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum err dir_ensure(const char *path, int mode, struct diag *reterr_why)
{
    if (path[0] == '\0')
        return diag_set(reterr_why, ERR_NOT_FOUND, "the folder has no name");
    char *copy = xstrdup_str(str_from_c(path));
    enum err err = ERR_OK;
    for (char *at = copy + 1; !err; at++) {
        bool is_end = *at == '\0';
        if (!is_end && *at != '/')
            continue;
        *at = '\0';
        if (mkdir(copy, (mode_t)mode) != 0 && errno != EEXIST)
            err = err_of_errno(reterr_why, "make folder", copy);
        if (is_end)
            break;
        *at = '/';
    }
    xfree(copy);
    if (!err && !is_folder(path))
        err = diag_set(reterr_why, ERR_IO, "%s is a file, not a folder", path);
    return err;
}

enum err dir_sync(const char *path, struct diag *reterr_why)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno(reterr_why, "open folder", path);
    enum err err = fsync(fd) == 0 ? ERR_OK : err_of_errno(reterr_why, "sync folder", path);
    close(fd);
    return err;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

enum err dir_list(const char *path, void (*each)(const char *name, void *arg), void *arg,
                  struct diag *reterr_why)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, by_bytes);
    if (count < 0)
        return err_of_errno(reterr_why, "list folder", path);
    for (int i = 0; i < count; i++) {
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
            each(entries[i]->d_name, arg);
        free(entries[i]);
    }
    free(entries);
    return ERR_OK;
}

int file_is_locked(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int failed = fcntl(fd, F_OFD_GETLK, &whole);
    close(fd);
    return failed ? -1 : whole.l_type != F_UNLCK;
}

enum err file_lock(const char *path, int *ret_fd, struct diag *reterr_why)
{
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_of_errno(reterr_why, "open", path);
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0) {
        *ret_fd = fd;
        return ERR_OK;
    }
    bool is_held = errno == EAGAIN || errno == EACCES;
    enum err err = is_held ? diag_set(reterr_why, ERR_CONFLICT, "another process holds %s", path)
                           : err_of_errno(reterr_why, "lock", path);
    close(fd);
    return err;
}

enum err fd_lock(int fd, struct diag *reterr_why)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int failed;
    do
        failed = fcntl(fd, F_OFD_SETLKW, &whole);
    while (failed && errno == EINTR);
    return failed ? err_of_errno(reterr_why, "lock", "the file") : ERR_OK;
}

void fd_unlock(int fd)
{
    struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
    (void)fcntl(fd, F_OFD_SETLK, &whole);
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int64_t file_size(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

int64_t disk_free_bytes(const char *path)
{
    struct statvfs info;
    return statvfs(path, &info) == 0 ? (int64_t)(info.f_bavail * info.f_frsize) : -1;
}
