/* services.c -- the service map, of a range and of one trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/services.h"
#include "query/query_int.h"

#include <stdlib.h>

enum { PEERS_MAX = 200, CALL_MEASURES = 3 };
enum node_metric { NODE_SPANS, NODE_ERRORS, NODE_LATENCY, NODE_COST };

enum err services_init(struct services *services, struct arena *arena, struct diag *reterr_why)
{
    *services = (struct services){
        .arena = arena,
        .nodes = arena_new(arena, struct service_node, SERVICES_MAX + PEERS_MAX),
        .edges = arena_new(arena, struct service_edge, SERVICE_EDGES_MAX),
    };
    return services->nodes && services->edges
               ? ERR_OK
               : diag_set(reterr_why, ERR_LIMIT, "no room for the services");
}

enum err query_plan_services(struct arena *arena, const struct query_param *params, size_t count,
                             int64_t now_ns, struct services_ask *ret_ask, struct diag *reterr_why)
{
    static const char *const allowed[] = { "q", "from", "to" };
    static const struct report_part nodes = { .metrics = "count,errors,latency_p95,cost",
                                              .by = "service",
                                              .filter = "has:service",
                                              .limit = SERVICES_MAX + 1 };
    static const struct report_part peers = { .metrics = "count,errors,latency_p95,cost",
                                              .by = "service,peer_service",
                                              .filter = "has:service has:peer_service",
                                              .limit = PEERS_MAX + 1 };
    const struct report_request request = { params, count, now_ns };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = report_plan(arena, &request, &nodes, &ret_ask->nodes, reterr_why);
    if (code == ERR_OK)
        code = report_plan(arena, &request, &peers, &ret_ask->peers, reterr_why);
    return code;
}

static struct service_node *find_node(const struct services *services, str name)
{
    for (size_t i = 0; i < services->node_count; i++)
        if (str_equal(services->nodes[i].name, name))
            return &services->nodes[i];
    return NULL;
}

static struct service_node *add_node(struct services *services, str name, bool is_peer)
{
    struct service_node *node = find_node(services, name);
    if (node)
        return node;
    if (services->node_count == (size_t)(is_peer ? SERVICES_MAX + PEERS_MAX : SERVICES_MAX)) {
        services->truncated = true;
        return NULL;
    }
    node = &services->nodes[services->node_count++];
    *node = (struct service_node){ .name = name, .is_peer = is_peer };
    return node;
}

/* A new one; NULL past the most. */
static struct service_edge *add_edge(struct services *services, str from, str to)
{
    if (services->edge_count == SERVICE_EDGES_MAX) {
        services->truncated = true;
        return NULL;
    }
    struct service_edge *edge = &services->edges[services->edge_count++];
    *edge = (struct service_edge){ .from = from, .to = to };
    return edge;
}

static double number(const struct query_aggregate *plan, const struct store_group *group,
                     enum node_metric metric, bool *ret_known)
{
    double value;
    *ret_known = query_metric_value(plan, &plan->ask, group, metric, &value);
    return value;
}

static uint64_t count_of(const struct query_aggregate *plan, const struct store_group *group,
                         enum node_metric metric)
{
    bool is_known;
    double value = number(plan, group, metric, &is_known);
    return is_known && value > 0 ? (uint64_t)value : 0;
}

void services_add_nodes(struct services *services, const struct services_ask *ask,
                        const struct store_group *groups, size_t count)
{
    const struct query_aggregate *plan = &ask->nodes;
    for (size_t i = 0; i < count; i++) {
        struct service_node *node = add_node(services, groups[i].by[0], false);
        if (!node)
            return;
        node->spans = count_of(plan, &groups[i], NODE_SPANS);
        node->errors = count_of(plan, &groups[i], NODE_ERRORS);
        node->latency_p95_ns = number(plan, &groups[i], NODE_LATENCY, &node->has_latency);
        node->cost_nanousd = number(plan, &groups[i], NODE_COST, &node->has_cost);
        node->exemplar = groups[i].exemplar_trace_id;
    }
}

/* -- calls between services of a range -- */

