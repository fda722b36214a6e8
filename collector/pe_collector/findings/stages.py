"""At which stage did a boot stop, and was that a fault or only a warning?"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import resources

from pe_agent.model import Status
from pe_agent.signatures import load

from pe_collector.boots import Boot
from pe_collector.engine.nodes import Stages
from pe_collector.engine.nodes import stages as known_stages


@functools.cache
def probe_stages() -> Mapping[str, str]:
    """Probe -> name of its stage: the rows of stages.toml."""
    text = resources.files(__package__).joinpath("stages.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["stage_of_probe"])


def stages_for(findings: Iterable[str]) -> Stages:
    """The stages with a place for each of these findings that is an answer no signature explains."""
    known = known_stages()
    places = {name: place for name in findings if name not in known.order and (place := _place(name)) is not None}
    return replace(known, order={**known.order, **places})


def fault_of(boot: Boot) -> str:
    """The finding at the earliest stage that kept a boot from its Windows; empty when none did.

    What is little more than a guess counts only where the verdict is a fault and nothing better is known.
    """
    if not boot.failures and boot.outcome != Status.FAULT:
        return ""
    faults = [name for name in boot.failures if _is_fault(name, boot)]
    if not faults and boot.outcome == Status.FAULT:
        faults = [*(boot.failures or boot.doubtful)]
    return _earliest(faults, boot)


def warning_of(boot: Boot) -> str:
    """The finding at the earliest stage of a boot that went on all the same, or that failed at a later one."""
    if not boot.failures:
        return ""
    warnings = [name for name in boot.failures if not _is_fault(name, boot)]
    first = _earliest(warnings, boot)
    fault = fault_of(boot)
    return "" if fault and _stage(fault) <= _stage(first) else first


def same_class(one: str, other: str) -> bool:
    """Whether one fault can show as both."""
    return one == other or other in known_stages().kin(frozenset({one}))


def came_past(boot: Boot, signature: str) -> bool:
    """Whether a boot went on beyond the stage of this signature."""
    fault = fault_of(boot)
    return not fault or _stage(fault) > _stage(signature)


@functools.cache
def _warnings() -> frozenset[str]:
    return frozenset(row.id for row in load().signatures if row.status is Status.WARNING)


def _is_fault(name: str, boot: Boot) -> bool:
    """A path that is blocked to one of several servers is a warning, however bad it sounds: the verdict says so."""
    if boot.outcome in (Status.HEALTHY, Status.WARNING):
        return False
    return name not in _warnings() or (boot.outcome == Status.FAULT and name == boot.verdict)


def _earliest(names: Iterable[str], boot: Boot) -> str:
    return min(names, key=lambda name: (_stage(name), name != boot.verdict, name), default="")


def _stage(name: str) -> int:
    place = _place(name)
    known = known_stages()
    return known.of(name) if name in known.order or place is None else place


@functools.lru_cache(maxsize=4096)
def _place(name: str) -> int | None:
    """The stage of a finding that is called probe-reason; the longest probe that fits."""
    probe = max((probe for probe in probe_stages() if name.startswith(f"{probe}-")), key=len, default="")
    return known_stages().names.index(probe_stages()[probe]) if probe else None
