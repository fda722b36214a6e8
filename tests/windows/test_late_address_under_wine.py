"""An adapter that gets its address late, seen by the agent as a Windows program: Wine in a network namespace."""

import json
import os
import shutil
import subprocess
import time

import pytest

from tests.windows.booting import Machine
from tests.windows.images import lay_out_agent
from tests.windows.shared import WINDOWS_PYTHON, WINE, wine_prefix

pytestmark = [
    pytest.mark.skipif(WINE is None, reason="wine64 is not installed"),
    pytest.mark.skipif(
        not (WINDOWS_PYTHON / "python.exe").exists(), reason="no CPython for Windows: .ci/windows-python"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="iproute2 is not installed"),
]
ADDRESS, SERVER = "10.77.0.2", "10.77.0.1"
LATE_AFTER_S = 2.0
# From the order to the kernel until the agent looks again, on a machine that does other things too.
SLACK_S = 1.5
AGENT = r"import sys; sys.path.insert(0, 'X:\\pe-agent'); "
CLOCK = "import time; print(time.monotonic(), flush=True)"
GUID = (
    AGENT
    + "from pe_agent.host.win_adapters import adapter_rows; print(*[r.adapter_name.decode() for r in adapter_rows()])"
)
REPORT = AGENT + (
    "sys.argv = ['pe-agent', 'report', '--no-send', '--format', 'json']; from pe_agent.__main__ import main; main()"
)
INTERFACES = r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces"


class Segment:
    """A namespace with one adapter of a pair, `lan`; the other end is not in it."""

    def __init__(self, name):
        self.name, self.within = name, ("ip", "netns", "exec", name)

    def ip(self, *words):
        subprocess.run([*self.within, "ip", *words], check=True, capture_output=True)
        return time.monotonic()


@pytest.fixture(scope="module")
def segment():
    segment = Segment(f"pe-late-{os.getpid()}")
    subprocess.run(["ip", "netns", "add", segment.name], check=True)
    try:
        segment.ip("link", "set", "lo", "up")
        segment.ip("link", "add", "lan", "type", "veth", "peer", "name", f"far{os.getpid()}", "netns", str(os.getpid()))
        subprocess.run(["ip", "link", "set", f"far{os.getpid()}", "up"], check=True)
        yield segment
    finally:
        # The pair goes with its end in the namespace.
        subprocess.run(["ip", "netns", "del", segment.name], check=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory, segment):
    machine = Machine(wine_prefix(tmp_path_factory), segment.within)
    tree = tmp_path_factory.mktemp("x")
    (tree / "Windows" / "System32").mkdir(parents=True)
    lay_out_agent(tree)
    machine.insert(tree)
    machine.environment |= {
        "PE_AGENT_ONLY": "address",
        "PE_AGENT_WAIT_FOR_ADDRESS_S": "60",
        "PE_AGENT_LATE_AFTER_S": str(LATE_AFTER_S),
    }
    yield machine
    machine.off()


def python(machine, code):
    return machine.begin(r"X:\pe-agent\python.exe", "-c", code)


def clocks_apart_s(machine):
    """What Windows' clock since boot says less what this one says; the way through the pipe is what it is wrong by."""
    with python(machine, CLOCK) as process:
        told, now = process.stdout.readline(), time.monotonic()
    return float(told) - now


@pytest.fixture(scope="module")
def story(machine, segment):
    """When the address came by Windows' clock since boot, and what the agent told of it."""
    apart_s = clocks_apart_s(machine)
    segment.ip("link", "set", "lan", "up")
    guid = machine.say(r"X:\pe-agent\python.exe", "-c", GUID).strip()
    with python(machine, REPORT) as process:
        time.sleep(2 * LATE_AFTER_S)
        begun = int(time.time())
        for name, kind, value in (("DhcpServer", "REG_SZ", SERVER), ("LeaseObtainedTime", "REG_DWORD", str(begun))):
            machine.say("reg", "add", rf"{INTERFACES}\{guid}", "/v", name, "/t", kind, "/d", value, "/f")
        address_at_s = segment.ip("addr", "add", f"{ADDRESS}/24", "dev", "lan") + apart_s
        report = json.loads(process.stdout.read())
    return address_at_s, report


def test_the_timeline_has_the_address_at_the_time_it_came(story):
    address_at_s, report = story
    (event,) = [event for event in report["timeline"] if event["kind"] == "address"]
    assert event["detail"].startswith(ADDRESS)
    assert not event["recovered"]
    assert event["at_s"] == pytest.approx(address_at_s, abs=SLACK_S)


def test_it_is_told_as_late(story):
    # How long after the link is not shown here: Wine 8 says of each address that it was made when Wine started.
    address_at_s, report = story
    (answer,) = report["observations"]
    facts = answer["facts"]
    assert (answer["reason"], facts["address"], facts["prefix_length"]) == ("late-address", ADDRESS, 24)
    assert facts["address_at_s"] == pytest.approx(address_at_s, abs=SLACK_S)
    assert report["verdict"]["finding_id"] == "late-address"


def test_the_lease_of_the_registry_is_that_of_this_adapter(story):
    _, report = story
    (answer,) = report["observations"]
    assert answer["facts"]["dhcp_server"] == SERVER
