"""Export and import, and questions on a terminal.  SPDX-License-Identifier: Apache-2.0"""
import csv
import fcntl
import gzip
import http.server
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import duckdb
import pytest
import zstandard
from conftest import (BINARY, CLEAN_ENV, Server, from_json, json_request, make_span, new_span_id, new_trace_id,
                      to_json, wait_until)

ALL = ("--from=1970-01-02T00:00:00Z",)
# what the server that takes an import says itself, or how the first one was told
OF_THE_SERVER = {"received_time", "project", "dialect", "convention", "flags", "redactions", "preview", "settled"}


def environment(server, env=None):
    return dict(CLEAN_ENV, TELLTALE_SERVER=f"http://127.0.0.1:{server.api_port}", LC_ALL="C.UTF-8",
                TELLTALE_SERVER_DATA_DIR=server.data_dir, **(env or {}))


def cli(server, *arguments, env=None, text=True, **more):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=text, timeout=60, check=False,
                          env=environment(server, env), **more)


def done(server, *arguments, **more):
    """What it prints; it must end with 0."""
    shown = cli(server, *arguments, **more)
    assert shown.returncode == 0, shown
    return shown.stdout


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def messages(role, text):
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def rich_trace(trace_id=None, start=None):
    """A request with every kind of thing in it."""
    trace_id, root = trace_id or new_trace_id(), new_span_id()
    start = start or time.time_ns() - 60 * 10**9
    return trace_id, [
        make_span({"app.tenant_id": "acme", "app.feature": "search", "user.id": "u1", "session.id": "s1", "http.route": "/ask",
                   "tags": "a,b", "own.number": 7, "own.list": ["x", 1, True], "own.map": {"k": {"deep": 1.5}}},
                  "POST /ask", trace_id, root, start=start, ms=900, kind=2),
        make_span({"rag.retriever": "hybrid_rrf", "rag.index": "docs_v42", "rag.top_k.requested": 5, "rag.source_ids": ["d1", "d2"],
                   "rag.scores": [0.9, 0.25], "gen_ai.retrieval.query.text": "where are the spoons"},
                  "retrieve", trace_id, parent=root, start=start + 10**6, ms=33.25),
        make_span({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
                   "gen_ai.response.model": "gpt-4o-mini-2024-07-18", "gen_ai.response.id": "chatcmpl-1", "gen_ai.request.temperature": 0.5,
                   "gen_ai.request.seed": 11, "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 200,
                   "gen_ai.usage.cache_read.input_tokens": 300, "gen_ai.usage.reasoning.output_tokens": 50,
                   "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.cost": 0.25, "gen_ai.response.time_to_first_chunk": 0.3,
                   "app.prompt_version": "v3", "gen_ai.input.messages": messages("user", "how many silver spoons?"),
                   "gen_ai.output.messages": messages("assistant", "4711"), "long.note": "n" * 3000},
                  "chat gpt-4o-mini", trace_id, parent=root, start=start + 40 * 10**6, ms=800,
                  events=[(start + 50 * 10**6, "retry", {"attempt": 2})]),
        make_span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "orders", "gen_ai.tool.call.id": "c1",
                   "gen_ai.tool.call.arguments": "{\"id\":1}", "gen_ai.tool.call.result": "none", "error.type": "NotFound"},
                  "execute_tool orders", trace_id, parent=root, start=start + 850 * 10**6, ms=5, kind=1,
                  status={"code": 2, "message": "no such order"}),
    ]


def spans_by_id(server, q=""):
    found = server.spans(q)
    for span in found:
        for key in OF_THE_SERVER:
            span.pop(key, None)
    return {span["span_id"]: span for span in found}


def wait_settled(server, count):
    def look():
        found = server.spans()
        return len(found) >= count and all(span["settled"] for span in found)
    wait_until(look, 15, f"{count} settled spans")


@pytest.fixture(scope="module")
def shop(server):
    trace_id, spans = rich_trace()
    server.send_spans(*spans)
    server.wait_trace(trace_id, count=len(spans))
    return trace_id


# ---- export ----

def test_export_gives_the_spans_of_the_api_as_lines(server, shop):
    found = lines_of(done(server, "export", "-q", f"trace_id:{shop}"))
    api = server.api(f"/traces/{shop}")["spans"]
    assert [span["span_id"] for span in found] == [span["span_id"] for span in api]
    assert all("content" not in span for span in found), "content comes only with --content"


