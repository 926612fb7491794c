/* test_direct.c -- segments written past the page cache: which ones, and what stands in them.
 *
 * The other tests of the log run a second time with WAL_DIRECT set, so that every group goes
 * this way; here is what only these segments have: pages, zeros behind the end, a file system
 * that cannot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wal_fixture.h"
#include <sys/stat.h>

enum { RECORDS_MAX = 64, DIRECT_WRITE_BYTES = 1 << 20 };

static atomic_int direct_opens, direct_writes, cached_writes, refuse_open, refuse_write;

static int counting_open(const char *path, int flags, int mode)
{
    if (!(flags & O_DIRECT))
        return sys_files_real.open(path, flags, mode);
    atomic_fetch_add(&direct_opens, 1);
    errno = EINVAL;
    return atomic_load(&refuse_open) ? -1 : sys_files_real.open(path, flags, mode);
}

static int64_t counting_pwritev(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    bool is_direct = fcntl(fd, F_GETFL) & O_DIRECT;
    if (is_direct && atomic_load(&refuse_write)) {
        errno = EINVAL;
        return -1;
    }
    atomic_fetch_add(is_direct ? &direct_writes : &cached_writes, 1);
    return sys_files_real.pwritev(fd, pieces, count, offset);
}

static struct sys_files counting_files(void)
{
    struct sys_files files = sys_files_real;
    files.open = counting_open;
    files.pwritev = counting_pwritev;
    atomic_store(&direct_opens, 0);
    atomic_store(&direct_writes, 0);
    atomic_store(&cached_writes, 0);
    atomic_store(&refuse_open, 0);
    atomic_store(&refuse_write, 0);
    return files;
}

/* The folder's file system takes O_DIRECT? tmpfs of older kernels does not. */
static bool can_direct(struct fixture *fixture)
{
    char path[256];
    snprintf(path, sizeof path, "%s/probe", fixture->dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_DIRECT, 0600);
    if (fd >= 0)
        close(fd);
    unlink(path);
    if (fd < 0)
        print_message("# this file system has no O_DIRECT: pages go through the cache\n");
    return fd >= 0;
}

static char record_bytes[3 * DIRECT_WRITE_BYTES];

static void put(struct wal *wal, char letter, size_t len)
{
    enum err err;
    memset(record_bytes, letter, len);
    assert_true(fixture_put(wal, record_bytes, len, &err) > 0);
    assert_int_equal(err, ERR_OK);
}

/* Everything in the log, as its first letters. */
static void check_letters(struct wal *wal, const char *letters, size_t corrupt)
{
    struct wal_reader *reader = wal_reader_new(wal, 0);
    char found[RECORDS_MAX] = { 0 };
    size_t count = 0, damaged = 0;
    for (;;) {
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        enum err err = wal_read(reader, &bytes, &sequence, &position, NULL);
        if (err == ERR_NOT_FOUND)
            break;
        if (err == ERR_CORRUPT) {
            damaged++;
            continue;
        }
        assert_int_equal(err, ERR_OK);
        for (size_t i = 1; i < bytes.len; i++)
            assert_int_equal(bytes.ptr[i], bytes.ptr[0]);
        assert_true(count + 1 < sizeof found);
        found[count++] = bytes.ptr[0];
    }
    wal_reader_free(reader);
    assert_string_equal(found, letters);
    assert_int_equal(damaged, corrupt);
}

static uint16_t flags_of(struct fixture *fixture, uint32_t number, int64_t *ret_size)
{
    char path[WAL_PATH_MAX];
    struct wal_segment_header header;
    wal_segment_path(fixture->dir, number, path);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, &header, sizeof header), sizeof header);
    close(fd);
    *ret_size = file_size(path);
    return header.flags;
}

