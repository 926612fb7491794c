#!/usr/bin/env python3
"""Make docs/metrics.md from src/query/metric.def.

usage: tools/gen_metric_doc.py          write it
       tools/gen_metric_doc.py --check  fail when it is stale

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE, DOC = "src/query/metric.def", "docs/metrics.md"
CELL = re.compile(r'"((?:[^"\\]|\\.)*)"|([A-Z_]+)')
UNITS = {"COUNT": "", "NUMBER": "", "SHARE": "0 to 1", "NANO": "US dollars", "NS": "ms", "TIME": "time"}
FORMS = {"ONE": "{0}", "RATIO": "{0} ÷ {1}", "COMPLEMENT": "1 − {0} ÷ {1}", "DIFFERENCE": "{0} − {1}",
         "PER_NS": "{0} ÷ {1}, per second", "PER_SECOND": "{0}, per second of the range or step",
         "PER_DAY": "{0}, per day of the range or step"}
HEAD = """# Metrics

Made by `tools/gen_metric_doc.py` from `src/query/metric.def`; do not edit.

`GET /api/v1/aggregate` answers with numbers of groups of spans:

| parameter | what |
| --- | --- |
| `metric` | comma list of the names below, or of metrics written out; default `count` |
| `by` | up to four fields or attributes |
| `step` | width of a time step, `1s` or more, aligned to multiples since 1970 UTC |
| `q` | which spans: [filters.md](filters.md) |
| `from`, `to` | the range of their starts |
| `limit` | groups at most, largest first by the first metric |
| `top` | so many groups, the largest over the whole range, and the rest as `other`; with `step` a series for each |
| `compare` | `previous` (as long before), `FROM..TO` (another range), `FIELD:A..B` (spans with B against those with A, as `prompt_version:v1..v2`), `FIELD:A` (from the first span with A on, against as long before, as `release:1.5`) |
| `projection` | `month`: what sums and counts will come to by the end of the month (UTC) |

```
curl -s 'localhost:4320/api/v1/aggregate?metric=cost,error_rate,latency_p95&by=model&top=5&compare=previous&from=now-7d'
```

Each item has `time` (with a step), `by`, `values`, `exemplar_trace_id` (the trace of its slowest span), and

- `unknown`: of a metric that says nothing about some of the spans, about how many. Unknown is never counted as 0: a number
  of nothing is `null`, and a share is of those spans that say.
- `baseline` and `change`, with `compare`: the numbers compared with, and (now − before) ÷ before.

Ratios are of two sums over the group, never means of ratios, so they are right for any grouping. Percentiles are exact: the
smallest value that the share does not exceed. Usage and cost are of counted calls: a span whose usage repeats another's
(`rollup`) is left out.

**Written out.** `OP(WHAT)`, and to choose spans for that number alone `OP(WHAT) where FILTER`:

| operation | of |
| --- | --- |
| `p0` to `p100` (`p99.9`), `median`, `avg`, `sum`, `min`, `max`, `var` | a number: a field, an attribute, `end` (start and duration), `score.NAME`, `scores` |
| `known(FIELD)` | how many spans know it; of a list its items |
| `distinct(FIELD)` | different values |
| `count(FILTER)`, `traces(FILTER)`, `share(FILTER)` | spans, distinct traces, spans as a share of all |
| `count(score.NAME by user pass)` | scores; `by` api, user, judge, code or human, `pass` or `fail` |

`p90(latency)`, `avg(score.tone)`, `share(finish_reason:length)`, `sum(cost) where feature:chat`. Values are in the unit of the
field's name in the API (`latency_ms`, `estimated_cost_usd`).

**Scores** belong to the spans that they name: by trace and span, else by trace, span, response or session, the first that they
have. One counts once in each group that has such a span. It passes with a value of 0.5 or more, or without a value by a label:
correct, good, pass, passed, positive, thumbs_up, true, up, yes. A key that is bound to a tenant sees scores of its own
traces, and those of sessions, responses and spans alone that its tenant gave.

