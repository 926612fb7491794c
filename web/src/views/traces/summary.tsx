// summary.tsx -- totals over everything that the filter finds, not only over the rows loaded.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { api, type Aggregate, type Trace } from "../../api";
import { count, duration, short, usd } from "../../format";
import { useInterval, useLoad } from "../../hooks";
import { go, withParams } from "../../router";
import { Histogram } from "./histogram";
import { stepMs, stepOf, type Range } from "./range";

const REFRESH_MS = 4000;
const and = (q: string, more: string) => (q ? `(${q}) ${more}` : more);

function Figure({ name, title, children, note }: { name: string; title: string; children: ComponentChildren; note?: ComponentChildren }) {
  return (
    <div class="figure" title={title}>
      <dt>{name}</dt>
      <dd class="num"><span>{children}</span>{note && <small>{note}</small>}</dd>
    </div>
  );
}

const ROWS_MAX = 1000;

interface Totals { v: Values; root: Values; all: Aggregate; bad: Aggregate }
type Values = { [metric: string]: number | null };

/** Totals of rows, in the form of the API's aggregates. */
function totalsOf(items: Trace[], range: Range, step: number): Totals {
  const sum = (of: (t: Trace) => number | null) => items.reduce<number | null>((n, t) => (of(t) === null ? n : (n ?? 0) + of(t)!), null);
  const times = items.map((t) => t.latency_ms).sort((a, b) => a - b);
  const at = (share: number) => times[Math.max(0, Math.ceil(times.length * share) - 1)] ?? null;
  const now = Date.now();
  const from = range.to ? Date.parse(range.from) : now - range.ms, to = range.to ? Date.parse(range.to) : now;
  const over = (list: Trace[]): Aggregate => {
    const bars = new Map<number, number>();
    for (const t of list) {
      const bar = Math.floor(Date.parse(t.start_time) / step) * step;
      bars.set(bar, (bars.get(bar) ?? 0) + 1);
    }
    const groups = [...bars].map(([bar, traces]) => ({ time: new Date(bar).toISOString(), by: {}, values: { traces }, exemplar_trace_id: null }));
    return { items: groups, step_ms: step, from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  };
  return {
    v: { traces: items.length, errors: sum((t) => t.error_count) ?? 0, input_tokens: sum((t) => t.input_tokens), output_tokens: sum((t) => t.output_tokens), total_tokens: sum((t) => t.total_tokens), cost_usd: sum((t) => t.estimated_cost_usd), unpriced: sum((t) => t.unpriced_count) },
    root: { count: items.length, latency_p50_ms: at(0.5), latency_p95_ms: at(0.95) }, all: over(items), bad: over(items.filter((t) => t.error_count > 0)),
  };
}

/** A filter finds a trace by its row, aggregates find spans: what can be counted from rows is. */
async function load(q: string, range: Range, step: string, signal: AbortSignal): Promise<Totals> {
  const span = { from: range.from, to: range.to };
  if (q) {
    const page = await api.traces({ ...span, q, limit: ROWS_MAX }, signal);
    if (!page.next_cursor) return totalsOf(page.items, range, stepMs(step));
  }
  const [totals, roots, all, bad] = await Promise.all([
    api.aggregate({ ...span, q, metric: "traces,errors,input_tokens,output_tokens,total_tokens,cost,unpriced,latency_p95" }, signal),
    api.aggregate({ ...span, q: and(q, "not has:parent"), metric: "count,latency_p50,latency_p95" }, signal),
    api.aggregate({ ...span, q, metric: "traces", step }, signal),
    api.aggregate({ ...span, q: and(q, "status:error"), metric: "traces", step }, signal),
  ]);
  return { v: totals.items[0]?.values ?? {}, root: roots.items[0]?.values ?? {}, all, bad };
}

export function Summary({ q, range, live }: { q: string; range: Range; live: boolean }) {
  const step = stepOf(range);
  const { data, error, reload } = useLoad((signal) => load(q, range, step, signal), [q, range.from, range.to, step]);
  useInterval(reload, REFRESH_MS, live);
  const pick = (from: number, to: number) => go(withParams({ range: null, from: new Date(from).toISOString(), to: new Date(to).toISOString() }));
  if (!data && error) return <section class="summary" aria-label="Totals"><p class="dim">The totals could not be loaded. <button type="button" class="link" onClick={reload}>Try again</button></p></section>;
  if (!data) return <section class="summary" aria-label="Totals" aria-busy="true"><div class="bone" style={{ width: "46%", height: "34px" }} /><div class="bone" style={{ width: "34%", height: "56px" }} /></section>;
  const { v, root } = data;
  const ofRoots = (root.count ?? 0) > 0;
  return (
    <section class="summary" aria-label="Totals">
      <dl class="figures">
        <Figure name="Traces" title="Traces with a span that the filter finds">{short(v.traces)}</Figure>
        <Figure name="Errors" title="Spans that ended with an error">{v.errors ? <span class="bad-text">{short(v.errors)}</span> : short(v.errors)}</Figure>
        <Figure name="Tokens" title={`${count(v.input_tokens)} in, ${count(v.output_tokens)} out; each model call counts once`} note={<>{short(v.input_tokens)} in · {short(v.output_tokens)} out</>}>{short(v.total_tokens)}</Figure>
        <Figure name="Cost" title="Of model calls with a known price" note={v.unpriced ? `+ ${short(v.unpriced)} unpriced` : undefined}>{usd(v.cost_usd)}</Figure>
        <Figure name="p95 latency" title={ofRoots ? "Of whole traces (their first spans)" : "Of the spans that the filter finds: it finds no first spans"} note={ofRoots ? `p50 ${duration(root.latency_p50_ms)}` : "of matching spans"}>
          {duration(ofRoots ? root.latency_p95_ms : v.latency_p95_ms)}
        </Figure>
      </dl>
      <Histogram all={data.all} bad={data.bad} pick={pick} />
    </section>
  );
}
