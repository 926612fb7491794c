// safety.cases.mjs -- whatever was sent is text; everybody can read it; nothing is fetched.
//
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import { equal, ok, settled, test } from "./browser.mjs";
import { send } from "./otlp.mjs";

const SIZE_MAX = 250 * 1024;
const EVIL = [
  "<script>window.xss=1</script>",
  "<img src=x onerror=window.xss=1>",
  "<svg onload=window.xss=1><image href=http://evil.example/a.svg></svg>",
  "<iframe srcdoc='<script>parent.xss=1</script>'></iframe>",
  "javascript:window.xss=1",
  "[click](javascript:window.xss=1) ![i](http://evil.example/i.png)",
  "\"><a href=javascript:window.xss=1 autofocus onfocus=window.xss=1 tabindex=1>x</a>",
  "<style>@import url(http://evil.example/a.css);*{background:url(http://evil.example/b)}</style>",
  "{{constructor.constructor('window.xss=1')()}}",
  "<math><mtext></form><form><mglyph><style></math><img src onerror=window.xss=1>",
  "<base href=http://evil.example/><link rel=stylesheet href=//evil.example/x.css><meta http-equiv=refresh content='0;url=http://evil.example'>",
  "<template><slot onslotchange=window.xss=1></slot></template><details open ontoggle=window.xss=1>",
  "&lt;script&gt;window.xss=1&lt;/script&gt;\u0000\u2028</script><script>window.xss=1//",
];
const json = JSON.stringify;

function evilSpan(text, at) {
  const parts = [{ type: "text", content: text }, { type: "reasoning", content: text }, { type: "tool_call", id: text, name: text, arguments: { [text]: text } },
    { type: "tool_call_response", id: text, response: text }, { type: "uri", modality: "image", uri: text }, { type: "blob", mime_type: text, content: "AAAA" }, { type: text, content: text },
    { type: "text", content: { type: "div", props: { dangerouslySetInnerHTML: { __html: text } }, constructor: null } }];
  return {
    name: text, at, ms: 3, kind: 3, status: { code: 2, message: text },
    attrs: {
      "gen_ai.operation.name": "chat", "gen_ai.provider.name": text, "gen_ai.request.model": text, "gen_ai.response.model": text, "error.type": text, [text.slice(0, 60)]: text, "__proto__": text,
      "gen_ai.system_instructions": json([{ type: "text", content: text }]), "gen_ai.tool.definitions": json([{ name: text, description: text }]),
      "gen_ai.input.messages": json([{ role: text, name: text, parts }, { role: "constructor", parts }]), "gen_ai.output.messages": json([{ role: "assistant", parts, finish_reason: text }]),
      "gen_ai.retrieval.documents": json([{ id: text, score: 0.5, content: text, [text]: text }]), "retriever": text,
    },
    events: [{ name: text, at: 1, attrs: { "exception.type": text, "exception.message": text, "exception.stacktrace": `${text}\n`.repeat(200) } }],
  };
}