def test_export_asks_page_by_page_and_stops_at_the_limit(server):
    trace_id = new_trace_id()
    for part in range(3):
        server.send_spans(*[make_span({"batch.no": part}, f"page-{i}", trace_id) for i in range(400)])
    server.wait_trace(trace_id, count=1200, settled=False)
    found = lines_of(done(server, "export", "-q", f"trace_id:{trace_id}"))
    assert len({span["span_id"] for span in found}) == 1200 == len(found)
    assert found == sorted(found, key=lambda span: span["start_time"])
    for limit in (1, 1000, 1001):
        assert len(done(server, "export", "-q", f"trace_id:{trace_id}", f"--limit={limit}").splitlines()) == limit


def test_a_csv_cell_that_looks_like_a_formula_is_a_text(server):
    names = ["=1+1", "+1", "-1", "@cmd", "\tx", 'say "hi", twice', "plain"]
    trace_id = new_trace_id()
    server.send_spans(*[make_span({"gen_ai.request.model": name}, name, trace_id) for name in names])
    server.wait_trace(trace_id, count=len(names), settled=False)
    rows = list(csv.DictReader(io.StringIO(done(server, "export", "--format=csv", "-q", f"trace_id:{trace_id}"))))
    shown = {row["name"] for row in rows}
    assert shown == {"'=1+1", "'+1", "'-1", "'@cmd", "'\tx", 'say "hi", twice', "plain"}


def test_parquet_is_read_by_another_engine(server, shop, tmp_path):
    file = tmp_path / "spans.parquet"
    done(server, "export", "-q", f"trace_id:{shop}", "-o", str(file))
    rows = duckdb.sql(f"select name, latency_ms, input_tokens, \"usage.cache_read\", finish_reason, document_scores, estimated_cost_usd,"
                      f" start_time::varchar, attributes from '{file}' order by start_time").fetchall()
    api = server.api(f"/traces/{shop}")["spans"]
    chat = next(span for span in api if span["step"] == "model")
    assert [row[0] for row in rows] == [span["name"] for span in api]
    assert rows[2][:5] == (chat["name"], 800.0, 1000, 300, ["stop"])
    assert float(rows[2][6]) == chat["estimated_cost_usd"] and rows[1][5] == [0.9, 0.25]
    assert rows[0][7].replace(" ", "T") + "Z" == api[0]["start_time"], "to the nanosecond"
    assert json.loads(rows[0][8])["own.map"] == {"k": {"deep": 1.5}}
    assert sorted(os.listdir(tmp_path)) == ["spans.parquet"], "nothing else is left"


def test_content_is_exported_only_when_asked_and_every_read_is_audited(server, shop):
    found = lines_of(done(server, "export", "-q", f"trace_id:{shop}", "--content", "--reason=ticket 812"))
    chat = next(span for span in found if span["step"] == "model")
    assert chat["content"]["input"][0]["parts"][0]["content"] == "how many silver spoons?"
    with open(os.path.join(server.data_dir, "audit.log"), encoding="utf-8") as text:
        reads = [json.loads(line) for line in text if '"payload.read"' in line and shop in line]
    with_content = [span for span in found if "content" in span]
    assert {read["span_id"] for read in reads} == {span["span_id"] for span in with_content}
    assert all(read["reason"] == "ticket 812" for read in reads)


def test_content_needs_the_permission_and_leaves_no_file(new_server, tmp_path):
    server = new_server(auth__mode="on").start()
    server.headers = {"authorization": f"Bearer {server.first_key}"}
    trace_id, spans = rich_trace()
    server.send_spans(*spans)
    server.wait_trace(trace_id, count=len(spans))
    key = server.create_key("default", "read")
    wait_until(lambda: server.request("GET", "/api/v1/traces", headers={"authorization": f"Bearer {key}"}).status == 200)
    file = tmp_path / "out.jsonl"
    shown = cli(server, "export", "--content", "-o", str(file), env={"TELLTALE_KEY": key})
    assert shown.returncode == 1 and "payload:read" in shown.stderr
    assert not file.exists()
    done(server, "export", "-o", str(file), env={"TELLTALE_KEY": key})
    assert len(file.read_text(encoding="utf-8").splitlines()) == len(spans)


class Fake:
    """A server that answers from a list of functions, one a request; what it was asked."""

    def __init__(self, *answers):
        fake = self
        self.asked, self.bodies, self.answers = [], [], list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                fake.asked.append(self.path)
                fake.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
                answer = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
                status, headers, body = answer() if callable(answer) else answer
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(body)), "content-type": "application/json"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            do_POST = do_GET

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.api_port, self.data_dir = self.server.server_port, "/nowhere"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def page(first, count, cursor):
    items = [{"trace_id": f"{i:032x}", "span_id": f"{i:016x}", "start_time": "2026-01-01T00:00:00Z"} for i in range(first, first + count)]
    return 200, {}, json.dumps({"items": items, "next_cursor": cursor}).encode()


