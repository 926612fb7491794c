/* node.c -- opens the parts in the order in which they need each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "server/node.h"
#include "base/check.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include <stdio.h>
#include <unistd.h>

/* Settled rows wait so long in memory for a whole row group; the log holds them until then. */
#define STORE_GATHER_NS (5 * NS_PER_S)
/* A score counts without its trace's labels when the trace had not settled by then. */
#define METER_WAIT_MORE_NS (30 * NS_PER_S)
/* Rollups are made of days that have not changed for so long. */
#define ROLL_QUIET_NS (60 * NS_PER_S)

static const char *path_in(struct node *node, const char *dir, const char *name)
{
    str path = arena_printf(&node->options.arena, "%s/%s", dir, name);
    assert(path.ptr);
    return path.ptr;
}

static const char *const listener_options[NODE_LISTENERS] = { "listen.grpc", "listen.otlp",
                                                              "listen.api" };

/* NULL: not listened on. */
static const char *listener_address(struct options *options, size_t at)
{
    const str addresses[NODE_LISTENERS] = { options->listen_grpc, options->listen_otlp,
                                            options->listen_api };
    return addresses[at].len ? options_c(options, addresses[at]) : NULL;
}

bool node_is_loopback(struct node *node)
{
    bool is_loopback = true;
    for (size_t i = 0; i < NODE_LISTENERS; i++) {
        const char *address = listener_address(&node->options, i);
        is_loopback = is_loopback && (!address || net_is_loopback(address));
    }
    return is_loopback;
}

static void hint_address(size_t listener, struct diag *why)
{
    if (!why->hint[0])
        diag_hint(why, "that is --%s=HOST:PORT; a port is at most 65535",
                  listener_options[listener]);
}

static enum err check_addresses(struct node *node, struct diag *why)
{
    for (size_t i = 0; i < NODE_LISTENERS; i++) {
        const char *address = listener_address(&node->options, i);
        if (!address || net_address_check(address, why) == ERR_OK)
            continue;
        hint_address(i, why);
        return ERR_BAD_INPUT;
    }
    return ERR_OK;
}

/* Off loopback, authentication and TLS are required; nothing waives both (DECISIONS 15). */
static enum err check_exposure(struct node *node, struct diag *why)
{
    if (node_is_loopback(node))
        return ERR_OK;
    if (node->options.auth_mode == AUTH_MODE_OFF) {
        diag_set(why, ERR_FORBIDDEN, "auth.mode=off is for loopback listeners only");
        diag_hint(why, "remove auth.mode=off, or listen on 127.0.0.1");
        return ERR_FORBIDDEN;
    }
    if (node->options.tls_cert.len == 0) {
        diag_set(why, ERR_FORBIDDEN, "a listener that is not loopback needs TLS");
        diag_hint(why, "set listen.tls_cert and listen.tls_key, or listen on 127.0.0.1");
        return ERR_FORBIDDEN;
    }
    return ERR_OK;
}

static enum err open_folders(struct node *node, struct diag *why)
{
    struct options *options = &node->options;
    node->data_dir = options_c(options, options->data_dir);
    if (options->keys_dir.len)
        node->keys_dir = options_c(options, options->keys_dir);
    else
        node->keys_dir = arena_printf(&options->arena, "%s.keys", node->data_dir).ptr;
    enum err err = dir_ensure(node->data_dir, 0700, why);
    if (!err)
        err = dir_ensure(node->keys_dir, 0700, why);
    static const char *const folders[] = { "log", "content", "store" };
    for (size_t i = 0; i < COUNT_OF(folders) && !err; i++)
        err = dir_ensure(path_in(node, node->data_dir, folders[i]), 0700, why);
    if (err)
        return err;
    const char *lock = path_in(node, node->data_dir, "lock");
    err = file_lock(lock, &node->lock_fd, why);
    if (err == ERR_CONFLICT) {
        diag_set(why, err, "another server uses %s", node->data_dir);
        diag_hint(why, "stop it, or choose another --server.data_dir=");
    }
    return err;
}