static const struct filter *is_service(struct arena *arena, str name)
{
    struct filter *is = arena_new(arena, struct filter, 2);
    if (!is)
        return NULL;
    is[0] = (struct filter){ .op = FILTER_EQ, .field = FIELD_service, .value = value_str(name) };
    is[1] = (struct filter){ .op = FILTER_PARENT, .left = &is[0] };
    return &is[1];
}

enum err services_plan_calls(struct arena *arena, const struct services_ask *ask,
                             const struct services *services, size_t first,
                             struct store_aggregate *ret_ask)
{
    struct filter *fails = arena_new(arena, struct filter, 1);
    *ret_ask = ask->nodes.ask;
    ret_ask->measure_count = 0;
    ret_ask->limit = SERVICES_MAX;
    if (!fails)
        return ERR_LIMIT;
    *fails = (struct filter){ .op = FILTER_EQ,
                              .field = FIELD_status,
                              .value = value_str(STR_OF("error")) };
    for (size_t i = first; i < MIN(services->node_count, first + SERVICES_ASKED_MAX); i++) {
        struct store_measure *measures = &ret_ask->measures[ret_ask->measure_count];
        const struct filter *by = is_service(arena, services->nodes[i].name);
        const struct filter *failed = filter_join(arena, FILTER_AND, by, fails);
        if (!by || !failed)
            return ERR_LIMIT;
        measures[0] =
            (struct store_measure){ .op = STORE_OP_COUNT, .name = STR_NONE, .filter = by };
        measures[1] = measures[0];
        measures[1].filter = failed;
        measures[2] = (struct store_measure){ .op = STORE_OP_QUANTILE,
                                              .of = STORE_OF_FIELD,
                                              .field = FIELD_latency_ns,
                                              .name = STR_NONE,
                                              .quantile = 0.95,
                                              .filter = by };
        ret_ask->measure_count += CALL_MEASURES;
    }
    return ERR_OK;
}

void services_add_calls(struct services *services, size_t first, const struct store_group *groups,
                        size_t count)
{
    size_t end = MIN(services->node_count, first + SERVICES_ASKED_MAX);
    for (size_t g = 0; g < count; g++) {
        for (size_t i = first; i < end; i++) {
            const struct store_group *group = &groups[g];
            size_t at = (i - first) * CALL_MEASURES;
            str from = services->nodes[i].name;
            if (str_equal(from, group->by[0]) || !group->known[at] || group->values[at] < 1 ||
                !find_node(services, group->by[0]))
                continue;
            struct service_edge *edge = add_edge(services, from, group->by[0]);
            if (!edge)
                return;
            edge->calls = (uint64_t)group->values[at];
            edge->errors = group->known[at + 1] ? (uint64_t)group->values[at + 1] : 0;
            edge->has_latency = group->known[at + 2];
            edge->latency_p95_ns = group->values[at + 2];
        }
    }
}

void services_add_peers(struct services *services, const struct services_ask *ask,
                        const struct store_group *groups, size_t count)
{
    const struct query_aggregate *plan = &ask->peers;
    services->truncated |= count > PEERS_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct store_group *group = &groups[i];
        const struct service_node *known = find_node(services, group->by[1]);
        if (!find_node(services, group->by[0]) || (known && !known->is_peer))
            continue; /* seen from its own side */
        struct service_node *node = add_node(services, group->by[1], true);
        struct service_edge *edge = node ? add_edge(services, group->by[0], group->by[1]) : NULL;
        if (!edge)
            return;
        edge->is_peer = true;
        edge->calls = count_of(plan, group, NODE_SPANS);
        edge->errors = count_of(plan, group, NODE_ERRORS);
        edge->latency_p95_ns = number(plan, group, NODE_LATENCY, &edge->has_latency);
        node->spans += edge->calls;
        node->errors += edge->errors;
        node->exemplar = group->exemplar_trace_id;
    }
}

/* -- one trace -- */

struct call {
    str from, to;
    bool is_peer, failed, has_latency;
    int64_t latency_ns;
};

