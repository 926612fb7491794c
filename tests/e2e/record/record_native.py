#!/usr/bin/env python3
"""Record what clients of a vendor's own API send: tests/fixtures/native/NAME.json.

A proxy stands before a running telltale, whose answers the client gets; each request is written as it came: method,
path, the headers that mean something, body.  PACKAGES in the environment says with which versions.

usage: record_native.py NAME http://127.0.0.1:4320 VARIABLE COMMAND...   (VARIABLE=the proxy's URL for the command)
SPDX-License-Identifier: Apache-2.0
"""
import base64
import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
KEPT = {"content-type", "content-encoding", "authorization", "user-agent"}


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target, taken = None, []

    def body(self):
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        pieces = b""
        while size := int(self.rfile.readline(), 16):
            pieces += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return pieces

    def pass_on(self):
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        kept = {name: value for name, value in headers.items() if name in KEPT or name.startswith("x-")}
        try:
            said = {"text": body.decode()}
        except UnicodeDecodeError:
            said = {"base64": base64.b64encode(body).decode()}
        self.taken.append({"method": self.command, "path": self.path, "headers": kept, **said})
        onward = http.client.HTTPConnection(self.target.hostname, self.target.port)
        onward.request(self.command, self.path, body, {name: headers[name] for name in kept})
        answer = onward.getresponse()
        data = answer.read()
        print(self.command, self.path, answer.status, data[:200] if answer.status >= 300 else "", file=sys.stderr)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

    def log_message(self, *_):
        pass


def main():
    name, target, variable, *command = sys.argv[1:]
    Proxy.target = urllib.parse.urlparse(target)
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{proxy.server_port}"
    subprocess.run(command, env=dict(os.environ, **{variable: url}), check=True, timeout=300)
    path = os.path.join(ROOT, "tests/fixtures/native", name + ".json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"packages": os.environ["PACKAGES"].split(","), "requests": Proxy.taken}, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
