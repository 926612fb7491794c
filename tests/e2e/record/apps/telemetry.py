"""OpenTelemetry set up the way an application does it; protocol and endpoint come from the usual variables.

SPDX-License-Identifier: Apache-2.0
"""
import os

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def start(service, with_metrics=False):
    """Providers for traces and logs (and metrics); returns a function that flushes and ends them."""
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    resource = Resource.create({"service.name": service, "service.version": "1.4.2",
                                "deployment.environment.name": "staging"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(traces)
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logs)
    set_event_provider(logs)
    ends = [traces.shutdown, logs.shutdown]
    if with_metrics:
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=3600000)
        meters = MeterProvider(resource=resource, metric_readers=[reader])
        metrics.set_meter_provider(meters)
        ends.append(meters.shutdown)
    return lambda: [end() for end in ends]


def set_event_provider(logs):
    """Instrumentations of early 2025 send their events by an API that newer releases no longer have."""
    try:
        from opentelemetry._events import set_event_logger_provider
        from opentelemetry.sdk._events import EventLoggerProvider
    except ImportError:
        return
    set_event_logger_provider(EventLoggerProvider(logs))


def instrument(names):
    """Switch on one or more instrumentations by the name that the recordings carry."""
    for name in names.split("+"):
        if name.startswith("otel-v2"):
            from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
        elif name == "openllmetry":
            from opentelemetry.instrumentation.openai import OpenAIInstrumentor
        elif name == "openinference":
            from openinference.instrumentation.openai import OpenAIInstrumentor
        elif name == "openllmetry-anthropic":
            from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor as OpenAIInstrumentor
        OpenAIInstrumentor().instrument()
