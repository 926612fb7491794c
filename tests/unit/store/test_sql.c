/* Users' SQL: what it answers, what it never shows, and the limits on what it may take.
 *
 * The store starts this program again as the process that runs a statement; main() hands over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_help.h"

#include "sys/clock.h"

#include <signal.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Marks of the other project, tenant and their rows: no answer and no error may have one. */
#define OTHER "hidden-other"

static struct fixture f;
static struct buf answer_text;
static struct store_sql_answer answer;

static void add_trace(const char *project, const char *tenant, uint64_t number, const char *mark)
{
    struct store_span span = span_make(number, number * 10 + 1, T0 + (int64_t)number * NS_PER_MS);
    SPAN_SET(&span.span, project, str_from_c(project));
    SPAN_SET(&span.span, tenant_id, str_from_c(tenant));
    SPAN_SET(&span.span, generator_model, str_from_c(mark));
    SPAN_SET(&span.span, user_id, str_from_c(mark));
    SPAN_SET(&span.span, service_tier, str_from_c(mark));
    SPAN_SET(&span.span, input_tokens, (int64_t)number);
    SPAN_SET(&span.span, cost_nanousd, INT64_C(1500000001));
    assert_int_equal(commit_trace_of(&f, &span, 1, number), ERR_OK);
}

static void add_score(const char *project, const char *tenant, uint64_t number, const char *mark)
{
    struct score score = { .score_id = trace_of(1000 + number),
                           .has_trace_id = true,
                           .trace_id = trace_of(number),
                           .session_id = STR_NONE,
                           .response_id = STR_NONE,
                           .tenant_id = tenant ? str_from_c(tenant) : STR_NONE,
                           .name = str_from_c(mark),
                           .has_value = true,
                           .value = 0.5,
                           .label = STR_NONE,
                           .comment = STR_NONE,
                           .evaluator = STR_NONE,
                           .evaluator_version = STR_NONE,
                           .judge_model = STR_NONE,
                           .time_ns = T0 };
    struct log_record log = { .log_id = span_of(500 + number),
                              .trace_id = trace_of(number),
                              .time_ns = T0,
                              .severity_text = STR_NONE,
                              .event_name = str_from_c(mark),
                              .service = str_from_c(mark),
                              .body_json = STR_NONE };
    struct metric_point point = { .type = METRIC_SUM,
                                  .name = str_from_c(mark),
                                  .unit = STR_OF("1"),
                                  .service = STR_NONE,
                                  .time_ns = T0,
                                  .has_value = true,
                                  .value = 2,
                                  .buckets_json = STR_NONE };
    str owner = str_from_c(project);
    struct store_commit commit = { .logs = &log,
                                   .log_projects = &owner,
                                   .log_count = 1,
                                   .metrics = &point,
                                   .metric_projects = &owner,
                                   .metric_count = 1,
                                   .scores = &score,
                                   .score_projects = &owner,
                                   .score_count = 1,
                                   .checkpoint_sequence = 100 + number,
                                   .items_sequence = 100 + number };
    assert_int_equal(f.ops->commit(f.store, &commit, &f.why), ERR_OK);
}

static int sql_setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as the server does */
    assert_true(fixture_init(&f, &store_duckdb));
    buf_init(&answer_text, 64 * MIB);
    add_trace("p1", "acme", 1, "gpt-mine");
    add_trace("p1", "globex", 2, "gpt-mine");
    add_trace("p2", OTHER, 3, OTHER);
    add_score("p1", NULL, 1, "mine");
    add_score("p1", NULL, 2, "of-globex");
    add_score("p2", NULL, 3, OTHER);
    struct store_span open = span_make(7, 71, T0);
    assert_int_equal(f.ops->append(f.store, &open, 1, &f.why), ERR_OK);
    struct store_span other = span_make(8, 81, T0);
    SPAN_SET(&other.span, project, STR_OF("p2"));
    SPAN_SET(&other.span, user_id, STR_OF(OTHER));
    assert_int_equal(f.ops->append(f.store, &other, 1, &f.why), ERR_OK);
    return 0;
}

static int sql_teardown(void **state)
{
    (void)state;
    buf_clear(&answer_text);
    fixture_clear(&f);
    return 0;
}

