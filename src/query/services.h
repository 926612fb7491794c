/* services.h -- which service calls which: nodes and edges, of a range or of one trace.
 *
 * A span whose parent belongs to another service is a call of that service by the parent's.  What
 * is called outside the telemetry (a database, a model's address: peer_service) is a node too, of
 * kind "peer", unless it has the name of a service that is seen.
 *
 * Of a range: three or four grouped questions, for the SERVICES_MAX services with most spans.  Of a
 * trace: its spans, of which the caller has read all.
 *
 * Memory:  everything in the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/report.h"

enum {
    SERVICES_MAX = 40,
    SERVICES_ASKED_MAX = 20, /* callers per question: three measures each */
    SERVICE_EDGES_MAX = 1000,
};

struct service_node {
    str name;
    bool is_peer;
    uint64_t spans, errors;     /* of peers: calls */
    bool has_latency, has_cost; /* latency: of a range alone */
    double latency_p95_ns, cost_nanousd;
    struct id16 exemplar;
};
struct service_edge {
    str from, to;
    bool is_peer;
    uint64_t calls, errors;
    bool has_latency;
    double latency_p95_ns;
};
struct services {
    struct arena *arena;
    struct service_node *nodes;
    size_t node_count;
    struct service_edge *edges;
    size_t edge_count;
    bool truncated;
};
/* Empty, with room.  ERR_LIMIT. */
MUST_CHECK enum err services_init(struct services *services, struct arena *arena,
                                  struct diag *reterr_why);

/* GET /api/v1/services: q from to.  The services, and what they call outside. */
struct services_ask {
    struct query_aggregate nodes, peers;
};
MUST_CHECK enum err query_plan_services(struct arena *arena, const struct query_param *params,
                                        size_t count, int64_t now_ns, struct services_ask *ret_ask,
                                        struct diag *reterr_why);
/* Of the answer to ask->nodes. */
void services_add_nodes(struct services *services, const struct services_ask *ask,
                        const struct store_group *groups, size_t count);
/* Whom the services first..first + SERVICES_ASKED_MAX call.  ERR_LIMIT. */
MUST_CHECK enum err services_plan_calls(struct arena *arena, const struct services_ask *ask,
                                        const struct services *services, size_t first,
                                        struct store_aggregate *ret_ask);
void services_add_calls(struct services *services, size_t first, const struct store_group *groups,
                        size_t count);
/* Of the answer to ask->peers. */
void services_add_peers(struct services *services, const struct services_ask *ask,
                        const struct store_group *groups, size_t count);
/* Of one trace. */
MUST_CHECK enum err services_of_spans(struct services *services, const struct store_span *spans,
                                      size_t count, struct diag *reterr_why);

/* "services":[...],"edges":[...],"truncated":... into an open object. */
void query_services_json(struct buf *out, struct services *services);
