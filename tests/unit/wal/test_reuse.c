/* test_reuse.c -- segments written over old ones: what stood there before is never seen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "wal_fixture.h"

/* Records whose first ends with the page: nothing stands between it and an old record. */
enum {
    LEN = WAL_PAGE_BYTES - WAL_SEGMENT_HEADER_BYTES - WAL_RECORD_HEADER_BYTES - CRYPT_TAG_BYTES,
    PER_SEGMENT = 3,
    SEGMENT_BYTES = WAL_SEGMENT_HEADER_BYTES + PER_SEGMENT * (WAL_PAGE_BYTES - 64),
};

static uint64_t put_letter(struct wal *wal, char letter)
{
    char text[LEN];
    enum err err;
    memset(text, letter, sizeof text);
    uint64_t sequence = fixture_put(wal, text, sizeof text, &err);
    assert_int_equal(err, ERR_OK);
    return sequence;
}

/* A log whose newest segment, number 3, stands in the file of number 1, with `count` records. */
static struct wal *open_reused(struct fixture *fixture, int count)
{
    fixture_init(fixture);
    fixture->config.segment_bytes_max = SEGMENT_BYTES;
    fixture->config.bytes_max = 100 * SEGMENT_BYTES;
    struct wal *wal = fixture_open(fixture);
    for (int i = 0; i < 2 * PER_SEGMENT; i++)
        put_letter(wal, 'o');
    wal_release(wal, PER_SEGMENT);
    for (int i = 0; i < count; i++)
        put_letter(wal, (char)('a' + i));
    return wal;
}

static void file_load(struct fixture *fixture, uint32_t number, struct buf *ret_file)
{
    char path[WAL_PATH_MAX];
    fixture_file_path(fixture, number, path);
    buf_init(ret_file, MIB);
    assert_int_equal(file_read(path, ret_file, NULL), ERR_OK);
}

static void file_store(struct fixture *fixture, uint32_t number, const struct buf *file)
{
    char path[WAL_PATH_MAX];
    fixture_file_path(fixture, number, path);
    file_write_test(path, file->ptr, file->len);
}

struct found {
    char letters[32];
    size_t count, corrupt;
    uint64_t torn, damaged;
};

static struct found read_all(struct fixture *fixture)
{
    struct found found = { .count = 0 };
    struct wal *wal = fixture_open(fixture);
    struct wal_reader *reader = wal_reader_new(wal, 0);
    for (;;) {
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        enum err err = wal_read(reader, &bytes, &sequence, &position, NULL);
        if (err == ERR_NOT_FOUND)
            break;
        if (err == ERR_CORRUPT) {
            found.corrupt++;
            continue;
        }
        assert_int_equal(err, ERR_OK);
        assert_int_equal(bytes.len, LEN);
        found.letters[found.count++] = bytes.ptr[0];
    }
    wal_reader_free(reader);
    struct wal_status status;
    wal_status(wal, &status);
    found.torn = status.torn_bytes_cut;
    found.damaged = status.damaged_places;
    wal_close(wal);
    return found;
}

static void check_found(struct fixture *fixture, const char *letters, size_t corrupt)
{
    struct found found = read_all(fixture);
    assert_string_equal(found.letters, letters);
    assert_int_equal(found.corrupt, corrupt);
    assert_int_equal(found.damaged, corrupt);
}

struct scanned {
    size_t records, damaged;
};

static void count_scanned(const struct wal_scan_item *item, void *arg)
{
    struct scanned *scanned = arg;
    scanned->records += item->crc_ok;
    scanned->damaged += !item->crc_ok;
}

static void check_scan(struct fixture *fixture, size_t records, size_t damaged)
{
    struct scanned scanned = { 0 };
    assert_int_equal(wal_scan(&fixture->config, count_scanned, &scanned, NULL), ERR_OK);
    assert_int_equal(scanned.records, records);
    assert_int_equal(scanned.damaged, damaged);
}

