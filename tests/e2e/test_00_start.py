"""The first things: it starts, says where, answers, and stops.  SPDX-License-Identifier: Apache-2.0"""
import os
import re
import signal
import subprocess
import urllib.parse

import pytest
from conftest import BINARY, CLEAN_ENV, make_span, new_trace_id


def run(*arguments, **more):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env=dict(CLEAN_ENV), **more)


def test_help_names_the_commands_and_version_is_a_line():
    shown = run("--help")
    assert shown.returncode == 0 and "serve" in shown.stdout and shown.stderr == ""
    assert re.fullmatch(r"telltale \S+\n", run("--version").stdout)
    assert run().returncode == 2
    unknown = run("no-such-command")
    assert unknown.returncode == 2 and "no-such-command" in unknown.stderr


def test_every_command_has_help():
    names = re.findall(r"^  ([a-z]+) ", run("--help").stdout, re.M)
    assert "serve" in names
    for name in names:
        shown = run(name, "--help")
        assert shown.returncode == 0 and len(shown.stdout) > 40, (name, shown)


@pytest.mark.parametrize("option, named", [
    ("--limits.bdy=1MiB", "limits.body"), ("--limits.body=lots", "limits.body"), ("--nonsense=1", "nonsense"),
    ("--listen.api=0.0.0.0:0", "auth"), ("--listen.api=127.0.0.1:99999", "listen.api"), ("--auth.mode=maybe", "auth.mode")])
def test_a_wrong_option_is_named_and_nothing_starts(tmp_path, option, named):
    """shows: P19"""
    extra = ["--auth.mode=off"] if "0.0.0.0" in option else []
    shown = run("serve", f"--server.data_dir={tmp_path}/data", option, *extra)
    assert shown.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT), shown
    assert named in shown.stderr, shown.stderr


def test_ports_are_printed_and_ready(server):
    assert server.grpc_port and server.otlp_port and server.api_port
    assert len({server.grpc_port, server.otlp_port, server.api_port}) == 3
    for path in ("/healthz", "/readyz"):
        assert server.request("GET", path).status == 200
        assert server.request("HEAD", path).body == b""


def test_ready_within_seconds(server):
    took = int(re.search(r"ready in (\d+) ms", server.stdout).group(1))
    assert took < 5000


def test_a_span_sent_is_a_span_found(server):
    """shows: A1 A6 A18 A19 A20 A59 A60"""
    span = make_span({"gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
                      "gen_ai.usage.input_tokens": 1842, "gen_ai.usage.output_tokens": 318}, name="llm.chat")
    server.send_spans(span)
    got = server.wait_trace(span["traceId"])["spans"][0]
    assert got["span_id"] == span["spanId"] and got["name"] == "llm.chat" and got["kind"] == "client"
    assert (got["provider"], got["operation"], got["request_model"]) == ("openai", "chat", "gpt-4o-mini")
    assert (got["input_tokens"], got["output_tokens"]) == (1842, 318)
    assert got["service"] == "e2e"


def test_known_prices_give_the_hand_computed_cost(server):
    """shows: A63 G1

    gpt-4o-mini: 0.15 and 0.60 dollars per million: 1842 x 0.15e-6 + 318 x 0.60e-6 = 0.0004671."""
    trace = server.spans("request_model:gpt-4o-mini")[0]
    assert trace["estimated_cost_usd"] == pytest.approx(0.0004671, abs=1e-12)
    assert trace["cost"]["source"] == "table"


def test_unknown_model_costs_unknown_never_zero(server):
    """shows: A63 G4"""
    span = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "no-such-model-9",
                      "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 10})
    server.send_spans(span)
    got = server.wait_spans("request_model:no-such-model-9")[0]
    assert got["estimated_cost_usd"] is None and got["cost"]["source"] == "unknown"


def test_a_prefix_of_a_trace_id_will_do(server):
    """shows: A1"""
    trace_id = "abcd" + new_trace_id()[4:]
    server.send_spans(make_span(trace_id=trace_id))
    server.wait_trace(trace_id)
    assert server.trace(trace_id[:12])["trace"]["trace_id"] == trace_id
    assert server.request("GET", "/api/v1/traces/" + "0" * 31 + "1").status == 404
    assert server.request("GET", "/api/v1/traces/zz").status in (400, 404)


def test_errors_have_one_form(server):
    for path in ("/api/v1/traces/" + "9" * 32, "/api/v1/no-such", "/api/v1/spans?limit=0", "/api/v1/spans?q=%28",
                 "/api/v1/aggregate?metric=nonsense", "/api/v1/traces?cursor=x", "/api/v1/traces?from=yesterday-ish"):
        answer = server.request("GET", path)
        assert 400 <= answer.status < 500, (path, answer)
        error = answer.json["error"]
        assert {"code", "message"} <= set(error) and error["message"], (path, error)


def test_doctor_finds_nothing_wrong_beside_a_server(server):
    if "doctor" not in run("--help").stdout:
        pytest.skip("this build has no doctor")
    shown = run("doctor", f"--data_dir={server.data_dir}", f"--server=http://127.0.0.1:{server.api_port}")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.strip()


def test_cli_reads_what_was_sent(server):
    if "traces" not in run("--help").stdout:
        pytest.skip("this build has no traces command")
    remote = f"--server=http://127.0.0.1:{server.api_port}"
    listed = run("traces", remote, "--json")
    assert listed.returncode == 0 and "gpt-4o-mini" in listed.stdout, listed
    trace_id = server.spans("request_model:gpt-4o-mini")[0]["trace_id"]
    assert "llm.chat" in run("trace", trace_id, remote).stdout
    assert "gpt-4o-mini" in run("cost", remote).stdout


def test_two_servers_do_not_share_a_folder(server):
    shown = run("serve", f"--server.data_dir={server.data_dir}", *(f"--listen.{n}=127.0.0.1:0" for n in ("grpc", "otlp", "api")))
    assert shown.returncode != 0
    assert server.data_dir in shown.stderr or "in use" in shown.stderr or "lock" in shown.stderr, shown.stderr


def test_a_port_in_use_is_a_clear_error(server, tmp_path):
    shown = run("serve", f"--server.data_dir={tmp_path}/data", f"--listen.api=127.0.0.1:{server.api_port}",
                "--listen.grpc=127.0.0.1:0", "--listen.otlp=127.0.0.1:0")
    assert shown.returncode != 0 and str(server.api_port) in shown.stderr, shown.stderr


def test_sigterm_ends_with_status_0(new_server):
    made = new_server().start()
    made.process.send_signal(signal.SIGTERM)
    assert made.process.wait(20) == 0


def test_ui_is_served_with_a_strict_policy(server):
    """shows: P19"""
    answer = server.request("GET", "/")
    if answer.status == 404:
        pytest.skip("this build has no web UI in it")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    policy = answer.headers.get("content-security-policy", "")
    assert "default-src" in policy and "unsafe-eval" not in policy
    assert answer.headers.get("x-content-type-options") == "nosniff"
    assert server.request("GET", "/" + urllib.parse.quote("../../etc/passwd")).status in (200, 400, 404)
    assert b"root:" not in server.request("GET", "/../../../../etc/passwd").body


def test_data_folder_is_private(server):
    for folder in (server.data_dir, server.data_dir + ".keys"):
        assert os.stat(folder).st_mode & 0o077 == 0, folder
    assert os.stat(server.data_dir + ".keys/master.key").st_mode & 0o177 == 0
