// Langfuse's own tracing and its wrapper of the OpenAI SDK: langfuse_app.mjs openai|tracing SCENARIO
// SPDX-License-Identifier: Apache-2.0
import OpenAI from "openai";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { observeOpenAI } from "@langfuse/openai";
import { propagateAttributes, startActiveObservation, startObservation } from "@langfuse/tracing";
import { DAYS, EMBEDDER, HOURS, LOOKUP, MAX_TOKENS, MODEL, ORDER, PROMPT, SESSION, SYSTEM, TAGS, TEMPERATURE, USER, act, exporter, lookup, provide } from "./calls.mjs";

process.env.LANGFUSE_PUBLIC_KEY = process.env.LANGFUSE_SECRET_KEY = "test-key";
const provider = provide(new LangfuseSpanProcessor({ exporter: await exporter(), environment: "staging", release: "r7" }));
const plain = new OpenAI({ baseURL: process.env.MODEL_URL, apiKey: "test-key", maxRetries: 0 });
const client = observeOpenAI(plain, { langfusePrompt: { ...PROMPT, isFallback: false }, generationMetadata: { tier: "gold" } });
const ask = (text, more = []) => ({ model: MODEL, temperature: TEMPERATURE, max_tokens: MAX_TOKENS,
  messages: [{ role: "system", content: SYSTEM }, { role: "user", content: text }, ...more] });
const tools = [{ type: "function", function: LOOKUP }];

const wrapped = {
  chat: () => client.chat.completions.create(ask(DAYS)),
  async stream() {
    for await (const _ of await client.chat.completions.create({ ...ask(DAYS), stream: true, stream_options: { include_usage: true } }));
  },
  async tools() {
    const first = await client.chat.completions.create({ ...ask(ORDER), tools });
    const { message } = first.choices[0];
    const call = message.tool_calls[0];
    const result = await startActiveObservation(call.function.name, async (tool) => {
      const told = await lookup(JSON.parse(call.function.arguments));
      tool.update({ input: JSON.parse(call.function.arguments), output: told });
      return told;
    }, { asType: "tool" });
    await client.chat.completions.create({ ...ask(ORDER, [message, { role: "tool", tool_call_id: call.id, content: JSON.stringify(result) }]), tools });
  },
  embed: () => client.embeddings.create({ model: EMBEDDER, input: HOURS, encoding_format: "float" }),
  error: () => client.chat.completions.create({ ...ask(DAYS), model: "gpt-0" }),
};

// What one writes by hand: the call is made elsewhere, its numbers are told.
const manual = {
  async chat() {
    const request = ask(DAYS);
    const generation = startObservation("answer", { model: MODEL, input: request.messages, metadata: { tier: "gold" }, prompt: { ...PROMPT, isFallback: false },
      modelParameters: { temperature: TEMPERATURE, max_tokens: MAX_TOKENS } }, { asType: "generation" });
    const answer = await plain.chat.completions.create(request);
    const { usage } = answer;
    const cached = usage.prompt_tokens_details.cached_tokens, reasoning = usage.completion_tokens_details.reasoning_tokens;
    generation.update({ output: answer.choices[0].message, completionStartTime: new Date(), costDetails: { total: 0.0005 }, usageDetails: {
      input: usage.prompt_tokens - cached, input_cached_tokens: cached, output: usage.completion_tokens - reasoning, output_reasoning_tokens: reasoning,
      total: usage.total_tokens } }).end();
  },
  async error() {
    const generation = startObservation("answer", { model: "gpt-0", input: ask(DAYS).messages }, { asType: "generation" });
    try {
      await plain.chat.completions.create({ ...ask(DAYS), model: "gpt-0" });
    } catch (fault) {
      generation.update({ level: "ERROR", statusMessage: fault.message }).end();
      throw fault;
    }
  },
  async retrieve() {
    await startActiveObservation("shop-docs", async (retriever) => retriever.update({ input: HOURS, output: [{ id: "doc_12", content: "Open on Monday", score: 0.75 }] }),
      { asType: "retriever" });
    await startActiveObservation("no-prices", async (guard) => guard.update({ input: "The shop is open.", output: { passed: true } }), { asType: "guardrail" });
  },
};
const scenarios = process.argv[2] === "openai" ? wrapped : manual;
const scenario = scenarios[process.argv[3]];
scenarios[process.argv[3]] = () => propagateAttributes(
  { userId: USER, sessionId: SESSION, tags: TAGS, metadata: { plan: "pro" }, traceName: "support", version: "v3" },
  () => startActiveObservation("POST /ask", scenario));
await act(scenarios, provider);
