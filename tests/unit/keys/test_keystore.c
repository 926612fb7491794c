/* test_keystore.c -- keys come back, wrong masters are told so, destroyed keys stay gone.
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
#include "keys/keys_int.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char dir[64], master[96], store[96], lock[104];
    struct keys_config config;
};

static void place_init(struct place *place)
{
    *place = (struct place){ .dir = "/tmp/keys-test-XXXXXX" };
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->master, sizeof place->master, "%s/master.key", place->dir);
    snprintf(place->store, sizeof place->store, "%s/keystore", place->dir);
    snprintf(place->lock, sizeof place->lock, "%s.lock", place->store);
    place->config = (struct keys_config){ .master_path = place->master,
                                          .store_path = place->store,
                                          .may_create = true };
}

static void place_clear(struct place *place)
{
    unlink(place->master);
    unlink(place->store);
    unlink(place->lock);
    assert_int_equal(rmdir(place->dir), 0);
}

static struct keystore *place_open(struct place *place)
{
    struct keystore *keystore;
    bool created;
    struct diag why = DIAG_NONE;
    enum err err = keystore_open(&place->config, &keystore, &created, &why);
    if (err)
        print_error("%s\n", why.text);
    assert_int_equal(err, ERR_OK);
    return keystore;
}

static struct crypt_key subject(struct keystore *keystore, const char *tenant, const char *user,
                                uint64_t *ret_id)
{
    struct crypt_key key;
    assert_int_equal(keystore_subject_key(keystore, STR_OF("shop"), str_from_c(tenant),
                                          str_from_c(user), &key, ret_id, NULL),
                     ERR_OK);
    assert_in_range(*ret_id, 1, INT64_MAX);
    return key;
}

static bool same(struct crypt_key a, struct crypt_key b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* shows: D8 */
static void a_key_is_the_same_after_a_restart_and_different_for_each_subject(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct keystore *keystore = place_open(&place);
    uint64_t ids[4];
    struct crypt_key keys[4] = { subject(keystore, "acme", "anna", &ids[0]),
                                 subject(keystore, "acme", "bert", &ids[1]),
                                 subject(keystore, "acme", NULL, &ids[2]),
                                 subject(keystore, NULL, NULL, &ids[3]) };
    struct crypt_key hash, log;
    assert_int_equal(keystore_hash_key(keystore, STR_OF("shop"), &hash, NULL), ERR_OK);
    assert_int_equal(keystore_log_key(keystore, 500000, true, &log, NULL), ERR_OK);
    assert_int_equal(keystore_sync(keystore, NULL), ERR_OK);
    keystore_free(keystore);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++)
            assert_false(same(keys[i], keys[j]));
    }
    keystore = place_open(&place);
    for (int i = 0; i < 4; i++) {
        struct crypt_key key;
        assert_int_equal(keystore_key_by_id(keystore, ids[i], &key), ERR_OK);
        assert_true(same(key, keys[i]));
    }
    uint64_t id;
    assert_true(same(subject(keystore, "acme", "anna", &id), keys[0]));
    assert_int_equal(id, ids[0]);
    struct crypt_key again;
    assert_int_equal(keystore_hash_key(keystore, STR_OF("shop"), &again, NULL), ERR_OK);
    assert_true(same(again, hash));
    assert_int_equal(keystore_log_key(keystore, 500000, false, &again, NULL), ERR_OK);
    assert_true(same(again, log));
    struct keystore_status status;
    keystore_status(keystore, &status);
    assert_int_equal(status.project_keys, 1);
    assert_int_equal(status.tenant_keys, 1);
    assert_int_equal(status.subject_keys, 2);
    assert_int_equal(status.log_keys, 1);
    assert_false(status.master_file_too_open);
    keystore_free(keystore);
    place_clear(&place);
}

