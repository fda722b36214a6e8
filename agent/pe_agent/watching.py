"""What happens to the adapters after the address probe has answered, until the run ends?

A second adapter, a cable that is pulled, an address that is lost, a gateway that answers late: each becomes an event
the moment it is seen. An address that comes too late is an answer of its own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from pe_agent.host import Adapter
from pe_agent.observed import Event, EventKind, Observation, Reason
from pe_agent.probes import address
from pe_agent.run import Plan

# Where the system tells of changes it is asked at once; what it does not tell is seen this late at most.
POLL_S = 0.5
# Neighbours come and go by the dozen; one look is enough for all of them.
_LEAST_APART_S = 0.05


class Watching:
    """Adapters being watched by a thread; `tell` is called from it."""

    def __init__(self, plan: Plan, tell: Callable[[Observation | Event], None]) -> None:
        self._plan, self._tell = plan, tell
        self._over = threading.Event()
        self._late: set[str] = set()
        self._thread = threading.Thread(target=self._watch, name="watching", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nothing is told any more after this."""
        self._over.set()
        self._thread.join(10 * POLL_S)

    def _watch(self) -> None:
        with self._plan.host.changes() as wait_for_change:
            while not self._over.is_set():
                # A table that cannot be read now is read again at the next look.
                with contextlib.suppress(OSError):
                    self._look()
                wait_for_change(POLL_S)
                self._over.wait(_LEAST_APART_S)

    def _look(self) -> None:
        now_s, adapters = self._plan.clock_s(), self._plan.host.adapters()
        came = set()
        overheard = self._plan.timeline.overhear(self._plan.host.overheard(), adapters)
        for event in (*overheard, *self._plan.timeline.look(adapters, now_s)):
            self._tell(event)
            if event.kind is EventKind.ADDRESS:
                came.add(event.adapter)
        for adapter in adapters:
            if adapter.name in came - self._late:
                self._tell_if_late(adapter, now_s)

    def _tell_if_late(self, adapter: Adapter, now_s: float) -> None:
        outcome, reason = address.judged(adapter, self._plan.timeline, self._plan.late_after_s)
        if reason is Reason.LATE_ADDRESS:
            self._late.add(adapter.name)
            facts = address.adapter_facts(adapter, self._plan.timeline)
            self._tell(Observation(address.PROBE, adapter.name, outcome, reason, now_s, 0.0, facts))
