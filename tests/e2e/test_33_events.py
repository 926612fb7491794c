"""Events: the flat JSON forms posted one by one, in lists and lines, or logged; each as what it means, found again.

SPDX-License-Identifier: Apache-2.0"""
import json
import subprocess
import time

import pytest
from conftest import (BINARY, CLEAN_ENV, JSON, attributes_of, make_span, new_span_id, new_trace_id, value_of,
                      wait_until)

EVAL = {"request_id": "req_9", "tenant_id": "tenant_abc", "feature": "support_assistant", "prompt_version": "support-v17", "model": "gpt-4o-mini",
        "retriever": "hybrid_rrf", "faithfulness": 0.82, "answer_relevance": 0.9, "context_recall": 0.75, "toxicity_flag": False,
        "hallucination_flag": True, "judge_model": "gpt-4o", "sample_type": "production_sample"}
VERSIONS = {"prompt_version": "support-v17", "system_prompt_hash": "sha256:" + "1f" * 32, "tool_manifest_version": "tools-2026-04-08",
            "retrieval_pipeline_version": "rag-hybrid-v6", "embedding_model_version": "emb-3", "reranker_model_version": "rr-2",
            "generator_model": "gpt-4o-mini", "judge_model": "gpt-4o"}
PAYLOAD = {"request_id": "req_123", "tenant_id": "tenant_abc", "feature": "support_assistant", "prompt_version": "support-v17",
           "prompt_hash": "sha256:" + "ab" * 32, "generator_model": "gpt-4o-mini", "input_tokens": 1200, "output_tokens": 300,
           "estimated_cost_usd": 0.00036, "retriever": "hybrid_rrf", "index_version": "v42", "top_k_returned": 8,
           "source_ids": ["doc_12", "doc_7"], "eval_sampled": True, "faithfulness": 0.82, "safety_blocked": False, "latency_ms": 1840}
CALL = {"user_id": "user_1", "model": "gpt-4o-mini", "prompt_template_id": "support", "latency_ms": 900, "tokens_in": 100, "tokens_out": 50,
        "cost_estimate": 0.001}


def post(server, body, expect=200, kind=JSON, headers=None):
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    answer = server.request("POST", "/api/v1/events", text, {"content-type": kind, **(headers or {})})
    assert answer.status == expect, answer
    return answer.json


def events(server, count, **params):
    def look():
        items = server.api("/events", **params)["items"]
        return items if len(items) >= count else None
    return wait_until(look, 15, f"{count} events of {params}")


def test_one_of_each_form_with_one_trace_id_is_all_on_its_trace(server):
    """shows: C2"""
    trace_id = new_trace_id()
    forms = [{"event": "llm.user_feedback", "rating": "down", "comment": None, "ts": time.time()}, {"name": "groundedness", "value": 0.7},
             EVAL, VERSIONS, PAYLOAD, CALL, {"event": "llm.outcome", "outcome": "escalation"}]
    assert post(server, [dict(form, trace_id=trace_id) for form in forms]) == {"accepted": 7, "rejected": 0}
    trace = server.wait_trace(trace_id, count=3)
    assert {span["name"] for span in trace["spans"]} == {"llm.trace", "llm.chat", "llm.versions"}
    values = {score["name"]: score["value"] for score in trace["scores"]}
    assert values == {"user_feedback": 0, "groundedness": 0.7, "faithfulness": 0.82, "answer_relevance": 0.9, "context_recall": 0.75,
                      "toxicity_flag": False, "hallucination_flag": True, "escalation": True}
    # the payload says what the call says: one call, counted once
    assert (trace["trace"]["input_tokens"], trace["trace"]["model_call_count"]) == (100, 1)


def test_an_evaluation_keeps_every_key(server):
    trace_id = new_trace_id()
    server.send_spans(make_span(trace_id=trace_id))
    post(server, dict(EVAL, trace_id=trace_id))
    found = events(server, 5, trace_id=trace_id, kind="evaluation")
    assert {event["name"]: event["value"] for event in found} == {key: value for key, value in EVAL.items() if isinstance(value, (float, bool))}
    for score in server.wait_trace(trace_id)["scores"]:
        said = dict(score["metadata"], judge_model=score["judge_model"], tenant_id=score["tenant_id"])
        assert said == {key: value for key, value in EVAL.items() if isinstance(value, str)}


