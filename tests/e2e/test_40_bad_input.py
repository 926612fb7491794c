"""Whatever arrives: the right status, a message that names the fault and its place, bounded memory, neighbours kept.

SPDX-License-Identifier: Apache-2.0"""
import gzip
import json
import os
import random
import socket
import time

import pytest
from conftest import (JSON, PROTOBUF, Server, attributes_of, from_json, json_request, make_span, new_span_id, new_trace_id, request_of,
                      to_json, wait_until)
from google.rpc.status_pb2 import Status

MIB = 1 << 20
YEAR_NS = 365 * 86400 * 10**9
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}


@pytest.fixture(autouse=True)
def still_well(server):
    """After each test the server takes and shows a good span."""
    yield
    span = make_span(name="after")
    server.send_spans(span)
    server.wait_trace(span["traceId"], settled=False)


def fault_of(answer, status=400):
    """The message of a refusal."""
    assert answer.status == status, answer
    if answer.headers["content-type"] == JSON:
        return answer.json["message"]
    return Status.FromString(answer.body).message


def stored(server, span):
    return server.wait_trace(span["traceId"])["spans"][0]


def good_body(count=20):
    return request_of([make_span(dict(CALL, **{"x.text": "wörter " * 20}), events=[(1, "e", {"a": 1})]) for _ in range(count)])


# ---- bytes ----

@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_a_truncated_body_is_refused_with_its_place(server, kind):
    body = good_body().SerializeToString() if kind == PROTOBUF else to_json(good_body())
    for cut in (1, 2, 3, len(body) // 3, len(body) // 2, len(body) - 1):
        assert "byte" in fault_of(server.post(body[:cut], kind=kind)), cut


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_flipped_bits_never_get_an_answer_without_reason(server, kind):
    body = good_body(3).SerializeToString() if kind == PROTOBUF else to_json(good_body(3))
    chance = random.Random(40)
    for _ in range(300):
        broken = bytearray(body)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        answer = server.post(bytes(broken), kind=kind)
        assert answer.status in (200, 400), answer
        if answer.status == 400:
            assert fault_of(answer)


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_random_bytes_are_refused_or_mean_nothing(server, signal):
    chance = random.Random(41)
    for _ in range(100):
        noise = chance.randbytes(chance.randint(1, 2000))
        assert server.post(noise, signal, PROTOBUF).status in (200, 400)
        assert server.post(noise, signal, JSON).status == 400
        assert server.post(noise, signal, headers={"content-encoding": chance.choice(["gzip", "deflate", "zstd"])}).status == 400


def test_random_bytes_on_each_port_are_survived(server):
    chance = random.Random(42)
    for port in (server.otlp_port, server.api_port, server.grpc_port):
        for _ in range(10):
            server.raw(chance.randbytes(3000), port=port, timeout=2, shut=True)
        server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(500), port=port, timeout=2, shut=True)


def test_json_that_is_something_else_is_named(server):
    for body, named in ((b"nonsense", "JSON"), (b'{"resourceSpans":[{"scopeSpans":[{"spans":"x"}]}]}', "byte"),
                        (b'{"resourceSpans":[}', "byte"), (b'"text"', "byte"), (b"{} {}", "byte")):
        message = fault_of(server.post(body, kind=JSON))
        assert named in message and "byte" in message, (body, message)


def test_invalid_utf8_is_replaced_not_refused(server):
    span = make_span({"x.name": "AAAA"}, name="BBBB")
    for body, kind in ((request_of([span]).SerializeToString(), PROTOBUF), (json.dumps(json_request([span])).encode(), JSON)):
        fresh = make_span({"x.name": "AAAA"}, name="BBBB")
        body = request_of([fresh]).SerializeToString() if kind == PROTOBUF else json.dumps(json_request([fresh])).encode()
        answer = server.post(body.replace(b"AAAA", b"A\xff\xfeA").replace(b"BBBB", b"B\xc3B\x80"), kind=kind)
        assert answer.status == 200 and answer.body in (b"", b"{}"), answer
        got = stored(server, fresh)
        assert got["name"].startswith("B") and "�" in got["name"]
        assert got["attributes"]["x.name"].startswith("A") and "�" in got["attributes"]["x.name"]


def test_control_characters_and_long_names_come_back_as_sent(server):
    span = make_span({"x.odd": "a\x00b\x1f\"\\\u2028</script>"}, name="n\n\t" + "x" * 300)
    server.send_spans(span)
    got = stored(server, span)
    assert got["attributes"]["x.odd"] == "a\x00b\x1f\"\\\u2028</script>" and got["name"].startswith("n\n\tx")


