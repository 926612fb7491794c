"""Send runs or observations by a vendor's own API as fast as they are acknowledged; print JSON.

usage: native.py KIND --port=N --api=N [--seconds=4] [--connections=8] [--batch=100] [--rate-max=60000]

KIND is langsmith (POST /runs/batch, chains of one model call each) or langfuse (POST /api/public/ingestion,
traces of one generation each).  Every body is made before the clock starts, each with ids of its own, so
that this program costs the server's cores little while it is measured.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import datetime
import http.client
import json
import random
import re
import sys
import threading
import time
import urllib.request
import uuid

ids = random.Random()
QUESTION = "Which documents does the refund policy of an order of more than thirty days ask for?"
ANSWER = "The invoice and the original packaging, within thirty days of the delivery; see section four."


def new_id():
    return str(uuid.UUID(int=ids.getrandbits(128), version=4))


def langsmith_items(count, now):
    """Runs, two of a trace."""
    stamp = now.strftime("%Y%m%dT%H%M%S%fZ")
    items = []
    for _ in range(count // 2):
        root, child = new_id(), new_id()
        common = {"trace_id": root, "start_time": now.isoformat(), "end_time": (now + datetime.timedelta(milliseconds=800)).isoformat(),
                  "session_name": "bench"}
        items.append(dict(common, id=root, dotted_order=stamp + root, name="answer", run_type="chain",
                          inputs={"question": QUESTION}, outputs={"answer": ANSWER}))
        items.append(dict(common, id=child, parent_run_id=root, dotted_order=f"{stamp}{root}.{stamp}{child}", name="ChatOpenAI",
                          run_type="llm", extra={"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini", "session_id": "s-1"}},
                          inputs={"messages": [{"role": "user", "content": QUESTION}]},
                          outputs={"choices": [{"index": 0, "finish_reason": "stop",
                                                "message": {"role": "assistant", "content": ANSWER}}],
                                   "usage_metadata": {"input_tokens": 21, "output_tokens": 19, "total_tokens": 40}}))
    return items


def langfuse_items(count, now):
    """Events: a trace and its generation."""
    items, at = [], now.isoformat().replace("+00:00", "Z")
    for _ in range(count // 2):
        trace, generation = new_id(), new_id()
        items.append({"id": new_id(), "type": "trace-create", "timestamp": at,
                      "body": {"id": trace, "timestamp": at, "name": "answer", "userId": "u-1", "sessionId": "s-1", "input": QUESTION,
                               "output": ANSWER}})
        items.append({"id": new_id(), "type": "generation-create", "timestamp": at,
                      "body": {"id": generation, "traceId": trace, "name": "chat", "startTime": at, "endTime": at, "model": "gpt-4o-mini",
                               "input": [{"role": "user", "content": QUESTION}], "output": {"role": "assistant", "content": ANSWER},
                               "usageDetails": {"input": 21, "output": 19, "total": 40}}})
    return items


KINDS = {"langsmith": ("/runs/batch", lambda count, now: {"post": langsmith_items(count, now), "patch": []}),
         "langfuse": ("/api/public/ingestion", lambda count, now: {"batch": langfuse_items(count, now)})}
HEADERS = {"content-type": "application/json"}


class Run:
    """Bodies that wait, and what became of the others."""

    def __init__(self, bodies, path, port):
        self.bodies, self.path, self.port = bodies, path, port
        self.lock, self.acked, self.failed, self.bytes = threading.Lock(), 0, 0, 0

    def send(self, batch, until):
        """One connection; a body is taken when the one before it was answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while time.monotonic() < until:
            try:
                body = self.bodies.pop()
            except IndexError:
                break
            connection.request("POST", self.path, body, HEADERS)
            answer = connection.getresponse()
            answer.read()
            with self.lock:
                if answer.status < 300:
                    self.acked += batch
                    self.bytes += len(body)
                else:
                    self.failed += 1
        connection.close()


def settled(api):
    with urllib.request.urlopen(f"http://127.0.0.1:{api}/metrics", timeout=10) as answer:
        return int(float(re.search(r"^telltale_spans_settled_total (\S+)", answer.read().decode(), re.M)[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rate-max", type=int, default=60000)
    parser.add_argument("--wait", type=float, default=60)
    options = parser.parse_args()
    path, make = KINDS[options.kind]
    ids.seed(options.kind)
    now = datetime.datetime.now(datetime.timezone.utc)
    bodies = [json.dumps(make(options.batch, now)).encode() for _ in range(int(options.seconds * options.rate_max / options.batch))]
    run = Run(bodies, path, options.port)
    before = settled(options.api)
    begin = time.monotonic()
    threads = [threading.Thread(target=run.send, args=(options.batch, begin + options.seconds)) for _ in range(options.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent_s = time.monotonic() - begin
    while settled(options.api) - before < run.acked and time.monotonic() - begin < options.wait:
        time.sleep(0.05)
    settled_s, done = time.monotonic() - begin, settled(options.api) - before
    print(json.dumps({"acked": run.acked, "failed": run.failed, "acked_per_s": run.acked / sent_s, "stored_per_s": done / settled_s,
                      "mb_per_s": run.bytes / 1e6 / sent_s, "lost": run.failed > 0 or done < run.acked}))
    return 0 if run.failed == 0 and done >= run.acked else 1


if __name__ == "__main__":
    sys.exit(main())
