"""Langfuse: what its SDKs of each generation sent (record/record_native.py), and its API as other senders use it.

SPDX-License-Identifier: Apache-2.0"""
import base64
import json
import os
import subprocess
import sys
import time
import uuid

import pytest
from conftest import CLEAN_ENV, FIXTURES, ROOT, wait_until

BATCH = ["langfuse-python-2", "langfuse-js-3"]
OTEL = ["langfuse-python-3", "langfuse-python-4", "langfuse-python-5", "langfuse-js-4", "langfuse-js-5"]


def requests_of(name):
    with open(os.path.join(FIXTURES, "native", name + ".json"), encoding="utf-8") as text:
        return json.load(text)["requests"]


def body_of(item):
    return base64.b64decode(item["base64"]) if "base64" in item else item["text"].encode()


def ingest(server, *events, expect=207):
    return server.call("POST", "/api/public/ingestion", {"batch": list(events), "metadata": {}}, expect).json


def event(kind, at="2026-11-21T10:00:00.000Z", **body):
    return {"id": str(uuid.uuid4()), "timestamp": at, "type": kind, "body": body}


@pytest.fixture(scope="module")
def replayed(server):
    """Each recording, sent once: the answers, the trace and its spans by name."""
    known = {}

    def replay(name):
        if name not in known:
            answers = [server.request(r["method"], r["path"], body_of(r) or None, r["headers"], server.otlp_port)
                       for r in requests_of(name)]
            for answer in answers:
                assert answer.status in (200, 201, 202, 207), answer
            count = 6 if name in BATCH else 4

            def look():
                ids = [span["trace_id"] for span in server.spans('name = "answer"') if span["trace_id"] not in known.values()]
                return ids[0] if ids else None
            trace_id = wait_until(look, 15, name)
            full = server.wait_trace(trace_id, count)
            known[name] = trace_id
            known[name, "answers"] = answers
            known[name, "full"] = full
        return known[name, "answers"], known[name, "full"]["trace"], {span["name"]: span for span in known[name, "full"]["spans"]}, \
            {score["name"]: score for score in known[name, "full"]["scores"]}
    return replay


@pytest.mark.parametrize("name", BATCH + OTEL)
def test_the_call_arrives_whole_whatever_the_sdk(server, replayed, name):
    """shows: R6 A20 A22 A24 A26 A27 A31 A38 A50 A59 A60 A61 A62 A63"""
    _, trace, spans, _ = replayed(name)
    answer = spans["answer"]
    assert (answer["step"], answer["operation"], answer["request_model"], answer["dialect"]) == ("model", "chat", "gpt-4o-mini", "langfuse")
    assert (answer["input_tokens"], answer["output_tokens"], answer["total_tokens"]) == (110, 20, 130)
    assert (answer["usage"]["input_fresh"], answer["usage"]["cache_read"], answer["usage"]["source"]) == (80, 30, "reported")
    assert answer["cost"]["sender_usd"] == 0.003 and answer["cost"]["source"] == "table"
    assert answer["estimated_cost_usd"] == pytest.approx((80 * 0.15 + 30 * 0.075 + 20 * 0.6) / 1e6)
    assert (answer["prompt_template_id"], answer["prompt_version"]) == ("support-answer", "3")
    assert (answer["temperature"], answer["max_tokens"]) == (0.2, 100)
    assert 20 < answer["ttft_ms"] <= answer["latency_ms"] < 5000
    assert server.said(answer) == [[("user", "Where is order 7?")], [("assistant", "It is on its way.")]]
    assert trace["model_call_count"] == (3 if name in BATCH else 1)