/** What the page holds that only markup from outside could have made. */
const intruders = () => ({
  ran: window.xss ?? null, base: document.querySelectorAll("base, meta[http-equiv], iframe, object, embed, form[action], math, template, #app script, #app style, #app link, #app img").length,
  links: [...document.querySelectorAll("a[href]")].filter((a) => new URL(a.href).origin !== location.origin).map((a) => a.href),
  handlers: [...document.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length,
});
const NONE = { ran: null, base: 0, links: [], handlers: 0 };

/** In the page: opens every tab of every step, reveals what can be, and looks for intruders each time. */
async function walk() {
  const until = async (look) => {
    for (let i = 0; i < 2000 && !look(); i++) await new Promise((done) => setTimeout(done, 5));
    if (!look()) throw new Error(`waited too long for ${look}`);
  };
  const all = (selector) => [...document.querySelectorAll(selector)];
  const found = [];
  let reads = 0;
  for (let i = 0; i < all(".span-row:not(.head)").length; i++) {
    all(".span-row:not(.head)")[i].click();
    await until(() => all(".span-row:not(.head)")[i].classList.contains("active"));
    for (let t = 0; t < all(".panel [role=tab]").length; t++) {
      all(".panel [role=tab]")[t].click();
      await until(() => all(".panel [role=tab]")[t].ariaSelected === "true");
      if (document.querySelector(".reveal")) {
        document.querySelector(".reveal").click();
        await until(() => document.querySelector(".reveal-bar.done"));
        reads++;
      }
      for (const details of all("details")) details.open = true;
      found.push({ step: i, tab: t, made: window.intruders() });
    }
  }
  return { reads, found };
}

// shows: P19
test("markup and scripts in telemetry stay text in every view", async ({ open, servers }) => {
  const root = { name: EVIL[0], ms: 100, attrs: { "tenant.id": EVIL[1], "user.id": EVIL[2], "session.id": EVIL[6], "app.feature": EVIL[5], request_id: EVIL[4], "app.release": EVIL[1], prompt_template_id: EVIL[1] }, children: EVIL.map((text, i) => evilSpan(text, i)) };
  const id = await send(servers.main.otlp, `evil-${Date.now()}`, root, { resource: { "service.name": EVIL[1], "deployment.environment.name": EVIL[3] } });
  await settled(servers.main, id, EVIL.length + 1);
  const page = await open("/traces");
  await page.waitForSelector(`a[href="/traces/${id}"]`);
  equal(await page.locator(`a[href="/traces/${id}"]`).innerText(), EVIL[0], "the name, as text");
  equal(await page.evaluate(intruders), NONE, "intruders in the list");
  for (const chip of ["Tenant", "Environment", "Feature"]) {
    await page.getByRole("button", { name: chip }).click();
    await page.waitForSelector(".menu [role=checkbox]");
    equal(await page.evaluate(intruders), NONE, `intruders in the menu ${chip}`);
    await page.keyboard.press("Escape");
  }
  await page.goto(`${servers.main.api}/traces/${id}`);
  await page.waitForSelector(".span-row.active");
  await page.evaluate(`window.intruders = ${intruders}`);
  const { reads, found } = await page.evaluate(walk);
  equal(found.filter((one) => JSON.stringify(one.made) !== JSON.stringify(NONE)), [], "intruders in the trace");
  ok(reads >= EVIL.length, "the content of every step was looked at");
  await page.goto(`${servers.main.api}/traces?q=${encodeURIComponent(EVIL[1])}&from=${encodeURIComponent(EVIL[0])}&sort=${encodeURIComponent(EVIL[2])}&range=${encodeURIComponent(EVIL[1])}`);
  await page.getByRole("alert").waitFor();
  equal(await page.evaluate(intruders), NONE, "intruders from the URL");
});

test("the policy forbids what the page does not need", async ({ servers }) => {
  const answer = await fetch(servers.main.api);
  const policy = Object.fromEntries(answer.headers.get("content-security-policy").split(";").map((rule) => rule.trim().split(/ (.*)/)));
  equal(policy["default-src"], "'none'", "default-src");
  for (const name of ["script-src", "style-src", "connect-src", "font-src", "img-src"]) equal(policy[name], "'self'", name);
  for (const name of ["base-uri", "form-action", "frame-ancestors"]) equal(policy[name], "'none'", name);
  equal(answer.headers.get("referrer-policy"), "no-referrer", "referrer-policy");
});

test("everything together is smaller than 250 KB", async ({ open, servers, note }) => {
  const page = await open(null);
  const files = [];
  page.on("response", (answer) => answer.url().includes("/api/") || files.push(answer));
  await page.goto(servers.main.api);
  await page.waitForSelector(".trace-row:not(.head)");
  const sizes = await Promise.all(files.map(async (answer) => gzipSync(await answer.body()).length));
  const sum = sizes.reduce((a, b) => a + b, 0);
  note(`${files.length} files, ${sum} bytes gzipped`);
  ok(sum <= SIZE_MAX, `at most ${SIZE_MAX} bytes, not ${sum}`);
  ok(files.length >= 4, "fonts, style and script are among them");
});

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Findings of axe that are serious or worse; only of one rule when `rule` is given. */
async function findings(page, where, rule) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const { violations, passes } = await page.evaluate((only) => window.axe.run(document, { resultTypes: ["violations"], ...(only ? { runOnly: [only] } : {}) }), rule);
  ok(passes.length >= (rule ? 1 : 8), `axe looked at ${where}`);
  return violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => `${where}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} (${n.failureSummary.split("\n")[1]?.trim()})`).join(" | ")}`);
}

for (const colorScheme of ["light", "dark"])
  test(`axe finds nothing serious in the ${colorScheme} theme`, async ({ open, servers }) => {
    const found = [];
    const rule = colorScheme === "dark" ? "color-contrast" : undefined; // nothing else differs
    const look = async (page, where) => found.push(...(await findings(page, where, rule)));
    const page = await open("/traces?q=-tenant:xx*", { colorScheme });
    await page.waitForSelector(".histogram .all");
    await page.getByRole("button", { name: "Model" }).click();
    await page.waitForSelector(".menu [role=checkbox]");
    await look(page, "list with a menu");
    await page.goto(`${servers.main.api}/traces?q=modle:x`);
    await page.getByRole("alert").waitFor();
    await look(page, "wrong filter");
    for (const id of [servers.ids.refund, servers.ids.question]) {
      await page.goto(`${servers.main.api}/traces/${id}`);
      await page.waitForSelector(".reveal");
      await look(page, "before reveal");
      await page.keyboard.press("r");
      await page.waitForSelector(".reveal-bar.done");
      await look(page, "after reveal");
    }
    for (const name of ["Usage & cost", "Request", "Events", "Attributes", "Raw"]) {
      await page.getByRole("tab", { name }).click();
      await look(page, name);
    }
    await page.keyboard.press("?");
    await look(page, "keys");
    await page.route("**/api/v1/traces?*", (route) => route.fulfill({ contentType: "application/json", body: '{"items":[],"next_cursor":null}' }));
    await page.goto(`${servers.main.api}/traces`);
    await page.waitForSelector(".first-run");
    await look(page, "first run");
    const locked = await open("/traces", { colorScheme, server: servers.locked });
    await locked.waitForSelector(".ask-key");
    await look(locked, "key");
    equal(found, [], "findings");
  });
