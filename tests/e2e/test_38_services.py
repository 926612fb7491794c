"""The service map of a range and of one trace; deploys in the answers of charts.

SPDX-License-Identifier: Apache-2.0"""
import json

import pytest
from conftest import JSON, make_span, wait_until
from test_34_aggregate import is_valid

T0 = 1_780_100_000 * 10**9  # 2026-05-30T00:13:20Z
MINUTE = 60 * 10**9
RANGE = {"from": str(T0), "to": str(T0 + 60 * MINUTE)}
COUNT = 20


def trace_id(n):
    return f"{0x5e0000 + n:032x}"


def parts_of(n):
    """shop -> rag (twice, the second fails in two traces) -> pgvector (outside); shop -> llm "gate way" """
    start, trace = T0 + n * MINUTE, trace_id(n)
    failed = {"code": 2} if n < 2 else None
    return {"shop": [make_span({}, "POST /ask", trace, "01" * 8, start=start, ms=500, kind=2), make_span({}, "own work", trace, "02" * 8, "01" * 8, start, 10)],
            "rag": [make_span({}, "search", trace, "03" * 8, "02" * 8, start, 100 + n), make_span({"peer.service": "pgvector"}, "db", trace, "04" * 8, "03" * 8, start, 50),
                    make_span({"peer.service": "gate way"}, "search again", trace, "05" * 8, "01" * 8, start, 200, status=failed)],
            "gate way": [make_span({"gen_ai.operation.name": "chat"}, "chat", trace, "06" * 8, "01" * 8, start, 300)]}


@pytest.fixture(scope="module")
def data(server):
    for n in range(COUNT):
        for service, spans in parts_of(n).items():
            server.send_spans(*spans, resource={"service.name": service})
    for version, at in (("1.1", -10), ("1.2", 30), ("1.3", 90)):
        event = {"event": "deploy", "service": "shop", "version": version, "ts": T0 / 1e9 + at * 60}
        assert server.request("POST", "/api/v1/events", json.dumps(event), {"content-type": JSON}).status == 200
    wait_until(lambda: server.metric("telltale_spans_settled_total") >= 6 * COUNT, what="settled traces")
    wait_until(lambda: len(server.api("/events", kind="deploy", **{"from": str(T0 - 3600 * 10**9), "to": str(T0 + 7200 * 10**9)})["items"]) == 3, what="deploys")
    return server


def by_ends(answer):
    return {(edge["from"], edge["to"]): edge for edge in answer["edges"]}


def test_one_trace_has_three_services_and_their_edges(data):
    """shows: A14"""
    found = data.api(f"/traces/{trace_id(0)}/services")
    is_valid(data, found, "TraceServices")
    assert {node["name"] for node in found["services"] if node["kind"] == "service"} == {"shop", "rag", "gate way"}
    edges = by_ends(found)
    assert set(edges) == {("shop", "rag"), ("shop", "gate way"), ("rag", "pgvector")}
    assert (edges["shop", "rag"]["calls"], edges["shop", "rag"]["errors"], edges["shop", "rag"]["latency_p95_ms"]) == (2, 1, 200)
    assert edges["rag", "pgvector"]["kind"] == "peer" and edges["rag", "pgvector"]["latency_p95_ms"] == 50


def test_a_range_has_the_calls_of_all_its_traces(data):
    found = data.api("/services", **RANGE)
    is_valid(data, found, "Services")
    nodes = {node["name"]: node for node in found["services"]}
    assert (nodes["shop"]["spans"], nodes["rag"]["spans"], nodes["rag"]["errors"], nodes["pgvector"]["calls"]) == (2 * COUNT, 3 * COUNT, 2, COUNT)
    edges = by_ends(found)
    assert set(edges) == {("shop", "rag"), ("shop", "gate way"), ("rag", "pgvector")} and not found["truncated"]
    rag = edges["shop", "rag"]
    assert (rag["calls"], rag["errors"], rag["error_rate"], rag["latency_p95_ms"]) == (2 * COUNT, 2, pytest.approx(2 / 40), 200)
    assert edges["shop", "gate way"]["calls"] == COUNT == edges["rag", "pgvector"]["calls"]


def test_an_edge_says_by_which_filter_its_calls_are_found(data):
    for edge in data.api("/services", **RANGE)["edges"]:
        spans = data.api("/spans", q=edge["filter"], limit=1000, **RANGE)["items"]
        assert len(spans) == edge["calls"] and sum(span["status"] == "error" for span in spans) == edge["errors"]


def test_only_the_range_and_the_filter_that_are_asked_for_count(data):
    found = data.api("/services", q="-status:error", **{"from": str(T0), "to": str(T0 + 2 * MINUTE)})
    assert by_ends(found)["shop", "rag"]["calls"] == 2
    empty = data.api("/services", **{"from": str(T0 - 60 * MINUTE), "to": str(T0)})
    assert empty["services"] == [] == empty["edges"]
    assert data.api("/services", expect=400, by="service")["error"]["message"].startswith("unknown parameter")
    assert data.api("/traces/ffffffff/services", expect=404)


def test_a_series_has_the_deploys_of_its_range(data):
    for metric in ("latency_p95", "cost", "success_rate"):
        found = data.api("/aggregate", metric=metric, step="10m", **RANGE)
        is_valid(data, found, "Aggregate")
        [marker] = found["markers"]
        assert (marker["kind"], marker["service"], marker["version"]) == ("deploy", "shop", "1.2")
        assert marker["time"].startswith("2026-05-30T00:43:20")
    assert len(data.api("/models", step="1h", **dict(RANGE, to=str(T0 + 91 * MINUTE)))["markers"]) == 2
    assert "markers" not in data.api("/aggregate", metric="count", **RANGE)
