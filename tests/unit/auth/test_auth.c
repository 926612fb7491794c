/* test_auth.c -- keys, headers, permissions, and snapshots swapped under readers.
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
#include "auth/auth.h"
#include "base/text.h"
#include "sys/thread.h"
#include <stdatomic.h>
#include <stdio.h>

static const int64_t now = INT64_C(1795258800) * NS_PER_S;

struct fixture {
    struct auth_snapshot *snapshot;
    char reader[AUTH_TOKEN_LEN + 1];
    char sender[AUTH_TOKEN_LEN + 1];
    char short_lived[AUTH_TOKEN_LEN + 1];
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct auth_key keys[] = {
        { .project = STR("shop"), .permissions = AUTH_READ },
        { .project = STR("shop"), .tenant = STR("acme"), .permissions = AUTH_INGEST },
        { .project = STR("lab"), .permissions = AUTH_ALL, .expires_ns = now },
    };
    auth_key_create(&keys[0], f->reader);
    auth_key_create(&keys[1], f->sender);
    auth_key_create(&keys[2], f->short_lived);
    assert_int_equal(auth_snapshot_new(keys, COUNT_OF(keys), &f->snapshot, NULL), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    auth_snapshot_unref(f->snapshot);
    xfree(f);
    return 0;
}

static enum err check(struct fixture *f, const struct auth_offer *offer, uint32_t needed,
                      struct auth_principal *ret_principal)
{
    struct diag why = DIAG_NONE;
    enum err code = auth_check(f->snapshot, offer, needed, now, ret_principal, &why);
    assert_null(strstr(why.text, "tt_")); /* no part of a token in a message */
    if (code != ERR_OK)
        assert_int_equal(why.code, code);
    return code;
}

static str bearer(char *room, size_t size, const char *scheme, const char *token)
{
    int len = snprintf(room, size, "%s %s", scheme, token);
    return (str){ room, (size_t)len };
}

static void a_key_is_accepted_in_every_header_form(void **state)
{
    struct fixture *f = *state;
    struct auth_principal who;
    char room[400], basic[400];
    struct buf encoded;
    str token = str_from_c(f->reader);
    struct auth_offer offers[] = {
        { .x_telltale_key = token },
        { .x_api_key = token },
        { .api_key = token },
        { .dd_api_key = token },
        { .authorization = bearer(room, sizeof room, "bEaReR", f->reader) },
        { .authorization = STR("Basic dXNlcjpwYXNz"), .x_telltale_key = token },
        { .authorization = token }, /* without a scheme: Opik */
    };
    for (size_t i = 0; i < COUNT_OF(offers); i++) {
        assert_int_equal(check(f, &offers[i], AUTH_READ, &who), ERR_OK);
        assert_true(str_equal_c(who.project, "shop"));
        assert_true(str_is_none(who.tenant));
    }
    static const char *const forms[] = { "public:%s", "%s:", ":%s" };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        int len = i == 1 ? snprintf(room, sizeof room, "%s:", f->reader)
                         : snprintf(room, sizeof room, "%s:%s", i ? "" : "public", f->reader);
        buf_init(&encoded, KIB);
        base64_encode(&encoded, room, (size_t)len);
        buf_add_char(&encoded, '\0');
        struct auth_offer offer = { .authorization =
                                        bearer(basic, sizeof basic, "Basic", encoded.ptr) };
        assert_int_equal(check(f, &offer, AUTH_READ, &who), ERR_OK);
        buf_clear(&encoded);
    }
}

/* shows: P6 P17 */
static void a_missing_permission_is_forbidden_not_unauthenticated(void **state)
{
    struct fixture *f = *state;
    struct auth_principal who;
    struct auth_offer reader = { .x_api_key = str_from_c(f->reader) };
    struct auth_offer sender = { .x_api_key = str_from_c(f->sender) };
    assert_int_equal(check(f, &reader, AUTH_READ, &who), ERR_OK);
    assert_int_equal(check(f, &reader, AUTH_PAYLOAD_READ, &who), ERR_FORBIDDEN);
    assert_int_equal(check(f, &reader, AUTH_READ | AUTH_INGEST, &who), ERR_FORBIDDEN);
    assert_int_equal(check(f, &reader, AUTH_NONE, &who), ERR_OK);
    assert_int_equal(check(f, &sender, AUTH_INGEST, &who), ERR_OK);
    assert_true(str_equal_c(who.tenant, "acme"));
    assert_int_equal(check(f, &sender, AUTH_READ, &who), ERR_FORBIDDEN);
}

