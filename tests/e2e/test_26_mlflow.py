"""MLflow: its tracing SDK with Telltale as the tracking server, and its API as the SDK uses it.

SPDX-License-Identifier: Apache-2.0"""
import json

import mlflow
import pytest
from conftest import JSON, make_span, new_trace_id, wait_until
from mlflow.entities import AssessmentSource, Feedback, SpanType
from mlflow.exceptions import MlflowException
from mlflow.tracing.client import TracingClient

JUDGE = AssessmentSource(source_type="LLM_JUDGE", source_id="gpt-4o")
BOB = AssessmentSource(source_type="HUMAN", source_id="bob")


@pytest.fixture(autouse=True)
def tracking(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "test-key")
    mlflow.set_tracking_uri(f"http://127.0.0.1:{server.api_port}")


def ask(question):
    """A request with a model call and a tool that fails; its trace id as MLflow says it."""
    with mlflow.start_span("ask", span_type=SpanType.CHAIN) as root:
        root.set_inputs({"question": question})
        mlflow.update_current_trace(tags={"team": "blue", "feature": "returns"}, client_request_id="req-7",
                                    metadata={"mlflow.trace.session": "chat-9", "mlflow.trace.user": "u-3"})
        with mlflow.start_span("call", span_type=SpanType.CHAT_MODEL) as call:
            call.set_inputs({"messages": [{"role": "user", "content": question}], "model": "gpt-4o-mini", "temperature": 0.5})
            call.set_outputs({"choices": [{"message": {"role": "assistant", "content": "Thirty."}, "finish_reason": "stop"}]})
            call.set_attributes({"mlflow.chat.tokenUsage": {"input_tokens": 12, "output_tokens": 4, "total_tokens": 16},
                                 "mlflow.llm.model": "gpt-4o-mini", "mlflow.llm.provider": "openai",
                                 "mlflow.llm.cost": {"input_cost": 0.001, "output_cost": 0.002, "total_cost": 0.003}})
        try:
            with mlflow.start_span("weather", span_type=SpanType.TOOL) as tool:
                tool.set_inputs({"city": "Oslo"})
                raise TimeoutError("too slow")
        except TimeoutError:
            root.set_outputs("Thirty.")
    mlflow.flush_trace_async_logging()
    return root.trace_id


def hex_of(trace_id):
    return trace_id.removeprefix("tr-")


def scores_of(server, trace_id, count, fits=lambda items: True):
    def look():
        items = server.api("/scores", trace_id=hex_of(trace_id))["items"]
        return items if len(items) == count and fits(items) else None
    return {item["name"]: item for item in wait_until(look, 15, f"{count} scores")}


def test_a_trace_of_the_sdk_arrives_whole(server):
    """shows: R17 A3 A7 A9 A10 A18 A21 A31 A38 A39 A57 A59 A60 A63"""
    mlflow.set_experiment("shop returns")
    trace_id = ask("How many days?")
    found = server.wait_trace(hex_of(trace_id), 3)
    rows = {row["name"]: row for row in found["spans"]}
    root, call, tool = rows["ask"], rows["call"], rows["weather"]
    assert len(rows) == 3 and {name: row["step"] for name, row in rows.items()} == {"ask": "workflow", "call": "model", "weather": "tool"}
    assert (call["provider"], call["generator_model"], call["finish_reason"]) == ("openai", "gpt-4o-mini", ["stop"])
    assert (call["input_tokens"], call["output_tokens"], call["usage"]["source"]) == (12, 4, "reported")
    assert call["estimated_cost_usd"] and call["cost"]["sender_usd"] == 0.003
    assert (tool["status"], tool["error_type"], tool["error_class"]) == ("error", "TimeoutError", "timeout")
    assert {row["session_id"] for row in rows.values()} == {"chat-9"} and {row["user_id"] for row in rows.values()} == {"u-3"}
    assert (root["request_id"], root["feature"]) == ("req-7", "returns")
    assert root["attributes"]["mlflow.trace.tag.team"] == "blue"
    assert {row["attributes"]["mlflow.experimentId"] for row in rows.values()} == {"shop%20returns"}
    assert "input_tokens" not in root or root["input_tokens"] is None
    said = json.dumps(server.payload(hex_of(trace_id), call["span_id"]))
    assert "How many days?" in said and "Thirty." in said


def test_the_sdk_sees_that_spans_are_stored_and_uploads_nothing_more(server):
    before = server.metric("telltale_receive_failed_requests_total")
    trace_id = ask("Again?")
    server.wait_trace(hex_of(trace_id), 3)
    assert server.metric("telltale_receive_failed_requests_total") == before


