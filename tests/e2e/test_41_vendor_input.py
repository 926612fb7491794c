"""Bad and extreme input of the vendors' own APIs: each answers as its server would, counts it, and never loses a neighbour.

One table of vendors; each case is sent to all of them.

SPDX-License-Identifier: Apache-2.0
"""
import json
import struct
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from conftest import JSON, new_span_id, wait_until

BASE = datetime(2026, 11, 21, 10, 0, 0, tzinfo=timezone.utc)
MSGPACK = "application/msgpack"


def rfc(moment):
    return moment.isoformat().replace("+00:00", "Z")


def ns(moment):
    return int(moment.timestamp()) * 10 ** 9


def packed(value):
    """MessagePack, as much of it as a tracer needs."""
    if value is None:
        return b"\xc0"
    if isinstance(value, str):
        raw = value.encode()
        return struct.pack(">BI", 0xdb, len(raw)) + raw
    if isinstance(value, float):
        return struct.pack(">Bd", 0xcb, value)
    if isinstance(value, int):
        return struct.pack(">BQ", 0xcf, value) if value >= 0 else struct.pack(">Bq", 0xd3, value)
    if isinstance(value, dict):
        return struct.pack(">BI", 0xdf, len(value)) + b"".join(packed(key) + packed(item) for key, item in value.items())
    return struct.pack(">BI", 0xdd, len(value)) + b"".join(map(packed, value))


class Vendor:
    """How one vendor's client tells of a model call.  make() is one item; its name is `name`, its times a second apart."""
    path, status, kind, method = "", 200, JSON, "POST"

    def body(self, items):
        return json.dumps(items)

    def send(self, server, items):
        body = self.body(items)
        answer = server.request(self.method, self.path, body, {"content-type": self.kind, **self.headers()}, server.otlp_port)
        assert answer.status in (self.status if isinstance(self.status, tuple) else (self.status,)), (type(self).__name__, answer)
        return answer

    def headers(self):
        return {}

    def trace_of(self, trace):
        """The trace's id as it is stored."""
        return trace.replace("-", "")


class Langfuse(Vendor):
    path, status = "/api/public/ingestion", 207

    def make(self, trace, name, start=rfc(BASE), parent=None, text="hi", **more):
        return {"id": str(uuid.uuid4()), "timestamp": rfc(BASE), "type": "generation-create", "body": {
            "id": name, "traceId": trace, "name": name, "startTime": start, "endTime": rfc(BASE + timedelta(seconds=1)), "parentObservationId": parent,
            "input": [{"role": "user", "content": text}], "model": "gpt-4o", **more}}

    def body(self, items):
        return json.dumps({"batch": items})


class Langsmith(Vendor):
    path, status = "/runs/batch", 202

    def make(self, trace, name, start=rfc(BASE), parent=None, text="hi", **more):
        run = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        return {"id": run, "trace_id": trace, "parent_run_id": parent and str(uuid.uuid5(uuid.NAMESPACE_OID, parent)), "name": name, "run_type": "llm",
                "start_time": start, "end_time": rfc(BASE + timedelta(seconds=1)), "inputs": {"messages": [{"role": "user", "content": text}]}, **more}

    def body(self, items):
        return json.dumps({"post": items, "patch": []})


class Opik(Vendor):
    path, status = "/v1/private/spans/batch", 204

    def make(self, trace, name, start=rfc(BASE), parent=None, text="hi", **more):
        return {"id": str(uuid.uuid5(uuid.NAMESPACE_OID, name)), "trace_id": trace, "parent_span_id": parent and str(uuid.uuid5(uuid.NAMESPACE_OID, parent)),
                "name": name, "type": "llm", "start_time": start, "end_time": rfc(BASE + timedelta(seconds=1)),
                "input": {"messages": [{"role": "user", "content": text}]}, **more}

    def body(self, items):
        return json.dumps({"spans": items})


class Weave(Vendor):
    path = "/v2/shop/support/calls/complete"

    def make(self, trace, name, start=rfc(BASE), parent=None, text="hi", **more):
        return {"project_id": "shop/support", "id": str(uuid.uuid5(uuid.NAMESPACE_OID, name)), "trace_id": trace, "display_name": name,
                "op_name": f"weave:///shop/support/op/{name}:abc", "parent_id": parent and str(uuid.uuid5(uuid.NAMESPACE_OID, parent)),
                "started_at": start, "ended_at": rfc(BASE + timedelta(seconds=1)), "attributes": {}, "summary": {}, "output": "yes",
                "inputs": {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}, **more}

    def body(self, items):
        return json.dumps({"batch": items})


