/* test_search.c -- a search finds what reading everything does, whatever became of the index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "search/search_int.h"
#include "sys/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DOCUMENTS = 2600, VOCABULARY = 400, DOCUMENT_WORDS = 220, NEEDLE_AT = 700, KEYS = 4 };

/* Documents of two projects, in several segments; keys 1 and 2 are of project 1, 3 and 4 of 2. */
struct world {
    char dir[64], content_dir[96], index_dir[96];
    struct content_store *store;
    struct search *search;
    struct arena arena;
    uint16_t words[DOCUMENTS][DOCUMENT_WORDS];
    uint64_t keys[DOCUMENTS];
    uint64_t gone_key;
    struct content_pointer pointers[DOCUMENTS], previews[DOCUMENTS];
};
static struct world world;
static uint64_t seed = 20261122;

static uint64_t next_random(void)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return seed >> 33;
}

static enum err key_by_id(void *arg, uint64_t key_id, struct crypt_key *ret_key)
{
    const struct world *w = arg;
    memset(ret_key, (int)key_id, sizeof *ret_key);
    return key_id == w->gone_key ? ERR_NOT_FOUND : ERR_OK;
}

static enum err key_of(void *arg, uint64_t key_id, uint64_t *ret_project, struct crypt_key *ret_key)
{
    *ret_project = (key_id + 1) / 2;
    memset(ret_key, 100 + (int)*ret_project, sizeof *ret_key);
    return key_id == ((const struct world *)arg)->gone_key ? ERR_NOT_FOUND : ERR_OK;
}

static void document_add(size_t number)
{
    char text[DOCUMENT_WORDS * 8 + 64];
    size_t len = (size_t)snprintf(text, sizeof text, "[\"");
    world.keys[number] = 1 + next_random() % KEYS;
    if (number == NEEDLE_AT)
        world.keys[number] = 1;
    for (size_t i = 0; i < DOCUMENT_WORDS; i++) {
        /* some words are rare: the square of a random number */
        uint64_t r = next_random() % VOCABULARY;
        world.words[number][i] = (uint16_t)(r * r / VOCABULARY);
        len += (size_t)snprintf(text + len, sizeof text - len, "W%u ", world.words[number][i]);
    }
    snprintf(text + len, sizeof text - len, "%s\"]", number == NEEDLE_AT ? "needle" : "");
    struct id16 trace = { { 0 } };
    memcpy(&trace, &number, sizeof number);
    struct crypt_key key;
    memset(&key, (int)world.keys[number], sizeof key);
    struct content_item item = { { { 7 } }, CONTENT_INPUT, str_from_c(text) };
    assert_int_equal(content_append(world.store, trace, &key, world.keys[number], &item, 1,
                                    &world.pointers[number], &world.previews[number], NULL),
                     ERR_OK);
    if (number % 200 == 199)
        assert_int_equal(content_sync(world.store, NULL), ERR_OK);
}

static void unlink_each(const char *name, void *arg)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    unlink(path);
}

static void search_make(uint32_t threads, bool makes_index)
{
    struct search_config config = { .content = world.store,
                                    .dir = world.index_dir,
                                    .files = &sys_files_real,
                                    .key_of = key_of,
                                    .key_arg = &world,
                                    .threads = threads,
                                    .makes_index = makes_index };
    search_close(world.search);
    world.search = NULL;
    assert_int_equal(search_open(&config, &world.search, NULL), ERR_OK);
    search_start(world.search);
}

/* Between two looks at what the builder has done: it tells nobody when it is done. */
static void look_again_later(void)
{
    const struct timespec pause = { 0, 5000000 };
    nanosleep(&pause, NULL);
}

/* Until the builder has nothing left but what it leaves for the next time. */
static void index_wait(void)
{
    struct search_status status;
    int64_t end_ns = clock_monotonic_ns() + 20 * NS_PER_S;
    do {
        look_again_later();
        search_status(world.search, &status);
        assert_true(clock_monotonic_ns() < end_ns);
    } while (status.plain_bytes < 4 * INDEX_PLAIN_BYTES);
    search_stop(world.search);
}

