"""Instrumentation health: what telemetry says and leaves out, how far each application has come, and plain-text logs.

SPDX-License-Identifier: Apache-2.0"""
import json
import subprocess
import time

import pytest
from conftest import BINARY, CLEAN_ENV, JSON, attributes_of, make_span, new_span_id, new_trace_id, wait_until

CALL = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
ANSWERED = dict(CALL, **{"gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.usage.input_tokens": 10,
                         "gen_ai.usage.output_tokens": 5, "gen_ai.response.finish_reasons": ["stop"]})


def lines(server, text, service=None, expect=200, kind="text/plain", **headers):
    headers.update({"x-telltale-service": service} if service else {})
    answer = server.request("POST", "/api/v1/logs", text, {**({"content-type": kind} if kind else {}), **headers})
    assert answer.status == expect, answer
    return answer.json


def logs(server, count, headers=None, **params):
    def look():
        items = server.api("/logs", headers=headers, **params)["items"]
        return items if len(items) >= count else None
    return wait_until(look, 15, f"{count} logs of {params}")


def score(server, **members):
    answer = server.request("POST", "/api/v1/scores", json.dumps({"name": "n", "value": 1, **members}), {"content-type": JSON})
    assert answer.status == 200, answer


def report(server, ready=lambda found: True, **params):
    def look():
        found = server.api("/instrumentation", **params)
        return found if ready(found) else None
    return wait_until(look, 15, "the report")


def of(found, service):
    return next((s for s in found["services"] if s["service"] == service), None)


def telltale(server, *words, expect=0):
    done = subprocess.run([BINARY, *words, f"--server=http://127.0.0.1:{server.api_port}"], capture_output=True, text=True,
                          env=CLEAN_ENV, timeout=30)
    assert done.returncode == expect, done
    return done.stdout if expect == 0 else done.stderr


def one_trace(server, call, name="chat", service="shop", retrieval=None, root="POST /ask", **span):
    """A request with a model call below it, or (root None) the bare call; its ids."""
    trace_id, root_id, call_id = new_trace_id(), new_span_id(), new_span_id()
    spans = [make_span(call, name=name, trace_id=trace_id, span_id=call_id, parent=root and root_id, **span)]
    if root:
        spans.append(make_span({"http.route": "/ask"}, name=root, trace_id=trace_id, span_id=root_id, kind=2))
    if retrieval:
        spans.append(make_span(dict({"gen_ai.operation.name": "retrieval"}, **retrieval), name="search", trace_id=trace_id,
                               parent=root_id))
    server.send_spans(*spans, resource={"service.name": service})
    return trace_id, call_id


@pytest.fixture(scope="module")
def shop(server):
    """Ten calls of one service: seven as they should be, three of another name that say little."""
    good = dict(ANSWERED, **{"gen_ai.prompt.version": "7", "tenant.id": "acme", "app.feature": "search", "user.id": "u1"})
    made = [one_trace(server, good, retrieval={"gen_ai.data_source.id": "docs"} if i < 2 else None) for i in range(7)]
    bare = [one_trace(server, CALL, name="summarise") for _ in range(3)]
    score(server, trace_id=made[0][0], source="user")
    score(server, trace_id=made[1][0], span_id=made[1][1], source="judge")
    score(server, trace_id=made[2][0], source="human")
    return made, bare


def test_the_shares_are_those_of_the_fixture(server, shop):
    """shows: B14"""
    def ready(found):
        mine = of(found, "shop")
        return mine and mine["model_calls"] == 10 and mine["shares"]["evals"]["count"] == 2 and mine["shares"]["feedback"]["count"] == 1
    mine = of(report(server, ready), "shop")
    counts = {"model_version": 7, "prompt_version": 7, "tokens": 7, "latency": 10, "error_status": 7, "tenant": 7, "feature": 7,
              "user": 7, "retrieval": 2, "feedback": 1, "evals": 2}
    assert mine["shares"] == {what: {"count": count, "share": count / 10} for what, count in counts.items()}
    assert (mine["spans"], mine["traces"], mine["no_request_root"]) == (22, 10, 0)


