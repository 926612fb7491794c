/* test_keys_in_force.c -- the first API key, and keys that come and go while the server runs.
 *
 * Includes keys_in_force.c; of a node only options, metadata and the published keys exist.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "server/keys_in_force.c"
#include <fcntl.h>

static bool loopback;

bool node_is_loopback(struct node *node)
{
    (void)node;
    return loopback;
}

static char printed[4096];

/* Open authentication with stdout in a file: the token goes there, and tests print TAP. */
static void open_auth(struct node *node)
{
    FILE *capture = tmpfile();
    fflush(stdout);
    int real = dup(1);
    dup2(fileno(capture), 1);
    enum err err = node_open_auth(node, NULL);
    fflush(stdout);
    dup2(real, 1);
    close(real);
    rewind(capture);
    printed[fread(printed, 1, sizeof printed - 1, capture)] = '\0';
    fclose(capture);
    assert_int_equal(err, ERR_OK);
}

static struct node *node_with(int32_t mode)
{
    struct node *node = xcalloc(1, sizeof *node);
    node->options.auth_mode = mode;
    assert_int_equal(meta_open(":memory:", &node->meta, NULL), ERR_OK);
    return node;
}

static void node_drop(struct node *node)
{
    auth_free(node->auth);
    meta_close(node->meta);
    xfree(node);
}

static enum err check(struct node *node, const char *token, uint32_t needed, int64_t now_ns)
{
    struct auth_offer offer = { .authorization = STR_NONE, .x_telltale_key = str_from_c(token) };
    struct auth_snapshot *snapshot = auth_current(node->auth);
    struct auth_principal who;
    enum err err = auth_check(snapshot, &offer, needed, now_ns, &who, NULL);
    auth_snapshot_unref(snapshot);
    return err;
}

/* As `telltale key create` does beside a running server. */
static void create_key(struct node *node, uint32_t permissions, int64_t expires_ns,
                       struct auth_key *ret_key, char token[AUTH_TOKEN_LEN + 1])
{
    *ret_key = (struct auth_key){ .project = STR("default") };
    auth_key_create(ret_key, token);
    struct meta_key row = { .id = str_from_c(ret_key->id),
                            .project = STR("default"),
                            .permissions = permissions,
                            .created_ns = 1,
                            .expires_ns = expires_ns };
    memcpy(row.secret_hash, ret_key->secret_hash, sizeof row.secret_hash);
    assert_int_equal(meta_key_create(node->meta, &row, NULL), ERR_OK);
}

/* shows: P19 */
static void the_first_start_prints_a_key_that_may_everything_and_only_once(void **state)
{
    (void)state;
    struct node *node = node_with(AUTH_MODE_ON);
    open_auth(node);
    const char *token = strstr(printed, "tt_");
    assert_non_null(token);
    char first[AUTH_TOKEN_LEN + 1];
    snprintf(first, sizeof first, "%s", token);
    assert_int_equal(check(node, first, AUTH_ALL, 1), ERR_OK);
    assert_int_equal(check(node, NULL, AUTH_READ, 1), ERR_UNAUTHENTICATED);
    first[AUTH_TOKEN_LEN - 1] ^= 1;
    assert_int_equal(check(node, first, AUTH_READ, 1), ERR_UNAUTHENTICATED);
    auth_free(node->auth);
    open_auth(node); /* the next start */
    assert_string_equal(printed, "");
    node_drop(node);
}

static void by_itself_authentication_is_off_on_loopback_only(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        loopback = i;
        struct node *node = node_with(AUTH_MODE_AUTO);
        open_auth(node);
        assert_int_equal(check(node, NULL, AUTH_ALL, 1), loopback ? ERR_OK : ERR_UNAUTHENTICATED);
        assert_int_equal(strstr(printed, "tt_") == NULL, loopback);
        node_refresh_auth(node); /* what is open stays open */
        assert_int_equal(check(node, NULL, AUTH_ALL, 1), loopback ? ERR_OK : ERR_UNAUTHENTICATED);
        node_drop(node);
    }
    loopback = true;
    struct node *node = node_with(AUTH_MODE_ON); /* asked for, it holds on loopback too */
    open_auth(node);
    assert_int_equal(check(node, NULL, AUTH_READ, 1), ERR_UNAUTHENTICATED);
    node_drop(node);
}

