"""Fast, affordable, correct: three verdicts of one request, with planted numbers.

SPDX-License-Identifier: Apache-2.0"""
import json
import statistics
import urllib.parse

import pytest
from conftest import JSON, Server, make_span, wait_until
from test_34_aggregate import is_valid

T0 = 1_780_000_000 * 10**9  # 2026-05-28T20:26:40Z
HOUR = 3600 * 10**9
NOW = {"from": str(T0), "to": str(T0 + HOUR)}
PRICE_IN, PRICE_OUT = 0.15e-6, 0.6e-6
COUNT = 40
#          the hour before           the hour
LATENCY = {-1: lambda n: 100 + n, 0: lambda n: 130 + n}
TOKENS = {-1: 1000, 0: 4000}
REFUSED = {-1: 2, 0: 6}  # of 40


def request_of(hour, n):
    trace, root = f"{0xf00 + hour + 1:016x}{n:016x}", f"{n + 1:016x}"
    start = T0 + hour * HOUR + n * 60 * 10**9
    ask = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o-mini", "feature": "shop",
           "gen_ai.usage.input_tokens": TOKENS[hour], "gen_ai.usage.output_tokens": 100, "refusal_flag": n < REFUSED[hour]}
    return [make_span({"feature": "shop"}, "POST /ask", trace, root, start=start, ms=LATENCY[hour](n), kind=2),
            make_span(ask, "chat", trace, f"{n + 1001:016x}", root, start + 10**6, 50)]


def fill(server):
    server.send_spans(*[span for hour in (-1, 0) for n in range(COUNT) for span in request_of(hour, n)])
    wait_until(lambda: server.metric("telltale_spans_settled_total") >= 4 * COUNT, what="settled traces")
    return server


@pytest.fixture(scope="module")
def data(server):
    return fill(server)


def verdicts(server, **params):
    answer = server.api("/verdicts", **{**NOW, **params})
    is_valid(server, answer, "Verdicts")
    return {item["name"]: item for item in answer["items"]}


def follow(server, item):
    """The rows behind a verdict's link."""
    answer = server.request("GET", item["href"] + "&limit=1000")
    assert answer.status == 200, answer
    return answer.json["items"]


def test_three_verdicts_equal_the_planted_numbers(data):
    """shows: E48"""
    found = verdicts(data)
    assert list(found) == ["fast", "affordable", "correct"]
    fast, affordable, correct = found.values()
    assert (fast["value"], fast["baseline"]) == (130 + 37, 100 + 37) and fast["change"] == pytest.approx(30 / 137)
    assert fast["verdict"] == "warn" and fast["count"] == COUNT  # 22 % more than the hour before: over a tenth, under a half
    cost = {hour: COUNT * (TOKENS[hour] * PRICE_IN + 100 * PRICE_OUT) * 24 for hour in (-1, 0)}
    assert affordable["value"] == pytest.approx(cost[0], abs=1e-6) and affordable["baseline"] == pytest.approx(cost[-1], abs=1e-6)
    assert affordable["verdict"] == "bad"
    assert (correct["metric"], correct["value"], correct["baseline"]) == ("success_rate", 34 / 40, 38 / 40)
    assert correct["verdict"] == "bad"  # three times as many fail


def test_each_links_to_its_traces(data):
    found = verdicts(data)
    slow = [t["latency_ms"] for t in follow(data, found["fast"])]
    assert slow == sorted([130 + n for n in range(37, 40)], reverse=True)
    assert len(follow(data, found["affordable"])) == COUNT
    failed = {t["trace_id"] for t in follow(data, found["correct"])}
    assert failed == {f"{0xf01:016x}{n:016x}" for n in range(6)}
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(found["fast"]["href"]).query)["q"] == [found["fast"]["filter"]]


def test_an_answer_that_went_through_and_was_refused_is_not_correct(data):
    """No span has failed: correct says what became of the answers."""
    assert all(t["status"] != "error" for t in follow(data, verdicts(data)["correct"]))
    assert not data.api("/traces", q="status:error", **NOW)["items"]


def test_q_narrows_all_three_and_is_kept_in_the_links(data):
    assert all(item["verdict"] == "unknown" and item["value"] is None for item in verdicts(data, q="feature:none").values())
    same = verdicts(data, q="feature:shop")
    assert same["fast"]["value"] == 167 and same["fast"]["filter"].startswith("(feature:shop) and (")
    assert len(follow(data, same["fast"])) == 3


def test_without_a_period_before_nothing_is_said(data):
    found = verdicts(data, **{"from": str(T0 - HOUR), "to": str(T0)})
    assert [item["verdict"] for item in found.values()] == ["unknown"] * 3
    assert found["fast"]["value"] == 137 and "objective" in found["fast"]["why"]


def test_nineteen_requests_are_too_few_and_twenty_are_enough(data):
    minute = 60 * 10**9
    few = verdicts(data, **{"from": str(T0), "to": str(T0 + 19 * minute)})
    assert few["fast"]["verdict"] == few["correct"]["verdict"] == "unknown" and few["fast"]["count"] == 19
    enough = verdicts(data, **{"from": str(T0 + 20 * minute), "to": str(T0 + 40 * minute)})
    assert enough["fast"]["count"] == 20 and enough["fast"]["verdict"] != "unknown"


def test_evaluations_go_before_answers_when_there_are_twenty(data):
    about = [{"trace_id": f"{0xf01:016x}{n:016x}", "name": "right", "value": n % 2, "source": "judge"} for n in range(20)]
    post = lambda scores: data.request("POST", "/api/v1/scores", json.dumps({"scores": scores}), {"content-type": JSON})
    assert post(about[:19]).status == 200
    wait_until(lambda: len(data.api("/scores", name="right", limit=100)["items"]) == 19, what="scores")
    assert verdicts(data)["correct"]["metric"] == "success_rate"
    assert post(about[19:]).status == 200
    wait_until(lambda: len(data.api("/scores", name="right", limit=100)["items"]) == 20, what="scores")
    correct = verdicts(data)["correct"]
    assert (correct["metric"], correct["value"], correct["count"]) == ("eval_pass_rate", statistics.mean(n % 2 for n in range(20)), 20)
    assert correct["verdict"] == "unknown" and correct["href"].startswith("/api/v1/scores?")  # none of the hour before


def test_objectives_go_before_the_period_before():
    server = Server(objective__latency_p95="167ms", objective__cost_per_day="0.5", objective__quality="0.5").start()
    try:
        found = verdicts(fill(server))
        assert {name: item["verdict"] for name, item in found.items()} == {"fast": "good", "affordable": "bad", "correct": "good"}
        assert [item["objective"] for item in found.values()] == [167, 0.5, 0.5]
        assert {item["why"] for item in found.values()} == {"against the objective"}
    finally:
        server.kill()
        server.remove()


def test_what_is_wrong_is_said(data):
    assert "did you mean 'from'" in json.dumps(data.api("/verdicts", expect=400, form="x"))
    assert data.api("/verdicts", expect=400, q="cost>")["error"]["message"].startswith("q:")
