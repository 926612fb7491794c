// histogram.tsx -- traces over time, those with an error in red; dragging picks a range.
// SPDX-License-Identifier: Apache-2.0
import { useRef, useState } from "preact/hooks";
import type { Aggregate } from "../../api";
import { clock, count, day, plural } from "../../format";
import { useSize } from "../../hooks";

const HEIGHT = 56;

interface Bar { at: number; all: number; bad: number }

function bars(all: Aggregate, bad: Aggregate, from: number, to: number): { list: Bar[]; step: number } {
  const step = all.step_ms ?? 60_000;
  const read = (a: Aggregate) => new Map(a.items.filter((g) => g.time).map((g) => [Date.parse(g.time!), g.values.traces ?? 0]));
  const total = read(all), errors = read(bad);
  const list: Bar[] = [];
  for (let at = Math.floor(from / step) * step; at < to; at += step) list.push({ at, all: total.get(at) ?? 0, bad: errors.get(at) ?? 0 });
  return { list, step };
}

const label = (ms: number, step: number) => {
  const d = new Date(ms);
  return step >= 3_600_000 * 6 ? day(d) : clock(d).slice(0, step < 60_000 ? 8 : 5);
};

export function Histogram({ all, bad, pick }: { all: Aggregate; bad: Aggregate; pick: (from: number, to: number) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const { width } = useSize(box);
  const [hover, setHover] = useState<number | null>(null);
  const [drag, setDrag] = useState<number | null>(null);
  const from = Date.parse(all.from), to = Math.min(Date.parse(all.to), Math.max(Date.now(), from + 1000));
  const { list, step } = bars(all, bad, from, to);
  const most = Math.max(1, ...list.map((b) => b.all));
  const wide = width / Math.max(1, list.length);
  const gap = wide > 5 ? 2 : wide > 3 ? 1 : 0;
  const y = (n: number) => (n ? Math.max(2, (n / most) * (HEIGHT - 2)) : 0);
  const index = (event: PointerEvent) => Math.max(0, Math.min(list.length - 1, Math.floor((event.clientX - box.current!.getBoundingClientRect().left) / wide)));
  const up = (event: PointerEvent) => {
    if (drag === null) return;
    const a = Math.min(drag, index(event)), b = Math.max(drag, index(event));
    setDrag(null);
    if (list[a] && list[b]) pick(list[a].at, list[b].at + step);
  };
  /** Arrows choose a bar, with shift a range of them; Enter picks it. */
  const onKey = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by) {
      if (!event.shiftKey) setDrag(null);
      else if (drag === null) setDrag(hover);
      setHover(Math.max(0, Math.min(list.length - 1, (hover ?? (by > 0 ? -1 : list.length)) + by)));
    } else if (event.key === "Enter" && hover !== null) {
      const a = list[Math.min(drag ?? hover, hover)], b = list[Math.max(drag ?? hover, hover)];
      setDrag(null);
      if (a && b) pick(a.at, b.at + step);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const shown = hover !== null ? list[hover] : undefined;
  const marked = drag !== null && hover !== null ? [Math.min(drag, hover), Math.max(drag, hover)] as const : null;
  const sum = list.reduce((n, b) => n + b.all, 0), sumBad = list.reduce((n, b) => n + b.bad, 0);
  return (
    <div class="histogram">
      <div ref={box} class="histogram-box" tabIndex={0} role="group" aria-label="Time: arrows choose a bar, with shift several, Enter shows only it" onKeyDown={onKey} onBlur={() => { setHover(null); setDrag(null); }}
        onPointerMove={(e) => setHover(index(e))} onPointerLeave={() => { setHover(null); setDrag(null); }}
        onPointerDown={(e) => setDrag(index(e))} onPointerUp={up}>
        <svg width={width} height={HEIGHT} role="img" aria-label={`Traces over time: ${count(sum)}, ${count(sumBad)} with errors`}>
          {marked && <rect x={marked[0] * wide} width={(marked[1] - marked[0] + 1) * wide} y={0} height={HEIGHT} class="brush" />}
          <line x1={0} x2={width} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} class="base" />
          {list.map((b, i) => (
            <g key={b.at} class={hover === i ? "hot" : ""}>
              {b.all > 0 && <rect x={i * wide + gap / 2} width={Math.max(1, wide - gap)} y={HEIGHT - y(b.all)} height={y(b.all)} rx={wide > 6 ? 1.5 : 0} class="all" />}
              {b.bad > 0 && <rect x={i * wide + gap / 2} width={Math.max(1, wide - gap)} y={HEIGHT - y(b.bad)} height={y(b.bad)} rx={wide > 6 ? 1.5 : 0} class="bad" />}
            </g>
          ))}
        </svg>
        {shown && (
          <div class="tip" style={{ left: `${Math.min(Math.max((hover! + 0.5) * wide, 80), Math.max(80, width - 80))}px` }}>
            <b>{label(shown.at, step)} – {label(shown.at + step, step)}</b>
            <span>{plural(shown.all, "trace")}{shown.bad ? <em>, {count(shown.bad)} with errors</em> : null}</span>
          </div>
        )}
      </div>
      <div class="axis num" aria-hidden="true"><span>{label(list[0]?.at ?? from, step)}</span><span>{label(list[list.length >> 1]?.at ?? from, step)}</span><span>{all.to && to < Date.now() - 60_000 ? label(to, step) : "now"}</span></div>
    </div>
  );
}