static int call_cmp(const void *a, const void *b)
{
    const struct call *x = a, *y = b;
    int order = str_cmp(x->from, y->from);
    if (!order)
        order = str_cmp(x->to, y->to);
    if (!order && x->has_latency != y->has_latency)
        return x->has_latency ? -1 : 1;
    return order ? order : x->latency_ns < y->latency_ns ? -1 : x->latency_ns > y->latency_ns;
}

static int span_cmp(const void *a, const void *b)
{
    const struct store_span *const *x = a, *const *y = b;
    return memcmp(&(*x)->span.span_id, &(*y)->span.span_id, sizeof(struct id8));
}

static bool fails(const struct span *span)
{
    return SPAN_KNOWS(span, status) && str_equal_c(span->status, "error");
}

static str service_of(const struct store_span *row)
{
    return row && SPAN_KNOWS(&row->span, service) ? row->span.service : STR_NONE;
}

/* A run of equal calls, the fastest first, as one edge. */
static void add_run(struct services *services, const struct call *calls, size_t count)
{
    struct service_edge *edge = add_edge(services, calls[0].from, calls[0].to);
    size_t timed = 0;
    if (!edge)
        return;
    edge->is_peer = calls[0].is_peer;
    edge->calls = count;
    for (size_t i = 0; i < count; i++) {
        edge->errors += calls[i].failed;
        timed += calls[i].has_latency;
    }
    edge->has_latency = timed > 0;
    size_t rank = (timed * 95 + 99) / 100;
    if (timed > 0)
        edge->latency_p95_ns = (double)calls[rank - 1].latency_ns;
}

static void nodes_of_spans(struct services *services, const struct store_span *spans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct span *span = &spans[i].span;
        str name = service_of(&spans[i]);
        struct service_node *node = str_is_none(name) ? NULL : add_node(services, name, false);
        if (!node)
            continue;
        node->spans++;
        node->errors += fails(span);
        node->exemplar = span->trace_id;
        if (SPAN_KNOWS(span, cost_nanousd) && !(SPAN_KNOWS(span, rollup) && span->rollup)) {
            node->has_cost = true;
            node->cost_nanousd += (double)span->cost_nanousd;
        }
    }
}

static str caller_of(const struct store_span *const *sorted, size_t count, const struct span *span)
{
    struct store_span key = { .log_segment = 0 };
    const struct store_span *pointer = &key;
    if (!SPAN_KNOWS(span, parent_span_id))
        return STR_NONE;
    key.span.span_id = span->parent_span_id;
    const struct store_span *const *found =
        bsearch(&pointer, sorted, count, sizeof *sorted, span_cmp);
    return found ? service_of(*found) : STR_NONE;
}

static size_t calls_of_spans(struct services *services, const struct store_span *spans,
                             size_t count, const struct store_span *const *sorted,
                             struct call *ret_calls)
{
    size_t call_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct span *span = &spans[i].span;
        str own = service_of(&spans[i]), from = caller_of(sorted, count, span);
        struct call call = { .failed = fails(span),
                             .has_latency = SPAN_KNOWS(span, latency_ns),
                             .latency_ns = SPAN_KNOWS(span, latency_ns) ? span->latency_ns : 0 };
        if (!str_is_none(own) && !str_is_none(from) && !str_equal(own, from)) {
            call.from = from;
            call.to = own;
            ret_calls[call_count++] = call;
        }
        if (str_is_none(own) || !SPAN_KNOWS(span, peer_service))
            continue;
        const struct service_node *known = find_node(services, span->peer_service);
        struct service_node *peer =
            known && !known->is_peer ? NULL : add_node(services, span->peer_service, true);
        if (!peer)
            continue;
        peer->spans++;
        peer->errors += call.failed;
        peer->exemplar = span->trace_id;
        call.is_peer = true;
        call.from = own;
        call.to = span->peer_service;
        ret_calls[call_count++] = call;
    }
    return call_count;
}

