"""Metrics of applications: every name, label and number equals what this file computes from what it sends.

SPDX-License-Identifier: Apache-2.0"""
import collections
import json
import random
import re
import shutil
import subprocess

import pytest
from conftest import BINARY, Server, attributes_of, from_json, make_span, new_span_id, new_trace_id, wait_until
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

PROMTOOL = shutil.which("promtool")
PRICES = {"gpt-4o-mini": (150, 600), "gpt-4o": (2500, 10000)}  # nano-dollars of a token in and out; 75 from the cache of the first
BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1000, 2000, 4000, 8000, 15000, 30000, 60000, 120000, 300000, 600000]
BOUNDS_CHARS = [100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000]
BOUNDS_SCORE = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1]
LINE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parse(text):
    """Prometheus' text as {(name, labels): value} and {name: type}; every line must be well formed."""
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} twice"
            types[name] = kind
        elif not line.startswith("# HELP "):
            found = LINE.match(line)
            assert found, line
            labels = frozenset((k, re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], v)) for k, v in LABEL.findall(found[2] or ""))
            assert (found[1], labels) not in samples, line
            samples[found[1], labels] = float(found[3])
    return samples, types


class Expected:
    """Counters and histograms as the sender knows them."""

    def __init__(self):
        self.counters, self.values = collections.defaultdict(float), collections.defaultdict(list)

    @staticmethod
    def key(name, labels):
        return name, frozenset((k, v) for k, v in labels.items() if v)

    def add(self, name, value=1, /, **labels):
        self.counters[self.key(name, labels)] += value

    def observe(self, name, value, /, **labels):
        self.values[self.key(name, labels)].append(value)

    def samples(self):
        made = {key: round(value, 9) for key, value in self.counters.items()}
        for (name, labels), values in self.values.items():
            bounds = BOUNDS_MS if name.endswith("_ms") else BOUNDS_CHARS if name.endswith("_chars") else BOUNDS_SCORE
            for bound in bounds:
                made[name + "_bucket", labels | {("le", str(bound))}] = sum(value <= bound for value in values)
            made[name + "_bucket", labels | {("le", "+Inf")}] = made[name + "_count", labels] = len(values)
            made[name + "_sum", labels] = round(sum(values), 6)
        return made


