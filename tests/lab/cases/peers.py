"""Listeners that are not WDS: run as `peers.py PORT=KIND ...`; prints `KIND` once each one listens, on every address.

`drip` sends the beginning of a right answer, an octet each 300 ms; `mute` accepts and says nothing; `proxy-http`
answers like a web proxy; `proxy-tls` answers what is not TLS with an alert (RFC 8446 section 6); `smb` negotiates.

On UDP, and from the address that was asked, `pxe` is a boot server, `dhcp` offers an address, `dns` has one for every
name, `tftp` has every file, from a port of its own; `mute-udp` listens and says nothing.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

DRIP_S = 0.3
_BIND_ACK_HEADER = struct.pack("<4B4sHHI", 5, 0, 12, 3, b"\x10\0\0\0", 60, 0, 1)
_UNEXPECTED_MESSAGE = bytes.fromhex("15 0303 0002 02 0a")
_IP_PKTINFO = 8
_BOOT_FILE = b"boot\\x64\\wdsnbp.com"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nServer: proxy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def drip(accepted: socket.socket) -> None:
    """60 octets take 18 s: no deadline of a probe waits for them."""
    for octet in _BIND_ACK_HEADER.ljust(60, b"\0"):
        accepted.sendall(bytes([octet]))
        time.sleep(DRIP_S)


def mute(accepted: socket.socket) -> None:
    """Read until the other side goes away."""
    while accepted.recv(65536):
        pass


def http(accepted: socket.socket) -> None:
    """What a web proxy says to a request that is none."""
    accepted.recv(65536)
    accepted.sendall(_BAD_REQUEST)


def tls(accepted: socket.socket) -> None:
    """What a TLS server says to octets that are no ClientHello; OpenSSL would close without a word."""
    accepted.recv(65536)
    accepted.sendall(_UNEXPECTED_MESSAGE)


def smb(accepted: socket.socket) -> None:
    """The answer to SMB2 NEGOTIATE, dialect 2.1 ([MS-SMB2] 2.2.4)."""
    accepted.recv(65536)
    tail = struct.pack("<HHHH16sIIIIQQHHI", 65, 1, 0x0210, 0, bytes(16), 0, 9, 9, 9, 0, 0, 128, 0, 0)
    message = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16s", 64, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, b"") + tail
    accepted.sendall(struct.pack(">I", len(message)) + message)
    mute(accepted)


KINDS: dict[str, Callable[[socket.socket], None]] = {
    "drip": drip,
    "mute": mute,
    "proxy-http": http,
    "proxy-tls": tls,
    "smb": smb,
}


def pxe_answer(request: bytes) -> bytes:
    """A reply that names a boot program; empty for what is no BOOTP request (RFC 951, PXE 2.1 2.2.4)."""
    if len(request) < 240 or request[0] != 1:
        return b""
    head = b"\x02" + request[1:108] + _BOOT_FILE.ljust(128, b"\0")
    return head + request[236:240] + b"\x35\x01\x05\x36\x04\x0a\x0a\x09\x02\x3c\x09PXEClient\xff"


def dhcp_answer(request: bytes) -> bytes:
    """An offer to a relay (RFC 2131 section 3)."""
    if len(request) < 240 or request[0] != 1:
        return b""
    head = b"\x02" + request[1:16] + bytes((10, 10, 1, 99)) + request[20:108] + bytes(128)
    return head + request[236:240] + b"\x35\x01\x02\x36\x04\x0a\x0a\x09\x02\xff"


def dns_answer(request: bytes) -> bytes:
    """One address for the name that is asked for (RFC 1035 section 4.1)."""
    record = struct.pack("!HHHIH4s", 0xC00C, 1, 1, 60, 4, bytes((10, 10, 9, 2)))
    return request[:2] + struct.pack("!HHHHH", 0x8580, 1, 1, 0, 0) + request[12:] + record


def transfer(request: bytes, asked: str, asker: tuple[str, int]) -> None:
    """The first block of a file, once options were agreed on where there are any (RFC 1350, RFC 2347).

    Each packet is sent again after a second without an acknowledgement, and an error ends the transfer.
    """
    words = request[2:].split(b"\0")
    options = dict(zip(words[2::2], words[3::2], strict=False))
    size = options.get(b"blksize", b"512")
    agreed = b"\0\x06blksize\0" + size + b"\0tsize\0" + b"4096\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((asked, 0))
        sock.settimeout(1.0)
        for packet in ([agreed] if b"blksize" in options else []) + [b"\0\x03\0\x01" + b"\x5a" * int(size)]:
            for _ in range(3):
                sock.sendto(packet, asker)
                with suppress(TimeoutError):
                    if sock.recv(600).startswith(b"\0\x05"):
                        return
                    break


_ANSWERS: dict[str, Callable[[bytes], bytes]] = {"pxe": pxe_answer, "dhcp": dhcp_answer, "dns": dns_answer}


def listen_udp(port: int, kind: str) -> None:
    """Answer datagrams until killed, each from the address it was sent to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        sock.bind(("", port))
        print(kind, flush=True)
        while True:
            request, ancillary, _, sender = sock.recvmsg(2048, 64)
            answer = _ANSWERS[kind](request) if kind in _ANSWERS else b""
            # ipi_ifindex 0 leaves the way to the routing table; ipi_spec_dst is the address to answer from (ip(7)).
            asked = next(data[4:8] for level, number, data in ancillary if number == _IP_PKTINFO)
            if kind == "tftp" and request.startswith(b"\0\x01"):
                threading.Thread(target=transfer, args=(request, socket.inet_ntoa(asked), sender), daemon=True).start()
            if answer:
                packet_info = [(socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=I4s4x", 0, asked))]
                sock.sendmsg([answer], packet_info, 0, sender)


_ON_UDP = {*_ANSWERS, "tftp", "mute-udp"}


def serve(accepted: socket.socket, kind: str) -> None:
    """Treat one connection; one that breaks is over."""
    with accepted, suppress(OSError):
        KINDS[kind](accepted)


def accept(listening: socket.socket, kind: str) -> None:
    """Treat each connection on its own."""
    while True:
        accepted, _ = listening.accept()
        threading.Thread(target=serve, args=(accepted, kind), daemon=True).start()


def main() -> None:
    """Listen until killed."""
    for argument in sys.argv[1:]:
        port, _, kind = argument.partition("=")
        if kind in _ON_UDP:
            threading.Thread(target=listen_udp, args=(int(port), kind), daemon=True).start()
            continue
        listening = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        threading.Thread(target=accept, args=(listening, kind), daemon=True).start()
        print(kind, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
