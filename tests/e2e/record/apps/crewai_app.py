"""CrewAI, instrumented by OpenInference: crewai_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import os
import sys

os.environ.update({"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "CREWAI_TELEMETRY_OPT_OUT": "true"})
import shop
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from openinference.instrumentation import using_attributes
from openinference.instrumentation.crewai import CrewAIInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from telemetry import start


def run(question, model=shop.MODEL, tools=()):
    llm = LLM(model="openai/" + model, base_url=shop.URL, api_key=shop.KEY, temperature=0.2, max_tokens=24)
    agent = Agent(role="support", goal="Answer", backstory=shop.SYSTEM, llm=llm, tools=list(tools), verbose=False, max_iter=3, max_retry_limit=0)
    task = Task(description=question, expected_output="One sentence.", agent=agent)
    return Crew(name="shop", agents=[agent], tasks=[task], verbose=False).kickoff()


def chat():
    print(run(shop.QUESTION))


def tools():
    print(run(shop.ORDER, tools=[tool("lookup_order")(shop.lookup_order)]))


def error():
    try:
        run(shop.QUESTION, shop.BAD_MODEL)
    except Exception as fault:
        print(type(fault).__name__)


def main():
    end = start("shop")
    CrewAIInstrumentor().instrument()
    OpenAIInstrumentor().instrument()  # the crew calls the model by OpenAI's SDK
    with using_attributes(session_id=shop.SESSION, user_id=shop.USER, tags=shop.TAGS):
        globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
