"""smolagents, instrumented by OpenInference: smolagents_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import sys

import openai
import shop
from openinference.instrumentation import using_attributes
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from smolagents import OpenAIServerModel, ToolCallingAgent, tool
from telemetry import start


def model_for(name):
    return OpenAIServerModel(model_id=name, api_base=shop.URL, api_key=shop.KEY, temperature=0.2, max_tokens=24, client_kwargs={"max_retries": 0})


def ask(model):
    return model.generate([{"role": "system", "content": [{"type": "text", "text": shop.SYSTEM}]},
                           {"role": "user", "content": [{"type": "text", "text": shop.QUESTION}]}])


def chat():
    ask(model_for(shop.MODEL))


def tools():
    agent = ToolCallingAgent(tools=[tool(shop.lookup_order)], model=model_for(shop.MODEL), name="support", max_steps=3, verbosity_level=0)
    print(agent.run(shop.ORDER))


def error():
    try:
        ask(model_for(shop.BAD_MODEL))
    except openai.NotFoundError as fault:
        print(fault.status_code)


def main():
    end = start("shop")
    SmolagentsInstrumentor().instrument()
    with using_attributes(session_id=shop.SESSION, user_id=shop.USER, tags=shop.TAGS):
        globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
