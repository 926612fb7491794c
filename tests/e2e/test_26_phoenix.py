"""Phoenix: its own Python packages, with nothing changed but the endpoint, and its API as they use it.

SPDX-License-Identifier: Apache-2.0"""
import json

import pytest
from conftest import PROTOBUF, make_span, new_span_id, new_trace_id, replay_native, request_of, wait_until
from phoenix.client import Client
from phoenix.client.exceptions import SpanCreationError
from phoenix.otel import register

MESSAGES = {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "How many days?",
            "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Thirty."}
MODEL = {"llm.model_name": "gpt-4o-mini-2024-07-18", "llm.provider": "openai", "llm.token_count.prompt": 12,
         "llm.token_count.completion": 4, "llm.token_count.prompt_details.cache_read": 2, "session.id": "chat-7",
         "user.id": "u-1", "tag.tags": ["beta", "web"]}


def url_of(server):
    return f"http://127.0.0.1:{server.api_port}"


@pytest.fixture
def client(server):
    return Client(base_url=url_of(server), api_key="test-key")


def json_span(trace_id, span_id, name="answer", kind="LLM", parent=None, **more):
    span = {"name": name, "context": {"trace_id": trace_id, "span_id": span_id}, "span_kind": kind,
            "start_time": "2026-11-21T10:00:00.5+00:00", "end_time": "2026-11-21T10:00:02Z", "status_code": "OK", **more}
    return dict(span, parent_id=parent) if parent else span


def post(server, path, body, expect=200, **headers):
    return server.call("POST", path, body, expect, **headers)


@pytest.mark.parametrize("how", ["http/protobuf", "grpc"])
def test_phoenix_otel_sends_its_spans_with_the_project(server, how):
    """shows: R17 A9 A10 A18"""
    is_grpc = how == "grpc"
    endpoint = f"http://127.0.0.1:{server.grpc_port}" if is_grpc else url_of(server) + "/v1/traces"
    provider = register(endpoint=endpoint, protocol=how, project_name=f"shop-{how[:4]}", api_key="test-key", verbose=False,
                        set_global_tracer_provider=False)
    with provider.get_tracer("shop").start_as_current_span("answer", openinference_span_kind="llm") as span:
        span.set_attributes(MESSAGES | MODEL)
        trace_id = f"{span.get_span_context().trace_id:032x}"
    provider.shutdown()
    [row] = server.wait_trace(trace_id)["spans"]
    assert (row["name"], row["step"], row["provider"], row["generator_model"] or row["request_model"]) == \
        ("answer", "model", "openai", "gpt-4o-mini-2024-07-18")
    assert (row["session_id"], row["user_id"], row["tags"]) == ("chat-7", "u-1", ["beta", "web"])
    assert row["attributes"]["openinference.project.name"] == f"shop-{how[:4]}"


def test_spans_logged_by_the_client_are_spans_of_the_model(server, client):
    """shows: R17 A31 A38 A57 A59 A60 A62"""
    trace_id, root, call, tool = new_trace_id(), new_span_id(), new_span_id(), new_span_id()
    events = [{"name": "exception", "timestamp": "2026-11-21T10:00:01Z",
               "attributes": {"exception.type": "TimeoutError", "exception.message": "too slow"}}]
    done = client.spans.log_spans(project_identifier="shop", spans=[
        json_span(trace_id, root, "ask", "CHAIN"),
        json_span(trace_id, call, "answer", "LLM", root, attributes=MESSAGES | MODEL),
        json_span(trace_id, tool, "weather", "TOOL", root, status_code="ERROR", status_message="no network", events=events,
                  attributes={"tool.name": "weather", "input.value": '{"city": "Oslo"}'})])
    assert done == {"total_received": 3, "total_queued": 3}
    rows = {row["name"]: row for row in server.wait_trace(trace_id, 3)["spans"]}
    answer, weather = rows["answer"], rows["weather"]
    assert {name: row["step"] for name, row in rows.items()} == {"ask": "workflow", "answer": "model", "weather": "tool"}
    assert (answer["parent_span_id"], answer["status"]) == (root, "ok")
    assert (answer["start_time"], answer["latency_ms"]) == ("2026-11-21T10:00:00.500000000Z", 1500)
    assert (answer["input_tokens"], answer["usage"]["cache_read"], answer["output_tokens"]) == (12, 2, 4)
    assert answer["estimated_cost_usd"] and answer["tags"] == ["beta", "web"]
    assert answer["attributes"]["openinference.project.name"] == "shop"
    assert (weather["status"], weather["status_message"], weather["error_type"]) == ("error", "no network", "TimeoutError")
    said = server.payload(trace_id, call)
    assert "How many days?" in json.dumps(said) and "Thirty." in json.dumps(said)


