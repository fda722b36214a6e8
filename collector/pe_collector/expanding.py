"""What do a log's octets say? Unpacked as wire.expand_chunk does, in less than half of its time."""

from __future__ import annotations

import zlib

from isal import isal_zlib
from pe_agent import wire
from pe_protos.v1 import report_pb2 as pb


def expand_quickly(chunk: pb.LogChunk) -> bytes:
    """The log octets of a chunk.

    Raises:
        DecodeError: unknown codec, damaged, too large, or not the size it claims.
    """
    return wire.expand_chunk(chunk, _inflate)


def _inflate(packed: bytes, most: int) -> bytes:
    try:
        return isal_zlib.decompressobj().decompress(packed, most)
    except isal_zlib.error as exc:  # type: ignore[misc]  # its stub says an instance
        raise zlib.error(str(exc)) from exc