static int world_begin(void **state)
{
    (void)state;
    snprintf(world.dir, sizeof world.dir, "/tmp/search-test-XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    snprintf(world.content_dir, sizeof world.content_dir, "%s/content", world.dir);
    snprintf(world.index_dir, sizeof world.index_dir, "%s/search", world.dir);
    struct content_config config = { .dir = world.content_dir,
                                     .files = &sys_files_real,
                                     .key_by_id = key_by_id,
                                     .key_arg = &world,
                                     .segment_bytes_max = 400 * KIB };
    assert_int_equal(content_open(&config, &world.store, NULL), ERR_OK);
    arena_init(&world.arena, 64 * MIB);
    for (size_t i = 0; i < DOCUMENTS; i++)
        document_add(i);
    return 0;
}

static int world_end(void **state)
{
    (void)state;
    search_close(world.search);
    content_close(world.store);
    arena_clear(&world.arena);
    assert_int_equal(dir_list(world.content_dir, unlink_each, world.content_dir, NULL), ERR_OK);
    assert_int_equal(dir_list(world.index_dir, unlink_each, world.index_dir, NULL), ERR_OK);
    rmdir(world.content_dir);
    rmdir(world.index_dir);
    return rmdir(world.dir);
}

static struct search_answer ask(const char *words, uint64_t project, struct search_position below,
                                uint32_t hits_max, int64_t stop_ns)
{
    struct search_query *query;
    struct search_answer answer;
    assert_int_equal(search_parse(&world.arena, str_from_c(words), &query, NULL), ERR_OK);
    struct search_ask question = { .query = query,
                                   .project = project,
                                   .below = below,
                                   .stored_from_ns = INT64_MIN,
                                   .hits_max = hits_max,
                                   .stop_ns = stop_ns };
    memset(&question.key, 100 + (int)project, sizeof question.key);
    assert_int_equal(search_run(world.search, &question, &world.arena, &answer, NULL), ERR_OK);
    return answer;
}

static const struct search_position everything = { .segment = UINT64_MAX };

static struct search_answer ask_all(const char *words, uint64_t project)
{
    struct search_answer answer = ask(words, project, everything, UINT32_MAX, INT64_MAX);
    assert_true(answer.is_done);
    return answer;
}

/* A plain reading of what was appended: all of some words, or them side by side. */
static bool has_words(size_t document, const unsigned *words, size_t count, bool is_phrase)
{
    size_t found = 0;
    for (size_t at = 0; at + count <= DOCUMENT_WORDS && is_phrase; at++) {
        size_t same = 0;
        while (same < count && world.words[document][at + same] == words[same])
            same++;
        if (same == count)
            return true;
    }
    for (size_t w = 0; w < count && !is_phrase; w++) {
        size_t at = 0;
        while (at < DOCUMENT_WORDS && world.words[document][at] != words[w])
            at++;
        found += at < DOCUMENT_WORDS;
    }
    return found == count;
}

static void answers_equal_a_plain_reading(void)
{
    for (int round = 0; round < 25; round++) {
        arena_reset(&world.arena);
        unsigned words[3];
        size_t count = 1 + next_random() % 3, expected = 0, at = 0;
        bool is_phrase = next_random() % 2;
        size_t document = next_random() % DOCUMENTS, place = next_random() % (DOCUMENT_WORDS - 3);
        char text[64] = "";
        size_t len = 0;
        for (size_t i = 0; i < count; i++) {
            words[i] = world.words[document][place + i];
            len += (size_t)snprintf(text + len, sizeof text - len, "%sw%u",
                                    i           ? " "
                                    : is_phrase ? "\""
                                                : "",
                                    words[i]);
        }
        snprintf(text + len, sizeof text - len, "%s", is_phrase ? "\"" : "");
        struct search_answer answer = ask_all(text, 1);
        for (size_t d = DOCUMENTS; d-- > 0;) {
            if (world.keys[d] > 2 || !has_words(d, words, count, is_phrase))
                continue;
            expected++;
            assert_true(at < answer.count);
            uint64_t number;
            memcpy(&number, &answer.hits[at++].trace_id, sizeof number);
            assert_int_equal(number, d); /* the last stored first */
        }
        assert_int_equal(answer.count, expected);
    }
}

static void without_an_index_everything_is_read(void **state)
{
    (void)state;
    search_make(2, false);
    answers_equal_a_plain_reading();
}

static void with_an_index_little_is_read_and_the_same_found(void **state)
{
    (void)state;
    search_make(2, false);
    uint64_t before = ask_all("needle", 1).bytes_read;
    search_make(2, true);
    index_wait();
    answers_equal_a_plain_reading();
    arena_reset(&world.arena);
    struct search_answer answer = ask_all("needle", 1);
    assert_int_equal(answer.count, 1);
    assert_true(answer.bytes_read * 3 < before);
    answer = ask_all("needle", 2); /* another project's filter bits are others */
    assert_int_equal(answer.count, 0);
    search_make(1, false);
    answers_equal_a_plain_reading();
}

static void the_index_of_what_expired_is_removed(void **state)
{
    (void)state;
    char path[INDEX_PATH_MAX];
    int64_t end_ns = clock_monotonic_ns() + 20 * NS_PER_S;
    index_path(world.index_dir, 99999, path);
    assert_int_equal(file_replace(path, STR_OF("old"), 0600, NULL), ERR_OK);
    search_make(2, true);
    while (file_exists(path)) {
        look_again_later();
        assert_true(clock_monotonic_ns() < end_ns);
    }
    search_stop(world.search);
}

/* Each page goes on below the one before: no hit twice, none left out, whatever ends a page. */
static void pages_add_up(void **state)
{
    (void)state;
    search_make(2, false);
    static struct search_position all[DOCUMENTS];
    struct search_answer answer = ask_all("w0", 1);
    assert_true(answer.count > 100);
    for (size_t i = 0; i < answer.count; i++)
        all[i] = answer.hits[i].position;
    const size_t count = answer.count;
    for (uint32_t hits_max = 300; hits_max <= 3000; hits_max *= 3) {
        struct search_position below = everything;
        size_t at = 0;
        for (;;) {
            arena_reset(&world.arena);
            struct search_answer page =
                ask("w0", 1, below, hits_max, hits_max == 300 ? 0 : INT64_MAX); /* 0: time is up */
            size_t shown = MIN(page.count, (size_t)hits_max);
            for (size_t i = 0; i < shown; i++, at++)
                assert_memory_equal(&page.hits[i].position, &all[at], sizeof page.hits[i].position);
            if (page.is_done && shown == page.count)
                break;
            below = shown < page.count ? page.hits[shown - 1].position : page.below;
        }
        assert_int_equal(at, count);
    }
}

static void a_key_that_is_gone_leaves_no_hit(void **state)
{
    (void)state;
    arena_reset(&world.arena);
    search_make(2, false);
    size_t with_key = ask_all("needle", 1).count;
    world.gone_key = 1;
    struct search_answer answer = ask_all("needle", 1);
    world.gone_key = 0;
    assert_int_equal(with_key, 1);
    assert_int_equal(answer.count, 0);
}

static bool first_index(char ret_path[INDEX_PATH_MAX], struct buf *ret_bytes)
{
    for (uint64_t segment = 1; segment < 20; segment++) {
        index_path(world.index_dir, segment, ret_path);
        buf_reset(ret_bytes);
        if (file_read(ret_path, ret_bytes, NULL) == ERR_OK && ret_bytes->len > 200)
            return true;
    }
    return false;
}

static void a_flipped_byte_of_the_index_hides_no_hit(void **state)
{
    (void)state;
    char path[INDEX_PATH_MAX];
    struct buf bytes;
    buf_init(&bytes, 16 * MIB);
    search_make(2, false);
    assert_true(first_index(path, &bytes));
    size_t all = ask_all("w390", 1).count;
    for (size_t at = 0; at < bytes.len; at += at < 128 ? 7 : bytes.len / 6) {
        arena_reset(&world.arena);
        bytes.ptr[at] = (char)(bytes.ptr[at] ^ 0xff);
        assert_int_equal(file_replace(path, buf_str(&bytes), 0600, NULL), ERR_OK);
        bytes.ptr[at] = (char)(bytes.ptr[at] ^ 0xff);
        assert_int_equal(ask_all("w390", 1).count, all);
        assert_int_equal(ask_all("needle", 1).count, 1);
    }
    for (size_t len = 0; len < bytes.len; len += bytes.len / 4) {
        arena_reset(&world.arena);
        assert_int_equal(file_replace(path, str_make(bytes.ptr, len), 0600, NULL), ERR_OK);
        assert_int_equal(ask_all("w390", 1).count, all);
    }
    assert_int_equal(file_replace(path, buf_str(&bytes), 0600, NULL), ERR_OK);
    buf_clear(&bytes);
}

static void a_filter_has_what_was_added_and_little_else(void **state)
{
    (void)state;
    enum { WORDS = 20000 };
    struct crypt_key key = { { 1, 2, 3 } };
    struct filter_hash *hashes = xcalloc(2 * WORDS, sizeof *hashes);
    for (size_t i = 0; i < 2 * WORDS; i++)
        hashes[i].first = i;
    struct crypt_blocks *blocks = crypt_blocks_new(&key);
    filter_hashes(blocks, hashes, 2 * WORDS);
    crypt_blocks_free(blocks);
    size_t len = filter_bytes(WORDS), wrong = 0;
    unsigned char *filter = xcalloc(1, len);
    for (size_t i = 0; i < WORDS; i++)
        filter_add(filter, len, hashes[i]);
    for (size_t i = 0; i < WORDS; i++)
        assert_true(filter_has(filter, len, hashes[i]));
    for (size_t i = WORDS; i < 2 * WORDS; i++)
        wrong += filter_has(filter, len, hashes[i]);
    assert_true(wrong < WORDS / 80); /* 1 in 120 */
    assert_int_equal(filter_bytes(0), 8);
    assert_int_equal(filter_bytes(SIZE_MAX / 16), FILTER_BYTES_MAX);
    xfree(filter);
    xfree(hashes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_has_what_was_added_and_little_else),
        cmocka_unit_test(without_an_index_everything_is_read),
        cmocka_unit_test(with_an_index_little_is_read_and_the_same_found),
        cmocka_unit_test(the_index_of_what_expired_is_removed),
        cmocka_unit_test(pages_add_up),
        cmocka_unit_test(a_key_that_is_gone_leaves_no_hit),
        cmocka_unit_test(a_flipped_byte_of_the_index_hides_no_hit),
    };
    return cmocka_run_group_tests(tests, world_begin, world_end);
}
