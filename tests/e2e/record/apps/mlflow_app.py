"""MLflow's autologging of OpenAI and its own spans, sent as OTLP: mlflow_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import sys
import time

os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
os.environ.update(OTEL_SERVICE_NAME="shop", OTEL_BSP_SCHEDULE_DELAY="200")
import mlflow
import openai
import shop
from mlflow.entities import Document, SpanType

TOOL = {"type": "function", "function": {"name": "lookup_order", "description": "State of an order", "parameters": {
    "type": "object", "required": ["order_id"], "properties": {"order_id": {"type": "string"}}}}}


def ask(text):
    return [{"role": "system", "content": shop.SYSTEM}, {"role": "user", "content": text}]


def call(messages, model=shop.MODEL, **more):
    client = openai.OpenAI(base_url=shop.URL, api_key=shop.KEY, max_retries=0)
    return client.chat.completions.create(model=model, messages=messages, temperature=0.2, max_tokens=24, **more)


def chat():
    call(ask(shop.QUESTION))


@mlflow.trace(name="support", span_type=SpanType.AGENT)
def tools():
    messages = ask(shop.ORDER)
    message = call(messages, tools=[TOOL]).choices[0].message
    wanted = message.tool_calls[0]
    result = mlflow.trace(shop.lookup_order, span_type=SpanType.TOOL)(**json.loads(wanted.function.arguments))
    messages += [message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": wanted.id, "content": result}]
    return call(messages, tools=[TOOL]).choices[0].message.content


@mlflow.trace(name="search", span_type=SpanType.RETRIEVER)
def search(query):
    return [Document(id=key, page_content=text, metadata={"score": score}) for key, text, score in shop.DOCUMENTS]


def retrieval():
    search(shop.SEARCH)


def error():
    try:
        call(ask(shop.QUESTION), shop.BAD_MODEL)
    except openai.NotFoundError as fault:
        print(fault.status_code)


def main():
    mlflow.openai.autolog()
    globals()[sys.argv[1]]()
    mlflow.flush_trace_async_logging()
    time.sleep(2)  # longer than OTEL_BSP_SCHEDULE_DELAY: the provider is the library's own


if __name__ == "__main__":
    main()