class Datadog(Vendor):
    path, status = "/api/v2/llmobs", 202

    def make(self, trace, name, start=ns(BASE), parent=None, text="hi", **more):
        span = {"trace_id": trace.replace("-", ""), "span_id": str(uuid.uuid5(uuid.NAMESPACE_OID, name).int >> 65), "name": name, "start_ns": start,
                "duration": 10 ** 9, "status": "ok", "meta": {"kind": "llm", "input": {"messages": [{"role": "user", "content": text}]}},
                "parent_id": str(uuid.uuid5(uuid.NAMESPACE_OID, parent).int >> 65) if parent else "undefined", **more}
        return {"event_type": "span", "spans": [span]}


class Agent(Vendor):
    """Datadog's agent: MessagePack."""
    path, kind = "/v0.4/traces", MSGPACK

    def make(self, trace, name, start=ns(BASE), parent=None, text="hi", **more):
        number = uuid.UUID(trace).int
        return {"trace_id": number & (2 ** 64 - 1), "span_id": uuid.uuid5(uuid.NAMESPACE_OID, name).int >> 65, "name": name, "resource": name,
                "service": "shop", "parent_id": uuid.uuid5(uuid.NAMESPACE_OID, parent).int >> 65 if parent else 0, "start": start, "duration": 10 ** 9,
                "error": 0, "meta": {"_dd.p.tid": f"{number >> 64:016x}", "prompt": text}, "metrics": {}, **more}

    def body(self, items):
        return packed([items])


class Phoenix(Vendor):
    path, status = "/v1/projects/shop/spans", (200, 400)  # 400 names those that were left out

    def make(self, trace, name, start=rfc(BASE), parent=None, text="hi", **more):
        return {"name": name, "context": {"trace_id": trace.replace("-", ""), "span_id": uuid.uuid5(uuid.NAMESPACE_OID, name).hex[:16]}, "span_kind": "LLM",
                "parent_id": uuid.uuid5(uuid.NAMESPACE_OID, parent).hex[:16] if parent else None, "start_time": start,
                "end_time": rfc(BASE + timedelta(seconds=1)), "status_code": "OK", "attributes": {"input.value": text}, **more}

    def body(self, items):
        return json.dumps({"data": items})


class Braintrust(Vendor):
    path = "/logs3"

    def make(self, trace, name, start=ns(BASE) / 1e9, parent=None, text="hi", **more):
        return {"id": name, "span_id": name, "root_span_id": trace, "span_parents": [parent] if parent else None, "input": [{"role": "user", "content": text}],
                "span_attributes": {"name": name, "type": "llm"}, "metrics": {"start": start, "end": ns(BASE) / 1e9 + 1}, **more}

    def body(self, items):
        return json.dumps({"rows": items})


class Posthog(Vendor):
    path = "/batch/"

    def make(self, trace, name, start=rfc(BASE), parent=None, text="hi", **more):
        return {"event": "$ai_generation", "distinct_id": "u", "timestamp": start, "uuid": name, "properties": {
            "$ai_trace_id": trace, "$ai_span_id": name, "$ai_parent_id": parent, "$ai_span_name": name, "$ai_latency": 1, "$ai_model": "gpt-4o",
            "$ai_input": [{"role": "user", "content": text}], **more}}

    def body(self, items):
        return json.dumps({"batch": items, "api_key": "test-key"})


VENDORS = {cls.__name__.lower(): cls() for cls in (Langfuse, Langsmith, Opik, Weave, Datadog, Agent, Phoenix, Braintrust, Posthog)}


@pytest.fixture(params=VENDORS)
def vendor(request):
    return VENDORS[request.param]


def found(server, vendor, trace, *names, seconds=20):
    """The spans of a trace by name, once those named are settled."""
    def look():
        answer = server.request("GET", f"/api/v1/traces/{vendor.trace_of(trace)}")
        spans = {span["name"]: span for span in answer.json["spans"]} if answer.status == 200 else {}
        return spans if set(names) <= set(spans) and all(spans[name]["settled"] for name in names) else None
    return wait_until(look, seconds, f"{names} of {type(vendor).__name__}")


