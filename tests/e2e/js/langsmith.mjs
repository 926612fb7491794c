/* LangSmith's client for JavaScript: a tree with a retrieval, a tool and a wrapped call, a failure, feedback.
 * Prints the id of the trace.  LANGSMITH_* name the server, MODEL_URL the model.  SPDX-License-Identifier: Apache-2.0 */
import { Client } from "langsmith";
import { getCurrentRunTree, traceable } from "langsmith/traceable";
import { wrapOpenAI } from "langsmith/wrappers";
import OpenAI from "openai";

const client = new Client();
const openai = wrapOpenAI(new OpenAI({ baseURL: process.env.MODEL_URL, apiKey: "test-key", maxRetries: 0 }), { client });
const fetchDocuments = traceable(async (query) => [{ page_content: "Paris is in France", metadata: { score: 0.9 }, type: "Document" }],
  { name: "fetch", run_type: "retriever", client });
const lookUp = traceable(async (order) => ({ status: "shipped" }), { name: "look_up", run_type: "tool", client });
const fail = traceable(async () => { throw new TypeError("no such order"); }, { name: "fail", client });
let ids;
const answer = traceable(async (question) => {
  const run = getCurrentRunTree();
  ids = { run: run.id, trace: run.trace_id };
  await fetchDocuments(question);
  await lookUp({ order_id: "A-17" });
  await fail().catch(() => undefined);
  await new Promise((done) => setTimeout(done, 400)); // so that its end comes in another request
  const tools = [{ type: "function", function: { name: "lookup_order", parameters: { type: "object", properties: {} } } }];
  await openai.chat.completions.create({ model: "gpt-4o-mini", temperature: 0.2, tools, messages: [
    { role: "system", content: "Be brief." }, { role: "user", content: "Where is A-17?" }] });
  const request = { model: "gpt-4o-mini", stream: true, stream_options: { include_usage: true }, messages: [{ role: "user", content: question }] };
  let text = "";
  for await (const chunk of await openai.chat.completions.create(request))
    text += chunk.choices[0]?.delta.content ?? "";
  return text;
}, { name: "answer", run_type: "chain", tags: ["beta"], metadata: { session_id: "s-1", user_id: "u-1" }, client });

await answer("Capital?");
await client.createFeedback(ids.run, "helpful", { score: 1, comment: "good", traceId: ids.trace, sessionId: ids.trace });
await client.awaitPendingTraceBatches();
console.log(ids.trace);