class Traffic:
    """Traces of a small RAG application, and what they come to."""

    def __init__(self, seed):
        self.random, self.expected, self.scores, self.spans, self.trace_ids = random.Random(seed), Expected(), [], [], []

    def call(self, root, place, retriever):
        pick, expect = self.random.choice, self.expected
        model, provider, region, version = pick(["gpt-4o-mini", "gpt-4o", "house-model"]), "openai", pick(["eu-west-1", ""]), pick(["v1", "v2"])
        ms, tokens, answer, ttft, queue = self.random.randrange(1, 9000), self.random.randrange(1, 5000), self.random.randrange(1, 900), 40, 7
        read = self.random.randrange(0, tokens) if model == "gpt-4o-mini" else 0
        error, retry, fallback = pick([None, None, None, "RateLimitError", "APITimeoutError", "content_filter", "APIConnectionError"]), pick([0, 0, 2]), pick([False, False, True])
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": model, "region": region,
                      "prompt_version": version, "gen_ai.usage.input_tokens": tokens, "gen_ai.usage.output_tokens": answer,
                      "gen_ai.usage.cache_read.input_tokens": read, "gen_ai.usage.cache_creation.input_tokens": 0,
                      "ttft_ms": ttft, "queue_time_ms": queue, "prompt_length": 250, "response_length": 90 + ms, "refusal_flag": model == "gpt-4o",
                      "parse_ok": region != "", "hallucination_flag": version == "v2", "gen_ai.response.finish_reasons": [pick(["stop", "length"])]}
        attributes = {key: value for key, value in attributes.items() if value != ""}
        call = dict(place, model=model, provider=provider, prompt_version=version)
        if error:
            attributes["error.type"] = error
        if retry:
            attributes["retry_count"] = retry
        if fallback:
            attributes |= {"llm.fallback": True, "llm.fallback.from": "gpt-5", "llm.fallback.reason": "overloaded"}
            expect.add("llm_fallback_model_total", from_model="gpt-5", reason="overloaded", model=model, **place)
        span = make_span(attributes, trace_id=root["traceId"], parent=root["spanId"], ms=ms, status={"code": 2} if error else None)
        expect.observe("llm_request_duration_ms", ms, region=region, **call)
        expect.observe("llm_first_token_latency_ms", ttft, region=region, **call)
        expect.observe("llm_queue_time_ms", queue, **call)
        expect.observe("llm_prompt_chars", 250, **call)
        expect.observe("llm_response_chars", 90 + ms, **call)
        for name, value in (("requests", 1), ("input_tokens", tokens), ("output_tokens", answer), ("cache_read_tokens", read), ("cache_write_tokens", 0)):
            expect.add(f"llm_{name}_total", value, **call)
        if model in PRICES:
            expect.add("llm_estimated_cost_usd_total", ((tokens - read) * PRICES[model][0] + read * 75 + answer * PRICES[model][1]) / 1e9, **call)
        else:
            expect.add("llm_unpriced_calls_total", **call)
        for name, holds in (("refusal_total", model == "gpt-4o"), ("parse_failures_total", region == ""), ("hallucination_flag_total", version == "v2"),
                            ("truncated_total", attributes["gen_ai.response.finish_reasons"] == ["length"]),
                            ("content_filter_total", error == "content_filter")):
            if holds:
                expect.add(f"llm_{name}", **call)
        served = dict(place, model=model, provider=provider)
        if retry:
            expect.add("llm_retry_attempts_total", retry, **served)
        if error:
            expect.add("llm_provider_errors_total", error_type=error, **served)
            expect.add("llm_errors_total", error_type={"RateLimitError": "rate_limit", "APITimeoutError": "timeout", "APIConnectionError": "http"}.get(error, error), **served)
        if error == "APITimeoutError":
            expect.add("llm_provider_timeouts_total", **served)
        self.judge(span, place, model, version, retriever)
        return span

    def judge(self, span, place, model, version, retriever):
        value = self.random.randrange(0, 101) / 100
        about = {"trace_id": span["traceId"], "span_id": span["spanId"]}
        for name in ("faithfulness", "answer_relevance", "groundedness"):
            self.scores.append(about | {"name": name, "value": value, "source": "judge", "judge_model": "judge-1"})
        labels = dict(place, model=model, prompt_version=version, judge_model="judge-1")
        self.expected.observe("llm_eval_faithfulness_score", value, retriever=retriever, **labels)
        self.expected.observe("llm_eval_answer_relevance_score", value, retriever=retriever, **labels)
        self.expected.observe("llm_eval_score", value, name="groundedness", **labels)
        user = self.random.choice(["up", "down", None, "regeneration"])
        if user:
            self.scores.append(about | {"name": "thumbs" if user != "regeneration" else user, "value": user != "down", "source": "user"})
            name = "llm_user_regenerations_total" if user == "regeneration" else f"llm_user_thumbs_{user}_total"
            self.expected.add(name, model=model, prompt_version=version, **place)

    def steps(self, root, place, retriever):
        """Retrieval, reranking, a tool and a guard."""
        pick, expect, made = self.random.choice, self.expected, []

        def step(name, ms, attributes, **more):
            made.append(make_span(attributes, name=name, trace_id=root["traceId"], parent=root["spanId"], ms=ms, kind=1, **more))
            return ms
        ms = [self.random.randrange(1, 700) for _ in range(4)]
        step("retrieval", ms[0], {"gen_ai.operation.name": "retrieval", "rag.retriever": retriever, "index_name": "docs", "index_version": "i3",
                                  "rag.pipeline.version": "p9", "top_k_returned": 5})
        expect.observe("rag_retrieval_duration_ms", ms[0], retriever=retriever, index="docs", retrieval_pipeline_version="p9", **place)
        step("rerank", ms[1], {"gen_ai.operation.name": "rerank", "reranker_model_version": "r2"})
        expect.observe("rerank_duration_ms", ms[1], reranker_model_version="r2", **place)
        tool, failed, denied, turn = pick(["search", "mail"]), pick([False, True]), pick([False, True]), self.random.randrange(1, 9)
        step("execute_tool", ms[2], {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "agent.tool.approval": "denied" if denied else "granted",
                                     "agent.tool.risk": "high", "agent.loop.iteration": turn, **({"error.type": "KeyError"} if failed else {})},
             status={"code": 2} if failed else None)
        expect.observe("tool_call_duration_ms", ms[2], tool=tool, **place)
        expect.add("agent_tool_calls_total", tool=tool, **place)
        expect.add("agent_tool_approval_required_total", tool=tool, risk="high", **place)
        expect.values[expect.key("agent_loop_iterations", place)].append(turn)
        if failed:
            expect.add("agent_tool_errors_total", tool=tool, error_type="KeyError", **place)
        if denied:
            expect.add("agent_tool_denied_total", tool=tool, risk="high", **place)
        passed, blocked = pick([False, True]), pick([False, True])
        step("guardrail", ms[3], {"gen_ai.operation.name": "guardrail", "guardrail.name": "pii", "guardrail.passed": passed, "safety.stage": "input",
                                  "safety.policy_version": "s1", "safety_blocked": blocked})
        expect.observe("guardrail_duration_ms", ms[3], guard="pii", **place)
        expect.add("guardrail_results_total", guard="pii", result="pass" if passed else "fail", **place)
        if blocked:
            expect.add("llm_safety_block_total", stage="input", policy_version="s1", **place)
        for name, metric, value, more in (("recall@5", "rag_recall_at_k", 0.4, {"k": "5"}), ("context_precision", "rag_context_precision", 0.9, {})):
            self.scores.append({"trace_id": root["traceId"], "name": name, "value": value, "source": "code"})
            expect.observe(metric, value, retriever=retriever, index_version="i3", **more, **place)
        return made

    def trace(self):
        place = {"tenant_id": self.random.choice(["acme", "umbrella"]), "feature": self.random.choice(["search", 'a "quoted" \\ one']), "environment": "production"}
        retriever = self.random.choice(["dense", "bm25"])
        root = make_span({"gen_ai.operation.name": "invoke_workflow", "app.tenant_id": place["tenant_id"], "feature": place["feature"],
                          "environment": "production"}, name="request", ms=9500)
        place["project"] = "default"
        self.spans += [root, self.call(root, place, retriever), *self.steps(root, place, retriever)]
        self.trace_ids.append(root["traceId"])


