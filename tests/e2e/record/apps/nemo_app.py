"""NeMo Guardrails with an input and an output rail of one's own: nemo_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import sys

import shop
import telemetry
from nemoguardrails import LLMRails, RailsConfig

COLANG = """
define bot refuse
  "I cannot help with that."

define flow check card numbers
  $allowed = execute allow_text(text=$user_message)
  if not $allowed
    bot refuse
    stop

define flow check politeness
  $allowed = execute allow_text(text=$bot_message)
  if not $allowed
    bot refuse
    stop
"""
YAML = f"""
models:
  - type: main
    engine: openai
    model: {shop.MODEL}
    parameters: {{base_url: "{shop.URL}", api_key: {shop.KEY}}}
rails:
  input: {{flows: [check card numbers]}}
  output: {{flows: [check politeness]}}
tracing:
  enabled: true
  span_format: opentelemetry
  enable_content_capture: true
  adapters: [{{name: OpenTelemetry}}]
"""
QUESTIONS = {"pass": shop.QUESTION, "block": "My card is 4111.", "output": "Where is it? It has shipped."}


async def allow_text(text):
    return "4111" not in text and not text.startswith("Order")


def main():
    end = telemetry.start("shop")
    rails = LLMRails(RailsConfig.from_content(colang_content=COLANG, yaml_content=YAML))
    rails.register_action(allow_text, "allow_text")
    print(rails.generate(messages=[{"role": "user", "content": QUESTIONS[sys.argv[1]]}]))
    end()


if __name__ == "__main__":
    main()
