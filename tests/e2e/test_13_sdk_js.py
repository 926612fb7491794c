"""The official OpenTelemetry SDK of Node, over each of its exporters.  SPDX-License-Identifier: Apache-2.0"""
import os
import platform
import re
import shutil
import subprocess

import pytest
from conftest import CLEAN_ENV, ROOT, wait_until

ARCH = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), "x64")
NPM_NODE = os.path.join(ROOT, ".deps/node/bin/node")  # where tools/setup puts one for a machine with an old Node
NODE = NPM_NODE if os.access(NPM_NODE, os.X_OK) else shutil.which("node")
EMIT = os.path.join(ROOT, "tests/e2e/js/emit.mjs")
WAYS = [(way, compression) for way in ("http/json", "http/protobuf", "grpc") for compression in ("none", "gzip")]


def emit(server, way, compression="none", key=None):
    """Run emit.mjs against a server; the trace id that it printed."""
    port = server.grpc_port if way == "grpc" else server.otlp_port
    env = {key: value for key, value in CLEAN_ENV.items() if not key.startswith("OTEL_")}
    env.update(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_PROTOCOL=way,
               OTEL_EXPORTER_OTLP_COMPRESSION=compression, OTEL_TRACES_EXPORTER="otlp", OTEL_LOGS_EXPORTER="otlp",
               OTEL_METRICS_EXPORTER="otlp", OTEL_SERVICE_NAME="shop", OTEL_LOG_LEVEL="info",
               OTEL_RESOURCE_ATTRIBUTES="service.version=3.1,deployment.environment.name=test", OTEL_NODE_RESOURCE_DETECTORS="env")
    if key:
        env["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{key}"
    done = subprocess.run([NODE, EMIT], capture_output=True, text=True, timeout=60, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return re.search(r"^[0-9a-f]{32}$", done.stdout, re.M).group(0), done.stdout + done.stderr


@pytest.mark.parametrize("way, compression", WAYS)
def test_three_signals_arrive_whole(server, way, compression):
    """shows: X6 B1 B4 C1 R1 A2 A6 A7 A8 A9 A11 A15 A18 A20 A21 A22 A31 A39 A57 A59 A60 A72"""
    counters = ["telltale_drain_logs_total", "telltale_drain_metric_points_total"]
    before = [server.metric(name) for name in counters]
    trace_id, said = emit(server, way, compression)
    assert "rror" not in said, said
    spans = {span["name"]: span for span in server.wait_trace(trace_id, 3)["spans"]}
    root, retrieve, call = (spans[name] for name in ("POST /api/assistant/query", "rag.retrieve", "chat gpt-4o-mini"))
    assert retrieve["parent_span_id"] == call["parent_span_id"] == root["span_id"] and root["parent_span_id"] is None
    assert (root["kind"], call["kind"], retrieve["kind"]) == ("server", "client", "internal")
    assert (root["service"], root["release"], root["environment"]) == ("shop", "3.1", "test")
    assert (root["tenant_id"], root["feature"], root["user_id"]) == ("tenant_abc", "support_assistant", "u-1")
    assert (call["provider"], call["request_model"], call["generator_model"]) == ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (call["input_tokens"], call["output_tokens"], call["finish_reason"], call["temperature"]) == (1842, 318, ["stop"], 0.2)
    assert (retrieve["status"], retrieve["status_message"], retrieve["error_type"]) == ("error", "retrieval failed", "RangeError")
    assert retrieve["source_ids"] == ["doc_12", "doc_7"]
    assert server.payload(trace_id, call["span_id"])["input"][0]["parts"] == [{"type": "text", "content": "Is the shop open? – ja 🙂"}]
    for name, count, more in zip(counters, before, (7, 4)):
        wait_until(lambda name=name, count=count, more=more: server.metric(name) == count + more, what=f"{more} of {name}")


@pytest.mark.parametrize("way", ["http/json", "http/protobuf", "grpc"])
def test_the_key_goes_in_the_headers_variable(new_server, way):
    """shows: X6 P19"""
    made = new_server(auth__mode="on").start()
    made.headers = {"authorization": f"Bearer {made.first_key}"}
    trace_id, _ = emit(made, way, key=made.first_key)
    assert len(made.wait_trace(trace_id, 3)["spans"]) == 3
    refused, said = emit(made, way, key="tt_wrong")
    assert ("UNAUTHENTICATED" if way == "grpc" else "401") in said, said
    assert made.request("GET", f"/api/v1/traces/{refused}").status == 404
