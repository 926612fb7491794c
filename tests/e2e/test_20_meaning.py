"""What real instrumented applications sent is what the record says: every recording of tests/fixtures/real.

The table was read off the requests of the applications (tests/e2e/record/apps) and the answers of their model server.

SPDX-License-Identifier: Apache-2.0"""
import json
import os
from collections import namedtuple

import pytest
from conftest import (FIXTURES, each_span, load_fixture, make_span, new_span_id, new_trace_id, redraw,
                      request_of, wait_until)

SHOP, RAG, SEA = "You are the support assistant of a shop.", "Answer from the given passages", "You are a friendly"
Call = namedtuple("Call", "operation provider asked answered tokens_in tokens_out finish temperature max_tokens system user said error")


def chat(asked, answered, tokens_in, tokens_out, finish, user, said, *, provider="openai", temperature=None, max_tokens=None,
         system=SHOP, error=None):
    return Call("chat", provider, asked, answered, tokens_in, tokens_out, finish, temperature, max_tokens, system, user, said, error)


def embedding(tokens_in):
    return Call("embeddings", "openai", "multilingual-e5-small", "multilingual-e5-small", tokens_in, None, None, None, None, None, None, None, None)


GEMMA, MINI, MINI_DATED = "gemma-3-270m", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"
HAIKU, HAIKU_DATED = "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"
LOOKUP, POLICY = ("lookup_order", {"order_id": "A-17"}), ("refund_policy", {"country": "DE"})
HOURS = ("opening_hours", {"city": "Cologne"})
FRANCE = dict(user="What is the capital of France?", temperature=0.2, max_tokens=24)
RHINE = dict(user="Tell me about the river Rhine.", said=" I am the owner of a shop.", max_tokens=40)
SUNDAY = dict(user="Is the shop open on Sunday?", said="Yes, it is open on Sunday.", max_tokens=24)
DAYS = dict(user="Which days is the shop open?")
NORTH = dict(provider="anthropic", system=SEA, user="Which sea is north of Germany?", max_tokens=32)


def tools(reason):
    return [chat(GEMMA, GEMMA, 182, 11, reason, "Where is my order A-17?", LOOKUP, max_tokens=60),
            chat(GEMMA, GEMMA, 220, 20, "stop", "Where is my order A-17?", '"I have a refund policy fo', max_tokens=40)]


def agent(reason):
    late = "Order A-17 is late."
    return [chat(GEMMA, GEMMA, 192, 11, reason, late, LOOKUP, max_tokens=48), chat(GEMMA, GEMMA, 235, 6, reason, late, POLICY, max_tokens=48),
            chat(GEMMA, GEMMA, 259, 10, "stop", late, "calls refund_policy", max_tokens=48)]


def errors(not_found, bad_request):
    return [chat("gemma-9-900b", "gemma-9-900b", None, None, None, "hello", None, error=(not_found, "http")),
            chat(GEMMA, GEMMA, None, None, None, "too long", None, error=(bad_request, "http"))]


