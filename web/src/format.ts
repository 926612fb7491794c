// format.ts -- numbers, money, durations and times as people read them.
// Unknown is always an en dash, never 0.
// SPDX-License-Identifier: Apache-2.0

export const UNKNOWN = "–";
const known = (v: number | null | undefined): v is number => v !== null && v !== undefined && Number.isFinite(v);

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
export const count = (v: number | null | undefined) => (known(v) ? whole.format(v) : UNKNOWN);

const UNITS = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]] as const;

export function short(v: number | null | undefined): string {
  if (!known(v)) return UNKNOWN;
  if (Math.abs(v) < 10_000) return whole.format(v);
  if (Math.abs(v) >= 999.5e12) return v.toExponential(1).replace("e+", "e");
  const [size, unit] = UNITS.find(([least]) => Math.abs(v) >= least * 0.9995)!;
  return `${(v / size).toFixed(Math.abs(v / size) < 99.95 ? 1 : 0)}${unit}`;
}

const HOUR = 3_600_000;

export function duration(ms: number | null | undefined): string {
  if (!known(ms)) return UNKNOWN;
  if (ms < 0.001 && ms > 0) return `${Math.round(ms * 1e6)} ns`;
  if (ms < 1) return `${ms === 0 ? 0 : Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${+ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < HOUR) return `${Math.floor(ms / 60_000)} m ${Math.floor((ms % 60_000) / 1000)} s`;
  if (ms < 48 * HOUR) return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / 60_000)} m`;
  return `${count(Math.floor(ms / (24 * HOUR)))} d ${Math.floor((ms % (24 * HOUR)) / HOUR)} h`;
}

const LEAST = 0.0000005; // what six decimals can show
const tiny = (v: number) => v > 0 && v < LEAST;
/** Money with six decimals. */
export const usd6 = (v: number | null | undefined) => (!known(v) ? "unknown" : tiny(v) ? "< $0.000001" : `$${v.toFixed(6)}`);
/** Money as exact as the API has it: nine decimals, without zeros at the end. */
export const usd9 = (v: number | null | undefined) => (known(v) ? `$${v.toFixed(9).replace(/0{1,3}$/, "")}` : "unknown");
/** Money for totals: cents when there are some. */
export function usd(v: number | null | undefined): string {
  if (!known(v)) return "unknown";
  if (v === 0) return "$0";
  if (tiny(v)) return "< $0.000001";
  if (v >= 1e9) return `$${short(v)}`;
  if (v >= 1000) return `$${whole.format(v)}`;
  return `$${v.toFixed(v >= 1 ? 2 : v >= 0.01 ? 4 : 6)}`;
}

const pad = (n: number, to = 2) => String(n).padStart(to, "0");
export const clock = (d: Date) => `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
export const day = (d: Date) => `${d.getDate()} ${months[d.getMonth()]}`;

/** Local time; the day only when it is not today. */
export function time(iso: string, now = new Date()): string {
  const d = new Date(iso);
  return d.toDateString() === now.toDateString() ? clock(d) : `${day(d)} ${clock(d)}`;
}
export const fullTime = (iso: string) => {
  const d = new Date(iso);
  return `${day(d)} ${d.getFullYear()}, ${clock(d)}.${pad(d.getMilliseconds(), 3)}`;
};
export const utc = (iso: string) => `${iso.replace("T", " ").replace(/(\.\d{3})\d*Z$/, "$1")} UTC`;

/** Nanoseconds since 1970 would not fit a double: ms of the day's part, with the fraction kept. */
export function millis(iso: string): number {
  const dot = iso.indexOf(".");
  if (dot < 0) return Date.parse(iso);
  const fraction = iso.slice(dot + 1, -1);
  return Date.parse(`${iso.slice(0, dot)}Z`) + Number(`0.${fraction}`) * 1000;
}

export const plural = (n: number, word: string) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
export const words = (name: string) => name.replaceAll("_", " ");
