"""The same calls through every instrumentation of JavaScript give the same record (tests/e2e/record/record_js.py).

What was asked and answered is in record/script_server.py and record/js/apps/words.mjs.  SENDS says what each package
itself sends or does not: a package that does not send the cached tokens cannot give them.

SPDX-License-Identifier: Apache-2.0"""
import json
import os
import time

import pytest
from conftest import FIXTURES, attributes_of, from_json, load_fixture, wait_until
from test_20_meaning import calls_of, is_scripted, send_recording, texts

MINI, DATED, EMBEDDER = "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "text-embedding-3-small"
SYSTEM = "You are the support assistant of a shop. Answer in one sentence."
DAYS, OPEN = "Which days is the shop open?", "The shop is open from Monday to Saturday."
ORDER, SHIPPED, HOURS = "Where is my order A-17?", "Order A-17 has been shipped.", "opening hours"
LOOKUP, RESULT = ("lookup_order", {"order_id": "A-17"}), {"order_id": "A-17", "status": "shipped"}
NOT_FOUND = "The model `gpt-0` does not exist or you do not have access to it."
# what was asked, what was told, (input, of it cached, output, of it reasoning), finish reason
CALLS = {"chat": [(DAYS, OPEN, (120, 64, 30, 12), 0)], "stream": [(DAYS, OPEN, (120, 64, 30, 12), 0)],
         "tools": [(ORDER, LOOKUP, (140, 0, 18, 0), 1), (ORDER, SHIPPED, (180, 128, 10, 0), 0)]}
ALL = ("chat", "stream", "tools")
USUAL = {"scenarios": (*ALL, "embed", "error"), "provider": "openai", "asked": MINI, "answered": DATED, "details": ALL, "who": True, "prompt": False,
         "finish": ("stop", "tool_calls"), "id": None, "ttft": None, "content": True, "call_id": "call_lookup17", "result_role": "tool", "error": (None, "http"),
         "embed_tokens": 2, "tier": None, "embed_text": True, "lost_status": False}
VERCEL = {"finish": ("stop", "tool-calls"), "id": "resp_", "error": ("AI_APICallError", "http"), "tier": "default"}
SENDS = {name: {**USUAL, **own} for name, own in {
    "vercel-5": {**VERCEL, "details": ("stream",), "prompt": True, "ttft": (1, 5000)},
    "vercel-6": {**VERCEL, "prompt": True, "ttft": (1, 5000)},
    "vercel-7": {**VERCEL, "ttft": (1, 5000)},
    # the wrapper overwrites the model that was asked for, tells neither provider nor why it ended, and counts no embeddings (then we do)
    "langfuse-js-openai": {"provider": None, "prompt": True, "asked": DATED, "finish": (None, None), "ttft": (1, 5000)},
    "langfuse-js-tracing": {"scenarios": ("chat", "error"), "provider": None, "answered": MINI, "prompt": True, "finish": (None, None)},
    "otel-js-openai": {"who": False, "details": (), "id": "chatcmpl-", "error": ("NotFoundError", "http"), "embed_text": False},
    "otel-js-responses": {"scenarios": ("chat", "tools"), "who": False, "details": (), "id": "resp_", "finish": ("stop", "tool_call"),
                          "call_id": "fc_call", "result_role": "user"},
    "openai-agents-js": {"scenarios": (*ALL, "error"), "who": False, "asked": DATED, "finish": ("stop", "stop"), "tier": "default", "id": "resp_"},
    "openinference-js-langchain": {"scenarios": (*ALL, "error"), "call_id": None, "id": "chatcmpl-"},
    "langsmith-js": {"scenarios": (*ALL, "error"), "id": "chatcmpl-", "tier": "default", "error": ("Error", "http")},
    # what a model was asked is on the step around it, which says what it means by words
    "mastra": {"scenarios": (*ALL, "error"), "finish": ("stop", "tool-calls"), "ttft": (1, 5000), "content": False, "lost_status": True},
}.items()}
AGENTS = {"claude-code-ask": ("anthropic", "claude-haiku-4-5-20251001", "claude-code", "session.id"), "codex-cli-ask": ("openai", MINI, "codex", "conversation.id"),
          "gemini-cli-ask": ("gcp.gemini", "gemini-2.5-flash", "gemini-cli", "session.id")}