def send_scores(server, scores):
    answer = server.request("POST", "/api/v1/scores", json.dumps(scores), {"content-type": "application/json"})
    assert answer.status == 200 and answer.json["rejected"] == 0, answer


@pytest.fixture(scope="module")
def traffic():
    """A server with 40 traces; a third of the scores came before their traces, a third while these were open, a third late."""
    server, made = Server().start(), Traffic(39)
    for _ in range(40):
        made.trace()
    send_scores(server, made.scores[0::3])
    server.send_spans(*made.spans)
    send_scores(server, made.scores[1::3])
    wait_until(lambda: server.metric("telltale_spans_settled_total") == len(made.spans), what="settled spans")
    send_scores(server, made.scores[2::3])
    wait_until(lambda: server.metric("telltale_drain_scores_total") == len(made.scores)
               and server.metric("telltale_application_scores_waiting") == 0, what="joined scores")
    made.server = server
    yield made
    server.stop()
    server.remove()


def test_every_number_under_every_label_is_the_one_computed_here(traffic):
    """shows: F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24
    F30 F32 F35 F36 F37 F39"""
    expected = traffic.expected.samples()
    names = {name for name, _ in expected} - {"agent_loop_iterations_bucket"}

    def look():
        samples, _ = parse(traffic.server.request("GET", "/metrics?part=application").text)
        return samples if sum(v for (name, _), v in samples.items() if name == "llm_eval_score_count") == 40 else None
    samples = wait_until(look, what="all scores")
    got = {key: value for key, value in samples.items() if key[0] in names}
    wanted = {key: value for key, value in expected.items() if key[0] in names}
    assert {key: (got.get(key), wanted.get(key)) for key in got.keys() | wanted.keys() if got.get(key) != pytest.approx(wanted.get(key), abs=1e-9)} == {}
    assert len(wanted) > 1000


def test_turns_of_a_request_are_its_largest(traffic):
    """shows: F25"""
    samples, types = parse(traffic.server.request("GET", "/metrics").text)
    turns = [value for (name, _), values in traffic.expected.values.items() if name == "agent_loop_iterations" for value in values]
    assert types["agent_loop_iterations"] == "histogram"
    total = {suffix: sum(v for (name, _), v in samples.items() if name == "agent_loop_iterations" + suffix) for suffix in ("_count", "_sum")}
    assert total == {"_count": len(turns), "_sum": sum(turns)}
    at_most_3 = sum(v for (name, labels), v in samples.items() if name == "agent_loop_iterations_bucket" and ("le", "3") in labels)
    assert at_most_3 == sum(turn <= 3 for turn in turns)


