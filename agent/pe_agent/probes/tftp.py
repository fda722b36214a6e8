"""Does the real boot file come by TFTP, how large are the packets that arrive, and can this machine run it?

Only the first block is fetched, then the transfer is ended. Silence cannot be told from a firewall that lets the
request pass and drops the answer, which comes from another port of the server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from pe_agent.codec import dhcp, pxe, tftp
from pe_agent.codec.pe_header import file_architecture
from pe_agent.errors import DecodeError
from pe_agent.observed import FactValue, Observation, Outcome, Reason
from pe_agent.probes.contract import Context
from pe_agent.probes.pxe import asked_architecture
from pe_agent.probes.target import resolve
from pe_agent.transport.passes import Answer, observe
from pe_agent.transport.path import Deadline, Endpoint, PathFailure
from pe_agent.transport.tftp import FirstBlock, Refused, fetch_first_block

PROBE = "tftp"
# One Ethernet frame holds 1456; 512 passes every tunnel; 8192 needs fragments. Windows boot images use such sizes.
_USUAL_BYTES, _SMALL_BYTES, _LARGE_BYTES = 1456, 512, 8192
# Blocks, each of four packets, that tell a path that loses some packets from one that drops large ones or fragments.
_ASKED_FOR_LOSS = 3
_PATIENCE_S = 1.3
# A neighbour or router that is not there is told 3.1 to 3.4 s after the first packet, and to an open socket only.
_LAST_PATIENCE_S = 2.3
_USUAL_FILES = {"uefi": "boot\\x64\\wdsmgfw.efi", "bios": "boot\\x64\\wdsnbp.com"}
_MOST_ENDPOINTS = 4
_ERRORS = {tftp.FILE_NOT_FOUND: Reason.FILE_NOT_FOUND, tftp.ACCESS_VIOLATION: Reason.ACCESS_DENIED}


@dataclass(frozen=True, slots=True)
class BootFile:
    """A file to ask for. `named_by` is `boot_record`, `lease`, `dhcp` or `pxe`, and `guess` when nobody names one."""

    name: str
    named_by: str

    @property
    def octets(self) -> bytes:
        """The name as it stood in the option: an option is octets, and latin-1 keeps each of them."""
        return self.name.encode("latin-1", "replace")


def run(context: Context) -> Iterator[Observation]:
    """One observation for each server, at once where boot record or lease name a file; the target is one of them."""
    named = [*_in_boot_record(context), *_in_leases(context)]
    yield from _observe(context, boot_files(context) if named else {})


def run_named_later(context: Context) -> Iterator[Observation]:
    """The same for what only offers and boot servers name, and for the usual file where nobody names one."""
    asked = {o.target for o in context.earlier if o.probe == PROBE}
    files = boot_files(context)
    yield from _observe(context, {endpoint: files[endpoint] for endpoint in files if str(endpoint) not in asked})


def boot_files(context: Context) -> dict[Endpoint, BootFile]:
    """Which file to ask of which server: as firmware was told, as lease, DHCP and boot servers say, or the usual."""
    named = [*_in_boot_record(context), *_in_leases(context), *_in_answers(context)]
    found: dict[Endpoint, BootFile] = {}
    for server, file in named:
        for address in resolve(server, context)[:1]:
            found.setdefault(Endpoint(address, tftp.PORT), file)
    usual = BootFile(_USUAL_FILES.get(context.host.architecture().firmware_type, _USUAL_FILES["bios"]), "guess")
    for address in context.target.addresses if context.target else ():
        found.setdefault(Endpoint(address, tftp.PORT), BootFile(named[0][1].name, "guess") if named else usual)
    return dict(list(found.items())[:_MOST_ENDPOINTS])


def _observe(context: Context, files: dict[Endpoint, BootFile]) -> Iterator[Observation]:
    architecture = asked_architecture(context.host)

    def talk(endpoint: Endpoint, deadline: Deadline, number: int) -> Answer:
        return _asked(endpoint, files[endpoint], architecture, (deadline, number))

    deadline = Deadline(context.clock_s, context.deadline_at_s)
    yield from observe(PROBE, list(files), talk, deadline, context.host)


def _in_boot_record(context: Context) -> list[tuple[str, BootFile]]:
    """What the firmware was told: the boot server's reply, else the DHCP ACK."""
    record = context.host.boot_record()
    found = []
    for octets in (record.boot_reply, record.dhcp_ack) if record else ():
        with contextlib.suppress(DecodeError):
            message = dhcp.decode_message(octets)
            if message.boot_server and message.boot_file:
                found.append((message.boot_server, BootFile(message.boot_file, "boot_record")))
    return found


def _in_leases(context: Context) -> list[tuple[str, BootFile]]:
    leases = (adapter.lease for adapter in context.host.adapters() if adapter.link_up)
    return [(x.boot_server, BootFile(x.boot_file, "lease")) for x in leases if x and x.boot_server and x.boot_file]


