/* test_duckdb.c -- what only the embedded store does: files, crashes, full dictionaries.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/duckdb_int.h"
#include "store_help.h"

#include "sys/clock.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { CRASH_SPANS = 4, CRASH_TRACES_MAX = 100000, CRASH_BATCH = 50 };

static int setup_dir(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    *f = (struct fixture){ .ops = &store_duckdb, .why = DIAG_NONE };
    arena_init(&f->arena, 512 * MIB);
    snprintf(f->dir, sizeof f->dir, "/tmp/store-test-XXXXXX");
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}
/* -- crash: killed at any moment, what the checkpoint says is there, whole -- */

static enum err crash_commit(struct fixture *f, uint64_t first)
{
    static struct store_span rows[CRASH_BATCH][CRASH_SPANS];
    struct trace_row traces[CRASH_BATCH];
    const struct store_span *spans[CRASH_BATCH];
    uint32_t counts[CRASH_BATCH];
    for (uint64_t t = 0; t < CRASH_BATCH; t++) {
        for (uint64_t i = 0; i < CRASH_SPANS; i++)
            rows[t][i] =
                span_make(first + t, i + 1, T0 + (int64_t)((first + t) % 3) * 86400 * NS_PER_S);
        traces[t] = trace_make(rows[t], CRASH_SPANS);
        spans[t] = rows[t];
        counts[t] = CRASH_SPANS;
    }
    struct store_commit commit = { .traces = traces,
                                   .spans = spans,
                                   .span_counts = counts,
                                   .trace_count = CRASH_BATCH,
                                   .checkpoint_sequence = first + CRASH_BATCH };
    return f->ops->commit(f->store, &commit, &f->why);
}

