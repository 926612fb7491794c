"""Conversations: depth, where they are left and after what, what became of them, cost, hours, context; with planted numbers.

SPDX-License-Identifier: Apache-2.0"""
import json
import statistics

import pytest
from conftest import JSON, make_span, wait_until
from test_34_aggregate import is_valid

T0 = 1_780_012_800 * 10**9  # 2026-05-29T00:00:00Z
HOUR, MINUTE = 3600 * 10**9, 60 * 10**9
RANGE = {"from": "2026-05-28T12:00:00Z", "to": "2026-05-30T12:00:00Z"}
PRICE_IN, PRICE_OUT = 0.15e-6, 0.6e-6
# kind: how many, turns, hour of their start (UTC), feature, what the last turn is
PLAN = {"done": (10, 6, 9, "shop", {}), "refused": (8, 3, 14, "help", {"refusal_flag": True}), "bored": (2, 1, 14, "help", {}),
        "failed": (3, 2, 14, "help", {"status": 2}), "escalated": (4, 4, 14, "help", {}), "down": (2, 2, 20, "shop", {}),
        "cut": (1, 2, 20, "shop", {"finish": "length"}), "slow": (1, 2, 20, "shop", {"ms": 9000}), "long": (2, 2, 23, "shop", {"tokens": 103000})}
SESSIONS = [(kind, n) for kind, row in PLAN.items() for n in range(row[0])]


def turns_of(kind, n):
    number = SESSIONS.index((kind, n))
    _, turns, hour, feature, last = PLAN[kind]
    for turn in range(turns):
        of = last if turn == turns - 1 else {}
        trace = f"{0xc0 + number:08x}{turn + 1:024x}"
        start = T0 + hour * HOUR + n * 1000 + turn * MINUTE
        tokens = of.get("tokens", 1000)
        if kind == "long" and n == 1 and turn == 1:
            tokens = 102400  # four fifths of 128,000 exactly: not over it
        ask = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o-mini", "session.id": f"{kind}/{n}",
               "gen_ai.usage.input_tokens": tokens, "gen_ai.usage.output_tokens": 100, "feature": feature, "llm.prompt.version": "v1" if n % 2 else "v2",
               "gen_ai.response.finish_reasons": [of.get("finish", "stop")], "refusal_flag": of.get("refusal_flag", False)}
        yield make_span(ask, "chat", trace, f"{turn + 1:016x}", start=start, ms=of.get("ms", 100 + turn), status={"code": of["status"]} if "status" in of else None)


def trace_id(kind, n, turn):
    return f"{0xc0 + SESSIONS.index((kind, n)):08x}{turn:024x}"


SPANS = [span for kind, n in SESSIONS for span in turns_of(kind, n)]


@pytest.fixture(scope="module")
def data(server):
    server.send_spans(*SPANS)
    outcome = lambda name, at, **about: {"event": "llm.outcome", "outcome": name, "ts": at / 1e9, **about}
    begins = T0 + 9 * HOUR
    events = [outcome("resolution", begins + n * 1000 + 10 * MINUTE, session_id=f"done/{n}") for n in range(10)]
    events += [outcome("escalation", T0 + 15 * HOUR, session_id=f"escalated/{n}") for n in range(3)]
    events += [outcome("escalation", T0 + 15 * HOUR, trace_id=trace_id("escalated", 3, 4))]
    events += [outcome("regeneration", T0 + 15 * HOUR, session_id="bored/0"), outcome("retry", T0 + 15 * HOUR, session_id="bored/1")]
    events += [{"event": "llm.user_feedback", "rating": "down", "trace_id": trace_id("down", 0, 2), "ts": (T0 + 21 * HOUR) / 1e9},
               {"name": "thumb", "value": 0, "source": "user", "session_id": "down/1", "ts": (T0 + 21 * HOUR) / 1e9}]
    for event in events:
        answer = server.request("POST", "/api/v1/events" if "event" in event else "/api/v1/scores", json.dumps(event), {"content-type": JSON})
        assert answer.status == 200, answer
    wait_until(lambda: server.metric("telltale_spans_settled_total") >= len(SPANS), what="settled traces")
    wait_until(lambda: sum(len(server.api("/scores", limit=1000, source=source, **{"from": "2026-05-01T00:00:00Z"})["items"])
                           for source in ("outcome", "user")) == 18, what="scores")
    return server


def ask(server, **params):
    answer = server.api("/conversations", **{**RANGE, **params})
    is_valid(server, answer, "Conversations")
    return answer


