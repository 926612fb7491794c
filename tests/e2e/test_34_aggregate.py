"""Numbers: metrics by dimensions, compared, the largest and the rest, projected; sessions, users, retrieval, prompts, models.

SPDX-License-Identifier: Apache-2.0"""
import json
import statistics
import time
import urllib.parse

import pytest
from conftest import JSON, make_span, new_span_id, new_trace_id, wait_until
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

T0 = 1_780_000_000 * 10**9  # 2026-05-28T20:26:40Z
RANGE = {"from": "2026-05-28T20:00:00Z", "to": "2026-05-28T22:00:00Z"}
PRICES = {"gpt-4o-mini": (0.15e-6, 0.6e-6), "gpt-4o": (2.5e-6, 10e-6)}
COUNT = 48


def facts(n):
    """What call `n` has; None: its sender does not say."""
    return {"model": ["gpt-4o-mini", "gpt-4o"][n % 2], "in": 100 + 7 * n, "out": 10 + n, "latency": 100 + 37 * n % 1000, "user": f"user {n % 5}",
            "session": f"chat/{n % 8}", "refused": [True, False, None][n % 3], "error": n % 12 == 11, "version": ["v1", "v2"][n // 24],
            "release": "1.4" if n < 24 else "1.5", "start": T0 + n * 60 * 10**9, "score": n % 4 / 4, "thumb": [True, False, None][n % 3]}


FACTS = [facts(n) for n in range(COUNT)]


def trace_of(n):
    f, trace_id, root, call = FACTS[n], f"{0xdef0000 + n:032x}", f"{0x1000 + n:016x}", f"{0x2000 + n:016x}"
    who = {"user.id": f["user"], "session.id": f["session"], "service.version": f["release"]}
    ask = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": f["model"], "gen_ai.usage.input_tokens": f["in"],
           "gen_ai.usage.output_tokens": f["out"], "llm.prompt.version": f["version"], "prompt_template_id": "support", "x.size": n, **who}
    if f["refused"] is not None:
        ask["refusal_flag"] = f["refused"]
    failed = {"code": 2, "message": "failed"} if f["error"] else None
    found = {"rag.retriever": ["bm25", "dense"][n % 2], "rag.top_k.requested": 10, "rag.top_k.returned": 0 if n % 6 == 0 else n % 6,
             "openinference.span.kind": "RETRIEVER", "rag.index.version": f"i{n % 3}", **who}
    return [make_span(who, "POST /ask", trace_id, root, start=f["start"], ms=f["latency"] + 60, kind=2),
            make_span(found, "retrieve", trace_id, f"{0x3000 + n:016x}", root, f["start"] + 10**6, 10 + n),
            make_span(ask, "chat", trace_id, call, root, f["start"] + 50 * 10**6, f["latency"], status=failed)]


def cost(f):
    return f["in"] * PRICES[f["model"]][0] + f["out"] * PRICES[f["model"]][1]


@pytest.fixture(scope="module")
def data(server):
    """48 traces of a request, a retrieval and a model call; scores by a judge and by users."""
    server.send_spans(*[span for n in range(COUNT) for span in trace_of(n)])
    scores = []
    for n, f in enumerate(FACTS):
        about = {"trace_id": f"{0xdef0000 + n:032x}"}
        scores.append({**about, "name": "tone", "value": f["score"], "source": "judge"})
        if f["thumb"] is not None:
            scores.append({**about, "name": "thumb", "value": f["thumb"], "source": "user"})
    assert server.request("POST", "/api/v1/scores", json.dumps({"scores": scores}), {"content-type": JSON}).status == 200
    wait_until(lambda: len(server.api("/traces", limit=1000, **RANGE)["items"]) == COUNT, what="the traces")
    wait_until(lambda: len(server.api("/scores", limit=1000, name="thumb", source="user")["items"]) == 32, what="the scores")
    wait_until(lambda: server.metric("telltale_spans_settled_total") >= 3 * COUNT, what="settled traces")
    return server


def one(data, metric, **params):
    [item] = data.api("/aggregate", metric=metric, **{**RANGE, **params})["items"]
    return item


