"""AutoGen's agents with their own spans, model calls by OTel's OpenAI instrumentation: autogen_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import sys

import shop
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.conditions import TextMessageTermination
from autogen_ext.models.openai import OpenAIChatCompletionClient
from openinference.instrumentation.openai import OpenAIInstrumentor
from telemetry import start


async def run(question, model=shop.MODEL, tools=()):
    client = OpenAIChatCompletionClient(model=model, base_url=shop.URL, api_key=shop.KEY, temperature=0.2, max_tokens=24, max_retries=0, model_info={
        "vision": False, "function_calling": True, "json_output": False, "family": "gpt-4o", "structured_output": False})
    agent = AssistantAgent("support", client, tools=list(tools), system_message=shop.SYSTEM, reflect_on_tool_use=bool(tools))
    team = RoundRobinGroupChat([agent], termination_condition=TextMessageTermination("support"))
    print((await team.run(task=question)).messages[-1].content)


def chat():
    asyncio.run(run(shop.QUESTION))


def tools():
    asyncio.run(run(shop.ORDER, tools=[shop.lookup_order]))


def error():
    try:
        asyncio.run(run(shop.QUESTION, shop.BAD_MODEL))
    except Exception as fault:
        print(type(fault).__name__)


def main():
    end = start("shop")
    OpenAIInstrumentor().instrument()
    globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
