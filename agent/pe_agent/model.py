"""What one boot's report is made of: values only, no IO, standard library only.

Times named `_at_s` are seconds since the machine booted, on a monotonic clock; wall clocks are labels,
because the clock and time zone of Windows PE are wrong more often than not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pe_agent.observed import Clock, Event, EventKind, FactValue, Observation, Outcome, Reason

__all__ = [
    "Boot",
    "Clock",
    "Event",
    "EventKind",
    "Evidence",
    "FactValue",
    "Finding",
    "Identity",
    "LogChunk",
    "Observation",
    "Opening",
    "Outcome",
    "Owner",
    "Reason",
    "Record",
    "Report",
    "RuledOut",
    "Status",
    "Verdict",
    "receipt_code",
]


class Owner(StrEnum):
    """Who can repair a cause."""

    NETWORK = "network"
    DHCP = "dhcp"
    WDS_SERVER = "wds-server"
    IMAGE = "image"
    MACHINE = "machine"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """The verdict on a boot."""

    HEALTHY = "healthy"
    WARNING = "warning"
    FAULT = "fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of a log file, octet for octet as the machine has it.

    `sha256` stands on the last chunk of each reading of a file: the hash of all octets collected so far, in order.
    A gap between two chunks' offsets was left out because the file was too large.
    """

    path: str
    offset_bytes: int
    octets: bytes
    file_bytes: int
    sha256: bytes = b""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What convicts: a log line (`file`, `line` from 1, `text`) or a probe's answer (`probe`, `target`, `text`)."""

    text: str
    file: str = ""
    line: int = 0
    probe: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A recognised cause, from 0 to 1 certain, with who must act and what to do."""

    id: str
    title: str
    owner: Owner
    advice: str
    confidence: float
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A cause that the evidence excludes."""

    id: str
    title: str
    because: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one line on the screen, and what stands behind it."""

    status: Status
    title: str
    owner: Owner = Owner.UNKNOWN
    advice: str = ""
    finding_id: str = ""
    confidence: float = 0.0
    ruled_out: tuple[RuledOut, ...] = ()
    finished_at_s: float = 0.0
    signatures_sha256: bytes = b""


@dataclass(frozen=True, slots=True)
class Identity:
    """The marks of a machine, as the firmware and adapters tell them; none is unique by itself.

    `computer_name` is what the running system calls itself: Windows PE makes up another one (MININT-...) each boot.
    """

    smbios_uuid: str = ""
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    macs: tuple[str, ...] = ()
    computer_name: str = ""


@dataclass(frozen=True, slots=True)
class Boot:
    """Which boot of which image this is. Empty strings mean: not known."""

    began: Clock
    boot_id: str = ""
    image_build: str = ""
    image_name: str = ""
    os_version: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """The first thing a report says: who speaks, from which boot.

    `report_id` is 16 octets made once by the agent and kept over every retry.
    """

    report_id: bytes
    agent_version: str
    trigger: str
    identity: Identity
    boot: Boot
    protocol: int = 1


Record = Observation | Event | LogChunk | Finding | Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run found out, in the order it became known."""

    opening: Opening
    records: tuple[Record, ...] = ()

    @property
    def observations(self) -> tuple[Observation, ...]:
        """What the probes answered."""
        return tuple(r for r in self.records if isinstance(r, Observation))

    @property
    def timeline(self) -> tuple[Event, ...]:
        """What happened to the adapters, earliest first."""
        return tuple(sorted((r for r in self.records if isinstance(r, Event)), key=lambda e: e.at_s))

    @property
    def logs(self) -> tuple[LogChunk, ...]:
        """The collected log octets."""
        return tuple(r for r in self.records if isinstance(r, LogChunk))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Recognised causes, the leading one first."""
        return tuple(r for r in self.records if isinstance(r, Finding))

    @property
    def verdict(self) -> Verdict | None:
        """The closing summary; None while the run goes on, or when it was cut off."""
        return next((r for r in self.records if isinstance(r, Verdict)), None)


def receipt_code(report_id: bytes) -> str:
    """Six characters that name a report on the phone, as in `7F3K-Q2` (Crockford base 32, 30 bits).

    Taken from the random tail of the identifier, so that agent and collector agree without asking.
    """
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = int.from_bytes(report_id[-4:], "big") >> 2
    letters = [alphabet[(number >> shift) & 31] for shift in range(25, -1, -5)]
    return "".join(letters[:4]) + "-" + "".join(letters[4:])
