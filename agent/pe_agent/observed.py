"""What a probe answers, and when: values only, no IO, standard library only. The rest of a report is in `model`.

Apart from that because the first probe waits until these classes are made, each for a millisecond of a slow machine.
Times named `_at_s` are seconds since the machine booted, on a monotonic clock; wall clocks are labels, because the
clock and time zone of Windows PE are wrong more often than not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

FactValue = str | int | float | bool


class Outcome(StrEnum):
    """How a probe ended. `warning` is a state that can break a deployment; `failed` one that does."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    CRASHED = "crashed"


class Reason(StrEnum):
    """Why a probe ended as it did: one word from this closed set (additions only)."""

    ANSWERED = "answered"
    # paths
    REFUSED = "refused"
    FILTERED = "filtered"
    REJECTED = "rejected"
    NO_ROUTE = "no-route"
    NO_ADDRESS = "no-address"
    UNREACHABLE = "unreachable"
    UNRESOLVED = "unresolved"
    ACCESS_DENIED = "access-denied"
    # what came back
    SILENT = "silent"
    RESET = "reset"
    TRUNCATED = "truncated"
    NOT_RPC = "not-rpc"
    NOT_REGISTERED = "not-registered"
    BIND_REJECTED = "bind-rejected"
    MALFORMED = "malformed"
    LARGE_DATA_LOST = "large-data-lost"
    UNCERTAIN = "uncertain"
    NOT_SMB = "not-smb"
    CLOCK_SKEW = "clock-skew"
    # names
    NO_SUCH_NAME = "no-such-name"
    NAME_REFUSED = "name-refused"
    NAME_SERVER_FAILED = "name-server-failed"
    STALE_NAME = "stale-name"
    NO_NAME_SERVER = "no-name-server"
    # size of packets
    MTU_TOO_SMALL = "mtu-too-small"
    # DHCP, PXE and TFTP
    SEVERAL_SERVERS = "several-servers"
    RELAY_MISSING = "relay-missing"
    NO_BOOT_SERVER = "no-boot-server"
    OPTION_60_WRONG = "option-60-wrong"
    OPTION_43_ELSEWHERE = "option-43-elsewhere"
    FILE_NOT_FOUND = "file-not-found"
    # adapters and addresses
    NO_ADAPTER = "no-adapter"
    NO_LINK = "no-link"
    APIPA_ONLY = "apipa-only"
    LATE_ADDRESS = "late-address"
    DUPLICATE_ADDRESS = "duplicate-address"
    NO_DRIVER = "no-driver"
    DEAD_PORT = "dead-port"
    WRONG_VLAN = "wrong-vlan"
    SPANNING_TREE = "spanning-tree"
    # machine and image
    MATCHES = "matches"
    MISMATCH = "mismatch"
    # logs
    EMPTY = "empty"
    # why nothing was tried
    NO_TARGET = "no-target"
    NOT_NEEDED = "not-needed"
    NOT_SUPPORTED = "not-supported"
    NOT_KNOWN = "not-known"
    TIMED_OUT = "timed-out"
    INTERNAL = "internal"


class EventKind(StrEnum):
    """What can happen to an adapter."""

    PRESENT = "present"
    LINK_UP = "link-up"
    LINK_DOWN = "link-down"
    FIRST_FRAME = "first-frame"
    APIPA = "apipa"
    OFFER = "offer"
    LEASE = "lease"
    ADDRESS = "address"
    ADDRESS_LOST = "address-lost"
    DUPLICATE = "duplicate"
    GATEWAY = "gateway"
    DHCP_STARTED = "dhcp-started"
    DHCP_DONE = "dhcp-done"
    NO_ADAPTER = "no-adapter"


@dataclass(frozen=True, slots=True)
class Clock:
    """A machine's clocks at one moment. `wall_ms` is Unix time as the machine believes it."""

    uptime_s: float
    wall_ms: int
    utc_offset_min: int = 0


def _no_facts() -> Mapping[str, FactValue]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer of one probe about one target.

    Fact names are lower_case words and carry their unit (`rtt_s`, `lease_s`, `block_bytes`).
    `target` is what was asked: `10.10.9.20:5040`, an adapter's name, or empty for the machine itself.
    """

    probe: str
    target: str
    outcome: Outcome
    reason: Reason
    started_at_s: float = 0.0
    elapsed_s: float = 0.0
    facts: Mapping[str, FactValue] = field(default_factory=_no_facts)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an adapter. `recovered`: read from the system afterwards, not watched."""

    at_s: float
    adapter: str
    kind: EventKind
    detail: str = ""
    recovered: bool = False
