/* test_ahead.c -- reading on: the same records as one by one, in any order, beside the writer.
 *
 * TEST_SEED repeats the orders.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wal_fixture.h"

enum { RECORDS = 400, SEGMENT_BYTES = 64 * 1024, TEXT_MAX = 6000 };

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void seed_set(void)
{
    const char *given = getenv("TEST_SEED");
    if (!given || !str_to_u64(str_from_c(given), &seed))
        crypt_random(&seed, sizeof seed);
    seed |= 1;
    print_message("# TEST_SEED=%llu\n", (unsigned long long)seed);
}

/* Record i is so long and full of that letter. */
static size_t text_len(int i)
{
    return 1 + (size_t)i * 7919 % TEXT_MAX;
}
static char text_letter(int i)
{
    return (char)('a' + i % 26);
}

static struct wal_position put(struct wal *wal, int i)
{
    static char text[TEXT_MAX];
    struct crypt_gcm *gcm = crypt_gcm_new();
    memset(text, text_letter(i), text_len(i));
    struct item *item = item_new(text, text_len(i));
    assert_int_equal(wal_submit(wal, gcm, &item->entry), ERR_OK);
    item_wait(item);
    assert_int_equal(item->entry.result, ERR_OK);
    struct wal_position position = item->entry.position;
    item_free(item);
    crypt_gcm_free(gcm);
    return position;
}

static struct wal *open_small(struct fixture *fixture)
{
    fixture_init(fixture);
    fixture->config.segment_bytes_max = SEGMENT_BYTES;
    return fixture_open(fixture);
}

static void check_record(struct wal_reader *reader, struct wal_position position, int i,
                         struct buf *out)
{
    struct diag why = DIAG_NONE;
    enum err err = wal_read_on(reader, position, out, &why);
    if (err)
        print_error("record %d: %s\n", i, why.text);
    assert_int_equal(err, ERR_OK);
    assert_int_equal(out->len, text_len(i));
    for (size_t at = 0; at < out->len; at++)
        assert_int_equal(out->ptr[at], text_letter(i));
}

static void records_come_whole_in_their_order_nearly_so_and_out_of_turn(void **state)
{
    (void)state;
    seed_set();
    struct fixture fixture;
    struct wal *wal = open_small(&fixture);
    struct wal_position positions[RECORDS];
    for (int i = 0; i < RECORDS; i++)
        positions[i] = put(wal, i);
    assert_true(positions[RECORDS - 1].segment > 10);
    struct buf out;
    buf_init(&out, MIB);
    for (int way = 0; way < 4; way++) {
        struct wal_reader *reader = wal_reader_new(wal, 0);
        for (int i = 0; i < RECORDS; i++) {
            int at = i;
            if (way == 1) /* neighbours change places, some are passed over, some come twice */
                at = i + (int)(next_random() % 8);
            if (way == 2)
                at = RECORDS - 1 - i;
            if (way == 3)
                at = (int)(next_random() % RECORDS);
            at = MIN(at, RECORDS - 1);
            check_record(reader, positions[at], at, &out);
        }
        wal_reader_free(reader);
    }
    buf_clear(&out);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void a_reader_keeps_up_with_the_writer_and_may_leave_at_any_time(void **state)
{
    (void)state;
    struct fixture fixture;
    struct wal *wal = open_small(&fixture);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    struct buf out;
    buf_init(&out, MIB);
    struct wal_position positions[RECORDS];
    for (int i = 0; i < RECORDS; i++) {
        positions[i] = put(wal, i);
        if (i % 3 == 2) {
            for (int k = i - 2; k <= i; k++)
                check_record(reader, positions[k], k, &out);
        }
        if (i % 50 == 49) {
            wal_reader_free(reader);
            reader = wal_reader_new(wal, 0);
        }
    }
    wal_reader_free(reader);
    buf_clear(&out);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void damage_is_told_to_who_asks_for_it_and_to_nobody_else(void **state)
{
    (void)state;
    struct fixture fixture;
    struct wal *wal = open_small(&fixture);
    struct wal_position positions[40];
    for (int i = 0; i < 40; i++)
        positions[i] = put(wal, i);
    char path[WAL_PATH_MAX];
    wal_segment_path(fixture.dir, positions[20].segment, path);
    int fd = open(path, O_RDWR);
    char byte;
    off_t at = (off_t)positions[20].offset + WAL_RECORD_HEADER_BYTES;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    struct buf out;
    buf_init(&out, MIB);
    for (int i = 0; i < 40; i++) {
        if (i != 20)
            check_record(reader, positions[i], i, &out);
        else
            assert_int_equal(wal_read_on(reader, positions[i], &out, NULL), ERR_CORRUPT);
    }
    wal_reader_free(reader);
    buf_clear(&out);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void what_is_released_is_not_found(void **state)
{
    (void)state;
    struct fixture fixture;
    struct wal *wal = open_small(&fixture);
    struct wal_position first = put(wal, 0);
    struct wal_position last = first;
    for (int i = 1; i < 100; i++)
        last = put(wal, i);
    struct wal_status status;
    wal_status(wal, &status);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    struct buf out;
    buf_init(&out, MIB);
    check_record(reader, first, 0, &out);
    wal_release(wal, status.durable_sequence);
    assert_int_equal(wal_read_on(reader, first, &out, NULL), ERR_NOT_FOUND);
    check_record(reader, last, 99, &out);
    wal_reader_free(reader);
    buf_clear(&out);
    wal_close(wal);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_whole_in_their_order_nearly_so_and_out_of_turn),
        cmocka_unit_test(a_reader_keeps_up_with_the_writer_and_may_leave_at_any_time),
        cmocka_unit_test(damage_is_told_to_who_asks_for_it_and_to_nobody_else),
        cmocka_unit_test(what_is_released_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
