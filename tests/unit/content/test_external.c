/* test_external.c -- segments in an external store: sent, read back, expired; what is refused.
 *
 * The store is a folder (file://), which a test can look into and damage; the same with S3 and
 * its signatures is tests/e2e/test_36_external_content.py.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "content/keeper_int.h"
#include "content/objects_int.h"
#include "sys/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_S = 10 };

struct place {
    char root[64], dir[80], far[80], away[96], url[96];
    struct content_config config;
    struct content_store *store;
    uint64_t gone_key;
    struct arena arena;
};

static enum err key_by_id(void *arg, uint64_t key_id, struct crypt_key *ret_key)
{
    const struct place *place = arg;
    if (key_id == place->gone_key)
        return ERR_NOT_FOUND;
    memset(ret_key, (int)key_id + 1, sizeof *ret_key);
    return ERR_OK;
}

static void place_open(struct place *place)
{
    struct diag why = DIAG_NONE;
    enum err err = content_open(&place->config, &place->store, &why);
    if (err)
        print_error("%s\n", why.text);
    assert_int_equal(err, ERR_OK);
}

static void place_init(struct place *place)
{
    *place = (struct place){ .root = "/tmp/content-external-XXXXXX" };
    assert_non_null(mkdtemp(place->root));
    snprintf(place->dir, sizeof place->dir, "%s/here", place->root);
    snprintf(place->far, sizeof place->far, "%s/far", place->root);
    snprintf(place->away, sizeof place->away, "%s/away", place->root);
    snprintf(place->url, sizeof place->url, "file://%s", place->far);
    assert_int_equal(mkdir(place->far, 0700), 0);
    place->config = (struct content_config){
        .dir = place->dir,
        .files = &sys_files_real,
        .key_by_id = key_by_id,
        .key_arg = place,
        .external = { .objects = { .url = place->url, .timeout_ns = NS_PER_S },
                      .cache_bytes = MIB,
                      .keep_local_bytes = UINT64_MAX },
    };
    arena_init(&place->arena, 256 * MIB);
    place_open(place);
}

static void place_reopen(struct place *place)
{
    content_close(place->store);
    place_open(place);
}

static void unlink_each(const char *name, void *arg)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    unlink(path);
}

static void place_clear(struct place *place)
{
    content_close(place->store);
    assert_int_equal(dir_list(place->dir, unlink_each, place->dir, NULL), ERR_OK);
    assert_int_equal(dir_list(place->far, unlink_each, place->far, NULL), ERR_OK);
    rmdir(place->dir);
    rmdir(place->far);
    rmdir(place->root);
    arena_clear(&place->arena);
}

/* One trace with one item; sealed at once, as external.after_ns is 0. */
static struct content_pointer say(struct place *place, const char *trace, const char *text)
{
    struct id16 id = { { 0 } };
    struct content_item item = { { "span-01" }, CONTENT_INPUT, str_from_c(text) };
    struct crypt_key key;
    struct content_pointer main, preview;
    memcpy(id.bytes, trace, MIN(strlen(trace), sizeof id.bytes));
    assert_int_equal(key_by_id(place, 1, &key), ERR_OK);
    assert_int_equal(content_append(place->store, id, &key, 1, &item, 1, &main, &preview, NULL),
                     ERR_OK);
    assert_int_equal(content_sync(place->store, NULL), ERR_OK);
    return main;
}

static enum err get(struct place *place, struct content_reader *reader,
                    struct content_pointer pointer, str *ret_text, struct diag *why)
{
    struct content_item *items;
    size_t count;
    arena_reset(&place->arena);
    enum err err = content_read(reader, pointer, &place->arena, &items, &count, why);
    if (!err)
        *ret_text = items[0].json;
    return err;
}

static enum err get_once(struct place *place, struct content_pointer pointer, str *ret_text)
{
    struct content_reader *reader = content_reader_new(place->store);
    enum err err = get(place, reader, pointer, ret_text, NULL);
    content_reader_free(reader);
    return err;
}

static void expect(struct place *place, struct content_pointer pointer, const char *text)
{
    str got = STR_NONE;
    assert_int_equal(get_once(place, pointer, &got), ERR_OK);
    assert_true(str_equal_c(got, text));
}