def test_the_page_agrees_with_the_aggregates(traffic):
    """What Prometheus is told is what the query language answers."""
    samples, _ = parse(traffic.server.request("GET", "/metrics").text)

    def total(name):
        return sum(v for (key, _), v in samples.items() if key == name)
    pairs = {"model_calls": "llm_requests_total", "input_tokens": "llm_input_tokens_total", "output_tokens": "llm_output_tokens_total", "cost": "llm_estimated_cost_usd_total",
             "unpriced": "llm_unpriced_calls_total", "timeouts": "llm_provider_timeouts_total", "tool_calls": "agent_tool_calls_total",
             "tool_errors": "agent_tool_errors_total", "refusals": "llm_refusal_total", "truncated": "llm_truncated_total", "fallbacks": "llm_fallback_model_total",
             "parse_failures": "llm_parse_failures_total", "hallucinations": "llm_hallucination_flag_total", "regenerations": "llm_user_regenerations_total",
             "thumbs_down": "llm_user_thumbs_down_total", "sender_retries": "llm_retry_attempts_total", "content_filters": "llm_content_filter_total",
             "approvals_denied": "agent_tool_denied_total", "safety_blocks": "llm_safety_block_total"}
    values = traffic.server.api("/aggregate", metric=",".join(pairs))["items"][0]["values"]
    for metric, name in pairs.items():
        asked = values["cost_usd" if metric == "cost" else metric]
        assert total(name) == pytest.approx(float(asked), abs=1e-9), metric
        assert total(name) > 0, metric


@pytest.mark.skipif(not PROMTOOL, reason="Debian's package prometheus is not installed: tools/setup does it")
def test_promtool_complains_of_nothing_but_the_given_unit(traffic):
    """shows: F2 F5"""
    text = traffic.server.request("GET", "/metrics").body
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, timeout=30, check=False)
    lines = (done.stdout + done.stderr).decode().splitlines()
    # the names end in _ms as they were specified; promtool would have seconds
    assert [line for line in lines if not re.fullmatch(r'\w+_ms metric names should not contain abbreviated units', line)] == []


def test_a_later_version_of_a_span_adds_what_grew(traffic):
    server, trace, span = traffic.server, new_trace_id(), new_span_id()

    def total(name):
        samples, _ = parse(server.request("GET", "/metrics?part=application").text)
        return sum(v for (key, labels), v in samples.items() if key == name and ("feature", "late") in labels)

    def send(tokens):
        made = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "feature": "late", "gen_ai.usage.input_tokens": tokens}
        server.send_spans(make_span(made, trace_id=trace, span_id=span))
    send(100)
    wait_until(lambda: total("llm_input_tokens_total") == 100, what="the first version")
    send(130)
    wait_until(lambda: total("llm_input_tokens_total") == 130, what="the second version")
    before = server.metric("telltale_traces_late_total")
    send(90)
    wait_until(lambda: server.metric("telltale_traces_late_total") > before, what="the third version")
    assert total("llm_input_tokens_total") == 130 and total("llm_requests_total") == 1


