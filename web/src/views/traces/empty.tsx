// empty.tsx -- nothing was ever sent: how to send the first span, and that it came.
// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { api, key, type Trace } from "../../api";
import { Icon } from "../../components/icon";
import { CopyButton } from "../../components/shared";
import { plural } from "../../format";
import { useInterval } from "../../hooks";
import { follow } from "../../router";

const ASK_MS = 1000;
/** The address that served this page takes OTLP too, so it is always a right one. */
const HOST = location.origin;

const needsKey = () => key.get() !== null;

/** The first two are those of README.md and docs/sending.md, which the tests run. */
const SNIPPETS: { [name: string]: () => string } = {
  Python: () => `# pip install openai opentelemetry-sdk opentelemetry-exporter-otlp-proto-http \\
#     opentelemetry-instrumentation-openai
from openai import OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(
    endpoint="${HOST}/v1/traces"${needsKey() ? `,\n    headers={"authorization": "Bearer YOUR_KEY"}` : ""})))
trace.set_tracer_provider(provider)
OpenAIInstrumentor().instrument()

OpenAI().chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": "What is the capital of France?"}])
provider.shutdown()`,
  JavaScript: () => `// npm install openai @opentelemetry/sdk-node @opentelemetry/exporter-trace-otlp-proto \\
//     @traceloop/instrumentation-openai
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { OpenAIInstrumentation } from "@traceloop/instrumentation-openai";
import OpenAI from "openai";

const instrumentation = new OpenAIInstrumentation();
instrumentation.manuallyInstrument(OpenAI);
const traceExporter = new OTLPTraceExporter({
  url: "${HOST}/v1/traces",${needsKey() ? `\n  headers: { authorization: "Bearer YOUR_KEY" },` : ""}
});
const sdk = new NodeSDK({ serviceName: "my-app", traceExporter, instrumentations: [instrumentation] });
sdk.start();

await new OpenAI().chat.completions.create({
  model: "gpt-4o-mini", messages: [{ role: "user", content: "What is the capital of France?" }] });
await sdk.shutdown();`,
  curl: () => `now=$(date +%s)
curl ${HOST}/v1/traces -H 'content-type: application/json' ${needsKey() ? `-H 'authorization: Bearer YOUR_KEY' ` : ""}-d '{"resourceSpans":[{
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
const NAMES = Object.keys(SNIPPETS);

function Waiting() {
  return (
    <div class="arrival" role="status">
      <span class="pulse" aria-hidden="true" />
      <span class="grow"><b>Waiting for the first span</b><small>This turns green when it is here.</small></span>
    </div>
  );
}

function Arrived({ trace, close }: { trace: Trace; close: () => void }) {
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) link.current?.focus();
  }, []);
  return (
    <div class="arrival here" role="status">
      <span class="tick-big" aria-hidden="true"><Icon name="check" /></span>
      <span class="grow cut"><b>The first span is here</b><small class="cut bidi">{trace.name ?? "unnamed"}{trace.service ? ` from ${trace.service}` : ""}, {plural(trace.span_count, "span")}</small></span>
      <button type="button" class="button" onClick={close}>All traces</button>
      <a class="button main" ref={link} href={`/traces/${trace.trace_id}`} onClick={follow}>Open the trace</a>
    </div>
  );
}

export function FirstRun({ close }: { close: () => void }) {
  const [tab, set] = useState(NAMES[0]!);
  const [trace, setTrace] = useState<Trace | null>(null);
  useInterval(() => {
    api.traces({ limit: 1, from: "now-3650d" }).then((page) => setTrace(page.items[0] ?? null), () => undefined); // asked again soon
  }, ASK_MS, trace === null);
  const text = SNIPPETS[tab]!();
  const onKey = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    const next = NAMES[(NAMES.indexOf(tab) + by + NAMES.length) % NAMES.length]!;
    set(next);
    document.getElementById(`lang-${next}`)?.focus();
  };
  return (
    <section class="first-run" aria-label="First steps">
      {trace ? <Arrived trace={trace} close={close} /> : <Waiting />}
      <h1>Send your first trace</h1>
      <p>Telltale takes OpenTelemetry as it is. Point any OTLP exporter at <code>{HOST}</code>{needsKey() ? ", with your key," : ""} and call a model.</p>
      <div class="snippet">
        <div class="snippet-head">
          <div class="tabs" role="tablist" aria-label="Language" onKeyDown={onKey}>
            {NAMES.map((name) => (
              <button type="button" key={name} role="tab" id={`lang-${name}`} aria-selected={tab === name} aria-controls="snippet" tabIndex={tab === name ? 0 : -1} onClick={() => set(name)}>{name}</button>
            ))}
          </div>
          <CopyButton text={text} label="Copy" />
        </div>
        <pre id="snippet" role="tabpanel" aria-labelledby={`lang-${tab}`} tabIndex={0}>{text}</pre>
      </div>
      <p class="dim">OTLP over HTTP is also at port 4318, gRPC at 4317. Names of OpenTelemetry GenAI, OpenInference, OpenLLMetry, Langfuse and the Vercel AI SDK are understood.</p>
    </section>
  );
}
