// app.tsx -- the frame around every view, and which view the URL asks for.
// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "preact/hooks";
import { key } from "./api";
import { KeyHelp } from "./components/dialog";
import { Icon } from "./components/icon";
import { Say } from "./components/shared";
import { useKeys } from "./keys";
import { follow, go, usePlace } from "./router";
import { theme, toggleTheme } from "./theme";
import { TraceView } from "./views/trace/view";
import { TracesView } from "./views/traces/view";

function Mark() {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <rect width="24" height="24" rx="6" fill="var(--accent-solid)" />
      <path d="M5.5 8h13M8.5 12h7.5M11.5 16h7" stroke="#fff" stroke-width="2.2" stroke-linecap="round" />
    </svg>
  );
}

function View({ path }: { path: string }) {
  const id = /^\/traces\/([0-9a-fA-F]+)$/.exec(path)?.[1];
  useEffect(() => {
    if (path === "/") go("/traces" + location.search, true);
  }, [path]);
  if (id) return <TraceView key={id} id={id} />;
  if (path === "/" || path === "/traces") return <TracesView />;
  return (
    <Say icon="question" title="There is no page here" actions={<a class="button" href="/traces" onClick={follow}>All traces</a>}>
      {path} is not one of Telltale's pages.
    </Say>
  );
}

export function App() {
  const { path } = usePlace();
  const [help, setHelp] = useState(false);
  const [, redraw] = useState(0);
  const [keys, newKey] = useState(0);
  useEffect(() => key.onChange(() => newKey((n) => n + 1)), []);
  const flip = () => {
    toggleTheme();
    redraw((n) => n + 1);
  };
  useKeys({ "?": () => setHelp(true), t: flip });
  return (
    <>
      <a class="skip" href="#main">Skip to the content</a>
      <header class="top">
        <a class="brand" href="/traces" onClick={follow}><Mark />Telltale</a>
        <nav aria-label="Pages"><a href="/traces" onClick={follow} aria-current={path.startsWith("/traces") ? "page" : undefined}>Traces</a></nav>
        <button type="button" class="button quiet square" onClick={flip} aria-label={theme() === "dark" ? "Light theme" : "Dark theme"} title="Light or dark (t)"><Icon name={theme() === "dark" ? "sun" : "moon"} /></button>
        <button type="button" class="button quiet square" onClick={() => setHelp(true)} aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)"><Icon name="question" /></button>
      </header>
      <main id="main" tabIndex={-1}><View key={keys} path={path} /></main>
      {help && <KeyHelp close={() => setHelp(false)} />}
    </>
  );
}