# ---- nesting and size ----

@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize("depth", [10, 60, 200, 5000])
def test_deep_nesting_is_bounded_and_the_neighbour_is_kept(server, kind, depth):
    """Protobuf and JSON alike: up to 64 levels are values; a span deeper than that is rejected alone."""
    good, bad = make_span(), make_span()
    text = '{"stringValue":"deep"}'
    for _ in range(depth):
        text = '{"arrayValue":{"values":[' + text + "]}}"
    if kind == JSON:
        body = json.dumps(json_request([good, dict(bad, attributes=[{"key": "x.deep", "value": "HERE"}])])).replace('"HERE"', text).encode()
    else:
        def field(number, inner):
            size, out = len(inner), bytearray([number << 3 | 2])
            while size > 127:
                out.append(size & 127 | 128)
                size >>= 7
            return bytes(out) + bytes([size]) + inner
        inner = field(1, b"deep")
        for _ in range(depth):
            inner = field(5, field(1, inner))
        spans = request_of([good, bad]).resource_spans[0].scope_spans[0].spans
        deep = spans[1].SerializeToString() + field(9, field(1, b"x.deep") + field(2, inner))
        body = field(1, field(2, field(2, spans[0].SerializeToString()) + field(2, deep)))
    answer = server.post(body, kind=kind)
    if depth > 64 and kind == JSON and answer.status == 400:  # so deep that it is no JSON that we read
        assert "nested too deep" in fault_of(answer) and "byte" in fault_of(answer)
        return
    assert answer.status == 200, answer
    assert len(server.wait_trace(good["traceId"])["spans"]) == 1
    if depth < 64:
        assert answer.body in (b"", b"{}") and "deep" in json.dumps(stored(server, bad)["attributes"]["x.deep"])
    else:
        assert b"deep" in answer.body or b"nest" in answer.body, answer


def test_a_million_attributes_keep_the_first_and_count_the_rest(server):
    """shows: C7"""
    span, good = make_span(), make_span(name="neighbour")
    before = server.memory("VmHWM")
    text = json.dumps(json_request([dict(span, attributes="HERE"), good]))
    many = ",".join('{"key":"k%d","value":{"intValue":"%d"}}' % (n, n) for n in range(1_000_000))
    answer = server.post(text.replace('"HERE"', f"[{many}]").encode(), kind=JSON, encoding="gzip")
    assert answer.status == 200, answer
    got = stored(server, span)
    assert got["attributes"]["k0"] == 0 and len(got["attributes"]) <= 4096
    assert "attributes_dropped" in got["flags"]
    assert stored(server, good)["name"] == "neighbour"
    assert server.memory("VmHWM") - before < 400 * MIB


def test_a_huge_index_in_a_key_builds_no_huge_array(server):
    before = server.memory("VmHWM")
    span = make_span(dict(CALL, **{"gen_ai.prompt.999999999.role": "user", "gen_ai.prompt.999999999.content": "hi",
                                   "llm.input_messages.4294967296.message.role": "user", "gen_ai.prompt.-1.content": "x",
                                   "__proto__.x": 1, "constructor": "c"}))
    server.send_spans(span)
    got = stored(server, span)
    assert got["request_model"] == "gpt-4o-mini"
    assert server.memory("VmHWM") - before < 64 * MIB


def test_a_request_that_needs_too_much_memory_is_refused_within_its_budget(new_server):
    """16 MiB of JSON, 100,000 attributes, at a server that gives a request 4 MiB once decoded."""
    made = new_server(limits__request_memory="4MiB", limits__body="32MiB", limits__body_decompressed="32MiB", server__workers="1").start()
    span = json.dumps(make_span({f"k{n}": "v" * 100 for n in range(100)}))
    many = json.dumps(json_request(["HERE"])).replace('"HERE"', ",".join([span] * 1000)).encode()
    assert 12 * MIB < len(many) < 32 * MIB
    before = made.memory()
    for encoding in (None, "gzip", None, "zstd"):
        assert str(4 * MIB) in fault_of(made.post(many, kind=JSON, encoding=encoding), 413)
    assert made.memory("VmHWM") - before < 4 * MIB + 2 * 32 * MIB + 16 * MIB
    made.send_spans(make_span())


# ---- ids ----

