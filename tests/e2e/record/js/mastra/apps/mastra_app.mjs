// An agent of Mastra with its OpenTelemetry exporter: mastra_app.mjs otel SCENARIO
// SPDX-License-Identifier: Apache-2.0
import { createOpenAI } from "@ai-sdk/openai";
import { Mastra } from "@mastra/core";
import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { Observability } from "@mastra/observability";
import { OtelExporter } from "@mastra/otel-exporter";
import { z } from "zod";
import { DAYS, LOOKUP, MAX_TOKENS, MODEL, ORDER, SESSION, SYSTEM, TAGS, TEMPERATURE, USER, lookup } from "../../apps/words.mjs";

const openai = createOpenAI({ baseURL: process.env.MODEL_URL, apiKey: "test-key" });
const find = createTool({ id: LOOKUP.name, description: LOOKUP.description, inputSchema: z.object({ order_id: z.string() }), execute: lookup });
const agent = (model) => new Agent({ id: "support", name: "support", instructions: SYSTEM, model: openai(model), tools: { lookup_order: find }, maxRetries: 0 });
const exporter = new OtelExporter({ provider: { custom: { endpoint: `${process.env.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`, protocol: "http/protobuf" } } });
const observability = new Observability({ configs: { otel: { serviceName: "shop-web", exporters: [exporter] } } });
const mastra = new Mastra({ agents: { support: agent(MODEL), broken: agent("gpt-0") }, observability, logger: false });
const told = { modelSettings: { temperature: TEMPERATURE, maxOutputTokens: MAX_TOKENS, maxRetries: 0 }, tracingOptions: {
  metadata: { userId: USER, sessionId: SESSION, tier: "gold" }, tags: TAGS } };
const scenarios = {
  chat: () => mastra.getAgent("support").generate(DAYS, told),
  async stream() {
    for await (const _ of (await mastra.getAgent("support").stream(DAYS, told)).textStream);
  },
  tools: () => mastra.getAgent("support").generate(ORDER, told),
  error: () => mastra.getAgent("broken").generate(DAYS, told).catch(() => {}),
};
await scenarios[process.argv[3]]();
await new Promise((resolve) => setTimeout(resolve, 100));
await observability.shutdown();
process.exit(0);
