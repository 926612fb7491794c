#!/usr/bin/env python3
"""Make the OpenAPI 3.1 document of the API from the tables in the tree.

usage: gen_openapi.py SRC_DIR VERSION OUT.json OUT.c

Read: api/routes.def, api/params.def, model/fields.def, base/err.def, query/metric.def,
query/share.def, query/view.def.
Written: the document, and the same bytes as the C array openapi_json.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import re
import sys

CELL = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,\s"][^,]*)')
NULLABLE = {
    "ID16": {"type": ["string", "null"], "pattern": "^[0-9a-f]{32}$"},
    "ID8": {"type": ["string", "null"], "pattern": "^[0-9a-f]{16}$"},
    "STR": {"type": ["string", "null"]},
    "I64": {"type": ["integer", "null"]},
    "F64": {"type": ["number", "null"]},
    "BOOL": {"type": ["boolean", "null"]},
    "TIME": {"type": ["string", "null"], "format": "date-time"},
    "NS": {"type": ["number", "null"], "description": "milliseconds"},
    "NANO": {"type": ["number", "null"], "description": "US dollars"},
    "STRS": {"type": ["array", "null"], "items": {"type": "string"}},
    "F64S": {"type": ["array", "null"], "items": {"type": "number"}},
    "JSON": {},
}


def rows(path, *macros):
    """(macro, [cells]) of every row made by one of the macros."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.match(r"(\w+)\((.*)\)\s*(?:/\*.*\*/)?\s*$", line)
        if match and match[1] in macros:
            cells = [c[1] if c[1] is not None else c[2].strip() for c in CELL.finditer(match[2])]
            found.append((match[1], cells))
    if not found:
        sys.exit(f"{path}: no rows of {macros}")
    return found


def nullable(kind, doc=None):
    schema = dict(NULLABLE[kind])
    if doc:
        unit = schema.get("description")
        schema["description"] = f"{doc} ({unit})" if unit else doc
    return schema


def closed(properties, **optional):
    return {"type": "object", "properties": dict(properties, **optional), "required": list(properties)}


def span_schema(src):
    properties = {}
    for _, (_, kind, _, path, doc) in rows(src / "model/fields.def", "FIELD"):
        group, _, member = path.rpartition(".")
        if group:
            inner = properties.setdefault(group, {"type": "object", "properties": {}})
            inner["properties"][member] = nullable(kind, doc)
        else:
            properties[path] = nullable(kind, doc)
    properties["end_time"] = nullable("TIME", "start and duration")
    properties["attributes"] = {"type": "object", "description": "what has no field, as sent"}
    properties["links"] = {"type": "array", "items": {"type": "object"}}
    properties["payload"] = {"type": "object", "description": "content role to bytes, null: unknown",
                             "additionalProperties": {"type": ["integer", "null"]}}
    properties["settled"] = {"type": "boolean", "description": "false: it may still change"}
    whole = closed(properties)
    whole["properties"]["preview"] = {  # not in the live stream
        "type": ["object", "null"], "description": "first characters of prompt and answer, redacted",
        "properties": {"input": nullable("STR"), "output": nullable("STR")}}
    return whole


def fields(spec):
    """"name:KIND name:KIND" to properties."""
    return {name: nullable(kind) for name, kind in (pair.split(":") for pair in spec.split())}


SUMMARY = ("trace_id:ID16 request_id:STR tenant_id:STR feature:STR prompt_version:STR prompt_hash:STR "
           "generator_model:STR input_tokens:I64 output_tokens:I64 estimated_cost_usd:NANO retriever:STR "
           "index_version:STR top_k_returned:I64 source_ids:STRS eval_sampled:BOOL faithfulness:F64 "
           "safety_blocked:BOOL latency_ms:I64")
TRACE = ("trace_id:ID16 root_span_id:ID8 name:STR step:STR service:STR endpoint:STR status:STR project:STR "
         "start_time:TIME end_time:TIME latency_ms:NS ttft_ms:NS span_count:I64 error_count:I64 "
         "model_call_count:I64 tool_call_count:I64 retry_count:I64 input_tokens:I64 output_tokens:I64 "
         "total_tokens:I64 estimated_cost_usd:NANO unpriced_count:I64 tenant_id:STR user_id:STR "
         "session_id:STR request_id:STR feature:STR environment:STR release:STR provider:STR "
         "generator_model:STR prompt_template_id:STR prompt_version:STR prompt_hash:STR retriever:STR "
         "index_version:STR top_k_returned:I64 source_ids:STRS safety_blocked:BOOL eval_sampled:BOOL "
         "faithfulness:F64")