@pytest.mark.parametrize("name", BATCH + OTEL)
def test_what_is_said_of_the_trace_reaches_the_trace(server, replayed, name):
    """shows: A9 A10 A11 A15"""
    _, trace, spans, _ = replayed(name)
    root = spans["support"]
    assert {key: trace[key] for key in ("name", "user_id", "session_id", "environment", "release")} == \
        {"name": "support", "user_id": "user-1", "session_id": "session-1", "environment": "staging", "release": "r7"}
    assert trace["root_span_id"] == root["span_id"] and root["parent_span_id"] is None
    assert root["tags"] == ["gold", "eu"]
    assert root["attributes"]["langfuse.trace.metadata.tier"].strip('"') == "gold" and root["attributes"]["langfuse.version"] == "v2"
    assert [json.loads(said[0][1]) for said in server.said(root)] == [{"question": "Where?"}, {"answer": "It is on its way."}]
    assert all(span["session_id"] == "session-1" and span["user_id"] == "user-1" for span in spans.values())
    assert server.api("/traces", q='tags = "gold" and user_id = "user-1"', **{"from": "2026-01-01T00:00:00Z"})["items"]


@pytest.mark.parametrize("name", BATCH + OTEL)
def test_scores_are_of_the_span_the_trace_or_the_session(server, replayed, name):
    """shows: R6 A78 J2"""
    answers, trace, spans, scores = replayed(name)
    assert (scores["correct"]["value"], scores["correct"]["comment"], scores["correct"]["span_id"]) == (True, "fine", spans["answer"]["span_id"])
    assert (scores["helpful"]["value"], scores["helpful"]["span_id"], scores["helpful"]["source"]) == (0.9, None, "api")
    if name in OTEL:
        tones = server.api("/scores", session_id="session-1", name="tone")["items"]
        assert tones and all(score["value"] == "friendly" and score["trace_id"] is None for score in tones)
    else:
        assert scores["tone"]["value"] == scores["tone"]["label"] == "friendly"
    last = answers[-1].json
    assert last == {"message": "Accepted"} if name == "langfuse-python-5" else last["errors"] == [] and len(last["successes"]) >= 3


@pytest.mark.parametrize("name", BATCH)
def test_what_was_created_and_updated_apart_is_one_span(server, replayed, name):
    """shows: R6 A2 A57"""
    _, trace, spans, _ = replayed(name)
    assert set(spans) == {"support", "lookup", "answer", "old", "shaped", "cache-miss"} and trace["span_count"] == 6
    root, lookup = spans["support"], spans["lookup"]
    assert lookup["parent_span_id"] == root["span_id"] and spans["answer"]["parent_span_id"] == lookup["span_id"]
    assert spans["old"]["parent_span_id"] == root["span_id"] and spans["cache-miss"]["latency_ms"] == 0
    assert uuid.UUID(root["source_id"]).hex == root["trace_id"] and uuid.UUID(lookup["source_id"])
    assert root["latency_ms"] >= lookup["latency_ms"] > 60
    assert [json.loads(said[0][1]) for said in server.said(lookup)] == [{"order": 7}, {"state": "shipped"}]
    assert lookup["attributes"]["langfuse.observation.metadata.db"] == "orders"
    old = spans["old"]
    assert (old["status"], old["status_message"], old["error_class"]) == ("error", "RateLimitError: 429 too many", "rate_limit")
    assert (old["input_tokens"], old["output_tokens"]) == (10, 5)
    assert old["cost"]["sender_usd"] == (0.5 if name == "langfuse-python-2" else None)
    shaped = spans["shaped"]
    assert (shaped["input_tokens"], shaped["output_tokens"], shaped["total_tokens"]) == (50, 9, 59)
    assert [shaped["usage"][key] for key in ("input_fresh", "cache_read", "output_text", "reasoning")] == [30, 20, 5, 4]
    assert "langfuse.trace.metadata.deep" in root["attributes"] and root["attributes"]["langfuse.trace.metadata.seats"] == 3
    assert server.spans(f'source_id = "{lookup["source_id"]}"')[0]["span_id"] == lookup["span_id"]


@pytest.mark.parametrize("name", OTEL)
def test_tools_and_events_of_the_newer_sdks(server, replayed, name):
    """shows: R6"""
    _, _, spans, _ = replayed(name)
    tool = spans["lookup"]
    assert (tool["step"], tool["tool"]["name"], tool["status"], tool["status_message"]) == ("tool", "lookup", "error", "TimeoutError: no answer")
    assert spans["cache-miss"]["parent_span_id"] == spans["support"]["span_id"]


