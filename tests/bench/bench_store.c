/* bench_store.c -- rows per second into the embedded store, and how long questions take.
 *
 *   bench_store [rows] [days]     default 1,000,000 rows over 4 days
 *
 * Lean spans, 4 to a trace; one commit of 4,096 spans at a time, gathered as the
 * server does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "store/store.h"
#include "sys/clock.h"
#include "sys/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { SPANS = 4, BATCH = 1024, MOVED = 25000, APPEND = 5000 };
#define DAY (86400 * NS_PER_S)
#define T0 (INT64_C(1795219200) * NS_PER_S)

static struct id16 trace_id(uint64_t t)
{
    uint64_t words[2] = { hash_bytes(&t, 8), hash_bytes_seeded(&t, 8, 7) };
    struct id16 id;
    memcpy(id.bytes, words, 16);
    return id;
}

static str text_of(struct arena *arena, const char *prefix, uint64_t value)
{
    return arena_printf(arena, "%s%llu", prefix, (unsigned long long)value);
}

static void attrs_fill(struct arena *arena, struct span *span, uint64_t hash)
{
    static const char *const names[] = { "http.request.method",    "http.route",
                                         "user_agent.original",    "server.address",
                                         "telemetry.sdk.language", "telemetry.sdk.version" };
    static const char *const values[] = { "POST",
                                          "/v1/conversations/{id}/answer",
                                          "Mozilla/5.0 (X11; Linux x86_64)",
                                          "chat.internal.example",
                                          "python",
                                          "1.38.0" };
    enum { TEXTS = COUNT_OF(names) };
    struct attr *attrs = arena_new(arena, struct attr, TEXTS + 1);
    for (size_t i = 0; i < TEXTS; i++)
        attrs[i] = (struct attr){ str_from_c(names[i]),
                                  { .type = VALUE_STR, .text = str_from_c(values[i]) } };
    attrs[TEXTS] = (struct attr){ STR_OF("server.port"),
                                  { .type = VALUE_I64, .i64 = (int64_t)(hash % 9000) } };
    span->attrs = attrs;
    span->attr_count = TEXTS + 1;
}

static void span_fill(struct arena *arena, struct store_span *row, uint64_t t, uint32_t i,
                      int64_t start)
{
    uint64_t h = hash_bytes_seeded(&t, 8, i);
    *row = (struct store_span){ .log_segment = 1, .log_offset = i, .settled = true };
    SPAN_SET(&row->span, project, STR_OF("p1"));
    SPAN_SET(&row->span, trace_id, trace_id(t));
    memcpy(row->span.span_id.bytes, &h, 8);
    span_mark(&row->span, FIELD_span_id);
    SPAN_SET(&row->span, name, STR_OF("chat gpt"));
    SPAN_SET(&row->span, kind, STR_OF("client"));
    SPAN_SET(&row->span, step, i ? STR_OF("model") : STR_OF("request"));
    SPAN_SET(&row->span, operation, STR_OF("chat"));
    SPAN_SET(&row->span, status, h % 50 ? STR_OF("ok") : STR_OF("error"));
    SPAN_SET(&row->span, start_time, start + (int64_t)i * 1000);
    SPAN_SET(&row->span, latency_ns, (int64_t)(h >> 40) * 1000);
    SPAN_SET(&row->span, service, text_of(arena, "service-", h % 40));
    SPAN_SET(&row->span, tenant_id, text_of(arena, "tenant-", h % 200));
    SPAN_SET(&row->span, user_id, text_of(arena, "user-", h % 50000));
    SPAN_SET(&row->span, generator_model, text_of(arena, "model-", h % 24));
    SPAN_SET(&row->span, provider, text_of(arena, "provider-", h % 6));
    SPAN_SET(&row->span, input_tokens, (int64_t)(h % 4000));
    SPAN_SET(&row->span, output_tokens, (int64_t)(h % 900));
    SPAN_SET(&row->span, total_tokens, (int64_t)(h % 4000 + h % 900));
    SPAN_SET(&row->span, cost_nanousd, (int64_t)(h % 9000000));
    SPAN_SET(&row->span, ttft_ns, (int64_t)(h % 1000000000));
    SPAN_SET(&row->span, stream, h % 2 == 0);
    SPAN_SET(&row->span, received_time, start);
    SPAN_SET(&row->span, session_id, text_of(arena, "sess-00000", h % 500000));
    SPAN_SET(&row->span, response_id, text_of(arena, "chatcmpl-0000000000", h));
    SPAN_SET(&row->span, peer_service, STR_OF("api.openai.example"));
    SPAN_SET(&row->span, temperature, 0.2);
    SPAN_SET(&row->span, max_tokens, 1024);
    SPAN_SET(&row->span, price_id, STR_OF("genai-prices/google/gemini-2.5-flash"));
    SPAN_SET(&row->span, scope_version, STR_OF("2.3b0"));
    attrs_fill(arena, &row->span, h);
}

static void trace_fill(struct trace_row *row, const struct store_span *spans)
{
    *row = (struct trace_row){ .trace_id = spans->span.trace_id,
                               .project = STR_OF("p1"),
                               .start_ns = spans->span.start_time,
                               .end_ns = spans->span.start_time + spans->span.latency_ns,
                               .status = STR_OF("ok"),
                               .span_count = SPANS,
                               .ttft_ns = -1,
                               .tenant_id = spans->span.tenant_id,
                               .top_k_returned = -1,
                               .service = spans->span.service,
                               .safety_blocked = -1,
                               .eval_sampled = -1,
                               .faithfulness = (double)NAN };
}

static void must(enum err code, const struct diag *why)
{
    if (code == ERR_OK)
        return;
    fprintf(stderr, "%s: %s\n", err_name(code), why->text);
    exit(1);
}

/* Of all threads: the engine has its own. */
static int64_t process_cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static long process_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

