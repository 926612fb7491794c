// The OpenAI SDK of JavaScript under an instrumentation: openai_app.mjs openinference-js|traceloop-js SCENARIO
// SPDX-License-Identifier: Apache-2.0
import OpenAI from "openai";
import { trace } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [which, scenario] = process.argv.slice(2);
const protocol = process.env.OTEL_EXPORTER_OTLP_PROTOCOL;
const { OTLPTraceExporter } = await import(
  { "http/json": "@opentelemetry/exporter-trace-otlp-http", "http/protobuf": "@opentelemetry/exporter-trace-otlp-proto",
    grpc: "@opentelemetry/exporter-trace-otlp-grpc" }[protocol]);
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "shop-web", "service.version": "2.0.1" }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();

const module = which === "openinference-js" ? "@arizeai/openinference-instrumentation-openai" : "@traceloop/instrumentation-openai";
const { OpenAIInstrumentation } = await import(module);
const instrumentation = new OpenAIInstrumentation();
instrumentation.setTracerProvider(provider);
instrumentation.manuallyInstrument(OpenAI);

const client = new OpenAI({ baseURL: process.env.MODEL_URL, apiKey: "unused", maxRetries: 0 });
const model = process.env.APP_MODEL ?? "gemma-3-270m";
const messages = [
  { role: "system", content: "You are the support assistant of a shop. Answer in one sentence." },
  { role: "user", content: "Which days is the shop open?" },
];
const tools = [{ type: "function", function: { name: "opening_hours", description: "Hours of a shop", parameters: {
  type: "object", required: ["city"], properties: { city: { type: "string", enum: ["Cologne", "Lyon"] } } } } }];

const scenarios = {
  chat: () => client.chat.completions.create({ model, messages, temperature: 0.2, max_tokens: 24 }),
  async stream() {
    const chunks = await client.chat.completions.create({ model, messages, max_tokens: 32, stream: true, stream_options: { include_usage: true } });
    for await (const _ of chunks);
  },
  tools: () => client.chat.completions.create({ model, messages, tools, max_tokens: 48 }),
  embeddings: () => client.embeddings.create({ model: "multilingual-e5-small", input: "opening hours" }),
  error: () => client.chat.completions.create({ model: "gemma-9-900b", messages }).catch((fault) => console.log(fault.status)),
};
await scenarios[scenario]();
await new Promise((resolve) => setImmediate(resolve));
await provider.shutdown();
