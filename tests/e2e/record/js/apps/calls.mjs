// What every application asks, and where its spans go.
// SPDX-License-Identifier: Apache-2.0
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

export * from "./words.mjs";

export async function exporter() {
  const module = { "http/json": "@opentelemetry/exporter-trace-otlp-http", "http/protobuf": "@opentelemetry/exporter-trace-otlp-proto" };
  const { OTLPTraceExporter } = await import(module[process.env.OTEL_EXPORTER_OTLP_PROTOCOL]);
  return new OTLPTraceExporter();
}

export function provide(...processors) {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ "service.name": "shop-web", "service.version": "2.0.1" }), spanProcessors: processors });
  provider.register();
  return provider;
}

export const batching = async () => provide(new BatchSpanProcessor(await exporter()));

// One scenario; an error is what the scenario wants to see, or it ends the run.
export async function act(scenarios, provider) {
  const scenario = process.argv[3];
  try {
    await scenarios[scenario]();
    if (scenario === "error") throw new Error("no error came");
  } catch (fault) {
    if (scenario !== "error" || fault.message === "no error came") throw fault;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  await provider.forceFlush();
  await provider.shutdown();
}
