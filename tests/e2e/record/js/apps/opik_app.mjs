// Opik's JavaScript SDK.  Environment: OPIK_URL_OVERRIDE.
// SPDX-License-Identifier: Apache-2.0
import { Opik } from "opik";

const client = new Opik({ apiKey: "test-key", apiUrl: process.env.OPIK_URL_OVERRIDE, projectName: "shop", workspaceName: "default" });
const trace = client.trace({ name: "support", input: { question: "Where?" }, metadata: { tier: "gold" }, tags: ["gold", "eu"], threadId: "thread-1" });
const lookup = trace.span({ name: "lookup", type: "tool", input: { order: 7 }, metadata: { db: "orders" } });
const call = trace.span({ name: "answer", type: "llm", parentSpanId: lookup.data.id, model: "gpt-4o-mini", provider: "openai",
  input: { messages: [{ role: "user", content: "Where is order 7?" }] } });
await client.flush(); // created and updated by two requests
await new Promise((resolve) => setTimeout(resolve, 50));
call.update({ output: { choices: [{ message: { role: "assistant", content: "It is on its way." } }] },
  usage: { prompt_tokens: 110, completion_tokens: 20, total_tokens: 130 } });
call.end();
const broken = trace.span({ name: "broken", type: "general", input: { a: 1 } });
broken.update({ errorInfo: { exceptionType: "TimeoutError", message: "no answer", traceback: "Traceback: none" } });
broken.end();
lookup.update({ output: { state: "shipped" } });
lookup.end();
call.score({ name: "correct", value: 1, reason: "fine" });
trace.score({ name: "helpful", value: 0.9, categoryName: "good" });
trace.update({ output: { answer: "It is on its way." } });
trace.end();
await client.flush();
