"""The API: what each route answers, to whom, and what never leaves or never reaches the disk.

SPDX-License-Identifier: Apache-2.0"""
import base64
import http.client
import json
import os
import subprocess
import time
import urllib.parse

import pytest
from conftest import BINARY, CLEAN_ENV, JSON, PACK, Server, from_json, make_span, new_span_id, new_trace_id, request_of, wait_until
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate as validate_openapi
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SUMMARY_KEYS = ["trace_id", "request_id", "tenant_id", "feature", "prompt_version", "prompt_hash", "generator_model", "input_tokens",
                "output_tokens", "estimated_cost_usd", "retriever", "index_version", "top_k_returned", "source_ids", "eval_sampled",
                "faithfulness", "safety_blocked", "latency_ms"]
T0 = 1_780_000_000 * 10**9  # 2026-05-28T20:26:40Z
RANGE = {"from": "2026-05-28T20:00:00Z", "to": "2026-05-28T22:00:00Z"}
MODELS = ["gpt-4o-mini", "gpt-4o"]
PRICES = {"gpt-4o-mini": (0.15e-6, 0.6e-6), "gpt-4o": (2.5e-6, 10e-6)}


def facts(number):
    """What trace `number` of the data set has."""
    return {"model": MODELS[number % 2], "tokens_in": 100 + number, "tokens_out": 10 + number, "latency": 100 + 10 * number,
            "ttft": 20 + number, "tenant": f"tenant_{number % 3}", "error": number % 10 == 9, "start": T0 + number * 60 * 10**9}


def trace_of(number):
    """A root and its model call."""
    f = facts(number)
    trace_id, root = f"{0xabc0000 + number:032x}", f"{0x1000 + number:016x}"
    status = {"code": 2, "message": "rate limited"} if f["error"] else None
    return [make_span({"app.tenant_id": f["tenant"], "app.feature": "support", "request_id": f"req_{number}"}, "POST /ask", trace_id, root,
                      start=f["start"], ms=f["latency"] + 5, kind=2),
            make_span({"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": f["model"],
                       "gen_ai.usage.input_tokens": f["tokens_in"], "gen_ai.usage.output_tokens": f["tokens_out"],
                       "llm.first_token_latency_ms": f["ttft"], "llm.prompt.version": f"v{number % 4}"}, "llm.chat", trace_id,
                      f"{0x2000 + number:016x}", root, f["start"] + 10**6, f["latency"], status=status)]


COUNT = 60
FACTS = [facts(number) for number in range(COUNT)]


@pytest.fixture(scope="module")
def data(server):
    """60 traces of two spans, a minute apart."""
    server.send_spans(*[span for number in range(COUNT) for span in trace_of(number)])
    wait_until(lambda: server.metric("telltale_spans_settled_total") >= 2 * COUNT, what="the data set")
    wait_until(lambda: len(server.api("/traces", limit=1000, **RANGE)["items"]) == COUNT, what="the data set")
    return server


# ---- lists ----

def test_traces_are_listed_newest_first_and_paged_without_loss(data):
    for limit in (1, 7, 59, 60, 1000):
        seen, cursor = [], {}
        while cursor is not None:
            page = data.api("/traces", limit=limit, **RANGE, **cursor)
            assert len(page["items"]) <= limit
            seen += page["items"]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        assert [int(item["trace_id"], 16) - 0xabc0000 for item in seen] == list(range(COUNT))[::-1], limit
    first = seen[-1]
    assert (first["name"], first["span_count"], first["request_id"], first["tenant_id"]) == ("POST /ask", 2, "req_0", "tenant_0")


def test_other_orders_page_without_loss_too(data):
    for sort, key in (("latency", "latency_ms"), ("cost", "estimated_cost_usd"), ("tokens", "total_tokens")):
        seen, cursor = [], {}
        while cursor is not None:
            page = data.api("/traces", sort=sort, limit=11, **RANGE, **cursor)
            seen += page["items"]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        assert len({item["trace_id"] for item in seen}) == COUNT
        values = [item[key] for item in seen]
        assert values == sorted(values, reverse=True), sort


