"""A long line between two interfaces, in user space: a kernel's own delay queue (netem) is not in every kernel.

`wire.py SECONDS IFACE IFACE` passes frames both ways, each that much later. `wire.py 0 IFACE` prepares an end of the
line for it: the kernel leaves checksums to the hardware, which a packet socket does not have (ethtool -K IFACE tx off).
"""

from __future__ import annotations

import array
import collections
import fcntl
import select
import socket
import struct
import sys
import time

_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17
_EVERY_PROTOCOL = 3
_MAX_FRAME_OCTETS = 65536


def checksum_in_software(name: str) -> None:
    """Let this interface's own kernel write the checksums (and cut large packets) before it sends."""
    value = array.array("I", [_ETHTOOL_STXCSUM, 0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP16x", name.encode(), value.buffer_info()[0]))


def open_end(name: str) -> socket.socket:
    """A packet socket on an interface."""
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL))
    end.bind((name, _EVERY_PROTOCOL))
    return end


def pass_on(ends: tuple[socket.socket, socket.socket], delay_s: float) -> None:
    """Forward frames until killed; all wait equally long, so that a queue keeps their order."""
    waiting: collections.deque[tuple[float, socket.socket, bytes]] = collections.deque()
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while True:
        timeout_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, (), (), timeout_s)[0]:
            frame, sender = end.recvfrom(_MAX_FRAME_OCTETS)
            if sender[2] != socket.PACKET_OUTGOING:
                waiting.append((time.monotonic() + delay_s, other[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, end, frame = waiting.popleft()
            end.send(frame)


def main() -> None:
    """Prepare one end, or be the line."""
    delay_s, names = float(sys.argv[1]), sys.argv[2:]
    if len(names) == 1:
        checksum_in_software(names[0])
        return
    ends = (open_end(names[0]), open_end(names[1]))
    print("ready", flush=True)
    pass_on(ends, delay_s)


if __name__ == "__main__":
    main()