static struct store_sql ask_of(const char *statement)
{
    return (struct store_sql){ .scope = { .project = STR_OF("p1"), .range = EVER },
                               .statement = str_from_c(statement),
                               .rows_max = 1000,
                               .bytes_max = MIB,
                               .memory_bytes_max = 256 * MIB,
                               .time_ns = 60 * NS_PER_S };
}

static enum err ask(const struct store_sql *ask)
{
    buf_reset(&answer_text);
    f.why = DIAG_NONE;
    enum err err = f.ops->sql(f.store, ask, &answer_text, &answer, &f.why);
    buf_add_char(&answer_text, '\0');
    return err;
}

/* The rows, as the API has them. */
static const char *rows_of(const struct store_sql *question)
{
    enum err err = ask(question);
    if (err)
        fail_msg("%.*s: %s (%s)", STR_ARG(question->statement), f.why.text, f.why.hint);
    const char *rows = strstr(answer_text.ptr, "\"rows\":");
    assert_non_null(rows);
    return rows + strlen("\"rows\":");
}

static const char *rows(const char *statement)
{
    struct store_sql question = ask_of(statement);
    return rows_of(&question);
}

/* ---- answers ---- */

static void rows_of_disk_and_of_memory_are_seen_together(void **state)
{
    (void)state;
    assert_string_equal(rows("select count(*), count(*) filter (settled) from spans"), "[\n[3,2]]");
    assert_string_equal(rows("select count(*), count(*) filter (settled) from traces"),
                        "[\n[3,2]]");
    assert_string_equal(rows("select distinct project from spans"), "[\n[\"p1\"]]");
}

static void values_have_their_names_types_and_units(void **state)
{
    (void)state;
    assert_string_equal(
        rows("select trace_id, start_time, end_time, latency_ms, estimated_cost_usd, service_tier, "
             "temperature from spans where input_tokens = 1"),
        "[\n[\"26000000000000000100000000000000\",\"2026-11-21T00:00:00.001Z\","
        "\"2026-11-21T00:00:00.002Z\",1.0,1.500000001,\"gpt-mine\",null]]");
    assert_non_null(
        strstr(answer_text.ptr, "{\"name\":\"estimated_cost_usd\",\"type\":\"DECIMAL(20,9)\"}"));
    assert_non_null(strstr(answer_text.ptr, "{\"name\":\"start_time\",\"type\":\"TIMESTAMP\"}"));
    assert_string_equal(rows("select sum(estimated_cost_usd) from spans"), "[\n[3.000000002]]");
    assert_string_equal(rows("select [1,2], {'a': 1.5}, 'nan'::double, true, null, 'a\"b'"),
                        "[\n[[1,2],{\"a\":1.5},null,true,null,\"a\\\"b\"]]");
}

static void scores_logs_and_metrics_can_be_joined(void **state)
{
    (void)state;
    assert_string_equal(rows("select s.value, l.event_name from scores s join logs l using "
                             "(trace_id) join spans p using (trace_id) where s.name='mine'"),
                        "[\n[0.5,\"mine\"]]");
    assert_string_equal(rows("select name, type, value from metrics order by name"),
                        "[\n[\"mine\",\"sum\",2.0],\n[\"of-globex\",\"sum\",2.0]]");
}

static void every_column_of_every_table_can_be_read(void **state)
{
    (void)state;
    static const char *const all[] = { "from spans",   "from traces",
                                       "from scores",  "from logs",
                                       "from metrics", "summarize select * from traces" };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        assert_true(strlen(rows(all[i])) > 10);
}

static void statements_may_end_and_be_commented_as_sql_is(void **state)
{
    (void)state;
    assert_string_equal(rows("select 1 as a ; "), "[\n[1]]");
    assert_string_equal(rows("select 'x;y' as a; -- the end; really"), "[\n[\"x;y\"]]");
    assert_string_equal(rows("/* ) */ select 1 -- (\n"), "[\n[1]]");
    assert_string_equal(rows("select i from range(3) t(i) order by i desc"), "[\n[2],\n[1],\n[0]]");
    assert_string_equal(rows("with recursive n(i) as (select 1 union all select i+1 from n where "
                             "i<4) select sum(i) from n"),
                        "[\n[10]]");
}