def test_the_oldest_first_is_the_newest_first_backwards(data):
    newest = [item["trace_id"] for item in data.api("/traces", limit=1000, **RANGE)["items"]]
    seen, cursor = [], {}
    while cursor is not None:
        page = data.api("/traces", sort="oldest", limit=11, **RANGE, **cursor)
        seen += [item["trace_id"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert seen == newest[::-1]


def test_a_trace_of_fifty_thousand_spans_is_told_whole_in_pages(server):
    trace_id, root, count = new_trace_id(), new_span_id(), 50_000
    ids = [root] + [f"{0x7000000 + number:016x}" for number in range(1, count)]
    for first in range(0, count, 5000):
        server.send_spans(*[make_span({"tool.name": "look"}, f"step {number}", trace_id, ids[number], root if number else None,
                                      start=T0 + number * 1000, ms=1 if number else 60_000)
                            for number in range(first, first + 5000)])
    wait_until(lambda: sum(item["span_count"] for item in server.api("/traces", q=f"trace:{trace_id}", **RANGE)["items"]) == count,
               seconds=60, what="all spans")
    seen, cursor, pages = [], {}, 0
    while cursor is not None:
        page = server.api(f"/traces/{trace_id}", **cursor)
        assert page["trace"]["span_count"] == count
        seen += [span["span_id"] for span in page["spans"]]
        cursor, pages = {"cursor": page["next_cursor"]} if page["next_cursor"] else None, pages + 1
    assert (seen, pages) == (ids, 6)  # the fifth is full: only the sixth knows that it was the last
    few = server.api(f"/traces/{trace_id}", limit=3)
    assert [span["span_id"] for span in few["spans"]] == ids[:3] and few["next_cursor"]
    middle = server.api(f"/spans/{trace_id}/{ids[25_000]}")
    assert middle["name"] == "step 25000"
    shown = subprocess.run([BINARY, "trace", trace_id], capture_output=True, text=True, timeout=60, check=True,
                           env={**CLEAN_ENV, "TELLTALE_SERVER": f"http://127.0.0.1:{server.api_port}"}).stdout
    assert "step 49999" in shown
    for limit in (0, 10_001):
        assert "limit" in server.api(f"/traces/{trace_id}", limit=limit, expect=400)["error"]["message"]


def test_a_cursor_belongs_to_its_question(data):
    cursor = data.api("/traces", limit=5, **RANGE)["next_cursor"]
    for path, params in (("/traces", {"sort": "cost"}), ("/spans", {}), ("/traces", {"q": "status:error"})):
        answer = data.request("GET", f"/api/v1{path}?" + urllib.parse.urlencode({"cursor": cursor, "limit": 5, **RANGE, **params}))
        assert answer.status in (200, 400)
        if answer.status == 400:
            assert "cursor" in answer.json["error"]["message"]
    bad = data.api("/traces", cursor=cursor[:-2] + "zz", expect=400, **RANGE)
    assert "cursor" in bad["error"]["message"]


@pytest.mark.parametrize("q, want", [
    ("model:gpt-4o", lambda f: f["model"] == "gpt-4o"), ("model:gpt-4o*", lambda f: True), ("status:error", lambda f: f["error"]),
    ("tenant:tenant_1", lambda f: f["tenant"] == "tenant_1"), ("input_tokens>=150", lambda f: f["tokens_in"] >= 150),
    ("latency>400ms", lambda f: f["latency"] > 400), ("cost>0.0005", lambda f: cost(f) > 0.0005),
    ("model:gpt-4o and not status:error", lambda f: f["model"] == "gpt-4o" and not f["error"]),
    ("(tenant:tenant_1 or tenant:tenant_2) tokens<200", lambda f: f["tenant"] != "tenant_0" and f["tokens_in"] + f["tokens_out"] < 200)])
def test_filters_find_exactly_the_right_calls(data, q, want):
    """shows: E8 A8 A20 A49 A59 A63"""
    found = data.spans(f"op:chat {q}" if not q.startswith("(") else f"op:chat and {q}", **RANGE)
    assert sorted(span["trace_id"] for span in found) == sorted(f"{0xabc0000 + n:032x}" for n, f in enumerate(FACTS) if want(f))


def cost(f):
    return f["tokens_in"] * PRICES[f["model"]][0] + f["tokens_out"] * PRICES[f["model"]][1]


# ---- one ----

def test_one_trace_its_spans_and_its_summary(data):
    """shows: A91"""
    spans = trace_of(7)
    trace_id = spans[0]["traceId"]
    whole = data.trace(trace_id)
    assert [span["span_id"] for span in whole["spans"]] == [span["spanId"] for span in spans]
    assert data.api(f"/spans/{trace_id}/{spans[1]['spanId']}") == dict(whole["spans"][1], **{
        key: data.api(f"/spans/{trace_id}/{spans[1]['spanId']}")[key] for key in set(data.api(f"/spans/{trace_id}/{spans[1]['spanId']}")) - set(whole["spans"][1])})
    answer = data.request("GET", f"/api/v1/traces/{trace_id}/summary")
    summary = json.loads(answer.body, object_pairs_hook=list)
    assert [key for key, _ in summary] == SUMMARY_KEYS
    f, summary = FACTS[7], dict(summary)
    assert summary == {"trace_id": trace_id, "request_id": "req_7", "tenant_id": f["tenant"], "feature": "support", "prompt_version": "v3",
                       "prompt_hash": None, "generator_model": f["model"], "input_tokens": f["tokens_in"], "output_tokens": f["tokens_out"],
                       "estimated_cost_usd": round(cost(f), 6), "retriever": None, "index_version": None, "top_k_returned": None, "source_ids": [],
                       "eval_sampled": None, "faithfulness": None, "safety_blocked": None, "latency_ms": f["latency"] + 5}
    assert '"estimated_cost_usd":%.6f' % cost(f) in answer.text


def test_a_summary_of_a_full_trace(server):
    """shows: A91"""
    hash_text = "sha256:" + "ab" * 32
    trace_id, root = new_trace_id(), new_span_id()
    server.send_spans(
        make_span({"app.tenant_id": "tenant_abc", "app.feature": "f", "request_id": "req_123", "eval_sampled": True, "faithfulness": 0.92,
                   "safety_blocked": False}, "rag.query", trace_id, root, ms=1840),
        make_span({"rag.retriever": "hybrid", "rag.index": "docs_v42", "rag.top_k.returned": 6, "rag.source_ids": "doc_12,doc_19"}, "retrieval", trace_id, None, root),
        make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
                   "llm.prompt.hash": hash_text, "llm.prompt.version": "support-v17"}, "chat.completion", trace_id, None, root))
    server.wait_trace(trace_id, 3)
    got = server.api(f"/traces/{trace_id}/summary")
    assert list(got) == SUMMARY_KEYS
    assert (got["retriever"], got["top_k_returned"], got["source_ids"], got["prompt_hash"]) == ("hybrid", 6, ["doc_12", "doc_19"], hash_text)
    assert (got["eval_sampled"], got["faithfulness"], got["safety_blocked"], got["latency_ms"]) == (True, 0.92, False, 1840)
    assert got["index_version"] in ("v42", "42")


