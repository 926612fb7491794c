/* test_dispatch.c -- who is asked first, who owns a request, who sent it.
 *
 * Includes dispatch.c; the handlers behind it and the requests are written here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "server/dispatch.c"

enum { HEADERS_MAX = 4 };

/* ---- requests without a network ---- */
struct request {
    struct request_head head;
    struct header headers[HEADERS_MAX];
    struct arena arena;
    void *slot;
};

str request_header(const struct request_head *head, str name_lower)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (str_equal(head->headers[i].name, name_lower))
            return head->headers[i].value;
    return STR_NONE;
}

const struct request_head *request_head(const struct request *request)
{
    return &request->head;
}

struct arena *request_arena(struct request *request)
{
    return &request->arena;
}

void **request_slot(struct request *request)
{
    return &request->slot;
}

/* ---- two handlers that note what they are asked ---- */
struct owned { /* what a handler leaves in the slot */
    const struct net_handler *handler;
};
static struct seen {
    struct net_handler handler;
    struct owned owned;
    enum err head_answer;
    int heads, bodies, gones;
} ingest_seen, api_seen;

static enum err seen_head(void *arg, struct request *request, size_t *ret_body_max)
{
    struct seen *seen = arg;
    seen->heads++;
    if (seen->head_answer)
        return seen->head_answer;
    request->slot = &seen->owned;
    *ret_body_max = 7;
    return ERR_OK;
}

static void seen_body(void *arg, struct request *request, str body)
{
    assert(request->slot && str_equal_c(body, "body"));
    ((struct seen *)arg)->bodies++;
}

static void seen_gone(void *arg, struct request *request)
{
    request->slot = NULL;
    ((struct seen *)arg)->gones++;
}

static void seen_init(struct seen *seen, enum err head_answer)
{
    *seen = (struct seen){ .head_answer = head_answer };
    seen->handler = (struct net_handler){
        .head = seen_head, .body = seen_body, .gone = seen_gone, .arg = seen
    };
    seen->owned.handler = &seen->handler;
}

const struct net_handler *ingest_handler(struct ingest *ingest)
{
    (void)ingest;
    return &ingest_seen.handler;
}

const struct net_handler *api_handler(struct api_worker *worker)
{
    (void)worker;
    return &api_seen.handler;
}

/* ---- */
static struct worker *worker;
static struct request request;

static int setup(void **state)
{
    (void)state;
    worker = xcalloc(1, sizeof *worker);
    worker_handlers(worker);
    memset(&request, 0, sizeof request);
    request.head.headers = request.headers;
    arena_init(&request.arena, MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&request.arena);
    xfree(worker);
    return 0;
}

static enum err ask(const struct net_handler *handler)
{
    size_t body_max = 0;
    request.slot = NULL;
    return handler->head(handler->arg, &request, &body_max);
}

static void telemetry_is_asked_first_and_owns_what_it_takes(void **state)
{
    (void)state;
    seen_init(&ingest_seen, ERR_OK);
    seen_init(&api_seen, ERR_OK);
    assert_int_equal(ask(&worker->with_api), ERR_OK);
    assert_int_equal(api_seen.heads, 0);
    worker->with_api.body(worker->with_api.arg, &request, STR_OF("body"));
    worker->with_api.gone(worker->with_api.arg, &request);
    assert_int_equal(ingest_seen.bodies, 1);
    assert_int_equal(ingest_seen.gones, 1);
    assert_int_equal(api_seen.bodies + api_seen.gones, 0);
}

static void what_is_no_telemetry_goes_to_the_api_where_it_is_wanted(void **state)
{
    (void)state;
    seen_init(&ingest_seen, ERR_NOT_FOUND);
    seen_init(&api_seen, ERR_OK);
    assert_int_equal(ask(&worker->only_ingest), ERR_NOT_FOUND);
    assert_int_equal(api_seen.heads, 0);
    assert_int_equal(ask(&worker->with_api), ERR_OK);
    assert_int_equal(api_seen.heads, 1);
    worker->with_api.body(worker->with_api.arg, &request, STR_OF("body"));
    assert_int_equal(api_seen.bodies, 1);
    assert_int_equal(ingest_seen.bodies, 0);
}

