/* pipe_fixture.h -- the whole write path in one process: bodies in, rows out.
 *
 * A real log, content store and keystore in a temporary folder; the reference store,
 * which outlives a "crash" as a database would, behind operations that fail on command.
 * pipe_stop + pipe_start is a restart; without settling it is a crash.
 *
 * Memory:  one fixture per test; what is slow to make (prices, redactor) is shared.
 * Threads: the fault counters are atomic; drain's thread counts them down.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "pipeline/drain.h"
#include "pipeline/receive.h"
#include "sys/clock.h"
#include "sys/log.h"
#include <errno.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PIPE_DUMP_MAX = 64 * 1024 * 1024, PIPE_LINES_MAX = 400000 };

/* Shared by the tests of one program. */
static struct pipe_shared {
    char dir[64];
    struct keystore *keystore;
    struct price_table *prices;
    struct redactor *redactor;
} shared;

/* ---- faults ---- */
static atomic_int fail_appends, fail_commits, fail_knowns, fail_content_syncs;
static sem_t committed; /* posted after each commit that stored something */

static bool fault_due(atomic_int *left)
{
    int now = atomic_load(left);
    return now > 0 && atomic_compare_exchange_strong(left, &now, now - 1);
}

static enum err faulty_append(struct store *store, const struct store_span *spans, size_t count,
                              struct diag *reterr_why)
{
    if (fault_due(&fail_appends))
        return diag_set(reterr_why, ERR_IO, "append fails for a test");
    return store_memory.append(store, spans, count, reterr_why);
}

static enum err faulty_commit(struct store *store, const struct store_commit *commit,
                              struct diag *reterr_why)
{
    if (fault_due(&fail_commits))
        return diag_set(reterr_why, ERR_IO, "commit fails for a test");
    enum err err = store_memory.commit(store, commit, reterr_why);
    if (!err && commit->trace_count + commit->log_count + commit->metric_count)
        sem_post(&committed);
    return err;
}

static enum err faulty_known(struct store *store, const str *projects, const struct id16 *trace_ids,
                             size_t count, bool *ret_known, struct diag *reterr_why)
{
    if (fault_due(&fail_knowns))
        return diag_set(reterr_why, ERR_IO, "known fails for a test");
    return store_memory.known(store, projects, trace_ids, count, ret_known, reterr_why);
}

static int faulty_datasync(int fd)
{
    if (!fault_due(&fail_content_syncs))
        return sys_files_real.fdatasync(fd);
    errno = EIO;
    return -1;
}

/* ---- the fixture ---- */
struct pipe {
    char dir[64];
    struct store_ops ops;
    struct sys_files content_files;
    struct store *store;
    struct wal *wal;
    struct content_store *content;
    struct receiver *receiver;
    struct digests *digests;
    struct drain *drain;
    struct settle_times settle;
    size_t open_bytes_max;
    int64_t behind_ns;
    void (*before_drain_starts)(struct drain *drain);
    struct drain_status before; /* sums over restarts */
    sem_t acknowledged;
    bool started;
};

static enum err pipe_log_key(void *arg, int64_t hour, bool create, struct crypt_key *ret_key)
{
    (void)arg;
    return keystore_log_key(shared.keystore, hour, create, ret_key, NULL);
}