static void names_are_not_in_the_file_and_the_files_are_private(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct keystore *keystore = place_open(&place);
    uint64_t id;
    subject(keystore, "acme-incorporated", "anna@example.com", &id);
    assert_int_equal(keystore_sync(keystore, NULL), ERR_OK);
    keystore_free(keystore);
    struct buf file;
    buf_init(&file, MIB);
    assert_int_equal(file_read(place.store, &file, NULL), ERR_OK);
    assert_int_equal(str_find(buf_str(&file), STR_OF("anna")), file.len);
    assert_int_equal(str_find(buf_str(&file), STR_OF("acme")), file.len);
    buf_clear(&file);
    struct stat info;
    assert_int_equal(stat(place.store, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(stat(place.master, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    place_clear(&place);
}

static void a_master_that_others_may_read_is_reported(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    keystore_free(place_open(&place));
    chmod(place.master, 0640);
    struct keystore *keystore = place_open(&place);
    struct keystore_status status;
    keystore_status(keystore, &status);
    assert_true(status.master_file_too_open);
    keystore_free(keystore);
    place_clear(&place);
}

static void a_wrong_missing_or_malformed_master_is_an_error_with_a_hint(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct keystore *keystore = place_open(&place);
    struct keystore_status status;
    keystore_status(keystore, &status);
    keystore_free(keystore);
    bool created;
    const char *bad[] = { "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
                          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
                          "zz23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        place.config.master_hex = bad[i];
        struct diag why = DIAG_NONE;
        assert_int_equal(keystore_open(&place.config, &keystore, &created, &why), ERR_KEY);
        assert_true(why.hint[0]);
        if (i == 0)
            assert_non_null(strstr(why.text, status.master_fingerprint));
    }
    place.config.master_hex = NULL;
    unlink(place.master);
    struct diag why = DIAG_NONE;
    assert_int_equal(keystore_open(&place.config, &keystore, &created, &why), ERR_KEY);
    assert_true(why.hint[0]);
    assert_false(file_exists(place.master));
    place_clear(&place);
}

static void the_master_is_made_only_when_allowed_and_only_once(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct keystore *keystore, *second;
    bool created;
    place.config.may_create = false;
    assert_int_equal(keystore_open(&place.config, &keystore, &created, NULL), ERR_KEY);
    assert_false(file_exists(place.master));
    place.config.may_create = true;
    assert_int_equal(keystore_open(&place.config, &keystore, &created, NULL), ERR_OK);
    assert_true(created);
    struct diag why = DIAG_NONE;
    assert_int_equal(keystore_open(&place.config, &second, &created, &why), ERR_CONFLICT);
    assert_true(why.hint[0]);
    place.config.read_only = true;
    assert_int_equal(keystore_open(&place.config, &second, &created, &why), ERR_OK);
    struct crypt_key key;
    uint64_t id;
    assert_int_equal(
        keystore_subject_key(second, STR_OF("new"), STR_NONE, STR_NONE, &key, &id, NULL),
        ERR_NOT_FOUND);
    keystore_free(second);
    keystore_free(keystore);
    place.config.read_only = false;
    assert_int_equal(keystore_open(&place.config, &keystore, &created, NULL), ERR_OK);
    assert_false(created);
    keystore_free(keystore);
    place_clear(&place);
}

/* shows: D8 D16 */
static void a_destroyed_subject_is_gone_for_good_and_others_stay(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct keystore *keystore = place_open(&place);
    uint64_t anna, bert, again;
    struct crypt_key old = subject(keystore, "acme", "anna", &anna);
    struct crypt_key other = subject(keystore, "acme", "bert", &bert);
    assert_int_equal(keystore_sync(keystore, NULL), ERR_OK);
    struct keys_record record = keys_find_id(keystore, anna)->record;
    assert_int_equal(
        keystore_destroy_subject(keystore, STR_OF("shop"), STR_OF("acme"), STR_OF("anna"), NULL),
        ERR_OK);
    for (int round = 0; round < 2; round++) {
        struct crypt_key key;
        assert_int_equal(keystore_key_by_id(keystore, anna, &key), ERR_NOT_FOUND);
        assert_int_equal(keystore_key_by_id(keystore, bert, &key), ERR_OK);
        assert_true(same(key, other));
        keystore_free(keystore);
        keystore = place_open(&place);
    }
    struct buf file;
    buf_init(&file, MIB);
    assert_int_equal(file_read(place.store, &file, NULL), ERR_OK);
    assert_int_equal(
        str_find(buf_str(&file), str_make((const char *)record.wrapped, sizeof record.wrapped)),
        file.len);
    buf_clear(&file);
    assert_int_equal(
        keystore_destroy_subject(keystore, STR_OF("shop"), STR_OF("acme"), STR_OF("anna"), NULL),
        ERR_NOT_FOUND);
    assert_false(same(subject(keystore, "acme", "anna", &again), old));
    assert_int_not_equal(again, anna);
    struct keystore_status status;
    keystore_status(keystore, &status);
    assert_int_equal(status.destroyed, 1);
    assert_int_equal(status.subject_keys, 2);
    keystore_free(keystore);
    place_clear(&place);
}

/* shows: D8 */
static void destroying_a_tenant_destroys_its_users(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct keystore *keystore = place_open(&place);
    uint64_t anna, lone, tenant;
    struct crypt_key key;
    subject(keystore, "acme", "anna", &anna);
    subject(keystore, "acme", NULL, &tenant);
    subject(keystore, NULL, "anna", &lone);
    assert_int_equal(
        keystore_destroy_subject(keystore, STR_OF("shop"), STR_OF("acme"), STR_NONE, NULL), ERR_OK);
    assert_int_equal(keystore_key_by_id(keystore, anna, &key), ERR_NOT_FOUND);
    assert_int_equal(keystore_key_by_id(keystore, tenant, &key), ERR_NOT_FOUND);
    assert_int_equal(keystore_key_by_id(keystore, lone, &key), ERR_OK);
    assert_int_equal(keystore_destroy_subject(keystore, STR_OF("shop"), STR_NONE, STR_NONE, NULL),
                     ERR_OK);
    assert_int_equal(keystore_key_by_id(keystore, lone, &key), ERR_NOT_FOUND);
    keystore_free(keystore);
    place_clear(&place);
}

static void log_keys_of_past_hours_are_forgotten(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct keystore *keystore = place_open(&place);
    struct crypt_key key;
    for (int64_t hour = 10; hour < 13; hour++)
        assert_int_equal(keystore_log_key(keystore, hour, true, &key, NULL), ERR_OK);
    assert_int_equal(keystore_log_key(keystore, 13, false, &key, NULL), ERR_NOT_FOUND);
    int64_t size = file_size(place.store);
    assert_int_equal(keystore_forget_log_keys(keystore, 12, NULL), ERR_OK);
    assert_int_equal(file_size(place.store), size - 2 * KEYS_RECORD_BYTES);
    assert_int_equal(keystore_log_key(keystore, 11, false, &key, NULL), ERR_NOT_FOUND);
    assert_int_equal(keystore_log_key(keystore, 12, false, &key, NULL), ERR_OK);
    assert_int_equal(keystore_log_key(keystore, 13, true, &key, NULL), ERR_OK);
    keystore_free(keystore);
    place_clear(&place);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    int fd = sys_files_real.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(&sys_files_real, fd, bytes, len, NULL), ERR_OK);
    sys_files_real.close(fd);
}

/* A file with log keys of hours 1..3. */
static void make_three(struct place *place, struct buf *ret_file)
{
    place_init(place);
    struct keystore *keystore = place_open(place);
    struct crypt_key key;
    for (int64_t hour = 1; hour <= 3; hour++)
        assert_int_equal(keystore_log_key(keystore, hour, true, &key, NULL), ERR_OK);
    keystore_free(keystore);
    buf_init(ret_file, MIB);
    assert_int_equal(file_read(place->store, ret_file, NULL), ERR_OK);
    assert_int_equal(ret_file->len, KEYS_HEADER_BYTES + 3 * KEYS_RECORD_BYTES);
}

static size_t keys_left(struct keystore *keystore)
{
    size_t left = 0;
    struct crypt_key key;
    for (int64_t hour = 1; hour <= 3; hour++)
        left += keystore_log_key(keystore, hour, false, &key, NULL) == ERR_OK;
    return left;
}

static void a_keystore_cut_at_any_byte_keeps_every_whole_key(void **state)
{
    (void)state;
    struct place place;
    struct buf file;
    make_three(&place, &file);
    for (size_t len = 0; len <= file.len; len++) {
        write_file(place.store, file.ptr, len);
        struct keystore *keystore;
        bool created;
        if (len < KEYS_HEADER_BYTES) {
            assert_int_equal(keystore_open(&place.config, &keystore, &created, NULL), ERR_CORRUPT);
            continue;
        }
        keystore = place_open(&place);
        size_t whole = (len - KEYS_HEADER_BYTES) / KEYS_RECORD_BYTES;
        assert_int_equal(keys_left(keystore), whole);
        struct crypt_key key;
        assert_int_equal(keystore_log_key(keystore, 9, true, &key, NULL), ERR_OK);
        keystore_free(keystore);
        assert_int_equal(file_size(place.store),
                         KEYS_HEADER_BYTES + (whole + 1) * KEYS_RECORD_BYTES);
        keystore = place_open(&place);
        assert_int_equal(keys_left(keystore), whole);
        assert_int_equal(keystore_log_key(keystore, 9, false, &key, NULL), ERR_OK);
        keystore_free(keystore);
    }
    buf_clear(&file);
    place_clear(&place);
}

static void a_flipped_bit_at_any_byte_costs_at_most_its_key_and_gives_no_wrong_one(void **state)
{
    (void)state;
    struct place place;
    struct buf file;
    make_three(&place, &file);
    for (size_t at = 0; at < file.len; at++) {
        file.ptr[at] = (char)(file.ptr[at] ^ (1 << (at % 8)));
        write_file(place.store, file.ptr, file.len);
        file.ptr[at] = (char)(file.ptr[at] ^ (1 << (at % 8)));
        struct keystore *keystore;
        bool created;
        enum err err = keystore_open(&place.config, &keystore, &created, NULL);
        if (at < KEYS_HEADER_BYTES) {
            assert_int_equal(err, ERR_CORRUPT);
            continue;
        }
        assert_int_equal(err, ERR_OK);
        assert_int_equal(keys_left(keystore), 2);
        keystore_free(keystore);
    }
    buf_clear(&file);
    place_clear(&place);
}

static void many_subjects_cost_one_sync(void **state)
{
    (void)state;
    enum { SUBJECTS = 20000 };
    struct place place;
    place_init(&place);
    struct keystore *keystore = place_open(&place);
    uint64_t *ids = xcalloc(SUBJECTS, sizeof *ids);
    for (int i = 0; i < SUBJECTS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        subject(keystore, "acme", user, &ids[i]);
    }
    assert_int_equal(file_size(place.store), KEYS_HEADER_BYTES);
    assert_int_equal(keystore_sync(keystore, NULL), ERR_OK);
    assert_int_equal(file_size(place.store),
                     KEYS_HEADER_BYTES + (SUBJECTS + 2) * KEYS_RECORD_BYTES);
    keystore_free(keystore);
    keystore = place_open(&place);
    struct crypt_key key;
    for (int i = 0; i < SUBJECTS; i++)
        assert_int_equal(keystore_key_by_id(keystore, ids[i], &key), ERR_OK);
    xfree(ids);
    keystore_free(keystore);
    place_clear(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_the_same_after_a_restart_and_different_for_each_subject),
        cmocka_unit_test(names_are_not_in_the_file_and_the_files_are_private),
        cmocka_unit_test(a_master_that_others_may_read_is_reported),
        cmocka_unit_test(a_wrong_missing_or_malformed_master_is_an_error_with_a_hint),
        cmocka_unit_test(the_master_is_made_only_when_allowed_and_only_once),
        cmocka_unit_test(a_destroyed_subject_is_gone_for_good_and_others_stay),
        cmocka_unit_test(destroying_a_tenant_destroys_its_users),
        cmocka_unit_test(log_keys_of_past_hours_are_forgotten),
        cmocka_unit_test(a_keystore_cut_at_any_byte_keeps_every_whole_key),
        cmocka_unit_test(a_flipped_bit_at_any_byte_costs_at_most_its_key_and_gives_no_wrong_one),
        cmocka_unit_test(many_subjects_cost_one_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
