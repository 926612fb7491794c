"""Helicone's manual loggers, pointed here by their endpoint alone: helicone-helpers (Python) live, @helicone/helpers as it was recorded.

SPDX-License-Identifier: Apache-2.0"""
import asyncio
import gzip
import json
import os
import time
import uuid

import pytest
from conftest import FIXTURES, wait_until
from helicone_helpers import HeliconeManualLogger

OPENAI_REQUEST = {"model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 50, "user": "acme", "messages": [
    {"role": "system", "content": "Be brief"}, {"role": "user", "content": "Is the shop open? – ja 🙂"}],
    "tools": [{"type": "function", "function": {"name": "search", "description": "finds", "parameters": {"type": "object"}}}]}
OPENAI_RESPONSE = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "choices": [
    {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{\"q\":\"hours\"}"}}]}}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140, "prompt_tokens_details": {"cached_tokens": 60},
              "completion_tokens_details": {"reasoning_tokens": 10}}}
ANTHROPIC_REQUEST = {"model": "claude-sonnet-4-20250514", "max_tokens": 500, "system": "Be brief", "messages": [
    {"role": "user", "content": "open?"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "tu_1", "name": "search", "input": {"q": "hours"}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "tu_1", "content": "9-5"}]}]}
ANTHROPIC_RESPONSE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-20250514", "stop_reason": "end_turn",
                      "content": [{"type": "text", "text": "Yes, until five."}],
                      "usage": {"input_tokens": 718, "cache_read_input_tokens": 1024, "cache_creation_input_tokens": 100, "output_tokens": 318}}


@pytest.fixture
def sender(server):
    return HeliconeManualLogger(api_key="test-key", headers={"Helicone-Property-Environment": "test", "Helicone-User-Id": "u-1"},
                                logging_endpoint=f"http://127.0.0.1:{server.otlp_port}")


def session(path="/support"):
    return {"Helicone-Session-Id": str(uuid.uuid4()), "Helicone-Session-Path": path, "Helicone-Session-Name": "support"}


def trace_of(server, headers, count=1):
    return server.wait_trace(headers["Helicone-Session-Id"].replace("-", ""), count)


def log(sender, request, response, headers, provider=None):
    sender.log_request(request, lambda recorder: recorder.append_results(response), headers, provider)


def test_a_call_of_openai_is_whole(server, sender, capsys):
    """shows: R17 A9 A10 A11 A18 A20 A21 A22 A24 A27 A31 A38 A39 A41 A59 A60 A61 A62 A63"""
    request_id = str(uuid.uuid4())
    headers = {**session("/support/answer"), "Helicone-Request-Id": request_id, "Helicone-Prompt-Id": "support", "Helicone-Property-Plan": "gold"}
    log(sender, OPENAI_REQUEST, OPENAI_RESPONSE, headers, "openai")
    assert "Error" not in capsys.readouterr().out
    [span] = trace_of(server, headers)["spans"]
    assert (span["name"], span["step"], span["operation"], span["kind"], span["status"], span["dialect"]) == (
        "answer", "model", "chat", "client", "ok", "helicone")
    assert (span["provider"], span["request_model"], span["generator_model"], span["temperature"], span["max_tokens"]) == (
        "openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", 0.2, 50)
    assert (span["user_id"], span["session_id"], span["environment"], span["prompt_template_id"], span["source_id"]) == (
        "u-1", headers["Helicone-Session-Id"], "test", "support", request_id)
    assert (span["input_tokens"], span["output_tokens"], span["total_tokens"], span["finish_reason"], span["response_id"]) == (
        100, 40, 140, ["tool_calls"], "chatcmpl-1")
    assert {key: span["usage"][key] for key in ("input_fresh", "cache_read", "output_text", "reasoning", "source")} == {
        "input_fresh": 40, "cache_read": 60, "output_text": 30, "reasoning": 10, "source": "reported"}
    assert span["estimated_cost_usd"] == pytest.approx((40 * 0.15 + 60 * 0.075 + 40 * 0.6) / 1e6)
    assert span["attributes"].items() >= {"helicone.property.plan": "gold", "helicone.session.path": "/support/answer",
                                          "helicone.request.user": "acme"}.items()
    assert "test-key" not in json.dumps(span)
    said = server.payload(span["trace_id"], span["span_id"])
    assert said["input"][1] == {"role": "user", "parts": [{"type": "text", "content": "Is the shop open? – ja 🙂"}]}
    assert said["output"][0]["parts"] == [{"type": "tool_call", "id": "call_1", "name": "search", "arguments": {"q": "hours"}}]
    assert said["tools"][0]["function"]["name"] == "search"


