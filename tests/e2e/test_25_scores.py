"""Scores: posted as JSON or sent as evaluation events, joined to what they are about, before it or after.

SPDX-License-Identifier: Apache-2.0"""
import json
import subprocess
import time

import pytest
from conftest import BINARY, CLEAN_ENV, JSON, attributes_of, make_span, new_span_id, new_trace_id, wait_until


def post(server, body, expect=200, port=None, headers=None):
    answer = server.request("POST", "/api/v1/scores", json.dumps(body) if not isinstance(body, (str, bytes)) else body,
                            {"content-type": JSON, **(headers or {})}, port or server.api_port)
    assert answer.status == expect, answer
    return answer.json


def test_a_score_of_a_trace_comes_back_with_all_that_was_said(server):
    """shows: A78 A81 C2"""
    trace_id, span_id = new_trace_id(), new_span_id()
    server.send_spans(make_span(trace_id=trace_id, span_id=span_id))
    assert post(server, {"id": "s-1", "trace_id": trace_id, "span_id": span_id, "name": "faithfulness", "value": 0.82, "source": "judge",
                         "evaluator": "rag-judge", "evaluator_version": "3", "judge_model": "gpt-4o", "comment": "mostly",
                         "time": "2026-11-21T10:00:00Z", "metadata": {"run": 7}, "extra": "kept"}) == {"rejected": 0}
    [score] = server.wait_scores(1, trace_id=trace_id)
    assert len(score.pop("id")) == 32
    assert score == {"trace_id": trace_id, "span_id": span_id, "session_id": None, "response_id": None, "tenant_id": None,
                     "name": "faithfulness", "value": 0.82, "label": None, "comment": "mostly", "source": "judge",
                     "evaluator": "rag-judge", "evaluator_version": "3", "judge_model": "gpt-4o",
                     "time": "2026-11-21T10:00:00.000000000Z", "metadata": {"extra": "kept", "run": 7}}
    assert [s["name"] for s in server.wait_trace(trace_id)["scores"]] == ["faithfulness"]


def test_it_is_a_number_a_boolean_or_a_label(server):
    """shows: I8"""
    trace_id = new_trace_id()
    values = {"number": 3, "negative": -0.5, "yes": True, "no": False, "label": "on topic"}
    post(server, [{"trace_id": trace_id, "name": name, "value": value} for name, value in values.items()])
    assert {s["name"]: s["value"] for s in server.wait_scores(5, trace_id=trace_id)} == values


def test_the_same_id_again_replaces_it_and_so_does_a_second_opinion_of_the_same_kind(server):
    trace_id = new_trace_id()
    post(server, {"scores": [{"id": "a", "trace_id": trace_id, "name": "n", "value": 1},
                             {"trace_id": trace_id, "name": "thumb", "value": True, "source": "user"}]})
    server.wait_scores(2, trace_id=trace_id)
    post(server, {"id": "a", "trace_id": trace_id, "name": "n", "value": 2})
    post(server, {"trace_id": trace_id, "name": "thumb", "value": False, "source": "user"})
    wait_until(lambda: {s["name"]: s["value"] for s in server.api("/scores", trace_id=trace_id)["items"]} == {"n": 2, "thumb": False},
               15, "both replaced")


def test_a_score_may_come_before_its_trace_and_name_only_the_response(server):
    """shows: C3"""
    trace_id, response = new_trace_id(), f"chatcmpl-{new_span_id()}"
    post(server, {"response_id": response, "name": "thumb", "value": True, "source": "user"})
    server.wait_scores(1, name="thumb", source="user")
    server.send_spans(make_span({"gen_ai.operation.name": "chat", "gen_ai.response.id": response}, trace_id=trace_id))
    assert [s["response_id"] for s in server.wait_trace(trace_id)["scores"]] == [response]


@pytest.mark.parametrize("how", ["log", "span"])
def test_evaluation_events_of_opentelemetry_become_scores(server, how):
    """shows: A78"""
    trace_id, span_id = new_trace_id(), new_span_id()
    said = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.25, "gen_ai.evaluation.score.label": "poor",
            "gen_ai.evaluation.explanation": "off topic", "run": "nightly"}
    at = time.time_ns()
    if how == "span":
        server.send_spans(make_span(trace_id=trace_id, span_id=span_id, events=[(at, "gen_ai.evaluation.result", said)]))
    else:
        record = {"timeUnixNano": str(at), "traceId": trace_id, "spanId": span_id, "eventName": "gen_ai.evaluation.result",
                  "attributes": attributes_of(said)}
        body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
        assert server.post(json.dumps(body).encode(), "logs", JSON).status == 200
    [score] = server.wait_scores(1, trace_id=trace_id)
    assert (score["name"], score["value"], score["label"], score["comment"]) == ("relevance", 0.25, "poor", "off topic")
    assert (score["span_id"], score["source"], score["metadata"]) == (span_id, "judge", {"run": "nightly"})