static size_t count_files(struct fixture *fixture, uint64_t *ret_segments)
{
    struct wal_numbers segments, spares;
    assert_int_equal(wal_segment_list(fixture->dir, &segments, &spares, NULL), ERR_OK);
    size_t count = spares.count;
    *ret_segments = segments.count;
    wal_numbers_clear(&segments);
    wal_numbers_clear(&spares);
    return count;
}

/* Waits for the keeper. */
static void await_files(struct fixture *fixture, size_t spares)
{
    uint64_t segments;
    while (count_files(fixture, &segments) != spares)
        clock_sleep_ns(NS_PER_MS);
}

static void a_released_file_is_the_next_segments_and_its_old_records_stay_unseen(void **state)
{
    (void)state;
    for (int count = 1; count <= PER_SEGMENT; count++) {
        struct fixture fixture;
        struct wal *wal = open_reused(&fixture, count);
        uint64_t segments;
        assert_int_equal(count_files(&fixture, &segments), 0); /* it is in use again */
        assert_int_equal(segments, 2);
        struct wal_reader *reader = wal_reader_new(wal, 2 * PER_SEGMENT);
        str bytes;
        uint64_t sequence;
        struct wal_position position;
        for (int i = 0; i < count; i++) {
            assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
            assert_int_equal(bytes.ptr[0], 'a' + i);
            assert_int_equal(position.segment, 3);
        }
        assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_NOT_FOUND);
        position.offset += (uint32_t)wal_record_size(LEN); /* where an old one may stand */
        struct buf out;
        buf_init(&out, MIB);
        assert_int_equal(wal_read_at(reader, position, &out, NULL), ERR_NOT_FOUND);
        buf_clear(&out);
        wal_reader_free(reader);
        check_scan(&fixture, PER_SEGMENT + (size_t)count, 0); /* beside the live log, too */
        wal_close(wal);
        check_scan(&fixture, PER_SEGMENT + (size_t)count, 0);
        char letters[16];
        snprintf(letters, sizeof letters, "ooo%.*s", count, "abc");
        check_found(&fixture, letters, 0);
        check_found(&fixture, letters, 0);
        fixture_clear(&fixture);
    }
}

/* shows: X5 */
static void a_flipped_bit_over_old_records_costs_at_most_its_record(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf file;
    wal_close(open_reused(&fixture, 2));
    file_load(&fixture, 3, &file);
    struct sys_files files = hasty_files();
    fixture.config.files = &files;
    size_t first = WAL_SEGMENT_HEADER_BYTES, second = first + wal_record_size(LEN);
    size_t end = second + wal_record_size(LEN);
    assert_int_equal(second, WAL_PAGE_BYTES);
    for (size_t at = WAL_SEGMENT_HEADER_BYTES; at < file.len; at += at % 512 < 128 ? 3 : 97) {
        file.ptr[at] = (char)(file.ptr[at] ^ 4);
        file_store(&fixture, 3, &file);
        file.ptr[at] = (char)(file.ptr[at] ^ 4);
        struct found found = read_all(&fixture);
        if (at < second) { /* the second record proves that the first was durable */
            assert_string_equal(found.letters, "ooob");
            assert_int_equal(found.damaged, 1);
        } else if (at < end) { /* the last group looks torn, nothing behind it says otherwise */
            assert_string_equal(found.letters, "oooa");
            assert_int_equal(found.damaged, 0);
            /* Without its header nothing shows that it began, on the edge of a page. */
            assert_int_equal(found.torn > 0, at >= second + WAL_RECORD_HEADER_BYTES);
        } else {
            assert_string_equal(found.letters, "oooab");
            assert_int_equal(found.damaged, 0);
            assert_true(found.torn <= WAL_PAGE_BYTES);
        }
    }
    buf_clear(&file);
    fixture_clear(&fixture);
}