def test_a_call_of_anthropic_has_its_cache_beside_the_input(server, sender):
    """shows: A31 A38 A39 A41 A59 A60 A62 A63 G5"""
    headers = session()
    log(sender, ANTHROPIC_REQUEST, ANTHROPIC_RESPONSE, headers, "anthropic")
    [span] = trace_of(server, headers)["spans"]
    assert (span["provider"], span["finish_reason"], span["input_tokens"], span["output_tokens"]) == ("anthropic", ["end_turn"], 1842, 318)
    assert (span["usage"]["input_fresh"], span["usage"]["cache_read"], span["usage"]["cache_write_5m"]) == (718, 1024, 100)
    assert span["estimated_cost_usd"] == pytest.approx((718 * 3 + 1024 * 0.3 + 100 * 3.75 + 318 * 15) / 1e6)
    said = server.payload(span["trace_id"], span["span_id"])
    assert [message["role"] for message in said["input"]] == ["system", "user", "assistant", "user"]
    assert said["input"][2]["parts"] == [{"type": "tool_call", "id": "tu_1", "name": "search", "arguments": {"q": "hours"}}]
    assert said["input"][3]["parts"] == [{"type": "tool_call_response", "id": "tu_1", "response": "9-5"}]
    assert said["output"] == [{"role": "assistant", "parts": [{"type": "text", "content": "Yes, until five."}], "finish_reason": "end_turn"}]


