"""One small application of the OpenAI SDK, one scenario a run: openai_app.py INSTRUMENTATION SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import sys

import openai
from opentelemetry import trace
from telemetry import instrument, start

MODEL = os.environ.get("APP_MODEL", "gemma-3-270m")
SYSTEM = "You are the support assistant of a shop. Answer in one sentence."
ORDERS = {"A-17": {"status": "shipped", "eta": "2026-11-24"}, "B-20": {"status": "cancelled", "eta": None}}
TOOLS = [
    {"type": "function", "function": {
        "name": "lookup_order", "description": "State of an order",
        "parameters": {"type": "object", "required": ["order_id"],
                       "properties": {"order_id": {"type": "string", "enum": ["A-17", "B-20"]}}}}},
    {"type": "function", "function": {
        "name": "refund_policy", "description": "The rule for refunds in a country",
        "parameters": {"type": "object", "required": ["country"],
                       "properties": {"country": {"type": "string", "enum": ["DE", "FR", "US"]}}}}},
]
tracer = trace.get_tracer("assistant-api", "1.4.2")


def ask(text):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def chat(client):
    client.chat.completions.create(model=MODEL, messages=ask("What is the capital of France?"), temperature=0.2,
                                   top_p=0.9, max_tokens=24, seed=7)


def stream(client):
    chunks = client.chat.completions.create(model=MODEL, messages=ask("Tell me about the river Rhine."), max_tokens=40,
                                            stream=True, stream_options={"include_usage": True})
    print("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))


def tools(client):
    messages = ask("Where is my order A-17?")
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, max_tokens=60)
    call = answer.choices[0].message.tool_calls[0]
    messages += [answer.choices[0].message.model_dump(exclude_none=True),
                 {"role": "tool", "tool_call_id": call.id, "content": json.dumps(run_tool(call))}]
    client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, max_tokens=40)


def run_tool(call):
    arguments = json.loads(call.function.arguments)
    if call.function.name == "lookup_order":
        return ORDERS[arguments["order_id"]]
    return {"country": arguments["country"], "days": 30}


def agent(client):
    """Two tools, three turns, one agent span around them."""
    with tracer.start_as_current_span("POST /api/assistant/query", kind=trace.SpanKind.SERVER, attributes={
            "app.tenant_id": "tenant_abc", "user.id": "user-31", "app.feature": "support_assistant",
            "session.id": "chat-9", "http.route": "/api/assistant/query", "request_id": "req_agent_1"}):
        with tracer.start_as_current_span("invoke_agent support", attributes={
                "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support",
                "gen_ai.provider.name": "openai", "agent.loop.iteration": 3}):
            messages = ask("Order A-17 is late. Where is it and can I have my money back?")
            for wanted in ("lookup_order", "refund_policy", None):
                choice = {"type": "function", "function": {"name": wanted}} if wanted else "none"
                answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, tool_choice=choice,
                                                        max_tokens=48)
                if wanted is None:
                    return
                call = answer.choices[0].message.tool_calls[0]
                with tracer.start_as_current_span("execute_tool " + wanted, attributes={
                        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": wanted,
                        "gen_ai.tool.call.id": call.id, "gen_ai.tool.type": "function",
                        "agent.tool.approval": "granted"}):
                    result = run_tool(call)
                messages += [answer.choices[0].message.model_dump(exclude_none=True),
                             {"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)}]


def embeddings(client):
    client.embeddings.create(model="multilingual-e5-small", input=["a return within 30 days", "opening hours"])


def error(client):
    """A model that the server does not have, and a prompt over its context."""
    for model, text in (("gemma-9-900b", "hello"), (MODEL, "too long " * 1500)):
        try:
            client.chat.completions.create(model=model, messages=ask(text))
        except openai.APIStatusError as fault:
            print(fault.status_code)


def retry(client):
    """429 on the first try; the SDK itself tries again."""
    client.chat.completions.create(model=MODEL, messages=ask("Is the shop open on Sunday?"), max_tokens=24,
                                   extra_headers={"x-fail-once": sys.argv[1]})


def main():
    end = start("shop-assistant", with_metrics=sys.argv[2] == "chat")
    instrument(sys.argv[1])
    client = openai.OpenAI(base_url=os.environ["MODEL_URL"], api_key="unused", max_retries=2 if sys.argv[2] == "retry" else 0)
    globals()[sys.argv[2]](client)
    end()


if __name__ == "__main__":
    main()
