from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Frame(_message.Message):
    __slots__ = ("sequence", "hello", "observation", "log", "finding", "summary", "event", "batch")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    FINDING_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    hello: Hello
    observation: Observation
    log: LogChunk
    finding: Finding
    summary: Summary
    event: Event
    batch: Batch
    def __init__(self, sequence: _Optional[int] = ..., hello: _Optional[_Union[Hello, _Mapping]] = ..., observation: _Optional[_Union[Observation, _Mapping]] = ..., log: _Optional[_Union[LogChunk, _Mapping]] = ..., finding: _Optional[_Union[Finding, _Mapping]] = ..., summary: _Optional[_Union[Summary, _Mapping]] = ..., event: _Optional[_Union[Event, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, frames: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Parcel(_message.Message):
    __slots__ = ("token", "frames", "peer", "received_at", "carried")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    CARRIED_FIELD_NUMBER: _ClassVar[int]
    token: str
    frames: _containers.RepeatedScalarFieldContainer[bytes]
    peer: str
    received_at: float
    carried: bool
    def __init__(self, token: _Optional[str] = ..., frames: _Optional[_Iterable[bytes]] = ..., peer: _Optional[str] = ..., received_at: _Optional[float] = ..., carried: _Optional[bool] = ...) -> None: ...

class ParcelReceipt(_message.Message):
    __slots__ = ("report_id", "receipt", "refused", "message")
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    report_id: bytes
    receipt: Receipt
    refused: str
    message: str
    def __init__(self, report_id: _Optional[bytes] = ..., receipt: _Optional[_Union[Receipt, _Mapping]] = ..., refused: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "agent_version", "report_id", "token", "identity", "boot", "trigger", "clock", "session")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    AGENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    agent_version: str
    report_id: bytes
    token: str
    identity: Identity
    boot: Boot
    trigger: str
    clock: Clock
    session: bytes
    def __init__(self, protocol: _Optional[int] = ..., agent_version: _Optional[str] = ..., report_id: _Optional[bytes] = ..., token: _Optional[str] = ..., identity: _Optional[_Union[Identity, _Mapping]] = ..., boot: _Optional[_Union[Boot, _Mapping]] = ..., trigger: _Optional[str] = ..., clock: _Optional[_Union[Clock, _Mapping]] = ..., session: _Optional[bytes] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("smbios_uuid", "serial", "manufacturer", "model", "macs", "computer_name")
    SMBIOS_UUID_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    MANUFACTURER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MACS_FIELD_NUMBER: _ClassVar[int]
    COMPUTER_NAME_FIELD_NUMBER: _ClassVar[int]
    smbios_uuid: str
    serial: str
    manufacturer: str
    model: str
    macs: _containers.RepeatedScalarFieldContainer[str]
    computer_name: str
    def __init__(self, smbios_uuid: _Optional[str] = ..., serial: _Optional[str] = ..., manufacturer: _Optional[str] = ..., model: _Optional[str] = ..., macs: _Optional[_Iterable[str]] = ..., computer_name: _Optional[str] = ...) -> None: ...

class Boot(_message.Message):
    __slots__ = ("boot_id", "image_build", "image_name", "os_version", "began")
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BUILD_FIELD_NUMBER: _ClassVar[int]
    IMAGE_NAME_FIELD_NUMBER: _ClassVar[int]
    OS_VERSION_FIELD_NUMBER: _ClassVar[int]
    BEGAN_FIELD_NUMBER: _ClassVar[int]
    boot_id: str
    image_build: str
    image_name: str
    os_version: str
    began: Clock
    def __init__(self, boot_id: _Optional[str] = ..., image_build: _Optional[str] = ..., image_name: _Optional[str] = ..., os_version: _Optional[str] = ..., began: _Optional[_Union[Clock, _Mapping]] = ...) -> None: ...

class Clock(_message.Message):
    __slots__ = ("uptime_s", "wall_ms", "utc_offset_min")
    UPTIME_S_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_MIN_FIELD_NUMBER: _ClassVar[int]
    uptime_s: float
    wall_ms: int
    utc_offset_min: int
    def __init__(self, uptime_s: _Optional[float] = ..., wall_ms: _Optional[int] = ..., utc_offset_min: _Optional[int] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("text", "integer", "real", "flag")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    REAL_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    text: str
    integer: int
    real: float
    flag: bool
    def __init__(self, text: _Optional[str] = ..., integer: _Optional[int] = ..., real: _Optional[float] = ..., flag: _Optional[bool] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("probe", "target", "outcome", "reason", "started_at_s", "elapsed_s", "facts")
    class FactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    PROBE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_S_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_S_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    probe: str
    target: str
    outcome: str
    reason: str
    started_at_s: float
    elapsed_s: float
    facts: _containers.MessageMap[str, Value]
    def __init__(self, probe: _Optional[str] = ..., target: _Optional[str] = ..., outcome: _Optional[str] = ..., reason: _Optional[str] = ..., started_at_s: _Optional[float] = ..., elapsed_s: _Optional[float] = ..., facts: _Optional[_Mapping[str, Value]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("at_s", "adapter", "kind", "detail", "recovered")
    AT_S_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    at_s: float
    adapter: str
    kind: str
    detail: str
    recovered: bool
    def __init__(self, at_s: _Optional[float] = ..., adapter: _Optional[str] = ..., kind: _Optional[str] = ..., detail: _Optional[str] = ..., recovered: _Optional[bool] = ...) -> None: ...

class LogChunk(_message.Message):
    __slots__ = ("path", "offset_bytes", "data", "codec", "expanded_bytes", "file_bytes", "sha256")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    EXPANDED_BYTES_FIELD_NUMBER: _ClassVar[int]
    FILE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    path: str
    offset_bytes: int
    data: bytes
    codec: str
    expanded_bytes: int
    file_bytes: int
    sha256: bytes
    def __init__(self, path: _Optional[str] = ..., offset_bytes: _Optional[int] = ..., data: _Optional[bytes] = ..., codec: _Optional[str] = ..., expanded_bytes: _Optional[int] = ..., file_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("file", "line", "text", "probe", "target")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    file: str
    line: int
    text: str
    probe: str
    target: str
    def __init__(self, file: _Optional[str] = ..., line: _Optional[int] = ..., text: _Optional[str] = ..., probe: _Optional[str] = ..., target: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("id", "title", "owner", "advice", "confidence", "evidence")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    owner: str
    advice: str
    confidence: float
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., owner: _Optional[str] = ..., advice: _Optional[str] = ..., confidence: _Optional[float] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ...) -> None: ...

class RuledOut(_message.Message):
    __slots__ = ("id", "title", "because")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    because: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., because: _Optional[str] = ...) -> None: ...

class Summary(_message.Message):
    __slots__ = ("status", "finding_id", "title", "owner", "advice", "confidence", "ruled_out", "finished_at_s", "signatures_sha256")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FINDING_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    RULED_OUT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_S_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_SHA256_FIELD_NUMBER: _ClassVar[int]
    status: str
    finding_id: str
    title: str
    owner: str
    advice: str
    confidence: float
    ruled_out: _containers.RepeatedCompositeFieldContainer[RuledOut]
    finished_at_s: float
    signatures_sha256: bytes
    def __init__(self, status: _Optional[str] = ..., finding_id: _Optional[str] = ..., title: _Optional[str] = ..., owner: _Optional[str] = ..., advice: _Optional[str] = ..., confidence: _Optional[float] = ..., ruled_out: _Optional[_Iterable[_Union[RuledOut, _Mapping]]] = ..., finished_at_s: _Optional[float] = ..., signatures_sha256: _Optional[bytes] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("protocol", "stored_through", "complete", "code", "batch_bytes", "session", "logs_left_out", "wall_ms")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    STORED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    BATCH_BYTES_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LOGS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    stored_through: int
    complete: bool
    code: str
    batch_bytes: int
    session: bytes
    logs_left_out: int
    wall_ms: int
    def __init__(self, protocol: _Optional[int] = ..., stored_through: _Optional[int] = ..., complete: _Optional[bool] = ..., code: _Optional[str] = ..., batch_bytes: _Optional[int] = ..., session: _Optional[bytes] = ..., logs_left_out: _Optional[int] = ..., wall_ms: _Optional[int] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("hello", "events", "observations", "logs", "findings", "summary")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    events: _containers.RepeatedCompositeFieldContainer[Event]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    logs: _containers.RepeatedCompositeFieldContainer[LogChunk]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    summary: Summary
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., logs: _Optional[_Iterable[_Union[LogChunk, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., summary: _Optional[_Union[Summary, _Mapping]] = ...) -> None: ...
