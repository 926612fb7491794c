// A coding agent asked one question in an empty folder, its own telemetry on: cli_app.mjs claude|codex|gemini ask
// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DAYS, MODEL } from "../../apps/words.mjs";

const which = process.argv[2];
const home = mkdtempSync(join(tmpdir(), "app-"));
const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));
const base = { PATH: process.env.PATH, HOME: home, TERM: "dumb", OPENAI_API_KEY: "test-key", ANTHROPIC_API_KEY: "test-key" };
const otlp = process.env.OTEL_EXPORTER_OTLP_ENDPOINT;

function run(program, options, env) {
  mkdirSync(join(home, "work"));
  const done = spawnSync(program, options, { cwd: join(home, "work"), env: { ...base, ...env }, encoding: "utf8", timeout: 90000, input: "" });
  if (done.status !== 0) console.error(done.status, done.stdout, done.stderr);
  rmSync(home, { recursive: true, force: true });
  process.exit(done.status ?? 1);
}

if (which === "claude") {
  run(join(modules, "@anthropic-ai/claude-code-linux-x64/claude"), ["-p", DAYS, "--model", "claude-haiku-4-5"], {
    ANTHROPIC_BASE_URL: process.env.MODEL_URL.replace("/v1", ""), CLAUDE_CODE_ENABLE_TELEMETRY: "1", OTEL_METRICS_EXPORTER: "otlp", OTEL_LOGS_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_PROTOCOL: process.env.OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_ENDPOINT: otlp, OTEL_LOG_USER_PROMPTS: "1",
    OTEL_METRIC_EXPORT_INTERVAL: "60000", OTEL_LOGS_EXPORT_INTERVAL: "500", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1" });
} else if (which === "gemini") {
  mkdirSync(join(home, ".gemini"));
  writeFileSync(join(home, ".gemini/settings.json"), JSON.stringify({
    telemetry: { enabled: true, target: "local", otlpEndpoint: otlp, otlpProtocol: "http", logPrompts: true },
    security: { auth: { selectedType: "gemini-api-key" } }, general: { enableAutoUpdate: false }, privacy: { usageStatisticsEnabled: false } }));
  run("node", [join(modules, "@google/gemini-cli/bundle/gemini.js"), "-p", DAYS, "-m", "gemini-2.5-flash"], {
    GEMINI_API_KEY: "test-key", GOOGLE_GEMINI_BASE_URL: process.env.MODEL_URL.replace("/v1", ""), GEMINI_CLI_TRUST_WORKSPACE: "true" });
} else {
  mkdirSync(join(home, ".codex"));
  const to = (signal) => `{ otlp-http = { endpoint = "${otlp}/v1/${signal}", protocol = "binary" } }`;
  writeFileSync(join(home, ".codex/config.toml"), `model = "${MODEL}"
model_provider = "script"
check_for_update_on_startup = false
[model_providers.script]
name = "script"
base_url = "${process.env.MODEL_URL}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
[otel]
environment = "test"
log_user_prompt = true
exporter = ${to("logs")}
metrics_exporter = ${to("metrics")}
`);
  run("node", [join(modules, "@openai/codex/bin/codex.js"), "exec", "--skip-git-repo-check", "--sandbox", "read-only", DAYS], { CODEX_HOME: join(home, ".codex") });
}