def test_too_many_values_of_a_label_become_other_and_are_counted():
    server = Server(metrics__values=3, metrics__series=50).start()
    try:
        server.send_spans(*[make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": f"model-{i}", "gen_ai.usage.input_tokens": 1}) for i in range(3)])
        wait_until(lambda: server.metric("llm_requests_total") == 3, what="three models")
        assert server.metric("telltale_application_labels_overflow_total") == 0
        server.send_spans(*[make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": f"more-{i}", "gen_ai.usage.input_tokens": 1}) for i in range(200)])
        wait_until(lambda: server.metric("llm_requests_total") == 203, what="200 more")
        samples, _ = parse(server.request("GET", "/metrics?part=application").text)
        models = {dict(labels)["model"]: v for (name, labels), v in samples.items() if name == "llm_input_tokens_total"}
        assert models.pop("other") == 200 and set(models.values()) == {1} and len(models) == 3
        assert server.metric("telltale_application_labels_overflow_total") >= 200
    finally:
        server.stop()
        server.remove()


def test_a_key_sees_the_metrics_of_its_own_project():
    server = Server(auth__mode="on").start()
    try:
        keys = {project: {"authorization": "Bearer " + server.create_key(project, "ingest,read")} for project in ("one", "two")}
        server.headers = {"authorization": f"Bearer {server.first_key}"}

        def page(project):
            return server.request("GET", "/metrics?part=application", headers=keys[project])
        wait_until(lambda: page("two").status == 200, what="the keys")
        for project, model in (("one", "model-of-one"), ("two", "model-of-two")):
            server.send_spans(make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": model}), headers=keys[project])
        wait_until(lambda: "model-of-one" in page("one").text and "model-of-two" in page("two").text, what="both")
        assert "model-of-two" not in page("one").text and "model-of-one" not in page("two").text
        assert "telltale_up_seconds" not in page("one").text
        own = server.request("GET", "/metrics?part=server", headers=keys["one"])
        assert "telltale_up_seconds" in own.text and "llm_" not in own.text
        wrong = server.request("GET", "/metrics?part=all", headers=keys["one"])
        assert wrong.status == 400 and "server or application" in wrong.text
        no_read = {"authorization": "Bearer " + server.create_key("one", "ingest")}
        wait_until(lambda: server.request("GET", "/metrics", headers=no_read).status == 403, what="the key without read")
    finally:
        server.stop()
        server.remove()


def test_counters_begin_anew_with_the_process_and_nothing_is_counted_twice():
    """A scraper takes the fall to zero for a restart; what had settled before is not counted again."""
    server = Server().start()
    try:
        spans = [make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}) for _ in range(5)]
        server.send_spans(*spans)
        wait_until(lambda: server.metric("llm_requests_total") == 5, what="five calls")
        server.stop()
        server.start()
        server.send_spans(*[make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}) for _ in range(2)])
        wait_until(lambda: server.metric("telltale_store_spans") == 7, what="seven spans")
        assert wait_until(lambda: server.metric("llm_requests_total"), what="calls") == 2
    finally:
        server.stop()
        server.remove()


def test_as_otlp_the_numbers_are_the_same(traffic):
    message = from_json(traffic.server.request("GET", "/api/v1/metrics/otlp").json, "metrics")
    again = metrics_service_pb2.ExportMetricsServiceRequest.FromString(message.SerializeToString())
    metrics = {m.name: m for m in again.resource_metrics[0].scope_metrics[0].metrics}
    samples, types = parse(traffic.server.request("GET", "/metrics?part=application").text)
    assert set(metrics) == set(types)
    tokens = metrics["llm_input_tokens_total"].sum
    assert tokens.is_monotonic and tokens.aggregation_temporality == 2 and metrics["llm_input_tokens_total"].unit == "{token}"
    got = {frozenset((a.key, a.value.string_value) for a in point.attributes): point.as_int for point in tokens.data_points}
    assert got == {labels: v for (name, labels), v in samples.items() if name == "llm_input_tokens_total"}
    for point in metrics["llm_request_duration_ms"].histogram.data_points:
        labels = frozenset((a.key, a.value.string_value) for a in point.attributes)
        assert list(point.explicit_bounds) == BOUNDS_MS and sum(point.bucket_counts) == point.count
        assert point.count == samples["llm_request_duration_ms_count", labels] and point.sum == samples["llm_request_duration_ms_sum", labels]
        assert point.start_time_unix_nano < point.time_unix_nano


# ---- metrics that senders sent ----

START = 1763700000 * 10**9
GPT = "gen_ai.request.model:gpt-4o"
MINUTE = 60 * 10**9


def metric_request(service, *metrics):
    return from_json({"resourceMetrics": [{"resource": {"attributes": attributes_of({"service.name": service})},
                                           "scopeMetrics": [{"scope": {"name": "e2e"}, "metrics": list(metrics)}]}]}, "metrics")


def point(minute, attributes=None, start=START, **more):
    return {"timeUnixNano": str(START + minute * MINUTE), "startTimeUnixNano": str(start), "attributes": attributes_of(attributes or {}), **more}


def histogram_point(minute, counts, total, attributes, **more):
    return point(minute, attributes, bucketCounts=[str(c) for c in counts], explicitBounds=[0.1, 0.5, 2.0], count=str(sum(counts)), sum=total, **more)


def exponential_point(minute, scale, offset, counts, zero=0, **more):
    return point(minute, {}, scale=scale, zeroCount=str(zero), positive={"offset": offset, "bucketCounts": [str(c) for c in counts]},
                 count=str(sum(counts) + zero), sum=float(sum(counts)), **more)


@pytest.fixture(scope="module", params=["duckdb", "memory"])
def metered(request):
    """A server of each store with points of the GenAI conventions, counters that were reset, gauges, both kinds of histograms."""
    server = Server(store__kind=request.param).start()
    model, tokens = {"gen_ai.request.model": "gpt-4o"}, {"gen_ai.request.model": "gpt-4o-mini"}
    server.send(metric_request(
        "shop",
        {"name": "gen_ai.client.token.usage", "unit": "{token}", "histogram": {"aggregationTemporality": 1, "dataPoints": [
            histogram_point(1, [2, 1, 1, 0], 4.5, model | {"gen_ai.token.type": "input"}), histogram_point(2, [0, 0, 0, 1], 7.5, model | {"gen_ai.token.type": "output"})]}},
        {"name": "gen_ai.client.operation.duration", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            histogram_point(1, [10, 0, 0, 0], 0.5, model), histogram_point(2, [10, 8, 0, 0], 3.5, model), histogram_point(3, [10, 8, 2, 0], 5.5, model),
            histogram_point(2, [1, 0, 0, 0], 0.05, tokens, start=START + 90 * 10**9)]}},
        {"name": "requests", "unit": "{request}", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [
            point(0, asInt="100"), point(1, asInt="160"), point(2, asInt="190"), point(3, asInt="30", start=START + 150 * 10**9), point(4, asInt="50", start=START + 150 * 10**9)]}},
        {"name": "deltas", "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point(1, asInt="7"), point(2, asInt="5")]}},
        {"name": "queue", "gauge": {"dataPoints": [point(1, {"pod": "a"}, asDouble=4.0), point(2, {"pod": "a"}, asDouble=8.0), point(2, {"pod": "b", "n": 7}, asDouble=1.0)]}},
        {"name": "exp", "unit": "ms", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
            exponential_point(1, 1, 0, [2, 2]), exponential_point(2, 1, 0, [2, 2, 4, 4]), exponential_point(3, 0, 0, [4, 108])]}},
        {"name": "sizes", "summary": {"dataPoints": [point(1, count="4", sum=10.0, quantileValues=[{"quantile": 0.5, "value": 2.0}])]}},
    ), "metrics")
    server.send(metric_request("other", {"name": "queue", "gauge": {"dataPoints": [point(3, {"pod": "a"}, asInt="2")]}}), "metrics")
    server.send_spans(make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 11}))
    wait_until(lambda: server.metric("telltale_drain_metric_points_total") == 21 and server.metric("llm_requests_total") and len(server.api("/metrics", **{"from": "2025-11-01T00:00:00Z"})["items"]) == 7, what="the points")
    yield server
    server.stop()
    server.remove()


