// view.tsx -- the list of traces: filter, totals, rows.
// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { api } from "../../api";
import { AskKey } from "../../components/dialog";
import { Icon } from "../../components/icon";
import { Bones, Failure, Say } from "../../components/shared";
import { count } from "../../format";
import { useKeys } from "../../keys";
import { go, usePlace, withParams } from "../../router";
import { useTraces, type List } from "./data";
import { FirstRun } from "./empty";
import { FilterBar } from "./filterbar";
import { rangeOf } from "./range";
import { Summary } from "./summary";
import { ROW, Table } from "./table";

/** Nothing found: is it the filter, the time, or was never anything sent? */
function useNeverSent(list: List, q: string): boolean | null {
  const nothing = !list.loading && !list.error && !list.items.length && !q;
  const [never, set] = useState<boolean | null>(null);
  useEffect(() => {
    if (!nothing) return set(null);
    const abort = new AbortController();
    api.traces({ limit: 1, from: "now-3650d" }, abort.signal).then((page) => set(page.items.length === 0), () => undefined);
    return () => abort.abort();
  }, [nothing]);
  return nothing ? never : false;
}

function Nothing({ q, range }: { q: string; range: string }) {
  return (
    <Say icon="search" title={q ? "No trace fits this filter" : "No traces in this time"} actions={
      <>
        {q && <button type="button" class="button" onClick={() => go(withParams({ q: null }))}>Clear the filter</button>}
        <button type="button" class="button" onClick={() => go(withParams({ range: "30d", from: null, to: null }))}>Look at 30 days</button>
      </>
    }>{range}{q ? <>, <code>{q}</code></> : null}</Say>
  );
}

/** The trace that was opened last: marked when one comes back. */
let opened: string | null = null;

export function TracesView() {
  const { params } = usePlace();
  const q = params.get("q") ?? "", sort = params.get("sort") ?? "start";
  const range = rangeOf(params);
  const [stopped, stop] = useState(false);
  const [away, setAway] = useState(false);
  const [active, setActive] = useState<string | null>(opened);
  const live = range.live && sort === "start";
  const { list, next, setTop, reload } = useTraces({ q, from: range.from, to: range.to, sort: sort === "start" ? null : sort }, live, stopped || away);
  const never = useNeverSent(list, q);
  const [first, setFirst] = useState(false); // stays when spans come, to say so
  useEffect(() => {
    if (never) setFirst(true);
  }, [never]);
  const index = active === null ? -1 : list.items.findIndex((t) => t.trace_id === active);
  const open = (i: number) => {
    const trace = list.items[i];
    if (!trace) return;
    opened = trace.trace_id;
    go(`/traces/${trace.trace_id}`);
  };
  const move = (by: number) => {
    const trace = list.items[Math.max(0, Math.min(list.items.length - 1, index < 0 ? (by > 0 ? 0 : list.items.length - 1) : index + by))];
    if (!trace) return;
    setActive(trace.trace_id);
    document.getElementById("traces")?.focus({ preventScroll: true });
  };
  const page = Math.max(1, Math.floor((document.getElementById("traces")?.clientHeight ?? 400) / ROW) - 2);
  const onButton = (event: KeyboardEvent) => (event.target as HTMLElement).closest("button, a") !== null;
  useKeys({
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), PageDown: () => move(page), PageUp: () => move(-page),
    Enter: (event) => (onButton(event) || index < 0 ? false : open(index)),
    "/": () => document.getElementById("filter")?.focus(),
    p: () => (away ? toTop() : stop(!stopped)),
    Escape: () => (active ? setActive((opened = null)) : false),
  });
  const onScroll = (top: number) => {
    setTop(top);
    setAway(top > ROW);
  };
  const toTop = () => {
    document.getElementById("traces")!.scrollTop = 0;
    setAway(false);
    stop(false);
    void reload();
  };
  if (list.error?.status === 401) return <AskKey />;
  if (first) return <div class="scroll"><FirstRun close={() => setFirst(false)} /></div>;
  const bad = list.error?.status === 400;
  return (
    <div class="traces-view">
      <h1 class="hidden-text">Traces</h1>
      <FilterBar q={q} range={range} error={list.error} live={live} paused={stopped || away || list.error !== null}
        setQ={(text) => go(withParams({ q: text }))} setRange={(name) => go(withParams({ range: name === "24h" ? null : name, from: null, to: null }))} togglePause={() => (away ? toTop() : stop(!stopped))} />
      {!bad && !(list.error && !list.items.length) && <Summary q={q} range={range} live={live && !stopped} />}
      <div class="list-place">
        {live && list.waiting > 0 && (
          <button type="button" class="new-rows" onClick={toTop}><Icon name="pause" />Paused · {list.waiting >= 100 ? "100+" : count(list.waiting)} new · back to live</button>
        )}
        {list.error && !bad && !list.items.length ? <Failure error={list.error} retry={reload} title="The list could not be loaded" />
          : bad ? <Say icon="warn" title="The filter is not understood">Mend it above, or <a class="link" href="/traces" onClick={(e) => { e.preventDefault(); go(withParams({ q: null })); }}>clear it</a>.</Say>
          : list.loading || never === null ? <Bones rows={14} />
          : !list.items.length ? <Nothing q={q} range={range.label} />
          : (
            <Table key={`${q}|${range.label}|${sort}`} items={list.items} more={list.more} done={!list.cursor} fresh={list.fresh} active={index} sort={sort} startTop={list.top}
              setSort={(name) => go(withParams({ sort: name === "start" ? null : name }))} choose={(i) => { setActive(list.items[i]!.trace_id); open(i); }} onEnd={next} onScroll={onScroll} />
          )}
        {list.error && !bad && list.items.length > 0 && <p class="stale" role="status"><Icon name="warn" />{list.error.message}; these rows may be old.</p>}
      </div>
    </div>
  );
}