static void csv_and_json_lines_are_written_as_their_rules_say(void **state)
{
    (void)state;
    struct store_sql question = ask_of(
        "select 'a,\"b\"' as \"x,y\", null as n, '' as e, 1 as i union all select 'c',2,'d',3");
    question.format = STORE_SQL_CSV;
    assert_int_equal(ask(&question), ERR_OK);
    assert_string_equal(answer_text.ptr, "\"x,y\",n,e,i\r\n\"a,\"\"b\"\"\",,\"\",1\r\nc,2,d,3\r\n");
    question.format = STORE_SQL_JSONL;
    assert_int_equal(ask(&question), ERR_OK);
    assert_string_equal(answer_text.ptr, "{\"x,y\":\"a,\\\"b\\\"\",\"n\":null,\"e\":\"\",\"i\":1}\n"
                                         "{\"x,y\":\"c\",\"n\":2,\"e\":\"d\",\"i\":3}\n");
}

static void a_range_cuts_every_table(void **state)
{
    (void)state;
    struct store_sql question = ask_of("select (select count(*) from spans), (select count(*) from "
                                       "traces), (select count(*) from logs)");
    question.scope.range = (struct time_range){ T0 + NS_PER_MS, T0 + 2 * NS_PER_MS };
    assert_string_equal(rows_of(&question), "[\n[1,1,0]]");
}

static void an_error_says_what_and_where(void **state)
{
    (void)state;
    struct store_sql question = ask_of("select  sevrice from spans");
    assert_int_equal(ask(&question), ERR_BAD_INPUT);
    assert_non_null(strstr(f.why.text, "sevrice"));
    assert_int_equal(f.why.offset, 8);
    assert_non_null(strstr(f.why.hint, "service"));
    question = ask_of("select 1 frm spans x y");
    assert_int_equal(ask(&question), ERR_BAD_INPUT);
    assert_non_null(strstr(f.why.text, "syntax error"));
    question = ask_of("select \xff");
    assert_int_equal(ask(&question), ERR_BAD_INPUT);
    question = ask_of("select 1/0, 'x'::int");
    assert_int_equal(ask(&question), ERR_BAD_INPUT);
}

static void the_store_in_memory_says_that_it_has_no_sql(void **state)
{
    (void)state;
    struct fixture memory;
    struct store_sql question = ask_of("select 1");
    assert_true(fixture_init(&memory, &store_memory));
    assert_int_equal(memory.ops->sql(memory.store, &question, &answer_text, &answer, &memory.why),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(memory.why.hint, "duckdb"));
    memory.ops->close(memory.store);
    dir_remove(memory.dir);
    arena_clear(&memory.arena);
}

/* ---- isolation ---- */