# It sends no details of usage, no token limit, none of a stream's usage, the model's name as it was asked for, and no call of a tool.
LLAMAINDEX = {"chat": ("chatcmpl-days", OPEN, (120, 30), "stop"), "stream": ("chatcmpl-days", OPEN, None, "stop"),
              "tools": ("chatcmpl-order", SHIPPED, (180, 10), "stop"), "error": None}
# a coding agent's prompt and answer, and which spans it makes
SAID = {"claude-code-ask": {"agent": 2, "model": 1}, "codex-cli-ask": {"agent": 1, "model": 1}, "gemini-cli-ask": {"agent": 1, "model": 1}}
OTHERS = {"langfuse-js-tracing-retrieve", "openinference-js-langchain-retrieve", "langsmith-js-retrieve"}


def rows(*scenarios):
    return [(name, scenario) for name, sends in SENDS.items() for scenario in scenarios if scenario in sends["scenarios"]]


@pytest.fixture(scope="module")
def replay(server):
    """The traces of a recording; all are sent before the first is asked for, so that they settle together."""
    sent = {name: send_recording(server, name) for name in [f"{name}-{scenario}" for name, scenario in rows(*ALL, "embed", "error")] + sorted(OTHERS)
            + [f"llamaindex-js-{scenario}" for scenario in LLAMAINDEX]}
    held = {}

    def get(name):
        if name not in held:
            held[name] = [server.wait_trace(trace_id, count) for trace_id, count in sent[name].items()]
        return held[name]
    return get


def dollars(tokens, details):
    tokens_in, cached, tokens_out, _ = tokens
    cached = cached if details else 0
    return (tokens_in - cached) * 0.15e-6 + cached * 0.075e-6 + tokens_out * 0.6e-6


def test_every_scripted_recording_has_a_row():
    folder = os.path.join(FIXTURES, "real")
    made = {name for name in os.listdir(folder) if "." not in name and is_scripted(name)}
    assert made == OTHERS | set(AGENTS) | {f"llamaindex-js-{scenario}" for scenario in LLAMAINDEX} | {f"{name}-{scenario}" for name, scenario in rows(*ALL, "embed", "error")}


@pytest.mark.parametrize("name,scenario", rows(*ALL))
def test_a_call_means_what_was_asked_and_told(replay, server, name, scenario):
    """shows: A18 A19 A20 A21 A22 A24 A31 A32 A38 A39 A41 A59 A60 A61 A62 A63 R2"""
    sends, traces = SENDS[name], replay(f"{name}-{scenario}")
    calls = calls_of(traces)
    assert len(calls) == len(CALLS[scenario]), [call["name"] for call in calls]
    details = scenario in sends["details"]
    for call, (_, said, tokens, finish) in zip(calls, CALLS[scenario], strict=True):
        overwritten = name == "langfuse-js-openai" and scenario == "stream"
        asked, answered = (MINI, MINI) if overwritten else (sends["asked"], sends["answered"])
        assert (call["operation"], call["provider"], call["request_model"], call["generator_model"]) == ("chat", sends["provider"], asked, answered)
        assert (call["temperature"], call["max_tokens"]) == (0.2, 64)
        assert (call["input_tokens"], call["output_tokens"], call["total_tokens"]) == (tokens[0], tokens[2], tokens[0] + tokens[2])
        usage = call["usage"]
        parts = (tokens[0] - tokens[1], tokens[1], tokens[2] - tokens[3], tokens[3]) if details else (tokens[0], 0, tokens[2], 0)
        assert (usage["input_fresh"], usage["cache_read"] or 0, usage["output_text"], usage["reasoning"] or 0) == parts
        assert usage["source"] == "reported" and call["status"] in ("unset", "ok")
        assert call["estimated_cost_usd"] == pytest.approx(dollars(tokens, details), abs=1e-12)
        assert call["finish_reason"] == ([sends["finish"][finish]] if sends["finish"][finish] else None)
        assert call["service_tier"] == sends["tier"]
        assert (call["response_id"] or "").startswith(sends["id"] or "") and bool(call["response_id"]) == bool(sends["id"])
        if sends["content"]:
            check_answer(server, call, said, sends)