def test_a_trace_payload_comes_back_as_the_same_18_keys_and_again_when_posted_back(server, new_server):
    """shows: A91"""
    payload = dict(PAYLOAD, trace_id=new_trace_id())
    post(server, payload)
    server.wait_trace(payload["trace_id"])
    summary = server.api(f"/traces/{payload['trace_id']}/summary")
    assert summary == payload and len(summary) == 18
    other = new_server()
    other.start()
    post(other, summary)
    other.wait_trace(payload["trace_id"])
    assert other.api(f"/traces/{payload['trace_id']}/summary") == summary


def test_a_payload_posted_beside_its_own_trace_counts_nothing_twice(server):
    trace_id = new_trace_id()
    usage = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    server.send_spans(make_span(usage, trace_id=trace_id))
    server.wait_trace(trace_id)
    summary = server.api(f"/traces/{trace_id}/summary")
    post(server, summary)
    row = server.wait_trace(trace_id, count=2)["trace"]
    assert (row["input_tokens"], row["output_tokens"], row["model_call_count"]) == (10, 5, 1)


@pytest.mark.parametrize("how", ["event", "log body", "log text", "log attributes"])
def test_the_eight_keys_of_a_call_land_in_their_fields(server, how):
    """shows: A90"""
    call = dict(CALL, trace_id=new_trace_id())
    if how == "event":
        post(server, call)
    else:
        record = {"timeUnixNano": str(time.time_ns())}
        if how == "log attributes":
            record.update(body=value_of("a call"), attributes=attributes_of(call))
        else:
            record["body"] = value_of(call if how == "log body" else json.dumps(call))
        answer = server.post(json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode(), "logs", JSON)
        assert answer.status == 200, answer
    [span] = server.wait_trace(call["trace_id"])["spans"]
    assert span["trace_id"] == call["trace_id"] and span["user_id"] == "user_1" and span["request_model"] == "gpt-4o-mini"
    assert span["generator_model"] == "gpt-4o-mini" and span["prompt_template_id"] == "support" and span["latency_ms"] == 900
    assert (span["input_tokens"], span["output_tokens"], span["cost"]["sender_usd"]) == (100, 50, 0.001)


def test_a_log_line_of_seven_keys_is_a_full_record(server):
    """shows: A89"""
    user, model = f"u-{new_span_id()}", "gpt-4o-mini"
    line = {"timestamp": time.time(), "user_id": user, "prompt_length": 321, "model": model, "tokens_in": 100, "tokens_out": 50,
            "latency_ms": 450, "error": "timeout"}
    record = {"body": value_of(json.dumps(line))}
    assert server.post(json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode(), "logs", JSON).status == 200
    [span] = server.wait_spans(f"user:{user}", settled=True)
    assert (span["prompt_length"], span["generator_model"], span["latency_ms"], span["status"]) == (321, model, 450, "error")
    [group] = server.api("/aggregate", metric="count,errors,total_tokens,cost", q=f"user:{user}")["items"]
    assert group["values"]["count"] == 1 and group["values"]["errors"] == 1 and group["values"]["total_tokens"] == 150
    assert group["values"]["cost_usd"] > 0


def feedback(server, trace_text):
    """Posts feedback about a trace named by a text; returns a function that waits for it to be as wanted."""
    comment = f"about {new_span_id()}"
    post(server, {"event": "llm.user_feedback", "trace_id": trace_text, "rating": "up", "comment": comment})

    def find(want):
        def look():
            items = server.api("/scores", name="user_feedback", limit=1000)["items"]
            return next((score for score in items if score["comment"] == comment and want(score)), None)
        return wait_until(look, 20, f"the feedback about {trace_text}")
    return find


