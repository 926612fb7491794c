"""The real binary, started on free ports with short settle times, and ways to talk to it.

TELLTALE_BIN names another binary than build/release/telltale.  Nothing here waits a fixed time: wait_until() asks
again until a deadline.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import gzip
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import zlib

import grpc
import pytest
import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests/fixtures")
BINARY = os.environ.get("TELLTALE_BIN", os.path.join(ROOT, "build/release/telltale"))
CLEAN_ENV = {key: value for key, value in os.environ.items() if not key.startswith("TELLTALE_")}
SETTLE = {"settle.after_root": "300ms", "settle.after_idle": "600ms", "settle.tick": "50ms", "log.disk_free": "1MiB"}
MESSAGES = {"traces": trace_service_pb2.ExportTraceServiceRequest, "logs": logs_service_pb2.ExportLogsServiceRequest,
            "metrics": metrics_service_pb2.ExportMetricsServiceRequest}
ANSWERS = {"traces": trace_service_pb2.ExportTraceServiceResponse, "logs": logs_service_pb2.ExportLogsServiceResponse,
           "metrics": metrics_service_pb2.ExportMetricsServiceResponse}
GRPC_PATHS = {"traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
              "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
              "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export"}
PROTOBUF, JSON = "application/x-protobuf", "application/json"
ID_KEYS = {"traceId", "spanId", "parentSpanId"}
PACK = {None: lambda body: body, "gzip": gzip.compress, "deflate": zlib.compress,
        "zstd": lambda body: zstandard.ZstdCompressor().compress(body)}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def wait_until(look, seconds=15, what="it"):
    """The first true value of look(); fails when there was none in time."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