def check_answer(server, call, said, sends):
    held = server.payload(call["trace_id"], call["span_id"])
    assert held["system"][0]["content"] == SYSTEM
    assert [message["role"] for message in held["output"]] == ["assistant"]
    if said == LOOKUP:
        part = held["output"][0]["parts"][-1]
        assert (part["type"], part["name"], part["arguments"], part.get("id")) == ("tool_call", *LOOKUP, sends["call_id"])
    else:
        assert texts(held["output"], "assistant") == [said]


@pytest.mark.parametrize("name,scenario", rows(*ALL))
def test_the_conversation_is_in_order_with_its_roles(replay, server, name, scenario):
    """shows: A31 A41"""
    sends = SENDS[name]
    if not sends["content"]:
        pytest.skip("the package sends no messages with the call")
    call = calls_of(replay(f"{name}-{scenario}"))[-1]
    told = [message for message in server.payload(call["trace_id"], call["span_id"])["input"] if message["role"] != "system"]
    assert texts(told, "user") == [CALLS[scenario][0][0]]
    if scenario != "tools":
        assert [message["role"] for message in told] == ["user"]
        return
    assert [message["role"] for message in told] == ["user", "assistant", sends["result_role"]]
    asked, result = told[1]["parts"][-1], told[2]["parts"][-1]
    assert (asked["name"], asked["arguments"], result["response"]) == (*LOOKUP, RESULT)
    if name != "otel-js-responses":  # it sends the item's id for the call's
        assert asked.get("id") == result.get("id") == sends["call_id"]


@pytest.mark.parametrize("name,scenario", rows(*ALL))
def test_nested_doubles_count_once(replay, name, scenario):
    """shows: C9"""
    traces = [whole["trace"] for whole in replay(f"{name}-{scenario}")]
    calls = CALLS[scenario]
    assert sum(trace["model_call_count"] for trace in traces) == len(calls)
    assert sum(trace["input_tokens"] or 0 for trace in traces) == sum(tokens[0] for _, _, tokens, _ in calls)
    assert sum(trace["output_tokens"] or 0 for trace in traces) == sum(tokens[2] for _, _, tokens, _ in calls)
    cost = sum(dollars(tokens, scenario in SENDS[name]["details"]) for _, _, tokens, _ in calls)
    assert sum(trace["estimated_cost_usd"] or 0 for trace in traces) == pytest.approx(cost, abs=1e-12)


@pytest.mark.parametrize("name", [name for name, _ in rows("tools") if not name.startswith("otel-js")])
def test_a_tool_was_called_once_with_its_arguments_and_result(replay, server, name):
    """shows: A41 A42"""
    spans = [span for whole in replay(f"{name}-tools") for span in whole["spans"] if span["step"] == "tool"]
    assert len(spans) == 1 and spans[0]["operation"] == "execute_tool" and (spans[0]["tool"]["name"] or spans[0]["name"]) == LOOKUP[0]
    held = server.payload(spans[0]["trace_id"], spans[0]["span_id"])["raw"]
    if name == "openinference-js-langchain":  # a lone argument without its name, and the result as LangChain writes it down
        assert held["tool_arguments"] == "A-17" and "shipped" in json.dumps(held["tool_result"])
    else:
        assert (held["tool_arguments"], held["tool_result"]) == (LOOKUP[1], RESULT)


@pytest.mark.parametrize("name,scenario", [row for row in rows("stream") if SENDS[row[0]]["ttft"]])
def test_the_first_token_has_a_time(replay, name, scenario):
    """shows: A50"""
    call = calls_of(replay(f"{name}-{scenario}"))[0]
    least, most = SENDS[name]["ttft"]
    assert least <= call["ttft_ms"] <= most and call["ttft_ms"] <= call["latency_ms"] + 1
    assert call["stream"] is True or name == "mastra"


