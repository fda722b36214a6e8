"""Does /metrics say what it promises, in a form Prometheus takes, without a word from outside as a label?"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pe_agent.probes import PROBES as AGENT_PROBES
from pe_collector.metrics.names import METRICS, PREFIX, PROBES, SEVERITIES
from pe_collector.metrics.now import severity
from pe_protos.v1 import report_pb2 as pb
from prometheus_client.parser import text_string_to_metric_families

from tests.collector.security.asking import ask

MARKS = ("52:54:00:12:34:56", "52-54-00-12-34-56", "10.10.1.23", "B4C0S2", "4c4c4544")


def scrape(address):
    answer = ask(address, "GET", "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return answer.body.decode()


def samples(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def scraped(start, frames):
    """What is said after one good report, one with foreign words, and one refusal."""
    running = start(told=("--ops", "127.0.0.1:0"))
    client = running.client().send(frames.hello(running.token), *frames.whole()).end()
    assert client.stored_through(5).complete
    other = bytes(15) + b"\x01"
    strange = pb.Observation(probe="52-54-00-12-34-56", outcome="failed", reason="10.10.1.23")
    hello = frames.hello(running.token, other)
    running.client().send(hello, pb.Frame(sequence=1, observation=strange)).stored_through(1)
    running.client().send(frames.hello("no.token")).end().refusal()
    return scrape(running.ops)


def test_it_counts_what_came(scraped):
    said = samples(scraped)
    assert said["pecollector_reports_total", (("result", "live"), ("verdict", "fault"))] == 1
    assert said["pecollector_rejected_total", (("reason", "token-unknown"),)] == 1
    failed = (("probe", "wds-rpc"), ("reason", "filtered"), ("site", ""))
    assert said["pecollector_probe_failures_total", failed] == 1
    assert said["pecollector_ingest_bytes_total", ()] > 100
    assert said["pecollector_ingest_seconds_count", ()] >= 2
    assert said["pecollector_sessions_active", ()] == 1
    assert said["pecollector_last_backup_timestamp_seconds", ()] == 0
    assert said["pecollector_db_size_bytes", ()] > 100_000
    assert said["pecollector_patterns", (("severity", "minor"), ("state", "opened"))] == 0


def test_words_from_outside_become_no_label(scraped):
    assert samples(scraped)["pecollector_probe_failures_total", (("probe", "other"), ("reason", "other"), ("site", ""))]
    assert [mark for mark in MARKS if mark in scraped] == []


def test_every_metric_of_the_table_is_there_with_its_labels(scraped):
    there = {family.name: family for family in text_string_to_metric_families(scraped)}
    assert set(there) == {(PREFIX + metric.name).removesuffix("_total") for metric in METRICS}
    for metric in METRICS:
        family = there[(PREFIX + metric.name).removesuffix("_total")]
        labels = {name for sample in family.samples for name in sample.labels if name != "le"}
        assert family.type == metric.kind
        assert labels <= set(metric.labels)


def test_prometheus_own_tool_has_nothing_to_say(scraped):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run([promtool, "check", "metrics"], input=scraped.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_names_of_probes_are_those_of_the_agent():
    assert {probe.name for probe in AGENT_PROBES} == PROBES


@pytest.mark.parametrize(("machines", "word"), [(0, "minor"), (4, "minor"), (5, "major"), (50, "critical")])
def test_severity_is_by_machines(machines, word):
    assert severity(machines) == word
    assert word in SEVERITIES


def test_names_are_as_prometheus_wants_them():
    for metric in METRICS:
        assert re.fullmatch(r"[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")


def test_the_documented_table_is_that_of_the_code():
    from tests.collector.upkeep.metrics_table import table

    assert table() in (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