def test_feedback_joins_by_a_unique_beginning_of_an_id(server):
    """shows: A94"""
    trace_id = new_trace_id()
    server.send_spans(make_span(trace_id=trace_id))
    server.wait_trace(trace_id)
    score = feedback(server, trace_id[:8].upper())(lambda s: s["trace_id"] == trace_id)
    assert score["metadata"] == {"trace_id": trace_id[:8].upper()}
    assert [s["id"] for s in server.api(f"/traces/{trace_id}")["scores"]] == [score["id"]]


def test_feedback_about_one_of_several_traces_is_parked_and_reported(server):
    """shows: A94"""
    first, second = (new_span_id() + new_span_id() for _ in range(2))
    second = first[:8] + second[8:]
    server.send_spans(make_span(trace_id=first), make_span(trace_id=second))
    for trace_id in (first, second):
        server.wait_trace(trace_id)
    before = server.metric("telltale_parked_scores")
    score = feedback(server, first[:8])(lambda s: "parked" in s["metadata"])
    assert score["metadata"] == {"trace_id": first[:8], "parked": "ambiguous"} and score["trace_id"] not in (first, second)
    assert wait_until(lambda: server.metric("telltale_parked_scores") == before + 1, 15, "the count")
    # one digit more than they share tells them apart
    longer = next(n for n in range(9, 32) if first[:n] != second[:n])
    feedback(server, first[:longer])(lambda s: s["trace_id"] == first)


def test_feedback_before_its_trace_is_parked_and_joins_when_that_comes(server):
    """shows: A94"""
    trace_id = new_trace_id()
    find = feedback(server, trace_id[:8])
    assert find(lambda s: "parked" in s["metadata"])["metadata"]["parked"] == "unknown"
    server.send_spans(make_span(trace_id=trace_id))
    assert "parked" not in find(lambda s: s["trace_id"] == trace_id)["metadata"]


def test_a_short_id_that_a_trace_has_itself_joins_by_equal_text(server):
    """shows: A94"""
    text = new_span_id()[:8]
    post(server, dict(CALL, trace_id=text))
    call = wait_until(lambda: next((s for s in server.api("/spans", q="name:llm.chat", limit=1000)["items"] if s["attributes"].get("event.trace_id") == text), None), 15, "the call")
    feedback(server, text)(lambda s: s["trace_id"] == call["trace_id"] and "parked" not in s["metadata"])


def test_feedback_joins_by_trace_session_or_request(server):
    """shows: J2"""
    trace_id, session, request = new_trace_id(), f"s-{new_span_id()}", f"req-{new_span_id()}"
    server.send_spans(make_span({"session.id": session, "request_id": request}, trace_id=trace_id))
    post(server, [{"event": "llm.user_feedback", "trace_id": trace_id, "rating": "up"},
                  {"event": "llm.user_feedback", "request_id": request, "rating": "down"},
                  {"event": "llm.user_feedback", "session_id": session, "rating": 3, "scale": 5}])
    events(server, 1, session_id=session)
    wait_until(lambda: sorted(s["label"] for s in server.wait_trace(trace_id)["scores"]) == ["down", "up"], 15, "both joined")
    [stars] = server.api("/scores", session_id=session)["items"]
    assert (stars["value"], stars["metadata"]) == (3, {"scale": 5})


def test_the_last_word_of_each_user_counts_and_the_user_is_named_by_policy(new_server):
    server = new_server(**{"redact.identity": "hash"})
    server.start()
    trace_id = new_trace_id()
    server.send_spans(make_span({"user.id": "jane"}, trace_id=trace_id))
    for user, rating in (("jane", "down"), ("joe", "up"), ("jane", "up")):
        post(server, {"trace_id": trace_id, "rating": rating, "user_id": user})
    span = server.wait_trace(trace_id)["spans"][0]
    found = wait_until(lambda: (e := server.api("/events", trace_id=trace_id)["items"]) and [x["label"] for x in e] == ["up", "up"] and e, 15, "both up")
    users = {event["metadata"]["user_id"] for event in found}
    assert len(users) == 2 and span["user_id"] in users and not users & {"jane", "joe"}


