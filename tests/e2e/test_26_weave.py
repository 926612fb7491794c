"""W&B Weave's own clients, recorded (tests/e2e/record/record_requests.py) and sent again: calls, feedback, digests.

SPDX-License-Identifier: Apache-2.0"""
import gzip
import json
import os
import uuid

import pytest
from conftest import FIXTURES, wait_until

RECORDED = ["weave-python", "weave-python-batch", "weave-js"]


def recorded(name):
    with gzip.open(os.path.join(FIXTURES, "real", name, "requests.jsonl.gz")) as lines:
        return [json.loads(line) for line in lines]


def post(server, path, body, expect=200, kind="application/json", headers=None, method="POST"):
    body = json.dumps(body).encode() if not isinstance(body, bytes) else body
    answer = server.request(method, path, body, {"content-type": kind, **(headers or {})}, server.otlp_port)
    assert answer.status == expect, answer
    return answer.json


def replay(server, name):
    """All that a client sent, in its order; the trace it tells of."""
    for request in recorded(name):
        answer = server.request(request["method"], request["path"], request["body"].encode(), request["headers"], server.otlp_port)
        assert answer.status == request["status"] == 200, answer
    root = "nice answer" if name != "weave-js" else "answer"
    found = wait_until(lambda: [s for s in server.spans(f'name = "{root}"') if s["settled"] and s["latency_ms"]], what=root)
    return server.wait_trace(found[0]["trace_id"], 4)


@pytest.fixture
def own_server(new_server):
    return new_server().start()


