#!/usr/bin/env python3
"""Record what real instrumented applications send: tests/fixtures/real/.

Starts a tiny OTLP receiver (HTTP and gRPC), runs one application per row of RUNS against model_server.py, and writes
each request body as it came, after names of the machine (host, process, paths) were replaced.

usage: record.py --model-url http://127.0.0.1:18080/v1 [--only PREFIX] [--out DIR]
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import gzip
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zlib
from concurrent import futures

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
MESSAGES = {"traces": trace_service_pb2.ExportTraceServiceRequest, "logs": logs_service_pb2.ExportLogsServiceRequest,
            "metrics": metrics_service_pb2.ExportMetricsServiceRequest}
SERVICES = {"traces": "opentelemetry.proto.collector.trace.v1.TraceService",
            "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
            "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService"}
MACHINE_KEYS = {"host.name": "host-1", "host.id": "host-1", "process.pid": 1, "process.parent_pid": 1,
                "process.executable.path": "python3", "process.command": "app", "process.command_line": "app",
                "process.command_args": "app", "process.owner": "app", "service.instance.id": "instance-1"}
PATHS = re.compile(r"(?:file://)?/(?:[\w.@+-]+/)*?(site-packages|node_modules|apps|python3\.\d+)/")
OLD = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
NEW = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
       "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT"}
GZIP = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
PRICED = {"APP_MODEL": "gpt-4o-mini"}
# instrumentation, application, scenarios, protocol, environment
RUNS = [
    ("otel-v2-events", "openai_app.py", "chat stream tools error retry", "http/protobuf", OLD),
    ("otel-v2-latest", "openai_app.py", "chat stream tools error retry embeddings agent", "grpc", NEW),
    ("openllmetry", "openai_app.py", "chat stream tools error embeddings agent", "http/protobuf", GZIP),
    ("openinference", "openai_app.py", "chat stream tools error retry embeddings", "grpc", GZIP),
    ("openinference+openllmetry", "openai_app.py", "chat", "http/protobuf", PRICED),
    ("openllmetry-anthropic", "anthropic_app.py", "messages stream error", "http/protobuf", {}),
    ("manual", "rag_app.py", "rag", "http/protobuf", PRICED),
    ("otel-v2-latest", "rag_app.py", "rag", "grpc", {**NEW, **PRICED}),
    ("openinference-js", "openai_app.mjs", "chat stream tools embeddings", "http/json", PRICED),
    ("traceloop-js", "openai_app.mjs", "chat stream tools", "http/protobuf", {}),
]
PACKAGES = {"otel-v2-events": "opentelemetry-instrumentation-openai-v2", "otel-v2-latest": "opentelemetry-instrumentation-openai-v2",
            "openllmetry": "opentelemetry-instrumentation-openai", "openinference": "openinference-instrumentation-openai",
            "openllmetry-anthropic": "opentelemetry-instrumentation-anthropic", "manual": "opentelemetry-sdk",
            "openinference-js": "@arizeai/openinference-instrumentation-openai", "traceloop-js": "@traceloop/instrumentation-openai"}


def clean_text(text):
    return PATHS.sub(r"\1/", text)


def clean_message(message):
    """Replace names of the machine in a protobuf message, wherever they are."""
    for field, value in message.ListFields():
        repeated = not isinstance(value, (str, bytes, int, float, bool)) and not hasattr(value, "ListFields")
        if field.type == field.TYPE_STRING and not repeated:
            setattr(message, field.name, clean_text(value))
        elif field.type == field.TYPE_MESSAGE:
            for item in value if repeated else [value]:
                clean_message(item)
    if message.DESCRIPTOR.name == "KeyValue" and message.key in MACHINE_KEYS:
        new = MACHINE_KEYS[message.key]
        message.value.Clear()
        setattr(message.value, "int_value" if isinstance(new, int) else "string_value", new)


def clean_json(value):
    if isinstance(value, dict):
        if value.get("key") in MACHINE_KEYS and "value" in value:
            return {"key": value["key"], "value": {"stringValue": str(MACHINE_KEYS[value["key"]])}}
        return {key: clean_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    return clean_text(value) if isinstance(value, str) else value


class Recorder:
    def __init__(self):
        self.taken, self.lock = [], threading.Lock()
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                if self.headers.get("transfer-encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers["content-length"]))
                kind = self.headers["content-type"].split(";")[0]
                recorder.take(self.path.rsplit("/", 1)[1], "http", kind, self.headers.get("content-encoding"), body)
                self.send_response(200)
                self.send_header("content-type", kind)
                answer = b"{}" if kind == "application/json" else b""
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.grpc = grpc.server(futures.ThreadPoolExecutor(2))
        for signal, service in SERVICES.items():
            def export(body, context, signal=signal):
                sent = dict(context.invocation_metadata())
                recorder.take(signal, "grpc", "application/grpc", sent.get("grpc-encoding"), body)
                return b""
            self.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
                service, {"Export": grpc.unary_unary_rpc_method_handler(export)}),))
        self.grpc_port = self.grpc.add_insecure_port("127.0.0.1:0")
        self.grpc.start()

    def take(self, signal, transport, kind, encoding, body):
        if transport == "http" and encoding:
            body = gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)
        if kind == "application/json":
            body = json.dumps(clean_json(json.loads(body)), ensure_ascii=False).encode()
        else:
            message = MESSAGES[signal].FromString(body)
            clean_message(message)
            body = message.SerializeToString()
        with self.lock:
            self.taken.append({"signal": signal, "transport": transport, "content_type": kind,
                               "content_encoding": encoding, "body": body})


def package_versions(names, app):
    if app.endswith(".mjs"):
        with open(os.path.join(ROOT, "package.json"), encoding="utf-8") as text:
            pins = json.load(text)["devDependencies"]
        return [f"{PACKAGES[name]} {pins[PACKAGES[name]]}" for name in names.split("+")] + [f"openai {pins['openai']}"]
    from importlib.metadata import version
    sdk = "anthropic" if "anthropic" in app else "openai"
    return [f"{PACKAGES[name]} {version(PACKAGES[name])}" for name in names.split("+")] + [f"{sdk} {version(sdk)}"]


def run(recorder, row, scenario, options):
    names, app, _, protocol, extra = row
    port = recorder.grpc_port if protocol == "grpc" else recorder.http.server_port
    env = dict(os.environ, MODEL_URL=options.model_url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
               OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", PYTHONPATH=os.path.join(HERE, "apps"), **extra)
    command = [options.node if app.endswith(".mjs") else sys.executable, os.path.join(HERE, "apps", app), names, scenario]
    recorder.taken.clear()
    subprocess.run(command, env=env, check=True, cwd=ROOT, timeout=120)
    write_recording(recorder, os.path.join(options.out, f"{names.replace('+', '-and-')}-{scenario}"), {
        "emitter": package_versions(names, app), "app": app, "scenario": scenario, "protocol": protocol, "environment": extra})


def write_recording(recorder, folder, meta):
    """What the recorder took becomes a folder: the requests as they came, and meta.json."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    meta["requests"] = []
    for number, item in enumerate(sorted(recorder.taken, key=lambda item: item["signal"] != "traces"), 1):
        name = f"{number}-{item['signal']}.{'json' if item['content_type'] == 'application/json' else 'pb'}.gz"
        with open(os.path.join(folder, name), "wb") as out:
            out.write(gzip.compress(item.pop("body"), mtime=0))
        meta["requests"].append(dict(item, file=name))
    with open(os.path.join(folder, "meta.json"), "w", encoding="utf-8") as out:
        json.dump(meta, out, indent=1)
        out.write("\n")
    print(os.path.basename(folder), [item["file"] for item in meta["requests"]], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model-url", default="http://127.0.0.1:18080/v1")
    parser.add_argument("--out", default=os.path.join(ROOT, "tests/fixtures/real"))
    parser.add_argument("--node", default="node")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    recorder = Recorder()
    for row in RUNS:
        for scenario in row[2].split():
            if f"{row[0]}-{scenario}".startswith(options.only):
                run(recorder, row, scenario, options)


if __name__ == "__main__":
    main()
