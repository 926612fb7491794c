// OpenAI's agents under OpenInference: agents_app.mjs openinference SCENARIO
// SPDX-License-Identifier: Apache-2.0
import * as agents from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { OpenAIAgentsInstrumentation } from "@arizeai/openinference-instrumentation-openai-agents";
import { DAYS, LOOKUP, MAX_TOKENS, MODEL, ORDER, SYSTEM, TEMPERATURE, act, batching, lookup } from "./calls.mjs";

const provider = await batching();
new OpenAIAgentsInstrumentation({ tracerProvider: provider }).manuallyInstrument(agents);
agents.setDefaultOpenAIClient(new OpenAI({ baseURL: process.env.MODEL_URL, apiKey: "test-key", maxRetries: 0 }));
agents.setTracingDisabled(false);
const find = agents.tool({ name: LOOKUP.name, description: LOOKUP.description, parameters: z.object({ order_id: z.string() }), execute: lookup });
const agent = (model, tools = []) => new agents.Agent({ name: "support", instructions: SYSTEM, model, tools, modelSettings: { temperature: TEMPERATURE, maxTokens: MAX_TOKENS } });

await act({
  chat: () => agents.run(agent(MODEL), DAYS),
  async stream() {
    const told = await agents.run(agent(MODEL), DAYS, { stream: true });
    for await (const _ of told.toTextStream());
    await told.completed;
  },
  tools: () => agents.run(agent(MODEL, [find]), ORDER),
  error: () => agents.run(agent("gpt-0"), DAYS),
}, provider);