def is_valid(data, answer, schema):
    document = data.api("/openapi.json")
    registry = Registry().with_resource("urn:api", Resource.from_contents(document, default_specification=DRAFT202012))
    Draft202012Validator({"$ref": f"urn:api#/components/schemas/{schema}"}, registry=registry).validate(answer)


def rank(values, share):
    """The smallest value that at least `share` of them does not exceed."""
    values = sorted(values)
    return values[max(-(-len(values) * share // 100), 1) - 1]


# ---- metrics ----

def test_rates_leave_out_what_is_unknown_and_say_how_much_that_is(data):
    """shows: F32"""
    item = one(data, "refusals,refusal_rate,error_rate,call_error_rate")
    assert item["values"]["refusals"] == 16 and item["values"]["refusal_rate"] == 0.5
    assert item["unknown"] == {"refusal_rate": 16}
    assert item["values"]["call_error_rate"] == pytest.approx(4 / COUNT) and item["values"]["error_rate"] == pytest.approx(4 / (3 * COUNT))
    none = one(data, "refusal_rate,hallucination_rate,queue_p95", q="step:retrieval")
    assert none["values"] == {"refusal_rate": None, "hallucination_rate": None, "queue_p95_ms": None}


def test_percentiles_are_exact_for_any_share_and_field(data):
    """shows: F26"""
    latencies = [f["latency"] for f in FACTS]
    wanted = {f"p{share}(latency)": rank(latencies, share) for share in (1, 10, 33, 50, 75, 90, 95, 99, 100)}
    values = one(data, ",".join([*wanted, "p90(x.size)", "avg(latency)", "max(x.size)", "sum(x.size)"]), q="step:model")["values"]
    assert {name: values[name] for name in wanted} == wanted
    assert values["p90(x.size)"] == rank(range(COUNT), 90) and values["avg(latency)"] == pytest.approx(statistics.mean(latencies))
    assert values["max(x.size)"] == COUNT - 1 and values["sum(x.size)"] == sum(range(COUNT))


def test_cost_by_answer_user_and_part(data):
    """shows: F29 G10"""
    values = one(data, "cost,cost_per_call,cost_per_trace,cost_per_user,cost_per_success,cost_per_pass,cost_input_fresh,cost_output_text,successes")["values"]
    total = sum(map(cost, FACTS))
    good = sum(not f["error"] and f["refused"] is not True for f in FACTS)
    passing = sum(f["score"] >= 0.5 for f in FACTS)
    close = {"abs": 1e-9}
    assert values["successes"] == good and values["cost_usd"] == pytest.approx(total, **close)
    assert values["cost_per_call_usd"] == pytest.approx(total / COUNT, **close) == values["cost_per_trace_usd"]
    assert values["cost_per_user_usd"] == pytest.approx(total / 5, **close)
    assert values["cost_per_success_usd"] == pytest.approx(total / good, **close)
    assert values["cost_per_pass_usd"] == pytest.approx(total / passing, **close)  # every trace is evaluated
    assert values["cost_input_fresh_usd"] + values["cost_output_text_usd"] == pytest.approx(values["cost_usd"], abs=1e-8)


def test_throughput_and_tokens_a_day(data):
    """shows: F27 F28"""
    values = one(data, "requests_per_second,tokens_per_day,input_tokens_per_call,output_tokens_per_call,token_throughput")["values"]
    tokens = sum(f["in"] + f["out"] for f in FACTS)
    assert values["requests_per_second"] == pytest.approx(COUNT / 7200) and values["token_throughput"] == pytest.approx(tokens / 7200)
    assert values["tokens_per_day"] == pytest.approx(tokens * 12)
    assert values["input_tokens_per_call"] == pytest.approx(statistics.mean(f["in"] for f in FACTS))
    assert values["output_tokens_per_call"] == pytest.approx(statistics.mean(f["out"] for f in FACTS))


def test_scores_are_numbers_of_the_spans_that_they_name(data):
    items = data.api("/aggregate", metric="avg(score.tone),count(score.tone),thumbs_up,thumbs_down,thumbs_down_rate,eval_pass_rate,count",
                     by="model", q="step:model", **RANGE)["items"]
    assert len(items) == 2
    for item in items:
        group = [f for f in FACTS if f["model"] == item["by"]["generator_model"]]
        values = item["values"]
        assert values["avg(score.tone)"] == pytest.approx(statistics.mean(f["score"] for f in group)) and values["count(score.tone)"] == len(group)
        assert values["thumbs_up"] == sum(f["thumb"] is True for f in group) and values["thumbs_down"] == sum(f["thumb"] is False for f in group)
        assert values["thumbs_down_rate"] == pytest.approx(values["thumbs_down"] / (values["thumbs_up"] + values["thumbs_down"]))
        assert values["eval_pass_rate"] == pytest.approx(sum(f["score"] >= 0.5 for f in group) / len(group))


def test_sums_over_each_dimension_equal_the_total(data):
    """shows: G7 G9"""
    total = one(data, "cost")["values"]["cost_usd"]
    for by in ("model", "user", "session", "prompt_version", "release", "environment", "step", "x.size"):
        items = data.api("/aggregate", metric="cost", by=by, limit=1000, **RANGE)["items"]
        assert sum(item["values"]["cost_usd"] or 0 for item in items) == pytest.approx(total, abs=1e-9), by


# ---- compared, the largest, projected ----

def test_the_largest_and_the_rest_add_up(data):
    answer = data.api("/aggregate", metric="cost,count", by="user", top=2, q="step:model", **RANGE)
    is_valid(data, answer, "Aggregate")
    spent = {f"user {n}": sum(cost(f) for f in FACTS if f["user"] == f"user {n}") for n in range(5)}
    largest = sorted(spent, key=spent.get, reverse=True)
    assert [item["by"]["user_id"] for item in answer["items"]] == largest[:2]
    [other] = answer["other"]
    assert other["values"]["cost_usd"] == pytest.approx(sum(spent[user] for user in largest[2:]), abs=1e-9)
    series = data.api("/aggregate", metric="count", by="user", top=2, step="10m", q="step:model", limit=10, **RANGE)
    assert {item["by"]["user_id"] for item in series["items"]} <= {f"user {n}" for n in range(5)}
    assert sum(item["values"]["count"] for item in series["items"] + series["other"]) == COUNT


def test_a_range_is_compared_with_the_one_before(data):
    half = {"from": "2026-05-28T20:50:40Z", "to": "2026-05-28T21:14:40Z"}
    answer = data.api("/aggregate", metric="count,cost", by="model", q="step:model", compare="previous", **half)
    is_valid(data, answer, "Aggregate")
    assert answer["baseline"] == {"from": "2026-05-28T20:26:40.000000000Z", "to": "2026-05-28T20:50:40.000000000Z"}
    for item in answer["items"]:
        before, after = ([f for f in part if f["model"] == item["by"]["generator_model"]] for part in (FACTS[:24], FACTS[24:]))
        assert (item["values"]["count"], item["baseline"]["values"]["count"]) == (len(after), len(before))
        assert item["change"]["cost_usd"] == pytest.approx(sum(map(cost, after)) / sum(map(cost, before)) - 1, abs=1e-4)
    steps = data.api("/aggregate", metric="count", q="step:model", step="4m", compare="previous", **half)["items"]
    assert len(steps) >= 6 and all(step["baseline"]["values"]["count"] == 4 for step in steps[1:-1])


def test_versions_and_releases_are_compared(data):
    """shows: K11"""
    [item] = data.api("/aggregate", metric="count,avg(output_tokens)", q="step:model", compare="prompt_version:v1..v2", **RANGE)["items"]
    assert (item["values"]["count"], item["baseline"]["values"]["count"]) == (24, 24)
    assert item["change"]["avg(output_tokens)"] == pytest.approx((10 + 35.5) / (10 + 11.5) - 1)
    metrics = "count,cost_per_call,latency_p50,refusal_rate,avg(score.tone)"
    answer = data.api("/aggregate", metric=metrics, q="step:model", compare="release:1.5", **{**RANGE, "to": "2026-05-28T21:14:41Z"})
    [item] = answer["items"]
    for values, part in ((item["values"], FACTS[24:]), (item["baseline"]["values"], FACTS[:24])):
        assert values["count"] == 24 and values["refusal_rate"] == 0.5
        assert values["cost_per_call_usd"] == pytest.approx(statistics.mean(map(cost, part)), abs=1e-9)
        assert values["latency_p50_ms"] == rank([f["latency"] for f in part], 50)
        assert values["avg(score.tone)"] == pytest.approx(statistics.mean(f["score"] for f in part))
    assert data.request("GET", "/api/v1/aggregate?compare=release:none").status == 404


def test_spend_is_projected_to_the_end_of_the_month(server):
    """shows: G14"""
    day, now = 86400 * 10**9, time.time_ns()
    spans = [make_span({"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o-mini", "x.projected": "yes",
                        "gen_ai.usage.input_tokens": 10_000 + 500 * n, "gen_ai.usage.output_tokens": 0}, start=now // day * day - (30 - n) * day + 3600 * 10**9) for n in range(30)]
    server.send_spans(*spans)
    wait_until(lambda: len(server.spans("x.projected:yes", **{"from": "now-60d"})) == 30, what="thirty days")
    answer = server.api("/aggregate", metric="cost,total_tokens", q="x.projected:yes", projection="month", **{"from": "now-60d"})
    is_valid(server, answer, "Aggregate")
    today = time.gmtime(now / 1e9)
    begin = today.tm_mday - 1
    left = (time.mktime((today.tm_year + today.tm_mon // 12, today.tm_mon % 12 + 1, 1, 12, 0, 0, 0, 0, -1))
            - time.mktime((today.tm_year, today.tm_mon, today.tm_mday, 12, 0, 0, 0, 0, -1))) / 86400
    so_far = sum(10_000 + 500 * (30 - n) for n in range(1, begin + 1) if n <= 30)
    rest = sum(10_000 + 500 * (30 + n) for n in range(1, round(left))) + (1 - now % day / day) * (10_000 + 500 * 30)
    tokens = answer["projection"]["total_tokens"]
    assert tokens["so_far"] == so_far and tokens["days"] == 30 and tokens["weekdays"]
    assert tokens["month"] == pytest.approx(so_far + rest, rel=0.01) and tokens["low"] <= tokens["month"] <= tokens["high"]
    assert answer["projection"]["cost_usd"]["month"] == pytest.approx((so_far + rest) * 0.15e-6, rel=0.01)


@pytest.mark.parametrize("query, says", [
    ("metric=cots", "cost"), ("metric=p101(latency)", "p0 to p100"), ("metric=avg(model)", "no number"), ("metric=count(stat:x)", "stat"),
    ("metric=avg(latency", "OP(WHAT)"), ("by=model&top=101", "1 to 100"),
    ("top=3", "by"), ("compare=x", "previous"), ("compare=model:", "missing"), ("compare=now..now-1d", "compare"), ("projection=week", "month"),
    ("projection=month&metric=latency_p50", "add up"), ("from=0001-01-01T00:00:00Z", "not a time"), ("metric=cost&sort=cost", "sort"), ("metric=sum(latency)%20where%20(", "metric"),
    ("metric=count(scores%20by%20nobody)", "nobody"), ("metric=" + "(" * 3000, "OP(WHAT)")])
def test_bad_questions_are_refused_with_a_hint(server, query, says):
    answer = server.request("GET", "/api/v1/aggregate?" + query)
    assert answer.status == 400, answer
    assert says in json.dumps(answer.json["error"], ensure_ascii=False)


@pytest.mark.parametrize("query, says", [("from=1970-01-02T00:00:00Z&step=1s", "larger step"), ("by=a.a,a.b,a.c,a.d,a.e", "at most 4"),
                                         ("metric=" + ",".join(f"p{n}(latency)" for n in range(1, 34)), "at most 32")])
def test_questions_past_a_limit_say_which(server, query, says):
    answer = server.request("GET", "/api/v1/aggregate?" + query)
    assert answer.status == 413 and says in answer.text
    metrics = ",".join(f"p{n}(latency)" for n in range(1, 33))
    assert len(server.api("/aggregate", metric=metrics)["metrics"]) == 32


def test_absurd_ranges_and_texts_are_no_errors_of_ours(server):
    for query in ("from=0001-01-01T00:00:00Z&to=9999-01-01T00:00:00Z", "compare=previous&from=1700-01-01T00:00:00Z", "by=request_id,user,session,span_name",
                  "metric=avg(%22x'%20OR%201=1--%22)", "by=%22'%7C%7Cx%22", "metric=count(name:%22'%3Bdrop%20table%22)", "compare=user:'..%22"):
        assert server.request("GET", "/api/v1/aggregate?" + query).status in (200, 400), query


# ---- sessions and users ----

def test_sessions_are_listed_with_their_numbers_and_paged(data):
    """shows: L2 L5 L8"""
    for sort in ("last_seen", "cost", "turns", "elapsed", "thumbs_up"):
        seen, cursor = [], {}
        while cursor is not None:
            page = data.api("/sessions", sort=sort, limit=3, **RANGE, **cursor)
            seen += page["items"]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        assert sorted(item["session_id"] for item in seen) == [f"chat/{n}" for n in range(8)], sort
        key = {"cost": "cost_usd", "elapsed": "elapsed_ms"}.get(sort, sort)
        assert [item[key] for item in seen] == sorted((item[key] for item in seen), reverse=True)
    is_valid(data, seen[0], "Session")
    for item in seen:
        calls = [f for f in FACTS if f["session"] == item["session_id"]]
        assert item["turns"] == item["model_calls"] == 6 and item["cost_usd"] == pytest.approx(sum(map(cost, calls)), abs=1e-9)
        assert item["total_tokens"] == sum(f["in"] + f["out"] for f in calls) and item["refusals"] == sum(f["refused"] is True for f in calls)
        last = calls[-1]
        assert item["elapsed_ms"] == pytest.approx((last["start"] - calls[0]["start"]) / 1e6 + last["latency"] + 60, abs=0.01)
        assert item["thumbs_up"] == sum(f["thumb"] is True for f in calls) and item["largest_input"] == max(f["in"] for f in calls)


def test_a_session_shows_its_turns_in_order(data):
    """shows: L1"""
    got = data.api("/sessions/" + urllib.parse.quote("chat/3", safe=""), **RANGE)
    is_valid(data, got, "SessionDetail")
    assert [int(trace["trace_id"], 16) - 0xdef0000 for trace in got["traces"]] == list(range(3, COUNT, 8))
    assert got["turns"] == 6 and got["session_id"] == "chat/3"
    answer = data.request("GET", "/api/v1/sessions/none")
    assert answer.status == 404 and "90 days" in answer.json["error"]["hint"]


def test_users_are_listed_and_shown(data):
    page = data.api("/users", sort="cost", **RANGE)
    assert len(page["items"]) == 5 and page["next_cursor"] is None
    is_valid(data, page["items"][0], "User")
    for item in page["items"]:
        calls = [f for f in FACTS if f["user"] == item["user_id"]]
        assert item["traces"] == len(calls) and item["sessions"] == len({f["session"] for f in calls}) and item["models"] == 2
    user = data.api("/users/" + urllib.parse.quote("user 2"), **RANGE)
    is_valid(data, user, "UserDetail")
    assert user["user_id"] == "user 2" and len(user["latest_traces"]) == user["traces"]


def test_lists_refuse_forged_cursors_and_unknown_orders(data):
    cursor = data.api("/sessions", limit=1, **RANGE)["next_cursor"]
    for path, says in (("/sessions?sort=turn", "turns"), ("/sessions?cursor=abc", "cursor"), (f"/sessions?cursor={cursor[:-1]}0", "cursor"),
                       (f"/sessions?sort=cost&cursor={cursor}", "cursor"), (f"/users?cursor={cursor}", "cursor"), ("/users?limit=0", "limit"),
                       ("/sessions?metric=cost", "metric"), ("/sessions/x?limit=1", "limit")):
        answer = data.request("GET", "/api/v1" + path)
        assert answer.status == 400 and says in json.dumps(answer.json), (path, answer)


# ---- retrieval, prompts, models ----

def test_retrieval_by_retriever_and_index_version(data):
    """shows: H6"""
    for by, key in (("retriever", lambda n: ["bm25", "dense"][n % 2]), ("index_version", lambda n: f"i{n % 3}")):
        items = data.api("/retrieval", by=by, **RANGE)["items"]
        assert {item["by"][by] for item in items} == {key(n) for n in range(COUNT)}
        for item in items:
            group = [n for n in range(COUNT) if key(n) == item["by"][by]]
            values, returned = item["values"], [n % 6 for n in group]
            assert values["count"] == len(group) and values["documents"] == sum(returned)
            assert values["top_k_returned_avg"] == pytest.approx(statistics.mean(returned)) and values["top_k_requested_avg"] == 10
            assert values["empty_retrievals"] == returned.count(0) and values["latency_p95_ms"] == rank([10 + n for n in group], 95)


def test_prompts_and_models_have_tables(data):
    """shows: K8"""
    items = data.api("/prompts", **RANGE)["items"]
    assert {(item["by"]["prompt_template_id"], item["by"]["prompt_version"]): item["values"]["model_calls"] for item in items} == {
        ("support", "v1"): 24, ("support", "v2"): 24}
    assert [item["values"]["first_seen"] for item in sorted(items, key=lambda item: item["by"]["prompt_version"])] == [
        "2026-05-28T20:26:40.050000000Z", "2026-05-28T20:50:40.050000000Z"]
    for item in data.api("/models", **RANGE)["items"]:
        group = [f for f in FACTS if f["model"] == item["by"]["generator_model"]]
        good = sum(not f["error"] and f["refused"] is not True for f in group)
        assert item["values"]["latency_p50_ms"] == rank([f["latency"] for f in group], 50)
        assert item["values"]["cost_per_success_usd"] == pytest.approx(sum(map(cost, group)) / good, abs=1e-9)
        assert item["values"]["eval_pass_rate"] == pytest.approx(sum(f["score"] >= 0.5 for f in group) / len(group))


def test_two_versions_are_compared_and_only_a_supported_difference_is_called_one(server):
    """shows: K5"""
    spans, scores = [], []
    for n in range(120):
        version, trace_id = ["old", "new"][n % 2], new_trace_id()
        spans.append(make_span({"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o-mini",
                                "llm.prompt.version": version, "feature": "versus", "gen_ai.usage.input_tokens": 200 + n // 2 % 10,
                                "gen_ai.usage.output_tokens": 50 + n // 2 % 20 + (40 if version == "new" else 0)},
                               trace_id=trace_id, ms=300 + 10 * (n // 2 % 15)))
        scores.append({"trace_id": trace_id, "name": "versus", "source": "judge", "value": (n // 2 % 4 + (n % 2) * 2) / 6})
    server.send_spans(*spans)
    assert server.request("POST", "/api/v1/scores", json.dumps({"scores": scores}), {"content-type": JSON}).status == 200
    wait_until(lambda: len(server.api("/scores", name="versus", limit=1000)["items"]) == 120, what="scores")
    wait_until(lambda: len(server.spans("prompt_version:(old or new)", limit=1000)) == 120, what="spans")
    answer = server.api("/compare", a="old", b="new", score="versus")
    is_valid(server, answer, "Comparison")
    items = {item["metric"]: item for item in answer["items"]}
    assert (items["latency_ms"]["verdict"], items["latency_ms"]["better"], items["latency_ms"]["difference"]) == ("no_difference_shown", None, 0)
    tokens = items["output_tokens"]
    assert (tokens["verdict"], tokens["difference"], tokens["a"]["count"], tokens["b"]["count"]) == ("b_higher", 40, 60, 60)
    assert tokens["low"] < 40 < tokens["high"] and tokens["p"] < 1e-6
    assert (items["cost_usd"]["verdict"], items["cost_usd"]["better"]) == ("b_higher", "a")
    assert (items["versus"]["verdict"], items["versus"]["better"]) == ("b_higher", "b")
    assert (items["eval_pass_rate"]["better"], items["eval_pass_rate"]["a"]["count"]) == ("b", 60)
    assert (items["refusal_rate"]["verdict"], items["refusal_rate"]["a"]["value"]) == ("too_few", None)
    for query, says in (("a=old", "b"), ("a=x&b=x", "same"), ("a=1&b=2&by=model,user", "one"), ("a=1&b=2&by=modle", "model"), ("a=1&b=2&score=x)", "score")):
        refused = server.request("GET", "/api/v1/compare?" + query)
        assert refused.status == 400 and says in refused.text, query
    none = server.api("/compare", a="never", b="new")["items"]
    assert all(item["verdict"] == "too_few" and item["a"]["value"] is None for item in none)
