// steps.ts -- how each kind of step (DECISIONS 5) is drawn.
// SPDX-License-Identifier: Apache-2.0
import type { IconName } from "./components/icon";

export interface Look { icon: IconName; color: string; word: string }

const look = (icon: IconName, color: string, word: string): Look => ({ icon, color: `var(--step-${color})`, word });

const LOOKS: { [step: string]: Look } = {
  request: look("request", "request", "request"),
  prompt: look("prompt", "prompt", "prompt"),
  rewrite: look("pencil", "prompt", "rewrite"),
  retrieval: look("documents", "retrieval", "retrieval"),
  search: look("search", "retrieval", "search"),
  rerank: look("sort", "retrieval", "rerank"),
  model: look("spark", "model", "model call"),
  embedding: look("vector", "embedding", "embedding"),
  tool: look("tool", "tool", "tool"),
  agent: look("agent", "agent", "agent"),
  workflow: look("flow", "agent", "workflow"),
  guard: look("shield", "guard", "guard"),
  evaluation: look("gauge", "guard", "evaluation"),
  http: look("globe", "other", "HTTP"),
  db: look("database", "retrieval", "database"),
};
const OTHER = look("circle", "other", "step");

export const lookOf = (step: string | null | undefined): Look => (step && Object.hasOwn(LOOKS, step) ? LOOKS[step]! : OTHER);
