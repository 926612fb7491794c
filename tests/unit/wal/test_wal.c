/* test_wal.c -- the log's contract while nothing goes wrong: order, limits, release, hours.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wal_fixture.h"

/* shows: X5 C10 */
static void what_is_acknowledged_is_read_back_in_order_after_a_restart(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct wal *wal = fixture_open(&fixture);
    assert_int_equal(fixture_put_c(wal, "one"), 1);
    assert_int_equal(fixture_put_c(wal, ""), 2);
    assert_int_equal(fixture_put_c(wal, "three"), 3);
    wal_close(wal);
    wal = fixture_open(&fixture);
    assert_int_equal(fixture_put_c(wal, "four"), 4);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    const char *texts[] = { "one", "", "three", "four" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
        assert_int_equal(sequence, i + 1);
        assert_true(str_equal_c(bytes, texts[i]));
        struct buf again;
        buf_init(&again, 100);
        assert_int_equal(wal_read_at(reader, position, &again, NULL), ERR_OK);
        assert_true(str_equal_c(buf_str(&again), texts[i]));
        buf_clear(&again);
    }
    str bytes;
    uint64_t sequence;
    struct wal_position position;
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_NOT_FOUND);
    fixture_put_c(wal, "five");
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
    assert_true(str_equal_c(bytes, "five"));
    wal_reader_free(reader);

    reader = wal_reader_new(wal, 3);
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
    assert_int_equal(sequence, 4);
    wal_reader_free(reader);
    wal_close(wal);
    fixture_clear(&fixture);
}

/* Each record may be passed over, from each place the reader may be at; some of the log is
 * released. */
static void a_reader_goes_on_behind_the_record_it_was_told_of(void **state)
{
    (void)state;
    enum { COUNT = 11 };
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.segment_bytes_max = WAL_SEGMENT_HEADER_BYTES + 3 * wal_record_size(4);
    struct wal *wal = fixture_open(&fixture);
    struct wal_position places[COUNT + 1] = { 0 };
    struct crypt_gcm *gcm = crypt_gcm_new();
    for (uint64_t i = 1; i <= COUNT; i++) {
        struct item *item = item_new("text", 4);
        assert_int_equal(wal_submit(wal, gcm, &item->entry), ERR_OK);
        item_wait(item);
        assert_int_equal(item->entry.sequence, i);
        places[i] = item->entry.position;
        item_free(item);
    }
    crypt_gcm_free(gcm);
    for (uint64_t released = 0; released < 8; released += 7) {
        wal_release(wal, released);
        for (uint64_t from = released; from < COUNT; from++) {
            for (uint64_t to = from + 1; to <= COUNT; to++) {
                struct wal_reader *reader = wal_reader_new(wal, from);
                str bytes;
                uint64_t sequence = from, next = to + 1;
                struct wal_position position;
                if ((from + to) % 2 && from + 1 < to) {
                    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
                    assert_int_equal(sequence, from + 1);
                    assert_memory_equal(&position, &places[sequence], sizeof position);
                }
                wal_reader_skip(reader, places[to], to);
                wal_reader_skip(reader, places[from + 1], from + 1); /* behind: changes nothing */
                for (; next <= COUNT; next++) {
                    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
                    assert_int_equal(sequence, next);
                }
                assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL),
                                 ERR_NOT_FOUND);
                wal_reader_free(reader);
            }
        }
    }
    wal_close(wal);
    fixture_clear(&fixture);
}

/* shows: D8 */
static void plaintext_never_reaches_the_file(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct wal *wal = fixture_open(&fixture);
    fixture_put_c(wal, "a very recognisable sentence");
    wal_close(wal);
    char path[WAL_PATH_MAX];
    fixture_file_path(&fixture, 1, path);
    struct buf file;
    buf_init(&file, MIB);
    assert_int_equal(file_read(path, &file, NULL), ERR_OK);
    assert_int_equal(str_find(buf_str(&file), STR_OF("recognisable")), file.len);
    buf_clear(&file);
    fixture_clear(&fixture);
}

