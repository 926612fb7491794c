/* test_fault.c -- a disk that fails at the n-th call: nothing acknowledged is lost, nothing
 * lost is acknowledged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wal_fixture.h"

enum { RECORDS = 12 };

/* What was acknowledged, by number of the record. */
static void submit_all(struct wal *wal, bool ret_acknowledged[RECORDS], enum err ret_errs[RECORDS])
{
    for (int i = 0; i < RECORDS; i++) {
        char text[2000];
        memset(text, 'a' + i, sizeof text);
        ret_acknowledged[i] = fixture_put(wal, text, sizeof text, &ret_errs[i]) != 0;
        struct wal_status status;
        for (wal_status(wal, &status); status.disk_full; wal_status(wal, &status))
            clock_sleep_ns(NS_PER_MS); /* until the log has looked again */
    }
}

/* Each acknowledged record is there, once, in order; a refused one may be there. */
static void check_all(struct fixture *fixture, const bool acknowledged[RECORDS])
{
    struct wal *wal = fixture_open(fixture);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    bool seen[RECORDS] = { false };
    uint64_t before = 0;
    for (;;) {
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        enum err err = wal_read(reader, &bytes, &sequence, &position, NULL);
        if (err == ERR_NOT_FOUND)
            break;
        assert_int_equal(err, ERR_OK);
        assert_true(sequence > before);
        before = sequence;
        assert_int_equal(bytes.len, 2000);
        int number = bytes.ptr[0] - 'a';
        assert_in_range(number, 0, RECORDS - 1);
        assert_false(seen[number]);
        seen[number] = true;
    }
    for (int i = 0; i < RECORDS; i++)
        assert_true(seen[i] || !acknowledged[i]);
    wal_reader_free(reader);
    wal_close(wal);
}

static void run_with(int write_left, int sync_left, int number, int write_short, enum err expected)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct sys_files files = faulty_files();
    fixture.config.files = &files;
    fixture.config.segment_bytes_max = 5 * 2100;
    atomic_store(&faults.write_left, write_left);
    atomic_store(&faults.sync_left, sync_left);
    atomic_store(&faults.write_errno, number);
    atomic_store(&faults.sync_errno, number);
    atomic_store(&faults.write_short, write_short);
    struct wal *wal = fixture_open(&fixture);
    bool acknowledged[RECORDS];
    enum err errs[RECORDS];
    submit_all(wal, acknowledged, errs);
    int refused = 0;
    for (int i = 0; i < RECORDS; i++) {
        if (acknowledged[i])
            continue;
        refused++;
        assert_int_equal(errs[i], expected);
    }
    assert_int_equal(refused, 1); /* it recovers by itself */
    assert_int_equal(atomic_load(&faults.retried), 0);
    wal_close(wal);
    faults_reset();
    check_all(&fixture, acknowledged);
    fixture_clear(&fixture);
}

/* shows: X5 C10 */
static void a_full_disk_at_any_write_refuses_that_record_and_loses_none(void **state)
{
    (void)state;
    for (int n = 0; n < RECORDS; n++)
        run_with(n, -1, ENOSPC, 0, ERR_DISK_FULL);
    for (int n = 0; n < RECORDS; n += 4)
        run_with(n, -1, ENOSPC, 700, ERR_DISK_FULL);
}

static void an_error_at_any_write_poisons_the_segment_and_loses_none(void **state)
{
    (void)state;
    for (int n = 0; n < RECORDS; n++) {
        run_with(n, -1, EIO, 0, ERR_IO);
        run_with(n, -1, EIO, 700, ERR_IO);
    }
}

static void a_failed_sync_is_never_retried_and_loses_nothing_acknowledged(void **state)
{
    (void)state;
    for (int n = 0; n < RECORDS; n++)
        run_with(-1, n, EIO, 0, ERR_IO);
}

static void a_disk_that_stays_broken_acknowledges_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct sys_files files = faulty_files();
    fixture.config.files = &files;
    struct wal *wal = fixture_open(&fixture);
    assert_int_equal(fixture_put_c(wal, "good"), 1);
    atomic_store(&faults.sync_errno, EIO);
    atomic_store(&faults.sticky, true);
    atomic_store(&faults.sync_left, 0);
    enum err err;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fixture_put(wal, "bad", 3, &err), 0);
        assert_int_equal(err, ERR_IO);
    }
    assert_int_equal(atomic_load(&faults.retried), 0);
    struct wal_status status;
    wal_status(wal, &status);
    assert_int_equal(status.poisoned, 5);
    assert_int_equal(status.durable_sequence, 1);
    wal_close(wal);
    faults_reset();
    wal = fixture_open(&fixture);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    str bytes;
    uint64_t sequence;
    struct wal_position position;
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
    assert_true(str_equal_c(bytes, "good"));
    wal_reader_free(reader);
    wal_close(wal);
    fixture_clear(&fixture);
}

/* shows: C10 */
static void below_the_free_space_reserve_nothing_is_taken(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.disk_free_bytes_min = SIZE_MAX;
    struct wal *wal = fixture_open(&fixture);
    enum err err;
    assert_int_equal(fixture_put(wal, "x", 1, &err), 0);
    assert_int_equal(err, ERR_DISK_FULL);
    struct wal_status status;
    wal_status(wal, &status);
    assert_true(status.disk_full);
    struct crypt_gcm *gcm = crypt_gcm_new();
    struct item *item = item_new("plain", 5);
    assert_int_equal(wal_submit(wal, gcm, &item->entry), ERR_DISK_FULL);
    assert_memory_equal(item->bytes, "plain", 5);
    item_free(item);
    crypt_gcm_free(gcm);
    wal_close(wal);
    char path[WAL_PATH_MAX];
    assert_int_equal(fixture_file_path(&fixture, 1, path), 0);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_at_any_write_refuses_that_record_and_loses_none),
        cmocka_unit_test(an_error_at_any_write_poisons_the_segment_and_loses_none),
        cmocka_unit_test(a_failed_sync_is_never_retried_and_loses_nothing_acknowledged),
        cmocka_unit_test(a_disk_that_stays_broken_acknowledges_nothing),
        cmocka_unit_test(below_the_free_space_reserve_nothing_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
