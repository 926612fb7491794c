"""OTLP over HTTP: every status, header and body that the protocol promises.  SPDX-License-Identifier: Apache-2.0"""
import gzip
import http.client
import json
import socket
import zlib

import pytest
import zstandard
from conftest import (ANSWERS, JSON, MESSAGES, PACK, PROTOBUF, from_json, json_request, make_span, new_span_id, new_trace_id,
                      request_of, to_json, wait_until)
from google.protobuf.json_format import Parse
from google.rpc import error_details_pb2  # noqa: F401  (JSON of a Status needs RetryInfo to be known)
from google.rpc.status_pb2 import Status

KINDS = [PROTOBUF, JSON]
COUNTERS = {"traces": "telltale_receive_spans_total", "logs": "telltale_receive_logs_total",
            "metrics": "telltale_receive_metric_points_total"}
PREFIXES = ["", "/api/public/otel", "/otel", "/api/v1/otel", "/otlp", "/api/v1/otlp", "/api/v1/private/otel",
            "/opik/api/v1/private/otel"]


def log_message(trace_id="", body="a line"):
    return from_json({"resourceLogs": [{"scopeLogs": [{"scope": {"name": "e2e"}, "logRecords": [
        {"timeUnixNano": "1763700000000000000", "severityNumber": 9, "body": {"stringValue": body}, "traceId": trace_id}]}]}]}, "logs")


def metric_message(value=3.5):
    return from_json({"resourceMetrics": [{"scopeMetrics": [{"scope": {"name": "e2e"}, "metrics": [
        {"name": "e2e.gauge", "gauge": {"dataPoints": [{"timeUnixNano": "1763700000000000000", "asDouble": value}]}}]}]}]}, "metrics")


def message_of(signal):
    return {"traces": lambda: request_of([make_span()]), "logs": log_message, "metrics": metric_message}[signal]()


def body_of(message, kind):
    return message.SerializeToString() if kind == PROTOBUF else to_json(message)


def status_of(answer, kind):
    """The google.rpc.Status of an error, written in the words of the request."""
    assert answer.headers["content-type"] == kind, answer.headers
    return Status.FromString(answer.body) if kind == PROTOBUF else Parse(answer.body, Status())


def partial_of(answer, kind, signal="traces"):
    assert answer.status == 200 and answer.headers["content-type"] == kind, answer
    read = ANSWERS[signal].FromString(answer.body) if kind == PROTOBUF else Parse(answer.body, ANSWERS[signal]())
    return read.partial_success


# ---- what is taken ----

@pytest.mark.parametrize("signal", list(MESSAGES))
@pytest.mark.parametrize("encoding", list(PACK))
@pytest.mark.parametrize("kind", KINDS)
def test_each_signal_is_taken_in_each_form(server, kind, encoding, signal):
    """shows: B1 C1"""
    before = server.metric(COUNTERS[signal])
    answer = server.post(body_of(message_of(signal), kind), signal, kind, encoding)
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == kind
    assert answer.body == (b"" if kind == PROTOBUF else b"{}")
    assert server.metric(COUNTERS[signal]) == before + 1


def test_all_forms_give_the_same_record(server):
    """shows: C1"""
    ids = {}
    span = make_span({"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 7, "x.list": ["a", 1, True, 2.5],
                      "x.map": {"k": "v"}}, status={"code": 2, "message": "no"}, events=[(1763700000000000001, "e", {"k": 1})])
    for kind in KINDS:
        for encoding in PACK:
            span["traceId"], span["spanId"] = new_trace_id(), new_span_id()
            ids[span["traceId"]] = (kind, encoding)
            server.send(request_of([span]), kind=kind, encoding=encoding)
    found = [server.wait_trace(trace_id)["spans"][0] for trace_id in ids]
    for one in found:
        for member in ("trace_id", "span_id", "received_time"):
            one.pop(member)
    assert all(one == found[0] for one in found[1:])


@pytest.mark.parametrize("kind", ["application/protobuf", "application/x-protobuf; charset=utf-8", "Application/X-Protobuf"])
def test_content_type_parameters_and_case_do_not_matter(server, kind):
    assert server.post(message_of("traces").SerializeToString(), kind=kind).status == 200
    assert server.post(b"{}", kind="application/json; charset=utf-8").status == 200


