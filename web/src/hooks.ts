// hooks.ts -- loading with cancelling, intervals that rest with the tab, sizes.
// SPDX-License-Identifier: Apache-2.0
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";
import type { ApiError } from "./api";

export interface Loaded<T> { data: T | null; error: ApiError | null; loading: boolean; reload: () => void }

/** Loads when `deps` change; keeps the old data until the new is there. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: unknown[]): Loaded<T> {
  const [state, set] = useState<{ data: T | null; error: ApiError | null; loading: boolean }>({ data: null, error: null, loading: true });
  const [turn, again] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    set((old) => ({ ...old, loading: true }));
    load(abort.signal).then(
      (data) => !abort.signal.aborted && set({ data, error: null, loading: false }),
      (error) => !abort.signal.aborted && set((old) => ({ ...old, error, loading: false })),
    );
    return () => abort.abort();
  }, [...deps, turn]);
  return { ...state, reload: useCallback(() => again((n) => n + 1), []) };
}

/** Calls `run` every `ms` while the page is visible and `on`. */
export function useInterval(run: () => void, ms: number, on: boolean) {
  const current = useRef(run);
  current.current = run;
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => document.hidden || current.current(), ms);
    return () => clearInterval(timer);
  }, [ms, on]);
}

/** Height and width of an element, as they change. */
export function useSize(ref: RefObject<HTMLElement | null>): { width: number; height: number } {
  const [size, set] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => set((old) => (old.width === element.clientWidth && old.height === element.clientHeight ? old : { width: element.clientWidth, height: element.clientHeight }));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return size;
}