# ---- aggregates ----

def percentile(values, share):
    """Bounds of a percentile: the nearest ranks on both sides, 2 % apart for the buckets of rollups."""
    values = sorted(values)
    at = share * (len(values) - 1)
    return values[int(at)] * 0.98, values[min(int(at) + 1, len(values) - 1)] * 1.02


EXACT = {"count": lambda fs: len(fs), "errors": lambda fs: sum(f["error"] for f in fs), "input_tokens": lambda fs: sum(f["tokens_in"] for f in fs),
         "output_tokens": lambda fs: sum(f["tokens_out"] for f in fs), "total_tokens": lambda fs: sum(f["tokens_in"] + f["tokens_out"] for f in fs),
         "unpriced": lambda fs: 0, "traces": lambda fs: len(fs)}
SPREAD = {f"{what}_p{share}": (what, share) for what in ("latency", "ttft") for share in (50, 95, 99)}


def check_values(values, group):
    for metric, compute in EXACT.items():
        assert values[metric] == compute(group), metric
    assert values["cost_usd"] == pytest.approx(sum(map(cost, group)), abs=1e-9 * len(group))
    assert values["latency_avg_ms"] == pytest.approx(sum(f["latency"] for f in group) / len(group), rel=1e-3)
    for metric, (what, share) in SPREAD.items():
        low, high = percentile([f[what] for f in group], share / 100)
        assert low <= values[f"{metric}_ms"] <= high, (metric, values[f"{metric}_ms"], low, high)