@pytest.mark.parametrize("name,scenario", [row for row in rows(*ALL, "embed", "error") if SENDS[row[0]]["who"]])
def test_user_session_and_prompt_are_known_on_every_call(replay, name, scenario):
    """shows: A9 A10 A26 A27"""
    traces = replay(f"{name}-{scenario}")
    for whole in traces:
        assert (whole["trace"]["user_id"], whole["trace"]["session_id"]) == ("user-31", "chat-9")
    for call in calls_of(traces):
        assert (call["user_id"], call["session_id"]) == ("user-31", "chat-9")
        if SENDS[name]["prompt"] and (name, scenario) != ("langfuse-js-tracing", "error"):
            assert (call["prompt_template_id"], call["prompt_version"]) == ("support", "17")


@pytest.mark.parametrize("name,scenario", rows("embed"))
def test_an_embedding_counts_its_input_and_keeps_no_vector(replay, server, name, scenario):
    """shows: A19 A20 A59"""
    traces = replay(f"{name}-{scenario}")
    calls = calls_of(traces)
    assert [(call["operation"], call["step"], call["request_model"]) for call in calls] == [("embeddings", "embedding", EMBEDDER)]
    tokens = SENDS[name]["embed_tokens"]
    assert calls[0]["input_tokens"] == tokens == traces[0]["trace"]["input_tokens"] and calls[0]["output_tokens"] is None
    assert calls[0]["estimated_cost_usd"] == (pytest.approx(tokens * 0.02e-6, abs=1e-12) if tokens else None)
    if SENDS[name]["embed_text"]:
        assert texts(server.payload(calls[0]["trace_id"], calls[0]["span_id"])["input"], "user") == [HOURS]
    assert all("0.0625" not in json.dumps(span["attributes"]) for span in traces[0]["spans"])


@pytest.mark.parametrize("name,scenario", rows("error"))
def test_an_error_says_what_kind_it_is(replay, name, scenario):
    """shows: A57"""
    call = calls_of(replay(f"{name}-{scenario}"))[-1]
    assert call["input_tokens"] is None and call["estimated_cost_usd"] is None and call["usage"]["source"] == "unknown"
    if SENDS[name]["lost_status"]:
        assert call["finish_reason"] == ["error"]
        return
    assert call["status"] == "error" and NOT_FOUND in call["status_message"]
    assert (call["error_type"], call["error_class"]) == SENDS[name]["error"]


@pytest.mark.parametrize("name,scenario", rows(*ALL, "embed", "error"))
def test_what_has_a_field_is_not_left_in_the_attributes(replay, name, scenario):
    """shows: D4"""
    for whole in replay(f"{name}-{scenario}"):
        for span in whole["spans"]:
            held = span["attributes"] or {}
            assert not [key for key, value in held.items() if value in ("user-31", "chat-9", 64, 0.2) and not key.startswith("ai.")], held
            assert not [key for key, value in held.items() if any(text in str(value) for text in (SYSTEM, DAYS, ORDER, OPEN, SHIPPED))], held


@pytest.mark.parametrize("scenario", LLAMAINDEX)
def test_llamaindex_of_typescript(replay, server, scenario):
    """shows: A18 A20 A31 A39 A59 A60"""
    call = calls_of(replay(f"llamaindex-js-{scenario}"))[-1]
    assert (call["operation"], call["provider"], call["temperature"], call["max_tokens"]) == ("chat", "openai", 0.2, None)
    if scenario == "error":
        assert call["status"] == "error" and NOT_FOUND in call["status_message"] and call["input_tokens"] is None
        return
    response, said, tokens, finish = LLAMAINDEX[scenario]
    assert (call["request_model"], call["generator_model"], call["response_id"], call["finish_reason"]) == (MINI, MINI, response, [finish])
    assert call["usage"]["source"] == ("reported" if tokens else "estimated")
    assert not tokens or (call["input_tokens"], call["output_tokens"]) == tokens
    held = server.payload(call["trace_id"], call["span_id"])
    assert held["system"][0]["content"] == SYSTEM and texts(held["output"], "assistant") == [said]
    assert texts(held["input"], "user")[0] == CALLS[scenario][0][0]


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_a_retriever_gives_documents(replay, server, name):
    """shows: A70 A74 A77"""
    found = [span for whole in replay(name) for span in whole["spans"] if span["step"] == "retrieval"]
    assert len(found) == 1 and found[0]["operation"] == "retrieval" and found[0]["top_k_returned"] == 1
    held = server.payload(found[0]["trace_id"], found[0]["span_id"])
    assert [document["content"] for document in held["documents"]] == ["Open on Monday"]
    assert found[0]["document_scores"] == ([0.75] if name.startswith("langfuse") else None)


