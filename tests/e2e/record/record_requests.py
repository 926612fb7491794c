"""What a vendor's own client sends, recorded: `record_requests.py FOLDER EMITTER VARIABLE... -- COMMAND...`.

A telltale answers, this stands between it and the client.  In VARIABLE (NAME=VALUE) and COMMAND, {url} is where to send.
FOLDER gets requests.jsonl.gz (a request per line) and meta.json.  Absolute paths of this machine are cut off.

SPDX-License-Identifier: Apache-2.0"""
import gzip
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import conftest  # noqa: E402
import scripted_model  # noqa: E402

KEPT = ("content-type", "content-encoding")


def portable(text):
    """Without the folders of this machine."""
    text = re.sub(r"/[\w./@+-]*/(site-packages|node_modules)/", r"\1/", text)
    return text.replace(conftest.ROOT + "/", "")


def recorder(server, requests):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def forward(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            kept = {name: self.headers[name] for name in KEPT if self.headers.get(name)}
            answer = server.request(self.command, self.path, body, kept, server.otlp_port)
            requests.append({"method": self.command, "path": self.path, "headers": kept, "body": portable(body.decode()),
                             "status": answer.status})
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers.get("content-type", "application/json"))
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
        do_GET = do_POST = do_PATCH = do_PUT = forward
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{made.server_port}"


def main():
    folder, emitter, *rest = sys.argv[1:]
    variables, command = rest[:rest.index("--")], rest[rest.index("--") + 1:]
    server, requests = conftest.Server().start(), []
    try:
        url = recorder(server, requests)
        env = dict(os.environ, MODEL_URL=scripted_model.start())
        env.update(variable.replace("{url}", url).split("=", 1) for variable in variables)
        subprocess.run([word.replace("{url}", url) for word in command], env=env, check=True)
    finally:
        server.kill()
        server.remove()
    os.makedirs(folder, exist_ok=True)
    with gzip.GzipFile(os.path.join(folder, "requests.jsonl.gz"), "wb", mtime=0) as out:
        for request in requests:
            out.write(json.dumps(request, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    meta = {"emitter": emitter.split(","), "app": os.path.basename(command[-1]), "model": "scripted_model.py", "protocol": "native",
            "environment": sorted(variable.split("=")[0] for variable in variables), "requests": []}
    with open(os.path.join(folder, "meta.json"), "w", encoding="utf-8") as out:
        json.dump(meta, out, indent=1)
        out.write("\n")
    print(len(requests), "requests", sorted({(r["path"], r["status"]) for r in requests}))


if __name__ == "__main__":
    main()
