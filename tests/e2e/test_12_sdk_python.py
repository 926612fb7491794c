"""The official OpenTelemetry SDK of Python, over each of its exporters, set up by its environment variables alone.

SPDX-License-Identifier: Apache-2.0"""
import logging

import pytest
from conftest import Server, wait_until
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter as JsonLogs
from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter as JsonMetrics
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonSpans
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as ProtoLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as ProtoMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ProtoSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode

WAYS = {"http/protobuf": (ProtoSpans, ProtoLogs, ProtoMetrics), "http/json": (JsonSpans, JsonLogs, JsonMetrics),
        "grpc": (GrpcSpans, GrpcLogs, GrpcMetrics)}
RESOURCE = Resource.create({"service.name": "shop", "service.version": "3.1", "deployment.environment.name": "test"})
BOTH = [(way, compression) for way in WAYS for compression in ("none", "gzip")]


@pytest.fixture
def settings(server, monkeypatch):
    """Sets the environment variables of an exporter; only the endpoint is needed."""
    def use(way, compression="none", key=None, of=server):
        port = of.grpc_port if way == "grpc" else of.otlp_port
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        if compression != "none":
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
        if key:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{key}")
    return use


def answer_question(tracer):
    """A request with a retrieval that fails and a model call, as an application would trace it."""
    with tracer.start_as_current_span("POST /api/assistant/query", kind=SpanKind.SERVER, attributes={
            "app.tenant_id": "tenant_abc", "app.feature": "support_assistant", "user.id": "u-1"}) as root:
        with tracer.start_as_current_span("rag.retrieve") as retrieve:
            retrieve.set_attributes({"rag.retriever": "hybrid_rrf", "rag.source_ids": "doc_12,doc_7", "rag.top_k.returned": 2})
            try:
                raise TimeoutError("the index took too long")
            except TimeoutError as error:
                retrieve.record_exception(error)
                retrieve.set_status(Status(StatusCode.ERROR, "retrieval failed"))
        with tracer.start_as_current_span("chat gpt-4o-mini", kind=SpanKind.CLIENT) as call:
            call.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                                 "gen_ai.request.model": "gpt-4o-mini", "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
                                 "gen_ai.usage.input_tokens": 1842, "gen_ai.usage.output_tokens": 318,
                                 "gen_ai.response.finish_reasons": ["stop"], "gen_ai.request.temperature": 0.2})
            call.add_event("gen_ai.content.prompt", {"content": '[{"role":"user","content":"Is the shop open?"}]'})
    return trace.format_trace_id(root.get_span_context().trace_id)


@pytest.mark.parametrize("way, compression", BOTH)
def test_traces(server, settings, way, compression):
    """shows: X6 B1 B4 C1 R1 A2 A6 A7 A8 A9 A11 A15 A18 A19 A20 A21 A22 A31 A39 A57 A58 A59 A60 A67 A72"""
    settings(way, compression)
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(WAYS[way][0]()))
    trace_id = answer_question(provider.get_tracer("assistant-api", "1.0"))
    provider.shutdown()
    whole = server.wait_trace(trace_id, 3)
    spans = {span["name"]: span for span in whole["spans"]}
    root, retrieve, call = (spans[name] for name in ("POST /api/assistant/query", "rag.retrieve", "chat gpt-4o-mini"))
    assert retrieve["parent_span_id"] == call["parent_span_id"] == root["span_id"] and root["parent_span_id"] is None
    assert (root["kind"], call["kind"], retrieve["kind"]) == ("server", "client", "internal")
    assert (root["step"], retrieve["step"], call["step"]) == ("request", "retrieval", "model")
    assert (root["service"], root["release"], root["environment"]) == ("shop", "3.1", "test")
    assert root["scope"] == {"name": "assistant-api", "version": "1.0"}
    assert (root["tenant_id"], root["feature"], root["user_id"]) == ("tenant_abc", "support_assistant", "u-1")
    assert (call["provider"], call["operation"], call["request_model"], call["generator_model"]) == \
        ("openai", "chat", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (call["input_tokens"], call["output_tokens"], call["finish_reason"]) == (1842, 318, ["stop"])
    assert call["temperature"] == 0.2 and call["status"] == "unset"
    assert retrieve["status"] == "error" and retrieve["error_type"] == "TimeoutError"
    assert retrieve["status_message"] == "retrieval failed"
    assert (retrieve["retriever"], retrieve["retriever_family"], retrieve["source_ids"]) == ("hybrid_rrf", "hybrid", ["doc_12", "doc_7"])
    assert root["status"] == "unset" and whole["trace"]["error_count"] == 1
    said = server.payload(trace_id, call["span_id"])["input"]
    assert said == [{"role": "user", "parts": [{"type": "text", "content": "Is the shop open?"}]}]


@pytest.mark.parametrize("way, compression", BOTH)
def test_logs(server, settings, way, compression):
    """shows: B1 C1 R1 R19"""
    settings(way, compression)
    before = server.metric("telltale_drain_logs_total")
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(WAYS[way][1]()))
    logger = provider.get_logger("assistant-api")
    for number in range(7):
        logger.emit(LogRecord(body=f"line {number}", severity_number=SeverityNumber.WARN, severity_text="WARN",
                              attributes={"n": number, "list": ["a", "b"]}, event_name="shop.line"))
    provider.shutdown()
    wait_until(lambda: server.metric("telltale_drain_logs_total") == before + 7, what="7 log records")


