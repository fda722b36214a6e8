"""A machine that gets no address asks who would give it one, as a Windows program: Wine on one end of a cable."""

import json
import os
import shutil
import subprocess
import time

import pytest
from pe_agent.codec import dhcp

from tests.windows.booting import Machine
from tests.windows.images import lay_out_agent
from tests.windows.shared import WINDOWS_PYTHON, WINE, wine_prefix

pytestmark = [
    pytest.mark.skipif(WINE is None, reason="wine64 is not installed"),
    pytest.mark.skipif(
        not (WINDOWS_PYTHON / "python.exe").exists(), reason="no CPython for Windows: .ci/windows-python"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root"),
    pytest.mark.skipif(not (shutil.which("ip") and shutil.which("dnsmasq")), reason="needs iproute2 and dnsmasq"),
]
SERVER, MAC = "10.78.0.1", "02:00:00:78:00:02"
RELAY = "10.10.1.1"
REPORT = (
    r"import sys; sys.path.insert(0, 'X:\\pe-agent'); "
    "sys.argv = ['pe-agent', 'report', '--no-send', '--format', 'json']; from pe_agent.__main__ import main; main()"
)
PXE = r"HKLM\SYSTEM\CurrentControlSet\Control\PXE"


def firmware_ack():
    """What firmware heard of this machine's DHCP server, passed on by a relay."""
    options = {dhcp.MESSAGE_TYPE: bytes((dhcp.ACK,)), dhcp.SERVER_IDENTIFIER: bytes((10, 10, 9, 10))}
    message = dhcp.DhcpMessage(2, 1, "0.0.0.0", "10.10.1.50", "0.0.0.0", RELAY, MAC, b"", b"", options)
    return dhcp.encode_message(message)


class Cable:
    """Two namespaces: `lan` of the machine ends in the server's `far`."""

    def __init__(self, name):
        self.near, self.far = f"{name}-near", f"{name}-far"

    def ip(self, *words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def lay(self):
        for name in (self.near, self.far):
            self.ip("netns", "add", name)
            self.ip("-n", name, "link", "set", "lo", "up")
        self.ip(*f"-n {self.near} link add lan address {MAC} type veth peer name far netns {self.far}".split())
        self.ip(*f"-n {self.far} address add {SERVER}/24 dev far".split())
        self.ip(*f"-n {self.far} link set far up".split())
        self.ip(*f"-n {self.near} link set lan up".split())

    def cut(self):
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.fixture(scope="module")
def cable():
    cable = Cable(f"pe-bare-{os.getpid()}")
    try:
        cable.lay()
        yield cable
    finally:
        cable.cut()


@pytest.fixture(scope="module")
def machine(tmp_path_factory, cable):
    machine = Machine(wine_prefix(tmp_path_factory), ("ip", "netns", "exec", cable.near))
    tree = tmp_path_factory.mktemp("x")
    (tree / "Windows" / "System32").mkdir(parents=True)
    lay_out_agent(tree)
    machine.insert(tree)
    machine.environment |= {"PE_AGENT_ONLY": "address,dhcp", "PE_AGENT_TIMEOUT_S": "30"}
    yield machine
    machine.off()


@pytest.fixture
def dhcp_server(cable, tmp_path):
    words = ["dnsmasq", "--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--no-ping", "--pid-file="]
    words += ["--user=root", f"--dhcp-leasefile={tmp_path / 'leases'}", "--dhcp-range=10.78.0.50,10.78.0.59,1h"]
    with subprocess.Popen(["ip", "netns", "exec", cable.far, *words]) as process:
        until_s = time.monotonic() + 20
        while not listens(cable) and time.monotonic() < until_s:
            time.sleep(0.05)
        yield tmp_path / "leases"
        process.kill()


def listens(cable):
    words = ["ip", "netns", "exec", cable.far, "ss", "-Hlun", "sport", "=", ":67"]
    return subprocess.run(words, capture_output=True, check=True).stdout != b""


def report(machine):
    # The exit code is that of the verdict.
    with machine.begin(r"X:\pe-agent\python.exe", "-c", REPORT) as process:
        return json.loads(process.stdout.read())


def answer(found):
    (row,) = [row for row in found["observations"] if row["probe"] == "dhcp"]
    return row


def test_the_server_that_would_give_an_address_is_heard_and_gives_none(machine, dhcp_server):
    row = answer(report(machine))
    assert (row["target"], row["facts"]["via"]) == (SERVER, "broadcast")
    assert row["facts"]["offered_address"].startswith("10.78.0.5")
    assert dhcp_server.read_text() == ""


def test_an_address_of_the_169_254_kind_is_none_and_does_not_stop_the_question(machine, cable, dhcp_server):
    cable.ip(*f"-n {cable.near} address add 169.254.7.7/16 dev lan".split())
    try:
        row = answer(report(machine))
    finally:
        cable.ip(*f"-n {cable.near} address del 169.254.7.7/16 dev lan".split())
    assert (row["target"], row["facts"]["via"]) == (SERVER, "broadcast")
    assert dhcp_server.read_text() == ""


def test_nobody_who_answers_is_silence(machine):
    row = answer(report(machine))
    assert (row["outcome"], row["reason"], row["facts"]["suspect"]) == ("warning", "silent", "not-known")


def test_what_firmware_was_given_leads_to_the_relay(machine):
    machine.say("reg", "add", PXE, "/v", "DhcpServerACK", "/t", "REG_BINARY", "/d", firmware_ack().hex(), "/f")
    found = report(machine)
    facts = answer(found)["facts"]
    assert (facts["earlier_server"], facts["earlier_relay"]) == ("10.10.9.10", RELAY)
    assert (found["verdict"]["finding_id"], found["verdict"]["owner"]) == ("relay-since-boot", "network")
