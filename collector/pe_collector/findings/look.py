"""One look at the stored boots: which patterns are in them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pe_collector.boots import Boot, boots_since
from pe_collector.connection import Connection
from pe_collector.findings.filters import Filters
from pe_collector.findings.pairs import fault_or_well, pairs
from pe_collector.findings.pattern import Pattern
from pe_collector.findings.rows import Seen, with_telling_values
from pe_collector.findings.search import search
from pe_collector.findings.server_events import with_server_events
from pe_collector.findings.silence import silence_of, silent_boots
from pe_collector.findings.slow import warning_or_slow
from pe_collector.findings.stages import fault_of, same_class

FAULT, WARNING, SILENCE = "fault", "warning", "silence"
# Fewer machines make no pattern, so nothing is searched for.
_FEWEST_MACHINES = 4
# Two patterns are one when so much of the smaller one's machines lies in the other.
_SAME = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """The boots that were looked at, in order of time, and the patterns in them, the clearest first."""

    boots: tuple[Boot, ...]
    patterns: tuple[Pattern, ...]


def look(connection: Connection, filters: Filters) -> Look:
    """Look at what is stored."""
    boots = with_server_events(connection, boots_since(connection, filters.since_s, filters.until_s))
    silent = silent_boots(connection, filters.since_s, filters.until_s)
    found = find_patterns(boots, silent)
    return Look((*boots, *silent), tuple(p for p in found if any(map(filters.concerns, p.failed))))


def find_patterns(boots: Sequence[Boot], silent: Sequence[Boot] = ()) -> list[Pattern]:
    """Faults, warnings (slow addresses too), silence, and pairs of values that the same machines tell apart."""
    seen = Seen(tuple(with_telling_values(boots)))
    faults = [one for one in search(seen, fault_or_well, FAULT) if _stands(one)]
    warnings = [one for one in _warnings(seen) if _stands(one)]
    together = _folded(faults, warnings)
    if _enough(silent):
        together += [one for one in search(Seen((*seen.boots, *silent)), silence_of, SILENCE) if _stands(one)]
    together += pairs(seen, together)
    return sorted(together, key=lambda one: (-one.score, one.id))


def _stands(pattern: Pattern) -> bool:
    """Without boots elsewhere there is nothing that the failed ones differ from."""
    return pattern.counts.boots_elsewhere > 0


def _enough(boots: Sequence[Boot]) -> bool:
    return len({boot.machine_id for boot in boots}) >= _FEWEST_MACHINES


def _warnings(seen: Seen) -> list[Pattern]:
    signature_of = warning_or_slow(seen.boots)
    warned = [boot for boot in seen.boots if signature_of(boot) not in ("", None, fault_of(boot))]
    if not _enough(warned):
        return []
    names = {name for boot in warned if (name := signature_of(boot))}
    found = search(seen, signature_of, WARNING)
    return [one for one in found if names & set(one.signature[:1])]


def _folded(faults: Sequence[Pattern], warnings: Sequence[Pattern]) -> list[Pattern]:
    """One trouble can keep some boots from an address and only delay others: that is one pattern."""
    kept = list(faults)
    for warning in warnings:
        place = next((n for n, fault in enumerate(kept) if _same_trouble(fault, warning)), None)
        if place is None:
            kept.append(warning)
        else:
            names = dict.fromkeys((*kept[place].signature, *warning.signature))
            kept[place] = replace(kept[place], signature=tuple(names))
    return kept


def _same_trouble(fault: Pattern, warning: Pattern) -> bool:
    if not same_class(fault.signature[0], warning.signature[0]):
        return False
    one, other = set(fault.machines), set(warning.machines)
    same_place = fault.conditions == warning.conditions
    return same_place or len(one & other) >= _SAME * min(len(one), len(other))
