"""Opik: what its SDKs sent (record/record_native.py), and its API as other senders use it.

SPDX-License-Identifier: Apache-2.0"""
import base64
import json
import os
import uuid

import pytest
from conftest import FIXTURES, wait_until

SDKS = ["opik-python", "opik-js"]
TRACES, SPANS = "/api/v1/private/traces", "/api/v1/private/spans"


def call(server, method, path, body=None, expect=204, **headers):
    return server.call(method, path, body, expect, **headers)


def span_of(trace_id, **more):
    return {"id": str(uuid.uuid4()), "trace_id": trace_id, "name": "s", "type": "general", "start_time": "2026-11-21T10:00:00Z", **more}


@pytest.fixture(scope="module")
def replayed(server):
    """Each recording, sent once: the trace, its spans and its scores by name."""
    known = {}

    def replay(name):
        if name not in known:
            with open(os.path.join(FIXTURES, "native", name + ".json"), encoding="utf-8") as text:
                requests = json.load(text)["requests"]
            for item in requests:
                body = base64.b64decode(item["base64"]) if "base64" in item else item["text"].encode()
                answer = server.request(item["method"], item["path"], body or None, item["headers"], server.otlp_port)
                assert answer.status == (200 if item["method"] == "GET" else 204), (item, answer)
            trace_id = uuid.UUID(next(item for item in requests if "/traces/0" in item["path"])["path"].rsplit("/", 1)[1]).hex
            wait_until(lambda: server.spans(f'trace_id = "{trace_id}" and name = "answer" and output_tokens = 20'), 15, name)
            known[name] = server.wait_trace(trace_id, 4)
        full = known[name]
        return full["trace"], {span["name"]: span for span in full["spans"]}, {score["name"]: score for score in full["scores"]}
    return replay


@pytest.mark.parametrize("name", SDKS)
def test_a_call_created_and_patched_apart_is_whole(server, replayed, name):
    """shows: R17 A18 A20 A31 A38 A59 A60 A61 A63"""
    _, spans, _ = replayed(name)
    answer = spans["answer"]
    assert (answer["step"], answer["provider"], answer["request_model"], answer["dialect"]) == ("model", "openai", "gpt-4o-mini", "opik")
    assert (answer["input_tokens"], answer["output_tokens"], answer["total_tokens"], answer["usage"]["source"]) == (110, 20, 130, "reported")
    assert (answer["estimated_cost_usd"], answer["cost"]["source"]) == (pytest.approx((110 * 0.15 + 20 * 0.6) / 1e6), "table")
    assert 50 <= answer["latency_ms"] < 5000
    assert server.said(answer) == [[("user", "Where is order 7?")], [("assistant", "It is on its way.")]]


@pytest.mark.parametrize("name", SDKS)
def test_the_trace_is_the_root_of_its_spans(server, replayed, name):
    """shows: A2 A10 A42"""
    trace, spans, _ = replayed(name)
    root = spans["support"]
    assert (trace["name"], trace["root_span_id"], trace["session_id"], trace["span_count"]) == ("support", root["span_id"], "thread-1", 4)
    assert uuid.UUID(root["source_id"]).hex == trace["trace_id"] and root["parent_span_id"] is None
    assert root["tags"] == ["gold", "eu"] and root["attributes"]["opik.metadata.tier"] == "gold" and root["latency_ms"] >= 50
    assert [json.loads(said[0][1]) for said in server.said(root)] == [{"question": "Where?"}, {"answer": "It is on its way."}]
    assert spans["lookup"]["parent_span_id"] == spans["broken"]["parent_span_id"] == root["span_id"]
    assert spans["answer"]["parent_span_id"] == spans["lookup"]["span_id"]
    assert (spans["lookup"]["step"], spans["lookup"]["tool"]["name"]) == ("tool", "lookup")
    raw = server.payload(trace["trace_id"], spans["lookup"]["span_id"])["raw"]
    assert (raw["tool_arguments"], raw["tool_result"]) == ({"order": 7}, {"state": "shipped"})
    assert all(span["session_id"] == "thread-1" and span["attributes"]["opik.project_name"] == "shop" for span in spans.values())


@pytest.mark.parametrize("name", SDKS)
def test_an_error_says_type_and_message(replayed, name):
    """shows: A57 B12"""
    broken = replayed(name)[1]["broken"]
    assert (broken["status"], broken["error_type"], broken["status_message"], broken["error_class"]) == \
        ("error", "TimeoutError", "no answer", "timeout")
    assert broken["events"][0]["attributes"]["exception.stacktrace"] == "Traceback: none"


@pytest.mark.parametrize("name", SDKS)
def test_feedback_is_of_the_span_the_trace_or_the_thread(server, replayed, name):
    """shows: A78 J2"""
    trace, spans, scores = replayed(name)
    assert (scores["correct"]["value"], scores["correct"]["comment"], scores["correct"]["span_id"]) == (1, "fine", spans["answer"]["span_id"])
    helpful = scores["helpful"]
    assert (helpful["value"], helpful["label"], helpful["trace_id"], helpful["source"]) == (0.9, "good", trace["trace_id"], "api")
    if name == "opik-python":
        [tone] = server.api("/scores", session_id="thread-1", name="tone")["items"]
        assert (tone["value"], tone["comment"], tone["trace_id"]) == (1, "kind", None)


