"""What did the servers log about a machine? Records of their logs -> rows with time, MAC and IP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pe_agent.errors import UsageError
from pe_agent.readers import stream
from pe_agent.readers.formats import HEAD_OCTETS, Format, format_of
from pe_agent.readers.record import LogRecord

from pe_collector.server_times import ServerClock, count_midnights

_BLOCK_OCTETS = 1024 * 1024
_MOST_TEXT = 2000
_IP = r"((?:\d{1,3}\.){3}\d{1,3})(?![\d.])"
_ANY_IP = re.compile(rf"(?<![\d.]){_IP}")
# Only here the address is the client's: `via` names the relay, and a bare one may be the server's.
_CLIENT_IP = {
    "dhcp-syslog": re.compile(rf"(?: on | for |\) |\bfrom ){_IP}"),
    "dhcp-kea": re.compile(rf"\b(?:lease|address) {_IP}"),
}
_MAC = re.compile(r"(?<![0-9A-Fa-f:-])((?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\2){4}[0-9A-Fa-f]{2})(?![0-9A-Fa-f:-])")
# Without signs between the octets, also as the end of a GUID or of a name of 32 digits that are zeroes else.
_BARE_MAC = re.compile(r"(?:(?<![0-9A-Za-z-])|(?<=0{4}-0{4}-0{4}-)|(?<=0{20}))([0-9A-Fa-f]{12})(?![0-9A-Za-z])")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One line of a server's log. `at_s` is Unix seconds on that server's clock; `mac` is lower case with colons."""

    source: str
    at_s: float
    mac: str
    ip: str
    event: str
    text: str
    level: str
    component: str
    file: str
    line: int


def server_format(head: bytes) -> Format | None:
    """The format of a server's log by its beginning; None when it is none."""
    row = format_of(head)
    return row if row.server else None


def read_server_log(path: Path, utc_offset_min: int) -> Iterator[ServerEvent]:
    """The events of a file; lines without a time are left out.

    Raises:
        UsageError: it cannot be read, or is no log of a server.
    """
    try:
        with path.open("rb") as file:
            row = server_format(file.read(HEAD_OCTETS))
        changed_s = path.stat().st_mtime
        if row is None:
            raise UsageError(f"{path}: no log of a WDS or DHCP server that is known here")
        midnights = count_midnights(record.time for record in _records(path, row)) if row.name == "wds-trace" else 0
        clock = ServerClock(utc_offset_min, changed_s, midnights)
        for record in _records(path, row):
            at_s = clock.at_s(record.time) if record.time else None
            if at_s is not None:
                yield _event(row.name, at_s, record, path.name)
    except OSError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc


def _records(path: Path, row: Format) -> Iterator[LogRecord]:
    with path.open("rb") as file:
        yield from stream.read_records(iter(lambda: file.read(_BLOCK_OCTETS), b""), row.grammar)


def _event(source: str, at_s: float, record: LogRecord, file: str) -> ServerEvent:
    fields = record.fields
    text = fields.text[:_MOST_TEXT]
    return ServerEvent(
        source=source,
        at_s=at_s,
        mac=mac_in(text),
        ip=_ip_in(text, source),
        event=fields.message_id,
        text=text,
        level=fields.level,
        component=fields.component,
        file=file,
        line=record.line,
    )


def mac_in(text: str) -> str:
    """The first hardware address in a text, lower case with colons; empty without one."""
    match = _MAC.search(text) or _BARE_MAC.search(text)
    if match is None:
        return ""
    return bytes.fromhex(match[1].replace(":", "").replace("-", "")).hex(":")


def _ip_in(text: str, source: str) -> str:
    match = _CLIENT_IP.get(source, _ANY_IP).search(text)
    ip = match[1] if match else ""
    return "" if ip == "0.0.0.0" else ip
