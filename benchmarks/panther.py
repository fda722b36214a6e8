"""How fast are logs read? MB/s of a plain regex loop, of reading and of judging, for each format, on one core.

Usage: python benchmarks/panther.py [MEGABYTES] [FILE...]
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pe_agent import scan, signatures
from pe_agent.encoding import encoding_of
from pe_agent.readers import stream
from pe_agent.readers.formats import format_of
from pe_agent.readers.record import Grammar

BLOCK_OCTETS = 1024 * 1024
ROUNDS = 3
# A line of each format as its program writes them; %04d makes every line another one, as in a real log.
LINES = {
    "panther": "2026-03-02 08:15:30, Info       [0x0601c1] IBS    LogBootDeviceInfo:Device is [multi(%04d)]\r\n",
    "wpeinit": "2026-03-02 08:15:30.592, Info      Spent %04dms installing network drivers, status 0x00000000\r\n",
    "cmtrace": '<![LOG[Property OSDAdapter%04d is now = 1]LOG]!><time="16:52:13.000+480" date="03-02-2026" '
    'component="LiteTouch" context="" type="1" thread="" file="LiteTouch">\r\n',
    "setupapi": ">>>  [Device Install - PCI\\VEN_8086&DEV_%04d\\3&11583659&0&FE]\r\n"
    ">>>  Section start 2026/03/02 08:15:31.123\r\n     dvi: {Build Driver List} 08:15:31.130\r\n"
    "     dvi:      Searching for hardware ID(s):\r\n<<<  Section end 2026/03/02 08:15:31.400\r\n"
    "<<<  [Exit status: SUCCESS]\r\n\r\n",
    "wds-trace": "[5464] 09:26:14: [WDSPXE] Pkt [%04d] RECV from 10.10.1.23:68 on 10.10.1.5:67, 548 bytes\r\n",
    "wds-events-xml": "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
    "<Provider Name='Microsoft-Windows-Deployment-Services-Diagnostics'/><EventID>4096</EventID><Level>4</Level>"
    "<TimeCreated SystemTime='2026-03-02T08:15:30.123Z'/></System><EventData><Data Name='MACAddress'>"
    "52-54-00-12-%04d</Data></EventData></Event>\r\n",
    "wds-events-rows": "Information,3/2/2026 8:15:55 AM,Microsoft-Windows-Deployment-Services-Diagnostics,4100,None,"
    '"The Following Client completed TFTP Download:\r\n\r\nClient IP: 10.10.1.23\r\nFilename: boot%04d.wim"\r\n',
    "wds-events-csv": '"The following WDS Client has started.\r\nMAC Address: {52-54-00-12-%04d}","4102","0","4",'
    '"Microsoft-Windows-Deployment-Services-Diagnostics","3/2/2026 8:15:55 AM","Information"\r\n',
    "wds-events-list": "TimeCreated  : 3/2/2026 8:15:55 AM\r\nId           : 4102\r\nProviderName : "
    "Microsoft-Windows-Deployment-Services-Diagnostics\r\nMessage      : The following WDS Client has started.\r\n"
    "               MAC Address: {52-54-00-12-%04d}\r\n\r\n",
    "dhcp-audit": "10,03/02/26,08:15:30,Assign,10.10.1.23,PC-%04d.example.org,525400123456,,1234567,0,,,,\r\n",
    "dhcp-syslog": "Mar  2 08:15:30 srv dhcpd[812]: DHCPDISCOVER from 52:54:00:12:%04d via 10.10.1.1\n",
    "dhcp-kea": "2026-03-02 08:15:30.123 INFO  [kea-dhcp4.leases/812.140] DHCP4_LEASE_ALLOC [hwtype=1 "
    "52:54:00:12:%04d], cid=[no info], tid=0x1234: lease 10.10.1.23 has been allocated for 3600 seconds\n",
}
HEADERS = {"wds-events-csv": '"Message","Id","Version","Level","ProviderName","TimeCreated","LevelDisplayName"\r\n'}
COLUMNS = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?), (.{10}) (\[0x[0-9A-Fa-f]{6}\]| {10}) (.{6}) (.*)")
ROWS = signatures.load()


def samples() -> Iterator[tuple[str, bytes]]:
    """Name and octets of about a block for each format, UTF-16 where the program writes that, then files as named."""
    for name, line in LINES.items():
        head = HEADERS.get(name, "")
        text = head + "".join(line % (number % 10000) for number in range(BLOCK_OCTETS // len(line)))
        yield name, b"\xff\xfe" + text.encode("utf-16-le") if name == "wpeinit" else text.encode()
    for path in map(Path, sys.argv[2:]):
        octets = path.read_bytes()
        yield path.name, octets * max(1, BLOCK_OCTETS // len(octets)) if encoding_of(octets) == "utf-8" else octets


def blocks(sample: bytes, megabytes: int) -> Iterator[bytes]:
    """The sample over and over; a byte order mark only once."""
    again = sample.removeprefix(b"\xff\xfe")
    yield sample
    for _ in range(megabytes * BLOCK_OCTETS // len(sample)):
        yield again


def plain_loop(chunks: Iterator[bytes], _: Grammar) -> int:
    """What one would write first: decode, split, match each line."""
    encoding = ""
    count = 0
    for chunk in chunks:
        encoding = encoding or encoding_of(chunk)
        count += sum(COLUMNS.match(line) is not None for line in chunk.decode(encoding, "replace").splitlines())
    return count


def read(chunks: Iterator[bytes], grammar: Grammar) -> int:
    """Records without a look at their columns."""
    return sum(1 for _ in stream.read_records(chunks, grammar))


def read_columns(chunks: Iterator[bytes], grammar: Grammar) -> int:
    """Records with all their columns."""
    return sum(record.fields.code is not None for record in stream.read_records(chunks, grammar))


def judge(chunks: Iterator[bytes], _: Grammar) -> int:
    """Reading, and all signatures."""
    return sum(1 for _ in scan.scan_log("log", chunks, ROWS))


WAYS: dict[str, Callable[[Iterator[bytes], Grammar], int]] = {
    "plain loop": plain_loop,
    "read": read,
    "read columns": read_columns,
    "read and judge": judge,
}


def speed(way: Callable[[Iterator[bytes], Grammar], int], sample: bytes, megabytes: int) -> float:
    """MB/s of the fastest of ROUNDS (CPU time): the others were disturbed more."""
    grammar = format_of(sample).grammar
    fastest_s = float("inf")
    for _ in range(ROUNDS):
        began_s = time.process_time()
        way(blocks(sample, megabytes), grammar)
        fastest_s = min(fastest_s, time.process_time() - began_s)
    return sum(map(len, blocks(sample, megabytes))) / fastest_s / 1e6


def main() -> None:
    """Time each way over the same octets, format by format."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print("| log | " + " | ".join(f"{way}, MB/s" for way in WAYS) + " |")
    print("|---|" + "---:|" * len(WAYS))
    for name, sample in samples():
        speeds = (speed(way, sample, megabytes) for way in WAYS.values())
        print(f"| {name} | " + " | ".join(f"{each:.0f}" for each in speeds) + " |", flush=True)
    print(f"\nLoad of the machine, with {os.cpu_count()} cores: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
