// tables.tsx -- usage and cost, request, retrieval, attributes, events.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Json, JsonObject, Log, Payload, Span } from "../../../api";
import { JsonText, Long } from "../../../components/json";
import { Copy, Time } from "../../../components/shared";
import { count, duration, UNKNOWN, usd6, usd9, words } from "../../../format";
import { type Content, Revealed } from "./reveal";

export const isKnown = (v: unknown) => v !== null && v !== undefined && v !== "" && !(Array.isArray(v) && !v.length);

function Value({ value }: { value: unknown }) {
  if (!isKnown(value)) return <span class="dim">{UNKNOWN}</span>;
  if (typeof value === "object") return Array.isArray(value) && value.every((v) => typeof v !== "object") ? <>{value.join(", ")}</> : <JsonText value={value} lines={8} />;
  const text = String(value);
  return text.length > 200 ? <Long text={text} lines={6} /> : <Copy text={text} label="value" />;
}

export function Rows({ rows }: { rows: [string, ComponentChildren][] }) {
  return <table class="pairs"><tbody>{rows.map(([name, value]) => <tr key={name}><th scope="row">{name}</th><td>{value}</td></tr>)}</tbody></table>;
}

const BUCKETS: [string, string][] = [
  ["input_fresh", "Input"], ["cache_read", "Input read from cache"], ["cache_write_5m", "Input written to cache, 5 min"], ["cache_write_1h", "Input written to cache, 1 h"], ["audio_in", "Audio in"],
  ["output_text", "Output"], ["reasoning", "Reasoning"], ["audio_out", "Audio out"], ["image", "Image"],
];
const SOURCES = new Map([["table", "price table"], ["override", "your own prices"], ["sender", "the sender"], ["unknown", "unknown"]]);
const NANO = 1e9;

export function Usage({ span }: { span: Span }) {
  const usage = span.usage ?? {}, cost = span.cost ?? {}, by = cost.by_bucket ?? {};
  const rows = BUCKETS.filter(([id]) => isKnown(usage[id]) || isKnown(by[id]));
  const n = (v: unknown) => (typeof v === "number" ? v : null);
  const most = Math.max(1, ...rows.map(([id]) => n(usage[id]) ?? 0));
  return (
    <div class="pad">
      {span.rollup && <p class="note warn">Not counted: this usage repeats that of another step of the trace, which counts.</p>}
      <table class="figures-table num">
        <thead><tr><th scope="col">Bucket</th><th scope="col"><span class="hidden-text">Share</span></th><th scope="col">Tokens</th><th scope="col">Cost</th></tr></thead>
        <tbody>
          {rows.map(([id, name]) => (
            <tr key={id}>
              <th scope="row">{name}</th>
              <td class="share" aria-hidden="true"><i style={{ width: `${((n(usage[id]) ?? 0) / most) * 100}%` }} /></td>
              <td>{count(n(usage[id]))}</td>
              <td>{isKnown(by[id]) ? usd9(by[id]! / NANO) : <span class="dim">{n(usage[id]) === 0 ? UNKNOWN : "unknown"}</span>}</td>
            </tr>
          ))}
          <tr class="sum"><th scope="row">All</th><td /><td title={`${count(span.input_tokens)} in, ${count(span.output_tokens)} out`}>{count(span.total_tokens)}</td><td>{span.rollup ? "not counted" : usd6(span.estimated_cost_usd)}</td></tr>
        </tbody>
      </table>
      <Rows rows={[
        ["Tokens from", <Value value={usage.source} />],
        ["Price from", cost.source ? SOURCES.get(cost.source) ?? cost.source : <span class="dim">unknown</span>],
        ["Price", <Value value={cost.price_id} />],
        ["Valid from", <Value value={cost.price_date} />],
        ["Sender's own cost", isKnown(cost.sender_usd) ? usd6(cost.sender_usd) : <span class="dim">{UNKNOWN}</span>],
        ...(isKnown(usage.sender) ? [["Sender's numbers", <JsonText value={usage.sender} />] as [string, ComponentChildren]] : []),
      ]} />
    </div>
  );
}

