"""Haystack with its OpenTelemetry tracer and content tracing on: haystack_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import sys

import openai
import shop
from haystack import Document, Pipeline, component, tracing
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from haystack_integrations.tracing.opentelemetry import OpenTelemetryTracer
from opentelemetry import trace
from telemetry import start


@component
class ShelfRetriever:
    """The shop's documents, whatever is asked."""

    @component.output_types(documents=list[Document])
    def run(self, query: str):
        return {"documents": [Document(id=key, content=text, score=score) for key, text, score in shop.DOCUMENTS]}


def generator(model):
    return OpenAIChatGenerator(model=model, api_base_url=shop.URL, generation_kwargs={"temperature": 0.2, "max_tokens": 24}, max_retries=0)


def ask(model):
    pipeline = Pipeline()
    pipeline.add_component("llm", generator(model))
    pipeline.run({"llm": {"messages": [ChatMessage.from_system(shop.SYSTEM), ChatMessage.from_user(shop.QUESTION)]}})


def chat():
    ask(shop.MODEL)


def tools():
    agent = Agent(chat_generator=generator(shop.MODEL), tools=[create_tool_from_function(shop.lookup_order)], system_prompt=shop.SYSTEM)
    print(agent.run(messages=[ChatMessage.from_user(shop.ORDER)])["messages"][-1].text)


def retrieval():
    pipeline = Pipeline()
    pipeline.add_component("retriever", ShelfRetriever())
    pipeline.run({"retriever": {"query": shop.SEARCH}})


def error():
    try:
        ask(shop.BAD_MODEL)
    except Exception as fault:  # the pipeline wraps openai.NotFoundError
        print(type(fault).__name__, isinstance(fault, openai.NotFoundError))


def main():
    end = start("shop")
    tracing.tracer.is_content_tracing_enabled = True
    tracing.enable_tracing(OpenTelemetryTracer(trace.get_tracer("haystack")))
    globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
