"""What explains that a number changed: planted causes rank first, and the parts of a change of spend sum to it.

SPDX-License-Identifier: Apache-2.0"""
import pytest
from conftest import make_span, wait_until
from test_34_aggregate import is_valid

T0 = 1_780_200_000 * 10**9
HOUR = 3600 * 10**9
NOW = {"from": str(T0), "to": str(T0 + HOUR)}
COUNT = 40  # calls of a scenario in each hour
PRICES = {"gpt-4o": (2.5e-6, 10e-6), "gpt-4o-mini": (0.15e-6, 0.6e-6)}
BASE = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", "llm.prompt.version": "p1",
        "tool_manifest_version": "t1", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100, "parse_ok": True,
        "safety_blocked": False, "hallucination_flag": False, "refusal_flag": False, "safety.policy_version": "s1"}
# scenario: metric, the dimension that must rank first, call n of the hour after -> (attributes, ms, attributes of the retrieval)
CAUSES = {
    "prompt": ("latency_avg", "prompt_version", lambda n: ({"llm.prompt.version": "p2"}, 900, {})),
    "retrieval": ("hallucination_rate", "index_version", lambda n: ({"hallucination_flag": n % 5 != 0}, 300, {"rag.index.version": "i2"} if n % 5 else {})),
    "schema": ("parse_failure_rate", "tool_manifest_version", lambda n: ({"tool_manifest_version": "t2", "parse_ok": n % 2 == 0}, 300, {})),
    "fallback": ("hallucination_rate", "fallback_reason",
                 lambda n: ({"fallback": True, "llm.fallback": True, "fallback_reason": "rate_limit", "gen_ai.response.model": "gpt-4o-mini", "hallucination_flag": True}
                            if n % 2 else {}, 300, {})),
    "safety": ("success_rate", "safety_blocked", lambda n: ({"safety_blocked": n % 4 != 0}, 300, {})),
    "provider": ("output_tokens_per_call", "generator_model", lambda n: ({"gen_ai.response.model": "gpt-4o-2024-11-20", "gen_ai.usage.output_tokens": 300}, 300, {})),
    "region": ("latency_avg", "region", lambda n: ({}, 2000 if n % 4 == 1 else 300, {})),
}


def spans_of(scenario, after, n):
    attributes, ms, retrieval = CAUSES[scenario][2](n) if after else ({}, 300, {})
    where = {"feature": scenario, "app.tenant_id": "ab"[n % 2], "cloud.region": ["eu", "us"][n % 4 == 0], "region": ["us", "eu"][n % 4 == 1]}
    trace = f"{list(CAUSES).index(scenario) + 1:08x}{int(after):08x}{n:016x}"
    start = T0 + (0 if after else -HOUR) + (n + 1) * 60 * 10**9
    call = {**BASE, "gen_ai.response.model": "gpt-4o-2024-08-06", **where, **attributes}
    found = {"openinference.span.kind": "RETRIEVER", "rag.index.version": "i1", **where, **retrieval}
    return [make_span(where, "POST /ask", trace, "01" * 8, start=start, ms=ms + 50, kind=2), make_span(found, "search", trace, "02" * 8, "01" * 8, start, 20),
            make_span(call, "chat", trace, "03" * 8, "01" * 8, start + 10**6, ms)]


@pytest.fixture(scope="module")
def data(server):
    for scenario in CAUSES:
        server.send_spans(*[span for after in (False, True) for n in range(COUNT) for span in spans_of(scenario, after, n)])
    wait_until(lambda: server.metric("telltale_spans_settled_total") >= len(CAUSES) * 2 * COUNT * 3, what="settled traces")
    return server


def ask(data, metric, q, **params):
    answer = data.api("/changes", metric=metric, q=q, **{**NOW, **params})
    is_valid(data, answer, "Changes")
    return answer


@pytest.mark.parametrize("scenario", CAUSES)
def test_the_planted_cause_ranks_first(data, scenario):
    """shows: E44"""
    metric, dimension, _ = CAUSES[scenario]
    found = ask(data, metric, f"feature:{scenario} step:model")
    assert found["items"][0]["dimension"] == dimension, [(item["dimension"], item["score"]) for item in found["items"]]
    assert found["items"][0]["score"] > 0.85
    value = data.api("/aggregate", metric=metric, q=f"feature:{scenario} step:model", **NOW)["items"][0]["values"]
    assert found["after"] == value[found["metric"]] and found["change"] == pytest.approx(found["after"] - found["before"])


def test_parts_of_the_values_sum_to_the_change_and_are_found_by_their_filter(data):
    found = ask(data, "latency_avg", "feature:prompt step:model")
    item = found["items"][0]
    assert item["by"] == "values" and sum(value["part"] for value in item["values"]) == pytest.approx(found["change"]) == 600
    values = {value["value"]: value for value in item["values"]}
    assert values["p1"]["after"] == {"share": 0, "value": None} and values["p2"]["after"] == {"share": 1, "value": 900}
    assert values["p1"]["before"] == {"share": 1, "value": 300}
    spans = data.api("/spans", q=f"feature:prompt step:model {values['p2']['filter']}", limit=1000, **NOW)["items"]
    assert len(spans) == COUNT


