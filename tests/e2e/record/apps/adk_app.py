"""Google's Agent Development Kit with its own spans, over LiteLLM: adk_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import sys

import shop
from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai import types
from telemetry import start


async def ask(question, model=shop.MODEL, tools=()):
    agent = LlmAgent(name="support", model=LiteLlm(model="openai/" + model, num_retries=0), instruction=shop.SYSTEM, tools=list(tools),
                     generate_content_config=types.GenerateContentConfig(temperature=0.2, max_output_tokens=24))
    runner = InMemoryRunner(agent=agent, app_name="shop")
    await runner.session_service.create_session(app_name="shop", user_id=shop.USER, session_id=shop.SESSION)
    message = types.Content(role="user", parts=[types.Part(text=question)])
    async for event in runner.run_async(user_id=shop.USER, session_id=shop.SESSION, new_message=message):
        if event.is_final_response() and event.content:
            print(event.content.parts[0].text)


def chat():
    asyncio.run(ask(shop.QUESTION))


def tools():
    asyncio.run(ask(shop.ORDER, tools=[shop.lookup_order]))


def error():
    try:
        asyncio.run(ask(shop.QUESTION, shop.BAD_MODEL))
    except Exception as fault:  # wrapped by two libraries
        print(type(fault).__name__)


def main():
    end = start("shop")
    globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