def ask(server, metric, expect=200, minutes=(0.5, 10), **params):
    when = {"from": str(START + int(minutes[0] * MINUTE)), "to": str(START + int(minutes[1] * MINUTE))}
    return server.api("/metrics/query", metric=metric, expect=expect, **when, **params)


def rows(server, metric, **params):
    return [(tuple(row["by"].values()), row["value"]) for row in ask(server, metric, **params)["items"]]


def test_the_list_says_what_there_is(metered):
    """shows: F41"""
    items = {item["name"]: item for item in metered.api("/metrics", **{"from": "2025-11-01T00:00:00Z"})["items"]}
    usage = items["gen_ai.client.token.usage"]
    assert usage == {"name": "gen_ai.client.token.usage", "type": "histogram", "unit": "{token}", "temporality": "delta", "monotonic": None,
                     "services": ["shop"], "attributes": ["gen_ai.request.model", "gen_ai.token.type"], "points": 2,
                     "first_time": "2025-11-21T04:41:00.000000000Z", "last_time": "2025-11-21T04:42:00.000000000Z"}
    assert {name: item["type"] for name, item in items.items()} == {
        "gen_ai.client.token.usage": "histogram", "gen_ai.client.operation.duration": "histogram", "requests": "sum", "deltas": "sum",
        "queue": "gauge", "exp": "exponential_histogram", "sizes": "summary"}
    assert items["requests"]["monotonic"] is True and items["requests"]["temporality"] == "cumulative"
    assert items["queue"]["services"] == ["other", "shop"] and items["queue"]["points"] == 4
    only = metered.api("/metrics", prefix="gen_ai.", **{"from": "2025-11-01T00:00:00Z"})["items"]
    assert [item["name"] for item in only] == ["gen_ai.client.operation.duration", "gen_ai.client.token.usage"]
    assert metered.api("/metrics")["items"] == []


