"""A mapping pinned for a tenant: a new binary's rows or an edited file do not change its charts; the pin is explicit and audited.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess

import pytest
from conftest import BINARY, CLEAN_ENV, Server, make_span, wait_until

FIRST = "acme.case: feature\n"
EDITED = "acme.case: session_id\n"  # the operator moved the field
CALL = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
OLD_NAMES = {"mlflow.llm.model": "gpt-4o"}  # another field since version 2 of the built-in tables
NEW_NAMES = {"opik.model": "gpt-4o"}        # understood since version 2


def run(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, env=CLEAN_ENV, timeout=60, check=False)


@pytest.fixture
def node(tmp_path):
    """A server whose mapping file was edited once: files 1 and 2 are known, 2 is in force."""
    made = Server(auth__mode="on", mapping__file=str(tmp_path / "mapping.yaml"))
    made.file = tmp_path / "mapping.yaml"
    try:
        made.file.write_text(FIRST)
        made.start()
        made.headers = {"authorization": f"Bearer {made.first_key}"}
        made.stop()
        made.file.write_text(EDITED)
        made.start()
        yield made
    finally:
        made.stop()
        made.remove()


def pin(node, version, *more, fails=None):
    shown = run("map", "pin", version, f"--data_dir={node.data_dir}", *more)
    assert (shown.returncode != 0) == bool(fails), shown
    if fails:
        assert fails in shown.stderr, shown
    return shown.stdout


def wait_pins(node, expected):
    return wait_until(lambda: {(p["tenant"], p["version"]) for p in node.api("/mapping/pins")["items"]} == expected, what="the pins")


def send(node, attributes, **how):
    span = make_span(dict(CALL, **attributes), "work")
    node.send_spans(span, **how)
    return node.wait_trace(span["traceId"])["spans"][0]


def audit_log(node):
    with open(os.path.join(node.data_dir, "audit.log"), encoding="utf-8") as file:
        return [json.loads(line) for line in file if '"mapping.pin"' in line]


def test_an_edited_file_does_not_move_a_pinned_tenants_field_and_a_pin_survives_a_restart(node):
    """shows: B2"""
    assert node.api("/mapping/pins") == {"items": [], "next_cursor": None, "newest": "2.2", "in_force": "2.2"}
    pin(node, "2.1", "--tenant=acme", "--reason=charts of the quarter")
    wait_pins(node, {("acme", "2.1")})
    for _ in range(2):
        acme, other = (send(node, {"acme.case": "c-1", "app.tenant_id": tenant}) for tenant in ("acme", "umbrella"))
        assert (acme["mapping_version"], acme["feature"], acme["session_id"]) == ("2.1", "c-1", None)
        assert (other["mapping_version"], other["feature"], other["session_id"]) == ("2.2", None, "c-1")
        node.stop()
        node.start()
    [entry] = audit_log(node)
    assert (entry["actor"], entry["project"], entry["tenant"], entry["object"], entry["reason"]) == (
        "cli", "default", "acme", "2.1", "charts of the quarter")
    assert run("audit", "verify", f"--data_dir={node.data_dir}").returncode == 0


def test_what_only_a_newer_mapping_reads_stays_an_attribute_and_is_reported(node):
    """shows: B2"""
    pin(node, "1.0")
    wait_pins(node, {(None, "1.0")})
    old, new = send(node, OLD_NAMES), send(node, NEW_NAMES)
    assert (old["mapping_version"], old["request_model"]) == ("1.0", "gpt-4o")
    assert new["request_model"] is None and new["attributes"]["opik.model"] == "gpt-4o"
    send(node, {"acme.case": "c-1", "acme.gap": 1})
    names = {item["name"]: item for item in node.api("/mapping/unmapped")["items"]}
    assert {name: names[name]["newer_count"] for name in ("opik.model", "acme.case", "acme.gap")} == {"opik.model": 1, "acme.case": 1, "acme.gap": 0}
    pin(node, "latest")
    wait_pins(node, set())
    new = send(node, NEW_NAMES)
    assert (new["mapping_version"], new["request_model"]) == ("2.2", "gpt-4o")
    assert [entry["object"] for entry in audit_log(node)] == ["1.0", "latest"]


def test_charts_count_a_call_alike_under_old_and_new_names_whatever_the_pin(node):
    """shows: B2"""
    names = (("gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
             ("gen_ai.system", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
             ("gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"))
    for version in ("1.0", "2.2"):
        pin(node, version)
        wait_pins(node, {(None, version)})
        for provider, tokens_in, tokens_out in names:
            node.send_spans(make_span({"gen_ai.operation.name": "chat", provider: "openai", tokens_in: 10, tokens_out: 5,
                                       "gen_ai.response.model": "gpt-4o-2024-08-06"}), resource={"service.name": f"at {version}"})
        spans = node.wait_spans(f'service:"at {version}"', 3)
        assert {s["convention"] for s in spans} == {"before-1.27", "before-1.37", "since-1.37"}
        assert {s["mapping_version"] for s in spans} == {version}
        [group] = node.api("/aggregate", metric="count,input_tokens,output_tokens", by="generator_model,provider", q=f'service:"at {version}"')["items"]
        assert (group["values"]["count"], group["values"]["input_tokens"], group["values"]["output_tokens"]) == (3, 30, 15)


def test_a_key_of_one_tenant_sees_the_pins_that_hold_for_it_and_is_read_by_its_own(node):
    shown = run("key", "create", f"--data_dir={node.data_dir}", "--tenant=acme", "--json")
    key = {"authorization": "Bearer " + json.loads(shown.stdout)["token"]}
    for more in (("2.0",), ("1.0", "--tenant=acme"), ("2.1", "--tenant=umbrella")):
        pin(node, *more)
    wait_pins(node, {(None, "2.0"), ("acme", "1.0"), ("umbrella", "2.1")})
    seen = node.api("/mapping/pins", headers=key)
    assert ([p["version"] for p in seen["items"]], seen["in_force"], seen["newest"]) == (["2.0", "1.0"], "1.0", "2.2")
    assert send(node, {"app.tenant_id": "umbrella"}, headers=key)["mapping_version"] == "1.0"
    assert node.request("GET", "/api/v1/mapping/pins", headers={"authorization": ""}).status == 401


def test_a_version_or_project_that_is_not_there_is_refused_and_nothing_is_recorded(node):
    pin(node, "3.0", fails="no version of the mapping")
    pin(node, "2.3", fails="no mapping file number 3")
    pin(node, "newest", fails="TABLES.FILE")
    pin(node, "2.1", "--project=absent", fails="there is no project 'absent'")
    assert run("map", "pin", f"--data_dir={node.data_dir}").returncode != 0
    assert audit_log(node) == []
    assert "nobody is pinned" in run("map", "pins", f"--data_dir={node.data_dir}").stdout
    shown = run("map", "versions", f"--data_dir={node.data_dir}", "--json")
    assert json.loads(shown.stdout)["tables"] == 2 and [i["number"] for i in json.loads(shown.stdout)["items"]] == [1, 2]
    pin(node, "2.1", "--tenant=acme")
    [row] = json.loads(run("map", "pins", f"--data_dir={node.data_dir}", "--json").stdout)["items"]
    assert (row["project"], row["tenant"], row["version"]) == ("default", "acme", "2.1")