def test_a_field_of_another_span_is_looked_up_in_the_trace(data):
    [item] = [item for item in ask(data, "hallucination_rate", "feature:retrieval step:model")["items"] if item["dimension"] == "index_version"]
    values = {value["value"]: value for value in item["values"]}
    assert values["i2"]["filter"] == "any(index_version:i2)" and values["i2"]["after"] == {"share": pytest.approx(0.8), "value": 1}
    assert values["i1"]["after"] == {"share": pytest.approx(0.2), "value": 0}


def test_where_it_shows_is_a_segment(data):
    item = ask(data, "latency_avg", "feature:region step:model")["items"][0]
    assert item["by"] == "segment" and item["values"][0]["value"] == "eu"
    assert item["values"][0]["part"] == pytest.approx(1700 / 4)


def test_a_provider_changed_the_model_behind_the_same_name(data):
    """shows: K10"""
    item = ask(data, "output_tokens_per_call", "feature:provider step:model")["items"][0]
    assert {value["value"]: (value["before"]["share"], value["after"]["share"]) for value in item["values"]} == {
        "gpt-4o-2024-08-06": (1, 0), "gpt-4o-2024-11-20": (0, 1)}
    assert "request_model" not in [item["dimension"] for item in ask(data, "output_tokens_per_call", "feature:provider step:model")["items"]]


def test_since_the_first_span_of_a_version(data):
    found = ask(data, "latency_avg", "feature:prompt step:model", compare="prompt_version:p2", **{"from": str(T0 - HOUR)})
    assert found["items"][0]["dimension"] == "prompt_version" and (found["before"], found["after"]) == (300, 900)


def test_without_a_change_nothing_explains_it(data):
    found = ask(data, "latency_avg", "feature:schema step:model")
    assert found["change"] == 0 and found["items"] == []
    nothing = ask(data, "latency_avg", "feature:none")
    assert nothing["change"] is None and nothing["items"] == []


# ---- spend ----

def cost_spans(kind, after, n):
    """Three calls before, of one model; after: what the kind says."""
    model, tokens, attempts = "gpt-4o-mini", 1000, 1
    if after and kind == "cost-retries":
        attempts = 3
    if after and kind == "cost-tokens":
        tokens = 5000
    if after and kind == "cost-models":
        model = "gpt-4o"
    trace = f"{0xc057:08x}{['cost-retries', 'cost-tokens', 'cost-models', 'cost-calls'].index(kind):06x}{int(after):02x}{n:016x}"
    start = T0 + (0 if after else -HOUR) + (n + 1) * 10**9
    return [make_span({"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": model, "feature": kind, "attempt": attempt + 1,
                       "gen_ai.usage.input_tokens": tokens, "gen_ai.usage.output_tokens": 100}, "chat", trace, f"{attempt + 1:016x}", start=start) for attempt in range(attempts)]


@pytest.fixture(scope="module")
def spend(data):
    settled = data.metric("telltale_spans_settled_total")
    spans = [span for kind in ("cost-retries", "cost-tokens", "cost-models", "cost-calls") for after in (False, True)
             for n in range(60 if after and kind == "cost-calls" else 20) for span in cost_spans(kind, after, n)]
    data.send_spans(*spans)
    wait_until(lambda: data.metric("telltale_spans_settled_total") >= settled + len(spans), what="settled traces")
    return data


@pytest.mark.parametrize("kind, part", [("cost-retries", "retries_and_fallbacks"), ("cost-tokens", "tokens_in"), ("cost-models", "models"), ("cost-calls", "calls")])
def test_a_change_of_spend_has_parts_that_sum_to_it_exactly(spend, kind, part):
    """shows: G18"""
    found = ask(spend, "cost", f"feature:{kind}")
    assert found["parts"][0]["name"] == part and found["parts"][0]["share"] == pytest.approx(1)
    assert sum(round(each["usd"] * 1e9) for each in found["parts"]) == round(found["change"] * 1e9) > 0


def test_all_at_once_still_sums_exactly(spend):
    found = ask(spend, "cost", "feature:cost-*")
    assert sum(round(each["usd"] * 1e9) for each in found["parts"]) == round(found["change"] * 1e9)
    assert {each["name"] for each in found["parts"] if each["usd"] > 0} >= {"retries_and_fallbacks", "tokens_in", "models", "calls"}


@pytest.mark.parametrize("params", [{}, {"metric": "latency_p95"}, {"metric": "sessions"}, {"metric": "cost,count"}, {"metric": "first_seen"},
                                    {"metric": "cost", "compare": "prompt_version:p1..p2"}, {"metric": "cost", "by": "model"}, {"metric": "costs"}])
def test_what_cannot_be_taken_apart_is_said(data, params):
    error = data.api("/changes", expect=400, **NOW, **params)["error"]
    assert any(name in error["message"] for name in ("metric", "compare", "by"))