/* shows: X5 */
static void a_group_torn_over_old_records_is_cut_page_by_page(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf old, new;
    struct wal *wal = open_reused(&fixture, 1);
    file_load(&fixture, 3, &old);
    put_letter(wal, 'b');
    put_letter(wal, 'c');
    wal_close(wal);
    file_load(&fixture, 3, &new);
    assert_int_equal(old.len, new.len);
    struct sys_files files = hasty_files();
    fixture.config.files = &files;
    size_t sectors = (new.len + 511) / 512;
    for (size_t lost = WAL_PAGE_BYTES / 512; lost < sectors; lost++) { /* one sector did not come */
        struct buf torn;
        buf_init(&torn, MIB);
        buf_add(&torn, new.ptr, new.len);
        memcpy(torn.ptr + lost * 512, old.ptr + lost * 512, MIN((size_t)512, new.len - lost * 512));
        file_store(&fixture, 3, &torn);
        size_t third = WAL_PAGE_BYTES + wal_record_size(LEN);
        struct found found = read_all(&fixture);
        if (lost == third / 512) /* in it ends the second, and the third begins */
            assert_string_equal(found.letters, "oooa");
        else if (lost * 512 > third)
            assert_string_equal(found.letters, "oooab");
        else /* the third says that the second was durable */
            assert_string_equal(found.letters, "oooac");
        buf_clear(&torn);
    }
    buf_clear(&old);
    buf_clear(&new);
    fixture_clear(&fixture);
}

static int open_but_not_the_second(const char *path, int flags, int mode)
{
    if (strstr(path, "wal-00000002.log")) {
        errno = ENOENT;
        return -1;
    }
    return sys_files_real.open(path, flags, mode);
}

static void note_released(const struct wal_scan_item *item, void *arg)
{
    uint64_t *sequence = arg;
    if (item->follows_released)
        *sequence = *sequence * 100 + item->sequence;
}

static void a_segment_released_while_the_scan_looks_is_no_gap(void **state)
{
    (void)state;
    struct fixture fixture;
    wal_close(open_reused(&fixture, 2));
    struct sys_files files = sys_files_real;
    files.open = open_but_not_the_second;
    fixture.config.files = &files;
    uint64_t sequence = 0;
    assert_int_equal(wal_scan(&fixture.config, note_released, &sequence, NULL), ERR_OK);
    assert_int_equal(sequence, 2 * PER_SEGMENT + 1); /* the first behind it, and that alone */
    fixture_clear(&fixture);
}

static void a_file_whose_new_header_did_not_arrive_is_no_segment(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf file, old;
    struct wal *wal = open_reused(&fixture, 0);
    struct wal_numbers segments, spares;
    assert_int_equal(wal_segment_list(fixture.dir, &segments, &spares, NULL), ERR_OK);
    assert_int_equal(spares.count, 1);
    char path[WAL_PATH_MAX];
    wal_spare_path(fixture.dir, spares.items[0], path);
    buf_init(&old, MIB);
    assert_int_equal(file_read(path, &old, NULL), ERR_OK);
    wal_numbers_clear(&segments);
    wal_numbers_clear(&spares);
    put_letter(wal, 'a');
    wal_close(wal);
    file_load(&fixture, 3, &file);
    memcpy(file.ptr, old.ptr, WAL_SEGMENT_HEADER_BYTES);
    file_store(&fixture, 3, &file);
    check_scan(&fixture, PER_SEGMENT, 0);
    check_found(&fixture, "ooo", 0);
    assert_int_equal(fixture_file_path(&fixture, 3, path), 0);
    file_store(&fixture, 3, &old); /* renamed, nothing written yet */
    check_found(&fixture, "ooo", 0);
    buf_clear(&file);
    buf_clear(&old);
    fixture_clear(&fixture);
}

static void a_lost_header_in_front_of_records_that_were_durable_is_damage(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf file;
    wal_close(open_reused(&fixture, 2));
    file_load(&fixture, 3, &file);
    memset(file.ptr, 0, WAL_SEGMENT_HEADER_BYTES);
    file_store(&fixture, 3, &file);
    check_scan(&fixture, PER_SEGMENT + 2, 1);
    struct found found = read_all(&fixture);
    assert_string_equal(found.letters, "ooo"); /* without the salt nothing is decrypted */
    assert_int_equal(found.corrupt, 2);
    assert_int_equal(found.damaged, 1);
    buf_clear(&file);
    fixture_clear(&fixture);
}

