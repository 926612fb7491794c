"""kill -9 at random moments under load, again and again.

After each start: whatever was acknowledged is there, once; sums of tokens and money are exact; what was not answered may
be there or not, and is there once after it was sent again.  At no moment a query shows more than was sent.

TELLTALE_KILL_CYCLES  how often (15; docs/reliability.md has the long run); a new data folder every 100 kills, since the
                      look after each of them takes the longer the more there is, and making a folder is killed, too
TELLTALE_KILL_SEED    the same load and moments again, as far as the scheduler lets it

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import random
import subprocess
import threading
import time

from conftest import JSON, json_request, make_span, wait_until

CYCLES = int(os.environ.get("TELLTALE_KILL_CYCLES", "15"))
SEED = int(os.environ.get("TELLTALE_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
FOLDER_CYCLES = 100
WHOLE_EVERY, CONTENT_EVERY, SENDERS, CONTENT_SAMPLE, PATIENCE_S = 100, 10, 3, 8, 60
LATE, FULL_LOAD, KILL_STARTING = 0.1, 0.03, 0.1  # shares of requests, and of cycles
KILLS_OF_FIRST_START = 5
REST_EVERY = 5  # lives that last until all is stored; else what is to be done again grows from kill to kill
ALL_TIME = {"from": "1970-01-02T00:00:00Z", "to": "2261-01-01T00:00:00Z"}
QUICK = {"settle__after_root": "100ms", "settle__after_idle": "200ms", "settle__tick": "20ms", "log__segment": "1MiB"}
NANO_IN, NANO_OUT = 150, 600  # gpt-4o-mini per token


class Request:
    """A body and what it adds to the sums."""

    def __init__(self, spans, calls):
        self.body = json.dumps(json_request(spans)).encode()
        self.trace_id, self.root = spans[0]["traceId"], spans[0].get("parentSpanId") or spans[0]["spanId"]
        self.ids = {(span["traceId"], span["spanId"]) for span in spans}
        self.calls = calls  # (trace, span) -> tokens in, tokens out, question


class Ledger:
    """What was sent, and what of it was acknowledged."""

    def __init__(self, rng):
        self.rng, self.lock, self.number = rng, threading.Lock(), 0
        self.acknowledged, self.unanswered = [], []
        self.spans, self.calls = set(), {}

    def call(self, trace_id, parent, start):
        self.number += 1
        tokens = self.rng.randrange(1, 5000), self.rng.randrange(1, 900)
        question = f"question {self.number} of this run"
        span = make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
                          "gen_ai.usage.input_tokens": tokens[0], "gen_ai.usage.output_tokens": tokens[1],
                          "gen_ai.response.id": f"answer-{self.number}", "user.id": f"user-{self.number % 7}",
                          "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [
                              {"type": "text", "content": question}]}])},
                         trace_id=trace_id, parent=parent, start=start)
        return span, (*tokens, question)

    def make(self):
        """A new trace, or a late call of an old one, which is settled or not."""
        with self.lock:
            start = time.time_ns() - 10**9
            if self.acknowledged and self.rng.random() < LATE:
                old = self.rng.choice(self.acknowledged[-400:])
                spans, trace_id, root = [], old.trace_id, old.root
            else:
                spans = [make_span(name="POST /ask", kind=2, start=start, ms=900)]
                trace_id, root = spans[0]["traceId"], spans[0]["spanId"]
            calls = {}
            for index in range(self.rng.randrange(1, 4)):
                span, facts = self.call(trace_id, root, start + index * 2 * 10**8)
                spans.append(span)
                calls[trace_id, span["spanId"]] = facts
            return Request(spans, calls)

    def acknowledge(self, request):
        with self.lock:
            self.acknowledged.append(request)
            self.spans |= request.ids
            self.calls.update(request.calls)

    def give_up(self, request):
        with self.lock:
            self.unanswered.append(request)

    def take_unanswered(self):
        with self.lock:
            return self.unanswered.pop() if self.unanswered else None

    def sums(self, more=()):
        """spans, input tokens, output tokens, nano-dollars; with those of more requests."""
        calls = list(self.calls.values()) + [facts for request in more for facts in request.calls.values()]
        spans = len(self.spans) + sum(len(request.ids) for request in more)
        tokens_in, tokens_out = sum(c[0] for c in calls), sum(c[1] for c in calls)
        return spans, tokens_in, tokens_out, tokens_in * NANO_IN + tokens_out * NANO_OUT


def post(port, connection, request):
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/v1/traces", request.body, {"content-type": JSON})
    answer = connection.getresponse()
    answer.read()
    return connection, answer.status


def send_until_dead(port, ledger, again, pause_s):
    """Until the server is gone; what it did not answer is kept to be sent again."""
    connection = None
    while True:
        time.sleep(pause_s)
        request = (ledger.take_unanswered() if again else None) or ledger.make()
        try:
            connection, status = post(port, connection, request)
        except (OSError, http.client.HTTPException):
            ledger.give_up(request)
            return
        assert status in (200, 429, 503), status
        if status == 200:
            ledger.acknowledge(request)
        else:
            ledger.give_up(request)


def stored_sums(server):
    got = server.api("/aggregate", metric="count,input_tokens,output_tokens,cost", **ALL_TIME)["items"]
    if not got:
        return 0, 0, 0, 0
    row = got[0]["values"]
    return row["count"], row["input_tokens"] or 0, row["output_tokens"] or 0, round((row["cost_usd"] or 0) * 1e9)


class Late:
    """Said when waiting was in vain; looks only then at what was seen last."""

    def __init__(self, what, wanted, seen):
        self.what, self.wanted, self.seen = what, wanted, seen

    def __str__(self):
        return f"{self.what}: {self.wanted}; there is {self.seen}"


def check_sums(server, ledger):
    """All acknowledged is there before anything is sent again; nothing is there twice, not for a moment."""
    least, most = ledger.sums(), ledger.sums(ledger.unanswered)
    seen = []

    def look():
        seen[:] = sums = stored_sums(server)
        assert all(one <= limit for one, limit in zip(sums, most)), f"more than was sent: {sums}, at most {most}"
        return all(one >= limit for one, limit in zip(sums, least))
    wait_until(look, PATIENCE_S, Late("everything acknowledged", least, seen))


def send_again(server, ledger):
    connection = None
    while request := ledger.take_unanswered():
        connection, status = post(server.otlp_port, connection, request)
        assert status == 200, status
        ledger.acknowledge(request)
    wanted, seen = ledger.sums(), []

    def look():
        seen[:] = stored_sums(server)
        return tuple(seen) == wanted
    wait_until(look, PATIENCE_S, Late("exactly what was sent", wanted, seen))


def check_every_span(server, ledger):
    seen = set()
    for span in server.spans():
        key = span["trace_id"], span["span_id"]
        assert key not in seen, f"{key} is listed twice"
        seen.add(key)
        facts = ledger.calls.get(key)
        assert facts is None or (span["input_tokens"], span["output_tokens"]) == facts[:2], span
    assert seen == ledger.spans, (len(seen - ledger.spans), len(ledger.spans - seen))


def check_content(server, ledger):
    keys = list(ledger.calls)
    for trace_id, span_id in ledger.rng.sample(keys, min(CONTENT_SAMPLE, len(keys))):
        text = json.dumps(server.payload(trace_id, span_id)["input"])
        assert ledger.calls[trace_id, span_id][2] in text, (trace_id, span_id, text)


def kill_while_starting(server, rng):
    with subprocess.Popen(server.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=server.env) as process:
        time.sleep(rng.random() * 0.2)
        process.kill()


def one_cycle(server, ledger, cycle):
    rng = ledger.rng
    for _ in range(KILLS_OF_FIRST_START if cycle == 0 else rng.random() < KILL_STARTING):
        kill_while_starting(server, rng)
    server.start()
    check_sums(server, ledger)
    again = cycle % 3 == 2
    if not again:
        send_again(server, ledger)
    if cycle % REST_EVERY == 0:
        wait_until(lambda: server.metric("telltale_open_traces") == 0 and server.metric("telltale_log_segments") <= 2,
                   PATIENCE_S, "everything stored, and the log let go")
    if cycle % CONTENT_EVERY == 0:
        check_content(server, ledger)
    if cycle and cycle % WHOLE_EVERY == 0:
        check_every_span(server, ledger)
    pause_s = 0 if rng.random() < FULL_LOAD else rng.random() * 0.02
    senders = [threading.Thread(target=send_until_dead, args=(server.otlp_port, ledger, again, pause_s))
               for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    time.sleep(rng.random() ** 2 * 0.6)
    server.kill()
    for sender in senders:
        sender.join()


def run_on_a_folder(new_server, rng, cycles, started):
    """The ledger of what was acknowledged; all of it is there at the end."""
    ledger, server = Ledger(rng), new_server(**QUICK)
    try:
        for cycle in range(cycles):
            one_cycle(server, ledger, cycle)
            if cycle % 50 == 49:
                print(f"{cycle + 1} cycles, {len(ledger.spans)} spans, {time.monotonic() - started:.0f} s", flush=True)
        server.start()
        check_sums(server, ledger)
        send_again(server, ledger)
        check_every_span(server, ledger)
        check_content(server, ledger)
        assert server.metric("telltale_drain_corrupt_records_total") == 0
        server.kill()
    except BaseException:
        server.owns_folder = False  # kept to be looked at
        print(f"TELLTALE_KILL_SEED={SEED}, data in {server.data_dir}")
        raise
    return ledger


def test_what_was_acknowledged_survives_kill_9_exactly_once(new_server):
    """shows: X5 C10"""
    rng, started = random.Random(SEED), time.monotonic()
    requests = spans = 0
    for first in range(0, CYCLES, FOLDER_CYCLES):
        ledger = run_on_a_folder(new_server, rng, min(FOLDER_CYCLES, CYCLES - first), started)
        requests += len(ledger.acknowledged)
        spans += len(ledger.spans)
    assert requests > 5 * CYCLES, "there was hardly any load"
    print(f"{CYCLES} kills: {requests} requests, {spans} spans acknowledged, none lost, none twice")