static void a_record_at_the_limit_is_taken_and_one_past_it_is_refused_untouched(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct wal *wal = fixture_open(&fixture);
    size_t max = WAL_RECORD_BYTES_MAX;
    char *bytes = xcalloc(1, max + 1);
    enum err err;
    assert_int_equal(fixture_put(wal, bytes, max, &err), 1);
    assert_int_equal(fixture_put(wal, bytes, max + 1, &err), 0);
    assert_int_equal(err, ERR_TOO_LARGE);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    str back;
    uint64_t sequence;
    struct wal_position position;
    assert_int_equal(wal_read(reader, &back, &sequence, &position, NULL), ERR_OK);
    assert_int_equal(back.len, max);
    assert_memory_equal(back.ptr, bytes, max);
    wal_reader_free(reader);
    xfree(bytes);
    wal_close(wal);
    fixture_clear(&fixture);
}

/* A sync that waits until it is let go, so that entries pile up behind it. */
static sem_t gate_reached, gate_open;
static int gated_sync(int fd)
{
    sem_post(&gate_reached);
    sem_wait(&gate_open);
    return sys_files_real.fdatasync(fd);
}

/* shows: C10 */
static void past_the_pending_limit_a_record_is_refused_as_busy_and_stays_plaintext(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct sys_files files = sys_files_real;
    files.fdatasync = gated_sync;
    sem_init(&gate_reached, 0, 0);
    sem_init(&gate_open, 0, 0);
    fixture.config.files = &files;
    fixture.config.pending_bytes_max = 2 * wal_record_size(4);
    struct wal *wal = fixture_open(&fixture);
    struct crypt_gcm *gcm = crypt_gcm_new();
    struct item *a = item_new("aaaa", 4), *b = item_new("bbbb", 4), *c = item_new("cccc", 4);
    assert_int_equal(wal_submit(wal, gcm, &a->entry), ERR_OK);
    sem_wait(&gate_reached);
    assert_int_equal(wal_submit(wal, gcm, &b->entry), ERR_OK);
    assert_int_equal(wal_submit(wal, gcm, &c->entry), ERR_BUSY);
    assert_memory_equal(c->bytes, "cccc", 4);
    struct wal_status status;
    wal_status(wal, &status);
    assert_int_equal(status.pending_bytes, 2 * wal_record_size(4));
    assert_int_equal(status.durable_sequence, 0);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    str bytes;
    uint64_t sequence;
    struct wal_position position;
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_NOT_FOUND);
    for (int i = 0; i < 3; i++)
        sem_post(&gate_open);
    item_wait(a);
    item_wait(b);
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
    assert_int_equal(wal_submit(wal, gcm, &c->entry), ERR_OK);
    item_wait(c);
    wal_reader_free(reader);
    item_free(a);
    item_free(b);
    item_free(c);
    crypt_gcm_free(gcm);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void a_full_segment_is_followed_by_a_new_one_and_release_unlinks_the_old(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.segment_bytes_max = WAL_SEGMENT_HEADER_BYTES + 3 * wal_record_size(4);
    struct wal *wal = fixture_open(&fixture);
    for (int i = 0; i < 7; i++)
        fixture_put_c(wal, "abcd");
    char path[WAL_PATH_MAX];
    assert_int_equal(fixture_file_path(&fixture, 1, path), fixture.config.segment_bytes_max);
    assert_int_equal(fixture_file_path(&fixture, 2, path), fixture.config.segment_bytes_max);
    assert_int_not_equal(fixture_file_path(&fixture, 3, path), 0);
    struct wal_reader *late = wal_reader_new(wal, 0);
    wal_release(wal, 2);
    assert_int_not_equal(fixture_file_path(&fixture, 1, path), 0);
    wal_release(wal, 3);
    assert_int_equal(fixture_file_path(&fixture, 1, path), 0);
    assert_int_not_equal(fixture_file_path(&fixture, 2, path), 0);
    struct wal_status status;
    wal_status(wal, &status);
    assert_int_equal(status.first_sequence, 4);
    assert_int_equal(status.segments, 2);
    str bytes;
    uint64_t sequence;
    struct wal_position position;
    assert_int_equal(wal_read(late, &bytes, &sequence, &position, NULL), ERR_OK);
    assert_int_equal(sequence, 4);
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(wal_read_at(late, (struct wal_position){ 1, 64 }, &out, NULL), ERR_NOT_FOUND);
    wal_release(wal, 7); /* the newest stays: it remembers the sequence */
    assert_int_not_equal(fixture_file_path(&fixture, 3, path), 0);
    wal_reader_free(late);
    wal_close(wal);
    wal = fixture_open(&fixture);
    assert_int_equal(fixture_put_c(wal, "next"), 8);
    wal_close(wal);
    fixture_clear(&fixture);
}

