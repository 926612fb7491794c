"""tools/demo, which ./run starts: an empty server shows real traces, one in use is left alone.

SPDX-License-Identifier: Apache-2.0
"""
import os
import socket
import subprocess
import sys
import time

from conftest import CLEAN_ENV, ROOT, json_request, make_span, wait_until

RUN_ENV = {"PATH": "/usr/bin:/bin"}  # ./run may not need what the tests installed


def demo(*arguments, python="python3"):
    return subprocess.run([python, "-I", os.path.join(ROOT, "tools/demo"), *arguments], capture_output=True, text=True,
                          timeout=90, check=False, env=RUN_ENV)


def address(server):
    return f"--listen.api=127.0.0.1:{server.api_port}"


def test_it_makes_the_first_screen_alive_and_says_so_in_a_line(server):
    shown = demo(address(server), f"--pid={server.process.pid}", "--settle.tick=50ms")
    assert shown.returncode == 0 and shown.stderr == "", shown
    assert shown.stdout.startswith("demo: loaded ") and shown.stdout.count("\n") == 1, shown.stdout
    wait_until(lambda: server.metric("telltale_open_traces") == 0, what="all traces settled")
    spans = server.spans()
    assert len(spans) > 150 and all(span["settled"] for span in spans)
    assert len({(span["trace_id"], span["span_id"]) for span in spans}) == len(spans)
    assert {"chat", "embeddings", "execute_tool", "invoke_agent"} <= {span["operation"] for span in spans}
    assert {"model", "embedding", "tool", "agent", "retrieval", "rerank", "request"} <= {span["step"] for span in spans}
    for what in ("status:error", "stream:true", "cost>0", "service:assistant-api"):
        assert server.spans(what), what


def test_traces_end_in_the_last_hour_and_hang_together(server):
    now, traces, cursor = time.time(), [], {}
    while True:
        page = server.api("/traces", limit=1000, q="", **{"from": "now-70m"}, **cursor)
        traces += page["items"]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(traces) > 100
    starts = sorted(span["start_time"] for span in server.spans())
    assert starts[0] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now - 3700))
    assert starts[-1] <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))
    assert len({start[:16] for start in starts}) > 30, "spread over the hour, not in a heap"
    agent = next(span for span in server.spans("op:invoke_agent"))
    whole = server.trace(agent["trace_id"])["spans"]
    ids = {span["span_id"] for span in whole}
    assert len(whole) == 7 and sum(span["parent_span_id"] in ids for span in whole) == 6
    assert len({span["user_id"] for span in server.spans("op:invoke_agent")}) > 1
    content = server.payload(agent["trace_id"], next(s["span_id"] for s in whole if s["operation"] == "chat"))
    assert content["input"] and content["output"]


def test_a_second_time_does_nothing(server):
    before = len(server.spans())
    shown = demo(address(server))
    assert shown.returncode == 0 and shown.stdout == "demo: nothing loaded: there are traces already\n"
    assert len(server.spans()) == before


def test_a_server_in_use_is_left_alone(new_server):
    made = new_server().start()
    made.post(str(json_request([make_span()])).replace("'", '"').encode(), kind="application/json")
    made.wait_spans("")
    assert "there are traces already" in demo(address(made)).stdout
    assert len(made.spans()) == 1


def test_it_never_fails_and_does_not_wait_for_a_server_that_died():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ended = subprocess.Popen([sys.executable, "-c", ""], env=CLEAN_ENV)
    ended.wait()
    started = time.monotonic()
    shown = demo(f"--listen.api=127.0.0.1:{port}", f"--pid={ended.pid}")
    assert shown.returncode == 0 and shown.stdout == "demo: nothing loaded: the server did not start\n"
    assert time.monotonic() - started < 10
    assert demo("--listen.api=127.0.0.1:0").returncode == 0
    assert demo("--listen.api=nonsense").returncode == 0


def test_another_server_on_that_port_is_not_filled(new_server):
    """Ours failed to start since the port is taken; the demo is not the other's."""
    made = new_server().start()
    wait_until(lambda: made.api("/status")["stages"]["up_seconds"] > 1.5, what="a server older than the demo")
    shown = demo(address(made), f"--pid={os.getpid()}")
    assert "another server answers" in shown.stdout and made.spans() == []
