// api.ts -- typed client of /api/v1.  Unknown values are null, as the API sends them.
// SPDX-License-Identifier: Apache-2.0

export interface Trace {
  trace_id: string; root_span_id: string | null; name: string | null; step: string | null;
  service: string | null; endpoint: string | null; status: string | null;
  start_time: string; end_time: string; latency_ms: number; ttft_ms: number | null;
  span_count: number; error_count: number; model_call_count: number; tool_call_count: number; retry_count: number;
  input_tokens: number | null; output_tokens: number | null; total_tokens: number | null;
  estimated_cost_usd: number | null; unpriced_count: number;
  tenant_id: string | null; user_id: string | null; session_id: string | null; request_id: string | null;
  feature: string | null; environment: string | null; release: string | null;
  provider: string | null; generator_model: string | null;
  prompt_template_id: string | null; prompt_version: string | null; prompt_hash: string | null;
  retriever: string | null; index_version: string | null;
  safety_blocked: boolean | null; faithfulness: number | null; settled: boolean;
}

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** The fields of a span that the UI names; every other one is reached by its name. */
export interface Span {
  trace_id: string; span_id: string; parent_span_id?: string | null; name?: string | null;
  kind?: string | null; step?: string | null; operation?: string | null;
  status?: string | null; status_message?: string | null; error_type?: string | null; error_class?: string | null;
  start_time: string; end_time?: string | null; latency_ms?: number | null; ttft_ms?: number | null;
  provider?: string | null; request_model?: string | null; generator_model?: string | null;
  input_tokens?: number | null; output_tokens?: number | null; total_tokens?: number | null;
  usage?: { [bucket: string]: Json }; estimated_cost_usd?: number | null;
  cost?: { by_bucket?: { [bucket: string]: number } | null; source?: string | null; price_id?: string | null; price_date?: string | null; sender_usd?: number | null };
  parameters?: JsonObject | null; attributes?: JsonObject; links?: JsonObject[]; events?: JsonObject[] | null;
  payload?: { [role: string]: number | null }; preview?: { input?: string | null; output?: string | null } | null;
  source_ids?: string[] | null; document_scores?: number[] | null; chunk_ids?: string[] | null;
  rollup?: boolean | null; settled?: boolean;
  [field: string]: unknown;
}

export interface Log { time: string; span_id: string; severity: number; severity_text: string | null; event_name: string | null; attributes: JsonObject }
export interface Score {
  id: string; name: string; value: number | boolean | string | null; label: string | null; comment: string | null; source: string;
  trace_id: string | null; span_id: string | null; response_id: string | null; evaluator: string | null; judge_model: string | null; time: string;
}
export interface TraceDetail { trace: Trace; spans: Span[]; logs: Log[]; scores: Score[]; next_cursor: string | null }
export interface Page<T> { items: T[]; next_cursor: string | null }
export interface Group { time: string | null; by: { [name: string]: string | number | boolean | null }; values: { [metric: string]: number | null }; exemplar_trace_id: string | null }
export interface Aggregate { items: Group[]; step_ms: number | null; from: string; to: string }

export interface Part { type?: string; content?: Json; id?: string; name?: string; arguments?: Json; response?: Json; result?: Json; mime_type?: string; modality?: string; uri?: string; file_id?: string; [key: string]: Json | undefined }
export interface Message { role?: string; parts?: Part[]; content?: Json; name?: string; finish_reason?: string }
export interface Payload { input: Message[]; output: Message[]; system: Part[] | null; tools: Json; documents: JsonObject[]; raw: JsonObject }

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | null = null,
    /** Bytes into the filter, where the error is in one. */
    readonly offset: number | null = null,
  ) {
    super(message);
  }
}

const KEY = "telltale.key";
const listeners = new Set<() => void>();

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set(value: string) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
    listeners.forEach((f) => f());
  },
  onChange(f: () => void) {
    listeners.add(f);
    return () => void listeners.delete(f);
  },
};

export type Params = { [name: string]: string | number | null | undefined };

export function query(params: Params): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    if (value !== null && value !== undefined && value !== "") out.set(name, String(value));
  const text = out.toString();
  return text ? `?${text}` : "";
}

async function failure(answer: Response): Promise<ApiError> {
  try {
    const { error } = await answer.json();
    return new ApiError(answer.status, error.code, error.message, error.hint, error.offset);
  } catch {
    return new ApiError(answer.status, "HTTP", `the server answered ${answer.status}`);
  }
}

async function get<T>(path: string, params: Params = {}, signal?: AbortSignal, headers: Record<string, string> = {}): Promise<T> {
  const secret = key.get();
  if (secret) headers = { ...headers, authorization: `Bearer ${secret}` };
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}${query(params)}`, { signal: signal ?? null, headers });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError(0, "UNREACHABLE", "the server does not answer", "is telltale still running?");
  }
  if (!answer.ok) throw await failure(answer);
  try {
    return (await answer.json()) as T;
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError(answer.status, "GARBLED", "the answer is not what the server sends", "is there a proxy in between?");
  }
}

/** A trace with all its spans, however many pages they are. */
async function trace(id: string, signal?: AbortSignal): Promise<TraceDetail> {
  const path = `/traces/${encodeURIComponent(id)}`;
  const whole = await get<TraceDetail>(path, {}, signal);
  const scores = new Map(whole.scores.map((score) => [score.score_id, score]));
  for (let cursor = whole.next_cursor; cursor; ) {
    const page = await get<TraceDetail>(path, { cursor }, signal);
    whole.spans.push(...page.spans);
    page.scores.forEach((score) => scores.set(score.score_id, score));
    cursor = page.next_cursor;
  }
  return { ...whole, scores: [...scores.values()] };
}

export const api = {
  traces: (params: Params, signal?: AbortSignal) => get<Page<Trace>>("/traces", params, signal),
  trace,
  span: (traceId: string, spanId: string, signal?: AbortSignal) => get<Span>(`/spans/${traceId}/${spanId}`, {}, signal),
  aggregate: (params: Params, signal?: AbortSignal) => get<Aggregate>("/aggregate", params, signal),
  payload: (traceId: string, spanId: string, reason: string, signal?: AbortSignal) =>
    get<Payload>(`/spans/${traceId}/${spanId}/payload`, {}, signal, { "x-telltale-reason": reason }),
};
