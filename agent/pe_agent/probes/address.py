"""When did each adapter get link and a usable address, and which one carries the deployment?

A usable address is neither link-local (169.254.0.0/16 by RFC 3927, fe80::/10), tentative nor a duplicate.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator

from pe_agent.host import Adapter, Address
from pe_agent.model import Event, EventKind, FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context

PROBE = "address"
POLL_S = 0.1
# What happened before the agent looked counts as one wait only so far apart; more is a cable moved, or sleep.
_MOST_RECOVERED_WAIT_S = 300.0


def run(context: Context) -> Iterator[Observation | Event]:
    """Watch until an adapter has a usable address or `wait_for_address_s` is over; then one answer an adapter."""
    started_at_s = context.clock_s()
    give_up_at_s = min(context.deadline_at_s, started_at_s + context.wait_for_address_s)
    seen = _Seen()
    while True:
        now_s = context.clock_s()
        adapters = context.host.adapters()
        yield from seen.changes(adapters, now_s)
        if any(usable(a) for adapter in adapters for a in adapter.addresses) or now_s >= give_up_at_s:
            break
        time.sleep(min(POLL_S, max(0.0, give_up_at_s - now_s)))
    elapsed_s = context.clock_s() - started_at_s
    if not adapters:
        yield Observation(PROBE, "", Outcome.FAILED, Reason.NO_ADAPTER, started_at_s, elapsed_s)
    somewhere = any(best_address(adapter) for adapter in adapters)
    for adapter in adapters:
        outcome, reason = _judged(adapter, seen, context.late_after_s)
        if somewhere and outcome is Outcome.FAILED and reason in (Reason.NO_LINK, Reason.NO_ADDRESS):
            outcome = Outcome.SKIPPED
        facts = _facts(adapter, seen)
        yield Observation(PROBE, adapter.name, outcome, reason, started_at_s, elapsed_s, facts)


def usable(address: Address) -> bool:
    """Whether a deployment can run over this address."""
    ip = ipaddress.ip_address(address.ip)
    return not (ip.is_link_local or address.tentative or address.duplicate)


def best_address(adapter: Adapter) -> Address | None:
    """The adapter's usable address, IPv4 before IPv6; None when it has none."""
    candidates = [a for a in adapter.addresses if usable(a)]
    candidates.sort(key=lambda a: ipaddress.ip_address(a.ip).version)
    return candidates[0] if candidates and adapter.link_up else None


class _Seen:
    """What was watched so far: the first time of each event of each adapter, on the boot clock."""

    def __init__(self) -> None:
        self.first: dict[tuple[str, EventKind], float] = {}
        self._link: dict[str, bool] = {}
        self._addresses: dict[str, frozenset[Address]] = {}
        self._frames: dict[str, int] = {}
        self._gateways: dict[str, frozenset[str]] = {}
        self._looked_at_s = 0.0
        self._begun = False

    def changes(self, adapters: tuple[Adapter, ...], now_s: float) -> Iterator[Event]:
        """The events between the last look and this one."""
        for adapter in adapters:
            yield from self._link_changes(adapter, now_s)
            yield from self._frame_changes(adapter, now_s)
            yield from self._address_changes(adapter, now_s)
            yield from self._gateway_changes(adapter, now_s)
        self._looked_at_s = now_s
        self._begun = True

    def _link_changes(self, adapter: Adapter, now_s: float) -> Iterator[Event]:
        before = self._link.get(adapter.name)
        self._link[adapter.name] = adapter.link_up
        if before is None and not self._begun:
            yield self._event(now_s, adapter, EventKind.PRESENT, "link up" if adapter.link_up else "no link")
            link_at_s = _link_local_at_s(adapter)
            if link_at_s is not None and link_at_s < now_s:
                yield self._event(link_at_s, adapter, EventKind.LINK_UP, "by its IPv6 address", recovered=True)
        elif before != adapter.link_up:
            kind = EventKind.LINK_UP if adapter.link_up else EventKind.LINK_DOWN
            yield self._event(self._link_change_at_s(adapter, now_s), adapter, kind)

    def _link_change_at_s(self, adapter: Adapter, now_s: float) -> float:
        """An address that was made since the last look needed the link, so the link is at least as old."""
        new = frozenset(adapter.addresses) - self._addresses.get(adapter.name, frozenset())
        return min((self._made_at_s(address, now_s) for address in new), default=now_s)

    def _made_at_s(self, address: Address, now_s: float) -> float:
        """When the system says it made the address, but not before a look that did not see it.

        The kernel stamps addresses by a coarse clock of its own that was seen 0.1 s behind.
        """
        if address.created_at_s is None:
            return now_s
        return min(now_s, max(address.created_at_s, self._looked_at_s))

    def _frame_changes(self, adapter: Adapter, now_s: float) -> Iterator[Event]:
        """The first frame is an event only where the counter was seen at 0: it tells no time of its own."""
        before = self._frames.get(adapter.name)
        if adapter.received_frames is None:
            return
        self._frames[adapter.name] = adapter.received_frames
        if before == 0 and adapter.received_frames > 0:
            yield self._event(now_s, adapter, EventKind.FIRST_FRAME)

    def _gateway_changes(self, adapter: Adapter, now_s: float) -> Iterator[Event]:
        before = self._gateways.get(adapter.name, frozenset())
        now = frozenset(adapter.reachable_gateways)
        self._gateways[adapter.name] = before | now
        for gateway in sorted(now - before):
            yield self._event(now_s, adapter, EventKind.GATEWAY, gateway)

    def _address_changes(self, adapter: Adapter, now_s: float) -> Iterator[Event]:
        before = self._addresses.get(adapter.name, frozenset())
        now = frozenset(adapter.addresses)
        self._addresses[adapter.name] = now
        for address in sorted(now - before, key=lambda a: a.ip):
            kind = _kind(address)
            if kind is not None:
                at_s = self._made_at_s(address, now_s)
                text = f"{address.ip}/{address.prefix_length}"
                recovered = not self._begun and address.created_at_s is not None
                yield self._event(at_s, adapter, kind, text, recovered=recovered)
        still = {a.ip for a in now}
        for address in sorted(before - now, key=lambda a: a.ip):
            if address.ip not in still:
                yield self._event(now_s, adapter, EventKind.ADDRESS_LOST, address.ip)

    def _event(
        self, at_s: float, adapter: Adapter, kind: EventKind, detail: str = "", *, recovered: bool = False
    ) -> Event:
        self.first.setdefault((adapter.name, kind), at_s)
        return Event(at_s, adapter.name, kind, detail, recovered)