static enum err open_keys(struct node *node, struct diag *why)
{
    struct options *options = &node->options;
    struct keys_config config = {
        .master_path = options->master_file.len ? options_c(options, options->master_file)
                                                : path_in(node, node->keys_dir, "master.key"),
        .master_hex = options->master_hex.len ? options_c(options, options->master_hex) : NULL,
        .store_path = path_in(node, node->keys_dir, "keystore"),
        .may_create = !node_has_data(node),
    };
    node->keystore_path = config.store_path;
    enum err err = keystore_open(&config, &node->keystore, &node->first_start, why);
    err = err ? node_explain_keys(node, err, why) : node_check_keys(node, config.master_path, why);
    if (!err && node->first_start)
        log_warn("a new master key was made; without it stored content cannot be read: back it up "
                 "apart from the data",
                 KV_C("path", config.master_path));
    return err;
}

static enum err log_key(void *arg, int64_t hour, bool create, struct crypt_key *ret_key)
{
    struct node *node = arg;
    return keystore_log_key(node->keystore, hour, create, ret_key, NULL);
}

static enum err content_key(void *arg, uint64_t key_id, struct crypt_key *ret_key)
{
    struct node *node = arg;
    return keystore_key_by_id(node->keystore, key_id, ret_key);
}

static struct content_external external_of(struct options *options)
{
    return (struct content_external){
        .objects = { .url = options->external_url.len ? options_c(options, options->external_url)
                                                      : NULL,
                     .endpoint = options_c(options, options->external_endpoint),
                     .region = options_c(options, options->external_region),
                     .path_style = (enum objects_style)options->external_path_style,
                     .credentials_path = options_c(options, options->external_credentials),
                     .ca_path = options_c(options, options->external_ca),
                     .timeout_ns = options->external_timeout_ns },
        .after_ns = options->external_after_ns,
        .keep_local_ns = options->external_keep_ns,
        .keep_local_bytes = (uint64_t)options->external_local_bytes,
        .cache_bytes = (size_t)(options->external_cache_bytes / options->query_threads),
    };
}

/* After the store: an emptied log goes on behind what the store has. */
static enum err open_log_and_content(struct node *node, struct diag *why)
{
    struct options *options = &node->options;
    struct store_status stored;
    node->store_ops->status(node->store, &stored);
    struct wal_config wal = {
        .dir = path_in(node, node->data_dir, "log"),
        .files = &sys_files_real,
        .log_key = log_key,
        .log_key_arg = node,
        .segment_bytes_max = (size_t)options->segment_bytes_max,
        .pending_bytes_max = (size_t)options->pending_bytes_max,
        .bytes_max = (uint64_t)options->log_bytes_max,
        .group_wait_ns = options->group_wait_ns,
        .disk_free_bytes_min = (size_t)options->disk_free_bytes_min,
        .after_sequence = stored.checkpoint_sequence,
    };
    struct content_config content = {
        .dir = path_in(node, node->data_dir, "content"),
        .files = &sys_files_real,
        .key_by_id = content_key,
        .key_arg = node,
        .external = external_of(options),
        .disk_free_bytes_min = (uint64_t)options->disk_free_bytes_min,
    };
    enum err err = wal_open(&wal, &node->wal, why);
    if (!err)
        err = content_open(&content, &node->content, why);
    if (!err)
        node_report_damage(node);
    return err;
}

static enum err search_key(void *arg, uint64_t key_id, uint64_t *ret_project,
                           struct crypt_key *ret_key)
{
    struct node *node = arg;
    return keystore_search_key(node->keystore, key_id, ret_project, ret_key);
}

/* The audit log first: it cuts what a crash tore, so one opens it before the other. */
static enum err open_audit_and_search(struct node *node, struct diag *why)
{
    const char *path = path_in(node, node->data_dir, "audit.log");
    struct search_config config = {
        .content = node->content,
        .dir = path_in(node, node->data_dir, "search"),
        .files = &sys_files_real,
        .key_of = search_key,
        .key_arg = node,
        .threads = (uint32_t)node->options.query_threads,
        .makes_index = node->options.search_index,
    };
    enum err err = audit_open(path, &sys_files_real, &node->audit, NULL, why);
    if (!err)
        err = audit_open(path, &sys_files_real, &node->search_audit, NULL, why);
    return err ? err : search_open(&config, &node->search, why);
}

