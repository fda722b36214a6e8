"""Do the files in deploy/ name only what is there, and do the tools of their systems accept them?"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pe_collector.metrics.names import METRICS, PREFIX
from pe_collector.supervisor import Supervisor

from tests.collector.conftest import run_cli, start_collector

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.*er*"))
SERIES = {
    PREFIX + metric.name + ending
    for metric in METRICS
    for ending in (("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",))
}


def program(name, package):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


@pytest.mark.parametrize("name", ["prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/pe-collector.json"])
def test_every_metric_that_is_named_is_scraped(name):
    named = set(re.findall(r"pecollector_\w+", (DEPLOY / name).read_text()))
    assert named
    assert named <= SERIES


def test_the_dashboard_shows_every_metric():
    text = (DEPLOY / "grafana" / "pe-collector.json").read_text()
    assert [metric.name for metric in METRICS if PREFIX + metric.name not in text] == []


def test_panels_have_places_and_numbers_of_their_own():
    panels = json.loads((DEPLOY / "grafana" / "pe-collector.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


@pytest.mark.parametrize(
    "words", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml"), ("check", "config", "scrape.yml")]
)
def test_promtool_accepts_the_rules(words):
    done = subprocess.run(
        [program("promtool", "prometheus"), *words], cwd=DEPLOY / "prometheus", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_every_expression_of_the_dashboard(tmp_path):
    panels = json.loads((DEPLOY / "grafana" / "pe-collector.json").read_text())["panels"]
    asked = [target["expr"].replace("$site", ".*") for panel in panels for target in panel["targets"]]
    rules = [{"record": f"asked:{number}", "expr": expr} for number, expr in enumerate(asked)]
    (tmp_path / "r.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    command = [program("promtool", "prometheus"), "check", "rules", "--lint=none", "r.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_accepts_the_units(tmp_path):
    for unit in UNITS:
        # The program is not installed here; systemd looks whether it is there.
        text = (
            unit.read_text()
            .replace("/opt/pe-collector/bin/pe-collector", "/bin/true")
            .replace("pe-collector\n", "root\n")
        )
        (tmp_path / unit.name).write_text(text)
    command = [program("systemd-analyze", "systemd"), "verify", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(
        command, capture_output=True, check=False, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    )
    said = [line for line in done.stderr.decode().splitlines() if str(tmp_path) in line or "pe-collector" in line]
    assert (done.returncode, said) == (0, [])


def test_the_service_is_locked_in():
    text = (DEPLOY / "systemd" / "pe-collector.service").read_text()
    wanted = ("Type=notify", "WatchdogSec=", "User=pe-collector", "StateDirectory=pe-collector", "ProtectSystem=strict")
    assert [line for line in (*wanted, "NoNewPrivileges=yes") if line not in text] == []


def test_every_command_of_the_units_exists():
    for unit in UNITS:
        for command in re.findall(r"^ExecStart=\S+/pe-collector (\S+)(.*)$", unit.read_text(), re.MULTILINE):
            help_text = run_cli(command[0], "--help").stdout.decode()
            assert [option for option in re.findall(r"--\S+", command[1]) if option not in help_text] == [], unit


def test_systemd_hears_ready_pings_and_the_end(data, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        running = start_collector(data, tls=False)
        heard = [systemd.recv(4096).decode() for _ in range(4)]
        assert running.stop() == 0
        running.process.stdout.close()
        deadline = time.monotonic() + 60
        while heard[-1] != "STOPPING=1" and time.monotonic() < deadline:
            heard.append(systemd.recv(4096).decode())
    assert heard[0].splitlines()[0] == "READY=1"
    assert heard[1:4] == ["WATCHDOG=1"] * 3
    assert heard[-1] == "STOPPING=1"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Supervisor()),
        ({"NOTIFY_SOCKET": "@here"}, Supervisor("\0here")),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "60000000"}, Supervisor("/run/n", 30.0)),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "soon"}, Supervisor("/run/n")),
        ({"NOTIFY_SOCKET": "nonsense"}, Supervisor()),
    ],
)
def test_what_systemd_says_is_read(environment, expected):
    assert Supervisor.of(environment) == expected


def test_a_supervisor_that_is_gone_stops_nobody(tmp_path):
    Supervisor(str(tmp_path / "gone")).say("READY=1")


def test_the_container_file_builds_from_the_wheel_and_serves_as_somebody():
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    words = [line.split()[0] for line in lines if line and not line.startswith(("#", " "))]
    assert words[0] == "FROM"
    assert set(words) <= {"FROM", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert "COPY dist/*.whl constraints.txt /tmp/" in lines
    assert "USER 10001" in lines


def test_the_health_check_of_the_container_is_content_while_both_listeners_answer(start):
    (line,) = (row for row in (DEPLOY / "Containerfile").read_text().splitlines() if row.startswith("HEALTHCHECK"))
    python, flag, code = json.loads(line.partition(" CMD ")[2])
    running = start(told=("--ops", "127.0.0.1:0"))
    ports = [address.rpartition(":")[2] for address in (running.address, running.ops)]
    assert "(7443, 7480)" in code

    def checked(first, second):
        command = [sys.executable, flag, code.replace("(7443, 7480)", f"({first}, {second})")]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode

    with socket.create_server(("127.0.0.1", 0)) as other:
        unused = other.getsockname()[1]
    assert python == "python"
    assert checked(*ports) == 0
    assert checked(ports[0], unused) == 1
