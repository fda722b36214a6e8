"""How is an answer said in one line? Plain ASCII for consoles, whatever came from logs and from the wire."""

from __future__ import annotations

import re

from pe_agent.model import Event, FactValue, Observation

# Facts that stand elsewhere in the line, are too long for one, or help nobody who reads it.
_NOT_IN_LINE = frozenset(
    {
        "adapter",
        "traceback",
        "pass",
        "bytes_received",
        "errno",
        "port",
        "server",
        "retransmits",
        "status",
        "received_frames",
        "server_addresses",
        "rpc_address",
        "link_up",
        "server_guid",
        "large_bytes",
        "small_bytes",
        "option43",
        "siaddr",
        "arch93",
        "offered_address",
        "address_source",
        "adapter_count",
        "hop_count",
    }
)
_MOST_FACTS = 8
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# C0 and C1 controls, zero-width and bidirectional marks (UAX #9), line separators, byte order mark.
_BREAKS = re.compile(r"[\t\n\r\x0b\x0c\u2028\u2029]+")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def clean(text: str) -> str:
    """One line of visible ASCII: escape sequences and invisible characters go, other letters become \\xNN forms."""
    text = _UNSEEN.sub("", _BREAKS.sub(" ", _ESCAPES.sub("", text)))
    return text.rstrip().encode("ascii", "backslashreplace").decode("ascii")


def value_text(value: FactValue) -> str:
    """A fact for a sentence: three digits of a fraction below one, else one decimal."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"
    return str(value)


def describe(observation: Observation) -> str:
    """What a probe answered and the facts that matter, without its name and target."""
    told = observation.facts.items()
    facts = [(name, value) for name, value in told if name not in _NOT_IN_LINE and (name, value) != ("apipa", False)]
    shown = ", ".join(f"{name}={value_text(value)}" for name, value in facts[:_MOST_FACTS])
    return f"{observation.reason} ({shown})" if shown else str(observation.reason)


def describe_event(event: Event) -> str:
    """What happened to an adapter."""
    return f"{event.kind} {event.detail}".rstrip() + (" (recovered)" if event.recovered else "")
