#!/usr/bin/env python3
"""Record what frameworks and their instrumentations send: the rows of RUNS into tests/fixtures/real/.

Each family has a virtual environment of its own, made from requirements/FAMILY.txt, and asks scripted_model.py, so that the
same logical call stands in every recording.

usage: frameworks.py --venvs DIR [--only PREFIX] [--out DIR]      (DIR/FAMILY/bin/python runs the application)
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import os
import subprocess

import scripted_model
from record import HERE, ROOT, Recorder, write_recording

LANGSMITH = {"LANGSMITH_TRACING": "true", "LANGSMITH_OTEL_ENABLED": "true", "LANGSMITH_OTEL_ONLY": "true"}
CONTENT = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
           "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT"}
# family, application, scenarios, environment, packages named in the recording
RUNS = [
    ("langfuse", "langfuse_app.py", "chat stream tools retrieval error", {}, "langfuse openai"),
    ("pydantic", "pydantic_app.py", "chat tools error", {}, "pydantic-ai-slim logfire openai"),
    ("agents", "agents_app.py", "chat tools error", {}, "openinference-instrumentation-openai-agents openai-agents openai"),
    ("langchain", "langchain_app.py", "chat stream tools retrieval error", {}, "openinference-instrumentation-langchain langchain langgraph langchain-openai"),
    ("langchain_langsmith", "langchain_app.py", "chat stream tools retrieval error", LANGSMITH, "langsmith langchain langgraph langchain-openai"),
    ("llamaindex", "llamaindex_app.py", "chat tools retrieval error", {}, "openinference-instrumentation-llama-index llama-index-core"),
    ("litellm", "litellm_app.py", "chat stream tools error", {}, "openinference-instrumentation-litellm litellm"),
    ("litellm_callback", "litellm_app.py", "chat stream tools error", {"APP_CALLBACK": "otel"}, "litellm"),
    ("smolagents", "smolagents_app.py", "chat tools error", {}, "openinference-instrumentation-smolagents smolagents openai"),
    ("dspy", "dspy_app.py", "chat error", {}, "openinference-instrumentation-dspy dspy"),
    ("adk", "adk_app.py", "chat tools error", CONTENT, "google-adk litellm"),
    ("haystack", "haystack_app.py", "chat tools retrieval error", {}, "haystack-ai opentelemetry-haystack openai"),
    ("strands", "strands_app.py", "chat tools error", {}, "strands-agents openai"),
    ("crewai", "crewai_app.py", "chat tools error", {}, "openinference-instrumentation-crewai openinference-instrumentation-openai crewai"),
    ("mlflow", "mlflow_app.py", "chat tools retrieval error", {}, "mlflow openai"),
    ("sk", "sk_app.py", "chat tools error", {}, "semantic-kernel openai"),
    ("guardrails", "guardrails_app.py", "pass fail error", {}, "guardrails-ai"),
    ("nemo", "nemo_app.py", "pass block output", {}, "nemoguardrails openai"),
    ("autogen", "autogen_app.py", "chat tools error", {}, "autogen-agentchat openinference-instrumentation-openai openai"),
]
VERSION = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep='\\n')"


def run(recorder, row, scenario, options, model_url):
    family, app, _, extra, packages = row
    python = os.path.join(options.venvs, family.split("_")[0], "bin/python")
    env = dict(os.environ, MODEL_URL=model_url, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf", LITELLM_LOCAL_MODEL_COST_MAP="True",
               OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{recorder.http.server_port}",
               PYTHONPATH=os.path.join(HERE, "apps"), **extra)
    recorder.taken.clear()
    subprocess.run([python, os.path.join(HERE, "apps", app), scenario], env=env, check=True, cwd=ROOT, timeout=180)
    versions = subprocess.run([python, "-c", VERSION, *packages.split()], check=True, capture_output=True, text=True).stdout
    write_recording(recorder, os.path.join(options.out, f"{family.replace('_', '-')}-{scenario}"), {
        "emitter": versions.split("\n")[:-1], "app": app, "scenario": scenario, "model": "scripted_model.py",
        "protocol": "http/protobuf", "environment": extra})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--venvs", required=True)
    parser.add_argument("--out", default=os.path.join(ROOT, "tests/fixtures/real"))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    recorder, model_url = Recorder(), scripted_model.start()
    for row in RUNS:
        for scenario in row[2].split():
            if f"{row[0]}-{scenario}".startswith(options.only):
                run(recorder, row, scenario, options, model_url)


if __name__ == "__main__":
    main()
