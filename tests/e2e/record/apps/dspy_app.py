"""DSPy, instrumented by OpenInference: dspy_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import sys

import dspy
import shop
from openinference.instrumentation import using_attributes
from openinference.instrumentation.dspy import DSPyInstrumentor
from telemetry import start


def use(name):
    dspy.configure(lm=dspy.LM("openai/" + name, api_base=shop.URL, api_key=shop.KEY, temperature=0.2, max_tokens=24, cache=False, num_retries=0))


def chat():
    use(shop.MODEL)
    print(dspy.Predict(dspy.Signature("question -> answer", shop.SYSTEM))(question=shop.QUESTION).answer)


def error():
    use(shop.BAD_MODEL)
    try:
        dspy.Predict("question -> answer")(question=shop.QUESTION)
    except Exception as fault:  # the library wraps what the model server said
        print(type(fault).__name__)


def main():
    end = start("shop")
    DSPyInstrumentor().instrument()
    with using_attributes(session_id=shop.SESSION, user_id=shop.USER, tags=shop.TAGS):
        globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
