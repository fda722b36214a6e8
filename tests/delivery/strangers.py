"""Those who do not speak the protocol: raw connections to a collector's port."""

import contextlib
import os
import random
import socket
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_HEADERS = 4


def h2_frame(kind, flags=0, stream=0, payload=b"", length=None):
    """RFC 9113 section 4.1; `length` lies about the payload."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header that is never indexed (RFC 7541 section 6.2.3), without Huffman coding, names and values short."""
    return b"\x10" + bytes((len(name),)) + name + bytes((len(value),)) + value


def request(stream, method=b"/pe.v1.Ingest/Deliver"):
    """The headers that open a gRPC call."""
    fields = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", method), (b":authority", b"pe-collector"))
    fields += ((b"te", b"trailers"), (b"content-type", b"application/grpc"))
    return h2_frame(HEADERS, END_HEADERS, stream, b"".join(literal(*field) for field in fields))


def message(octets, *, compressed=0, length=None):
    """A gRPC message (its length may lie) as the data of a stream."""
    return bytes((compressed,)) + struct.pack(">I", len(octets) if length is None else length) + octets


def opened(*data):
    """A connection with one call that sends this data."""
    return PREFACE + h2_frame(SETTINGS) + request(1) + b"".join(h2_frame(DATA, 0, 1, part) for part in data)


def malformed(chance):
    """What a port may be sent, by name."""
    noise = chance.randbytes(chance.randrange(1, 4000))
    flipped = bytearray(opened(message(noise)))
    for _ in range(20):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return {
        "noise": noise,
        "half a preface": PREFACE[: chance.randrange(1, len(PREFACE))],
        "http/1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
        "noise after the preface": PREFACE + noise,
        "no protobuf": opened(message(noise)),
        "empty messages": opened(message(b"") * 1000),
        "a message of 4 GiB, it says": opened(message(b"x" * 100, length=0xFFFFFFFF)),
        "a message of 8 MiB": opened(*([message(b"", length=8 << 20)] + [b"x" * 16000] * 4)),
        "compressed noise": opened(message(noise, compressed=1)),
        "a flag there is not": opened(message(noise, compressed=0x7F)),
        "an unknown method": PREFACE
        + h2_frame(SETTINGS)
        + request(1, b"/pe.v1.Ingest/Read" + noise[:20].hex().encode()),
        "a frame that lies": PREFACE + h2_frame(SETTINGS) + h2_frame(DATA, 0, 1, b"", length=0xFFFFFF),
        "headers without end": PREFACE
        + h2_frame(SETTINGS)
        + h2_frame(HEADERS, 0, 1, literal(b"a", b"b"))
        + h2_frame(CONTINUATION, 0, 1, literal(b"c", b"d" * 100)) * 300,
        "calls opened and reset": PREFACE
        + h2_frame(SETTINGS)
        + b"".join(request(n) + h2_frame(RST, 0, n, b"\0\0\0\x08") for n in range(1, 1999, 2)),
        "settings and pings": PREFACE + (h2_frame(SETTINGS) + h2_frame(PING, 0, 0, bytes(8))) * 2000,
        "windows": PREFACE + h2_frame(SETTINGS) + h2_frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 100,
        "flipped bits": bytes(flipped),
    }


def connect(address, *, tls=None):
    """A raw connection, after its handshake when there is one."""
    host, port = address.split(":")
    sock = socket.create_connection((host, int(port)), timeout=60)
    return tls.wrap_socket(sock, server_hostname="pe-collector") if tls else sock


def anyone():
    """TLS that believes everybody: strangers have no CA."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def said(address, octets, *, tls=None):
    """Send, and read what comes back until the other side is done or patience ends."""
    with contextlib.suppress(OSError), connect(address, tls=tls) as sock:
        sock.settimeout(0.5)
        sock.sendall(octets)
        while sock.recv(65536):
            pass


def resident_octets(process):
    """Memory of a process that is really there."""
    with open(f"/proc/{process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def seeded(seed):
    print(f"seed {seed}")
    return random.Random(seed)