@pytest.mark.parametrize("name", RECORDED)
def test_calls_of_each_client_become_a_tree(own_server, name):
    """shows: R8 B4 C9 A18 A20 A21 A22 A31 A38 A39 A57 A59 A60 A62 A63"""
    trace = replay(own_server, name)
    spans = {span["name"]: span for span in trace["spans"]}
    root, tool, failed, call = (spans[n] for n in (trace["trace"]["name"], "look_up", "fail", "openai.chat.completions.create"))
    assert len(trace["spans"]) == 4 and all(s["parent_span_id"] == root["span_id"] for s in (tool, failed, call))
    assert (root["status"], failed["status"], failed["status_message"]) == ("ok", "error", "no such order")
    assert not any(span["flags"] for span in trace["spans"]) and all(span["latency_ms"] is not None for span in trace["spans"])
    assert (call["step"], call["provider"], call["request_model"], call["generator_model"]) == (
        "model", "openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (call["temperature"], call["finish_reason"], call["response_id"]) == (0.2, ["stop"], "chatcmpl-chat")
    assert (call["input_tokens"], call["output_tokens"], call["usage"]["cache_read"], call["usage"]["input_fresh"]) == (43, 7, 16, 27)
    assert (call["cost"]["source"], call["estimated_cost_usd"]) == ("table", 9.45e-06)
    assert trace["trace"]["total_tokens"] == 50 and trace["trace"]["model_call_count"] == 1  # parents carry sums of it
    payload = own_server.payload(call["trace_id"], call["span_id"])
    assert [m["role"] for m in payload["input"]] == ["system", "user"]
    assert payload["output"][0]["parts"] == [{"type": "text", "content": "The capital of France is Paris."}]
    if name != "weave-js":  # what the client for JavaScript does not send
        assert failed["error_type"] == "ValueError" and failed["events"][0]["name"] == "exception"
        assert (tool["step"], tool["tool"]["name"], root["session_id"], root["user_id"]) == ("tool", "look_up", "th-1", "u-1")
        assert root["environment"] == "test"
        raw = own_server.payload(tool["trace_id"], tool["span_id"])["raw"]
        assert (raw["tool_arguments"], raw["tool_result"]) == ({"order_id": "A-17"}, {"status": "shipped"})


@pytest.mark.parametrize("name", RECORDED[:2])
def test_feedback_of_each_kind_becomes_a_score(own_server, name):
    """shows: R8 A78"""
    trace = replay(own_server, name)["trace"]
    trace = wait_until(lambda: (lambda t: t if len(t["scores"]) == 3 else None)(own_server.trace(trace["trace_id"])), what="three scores")
    scores = {score["name"]: score for score in trace["scores"]}
    assert (scores["reaction"]["value"], scores["reaction"]["source"]) == ("👍", "human")
    assert (scores["note"]["comment"], scores["note"]["value"], scores["correctness"]["value"]) == ("well said", None, 0.8)
    assert {score["span_id"] for score in trace["scores"]} == {trace["trace"]["root_span_id"]}


def call_of(**members):
    call_id = str(uuid.uuid4())
    return dict({"project_id": "shop/support", "id": call_id, "trace_id": str(uuid.uuid4()), "op_name": "weave:///shop/support/op/ask:abc",
                 "started_at": "2026-11-22T01:00:00Z", "attributes": {}, "inputs": {"q": 1}}, **members)


def ends_of(call, **members):
    return dict({"project_id": call["project_id"], "id": call["id"], "ended_at": "2026-11-22T01:00:02.5Z", "output": "yes", "summary": {}}, **members)


def span_of(server, call, look=lambda span: span["latency_ms"] == 2500):
    [span] = wait_until(lambda: [s for s in server.spans() if s["source_id"] == call["id"] and s["settled"] and look(s)], what="the call")
    return span


@pytest.mark.parametrize("prefix", ["", "/traces", "/v2/shop/support", "/traces/v2/shop/support"])
def test_a_call_is_started_and_ended_by_two_requests(server, prefix):
    call = call_of()
    assert post(server, prefix + "/call/start", {"start": call}) == {"id": call["id"], "trace_id": call["trace_id"]}
    wait_until(lambda: [s for s in server.spans() if s["source_id"] == call["id"]], what="the begun call")
    assert post(server, prefix + "/call/end", {"end": ends_of(call)}) == {}
    span = span_of(server, call)
    assert (span["trace_id"], span["name"], span["status"]) == (call["trace_id"].replace("-", ""), "ask", "ok")


def test_an_end_without_a_trace_finds_it_after_the_start_was_stored(server):
    call = call_of()
    post(server, "/call/start", {"start": call})
    server.wait_trace(call["trace_id"].replace("-", ""))
    post(server, "/call/end", {"end": ends_of(call)})
    assert span_of(server, call)["trace_id"] == call["trace_id"].replace("-", "")


def test_an_end_whose_start_never_came_stands_alone(server):
    call = call_of()
    post(server, "/call/end", {"end": ends_of(call)})
    span = span_of(server, call, look=lambda span: True)
    assert (span["latency_ms"], span["flags"], span["start_time"]) == (None, ["start_unknown"], "2026-11-22T01:00:02.500000000Z")


def test_a_batch_answers_each_item_and_leaves_out_the_bad_ones(server):
    call = call_of()
    batch = [{"mode": "start", "req": {"start": call}}, {"mode": "end", "req": {"end": ends_of(call)}}, {"mode": "start", "req": {"start": {"op_name": "x"}}},
             {"mode": "odd", "req": {}}, 5]
    answer = post(server, "/call/upsert_batch", {"batch": batch})
    assert answer["res"][0]["id"] == call["id"] and answer["res"][1] == {} and len(answer["res"]) == 5
    span_of(server, call)


@pytest.mark.parametrize("path,body", [
    ("/call/start", b""), ("/call/start", b"{"), ("/call/start", b"{}"), ("/call/end", b'{"end":5}'), ("/call/upsert_batch", b'{"batch":5}'),
    ("/call/upsert_batch", b'{"batch":[{"mode":"start"}]}'), ("/v2/a/b/calls/complete", b'{"batch":[{}]}'), ("/feedback/create", b"{}"),
    ("/feedback/create", b'{"feedback_type":"x","weave_ref":"weave:///a/b/object/o"}'), ("/obj/create", b"{}"), ("/table/create", b'{"table":{}}'),
    ("/table/create", b'{"table":{"rows":[1,}}')])
def test_damaged_bodies_are_refused_in_the_words_of_its_server(server, path, body):
    assert "detail" in post(server, path, body, expect=422)


@pytest.mark.parametrize("odd", [{"started_at": 5}, {"started_at": "soon"}, {"inputs": "text"}, {"attributes": 7}, {"attributes": {"weave": 1}},
                                 {"parent_id": 5}, {"exception": "{broken"}, {"summary": [1]}, {"op_name": None}, {"output": {"usage": 1, "model": 2}}])
def test_odd_members_do_not_lose_the_call(server, odd):
    call = call_of(**odd)
    post(server, "/v2/shop/support/calls/complete", {"batch": [call]})
    wait_until(lambda: [s for s in server.spans() if s["source_id"] == call["id"]], what="the call")


def test_digests_are_the_clients_own_or_of_what_it_sent(server):
    value = {"obj": {"project_id": "a/b", "object_id": "o", "val": {"a": 1}}}
    assert post(server, "/obj/create", value) == post(server, "/obj/create", value)
    assert len(post(server, "/obj/create", value)["digest"]) == 43
    value["obj"]["expected_digest"] = "theirs"
    assert post(server, "/obj/create", value) == {"digest": "theirs"}
    table = post(server, "/table/create", {"table": {"project_id": "a/b", "rows": [{"a": 1}, {"a": 2}, {"a": 1}]}})
    assert len(set(table["row_digests"])) == 2 and table["row_digests"][0] == table["row_digests"][2]
    form = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nbytes\r\n--B--\r\n'
    assert len(post(server, "/file/create", form, kind="multipart/form-data; boundary=B")["digest"]) == 43
    post(server, "/file/create", form[:40], expect=422, kind="multipart/form-data; boundary=B")
    post(server, "/file/create", b"{}", expect=415)


def test_a_key_goes_as_the_password_of_api(new_server):
    """shows: P19"""
    import base64
    made = new_server(auth__mode="on").start()
    call = call_of()
    post(made, "/call/start", {"start": call}, expect=401)
    key = base64.b64encode(f"api:{made.first_key}".encode()).decode()
    post(made, "/call/start", {"start": call}, headers={"authorization": f"Basic {key}"})
    assert post(made, "/server_info", b"", method="GET")["min_required_weave_python_version"] == "0.0.1"
