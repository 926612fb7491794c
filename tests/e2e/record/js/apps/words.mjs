// What every application asks.
// SPDX-License-Identifier: Apache-2.0
export const MODEL = "gpt-4o-mini";
export const EMBEDDER = "text-embedding-3-small";
export const SYSTEM = "You are the support assistant of a shop. Answer in one sentence.";
export const DAYS = "Which days is the shop open?";
export const ORDER = "Where is my order A-17?";
export const HOURS = "opening hours";
export const TEMPERATURE = 0.2;
export const MAX_TOKENS = 64;
export const USER = "user-31";
export const SESSION = "chat-9";
export const TAGS = ["shop", "beta"];
export const PROMPT = { name: "support", version: 17 };
export const LOOKUP = { name: "lookup_order", description: "Status of an order", parameters: {
  type: "object", properties: { order_id: { type: "string" } }, required: ["order_id"], additionalProperties: false } };
export const lookup = async ({ order_id }) => ({ order_id, status: "shipped" });