/* shows: P20 */
static void an_expired_key_stops_working_at_its_time(void **state)
{
    struct fixture *f = *state;
    struct auth_principal who;
    struct auth_offer offer = { .x_api_key = str_from_c(f->short_lived) };
    assert_int_equal(auth_check(f->snapshot, &offer, AUTH_READ, now - 1, &who, NULL), ERR_OK);
    assert_int_equal(auth_check(f->snapshot, &offer, AUTH_READ, now, &who, NULL),
                     ERR_UNAUTHENTICATED);
}

static void any_changed_digit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct auth_principal who;
    for (size_t i = 0; i < AUTH_TOKEN_LEN; i++) {
        char token[AUTH_TOKEN_LEN + 1];
        memcpy(token, f->reader, sizeof token);
        token[i] = token[i] == '0' ? '1' : '0';
        struct auth_offer offer = { .x_telltale_key = str_from_c(token) };
        assert_int_equal(check(f, &offer, AUTH_NONE, &who), ERR_UNAUTHENTICATED);
        token[i] = '\0'; /* cut */
        offer.x_telltale_key = str_from_c(token);
        assert_int_equal(check(f, &offer, AUTH_NONE, &who), ERR_UNAUTHENTICATED);
    }
}

static void malformed_offers_are_refused(void **state)
{
    struct fixture *f = *state;
    struct auth_principal who;
    char long_basic[2000];
    memset(long_basic, 'A', sizeof long_basic);
    memcpy(long_basic, "Basic ", 6);
    const struct auth_offer offers[] = {
        { .authorization = STR_NONE },
        { .authorization = STR("Bearer") },
        { .authorization = STR("Bearer ") },
        { .authorization = STR("Basic ???") },
        { .authorization = STR("Basic ") },
        { .authorization = STR("Basic Og==") },
        { .authorization = STR("Digest x") },
        { .authorization = { long_basic, sizeof long_basic } },
        { .x_api_key = STR("") },
    };
    for (size_t i = 0; i < COUNT_OF(offers); i++)
        assert_int_equal(check(f, &offers[i], AUTH_NONE, &who), ERR_UNAUTHENTICATED);
}

static void authentication_off_is_the_default_project_with_everything(void **state)
{
    (void)state;
    struct auth_snapshot *open = auth_snapshot_new_open();
    struct auth_offer offer = { .x_api_key = STR("anything") };
    struct auth_principal who;
    assert_int_equal(auth_check(open, &offer, AUTH_ALL, now, &who, NULL), ERR_OK);
    assert_true(str_equal_c(who.project, "default"));
    assert_true(str_is_none(who.tenant));
    assert_true(auth_snapshot_is_open(open));
    auth_snapshot_unref(open);
}

static void permissions_have_names(void **state)
{
    (void)state;
    uint32_t bits = 0;
    struct buf text;
    struct diag why = DIAG_NONE;
    buf_init(&text, KIB);
    assert_int_equal(auth_permissions_parse(STR_OF("read, payload:read,ingest,admin"), &bits, NULL),
                     ERR_OK);
    assert_int_equal(bits, AUTH_ALL);
    auth_permissions_format(&text, bits);
    assert_true(str_equal_c(buf_str(&text), "ingest,read,payload:read,admin"));
    assert_int_equal(auth_permissions_parse(STR_OF("read,wirte"), &bits, &why), ERR_BAD_INPUT);
    assert_int_equal(auth_permissions_parse(STR_OF(""), &bits, NULL), ERR_OK);
    assert_int_equal(bits, 0);
    buf_clear(&text);
}

