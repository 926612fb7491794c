/* test_content.c -- what is appended and synced is read back; damage and lost keys are told apart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "content/content_int.h"
#include "sys/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct place {
    char dir[64];
    struct content_config config;
    uint64_t gone_key;
    struct arena arena;
};

static struct crypt_key key_of(uint64_t id)
{
    struct crypt_key key;
    memset(&key, (int)id + 1, sizeof key);
    return key;
}

static enum err key_by_id(void *arg, uint64_t key_id, struct crypt_key *ret_key)
{
    const struct place *place = arg;
    if (key_id == place->gone_key)
        return ERR_NOT_FOUND;
    *ret_key = key_of(key_id);
    return ERR_OK;
}

static void place_init(struct place *place)
{
    *place = (struct place){ .dir = "/tmp/content-test-XXXXXX" };
    assert_non_null(mkdtemp(place->dir));
    place->config = (struct content_config){
        .dir = place->dir, .files = &sys_files_real, .key_by_id = key_by_id, .key_arg = place
    };
    arena_init(&place->arena, 256 * MIB);
}

static void unlink_each(const char *name, void *arg)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    unlink(path);
}

static void place_empty(struct place *place)
{
    assert_int_equal(dir_list(place->dir, unlink_each, place->dir, NULL), ERR_OK);
}

static void place_clear(struct place *place)
{
    place_empty(place);
    rmdir(place->dir);
    arena_clear(&place->arena);
}

static struct content_store *place_open(struct place *place)
{
    struct content_store *store;
    struct diag why = DIAG_NONE;
    enum err err = content_open(&place->config, &store, &why);
    if (err)
        print_error("%s\n", why.text);
    assert_int_equal(err, ERR_OK);
    return store;
}

static enum err put(struct content_store *store, uint64_t key_id, const char *input,
                    const char *preview, struct content_pointer *ret_main,
                    struct content_pointer *ret_preview)
{
    struct content_item items[2];
    size_t count = 0;
    if (input)
        items[count++] = (struct content_item){ { "span-01" }, CONTENT_INPUT, str_from_c(input) };
    if (preview)
        items[count++] =
            (struct content_item){ { "span-01" }, CONTENT_PREVIEW, str_from_c(preview) };
    struct crypt_key key = key_of(key_id);
    return content_append(store, (struct id16){ "trace-000000001" }, &key, key_id, items, count,
                          ret_main, ret_preview, NULL);
}

static enum err get(struct place *place, struct content_store *store,
                    struct content_pointer pointer, str *ret_json)
{
    struct content_reader *reader = content_reader_new(store);
    struct content_item *items;
    size_t count;
    arena_reset(&place->arena);
    enum err err = content_read(reader, pointer, &place->arena, &items, &count, NULL);
    if (!err) {
        assert_int_equal(count, 1);
        assert_memory_equal(&items[0].owner, "span-01", 8);
        *ret_json = items[0].json;
    }
    content_reader_free(reader);
    return err;
}

static void check(struct place *place, struct content_store *store, struct content_pointer pointer,
                  const char *text)
{
    str json;
    assert_int_equal(get(place, store, pointer, &json), ERR_OK);
    assert_true(str_equal_c(json, text));
}

/* shows: D8 */
static void content_and_previews_are_read_back_by_their_own_pointers(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct content_store *store = place_open(&place);
    struct content_pointer main[2], preview[2];
    assert_int_equal(put(store, 1, "\"a question\"", "{\"input\":\"a q\"}", &main[0], &preview[0]),
                     ERR_OK);
    assert_int_equal(put(store, 2, NULL, "{}", &main[1], &preview[1]), ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    assert_int_equal(main[1].segment, 0);
    assert_true(preview[0].segment & CONTENT_SEGMENT_PREVIEW);
    for (int round = 0; round < 2; round++) {
        check(&place, store, main[0], "\"a question\"");
        check(&place, store, preview[0], "{\"input\":\"a q\"}");
        check(&place, store, preview[1], "{}");
        str json;
        assert_int_equal(get(&place, store, main[1], &json), ERR_NOT_FOUND);
        struct content_status status;
        content_status(store, &status);
        assert_int_equal(status.segments, 2);
        assert_int_equal(status.frames, 3);
        content_close(store);
        store = place_open(&place);
    }
    content_close(store);
    struct buf file;
    buf_init(&file, MIB);
    char path[CONTENT_PATH_MAX];
    content_path(place.dir, 1, path);
    assert_int_equal(file_read(path, &file, NULL), ERR_OK);
    assert_int_equal(str_find(buf_str(&file), STR_OF("question")), file.len);
    buf_clear(&file);
    place_clear(&place);
}

/* shows: D8 D16 */
static void content_whose_key_is_destroyed_is_not_found(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct content_store *store = place_open(&place);
    struct content_pointer anna, bert, none;
    assert_int_equal(put(store, 1, "1", NULL, &anna, &none), ERR_OK);
    assert_int_equal(put(store, 2, "2", NULL, &bert, &none), ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    place.gone_key = 1;
    str json;
    assert_int_equal(get(&place, store, anna, &json), ERR_NOT_FOUND);
    check(&place, store, bert, "2");
    content_close(store);
    place_clear(&place);
}

static void
a_full_segment_is_sealed_and_expiry_unlinks_only_sealed_old_ones_of_its_kind(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    place.config.segment_bytes_max = 1; /* one frame each */
    struct content_store *store = place_open(&place);
    struct content_pointer main[4], preview[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(put(store, 1, "[\"some text here, uncompressible: qwertzuiop\"]", "{}",
                             &main[i], &preview[i]),
                         ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    assert_int_equal(main[3].segment, 4);
    uint64_t count;
    assert_int_equal(content_expire(store, false, 1, &count, NULL), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(content_expire(store, false, INT64_MAX, &count, NULL), ERR_OK);
    assert_int_equal(count, 3);
    str json;
    assert_int_equal(get(&place, store, main[0], &json), ERR_NOT_FOUND);
    check(&place, store, main[3], "[\"some text here, uncompressible: qwertzuiop\"]");
    check(&place, store, preview[0], "{}");
    struct content_status status;
    content_status(store, &status);
    assert_int_equal(status.frames, 4 + 1);
    content_close(store);
    place_clear(&place);
}

static void content_at_the_limit_is_stored_and_one_byte_more_is_refused(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct content_store *store = place_open(&place);
    size_t max = CONTENT_FRAME_BYTES_MAX - CONTENT_ITEM_BYTES;
    char *text = xcalloc(1, max + 2);
    memset(text, 'x', max + 1);
    struct content_pointer pointer, none;
    assert_int_equal(put(store, 1, text, NULL, &pointer, &none), ERR_TOO_LARGE);
    text[max] = '\0';
    assert_int_equal(put(store, 1, text, NULL, &pointer, &none), ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    check(&place, store, pointer, text);
    xfree(text);
    content_close(store);
    place_clear(&place);
}

enum { FRAMES = 3 };
static const char *const texts[FRAMES] = { "\"first, first, first, first, first, first\"", "2",
                                           "\"the third and last\"" };

/* A segment as a crash leaves it: synced after each frame, no footer. */
static void make_segment(struct place *place, struct buf *ret_file,
                         struct content_pointer ret_pointers[FRAMES])
{
    place_init(place);
    struct content_store *store = place_open(place);
    struct content_pointer none;
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(put(store, 1, texts[i], NULL, &ret_pointers[i], &none), ERR_OK);
        assert_int_equal(content_sync(store, NULL), ERR_OK);
    }
    content_close(store);
    char path[CONTENT_PATH_MAX];
    content_path(place->dir, 1, path);
    buf_init(ret_file, MIB);
    assert_int_equal(file_read(path, ret_file, NULL), ERR_OK);
    ret_file->len -= CONTENT_FOOTER_BYTES;
    assert_int_equal(ret_file->len, ret_pointers[2].offset + ret_pointers[2].len);
}

static void write_file(struct place *place, const void *bytes, size_t len)
{
    place_empty(place);
    char path[CONTENT_PATH_MAX];
    content_path(place->dir, 1, path);
    int fd = sys_files_real.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(&sys_files_real, fd, bytes, len, NULL), ERR_OK);
    sys_files_real.close(fd);
}

static void a_segment_cut_at_any_byte_keeps_every_whole_frame(void **state)
{
    (void)state;
    struct place place;
    struct buf file;
    struct content_pointer pointers[FRAMES];
    make_segment(&place, &file, pointers);
    for (size_t len = 0; len <= file.len; len++) {
        write_file(&place, file.ptr, len);
        struct content_store *store = place_open(&place);
        for (int i = 0; i < FRAMES; i++) {
            str json;
            bool whole = pointers[i].offset + pointers[i].len <= len;
            enum err err = get(&place, store, pointers[i], &json);
            assert_int_equal(err == ERR_OK, whole);
            if (whole)
                assert_true(str_equal_c(json, texts[i]));
        }
        struct content_pointer pointer, none;
        assert_int_equal(put(store, 1, "9", NULL, &pointer, &none), ERR_OK);
        assert_int_equal(content_sync(store, NULL), ERR_OK);
        check(&place, store, pointer, "9");
        content_close(store);
    }
    buf_clear(&file);
    place_clear(&place);
}

static void a_flipped_bit_at_any_byte_is_noticed_and_other_frames_are_read(void **state)
{
    (void)state;
    struct place place;
    struct buf file;
    struct content_pointer pointers[FRAMES];
    make_segment(&place, &file, pointers);
    for (size_t at = 0; at < file.len; at++) {
        file.ptr[at] = (char)(file.ptr[at] ^ (1 << (at % 8)));
        write_file(&place, file.ptr, file.len);
        file.ptr[at] = (char)(file.ptr[at] ^ (1 << (at % 8)));
        struct content_store *store = place_open(&place);
        for (int i = 0; i < FRAMES; i++) {
            str json = STR_NONE;
            bool hit = at < CONTENT_HEADER_BYTES ||
                       (at >= pointers[i].offset && at < pointers[i].offset + pointers[i].len);
            enum err err = get(&place, store, pointers[i], &json);
            assert_int_equal(err, hit ? ERR_CORRUPT : ERR_OK);
            if (!hit)
                assert_true(str_equal_c(json, texts[i]));
        }
        struct content_status status;
        content_status(store, &status);
        assert_true(status.damaged_places || status.torn_bytes_cut);
        content_close(store);
    }
    buf_clear(&file);
    place_clear(&place);
}

static void a_pointer_that_is_not_one_is_an_error(void **state)
{
    (void)state;
    struct place place;
    struct buf file;
    struct content_pointer pointers[FRAMES];
    make_segment(&place, &file, pointers);
    struct content_store *store = place_open(&place);
    const struct content_pointer bad[] = {
        { 1, pointers[0].offset + 1, pointers[0].len },
        { 1, pointers[0].offset, pointers[0].len - 1 },
        { 1, 1u << 30, 100 },
        { 1, pointers[0].offset, 0 },
        { 1, pointers[0].offset, UINT32_MAX },
    };
    str json;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(get(&place, store, bad[i], &json), ERR_CORRUPT);
    assert_int_equal(get(&place, store, (struct content_pointer){ 77, 64, 100 }, &json),
                     ERR_NOT_FOUND);
    content_close(store);
    buf_clear(&file);
    place_clear(&place);
}

/* ---- a disk that fails ---- */

static int write_fails, sync_fails; /* errno to fail with, once */
static int write_count;
static bool no_direct;
static int64_t failing_write(int fd, const struct iovec *pieces, int count, int64_t offset)
{
    assert_int_equal(count, 1);
    bool is_direct = fcntl(fd, F_GETFL) & O_DIRECT;
    write_count++;
    if (is_direct && no_direct) {
        errno = EINVAL;
        return -1;
    }
    if (!write_fails)
        return sys_files_real.pwritev(fd, pieces, count, offset);
    struct iovec half = { pieces->iov_base, pieces->iov_len / 2 / 4096 * 4096 };
    if (half.iov_len) /* a short write first */
        (void)!sys_files_real.pwritev(fd, &half, 1, offset);
    errno = write_fails;
    write_fails = 0;
    return -1;
}
static int failing_sync(int fd)
{
    if (!sync_fails)
        return sys_files_real.fdatasync(fd);
    errno = sync_fails;
    sync_fails = 0;
    return -1;
}

static void a_sync_on_a_full_disk_says_so_and_the_next_goes_on(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct sys_files files = sys_files_real;
    files.pwritev = failing_write;
    place.config.files = &files;
    struct content_store *store = place_open(&place);
    struct content_pointer a, b, none;
    assert_int_equal(put(store, 1, "\"before\"", NULL, &a, &none), ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    assert_int_equal(put(store, 1, "\"lost\"", NULL, &b, &none), ERR_OK);
    content_work_finish(store);
    write_fails = ENOSPC;
    assert_int_equal(content_sync(store, NULL), ERR_DISK_FULL);
    assert_int_equal(put(store, 1, "\"again\"", NULL, &b, &none), ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    check(&place, store, a, "\"before\"");
    check(&place, store, b, "\"again\"");
    content_close(store);
    place_clear(&place);
}

/* That many bytes between quotes, which do not compress. */
static char *noise(size_t len)
{
    char *text = xcalloc(1, len + 1);
    uint64_t bits = len;
    for (size_t i = 0; i < len; i++) {
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        text[i] = (char)(bits >> 56 ? bits >> 56 : 1);
    }
    text[0] = text[len - 1] = '"';
    return text;
}

static void frames_wait_until_a_large_write_is_full(void **state)
{
    (void)state;
    enum { HALF = CONTENT_WRITE_BYTES / 2, HEAD = CONTENT_FRAME_HEADER_BYTES + CONTENT_ITEM_BYTES };
    struct sys_files files = sys_files_real;
    files.pwritev = failing_write;
    char *half = noise(HALF - HEAD - CRYPT_TAG_BYTES);
    char *rest = noise(HALF - HEAD - CRYPT_TAG_BYTES - CONTENT_HEADER_BYTES);
    for (int round = 0; round < 2; round++) {
        struct place place;
        place_init(&place);
        place.config.files = &files;
        struct content_store *store = place_open(&place);
        struct content_pointer pointers[4], none;
        no_direct = round > 0;
        write_count = 0;
        assert_int_equal(put(store, 1, rest, NULL, &pointers[0], &none), ERR_OK);
        assert_int_equal(put(store, 1, half, NULL, &pointers[1], &none), ERR_OK);
        content_work_finish(store);
        assert_int_equal(pointers[1].offset + pointers[1].len, CONTENT_WRITE_BYTES);
        assert_int_equal(write_count, 0);
        assert_int_equal(put(store, 1, "1", NULL, &pointers[2], &none), ERR_OK);
        content_work_finish(store);
        assert_int_not_equal(write_count, 0);
        assert_int_equal(content_sync(store, NULL), ERR_OK);
        assert_int_equal(put(store, 1, half, NULL, &pointers[3], &none), ERR_OK);
        assert_int_equal(content_sync(store, NULL), ERR_OK);
        check(&place, store, pointers[0], rest);
        check(&place, store, pointers[1], half);
        check(&place, store, pointers[2], "1");
        check(&place, store, pointers[3], half);
        content_close(store);
        store = place_open(&place); /* sealed as any other */
        struct content_status status;
        content_status(store, &status);
        assert_int_equal(status.frames, 4);
        assert_int_equal(status.torn_bytes_cut + status.damaged_places, 0);
        content_close(store);
        place_clear(&place);
    }
    no_direct = false;
    xfree(half);
    xfree(rest);
}

/* Frames of all sizes around a block, synced now and then: each large write goes over a block
 * that is there in part. */
static void any_mix_of_frames_and_syncs_is_read_back(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    place.config.segment_bytes_max = 8 * MIB;
    struct content_store *store = place_open(&place);
    enum { COUNT = 300 };
    static struct content_pointer pointers[COUNT];
    static size_t sizes[COUNT];
    struct content_pointer none;
    uint64_t bits = 11;
    for (int i = 0; i < COUNT; i++) {
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sizes[i] = 2 + (bits >> 40) % (i % 50 == 49 ? 3000000 : 30000);
        char *text = noise(sizes[i]);
        assert_int_equal(put(store, 1, text, NULL, &pointers[i], &none), ERR_OK);
        xfree(text);
        if (bits >> 59 == 0)
            assert_int_equal(content_sync(store, NULL), ERR_OK);
    }
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            char *text = noise(sizes[i]);
            check(&place, store, pointers[i], text);
            xfree(text);
        }
        content_close(store);
        store = place_open(&place);
    }
    struct content_status status;
    content_status(store, &status);
    assert_int_equal(status.frames, COUNT);
    assert_int_equal(status.torn_bytes_cut + status.damaged_places, 0);
    content_close(store);
    place_clear(&place);
}

/* A JSON string of words in no order: letters have frequencies, but little repeats. */
static void words_add(struct buf *text, uint64_t bits)
{
    static const char *const words[] = { "refund ", "invoice ", "please ",  "summary ",
                                         "order ",  "river ",   "forecast", "handles " };
    buf_reset(text);
    buf_add_char(text, '"');
    for (uint64_t i = 0; i < 2000; i++) {
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        buf_add_c(text, words[bits >> 61]);
        if (bits >> 50 & 1)
            buf_add_u64(text, bits >> 32);
    }
    buf_add(text, "\"", 2);
}

static void frames_written_in_a_hurry_are_larger_and_read_back_alike(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct content_store *store = place_open(&place);
    struct buf text;
    buf_init(&text, MIB);
    words_add(&text, 7);
    struct content_pointer pointers[3], previews[3];
    for (int i = 0; i < 3; i++) {
        content_hurry(store, i == 1);
        assert_int_equal(put(store, 1, text.ptr, text.ptr, &pointers[i], &previews[i]), ERR_OK);
    }
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    for (int i = 0; i < 3; i++) {
        check(&place, store, pointers[i], text.ptr);
        check(&place, store, previews[i], text.ptr);
    }
    assert_true(pointers[1].len > pointers[0].len && pointers[1].len < text.len * 3 / 4);
    assert_int_equal(pointers[2].len, pointers[0].len);
    buf_clear(&text);
    content_close(store);
    place_clear(&place);
}

/* As conversations do, whose calls hold what was said before.  Two compress, the thread and who
 * syncs, and which of them takes a frame is not fixed; each looks for repeats again after 64 of
 * its own frames at the latest, and goes on when it finds them: so at most 128 are missed. */
static void a_long_hurry_still_finds_what_repeats(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct content_store *store = place_open(&place);
    struct buf text, twice;
    buf_init(&text, MIB);
    buf_init(&twice, MIB);
    enum { COUNT = 500, REPEATS_FROM = 100, MISSED_MAX = 2 * 64 };
    static struct content_pointer pointers[COUNT];
    struct content_pointer none;
    content_hurry(store, true);
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < COUNT; i++) {
            words_add(&text, i);
            buf_reset(&twice);
            buf_add(&twice, text.ptr, text.len - 2);
            for (int k = 0; i >= REPEATS_FROM && k < 3; k++)
                buf_add(&twice, text.ptr + 1, text.len - 3);
            buf_add(&twice, "\"", 2);
            if (round)
                check(&place, store, pointers[i], twice.ptr);
            else
                assert_int_equal(put(store, 1, twice.ptr, NULL, &pointers[i], &none), ERR_OK);
        }
        assert_int_equal(content_sync(store, NULL), ERR_OK);
    }
    int missed = 0;
    for (int i = REPEATS_FROM; i < COUNT; i++)
        missed += pointers[i].len >= pointers[REPEATS_FROM - 1].len * 3 / 2;
    print_message("# missed %d\n", missed);
    assert_in_range(missed, 0, MISSED_MAX);
    buf_clear(&text);
    buf_clear(&twice);
    content_close(store);
    place_clear(&place);
}

static void after_a_failed_sync_the_loss_is_reported_and_a_new_segment_begins(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct sys_files files = sys_files_real;
    files.fdatasync = failing_sync;
    files.pwritev = failing_write;
    place.config.files = &files;
    struct content_store *store = place_open(&place);
    struct content_pointer safe, lost, again, none;
    assert_int_equal(put(store, 1, "\"safe\"", NULL, &safe, &none), ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    assert_int_equal(put(store, 1, "\"lost\"", NULL, &lost, &none), ERR_OK);
    sync_fails = EIO;
    assert_int_equal(content_sync(store, NULL), ERR_IO);
    assert_int_equal(put(store, 1, "\"lost\"", NULL, &again, &none), ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    assert_int_not_equal(again.segment, safe.segment);
    check(&place, store, safe, "\"safe\"");
    check(&place, store, again, "\"lost\"");

    /* A write error after unsynced frames is remembered until the sync asks. */
    char *large = noise(CONTENT_WRITE_BYTES);
    assert_int_equal(put(store, 1, large, NULL, &lost, &none), ERR_OK);
    content_work_finish(store);
    write_fails = EIO;
    assert_int_equal(put(store, 1, large, NULL, &none, &none), ERR_OK);
    xfree(large);
    assert_int_equal(put(store, 1, "\"z\"", NULL, &none, &none), ERR_OK);
    assert_int_equal(content_sync(store, NULL), ERR_IO);
    assert_int_equal(content_sync(store, NULL), ERR_OK);
    content_close(store);
    store = place_open(&place);
    check(&place, store, safe, "\"safe\"");
    check(&place, store, again, "\"lost\"");
    content_close(store);
    place_clear(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_and_previews_are_read_back_by_their_own_pointers),
        cmocka_unit_test(content_whose_key_is_destroyed_is_not_found),
        cmocka_unit_test(
            a_full_segment_is_sealed_and_expiry_unlinks_only_sealed_old_ones_of_its_kind),
        cmocka_unit_test(content_at_the_limit_is_stored_and_one_byte_more_is_refused),
        cmocka_unit_test(a_segment_cut_at_any_byte_keeps_every_whole_frame),
        cmocka_unit_test(a_flipped_bit_at_any_byte_is_noticed_and_other_frames_are_read),
        cmocka_unit_test(a_pointer_that_is_not_one_is_an_error),
        cmocka_unit_test(a_sync_on_a_full_disk_says_so_and_the_next_goes_on),
        cmocka_unit_test(frames_wait_until_a_large_write_is_full),
        cmocka_unit_test(any_mix_of_frames_and_syncs_is_read_back),
        cmocka_unit_test(frames_written_in_a_hurry_are_larger_and_read_back_alike),
        cmocka_unit_test(a_long_hurry_still_finds_what_repeats),
        cmocka_unit_test(after_a_failed_sync_the_loss_is_reported_and_a_new_segment_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