def test_an_interrupted_export_leaves_no_half_file_and_goes_on(tmp_path):
    asked = threading.Event()

    def hang():
        asked.set()
        threading.Event().wait(30)
        return page(0, 0, None)
    fake = Fake(page(1, 3, "one"), hang)
    file = tmp_path / "out.jsonl"
    process = subprocess.Popen([BINARY, "export", "-o", str(file)], env=environment(fake), stderr=subprocess.PIPE, text=True)
    assert asked.wait(15)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=15)[1]
    assert process.returncode == 1 and "--resume" in said
    assert not file.exists() and (tmp_path / "out.jsonl.part").exists()
    with open(tmp_path / "out.jsonl.part", "a", encoding="utf-8") as half:
        half.write('{"half of a')
    fake.answers = [page(4, 2, None)]
    done(fake, "export", "-o", str(file), "--resume")
    assert "cursor=one" in fake.asked[-1], fake.asked
    assert [int(span["span_id"], 16) for span in lines_of(file.read_text(encoding="utf-8"))] == [1, 2, 3, 4, 5]
    assert os.listdir(tmp_path) == ["out.jsonl"]
    shown = cli(fake, "export", "-o", str(file), "--resume")
    assert shown.returncode == 1 and "no interrupted export" in shown.stderr


def test_an_export_asks_for_the_same_range_on_every_page(tmp_path):
    fake = Fake(page(1, 1, "one"), page(2, 1, "two"), page(3, 1, None))
    assert len(done(fake, "export", "--since=7d").splitlines()) == 3
    ranges = {re.search("from=.*?&to=.*?&", path).group(0) for path in fake.asked}
    assert len(ranges) == 1 and "now" not in ranges.pop()


def test_an_import_waits_as_long_as_a_busy_server_says(tmp_path):
    fake = Fake((429, {"retry-after": "1"}, b"{}"), (503, {"retry-after": "1"}, b"{}"), (200, {}, b"{}"))
    file = otlp_file(tmp_path, "busy.jsonl", named("busy"))
    began = time.monotonic()
    done(fake, "import", str(file))
    assert len(fake.asked) == 3 and time.monotonic() - began >= 2
    assert len(set(fake.bodies)) == 1, "the same request again"


def test_an_import_sends_requests_of_a_bounded_size(tmp_path):
    fake = Fake((200, {}, b"{}"))
    file = otlp_file(tmp_path, "many.jsonl", *[named("many") for _ in range(2001)])
    shown = done(fake, "import", str(file), "--json")
    assert json.loads(shown) == {"files": 1, "records": 2001, "failed": 0, "requests": 3}
    assert [len(json.loads(body)["resourceSpans"]) for body in fake.bodies] == [1000, 1000, 1]


def test_what_the_server_leaves_out_is_said_and_counted(tmp_path):
    fake = Fake((200, {}, json.dumps({"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no id"}}).encode()))
    shown = cli(fake, "import", str(otlp_file(tmp_path, "x.jsonl", named("x"), named("y"), named("z"))))
    assert shown.returncode == 1 and "left out 2: no id" in shown.stderr and "2 failed" in shown.stderr
    refused = Fake((401, {}, json.dumps({"message": "no key"}).encode()))
    shown = cli(refused, "import", str(otlp_file(tmp_path, "y.jsonl", *[named("x") for _ in range(1001)])))
    assert shown.returncode == 1 and "no key" in shown.stderr and len(refused.asked) == 1, "one refusal is for all"


# ---- round trip ----

def new_import(server, new_server, form, tmp_path, *more):
    file = tmp_path / f"all.{form}"
    done(server, "export", f"--format={form}", "--content", "-o", str(file), *more)
    other = new_server().start()
    done(other, "import", str(file))
    return other, file


@pytest.mark.parametrize("form", ["otlp", "jsonl"])
def test_an_export_imported_by_an_empty_server_gives_the_same_records(new_server, form, tmp_path):
    """shows: X9 R17"""
    first = new_server().start()
    trace_id, spans = rich_trace()
    first.send_spans(*spans, resource={"service.name": "shop", "service.version": "1.4", "deployment.environment.name": "prod",
                                       "host.name": "h1"})
    first.wait_trace(trace_id, count=len(spans))
    second, file = new_import(first, new_server, form, tmp_path)
    second.wait_trace(trace_id, count=len(spans))
    ours, theirs = spans_by_id(first), spans_by_id(second)
    assert set(ours) == set(theirs)
    for span_id, span in ours.items():
        assert theirs[span_id] == span, span["name"]
    payloads = [[server.payload(trace_id, span_id) for span_id in sorted(ours)] for server in (first, second)]
    for one in payloads:
        for payload in one:
            payload["raw"].pop("preview", None)
    assert payloads[0] == payloads[1]
    # again: nothing is doubled
    done(second, "import", str(file))
    second.send_spans(make_span({}, "after"))
    second.wait_spans("name:after", settled=True)
    second.wait_trace(trace_id, count=len(spans))
    assert len(second.trace(trace_id)["spans"]) == len(spans)
    cost = [server.api("/aggregate", metric="cost,input_tokens,traces", q=f"trace_id:{trace_id}")["items"] for server in (first, second)]
    assert cost[0] == cost[1]