def test_a_bad_span_is_named_and_its_neighbours_are_kept(server, client):
    trace_id, good, bad = new_trace_id(), new_span_id(), new_span_id()
    with pytest.raises(SpanCreationError) as error:
        client.spans.log_spans(project_identifier="shop", spans=[
            json_span(trace_id, bad) | {"start_time": "yesterday"}, json_span(trace_id, good, "kept")])
    assert (error.value.total_received, error.value.total_queued, error.value.total_invalid) == (2, 1, 1)
    assert [(span["span_id"], span["error"]) for span in error.value.invalid_spans] == \
        [(bad, "start_time: Input should be a valid datetime")]
    assert [row["name"] for row in server.wait_trace(trace_id)["spans"]] == ["kept"]


def test_annotations_of_span_trace_session_and_document_are_scores(server, client):
    """shows: A78 J2"""
    trace_id, span_id, session = new_trace_id(), new_span_id(), f"s-{new_span_id()}"
    server.send_spans(make_span({"session.id": session}, trace_id=trace_id, span_id=span_id))
    given = client.spans.add_span_annotation(span_id=span_id, annotation_name="quality", annotator_kind="LLM", label="good",
                                             score=0.9, explanation="clear", metadata={"judge": "gpt-4o"}, sync=True)
    assert given["id"]
    assert client.spans.add_span_annotation(span_id=span_id, annotation_name="thumb", label="up") is None
    client.traces.add_trace_annotation(trace_id=trace_id, annotation_name="correct", annotator_kind="CODE", score=1.0, sync=True)
    client.sessions.add_session_annotation(session_id=session, annotation_name="solved", label="yes", identifier="r-1")
    for place in (0, 1):
        client.spans.add_document_annotation(span_id=span_id, document_position=place, annotation_name="relevance",
                                             annotator_kind="LLM", score=0.5 + place / 4)
    of_span = {(s["name"], s["metadata"].get("document_position")): s for s in server.wait_scores(4, span_id=span_id)}
    quality = of_span[("quality", None)]
    assert (quality["value"], quality["label"], quality["comment"], quality["source"]) == (0.9, "good", "clear", "judge")
    assert quality["metadata"] == {"judge": "gpt-4o"}
    assert (of_span[("thumb", None)]["value"], of_span[("thumb", None)]["source"]) == ("up", "human")
    assert (of_span[("relevance", 0)]["value"], of_span[("relevance", 1)]["value"]) == (0.5, 0.75)
    [correct] = server.wait_scores(1, trace_id=trace_id)
    assert (correct["name"], correct["value"], correct["source"]) == ("correct", 1, "code")
    [solved] = server.wait_scores(1, session_id=session)
    assert (solved["value"], solved["metadata"]) == ("yes", {"identifier": "r-1"})
    assert {s["name"] for s in server.wait_trace(trace_id)["scores"]} == {"quality", "thumb", "correct", "relevance"}


def test_the_packages_for_javascript_are_understood_as_recorded(server):
    """@arizeai/phoenix-otel and @arizeai/phoenix-client.  shows: A20 A59 A60 A78"""
    replay_native(server, "phoenix-js")
    [row] = server.wait_spans('name = "answer" and session_id = "chat-8"', settled=True)
    assert (row["step"], row["request_model"], row["input_tokens"], row["output_tokens"]) == ("model", "gpt-4o-mini", 12, 4)
    assert row["attributes"]["openinference.project.name"] == "shop-web"
    [logged] = server.wait_trace("4bf92f3577b34da6a3ce929d0e0e4736")["spans"]
    assert (logged["name"], logged["step"], logged["latency_ms"]) == ("logged", "retrieval", 1000)
    server.wait_scores(3, span_id=row["span_id"])
    scores = server.wait_trace(row["trace_id"])["scores"]
    assert sorted((s["name"], s["value"], s["source"]) for s in scores if s["name"] != "note") == [
        ("correct", 0.75, "code"), ("quality", 0.75, "judge"), ("relevance", 0.75, "judge")]
    assert sorted(s["comment"] for s in scores if s["name"] == "note") == ["look again", "of the trace"]
    assert [s["metadata"].get("document_position") for s in scores if s["name"] == "relevance"] == [2]
    assert {(s["name"], s["value"], s["comment"]) for s in server.wait_scores(2, session_id="chat-8")} == {
        ("solved", 0.75, "clear"), ("note", None, "of the session")}


def test_the_same_name_target_and_identifier_replace_and_another_identifier_does_not(server, client):
    span_id = new_span_id()
    for score, identifier in ((0.1, None), (0.2, "alice"), (0.3, None), (0.4, "alice")):
        client.spans.add_span_annotation(span_id=span_id, annotation_name="q", score=score, identifier=identifier, sync=True)
    wait_until(lambda: sorted(s["value"] for s in server.api("/scores", span_id=span_id)["items"]) == [0.3, 0.4], 15, "two")