const REQUEST = ["provider", "request_model", "generator_model", "response_id", "service_tier", "temperature", "top_p", "max_tokens", "stream", "finish_reason", "output_type", "attempt", "retry_of", "fallback_from", "fallback_reason", "prompt_template_id", "prompt_version", "system_prompt_version", "prompt_hash", "system_prompt_hash", "answer_hash", "prompt_length", "response_length"];

export const hasRequest = (span: Span) => isKnown(span.request_model) || isKnown(span.generator_model) || isKnown(span.parameters) || isKnown(span.prompt_template_id);

export function Request({ span }: { span: Span }) {
  const rows = REQUEST.filter((name) => isKnown(span[name])).map((name): [string, ComponentChildren] => [words(name), <Value value={span[name]} />]);
  for (const [name, value] of Object.entries(span.parameters ?? {})) rows.push([words(name), <Value value={value} />]);
  if (isKnown(span.ttft_ms)) rows.push(["time to first token", duration(span.ttft_ms)]);
  return <div class="pad"><Rows rows={rows} /></div>;
}

export const hasRetrieval = (span: Span) => isKnown(span.retriever) || isKnown(span.source_ids) || isKnown(span.index_name) || Boolean(span.payload && "documents" in span.payload);

function Document({ doc, rank, most }: { doc: JsonObject; rank: number; most: number }) {
  const { id, score, content, ...rest } = doc;
  const has = typeof score === "number";
  return (
    <article class="document">
      <header>
        <span class="rank num">{rank}</span><b class="grow cut mono">{isKnown(id) ? String(id) : "without id"}</b>
        {has && <span class="score num"><i style={{ width: `${most > 0 ? Math.max(0, score / most) * 100 : 0}%` }} />{score.toFixed(4)}</span>}
      </header>
      {isKnown(content) && <Long text={typeof content === "string" ? content : JSON.stringify(content, null, 2)} lines={5} label="document" />}
      {Object.keys(rest).length > 0 && <JsonText value={rest} lines={4} />}
    </article>
  );
}

export function Retrieval({ span, content }: { span: Span; content: Content }) {
  const names = ["retriever", "retriever_family", "index_name", "index_version", "top_k_requested", "top_k_returned", "source_ids", "chunk_ids", "document_scores", "embedding_model_version", "reranker_model_version", "retrieval_pipeline_version"];
  const inside = span.payload && ("documents" in span.payload || "query" in span.payload);
  return (
    <div class="pad">
      <Rows rows={names.filter((n) => isKnown(span[n])).map((n) => [words(n), <Value value={span[n]} />])} />
      {inside && (
        <Revealed span={span} content={content} preview={span.preview?.input ? <section class="extra"><h3>Query <span class="badge">preview</span></h3><Long text={span.preview.input} label="preview" /></section> : null}>
          {(payload: Payload) => {
            const most = Math.max(0, ...payload.documents.map((d) => (typeof d.score === "number" ? d.score : 0)));
            return (
              <>
                {isKnown(payload.raw.query) && <section class="extra"><h3>Query</h3><Long text={String(payload.raw.query)} /></section>}
                <section class="extra"><h3>{count(payload.documents.length)} documents</h3>{payload.documents.map((d, i) => <Document key={i} doc={d} rank={i + 1} most={most} />)}</section>
              </>
            );
          }}
        </Revealed>
      )}
    </div>
  );
}

const SKIP = new Set(["attributes", "links", "events", "payload", "preview", "usage", "cost", "parameters"]);

function flat(prefix: string, value: unknown, out: [string, unknown][]) {
  if (value && typeof value === "object" && !Array.isArray(value)) for (const [k, v] of Object.entries(value)) flat(prefix ? `${prefix}.${k}` : k, v, out);
  else if (isKnown(value)) out.push([prefix, value]);
}

