/* wal_fixture.h -- a log in a temporary folder, with keys from the hour and a disk that fails on
 * command.
 *
 * Memory:  one fixture per test; fixture_clear removes the folder.
 * Threads: the fault counters are atomic, the writer thread counts them down.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/check.h"
#include "sys/clock.h"
#include "wal/wal_int.h"
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    struct wal_config config;
    int64_t gone_before_hour; /* keys of earlier hours are destroyed */
};

/* ---- a disk that fails: counters reach 0 at the call that fails ---- */
struct faults {
    atomic_int write_left, sync_left; /* <0: never */
    atomic_int write_errno, sync_errno;
    atomic_int write_short; /* bytes written before the failure */
    atomic_bool sticky;     /* fails from then on */
    atomic_int syncs, failed_fd, retried;
};
static struct faults faults;

static void faults_reset(void)
{
    atomic_store(&faults.write_left, -1);
    atomic_store(&faults.sync_left, -1);
    atomic_store(&faults.write_short, 0);
    atomic_store(&faults.sticky, false);
    atomic_store(&faults.syncs, 0);
    atomic_store(&faults.failed_fd, -1);
    atomic_store(&faults.retried, 0);
}

static bool fault_due(atomic_int *left)
{
    int now = atomic_load(left);
    if (now < 0)
        return false;
    if (now > 0) {
        atomic_store(left, now - 1);
        return false;
    }
    if (!atomic_load(&faults.sticky))
        atomic_store(left, -1);
    return true;
}

static int64_t faulty_pwritev(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    if (!fault_due(&faults.write_left))
        return sys_files_real.pwritev(fd, pieces, count, offset);
    size_t left = (size_t)atomic_load(&faults.write_short), wrote = 0;
    if (fcntl(fd, F_GETFL) & O_DIRECT) /* whole sectors only */
        left = left / 4096 * 4096;
    if (left) {
        atomic_store(&faults.write_short, 0);
        atomic_store(&faults.write_left, 0); /* the rest fails */
        for (int i = 0; i < count && left; i++) {
            struct iovec part = pieces[i];
            part.iov_len = MIN(part.iov_len, left);
            assert(sys_files_real.pwritev(fd, &part, 1, offset + (int64_t)wrote) ==
                   (int64_t)part.iov_len);
            wrote += part.iov_len;
            left -= part.iov_len;
        }
        return (int64_t)wrote;
    }
    errno = atomic_load(&faults.write_errno);
    return -1;
}

static int faulty_sync(int fd)
{
    atomic_fetch_add(&faults.syncs, 1);
    if (fd == atomic_load(&faults.failed_fd))
        atomic_fetch_add(&faults.retried, 1);
    if (!fault_due(&faults.sync_left))
        return sys_files_real.fdatasync(fd);
    atomic_store(&faults.failed_fd, fd);
    errno = atomic_load(&faults.sync_errno);
    return -1;
}

static int faulty_close(int fd)
{
    int expected = fd;
    atomic_compare_exchange_strong(&faults.failed_fd, &expected, -1);
    return sys_files_real.close(fd);
}

static UNUSED struct sys_files faulty_files(void)
{
    struct sys_files files = sys_files_real;
    files.pwritev = faulty_pwritev;
    files.fdatasync = faulty_sync;
    files.close = faulty_close;
    return files;
}

/* ---- the log ---- */
static enum err fixture_key(void *arg, int64_t hour, bool create, struct crypt_key *ret_key)
{
    struct fixture *fixture = arg;
    (void)create;
    if (hour < fixture->gone_before_hour)
        return ERR_NOT_FOUND;
    memset(ret_key, (int)(hour & 0x7f) + 1, sizeof *ret_key);
    memcpy(ret_key->bytes, &hour, sizeof hour);
    return ERR_OK;
}

static void fixture_init(struct fixture *fixture)
{
    static const struct sys_files *files = &sys_files_real;
    *fixture = (struct fixture){ .dir = "/tmp/wal-test-XXXXXX" };
    assert_non_null(mkdtemp(fixture->dir));
    const char *direct = getenv("WAL_DIRECT"); /* past the page cache, however small */
    fixture->config = (struct wal_config){ .dir = fixture->dir,
                                           .direct_bytes_min = direct ? 1 : 0,
                                           .files = files,
                                           .log_key = fixture_key,
                                           .log_key_arg = fixture,
                                           .group_wait_ns = 1,
                                           .disk_free_bytes_min = 1 };
    faults_reset();
}

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static enum err no_sync_dir(const char *path, struct diag *reterr_why)
{
    (void)path, (void)reterr_why;
    return ERR_OK;
}

