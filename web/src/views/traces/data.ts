// data.ts -- the list as pages, kept fresh while it is live.
//
// A refresh asks for the first page again and lays it over what is there: rows that
// changed (a trace that settled) change in place, new ones come in on top.  While the
// reader is elsewhere in the list nothing moves; what came in is only counted.
// SPDX-License-Identifier: Apache-2.0
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api, ApiError, type Params, type Trace } from "../../api";
import { useInterval } from "../../hooks";

const PAGE = 100;
const REFRESH_MS = 2000;
const KEPT_LISTS = 8;

export interface List {
  items: Trace[];
  cursor: string | null;
  error: ApiError | null;
  loading: boolean;
  more: boolean;
  /** Rows that came by a refresh: they fade in. */
  fresh: Set<string>;
  /** New traces that are not shown, because the list is paused. */
  waiting: number;
  top: number;
}

const kept = new Map<string, List>();
const empty = (): List => ({ items: [], cursor: null, error: null, loading: true, more: false, fresh: new Set(), waiting: 0, top: 0 });

function keep(id: string, list: List) {
  kept.delete(id);
  kept.set(id, list);
  if (kept.size > KEPT_LISTS) kept.delete(kept.keys().next().value!);
}

/** The old list under a new first page (both newest first). */
export function merge(old: Trace[], page: Trace[]): Trace[] {
  const last = page.at(-1);
  if (!last || page.length < PAGE) return page;
  const ids = new Set(page.map((t) => t.trace_id));
  const rest = old.filter((t) => !ids.has(t.trace_id) && t.start_time <= last.start_time);
  return rest.length + page.length - old.length > PAGE / 2 || !old.some((t) => ids.has(t.trace_id)) ? page : [...page, ...rest];
}

export function useTraces(params: Params, live: boolean, paused: boolean) {
  const id = JSON.stringify(params);
  const [, redraw] = useState(0);
  const list = useRef<List>(kept.get(id) ?? empty());
  const current = useRef(id);
  if (current.current !== id) {
    current.current = id;
    list.current = kept.get(id) ?? empty();
  }
  const put = useCallback((forId: string, change: Partial<List>) => {
    const base = forId === current.current ? list.current : kept.get(forId);
    if (!base) return;
    const next = { ...base, ...change };
    keep(forId, next);
    if (forId !== current.current) return;
    list.current = next;
    redraw((n) => n + 1);
  }, []);

  const fail = (error: unknown) => {
    if ((error as Error).name !== "AbortError") put(id, { error: error as ApiError, loading: false, more: false });
  };
  const load = (signal?: AbortSignal) =>
    api.traces({ ...params, limit: PAGE }, signal).then((page) => {
      const old = list.current;
      const first = old.loading && !old.items.length;
      const items = live ? merge(old.items, page.items) : page.items;
      const had = new Set(old.items.map((t) => t.trace_id));
      const fresh = new Set(first ? [] : items.filter((t) => !had.has(t.trace_id)).map((t) => t.trace_id));
      put(id, { items, cursor: items.length > page.items.length ? old.cursor : page.next_cursor, error: null, loading: false, fresh, waiting: 0 });
    }, fail);

  useEffect(() => {
    const abort = new AbortController();
    put(id, { loading: !list.current.items.length, error: null });
    load(abort.signal);
    return () => abort.abort();
  }, [id]);

  const count = () =>
    api.traces({ ...params, limit: PAGE }).then(
      (page) => {
        const had = new Set(list.current.items.map((t) => t.trace_id));
        const newest = list.current.items[0]?.start_time ?? "";
        const waiting = page.items.filter((t) => !had.has(t.trace_id) && t.start_time >= newest).length;
        if (waiting !== list.current.waiting) put(id, { waiting });
      },
      () => undefined, // the next refresh will tell
    );
  const busy = useRef(false);
  useInterval(() => {
    if (busy.current || list.current.loading || list.current.more) return;
    busy.current = true;
    void (paused ? count() : load()).finally(() => (busy.current = false));
  }, REFRESH_MS, live && list.current.error?.status !== 400 && list.current.error?.status !== 401);

  const next = () => {
    const { cursor, more, items } = list.current;
    if (!cursor || more) return;
    put(id, { more: true });
    api.traces({ ...params, limit: PAGE, cursor }).then((page) => {
      const had = new Set(items.map((t) => t.trace_id));
      put(id, { items: [...list.current.items, ...page.items.filter((t) => !had.has(t.trace_id))], cursor: page.next_cursor, more: false, fresh: new Set() });
    }, fail);
  };
  const setTop = (top: number) => {
    list.current.top = top; // no redraw: only to come back to
    keep(id, list.current);
  };
  return { list: list.current, next, setTop, reload: () => load() };
}
