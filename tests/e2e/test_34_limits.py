"""Limits of single senders, and content of a share of the traces: what is cut, refused or left out is counted, all else stays.

SPDX-License-Identifier: Apache-2.0"""
import hashlib
import json
import math
import os
import subprocess

import grpc
import pytest
from conftest import BINARY, CLEAN_ENV, JSON, PROTOBUF, json_request, make_span, new_trace_id, request_of, wait_until

MESSAGES = json.dumps([{"role": "user", "content": "what is the refund policy"}])
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.input.messages": MESSAGES}
USAGE = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}


def start(new_server, tmp_path, rules="", **options):
    path = os.path.join(tmp_path, "limits.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("rules:\n" + rules)
    server = new_server(**{"limits.tenants": path}, **options)
    server.start()
    return server


def key_of(server, *options):
    made = subprocess.run([BINARY, "key", "create", "--json", f"--data_dir={server.data_dir}", *options], capture_output=True, text=True, check=True,
                          env=CLEAN_ENV)
    return json.loads(made.stdout)


def limited(server, line):
    [rule] = [rule for rule in server.api("/status")["limits"] if rule["rule"] == line]
    return rule["cut"]


def test_an_attribute_past_the_limit_is_cut_with_a_marker_and_counted_and_the_rest_is_kept(new_server, tmp_path):
    """shows: C7"""
    server = start(new_server, tmp_path, "  - { project: default, attribute_size: 100, attributes: 6 }\n")
    trace_id = new_trace_id()
    attributes = {**CALL, **USAGE, "at": "a" * 100}
    server.send_spans(make_span({**CALL, "at": "a" * 100, "past": "é" * 51}, trace_id=trace_id), make_span({**attributes, "seventh": 1}, trace_id=trace_id))
    first, second = sorted(server.wait_trace(trace_id, count=2)["spans"], key=lambda span: "past" not in span["attributes"])
    assert first["attributes"] == {"at": "a" * 100, "past": "é" * 50 + "...[TRUNCATED]"} and first["request_model"] == "gpt-4o-mini"
    assert "seventh" not in second["attributes"] and second["input_tokens"] == 10 and "attributes_dropped" in second["flags"]
    assert limited(server, 2) == {"rate": 0, "attribute_size": 1, "attributes": 1, "content_sample": 0}
    assert (server.metric("telltale_cut_attribute_values_total"), server.metric("telltale_cut_attributes_total")) == (1, 1)
    assert 'telltale_limited_total{rule="2",reason="attribute_size"} 1\n' in server.request("GET", "/metrics").text


def test_without_limits_of_ones_own_nothing_is_cut(new_server):
    server = new_server()
    server.start()
    trace_id, text = new_trace_id(), "x" * 2_000_000
    server.send_spans(make_span({**CALL, **{f"a{i}": i for i in range(1000)}, "gen_ai.input.messages": json.dumps([{"role": "user", "content": text}])},
                                trace_id=trace_id))
    [span] = server.wait_trace(trace_id)["spans"]
    assert len(span["attributes"]) == 1000
    assert server.payload(trace_id, span["span_id"])["input"][0]["parts"][0]["content"] == text
    assert server.metric("telltale_cut_attribute_values_total") == 0 and limited(server, 0)["attributes"] == 0


def test_a_tenant_past_its_rate_waits_and_others_do_not(new_server, tmp_path):
    """shows: C7"""
    server = start(new_server, tmp_path, "  - { project: shop, tenant: acme, rate: 10 }\n", **{"limits.burst": "1s", "auth.mode": "on"})
    server.headers = {"authorization": f"Bearer {server.first_key}"}
    bound = {tenant: {"authorization": f"Bearer {key_of(server, '--project=shop', f'--tenant={tenant}')['token']}"} for tenant in ("acme", "other")}
    body = json.dumps(json_request([make_span() for _ in range(10)])).encode()
    wait_until(lambda: server.post(body, kind=JSON, headers=bound["other"]).status == 200, 15, "the keys count")
    assert server.post(body, kind=JSON, headers=bound["acme"]).status == 200  # ten items: at the burst
    assert server.post(body, kind=JSON, headers=bound["acme"]).status in (200, 429)
    refused = wait_until(lambda: next((a for a in [server.post(body, kind=JSON, headers=bound["acme"])] if a.status == 429), None), 5, "429")
    assert int(refused.headers["retry-after"]) >= 1 and "over the rate of this tenant" in refused.text
    events = server.request("POST", "/api/v1/events", json.dumps({"session_id": "s", "rating": "up"}), {"content-type": JSON, **bound["acme"]})
    assert events.status == 429 and int(events.headers["retry-after"]) >= 1
    message = request_of([make_span()])
    with pytest.raises(grpc.RpcError) as failed:
        server.send_grpc(message, metadata=(("authorization", bound["acme"]["authorization"]),), timeout=10)
    assert failed.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
    for _ in range(5):
        assert server.post(body, kind=JSON, headers=bound["other"]).status == 200
    wait_until(lambda: server.post(json.dumps(json_request([make_span()])).encode(), kind=JSON, headers=bound["acme"]).status == 200, 20, "its turn again")
    assert server.metric("telltale_limited_requests_total") >= 3


def test_a_rate_of_bytes_counts_what_was_decompressed(new_server):
    """shows: C7"""
    server = new_server(**{"limits.bytes_rate": "10KiB", "limits.burst": "1s"})
    server.start()
    message = request_of([make_span({"pad": "x" * 30_000})])
    assert server.post(message.SerializeToString(), kind=PROTOBUF, encoding="gzip").status == 200
    refused = server.post(message.SerializeToString(), kind=PROTOBUF, encoding="gzip")
    assert refused.status == 429 and 1 <= int(refused.headers["retry-after"]) <= 3


def test_content_of_a_tenth_of_the_traces_is_kept_and_all_else_of_all(new_server, tmp_path):
    """shows: C6"""
    count = 600
    server = start(new_server, tmp_path, "  - { project: default, content_sample: 0.1 }\n  - { tenant: whole, content_sample: 1 }\n")
    ids = [hashlib.md5(str(i).encode()).hexdigest() for i in range(count)]
    root, child = "00000000000000a1", "00000000000000a2"
    for at in range(0, count, 100):
        server.send_spans(*(span for trace_id in ids[at:at + 100] for span in (
            make_span({"gen_ai.input.messages": MESSAGES}, "request", trace_id, root), make_span({**CALL, **USAGE}, trace_id=trace_id, span_id=child, parent=root))))
    estimated = new_trace_id()  # whose tokens must be counted from its content
    server.send_spans(make_span({**CALL, "app.tenant_id": "none", "gen_ai.output.messages": MESSAGES}, trace_id=estimated))
    spans = server.wait_spans("", 2 * count + 1, settled=True, seconds=30)
    kept = {span["trace_id"] for span in spans if span["payload"] and span["trace_id"] in ids}
    left_out = {span["trace_id"] for span in spans if "content_sampled_out" in (span["flags"] or [])} - {estimated}
    assert abs(len(kept) - count / 10) < 4 * math.sqrt(count * 0.1 * 0.9)  # four deviations
    assert kept | left_out == set(ids) and not kept & left_out  # both spans of a trace agree
    assert server.metric("telltale_content_sampled_out_total") == limited(server, 2)["content_sample"] >= len(left_out)
    [sums] = server.api("/aggregate", metric="count,input_tokens,output_tokens,cost", q="model:gpt-4o-mini")["items"]
    counted = next(span for span in spans if span["trace_id"] == estimated)
    assert counted["usage"]["source"] == "estimated" and counted["input_tokens"] > 0
    assert sums["values"]["input_tokens"] == 10 * count + counted["input_tokens"] and sums["values"]["count"] == count + 1
    assert all(span["prompt_hash"] for span in spans if span["span_id"] == child)
    # there is really nothing to read of the others, and all of the kept
    some = sorted(left_out)[0]
    assert not server.payload(some, child).get("input") and server.payload(sorted(kept)[0], child)["input"]


def test_debug_samples_and_other_tenants_have_shares_of_their_own(new_server, tmp_path):
    """shows: C6"""
    server = start(new_server, tmp_path, "  - { content_sample: 0 }\n  - { tenant: whole, content_sample: 1 }\n  - { tenant: quiet, debug_sample: 0 }\n")
    traces = {name: new_trace_id() for name in ("plain", "debug", "whole", "quiet")}
    server.send_spans(make_span(CALL, trace_id=traces["plain"]), make_span({**CALL, "telltale.debug": True}, trace_id=traces["debug"]),
                      make_span({**CALL, "app.tenant_id": "whole"}, trace_id=traces["whole"]),
                      make_span({**CALL, "app.tenant_id": "quiet", "telltale.debug": True}, trace_id=traces["quiet"]))
    found = {name: server.wait_trace(trace_id)["spans"][0] for name, trace_id in traces.items()}
    assert {name: bool(span["payload"]) for name, span in found.items()} == {"plain": False, "debug": True, "whole": True, "quiet": False}
    assert "content_sampled_out" in found["plain"]["flags"] and not found["debug"]["flags"]


def test_a_late_span_of_a_trace_without_content_has_none_either(new_server):
    server = new_server(**{"content.sample": "0"})
    server.start()
    trace_id = new_trace_id()
    for count in (1, 2):
        server.send_spans(make_span(CALL, trace_id=trace_id))
        spans = server.wait_trace(trace_id, count=count)["spans"]
    assert [span["payload"] for span in spans] == [{}, {}] and all(span["flags"] == ["content_sampled_out"] for span in spans)


def test_a_bad_file_of_rules_ends_the_start_with_its_line(new_server, tmp_path):
    with pytest.raises(RuntimeError, match=r"limits\.yaml:3"):
        start(new_server, tmp_path, "  - { rate: 5 }\n  - { rate: many }\n")
