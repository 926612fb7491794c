// LlamaIndex for TypeScript under OpenLLMetry: llamaindex_app.mjs traceloop SCENARIO
// SPDX-License-Identifier: Apache-2.0
import * as llamaindex from "llamaindex";
import * as openai from "@llamaindex/openai";
import { LlamaIndexInstrumentation } from "@traceloop/instrumentation-llamaindex";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { z } from "zod";
import { DAYS, LOOKUP, MAX_TOKENS, MODEL, ORDER, SYSTEM, TEMPERATURE, lookup } from "../../apps/words.mjs";

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "shop-web", "service.version": "2.0.1" }), spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
provider.register();
const instrumentation = new LlamaIndexInstrumentation();
instrumentation.setTracerProvider(provider);
instrumentation.manuallyInstrument(llamaindex, openai);
const llm = (model) => new openai.OpenAI({ model, temperature: TEMPERATURE, maxTokens: MAX_TOKENS, maxRetries: 0, apiKey: "test-key", baseURL: process.env.MODEL_URL });
const talk = (text) => [{ role: "system", content: SYSTEM }, { role: "user", content: text }];

const scenarios = {
  chat: () => llm(MODEL).chat({ messages: talk(DAYS) }),
  async stream() {
    for await (const _ of await llm(MODEL).chat({ messages: talk(DAYS), stream: true }));
  },
  async tools() {
    const find = llamaindex.tool({ name: LOOKUP.name, description: LOOKUP.description, parameters: z.object({ order_id: z.string() }), execute: lookup });
    const model = llm(MODEL);
    const first = await model.chat({ messages: talk(ORDER), tools: [find] });
    const [call] = first.message.options.toolCall;
    const result = JSON.stringify(await find.call(typeof call.input === "string" ? JSON.parse(call.input) : call.input));
    await model.chat({ tools: [find], messages: [...talk(ORDER), first.message, { role: "user", content: result, options: { toolResult: { id: call.id, result, isError: false } } }] });
  },
  error: () => llm("gpt-0").chat({ messages: talk(DAYS) }).then(() => process.exit(1), () => {}),
};
await scenarios[process.argv[3]]();
await new Promise((resolve) => setTimeout(resolve, 50));
await provider.shutdown();
