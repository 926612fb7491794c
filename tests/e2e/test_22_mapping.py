"""The operator's own mapping: private names become fields, gaps are listed, the command line shows what would come out.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import time

import pytest
from conftest import BINARY, CLEAN_ENV, ROOT, Server, make_span, request_of, to_json, wait_until

MAPPING = """# what our own attributes mean
acme.llm.model: request_model
acme.llm.tokens_in: input_tokens
acme.llm.tokens_out: output_tokens
acme.chat: session_id
acme.debug.*: ignore
acme.wait: { field: queue_ms, as: seconds }
acme.ask: content.input
mappings:
  - { attribute: acme.x, field: tenant_id, scope: acme.tracer }
"""
PRIVATE = {"acme.llm.model": "gpt-4o-mini", "acme.llm.tokens_in": 1000, "acme.llm.tokens_out": 100, "acme.chat": "chat-7",
           "acme.debug.dump": "noise", "acme.wait": 1.5, "acme.ask": "a private question", "acme.x": "tenant-9",
           "gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat", "gen_ai.usage.unknown_tokens": 3,
           "acme.gap": "the value nobody shows"}


def run(*arguments, **more):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, env=CLEAN_ENV, timeout=60, check=False, **more)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """A server with a mapping file and keys of two projects and of one tenant."""
    file = tmp_path_factory.mktemp("mapping") / "mapping.yaml"
    file.write_text(MAPPING)
    made = Server(mapping__file=str(file), auth__mode="on").start()
    made.file, made.keys = str(file), {}
    try:
        made.headers = {"authorization": f"Bearer {made.first_key}"}
        for name, more in (("a", ["--project=proj-a", "--permissions=ingest,read,payload:read"]), ("b", ["--project=proj-b"]), ("tenant", ["--project=proj-a", "--tenant=t-1"]),
                           ("ingest", ["--project=proj-a", "--permissions=ingest"])):
            shown = run("key", "create", f"--data_dir={made.data_dir}", "--json", *more)
            assert shown.returncode == 0, shown
            made.keys[name] = {"authorization": "Bearer " + json.loads(shown.stdout)["token"]}
        wait_until(lambda: all(made.request("GET", "/api/v1/status", headers=key).status in (200, 403) for key in made.keys.values()),
                   what="the keys to count")
        yield made
    finally:
        made.stop()
        made.remove()


def send(server, key, attributes, scope="acme.tracer", **how):
    span = make_span(attributes, "work")
    server.send_spans(span, resource={"service.name": "shop"}, scope=scope, headers=server.keys[key], **how)
    return wait_until(lambda: next((s for s in server.api("/spans", headers=server.keys[key])["items"]
                                    if s["span_id"] == span["spanId"]), None), what="the span")


def unmapped(server, key, **params):
    answer = server.api("/mapping/unmapped", headers=server.keys[key], **params)
    return answer, {item["name"]: item for item in answer["items"]}


def test_private_names_become_tokens_model_cost_and_session(mapped):
    span = send(mapped, "a", PRIVATE)
    assert (span["request_model"], span["input_tokens"], span["output_tokens"]) == ("gpt-4o-mini", 1000, 100)
    assert (span["session_id"], span["queue_ms"], span["tenant_id"]) == ("chat-7", 1500, "tenant-9")
    assert span["step"] == "model" and span["estimated_cost_usd"] > 0
    assert span["attributes"] == {"gen_ai.usage.unknown_tokens": 3, "acme.gap": "the value nobody shows"}
    content = mapped.api(f"/spans/{span['trace_id']}/{span['span_id']}/payload", headers=mapped.keys["a"])
    assert "a private question" in json.dumps(content["input"])


def test_a_row_of_one_scope_leaves_other_scopes_alone(mapped):
    span = send(mapped, "a", {"acme.x": "tenant-9"}, scope="another")
    assert span["tenant_id"] is None and span["attributes"]["acme.x"] == "tenant-9"


def test_unmapped_names_are_counted_with_their_sender_and_never_a_value(mapped):
    """shows: B3"""
    _, before = unmapped(mapped, "a")
    send(mapped, "a", PRIVATE)
    answer, names = unmapped(mapped, "a")
    item = names["gen_ai.usage.unknown_tokens"]
    assert item["count"] == before.get("gen_ai.usage.unknown_tokens", {"count": 0})["count"] + 1
    assert (item["scope"], item["service"], item["dialect"]) == ("acme.tracer", "shop", "otel-genai")
    assert answer["since"] <= item["first_seen"] <= item["last_seen"]
    assert "acme.gap" in names and not {"acme.llm.model", "acme.debug.dump", "acme.chat"} & set(names)
    assert "the value nobody shows" not in json.dumps(answer)
    assert answer["name_count"] == len(names) and answer["other_count"] == 0 and answer["next_cursor"] is None


MANDATORY = {  # span attributes that must be understood letter for letter, with a value and what it becomes
    "gen_ai.system": ("openai", "provider", "openai"), "gen_ai.operation.name": ("chat", "operation", "chat"),
    "gen_ai.request.model": ("gpt-4o", "request_model", "gpt-4o"), "gen_ai.request.temperature": (0.5, "temperature", 0.5),
    "gen_ai.usage.input_tokens": (12, "input_tokens", 12), "gen_ai.usage.output_tokens": (7, "output_tokens", 7),
    "gen_ai.response.finish_reason": ("stop", "finish_reason", ["stop"]), "gen_ai.response.finish_reasons": (["stop"], "finish_reason", ["stop"]),
    "llm.prompt.version": ("support-v17", "prompt_version", "support-v17"), "llm.prompt.hash": ("sha256:ab", "prompt_hash", "sha256:ab"),
    "llm.context.chunk_count": (4, "context_chunk_count", 4), "llm.latency_ms": (500, "sender_latency_ms", 500),
    "app.feature": ("support", "feature", "support"), "app.tenant_id": ("tenant_abc", "tenant_id", "tenant_abc"),
    "app.prompt_version": ("support-v17", "prompt_version", "support-v17"), "app.rag.enabled": (True, "rag_enabled", True),
    "user.id": ("u-1", "user_id", "u-1"), "rag.query.hash": ("h-1", "query_hash", "h-1"), "rag.retriever": ("bm25", "retriever", "bm25"),
    "rag.embedding_model": ("e5", "embedding_model_version", "e5"), "rag.index": ("docs_v42", "index_version", "v42"),
    "rag.top_k.requested": (8, "top_k_requested", 8), "rag.top_k.returned": (6, "top_k_returned", 6),
    "rag.source_ids": ("doc_1,doc_2", "source_ids", ["doc_1", "doc_2"]), "rag.chunk_ids": ("c_1,c_2", "chunk_ids", ["c_1", "c_2"])}


def test_each_mandatory_name_is_understood_and_none_is_reported(server):
    """Attributes, events and scopes; test_alias.c has the span names.  shows: V1"""
    sent = {name: make_span({name: value}, "work") for name, (value, _, _) in MANDATORY.items()}
    server.send_spans(*sent.values())
    for name, (_, field, expected) in MANDATORY.items():
        assert server.wait_trace(sent[name]["traceId"])["spans"][0][field] == expected, name
    events = [(time.time_ns(), f"gen_ai.content.{what}", {"content": "said"}) for what in ("prompt", "completion")]
    span = make_span({"gen_ai.operation.name": "chat"}, "llm.chat", events=events)
    for scope in ("llm.app", "assistant-api", "llm-client"):
        server.send_spans(span, scope=scope)
    server.wait_trace(span["traceId"])
    content = server.payload(span["traceId"], span["spanId"])
    assert content["input"] and content["output"]
    reported = {item["name"] for item in server.api("/mapping/unmapped", limit=1000)["items"]}
    assert not reported & {*MANDATORY, "content"}, reported


def test_the_most_frequent_name_comes_first_within_limit_and_prefix(mapped):
    for _ in range(3):
        mapped.send_spans(*[make_span({"often.seen": 1, f"often.rare{i}": 1}, "work") for i in range(5)], headers=mapped.keys["a"])
    answer, _ = unmapped(mapped, "a", prefix="often.", limit=2)
    assert [item["name"] for item in answer["items"]] == ["often.seen", "often.rare0"]
    assert [item["count"] for item in answer["items"]] == [15, 3] and answer["name_count"] == 6
    for bad in ({"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"prefixx": "a"}):
        assert mapped.api("/mapping/unmapped", headers=mapped.keys["a"], expect=400, **bad)["error"]["message"]


def test_a_project_sees_only_its_own_names_and_a_tenants_key_none(mapped):
    mapped.send_spans(make_span({"of.project.b": 1}, "work"), headers=mapped.keys["b"])
    assert "of.project.b" in unmapped(mapped, "b")[1]
    assert "of.project.b" not in unmapped(mapped, "a", limit=1000)[1]
    refused = mapped.api("/mapping/unmapped", headers=mapped.keys["tenant"], expect=403)
    assert "not for a tenant" in refused["error"]["message"]
    mapped.api("/mapping/unmapped", headers=mapped.keys["ingest"], expect=403)
    assert mapped.request("GET", "/api/v1/mapping/unmapped", headers={"authorization": ""}).status == 401


def test_a_name_that_is_personal_data_is_redacted_and_a_long_one_cut(mapped):
    mapped.send_spans(make_span({"mail of jo@example.org": 1, "long." + "x" * 300: 1}, "work"), headers=mapped.keys["a"])
    answer, names = unmapped(mapped, "a", limit=1000)
    assert "jo@example.org" not in json.dumps(answer) and any("[REDACTED" in name for name in names)
    assert max(len(name) for name in names) == 128


def test_past_the_limit_of_names_the_rest_is_only_counted(mapped):
    spans = [make_span({f"many.{i}.{k}": 1 for k in range(100)}, "work") for i in range(21)]
    before = mapped.metric("telltale_unmapped_attributes_total")
    for span in spans:
        mapped.send_spans(span, headers=mapped.keys["b"])
    answer, names = unmapped(mapped, "b", limit=1000)
    workers = 2
    assert answer["name_count"] <= 1024 * workers and len(names) == 1000
    assert answer["name_count"] + answer["other_count"] >= 2100 and mapped.metric("telltale_unmapped_attributes_total") - before >= 2100


def test_the_route_is_in_the_openapi_document(mapped):
    document = mapped.request("GET", "/openapi.json").json
    assert document["paths"]["/api/v1/mapping/unmapped"]["get"]["x-permission"] == "read"
    assert "items" in document["components"]["schemas"]["Unmapped"]["properties"]


def test_a_bad_mapping_file_refuses_the_start_with_its_line(new_server, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("acme.a: user_id\nacme.b: request_mdoel\n")
    with pytest.raises(RuntimeError) as ended:
        new_server(mapping__file=str(bad)).start(seconds=30)
    assert "ended with 1" in str(ended.value) and "cannot start" in str(ended.value)
    assert f"{bad}:2:1: unknown field 'request_mdoel'" in str(ended.value) and "did you mean 'request_model'?" in str(ended.value)
    with pytest.raises(RuntimeError) as ended:
        new_server(mapping__file=str(tmp_path / "absent.yaml")).start(seconds=30)
    assert "absent.yaml" in str(ended.value)


# ---- the command line ----

@pytest.fixture
def files(tmp_path):
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "span.json").write_bytes(to_json(request_of([make_span(PRIVATE, "work")], {"service.name": "shop"}, "acme.tracer")))
    return tmp_path


def test_map_test_says_where_each_field_came_from_and_what_stays_unmapped(files):
    shown = run("map", "test", "mapping.yaml", "span.json", cwd=files)
    assert shown.returncode == 0, shown
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["request_model", "gpt-4o-mini", "acme.llm.model", "mapping.yaml:2"] in lines
    assert ["provider", "openai", "gen_ai.provider.name", "built", "in,", "otel-genai"] in lines
    assert ["service", "shop", "service.name", "built", "in"] in lines
    assert ["tenant_id", "tenant-9", "acme.x", "mapping.yaml:10"] in lines
    after = shown.stdout.split("no row knows it:\n")[1]
    assert {"acme.gap", "gen_ai.usage.unknown_tokens"} == set(after.split("\n\n")[0].split())
    assert "ignored:\n  acme.debug.dump\n" in shown.stdout


def test_map_test_as_json_is_for_machines(files):
    report = json.loads(run("map", "test", "mapping.yaml", "span.json", "--json", cwd=files).stdout)
    fields = {row["field"]: row for row in report["spans"][0]["fields"]}
    assert fields["input_tokens"] == {"field": "input_tokens", "value": 1000, "attribute": "acme.llm.tokens_in",
                                      "row": {"file": "mapping.yaml", "line": 3}}
    assert fields["provider"]["row"] == {"dialect": "otel-genai"} and fields["total_tokens"]["row"] is None
    assert {row["attribute"]: row["becomes"] for row in report["spans"][0]["others"]} == {"acme.ask": "content.input"}
    assert report["spans"][0]["unmapped"] == ["gen_ai.usage.unknown_tokens", "acme.gap"]
    assert report["spans"][0]["ignored"] == ["acme.debug.dump"]


def test_map_test_says_the_same_as_the_server_does(files, mapped):
    sent = send(mapped, "a", PRIVATE)
    report = json.loads(run("map", "test", "mapping.yaml", "span.json", "--json", cwd=files).stdout)
    fields = {row["field"]: row["value"] for row in report["spans"][0]["fields"]}
    for name in ("request_model", "generator_model", "input_tokens", "output_tokens", "total_tokens", "session_id", "tenant_id",
                 "provider", "operation", "step", "queue_ms", "dialect", "service"):
        assert fields[name] == sent[name], name


def test_map_test_takes_a_single_span_from_standard_input(files):
    span = {"attributes": [{"key": "acme.chat", "value": {"stringValue": "chat-1"}}]}
    report = json.loads(run("map", "test", "mapping.yaml", "-", "--json", cwd=files, input=json.dumps(span)).stdout)
    assert {row["field"]: row["value"] for row in report["spans"][0]["fields"]}["session_id"] == "chat-1"


@pytest.mark.parametrize("arguments, stdin, status, said", [
    (["mapping.yaml", "absent.json"], None, 1, "absent.json"),
    (["absent.yaml", "span.json"], None, 1, "absent.yaml"),
    (["span.json", "span.json"], None, 1, "span.json:1:"),
    (["mapping.yaml", "-"], "[1", 1, "is not JSON"),
    (["mapping.yaml", "-"], "{}", 1, "it needs resourceSpans"),
    (["mapping.yaml", "-"], '{"resourceSpans":[]}', 1, "no span"),
    (["mapping.yaml", "-"], '{"spanId":"zz","attributes":[]}', 1, "span"),
    (["mapping.yaml"], None, 2, "needs FILE and SPAN.json"),
])
def test_map_test_says_what_is_wrong_with_its_input(files, arguments, stdin, status, said):
    shown = run("map", "test", *arguments, cwd=files, input=stdin)
    assert shown.returncode == status and said in shown.stderr and not shown.stdout, shown


def test_the_example_of_the_manual_is_a_mapping(tmp_path):
    with open(os.path.join(ROOT, "docs/mapping.md"), encoding="utf-8") as manual:
        (tmp_path / "mapping.yaml").write_text(manual.read().split("```yaml\n")[1].split("```")[0])
    span = {"attributes": [{"key": "acme.otel.gen_ai.request.model", "value": {"stringValue": "m-1"}}]}
    shown = run("map", "test", "mapping.yaml", "-", "--json", cwd=tmp_path, input=json.dumps(span))
    assert {row["field"]: row["value"] for row in json.loads(shown.stdout)["spans"][0]["fields"]}["request_model"] == "m-1", shown


def test_map_list_shows_the_built_in_rows():
    rows = {row["attribute"]: row for row in json.loads(run("map", "list", "--json").stdout)["rows"]}
    assert rows["llm.token_count.prompt"] == {"attribute": "llm.token_count.prompt", "field": "input_tokens", "as": "count",
                                              "dialect": "openinference", "keep": False, "since": 1}
    assert rows["llm.input_messages.*"]["field"] == "content.input"
    assert "llm.token_count.prompt" in run("map", "list").stdout