static void
damage_to_the_last_record_of_a_segment_is_seen_when_a_next_one_knows_its_end(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buf file;
    struct wal *wal = open_reused(&fixture, PER_SEGMENT);
    put_letter(wal, 'd');
    wal_close(wal);
    check_scan(&fixture, 2 * PER_SEGMENT + 1, 0);
    file_load(&fixture, 3, &file);
    file.ptr[file.len - 20] ^= 1;
    file_store(&fixture, 3, &file);
    check_scan(&fixture, 2 * PER_SEGMENT, 1);
    check_found(&fixture, "oooabd", 1);
    file.len -= wal_record_size(LEN); /* as if it had never been there */
    file_store(&fixture, 3, &file);
    check_scan(&fixture, 2 * PER_SEGMENT, 1);
    struct found found = read_all(&fixture);
    assert_string_equal(found.letters, "oooabd");
    assert_int_equal(found.damaged, 1);
    buf_clear(&file);
    fixture_clear(&fixture);
}

static void a_spare_alone_keeps_its_number_and_records_from_coming_back(void **state)
{
    (void)state;
    struct fixture fixture;
    struct wal *wal = open_reused(&fixture, 0);
    wal_close(wal);
    char path[WAL_PATH_MAX];
    fixture_file_path(&fixture, 2, path);
    assert_int_equal(unlink(path), 0); /* somebody deletes all but the spare, whose number is 1 */
    for (int again = 0; again < 3; again++) {
        wal = fixture_open(&fixture);
        put_letter(wal, 'n');
        wal_close(wal);
        fixture_file_path(&fixture, 1, path);
        assert_false(file_exists(path));
        struct found found = read_all(&fixture);
        assert_string_equal(found.letters, again == 0 ? "n" : again == 1 ? "nn" : "nnn");
        assert_int_equal(found.corrupt, 0);
    }
    fixture_clear(&fixture);
}

/* What version 1 wrote: records do not say their segment, nor headers where the last one ended. */
static void make_version_1(struct fixture *fixture, uint32_t number, size_t records)
{
    struct buf file;
    file_load(fixture, number, &file);
    struct wal_segment_header segment;
    memcpy(&segment, file.ptr, sizeof segment);
    segment.previous_end = 0;
    segment.version = 1;
    segment.crc = hash_crc32c(0, &segment, offsetof(struct wal_segment_header, crc));
    memcpy(file.ptr, &segment, sizeof segment);
    for (size_t i = 0; i < records; i++) {
        struct wal_record_header header;
        char *at = file.ptr + sizeof segment + i * wal_record_size(LEN);
        memcpy(&header, at, sizeof header);
        header.segment = 0;
        header.crc = hash_crc32c(0, &header, offsetof(struct wal_record_header, crc));
        memcpy(at, &header, sizeof header);
    }
    file_store(fixture, number, &file);
    buf_clear(&file);
}

static void a_log_of_version_1_is_read_and_its_files_are_not_used_again(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.segment_bytes_max = SEGMENT_BYTES;
    fixture.config.bytes_max = 100 * SEGMENT_BYTES;
    struct wal *wal = fixture_open(&fixture);
    for (int i = 0; i < 2 * PER_SEGMENT; i++)
        put_letter(wal, 'o');
    wal_close(wal);
    make_version_1(&fixture, 1, PER_SEGMENT);
    make_version_1(&fixture, 2, PER_SEGMENT);
    check_scan(&fixture, 2 * PER_SEGMENT, 0);
    check_found(&fixture, "oooooo", 0);
    wal = fixture_open(&fixture);
    put_letter(wal, 'n');
    wal_release(wal, 2 * PER_SEGMENT);
    await_files(&fixture, 0);
    wal_close(wal);
    check_found(&fixture, "n", 0);
    fixture_clear(&fixture);
}