struct bench {
    struct store *store;
    struct arena arena;
    struct store_span *spans;
    struct trace_row *traces;
    const struct store_span **lists;
    uint32_t *counts;
    struct diag why;
    uint64_t rows, days;
};

static void batch_fill(struct bench *b, uint64_t first, uint64_t count)
{
    uint64_t traces = b->rows / SPANS;
    arena_reset(&b->arena);
    for (uint64_t t = 0; t < count; t++) {
        int64_t start =
            T0 + (int64_t)((double)(first + t) / (double)traces * (double)b->days * (double)DAY);
        for (uint32_t i = 0; i < SPANS; i++)
            span_fill(&b->arena, &b->spans[t * SPANS + i], first + t, i, start);
        trace_fill(&b->traces[t], &b->spans[t * SPANS]);
        b->lists[t] = &b->spans[t * SPANS];
        b->counts[t] = SPANS;
    }
}

static void load(struct bench *b)
{
    int64_t wall = 0, cpu = 0;
    long faults = 0;
    uint64_t sequence = 1;
    for (uint64_t t = 0; t < b->rows / SPANS; t += BATCH) {
        uint64_t count = MIN((uint64_t)BATCH, b->rows / SPANS - t);
        batch_fill(b, t, count);
        struct store_commit commit = { .traces = b->traces,
                                       .spans = b->lists,
                                       .span_counts = b->counts,
                                       .trace_count = count,
                                       .checkpoint_sequence = sequence++ };
        int64_t w = clock_monotonic_ns(), c = process_cpu_ns();
        long f = process_faults();
        must(store_duckdb.commit(b->store, &commit, &b->why), &b->why);
        wall += clock_monotonic_ns() - w;
        cpu += process_cpu_ns() - c;
        faults += process_faults() - f;
    }
    printf("commit   %8.0f rows/s (%.2f us CPU, %.3f faults)\n",
           (double)b->rows * 1e9 / (double)wall, (double)cpu / 1e3 / (double)b->rows,
           (double)faults / (double)b->rows);
}

static void append_and_move(struct bench *b)
{
    uint64_t count = MOVED, rows = count * SPANS;
    batch_fill(b, b->rows, count);
    int64_t w = clock_monotonic_ns(), c = process_cpu_ns();
    for (uint64_t i = 0; i < rows; i += APPEND)
        must(store_duckdb.append(b->store, b->spans + i, MIN((uint64_t)APPEND, rows - i), &b->why),
             &b->why);
    printf("append   %8.0f rows/s (%.2f us CPU), %d at a time\n",
           (double)rows * 1e9 / (double)(clock_monotonic_ns() - w),
           (double)(process_cpu_ns() - c) / 1e3 / (double)rows, APPEND);
    struct store_commit commit = { .traces = b->traces,
                                   .spans = b->lists,
                                   .span_counts = b->counts,
                                   .trace_count = count,
                                   .checkpoint_sequence = 1000000 };
    w = clock_monotonic_ns();
    must(store_duckdb.commit(b->store, &commit, &b->why), &b->why);
    printf("move     %8.0f rows/s from memory to disk\n",
           (double)rows * 1e9 / (double)(clock_monotonic_ns() - w));
}

enum question {
    TRACE_SPANS_OF,
    TRACE_NEAR,
    NEWEST,
    P95,
    RATES,
    TRACES_NEWEST,
    COSTLIEST,
    COUNT_TRACES, /* count(status:error)>1 */
    COUNT_SPANS,
    ANY_SPANS, /* any(status:error latency>1ms) */
    ANY_P95,
    QUESTIONS
};
static const char *const question_names[] = { "trace by id",          "trace by id, hour known",
                                              "newest 50, 3 filters", "p95 by model over all",
                                              "eight rates by model", "newest 50 traces",
                                              "50 costliest",         "50 traces by count()",
                                              "50 spans by count()",  "50 spans by any()",
                                              "p95 by any()" };