def test_each_line_of_otlp_is_a_request_of_the_official_classes(server, shop):
    text = done(server, "export", "--format=otlp", "-q", f"trace_id:{shop}")
    spans = [span for line in text.splitlines() for resource in from_json(line).resource_spans
             for scope in resource.scope_spans for span in scope.spans]
    assert len(spans) == 4 and {span.trace_id.hex() for span in spans} == {shop}


# ---- import ----

def named(name, **more):
    return make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", **more}, name)


def otlp_file(tmp_path, name, *spans):
    file = tmp_path / name
    body = "".join(json.dumps(json_request([span])) + "\n" for span in spans).encode()
    pack = {".gz": gzip.compress, ".zst": lambda data: zstandard.ZstdCompressor().compress(data)}.get(file.suffix, lambda data: data)
    file.write_bytes(pack(body))
    return file


@pytest.mark.parametrize("ending", ["json", "jsonl", "jsonl.gz", "jsonl.zst"])
def test_otlp_files_are_imported_packed_or_not(server, tmp_path, ending):
    name = "file-" + ending.replace(".", "-")
    file = otlp_file(tmp_path, f"x.{ending}", named(name), named(name), named(name))
    done(server, "import", str(file))
    assert len(server.wait_spans(f"name:{name}", 3)) == 3


def test_a_file_of_protobuf_is_imported_alone_or_with_lengths(server, tmp_path):
    messages_ = [from_json(json_request([named("proto")])).SerializeToString() for _ in range(3)]
    (tmp_path / "one.pb").write_bytes(messages_[0])
    (tmp_path / "many.pb").write_bytes(b"".join(len(m).to_bytes(4, "big") + m for m in messages_[1:]))
    done(server, "import", str(tmp_path / "one.pb"), str(tmp_path / "many.pb"))
    server.wait_spans("name:proto", 3)


def test_a_document_of_many_lines_and_a_list_are_imported_and_the_standard_input_too(server, tmp_path):
    (tmp_path / "wide.json").write_text(json.dumps(json_request([named("wide")]), indent=2), encoding="utf-8")
    (tmp_path / "list.json").write_text(json.dumps([json_request([named("wide")]) for _ in range(3)], indent=1), encoding="utf-8")
    done(server, "import", str(tmp_path / "wide.json"), str(tmp_path / "list.json"))
    done(server, "import", "-", input=json.dumps(json_request([named("wide")])))
    server.wait_spans("name:wide", 5)


def test_broken_lines_are_named_and_the_rest_is_kept(server, tmp_path):
    good = [json.dumps(json_request([named("among-broken")])) for _ in range(3)]
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join([good[0], '{"resourceSpans": [', good[1], "what?", '{"a": 1}', good[2], ""]), encoding="utf-8")
    shown = cli(server, "import", str(file))
    assert shown.returncode == 1
    for line in (2, 4, 5):
        assert f"{file}:{line}: " in shown.stderr
    assert shown.stderr.count(f"{file}:") == 3
    server.wait_spans("name:among-broken", 3)
    strict = tmp_path / "strict.jsonl"
    strict.write_text("\n".join(["what?", json.dumps(json_request([named("after-a-broken-one")]))]), encoding="utf-8")
    assert cli(server, "import", "--strict", str(strict)).returncode == 1
    done(server, "import", str(otlp_file(tmp_path, "later.jsonl", named("later"))))
    server.wait_spans("name:later")
    assert not server.spans("name:after-a-broken-one")


def test_times_of_the_past_are_kept(server, tmp_path):
    start = 1_600_000_000 * 10**9
    done(server, "import", str(otlp_file(tmp_path, "old.jsonl", make_span({}, "of-2020", start=start))))
    assert server.wait_spans("name:of-2020")[0]["start_time"].startswith("2020-09-13T12:26:40")


