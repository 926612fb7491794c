/* dispatch.c -- which handler a request belongs to, and who sent it.
 *
 * Telemetry is asked first on every listener, so that one port can serve all; the
 * API only where it is wanted.  The object that a handler leaves in the request's
 * slot starts with a pointer to that handler (pipeline/ingest.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "server/node.h"
#include "sys/clock.h"
#include "wire/otlp.h"

enum { REFUSAL_BYTES_MAX = 4096, REFUSAL_RETRY_MS = 1000 };

static const struct net_handler *owner_of(struct request *request)
{
    const struct net_handler **slot = *request_slot(request);
    assert(slot);
    return *slot;
}

static void on_body(void *arg, struct request *request, str body)
{
    (void)arg;
    const struct net_handler *owner = owner_of(request);
    owner->body(owner->arg, request, body);
}

static void on_gone(void *arg, struct request *request)
{
    (void)arg;
    if (!*request_slot(request))
        return;
    const struct net_handler *owner = owner_of(request);
    owner->gone(owner->arg, request);
}

static enum err head_ingest(void *arg, struct request *request, size_t *ret_body_max)
{
    struct worker *worker = arg;
    const struct net_handler *ingest = ingest_handler(worker->ingest);
    return ingest->head(ingest->arg, request, ret_body_max);
}

static enum err head_all(void *arg, struct request *request, size_t *ret_body_max)
{
    struct worker *worker = arg;
    enum err err = head_ingest(arg, request, ret_body_max);
    if (err != ERR_NOT_FOUND)
        return err;
    const struct net_handler *api = api_handler(worker->api);
    return api->head(api->arg, request, ret_body_max);
}

static str copied(struct request *request, const struct buf *bytes)
{
    str copy = buf_failed(bytes) ? STR_NONE : arena_str(request_arena(request), buf_str(bytes));
    return str_is_none(copy) ? STR_OF("") : copy;
}

/* net/ answers by itself (malformed, too slow, too large): say why, in the words of the
 * request as far as its head came. */
static void on_refuse(void *arg, struct request *request, struct response *response,
                      const struct diag *why)
{
    (void)arg;
    const struct request_head *head = request_head(request);
    str type = request_header(head, STR_OF("content-type"));
    bool is_protobuf = head->is_grpc || str_find(type, STR_OF("protobuf")) < type.len;
    str message = str_from_c(why->text[0] ? why->text : err_text(why->code));
    struct buf body;
    buf_init(&body, REFUSAL_BYTES_MAX);
    otlp_write_status(&body, is_protobuf ? OTLP_PROTOBUF : OTLP_JSON, err_grpc_code(why->code),
                      message, err_is_retryable(why->code) ? REFUSAL_RETRY_MS : 0);
    response->content_type =
        is_protobuf ? STR_OF("application/x-protobuf") : STR_OF("application/json");
    *(head->is_grpc ? &response->grpc_details : &response->body) = copied(request, &body);
    buf_clear(&body);
}

void worker_handlers(struct worker *worker)
{
    worker->only_ingest = (struct net_handler){
        .head = head_ingest, .body = on_body, .gone = on_gone, .refuse = on_refuse, .arg = worker
    };
    worker->with_api = worker->only_ingest;
    worker->with_api.head = head_all;
}

enum err node_authenticate(void *arg, struct request *request, struct ingest_identity *ret_who,
                           struct diag *reterr_why)
{
    struct node *node = arg;
    const struct request_head *head = request_head(request);
    struct auth_offer offer = {
        .authorization = request_header(head, STR_OF("authorization")),
        .x_telltale_key = request_header(head, STR_OF("x-telltale-key")),
        .x_api_key = request_header(head, STR_OF("x-api-key")),
        .api_key = request_header(head, STR_OF("api-key")),
        .dd_api_key = request_header(head, STR_OF("dd-api-key")),
    };
    struct auth_snapshot *snapshot = auth_current(node->auth);
    struct auth_principal who;
    enum err err = auth_check(snapshot, &offer, AUTH_INGEST, clock_now_ns(), &who, reterr_why);
    if (!err) {
        struct arena *arena = request_arena(request);
        ret_who->project = arena_str(arena, who.project);
        ret_who->tenant = arena_str(arena, who.tenant);
        ret_who->key = arena_str(arena, who.key_id); /* none: only rules of keys miss it */
        bool lost_tenant = str_is_none(ret_who->tenant) && !str_is_none(who.tenant);
        if (str_is_none(ret_who->project) || lost_tenant) /* never wider than the key */
            err = diag_set(reterr_why, ERR_LIMIT, "the request's head is too large");
    }
    auth_snapshot_unref(snapshot);
    return err;
}