/* What a table of models shows: counts, sums and distinct traces, some of errors alone. */
static void rates(struct store_aggregate *sum, const struct filter *error)
{
    static const enum field fields[] = { FIELD_input_tokens, FIELD_output_tokens,
                                         FIELD_cost_nanousd };
    sum->measure_count = 0;
    struct store_measure *to = sum->measures;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct store_measure one = {
            .op = STORE_OP_SUM, .of = STORE_OF_FIELD, .field = fields[i], .name = STR_NONE
        };
        to[sum->measure_count++] = one;
        one.op = STORE_OP_COUNT;
        to[sum->measure_count++] = one;
    }
    to[sum->measure_count++] = (struct store_measure){ .op = STORE_OP_TRACES, .name = STR_NONE };
    to[sum->measure_count++] =
        (struct store_measure){ .op = STORE_OP_COUNT, .filter = error, .name = STR_NONE };
}

static size_t ask(struct bench *b, enum question question)
{
    struct filter model = { .op = FILTER_EQ,
                            .field = FIELD_generator_model,
                            .value = value_str(STR_OF("model-3")) };
    struct filter error = { .op = FILTER_EQ,
                            .field = FIELD_status,
                            .value = value_str(STR_OF("error")) };
    struct filter slow = { .op = FILTER_GT, .field = FIELD_latency_ns, .value = value_i64(1000) };
    struct filter two = { .op = FILTER_AND, .left = &model, .right = &error };
    struct filter three = { .op = FILTER_AND, .left = &two, .right = &slow };
    struct filter slow_error = { .op = FILTER_AND, .left = &error, .right = &slow };
    struct filter any = { .op = FILTER_ANY, .left = &slow_error };
    struct filter counted = { .op = FILTER_GT,
                              .left = &error,
                              .field = FIELD_COUNT,
                              .fold = FOLD_COUNT,
                              .value = value_i64(1) };
    char hex[33];
    struct id16 id = trace_id(b->rows / SPANS / 2);
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", id.bytes[i]);
    struct filter by_id = { .op = FILTER_EQ,
                            .field = FIELD_trace_id,
                            .value = value_str(str_make(hex, 32)) };
    struct store_list list = { .scope = { .project = STR_OF("p1"), .range = { 0, T0 + 400 * DAY } },
                               .limit = 50 };
    struct store_aggregate sum = { .scope = list.scope,
                                   .limit = 100,
                                   .by_count = 1,
                                   .by = { FIELD_generator_model },
                                   .measures = { { .op = STORE_OP_COUNT, .name = STR_NONE },
                                                 { .op = STORE_OP_QUANTILE,
                                                   .of = STORE_OF_FIELD,
                                                   .field = FIELD_latency_ns,
                                                   .name = STR_NONE,
                                                   .quantile = 0.95 } },
                                   .measure_count = 2 };
    int64_t middle = T0 + (int64_t)b->days * DAY / 2;
    if (question == TRACE_NEAR)
        list.scope.range =
            (struct time_range){ middle - 3600 * NS_PER_S, middle + 3600 * NS_PER_S };
    list.filter = question <= TRACE_NEAR ? &by_id : question == NEWEST ? &three : NULL;
    if (question >= COUNT_TRACES)
        list.filter = sum.filter = question >= ANY_SPANS ? &any : &counted;
    list.sort = question == COSTLIEST ? STORE_SORT_COST : STORE_SORT_START;
    size_t count = 0;
    struct store_span *spans;
    struct trace_row *traces;
    struct store_group *groups;
    if (question == RATES)
        rates(&sum, &error);
    if (question == P95 || question == RATES || question == ANY_P95)
        must(store_duckdb.aggregate(b->store, &sum, &b->arena, &groups, &count, &b->why), &b->why);
    else if (question == TRACES_NEWEST || question == COUNT_TRACES)
        must(store_duckdb.traces(b->store, &list, &b->arena, &traces, &count, &b->why), &b->why);
    else
        must(store_duckdb.spans(b->store, &list, &b->arena, &spans, &count, &b->why), &b->why);
    return count;
}

static void questions(struct bench *b)
{
    for (enum question question = 0; question < QUESTIONS; question++) {
        int64_t best = INT64_MAX, first = 0;
        size_t count = 0;
        for (int i = 0; i < 7; i++) {
            arena_reset(&b->arena);
            int64_t w = clock_monotonic_ns();
            count = ask(b, question);
            w = clock_monotonic_ns() - w;
            first = i ? first : w;
            best = MIN(best, w);
        }
        printf("%-24s first %7.2f ms, best %7.2f ms, %zu rows\n", question_names[question],
               (double)first / 1e6, (double)best / 1e6, count);
    }
}

