#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gen_prices.py -- compile the two raw price lists into the one table the server embeds.

Reads data/prices/ (genai-prices: dated; LiteLLM: seed), writes either the table as text
(docs/formats/prices.md) or a C array of it.  All name matching that needs judgement is
done here, once: the result is an exact index (provider, name) -> entry.
Standard library only; prices are Decimal all the way, never floats.
"""
import argparse
import json
import re
import sys
from decimal import ROUND_HALF_EVEN, Decimal

GENAI_DATE, GENAI_VERSION = "2026-08-21", "47df840"
LITELLM_DATE, LITELLM_VERSION = "2026-07-24", "8442b93"

# canonical provider (OTel gen_ai.provider.name), genai-prices ids, LiteLLM ids, aliases,
# canonical providers whose names are tried last (this provider resells their models).
PROVIDERS = [
    ("openai", ["openai"], ["openai", "text-completion-openai"],
     ["openai.chat", "openai.responses", "openai.completion", "openai.embedding"], []),
    ("azure.ai.openai", ["azure"], ["azure", "azure_text"],
     ["az.ai.openai", "azure", "azure_openai", "azure-openai", "azure.chat", "azure-openai.chat",
      "azure-openai.responses", "azure_text"], ["openai"]),
    ("azure.ai.inference", ["azure"], ["azure_ai", "azure", "azure_text"],
     ["az.ai.inference", "azure_ai", "azure-ai"], ["openai", "anthropic"]),
    ("anthropic", ["anthropic"], ["anthropic"], ["anthropic.messages"], []),
    ("aws.bedrock", ["aws"], ["bedrock_converse", "bedrock", "bedrock_mantle"],
     ["bedrock", "bedrock_converse", "bedrock_mantle", "amazon", "amazon-bedrock", "aws",
      "aws_bedrock", "amazon_bedrock"], []),
    ("gcp.vertex_ai", ["google"], ["vertex_ai*", "gemini"],
     ["vertex_ai", "vertexai", "vertex_ai_beta", "google-vertex", "google.vertex",
      "google.vertex.chat", "google_vertexai", "google_vertex", "gcp"], ["anthropic"]),
    ("gcp.gemini", ["google"], ["gemini", "vertex_ai*"],
     ["gemini", "google", "google.generative-ai", "google-gla"], []),
    ("gcp.gen_ai", ["google"], ["gemini", "vertex_ai*"],
     ["google_genai", "google-genai", "google_generativeai"], ["anthropic"]),
    ("mistral_ai", ["mistral"], ["mistral"], ["mistral", "mistralai", "mistral-ai"], []),
    ("x_ai", ["x-ai"], ["xai"], ["xai", "x-ai", "grok"], []),
    ("cohere", ["cohere"], ["cohere_chat", "cohere"], ["cohere_chat"], []),
    ("ibm.watsonx.ai", [], ["watsonx"], ["watsonx"], []),
    ("groq", ["groq"], ["groq"], [], []),
    ("deepseek", ["deepseek"], ["deepseek"], ["deepseek-ai"], []),
    ("perplexity", ["perplexity"], ["perplexity"], ["perplexity-ai"], []),
    ("moonshot_ai", ["moonshotai"], ["moonshot"], ["moonshot", "moonshotai"], []),
    ("ollama", [], ["ollama"], ["ollama_chat"], []),
    ("together_ai", ["together"], ["together_ai"], ["together", "togetherai", "together-ai"], []),
    ("fireworks", ["fireworks"], ["fireworks_ai*"], ["fireworks_ai", "fireworks-ai"], []),
    ("openrouter", ["openrouter"], ["openrouter"], ["open_router"], []),
    ("replicate", [], ["replicate"], [], []),
    ("cerebras", ["cerebras"], ["cerebras"], [], []),
    ("voyage_ai", ["voyageai"], ["voyage"], ["voyage", "voyageai"], []),
    ("zhipu_ai", ["zhipuai"], ["zai"], ["zai", "zhipuai", "zhipu", "z.ai", "z-ai"], []),
    ("minimax", ["minimax"], ["minimax"], [], []),
]
# Words that say "no provider known": frameworks and proxies that put their own name there.
ANY_ALIASES = ["unknown", "none", "other", "litellm", "litellm_proxy", "langchain", "langgraph",
               "llamaindex", "llama_index", "crewai", "gcp.vertex.agent", "custom_openai"]
# Makers whose names are searched when the provider is not known, or under "*".
FIRST_PARTY = ["openai", "anthropic", "gcp.gen_ai", "mistral_ai", "x_ai", "cohere", "deepseek",
               "moonshot_ai", "perplexity", "voyage_ai", "zhipu_ai", "minimax", "aws.bedrock"]

GENAI_FIELDS = {  # genai-prices field -> our rate; price per million tokens
    "input_mtok": "input", "output_mtok": "output", "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m", "input_audio_mtok": "audio_in",
    "output_audio_mtok": "audio_out", "input_image_mtok": "image_in",
    "output_image_mtok": "image_out"}
LITELLM_FIELDS = {  # LiteLLM field -> our rate; price per token
    "input_cost_per_token": "input", "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read", "input_cost_per_token_cache_hit": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_reasoning_token": "reasoning", "input_cost_per_audio_token": "audio_in",
    "output_cost_per_audio_token": "audio_out", "input_cost_per_image_token": "image_in",
    "output_cost_per_image_token": "image_out", "input_cost_per_request": "request"}
RATES = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning",
         "audio_in", "audio_out", "image_in", "image_out", "request"]
TOKEN_MODES = {"chat", "completion", "responses", "embedding", "realtime", "moderation", None}
TIERS = ["std", "batch", "flex", "priority"]


def femto(price, exponent):
    """Dollars per unit (times 10**-exponent) as a whole number of femto-dollars.  The lists
    hold a dozen prices spoiled by binary floats or thirds; those are rounded half to even."""
    value = Decimal(price).scaleb(15 - exponent)
    return int(value.to_integral_value(rounding=ROUND_HALF_EVEN))


# ---- genai-prices ---------------------------------------------------------------------

def clause_match(clause, text):
    (kind, want), = clause.items()
    if kind == "or":
        return any(clause_match(c, text) for c in want)
    if kind == "and":
        return all(clause_match(c, text) for c in want)
    if kind == "regex":
        return re.search(want, text, re.I) is not None
    want = want.lower()
    return {"equals": text == want, "starts_with": text.startswith(want),
            "ends_with": text.endswith(want), "contains": want in text}[kind]


def clause_texts(clause):
    (kind, want), = clause.items()
    if kind == "or":
        return [t for c in want for t in clause_texts(c)]
    if kind in ("and", "regex"):
        return []
    return [want.lower().rstrip("-@:.")]


def genai_find(provider, text):
    """The model that genai-prices itself picks: the first whose clause holds."""
    for model in provider["models"]:
        if clause_match(model["match"], text):
            return model["id"]
    return None


def genai_rates(prices):
    rows = {("std", 0): {}}
    for field, value in prices.items():
        if field == "requests_kcount":
            rows[("std", 0)]["request"] = femto(value, 3)
        elif field in GENAI_FIELDS:
            rate = GENAI_FIELDS[field]
            tiered = isinstance(value, dict)
            rows[("std", 0)][rate] = femto(value["base"] if tiered else value, 6)
            for tier in value["tiers"] if tiered else []:
                rows.setdefault(("std", tier["start"]), {})[rate] = femto(tier["price"], 6)
    return rows


def seconds_of_day(text):
    hour, minute, second = text.rstrip("Z").split(":")
    return int(hour) * 3600 + int(minute) * 60 + int(second)


def genai_periods(model):
    """[(from date, window, rows)]; later ones win.  None: no price, or not one we can trust."""
    prices = model["prices"]
    if not isinstance(prices, list):
        prices = [{"prices": prices}]
    periods = []
    for item in prices:
        constraint = item.get("constraint") or {}
        window = None
        if "start_time" in constraint:
            window = (seconds_of_day(constraint["start_time"]),
                      seconds_of_day(constraint["end_time"]))
        rows = genai_rates(item["prices"])
        base = rows[("std", 0)]
        if not any(base.values()):  # empty or all zero: only free when it says so
            if not (model["id"].endswith(":free") or model["id"] == "moderation"):
                return None
            base.update({"input": 0, "output": 0})
        periods.append((constraint.get("start_date"), window, rows))
    return periods


# ---- LiteLLM --------------------------------------------------------------------------

LITELLM_KEY = re.compile(r"^(.*?)(?:_above_(\d+)k_tokens)?(?:_(batches|flex|priority))?$")


def litellm_rates(model):
    rows = {("std", 0): {}}
    for key, value in model.items():
        if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
            continue
        name, above, tier = LITELLM_KEY.match(key).groups()
        if name not in LITELLM_FIELDS:
            continue
        rate = LITELLM_FIELDS[name]
        row = rows.setdefault(({"batches": "batch"}.get(tier, tier or "std"),
                               int(above or 0) * 1000), {})
        if name == "input_cost_per_token_cache_hit" and "cache_read" in row:
            continue
        row[rate] = femto(value, 0)
    for item in model.get("tiered_pricing") or []:
        # The whole request is billed at the tier of its input (Alibaba's rule), not the excess.
        if "range" not in item:
            continue  # by quality of image, not by context
        above = int(item["range"][0])
        row = rows.setdefault(("std", above), {})
        for key, value in item.items():
            if key in LITELLM_FIELDS:
                row[LITELLM_FIELDS[key]] = femto(value, 0)
    return {key: row for key, row in rows.items() if row or key == ("std", 0)}


def litellm_is_priced(model, rows):
    base = rows[("std", 0)]
    if "input" not in base or not any(base.get(r) for r in ("input", "output", "image_out")):
        return False  # 0 means free only where it says so; here it mostly means "not per token"
    if any(model.get(k) for k in ("input_cost_per_query", "output_cost_per_second")):
        return False
    if model.get("mode") not in TOKEN_MODES:
        return any(r in base for r in ("output", "audio_out", "image_out"))
    return True


# ---- names ----------------------------------------------------------------------------

def bare_name(key, litellm_provider):
    """LiteLLM's key without its provider prefix."""
    base = litellm_provider.split("-")[0]
    for prefix in (litellm_provider, base, "bedrock" if base.startswith("bedrock") else base):
        if key.startswith(prefix + "/"):
            return key[len(prefix) + 1:].lower()
    return key.lower()