class Server:
    """One running telltale with a folder of its own."""

    def __init__(self, folder=None, env=None, **options):
        self.folder = folder or tempfile.mkdtemp(prefix="telltale-e2e-")
        self.owns_folder = folder is None
        self.data_dir = os.path.join(self.folder, "data")
        self.options = dict(SETTLE, **{key.replace("__", "."): value for key, value in options.items()})
        self.env = dict(CLEAN_ENV, **(env or {}))
        self.process, self.first_key, self.headers = None, None, {}

    def command(self):
        listen = [f"--listen.{name}=127.0.0.1:0" for name in ("grpc", "otlp", "api")
                  if f"listen.{name}" not in self.options]
        return [BINARY, "serve", f"--server.data_dir={self.data_dir}", *listen,
                *(f"--{key}={value}" for key, value in self.options.items())]

    def start(self, prefix=(), seconds=60, preexec=None):
        self.log = open(os.path.join(self.folder, "stderr.log"), "ab")
        self.process = subprocess.Popen([*prefix, *self.command()], stdout=subprocess.PIPE, stderr=self.log,
                                        env=self.env, preexec_fn=preexec)
        text, deadline = "", time.monotonic() + seconds
        while "ready in" not in text:
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                self.kill()
                pytest.fail(f"not ready in {seconds} s; it printed {text!r}, {self.stderr()!r}")
            piece = os.read(self.process.stdout.fileno(), 65536).decode()
            if not piece:
                status = self.process.wait()
                self.process = None
                raise RuntimeError(f"telltale ended with {status}: {text}{self.stderr()}")
            text += piece
        self.stdout = text
        ports = {name: int(port) for name, port in re.findall(r"^(OTLP/gRPC|OTLP/HTTP|web, API)\s+\S+:(\d+)$", text, re.M)}
        self.grpc_port, self.otlp_port, self.api_port = (ports.get(n) for n in ("OTLP/gRPC", "OTLP/HTTP", "web, API"))
        found = re.search(r"tt_[A-Za-z0-9_]+", text)
        self.first_key = found.group(0) if found else self.first_key
        return self

    def stderr(self):
        with open(os.path.join(self.folder, "stderr.log"), encoding="utf-8", errors="replace") as text:
            return text.read()

    def kill(self, how=signal.SIGKILL):
        if self.process:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            finally:
                if self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()
                self.process.stdout.close()
                self.log.close()
                self.process = None

    def stop(self):
        self.kill(signal.SIGTERM)

    def remove(self):
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def memory(self, name="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))

    # ---- HTTP ----

    def request(self, method, path, body=None, headers=None, port=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.api_port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(self.headers, **(headers or {})))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def api(self, path, headers=None, expect=200, **params):
        """GET of the API as JSON; params are the query's."""
        query = "?" + urllib.parse.urlencode(params) if params else ""
        answer = self.request("GET", "/api/v1" + path + query, headers=headers)
        assert answer.status == expect, f"{path}{query}: {answer}"
        return answer.json

    def spans(self, q="", **params):
        """Every span that the filter finds, over all pages and all time."""
        params = dict({"from": "1970-01-02T00:00:00Z", "to": "2261-01-01T00:00:00Z", "limit": 1000}, q=q, **params)
        items = []
        while True:
            page = self.api("/spans", **params)
            items += page["items"]
            if not page["next_cursor"]:
                return items
            params["cursor"] = page["next_cursor"]

    def wait_spans(self, q, count=1, settled=False, seconds=15):
        def look():
            found = self.spans(q)
            return found if len(found) >= count and (not settled or all(s["settled"] for s in found)) else None
        return wait_until(look, seconds, f"{count} spans of {q}")

    def trace(self, trace_id):
        return self.api(f"/traces/{trace_id}")

    def wait_trace(self, trace_id, count=1, settled=True, seconds=15):
        def look():
            answer = self.request("GET", f"/api/v1/traces/{trace_id}")
            if answer.status != 200:
                return None
            spans = answer.json["spans"]
            # the row of the trace and its spans are read one after the other: both must be final
            final = answer.json["trace"]["settled"] and all(span["settled"] for span in spans)
            done = len(spans) >= count and (not settled or final)
            return answer.json if done else None
        return wait_until(look, seconds, f"trace {trace_id}")

    def payload(self, trace_id, span_id):
        return self.api(f"/spans/{trace_id}/{span_id}/payload")

    def call(self, method, path, body=None, expect=200, **headers):
        """As a vendor's client asks, with JSON: an object, or its text; the answer, of that status."""
        sent = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        answer = self.request(method, path, sent, {"content-type": JSON, **headers}, self.otlp_port)
        assert answer.status == expect, answer
        return answer

    def wait_scores(self, count, **params):
        """That many scores, or more."""
        def look():
            items = self.api("/scores", **params)["items"]
            return items if len(items) >= count else None
        return wait_until(look, 15, f"{count} scores of {params}")

    def said(self, span):
        """The messages of its input and of its output: role and text of each."""
        payload = self.payload(span["trace_id"], span["span_id"])
        return [[(message["role"], "".join(part.get("content", "") for part in message["parts"])) for message in payload[side] or []]
                for side in ("input", "output")]

    def create_key(self, project, permissions):
        """A key that counts within seconds."""
        made = subprocess.run([BINARY, "key", "create", f"--data_dir={self.data_dir}", f"--project={project}",
                               f"--permissions={permissions}", "--json"], capture_output=True, text=True, env=CLEAN_ENV, check=True)
        return json.loads(made.stdout)["token"]

    def metric(self, name):
        text = self.request("GET", "/metrics").text
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)", text, re.M))

    # ---- sending ----

    def post(self, body, signal_name="traces", kind=PROTOBUF, encoding=None, headers=None, path=None, port=None):
        sent = {"content-type": kind, **(headers or {})}
        if encoding:
            sent["content-encoding"] = encoding
        return self.request("POST", path or f"/v1/{signal_name}", PACK[encoding](body), sent, port or self.otlp_port)

    def send(self, message, signal_name="traces", kind=PROTOBUF, encoding=None, headers=None):
        """Send a message as OTLP/HTTP; it must be acknowledged whole."""
        body = message.SerializeToString() if kind == PROTOBUF else to_json(message)
        answer = self.post(body, signal_name, kind, encoding, headers)
        assert answer.status == 200, answer
        assert answer.body in (b"", b"{}"), answer
        return answer

    def send_grpc(self, message, signal_name="traces", compression=None, metadata=(), timeout=20):
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}", compression=compression) as channel:
            call = channel.unary_unary(GRPC_PATHS[signal_name], type(message).SerializeToString,
                                       ANSWERS[signal_name].FromString)
            return call(message, timeout=timeout, metadata=metadata, wait_for_ready=True)

    def send_spans(self, *spans, resource=None, scope="e2e", **how):
        return self.send(request_of(spans, resource, scope), **how)

    def raw(self, data, port=None, timeout=20, shut=False):
        """What comes back for raw bytes on a connection, to its end or the deadline."""
        with socket.create_connection(("127.0.0.1", port or self.otlp_port), timeout=timeout) as connection:
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while piece := connection.recv(65536):
                    got += piece
            except (TimeoutError, ConnectionResetError):
                pass
            return got


# ---- making telemetry ----