EXPECTED = {
    "manual-rag": [chat(MINI, MINI_DATED, 84, 5, "stop", "Passages:", "30 days.", temperature=0.2, system=RAG)],
    "openinference-and-openllmetry-chat": [chat(MINI, MINI_DATED, 43, 7, "stop", said="The capital of France is Paris.", **FRANCE)],
    "openinference-chat": [chat(GEMMA, GEMMA, 43, 6, "stop", said="I am the French capital.", **FRANCE)],
    "openinference-error": errors("openai.NotFoundError", "openai.BadRequestError"),
    "openinference-js-chat": [chat(MINI, MINI_DATED, 43, 6, "stop", said="Monday, Tuesday and Wednesday.", temperature=0.2, max_tokens=24, **DAYS)],
    "openinference-js-stream": [chat(MINI, MINI, 32, 6, "stop", said=" Monday, Tuesday and Wednesday.", max_tokens=32, **DAYS)],
    "openinference-js-tools": [chat(MINI, MINI_DATED, 107, 7, "tool_calls", said=HOURS, max_tokens=48, **DAYS)],
    "openinference-retry": [chat(GEMMA, GEMMA, 43, 8, "stop", **SUNDAY)],
    "openinference-stream": [chat(GEMMA, GEMMA, 43, 8, "stop", **RHINE)],
    "openinference-tools": tools("tool_calls"),
    "openllmetry-agent": agent("tool_call"),
    "openllmetry-anthropic-messages": [chat(HAIKU, HAIKU_DATED, 40, 7, None, None, None, provider="anthropic", system=None, max_tokens=32),
                                       chat(HAIKU, HAIKU_DATED, 40, 7, "stop", said="The sea is north of Germany", **NORTH)],
    "openllmetry-anthropic-stream": [chat(HAIKU, HAIKU_DATED, 40, 7, None, None, None, provider="anthropic", system=None, max_tokens=32),
                                     chat(HAIKU, HAIKU_DATED, 40, 8, "stop", said=" The sea is north of Germany", **NORTH)],
    "openllmetry-anthropic-error": [
        chat("claude-0", "claude-0", None, None, None, None, None, provider="anthropic", system=None, max_tokens=32, error=("not_found_error", "http")),
        chat("claude-0", "claude-0", None, None, None, said=None, error=("NotFoundError", "http"), **NORTH)],
    "openllmetry-chat": [chat(GEMMA, GEMMA, 43, 6, "stop", said="I am the French capital.", **FRANCE)],
    "openllmetry-embeddings": [embedding(15)],
    "openllmetry-error": errors("NotFoundError", "BadRequestError"),
    "openllmetry-stream": [chat(GEMMA, GEMMA, 43, 8, "stop", **RHINE)],
    "openllmetry-tools": tools("tool_call"),
    "openinference-embeddings": [embedding(15)],
    "otel-v2-events-chat": [chat(GEMMA, GEMMA, 43, 7, "stop", said="The capital of France is Paris.", **FRANCE)],
    "otel-v2-events-error": errors("NotFoundError", "BadRequestError"),
    "otel-v2-events-retry": [chat(GEMMA, GEMMA, 43, 8, "stop", **SUNDAY)],
    "otel-v2-events-stream": [chat(GEMMA, GEMMA, 43, 8, "stop", **RHINE)],
    "otel-v2-events-tools": tools("tool_calls"),
    "otel-v2-latest-agent": agent("tool_calls"),
    "otel-v2-latest-chat": [chat(GEMMA, GEMMA, 43, 6, "stop", said="I am the French capital.", **FRANCE)],
    "otel-v2-latest-embeddings": [embedding(15)],
    "otel-v2-latest-error": errors("<class 'openai.NotFoundError'>", "<class 'openai.BadRequestError'>"),
    "otel-v2-latest-rag": [embedding(76), embedding(16), chat(MINI, MINI_DATED, 84, 5, "stop", "Passages:", "I have a question.", temperature=0.2, system=RAG)],
    "otel-v2-latest-retry": [chat(GEMMA, GEMMA, 43, 8, "stop", **SUNDAY)],
    "otel-v2-latest-stream": [chat(GEMMA, GEMMA, 43, 8, "stop", **RHINE)],
    "otel-v2-latest-tools": tools("tool_calls"),
    "traceloop-js-chat": [chat(GEMMA, GEMMA, 43, 6, "stop", said="Monday, Tuesday and Wednesday.", temperature=0.2, max_tokens=24, **DAYS)],
    "traceloop-js-stream": [chat(GEMMA, GEMMA, 32, 6, "stop", said=" Monday, Tuesday and Wednesday.", max_tokens=32, **DAYS)],
    "traceloop-js-tools": [chat(GEMMA, GEMMA, 107, 7, "tool_call", said=HOURS, max_tokens=48, **DAYS)],
}
# Streams without usage: the numbers are estimates.
ESTIMATED = ("openinference-js-stream", "traceloop-js-stream")
# Time to the first token, by what was sent: an event at that time, or an attribute in seconds.
STREAMS = {"openinference-stream": 2057.761, "openllmetry-stream": 81.660, "openllmetry-anthropic-stream": 199.419}


