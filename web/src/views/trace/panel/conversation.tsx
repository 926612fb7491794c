// conversation.tsx -- messages as a chat.  Whatever a model or a user wrote is text here,
// never markup, and addresses in it are not links.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import type { Json, Message, Part, Payload, Span } from "../../../api";
import { Icon, type IconName } from "../../../components/icon";
import { JsonText, Long, parsed } from "../../../components/json";
import { Copy } from "../../../components/shared";
import { count } from "../../../format";

const asText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "");

function Text({ text }: { text: string }) {
  const value = parsed(text);
  return value === undefined ? <Long text={text} label="message" /> : <JsonText value={value} />;
}

const Value = ({ value }: { value: Json | undefined }) =>
  value === undefined || value === null ? <span class="dim">nothing</span> : typeof value === "string" ? <Text text={value} /> : <JsonText value={value} />;

function Card({ icon, title, id, children, cls = "" }: { icon: IconName; title: ComponentChildren; id?: string; children?: ComponentChildren; cls?: string }) {
  return (
    <div class={`card ${cls}`}>
      <div class="card-head"><Icon name={icon} /><span class="grow cut">{title}</span>{id && <span class="dim mono cut card-id">{id}</span>}</div>
      {children}
    </div>
  );
}

const kindOf = (part: Part) => part.modality ?? part.mime_type?.split("/")[0] ?? "file";

function isError(value: Json | undefined): boolean {
  const object = typeof value === "string" ? parsed(value) : value;
  return typeof object === "object" && object !== null && "error" in object && Boolean(object.error);
}

function PartView({ part }: { part: Part }) {
  switch (part.type) {
    case "text":
      return <Text text={asText(part.content ?? part.text ?? "")} />;
    case "reasoning":
      return <details class="reasoning"><summary>Reasoning</summary><Text text={asText(part.content ?? "")} /></details>;
    case "tool_call":
      return <Card icon="tool" cls="call" title={<>Calls <b>{part.name ?? "a tool"}</b></>} id={part.id}><Value value={typeof part.arguments === "string" ? (parsed(part.arguments) as Json) ?? part.arguments : part.arguments} /></Card>;
    case "tool_call_response": {
      const value = part.response ?? part.result ?? part.content;
      const bad = isError(value);
      return <Card icon={bad ? "warn" : "check"} cls={bad ? "bad" : "result"} title={bad ? "Result: an error" : "Result"} id={part.id}><Value value={value} /></Card>;
    }
    case "blob": {
      const size = typeof part.content === "string" ? Math.floor((part.content.length * 3) / 4) : null;
      return <Card icon="image" title={<>{kindOf(part)} <span class="dim">{part.mime_type}{size !== null ? `, ${count(size)} bytes` : ""}</span></>} />;
    }
    case "uri":
      return <Card icon="link" title={<>{kindOf(part)} <span class="dim">by address</span></>}><div class="card-body mono"><Copy text={String(part.uri ?? "")} label="address" /></div></Card>;
    case "file":
      return <Card icon="documents" title={<>{kindOf(part)} <span class="dim mono">{part.file_id}</span></>} />;
    default:
      return <Card icon="circle" title={part.type ?? "part"}><JsonText value={part} /></Card>;
  }
}

const ROLES = new Map([["user", "User"], ["assistant", "Assistant"], ["system", "System"], ["developer", "Developer"], ["tool", "Tool"], ["function", "Tool"]]);
const FINE = /^(stop|end_turn|tool_calls?|tool_use|completed?)$/;

function MessageView({ message, answer }: { message: Message; answer?: boolean }) {
  const role = String(message.role ?? "unknown");
  const parts = message.parts ?? [{ type: "text", content: message.content ?? "" }];
  return (
    <article class={`message ${ROLES.has(role) ? role : "other"} ${answer ? "answer" : ""}`}>
      <header>
        <b>{ROLES.get(role) ?? role}</b>{message.name && <span class="dim">{message.name}</span>}
        {answer && <span class="badge accent">answer</span>}
        {message.finish_reason && <span class={`badge ${FINE.test(message.finish_reason) ? "" : "warn"}`}>{message.finish_reason}</span>}
      </header>
      {parts.length ? parts.map((part, i) => <PartView key={i} part={part} />) : <span class="dim">empty</span>}
    </article>
  );
}

function Extra({ name, value }: { name: string; value: Json | undefined }) {
  if (value === undefined || value === null) return null;
  return <section class="extra"><h3>{name}</h3><Value value={value} /></section>;
}

/** The redacted beginnings that come with the span: of the last question and of the answer. */
export function Preview({ span }: { span: Span }) {
  const { input, output } = span.preview ?? {};
  const side = (text: string | null | undefined, name: string, cls: string) => text && (
    <article class={`message preview ${cls}`}>
      <header><b>{name}</b><span class="badge">preview</span></header>
      <Long text={text} label="preview" />
    </article>
  );
  return <div class="conversation">{side(input, "Input", "user")}{side(output, "Output", "assistant")}</div>;
}

export const hasPreview = (span: Span) => Boolean(span.preview?.input || span.preview?.output);

export function Conversation({ payload, span }: { payload: Payload; span: Span }) {
  const { raw } = payload;
  const tools = Array.isArray(payload.tools) ? payload.tools : null;
  const nothing = !payload.system && !payload.input.length && !payload.output.length && !raw.tool_arguments && !raw.tool_result && !raw.parsed && !raw.other;
  return (
    <div class="conversation">
      {payload.system && <MessageView message={{ role: "system", parts: payload.system }} />}
      {tools && (
        <details class="tools"><summary>{count(tools.length)} tools offered</summary>
          {tools.map((tool, i) => <Card key={i} icon="tool" title={<b>{String((tool as { name?: string } | null)?.name ?? `tool ${i + 1}`)}</b>}><JsonText value={tool} lines={8} /></Card>)}
        </details>
      )}
      {payload.input.map((m, i) => <MessageView key={`i${i}`} message={m} />)}
      {payload.output.map((m, i) => <MessageView key={`o${i}`} message={m} answer />)}
      <Extra name={`Arguments${span.tool && (span.tool as { name?: string }).name ? ` of ${(span.tool as { name: string }).name}` : ""}`} value={raw.tool_arguments} />
      <Extra name="Result" value={raw.tool_result} />
      <Extra name="Parsed output" value={raw.parsed} />
      <Extra name="Other content" value={raw.other} />
      {nothing && <p class="dim pad">There are no messages in this step.</p>}
    </div>
  );
}