def test_a_trace_may_have_any_text_for_an_id(server):
    name = f"req/{new_span_id()}"
    post(server, [dict(CALL, trace_id=name), {"trace_id": name, "rating": "up"}])
    [span] = server.wait_spans(f'event.trace_id:"{name}"', settled=True)
    assert [score["label"] for score in server.wait_trace(span["trace_id"])["scores"]] == ["up"]


@pytest.mark.parametrize("event,field", [
    ({"event": "llm.user_feedback", "trace_id": "t", "rating": "sideways"}, "rating"), ({"trace_id": "t", "name": "n", "value": []}, "value"),
    ({"trace_id": "t", "faithfulness": 2}, "faithfulness"), (dict(VERSIONS, trace_id=[]), "trace_id"),
    (dict(PAYLOAD, trace_id="t", input_tokens="many"), "input_tokens"), (dict(CALL, trace_id="t", latency_ms=-1), "latency_ms"),
    ({"event": "deploy", "service": "shop"}, "version"), ({"event": "llm.outcome", "trace_id": "t"}, "outcome"),
    ({"event": "other"}, "event"), ({"more": 1}, "event")])
def test_a_malformed_one_is_refused_with_its_field_and_index_and_its_neighbours_are_kept(server, event, field):
    """shows: C2"""
    session = f"good-{new_span_id()}"
    good = [{"event": "llm.user_feedback", "session_id": session, "rating": "up", "id": f"{session}-{i}"} for i in range(2)]
    answer = post(server, [good[0], event, good[1]])
    assert (answer["accepted"], answer["rejected"]) == (2, 1)
    assert [(error["index"], error["field"]) for error in answer["errors"]] == [(1, field)]
    events(server, 2, session_id=session)
    alone = post(server, event, expect=400)
    assert field in alone["error"]["message"] and alone["errors"][0]["index"] == 0


def test_lines_are_events_each_and_a_damaged_one_is_left_out(server):
    session = f"l-{new_span_id()}"
    line = json.dumps({"session_id": session, "rating": "up", "user_id": "{}"})
    text = "\n".join([line.replace("{}", "a"), "{damaged", "", line.replace("{}", "b")])
    for kind in ("application/x-ndjson", JSON):
        assert [e["index"] for e in post(server, text, kind=kind)["errors"]] == [1]
    assert len(events(server, 2, session_id=session)) == 2
    post(server, "", expect=400)
    assert post(server, "[]") == {"accepted": 0, "rejected": 0}
    assert server.request("POST", "/api/v1/events", line, {"content-type": "text/csv"}).status == 415


def test_the_same_id_again_is_the_same_event(server):
    session = f"i-{new_span_id()}"
    for rating in ("down", "up"):
        post(server, {"id": f"fb-{session}", "session_id": session, "rating": rating})
        wait_until(lambda: [e["label"] for e in server.api("/events", session_id=session)["items"]] == [rating], 15, rating)  # noqa: B023
    trace_id = new_trace_id()
    for tokens in (1, 2):
        post(server, dict(CALL, id=f"c-{session}", trace_id=trace_id, tokens_in=tokens))
    wait_until(lambda: server.wait_trace(trace_id)["trace"]["input_tokens"] == 2, 15, "the later one")
    assert len(server.trace(trace_id)["spans"]) == 1


def test_deploys_are_listed_for_charts_and_are_no_scores(server):
    service, now = f"shop-{new_span_id()}", int(time.time())
    deploy = {"event": "deploy", "service": service, "version": "1.2", "environment": "production", "text": "mail jane@example.com", "ts": now}
    post(server, [deploy, dict(deploy, version="1.3", ts=now - 3600), dict(deploy, ts=now - 90000), deploy])
    found = events(server, 2, kind="deploy", service=service)
    assert [(e["version"], e["environment"], e["service"]) for e in found] == [("1.2", "production", service), ("1.3", "production", service)]
    assert found[0]["time"] == time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(now)) and "jane@" not in found[0]["text"]
    assert len(server.api("/events", service=service, **{"from": "now-30h"})["items"]) == 3
    assert len(server.api("/events", service=service, **{"from": "now-2h", "to": "now-30m"})["items"]) == 1
    page = server.api("/events", kind="deploy", service=service, limit=1)
    [after] = server.api("/events", kind="deploy", service=service, limit=1, cursor=page["next_cursor"])["items"]
    assert after["version"] == "1.3"
    assert not [s for s in server.api("/scores", name=service)["items"]]
    assert "did you mean 'deploy'" in server.api("/events", expect=400, kind="deploi")["error"]["hint"]


