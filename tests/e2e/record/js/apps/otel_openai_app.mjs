// The OpenAI SDK under OpenTelemetry's own instrumentation: otel_openai_app.mjs chat|responses SCENARIO
// SPDX-License-Identifier: Apache-2.0
import { createRequire } from "node:module";
import { logs } from "@opentelemetry/api-logs";
import { metrics } from "@opentelemetry/api";
import { OpenAIInstrumentation } from "@opentelemetry/instrumentation-openai";
import { registerInstrumentations } from "@opentelemetry/instrumentation";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { DAYS, EMBEDDER, HOURS, LOOKUP, MAX_TOKENS, MODEL, ORDER, SYSTEM, TEMPERATURE, act, batching, lookup } from "./calls.mjs";

const provider = await batching();
const resource = resourceFromAttributes({ "service.name": "shop-web", "service.version": "2.0.1" });
const loggerProvider = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })] });
logs.setGlobalLoggerProvider(loggerProvider);
const meterProvider = new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), exportIntervalMillis: 60000 })] });
metrics.setGlobalMeterProvider(meterProvider);
registerInstrumentations({ tracerProvider: provider, loggerProvider, meterProvider, instrumentations: [new OpenAIInstrumentation({ captureMessageContent: true })] });
const OpenAI = createRequire(import.meta.url)("openai");

const client = new OpenAI({ baseURL: process.env.MODEL_URL, apiKey: "test-key", maxRetries: 0 });
const ask = (text, more = []) => ({ model: MODEL, temperature: TEMPERATURE, max_tokens: MAX_TOKENS,
  messages: [{ role: "system", content: SYSTEM }, { role: "user", content: text }, ...more] });
const tools = [{ type: "function", function: LOOKUP }];
const respond = (input) => ({ model: MODEL, temperature: TEMPERATURE, max_output_tokens: MAX_TOKENS, instructions: SYSTEM, input });

const chat = {
  chat: () => client.chat.completions.create(ask(DAYS)),
  async stream() {
    for await (const _ of await client.chat.completions.create({ ...ask(DAYS), stream: true, stream_options: { include_usage: true } }));
  },
  async tools() {
    const first = await client.chat.completions.create({ ...ask(ORDER), tools });
    const { message } = first.choices[0];
    const call = message.tool_calls[0];
    const result = await lookup(JSON.parse(call.function.arguments));
    await client.chat.completions.create({ ...ask(ORDER, [message, { role: "tool", tool_call_id: call.id, content: JSON.stringify(result) }]), tools });
  },
  embed: () => client.embeddings.create({ model: EMBEDDER, input: HOURS, encoding_format: "float" }),
  error: () => client.chat.completions.create({ ...ask(DAYS), model: "gpt-0" }),
};
const responses = {
  chat: () => client.responses.create(respond(DAYS)),
  async tools() {
    const tools = [{ type: "function", ...LOOKUP, strict: true }];
    const first = await client.responses.create({ ...respond(ORDER), tools });
    const call = first.output[0];
    const result = await lookup(JSON.parse(call.arguments));
    await client.responses.create({ ...respond([{ role: "user", content: ORDER }, call, { type: "function_call_output", call_id: call.call_id, output: JSON.stringify(result) }]), tools });
  },
};
await act(process.argv[2] === "chat" ? chat : responses, provider);
await loggerProvider.shutdown();
await meterProvider.shutdown();