ALL = ",".join([*EXACT, *SPREAD, "cost", "latency_avg"])


def test_every_metric_over_all_calls(data):
    """shows: F26"""
    got = data.api("/aggregate", metric=ALL, q="op:chat", **RANGE)
    assert len(got["items"]) == 1
    check_values(got["items"][0]["values"], FACTS)


@pytest.mark.parametrize("by, key", [("generator_model", "model"), ("tenant_id", "tenant")])
def test_every_metric_by_a_dimension(data, by, key):
    """shows: A8 A21"""
    items = data.api("/aggregate", metric=ALL, by=by, q="op:chat", **RANGE)["items"]
    assert {item["by"][by] for item in items} == {f[key] for f in FACTS}
    for item in items:
        check_values(item["values"], [f for f in FACTS if f[key] == item["by"][by]])
        example = data.trace(item["exemplar_trace_id"])
        assert any(span[by] == item["by"][by] for span in example["spans"])


def test_two_dimensions_and_time_steps(data):
    got = data.api("/aggregate", metric="count,cost", by="generator_model,tenant_id", q="op:chat", **RANGE)
    assert len(got["items"]) == 6 and sum(item["values"]["count"] for item in got["items"]) == COUNT
    steps = data.api("/aggregate", metric="count,input_tokens", step="10m", q="op:chat", **RANGE)
    assert steps["step_ms"] == 600_000
    buckets = {}
    for f in FACTS:
        at = f["start"] // (600 * 10**9) * 600
        buckets.setdefault(at, []).append(f)
    found = {item["time"]: item["values"] for item in steps["items"] if item["values"]["count"]}
    assert len(found) == len(buckets)
    for at, group in buckets.items():
        values = found[next(t for t in found if t.startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))))]
        assert values == {"count": len(group), "input_tokens": sum(f["tokens_in"] for f in group)}


# ---- errors ----

@pytest.mark.parametrize("path, named", [
    ("/traces?limit=0", "limit"), ("/traces?limit=1001", "1000"), ("/traces?limit=ten", "limit"), ("/traces?sort=age", "sort"),
    ("/traces?from=yesterday-ish", "from"), ("/traces?from=now&to=now-1h", "from"), ("/traces?cursor=zzz", "cursor"), ("/traces?bogus=1", "bogus"),
    ("/spans?q=foo:1", "foo"), ("/spans?q=latency%3Eabc", "abc"), ("/spans?q=%28", "q"), ("/spans?q=%22open", "q"),
    ("/aggregate?metric=nonsense", "nonsense"), ("/aggregate?step=1ms", "step"), ("/aggregate?by=a,b,c,d,e", "by"),
    ("/aggregate?step=1s&from=2020-01-01T00:00:00Z", "step"), ("/traces/xyz", "xyz"), ("/spans/" + "1" * 32 + "/zz", "zz")])
def test_a_wrong_question_is_400_and_the_fault_is_named(data, path, named):
    answer = data.request("GET", "/api/v1" + path)
    assert answer.status == (413 if "step=1s" in path else 400), answer  # 413: too much is asked for
    error = answer.json["error"]
    assert set(error) == {"code", "message", "hint", "offset", "path"} and named in error["message"], error


def test_what_is_not_there_is_404_and_other_methods_405(data):
    for path in ("/traces/" + "9" * 32, "/traces/" + "9" * 32 + "/summary", "/spans/" + "9" * 32 + "/" + "9" * 16,
                 f"/spans/{0xabc0000:032x}/{'9' * 16}", "/nonsense", "/spans/" + "9" * 32 + "/" + "9" * 16 + "/payload"):
        assert data.request("GET", "/api/v1" + path).status == 404, path
    for method in ("POST", "PUT", "DELETE"):
        answer = data.request(method, "/api/v1/traces")
        assert answer.status == 405 and "GET" in answer.json["error"]["message"]


def test_an_ambiguous_prefix_is_refused_a_short_one_too(data):
    """shows: A1"""
    assert data.request("GET", "/api/v1/traces/0000").status in (400, 409)
    assert data.request("GET", "/api/v1/traces/000").status == 400


# ---- the document ----

