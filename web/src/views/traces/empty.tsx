// empty.tsx -- nothing was ever sent: how to send the first span.
// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { key } from "../../api";
import { CopyButton } from "../../components/shared";

const HOST = `http://${location.hostname || "localhost"}:4318`.replace("127.0.0.1", "localhost");

const header = () => (key.get() ? "authorization=Bearer <your key>" : null);

const SNIPPETS: { [name: string]: () => string } = {
  Python: () => `# pip install openai opentelemetry-distro opentelemetry-exporter-otlp \\
#             opentelemetry-instrumentation-openai-v2
export OTEL_EXPORTER_OTLP_ENDPOINT=${HOST}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_SERVICE_NAME=my-app
export OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true
${header() ? `export OTEL_EXPORTER_OTLP_HEADERS="${header()}"\n` : ""}opentelemetry-instrument python app.py`,
  JavaScript: () => `// npm install @opentelemetry/sdk-node @opentelemetry/exporter-trace-otlp-proto \\
//             @traceloop/instrumentation-openai
import { NodeSDK } from "@opentelemetry/sdk-node";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { OpenAIInstrumentation } from "@traceloop/instrumentation-openai";

new NodeSDK({
  serviceName: "my-app",
  traceExporter: new OTLPTraceExporter({ url: "${HOST}/v1/traces" }),
  instrumentations: [new OpenAIInstrumentation()],
}).start();`,
  curl: () => `now=$(date +%s)
curl ${HOST}/v1/traces -H 'content-type: application/json' ${header() ? `-H 'authorization: Bearer <your key>' ` : ""}-d '{"resourceSpans":[{
  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my-app"}}]},
  "scopeSpans":[{"spans":[{
    "traceId":"'$(openssl rand -hex 16)'","spanId":"'$(openssl rand -hex 8)'","name":"chat gpt-4o","kind":3,
    "startTimeUnixNano":"'$((now-2))'000000000","endTimeUnixNano":"'$now'000000000",
    "attributes":[
      {"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},
      {"key":"gen_ai.provider.name","value":{"stringValue":"openai"}},
      {"key":"gen_ai.request.model","value":{"stringValue":"gpt-4o"}},
      {"key":"gen_ai.usage.input_tokens","value":{"intValue":"120"}},
      {"key":"gen_ai.usage.output_tokens","value":{"intValue":"48"}}]}]}]}]}'`,
};

export function FirstRun() {
  const [tab, set] = useState("Python");
  const text = SNIPPETS[tab]!();
  return (
    <section class="first-run" aria-label="First steps">
      <div class="waiting"><span class="pulse" aria-hidden="true" /><span role="status">Waiting for the first span</span></div>
      <h1>Send your first trace</h1>
      <p>Telltale takes OpenTelemetry at <code>{HOST}</code>. Point any OTLP exporter there; this page turns into the list when the first span arrives.</p>
      <div class="snippet">
        <div class="tabs" role="tablist" aria-label="Language">
          {Object.keys(SNIPPETS).map((name) => (
            <button type="button" key={name} role="tab" id={`lang-${name}`} aria-selected={tab === name} aria-controls="snippet" onClick={() => set(name)}>{name}</button>
          ))}
          <span class="grow" />
          <CopyButton text={text} label="Copy" />
        </div>
        <pre id="snippet" role="tabpanel" aria-labelledby={`lang-${tab}`} tabIndex={0}>{text}</pre>
      </div>
      <p class="dim">gRPC works too, at port 4317. Names of OpenTelemetry GenAI, OpenInference, OpenLLMetry, Langfuse and the Vercel AI SDK are all understood.</p>
    </section>
  );
}
