// LangChain under OpenInference or LangSmith's OpenTelemetry export: langchain_app.mjs openinference|langsmith SCENARIO
// SPDX-License-Identifier: Apache-2.0
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { BaseRetriever } from "@langchain/core/retrievers";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { DAYS, EMBEDDER, HOURS, LOOKUP, MAX_TOKENS, MODEL, ORDER, SESSION, SYSTEM, TAGS, TEMPERATURE, USER, act, batching, lookup } from "./calls.mjs";

const which = process.argv[2];
let provider;
if (which === "openinference") {
  const { LangChainInstrumentation } = await import("@arizeai/openinference-instrumentation-langchain");
  provider = await batching();
  const instrumentation = new LangChainInstrumentation();
  instrumentation.setTracerProvider(provider);
  instrumentation.manuallyInstrument(await import("@langchain/core/callbacks/manager"));
} else {
  const { initializeOTEL } = await import("langsmith/experimental/otel/setup");
  const made = initializeOTEL();
  provider = { forceFlush: () => made.DEFAULT_LANGSMITH_SPAN_PROCESSOR.forceFlush(), shutdown: () => made.DEFAULT_LANGSMITH_SPAN_PROCESSOR.shutdown() };
}
const configuration = { baseURL: process.env.MODEL_URL };
const chat = (model, more = {}) => new ChatOpenAI({ model, temperature: TEMPERATURE, maxTokens: MAX_TOKENS, maxRetries: 0, apiKey: "test-key", configuration, ...more });
const about = { tags: TAGS, metadata: { user_id: USER, session_id: SESSION, tier: "gold" } };
const find = tool(async (input) => JSON.stringify(await lookup(input)), { name: LOOKUP.name, description: LOOKUP.description, schema: z.object({ order_id: z.string() }) });
const talk = (text) => [new SystemMessage(SYSTEM), new HumanMessage(text)];

class Docs extends BaseRetriever {
  lc_namespace = ["shop"];
  async _getRelevantDocuments() {
    return [{ pageContent: "Open on Monday", metadata: { source: "doc_12" } }];
  }
}

await act({
  chat: () => ChatPromptTemplate.fromMessages([["system", SYSTEM], ["user", "{question}"]]).pipe(chat(MODEL)).invoke({ question: DAYS }, about),
  async stream() {
    for await (const _ of await chat(MODEL, { streamUsage: true }).stream(talk(DAYS), about));
  },
  async tools() {
    const model = chat(MODEL).bindTools([find]);
    const first = await model.invoke(talk(ORDER), about);
    const [call] = first.tool_calls;
    const told = await find.invoke(call, about);
    await model.invoke([...talk(ORDER), first, new ToolMessage({ tool_call_id: call.id, content: told.content, name: call.name })], about);
  },
  embed: () => new OpenAIEmbeddings({ model: EMBEDDER, apiKey: "test-key", configuration }).embedQuery(HOURS),
  retrieve: () => new Docs().invoke(HOURS, about),
  error: () => chat("gpt-0").invoke(talk(DAYS), about),
}, provider);