/** Every field that is known, then every attribute as it was sent. */
export function Attributes({ span }: { span: Span }) {
  const [find, set] = useState("");
  const fields: [string, unknown][] = [];
  for (const [name, value] of Object.entries(span)) if (!SKIP.has(name)) flat(name, value, fields);
  const sent = Object.entries(span.attributes ?? {});
  const fits = ([name, value]: [string, unknown]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`.toLowerCase().includes(find.toLowerCase());
  const a = sent.filter(fits), b = fields.filter(fits);
  const rows = (list: [string, unknown][]): [string, ComponentChildren][] => list.map(([k, v]) => [k, <Value value={v} />]);
  return (
    <div class="pad attributes">
      <input class="field" placeholder="Find in names and values" aria-label="Find an attribute" value={find} spellcheck={false} onInput={(e) => set(e.currentTarget.value)} />
      {a.length > 0 && <section class="extra"><h3>Sent <span class="dim">{a.length}</span></h3><Rows rows={rows(a)} /></section>}
      {b.length > 0 && <section class="extra"><h3>Understood <span class="dim">{b.length}</span></h3><Rows rows={rows(b)} /></section>}
      {!a.length && !b.length && <p class="dim">Nothing fits “{find}”.</p>}
    </div>
  );
}

/** In content the time may be nanoseconds since 1970. */
interface SpanEvent { name?: string; time?: string | number; attributes?: JsonObject }

const eventTime = (time: string | number) => (typeof time === "number" ? new Date(time / 1e6).toISOString() : time);

function EventView({ event }: { event: SpanEvent }) {
  const a = event.attributes ?? {};
  const stack = a["exception.stacktrace"];
  const rest = Object.fromEntries(Object.entries(a).filter(([k]) => k !== "exception.stacktrace"));
  return (
    <article class={`event ${event.name === "exception" ? "bad" : ""}`}>
      <header><b class="grow cut">{event.name ?? "event"}</b>{event.time && <span class="dim"><Time iso={eventTime(event.time)} /></span>}</header>
      {Object.keys(rest).length > 0 && <Rows rows={Object.entries(rest).map(([k, v]) => [k, <Value value={v} />])} />}
      {typeof stack === "string" && <Long text={stack} lines={12} mono label="stack" />}
    </article>
  );
}

/** Short events come with the span; when something in them is content, all of them are in the payload too. */
const inPayload = (span: Span) => Boolean(span.payload && "events" in span.payload);
const ownEvents = (span: Span) => (Array.isArray(span.events) ? span.events : []) as unknown as SpanEvent[];

export const hasEvents = (span: Span, logs: Log[]) => inPayload(span) || ownEvents(span).length > 0 || logs.some((l) => l.span_id === span.span_id);

export function Events({ span, logs, content }: { span: Span; logs: Log[]; content: Content }) {
  const own = logs.filter((l) => l.span_id === span.span_id);
  return (
    <div class="pad">
      {own.map((log, i) => (
        <article class="event" key={i}>
          <header><span class={`badge ${log.severity >= 17 ? "bad" : log.severity >= 13 ? "warn" : ""}`}>{log.severity_text || "log"}</span><b class="grow cut">{log.event_name || "log record"}</b><span class="dim"><Time iso={log.time} /></span></header>
          {Object.keys(log.attributes).length > 0 && <Rows rows={Object.entries(log.attributes).map(([k, v]) => [k, <Value value={v} />])} />}
        </article>
      ))}
      {!inPayload(span) && ownEvents(span).map((e, i) => <EventView key={i} event={e} />)}
      {inPayload(span) && (
        <Revealed span={span} content={content} preview={ownEvents(span).length ? <>{ownEvents(span).map((e, i) => <EventView key={i} event={e} />)}</> : null}>
          {(payload: Payload) => <>{(Array.isArray(payload.raw.events) ? payload.raw.events : []).map((e: Json, i) => <EventView key={i} event={e as SpanEvent} />)}</>}
        </Revealed>
      )}
    </div>
  );
}

