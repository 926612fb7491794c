// summary.tsx -- totals over everything that the filter finds, not only over the rows loaded.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { api } from "../../api";
import { count, duration, short, usd } from "../../format";
import { useInterval, useLoad } from "../../hooks";
import { go, withParams } from "../../router";
import { Histogram } from "./histogram";
import { stepOf, type Range } from "./range";

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

export function Summary({ q, range, live }: { q: string; range: Range; live: boolean }) {
  const span = { from: range.from, to: range.to };
  const step = stepOf(range);
  const { data, reload } = useLoad(async (signal) => {
    const [totals, roots, all, bad] = await Promise.all([
      api.aggregate({ ...span, q, metric: "traces,errors,input_tokens,output_tokens,total_tokens,cost,unpriced,latency_p95" }, signal),
      api.aggregate({ ...span, q: and(q, "not has:parent"), metric: "count,latency_p50,latency_p95" }, signal),
      api.aggregate({ ...span, q, metric: "traces", step }, signal),
      api.aggregate({ ...span, q: and(q, "status:error"), metric: "traces", step }, signal),
    ]);
    return { v: totals.items[0]?.values ?? {}, root: roots.items[0]?.values ?? {}, all, bad };
  }, [q, range.from, range.to, step]);
  useInterval(reload, REFRESH_MS, live);
  const pick = (from: number, to: number) => go(withParams({ range: null, from: new Date(from).toISOString(), to: new Date(to).toISOString() }));
  if (!data) return <section class="summary" aria-label="Totals" aria-busy="true"><div class="bone" style={{ width: "46%", height: 34 }} /><div class="bone" style={{ width: "34%", height: 56 }} /></section>;
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
