"""Datadog's tracers, sent here by their own settings alone: ddtrace live, dd-trace as it was recorded.

SPDX-License-Identifier: Apache-2.0"""
import gzip
import http.server
import json
import os
import struct
import subprocess
import sys
import threading
import time

import pytest
from conftest import CLEAN_ENV, FIXTURES, JSON, ROOT, new_trace_id, wait_until

APP = os.path.join(ROOT, "tests/e2e/apps/datadog_app.py")
MSGPACK = "application/msgpack"
COMPLETION = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18", "choices": [
    {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Looking it up.", "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{\"q\":\"Lisbon\"}"}}]}}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140, "prompt_tokens_details": {"cached_tokens": 60},
              "completion_tokens_details": {"reasoning_tokens": 10}}}
# How a tracer is told where to send: to the intake with a key, through the agent's proxy alone, inside the APM traces.
WAYS = {"intake": {"DD_LLMOBS_AGENTLESS_ENABLED": "1", "DD_LLMOBS_OVERRIDE_ORIGIN": "{url}", "DD_API_KEY": "test-key"},
        "proxy": {"DD_LLMOBS_AGENTLESS_ENABLED": "0", "DD_APM_TRACING_ENABLED": "false"},
        "agent": {"DD_LLMOBS_AGENTLESS_ENABLED": "0"}}


