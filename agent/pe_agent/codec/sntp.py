"""One SNTP exchange: how far is this machine's clock from the server's?

Source: RFC 4330 sections 4 (message) and 5 (offset and delay), RFC 5905 figure 8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pe_agent.errors import DecodeError

PORT = 123
MESSAGE_OCTETS = 48
_MESSAGE = struct.Struct("!BBbbII4sQQQQ")
_VERSION, _CLIENT, _SERVER = 4, 3, 4
_NOT_SYNCHRONISED = 3
# Seconds from 1900-01-01 to 1970-01-01.
_UNIX_EPOCH_S = 2_208_988_800
_ERA_S = 1 << 32


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """What the server said; times are Unix seconds.

    `offset_s` is what must be added to this machine's clock, `delay_s` the round trip without the server's share.
    """

    stratum: int
    synchronised: bool
    offset_s: float
    delay_s: float
    refused: str = ""


def encode_request(sent_s: float) -> bytes:
    """A client's request; `sent_s` (Unix time) comes back in the answer and proves that it is the answer to this."""
    return _MESSAGE.pack(_VERSION << 3 | _CLIENT, 0, 0, 0, 0, 0, bytes(4), 0, 0, 0, _stamp(sent_s))


def decode_answer(octets: bytes, sent_s: float, received_s: float) -> TimeAnswer:
    """The answer to `encode_request(sent_s)` that arrived when this clock said `received_s`.

    Raises:
        DecodeError: too short, not from a server, or not an answer to this request.
    """
    if len(octets) < MESSAGE_OCTETS:
        raise DecodeError(f"SNTP message of {len(octets)} octets, {MESSAGE_OCTETS} are needed")
    head, stratum, _, _, _, _, mark, _, originate, receive, transmit = _MESSAGE.unpack_from(octets)
    if head & 7 != _SERVER or originate != _stamp(sent_s):
        raise DecodeError(f"not the answer to this SNTP request: mode {head & 7}")
    server_received_s, server_sent_s = _seconds(receive, received_s), _seconds(transmit, received_s)
    return TimeAnswer(
        stratum=stratum,
        synchronised=head >> 6 != _NOT_SYNCHRONISED and 0 < stratum < 16 and transmit != 0,
        offset_s=((server_received_s - sent_s) + (server_sent_s - received_s)) / 2,
        delay_s=max(0.0, (received_s - sent_s) - (server_sent_s - server_received_s)),
        # Stratum 0 is a kiss of death; its reason stands where the reference was (RFC 4330 section 8).
        refused=mark.rstrip(b"\0").decode("latin-1") if stratum == 0 else "",
    )


def _stamp(unix_s: float) -> int:
    """Unix seconds as an NTP timestamp: 32 bits of seconds, 32 of fraction; wraps in 2036."""
    return int((unix_s + _UNIX_EPOCH_S) * _ERA_S) % (_ERA_S * _ERA_S)


def _seconds(stamp: int, near_s: float) -> float:
    """An NTP timestamp as Unix seconds, in the era that lies nearest to `near_s` (RFC 4330 section 3)."""
    seconds = stamp / _ERA_S - _UNIX_EPOCH_S
    return seconds + _ERA_S * round((near_s - seconds) / _ERA_S)
