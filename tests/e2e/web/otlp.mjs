// otlp.mjs -- writes OTLP/JSON requests the way an SDK would, and sends them.
//
// A trace is a nested object: {name, at, ms, attrs, status, events, children}; times are
// milliseconds relative to the root.  Everything else is made here.
//
// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";

export const hex = (text, bytes) => createHash("sha256").update(text).digest("hex").slice(0, bytes * 2);

function value(v) {
  if (typeof v === "string") return { stringValue: v };
  if (typeof v === "boolean") return { boolValue: v };
  if (typeof v === "number") return Number.isInteger(v) ? { intValue: String(v) } : { doubleValue: v };
  if (Array.isArray(v)) return { arrayValue: { values: v.map(value) } };
  return { kvlistValue: { values: attributes(v) } };
}

export const attributes = (object) =>
  Object.entries(object).map(([key, v]) => ({ key, value: value(v) }));

const nanos = (ms) => (BigInt(Math.round(ms * 1000)) * 1000n).toString();

function flatten(node, trace, start, parent, path, out) {
  const from = start + (node.at ?? 0);
  const spanId = hex(`${trace.key}/${path}`, 8);
  out.push({
    traceId: trace.id,
    spanId,
    ...(parent ? { parentSpanId: parent } : {}),
    name: node.name,
    kind: node.kind ?? 1,
    startTimeUnixNano: nanos(from),
    endTimeUnixNano: nanos(from + node.ms),
    attributes: attributes(node.attrs ?? {}),
    events: (node.events ?? []).map((e) => ({
      name: e.name,
      timeUnixNano: nanos(from + (e.at ?? 0)),
      attributes: attributes(e.attrs ?? {}),
    })),
    ...(node.status ? { status: node.status } : {}),
  });
  (node.children ?? []).forEach((child, i) =>
    flatten(child, trace, from, spanId, `${path}.${i}`, out));
}

/** One OTLP request for one trace; `key` decides its ids, so that a test can find it again. */
export function request(key, root, { start = Date.now() - root.ms - 50, resource = {} } = {}) {
  const trace = { key, id: hex(key, 16) };
  const spans = [];
  flatten(root, trace, start, null, "0", spans);
  return {
    traceId: trace.id,
    body: {
      resourceSpans: [{
        resource: { attributes: attributes({ "service.name": "assistant", ...resource }) },
        scopeSpans: [{ scope: { name: "telltale.samples", version: "1.0" }, spans }],
      }],
    },
  };
}

export async function post(base, path, body, headers = {}) {
  const answer = await fetch(base + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

export async function send(base, key, root, options = {}) {
  const { traceId, body } = request(key, root, options);
  await post(base, "/v1/traces", body, options.headers);
  return traceId;
}
