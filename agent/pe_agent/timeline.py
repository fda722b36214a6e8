"""What has changed on the adapters since the last look? Events on the boot clock, each told once.

A usable address is neither link-local (169.254.0.0/16 by RFC 3927, fe80::/10), tentative nor a duplicate.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from pe_agent.host import Adapter, Address, Overheard
from pe_agent.observed import Event, EventKind

# Windows keeps the moment of a lease by the wall clock in whole seconds, Linux by the age of a file: the same lease
# is read back with times this far apart.
_SAME_LEASE_S = 2.0
# A network where more than this is offered to one machine has other troubles.
_MOST_OFFERS = 32
# What makes an address another one: ip, tentative, duplicate. The moment it was made is read back with a jitter.
_Mark = tuple[str, bool, bool]


def usable(address: Address) -> bool:
    """Whether a deployment can run over this address."""
    ip = ipaddress.ip_address(address.ip)
    return not (ip.is_link_local or address.tentative or address.duplicate)


class Timeline:
    """What was watched so far: the first time of each event of each adapter, on the boot clock.

    `first_address` is the same for addresses by family, 4 or 6; `duplicates` holds by adapter the IPv4 addresses that
    another machine was found to have.
    """

    def __init__(self) -> None:
        self.first: dict[tuple[str, EventKind], float] = {}
        self.first_address: dict[tuple[str, int], float] = {}
        self.duplicates: dict[str, str] = {}
        self._offers: set[tuple[str, str, str]] = set()
        self._link: dict[str, bool] = {}
        self._held: dict[str, frozenset[_Mark]] = {}
        self._told: dict[str, frozenset[_Mark]] = {}
        self._leases: dict[str, float] = {}
        self._frames: dict[str, int] = {}
        self._gateways: dict[str, frozenset[str]] = {}
        self._looked_at_s = 0.0
        self._begun = False

    def look(self, adapters: tuple[Adapter, ...], now_s: float) -> Iterator[Event]:
        """The events between the last look and this one."""
        for adapter in adapters:
            yield from self._link_changes(adapter, now_s)
            yield from self._frame_changes(adapter, now_s)
            yield from self._lease_changes(adapter, now_s)
            yield from self._address_changes(adapter, now_s)
            yield from self._gateway_changes(adapter, now_s)
            self._held[adapter.name] = frozenset(map(_mark, adapter.addresses))
        yield from self._gone(adapters, now_s)
        self._looked_at_s = now_s
        self._begun = True

    def overhear(self, heard: Iterable[Overheard], adapters: tuple[Adapter, ...]) -> Iterator[Event]:
        """The events of DHCP messages to and from these adapters: each offer once, and what was declined."""
        of_mac = {adapter.mac: adapter for adapter in adapters if adapter.mac}
        for message in heard:
            adapter = of_mac.get(message.client_mac)
            if adapter is None or adapter.name != message.adapter:
                continue
            offer = (adapter.name, message.address, message.server)
            if message.declined:
                self.duplicates[adapter.name] = message.address
                yield self._event(message.at_s, adapter, EventKind.DUPLICATE, f"{message.address}, declined")
            elif offer not in self._offers and len(self._offers) < _MOST_OFFERS:
                self._offers.add(offer)
                yield self._event(message.at_s, adapter, EventKind.OFFER, f"{message.address} from {message.server}")

    def _link_changes(self, adapter: Adapter, now_s: float) -> Iterator[Event]:
        before = self._link.get(adapter.name)
        self._link[adapter.name] = adapter.link_up
        if before is None:
            link_at_s = _link_local_at_s(adapter)
            # An adapter that was not there at the last look came before its link.
            here_at_s = now_s if link_at_s is None or not self._begun else min(now_s, link_at_s)
            yield self._event(here_at_s, adapter, EventKind.PRESENT, "link up" if adapter.link_up else "no link")
            if link_at_s is not None and link_at_s < now_s:
                yield self._event(link_at_s, adapter, EventKind.LINK_UP, "by its IPv6 address", recovered=True)
        elif before != adapter.link_up:
            kind = EventKind.LINK_UP if adapter.link_up else EventKind.LINK_DOWN
            yield self._event(self._link_change_at_s(adapter, now_s), adapter, kind)

    def _gone(self, adapters: tuple[Adapter, ...], now_s: float) -> Iterator[Event]:
        """An adapter that the system no longer lists has lost its link, as when a USB adapter is pulled."""
        for name in sorted(set(self._link) - {adapter.name for adapter in adapters}):
            if self._link.pop(name):
                yield Event(now_s, name, EventKind.LINK_DOWN, "adapter gone")
            self._told.pop(name, None)
            self._held.pop(name, None)

    def _link_change_at_s(self, adapter: Adapter, now_s: float) -> float:
        """An address that was made since the last look needed the link, so the link is at least as old."""
        held = self._held.get(adapter.name, frozenset())
        new = (address for address in adapter.addresses if _mark(address) not in held)
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

    def _lease_changes(self, adapter: Adapter, now_s: float) -> Iterator[Event]:
        """A lease is new when it was given after the last look; anything older is a wall clock that was set."""
        lease, before_s = adapter.lease, self._leases.get(adapter.name)
        if lease is None or lease.obtained_at_s is None or not adapter.link_up:
            return
        at_s = min(lease.obtained_at_s, now_s)
        self._leases[adapter.name] = at_s
        if before_s is None or at_s > max(before_s + _SAME_LEASE_S, self._looked_at_s - _SAME_LEASE_S):
            yield self._event(at_s, adapter, EventKind.LEASE, f"from {lease.server}", recovered=not self._begun)

    def _address_changes(self, adapter: Adapter, now_s: float) -> Iterator[Event]:
        """An address that an adapter without link keeps is of no use to anybody: it is told once there is link."""
        before = self._told.get(adapter.name, frozenset())
        told = {_mark(a): a for a in adapter.addresses if adapter.link_up or _mark(a) in before}
        self._told[adapter.name] = frozenset(told)
        for mark in sorted(set(told) - before):
            yield from self._new_address(adapter, told[mark], now_s)
        still = {address.ip for address in told.values()}
        for ip in sorted({ip for ip, _, _ in before} - still):
            yield self._event(now_s, adapter, EventKind.ADDRESS_LOST, ip)

    def _new_address(self, adapter: Adapter, address: Address, now_s: float) -> Iterator[Event]:
        kind = _kind(address)
        if kind is None:
            return
        at_s = self._made_at_s(address, now_s)
        if kind is EventKind.DUPLICATE and ":" not in address.ip:
            self.duplicates[adapter.name] = address.ip
        if kind is EventKind.ADDRESS:
            self.first_address.setdefault((adapter.name, ipaddress.ip_address(address.ip).version), at_s)
        recovered = not self._begun and address.created_at_s is not None
        text = f"{address.ip}/{address.prefix_length}"
        yield self._event(at_s, adapter, kind, text, recovered=recovered)

    def _event(
        self, at_s: float, adapter: Adapter, kind: EventKind, detail: str = "", *, recovered: bool = False
    ) -> Event:
        self.first.setdefault((adapter.name, kind), at_s)
        return Event(at_s, adapter.name, kind, detail, recovered)


def _mark(address: Address) -> _Mark:
    return address.ip, address.tentative, address.duplicate


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