static void keys_come_and_go_while_it_runs(void **state)
{
    (void)state;
    struct node *node = node_with(AUTH_MODE_ON);
    struct auth_key key;
    char token[AUTH_TOKEN_LEN + 1];
    open_auth(node);
    create_key(node, AUTH_INGEST, 0, &key, token);
    assert_int_equal(check(node, token, AUTH_INGEST, 1), ERR_UNAUTHENTICATED); /* not yet */
    node_refresh_auth(node);
    assert_int_equal(check(node, token, AUTH_INGEST, 1), ERR_OK);
    assert_int_equal(check(node, token, AUTH_READ, 1), ERR_FORBIDDEN);
    assert_int_equal(meta_key_revoke(node->meta, str_from_c(key.id), 5, NULL), ERR_OK);
    node_refresh_auth(node);
    assert_int_equal(check(node, token, AUTH_INGEST, 1), ERR_UNAUTHENTICATED);
    node_drop(node);
}

static void a_key_holds_to_its_last_nanosecond(void **state)
{
    (void)state;
    struct node *node = node_with(AUTH_MODE_ON);
    struct auth_key key;
    char token[AUTH_TOKEN_LEN + 1];
    open_auth(node);
    create_key(node, AUTH_READ, 1000, &key, token);
    node_refresh_auth(node);
    assert_int_equal(check(node, token, AUTH_READ, 999), ERR_OK);
    assert_int_equal(check(node, token, AUTH_READ, 1000), ERR_UNAUTHENTICATED);
    node_drop(node);
}

static void without_a_change_nothing_is_published(void **state)
{
    (void)state;
    struct node *node = node_with(AUTH_MODE_ON);
    open_auth(node);
    struct auth_snapshot *before = auth_current(node->auth);
    for (int i = 0; i < 10; i++)
        node_refresh_auth(node);
    struct auth_snapshot *after = auth_current(node->auth);
    assert_ptr_equal(before, after);
    auth_snapshot_unref(before);
    auth_snapshot_unref(after);
    node_drop(node);
}

/* Nobody is let in because the last key was revoked, and no new first key is handed out. */
static void after_the_last_key_nobody_gets_in(void **state)
{
    (void)state;
    struct node *node = node_with(AUTH_MODE_ON);
    char id[AUTH_ID_LEN + 1];
    open_auth(node);
    snprintf(id, sizeof id, "%s", strstr(printed, "tt_") + 3);
    assert_int_equal(meta_key_revoke(node->meta, str_from_c(id), 5, NULL), ERR_OK);
    node_refresh_auth(node);
    assert_int_equal(check(node, strstr(printed, "tt_"), AUTH_READ, 1), ERR_UNAUTHENTICATED);
    assert_int_equal(check(node, NULL, AUTH_READ, 1), ERR_UNAUTHENTICATED);
    struct auth_snapshot *now = auth_current(node->auth);
    assert_int_equal(auth_snapshot_count(now), 0);
    assert_false(auth_snapshot_is_open(now));
    auth_snapshot_unref(now);
    node_drop(node);
}

int main(void)
{
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_start_prints_a_key_that_may_everything_and_only_once),
        cmocka_unit_test(by_itself_authentication_is_off_on_loopback_only),
        cmocka_unit_test(keys_come_and_go_while_it_runs),
        cmocka_unit_test(a_key_holds_to_its_last_nanosecond),
        cmocka_unit_test(without_a_change_nothing_is_published),
        cmocka_unit_test(after_the_last_key_nobody_gets_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
