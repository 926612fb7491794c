/* The same as weave_app.py with Weave for JavaScript, which ends a call by its id alone.  SPDX-License-Identifier: Apache-2.0 */
import OpenAI from "openai";
import * as weave from "weave";

const client = await weave.init("shop/support");
const model = weave.wrapOpenAI(new OpenAI({ baseURL: process.env.MODEL_URL, apiKey: "test-key", maxRetries: 0 }));
const lookUp = weave.op(async (order) => ({ status: "shipped" }), { name: "look_up" });
const fail = weave.op(async () => { throw new TypeError("no such order"); }, { name: "fail" });
const answer = weave.op(async (question) => {
  await lookUp("A-17");
  await fail().catch(() => undefined);
  await new Promise((done) => setTimeout(done, 600)); // so that its end comes in another request
  const made = await model.chat.completions.create({ model: "gpt-4o-mini", temperature: 0.2, messages: [
    { role: "system", content: "Be brief." }, { role: "user", content: question }] });
  return made.choices[0].message.content;
}, { name: "answer" });
await answer("What is the capital of France?");
await client.waitForBatchProcessing();
