/* test_file.c -- files and folders, with disks that are full, slow or broken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/arena.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char folder[64];

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_file_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[4][256];
    static int next;
    char *to = path[next = (next + 1) % 4];
    snprintf(to, sizeof path[0], "%s/%s", folder, name);
    return to;
}

static void assert_holds(const char *path, const char *expected)
{
    struct buf text;
    buf_init(&text, MIB);
    assert_int_equal(file_read(path, &text, NULL), ERR_OK);
    assert_true(str_equal_c(buf_str(&text), expected));
    buf_clear(&text);
}

/* ---- a disk on command ---- */
static struct {
    int calls, interrupted, fail_at, fail_errno;
    size_t piece; /* bytes that one write takes; 0: none, without an error */
    char written[64];
    size_t len;
} disk;

static int64_t disk_write(int fd, const void *bytes, size_t len)
{
    (void)fd;
    disk.calls++;
    if (disk.interrupted > 0 && disk.interrupted--) {
        errno = EINTR;
        return -1;
    }
    if (disk.fail_at && disk.calls >= disk.fail_at) {
        errno = disk.fail_errno;
        return -1;
    }
    len = MIN(len, disk.piece);
    memcpy(disk.written + disk.len, bytes, len);
    disk.len += len;
    return (int64_t)len;
}
static int64_t disk_pwritev(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    assert_int_equal(offset, disk.len + 100);
    assert_true(count > 0);
    return disk_write(fd, pieces->iov_base, pieces->iov_len);
}
static const struct sys_files disk_files = { .write = disk_write, .pwritev = disk_pwritev };

static enum err write_text(const char *text)
{
    return file_write_all(&disk_files, 3, text, strlen(text), NULL);
}

static void short_and_interrupted_writes_are_continued(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof disk);
    disk.piece = 3;
    disk.interrupted = 2;
    assert_int_equal(write_text("0123456789"), ERR_OK);
    assert_int_equal(disk.len, 10);
    assert_memory_equal(disk.written, "0123456789", 10);
    assert_int_equal(disk.calls, 6);
    assert_int_equal(file_write_all(&disk_files, 3, NULL, 0, NULL), ERR_OK);
    assert_int_equal(disk.calls, 6);
}

static void pieces_are_written_one_behind_the_other_from_an_offset(void **state)
{
    (void)state;
    char a[] = "0123", b[] = "456789";
    struct iovec pieces[] = { { NULL, 0 }, { a, 4 }, { NULL, 0 }, { b, 6 }, { NULL, 0 } };
    memset(&disk, 0, sizeof disk);
    disk.piece = 3;
    disk.interrupted = 1;
    assert_int_equal(file_write_at(&disk_files, 3, pieces, 5, 100, NULL), ERR_OK);
    assert_int_equal(disk.len, 10);
    assert_memory_equal(disk.written, "0123456789", 10);
    memset(&disk, 0, sizeof disk);
    disk.piece = 3;
    disk.fail_at = 2;
    disk.fail_errno = ENOSPC;
    struct iovec again[] = { { a, 4 }, { b, 6 } };
    assert_int_equal(file_write_at(&disk_files, 3, again, 2, 100, NULL), ERR_DISK_FULL);
}

static void each_failure_of_a_write_has_its_error(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum err err;
    } cases[] = { { ENOSPC, ERR_DISK_FULL }, { EDQUOT, ERR_DISK_FULL }, { EIO, ERR_IO } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        memset(&disk, 0, sizeof disk);
        disk.piece = 4;
        disk.fail_at = 2;
        disk.fail_errno = cases[i].number;
        assert_int_equal(write_text("0123456789"), cases[i].err);
        assert_int_equal(disk.len, 4);
    }
    memset(&disk, 0, sizeof disk); /* takes nothing and says nothing: not for ever */
    assert_int_equal(write_text("x"), ERR_DISK_FULL);
}