def load_meta(name):
    with open(os.path.join(FIXTURES, "real", name, "meta.json"), encoding="utf-8") as text:
        return json.load(text)


def send_recording(server, name):
    """Send a recording with new ids: {trace id: how many spans it has}, in the order of their first spans."""
    ids, count = {}, {}
    for item, _, message in load_fixture(name):
        redraw(message, ids)
        server.send(message, item["signal"], encoding=item["content_encoding"])
        for span in each_span(message) if item["signal"] == "traces" else ():
            if any(attribute.value.string_value == "pending_span" for attribute in span.attributes):
                continue  # a placeholder, no span
            trace_id = span.trace_id.hex()
            count[trace_id] = count.get(trace_id, 0) + 1
    return count


def replay(server, name):
    """Send a recording with new ids; the traces it became."""
    return [server.wait_trace(trace_id, count) for trace_id, count in send_recording(server, name).items()]


def calls_of(traces):
    spans = [span for trace in traces for span in sorted(trace["spans"], key=lambda span: span["start_time"])]
    return [span for span in spans if span["step"] in ("model", "embedding") and not span["rollup"]]


def texts(messages, role):
    return [part["content"] for message in messages or [] if message["role"] == role for part in message["parts"] if part["type"] == "text"]


def is_scripted(name):
    """Whether the model behind a recording answered from a script: those are in test_21_meaning_js.py."""
    with open(os.path.join(FIXTURES, "real", name, "meta.json"), encoding="utf-8") as text:
        return json.load(text).get("model") == "script_server.py"


def test_every_recording_has_a_row():
    """Those whose model answered from a script have theirs elsewhere: test_21."""
    rows = set(EXPECTED) | {"openinference-js-embeddings"}
    folder = os.path.join(FIXTURES, "real")
    assert rows == {name for name in os.listdir(folder) if "." not in name and "model" not in load_meta(name)}


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_recording_means_what_the_application_did(server, name):
    """shows: A18 A19 A20 A21 A22 A24 A31 A32 A38 A39 A41 A46 A57 A59 A60 A61 R2"""
    calls = calls_of(replay(server, name))
    assert len(calls) == len(EXPECTED[name]), [call["name"] for call in calls]
    for got, want in zip(calls, EXPECTED[name], strict=True):
        assert (got["operation"], got["provider"], got["request_model"], got["generator_model"]) == want[:4]
        assert got["input_tokens"] == want.tokens_in
        assert got["output_tokens"] == want.tokens_out or (want.operation == "embeddings" and not got["output_tokens"])
        if want.tokens_in is None:
            assert got["total_tokens"] is None and got["usage"]["source"] == "unknown" and got["estimated_cost_usd"] is None
        else:
            assert got["total_tokens"] == want.tokens_in + (want.tokens_out or 0)
            assert (got["usage"]["source"] == "estimated") == (name in ESTIMATED)
        assert got["finish_reason"] == ([want.finish] if want.finish else None)
        assert (got["temperature"], got["max_tokens"]) == (want.temperature, want.max_tokens)
        assert (got["error_type"], got["error_class"]) == (want.error or (None, None))
        assert (got["status"] == "error") == bool(want.error)
        if want.error:
            assert got["status_message"] is None or "40" in got["status_message"]
        check_content(server, got, want)


