"""Does what is built from the sources work where only the wheel is installed?"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

from tests.collector.conftest import run_cli

HERE = Path(__file__).parents[3]
FILES = ("pe_collector/store/0001_reports.sql", "pe_collector/store/0007_alerts.sql", "pe_agent/probes/__init__.py")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with wheel and sdist, made without asking the network: hatchling is installed here."""
    folder = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--sdist",
        "--outdir",
        str(folder),
        str(HERE),
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The programs of a fresh environment: ours from the wheel, what they need from this one."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    (wheel,) = built.glob("*.whl")
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    command = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    # A .pth file is not followed from there, so this environment's own editable install stays out.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def run(program, *words, **more):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([program, *words], capture_output=True, check=False, timeout=120, env=clean, **more)


def test_both_forms_are_whole(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    for name in ("LICENSE", "README.md", "deploy/prometheus/alerts.yml", "constraints.txt", "pyproject.toml"):
        assert name in names
    assert [name for name in names if ".venv" in name or name.endswith((".key", ".sqlite"))] == []


def test_the_wheel_alone_is_what_runs(installed):
    said = run(
        installed / "python", "-c", "import pe_collector, pe_agent; print(pe_collector.__file__, pe_agent.__file__)"
    )
    assert said.stdout.decode().count(str(installed.parent)) == 2, said.stderr


def test_from_init_to_the_first_pattern(installed, tmp_path):
    data, program = tmp_path / "data", installed / "pe-collector"
    assert run(program, "init", "--data", data).returncode == 0
    serving = subprocess.Popen(
        [program, "serve", "--data", data, "--ingest", "127.0.0.1:0", "--no-ops"], stdout=subprocess.PIPE
    )
    try:
        address = serving.stdout.readline().decode().split(" on ")[1].split()[0]
        words = ("--collector", address, "--agents", "1", "--reports", "3", "--acks", tmp_path / "acks")
        sent = run(program, "loadgen", *words, "--tls", "--ca", data / "ca.pem", "--token-file", data / "first.token")
        assert sent.returncode == 0, sent.stderr
        shown = run(program, "sql", "SELECT count(*) AS n FROM reports", "--data", data, "--format", "json")
        assert b'"n": 3' in shown.stdout or b'"n":3' in shown.stdout, shown.stdout + shown.stderr
        assert run(program, "patterns", "--data", data, "--format", "json").stdout.lstrip().startswith(b"{")
        assert run(program, "backup", tmp_path / "b", "--data", data).returncode == 0
    finally:
        serving.terminate()
        serving.wait(60)
        serving.stdout.close()


def test_the_version_is_that_of_the_project(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name.split("-")[1] == run_cli("version").stdout.decode().split()[1]
