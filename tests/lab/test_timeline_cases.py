"""What happens between link and address, with dhcpcd as the client that does what Windows does: late, doubled, cut off.

client -- switch -- server (dnsmasq as DHCP server)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import servers
from .conditions import why_not
from .one_wire import FIRST, SECOND, Watch, Wire, answer, events
from .waiting import wait_until

SKIP = why_not() or servers.missing("dhcpcd", "dnsmasq")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(SKIP), reason=SKIP or "possible")]

# The agent looks every 0.1 s, the kernel's own time stamps are as coarse, and a busy machine is late by this much.
LOOKS_APART_S, LATE_LOOK_S = 0.2, 1.5
# A client whose first DISCOVER was lost asks again after 4 s, give or take one (RFC 2131 4.1).
FIRST_REPEAT_S = 3.0
# A neighbour that looks for machines which are not there: its ARP requests reach everyone.
_ASK_AROUND = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for turn in range(200):
    s.sendto(b"", (f"10.20.0.{100 + turn}", 9)); time.sleep(0.2)
"""


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with ExitStack() as stack:
        yield Wire(tmp_path, stack)


def with_spanning_tree(wire: Wire, forward_delay_s: int) -> None:
    wire.switch.must("ip", "link", "set", "dev", "br0", "type", "bridge", "stp_state", "1")
    wire.switch.must("ip", "link", "set", "dev", "br0", "type", "bridge", "forward_delay", str(forward_delay_s * 100))
    # The server's port has to forward before the client's cable comes.
    wait_until(
        "a forwarding port", lambda: "state forwarding" in wire.switch.must("bridge", "link", "show", "dev", "s0")
    )


def test_a_healthy_port_gives_an_address_at_once(wire: Wire) -> None:
    wire.serve()
    watch = Watch(wire, 60, "switch-port")
    wire.plug_in()
    wire.ask_for_address("--noarp", "--nodelay")
    report = watch.report()
    assert (answer(report, "address")["outcome"], answer(report, "switch-port")["outcome"]) == ("ok", "ok")
    assert answer(report, "address")["facts"]["wait_s"] < FIRST_REPEAT_S
    kinds = [kind for kind, _ in events(report, "present", "link-up", "first-frame", "address")]
    assert kinds[:2] == ["present", "link-up"]
    assert sorted(kinds[2:]) == ["address", "first-frame"]


def test_spanning_tree_delays_the_address_by_twice_its_forward_delay_at_least(wire: Wire) -> None:
    with_spanning_tree(wire, 2)
    wire.serve()
    watch = Watch(wire, 60)
    wire.plug_in()
    wire.ask_for_address("--noarp", "--nodelay")
    assert answer(watch.report(), "address")["facts"]["wait_s"] >= 2 * 2 - LOOKS_APART_S


@pytest.mark.slow
def test_spanning_tree_as_switches_come_is_told_by_its_thirty_seconds(wire: Wire) -> None:
    with_spanning_tree(wire, 15)
    wire.serve()
    watch = Watch(wire, 90, "switch-port")
    wire.plug_in()
    wire.ask_for_address("--noarp", "--nodelay")
    report = watch.report()
    assert (answer(report, "address")["outcome"], answer(report, "address")["reason"]) == ("warning", "late-address")
    assert (answer(report, "switch-port")["outcome"], answer(report, "switch-port")["reason"]) == (
        "warning",
        "spanning-tree",
    )


def test_a_late_dhcp_server_gives_apipa_first_and_the_address_later(wire: Wire) -> None:
    watch = Watch(wire, 120, late_after_s=5)
    wire.plug_in()
    wire.ask_for_address("--nodelay")
    wait_until("an address of the 169.254 kind", lambda: wire.address().startswith("169.254."))
    wire.serve()
    report = watch.report()
    kinds = [kind for kind, _ in events(report, "apipa", "address")]
    assert kinds == ["apipa", "address"]
    found = answer(report, "address")
    assert (found["outcome"], found["reason"]) == ("warning", "late-address")
    assert found["facts"]["apipa"] is True
    assert found["facts"]["wait_s"] > 5


