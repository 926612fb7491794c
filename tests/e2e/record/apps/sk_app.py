"""Semantic Kernel with its model diagnostics: sk_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import os
import sys

os.environ["SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS"] = "true"
os.environ["SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE"] = "true"
import logging

import openai
import shop
from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk._logs import LoggingHandler
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import ChatHistory
from semantic_kernel.functions import KernelArguments, kernel_function
from telemetry import start


class Orders:
    """The shop's one tool as a plugin."""

    @kernel_function(name="lookup_order", description="State of an order")
    def lookup_order(self, order_id: str) -> str:
        return shop.lookup_order(order_id)


def service(model):
    client = openai.AsyncOpenAI(base_url=shop.URL, api_key=shop.KEY, max_retries=0)
    return OpenAIChatCompletion(ai_model_id=model, async_client=client)


async def ask(model):
    history = ChatHistory(system_message=shop.SYSTEM)
    history.add_user_message(shop.QUESTION)
    await service(model).get_chat_message_content(history, OpenAIChatPromptExecutionSettings(temperature=0.2, max_tokens=24))


def chat():
    asyncio.run(ask(shop.MODEL))


def tools():
    agent = ChatCompletionAgent(service=service(shop.MODEL), name="support", instructions=shop.SYSTEM, plugins=[Orders()],
                                arguments=KernelArguments(OpenAIChatPromptExecutionSettings(temperature=0.2, max_tokens=24)))
    print(asyncio.run(agent.get_response(shop.ORDER)))


def error():
    try:
        asyncio.run(ask(shop.BAD_MODEL))
    except Exception as fault:
        print(type(fault).__name__)


def main():
    end = start("shop")
    logging.getLogger().addHandler(LoggingHandler(logger_provider=get_logger_provider()))
    logging.getLogger().setLevel(logging.INFO)
    globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
