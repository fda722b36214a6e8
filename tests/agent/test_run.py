"""Probes run phase by phase, all of a phase at once, and none can end or hold up the run."""

import time

from pe_agent.model import Clock, Observation, Outcome, Reason
from pe_agent.probes.contract import Phase, Probe
from pe_agent.run import Plan, run_probes


class ClockHost:
    def clock(self):
        return Clock(time.monotonic(), 0)


def answering(name, seen=None, pause_s=0.0):
    def run(context):
        if seen is not None:
            seen.append(tuple(o.probe for o in context.earlier))
        time.sleep(pause_s)
        yield Observation(name, "", Outcome.OK, Reason.ANSWERED)

    return run


def probe(name, run, phase=Phase.MACHINE, deadline_s=5.0):
    return Probe(name, "?", run, phase, deadline_s, needs_target=False)


def reasons(probes, **plan):
    emitted = []
    run_probes(Plan(ClockHost(), **plan), probes, emitted.append)
    return [(o.probe, o.reason) for o in emitted]


def test_a_crash_is_an_observation_and_the_others_go_on():
    def crash(context):
        yield Observation("bad", "first", Outcome.OK, Reason.ANSWERED)
        raise ValueError("no such thing")

    emitted = []
    run_probes(Plan(ClockHost()), [probe("bad", crash), probe("good", answering("good"))], emitted.append)
    crashed = next(o for o in emitted if o.outcome is Outcome.CRASHED)
    assert crashed.facts["error"] == "ValueError: no such thing"
    assert "crash" in crashed.facts["traceback"]
    assert {o.probe for o in emitted if o.outcome is Outcome.OK} == {"bad", "good"}


def test_a_probe_that_overruns_is_left_behind():
    started_s = time.monotonic()
    stuck = probe("stuck", answering("stuck", pause_s=30), deadline_s=0.2)
    assert reasons([stuck, probe("good", answering("good"))]) == [
        ("good", Reason.ANSWERED),
        ("stuck", Reason.TIMED_OUT),
    ]
    assert time.monotonic() - started_s < 5


def test_probes_of_one_phase_overlap_in_time():
    started_s = time.monotonic()
    assert len(reasons([probe(f"p{n}", answering(f"p{n}", pause_s=0.5)) for n in range(8)])) == 8
    assert time.monotonic() - started_s < 3


def test_a_later_phase_sees_what_the_earlier_ones_observed():
    seen = []
    rows = [probe("late", answering("late", seen), Phase.FOLLOW_UP), probe("early", answering("early"), Phase.MACHINE)]
    reasons(rows)
    assert seen == [("early",)]


def test_only_and_skip_choose_what_is_said():
    rows = [probe(name, answering(name)) for name in ("a", "b", "c")]
    assert reasons(rows, only=frozenset({"b"})) == [("b", Reason.ANSWERED)]
    assert sorted(reasons(rows, skip=frozenset({"b"}))) == [("a", Reason.ANSWERED), ("c", Reason.ANSWERED)]


def test_what_a_wanted_probe_builds_on_runs_without_being_said():
    seen = []
    rows = [
        probe("paths", answering("paths"), Phase.PATHS),
        probe("trace", answering("trace", seen), Phase.FOLLOW_UP),
    ]
    assert reasons(rows, only=frozenset({"trace"})) == [("trace", Reason.ANSWERED)]
    assert seen == [("paths",)]


def test_without_a_target_path_probes_are_skipped_with_the_reason():
    row = Probe("path", "?", answering("path"), Phase.PATHS, 5.0)
    assert reasons([row]) == [("path", Reason.NO_TARGET)]
