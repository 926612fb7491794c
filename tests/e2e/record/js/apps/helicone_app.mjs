// Calls logged with @helicone/helpers: one of OpenAI's and one of Anthropic's, a streamed one, a tool, a failure.  The answers are
// scripted here: the logger sends what it is given.  LOG_URL is its endpoint.  SPDX-License-Identifier: Apache-2.0
import { HeliconeManualLogger } from "@helicone/helpers";

const logger = new HeliconeManualLogger({ apiKey: "test-key", loggingEndpoint: process.env.LOG_URL, headers: { "Helicone-User-Id": "u-1" } });
const session = { "Helicone-Session-Id": "0190a2b4-7c1e-7000-8000-0000000000aa", "Helicone-Session-Name": "support", "Helicone-Property-Feature": "faq" };
const openai = { model: "gpt-4o-mini", temperature: 0.2, messages: [{ role: "user", content: "Is the shop open? – ja 🙂" }] };
const anthropic = { model: "claude-sonnet-4-20250514", max_tokens: 500, system: "Be brief", messages: [{ role: "user", content: "open?" }] };
const answered = { id: "chatcmpl-1", model: "gpt-4o-mini-2024-07-18", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Yes." } }],
  usage: { prompt_tokens: 100, completion_tokens: 40, total_tokens: 140, prompt_tokens_details: { cached_tokens: 60 } } };

const log = (request, response, path, provider) =>
  logger.logRequest(request, async (recorder) => recorder.appendResults(response), { ...session, "Helicone-Session-Path": path }, provider);

await log(openai, answered, "/support/openai", "OPENAI");
await log(anthropic, { id: "msg_1", type: "message", role: "assistant", model: anthropic.model, stop_reason: "end_turn", content: [{ type: "text", text: "Yes." }],
  usage: { input_tokens: 718, cache_read_input_tokens: 1024, cache_creation_input_tokens: 100, output_tokens: 318 } }, "/support/anthropic", "ANTHROPIC");
await log({ _type: "tool", toolName: "search", input: { q: "hours" } }, { output: { open: true } }, "/support");

async function* chunks() {
  for (const delta of [{ role: "assistant", content: "Yes, " }, { content: "until five." }])
    yield { id: "chatcmpl-2", model: "gpt-4o-mini-2024-07-18", choices: [{ index: 0, delta }] };
  yield { id: "chatcmpl-2", model: "gpt-4o-mini-2024-07-18", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
  yield { id: "chatcmpl-2", choices: [], usage: { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 } };
}
const streamed = logger.logBuilder({ ...openai, stream: true }, { ...session, "Helicone-Session-Path": "/support/streamed" });
await streamed.attachStream(chunks());
await streamed.sendLog();

const failed = logger.logBuilder(openai, { ...session, "Helicone-Session-Path": "/support/failed" });
const error = new RangeError("too slow");
error.stack = "RangeError: too slow\n    at work (app.js:1:1)";
failed.setError(error);
await failed.sendLog();
