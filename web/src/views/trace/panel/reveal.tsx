// reveal.tsx -- content is shown only when asked for: each read is written to the audit log.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { api, type ApiError, type Payload, type Span } from "../../../api";
import { Icon } from "../../../components/icon";
import { Failure } from "../../../components/shared";

export interface Content { payload: Payload | null; error: ApiError | null; loading: boolean; reveal: () => void }

/** Content of a span; what was revealed stays for as long as the trace is open. */
export function useContent(span: Span, revealed: Map<string, Payload>): Content {
  const [error, setError] = useState<ApiError | null>(null);
  const [loading, setLoading] = useState(false);
  const [, redraw] = useState(0);
  const reveal = () => {
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

export function Revealed({ content, what, children }: { content: Content; what: string; children: (payload: Payload) => ComponentChildren }) {
  if (content.payload) return <>{children(content.payload)}</>;
  if (content.error) {
    const gone = content.error.status === 404;
    return <Failure error={content.error} title={gone ? "The content is gone" : "The content could not be read"} retry={gone || content.error.status === 403 ? undefined : content.reveal} />;
  }
  return (
    <div class="say">
      <Icon name="lock" />
      <p>{what}</p>
      <div class="actions">
        <button type="button" class="button main reveal" disabled={content.loading} onClick={content.reveal}><Icon name="eye" />{content.loading ? "Reading…" : "Reveal content (recorded in the audit log)"}</button>
      </div>
    </div>
  );
}