static void a_file_of_the_maximum_is_read_and_one_past_it_is_a_limit(void **state)
{
    (void)state;
    struct buf text;
    struct diag why = DIAG_NONE;
    assert_int_equal(file_replace(path_of("ten"), STR_OF("0123456789"), 0600, NULL), ERR_OK);
    buf_init(&text, 10);
    assert_int_equal(file_read(path_of("ten"), &text, &why), ERR_OK);
    assert_int_equal(text.len, 10);
    buf_clear(&text);
    buf_init(&text, 9);
    assert_int_equal(file_read(path_of("ten"), &text, &why), ERR_LIMIT);
    assert_non_null(strstr(why.text, "9 bytes"));
    buf_clear(&text);
    assert_int_equal(file_read(path_of("none"), &text, &why), ERR_NOT_FOUND);
    assert_int_equal(file_read(folder, &text, &why), ERR_IO);
    buf_clear(&text);
}

static void a_large_file_is_read_whole(void **state)
{
    (void)state;
    struct buf text, again;
    buf_init(&text, MIB);
    buf_init(&again, MIB);
    for (size_t i = 0; i < MIB; i++)
        buf_add_char(&text, (char)('a' + i % 23));
    assert_int_equal(file_replace(path_of("large"), buf_str(&text), 0600, NULL), ERR_OK);
    assert_int_equal(file_read(path_of("large"), &again, NULL), ERR_OK);
    assert_true(str_equal(buf_str(&text), buf_str(&again)));
    assert_int_equal(file_size(path_of("large")), MIB);
    buf_clear(&text);
    buf_clear(&again);
}

static void replacing_leaves_the_new_file_with_its_mode_and_nothing_beside_it(void **state)
{
    (void)state;
    struct stat info;
    const char *path = path_of("state");
    assert_int_equal(file_replace(path, STR_OF("one"), 0600, NULL), ERR_OK);
    assert_int_equal(file_replace(path, STR_OF("two"), 0600, NULL), ERR_OK);
    assert_holds(path, "two");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_false(file_exists(path_of("state.new")));
    assert_int_equal(file_replace(path, STR_OF(""), 0600, NULL), ERR_OK);
    assert_int_equal(file_size(path), 0);
}

