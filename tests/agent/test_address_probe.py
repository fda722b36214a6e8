"""What the address probe says about adapters, told from a scripted machine and a real one."""

import itertools
import sys

import pytest
from pe_agent.host import Adapter, Address, this_host
from pe_agent.model import Event, EventKind, Observation, Outcome, Reason
from pe_agent.probes import address
from pe_agent.probes.contract import Context

USABLE = Address("10.10.1.5", 24, created_at_s=3.0, origin="dhcp")
APIPA = Address("169.254.7.7", 16)


class ScriptedHost:
    """A host whose adapters change with each look; the clock moves 0.5 s a look."""

    def __init__(self, *looks):
        self._looks = itertools.chain(looks, itertools.repeat(looks[-1]))
        self.now_s = 10.0

    def adapters(self):
        self.now_s += 0.5
        return next(self._looks)


def adapter(*addresses, name="eth0", link_up=True):
    return Adapter(name, "02:00:00:00:00:01", link_up, addresses)


def observe(host, wait_s=0.0, late_after_s=15.0):
    context = Context(
        host, lambda: host.now_s, host.now_s + wait_s + 5, wait_for_address_s=wait_s, late_after_s=late_after_s
    )
    answers = list(address.run(context))
    return [a for a in answers if isinstance(a, Observation)], [a for a in answers if isinstance(a, Event)]


@pytest.mark.parametrize(
    ("adapters", "outcome", "reason"),
    [
        ((), Outcome.FAILED, Reason.NO_ADAPTER),
        ((adapter(link_up=False),), Outcome.FAILED, Reason.NO_LINK),
        ((adapter(),), Outcome.FAILED, Reason.NO_ADDRESS),
        ((adapter(APIPA),), Outcome.FAILED, Reason.APIPA_ONLY),
        ((adapter(USABLE),), Outcome.OK, Reason.ANSWERED),
        ((adapter(Address("10.0.0.9", 24, duplicate=True)),), Outcome.FAILED, Reason.DUPLICATE_ADDRESS),
        ((adapter(Address("10.0.0.9", 24, tentative=True)),), Outcome.FAILED, Reason.NO_ADDRESS),
        ((adapter(Address("fd10::5", 64)),), Outcome.OK, Reason.ANSWERED),
    ],
)
def test_each_state_of_an_adapter_has_its_own_reason(adapters, outcome, reason):
    ((observation), *_), _ = observe(ScriptedHost(adapters))
    assert (observation.outcome, observation.reason) == (outcome, reason)


def test_an_idle_second_adapter_is_no_fault():
    both = (adapter(USABLE), adapter(name="eth1", link_up=False))
    observations, _ = observe(ScriptedHost(both))
    assert [o.outcome for o in observations] == [Outcome.OK, Outcome.SKIPPED]


def test_an_address_that_comes_late_is_waited_for_and_called_late():
    late = adapter(Address("10.10.1.5", 24))
    host = ScriptedHost(*[(adapter(),)] * 10, *[(adapter(APIPA),)] * 40, (late,))
    (observation,), events = observe(host, wait_s=120.0)
    assert (observation.outcome, observation.reason) == (Outcome.WARNING, Reason.LATE_ADDRESS)
    assert observation.facts["apipa"] is True
    assert observation.facts["wait_s"] == pytest.approx(25.0, abs=1.0)
    assert [e.kind for e in events] == [
        EventKind.PRESENT,
        EventKind.APIPA,
        EventKind.ADDRESS_LOST,
        EventKind.ADDRESS,
    ] or [e.kind for e in events] == [EventKind.PRESENT, EventKind.APIPA, EventKind.ADDRESS, EventKind.ADDRESS_LOST]


def test_an_address_from_before_the_agent_started_is_recovered_with_its_time():
    _, events = observe(ScriptedHost((adapter(USABLE),)))
    (given,) = [e for e in events if e.kind is EventKind.ADDRESS]
    assert (given.at_s, given.recovered, given.detail) == (3.0, True, "10.10.1.5/24")


def test_link_loss_while_watching_is_an_event():
    host = ScriptedHost((adapter(),), (adapter(link_up=False),), (adapter(USABLE),))
    _, events = observe(host, wait_s=60.0)
    kinds = [e.kind for e in events]
    assert kinds[:3] == [EventKind.PRESENT, EventKind.LINK_DOWN, EventKind.LINK_UP]


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_the_kernels_own_table_agrees_with_psutil():
    psutil = pytest.importorskip("psutil")
    ours = {(a.name, ip.ip) for a in this_host().adapters() for ip in a.addresses}
    kinds = {2, 10}
    theirs = {
        (name, row.address.partition("%")[0])
        for name, rows in psutil.net_if_addrs().items()
        for row in rows
        if row.family in kinds and name != "lo"
    }
    assert ours == theirs


def test_link_up_is_recovered_from_the_age_of_the_link_local_ipv6_address():
    fe80 = Address("fe80::1", 64, created_at_s=1.0)
    late = Address("10.10.1.5", 24, created_at_s=31.0, origin="dhcp")
    host = ScriptedHost((adapter(fe80, late),))
    host.now_s = 60.0
    (observation,), events = observe(host)
    assert [(e.kind, e.at_s, e.recovered) for e in events if e.kind is EventKind.LINK_UP] == [
        (EventKind.LINK_UP, 1.0, True)
    ]
    assert (observation.outcome, observation.reason) == (Outcome.WARNING, Reason.LATE_ADDRESS)
    assert observation.facts["wait_s"] == 30.0


@pytest.mark.parametrize("given", [Address("10.10.1.5", 24, 31.0, origin="manual"), Address("10.10.1.5", 24, 4000.0)])
def test_an_address_typed_in_or_long_after_link_is_not_called_late(given):
    host = ScriptedHost((adapter(Address("fe80::1", 64, created_at_s=1.0), given),))
    host.now_s = 5000.0
    (observation,), _ = observe(host)
    assert (observation.outcome, observation.reason) == (Outcome.OK, Reason.ANSWERED)


def test_the_first_frame_and_the_gateways_answer_are_events():
    def look(*addresses, frames=0, answering=()):
        return (Adapter("eth0", "", True, addresses, received_frames=frames, reachable_gateways=answering),)

    host = ScriptedHost(look(), look(frames=3), look(frames=9), look(USABLE, frames=9, answering=("10.10.1.1",)))
    _, events = observe(host, wait_s=60.0)
    kinds = [(e.kind, e.detail) for e in events if e.kind in {EventKind.FIRST_FRAME, EventKind.GATEWAY}]
    assert kinds == [(EventKind.FIRST_FRAME, ""), (EventKind.GATEWAY, "10.10.1.1")]