def test_steps_of_a_session_are_one_trace(server, sender):
    """shows: A42 A65 A69 A70"""
    headers = session()
    log(sender, OPENAI_REQUEST, OPENAI_RESPONSE, headers, "openai")
    log(sender, {"_type": "tool", "toolName": "search", "input": {"q": "hours"}}, {"output": {"open": True}}, headers)
    log(sender, {"_type": "vector_db", "operation": "search", "text": "open hours", "topK": 3, "databaseName": "faq"}, {"status": "success"}, headers)
    log(sender, {"_type": "data", "name": "load", "query": "SELECT 1"}, {"count": 1}, headers)
    log(sender, {"model": "text-embedding-3-small", "input": "open hours", "encoding_format": "float"},
        {"model": "text-embedding-3-small", "data": [{"embedding": [0.1] * 500}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}, {
            **headers, "Helicone-Session-Path": ""}, "openai")
    trace = trace_of(server, headers, 5)
    assert {(span["name"], span["step"]) for span in trace["spans"]} == {
        ("support", "model"), ("search", "tool"), ("search", "search"), ("load", "other"), ("embeddings text-embedding-3-small", "embedding")}
    by_step = {span["step"]: span for span in trace["spans"]}
    tool, search, embed = by_step["tool"], by_step["search"], by_step["embedding"]

    def raw(span):
        return server.payload(trace["trace"]["trace_id"], span["span_id"])["raw"]
    assert tool["tool"]["name"] == "search"
    assert (raw(tool)["tool_arguments"], raw(tool)["tool_result"]) == ({"q": "hours"}, {"output": {"open": True}})
    assert (raw(search)["query"], search["top_k_requested"], search["index_name"]) == ("open hours", 3, "faq")
    assert (embed["input_tokens"], embed["request_model"]) == (4, "text-embedding-3-small")
    assert "0.1" not in json.dumps(server.payload(trace["trace"]["trace_id"], embed["span_id"]))
    assert (trace["trace"]["model_call_count"], trace["trace"]["tool_call_count"]) == (1, 1)


def test_a_streamed_answer_is_put_together(server, sender):
    """shows: A38 A39 A41 A50 A59 A60"""
    headers = session()
    builder = sender.log_builder({**OPENAI_REQUEST, "stream": True}, headers)
    for delta in ({"role": "assistant", "content": "Yes, "}, {"content": "until five."},
                  {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "search", "arguments": "{\"q\":"}}]},
                  {"tool_calls": [{"index": 0, "function": {"arguments": "\"hours\"}"}}]}):
        builder.add_chunk({"id": "chatcmpl-2", "model": "gpt-4o-mini-2024-07-18", "choices": [{"index": 0, "delta": delta}]})
    builder.add_chunk({"id": "chatcmpl-2", "model": "gpt-4o-mini-2024-07-18", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    builder.add_chunk({"id": "chatcmpl-2", "choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140}})
    asyncio.run(builder.send_log())
    [span] = trace_of(server, headers)["spans"]
    assert (span["input_tokens"], span["output_tokens"], span["finish_reason"], span["generator_model"]) == (
        100, 40, ["stop"], "gpt-4o-mini-2024-07-18")
    assert span["ttft_ms"] is not None and span["stream"] is True
    assert server.payload(span["trace_id"], span["span_id"])["output"][0]["parts"] == [
        {"type": "text", "content": "Yes, until five."}, {"type": "tool_call", "id": "call_1", "name": "search", "arguments": {"q": "hours"}}]


def test_what_is_to_be_omitted_is_never_kept(server, sender):
    headers = {**session(), "Helicone-Omit-Request": "true", "Helicone-Omit-Response": "true"}
    log(sender, OPENAI_REQUEST, OPENAI_RESPONSE, headers, "openai")
    [span] = trace_of(server, headers)["spans"]
    said = server.payload(span["trace_id"], span["span_id"])
    assert (said["input"], said["output"], said["tools"]) == ([], [], None) and span["input_tokens"] == 100


def post(server, path, body, expect=200, **headers):
    return server.call("POST", path, body, expect, **headers)


# The loggers have no call for these: requests as the reference says.

def test_feedback_and_scores_are_of_their_request(server, sender):
    """shows: A78 C3"""
    request_id = str(uuid.uuid4())
    headers = {**session(), "Helicone-Request-Id": request_id}
    post(server, f"/v1/request/{request_id}/feedback", {"rating": False})
    log(sender, OPENAI_REQUEST, OPENAI_RESPONSE, headers, "openai")
    post(server, f"/v1/request/{request_id}/score", {"scores": {"tone": 4, "safe": True, "bad": "x"}})
    trace_id = trace_of(server, headers)["trace"]["trace_id"]
    wait_until(lambda: len(server.trace(trace_id)["scores"]) == 3, what="three scores")
    assert {(score["name"], score["value"], score["source"]) for score in server.trace(trace_id)["scores"]} == {
        ("feedback", False, "user"), ("tone", 4, "api"), ("safe", True, "api")}


def test_a_failed_call_says_why(server):
    """shows: A57"""
    body = {"providerRequest": {"url": "custom-model-nopath", "json": OPENAI_REQUEST, "meta": {"Helicone-Session-Id": str(uuid.uuid4())}},
            "providerResponse": {"status": 429, "headers": {}, "json": {"error": {"message": "slow down", "type": "rate_limit_error"}}},
            "timing": {"startTime": {"seconds": 1795000000, "milliseconds": 250}, "endTime": {"seconds": 1795000001, "milliseconds": 0}}}
    post(server, "/oai/v1/log", body)
    [span] = trace_of(server, body["providerRequest"]["meta"])["spans"]
    assert (span["status"], span["status_message"], span["error_type"], span["error_class"], span["latency_ms"]) == (
        "error", "slow down", "rate_limit_error", "rate_limit", 750)
    assert span["input_tokens"] is None


BAD = {"no JSON": b"{", "a list": [], "nothing in it": {}, "empty": b""}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_log_is_refused_with_a_reason(server, name):
    assert post(server, "/custom/v1/log", BAD[name], 400).json["error"]


def test_odd_logs_are_taken_as_far_as_they_go(server):
    for number, body in enumerate([
            {"providerRequest": 7, "providerResponse": []}, {"providerRequest": {"json": "x", "meta": 7}, "timing": "now"},
            {"providerRequest": {"json": {"_type": 7, "model": {}}}, "providerResponse": {"status": "x", "textBody": "{", "json": []}},
            {"providerRequest": {"json": {"messages": 5, "usage": 1}}, "timing": {"startTime": {"seconds": 1e300}, "endTime": {"seconds": -1}}}]):
        post(server, "/custom/v1/log", body, 200, **{"helicone-session-id": f"odd-{number}"})
    for path, body in (("feedback", {"rating": "maybe"}), ("feedback", {}), ("score", {"scores": []})):
        post(server, f"/v1/request/r-1/{path}", body, 400)
    assert server.request("POST", "/oai/v1/log", b"{}", {"content-type": "text/plain"}, server.otlp_port).status == 415
    assert server.request("GET", "/oai/v1/log", port=server.otlp_port).status == 405


def test_the_logger_of_javascript_as_it_was_recorded(server):
    """shows: A7 A9 A10 A18 A57 A59 A60"""
    folder = os.path.join(FIXTURES, "native/helicone-js")
    with open(os.path.join(folder, "meta.json"), encoding="utf-8") as text:
        requests = json.load(text)["requests"]
    for request in requests:
        with gzip.open(os.path.join(folder, request["file"])) as file:
            body = json.load(file)
        shift = int(time.time()) - 10 - body["timing"]["endTime"]["seconds"]
        for moment in (body["timing"]["startTime"], body["timing"]["endTime"]):
            moment["seconds"] += shift
        post(server, request["path"], body, **request["headers"])
    trace = server.wait_trace(requests[0]["headers"]["helicone-session-id"].replace("-", ""), 5)
    spans = {span["name"]: span for span in trace["spans"]}
    assert {name: (span["step"], span["status"]) for name, span in spans.items()} == {
        "openai": ("model", "ok"), "anthropic": ("model", "ok"), "search": ("tool", "ok"), "streamed": ("model", "ok"), "failed": ("model", "error")}
    assert {(span["user_id"], span["feature"], span["session_id"]) for span in trace["spans"]} == {
        ("u-1", "faq", "0190a2b4-7c1e-7000-8000-0000000000aa")}
    assert {name: (span["provider"], span["input_tokens"], span["output_tokens"]) for name, span in spans.items()} == {
        "openai": ("openai", 100, 40), "anthropic": ("anthropic", 1842, 318), "streamed": (None, 9, 5), "search": (None, None, None),
        "failed": (None, None, None)}
    assert (spans["failed"]["status_message"], trace["trace"]["model_call_count"]) == ("RangeError: too slow", 4)
    said = server.payload(trace["trace"]["trace_id"], spans["streamed"]["span_id"])
    assert said["output"][0]["parts"] == [{"type": "text", "content": "Yes, until five."}]
