"""Real packages, run now: each makes its calls, sends to a real server, and must give the record that is written down for it.

The models are mocks and say so (record/scripted_model.py, record/script_server.py); the packages, what they send and the server are
real.  Applications are those of the recordings (record/apps, record/js), tables those of test_21, test_26 and test_27: what the
recording of a package gave, the package itself gives.  `tools/setup clients` installs them: clients/*.txt, each into a virtual
environment, and record/js/package-lock.json.  A suite of its own: `./test clients`.

SPDX-License-Identifier: Apache-2.0"""
import json
import os
import queue
import subprocess
import sys
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest
import test_21_frameworks as frameworks
import test_21_meaning_js as meaning_js
import test_26_datadog as datadog
from conftest import CLEAN_ENV, ROOT, Server, wait_until
from test_13_sdk_js import NODE
from test_20_meaning import calls_of, texts
from test_26_datadog import model  # noqa: F401  pylint: disable=unused-import
from test_27_same_call import DIFFERS, FULL_PRICE, NOBODY, RECORD, differences, record_of

RECORD_FOLDER = os.path.join(ROOT, "tests/e2e/record")
sys.path.insert(0, RECORD_FOLDER)
import frameworks as framework_rows  # noqa: E402  pylint: disable=wrong-import-position
import record  # noqa: E402  pylint: disable=wrong-import-position
import record_js  # noqa: E402  pylint: disable=wrong-import-position
import script_server  # noqa: E402  pylint: disable=wrong-import-position
import scripted_model  # noqa: E402  pylint: disable=wrong-import-position

SERVERS, RUN_SECONDS = 2, 120
STRANGE = ("OTEL_", "LANGSMITH_", "LANGCHAIN_", "LANGFUSE_", "LOGFIRE_", "DD_", "OPENAI_", "ANTHROPIC_", "PYTEST_")  # Logfire is silent under pytest
APPS = os.path.join(RECORD_FOLDER, "apps")
Run = namedtuple("Run", "command folder protocol env model")

# Python frameworks and instrumentations, and the environment each is installed in; "": that of the other end-to-end tests.
PLACES = {"langfuse": "", "pydantic": "agents", "agents": "agents", "langchain": "agents", "langchain-langsmith": "agents", "smolagents": "agents",
          "haystack": "agents", "autogen": "agents", "litellm": "routers", "litellm-callback": "routers", "llamaindex": "routers", "strands": "routers"}
# The OpenAI SDK under instrumentations alone: nobody says who asked; what else each leaves out.
PLAIN = {
    "otel-v2-latest": {**NOBODY, **FULL_PRICE["python"]}, "openllmetry": NOBODY, "openinference": NOBODY,
    "openinference-js": {**NOBODY, "max_tokens": 24}, "traceloop-js": {**NOBODY, **FULL_PRICE["javascript"], "max_tokens": 24},
}
OF_JS = sorted({row[0] for row in record_js.RUNS} & set(meaning_js.SENDS) - {"mastra"})


def python_of(place):
    return os.path.join(ROOT, ".clients", place, "bin/python") if place else sys.executable


def plain_runs():
    for name, app, scenarios, protocol, extra in record.RUNS:
        if name in PLAIN or name == "openllmetry-anthropic":
            program = NODE if app.endswith(".mjs") else sys.executable
            model = "script" if name == "openllmetry-anthropic" or app.endswith(".mjs") else "scripted"
            for scenario in scenarios.split():
                env = dict(extra, APP_MODEL="claude-haiku-4-5" if "anthropic" in name else "gpt-4o-mini")
                yield f"{name}-{scenario}", Run([program, os.path.join(APPS, app), name, scenario], ROOT, protocol, env, model)


def framework_runs():
    for family, app, scenarios, extra, _ in framework_rows.RUNS:
        name = family.replace("_", "-")
        for scenario in scenarios.split() if name in PLACES else ():
            command = [python_of(PLACES[name]), os.path.join(APPS, app), scenario]
            yield f"{name}-{scenario}", Run(command, ROOT, "http/protobuf", extra, "scripted")


def js_runs():
    for name, app, which, _, scenarios, protocol, extra in record_js.RUNS:
        for scenario in scenarios.split() if name in OF_JS else ():
            yield f"{name}-{scenario}", Run([NODE, os.path.join(record_js.JS, app), which, scenario], record_js.JS, protocol, extra, "script")


RUNS = {**dict(plain_runs()), **dict(framework_runs()), **dict(js_runs())}


def with_scenario(scenario, *groups):
    return [f"{name}-{scenario}" for group in groups for name in group if f"{name}-{scenario}" in RUNS]