def test_assessments_are_scores(server):
    """shows: A78"""
    trace_id = ask("Good?")
    call = {row["name"]: row for row in server.wait_trace(hex_of(trace_id), 3)["spans"]}["call"]
    mlflow.log_feedback(trace_id=trace_id, name="quality", value=0.8, source=JUDGE, rationale="clear", metadata={"run": "7"})
    mlflow.log_feedback(trace_id=trace_id, name="thumb", value=True, source=BOB)
    mlflow.log_feedback(trace_id=trace_id, name="tone", value="kind", source=BOB, span_id=call["span_id"])
    mlflow.log_expectation(trace_id=trace_id, name="expected", value={"days": 30}, source=BOB)
    mlflow.log_feedback(trace_id=trace_id, name="failed", error=ValueError("no answer"), source=JUDGE)
    got = scores_of(server, trace_id, 5)
    quality = got["quality"]
    assert (quality["value"], quality["comment"], quality["source"], quality["evaluator"]) == (0.8, "clear", "judge", "gpt-4o")
    assert quality["metadata"] == {"mlflow.assessment.kind": "feedback", "run": "7"}
    assert (got["thumb"]["value"], got["thumb"]["source"], got["thumb"]["span_id"]) == (True, "human", None)
    assert (got["tone"]["value"], got["tone"]["span_id"]) == ("kind", call["span_id"])
    assert json.loads(got["expected"]["label"]) == {"days": 30}
    assert got["expected"]["metadata"]["mlflow.assessment.kind"] == "expectation"
    assert (got["failed"]["value"], got["failed"]["metadata"]["mlflow.assessment.error"]) == (None, "ValueError")


def test_an_update_replaces_and_a_deletion_leaves_no_opinion(server):
    trace_id = f"tr-{new_trace_id()}"
    first = mlflow.log_feedback(trace_id=trace_id, name="quality", value=0.2, source=BOB)
    second = mlflow.log_feedback(trace_id=trace_id, name="quality", value=0.3, source=BOB)
    assert first.assessment_id != second.assessment_id
    scores_of(server, trace_id, 2)
    changed = mlflow.update_assessment(trace_id=trace_id, assessment_id=first.assessment_id,
                                       assessment=Feedback(name="quality", value=0.9, rationale="read again"))
    assert changed.assessment_id == first.assessment_id
    mlflow.delete_assessment(trace_id=trace_id, assessment_id=second.assessment_id)
    got = scores_of(server, trace_id, 2, lambda items: {item["value"] for item in items} == {0.9, None})
    assert (got["quality"]["comment"], got["quality"]["source"]) == ("read again", "human")
    assert got["(deleted)"]["label"] is None


def test_tags_set_later_reach_the_root(server):
    trace_id = ask("Tagged?")
    server.wait_trace(hex_of(trace_id), 3)
    mlflow.set_trace_tag(trace_id, "reviewed", "yes")

    def look():
        spans = server.trace(hex_of(trace_id))["spans"]
        roots = [row for row in spans if row["attributes"].get("mlflow.trace.tag.reviewed") == "yes"]
        return len(spans) == 3 and roots
    [root] = wait_until(look, 15, "the tag")
    assert (root["name"], root["session_id"]) == ("ask", "chat-9")
    mlflow.delete_trace_tag(trace_id, "reviewed")
    wait_until(lambda: [s for s in server.trace(hex_of(trace_id))["spans"]
                        if s["attributes"].get("mlflow.trace.tag.reviewed") == ""], 15, "the tag emptied")


def test_an_experiment_is_its_name(server):
    assert mlflow.set_experiment("shop").experiment_id == "shop"
    assert mlflow.set_experiment("ä b%").name == "ä b%"
    assert mlflow.set_experiment("Default").experiment_id == "0"
    assert mlflow.set_experiment(experiment_id="0").name == "Default"


def test_what_is_not_served_is_said_in_its_words(server):
    with pytest.raises(MlflowException, match="ENDPOINT_NOT_FOUND|does not serve"):
        TracingClient().get_trace_info(f"tr-{new_trace_id()}")
    answer = server.request("POST", "/api/2.0/mlflow/runs/create", "{}", {"content-type": JSON})
    assert (answer.status, answer.json["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert server.request("GET", "/version").text != "3.17.0"  # that is for its client alone


BAD = [("traces", "{"), ("traces", "[]"), ("traces", "{}"), ("traces", '{"trace": {"trace_info": {"trace_id": 7}}}'),
       ("traces/tr-1/assessments", "{}"), ("traces/tr-1/assessments", '{"assessment": {"assessment_name": "n"}}'),
       ("traces/tr-1/assessments", '{"assessment": {"feedback": {"value": 1}}}'), ("traces/tr-1/assessments", b"\xff\x00"),
       ("traces/tr-1/assessments", ""), ("experiments/create", '{"name": 5}')]


@pytest.mark.parametrize("path,body", BAD)
def test_what_cannot_be_read_is_an_invalid_parameter(server, path, body):
    answer = server.request("POST", "/api/3.0/mlflow/" + path, body, {"content-type": JSON})
    assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer


def test_the_header_names_the_experiment_of_spans(server):
    span = make_span(name="bare")
    server.send_spans(span, headers={"x-mlflow-experiment-id": "12"})
    [row] = server.wait_trace(span["traceId"])["spans"]
    assert row["attributes"]["mlflow.experimentId"] == "12"


def test_without_a_good_key_nothing_is_taken(new_server):
    """shows: P19"""
    made = new_server(auth__mode="on").start()
    body = json.dumps({"assessment": {"assessment_name": "n", "feedback": {"value": 1}}})
    for key, status in (("test-key", 401), (made.first_key, 200)):
        answer = made.request("POST", "/api/3.0/mlflow/traces/tr-1/assessments", body,
                              {"content-type": JSON, "authorization": f"Bearer {key}"})
        assert answer.status == status
    assert made.request("GET", "/version", headers={"user-agent": "mlflow-python-client/3.17.2"}).text == "3.17.0"
