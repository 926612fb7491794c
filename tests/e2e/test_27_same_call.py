"""The same logical call through every package is the same record: one table of what the emitters themselves change.

The application asks one question; the model's script answers it (record/scripted_model.py for Python, record/script_server.py
for JavaScript).  RECORD is what was said to the model and by it.  DIFFERS has, per package, each field in which its record is
not that, and why this is the emitter's doing; anything else that differs is a fault of ours, and so is a row that is not needed.

SPDX-License-Identifier: Apache-2.0"""
import os

import pytest
from conftest import FIXTURES
from test_20_meaning import calls_of, load_meta, send_recording, texts

SYSTEM = "You are the support assistant of a shop. Answer in one sentence."
COMMON = {"step": "model", "operation": "chat", "provider": "openai", "request_model": "gpt-4o-mini", "generator_model": "gpt-4o-mini-2024-07-18",
          "temperature": 0.2, "finish_reason": ["stop"], "usage.source": "reported", "session_id": "chat-9", "user_id": "user-31", "system": SYSTEM,
          "roles": ["user", "assistant"], "status": "fine", "rollup": False}
RECORD = {
    "python": {**COMMON, "max_tokens": 24, "input_tokens": 43, "output_tokens": 7, "cache_read": 16, "reasoning": 0, "tags": ["france", "shop"],
               "asked": "What is the capital of France?", "answered": "The capital of France is Paris.", "cost": 27 * 150 + 16 * 75 + 7 * 600},
    "javascript": {**COMMON, "max_tokens": 64, "input_tokens": 120, "output_tokens": 30, "cache_read": 64, "reasoning": 12, "tags": ["beta", "shop"],
                   "asked": "Which days is the shop open?", "answered": "The shop is open from Monday to Saturday.",
                   "cost": 56 * 150 + 64 * 75 + 30 * 600},
}
MINI, DATED, ROUTED = "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"
ADDS = "among words of its own"  # the framework's template says more to the model, or has it say more
# What several leave out.  A package that does not send the cached tokens has all of them as fresh, and so another cost.
NOBODY = {"session_id": None, "user_id": None, "tags": None}  # has no name for who asked
NO_TAGS = {"tags": None}
NO_DETAILS = {"cache_read": None, "reasoning": None}
FULL_PRICE = {"python": {**NO_DETAILS, "cost": 43 * 150 + 7 * 600}, "javascript": {**NO_DETAILS, "cost": 120 * 150 + 30 * 600}}
DIFFERS = {
    # routes by names of its own, and writes its agent's name into the system prompt
    "adk": {"operation": "generate_content", "request_model": ROUTED, "generator_model": ROUTED, "temperature": None, "reasoning": None, "system": ADDS, **NO_TAGS},
    "agents": {"generator_model": MINI, "finish_reason": None, **FULL_PRICE["python"]},
    "autogen": NOBODY,
    "crewai": {"system": ADDS, "asked": ADDS},
    # passes no usage on: the tokens are counted here, over what its template made of the words
    "dspy": {"generator_model": MINI, "finish_reason": None, "usage.source": "estimated", "input_tokens": 145, "output_tokens": 17, "cost": 145 * 150 + 17 * 600,
             **NO_DETAILS, "system": ADDS, "asked": ADDS, "answered": ADDS},
    # tells of an answer, not of the request; the provider is part of a class's name
    "haystack": {"provider": None, "request_model": None, "temperature": None, "max_tokens": None, **NOBODY},
    "langchain": NO_TAGS,
    "langchain-langsmith": {},
    # one name for both models; who serves it is not told
    "langfuse": {"provider": None, "request_model": DATED, "finish_reason": None},
    "langfuse-js-openai": {"provider": None, "request_model": DATED, "finish_reason": None},
    "langfuse-js-tracing": {"provider": None, "generator_model": MINI, "finish_reason": None},
    "langsmith-js": {},
    "litellm": {"request_model": ROUTED, "generator_model": ROUTED},
    "litellm-callback": {"session_id": None, **NO_TAGS},
    "llamaindex": {"generator_model": MINI, "temperature": None, "max_tokens": None},  # the dated name is on its outer span; what it calls num_output is its default
    "llamaindex-js": {"generator_model": MINI, "max_tokens": None, **NOBODY, **FULL_PRICE["javascript"]},
    "mastra": {"system": None, "asked": None, "roles": ["assistant"], **NO_TAGS},  # the question is on the step around the call, tags on its root
    "mlflow": {"provider": None, "reasoning": None, **NOBODY},
    "openai-agents-js": {"request_model": DATED, **NOBODY},
    "openinference-js-langchain": NO_TAGS,
    "otel-js-openai": {**NOBODY, **FULL_PRICE["javascript"]},
    "otel-js-responses": {**NOBODY, **FULL_PRICE["javascript"]},
    "pydantic": NO_TAGS,
    "sk": {"generator_model": MINI, **NOBODY, **FULL_PRICE["python"]},
    # the dated name is inside of what Python prints of the answer
    "smolagents": {"generator_model": MINI, "finish_reason": None, **FULL_PRICE["python"]},
    "strands": {"provider": None, "generator_model": MINI, "temperature": None, "max_tokens": None, "finish_reason": ["end_turn"], "reasoning": None},
    "vercel-5": FULL_PRICE["javascript"],  # its whole answers have no details; its streams do
    "vercel-6": {},
    "vercel-7": NO_TAGS,  # they are on its root
}


