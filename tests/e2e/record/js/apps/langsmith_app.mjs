// LangSmith's wrappers with its OpenTelemetry export: langsmith_app.mjs otel SCENARIO
// SPDX-License-Identifier: Apache-2.0
import OpenAI from "openai";
import { Client } from "langsmith";
import { initializeOTEL } from "langsmith/experimental/otel/setup";
import { traceable } from "langsmith/traceable";
import { wrapOpenAI } from "langsmith/wrappers";
import { DAYS, EMBEDDER, HOURS, LOOKUP, MAX_TOKENS, MODEL, ORDER, SESSION, SYSTEM, TAGS, TEMPERATURE, USER, act, lookup } from "./calls.mjs";

const { DEFAULT_LANGSMITH_SPAN_PROCESSOR: processor } = initializeOTEL();
const langsmith = new Client({ autoBatchTracing: true });
const about = { client: langsmith, tags: TAGS, metadata: { user_id: USER, session_id: SESSION, tier: "gold" } };
const client = wrapOpenAI(new OpenAI({ baseURL: process.env.MODEL_URL, apiKey: "test-key", maxRetries: 0 }), about);
const ask = (text, more = []) => ({ model: MODEL, temperature: TEMPERATURE, max_tokens: MAX_TOKENS,
  messages: [{ role: "system", content: SYSTEM }, { role: "user", content: text }, ...more] });
const tools = [{ type: "function", function: LOOKUP }];
const find = traceable(lookup, { name: LOOKUP.name, run_type: "tool", ...about });

const scenarios = {
  chat: () => client.chat.completions.create(ask(DAYS)),
  async stream() {
    for await (const _ of await client.chat.completions.create({ ...ask(DAYS), stream: true, stream_options: { include_usage: true } }));
  },
  async tools() {
    const first = await client.chat.completions.create({ ...ask(ORDER), tools });
    const { message } = first.choices[0];
    const call = message.tool_calls[0];
    const result = await find(JSON.parse(call.function.arguments));
    return client.chat.completions.create({ ...ask(ORDER, [message, { role: "tool", tool_call_id: call.id, content: JSON.stringify(result) }]), tools });
  },
  embed: () => client.embeddings.create({ model: EMBEDDER, input: HOURS, encoding_format: "float" }),
  retrieve: traceable(async () => [{ page_content: "Open on Monday", metadata: { source: "doc_12" }, type: "Document" }], { name: "shop-docs", run_type: "retriever", ...about }),
  error: () => client.chat.completions.create({ ...ask(DAYS), model: "gpt-0" }),
};
const name = process.argv[3];
const scenario = scenarios[name];
scenarios[name] = () => traceable(async (question) => { await scenario(question); return "done"; }, { name: "answer", run_type: "chain", ...about })(name === "tools" ? ORDER : DAYS);
const flush = async () => { await langsmith.awaitPendingTraceBatches(); await processor.forceFlush(); };
await act(scenarios, { forceFlush: flush, shutdown: () => processor.shutdown() });
