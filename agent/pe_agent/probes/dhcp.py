"""Which DHCP servers answer on this machine's network, and do they tell firmware the right things?

One observation a server, `answered` unless something about it can break a boot. Silence is weak evidence: switches
with DHCP snooping drop what looks like a relay, so where the system itself has a lease, silence is `not-known`. What
else is known where nobody answers a machine without an address stands in `unanswered`.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pe_agent.codec import dhcp, pxe
from pe_agent.errors import DecodeError
from pe_agent.host import Adapter, BootRecord, Host, Lease
from pe_agent.observed import Event, EventKind, FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context, Target
from pe_agent.probes.pxe import asking_clients, boot_facts, clients_without_address
from pe_agent.transport.dhcp import BROADCAST, QUIET_S, UNICAST, WAIT_S, Asker, Heard, Hearing, gather_offers
from pe_agent.transport.path import Deadline, PathFailure
from pe_agent.unanswered import earlier_answer, suspicion

PROBE = "dhcp"
_NOBODY = "0.0.0.0"
# What servers of one network must agree on; each hands out addresses of its own.
_MUST_AGREE = (dhcp.SUBNET_MASK, dhcp.ROUTER)
_MOST_ADAPTERS = 8


@dataclass(frozen=True, slots=True)
class Server:
    """What one server offered, in the order it came; never empty."""

    name: str
    offers: tuple[Heard, ...]

    @property
    def plain(self) -> Heard:
        """Its offer to a plain client, else the one to a PXE client."""
        return next((h for h in self.offers if not h.question.as_pxe), self.offers[0])

    @property
    def as_pxe(self) -> Heard:
        """Its offer to a PXE client, else the one to a plain client."""
        return next((h for h in self.offers if h.question.as_pxe), self.offers[0])

    @property
    def address(self) -> str:
        """The address it offered; empty when it offers none, as proxies and boot servers do."""
        return next((h.offer.yiaddr for h in self.offers if h.offer.yiaddr != _NOBODY), "")

    @property
    def boots(self) -> bool:
        """Whether it names a boot file, or says that it is a boot server itself."""
        return any(
            h.offer.boot_file or h.offer.text(dhcp.VENDOR_CLASS).startswith(pxe.VENDOR_CLASS) for h in self.offers
        )

    @property
    def says(self) -> tuple[object, ...]:
        """What it would configure: servers that differ here cannot both be right."""
        offer = self.plain.offer
        network = tuple(offer.options.get(code, b"") for code in _MUST_AGREE)
        return (*network, self.as_pxe.offer.boot_server, self.as_pxe.offer.boot_file)

    @property
    def vendor(self) -> pxe.Vendor:
        """What its option 43 tells firmware; empty where that is none of PXE, as another vendor's."""
        try:
            return pxe.decode_vendor(self.as_pxe.offer.options.get(dhcp.VENDOR_OPTIONS, b""))
        except DecodeError:
            return pxe.Vendor()

    def relay(self, client: pxe.Client) -> str:
        """The relay that passed a broadcast on; empty when none shows itself.

        A question by address carries the asker's own address in that field.
        """
        passed_on = (h.offer.giaddr for h in self.offers if h.question.via == BROADCAST)
        return next((giaddr for giaddr in passed_on if giaddr not in {_NOBODY, client.address}), "")

    def facts(self, client: pxe.Client) -> dict[str, FactValue]:
        """What the report says about it."""
        vias = dict.fromkeys(h.question.via for h in self.offers)
        facts = boot_facts(self.as_pxe.offer) | {"server_id": self.name}
        facts |= {"offered_address": self.address} if self.address else {}
        facts |= {"discovery_control": self.vendor.control} if self.vendor.control is not None else {}
        facts |= {"listed_servers": ",".join(self.vendor.servers)} if self.vendor.servers else {}
        facts |= {"relay": relay} if (relay := self.relay(client)) else {}
        facts |= {
            "option43": any(dhcp.VENDOR_OPTIONS in h.offer.options for h in self.offers),
            "arch93": client.architecture,
            "via": ",".join(sorted(vias)),
            "after_s": round(self.offers[0].after_s, 6),
        }
        return facts