/* None of these is answered. */
static const char *const refused[] = {
    "copy spans to '/tmp/x.csv'",
    "copy (select 1) to '/dev/stdout'",
    "copy spans from '/etc/passwd'",
    "attach '/tmp/x.duckdb' as x",
    "detach memory",
    "use memory",
    "install httpfs",
    "load httpfs",
    "load '/tmp/evil.so'",
    "update extensions",
    "pragma database_list",
    "pragma table_info('spans')",
    "pragma memory_limit='90%'",
    "set threads=64",
    "set enable_external_access=true",
    "set global lock_configuration=false",
    "set variable x = 1",
    "select getvariable('x')",
    "export database '/tmp/x'",
    "import database '/tmp/x'",
    "call pragma_version()",
    "call duckdb_settings()",
    "explain select 1",
    "explain analyze select 1",
    "checkpoint",
    "begin",
    "create table t(a int)",
    "create table t as select * from spans",
    "create view v as select 1",
    "create or replace view spans as select 1",
    "create macro f(x) as x",
    "create secret s (type s3)",
    "drop view spans",
    "alter view spans rename to x",
    "insert into spans values (1)",
    "delete from spans",
    "update spans set name='x'",
    "merge into spans using spans s on true when matched then delete",
    "prepare p as select 1",
    "execute p",
    "select 1; select 2",
    "select 1; drop view spans",
    "select 1); select (2",
    "select 1) union all select (2",
    "select $1",
    "select * from '/etc/passwd'",
    "select * from 'file.csv'",
    "select * from \"x.parquet\"",
    "select * from 'https://example.com/x.json'",
    "from 's3://bucket/x.parquet'",
    "select * from read_csv('/etc/passwd')",
    "select * from READ_CSV_AUTO('/etc/passwd')",
    "select * from read_parquet('/tmp/*.parquet')",
    "select * from read_json('/tmp/x.json')",
    "select * from read_text('/proc/self/environ')",
    "select * from read_blob('/proc/self/maps')",
    "select * from glob('/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from parquet_metadata('/tmp/x')",
    "select * from parquet_bloom_probe('/tmp/x','a',1)",
    "select * from arrow_scan(0,0,0)",
    "select * from seq_scan(0)",
    "select * from rows(0)",
    "select * from main.rows(1)",
    "select * from recent_spans(0)",
    "select * from memory.main.spans",
    "select * from main.spans",
    "select * from system.main.duckdb_tables",
    "select * from temp.information_schema.tables",
    "select * from information_schema.tables",
    "select * from pg_catalog.pg_class",
    "select * from sqlite_master",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from duckdb_tables()",
    "select * from duckdb_views",
    "select * from duckdb_databases()",
    "select * from duckdb_functions()",
    "select * from duckdb_logs",
    "select * from duckdb_external_file_cache()",
    "select * from which_secret('s3://x','s3')",
    "select * from pragma_database_list()",
    "select * from pragma_storage_info('spans')",
    "select * from query('select 1')",
    "select * from query_table('spans')",
    "select * from query_table(['spans','traces'])",
    "select * from json_execute_serialized_sql('{}')",
    "select json_serialize_sql('select 1')",
    "select * from sql_auto_complete('sel')",
    "select * from test_all_types()",
    "select * from summary((select 1))",
    "select * from checkpoint()",
    "select * from repeat_row(1, num_rows=10)",
    "select * from storage_info('spans')",
    "select * from enable_logging()",
    "select getenv('HOME')",
    "select GetEnv('PATH')",
    "select \"getenv\"('PATH')",
    "select 'HOME'.getenv()",
    "select system.main.getenv('PATH')",
    "select current_setting('temp_directory')",
    "select current_database()",
    "select current_schemas(true)",
    "select pg_typeof(1)",
    "select version()",
    "select write_log('x')",
    "select nextval('s')",
    "select (select current_setting('memory_limit'))",
    "with x as (from read_text('/etc/passwd')) from x",
    "with x as (select getenv('HOME') as h) select 1 from x",
    "select * from spans where exists (select 1 from duckdb_settings())",
    "select * from range(3) t(i), lateral (select * from glob('/*'))",
    "select [getenv(x) for x in ['HOME']]",
    "select list_transform(['HOME'], lambda x: getenv(x))",
    "select 1 order by getenv('HOME')",
    "select 1 limit (select count(*) from duckdb_settings())",
    "pivot duckdb_settings() on name",
    "unpivot duckdb_settings() on name into name k value v",
    "describe duckdb_settings",
    "summarize information_schema.tables",
    "show all tables",
    "table duckdb_tables",
    "values ((select current_setting('threads')))",
    "(select 1) union (select count(*) from glob('*'))",
    "select * from spans at (version => 1)",
    "",
    "-- nothing",
    "telltale",
};

static void what_is_not_a_question_about_the_tables_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct store_sql question = ask_of(refused[i]);
        enum err err = ask(&question);
        if (err != ERR_BAD_INPUT)
            fail_msg("%s: %s %s", refused[i], err_name(err), answer_text.ptr);
        assert_true(f.why.text[0]);
        assert_null(strstr(f.why.text, f.dir));
        assert_null(strstr(f.why.text, "libduckdb"));
        assert_null(strstr(f.why.text, "not confined"));
    }
}

/* These are answered, or not, but never with a row of the other project. */
static const char *const curious[] = {
    "select * from spans where project='p2'",
    "select * from spans where project<>'p1' or true",
    "select * from traces where tenant_id='"
    "hid' || 'den-other'",
    "select string_agg(user_id), string_agg(tenant_id), string_agg(service_tier) from spans",
    "select string_agg(columns(*)::varchar) from traces",
    "select * from scores",
    "select * from logs",
    "select * from metrics",
    "select count(*) from spans s full join traces t on true full join scores c on true",
    "with spans as (select 1 as project) select * from spans",
    "with p2 as (from spans) from p2 where project = 'p2'",
    "from spans union all by name from traces",
    "select distinct on (project) * from spans",
    "select approx_top_k(project, 10), histogram(tenant_id) from spans",
    "select * from spans tablesample 100%",
    "select s from spans s",
    "select to_json(s) from spans s",
    "pivot spans on project using count(*)",
    "summarize spans",
    "describe spans",
};

