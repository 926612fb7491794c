"""The OpenAPI document: valid, complete, and with the names that are mandatory.

usage: test_openapi.py openapi.json SRC_DIR        (TAP on stdout)

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import re
import sys

SUMMARY_KEYS = (
    "trace_id request_id tenant_id feature prompt_version prompt_hash generator_model input_tokens "
    "output_tokens estimated_cost_usd retriever index_version top_k_returned source_ids eval_sampled "
    "faithfulness safety_blocked latency_ms").split()


def says_its_version(document, src):  # tests/e2e/test_30_api.py validates it against the specification
    return document["openapi"].startswith("3.1")


def has_every_route(document, src):
    rows = re.findall(r'^(?:ROUTE|STREAM)\((\w+), "([^"]+)"', (src / "api/routes.def").read_text(), re.M)
    return len(rows) > 10 and all(m.lower() in document["paths"].get(p.replace("*}", "}"), {}) for m, p in rows)


def has_every_field(document, src):
    names = re.findall(r'^FIELD\([^"]*"([^"]+)"', (src / "model/fields.def").read_text(), re.M)
    span = document["components"]["schemas"]["Span"]["properties"]
    return len(names) > 50 and all(
        name.split(".")[-1] in (span[name.split(".")[0]]["properties"] if "." in name else span) for name in names)


def summary_has_exactly_its_18_keys(document, src):  # shows: A91
    summary = document["components"]["schemas"]["Summary"]
    return list(summary["properties"]) == SUMMARY_KEYS and summary["additionalProperties"] is False


def every_reference_leads_somewhere(document, src):
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    return names and names <= set(document["components"]["schemas"])


def operation_ids_are_unique(document, src):
    ids = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    return len(ids) == len(set(ids))


def every_question_of_the_docs_has_a_route(document, src):
    text = (src.parent / "docs/questions.md").read_text(encoding="utf-8")
    names = re.findall(r"`(?:GET )?(/[\w{}/]+)(\?[^`]*)?`", text)
    for path, query in names:
        path = "/api/v1" + path
        known = {parameter["name"] for parameter in document["paths"][path]["get"]["parameters"]}
        asked = set(re.findall(r"[?&](\w+)=", query))
        if not asked <= known:
            raise KeyError(f"{path}: no {asked - known}")
    return len(names) > 20


TESTS = [says_its_version, has_every_route, has_every_field, summary_has_exactly_its_18_keys,
         every_reference_leads_somewhere, operation_ids_are_unique, every_question_of_the_docs_has_a_route]


def main(path, src):
    document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        try:
            outcome = test(document, pathlib.Path(src))
        except Exception as why:  # a broken document may fail in any way; the test is then red
            print(f"# {type(why).__name__}: {why}")
            outcome = False
        print(f"{'ok' if outcome else 'not ok'} {number} - {test.__name__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
