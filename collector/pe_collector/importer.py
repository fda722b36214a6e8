"""What came by hand: bundles from a USB drive, JSON Lines from any tool, logs of WDS and DHCP servers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pe_agent import wire
from pe_agent.bundle import MAGIC, SUFFIX, Damage, read_bundle
from pe_agent.errors import DecodeError, UsageError
from pe_agent.model import Report
from pe_agent.readers.formats import HEAD_OCTETS
from pe_agent.redact import redact_text
from pe_protos.v1 import report_pb2 as pb

from pe_collector import store
from pe_collector.connection import Connection
from pe_collector.limits import Limits, read_hello, read_record
from pe_collector.redaction import ReportRedaction, read_key
from pe_collector.refusal import Refused
from pe_collector.server_logs import read_server_log, server_format
from pe_collector.server_side import store_events
from pe_collector.store.frames import store_frames
from pe_collector.store.opening import Opened

MOST_BUNDLE_OCTETS = MOST_LINE_OCTETS = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one report. `source` is FILE or FILE:LINE; `problems` name what was left out.

    `server_events`: for a log of a server, how many of its events are new.
    """

    source: str
    report_id: str = ""
    frames: int = 0
    complete: bool = False
    problems: tuple[str, ...] = ()
    server_events: int | None = None


@dataclass(frozen=True, slots=True)
class _Carried:
    """A report read from a file, before it is stored."""

    hello: pb.Hello
    frames: tuple[tuple[pb.Frame, bytes], ...]
    problems: tuple[str, ...]
    # Frames in JSON have no numbers: they cannot be laid beside those that are stored already.
    numbered: bool


@dataclass(frozen=True, slots=True)
class _Taking:
    now_s: float
    redaction_key: bytes


def import_files(
    folder: Path, paths: Iterable[Path], now_s: float, limits: Limits, utc_offset_min: int = 0
) -> Iterator[Imported]:
    """Store every report and server's log in these files, one transaction each; a damaged part is skipped and named.

    `utc_offset_min` is the offset of the servers' clocks, for logs that do not say it.

    Raises:
        UsageError: there is no collector in the folder, or a file cannot be read.
        StoreError: the database does not take it.
    """
    store.is_there(folder)
    with closing(store.open_writer(store.create(folder))) as connection:
        for source in paths:
            if _is_server_log(source):
                key = read_key(folder)
                told = read_server_log(source, utc_offset_min)
                events = (replace(event, text=redact_text(key, event.text)) for event in told)
                yield Imported(str(source), server_events=store_events(connection, events))
                continue
            for where, carried in _read(source, limits):
                if isinstance(carried, str):
                    yield Imported(where, problems=(carried,))
                else:
                    yield _keep(connection, where, carried, _Taking(now_s, read_key(folder)))


def _is_server_log(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return server_format(file.read(HEAD_OCTETS)) is not None
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc


def import_report(folder: Path, report: Report, now_s: float) -> Imported:
    """Store one report that was read off a screen.

    Raises:
        UsageError: there is no collector in the folder.
        StoreError: the database does not take it.
    """
    store.is_there(folder)
    opening = report.opening
    hello = wire.encode_hello(opening, opening.boot.began).hello
    frames = [wire.encode_record(number, record) for number, record in enumerate(report.records, 1)]
    carried = _Carried(hello, tuple((f, f.SerializeToString()) for f in frames), (), numbered=True)
    with closing(store.open_writer(store.create(folder))) as connection:
        return _keep(connection, opening.trigger, carried, _Taking(now_s, read_key(folder)))


def _read(path: Path, limits: Limits) -> Iterator[tuple[str, _Carried | str]]:
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
            if head == MAGIC or path.suffix == SUFFIX:
                yield str(path), _read_bundle(head + file.read(MOST_BUNDLE_OCTETS), limits)
                return
            file.seek(0)
            for number, line in enumerate(iter(lambda: file.readline(MOST_LINE_OCTETS), b""), start=1):
                if line.strip():
                    yield f"{path}:{number}", _read_line(line, limits)
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc


def _read_bundle(octets: bytes, limits: Limits) -> _Carried | str:
    try:
        return _of_records(read_bundle(octets), limits)
    except DecodeError as exc:
        return str(exc)


def _of_records(records: Iterable[bytes | Damage], limits: Limits) -> _Carried | str:
    hello: pb.Hello | None = None
    frames: list[tuple[pb.Frame, bytes]] = []
    problems: list[str] = []
    for record in records:
        if isinstance(record, Damage):
            problems.append(f"octets {record.at} to {record.until} are damaged")
            continue
        try:
            if hello is None:
                hello = read_hello(record, limits)
            else:
                frames.append((read_record(record, limits), record))
        except Refused as exc:
            problems.append(str(exc))
    if hello is None:
        return "; ".join(["nothing says which machine this is from", *problems])
    return _Carried(hello, tuple(frames), tuple(problems), numbered=True)


def _read_line(line: bytes, limits: Limits) -> _Carried | str:
    try:
        message = wire.report_from_json(line.decode("utf-8"))
        opening, *records = wire.report_to_frames(message)
        hello = read_hello(opening.SerializeToString(), limits)
        octets = [frame.SerializeToString() for frame in records]
        frames = tuple((read_record(each, limits), each) for each in octets)
    except (DecodeError, Refused, UnicodeDecodeError) as exc:
        return str(exc)
    return _Carried(hello, frames, (), numbered=False)


def _keep(connection: Connection, where: str, carried: _Carried, taking: _Taking) -> Imported:
    hello, now_s = carried.hello, taking.now_s
    hello.ClearField("token")
    arrived = store.Arrived(hello, where, "", now_s, carried=True)
    report_id = arrived.report_id
    connection.execute("BEGIN IMMEDIATE")
    try:
        opened = store.open_report(connection, arrived)
        if _has_all(opened, carried):
            connection.execute("ROLLBACK")
            note = (*carried.problems, "is stored already")
            return Imported(where, report_id, 0, opened.complete, note)
        redaction = ReportRedaction(taking.redaction_key)
        filed = [
            store.file_frame(report_id, frame, *redaction.redact(frame, octets)) for frame, octets in carried.frames
        ]
        stored = store_frames(connection, filed, now_s)
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise store.StoreError(f"{where}: not stored: {exc}") from exc
    complete = stored[report_id].complete if filed else opened.complete
    return Imported(where, report_id, len(filed), complete, carried.problems)


def _has_all(opened: Opened, carried: _Carried) -> bool:
    return opened.complete or (opened.stored_through > 0 and not carried.numbered)