def test_the_document_is_valid_and_every_answer_keeps_to_it(data):
    document = data.request("GET", "/openapi.json").json
    validate_openapi(document)
    assert document == data.request("GET", "/api/v1/openapi.json").json
    registry = Registry().with_resource("urn:doc", Resource(contents=document, specification=DRAFT202012))
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "session.id": "chat 1", "user.id": "user 1",
                      "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])}, start=T0)
    data.send_spans(span)
    data.wait_trace(span["traceId"])
    ids = {"{trace_id}": span["traceId"], "{span_id}": span["spanId"], "{session_id}": "chat 1", "{user_id}": "user 1"}
    seen = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation["responses"]["200"].get("content", {})
            if method != "get" or JSON not in content:
                continue
            url = path
            for name, value in ids.items():
                url = url.replace(name, value)
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            query = urllib.parse.urlencode({key: value for key, value in RANGE.items() if key in names})
            query += "&a=v1&b=v2" if path.endswith("/compare") else ""
            query += "&metric=count" if path.endswith("/changes") else ""
            query += "&words=hi" if path.endswith("/search") else ""
            query += "&metric=gen_ai.client.token.usage" if path.endswith("/metrics/query") else ""
            url = urllib.parse.quote(url)
            answer = data.request("GET", f"{url}?{query}" if query else url)
            assert answer.status == 200, (url, answer)
            place = "/".join(part.replace("~", "~0").replace("/", "~1") for part in ("paths", path, method, "responses", "200", "content", JSON, "schema"))
            schema = {"$ref": f"urn:doc#/{urllib.parse.quote(place, safe='/~')}"}
            Draft202012Validator(schema, registry=registry).validate(answer.json)
            seen += 1
    assert seen >= 9
    error = {"$ref": "urn:doc#/components/schemas/Error"}
    Draft202012Validator(error, registry=registry).validate(data.api("/traces", limit=0, expect=400))
    known = set(document["components"]["schemas"]["Span"]["properties"])
    assert set(data.trace(span["traceId"])["spans"][0]) <= known
    assert list(document["components"]["schemas"]["Summary"]["properties"]) == SUMMARY_KEYS


def test_head_is_get_without_a_body(data):
    for path in ("/api/v1/traces", "/openapi.json", "/healthz"):
        answer = data.request("HEAD", path)
        assert answer.status == 200 and answer.body == b""


# ---- live ----

def test_live_shows_matching_spans_as_they_come(server):
    mark = os.urandom(4).hex()
    connection = http.client.HTTPConnection("127.0.0.1", server.api_port, timeout=15)
    connection.request("GET", "/api/v1/live?" + urllib.parse.urlencode({"q": f"x.mark:{mark}"}))
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("content-type").startswith("text/event-stream")
    server.send_spans(make_span({"x.mark": "another"}, name="not this"))
    spans = [make_span({"x.mark": mark}, name=f"tail {n}") for n in range(3)]
    for span in spans:
        server.send_spans(span)
    seen = []
    while len(seen) < 3:
        line = answer.readline().decode()
        assert line, "the stream ended"
        if line.startswith("data:"):
            event = json.loads(line[5:])
            seen += [event] if "span_id" in event else []
    connection.close()
    assert [event["span_id"] for event in seen] == [span["spanId"] for span in spans]
    assert [event["name"] for event in seen] == ["tail 0", "tail 1", "tail 2"]


def test_a_wrong_filter_of_live_is_400(server):
    answer = server.request("GET", "/api/v1/live?q=nonsense:1")
    assert answer.status == 400 and "nonsense" in answer.json["error"]["message"]


# ---- who may ----

def run(*arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, env=dict(CLEAN_ENV), check=False)
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture(scope="module")
def locked():
    """A server with keys: admin (all), and per project keys with some permissions."""
    made = Server(auth__mode="on").start()
    made.keys = {"admin": made.first_key}
    for name, project, permissions, more in (
            ("a", "proj-a", "ingest,read,payload:read", []), ("b", "proj-b", "ingest,read,payload:read", []), ("ingest", "proj-a", "ingest", []),
            ("read", "proj-a", "read", []), ("tenant", "proj-a", "ingest,read,payload:read", ["--tenant=acme"])):
        made.keys[name] = json.loads(run("key", "create", f"--data_dir={made.data_dir}", f"--project={project}", f"--permissions={permissions}",
                                         "--json", *more))["token"]

    def bearer(name):
        return {"authorization": f"Bearer {made.keys[name]}"}
    made.bearer = bearer
    for name in made.keys:
        wait_until(lambda name=name: made.request("GET", "/healthz").status == 200
                   and made.request("POST", "/v1/traces", b"", {"content-type": JSON, **bearer(name)}).status in (200, 403), what=f"key {name}")
    yield made
    made.stop()
    made.remove()