**A successful answer** is a counted model call without an error, a refusal, a block by a guard, a parsing failure, and which
its sender does not call unanswered or unsuccessful; it is counted once a trace. **Cost per pass** is the cost of all spans of
traces that an evaluation names (any score but a user's), divided by the evaluations that pass.

**The projection** is a straight line of least squares over the last 56 whole days, or since the first of them with spans; from
three weeks on with a difference per weekday; below a week without a trend; of fewer than three days none. `low` and `high`
hold the month with 90 %, if days are independent and nothing breaks the pattern.

**With a name.** Some aggregates have routes of their own (`src/query/view.def` has their numbers):

| route | what |
| --- | --- |
| `GET /api/v1/sessions`, `/users` | a row per session or user, `q`, `from`, `to`, `limit`, `cursor`; `sort` is one of the row's metrics, largest first, `last_seen` by default |
| `GET /api/v1/sessions/{id}`, `/users/{id}` | one of them with its traces, oldest first (the newest 1,000); the last 90 days unless `from` says more |
| `GET /api/v1/retrieval` | by `retriever`; `by=index_version`, `embedding_model_version`, `reranker_model_version`, `retrieval_pipeline_version`, ... |
| `GET /api/v1/prompts`, `/models` | by template and version of the prompt; by provider and model |

The last three take what `/aggregate` takes. A turn of a session is a trace. Regenerations, corrections, escalations, resolutions and
conversions are scores of those names that pass; recall and precision of retrieval are scores `recall_at_k` and `precision_at_k`.

**Two versions.** `GET /api/v1/compare?by=prompt_version&a=v1&b=v2&score=tone` sets the counted calls of one value of a field (any
that can be grouped by) against those of another: latency, time to the first token, cost, tokens, length, rates of errors,
refusals, truncations, parsing failures, of evaluations that pass and of thumbs down, and up to four scores by name. Each row
has both values with how many they are of, the difference b − a, `low` and `high` (it lies between them with 95 %), `p`, and

- `verdict`: `b_higher` or `b_lower` when the difference is not chance; `no_difference_shown`, which is not "equal"; `too_few`
  with fewer than 30 of either side that say.
- `better`: `a` or `b` where the verdict is a difference and less (or more) of it is better; else `null`.

Means are compared by Welch's test, shares by the test of two proportions (decision 44). Several rows are tested at once, so that
each is asked for more than 5 % alone (Holm): all verdicts of an answer together are wrong with at most 5 %. Calls are taken as
independent: where few users make most calls, differences look surer than they are.

**Limits.** 32 metrics, 64 measures, 4 dimensions, 10,000 steps, 10,000 groups with a step and 1,000 without, 20,000 groups
when the first metric is of scores; past them a 400 that says so.

"""
WORDS = """
In the table `@calls` is `step:model and not rollup:true`, `@billed` the same with embeddings, `@searches` is
`step:retrieval or step:search`, `@cut` a finish reason of length, `@answers` a successful answer, `bucket.x` the cost of a usage
bucket, `of evaluated` spans of traces that an evaluation names.
"""


def table(text):
    out = [HEAD.rstrip("\n"), WORDS.rstrip("\n")]
    for line in text.splitlines():
        title = re.match(r"/\* ([a-z, ]+) \*/$", line)
        if title:
            out += ["", f"## {title[1].capitalize()}", "", "| metric | in the answer | unit | what | of |",
                    "| --- | --- | --- | --- | --- |"]
        elif line.startswith("METRIC("):
            name, json, kind, combine, top, bottom, unknown, doc = (
                match[1] if match[2] is None else match[2] for match in CELL.finditer(line[7:]))
            form = FORMS[combine].format(f"`{top}`", f"`{bottom}`")
            if unknown:
                form += f"; unknown: `{unknown}`"
            out.append(f"| `{name}` | `{json}` | {UNITS[kind]} | {doc} | {form} |")
    return "\n".join(out) + "\n"


def main():
    with open(os.path.join(ROOT, TABLE), encoding="utf-8") as file:
        made = table(file.read())
    path = os.path.join(ROOT, DOC)
    if sys.argv[1:] == ["--check"]:
        with open(path, encoding="utf-8") as file:
            if file.read() != made:
                print(f"{DOC}:1: stale: run tools/gen_metric_doc.py")
                return 1
        return 0
    with open(path, "w", encoding="utf-8") as file:
        file.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
