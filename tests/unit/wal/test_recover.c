/* test_recover.c -- every truncation recovers, every flipped bit is noticed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wal_fixture.h"

enum { RECORDS = 3 };
static const char *const texts[RECORDS] = { "first record", "2", "the third and last" };

/* A log of one segment: its bytes, and the offset after each record. */
static void make_log(struct fixture *fixture, struct buf *ret_file, size_t ret_ends[RECORDS])
{
    fixture_init(fixture);
    struct wal *wal = fixture_open(fixture);
    char path[WAL_PATH_MAX];
    for (size_t i = 0; i < RECORDS; i++) {
        fixture_put_c(wal, texts[i]);
        ret_ends[i] = fixture_file_path(fixture, 1, path);
    }
    wal_close(wal);
    buf_init(ret_file, MIB);
    assert_int_equal(file_read(path, ret_file, NULL), ERR_OK);
}

/* Open, read everything; the number of whole records, which must be a prefix-free subset. */
static size_t read_all(struct fixture *fixture, size_t *ret_corrupt, struct wal_status *ret_status)
{
    struct wal *wal = fixture_open(fixture);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    size_t count = 0;
    *ret_corrupt = 0;
    for (;;) {
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        enum err err = wal_read(reader, &bytes, &sequence, &position, NULL);
        if (err == ERR_NOT_FOUND)
            break;
        if (err == ERR_CORRUPT) {
            (*ret_corrupt)++;
            continue;
        }
        assert_int_equal(err, ERR_OK);
        assert_in_range(sequence, 1, RECORDS);
        assert_true(str_equal_c(bytes, texts[sequence - 1]));
        count++;
    }
    wal_reader_free(reader);
    wal_status(wal, ret_status);
    uint64_t next = fixture_put_c(wal, "after");
    assert_true(next > ret_status->durable_sequence);
    wal_close(wal);
    return count;
}

/* shows: X5 */
static void a_log_cut_at_any_byte_keeps_every_whole_record_and_loses_only_the_torn_one(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf file;
    size_t ends[RECORDS];
    make_log(&fixture, &file, ends);
    char path[WAL_PATH_MAX];
    for (size_t len = 0; len <= file.len; len++) {
        fixture_empty(&fixture);
        fixture_file_path(&fixture, 1, path);
        file_write_test(path, file.ptr, len);
        size_t whole = 0;
        while (whole < RECORDS && ends[whole] <= len)
            whole++;
        size_t corrupt;
        struct wal_status status;
        assert_int_equal(read_all(&fixture, &corrupt, &status), whole);
        assert_int_equal(corrupt, 0);
        size_t kept = whole ? ends[whole - 1] : len >= 64 ? 64 : 0;
        assert_int_equal(status.torn_bytes_cut, len - kept);
    }
    buf_clear(&file);
    fixture_clear(&fixture);
}

static void a_flipped_bit_at_any_byte_is_noticed_and_costs_at_most_its_record(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf file;
    size_t ends[RECORDS];
    make_log(&fixture, &file, ends);
    char path[WAL_PATH_MAX];
    for (size_t at = 0; at < file.len; at++) {
        fixture_empty(&fixture);
        fixture_file_path(&fixture, 1, path);
        file.ptr[at] = (char)(file.ptr[at] ^ (1 << (at % 8)));
        file_write_test(path, file.ptr, file.len);
        file.ptr[at] = (char)(file.ptr[at] ^ (1 << (at % 8)));
        size_t corrupt;
        struct wal_status status;
        size_t count = read_all(&fixture, &corrupt, &status);
        if (at < WAL_SEGMENT_HEADER_BYTES) { /* the salt is in doubt: nothing can be read */
            assert_int_equal(count, 0);
            assert_int_equal(corrupt, RECORDS);
        } else {
            assert_int_equal(count, RECORDS - 1);
            /* In the last record it looks like a torn tail, else it is proven damage. */
            assert_int_equal(corrupt, at < ends[RECORDS - 2] ? 1 : 0);
            assert_true(status.damaged_places || status.torn_bytes_cut);
        }
    }
    buf_clear(&file);
    fixture_clear(&fixture);
}

static void a_torn_group_is_cut_even_when_a_later_record_of_it_is_whole(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf file;
    size_t ends[RECORDS];
    make_log(&fixture, &file, ends);
    /* Pretend records 2 and 3 were one group: 3 was written when only 1 was durable. */
    struct wal_record_header header;
    memcpy(&header, file.ptr + ends[1], sizeof header);
    struct wal_entry entry = { 0 };
    memcpy(entry.header, &header, sizeof header);
    wal_record_place(&entry, 1, header.sequence, (uint32_t)ends[0]);
    memcpy(file.ptr + ends[1], entry.header, sizeof header);
    file.ptr[ends[0] + WAL_RECORD_HEADER_BYTES] ^= 1;
    char path[WAL_PATH_MAX];
    fixture_file_path(&fixture, 1, path);
    file_write_test(path, file.ptr, file.len);
    size_t corrupt;
    struct wal_status status;
    assert_int_equal(read_all(&fixture, &corrupt, &status), 1);
    assert_int_equal(corrupt, 0);
    assert_int_equal(status.torn_bytes_cut, file.len - ends[0]);
    assert_int_equal(status.durable_sequence, 3); /* not used again */
    buf_clear(&file);
    fixture_clear(&fixture);
}

static int64_t pread_fails(int fd, void *bytes, size_t len, int64_t offset)
{
    (void)fd, (void)bytes, (void)len, (void)offset;
    errno = EIO;
    return -1;
}

static void a_disk_that_cannot_be_read_stops_the_start_and_cuts_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf file;
    size_t ends[RECORDS];
    make_log(&fixture, &file, ends);
    struct sys_files files = sys_files_real;
    files.pread = pread_fails;
    fixture.config.files = &files;
    struct wal *wal;
    assert_int_equal(wal_open(&fixture.config, &wal, NULL), ERR_IO);
    char path[WAL_PATH_MAX];
    assert_int_equal(fixture_file_path(&fixture, 1, path), file.len);
    buf_clear(&file);
    fixture_clear(&fixture);
}

static void a_strange_file_in_the_folder_is_left_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    char path[WAL_PATH_MAX];
    snprintf(path, sizeof path, "%s/wal-notes.log", fixture.dir);
    file_write_test(path, "hello", 5);
    struct wal *wal = fixture_open(&fixture);
    assert_int_equal(fixture_put_c(wal, "x"), 1);
    wal_close(wal);
    assert_int_equal(file_size(path), 5);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_log_cut_at_any_byte_keeps_every_whole_record_and_loses_only_the_torn_one),
        cmocka_unit_test(a_flipped_bit_at_any_byte_is_noticed_and_costs_at_most_its_record),
        cmocka_unit_test(a_torn_group_is_cut_even_when_a_later_record_of_it_is_whole),
        cmocka_unit_test(a_disk_that_cannot_be_read_stops_the_start_and_cuts_nothing),
        cmocka_unit_test(a_strange_file_in_the_folder_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
