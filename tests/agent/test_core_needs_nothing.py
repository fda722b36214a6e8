"""The agent's core runs on the standard library alone: a verdict must survive wheels that will not load."""

import json
import subprocess
import sys

import pytest

HEAVY = ("grpc", "google", "psutil", "cryptography", "pe_protos")
CORE = (
    "model",
    "errors",
    "panther",
    "signatures",
    "judge",
    "render",
    "explain",
    "run",
    "session",
    "recorder",
    "spool",
    "logs",
    "settings",
    "plain",
    "parcel",
    "upload",
    "send",
    "volumes",
    "trust",
    "probes",
    "host",
    "codec.rpc",
    "codec.epm",
    "codec.dhcp",
    "codec.pxe",
    "codec.tftp",
    "codec.pe_header",
    "transport",
)
BLOCKER = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Blocked())
"""


@pytest.mark.parametrize("module", CORE)
def test_a_core_module_loads_no_wheel(module):
    code = f"import sys, pe_agent.{module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_report_without_any_wheel_still_has_a_verdict_and_is_kept(tmp_path):
    # What asks nobody on the network of the machine that runs the tests.
    offline = ["--only", "address", "--only", "architecture"]
    arguments = [
        "report",
        "--format",
        "json",
        "--spool",
        str(tmp_path),
        "--collector",
        "127.0.0.1:1",
        "--plain",
        *offline,
    ]
    code = f"{BLOCKER}\nfrom pe_agent.cli import run\nsys.exit(run({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 30, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"]["status"]
    assert "protobuf does not load here" in report["delivery"]
    (kept,) = tmp_path.glob("*.jsonl")
    from pe_agent import wire

    assert wire.decode_report(wire.report_from_json(kept.read_text())).verdict.status == report["verdict"]["status"]