def test_outcomes_of_every_kind_are_counted_by_the_trace_they_name(server):
    session = f"o-{new_span_id()}"
    kinds = ["correction", "regeneration", "retry", "escalation", "resolution", "conversion", "abandoned"]
    at = int(time.time())
    post(server, [{"event": "llm.outcome", "outcome": kind, "session_id": session, "ts": at} for kind in kinds] +
         [{"event": "llm.outcome", "outcome": "regeneration", "session_id": session, "ts": at - 5},
          {"event": "llm.outcome", "outcome": "conversion", "session_id": session, "ts": at - 5, "value": 19.5}])
    found = events(server, 9, session_id=session, kind="outcome")
    assert sorted(e["name"] for e in found) == sorted(kinds + ["regeneration", "conversion"])
    assert {e["value"] for e in found if e["name"] == "conversion"} == {True, 19.5}


def run(server, *arguments, code=0):
    done = subprocess.run([BINARY, *arguments, f"--server=http://127.0.0.1:{server.api_port}"], capture_output=True, text=True, env=CLEAN_ENV)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def test_the_terminal_notes_a_deploy_and_lists_it(server):
    service = f"cli-{new_span_id()}"
    assert run(server, "deploy", "--service", service, "--version", "2.0", "--environment", "staging", "--text", "it's \"new\"") == f"noted: {service} 2.0\n"
    [event] = events(server, 1, kind="deploy", service=service)
    assert (event["version"], event["environment"], event["text"]) == ("2.0", "staging", "it's \"new\"")
    shown = run(server, "events", "--kind=deploy", f"--service={service}")
    assert service in shown and "2.0" in shown and "staging" in shown
    assert json.loads(run(server, "deploy", f"--service={service}", "--version=2.1", "--json"))["accepted"] == 1
    assert "--version is missing" in run(server, "deploy", f"--service={service}", code=2)
    assert "did you mean" in run(server, "events", "--kind=outcom", code=1)


def test_a_key_of_a_tenant_writes_and_sees_its_own_events_only(new_server):
    server = new_server(**{"auth.mode": "on"})
    server.start()
    keys = {}
    for name, options in {"acme": ["--tenant=acme"], "other": ["--tenant=other"], "all": [], "elsewhere": ["--project=elsewhere"]}.items():
        made = subprocess.run([BINARY, "key", "create", "--json", f"--data_dir={server.data_dir}", *options], capture_output=True, text=True, check=True,
                              env=CLEAN_ENV)
        keys[name] = {"authorization": f"Bearer {json.loads(made.stdout)['token']}"}
    deploy = {"event": "deploy", "service": "shop", "version": "1", "tenant_id": "other"}
    wait_until(lambda: server.request("POST", "/api/v1/events", json.dumps(deploy), {"content-type": JSON, **keys["acme"]}).status == 200, 15, "the keys count")
    post(server, dict(deploy, version="2", tenant_id=None), headers=keys["all"])
    seen = wait_until(lambda: (found := server.api("/events", headers=keys["all"])["items"]) and len(found) == 2 and found, 15, "both")
    assert {event["version"]: event["tenant_id"] for event in seen} == {"1": "acme", "2": None}
    for name, versions in {"acme": ["1"], "other": [], "elsewhere": []}.items():
        assert [event["version"] for event in server.api("/events", headers=keys[name])["items"]] == versions, name


def test_events_survive_a_kill(new_server):
    """shows: X5"""
    server = new_server()
    server.start()
    post(server, [{"event": "deploy", "service": "s", "version": str(i)} for i in range(20)])
    server.kill()
    server.start()
    assert len(events(server, 20, kind="deploy")) == 20
