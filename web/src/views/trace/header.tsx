// header.tsx -- the whole trace in two lines.
// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import type { Score, Trace } from "../../api";
import { Icon } from "../../components/icon";
import { Copy, Time } from "../../components/shared";
import { count, duration, plural, UNKNOWN } from "../../format";
import { quote } from "../../filter";
import { back, follow } from "../../router";
import { Cost, Status } from "../traces/table";
import { lookOf } from "../../steps";

function Total({ name, title, children }: { name: string; title?: string; children: ComponentChildren }) {
  return <div class="total" title={title}><dt>{name}</dt><dd class="num">{children}</dd></div>;
}

/** A dimension; a click finds the other traces with it. */
function Dimension({ name, field, value }: { name: string; field: string; value: string | null }) {
  if (!value) return null;
  return (
    <a class="dimension" href={`/traces?q=${encodeURIComponent(`${field}:${quote(value)}`)}`} onClick={follow} title={`All traces with ${name} ${value}`}>
      <span>{name}</span><b class="cut bidi">{value}</b>
    </a>
  );
}

const SCORES_SHOWN = 12;

/** What was thought of the answer; the comment and who said it are in the title. */
function Scores({ scores }: { scores: Score[] }) {
  if (!scores.length) return null;
  const more = scores.length - SCORES_SHOWN;
  return (
    <ul class="scores" aria-label="Scores">
      {scores.slice(0, SCORES_SHOWN).map((score) => {
        const value = score.value === true ? "yes" : score.value === false ? "no" : String(score.value ?? "");
        const who = [score.source, score.evaluator, score.judge_model].filter(Boolean).join(", ");
        return (
          <li key={score.id} title={[`by ${who}`, score.label && score.label !== value ? score.label : null, score.comment].filter(Boolean).join(" · ")}>
            <span>{score.name}</span><b class="num cut bidi">{value}</b><i>{score.source}</i>
          </li>
        );
      })}
      {more > 0 && <li><span>and {count(more)} more</span></li>}
    </ul>
  );
}

export function Header({ trace, scores }: { trace: Trace; scores: Score[] }) {
  const look = lookOf(trace.step);
  return (
    <header class="trace-head">
      <div class="title-row">
        <button type="button" class="button quiet square" aria-label="Back to the list" title="Back (esc)" onClick={() => back("/traces")}><Icon name="back" /></button>
        <span title={look.word}><Icon name={look.icon} color={look.color} /></span>
        <h1 class="cut">{trace.name ?? "unnamed trace"}</h1>
        <Status trace={trace} />
        {!trace.settled && <span class="badge accent" title="More spans may come"><i class="dot beat" />open</span>}
        <span class="grow" />
        <span class="dim cut trace-id mono left"><Copy text={trace.trace_id} label="trace id" /></span>
        <span class="dim when"><Time iso={trace.start_time} full /></span>
      </div>
      <div class="totals-row">
        <dl class="totals">
          <Total name="Latency">{duration(trace.latency_ms)}</Total>
          <Total name="TTFT" title="Time to the first token, of the last answering call">{duration(trace.ttft_ms)}</Total>
          <Total name="Tokens" title={`${count(trace.total_tokens)} in all`}>{trace.total_tokens === null ? UNKNOWN : <>{count(trace.input_tokens)}<span class="dim"> in </span>{count(trace.output_tokens)}<span class="dim"> out</span></>}</Total>
          <Total name="Cost"><Cost usd={trace.estimated_cost_usd} unpriced={trace.unpriced_count} calls={trace.model_call_count} six /></Total>
          <Total name="Model" title={trace.provider ?? undefined}>{trace.generator_model ? <span class="mono">{trace.generator_model}</span> : UNKNOWN}</Total>
          <Total name="Steps" title={`${count(trace.span_count)} spans`}>
            {count(trace.span_count)}<span class="dim"> · {plural(trace.model_call_count, "model call")}{trace.tool_call_count ? ` · ${plural(trace.tool_call_count, "tool call")}` : ""}{trace.retry_count ? ` · ${count(trace.retry_count)} retried` : ""}</span>
          </Total>
        </dl>
      </div>
      <div class="dimensions">
        <Dimension name="service" field="service" value={trace.service} />
        <Dimension name="feature" field="feature" value={trace.feature} />
        <Dimension name="tenant" field="tenant" value={trace.tenant_id} />
        <Dimension name="user" field="user" value={trace.user_id} />
        <Dimension name="session" field="session" value={trace.session_id} />
        <Dimension name="request" field="request" value={trace.request_id} />
        <Dimension name="env" field="env" value={trace.environment} />
        <Dimension name="release" field="version" value={trace.release} />
        <Dimension name="prompt" field="prompt" value={trace.prompt_template_id} />
        <Dimension name="prompt version" field="prompt_version" value={trace.prompt_version} />
        <Dimension name="index" field="index_version" value={trace.index_version} />
      </div>
      <Scores scores={scores} />
    </header>
  );
}
