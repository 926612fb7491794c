// trace.cases.mjs -- one trace: waterfall, details, content.
//
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { api, equal, ok, test, until } from "./browser.mjs";
import { WIDE } from "./fill.mjs";

const ACTIVE = ".span-row.active";
const step = (page, name) => page.locator(".span-row:not(.head)", { hasText: name }).first();
const panel = (page) => page.locator(".panel");

// shows: A53 A75
test("the waterfall shows each step where and as long as it was", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.question}`);
  await page.waitForSelector(ACTIVE);
  const { spans } = await api(servers.main, `/traces/${servers.ids.question}`);
  equal(await page.locator(".span-row:not(.head)").count(), spans.length, "rows");
  const place = async (name) => (await step(page, name).locator(".bar").boundingBox());
  const root = await place("POST /api"), chat = await place("llm.chat"), retrieve = await place("rag.retrieve");
  ok(Math.abs(chat.width / root.width - 1986 / 2860) < 0.02, "the width of llm.chat");
  ok(Math.abs((retrieve.x - root.x) / root.width - 436 / 2860) < 0.02, "the start of rag.retrieve");
  equal(await step(page, "rag.retrieve").locator(".s-long").innerText(), "318 ms", "its time");
  equal(await step(page, "rag.retrieve").locator(".s-long").getAttribute("title"), "17 ms itself", "its own time");
});

// shows: A57 B12 E25
test("an error is named where it happened", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.refund}`);
  await page.waitForSelector(ACTIVE);
  equal(await page.locator(`${ACTIVE} .bidi`).innerText(), "execute_tool create_refund", "the first choice");
  equal(await page.locator(".trouble").innerText(), "TimeoutError (timeout): payment gateway timed out after 1500 ms", "the trouble");
  await page.getByRole("tab", { name: "Events" }).click();
  equal(await page.locator(".event header b").allTextContents(), ["exception"], "the events");
  ok((await page.locator(".event").innerText()).includes('File "refund.py", line 88'), "the stack");
});

// shows: A37 P7
test("content is a preview until it is revealed, and revealing is audited", async ({ open, servers }) => {
  const { spans } = await api(servers.main, `/traces/${servers.ids.audited}`);
  const id = spans.find((s) => s.name === "llm.chat").span_id;
  const reads = () => readFileSync(servers.main.audit, "utf8").split("\n").filter((line) => line.includes(id) && line.includes("payload.read")).length;
  const before = reads();
  const page = await open(null);
  const asked = [];
  page.on("request", (r) => r.url().includes("/payload") && asked.push(r));
  await page.goto(`${servers.main.api}/traces/${servers.ids.audited}?span=${id}`);
  const bar = page.locator(".reveal-bar");
  ok((await bar.innerText()).includes("recorded in the audit log"), "the button's promise");
  ok((await page.locator(".message.preview").allInnerTexts()).join().includes("[TRUNCATED]"), "the preview");
  ok(!(await panel(page).innerText()).includes("You are the support assistant"), "nothing but the preview");
  equal(asked.length, 0, "reads before");
  equal(reads(), before, "audit records before");
  await page.getByRole("button", { name: "Reveal content" }).click();
  await page.waitForSelector(".message.answer");
  equal(asked.length, 1, "reads after");
  equal(asked[0].headers()["x-telltale-reason"], "opened in the web UI", "the reason");
  equal(reads(), before + 1, "audit records after");
  const roles = await page.locator(".message > header > b").allTextContents();
  equal(roles, ["System", "User", "Assistant", "User", "Assistant"], "the conversation");
  await step(page, "render_prompt").click();
  await step(page, "llm.chat").click();
  await page.waitForSelector(".message.answer");
  equal(asked.length, 1, "reads after coming back");
});

test("an agent's conversation shows calls, results and what went wrong", async ({ open, servers }) => {
  const { spans } = await api(servers.main, `/traces/${servers.ids.refund}`);
  const last = spans.filter((s) => s.step === "model").at(-1);
  const page = await open(`/traces/${servers.ids.refund}?span=${last.span_id}`);
  await page.getByRole("button", { name: "Reveal content" }).click();
  await page.waitForSelector(".message.answer");
  ok((await page.locator(".card.call").count()) >= 3, "calls");
  ok((await page.locator(".card.result").count()) >= 1, "results");
  ok((await page.locator(".card.call").first().innerText()).includes("A-20817"), "arguments");
  await page.getByText("2 tools offered").click();
  ok(await page.locator(".tools .card").first().isVisible(), "tool definitions");
});

