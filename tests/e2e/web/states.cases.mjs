// states.cases.mjs -- nothing yet, no key, a server in trouble, odd data; and how it looks.
//
// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { api, equal, ok, test } from "./browser.mjs";
import { send } from "./otlp.mjs";
import { bare } from "./samples.mjs";

const ROW = ".trace-row:not(.head)";
const broken = (status, code, message) => (route) => route.fulfill({ status, contentType: "application/json", body: JSON.stringify({ error: { code, message, hint: null, path: "" } }) });

test("an empty server shows how to send, and turns green at the first span", async ({ open, servers }) => {
  const page = await open("/", { server: servers.empty });
  await page.getByText("Waiting for the first span").waitFor();
  const code = page.locator("#snippet");
  ok((await code.innerText()).includes(`endpoint="${servers.empty.api}/v1/traces"`), "an address that takes spans");
  await page.getByRole("tab", { name: "Python" }).focus();
  await page.keyboard.press("ArrowRight");
  ok((await code.innerText()).includes(`url: "${servers.empty.api}/v1/traces"`), "JavaScript");
  await page.keyboard.press("ArrowRight");
  ok((await code.innerText()).startsWith("now=$(date +%s)\ncurl "), "curl");
  const id = await send(servers.empty.api, "first", { ...bare(), name: "the very first" }); // at the page's own address
  await page.getByText("The first span is here").waitFor();
  ok((await page.locator(".arrival.here").innerText()).includes("the very first"), "its name");
  await page.getByRole("link", { name: "Open the trace" }).click();
  await page.waitForSelector(".span-row.active");
  ok(page.url().includes(id), "the trace is open");
});

test.alone("a trace that is still open says so, and settles before one's eyes", async ({ open, servers }) => {
  const id = await send(servers.empty.otlp, `open-${Date.now()}`, { ...bare(), name: "still open" });
  const page = await open(`/traces/${id}`, { server: servers.empty });
  const badge = page.locator(".trace-head .badge.accent");
  equal(await badge.innerText(), "open", "the badge");
  await badge.waitFor({ state: "detached" });
});

test("a failing server is named, and trying again works", async ({ open, servers }) => {
  const page = await open(null);
  await page.route("**/api/v1/**", broken(500, "INTERNAL", "the store failed"));
  await page.goto(`${servers.main.api}/traces`);
  await page.getByText("The list could not be loaded").waitFor();
  await page.getByText("The store failed.").waitFor();
  await page.unroute("**/api/v1/**");
  await page.getByRole("button", { name: "Try again" }).first().click();
  await page.waitForSelector(ROW);
});

test("rows stay when the server goes away, and say that they are old", async ({ open }) => {
  const page = await open("/traces");
  await page.waitForSelector(ROW);
  await page.route("**/api/v1/**", (route) => route.abort());
  await page.getByText("these rows may be old").waitFor();
  ok((await page.locator(ROW).count()) > 10, "the rows are still there");
  await page.unroute("**/api/v1/**");
  await page.getByText("these rows may be old").waitFor({ state: "detached" });
});

test("a slow server shows bones first and says that it is slow", async ({ open, servers }) => {
  const page = await open(null);
  let answer;
  const late = new Promise((done) => (answer = done));
  await page.route("**/api/v1/traces/*", async (route) => { await late; await route.continue(); });
  await page.goto(`${servers.main.api}/traces/${servers.ids.question}`);
  await page.waitForSelector(".bone");
  await page.getByText("slow to answer").waitFor();
  answer();
  await page.waitForSelector(".span-row.active");
});

test("a failing reveal can be tried again, content that is gone cannot", async ({ open, servers }) => {
  const page = await open(null);
  let answer = broken(500, "INTERNAL", "the segment could not be read");
  await page.route("**/payload", (route) => answer(route));
  await page.goto(`${servers.main.api}/traces/${servers.ids.question}`);
  await page.getByRole("button", { name: "Reveal content" }).click();
  await page.getByText("the segment could not be read").waitFor();
  ok(await page.locator(".message.preview").first().isVisible(), "the preview stays");
  answer = broken(404, "NOT_FOUND", "no content");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("The content is gone").waitFor();
  equal(await page.locator(".reveal").count(), 0, "buttons to try again");
});