LANGFUSE_TRACE = {"id": "lf-trace-1", "timestamp": "2026-11-01T10:00:00.000Z", "name": "support", "userId": "u-7", "sessionId": "chat-9", "release": "1.2",
                  "tags": ["vip"], "public": False, "input": "hello", "output": "goodbye", "projectId": "p", "htmlPath": "/p/1", "latency": 2.5, "totalCost": 0.5}
LANGFUSE_ROW = {"id": "lf-obs-1", "traceId": "lf-trace-1", "type": "GENERATION", "name": "answer", "startTime": "2026-11-01T10:00:00.100Z",
                "endTime": "2026-11-01T10:00:02.100Z", "model": "gpt-4o-mini", "modelParameters": {"temperature": 0.25}, "input": [{"role": "user", "content": "hello"}],
                "output": {"role": "assistant", "content": "goodbye"}, "usageDetails": {"input": 12, "output": 4, "total": 16}, "level": "DEFAULT",
                "parentObservationId": None, "promptName": "greet", "promptVersion": 3, "environment": "production"}
LANGFUSE_SCORE = {"id": "lf-score-1", "traceId": "lf-trace-1", "name": "helpful", "value": 0.75, "dataType": "NUMERIC", "source": "API",
                  "timestamp": "2026-11-01T10:01:00.000Z"}


def check_langfuse(server):
    spans = server.wait_spans("name:answer", settled=True)
    assert len(spans) == 1, spans
    span = spans[0]
    assert (span["step"], span["generator_model"], span["input_tokens"], span["output_tokens"]) == ("model", "gpt-4o-mini", 12, 4)
    assert (span["temperature"], span["prompt_template_id"], span["prompt_version"], span["environment"]) == (0.25, "greet", "3", "production")
    assert span["start_time"].startswith("2026-11-01T10:00:00.1") and span["latency_ms"] == 2000
    return span


@pytest.mark.parametrize("form", ["page", "whole", "csv"])
def test_exports_of_langfuse_are_imported_once(new_server, tmp_path, form):
    server = new_server().start()
    rows = [LANGFUSE_TRACE, LANGFUSE_ROW, LANGFUSE_SCORE]
    file = tmp_path / f"langfuse.{'csv' if form == 'csv' else 'json'}"
    files = [str(file)]
    if form == "csv":
        files = []
        for number, row in enumerate(rows):
            with open(tmp_path / f"{number}.csv", "w", encoding="utf-8", newline="") as text:
                writer = csv.DictWriter(text, row)
                writer.writeheader()
                writer.writerow({key: json.dumps(value) if isinstance(value, (dict, list)) else value for key, value in row.items()})
            files.append(text.name)
    else:
        whole = dict(LANGFUSE_TRACE, observations=[LANGFUSE_ROW], scores=[LANGFUSE_SCORE])
        page = {"data": rows, "meta": {"page": 1, "totalPages": 1}}
        file.write_text(json.dumps(page if form == "page" else whole, indent=2), encoding="utf-8")
    done(server, "import", *files)
    first = check_langfuse(server)
    trace = server.wait_trace(first["trace_id"], count=2)["trace"]
    assert (trace["name"], trace["user_id"], trace["session_id"]) == ("support", "u-7", "chat-9")
    assert [score["value"] for score in server.wait_scores(1, **{"from": "2026-10-01T00:00:00Z"})] == [0.75]
    done(server, "import", *files)
    done(server, "import", str(otlp_file(tmp_path, "after.jsonl", named("after"))))
    server.wait_spans("name:after", settled=True)
    again = check_langfuse(server)
    assert again["span_id"] == first["span_id"] and len(server.spans(f"trace_id:{first['trace_id']}")) == 2
    assert len(server.api("/scores", **{"from": "2026-10-01T00:00:00Z"})["items"]) == 1


def run_of(name, run_id, parent=None, **more):
    return {"id": run_id, "name": name, "run_type": "chain", "start_time": "2026-11-01T10:00:00.000000", "end_time": "2026-11-01T10:00:01.000000",
            "trace_id": "0198a000-0000-7000-8000-000000000001", "parent_run_id": parent, "inputs": {"q": "hi"}, "outputs": {"a": "ho"}, "error": None,
            "session_id": "0198a000-0000-7000-8000-0000000000ff", "extra": {"metadata": {"thread": "t"}}, **more}


