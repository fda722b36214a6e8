"""What becomes of the watch where there is more than one address, adapter or cable: IPv6 first, a second card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import servers
from .conditions import why_not
from .one_wire import PREFIX, SERVER, Hook, Watch, Wire, answer, events
from .waiting import wait_until

SKIP = why_not() or servers.missing("dhcpcd", "dnsmasq")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(SKIP), reason=SKIP or "possible")]


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with ExitStack() as stack:
        yield Wire(tmp_path, stack)


def has_ipv6(wire: Wire) -> bool:
    return PREFIX in wire.client.must("ip", "-6", "-brief", "address", "show", "dev", "eth0")


def test_an_address_by_router_advertisement_does_not_hide_the_wait_for_dhcp(wire: Wire) -> None:
    wire.announce()
    watch = Watch(wire, 60)
    wire.plug_in()
    wait_until("an IPv6 address", lambda: has_ipv6(wire))
    wire.serve()
    wire.ask_for_address("--noarp", "--nodelay")
    found = answer(watch.report(), "address")
    assert (found["outcome"], found["facts"]["address"].rpartition(".")[0]) == ("ok", SERVER.rpartition(".")[0])


def test_an_ipv4_address_that_comes_after_the_answer_is_told_and_called_late(wire: Wire) -> None:
    wire.announce()
    hook = Hook(wire, 60, watch_s=20, late_after_s=7)
    wire.plug_in()
    hook.wait_for("the answer with the IPv6 address alone", '"observations": [{')
    wire.serve()
    wire.ask_for_address("--noarp", "--nodelay")
    report = hook.report()
    first, last = [o for o in report["observations"] if o["target"] == "eth0"]
    assert (first["outcome"], first["facts"]["address"].startswith(PREFIX)) == ("ok", True)
    assert (last["outcome"], last["reason"]) == ("warning", "late-address")
    assert last["facts"]["wait_s"] > 7
    kinds = [kind for kind, _ in events(report, "lease", "address")]
    assert kinds.count("address") == 2
    assert kinds.count("lease") == 1


def test_a_second_adapter_that_comes_later_is_on_the_timeline(wire: Wire) -> None:
    wire.serve()
    hook = Hook(wire, 60, watch_s=12)
    wire.plug_in()
    wire.ask_for_address("--noarp", "--nodelay")
    hook.wait_for("the answer about the first adapter", '"observations": [{')
    wire.add_adapter()
    wire.ask_for_address("--noarp", "--nodelay", adapter="eth1")
    second = [e["kind"] for e in hook.report()["timeline"] if e["adapter"] == "eth1"]
    assert second[0] == "present"
    assert "address" in second


def test_a_cable_that_is_pulled_after_the_lease_is_on_the_timeline_and_back_again(wire: Wire) -> None:
    wire.serve()
    hook = Hook(wire, 60, watch_s=12)
    wire.plug_in()
    wire.ask_for_address("--noarp", "--nodelay")
    hook.wait_for("the answer", '"observations": [{')
    wire.pull_out()
    hook.wait_for("the link going", '"link-down"')
    wire.plug_in()
    report = hook.report()
    kinds = [kind for kind, _ in events(report, "link-up", "link-down", "address", "address-lost")]
    assert kinds[:2] == ["link-up", "address"]
    assert sorted(kinds[2:4]) == ["address-lost", "link-down"]
    assert sorted(kinds[4:]) == ["address", "link-up"]
    assert [o["outcome"] for o in report["observations"] if o["target"] == "eth0"] == ["ok"]


def test_an_unplugged_adapter_with_an_address_of_its_own_does_not_end_the_watch(wire: Wire) -> None:
    wire.add_adapter()
    wire.client.must("ip", "address", "add", "192.168.7.7/24", "dev", "eth1")
    wire.switch.must("ip", "link", "set", "dev", "c1", "down")
    watch = Watch(wire, 60)
    wire.plug_in()
    wire.serve()
    wire.ask_for_address("--noarp", "--nodelay")
    report = watch.report()
    assert answer(report, "address")["outcome"] == "ok"
    assert not [e for e in report["timeline"] if (e["adapter"], e["kind"]) == ("eth1", "address")]
