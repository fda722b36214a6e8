"""How much does one report get? Bounds on what a stranger on the network may make the collector keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.protobuf.message import Message
from pe_agent import wire
from pe_agent.errors import DecodeError
from pe_protos.v1 import report_pb2 as pb

from pe_collector.refusal import Reason, Refused

MESSAGE_OCTETS = 4 * 1024 * 1024
# Of frames in one batch: a little less than half of what one stream may have in flight.
BATCH_OCTETS = 768 * 1024
MOST_IN_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one report and its stream. Texts in characters; repeated: members of one list or map."""

    frames: int = 50_000
    octets: int = 64 * 1024 * 1024
    text: int = 32 * 1024
    repeated: int = 512
    first_frame_s: float = 15.0
    # An agent that watches a log may have nothing to say for ten minutes.
    idle_s: float = 1800.0
    in_flight_octets: int = 2 * 1024 * 1024
    expanded_octets: int = 512 * 1024 * 1024
    files: int = 512
    slow_reader_s: float = 60.0
    octets_per_s: float = 32 * 1024 * 1024


class Tally:
    """How many logs, and how many octets of them, one stream has brought."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._paths: set[str] = set()
        self._expanded = 0

    def count(self, log: pb.LogChunk) -> None:
        """One more chunk.

        Raises:
            Refused: it is one too many.
        """
        self._paths.add(log.path)
        self._expanded += log.expanded_bytes
        if len(self._paths) > self._limits.files:
            raise Refused(Reason.TOO_MUCH, f"a report has at most {self._limits.files} logs")
        if self._expanded > self._limits.expanded_octets:
            raise Refused(Reason.TOO_MUCH, f"logs of a report unpack to at most {self._limits.expanded_octets} octets")


def read_hello(octets: bytes, limits: Limits) -> pb.Hello:
    """The hello in the first frame of a stream, checked.

    Raises:
        Refused: it is none, or breaks a bound.
    """
    frame = read_frame(octets, limits)
    if frame.WhichOneof("body") != "hello" or frame.sequence != 0:
        raise Refused(Reason.MALFORMED, "a stream opens with a hello as frame 0")
    if frame.hello.protocol < 1:
        raise Refused(Reason.MALFORMED, "hello: protocol is 0; it begins at 1")
    if len(frame.hello.report_id) != wire.REPORT_ID_OCTETS:
        raise Refused(Reason.MALFORMED, f"hello: report_id has {len(frame.hello.report_id)} octets, 16 are needed")
    return frame.hello


def split_message(octets: bytes) -> list[bytes]:
    """The octets of each frame in a later message, one or a batch; no frame in a batch is parsed or checked yet.

    Raises:
        Refused: it is no protobuf message, or too many frames.
    """
    message = _parse(octets)
    if not message.HasField("batch"):
        return [octets]
    if len(message.batch.frames) > MOST_IN_BATCH:
        raise Refused(Reason.TOO_MUCH, f"{len(message.batch.frames)} frames in a batch, at most {MOST_IN_BATCH}")
    return list(message.batch.frames)


def read_record(octets: bytes, limits: Limits) -> pb.Frame:
    """A later frame, checked for itself; its place in the stream is the caller's business.

    Raises:
        Refused: it is a hello or a batch, no protobuf message, or breaks a bound.
    """
    return check_record(_parse(octets), octets, limits)


def check_record(frame: pb.Frame, octets: bytes, limits: Limits) -> pb.Frame:
    """The frame, if it is one that may follow a hello and keeps the bounds.

    Raises:
        Refused: it may not, or does not.
    """
    _check_bounds(frame, octets, limits)
    body = frame.WhichOneof("body")
    if body == "batch":
        raise Refused(Reason.MALFORMED, "a batch inside a batch, or where only single frames may be")
    if body == "hello" or frame.sequence == 0:
        raise Refused(Reason.MALFORMED, f"frame {frame.sequence}: a second hello; it only opens a stream")
    if frame.sequence > limits.frames:
        raise Refused(Reason.TOO_MUCH, f"frame {frame.sequence}: a report has at most {limits.frames} frames")
    if frame.log.expanded_bytes > wire.MAX_CHUNK_OCTETS:
        raise Refused(Reason.TOO_MUCH, f"frame {frame.sequence}: a log chunk of {frame.log.expanded_bytes} octets")
    return frame


def read_parcel(octets: bytes) -> pb.Parcel:
    """A message of a forwarding stream.

    Raises:
        Refused: it is none.
    """
    try:
        return pb.Parcel.FromString(octets)
    except ProtobufDecodeError as exc:
        raise Refused(Reason.MALFORMED, f"{len(octets)} octets are no parcel: {exc}") from exc


def read_frame(octets: bytes, limits: Limits) -> pb.Frame:
    """Octets to a frame whose texts and lists are within bounds.

    Raises:
        Refused: they are not, or are no frame.
    """
    frame = _parse(octets)
    _check_bounds(frame, octets, limits)
    return frame


def _parse(octets: bytes) -> pb.Frame:
    try:
        return wire.parse_frame(octets)
    except DecodeError as exc:
        raise Refused(Reason.MALFORMED, str(exc)) from exc


def _check_bounds(frame: pb.Frame, octets: bytes, limits: Limits) -> None:
    # A member of a list takes two octets at least: a small frame can break no bound.
    if len(octets) > min(limits.text, 2 * limits.repeated):
        _check(frame, limits, f"frame {frame.sequence}")


def _check(message: Message, limits: Limits, where: str) -> None:
    for field, value in message.ListFields():
        here = f"{where}: {field.name}"
        if isinstance(value, Message):
            _check(value, limits, here)
        elif isinstance(value, str):
            _check_text(value, limits, here)
        elif hasattr(value, "__len__") and not isinstance(value, bytes):
            _check_many(value, limits, here)


def _check_many(values: Any, limits: Limits, here: str) -> None:
    if len(values) > limits.repeated:
        raise Refused(Reason.TOO_MUCH, f"{here}: {len(values)} entries, at most {limits.repeated} are taken")
    for value in _members(values):
        if isinstance(value, str):
            _check_text(value, limits, here)
        elif isinstance(value, Message):
            _check(value, limits, here)


def _members(values: Any) -> Iterable[object]:
    if not hasattr(values, "items"):
        return values  # type: ignore[no-any-return]  # a repeated field is not typed
    return (part for pair in values.items() for part in pair)


def _check_text(text: str, limits: Limits, here: str) -> None:
    if len(text) > limits.text:
        raise Refused(Reason.TOO_MUCH, f"{here}: {len(text)} characters, at most {limits.text} are taken")
