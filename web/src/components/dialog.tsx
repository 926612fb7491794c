// dialog.tsx -- the list of keys, and the question for an API key.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { key } from "../api";
import { Icon } from "./icon";

export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} aria-label={title} onClose={close} onClick={(e) => e.target === ref.current && close()}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

const KEYS: [string[], string][] = [
  [["/"], "Go to the filter"],
  [["j", "k"], "Next and previous row (arrows work too)"],
  [["↵"], "Open the trace; in a trace, go to the details"],
  [["←", "→"], "Fold and unfold a step"],
  [["[", "]"], "Previous and next tab of the details"],
  [["r"], "Reveal content"],
  [["shift", "→"], "In the histogram: choose a time, ↵ shows only it"],
  [["p"], "Pause or resume the live list"],
  [["t"], "Light or dark"],
  [["esc"], "Back"],
  [["?"], "This list"],
];

export function KeyHelp({ close }: { close: () => void }) {
  return (
    <Dialog title="Keyboard" close={close}>
      <dl class="keys">
        {KEYS.map(([names, text]) => [
          <dt>{names.map((n) => <kbd key={n}>{n}</kbd>)}</dt>,
          <dd>{text}</dd>,
        ])}
      </dl>
    </Dialog>
  );
}

/** Shown instead of a view that was refused with 401. */
export function AskKey() {
  const [value, set] = useState("");
  const refused = key.get() !== null;
  const submit = (event: Event) => {
    event.preventDefault();
    key.set(value.trim());
  };
  return (
    <form class="say ask-key" onSubmit={submit}>
      <Icon name="lock" />
      <h2>This server asks for an API key</h2>
      <p>{refused ? "That key was not accepted. " : ""}The first start printed one; it stays in this tab only.</p>
      <label class="hidden-text" for="api-key">API key</label>
      <input id="api-key" class="field" type="password" autocomplete="off" placeholder="API key" value={value} autofocus onInput={(e) => set(e.currentTarget.value)} />
      <div class="actions"><button class="button main" disabled={!value.trim()}>Continue</button></div>
    </form>
  );
}
