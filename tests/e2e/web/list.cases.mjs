// list.cases.mjs -- the list of traces: rows, live, filter, URL, keys.
//
// SPDX-License-Identifier: Apache-2.0
import { api, equal, ok, test, until } from "./browser.mjs";
import { send } from "./otlp.mjs";
import { bare } from "./samples.mjs";

const ROW = ".trace-row:not(.head)";
const names = (page) => page.locator(`${ROW} .c-name a`).allTextContents();
const query = (page) => new URL(page.url()).searchParams;

// shows: E40
test("the list shows each trace with its totals", async ({ open, servers }) => {
  const page = await open("/");
  await page.waitForSelector(ROW);
  equal(new URL(page.url()).pathname, "/traces", "the path");
  const row = page.locator(ROW, { hasText: "support_answer" }).or(page.locator(ROW).filter({ has: page.locator(`a[href="/traces/${servers.ids.question}"]`) })).first();
  const text = (await row.innerText()).replace(/\s+/g, " ");
  for (const part of ["POST /api/assistant/query", "12", "support-chat", "acme", "u-1042", "gpt-4o-2024-08-06", "2,602 → 282", "$0.006821", "2.86 s", "431 ms"]) ok(text.includes(part), `"${part}" in "${text}"`);
  const unknown = await page.locator(ROW).filter({ has: page.locator(`a[href="/traces/${servers.ids.unpriced}"]`) }).locator(".c-cost").innerText();
  equal(unknown, "unknown", "the cost of a model without a price");
  await until(async () => {
    const { items } = await api(servers.main, "/traces?limit=5");
    return (await names(page)).slice(0, 5).join() === items.map((t) => t.name).join();
  }, "the first names");
});

test("a new trace comes in on top while the list is live", async ({ open, servers }) => {
  const page = await open("/traces");
  await page.waitForSelector(ROW);
  const name = `live ${Date.now()}`;
  await send(servers.main.otlp, name, { ...bare(), name });
  await until(async () => (await names(page)).slice(0, 8).includes(name), "the new row on top");
});

test("a reader who scrolled down is told of new traces and not moved", async ({ open, servers }) => {
  const page = await open("/traces");
  await page.waitForSelector(ROW);
  await page.locator("#traces").evaluate((e) => (e.scrollTop = 1000));
  await page.waitForSelector(".live:not(.on)");
  const before = (await names(page)).join();
  const name = `behind ${Date.now()}`;
  await send(servers.main.otlp, name, { ...bare(), name });
  const notice = page.locator(".new-rows");
  await notice.waitFor();
  equal((await names(page)).join(), before, "the rows in sight");
  await notice.click();
  await until(async () => (await names(page)).includes(name), "the new row");
});

test("scrolling loads page after page", async ({ open, servers }) => {
  const page = await open("/traces");
  await page.waitForSelector(ROW);
  const count = (await api(servers.main, "/traces?limit=1000")).items.length;
  ok(count > 100, "more than a page of traces");
  await until(async () => {
    await page.locator("#traces").evaluate((e) => (e.scrollTop = e.scrollHeight));
    return Number(await page.locator("#traces").getAttribute("aria-rowcount")) >= count;
  }, "all rows loaded");
  ok((await page.locator(ROW).count()) < 80, "only rows in sight are in the page");
});

// shows: E8
test("a filter narrows the list and lands in the URL", async ({ open }) => {
  const page = await open("/traces");
  await page.waitForSelector(ROW);
  await page.keyboard.press("/");
  await page.keyboard.type("tenant:globex latency>5s");
  await page.keyboard.press("Enter");
  await until(async () => query(page).get("q") === "tenant:globex latency>5s", "the filter in the URL");
  await until(async () => {
    const cells = await page.locator(`${ROW} .c-who`).allTextContents();
    return cells.length > 0 && cells.every((cell) => cell.startsWith("globex"));
  }, "only globex in the list");
  await until(async () => {
    const shown = await page.locator(".figure", { hasText: "Traces" }).locator("dd").innerText();
    return Number(shown.replace(",", "")) === (await page.locator(ROW).count());
  }, "a total that equals the list");
});

test("a menu writes the filter and the text stays the truth", async ({ open }) => {
  const page = await open("/traces");
  await page.waitForSelector(ROW);
  await page.getByRole("button", { name: "Tenant" }).click();
  await page.getByRole("checkbox", { name: /^hooli/ }).click();
  await page.getByRole("checkbox", { name: /^umbrella/ }).click();
  await page.keyboard.press("Escape");
  equal(query(page).get("q"), "tenant:(hooli or umbrella)", "the filter in the URL");
  equal(await page.locator("#filter").inputValue(), "tenant:(hooli or umbrella)", "the text");
  await until(async () => (await page.locator(`${ROW} .c-who`).allTextContents()).every((c) => /^(hooli|umbrella)/.test(c)), "the rows");
});