def test_each_gap_names_the_service_the_span_and_a_trace_that_has_it(server, shop):
    """shows: B14"""
    _, bare = shop
    found = report(server, lambda r: of(r, "shop") and of(r, "shop")["model_calls"] == 10)
    gaps = {(g["what"], g["span_name"]): g for g in found["gaps"] if g["service"] == "shop"}
    assert gaps["tokens", "summarise"]["missing"] == gaps["tokens", "summarise"]["model_calls"] == 3
    assert gaps["tokens", "summarise"]["exemplar_trace_id"] in {trace_id for trace_id, _ in bare}
    assert "gen_ai.usage.input_tokens" in gaps["tokens", "summarise"]["how"]
    assert ("tokens", "chat") not in gaps and gaps["retrieval", "chat"]["missing"] == 5
    missing = [g["missing"] for g in found["gaps"]]
    assert missing == sorted(missing, reverse=True) and found["gap_count"] == len(found["gaps"])
    assert len(server.api("/instrumentation", limit=2)["gaps"]) == 2


def test_a_bare_model_call_is_a_partially_traced_request(server):
    """shows: B5"""
    no_parent, _ = one_trace(server, ANSWERED, name="llm.chat", service="orphans", root=None)
    lost = new_trace_id()  # its parent was never sent
    server.send_spans(make_span(ANSWERED, name="llm.chat", trace_id=lost, parent=new_span_id()), resource={"service.name": "orphans"})
    whole, _ = one_trace(server, ANSWERED, name="llm.chat", service="orphans")
    for settled in (False, True):
        for trace_id in (no_parent, lost, whole):
            assert server.wait_trace(trace_id, settled=settled)["trace"]["partially_traced"] is (trace_id != whole)
        found = report(server, lambda r: of(r, "orphans") and of(r, "orphans")["traces"] == 3)
        assert of(found, "orphans")["no_request_root"] == 2 <= found["no_request_root"]
        [partial] = [p for p in found["partially_traced"] if p["service"] == "orphans"]
        assert (partial["span_name"], partial["traces"]) == ("llm.chat", 2) and partial["exemplar_trace_id"] in (no_parent, lost)


def stages(found):
    return {s["service"]: s["stage"] for s in found["services"]}


@pytest.fixture(scope="module")
def four_apps(server):
    """One application of each stage: text alone; spans; evaluations by version; two versions side by side, and feedback."""
    lines(server, "calling gpt-4o\nanswer took 3 s\n", "app-0")
    for _ in range(3):
        one_trace(server, ANSWERED, service="app-1")
    for i in range(3):
        trace_id, _ = one_trace(server, dict(ANSWERED, **{"gen_ai.prompt.name": "ask", "gen_ai.prompt.version": "1"}), service="app-2")
        if i == 0:
            score(server, trace_id=trace_id, source="judge")
    start = time.time_ns() - 60 * 10**9
    for i in range(6):
        call = dict(ANSWERED, **{"gen_ai.prompt.name": "ask", "gen_ai.prompt.version": str(1 + i % 2)})
        trace_id, _ = one_trace(server, call, service="app-3", start=start + i * 10**9)
        score(server, trace_id=trace_id, source="judge")
        score(server, trace_id=trace_id, source="user", name="thumb")
    return report(server, lambda r: {0, 1, 2, 3} <= {s["number"] for n, s in stages(r).items() if s and (n or "").startswith("app-")})


@pytest.mark.parametrize("number,name,missing", [
    (0, "blind", {"model_calls"}), (1, "traced", {"automated_evals", "prompt_version_or_release"}),
    (2, "measured", {"feedback", "versions_compared"}), (3, "closed_loop", set())])