static enum err open_store(struct node *node, struct diag *why)
{
    const struct options *options = &node->options;
    bool is_memory = options->store_kind == STORE_KIND_MEMORY;
    node->store_ops = is_memory ? &store_memory : &store_duckdb;
    struct store_config config = {
        .dir = is_memory ? NULL : path_in(node, node->data_dir, "store"),
        .memory_bytes_max = (size_t)options->store_memory,
        .threads_max = (uint32_t)options->query_threads,
        .gather_ns = STORE_GATHER_NS,
        .roll_quiet_ns = ROLL_QUIET_NS,
        .spans_keep_ns = options->retention_spans_ns,
    };
    return node->store_ops->open(&config, &node->store, why);
}

static enum err open_prices(struct node *node, struct diag *why)
{
    struct options *options = &node->options;
    struct buf text;
    buf_init(&text, YAML_BYTES_MAX);
    enum err err = options->price_overrides.len
                       ? file_read(options_c(options, options->price_overrides), &text, why)
                       : ERR_OK;
    struct price_source source = {
        .prices = price_shipped(),
        .overrides = options->price_overrides.len ? buf_str(&text) : STR_NONE,
        .overrides_name = options->price_overrides,
    };
    if (!err)
        err = price_table_load(&source, &node->prices, why);
    buf_clear(&text);
    return err;
}

static enum err open_policy(struct node *node, struct diag *why)
{
    struct options *options = &node->options;
    const struct policy_values values = {
        .content_sample = options->content_sample,
        .debug_sample = options->debug_sample,
        .items_per_s = options->items_per_s,
        .bytes_per_s = options->bytes_per_s,
        .attr_value_cut_bytes = options->attr_cut_bytes_max,
        .attrs_max = options->attrs_max,
    };
    bool has_file = options->tenants_file.len > 0;
    struct buf text;
    buf_init(&text, YAML_BYTES_MAX);
    enum err err =
        has_file ? file_read(options_c(options, options->tenants_file), &text, why) : ERR_OK;
    if (!err)
        err = policy_load(&values, options->burst_ns, options->tenants_file,
                          has_file ? buf_str(&text) : STR_NONE, &node->tenants, why);
    buf_clear(&text);
    return err;
}

static enum err open_rules(struct node *node, struct diag *why)
{
    enum err err = node_open_mapping(node, why);
    return err ? err : open_policy(node, why);
}

static enum err open_redactor(struct node *node, struct diag *why)
{
    struct crypt_key key;
    enum err err = keystore_hash_key(node->keystore, STR_OF("redaction"), &key, why);
    if (!err)
        err = redactor_new(&key, &node->redactor, why);
    crypt_wipe(&key, sizeof key);
    return err;
}

/* What spans are made of on their way in. */
static enum err open_meaning(struct node *node, struct diag *why)
{
    enum err err = open_prices(node, why);
    if (!err)
        err = open_rules(node, why);
    return err ? err : open_redactor(node, why);
}

static enum err open_upkeep(struct node *node, struct diag *why)
{
    const struct options *options = &node->options;
    struct upkeep_config config = {
        .store_ops = node->store_ops,
        .store = node->store,
        .content = node->content,
        .audit_path = path_in(node, node->data_dir, "audit.log"),
        .clock_path = path_in(node, node->data_dir, "retention.clock"),
        .policy = { .content_ns = options->retention_content_ns,
                    .previews_ns = options->retention_previews_ns,
                    .spans_ns = options->retention_spans_ns,
                    .scores_ns = options->retention_scores_ns,
                    .rollups_ns = options->retention_rollups_ns,
                    .projects = options->retention_projects },
        .every_ns = options->retention_every_ns,
        .grace_ns = 2 * options->query_timeout_ns,
    };
    return upkeep_new(&config, &node->upkeep, why);
}