def test_the_sdk_runs_against_the_server_and_has_nothing_to_complain_of(server):
    """shows: R6 A78"""
    app = os.path.join(ROOT, "tests/e2e/record/apps/langfuse_otel_app.py")
    url = f"http://127.0.0.1:{server.otlp_port}"
    done = subprocess.run([sys.executable, app], env=dict(CLEAN_ENV, LANGFUSE_HOST=url, LANGFUSE_BASE_URL=url), capture_output=True,
                          text=True, timeout=60, check=True)
    assert "rror" not in done.stderr, done.stderr
    since = time.time() - 120

    def look():
        found = [span for span in server.spans('name = "answer" and scope.version = "5.0.4"') if span["start_time"] >= time.strftime("%FT%T", time.gmtime(since))]
        return found or None
    [answer] = wait_until(look, 15, "the call")
    full = server.wait_trace(answer["trace_id"], 4)
    assert (full["trace"]["user_id"], full["trace"]["total_tokens"]) == ("user-1", 130)
    wait_until(lambda: {score["name"] for score in server.trace(answer["trace_id"])["scores"]} == {"correct", "helpful"}, 15, "both scores")


def test_media_is_not_wanted_and_its_id_is_the_one_that_the_sdk_made(server, replayed):
    answers, _, spans, _ = replayed("langfuse-python-4")
    media = next(answer.json for item, answer in zip(requests_of("langfuse-python-4"), answers) if item["path"].endswith("/media"))
    assert media["uploadUrl"] is None and len(media["mediaId"]) == 22
    assert f"id={media['mediaId']}" in json.dumps(spans["answer"]["attributes"])
    server.call("PATCH", f"/api/public/media/{media['mediaId']}", {"uploadHttpStatus": 200})
    server.call("POST", "/api/public/media", {}, expect=400)


def test_health_and_projects_are_answered(server):
    assert server.call("GET", "/api/public/health").json["status"] == "OK"
    [project] = server.call("GET", "/api/public/projects").json["data"]
    assert project["id"] == "default"
    server.call("GET", "/api/public/ingestion", expect=405)
    server.call("OPTIONS", "/api/public/ingestion", expect=204, origin="https://app.example")
    server.call("GET", "/api/public/v2/prompts/support", expect=404)


def test_the_secret_key_is_the_password_and_says_the_project(new_server):
    """shows: P19"""
    server = new_server(auth__mode="on")
    server.start()
    key = server.create_key("shop", "ingest,read")
    mine = {"authorization": "Basic " + base64.b64encode(f"pk-lf-1:{key}".encode()).decode()}
    wrong = {"authorization": "Basic " + base64.b64encode(b"pk-lf-1:sk-lf-1").decode()}
    assert server.call("GET", "/api/public/health").json["status"] == "OK"
    wait_until(lambda: server.request("GET", "/api/public/projects", None, mine, server.otlp_port).status == 200, 10, "the key to be known")
    assert server.call("GET", "/api/public/projects", **mine).json["data"][0]["id"] == "shop"
    assert "API key" in server.call("GET", "/api/public/projects", expect=401, **wrong).json["message"]
    batch = {"batch": [event("trace-create", id="t-1", name="mine")]}
    server.call("POST", "/api/public/ingestion", batch, expect=401)
    server.call("POST", "/api/public/scores", {}, expect=401, **wrong)
    server.call("POST", "/api/public/ingestion", batch, expect=207, **mine)
    server.headers = {"authorization": f"Bearer {key}"}
    assert server.wait_spans('name = "mine"')[0]["project"] == "shop"