def test_an_application_has_a_stage_and_hears_what_the_next_one_lacks(four_apps, number, name, missing):
    """shows: B15"""
    stage = stages(four_apps)[f"app-{number}"]
    assert (stage["number"], stage["name"]) == (number, name)
    assert {need["what"] for need in stage["missing"]} == missing
    assert all(need["how"] for need in stage["missing"])
    assert stage["next"] == {0: "traced", 1: "measured", 2: "closed_loop", 3: None}[number]


def test_two_versions_one_after_the_other_prove_nothing(server):
    """shows: B15"""
    start = time.time_ns() - 600 * 10**9
    for i in range(4):
        call = dict(ANSWERED, **{"gen_ai.prompt.name": "ask", "gen_ai.prompt.version": str(1 + i // 2)})
        trace_id, _ = one_trace(server, call, service="in-turn", start=start + i * 10**9)
        score(server, trace_id=trace_id, source="judge")
        score(server, trace_id=trace_id, source="user", name="thumb")
    found = report(server, lambda r: of(r, "in-turn") and of(r, "in-turn")["shares"]["feedback"]["count"] == 4)
    stage = of(found, "in-turn")["stage"]
    assert stage["number"] == 2 and [need["what"] for need in stage["missing"]] == ["versions_compared"]


def test_the_same_call_under_old_and_new_names_counts_the_same_and_tells_its_convention(server):
    """shows: B2"""
    names = {"before-1.27": ("gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
             "before-1.37": ("gen_ai.system", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
             "since-1.37": ("gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")}
    for convention, (provider, tokens_in, tokens_out) in names.items():
        call = {"gen_ai.operation.name": "chat", provider: "openai", "gen_ai.response.model": "gpt-4o-2024-08-06",
                tokens_in: 10, tokens_out: 5}
        server.send_spans(make_span(call), resource={"service.name": "renamed"}, scope=f"sdk {convention}")
    spans = server.wait_spans("service:renamed", 3)
    assert {s["scope"]["name"]: s["convention"] for s in spans} == {f"sdk {convention}": convention for convention in names}
    [group] = server.api("/aggregate", metric="count,input_tokens,cost", by="generator_model,provider", q="service:renamed")["items"]
    assert (group["values"]["count"], group["values"]["input_tokens"]) == (3, 30)
    assert len({s["estimated_cost_usd"] for s in spans}) == 1 and spans[0]["estimated_cost_usd"] > 0
    found = report(server, lambda r: sum(e["scope"].startswith("sdk ") for e in r["emitters"]) == 3)
    assert {e["scope"]: (e["convention"], e["dialect"], e["model_calls"]) for e in found["emitters"] if e["scope"].startswith("sdk ")} == {
        f"sdk {convention}": (convention, "otel-genai", 1) for convention in names}


def test_attributes_that_no_row_knows_are_counted_and_linked(server):
    """shows: B14"""
    server.send_spans(make_span(dict(CALL, **{"acme.strange.name": 1})))
    found = report(server, lambda r: r["unmapped"]["names"] > 0)
    assert found["unmapped"]["attributes"] >= found["unmapped"]["names"]
    assert server.request("GET", found["unmapped"]["href"]).json["name_count"] == found["unmapped"]["names"]


# ---- plain text ----

def test_a_plain_line_is_searchable_and_counted_as_unstructured(server):
    """shows: C13"""
    mark = new_span_id()
    assert lines(server, f"2026-01-15T10:00:00.5Z ERROR no answer {mark}\r\n\n   \nplain, second {mark}\n", "legacy") == {"rejected": 0}
    second, = logs(server, 1, text=f"second {mark}")
    assert (second["body"], second["service"], second["unstructured"], second["attributes"]) == (f"plain, second {mark}", "legacy", True, {})
    assert second["severity"] is None and second["trace_id"] is None
    first, = logs(server, 1, text=f"no answer {mark}", **{"from": "2026-01-15T00:00:00Z", "to": "2026-01-16T00:00:00Z"})
    assert first["time"] == "2026-01-15T10:00:00.500000000Z"
    record = {"timeUnixNano": str(time.time_ns()), "severityNumber": 17, "severityText": "ERROR", "body": {"stringValue": f"third {mark}"}}
    rich = dict(record, body={"stringValue": f"fourth {mark}"}, attributes=attributes_of({"http.status": 503}))
    body = {"resourceLogs": [{"resource": {"attributes": attributes_of({"service.name": "legacy"})},
                              "scopeLogs": [{"logRecords": [record, rich]}]}]}
    assert server.post(json.dumps(body).encode(), "logs", JSON).status == 200
    found = {item["body"].split()[0]: item for item in logs(server, 3, text=mark)}
    assert found["third"]["unstructured"] and not found["fourth"]["unstructured"]
    assert (found["fourth"]["severity"], found["fourth"]["attributes"]) == (17, {"http.status": 503})
    mine = of(report(server, lambda r: (of(r, "legacy") or {"logs": 0})["logs"] == 3), "legacy")
    assert (mine["logs"], mine["unstructured_logs"], mine["model_calls"]) == (3, 2, 0)
    assert mine["stage"]["number"] == 0 and mine["shares"]["tokens"] == {"count": 0, "share": None}


def test_questions_about_logs_narrow_them(server):
    service = f"q-{new_span_id()}"
    records = [{"timeUnixNano": str(time.time_ns() + i), "severityNumber": number, "body": {"stringValue": f"n{i}"},
                "attributes": attributes_of({"app.shard": i})} for i, number in enumerate([0, 5, 9, 13, 17, 21])]
    body = {"resourceLogs": [{"resource": {"attributes": attributes_of({"service.name": service})}, "scopeLogs": [{"logRecords": records}]}]}
    assert server.post(json.dumps(body).encode(), "logs", JSON).status == 200
    logs(server, 6, q=f"service:{service}")

    def bodies(**params):
        q = " ".join([f"service:{service}", params.pop("q", "")])
        return [item["body"] for item in server.api("/logs", q=q, **params)["items"]]
    assert bodies() == ["n5", "n4", "n3", "n2", "n1", "n0"]
    assert bodies(severity="warn") == bodies(severity=13) == ["n5", "n4", "n3"]
    assert bodies(q="app.shard>=4") == ["n5", "n4"] and bodies(q="not app.shard:(1 or 2)") == ["n5", "n4", "n3", "n0"]
    page = server.api("/logs", q=f"service:{service}", limit=4)
    rest = server.api("/logs", q=f"service:{service}", limit=4, cursor=page["next_cursor"])
    assert [i["body"] for i in page["items"] + rest["items"]] == bodies() and rest["next_cursor"] is None


@pytest.mark.parametrize("params,fault", [
    ({"severity": "loud"}, "severity: must be trace, debug"), ({"severity": "25"}, "1 to 24"), ({"trace_id": "12"}, "32 hex digits"),
    ({"q": "cost>5"}, "a log record has no field"), ({"cursor": "x"}, "not a cursor"),
    ({"limit": "1001"}, "1 to 1000"), ({"txt": "x"}, "unknown parameter")])
def test_a_question_that_cannot_be_answered_says_why(server, params, fault):
    assert fault in json.dumps(server.api("/logs", expect=400, **params)["error"])


def test_a_text_to_look_for_has_a_limit(server):
    assert server.api("/logs", text="x" * 1024)["items"] == []
    assert "longer than 1024" in server.api("/logs", expect=413, text="x" * 1025)["error"]["message"]


def test_lines_say_nothing_of_when_so_the_same_again_is_another(server):
    mark = new_span_id()
    for _ in range(3):
        lines(server, f"heartbeat {mark}")
    assert len(logs(server, 3, text=mark)) == 3
    assert [i["body"] for i in logs(server, 3, text=mark)][0] == f"heartbeat {mark}"
    order = "".join(f"{i} of {mark}-order\n" for i in range(20))
    lines(server, order)
    assert [i["body"] for i in logs(server, 20, text=f"{mark}-order")] == order.splitlines()[::-1]


def test_secrets_in_a_line_never_reach_the_store(server):
    mark = new_span_id()
    lines(server, f"{mark} login of jo@example.com with Bearer abcdefghijklmnop0123456789abcdef\n")
    body = logs(server, 1, text=mark)[0]["body"]
    assert "jo@example.com" not in body and "abcdefghijklmnop" not in body and "[REDACTED" in body
    assert server.api("/logs", text="jo@example.com")["items"] == []


def test_what_is_no_plain_text_is_refused_with_where_to_send_it(server):
    why = lines(server, "{}", expect=415, kind=JSON)["error"]["message"]
    assert "text/plain" in why and "/v1/logs" in why
    assert lines(server, "", kind=None) == {"rejected": 0}


def test_more_lines_than_a_request_may_have_are_counted(new_server):
    small = new_server(limits__items="5").start()
    assert lines(small, "x\n" * 5) == {"rejected": 0}
    assert lines(small, "x\n" * 6) == {"rejected": 1, "message": "more than 5 lines"}
    logs(small, 10)
    small.stop()
    small.start()
    assert len(logs(small, 10)) == 10


def test_a_key_bound_to_a_tenant_sees_its_own_alone(new_server):
    """shows: B14 C13"""
    made = new_server(auth__mode="on").start()
    made.headers = {"authorization": f"Bearer {made.first_key}"}

    def key(tenant):
        done = subprocess.run([BINARY, "key", "create", f"--data_dir={made.data_dir}", f"--tenant={tenant}", "--json"],
                              capture_output=True, text=True, env=CLEAN_ENV, timeout=30)
        assert done.returncode == 0, done
        return {"authorization": f"Bearer {json.loads(done.stdout)['token']}"}
    acme = key("acme")
    wait_until(lambda: made.request("GET", "/api/v1/traces", headers=acme).status == 200, 15, "the key counts")
    for tenant in ("acme", "other"):
        trace_id, span_id = new_trace_id(), new_span_id()
        made.send_spans(make_span(dict(ANSWERED, **{"tenant.id": tenant}), trace_id=trace_id, span_id=span_id),
                        resource={"service.name": f"of {tenant}"}, headers=made.headers)
        record = {"timeUnixNano": str(time.time_ns()), "traceId": trace_id, "spanId": span_id, "body": {"stringValue": f"line of {tenant}"}}
        body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
        assert made.post(json.dumps(body).encode(), "logs", JSON, headers=made.headers).status == 200
    lines(made, "line of nobody")
    assert len(logs(made, 3, text="line of")) == 3
    assert [i["body"] for i in logs(made, 1, headers=acme, text="line of")] == ["line of acme"]
    found = made.api("/instrumentation", headers=acme)
    assert [s["service"] for s in found["services"]] == ["of acme"] and found["unmapped"] is None and found["logs"] == 0
    assert made.request("GET", "/api/v1/logs", headers={"authorization": "Bearer test-key"}).status == 401


# ---- the command line ----

def test_the_command_line_shows_report_and_logs(server, shop, four_apps):
    """shows: B14 B15 C13"""
    text = telltale(server, "instrumentation")
    assert "shop" in text and "summarise" in text and "3 closed_loop" in text and "app-0" in text
    assert json.loads(telltale(server, "instrumentation", "--json"))["services"]
    mark = new_span_id()
    lines(server, f"seen {mark}\x1b[31m\n", "terminal")
    logs(server, 1, text=mark)
    shown = telltale(server, "logs", mark)
    assert f"seen {mark}" in shown and "terminal" in shown and "\x1b" not in shown
    assert "no log records match" in telltale(server, "logs", f"never {mark}")
    assert json.loads(telltale(server, "logs", mark, "--json"))["items"][0]["unstructured"]
    assert "severity" in telltale(server, "logs", "--severity=loud", expect=1)