static void open_drain(struct node *node)
{
    const struct options *options = &node->options;
    node->digests = digests_new();
    struct meter_config meter = {
        .values_max = (uint32_t)options->metric_values,
        .sets_max = (uint32_t)options->metric_sets,
        .wait_ns = options->settle_max_ns + METER_WAIT_MORE_NS,
    };
    node->meter = meter_new(&meter);
    struct drain_config config = {
        .wal = node->wal,
        .digests = node->digests,
        .store_ops = node->store_ops,
        .store = node->store,
        .content = node->content,
        .keystore = node->keystore,
        .prices = node->prices,
        .meter = node->meter,
        .tenants = node->tenants,
        .leave_unreported = !options->estimate_usage,
        .settle = { options->settle_root_ns, options->settle_idle_ns, options->settle_max_ns },
        .open_bytes_max = (size_t)options->open_bytes_max,
        .tick_ns = options->tick_ns,
        .on_spans = api_on_spans,
    };
    struct api_config api = {
        .store_ops = node->store_ops,
        .store = node->store,
        .content = node->content,
        .content_url =
            options->external_url.len ? options_c(&node->options, options->external_url) : NULL,
        .wal = node->wal,
        .keystore = node->keystore,
        .auth = node->auth,
        .audit = node->audit,
        .search = node->search,
        .search_audit = node->search_audit,
        .search_time_ns = options->search_time_ns,
        .meter = node->meter,
        .tenants = node->tenants,
        .pins = &node->mapping.place,
        .upkeep = node->upkeep,
        .query_threads = (uint32_t)options->query_threads,
        .queries_max = (uint32_t)options->queries_max,
        .query_timeout_ns = options->query_timeout_ns,
        .has_sql = options->query_sql,
        .sql_rows_max = (uint64_t)options->sql_rows_max,
        .sql_bytes_max = (uint64_t)options->sql_bytes_max,
        .sql_memory_max = (uint64_t)options->sql_memory,
        .sql_time_ns = options->sql_time_ns,
        .objective_latency_ns = options->objective_latency_ns,
        .objective_cost_usd = options->objective_cost,
        .objective_quality = options->objective_quality,
        .config_json = buf_str(&node->config_json),
        .data_dir = node->data_dir,
        .started_ns = clock_monotonic_ns(),
        .prices = node->prices,
        .price_count = (uint32_t)price_table_count(node->prices),
        .redaction_kinds = (uint32_t)redactor_kind_count(node->redactor),
    };
    node->api = api_new(&api);
    config.on_spans_arg = node->api;
    node->drain = drain_new(&config);
    api_set_drain(node->api, node->drain);
}

static struct redact_policy redact_policy_of(const struct options *options)
{
    static const enum redact_action actions[] = { REDACT_MASK, REDACT_HASH, REDACT_KEEP };
    struct redact_policy policy = redact_policy_default;
    policy.pii = actions[options->redact_pii];
    policy.identity = actions[options->redact_identity];
    policy.name_kind = options->redact_name_kind;
    policy.preview_chars_max = (uint32_t)options->preview_chars_max;
    return policy;
}

static void open_worker(struct node *node, struct worker *worker)
{
    const struct options *options = &node->options;
    worker->node = node;
    worker->loop = loop_new();
    struct ingest_config config = {
        .receive = {
            .wal = node->wal,
            .digests = node->digests,
            .keystore = node->keystore,
            .prices = node->prices,
            .pins = &node->mapping.place,
            .tenants = node->tenants,
            .redactor = node->redactor,
            .policy = redact_policy_of(options),
            .limits = { (uint32_t)options->items_max, (uint32_t)options->attrs_max,
                        (uint32_t)options->events_max, (uint32_t)options->links_max,
                        VALUE_DEPTH_MAX },
            .arena_bytes_max = (size_t)options->request_memory,
            .attr_value_bytes_max = (uint32_t)options->attr_value_bytes_max,
        },
        .loop = worker->loop,
        .body_bytes_max = (size_t)options->body_bytes_max,
        .plain_bytes_max = (size_t)options->plain_bytes_max,
        .flights_max = (uint32_t)options->flights_max,
        .authenticate = node_authenticate,
        .authenticate_arg = node,
    };
    worker->ingest = ingest_new(&config);
    worker->api = api_worker_new(node->api, worker->loop, worker->ingest);
    worker_handlers(worker);
}

/* "127.0.0.1:0" and a port that another worker got: the same address with that port. */
static const char *with_port(struct node *node, str address, int port)
{
    size_t colon = address.len;
    while (colon > 0 && address.ptr[colon - 1] != ':')
        colon--;
    return arena_printf(&node->options.arena, "%.*s%d", STR_ARG(str_sub(address, 0, colon)), port)
        .ptr;
}

