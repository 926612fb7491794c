// json.tsx -- JSON for reading: indented, in colours, folded when long.  Text nodes only.
// SPDX-License-Identifier: Apache-2.0
import { useMemo, useState } from "preact/hooks";
import { count } from "../format";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const COLOURED_MAX = 60_000;

function coloured(text: string) {
  if (text.length > COLOURED_MAX) return text;
  const out = [];
  let at = 0;
  for (const m of text.matchAll(TOKEN)) {
    if (m.index > at) out.push(text.slice(at, m.index));
    const cls = m[2] !== undefined ? "j-key" : m[1] ? "j-text" : m[3] ? "j-word" : "j-num";
    out.push(<span class={cls}>{m[1] ?? m[0]}</span>);
    if (m[2]) out.push(m[2]);
    at = m.index + m[0].length;
  }
  out.push(text.slice(at));
  return out;
}

/** A text that is clipped until it is asked for. */
export function Long({ text, lines = 18, json, mono, label = "text" }: { text: string; lines?: number; json?: boolean; mono?: boolean; label?: string }) {
  const [all, set] = useState(false);
  const long = text.length > lines * 90 || text.split("\n", lines + 2).length > lines + 1;
  const shown = useMemo(() => {
    const cut = long && !all ? text.split("\n").slice(0, lines).join("\n").slice(0, lines * 90) : text;
    return json ? coloured(cut) : cut;
  }, [text, all, json, long]);
  return (
    <>
      <pre class={`long ${json || mono ? "json" : "prose"} ${long && !all ? "clipped" : ""}`}>{shown}</pre>
      {long && <button type="button" class="show-all" onClick={() => set(!all)}>{all ? `Fold this ${label}` : `Show all ${count(text.length)} characters`}</button>}
    </>
  );
}

export function JsonText({ value, lines }: { value: unknown; lines?: number }) {
  const text = useMemo(() => JSON.stringify(value, null, 2) ?? "null", [value]);
  return <Long text={text} json lines={lines} label="JSON" />;
}

/** The object or list that a text is, if it is one. */
export function parsed(text: string): unknown {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed) || trimmed.length > 1_000_000) return undefined;
  try {
    return JSON.parse(trimmed);
  } catch {
    return undefined;
  }
}
