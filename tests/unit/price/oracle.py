#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""oracle.py -- an independent reading of the raw price lists, compared with price_driver.

For every model of both lists, three random usages (fixed seed): the driver's answer is
compared to the nano-dollar with Fractions computed straight from the JSON.  Written against
docs/formats/prices.md, sharing no code with tools/gen_prices.py.  Prints TAP.
"""
import json
import random
import re
import subprocess
import sys
from datetime import datetime, timezone
from fractions import Fraction

BUCKETS = ["input_fresh", "cache_read", "cache_write_5m", "cache_write_1h", "output_text",
           "reasoning", "audio_in", "audio_out", "image"]
RATE_OF = {"input_fresh": "in", "cache_read": "cr", "cache_write_5m": "cw", "cache_write_1h": "ch",
           "output_text": "out", "reasoning": "re", "audio_in": "ai", "audio_out": "ao",
           "image": "ii"}
GENAI = {"input_mtok": "in", "output_mtok": "out", "cache_read_mtok": "cr",
         "cache_write_mtok": "cw", "input_audio_mtok": "ai", "output_audio_mtok": "ao",
         "input_image_mtok": "ii"}
LITELLM = {"in": "input_cost_per_token", "out": "output_cost_per_token",
           "cr": "cache_read_input_token_cost", "cw": "cache_creation_input_token_cost",
           "ch": "cache_creation_input_token_cost_above_1hr",
           "re": "output_cost_per_reasoning_token", "ai": "input_cost_per_audio_token",
           "ao": "output_cost_per_audio_token", "ii": "input_cost_per_image_token",
           "request": "input_cost_per_request"}
SUFFIX = {"standard": "", "batch": "_batches", "flex": "_flex", "priority": "_priority"}


def per_unit(value, scale):
    """Exact dollars per unit, cut to femto-dollars as the table stores them."""
    femto = Fraction(str(value)) / scale * 10**15
    return Fraction(round(femto), 10**15)  # round() is half to even


def genai_price(model, when):
    prices = model["prices"]
    if not isinstance(prices, list):
        return prices, None
    chosen = prices[0]
    for item in prices:
        rule = item.get("constraint")
        if rule and "start_date" in rule and rule["start_date"] <= when.strftime("%Y-%m-%d"):
            chosen = item
        if rule and "start_time" in rule and (
                rule["start_time"] <= when.strftime("%H:%M:%SZ") < rule["end_time"]):
            chosen = item
    return chosen["prices"], (chosen.get("constraint") or {}).get("start_date")


def genai_rates(prices, context):
    rates = {}
    for key, name in GENAI.items():
        value = prices.get(key)
        if isinstance(value, dict):
            price = value["base"]
            for tier in sorted(value["tiers"], key=lambda t: t["start"]):
                if context > tier["start"]:
                    price = tier["price"]
            rates[name] = per_unit(price, 10**6)
        elif value is not None:
            rates[name] = per_unit(value, 10**6)
    if not any(rates.values()):
        rates = {"in": Fraction(0), "out": Fraction(0)}
    if "requests_kcount" in prices:
        rates["request"] = per_unit(prices["requests_kcount"], 1000)
    return rates


def litellm_rates(model, context, tier):
    rates = {}
    for name, key in LITELLM.items():
        options = {}
        for field, value in model.items():
            match = re.fullmatch(re.escape(key) + r"(?:_above_(\d+)k_tokens)?(_batches|_flex|"
                                 r"_priority)?", field)
            if not match or (match[2] or "") not in ("", SUFFIX[tier]):
                continue
            above = int(match[1] or 0) * 1000
            if above == 0 or context > above:
                options[above, match[2] is not None] = value
        if name == "cr" and (0, False) not in options and "input_cost_per_token_cache_hit" in model:
            options[0, False] = model["input_cost_per_token_cache_hit"]
        for item in model.get("tiered_pricing") or []:
            above = int(item.get("range", [0])[0])
            if key in item and (above == 0 or context > above):
                options[above, False] = item[key]
        if options:
            rates[name] = per_unit(options[max(options)], 1)
    return rates


def complete(rates, ratio=None):
    """Fallbacks; `ratio` is 1-hour to 5-minute cache where another row of the entry knows it."""
    rates = dict(rates)
    for name, other in (("cr", "in"), ("cw", "in"), ("re", "out"), ("ai", "in"), ("ao", "out"),
                        ("ii", "in")):
        if name not in rates and other in rates:
            rates[name] = rates[other]
    if "ch" not in rates and ratio and "cw" in rates:
        rates["ch"] = rates["cw"] * ratio
    if "ch" not in rates or rates["ch"] < rates.get("cw", 0):
        if "cw" in rates:
            rates["ch"] = rates["cw"]
    return rates


def nano(count, rate):
    return round(Fraction(count) * rate * 10**9)


def random_usage(rng, big):
    usage = {b: 0 for b in BUCKETS}
    usage["input_fresh"] = rng.choice([0, 1, rng.randrange(5000), rng.randrange(150000),
                                       199999, 200000, 200001, 128001, rng.randrange(big)])
    usage["output_text"] = rng.randrange(8000)
    for bucket in BUCKETS:
        if rng.random() < 0.3:
            usage[bucket] = rng.randrange(50000)
    return usage


class Oracle:
    def __init__(self, genai, litellm):
        self.genai = {(p["id"], m["id"]): m for p in genai for m in p["models"]}
        self.genai_providers = {p["id"]: p for p in genai}
        self.litellm = litellm
        self.by_base = {}
        for model in litellm.values():
            if isinstance(model, dict):
                base = litellm_rates(model, 0, "standard")
                self.by_base.setdefault((base.get("in"), base.get("out")), []).append(model)
        self.claimed = {}

    def cases(self, rng):
        for provider, model in self.genai:
            for _ in range(3):
                yield provider, model
        for key, model in self.litellm.items():
            if isinstance(model, dict) and model.get("litellm_provider") and key != "sample_spec":
                for _ in range(3):
                    yield model["litellm_provider"], key

    def borrowed(self, rates, usage, got, context, tier, answer):
        """Rates that genai-prices does not have come from a LiteLLM model with equal input and
        output prices; which one is not derived again: some model must explain the answer."""
        plain = genai_rates(answer, 0)
        for model in self.by_base.get((plain.get("in"), plain.get("out")), []):
            theirs = litellm_rates(model, context, tier)
            flat = litellm_rates(model, 0, tier)
            # A service tier's own rates replace; what is only missing is added.
            own = {k: v for k, v in theirs.items()
                   if v != litellm_rates(model, context, "standard").get(k)}
            base = litellm_rates(model, 0, "standard")
            own_flat = {k: v for k, v in flat.items() if v != base.get(k)}
            for mixed in ({**theirs, **rates}, {**flat, **rates}, {**theirs, **rates, **own},
                          {**flat, **rates, **own_flat}):
                for ratio in (None, Fraction(8, 5)):
                    full = complete(mixed, ratio)
                    if all(nano(usage[b], full[RATE_OF[b]]) == got.get(b, 0) for b in BUCKETS
                           if usage[b]):
                        return True
        return False

    def check(self, case, line):
        provider, model, tier, when, usage = case
        source, price_id, date, cost, by_bucket, flags = line.split("\t")
        context = sum(usage[b] for b in ("input_fresh", "cache_read", "cache_write_5m",
                                         "cache_write_1h", "audio_in"))
        if source == "unknown":
            return "unknown", None
        got = json.loads(by_bucket)
        if sum(got.values()) != int(cost):
            return "bad", "the parts do not add up"
        kind, _, rest = price_id.partition("/")
        start = None
        if kind == "genai-prices":
            owner, _, name = rest.partition("/")
            prices, start = genai_price(self.genai[owner, name], when)
            rates = genai_rates(prices, context)
            asked = (owner, name, model)
            if asked not in self.claimed:
                self.claimed[asked] = self.claims(*asked)
            if not self.claimed[asked]:
                return "bad", "%s does not claim %s" % (price_id, model)
        else:
            asked, gave = model.lower().split("/"), rest.lower().split("/")
            if asked[-1] != gave[-1]:
                return "bad", "%s is priced as %s" % (model, price_id)
            rates = litellm_rates(self.litellm[rest], context, tier)
        if start and date != start:
            return "bad", "date %s, not %s" % (date, start)
        full = complete(rates)
        price = full.get("cw", 0)
        if usage["cache_write_1h"] and price and got.get("cache_write_1h", 0) == nano(
                usage["cache_write_1h"], price * Fraction(8, 5)):
            full["ch"] = price * Fraction(8, 5)
        wrong = [b for b in BUCKETS if usage[b] and nano(usage[b], full[RATE_OF[b]])
                 != got.get(b, 0)]
        if nano(1, full.get("request", 0)) != got.get("request", 0):
            return "bad", "request fee"
        if not wrong:
            return "exact", None
        if kind == "genai-prices" and self.borrowed(rates, usage, got, context, tier, prices):
            return "borrowed", None
        return "bad", "%s %s %s: %s of %s, rates %s" % (price_id, tier, usage, wrong, got, {
            k: float(v) for k, v in full.items()})

    def claims(self, owner, name, model):
        """Whether genai-prices itself gives this model for that name, or for it undated."""
        def holds(clause, text):
            (kind, want), = clause.items()
            if kind in ("or", "and"):
                return (any if kind == "or" else all)(holds(c, text) for c in want)
            if kind == "regex":
                return bool(re.search(want, text, re.I))
            want = want.lower()
            return {"equals": want == text, "starts_with": text.startswith(want),
                    "contains": want in text, "ends_with": text.endswith(want)}[kind]
        text = model.lower()
        names = {text}
        for part in re.findall(r"[/:]", text):
            text = text.partition(part)[2]
            names.add(text)
        names |= {re.sub(r"(-\d{4}-\d\d-\d\d|[-@]20\d{6}|[-@:]latest|@default|-v\d:\d|:\d|-00\d|"
                         r"@00\d|-maas|-\d\d-\d{2,4})+$", "", n) for n in names}
        names |= {n.partition(".")[2] for n in set(names)}
        for text in names:
            for candidate in self.genai_providers[owner]["models"]:
                if holds(candidate["match"], text):
                    if candidate["id"] == name:
                        return True
                    break
        return False


def main():
    driver, genai_path, litellm_path = sys.argv[1:4]
    with open(genai_path, encoding="utf-8") as f:
        genai = json.load(f)
    with open(litellm_path, encoding="utf-8") as f:
        litellm = json.load(f)
    rng = random.Random(20261121)
    oracle = Oracle(genai, litellm)
    cases, lines = [], []
    for provider, model in oracle.cases(rng):
        tier = rng.choice(["standard", "standard", "batch", "flex", "priority"])
        second = rng.randrange(1735689600, 1800000000)
        usage = random_usage(rng, 1200000)
        cases.append((provider, model, tier, datetime.fromtimestamp(second, timezone.utc), usage))
        lines.append("\t".join([provider, model, tier, str(second * 10**9),
                                ",".join(str(usage[b]) for b in BUCKETS)]))
    answer = subprocess.run([driver], input="\n".join(lines) + "\n", text=True, check=True,
                            stdout=subprocess.PIPE).stdout.splitlines()
    count, failures = {}, []
    for case, line in zip(cases, answer):
        verdict, why = oracle.check(case, line)
        count[verdict] = count.get(verdict, 0) + 1
        if verdict == "bad":
            failures.append(why)
    print("1..3")
    print("# %s" % count)
    print("%s 1 - every_known_cost_equals_exact_arithmetic_over_the_raw_lists" % (
        "not ok" if failures or len(answer) != len(cases) else "ok"))
    for why in failures[:20]:
        print("# " + why)
    known = count.get("exact", 0) + count.get("borrowed", 0)
    print("%s 2 - most_models_with_token_prices_are_priced # %d of %d" % (
        "ok" if known > 0.8 * len(cases) else "not ok", known, len(cases)))
    print("%s 3 - borrowed_rates_are_the_exception" % (
        "ok" if count.get("borrowed", 0) < 0.2 * known else "not ok"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
