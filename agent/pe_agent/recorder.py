"""Every record of a report, numbered once and handed to the spool and the collector the moment it exists."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pe_agent import plain
from pe_agent.clock_words import SET_IT, so_long
from pe_agent.errors import NotDelivered, NotKept, UsageError
from pe_agent.model import Clock, FactValue, Observation, Opening, Outcome, Reason, Record, Report, receipt_code
from pe_agent.parcel import parcel_of
from pe_agent.probes.contract import CLOCK_SKEW_LIMIT_S
from pe_agent.spool import Spool
from pe_agent.trust import Stored

# A clock in Windows PE is off by hours where the firmware keeps local time: only days mean that it was never set.
FAR_OFF_S = 86400.0

if TYPE_CHECKING:
    from pe_agent.ship import Shipment
    from pe_agent.upload import Uploader


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a report. `text` is the receipt line for the screen; `kept` the file, empty when none."""

    stored: bool
    text: str
    kept: str = ""
    code: str = ""
    collector: str = ""


@dataclass(slots=True)
class Recorder:
    """Takes records from any thread. Protobuf is loaded here and only here; without it the report becomes JSON."""

    opening: Opening
    clock: Callable[[], Clock]
    folders: tuple[Path, ...]
    uploader: Uploader | None = None
    records: list[Record] = field(default_factory=list)
    _spool: Spool | None = None
    _shipment: Shipment | None = None
    _hello: bytes = b""
    _unkept: str = ""
    _json_path: str = ""
    _no_wire: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _beginning: threading.Thread | None = None

    def open(self, begin_shipment: Callable[[], Shipment | None]) -> None:
        """Open the spool, and begin to ship in the background: loading gRPC takes as long as many a probe."""
        try:
            from pe_agent import wire  # noqa: PLC0415 - may fail to load in Windows PE
        except ImportError as exc:
            self._no_wire = f"protobuf does not load here ({exc})"
            return
        try:
            self._spool = Spool.create(self.folders, self._name())
        except NotKept as exc:
            self._unkept = str(exc)
        self._hello = wire.encode_hello(self.opening, self.clock()).SerializeToString()
        self._keep(self._hello)
        self._beginning = threading.Thread(target=self._begin, args=(begin_shipment,), name="begin", daemon=True)
        self._beginning.start()

    def add(self, record: Record) -> None:
        """Number a record, keep it, send it."""
        with self._lock:
            self.records.append(record)
            if self._spool is None and self._shipment is None:
                return
            from pe_agent import wire  # noqa: PLC0415 - loaded in open()

            frame = wire.encode_record(len(self.records), record)
            self._keep(frame.SerializeToString())
            if self._shipment is not None:
                self._shipment.put(frame)

    def begun(self, within_s: float) -> None:
        """Wait until what ships is loaded, or has turned out not to load."""
        if self._beginning is not None:
            self._beginning.join(within_s)

    def _begin(self, begin_shipment: Callable[[], Shipment | None]) -> None:
        """What came while gRPC was loading is the first to go."""
        from pe_agent import wire  # noqa: PLC0415 - loaded in open()

        try:
            shipment = begin_shipment()
        except ImportError as exc:
            self._no_wire = f"gRPC does not load here ({exc})"
            return
        except UsageError as exc:
            self._no_wire = str(exc)
            return
        if shipment is None:
            return
        with self._lock:
            for number, record in enumerate(self.records, start=1):
                shipment.put(wire.encode_record(number, record))
            self._shipment = shipment

    def clock_seen(self) -> Observation | None:
        """What the collector's answers say of this clock, where it is wrong by more than any time zone explains."""
        address, skew_s = self._shipment.skew() if self._shipment is not None else ("", None)
        if skew_s is None or abs(skew_s) <= FAR_OFF_S:
            return None
        facts: dict[str, FactValue] = {"server": address.rpartition(":")[0].strip("[]"), "skew_s": round(skew_s, 3)}
        return Observation("collector", address, Outcome.WARNING, Reason.CLOCK_SKEW, facts=facts)

    def report(self) -> Report:
        """Everything so far."""
        with self._lock:
            return Report(self.opening, tuple(self.records))

    def finish(self, timeout_s: float) -> Delivery:
        """Say that nothing follows and wait for the collector, at most `timeout_s`."""
        if self._spool is not None:
            self._spool.close()
        try:
            stored = self._deliver(timeout_s)
        except NotDelivered as exc:
            return self._kept_only(str(exc))
        if self._spool is not None:
            self._spool.discard()
        remarks = (_left_out(stored), _cut_logs(self.records), _skew(stored, self.clock().wall_ms))
        text = "; ".join((f"stored as {stored.code} by {stored.collector}, safe to reboot", *filter(None, remarks)))
        return Delivery(stored=True, text=text, code=stored.code, collector=stored.collector)

    def _deliver(self, timeout_s: float) -> Stored:
        """By gRPC; where that does not load or gets no answer, by upload, which then has half of the time."""
        until_s = time.monotonic() + timeout_s
        self.begun(timeout_s)
        problem = self._no_wire or "no collector was asked"
        if self._shipment is not None:
            self._shipment.finish()
            left_s = max(1.0, until_s - time.monotonic())
            try:
                return self._shipment.wait(left_s / 2 if self.uploader else left_s)
            except NotDelivered as exc:
                problem = str(exc)
        if self.uploader is None:
            raise NotDelivered(problem)
        try:
            return self._uploaded(self.uploader, max(1.0, until_s - time.monotonic()))
        except NotDelivered as exc:
            raise NotDelivered(f"{problem}; {exc}") from exc

    def _uploaded(self, uploader: Uploader, timeout_s: float) -> Stored:
        # Kept before TLS may have to be unpacked, which takes room, and before this machine may be switched off.
        self._kept_path()
        stored = uploader.send(parcel_of(self.report(), self.clock()), timeout_s)
        if not stored.complete:
            raise NotDelivered(f"{stored.collector} has only the first {stored.stored_through} records")
        if self._json_path:
            # A medium that keeps it leaves one to be sent twice.
            with contextlib.suppress(OSError):
                Path(self._json_path).unlink(missing_ok=True)
        return stored

    def _name(self) -> str:
        return f"{receipt_code(self.opening.report_id)}-{self.opening.report_id.hex()}"

    def _keep(self, payload: bytes) -> None:
        if self._spool is None or self._unkept:
            return
        try:
            self._spool.append(payload)
        except NotKept as exc:
            self._keep_elsewhere(self._spool, exc)

    def _keep_elsewhere(self, spool: Spool, because: NotKept) -> None:
        """Go on in a later folder: a drive that was pulled out or is full must not cost the report."""
        later = self.folders[self.folders.index(spool.path.parent) + 1 :]
        try:
            self._spool = spool.moved(later, self._name(), self._payloads)
        except NotKept as exc:
            self._unkept = f"{because}; {exc}"

    def _payloads(self) -> Iterator[bytes]:
        """Everything so far as the spool holds it."""
        from pe_agent import wire  # noqa: PLC0415 - loaded in open()

        yield self._hello
        for number, record in enumerate(self.records, start=1):
            yield wire.encode_record(number, record).SerializeToString()

    def _kept_only(self, because: str) -> Delivery:
        path = self._kept_path()
        code = receipt_code(self.opening.report_id)
        if path:
            advice = "copy it to a USB drive before you reboot, then `pe-collector import` it"
            text = "; ".join(
                filter(None, (f"NOT delivered: {because}. Kept in {path}: {advice}", _cut_logs(self.records)))
            )
            return Delivery(stored=False, text=text, kept=path, code=code)
        text = f"NOT delivered: {because}. NOT kept either: {self._unkept}. Take a photo of this screen"
        return Delivery(stored=False, text=text, code=code)

    def _kept_path(self) -> str:
        if self._spool is not None and not self._unkept:
            return str(self._spool.path)
        if self._spool is None and not self._json_path:
            self._json_path = self._kept_as_json(self.folders)
        return self._json_path

    def _kept_as_json(self, folders: Iterable[Path]) -> str:
        refusals = []
        for folder in folders:
            path = folder / (self._name() + ".jsonl")
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.write_text(plain.report_to_json(self.report(), self.clock()) + "\n", encoding="ascii")
            except OSError as exc:
                refusals.append(f"{folder}: {exc.strerror or exc}")
                continue
            return str(path)
        self._unkept = "; ".join(refusals) or "no folder is known"
        return ""


