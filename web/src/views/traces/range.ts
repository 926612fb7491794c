// range.ts -- which time the list shows, and how wide the histogram's steps are.
// SPDX-License-Identifier: Apache-2.0
import { clock, day } from "../../format";

export const PRESETS: [string, string][] = [
  ["15m", "Last 15 minutes"], ["1h", "Last hour"], ["6h", "Last 6 hours"], ["24h", "Last 24 hours"], ["7d", "Last 7 days"], ["30d", "Last 30 days"],
];
export const DEFAULT = "24h";

export interface Range { from: string; to: string | null; label: string; live: boolean; preset: string | null; ms: number }

const UNIT: { [unit: string]: number } = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

function custom(from: string, to: string): Range {
  const a = new Date(from), b = new Date(to);
  const end = a.toDateString() === b.toDateString() ? clock(b) : `${day(b)} ${clock(b)}`;
  return { from, to, label: `${day(a)} ${clock(a)} – ${end}`, live: false, preset: null, ms: Math.max(1000, b.getTime() - a.getTime()) };
}

export function rangeOf(params: URLSearchParams): Range {
  const from = params.get("from"), to = params.get("to");
  if (from && to && Number.isFinite(Date.parse(from)) && Number.isFinite(Date.parse(to))) return custom(from, to);
  const asked = params.get("range") ?? DEFAULT;
  const [preset, label] = PRESETS.find(([name]) => name === asked) ?? PRESETS.find(([name]) => name === DEFAULT)!;
  return { from: `now-${preset}`, to: null, label, live: true, preset, ms: parseInt(preset) * UNIT[preset.at(-1)!]! };
}

const STEPS = ["1s", "2s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d"];
export const stepMs = (step: string) => parseInt(step) * UNIT[step.at(-1)!]!;

/** The smallest step that makes at most `most` bars of the range. */
export function stepOf(range: Range, most = 64): string {
  return STEPS.find((step) => range.ms / stepMs(step) <= most) ?? "1d";
}
