"""What did the DHCP server do? The audit log of Windows, syslog of ISC dhcpd and dnsmasq, the log of Kea."""

from __future__ import annotations

import re

from pe_agent.readers.record import Fields, code_in, line_grammar

_AUDIT_BEGINS = r"\d{1,5},\d\d/\d\d/\d{2,4},\d\d:\d\d:\d\d,"
# Windows audit log: 13 address in use, 14 scope exhausted, 15 lease denied, 18 expired, 20 and up BOOTP and DNS,
# 34 to 36 dropped. Source: the head of every DhcpSrvLog-*.log.
_AUDIT_WARNINGS = frozenset({"13", "14", "15", "22", "34", "35", "36", "2", "02"})
_MONTHS = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_SYSLOG_STAMP = rf"(?:{_MONTHS} [ \d]\d \d\d:\d\d:\d\d|\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))"
_SYSLOG = rf"(?:<\d{{1,3}}>)?({_SYSLOG_STAMP}) (?:[\w.:-]++ )?(dhcpd\d?|dnsmasq(?:-\w+)?)(?:\[\d+\])?: "
_SYSLOG_COLUMNS = re.compile(rf"{_SYSLOG}(.*)", re.DOTALL)
_MESSAGE_ID = re.compile(r"\b(DHCP[A-Z]+|BOOT(?:REQUEST|REPLY)|PXE)\b")
_TROUBLE = re.compile(
    r"no free leases|no address|DHCPNAK|DHCPDECLINE|abandon|unknown lease|ignored|not found|fail", re.I
)
_KEA = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (FATAL|ERROR|WARN|INFO|DEBUG) +\[([\w.-]+)(?:/[\d.x]+)?\] "
_KEA_COLUMNS = re.compile(rf"{_KEA}(?:([A-Z][A-Z0-9_]+)\b)?(.*)", re.DOTALL)
_KEA_LEVELS = {"FATAL": "Error", "ERROR": "Error", "WARN": "Warning", "INFO": "Info", "DEBUG": "Debug"}


def _audit_columns(text: str) -> Fields:
    number, date, time, message = text.split(",", 3)
    level = "Warning" if number in _AUDIT_WARNINGS else "Info"
    return Fields(f"{date} {time}", level, number, "DHCP", None, message)


def _syslog_columns(text: str) -> Fields:
    match = _SYSLOG_COLUMNS.fullmatch(text)
    if match is None:
        return Fields(text=text)
    time, program, message = match.groups()
    kind = _MESSAGE_ID.search(message)
    level = "Warning" if _TROUBLE.search(message) else "Info"
    return Fields(time, level, kind[1] if kind else "", program, None, message)


def _kea_columns(text: str) -> Fields:
    match = _KEA_COLUMNS.fullmatch(text)
    if match is None:
        return Fields(text=text)
    time, level, logger, kind, rest = match.groups()
    message = (kind or "") + rest
    return Fields(time, _KEA_LEVELS[level], kind or "", logger, code_in(message), message)


WINDOWS_AUDIT = line_grammar(_AUDIT_BEGINS, _audit_columns)
SYSLOG = line_grammar(_SYSLOG, _syslog_columns)
KEA = line_grammar(_KEA, _kea_columns)