static void what_telemetry_refuses_is_not_offered_to_the_api(void **state)
{
    (void)state;
    static const enum err refusals[] = { ERR_UNAUTHENTICATED, ERR_METHOD, ERR_BUSY, ERR_CANCELLED };
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        seen_init(&ingest_seen, refusals[i]);
        seen_init(&api_seen, ERR_OK);
        assert_int_equal(ask(&worker->with_api), refusals[i]);
        assert_int_equal(api_seen.heads, 0);
    }
}

static void a_request_that_nobody_owns_may_leave(void **state)
{
    (void)state;
    seen_init(&ingest_seen, ERR_OK);
    request.slot = NULL;
    worker->with_api.gone(worker->with_api.arg, &request);
    assert_int_equal(ingest_seen.gones, 0);
}

static enum err who(const char *header, const char *token, const struct auth_key *key,
                    struct ingest_identity *ret_who)
{
    struct auth_snapshot *snapshot;
    struct diag why = DIAG_NONE;
    struct node *node = xcalloc(1, sizeof *node);
    assert_int_equal(auth_snapshot_new(key, 1, &snapshot, NULL), ERR_OK);
    node->auth = auth_new(snapshot);
    request.headers[0] = (struct header){ str_from_c(header), str_from_c(token) };
    request.head.header_count = 1;
    enum err err = node_authenticate(node, &request, ret_who, &why);
    auth_free(node->auth); /* what *ret_who says must outlive the key */
    xfree(node);
    return err;
}

/* shows: C12 */
static void a_sender_is_the_project_and_tenant_of_his_key(void **state)
{
    (void)state;
    struct auth_key key = { .project = STR("shop"), .tenant = STR("acme") };
    char token[AUTH_TOKEN_LEN + 1], bearer[AUTH_TOKEN_LEN + 8];
    key.permissions = AUTH_INGEST;
    auth_key_create(&key, token);
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    static const char *const headers[] = { "authorization", "x-telltale-key", "x-api-key",
                                           "api-key" };
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct ingest_identity identity;
        assert_int_equal(who(headers[i], i ? token : bearer, &key, &identity), ERR_OK);
        assert_true(str_equal_c(identity.project, "shop"));
        assert_true(str_equal_c(identity.tenant, "acme"));
    }
    struct ingest_identity identity;
    assert_int_equal(who("x-other", token, &key, &identity), ERR_UNAUTHENTICATED);
    key.permissions = AUTH_READ; /* a reader's key does not write */
    assert_int_equal(who("x-api-key", token, &key, &identity), ERR_FORBIDDEN);
    key.permissions = AUTH_INGEST;
    key.tenant = STR_NONE;
    assert_int_equal(who("x-api-key", token, &key, &identity), ERR_OK);
    assert_true(str_is_none(identity.tenant));
}

static void a_head_without_room_is_an_error_not_another_project(void **state)
{
    (void)state;
    struct auth_key key = { .project = STR("shop"), .permissions = AUTH_INGEST };
    char token[AUTH_TOKEN_LEN + 1];
    struct ingest_identity identity;
    auth_key_create(&key, token);
    arena_init(&request.arena, 0);
    assert_int_equal(who("x-api-key", token, &key, &identity), ERR_LIMIT);
    key.tenant = STR_OF("acme"); /* nor any tenant, when there is room for the project alone */
    size_t limited = 0;
    for (size_t room = 0; room < 128; room++) {
        arena_clear(&request.arena);
        arena_init(&request.arena, room);
        enum err err = who("x-api-key", token, &key, &identity);
        limited += err == ERR_LIMIT;
        assert_true(err == ERR_LIMIT || (!err && str_equal_c(identity.tenant, "acme")));
    }
    assert_in_range(limited, 17, 127);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(telemetry_is_asked_first_and_owns_what_it_takes),
        TEST(what_is_no_telemetry_goes_to_the_api_where_it_is_wanted),
        TEST(what_telemetry_refuses_is_not_offered_to_the_api),
        TEST(a_request_that_nobody_owns_may_leave),
        TEST(a_sender_is_the_project_and_tenant_of_his_key),
        TEST(a_head_without_room_is_an_error_not_another_project),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
