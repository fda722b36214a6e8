"""How much does one report get? Bounds on what a stranger on the network may make the collector keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from pe_agent import wire
from pe_agent.errors import DecodeError
from pe_protos.v1 import report_pb2 as pb

from pe_collector.refusal import Reason, Refused

MESSAGE_OCTETS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one report. Texts in characters; repeated: members of one list or map."""

    frames: int = 50_000
    octets: int = 64 * 1024 * 1024
    text: int = 32 * 1024
    repeated: int = 512
    first_frame_s: float = 15.0
    # An agent that watches a log may have nothing to say for ten minutes.
    idle_s: float = 1800.0
    in_flight_octets: int = 2 * 1024 * 1024


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


def read_record(octets: bytes, limits: Limits) -> pb.Frame:
    """A later frame, checked for itself; its place in the stream is the caller's business.

    Raises:
        Refused: it is a hello, no protobuf message, or breaks a bound.
    """
    frame = read_frame(octets, limits)
    if frame.WhichOneof("body") == "hello" or frame.sequence == 0:
        raise Refused(Reason.MALFORMED, f"frame {frame.sequence}: a second hello; it only opens a stream")
    if frame.sequence > limits.frames:
        raise Refused(Reason.TOO_MUCH, f"frame {frame.sequence}: a report has at most {limits.frames} frames")
    if frame.log.expanded_bytes > wire.MAX_CHUNK_OCTETS:
        raise Refused(Reason.TOO_MUCH, f"frame {frame.sequence}: a log chunk of {frame.log.expanded_bytes} octets")
    return frame


def read_frame(octets: bytes, limits: Limits) -> pb.Frame:
    """Octets to a frame whose texts and lists are within bounds.

    Raises:
        Refused: they are not, or are no frame.
    """
    try:
        frame = wire.parse_frame(octets)
    except DecodeError as exc:
        raise Refused(Reason.MALFORMED, str(exc)) from exc
    # A member of a list takes two octets at least: a small frame can break no bound.
    if len(octets) > min(limits.text, 2 * limits.repeated):
        _check(frame, limits, f"frame {frame.sequence}")
    return frame


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
