#!/usr/bin/env python3
"""Record what vendors' own packages of JavaScript send, dd-trace and @helicone/helpers, into tests/fixtures/native/.

The one is heavy and the other asks for an older openai, so their requests are recorded (npm ci in js/ first) and replayed by
test_26_*.py.  This script is agent, model and log at once; what a tracer tells of itself is not kept.  Times in the bodies are listed,
so that a replay can move them.

usage: native.py [--only PREFIX] [--node PATH] [--out DIR]
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
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from test_26_datadog import COMPLETION  # noqa: E402  pylint: disable=wrong-import-position

ENDPOINTS = ["/v0.4/traces", "/v0.5/traces", "/evp_proxy/v2/"]
RUNS = [("datadog-js-v04", "apps/datadog_app.cjs", "dd-trace", {}),
        ("datadog-js-v05", "apps/datadog_app.cjs", "dd-trace", {"DD_TRACE_AGENT_PROTOCOL_VERSION": "0.5"}),
        ("helicone-js", "apps/helicone_app.mjs", "@helicone/helpers", {})]
HOUR_NS = 3600 * 10 ** 9


class Handler(http.server.BaseHTTPRequestHandler):
    taken = []

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        answer, status = {}, 200
        if self.path == "/info":
            answer = {"version": "7.65.0", "endpoints": ENDPOINTS}
        elif self.path.endswith("/chat/completions"):
            answer = COMPLETION
        elif self.path.endswith(("/traces", "/log")) or "llm" in self.path:
            self.taken.append((self.command, self.path, self.headers, body))
            answer, status = {"rate_by_service": {}}, 202 if "llm" in self.path else 200
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_any

    def log_message(self, *_):
        pass


def times_of(body):
    """Numbers of a body that are nanoseconds of the last hour: decimal, or MessagePack's 0xcf."""
    now = time.time_ns()
    found = {int(digits) for digits in re.findall(rb"\b\d{19}\b", body)}
    found |= {int.from_bytes(body[at + 1:at + 9], "big") for at in range(len(body) - 8) if body[at] == 0xcf}
    return sorted(number for number in found if now - HOUR_NS < number <= now)


def is_kept(name):
    return name == "content-type" or name.startswith(("datadog-meta", "helicone-"))


def save(folder, package):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    requests = []
    for number, (method, path, headers, body) in enumerate(Handler.taken, 1):
        name = f"{number}-{path.rstrip('/').rsplit('/', 1)[1]}.gz"
        with open(os.path.join(folder, name), "wb") as file:
            file.write(gzip.compress(body, 9, mtime=0))
        kept = {key.lower(): value for key, value in headers.items() if is_kept(key.lower())}
        requests.append({"file": name, "method": method, "path": path, "headers": kept, "times": times_of(body)})
    with open(os.path.join(HERE, "js/package.json"), encoding="utf-8") as text:
        version = json.load(text)["dependencies"][package]
    with open(os.path.join(folder, "meta.json"), "w", encoding="utf-8") as text:
        json.dump({"package": f"{package} {version}", "requests": requests}, text, indent=1)
        text.write("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", default="node")
    parser.add_argument("--out", default=os.path.join(HERE, "../../fixtures/native"))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    agent = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=agent.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{agent.server_port}"
    for name, app, package, settings in RUNS:
        if not name.startswith(options.only):
            continue
        Handler.taken.clear()
        env = dict(os.environ, DD_TRACE_AGENT_URL=url, MODEL_URL=f"{url}/v1", LOG_URL=url, DD_ENV="test", DD_VERSION="3.1", DD_SERVICE="shop",
                   DD_INSTRUMENTATION_TELEMETRY_ENABLED="false", **settings)
        subprocess.run([options.node, app], cwd=os.path.join(HERE, "js"), env=env, check=True, timeout=60)
        save(os.path.join(options.out, name), package)
        print(name, [(request[1], len(request[3])) for request in Handler.taken])


if __name__ == "__main__":
    main()
