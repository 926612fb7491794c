// waterfall.tsx -- the steps as a tree, each with its bar on one time axis.
// SPDX-License-Identifier: Apache-2.0
import { useMemo, useRef } from "preact/hooks";
import { Icon } from "../../components/icon";
import { Virtual } from "../../components/virtual";
import { count, duration, short, usd, usd9 } from "../../format";
import { lookOf } from "../../steps";
import { ticks, type Node, type Tree } from "./tree";

export const ROW = 28;

/** Ticks are round: 2 s, not 2.00 s. */
const tickText = (ms: number) => duration(ms).replace(/(\.\d*?)0+ s$/, (_, kept: string) => `${kept === "." ? "" : kept} s`);

const PIECES_MAX = 40;

/** What of a bar is its own time, in percent of it: pieces too small to see are left out. */
function pieces(node: Node, total: number): [number, number][] {
  const least = total / 1000;
  return node.own.filter(([from, to]) => to - from >= least).slice(0, PIECES_MAX).map(([from, to]) => [(from / node.ms) * 100, ((to - from) / node.ms) * 100]);
}

/** A step without steps below it is solid; of others only their own time is. */
function Bar({ node, total }: { node: Node; total: number }) {
  const { span } = node;
  const look = lookOf(span.step);
  const inner = node.children.length > 0;
  const first = !inner && span.ttft_ms != null && node.ms > 0 ? Math.min(100, (span.ttft_ms / node.ms) * 100) : null;
  const title = `${duration(node.ms)} from ${duration(node.start)}${inner ? `, ${duration(node.self)} of it itself` : ""}${first !== null ? `; first token after ${duration(span.ttft_ms)}` : ""}`;
  return (
    <span class={`bar ${span.status === "error" ? "bad" : ""} ${inner ? "outer" : ""}`} title={title} style={{ left: `${(node.start / total) * 100}%`, width: `${(node.ms / total) * 100}%`, "--step": look.color }}>
      {first !== null && <i class="first-token" style={{ width: `${first}%` }} />}
      {inner && pieces(node, total).map(([from, wide]) => <i class="own" key={from} style={{ left: `${from}%`, width: `${wide}%` }} />)}
    </span>
  );
}

function Money({ node }: { node: Node }) {
  const { span } = node;
  if (span.rollup) return <span class="dim" title="Its usage repeats that of another step, so it is not counted">not counted</span>;
  if (span.estimated_cost_usd != null) return <span title={usd9(span.estimated_cost_usd)}>{usd(span.estimated_cost_usd)}</span>;
  return span.step === "model" || span.step === "embedding" ? <span class="dim" title="The price of this model is not known">unknown</span> : null;
}

interface RowProps { node: Node; index: number; total: number; grid: number[]; active: boolean; folded: boolean; select: (id: string) => void; fold: (id: string) => void }

function Row({ node, index, total, grid, active, folded, select, fold }: RowProps) {
  const { span } = node;
  const look = lookOf(span.step);
  const bad = span.status === "error";
  const inner = node.children.length > 0;
  const called = span.generator_model ?? span.request_model;
  const model = called && !(span.name ?? "").includes(span.request_model ?? called) ? called : null;
  return (
    <div role="row" id={`span-${span.span_id}`} aria-level={node.depth + 1} aria-rowindex={index + 2} aria-selected={active} aria-expanded={inner ? !folded : undefined}
      class={`span-row ${active ? "active" : ""}`} onClick={() => select(span.span_id)}>
      <span role="gridcell" class="s-name" style={{ paddingInlineStart: `${10 + Math.min(node.depth, 24) * 16}px` }}>
        {Array.from({ length: Math.min(node.depth, 24) }, (_, i) => <i class="guide" key={i} style={{ left: `${19 + i * 16}px` }} />)}
        {inner ? (
          <button type="button" tabIndex={-1} class={`fold ${folded ? "" : "open"}`} aria-label={folded ? "Unfold" : "Fold"} onClick={(e) => { e.stopPropagation(); fold(span.span_id); }}><Icon name="chevron" /></button>
        ) : <span class="fold" />}
        <span title={look.word}><Icon name={look.icon} color={look.color} /></span>
        <span class={`cut bidi ${bad ? "bad-text" : ""}`} title={span.name ?? undefined}>{span.name ?? "unnamed"}</span>
        {bad && <span class="error-mark" title={span.status_message ?? span.error_type ?? "error"}><Icon name="warn" /><span class="hidden-text">error</span></span>}
        {node.orphan && <span class="badge warn" title="Its parent was not received">parent missing</span>}
        {model && <span class="cut dim model mono" title={model}>{model}</span>}
        {folded && <span class="badge num">{short(node.below)}{node.errors ? <span class="bad-text"> · {node.errors} failed</span> : null}</span>}
      </span>
      <span role="gridcell" class="s-num s-long num" title={inner ? `${duration(node.self)} itself` : undefined}>{duration(node.ms)}</span>
      <span role="gridcell" class={`s-num num ${span.rollup ? "dim" : ""}`} title={span.total_tokens != null ? `${count(span.input_tokens)} tokens in, ${count(span.output_tokens)} out` : undefined}>
        {span.total_tokens != null ? <span class={span.rollup ? "struck" : ""}>{short(span.total_tokens)}</span> : null}
      </span>
      <span role="gridcell" class="s-num num"><Money node={node} /></span>
      <span role="gridcell" class="s-time">
        {grid.map((t) => <i class="tick-line" key={t} style={{ left: `${(t / total) * 100}%` }} />)}
        <Bar node={node} total={total} />
      </span>
    </div>
  );
}

interface Props { tree: Tree; rows: Node[]; active: string | null; folded: ReadonlySet<string>; select: (id: string) => void; fold: (id: string) => void }

export function Waterfall({ tree, rows, active, folded, select, fold }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const grid = useMemo(() => ticks(tree.total), [tree]);
  const index = active === null ? -1 : rows.findIndex((n) => n.span.span_id === active);
  return (
    <Virtual
      scroller={scroller} class="waterfall" role="treegrid" id="waterfall" aria-label="Steps of the trace" tabIndex={0}
      aria-rowcount={rows.length + 1} aria-activedescendant={index >= 0 ? `span-${active}` : undefined}
      count={rows.length} row={ROW} active={index}
      render={(i) => {
        const node = rows[i]!;
        const id = node.span.span_id;
        return <Row key={id} node={node} index={i} total={tree.total} grid={grid} active={id === active} folded={folded.has(id)} select={select} fold={fold} />;
      }}
    >
      <div role="row" aria-rowindex={1} class="span-row head sticky-head">
        <span role="columnheader" class="s-name">Step</span>
        <span role="columnheader" class="s-num">Time</span>
        <span role="columnheader" class="s-num">Tokens</span>
        <span role="columnheader" class="s-num">Cost</span>
        <span role="columnheader" class="s-time" aria-label="When">
          {grid.map((t) => <span class="tick-text num" key={t} style={{ left: `${(t / tree.total) * 100}%` }}>{t === 0 ? "0" : tickText(t)}</span>)}
        </span>
      </div>
    </Virtual>
  );
}