// shows: P19
test("without a key nothing is shown, with one it is", async ({ open, servers }) => {
  const { locked } = servers;
  const id = await send(locked.otlp, "locked", { ...bare(), name: "behind a key" }, { headers: { authorization: `Bearer ${locked.key}` } });
  const page = await open("/traces", { server: locked });
  await page.getByText("asks for an API key").waitFor();
  await page.getByLabel("API key").fill("tt_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("That key was not accepted").waitFor();
  await page.getByLabel("API key").fill(locked.key);
  await page.keyboard.press("Enter");
  await page.getByText("behind a key").waitFor();
  const stored = await page.evaluate(() => [localStorage.length, document.cookie, location.href]);
  ok(!JSON.stringify(stored).includes("tt_"), "the key is in no storage that lasts");
  const reader = await open(`/traces/${id}`, { server: locked, key: locked.reader });
  await reader.getByRole("button", { name: "Reveal content" }).click();
  await reader.getByText("This key may not read content").waitFor();
});

test("odd names and huge numbers do not break the layout", async ({ open, servers }) => {
  const long = "a very long name without an end ".repeat(40);
  const root = { name: long, ms: 400 * 86_400_000, attrs: { "tenant.id": "x".repeat(200), "user.id": "🦊".repeat(60), "app.feature": "مرحبا بالعالم" },
    children: [
      { name: "שלום עולם", at: 5, ms: 0, attrs: { "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 9e15, "gen_ai.usage.output_tokens": 9e15,
        "gen_ai.output.messages": JSON.stringify([{ role: "assistant", parts: [{ type: "text", content: "שלום! 👩‍👩‍👧‍👦 \u202Egnp.exe\u202C مرحبا" + "w".repeat(4000) }] }]) } },
      { name: "", at: 9, ms: 0.000001 }, { name: "line\nbreak\ttab", at: 10, ms: 1, attrs: { "odd key <b>": { deep: { er: [1, 2, { x: null ?? "y" }] } } } },
    ] };
  const id = await send(servers.main.otlp, `odd-${Date.now()}`, root, { start: Date.now() - 3000 });
  const page = await open("/traces");
  await page.waitForSelector(`a[href="/traces/${id}"]`);
  const fits = (where) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && document.querySelector("main").scrollWidth <= innerWidth).then((fit) => ok(fit, `${where} is as wide as the window`));
  await fits("the list");
  ok(await page.locator(ROW).evaluateAll((rows) => rows.every((row) => row.offsetHeight === rows[0].offsetHeight)), "all rows are of one height");
  for (const width of [1440, 900]) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(`${servers.main.api}/traces/${id}`);
    await page.waitForSelector(".span-row.active");
    await fits(`the trace at ${width}`);
    const names = page.locator(".span-row:not(.head)");
    for (let i = 0; i < (await names.count()); i++) {
      await names.nth(i).click();
      if (await page.locator(".reveal").count()) await page.locator(".reveal").click();
      await fits(`step ${i} at ${width}`);
    }
  }
});

test.alone("nothing jumps while a page loads", async ({ open, servers }) => {
  for (const path of ["/traces", `/traces/${servers.ids.question}`]) {
    const page = await open(null);
    await page.addInitScript(() => {
      window.shift = 0;
      new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) window.shift += e.value; }).observe({ type: "layout-shift", buffered: true });
    });
    await page.goto(servers.main.api + path);
    await page.waitForSelector(".trace-row:not(.head), .span-row.active");
    await page.waitForLoadState("networkidle");
    const shift = await page.evaluate(() => window.shift);
    ok(shift < 0.02, `a layout shift below 0.02 on ${path}, not ${shift}`);
  }
});

test("the theme is the system's until another is chosen", async ({ open }) => {
  const page = await open("/traces", { colorScheme: "dark" });
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  equal(await theme(), "dark", "the theme of a dark system");
  await page.getByRole("button", { name: "Light theme" }).click();
  equal(await theme(), "light", "the chosen theme");
  await page.reload();
  equal(await theme(), "light", "after loading again");
});

if (process.env.TELLTALE_PICTURES)
  test.first("pictures for the README are taken", async ({ open, servers }) => {
    const folder = new URL("../../../docs/images/", import.meta.url).pathname;
    mkdirSync(folder, { recursive: true });
    const size = { viewport: { width: 1440, height: 860 }, deviceScaleFactor: 1.4 };
    const list = await open("/traces?range=6h", size);
    await list.waitForSelector(".histogram .all");
    await list.waitForSelector(ROW);
    await list.screenshot({ path: `${folder}traces.png` });
    const { spans } = await api(servers.main, `/traces/${servers.ids.refund}`);
    const page = await open(`/traces/${servers.ids.refund}?span=${spans.filter((s) => s.step === "model").at(-1).span_id}`, size);
    await page.waitForSelector(".reveal");
    await page.keyboard.press("r");
    await page.waitForSelector(".message.answer");
    await page.screenshot({ path: `${folder}trace.png` });
  });
