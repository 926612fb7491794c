/* node.h -- the parts of a running server, opened in order and closed in reverse.
 *
 * Memory:  struct node owns every part.
 * Threads: opened and closed on the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "api/api.h"
#include "meta/meta.h"
#include "server/options.h"
#include "sys/thread.h"

enum { NODE_WORKERS_MAX = 64, NODE_LISTENERS = 3 };

struct worker {
    struct node *node;
    struct loop *loop;
    struct ingest *ingest;
    struct api_worker *api;
    struct net_handler with_api, only_ingest; /* what its listeners call */
    struct thread thread;
};

/* Mapping files that some pin names, and the pins that were ever published: both only grow, by
 * what people do, until the node is closed. */
struct node_mapping {
    struct pins_place place;
    struct pins **published;
    size_t published_count;
    struct node_mapping_file {
        uint32_t number;
        struct mapping *mapping;
    } * files;
    size_t file_count;
    uint32_t newest_file; /* 0: none */
    uint64_t hash;        /* of the pins in force */
};

struct node {
    struct options options;
    const char *data_dir, *keys_dir, *keystore_path;
    int lock_fd;
    bool first_start; /* a master key was made */
    struct keystore *keystore;
    struct wal *wal;
    struct content_store *content;
    const struct store_ops *store_ops;
    struct store *store;
    struct meta *meta;
    struct audit *audit, *search_audit; /* one file, opened by each thread that appends */
    struct search *search;
    struct auth *auth;
    uint64_t keys_hash; /* of the keys in the published snapshot */
    struct price_table *prices;
    struct node_mapping mapping; /* the operator's, and who is pinned to an older one */
    struct policy *tenants;      /* what they may send */
    struct redactor *redactor;
    struct digests *digests;
    struct meter *meter;
    struct drain *drain;
    struct upkeep *upkeep;
    struct api *api;
    struct buf config_json;
    struct worker workers[NODE_WORKERS_MAX];
    uint32_t worker_count;
    int ports[NODE_LISTENERS]; /* grpc, otlp, api; 0: not listening */
};

MUST_CHECK enum err node_open(struct node *node, struct diag *reterr_why);
void node_start(struct node *node);
void node_stop(struct node *node);
void node_close(struct node *node);

/* True when every listener is on the loopback interface. */
bool node_is_loopback(struct node *node);
/* Handlers of a worker: telemetry first, then (with_api) the read surface. */
void worker_handlers(struct worker *worker);
enum err node_authenticate(void *arg, struct request *request, struct ingest_identity *ret_who,
                           struct diag *reterr_why);
/* Keys in force, from metadata; a first admin key is made and printed when there is none. */
MUST_CHECK enum err node_open_auth(struct node *node, struct diag *reterr_why);
/* recovered.c: is there data that was written under keys; what to do when these are missing;
 * is the master key's file private; say what a crash or the disk took. */
bool node_has_data(struct node *node);
enum err node_explain_keys(const struct node *node, enum err err, struct diag *why);
MUST_CHECK enum err node_check_keys(const struct node *node, const char *master_path,
                                    struct diag *why);
void node_report_damage(const struct node *node);
/* Publish keys that were made or revoked since; on the main thread, now and then. */
void node_refresh_auth(struct node *node);
/* pins_in_force.c: the operator's mapping file gets its number, and those that somebody is pinned
 * to are read as they were.  refresh: as with keys. */
MUST_CHECK enum err node_open_mapping(struct node *node, struct diag *reterr_why);
void node_refresh_mapping(struct node *node);
void node_close_mapping(struct node *node);
