/* test_meta.c -- projects and API keys in SQLite.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "meta/meta.h"
#include "sys/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    char path[96];
    struct meta *meta;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/test_meta_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/meta.db", f->dir);
    arena_init(&f->arena, 16 * MIB);
    assert_int_equal(meta_open(f->path, &f->meta, NULL), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[128];
    static const char *const ends[] = { "", "-wal", "-shm" };
    meta_close(f->meta);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        unlink(path);
    }
    rmdir(f->dir);
    arena_clear(&f->arena);
    xfree(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    meta_close(f->meta);
    f->meta = NULL;
    assert_int_equal(meta_open(f->path, &f->meta, NULL), ERR_OK);
}

static struct meta_key some_key(uint8_t number)
{
    static const char *const ids[] = { "0000000000000000", "1111111111111111", "2222222222222222" };
    struct meta_key key = { .id = str_from_c(ids[number]),
                            .project = STR("shop"),
                            .label = STR("ci"),
                            .permissions = 5,
                            .created_ns = 100 - number,
                            .expires_ns = 7 };
    memset(key.secret_hash, number + 1, sizeof key.secret_hash);
    return key;
}

static size_t count_keys(struct fixture *f, bool with_revoked, struct meta_key **ret_keys)
{
    size_t count = 99;
    assert_int_equal(meta_keys(f->meta, with_revoked, &f->arena, ret_keys, &count, NULL), ERR_OK);
    return count;
}

static void keys_survive_a_restart_as_they_were(void **state)
{
    struct fixture *f = *state;
    struct meta_key *keys;
    struct meta_key first = some_key(0), second = some_key(1);
    second.tenant = STR_OF("acme'); DROP TABLE api_key; --");
    assert_int_equal(meta_project_create(f->meta, STR_OF("shop"), 1, NULL), ERR_OK);
    assert_int_equal(count_keys(f, true, &keys), 0);
    assert_int_equal(meta_key_create(f->meta, &first, NULL), ERR_OK);
    assert_int_equal(meta_key_create(f->meta, &second, NULL), ERR_OK);
    reopen(f);
    assert_int_equal(count_keys(f, false, &keys), 2); /* in order of creation */
    assert_true(str_equal(keys[0].id, second.id));
    assert_true(str_equal(keys[0].tenant, second.tenant));
    assert_true(str_is_none(keys[1].tenant));
    assert_true(str_equal_c(keys[1].project, "shop"));
    assert_true(str_equal_c(keys[1].label, "ci"));
    assert_int_equal(keys[1].permissions, 5);
    assert_int_equal(keys[1].expires_ns, 7);
    assert_int_equal(keys[1].revoked_ns, 0);
    assert_memory_equal(keys[1].secret_hash, first.secret_hash, META_HASH_BYTES);
}

static void a_revoked_key_is_listed_only_on_request(void **state)
{
    struct fixture *f = *state;
    struct meta_key *keys, first = some_key(0), second = some_key(1);
    assert_int_equal(meta_project_create(f->meta, STR_OF("shop"), 1, NULL), ERR_OK);
    assert_int_equal(meta_key_create(f->meta, &first, NULL), ERR_OK);
    assert_int_equal(meta_key_create(f->meta, &second, NULL), ERR_OK);
    assert_int_equal(meta_key_revoke(f->meta, first.id, 55, NULL), ERR_OK);
    assert_int_equal(meta_key_revoke(f->meta, first.id, 56, NULL), ERR_NOT_FOUND);
    assert_int_equal(meta_key_revoke(f->meta, STR_OF("none"), 56, NULL), ERR_NOT_FOUND);
    assert_int_equal(count_keys(f, false, &keys), 1);
    assert_true(str_equal(keys[0].id, second.id));
    assert_int_equal(count_keys(f, true, &keys), 2);
    assert_int_equal(keys[1].revoked_ns, 55);
}

