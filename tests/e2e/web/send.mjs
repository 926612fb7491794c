// send.mjs -- fills a running server with samples: node send.mjs http://127.0.0.1:4318 [--live]
//
// SPDX-License-Identifier: Apache-2.0
import { send, post, hex } from "./otlp.mjs";
import { agent, bare, rag, rateLimited, unpriced, wide } from "./samples.mjs";

const base = process.argv[2] ?? "http://127.0.0.1:4318";
const kinds = [rag, bare, bare, agent, rag, bare, unpriced, rag, bare, rateLimited];
const tenants = ["acme", "globex", "initech", "hooli", "umbrella"];
const models = { rag: ["gpt-4o", "gpt-4.1", "claude-sonnet-4-5"], bare: ["gpt-4o-mini", "gpt-4.1-mini", "claude-haiku-4-5"] };
const tag = process.env.SEED ?? String(Date.now());
let seed = 7;
const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n; };

async function one(i, ago) {
  const make = kinds[random(kinds.length)];
  const o = { tenant: tenants[random(5)], user: `u-${1000 + random(60)}`, session: `chat-${random(90)}`, request: `req_${hex(`${tag}${i}`, 4)}` };
  if (models[make.name]) o.model = models[make.name][random(3)];
  if (make === rag) o.scale = 0.6 + random(90) / 60;
  if (make === bare) Object.assign(o, { ms: 240 + random(1800), input: 80 + random(900), output: 8 + random(200) });
  const root = make(o);
  return send(base, `${tag}-${i}`, root, { start: Date.now() - ago - root.ms });
}

for (let i = 0; i < Number(process.env.COUNT ?? 160); i++) await one(i, random(3600_000 * Number(process.env.HOURS ?? 3)));
const root = rag();
const id = await send(base, `${tag}-shown`, root, { start: Date.now() - root.ms - 4000 });
await post(base, "/v1/logs", { resourceLogs: [{ resource: { attributes: [{ key: "service.name", value: { stringValue: "assistant" } }] }, scopeLogs: [{ logRecords: [
  { timeUnixNano: String(BigInt(Date.now() - 5000) * 1000000n), severityNumber: 13, severityText: "WARN", traceId: id, spanId: hex(`${tag}-shown/0.3`, 8), eventName: "slow_first_token", body: { stringValue: "first token later than 400 ms" }, attributes: [] }] }] }] });
await send(base, `${tag}-agent`, agent(), { start: Date.now() - 16000 });
if (process.env.WIDE) console.log("wide", await send(base, `${tag}-wide`, wide(Number(process.env.WIDE))));
console.log("shown", id);
if (process.argv.includes("--live"))
  for (let i = 1e6; ; i++) {
    await one(i, 0);
    await new Promise((done) => setTimeout(done, 1500));
  }
