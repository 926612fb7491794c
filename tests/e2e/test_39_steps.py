"""Where the time of a request went, of one trace and of a range: the slow step is named.

SPDX-License-Identifier: Apache-2.0"""
import pytest
from conftest import make_span, wait_until
from test_34_aggregate import is_valid

T0 = 1_780_300_000 * 10**9
RANGE = {"from": str(T0 - 10**12), "to": str(T0 + 10**12)}
MS = 10**6


def request_of(kind, n, retrieval, model):
    """POST > (search, chat); a chat fails first and is repeated where kind says so."""
    trace, start, who = f"{['search', 'model', 'retry'].index(kind) + 1:016x}{n:016x}", T0 + n * 10**9, {"feature": kind}
    chat = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 100, **who}
    spans = [make_span(who, "POST /ask", trace, "01" * 8, start=start, ms=retrieval + model + 100, kind=2),
             make_span({"openinference.span.kind": "RETRIEVER", **who}, "search", trace, "02" * 8, "01" * 8, start + 50 * MS, retrieval),
             make_span(chat, "chat", trace, "03" * 8, "01" * 8, start + (50 + retrieval) * MS, 300 if kind == "retry" else model)]
    if kind == "retry":
        spans.append(make_span({**chat, "attempt": 2}, "chat", trace, "04" * 8, "01" * 8, start + (350 + retrieval) * MS, model - 300))
    return spans


CASES = {"search": (14000, 3900), "model": (500, 14000), "retry": (500, 9000)}


@pytest.fixture(scope="module")
def data(server):
    spans = [span for kind, times in CASES.items() for n in range(5) for span in request_of(kind, n, *times)]
    server.send_spans(*spans)
    wait_until(lambda: server.metric("telltale_spans_settled_total") >= len(spans), what="settled traces")
    return server


def steps(data, kind, n=0):
    found = data.api(f"/traces/{['search', 'model', 'retry'].index(kind) + 1:016x}{n:016x}/steps")
    is_valid(data, found, "TraceSteps")
    return found


def test_the_step_with_14_of_18_seconds_is_named(data):
    """shows: E15 E23 E39"""
    found = steps(data, "search")
    assert found["total_ms"] == 18000 and found["bottleneck"] == "retrieval" and found["idle_ms"] == 0 and not found["truncated"]
    rows = {row["step"]: row for row in found["items"]}
    assert rows["retrieval"]["self_ms"] == 14000 and rows["retrieval"]["share"] == pytest.approx(14 / 18) and rows["retrieval"]["longest_span_id"] == "02" * 8
    assert {span["span_id"]: span["self_ms"] for span in found["spans"]} == {"01" * 8: 100, "02" * 8: 14000, "03" * 8: 3900}
    assert steps(data, "model")["bottleneck"] == "model" and steps(data, "retry")["bottleneck"] == "retries"


def test_time_and_cost_sum_to_those_of_the_trace(data):
    """shows: E2"""
    for kind in CASES:
        found = steps(data, kind)
        trace = data.api(f"/traces/{found['trace_id']}")["trace"]
        assert sum(row["self_ms"] for row in found["items"]) == pytest.approx(trace["latency_ms"]) == found["total_ms"]
        assert sum(row["cost_usd"] or 0 for row in found["items"]) == pytest.approx(trace["estimated_cost_usd"], abs=1e-9)


def test_over_a_range_the_slow_kind_is_named(data):
    """shows: E3"""
    for kind, name in (("search", "retrieval"), ("model", "model")):
        found = data.api("/steps", q=f"feature:{kind}", **RANGE)
        is_valid(data, found, "Steps")
        assert found["bottleneck"] == name == steps(data, kind)["bottleneck"]
        retrieval, model = CASES[kind]
        rows = {row["step"]: row for row in found["items"]}
        assert rows["retrieval"]["self_ms"] == 5 * retrieval and rows["model"]["self_ms"] == 5 * model and rows["model"]["count"] == 5
        assert found["total_ms"] == 5 * (retrieval + model)  # steps with others below are left out
    none = data.api("/steps", q="feature:none", **RANGE)
    assert none["bottleneck"] is None and none["items"] == []


def test_what_is_wrong_is_said(data):
    data.api("/traces/ffffffff/steps", expect=404)
    assert "'by'" in data.api("/steps", expect=400, by="step")["error"]["message"]
