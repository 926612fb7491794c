// keys.ts -- keyboard shortcuts of the view that is shown.
// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from "preact/hooks";

export type Keymap = { [key: string]: (event: KeyboardEvent) => void | false };

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** A handler that returns false leaves the key to the browser. */
export function useKeys(map: Keymap) {
  const current = useRef(map);
  current.current = map;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector("dialog[open], .menu")) return;
      const handler = current.current[event.key];
      if (handler && handler(event) !== false) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