def test_a_bad_event_fails_alone_and_is_told_by_its_id(server):
    trace_id, good = uuid.uuid4().hex, uuid.uuid4().hex
    bad = [event("no-such"), event("span-create", id="x", traceId=5), event("span-update", id="x"), event("span-update", traceId="t"),
           event("generation-create", id="x", traceId="t", startTime="yesterday"), event("generation-create", id="x", name=["a"]),
           event("score-create", name="n", traceId="t"), event("score-create", name="n", value=1), event("score-create", traceId="t", value=1),
           event("score-create", traceId="t", name="n", value=7, dataType="BOOLEAN"), event("trace-create", id="t", userId={"a": 1}),
           dict(event("span-create"), body=5), dict(event("span-create"), type=None), dict(event("span-create"), id=None), 5]
    said = ingest(server, *bad[:7], event("span-create", id=good, traceId=trace_id, name="good"), *bad[7:])
    assert [result["status"] for result in said["successes"]] == [201]
    assert [error["id"] for error in said["errors"]] == [one["id"] or "unknown" if isinstance(one, dict) else "unknown" for one in bad]
    assert all(error["status"] == 400 and error["error"] for error in said["errors"])
    assert [error["error"] for error in said["errors"]][:3] == ["type is unknown", "traceId must be a text", "traceId is missing: what is updated?"]
    spans = server.wait_trace(trace_id, 2)["spans"]
    assert {span["name"] for span in spans} == {"good", None}


@pytest.mark.parametrize("body,status", [
    ('{"batch":[]}', 207), ('{"batch":[],"metadata":null,"more":{"a":[1]}}', 207), ("", 400), ("{", 400), ("[]", 400), ("5", 400), ("{}", 400),
    ('{"batch":{}}', 400), ('{"batch":[{"id":"1"', 400), ('{"batch":[]}x', 400), (b'{"batch":[{"id":"\xff\xfe"}]}', 207),
    ('{"batch":' + "[" * 600 + "]" * 600 + "}", 400)])
def test_a_body_that_is_no_batch_is_refused(server, body, status):
    answer = server.call("POST", "/api/public/ingestion", body, expect=status)
    assert status == 207 or answer.json["message"]
    server.call("POST", "/api/public/ingestion", body, expect=415, **{"content-type": "text/csv"})


def test_an_update_may_come_before_its_creation_and_after_the_trace_settled(server):
    trace_id, span_id = f"order-{uuid.uuid4()}", f"call-{uuid.uuid4()}"
    ingest(server, event("generation-update", id=span_id, traceId=trace_id, output="late", endTime="2026-11-21T10:00:03.000Z",
                         usage={"promptTokens": 7, "completionTokens": 3}, completionStartTime="2026-11-21T10:00:01.500Z"))
    ingest(server, event("generation-create", id=span_id, traceId=trace_id, name="answer", model="gpt-4o-mini", input="early",
                         startTime="2026-11-21T10:00:01.000Z"))
    [span] = server.wait_spans(f'source_id = "{span_id}" and name = "answer"', settled=True)
    assert (span["latency_ms"], span["ttft_ms"], span["input_tokens"], span["output_tokens"], span["cost"]["source"]) == (2000, 500, 7, 3, "table")
    assert server.said(span) == [[("user", "early")], [("assistant", "late")]]
    ingest(server, event("generation-update", id=span_id, traceId=trace_id, level="ERROR", statusMessage="too late",
                         usageDetails={"input": 7, "output": 30}))
    wait_until(lambda: server.spans(f'source_id = "{span_id}" and status = "error" and output_tokens = 30'), 15, "the late update")
    [span] = server.spans(f'source_id = "{span_id}"')
    assert (span["name"], span["latency_ms"], span["input_tokens"]) == ("answer", 2000, 7)
    assert span["estimated_cost_usd"] == pytest.approx((7 * 0.15 + 30 * 0.6) / 1e6)
    assert server.said(span) == [[("user", "early")], [("assistant", "late")]]