def rank(values, share):
    values = sorted(values)
    return values[max(-(-len(values) * share // 100), 1) - 1]


def test_depth_and_its_distribution(data):
    """shows: L2"""
    found = ask(data)
    depths = [PLAN[kind][1] for kind, _ in SESSIONS]
    assert found["conversations"] == len(SESSIONS) and found["turns"] == found["turns_read"] == sum(depths) and not found["truncated"]
    depth = found["depth"]
    assert depth["average"] == pytest.approx(statistics.mean(depths)) and (depth["median"], depth["p90"], depth["max"]) == (rank(depths, 50), rank(depths, 90), 6)
    assert {row["turns"]: row["conversations"] for row in depth["distribution"]} == {turns: depths.count(turns) for turns in set(depths)}
    for by, of in (("feature", lambda kind, n: PLAN[kind][3]), ("prompt_version", lambda kind, n: "v1" if n % 2 else "v2")):
        groups = {row["value"]: row for row in ask(data, by=by)["groups"]}
        for value in groups:
            mine = [PLAN[kind][1] for kind, n in SESSIONS if of(kind, n) == value]
            assert groups[value]["conversations"] == len(mine) and groups[value]["depth_average"] == pytest.approx(statistics.mean(mine))
        assert sum(row["conversations"] for row in groups.values()) == len(SESSIONS)


def test_they_are_left_at_turn_three_after_refusals(data):
    """shows: L3 E45"""
    drop = ask(data)["drop_off"]
    assert drop["worst"] == {"turn": 3, "after": "refusal", "left": 8}
    rows = {row["turn"]: row for row in drop["turns"]}
    reached = {turn: sum(PLAN[kind][1] >= turn for kind, _ in SESSIONS) for turn in range(1, 7)}
    assert {turn: row["reached"] for turn, row in rows.items()} == reached
    assert rows[3]["left"] == 8 and rows[3]["after"]["refusal"] == 8 and rows[3]["share"] == pytest.approx(8 / reached[3])
    assert rows[1]["left"] == 2 == rows[1]["after"]["nothing"]
    last = rows[2]["after"]
    assert (last["error"], last["down_vote"], last["truncation"], last["slow"]) == (3, 2, 1, 1)
    assert rows[4]["left"] == rows[6]["left"] == 0  # escalated, resolved: not left
    assert rows[3]["exemplar_trace_id"] in {trace_id("refused", n, 3) for n in range(8)}


def test_what_counts_as_slow_and_as_left_can_be_said(data):
    drop = ask(data, slow="9s")["drop_off"]
    assert drop["slow_ms"] == 9000 and sum(row["after"]["slow"] for row in drop["turns"]) == 1
    assert sum(row["after"]["slow"] for row in ask(data, slow="9001ms")["drop_off"]["turns"]) == 0
    # at 14:04:30 those of 14:00 have been quiet for a minute and more, or not yet for an hour
    end = {"to": str(T0 + 14 * HOUR + 5 * MINUTE)}
    assert ask(data, idle="1m", **end)["drop_off"]["worst"] == {"turn": 3, "after": "refusal", "left": 8}
    assert ask(data, idle="1h", **end)["drop_off"]["worst"] is None


def test_duration_resolution_and_escalation(data):
    """shows: L5 L6"""
    found = ask(data)
    spans = [[int(span["startTimeUnixNano"]) for span in turns_of(*of)][0] for of in SESSIONS]
    ends = [max(int(span["endTimeUnixNano"]) for span in turns_of(*of)) for of in SESSIONS]
    lasted = [(end - start) / 1e6 for start, end in zip(spans, ends)]
    assert found["duration_ms"]["average"] == pytest.approx(statistics.mean(lasted)) and found["duration_ms"]["max"] == pytest.approx(max(lasted))
    assert found["resolution"]["conversations"] == 10 and found["resolution"]["time_ms"]["average"] == pytest.approx(10 * 60_000)
    assert found["escalation"] == {"conversations": 4, "rate": pytest.approx(4 / len(SESSIONS))}


def test_peak_hours_are_those_of_the_zone_that_is_asked_for(data):
    """shows: L6"""
    wanted = [0] * 24
    for kind, _ in SESSIONS:
        wanted[PLAN[kind][2]] += PLAN[kind][1]
    peak = ask(data)["peak_hours"]
    assert (peak["turns"], peak["busiest"], peak["tz"]) == (wanted, 9, "UTC")
    there = ask(data, tz="+05:30")["peak_hours"]  # 9:00 there is 14:30, 23:00 is 4:30 of the next day
    assert there["busiest"] == 14 and there["turns"][14] == wanted[9] and there["turns"][4] == wanted[23] and sum(there["turns"]) == sum(wanted)
    assert ask(data, tz="-1000")["peak_hours"]["turns"][23] == wanted[9]
    assert ask(data, **{"from": "2020-01-01T00:00:00Z"})["peak_hours"] is None  # more hours than are counted


def test_what_a_conversation_costs_and_how_often_it_is_tried_again(data):
    """shows: L7 L8"""
    each = ask(data)["per_conversation"]
    tokens = [1000 + 100 for _ in SPANS]
    extra = 102000 + 101400
    assert each["tokens"] == pytest.approx((sum(tokens) + extra) / len(SESSIONS))
    assert each["cost_usd"] == pytest.approx((len(SPANS) * (1000 * PRICE_IN + 100 * PRICE_OUT) + extra * PRICE_IN) / len(SESSIONS), abs=1e-9)
    assert each["regenerations"] == each["user_retries"] == each["truncated_answers"] == pytest.approx(1 / len(SESSIONS))


def test_a_context_over_four_fifths_is_listed_and_one_at_it_is_not(data):
    context = ask(data)["context"]
    assert context["near_limit"] == 1 and context["unknown_limit"] == 0
    [item] = context["items"]
    assert (item["session_id"], item["input_tokens"], item["context_tokens"]) == ("long/0", 103000, 128000) and item["share"] == pytest.approx(103000 / 128000)
    assert item["generator_model"] == "gpt-4o-mini"


def test_one_conversation_has_its_turns_in_order_with_feedback_and_context(data):
    """shows: L1 L4"""
    found = data.api("/conversations/down/0", **RANGE)
    is_valid(data, found, "Conversation")
    assert [turn["turn"] for turn in found["items"]] == [1, 2] and found["session_id"] == "down/0" and found["turns"] == 2
    assert [turn["trace"]["trace_id"] for turn in found["items"]] == [trace_id("down", 0, 1), trace_id("down", 0, 2)]
    for turn in found["items"]:
        assert (turn["trace"]["prompt_version"], turn["trace"]["generator_model"]) == ("v2", "gpt-4o-mini")
        assert turn["trace"]["estimated_cost_usd"] == pytest.approx(1000 * PRICE_IN + 100 * PRICE_OUT) and turn["trace"]["latency_ms"] == 99 + turn["turn"]
    assert [[score["value"] for score in turn["scores"]] for turn in found["items"]] == [[], [0]]
    full = data.api("/conversations/long/0", **RANGE)
    assert [turn["context"]["input_tokens"] for turn in full["items"]] == [1000, 103000]
    assert [turn["context"]["share"] for turn in full["items"]] == [pytest.approx(1000 / 128000), pytest.approx(103000 / 128000)]


def test_of_seven_traces_seven_turns_in_order(data):
    """shows: L1"""
    session, start = "seven", T0 + 2 * HOUR
    traces = [f"{0xabc:08x}{n:024x}" for n in (5, 2, 7, 1, 6, 3, 4)]  # not the order of their ids
    for n, trace in reversed(list(enumerate(traces))):
        data.send_spans(make_span({"session.id": session, "gen_ai.operation.name": "chat", "llm.prompt.version": f"v{n}"}, "chat", trace, start=start + n * MINUTE))
    wait_until(lambda: len(data.api("/traces", q=f"session:{session}", limit=10, **RANGE)["items"]) == 7, what="seven turns")
    found = data.api(f"/conversations/{session}", **RANGE)
    assert [turn["trace"]["trace_id"] for turn in found["items"]] == traces and [turn["turn"] for turn in found["items"]] == list(range(1, 8))
    assert [turn["trace"]["prompt_version"] for turn in found["items"]] == [f"v{n}" for n in range(7)]
    assert all(turn["context"]["share"] is None for turn in found["items"])  # nobody says how much went in
    assert data.api("/conversations/no-such", expect=404, **RANGE)["error"]["code"] == "NOT_FOUND"


def test_q_chooses_among_them(data):
    assert ask(data, q="feature:shop")["conversations"] == sum(row[0] for row in PLAN.values() if row[3] == "shop")
    none = ask(data, q="feature:none")
    assert none["conversations"] == 0 and none["depth"]["average"] is None and none["drop_off"]["turns"] == [] and none["escalation"]["rate"] is None


@pytest.mark.parametrize("params", [{"tz": "Mars/Base"}, {"tz": "+15:00"}, {"tz": "+01:07"}, {"slow": "fast"}, {"slow": "0s"}, {"idle": "-1s"},
                                    {"by": "finish_reason"}, {"by": "x.y"}, {"q": "latency>"}, {"step": "1h"}])
def test_what_is_wrong_is_refused_by_name(data, params):
    [name] = params
    assert name in data.api("/conversations", expect=400, **RANGE, **params)["error"]["message"]