def _in_answers(context: Context) -> list[tuple[str, BootFile]]:
    found = []
    for observation in context.earlier:
        file = str(observation.facts.get("boot_file", ""))
        if observation.probe not in {"dhcp", "pxe"} or not file:
            continue
        server = observation.facts.get("boot_server") or observation.facts.get("server_id")
        if server:
            found.append((str(server), BootFile(file, observation.probe)))
    return found


def _asked(endpoint: Endpoint, file: BootFile, architecture: int, attempt: tuple[Deadline, int]) -> Answer:
    deadline, number = attempt
    facts: dict[str, FactValue] = {"server": endpoint.address, "boot_file": file.name, "named_by": file.named_by}
    # What nobody named and nobody offers may well be served under another name, or need not be served at all.
    bad = Outcome.WARNING if file.named_by == "guess" else Outcome.FAILED
    ask = _Ask(endpoint, file.octets, deadline)
    try:
        first = ask.block(_USUAL_BYTES) if number == 1 else ask.small_then_usual()
        facts |= _block_facts(first)
        if first.tsize is not None and first.tsize > _LARGE_BYTES and not ask.passes_fragments():
            facts |= {"lost_block_bytes": _LARGE_BYTES}
            if first.repeats or ask.loses_packets(_USUAL_BYTES):
                return Answer(Outcome.WARNING, Reason.UNCERTAIN, facts)
            return Answer(Outcome.WARNING, Reason.LARGE_DATA_LOST, facts | {"fragments_dropped": True})
    except Refused as refused:
        facts |= {"tftp_error": refused.error.code, "tftp_text": refused.error.text[:200]}
        return Answer(bad, _ERRORS.get(refused.error.code, Reason.NOT_KNOWN), facts)
    except PathFailure as failure:
        facts |= failure.facts
        lost = failure.reason is Reason.LARGE_DATA_LOST
        weak = failure.reason in {Reason.SILENT, Reason.UNCERTAIN}
        return Answer(Outcome.FAILED if lost else Outcome.WARNING if weak else bad, failure.reason, facts)
    return _judged(first, architecture, facts)


def _judged(first: FirstBlock, architecture: int, facts: dict[str, FactValue]) -> Answer:
    facts |= {"arch93": architecture}
    try:
        kind = file_architecture(first.octets)
    except DecodeError as exc:
        return Answer(Outcome.OK, Reason.ANSWERED, facts | {"detail": str(exc)})
    facts |= {"file_architecture": kind}
    if not pxe.runs_on(kind, architecture):
        return Answer(Outcome.WARNING, Reason.MISMATCH, facts)
    return Answer(Outcome.OK, Reason.ANSWERED, facts)


def _block_facts(first: FirstBlock) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {
        "server_port": first.server_port,
        "block_bytes": first.block_bytes,
        "rtt_s": round(first.after_s, 6),
    }
    return facts | ({} if first.tsize is None else {"size_bytes": first.tsize})


class _Ask:
    """Requests for one file of one server, with blocks of different sizes."""

    def __init__(self, endpoint: Endpoint, name: bytes, deadline: Deadline) -> None:
        self._endpoint, self._name, self._deadline = endpoint, name, deadline

    def block(self, block_bytes: int, patience_s: float = _PATIENCE_S) -> FirstBlock:
        """The first block, or PathFailure: silent when it does not come."""
        return fetch_first_block(self._endpoint, self._name, block_bytes, self._deadline.within(patience_s))

    def small_then_usual(self) -> FirstBlock:
        """The usual block once more, after a small one has shown that the server answers at all.

        Raises:
            PathFailure: large-data-lost when only small ones arrive, twice; uncertain when small packets are lost
                too; else what `block` meets.
        """
        lost_small = False
        for _ in range(2):
            small = self.block(_SMALL_BYTES, _LAST_PATIENCE_S)
            try:
                return self.block(_USUAL_BYTES)
            except PathFailure as failure:
                if failure.reason is not Reason.SILENT:
                    raise
                # The server agrees to a large block in a small packet.
                lost_small |= small.repeats > 0 or "granted_block_bytes" not in failure.facts
        facts = _block_facts(small) | {"lost_block_bytes": _USUAL_BYTES}
        lost_small = lost_small or self.loses_packets(_SMALL_BYTES)
        raise PathFailure(Reason.UNCERTAIN if lost_small else Reason.LARGE_DATA_LOST, facts)

    def loses_packets(self, block_bytes: int) -> bool:
        """Whether blocks of this size are lost by chance: then larger ones, in more packets, are lost more often."""
        try:
            return any(self.block(block_bytes).repeats for _ in range(_ASKED_FOR_LOSS))
        except PathFailure:
            return True

    def passes_fragments(self) -> bool:
        """False when the server agrees to a block of several fragments and then none arrives."""
        try:
            self.block(_LARGE_BYTES)
        except PathFailure as failure:
            return failure.reason is not Reason.SILENT or failure.facts.get("granted_block_bytes") != _LARGE_BYTES
        except Refused:
            pass
        return True
