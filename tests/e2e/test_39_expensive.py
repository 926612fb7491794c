"""The dearest requests with why, and the one that ran away.

SPDX-License-Identifier: Apache-2.0"""
import pytest
from conftest import make_span, wait_until
from test_34_aggregate import is_valid

T0 = 1_780_400_000 * 10**9
RANGE = {"from": str(T0 - 10**12), "to": str(T0 + 10**12)}
PRICES = {"gpt-4o-mini": (0.15e-6, 0.6e-6), "gpt-4o": (2.5e-6, 10e-6)}
NORMAL = 60
# what is dear about it: model, tokens in and out of each call, first calls, repeats
DEAR = {"tokens_in": ("gpt-4o-mini", 100000, 50, 1, 0), "tokens_out": ("gpt-4o-mini", 300, 9000, 1, 0), "calls": ("gpt-4o-mini", 300, 50, 40, 0),
        "retries": ("gpt-4o-mini", 300, 50, 1, 9), "model": ("gpt-4o", 300, 50, 1, 0)}


def spans_of(number, feature, model, tokens_in, tokens_out, calls, repeats):
    trace, start = f"{0xdea:016x}{number:016x}", T0 + number * 10**8
    yield make_span({"feature": feature}, "POST /ask", trace, "0a" * 8, start=start, ms=500, kind=2)
    for n in range(calls + repeats):
        ask = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": model, "feature": feature,
               "gen_ai.usage.input_tokens": tokens_in, "gen_ai.usage.output_tokens": tokens_out, **({"retry_count": repeats} if repeats and n == 0 else {})}
        yield make_span(ask, "chat", trace, f"{n + 1:016x}", "0a" * 8, start + n * 10**6, 50)


def cost(model, tokens_in, tokens_out, calls, repeats):
    return (tokens_in * PRICES[model][0] + tokens_out * PRICES[model][1]) * (calls + repeats)


@pytest.fixture(scope="module")
def data(server):
    spans = [span for n in range(NORMAL) for span in spans_of(n, "usual", "gpt-4o-mini", 300 + n, 50, 1, 0)]
    spans += [span for n, row in enumerate(DEAR.values()) for span in spans_of(1000 + n, "usual", *row)]
    spans += [span for n in range(NORMAL) for span in spans_of(2000 + n, "away", "gpt-4o-mini", 10, 2, 1, 0)]
    spans += list(spans_of(3000, "away", "gpt-4o", 120000, 2000, 1, 0))
    server.send_spans(*spans)
    wait_until(lambda: server.metric("telltale_spans_settled_total") >= len(spans), what="settled traces")
    return server


def ask(data, **params):
    found = data.api("/expensive", **{**RANGE, **params})
    is_valid(data, found, "Expensive")
    return found


def test_the_twenty_dearest_come_with_their_reason(data):
    """shows: G12"""
    found = ask(data, q="feature:usual")
    assert len(found["items"]) == 20
    wanted = sorted([(cost(*row), 1000 + n) for n, row in enumerate(DEAR.values())] + [(cost("gpt-4o-mini", 300 + n, 50, 1, 0), n) for n in range(NORMAL)], reverse=True)
    assert [item["trace"]["trace_id"] for item in found["items"]] == [f"{0xdea:016x}{number:016x}" for _, number in wanted[:20]]
    assert [item["trace"]["estimated_cost_usd"] for item in found["items"]] == [pytest.approx(usd, abs=1e-9) for usd, _ in wanted[:20]]
    reasons = {item["trace"]["trace_id"]: item["reason"] for item in found["items"]}
    for n, reason in enumerate(DEAR):
        assert reasons[f"{0xdea:016x}{1000 + n:016x}"] == reason
    usual = [usd for usd, _ in wanted[20:]]
    assert found["usual_cost_usd"] == pytest.approx(sum(usual) / len(usual), abs=1e-9) and found["cost_usd"] == pytest.approx(sum(usd for usd, _ in wanted), abs=1e-9)


def test_a_request_that_costs_thousands_of_others_is_a_runaway(data):
    """shows: G16"""
    first, *rest = ask(data, q="feature:away", limit=2)["items"]
    assert first["runaway"] and first["trace"]["trace_id"] == f"{0xdea:016x}{3000:016x}"
    assert first["times"] == pytest.approx(cost("gpt-4o", 120000, 2000, 1, 0) / cost("gpt-4o-mini", 10, 2, 1, 0), rel=0.01) and first["times"] > 1000
    assert not any(item["runaway"] for item in rest)
    assert ask(data)["items"][0] == first | {"times": ask(data)["items"][0]["times"], "runaway": ask(data)["items"][0]["runaway"],
                                             "reason": ask(data)["items"][0]["reason"], "reason_times": ask(data)["items"][0]["reason_times"]}


def test_limits_and_nothing(data):
    assert len(ask(data, limit=100)["items"]) == 100 and "limit" in data.api("/expensive", expect=400, limit=101, **RANGE)["error"]["message"]
    none = ask(data, q="feature:none")
    assert none["items"] == [] and none["usual_cost_usd"] is None
    alone = ask(data, q="feature:away prompt_version:none or trace:" + f"{0xdea:016x}{3000:016x}")["items"]
    assert len(alone) == 1 and alone[0]["times"] is None and not alone[0]["runaway"]  # nothing to compare with