static void no_statement_sees_a_row_of_another_project(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(curious); i++) {
        struct store_sql question = ask_of(curious[i]);
        (void)ask(&question);
        assert_null(strstr(answer_text.ptr, OTHER));
        assert_null(strstr(f.why.text, OTHER));
        assert_null(strstr(answer_text.ptr, "p2\""));
    }
    struct store_sql nobody = ask_of("select (select count(*) from spans),(select count(*) from "
                                     "traces),(select count(*) from scores),(select count(*) from "
                                     "logs),(select count(*) from metrics)");
    nobody.scope.project = STR_OF("p3");
    assert_string_equal(rows_of(&nobody), "[\n[0,0,0,0,0]]");
}

static void a_bound_tenant_sees_its_own_rows_alone(void **state)
{
    (void)state;
    struct store_sql question = ask_of("select (select count(*) from spans),(select count(*) from "
                                       "traces),(select string_agg(name) from scores),(select "
                                       "string_agg(event_name) from logs),(select count(*) from "
                                       "metrics)");
    question.scope.tenant = STR_OF("acme");
    assert_string_equal(rows_of(&question), "[\n[1,1,\"mine\",\"mine\",0]]");
    question = ask_of("select distinct tenant_id from spans where tenant_id='globex' or true");
    question.scope.tenant = STR_OF("acme");
    assert_string_equal(rows_of(&question), "[\n[\"acme\"]]");
    question.scope.tenant = STR_OF("nobody");
    assert_string_equal(rows_of(&question), "[]");
}

/* ---- limits ---- */

static void rows_at_the_limit_are_all_there_and_one_more_is_left_out(void **state)
{
    (void)state;
    struct store_sql question = ask_of("from range(5)");
    question.rows_max = 5;
    assert_int_equal(ask(&question), ERR_OK);
    assert_int_equal(answer.row_count, 5);
    assert_false(answer.truncated);
    question.statement = STR_OF("from range(6)");
    assert_int_equal(ask(&question), ERR_OK);
    assert_int_equal(answer.row_count, 5);
    assert_true(answer.truncated);
}

static void bytes_at_the_limit_are_all_there_and_one_more_is_left_out(void **state)
{
    (void)state;
    struct store_sql question = ask_of("select i % 10 as i from range(100) t(i)");
    question.format = STORE_SQL_CSV; /* "i\r\n", then 3 bytes a row */
    question.bytes_max = 303;
    assert_int_equal(ask(&question), ERR_OK);
    assert_int_equal(answer.row_count, 100);
    assert_false(answer.truncated);
    question.bytes_max = 302;
    assert_int_equal(ask(&question), ERR_OK);
    assert_int_equal(answer.row_count, 99);
    assert_true(answer.truncated);
}

static void columns_at_the_limit_are_answered_and_one_more_is_refused(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 64 * KIB);
    buf_add_c(&text, "select 1");
    for (int i = 1; i < 256; i++)
        buf_add_c(&text, ",1");
    struct store_sql question = ask_of("");
    question.statement = buf_str(&text);
    assert_int_equal(ask(&question), ERR_OK);
    buf_add_c(&text, ",1");
    question.statement = buf_str(&text);
    assert_int_equal(ask(&question), ERR_BAD_INPUT);
    assert_non_null(strstr(f.why.text, "256 columns"));
    buf_clear(&text);
}

/* Each would take for ever. */
static const char *const slow[] = {
    "select count(*) from range(1000000000000) a",
    "select sum(a.range*b.range) from range(10000000) a, range(10000000) b",
    "with recursive t(i) as (select 1 union all select i+1 from t) select count(*) from t",
};

static void a_statement_that_takes_too_long_is_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        struct store_sql question = ask_of(slow[i]);
        question.time_ns = 300 * NS_PER_MS;
        int64_t start_ns = clock_monotonic_ns();
        assert_int_equal(ask(&question), ERR_DEADLINE);
        assert_non_null(strstr(f.why.text, "300 ms"));
        assert_true(clock_monotonic_ns() - start_ns < 5 * NS_PER_S);
    }
    struct store_sql question = ask_of(slow[0]);
    question.scope.deadline_ns = clock_monotonic_ns() + 300 * NS_PER_MS; /* of the request */
    assert_int_equal(ask(&question), ERR_DEADLINE);
}

