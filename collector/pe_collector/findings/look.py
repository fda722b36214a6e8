"""One look at boots: which patterns are in them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pe_collector.boots import Boot
from pe_collector.engine.table import Flags
from pe_collector.findings.pairs import pairs
from pe_collector.findings.pattern import Pattern
from pe_collector.findings.rows import Seen
from pe_collector.findings.search import search
from pe_collector.findings.shelf import FAULTS, SILENCES, Shelf, count_distinct
from pe_collector.findings.stages import same_class

FAULT, WARNING, SILENCE = "fault", "warning", "silence"
# Fewer machines make no pattern, so nothing is searched for.
_FEWEST_MACHINES = 4
# Two patterns are one when so much of the smaller one's machines lies in the other.
_SAME = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """The boots that were looked at, in order of time, and the patterns in them, the clearest first.

    Of reports received before `whole_since_s`, Unix seconds, only a sample was looked at.
    """

    seen: Seen
    patterns: tuple[Pattern, ...]
    whole_since_s: float = 0.0


def look_at(shelf: Shelf) -> Look:
    """Look at boots, those among them that only servers know too."""
    places = shelf.ordered()
    seen = Seen(shelf, places)
    reported = Seen(shelf, places[shelf.codes[SILENCES, places] < 0])
    return Look(seen, tuple(_patterns(reported, seen)))


def find_patterns(boots: Sequence[Boot], silent: Sequence[Boot] = ()) -> list[Pattern]:
    """The patterns among boots that reported and such as only servers know."""
    return list(look_at(Shelf.of((*boots, *silent))).patterns)


def _patterns(seen: Seen, with_silent: Seen) -> list[Pattern]:
    """Faults, warnings (slow addresses too), silence, and pairs of values that the same machines tell apart."""
    faults = [one for one in search(seen, seen.faults, FAULT) if _stands(one)]
    warnings = [one for one in _warnings(seen) if _stands(one)]
    together = _folded(faults, warnings)
    if _enough(with_silent, with_silent.silences >= 0):
        together += [one for one in search(with_silent, with_silent.silences, SILENCE) if _stands(one)]
    together += pairs(seen, together)
    return sorted(together, key=lambda one: (-one.score, one.id))


def _stands(pattern: Pattern) -> bool:
    """Without boots elsewhere there is nothing that the failed ones differ from."""
    return pattern.counts.boots_elsewhere > 0


def _enough(seen: Seen, rows: Flags) -> bool:
    return count_distinct(seen.machines[rows]) >= _FEWEST_MACHINES


def _warnings(seen: Seen) -> list[Pattern]:
    said = seen.warnings
    warned = (said >= 0) & (said != seen.said(FAULTS))
    if not _enough(seen, warned):
        return []
    words = seen.shelf.signatures.names
    # What stopped boots is looked for as well, for it is no warning's doing, and was told as a fault already.
    return search(seen, said, WARNING, only={words[code] for code in np.unique(said[warned]).tolist()})


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
