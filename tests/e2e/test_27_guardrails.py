"""Libraries of guards: what they found becomes guard steps with verdict, stage and time, by recordings of the real packages.

Recorded from guardrails-ai and nemoguardrails (tests/e2e/record/apps); where a package cannot run here, or a convention is
only proposed, spans are made from its specification.

SPDX-License-Identifier: Apache-2.0"""
import json

import pytest
from conftest import make_span, new_trace_id
from test_20_meaning import replay

WHEN_RECORDED = {"from": "2026-11-21T00:00:00Z", "to": "2026-11-23T00:00:00Z"}  # recordings keep their times


def one_trace(server, name):
    [trace] = replay(server, name)
    return trace["spans"]


def guards_of(rows):
    """Name of each guard: its verdict; every one must have taken some time."""
    found = [row for row in rows if row["step"] == "guard"]
    assert all(row["latency_ms"] > 0 for row in found)
    return {row["guard"]["name"]: row["guard"]["verdict"] for row in found}


@pytest.mark.parametrize("name,expected", [
    ("guardrails-pass", {"checkout": "pass", "shop/no_card_numbers": "pass", "shop/polite": "pass"}),
    ("guardrails-fail", {"checkout": "fail", "shop/no_card_numbers": "fail", "shop/polite": "fail"}),
    ("guardrails-error", {"checkout": "fail", "shop/no_card_numbers": "fail", "shop/polite": "pass"})])
def test_validators_of_guardrails_ai_are_guards_with_a_verdict(server, name, expected):
    """shows: R9 A83"""
    rows = one_trace(server, name)
    assert guards_of(rows) == expected
    assert {row["name"]: row["step"] for row in rows if row["step"] != "guard"} == {"step": "workflow", "call": "workflow"}
    assert {row["user_id"] for row in rows} == {None}  # "unknown" is what it says of everybody
    root = next(row for row in rows if row["name"] == "guard")
    blocked = name == "guardrails-error"
    assert (root["safety_blocked"], root["error_class"]) == ((True, "safety") if blocked else (None, None))
    checks = {row["guard"]["name"]: row for row in rows if row["name"].endswith(".validate")}
    check = checks["shop/no_card_numbers"]
    assert check["attributes"]["validator.on_fail"] == ("exception" if blocked else "noop")
    assert not any(key.startswith("validator.validate.input") for key in check["attributes"])  # it is content
    assert "send it back" in json.dumps(server.payload(check["trace_id"], check["span_id"])) or name != "guardrails-pass"


@pytest.mark.parametrize("name,expected,said", [
    ("nemo-pass", {"check card numbers": "pass", "check politeness": "pass"}, "The capital of France is Paris."),
    ("nemo-block", {"check card numbers": "fail"}, "I cannot help with that."),
    ("nemo-output", {"check card numbers": "pass", "check politeness": "fail"}, "I cannot help with that.")])
def test_rails_of_nemo_that_check_are_guards_and_those_that_answer_are_not(server, name, expected, said):
    """shows: R9 A82 A83"""
    rows = one_trace(server, name)
    assert guards_of(rows) == expected
    guards = {row["guard"]["name"]: row for row in rows if row["step"] == "guard"}
    stages = {"check card numbers": "input", "check politeness": "output"}
    assert {guard: (row["guard"]["stage"], row["safety_blocked"]) for guard, row in guards.items()} == \
        {guard: (stages[guard], verdict == "fail") for guard, verdict in expected.items()}
    trace = server.trace(rows[0]["trace_id"])["trace"]
    assert (trace["safety_blocked"], trace["step"]) == ("fail" in expected.values(), "workflow")
    calls = [row for row in rows if row["step"] == "model"]
    assert [(row["provider"], row["request_model"]) for row in calls] == [("openai", "gpt-4o-mini")] * (name != "nemo-block")
    root = next(row for row in rows if row["name"] == "guardrails.request")
    [answer] = server.payload(root["trace_id"], root["span_id"])["output"]
    assert answer["parts"][0]["content"] == said
    assert said not in json.dumps(root.get("events"))


def test_pass_rate_and_time_of_each_guard_can_be_asked_for(new_server):
    """shows: R9 A83 F35"""
    server = new_server().start()
    for name in ("nemo-pass", "nemo-block", "nemo-output"):
        replay(server, name)

    def asked(q):
        items = server.api("/aggregate", metric="count,latency_p95", by="guard", q=q, **WHEN_RECORDED)["items"]
        return {item["by"]["guard.name"]: item["values"] for item in items}
    every, failed = asked("step = guard"), asked("step = guard and guard.verdict = fail")
    assert {guard: item["count"] for guard, item in every.items()} == {"check card numbers": 3, "check politeness": 2}
    assert {guard: item["count"] for guard, item in failed.items()} == {"check card numbers": 1, "check politeness": 1}
    assert all(item["latency_p95_ms"] > 0 for item in every.values())


SPEC_MADE = [  # attributes; name, verdict, stage, policy version
    ({"guardrail.name": "llm_guard.PromptInjection", "guardrail.result": "blocked", "safety.stage": "input", "safety.policy_version": "3"},
     ("llm_guard.PromptInjection", "fail", "input", "3")),
    ({"gen_ai.operation.name": "apply_guardrail", "gen_ai.guardian.name": "PII Filter", "gen_ai.security.decision.type": "deny",
      "gen_ai.security.target.type": "llm_input", "gen_ai.security.policy.version": "7"}, ("PII Filter", "fail", "llm_input", "7")),
    ({"gen_ai.operation.name": "apply_guardrail", "gen_ai.guardian.name": "PII Filter", "gen_ai.security.decision.type": "modify"},
     ("PII Filter", "modify", None, None)),
    ({"guardrail_name": "presidio", "guardrail_status": "guardrail_intervened", "guardrail_mode": "pre_call"},
     ("presidio", "fail", "pre_call", None)),
    ({"openinference.span.kind": "GUARDRAIL", "guardrail.name": "toxicity", "guardrail.passed": True}, ("toxicity", "pass", None, None)),
]


@pytest.mark.parametrize("attributes,expected", SPEC_MADE)
def test_words_of_other_guards_are_understood(server, attributes, expected):
    """spec-made.  shows: A82 A83"""
    span = make_span(attributes, name="check")
    server.send_spans(span)
    [row] = server.wait_trace(span["traceId"])["spans"]
    guard = row["guard"]
    assert (row["step"], guard["name"], guard["verdict"], guard["stage"], guard["policy_version"]) == ("guard", *expected)


@pytest.mark.parametrize("answer,verdict", [("safe", "pass"), ("unsafe\nS1,S10", "fail"), ("\n\nunsafe\nS2", "fail"), ("I think so", None)])
def test_the_answer_of_a_guard_model_is_its_verdict(server, answer, verdict):
    """spec-made: Llama Guard's answers.  shows: A83"""
    trace_id = new_trace_id()
    said = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
    server.send_spans(make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "meta-llama/Llama-Guard-3-8B",
                                 "gen_ai.output.messages": json.dumps(said)}, trace_id=trace_id))
    [row] = server.wait_trace(trace_id)["spans"]
    assert (row["step"], row["guard"]["verdict"]) == ("model", verdict)  # its tokens count as those of any call
    assert row["guard"]["name"] == (verdict and "meta-llama/Llama-Guard-3-8B")


def test_another_model_that_says_safe_is_no_guard(server):
    trace_id = new_trace_id()
    server.send_spans(make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
                                 "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"safe"}]}]'},
                                trace_id=trace_id))
    [row] = server.wait_trace(trace_id)["spans"]
    assert row["guard"]["verdict"] is None
