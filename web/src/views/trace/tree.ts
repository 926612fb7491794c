// tree.ts -- spans as a tree, and which of its rows are in sight.
// SPDX-License-Identifier: Apache-2.0
import type { Span } from "../../api";
import { millis } from "../../format";

export interface Node {
  span: Span;
  depth: number;
  parent: Node | null;
  children: Node[];
  /** Milliseconds after the trace's first start. */
  start: number;
  ms: number;
  /** Of its time, what no child covers, and in which pieces (ms after its start). */
  self: number;
  own: [number, number][];
  /** Steps below it. */
  below: number;
  /** Errors below it. */
  errors: number;
  /** Its parent was never sent. */
  orphan: boolean;
}

export interface Tree { rows: Node[]; byId: Map<string, Node>; total: number; origin: number }

const sameTrace = (span: Span) => span.parent_span_id && span.parent_span_id !== span.span_id;

function findOwnTime(node: Node) {
  const end = node.start + node.ms;
  let at = node.start;
  const piece = (to: number) => {
    if (to <= at) return;
    node.own.push([at - node.start, to - node.start]);
    node.self += to - at;
  };
  for (const child of node.children) { // by start
    piece(Math.min(child.start, end));
    at = Math.max(at, child.start + child.ms);
  }
  piece(end);
}

/** Links children to parents; a cycle (a broken sender) is cut where it closes. */
function link(nodes: Node[], byId: Map<string, Node>): Node[] {
  const roots: Node[] = [];
  for (const node of nodes) {
    const parent = sameTrace(node.span) ? byId.get(node.span.parent_span_id!) : undefined;
    let above: Node | null = parent ?? null;
    for (let hops = 0; above && above !== node && hops < 100_000; hops++) above = above.parent;
    if (parent && above !== node) {
      node.parent = parent;
      parent.children.push(node);
    } else {
      node.orphan = Boolean(sameTrace(node.span));
      roots.push(node);
    }
  }
  return roots;
}

export function makeTree(spans: Span[]): Tree {
  const byId = new Map<string, Node>();
  const nodes = spans.map((span): Node => {
    const node: Node = { span, depth: 0, parent: null, children: [], start: millis(span.start_time), ms: span.latency_ms ?? 0, self: 0, own: [], below: 0, errors: 0, orphan: false };
    byId.set(span.span_id, node);
    return node;
  });
  nodes.sort((a, b) => a.start - b.start || b.ms - a.ms);
  const origin = nodes[0]?.start ?? 0;
  let total = 0;
  for (const node of nodes) {
    node.start -= origin;
    total = Math.max(total, node.start + node.ms);
  }
  const rows: Node[] = [];
  const stack = link(nodes, byId).reverse();
  while (stack.length) {
    const node = stack.pop()!;
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    rows.push(node);
    for (let i = node.children.length; i-- > 0; ) stack.push(node.children[i]!);
  }
  for (let i = rows.length; i-- > 0; ) {
    const node = rows[i]!;
    findOwnTime(node);
    if (!node.parent) continue;
    node.parent.below += node.below + 1;
    node.parent.errors += node.errors + (node.span.status === "error" ? 1 : 0);
  }
  return { rows, byId, total: total || 1, origin };
}

/** Rows whose ancestors are all unfolded; with a text, those it is found in and their ancestors. */
export function visible(tree: Tree, folded: ReadonlySet<string>, find: string): Node[] {
  if (find) {
    const text = find.toLowerCase();
    const keep = new Set<Node>();
    for (const node of tree.rows) {
      const { name, step, generator_model, request_model, span_id } = node.span;
      if (![name, step, generator_model, request_model, span_id].some((v) => v?.toLowerCase().includes(text))) continue;
      for (let n: Node | null = node; n && !keep.has(n); n = n.parent) keep.add(n);
    }
    return tree.rows.filter((n) => keep.has(n));
  }
  if (!folded.size) return tree.rows;
  const out: Node[] = [];
  for (let i = 0; i < tree.rows.length; i++) {
    const node = tree.rows[i]!;
    out.push(node);
    if (folded.has(node.span.span_id)) i += node.below;
  }
  return out;
}

/** Round times for an axis of `total` ms. */
export function ticks(total: number, most = 5): number[] {
  const rough = total / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((s) => s >= rough) ?? power * 10;
  const out = [];
  for (let i = 0; i * step < total * 0.97; i++) out.push(i * step);
  return out;
}