def test_a_clients_metrics_are_charted_and_not_added_to_computed_ones(metered):
    """shows: F41"""
    assert rows(metered, "gen_ai.client.token.usage", op="sum", by="gen_ai.token.type") == [(("output",), 7.5), (("input",), 4.5)]
    steps = ask(metered, "gen_ai.client.operation.duration", op="count", by="gen_ai.request.model", step="1m", minutes=(-1, 10))
    assert [(row["time"][14:16], row["by"]["gen_ai.request.model"], row["value"]) for row in steps["items"]] == [
        ("41", "gpt-4o", 10), ("42", "gpt-4o", 8), ("42", "gpt-4o-mini", 1), ("43", "gpt-4o", 2)]
    assert metered.metric("llm_input_tokens_total") == 11
    whole = metered.api("/aggregate", metric="input_tokens,model_calls", **{"from": "2025-11-01T00:00:00Z"})["items"]
    assert whole[0]["values"] == {"input_tokens": 11, "model_calls": 1}


def test_a_cumulative_counter_counts_its_growth_and_knows_a_reset(metered):
    # from 100: +60 +30, then anew from 0: +30 +20; without what was before the first point
    assert rows(metered, "requests", op="sum") == [((), 140)]
    assert [row["value"] for row in ask(metered, "requests", op="sum", step="1m")["items"]] == [60, 30, 30, 20]
    assert [row["value"] for row in ask(metered, "requests", step="1m", minutes=(1, 10))["items"]] == [1, 0.5, 0.5, pytest.approx(1 / 3)]
    assert ask(metered, "requests")["op"] == "rate"
    assert rows(metered, "requests", op="sum", minutes=(-1, 10)) == [((), 240)]  # its series began in the range


def test_a_delta_adds_up(metered):
    assert rows(metered, "deltas", op="sum") == [((), 12)]
    assert rows(metered, "deltas", op="sum", minutes=(1.5, 10)) == [((), 5)]


def test_gauges_have_means_bounds_and_last_values(metered):
    assert rows(metered, "queue") == [((), 3.75)]
    for op, value in {"avg": 3.75, "min": 1, "max": 8, "last": 2, "count": 4, "sum": 8 + 1 + 2}.items():
        assert rows(metered, "queue", op=op) == [((), value)], op
    assert rows(metered, "queue", op="max", by="service,pod") == [(("shop", "a"), 8), (("other", "a"), 2), (("shop", "b"), 1)]
    assert rows(metered, "queue", op="count", by="n") == [((None,), 3), (("7",), 1)]
    assert rows(metered, "queue", op="count", q="service:shop pod:a") == [((), 2)]
    assert rows(metered, "queue", op="count", q="pod:nobody") == []


def test_percentiles_of_histograms_are_of_their_growth(metered):
    name = "gen_ai.client.operation.duration"
    # gpt-4o: 10 in (0, 0.1], 8 in (0.1, 0.5], 2 in (0.5, 2]; rank 10 of 20 is the end of the first, rank 19 the middle of the last
    assert rows(metered, name, op="p50", minutes=(-1, 10), q=GPT) == [((), pytest.approx(0.1))]
    assert rows(metered, name, op="p95", minutes=(-1, 10), q=GPT) == [((), pytest.approx(1.25))]
    assert rows(metered, name, op="p70", minutes=(-1, 10), q=GPT) == [((), pytest.approx(0.3))]
    assert rows(metered, name, minutes=(-1, 10), q=GPT) == [((), pytest.approx(5.5 / 20))]
    # after the second minute 8 are in the second bucket: the first ones were before
    assert rows(metered, name, op="p50", minutes=(1.5, 2.5), q=GPT) == [((), pytest.approx(0.3))]
    # scale 1: bounds 1, 1.41, 2, 2.83, 4; 2 2 4 4 by the second minute; half of 12 is half way, by ratio, in (2, 2.83]
    assert rows(metered, "exp", op="p50", minutes=(-1, 2.5)) == [((), pytest.approx(2 * 2 ** 0.25))]
    # then scale 0: of (1, 2] 4 and of (2, 4] 8 were there before; 100 more in (2, 4]
    assert rows(metered, "exp", op="p50", minutes=(2.5, 10)) == [((), pytest.approx(2 * 2 ** 0.5))]
    assert rows(metered, "exp", op="count", minutes=(2.5, 10)) == [((), 100)]
    assert rows(metered, "sizes", op="avg", minutes=(-1, 10)) == [((), 2.5)]


