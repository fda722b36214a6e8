"""The laboratory itself, without the agent: does the network do what the story says it does?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .clients import Boot
from .conditions import why_not
from .daemons import BOOT_FILE, DHCP_SERVER, LEASE_S, WDS_SERVER, wait_for_port
from .topology import Laboratory
from .waiting import wait_until
from .wds import WDS_INTERFACE

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "possible")]

ROOT = Path(__file__).parents[2]
ASK_THE_MAPPER = f"""
from impacket.dcerpc.v5 import epm
from impacket.uuid import uuidtup_to_bin
print(epm.hept_map({WDS_SERVER!r}, uuidtup_to_bin({WDS_INTERFACE!r}), protocol="ncacn_ip_tcp"))
"""
CALL_AN_UNKNOWN_OPERATION = f"""
import sys
from impacket.dcerpc.v5 import rpcrt, transport
from impacket.uuid import uuidtup_to_bin
rpc = transport.DCERPCTransportFactory("ncacn_ip_tcp:{WDS_SERVER}[5040]").get_dce_rpc()
rpc.connect()
rpc.bind(uuidtup_to_bin({WDS_INTERFACE!r}))
rpc.call(0x7FFF, b"")
try:
    rpc.recv()
except rpcrt.DCERPCException as exc:
    print(exc)