static void only_a_segment_that_begins_with_a_large_group_goes_past_the_cache(void **state)
{
    (void)state;
    enum { MIN_BYTES = 8000 };
    for (int is_large = 0; is_large < 2; is_large++) {
        struct fixture fixture;
        fixture_init(&fixture);
        struct sys_files files = counting_files();
        fixture.config.files = &files;
        fixture.config.direct_bytes_min = MIN_BYTES;
        bool is_possible = can_direct(&fixture);
        struct wal *wal = fixture_open(&fixture);
        size_t overhead = WAL_RECORD_HEADER_BYTES + CRYPT_TAG_BYTES;
        put(wal, 'a', MIN_BYTES - overhead - 1 + (size_t)is_large);
        put(wal, 'b', is_large ? 10 : 100000);
        check_letters(wal, "ab", 0);
        wal_close(wal);
        int64_t size;
        assert_int_equal(flags_of(&fixture, 1, &size), is_large ? WAL_SEGMENT_PADDED : 0);
        assert_int_equal(size % WAL_PAGE_BYTES == 0, is_large);
        assert_int_equal(atomic_load(&direct_writes), is_large && is_possible ? 2 : 0);
        fixture_clear(&fixture);
    }
}

static void a_file_system_that_cannot_gets_the_same_pages_through_the_cache(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct fixture fixture;
        fixture_init(&fixture);
        struct sys_files files = counting_files();
        fixture.config.files = &files;
        fixture.config.direct_bytes_min = 1;
        atomic_store(way ? &refuse_open : &refuse_write, 1);
        struct wal *wal = fixture_open(&fixture);
        put(wal, 'a', 5000);
        put(wal, 'b', 10);
        put(wal, 'c', 5000);
        check_letters(wal, "abc", 0);
        wal_close(wal);
        assert_int_equal(atomic_load(&direct_opens), 1);
        assert_int_equal(atomic_load(&direct_writes), 0);
        assert_int_equal(atomic_load(&cached_writes), 3);
        wal = fixture_open(&fixture);
        check_letters(wal, "abc", 0);
        wal_close(wal);
        fixture_clear(&fixture);
    }
}

/* Sizes at which a page, or one large write, is just full, and one byte less and more. */
static void records_of_any_size_stand_whole_over_the_ends_of_pages_and_writes(void **state)
{
    (void)state;
    static const size_t edges[] = { WAL_PAGE_BYTES, 2 * WAL_PAGE_BYTES, DIRECT_WRITE_BYTES,
                                    2 * DIRECT_WRITE_BYTES };
    size_t overhead = WAL_RECORD_HEADER_BYTES + CRYPT_TAG_BYTES;
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        for (size_t more = 0; more < 3; more++) {
            struct fixture fixture;
            fixture_init(&fixture);
            fixture.config.direct_bytes_min = 1;
            struct wal *wal = fixture_open(&fixture);
            put(wal, 'a', edges[i] - overhead - WAL_SEGMENT_HEADER_BYTES - 1 + more);
            put(wal, 'b', 1);
            put(wal, 'c', edges[i] - overhead - 1 + more);
            put(wal, 'd', 1);
            check_letters(wal, "abcd", 0);
            wal_close(wal);
            wal = fixture_open(&fixture);
            struct wal_status status;
            wal_status(wal, &status);
            assert_int_equal(status.torn_bytes_cut, 0); /* zeros behind the end are none */
            assert_int_equal(status.damaged_places, 0);
            check_letters(wal, "abcd", 0);
            wal_close(wal);
            fixture_clear(&fixture);
        }
    }
}

