// panel.tsx -- details of one step, in tabs; only those that have something to show.
// SPDX-License-Identifier: Apache-2.0
import type { Log, Payload, Span } from "../../../api";
import { Icon } from "../../../components/icon";
import { JsonText } from "../../../components/json";
import { Copy, CopyButton } from "../../../components/shared";
import { count, duration, usd6 } from "../../../format";
import { lookOf } from "../../../steps";
import type { Node } from "../tree";
import { Conversation, hasPreview, Preview } from "./conversation";
import { Revealed, useContent } from "./reveal";
import { Attributes, Events, hasEvents, hasRequest, hasRetrieval, isKnown, Request, Retrieval, Usage } from "./tables";

export interface Tab { id: string; name: string }

const TALK = ["input", "output", "system", "tools", "tool_arguments", "tool_result", "parsed", "other"];

export function tabsOf(span: Span, logs: Log[]): Tab[] {
  const talk = TALK.some((role) => span.payload && role in span.payload);
  const all: [boolean, string, string][] = [
    [talk, "conversation", span.step === "tool" ? "Content" : "Conversation"],
    [hasRetrieval(span), "retrieval", "Retrieval"],
    [isKnown(span.total_tokens) || isKnown(span.estimated_cost_usd), "usage", "Usage & cost"],
    [hasRequest(span), "request", "Request"],
    [hasEvents(span, logs), "events", "Events"],
    [true, "attributes", "Attributes"],
    [true, "raw", "Raw"],
  ];
  return all.filter(([has]) => has).map(([, id, name]) => ({ id, name }));
}

/** What failed, in words. */
function Trouble({ span }: { span: Span }) {
  if (span.status !== "error") return null;
  return (
    <p class="trouble"><Icon name="warn" /><span><b>{span.error_type ?? "Error"}</b>{span.error_class ? ` (${span.error_class.replaceAll("_", " ")})` : ""}{span.status_message ? `: ${span.status_message}` : ""}</span></p>
  );
}

const field = (group: unknown, name: string) => {
  const value = (group as { [name: string]: unknown } | null | undefined)?.[name];
  return value === null || value === undefined ? null : String(value);
};

function Facts({ node }: { node: Node }) {
  const { span } = node;
  const model = span.generator_model ?? span.request_model;
  return (
    <div class="facts num">
      <span title="Duration">{duration(node.ms)}</span>
      {node.children.length > 0 && <span title="Time that no step below it covers"><i>self</i> {duration(node.self)}</span>}
      {isKnown(span.ttft_ms) && <span title="Time to the first token"><i>first token</i> {duration(span.ttft_ms)}</span>}
      {isKnown(span.total_tokens) && <span><i>tokens</i> {count(span.input_tokens)} → {count(span.output_tokens)}</span>}
      {span.rollup ? <span class="badge">not counted</span> : isKnown(span.estimated_cost_usd) ? <span>{usd6(span.estimated_cost_usd)}</span> : span.step === "model" ? <span class="dim">cost unknown</span> : null}
      {isKnown(field(span.guard, "verdict")) && <span><i>verdict</i> {field(span.guard, "verdict")}</span>}
      {isKnown(field(span.tool, "approval")) && <span><i>approval</i> {field(span.tool, "approval")}</span>}
      {isKnown(field(span.tool, "risk")) && <span class="badge warn">{field(span.tool, "risk")}</span>}
      {isKnown(span.attempt) && <span><i>attempt</i> {String(span.attempt)}</span>}
      {model && <span class="mono cut" title={span.provider ?? undefined}>{model}</span>}
    </div>
  );
}

interface Props { node: Node; logs: Log[]; tabs: Tab[]; tab: string; setTab: (id: string) => void; revealed: Map<string, Payload> }

export function Panel({ node, logs, tabs, tab, setTab, revealed }: Props) {
  const { span } = node;
  const content = useContent(span, revealed);
  const look = lookOf(span.step);
  const onKey = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    const next = tabs[(tabs.findIndex((t) => t.id === tab) + by + tabs.length) % tabs.length]!;
    setTab(next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return (
    <section class="panel" aria-label="Details of the step">
      <header class="panel-head">
        <div class="panel-title"><Icon name={look.icon} color={look.color} /><h2 class="cut" title={span.name ?? undefined}>{span.name ?? "unnamed"}</h2><span class="badge">{look.word}</span><span class="grow" /><span class="dim mono panel-id left"><Copy text={span.span_id} label="span id" /></span></div>
        <Facts node={node} />
        <Trouble span={span} />
      </header>
      <div class="tabs" role="tablist" aria-label="Details" onKeyDown={onKey}>
        {tabs.map((t) => <button type="button" role="tab" key={t.id} id={`tab-${t.id}`} aria-selected={t.id === tab} aria-controls="panel-body" tabIndex={t.id === tab ? 0 : -1} onClick={() => setTab(t.id)}>{t.name}</button>)}
      </div>
      <div class="panel-body" role="tabpanel" id="panel-body" aria-labelledby={`tab-${tab}`} tabIndex={0}>
        {tab === "conversation" && <Revealed span={span} content={content} preview={hasPreview(span) ? <Preview span={span} /> : null}>{(payload) => <Conversation payload={payload} span={span} />}</Revealed>}
        {tab === "retrieval" && <Retrieval span={span} content={content} />}
        {tab === "usage" && <Usage span={span} />}
        {tab === "request" && <Request span={span} />}
        {tab === "events" && <Events span={span} logs={logs} content={content} />}
        {tab === "attributes" && <Attributes span={span} />}
        {tab === "raw" && <div class="pad"><div class="raw-bar"><CopyButton label="Copy JSON" text={() => JSON.stringify(span, null, 2)} /></div><JsonText value={span} lines={400} /></div>}
      </div>
    </section>
  );
}
