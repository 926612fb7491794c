"""Each framework's own telemetry of the same logical call gives the same record: tests/fixtures/real/FAMILY-SCENARIO.

The applications are tests/e2e/record/apps, what the model answered is tests/e2e/record/scripted_model.py.  A family's row says
what its emitter itself does not send; everything else must be there.

SPDX-License-Identifier: Apache-2.0"""
import json
import os
from collections import namedtuple

import pytest
from conftest import FIXTURES, each_span, load_fixture, redraw
from test_20_meaning import calls_of, load_meta, replay, texts

MINI, DATED, HUGE = "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "gpt-9-huge"
SYSTEM = "You are the support assistant of a shop. Answer in one sentence."
FRANCE, ORDER, SEARCH = "What is the capital of France?", "Where is my order A-17?", "How many days do I have to send a parcel back?"
PARIS, SHIPPED = "The capital of France is Paris.", "Order A-17 has shipped."
LOOKUP = {"order_id": "A-17"}
RESULT = {"order_id": "A-17", "status": "shipped"}
# input, cached of it, output, reasoning of it: scripted_model.py
CHAT, CALL, TOLD = (43, 16, 7, 0), (182, 128, 11, 0), (220, 128, 20, 4)

# scenarios; provider; model asked and answered as this emitter names them; what it does not send
Family = namedtuple("Family", "scenarios provider asked answered lacks")
FAMILIES = {
    "langfuse": Family("chat stream tools retrieval error", None, DATED, DATED, "finish"),  # one name for both models
    "pydantic": Family("chat tools error", "openai", MINI, DATED, "tags"),
    "agents": Family("chat tools error", "openai", MINI, MINI, "cached reasoning finish"),
    "langchain": Family("chat stream tools retrieval error", "openai", MINI, DATED, "tags arguments"),
    "langchain-langsmith": Family("chat stream tools retrieval error", "openai", MINI, DATED, ""),
    "llamaindex": Family("chat tools retrieval error", "openai", MINI, MINI, "temperature max_tokens"),
    "litellm": Family("chat stream tools error", "openai", "openai/" + MINI, "openai/" + MINI, ""),
    "litellm-callback": Family("chat stream tools error", "openai", MINI, DATED, "session tags"),
    "adk": Family("chat tools error", "openai", "openai/" + MINI, "openai/" + MINI, "tags temperature"),
    "smolagents": Family("chat tools error", "openai", MINI, MINI, "cached reasoning finish"),
    "dspy": Family("chat error", "openai", MINI, MINI, "usage finish"),
    "crewai": Family("chat tools error", "openai", MINI, DATED, ""),
    "haystack": Family("chat tools retrieval error", None, None, DATED, "session user tags temperature max_tokens"),
    "strands": Family("chat tools error", None, MINI, MINI, "reasoning temperature max_tokens"),
    "mlflow": Family("chat tools retrieval error", None, MINI, DATED, "session user tags"),
    "sk": Family("chat tools error", "openai", MINI, MINI, "cached reasoning session user tags"),
    "autogen": Family("chat tools error", "openai", MINI, DATED, "session user tags arguments result"),
}
# Words of its own for why an answer ended: an emitter's are kept.
ENDS = {"strands": {"stop": "end_turn", "tool_calls": "tool_use"}, "adk": {"tool_calls": "stop"}, "pydantic": {"tool_calls": "tool_call"}}
# A stream says more, or less, than a whole answer; so does an answer that is a call.
TOOLS = {"litellm": (DATED, "openai/" + MINI)}
STREAMS = {"langfuse": FAMILIES["langfuse"]._replace(lacks=""),
           "litellm-callback": FAMILIES["litellm-callback"]._replace(answered=MINI)}
APPS = {f"{name.split('-')[0]}_app.py" for name in FAMILIES}
WITH = {scenario: [name for name, family in FAMILIES.items() if scenario in family.scenarios.split()]
        for scenario in ("chat", "stream", "tools", "retrieval", "error")}


def cost(numbers, lacks):
    taken, cached, made, _ = numbers
    cached = 0 if "cached" in lacks else cached
    return (taken - cached) * 0.15e-6 + cached * 0.075e-6 + made * 0.6e-6


