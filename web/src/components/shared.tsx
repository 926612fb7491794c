// shared.tsx -- small parts: copying, times, messages, menus, bones.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { fullTime, time, utc } from "../format";
import { Icon, type IconName } from "./icon";

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea"); // not a secure context: plain http to another host
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function useCopied(text: string | (() => string)): [boolean, () => void] {
  const [done, set] = useState(false);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    if (!(await copyText(typeof text === "string" ? text : text()))) return;
    set(true);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => set(false), 1400);
  };
  return [done, copy];
}

/** A value that a click copies. */
export function Copy({ text, label, children }: { text: string; label: string; children?: ComponentChildren }) {
  const [done, copy] = useCopied(text);
  return (
    <button type="button" class={`copy ${done ? "done" : ""}`} title={done ? "Copied" : `${label}: ${text} (click to copy)`} onClick={copy}>
      <span class="cut">{children ?? text}</span>
      <Icon name={done ? "check" : "copy"} />
      <span class="hidden-text">{done ? "copied" : `copy ${label}`}</span>
    </button>
  );
}

export function CopyButton({ text, label }: { text: string | (() => string); label: string }) {
  const [done, copy] = useCopied(text);
  return (
    <button type="button" class="button small" onClick={copy}>
      <Icon name={done ? "check" : "copy"} /> {done ? "Copied" : label}
    </button>
  );
}

/** Local time; UTC on hover. */
export function Time({ iso, full }: { iso: string; full?: boolean }) {
  return <time dateTime={iso} title={utc(iso)} class="num">{full ? fullTime(iso) : time(iso)}</time>;
}

export function Say({ icon, title, children, actions }: { icon: IconName; title: string; children?: ComponentChildren; actions?: ComponentChildren }) {
  return (
    <div class="say" role="status">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {actions && <div class="actions">{actions}</div>}
    </div>
  );
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");

export function Failure({ error, retry, title = "That did not work" }: { error: ApiError; retry?: () => void; title?: string }) {
  const denied = error.status === 403;
  return (
    <Say
      icon={denied ? "lock" : "warn"}
      title={denied ? "This key may not see that" : title}
      actions={retry && <button type="button" class="button" onClick={retry}>Try again</button>}
    >
      {sentence(error.message)} {error.hint ? sentence(error.hint) : ""}
    </Say>
  );
}

const SLOW_MS = 3000;

/** Bones of the rows to come; says so when they are long in coming. */
export function Bones({ rows }: { rows: number }) {
  const [slow, set] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => set(true), SLOW_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div aria-busy="true" role="status" class="bones">
      <span class={slow ? "slow" : "hidden-text"}>{slow ? "The server is slow to answer; still waiting…" : "Loading"}</span>
      {Array.from({ length: rows }, (_, i) => (
        <div class="bone-row" key={i}>
          <div class="bone" style={{ width: "60px" }} />
          <div class="bone" style={{ width: `${18 + ((i * 7) % 22)}%` }} />
          <div class="bone" style={{ width: `${8 + ((i * 5) % 9)}%` }} />
          <div class="grow" />
          <div class="bone" style={{ width: `${6 + ((i * 3) % 12)}%` }} />
        </div>
      ))}
    </div>
  );
}

/** A button with a menu under it; closes on Escape and on clicks elsewhere. */
export function Menu({ label, children, right, cls = "button small" }: { label: ComponentChildren; children: (close: () => void) => ComponentChildren; right?: boolean; cls?: string }) {
  const [open, set] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    place.current?.querySelector<HTMLElement>(".menu input, .menu button")?.focus();
    const outside = (event: Event) => place.current?.contains(event.target as Node) || set(false);
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  const close = () => {
    set(false);
    place.current?.querySelector<HTMLElement>("button")?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (!open) return;
    if (event.key === "Escape") close();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = [...place.current!.querySelectorAll<HTMLElement>(".menu button, .menu input")];
      const at = items.indexOf(document.activeElement as HTMLElement);
      items[(at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length]?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu-place" ref={place} onKeyDown={onKey} onFocusOut={(e) => e.relatedTarget && !place.current?.contains(e.relatedTarget as Node) && set(false)}>
      <button type="button" class={cls} aria-haspopup="true" aria-expanded={open} onClick={() => set(!open)}>{label}</button>
      {open && <div class={`menu ${right ? "right" : ""}`}>{children(close)}</div>}
    </div>
  );
}