@pytest.fixture(scope="module")
def model():
    """Answers every chat with the one completion above."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps(COMPLETION).encode()
            self.send_response(200)
            self.send_header("content-type", JSON)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/v1"
    made.shutdown()


def run_app(server, model, settings):
    """datadog_app.py with these settings: the ids it printed, and what it said on stderr."""
    url = f"http://127.0.0.1:{server.otlp_port}"
    env = {key: value for key, value in CLEAN_ENV.items() if not key.startswith(("OTEL_", "DD_"))}
    env.update({"DD_TRACE_AGENT_URL": url, "DD_ENV": "test", "DD_VERSION": "3.1", "DD_SERVICE": "shop", "DD_LLMOBS_ML_APP": "shop-assistant",
                "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_REMOTE_CONFIGURATION_ENABLED": "false",
                **{key: value.format(url=url) for key, value in settings.items()}})
    done = subprocess.run([sys.executable, APP, model], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module", params=WAYS)
def sent(request, server, model):
    """One run of the application, each way: how, the ids it printed, its trace, and its spans by name."""
    ids, said = run_app(server, model, WAYS[request.param])
    assert "rror" not in said, said
    trace = server.wait_trace(ids["trace_id"], 7 if request.param == "proxy" else 9)
    return request.param, ids, trace, {span["name"]: span for span in trace["spans"]}


def test_each_span_is_there_once_under_its_parent(sent):
    """shows: R5 B4 B17"""
    way, _, trace, spans = sent
    steps = {"POST /ask": "request", "support": "agent", "postgres.query": "db", "find": "retrieval", "embed": "embedding",
             "search": "tool", "answer": "model", "bad": "other", "OpenAI.createChatCompletion": "model"}
    if way == "proxy":  # APM is off
        del steps["POST /ask"], steps["postgres.query"]
    assert {span["name"]: span["step"] for span in trace["spans"]} == steps and len(trace["spans"]) == len(steps)
    agent = spans["support"]
    assert agent["parent_span_id"] == (None if way == "proxy" else spans["POST /ask"]["span_id"])
    assert {span["parent_span_id"] for name, span in spans.items() if name not in ("POST /ask", "support")} == {agent["span_id"]}
    assert trace["trace"]["name"] == ("support" if way == "proxy" else "POST /ask")
    assert (agent["agent"]["name"], spans["search"]["tool"]["name"]) == ("support", "search")
    if way != "proxy":
        assert (spans["POST /ask"]["kind"], spans["postgres.query"]["kind"]) == ("server", "client")


def test_tokens_and_cost_count_once(sent):
    """shows: A50 A59 A60 A61 A62 A63 E17 G5 G8"""
    way, _, trace, spans = sent
    call = spans["answer"]
    assert (call["input_tokens"], call["output_tokens"], call["total_tokens"]) == (1842, 318, 2160)
    assert {key: call["usage"][key] for key in ("input_fresh", "cache_read", "cache_write_5m", "output_text", "reasoning", "source")} == {
        "input_fresh": 718, "cache_read": 1024, "cache_write_5m": 100, "output_text": 300, "reasoning": 18, "source": "reported"}
    assert call["ttft_ms"] == 350
    assert round(call["estimated_cost_usd"], 9) == round((718 * 3 + 1024 * 0.3 + 100 * 3.75 + 318 * 15) / 1e6, 9)
    seen = spans["OpenAI.createChatCompletion"]
    assert (seen["input_tokens"], seen["usage"]["cache_read"], seen["usage"]["reasoning"], seen["output_tokens"]) == (100, 60, 10, 40)
    assert seen["finish_reason"] == ["tool_calls"]
    whole = trace["trace"]
    assert (whole["input_tokens"], whole["output_tokens"], whole["model_call_count"], whole["tool_call_count"]) == (1946, 358, 2, 1)
    parts = [span["estimated_cost_usd"] for span in trace["spans"] if span["estimated_cost_usd"]]
    assert len(parts) == 3 and round(sum(parts), 9) == round(whole["estimated_cost_usd"], 9)


def test_who_where_and_with_which_prompt(sent):
    """shows: A7 A9 A10 A11 A15 A18 A20 A21 A22 A24 A26 A27"""
    way, _, trace, spans = sent
    for span in trace["spans"]:
        assert (span["session_id"], span["user_id"], span["environment"], span["release"]) == ("s-1", "u-1", "test", "3.1"), span["name"]
        assert span["feature"] == "support_assistant" and span["service"] == ("db" if span["name"] == "postgres.query" else "shop")
    call, seen = spans["answer"], spans["OpenAI.createChatCompletion"]
    assert (call["provider"], call["request_model"], call["temperature"], call["max_tokens"]) == (
        "anthropic", "claude-sonnet-4-20250514", 0.2, 500)
    assert (call["prompt_template_id"], call["prompt_version"]) == ("support", "17")
    assert seen["generator_model"] == "gpt-4o-mini-2024-07-18"
    if way != "proxy":  # an event names the model that answered only
        assert (seen["provider"], seen["request_model"]) == ("openai", "gpt-4o-mini")
    assert call["dialect"] == seen["dialect"] == "datadog"
    assert call["attributes"]["_ml_obs.meta.ml_app"] == "shop-assistant"
    assert spans["support"]["attributes"]["_ml_obs.meta.metadata.plan"] == "gold"


def test_content_is_messages_documents_and_tools(server, sent):
    """shows: A31 A32 A38 A41 A65 A70 A72 A74 A77"""
    _, ids, _, spans = sent

    def held(name):
        return server.payload(ids["trace_id"], spans[name]["span_id"])
    answer = held("answer")
    assert answer["input"] == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Is the shop open? – ja 🙂"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_7", "name": "search", "arguments": {"q": "hours"}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_7", "response": "9-5"}]}]
    assert answer["output"] == [{"role": "assistant", "parts": [{"type": "text", "content": "Yes, until five."}]}]
    assert answer["tools"] == [{"type": "function", "name": "search", "description": "finds",
                                "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}]
    assert answer["raw"]["other"]["_ml_obs.meta.input.prompt"]["template"] == "Answer {{q}}"
    assert held("OpenAI.createChatCompletion")["output"] == [{"role": "assistant", "parts": [
        {"type": "text", "content": "Looking it up."}, {"type": "tool_call", "id": "call_1", "name": "search", "arguments": {"q": "Lisbon"}}]}]
    found = held("find")
    assert found["raw"]["query"] == "open hours" and [d["content"] for d in found["documents"]] == ["Open 9-5", "Hi"]
    assert (spans["find"]["source_ids"], spans["find"]["document_scores"], spans["find"]["top_k_returned"]) == (["doc_1", "doc_2"], [0.9, 0.4], 2)
    assert (held("search")["raw"]["tool_arguments"], held("search")["raw"]["tool_result"]) == ({"q": "hours"}, {"open": True})
    assert held("embed")["input"][0]["parts"] == [{"type": "text", "content": "open hours"}] and not spans["embed"]["flags"]
    assert held("support")["output"][0]["parts"] == [{"type": "text", "content": "Yes"}]


def test_an_error_has_type_message_and_stack(sent):
    """shows: A57 B12"""
    _, _, trace, spans = sent
    bad = spans["bad"]
    assert (bad["status"], bad["status_message"], bad["error_type"], bad["error_class"]) == (
        "error", "too slow", "builtins.TimeoutError", "timeout")
    [event] = bad["events"]
    assert "TimeoutError: too slow" in event["attributes"]["exception.stacktrace"]
    assert trace["trace"]["error_count"] == 1 and spans["answer"]["status"] == "ok"


def test_evaluations_are_scores_of_their_span_and_feedback_of_its_session(server, sent):
    """shows: R5 A78 J2"""
    _, ids, _, spans = sent
    wait_until(lambda: len(server.trace(ids["trace_id"])["scores"]) == 4, what="four scores of the trace")
    scores = {score["name"]: score for score in server.trace(ids["trace_id"])["scores"]}
    assert {name: score["value"] for name, score in scores.items()} == {"faithful": 0.75, "tone": "kind", "safe": True, "parts": "{\"a\":1}"}
    assert {score["span_id"] for score in scores.values()} == {spans["answer"]["span_id"]}
    faithful = scores["faithful"]
    assert (faithful["comment"], faithful["source"]) == ("grounded", "api")
    assert faithful["metadata"].items() >= {"assessment": "pass", "judge": "j-1", "run": 7, "ml_app": "shop-assistant",
                                            "_ml_obs.trace_id": ids["answer"]["trace_id"]}.items()
    assert spans["answer"]["attributes"]["_ml_obs.trace_id"] == ids["answer"]["trace_id"]
    assert spans["answer"]["source_id"] == ids["answer"]["span_id"]
    thumbs = server.api("/scores", session_id="s-1")["items"]
    assert {(score["name"], score["value"], score["source"], score["evaluator"]) for score in thumbs} == {("thumb", False, "user", "u-1")}
    [whole] = server.api("/scores", trace_id=ids["answer"]["trace_id"])["items"]  # by the id that Datadog has for it
    assert (whole["name"], whole["value"], whole["source"]) == ("whole", "nice", "user")
    assert "m-1" in {score["response_id"] for score in server.api("/scores", name="tagged")["items"]}


def test_a_tracer_that_asks_what_the_agent_can_do_finds_it(server, model):
    """shows: R5"""
    if server.request("GET", "/info", port=server.otlp_port).status == 404:
        pytest.skip("GET /info is not served")
    ids, said = run_app(server, model, {})
    assert "rror" not in said, said
    assert len(server.wait_trace(ids["trace_id"], 9)["spans"]) == 9


def test_the_intake_takes_a_key_and_refuses_a_wrong_one(new_server, model):
    """shows: P19"""
    made = new_server(auth__mode="on").start()
    made.headers = {"authorization": f"Bearer {made.first_key}"}
    quiet = {"DD_TRACE_ENABLED": "false"}  # the agent's part has no key
    ids, said = run_app(made, model, {**WAYS["intake"], "DD_API_KEY": made.first_key, **quiet})
    assert "failed to send" not in said, said
    assert len(made.wait_trace(ids["trace_id"], 7)["spans"]) == 7
    refused, said = run_app(made, model, {**WAYS["intake"], **quiet})
    assert "403" in said and "API key is invalid" in said, said
    assert made.request("GET", f"/api/v1/traces/{refused['trace_id']}").status == 404


def event(trace_id, span_id, **more):
    return {"event_type": "span", "spans": [{"trace_id": trace_id, "span_id": span_id, "name": "n", "start_ns": 1, **more}]}


BAD = {
    "no JSON": ("/api/v2/llmobs", b"{", JSON, 400),
    "a number": ("/api/v2/llmobs", b"7", JSON, 400),
    "cut": ("/evp_proxy/v2/api/v2/llmobs", b'[{"spans":[{"span_id":"1"', JSON, 400),
    "another type": ("/api/v2/llmobs", b"{}", "text/plain", 415),
    "no metrics": ("/api/intake/llm-obs/v2/eval-metric", b'{"data":[]}', JSON, 400),
    "no MessagePack": ("/v0.4/traces", b"\xc1", MSGPACK, 400),
    "JSON for MessagePack": ("/v0.4/traces", b"[[]]", MSGPACK, 400),
    "another type of traces": ("/v0.4/traces", b"[]", JSON, 415),
    "a giant count": ("/v0.4/traces", b"\xdd\xff\xff\xff\xff", MSGPACK, 400),
    "no table": ("/v0.5/traces", b"\x91\x90", MSGPACK, 400),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_refused_with_a_reason(server, name):
    path, body, kind, status = BAD[name]
    answer = server.request("POST", path, body, {"content-type": kind}, server.otlp_port)
    assert answer.status == status, answer
    assert answer.json["errors"][0]["detail"]


def test_a_bad_span_does_not_cost_its_neighbours(server):
    trace_id = new_trace_id()
    body = [event(trace_id, "1"), event(trace_id, None), {"spans": 5}, 7, event("", "3"), event(trace_id, "4", start_ns="soon"),
            event(trace_id, "5", meta=[], metrics=7, tags={"a": [1]}, parent_id=1), event(trace_id, "6", duration=10 ** 30)]
    answer = server.request("POST", "/api/v2/llmobs", json.dumps(body), {"content-type": JSON}, server.otlp_port)
    assert (answer.status, answer.json) == (202, {})
    trace = server.wait_trace(trace_id, 2)
    assert {span["source_id"] for span in trace["spans"]} == {"1", "5"}


def test_what_a_tracer_tells_of_itself_is_taken_and_forgotten(server):
    for path in ("/telemetry/proxy/api/v2/apmtelemetry", "/v0.6/stats", "/v0.7/config"):
        answer = server.request("POST", path, b"x" * 100000, {"content-type": JSON}, server.otlp_port)
        assert (answer.status, answer.json) == (200, {}), path


# ---- dd-trace of JavaScript, recorded (record/native.py): each call is an event and an APM span ----

def replay(server, name, order):
    """The requests of a recording, with times of today, in this order of their paths' last words."""
    folder = os.path.join(FIXTURES, "native", name)
    with open(os.path.join(folder, "meta.json"), encoding="utf-8") as text:
        requests = json.load(text)["requests"]
    shift = time.time_ns() - 10 ** 9 - max(moment for request in requests for moment in request["times"])
    for word in order:
        [request] = [request for request in requests if request["path"].endswith(word)]
        with gzip.open(os.path.join(folder, request["file"])) as file:
            body = file.read()
        for moment in request["times"]:
            body = body.replace(str(moment).encode(), str(moment + shift).encode())
            body = body.replace(struct.pack(">BQ", 0xcf, moment), struct.pack(">BQ", 0xcf, moment + shift))
        answer = server.request(request["method"], request["path"], body, request["headers"], server.otlp_port)
        assert answer.status == (200 if word == "traces" else 202), answer
    with gzip.open(os.path.join(folder, requests[0]["file"])) as file:
        return json.load(file)[0]["spans"][0]["_dd"]["apm_trace_id"]