"""
FETCH_BOOT_FILE = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"\\0\\1" + {BOOT_FILE!r}.encode() + b"\\0octet\\0tsize\\x000\\0", ({WDS_SERVER!r}, 69))
print(s.recvfrom(2000)[0])
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with Laboratory(clients=1) as lab:
        yield lab


@pytest.fixture(scope="module")
def boots(lab: Laboratory) -> dict[str, Boot]:
    return lab.boot_all()


def in_client(boot: Boot, program: str) -> str:
    return boot.place.must(sys.executable, "-W", "ignore", "-c", program).strip()


def options(ack: bytes) -> dict[int, bytes]:
    """The options of a BOOTP message, read the plain way."""
    found, at = {}, 240
    while at < len(ack) and ack[at] != 255:
        if ack[at] == 0:
            at += 1
            continue
        found[ack[at]] = ack[at + 2 : at + 2 + ack[at + 1]]
        at += 2 + ack[at + 1]
    return found


@pytest.mark.parametrize(("name", "net"), [("a1", 1), ("b1", 2)])
def test_a_lease_comes_from_the_dhcp_server_through_the_relay(boots: dict[str, Boot], name: str, net: int) -> None:
    ack = boots[name].lease_path.read_bytes()
    assert ack[16:19] == bytes((10, 10, net))
    assert ack[24:28] == bytes((10, 10, net, 1)), "giaddr: the relay's address on the client's network"
    found = options(ack)
    assert found[54] == bytes(map(int, DHCP_SERVER.split(".")))
    assert found[51] == LEASE_S.to_bytes(4, "big")
    assert found[3] == bytes((10, 10, net, 1))


def test_a_lease_names_boot_server_and_boot_file(boots: dict[str, Boot]) -> None:
    ack = boots["a1"].lease_path.read_bytes()
    assert ack[20:24] == bytes(map(int, WDS_SERVER.split(".")))
    assert options(ack)[66].rstrip(b"\0") == WDS_SERVER.encode()
    assert options(ack)[67].rstrip(b"\0") == BOOT_FILE.encode()


def test_each_machine_has_marks_of_its_own(lab: Laboratory) -> None:
    marks = [client.machine for client in lab.clients.values()]
    for mark in ("product_uuid", "product_serial", "mac"):
        assert len({getattr(m, mark) for m in marks}) == len(marks)
    link = lab.clients["a1"].place.must("ip", "link", "show", "dev", "eth0")
    assert lab.clients["a1"].machine.mac in link


def test_the_mapper_says_wds_is_on_port_5040(boots: dict[str, Boot]) -> None:
    assert in_client(boots["a1"], ASK_THE_MAPPER) == f"ncacn_ip_tcp:{WDS_SERVER}[5040]"


def test_wds_refuses_an_unknown_operation_as_the_rpc_runtime_does(boots: dict[str, Boot]) -> None:
    assert in_client(boots["b1"], CALL_AN_UNKNOWN_OPERATION) == "nca_s_op_rng_error"


def test_wds_serves_many_clients_at_once(boots: dict[str, Boot]) -> None:
    hold_one_open = f"exec 3<>/dev/tcp/{WDS_SERVER}/5040; exec sleep 20"
    boots["a1"].place.start("idle-connection", ("bash", "-c", hold_one_open))
    established = f"{int.from_bytes(bytes(map(int, WDS_SERVER.split('.'))), 'little'):08X}:13B0 01"
    table = Path(f"/proc/{boots['a1'].place.pid}/net/tcp")
    wait_until("a connection that is held open", lambda: established in table.read_text(encoding="ascii"))
    assert in_client(boots["b1"], CALL_AN_UNKNOWN_OPERATION) == "nca_s_op_rng_error"


def test_the_boot_file_of_option_67_is_served(boots: dict[str, Boot]) -> None:
    assert "tsize" in in_client(boots["a1"], FETCH_BOOT_FILE)


def test_a_blocked_port_is_silent_from_one_network_only(lab: Laboratory, boots: dict[str, Boot]) -> None:
    a, b = boots["a1"], boots["b1"]
    assert a.can_connect(WDS_SERVER, 5040)
    lab.block_tcp("A", 5040)
    try:
        began_s = time.monotonic()
        assert not a.can_connect(WDS_SERVER, 5040, within_s=1.0)
        assert time.monotonic() - began_s >= 1.0, "refused, where silence was ordered"
        assert a.can_connect(WDS_SERVER, 135)
        assert in_client(a, ASK_THE_MAPPER).endswith("[5040]")
        assert b.can_connect(WDS_SERVER, 5040)
    finally:
        lab.unblock_tcp("A", 5040)
    assert a.can_connect(WDS_SERVER, 5040)


def test_both_networks_reach_the_collectors_place(lab: Laboratory, boots: dict[str, Boot]) -> None:
    serve = "import socket; s = socket.create_server(('', 7)); s.listen(); __import__('time').sleep(60)"
    lab.servers["collector"].start("listener", (sys.executable, "-c", serve))
    wait_for_port(lab.servers["collector"], "tcp", 7)
    assert all(boot.can_connect("10.10.9.30", 7) for boot in boots.values())


def test_setups_log_tells_what_happened_to_the_client(lab: Laboratory) -> None:
    lab.block_tcp("A", 5040)
    try:
        logs = {name: boot.setup_log_path.read_bytes() for name, boot in lab.boot_all().items()}
    finally:
        lab.unblock_tcp("A", 5040)
    assert logs["a1"].count(b"[0x800706BA]") == 3
    assert b"[0x800706BA]" not in logs["b1"]
    for log in logs.values():
        assert log.startswith(b"\xef\xbb\xbf")
        assert log.count(b"\n") == log.count(b"\r\n") > 5


def test_the_clock_of_a_boot_starts_near_zero(lab: Laboratory) -> None:
    if not lab.own_clocks:
        pytest.skip("this kernel has no time namespaces")
    began_s = float(_uptime().split()[0])
    boot = lab.boot_client("a1")
    own_s, outside_s = (float(text.split()[0]) for text in (boot.place.must("cat", "/proc/uptime"), _uptime()))
    assert own_s < (outside_s - began_s) + 2, "whole seconds are lost when the new clock is set"


def _uptime() -> str:
    return Path("/proc/uptime").read_text(encoding="ascii")


def test_two_boots_of_a_machine_differ_in_their_boot_id(lab: Laboratory) -> None:
    ids = [lab.boot_client("b1").place.must("cat", "/proc/sys/kernel/random/boot_id") for _ in range(2)]
    assert ids[0] != ids[1]


def namespaces(lab: Laboratory) -> set[str]:
    return {os.readlink(f"/proc/{place.pid}/ns/net") for place in lab.places()}


def processes_in(networks: set[str]) -> list[str]:
    """Command lines of every process of this machine that lives in one of these network namespaces."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "ns" / "net") in networks:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_nothing_is_left_after_the_end() -> None:
    with Laboratory(clients=1) as lab:
        lab.boot_all()
        networks, folder = namespaces(lab), lab.folder
        assert len(processes_in(networks)) > 10
    assert processes_in(networks) == []
    assert not folder.exists()


def test_nothing_is_left_after_a_failure_inside() -> None:
    lab = Laboratory(clients=1)
    networks: set[str] = set()

    def fail_inside() -> None:
        with lab:
            lab.boot_client("a1")
            networks.update(namespaces(lab))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert networks
    assert processes_in(networks) == []
    assert not lab.folder.exists()


def test_nothing_lives_on_when_the_laboratory_is_killed() -> None:
    program = (
        "import os, sys, time; from tests.lab.topology import Laboratory\n"
        "with Laboratory(clients=1) as lab:\n"
        "    lab.boot_all()\n"
        "    print(*(os.readlink(f'/proc/{p.pid}/ns/net') for p in lab.places()), lab.folder, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        *networks, folder = process.stdout.readline().split()
        assert processes_in(set(networks))
        process.send_signal(signal.SIGKILL)
    wait_until("the end of every process", lambda: not processes_in(set(networks)))
    with Laboratory(clients=0):
        assert not Path(folder).exists(), "the next laboratory sweeps what a killed one left on the disk"