test("documents have their scores", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.question}`);
  await step(page, "rag.retrieve").click();
  await page.keyboard.press("r");
  await page.waitForSelector(".document");
  equal(await page.locator(".document .score").allInnerTexts(), ["0.9132", "0.8418", "0.7055", "0.5521"], "the scores");
  ok((await page.locator(".document").first().innerText()).includes("kb/refunds.md#2"), "the id");
});

// shows: A78 A81
test("what was thought of the answer stands in the head", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.question}`);
  const scores = page.getByRole("list", { name: "Scores" }).getByRole("listitem");
  await scores.nth(1).waitFor();
  equal(await scores.allInnerTexts().then((all) => all.map((text) => text.replaceAll("\n", " ")).sort()), ["faithfulness 0.82 judge", "thumb yes user"]);
  equal(await scores.filter({ hasText: "faithfulness" }).getAttribute("title"), "by judge, gpt-4o · one claim is not in the context");
  equal(await (await open(`/traces/${servers.ids.refund}`)).getByRole("list", { name: "Scores" }).count(), 0);
});

// shows: A62 A63
test("usage and cost add up by bucket", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.question}?tab=usage`);
  await page.waitForSelector(".figures-table");
  const rows = await page.locator(".figures-table tr").evaluateAll((list) => list.slice(1).map((row) => [...row.children].filter((c) => !c.hasAttribute("aria-hidden")).map((c) => c.textContent)));
  equal(rows.map((row) => row.filter(Boolean)), [["Input", "874", "$0.002185"], ["Input read from cache", "1,536", "$0.001920"], ["Output", "268", "$0.002680"], ["All", "2,678", "$0.006785"]], "the table");
});

test("attributes as sent and the raw span can be read and searched", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.question}?tab=attributes`);
  await page.getByLabel("Find an attribute").fill("seed");
  equal(await page.locator(".pairs th").allTextContents(), ["gen_ai.request.seed"], "the attributes found");
  await page.getByRole("tab", { name: "Raw" }).click();
  ok((await page.locator(".panel-body pre").innerText()).includes('"price_id": "genai-prices/openai/gpt-4o"'), "the raw span");
});

test("a step is found by name, model or id", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.wide}`);
  await page.waitForSelector(ACTIVE);
  await page.keyboard.press("/");
  await page.keyboard.type("step 411.8");
  await until(async () => (await page.locator(".span-row:not(.head)").count()) === 3, "the step and what it is in");
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  equal(await page.locator(`${ACTIVE} .bidi`).innerText(), "step 411.8", "the step");
  await page.keyboard.press("Escape");
  await until(async () => (await page.locator(".span-row:not(.head)").count()) > 10, "all steps again");
});

test.alone("a trace of 5,200 steps opens within 2 seconds and scrolls to its end", async ({ open, servers, note }) => {
  const page = await open("/traces");
  await page.waitForSelector(".trace-row");
  const started = Date.now();
  await page.goto(`${servers.main.api}/traces/${servers.ids.wide}`);
  await page.waitForSelector(ACTIVE);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const took = Date.now() - started;
  note(`opened in ${took} ms`);
  ok(took <= 2000, `at most 2000 ms, not ${took}`);
  equal(Number(await page.locator("#waterfall").getAttribute("aria-rowcount")), WIDE + 1, "rows");
  ok((await page.locator(".span-row").count()) < 120, "only rows in sight are in the page");
  await page.keyboard.press("End");
  const last = page.locator(`${ACTIVE} .bidi`);
  await until(async () => (await last.innerText()) === "step 519.7", "the last step");
  ok(await page.locator(ACTIVE).evaluate((row) => row.getBoundingClientRect().bottom <= document.getElementById("waterfall").getBoundingClientRect().bottom + 1), "the last step in sight");
  const fold = Date.now();
  await page.getByRole("button", { name: "Fold all" }).click();
  await until(async () => Number(await page.locator("#waterfall").getAttribute("aria-rowcount")) < 600, "folded");
  ok(Date.now() - fold < 1000, "folding is quick");
});

test("a dimension leads to the other traces that have it", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.refund}`);
  await page.locator(".dimension", { hasText: "globex" }).click();
  await page.waitForSelector(".trace-row:not(.head)");
  equal(new URL(page.url()).searchParams.get("q"), "tenant:globex", "the filter");
});

// shows: A1
test("an id cut short finds its trace, an unknown one says so", async ({ open, servers }) => {
  const page = await open(`/traces/${servers.ids.question.slice(0, 12)}`);
  await page.waitForSelector(ACTIVE);
  await page.goto(`${servers.main.api}/traces/${"0".repeat(31)}1`);
  await page.getByText("This trace is not here").waitFor();
  await page.goto(`${servers.main.api}/no/such/page`);
  await page.getByText("There is no page here").waitFor();
});
