"""LiteLLM with its own OpenTelemetry callback or instrumented by OpenInference: litellm_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import sys

import litellm
import shop
from telemetry import start

TOOL = {"type": "function", "function": {"name": "lookup_order", "description": "State of an order", "parameters": {
    "type": "object", "required": ["order_id"], "properties": {"order_id": {"type": "string"}}}}}


def ask(text):
    return [{"role": "system", "content": shop.SYSTEM}, {"role": "user", "content": text}]


def call(messages, model=shop.MODEL, **more):
    return litellm.completion(model="openai/" + model, messages=messages, temperature=0.2, max_tokens=24, api_base=shop.URL, api_key=shop.KEY,
                              num_retries=0, user=shop.USER, metadata={"session_id": shop.SESSION, "tags": shop.TAGS}, **more)


def chat():
    call(ask(shop.QUESTION))


def stream():
    for _ in call(ask(shop.QUESTION), stream=True, stream_options={"include_usage": True}):
        pass


def tools():
    messages = ask(shop.ORDER)
    message = call(messages, tools=[TOOL]).choices[0].message
    wanted = message.tool_calls[0]
    messages += [message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": wanted.id,
                                                         "content": shop.lookup_order(**json.loads(wanted.function.arguments))}]
    call(messages, tools=[TOOL])


def error():
    try:
        call(ask(shop.QUESTION), shop.BAD_MODEL)
    except litellm.NotFoundError as fault:
        print(fault.status_code)


def main():
    if os.environ.get("APP_CALLBACK"):
        litellm.callbacks = ["otel"]
        globals()[sys.argv[1]]()
        import time

        from opentelemetry import trace
        time.sleep(1)  # the callback runs in a thread of its own
        trace.get_tracer_provider().force_flush()
        return
    end = start("shop")
    from openinference.instrumentation import using_attributes
    from openinference.instrumentation.litellm import LiteLLMInstrumentor
    LiteLLMInstrumentor().instrument()
    with using_attributes(session_id=shop.SESSION, user_id=shop.USER, tags=shop.TAGS):
        globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