def test_the_same_span_twice_in_a_request_is_one_span(server):
    span = make_span(CALL)
    server.send_spans(span, span)
    assert len(server.wait_trace(span["traceId"])["spans"]) == 1


def test_one_span_id_in_two_traces_is_two_spans(server):
    span_id = new_span_id()
    spans = [make_span(span_id=span_id), make_span(span_id=span_id)]
    server.send_spans(*spans)
    for span in spans:
        assert len(server.wait_trace(span["traceId"])["spans"]) == 1


@pytest.mark.parametrize("shape", ["own parent", "ring", "unknown parent", "zero parent"])
def test_odd_parents_do_not_hang_a_trace(server, shape):
    trace_id, one, two = new_trace_id(), new_span_id(), new_span_id()
    parents = {"own parent": (one, None), "ring": (two, one), "unknown parent": (new_span_id(), None), "zero parent": ("0" * 16, one)}[shape]
    server.send_spans(make_span(CALL, trace_id=trace_id, span_id=one, parent=parents[0]),
                      make_span(CALL, trace_id=trace_id, span_id=two, parent=parents[1]))
    found = {span["span_id"]: span for span in server.wait_trace(trace_id, 2)["spans"]}
    assert set(found) == {one, two}
    if shape == "zero parent":
        assert found[one]["parent_span_id"] is None


def test_upper_case_ids_are_the_same_ids(server):
    span = make_span()
    upper = dict(span, traceId=span["traceId"].upper(), spanId=span["spanId"].upper())
    assert server.post(json.dumps(json_request([upper])).encode(), kind=JSON).status == 200
    assert stored(server, span)["span_id"] == span["spanId"]


# ---- times ----

ODD_TIMES = {"in 1970": dict(start=5), "in 2200": dict(start=230 * YEAR_NS), "past 2262": dict(start=2**64 - 10**9, ms=0)}


@pytest.mark.parametrize("when", list(ODD_TIMES))
def test_a_span_out_of_time_is_kept_and_flagged(server, when):
    span = make_span(CALL, **ODD_TIMES[when])
    server.send_spans(span)
    got = stored(server, span)
    assert got["time_suspect"] is True and "time_suspect" in got["flags"]
    page = server.api("/spans", **{"from": "1970-01-01T00:00:00Z", "to": "2262-04-11T23:47:16.854775807Z", "q": "time_suspect:true"})
    assert span["spanId"] in [found["span_id"] for found in page["items"]]


def test_an_end_before_the_start_is_kept_and_flagged(server):
    span = make_span(CALL, ms=-500)
    server.send_spans(span)
    got = stored(server, span)
    assert got["flags"] == ["end_before_start"] and got["latency_ms"] is None and got["end_time"] is None
    assert got["sender_latency_ms"] == -500


