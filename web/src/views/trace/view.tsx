// view.tsx -- one trace: totals, waterfall, details of the selected step.
// SPDX-License-Identifier: Apache-2.0
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, type Payload, type TraceDetail } from "../../api";
import { AskKey } from "../../components/dialog";
import { Icon } from "../../components/icon";
import { Bones, Failure } from "../../components/shared";
import { count } from "../../format";
import { useInterval, useLoad } from "../../hooks";
import { useKeys } from "../../keys";
import { back, go, usePlace, withParams } from "../../router";
import { Header } from "./header";
import { Panel, tabsOf } from "./panel/panel";
import { makeTree, visible, type Node } from "./tree";
import { Waterfall } from "./waterfall";

const REFRESH_MS = 2000;

/** The step that a reader most likely came for: what failed, else the answer, else the root. */
function firstChoice(rows: Node[]): string | null {
  const failed = rows.find((n) => n.span.status === "error" && n.errors === 0);
  const answer = rows.findLast((n) => n.span.step === "model" && n.span.payload && "output" in n.span.payload);
  return (failed ?? answer ?? rows[0])?.span.span_id ?? null;
}

function Body({ detail }: { detail: TraceDetail }) {
  const { params } = usePlace();
  const tree = useMemo(() => makeTree(detail.spans), [detail]);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [find, setFind] = useState("");
  const revealed = useRef(new Map<string, Payload>());
  const rows = useMemo(() => visible(tree, folded, find), [tree, folded, find]);
  const asked = params.get("span");
  const active = asked && tree.byId.has(asked) ? asked : firstChoice(tree.rows);
  const node = active ? tree.byId.get(active) : undefined;
  const at = rows.findIndex((n) => n.span.span_id === active);
  const select = useCallback((id: string) => go(withParams({ span: id }), true), []);
  const fold = useCallback((id: string, to?: boolean) => setFolded((old) => {
    const next = new Set(old);
    if (to ?? !next.has(id)) next.add(id);
    else next.delete(id);
    return next;
  }), []);
  const move = (by: number) => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, (at < 0 ? 0 : at) + by))];
    if (next) select(next.span.span_id);
    document.getElementById("waterfall")?.focus({ preventScroll: true });
  };
  const tabs = node ? tabsOf(node.span, detail.logs) : [];
  const tab = tabs.find((t) => t.id === params.get("tab"))?.id ?? tabs[0]?.id ?? "raw";
  const setTab = (id: string) => go(withParams({ tab: id }), true);
  const turn = (by: number) => setTab(tabs[(tabs.findIndex((t) => t.id === tab) + by + tabs.length) % tabs.length]!.id);
  const inPanel = (event: KeyboardEvent) => (event.target as HTMLElement).closest(".panel") !== null;
  const inTree = (event: KeyboardEvent, run: () => void) => (inPanel(event) ? false as const : run());
  const toPanel = (event: KeyboardEvent) => {
    if ((event.target as HTMLElement).closest("button, a, summary")) return false;
    document.querySelector<HTMLElement>(".panel [role=tab][aria-selected=true]")?.focus();
    return undefined;
  };
  useKeys({
    j: () => move(1), k: () => move(-1),
    ArrowDown: (e) => inTree(e, () => move(1)), ArrowUp: (e) => inTree(e, () => move(-1)),
    PageDown: (e) => inTree(e, () => move(15)), PageUp: (e) => inTree(e, () => move(-15)), Home: (e) => inTree(e, () => move(-rows.length)), End: (e) => inTree(e, () => move(rows.length)),
    ArrowLeft: (e) => inPanel(e) ? false : node && (node.children.length && !folded.has(active!) ? fold(active!, true) : node.parent && select(node.parent.span.span_id)) || undefined,
    ArrowRight: (e) => inPanel(e) ? false : node && (folded.has(active!) ? fold(active!, false) : node.children[0] && select(node.children[0].span.span_id)) || undefined,
    Enter: toPanel, "[": () => turn(-1), "]": () => turn(1),
    "/": () => document.getElementById("find")?.focus(),
    r: () => {
      const button = () => document.querySelector<HTMLButtonElement>(".panel .reveal");
      if (button() || tabs[0]?.id !== "conversation") return button()?.click();
      setTab("conversation");
      requestAnimationFrame(() => requestAnimationFrame(() => button()?.click()));
      return undefined;
    },
    Escape: (e) => (inPanel(e) ? document.getElementById("waterfall")?.focus() : find ? setFind("") : back("/traces")),
  });
  useEffect(() => {
    if (document.activeElement === document.body) document.getElementById("waterfall")?.focus({ preventScroll: true });
  }, []);
  const allFolded = folded.size > 0;
  return (
    <div class="split">
      <section class="steps" aria-label="Steps">
        <div class="steps-bar">
          <Icon name="search" />
          <input id="find" type="text" placeholder="Find a step by name, model or id" aria-label="Find a step" value={find} spellcheck={false} onInput={(e) => setFind(e.currentTarget.value)}
            onKeyDown={(e) => { if (e.key === "Escape" || e.key === "Enter") { if (e.key === "Escape") setFind(""); document.getElementById("waterfall")?.focus(); e.stopPropagation(); e.preventDefault(); } }} />
          {find && <span class="dim num">{count(rows.length)} of {count(tree.rows.length)}</span>}
          <button type="button" class="button quiet small" onClick={() => setFolded(allFolded ? new Set() : new Set(tree.rows.filter((n) => n.children.length && n.parent).map((n) => n.span.span_id)))}>{allFolded ? "Unfold all" : "Fold all"}</button>
        </div>
        <Waterfall tree={tree} rows={rows} active={active} folded={find ? new Set() : folded} select={select} fold={fold} />
      </section>
      {node && <Panel key={active} node={node} logs={detail.logs} tabs={tabs} tab={tab} setTab={setTab} revealed={revealed.current} />}
    </div>
  );
}

export function TraceView({ id }: { id: string }) {
  const { data, error, loading, reload } = useLoad((signal) => api.trace(id, signal), [id]);
  useInterval(reload, REFRESH_MS, data !== null && !data.trace.settled && data.spans.length < 5000);
  useKeys(data ? {} : { Escape: () => back("/traces") });
  if (error?.status === 401) return <AskKey />;
  if (!data && error) return <Failure error={error} retry={error.status === 404 ? undefined : reload} title={error.status === 404 ? "This trace is not here" : "The trace could not be loaded"} />;
  if (!data) return <div class="trace-view"><div class="trace-head loading" aria-busy={loading}><div class="bone" style={{ width: "260px", height: "16px" }} /><div class="bone" style={{ width: "520px", height: "26px" }} /></div><Bones rows={12} /></div>;
  return (
    <div class="trace-view">
      <Header trace={data.trace} scores={data.scores} />
      <Body detail={data} />
    </div>
  );
}
