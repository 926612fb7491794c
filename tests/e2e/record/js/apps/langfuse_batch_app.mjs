// Langfuse's JavaScript SDK 3: everything by batch ingestion.  Environment: LANGFUSE_BASEURL.
// SPDX-License-Identifier: Apache-2.0
import { Langfuse } from "langfuse";

const langfuse = new Langfuse({ publicKey: "pk", secretKey: "test-key", release: "r7", environment: "staging", flushAt: 1000 });
const prompt = { name: "support-answer", version: 3, isFallback: false };
const trace = langfuse.trace({ name: "support", userId: "user-1", sessionId: "session-1", tags: ["gold", "eu"],
  metadata: { tier: "gold", seats: 3, deep: { a: [1] } }, version: "v2", input: { question: "Where?" } });
const span = trace.span({ name: "lookup", input: { order: 7 }, metadata: { db: "orders" } });
const call = span.generation({ name: "answer", model: "gpt-4o-mini", modelParameters: { temperature: 0.2, max_tokens: 100 },
  input: [{ role: "user", content: "Where is order 7?" }], prompt });
await langfuse.flushAsync(); // created and updated by two requests
await new Promise((resolve) => setTimeout(resolve, 50));
const first = new Date();
await new Promise((resolve) => setTimeout(resolve, 20));
call.end({ output: "It is on its way.", completionStartTime: first, usageDetails: { input: 80, output: 20, input_cached_tokens: 30 },
  costDetails: { input: 0.001, output: 0.002 } });
const old = trace.generation({ name: "old", model: "gpt-4o-mini", input: "q", usage: { promptTokens: 10, completionTokens: 5, totalTokens: 15 } });
old.end({ level: "ERROR", statusMessage: "RateLimitError: 429 too many" });
const shaped = trace.generation({ name: "shaped", model: "gpt-4o-mini", input: "q" });
shaped.end({ output: "a", usageDetails: { input_tokens: 50, output_tokens: 9, total_tokens: 59,
  input_tokens_details: { cached_tokens: 20 }, output_tokens_details: { reasoning_tokens: 4 } } });
span.event({ name: "cache-miss", input: { key: "7" } });
span.end({ output: { state: "shipped" } });
trace.update({ output: { answer: "It is on its way." } });
call.score({ name: "correct", value: 1, dataType: "BOOLEAN", comment: "fine" });
trace.score({ name: "helpful", value: 0.9 });
trace.score({ name: "tone", value: "friendly" });
await langfuse.shutdownAsync();
