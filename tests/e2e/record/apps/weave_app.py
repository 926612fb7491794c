"""A traced function with a tool, a failure and a wrapped call; feedback of each kind, a changed name, a published object.

Run by ../record_requests.py in a virtual environment with weave and openai.  SPDX-License-Identifier: Apache-2.0"""
import os

import openai
import weave

client = weave.init("shop/support")
model = openai.OpenAI(base_url=os.environ["MODEL_URL"], api_key="test-key")


@weave.op(kind="tool")
def look_up(order_id):
    return {"status": "shipped"}


@weave.op
def fail(order_id):
    raise ValueError("no such order")


@weave.op
def answer(question):
    look_up("A-17")
    try:
        fail("A-0")
    except ValueError:
        pass
    made = model.chat.completions.create(model="gpt-4o-mini", temperature=0.2, messages=[
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": question}])
    return made.choices[0].message.content


with weave.thread("th-1"), weave.attributes({"user_id": "u-1", "environment": "test"}):
    _, call = answer.call("What is the capital of France?")
client.flush()
call.feedback.add_reaction("👍")
call.feedback.add_note("well said")
call.feedback.add("correctness", {"value": 0.8})
call.set_display_name("nice answer")
weave.publish(weave.Dataset(name="orders", rows=[{"id": "A-17"}, {"id": "A-18"}]))
client.finish()