def test_an_unknown_type_costs_no_neighbour(server, vendor):
    """shows: X5"""
    trace, odd = str(uuid.uuid4()), new_span_id()
    item = vendor.make(trace, odd)
    for where, key in ((item, "type"), (item, "run_type"), (item, "event_type"), (item, "event"), (item, "span_kind"),
                       (item.get("span_attributes", {}), "type"), (item, "op_name")):
        if key in where:
            where[key] = "of-a-later-version"
    vendor.send(server, [vendor.make(trace, "before"), item, vendor.make(trace, "after")])
    found(server, vendor, trace, "before", "after")


ODD_TIMES = ["2026-11-21T12:00:00.000000+02:00", "2026-11-21 10:00:00", ns(BASE) // 10 ** 9, ns(BASE) // 10 ** 6, ns(BASE), "yesterday", -1, 1e300, None, [1], {}]


def test_times_of_every_form_are_read_or_refused_and_cost_no_neighbour(server, vendor):
    trace = str(uuid.uuid4())
    items = [vendor.make(trace, f"t{number}", start=form) for number, form in enumerate(ODD_TIMES)]
    before = server.metric("telltale_receive_rejected_total")
    vendor.send(server, [vendor.make(trace, "before"), *items, vendor.make(trace, "after")])
    spans = found(server, vendor, trace, "before", "after")
    assert {spans[name]["start_time"] for name in ("before", "after")} <= {"2026-11-21T10:00:00.000000000Z", "2026-11-21T09:59:59.000000000Z"}
    stored = [name for name in spans if name and name.startswith("t")]
    assert len(stored) + server.metric("telltale_receive_rejected_total") - before == len(items)
    for name in stored:  # what is read is right, or said to be a guess
        start = datetime.fromisoformat(spans[name]["start_time"][:26] + "+00:00")
        is_right = abs((start - BASE).total_seconds()) <= 1
        assert is_right or spans[name]["flags"] or abs((start - datetime.now(timezone.utc)).total_seconds()) < 60, (name, spans[name]["start_time"])


def test_a_parent_that_never_comes_does_not_hold_its_child_back(server, vendor):
    trace = str(uuid.uuid4())
    vendor.send(server, [vendor.make(trace, "child", parent="never"), vendor.make(trace, "grandchild", parent="child")])
    spans = found(server, vendor, trace, "child", "grandchild")
    assert spans["grandchild"]["parent_span_id"] == spans["child"]["span_id"]
    assert spans["child"]["parent_span_id"] and spans["child"]["parent_span_id"] not in {span["span_id"] for span in spans.values() if span["name"] != "child"}


ODD_IDS = [5, -1, 1.5, True, ["a"], {"a": 1}, "", "\x00", "é" * 40, "x" * 5000, "AAAAAAAAAAAAAAAAAAAAAA==", "0" * 32, "../../etc/passwd"]


@pytest.mark.parametrize("what", ["span", "trace", "parent"])
def test_ids_of_a_wrong_form_cost_no_neighbour(server, vendor, what):
    trace = str(uuid.uuid4())
    names = {"span": ("id", "span_id", "uuid", "$ai_span_id"), "trace": ("trace_id", "traceId", "root_span_id", "$ai_trace_id"),
             "parent": ("parent_id", "parent_run_id", "parent_span_id", "parentObservationId", "span_parents", "$ai_parent_id")}[what]

    def spoil(node, value):
        for key in node:
            if key in names:
                node[key] = value
            elif isinstance(node[key], dict):
                spoil(node[key], value)
            elif key == "spans":
                spoil(node[key][0], value)
    items = []
    for number, value in enumerate(ODD_IDS):
        item = vendor.make(trace, f"odd{number}")
        spoil(item, value)
        items.append(item)
    items.insert(6, vendor.make(trace, "good"))
    vendor.send(server, items)
    found(server, vendor, trace, "good")


def test_media_that_is_no_base64_costs_neither_text_nor_neighbour(server, vendor):
    trace = str(uuid.uuid4())
    bad = [{"type": "text", "text": "look at this"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%not-base64%%%"}},
           {"type": "input_audio", "input_audio": {"data": "!!!", "format": "wav"}}]
    vendor.send(server, [vendor.make(trace, "before"), vendor.make(trace, "media", text=bad if vendor is not VENDORS["agent"] else json.dumps(bad))])
    spans = found(server, vendor, trace, "before", "media")
    content = server.payload(vendor.trace_of(trace), spans["media"]["span_id"])
    assert "look at this" in json.dumps(content) or "look at this" in json.dumps(spans["media"]["attributes"])


def test_a_prompt_of_20_mb_is_kept_whole_beside_its_neighbour(server, vendor):
    trace, text = str(uuid.uuid4()), "word " * (20 * 2 ** 20 // 5)
    vendor.send(server, [vendor.make(trace, "long", text=text), vendor.make(trace, "short")])
    spans = found(server, vendor, trace, "long", "short", seconds=40)
    content = server.request("GET", f"/api/v1/spans/{vendor.trace_of(trace)}/{spans['long']['span_id']}/payload").text
    assert content.count("word word") >= 2 * 2 ** 20 - 100


@pytest.mark.parametrize("name,method,path,body", [
    ("langfuse", "POST", "/api/public/ingestion", lambda t, i: {"batch": [{"id": i, "timestamp": rfc(BASE), "type": "generation-update", "body": {
        "id": i, "traceId": t, "endTime": rfc(BASE), "output": "late"}}]}),
    ("langsmith", "PATCH", "/runs/{id}", lambda t, i: {"trace_id": t, "dotted_order": f"20261121T100000000000Z{t}.20261121T100000000000Z{i}",
                                                     "end_time": rfc(BASE), "outputs": {"output": "late"}}),
    ("opik", "PATCH", "/v1/private/spans/{id}", lambda t, i: {"trace_id": t, "end_time": rfc(BASE), "output": {"output": "late"}}),
    ("weave", "POST", "/call/end", lambda t, i: {"end": {"project_id": "a/b", "id": i, "ended_at": rfc(BASE), "output": "late", "summary": {}}}),
    ("braintrust", "POST", "/logs3", lambda t, i: {"rows": [{"id": i, "span_id": i, "root_span_id": t, "_is_merge": True, "output": "late",
                                                              "metrics": {"end": ns(BASE) / 1e9}}]})])
def test_a_change_of_a_run_that_was_never_seen_is_taken_and_shown(server, name, method, path, body):
    trace, run = str(uuid.uuid4()), str(uuid.uuid4())
    answer = server.request(method, path.format(id=run), json.dumps(body(trace, run)), {"content-type": JSON}, server.otlp_port)
    assert answer.status == {"langfuse": 207, "langsmith": 202, "opik": 204}.get(name, 200), answer
    [span] = wait_until(lambda: [s for s in server.spans() if s["source_id"] == run], 20, "the run")
    assert not span["latency_ms"]
    assert "late" in json.dumps(server.payload(span["trace_id"], span["span_id"]))


@pytest.mark.parametrize("member", ["trace_id", "span_id", "parent_id", "name", "start", "duration", "meta", "metrics", "error", "meta_struct"])
@pytest.mark.parametrize("value", ["text", -1, 1.5, [], {"a": {"b": []}}])
def test_msgpack_of_a_wrong_type_costs_no_neighbour(server, member, value):
    vendor, trace = VENDORS["agent"], str(uuid.uuid4())
    vendor.send(server, [vendor.make(trace, "before"), dict(vendor.make(trace, "odd"), **{member: value}), vendor.make(trace, "after")])
    found(server, vendor, trace, "before", "after")


def test_a_large_trace_that_was_stored_takes_a_large_rest(server):
    """Its parts settle apart: then the stored one is read back, and what both need is more than is kept ready."""
    vendor, trace, half, batch = VENDORS["langfuse"], str(uuid.uuid4()), 26_000, 2_000

    def count():
        answer = server.request("GET", f"/api/v1/traces/{vendor.trace_of(trace)}?limit=1")
        return answer.json["trace"]["span_count"] if answer.status == 200 and answer.json["trace"]["settled"] else 0

    def send(first):
        for start in range(first, first + half, batch):
            vendor.send(server, [vendor.make(trace, f"s{number}", parent="root") for number in range(start, start + batch)])
    vendor.send(server, [vendor.make(trace, "root")])
    send(0)
    wait_until(lambda: count() == half + 2, 60, "the first half to be stored")  # and Langfuse's trace, which is a span too
    send(half)
    wait_until(lambda: count() == 2 * half + 2, 60, "the second half to join it")
    assert server.metric("telltale_drain_store_errors_total") == 0
