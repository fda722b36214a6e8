"""What a probe is given and what it may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from pe_agent.host import Host
from pe_agent.observed import Event, Observation, Outcome, Reason
from pe_agent.timeline import Timeline

WDS_RPC_PORT = 5040
ENDPOINT_MAPPER_PORT = 135
# Kerberos refuses a client whose clock is further off ([MS-KILE] 3.1.5.11, RFC 4120 section 3.1.3).
CLOCK_SKEW_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Target:
    """The deployment server and how it was learnt.

    `source` is one of `option`, `boot_record`, `dhcp`, `config`, `offer`. `name` stands for `addresses`.
    """

    name: str
    addresses: tuple[str, ...]
    source: str
    rpc_port: int = WDS_RPC_PORT


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for: `server` as typed, `configured_server` from agent.toml; empty when not given."""

    server: str = ""
    configured_server: str = ""
    rpc_port: int = WDS_RPC_PORT


class Phase(IntEnum):
    """Probes of one phase run at the same time; a phase sees what the earlier ones observed."""

    MACHINE = 1
    TARGET = 2
    PATHS = 3
    FOLLOW_UP = 4


@dataclass(frozen=True, slots=True)
class Context:
    """One run. `clock_s` is seconds since boot; `deadline_at_s` is on that clock and absolute.

    `timeline` is what the run has watched of the adapters; who looks goes on where the one before has ended.
    """

    host: Host
    clock_s: Callable[[], float]
    deadline_at_s: float
    target: Target | None = None
    wanted: Wanted = field(default_factory=Wanted)
    earlier: tuple[Observation, ...] = ()
    wait_for_address_s: float = 0.0
    late_after_s: float = 15.0
    timeline: Timeline = field(default_factory=Timeline)

    def left_s(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline_at_s - self.clock_s())


ProbeResult = Iterable[Observation | Event]


@dataclass(frozen=True, slots=True)
class Probe:
    """A row of the table of probes.

    `deadline_s` bounds the whole probe, not each step; `waits` adds the time granted for an address to it.
    """

    name: str
    question: str
    run: Callable[[Context], ProbeResult] = field(repr=False)
    phase: Phase
    deadline_s: float
    needs_target: bool = True
    waits: bool = False


def judged_skew(skew_s: float | None) -> tuple[Outcome, Reason]:
    """What a difference between this clock and a server's means; None is not known."""
    if skew_s is not None and abs(skew_s) > CLOCK_SKEW_LIMIT_S:
        return Outcome.WARNING, Reason.CLOCK_SKEW
    return Outcome.OK, Reason.ANSWERED