static enum err pipe_content_key(void *arg, uint64_t key_id, struct crypt_key *ret_key)
{
    (void)arg;
    return keystore_key_by_id(shared.keystore, key_id, ret_key);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static void dir_remove(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define ASSERT_OK(call, why)                                                                       \
    do {                                                                                           \
        enum err err_here = (call);                                                                \
        if (err_here != ERR_OK)                                                                    \
            print_error("%s: %s\n", err_name(err_here), (why).text);                               \
        assert_int_equal(err_here, ERR_OK);                                                        \
    } while (0)

static int shared_setup(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_LOGFMT);
    snprintf(shared.dir, sizeof shared.dir, "/tmp/pipe-shared-XXXXXX");
    if (!mkdtemp(shared.dir))
        return -1;
    char master[96], store[96];
    snprintf(master, sizeof master, "%s/master", shared.dir);
    snprintf(store, sizeof store, "%s/keystore", shared.dir);
    struct keys_config keys = { .master_path = master, .store_path = store, .may_create = true };
    struct price_source prices = { .prices = price_shipped() };
    struct crypt_key key = { { 7 } };
    bool created;
    sem_init(&committed, 0, 0);
    return keystore_open(&keys, &shared.keystore, &created, NULL) ||
           price_table_load(&prices, &shared.prices, NULL) ||
           redactor_new(&key, &shared.redactor, NULL);
}

static int shared_teardown(void **state)
{
    (void)state;
    redactor_free(shared.redactor);
    price_table_unref(shared.prices);
    keystore_free(shared.keystore);
    dir_remove(shared.dir);
    return 0;
}

static void pipe_start(struct pipe *pipe)
{
    struct diag why = DIAG_NONE;
    char log[96], content[96];
    snprintf(log, sizeof log, "%s/log", pipe->dir);
    snprintf(content, sizeof content, "%s/content", pipe->dir);
    struct store_status stored;
    pipe->ops.status(pipe->store, &stored);
    struct wal_config wal = { .dir = log,
                              .files = &sys_files_real,
                              .log_key = pipe_log_key,
                              .group_wait_ns = 1,
                              .disk_free_bytes_min = 1,
                              .after_sequence = stored.checkpoint_sequence };
    ASSERT_OK(wal_open(&wal, &pipe->wal, &why), why);
    struct content_config contents = { .dir = content,
                                       .files = &pipe->content_files,
                                       .key_by_id = pipe_content_key };
    ASSERT_OK(content_open(&contents, &pipe->content, &why), why);
    pipe->digests = digests_new();
    struct receive_config receive = { .wal = pipe->wal,
                                      .digests = pipe->digests,
                                      .keystore = shared.keystore,
                                      .prices = shared.prices,
                                      .redactor = shared.redactor,
                                      .policy = redact_policy_default,
                                      .limits = otlp_limits_default,
                                      .arena_bytes_max = 256 * MIB,
                                      .attr_value_bytes_max = 1024 };
    pipe->receiver = receiver_new(&receive);
    struct drain_config drain = { .wal = pipe->wal,
                                  .digests = pipe->digests,
                                  .store_ops = &pipe->ops,
                                  .store = pipe->store,
                                  .content = pipe->content,
                                  .keystore = shared.keystore,
                                  .prices = shared.prices,
                                  .settle = pipe->settle,
                                  .open_bytes_max = pipe->open_bytes_max,
                                  .tick_ns = NS_PER_MS,
                                  .behind_ns = pipe->behind_ns };
    pipe->drain = drain_new(&drain);
    if (pipe->before_drain_starts)
        pipe->before_drain_starts(pipe->drain);
    drain_start(pipe->drain);
    pipe->started = true;
}

static void pipe_init(struct pipe *pipe)
{
    struct diag why = DIAG_NONE;
    *pipe = (struct pipe){ .open_bytes_max = 96 * MIB };
    /* By command only: on a busy machine the default of 10 s passes within a test. */
    pipe->settle = (struct settle_times){ 600 * NS_PER_S, 600 * NS_PER_S, 600 * NS_PER_S };
    snprintf(pipe->dir, sizeof pipe->dir, "/tmp/pipe-test-XXXXXX");
    assert_non_null(mkdtemp(pipe->dir));
    char path[96];
    snprintf(path, sizeof path, "%s/log", pipe->dir);
    ASSERT_OK(dir_ensure(path, 0700, &why), why);
    snprintf(path, sizeof path, "%s/content", pipe->dir);
    ASSERT_OK(dir_ensure(path, 0700, &why), why);
    pipe->content_files = sys_files_real;
    pipe->content_files.fdatasync = faulty_datasync;
    pipe->ops = store_memory;
    pipe->ops.append = faulty_append;
    pipe->ops.commit = faulty_commit;
    pipe->ops.known = faulty_known;
    sem_init(&pipe->acknowledged, 0, 0);
    fail_appends = fail_commits = fail_knowns = fail_content_syncs = 0;
    while (sem_trywait(&committed) == 0)
        continue;
    struct store_config store = { .memory_bytes_max = 256 * MIB, .threads_max = 1 };
    ASSERT_OK(pipe->ops.open(&store, &pipe->store, &why), why);
    pipe_start(pipe);
}

/* `settle`: an orderly end; else the process might as well have been killed. */
static void pipe_stop(struct pipe *pipe, bool settle)
{
    struct drain_status status;
    drain_stop(pipe->drain, settle);
    drain_status(pipe->drain, &status);
    pipe->before.spans += status.spans;
    pipe->before.spans_settled += status.spans_settled;
    pipe->before.duplicate_batches += status.duplicate_batches;
    pipe->before.corrupt_records += status.corrupt_records;
    pipe->before.traces_late += status.traces_late;
    drain_free(pipe->drain);
    receiver_free(pipe->receiver);
    wal_close(pipe->wal);
    digests_free(pipe->digests);
    content_close(pipe->content);
    pipe->started = false;
}

static UNUSED void pipe_restart(struct pipe *pipe, bool settle)
{
    pipe_stop(pipe, settle);
    pipe_start(pipe);
}

static void pipe_clear(struct pipe *pipe)
{
    if (pipe->started)
        pipe_stop(pipe, false);
    pipe->ops.close(pipe->store);
    dir_remove(pipe->dir);
}

/* ---- sending ---- */
static void pipe_acknowledged(struct receive_ticket *ticket)
{
    sem_post(&((struct pipe *)ticket->arg)->acknowledged);
}

static enum err pipe_send_as(struct pipe *pipe, const struct receive_input *input,
                             uint32_t *ret_rejected)
{
    struct receive_ticket ticket = { .done = pipe_acknowledged, .arg = pipe };
    struct diag why = DIAG_NONE;
    bool in_flight;
    enum err err = receive_take(pipe->receiver, input, &ticket, &in_flight, &why);
    if (!err && in_flight) {
        while (sem_wait(&pipe->acknowledged) != 0)
            continue;
        err = ticket.entry.result;
    }
    if (err)
        print_error("%s: %s\n", err_name(err), why.text);
    *ret_rejected = ticket.rejected_count;
    return err;
}

static UNUSED uint32_t pipe_send(struct pipe *pipe, enum otlp_signal signal, str body)
{
    struct receive_input input = {
        .source = &source_otlp_http,
        .body = { .signal = signal, .encoding = OTLP_JSON, .bytes = body },
        .project = STR_OF("shop"),
    };
    uint32_t rejected = 0;
    assert_int_equal(pipe_send_as(pipe, &input, &rejected), ERR_OK);
    return rejected;
}

/* ---- bodies ---- */
#define PIPE_T0 pipe_t0()

/* A minute before the program began: the same for two runs that are compared. */
static int64_t pipe_t0(void)
{
    static int64_t t0;
    if (!t0)
        t0 = clock_now_ns() / NS_PER_S * NS_PER_S - 60 * NS_PER_S;
    return t0;
}

struct span_spec {
    uint64_t trace, span, parent; /* parent 0: a root */
    const char *name;
    const char *attrs; /* JSON objects of the attribute list, comma separated; NULL: none */
    int64_t start_ns;
    int64_t len_ns;
};

#define TEXT_ATTR(key, text) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" text "\"}}"
#define INT_ATTR(key, number) "{\"key\":\"" key "\",\"value\":{\"intValue\":\"" #number "\"}}"
#define CHAT_ATTRS                                                                                 \
    TEXT_ATTR("gen_ai.operation.name", "chat")                                                     \
    "," TEXT_ATTR("gen_ai.provider.name", "openai") "," TEXT_ATTR("gen_ai.request.model", "gpt-"   \
                                                                                          "4o")

static UNUSED void body_begin(struct buf *body)
{
    buf_reset(body);
    buf_add_c(body, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[" TEXT_ATTR(
                        "service.name",
                        "api") "]},\"scopeSpans\":[{\"scope\":{\"name\":\"t\"},\"spans\":[");
}

static UNUSED void body_span(struct buf *body, const struct span_spec *spec)
{
    if (buf_str(body).ptr[body->len - 1] == '}')
        buf_add_char(body, ',');
    buf_printf(body, "{\"traceId\":\"%016llx%016llx\",\"spanId\":\"%016llx\",", 0xabcULL,
               (unsigned long long)spec->trace, (unsigned long long)spec->span);
    if (spec->parent)
        buf_printf(body, "\"parentSpanId\":\"%016llx\",", (unsigned long long)spec->parent);
    buf_printf(body,
               "\"name\":\"%s\",\"kind\":3,\"startTimeUnixNano\":\"%lld\",\"endTimeUnixNano\":"
               "\"%lld\",\"attributes\":[%s]}",
               spec->name ? spec->name : "work", (long long)spec->start_ns,
               (long long)(spec->start_ns + spec->len_ns), spec->attrs ? spec->attrs : "");
}

static UNUSED void body_end(struct buf *body)
{
    buf_add_c(body, "]}]}]}");
    assert_false(buf_failed(body));
}

static UNUSED void pipe_send_span(struct pipe *pipe, const struct span_spec *spec)
{
    struct buf body;
    buf_init(&body, MIB);
    body_begin(&body);
    body_span(&body, spec);
    body_end(&body);
    assert_int_equal(pipe_send(pipe, OTLP_TRACES, buf_str(&body)), 0);
    buf_clear(&body);
}

/* ---- what is stored ---- */
struct pipe_rows {
    struct arena arena;
    struct store_span *spans;
    size_t span_count;
    struct trace_row *traces;
    size_t trace_count;
};

static void pipe_rows(struct pipe *pipe, struct pipe_rows *ret)
{
    struct diag why = DIAG_NONE;
    struct store_list list = { .scope = { .project = STR_OF("shop"),
                                          .range = { INT64_MIN / 2, INT64_MAX / 2 } },
                               .limit = 1000000 };
    *ret = (struct pipe_rows){ 0 };
    arena_init(&ret->arena, 2048 * MIB);
    ASSERT_OK(pipe->ops.spans(pipe->store, &list, &ret->arena, &ret->spans, &ret->span_count, &why),
              why);
    ASSERT_OK(
        pipe->ops.traces(pipe->store, &list, &ret->arena, &ret->traces, &ret->trace_count, &why),
        why);
}

static UNUSED void pipe_rows_clear(struct pipe_rows *rows)
{
    arena_clear(&rows->arena);
}

static UNUSED const struct store_span *rows_span(const struct pipe_rows *rows, uint64_t trace,
                                                 uint64_t span)
{
    for (size_t i = 0; i < rows->span_count; i++) {
        const struct span *at = &rows->spans[i].span;
        if (at->trace_id.bytes[15] == (trace & 255) && at->trace_id.bytes[14] == (trace >> 8) &&
            at->span_id.bytes[7] == (span & 255) && at->span_id.bytes[6] == (span >> 8))
            return &rows->spans[i];
    }
    return NULL;
}

/* The JSON of a span's content of one role, from the frames its trace points at. */
static UNUSED str rows_content(struct pipe *pipe, struct pipe_rows *rows, struct id16 trace_id,
                               struct id8 span_id, enum content_role role)
{
    struct content_reader *reader = content_reader_new(pipe->content);
    str found = STR_NONE;
    for (size_t i = 0; i < rows->trace_count; i++) {
        const struct trace_row *row = &rows->traces[i];
        if (memcmp(&row->trace_id, &trace_id, sizeof trace_id) != 0)
            continue;
        for (uint32_t f = 0; f < row->content_count; f++) {
            struct content_pointer pointer = { row->content[f].segment, row->content[f].offset,
                                               row->content[f].len };
            struct content_item *items;
            size_t count = 0;
            struct diag why = DIAG_NONE;
            ASSERT_OK(content_read(reader, pointer, &rows->arena, &items, &count, &why), why);
            for (size_t k = 0; k < count; k++)
                if (items[k].role == role && memcmp(&items[k].owner, &span_id, sizeof span_id) == 0)
                    found = items[k].json;
        }
    }
    content_reader_free(reader);
    return found;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

static void dump_span(struct buf *out, const struct store_span *row)
{
    struct span span = row->span;
    span_forget(&span, FIELD_received_time); /* differs between two runs */
    buf_add_c(out, "span {");
    span_fields_to_json(out, &span);
    buf_printf(out, "} roles=%x settled=%d attrs=%.*s", row->content_roles, row->settled,
               STR_ARG(row->attrs_json));
}

static void dump_trace(struct buf *out, const struct trace_row *row)
{
    buf_add_c(out, "trace ");
    buf_add_hex(out, &row->trace_id, 16);
    buf_printf(out, " root=%.*s spans=%u errors=%u calls=%u in=%lld out=%lld cost=%lld unpriced=%u",
               STR_ARG(row->root_name), row->span_count, row->error_count, row->model_call_count,
               (long long)row->input_tokens, (long long)row->output_tokens,
               (long long)row->cost_nanousd, row->unpriced_count);
    buf_printf(out, " tenant=%.*s user=%.*s", STR_ARG(row->tenant_id), STR_ARG(row->user_id));
}

/* Everything stored, as sorted lines: equal stores give equal texts. */
static UNUSED str pipe_dump(struct pipe *pipe, struct pipe_rows *rows)
{
    pipe_rows(pipe, rows);
    struct buf line;
    buf_init(&line, 4 * MIB);
    str *lines = xcalloc(PIPE_LINES_MAX, sizeof *lines);
    size_t count = 0;
    for (size_t i = 0; i < rows->span_count; i++) {
        const struct span *span = &rows->spans[i].span;
        buf_reset(&line);
        dump_span(&line, &rows->spans[i]);
        for (int role = 0; role < CONTENT_ROLE_COUNT; role++) {
            str text = rows->spans[i].content_roles >> role & 1
                           ? rows_content(pipe, rows, span->trace_id, span->span_id,
                                          (enum content_role)role)
                           : STR_NONE;
            if (!str_is_none(text))
                buf_printf(&line, "\n  %s %.*s", content_role_name((enum content_role)role),
                           STR_ARG(text));
        }
        lines[count++] = arena_str(&rows->arena, buf_str(&line));
    }
    for (size_t i = 0; i < rows->trace_count; i++) {
        buf_reset(&line);
        dump_trace(&line, &rows->traces[i]);
        lines[count++] = arena_str(&rows->arena, buf_str(&line));
    }
    qsort(lines, count, sizeof *lines, by_text);
    struct buf all;
    buf_init(&all, PIPE_DUMP_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(&all, lines[i]);
        buf_add_char(&all, '\n');
    }
    str text = arena_str(&rows->arena, buf_str(&all));
    buf_clear(&all);
    buf_clear(&line);
    xfree(lines);
    return text;
}

static UNUSED void assert_same_text(str a, str b)
{
    if (str_equal(a, b))
        return;
    size_t at = 0;
    while (at < a.len && at < b.len && a.ptr[at] == b.ptr[at])
        at++;
    size_t from = at > 200 ? at - 200 : 0;
    print_error("differs at byte %zu of %zu and %zu:\n1: %.*s\n2: %.*s\n", at, a.len, b.len,
                STR_ARG(str_sub(a, from, 500)), STR_ARG(str_sub(b, from, 500)));
    fail();
}