def chats():
    """Recordings of the one question whose model answered from a script."""
    folder = os.path.join(FIXTURES, "real")
    return sorted(name for name in os.listdir(folder) if name.endswith("-chat") and "model" in load_meta(name))


def tongue(name):
    return "javascript" if load_meta(name)["app"].endswith(".mjs") else "python"


def record_of(server, call):
    """A call as RECORD has it; unknown and empty are None."""
    held = server.payload(call["trace_id"], call["span_id"])
    asked = [message for message in held.get("input") or [] if message["role"] != "system"]
    usage, system = call["usage"], held.get("system")
    return {"step": call["step"], "operation": call["operation"], "provider": call["provider"], "request_model": call["request_model"],
            "generator_model": call["generator_model"], "temperature": call["temperature"], "max_tokens": call["max_tokens"],
            "finish_reason": call["finish_reason"], "usage.source": usage["source"], "session_id": call["session_id"], "user_id": call["user_id"],
            "tags": sorted({"shop", "france", "beta"} & set(call["tags"] or ())) or None,
            "input_tokens": call["input_tokens"], "output_tokens": call["output_tokens"], "cache_read": usage["cache_read"], "reasoning": usage["reasoning"],
            "cost": None if call["estimated_cost_usd"] is None else round(call["estimated_cost_usd"] * 1e9),
            "system": system[0]["content"] if system else None, "asked": "".join(texts(asked, "user")) or None,
            "answered": "".join(texts(held.get("output"), "assistant")).strip() or None,
            "roles": [message["role"] for message in asked + (held.get("output") or [])], "status": "fine" if call["status"] in ("unset", "ok") else "error",
            "rollup": bool(call["rollup"])}


@pytest.fixture(scope="module")
def records(server):
    """{package: its record}; all are sent before the first is asked for."""
    sent = {name: send_recording(server, name) for name in chats()}
    found = {}
    for name, traces in sent.items():
        calls = calls_of([server.wait_trace(trace_id, count) for trace_id, count in traces.items()])
        assert len(calls) == 1, f"{name}: {len(calls)} calls"
        found[name[:-len("-chat")]] = record_of(server, calls[0])
    return found


def differences(record, want):
    found = {field: value for field, value in record.items() if value != want[field]}
    for field in {"system", "asked", "answered"} & set(found):
        if found[field] and want[field] in found[field]:
            found[field] = ADDS
    return found


def test_every_package_has_a_row():
    assert set(DIFFERS) == {name[:-len("-chat")] for name in chats()}


@pytest.mark.parametrize("package", sorted(DIFFERS))
def test_the_same_call_is_the_same_record_but_for_what_the_emitter_changes(records, package):
    """shows: R2 A18 A19 A20 A21 A22 A24 A31 A32 A38 A59 A60 A62"""
    assert differences(records[package], RECORD[tongue(package + "-chat")]) == DIFFERS[package]


def test_what_no_emitter_changes(records):
    """Whoever sends it: one call of a model, counted once, without an error."""
    for field in ("step", "status", "rollup"):
        assert len({str(record[field]) for record in records.values()}) == 1
    reported = [record for record in records.values() if record["usage.source"] == "reported"]
    assert len({(record["input_tokens"], record["output_tokens"]) for record in reported}) == 2  # one pair a language
    assert len(reported) == len(records) - 1