@pytest.mark.parametrize("form", ["lines", "nested"])
def test_exports_of_langsmith_are_imported_once(new_server, tmp_path, form):
    server = new_server().start()
    root_id, child_id = "0198a000-0000-7000-8000-000000000001", "0198a000-0000-7000-8000-000000000002"
    child = run_of("ChatOpenAI", child_id, root_id, run_type="llm", dotted_order=f"20261101T100000000000Z{root_id}.20261101T100000000000Z{child_id}",
                   extra={"metadata": {"ls_model_name": "gpt-4o-mini", "ls_provider": "openai", "ls_temperature": 0.5}},
                   outputs={"generations": [[{"text": "ho"}]], "llm_output": {"token_usage": {"prompt_tokens": 9, "completion_tokens": 3}}})
    root = run_of("agent", root_id, dotted_order=f"20261101T100000000000Z{root_id}")
    rows = [root, child] if form == "lines" else [dict(root, child_runs=[child])]
    file = tmp_path / "runs.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for _ in range(2):
        done(server, "import", str(file))
        spans = server.wait_spans("", 2, settled=True)
        assert sorted(span["name"] for span in spans) == ["ChatOpenAI", "agent"]
        model = next(span for span in spans if span["step"] == "model")
        assert (model["generator_model"], model["input_tokens"], model["temperature"]) == ("gpt-4o-mini", 9, 0.5)
        assert model["parent_span_id"] == next(span for span in spans if span["name"] == "agent")["span_id"]


def test_scores_are_exported_and_come_back(new_server, tmp_path):
    first, second = new_server().start(), new_server().start()
    trace_id = new_trace_id()
    for i in range(3):
        first.request("POST", "/api/v1/scores", json.dumps({"trace_id": trace_id, "name": f"n{i}", "value": i / 4, "source": "judge", "comment": "why"}),
                      {"content-type": "application/json"})
    first.wait_scores(3)
    file = tmp_path / "scores.jsonl"
    done(first, "export", "scores", "-o", str(file))
    for _ in range(2):
        done(second, "import", str(file))
    found = [{(score["name"], score["value"], score["source"], score["comment"], score["trace_id"], score["time"]) for score in server.wait_scores(3)}
             for server in (first, second)]
    assert found[0] == found[1]
    assert len(second.api("/scores")["items"]) == 3


# ---- diff ----

def two_traces(server, **changed):
    """The same request twice, but for some attributes of its spans; their ids."""
    ids = []
    for more in ({}, changed):
        trace_id, root = new_trace_id(), new_span_id()
        start = time.time_ns() - 30 * 10**9
        found = {"rag.retriever": "hybrid", "rag.source_ids": ["d1", "d2"]}
        call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.request.temperature": 0.5,
                "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5, "gen_ai.input.messages": messages("user", "hello")}
        server.send_spans(make_span({}, "POST /ask", trace_id, root, start=start, kind=2),
                          make_span({**found, **more.get("found", {})}, "retrieve", trace_id, parent=root, start=start + 10**6),
                          make_span({**call, **more.get("call", {})}, "chat", trace_id, parent=root, start=start + 2 * 10**6))
        server.wait_trace(trace_id, count=3)
        ids.append(trace_id)
    return ids


def test_diff_shows_exactly_what_differs_and_its_status_says_so(server):
    """shows: E10"""
    a, b = two_traces(server, found={"rag.source_ids": ["d1", "d3"]}, call={"gen_ai.request.temperature": 0.7})
    assert cli(server, "diff", a, a[:12]).returncode == 0
    shown = cli(server, "diff", a, b)
    assert shown.returncode == 1
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines[:-1] == ["retrieval retrieve", "retrieval source_ids -d2 +d3", "model chat", "parameters temperature 0.5 → 0.7"]
    assert lines[-1].startswith("2 differences")
    found = json.loads(cli(server, "diff", a, b, "--json").stdout)
    assert [(item["group"], item["field"], item["a"], item["b"]) for item in found["differences"]] == [
        ("retrieval", "source_ids", ["d1", "d2"], ["d1", "d3"]), ("parameters", "temperature", 0.5, 0.7)]
    assert cli(server, "diff", a, b, "--ignore=retrieval,parameters").returncode == 0


def test_diff_of_two_exported_traces(server, tmp_path):
    """shows: E14"""
    a, b = two_traces(server, call={"gen_ai.usage.output_tokens": 9, "app.prompt_version": "v2", "gen_ai.input.messages": messages("user", "goodbye")})
    files = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    for trace_id, file in zip((a, b), files):
        done(server, "export", "-q", f"trace_id:{trace_id}", "-o", file)
    shown = cli(server, "diff", *files)
    assert shown.returncode == 1
    for text in ("prompt_hash", "prompt_version", "– → v2", "output_tokens", "5 → 9", "estimated_cost_usd"):
        assert text in shown.stdout, shown.stdout
    assert cli(server, "diff", files[0], files[0]).returncode == 0
    with open(tmp_path / "t.json", "w", encoding="utf-8") as text:
        text.write(done(server, "trace", a, "--json"))
    assert cli(server, "diff", files[0], str(tmp_path / "t.json"), "--ignore=prompt,output").returncode == 0