@pytest.mark.parametrize("score,fault", [
    ({"name": "n", "value": 1}, "trace_id is missing"), ({"trace_id": "12", "name": "n", "value": 1}, "trace_id must be 32"),
    ({"trace_id": "0" * 32, "name": "n", "value": 1}, "trace_id must be 32"), ({"session_id": "s", "value": 1}, "name is missing"),
    ({"session_id": "s", "name": "n"}, "value is missing"), ({"session_id": "s", "name": "n", "value": []}, "value must be"),
    ({"session_id": "s", "name": "n", "value": ""}, "value is empty"),
    ({"session_id": "s", "name": "n" * 257, "value": 1}, "name is too long"), ({"session_id": 5, "name": "n", "value": 1}, "session_id must be a text"),
    ({"session_id": "s", "name": "n", "value": 1, "source": "oracle"}, "source must be"),
    ({"session_id": "s", "name": "n", "value": 1, "time": "yesterday"}, "time must be"),
    ({"session_id": "s", "name": "n", "value": 1, "span_id": "1" * 16}, "span_id needs trace_id"),
    ({"session_id": "s", "name": "n", "value": 1, "metadata": 5}, "metadata must be"), (5, "it must be an object")])
def test_one_that_cannot_be_read_is_refused_by_the_name_of_its_member(server, score, fault):
    """shows: C2"""
    good = {"session_id": f"good-{new_span_id()}", "name": "n", "value": 1}
    mixed = post(server, [good, score])
    assert mixed["rejected"] == 1 and mixed["message"].startswith("score 2: ") and fault in mixed["message"]
    server.wait_scores(1, session_id=good["session_id"])
    assert fault in post(server, [score], expect=400)["error"]["message"]


@pytest.mark.parametrize("body,status", [("", 400), ("{", 400), ("[]", 200), ('{"scores":[]}', 200)])
def test_a_damaged_or_empty_body_is_answered(server, body, status):
    post(server, body, expect=status)


def test_times_are_read_by_their_size(server):
    session, at = f"t-{new_span_id()}", 1_780_000_000
    for name, value in {"s": at, "ms": at * 10**3, "us": at * 10**6, "ns": at * 10**9, "text": "2026-05-28T20:26:40Z"}.items():
        post(server, {"session_id": session, "name": name, "value": 1, "time": value})
    assert {s["time"] for s in server.wait_scores(5, session_id=session)} == {"2026-05-28T20:26:40.000000000Z"}


def test_pages_of_scores_follow_each_other(server):
    session = f"p-{new_span_id()}"
    post(server, [{"session_id": session, "name": f"n{i}", "value": i} for i in range(7)])
    server.wait_scores(7, session_id=session)
    seen, cursor = [], None
    while True:
        page = server.api("/scores", session_id=session, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [s["value"] for s in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert sorted(seen) == list(range(7))
    assert server.api("/scores", expect=400, source="oracle")["error"]["message"].startswith("source")
    assert server.api("/scores", expect=400, trace_id="x")["error"]["message"].startswith("trace_id")


def test_secrets_in_a_comment_are_masked_before_the_disk(server):
    """shows: J10"""
    session, secret = f"r-{new_span_id()}", "jane.doe@example.com"
    post(server, {"session_id": session, "name": "n", "value": 1, "comment": f"write to {secret}", "metadata": {"mail": secret}})
    [score] = server.wait_scores(1, session_id=session)
    assert secret not in json.dumps(score)


def test_the_terminal_shows_them_above_the_tree(server):
    trace_id = new_trace_id()
    server.send_spans(make_span(trace_id=trace_id))
    post(server, [{"trace_id": trace_id, "name": "faithfulness", "value": 0.82, "source": "judge", "judge_model": "gpt-4o", "comment": "mostly"},
                  {"trace_id": trace_id, "name": "thumb", "value": False, "source": "user"}])
    server.wait_scores(2, trace_id=trace_id)
    shown = subprocess.run([BINARY, "trace", trace_id, f"--server=http://127.0.0.1:{server.api_port}"], capture_output=True, text=True, check=True,
                           env=CLEAN_ENV).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "score faithfulness 0.82 by judge model gpt-4o says mostly" in lines and "score thumb no by user" in lines, shown


def test_scores_survive_a_kill(new_server):
    """shows: X5"""
    server = new_server()
    server.start()
    post(server, [{"session_id": "s", "name": f"n{i}", "value": i} for i in range(50)])
    server.kill()
    server.start()
    assert len(server.wait_scores(50, session_id="s", limit=100)) == 50
    post(server, {"session_id": "s", "name": "n0", "value": 100})
    wait_until(lambda: any(s["value"] == 100 for s in server.api("/scores", session_id="s", limit=100)["items"]), 15, "the new value")
    server.kill()
    server.start()
    found = server.wait_scores(50, session_id="s", limit=100)
    assert len(found) == 50 and sum(s["value"] for s in found) == sum(range(50)) + 100