def test_an_address_that_another_machine_has_is_declined_and_the_next_one_taken(wire: Wire) -> None:
    wire.switch.must("ip", "address", "add", f"{FIRST}/24", "dev", "br0")
    wire.serve()
    watch = Watch(wire, 60)
    wire.plug_in()
    wire.ask_for_address("--nodelay")
    report = watch.report()
    found = answer(report, "address")
    assert (found["outcome"], found["reason"]) == ("warning", "duplicate-address")
    assert (found["facts"]["duplicate_address"], found["facts"]["address"]) == (FIRST, SECOND)
    assert found["facts"]["wait_s"] > 3
    assert (report["verdict"]["finding_id"], report["verdict"]["owner"]) == ("duplicate-address-declined", "dhcp")
    kinds = [kind for kind, _ in events(report, "offer", "duplicate", "address")]
    assert kinds == ["offer", "duplicate", "offer", "address"]
    assert "DHCPDECLINE" in (wire.folder / "dnsmasq.log").read_text(encoding="utf-8")


def test_an_address_that_the_system_finds_taken_is_a_duplicate(wire: Wire) -> None:
    wire.server.must("ip", "address", "add", "fd20::5/64", "dev", "eth0", "nodad")
    watch = Watch(wire, 10)
    wire.plug_in()
    wire.client.must("ip", "address", "add", "fd20::5/64", "dev", "eth0")
    report = watch.report()
    assert (answer(report, "address")["outcome"], answer(report, "address")["reason"]) == (
        "failed",
        "duplicate-address",
    )
    assert events(report, "duplicate")


def test_a_router_that_passes_no_dhcp_on_is_who_must_be_looked_at(wire: Wire) -> None:
    wire.client.must("sysctl", "-qw", "net.ipv6.conf.eth0.autoconf=0")
    wire.announce()
    watch = Watch(wire, 20, "dhcp")
    wire.plug_in()
    wait_until("the router", lambda: "default" in wire.client.must("ip", "-6", "route", "show", "dev", "eth0"))
    report = watch.report()
    (asked,) = [o for o in report["observations"] if o["probe"] == "dhcp"]
    assert (asked["outcome"], asked["reason"], asked["facts"]["suspect"]) == ("warning", "silent", "relay")
    assert asked["facts"]["router"].startswith("fe80:")
    verdict = report["verdict"]
    assert (verdict["status"], verdict["finding_id"], verdict["owner"]) == ("fault", "relay-suspected", "network")
    assert "What tells them apart" in verdict["advice"]


def test_a_cable_that_is_out_for_three_seconds_is_seen_going_and_coming(wire: Wire) -> None:
    watch = Watch(wire, 60)
    wire.plug_in()
    time.sleep(1)
    wire.pull_out()
    out_at_s = time.monotonic()
    time.sleep(3)
    was_out_s = time.monotonic() - out_at_s
    wire.plug_in()
    wire.serve()
    wire.ask_for_address("--noarp", "--nodelay")
    seen = events(watch.report(), "link-up", "link-down", "address")
    assert [kind for kind, _ in seen] == ["link-up", "link-down", "link-up", "address"]
    assert seen[2][1] - seen[1][1] == pytest.approx(was_out_s, abs=LATE_LOOK_S)


def test_a_port_that_passes_nothing_is_a_dead_port(wire: Wire) -> None:
    wire.switch.must("ip", "link", "set", "dev", "c0", "nomaster")
    watch = Watch(wire, 6, "switch-port")
    wire.plug_in()
    found = answer(watch.report(), "switch-port")
    assert (found["outcome"], found["reason"], found["facts"]["received_frames"]) == ("warning", "dead-port", 0)


def test_a_live_port_without_an_offer_is_the_wrong_vlan(wire: Wire) -> None:
    watch = Watch(wire, 12, "switch-port")
    wire.plug_in()
    wire.server.start("neighbour", (sys.executable, "-c", _ASK_AROUND))
    found = answer(watch.report(), "switch-port")
    assert (found["outcome"], found["reason"]) == ("warning", "wrong-vlan")
    assert found["facts"]["received_frames"] > 5


def test_what_happened_before_the_agent_started_is_recovered(wire: Wire) -> None:
    with_spanning_tree(wire, 2)
    wire.serve()
    plugged_at_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    wire.plug_in()
    wire.ask_for_address("--noarp", "--nodelay")
    wait_until("an address", wire.address)
    seen_at_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    report = Watch(wire, 0).report()
    recovered = {e["kind"]: e["at_s"] for e in report["timeline"] if e["recovered"]}
    # The link is told by the IPv6 address that the system made when its cable came.
    assert plugged_at_s - LOOKS_APART_S <= recovered["link-up"] <= plugged_at_s + LATE_LOOK_S
    assert plugged_at_s + 2 * 2 - LOOKS_APART_S <= recovered["address"] <= seen_at_s
    assert answer(report, "address")["facts"]["wait_s"] == pytest.approx(recovered["address"] - recovered["link-up"])