@pytest.mark.parametrize("params, message, hint", [
    ({"metric": "queue", "op": "rate"}, "not for points of this type", "avg, min, max"), ({"metric": "sizes", "op": "p50"}, "not for points of this type", "of a summary"),
    ({"metric": "requests", "op": "p50"}, "not for points of this type", "rate and sum"), ({"metric": "requests", "op": "mean"}, "op: must be", ""),
    ({"metric": "requests", "op": "p101"}, "op: must be", ""), ({"metric": ""}, "name of a metric is missing", "/api/v1/metrics"), ({"metric": "queue", "by": "a,b,c,d,e"}, "at most 4", ""),
    ({"metric": "queue", "q": "any(pod:a)"}, "q: ", ""), ({"metric": "queue", "q": "hello"}, "has no '", "attributes"), ({"metric": "queue", "q": "pod:("}, "q: ", ""), ({"metric": "queue", "step": "1ms"}, "1s or more", ""), ({"metric": "queue", "bi": "x"}, "unknown parameter", "by"),
    ({"metric": "queue", "limit": "0"}, "limit", "")])
def test_a_wrong_question_is_answered_with_help(metered, params, message, hint):
    answer = ask(metered, expect=413 if "at most" in message else 400, **params)
    assert message in answer["error"]["message"] and hint in (answer["error"]["hint"] or ""), answer


def test_telltale_metrics_shows_both(metered):
    def run(*arguments):
        done = subprocess.run([BINARY, "metrics", f"--server=http://127.0.0.1:{metered.api_port}", *arguments], capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr
    status, text = run("--from=2025-11-01T00:00:00Z")
    assert status == 0 and re.search(r"gen_ai\.client\.token\.usage +histogram +\{token\} +2 ", text), text
    status, text = run("queue", "--op=max", "--by=pod", "--from=2025-11-01T00:00:00Z")
    assert status == 0 and re.search(r"^pod +max \(.+\) +POINTS$", text, re.M) and re.search(r"^a +8 +3$", text, re.M), text
    status, text = run("queue", "--op=rate", "--from=2025-11-01T00:00:00Z")
    assert status == 1 and "of a gauge there are" in text
    status, text = run("--op=rate")
    assert status == 2 and "about one metric" in text
    status, text = run()
    assert status == 0 and "no metric points match" in text


def test_points_are_seen_by_their_project_alone_and_by_no_tenants_key():
    server = Server(auth__mode="on").start()
    try:
        keys = {project: {"authorization": "Bearer " + server.create_key(project, "ingest,read")} for project in ("one", "two")}
        server.headers = {"authorization": f"Bearer {server.first_key}"}
        made = subprocess.run([BINARY, "key", "create", f"--data_dir={server.data_dir}", "--project=one", "--tenant=acme", "--permissions=ingest,read", "--json"],
                              capture_output=True, text=True, check=True)
        bound = {"authorization": "Bearer " + json.loads(made.stdout)["token"]}
        wait_until(lambda: server.request("GET", "/metrics", headers=bound).status == 200, what="the keys")
        gauge = metric_request("shop", {"name": "secret.gauge", "gauge": {"dataPoints": [point(1, {"tenant_id": "acme"}, asDouble=1.0)]}})
        server.send(gauge, "metrics", headers=keys["one"])
        since = {"from": "2025-11-01T00:00:00Z"}
        wait_until(lambda: server.api("/metrics", headers=keys["one"], **since)["items"], what="the point")
        for who in (keys["two"], bound):
            assert server.api("/metrics", headers=who, **since)["items"] == []
            assert server.api("/metrics/query", headers=who, metric="secret.gauge", **since)["items"] == []
    finally:
        server.stop()
        server.remove()