LOG = "time:TIME trace_id:ID16 span_id:ID8 severity:I64 severity_text:STR event_name:STR service:STR"
LOG_BODY = "the first 1024 bytes, redacted"

METRIC = "name:STR type:STR unit:STR temporality:STR monotonic:BOOL"

SCORE = ("id:ID16 trace_id:ID16 span_id:ID8 session_id:STR response_id:STR tenant_id:STR name:STR label:STR comment:STR "
         "source:STR evaluator:STR evaluator_version:STR judge_model:STR time:TIME")


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def array(of):
    return {"type": "array", "items": of}


def instrumentation(src):
    names = [cells[1] for _, cells in rows(src / "query/share.def", "SHARE") if cells[2] == "SHOWN"]
    share = closed({"count": {"type": "integer"}, "share": nullable("F64", "of the model calls; null: there are none")})
    counts = {"model_calls": {"type": "integer"}, "shares": closed({name: share for name in names}),
              "spans": {"type": "integer"}, "traces": {"type": "integer"},
              "no_request_root": {"type": "integer", "description": "traces whose root is a bare model call"},
              "logs": {"type": "integer"}, "unstructured_logs": {"type": "integer"}}
    need = closed({"what": {"type": "string"}, "share": nullable("F64"), "needed": nullable("F64", "null: some"),
                   "how": {"type": "string"}})
    stage = dict(closed({"number": {"type": "integer", "minimum": 0, "maximum": 3},
                         "name": {"enum": ["blind", "traced", "measured", "closed_loop"]},
                         "next": nullable("STR"), "missing": array(need)}), type=["object", "null"])
    place = {"service": nullable("STR"), "span_name": nullable("STR")}
    gap = closed(dict({"what": {"type": "string"}}, **place, missing={"type": "integer"},
                      model_calls={"type": "integer"}, how={"type": "string"}, exemplar_trace_id=nullable("ID16")))
    return closed(dict(
        fields("from:TIME to:TIME made:TIME"), **counts,
        services=array(closed(dict({"service": nullable("STR")}, **counts, stage=stage))), gaps=array(gap),
        gap_count={"type": "integer", "description": "of which gaps has the first"},
        partially_traced=array(closed(dict(place, traces={"type": "integer"}, exemplar_trace_id=nullable("ID16")))),
        emitters=array(closed(dict(fields("scope:STR scope_version:STR dialect:STR convention:STR"),
                                   model_calls={"type": "integer"}))),
        unmapped=dict(closed({"names": {"type": "integer"}, "attributes": {"type": "integer"},
                              "href": {"type": "string"}}), type=["object", "null"]),
        truncated={"type": "boolean", "description": "more groups than were read: counts are too low"}))
def view_schemas(src, metrics):
    """Rows of the lists of view.def: the key, its numbers, a trace."""
    members = {cells[0]: cells[1] for _, cells in rows(src / "query/metric.def", "METRIC")}
    views = {}
    for name, by, rest in re.findall(r'^VIEW\((\w+), "([^"]*)", "[^"]*",((?:\s+"[^"]*")+)\)',
                                     (src / "query/view.def").read_text(encoding="utf-8"), re.M):
        numbers = "".join(re.findall(r'"([^"]*)"', rest)).split(",")
        views[name] = dict({by: nullable("STR")}, **{members[n]: metrics[members[n]] for n in numbers},
                           exemplar_trace_id=nullable("ID16", "a trace behind the numbers"))
    return {"Session": closed(views["SESSIONS"]), "User": closed(views["USERS"]),
            "SessionDetail": closed(dict(views["SESSIONS"], traces=array(ref("Trace")))),
            "UserDetail": closed(dict(views["USERS"], latest_traces=array(ref("Trace"))))}


