// filterbar.tsx -- the filter as text, menus that write into it, and what is wrong with it.
// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { api, type ApiError, type Trace } from "../../api";
import { Icon } from "../../components/icon";
import { Menu } from "../../components/shared";
import { indexOfByte, valuesOf, withValues, wordAt } from "../../filter";
import { short } from "../../format";
import { useLoad } from "../../hooks";
import { PRESETS, type Range } from "./range";

interface Chip { name: string; label: string; by: keyof Trace & string }
const CHIPS: Chip[] = [
  { name: "model", label: "Model", by: "generator_model" },
  { name: "feature", label: "Feature", by: "feature" },
  { name: "tenant", label: "Tenant", by: "tenant_id" },
  { name: "status", label: "Status", by: "status" },
  { name: "env", label: "Environment", by: "environment" },
];

const ROWS_MAX = 1000;
type Known = (readonly [string, number | null])[];

/** The values that traces have, most frequent first.  A trace is found by its own row, so
 * its row is counted; when there are too many rows, the values of its spans are shown, uncounted. */
async function valuesSeen(chip: Chip, q: string, range: Range, signal: AbortSignal): Promise<Known> {
  const span = { q, from: range.from, to: range.to };
  const page = await api.traces({ ...span, limit: ROWS_MAX }, signal);
  if (page.next_cursor) {
    const { items } = await api.aggregate({ ...span, metric: "traces", by: chip.by, limit: 100 }, signal);
    return items.filter((g) => g.by[chip.by] !== null).map((g) => [String(g.by[chip.by]), null]);
  }
  const counts = new Map<string, number>();
  for (const trace of page.items) if (trace[chip.by] !== null) counts.set(String(trace[chip.by]), (counts.get(String(trace[chip.by])) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

function Choices({ chip, q, range, set }: { chip: Chip; q: string; range: Range; set: (q: string) => void }) {
  const [search, setSearch] = useState("");
  const others = withValues(q, chip.name, []);
  const chosen = valuesOf(q, chip.name);
  const { data, error } = useLoad(
    (signal) => valuesSeen(chip, others, range, signal),
    [chip.by, others, range.from, range.to],
  );
  const seen = data ?? [];
  const rows = [...chosen.filter((v) => !seen.some(([s]) => s === v)).map((v) => [v, null] as const), ...seen].filter(([v]) => v.toLowerCase().includes(search.toLowerCase()));
  const toggle = (value: string) => set(withValues(q, chip.name, chosen.includes(value) ? chosen.filter((v) => v !== value) : [...chosen, value]));
  if (error) return <p class="note">{error.message}</p>;
  if (!data) return <p class="note">Looking…</p>;
  return (
    <>
      {(seen.length > 8 || search) && <input class="field menu-search" placeholder={`Find ${chip.label.toLowerCase()}`} aria-label={`Find ${chip.label.toLowerCase()}`} value={search} onInput={(e) => setSearch(e.currentTarget.value)} />}
      {!rows.length && <p class="note">No known value in this time.</p>}
      {rows.map(([value, n]) => (
        <button type="button" key={value} role="checkbox" aria-checked={chosen.includes(value)} onClick={() => toggle(value)}>
          <span class={`tick ${chosen.includes(value) ? "on" : ""}`}>{chosen.includes(value) && <Icon name="check" />}</span>
          <span class="grow cut" title={value}>{value}</span>
          <span class="dim num">{n === null ? "" : short(n)}</span>
        </button>
      ))}
    </>
  );
}

/** The filter with the place of the error marked, and how to mend it. */
function FilterError({ q, error, set }: { q: string; error: ApiError; set: (q: string) => void }) {
  const at = error.offset === null ? null : indexOfByte(q, error.offset);
  const [from, to] = at === null ? [0, 0] : wordAt(q, at);
  const nearest = /did you mean '([^']+)'/.exec(error.hint ?? "")?.[1];
  const message = error.message.replace(/^q: /, "");
  return (
    <div class="filter-error" role="alert" id="filter-error">
      <Icon name="warn" />
      <div class="grow">
        <p><strong>{message.charAt(0).toUpperCase() + message.slice(1)}</strong>{error.hint && !nearest ? `: ${error.hint}` : ""}</p>
        {at !== null && (
          <pre aria-label={`at character ${at + 1}`}>{q.slice(0, from)}<mark>{q.slice(from, to) || " "}</mark>{q.slice(to)}</pre>
        )}
      </div>
      {nearest && at !== null && <button type="button" class="button small" onClick={() => set(q.slice(0, from) + nearest + q.slice(to))}>Use “{nearest}”</button>}
    </div>
  );
}

interface Props {
  q: string;
  range: Range;
  error: ApiError | null;
  setQ: (q: string) => void;
  setRange: (preset: string) => void;
  live: boolean;
  paused: boolean;
  togglePause: () => void;
}

export function FilterBar({ q, range, error, setQ, setRange, live, paused, togglePause }: Props) {
  const [draft, setDraft] = useState(q);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setDraft(q), [q]);
  const bad = error?.status === 400;
  const submit = (event: Event) => {
    event.preventDefault();
    setQ(draft.trim());
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    if (draft !== q) setDraft(q);
    else input.current?.blur();
    event.stopPropagation();
  };
  return (
    <section class="filters" aria-label="Filter">
      <div class="filter-row">
        <form class={`filter ${bad ? "bad" : ""}`} role="search" onSubmit={submit}>
          <Icon name="search" />
          <input
            ref={input} id="filter" type="text" class="mono" spellcheck={false} autocomplete="off" autocapitalize="off"
            aria-label="Filter traces" aria-invalid={bad} aria-describedby={bad ? "filter-error" : undefined}
            placeholder="model:gpt-4o* latency>2s status:error tenant:acme" value={draft}
            onInput={(e) => setDraft(e.currentTarget.value)} onKeyDown={onKey}
          />
          {draft && <button type="button" class="clear" aria-label="Clear the filter" onClick={() => { setDraft(""); setQ(""); }}><Icon name="close" /></button>}
          <kbd aria-hidden="true">{draft !== q ? "↵" : "/"}</kbd>
        </form>
        <Menu right cls="button" label={<>{range.label}<Icon name="down" /></>}>
          {(close) => PRESETS.map(([name, label]) => (
            <button type="button" key={name} aria-current={range.preset === name} onClick={() => { close(); setRange(name); }}>
              <span class="grow">{label}</span>{range.preset === name && <Icon name="check" />}
            </button>
          ))}
        </Menu>
        <button type="button" class={`button live ${live && !paused ? "on" : ""}`} disabled={!live} aria-pressed={live && !paused} title={live ? "Pause or resume (p)" : "Live only for a range that ends now, newest first"} onClick={togglePause}>
          <span class="dot" />{live && !paused ? "Live" : "Paused"}
        </button>
      </div>
      {bad && <FilterError q={q} error={error} set={setQ} />}
      <div class="chips">
        {CHIPS.map((chip) => {
          const values = valuesOf(q, chip.name);
          const label = values.length ? <><b>{chip.label}</b> <span class="cut">{values.length === 1 ? values[0] : `${values.length} chosen`}</span></> : chip.label;
          return (
            <Menu key={chip.name} cls={`chip ${values.length ? "on" : ""}`} label={<>{label}<Icon name="down" /></>}>
              {() => <Choices chip={chip} q={q} range={range} set={setQ} />}
            </Menu>
          );
        })}
        {q && <button type="button" class="chip plain" onClick={() => setQ("")}>Clear all</button>}
      </div>
    </section>
  );
}