@pytest.mark.parametrize("name, order", [("datadog-js-v04", ("llmobs", "eval-metric", "traces")),
                                         ("datadog-js-v05", ("traces", "llmobs", "eval-metric"))])
def test_a_call_that_is_told_twice_is_one_span(new_server, name, order):
    """shows: R5 C9"""
    server = new_server().start()
    trace_id = replay(server, name, order)
    wait_until(lambda: len(server.trace(trace_id).get("scores", [])) == 2, what="two scores")
    trace = server.wait_trace(trace_id, 7)
    spans = {span["name"]: span for span in trace["spans"]}
    assert len(spans) == len(trace["spans"])
    whole = trace["trace"]
    assert (whole["name"], whole["input_tokens"], whole["output_tokens"], whole["model_call_count"]) == ("POST /ask", 1942, 358, 2)
    assert whole["estimated_cost_usd"] == pytest.approx((718 * 3 + 1024 * 0.3 + 100 * 3.75 + 318 * 15) / 1e6 + 0.0000345)
    root, agent, call = spans["POST /ask"], spans["support"], spans["answer"]
    assert (root["parent_span_id"], agent["parent_span_id"], call["parent_span_id"]) == (None, root["span_id"], agent["span_id"])
    assert {name: spans[name]["step"] for name in ("find", "search", "bad")} == {"find": "retrieval", "search": "tool", "bad": "other"}
    assert (call["provider"], call["request_model"], call["prompt_template_id"], call["prompt_version"]) == (
        "anthropic", "claude-sonnet-4-20250514", "support", "17")
    assert {(span["session_id"], span["user_id"], span["environment"], span["service"]) for span in spans.values()
            if span["name"] not in ("http.request", "tcp.connect", "dns.lookup")} == {("s-1", "u-1", "test", "shop")}
    seen = spans["OpenAI.createChatCompletion"]
    assert (seen["request_model"], seen["generator_model"], seen["kind"]) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", "client")
    assert (spans["bad"]["error_type"], spans["bad"]["status_message"], spans["bad"]["status"]) == ("RangeError", "too slow", "error")
    said = server.payload(trace_id, call["span_id"])
    assert [message["role"] for message in said["input"]] == ["system", "user", "assistant", "tool"]
    assert said["input"][3]["parts"] == [{"type": "tool_call_response", "id": "call_7", "response": "9-5"}]
    assert {score["name"]: score["value"] for score in trace["scores"]} == {"faithful": 0.75, "tone": "kind"}
