// Langfuse's JavaScript SDK 4 and 5: spans by OTLP, scores by batch ingestion.  Environment: LANGFUSE_BASE_URL.
// SPDX-License-Identifier: Apache-2.0
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { LangfuseClient } from "@langfuse/client";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import * as tracing from "@langfuse/tracing";

const keys = { publicKey: "pk", secretKey: "test-key", baseUrl: process.env.LANGFUSE_BASE_URL };
const processor = new LangfuseSpanProcessor({ ...keys, environment: "staging", release: "r7" });
new NodeTracerProvider({ spanProcessors: [processor] }).register();
const langfuse = new LangfuseClient(keys);
const facts = { userId: "user-1", sessionId: "session-1", tags: ["gold", "eu"], metadata: { tier: "gold" }, version: "v2" };

async function work(root) {
  const call = tracing.startObservation("answer", { model: "gpt-4o-mini", modelParameters: { temperature: 0.2, max_tokens: 100 },
    prompt: { name: "support-answer", version: 3, isFallback: false }, input: [{ role: "user", content: "Where is order 7?" }] },
  { asType: "generation" });
  await new Promise((resolve) => setTimeout(resolve, 30));
  call.update({ output: "It is on its way.", completionStartTime: new Date(), usageDetails: { input: 80, output: 20, input_cached_tokens: 30 },
    costDetails: { input: 0.001, output: 0.002 } }).end();
  tracing.startObservation("lookup", { input: { order: 7 }, output: { state: "shipped" }, level: "ERROR", statusMessage: "TimeoutError: no answer" },
    { asType: "tool" }).end();
  tracing.startObservation("cache-miss", { input: { key: "7" } }, { asType: "event" });
  root.update({ output: { answer: "It is on its way." } });
  langfuse.score.observation({ otelSpan: call.otelSpan }, { name: "correct", value: 1, dataType: "BOOLEAN", comment: "fine" });
  langfuse.score.trace({ otelSpan: root.otelSpan }, { name: "helpful", value: 0.9 });
  langfuse.score.create({ sessionId: "session-1", name: "tone", value: "friendly" });
}

await tracing.startActiveObservation("support", async (root) => {
  root.update({ input: { question: "Where?" } });
  const inside = () => work(root);
  await (tracing.propagateAttributes ? tracing.propagateAttributes({ ...facts, traceName: "support trace" }, inside)
    : (root.updateTrace({ name: "support trace", ...facts }), inside()));
});
await processor.forceFlush();
await langfuse.flush();
await langfuse.shutdown();