def _left_out(stored: Stored) -> str:
    """Empty when all came to stay."""
    if not stored.logs_left_out:
        return ""
    pieces = "piece" if stored.logs_left_out == 1 else "pieces"
    return f"but {stored.logs_left_out} {pieces} of logs were not kept: the collector's disk is short"


def _cut_logs(records: Iterable[Record]) -> str:
    """Of which logs the middle is not in the report, and how much; empty when all are whole."""
    cut = {
        record.target: left_out / 1e6
        for record in records
        if isinstance(record, Observation) and isinstance(left_out := record.facts.get("left_out_bytes"), int)
    }
    rows = ", ".join(f"{megabytes:.1f} MB of {path}" for path, megabytes in cut.items())
    return f"judged here but too large to travel whole, left out: {rows}" if rows else ""


def _skew(stored: Stored, wall_ms: int) -> str:
    """How wrong this machine's clock is by the collector's; empty when that is little, or not known."""
    skew_s = (wall_ms - stored.wall_ms) / 1000
    if not stored.wall_ms or abs(skew_s) <= CLOCK_SKEW_LIMIT_S:
        return ""
    way = "ahead of" if skew_s > 0 else "behind"
    return f"this machine's clock is {so_long(abs(skew_s))} {way} the collector's: {SET_IT}"