@dataclass(frozen=True, slots=True)
class _Case:
    """All that one adapter's questions brought to light."""

    client: pxe.Client
    adapter: Adapter
    hearing: Hearing
    servers: tuple[Server, ...]
    knows_boot_server: bool
    target: Target | None = None

    @property
    def lease(self) -> Lease:
        return self.adapter.lease or Lease()

    def reason(self, server: Server) -> Reason:
        """The first thing that is wrong with a server; `answered` when nothing is."""
        wrong = (
            (Reason.SEVERAL_SERVERS, self._contradicts(server)),
            (Reason.MISMATCH, pxe.names_other_firmware(server.as_pxe.offer.boot_file, self.client.architecture)),
            (Reason.OPTION_43_ELSEWHERE, self._sends_elsewhere(server)),
            (Reason.RELAY_MISSING, self._is_behind_no_relay(server)),
            (Reason.NO_BOOT_SERVER, bool(server.address) and not self._anyone_boots()),
        )
        return next((reason for reason, holds in wrong if holds), Reason.ANSWERED)

    def others(self, server: Server) -> str:
        """The servers that would configure this machine differently."""
        return ",".join(s.name for s in self.servers if s.address and s.says != server.says)

    def _contradicts(self, server: Server) -> bool:
        """Two servers that say the same are a pair; of two that differ, the one that gave the lease is not accused."""
        return bool(server.address) and server.name != self.lease.server and bool(self.others(server))

    def _sends_elsewhere(self, server: Server) -> bool:
        """Whether firmware is told to ask boot servers of which none is the target."""
        wanted = self.target.addresses if self.target else ()
        return bool(wanted) and server.vendor.asks_listed_only and not set(wanted) & set(server.vendor.servers)

    def _is_behind_no_relay(self, server: Server) -> bool:
        return not self.hearing.by(BROADCAST) and self.hearing.by(UNICAST) and not self._is_near(server.name)

    def _is_near(self, server: str) -> bool:
        networks = (f"{a.ip}/{a.prefix_length}" for a in self.adapter.addresses if ":" not in a.ip)
        return any(ipaddress.ip_address(server) in ipaddress.ip_network(n, strict=False) for n in networks)

    def _anyone_boots(self) -> bool:
        return self.knows_boot_server or any(s.boots for s in self.servers)


def run(context: Context) -> Iterator[Observation | Event]:
    """One observation a server and adapter; one that says why there is none.

    Where no adapter has an address, the same is asked as a client without one asks, and the first offer is an event.
    """
    asking = _asking(context.host)[:_MOST_ADAPTERS]
    if not asking:
        yield _said(context, "", (Outcome.SKIPPED, Reason.NO_ADDRESS), {})
        return
    with ThreadPoolExecutor(len(asking)) as pool:
        for records in pool.map(lambda pair: _timed(context, *pair), asking):
            yield from records


def _asking(host: Host) -> tuple[tuple[pxe.Client, Adapter], ...]:
    adapters = host.adapters()
    clients = asking_clients(host)
    with_address = ((c, a) for c in clients for a in adapters if any(x.ip == c.address for x in a.addresses))
    return tuple(with_address) if clients else clients_without_address(host)


def _timed(context: Context, client: pxe.Client, adapter: Adapter) -> list[Observation | Event]:
    started_at_s = context.clock_s()
    records = list(_observed(context, client, adapter))
    elapsed_s = context.clock_s() - started_at_s
    return [
        replace(record, started_at_s=started_at_s, elapsed_s=elapsed_s) if isinstance(record, Observation) else record
        for record in records
    ]


