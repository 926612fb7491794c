"""OTLP over gRPC, by the real grpcio.  SPDX-License-Identifier: Apache-2.0"""
import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from conftest import ANSWERS, GRPC_PATHS, PROTOBUF, Server, make_span, new_span_id, new_trace_id, request_of, wait_until
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from test_10_otlp_http import BAD_SPANS, log_message, message_of, metric_message

STUBS = {"traces": trace_service_pb2_grpc.TraceServiceStub, "logs": logs_service_pb2_grpc.LogsServiceStub,
         "metrics": metrics_service_pb2_grpc.MetricsServiceStub}
COMPRESSIONS = [None, grpc.Compression.Gzip, grpc.Compression.Deflate]


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as made:
        yield made


@pytest.fixture(scope="module")
def small():
    made = Server(limits__body="64KiB", limits__body_decompressed="128KiB", limits__items="100", limits__requests_in_flight="1",
                  server__workers="1").start()
    yield made
    made.stop()
    made.remove()


def raw_call(port, body, path=GRPC_PATHS["traces"], metadata=(), compression=None, timeout=20):
    """Send bytes as they are; the status that came back, or the answer."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)]) as channel:
        call = channel.unary_unary(path, lambda data: data, lambda data: data)
        try:
            return call(body, timeout=timeout, metadata=metadata, compression=compression, wait_for_ready=True)
        except grpc.RpcError as error:
            return error


def status_of(error):
    """The google.rpc.Status in the trailers."""
    trailers = dict(error.trailing_metadata())
    return status_pb2.Status.FromString(trailers["grpc-status-details-bin"])


def retry_ms(error):
    for detail in status_of(error).details:
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            info = error_details_pb2.RetryInfo()
            detail.Unpack(info)
            return info.retry_delay.ToMilliseconds()
    return None


# ---- what is taken ----

@pytest.mark.parametrize("signal", list(STUBS))
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_each_signal_is_taken(server, channel, signal, compression):
    """shows: B1 C1"""
    answer = STUBS[signal](channel).Export(message_of(signal), timeout=20, compression=compression)
    assert not answer.HasField("partial_success") and answer == ANSWERS[signal]()


def test_grpc_and_http_give_the_same_record(server):
    """shows: C1"""
    span = make_span({"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 7, "x.list": ["a", 1]})
    ids = []
    for way in ("http", *COMPRESSIONS):
        span["traceId"], span["spanId"] = new_trace_id(), new_span_id()
        ids.append(span["traceId"])
        message = request_of([span])
        server.send(message) if way == "http" else server.send_grpc(message, compression=way)
    found = [server.wait_trace(trace_id)["spans"][0] for trace_id in ids]
    for one in found:
        for member in ("trace_id", "span_id", "received_time"):
            one.pop(member)
    assert all(one == found[0] for one in found[1:])


def test_an_empty_request_is_a_success(channel):
    for signal, stub in STUBS.items():
        assert stub(channel).Export(type(message_of(signal))(), timeout=20) == ANSWERS[signal]()


@pytest.mark.parametrize("fault", list(BAD_SPANS))
def test_one_bad_span_leaves_its_neighbours(server, fault):
    """shows: X5"""
    good, bad = make_span(), dict(make_span(), **BAD_SPANS[fault])
    partial = server.send_grpc(request_of([bad, good])).partial_success
    assert partial.rejected_spans == 1 and "span 1" in partial.error_message
    server.wait_trace(good["traceId"])


def test_content_is_counted_per_signal(server):
    before = [server.metric(f"telltale_receive_{what}_total") for what in ("logs", "metric_points")]
    server.send_grpc(log_message(), "logs")
    server.send_grpc(metric_message(), "metrics")
    assert [server.metric(f"telltale_receive_{what}_total") for what in ("logs", "metric_points")] == [n + 1 for n in before]


def test_many_streams_on_one_connection(server):
    """More at once than one connection may have streams (limits.streams, 128); each is answered."""
    spans = [make_span() for _ in range(300)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        calls = [stub.Export.future(request_of([span]), timeout=30) for span in spans]
        for call in calls:
            assert not call.result().HasField("partial_success")
    for span in spans[::37]:
        server.wait_trace(span["traceId"])


def test_many_connections_at_once(server):
    trace_id = new_trace_id()

    def send(_):
        return server.send_grpc(request_of([make_span(trace_id=trace_id) for _ in range(5)]), compression=grpc.Compression.Gzip)
    with ThreadPoolExecutor(24) as pool:
        assert len(list(pool.map(send, range(48)))) == 48
    assert len(server.wait_trace(trace_id, 240)["spans"]) == 240


def test_a_large_message_goes_through(server):
    """Over 4 MiB, where gRPC servers commonly stop, and over every flow-control window."""
    trace_id = new_trace_id()
    message = request_of([make_span({"x.pad": "p" * 900 + str(n)}, trace_id=trace_id) for n in range(6000)])
    assert message.ByteSize() > 5 << 20
    server.send_grpc(message, timeout=60)
    assert server.wait_trace(trace_id, 6000, seconds=30)["trace"]["span_count"] == 6000


def test_the_otlp_http_port_speaks_grpc_too(server):
    assert raw_call(server.otlp_port, b"") == b""


def test_a_deadline_is_no_error(server):
    assert raw_call(server.grpc_port, b"", timeout=5) == b""


# ---- what is refused ----

def test_an_unknown_method_is_unimplemented(server):
    for path in ("/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export", "/no.such.Service/Call",
                 "/opentelemetry.proto.collector.trace.v1.TraceService/Import"):
        error = raw_call(server.grpc_port, b"", path)
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
        assert path.split("/")[1] in error.details()


@pytest.mark.parametrize("body", [b"\x0a\xff", b"\x0b\x0c", b"\x0a\x05abc"])
def test_a_broken_message_is_invalid_argument_with_its_place(server, body):
    error = raw_call(server.grpc_port, body)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and error.details()
    status = status_of(error)
    assert status.code == 3 and status.message == error.details()
    assert "byte" in error.details()
    assert retry_ms(error) is None


def test_a_message_over_the_limit_is_resource_exhausted_for_good(small):
    """Without RetryInfo: a sender must not repeat it."""
    pad = request_of([make_span({"x.pad": "p" * 70_000})])
    error = raw_call(small.grpc_port, pad.SerializeToString())
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    assert str(64 * 1024) in error.details()
    assert retry_ms(error) is None
    fits = request_of([make_span({"x.pad": "p" * 60_000})])
    assert raw_call(small.grpc_port, fits.SerializeToString()) == b""


def test_the_limit_holds_after_decompression(small):
    bomb = request_of([make_span({"x.pad": "p" * 1_000_000})]).SerializeToString()
    error = raw_call(small.grpc_port, bomb, compression=grpc.Compression.Gzip)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and str(128 * 1024) in error.details(), error
    assert retry_ms(error) is None


def test_overload_says_when_to_come_back(small):
    """shows: C10"""
    head = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 9\r\n\r\n"
    with socket.create_connection(("127.0.0.1", small.otlp_port), timeout=10) as slow:
        slow.sendall(head.encode())

        def refused():
            answer = raw_call(small.grpc_port, b"")
            return answer if isinstance(answer, grpc.RpcError) else None
        error = wait_until(refused, what="overload")
        assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
        assert retry_ms(error) >= 1
    wait_until(lambda: raw_call(small.grpc_port, b"") == b"", what="the end of the overload")


def test_no_room_on_the_disk_is_unavailable_with_retry_info(new_server):
    """shows: C10"""
    made = new_server(log__disk_free="1TiB").start()
    error = raw_call(made.grpc_port, request_of([make_span()]).SerializeToString())
    assert error.code() == grpc.StatusCode.UNAVAILABLE and retry_ms(error) >= 1
    assert "space" in error.details()


def test_keys_arrive_as_metadata(new_server):
    """shows: P19"""
    made = new_server(auth__mode="on").start()
    for metadata in ((), (("authorization", "Bearer tt_wrong"),)):
        error = raw_call(made.grpc_port, b"", metadata=metadata)
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
        assert status_of(error).code == 16 and retry_ms(error) is None
    for name, value in (("authorization", f"Bearer {made.first_key}"), ("x-api-key", made.first_key), ("api-key", made.first_key)):
        assert raw_call(made.grpc_port, b"", metadata=((name, value),)) == b"", name


def test_a_client_that_leaves_harms_nobody(server):
    for _ in range(20):
        channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
        call = trace_service_pb2_grpc.TraceServiceStub(channel).Export.future(request_of([make_span()]), timeout=20)
        call.cancel()
        channel.close()
    assert raw_call(server.grpc_port, b"") == b""
