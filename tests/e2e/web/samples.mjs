// samples.mjs -- traces that an assistant for a shop would send: what the UI is developed
// and tested with.  Each is a function, so that a test can vary it.
//
// SPDX-License-Identifier: Apache-2.0

const text = (content) => ({ type: "text", content });
const message = (role, ...parts) => ({ role, parts: parts.map((p) => (typeof p === "string" ? text(p) : p)) });

const sellerOf = (model) => (model?.startsWith("claude") ? "anthropic" : "openai");

const who = (o) => ({
  "app.feature": o.feature ?? "support-chat",
  "tenant.id": o.tenant ?? "acme",
  "user.id": o.user ?? "u-1042",
  "session.id": o.session ?? "chat-77",
  "deployment.environment.name": o.environment ?? "production",
  "request_id": o.request ?? "req_8f21c0",
});

const POLICY = `# Refunds

Orders can be returned within **30 days** of delivery. The item must be unused and in its original packaging.

1. Open *My orders* and pick the order.
2. Choose "Return an item" and print the label.
3. Hand the parcel in at any pick-up point.

The money is returned to the card within 5 working days after the parcel arrives.`;

const DOCS = [
  { id: "kb/refunds.md#2", score: 0.9132, content: POLICY },
  { id: "kb/shipping.md#7", score: 0.8418, content: "Returns are free of charge inside the EU. Outside of it the customer pays for the parcel." },
  { id: "kb/warranty.md#1", score: 0.7055, content: "The warranty covers defects for 24 months." },
  { id: "kb/gift-cards.md#3", score: 0.5521, content: "Gift cards cannot be returned." },
];