static void
a_reader_left_behind_in_a_file_that_is_used_again_goes_on_with_what_is_there(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.segment_bytes_max = SEGMENT_BYTES;
    fixture.config.bytes_max = 100 * SEGMENT_BYTES;
    struct wal *wal = fixture_open(&fixture);
    for (int i = 0; i < 2 * PER_SEGMENT; i++)
        put_letter(wal, 'o');
    struct wal_reader *reader = wal_reader_new(wal, 0);
    str bytes;
    uint64_t sequence;
    struct wal_position position, first;
    assert_int_equal(wal_read(reader, &bytes, &sequence, &first, NULL), ERR_OK);
    struct buf out;
    buf_init(&out, MIB);
    assert_int_equal(wal_read_at(reader, first, &out, NULL), ERR_OK);
    wal_release(wal, PER_SEGMENT);
    for (int i = 0; i < PER_SEGMENT; i++)
        put_letter(wal, 'n'); /* over what the reader has open */
    assert_int_equal(wal_read_at(reader, first, &out, NULL), ERR_NOT_FOUND);
    for (uint64_t next = PER_SEGMENT + 1; next <= 3 * PER_SEGMENT; next++) {
        assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_OK);
        assert_int_equal(sequence, next);
        assert_int_equal(bytes.ptr[0], next > 2 * PER_SEGMENT ? 'n' : 'o');
    }
    assert_int_equal(wal_read(reader, &bytes, &sequence, &position, NULL), ERR_NOT_FOUND);
    wal_reader_free(reader);
    buf_clear(&out);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void spares_hold_a_part_of_the_log_size_and_the_rest_is_unlinked(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.segment_bytes_max = SEGMENT_BYTES;
    fixture.config.bytes_max = 3 * WAL_SPARE_SHARE * SEGMENT_BYTES; /* three spares */
    struct wal *wal = fixture_open(&fixture);
    for (int i = 0; i < 6 * PER_SEGMENT; i++)
        put_letter(wal, 'o');
    wal_release(wal, 6 * PER_SEGMENT);
    await_files(&fixture, 3);
    struct wal_status status;
    wal_status(wal, &status);
    assert_int_equal(status.segments, 1);
    assert_int_equal(status.spare_bytes, 3 * SEGMENT_BYTES);
    for (int i = 0; i < 4 * PER_SEGMENT; i++)
        put_letter(wal, 'n');
    uint64_t segments;
    assert_int_equal(count_files(&fixture, &segments), 0);
    assert_int_equal(segments, 5);
    wal_status(wal, &status);
    assert_int_equal(status.spare_bytes, 0);
    wal_close(wal);
    fixture_clear(&fixture);
}

static void spares_go_when_the_disk_is_short(void **state)
{
    (void)state;
    struct fixture fixture;
    wal_close(open_reused(&fixture, 0));
    uint64_t segments;
    assert_int_equal(count_files(&fixture, &segments), 1);
    fixture.config.disk_free_bytes_min = SIZE_MAX;
    struct wal *wal = fixture_open(&fixture);
    enum err err;
    assert_int_equal(fixture_put(wal, "x", 1, &err), 0);
    assert_int_equal(err, ERR_DISK_FULL);
    assert_int_equal(count_files(&fixture, &segments), 0);
    wal_close(wal);
    fixture_clear(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_released_file_is_the_next_segments_and_its_old_records_stay_unseen),
        cmocka_unit_test(a_flipped_bit_over_old_records_costs_at_most_its_record),
        cmocka_unit_test(a_group_torn_over_old_records_is_cut_page_by_page),
        cmocka_unit_test(a_segment_released_while_the_scan_looks_is_no_gap),
        cmocka_unit_test(a_file_whose_new_header_did_not_arrive_is_no_segment),
        cmocka_unit_test(a_lost_header_in_front_of_records_that_were_durable_is_damage),
        cmocka_unit_test(
            damage_to_the_last_record_of_a_segment_is_seen_when_a_next_one_knows_its_end),
        cmocka_unit_test(a_spare_alone_keeps_its_number_and_records_from_coming_back),
        cmocka_unit_test(a_log_of_version_1_is_read_and_its_files_are_not_used_again),
        cmocka_unit_test(
            a_reader_left_behind_in_a_file_that_is_used_again_goes_on_with_what_is_there),
        cmocka_unit_test(spares_hold_a_part_of_the_log_size_and_the_rest_is_unlinked),
        cmocka_unit_test(spares_go_when_the_disk_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
