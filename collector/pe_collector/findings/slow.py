"""Which boots waited too long for their address, and what other warnings show where boots went on all the same?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median, quantiles

from pe_collector.boots import Boot
from pe_collector.findings.stages import came_past, fault_of, warning_of

SLOW = "slow-address"
# So many boots tell what is usual; slow is three times the lower quartile and at least so many seconds more. A port
# that spanning tree holds back answers after 30 s.
_FEWEST = 20
_TIMES = 3.0
_MORE_S = 8.0


def slow_after_s(boots: Sequence[Boot]) -> float | None:
    """Seconds from link to address beyond which a boot of this fleet is slow; None when too few are known."""
    waits = [boot.link_to_address_s for boot in boots if boot.link_to_address_s is not None]
    if len(waits) < _FEWEST:
        return None
    usual = quantiles(waits, n=4)[0]
    return max(_TIMES * usual, usual + _MORE_S)


def warning_or_slow(boots: Sequence[Boot]) -> Callable[[Boot], str | None]:
    """The signature of a boot as for `ground_of`: its warning, else `slow-address`, else the fault that stopped it."""
    limit_s = slow_after_s(boots)

    def signature_of(boot: Boot) -> str | None:
        warning = warning_of(boot)
        if not warning and limit_s is not None and (boot.link_to_address_s or 0.0) > limit_s and came_past(boot, SLOW):
            warning = SLOW
        fault = fault_of(boot)
        if not (warning or fault or boot.healthy or boot.outcome in ("healthy", "warning")):
            return None
        return warning or fault

    return signature_of


def usual_wait_s(boots: Sequence[Boot]) -> float | None:
    """The median of the seconds from link to address; None when none is known."""
    waits = [boot.link_to_address_s for boot in boots if boot.link_to_address_s is not None]
    return median(waits) if waits else None