@pytest.mark.parametrize("way, compression", BOTH)
def test_metrics(server, settings, way, compression):
    """shows: B1 C1 R1"""
    settings(way, compression)
    before = server.metric("telltale_drain_metric_points_total")
    provider = MeterProvider([PeriodicExportingMetricReader(WAYS[way][2](), export_interval_millis=3_600_000)], RESOURCE)
    meter = provider.get_meter("assistant-api")
    meter.create_counter("shop.requests").add(3, {"feature": "a"})
    meter.create_histogram("gen_ai.client.token.usage", "{token}").record(1842, {"gen_ai.token.type": "input"})
    meter.create_up_down_counter("shop.open").add(-1)
    meter.create_gauge("shop.temperature").set(20.5)
    provider.shutdown()
    wait_until(lambda: server.metric("telltale_drain_metric_points_total") == before + 4, what="4 points")


@pytest.mark.parametrize("way", list(WAYS))
def test_many_spans_in_batches(server, settings, way):
    """Ten batches of 512; parents end after their children."""
    settings(way, "gzip")
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(WAYS[way][0](), max_queue_size=20_000))
    tracer = provider.get_tracer("many")
    with tracer.start_as_current_span("root") as root:
        for number in range(5119):
            tracer.start_span(f"step {number % 7}").end()
    provider.shutdown()
    trace_id = trace.format_trace_id(root.get_span_context().trace_id)
    whole = server.wait_trace(trace_id, 5120, seconds=30)
    assert whole["trace"]["span_count"] == 5120 and whole["trace"]["name"] == "root"


@pytest.mark.parametrize("way", list(WAYS))
def test_the_key_goes_in_the_headers_variable(new_server, settings, way, caplog):
    """shows: X6 P19"""
    made = new_server(auth__mode="on").start()
    made.headers = {"authorization": f"Bearer {made.first_key}"}
    for key, expected in ((made.first_key, SpanExportResult.SUCCESS), ("tt_wrong", SpanExportResult.FAILURE)):
        settings(way, key=key, of=made)
        collected = []
        provider = TracerProvider(resource=RESOURCE)
        exporter = WAYS[way][0]()
        send = exporter.export
        exporter.export = lambda spans, send=send, collected=collected: collected.append(send(spans)) or collected[-1]
        provider.add_span_processor(BatchSpanProcessor(exporter))
        with caplog.at_level(logging.CRITICAL):
            provider.get_tracer("keys").start_span("one").end()
            provider.shutdown()
        assert collected == [expected], (way, key)
    assert len(made.wait_spans("name:one")) == 1


def test_an_exporter_repeats_until_there_is_room(settings):
    """The server answers 503 first: the exporter of the SDK keeps the data, repeats, and it is stored once.  shows: C10"""
    full = Server(log__disk_free="1TiB").start()
    room = None
    try:
        settings("http/protobuf", of=full)
        provider = TracerProvider(resource=RESOURCE)
        provider.add_span_processor(BatchSpanProcessor(ProtoSpans(), schedule_delay_millis=10))
        provider.get_tracer("patient").start_span("kept").end()
        wait_until(lambda: full.metric("telltale_receive_requests_total") >= 2, 20, "a repeated request")
        port = full.otlp_port
        full.stop()
        room = Server(folder=full.folder, listen__otlp=f"127.0.0.1:{port}").start()
        wait_until(lambda: room.spans("name:kept"), 30, "the kept span")
        provider.shutdown()
        assert len(room.spans("name:kept")) == 1
    finally:
        for one in (full, room):
            if one:
                one.kill()
        full.remove()