@pytest.mark.parametrize("mount", ["", "/api", "/opik/api"])
def test_single_objects_are_created_and_patched_wherever_it_is_mounted(server, mount):
    trace_id, span_id = str(uuid.uuid4()), str(uuid.uuid4())
    base = mount + "/v1/private"
    call(server, "PATCH", f"{base}/spans/{span_id}", {"trace_id": trace_id, "end_time": "2026-11-21T10:00:02Z", "output": {"a": 1}, "ttft": 250,
                                                    "usage": {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15,
                                                              "original_usage.prompt_tokens_details.cached_tokens": 4,
                                                              "original_usage.completion_tokens_details.reasoning_tokens": 2}})
    call(server, "POST", f"{base}/spans", span_of(trace_id, id=span_id, type="llm", model="our-own", total_estimated_cost=0.25), expect=201)
    call(server, "POST", f"{base}/traces", {"id": trace_id, "name": "one", "start_time": "2026-11-21T10:00:00", "environment": "prod"}, expect=201)
    call(server, "PATCH", f"{base}/traces/{trace_id}", {"end_time": "2026-11-21T10:00:03Z"})
    call(server, "PUT", f"{base}/spans/{span_id}/feedback-scores", {"name": "one", "value": 0.5, "source": "ui"})
    full = server.wait_trace(uuid.UUID(trace_id).hex, 2)
    spans = {span["name"]: span for span in full["spans"]}
    span = spans["s"]
    assert (span["latency_ms"], span["ttft_ms"], span["parent_span_id"]) == (2000, 250, spans["one"]["span_id"])
    assert [span["usage"][key] for key in ("input_fresh", "cache_read", "output_text", "reasoning")] == [5, 4, 4, 2]
    assert (span["estimated_cost_usd"], span["cost"]["source"]) == (0.25, "sender")
    assert (full["trace"]["latency_ms"], full["trace"]["environment"]) == (3000, "prod")
    wait_until(lambda: [score["source"] for score in server.trace(full["trace"]["trace_id"])["scores"]] == ["human"], 15, "the score")
    assert call(server, "GET", mount + "/is-alive/ping", expect=200).json == {}
    assert call(server, "GET", base + "/toggles", expect=200).json == {}


def test_a_bad_object_of_a_list_is_left_out_alone_and_counted(server):
    trace_id = str(uuid.uuid4())
    before = server.metric("telltale_receive_rejected_total")
    bad = [5, {}, {"id": "x"}, span_of(trace_id, id=7), span_of(trace_id, start_time="yesterday"), span_of(trace_id, name=["a"])]
    call(server, "POST", SPANS + "/batch", {"spans": [*bad, span_of(trace_id, name="good")], "more": None})
    assert [span["name"] for span in server.wait_trace(uuid.UUID(trace_id).hex)["spans"]] == ["good"]
    assert server.metric("telltale_receive_rejected_total") == before + len(bad)
    for one in bad:
        assert call(server, "POST", SPANS + "/batch", {"spans": [one]}, expect=400).json["message"].startswith("item 1: ")
        call(server, "POST", SPANS, one, expect=400)


@pytest.mark.parametrize("body", ["", "{", "5", "[]", "{}", '{"spans":5}', '{"spans":[{"id"', '{"spans":[]}x', '{"spans":' + "[" * 600])
def test_a_body_that_is_no_list_is_refused(server, body):
    assert call(server, "POST", SPANS + "/batch", body, expect=400).json["code"] == 400
    call(server, "POST", SPANS + "/batch", body, expect=415, **{"content-type": "text/csv"})
    call(server, "PUT", SPANS + "/feedback-scores", body.replace("spans", "scores"), expect=400)


@pytest.mark.parametrize("score,fault", [({"name": "n", "value": 1}, "id is missing"), ({"id": "x", "value": 1}, "name is missing"),
                                         ({"id": "x", "name": "n"}, "value must be"), ({"id": "x", "name": "n", "value": "a"}, "value must be"),
                                         ({"id": "x", "name": "n" * 257, "value": 1}, "name is too long"), (5, "must be an object")])
def test_a_score_that_cannot_be_read_is_refused(server, score, fault):
    assert fault in call(server, "PUT", TRACES + "/feedback-scores", {"scores": [score]}, expect=400).json["message"]


def test_methods_and_paths_that_are_not_there(server):
    call(server, "GET", TRACES, expect=405)
    call(server, "DELETE", SPANS + "/batch", expect=405)
    call(server, "OPTIONS", TRACES, origin="https://app.example")
    call(server, "PATCH", TRACES + "/batch", {}, expect=405)
    call(server, "POST", "/api/v1/private/datasets", {}, expect=404)
    call(server, "POST", SPANS + "/batch", {"spans": []})


def test_the_key_comes_without_a_scheme(new_server):
    """shows: P19"""
    server = new_server(auth__mode="on")
    server.start()
    key = server.create_key("shop", "ingest,read")
    call(server, "GET", "/api/is-alive/ping", expect=200)
    wait_until(lambda: server.request("GET", "/api/v1/private/auth", None, {"authorization": key}, server.otlp_port).status == 200, 10, "the key")
    trace = {"id": str(uuid.uuid4()), "name": "mine", "start_time": "2026-11-21T10:00:00Z"}
    call(server, "POST", TRACES, trace, expect=401)
    call(server, "POST", TRACES, trace, expect=401, authorization="wrong")
    call(server, "POST", TRACES, trace, expect=201, authorization=key)
    server.headers = {"authorization": f"Bearer {key}"}
    assert server.wait_spans('name = "mine"')[0]["project"] == "shop"