/** A question answered from documents: rewrite, hybrid retrieval, rerank, answer, guard. */
export function rag(o = {}) {
  const answer = "You can return it within 30 days of delivery, as long as it is unused and in its original packaging.\n\n"
    + "1. Open **My orders** and choose \"Return an item\"\n2. Print the label\n3. Hand the parcel in at a pick-up point\n\n"
    + "The refund reaches your card within 5 working days. [kb/refunds.md#2]";
  const k = o.scale ?? 1;
  return {
    name: "POST /api/assistant/query", kind: 2, ms: 2860 * k,
    attrs: { ...who(o), "http.request.method": "POST", "http.route": "/api/assistant/query", "app.release": "2026.11.3", "http.response.status_code": 200 },
    children: [
      { name: "render_prompt", at: 6, ms: 9, attrs: { prompt_template_id: "support_answer", prompt_version: "v14" } },
      {
        name: "rag.rewrite_query", at: 18 * k, ms: 412 * k,
        children: [{
          name: "chat gpt-4o-mini", kind: 3, at: 4, ms: 401 * k,
          attrs: {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18", "gen_ai.usage.input_tokens": 184, "gen_ai.usage.output_tokens": 14,
            "gen_ai.response.finish_reasons": ["stop"], "gen_ai.request.temperature": 0,
            "gen_ai.input.messages": JSON.stringify([message("user", "Rewrite as a search query: how do i send back the headphones i bought")]),
            "gen_ai.output.messages": JSON.stringify([{ ...message("assistant", "return policy headphones refund"), finish_reason: "stop" }]),
          },
        }],
      },
      {
        name: "rag.retrieve", at: 436 * k, ms: 318 * k,
        attrs: {
          "gen_ai.operation.name": "retrieval", retriever: "hybrid-v3", "index_name": "help-center", "index_version": "2026-11-18",
          "gen_ai.retrieval.query.text": "return policy headphones refund", "gen_ai.retrieval.documents": JSON.stringify(DOCS),
          top_k_requested: 8, top_k_returned: 4,
        },
        children: [
          { name: "embed", kind: 3, at: 3, ms: 61 * k, attrs: { "gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "openai", "gen_ai.request.model": "text-embedding-3-small", "gen_ai.response.model": "text-embedding-3-small", "gen_ai.usage.input_tokens": 8 } },
          { name: "vector_search", kind: 3, at: 66 * k, ms: 88 * k, attrs: { "db.system.name": "pgvector", "db.operation.name": "search" } },
          { name: "bm25_search", kind: 3, at: 66 * k, ms: 42 * k, attrs: { "db.system.name": "opensearch" } },
          { name: "rerank", at: 158 * k, ms: 152 * k, attrs: { "gen_ai.operation.name": "rerank", reranker_model_version: "bge-reranker-v2-m3" } },
        ],
      },
      {
        name: "llm.chat", kind: 3, at: 762 * k, ms: 1986 * k,
        attrs: {
          "gen_ai.operation.name": "chat", "gen_ai.provider.name": sellerOf(o.model), "gen_ai.request.model": o.model ?? "gpt-4o",
          "gen_ai.response.model": o.model ?? "gpt-4o-2024-08-06", "gen_ai.response.id": `resp_${o.request ?? "8f21c0"}`,
          "gen_ai.usage.input_tokens": Math.round(2410 * k), "gen_ai.usage.output_tokens": Math.round(268 * k),
          "gen_ai.usage.cache_read.input_tokens": Math.round(1536 * k), "gen_ai.response.finish_reasons": ["stop"],
          "gen_ai.request.temperature": 0.2, "gen_ai.request.top_p": 0.95, "gen_ai.request.max_tokens": 800, "gen_ai.request.seed": 7,
          "gen_ai.request.stream": true, "gen_ai.response.time_to_first_chunk": 0.431 * k,
          "gen_ai.prompt.name": "support_answer", prompt_version: "v14", "llm.cost_usd": 0.0069,
          "gen_ai.system_instructions": JSON.stringify([text("You are the support assistant of the shop. Answer from the documents only, cite the document id, and keep it under 120 words.")]),
          "gen_ai.input.messages": JSON.stringify([
            message("user", "hi, how do i send back the headphones i bought last week?"),
            message("assistant", "Happy to help. Were they opened?"),
            message("user", `no, still sealed\n\nDocuments:\n\n${DOCS.map((d) => `## ${d.id}\n${d.content}`).join("\n\n")}`),
          ]),
          "gen_ai.output.messages": JSON.stringify([{ ...message("assistant", { type: "reasoning", content: "Sealed and last week: within 30 days. Cite kb/refunds.md#2." }, answer), finish_reason: "stop" }]),
        },
        events: [{ name: "gen_ai.first_token", at: 431 * k, attrs: { index: 0 } }, { name: "stream.end", at: 1980 * k, attrs: { chunks: 271 } }],
      },
      { name: "safety.check_response", at: 2752 * k, ms: 88 * k, attrs: { "guard.name": "llama-guard", "guard.verdict": "pass", "guard.stage": "response" } },
      { name: "response.serialize", at: 2844 * k, ms: 9 },
    ],
  };
}

const TOOLS = [
  { type: "function", name: "find_order", description: "Looks an order up by its number", parameters: { type: "object", properties: { order: { type: "string" } }, required: ["order"] } },
  { type: "function", name: "create_refund", description: "Refunds an order", parameters: { type: "object", properties: { order: { type: "string" }, amount_eur: { type: "number" } } } },
];

const call = (id, name, args) => ({ type: "tool_call", id, name, arguments: args });
const result = (id, response) => ({ type: "tool_call_response", id, response });

/** An agent that loops over tools; one of them fails and is tried again. */
export function agent(o = {}) {
  const model = o.model ?? "claude-sonnet-4-5";
  const turns = [
    [message("user", "Please refund order A-20817, the lamp came broken. Here is a photo.", { type: "blob", mime_type: "image/jpeg", modality: "image", content: "/9j/4AAQSkZJRgABAQ" },
      { type: "uri", mime_type: "image/png", modality: "image", uri: "https://images.example/lamp.png" })],
    [message("assistant", "I look the order up first.", call("toolu_01", "find_order", { order: "A-20817" }))],
    [message("tool", result("toolu_01", { order: "A-20817", status: "delivered", total_eur: 49.9, items: [{ sku: "LAMP-4", qty: 1, price_eur: 49.9 }], delivered: "2026-11-14" }))],
    [message("assistant", call("toolu_02", "create_refund", { order: "A-20817", amount_eur: 49.9 }))],
    [message("tool", result("toolu_02", { error: "payment gateway timed out after 1500 ms" }))],
    [message("assistant", "The payment service did not answer, I try once more.", call("toolu_03", "create_refund", { order: "A-20817", amount_eur: 49.9 }))],
    [message("tool", result("toolu_03", { refund: "rf_5513", state: "accepted" }))],
  ];
  const done = "Done: I refunded 49.90 € for the lamp (refund rf_5513). It reaches your card within 5 working days, and you can keep the lamp.";
  const chat = (at, ms, upTo, out, used, i) => ({
    name: `chat ${model}`, kind: 3, at, ms,
    attrs: {
      "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": model, "gen_ai.response.model": `${model}-20250929`,
      "gen_ai.response.id": `msg_${o.request ?? "a"}_${i}`, "gen_ai.usage.input_tokens": used[0], "gen_ai.usage.output_tokens": used[1],
      "gen_ai.usage.cache_read.input_tokens": used[2], "gen_ai.usage.cache_creation.input_tokens": used[3],
      "gen_ai.request.max_tokens": 1024, "gen_ai.response.finish_reasons": [i === 3 ? "end_turn" : "tool_use"], "gen_ai.response.time_to_first_chunk": 0.3 + i * 0.04,
      "gen_ai.system_instructions": JSON.stringify([text("You are the refund agent. Check the order before you refund anything.")]),
      "gen_ai.tool.definitions": JSON.stringify(TOOLS),
      "gen_ai.input.messages": JSON.stringify(turns.slice(0, upTo).flat()),
      "gen_ai.output.messages": JSON.stringify(out),
    },
  });
  const tool = (at, ms, name, id, more = {}) => ({
    name: `execute_tool ${name}`, at, ms, ...more,
    attrs: { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.call.id": id, "gen_ai.tool.type": "function",
      "gen_ai.tool.call.arguments": JSON.stringify({ order: "A-20817" }), ...(more.attrs ?? {}) },
  });
  return {
    name: "invoke_agent refund-agent", ms: 9480,
    attrs: { ...who({ feature: "refund-agent", tenant: "globex", user: "u-7", session: "chat-81", request: "req_5513aa", ...o }),
      "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "refund-agent", "gen_ai.agent.id": "agent-3",
      "gen_ai.usage.input_tokens": 8132, "gen_ai.usage.output_tokens": 371 },
    children: [
      chat(12, 1490, 1, turns[1], [1210, 62, 0, 1024], 0),
      tool(1510, 184, "find_order", "toolu_01", { children: [{ name: "GET /orders/{id}", kind: 3, at: 6, ms: 171, attrs: { "http.request.method": "GET", "http.route": "/orders/{id}", "http.response.status_code": 200, "server.address": "orders.internal" } }] }),
      chat(1702, 1320, 3, turns[3], [1618, 58, 1024, 384], 1),
      tool(3030, 1512, "create_refund", "toolu_02", {
        status: { code: 2, message: "payment gateway timed out after 1500 ms" },
        attrs: { "error.type": "TimeoutError" },
        events: [{ name: "exception", at: 1508, attrs: { "exception.type": "TimeoutError", "exception.message": "payment gateway timed out after 1500 ms", "exception.stacktrace": "Traceback (most recent call last):\n  File \"refund.py\", line 88, in create_refund\n    await gateway.post(body, timeout=1.5)\nTimeoutError" } }],
      }),
      chat(4550, 1610, 5, turns[5], [2204, 91, 1408, 512], 2),
      tool(6170, 742, "create_refund", "toolu_03"),
      chat(6920, 2540, 7, [{ ...message("assistant", done), finish_reason: "stop" }], [3100, 160, 1920, 640], 3),
    ],
  };
}

/** A provider that says no: rate limit, then an error to the user. */
export function rateLimited(o = {}) {
  const fail = (at, ms, attempt) => ({
    name: "chat gpt-4o", kind: 3, at, ms, status: { code: 2, message: "429 Rate limit reached for gpt-4o in organization on tokens per min" },
    attrs: { "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "error.type": "RateLimitError", "http.response.status_code": 429, attempt },
    events: [{ name: "exception", at: ms - 1, attrs: { "exception.type": "RateLimitError", "exception.message": "429 Rate limit reached" } }],
  });
  return {
    name: "POST /api/assistant/query", kind: 2, ms: 4210, status: { code: 2, message: "upstream rate limit" },
    attrs: { ...who({ tenant: "initech", user: "u-55", ...o }), "http.route": "/api/assistant/query", "http.request.method": "POST", "http.response.status_code": 503 },
    children: [fail(20, 340, 1), fail(1400, 310, 2), fail(3880, 322, 3)],
  };
}

/** A batch summary by a model without a price, and nothing known about its tokens. */
export function unpriced(o = {}) {
  return {
    name: "summarize_tickets", ms: 6120,
    attrs: who({ feature: "weekly-digest", tenant: "acme", user: "cron", environment: "staging", session: "batch-12", request: "req_77d1", ...o }),
    children: [{
      name: "chat llama-4-local", kind: 3, at: 40, ms: 6040,
      attrs: { "gen_ai.operation.name": "chat", "gen_ai.provider.name": "ollama", "gen_ai.request.model": "llama-4-local", "gen_ai.response.model": "llama-4-local",
        ...(o.tokens === false ? {} : { "gen_ai.usage.input_tokens": 9120, "gen_ai.usage.output_tokens": 733 }),
        "gen_ai.output.messages": JSON.stringify([{ ...message("assistant", '{"tickets": 41, "top": ["refunds", "delivery"], "tone": "calm"}'), finish_reason: "stop" }]) },
    }],
  };
}

/** One model call without anything around it. */
export function bare(o = {}) {
  return {
    name: `chat ${o.model ?? "gpt-4o-mini"}`, kind: 3, ms: o.ms ?? 640,
    attrs: { ...who({ feature: "autocomplete", tenant: "hooli", user: "u-9", session: "s-3", ...o }),
      "gen_ai.operation.name": "chat", "gen_ai.provider.name": sellerOf(o.model), "gen_ai.request.model": o.model ?? "gpt-4o-mini", "gen_ai.response.model": o.model ?? "gpt-4o-mini",
      "gen_ai.usage.input_tokens": o.input ?? 220, "gen_ai.usage.output_tokens": o.output ?? 31, "gen_ai.response.finish_reasons": ["stop"], "gen_ai.response.time_to_first_chunk": (o.ms ?? 640) / 2600,
      "gen_ai.input.messages": JSON.stringify([message("user", o.question ?? "Complete: the parcel is")]),
      "gen_ai.output.messages": JSON.stringify([{ ...message("assistant", o.answer ?? "on its way."), finish_reason: "stop" }]) },
  };
}

/** A trace of `count` spans, ten wide, for the limits of the waterfall. */
export function wide(count) {
  const root = { name: "bulk import", ms: count, attrs: who({ feature: "import" }), children: [] };
  let left = count - 1;
  for (let i = 0; left > 0; i++) {
    const children = [];
    left--;
    for (let j = 0; j < 9 && left > 0; j++, left--)
      children.push({ name: `step ${i}.${j}`, at: j, ms: 2 + (j % 3) });
    root.children.push({ name: `item ${i}`, at: i * 10, ms: 10, children });
  }
  return root;
}
