"""When did each adapter get link and a usable address, and which one carries the deployment?

What a usable address is stands in `timeline`, which also goes on watching after this probe has answered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pe_agent.host import Adapter, Address
from pe_agent.observed import Event, EventKind, FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.timeline import Timeline, usable

PROBE = "address"
# What no event tells, as the frames that an adapter has received, is seen this late at most.
POLL_S = 0.1
# How long other adapters and the other family may follow the first usable address. A DHCP client that is answered at
# all has its address within a second; Windows' takes 169.254 after 6 s without an answer (KB931550).
GRACE_S = {4: 2.0, 6: 7.0}
# What happened before the agent looked counts as one wait only so far apart; more is a cable moved, or sleep.
_MOST_RECOVERED_WAIT_S = 300.0


def run(context: Context) -> Iterator[Observation | Event]:
    """Watch until every adapter with link has an IPv4 address, then one answer an adapter.

    It ends before that `GRACE_S` after the first usable address, and when `wait_for_address_s` is over.
    """
    started_at_s = context.clock_s()
    give_up_at_s = min(context.deadline_at_s, started_at_s + context.wait_for_address_s)
    patience = _Patience()
    with context.host.changes() as wait_for_change:
        while True:
            now_s = context.clock_s()
            adapters = context.host.adapters()
            yield from context.timeline.overhear(context.host.overheard(), adapters)
            yield from context.timeline.look(adapters, now_s)
            if now_s >= give_up_at_s or patience.is_over(adapters, now_s):
                break
            wait_for_change(min(POLL_S, give_up_at_s - now_s))
    elapsed_s = context.clock_s() - started_at_s
    if not adapters:
        yield Observation(PROBE, "", Outcome.FAILED, Reason.NO_ADAPTER, started_at_s, elapsed_s)
    somewhere = any(best_address(adapter) for adapter in adapters)
    for adapter in adapters:
        outcome, reason = judged(adapter, context.timeline, context.late_after_s)
        if somewhere and outcome is Outcome.FAILED and reason in (Reason.NO_LINK, Reason.NO_ADDRESS):
            outcome = Outcome.SKIPPED
        facts = adapter_facts(adapter, context.timeline)
        yield Observation(PROBE, adapter.name, outcome, reason, started_at_s, elapsed_s, facts)


def best_address(adapter: Adapter) -> Address | None:
    """The adapter's usable address, IPv4 before IPv6; None when it has none or no link."""
    candidates = [a for a in adapter.addresses if usable(a)]
    candidates.sort(key=_family)
    return candidates[0] if candidates and adapter.link_up else None


class _Patience:
    """Whether it pays to wait for more addresses, seen from look to look."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}

    def is_over(self, adapters: tuple[Adapter, ...], now_s: float) -> bool:
        best = [best_address(adapter) for adapter in adapters if adapter.link_up]
        there = [address for address in best if address is not None]
        for address in there:
            made_at_s = now_s if address.created_at_s is None else address.created_at_s
            self._since_s.setdefault(_family(address), made_at_s)
        if there and len(there) == len(best) and all(_family(address) == 4 for address in there):
            return True
        return any(now_s - since_s >= GRACE_S[family] for family, since_s in self._since_s.items())


def _family(address: Address) -> int:
    return ipaddress.ip_address(address.ip).version


def judged(adapter: Adapter, seen: Timeline, late_after_s: float) -> tuple[Outcome, Reason]:
    """What an adapter's state and what was watched of it mean."""
    if not adapter.link_up:
        return Outcome.FAILED, Reason.NO_LINK
    if any(a.duplicate for a in adapter.addresses):
        return Outcome.FAILED, Reason.DUPLICATE_ADDRESS
    best = best_address(adapter)
    if adapter.name in seen.duplicates:
        return Outcome.WARNING if best else Outcome.FAILED, Reason.DUPLICATE_ADDRESS
    if best is None:
        apipa = any(a.ip.startswith("169.254.") for a in adapter.addresses)
        return Outcome.FAILED, Reason.APIPA_ONLY if apipa else Reason.NO_ADDRESS
    waited_s = _wait_s(adapter, seen)
    if best.origin != "manual" and waited_s is not None and waited_s > late_after_s:
        return Outcome.WARNING, Reason.LATE_ADDRESS
    return Outcome.OK, Reason.ANSWERED


def _wait_s(adapter: Adapter, seen: Timeline) -> float | None:
    """Seconds from link (or, if that was before the agent looked, from its first look) to a usable address."""
    address_at_s = _address_at_s(adapter, seen)
    link_at_s = _link_at_s(adapter, seen)
    if address_at_s is None or link_at_s is None or address_at_s < link_at_s:
        return None
    waited_s = address_at_s - link_at_s
    watched = seen.first.get((adapter.name, EventKind.PRESENT), 0.0) <= address_at_s
    return waited_s if watched or waited_s <= _MOST_RECOVERED_WAIT_S else None


def _address_at_s(adapter: Adapter, seen: Timeline) -> float | None:
    """When the address came that counts: an IPv4 one, where the adapter has one, also when an IPv6 one was earlier."""
    best = best_address(adapter)
    return seen.first_address.get((adapter.name, _family(best))) if best else None


def _link_at_s(adapter: Adapter, seen: Timeline) -> float | None:
    return seen.first.get((adapter.name, EventKind.LINK_UP), seen.first.get((adapter.name, EventKind.PRESENT)))


def adapter_facts(adapter: Adapter, seen: Timeline) -> dict[str, FactValue]:
    """What the report says about an adapter; what is not known is absent."""
    best = best_address(adapter)
    lease = adapter.lease
    possible: dict[str, FactValue | None] = {
        "adapter": adapter.name,
        "mac": adapter.mac,
        "driver": adapter.driver or None,
        "hardware_id": adapter.hardware_id or None,
        "link_up": adapter.link_up,
        "received_frames": adapter.received_frames,
        "address": best.ip if best else None,
        "prefix_length": best.prefix_length if best else None,
        "address_source": (best.origin or None) if best else None,
        "duplicate_address": seen.duplicates.get(adapter.name),
        "apipa": any(a.ip.startswith("169.254.") for a in adapter.addresses)
        or (adapter.name, EventKind.APIPA) in seen.first,
        "gateway": adapter.gateways[0] if adapter.gateways else None,
        "dhcp_server": (lease.server or None) if lease else None,
        "lease_s": lease.lease_s if lease else None,
        "lease_at_s": lease.obtained_at_s if lease else None,
        "link_at_s": seen.first.get((adapter.name, EventKind.LINK_UP)),
        "address_at_s": _address_at_s(adapter, seen),
        "wait_s": _wait_s(adapter, seen),
    }
    return {name: value for name, value in possible.items() if value is not None}
