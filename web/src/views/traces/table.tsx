// table.tsx -- the rows.
// SPDX-License-Identifier: Apache-2.0
import { useRef } from "preact/hooks";
import type { Trace } from "../../api";
import { Icon } from "../../components/icon";
import { Time } from "../../components/shared";
import { Virtual } from "../../components/virtual";
import { count, duration, short, UNKNOWN, usd, usd6, usd9 } from "../../format";
import { follow } from "../../router";
import { lookOf } from "../../steps";

export const ROW = 34;

export function Cost({ usd: value, unpriced, calls, six }: { usd: number | null; unpriced: number; calls: number; six?: boolean }) {
  if (value === null) return calls ? <span class="dim" title="The price of this model is not known">unknown</span> : <span class="dim">{UNKNOWN}</span>;
  const text = six ? usd6(value) : usd(value);
  if (unpriced) return <span title={`${usd9(value)}, and ${unpriced} of ${calls} model calls without a known price`}>≥ {text}</span>;
  return <span title={usd9(value)}>{text}</span>;
}

export function Status({ trace }: { trace: Trace }) {
  if (trace.status === "error") return <span class="badge bad"><i class="dot" />error</span>;
  if (trace.error_count) return <span class="badge warn" title="The trace itself did not fail, but a step in it did"><i class="dot" />{short(trace.error_count)} failed</span>;
  if (trace.status === "ok") return <span class="badge good"><i class="dot" />ok</span>;
  return <span class="dim" title="Unset: the sender gave no status, and nothing failed"><span class="hidden-text">unset</span></span>;
}

function Latency({ trace, most }: { trace: Trace; most: number }) {
  const share = Math.max(0.012, Math.min(1, trace.latency_ms / most));
  const first = trace.ttft_ms !== null && trace.latency_ms > 0 ? Math.min(1, trace.ttft_ms / trace.latency_ms) : null;
  return (
    <span class="latency">
      <span class="num">{duration(trace.latency_ms)}</span>
      <span class="track" aria-hidden="true"><span class={trace.status === "error" ? "fill bad" : "fill"} style={{ width: `${share * 100}%` }}>{first !== null && <i style={{ width: `${first * 100}%` }} />}</span></span>
    </span>
  );
}

function Row({ trace, index, active, fresh, most, choose }: { trace: Trace; index: number; active: boolean; fresh: boolean; most: number; choose: (i: number) => void }) {
  const look = lookOf(trace.step);
  const href = `/traces/${trace.trace_id}`;
  return (
    <div role="row" id={`trace-${index}`} aria-rowindex={index + 2} aria-selected={active} class={`trace-row ${active ? "active" : ""} ${fresh ? "fresh" : ""}`} onClick={() => choose(index)}>
      <span role="gridcell" class="c-time dim"><Time iso={trace.start_time} /></span>
      <span role="gridcell" class="c-name cut">
        <span title={look.word}><Icon name={look.icon} color={look.color} /></span>
        <a href={href} class="cut bidi" tabIndex={-1} onClick={(e) => { e.stopPropagation(); follow(e); }}>{trace.name ?? <span class="dim">unnamed</span>}</a>
        <span class="spans dim num" title={`${count(trace.span_count)} spans`}>{short(trace.span_count)}</span>
        {!trace.settled && <span class="open" title="Still open: more spans may come" />}
      </span>
      <span role="gridcell" class="c-feature cut bidi">{trace.feature ?? <span class="dim">{UNKNOWN}</span>}</span>
      <span role="gridcell" class="c-who cut bidi" title={[trace.tenant_id, trace.user_id].filter(Boolean).join(" / ")}>{trace.tenant_id ?? <span class="dim">{UNKNOWN}</span>}{trace.user_id && <span class="dim"> / {trace.user_id}</span>}</span>
      <span role="gridcell" class="c-model cut mono" title={trace.generator_model ?? undefined}>{trace.generator_model ?? <span class="dim">{UNKNOWN}</span>}</span>
      <span role="gridcell" class="c-tokens num" title={`${count(trace.input_tokens)} tokens in, ${count(trace.output_tokens)} out`}>{trace.total_tokens === null ? <span class="dim">{UNKNOWN}</span> : <>{short(trace.input_tokens)}<span class="dim"> → </span>{short(trace.output_tokens)}</>}</span>
      <span role="gridcell" class="c-cost num"><Cost usd={trace.estimated_cost_usd} unpriced={trace.unpriced_count} calls={trace.model_call_count} /></span>
      <span role="gridcell" class="c-latency"><Latency trace={trace} most={most} /></span>
      <span role="gridcell" class="c-ttft num">{trace.ttft_ms === null ? <span class="dim">{UNKNOWN}</span> : duration(trace.ttft_ms)}</span>
      <span role="gridcell" class="c-status"><Status trace={trace} /></span>
    </div>
  );
}

const HEADS: [string, string, string | null, string?][] = [
  ["c-time", "Time", "start"], ["c-name", "Name", null], ["c-feature", "Feature", null], ["c-who", "Tenant / user", null], ["c-model", "Model", null],
  ["c-tokens", "Tokens", "tokens", "Input and output tokens"], ["c-cost", "Cost", "cost"], ["c-latency", "Latency", "latency", "Time to the first token is the dark part"], ["c-ttft", "TTFT", null, "Time to the first token"], ["c-status", "Status", null],
];

interface Props {
  items: Trace[];
  more: boolean;
  done: boolean;
  fresh: Set<string>;
  active: number;
  sort: string;
  startTop: number;
  setSort: (sort: string) => void;
  choose: (index: number) => void;
  onEnd: () => void;
  onScroll: (top: number) => void;
}

/** The longest bar: the slowest trace, but for the few that would flatten all others. */
function scale(items: Trace[]): number {
  const sorted = items.map((t) => t.latency_ms).sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * 0.97)] || 1;
}

export function Table(p: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const most = scale(p.items);
  const today = new Date().toDateString();
  const dated = p.items.some((t) => new Date(t.start_time).toDateString() !== today);
  return (
    <Virtual
      scroller={scroller} class={dated ? "traces dated" : "traces"} role="grid" id="traces" aria-label="Traces" aria-rowcount={p.done ? p.items.length + 1 : -1}
      aria-activedescendant={p.active >= 0 ? `trace-${p.active}` : undefined} tabIndex={0} data-active={p.active}
      count={p.items.length} row={ROW} active={p.active} startTop={p.startTop} onEnd={p.onEnd} onScroll={p.onScroll}
      render={(i) => {
        const trace = p.items[i]!;
        return <Row key={trace.trace_id} trace={trace} index={i} active={i === p.active} fresh={p.fresh.has(trace.trace_id)} most={most} choose={p.choose} />;
      }}
    >
      <div role="row" class="trace-row head sticky-head" aria-rowindex={1}>
        {HEADS.map(([cls, text, sort, title]) => (
          <span role="columnheader" class={cls} key={cls} title={title} aria-sort={sort && p.sort === sort ? "descending" : undefined}>
            {sort ? <button type="button" class={p.sort === sort ? "sorted" : ""} title={title ?? `Sort by ${text.toLowerCase()}`} onClick={() => p.setSort(sort)}>{text}{p.sort === sort && <Icon name="down" />}</button> : text}
          </span>
        ))}
      </div>
    </Virtual>
  );
}