def test_the_same_logical_call_gives_the_same_record(replay, server):
    """shows: R2"""
    records = set()
    for name, scenario in rows("chat"):
        call = calls_of(replay(f"{name}-{scenario}"))[0]
        held = server.payload(call["trace_id"], call["span_id"])
        said = tuple(texts(held["output"], "assistant"))
        asked = tuple(texts(held["input"], "user")) if SENDS[name]["content"] else (DAYS,)
        records.add((call["operation"], call["step"], call["input_tokens"], call["output_tokens"], call["temperature"], call["max_tokens"], asked, said))
    assert records == {("chat", "model", 120, 30, 0.2, 64, (DAYS,), (OPEN,))}


def test_a_cost_that_the_sender_knows_is_kept_beside_ours(replay):
    """shows: A63"""
    call = calls_of(replay("langfuse-js-tracing-chat"))[0]
    assert call["cost"]["sender_usd"] == 0.0005 and call["cost"]["source"] == "table"


# ---- coding agents tell their calls as log events ----

def log_values(name):
    """Attributes of every log record of a recording."""
    for item, _, message in load_fixture(name):
        for resource in message.resource_logs if item["signal"] == "logs" else ():
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    yield {attribute.key: attribute.value.string_value for attribute in record.attributes}


def in_session(server, name):
    """The traces of the session that a recording tells of, by its log events; a span of an agent's own tracing is beside them."""
    key = AGENTS[name][3]
    session = next(values[key] for values in log_values(name) if key in values)
    spans = server.wait_spans(f'session:"{session}"', 2, settled=True)
    found = [server.wait_trace(trace_id) for trace_id in sorted({span["trace_id"] for span in spans})]
    return session, [whole for whole in found if whole["trace"]["name"] != "llm_call"]


@pytest.mark.parametrize("name", list(AGENTS))
def test_a_coding_agents_log_event_is_a_call(server, name):
    """shows: A10 A18 A19 A20 A50 A59 A60 A61 A63 C8"""
    provider, model, dialect, _ = AGENTS[name]
    send_recording(server, name)
    send_recording(server, name)  # the same events again are the same calls
    session, [whole] = in_session(server, name)
    steps = [span["step"] for span in whole["spans"]]
    assert {step: steps.count(step) for step in steps} == SAID[name]
    [call] = calls_of([whole])
    assert (call["operation"], call["step"], call["provider"], call["request_model"]) == ("chat", "model", provider, model)
    assert (call["input_tokens"], call["output_tokens"], call["total_tokens"]) == (120, 30, 150)
    usage = call["usage"]
    assert (usage["input_fresh"], usage["cache_read"], usage["reasoning"] or 0) == (56, 64, 0 if provider == "anthropic" else 12)
    assert dialect in call["dialect"] and call["session_id"] == session and (call["ttft_ms"] or provider == "gcp.gemini")
    if provider == "anthropic":
        assert call["estimated_cost_usd"] == pytest.approx(0.0002124, abs=1e-9) == call["cost"]["sender_usd"]
        assert call["latency_ms"] >= call["ttft_ms"] and call["prompt_template_id"] is None
    elif provider == "openai":
        assert call["estimated_cost_usd"] == pytest.approx(dollars(CALLS["chat"][0][2], True), abs=1e-12)
    else:
        assert call["estimated_cost_usd"] == pytest.approx((56 * 0.3 + 64 * 0.03 + 30 * 2.5) / 1e6, abs=1e-12)


