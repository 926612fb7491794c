// The AI SDK of Vercel with its own telemetry: vercel_app.mjs 5|6|7 SCENARIO
// SPDX-License-Identifier: Apache-2.0
import { z } from "zod";
import { DAYS, EMBEDDER, HOURS, LOOKUP, MAX_TOKENS, MODEL, ORDER, PROMPT, SESSION, SYSTEM, TAGS, TEMPERATURE, USER, act, batching, lookup } from "./calls.mjs";

const which = process.argv[2];
const ai = await import(`ai${which}`);
const { createOpenAI } = await import(`ai${which}-openai`);
const provider = await batching();
const openai = createOpenAI({ baseURL: process.env.MODEL_URL, apiKey: "test-key" });
const metadata = { userId: USER, sessionId: SESSION, tags: TAGS, tier: "gold", langfusePrompt: JSON.stringify({ ...PROMPT, isFallback: false }) };
const told = { experimental_telemetry: { isEnabled: true, functionId: "support-answer", metadata } };
let common = told;
if (which === "7") {
  const { OpenTelemetry } = await import("@ai-sdk/otel");
  ai.registerTelemetry(new OpenTelemetry({ usage: true, runtimeContext: true, providerMetadata: true, embedding: true }));
  const { langfusePrompt: _, ...runtimeContext } = metadata;
  const included = Object.fromEntries(Object.keys(runtimeContext).map((key) => [key, true]));
  common = { runtimeContext, telemetry: { functionId: "support-answer", includeRuntimeContext: included } };
}
const ask = { model: openai(MODEL), system: SYSTEM, temperature: TEMPERATURE, maxOutputTokens: MAX_TOKENS, maxRetries: 0, ...common };
const tools = { lookup_order: ai.tool({ description: LOOKUP.description, inputSchema: z.object({ order_id: z.string() }), execute: lookup }) };

await act({
  chat: () => ai.generateText({ ...ask, prompt: DAYS }),
  async stream() {
    for await (const _ of ai.streamText({ ...ask, prompt: DAYS }).textStream);
  },
  tools: () => ai.generateText({ ...ask, prompt: ORDER, tools, stopWhen: ai.stepCountIs(3) }),
  embed: () => ai.embed({ model: openai.embedding(EMBEDDER), value: HOURS, maxRetries: 0, ...common }),
  error: () => ai.generateText({ ...ask, model: openai("gpt-0"), prompt: DAYS }),
}, provider);
