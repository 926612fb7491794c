"""Langfuse's Python SDK: its OpenAI wrapper and its own observations: langfuse_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import sys

import shop
from langfuse import Langfuse, propagate_attributes
from langfuse.openai import openai

TOOL = {"type": "function", "function": {"name": "lookup_order", "description": "State of an order", "parameters": {
    "type": "object", "required": ["order_id"], "properties": {"order_id": {"type": "string"}}}}}


def ask(text):
    return [{"role": "system", "content": shop.SYSTEM}, {"role": "user", "content": text}]


def chat(_, client):
    client.chat.completions.create(model=shop.MODEL, messages=ask(shop.QUESTION), temperature=0.2, max_tokens=24)


def stream(_, client):
    for _ in client.chat.completions.create(model=shop.MODEL, messages=ask(shop.QUESTION), temperature=0.2, max_tokens=24, stream=True,
                                            stream_options={"include_usage": True}):
        pass


def error(_, client):
    try:
        client.chat.completions.create(model=shop.BAD_MODEL, messages=ask(shop.QUESTION))
    except openai.NotFoundError as fault:
        print(fault.status_code)


def tools(langfuse, client):
    with langfuse.start_as_current_observation(name="support", as_type="agent", input=shop.ORDER) as agent:
        messages = ask(shop.ORDER)
        message = client.chat.completions.create(model=shop.MODEL, messages=messages, tools=[TOOL], temperature=0.2, max_tokens=24).choices[0].message
        call = message.tool_calls[0]
        arguments = json.loads(call.function.arguments)
        with langfuse.start_as_current_observation(name="lookup_order", as_type="tool", input=arguments) as tool:
            result = shop.lookup_order(**arguments)
            tool.update(output=result)
        messages += [message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": result}]
        last = client.chat.completions.create(model=shop.MODEL, messages=messages, tools=[TOOL], temperature=0.2, max_tokens=24)
        agent.update(output=last.choices[0].message.content)


def retrieval(langfuse, _):
    with langfuse.start_as_current_observation(name="search", as_type="retriever", input=shop.SEARCH) as found:
        found.update(output=[{"id": key, "content": text, "score": score} for key, text, score in shop.DOCUMENTS])


def main():
    langfuse = Langfuse(public_key="test-key", secret_key="test-key", base_url=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
                        environment="staging", release="1.4.2")
    client = openai.OpenAI(base_url=shop.URL, api_key=shop.KEY, max_retries=0)
    with propagate_attributes(user_id=shop.USER, session_id=shop.SESSION, tags=shop.TAGS, metadata={"tenant_id": "tenant_abc"}):
        globals()[sys.argv[1]](langfuse, client)
    langfuse.flush()
    langfuse.shutdown()


if __name__ == "__main__":
    main()