def _link_local_at_s(adapter: Adapter) -> float | None:
    """When the adapter made its IPv6 link-local address, which systems do as soon as there is link (RFC 4862 5.3)."""
    made = [a.created_at_s for a in adapter.addresses if a.ip.startswith("fe80:") and a.created_at_s is not None]
    return min(made, default=None) if adapter.link_up else None


def _kind(address: Address) -> EventKind | None:
    ip = ipaddress.ip_address(address.ip)
    if address.duplicate:
        return EventKind.DUPLICATE
    if ip.is_link_local:
        return EventKind.APIPA if ip.version == 4 else None
    return None if address.tentative else EventKind.ADDRESS


def _judged(adapter: Adapter, seen: _Seen, late_after_s: float) -> tuple[Outcome, Reason]:
    if not adapter.link_up:
        return Outcome.FAILED, Reason.NO_LINK
    if any(a.duplicate for a in adapter.addresses):
        return Outcome.FAILED, Reason.DUPLICATE_ADDRESS
    best = best_address(adapter)
    if best is None:
        apipa = any(a.ip.startswith("169.254.") for a in adapter.addresses)
        return Outcome.FAILED, Reason.APIPA_ONLY if apipa else Reason.NO_ADDRESS
    waited_s = _wait_s(adapter, seen)
    if best.origin != "manual" and waited_s is not None and waited_s > late_after_s:
        return Outcome.WARNING, Reason.LATE_ADDRESS
    return Outcome.OK, Reason.ANSWERED


def _wait_s(adapter: Adapter, seen: _Seen) -> float | None:
    """Seconds from link (or, if that was before the agent looked, from its first look) to a usable address."""
    address_at_s = seen.first.get((adapter.name, EventKind.ADDRESS))
    link_at_s = _link_at_s(adapter, seen)
    if address_at_s is None or link_at_s is None or address_at_s < link_at_s:
        return None
    waited_s = address_at_s - link_at_s
    watched = seen.first.get((adapter.name, EventKind.PRESENT), 0.0) <= address_at_s
    return waited_s if watched or waited_s <= _MOST_RECOVERED_WAIT_S else None


def _link_at_s(adapter: Adapter, seen: _Seen) -> float | None:
    return seen.first.get((adapter.name, EventKind.LINK_UP), seen.first.get((adapter.name, EventKind.PRESENT)))


def _facts(adapter: Adapter, seen: _Seen) -> dict[str, FactValue]:
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
        "apipa": any(a.ip.startswith("169.254.") for a in adapter.addresses)
        or (adapter.name, EventKind.APIPA) in seen.first,
        "gateway": adapter.gateways[0] if adapter.gateways else None,
        "dhcp_server": (lease.server or None) if lease else None,
        "lease_s": lease.lease_s if lease else None,
        "lease_at_s": lease.obtained_at_s if lease else None,
        "link_at_s": seen.first.get((adapter.name, EventKind.LINK_UP)),
        "address_at_s": seen.first.get((adapter.name, EventKind.ADDRESS)),
        "wait_s": _wait_s(adapter, seen),
    }
    return {name: value for name, value in possible.items() if value is not None}
