"""Guardrails AI with two validators of one's own and no model: guardrails_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import os
import sys
import tempfile

import telemetry

os.environ["HOME"] = tempfile.mkdtemp()  # where it looks whether it may report its use to its makers: it may not
with open(os.path.join(os.environ["HOME"], ".guardrailsrc"), "w", encoding="utf-8") as rc:
    rc.write("enable_metrics=false\nuse_remote_inferencing=false\n")
from guardrails import Guard, settings
from guardrails.validators import FailResult, PassResult, Validator, register_validator

settings.disable_tracing = False


@register_validator(name="shop/no_card_numbers", data_type="string")
class NoCardNumbers(Validator):
    def validate(self, value, metadata):
        return FailResult(error_message="a card number") if "4111" in value else PassResult()


@register_validator(name="shop/polite", data_type="string")
class Polite(Validator):
    def validate(self, value, metadata):
        return PassResult() if "please" in value.lower() else FailResult(error_message="not polite", fix_value="Please. " + value)


def check(text, on_fail="noop"):
    guard = Guard(name="checkout").use(NoCardNumbers(on_fail=on_fail), Polite(on_fail="noop"))
    return guard.validate(text).validation_passed


def passes():
    print(check("Please send it back."))


def fails():
    print(check("My card is 4111."))


def error():
    try:
        check("Please charge 4111.", "exception")
    except Exception as fault:  # a class that has moved between versions
        print(type(fault).__name__)


def main():
    end = telemetry.start("shop")
    globals()[{"pass": "passes", "fail": "fails", "error": "error"}[sys.argv[1]]]()
    end()


if __name__ == "__main__":
    main()