def check_content(server, got, want):
    if want.user is None:
        return
    held = server.payload(got["trace_id"], got["span_id"])
    users = texts(held["input"], "user")
    assert users and users[0].startswith(want.user), users
    assert held["system"][0]["content"].startswith(want.system)
    if isinstance(want.said, tuple):
        part = held["output"][0]["parts"][0]
        assert (part["type"], part["name"], part["arguments"]) == ("tool_call", *want.said) and part["id"].startswith("call_")
    elif want.said:
        assert held["output"][0]["role"] == "assistant" and texts(held["output"], "assistant")[0].startswith(want.said)
        assert got["response_length"] == len(texts(held["output"], "assistant")[0])
        assert got["preview"]["output"].strip() == texts(held["output"], "assistant")[0].strip() if got.get("preview") else True
    else:
        assert not held["output"]


@pytest.mark.parametrize("name", list(STREAMS))
def test_time_to_the_first_token(server, name):
    """shows: A50"""
    calls = [call for call in calls_of(replay(server, name)) if call["ttft_ms"] is not None]
    assert [round(call["ttft_ms"], 3) for call in calls] == [STREAMS[name]]
    assert calls[0]["stream"] is True and calls[0]["ttft_ms"] < calls[0]["latency_ms"]


def test_the_conversation_of_tools_is_whole(server):
    """shows: A41"""
    for name in ("openllmetry-tools", "openinference-tools", "otel-v2-latest-tools", "otel-v2-events-tools"):
        first, second = calls_of(replay(server, name))
        asked = server.payload(first["trace_id"], first["span_id"])["output"][0]["parts"][0]
        told = server.payload(second["trace_id"], second["span_id"])["input"]
        assert [message["role"] for message in told] == ["system", "user", "assistant", "tool"], name
        assert told[2]["parts"][0]["id"] == asked["id"] == told[3]["parts"][0]["id"]
        assert "shipped" in json.dumps(told[3]["parts"][0])


def test_an_agent_is_a_tree_and_counts_its_calls_once(server):
    """shows: A41 A43 B4 C9"""
    for name in ("openllmetry-agent", "otel-v2-latest-agent"):
        whole = replay(server, name)[0]
        summary = whole["trace"]
        assert (summary["span_count"], summary["model_call_count"], summary["tool_call_count"]) == (7, 3, 2)
        assert (summary["input_tokens"], summary["output_tokens"]) == (192 + 235 + 259, 11 + 6 + 10)
        agents = [span for span in whole["spans"] if span["step"] == "agent"]
        assert len(agents) == 1 and agents[0]["agent"]["name"] == "support" and agents[0]["agent"]["iteration"] == 3
        children = [span for span in whole["spans"] if span["parent_span_id"] == agents[0]["span_id"]]
        assert sorted(span["step"] for span in children) == ["model"] * 3 + ["tool"] * 2
        assert {span["tool"]["name"] for span in children if span["step"] == "tool"} == {"lookup_order", "refund_policy"}
        assert all(span["tool"]["approval"] == "granted" for span in children if span["step"] == "tool")