test("a wrong filter shows the place and the nearest name", async ({ open }) => {
  const page = await open("/traces?q=tenant:acme%20modle:gpt*");
  const box = page.getByRole("alert");
  await box.waitFor();
  equal(await box.locator("mark").innerText(), "modle", "the marked word");
  await box.getByRole("button", { name: /model/ }).click();
  await page.waitForSelector(ROW);
  equal(query(page).get("q"), "tenant:acme model:gpt*", "the mended filter");
});

test("back returns to the list as it was left", async ({ open, servers }) => {
  const page = await open("/traces");
  await page.waitForSelector(ROW);
  await page.locator("#filter").fill("feature:support-chat");
  await page.keyboard.press("Enter");
  await until(async () => (await page.locator(`${ROW} .c-feature`).allTextContents()).every((c) => c === "support-chat"), "the filtered rows");
  await page.locator(`a[href="/traces/${servers.ids.question}"]`).click();
  await page.waitForSelector(".span-row.active");
  await page.locator(".span-row", { hasText: "rag.retrieve" }).click();
  ok(query(page).get("span"), "the step is in the URL");
  await page.goBack();
  await page.waitForSelector(ROW);
  equal(query(page).get("q"), "feature:support-chat", "the filter");
  await page.goBack();
  await until(async () => !query(page).has("q"), "the list without a filter");
  await page.goForward();
  await page.goForward();
  await page.waitForSelector(".span-row.active");
  equal(await page.locator(".span-row.active .bidi").innerText(), "rag.retrieve", "the step after going forward");
});

test("dragging over the histogram picks its time", async ({ open }) => {
  const page = await open("/traces?range=6h");
  await page.waitForSelector(".histogram .all");
  const box = await page.locator(".histogram-box").boundingBox();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 30, { steps: 4 });
  await page.mouse.up();
  await until(async () => query(page).has("from") && query(page).has("to"), "the time in the URL");
  const [from, to] = [Date.parse(query(page).get("from")), Date.parse(query(page).get("to"))];
  ok(to - from > 3600e3 && to - from < 3 * 3600e3, `about two hours, not ${(to - from) / 3600e3}`);
  await page.waitForSelector(ROW);
});

test("the histogram can be used by keys", async ({ open }) => {
  const page = await open("/traces?range=6h");
  await page.waitForSelector(".histogram .all");
  await page.locator(".histogram-box").focus();
  for (const key of ["ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Enter"]) await page.keyboard.press(key);
  await until(async () => query(page).has("from"), "the time in the URL");
  equal(Date.parse(query(page).get("to")) - Date.parse(query(page).get("from")), 4 * 10 * 60e3, "four bars of ten minutes");
});

test("sorting by cost puts the dearest first and rests the live list", async ({ open, servers }) => {
  const page = await open("/traces");
  await page.waitForSelector(ROW);
  await page.getByRole("button", { name: "Cost", exact: true }).click();
  await until(async () => query(page).get("sort") === "cost", "the order in the URL");
  const { items } = await api(servers.main, "/traces?sort=cost&limit=2");
  await until(async () => items.map((t) => `/traces/${t.trace_id}`).includes(await page.locator(`${ROW} a`).first().getAttribute("href")), "the dearest trace");
  ok(await page.locator(".live").isDisabled(), "live rests");
});

test("the whole journey works without a mouse", async ({ open, servers }) => {
  const page = await open("/traces?q=feature:support-chat");
  const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  await page.waitForSelector(ROW);
  const wanted = await page.locator(`${ROW} a`).evaluateAll((links, id) => links.findIndex((a) => a.getAttribute("href").endsWith(id)), servers.ids.question);
  await press(...Array(wanted + 1).fill("j"));
  equal(await page.locator(`${ROW}.active a`).getAttribute("href"), `/traces/${servers.ids.question}`, "the active row");
  await press("Enter");
  await page.waitForSelector(".span-row.active");
  const active = () => page.locator(".span-row.active .bidi").innerText();
  equal(await active(), "llm.chat", "the step one came for");
  await press("Home");
  equal(await active(), "POST /api/assistant/query", "the first step");
  await press("j", "j");
  equal(await active(), "rag.rewrite_query", "two steps down");
  await press("ArrowLeft");
  equal(await page.locator(".span-row.active").getAttribute("aria-expanded"), "false", "folded");
  await press("ArrowRight", "ArrowRight");
  equal(await active(), "chat gpt-4o-mini", "its child");
  await press("r");
  await page.waitForSelector(".message.answer");
  ok((await page.locator(".message.answer").innerText()).includes("return policy headphones refund"), "the answer");
  await press("]");
  equal(await page.getByRole("tab", { selected: true }).innerText(), "Usage & cost", "the next tab");
  await press("Enter");
  equal(await page.evaluate(() => document.activeElement?.getAttribute("role")), "tab", "the focus");
  await press("Escape", "Escape");
  await page.waitForSelector(ROW);
  equal(new URL(page.url()).search, "?q=feature%3Asupport-chat".replace("%3A", ":"), "the list's URL");
  equal(await page.locator(`${ROW}.active a`).getAttribute("href"), `/traces/${servers.ids.question}`, "the row one came from");
  await press("?");
  await page.waitForSelector("dialog[open]");
  await press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await press("t");
  equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark", "the theme");
});
