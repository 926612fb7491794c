"""LangSmith's own clients, unchanged but for the address: runs alone, in batches, as multipart; feedback.

SPDX-License-Identifier: Apache-2.0"""
import json
import os
import subprocess
import time
import uuid

import pytest
from conftest import CLEAN_ENV, ROOT, wait_until
from test_13_sdk_js import NODE

langsmith = pytest.importorskip("langsmith")
import openai  # noqa: E402
from langchain_core.documents import Document  # noqa: E402
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel  # noqa: E402
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage  # noqa: E402
from langchain_core.retrievers import BaseRetriever  # noqa: E402
from langchain_core.tools import tool  # noqa: E402
from langchain_core.tracers.langchain import LangChainTracer, wait_for_all_tracers  # noqa: E402
from langsmith import traceable, tracing_context  # noqa: E402
from langsmith.run_helpers import get_current_run_tree  # noqa: E402
from langsmith.schemas import Attachment  # noqa: E402
from langsmith.wrappers import wrap_openai  # noqa: E402

BASES = ["", "/api", "/api/v1"]


@pytest.fixture(scope="module")
def model():
    import sys
    sys.path.insert(0, os.path.join(ROOT, "tests/e2e/record"))
    import scripted_model
    return scripted_model.start()


@pytest.fixture
def client(server):
    with_base = client_of(server)
    with tracing_context(enabled=True, client=with_base, project_name="shop"):
        yield with_base
    with_base.cleanup() if hasattr(with_base, "cleanup") else None


def client_of(server, base="", key="test-key", **more):
    return langsmith.Client(api_url=f"http://127.0.0.1:{server.otlp_port}{base}", api_key=key, **more)


def post(server, path, body, method="POST", expect=202, kind="application/json", headers=None):
    body = json.dumps(body).encode() if not isinstance(body, bytes) else body
    answer = server.request(method, path, body, {"content-type": kind, **(headers or {})}, server.otlp_port)
    assert answer.status == expect, answer
    return answer


def run_of(**members):
    """A root run as a client of any version sends it."""
    run_id = str(uuid.uuid4())
    return dict({"id": run_id, "trace_id": run_id, "dotted_order": f"20261122T003000000000Z{run_id}"}, **members)


