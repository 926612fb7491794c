"""SQL over HTTP and the command line: answers, two projects and a tenant that never see each other, limits.

SPDX-License-Identifier: Apache-2.0
"""
import csv
import io
import json
import os
import subprocess
import threading
import time

import pytest
from conftest import BINARY, CLEAN_ENV, Server, make_span, new_trace_id, wait_until

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100}
TABLES = ("spans", "traces", "scores", "logs", "metrics")
PRIVATE = "nobody-else-may-see-this"
CONTENT = "the violet heron keeps eleven clocks"


def run(*arguments, env=None, **more):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env=dict(CLEAN_ENV, **(env or {})), **more)


@pytest.fixture(scope="module")
def shop():
    """Projects a and b, and a key of a that is bound to tenant t-1; small limits."""
    made = Server(auth__mode="on", query__sql_time="2s", query__sql_rows="100", query__sql_bytes="64KiB",
                  query__sql_memory="64MiB", limits__attribute_value="1KiB").start()
    made.keys = {}
    try:
        made.headers = {"authorization": f"Bearer {made.first_key}"}
        for name, more in (("a", ["--project=a", "--permissions=ingest,read"]), ("b", ["--project=b"]),
                           ("tenant", ["--project=a", "--tenant=t-1"]), ("ingest", ["--project=a", "--permissions=ingest"])):
            shown = run("key", "create", f"--data_dir={made.data_dir}", "--json", *more)
            assert shown.returncode == 0, shown
            made.keys[name] = {"authorization": "Bearer " + json.loads(shown.stdout)["token"]}
        wait_until(lambda: all(made.request("GET", "/api/v1/status", headers=key).status in (200, 403)
                               for key in made.keys.values()), what="the keys to count")
        made.trace = new_trace_id()
        spans = [make_span({**CHAT, "app.tenant_id": "t-1", "user.id": "ann", "app.plan": "gold",
                            "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [
                                {"type": "text", "content": CONTENT}]}])}, trace_id=made.trace),
                 make_span({**CHAT, "app.tenant_id": "t-2", "user.id": "bob"})]
        made.send_spans(*spans, headers=made.keys["a"])
        made.send_spans(make_span({**CHAT, "app.tenant_id": PRIVATE, "user.id": PRIVATE, "x.y": PRIVATE}),
                        resource={"service.name": PRIVATE}, headers=made.keys["b"])
        for key, name in (("a", "thumb"), ("b", PRIVATE)):
            answer = made.request("POST", "/api/v1/scores", json.dumps({"trace_id": made.trace, "name": name, "value": 1}),
                                  {"content-type": "application/json", **made.keys[key]})
            assert answer.status < 300, answer
        wait_until(lambda: rows(made, "select count(*) from spans where settled") == [[2]]
                   and rows(made, "select count(*) from scores") == [[1]], what="the rows")
        yield made
    finally:
        made.stop()
        made.remove()


def ask(server, statement, key="a", path="/api/v1/sql", kind="text/plain"):
    return server.request("POST", path, statement.encode(), {"content-type": kind, **server.keys[key]})


def rows(server, statement, key="a", path="/api/v1/sql"):
    answer = ask(server, statement, key, path)
    assert answer.status == 200, (statement, answer)
    return answer.json["rows"]


def test_a_statement_is_answered_with_columns_rows_and_time(shop):
    answer = ask(shop, "select generator_model is null as n, request_model, count(*) as calls, "
                 "sum(estimated_cost_usd) as usd from spans group by all").json
    assert answer["rows"] == [[True, "gpt-4o-mini", 2, 0.00042]] or answer["rows"] == [[False, "gpt-4o-mini", 2, 0.00042]]
    assert [column["name"] for column in answer["columns"]] == ["n", "request_model", "calls", "usd"]
    assert answer["columns"][3]["type"] == "DECIMAL(38,9)"
    assert answer["truncated"] is False and answer["elapsed_ms"] >= 0


def test_sql_and_the_api_say_the_same_of_a_span(shop):
    span = shop.api(f"/traces/{shop.trace}", headers=shop.keys["a"])["spans"][0]
    names = ["trace_id", "span_id", "name", "step", "tenant_id", "user_id", "input_tokens", "total_tokens",
             "estimated_cost_usd", "latency_ms", "request_model", "service", "settled"]
    found = rows(shop, f"select {','.join(names)}, attributes->>'$.\"app.plan\"' from spans where tenant_id='t-1'")
    assert found == [[*(span[name] for name in names), "gold"]]
    assert rows(shop, "select start_time from spans where tenant_id='t-1'")[0][0][:23] == span["start_time"][:23]
    assert rows(shop, "select count(*) from spans where start_time > now() - interval 1 hour") == [[2]]