def value_of(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [value_of(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": attributes_of(value)}}
    return {"stringValue": value}


def attributes_of(values):
    return [{"key": key, "value": value_of(value)} for key, value in values.items()]


def new_trace_id():
    return os.urandom(16).hex()


def new_span_id():
    return os.urandom(8).hex()


def make_span(attributes=None, name="chat", trace_id=None, span_id=None, parent=None, start=None, ms=120, kind=3,
              status=None, events=()):
    """A span as OTLP JSON has it; start in ns, now by default."""
    start = time.time_ns() - 10**9 if start is None else start
    span = {"traceId": trace_id or new_trace_id(), "spanId": span_id or new_span_id(), "name": name, "kind": kind,
            "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + int(ms * 1e6)),
            "attributes": attributes_of(attributes or {})}
    if parent:
        span["parentSpanId"] = parent
    if status:
        span["status"] = status
    if events:
        span["events"] = [{"timeUnixNano": str(at), "name": event, "attributes": attributes_of(values)}
                          for at, event, values in events]
    return span


def json_request(spans, resource=None, scope="e2e"):
    return {"resourceSpans": [{"resource": {"attributes": attributes_of(resource or {"service.name": "e2e"})},
                               "scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}]}]}


def _ids(value, change):
    if isinstance(value, dict):
        return {key: change(item) if key in ID_KEYS and isinstance(item, str) else _ids(item, change)
                for key, item in value.items()}
    if isinstance(value, list):
        return [_ids(item, change) for item in value]
    return value


def from_json(body, signal_name="traces"):
    """OTLP JSON (text or object) as a protobuf message of the official classes."""
    value = json.loads(body) if isinstance(body, (str, bytes)) else body
    coded = _ids(value, lambda text: base64.b64encode(bytes.fromhex(text)).decode())
    return json_format.ParseDict(coded, MESSAGES[signal_name](), ignore_unknown_fields=True)


def to_json(message):
    """A protobuf message as OTLP JSON bytes: hex ids, numbers for enums."""
    value = json_format.MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(_ids(value, lambda text: base64.b64decode(text).hex())).encode()


def request_of(spans, resource=None, scope="e2e"):
    return from_json(json_request(spans, resource, scope))


def load_fixture(name):
    """The requests of one recording: [(meta of the request, protobuf message)]."""
    folder = os.path.join(FIXTURES, "real", name)
    with open(os.path.join(folder, "meta.json"), encoding="utf-8") as text:
        meta = json.load(text)
    found = []
    for item in meta["requests"]:
        with gzip.open(os.path.join(folder, item["file"])) as data:
            body = data.read()
        is_json = item["file"].endswith(".json.gz")
        message = from_json(body, item["signal"]) if is_json else MESSAGES[item["signal"]].FromString(body)
        found.append((item, body, message))
    return found


def replay_native(server, name, path_of=lambda path: path):
    """Send what a vendor's client sent (record_native.py) and give the answers; all must be successes."""
    with open(os.path.join(FIXTURES, "native", name + ".json"), encoding="utf-8") as text:
        recorded = json.load(text)["requests"]
    answers = []
    for item in recorded:
        body = base64.b64decode(item["base64"]) if "base64" in item else item["text"].encode()
        answers.append(server.request(item["method"], path_of(item["path"]), body, item["headers"]))
        assert answers[-1].status < 300, (item["path"], answers[-1])
    return answers


def each_span(message):
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def redraw(message, ids=None):
    """New ids and times of today, the same for the same old id: a fixture can be sent many times."""
    ids = {} if ids is None else ids

    def new(old):
        return ids.setdefault(old, os.urandom(len(old))) if old else old
    for span in each_span(message) if hasattr(message, "resource_spans") else ():
        span.trace_id, span.span_id, span.parent_span_id = new(span.trace_id), new(span.span_id), new(span.parent_span_id)
        for link in span.links:
            link.trace_id, link.span_id = new(link.trace_id), new(link.span_id)
    for resource in getattr(message, "resource_logs", ()):
        for scope in resource.scope_logs:
            for record in scope.log_records:
                record.trace_id, record.span_id = new(record.trace_id), new(record.span_id)
    return ids


# ---- fixtures ----

@pytest.fixture(scope="session", autouse=True)
def binary():
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: ./run --build-only makes it", 2)


@pytest.fixture(scope="module")
def server():
    """One server for the tests of a file."""
    made = Server().start()
    yield made
    crashed = made.process.poll() is not None
    error = made.stderr()
    made.stop() if not crashed else None
    made.remove()
    assert not crashed, f"the server died during this file: {error[-2000:]}"


@pytest.fixture
def new_server():
    """A function that makes servers of one's own; they are ended afterwards."""
    made = []

    def make(**options):
        made.append(Server(**options))
        return made[-1]
    yield make
    for one in made:
        one.kill()
        one.remove()
