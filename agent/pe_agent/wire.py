"""The report in protobuf and back: the only module that knows both the model and the messages."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError as ProtobufDecodeError
from pe_protos.v1 import report_pb2 as pb

from pe_agent.errors import DecodeError
from pe_agent.model import (
    Boot,
    Clock,
    Event,
    EventKind,
    Evidence,
    FactValue,
    Finding,
    Identity,
    LogChunk,
    Observation,
    Opening,
    Outcome,
    Owner,
    Reason,
    Record,
    Report,
    RuledOut,
    Status,
    Verdict,
)

PROTOCOL = 1
REPORT_ID_OCTETS = 16
CHUNK_OCTETS = 256 * 1024
# The most that one chunk may hold after decoding: what any agent sends, with room for newer ones.
MAX_CHUNK_OCTETS = 4 * 1024 * 1024

_Word = TypeVar("_Word", bound=StrEnum)
_Default = TypeVar("_Default")


def encode_hello(opening: Opening, clock: Clock, token: str = "") -> pb.Frame:
    """The frame that opens a stream; `clock` is read when it is sent, the token is never kept."""
    hello = pb.Hello(
        protocol=opening.protocol,
        agent_version=opening.agent_version,
        report_id=opening.report_id,
        token=token,
        identity=_identity_to_pb(opening.identity),
        boot=_boot_to_pb(opening.boot),
        trigger=opening.trigger,
        clock=_clock_to_pb(clock),
    )
    return pb.Frame(sequence=0, hello=hello)


def decode_hello(hello: pb.Hello) -> Opening:
    """Who speaks. The token stays behind.

    Raises:
        DecodeError: the report identifier is not 16 octets.
    """
    if len(hello.report_id) != REPORT_ID_OCTETS:
        raise DecodeError(f"hello: report_id has {len(hello.report_id)} octets, 16 are needed")
    identity = hello.identity
    boot = hello.boot
    return Opening(
        report_id=hello.report_id,
        agent_version=hello.agent_version,
        trigger=hello.trigger,
        identity=Identity(
            identity.smbios_uuid,
            identity.serial,
            identity.manufacturer,
            identity.model,
            tuple(identity.macs),
            identity.computer_name,
        ),
        boot=Boot(_clock_from_pb(boot.began), boot.boot_id, boot.image_build, boot.image_name, boot.os_version),
        protocol=hello.protocol,
    )


def encode_record(sequence: int, record: Record) -> pb.Frame:
    """One record as the frame with this sequence number (from 1)."""
    return _ENCODERS[type(record)](sequence, record)


def decode_record(frame: pb.Frame) -> Record | None:
    """The record in a frame; None when it holds none: a batch, or a newer agent's word this version does not know.

    Raises:
        DecodeError: the frame holds a hello, or a log chunk that does not expand to what it claims.
    """
    body = frame.WhichOneof("body")
    if body is None:
        return None
    if body == "hello":
        raise DecodeError(f"frame {frame.sequence}: a hello inside the stream; it only opens one")
    decode = _DECODERS.get(body)
    return decode(getattr(frame, body)) if decode else None


def encode_batch(frames: Iterable[pb.Frame]) -> pb.Frame:
    """Frames of one report in one message."""
    return pb.Frame(batch=pb.Batch(frames=[frame.SerializeToString() for frame in frames]))


def parse_frame(octets: bytes) -> pb.Frame:
    """Octets to a frame.

    Raises:
        DecodeError: they are no protobuf message.
    """
    try:
        return pb.Frame.FromString(octets)
    except ProtobufDecodeError as exc:
        raise DecodeError(f"a frame of {len(octets)} octets is no protobuf message: {exc}") from exc


def report_to_frames(message: pb.Report) -> list[pb.Frame]:
    """A whole report as the frames an agent would have streamed, the hello first."""
    frames = [pb.Frame(sequence=0, hello=message.hello)]
    bodies: list[dict[str, object]] = []
    bodies += [{"event": m} for m in message.events]
    bodies += [{"observation": m} for m in message.observations]
    bodies += [{"log": m} for m in message.logs]
    bodies += [{"finding": m} for m in message.findings]
    if message.HasField("summary"):
        bodies.append({"summary": message.summary})
    frames += [pb.Frame(sequence=n, **body) for n, body in enumerate(bodies, start=1)]  # type: ignore[arg-type]
    return frames


def frames_to_report(frames: Iterable[pb.Frame]) -> pb.Report:
    """Frames gathered into the message whose JSON form `export` writes."""
    message = pb.Report()
    lists = {
        "event": message.events,
        "observation": message.observations,
        "log": message.logs,
        "finding": message.findings,
    }
    for frame in frames:
        body = frame.WhichOneof("body")
        if body in ("hello", "summary"):
            getattr(message, body).CopyFrom(getattr(frame, body))
        elif body in lists:
            lists[body].append(getattr(frame, body))  # type: ignore[attr-defined]
    message.hello.ClearField("token")
    return message


def report_from_json(text: str) -> pb.Report:
    """One line of JSON (proto3 JSON mapping) to a report; fields this version does not know are ignored.

    Raises:
        DecodeError: not JSON, or not of that form.
    """
    try:
        return json_format.Parse(text, pb.Report(), ignore_unknown_fields=True, max_recursion_depth=20)
    except (json_format.ParseError, RecursionError) as exc:
        raise DecodeError(f"not a report in proto3 JSON: {exc}") from exc


def report_to_json(message: pb.Report) -> str:
    """The proto3 JSON mapping on one line, field names as in the .proto."""
    return json_format.MessageToJson(message, preserving_proto_field_name=True, indent=None)


def decode_report(message: pb.Report) -> Report:
    """A whole message to the model, unknown kinds of records left out."""
    opening, *rest = report_to_frames(message)
    records = (decode_record(frame) for frame in rest)
    return Report(decode_hello(opening.hello), tuple(r for r in records if r is not None))


def _observation_to_pb(sequence: int, record: Observation) -> pb.Frame:
    body = pb.Observation(
        probe=record.probe,
        target=record.target,
        outcome=record.outcome,
        reason=record.reason,
        started_at_s=record.started_at_s,
        elapsed_s=record.elapsed_s,
        facts={name: _value_to_pb(value) for name, value in record.facts.items()},
    )
    return pb.Frame(sequence=sequence, observation=body)


def _observation_from_pb(body: pb.Observation) -> Observation:
    return Observation(
        probe=body.probe,
        target=body.target,
        outcome=_word(Outcome, body.outcome, Outcome.WARNING),
        reason=_word(Reason, body.reason, Reason.NOT_KNOWN),
        started_at_s=body.started_at_s,
        elapsed_s=body.elapsed_s,
        facts=facts_from_pb(body.facts),
    )


def facts_from_pb(facts: Mapping[str, pb.Value]) -> dict[str, FactValue]:
    """Facts by name; a value of a kind that this version does not know is left out."""
    kinds = ((name, value, value.WhichOneof("kind")) for name, value in facts.items())
    return {name: getattr(value, kind) for name, value, kind in kinds if kind is not None}


def _value_to_pb(value: FactValue) -> pb.Value:
    # bool is an int: asked first
    if isinstance(value, bool):
        return pb.Value(flag=value)
    if isinstance(value, int):
        return pb.Value(integer=value)
    if isinstance(value, float):
        return pb.Value(real=value)
    return pb.Value(text=value)


def _event_to_pb(sequence: int, record: Event) -> pb.Frame:
    body = pb.Event(
        at_s=record.at_s,
        adapter=record.adapter,
        kind=record.kind,
        detail=record.detail,
        recovered=record.recovered,
    )
    return pb.Frame(sequence=sequence, event=body)


def _event_from_pb(body: pb.Event) -> Event | None:
    kind = _word(EventKind, body.kind, None)
    if kind is None:
        return None
    return Event(body.at_s, body.adapter, kind, body.detail, body.recovered)


def _chunk_to_pb(sequence: int, record: LogChunk) -> pb.Frame:
    packed = zlib.compress(record.octets, 6)
    smaller = len(packed) < len(record.octets)
    body = pb.LogChunk(
        path=record.path,
        offset_bytes=record.offset_bytes,
        data=packed if smaller else record.octets,
        codec="zlib" if smaller else "",
        expanded_bytes=len(record.octets),
        file_bytes=record.file_bytes,
        sha256=record.sha256,
    )
    return pb.Frame(sequence=sequence, log=body)


def _chunk_from_pb(body: pb.LogChunk) -> LogChunk:
    return LogChunk(body.path, body.offset_bytes, expand_chunk(body), body.file_bytes, body.sha256)


def inflate(packed: bytes, most: int) -> bytes:
    """At most so many octets of what zlib packed.

    Raises:
        zlib.error: damaged.
    """
    return zlib.decompressobj().decompress(packed, most)


def expand_chunk(body: pb.LogChunk, inflate: Callable[[bytes, int], bytes] = inflate) -> bytes:
    """The log octets of a chunk, never more than it claims and never more than MAX_CHUNK_OCTETS.

    Raises:
        DecodeError: unknown codec, damaged, too large, or not the size it claims.
    """
    where = f"chunk of {body.path!r} at {body.offset_bytes}"
    if body.expanded_bytes > MAX_CHUNK_OCTETS:
        raise DecodeError(f"{where}: claims {body.expanded_bytes} octets, {MAX_CHUNK_OCTETS} are allowed")
    if body.codec == "":
        octets = body.data
    elif body.codec == "zlib":
        try:
            octets = inflate(body.data, body.expanded_bytes + 1)
        except zlib.error as exc:
            raise DecodeError(f"{where}: damaged ({exc})") from exc
    else:
        raise DecodeError(f"{where}: codec {body.codec!r} is not known here")
    if len(octets) != body.expanded_bytes:
        raise DecodeError(f"{where}: holds {len(octets)} octets and claims {body.expanded_bytes}")
    return octets


def _finding_to_pb(sequence: int, record: Finding) -> pb.Frame:
    evidence = [
        pb.Evidence(text=e.text, file=e.file, line=e.line, probe=e.probe, target=e.target) for e in record.evidence
    ]
    body = pb.Finding(
        id=record.id,
        title=record.title,
        owner=record.owner,
        advice=record.advice,
        confidence=record.confidence,
        evidence=evidence,
    )
    return pb.Frame(sequence=sequence, finding=body)


def _finding_from_pb(body: pb.Finding) -> Finding:
    evidence = tuple(Evidence(e.text, e.file, e.line, e.probe, e.target) for e in body.evidence)
    owner = _word(Owner, body.owner, Owner.UNKNOWN)
    return Finding(body.id, body.title, owner, body.advice, body.confidence, evidence)


def _verdict_to_pb(sequence: int, record: Verdict) -> pb.Frame:
    body = pb.Summary(
        status=record.status,
        finding_id=record.finding_id,
        title=record.title,
        owner=record.owner,
        advice=record.advice,
        confidence=record.confidence,
        ruled_out=[pb.RuledOut(id=r.id, title=r.title, because=r.because) for r in record.ruled_out],
        finished_at_s=record.finished_at_s,
        signatures_sha256=record.signatures_sha256,
    )
    return pb.Frame(sequence=sequence, summary=body)


def _verdict_from_pb(body: pb.Summary) -> Verdict:
    return Verdict(
        status=_word(Status, body.status, Status.UNKNOWN),
        title=body.title,
        owner=_word(Owner, body.owner, Owner.UNKNOWN),
        advice=body.advice,
        finding_id=body.finding_id,
        confidence=body.confidence,
        ruled_out=tuple(RuledOut(r.id, r.title, r.because) for r in body.ruled_out),
        finished_at_s=body.finished_at_s,
        signatures_sha256=body.signatures_sha256,
    )


def _identity_to_pb(identity: Identity) -> pb.Identity:
    return pb.Identity(
        smbios_uuid=identity.smbios_uuid,
        serial=identity.serial,
        manufacturer=identity.manufacturer,
        model=identity.model,
        macs=identity.macs,
        computer_name=identity.computer_name,
    )


def _boot_to_pb(boot: Boot) -> pb.Boot:
    return pb.Boot(
        boot_id=boot.boot_id,
        image_build=boot.image_build,
        image_name=boot.image_name,
        os_version=boot.os_version,
        began=_clock_to_pb(boot.began),
    )


def _clock_to_pb(clock: Clock) -> pb.Clock:
    return pb.Clock(uptime_s=clock.uptime_s, wall_ms=clock.wall_ms, utc_offset_min=clock.utc_offset_min)


def _clock_from_pb(clock: pb.Clock) -> Clock:
    return Clock(clock.uptime_s, clock.wall_ms, clock.utc_offset_min)


def _word(words: type[_Word], text: str, otherwise: _Default) -> _Word | _Default:
    try:
        return words(text)
    except ValueError:
        return otherwise


_ENCODERS: dict[type, Callable[..., pb.Frame]] = {
    Observation: _observation_to_pb,
    Event: _event_to_pb,
    LogChunk: _chunk_to_pb,
    Finding: _finding_to_pb,
    Verdict: _verdict_to_pb,
}
_DECODERS: dict[str, Callable[..., Record | None]] = {
    "observation": _observation_from_pb,
    "event": _event_from_pb,
    "log": _chunk_from_pb,
    "finding": _finding_from_pb,
    "summary": _verdict_from_pb,
}