/* shows: X5 */
static void a_file_cut_at_any_page_keeps_the_records_before_it(void **state)
{
    (void)state;
    enum { COUNT = 12, BYTES = 1500 };
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.direct_bytes_min = 1;
    struct wal *wal = fixture_open(&fixture);
    for (int i = 0; i < COUNT; i++)
        put(wal, (char)('a' + i), BYTES);
    wal_close(wal);
    char path[WAL_PATH_MAX];
    wal_segment_path(fixture.dir, 1, path);
    struct buf file;
    buf_init(&file, MIB);
    assert_int_equal(file_read(path, &file, NULL), ERR_OK);
    assert_int_equal(file.len % WAL_PAGE_BYTES, 0);
    for (size_t len = WAL_PAGE_BYTES; len <= file.len; len += WAL_PAGE_BYTES) {
        fixture_empty(&fixture);
        file_write_test(path, file.ptr, len);
        size_t whole =
            (len - WAL_SEGMENT_HEADER_BYTES) / (BYTES + WAL_RECORD_HEADER_BYTES + CRYPT_TAG_BYTES);
        char letters[COUNT + 1] = { 0 };
        for (size_t i = 0; i < MIN(whole, (size_t)COUNT); i++)
            letters[i] = (char)('a' + i);
        wal = fixture_open(&fixture);
        check_letters(wal, letters, 0);
        put(wal, 'z', 10); /* and the log goes on */
        wal_close(wal);
    }
    buf_clear(&file);
    fixture_clear(&fixture);
}

static void a_flipped_bit_costs_its_record_alone(void **state)
{
    (void)state;
    enum { COUNT = 6, BYTES = 1500, SIZE = BYTES + WAL_RECORD_HEADER_BYTES + CRYPT_TAG_BYTES };
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.direct_bytes_min = 1;
    struct wal *wal = fixture_open(&fixture);
    for (int i = 0; i < COUNT; i++)
        put(wal, (char)('a' + i), BYTES);
    wal_close(wal);
    char path[WAL_PATH_MAX];
    wal_segment_path(fixture.dir, 1, path);
    struct buf file;
    buf_init(&file, MIB);
    assert_int_equal(file_read(path, &file, NULL), ERR_OK);
    for (size_t at = WAL_SEGMENT_HEADER_BYTES; at < WAL_SEGMENT_HEADER_BYTES + COUNT * SIZE;
         at += 37) {
        size_t hit = (at - WAL_SEGMENT_HEADER_BYTES) / SIZE;
        bool is_last = hit == COUNT - 1; /* it looks like a torn tail */
        fixture_empty(&fixture);
        file.ptr[at] = (char)(file.ptr[at] ^ 4);
        file_write_test(path, file.ptr, file.len);
        file.ptr[at] = (char)(file.ptr[at] ^ 4);
        char letters[COUNT + 1] = "abcdef";
        memmove(letters + hit, letters + hit + 1, COUNT - hit);
        wal = fixture_open(&fixture);
        struct wal_status status;
        wal_status(wal, &status);
        assert_true(is_last ? status.torn_bytes_cut > 0 : status.damaged_places == 1);
        check_letters(wal, letters, is_last ? 0 : 1);
        wal_close(wal);
    }
    buf_clear(&file);
    fixture_clear(&fixture);
}

static void a_released_file_is_used_again_past_the_cache(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.direct_bytes_min = 1;
    fixture.config.segment_bytes_max = 10000; /* not whole pages: the padded file is larger */
    fixture.config.bytes_max = 1000000;
    struct wal *wal = fixture_open(&fixture);
    struct wal_status status;
    ino_t inodes[2] = { 0 };
    for (int i = 0; i < 8; i++) {
        put(wal, (char)('a' + i), 9000);
        char path[WAL_PATH_MAX];
        struct stat info;
        wal_segment_path(fixture.dir, (uint32_t)i + 1, path);
        assert_int_equal(stat(path, &info), 0);
        assert_true(i < 2 || info.st_ino == inodes[i % 2]); /* one is written, one is spare */
        inodes[i % 2] = info.st_ino;
        wal_status(wal, &status);
        wal_release(wal, status.durable_sequence);
    }
    check_letters(wal, "h", 0); /* the newest segment stays */
    wal_close(wal);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_segment_that_begins_with_a_large_group_goes_past_the_cache),
        cmocka_unit_test(a_file_system_that_cannot_gets_the_same_pages_through_the_cache),
        cmocka_unit_test(records_of_any_size_stand_whole_over_the_ends_of_pages_and_writes),
        cmocka_unit_test(a_file_cut_at_any_page_keeps_the_records_before_it),
        cmocka_unit_test(a_flipped_bit_costs_its_record_alone),
        cmocka_unit_test(a_released_file_is_used_again_past_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
