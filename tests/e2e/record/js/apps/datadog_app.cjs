// A request as an application traces it with dd-trace: a web span with an agent, a retrieval, a tool, a model call that is
// annotated and one that the openai integration sees, a task that fails; then evaluations.  Settings: DD_*, MODEL_URL.
// SPDX-License-Identifier: Apache-2.0
"use strict";
const tracer = require("dd-trace").init({ llmobs: { mlApp: "shop-assistant" }, flushInterval: 200 });
const { OpenAI } = require("openai");
const { llmobs } = tracer;

async function work(client) {
  let exported;
  llmobs.trace({ kind: "retrieval", name: "find" }, () => llmobs.annotate({ inputData: "open hours", outputData: [
    { id: "doc_1", name: "faq", text: "Open 9-5", score: 0.9 }, { id: "doc_2", name: "blog", text: "Hi", score: 0.4 }] }));
  llmobs.trace({ kind: "tool", name: "search" }, () => llmobs.annotate({ inputData: { q: "hours" }, outputData: { open: true } }));
  llmobs.trace({ kind: "llm", name: "answer", modelName: "claude-sonnet-4-20250514", modelProvider: "anthropic" }, (span) => {
    llmobs.annotate({
      prompt: { id: "support", version: "17", template: "Answer {{q}}", variables: { q: "open?" } },
      inputData: [{ role: "system", content: "Be brief" }, { role: "user", content: "Is the shop open? – ja 🙂" },
        { role: "assistant", content: "", toolCalls: [{ name: "search", arguments: { q: "hours" }, toolId: "call_7", type: "function" }] },
        { role: "tool", content: "", toolResults: [{ name: "search", result: "9-5", toolId: "call_7", type: "tool_result" }] }],
      outputData: [{ role: "assistant", content: "Yes, until five." }],
      metadata: { temperature: 0.2, max_tokens: 500 },
      metrics: { inputTokens: 1842, outputTokens: 318, totalTokens: 2160, cacheReadTokens: 1024, cacheWriteTokens: 100 } });
    exported = llmobs.exportSpan(span);
  });
  try {
    llmobs.trace({ kind: "task", name: "bad" }, () => {
      const error = new RangeError("too slow");
      error.stack = "RangeError: too slow\n    at work (app.js:1:1)";
      throw error;
    });
  } catch { /* as meant */ }
  await client.chat.completions.create({ model: "gpt-4o-mini", temperature: 0.1, messages: [{ role: "user", content: "weather?" }] });
  return exported;
}

async function main() {
  const client = new OpenAI({ apiKey: "test-key", baseURL: process.env.MODEL_URL });
  const tags = { "span.kind": "server", "http.method": "POST", "http.status_code": 200 };
  const exported = await tracer.trace("web.request", { resource: "POST /ask", type: "web", tags }, () =>
    llmobs.trace({ kind: "agent", name: "support", sessionId: "s-1" }, () => {
      llmobs.annotate({ inputData: "Is it open?", outputData: "Yes", tags: { "user.id": "u-1" }, metadata: { plan: "gold" } });
      return work(client);
    }));
  llmobs.submitEvaluation(exported, { label: "faithful", metricType: "score", value: 0.75, mlApp: "shop-assistant", reasoning: "grounded", assessment: "pass" });
  llmobs.submitEvaluation(exported, { label: "tone", metricType: "categorical", value: "kind", mlApp: "shop-assistant" });
  llmobs.flush();
  setTimeout(() => process.exit(0), 1500);
}

main();