class Clients:
    """Runs clients beside each other, each alone on a server; the traces that are new afterwards are the client's."""

    def __init__(self, names):
        self.models = {"scripted": scripted_model.start(), "script": script_server.Script().url}
        self.servers, self.free, self.home = [], queue.SimpleQueue(), {}
        for _ in range(SERVERS):
            self.servers.append(Server().start())
            self.free.put(self.servers[-1])
        self.pool = ThreadPoolExecutor(SERVERS)
        self.runs = {name: self.pool.submit(self.run, name) for name in names}

    def run(self, name):
        server = self.free.get()
        try:
            before = {span["trace_id"] for span in server.spans()}
            self.start(server, RUNS[name])
            wait_until(lambda: server.metric("telltale_drain_sequence") >= server.metric("telltale_log_sequence")
                       and server.metric("telltale_open_traces") == 0, what="its traces to settle")
            new = {span["trace_id"]: span["start_time"] for span in server.spans() if span["trace_id"] not in before}
            assert new, f"{name} sent nothing that became a span"
            self.home.update({trace_id: server for trace_id in new})
            return [server.wait_trace(trace_id) for trace_id in sorted(new, key=new.get)]
        finally:
            self.free.put(server)

    def start(self, server, run):
        url = f"http://127.0.0.1:{server.grpc_port if run.protocol == 'grpc' else server.otlp_port}"
        env = {key: value for key, value in CLEAN_ENV.items() if not key.startswith(STRANGE)}
        env.update(MODEL_URL=self.models[run.model], OPENAI_API_KEY="test-key", OPENAI_BASE_URL=self.models[run.model], PYTHONPATH=APPS,
                   OTEL_EXPORTER_OTLP_PROTOCOL=run.protocol, OTEL_EXPORTER_OTLP_ENDPOINT=url, LANGSMITH_ENDPOINT=url,
                   LITELLM_LOCAL_MODEL_COST_MAP="True", **run.env)
        done = subprocess.run(run.command, cwd=run.folder, env=env, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        assert done.returncode == 0, done.stderr[-3000:]

    def traces(self, name):
        return self.runs[name].result()

    def payload(self, trace_id, span_id):
        return self.home[trace_id].payload(trace_id, span_id)

    def end(self):
        self.pool.shutdown(cancel_futures=True)
        for server in self.servers:
            server.kill()
            server.remove()


@pytest.fixture(scope="module")
def clients(request):
    """All that the chosen tests need is started at once."""
    asked = [item.callspec.params["run"] for item in request.session.items
             if item.fspath == request.node.fspath and "run" in getattr(getattr(item, "callspec", None), "params", ())]
    made = Clients(dict.fromkeys(asked))
    yield made
    made.end()


@pytest.fixture(autouse=True)
def live(request, monkeypatch):
    """The tests of recordings, asked about a run."""
    if "clients" in request.fixturenames:
        monkeypatch.setattr(frameworks, "replay", lambda server, name: server.traces(name))


def tongue(name):
    return "javascript" if RUNS[name].model == "script" else "python"


@pytest.mark.parametrize("run", with_scenario("chat", PLAIN, OF_JS))
def test_a_call_is_the_record_that_is_written_down(clients, run):
    """shows: A18 A20 A31 A32 A39 A59 A60 R2"""
    name = run.removesuffix("-chat")
    traces = clients.traces(run)
    [call] = calls_of(traces)
    expected = PLAIN[name] if name in PLAIN else DIFFERS[name]
    assert differences(record_of(clients, call), RECORD[tongue(run)]) == expected
    assert sum(trace["trace"]["model_call_count"] for trace in traces) == 1
    assert [trace["trace"]["input_tokens"] for trace in traces if trace["trace"]["model_call_count"]] == [call["input_tokens"]]


@pytest.mark.parametrize("run", with_scenario("stream", ("langfuse", "langchain", "litellm-callback")))
def test_a_streamed_answer_of_a_framework(clients, run):
    """shows: A18 A31 A39 A59 A60"""
    frameworks.test_the_same_chat_is_the_same_record(clients, run.removesuffix("-stream") + "/stream")


@pytest.mark.parametrize("run", with_scenario("tools", frameworks.FAMILIES))
def test_a_loop_with_a_tool_in_a_framework(clients, run):
    """shows: A41 A42 A59 A60"""
    frameworks.test_the_same_loop_with_a_tool_is_the_same_record(clients, run.removesuffix("-tools"))


@pytest.mark.parametrize("run", [run for scenario in ("stream", "tools") for run in with_scenario(scenario, OF_JS)])
def test_streams_and_tools_of_javascript(clients, run):
    """shows: A31 A41 A59 A60"""
    name, _, scenario = run.rpartition("-")
    meaning_js.test_a_call_means_what_was_asked_and_told(clients.traces, clients, name, scenario)
    meaning_js.test_the_conversation_is_in_order_with_its_roles(clients.traces, clients, name, scenario)
    meaning_js.test_nested_doubles_count_once(clients.traces, name, scenario)


@pytest.mark.parametrize("run", with_scenario("error", OF_JS))
def test_an_error_of_javascript(clients, run):
    """shows: A57"""
    meaning_js.test_an_error_says_what_kind_it_is(clients.traces, *run.rsplit("-", 1))


@pytest.mark.parametrize("run", with_scenario("tools", ("otel-v2-latest", "openllmetry", "openinference")))
def test_a_loop_with_a_tool_under_an_instrumentation(clients, run):
    """shows: A41 A59 A60"""
    first, second = calls_of(clients.traces(run))
    for call, (taken, cached, made, _) in ((first, frameworks.CALL), (second, frameworks.TOLD)):
        assert (call["operation"], call["provider"], call["request_model"], call["generator_model"]) == ("chat", "openai", frameworks.MINI, frameworks.DATED)
        assert (call["input_tokens"], call["output_tokens"], call["usage"]["cache_read"] or 0) in ((taken, made, cached), (taken, made, 0))
    assert first["finish_reason"][0].startswith("tool_call") and second["finish_reason"] == ["stop"]
    held = clients.payload(first["trace_id"], first["span_id"])
    assert frameworks.said(held) == ("", [("lookup_order", frameworks.LOOKUP)]) and texts(held["input"], "user") == [frameworks.ORDER]
    held = clients.payload(second["trace_id"], second["span_id"])
    told = [message["role"] for message in held["input"] if message["role"] != "system"]
    assert told == ["user", "assistant", "tool"] and frameworks.said(held) == (frameworks.SHIPPED, [])


@pytest.mark.parametrize("run", with_scenario("stream", ("otel-v2-latest", "openllmetry", "openinference")))
def test_a_streamed_answer_under_an_instrumentation(clients, run):
    """shows: A39 A59 A60"""
    [call] = calls_of(clients.traces(run))
    assert (call["input_tokens"], call["output_tokens"], call["finish_reason"], call["max_tokens"]) == (43, 7, ["stop"], 40)
    assert frameworks.said(clients.payload(call["trace_id"], call["span_id"]))[0] == frameworks.PARIS


@pytest.mark.parametrize("run", with_scenario("messages", ("openllmetry-anthropic",)) + with_scenario("stream", ("openllmetry-anthropic",)))
def test_a_call_of_anthropics_sdk(clients, run):
    """shows: A18 A59 A60"""
    call = next(call for call in calls_of(clients.traces(run)))
    assert (call["provider"], call["request_model"], call["generator_model"]) == ("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001")
    made = 31 if run.endswith("stream") else 30  # of a stream it adds what the first event says to what the last says
    assert (call["input_tokens"], call["output_tokens"], call["usage"]["cache_read"], call["usage"]["input_fresh"]) == (120, made, 64, 56)
    assert call["estimated_cost_usd"] == pytest.approx((56 * 1 + 64 * 0.1 + made * 5) / 1e6, abs=1e-12)
    held = clients.payload(call["trace_id"], call["span_id"])
    assert texts(held["output"], "assistant") == [meaning_js.OPEN]


# ---- vendors' own packages ----

def run_js(app, **env):
    clean = {key: value for key, value in CLEAN_ENV.items() if not key.startswith(STRANGE)}
    done = subprocess.run([NODE, os.path.join(record_js.JS, "apps", app)], cwd=record_js.JS, env=dict(clean, **env), capture_output=True,
                          text=True, timeout=RUN_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_dd_trace_of_javascript(new_server, monkeypatch, model, version):
    """shows: A59 A60"""
    def live_run(server, *_):
        url = f"http://127.0.0.1:{server.otlp_port}"
        run_js("datadog_app.cjs", DD_TRACE_AGENT_URL=url, MODEL_URL=model, DD_ENV="test", DD_VERSION="3.1", DD_SERVICE="shop",
               DD_INSTRUMENTATION_TELEMETRY_ENABLED="false", DD_TRACE_AGENT_PROTOCOL_VERSION=version)
        return wait_until(lambda: [span["trace_id"] for span in server.spans('name = "POST /ask"')], what="the trace")[0]
    monkeypatch.setattr(datadog, "replay", live_run)
    datadog.test_a_call_that_is_told_twice_is_one_span(new_server, None, None)


def test_the_logger_of_helicone_for_javascript(server):
    """shows: A18 A57 A59 A60"""
    run_js("helicone_app.mjs", LOG_URL=f"http://127.0.0.1:{server.otlp_port}")
    trace = server.wait_trace("0190a2b47c1e700080000000000000aa", 5)
    spans = {span["name"]: span for span in trace["spans"]}
    assert {name: (span["provider"], span["input_tokens"], span["output_tokens"]) for name, span in spans.items()} == {
        "openai": ("openai", 100, 40), "anthropic": ("anthropic", 1842, 318), "streamed": (None, 9, 5), "search": (None, None, None),
        "failed": (None, None, None)}
    assert (spans["failed"]["status_message"], trace["trace"]["model_call_count"]) == ("RangeError: too slow", 4)
