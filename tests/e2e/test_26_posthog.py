"""PostHog: its own Python SDK and its wrapper of OpenAI, with nothing changed but the host.

SPDX-License-Identifier: Apache-2.0"""
import gzip
import json
import os
import sys

import pytest
from conftest import JSON, ROOT, new_trace_id, wait_until
from posthog import Posthog
from posthog.ai.openai import OpenAI

sys.path.append(os.path.join(ROOT, "tests/e2e/record"))
import scripted_model  # noqa: E402


@pytest.fixture
def client(server):
    made = Posthog("test-key", host=f"http://127.0.0.1:{server.api_port}", max_retries=0)
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def model_url():
    return scripted_model.start()


def test_a_call_of_the_wrapped_openai_client_is_a_model_call(server, client, model_url):
    """shows: R17 A9 A10 A18 A19 A20 A22 A59 A60 A62 A63"""
    trace_id = new_trace_id()
    openai = OpenAI(base_url=model_url, api_key="test-key", posthog_client=client, max_retries=0)
    openai.chat.completions.create(model="gpt-4o-mini", temperature=0.2, max_tokens=24, posthog_distinct_id="u-3",
                                   posthog_trace_id=trace_id, posthog_properties={"$ai_session_id": "chat-9"},
                                   messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}])
    client.flush()
    [row] = server.wait_trace(trace_id)["spans"]
    assert (row["step"], row["operation"], row["provider"], row["dialect"]) == ("model", "chat", "openai", "posthog")
    assert (row["request_model"], row["temperature"], row["user_id"], row["session_id"]) == ("gpt-4o-mini", 0.2, "u-3", "chat-9")
    assert (row["input_tokens"], row["usage"]["cache_read"], row["output_tokens"]) == (43, 16, 7)
    assert row["estimated_cost_usd"] and row["latency_ms"] > 0
    said = json.dumps(server.payload(trace_id, row["span_id"]))
    assert "What is the capital of France?" in said and "The capital of France is Paris." in said


def test_a_failed_call_is_an_error(server, client, model_url):
    trace_id = new_trace_id()
    openai = OpenAI(base_url=model_url, api_key="test-key", posthog_client=client, max_retries=0)
    with pytest.raises(Exception, match="404"):
        openai.chat.completions.create(model="gpt-9-huge", posthog_trace_id=trace_id, messages=[{"role": "user", "content": "x"}])
    client.flush()
    [row] = server.wait_trace(trace_id)["spans"]
    assert (row["status"], row["step"], row["user_id"]) == ("error", "model", None)  # nobody was named


def test_events_of_a_trace_make_a_tree(server, client):
    """shows: A2 A78 B4"""
    trace_id = new_trace_id()
    common = {"distinct_id": "u-3"}
    client.capture("$ai_trace", **common, properties={"$ai_trace_id": trace_id, "$ai_span_name": "ask", "$ai_input_state": {"q": "days?"},
                                                      "$ai_output_state": "Thirty.", "$ai_latency": 0.5})
    client.capture("$ai_span", **common, properties={"$ai_trace_id": trace_id, "$ai_span_id": "s-1", "$ai_parent_id": trace_id,
                                                     "$ai_span_name": "search", "$ai_latency": 0.1})
    client.capture("$ai_embedding", **common, properties={"$ai_trace_id": trace_id, "$ai_span_id": "s-2", "$ai_parent_id": "s-1",
                                                          "$ai_model": "text-embedding-3-small", "$ai_provider": "openai",
                                                          "$ai_input_tokens": 5, "$ai_latency": 0.05, "$ai_span_name": "embed"})
    client.capture("$ai_metric", **common, properties={"$ai_trace_id": trace_id, "$ai_metric_name": "accuracy", "$ai_metric_value": 0.9})
    client.capture("$ai_feedback", **common, properties={"$ai_trace_id": trace_id, "$ai_feedback_text": "thanks"})
    client.capture("page viewed", **common, properties={"not": "ours"})
    client.flush()
    rows = {row["name"]: row for row in server.wait_trace(trace_id, 3)["spans"]}
    assert {name: row["step"] for name, row in rows.items()} == {"ask": "workflow", "search": "other", "embed": "embedding"}
    assert rows["search"]["parent_span_id"] == rows["ask"]["span_id"] and rows["embed"]["parent_span_id"] == rows["search"]["span_id"]
    assert (rows["ask"]["latency_ms"], rows["embed"]["input_tokens"]) == (pytest.approx(500, abs=0.01), 5)
    scores = wait_until(lambda: {s["name"]: s for s in server.api("/scores", trace_id=trace_id)["items"]}, 15, "scores")
    assert (scores["accuracy"]["value"], scores["feedback"]["comment"], scores["feedback"]["source"]) == (0.9, "thanks", "user")


def post(server, body, path="/i/v0/e/", **headers):
    return server.request("POST", path, body, {"content-type": JSON, **headers})


def test_one_event_a_list_and_a_gzipped_batch_are_taken(server):
    def event(trace_id):
        return {"event": "$ai_span", "distinct_id": "u", "timestamp": "2026-11-21T10:00:00Z", "uuid": f"e-{trace_id}",
                "properties": {"$ai_trace_id": trace_id, "$ai_latency": 2}}
    ids = [new_trace_id() for _ in range(3)]
    assert post(server, json.dumps(event(ids[0]))).json == {"status": 1}
    assert post(server, json.dumps([event(ids[1])]), "/capture/").status == 200
    packed = gzip.compress(json.dumps({"batch": [event(ids[2])], "api_key": "test-key"}).encode())
    assert post(server, packed, "/batch/", **{"content-encoding": "gzip"}).status == 200
    for trace_id in ids:
        [row] = server.wait_trace(trace_id)["spans"]
        assert (row["start_time"], row["latency_ms"], row["name"]) == ("2026-11-21T09:59:58.000000000Z", 2000, "span")


@pytest.mark.parametrize("body,status", [("{", 400), ("5", 400), (b"\xff", 400), ('{"batch": 5}', 200), ('{"batch": [7, {}, null]}', 200),
                                         ('{"event": "$ai_span"}', 200), ('{"event": "$ai_span", "properties": {}}', 200),
                                         ('{"event": "$ai_metric", "properties": {"$ai_trace_id": "t"}}', 200)])
def test_bad_events_fail_none_but_themselves(server, body, status):
    assert post(server, body).status == status


def test_with_authentication_the_key_must_be_in_a_header(new_server):
    """shows: P19"""
    made = new_server(auth__mode="on").start()
    assert post(made, '{"batch": [], "api_key": "test-key"}', "/batch/").status == 401
    assert post(made, '{"batch": []}', "/batch/", authorization=f"Bearer {made.first_key}").status == 200
