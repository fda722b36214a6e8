"""One run from the first probe to the receipt: observe, read logs, judge, ship."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pe_agent import __version__, panther, settings
from pe_agent.errors import Exit
from pe_agent.host import Host
from pe_agent.judge import Judgement, LogHit, judge, scan_log
from pe_agent.logs import LogFile
from pe_agent.model import Event, Observation, Opening, Record, Report, Status
from pe_agent.probes import PROBES
from pe_agent.probes.contract import Wanted
from pe_agent.recorder import Delivery, Recorder
from pe_agent.run import Plan, run_probes
from pe_agent.settings import Settings
from pe_agent.signatures import SignatureSet

if TYPE_CHECKING:
    from pe_agent.ship import Shipment

FOLLOW_POLL_S = 1.0
_EXIT_OF = {
    Status.HEALTHY: Exit.HEALTHY,
    Status.WARNING: Exit.WARNING,
    Status.UNKNOWN: Exit.WARNING,
    Status.FAULT: Exit.FAULT,
}


@dataclass(frozen=True, slots=True)
class Run:
    """What to do: `trigger` is `report` or `auto`; `watch` sees each record as it comes to exist."""

    host: Host
    told: Settings
    signatures: SignatureSet
    trigger: str
    watch: Callable[[Record], None]
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    send: bool = True


def plan_of(run: Run) -> Plan:
    """The probes' part of a run."""
    told = run.told
    return Plan(
        host=run.host,
        wanted=Wanted(told.server, told.configured_server, told.rpc_port),
        wait_for_address_s=told.wait_for_address_s,
        late_after_s=told.late_after_s,
        only=run.only,
        skip=run.skip,
    )


class Session:
    """A run under way."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._found: set[str] = set()
        self._hits: dict[str, tuple[LogHit, ...]] = {}
        self._logs: dict[str, LogFile] = {}
        folders = (*settings.spool_folders_of(run.told), *run.host.spool_folders())
        self._recorder = Recorder(_opening(run), run.host.clock, folders)

    def observe(self) -> None:
        """Open spool and stream, then probe, read the logs, and say which causes are recognised so far.

        Raises:
            UsageError: the settings for shipping cannot be meant; nothing was probed yet.
        """
        self._recorder.open(self._begin_shipment)
        run_probes(plan_of(self._run), PROBES, self._add)
        self._read_logs()
        self._add_findings()

    def follow(self, for_s: float) -> None:
        """Read the logs again whenever one has grown, for at most that long."""
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            time.sleep(min(FOLLOW_POLL_S, max(0.0, until_s - time.monotonic())))
            self._read_logs()
            self._add_findings()

    def conclude(self) -> Report:
        """Judge everything; the verdict is the last record of the report."""
        judgement = self._judgement()
        self._add_findings()
        finished_at_s = self._run.host.clock().uptime_s
        self._add(replace(judgement.verdict, finished_at_s=finished_at_s))
        return self._recorder.report()

    def deliver(self) -> Delivery:
        """Wait for the collector's receipt."""
        return self._recorder.finish(self._run.told.timeout_s)

    def _add(self, record: Record) -> None:
        self._recorder.add(record)
        self._run.watch(record)

    def _judgement(self) -> Judgement:
        records = self._recorder.records
        observations = tuple(r for r in records if isinstance(r, Observation))
        events = tuple(r for r in records if isinstance(r, Event))
        hits = tuple(hit for hits in self._hits.values() for hit in hits)
        return judge(observations, events, hits, self._run.signatures)

    def _add_findings(self) -> None:
        for finding in self._judgement().findings:
            if finding.id not in self._found:
                self._found.add(finding.id)
                self._add(finding)

    def _read_logs(self) -> None:
        for shown, path in self._run.host.log_candidates():
            log = self._logs.get(shown)
            size = _size(path)
            if log is not None and size is not None and size < log.file_bytes:
                # Written anew: its octets must not be mixed with those of the file before.
                log = LogFile(f"{log.shown}+", path, self._add)
            elif log is not None and size == log.file_bytes:
                continue
            self._logs[shown] = log or LogFile(shown, path, self._add)
            self._read_log(self._logs[shown])

    def _read_log(self, log: LogFile) -> None:
        started_at_s = self._run.host.clock().uptime_s
        shown = log.shown
        problem: OSError | None = None
        hits: list[LogHit] = []
        blocks = log.blocks()
        try:
            hits.extend(scan_log(shown, panther.read_records(blocks), self._run.signatures))
        except OSError as exc:
            problem = exc
        self._hits[shown] = tuple(hits)
        elapsed_s = self._run.host.clock().uptime_s - started_at_s
        self._add(log.observation(started_at_s, elapsed_s, problem))

    def _begin_shipment(self) -> Shipment | None:
        told = self._run.told
        if not self._run.send or not told.collector:
            return None
        from pe_agent import ship  # noqa: PLC0415 - pays for gRPC only when there is somewhere to ship to

        trust = ship.read_trust(told.ca, settings.token_of(told), plain=told.plain)
        return ship.Shipment(self._recorder.opening, self._run.host.clock, told.collector, trust)


def exit_code(report: Report, delivery: Delivery, *, asked_to_send: bool) -> Exit:
    """The exit code of a run: the delivery's trouble outranks the verdict."""
    if not delivery.stored and not delivery.kept:
        return Exit.NOT_KEPT
    if not delivery.stored and asked_to_send:
        return Exit.NOT_DELIVERED
    return _EXIT_OF[report.verdict.status] if report.verdict else Exit.INTERNAL


def make_report_id(wall_ms: int, random_octets: bytes) -> bytes:
    """16 octets in time order where the clock allows (RFC 9562 section 5.7); takes 10 random octets."""
    number = (wall_ms & (1 << 48) - 1) << 80 | int.from_bytes(random_octets, "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return number.to_bytes(16, "big")


def _opening(run: Run) -> Opening:
    boot = run.host.boot()
    boot = replace(
        boot,
        image_build=run.told.image_build or boot.image_build,
        image_name=run.told.image_name or boot.image_name,
    )
    report_id = make_report_id(boot.began.wall_ms, os.urandom(10))
    return Opening(report_id, __version__, run.trigger, run.host.identity(), boot)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
