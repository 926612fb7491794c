// filter.ts -- reads and changes single terms of a filter text (docs/filters.md), so that
// menus and the text say the same.  The server alone judges whether a filter is right.
// SPDX-License-Identifier: Apache-2.0

const term = (name: string) => new RegExp(`(^|\\s)${name}:(\\((?:"(?:[^"\\\\]|\\\\.)*"|[^)"])*\\)|"(?:[^"\\\\]|\\\\.)*"|[^\\s()"]+)(?=\\s|$)`);

export function quote(value: string): string {
  return /^[\p{L}\p{N}_./@+-]+$/u.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

const unquote = (text: string) => (text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text);

/** The values that a filter asks of one name: model:(a or "b c") gives ["a", "b c"]. */
export function valuesOf(filter: string, name: string): string[] {
  const found = term(name).exec(filter)?.[2];
  if (!found) return [];
  if (!found.startsWith("(")) return [unquote(found)];
  return [...found.slice(1, -1).matchAll(/"(?:[^"\\]|\\.)*"|[^\s",]+/g)].map((m) => m[0]).filter((w) => w.toLowerCase() !== "or").map(unquote);
}

export function withValues(filter: string, name: string, values: string[]): string {
  const rest = filter.replace(term(name), " ").replace(/\s+/g, " ").trim();
  if (!values.length) return rest;
  const text = values.length === 1 ? quote(values[0]!) : `(${values.map(quote).join(" or ")})`;
  return `${rest} ${name}:${text}`.trim();
}

/** The API counts bytes; JavaScript counts UTF-16 units. */
export function indexOfByte(text: string, offset: number): number {
  return new TextDecoder().decode(new TextEncoder().encode(text).slice(0, offset)).length;
}

/** The word an error points at, to be underlined or replaced. */
export function wordAt(text: string, at: number): [number, number] {
  let end = at;
  while (end < text.length && !/[\s():=<>!~,"]/.test(text[end]!)) end++;
  return [at, Math.max(end, Math.min(at + 1, text.length))];
}