def test_a_retrieval_says_what_it_found(server):
    """shows: A3 A6 A7 A8 A9 A10 A26 A28 A35 A36 A66 A67 A68 A69 A70 A71 A72 A73 A74 A76 A82 H1 H2 R16"""
    whole = replay(server, "manual-rag")[0]
    spans = {span["name"]: span for span in whole["spans"]}
    assert {name: span["step"] for name, span in spans.items()} == {
        "POST /api/assistant/query": "request", "render_prompt": "prompt", "rag.rewrite_query": "rewrite", "rag.retrieve": "retrieval",
        "vector_search": "search", "bm25_search": "search", "rerank": "rerank", "llm.chat": "model", "safety.check_response": "guard",
        "response.serialize": "other"}
    found = spans["rag.retrieve"]
    assert (found["retriever"], found["retriever_family"]) == ("hybrid_rrf", "hybrid")
    assert (found["index_name"], found["index_version"]) in (("support_docs_v42", "v42"), ("support_docs", "v42"), ("support_docs_v42", "42"))
    assert (found["top_k_requested"], found["top_k_returned"]) == (4, 3)
    assert found["source_ids"] == ["doc_12", "doc_19"] and found["chunk_ids"] == ["doc_12#0", "doc_12#1", "doc_19#0"]
    assert found["document_scores"] == [0.8688, 0.8549, 0.8324]
    assert (found["embedding_model_version"], found["reranker_model_version"], found["retrieval_pipeline_version"]) == \
        ("multilingual-e5-small", "e5-cosine-v1", "rag-hybrid-v6")
    assert found["query_hash"].startswith("sha256:2782486b9ac82cf4")
    call = spans["llm.chat"]
    assert (call["prompt_version"], call["context_chunk_count"]) == ("support-v17", 3)
    assert call["prompt_hash"].startswith("sha256:91f5c3f3")
    assert spans["safety.check_response"]["safety_blocked"] is False and spans["safety.check_response"]["guard"]["name"] == "no-prices"
    assert spans["safety.check_response"]["guard"]["policy_version"] == "p3"
    for span in whole["spans"]:  # what the root alone was given holds for all
        assert (span["tenant_id"], span["user_id"], span["feature"], span["session_id"]) == ("tenant_abc", "user-31", "support_assistant", "chat-9")
    assert spans["POST /api/assistant/query"]["rag_enabled"] is True
    assert whole["trace"]["request_id"] == "req_123"
    assert not any("parcel back" in json.dumps(span["attributes"]) for span in whole["spans"])


# ---- counting once ----

def test_two_instrumentations_of_one_call_count_once(server):
    """shows: C9"""
    whole = replay(server, "openinference-and-openllmetry-chat")[0]
    assert len(whole["spans"]) == 2 and [span["rollup"] for span in whole["spans"]].count(True) == 1
    assert (whole["trace"]["input_tokens"], whole["trace"]["output_tokens"], whole["trace"]["model_call_count"]) == (43, 7, 1)
    assert whole["trace"]["estimated_cost_usd"] == pytest.approx(43 * 0.15e-6 + 7 * 0.6e-6, abs=1e-12)


def test_usage_on_an_agent_and_a_workflow_is_kept_but_not_counted(server):
    """shows: C9"""
    trace_id, flow, agent_id = new_trace_id(), new_span_id(), new_span_id()
    usage = {"gen_ai.usage.input_tokens": 300, "gen_ai.usage.output_tokens": 30}
    one = {"gen_ai.operation.name": "chat", "gen_ai.request.model": MINI, "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
    now = 10**18 * 1 + 7 * 10**17
    spans = [make_span({"gen_ai.operation.name": "invoke_workflow", **usage}, "flow", trace_id, flow, start=now, ms=1000),
             make_span({"gen_ai.operation.name": "invoke_agent", **usage}, "agent", trace_id, agent_id, flow, now + 10**6, 990)]
    spans += [make_span(dict(one, **{"gen_ai.response.id": f"r{n}"}), f"call {n}", trace_id, None, agent_id, now + 10**7 + n * 10**8, 90) for n in range(3)]
    server.send_spans(*spans)
    whole = server.wait_trace(trace_id, 5)
    found = {span["name"]: span for span in whole["spans"]}
    assert (whole["trace"]["input_tokens"], whole["trace"]["output_tokens"], whole["trace"]["model_call_count"]) == (300, 30, 3)
    assert found["agent"]["rollup"] is True and found["flow"]["rollup"] is True and found["agent"]["input_tokens"] == 300
    wide = {"from": "2020-01-01T00:00:00Z", "to": "2040-01-01T00:00:00Z"}
    sums = server.api("/aggregate", metric="input_tokens,output_tokens", q=f"trace_id:{trace_id}", **wide)["items"][0]["values"]
    assert sums == {"input_tokens": 300, "output_tokens": 30}


def test_usage_only_on_an_agent_counts_there(server):
    """shows: C9"""
    span = make_span({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": MINI, "gen_ai.usage.input_tokens": 1000,
                      "gen_ai.usage.output_tokens": 100}, "agent")
    server.send_spans(span)
    whole = server.wait_trace(span["traceId"])
    assert (whole["trace"]["input_tokens"], whole["trace"]["output_tokens"]) == (1000, 100) and not whole["spans"][0]["rollup"]


# ---- unknown is not zero, and what was sent is kept ----

def test_unknown_is_null_and_zero_is_zero(server):
    """shows: A22 A59 A60 G4 T22"""
    silent = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "unheard-of-1"})
    zero = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "unheard-of-2", "gen_ai.usage.input_tokens": 0,
                      "gen_ai.usage.output_tokens": 0, "gen_ai.request.temperature": 0.0})
    server.send_spans(silent, zero)
    whole = server.wait_trace(silent["traceId"])
    got = whole["spans"][0]
    for field in ("input_tokens", "output_tokens", "total_tokens", "estimated_cost_usd", "temperature", "top_p", "max_tokens", "ttft_ms",
                  "finish_reason", "provider", "tenant_id", "stream", "prompt_length", "response_length"):
        assert got[field] is None, field
    for field in ("input_tokens", "output_tokens", "total_tokens", "estimated_cost_usd"):
        assert whole["trace"][field] is None, field
    got = server.wait_trace(zero["traceId"])["spans"][0]
    assert (got["input_tokens"], got["output_tokens"], got["total_tokens"], got["temperature"]) == (0, 0, 0, 0)
    values = server.api("/aggregate", metric="input_tokens,cost,ttft_p95", q="request_model:unheard-of-1")["items"][0]["values"]
    assert values == {"input_tokens": None, "cost_usd": None, "ttft_p95_ms": None}