def _observed(context: Context, client: pxe.Client, adapter: Adapter) -> Iterator[Observation | Event]:
    record = context.host.boot_record()
    deadline = Deadline(context.clock_s, context.deadline_at_s)
    started_at_s = context.clock_s()
    try:
        quiet_s = WAIT_S if context.wait_for_address_s else QUIET_S
        asker = Asker(client, adapter.name, adapter.index)
        hearing = gather_offers(asker, _known_servers(client, adapter, record), deadline, quiet_s)
    except PathFailure as failure:
        yield _second_way(context, adapter, failure, client)
        return
    names = dict.fromkeys(heard.server for heard in hearing.heard)
    servers = tuple(Server(name, tuple(h for h in hearing.heard if h.server == name)) for name in names)
    case = _Case(client, adapter, hearing, servers, record is not None, context.target)
    if not servers:
        yield _silence(context, case)
    elif not client.address and (adapter.name, EventKind.OFFER) not in context.timeline.first:
        first = hearing.heard[0]
        told = f"from {first.server} to the agent's own question"
        yield Event(started_at_s + first.after_s, adapter.name, EventKind.OFFER, told)
    for server in servers:
        reason = case.reason(server)
        facts = server.facts(client) | {"adapter": adapter.name} | _blame(case, server, reason)
        outcome = Outcome.OK if reason is Reason.ANSWERED else Outcome.WARNING
        yield _said(context, server.name, (outcome, reason), facts)


def _known_servers(client: pxe.Client, adapter: Adapter, record: BootRecord | None) -> tuple[str, ...]:
    """Who is asked by address: the lease's server and the firmware's. Without an address that goes for nobody."""
    if not client.address:
        return ()
    leased_by = adapter.lease.server if adapter.lease else ""
    earlier = str(earlier_answer(adapter, record).get("earlier_server", ""))
    return tuple(dict.fromkeys(server for server in (leased_by, earlier) if server))


def _blame(case: _Case, server: Server, reason: Reason) -> dict[str, FactValue]:
    if reason is Reason.SEVERAL_SERVERS:
        return {"other_servers": case.others(server)}
    if reason is Reason.OPTION_43_ELSEWHERE and case.target:
        return {"wanted_server": case.target.name}
    return {}


def _silence(context: Context, case: _Case) -> Observation:
    facts: dict[str, FactValue] = {"adapter": case.adapter.name, **case.hearing.icmp}
    if case.lease.server and case.client.address:
        return _said(context, "", (Outcome.OK, Reason.NOT_KNOWN), facts | {"lease_server": case.lease.server})
    if not case.client.address:
        facts |= _suspicion(context, case.adapter)
    return _said(context, "", (Outcome.WARNING, Reason.SILENT), facts)


def _suspicion(context: Context, before: Adapter) -> dict[str, FactValue]:
    after = next((a for a in context.host.adapters() if a.name == before.name), before)
    return suspicion(before, after, context.host.boot_record())


def _second_way(context: Context, adapter: Adapter, failure: PathFailure, client: pxe.Client) -> Observation:
    """Where port 67 cannot be used, Windows' own DHCP client can be asked; it knows one server only."""
    facts: dict[str, FactValue] = {"adapter": adapter.name, **failure.facts}
    if not client.address:
        # What it would send, an INFORM, needs one (RFC 2131 section 4.4.3).
        return _said(context, "", (Outcome.SKIPPED, failure.reason), facts | _suspicion(context, adapter))
    options = _asked_of_windows(client.address)
    if not options:
        return _said(context, "", (Outcome.SKIPPED, failure.reason), facts)
    facts |= {"via": "system"} | {name: value for name, value in options.items() if value}
    return _said(context, options["server_id"], (Outcome.OK, Reason.ANSWERED), facts)


def _asked_of_windows(address: str) -> dict[str, str]:
    if sys.platform == "win32":
        from pe_agent.host.win_dhcp import boot_options  # noqa: PLC0415 - its module needs Windows

        return boot_options(address)
    return {}


def _said(context: Context, target: str, said: tuple[Outcome, Reason], facts: dict[str, FactValue]) -> Observation:
    return Observation(PROBE, target, *said, context.clock_s(), 0.0, facts)