def test_no_times_at_all_means_now(server):
    span = dict(make_span(), startTimeUnixNano="0", endTimeUnixNano="0")
    server.send_spans(span)
    got = stored(server, span)
    assert got["time_suspect"] is True and got["latency_ms"] is None
    assert abs(time.time() - time.mktime(time.strptime(got["start_time"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60


# ---- numbers ----

@pytest.mark.parametrize("tokens", [-5, 2**62, -2**63, "lots", "-1", 1.5e300, "1e400", True, [1], {"a": 1}, "", float("nan"), float("inf")], ids=str)
def test_an_impossible_count_is_unknown_and_kept_beside(server, tokens):
    """shows: A59 A60"""
    if isinstance(tokens, float) and (tokens != tokens or tokens in (float("inf"),)):
        span = make_span(CALL)
        span["attributes"].append({"key": "gen_ai.usage.input_tokens", "value": {"doubleValue": {"nan": "NaN", "inf": "Infinity"}[str(tokens)]}})
    else:
        span = make_span(dict(CALL, **{"gen_ai.usage.input_tokens": tokens}))
    span["attributes"] += attributes_of({"gen_ai.usage.output_tokens": 7})
    server.send_spans(span)
    got = stored(server, span)
    assert got["input_tokens"] is None and got["usage"]["input_fresh"] is None, got["input_tokens"]
    assert got["output_tokens"] == 7 and got["total_tokens"] is None
    assert "gen_ai.usage.input_tokens" in got["attributes"]


def test_counts_that_are_texts_or_whole_doubles_are_counts(server):
    """shows: A59 A60"""
    span = make_span(dict(CALL, **{"gen_ai.usage.input_tokens": " 12", "gen_ai.usage.output_tokens": 7.0}))
    span["attributes"][2]["value"] = {"stringValue": "12"}
    server.send_spans(span)
    got = stored(server, span)
    assert (got["input_tokens"], got["output_tokens"]) == (12, 7)


def test_nan_and_infinity_come_back_as_valid_json(server):
    span = make_span(CALL)
    span["attributes"] += [{"key": f"x.{name.strip('-')}{name[0] == '-'}", "value": {"doubleValue": name}} for name in ("NaN", "Infinity", "-Infinity")]
    span["attributes"].append({"key": "gen_ai.request.temperature", "value": {"doubleValue": "NaN"}})
    for kind in (PROTOBUF, JSON):
        server.send(request_of([dict(span, traceId=new_trace_id())]), kind=kind)
    server.send_spans(span)
    text = server.wait_trace(span["traceId"]) and server.request("GET", f"/api/v1/traces/{span['traceId']}").text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert stored(server, span)["temperature"] is None


def test_unknown_enum_numbers_are_no_fault(server):
    span = dict(make_span(kind=77), status={"code": 9})
    server.send_spans(span)
    got = stored(server, span)
    assert got["status"] == "unset" and got["kind"] in (None, "internal")


# ---- slowness ----

@pytest.fixture(scope="module")
def hasty():
    made = Server(limits__head_timeout="300ms", limits__body_timeout="300ms", limits__idle_timeout="400ms", server__workers="1").start()
    yield made
    made.stop()
    made.remove()


@pytest.mark.parametrize("sent, status", [
    (b"POST /v1/traces HTT", b"408"), (b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n", b"408"),
    (b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100\r\n\r\nhalf", b"408"),
    (b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", b"408"),
    (b"", b"")], ids=["request line", "head", "body", "chunk", "nothing"])
def test_half_a_request_and_silence_is_ended(hasty, sent, status):
    began = time.monotonic()
    got = hasty.raw(sent, timeout=10)
    assert time.monotonic() - began < 8
    assert (b" " + status + b" ") in got.split(b"\r\n")[0] if status else got == b"", got


def test_a_drip_is_ended_too_and_others_are_served_meanwhile(hasty):
    with socket.create_connection(("127.0.0.1", hasty.otlp_port), timeout=10) as drip:
        drip.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-a: ")
        began, ended = time.monotonic(), False
        while not ended and time.monotonic() - began < 8:
            try:
                drip.sendall(b"a")
                drip.settimeout(0.05)
                ended = drip.recv(4096) is not None
            except TimeoutError:
                pass
            except OSError:
                ended = True
            assert hasty.post(b"").status == 200
        assert ended


def test_a_hundred_silent_connections_do_not_matter(hasty):
    held = [socket.create_connection(("127.0.0.1", hasty.otlp_port), timeout=10) for _ in range(100)]
    try:
        for connection in held:
            connection.sendall(b"POST /v1/traces HTTP/1.1\r\n")
        began = time.monotonic()
        assert hasty.post(b"").status == 200 and time.monotonic() - began < 2
        wait_until(lambda: hasty.metric("telltale_connections") <= 2, 10, "the end of the silent connections")
    finally:
        for connection in held:
            connection.close()


# ---- a mixed batch ----

def test_a_batch_full_of_faults_keeps_every_good_span(server):
    """shows: X5"""
    good = [make_span(CALL, name=f"good {n}") for n in range(10)]
    bad = [dict(make_span(), traceId="0" * 32), dict(make_span(), spanId=""), make_span(ms=-1),
           make_span({"gen_ai.usage.input_tokens": -1}), make_span(start=1)]
    mixed = [span for pair in zip(good, bad * 2, strict=True) for span in pair]
    for kind in (PROTOBUF, JSON):
        message = from_json(json_request(mixed))
        body = message.SerializeToString() if kind == PROTOBUF else to_json(message)
        assert server.post(body, kind=kind).status == 200
    for span in good:
        assert stored(server, span)["name"] == span["name"]


def test_nothing_of_this_is_logged_with_its_content(server):
    mark = "marker" + os.urandom(6).hex()
    server.post(('{"resourceSpans":' + mark).encode(), kind=JSON)
    server.post(mark.encode(), headers={"content-encoding": "gzip"})
    server.post(gzip.compress(mark.encode())[:-4], headers={"content-encoding": "gzip"})
    assert mark not in server.stderr()