def test_a_trace_of_several_first_observations_or_of_none_has_one_root(server):
    several, none = uuid.uuid4().hex, uuid.uuid4().hex
    ingest(server, *(event("span-create", id=uuid.uuid4().hex, traceId=several, name=f"part {i}", startTime=f"2026-11-21T10:00:0{i}.000Z",
                           endTime=f"2026-11-21T10:00:0{i + 1}.000Z") for i in range(3)),
           event("trace-create", id=several, name="several", userId="user-9", timestamp="2026-11-21T10:00:00.000Z"),
           event("trace-create", id=none, name="nothing", input="a", output="b"))
    full = server.wait_trace(several, 4)
    root = next(span for span in full["spans"] if span["name"] == "several")
    assert {span["parent_span_id"] for span in full["spans"] if span is not root} == {root["span_id"]}
    assert (full["trace"]["name"], full["trace"]["user_id"], root["latency_ms"]) == ("several", "user-9", 3000)
    assert server.wait_trace(none)["trace"]["name"] == "nothing"


def test_usage_in_other_units_is_no_tokens_and_costs_without_a_model_are_the_senders(server):
    trace_id = uuid.uuid4().hex
    ingest(server, event("generation-create", id=uuid.uuid4().hex, traceId=trace_id, name="draw", model="gpt-4o-mini",
                         usage={"input": 1, "output": 2, "unit": "IMAGES"}),
           event("generation-create", id=uuid.uuid4().hex, traceId=trace_id, name="ours", model="our-own-model",
                 usageDetails={"input": 10, "output": 5}, costDetails={"input": 0.25, "output": 0.5}))
    spans = {span["name"]: span for span in server.wait_trace(trace_id, 3)["spans"]}
    assert spans["draw"]["input_tokens"] is None and spans["draw"]["usage"]["source"] == "unknown"
    assert "IMAGES" in spans["draw"]["attributes"]["langfuse.observation.usage"]
    assert (spans["ours"]["estimated_cost_usd"], spans["ours"]["cost"]["source"]) == (0.75, "sender")


def test_a_score_is_posted_alone_or_in_a_list(server):
    """shows: A78"""
    trace_id = f"alone-{uuid.uuid4()}"
    ingest(server, event("trace-create", id=trace_id, name="scored"))
    body = {"id": "s-9", "traceId": trace_id, "name": "n", "value": 0.5, "source": "ANNOTATION", "configId": "c", "metadata": {"run": 7}}
    assert server.call("POST", "/api/public/scores", body).json == {"id": "s-9"}
    made = server.call("POST", "/api/public/scores", {"traceId": trace_id, "name": "made", "value": "good"}).json["id"]
    assert uuid.UUID(made)
    mixed = server.call("POST", "/api/public/scores", [{"traceId": trace_id, "name": "list", "value": 1}, {"name": "n"}, 5], expect=207).json
    assert (mixed["accepted"], mixed["rejected"]) == (1, 2) and mixed["errors"][0] == {"message": "value is missing"}
    for wrong in ("", "5", "{", '{"name":"n"}', "[1", "[]x"):
        server.call("POST", "/api/public/scores", wrong, expect=400)
    span = server.wait_spans('name = "scored"')[0]

    def look():
        items = server.api("/scores", trace_id=span["trace_id"])["items"]
        return {score["name"]: score for score in items} if len(items) == 3 else None
    found = wait_until(look, 15, "three scores")
    assert (found["n"]["value"], found["n"]["source"], found["n"]["metadata"]) == (0.5, "human", {"configId": "c", "run": 7})
    assert (found["made"]["label"], found["list"]["value"]) == ("good", 1)


def test_ten_thousand_observations_of_one_request_are_stored_whole(server):
    trace_id, begun = uuid.uuid4().hex, time.monotonic()
    said = ingest(server, *(event("span-create", id=f"{trace_id}-{i}", traceId=trace_id, name="many", startTime="2026-11-21T10:00:00.000Z")
                            for i in range(10000)))
    assert len(said["successes"]) == 10000 and time.monotonic() - begun < 20
    assert server.wait_trace(trace_id, seconds=40)["trace"]["span_count"] == 10001
