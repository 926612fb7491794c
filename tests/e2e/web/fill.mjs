// fill.mjs -- what the main server holds while the cases run.
//
// SPDX-License-Identifier: Apache-2.0
import { settled } from "./browser.mjs";
import { hex, post, send } from "./otlp.mjs";
import { agent, bare, rag, rateLimited, unpriced, wide } from "./samples.mjs";

export const WIDE = 5200;
const TENANTS = ["acme", "globex", "initech", "hooli", "umbrella"];
const MODELS = ["gpt-4o-mini", "gpt-4.1-mini", "claude-haiku-4-5"];

/** Ids by name; "question" and "refund" are the newest, so that they are on the first page. */
export async function fill(server) {
  const now = Date.now();
  const at = (root, ago) => ({ start: now - ago - root.ms });
  const jobs = [];
  for (let i = 0; i < 150; i++) {
    const o = { tenant: TENANTS[(i * 7) % 5], user: `u-${1000 + ((i * 37) % 60)}`, session: `chat-${i % 40}`, request: `req_${(i * 7919).toString(16).padStart(6, "0")}` };
    const make = i % 25 === 8 ? rateLimited : [rag, bare, bare, agent, bare, unpriced, rag, bare, bare, bare][i % 10];
    if (make === bare) Object.assign(o, { model: MODELS[i % 3], ms: 260 + ((i * 211) % 1900), input: 90 + ((i * 97) % 900), output: 10 + ((i * 31) % 190) });
    if (make === rag) o.scale = 0.6 + ((i * 13) % 90) / 60;
    jobs.push([`fill-${i}`, make(o), 60_000 + ((i * 7_919_137) % 21_000_000)]);
  }
  const ids = {};
  for (const [key, root, ago] of jobs) await send(server.otlp, key, root, at(root, ago));
  for (const [name, root, ago] of [["wide", wide(WIDE), 40_000], ["limited", rateLimited(), 30_000], ["unpriced", unpriced(), 25_000], ["audited", rag({ request: "req_audited" }), 22_000], ["refund", agent(), 20_000], ["question", rag(), 10_000]])
    ids[name] = await send(server.otlp, `main-${name}`, root, at(root, ago));
  await post(server.otlp, "/v1/logs", { resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: String(BigInt(now - 11_000) * 1_000_000n), severityNumber: 13, severityText: "WARN",
    traceId: ids.question, spanId: hex("main-question/0.3", 8), eventName: "slow_first_token", body: { stringValue: "first token later than 400 ms" } }] }] }] });
  await post(server.api, "/api/v1/scores", [
    { trace_id: ids.question, name: "faithfulness", value: 0.82, source: "judge", judge_model: "gpt-4o", comment: "one claim is not in the context" },
    { trace_id: ids.question, name: "thumb", value: true, source: "user" }]);
  for (const [name, spans] of [["wide", WIDE], ["question", 12], ["refund", 9]]) await settled(server, ids[name], spans);
  return ids;
}
