"""Write down every packet that leaves eth0, until killed: a line of hexadecimal each, after a line `ready`."""

from __future__ import annotations

import socket

_ALL, _OUTGOING = 0x0003, 4


def main() -> None:
    """The packets from their network header on."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind(("eth0", _ALL))
        print("ready", flush=True)
        while True:
            octets, (_, protocol, kind, *_) = sock.recvfrom(65535)
            if kind == _OUTGOING and protocol in {0x0800, 0x86DD}:
                print(octets.hex(), flush=True)


if __name__ == "__main__":
    main()