/* Each would take all memory. */
static const char *const large[] = {
    "select len(range(1000000000))",
    "select length(repeat('x', 4000000000))",
    "select length(replace(repeat('x', 1000000), 'x', repeat('y', 1000)))",
    "select list(i) from range(100000000) t(i)",
    "select count(distinct i::varchar || 'padding-padding-padding') from range(100000000) t(i)",
    "select string_agg(repeat('x', 1000000)) from range(10000)",
    "select max(i) over (order by random()) from range(100000000) t(i)",
    "with recursive t(x) as (select 'a' union all select x||x from t) select max(length(x)) from t",
};

static void a_statement_that_takes_too_much_memory_is_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        struct store_sql question = ask_of(large[i]);
        question.memory_bytes_max = 64 * MIB;
        enum err err = ask(&question);
        if (err != ERR_LIMIT)
            fail_msg("%s: %s %s %.100s", large[i], err_name(err), f.why.text, answer_text.ptr);
    }
    struct store_sql question = ask_of("select length(repeat('x', 30000000))");
    question.memory_bytes_max = 256 * MIB;
    assert_string_equal(rows_of(&question), "[\n[30000000]]");
}

static void deep_nesting_is_an_error_not_a_crash(void **state)
{
    (void)state;
    static const struct {
        const char *open, *middle, *close;
        int count;
    } deep[] = { { "(", "1", ")", 100000 },     { "select * from (", "select 1", ")", 5000 },
                 { "not ", "true", "", 50000 }, { "[", "1", "]", 20000 },
                 { "1+", "1", "", 50000 },      { "case when true then ", "1", " end", 5000 },
                 { "abs(", "1", ")", 300 } };
    struct buf text;
    buf_init(&text, 16 * MIB);
    for (size_t i = 0; i < COUNT_OF(deep); i++) {
        buf_reset(&text);
        buf_add_c(&text, "select ");
        for (int k = 0; k < deep[i].count; k++)
            buf_add_c(&text, deep[i].open);
        buf_add_c(&text, deep[i].middle);
        for (int k = 0; k < deep[i].count; k++)
            buf_add_c(&text, deep[i].close);
        struct store_sql question = ask_of("");
        question.statement = buf_str(&text);
        enum err err = ask(&question);
        assert_true(err == ERR_BAD_INPUT || err == ERR_LIMIT);
    }
    buf_clear(&text);
    assert_string_equal(rows("select abs(abs(abs(abs(abs(abs(abs(abs(abs(abs(-1))))))))))"),
                        "[\n[1]]");
}

static void tables_at_the_limit_are_read_at_a_time_and_unread_ones_do_not_count(void **state)
{
    (void)state;
    assert_string_equal(
        rows("select count(*) from (from spans union all from spans union all from spans union all "
             "from spans union all from spans union all from spans union all from spans union all "
             "from spans union all from spans union all from spans)"),
        "[\n[30]]");
}

int main(int argc, char **argv)
{
    if (store_sql_child(argc, argv))
        return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_disk_and_of_memory_are_seen_together),
        cmocka_unit_test(values_have_their_names_types_and_units),
        cmocka_unit_test(scores_logs_and_metrics_can_be_joined),
        cmocka_unit_test(every_column_of_every_table_can_be_read),
        cmocka_unit_test(statements_may_end_and_be_commented_as_sql_is),
        cmocka_unit_test(csv_and_json_lines_are_written_as_their_rules_say),
        cmocka_unit_test(a_range_cuts_every_table),
        cmocka_unit_test(an_error_says_what_and_where),
        cmocka_unit_test(the_store_in_memory_says_that_it_has_no_sql),
        cmocka_unit_test(what_is_not_a_question_about_the_tables_is_refused),
        cmocka_unit_test(no_statement_sees_a_row_of_another_project),
        cmocka_unit_test(a_bound_tenant_sees_its_own_rows_alone),
        cmocka_unit_test(rows_at_the_limit_are_all_there_and_one_more_is_left_out),
        cmocka_unit_test(bytes_at_the_limit_are_all_there_and_one_more_is_left_out),
        cmocka_unit_test(columns_at_the_limit_are_answered_and_one_more_is_refused),
        cmocka_unit_test(a_statement_that_takes_too_long_is_ended),
        cmocka_unit_test(a_statement_that_takes_too_much_memory_is_ended),
        cmocka_unit_test(deep_nesting_is_an_error_not_a_crash),
        cmocka_unit_test(tables_at_the_limit_are_read_at_a_time_and_unread_ones_do_not_count),
    };
    return cmocka_run_group_tests_name("sql", tests, sql_setup, sql_teardown);
}