SECRET_TALK = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "the talk of project a"}]}])


@pytest.fixture(scope="module")
def private(locked):
    """A span with content in project a."""
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.input.messages": SECRET_TALK,
                      "x.private": "a-only", "app.tenant_id": "other", "session.id": "private of a", "user.id": "private of a"}, name="private of a")
    locked.send_spans(span, headers=locked.bearer("a"))
    locked.headers = locked.bearer("a")
    locked.wait_trace(span["traceId"])
    locked.headers = {}
    return span


READS = ["/api/v1/traces", "/api/v1/traces/{t}", "/api/v1/traces/{t}/summary", "/api/v1/spans", "/api/v1/spans/{t}/{s}", "/api/v1/aggregate",
         "/api/v1/sessions", "/api/v1/users", "/api/v1/prompts", "/api/v1/models", "/api/v1/retrieval", "/api/v1/compare?a=1&b=2",
         "/api/v1/status", "/api/v1/live", "/metrics", "/api/v1/spans/{t}/{s}/payload", "/api/v1/config"]


def fill(path, span):
    return path.replace("{t}", span["traceId"]).replace("{s}", span["spanId"])


@pytest.mark.parametrize("path", READS)
def test_nothing_is_answered_without_a_key(locked, private, path):
    """shows: P19"""
    for headers in ({}, {"authorization": "Bearer tt_0000000000000000_00"}, {"authorization": "Basic " + base64.b64encode(b"x:y").decode()}):
        answer = locked.request("GET", fill(path, private), headers=headers)
        assert answer.status == 401 and "www-authenticate" in answer.headers and "a-only" not in answer.text


def test_health_and_document_need_no_key(locked):
    for path in ("/healthz", "/readyz", "/openapi.json", "/api/v1/openapi.json"):
        assert locked.request("GET", path).status == 200


def test_a_key_is_taken_as_bearer_basic_and_header(locked):
    key = locked.keys["read"]
    basic = base64.b64encode(f"any:{key}".encode()).decode()
    for headers in ({"authorization": f"Bearer {key}"}, {"x-telltale-key": key}, {"authorization": f"Basic {basic}"}):
        assert locked.request("GET", "/api/v1/traces", headers=headers).status == 200, headers


@pytest.mark.parametrize("who, path, expected", [
    ("ingest", "/api/v1/traces", 403), ("ingest", "/api/v1/live", 403), ("ingest", "/api/v1/spans/{t}/{s}/payload", 403), ("read", "/api/v1/traces/{t}", 200),
    ("read", "/api/v1/spans/{t}/{s}/payload", 403), ("a", "/api/v1/spans/{t}/{s}/payload", 200), ("read", "/api/v1/config", 403),
    ("a", "/api/v1/config", 403), ("admin", "/api/v1/config", 200)])
def test_each_permission_opens_its_routes_only(locked, private, who, path, expected):
    """shows: P6 P17"""
    answer = locked.request("GET", fill(path, private), headers=locked.bearer(who))
    assert answer.status == expected, answer
    if expected == 403:
        assert answer.json["error"]["code"] == "FORBIDDEN" and answer.json["error"]["message"]


def test_a_key_that_may_not_send_is_refused(locked):
    answer = locked.post(b"{}", kind=JSON, headers=locked.bearer("read"))
    assert answer.status == 403 and answer.json["code"] == 7


def test_a_reader_without_the_content_right_sees_a_redacted_preview_only(locked, private):
    """shows: A37 P17"""
    span = locked.request("GET", fill("/api/v1/spans/{t}/{s}", private), headers=locked.bearer("read")).json
    assert "the talk of project a" in json.dumps(span["preview"]) and "the talk of project a" not in json.dumps(span["attributes"])
    content = locked.request("GET", fill("/api/v1/spans/{t}/{s}/payload", private), headers=locked.bearer("a")).json
    assert content["input"] == json.loads(SECRET_TALK)