/* shows: C10 */
static void a_log_at_its_size_refuses_as_busy_until_something_is_released(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.segment_bytes_max = WAL_SEGMENT_HEADER_BYTES + 3 * wal_record_size(4);
    fixture.config.bytes_max = 1; /* four segments are the least */
    struct wal *wal = fixture_open(&fixture);
    struct crypt_gcm *gcm = crypt_gcm_new();
    for (int i = 0; i < 12; i++) {
        assert_true(wal_fill_percent(wal) < 100);
        fixture_put_c(wal, "abcd");
    }
    assert_int_equal(wal_fill_percent(wal), 100);
    struct item *item = item_new("more", 4);
    assert_int_equal(wal_submit(wal, gcm, &item->entry), ERR_BUSY);
    assert_memory_equal(item->bytes, "more", 4);
    wal_release(wal, 3);
    assert_int_equal(wal_fill_percent(wal), 75);
    assert_int_equal(wal_submit(wal, gcm, &item->entry), ERR_OK);
    item_wait(item);
    item_free(item);
    crypt_gcm_free(gcm);
    wal_close(wal);
    wal = fixture_open(&fixture); /* what is found at the start counts as well */
    assert_true(wal_fill_percent(wal) > 75);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void a_released_hour_lets_its_key_go_and_the_sequence_goes_on(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    clock_set_offset(-2 * WAL_HOUR_NS);
    int64_t then = wal_clock_hour();
    struct wal *wal = fixture_open(&fixture);
    fixture_put_c(wal, "old");
    fixture_put_c(wal, "older");
    assert_int_equal(wal_first_hour(wal), then);
    wal_close(wal);
    clock_set_offset(0);
    wal = fixture_open(&fixture);
    assert_int_equal(wal_first_hour(wal), then);
    wal_release(wal, 2);
    while (wal_first_hour(wal) == then) /* the writer leaves the old segment */
        clock_sleep_ns(NS_PER_MS);
    assert_true(wal_first_hour(wal) > then);
    fixture.gone_before_hour = wal_first_hour(wal);
    char path[WAL_PATH_MAX];
    assert_int_equal(fixture_file_path(&fixture, 1, path), 0);
    assert_int_equal(fixture_file_path(&fixture, 2, path), WAL_SEGMENT_HEADER_BYTES);
    wal_close(wal);
    wal = fixture_open(&fixture);
    assert_int_equal(fixture_put_c(wal, "new"), 3);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void without_its_hours_key_a_record_is_passed_over_with_the_reason(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    clock_set_offset(-2 * WAL_HOUR_NS);
    struct wal *wal = fixture_open(&fixture);
    fixture_put_c(wal, "old");
    wal_close(wal);
    clock_set_offset(0);
    fixture.gone_before_hour = wal_clock_hour();
    wal = fixture_open(&fixture);
    fixture_put_c(wal, "new");
    struct wal_reader *reader = wal_reader_new(wal, 0);
    str bytes;
    uint64_t sequence;
    struct wal_position position;
    struct diag why;
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, &why), ERR_KEY);
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, &why), ERR_OK);
    assert_true(str_equal_c(bytes, "new"));
    wal_reader_free(reader);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void waiting_ends_with_news_or_with_the_time(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct wal *wal = fixture_open(&fixture);
    assert_false(wal_wait(wal, 0, NS_PER_MS));
    fixture_put_c(wal, "x");
    assert_true(wal_wait(wal, 0, NS_PER_S));
    assert_false(wal_wait(wal, 1, NS_PER_MS));
    wal_close(wal);
    fixture_clear(&fixture);
}

