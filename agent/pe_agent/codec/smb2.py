"""The first exchange of SMB2: which dialect, must packets be signed, and what time is it on the server?

Source: [MS-SMB2] 2.1 (direct TCP transport), 2.2.1.2 (header), 2.2.3, 2.2.4 (negotiate); times are FILETIMEs [MS-DTYP].
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from pe_agent.errors import DecodeError

# 3.1.1 is left out: it would need a preauthentication context, and a server that knows it knows 3.0.2 too.
DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302)
MAX_MESSAGE_OCTETS = 65536

_PROTOCOL = b"\xfeSMB"
_SMB1_PROTOCOL = b"\xffSMB"
_HEADER = struct.Struct("<4sHHIHHIIQIIQ16s")
_REQUEST = struct.Struct("<HHHHI16sQ")
_RESPONSE = struct.Struct("<HHHH16sIIIIQQHHI")
_NEGOTIATE, _FROM_SERVER = 0, 0x1
_SIGNING_ENABLED, _SIGNING_REQUIRED = 0x1, 0x2
# 100 ns units between 1601-01-01 and 1970-01-01.
_UNIX_EPOCH = 116_444_736_000_000_000


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What the server chose. `server_time_s` is Unix time; None when the server does not say.

    `status` is an NTSTATUS, 0 for success; the other fields mean something only then.
    """

    status: int
    dialect: int = 0
    signing_required: bool = False
    server_guid: str = ""
    server_time_s: float | None = None
    max_read_octets: int = 0

    @property
    def dialect_text(self) -> str:
        """As people write it: `3.0.2`."""
        digits = f"{self.dialect:04x}"
        text = f"{int(digits[0:2])}.{digits[2]}"
        return text if digits[3] == "0" or self.dialect == 0x0210 else f"{text}.{digits[3]}"


def encode_negotiate(client: uuid.UUID, dialects: tuple[int, ...] = DIALECTS) -> bytes:
    """A NEGOTIATE request with its transport header; `client` tells this connection's client from others."""
    header = _HEADER.pack(_PROTOCOL, 64, 0, 0, _NEGOTIATE, 1, 0, 0, 0, 0xFEFF, 0, 0, bytes(16))
    body = _REQUEST.pack(36, len(dialects), _SIGNING_ENABLED, 0, 0, client.bytes_le, 0)
    message = header + body + struct.pack(f"<{len(dialects)}H", *dialects)
    return struct.pack(">I", len(message)) + message


def message_octets(head: bytes) -> int:
    """How long the message behind this 4-octet transport header is.

    Raises:
        DecodeError: not the header of a direct TCP message, or one that is too long to be believed.
    """
    if len(head) != 4 or head[0] != 0:
        raise DecodeError(f"SMB transport header {head[:4].hex()}: its first octet must be 0 ([MS-SMB2] 2.1)")
    length = int.from_bytes(head[1:], "big")
    if not 4 <= length <= MAX_MESSAGE_OCTETS:
        raise DecodeError(f"SMB message of {length} octets; 4 to {MAX_MESSAGE_OCTETS} are believed")
    return length


def speaks_smb(octets: bytes) -> bool:
    """Whether this can be the beginning of an SMB server's answer (transport header, then either protocol mark)."""
    mark = octets[4:8]
    return octets[:1] == b"\0" and (_PROTOCOL.startswith(mark) or _SMB1_PROTOCOL.startswith(mark))


def decode_negotiate(message: bytes) -> Negotiated:
    """A NEGOTIATE response without its transport header.

    Raises:
        DecodeError: another protocol or command, a request, or cut short.
    """
    if len(message) < _HEADER.size:
        raise DecodeError(f"SMB message of {len(message)} octets; its header alone has {_HEADER.size}")
    protocol, size, _, status, command, _, flags, *_ = _HEADER.unpack_from(message)
    if (protocol, size, command) != (_PROTOCOL, 64, _NEGOTIATE) or not flags & _FROM_SERVER:
        raise DecodeError(f"not an SMB2 NEGOTIATE response: mark {protocol.hex()}, command {command}")
    if status:
        return Negotiated(status)
    if len(message) < _HEADER.size + _RESPONSE.size:
        raise DecodeError(f"SMB2 NEGOTIATE response cut short at {len(message)} octets")
    fields = _RESPONSE.unpack_from(message, _HEADER.size)
    structure, mode, dialect, _, guid, _, _, max_read, _, system_time, *_ = fields
    if structure != 65:
        raise DecodeError(f"SMB2 NEGOTIATE response of structure size {structure}, not 65 ([MS-SMB2] 2.2.4)")
    return Negotiated(
        status=0,
        dialect=dialect,
        signing_required=bool(mode & _SIGNING_REQUIRED),
        server_guid=str(uuid.UUID(bytes_le=guid)),
        server_time_s=(system_time - _UNIX_EPOCH) / 1e7 if system_time else None,
        max_read_octets=max_read,
    )
