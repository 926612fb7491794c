"""The dashboards of contrib/grafana, every expression of theirs asked of a real Prometheus that scraped a real server.

Grafana itself comes neither from Debian nor as a package of npm or PyPI, so nothing here draws them.

SPDX-License-Identifier: Apache-2.0"""
import glob
import json
import math
import os
import re

import pytest
from conftest import ROOT, Server, wait_until
from test_31_metrics import PROMETHEUS, PROMTOOL, scraping
from test_39_prometheus import Traffic, send_scores

pytestmark = pytest.mark.skipif(not (PROMTOOL and PROMETHEUS), reason="Debian's package prometheus is not installed: tools/setup does it")
FILES = sorted(glob.glob(os.path.join(ROOT, "contrib/grafana/*.json")))
KINDS = {"timeseries", "stat", "bargauge"}
OPINIONS = {"rating": 4, "correction": 1, "regeneration": 1}
OUTCOMES = ("escalation", "resolution", "conversion")


def load(path):
    with open(path, encoding="utf-8") as text:
        return json.load(text)


def expressions(board):
    return [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel["targets"]]


def send(server):
    """The traffic of the other test, with every opinion and outcome."""
    made, before = Traffic(39), server.metric("telltale_spans_settled_total")
    for _ in range(20):
        made.trace()
    for trace in made.trace_ids[:3]:
        made.scores += [{"trace_id": trace, "name": name, "value": value, "source": "user"} for name, value in OPINIONS.items()]
        made.scores += [{"trace_id": trace, "name": name, "value": True, "source": "outcome"} for name in OUTCOMES]
    send_scores(server, made.scores)
    server.send_spans(*made.spans)
    wait_until(lambda: server.metric("telltale_spans_settled_total") == before + len(made.spans), what="settled spans")
    wait_until(lambda: server.metric("telltale_application_scores_waiting") == 0, what="joined scores")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """Has seen every series grow."""
    server = Server().start()
    try:
        with scraping(server, tmp_path_factory.mktemp("prometheus")) as ask:
            def total():
                found = ask("query", query="sum(llm_requests_total)")["result"]
                return float(found[0]["value"][1]) if found else 0
            for calls in (20, 40):
                send(server)
                wait_until(lambda calls=calls: total() == calls, 20, f"{calls} calls in Prometheus")
            yield ask
    finally:
        server.stop()
        server.remove()


def filled(expr):
    """As Grafana asks it with every variable at All."""
    expr = re.sub(r"\$__rate_interval", "1m", expr)
    expr = re.sub(r"\$__range\b", "5m", expr)
    return re.sub(r"\$(project|tenant|feature|environment)\b", ".*", expr)


@pytest.mark.parametrize("path", FILES, ids=os.path.basename)
def test_a_dashboard_is_whole(path):
    board = load(path)
    assert board["uid"].startswith("telltale-") and board["title"].startswith("Telltale: ") and board["panels"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "project", "tenant", "feature", "environment"]
    places = set()
    for panel in board["panels"]:
        assert panel["type"] in KINDS and panel["title"] and panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        assert not places & cells, panel["title"]
        places |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    for title, expr in expressions(board):
        assert "$" not in filled(expr), (title, expr)
    assert len({load(other)["uid"] for other in FILES}) == len(FILES) == 4


@pytest.mark.parametrize("path", FILES, ids=os.path.basename)
def test_every_expression_of_a_dashboard_has_an_answer_in_prometheus(prometheus, path):
    """shows: R13"""
    empty = []
    for title, expr in expressions(load(path)):
        values = [float(item["value"][1]) for item in prometheus("query", query=filled(expr))["result"]]
        if not any(math.isfinite(value) for value in values):
            empty.append((title, expr, values))
    assert empty == []


@pytest.mark.parametrize("path", FILES, ids=os.path.basename)
def test_the_variables_have_values(prometheus, path):
    for variable in load(path)["templating"]["list"][1:]:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
        assert prometheus(f"label/{label}/values", **{"match[]": metric}), variable["name"]


def test_numbers_of_the_panels_are_those_of_the_traffic(prometheus):
    made = Traffic(39)
    for _ in range(20):
        made.trace()
    expected = made.expected.samples()

    def sent(name):
        return sum(value for (key, _), value in expected.items() if key == name)

    def value(query):
        return float(prometheus("query", query=query)["result"][0]["value"][1])
    for name in ("llm_requests_total", "llm_input_tokens_total", "llm_output_tokens_total", "llm_estimated_cost_usd_total"):
        assert value(f"sum({name})") == pytest.approx(2 * sent(name)), name
    assert value("sum(llm_input_tokens_total) / sum(llm_requests_total)") == pytest.approx(sent("llm_input_tokens_total") / 20)
    assert value("sum(llm_estimated_cost_usd_total) / sum(llm_requests_total)") == pytest.approx(sent("llm_estimated_cost_usd_total") / 20)
    mean = "sum(llm_request_duration_ms_sum) / sum(llm_request_duration_ms_count)"
    assert value(mean) == pytest.approx(sent("llm_request_duration_ms_sum") / 20)
    errors = 'sum(llm_provider_errors_total{provider="openai"}) / sum(llm_requests_total{provider="openai"})'
    assert value(errors) == pytest.approx(sent("llm_provider_errors_total") / 20)
    durations = sorted(ms for (name, _), values in made.expected.values.items() if name == "llm_request_duration_ms" for ms in values)
    bounds = [0, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 4000, 8000, 15000]
    for share in (0.5, 0.95):
        exact = durations[math.ceil(share * len(durations)) - 1]
        near = value(f"histogram_quantile({share}, sum by (le) (llm_request_duration_ms_bucket))")
        at = next(i for i, bound in enumerate(bounds) if exact <= bound)
        assert bounds[max(at - 1, 0)] <= near <= bounds[at], share