@pytest.mark.parametrize("name", list(AGENTS))
def test_what_is_said_to_a_coding_agent_is_content(server, name):
    """The prompt is the parent of what was done for it, where its id is told; no words are in an attribute.  shows: A31"""
    send_recording(server, name)
    _, [whole] = in_session(server, name)
    prompt = next(span for span in whole["spans"] if span["name"].endswith(".user_prompt"))
    parent = None if name == "codex-cli-ask" else prompt["span_id"]
    assert prompt["parent_span_id"] is None and {span["parent_span_id"] for span in whole["spans"] if span is not prompt} == {parent}
    held = [server.payload(span["trace_id"], span["span_id"]) for span in whole["spans"]]
    assert [text for one in held for text in texts(one["input"], "user")] == [DAYS]
    assert [text for one in held for text in texts(one["output"], "assistant")] == ([] if name == "codex-cli-ask" else [OPEN])  # it tells no answer
    assert not any(words in json.dumps(span["attributes"]) for span in whole["spans"] for words in (DAYS, OPEN))


@pytest.mark.parametrize("name", list(AGENTS))
def test_a_coding_agents_metrics_are_kept_beside_its_calls_and_counted_once(new_server, name):
    """They tell the same tokens and dollars as the events.  shows: C8 C9"""
    server = new_server().start()
    points = sum(len(getattr(metric, metric.WhichOneof("data")).data_points) for item, _, message in load_fixture(name) if item["signal"] == "metrics"
                 for resource in message.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics)
    for batches in (0, 1):  # the second time is a sender's retry
        send_recording(server, name)
        wait_until(lambda least=batches: server.metric("telltale_drain_metric_points_total") == points > 4
                   and server.metric("telltale_drain_duplicate_batches_total") >= least, what="its metric points, once")
    _, [whole] = in_session(server, name)
    trace = whole["trace"]
    assert (trace["input_tokens"], trace["output_tokens"], trace["model_call_count"]) == (120, 30, 1)


def test_a_prompt_that_may_not_be_told_is_no_content(server):
    """After the description of Claude Code's events, not recorded."""
    session, at = os.urandom(8).hex(), str(time.time_ns())
    common = {"session.id": session, "prompt.id": "p-1"}
    events = [{**common, "event.name": "user_prompt", "prompt": "<REDACTED>", "prompt_length": "9"},
              {**common, "event.name": "assistant_response", "response": "<REDACTED>", "response_length": 4}]
    records = [{"timeUnixNano": at, "body": {"stringValue": "claude_code." + event["event.name"]}, "attributes": attributes_of(event)} for event in events]
    server.send(from_json({"resourceLogs": [{"scopeLogs": [{"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": records}]}]}, "logs"), "logs")
    [prompt] = server.wait_spans(f'session:"{session}"', settled=True)
    assert (prompt["name"], prompt["step"]) == ("claude_code.user_prompt", "agent")
    assert server.payload(prompt["trace_id"], prompt["span_id"])["input"] == []


def test_a_failed_request_of_a_coding_agent_is_an_error(server):
    """After the description of Claude Code's events, not recorded.  shows: A57"""
    session = os.urandom(8).hex()
    values = {"event.name": "api_error", "session.id": session, "prompt.id": "p-1", "model": "claude-haiku-4-5", "error": "Overloaded", "status_code": "529",
              "duration_ms": "1200", "attempt": "3"}
    tool = {"event.name": "tool_result", "session.id": session, "prompt.id": "p-1", "tool_name": "Bash", "success": "false", "duration_ms": "30"}
    at = str(time.time_ns())
    records = [{"timeUnixNano": at, "body": {"stringValue": "claude_code." + event["event.name"]}, "attributes": attributes_of(event)} for event in (values, tool)]
    server.send(from_json({"resourceLogs": [{"scopeLogs": [{"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": records}]}]}, "logs"), "logs")
    found = server.wait_spans(f'session:"{session}"', 2, settled=True)
    whole = server.trace(found[0]["trace_id"])["spans"]
    assert len(whole) == 2 and {span["step"]: (span["status"], span["error_class"]) for span in whole} == {"model": ("error", "http"), "tool": ("error", "tool")}
    call = next(span for span in whole if span["step"] == "model")
    assert call["status_message"] == "Overloaded" and call["attempt"] == 3 and call["latency_ms"] == 1200
