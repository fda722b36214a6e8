"""Which wheel fits the target, and is it whole? (Binary distribution format, packaging.python.org)"""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pe_image.payload_target import PayloadError, Target, is_left_out
from pe_image.payload_zip import UNREADABLE

_NATIVE = (".pyd", ".dll")
_MOST_OCTETS = 200 << 20
_LICENCE = re.compile(r"(licen[cs]e|copying|notice)[^/]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WheelName:
    """What a wheel's file name says."""

    path: Path
    project: str
    version: str
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel's content without its metadata; `licences` by file name, `licence` as the metadata names it."""

    name: WheelName
    sha256: str
    files: Mapping[str, bytes]
    licences: Mapping[str, bytes]
    licence: str

    def is_native(self) -> bool:
        """Whether it holds machine code, so that it cannot be imported from a zip."""
        return any(path.endswith(_NATIVE) for path in self.files)


def parse_name(path: Path) -> WheelName | None:
    """Read a wheel's file name; None when it is none."""
    parts = path.name.removesuffix(".whl").split("-")
    if path.suffix != ".whl" or len(parts) not in (5, 6):
        return None
    project = re.sub(r"[-_.]+", "_", parts[0]).lower()
    pythons, abis, platforms = (tuple(part.split(".")) for part in parts[-3:])
    return WheelName(path, project, parts[1], pythons, abis, platforms)


def choose_wheels(folder: Path, target: Target, python: str) -> tuple[WheelName, ...]:
    """The best wheel of each project of the target: with machine code before without, then the newest.

    Raises:
        PayloadError: one that the agent needs is missing; all that are missing are named.
    """
    names = [name for path in sorted(folder.glob("*.whl")) if (name := parse_name(path))]
    fitting = [name for name in names if fits(name, target, python)]
    chosen = {
        name.project: name
        for name in sorted(fitting, key=_rank)
        if name.project in (*target.wheels, *target.extras) and _is_pinned_version(name, target)
    }
    missing = [project for project in target.wheels if project not in chosen]
    if missing:
        raise PayloadError(
            f"{folder}: no wheel for {target.platform} and Python {python} of {', '.join(missing)}; "
            "fetch them with --fetch constraints.txt"
        )
    return tuple(chosen[project] for project in sorted(chosen))


def fits(name: WheelName, target: Target, python: str) -> bool:
    """Whether a wheel can be used there; `python` is a version like `3.11`."""
    minor = int(python.split(".")[1])
    if not {target.platform, "any"} & set(name.platforms):
        return False
    if f"cp3{minor}" in name.pythons:
        return bool({f"cp3{minor}", "abi3", "none"} & set(name.abis))
    if "abi3" in name.abis:
        return any(re.fullmatch(r"cp3\d+", tag) and int(tag[3:]) <= minor for tag in name.pythons)
    return "py3" in name.pythons and "none" in name.abis


def read_wheel(name: WheelName) -> Wheel:
    """The files of a wheel that the agent needs, each checked against the wheel's RECORD.

    Raises:
        PayloadError: it cannot be read, or a file differs from its record.
    """
    try:
        with zipfile.ZipFile(name.path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > _MOST_OCTETS:
                raise PayloadError(f"{name.path}: unpacks to more than {_MOST_OCTETS >> 20} MB")
            files = {entry.filename: archive.read(entry) for entry in entries}
    except UNREADABLE as exc:
        raise PayloadError(f"{name.path}: {exc}; fetch the wheel again") from exc
    _check_records(name.path, files)
    about = {path: octets for path, octets in files.items() if ".dist-info/" in path}
    wanted = {p: o for p, o in files.items() if p not in about and not is_left_out(p, "wheels")}
    licences = {p.rsplit("/", 1)[1]: o for p, o in about.items() if _LICENCE.fullmatch(p.rsplit("/", 1)[1])}
    digest = hashlib.sha256(name.path.read_bytes()).hexdigest()
    return Wheel(name, digest, wanted, licences, _licence(about))


def fetch_wheels(folder: Path, target: Target, python: str, constraints: Path) -> None:
    """Have pip download the target's wheels in the versions that the constraints file names.

    Raises:
        PayloadError: a version is missing there, or pip cannot get one.
    """
    versions = _versions(constraints) | dict(target.pins)
    missing = [project for project in target.wheels if project not in versions]
    if missing:
        raise PayloadError(f"{constraints} names no version of {', '.join(missing)}")
    for project in (*target.wheels, *target.extras):
        if project not in versions:
            continue
        try:
            _download(folder, f"{project}=={versions[project]}", target.platform, python)
        except PayloadError:
            if project in target.wheels:
                raise


def _download(folder: Path, requirement: str, platform: str, python: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--platform", platform, "--python-version", python, "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
        raise PayloadError(f"pip download {requirement} for {platform}: {reason[-1]}")


def _versions(constraints: Path) -> dict[str, str]:
    try:
        lines = constraints.read_text(encoding="utf-8").splitlines()
    except OSError as exc:
        raise PayloadError(f"{constraints}: {exc.strerror}") from exc
    pairs = (line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    return {re.sub(r"[-_.]+", "_", project.strip()).lower(): version.strip() for project, version in pairs}


def _rank(name: WheelName) -> tuple[bool, tuple[int, ...]]:
    return "any" not in name.platforms, tuple(int(number) for number in re.findall(r"\d+", name.version))


def _is_pinned_version(name: WheelName, target: Target) -> bool:
    return target.pins.get(name.project, name.version) == name.version


def _check_records(path: Path, files: Mapping[str, bytes]) -> None:
    records = [name for name in files if name.endswith(".dist-info/RECORD")]
    if len(records) != 1:
        raise PayloadError(f"{path}: has no RECORD; this is no wheel")
    rows = csv.reader(files[records[0]].decode("utf-8").splitlines())
    hashes = {row[0]: row[1] for row in rows if len(row) == 3}
    for name, octets in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(octets).digest()).rstrip(b"=").decode()
        if name != records[0] and hashes.get(name) != f"sha256={digest}":
            raise PayloadError(f"{path}: {name} is not what its RECORD says; fetch the wheel again")


def _licence(about: Mapping[str, bytes]) -> str:
    text = next((octets.decode("utf-8") for path, octets in about.items() if path.endswith("/METADATA")), "")
    found = re.search(r"^License(?:-Expression)?: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
