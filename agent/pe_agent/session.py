"""One run from the first probe to the receipt: observe, read logs, judge, ship."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pe_agent import __version__, settings
from pe_agent.boot_order import Clocks
from pe_agent.errors import Exit
from pe_agent.following import Follower
from pe_agent.host import Host
from pe_agent.journal import Journal
from pe_agent.judge import Judgement, judge
from pe_agent.logs import LogFile
from pe_agent.model import Event, LogChunk, Observation, Opening, Record, Report, Status
from pe_agent.probing import Probing, plan_of
from pe_agent.recorder import Delivery, Recorder
from pe_agent.redact import redact_values
from pe_agent.sending import trust_of, uploader_of
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
    send: bool = True


class Session:
    """A run under way."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._key = settings.redaction_key_of(run.told)
        self._found: set[str] = set()
        self._logs: dict[str, LogFile] = {}
        self._followers: dict[str, Follower] = {}
        self._told: dict[str, tuple[int, str]] = {}
        self._probing: Probing | None = None
        folders = (*settings.spool_folders_of(run.told), *run.host.spool_folders())
        self._recorder = Recorder(_opening(run), run.host.clock, folders, uploader_of(run.told) if run.send else None)
        self._journal = Journal(folders)

    def observe(self, probing: Probing | None = None, *, live: bool = False) -> None:
        """Open spool and stream, hear the probes, read the logs, and say which causes are recognised so far.

        `probing` is already under way, or starts here. With `live` the logs are read from the first moment on, while
        the probes wait for answers and addresses.

        Raises:
            UsageError: the settings name a probe that there is not.
        """
        probing = self._probing = probing or Probing(plan_of(self._run.host, self._run.told))
        self._recorder.open(self._begin_shipment)
        probing.tell(self._add)
        while not probing.wait(FOLLOW_POLL_S):
            if live:
                self._read_logs()
        self._read_logs()
        self._add_findings()

    def follow(self, for_s: float) -> None:
        """Read the logs again whenever one has grown, for at most that long; the adapters are watched meanwhile."""
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            time.sleep(min(FOLLOW_POLL_S, max(0.0, until_s - time.monotonic())))
            self._read_logs()
            self._add_findings()

    def conclude(self) -> Report:
        """Judge everything, half-written lines too; the verdict is the last record of the report."""
        if self._probing is not None:
            self._probing.stop_watching()
        self._read_logs(final=True)
        for log in self._logs.values():
            log.close()
        if (clock := self._recorder.clock_seen()) is not None:
            self._add(clock)
        judgement = self._judgement()
        self._add_findings()
        finished_at_s = self._run.host.clock().uptime_s
        self._add(replace(judgement.verdict, finished_at_s=finished_at_s))
        return self._recorder.report()

    def deliver(self) -> Delivery:
        """Wait for the collector's receipt."""
        delivery = self._recorder.finish(self._run.told.timeout_s)
        self._journal.say(delivery.text, self._run.host.clock(), component="delivery")
        self._journal.keep(self._recorder.report(), delivery.text, to_carry=not delivery.stored)
        return delivery

    def _add(self, record: Record) -> None:
        record = redact_values(self._key, record)
        self._recorder.add(record)
        self._journal.log(record, self._run.host.clock())
        if not isinstance(record, LogChunk):
            self._journal.keep(self._recorder.report(), "")
        self._run.watch(record)

    def _judgement(self) -> Judgement:
        records = self._recorder.records
        observations = tuple(r for r in records if isinstance(r, Observation))
        events = tuple(r for r in records if isinstance(r, Event))
        hits = tuple(hit for follower in self._followers.values() for hit in follower.hits)
        clocks = Clocks(self._recorder.opening.boot.began, self._run.host.clock())
        return judge(observations, events, hits, self._run.signatures, clocks)

    def _add_findings(self) -> None:
        for finding in self._judgement().findings:
            if finding.id not in self._found:
                self._found.add(finding.id)
                self._add(finding)

    def _read_logs(self, *, final: bool = False) -> None:
        for shown, path in self._run.host.log_candidates():
            log = self._logs.get(shown)
            size = _size(path)
            if log is not None and size is not None and size < log.file_bytes:
                # Written anew: its octets must not be mixed with those of the file before.
                log = LogFile(f"{log.shown}+", path, self._add, self._key)
            elif log is not None and not self._is_wanted(log, size, final=final):
                continue
            self._logs[shown] = log or LogFile(shown, path, self._add, self._key)
            self._read_log(self._logs[shown], final=final)

    def _is_wanted(self, log: LogFile, size: int | None, *, final: bool) -> bool:
        """Whether a log that was read before must be read again."""
        follower = self._follower(log)
        if final:
            return size != log.file_bytes or follower.half_written
        return size != log.file_bytes and follower.is_due()

    def _read_log(self, log: LogFile, *, final: bool) -> None:
        started_at_s = self._run.host.clock().uptime_s
        problem: OSError | None = None
        try:
            self._follower(log).read(log.blocks(), self._run.signatures, final=final)
        except OSError as exc:
            problem = exc
        state = (log.file_bytes, str(problem or ""))
        if self._told.get(log.shown) == state:
            # Still held by another program, or only its last line was judged: said once, tried again and again.
            return
        self._told[log.shown] = state
        elapsed_s = self._run.host.clock().uptime_s - started_at_s
        self._add(log.observation(started_at_s, elapsed_s, problem))

    def _follower(self, log: LogFile) -> Follower:
        return self._followers.setdefault(log.shown, Follower(log.shown))

    def _begin_shipment(self) -> Shipment | None:
        told = self._run.told
        if not self._run.send or not told.collector:
            return None
        from pe_agent import ship  # noqa: PLC0415 - pays for gRPC only when there is somewhere to ship to

        trust = trust_of(told)
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
