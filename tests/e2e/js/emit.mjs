// The official OpenTelemetry SDK of Node, set up by its environment variables alone: sends a trace, 7 log
// records and 4 metric points, and prints the trace's id.
// SPDX-License-Identifier: Apache-2.0
import { metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { logs, SeverityNumber } from "@opentelemetry/api-logs";
import { NodeSDK } from "@opentelemetry/sdk-node";

const sdk = new NodeSDK();
sdk.start();

const tracer = trace.getTracer("assistant-api", "1.0");
const traceId = await tracer.startActiveSpan("POST /api/assistant/query", {
  kind: SpanKind.SERVER, attributes: { "app.tenant_id": "tenant_abc", "app.feature": "support_assistant", "user.id": "u-1" },
}, async (root) => {
  const retrieve = tracer.startSpan("rag.retrieve", { attributes: {
    "rag.retriever": "hybrid_rrf", "rag.source_ids": ["doc_12", "doc_7"], "rag.top_k.returned": 2 } });
  retrieve.recordException(new RangeError("the index took too long"));
  retrieve.setStatus({ code: SpanStatusCode.ERROR, message: "retrieval failed" });
  retrieve.end();
  const call = tracer.startSpan("chat gpt-4o-mini", { kind: SpanKind.CLIENT, attributes: {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18", "gen_ai.usage.input_tokens": 1842, "gen_ai.usage.output_tokens": 318,
    "gen_ai.response.finish_reasons": ["stop"], "gen_ai.request.temperature": 0.2,
    "gen_ai.input.messages": JSON.stringify([{ role: "user", parts: [{ type: "text", content: "Is the shop open? – ja 🙂" }] }]) } });
  call.end();
  root.end();
  return root.spanContext().traceId;
});

const logger = logs.getLogger("assistant-api");
for (let number = 0; number < 7; number++)
  logger.emit({ body: { line: number, of: [1, "two"] }, severityNumber: SeverityNumber.WARN, severityText: "WARN", attributes: { number } });

const meter = metrics.getMeter("assistant-api");
meter.createCounter("shop.requests").add(3, { feature: "a" });
meter.createHistogram("gen_ai.client.token.usage", { unit: "{token}" }).record(1842, { "gen_ai.token.type": "input" });
meter.createUpDownCounter("shop.open").add(-1);
meter.createGauge("shop.temperature").record(20.5);

await sdk.shutdown().catch((fault) => console.error(`refused: ${fault.message} ${fault.code}`));
console.log(traceId);
