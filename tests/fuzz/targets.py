"""What is fuzzed: every decoder of every codec. A new codec is a row here; a test finds a forgotten one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from pe_agent.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Target:
    """A function of `pe_agent.codec`, or of another `package`, that takes octets, and what it is given beside them.

    `package` is one of pe_agent, or a whole name with a dot.

    `seed` is the beginning of a well-formed input, so that the fuzzer need not guess a magic number.
    """

    codec: str
    function: str
    beside: tuple[object, ...] = ()
    seed: bytes = b""
    package: str = "codec"

    def __str__(self) -> str:
        return ".".join((self.codec, self.function, *(word for word in self.beside if isinstance(word, str))))

    def load(self) -> Callable[[bytes], None]:
        """The function to feed: quiet on a value and on a refusal, loud on everything else."""
        package = self.package if "." in self.package else f"pe_agent.{self.package}"
        decode = getattr(importlib.import_module(f"{package}.{self.codec}"), self.function)

        def feed(octets: bytes) -> None:
            try:
                decode(octets, *self.beside)
            except DecodeError:
                return

        return feed


_DNS_ANSWER = bytes.fromhex(
    "0001 8180 0001 0001 0000 0000 05 7764733031 00 0001 0001 c00c 0001 0001 0000003c 0004 0a0a0914"
)
_DHCP_REPLY = bytes.fromhex("0201 0600").ljust(236, b"\0") + bytes.fromhex("63825363 350102 3604 0a0a090a 3401 03 ff")
_UDP_PACKET = bytes.fromhex("4500001d 00000000 4011ffff 0a0a0901 ffffffff 00430044 00090000 61")
_KEPT_OPTIONS = bytes.fromhex("36000000 00000000 04000000 00000000 3317b657 c0a80101")
_DHCPV6_REPLY = bytes.fromhex("07a1b2c3 0002 0004 00010203 003b 0003 746674 003c 0003 000161")
_NODE_STATUS = bytes.fromhex("0001 8400 0000 0001 0000 0000 20") + b"CK" + b"A" * 30 + bytes.fromhex("00 0021 0001")
_RPC_ACK = bytes.fromhex("05000c03 10000000 3c000000 01000000 b810b810 01000000 0500 3133350000 00 01000000")
_SMB_REPLY = bytes.fromhex("000000 80 fe534d42 4000").ljust(132, b"\0")
_TOWER = bytes.fromhex("0500 1300 0d 2739 1a9e 3545 5345 ae3f 7cf4 aafc a620 0100 0200 0000")
_PE_FILE = b"MZ".ljust(60, b"\0") + bytes.fromhex("40000000 50450000 6486")

_LOGS = {
    "panther": b"2026-03-02 08:15:30, Info       [0x0601c1] IBS    x\n",
    "cmtrace": b'<![LOG[x]LOG]!><time="16:52:13.000+480" date="03-02-2026" component="a" type="1">\n',
    "setupapi": b">>>  [Device Install - PCI\\VEN_8086]\n<<<  [Exit status: FAILURE(0xe0000203)]\n",
    "wds-trace": b"[5464] 09:26:14: [RPC] x\n",
    "wds-events-xml": b"<Event><System><EventID>4100</EventID></System><Data Name='a'>b</Data></Event>",
    "wds-events-rows": b'Information,3/2/2026 8:15:55 AM,WDS,4100,None,"x"\n',
    "wds-events-csv": b'"Message","Id","TimeCreated"\n"a\nb","4102","3/2/2026 8:15:55 AM"\n',
    "wds-events-list": b"TimeCreated : 3/2/2026 8:15:55 AM\nId : 4102\nMessage : x\n",
    "dhcp-audit": b"10,03/02/26,08:15:30,Assign,10.10.1.23,PC-1,525400123456,\n",
    "dhcp-syslog": b"Mar  2 08:15:30 srv dhcpd[812]: DHCPDISCOVER from 52:54:00:12:34:56 via eth0\n",
    "dhcp-kea": b"2026-03-02 08:15:30.123 INFO  [kea-dhcp4.leases/812.140] DHCP4_LEASE_ALLOC x\n",
    "wpeinit": b"2026-03-02 08:15:30.592, Error     x\n",
}

_SEED_LOG = b'Error "CreateClientSession: Failed to create client session. Error code [0x800706BA].[gle=0x000006ba]"\n'

TARGETS: tuple[Target, ...] = (
    *(Target("formats", "read_fields", (name,), log, "readers") for name, log in _LOGS.items()),
    Target("whole", "redact", seed=b"x\r\n" + "password=ab;c\r\n".encode("utf-16-le"), package="tests.fuzz"),
    Target("whole", "scan", seed=_SEED_LOG, package="tests.fuzz"),
    Target("whole", "decode_letters", seed=b"PE1AAAAAAAA", package="tests.fuzz"),
    Target("dhcp", "decode_message", seed=_DHCP_REPLY),
    Target("dhcp", "decode_options", seed=_DHCP_REPLY[240:]),
    Target("dhcpv6", "decode_message", seed=_DHCPV6_REPLY),
    Target("dhcpv6", "decode_parameters", seed=b"\0\1a\0\2bc"),
    Target("dns", "decode_answer", (1,), _DNS_ANSWER),
    Target("epm", "decode_tower", seed=_TOWER),
    Target("epm", "decode_map_request"),
    Target("epm", "decode_map_reply"),
    Target("ipv4", "decode_udp", seed=_UDP_PACKET),
    Target("netbios", "decode_node_status", (1,), _NODE_STATUS),
    Target("netbios", "decode_session_answer", seed=b"\x82\0\0\0"),
    Target("pe_header", "file_architecture", seed=_PE_FILE),
    Target("pxe", "decode_vendor", seed=b"\x06\x01\x08\x09\x04\x80\x00\x01a\xff"),
    Target("windows_lease", "decode_kept_options", seed=_KEPT_OPTIONS),
    Target("rpc", "decode", seed=_RPC_ACK),
    Target("rpc", "fragment_octets", seed=_RPC_ACK),
    Target("smb2", "decode_negotiate", seed=_SMB_REPLY[4:]),
    Target("smb2", "message_octets", seed=_SMB_REPLY),
    Target("smbios", "decode_raw", seed=bytes.fromhex("00030100 20000000 011b 0100 0102 0304")),
    Target("smbios", "decode_64_bit_capable", seed=bytes.fromhex("00030100 2a000000 0428 0400 0103").ljust(52, b"\4")),
    Target("sntp", "decode_answer", (1.0, 2.0), bytes.fromhex("24020000").ljust(48, b"\x01")),
    Target("tftp", "decode", seed=b"\0\6tsize\0001000000\0blksize\0001456\0"),
)
