"""Rollups and retention: what goes, what stays, who may say so; kills in the middle, a wrong clock.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import subprocess
import time

import pytest
from conftest import BINARY, CLEAN_ENV, Server, make_span, new_trace_id, wait_until

DAY = 86400
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100}
OPTIONS = {"settle__after_root": "100ms", "settle__after_idle": "100ms", "retention__spans": "0s", "retention__every": "1h"}
QUESTION = {"metric": "count,input_tokens,cost,latency_p95", "by": "request_model", "from": "now-60d", "to": "now+1d"}


def run(server, *arguments, key=None):
    env = dict(CLEAN_ENV, TELLTALE_SERVER=f"http://127.0.0.1:{server.api_port}", **({"TELLTALE_KEY": key} if key else {}))
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False, env=env)


def numbers(server, **params):
    return server.api("/aggregate", **{**QUESTION, "by": "generator_model", **params})


def send(server, days_ago, count=3):
    now = time.time_ns()
    for index in range(count):
        server.send_spans(make_span(CHAT, trace_id=new_trace_id(), start=now - days_ago * DAY * 10**9, ms=100 + index))


@pytest.fixture
def filled(new_server):
    """Spans of today, of 10 and of 40 days ago, settled and on disk; nothing expires yet."""
    server = new_server(**OPTIONS).start()
    for days_ago in (0, 10, 40):
        send(server, days_ago)
    wait_until(lambda: len(server.spans("", **{"from": "now-60d", "limit": 100})) == 9
               and all(span["settled"] for span in server.spans("", **{"from": "now-60d", "limit": 100})), what="settled spans")
    return server


def again(server, **options):
    """The same data with other options."""
    server.stop()
    server.options.update({key.replace("__", "."): value for key, value in options.items()})
    return server.start()


def kept(server):
    return len(server.spans("", **{"from": "now-60d", "limit": 100}))


def test_a_plan_names_what_a_run_then_drops_and_numbers_stay(filled):
    before = numbers(filled)
    assert before["source"] == ["spans"] and before["spans_from"] is None
    again(filled, retention__spans="20d")
    plan = filled.api("/retention")
    assert plan["plan"]["spans"] == 3 and plan["plan"]["days"] == 1 and plan["plan"]["bytes"] > 0
    assert plan["before"]["spans"] is not None and not plan["would_drop_all_spans"]
    assert kept(filled) == 9
    shown = run(filled, "retention", "plan")
    assert shown.returncode == 0 and "3 spans" in shown.stdout, shown
    done = run(filled, "retention", "run", "--json")
    assert done.returncode == 0, done
    last = json.loads(done.stdout)
    assert last["last"]["spans"] == 3 and last["last"]["error"] is None and not last["running"]
    assert kept(filled) == 6
    after = numbers(filled)
    assert after["items"][0]["values"]["count"] == before["items"][0]["values"]["count"] == 9
    assert after["items"][0]["values"]["cost_usd"] == before["items"][0]["values"]["cost_usd"]
    assert after["items"][0]["values"]["latency_p95_ms"] == pytest.approx(before["items"][0]["values"]["latency_p95_ms"], rel=0.01)
    assert "days" in after["source"] and after["spans_from"] is not None
    assert filled.api("/retention")["plan"]["spans"] == 0


def test_what_is_dropped_is_in_the_audit_log_and_the_chain_is_whole(filled):
    again(filled, retention__spans="20d")
    assert run(filled, "retention", "run").returncode == 0
    lines = (pathlib.Path(filled.data_dir) / "audit.log").read_text(encoding="utf-8").splitlines()
    entry = [json.loads(line) for line in lines if "retention.run" in line][-1]
    assert entry["action"] == "retention.run" and "spans=3" in entry["object"]
    checked = run(filled, "audit", "verify", f"--data_dir={filled.data_dir}")
    assert checked.returncode == 0, checked


def test_a_run_that_would_drop_everything_needs_force(filled):
    again(filled, retention__spans="1d", retention__rollups="760d")
    filled.stop()
    # As if the clock were far ahead: the last look was long ago, and today's file is not there.
    (pathlib.Path(filled.data_dir) / "retention.clock").write_text(str(time.time_ns() - 8 * DAY * 10**9), encoding="utf-8")
    filled.start()
    assert filled.api("/retention")["clock_has_jumped"]
    refused = run(filled, "retention", "run")
    assert refused.returncode == 1 and "--force" in refused.stderr, refused
    assert kept(filled) == 9
    assert run(filled, "retention", "run", "--force").returncode == 0
    assert kept(filled) == 3
    assert not filled.api("/retention")["clock_has_jumped"]


def test_a_kill_right_after_a_run_began_loses_nothing_that_was_to_stay(filled):
    before = numbers(filled)["items"][0]["values"]
    again(filled, retention__spans="5d")
    answer = filled.request("POST", "/api/v1/retention", b"{}", {"content-type": "application/json"})
    assert answer.status == 200, answer
    filled.kill()
    filled.start()
    wait_until(lambda: run(filled, "retention", "run").returncode == 0, what="a run")
    assert kept(filled) == 3
    after = numbers(filled)["items"][0]["values"]
    assert (after["count"], after["cost_usd"]) == (before["count"], before["cost_usd"])


def test_old_spans_that_come_now_are_kept_from_now_on(new_server):
    server = new_server(**{**OPTIONS, "retention__spans": "20d"}).start()
    send(server, 40)
    wait_until(lambda: kept(server) == 3 and all(s["settled"] for s in server.spans("", **{"from": "now-60d"})), what="spans")
    time_of_plan = server.api("/retention")
    assert time_of_plan["plan"]["spans"] == 0
    assert run(server, "retention", "run").returncode == 0
    assert kept(server) == 3


def test_only_a_key_that_may_do_everything_drops_and_says_what(new_server):
    server = new_server(auth__mode="on").start()
    server.headers = {"authorization": f"Bearer {server.first_key}"}
    reader = server.create_key("shop", "ingest,read")
    wait_until(lambda: server.request("GET", "/api/v1/status", headers={"authorization": f"Bearer {reader}"}).status == 200,
               what="the key to count")
    for method in ("GET", "POST"):
        answer = server.request(method, "/api/v1/retention", b"{}" if method == "POST" else None,
                                {"authorization": f"Bearer {reader}"})
        assert answer.status == 403, answer


@pytest.mark.parametrize("options,word", [({"retention__rollups": "30d"}, "retention.rollups"),
                                          ({"retention__projects": "shop"}, "retention.projects"),
                                          ({"retention__projects": "shop=23h"}, "retention.projects")])
def test_a_policy_that_is_none_is_refused_at_the_start(options, word):
    server = Server(**options)
    with pytest.raises(Exception):
        server.start()
    assert word in server.stderr()
    server.remove()


def test_exact_asks_spans_alone(filled):
    assert numbers(filled, exact="true")["source"] == ["spans"]
    answer = filled.request("GET", "/api/v1/aggregate?metric=count&exact=maybe")
    assert answer.status == 400 and "exact" in answer.json["error"]["message"]