static enum err listen_worker(struct node *node, struct worker *worker, struct diag *why)
{
    struct options *options = &node->options;
    struct net_limits limits = net_limits_default;
    limits.header_bytes_max = (size_t)options->header_bytes_max;
    limits.body_bytes_budget = (size_t)options->body_budget;
    limits.connections_max = (uint32_t)options->connections_max;
    limits.streams_max = (uint32_t)options->streams_max;
    limits.head_timeout_ns = options->head_timeout_ns;
    limits.body_timeout_ns = options->body_timeout_ns;
    limits.idle_timeout_ns = options->idle_timeout_ns;
    const struct net_handler *handlers[NODE_LISTENERS] = { &worker->only_ingest,
                                                           &worker->only_ingest,
                                                           &worker->with_api };
    for (size_t i = 0; i < NODE_LISTENERS; i++) {
        const char *address = listener_address(options, i);
        if (!address)
            continue;
        struct net_listen listen = {
            .address =
                node->ports[i] ? with_port(node, str_from_c(address), node->ports[i]) : address,
            .cert_path = options->tls_cert.len ? options_c(options, options->tls_cert) : NULL,
            .key_path = options->tls_key.len ? options_c(options, options->tls_key) : NULL,
            .reuse_port = options->workers > 1,
            .is_first = worker == &node->workers[0],
        };
        enum err err =
            net_listen(worker->loop, &listen, &limits, handlers[i], &node->ports[i], why);
        if (err == ERR_BAD_INPUT)
            hint_address(i, why);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err node_open(struct node *node, struct diag *reterr_why)
{
    enum err err = check_addresses(node, reterr_why);
    if (!err)
        err = check_exposure(node, reterr_why);
    if (!err)
        err = open_folders(node, reterr_why);
    if (!err)
        err = meta_open(path_in(node, node->data_dir, "meta.sqlite"), &node->meta, reterr_why);
    if (!err)
        err = open_keys(node, reterr_why);
    if (!err)
        err = open_store(node, reterr_why);
    if (!err)
        err = open_log_and_content(node, reterr_why);
    if (!err)
        err = open_meaning(node, reterr_why);
    if (!err)
        err = open_audit_and_search(node, reterr_why);
    if (!err)
        err = node_open_auth(node, reterr_why);
    if (!err)
        err = open_upkeep(node, reterr_why);
    if (err)
        return err;
    buf_init(&node->config_json, MIB);
    options_to_json(&node->config_json, &node->options);
    open_drain(node);
    node->worker_count = (uint32_t)node->options.workers;
    for (uint32_t i = 0; i < node->worker_count && !err; i++) {
        open_worker(node, &node->workers[i]);
        err = listen_worker(node, &node->workers[i], reterr_why);
    }
    return err;
}

static void worker_run(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
}

void node_start(struct node *node)
{
    drain_start(node->drain);
    upkeep_start(node->upkeep);
    api_start(node->api);
    search_start(node->search);
    for (uint32_t i = 0; i < node->worker_count; i++)
        thread_start(&node->workers[i].thread, "worker", worker_run, &node->workers[i]);
    api_set_ready(node->api, true);
}

void node_stop(struct node *node)
{
    api_set_ready(node->api, false);
    for (uint32_t i = 0; i < node->worker_count; i++)
        loop_stop(node->workers[i].loop);
    for (uint32_t i = 0; i < node->worker_count; i++)
        thread_join(&node->workers[i].thread);
    api_stop(node->api);
    search_stop(node->search);
    upkeep_stop(node->upkeep);
    drain_stop(node->drain, false);
}

/* In reverse; parts that were never opened are NULL, and free(NULL) is nothing. */
void node_close(struct node *node)
{
    drain_free(node->drain);
    if (node->wal)
        wal_close(node->wal); /* runs the last callbacks: the ingests must still be there */
    digests_free(node->digests);
    for (uint32_t i = 0; i < NODE_WORKERS_MAX; i++) {
        if (!node->workers[i].loop)
            continue;
        ingest_free(node->workers[i].ingest);
        api_worker_free(node->workers[i].api);
        loop_free(node->workers[i].loop);
    }
    api_free(node->api);
    meter_free(node->meter);
    upkeep_free(node->upkeep);
    if (node->store)
        node->store_ops->close(node->store);
    search_close(node->search);
    if (node->content)
        content_close(node->content);
    redactor_free(node->redactor);
    price_table_unref(node->prices);
    node_close_mapping(node);
    policy_free(node->tenants);
    auth_free(node->auth);
    if (node->search_audit)
        audit_close(node->search_audit);
    if (node->audit)
        audit_close(node->audit);
    if (node->meta)
        meta_close(node->meta);
    keystore_free(node->keystore);
    buf_clear(&node->config_json);
    if (node->lock_fd > 0)
        close(node->lock_fd);
    options_clear(&node->options);
}