/* In a process of its own: it is killed in the middle of its work. */
NORETURN static void crash_child(struct fixture *f, uint64_t first, int report)
{
    if (!fixture_open(f))
        _exit(1);
    for (uint64_t t = first; t < CRASH_TRACES_MAX; t += CRASH_BATCH) {
        if (crash_commit(f, t) != ERR_OK)
            _exit(1);
        char byte = 0;
        if (write(report, &byte, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static uint64_t crash_after(struct fixture *f, uint64_t first, int commits)
{
    int ends[2], status;
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        crash_child(f, first, ends[1]);
    close(ends[1]);
    for (int i = 0; i < commits; i++)
        assert_int_equal(read(ends[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    uint64_t more = 0; /* reported after our last look */
    while (read(ends[0], &byte, 1) == 1)
        more++;
    close(ends[0]);
    return first + ((uint64_t)commits + more) * CRASH_BATCH;
}

static void whole_traces_up_to_the_checkpoint(struct fixture *f, uint64_t acknowledged)
{
    struct store_status status;
    f->ops->status(f->store, &status);
    if (f->gather_ns == 0)
        assert_true(status.checkpoint_sequence >= acknowledged);
    assert_int_equal(status.span_count, status.trace_count * CRASH_SPANS);
    assert_true(status.trace_count + CRASH_BATCH >= status.checkpoint_sequence - 1);
    struct store_list list = list_of(NULL, CRASH_TRACES_MAX);
    assert_int_equal(count_traces(f, list), status.trace_count);
}

/* ThreadSanitizer ends a process at 64 locks; the engine takes more of them before a fork. */
#ifdef __SANITIZE_THREAD__
static const bool can_fork = false;
#else
static const bool can_fork = true;
#endif

static void a_kill_leaves_whole_traces_up_to_the_checkpoint(void **state)
{
    if (!can_fork) {
        printf("# left out under ThreadSanitizer: too many locks for it before a fork\n");
        return;
    }
    struct fixture *f = *state;
    uint64_t next = 1;
    for (int round = 0; round < 4; round++) {
        f->gather_ns = round % 2 ? 30 * NS_PER_MS : 0;
        uint64_t acknowledged = crash_after(f, next, 1 + round * 3);
        assert_true(fixture_open(f));
        whole_traces_up_to_the_checkpoint(f, acknowledged);
        struct store_status status;
        f->ops->status(f->store, &status);
        next = MAX(status.checkpoint_sequence, UINT64_C(1));
        /* What the log would give again: the same commit stores nothing twice. */
        uint64_t before = next > CRASH_BATCH ? next - CRASH_BATCH : next;
        assert_int_equal(crash_commit(f, before), ERR_OK);
        whole_traces_up_to_the_checkpoint(f, 0);
        f->ops->close(f->store);
        f->store = NULL;
    }
    assert_true(fixture_open(f));
}

/* Killed so long after its start, while it makes meta and the file of a day. */
static void kill_while_making(struct fixture *f, int64_t after_ns)
{
    int ends[2], status;
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        if (write(ends[1], "", 1) != 1 || !fixture_open(f))
            _exit(1);
        (void)crash_commit(f, 1);
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    clock_sleep_ns(after_ns);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    close(ends[0]);
}

/* shows: X5 */
static void a_kill_while_files_are_made_leaves_a_folder_that_opens(void **state)
{
    if (!can_fork) {
        printf("# left out under ThreadSanitizer: too many locks for it before a fork\n");
        return;
    }
    struct fixture *f = *state;
    enum { STEPS = 60 };
    char first[sizeof f->dir];
    memcpy(first, f->dir, sizeof first);
    for (int64_t step = 0; step < STEPS; step++) {
        snprintf(f->dir, sizeof f->dir, "%s/%02d", first, (int)step);
        assert_int_equal(mkdir(f->dir, 0700), 0);
        kill_while_making(f, step * 700 * NS_PER_US);
        assert_true(fixture_open(f));
        assert_int_equal(crash_commit(f, 1), ERR_OK);
        struct store_status status;
        f->ops->status(f->store, &status);
        assert_int_equal(status.trace_count, CRASH_BATCH);
        f->ops->close(f->store);
        f->store = NULL;
    }
    memcpy(f->dir, first, sizeof first);
    assert_true(fixture_open(f));
}

/* -- files -- */

static void a_file_of_another_schema_is_refused_with_a_hint(void **state)
{
    struct fixture *f = *state;
    struct store_span row = span_make(1, 1, T0);
    assert_int_equal(commit_trace_of(f, &row, 1, 1), ERR_OK);
    assert_int_equal(
        duck_run(f->store->write, &f->why, "UPDATE meta.state SET value=99 WHERE key='schema'"),
        ERR_OK);
    f->ops->close(f->store);
    struct store_config config = { .dir = f->dir, .threads_max = 2 };
    assert_int_equal(f->ops->open(&config, &f->store, &f->why), ERR_UNSUPPORTED);
    assert_true(str_find(str_from_c(f->why.text), STR_OF("schema 99")) != SIZE_MAX);
    f->dir[0] = '\0';
    assert_true(fixture_open(f));
}

/* -- dictionary -- */

static void a_full_dictionary_keeps_exact_texts(void **state)
{
    struct fixture *f = *state;
    enum { TENANTS = 6 };
    struct store_span rows[TENANTS];
    f->store->dicts.values_max = 3;
    for (uint64_t i = 0; i < TENANTS; i++) {
        rows[i] = span_make(i + 1, 1, T0 + (int64_t)i);
        SPAN_SET(&rows[i].span, tenant_id, arena_printf(&f->arena, "t%d", (int)i));
    }
    assert_int_equal(f->ops->append(f->store, rows, TENANTS, &f->why), ERR_OK);
    for (int pass = 0; pass < 2; pass++) {
        struct store_list list = list_of(NULL, 10);
        assert_int_equal(count_spans(f, list), TENANTS);
        for (uint64_t i = 0; i < TENANTS; i++) {
            struct store_span *spans;
            struct trace_row *traces;
            size_t count = 0;
            list.scope.tenant = rows[i].span.tenant_id;
            assert_int_equal(f->ops->spans(f->store, &list, &f->arena, &spans, &count, &f->why),
                             ERR_OK);
            assert_int_equal(count, 1);
            assert_true(str_equal(spans[0].span.tenant_id, rows[i].span.tenant_id));
            assert_int_equal(f->ops->traces(f->store, &list, &f->arena, &traces, &count, &f->why),
                             ERR_OK);
            assert_int_equal(count, 1);
            assert_true(str_equal(traces[0].tenant_id, rows[i].span.tenant_id));
        }
        list.scope.tenant = STR_OF("(too many values)");
        assert_int_equal(count_spans(f, list), 0);
        list.scope.tenant = STR_NONE;
        struct filter like = leaf_of(FILTER_LIKE, FIELD_tenant_id, value_str(STR_OF("t*")));
        list.filter = &like;
        assert_int_equal(count_spans(f, list), TENANTS);
        for (uint64_t i = 0; i < TENANTS; i++)
            assert_int_equal(commit_trace_of(f, &rows[i], 1, i + 1), ERR_OK);
    }
}

/* -- memory -- */

static void many_spans_of_one_trace_replace_each_other_quickly(void **state)
{
    struct fixture *f = *state;
    enum { ROWS = 20000, STEP = 1000 };
    struct store_span *rows = xcalloc(ROWS, sizeof *rows);
    for (uint64_t i = 0; i < ROWS; i++)
        rows[i] = span_make(1, i / 2 + 1, T0 + (int64_t)i);
    for (size_t i = 0; i < ROWS; i += STEP)
        assert_int_equal(f->ops->append(f->store, rows + i, STEP, &f->why), ERR_OK);
    assert_int_equal(count_spans(f, list_of(NULL, ROWS)), ROWS / 2);
    assert_int_equal(commit_trace_of(f, rows, 1, 1), ERR_OK);
    assert_int_equal(count_spans(f, list_of(NULL, ROWS)), 1);
    struct store_status status;
    f->ops->status(f->store, &status);
    assert_int_equal(status.unsettled_count, 0);
    xfree(rows);
}

static void settled_rows_go_to_disk_when_their_time_has_come(void **state)
{
    struct fixture *f = *state;
    struct store_status status;
    struct store_span row = span_make(1, 1, T0);
    f->ops->close(f->store);
    f->gather_ns = 1;
    assert_true(fixture_open(f));
    assert_int_equal(commit_trace_of(f, &row, 1, 7), ERR_OK);
    struct store_commit nothing = { .checkpoint_sequence = 7 };
    assert_int_equal(f->ops->commit(f->store, &nothing, &f->why), ERR_OK);
    f->ops->status(f->store, &status);
    assert_int_equal(status.checkpoint_sequence, 7);
    assert_int_equal(f->store->waiting_count, 0);
    assert_int_equal(status.span_count, 1);
}

/* -- a flush by several threads, and many keys looked up at a time -- */

enum { WIDE_SPANS = 512, WIDE_TRACES = DUCK_GATHER_ROWS / WIDE_SPANS };

static enum err wide_commit(struct fixture *f, uint64_t trace)
{
    static struct store_span rows[WIDE_SPANS];
    for (uint64_t i = 0; i < WIDE_SPANS; i++) {
        rows[i] = span_make(trace, i + 1, T0 + (int64_t)(trace * WIDE_SPANS + i));
        SPAN_SET(&rows[i].span, input_tokens, (int64_t)(trace * WIDE_SPANS + i));
        if (i % 3 == 0)
            SPAN_SET(&rows[i].span, output_tokens, 1);
    }
    return commit_trace_of(f, rows, WIDE_SPANS, trace + 1);
}

static void sums_are(struct fixture *f, double spans, double inputs, double outputs)
{
    struct store_aggregate ask = { .scope = list_of(NULL, 1).scope,
                                   .measures = { measure_of(STORE_OP_COUNT),
                                                 measure_field(STORE_OP_SUM, FIELD_input_tokens),
                                                 measure_field(STORE_OP_SUM, FIELD_output_tokens),
                                                 measure_of(STORE_OP_TRACES) },
                                   .measure_count = 4,
                                   .limit = 10 };
    struct store_group *groups;
    size_t count;
    assert_int_equal(f->ops->aggregate(f->store, &ask, &f->arena, &groups, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 1);
    assert_true(groups[0].values[0] == spans && groups[0].values[1] == inputs);
    assert_true(groups[0].values[2] == outputs && groups[0].values[3] == WIDE_TRACES);
}

static void known_are_exactly_the_stored(struct fixture *f)
{
    static str projects[2 * WIDE_TRACES];
    static struct id16 ids[2 * WIDE_TRACES];
    static bool known[2 * WIDE_TRACES];
    for (uint64_t i = 0; i < COUNT_OF(ids); i++) {
        projects[i] = STR_OF("p1");
        ids[i] = trace_of(i);
    }
    assert_int_equal(f->ops->known(f->store, projects, ids, COUNT_OF(ids), known, &f->why), ERR_OK);
    for (uint64_t i = 0; i < COUNT_OF(ids); i++)
        assert_int_equal(known[i], i < WIDE_TRACES);
}

static void a_flush_of_several_row_groups_stores_each_row_once(void **state)
{
    struct fixture *f = *state;
    double spans = DUCK_GATHER_ROWS;
    f->gather_ns = 3600 * NS_PER_S;
    assert_true(fixture_open(f));
    for (uint64_t trace = 0; trace < WIDE_TRACES; trace++)
        assert_int_equal(wide_commit(f, trace), ERR_OK);
    assert_int_equal(f->store->waiting_count, 0); /* the last one filled the row groups */
    for (int pass = 0; pass < 2; pass++) {
        sums_are(f, spans, spans * (spans - 1) / 2, WIDE_TRACES * ((WIDE_SPANS + 2) / 3));
        known_are_exactly_the_stored(f);
        f->ops->close(f->store);
        assert_true(fixture_open(f));
    }
}

static void a_row_group_is_enough_when_much_waits_for_it(void **state)
{
    struct fixture *f = *state;
    f->gather_ns = 3600 * NS_PER_S;
    assert_true(fixture_open(f));
    struct store_commit nothing = { .checkpoint_sequence = 1, .much_waits = true };
    for (uint64_t trace = 0; trace < DUCK_GATHER_ROWS_FEW / WIDE_SPANS; trace++) {
        assert_int_equal(f->ops->commit(f->store, &nothing, &f->why), ERR_OK);
        assert_true(f->store->waiting_count == trace); /* one row group less 512 rows waits still */
        assert_int_equal(wide_commit(f, trace), ERR_OK);
    }
    nothing.much_waits = false;
    assert_int_equal(f->ops->commit(f->store, &nothing, &f->why), ERR_OK);
    assert_true(f->store->waiting_count > 0);
    nothing.much_waits = true;
    assert_int_equal(f->ops->commit(f->store, &nothing, &f->why), ERR_OK);
    assert_int_equal(f->store->waiting_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* first: it forks, and the engine's threads do not come along */
        cmocka_unit_test_setup_teardown(a_kill_leaves_whole_traces_up_to_the_checkpoint, setup_dir,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_kill_while_files_are_made_leaves_a_folder_that_opens,
                                        setup_dir, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_another_schema_is_refused_with_a_hint,
                                        setup_duckdb, teardown),
        cmocka_unit_test_setup_teardown(a_full_dictionary_keeps_exact_texts, setup_duckdb,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_spans_of_one_trace_replace_each_other_quickly,
                                        setup_duckdb, teardown),
        cmocka_unit_test_setup_teardown(a_flush_of_several_row_groups_stores_each_row_once,
                                        setup_dir, teardown),
        cmocka_unit_test_setup_teardown(a_row_group_is_enough_when_much_waits_for_it, setup_dir,
                                        teardown),
        cmocka_unit_test_setup_teardown(settled_rows_go_to_disk_when_their_time_has_come,
                                        setup_duckdb, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