static void what_conflicts_or_is_missing_is_refused(void **state)
{
    struct fixture *f = *state;
    struct meta_key key = some_key(0), same_hash = some_key(1);
    char name[META_NAME_BYTES_MAX + 1];
    memset(name, 'a', sizeof name);
    memcpy(same_hash.secret_hash, key.secret_hash, META_HASH_BYTES);
    assert_int_equal(meta_key_create(f->meta, &key, NULL), ERR_NOT_FOUND);
    assert_int_equal(meta_project_create(f->meta, STR_OF("shop"), 1, NULL), ERR_OK);
    assert_int_equal(meta_project_create(f->meta, STR_OF("shop"), 2, NULL), ERR_CONFLICT);
    assert_int_equal(meta_key_create(f->meta, &key, NULL), ERR_OK);
    assert_int_equal(meta_key_create(f->meta, &key, NULL), ERR_CONFLICT);
    assert_int_equal(meta_key_create(f->meta, &same_hash, NULL), ERR_CONFLICT);
    key = some_key(2);
    key.label = (str){ name, META_NAME_BYTES_MAX + 1 };
    assert_int_equal(meta_key_create(f->meta, &key, NULL), ERR_BAD_INPUT);
    key.label.len--;
    assert_int_equal(meta_key_create(f->meta, &key, NULL), ERR_OK);
    key.id.len--;
    assert_int_equal(meta_key_create(f->meta, &key, NULL), ERR_BAD_INPUT);
}