static void two_openings_never_share_key_and_nonce(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    uint8_t sealed[2][8 + CRYPT_TAG_BYTES];
    for (uint32_t i = 0; i < 2; i++) {
        struct wal *wal = fixture_open(&fixture);
        fixture_put_c(wal, "the same");
        wal_close(wal);
        char path[WAL_PATH_MAX];
        fixture_file_path(&fixture, i + 1, path);
        struct buf file;
        buf_init(&file, MIB);
        assert_int_equal(file_read(path, &file, NULL), ERR_OK);
        memcpy(sealed[i], file.ptr + WAL_SEGMENT_HEADER_BYTES + WAL_RECORD_HEADER_BYTES,
               sizeof sealed[i]);
        buf_clear(&file);
    }
    assert_memory_not_equal(sealed[0], sealed[1], sizeof sealed[0]);
    fixture_clear(&fixture);
}

/* shows: X5 */
static void an_emptied_folder_does_not_hide_new_records_from_a_consumer(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.after_sequence = 500;
    struct wal *wal = fixture_open(&fixture);
    wal_release(wal, 500);
    assert_int_equal(fixture_put_c(wal, "new"), 501);
    struct wal_reader *reader = wal_reader_new(wal, 500);
    str bytes;
    uint64_t sequence;
    struct wal_position position;
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
    assert_int_equal(sequence, 501);
    wal_reader_free(reader);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void count_items(const struct wal_scan_item *item, void *arg)
{
    size_t *counts = arg;
    counts[0] += item->crc_ok;
    counts[1] += item->decrypted && str_equal_c(item->bytes, "scan me");
}

static void the_offline_scan_verifies_without_keys_and_shows_with_them(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct wal *wal = fixture_open(&fixture);
    fixture_put_c(wal, "scan me");
    fixture_put_c(wal, "scan me");
    wal_close(wal);
    size_t counts[2] = { 0 };
    assert_int_equal(wal_scan(&fixture.config, count_items, counts, NULL), ERR_OK);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 2);
    fixture.config.log_key = NULL;
    memset(counts, 0, sizeof counts);
    assert_int_equal(wal_scan(&fixture.config, count_items, counts, NULL), ERR_OK);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 0);
    fixture_clear(&fixture);
}

static void a_paced_log_answers_later_and_at_once_again_when_it_is_not(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct wal *wal = fixture_open(&fixture);
    fixture_put_c(wal, "first");
    wal_pace(wal, 60 * NS_PER_MS);
    fixture_put_c(wal, "second"); /* 60 ms after the first began */
    int64_t from_ns = clock_monotonic_ns();
    fixture_put_c(wal, "third");
    assert_true(clock_monotonic_ns() - from_ns > 30 * NS_PER_MS);
    wal_pace(wal, 0);
    struct wal_status before, after;
    wal_status(wal, &before);
    int64_t quick = INT64_MAX;
    for (int i = 0; i < 20; i++) {
        from_ns = clock_monotonic_ns();
        fixture_put_c(wal, "quick");
        quick = MIN(quick, clock_monotonic_ns() - from_ns);
    }
    wal_status(wal, &after);
    assert_int_equal(after.syncs - before.syncs, 20);
    assert_true(quick < 30 * NS_PER_MS);
    wal_close(wal);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_acknowledged_is_read_back_in_order_after_a_restart),
        cmocka_unit_test(a_reader_goes_on_behind_the_record_it_was_told_of),
        cmocka_unit_test(plaintext_never_reaches_the_file),
        cmocka_unit_test(a_record_at_the_limit_is_taken_and_one_past_it_is_refused_untouched),
        cmocka_unit_test(past_the_pending_limit_a_record_is_refused_as_busy_and_stays_plaintext),
        cmocka_unit_test(a_full_segment_is_followed_by_a_new_one_and_release_unlinks_the_old),
        cmocka_unit_test(a_log_at_its_size_refuses_as_busy_until_something_is_released),
        cmocka_unit_test(a_released_hour_lets_its_key_go_and_the_sequence_goes_on),
        cmocka_unit_test(without_its_hours_key_a_record_is_passed_over_with_the_reason),
        cmocka_unit_test(waiting_ends_with_news_or_with_the_time),
        cmocka_unit_test(two_openings_never_share_key_and_nonce),
        cmocka_unit_test(an_emptied_folder_does_not_hide_new_records_from_a_consumer),
        cmocka_unit_test(the_offline_scan_verifies_without_keys_and_shows_with_them),
        cmocka_unit_test(a_paced_log_answers_later_and_at_once_again_when_it_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