PINNED = re.compile(r"-20\d\d-[01]\d-[0-3]\d$")
DATE_SUFFIX = re.compile(r"([-@]20\d\d-?[01]\d-?[0-3]\d|[-@:]latest|@default|-v\d+:\d+|:\d+|[-@]00\d)$")


def undated(name):
    """The name and its shorter forms, as price/name.c tries them for dates and versions."""
    yield name
    while DATE_SUFFIX.search(name):
        name = DATE_SUFFIX.sub("", name)
        yield name


class Table:
    def __init__(self, genai, litellm):
        self.genai = {p["id"]: p for p in genai}
        self.litellm = litellm
        self.entries = []  # (price id, source, periods)
        self.names = {}  # (canonical, name) -> entry index
        self.genai_entry = {}  # (provider id, model id) -> index
        self.litellm_entry = {}  # key -> index
        self.contexts = {}  # entry index -> input tokens at most
        self.providers = self.all_providers()

    def all_providers(self):
        rows = [(c, list(g), list(l), list(a), list(f)) for c, g, l, a, f in PROVIDERS]
        seen_genai = {i for r in rows for i in r[1]}
        seen_litellm = {i for r in rows for i in r[2]}
        taken = {a for r in rows for a in [r[0]] + r[3]}
        by_name = {r[0]: r for r in rows}

        def extra(name):
            if name not in by_name:
                assert name not in taken, name
                by_name[name] = (name, [], [], [], [])
                rows.append(by_name[name])
            return by_name[name]
        for provider in self.genai:
            if provider not in seen_genai:
                extra(provider)[1].append(provider)
        for model in self.litellm.values():
            name = model.get("litellm_provider")
            base = name.split("-")[0]
            if name in seen_litellm or base + "*" in seen_litellm:
                continue
            row = extra(base if base in by_name else name)
            if name not in row[2]:
                row[2].append(name)
        return rows

    def litellm_of(self, patterns):
        """(name, key) of the LiteLLM models of these providers, best first."""
        for pattern in patterns:
            found = []
            for key, model in self.litellm.items():
                provider = model["litellm_provider"]
                if provider == pattern or (pattern.endswith("*")
                                           and provider.split("-")[0] == pattern[:-1]):
                    found.append((bare_name(key, provider), key))
            # "deepseek/deepseek-chat" before "deepseek-chat": the prefixed key is the exact one
            yield from sorted(found, key=lambda pair: pair[1].lower() == pair[0])

    def load_litellm(self):
        for key, model in self.litellm.items():
            rows = litellm_rates(model)
            if litellm_is_priced(model, rows):
                self.litellm_entry[key] = len(self.entries)
                self.know_context(len(self.entries), model.get("max_input_tokens"))
                self.entries.append(("litellm/" + key, "litellm", [(None, None, rows)]))

    def know_context(self, index, tokens):
        """The first that says how much input a model takes is believed."""
        if index is not None and isinstance(tokens, int) and tokens > 0:
            self.contexts.setdefault(index, tokens)

    def load_genai(self):
        for provider in self.genai.values():
            for model in provider["models"]:
                periods = genai_periods(model)
                if periods:
                    self.genai_entry[provider["id"], model["id"]] = len(self.entries)
                    self.know_context(len(self.entries), model.get("context_window"))
                    price_id = "genai-prices/%s/%s" % (provider["id"], model["id"])
                    self.entries.append((price_id, "genai-prices", periods))

    def pinned_elsewhere(self, index, name, key):
        """genai-prices lumps a snapshot with its family (gpt-4o-2024-05-13 with gpt-4o); where
        LiteLLM has that very snapshot at another price, the longer match is the right one."""
        if index is None or key not in self.litellm_entry or not PINNED.search(name):
            return False
        price_id, _, periods = self.entries[index]
        other = self.entries[self.litellm_entry[key]][2][0][2][("std", 0)]
        return not price_id.lower().endswith("/" + name) and not any(
            rows[("std", 0)].get(rate) == other.get(rate)
            for _, _, rows in periods for rate in ("input", "output"))

    def borrow(self, index, key):
        """What genai-prices does not know (service tiers, 1-hour cache, reasoning) is taken from
        LiteLLM for a period in which both agree on input and output."""
        if index is None or key not in self.litellm_entry:
            return
        theirs = self.entries[self.litellm_entry[key]][2][0][2]
        other = theirs[("std", 0)]
        for _, _, rows in self.entries[index][2]:
            base = rows[("std", 0)]
            if (base.get("input"), base.get("output")) != (other.get("input"), other.get("output")):
                continue
            above = {n for _, n in rows}
            for (tier, start), row in theirs.items():
                if start in above and (tier != "std" or start == 0 or rows.get(
                        (tier, start), {}).get("input") == row.get("input")):
                    mine = rows.setdefault((tier, start), {})
                    for rate, value in row.items():
                        if start == 0 or rate in base:
                            mine.setdefault(rate, value)

    def scale_long_cache(self):
        """A price for the 1-hour cache known in one row of an entry holds in its other rows in the
        same ratio to the 5-minute price (Anthropic's rule: 2 and 1.25 times the input)."""
        for _, _, periods in self.entries:
            rows = [row for _, _, table in periods for (tier, _), row in sorted(table.items())
                    if tier == "std" and row.get("cache_write_5m")]
            known = next((row for row in rows if "cache_write_1h" in row), None)
            for row in rows if known else []:
                scaled = row["cache_write_5m"] * known["cache_write_1h"]
                if scaled % known["cache_write_5m"] == 0:
                    row.setdefault("cache_write_1h", scaled // known["cache_write_5m"])

    def add(self, canonical, name, index):
        if index is not None:
            self.names.setdefault((canonical, name), index)

    def index_provider(self, canonical, genai_ids, litellm_ids):
        seeds = list(self.litellm_of(litellm_ids))
        for provider_id in genai_ids:
            provider = self.genai[provider_id]
            texts = {m["id"].lower() for m in provider["models"]}
            texts |= {t for m in provider["models"] for t in clause_texts(m["match"])}
            found = {t: genai_find(provider, t) for t in sorted(texts)}
            found = {t: m for t, m in found.items() if m}
            for name, _ in seeds:  # names of LiteLLM that are a genai-prices name and a date
                model = genai_find(provider, name)
                if model and any(found.get(v) == model for v in undated(name)):
                    found[name] = model
            for name, key in seeds:
                index = self.genai_entry.get((provider_id, found.get(name)))
                if self.pinned_elsewhere(index, name, key):
                    del found[name]
            for name, key in seeds:
                if name in found:
                    index = self.genai_entry.get((provider_id, found[name]))
                    self.borrow(index, key)
                    self.know_context(index, self.litellm[key].get("max_input_tokens"))
            for name, model in found.items():
                self.add(canonical, name, self.genai_entry.get((provider_id, model)))
        for name, key in seeds:
            self.add(canonical, name, self.litellm_entry.get(key))

    def index_fallbacks(self):
        own = dict(self.names)
        for canonical, _, _, _, fallbacks in self.providers:
            for other in fallbacks:
                for (provider, name), index in own.items():
                    if provider == other:
                        self.add(canonical, name, index)
        makers = {}
        for (provider, name), index in own.items():
            if provider in FIRST_PARTY:
                makers.setdefault(name, []).append((provider, index))
        genai_of = {row[0]: row[1] for row in self.providers}
        for name, found in makers.items():
            if len(found) > 1:  # keep the maker whose own names look like this
                def claims(provider):
                    match = [self.genai[g].get("model_match") for g in genai_of[provider]]
                    return any(m and clause_match(m, name) for m in match)
                found = [pair for pair in found if claims(pair[0])]
            if len(found) == 1:
                self.add("*", name, found[0][1])

    def build(self):
        self.load_genai()
        self.load_litellm()
        for canonical, genai_ids, litellm_ids, _, _ in self.providers:
            self.index_provider(canonical, genai_ids, litellm_ids)
        self.index_fallbacks()
        self.scale_long_cache()

    def text(self):
        out = ["telltale-prices\t1",
               "source\tgenai-prices\t%s\t%s" % (GENAI_DATE, GENAI_VERSION),
               "source\tlitellm\t%s\t%s" % (LITELLM_DATE, LITELLM_VERSION),
               "provider\t" + "\t".join(["*"] + ANY_ALIASES)]
        for canonical, _, _, aliases, _ in self.providers:
            out.append("provider\t" + "\t".join([canonical] + aliases))
        used = sorted(set(self.names.values()))
        number = {index: i for i, index in enumerate(used)}
        for index in used:
            price_id, source, periods = self.entries[index]
            out.append("entry\t%s\t%s" % (source, price_id))
            if index in self.contexts:
                out.append("context\t%d" % self.contexts[index])
            for start, window, rows in periods:
                out.append("period\t%s\t%s" % (start or "-",
                                               "%d-%d" % window if window else "-"))
                for tier, above in sorted(rows, key=lambda k: (TIERS.index(k[0]), k[1])):
                    row = rows[tier, above]
                    out.append("\t".join(["rate", tier, str(above)] + [
                        "%s=%d" % (rate, row[rate]) for rate in RATES if rate in row]))
        provider = None
        for (canonical, name), index in sorted(self.names.items()):
            if canonical != provider:
                provider = canonical
                out.append("names\t" + provider)
            out.append("n\t%d\t%s" % (number[index], name))
        return "\n".join(out) + "\n"


def c_array(text):
    data = text.encode()
    lines = ["/* Made by tools/gen_prices.py from data/prices/; do not edit. */",
             "#include \"price/price.h\"", "", "static const unsigned char table[] = {"]
    for i in range(0, len(data), 24):
        lines.append(",".join(str(b) for b in data[i:i + 24]) + ",")
    lines += ["};", "str price_shipped(void)", "{",
              "    return (str){ (const char *)table, sizeof table };", "}", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("genai")
    parser.add_argument("litellm")
    parser.add_argument("output", help="prices.txt, or a .c file")
    args = parser.parse_args()
    with open(args.genai, encoding="utf-8") as f:
        genai = json.load(f, parse_float=Decimal)
    with open(args.litellm, encoding="utf-8") as f:
        litellm = json.load(f, parse_float=Decimal)
    for key in ("sample_spec", "fallback_generalizations"):
        litellm.pop(key, None)
    table = Table(genai, litellm)
    table.build()
    text = table.text()
    with open(args.output, "w", encoding="utf-8") as f:
        f.write(c_array(text) if args.output.endswith(".c") else text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
