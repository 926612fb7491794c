// reveal.tsx -- content is shown only when asked for: each read is written to the audit log.
//
// Until then there is the preview: redacted and short, it comes with the span itself.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { api, type ApiError, type Payload, type Span } from "../../../api";
import { Icon } from "../../../components/icon";
import { CopyButton } from "../../../components/shared";
import { count } from "../../../format";

export interface Content { payload: Payload | null; error: ApiError | null; loading: boolean; reveal: () => void }

/** Content of a span; what was revealed stays for as long as the trace is open. */
export function useContent(span: Span, revealed: Map<string, Payload>): Content {
  const [error, setError] = useState<ApiError | null>(null);
  const [loading, setLoading] = useState(false);
  const [, redraw] = useState(0);
  const reveal = () => {
    if (loading) return;
    setLoading(true);
    setError(null);
    api.payload(span.trace_id, span.span_id, "opened in the web UI").then(
      (payload) => void revealed.set(span.span_id, payload),
      (e) => setError(e),
    ).finally(() => {
      setLoading(false);
      redraw((n) => n + 1);
    });
  };
  return { payload: revealed.get(span.span_id) ?? null, error, loading, reveal };
}

/** What the redaction took out, by kind. */
function Redacted({ span }: { span: Span }) {
  const kinds = Object.entries((span.redactions ?? {}) as { [kind: string]: number });
  if (!kinds.length) return null;
  const sum = kinds.reduce((n, [, v]) => n + Number(v), 0);
  return <span class="badge warn" title={kinds.map(([k, v]) => `${k}: ${count(v)}`).join("\n")}>{count(sum)} redacted</span>;
}

function why(error: ApiError): string {
  if (error.status === 404) return "The content is gone: its retention is over, or it was erased.";
  if (error.status === 403) return "This key may not read content.";
  return `The content could not be read: ${error.message}.`;
}

interface Props {
  span: Span;
  content: Content;
  /** Shown until the content is. */
  preview?: ComponentChildren;
  children: (payload: Payload) => ComponentChildren;
}

export function Revealed({ span, content, preview, children }: Props) {
  const { payload, error, loading, reveal } = content;
  const final = error?.status === 404 || error?.status === 403;
  return (
    <>
      <div class={`reveal-bar ${error ? "bad" : payload ? "done" : ""}`}>
        <Icon name={error ? "warn" : payload ? "eye" : "lock"} />
        <p class="grow" id="reveal-why" role="status">
          {error ? why(error) : payload ? "Whole content; this read is in the audit log." : <>{preview ? "Redacted preview." : "Kept encrypted."} <span class="dim">Revealing all is recorded in the audit log.</span></>}
        </p>
        <Redacted span={span} />
        {payload ? <CopyButton label="Copy JSON" text={() => JSON.stringify(payload, null, 2)} />
          : !final && <button type="button" class="button small main reveal" aria-describedby="reveal-why" aria-busy={loading} title="Reveal content (r); recorded in the audit log" onClick={reveal}>{loading ? "Reading…" : error ? "Try again" : "Reveal content"}</button>}
      </div>
      {payload ? children(payload) : preview}
    </>
  );
}