def begun(**members):
    return run_of(**dict({"name": "answer", "run_type": "llm", "start_time": "2026-11-22T00:30:00", "inputs": {"messages": [
        {"role": "user", "content": "Capital?"}]}, "extra": {"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}}}, **members))


def ended(run, **members):
    return dict({key: run[key] for key in ("id", "trace_id", "dotted_order")}, end_time="2026-11-22T00:30:02.500000", outputs={
        "choices": [{"message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}], "model": "gpt-4o-mini-2024-07-18",
        "usage_metadata": {"input_tokens": 40, "output_tokens": 10, "total_tokens": 50, "input_token_details": {"cache_read": 16}}}, **members)


def check_whole(server, run, settled=True):
    """One right span, however its parts came."""
    def look():
        spans = server.spans(f'trace_id = "{run["trace_id"].replace("-", "")}"')
        whole = [span for span in spans if span["name"] and span["latency_ms"] and span["total_tokens"] and span["estimated_cost_usd"]]
        return spans if whole and (not settled or all(span["settled"] for span in spans)) else None
    [span] = wait_until(look, 15, "the whole span")
    assert (span["name"], span["step"], span["status"], span["latency_ms"]) == ("answer", "model", "ok", 2500)
    assert (span["start_time"], span["source_id"]) == ("2026-11-22T00:30:00.000000000Z", run["id"])
    assert (span["provider"], span["request_model"], span["generator_model"]) == ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (span["input_tokens"], span["output_tokens"], span["usage"]["cache_read"], span["usage"]["input_fresh"]) == (40, 10, 16, 24)
    assert (span["usage"]["source"], span["cost"]["source"], span["estimated_cost_usd"]) == ("reported", "table", 1.08e-05)
    assert (span["finish_reason"], span["flags"]) == (["stop"], None)
    payload = server.payload(span["trace_id"], span["span_id"])
    assert payload["input"] == [{"role": "user", "parts": [{"type": "text", "content": "Capital?"}]}]
    assert [message["parts"] for message in payload["output"]] == [[{"type": "text", "content": "Paris."}]]
    assert payload["raw"]["preview"] == {"input": "Capital?", "output": "Paris."}
    return span


# ---- the clients ----

@pytest.mark.parametrize("base", BASES)
def test_traced_functions_become_a_tree(server, base):
    """shows: R7 B4 A2 A9 A10"""
    ids = {}

    @traceable(run_type="tool")
    def look_up(order_id):
        return {"status": "shipped"}

    @traceable(run_type="retriever")
    def fetch(query):
        return [{"page_content": "Paris is in France", "metadata": {"score": 0.9}, "type": "Document"}]

    @traceable(run_type="chain", tags=["beta", "a,b"], metadata={"thread_id": "s-1", "user_id": "u-1"})
    def answer(question):
        ids["trace"] = get_current_run_tree().trace_id.hex
        fetch(question)
        look_up("A-17")
        return "ok"
    client = client_of(server, base)
    with tracing_context(enabled=True, client=client, project_name="shop"):
        answer("Where?")
    client.flush()
    trace = server.wait_trace(ids["trace"], 3)
    assert (trace["trace"]["name"], trace["trace"]["user_id"], trace["trace"]["session_id"]) == ("answer", "u-1", "s-1")
    assert (trace["trace"]["tool_call_count"], trace["trace"]["status"]) == (1, "ok")
    root, documents, call = (next(s for s in trace["spans"] if s["name"] == name) for name in ("answer", "fetch", "look_up"))
    assert root["parent_span_id"] is None and documents["parent_span_id"] == call["parent_span_id"] == root["span_id"]
    assert (root["step"], documents["step"], call["step"], call["tool"]["name"]) == ("workflow", "retrieval", "tool", "look_up")
    assert (root["tags"], root["attributes"]["langsmith.trace.session_name"]) == (["beta", "a,b"], "shop")
    assert (documents["document_scores"], documents["top_k_returned"]) == ([0.9], 1)
    payload = server.payload(ids["trace"], documents["span_id"])
    assert payload["documents"][0]["content"] == "Paris is in France" and payload["raw"]["query"] == "Where?"
    raw = server.payload(ids["trace"], call["span_id"])["raw"]
    assert (raw["tool_arguments"], raw["tool_result"]) == ({"order_id": "A-17"}, {"status": "shipped"})


TOOLS = [{"type": "function", "function": {"name": "lookup_order", "parameters": {"type": "object", "properties": {}}}}]


def call_openai(server, client, base_url, name, **request):
    """One wrapped call; its span and payload."""
    wrapped = wrap_openai(openai.OpenAI(base_url=base_url, api_key="test-key", max_retries=0), tracing_extra={"client": client}, chat_name=name)
    try:
        answer = wrapped.chat.completions.create(**dict({"model": "gpt-4o-mini"}, **request))
        for _ in answer if request.get("stream") else ():
            pass
    except openai.NotFoundError:
        pass
    client.flush()
    [span] = server.wait_spans(f'name = "{name}"', settled=True)
    return span, server.payload(span["trace_id"], span["span_id"])


def test_a_wrapped_call_has_model_usage_cost_and_messages(server, client, model):
    """shows: R7 A18 A20 A21 A22 A24 A31 A38 A39 A59 A60 A61 A62 A63"""
    span, payload = call_openai(server, client, model, "plain", temperature=0.2, max_tokens=50, messages=[
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}])
    assert (span["step"], span["provider"], span["request_model"], span["generator_model"]) == (
        "model", "openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (span["temperature"], span["max_tokens"], span["finish_reason"], span["response_id"]) == (0.2, 50, ["stop"], "chatcmpl-chat")
    assert (span["input_tokens"], span["output_tokens"], span["total_tokens"]) == (43, 7, 50)
    assert (span["usage"]["cache_read"], span["usage"]["input_fresh"], span["usage"]["source"]) == (16, 27, "reported")
    assert (span["cost"]["source"], span["estimated_cost_usd"]) == ("table", 9.45e-06)
    assert [message["role"] for message in payload["input"]] == ["system", "user"]
    assert payload["output"][0]["parts"] == [{"type": "text", "content": "The capital of France is Paris."}]


def test_a_wrapped_call_keeps_its_tools_and_their_calls(server, client, model):
    """shows: A39 A41"""
    span, payload = call_openai(server, client, model, "with tools", tools=TOOLS, messages=[{"role": "user", "content": "Where is A-17?"}])
    assert (span["finish_reason"], span["usage"]["cache_read"]) == (["tool_calls"], 128)
    assert payload["output"][0]["parts"] == [{"type": "tool_call", "id": "call_lookup_order_1", "name": "lookup_order",
                                              "arguments": {"order_id": "A-17"}}]
    assert payload["tools"] == TOOLS


def test_a_stream_has_its_time_to_the_first_token(server, client, model):
    """shows: A50"""
    span, _ = call_openai(server, client, model, "streamed", stream=True, stream_options={"include_usage": True},
                          messages=[{"role": "user", "content": "Capital?"}])
    assert span["stream"] is True and 0 < span["ttft_ms"] <= span["latency_ms"]
    assert span["total_tokens"] == 50


def test_a_failed_call_says_how(server, client, model):
    """shows: A57"""
    span, payload = call_openai(server, client, model, "failed", model="gpt-9", messages=[{"role": "user", "content": "x"}])
    assert (span["status"], span["error_type"], span["error_class"]) == ("error", "NotFoundError", "http")
    assert span["status_message"] == "NotFoundError('Error code: 404 - The model `gpt-9` does not exist.')"
    assert span["usage"]["source"] == "unknown" and payload["output"] == []


def test_langchain_traces_models_retrievers_and_tools(server, client):
    """shows: R7 R10 A10 A20 A21 A39 A41 A59 A60 A62 A72 A74"""
    usage = {"input_tokens": 50, "output_tokens": 20, "total_tokens": 70, "input_token_details": {"cache_read": 16},
             "output_token_details": {"reasoning": 5}}
    answer = AIMessage("Paris it is.", usage_metadata=usage, response_metadata={"model_name": "gpt-4o-mini-2024-07-18", "finish_reason": "stop"})
    chat = GenericFakeChatModel(messages=iter([answer]), metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"})

    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document("Paris...", id="d1", metadata={"score": 0.8})]

    @tool
    def find_order(order_id: str) -> str:
        """Finds it."""
        return "shipped"
    tracer = {"callbacks": [LangChainTracer(client=client, project_name="shop")]}
    chat.invoke([SystemMessage("Be brief."), HumanMessage("Capital?")], config=dict(tracer, tags=["t1"], metadata={"thread_id": "th-1"}))
    Shelf().invoke("capital", config=tracer)
    find_order.invoke({"name": "find_order", "args": {"order_id": "A-17"}, "id": "call_1", "type": "tool_call"}, config=tracer)
    wait_for_all_tracers()
    client.flush()
    [span] = server.wait_spans('name = "GenericFakeChatModel"', settled=True)
    assert (span["request_model"], span["generator_model"], span["finish_reason"]) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", ["stop"])
    assert (span["input_tokens"], span["output_tokens"], span["session_id"], span["tags"]) == (50, 20, "th-1", ["t1"])
    buckets = {key: span["usage"][key] for key in ("input_fresh", "cache_read", "output_text", "reasoning")}
    assert buckets == {"input_fresh": 34, "cache_read": 16, "output_text": 15, "reasoning": 5}
    payload = server.payload(span["trace_id"], span["span_id"])
    assert [message["role"] for message in payload["input"] + payload["output"]] == ["system", "user", "assistant"]
    [span] = server.wait_spans('name = "Shelf"', settled=True)
    assert (span["step"], span["source_ids"], span["document_scores"]) == ("retrieval", ["d1"], [0.8])
    [span] = server.wait_spans('name = "find_order"', settled=True)
    assert (span["step"], span["tool"]["name"], span["tool"]["call_id"]) == ("tool", "find_order", "call_1")


@pytest.mark.parametrize("way", ["zstd", "multipart", "batch"])
def test_every_way_of_sending_gives_the_same(server, way, monkeypatch):
    """shows: R7"""
    monkeypatch.setenv("LANGSMITH_DISABLE_RUN_COMPRESSION", "false" if way == "zstd" else "true")
    langsmith.utils.get_env_var.cache_clear()
    info = server.request("GET", "/info", port=server.otlp_port).json
    info["batch_ingest_config"]["use_multipart_endpoint"] = way != "batch"
    client = client_of(server, info={key: info[key] for key in ("version", "batch_ingest_config", "instance_flags")})
    with tracing_context(enabled=True, client=client):
        @traceable(name=f"sent as {way}")
        def work(text):
            return text.upper()
        work("ü")
    client.flush()
    [span] = server.wait_spans(f'name = "sent as {way}"', settled=True)
    assert span["latency_ms"] is not None and server.payload(span["trace_id"], span["span_id"])["raw"]["preview"] == {
        "input": '{"text":"ü"}', "output": "Ü"}


def test_attachments_are_described(server, client):
    data = b"\x89PNG\r\n\0\r\n--" * 10

    @traceable(name="with a file")
    def look_at(picture: Attachment):
        return "a cat"
    look_at(Attachment(mime_type="image/png", data=data))
    client.flush()
    [span] = server.wait_spans('name = "with a file"', settled=True)
    assert json.loads(span["attributes"]["langsmith.attachment.picture"]) == {"mime_type": "image/png", "bytes": len(data)}


def test_feedback_of_the_client_becomes_scores(server, client):
    """shows: R7 A78"""
    ids = {}

    @traceable
    def inner():
        ids["inner"] = get_current_run_tree().id

    @traceable
    def outer():
        ids["outer"] = get_current_run_tree().id
        inner()
    outer()
    about = {"trace_id": ids["outer"], "session_id": uuid.uuid4()}
    client.create_feedback(ids["outer"], "helpful", score=True, comment="good", **about)
    client.create_feedback(ids["inner"], "tone", score=0.25, value="rude", feedback_source_type="model", source_info={"judge": 7}, **about)
    client.create_feedback(ids["outer"], "topic", value="orders", extend_trace_retention=False, **about)  # alone, by POST /feedback
    client.flush()

    def look():
        scores = {score["name"]: score for score in server.api("/scores", trace_id=ids["outer"].hex)["items"]}
        return scores if len(scores) == 3 else None
    scores = wait_until(look, 15, "three scores")
    spans = {span["name"]: span for span in server.wait_trace(ids["outer"].hex, 2)["spans"]}
    assert (scores["helpful"]["value"], scores["helpful"]["comment"], scores["helpful"]["source"]) == (True, "good", "api")
    assert (scores["tone"]["value"], scores["tone"]["label"], scores["tone"]["source"]) == (0.25, "rude", "judge")
    assert scores["topic"]["value"] == "orders" and scores["tone"]["metadata"]["judge"] == 7
    assert (scores["helpful"]["span_id"], scores["tone"]["span_id"]) == (spans["outer"]["span_id"], spans["inner"]["span_id"])


def test_feedback_may_be_changed_soon_or_late(server, client):
    """shows: R7 A78"""
    run_id, feedback_id = uuid.uuid4(), uuid.uuid4()

    def scores():
        return [(s["name"], s["value"], s["comment"]) for s in server.api("/scores", trace_id=run_id.hex)["items"]]
    client.create_feedback(run_id, "helpful", score=0.5, comment="so so", trace_id=run_id, session_id=run_id, feedback_id=feedback_id,
                           source_info={"by": "me"})
    client.flush()
    client.update_feedback(feedback_id, score=0.75)
    wait_until(lambda: scores() == [("helpful", 0.75, "so so")], what="the first change")
    client.update_feedback(feedback_id, comment="better", correction={"answer": "Paris"})
    wait_until(lambda: scores() == [("helpful", 0.75, "better")], what="the second change")
    [score] = server.api("/scores", trace_id=run_id.hex)["items"]
    assert score["metadata"] == {"by": "me", "correction": {"answer": "Paris"}, "langsmith.session_id": str(run_id)}
    client.update_feedback(uuid.uuid4(), score=1)  # nobody gave it: nothing comes of it
    assert scores() == [("helpful", 0.75, "better")]


@pytest.mark.skipif(not os.path.exists(os.path.join(ROOT, "node_modules/langsmith")), reason="langsmith is not among the packages of npm")
@pytest.mark.parametrize("base", ["", "/api/v1"])
def test_the_client_for_javascript_sends_the_same(server, model, base):
    """shows: R7 B4 A9 A10 A18 A21 A22 A31 A39 A41 A42 A50 A57 A59 A60 A62 A65 A74 A78"""
    env = {key: value for key, value in CLEAN_ENV.items() if not key.startswith(("LANGSMITH_", "LANGCHAIN_"))}
    env.update(LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=f"http://127.0.0.1:{server.otlp_port}{base}", LANGSMITH_API_KEY="test-key",
               LANGSMITH_PROJECT="shop", MODEL_URL=model)
    done = subprocess.run([NODE, os.path.join(ROOT, "tests/e2e/js/langsmith.mjs")], capture_output=True, text=True, timeout=60, env=env, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    trace = server.wait_trace(done.stdout.strip().replace("-", ""), 6)
    spans = {span["name"]: span for span in trace["spans"] if span["name"] != "ChatOpenAI"}
    root, documents, call, failed = (spans[name] for name in ("answer", "fetch", "look_up", "fail"))
    assert (root["step"], root["status"], root["tags"], root["user_id"], root["session_id"]) == ("workflow", "ok", ["beta"], "u-1", "s-1")
    assert all(span["parent_span_id"] == root["span_id"] for span in trace["spans"] if span is not root)
    assert 400 <= root["latency_ms"] < 10000 and not any(span["flags"] for span in trace["spans"])
    assert (documents["step"], documents["document_scores"]) == ("retrieval", [0.9])
    assert server.payload(root["trace_id"], documents["span_id"])["raw"]["query"] == "Capital?"
    assert (call["step"], call["tool"]["name"]) == ("tool", "look_up")
    assert server.payload(root["trace_id"], call["span_id"])["raw"]["tool_result"] == {"status": "shipped"}
    assert (failed["status"], failed["error_type"], failed["status_message"]) == ("error", "TypeError", "TypeError: no such order")
    with_tools, streamed = (next(s for s in trace["spans"] if s["name"] == "ChatOpenAI" and bool(s["stream"]) == how) for how in (False, True))
    assert (with_tools["step"], with_tools["provider"], with_tools["generator_model"]) == ("model", "openai", "gpt-4o-mini-2024-07-18")
    assert (with_tools["input_tokens"], with_tools["output_tokens"], with_tools["usage"]["cache_read"]) == (182, 11, 128)
    assert (with_tools["temperature"], with_tools["finish_reason"], with_tools["cost"]["source"]) == (0.2, ["tool_calls"], "table")
    payload = server.payload(root["trace_id"], with_tools["span_id"])
    assert [message["role"] for message in payload["input"]] == ["system", "user"] and payload["tools"] == TOOLS
    assert payload["output"][0]["parts"][0]["arguments"] == {"order_id": "A-17"}
    assert streamed["total_tokens"] == 50 and 0 < streamed["ttft_ms"] <= streamed["latency_ms"]
    assert trace["trace"]["total_tokens"] == 243 and trace["trace"]["model_call_count"] == 2
    [score] = server.api("/scores", trace_id=root["trace_id"])["items"]
    assert (score["name"], score["value"], score["comment"], score["span_id"]) == ("helpful", 1, "good", root["span_id"])


def test_projects_are_answered(server, client):
    made = client.create_project("shop")
    assert made.name == "shop" and client.read_project(project_name="shop").name == "shop"


# ---- parts of a run, in any order ----

ORDERS = {"post, patch": (0, 1), "patch, post": (1, 0), "patch, post, patch": (1, 0, 1), "both twice": (0, 0, 1, 1)}


@pytest.mark.parametrize("order", ORDERS)
def test_the_parts_of_a_run_make_one_span_in_any_order(server, order):
    run = begun()
    for which in ORDERS[order]:
        if which:
            post(server, f"/runs/{run['id']}", dict(ended(run), extra={"n": time.time_ns()}), "PATCH")
        else:
            post(server, "/runs", dict(run, tags=[str(time.time_ns())]))
    check_whole(server, run)


@pytest.mark.parametrize("first", ["post", "patch"])
def test_a_part_that_comes_after_the_trace_was_stored_makes_it_whole(server, first):
    run = begun()
    parts = {"post": ("/runs", run, "POST"), "patch": (f"/runs/{run['id']}", ended(run), "PATCH")}
    post(server, *parts.pop(first))
    trace = server.wait_trace(run["trace_id"].replace("-", ""))
    assert (trace["spans"][0]["latency_ms"] is None) == (first == "post")
    post(server, *parts.popitem()[1])
    span = check_whole(server, run)
    assert server.trace(span["trace_id"])["trace"]["total_tokens"] == 50


def test_a_part_that_comes_after_a_restart_makes_it_whole(new_server):
    made, run = new_server().start(), begun()
    post(made, "/runs", run)
    made.wait_trace(run["trace_id"].replace("-", ""))
    made.stop()
    made.start()
    post(made, f"/runs/{run['id']}", ended(run), "PATCH")
    check_whole(made, run)


def test_a_run_that_has_only_begun_is_seen(server):
    run = begun(name="long work")
    post(server, "/runs/batch", {"post": [run], "patch": []})
    [span] = server.wait_spans('name = "long work"')
    assert (span["status"], span["latency_ms"]) == ("unset", None)


def test_a_part_whose_start_never_came_is_shown_at_its_end(server):
    run = begun()
    patch = {key: value for key, value in ended(run).items() if key != "dotted_order"}
    post(server, f"/runs/{run['id']}", patch, "PATCH")
    [span] = server.wait_trace(run["trace_id"].replace("-", ""))["spans"]
    assert (span["start_time"], span["latency_ms"], span["flags"]) == ("2026-11-22T00:30:02.500000000Z", None, ["start_unknown"])
    post(server, "/runs", run)
    check_whole(server, run)


# ---- bad input ----

def test_one_bad_run_does_not_fail_its_neighbours(server):
    good = begun()
    answer = post(server, "/runs/batch", {"post": [good, 5, {"name": "no id"}], "patch": [ended(good)]}).json
    assert answer["rejected"] == 2 and answer["message"] == "post 2: it is not an object"
    check_whole(server, good)


@pytest.mark.parametrize("body", [b"", b"{", b'{"post":[{]}', b'{"post":5}', b"[]", b'{"post":[{"name":"n"}]}', b"\x28\xb5\x2f\xfd"])
def test_a_damaged_batch_is_refused_in_the_words_of_its_server(server, body):
    assert "detail" in post(server, "/runs/batch", body, expect=422).json


def form(parts, boundary="B", end=True):
    lines = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n'.encode() + data + b"\r\n"
             for name, kind, data in parts]
    return b"".join(lines) + (f"--{boundary}--\r\n".encode() if end else b"")


def test_parts_of_a_multipart_body_find_their_run(server):
    run, kind = begun(), "application/json"
    main = {key: value for key, value in run.items() if key not in ("inputs", "extra")}
    patch = ended(run)
    outputs = patch.pop("outputs")
    parts = [(f"attachment.{run['id']}.f", "text/csv; length=3", b"a,b"), (f"patch.{run['id']}.outputs", kind, json.dumps(outputs).encode()),
             (f"post.{run['id']}", kind, json.dumps(main).encode()), (f"post.{run['id']}.inputs", kind, json.dumps(run["inputs"]).encode()),
             (f"post.{run['id']}.extra", kind, json.dumps(run["extra"]).encode()), (f"patch.{run['id']}", kind, json.dumps(patch).encode()),
             ("post.bad", kind, b"{}"), ("post.worse", kind, b"{"), ("nothing", kind, b"1")]
    answer = post(server, "/runs/multipart", form(parts), kind="multipart/form-data; boundary=B").json
    assert answer["rejected"] == 3
    span = check_whole(server, run)
    assert json.loads(span["attributes"]["langsmith.attachment.f"]) == {"mime_type": "text/csv", "bytes": 3}


@pytest.mark.parametrize("body,kind", [
    (form([("post.a", "application/json", b"{}")], end=False), "multipart/form-data; boundary=B"), (b"", "multipart/form-data; boundary=B"),
    (form([], "C"), "multipart/form-data; boundary=B"), (form([]), "multipart/form-data"), (form([]), "multipart/form-data; boundary=" + "B" * 71)])
def test_a_damaged_multipart_body_is_refused(server, body, kind):
    assert "detail" in post(server, "/runs/multipart", body, expect=422, kind=kind).json


def test_another_content_type_is_refused(server):
    post(server, "/runs/multipart", b"{}", expect=415)
    post(server, "/runs/batch", form([]), expect=415, kind="multipart/form-data; boundary=B")


@pytest.mark.parametrize("odd", [{"start_time": "yesterday"}, {"start_time": 1e300}, {"end_time": -5}, {"tags": "t"}, {"extra": 7}, {"events": {"a": 1}},
                                 {"error": {"code": 5}}, {"inputs": "text"}, {"outputs": [1]}, {"parent_run_id": 5}, {"name": None},
                                 {"extra": {"metadata": {"usage_metadata": "many"}}}, {"events": [5, {"name": "e", "time": "no"}]}])
def test_odd_members_do_not_lose_the_run(server, odd):
    run = begun(**odd)
    post(server, "/runs", run)
    wait_until(lambda: [s for s in server.spans() if s["source_id"] == run["id"]], what="the run")


def test_a_key_of_another_project_keeps_its_runs_apart(new_server):
    """shows: P19"""
    made = new_server(auth__mode="on").start()
    run = begun()
    post(made, "/runs", run, expect=401)
    post(made, "/runs", run, expect=401, headers={"x-api-key": "test-key"})
    post(made, "/runs", run, headers={"x-api-key": made.first_key})
    assert post(made, "/info", b"", "GET", expect=200).json["instance_flags"]["zstd_compression_enabled"] is True
    made.headers = {"authorization": f"Bearer {made.first_key}"}
    wait_until(lambda: [s for s in made.spans() if s["source_id"] == run["id"]], what="the run")


def test_info_has_what_both_vendors_clients_look_for(server):
    for base in BASES:
        info = server.request("GET", base + "/info", port=server.otlp_port).json
        assert info["batch_ingest_config"]["use_multipart_endpoint"] and "/v0.4/traces" in info["endpoints"]
        assert info["telltale_version"] and info["client_drop_p0s"] is False