def check_call(got, family, numbers, finish):
    """One model call: who, which model, what it took, why it ended."""
    taken, cached, made, thought = numbers
    lacks = family.lacks.split()
    assert got["step"] == "model" and got["operation"] in ("chat", "generate_content") and got["status"] != "error"
    assert (got["provider"], got["request_model"], got["generator_model"]) == (family.provider, family.asked, family.answered)
    if "usage" in lacks:
        assert got["usage"]["source"] == "estimated" and got["usage"]["cache_read"] is None
        assert got["input_tokens"] > taken and got["output_tokens"] >= made  # with what the framework puts around
        assert got["estimated_cost_usd"] == pytest.approx(got["input_tokens"] * 0.15e-6 + got["output_tokens"] * 0.6e-6, abs=1e-12)
    else:
        assert (got["input_tokens"], got["output_tokens"], got["total_tokens"]) == (taken, made, taken + made)
        assert (got["usage"]["cache_read"], got["usage"]["input_fresh"]) == ((None, taken) if "cached" in lacks else (cached, taken - cached))
        assert got["usage"]["reasoning"] == (None if "reasoning" in lacks else thought) or not thought
        assert got["estimated_cost_usd"] == pytest.approx(cost(numbers, lacks), abs=1e-12)
        assert got["cost"]["sender_usd"] in (None, pytest.approx(cost(numbers, ""), abs=1e-9))  # what it computed
    assert got["finish_reason"] == (None if "finish" in lacks else [finish]), got["finish_reason"]
    assert got["temperature"] == (None if "temperature" in lacks else 0.2)
    assert got["max_tokens"] == (None if "max_tokens" in lacks else 24)


def check_who(span, family):
    lacks = family.lacks.split()
    assert span["session_id"] == (None if "session" in lacks else "chat-9")
    assert span["user_id"] == (None if "user" in lacks else "user-31")
    assert set(span["tags"] or ()) >= (set() if "tags" in lacks else {"shop", "france"})


def said(held):
    """The answer's text and calls."""
    parts = [part for message in held["output"] for part in message["parts"]]
    assert all(message["role"] == "assistant" for message in held["output"])
    text = "".join(part["content"] for part in parts if part["type"] == "text").strip()
    return text, [(part["name"].rsplit("-", 1)[-1], part["arguments"]) for part in parts if part["type"] == "tool_call"]


def test_every_recording_of_a_framework_has_a_row():
    rows = {f"{name}-{scenario}" for name, family in FAMILIES.items() for scenario in family.scenarios.split()}
    found = {name for name in os.listdir(os.path.join(FIXTURES, "real")) if "." not in name}
    assert rows == {name for name in found if load_meta(name)["app"] in APPS}


@pytest.mark.parametrize("name", WITH["chat"] + [name + "/stream" for name in WITH["stream"]])
def test_the_same_chat_is_the_same_record(server, name):
    """shows: A9 A10 A18 A19 A20 A21 A22 A24 A31 A32 A38 A39 A59 A60 A61 A62 C9 R2"""
    name, _, scenario = name.partition("/")
    family = STREAMS.get(name, FAMILIES[name]) if scenario else FAMILIES[name]
    traces = replay(server, f"{name}-{scenario or 'chat'}")
    [call] = calls_of(traces)
    check_call(call, family, CHAT, ENDS.get(name, {}).get("stop", "stop"))
    check_who(call, family)
    held = server.payload(call["trace_id"], call["span_id"])
    assert SYSTEM in held["system"][0]["content"]
    users = texts(held["input"], "user")
    assert len(users) == 1 and FRANCE in users[0]
    assert PARIS in said(held)[0] and said(held)[1] == []
    if "usage" not in family.lacks:
        [whole] = [trace["trace"] for trace in traces if trace["trace"]["model_call_count"]]
        assert (whole["input_tokens"], whole["output_tokens"], whole["model_call_count"]) == (43, 7, 1)
        assert whole["estimated_cost_usd"] == pytest.approx(cost(CHAT, family.lacks.split()), abs=1e-12)


@pytest.mark.parametrize("name", WITH["tools"])
def test_the_same_loop_with_a_tool_is_the_same_record(server, name):
    """shows: A41 A42 A59 A60 A62"""
    family = FAMILIES[name]
    traces = replay(server, f"{name}-tools")
    first, second = calls_of(traces)
    ends = ENDS.get(name, {})
    asks, tells = (family._replace(answered=answered) for answered in TOOLS.get(name, (family.answered, family.answered)))
    check_call(first, asks, CALL, ends.get("tool_calls", "tool_calls"))
    told = (220, 128, 24, 4) if name == "adk" else TOLD  # it adds the reasoning to an output that has it
    check_call(second, tells, told, "tool_calls" if name == "smolagents" else ends.get("stop", "stop"))
    held = server.payload(first["trace_id"], first["span_id"])
    assert ORDER in texts(held["input"], "user")[0] and said(held)[1] == [("lookup_order", LOOKUP)]
    for tool in held.get("tools") or ():  # where the emitter sends what the tools are
        tool = tool if isinstance(tool, dict) else {"name": tool}
        tool = tool["function"] if isinstance(tool.get("function"), dict) else tool
        assert tool["name"].endswith(("lookup_order", "final_answer")) and not isinstance(tool.get("parameters"), str)
    held = server.payload(second["trace_id"], second["span_id"])
    assert said(held) == (("", [("final_answer", {"answer": SHIPPED})]) if name == "smolagents" else (SHIPPED, []))
    spans = [span for trace in traces for span in trace["spans"]]
    for tool in [span for span in spans if span["step"] == "tool"][:1]:
        assert tool["tool"]["name"].rsplit("-", 1)[-1] == "lookup_order" and tool["operation"] == "execute_tool"
        held = server.payload(tool["trace_id"], tool["span_id"])["raw"]
        assert held.get("tool_arguments") == LOOKUP or "arguments" in family.lacks
        assert held.get("tool_result") == RESULT or "result" in family.lacks
        check_who(tool, family)


