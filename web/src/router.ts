// router.ts -- the URL is the state: what is shown can be bookmarked, shared and gone back to.
// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";

export interface Place { path: string; params: URLSearchParams }

const read = (): Place => ({ path: location.pathname, params: new URLSearchParams(location.search) });
let place = read();
const listeners = new Set<() => void>();

function changed() {
  place = read();
  listeners.forEach((f) => f());
}
addEventListener("popstate", changed);

/** Goes to a URL; `replace` for changes that are not steps one would go back to. */
export function go(url: string, replace = false) {
  if (url === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"]({ inside: true }, "", url);
  changed();
}

/** Back to where one came from, or to `url` for who came here directly. */
export function back(url: string) {
  if ((history.state as { inside?: boolean } | null)?.inside) history.back();
  else go(url);
}

/** The current URL with some parameters changed; null takes one away. */
export function withParams(changes: { [name: string]: string | null }): string {
  const params = new URLSearchParams(place.params);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") params.delete(name);
    else params.set(name, value);
  }
  const text = params.toString();
  return place.path + (text ? `?${text}` : "");
}

export function usePlace(): Place {
  const [, refresh] = useState(place);
  useEffect(() => {
    const update = () => refresh(place);
    listeners.add(update);
    update();
    return () => void listeners.delete(update);
  }, []);
  return place;
}

/** For links: lets the browser have clicks that open a new tab. */
export function follow(event: MouseEvent) {
  const link = (event.currentTarget as HTMLElement).closest("a");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