def test_what_the_sender_computed_is_kept_beside_ours(server):
    """shows: A63 T10 A49 T9"""
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": MINI, "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 0,
                      "gen_ai.usage.cost": 9.5, "llm.latency_ms": 777}, ms=120)
    server.send_spans(span)
    got = server.wait_trace(span["traceId"])["spans"][0]
    assert got["estimated_cost_usd"] == pytest.approx(0.00015) and got["cost"]["sender_usd"] == 9.5 and got["cost"]["source"] == "table"
    assert (got["latency_ms"], got["sender_latency_ms"]) == (120, 777) and "latency_differs" in got["flags"]


def test_cached_tokens_are_part_of_the_input_and_counted_once(server):
    """shows: A62 G5"""
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": MINI, "gen_ai.usage.input_tokens": 1000,
                      "gen_ai.usage.cache_read.input_tokens": 400, "gen_ai.usage.output_tokens": 10})
    server.send_spans(span)
    got = server.wait_trace(span["traceId"])["spans"][0]
    assert (got["input_tokens"], got["usage"]["input_fresh"], got["usage"]["cache_read"], got["total_tokens"]) == (1000, 600, 400, 1010)
    assert got["estimated_cost_usd"] == pytest.approx(600 * 0.15e-6 + 400 * 0.075e-6 + 10 * 0.6e-6, abs=1e-9)


def test_unknown_attributes_are_kept_searched_and_grouped(server):
    """shows: X4"""
    mark = os.urandom(4).hex()
    server.send_spans(*[make_span({"x.y.z": f"{mark}-{n % 2}", "x.size": 10 * n}) for n in range(4)])
    found = server.wait_spans(f"x.y.z:{mark}-1", 2)
    assert sorted(span["attributes"]["x.size"] for span in found) == [10, 30]
    groups = server.api("/aggregate", metric="count", by="x.y.z", q=f"x.y.z:{mark}*")["items"]
    assert {group["by"]["x.y.z"]: group["values"]["count"] for group in groups} == {f"{mark}-0": 2, f"{mark}-1": 2}