def test_notes_stand_beside_each_other_as_scores_without_a_value(server, client):
    """shows: A78"""
    span_id = new_span_id()
    for note in ("first look", "second look"):
        assert client.spans.add_span_note(span_id=span_id, note=note)["id"]
    notes = server.wait_scores(2, span_id=span_id)
    assert {(s["name"], s["value"], s["comment"], s["source"]) for s in notes} == \
        {("note", None, "first look", "human"), ("note", None, "second look", "human")}


def test_an_annotation_may_come_before_its_span(server, client):
    """shows: C3"""
    trace_id, span_id = new_trace_id(), new_span_id()
    client.spans.add_span_annotation(span_id=span_id, annotation_name="early", score=1)
    server.wait_scores(1, span_id=span_id)
    server.send_spans(make_span(trace_id=trace_id, span_id=span_id))
    assert [s["name"] for s in server.wait_trace(trace_id)["scores"]] == ["early"]


def test_projects_and_the_version_are_answered_as_the_clients_read_them(server, client):
    assert client.projects.get(project_name="my shop")["name"] == "my shop"
    assert client.projects.create(name="new", description="of mine")["description"] == "of mine"
    assert [project["name"] for project in client.projects.list()] == ["default"]
    answer = server.request("GET", "/arize_phoenix_version")
    assert (answer.status, answer.text, answer.headers["x-phoenix-server-version"]) == (200, "15.5.0", "15.5.0")
    assert server.request("DELETE", "/v1/projects/new").status == 405


def test_the_header_names_the_project_where_the_resource_does_not(server):
    bare, said = make_span(name="bare"), make_span(name="said")
    for span, resource in ((bare, {"service.name": "s"}), (said, {"openinference.project.name": "own"})):
        server.send(request_of([span], resource), headers={"x-project-name": "of the head"})
    for span, project in ((bare, "of the head"), (said, "own")):
        [row] = server.wait_trace(span["traceId"])["spans"]
        assert row["attributes"]["openinference.project.name"] == project


BAD = [
    ("/v1/span_annotations", "{", 422), ("/v1/span_annotations", "[]", 422), ("/v1/span_annotations", '{"data": 3}', 422),
    ("/v1/span_annotations", '{"data": [7, null, "x", []]}', 422),
    ("/v1/span_annotations", '{"data": [{"span_id": 5, "name": "n", "annotator_kind": "LLM"}]}', 422),
    ("/v1/span_annotations", '{"data": [{"span_id": "00", "name": "n", "annotator_kind": "ROBOT", "result": {"score": 1}}]}', 422),
    ("/v1/span_annotations", '{"data": [{"span_id": "00", "name": "n", "annotator_kind": "LLM", "result": {"score": 1e999}}]}', 422),
    ("/v1/span_annotations", '{"data": [{"span_id": "00", "name": "n", "annotator_kind": "LLM", "result": {}}]}', 422),
    ("/v1/document_annotations", '{"data": [{"span_id": "00", "name": "n", "annotator_kind": "LLM", "result": {"score": 1}}]}', 422),
    ("/v1/span_notes", '{"data": {"span_id": "00"}}', 422), ("/v1/projects", "{}", 422),
    ("/v1/projects/p/spans", '{"data": [{}, 4, {"context": []}, {"context": {"trace_id": "a"}}]}', 400),
    ("/v1/projects/p/spans", '{"data": [{"name": "n", "context": {"trace_id": "1", "span_id": "2"}, "start_time": 9e99}]}', 400),
    ("/v1/span_annotations", b"\xff\xfe\x00", 422),
]


@pytest.mark.parametrize("path,body,status", BAD)
def test_what_cannot_be_read_is_answered_with_a_detail(server, path, body, status):
    assert post(server, path, body, status).json["detail"]


def test_other_content_types_and_methods_are_refused(server):
    post(server, "/v1/span_annotations", "a=b", 415, **{"content-type": "application/x-www-form-urlencoded"})
    post(server, "/v1/span_annotations", b"\x0a", 415, **{"content-type": PROTOBUF})
    assert server.request("PUT", "/v1/span_annotations", "{}").status == 405


def test_without_a_good_key_nothing_is_taken(new_server):
    """shows: P19"""
    server = new_server(auth__mode="on").start()
    body = {"data": [{"span_id": new_span_id(), "name": "n", "annotator_kind": "LLM", "result": {"score": 1}}]}
    post(server, "/v1/span_annotations", body, 401, authorization="Bearer test-key")
    assert server.request("GET", "/v1/projects").status == 401
    assert server.request("GET", "/arize_phoenix_version").status == 200
    post(server, "/v1/span_annotations", body, 200, authorization=f"Bearer {server.first_key}")