static void project_names_are_plain(void **state)
{
    struct fixture *f = *state;
    struct meta_project *projects;
    size_t count;
    char name[META_NAME_BYTES_MAX + 1];
    memset(name, 'a', sizeof name);
    static const char *const bad[] = { "", "a b", "a/b", "caf\xc3\xa9", "a'" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(meta_project_create(f->meta, str_from_c(bad[i]), 1, NULL), ERR_BAD_INPUT);
    assert_int_equal(meta_project_create(f->meta, (str){ name, sizeof name }, 1, NULL),
                     ERR_BAD_INPUT);
    assert_int_equal(meta_project_create(f->meta, (str){ name, sizeof name - 1 }, 1, NULL), ERR_OK);
    assert_int_equal(meta_project_create(f->meta, STR_OF("B-1_x.y"), 9, NULL), ERR_OK);
    assert_int_equal(meta_projects(f->meta, &f->arena, &projects, &count, NULL), ERR_OK);
    assert_int_equal(count, 2);
    assert_true(str_equal_c(projects[0].name, "B-1_x.y"));
    assert_int_equal(projects[0].created_ns, 9);
}

static void files_that_are_not_ours_are_refused(void **state)
{
    struct fixture *f = *state;
    struct meta *meta = NULL;
    struct stat info;
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    meta_close(f->meta);
    f->meta = NULL;
    assert_int_equal(
        file_replace(f->path, STR_OF("this is not a database, it is a text file."), 0600, NULL),
        ERR_OK);
    assert_int_equal(meta_open(f->path, &meta, NULL), ERR_CORRUPT);
    assert_int_equal(meta_open("/nonexistent/meta.db", &meta, NULL), ERR_IO);
    assert_null(meta);
}

static void put(struct fixture *f, const char *text, uint32_t expected)
{
    uint32_t number = 0;
    assert_int_equal(
        meta_mapping_put(f->meta, STR_OF("m.yaml"), str_from_c(text), 5, &number, NULL), ERR_OK);
    assert_int_equal(number, expected);
}

static void a_mapping_file_has_one_number_for_good(void **state)
{
    struct fixture *f = *state;
    struct meta_mapping_file file, *files;
    size_t count;
    put(f, "a.b: user_id\n", 1);
    put(f, "a.b: session_id\n", 2);
    put(f, "a.b: user_id\n", 1);
    reopen(f);
    put(f, "a.c: user_id\n", 3);
    assert_int_equal(meta_mapping_get(f->meta, 2, &f->arena, &file, NULL), ERR_OK);
    assert_true(str_equal_c(file.text, "a.b: session_id\n"));
    assert_int_equal(meta_mapping_get(f->meta, 4, &f->arena, &file, NULL), ERR_NOT_FOUND);
    assert_int_equal(meta_mapping_list(f->meta, &f->arena, &files, &count, NULL), ERR_OK);
    assert_int_equal(count, 3);
    assert_int_equal(files[2].number, 3);
    assert_int_equal(files[2].first_ns, 5);
    char *large = xcalloc(1, META_MAPPING_BYTES_MAX + 2);
    memset(large, '#', META_MAPPING_BYTES_MAX);
    put(f, large, 4);
    uint32_t number;
    large[META_MAPPING_BYTES_MAX] = '#';
    assert_int_equal(meta_mapping_put(f->meta, STR_OF("m"), str_from_c(large), 5, &number, NULL),
                     ERR_TOO_LARGE);
    xfree(large);
}

static void an_old_mapping_file_goes_unless_it_is_pinned(void **state)
{
    struct fixture *f = *state;
    struct meta_mapping_file file;
    char text[32];
    put(f, "1", 1);
    put(f, "2", 2);
    struct meta_pin pin = { .project = STR("p"), .tenant = STR_NONE, .tables = 1, .file = 1 };
    assert_int_equal(meta_pin_set(f->meta, &pin, NULL), ERR_OK);
    for (uint32_t i = 3; i <= META_MAPPING_FILES_MAX + 1; i++) {
        snprintf(text, sizeof text, "%u", i);
        put(f, text, i);
    }
    assert_int_equal(meta_mapping_get(f->meta, 2, &f->arena, &file, NULL), ERR_OK);
    put(f, "one more", META_MAPPING_FILES_MAX + 2);
    assert_int_equal(meta_mapping_get(f->meta, 2, &f->arena, &file, NULL), ERR_NOT_FOUND);
    assert_int_equal(meta_mapping_get(f->meta, 1, &f->arena, &file, NULL), ERR_OK);
}

static void pins_survive_a_restart_and_are_replaced_and_removed(void **state)
{
    struct fixture *f = *state;
    struct meta_pin *pins;
    size_t count;
    put(f, "a.b: user_id\n", 1);
    struct meta_pin all = { .project = STR("p"), .tenant = STR_NONE, .tables = 1, .set_ns = 1 };
    struct meta_pin one = { .project = STR("p"), .tenant = STR("t"), .tables = 2, .file = 1 };
    assert_int_equal(meta_pin_set(f->meta, &one, NULL), ERR_OK);
    assert_int_equal(meta_pin_set(f->meta, &all, NULL), ERR_OK);
    all.tables = 2;
    assert_int_equal(meta_pin_set(f->meta, &all, NULL), ERR_OK);
    reopen(f);
    assert_int_equal(meta_pins(f->meta, &f->arena, &pins, &count, NULL), ERR_OK);
    assert_int_equal(count, 2);
    assert_true(str_is_none(pins[0].tenant));
    assert_int_equal(pins[0].tables, 2);
    assert_true(str_equal_c(pins[1].tenant, "t"));
    assert_int_equal(pins[1].file, 1);
    one.file = 2; /* there is none */
    assert_int_equal(meta_pin_set(f->meta, &one, NULL), ERR_NOT_FOUND);
    one.project = STR_OF("no name");
    assert_int_equal(meta_pin_set(f->meta, &one, NULL), ERR_BAD_INPUT);
    assert_int_equal(meta_pin_clear(f->meta, STR_OF("p"), STR_NONE, NULL), ERR_OK);
    assert_int_equal(meta_pin_clear(f->meta, STR_OF("p"), STR_NONE, NULL), ERR_NOT_FOUND);
    assert_int_equal(meta_pins(f->meta, &f->arena, &pins, &count, NULL), ERR_OK);
    assert_int_equal(count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_survive_a_restart_as_they_were),
        TEST(a_revoked_key_is_listed_only_on_request),
        TEST(what_conflicts_or_is_missing_is_refused),
        TEST(project_names_are_plain),
        TEST(files_that_are_not_ours_are_refused),
        TEST(a_mapping_file_has_one_number_for_good),
        TEST(an_old_mapping_file_goes_unless_it_is_pinned),
        TEST(pins_survive_a_restart_and_are_replaced_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
