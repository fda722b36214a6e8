"""Does the whole battery send what docs/packets.md says, all of it and nothing else?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import daemons_extra
from .conditions import why_not
from .daemons import WDS_SERVER
from .sent import Sent, sent, table
from .topology import COLLECTOR, Laboratory
from .waiting import wait_until

_MISSING = why_not() or ", ".join(f"needs {name}" for name in daemons_extra.missing_programs())
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(_MISSING), reason=_MISSING or "possible")]

# What the machine knows by itself, what a name makes necessary, and what a blocked port does.
RUNS = ((), ("--server", "wds01.lab.test"), ("--server", WDS_SERVER))
_LISTEN_ON_139 = "import socket, time; s = socket.create_server(('', 139)); time.sleep(600)"


@pytest.fixture(scope="module")
def packets() -> Iterator[list[bytes]]:
    with Laboratory(clients=1) as lab:
        boot = lab.boot_client("a1")
        resolver = lab.clients["a1"].root / "etc" / "resolv.conf"
        resolver.parent.mkdir()
        resolver.write_text(f"nameserver {COLLECTOR}\nsearch lab.test\n", encoding="ascii")
        boot.place.must("mount", "--bind", str(resolver), "/etc/resolv.conf")
        boot.place.start("sniffer", (sys.executable, str(Path(__file__).with_name("sniffer.py"))))
        log = lab.folder / "sniffer.log"
        wait_until("the sniffer", lambda: log.read_text(encoding="ascii").startswith("ready"))
        lab.servers["wds"].start("session", (sys.executable, "-c", _LISTEN_ON_139))
        for options in RUNS:
            if options == RUNS[-1]:
                lab.block_tcp("A", 5040)
            done = boot.run_agent(("probe", *options, "--format", "json"))
            reasons = {row["target"]: row["reason"] for row in json.loads(done.stdout)["observations"]}
            assert f"{WDS_SERVER}:5040" in reasons or options == RUNS[1], reasons
        yield [bytes.fromhex(line) for line in log.read_text(encoding="ascii").split()[1:]]


@pytest.fixture(scope="module")
def asked(packets: list[bytes]) -> set[Sent]:
    return sent(packets)


def test_nothing_leaves_the_machine_that_the_page_does_not_name(asked: set[Sent]) -> None:
    assert asked - table() == set()


def test_what_the_page_names_is_sent(asked: set[Sent]) -> None:
    # The system's own DHCP client sends it, on Windows only.
    assert table() - asked == {("UDP", "67", "DHCPINFORM")}


def test_no_lease_is_ever_asked_for(asked: set[Sent]) -> None:
    on_67 = {words for protocol, port, words in asked if (protocol, port) == ("UDP", "67")}
    assert on_67 == {"DHCPDISCOVER"}


def test_operation_zero_of_the_wds_interface_is_never_called(asked: set[Sent], packets: list[bytes]) -> None:
    calls = {words for protocol, port, words in asked if protocol == "TCP" and port != "135" and "operation" in words}
    assert calls == {"RPC request of operation 0x7fff"}
    # The header of every request that carries a WDS opcode ([MS-WDSC] 2.2.1): its length and version.
    assert not [packet for packet in packets if b"\x28\0\0\x01" in packet[40:]]
