// virtual.tsx -- a long list of rows of one height: only those in sight are in the page.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useSize } from "../hooks";

interface Props {
  count: number;
  row: number;
  render: (index: number) => ComponentChildren;
  scroller: RefObject<HTMLDivElement | null>;
  /** Kept in sight. */
  active?: number;
  onEnd?: () => void;
  onScroll?: (top: number) => void;
  startTop?: number;
  children?: ComponentChildren;
  [attribute: string]: unknown;
}

/** Browsers stop at about 33 million pixels of height: 50,000 rows of 30 are far below. */
const OVERSCAN = 8;

export function Virtual({ count, row, render, scroller, active, onEnd, onScroll, startTop = 0, children, ...rest }: Props) {
  const [top, setTop] = useState(startTop);
  const { height } = useSize(scroller);
  const asked = useRef(-1);
  useLayoutEffect(() => {
    if (startTop && scroller.current) scroller.current.scrollTop = startTop;
  }, []);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || active === undefined || active < 0) return;
    const head = element.querySelector<HTMLElement>(".sticky-head")?.offsetHeight ?? 0;
    const from = active * row;
    if (from < element.scrollTop) element.scrollTop = from;
    else if (from + row + head > element.scrollTop + element.clientHeight) element.scrollTop = from + row + head - element.clientHeight;
  }, [active, row]);
  const first = Math.max(0, Math.floor(top / row) - OVERSCAN);
  const last = Math.min(count, Math.ceil((top + height) / row) + OVERSCAN);
  useEffect(() => {
    if (onEnd && count && height && last >= count - OVERSCAN && asked.current !== count) {
      asked.current = count;
      onEnd();
    }
  });
  const rows = [];
  for (let i = first; i < last; i++) rows.push(render(i));
  const scrolled = (event: Event) => {
    const at = (event.currentTarget as HTMLElement).scrollTop;
    setTop(at);
    onScroll?.(at);
  };
  return (
    <div ref={scroller} onScroll={scrolled} {...rest}>
      {children}
      <div class="virtual" role="presentation" style={{ height: `${count * row}px` }}>
        <div class="virtual-rows" role="presentation" style={{ transform: `translateY(${first * row}px)` }}>{rows}</div>
      </div>
    </div>
  );
}