/* A crash may have left the temporary file, with another mode: it must not lend it. */
static void a_temporary_left_by_a_crash_lends_neither_bytes_nor_mode(void **state)
{
    (void)state;
    struct stat info;
    int fd = open(path_of("secret.new"), O_CREAT | O_WRONLY, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a longer text than the new one", 30), 30);
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
    assert_int_equal(file_replace(path_of("secret"), STR_OF("key"), 0600, NULL), ERR_OK);
    assert_holds(path_of("secret"), "key");
    assert_int_equal(stat(path_of("secret"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void replacing_in_vain_keeps_the_old_file(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    assert_int_equal(file_replace(path_of("none/x"), STR_OF("x"), 0600, &why), ERR_NOT_FOUND);
    assert_int_equal(dir_ensure(path_of("taken"), 0700, NULL), ERR_OK);
    assert_int_not_equal(file_replace(path_of("taken"), STR_OF("x"), 0600, &why), ERR_OK);
    assert_false(file_exists(path_of("taken.new")));
    char longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(file_replace(longest, STR_OF("x"), 0600, &why), ERR_LIMIT);
}

static void folders_are_made_with_those_above_them(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(dir_ensure(path_of("a/b/c"), 0700, NULL), ERR_OK);
    assert_int_equal(dir_ensure(path_of("a/b/c"), 0700, NULL), ERR_OK); /* again is fine */
    assert_int_equal(dir_ensure(path_of("a//d/"), 0700, NULL), ERR_OK);
    assert_int_equal(stat(path_of("a/d"), &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(dir_ensure("/", 0700, NULL), ERR_OK);
    assert_int_equal(dir_sync(path_of("a"), NULL), ERR_OK);
    assert_int_equal(dir_sync(path_of("none"), NULL), ERR_NOT_FOUND);
}

static void a_file_in_the_way_of_a_folder_is_an_error(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    assert_int_equal(file_replace(path_of("file"), STR_OF("x"), 0600, NULL), ERR_OK);
    assert_int_not_equal(dir_ensure(path_of("file"), 0700, &why), ERR_OK);
    assert_non_null(strstr(why.text, "/file"));
    assert_int_not_equal(dir_ensure(path_of("file/below"), 0700, &why), ERR_OK);
}

static void a_folder_without_a_name_is_an_error(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    assert_int_not_equal(dir_ensure("", 0700, &why), ERR_OK);
}

static void note_name(const char *name, void *arg)
{
    struct buf *names = arg;
    buf_add_c(names, name);
    buf_add_char(names, ' ');
}

static void a_folder_is_listed_in_byte_order(void **state)
{
    (void)state;
    struct buf names;
    static const char *const made[] = { "z", "B", "a", ".hidden", "10", "9" };
    assert_int_equal(dir_ensure(path_of("list"), 0700, NULL), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        char name[32];
        snprintf(name, sizeof name, "list/%s", made[i]);
        assert_int_equal(file_replace(path_of(name), STR_OF(""), 0600, NULL), ERR_OK);
    }
    buf_init(&names, KIB);
    assert_int_equal(dir_list(path_of("list"), note_name, &names, NULL), ERR_OK);
    assert_true(str_equal_c(buf_str(&names), ".hidden 10 9 B a z "));
    assert_int_equal(dir_list(path_of("none"), note_name, &names, NULL), ERR_NOT_FOUND);
    buf_clear(&names);
}

static void what_is_not_there_has_no_size(void **state)
{
    (void)state;
    assert_int_equal(file_size(path_of("none")), -1);
    assert_false(file_exists(path_of("none")));
    assert_true(file_exists(folder));
    assert_true(disk_free_bytes(folder) > 0);
    assert_int_equal(disk_free_bytes(path_of("none")), -1);
}

static void the_real_files_are_closed_on_exec(void **state)
{
    (void)state;
    int fd = sys_files_real.open(path_of("real"), O_CREAT | O_RDWR, 0600);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    char bytes[8];
    assert_int_equal(sys_files_real.write(fd, "abcdef", 6), 6);
    assert_int_equal(sys_files_real.fdatasync(fd), 0);
    assert_int_equal(sys_files_real.ftruncate(fd, 4), 0);
    assert_int_equal(sys_files_real.pread(fd, bytes, sizeof bytes, 1), 3);
    assert_memory_equal(bytes, "bcd", 3);
    assert_int_equal(sys_files_real.close(fd), 0);
    assert_int_equal(sys_files_real.unlink(path_of("real")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_and_interrupted_writes_are_continued),
        cmocka_unit_test(pieces_are_written_one_behind_the_other_from_an_offset),
        cmocka_unit_test(each_failure_of_a_write_has_its_error),
        cmocka_unit_test(a_file_of_the_maximum_is_read_and_one_past_it_is_a_limit),
        cmocka_unit_test(a_large_file_is_read_whole),
        cmocka_unit_test(replacing_leaves_the_new_file_with_its_mode_and_nothing_beside_it),
        cmocka_unit_test(a_temporary_left_by_a_crash_lends_neither_bytes_nor_mode),
        cmocka_unit_test(replacing_in_vain_keeps_the_old_file),
        cmocka_unit_test(folders_are_made_with_those_above_them),
        cmocka_unit_test(a_file_in_the_way_of_a_folder_is_an_error),
        cmocka_unit_test(a_folder_without_a_name_is_an_error),
        cmocka_unit_test(a_folder_is_listed_in_byte_order),
        cmocka_unit_test(what_is_not_there_has_no_size),
        cmocka_unit_test(the_real_files_are_closed_on_exec),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
