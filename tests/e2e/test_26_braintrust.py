"""Braintrust: its own Python SDK, with nothing changed but the address it logs in at.

SPDX-License-Identifier: Apache-2.0"""
import json

import braintrust
import pytest
from conftest import JSON, new_span_id, new_trace_id, wait_until

DAYS = [{"role": "user", "content": "How many days?"}]


@pytest.fixture
def logger(server, monkeypatch):
    monkeypatch.setenv("BRAINTRUST_APP_URL", f"http://127.0.0.1:{server.api_port}")
    return braintrust.init_logger(project="shop", api_key="test-key", force_login=True, set_current=False)


def ask(logger):
    """A request with a model call and a tool that fails; its root."""
    with logger.start_span(name="ask", type="task", input="How many days?", tags=["beta"],
                           metadata={"session_id": "chat-9", "user_id": "u-3"}) as root:
        with root.start_span(name="call", type="llm") as call:
            call.log(input=DAYS, output=[{"role": "assistant", "content": "Thirty."}],
                     metadata={"model": "gpt-4o-mini", "provider": "openai", "temperature": 0.2},
                     metrics={"prompt_tokens": 12, "completion_tokens": 4, "tokens": 16, "prompt_cached_tokens": 2,
                              "time_to_first_token": 0.25})
        try:
            with root.start_span(name="weather", type="tool", input={"city": "Oslo"}):
                raise TimeoutError("too slow")
        except TimeoutError:
            root.log(output="Thirty.", scores={"quality": 0.8})
    logger.flush()
    return root


def test_a_trace_of_the_sdk_arrives_whole(server, logger):
    """shows: R17 B4 A9 A10 A18 A20 A22 A31 A38 A50 A57 A59 A60 A61 A62 A63 A78"""
    root = ask(logger)
    found = server.wait_trace(root.root_span_id, 3)
    rows = {row["name"]: row for row in found["spans"]}
    call, tool = rows["call"], rows["weather"]
    assert {name: row["step"] for name, row in rows.items()} == {"ask": "other", "call": "model", "weather": "tool"}
    assert rows["ask"]["span_id"] == root.span_id and call["parent_span_id"] == root.span_id
    assert (call["provider"], call["request_model"], call["temperature"], call["ttft_ms"]) == ("openai", "gpt-4o-mini", 0.2, 250)
    assert (call["input_tokens"], call["usage"]["cache_read"], call["output_tokens"], call["total_tokens"]) == (12, 2, 4, 16)
    assert call["estimated_cost_usd"] and call["latency_ms"] > 0 and call["dialect"] == "braintrust"
    assert (tool["status"], tool["error_type"], tool["status_message"]) == ("error", "TimeoutError", "TimeoutError: too slow")
    assert (rows["ask"]["session_id"], rows["ask"]["user_id"], rows["ask"]["tags"]) == ("chat-9", "u-3", ["beta"])
    assert rows["ask"]["attributes"]["braintrust.project_id"] == "shop"
    assert [(s["name"], s["value"], s["span_id"]) for s in found["scores"]] == [("quality", 0.8, root.span_id)]
    said = server.payload(root.root_span_id, call["span_id"])
    assert (said["input"][0]["parts"][0]["content"], said["output"][0]["parts"][0]["content"]) == ("How many days?", "Thirty.")


def test_parts_sent_apart_make_one_span(server, logger):
    root = logger.start_span(name="ask", type="task", input="How many days?")
    logger.flush()
    root.log(output="Thirty.", scores={"quality": 0.5})
    root.end()
    logger.flush()
    [row] = server.wait_trace(root.root_span_id)["spans"]
    assert row["name"] == "ask" and row["latency_ms"] > 0
    said = server.payload(root.root_span_id, root.span_id)
    assert said["input"] and said["output"]


def test_feedback_that_names_only_the_row_reaches_its_trace(server, logger):
    """shows: A78 C3"""
    root = ask(logger)
    server.wait_trace(root.root_span_id, 3)
    logger.log_feedback(id=root.id, scores={"thumb": 1.0}, comment="nice", metadata={"who": "bob"}, expected="30")
    logger.flush()

    def look():
        scores = {s["name"]: s for s in server.trace(root.root_span_id)["scores"]}
        return scores if len(scores) == 4 else None
    scores = wait_until(look, 15, "all scores")
    assert (scores["thumb"]["value"], scores["thumb"]["metadata"], scores["thumb"]["response_id"]) == (1, {"who": "bob"}, root.id)
    assert (scores["comment"]["comment"], scores["comment"]["value"], scores["expected"]["value"]) == ("nice", None, "30")


def test_a_row_without_an_id_is_left_out_and_its_neighbours_are_kept(server):
    trace_id, span_id = new_trace_id(), new_span_id()
    row = {"id": "r-1", "span_id": span_id, "root_span_id": trace_id, "metrics": {"start": 1795310005.5, "end": 1795310006}}
    answer = server.request("POST", "/logs3", json.dumps({"rows": [{"span_id": "x"}, 7, row]}), {"content-type": JSON})
    assert (answer.status, answer.json["row_ids"]) == (200, ["r-1"])
    [span] = server.wait_trace(trace_id)["spans"]
    assert (span["latency_ms"], span["source_id"]) == (500, "r-1")


@pytest.mark.parametrize("path,body", [("/logs3", "{"), ("/logs3", "[]"), ("/logs3", '{"rows": 5}'), ("/logs3", '{"rows": [{}]}'),
                                       ("/logs3", b"\xff"), ("/v1/project", "{}"), ("/v1/project", "[1]")])
def test_what_cannot_be_read_is_an_error(server, path, body):
    answer = server.request("POST", path, body, {"content-type": JSON})
    assert answer.status == 400 and answer.json["error"]


def test_without_a_good_key_nobody_logs_in(new_server):
    """shows: P19"""
    made = new_server(auth__mode="on").start()
    for key, status in (("test-key", 401), (made.first_key, 200)):
        headers = {"authorization": f"Bearer {key}", "content-type": JSON}
        assert made.request("POST", "/api/apikey/login", headers=headers).status == status
        assert made.request("POST", "/logs3", '{"rows": []}', headers).status == status