def reports():
    """Answers of several questions: reports.c and its neighbours."""
    span = closed(fields("from:TIME to:TIME"))
    verdict = closed(dict(fields("why:STR metric:STR unit:STR value:F64 count:I64 objective:F64 baseline:F64 change:F64 filter:STR "
                                 "href:STR exemplar_trace_id:ID16"),
                          name={"enum": ["fast", "affordable", "correct"]}, verdict={"enum": ["good", "warn", "bad", "unknown"]}))
    count, spread = {"type": "integer"}, closed(fields("average:F64 median:F64 p90:F64 max:F64"))
    after = closed({name: count for name in "nothing error refusal down_vote truncation slow".split()})
    drop = closed(dict({"turn": count, "reached": count, "left": count}, after=after, **fields("share:F64 exemplar_trace_id:ID16")))
    maybe = lambda schema: dict(schema, type=["object", "null"])
    conversations = {
        "conversations": count, "turns": count, "turns_read": count,
        "truncated": {"type": "boolean", "description": "the range has more turns than were read"},
        "per_conversation": closed(fields("cost_usd:F64 tokens:F64 regenerations:F64 corrections:F64 user_retries:F64 "
                                          "truncated_answers:F64 repeated_calls:F64")),
        "depth": closed(dict(spread["properties"], distribution=array(closed({"turns": count, "conversations": count})))),
        "duration_ms": spread,
        "drop_off": closed(dict(fields("slow_ms:F64 idle_ms:F64"), turns=array(drop),
                                worst=maybe(closed({"turn": count, "after": {"type": "string"}, "left": count})))),
        "resolution": closed({"conversations": count, "rate": nullable("F64"), "time_ms": spread}),
        "escalation": closed({"conversations": count, "rate": nullable("F64")}),
        "peak_hours": maybe(closed({"tz": {"type": "string"}, "busiest": nullable("I64"), "turns": array(count)})),
        "context": closed({"near": nullable("F64"), "near_limit": count, "unknown_limit": count, "truncated": {"type": "boolean"},
                           "items": array(closed(fields("session_id:STR provider:STR generator_model:STR input_tokens:I64 "
                                                        "context_tokens:I64 share:F64 exemplar_trace_id:ID16")))}),
        "by": nullable("STR"),
        "groups": array(closed(fields("value:STR conversations:I64 depth_average:F64 left:I64 left_unhappy:I64 "
                                      "escalation_rate:F64 resolution_rate:F64"))),
        "range": span}
    node = closed(dict(fields("name:STR errors:I64 latency_p95_ms:F64 cost_usd:F64 exemplar_trace_id:ID16"), kind={"enum": ["service", "peer"]}),
                  spans=count, calls=count)
    edge = closed(dict(fields("from:STR to:STR calls:I64 errors:I64 error_rate:F64 latency_p95_ms:F64 filter:STR"), kind={"enum": ["service", "peer"]}))
    services = {"services": array(node), "edges": array(edge), "truncated": {"type": "boolean"}}
    of = closed(fields("share:F64 value:F64"))
    change = closed(dict(fields("dimension:STR score:F64 value_count:I64"), by={"enum": ["values", "segment"]},
                         values=array(closed(dict(fields("value:STR part:F64 filter:STR"), before=of, after=of)))))
    changes = closed(dict(fields("metric:STR before:F64 after:F64 change:F64"), items=array(change), range=span, baseline=span),
                     parts=dict(array(closed(fields("name:STR usd:F64 share:F64"))), description="of cost: they sum to its change"))
    step = dict(fields("step:STR count:I64 errors:I64 self_ms:F64 share:F64 cost_usd:F64"))
    steps = {"Steps": closed(dict(fields("total_ms:F64 bottleneck:STR"), items=array(closed(step)), range=span)),
             "TraceSteps": closed(dict(fields("trace_id:ID16 total_ms:F64 idle_ms:F64 bottleneck:STR"), truncated={"type": "boolean"},
                                       items=array(closed(dict(step, longest_span_id=nullable("ID8")))),
                                       spans=array(closed(fields("span_id:ID8 self_ms:F64")))))}
    dear = closed(dict(fields("times:F64 reason_times:F64"), runaway={"type": "boolean"}, trace=ref("Trace"),
                       reason={"enum": ["calls", "retries", "tokens_in", "tokens_out", "model", None]}))
    steps["Expensive"] = closed(dict(fields("cost_usd:F64 usual_cost_usd:F64"), items=array(dear), range=span))
    return {**steps, "Changes": changes, "Services": closed(dict(services, range=span)), "TraceServices": closed(dict(fields("trace_id:ID16"), **services)),
            "Verdicts": closed({"items": array(verdict), "range": span, "baseline": span}),
            "Conversations": closed(conversations),
            "Conversation": {"allOf": [ref("Session"), closed({"items": array(closed({
                "turn": count, "trace": ref("Trace"), "scores": array(ref("Score")),
                "context": closed(fields("generator_model:STR input_tokens:I64 context_tokens:I64 share:F64"))}))})]}}