static void bad_tables_are_refused(void **state)
{
    (void)state;
    struct auth_snapshot *snapshot = NULL;
    char token[AUTH_TOKEN_LEN + 1], name[AUTH_NAME_BYTES_MAX + 1];
    memset(name, 'a', sizeof name);
    struct auth_key keys[2] = { { .project = { name, AUTH_NAME_BYTES_MAX } } };
    auth_key_create(&keys[0], token);
    keys[1] = keys[0];
    assert_int_equal(auth_snapshot_new(keys, 2, &snapshot, NULL), ERR_CONFLICT);
    assert_int_equal(auth_snapshot_new(keys, 1, &snapshot, NULL), ERR_OK);
    assert_int_equal(auth_snapshot_count(snapshot), 1);
    auth_snapshot_unref(snapshot);
    keys[0].project.len++;
    assert_int_equal(auth_snapshot_new(keys, 1, &snapshot, NULL), ERR_BAD_INPUT);
    keys[0].project = STR_OF("");
    assert_int_equal(auth_snapshot_new(keys, 1, &snapshot, NULL), ERR_BAD_INPUT);
}

/* ---- swapping under readers ---- */

enum { READERS = 3, SWAPS = 400, TAKES_MIN = 50000 };

struct race {
    struct auth *auth;
    char token[AUTH_TOKEN_LEN + 1];
    struct auth_key key;
    atomic_bool stop;
    atomic_int failures;
};

static void race_read(void *arg)
{
    struct race *race = arg;
    struct auth_offer offer = { .x_api_key = str_from_c(race->token) };
    for (int i = 0; i < TAKES_MIN || !atomic_load(&race->stop); i++) {
        struct auth_snapshot *snapshot = auth_current(race->auth);
        struct auth_snapshot *second = auth_snapshot_ref(snapshot);
        struct auth_principal who;
        bool checks = i % 64 == 0;
        if (checks && (auth_check(snapshot, &offer, AUTH_READ, now, &who, NULL) != ERR_OK ||
                       !str_equal_c(who.project, "shop")))
            atomic_fetch_add(&race->failures, 1);
        auth_snapshot_unref(snapshot);
        auth_snapshot_unref(second);
    }
}

static struct auth_snapshot *race_snapshot(struct race *race)
{
    struct auth_snapshot *snapshot = NULL;
    assert_int_equal(auth_snapshot_new(&race->key, 1, &snapshot, NULL), ERR_OK);
    return snapshot;
}

static void snapshots_are_swapped_under_readers_without_loss(void **state)
{
    (void)state;
    struct race race = { .key = { .project = STR("shop"), .permissions = AUTH_READ } };
    struct thread threads[READERS] = { 0 };
    auth_key_create(&race.key, race.token);
    race.auth = auth_new(race_snapshot(&race));
    for (int i = 0; i < READERS; i++)
        thread_start(&threads[i], "reader", race_read, &race);
    for (int i = 0; i < SWAPS; i++)
        auth_publish(race.auth, race_snapshot(&race));
    atomic_store(&race.stop, true);
    for (int i = 0; i < READERS; i++)
        thread_join(&threads[i]);
    assert_int_equal(atomic_load(&race.failures), 0);
    auth_free(race.auth); /* leaks and early frees are the sanitizers' to find */
}

static void more_references_than_the_word_counts_are_kept(void **state)
{
    (void)state;
    enum { MANY = 200000 }; /* the word's counter has 16 bits */
    struct race race = { .key = { .project = STR("shop"), .permissions = AUTH_READ } };
    auth_key_create(&race.key, race.token);
    race.auth = auth_new(race_snapshot(&race));
    struct auth_snapshot *first = auth_current(race.auth);
    for (int i = 1; i < MANY; i++)
        assert_ptr_equal(auth_current(race.auth), first);
    auth_publish(race.auth, race_snapshot(&race));
    assert_ptr_not_equal(first, NULL);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(auth_snapshot_count(first), 1); /* alive to the last */
        auth_snapshot_unref(first);
    }
    auth_free(race.auth);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_accepted_in_every_header_form),
        TEST(a_missing_permission_is_forbidden_not_unauthenticated),
        TEST(an_expired_key_stops_working_at_its_time),
        TEST(any_changed_digit_is_refused),
        TEST(malformed_offers_are_refused),
        cmocka_unit_test(authentication_off_is_the_default_project_with_everything),
        cmocka_unit_test(permissions_have_names),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(snapshots_are_swapped_under_readers_without_loss),
        cmocka_unit_test(more_references_than_the_word_counts_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