/* For tests that start the log a thousand times and lose no power. */
static UNUSED struct sys_files hasty_files(void)
{
    struct sys_files files = sys_files_real;
    files.fdatasync = no_sync;
    files.sync_dir = no_sync_dir;
    return files;
}

static void fixture_unlink(const char *name, void *arg)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    unlink(path);
}

static UNUSED void fixture_empty(struct fixture *fixture)
{
    assert_int_equal(dir_list(fixture->dir, fixture_unlink, fixture->dir, NULL), ERR_OK);
}

static void fixture_clear(struct fixture *fixture)
{
    fixture_empty(fixture);
    rmdir(fixture->dir);
}

static UNUSED struct wal *fixture_open(struct fixture *fixture)
{
    struct diag why = DIAG_NONE;
    struct wal *wal;
    enum err err = wal_open(&fixture->config, &wal, &why);
    if (err)
        print_error("%s\n", why.text);
    assert_int_equal(err, ERR_OK);
    return wal;
}

struct item {
    struct wal_entry entry;
    sem_t done;
    char bytes[];
};

static void item_done(struct wal_entry *entry)
{
    sem_post(&((struct item *)entry->arg)->done);
}

static struct item *item_new(const void *bytes, size_t len)
{
    struct item *item = xcalloc(1, sizeof *item + len + CRYPT_TAG_BYTES);
    memcpy(item->bytes, bytes, len);
    sem_init(&item->done, 0, 0);
    item->entry = (struct wal_entry){ .bytes = item->bytes,
                                      .len = len,
                                      .capacity = len + CRYPT_TAG_BYTES,
                                      .done = item_done,
                                      .arg = item };
    return item;
}

static void item_wait(struct item *item)
{
    while (sem_wait(&item->done) != 0)
        ;
}

static void item_free(struct item *item)
{
    sem_destroy(&item->done);
    xfree(item);
}

/* Submit and wait; the sequence, or 0 and *ret_err. */
static UNUSED uint64_t fixture_put(struct wal *wal, const void *bytes, size_t len,
                                   enum err *ret_err)
{
    struct crypt_gcm *gcm = crypt_gcm_new();
    struct item *item = item_new(bytes, len);
    enum err err = wal_submit(wal, gcm, &item->entry);
    if (!err) {
        item_wait(item);
        err = item->entry.result;
    }
    uint64_t sequence = err ? 0 : item->entry.sequence;
    item_free(item);
    crypt_gcm_free(gcm);
    *ret_err = err;
    return sequence;
}

static UNUSED uint64_t fixture_put_c(struct wal *wal, const char *text)
{
    enum err err;
    uint64_t sequence = fixture_put(wal, text, strlen(text), &err);
    assert_int_equal(err, ERR_OK);
    return sequence;
}

static UNUSED size_t fixture_file_path(struct fixture *fixture, uint32_t number, char *ret_path)
{
    wal_segment_path(fixture->dir, number, ret_path);
    int64_t size = file_size(ret_path);
    return size < 0 ? 0 : (size_t)size;
}

/* Where the records of a segment end, as a start would find it; old bytes may follow. */
static UNUSED uint64_t fixture_written_end(struct fixture *fixture, uint32_t number)
{
    char path[WAL_PATH_MAX];
    size_t size = fixture_file_path(fixture, number, path);
    int fd = sys_files_real.open(path, O_RDONLY, 0);
    assert_true(fd >= 0);
    struct wal_cursor cursor;
    struct wal_segment_header header;
    wal_cursor_init(&cursor, &sys_files_real, fd, number, WAL_CHUNK_RANDOM);
    (void)!wal_cursor_begin(&cursor, size, 0, &header);
    while (wal_cursor_next(&cursor) == WAL_STEP_RECORD)
        ;
    uint64_t end = cursor.written;
    wal_cursor_clear(&cursor);
    return end;
}

static UNUSED void file_write_test(const char *path, const void *bytes, size_t len)
{
    int fd = sys_files_real.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(&sys_files_real, fd, bytes, len, NULL), ERR_OK);
    sys_files_real.close(fd);
}