def schemas(src):
    codes = [cells[0] for _, cells in rows(src / "base/err.def", "ERR") if cells[0] != "OK"]
    kinds = {"COUNT": ["integer", "null"], "TIME": ["string", "null"]}
    metrics = {cells[1]: {"type": kinds.get(cells[2], ["number", "null"]), "description": cells[7]}
               for _, cells in rows(src / "query/metric.def", "METRIC")}
    counts = {"type": "object", "additionalProperties": nullable("I64")}
    shares = {"type": ["object", "null"], "additionalProperties": nullable("F64")}
    values = {"type": "object", "properties": metrics}
    group = closed({"time": nullable("TIME", "start of the step"), "by": {"type": "object"},
                    "values": values, "exemplar_trace_id": nullable("ID16", "a trace behind the numbers")})
    group["properties"].update({
        "unknown": dict(counts, description="of metrics that say nothing about some spans: about how many"),
        "baseline": {"type": ["object", "null"], "description": "the same numbers of what is compared with",
                     "properties": {"time": nullable("TIME"), "values": values, "unknown": counts,
                                    "exemplar_trace_id": nullable("ID16")}},
        "change": dict(shares, description="difference as a share of the baseline")})
    span = closed(fields("from:TIME to:TIME"))
    side = closed(fields("value:F64 count:I64"))
    projected = closed(dict(fields("so_far:F64 month:F64 low:F64 high:F64 confidence:F64 days:I64"),
                            weekdays={"type": "boolean"}))
    partial = {"type": ["boolean", "null"], "description": "its root is a bare model call: the operation around it was not traced"}
    trace = closed(dict(fields(TRACE), settled={"type": "boolean"}, partially_traced=partial))
    error = closed({"code": {"type": "string", "enum": codes}, "message": {"type": "string"}})
    error["properties"].update(fields("hint:STR offset:I64 path:STR"))
    messages = array({"type": "object", "properties": {"role": {"type": "string"},
                                                       "parts": array({"type": "object"})}})
    return {
        **view_schemas(src, metrics),
        "Span": span_schema(src),
        "Trace": trace,
        "TraceDetail": closed({"trace": ref("Trace"), "spans": array(ref("Span")),
                               "logs": dict(array({"type": "object"}), description="with the first page"), "scores": array(ref("Score")),
                               "next_cursor": nullable("STR", "more spans: the oldest come first")}),
        "Score": closed(dict(fields(SCORE), value={"type": ["number", "boolean", "string", "null"]},
                             metadata={"type": "object"})),
        "Event": dict(closed(dict(fields("id:ID16 time:TIME tenant_id:STR"), metadata={"type": "object"}, kind={
            "type": "string", "enum": ["deploy", "outcome", "feedback", "evaluation", "score"]})),
            description="a deploy has service, environment, version and text; the others what they are about"),
        "Log": closed(dict(fields(LOG), body=nullable("STR", LOG_BODY), attributes={"type": "object"},
                           unstructured={"type": "boolean", "description": "plain text: a line and nothing else"})),
        "Metric": closed(dict(fields(METRIC + " points:I64 first_time:TIME last_time:TIME"), services=array({"type": "string"}),
                              attributes=dict(array({"type": "string"}), description="names, of the newest points"))),
        "MetricAnswer": closed({
            "items": array(closed({"time": nullable("TIME", "of the step"), "by": {"type": "object"}, "value": nullable("F64"),
                                   "points": nullable("I64")})),
            "next_cursor": nullable("STR"), "truncated": {"type": "boolean", "description": "there are more rows than limit"},
            "metric": dict(closed(fields(METRIC)), type=["object", "null"]), "op": nullable("STR"), "step_ms": nullable("NS")}),
        "Instrumentation": instrumentation(src),
        "Summary": dict(closed(fields(SUMMARY)), additionalProperties=False),
        "Group": group,
        "Aggregate": closed({"items": array(ref("Group")), "next_cursor": nullable("STR"),
                             "metrics": array({"type": "string"}), "by": array({"type": "string"}),
                             "step_ms": nullable("NS"), "from": nullable("TIME"), "to": nullable("TIME"),
                             "source": array({"type": "string", "enum": ["spans", "minutes", "hours", "days"]}),
                             "approximate": {"type": "boolean", "description": "percentiles are at most 1 % off"},
                             "spans_from": nullable("TIME", "spans of the range before it have expired")},
                            baseline=span, other=array(ref("Group")), markers=dict(array(ref("Event")), description="with a step: the newest 200 deploys of the range"),
                            projection={"type": "object", "additionalProperties": projected}),
        "Comparison": closed({
            **fields("a:STR b:STR a_exemplar_trace_id:ID16 b_exemplar_trace_id:ID16"),
            "items": array(closed(dict(fields("metric:STR difference:F64 low:F64 high:F64 p:F64 test:STR verdict:STR better:STR"),
                                       a=side, b=side)))}),
        **reports(),
        "Completion": closed({
            "items": array(closed({"text": {"type": "string"}, "kind": {"type": "string"},
                                   "detail": {"type": "string"}})),
            "from": {"type": "integer", "description": "first byte of q that an item replaces"},
            "to": {"type": "integer", "description": "byte after the last"}}),
        "SearchAnswer": closed({
            "items": array(closed(dict(
                fields("trace_id:ID16 span_id:ID8 start_time:TIME name:STR generator_model:STR"),
                field={"type": "string", "description": "content role: input, output, tool_arguments, ..."},
                settled={"type": "boolean"}, snippet={"type": "string"},
                matches=dict(array({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
                             description="from and to, in characters of the snippet")))),
            "next_cursor": nullable("STR", "goes on with what is left"),
            "complete": {"type": "boolean", "description": "nothing is left below this page"},
            "stopped_by": {"type": ["string", "null"], "enum": ["limit", "time", None]},
            "unsettled_complete": {"type": "boolean", "description": "false: hits in spans that have not settled may be missing"},
            "searched_from": nullable("TIME", "all content stored from then on was searched; null: not known on this page"),
            "bytes_read": {"type": "integer", "description": "of text, decrypted for this page"},
            "stored_bytes_left": {"type": "integer"},
            "unreadable_frames": {"type": "integer", "description": "damaged, or their key was destroyed"}}),
        "Unmapped": closed({
            "items": array(closed(dict(fields("name:STR count:I64 newer_count:I64 first_seen:TIME last_seen:TIME scope:STR "
                                              "service:STR dialect:STR")))),
            "next_cursor": nullable("STR"), "since": nullable("TIME", "start of the counting"),
            "name_count": nullable("I64", "names known, of which items are the first"),
            "other_count": nullable("I64", "attributes counted without their name, for want of room")}),
        "Pins": closed({
            "items": array(closed(dict(fields("version:STR tenant:STR set:TIME")))),
            "next_cursor": nullable("STR"), "newest": nullable("STR", "what is read without a pin"),
            "in_force": nullable("STR", "for the project, or for the tenant that the key is bound to")}),
        "Retention": closed({
            "now": nullable("TIME"),
            "before": closed(fields("content:TIME previews:TIME spans:TIME scores:TIME rollups:TIME")),
            "plan": closed(fields("days:I64 spans:I64 traces:I64 logs:I64 metrics:I64 scores:I64 rollups:I64 bytes:I64 to:TIME")),
            "would_drop_all_spans": {"type": "boolean"}, "clock_has_jumped": {"type": "boolean"},
            "running": {"type": "boolean"}, "runs": {"type": "integer"},
            "last": closed(fields("time:TIME error:STR days:I64 spans:I64 scores:I64 rollups:I64 segments:I64 bytes:I64"))}),
        "SqlAnswer": closed({
            "columns": array(closed({"name": {"type": "string"}, "type": {"type": "string"}})),
            "rows": array(array({})),
            "truncated": {"type": "boolean", "description": "there are more rows than the limits let through"},
            "elapsed_ms": {"type": "number"}}),
        "ContentPlaces": closed({
            **fields("trace_id:ID16 external_url:STR"), "settled": {"type": "boolean"},
            "frames": array(closed({
                "kind": {"type": "string", "enum": ["content", "previews"]},
                "place": {"type": "string", "enum": ["here", "external", "both", "gone"]},
                **fields("segment:I64 offset:I64 length:I64"),
                "object": nullable("STR", "its name behind external_url"),
                "index": nullable("STR", "name of the object that has a line per frame: TRACE_ID OFFSET LENGTH")}))}),
        "Payload": {"type": "object", "properties": {
            "input": messages, "output": messages, "system": {}, "tools": {},
            "documents": array({"type": "object"}), "raw": {"type": "object"}}},
        "Object": {"type": "object"},
        "Error": closed({"error": error}),
    }


def answer(kind):
    form, _, of = kind.rpartition(":")
    if kind == "text":
        return {"text/plain": {"schema": {"type": "string"}}}
    if form == "sse":
        return {"text/event-stream": {"schema": {"type": "string"},
                                      "x-event-data": ref(of)}}
    if form == "list":
        page = closed({"items": array(ref(of)), "next_cursor": nullable("STR")})
        return {"application/json": {"schema": page}}
    return {"application/json": {"schema": ref(of)}}


def parameters(path, names, params):
    found = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
             for name in re.findall(r"{(\w+)}", path)]
    for name in names.split():
        place, kind, doc = params[name]
        schema = {"type": "integer" if kind == "integer" else "string"}
        found.append({"name": name, "in": place, "description": doc, "schema": schema})
    return found


def paths(src):
    params = {cells[0]: cells[1:] for _, cells in rows(src / "api/params.def", "PARAM")}
    found, used = {}, set()
    failed = {"description": "failed", "content": {"application/json": {"schema": ref("Error")}}}
    for _, cells in rows(src / "api/routes.def", "ROUTE", "STREAM"):
        method, path, handler, permission, kind, names, summary = cells
        path = path.replace("*}", "}")
        name = handler if handler not in used else handler + "_alias"
        used.add(name)
        operation = {
            "operationId": name,
            "summary": summary,
            "parameters": parameters(path, names, params),
            "responses": {"200": {"description": "ok", "content": answer(kind)}, "default": failed},
            "security": [] if permission == "NONE" else [{"bearer": []}, {"basic": []}, {"key": []}],
        }
        if method == "POST":
            operation["requestBody"] = {"required": True, "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/json": {"schema": closed({"query": {"type": "string"}})}}}
        if permission != "NONE":
            operation["x-permission"] = permission.lower().replace("_", ":")
        found.setdefault(path, {})[method.lower()] = operation
    return found


def document(src, version):
    return {
        "openapi": "3.1.0",
        "info": {"title": "Telltale", "version": version, "license": {"name": "Apache-2.0",
                                                                      "identifier": "Apache-2.0"}},
        "paths": paths(src),
        "components": {
            "schemas": schemas(src),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "password: the key"},
                "key": {"type": "apiKey", "in": "header", "name": "x-telltale-key"},
            },
        },
    }


def c_array(text):
    data = text.encode("utf-8")
    lines = [",".join(str(byte) for byte in data[at:at + 32]) for at in range(0, len(data), 32)]
    return ("/* Made by tools/gen_openapi.py. */\n#include \"api/router.h\"\n\n"
            "const char openapi_json[] = {\n" + ",\n".join(lines) + ",0\n};\n"
            "const size_t openapi_json_len = sizeof openapi_json - 1;\n")


def main(src, version, out_json, out_c):
    text = json.dumps(document(pathlib.Path(src), version), indent=1, ensure_ascii=True) + "\n"
    pathlib.Path(out_json).write_text(text, encoding="utf-8")
    pathlib.Path(out_c).write_text(c_array(text), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
