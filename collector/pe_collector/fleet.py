"""A made-up fleet for the demo: which reports would it send, healthy but for a little noise and one fault?

Everything follows from the seed. No real machine, address or log is in it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pe_agent import wire
from pe_agent.model import (
    Boot,
    Clock,
    Event,
    EventKind,
    Evidence,
    FactValue,
    Finding,
    Identity,
    LogChunk,
    Observation,
    Opening,
    Outcome,
    Owner,
    Reason,
    Record,
    Status,
    Verdict,
)
from pe_protos.v1 import report_pb2 as pb

FAULT_PREFIX = "10.10.16.0/20"
FAULT_SERVER = "WDS01"
FAULT_SIGNATURE = "wds-rpc-filtered"
NOISE = 0.01
_FAULT_AGE_S = 6 * 3600.0
_WINDOW_S = 24 * 3600.0
# Windows PE believes it is in the Pacific time zone, wherever it is.
_UTC_OFFSET_MIN = -480
_ADAPTER = "Ethernet"
_LOG_PATH = r"X:\Windows\Panther\setupact.log"
_MODELS = (("Dell Inc.", "OptiPlex 7010"), ("Dell Inc.", "Latitude 5440"), ("HP", "EliteDesk 800"), ("LENOVO", "T14"))
_IMAGES = ("boot-2026-08", "boot-2026-10")
_NO_SESSION = "CreateClientSession: Failed to create client session. Error code [0x800706BA].[gle=0x000006ba]"
_NO_LOGGING = (
    "CreateClientSession: Failed to initialize Client -> Server logging. Error code [0x800706BA].[gle=0x000006ba]"
)
_NO_MODE = (
    "CallBack_WdsClient_DetectWdsMode: Failed to create client session or initialize WDS unattend. "
    "Error [0x800706BA].[gle=0x000006ba]"
)
# Seconds after setup began, level, text.
_LOG_LINES = (
    (0, "Info", "InitializeLogging: RPC_S_SERVER_UNAVAILABLE - Retrying server request for initializing logging."),
    (21, "Error", _NO_LOGGING),
    (21, "Error", _NO_SESSION),
    (21, "Error", _NO_MODE),
)


@dataclass(frozen=True, slots=True)
class _Site:
    server: str
    server_address: str
    dhcp_server: str
    subnets: tuple[str, ...]


_BLOCKED = ("10.10.16.0/24", "10.10.20.0/22", "10.10.24.0/23", "10.10.30.0/24")
_OPEN = ("10.10.1.0/24", "10.10.2.0/24", "10.10.4.0/23", "10.10.40.0/24")
_SITES = (
    _Site(FAULT_SERVER, "10.10.9.20", "10.10.9.10", _OPEN + _BLOCKED),
    _Site("WDS02", "10.20.9.20", "10.20.9.10", ("10.20.1.0/24", "10.20.2.0/25", "10.20.4.0/22")),
    _Site("WDS03", "10.30.9.20", "10.30.9.10", ("10.30.1.0/24", "10.30.2.0/24", "10.30.16.0/22")),
)


@dataclass(frozen=True, slots=True)
class _Machine:
    identity: Identity
    site: _Site
    subnet: ipaddress.IPv4Network
    address: str


@dataclass(frozen=True, slots=True)
class _Run:
    """One boot: `began_s` is Unix time, the others are seconds since the machine booted; `fault` is what goes wrong."""

    machine: _Machine
    image: str
    began_s: float
    wait_s: float
    rtt_s: float
    fault: str

    @property
    def answered_at_s(self) -> float:
        """When the paths were asked."""
        return 12.0 + self.wait_s

    @property
    def rpc_target(self) -> str:
        """The server's address and RPC port."""
        return f"{self.machine.site.server_address}:5040"


def write_fleet(path: Path, seed: int, machines: int, boots: int, now_s: float) -> int:
    """Write a fleet as JSON Lines, as `pe-collector import` reads them; how many reports.

    Raises:
        OSError: the file cannot be written.
    """
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for report in simulate_fleet(seed, machines, boots, now_s):
            lines.write(wire.report_to_json(report) + "\n")
            written += 1
    return written


def simulate_fleet(seed: int, machines: int, boots: int, now_s: float) -> Iterator[pb.Report]:
    """The reports of the day before `now_s` (Unix seconds), in order of time.

    For the last six hours TCP 5040 from FAULT_PREFIX to FAULT_SERVER is filtered.
    """
    rng = random.Random(seed)  # noqa: S311 - a demo that can be repeated, no secret
    fleet = [_machine(rng, n) for n in range(machines)]
    for began_s in sorted(now_s - rng.uniform(120.0, _WINDOW_S) for _ in range(boots)):
        yield _report(rng, _boot(rng, rng.choice(fleet), began_s, now_s))


