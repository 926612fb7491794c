// Phoenix's own packages for JavaScript: a traced call, spans as JSON, every kind of annotation: phoenix_app.mjs
// SPDX-License-Identifier: Apache-2.0
import { createClient } from "@arizeai/phoenix-client";
import { addSessionAnnotation, addSessionNote } from "@arizeai/phoenix-client/sessions";
import { addDocumentAnnotation, addSpanAnnotation, addSpanNote, logSpans } from "@arizeai/phoenix-client/spans";
import { addTraceAnnotation, addTraceNote } from "@arizeai/phoenix-client/traces";
import { register } from "@arizeai/phoenix-otel";

const url = process.env.PHOENIX_HOST, apiKey = "test-key";
const provider = register({ projectName: "shop-web", url, apiKey, batch: false, global: false });
const span = provider.getTracer("shop").startSpan("answer");
span.setAttributes({ "openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini", "llm.provider": "openai", "session.id": "chat-8",
  "llm.token_count.prompt": 12, "llm.token_count.completion": 4, "input.value": "How many days?", "output.value": "Thirty." });
span.end();
await provider.shutdown();
const { spanId, traceId } = span.spanContext();
const client = createClient({ options: { baseUrl: url, headers: { Authorization: `Bearer ${apiKey}` } } });
const by = { name: "quality", annotatorKind: "LLM", label: "good", score: 0.75, explanation: "clear", metadata: { run: 7 } };
const ids = [
  await addSpanAnnotation({ client, spanAnnotation: { ...by, spanId }, sync: true }),
  await addSpanNote({ client, spanNote: { spanId, note: "look again" } }),
  await addDocumentAnnotation({ client, documentAnnotation: { ...by, name: "relevance", spanId, documentPosition: 2 }, sync: true }),
  await addTraceAnnotation({ client, traceAnnotation: { ...by, name: "correct", traceId, annotatorKind: "CODE" }, sync: true }),
  await addTraceNote({ client, traceNote: { traceId, note: "of the trace" } }),
  await addSessionAnnotation({ client, sessionAnnotation: { ...by, name: "solved", sessionId: "chat-8", annotatorKind: "HUMAN" }, sync: true }),
  await addSessionNote({ client, sessionNote: { sessionId: "chat-8", note: "of the session" } }),
];
if (!ids.every((item) => item && item.id)) throw new Error(`an annotation has no id: ${JSON.stringify(ids)}`);
const logged = await logSpans({ client, project: { projectName: "shop-web" }, spans: [
  { name: "logged", context: { trace_id: "4bf92f3577b34da6a3ce929d0e0e4736", span_id: "00f067aa0ba902b7" }, span_kind: "RETRIEVER",
    start_time: "2026-11-21T10:00:00Z", end_time: "2026-11-21T10:00:01Z", status_code: "OK", attributes: { "input.value": "days" } }] });
if (logged.totalQueued !== 1) throw new Error(JSON.stringify(logged));
