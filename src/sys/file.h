/* file.h -- our only door to files, replaceable for fault injection.
 *
 * Every call goes through a `struct sys_files` table of functions; production
 * uses sys_files_real, tests use tables that fail the n-th write or fsync.
 *
 * Memory:  none kept.
 * Threads: any; a descriptor belongs to whoever opened it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include <sys/uio.h>

struct sys_files {
    int (*open)(const char *path, int flags, int mode);
    int64_t (*write)(int fd, const void *bytes, size_t len);
    int64_t (*pwritev)(int fd, const struct iovec *pieces, int count, int64_t offset);
    int64_t (*pread)(int fd, void *bytes, size_t len, int64_t offset);
    int (*fdatasync)(int fd);
    int (*ftruncate)(int fd, int64_t len);
    int (*close)(int fd);
    int (*unlink)(const char *path);
    int (*rename)(const char *from, const char *to);
    enum err (*sync_dir)(const char *path, struct diag *reterr_why);
};
extern const struct sys_files sys_files_real;

/* All of bytes, or ERR_DISK_FULL / ERR_IO. */
MUST_CHECK enum err file_write_all(const struct sys_files *files, int fd, const void *bytes,
                                   size_t len, struct diag *reterr_why);
/* The same for pieces, from `offset` on; `pieces` is used up. */
MUST_CHECK enum err file_write_at(const struct sys_files *files, int fd, struct iovec *pieces,
                                  int count, int64_t offset, struct diag *reterr_why);
/* Whole small file into buf (its maximum is the limit). ERR_NOT_FOUND, ERR_LIMIT, ERR_IO. */
MUST_CHECK enum err file_read(const char *path, struct buf *out, struct diag *reterr_why);
/* Write to a temporary beside it, fsync, rename, fsync the folder; mode e.g. 0600. */
MUST_CHECK enum err file_replace(const char *path, str content, int mode, struct diag *reterr_why);
MUST_CHECK enum err dir_ensure(const char *path, int mode, struct diag *reterr_why);
MUST_CHECK enum err dir_sync(const char *path, struct diag *reterr_why);
/* Call `each` with every entry's name but . and .., sorted by byte order. */
MUST_CHECK enum err dir_list(const char *path, void (*each)(const char *name, void *arg), void *arg,
                             struct diag *reterr_why);
/* An exclusive lock on a file, made (0600) when absent, held until *ret_fd is closed, also by
 * the end of the process.  ERR_CONFLICT: another has it. */
MUST_CHECK enum err file_lock(const char *path, int *ret_fd, struct diag *reterr_why);
int file_is_locked(const char *path); /* 1 by another, 0 free, -1 unknown: absent, no right */
/* Wait for the same lock on an open file, and give it back.  It is the descriptor's: two
 * openings exclude each other, also within a process. */
MUST_CHECK enum err fd_lock(int fd, struct diag *reterr_why);
void fd_unlock(int fd);
bool file_exists(const char *path);
int64_t file_size(const char *path);       /* -1: no such file */
int64_t disk_free_bytes(const char *path); /* -1: unknown */
