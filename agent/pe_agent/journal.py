"""What does somebody see who comes to the machine later? A state file for `pe-agent status`, a log for CMTrace.

Both lie in the first spool folder that takes them. Where they cannot be written, the run goes on without.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pe_agent import carried, render
from pe_agent.errors import UsageError
from pe_agent.model import Clock, Event, Finding, LogChunk, Observation, Outcome, Record, Report, Verdict
from pe_agent.words import clean, describe_event

STATE, LOG = "pe-agent.state.json", "pe-agent.log"
_INFO, _WARNING, _ERROR = 1, 2, 3
_TYPES = {Outcome.WARNING: _WARNING, Outcome.FAILED: _ERROR, Outcome.CRASHED: _ERROR}


class Journal:
    """Of one run. Every record is logged as it comes; the state is what the whole report says so far."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folder = next((folder for folder in folders if _takes(folder)), None)

    def log(self, record: Record, clock: Clock) -> None:
        """One line for a record; log chunks are not worth one."""
        if isinstance(record, LogChunk):
            return
        component, kind, text = _words(record)
        self.say(text, clock, component=component, kind=kind)

    def say(self, text: str, clock: Clock, *, component: str = "pe-agent", kind: int = _INFO) -> None:
        """One line of the log, as CMTrace reads it."""
        if self.folder is None:
            return
        try:
            with open(self.folder / LOG, "a", encoding="ascii", newline="", opener=_private) as file:
                file.write(cmtrace_line(text, clock, component, kind))
        except OSError:
            # A full or removed medium; the spool says so where it matters.
            self.folder = None

    def keep(self, report: Report, delivery: str, *, to_carry: bool = False) -> None:
        """Replace the state file, whole or not at all; with the line that carries a report which is not stored."""
        if self.folder is None:
            return
        state = {
            "finished": report.verdict is not None,
            "text": render.render_text(report, delivery),
            "report": json.loads(render.render_json(report, delivery)),
            "carried": carried.encode_report(report) if to_carry else "",
        }
        try:
            with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False, encoding="ascii") as file:
                json.dump(state, file)
            Path(file.name).replace(self.folder / STATE)
        except OSError:
            self.folder = None


def read_state(folders: Iterable[Path]) -> dict[str, Any]:
    """The state of the latest run.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    files = [folder / STATE for folder in folders]
    found = sorted((file for file in files if file.is_file()), key=lambda file: file.stat().st_mtime)
    if not found:
        looked = ", ".join(str(file.parent) for file in files)
        raise UsageError(f"nothing has run here yet (looked in {looked}); `pe-agent report` does it now")
    try:
        state: dict[str, Any] = json.loads(found[-1].read_text(encoding="ascii"))
    except (OSError, ValueError) as exc:
        raise UsageError(f"{found[-1]}: cannot be read: {exc}") from exc
    return state


def cmtrace_line(text: str, clock: Clock, component: str, kind: int) -> str:
    """A line in the form of CMTrace. Its bias is what must be added to local time to get UTC, in minutes."""
    local = datetime.fromtimestamp(clock.wall_ms / 1000 + clock.utc_offset_min * 60, tz=UTC)
    stamp = f"{local:%H:%M:%S}.{clock.wall_ms % 1000:03d}{-clock.utc_offset_min:+04d}"
    words = clean(text).replace("]LOG]", "]LOG ]")
    rest = f'component="{clean(component)}" context="" type="{kind}" thread="{os.getpid()}" file=""'
    return f'<![LOG[{words}]LOG]!><time="{stamp}" date="{local:%m-%d-%Y}" {rest}>\r\n'


def _words(record: Observation | Event | Finding | Verdict) -> tuple[str, int, str]:
    if isinstance(record, Observation):
        return record.probe, _TYPES.get(record.outcome, _INFO), render.observation_line(record)
    if isinstance(record, Event):
        return "timeline", _INFO, f"{record.at_s:.1f} s {record.adapter} {describe_event(record)}"
    if isinstance(record, Finding):
        return "judge", _WARNING, f"{record.title} [{record.id}] do: {record.advice}"
    return "verdict", _ERROR if record.finding_id else _INFO, f"{record.status}: {record.title}"


def _private(path: str, flags: int) -> int:
    """Open a file that its owner alone may read; one that an older version made is closed to the others."""
    descriptor = os.open(path, flags, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    return descriptor


def _takes(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
