// browser.mjs -- a case is a name and what a person does in a real Chromium.
//
// Every case gets a browser context of its own; two run at a time.  Whatever it does, it fails when the page
// throws, when its policy refuses something, or when anything is asked of another host.
//
// SPDX-License-Identifier: Apache-2.0
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PROGRAMS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-extensions", "--force-color-profile=srgb"];
const CASE_MS = 40_000;
const LANES = 2;

const cases = [];
export const test = (name, run) => cases.push({ name, run, when: "" });
/** Before anything else was sent. */
test.first = (name, run) => cases.push({ name, run, when: "first" });
/** For what measures time, or needs a server as an earlier case left it: these run last, one by one. */
test.alone = (name, run) => cases.push({ name, run, when: "alone" });

export function launch() {
  const executablePath = PROGRAMS.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("no chromium: apt-get install chromium, or set CHROMIUM");
  return chromium.launch({ executablePath, headless: true, args: FLAGS }); // makes a new profile folder
}

/** What went wrong in a page without anybody looking. */
function watch(page, origin, wrong) {
  page.on("pageerror", (error) => wrong.push(`the page threw: ${error.message}`));
  page.on("dialog", (dialog) => { wrong.push(`a dialog opened: ${dialog.message()}`); void dialog.dismiss(); });
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) wrong.push(`refused: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== "data:") wrong.push(`asked another host: ${request.url()}`);
  });
}

async function runOne(browser, servers, { name, run }) {
  const started = Date.now();
  const wrong = [], contexts = [];
  /** A page of one of the servers; options are Playwright's. */
  const open = async (path = "/", { server = servers.main, key, ...options } = {}) => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", colorScheme: "light", ...options });
    contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    watch(page, server.api, wrong);
    if (key) await page.addInitScript((k) => sessionStorage.setItem("telltale.key", k), key);
    if (path) await page.goto(server.api + path);
    return page;
  };
  let timer, error = null;
  try {
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`took longer than ${CASE_MS} ms`)), CASE_MS); });
    await Promise.race([run({ open, servers, note: (text) => process.stderr.write(`${name}: ${text}\n`) }), late]);
    if (wrong.length) throw new Error(wrong.join("\n"));
  } catch (why) {
    error = `${why.stack ?? why}\n${wrong.join("\n")}`;
    const page = contexts.at(-1)?.pages()[0];
    if (process.env.TELLTALE_SHOTS) await page?.screenshot({ path: `${process.env.TELLTALE_SHOTS}/${name.replaceAll(" ", "-")}.png` }).catch(() => undefined);
  }
  clearTimeout(timer);
  await Promise.all(contexts.map((context) => context.close().catch(() => undefined)));
  return { name, error, ms: Date.now() - started };
}

/** Runs the cases, those whose name has `only` in it; prints a line of JSON for each. */
export async function runAll(servers, only) {
  const browser = await launch();
  const wanted = cases.filter((one) => !only || one.name.includes(only));
  const shared = wanted.filter((one) => !one.when);
  const run = async (one) => process.stdout.write(`${JSON.stringify(await runOne(browser, servers, one))}\n`);
  const lane = async () => {
    for (let one = shared.shift(); one; one = shared.shift()) await run(one);
  };
  for (const one of wanted.filter((w) => w.when === "first")) await run(one);
  await Promise.all(Array.from({ length: LANES }, lane));
  for (const one of wanted.filter((w) => w.when === "alone")) await run(one);
  await browser.close();
}

/** Asks again until it is true. */
export async function until(look, what, ms = 12_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await look();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

export function equal(is, wanted, what = "value") {
  if (JSON.stringify(is) !== JSON.stringify(wanted)) throw new Error(`${what} is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`);
}

export function ok(is, what) {
  if (!is) throw new Error(`it does not hold: ${what}`);
}

export const api = async (server, path, headers = {}) => {
  const answer = await fetch(`${server.api}/api/v1${path}`, { headers });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
};

/** Until the server shows a trace with all its spans, settled. */
export const settled = (server, id, spans = 1) => until(async () => {
  const answer = await fetch(`${server.api}/api/v1/traces/${id}/summary`).catch(() => null);
  if (!answer?.ok) return null;
  const { items } = await api(server, `/traces?q=trace:${id}&from=now-3650d`);
  return items[0]?.settled && items[0].span_count >= spans ? items[0] : null;
}, `trace ${id} settled`, 12_000);
