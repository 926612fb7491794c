"""The OpenAI Agents SDK, instrumented by OpenInference: agents_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import sys

import openai
import shop
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_trace_processors
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from telemetry import start


def agent_for(model, **more):
    client = openai.AsyncOpenAI(base_url=shop.URL, api_key=shop.KEY, max_retries=0)
    return Agent(name="support", instructions=shop.SYSTEM, model=OpenAIChatCompletionsModel(model, client),
                 model_settings=ModelSettings(temperature=0.2, max_tokens=24), **more)


def chat():
    Runner.run_sync(agent_for(shop.MODEL), shop.QUESTION)


def tools():
    Runner.run_sync(agent_for(shop.MODEL, tools=[function_tool(shop.lookup_order)]), shop.ORDER)


def error():
    try:
        Runner.run_sync(agent_for(shop.BAD_MODEL), shop.QUESTION)
    except openai.NotFoundError as fault:
        print(fault.status_code)


def main():
    end = start("shop")
    set_trace_processors([])
    OpenAIAgentsInstrumentor().instrument()
    with using_attributes(session_id=shop.SESSION, user_id=shop.USER, tags=shop.TAGS):
        globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