def test_old_and_new_names_of_a_call_are_the_same_call(server):
    """shows: B2 R2 T7"""
    old = make_span({"gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": MINI, "gen_ai.usage.prompt_tokens": 5,
                     "gen_ai.usage.completion_tokens": 6, "gen_ai.response.finish_reason": "stop"})
    new = make_span({"gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": MINI, "gen_ai.usage.input_tokens": 5,
                     "gen_ai.usage.output_tokens": 6, "gen_ai.response.finish_reasons": ["stop"]})
    server.send_spans(old, new)
    one, two = (server.wait_trace(span["traceId"])["spans"][0] for span in (old, new))
    for field in ("provider", "operation", "request_model", "input_tokens", "output_tokens", "finish_reason", "estimated_cost_usd"):
        assert one[field] == two[field] and one[field] is not None, field


# ---- assembly ----

def test_a_span_sent_open_and_again_when_it_ended_is_one(server):
    """The later version wins field by field; what only the first said stays."""
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": MINI, "first.only": "kept"}, name="begun")
    server.send_spans(dict(span, endTimeUnixNano="0"))
    wait_until(lambda: server.request("GET", f"/api/v1/traces/{span['traceId']}").status == 200, what="the open span")
    server.send_spans(dict(make_span({"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 6}, name="ended", trace_id=span["traceId"],
                                     span_id=span["spanId"]), startTimeUnixNano=span["startTimeUnixNano"], endTimeUnixNano=span["endTimeUnixNano"]))
    got = wait_until(lambda: [s for s in server.trace(span["traceId"])["spans"] if s["input_tokens"] == 5 and s["settled"]], what="the whole span")
    assert len(got) == 1 and (got[0]["name"], got[0]["request_model"], got[0]["latency_ms"]) == ("ended", MINI, 120)
    assert got[0]["attributes"]["first.only"] == "kept"


@pytest.mark.parametrize("settled", [False, True])
def test_an_exact_retry_is_acknowledged_and_stored_once(server, settled):
    """shows: C8"""
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": MINI, "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 6})
    body = request_of([span]).SerializeToString()
    before = server.metric("telltale_drain_duplicate_batches_total")
    for number in range(3):
        assert server.post(body, encoding=[None, "gzip", "zstd"][number]).status == 200
        server.wait_trace(span["traceId"], settled=settled)
    wait_until(lambda: server.metric("telltale_drain_duplicate_batches_total") == before + 2, what="two duplicates")
    whole = server.wait_trace(span["traceId"])
    assert len(whole["spans"]) == 1 and whole["trace"]["input_tokens"] == 5


def test_the_same_span_in_another_batch_is_stored_once(server):
    span, other = make_span({"gen_ai.request.model": MINI, "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 1}), make_span()
    server.send_spans(span)
    server.wait_trace(span["traceId"])
    server.send_spans(other, span)
    server.wait_trace(other["traceId"])
    whole = server.wait_trace(span["traceId"])
    assert len(whole["spans"]) == 1 and whole["trace"]["input_tokens"] == 5


def test_a_child_before_its_parent_and_long_after_it_joins(server):
    """shows: A2 A8"""
    trace_id, root, child, late = new_trace_id(), new_span_id(), new_span_id(), new_span_id()
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": MINI, "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 6}
    server.send_spans(make_span(call, "child", trace_id, child, root))
    server.wait_trace(trace_id, 1, settled=False)
    server.send_spans(make_span({"app.tenant_id": "t-late"}, "POST /x", trace_id, root))
    whole = server.wait_trace(trace_id, 2)
    assert whole["trace"]["name"] == "POST /x" and whole["trace"]["input_tokens"] == 5
    server.send_spans(make_span(dict(call, **{"gen_ai.response.id": "late"}), "late", trace_id, late, root))
    whole = wait_until(lambda: (w := server.wait_trace(trace_id, 3)) and w["trace"]["input_tokens"] == 10 and w, what="the late span")
    assert {span["span_id"]: span["parent_span_id"] for span in whole["spans"]} == {root: None, child: root, late: root}
    assert all(span["tenant_id"] == "t-late" for span in whole["spans"])
    assert whole["trace"]["span_count"] == 3
