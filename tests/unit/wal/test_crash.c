/* test_crash.c -- seeded crashes and many threads: whatever was acknowledged is there.
 *
 * A crash is simulated in the file: what was synced stays, of what was written
 * after that a random part, in random state.  TEST_SEED repeats a run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wal_fixture.h"

enum { CYCLES = 1000, SUBMITTERS = 4, PER_SUBMITTER = 500 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t seed_get(void)
{
    uint64_t seed;
    const char *given = getenv("TEST_SEED");
    if (!given || !str_to_u64(str_from_c(given), &seed))
        crypt_random(&seed, sizeof seed);
    seed |= 1;
    print_message("# TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Unacknowledged bytes behind the synced ones, over what an earlier use left: a group that was
 * being written, torn. */
static void leave_torn_tail(struct fixture *fixture, uint64_t *seed)
{
    struct wal_numbers numbers, spares;
    assert_int_equal(wal_segment_list(fixture->dir, &numbers, &spares, NULL), ERR_OK);
    if (numbers.count) {
        char path[WAL_PATH_MAX], tail[700];
        uint32_t number = numbers.items[numbers.count - 1];
        uint64_t end = fixture_written_end(fixture, number);
        size_t len = next_random(seed) % sizeof tail;
        for (size_t i = 0; i < len; i++)
            tail[i] = (char)(next_random(seed) % 3 ? next_random(seed) : 0);
        /* Now and then a record that is whole but for the bytes before it. */
        if (len > 200 && next_random(seed) % 2) {
            struct wal_entry entry = { .bytes = tail + 100, .len = 30, .capacity = 46 };
            struct crypt_gcm *gcm = crypt_gcm_new();
            struct crypt_key key = { { 1 } };
            wal_record_seal(gcm, &key, 1, 1, &entry);
            wal_record_place(&entry, number, UINT32_MAX, (uint32_t)end);
            memcpy(tail + 100 - WAL_RECORD_HEADER_BYTES, entry.header, sizeof entry.header);
            crypt_gcm_free(gcm);
        }
        fixture_file_path(fixture, number, path);
        int fd = sys_files_real.open(path, O_WRONLY, 0);
        assert_true(fd >= 0);
        struct iovec piece = { .iov_base = tail, .iov_len = len };
        assert_int_equal(file_write_at(&sys_files_real, fd, &piece, 1, (int64_t)end, NULL), ERR_OK);
        sys_files_real.close(fd);
    }
    wal_numbers_clear(&numbers);
    wal_numbers_clear(&spares);
}

/* shows: X5 */
static void over_a_thousand_crashes_every_acknowledged_record_stays_in_order(void **state)
{
    (void)state;
    uint64_t seed = seed_get();
    struct fixture fixture;
    fixture_init(&fixture);
    struct sys_files files = hasty_files(); /* nothing but our own tail is torn here */
    fixture.config.files = &files;
    fixture.config.segment_bytes_max = 4000;
    uint64_t *expected = NULL;
    size_t count = 0, capacity = 0, released = 0;
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        struct wal *wal = fixture_open(&fixture);
        struct wal_reader *reader = wal_reader_new(wal, released ? expected[released - 1] : 0);
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        for (size_t i = released; i < count; i++) {
            assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
            assert_int_equal(sequence, expected[i]);
            assert_int_equal(bytes.len, 8 + sequence % 500);
            assert_memory_equal(bytes.ptr, &(uint64_t){ i }, 8);
        }
        assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_NOT_FOUND);
        wal_reader_free(reader);
        for (uint64_t more = next_random(&seed) % 6; more; more--) {
            char text[600] = { 0 };
            uint64_t number = count, next = count ? expected[count - 1] + 1 : 1;
            struct wal_status status;
            wal_status(wal, &status);
            next = status.durable_sequence + 1;
            memcpy(text, &number, sizeof number);
            enum err err;
            assert_int_equal(fixture_put(wal, text, 8 + next % 500, &err), next);
            if (count == capacity)
                expected = xrealloc(expected, (capacity = capacity * 2 + 64) * sizeof *expected);
            expected[count++] = next;
        }
        if (count > released && next_random(&seed) % 4 == 0) {
            released += next_random(&seed) % (count - released + 1);
            if (released)
                wal_release(wal, expected[released - 1]);
        }
        wal_close(wal);
        leave_torn_tail(&fixture, &seed);
    }
    assert_true(count > CYCLES);
    xfree(expected);
    fixture_clear(&fixture);
}

struct submitter {
    struct wal *wal;
    struct thread thread;
    int number;
    atomic_int acknowledged;
};

static void submitter_run(void *arg)
{
    struct submitter *submitter = arg;
    struct crypt_gcm *gcm = crypt_gcm_new();
    for (int i = 0; i < PER_SUBMITTER;) {
        struct item *items[8];
        int count = 0;
        for (; count < 8 && i < PER_SUBMITTER; count++, i++) {
            char text[64];
            int len = snprintf(text, sizeof text, "%d %d", submitter->number, i);
            items[count] = item_new(text, (size_t)len);
            assert(wal_submit(submitter->wal, gcm, &items[count]->entry) == ERR_OK);
        }
        for (int k = 0; k < count; k++) {
            item_wait(items[k]);
            if (items[k]->entry.result == ERR_OK)
                atomic_fetch_add(&submitter->acknowledged, 1);
            item_free(items[k]);
        }
    }
    crypt_gcm_free(gcm);
}

static void four_submitters_and_a_reader_that_follows_agree(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.segment_bytes_max = 20000;
    struct wal *wal = fixture_open(&fixture);
    struct submitter submitters[SUBMITTERS];
    memset(submitters, 0, sizeof submitters);
    for (int i = 0; i < SUBMITTERS; i++) {
        submitters[i].wal = wal;
        submitters[i].number = i;
        thread_start(&submitters[i].thread, "submitter", submitter_run, &submitters[i]);
    }
    struct wal_reader *reader = wal_reader_new(wal, 0);
    uint64_t before = 0;
    int next[SUBMITTERS] = { 0 };
    while (before < SUBMITTERS * PER_SUBMITTER) {
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        enum err err = wal_read(reader, &bytes, &sequence, &position, NULL);
        if (err == ERR_NOT_FOUND) {
            wal_wait(wal, before, NS_PER_S);
            continue;
        }
        assert_int_equal(err, ERR_OK);
        assert_int_equal(sequence, before + 1);
        before = sequence;
        char text[64];
        snprintf(text, sizeof text, "%.*s", STR_ARG(bytes));
        int who = text[0] - '0';
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%d %d", who, next[who]++);
        assert_string_equal(text, wanted); /* each submitter's order is kept */
        if (sequence % 100 == 0) {
            wal_release(wal, sequence);
            assert_true(wal_first_hour(wal) <= wal_clock_hour());
        }
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        thread_join(&submitters[i].thread);
        assert_int_equal(atomic_load(&submitters[i].acknowledged), PER_SUBMITTER);
    }
    wal_reader_free(reader);
    wal_close(wal);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_a_thousand_crashes_every_acknowledged_record_stays_in_order),
        cmocka_unit_test(four_submitters_and_a_reader_that_follows_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