def test_the_same_words_hash_alike(server):
    """What a framework adds to the prompt (ADK, DSPy, CrewAI) is no longer the same.  shows: A28 A29 A30"""
    plain = [name for name in WITH["chat"] if name not in ("adk", "dspy", "crewai")]
    hashes = {name: [call[field] for call in calls_of(replay(server, f"{name}-chat"))
                     for field in ("prompt_hash", "system_prompt_hash", "answer_hash", "prompt_length", "response_length")] for name in plain}
    assert len({tuple(values) for values in hashes.values()}) == 1, hashes


@pytest.mark.parametrize("name", WITH["retrieval"])
def test_the_same_retrieval_is_the_same_record(server, name):
    """shows: A65 A70 A74 A77"""
    spans = [span for trace in replay(server, f"{name}-retrieval") for span in trace["spans"]]
    found = [span for span in spans if span["step"] == "retrieval" and span["document_scores"]][-1]
    held = server.payload(found["trace_id"], found["span_id"])
    assert found["operation"] == "retrieval" and held["raw"]["query"] == SEARCH
    assert [document["content"] for document in held["documents"]] == \
        ["Parcels can be returned within 30 days of delivery.", "Shipping to France takes three days."]
    assert (found["top_k_returned"], found["document_scores"]) == (2, [0.91, 0.72])


@pytest.mark.parametrize("name", WITH["error"])
def test_the_same_error_is_the_same_record(server, name):
    """shows: A57"""
    calls = calls_of(replay(server, f"{name}-error"))
    assert len(calls) == 1
    assert (calls[0]["status"], calls[0]["error_class"]) == ("error", "http")
    assert "gpt-9-huge" in calls[0]["status_message"] and calls[0]["request_model"] in (HUGE, "openai/" + HUGE, None)
    assert calls[0]["input_tokens"] is None and calls[0]["estimated_cost_usd"] is None


@pytest.mark.parametrize("name", WITH["tools"])
def test_no_words_of_the_conversation_stay_in_an_attribute(server, name):
    """shows: D4"""
    for whole in replay(server, f"{name}-tools"):
        for span in whole["spans"]:
            for key, value in span["attributes"].items():
                assert not any(words in json.dumps(value) for words in (ORDER, SHIPPED, SYSTEM)), key


def test_a_placeholder_is_not_a_second_span(server):
    whole = replay(server, "pydantic-tools")[0]
    assert sorted(span["step"] for span in whole["spans"]) == ["agent", "model", "model", "tool"]
    assert not any("pending_span" in json.dumps(span["attributes"]) for span in whole["spans"])


def test_a_placeholder_whose_span_never_comes_stands_for_it(server):
    """The process died in the middle of a call: the call is known, its end is not."""
    ids = {}
    for item, _, message in load_fixture("pydantic-chat"):
        redraw(message, ids)
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                left = [span for span in scope.spans if any(a.value.string_value == "pending_span" for a in span.attributes)]
                del scope.spans[:]
                scope.spans.extend(left)
        for attribute in (attribute for span in each_span(message) for attribute in span.attributes):
            if attribute.key == "logfire.pending_parent_id":
                attribute.value.string_value = ids.get(bytes.fromhex(attribute.value.string_value), bytes(8)).hex()
        spans = list(each_span(message))
        if spans:
            server.send(message, item["signal"])
            trace_id = spans[0].trace_id.hex()
    whole = server.wait_trace(trace_id, 2)
    agent, call = sorted(whole["spans"], key=lambda span: span["start_time"])
    assert (agent["step"], call["step"], call["name"]) == ("agent", "model", "chat gpt-4o-mini")
    assert agent["parent_span_id"] is None and call["parent_span_id"] == agent["span_id"]
    assert call["latency_ms"] is None and call["session_id"] == "chat-9" and call["input_tokens"] is None
