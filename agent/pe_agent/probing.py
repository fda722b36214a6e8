"""The probes of one run, under way in a thread of their own while the rest of the agent still loads.

What is imported here is paid for before the first question is asked.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pe_agent.errors import UsageError
from pe_agent.host import Host
from pe_agent.observed import Event, Observation
from pe_agent.probes import PROBES
from pe_agent.probes.address import PROBE as ADDRESS
from pe_agent.probes.contract import Wanted
from pe_agent.run import Emit, Plan, run_probes
from pe_agent.settings import Settings

if TYPE_CHECKING:
    from pe_agent.watching import Watching

# What the rest of the agent loads waits this long for the first answer, which is mostly there by then.
FIRST_ANSWER_S = 0.2


def plan_of(host: Host, told: Settings) -> Plan:
    """What the settings say about probes.

    Raises:
        UsageError: they name a probe that there is not.
    """
    return Plan(
        host=host,
        wanted=Wanted(told.server, told.configured_server, told.rpc_port),
        wait_for_address_s=told.wait_for_address_s,
        late_after_s=told.late_after_s,
        only=probe_names(told.only),
        skip=probe_names(told.skip),
    )


def probe_names(names: tuple[str, ...]) -> frozenset[str]:
    """Names of probes, checked.

    Raises:
        UsageError: no probe is called so.
    """
    known = {probe.name for probe in PROBES}
    unknown = sorted(set(names) - known)
    if unknown:
        raise UsageError(f"no probe is called {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return frozenset(names)


class Probing:
    """Probes under way. What they answer before anybody listens is kept, in its order.

    With `watches_on` the adapters are watched from the answer of the address probe until `stop_watching`.
    """

    def __init__(self, plan: Plan, *, watches_on: bool = False) -> None:
        self._plan = plan
        self._watches_on = watches_on
        self._watching: Watching | None = None
        self._early: list[Observation | Event] = []
        self._listener: Emit | None = None
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._done = threading.Event()
        self._problem: BaseException | None = None
        threading.Thread(target=self._run, name="probing", daemon=True).start()
        self._answered.wait(FIRST_ANSWER_S)

    def tell(self, listener: Emit) -> None:
        """Hand every answer to the listener, those of before first."""
        with self._lock:
            for record in self._early:
                listener(record)
            self._early.clear()
            self._listener = listener

    def wait(self, within_s: float | None = None) -> bool:
        """Whether all probes are done, waiting for it at most that long; whatever broke the run is raised here."""
        done = self._done.wait(within_s)
        if self._problem is not None:
            raise self._problem
        return done

    def stop_watching(self) -> None:
        """No event comes after this; nothing to do where nobody watches."""
        if self._watching is not None:
            self._watching.stop()

    def _run(self) -> None:
        try:
            run_probes(self._plan, PROBES, self._heard)
        except BaseException as exc:  # noqa: BLE001 - raised again where the run is waited for
            self._problem = exc
        finally:
            self._answered.set()
            self._done.set()

    def _heard(self, record: Observation | Event) -> None:
        self._answered.set()
        with self._lock:
            if self._watches_on and isinstance(record, Observation) and record.probe == ADDRESS:
                self._watches_on = False
                from pe_agent.watching import Watching  # noqa: PLC0415 - not before there is something to watch

                self._watching = Watching(self._plan, self._heard)
            if self._listener is None:
                self._early.append(record)
            else:
                self._listener(record)