def test_the_body_may_be_json_and_the_answer_lines_or_csv(shop):
    answer = ask(shop, json.dumps({"query": "select 1 as one"}), kind="application/json")
    assert answer.json["rows"] == [[1]]
    lines = ask(shop, "select user_id from spans order by 1", path="/api/v1/sql?format=jsonl")
    assert [json.loads(line) for line in lines.text.splitlines()] == [{"user_id": "ann"}, {"user_id": "bob"}]
    table = ask(shop, "select user_id, 'a,b' as x from spans order by 1", path="/api/v1/sql?format=csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(table.text))) == [["user_id", "x"], ["ann", "a,b"], ["bob", "a,b"]]


def test_a_range_cuts_what_is_read(shop):
    assert rows(shop, "select count(*) from spans", path="/api/v1/sql?from=now-1h") == [[2]]
    assert rows(shop, "select count(*) from spans", path="/api/v1/sql?to=now-1h") == [[0]]


@pytest.mark.parametrize("path, body, kind, named", [
    ("/api/v1/sql?format=xml", "select 1", "text/plain", "json, jsonl or csv"),
    ("/api/v1/sql?formt=csv", "select 1", "text/plain", "'format'"),
    ("/api/v1/sql?from=now&to=now-1h", "select 1", "text/plain", "before it begins"),
    ("/api/v1/sql", "  ", "text/plain", "no statement"),
    ("/api/v1/sql", '{"sql":"select 1"}', "application/json", '\\"query\\"'),
    ("/api/v1/sql", '{"query":', "application/json", "error"),
    ("/api/v1/sql", "select sevice from spans", "text/plain", "did you mean"),
    ("/api/v1/sql", "selec 1", "text/plain", "syntax error")])
def test_what_cannot_be_asked_is_a_400_that_helps(shop, path, body, kind, named):
    answer = ask(shop, body, path=path, kind=kind)
    assert answer.status == 400 and named in answer.text, answer


def test_an_error_of_the_engine_has_its_place_and_no_path_of_the_machine(shop):
    answer = ask(shop, "select user_id, sevice from spans")
    assert answer.status == 400 and answer.json["error"]["offset"] == 16
    for statement in ("select * from read_text('/proc/self/maps')", "load '/tmp/x.so'", "select error('x')"):
        text = ask(shop, statement).text
        assert shop.folder not in text and "/usr" not in text and "libduckdb" not in text


def test_reading_takes_the_permission_and_a_key(shop):
    assert ask(shop, "select 1", "ingest").status == 403
    assert shop.request("POST", "/api/v1/sql", b"select 1", {"authorization": "Bearer nothing"}).status == 401
    assert shop.request("GET", "/api/v1/sql", headers=shop.keys["a"]).status == 405


CROSSING = [
    *(f"select * from {table}" for table in TABLES),
    *(f"select * from {table} where project = 'b'" for table in ("spans", "traces")),
    "select * from spans where project <> 'a' or tenant_id <> 't-1' or 1=1",
    "select string_agg(columns(*)::varchar) from spans",
    "from spans s full join traces t on true full join scores c on true select s.project, t.tenant_id, c.name",
    "with a as (from spans), spans as (from a) from spans",
    "select distinct project, tenant_id, user_id, service, attributes from spans union select project,tenant_id,user_id,"
    "service,null from traces",
    "summarize traces", "summarize spans", "select histogram(tenant_id) from traces", "pivot traces on tenant_id using count(*)",
    "select * from memory.main.spans", "select * from main.rows(0)", "select * from rows(0)", "select * from recent_spans(0)",
    "select * from meta.scores", "select * from meta.dict", "select * from d20261122.spans",
    "select * from information_schema.tables", "select * from duckdb_tables()", "select * from duckdb_databases()",
    "select * from duckdb_settings()", "select * from duckdb_secrets()", "select * from pragma_database_list",
    "select * from glob('/**/*.duckdb')", "select * from query('from meta.dict')", "select * from query_table('meta.dict')",
    "attach 'meta.duckdb' as m", "select getenv('TELLTALE_KEYS_MASTER_HEX')", "copy spans to '/tmp/telltale-e2e-x'",
    "select 1; select * from meta.dict", "set enable_external_access=true", "call duckdb_settings()",
    "export database '/tmp/telltale-e2e-x'", "select current_setting('temp_directory')", "create table x as from spans",
]


@pytest.mark.parametrize("key", ["a", "tenant"])
def test_no_statement_shows_a_row_of_another_project_or_tenant(shop, key):
    for statement in CROSSING:
        answer = ask(shop, statement, key)
        assert answer.status in (200, 400), (statement, answer)
        assert PRIVATE not in answer.text, statement
        assert key == "a" or "t-2" not in answer.text, statement
    assert not os.path.exists("/tmp/telltale-e2e-x")
    assert rows(shop, "select distinct project from spans", "b") == [["b"]]
    assert rows(shop, "select user_id, service from spans", "b") == [[PRIVATE, PRIVATE]]


def test_a_bound_key_sees_its_tenant_alone(shop):
    assert rows(shop, "select user_id from spans", "tenant") == [["ann"]]
    assert rows(shop, "select tenant_id, count(*) from traces group by all", "tenant") == [["t-1", 1]]
    assert rows(shop, "select name from scores", "tenant") == [["thumb"]]


def test_content_is_in_no_table(shop):
    for table in TABLES:
        assert CONTENT not in ask(shop, f"from {table}").text
    assert CONTENT not in ask(shop, "select string_agg(columns(*)::varchar) from spans").text


def test_rows_past_the_limit_are_left_out_and_that_is_said(shop):
    whole, cut = ask(shop, "from range(100)"), ask(shop, "from range(101)")
    assert (len(whole.json["rows"]), whole.json["truncated"]) == (100, False)
    assert "x-telltale-truncated" not in whole.headers
    assert (len(cut.json["rows"]), cut.json["truncated"]) == (100, True)
    assert ask(shop, "from range(101)", path="/api/v1/sql?format=csv").headers["x-telltale-truncated"] == "1"
    large = ask(shop, "select repeat('x', 20000) from range(10)").json
    assert (len(large["rows"]), large["truncated"]) == (3, True)


def test_time_and_memory_are_limited_and_the_server_goes_on(shop):
    began = time.monotonic()
    slow = ask(shop, "select count(*) from range(1000000000000)")
    assert slow.status == 504 and "query.sql_time" in slow.text and time.monotonic() - began < 10
    for statement in ("select len(range(1000000000))", "select length(repeat('x', 4000000000))",
                      "select list(i) from range(100000000) t(i)"):
        answer = ask(shop, statement)
        assert answer.status == 413 and "query.sql_memory" in answer.text, (statement, answer)
    assert shop.memory() < 1 << 30
    assert rows(shop, "select 1") == [[1]]


def test_a_statement_that_is_too_long_is_refused_and_one_as_long_as_may_be_is_answered(shop):
    most = 256 * 1024
    assert rows(shop, "select 1" + " " * (most - 8)) == [[1]]
    assert ask(shop, "select 1" + " " * (most - 7)).status == 413


def test_other_questions_and_senders_do_not_wait_for_a_slow_statement(shop):
    slow = threading.Thread(target=ask, args=(shop, "select count(*) from range(1000000000000)"))
    slow.start()
    try:
        span = make_span(CHAT)
        shop.send_spans(span, headers=shop.keys["b"])
        wait_until(lambda: shop.request("GET", f"/api/v1/traces/{span['traceId']}", headers=shop.keys["b"]).status == 200,
                   seconds=1.9, what="the trace, while the statement runs")
        assert slow.is_alive()
    finally:
        slow.join()


def test_it_can_be_switched_off(new_server):
    server = new_server(query__sql="false").start()
    answer = server.request("POST", "/api/v1/sql", b"select 1")
    assert answer.status == 501 and "query.sql" in answer.text


def test_the_store_in_memory_has_no_sql_and_says_so(new_server):
    server = new_server(store__kind="memory").start()
    answer = server.request("POST", "/api/v1/sql", b"select 1")
    assert answer.status == 501 and "store.kind=duckdb" in answer.text


# ---- the command ----

def cli(server, *arguments, **more):
    env = {"TELLTALE_SERVER": f"http://127.0.0.1:{server.api_port}", "LC_ALL": "C.UTF-8",
           "TELLTALE_KEY": server.keys["a"]["authorization"].split()[1]}
    return run("sql", *arguments, env=env, **more)


def test_the_command_prints_a_table_json_or_csv(shop):
    shown = cli(shop, "select user_id, input_tokens as tokens, null as x from spans order by 1")
    assert shown.returncode == 0, shown
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["user_id", "tokens", "x"], ["ann", "1000", "–"], ["bob", "1000", "–"]]
    assert json.loads(cli(shop, "--json", "select 1 as a").stdout)["rows"] == [[1]]
    # text mode makes \n of \r\n
    assert cli(shop, "--csv", "select 1 as a, 'b' as b").stdout == "a,b\n1,b\n"
    assert cli(shop, "-", input="select 7 as seven").stdout.split() == ["seven", "7"]
    assert cli(shop, "--to=now-1h", "select count(*) as n from spans").stdout.split() == ["n", "0"]


def test_many_columns_are_printed_one_a_line(shop):
    shown = cli(shop, "select * from spans where user_id = 'ann'")
    assert shown.returncode == 0 and "user_id: ann\n" in shown.stdout and "name: chat\n" in shown.stdout


def test_the_command_shows_the_place_of_an_error_and_cut_rows(shop):
    shown = cli(shop, "select user_id,\n  sevice from spans")
    assert shown.returncode == 1 and "sevice" in shown.stderr
    assert shown.stderr.splitlines()[-2:] == ["    sevice from spans", "    ^"]
    shown = cli(shop, "from range(101)")
    assert shown.returncode == 0 and "there are more rows" in shown.stderr
    assert cli(shop).returncode == 2


def test_the_command_prints_no_escape_sequence_of_data(shop):
    shown = cli(shop, "select 'a' || chr(27) || '[31mred' as x")
    assert shown.returncode == 0 and "\x1b" not in shown.stdout