def _machine(rng: random.Random, number: int) -> _Machine:
    site = _SITES[number % len(_SITES)]
    subnet = ipaddress.IPv4Network(site.subnets[number // len(_SITES) % len(site.subnets)])
    manufacturer, model = rng.choice(_MODELS)
    mac = f"02:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}:{rng.randrange(65536):04x}"
    marks = Identity(
        smbios_uuid=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        serial=f"DEMO{number:06d}",
        manufacturer=manufacturer,
        model=model,
        macs=(f"{mac[:-2]}:{mac[-2:]}",),
        computer_name=f"MININT-{number:07X}",
    )
    return _Machine(marks, site, subnet, str(subnet[rng.randrange(10, subnet.num_addresses - 2)]))


def _boot(rng: random.Random, machine: _Machine, began_s: float, now_s: float) -> _Run:
    blocked = machine.site.server == FAULT_SERVER and machine.subnet.subnet_of(ipaddress.IPv4Network(FAULT_PREFIX))
    noisy = rng.choice(("wds-rpc-refused", "no-address")) if rng.random() < NOISE else ""
    fault = FAULT_SIGNATURE if blocked and began_s >= now_s - _FAULT_AGE_S else noisy
    return _Run(machine, rng.choice(_IMAGES), began_s, rng.uniform(1.5, 6.0), rng.uniform(0.0004, 0.004), fault)


def _report(rng: random.Random, run: _Run) -> pb.Report:
    began = Clock(8.0, int(run.began_s * 1000), _UTC_OFFSET_MIN)
    boot = Boot(began, f"{rng.getrandbits(64):016x}", run.image, run.image, "10.0.26100")
    opening = Opening(_report_id(rng, began.wall_ms), "0.1.0", "auto", run.machine.identity, boot)
    records = [*_records(run)]
    verdict = next(r for r in records if isinstance(r, Verdict))
    sent = replace(began, uptime_s=verdict.finished_at_s)
    sent = replace(sent, wall_ms=began.wall_ms + int((sent.uptime_s - began.uptime_s) * 1000))
    frames = [wire.encode_record(n, record) for n, record in enumerate(records, start=1)]
    return wire.frames_to_report([wire.encode_hello(opening, sent), *frames])


def _report_id(rng: random.Random, wall_ms: int) -> bytes:
    """UUID version 7 (RFC 9562 5.7), its random bits from the seed."""
    number = (wall_ms & (1 << 48) - 1) << 80 | rng.getrandbits(80)
    number = number & ~(0xF << 76) | 7 << 76
    return (number & ~(3 << 62) | 2 << 62).to_bytes(16, "big")


def _records(run: _Run) -> Iterator[Record]:
    yield Event(8.0, _ADAPTER, EventKind.LINK_UP)
    if run.fault == "no-address":
        yield from _without_address(run)
        return
    yield Event(8.0 + run.wait_s, _ADAPTER, EventKind.ADDRESS, f"{run.machine.address}/{run.machine.subnet.prefixlen}")
    yield _address(run)
    yield _architecture()
    yield _target(run)
    yield _endpoint_mapper(run)
    yield from {FAULT_SIGNATURE: _filtered, "wds-rpc-refused": _refused}.get(run.fault, _healthy)(run)


def _address(run: _Run) -> Observation:
    facts: dict[str, FactValue] = {
        "adapter": _ADAPTER,
        "address": run.machine.address,
        "prefix_length": run.machine.subnet.prefixlen,
        "gateway": str(run.machine.subnet[1]),
        "dhcp_server": run.machine.site.dhcp_server,
        "mac": run.machine.identity.macs[0],
        "link_up": True,
        "wait_s": run.wait_s,
    }
    return Observation("address", _ADAPTER, Outcome.OK, Reason.ANSWERED, 8.0, run.wait_s, facts)


def _architecture() -> Observation:
    facts: dict[str, FactValue] = {"cpu": "x64", "firmware": "x64", "firmware_type": "uefi", "image": "x64"}
    return Observation("architecture", "", Outcome.OK, Reason.MATCHES, 8.0, 0.001, facts)


def _target(run: _Run) -> Observation:
    site = run.machine.site
    facts: dict[str, FactValue] = {
        "server": site.server,
        "server_address": site.server_address,
        "server_addresses": site.server_address,
        "source": "boot_record",
        "rpc_port": 5040,
    }
    return Observation("target", site.server, Outcome.OK, Reason.ANSWERED, run.answered_at_s - 0.1, 0.01, facts)


def _endpoint_mapper(run: _Run) -> Observation:
    facts: dict[str, FactValue] = {**_peer(run, 135), "rpc_port": 5040}
    target = f"{run.machine.site.server_address}:135"
    at_s = run.answered_at_s
    return Observation("endpoint-mapper", target, Outcome.OK, Reason.ANSWERED, at_s, 3 * run.rtt_s, facts)


def _peer(run: _Run, port: int) -> dict[str, FactValue]:
    return {"server": run.machine.site.server, "port": port, "rtt_s": run.rtt_s}


def _healthy(run: _Run) -> Iterator[Record]:
    at_s, facts = run.answered_at_s, _peer(run, 5040)
    yield Observation("wds-rpc", run.rpc_target, Outcome.OK, Reason.ANSWERED, at_s, 3 * run.rtt_s, facts)
    yield Verdict(Status.HEALTHY, "The path to the deployment server is healthy", finished_at_s=at_s + 1.0)


def _filtered(run: _Run) -> Iterator[Record]:
    at_s, last_hop = run.answered_at_s, str(run.machine.subnet[1])
    facts: dict[str, FactValue] = {"server": run.machine.site.server, "port": 5040}
    yield Observation("wds-rpc", run.rpc_target, Outcome.FAILED, Reason.FILTERED, at_s, 4.0, facts)
    hop: dict[str, FactValue] = {"last_hop": last_hop, "open_port": 135}
    yield Observation("path-trace", run.rpc_target, Outcome.WARNING, Reason.FILTERED, at_s + 4.0, 2.0, hop)
    log = _log(run)
    yield log
    evidence = (
        Evidence("filtered", probe="wds-rpc", target=run.rpc_target),
        Evidence(log.octets.decode().splitlines()[1], file=_LOG_PATH, line=2),
    )
    title = f"TCP 5040 to {run.machine.site.server} is filtered after {last_hop}, TCP 135 is open"
    advice = f"Let TCP 5040 from {run.machine.subnet} to {run.machine.site.server_address} pass."
    yield from _fault(Finding(FAULT_SIGNATURE, title, Owner.NETWORK, advice, 0.95, evidence), at_s + 7.0)


def _refused(run: _Run) -> Iterator[Record]:
    at_s, facts = run.answered_at_s, _peer(run, 5040)
    yield Observation("wds-rpc", run.rpc_target, Outcome.FAILED, Reason.REFUSED, at_s, run.rtt_s, facts)
    evidence = (Evidence("refused", probe="wds-rpc", target=run.rpc_target),)
    title, advice = f"{run.machine.site.server} refuses TCP 5040", "Start the service WDSServer."
    yield from _fault(Finding("wds-rpc-refused", title, Owner.WDS_SERVER, advice, 0.9, evidence), at_s + 1.0)


def _without_address(run: _Run) -> Iterator[Record]:
    facts: dict[str, FactValue] = {"adapter": _ADAPTER, "mac": run.machine.identity.macs[0], "link_up": True}
    yield Observation("address", _ADAPTER, Outcome.FAILED, Reason.NO_ADDRESS, 8.0, 60.0, facts)
    yield _architecture()
    evidence = (Evidence("no-address", probe="address", target=_ADAPTER),)
    advice = "Look for the DHCP relay of this subnet."
    yield from _fault(Finding("no-address", "No address in 60 s", Owner.DHCP, advice, 0.9, evidence), 69.0)


def _fault(finding: Finding, finished_at_s: float) -> Iterator[Record]:
    yield finding
    yield Verdict(
        Status.FAULT, finding.title, finding.owner, finding.advice, finding.id, finding.confidence, (), finished_at_s
    )


def _log(run: _Run) -> LogChunk:
    """The four lines of a client that cannot reach WDS, in the columns of setupact.log and in PE's local time."""
    began_s = run.began_s + run.answered_at_s - 8.0 + _UTC_OFFSET_MIN * 60
    stamped = ((datetime.fromtimestamp(began_s + after_s, UTC), level, text) for after_s, level, text in _LOG_LINES)
    lines = [f"{at:%Y-%m-%d %H:%M:%S}, {level:<10} {'':10} {'':6} {text}\r\n" for at, level, text in stamped]
    octets = "".join(lines).encode()
    return LogChunk(_LOG_PATH, 0, octets, len(octets), hashlib.sha256(octets).digest())