@pytest.mark.parametrize("signal", list(MESSAGES))
@pytest.mark.parametrize("kind, body, expected", [(PROTOBUF, b"", b""), (JSON, b"{}", b"{}"), (JSON, b"", b"{}")])
def test_an_empty_request_is_a_success(server, signal, kind, body, expected):
    answer = server.post(body, signal, kind)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, expected, kind)
    empty = json.dumps({{"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}[signal]: [{}]})
    assert server.post(empty.encode(), signal, JSON).status == 200
    assert server.post(body, signal, kind, headers={"content-encoding": "gzip"} if not body else {}).status == 200


@pytest.mark.parametrize("prefix", PREFIXES)
def test_vendor_prefixes_lead_to_the_same_place(server, prefix):
    """shows: C1"""
    for signal in MESSAGES:
        answer = server.post(message_of(signal).SerializeToString(), signal, path=f"{prefix}/v1/{signal}")
        assert answer.status == 200, (prefix, answer)


def test_a_bare_host_takes_traces(server):
    span = make_span()
    assert server.post(request_of([span]).SerializeToString(), path="/").status == 200
    server.wait_trace(span["traceId"])


def test_the_api_listener_takes_telemetry_too(server):
    span = make_span()
    assert server.post(request_of([span]).SerializeToString(), port=server.api_port).status == 200
    server.wait_trace(span["traceId"])


def test_a_chunked_body_on_a_kept_connection(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.otlp_port, timeout=20)
    for _ in range(3):
        body = request_of([make_span()]).SerializeToString()
        pieces = iter([body[:1], body[1:20], body[20:]])
        connection.request("POST", "/v1/traces", pieces, {"content-type": PROTOBUF}, encode_chunked=True)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read() == b""
    connection.close()


def test_an_expectation_is_met_before_the_body(server):
    body = request_of([make_span()]).SerializeToString()
    head = (f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {len(body)}\r\n"
            "expect: 100-continue\r\nconnection: close\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", server.otlp_port), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_gzip_in_several_members_is_one_body(server):
    span = make_span()
    body = request_of([span]).SerializeToString()
    packed = gzip.compress(body[:30]) + gzip.compress(body[30:])
    assert server.post(packed, headers={"content-encoding": "gzip"}).status == 200
    server.wait_trace(span["traceId"])


def test_deflate_is_taken_with_and_without_its_wrapper(server):
    body = request_of([make_span()]).SerializeToString()
    raw = zlib.compressobj(wbits=-15)
    assert server.post(raw.compress(body) + raw.flush(), headers={"content-encoding": "deflate"}).status == 200
    assert server.post(zlib.compress(body), headers={"content-encoding": "deflate"}).status == 200


# ---- partial success ----

BAD_SPANS = {"zero trace id": {"traceId": "0" * 32}, "zero span id": {"spanId": "0" * 16}, "no trace id": {"traceId": ""},
             "no span id": {"spanId": ""}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", list(BAD_SPANS))
def test_one_bad_span_leaves_its_neighbours(server, kind, fault):
    """shows: X5"""
    first, bad, last = make_span(), dict(make_span(), **BAD_SPANS[fault]), make_span()
    answer = server.post(body_of(request_of([first, bad, last]), kind), kind=kind)
    partial = partial_of(answer, kind)
    assert partial.rejected_spans == 1
    assert "span 2" in partial.error_message and '"e2e"' in partial.error_message, partial.error_message
    assert ("trace" if "trace" in fault else "span") + "_id" in partial.error_message or "id" in partial.error_message
    for good in (first, last):
        assert len(server.wait_trace(good["traceId"])["spans"]) == 1


def test_an_id_of_the_wrong_length_is_one_bad_span(server):
    good, bad = make_span(), make_span()
    message = request_of([good, bad])
    message.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    partial = partial_of(server.post(message.SerializeToString()), PROTOBUF)
    assert partial.rejected_spans == 1 and partial.error_message
    server.wait_trace(good["traceId"])


def test_json_names_the_count_as_the_protocol_does(server):
    answer = server.post(json.dumps(json_request([dict(make_span(), spanId="")])).encode(), kind=JSON)
    assert set(answer.json) == {"partialSuccess"}
    assert answer.json["partialSuccess"]["rejectedSpans"] == "1"


# ---- what is refused ----

@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_another_content_type_is_415_in_plain_text(server, kind):
    answer = server.post(b"{}", kind=kind)
    assert answer.status == 415 and answer.headers["content-type"].startswith("text/plain")
    assert "application/x-protobuf" in answer.text and (not kind or kind.split(";")[0] in answer.text)


def test_no_content_type_is_415(server):
    got = server.raw(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
    assert got.startswith(b"HTTP/1.1 415 ")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize("signal", list(MESSAGES))
def test_another_method_is_405_with_allow(server, method, signal):
    answer = server.request(method, f"/v1/{signal}", port=server.otlp_port)
    assert answer.status == 405 and "POST" in answer.headers["allow"]
    if method != "HEAD":
        assert answer.headers["content-type"].startswith("text/plain") and method in answer.text


@pytest.mark.parametrize("path", ["/v1/trace", "/v2/traces", "/v1/traces/x", "/nonsense", "/x/v1/traces"])
def test_another_path_is_404(server, path):
    answer = server.post(b"", path=path)
    assert answer.status == 404 and answer.body


def test_an_unknown_encoding_is_400_and_named(server):
    for kind in KINDS:
        answer = server.post(b"x", kind=kind, headers={"content-encoding": "br"})
        assert answer.status == 400
        status = status_of(answer, kind)
        assert status.code == 3 and '"br"' in status.message and "gzip" in status.message


@pytest.mark.parametrize("kind, body", [(PROTOBUF, b"\x0a\xff"), (PROTOBUF, b"\x0b\x0c"), (JSON, b"{"), (JSON, b'{"resourceSpans":7}'),
                                        (JSON, b"[]")])
def test_a_broken_body_is_400_as_a_status_of_the_same_kind(server, kind, body):
    answer = server.post(body, kind=kind)
    assert answer.status == 400, answer
    status = status_of(answer, kind)
    assert status.code == 3 and "byte" in status.message


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_broken_compression_is_400(server, encoding):
    packed = PACK[encoding](message_of("traces").SerializeToString())
    for body in (b"no such thing", packed[:-3]):
        answer = server.post(body, headers={"content-encoding": encoding})
        assert answer.status == 400, (encoding, answer)
        assert status_of(answer, PROTOBUF).message


# ---- CORS ----

def test_preflight_names_what_browsers_may_send(server):
    for signal in MESSAGES:
        answer = server.request("OPTIONS", f"/v1/{signal}", port=server.otlp_port, headers={
            "origin": "https://app.example", "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-custom"})
        assert answer.status in (200, 204) and answer.body == b""
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "POST" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert "content-type" in allowed and "x-custom" in allowed
        assert int(answer.headers["access-control-max-age"]) > 0
        assert answer.headers["vary"].lower() == "origin"


def test_answers_to_browsers_carry_the_origin_others_do_not(server):
    with_origin = server.post(b"", headers={"origin": "https://app.example"})
    assert with_origin.headers["access-control-allow-origin"] == "https://app.example"
    refused = server.post(b"\x0a\xff", headers={"origin": "https://app.example"})
    assert refused.status == 400 and refused.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in server.post(b"").headers


# ---- limits ----

@pytest.fixture(scope="module")
def small():
    """A server with small limits and one worker."""
    from conftest import Server
    made = Server(limits__body="64KiB", limits__body_decompressed="128KiB", limits__items="100", limits__requests_in_flight="1",
                  server__workers="1").start()
    yield made
    made.stop()
    made.remove()


def padded(size, kind=PROTOBUF):
    """A valid request of exactly so many bytes."""
    def body(count):
        return body_of(request_of([make_span({"x.pad": "p" * count}, start=1763700000 * 10**9, trace_id="1" * 32, span_id="2" * 16)]), kind)
    count = size - len(body(0))
    while len(body(count)) > size:
        count -= len(body(count)) - size
    made = body(count)
    return made if len(made) == size else made + b" " * (size - len(made))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_at_the_limit_passes_and_one_byte_more_is_413(small, kind, chunked):
    limit = 64 * 1024
    for size, expected in ((limit, 200), (limit + 1, 413)):
        body = padded(size, kind)
        assert len(body) == size
        answer = small.request("POST", "/v1/traces", iter([body[:1000], body[1000:]]) if chunked else body,
                               {"content-type": kind}, port=small.otlp_port)
        assert answer.status == expected, (size, answer)
        if expected == 413:
            status = status_of(answer, kind)
            assert status.code == 8 and str(limit) in status.message
            assert "retry-after" not in answer.headers


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_the_limit_holds_after_decompression(small, encoding):
    limit = 128 * 1024
    for size, expected in ((limit, 200), (limit + 1, 413)):
        answer = small.post(padded(size), encoding=encoding)
        assert answer.status == expected, (size, answer)
    assert status_of(answer, PROTOBUF).code == 8


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_costs_no_more_memory_than_the_limit(server, encoding):
    """1 GiB of zeros in about 1 MiB or less, 1000:1; the limit is 64 MiB."""
    zeros = bytes(1 << 20)
    if encoding == "zstd":
        packer = zstandard.ZstdCompressor(level=1).compressobj()
    else:
        packer = zlib.compressobj(6, wbits=31 if encoding == "gzip" else 15)
    bomb = b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()
    assert len(bomb) < 2 << 20
    before = server.memory("VmHWM")
    answer = server.post(bomb, headers={"content-encoding": encoding})
    assert answer.status == 413, answer
    assert str(64 << 20) in status_of(answer, PROTOBUF).message
    assert server.memory("VmHWM") - before < 160 << 20
    assert server.post(b"").status == 200


def test_items_at_the_limit_pass_and_one_more_is_refused(small):
    for count, expected in ((100, 200), (101, 413)):
        spans = [make_span() for _ in range(count)]
        answer = small.post(request_of(spans).SerializeToString())
        assert answer.status == expected, (count, answer)
    assert "100" in status_of(answer, PROTOBUF).message


def test_a_head_over_the_limit_is_431(small):
    got = small.raw(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 40000 + b"\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("kind", KINDS)
def test_overload_is_429_with_retry_after_and_ends(small, kind):
    """shows: C10"""
    with socket.create_connection(("127.0.0.1", small.otlp_port), timeout=10) as slow:
        slow.sendall(f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 9\r\n\r\n".encode())
        refused = wait_until(lambda: (a := small.post(b"{}" if kind == JSON else b"", kind=kind)).status != 200 and a, what="overload")
        assert refused.status == 429
        assert refused.headers["retry-after"].isdigit() and int(refused.headers["retry-after"]) >= 1
        assert status_of(refused, kind).code in (8, 14)
    wait_until(lambda: small.post(b"").status == 200, what="the end of the overload")


def test_too_many_unfinished_bodies_are_503_with_retry_after(new_server):
    """shows: C10"""
    made = new_server(limits__unfinished_bodies="65536", server__workers="1").start()
    answer = made.post(padded(100_000))
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
    assert status_of(answer, PROTOBUF).code == 14
    assert made.post(padded(30_000)).status == 200


def test_no_room_on_the_disk_is_503_with_retry_after(new_server):
    """shows: C10"""
    made = new_server(log__disk_free="1TiB").start()
    answer = made.post(request_of([make_span()]).SerializeToString())
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
    assert "space" in status_of(answer, PROTOBUF).message


# ---- keys ----

@pytest.fixture(scope="module")
def guarded():
    from conftest import Server
    made = Server(auth__mode="on").start()
    yield made
    made.stop()
    made.remove()


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key_it_is_401_as_a_status(guarded, kind):
    """shows: P19"""
    for headers in ({}, {"authorization": "Bearer tt_wrong"}, {"x-api-key": "nonsense"}, {"authorization": "Basic eDp5"}):
        answer = guarded.post(b"", kind=kind, headers=headers)
        assert answer.status == 401 and "www-authenticate" in answer.headers, (headers, answer)
        assert status_of(answer, kind).code == 16


def test_a_key_is_taken_in_each_header_that_sdks_use(guarded):
    key = guarded.first_key
    assert key
    for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}, {"api-key": key}, {"x-telltale-key": key}):
        assert guarded.post(b"", headers=headers).status == 200, headers


def test_a_preflight_needs_no_key(guarded):
    answer = guarded.request("OPTIONS", "/v1/traces", port=guarded.otlp_port, headers={"origin": "https://app.example"})
    assert answer.status in (200, 204)


# ---- framing ----

def test_two_requests_in_one_packet_are_both_answered(server):
    one = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 0\r\n\r\n".encode()
    last = one.replace(b"host: x", b"host: x\r\nconnection: close")
    assert server.raw(one + last).count(b"HTTP/1.1 200") == 2


def test_http_1_0_is_answered_and_closed(server):
    got = server.raw(f"POST /v1/traces HTTP/1.0\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 0\r\n\r\n".encode())
    assert b" 200 " in got.split(b"\r\n")[0]


def test_two_lengths_are_refused(server):
    got = server.raw(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400 ")