def test_diff_says_what_it_cannot_compare(server, tmp_path):
    (tmp_path / "two.jsonl").write_text(done(server, "export", "--limit=300"), encoding="utf-8")
    (tmp_path / "none.jsonl").write_text("{}\n", encoding="utf-8")
    for arguments, said in (((str(tmp_path / "two.jsonl"), str(tmp_path / "two.jsonl")), "several traces"), ((str(tmp_path / "none.jsonl"),) * 2, "no span"),
                            (("nowhere.jsonl", "nowhere.jsonl"), "neither a file nor a trace id"), (("0" * 32, "0" * 32), "no trace"),
                            (("aaaa", "bbbb", "--ignore=colour"), "none of shape")):
        shown = cli(server, "diff", *arguments)
        assert shown.returncode == 2 and said in shown.stderr, shown


def test_diff_with_content_compares_what_was_said(server):
    a, b = two_traces(server, call={"gen_ai.output.messages": messages("assistant", "good evening")})
    shown = cli(server, "diff", a, b, "--content")
    assert shown.returncode == 1 and "good evening" in shown.stdout and "content.output" in shown.stdout


# ---- top, sessions, cost ----

class Terminal:
    """A program on a terminal of its own: what it shows now, and keys."""

    def __init__(self, server, *arguments, rows=24, columns=80, env=None):
        self.ours, theirs = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.process = subprocess.Popen([BINARY, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                                        env=environment(server, dict({"TERM": "xterm"}, **(env or {}))))
        self.text = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.ours], [], [], 0)[0]:
            try:
                self.text += os.read(self.ours, 65536).decode("utf-8", "replace")
            except OSError:
                return
        return

    def screen(self):
        """The last whole screen: its lines without colours."""
        self.read()
        frames = self.text.split("\x1b[H")
        whole = [frame for frame in frames[1:] if "\x1b[J" in frame]
        if not whole:
            return []
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole[-1].split("\x1b[J")[0])
        return plain.replace("\r\n", "\n").split("\n")

    def wait(self, look, what):
        def found():
            lines = self.screen()
            return lines if lines and look(lines) else None
        return wait_until(found, 15, f"{what}; the screen is {self.screen()}")

    def press(self, keys):
        os.write(self.ours, keys.encode())

    def end(self):
        status = self.process.wait(15)
        self.read()
        settings = termios.tcgetattr(self.theirs)
        os.close(self.theirs)
        os.close(self.ours)
        assert settings == self.before, "the terminal is as it was"
        return status


@pytest.fixture(scope="module")
def busy(server):
    """Calls of two models and three tenants within the last minute."""
    spans = []
    for i in range(30):
        big = i % 3 == 0
        spans.append(make_span({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o" if big else "gpt-4o-mini",
                                "gen_ai.usage.input_tokens": 50_000 if big else 1000, "gen_ai.usage.output_tokens": 100, "app.tenant_id": f"tenant-{i % 3}",
                                "app.feature": "\x1b[2Jevil" if i == 5 else "support", "session.id": f"busy-{i % 2}"},
                               "busy-call", start=time.time_ns() - (i + 1) * 10**9, ms=100 * (i + 1), status={"code": 2} if i == 7 else None))
    server.send_spans(*spans)
    server.wait_spans("name:busy-call", 30, settled=True)
    return server


def test_top_once_prints_one_screen_of_spend_rate_latency_and_errors(busy):
    lines = done(busy, "top", "--once", "-q", "name:busy-call").splitlines()
    assert lines[0].startswith("telltale top") and "/h" in lines[1] and "/s" in lines[2]
    head, rows = lines[4].split(), [line.split() for line in lines[5:]]
    assert head[:3] == ["generator_model", "COST▼", "$/H"] and "P95" in head and "ERR%" in head
    assert [row[0] for row in rows] == ["gpt-4o", "gpt-4o-mini"], "dearest first"
    groups = {item["by"]["generator_model"]: item["values"] for item in
              json.loads(done(busy, "top", "--json", "-q", "name:busy-call"))["items"]}
    assert rows[0][1] == f"${groups['gpt-4o']['cost_usd']:.2f}" and groups["gpt-4o-mini"]["errors"] == 1
    assert "\x1b" not in "".join(lines), "a pipe gets no colours"