static void status_of(struct place *place, struct content_external_status *ret)
{
    struct content_status status;
    content_status(place->store, &status);
    *ret = status.external;
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        struct content_external_status now;                                                        \
        int64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;                               \
        for (status_of(place, &now); !(condition); status_of(place, &now)) {                       \
            if (clock_monotonic_ns() > until_ns)                                                   \
                fail_msg("waited in vain for " #condition);                                        \
            clock_sleep_ns(NS_PER_MS);                                                             \
        }                                                                                          \
    } while (0)

static void count_segment(const char *name, void *arg)
{
    size_t *count = arg;
    *count += str_ends(str_from_c(name), STR_OF(".seg"));
}

static size_t segments_here(const struct place *place)
{
    size_t count = 0;
    assert_int_equal(dir_list(place->dir, count_segment, &count, NULL), ERR_OK);
    return count;
}

static void wait_gone_up(struct place *place, uint64_t segments)
{
    WAIT_FOR(now.segments == segments && segments_here(place) == 0);
}

static void count_each(const char *name, void *arg)
{
    size_t *count = arg;
    *count += !str_equal_c(str_from_c(name), "README.txt");
}

static size_t objects_in(const struct place *place)
{
    size_t count = 0;
    assert_int_equal(dir_list(place->far, count_each, &count, NULL), ERR_OK);
    return count;
}

/* The path of the object that a pointer is in. */
static void object_of(struct place *place, struct content_pointer pointer, bool index,
                      char ret_path[512])
{
    struct content_location found;
    content_locate(place->store, pointer, &found);
    assert_true(found.is_external);
    snprintf(ret_path, 512, "%s/%s", place->far, index ? found.index : found.object);
}

static void flip(const char *path, int64_t offset)
{
    char byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

/* shows: R15 */
static void what_was_sent_leaves_here_and_is_read_back(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer first = say(place, "trace-a", "\"one\"");
    struct content_pointer second = say(place, "trace-b", "\"two\"");
    wait_gone_up(place, 2);
    char path[CONTENT_PATH_MAX];
    content_path(place->dir, first.segment, path);
    assert_false(file_exists(path));
    assert_int_equal(objects_in(place), 4);
    expect(place, first, "\"one\"");
    expect(place, second, "\"two\"");
    place_reopen(place);
    expect(place, first, "\"one\"");
    struct content_pointer third = say(place, "trace-c", "\"three\"");
    assert_true(third.segment > second.segment);
    wait_gone_up(place, 3);
    expect(place, third, "\"three\"");
    struct content_status status;
    content_status(place->store, &status);
    assert_int_equal(status.segments, 3);
    assert_int_equal(status.frames, 3);
    place_clear(place);
}

static void the_index_object_finds_a_frame_by_its_trace_id(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    char path[512], line[128], hex[33];
    struct buf text;
    buf_init(&text, KIB);
    object_of(place, pointer, true, path);
    assert_int_equal(file_read(path, &text, NULL), ERR_OK);
    hex_encode("trace-a\0\0\0\0\0\0\0\0", 16, hex);
    snprintf(line, sizeof line, "%s %010u %010u\n", hex, pointer.offset, pointer.len);
    assert_true(str_equal_c(buf_str(&text), line));
    assert_int_equal(text.len, INDEX_LINE_BYTES);
    buf_clear(&text);
    place_clear(place);
}

static void a_frame_that_was_fetched_is_not_fetched_again_while_it_fits(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    for (int fits = 0; fits < 2; fits++) {
        struct content_external_status before, after;
        content_close(place->store);
        place->config.external.cache_bytes = pointer.len - !fits;
        place_open(place);
        struct content_reader *reader = content_reader_new(place->store);
        str text;
        status_of(place, &before);
        assert_int_equal(get(place, reader, pointer, &text, NULL), ERR_OK);
        assert_int_equal(get(place, reader, pointer, &text, NULL), ERR_OK);
        status_of(place, &after);
        assert_int_equal(after.reads - before.reads, fits ? 1 : 2);
        assert_int_equal(after.cache_hits - before.cache_hits, fits ? 1 : 0);
        content_reader_free(reader);
    }
    place_clear(place);
}

static void a_store_that_is_away_holds_nothing_up_and_gets_all_of_it_later(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer sent = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    assert_int_equal(rename(place->far, place->away), 0);
    struct content_pointer waits = say(place, "trace-b", "\"two\"");
    WAIT_FOR(now.waiting_segments == 1 && now.failures > 0 && !now.is_up);
    struct content_reader *reader = content_reader_new(place->store);
    struct diag why = DIAG_NONE;
    str text;
    assert_int_equal(get(place, reader, sent, &text, &why), ERR_UNAVAILABLE);
    assert_non_null(strstr(why.text, "external store"));
    content_reader_free(reader);
    expect(place, waits, "\"two\"");
    assert_int_equal(rename(place->away, place->far), 0);
    WAIT_FOR(now.segments == 2 && now.waiting_segments == 0 && now.is_up);
    expect(place, sent, "\"one\"");
    place_clear(place);
}

static void damage_is_told_and_others_are_readable(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer good = say(place, "trace-a", "\"one\""),
                           cut = say(place, "trace-b", "\"two\""),
                           flipped = say(place, "trace-c", "\"three\""),
                           lost = say(place, "trace-d", "\"four\"");
    wait_gone_up(place, 4);
    char path[512];
    str text;
    object_of(place, cut, false, path);
    assert_int_equal(truncate(path, cut.offset + cut.len - 1), 0);
    assert_int_equal(get_once(place, cut, &text), ERR_CORRUPT);
    object_of(place, lost, false, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(get_once(place, lost, &text), ERR_NOT_FOUND);
    object_of(place, flipped, false, path);
    flip(path, flipped.offset + CONTENT_FRAME_HEADER_BYTES);
    assert_int_equal(get_once(place, flipped, &text), ERR_CORRUPT);
    expect(place, good, "\"one\"");
    place_clear(place);
}

/* Somebody who can write to the store can make the checksums right; the tag he cannot. */
static void a_change_with_right_checksums_does_not_decrypt(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    char path[512], bytes[1024];
    str text;
    object_of(place, pointer, false, path);
    flip(path, pointer.offset + CONTENT_FRAME_HEADER_BYTES);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, bytes, pointer.len, pointer.offset), pointer.len);
    struct content_frame frame;
    memcpy(&frame, bytes, sizeof frame);
    frame.payload_crc = hash_crc32c(0, bytes + sizeof frame, frame.stored_len);
    frame.crc = hash_crc32c(0, &frame, offsetof(struct content_frame, crc));
    assert_int_equal(pwrite(fd, &frame, sizeof frame, pointer.offset), sizeof frame);
    close(fd);
    assert_int_equal(get_once(place, pointer, &text), ERR_CORRUPT);
    place_clear(place);
}

static void a_destroyed_key_makes_what_was_sent_and_fetched_unreadable(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    struct content_reader *reader = content_reader_new(place->store);
    str text;
    assert_int_equal(get(place, reader, pointer, &text, NULL), ERR_OK);
    place->gone_key = 1;
    assert_int_equal(get(place, reader, pointer, &text, NULL), ERR_NOT_FOUND);
    content_reader_free(reader);
    place_clear(place);
}

static void expiry_deletes_the_objects_and_what_was_fetched(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    struct content_reader *reader = content_reader_new(place->store);
    str text;
    uint64_t segments;
    assert_int_equal(get(place, reader, pointer, &text, NULL), ERR_OK);
    assert_int_equal(content_expire(place->store, false, 0, &segments, NULL), ERR_OK);
    assert_int_equal(segments, 0);
    assert_int_equal(content_expire(place->store, false, INT64_MAX, &segments, NULL), ERR_OK);
    assert_int_equal(segments, 1);
    assert_int_equal(get(place, reader, pointer, &text, NULL), ERR_NOT_FOUND);
    WAIT_FOR(now.deleted_objects == 2);
    assert_int_equal(objects_in(place), 0);
    content_reader_free(reader);
    place_reopen(place);
    struct content_pointer later = say(place, "trace-b", "\"two\"");
    assert_true(later.segment > 0);
    struct content_status status;
    content_status(place->store, &status);
    assert_int_equal(status.frames, 1);
    place_clear(place);
}

static void objects_of_what_expired_while_the_store_was_away_are_deleted_later(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    str text;
    uint64_t segments;
    assert_int_equal(rename(place->far, place->away), 0);
    assert_int_equal(content_expire(place->store, false, INT64_MAX, &segments, NULL), ERR_OK);
    assert_int_equal(get_once(place, pointer, &text), ERR_NOT_FOUND);
    place_reopen(place);
    struct content_pointer next = say(place, "trace-b", "\"two\"");
    assert_true(next.segment > pointer.segment); /* a name is never used twice */
    assert_int_equal(rename(place->away, place->far), 0);
    WAIT_FOR(now.deleted_objects == 2 && now.segments == 1);
    assert_int_equal(objects_in(place), 2);
    place_clear(place);
}

static void a_copy_stays_here_until_its_time_or_the_size_is_over(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    content_close(place->store);
    place->config.external.keep_local_ns = 3600 * NS_PER_S;
    place_open(place);
    struct content_pointer first = say(place, "trace-a", "\"one\"");
    WAIT_FOR(now.sent_segments == 1);
    struct content_location found;
    content_locate(place->store, first, &found);
    assert_true(found.is_here && found.is_external);
    char path[CONTENT_PATH_MAX];
    content_path(place->dir, first.segment, path);
    uint64_t bytes = (uint64_t)file_size(path);
    content_close(place->store);
    place->config.external.keep_local_bytes = bytes;
    place_open(place);
    WAIT_FOR(now.is_up);
    assert_true(file_exists(path)); /* at the limit */
    content_close(place->store);
    place->config.external.keep_local_bytes = bytes - 1;
    place_open(place);
    WAIT_FOR(now.local_removed == 1);
    assert_false(file_exists(path));
    expect(place, first, "\"one\"");
    place_clear(place);
}

static void a_disk_that_is_nearly_full_gets_rid_of_copies_at_once(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    content_close(place->store);
    place->config.external.keep_local_ns = 3600 * NS_PER_S;
    place->config.disk_free_bytes_min = UINT64_MAX / 2;
    place_open(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    expect(place, pointer, "\"one\"");
    place_clear(place);
}

static void what_is_there_but_not_configured_any_more_is_unavailable_not_expired(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    str text;
    content_close(place->store);
    place->config.external.objects.url = NULL;
    place_open(place);
    assert_int_equal(get_once(place, pointer, &text), ERR_UNAVAILABLE);
    place_clear(place);
}

static void any_flipped_byte_of_a_sent_file_is_noticed(void **state)
{
    (void)state;
    struct place here, *place = &here;
    place_init(place);
    struct content_pointer pointer = say(place, "trace-a", "\"one\"");
    wait_gone_up(place, 1);
    struct content_sent sent;
    assert_true(content_sent_read(place->dir, pointer.segment, SENT_FILE, &sent));
    for (size_t i = 0; i < sizeof sent; i++) {
        ((char *)&sent)[i] ^= 1;
        assert_false(content_sent_ok(&sent));
        ((char *)&sent)[i] ^= 1;
    }
    assert_true(content_sent_ok(&sent));
    place_clear(place);
}

static void configurations_that_cannot_work_are_refused_with_what_would(void **state)
{
    (void)state;
    static const struct {
        const char *url, *endpoint;
        bool is_good;
    } rows[] = {
        { "s3://prompts/a/b", NULL, true },
        { "s3://prompts", "https://store.example:9000", true },
        { "s3://abc/", "http://[::1]:9000/", true },
        { "s3://ab", NULL, false },
        { "s3://prompts/a//b", NULL, false },
        { "s3://prompts/a b", NULL, false },
        { "s3://prompts/a?x", NULL, false },
        { "s3://user@prompts/a", NULL, false },
        { "s3://prompts/a", "store.example", false },
        { "s3://prompts/a", "https://", false },
        { "s3://prompts/a", "https://me:word@store", false },
        { "file:///mnt/share", NULL, true },
        { "file://share", NULL, false },
        { "gs://prompts/a", NULL, false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct objects_config config = { .url = rows[i].url, .endpoint = rows[i].endpoint };
        struct objects *objects = NULL;
        struct diag why = DIAG_NONE;
        enum err err = objects_open(&config, &objects, &why);
        if (err != (rows[i].is_good ? ERR_OK : ERR_BAD_INPUT))
            fail_msg("%s at %s: %s", rows[i].url, rows[i].endpoint, why.text);
        objects_close(objects);
    }
}

static void credentials_are_those_of_the_default_profile(void **state)
{
    (void)state;
    struct s3_credentials got;
    assert_int_equal(s3_credentials_parse(STR_OF("# keys\n[other]\naws_access_key_id = no\n"
                                                 "[default]\r\n aws_access_key_id = test-key\r\n"
                                                 "aws_secret_access_key=a/b+c=\n"
                                                 "aws_session_token = t\n"),
                                          &got, NULL),
                     ERR_OK);
    assert_string_equal(got.key_id, "test-key");
    assert_string_equal(got.secret, "a/b+c=");
    assert_string_equal(got.token, "t");
    struct diag why = DIAG_NONE;
    assert_int_equal(s3_credentials_parse(STR_OF("aws_access_key_id = test-key\n"), &got, &why),
                     ERR_UNAVAILABLE);
    assert_null(strstr(why.text, "test-key"));
    char text[320] = "aws_access_key_id = k\naws_secret_access_key = ";
    size_t start = strlen(text);
    memset(text + start, 'x', 255); /* the longest that is taken, and one more */
    assert_int_equal(s3_credentials_parse(str_make(text, start + 255), &got, NULL), ERR_OK);
    text[start + 255] = 'x';
    assert_int_equal(s3_credentials_parse(str_make(text, start + 256), &got, NULL),
                     ERR_UNAVAILABLE);
}

static void the_code_of_a_refusal_is_read_and_nothing_else_taken_for_one(void **state)
{
    (void)state;
    str code = s3_error_code(STR_OF("<Error><Code>AccessDenied</Code><Message>no</Message>"));
    assert_true(str_equal_c(code, "AccessDenied"));
    static const char *const not_codes[] = { "",
                                             "<Code>",
                                             "<Code></Code>",
                                             "<html>no</html>",
                                             "<Code>with space</Code>",
                                             "<Code>a\nb</Code>" };
    for (size_t i = 0; i < COUNT_OF(not_codes); i++)
        assert_true(str_is_none(s3_error_code(str_from_c(not_codes[i]))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_leaves_here_and_is_read_back),
        cmocka_unit_test(the_index_object_finds_a_frame_by_its_trace_id),
        cmocka_unit_test(a_frame_that_was_fetched_is_not_fetched_again_while_it_fits),
        cmocka_unit_test(a_store_that_is_away_holds_nothing_up_and_gets_all_of_it_later),
        cmocka_unit_test(damage_is_told_and_others_are_readable),
        cmocka_unit_test(a_change_with_right_checksums_does_not_decrypt),
        cmocka_unit_test(a_destroyed_key_makes_what_was_sent_and_fetched_unreadable),
        cmocka_unit_test(expiry_deletes_the_objects_and_what_was_fetched),
        cmocka_unit_test(objects_of_what_expired_while_the_store_was_away_are_deleted_later),
        cmocka_unit_test(a_copy_stays_here_until_its_time_or_the_size_is_over),
        cmocka_unit_test(a_disk_that_is_nearly_full_gets_rid_of_copies_at_once),
        cmocka_unit_test(what_is_there_but_not_configured_any_more_is_unavailable_not_expired),
        cmocka_unit_test(any_flipped_byte_of_a_sent_file_is_noticed),
        cmocka_unit_test(configurations_that_cannot_work_are_refused_with_what_would),
        cmocka_unit_test(credentials_are_those_of_the_default_profile),
        cmocka_unit_test(the_code_of_a_refusal_is_read_and_nothing_else_taken_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
