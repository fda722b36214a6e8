"""What do the answers about one server, and the timeline, say about each other?

A signature looks at one observation. What it must know of the others is added here as facts: the port's role, whether
the endpoint mapper was reached, where on the path packets are lost, when the address came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from pe_agent.model import Event, EventKind, FactValue, Observation, Outcome, Reason

# Switches with spanning tree keep a port silent for 30 s; a lease takes a second or two.
LATE_AFTER_S = 15.0
USUAL_RPC_PORT = 5040

_MAPPER, _WDS, _TRACE = "endpoint-mapper", "wds-rpc", "path-trace"
_NOTHING_CAME = frozenset({Reason.FILTERED, Reason.UNREACHABLE})


@dataclass(frozen=True, slots=True)
class Related:
    """An observation as it was made, the same with what the others add to it, and those that support it."""

    made: Observation
    seen: Observation
    beside: tuple[Observation, ...] = ()


def relate(observations: Sequence[Observation], events: Sequence[Event]) -> tuple[Related, ...]:
    """Every observation with its added facts; a port that WDS does not use says nothing and is left out."""
    paths = _Paths(observations)
    pairs = []
    for made in observations:
        if made.probe in (_MAPPER, _WDS):
            if not paths.is_unused(made):
                pairs.append(Related(made, _with(made, paths.facts(made)), paths.traces_of(made)))
        elif made.probe == "address":
            pairs.append(Related(made, _with_wait(made, events)))
        else:
            pairs.append(Related(made, made))
    return tuple(pairs)


class _Paths:
    """The answers of one run that are about servers."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._mapper = {_address(o.target): o for o in observations if o.probe == _MAPPER}
        self._wds = [o for o in observations if o.probe == _WDS and o.target]
        self._traces = {o.target: o for o in observations if o.probe == _TRACE}
        target = next((o for o in observations if o.probe == "target"), None)
        self._name = str(target.facts.get("server", "")) if target else ""
        self._usual = target.facts.get("rpc_port", USUAL_RPC_PORT) if target else USUAL_RPC_PORT

    def is_unused(self, made: Observation) -> bool:
        """Whether the mapper names another port, and that one was asked too."""
        named = self._named_port(_address(made.target))
        if made.probe != _WDS or named is None or named == _port(made.target):
            return False
        return any(_port(o.target) == named for o in self._at(_address(made.target)))

    def facts(self, made: Observation) -> dict[str, FactValue]:
        address = _address(made.target)
        port = _port(made.target)
        mapper = self._mapper.get(address)
        answering = {_address(o.target) for o in self._wds if o.reason is Reason.ANSWERED}
        facts: dict[str, FactValue] = {
            "server": self._name if self._name in ("", address) else f"{self._name} ({address})",
            "usual_port": self._usual,
            "mapper_silent": mapper is not None and mapper.reason in _NOTHING_CAME,
            "mapper_reached": mapper is not None and mapper.reason not in _NOTHING_CAME,
            "wds_answers": address in answering,
            "answers_elsewhere": bool(answering - {address}),
            "port_moved": self._named_port(address) == port != self._usual,
            "where": self._where(made.target),
            "refuser": made.facts.get("icmp_from", "a device that does not show itself"),
            "refusal": "by a rule of its own",
            "spoken": made.facts.get("spoken", "malformed"),
        }
        facts["server"] = facts["server"] or address or "the server"
        if "icmp_type" in made.facts:
            facts["refusal"] = f"ICMP type {made.facts['icmp_type']}, code {made.facts.get('icmp_code')}"
        return facts | ({} if port is None else {"port": port})

    def traces_of(self, made: Observation) -> tuple[Observation, ...]:
        return (self._traces[made.target],) if made.target in self._traces else ()

    def _where(self, target: str) -> str:
        trace = self._traces.get(target)
        if trace is None or "last_hop" not in trace.facts:
            return "somewhere on the path"
        where = f"after {trace.facts['last_hop']}, the last router that passes it on"
        return f"{where} (TCP {trace.facts['open_port']} gets through)" if "open_port" in trace.facts else where

    def _named_port(self, address: str) -> int | None:
        mapper = self._mapper.get(address)
        port = mapper.facts.get("rpc_port") if mapper else None
        return port if isinstance(port, int) else None

    def _at(self, address: str) -> list[Observation]:
        return [o for o in self._wds if _address(o.target) == address]


def _address(target: str) -> str:
    return target.rpartition(":")[0].strip("[]")


def _port(target: str) -> int | None:
    port = target.rpartition(":")[2]
    return int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else None


def _with(made: Observation, facts: dict[str, FactValue]) -> Observation:
    return replace(made, facts=MappingProxyType({**made.facts, **facts}))


def _with_wait(made: Observation, events: Iterable[Event]) -> Observation:
    """An address that was there when the probe looked may still have come late, as the timeline knows."""
    if made.reason is not Reason.ANSWERED:
        return _with(made, {"adapter": made.facts.get("adapter", made.target)})
    mine = [e for e in events if e.adapter == made.target]
    link_at_s = min((e.at_s for e in mine if e.kind is EventKind.LINK_UP), default=None)
    address_at_s = min((e.at_s for e in mine if e.kind is EventKind.ADDRESS), default=None)
    if link_at_s is None or address_at_s is None or address_at_s - link_at_s <= LATE_AFTER_S:
        return made
    late = replace(made, outcome=Outcome.WARNING, reason=Reason.LATE_ADDRESS)
    return _with(late, {"wait_s": address_at_s - link_at_s, "link_at_s": link_at_s, "address_at_s": address_at_s})