@pytest.mark.parametrize("rows, columns", [(24, 80), (50, 200), (6, 40)])
def test_top_fits_the_terminal_and_leaves_it_as_it_was(busy, rows, columns):
    terminal = Terminal(busy, "top", "-q", "name:busy-call", rows=rows, columns=columns)
    lines = terminal.wait(lambda lines: "telltale top" in lines[0], "a screen")
    assert len(lines) <= rows and max(map(len, lines)) <= columns
    assert ("$/H" in "".join(lines)) == (columns >= 110)
    terminal.press("q")
    assert terminal.end() == 0
    assert terminal.text.startswith("\x1b[?1049h") and terminal.text.endswith("\x1b[?1049l")


def test_top_obeys_its_keys_and_a_new_size(busy):
    terminal = Terminal(busy, "top", "-q", "name:busy-call", columns=120)
    terminal.wait(lambda lines: any(line.startswith("gpt-4o ") for line in lines), "rows")
    terminal.press("d")
    terminal.wait(lambda lines: lines[4].startswith("feature "), "another dimension")
    terminal.wait(lambda lines: any("␛[2Jevil" in line for line in lines), "an escape sequence as text")
    terminal.press("d")
    terminal.wait(lambda lines: lines[4].startswith("tenant_id") and lines[5].startswith("tenant-0"), "tenants, dearest first")
    terminal.press("r")
    terminal.wait(lambda lines: "COST▲" in lines[4] and not lines[5].startswith("tenant-0"), "the other way round")
    terminal.press("r>")
    terminal.wait(lambda lines: "$/H▼" in lines[4], "the next column")
    terminal.press("/ tenant:tenant-1\n")
    terminal.wait(lambda lines: "filter: name:busy-call tenant:tenant-1" in lines[3] and lines[5].startswith("tenant-1")
                  and not any(line.startswith("tenant-0") for line in lines), "a filter")
    terminal.press("/(\n")
    terminal.wait(lambda lines: lines[3] and "filter" not in lines[3], "what is wrong with the filter")
    terminal.press("/\x1b")
    terminal.wait(lambda lines: any(line.startswith("tenant-0") for line in lines), "no filter")
    terminal.press("p")
    terminal.wait(lambda lines: "PAUSED" in lines[0], "a pause")
    terminal.resize(30, 60)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.wait(lambda lines: max(map(len, lines)) <= 60, "the new size")
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 0


def test_top_without_colour_and_without_a_server(busy, new_server):
    terminal = Terminal(busy, "top", env={"NO_COLOR": "1"})
    terminal.wait(lambda lines: "telltale top" in lines[0], "a screen")
    terminal.press("q")
    assert terminal.end() == 0 and not re.search(r"\x1b\[[0-9;]*m", terminal.text)
    gone = new_server().start()
    terminal = Terminal(gone, "top")
    terminal.wait(lambda lines: "telltale top" in lines[0], "a screen")
    gone.stop()
    terminal.wait(lambda lines: "no server" in lines[3], "the reason")
    terminal.press("q")
    assert terminal.end() == 0
    shown = cli(gone, "top", "--once")
    assert shown.returncode == 1 and "no server" in shown.stderr
    for wrong in ("--since=5s", "--since=soon"):
        assert cli(busy, "top", wrong).returncode == 2


def test_sessions_are_listed_and_one_is_shown_turn_by_turn(busy):
    rows = [line.split() for line in done(busy, "sessions", "--sort=turns", "-q", "session:busy-*").splitlines()[1:]]
    assert sorted(row[2] for row in rows) == ["busy-0", "busy-1"] and all(row[3] == "15" for row in rows)
    text = done(busy, "sessions", "busy-1")
    assert text.startswith("session busy-1\n15 turns in") and text.count("busy-call") == 15
    assert json.loads(done(busy, "sessions", "busy-1", "--json"))["turns"] == 15
    assert cli(busy, "sessions", "no-such/session").returncode == 1
    assert "no sessions" in done(busy, "sessions", "-q", "session:nobody")


def test_cost_with_steps_shows_the_trend(busy):
    lines = done(busy, "cost", "--by=tenant", "--since=2h", "--every=30m", "-q", "name:busy-call").splitlines()
    assert "TREND" in lines[0] and lines[1].startswith("tenant-0")
    assert all(re.search("[▁▂▃▄▅▆▇█]", line) for line in lines[1:4])
    stepped = json.loads(done(busy, "cost", "--since=2h", "--every=30m", "--json"))
    assert stepped["step_ms"] == 1_800_000
    assert cli(busy, "cost", "--every=often").returncode == 1


def test_since_is_short_for_from(server):
    assert cli(server, "traces", "--since=1h", "--from=now-2h").returncode == 2
    assert cli(server, "traces", "--since=yesterday").returncode == 2
    done(server, "traces", "--since=90m")