@pytest.mark.parametrize("who", ["b", "tenant"])
@pytest.mark.parametrize("path", [path for path in READS if path not in ("/api/v1/live", "/metrics", "/api/v1/status", "/api/v1/config")])
def test_another_project_or_tenant_never_sees_it(locked, private, who, path):
    """shows: P19"""
    query = "?" + urllib.parse.urlencode({"from": "now-1h", "metric": "count", "by": "name"} if "aggregate" in path else {"from": "now-1h"})
    answer = locked.request("GET", fill(path, private) + (query if "{t}" not in path and "?" not in path else ""), headers=locked.bearer(who))
    if "{t}" in path:
        assert answer.status == 404, answer
        exists_not = locked.request("GET", path.replace("{t}", "9" * 32).replace("{s}", "9" * 16), headers=locked.bearer(who))
        assert exists_not.status == 404
    assert "private of a" not in answer.text and "a-only" not in answer.text and "talk of project" not in answer.text
    prefix = locked.request("GET", f"/api/v1/traces/{private['traceId'][:8]}", headers=locked.bearer(who))
    assert prefix.status == 404


def test_live_is_cut_by_project_too(locked):
    """shows: P19"""
    connection = http.client.HTTPConnection("127.0.0.1", locked.api_port, timeout=15)
    connection.request("GET", "/api/v1/live", headers=locked.bearer("b"))
    answer = connection.getresponse()
    assert answer.status == 200
    locked.send_spans(make_span(name="live of a"), headers=locked.bearer("a"))
    locked.send_spans(make_span(name="live of b"), headers=locked.bearer("b"))
    text = ""
    while "live of b" not in text:
        text += answer.readline().decode()
    connection.close()
    assert "live of a" not in text


def test_the_same_ids_in_two_projects_are_two_spans(locked):
    """shows: P19"""
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.input.messages": SECRET_TALK})
    for who in ("a", "b"):
        locked.send_spans(dict(span, name=f"of {who}"), headers=locked.bearer(who))
    for who in ("a", "b"):
        def look(who=who):
            answer = locked.request("GET", f"/api/v1/traces/{span['traceId']}", headers=locked.bearer(who))
            return answer.status == 200 and answer.json["trace"]["settled"] and answer.json
        whole = wait_until(look, what="both")
        assert [one["name"] for one in whole["spans"]] == [f"of {who}"]


def test_a_key_of_a_tenant_writes_as_that_tenant(locked):
    """shows: C12"""
    span = make_span({"app.tenant_id": "somebody-else"})
    locked.send_spans(span, headers=locked.bearer("tenant"))
    found = wait_until(lambda: (a := locked.request("GET", f"/api/v1/traces/{span['traceId']}", headers=locked.bearer("a"))).status == 200 and a.json)
    assert found["spans"][0]["tenant_id"] == "acme"


def test_a_revoked_key_ends_within_seconds(locked):
    made = json.loads(run("key", "create", f"--data_dir={locked.data_dir}", "--project=proj-a", "--permissions=read", "--json"))
    headers = {"authorization": f"Bearer {made['token']}"}
    wait_until(lambda: locked.request("GET", "/api/v1/traces", headers=headers).status == 200, 5, "the new key")
    run("key", "revoke", made["id"], f"--data_dir={locked.data_dir}")
    wait_until(lambda: locked.request("GET", "/api/v1/traces", headers=headers).status == 401, 5, "the end of the key")


def test_each_read_of_content_is_in_the_audit_log(locked, private):
    """shows: P7"""
    before = json.loads(run("audit", "verify", f"--data_dir={locked.data_dir}", "--json"))
    reads = locked.request("GET", "/metrics", headers=locked.bearer("admin")).text.split("\ntelltale_payload_reads_total ")[1].split("\n")[0]
    for _ in range(3):
        assert locked.request("GET", fill("/api/v1/spans/{t}/{s}/payload", private),
                              headers=dict(locked.bearer("a"), **{"x-telltale-reason": "ticket 7"})).status == 200
    for path in ("/api/v1/traces/{t}", "/api/v1/spans/{t}/{s}"):
        locked.request("GET", fill(path, private), headers=locked.bearer("a"))
    after = json.loads(run("audit", "verify", f"--data_dir={locked.data_dir}", "--json"))
    assert before["ok"] and after["ok"] and after["sequence"] == before["sequence"] + 3 and after["hash"] != before["hash"]
    now = locked.request("GET", "/metrics", headers=locked.bearer("admin")).text
    assert f"\ntelltale_payload_reads_total {int(reads) + 3}\n" in now