/* -- dashboards: the same panels of spans and of rollups -- */

static void panel_ask(struct bench *b, int panel, bool of_spans, struct store_aggregate *ret_ask)
{
    static const int64_t steps[] = { DAY, 3600 * NS_PER_S, 0, DAY };
    *ret_ask = (struct store_aggregate){
        .scope = { .project = STR_OF("p1"), .range = { T0, T0 + (int64_t)b->days * DAY } },
        .limit = 100000,
        .by_count = 1,
        .by = { panel == 3 ? FIELD_tenant_id : FIELD_generator_model },
        .step_ns = steps[panel],
        .of_spans = of_spans,
    };
    struct store_measure count = { .op = STORE_OP_COUNT, .name = STR_NONE };
    struct store_measure cost = {
        .op = STORE_OP_SUM, .of = STORE_OF_FIELD, .field = FIELD_cost_nanousd, .name = STR_NONE
    };
    struct store_measure p95 = { .op = STORE_OP_QUANTILE,
                                 .of = STORE_OF_FIELD,
                                 .field = FIELD_latency_ns,
                                 .name = STR_NONE,
                                 .quantile = 0.95 };
    ret_ask->measures[ret_ask->measure_count++] = count;
    ret_ask->measures[ret_ask->measure_count++] = panel == 2 ? p95 : cost;
}

static void panels(struct bench *b)
{
    static const char *const names[] = { "cost by model, day", "cost by model, hour",
                                         "p95 by model", "cost by tenant, day" };
    int64_t start = clock_monotonic_ns();
    for (bool more = true; more;)
        must(store_duckdb.roll(b->store, &more, &b->why), &b->why);
    printf("rollups  %8.1f s for all days\n", (double)(clock_monotonic_ns() - start) / 1e9);
    for (int panel = 0; panel < (int)COUNT_OF(names); panel++)
        for (int of_spans = 1; of_spans >= 0; of_spans--) {
            int64_t best = INT64_MAX, worst = 0;
            size_t count = 0;
            for (int i = 0; i < 7; i++) {
                struct store_aggregate ask;
                struct store_group *groups;
                panel_ask(b, panel, of_spans, &ask);
                arena_reset(&b->arena);
                int64_t w = clock_monotonic_ns();
                must(store_duckdb.aggregate(b->store, &ask, &b->arena, &groups, &count, &b->why),
                     &b->why);
                w = clock_monotonic_ns() - w;
                best = MIN(best, w);
                worst = MAX(worst, w);
            }
            printf("%-20s %-8s best %7.2f ms, worst %7.2f ms, %zu rows\n", names[panel],
                   of_spans ? "spans" : "rollups", (double)best / 1e6, (double)worst / 1e6, count);
        }
}

int main(int argc, char **argv)
{
    struct bench b = { .why = DIAG_NONE };
    b.rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    b.days = argc > 2 ? strtoull(argv[2], NULL, 10) : 4;
    char dir[] = "bench-store-XXXXXX";
    if (!mkdtemp(dir))
        return 1;
    arena_init(&b.arena, 1024 * MIB);
    b.spans = xcalloc(MOVED * SPANS, sizeof *b.spans);
    b.traces = xcalloc(MOVED, sizeof *b.traces);
    b.lists = xcalloc(MOVED, sizeof *b.lists);
    b.counts = xcalloc(MOVED, sizeof *b.counts);
    struct store_config config = { .dir = dir, .threads_max = 2, .gather_ns = 5 * NS_PER_S };
    must(store_duckdb.open(&config, &b.store, &b.why), &b.why);
    load(&b);
    append_and_move(&b);
    questions(&b);
    struct store_status before, status;
    store_duckdb.status(b.store, &before);
    panels(&b);
    store_duckdb.status(b.store, &status);
    printf("disk     %8.1f bytes/row, engine memory %llu MiB\n",
           (double)status.disk_bytes / (double)status.span_count,
           (unsigned long long)status.memory_bytes >> 20);
    printf("rollups  %8.1f bytes/row\n",
           (double)(status.disk_bytes - before.disk_bytes) / (double)status.span_count);
    store_duckdb.close(b.store);
    int64_t w = clock_monotonic_ns();
    must(store_duckdb.open(&config, &b.store, &b.why), &b.why);
    printf("reopen   %8.1f ms\n", (double)(clock_monotonic_ns() - w) / 1e6);
    store_duckdb.close(b.store);
    printf("data left in %s\n", dir);
    return 0;
}