enum err services_of_spans(struct services *services, const struct store_span *spans, size_t count,
                           struct diag *reterr_why)
{
    const struct store_span **sorted =
        arena_new(services->arena, const struct store_span *, count + 1);
    struct call *calls = arena_new(services->arena, struct call, 2 * count + 1);
    if (!sorted || !calls)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the services");
    if (count == 0)
        return ERR_OK;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &spans[i];
    qsort(sorted, count, sizeof *sorted, span_cmp);
    nodes_of_spans(services, spans, count);
    size_t call_count = calls_of_spans(services, spans, count, sorted, calls);
    if (call_count > 0)
        qsort(calls, call_count, sizeof *calls, call_cmp);
    for (size_t i = 0, end; i < call_count; i = end) {
        for (end = i + 1; end < call_count && str_equal(calls[i].from, calls[end].from) &&
                          str_equal(calls[i].to, calls[end].to);)
            end++;
        add_run(services, &calls[i], end - i);
    }
    return ERR_OK;
}

/* -- the answer -- */

static int edge_cmp(const void *a, const void *b)
{
    const struct service_edge *x = a, *y = b;
    if (x->calls != y->calls)
        return x->calls > y->calls ? -1 : 1;
    int order = str_cmp(x->from, y->from);
    return order ? order : str_cmp(x->to, y->to);
}

static void add_node_json(struct buf *out, const struct service_node *node)
{
    buf_add_char(out, '{');
    report_text(out, "name", node->name);
    report_word(out, "kind", node->is_peer ? "peer" : "service");
    report_count(out, node->is_peer ? "calls" : "spans", node->spans);
    report_count(out, "errors", node->errors);
    report_value(out, "latency_p95_ms", QUERY_KIND_NS,
                 node->has_latency ? &node->latency_p95_ns : NULL);
    report_value(out, "cost_usd", QUERY_KIND_NANO, node->has_cost ? &node->cost_nanousd : NULL);
    report_trace_id(out, "exemplar_trace_id", node->exemplar);
    buf_add_char(out, '}');
}

/* Which spans are these calls? */
static str filter_of(struct arena *arena, const struct service_edge *edge)
{
    str from = query_quoted_if_needed(arena, edge->from);
    str to = query_quoted_if_needed(arena, edge->to);
    if (str_is_none(from) || str_is_none(to))
        return STR_NONE;
    return edge->is_peer
               ? arena_printf(arena, "service:%.*s peer_service:%.*s", STR_ARG(from), STR_ARG(to))
               : arena_printf(arena, "service:%.*s parent(service:%.*s)", STR_ARG(to),
                              STR_ARG(from));
}

static void add_edge_json(struct buf *out, struct arena *arena, const struct service_edge *edge)
{
    double rate = edge->calls ? (double)edge->errors / (double)edge->calls : 0;
    buf_add_char(out, '{');
    report_text(out, "from", edge->from);
    report_text(out, "to", edge->to);
    report_word(out, "kind", edge->is_peer ? "peer" : "service");
    report_count(out, "calls", edge->calls);
    report_count(out, "errors", edge->errors);
    report_value(out, "error_rate", QUERY_KIND_SHARE, &rate);
    report_value(out, "latency_p95_ms", QUERY_KIND_NS,
                 edge->has_latency ? &edge->latency_p95_ns : NULL);
    report_text(out, "filter", filter_of(arena, edge));
    buf_add_char(out, '}');
}

void query_services_json(struct buf *out, struct services *services)
{
    if (services->edge_count > 0)
        qsort(services->edges, services->edge_count, sizeof *services->edges, edge_cmp);
    report_member(out, "services");
    buf_add_char(out, '[');
    for (size_t i = 0; i < services->node_count; i++) {
        buf_add_c(out, i ? "," : "");
        add_node_json(out, &services->nodes[i]);
    }
    buf_add_char(out, ']');
    report_member(out, "edges");
    buf_add_char(out, '[');
    for (size_t i = 0; i < services->edge_count; i++) {
        buf_add_c(out, i ? "," : "");
        add_edge_json(out, services->arena, &services->edges[i]);
    }
    buf_add_char(out, ']');
    report_bool(out, "truncated", services->truncated);
}
