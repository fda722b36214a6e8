"""Will the payload run in this image: which DLLs or names does the image lack?"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

from pe_image.payload_tls import with_packed
from pe_image.pe_headers import PeFile, PeFormatError, machine_of, parse
from pe_image.pe_imports import exports_of, imports_of

SYSTEM_FOLDER = "windows\\system32\\"


class Lack(StrEnum):
    """What is wrong with a file that is needed."""

    MISSING = "missing"
    NO_SYMBOL = "no-symbol"
    WRONG_MACHINE = "wrong-machine"
    UNREADABLE = "unreadable"
    SCRATCH_SPACE = "scratch-space"


class When(StrEnum):
    """When the loader looks for a DLL."""

    START = "start"
    FIRST_CALL = "first-call"
    RUN_TIME = "run-time"


@dataclass(frozen=True, slots=True)
class Need:
    """One DLL that a file of the payload loads. `needed`: without it the file, or what it is for, does not work."""

    file: str
    dll: str
    symbols: tuple[str, ...]
    when: When
    needed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing the image lacks. `detail`: symbols, or the machine found; `fix` is empty when none is known."""

    lack: Lack
    name: str
    by: tuple[str, ...]
    when: When
    needed: bool
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class SystemFolder:
    """System32 of an image: its architecture, the lower-case names in it, and how to read one of them."""

    architecture: str
    names: frozenset[str]
    read: Callable[[str], bytes]


def audit(payload: Mapping[str, bytes], system: SystemFolder) -> tuple[Problem, ...]:
    """What keeps the payload (path with slashes -> octets) from running there; one row for each DLL and lack.

    Raises:
        PayloadError: its archive tls.zip, whose programs count as the others do, cannot be read.
    """
    return _Audit(with_packed(payload), system).problems()


def needs_of(payload: Mapping[str, bytes]) -> Iterator[Need]:
    """Every DLL that every file given loads, by its import tables and by the table of known loads.

    Raises:
        PeFormatError: an import table points outside of its file.
    """
    for path, octets in sorted(payload.items()):
        if octets[:2] == b"MZ":
            for row in imports_of(parse(octets)):
                when = When.FIRST_CALL if row.delayed else When.START
                yield Need(path, row.dll, row.symbols, when, needed=not row.delayed)
        for load in audit_table()["run_time_load"]:
            if fnmatchcase(path, load["file"]):
                symbols = tuple(load.get("symbols", ()))
                yield Need(path, load["dll"], symbols, When.RUN_TIME, needed=load["needed"], why=load["why"])


@cache
def audit_table() -> dict[str, Any]:
    """The table audit.toml."""
    return tomllib.loads(resources.files("pe_image").joinpath("audit.toml").read_text(encoding="utf-8"))


def fix_for(dll: str) -> str:
    """What to do about a missing DLL."""
    known = next((str(row["text"]) for row in audit_table()["fix"] if row["dll"] == dll), "")
    taken = "take it from install.wim of the same build: --take-from install.wim:INDEX --output PAYLOAD"
    return f"{known}, or {taken}" if known else taken


@dataclass(slots=True)
class _Audit:
    """One audit; every DLL of the image is read once."""

    payload: Mapping[str, bytes]
    system: SystemFolder
    _read: dict[str, PeFile | str] = field(default_factory=dict)
    _exports: dict[str, frozenset[str]] = field(default_factory=dict)

    def problems(self) -> tuple[Problem, ...]:
        machines = tuple(self._other_machines())
        found: dict[tuple[Lack, str, When, bool, str], list[str]] = {}
        for need in needs_of(self.payload):
            for lack, detail in self._lacks(need):
                row = found.setdefault((lack, need.dll, need.when, need.needed, detail or need.why), [])
                if need.file not in row:
                    row.append(need.file)
        rows = (
            Problem(lack, dll, tuple(by), when, needed, detail, fix_for(dll) if lack is Lack.MISSING else "")
            for (lack, dll, when, needed, detail), by in found.items()
        )
        return (*machines, *sorted(rows, key=lambda row: (not row.needed, row.lack, row.name)))

    def _other_machines(self) -> Iterator[Problem]:
        for path, octets in sorted(self.payload.items()):
            machine = machine_of(octets)
            if machine and self.system.architecture and machine != self.system.architecture:
                detail = f"is {machine}, the image is {self.system.architecture}"
                fix = f"build the payload for {self.system.architecture}"
                yield Problem(Lack.WRONG_MACHINE, path, (), When.START, needed=True, detail=detail, fix=fix)

    def _lacks(self, need: Need) -> Iterator[tuple[Lack, str]]:
        """What is wrong with one need: nothing, or one thing."""
        beside = _beside(need, self.payload)
        name = beside or _host_of(need.dll, self.system.names)
        if not name:
            yield Lack.MISSING, ""
            return
        file = self._file(name, in_payload=bool(beside))
        if isinstance(file, str):
            yield Lack.UNREADABLE, file
            return
        if file.machine != self.system.architecture and self.system.architecture and not beside:
            yield Lack.WRONG_MACHINE, f"is {file.machine}, the image is {self.system.architecture}"
            return
        lacking = sorted(set(need.symbols) - self._exports_of(name, file))
        if lacking:
            yield Lack.NO_SYMBOL, ", ".join(lacking)

    def _file(self, name: str, *, in_payload: bool) -> PeFile | str:
        if name not in self._read:
            octets = self.payload[name] if in_payload else self.system.read(name)
            try:
                self._read[name] = parse(octets)
            except PeFormatError as exc:
                self._read[name] = str(exc)
        return self._read[name]

    def _exports_of(self, name: str, file: PeFile) -> frozenset[str]:
        if name not in self._exports:
            self._exports[name] = exports_of(file)
        return self._exports[name]


def _beside(need: Need, payload: Iterable[str]) -> str:
    """The payload's own file: beside the one that loads it, or beside python.exe; empty when it has none."""
    folder = need.file.rpartition("/")[0]
    wanted = {need.dll, f"{folder}/{need.dll}".lower()}
    return next((path for path in sorted(payload) if path.lower() in wanted), "")


def _host_of(dll: str, names: frozenset[str]) -> str:
    """The file of the image that answers to a DLL's name; empty when there is none."""
    if dll in names:
        return dll
    hosts = (row["host"] for row in audit_table()["api_set"] if dll.startswith(row["prefix"]))
    host = next(hosts, "")
    return host if host in names else ""
