"""Run probes: phase after phase, all of a phase at the same time, each within its own deadline.

The total time is the sum over the phases of the slowest probe, never the sum over the probes. A probe that
crashes or overruns becomes an observation; it never ends the run.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pe_agent.host import Host
from pe_agent.observed import Event, Observation, Outcome, Reason
from pe_agent.probes.contract import Context, Phase, Probe, Target, Wanted
from pe_agent.timeline import Timeline

# A probe ends by itself at its deadline; this much later it is left behind.
GRACE_S = 0.5

Emit = Callable[[Observation | Event], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run and how long to wait. `only` empty means every probe."""

    host: Host
    wanted: Wanted = field(default_factory=Wanted)
    wait_for_address_s: float = 0.0
    late_after_s: float = 15.0
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    timeline: Timeline = field(default_factory=Timeline)

    def asks_for(self, probe: Probe) -> bool:
        """Whether the answers of this probe are wanted."""
        return probe.name not in self.skip and (not self.only or probe.name in self.only)

    def clock_s(self) -> float:
        """Seconds since boot."""
        return self.host.clock().uptime_s


@dataclass(frozen=True, slots=True)
class _Done:
    """Nothing more comes from this probe."""

    probe: Probe


def run_probes(plan: Plan, probes: Iterable[Probe], emit: Emit) -> tuple[Observation, ...]:
    """Run what the plan asks for and what that builds on; `emit` gets each wanted answer the moment it exists.

    Returns every observation, also those of probes that ran only because another one builds on them.
    """
    rows = tuple(probes)
    last_phase = max((p.phase for p in rows if plan.asks_for(p)), default=None)
    observations: list[Observation] = []
    for phase in Phase:
        if last_phase is None or phase > last_phase:
            break
        chosen = tuple(p for p in rows if p.phase is phase and _runs(plan, p, last_phase))
        for probe, record in _run_phase(plan, chosen, tuple(observations)):
            if isinstance(record, Observation):
                observations.append(record)
            if plan.asks_for(probe):
                emit(record)
    return tuple(observations)


def _runs(plan: Plan, probe: Probe, last_phase: Phase) -> bool:
    """A probe runs when it is wanted, or when a wanted one of a later phase builds on it."""
    if plan.asks_for(probe):
        return True
    if probe.name in plan.skip:
        return False
    builds_on = {Phase.TARGET: last_phase > Phase.TARGET, Phase.PATHS: last_phase is Phase.FOLLOW_UP}
    return builds_on.get(probe.phase, False)


def _run_phase(
    plan: Plan, probes: tuple[Probe, ...], earlier: tuple[Observation, ...]
) -> Iterable[tuple[Probe, Observation | Event]]:
    """Start every probe of one phase; yields answers as they come, from all of them mixed."""
    answers: queue.SimpleQueue[tuple[Probe, Observation | Event | _Done]] = queue.SimpleQueue()
    running: dict[int, tuple[Probe, float]] = {}
    target = _target(earlier)
    for number, probe in enumerate(probes):
        if probe.needs_target and target is None:
            if probe.phase is not Phase.FOLLOW_UP:
                yield probe, _no_target(plan, probe)
            continue
        context = _context(plan, probe, target, earlier)
        running[number] = (probe, context.deadline_at_s + GRACE_S)
        name = f"probe-{probe.name}-{number}"
        threading.Thread(target=_guarded, args=(probe, context, answers), name=name, daemon=True).start()
    while running:
        nearest_s = min(at_s for _, at_s in running.values())
        try:
            probe, answer = answers.get(timeout=max(0.0, nearest_s - plan.clock_s()))
        except queue.Empty:
            yield from _overdue(plan, running)
            continue
        if not isinstance(answer, _Done):
            yield probe, answer
            continue
        for number in [n for n, (p, _) in running.items() if p is probe]:
            del running[number]


def _target(earlier: tuple[Observation, ...]) -> Target | None:
    if not earlier:
        return None
    from pe_agent.probes.target import target_of  # noqa: PLC0415 - the first probes do not wait for it to load

    return target_of(earlier)


def _overdue(plan: Plan, running: dict[int, tuple[Probe, float]]) -> Iterable[tuple[Probe, Observation]]:
    now_s = plan.clock_s()
    for number, (probe, at_s) in list(running.items()):
        if at_s <= now_s:
            del running[number]
            yield probe, Observation(probe.name, "", Outcome.FAILED, Reason.TIMED_OUT, now_s, 0.0)


def _context(plan: Plan, probe: Probe, target: Target | None, earlier: tuple[Observation, ...]) -> Context:
    waiting_s = plan.wait_for_address_s if probe.waits else 0.0
    return Context(
        host=plan.host,
        clock_s=plan.clock_s,
        deadline_at_s=plan.clock_s() + probe.deadline_s + waiting_s,
        target=target,
        wanted=plan.wanted,
        earlier=earlier,
        wait_for_address_s=plan.wait_for_address_s,
        late_after_s=plan.late_after_s,
        timeline=plan.timeline,
    )


def _no_target(plan: Plan, probe: Probe) -> Observation:
    return Observation(probe.name, "", Outcome.SKIPPED, Reason.NO_TARGET, plan.clock_s())


def _guarded(
    probe: Probe, context: Context, answers: queue.SimpleQueue[tuple[Probe, Observation | Event | _Done]]
) -> None:
    started_at_s = context.clock_s()
    try:
        for record in probe.run(context):
            answers.put((probe, record))
    except Exception as exc:  # noqa: BLE001 - whatever a probe meets, the run goes on and the report says what it was
        import traceback  # noqa: PLC0415 - seldom needed, and the first probe would wait for it to load

        facts = {"error": f"{type(exc).__name__}: {exc}", "traceback": traceback.format_exc(limit=-6)}
        elapsed_s = context.clock_s() - started_at_s
        crashed = Observation(probe.name, "", Outcome.CRASHED, Reason.INTERNAL, started_at_s, elapsed_s, facts)
        answers.put((probe, crashed))
    finally:
        answers.put((probe, _Done(probe)))
