"""Send reports that were kept: by gRPC, else by upload; a file goes when all of it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pe_agent.bundle import MAGIC, SUFFIX, Damage, encode_bundle, read_bundle
from pe_agent.errors import DecodeError, NotDelivered, UsageError
from pe_agent.model import Clock
from pe_agent.parcel import BUNDLE_TYPE, Parcel, clock_now, parcel_of_frames, parcel_of_line
from pe_agent.trust import Stored, Trust

if TYPE_CHECKING:
    from pe_protos.v1 import report_pb2 as pb

    from pe_agent.upload import Uploader

JSON_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True)
class Ways:
    """How a report can go. `now` are this machine's clocks; each report may take `timeout_s`."""

    now: Clock
    collectors: tuple[str, ...]
    trust: Trust
    uploader: Uploader | None
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file, as a line for the screen."""

    path: Path
    stored: bool
    text: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """One report read from a file: its frames where protobuf loads, and the parcel in any case."""

    parcel: Parcel
    frames: tuple[pb.Frame, ...]


def kept_reports(places: Iterable[Path]) -> Iterator[Path]:
    """The files of reports in these places, which are files or folders; a folder that is not there holds none."""
    for place in places:
        if place.is_dir():
            yield from sorted(p for p in place.iterdir() if p.suffix in (SUFFIX, JSON_SUFFIX) and p.is_file())
        elif place.exists():
            yield place


def check_places(paths: Iterable[str]) -> tuple[Path, ...]:
    """What the user named.

    Raises:
        UsageError: it is not there.
    """
    places = tuple(map(Path, paths))
    for place in places:
        if not place.exists():
            raise UsageError(f"{place}: no such file or folder; name a kept report or the folder it lies in")
    return places


def send_kept(path: Path, ways: Ways) -> Sent:
    """Send what one file holds and delete it; of a damaged one send what stands before the damage, and keep it."""
    try:
        kept, damage = _read(path, ways.now)
        receipts = [_deliver(report, ways) for report in kept]
        if damage or not receipts:
            left = f"{damage or 'nothing in it can be read'}: it stays; `pe-collector import` takes what is whole"
            return Sent(path, stored=False, text=f"{path}: {left}")
        path.unlink()
    except OSError as exc:
        return Sent(path, stored=False, text=f"{path}: {exc.strerror or exc}")
    except (NotDelivered, DecodeError) as exc:
        return Sent(path, stored=False, text=f"{path}: NOT delivered: {exc}")
    names = ", ".join(f"{receipt.code} by {receipt.collector}" for receipt in receipts)
    return Sent(path, stored=True, text=f"{path}: stored as {names}; deleted here")


def _read(path: Path, now: Clock) -> tuple[list[_Kept], str]:
    octets = path.read_bytes()
    if not octets.startswith(MAGIC) and path.suffix != SUFFIX:
        return [_of_line(line, now) for line in octets.splitlines() if line.strip()], ""
    payloads: list[bytes] = []
    damage = ""
    for record in read_bundle(octets):
        if isinstance(record, Damage) and record.until == len(MAGIC):
            # Of the report itself nothing is missing.
            continue
        if isinstance(record, Damage):
            damage = f"octets {record.at} to {record.until} are damaged"
            break
        payloads.append(record)
    return [_of_payloads(payloads, now)] if payloads else [], damage


def _of_payloads(payloads: list[bytes], now: Clock) -> _Kept:
    try:
        from pe_agent import wire  # noqa: PLC0415 - may fail to load in Windows PE
    except ImportError:
        return _Kept(Parcel(encode_bundle(payloads), BUNDLE_TYPE, len(payloads) - 1), ())
    return _of_frames(tuple(map(wire.parse_frame, payloads)), now)


def _of_line(line: bytes, now: Clock) -> _Kept:
    try:
        from pe_agent import wire  # noqa: PLC0415 - may fail to load in Windows PE
    except ImportError:
        return _Kept(parcel_of_line(line, now), ())
    message = wire.report_from_json(line.decode("utf-8", "replace"))
    return _of_frames(tuple(wire.report_to_frames(message)), now)


def _of_frames(frames: tuple[pb.Frame, ...], now: Clock) -> _Kept:
    clock = frames[0].hello.clock
    moved = clock_now(Clock(clock.uptime_s, clock.wall_ms, clock.utc_offset_min), now)
    clock.uptime_s, clock.wall_ms = moved.uptime_s, moved.wall_ms
    return _Kept(parcel_of_frames(frames), frames)


def _deliver(kept: _Kept, ways: Ways) -> Stored:
    problem = "gRPC does not load here"
    if ways.collectors and kept.frames:
        try:
            return _shipped(kept.frames, ways)
        except NotDelivered as exc:
            problem = str(exc)
        except ImportError as exc:
            problem = f"gRPC does not load here ({exc})"
    if ways.uploader is None:
        raise NotDelivered(f"{problem}; --upload names another way")
    stored = ways.uploader.send(kept.parcel, ways.timeout_s)
    if not stored.complete and stored.stored_through < kept.parcel.records:
        raise NotDelivered(f"{stored.collector} has only the first {stored.stored_through} records")
    return stored


def _shipped(frames: tuple[pb.Frame, ...], ways: Ways) -> Stored:
    from pe_agent import ship, wire  # noqa: PLC0415 - may fail to load in Windows PE

    hello = frames[0].hello
    clock = Clock(hello.clock.uptime_s, hello.clock.wall_ms, hello.clock.utc_offset_min)
    shipment = ship.Shipment(wire.decode_hello(hello), lambda: clock, ways.collectors, ways.trust)
    for frame in frames[1:]:
        shipment.put(frame)
    shipment.finish()
    return shipment.wait(ways.timeout_s / 2 if ways.uploader else ways.timeout_s)