# ---- secrets ----

def planted():
    """Secrets and personal data, put together here so that no scanner finds them in this file."""
    letters = base64.b32encode(os.urandom(30)).decode().lower()
    return {"openai": "sk-" + letters, "aws": "AKIA" + letters[:16].upper(), "password": "hunter" + letters[:10], "email": f"jane.{letters[:8]}@example.org",
            "github": "ghp_" + (letters + letters)[:36]}


def on_disk(folder, needle):
    """Files under a folder that hold these bytes."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                with open(os.path.join(place, name), "rb") as data:
                    if needle.encode() in data.read():
                        found.append(name)
            except FileNotFoundError:
                pass
    return found


def test_secrets_never_reach_the_disk_nor_an_answer(new_server):
    """shows: C5 D8 P1 P22

    In messages, attributes, names, errors, events, resources, log records; by protobuf, JSON and compressed; also
    while the trace is open, and after the end of the server."""
    made = new_server(settle__after_root="3s", settle__after_idle="5s").start()
    secrets = planted()
    marker = "content" + os.urandom(6).hex()  # no secret, but content: never readable on the disk
    talk = f"my key is {secrets['openai']} and {secrets['aws']}, password: {secrets['password']}, write to {secrets['email']} or {secrets['github']}"
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"{marker} {talk}"}]}])
    spans = [make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.input.messages": messages, "x.note": talk,
                        "x.list": [talk, "b"], "x.map": {"deep": {"er": talk}}, "user.name": secrets["email"]}, name=f"name {talk}",
                       status={"code": 2, "message": talk}, events=[(T0, "exception", {"exception.message": talk, "exception.stacktrace": "at x\n" + talk}),
                                                                    (T0, "gen_ai.content.completion", {"content": f"{marker} {talk}"})]) for _ in PACK]
    for span, encoding in zip(spans, PACK, strict=True):
        made.send(request_of([span], {"service.name": "s", "x.resource": talk}), kind=JSON if encoding == "gzip" else "application/x-protobuf", encoding=encoding)
    made.send(from_json({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": str(T0), "traceId": spans[0]["traceId"], "spanId": spans[0]["spanId"],
                                                                           "body": {"stringValue": talk}, "attributes": []}]}]}]}, "logs"), "logs")

    def clean():
        for kind, secret in secrets.items():
            for folder in (made.data_dir, made.data_dir + ".keys"):
                assert on_disk(folder, secret) == [], kind
        assert on_disk(made.data_dir, marker) == []
    clean()
    for span in spans:
        made.wait_trace(span["traceId"], settled=False)
    clean()
    for span in spans:
        whole = made.wait_trace(span["traceId"], seconds=25)
        payload = made.request("GET", f"/api/v1/spans/{span['traceId']}/{span['spanId']}/payload").text
        answers = json.dumps(whole) + payload
        assert marker in payload and "[REDACTED" in payload and "[REDACTED" in json.dumps(whole)
        for kind, secret in secrets.items():
            assert secret not in answers, kind
        assert whole["spans"][0]["redactions"]
    clean()
    made.stop()
    clean()
    assert not any(secret in made.stderr() for secret in secrets.values())


def test_a_preview_is_redacted_then_cut(server):
    """shows: A37 P3"""
    secrets = planted()
    text = "x" * 480 + f" {secrets['openai']} " + "y" * 2000
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])})
    server.send_spans(span)
    preview = server.wait_trace(span["traceId"])["spans"][0]["preview"]["input"]
    assert preview.endswith("...[TRUNCATED]") and len(preview) == 500 + len("...[TRUNCATED]")
    assert secrets["openai"][:12] not in preview and "[REDACTED" in preview
