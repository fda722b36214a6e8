"""Which DHCPv6 servers answer on this machine's links, and which boot program do they name for its firmware?

Most networks boot over IPv4, so silence is no finding, and neither is a server that names nothing to boot.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from pe_agent.codec import dhcpv6, pxe
from pe_agent.errors import DecodeError
from pe_agent.host import Adapter
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.probes.pxe import asked_architecture, machine_uuid
from pe_agent.transport.dhcpv6 import QUIET_S, WAIT_S, Asker, Heard, gather_answers
from pe_agent.transport.path import Deadline, PathFailure

PROBE = "dhcpv6"
_MOST_ADAPTERS = 8
_LONGEST_TEXT = 300


def run(context: Context) -> Iterator[Observation]:
    """One observation a server and adapter; one that says why there is none."""
    pairs = [(adapter, ip) for adapter in context.host.adapters() if (ip := _link_local(adapter))][:_MOST_ADAPTERS]
    if not pairs:
        yield Observation(PROBE, "", Outcome.SKIPPED, Reason.NO_ADDRESS, context.clock_s())
        return
    with ThreadPoolExecutor(len(pairs)) as pool:
        for observations in pool.map(lambda pair: list(_observed(context, *pair)), pairs):
            yield from observations


def _observed(context: Context, adapter: Adapter, address: str) -> Iterator[Observation]:
    started_at_s = context.clock_s()
    architecture = asked_architecture(context.host)
    duid = dhcpv6.client_identifier(machine_uuid(context.host), adapter.mac)
    facts: dict[str, FactValue] = {"adapter": adapter.name, "arch61": architecture}
    patience_s = WAIT_S if context.wait_for_address_s else QUIET_S
    heard: tuple[Heard, ...] = ()
    reason = Reason.SILENT
    try:
        asker = Asker(address, adapter.index, duid, architecture)
        heard = gather_answers(asker, Deadline(context.clock_s, context.deadline_at_s), patience_s)
    except PathFailure as failure:
        reason, facts = failure.reason, {**facts, **failure.facts}
    elapsed_s = context.clock_s() - started_at_s
    if not heard:
        yield Observation(PROBE, "", Outcome.SKIPPED, reason, started_at_s, elapsed_s, facts)
    for server in dict.fromkeys(h.sender for h in heard):
        told = [h for h in heard if h.sender == server]
        outcome, reason, more = _judged(told, architecture)
        target = server.partition("%")[0]
        yield Observation(PROBE, target, outcome, reason, started_at_s, elapsed_s, facts | more)


def _judged(told: list[Heard], architecture: int) -> tuple[Outcome, Reason, dict[str, FactValue]]:
    """What all answers of one server say; the one that names a boot program speaks for it."""
    best = next((h.answer for h in told if h.answer.boot_url), told[0].answer)
    url = best.boot_url[:_LONGEST_TEXT]
    facts: dict[str, FactValue] = {
        "server_id": best.first(dhcpv6.SERVER_IDENTIFIER).hex(),
        "via": ",".join(sorted({h.via for h in told})),
        "after_s": round(told[0].after_s, 6),
    }
    facts |= {"boot_url": url} if url else {}
    facts |= {"dhcp_status": best.status} if best.status else {}
    try:
        parameters = dhcpv6.decode_parameters(best.first(dhcpv6.BOOT_PARAMETERS))
    except DecodeError as exc:
        return Outcome.WARNING, Reason.MALFORMED, facts | {"detail": str(exc)}
    facts |= {"boot_parameters": " ".join(parameters)[:_LONGEST_TEXT]} if parameters else {}
    if url and pxe.names_other_firmware(_path(url), architecture):
        return Outcome.WARNING, Reason.MISMATCH, facts
    return Outcome.OK, Reason.ANSWERED, facts


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def _link_local(adapter: Adapter) -> str:
    """The address that the adapter speaks DHCPv6 from; empty when it has no link, MAC or such address."""
    if not (adapter.link_up and adapter.mac and adapter.index):
        return ""
    usable = (a.ip for a in adapter.addresses if not (a.tentative or a.duplicate))
    return next((ip.partition("%")[0] for ip in usable if ip.startswith("fe80:")), "")
