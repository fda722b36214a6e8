"""What the address probe says about adapters, told from a scripted machine and a real one."""

import contextlib
import itertools
import sys
import time

import pytest
from pe_agent.host import Adapter, Address, Lease, Overheard, this_host
from pe_agent.model import Clock, Event, EventKind, Observation, Outcome, Reason
from pe_agent.probes import address
from pe_agent.probes.contract import Context
from pe_agent.run import Plan
from pe_agent.timeline import Timeline
from pe_agent.watching import Watching

USABLE = Address("10.10.1.5", 24, created_at_s=3.0, origin="dhcp")
APIPA = Address("169.254.7.7", 16)


class ScriptedHost:
    """A host whose adapters change with each look; the clock moves 0.5 s a look."""

    def __init__(self, *looks):
        self._looks = itertools.chain(looks, itertools.repeat(looks[-1]))
        self.now_s = 10.0
        self.heard = ()

    def adapters(self):
        self.now_s += 0.5
        return next(self._looks)

    def clock(self):
        return Clock(self.now_s, 0)

    def overheard(self):
        heard, self.heard = self.heard, ()
        return heard

    @contextlib.contextmanager
    def changes(self):
        yield lambda within_s: None


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


# --- when the watch ends, and what it makes of what it saw ------------------------------------------------------------

GLOBAL = Address("2001:db8::5", 64)
USABLE_NOW = Address("10.10.1.5", 24)
STATIC = Address("192.168.7.7", 24, origin="manual")


def test_an_ipv6_address_does_not_end_the_watch_for_an_ipv4_one():
    host = ScriptedHost((adapter(),), (adapter(GLOBAL),), *[(adapter(GLOBAL, APIPA),)] * 6, (adapter(GLOBAL, USABLE),))
    (observation,), events = observe(host, wait_s=120.0)
    assert (observation.facts["address"], observation.facts["apipa"]) == (USABLE.ip, True)
    assert {e.kind for e in events} >= {EventKind.APIPA, EventKind.ADDRESS}


def test_where_only_ipv6_comes_the_watch_ends_after_its_grace():
    host = ScriptedHost((adapter(),), (adapter(GLOBAL),))
    (observation,), _ = observe(host, wait_s=120.0)
    assert (observation.outcome, observation.facts["address"]) == (Outcome.OK, GLOBAL.ip)
    assert observation.elapsed_s == pytest.approx(address.GRACE_S[6], abs=1.5)


def test_the_wait_for_an_ipv4_address_is_not_that_for_an_earlier_ipv6_one():
    host = ScriptedHost((adapter(),), *[(adapter(GLOBAL),)] * 10, (adapter(GLOBAL, Address("10.10.1.5", 24)),))
    (observation,), _ = observe(host, wait_s=120.0, late_after_s=3.0)
    assert (observation.outcome, observation.reason) == (Outcome.WARNING, Reason.LATE_ADDRESS)
    assert observation.facts["wait_s"] == pytest.approx(5.5, abs=0.6)


def test_an_unplugged_adapter_with_an_address_of_its_own_neither_ends_the_watch_nor_counts():
    idle = adapter(STATIC, name="eth1", link_up=False)
    host = ScriptedHost(*[(adapter(), idle)] * 6, (adapter(USABLE), idle))
    (live, unplugged), events = observe(host, wait_s=120.0)
    assert (live.reason, unplugged.outcome) == (Reason.ANSWERED, Outcome.SKIPPED)
    assert [(e.adapter, e.kind) for e in events if e.kind is EventKind.ADDRESS] == [("eth0", EventKind.ADDRESS)]


def test_an_address_kept_without_link_is_told_when_the_link_comes():
    host = ScriptedHost((adapter(STATIC, link_up=False),), (adapter(STATIC),))
    _, events = observe(host, wait_s=120.0)
    assert [e.kind for e in events] == [EventKind.PRESENT, EventKind.LINK_UP, EventKind.ADDRESS]


def test_a_second_adapter_has_two_seconds_after_the_first():
    waiting, there = adapter(name="eth1"), adapter(Address("10.10.2.5", 24), name="eth1")
    host = ScriptedHost((adapter(USABLE_NOW), waiting), (adapter(USABLE_NOW), waiting), (adapter(USABLE_NOW), there))
    observations, _ = observe(host, wait_s=120.0)
    assert [o.reason for o in observations] == [Reason.ANSWERED, Reason.ANSWERED]
    host = ScriptedHost((adapter(USABLE_NOW), waiting))
    observations, _ = observe(host, wait_s=120.0)
    assert [o.outcome for o in observations] == [Outcome.OK, Outcome.SKIPPED]
    assert observations[0].elapsed_s <= address.GRACE_S[4] + 1.0


def test_an_address_whose_age_is_read_back_with_a_jitter_is_told_once():
    looks = [(adapter(Address("10.10.1.5", 24, created_at_s=3.0 + n / 100)), adapter(name="eth1")) for n in range(9)]
    _, events = observe(ScriptedHost(*looks), wait_s=3.0)
    assert [e.kind for e in events].count(EventKind.ADDRESS) == 1


