"""The server's own metrics, read by the real promtool and scraped by the real Prometheus.

SPDX-License-Identifier: Apache-2.0"""
import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest
from conftest import Server, make_span, request_of, wait_until
from test_10_otlp_http import log_message, metric_message

PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
pytestmark = pytest.mark.skipif(not (PROMTOOL and PROMETHEUS), reason="Debian's package prometheus is not installed: tools/setup does it")


@pytest.fixture(scope="module")
def busy():
    """A server, with a key, that has seen spans, logs, points, a bad span, a bad request and a retry."""
    made = Server(auth__mode="on").start()
    made.headers = {"authorization": f"Bearer {made.first_key}"}
    spans = [make_span({"gen_ai.request.model": "gpt-4o-mini"}) for _ in range(11)]
    made.send_spans(*spans)
    made.send_spans(*spans)
    made.send(log_message(), "logs")
    made.send(metric_message(), "metrics")
    made.send_spans(make_span())
    assert made.post(request_of([make_span(), dict(make_span(), spanId="")]).SerializeToString()).status == 200
    assert made.post(b"\x0a\xff").status == 400
    wait_until(lambda: made.metric("telltale_spans_settled_total") == 13, what="13 settled spans")
    yield made
    made.stop()
    made.remove()


def test_promtool_finds_no_fault(busy):
    """shows: R13"""
    text = busy.request("GET", "/metrics?part=server")
    assert text.status == 200 and text.headers["content-type"].startswith("text/plain")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text.body, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout + done.stderr == b""


def test_each_metric_has_help_and_type_and_counters_only_grow(busy):
    """shows: R13"""
    first, second = (busy.request("GET", "/metrics?part=server").text for _ in range(2))
    series = re.compile(r"^(\w+)(\{[^}]*\})? (\S+)$", re.M)
    samples = series.findall(first)
    assert len(samples) > 40 and len({(name, labels) for name, labels, _ in samples}) == len(samples)
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", first, re.M))
    assert set(kinds) == {name for name, _, _ in samples} == set(re.findall(r"^# HELP (\w+) \S", first, re.M))
    later = {(name, labels): value for name, labels, value in series.findall(second)}
    for name, labels, value in samples:
        assert (kinds[name] == "counter") == name.endswith("_total"), name
        if kinds[name] == "counter":
            assert float(later[name, labels]) >= float(value), name


def test_what_went_in_is_what_came_out_or_was_counted_as_dropped(busy):
    """shows: C4 F42"""
    m = busy.metric
    assert m("telltale_receive_spans_total") == 11 + 11 + 1 + 2 and m("telltale_receive_rejected_total") == 1
    assert m("telltale_receive_logs_total") == m("telltale_drain_logs_total") == 1
    assert m("telltale_receive_metric_points_total") == m("telltale_drain_metric_points_total") == 1
    assert m("telltale_receive_requests_failed_total") == 1
    assert m("telltale_drain_duplicate_batches_total") == 1
    assert m("telltale_spans_settled_total") == m("telltale_store_spans") == 13
    assert m("telltale_drain_sequence") == m("telltale_log_sequence") == m("telltale_log_records_total")
    assert m("telltale_ready") == 1 and m("telltale_drain_corrupt_records_total") == 0 and m("telltale_drain_store_errors_total") == 0
    status = busy.api("/status")["stages"]
    for name in ("receive_spans_total", "spans_settled_total", "drain_duplicate_batches_total"):
        assert status[name] == m("telltale_" + name)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def scraping(server, folder):
    """A Prometheus that scrapes the server twice a second, with its key if it has one; yields a way to ask it."""
    port = free_port()
    job = {"job_name": "telltale", "static_configs": [{"targets": [f"127.0.0.1:{server.api_port}"]}]}
    if server.headers:
        (folder / "key").write_text(server.first_key)
        job["authorization"] = {"credentials_file": str(folder / "key")}
    (folder / "prometheus.yml").write_text(json.dumps({  # JSON is YAML
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"}, "scrape_configs": [job]}))
    subprocess.run([PROMTOOL, "check", "config", folder / "prometheus.yml"], check=True, capture_output=True, timeout=30)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([PROMETHEUS, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                    f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def ask(path, **params):
        url = f"http://127.0.0.1:{port}/api/v1/{path}?" + urllib.parse.urlencode(params)
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            assert error.code == 503, f"{params}: {error.read().decode()}"  # it is starting
        except (urllib.error.URLError, ConnectionError):
            return None
    try:
        wait_until(lambda: (ask("query", query="up") or {}).get("result"), 40, "the first scrape")
        yield ask
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def prometheus(busy, tmp_path_factory):
    with scraping(busy, tmp_path_factory.mktemp("prometheus")) as ask:
        yield ask


def test_prometheus_scrapes_it_and_answers_with_the_count(busy, prometheus):
    """shows: R13 F42"""
    target = wait_until(lambda: [t for t in prometheus("targets")["activeTargets"] if t["health"] != "unknown"], what="the target")[0]
    assert target["health"] == "up" and target["lastError"] == "", target

    def value(query):
        found = prometheus("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None
    assert value('up{job="telltale"}') == 1
    assert value("telltale_spans_settled_total") == 13
    busy.send_spans(*[make_span() for _ in range(7)])
    wait_until(lambda: value("telltale_spans_settled_total") == 20, 20, "20 spans in Prometheus")
    assert value("increase(telltale_receive_spans_total[1m]) >= 0") is not None


def test_prometheus_knows_the_types_and_texts(prometheus):
    """shows: R13"""
    known = prometheus("targets/metadata")
    kinds = {item["metric"]: (item["type"], item["help"]) for item in known}
    assert kinds["telltale_spans_settled_total"][0] == "counter" and kinds["telltale_open_traces"][0] == "gauge"
    assert all(help_text for name, (_, help_text) in kinds.items() if name.startswith("telltale_"))


def test_without_a_key_a_scrape_is_refused(busy):
    """shows: P19"""
    assert busy.request("GET", "/metrics", headers={"authorization": "Bearer tt_no"}).status == 401