def leased(at_s, *addresses):
    lease = Lease(server="10.10.9.10", obtained_at_s=at_s)
    return Adapter("eth0", "", True, addresses, lease=lease)


def test_a_lease_is_an_event_once_and_again_when_it_is_given_anew():
    seen = Timeline()
    looks = [(20.0, 3.0), (20.1, 3.01), (20.2, 2.2), (30.0, 29.5), (30.1, 29.52), (40.0, 25.0)]
    found = [(now_s, e) for now_s, at_s in looks for e in seen.look((leased(at_s),), now_s)]
    leases = [(now_s, e.at_s, e.recovered, e.detail) for now_s, e in found if e.kind is EventKind.LEASE]
    assert leases == [(20.0, 3.0, True, "from 10.10.9.10"), (30.0, 29.5, False, "from 10.10.9.10")]


def test_an_adapter_that_is_pulled_out_loses_its_link_and_comes_back_as_present():
    seen = Timeline()
    looks = [(1.0, (adapter(USABLE_NOW),)), (2.0, ()), (3.0, (adapter(),))]
    kinds = [e.kind for now_s, adapters in looks for e in seen.look(adapters, now_s)]
    assert kinds == [EventKind.PRESENT, EventKind.ADDRESS, EventKind.LINK_DOWN, EventKind.PRESENT]


# --- after the probe has answered -------------------------------------------------------------------------------------


def test_what_happens_after_the_answer_is_told_until_the_watch_is_stopped():
    late = adapter(GLOBAL, USABLE_NOW)
    host = ScriptedHost(*[(adapter(GLOBAL),)] * 40, (late,), (adapter(),))
    plan = Plan(host, wait_for_address_s=120.0)
    first = list(address.run(Context(host, plan.clock_s, 1e9, wait_for_address_s=120.0, timeline=plan.timeline)))
    assert first[-1].reason is Reason.ANSWERED
    told = []
    watching = Watching(plan, told.append)
    until_s = time.monotonic() + 30
    while not any(e.detail == USABLE_NOW.ip for e in told if isinstance(e, Event)) and time.monotonic() < until_s:
        time.sleep(0.02)
    watching.stop()
    events = [(e.kind, e.detail) for e in told if isinstance(e, Event)]
    assert (EventKind.ADDRESS, "10.10.1.5/24") in events
    assert (EventKind.ADDRESS_LOST, "10.10.1.5") in events
    (said,) = [o for o in told if isinstance(o, Observation)]
    assert (said.outcome, said.reason) == (Outcome.WARNING, Reason.LATE_ADDRESS)
    count = len(told)
    time.sleep(0.2)
    assert len(told) == count


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_the_kernel_is_waited_for_no_longer_than_said():
    with this_host().changes() as wait_for_change:
        started_s = time.monotonic()
        wait_for_change(0.2)
        assert time.monotonic() - started_s < 5


def heard(ip, at_s, *, declined=False, mac="02:00:00:00:00:01"):
    return Overheard(at_s, "eth0", ip, "10.10.9.10", mac, declined)


def test_an_address_that_was_declined_is_a_duplicate_though_another_one_came():
    host = ScriptedHost(*[(adapter(),)] * 3, (adapter(USABLE),))
    host.heard = (heard("10.10.1.4", 10.2), heard("10.10.1.4", 10.3, declined=True), heard("10.10.1.5", 11.0))
    (observation,), events = observe(host, wait_s=20.0)
    assert (observation.outcome, observation.reason) == (Outcome.WARNING, Reason.DUPLICATE_ADDRESS)
    assert (observation.facts["duplicate_address"], observation.facts["address"]) == ("10.10.1.4", "10.10.1.5")
    told = [(e.kind, e.at_s) for e in events if e.kind in {EventKind.OFFER, EventKind.DUPLICATE}]
    assert told == [(EventKind.OFFER, 10.2), (EventKind.DUPLICATE, 10.3), (EventKind.OFFER, 11.0)]


def test_a_duplicate_that_the_system_showed_for_a_moment_is_not_forgotten():
    taken = Address("10.10.1.4", 24, duplicate=True)
    host = ScriptedHost((adapter(),), (adapter(taken),), (adapter(),), (adapter(USABLE),))
    (observation,), _ = observe(host, wait_s=20.0)
    assert (observation.reason, observation.facts["duplicate_address"]) == (Reason.DUPLICATE_ADDRESS, "10.10.1.4")


def test_without_another_address_a_declined_one_is_the_fault():
    host = ScriptedHost((adapter(),))
    host.heard = (heard("10.10.1.4", 10.3, declined=True),)
    (observation,), _ = observe(host, wait_s=1.0)
    assert (observation.outcome, observation.reason) == (Outcome.FAILED, Reason.DUPLICATE_ADDRESS)


def test_what_is_offered_to_others_and_offered_again_is_not_told():
    host = ScriptedHost((adapter(),), (adapter(USABLE),))
    others = heard("10.10.1.9", 10.1, mac="02:00:00:00:00:99")
    host.heard = (others, heard("10.10.1.5", 10.2), heard("10.10.1.5", 10.4))
    _, events = observe(host, wait_s=5.0)
    assert [e.at_s for e in events if e.kind is EventKind.OFFER] == [10.2]
